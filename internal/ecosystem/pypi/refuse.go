package pypi

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"bonded/internal/door"
	"bonded/internal/errs"
)

// table is what errors become on the wire.
var table = door.Table{
	// uv takes only 404 for "not here, ask the next index", and 401 or 403 never (pypi.md §1.6).
	errs.NotFound: {Status: http.StatusNotFound, Section: "pypi.md §1.6"},
	errs.Invalid:  {Status: http.StatusBadRequest, Section: "pypi.md §2.3"},
	// twine --skip-existing takes any 409 for a file that is there already, so only those are 409; see similarName.
	errs.Conflict: {Status: http.StatusConflict, Section: "pypi.md §2.4"},
	errs.TooLarge: {Status: http.StatusBadRequest, Section: "pypi.md §2.3 item 9"},
	errs.Withheld: {Status: http.StatusForbidden, Section: "pypi.md §1.4"},
	// pip asks for credentials on a 401 with a Basic challenge.
	errs.Unauthenticated: {Status: http.StatusUnauthorized, Header: map[string]string{"WWW-Authenticate": `Basic realm="Bonded"`}, Section: "pypi.md §1.6"},
}

// The rows of operations whose status is not that of their error's kind.
var (
	wrongMethod   = door.Override{Status: http.StatusMethodNotAllowed, Section: "pypi.md §1.5"}
	goneAction    = door.Override{Status: http.StatusGone, Section: "pypi.md §2.1"}
	similarName   = door.Override{Status: http.StatusBadRequest, Section: "pypi.md §2.3 item 5"}
	usedNameRules = []string{"registry/look-alike", "registry/name-used"}
)

// operationError is an error of an operation that has a row of its own.
type operationError struct {
	err *errs.Error
	row door.Override
}

// Error implements error.
func (e operationError) Error() string { return e.err.Error() }

// Unwrap gives the error itself, so that errs knows its kind.
func (e operationError) Unwrap() error { return e.err }

func methodNotAllowed(q *door.Request, method string) error {
	e := errs.New(errs.Invalid, "%s is not possible at this address.", method).WithRule("pypi/method").
		WithNext("Upload to %s/legacy/; all else is read with GET.", q.Base)
	row := wrongMethod
	row.Header = map[string]string{"Allow": "GET, HEAD, OPTIONS"}
	return operationError{e, row}
}

// answer finds the row of an error: the table's, or its operation's.
func answer(w http.ResponseWriter, err error) (*errs.Error, int) {
	e, status := table.Answer(w, err)
	for _, rule := range usedNameRules {
		if e.Rule == rule {
			status = similarName.Status
		}
	}
	if op, ok := errors.AsType[operationError](err); ok {
		status = op.row.Status
		for k, v := range op.row.Header {
			w.Header().Set(k, v)
		}
	}
	return e, status
}

// Refuse implements door.Door. The sentence stands in the body, as the client accepts it, and in the reason phrase of
// HTTP/1.1, which is all that twine and pip show without --verbose (pypi.md §2.1).
func (d *Door) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	e, status := answer(w, err)
	kind, body := envelope(r, e, status)
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Add("Vary", "Accept")
	if r.Method == http.MethodHead {
		body = nil
	} else {
		h.Set("Content-Length", strconv.Itoa(len(body)))
	}
	if speaksReason(r, status) && writeReason(w, r, d.house.Clock.Now(), status, e.Sentence(), body) {
		return
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may be gone
}

// envelope writes the body: what uv reads of an upload ({"message","code","title"} as exactly application/json), a problem
// document (RFC 9457) where uv or pip read pages, which uv prints, the JSON API's own form, and plain text for people.
func envelope(r *http.Request, e *errs.Error, status int) (contentType string, body []byte) {
	title := http.StatusText(status)
	path := r.URL.Path
	accept := strings.Join(r.Header["Accept"], ",")
	var v any
	switch {
	case strings.HasSuffix(strings.TrimSuffix(path, "/"), "/json"):
		message := e.Sentence()
		if status == http.StatusNotFound {
			message = "Not Found" // what readers of this API compare with (pypi.md §3)
		}
		contentType, v = "application/json", map[string]string{"message": message}
	case qualityOf(accept, "application/json") > 0:
		contentType, v = "application/json", map[string]string{
			"message": e.Sentence(), "code": strconv.Itoa(status) + " " + e.Sentence(), "title": title,
		}
	case strings.Contains(accept, "application/vnd.pypi.simple"):
		contentType, v = "application/problem+json", problem{"about:blank", title, status, e.Sentence()}
	default:
		return "text/plain; charset=utf-8", []byte(e.Sentence() + "\n")
	}
	body, err := json.Marshal(v)
	if err != nil { // strings and numbers always marshal
		return "text/plain; charset=utf-8", nil
	}
	return contentType, body
}

// problem is a problem document.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
}
