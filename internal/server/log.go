package server

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"regexp"
	"strings"

	"bonded/internal/request"
)

// NewLogger returns the logger of the process: text or JSON lines with the request's id, out of which every token,
// password and query is cut.
func NewLogger(w io.Writer, format, level string) *slog.Logger {
	var lv slog.Level
	if lv.UnmarshalText([]byte(level)) != nil {
		lv = slog.LevelInfo
	}
	opts := &slog.HandlerOptions{Level: lv, ReplaceAttr: maskAttr}
	var h slog.Handler = slog.NewTextHandler(redactor{w}, opts)
	if format == "json" {
		h = slog.NewJSONHandler(redactor{w}, opts)
	}
	return slog.New(withRequestID{h})
}

// withRequestID adds the id of the request that a line belongs to.
type withRequestID struct{ slog.Handler }

// Handle logs the record.
func (h withRequestID) Handle(ctx context.Context, rec slog.Record) error {
	if id := request.ID(ctx); id != "" {
		rec.AddAttrs(slog.String("request_id", id))
	}
	return h.Handler.Handle(ctx, rec)
}

// WithAttrs keeps the wrapper.
func (h withRequestID) WithAttrs(attrs []slog.Attr) slog.Handler {
	return withRequestID{h.Handler.WithAttrs(attrs)}
}

// WithGroup keeps the wrapper.
func (h withRequestID) WithGroup(name string) slog.Handler {
	return withRequestID{h.Handler.WithGroup(name)}
}

const masked = "********"

// maskAttr masks attributes whose name says that they are secret.
func maskAttr(_ []string, a slog.Attr) slog.Attr {
	switch strings.ToLower(a.Key) {
	case "authorization", "cookie", "set-cookie", "proxy-authorization", "password", "token", "secret":
		return slog.String(a.Key, masked)
	}
	return a
}

// redactor masks secrets in finished lines, so that no way of logging leads around it: a library's error message, a
// URL inside of one, an attribute nobody thought of. Handlers write one line per call.
type redactor struct{ w io.Writer }

var (
	// tokens: design §7, "bond" + type letter + "_" + 30 base62 characters + 6 of checksum
	tokenPattern = regexp.MustCompile(`bond[a-z]_[0-9A-Za-z]{36}`)
	// npm's DELETE /-/user/token/<token> names a token in the path (npm.md, logout)
	tokenPath = regexp.MustCompile(`(/-/user/token/)[^\s"?\\]+`)
	userInfo  = regexp.MustCompile(`(://)[^\s/@"\\]+@`)
	query     = regexp.MustCompile(`([a-z][a-z0-9+.-]*://[^\s"?\\]*)\?[^\s"\\]*`)
	bearer    = regexp.MustCompile(`(?i)\b((?:bearer|basic)(?: |%20))[0-9A-Za-z+/=_.~-]{8,}`)
)

// Write masks and passes on one line.
func (r redactor) Write(line []byte) (int, error) {
	if _, err := r.w.Write(redact(line)); err != nil {
		return 0, err
	}
	return len(line), nil
}

func redact(b []byte) []byte {
	if bytes.Contains(b, []byte("bond")) {
		b = tokenPattern.ReplaceAll(b, []byte(masked))
	}
	if bytes.Contains(b, []byte("/-/user/token/")) {
		b = tokenPath.ReplaceAll(b, []byte("${1}"+masked))
	}
	if bytes.Contains(b, []byte("://")) {
		b = userInfo.ReplaceAll(b, []byte("${1}"+masked+"@"))
		b = query.ReplaceAll(b, []byte("${1}?"+masked))
	}
	if containsFold(b, "bearer") || containsFold(b, "basic") {
		b = bearer.ReplaceAll(b, []byte("${1}"+masked))
	}
	return b
}

func containsFold(b []byte, word string) bool {
	return bytes.Contains(b, []byte(word)) || bytes.Contains(bytes.ToLower(b), []byte(word))
}

func holdsToken(s string) bool { return tokenPattern.MatchString(s) }

// redactPath masks what may be secret in a path.
func redactPath(path string) string { return string(redact([]byte(path))) }
