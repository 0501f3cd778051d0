// Package publicurl carries, with a request, the configured public URL under which it arrived. Absolute URLs in answers are
// built from it and from nothing that a client sent.
package publicurl

import "context"

type key struct{}

// NewContext returns a context that carries the base URL (scheme, host and sub-path, without a trailing slash).
func NewContext(ctx context.Context, base string) context.Context {
	return context.WithValue(ctx, key{}, base)
}

// FromContext returns the base URL; "" if the request did not come through the server.
func FromContext(ctx context.Context) string {
	base, _ := ctx.Value(key{}).(string)
	return base
}
