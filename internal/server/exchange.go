package server

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"bonded/internal/request"
)

// exchange is one request on its way through the server. It is the ResponseWriter and the context of its handler in
// one, and thereby the only allocation, beside the copy of the request, that the hot path pays for all of this.
type exchange struct {
	context.Context //nolint:containedctx // it is the request's context, with one more value

	s     *Server
	w     http.ResponseWriter
	facts request.Facts
	id    [1]string // the value of X-Request-Id, in the form that a header map takes
	start time.Time

	status int
	bytes  int64 // of the answer's body
	paced  int64 // bytes since the write deadline was last moved
}

// Value adds the facts to what the connection's context knows.
func (e *exchange) Value(key any) any {
	if key == (request.Key{}) {
		return &e.facts
	}
	return e.Context.Value(key)
}

// ServeHTTP takes a request from the listener.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.health.serve(w, r) {
		return
	}
	e := &exchange{Context: r.Context(), s: s, w: w, start: time.Now()}
	e.facts.ID = requestID(r.Header["X-Request-Id"])
	e.facts.BodyLimit = int64(s.cfg.MaxBodySize)
	e.id[0] = e.facts.ID
	w.Header()["X-Request-Id"] = e.id[:]
	s.counters.inFlight.Add(1)
	r = r.WithContext(e)
	defer e.finish(r)
	if r = e.enter(r); r != nil {
		s.opts.Handler.ServeHTTP(e, r)
		// ServeMux leaves the pattern that matched in the request that it was given.
		if e.facts.Route == "" {
			e.facts.Route = r.Pattern
		}
	}
}

// enter finds the public URL of the request, removes its sub-path and puts a guard on its body. It returns nil when it
// has refused the request.
func (e *exchange) enter(r *http.Request) *http.Request {
	o := e.s.hosts.origin(r)
	e.facts.Client, e.facts.Secure = o.client, o.scheme == "https"
	path := r.URL.Path
	b, known := e.s.hosts.find(o, path)
	switch {
	case !known:
		e.s.counters.misdirected.Inc()
		e.refuse(http.StatusMisdirectedRequest, "This server does not answer for the host "+printable(o.host)+
			". Use "+e.s.hosts.main+", or have the operator add the name with --extra-urls.")
		return nil
	case b == nil:
		e.refuse(http.StatusNotFound, "There is nothing here. This server's packages are below "+e.s.hosts.main+"/.")
		return nil
	}
	e.facts.BaseURL = b.url
	if b.prefix != "" {
		if len(path) == len(b.prefix) {
			http.Redirect(e, r, b.url+"/", http.StatusPermanentRedirect)
			return nil
		}
		u := new(url.URL)
		*u = *r.URL
		u.Path, u.RawPath = path[len(b.prefix):], strings.TrimPrefix(r.URL.RawPath, b.prefix)
		r.URL = u // r is our copy
	}
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = e.guardBody(r)
	}
	return r
}

func (e *exchange) refuse(status int, sentence string) {
	h := e.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	e.WriteHeader(status)
	_, _ = io.WriteString(e, sentence+"\n")
}

// finish recovers from a panic, counts and logs. It must be deferred directly.
func (e *exchange) finish(r *http.Request) {
	e.s.counters.inFlight.Add(-1)
	failure := recover()
	if failure != nil && failure != http.ErrAbortHandler { //nolint:errorlint // the value itself is the signal
		e.s.counters.panics.Inc()
		e.s.log.ErrorContext(e, "a handler panicked", "error", fmt.Sprint(failure), "method", r.Method, "path", redactPath(r.URL.EscapedPath()), "stack", string(debug.Stack()))
		if e.status == 0 {
			e.refuse(http.StatusInternalServerError, "Bonded could not complete this request. Try again; if it happens again, give the operator the request id "+e.facts.ID+".")
			failure = nil
		} else {
			failure = http.ErrAbortHandler // half an answer must not look like a whole one
		}
	}
	if e.status == 0 {
		e.status = cmp.Or(e.facts.Status, http.StatusOK)
		if failure != nil {
			e.status = 499 // nginx's number for an answer that was broken off
		}
	}
	took := time.Since(e.start)
	e.s.counters.observe(e.facts.Route, e.status, took)
	e.logAccess(r, took)
	if failure != nil {
		panic(failure)
	}
}

