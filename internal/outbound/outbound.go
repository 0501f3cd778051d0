// Package outbound is the one guarded way out of the process. Upstream registries, key sets, webhooks, object stores,
// mail servers and databases are all reached through it, so that one place decides what may be reached.
//
// The rules, in the order in which they meet a request:
//
//   - A connection belongs to a registered [Destination], which says why it exists; offline, nothing but the origins of
//     destinations can be reached.
//   - A name is resolved first and the address that is really dialled is judged: loopback, private, link-local, carrier
//     NAT, metadata and otherwise special addresses are refused, in every IPv6 disguise, unless the operator allowed the
//     range or the destination is configured to be private. The second look a name could take (DNS rebinding) has the
//     same judge.
//   - Credentials go to the exact origin of their destination, are added at the last moment, and never follow a redirect.
//   - Redirects are few, never fall back from https to http, and meet the same rules again.
//   - Answers are bounded in size after decompression, and in the time that they may stall.
package outbound

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"bonded/internal/errs"
)

// The default bounds; [Options] and [Destination] may set others.
const (
	DefaultMaxResponse   = 64 << 20
	DefaultDialTimeout   = 10 * time.Second
	DefaultHeaderTimeout = 60 * time.Second
	DefaultStallTimeout  = 60 * time.Second
	// Unlimited lifts the bound on the size of answers, for destinations whose answers are streamed into a bound of
	// the caller's own.
	Unlimited = -1

	maxRedirects      = 5
	maxResponseHeader = 256 << 10
)

// Options are the rules that hold for every destination.
type Options struct {
	// CAFile is a PEM file of authorities trusted beside the system's.
	CAFile string
	// Proxy returns the proxy for a URL, or nil; see golang.org/x/net/http/httpproxy.
	Proxy func(*url.URL) (*url.URL, error)
	// AllowPrivate are the special ranges that any destination may reach.
	AllowPrivate []netip.Prefix
	// Offline permits only the origins of registered destinations.
	Offline bool
	// Destinations are registered at once.
	Destinations []Destination
	// UserAgent is sent where a request has none.
	UserAgent string

	DialTimeout   time.Duration // time to connect and to shake hands, each
	HeaderTimeout time.Duration // time until the answer's header
	StallTimeout  time.Duration // time without a byte of the answer
	MaxResponse   int64         // bytes of an answer, after decompression

	// Resolver replaces the system's.
	Resolver *net.Resolver
}

// Destination is somewhere the process connects to, and why.
type Destination struct {
	// Name is short and unique: "database", "upstream npm/public".
	Name string `json:"name"`
	// URL is the configured address. Its origin is where credentials may go.
	URL string `json:"url"`
	// Origins are further addresses that belong to it, such as a bucket's own host name.
	Origins []string `json:"origins,omitempty"`
	// Why is the sentence that the operator reads.
	Why string `json:"why"`
	// AllowPrivate lets the origins of this destination (nothing that they redirect to) be private or loopback
	// addresses. Link-local and metadata addresses stay refused.
	AllowPrivate bool `json:"allow_private,omitempty"`
	// MaxResponse overrides the bound of [Options]; [Unlimited] lifts it.
	MaxResponse int64 `json:"-"`
	// Credential, if set, adds the destination's credentials to a request for its URL's exact origin.
	Credential func(*http.Request) error `json:"-"`
}

// Guard makes the connections. It is safe for concurrent use.
type Guard struct {
	opts  Options
	roots *x509.CertPool

	mu    sync.RWMutex
	dests map[string]*way
	order []string
}

// way is a destination with its connections.
type way struct {
	dest      Destination
	primary   origin
	origins   []origin // primary first
	hosts     []string // host:port of the origins
	transport *http.Transport
	guard     *Guard
}

// New returns a Guard, or an error if the CA file or a destination cannot be understood.
func New(o Options) (*Guard, error) {
	g := &Guard{opts: o, dests: map[string]*way{}}
	g.opts.DialTimeout = orDefault(o.DialTimeout, DefaultDialTimeout)
	g.opts.HeaderTimeout = orDefault(o.HeaderTimeout, DefaultHeaderTimeout)
	g.opts.StallTimeout = orDefault(o.StallTimeout, DefaultStallTimeout)
	if o.MaxResponse == 0 {
		g.opts.MaxResponse = DefaultMaxResponse
	}
	if o.CAFile != "" {
		roots, err := RootsWith(o.CAFile)
		if err != nil {
			return nil, err
		}
		g.roots = roots
	}
	for _, d := range o.Destinations {
		if err := g.Register(d); err != nil {
			return nil, err
		}
	}
	return g, nil
}

func orDefault(d, fallback time.Duration) time.Duration {
	if d == 0 {
		return fallback
	}
	return d
}

// RootsWith returns the system's certificate authorities and those of a PEM file.
func RootsWith(caFile string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, errs.New(errs.Invalid, "The CA file cannot be read: %v.", err).WithRule("outbound/ca-file")
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, errs.New(errs.Invalid, "The CA file %s holds no PEM certificate.", caFile).WithRule("outbound/ca-file")
	}
	return roots, nil
}

