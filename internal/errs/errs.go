// Package errs is the closed set of errors that Bonded's rooms return.
//
// An error is made deep inside, where the reason is known, and is turned into an answer in exactly one place:
// the door's override table, or the default table of this package. Every error carries a sentence for the person
// at the keyboard: what was refused, by which rule, and what to do next.
package errs

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Kind says what went wrong, in the vocabulary of the house.
type Kind uint8

// The closed set of kinds. A new kind needs a line in every door's table, so it is rarely the right answer.
const (
	Internal        Kind = iota // a defect or a broken machine; the sentence is never shown to strangers
	NotFound                    // no such thing, or none this caller may know of
	Invalid                     // the request or the artifact breaks a rule
	Conflict                    // the name, version or file is taken by other bytes
	Forbidden                   // the caller is known and may not
	Unauthenticated             // the caller must say who they are
	TooLarge                    // over a limit of size, count, depth or quota
	RateLimited                 // too many requests; RetryAfter says how long
	Withheld                    // a verdict (hold, block, quarantine) keeps it back
	Upstream                    // somebody else's server failed
	Unavailable                 // this node cannot answer now; try again
)

// String returns the kind's name as used in logs and metrics.
func (k Kind) String() string {
	names := [...]string{
		"internal", "not-found", "invalid", "conflict", "forbidden", "unauthenticated",
		"too-large", "rate-limited", "withheld", "upstream", "unavailable",
	}
	if int(k) < len(names) {
		return names[k]
	}
	return "internal"
}

// Status is the default table from kind to HTTP status. Doors override single rows, citing their wire section.
func (k Kind) Status() int {
	switch k {
	case NotFound:
		return http.StatusNotFound
	case Invalid:
		return http.StatusBadRequest
	case Conflict:
		return http.StatusConflict
	case Forbidden, Withheld:
		return http.StatusForbidden
	case Unauthenticated:
		return http.StatusUnauthorized
	case TooLarge:
		return http.StatusRequestEntityTooLarge
	case RateLimited:
		return http.StatusTooManyRequests
	case Upstream:
		return http.StatusBadGateway
	case Unavailable:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}

// Error is one refusal or failure.
type Error struct {
	Kind Kind
	// What is the sentence for the person: what was refused and why.
	What string
	// Rule names the rule that refused it, such as "archive/path-traversal" or "pypi/filename"; may be empty.
	Rule string
	// Next says what to do about it; may be empty.
	Next string
	// RetryAfter is set with RateLimited and Unavailable where a time is known.
	RetryAfter time.Duration
	// Err is the cause, for logs; it is never shown to a client.
	Err error
}

// Error returns the sentence, with the cause for logs.
func (e *Error) Error() string {
	s := e.Sentence()
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Sentence is what a client may see: what, which rule, what next.
func (e *Error) Sentence() string {
	s := e.What
	if e.Rule != "" {
		s += " [" + e.Rule + "]"
	}
	if e.Next != "" {
		s += " " + e.Next
	}
	return s
}

// New makes an error of a kind with its sentence.
func New(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, What: fmt.Sprintf(format, args...)}
}

// WithRule returns e with the rule that refused.
func (e *Error) WithRule(rule string) *Error { e.Rule = rule; return e }

// WithNext returns e with what to do next.
func (e *Error) WithNext(format string, args ...any) *Error {
	e.Next = fmt.Sprintf(format, args...)
	return e
}

// Because returns e with its cause, kept for logs only.
func (e *Error) Because(err error) *Error { e.Err = err; return e }

// KindOf returns the kind of err; Internal for an error that is not of this package.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Internal
}

// Is reports whether err is of the kind.
func Is(err error, kind Kind) bool { return err != nil && KindOf(err) == kind }

// Public returns the error a stranger may be told: err itself when it is one of ours, else a plain Internal one.
func Public(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok && e.Kind != Internal {
		return e
	}
	return &Error{
		Kind: Internal, What: "Bonded could not complete this request.",
		Next: "Try again; if it happens again, give the operator the request id.", Err: err,
	}
}

// Wrap adds where the error passed, keeping its kind: use it as defer errs.Wrap(&err, "registry.Project(%q)", name).
func Wrap(err *error, format string, args ...any) {
	if *err != nil {
		*err = fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), *err)
	}
}
