// Package request is what a handler may know about the request that it answers, beside the request itself: its id, the
// public URL it came through, who sent it. The server fills it in; doors, the API and pages read it, and tell back
// which route and principal it was.
package request

import (
	"context"
	"net/netip"
)

// Facts belong to one request and, like its ResponseWriter, to the goroutine of its handler.
type Facts struct {
	// ID names the request in logs, problem documents and the X-Request-Id header.
	ID string
	// BaseURL is the configured public URL that the request came through, without a trailing slash.
	BaseURL string
	// Client is the address of the client, looked up behind trusted proxies.
	Client netip.Addr
	// Secure reports whether the client spoke TLS, to us or to a trusted proxy.
	Secure bool
	// Route is the name under which metrics count the request; it never holds a package name.
	Route string
	// Principal is who asked, as the access log names it.
	Principal string
	// BodyLimit is the largest body that the handler will be given.
	BodyLimit int64
	// Status is that of an answer which the handler wrote itself on a connection that it took over; 0 for any other.
	Status int
}

// Key is the context key of the *Facts.
type Key struct{}

// With returns a context that carries f; it is how tests of handlers stand in for the server.
func With(ctx context.Context, f *Facts) context.Context { return context.WithValue(ctx, Key{}, f) }

// From returns the facts of the request, or empty ones outside of a request.
func From(ctx context.Context) *Facts {
	if f, ok := ctx.Value(Key{}).(*Facts); ok {
		return f
	}
	return &Facts{}
}

// ID returns the request's id; empty outside of a request.
func ID(ctx context.Context) string { return From(ctx).ID }

// BaseURL returns the configured public URL through which the request came, without a trailing slash. Absolute URLs in
// answers start with it and with nothing else.
func BaseURL(ctx context.Context) string { return From(ctx).BaseURL }

// ClientIP returns the client's address, which trusted proxies may have told; invalid outside of a request.
func ClientIP(ctx context.Context) netip.Addr { return From(ctx).Client }

// SetRoute names the request for metrics. The name is one of few: "npm.document", "cargo.publish".
func SetRoute(ctx context.Context, route string) { From(ctx).Route = route }

// SetPrincipal tells the access log who asked: "user:alice", "token:…id…". It is never a secret.
func SetPrincipal(ctx context.Context, principal string) { From(ctx).Principal = principal }

// SetStatus tells logs and metrics the status of an answer that the handler wrote itself on a connection that it took over.
func SetStatus(ctx context.Context, status int) { From(ctx).Status = status }

// AllowBody raises the limit of the request's body to n bytes. A handler that takes uploads calls it before it reads;
// all others get the server's small limit.
func AllowBody(ctx context.Context, n int64) {
	if f := From(ctx); n > f.BodyLimit {
		f.BodyLimit = n
	}
}
