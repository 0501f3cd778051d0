package door

import (
	"bytes"
	"context"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/maypok86/otter/v2"

	"bonded/internal/clock"
	"bonded/internal/digest"
	"bonded/internal/registry"
)

// DocumentKey names a rendered document: everything it depends on. Two requests with one key get the same bytes.
type DocumentKey struct {
	// Repo and Epoch are the repository asked and its membership; Revision is the project's (or the listing's).
	Repo, Epoch int64
	Project     string
	Revision    int64
	// Policy and Advisory are the epochs of what computes verdicts.
	Policy, Advisory int64
	Audience         registry.Audience
	// Representation tells the documents of one project apart ("full", "abbreviated", "simple+json").
	Representation string
	// Base is the public URL under which it is served.
	Base string
}

// Document is a rendered, compressed answer.
type Document struct {
	plain, gzip body
	contentType []string
	modified    []string
	modTime     time.Time
	// until is when it stops being true by itself; zero = never.
	until time.Time
	// header are the door's further headers.
	header http.Header
}

// body is one encoding with its headers made once.
type body struct {
	bytes  []byte
	etag   []string
	length []string
}

// Rendered is what a door renders.
type Rendered struct {
	Body        []byte
	ContentType string
	Modified    time.Time
	// Until is the View's.
	Until time.Time
	// Header holds further headers of every answer with this document, such as X-Checksum-SHA1.
	Header http.Header
}

// minCompress is the size below which compression saves nothing.
const minCompress = 512

// NewDocument prepares rendered bytes for serving.
func NewDocument(r Rendered) *Document {
	d := &Document{contentType: []string{r.ContentType}, modTime: r.Modified.Truncate(time.Second), until: r.Until, header: r.Header}
	if !r.Modified.IsZero() {
		d.modified = []string{d.modTime.UTC().Format(http.TimeFormat)}
	}
	sum := digest.Of(r.Body).String()[:32]
	d.plain = newBody(r.Body, `"`+sum+`"`)
	if len(r.Body) >= minCompress {
		d.gzip = newBody(compress(r.Body), `"`+sum+`-gzip"`)
	}
	return d
}

// newBody keeps exactly the bytes: a document may stay for days, and what it was rendered into is often larger.
func newBody(b []byte, etag string) body {
	if cap(b)-len(b) > len(b)/16 {
		b = bytes.Clone(b)
	}
	return body{bytes: b, etag: []string{etag}, length: []string{strconv.Itoa(len(b))}}
}

// compressor is a gzip writer with its buffer. One takes most of a megabyte, many times what it writes, so they are kept.
type compressor struct {
	buf bytes.Buffer
	z   *gzip.Writer
}

var compressors = sync.Pool{New: func() any {
	c := &compressor{}
	c.z, _ = gzip.NewWriterLevel(&c.buf, 5) // the level is valid
	return c
}}

// compress returns b in gzip, in bytes of its own.
func compress(b []byte) []byte {
	c, _ := compressors.Get().(*compressor)
	defer compressors.Put(c)
	c.buf.Reset()
	c.z.Reset(&c.buf)
	_, _ = c.z.Write(b) // a bytes.Buffer takes everything
	_ = c.z.Close()
	return bytes.Clone(c.buf.Bytes())
}

// Documents is the cache of rendered documents. Revisions are part of the key, so nothing is ever invalidated: what is stale
// is no longer asked for and falls out.
type Documents struct {
	cache        *otter.Cache[DocumentKey, *Document]
	clock        clock.Clock
	hits, misses atomic.Int64
}

// Stats returns how often a document was there already, and how often it had to be rendered.
func (c *Documents) Stats() (hits, misses float64) {
	return float64(c.hits.Load()), float64(c.misses.Load())
}

// NewDocuments makes a cache of at most maxBytes.
func NewDocuments(maxBytes uint64, c clock.Clock) *Documents {
	return &Documents{clock: c, cache: otter.Must(&otter.Options[DocumentKey, *Document]{
		MaximumWeight: maxBytes,
		Weigher: func(k DocumentKey, d *Document) uint32 {
			return uint32(min(1024+len(k.Base)+len(d.plain.bytes)+len(d.gzip.bytes), 1<<31))
		},
	})}
}

