package door

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"

	"bonded/internal/errs"
)

// Override is one row of a door's table: what a kind of error becomes on its wire.
type Override struct {
	Status int
	Header map[string]string
	// Section cites where the wire format is written down.
	Section string
}

// Table is a door's override table, by kind.
type Table map[errs.Kind]Override

// Answer is how an error leaves: the public error, its status, with headers already set on w.
func (t Table) Answer(w http.ResponseWriter, err error) (*errs.Error, int) {
	e := errs.Public(err)
	status := e.Kind.Status()
	if row, ok := t[e.Kind]; ok {
		if row.Status != 0 {
			status = row.Status
		}
		for k, v := range row.Header {
			w.Header().Set(k, v)
		}
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	for _, k := range []string{"Etag", "Last-Modified", "Content-Encoding", "Content-Length", "Content-Disposition"} {
		h.Del(k) // a half-made answer must not leave its headers on the refusal
	}
	if e.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(e.RetryAfter.Seconds()))))
	}
	return e, status
}

// WriteJSON answers with a JSON value.
func WriteJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "the answer could not be written", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", "application/json")
	}
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	_, _ = w.Write(b) // the client may be gone
}