func (e *exchange) logAccess(r *http.Request, took time.Duration) {
	switch e.s.cfg.AccessLog {
	case "off", "":
		return
	case "writes":
		if r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions {
			return
		}
	}
	e.s.log.LogAttrs(e, slog.LevelInfo, "request",
		slog.String("method", r.Method), slog.String("path", redactPath(r.URL.EscapedPath())), slog.String("route", e.facts.Route),
		slog.Int("status", e.status), slog.Int64("bytes", e.bytes), slog.Duration("took", took),
		slog.String("client", e.facts.Client.String()), slog.String("principal", e.facts.Principal))
}

// requestID keeps an id that a client or proxy sent if it is harmless, so that traces join up.
func requestID(sent []string) string {
	if len(sent) == 1 && len(sent[0]) >= 8 && len(sent[0]) <= 64 {
		harmless := strings.IndexFunc(sent[0], func(c rune) bool {
			return (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' && c != '_' && c != '.'
		}) < 0
		if harmless && !holdsToken(sent[0]) {
			return sent[0]
		}
	}
	return rand.Text()
}

// printable quotes a stranger's host name for a plain-text answer.
func printable(host string) string {
	if len(host) > 100 {
		host = host[:100]
	}
	return fmt.Sprintf("%q", host)
}

// Header returns the header of the answer.
func (e *exchange) Header() http.Header { return e.w.Header() }

// WriteHeader sends the status.
func (e *exchange) WriteHeader(status int) {
	if e.status == 0 && status >= 200 {
		e.status = status
		e.pace(math.MaxInt32)
	}
	e.w.WriteHeader(status)
}

// Write sends a part of the body.
func (e *exchange) Write(p []byte) (n int, err error) {
	for len(p) > pacedChunk {
		m, err := e.Write(p[:pacedChunk])
		if n += m; err != nil {
			return n, err
		}
		p = p[pacedChunk:]
	}
	e.begin(int64(len(p)))
	m, err := e.w.Write(p)
	e.bytes += int64(m)
	return n + m, err
}

// WriteString sends a part of the body.
func (e *exchange) WriteString(p string) (int, error) {
	e.begin(int64(len(p)))
	n, err := io.WriteString(e.w, p)
	e.bytes += int64(n)
	return n, err
}

const pacedChunk = 1 << 20

// ReadFrom sends src in parts of at most 1 MiB, each with its own deadline, by sendfile where src is a file.
func (e *exchange) ReadFrom(src io.Reader) (n int64, err error) {
	e.begin(0)
	to, ok := e.w.(io.ReaderFrom)
	if !ok { // HTTP/2
		return io.Copy(struct{ io.Writer }{e}, src)
	}
	limited, _ := src.(*io.LimitedReader)
	left := int64(math.MaxInt64)
	if limited != nil {
		src, left = limited.R, limited.N
	}
	for left > 0 {
		part := io.LimitedReader{R: src, N: min(left, pacedChunk)}
		want := part.N
		e.pace(want)
		m, err := to.ReadFrom(&part)
		n, left, e.bytes = n+m, left-m, e.bytes+m
		if limited != nil {
			limited.N -= m
		}
		if err != nil || m < want {
			return n, err
		}
	}
	return n, nil
}

// Flush sends what is buffered.
func (e *exchange) Flush() {
	e.begin(0)
	_ = http.NewResponseController(e.w).Flush()
}

// Unwrap lets http.ResponseController reach the connection.
func (e *exchange) Unwrap() http.ResponseWriter { return e.w }

func (e *exchange) begin(n int64) {
	if e.status == 0 {
		e.status = http.StatusOK
		e.pace(math.MaxInt32)
	}
	e.pace(n)
}

// pace moves the write deadline forward once enough has been written to be worth it, so that a client that reads
// nothing is cut off and one that reads slowly is not.
func (e *exchange) pace(n int64) {
	e.paced += n
	if e.paced < pacedChunk/2 {
		return
	}
	ahead := min(e.paced, pacedChunk)
	e.paced = 0
	if c, ok := e.w.(interface{ SetWriteDeadline(time.Time) error }); ok {
		_ = c.SetWriteDeadline(time.Now().Add(e.s.cfg.StallTimeout + e.s.timeFor(ahead)))
	}
}

// timeFor returns how long n bytes take at the least transfer rate.
func (s *Server) timeFor(n int64) time.Duration {
	return time.Duration(n/int64(max(s.cfg.MinTransferRate, 1))) * time.Second
}
