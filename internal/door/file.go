package door

import (
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"bonded/internal/blob"
	"bonded/internal/errs"
	"bonded/internal/registry"
)

// signedFor is how long a redirect to the blob store stays valid (design §5: at most 60 s).
const signedFor = 60 * time.Second

// inlineTypes are the media types in which an artifact may be sent; everything else is application/octet-stream. None of
// them is executed by a browser.
var inlineTypes = map[string]string{
	".whl": "application/octet-stream", ".gz": "application/gzip", ".tgz": "application/octet-stream", ".crate": "application/gzip",
	".zip": "application/zip", ".jar": "application/java-archive", ".pom": "text/xml", ".xml": "text/xml", ".json": "application/json",
	".module": "application/json", ".asc": "text/plain", ".sha1": "text/plain", ".md5": "text/plain", ".sha256": "text/plain",
	".sha512": "text/plain", ".metadata": "text/plain", ".txt": "text/plain",
}

// ContentType is the type from the allow-list for a file name.
func ContentType(name string) string {
	if i := strings.LastIndexByte(name, '.'); i >= 0 {
		if t, ok := inlineTypes[name[i:]]; ok {
			return t
		}
	}
	return "application/octet-stream"
}

// FileOptions say how a file is answered.
type FileOptions struct {
	// ContentType overrides the allow-list's answer; it must be one of its types.
	ContentType string
	// ETag replaces the SHA-256; quoted.
	ETag string
	// Header adds or replaces headers, such as X-Checksum-SHA1.
	Header http.Header
	// Moving files change under their URL, so they are revalidated.
	Moving bool
	// Uncounted keeps sidecars and probes out of the download statistics.
	Uncounted bool
}

// ServeFile answers GET and HEAD for an artifact: Range, conditional requests, sendfile, or a redirect to the blob store.
// A withheld file is errs.Withheld with the verdict's reason.
func (q *Request) ServeFile(w http.ResponseWriter, r *http.Request, p *registry.Project, f *registry.File, o FileOptions) error {
	if err := q.released(p, f); err != nil {
		return err
	}
	if !o.Uncounted && r.Method == http.MethodGet && countable(r) {
		q.House.Usage.Downloaded(f.ID, q.Principal.Pseudonym)
	}
	name := f.Name()
	if o.ContentType == "" {
		o.ContentType = ContentType(name)
	}
	if q.House.Redirect && r.Method == http.MethodGet {
		url, ok, err := q.House.Blobs.SignedURL(r.Context(), f.Digests.SHA256, signedFor, name, o.ContentType)
		if err == nil && ok {
			w.Header().Set("Cache-Control", "private, no-store")
			http.Redirect(w, r, url, http.StatusFound)
			return nil
		}
	}
	body, err := q.Source.Open(r.Context(), f)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	q.fileHeaders(w.Header(), p, f, name, o)
	serveBytes(w, r, body, f.UploadedAt)
	return nil
}

// Released refuses (errs.Withheld) a file that a verdict keeps back, for doors that serve what is derived from it.
func (q *Request) Released(p *registry.Project, f *registry.File) error { return q.released(p, f) }

// released refuses what a verdict keeps back.
func (q *Request) released(p *registry.Project, f *registry.File) error {
	if p.Status == registry.Quarantined {
		return errs.New(errs.Withheld, "%s is quarantined: %s", p.Display, p.StatusReason).WithRule("moderation/quarantine").
			WithNext("Do not use it until the operator has decided; see its page at %s/packages/%s/%s.", q.Root, p.Repo.Path(), p.Norm)
	}
	if v := f.Release.Verdict; !v.Serves(q.House.Clock.Now()) {
		return errs.New(errs.Withheld, "%s %s is withheld: %s", p.Display, f.Release.Version, v.Reason).WithRule(v.Rule)
	}
	return nil
}

// countable leaves resumed and probing range requests out of the statistics.
func countable(r *http.Request) bool {
	rng := r.Header.Get("Range")
	return rng == "" || strings.HasPrefix(rng, "bytes=0-")
}

func (q *Request) fileHeaders(h http.Header, p *registry.Project, f *registry.File, name string, o FileOptions) {
	ArtifactHeaders(h, name, o.ContentType)
	etag := o.ETag
	if etag == "" {
		etag = `"` + f.Digests.SHA256.String() + `"`
	}
	h["Etag"] = []string{etag}
	switch {
	case o.Moving:
		h["Cache-Control"] = noCache
	case q.Open(p):
		h["Cache-Control"] = immutable
	default:
		h["Cache-Control"] = privateImmutable
	}
	maps.Copy(h, o.Header)
}

var (
	immutable        = []string{"public, max-age=31536000, immutable"}
	privateImmutable = []string{"private, max-age=31536000, immutable"}
	sandbox          = []string{"sandbox; default-src 'none'"}
)

// ArtifactHeaders sets what every answer with a stranger's bytes carries, so that no browser ever runs them.
func ArtifactHeaders(h http.Header, name, contentType string) {
	h["X-Content-Type-Options"] = nosniff
	h["Content-Security-Policy"] = sandbox
	h["Content-Type"] = []string{contentType}
	if contentType == "text/plain" || contentType == "application/json" {
		return
	}
	h["Content-Disposition"] = []string{mime.FormatMediaType("attachment", map[string]string{"filename": name})}
}

// serveBytes sends a file whole, which is what nearly every client asks for, and hands everything else over to net/http,
// which knows Range, If-Range and conditional requests. Both use sendfile where the reader is a plain file.
func serveBytes(w http.ResponseWriter, r *http.Request, body *blob.Reader, modified time.Time) {
	var src io.ReadSeeker = body
	if file := body.File(); file != nil {
		src = file
	}
	if !wantsWhole(r.Header) {
		http.ServeContent(w, r, "", modified, src)
		return
	}
	h := w.Header()
	h["Accept-Ranges"] = byteRanges
	h["Last-Modified"] = []string{modified.UTC().Format(http.TimeFormat)}
	h["Content-Length"] = []string{strconv.FormatInt(body.Size(), 10)}
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = io.CopyN(w, src, body.Size()) // the client may be gone
	}
}

var byteRanges = []string{"bytes"}

// wantsWhole reports a request without a range and without conditions.
func wantsWhole(h http.Header) bool {
	for _, name := range []string{"Range", "If-None-Match", "If-Modified-Since", "If-Match", "If-Unmodified-Since"} {
		if len(h[name]) > 0 {
			return false
		}
	}
	return true
}

// IsGone reports errors of a client that went away, which are nobody's fault.
func IsGone(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, http.ErrAbortHandler)
}