// Register adds or replaces a destination.
func (g *Guard) Register(d Destination) error {
	if d.Name == "" || d.Why == "" {
		return errs.New(errs.Internal, "An outbound destination needs a name and a reason.")
	}
	w := &way{dest: d, guard: g}
	for _, raw := range append([]string{d.URL}, d.Origins...) {
		origins, err := parseOrigins(raw)
		if err != nil {
			return errs.New(errs.Invalid, "The destination %s has no usable address: %v.", d.Name, err).WithRule("outbound/address")
		}
		w.origins = append(w.origins, origins...)
	}
	w.primary = w.origins[0]
	for _, o := range w.origins {
		w.hosts = append(w.hosts, o.host)
	}
	w.transport = g.newTransport(w)

	g.mu.Lock()
	defer g.mu.Unlock()
	if _, known := g.dests[d.Name]; !known {
		g.order = append(g.order, d.Name)
	}
	g.dests[d.Name] = w
	return nil
}

// List returns the destinations in the order of registration, passwords removed from their URLs.
func (g *Guard) List() []Destination {
	g.mu.RLock()
	defer g.mu.RUnlock()
	out := make([]Destination, 0, len(g.order))
	for _, name := range g.order {
		d := g.dests[name].dest
		d.URL = withoutUser(d.URL)
		out = append(out, d)
	}
	return out
}

func withoutUser(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}

func (g *Guard) way(name string) (*way, error) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	w, ok := g.dests[name]
	if !ok {
		return nil, errs.New(errs.Internal, "The destination %q was never registered, so nothing may connect to it.", name).WithRule("outbound/unregistered")
	}
	return w, nil
}

// permitted reports whether an origin is one of any destination's.
func (g *Guard) permitted(o origin) bool {
	g.mu.RLock()
	defer g.mu.RUnlock()
	for _, w := range g.dests {
		if slices.Contains(w.origins, o) {
			return true
		}
	}
	return false
}

// Client returns a client for the named destination. Its requests may go to any public address (files of an upstream
// live on other hosts than its documents); only the destination's own origins get its credentials and may be private.
func (g *Guard) Client(name string) (*http.Client, error) {
	w, err := g.way(name)
	if err != nil {
		return nil, err
	}
	return &http.Client{Transport: w, CheckRedirect: checkRedirect}, nil
}

// Transport returns the destination's round tripper, for libraries that bring their own client.
func (g *Guard) Transport(name string) (http.RoundTripper, error) { return g.way(name) }

// DialContext returns a dialler for protocols other than HTTP. It reaches the destination's own hosts only; a Unix
// socket only if the destination is allowed to be private.
func (g *Guard) DialContext(name string) (func(ctx context.Context, network, addr string) (net.Conn, error), error) {
	w, err := g.way(name)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		if network == "unix" {
			if !w.dest.AllowPrivate {
				return nil, refused(addr, "is a socket of this machine")
			}
			d := net.Dialer{Timeout: g.opts.DialTimeout}
			return d.DialContext(ctx, network, addr)
		}
		if !w.owns(ctx, addr) {
			return nil, refused(addr, fmt.Sprintf("is not an address of the destination %q", name))
		}
		return g.dial(ctx, network, addr, w.dest.AllowPrivate)
	}, nil
}

// owns reports whether addr is a host:port of the destination, or an address that one of its hosts resolves to:
// PostgreSQL's driver resolves names before it dials.
func (w *way) owns(ctx context.Context, addr string) bool {
	addr = strings.ToLower(addr)
	if slices.Contains(w.hosts, addr) {
		return true
	}
	ip, port, err := net.SplitHostPort(addr)
	if err != nil || net.ParseIP(ip) == nil {
		return false
	}
	resolver := w.guard.opts.Resolver
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	for _, host := range w.hosts {
		name, p, err := net.SplitHostPort(host)
		if err != nil || p != port {
			continue
		}
		if found, err := resolver.LookupHost(ctx, name); err == nil && slices.Contains(found, ip) {
			return true
		}
	}
	return false
}

// dial connects to addr, judging each address it resolves to.
func (g *Guard) dial(ctx context.Context, network, addr string, private bool) (net.Conn, error) {
	d := net.Dialer{
		Timeout: g.opts.DialTimeout, KeepAlive: 30 * time.Second, Resolver: g.opts.Resolver,
		// ControlContext runs with the address of each attempt after resolution and before the first packet.
		ControlContext: func(_ context.Context, network, address string, _ rawConn) error {
			return g.judge(network, address, private)
		},
	}
	return d.DialContext(ctx, network, addr)
}

func (g *Guard) newTransport(w *way) *http.Transport {
	t := &http.Transport{
		Proxy:                  proxyFromContext,
		DialContext:            w.dialHTTP,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: g.roots},
		TLSHandshakeTimeout:    g.opts.DialTimeout,
		ResponseHeaderTimeout:  g.opts.HeaderTimeout,
		ExpectContinueTimeout:  time.Second,
		IdleConnTimeout:        90 * time.Second,
		MaxIdleConnsPerHost:    32,
		MaxConnsPerHost:        128,
		MaxResponseHeaderBytes: maxResponseHeader,
		ForceAttemptHTTP2:      true,
	}
	return t
}
