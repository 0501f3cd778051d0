package outbound

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"bonded/internal/errs"
)

// proxyKey carries the proxy chosen for a request to the dialler, whose address argument is then the proxy's.
type proxyKey struct{}

func proxyFromContext(r *http.Request) (*url.URL, error) {
	u, _ := r.Context().Value(proxyKey{}).(*url.URL)
	return u, nil
}

// dialHTTP connects for the transport: to the proxy of the request, or to the host of its URL.
func (w *way) dialHTTP(ctx context.Context, network, addr string) (net.Conn, error) {
	private := false
	if proxy, _ := ctx.Value(proxyKey{}).(*url.URL); proxy != nil && originOf(proxy).host == strings.ToLower(addr) {
		private = true // the operator named the proxy itself
	} else if w.dest.AllowPrivate {
		private = slices.Contains(w.hosts, strings.ToLower(addr))
	}
	return w.guard.dial(ctx, network, addr, private)
}

// RoundTrip applies the rules to one request. A redirect arrives here again as a request of its own.
func (w *way) RoundTrip(r *http.Request) (*http.Response, error) {
	to := originOf(r.URL)
	proxy, err := w.admit(r.URL, to)
	if err != nil {
		closeBody(r)
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(context.WithValue(r.Context(), proxyKey{}, proxy))
	out := r.Clone(ctx)
	redirected := r.Response != nil
	if err := w.authorize(out, to, redirected); err != nil {
		closeBody(r)
		cancel(nil)
		return nil, err
	}
	if out.Header.Get("User-Agent") == "" && w.guard.opts.UserAgent != "" {
		out.Header.Set("User-Agent", w.guard.opts.UserAgent)
	}
	resp, err := w.transport.RoundTrip(out)
	if err != nil {
		cancel(nil)
		return nil, upstreamError(to, err)
	}
	resp.Request = r
	resp.Body = w.bound(ctx, resp.Body, to, cancel)
	return resp, nil
}

// admit decides whether the URL may be asked at all, and through which proxy.
func (w *way) admit(u *url.URL, to origin) (*url.URL, error) {
	if to.scheme != "http" && to.scheme != "https" {
		return nil, refused(u.Redacted(), "is neither http nor https")
	}
	if u.User != nil {
		return nil, refused(to.host, "carries credentials in its URL")
	}
	if w.guard.opts.Offline && !w.guard.permitted(to) {
		return nil, errs.New(errs.Forbidden, "The connection to %s was refused, because Bonded runs offline and it is no configured destination.", to.host).
			WithRule("outbound/offline").WithNext("`bonded config show --outbound` lists the destinations.")
	}
	if w.guard.opts.Proxy == nil {
		return nil, nil
	}
	proxy, err := w.guard.opts.Proxy(u)
	if err != nil || proxy == nil {
		return nil, err
	}
	// The proxy resolves names for us, so that only what is visible in the URL can be judged here.
	if addr, err := netip.ParseAddr(u.Hostname()); err == nil {
		private := w.dest.AllowPrivate && slices.Contains(w.origins, to)
		if err := w.guard.judge("tcp", netip.AddrPortFrom(addr, 1).String(), private); err != nil {
			return nil, err
		}
	}
	return proxy, nil
}

// authorize adds the destination's credentials for its own origin, and strips any credential from all else.
func (w *way) authorize(r *http.Request, to origin, redirected bool) error {
	if redirected || !slices.Contains(w.origins, to) {
		for _, h := range []string{"Authorization", "Cookie", "Proxy-Authorization"} {
			r.Header.Del(h)
		}
		return nil
	}
	if w.dest.Credential == nil || to != w.primary {
		return nil
	}
	return w.dest.Credential(r)
}

// keptOnRedirect are the request headers that follow a redirect; any other could be a credential.
var keptOnRedirect = []string{"Accept", "Accept-Encoding", "Accept-Language", "If-Modified-Since", "If-None-Match", "If-Range", "Range", "User-Agent"}

func checkRedirect(r *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return errs.New(errs.Upstream, "%s redirected more than %d times.", via[0].URL.Host, maxRedirects).WithRule("outbound/redirects")
	}
	if via[len(via)-1].URL.Scheme == "https" && r.URL.Scheme != "https" {
		return errs.New(errs.Upstream, "%s redirected from https to %s.", via[0].URL.Host, r.URL.Scheme).WithRule("outbound/redirects")
	}
	for h := range r.Header {
		if !slices.Contains(keptOnRedirect, h) {
			r.Header.Del(h)
		}
	}
	return nil
}

// upstreamError keeps the Guard's own refusals and turns the network's failures into sentences.
func upstreamError(to origin, err error) error {
	if e, ok := errors.AsType[*errs.Error](err); ok {
		return e
	}
	if errors.Is(err, context.Canceled) {
		return err
	}
	return errs.New(errs.Upstream, "%s did not answer.", to.host).Because(err)
}

func closeBody(r *http.Request) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
}

// bound limits the size of an answer and the time it may stall.
func (w *way) bound(ctx context.Context, body io.ReadCloser, to origin, cancel context.CancelCauseFunc) io.ReadCloser {
	limit := w.dest.MaxResponse
	if limit == 0 {
		limit = w.guard.opts.MaxResponse
	}
	b := &boundBody{body: body, left: limit, limit: limit, host: to.host, ctx: ctx, cancel: cancel, stall: w.guard.opts.StallTimeout}
	b.timer = time.AfterFunc(b.stall, b.expire)
	b.timer.Stop() // it runs only while a Read waits: a slow reader is no stalled server
	return b
}

// boundBody is read by one goroutine; only its timer runs beside.
type boundBody struct {
	body        io.ReadCloser
	left, limit int64 // bytes that may still come; limit < 0 is no bound
	host        string
	stall       time.Duration
	timer       *time.Timer
	ctx         context.Context //nolint:containedctx // the request's, asked only for the cause of its end
	cancel      context.CancelCauseFunc
}

func (b *boundBody) expire() {
	b.cancel(errs.New(errs.Upstream, "%s stopped sending in the middle of its answer.", b.host).WithRule("outbound/stall"))
}

// Read passes bytes on until the limit.
func (b *boundBody) Read(p []byte) (int, error) {
	if b.limit >= 0 && int64(len(p)) > b.left+1 {
		p = p[:b.left+1] // one more, to tell an answer of exactly the limit from a larger one
	}
	b.timer.Reset(b.stall)
	n, err := b.body.Read(p)
	b.timer.Stop()
	if cause, ok := errors.AsType[*errs.Error](context.Cause(b.ctx)); ok && err != nil {
		err = cause
	}
	if b.limit < 0 {
		return n, err
	}
	b.left -= int64(n)
	if b.left < 0 {
		_ = b.Close()
		return n - 1, errs.New(errs.Upstream, "%s sent more than the %d bytes that were expected.", b.host, b.limit).WithRule("outbound/size")
	}
	return n, err
}

// Close ends the request.
func (b *boundBody) Close() error {
	b.timer.Stop()
	err := b.body.Close()
	b.cancel(nil)
	return err
}
