package server

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"bonded/internal/errs"
)

// guardedBody bounds a request's body in size and in the time that the client may take. Only the time spent waiting
// for the client counts: a server that is slow to store what it got cuts nobody off.
type guardedBody struct {
	e        *exchange
	body     io.ReadCloser
	conn     deadliner
	declared int64 // Content-Length, or -1
	got      int64
	waited   time.Duration
}

type deadliner interface {
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

func (e *exchange) guardBody(r *http.Request) io.ReadCloser {
	b := &guardedBody{e: e, body: r.Body, declared: r.ContentLength}
	b.conn, _ = e.w.(deadliner)
	if b.conn != nil {
		// The deadline of the last answer on this connection may have passed, and "100 Continue" must get out.
		_ = b.conn.SetWriteDeadline(time.Time{})
	}
	return b
}

// Read passes on what arrives in time and within the limit, which the handler may have raised meanwhile.
func (b *guardedBody) Read(p []byte) (int, error) {
	limit := b.e.facts.BodyLimit
	if b.declared > limit || b.got > limit {
		return 0, bodyTooLarge(limit)
	}
	if int64(len(p)) > limit-b.got+1 {
		p = p[:limit-b.got+1] // one more, to tell a body of exactly the limit from a larger one
	}
	before := time.Now()
	if b.conn != nil {
		allowed := b.e.s.cfg.StallTimeout + b.e.s.timeFor(b.got) - b.waited
		_ = b.conn.SetReadDeadline(before.Add(allowed))
	}
	n, err := b.body.Read(p)
	b.waited += time.Since(before)
	b.got += int64(n)
	switch {
	case b.got > limit:
		return n - 1, bodyTooLarge(limit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return n, errs.New(errs.Invalid, "The upload was cut off, because it arrived too slowly.").WithRule("server/stall").
			WithNext("Try again over a better connection; the operator can lower min-transfer-rate.")
	case err != nil && b.conn != nil: // also io.EOF: what reads the connection next has no hurry
		_ = b.conn.SetReadDeadline(time.Time{})
	}
	return n, err
}

// Close closes the body.
func (b *guardedBody) Close() error { return b.body.Close() }

func bodyTooLarge(limit int64) *errs.Error {
	return errs.New(errs.TooLarge, "The request body is larger than the %d bytes that are accepted here.", limit).WithRule("server/body-size")
}
