package web

import (
	"bytes"
	"embed"
	"net/http"
	"path"
	"strconv"
	"strings"

	"github.com/klauspost/compress/gzip"

	"bonded/internal/digest"
)

//go:embed assets
var assetFiles embed.FS

// asset is one embedded file, ready to be sent.
type asset struct {
	contentType string
	plain, gzip []byte
}

// assets are the style sheet, the script and the icon. Their URLs hold a digest of their bytes, so browsers may keep them for good.
type assets struct {
	byURL map[string]*asset
	// url maps the plain name to the name with the digest.
	url map[string]string
}

var assetTypes = map[string]string{
	".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
}

func loadAssets() *assets {
	a := &assets{byURL: map[string]*asset{}, url: map[string]string{}}
	entries, err := assetFiles.ReadDir("assets")
	if err != nil {
		panic(err) // the folder is part of the binary
	}
	for _, e := range entries {
		b, err := assetFiles.ReadFile("assets/" + e.Name())
		if err != nil {
			panic(err)
		}
		ext := path.Ext(e.Name())
		hashed := strings.TrimSuffix(e.Name(), ext) + "." + digest.Of(b).String()[:12] + ext
		a.url[e.Name()] = hashed
		a.byURL[hashed] = &asset{contentType: assetTypes[ext], plain: b, gzip: compress(b)}
	}
	return a
}

func compress(b []byte) []byte {
	var buf bytes.Buffer
	z, _ := gzip.NewWriterLevel(&buf, gzip.BestCompression) // the level is valid
	_, _ = z.Write(b)                                       // a bytes.Buffer takes everything
	_ = z.Close()
	return buf.Bytes()
}

func (a *assets) serve(w http.ResponseWriter, r *http.Request, name string) {
	setHeaders(w.Header())
	file := a.byURL[name]
	if file == nil {
		http.NotFound(w, r)
		return
	}
	h, body := w.Header(), file.plain
	h.Set("Content-Type", file.contentType)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Vary", "Accept-Encoding")
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		body = file.gzip
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the reader may be gone
	}
}

// asset is the address of an embedded file.
func (f Frame) asset(name string) string { return f.prefix + "/assets/" + f.assets.url[name] }
