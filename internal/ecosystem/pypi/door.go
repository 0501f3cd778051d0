package pypi

import (
	"net/http"
	"net/url"
	"strings"

	"bonded/internal/access"
	"bonded/internal/door"
	"bonded/internal/errs"
	"bonded/internal/request"
)

// Door speaks the Python package index's protocols: the simple repository API, the legacy upload, the JSON API, RSS and
// XML-RPC feeds (pypi.md §1 to §3).
type Door struct {
	house   *door.House
	serials *serials
}

// NewDoor returns the door of a house.
func NewDoor(h *door.House) *Door { return &Door{house: h, serials: newSerials(h.Registry)} }

// Type implements door.Door.
func (d *Door) Type() string { return "pypi" }

// Credential implements door.Door: Basic with any user name, as pip, uv and twine send it, or "token" and "bearer" with the
// scheme in any case (pypi.md §2.1).
func (d *Door) Credential(r *http.Request) access.Credential { return door.BearerOrBasic(r) }

// Open implements door.Door: browsers ask without credentials what they may send (CORS preflight).
func (d *Door) Open(method, _ string) bool { return method == http.MethodOptions }

// Serve implements door.Door.
func (d *Door) Serve(w http.ResponseWriter, r *http.Request, q *door.Request) {
	if err := d.serve(w, r, q); err != nil {
		if errs.KindOf(err) == errs.Internal && !door.IsGone(err) {
			d.house.Log.ErrorContext(r.Context(), "request failed", "error", err)
		}
		d.Refuse(w, r, err)
	}
}

func (d *Door) serve(w http.ResponseWriter, r *http.Request, q *door.Request) error {
	path, err := segments(q.Path)
	if err != nil {
		return err
	}
	switch path[0] {
	case "legacy":
		return d.serveUpload(w, r, q, path[1:])
	case "pypi":
		if len(path) == 1 || len(path) == 2 && path[1] == "" {
			return d.serveXMLRPC(w, r, q)
		}
	}
	if r.Method == http.MethodOptions {
		preflight(w, q)
		return nil
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return methodNotAllowed(q, r.Method)
	}
	if q.Open(nil) {
		w.Header()["Access-Control-Allow-Origin"] = anyOrigin
		w.Header()["Access-Control-Expose-Headers"] = exposed
	}
	return d.serveRead(w, r, q, path)
}

// serveRead answers GET and HEAD.
func (d *Door) serveRead(w http.ResponseWriter, r *http.Request, q *door.Request, path []string) error {
	ctx := r.Context()
	switch path[0] {
	case "":
		redirect(w, r, http.StatusFound, q.Base+"/simple/")
		return nil
	case "simple":
		request.SetRoute(ctx, "pypi.simple")
		return d.serveSimple(w, r, q, path[1:])
	case "files":
		request.SetRoute(ctx, "pypi.file")
		return serveFile(w, r, q)
	case "pypi":
		request.SetRoute(ctx, "pypi.json")
		return serveJSON(w, r, q, path[1:])
	case "rss":
		request.SetRoute(ctx, "pypi.rss")
		return d.serveRSS(w, r, q, path[1:])
	case "stats":
		request.SetRoute(ctx, "pypi.stats")
		return d.serveStats(w, r, q, path[1:])
	}
	return noSuchPage(q)
}

func noSuchPage(q *door.Request) error {
	return errs.New(errs.NotFound, "There is no such page.").WithRule("pypi/path").WithNext("The index is at %s/simple/, uploads go to %s/legacy/.", q.Base, q.Base)
}

// segments splits an escaped path below the repository and unescapes each part. There is always one; "/a/" has "a" and "".
func segments(escaped string) ([]string, error) {
	parts := strings.Split(strings.TrimPrefix(escaped, "/"), "/")
	for i, part := range parts {
		s, err := url.PathUnescape(part)
		if err != nil {
			return nil, errs.New(errs.NotFound, "The path is not properly escaped.").WithRule("pypi/path")
		}
		parts[i] = s
	}
	return parts, nil
}

// redirect sends the client to an absolute URL, keeping the query (?format=…).
func redirect(w http.ResponseWriter, r *http.Request, status int, to string) {
	if r.URL.RawQuery != "" {
		to += "?" + r.URL.RawQuery
	}
	h := w.Header()
	h.Set("Location", to)
	h.Set("Cache-Control", "no-cache")
	h.Set("Content-Length", "0")
	w.WriteHeader(status)
}

var (
	anyOrigin = []string{"*"}
	exposed   = []string{"X-PyPI-Last-Serial, ETag, Content-Range"}
)

// preflight lets scripts of any site read repositories that everybody may read (pypi.md §1.5), as Python in browsers does.
func preflight(w http.ResponseWriter, q *door.Request) {
	h := w.Header()
	h.Set("Allow", "GET, HEAD, OPTIONS")
	if q.Open(nil) {
		h["Access-Control-Allow-Origin"] = anyOrigin
		h.Set("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS")
		h.Set("Access-Control-Allow-Headers", "Range, If-None-Match, If-Modified-Since")
		h.Set("Access-Control-Max-Age", "86400")
	}
	w.WriteHeader(http.StatusNoContent)
}