// Get returns the document of a key, rendering it at most once at a time.
func (c *Documents) Get(ctx context.Context, key DocumentKey, render func(context.Context) (Rendered, error)) (*Document, error) {
	if d, ok := c.cache.GetIfPresent(key); ok {
		if d.until.IsZero() || c.clock.Now().Before(d.until) {
			c.hits.Add(1)
			return d, nil
		}
		c.cache.Invalidate(key)
	}
	c.misses.Add(1)
	return c.cache.Get(context.WithoutCancel(ctx), key, otter.LoaderFunc[DocumentKey, *Document](func(ctx context.Context, _ DocumentKey) (*Document, error) {
		r, err := render(ctx)
		if err != nil {
			return nil, err
		}
		return NewDocument(r), nil
	}))
}

// Header values that every document shares, made once: assigning a slice costs less than Header.Set.
var (
	noCache         = []string{"no-cache"}
	privateNoCache  = []string{"private, no-cache"}
	gzipEncoding    = []string{"gzip"}
	varyEncoding    = []string{"Accept-Encoding"}
	varyAccept      = []string{"Accept, Accept-Encoding"}
	varyAcceptAuth  = []string{"Accept, Accept-Encoding, Authorization"}
	nosniff         = []string{"nosniff"}
	varyEncodingAut = []string{"Accept-Encoding, Authorization"}
)

// DocumentOptions say how a document may be kept by others.
type DocumentOptions struct {
	// Private keeps shared caches from holding it: the repository is not anonymous.
	Private bool
	// VaryAccept is set where the Accept header chose the representation.
	VaryAccept bool
	// NoConditional ignores If-None-Match and If-Modified-Since (cargo's config.json, cargo.md §1.2).
	NoConditional bool
}

// ServeDocument answers GET and HEAD with a document: gzip where accepted, 304 where the client has it.
func ServeDocument(w http.ResponseWriter, r *http.Request, d *Document, o DocumentOptions) {
	h := w.Header()
	b := &d.plain
	if len(d.gzip.bytes) > 0 && acceptsGzip(r.Header) {
		b = &d.gzip
		h["Content-Encoding"] = gzipEncoding
	}
	h["Etag"] = b.etag
	if d.modified != nil {
		h["Last-Modified"] = d.modified
	}
	h["Vary"] = vary(o)
	maps.Copy(h, d.header)
	h["X-Content-Type-Options"] = nosniff
	if o.Private {
		h["Cache-Control"] = privateNoCache
	} else {
		h["Cache-Control"] = noCache
	}
	if !o.NoConditional && d.unchanged(r.Header) {
		delete(h, "Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h["Content-Type"] = d.contentType
	h["Content-Length"] = b.length
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(b.bytes) // the client may be gone; nothing to do about it
	}
}

func vary(o DocumentOptions) []string {
	switch {
	case o.VaryAccept && o.Private:
		return varyAcceptAuth
	case o.VaryAccept:
		return varyAccept
	case o.Private:
		return varyEncodingAut
	default:
		return varyEncoding
	}
}

// acceptsGzip reads Accept-Encoding (RFC 9110 §12.5.3) as far as servers need: gzip is named and not with q=0.
func acceptsGzip(h http.Header) bool {
	for _, line := range h["Accept-Encoding"] {
		for line != "" {
			var item string
			item, line, _ = strings.Cut(line, ",")
			name, q, _ := strings.Cut(item, ";")
			if strings.EqualFold(strings.TrimSpace(name), "gzip") {
				q = strings.ReplaceAll(q, " ", "")
				return q != "q=0" && q != "q=0.0" && q != "q=0.00" && q != "q=0.000"
			}
		}
	}
	return false
}

// unchanged evaluates If-None-Match, else If-Modified-Since (RFC 9110 §13.1). Either encoding's tag stands for the document.
func (d *Document) unchanged(h http.Header) bool {
	if tags := h["If-None-Match"]; len(tags) > 0 {
		for _, line := range tags {
			for tag := range strings.SplitSeq(line, ",") {
				tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
				if tag == "*" || tag == d.plain.etag[0] || (d.gzip.etag != nil && tag == d.gzip.etag[0]) {
					return true
				}
			}
		}
		return false
	}
	since := h["If-Modified-Since"]
	if len(since) == 0 || d.modified == nil {
		return false
	}
	if since[0] == d.modified[0] {
		return true
	}
	t, err := http.ParseTime(since[0])
	return err == nil && !d.modTime.After(t)
}
