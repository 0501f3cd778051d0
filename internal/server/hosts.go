package server

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"bonded/internal/config"
	"bonded/internal/errs"
)

// hosts knows the public URLs. It is never changed after it was made.
type hosts struct {
	main    string
	bases   map[string][]*base // by lower-case Host header, with and without a default port
	proxies []netip.Prefix
	forward string // config.ForwardedHeader
}

// base is one public URL.
type base struct {
	url    string // without trailing slash
	scheme string
	prefix string // the sub-path, "" or "/packages"
}

// newHosts collects the configured public URLs, or, where none is configured, the loopback names of the listener.
func newHosts(cfg *config.Config, addr net.Addr) (*hosts, error) {
	h := &hosts{bases: map[string][]*base{}, proxies: cfg.TrustedProxies, forward: cfg.ForwardedHeader}
	urls := cfg.PublicURLs()
	if len(urls) == 0 {
		if !cfg.LoopbackOnly() {
			return nil, errs.New(errs.Invalid, "Bonded would listen on %s for other machines, and no public URL is set.", cfg.Listen).
				WithRule("config/url").WithNext("Tell with --url how clients reach it, such as https://packages.example.com.")
		}
		urls = loopbackURLs(cfg, addr)
	}
	h.main = urls[0]
	for _, raw := range urls {
		u, err := url.Parse(raw)
		if err != nil {
			return nil, err
		}
		b := &base{url: raw, scheme: u.Scheme, prefix: u.Path}
		host := strings.ToLower(u.Host)
		h.bases[host] = append(h.bases[host], b)
		port := map[string]string{"http": ":80", "https": ":443"}[u.Scheme]
		if u.Port() == "" {
			h.bases[host+port] = append(h.bases[host+port], b)
		} else if bare, ok := strings.CutSuffix(host, port); ok {
			h.bases[bare] = append(h.bases[bare], b)
		}
	}
	return h, nil
}

func loopbackURLs(cfg *config.Config, addr net.Addr) []string {
	scheme := "http"
	if cfg.TLS() {
		scheme = "https"
	}
	_, port, _ := net.SplitHostPort(addr.String()) // a listener's address has both
	urls := make([]string, 0, 4)
	host, _, _ := net.SplitHostPort(cfg.Listen) // Load has split it
	for _, name := range []string{host, "127.0.0.1", "localhost", "::1"} {
		if u := scheme + "://" + net.JoinHostPort(name, port); name != "" {
			urls = append(urls, u)
		}
	}
	return urls
}

// origin is who sent a request and how, as far as it is believed.
type origin struct {
	client       netip.Addr
	host, scheme string
}

// origin reads the connection and, when it comes from a trusted proxy, the one set of headers that such a proxy writes.
// Of each header the last element is the one that our proxy wrote; what stands before it came from outside, except that
// a chain of trusted proxies is followed back to the first address that is none of them.
func (h *hosts) origin(r *http.Request) origin {
	o := origin{host: r.Host, scheme: "http"}
	if r.TLS != nil {
		o.scheme = "https"
	}
	if ap, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		o.client = ap.Addr().Unmap()
	}
	if len(h.proxies) == 0 || !h.trusts(o.client) {
		return o
	}
	if h.forward == "forwarded" {
		h.applyForwarded(&o, r.Header["Forwarded"])
		return o
	}
	if v := lastElement(r.Header["X-Forwarded-Host"]); v != "" {
		o.host = v
	}
	if v := strings.ToLower(lastElement(r.Header["X-Forwarded-Proto"])); v == "http" || v == "https" {
		o.scheme = v
	}
	hops := strings.Split(strings.Join(r.Header["X-Forwarded-For"], ","), ",")
	for _, hop := range slices.Backward(hops) {
		addr, ok := parseNode(hop)
		if !ok {
			break
		}
		o.client = addr
		if !h.trusts(addr) {
			break
		}
	}
	return o
}

func (h *hosts) trusts(addr netip.Addr) bool {
	for _, p := range h.proxies {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// applyForwarded reads RFC 7239.
func (h *hosts) applyForwarded(o *origin, values []string) {
	elements := strings.Split(strings.Join(values, ","), ",")
	for i, element := range slices.Backward(elements) {
		var hop string
		for pair := range strings.SplitSeq(element, ";") {
			k, v, _ := strings.Cut(strings.TrimSpace(pair), "=")
			v = strings.Trim(v, `"`)
			switch strings.ToLower(k) {
			case "for":
				hop = v
			case "host":
				if i == len(elements)-1 && v != "" {
					o.host = v
				}
			case "proto":
				if v = strings.ToLower(v); i == len(elements)-1 && (v == "http" || v == "https") {
					o.scheme = v
				}
			}
		}
		addr, ok := parseNode(hop)
		if !ok {
			return
		}
		o.client = addr
		if !h.trusts(addr) {
			return
		}
	}
}

func lastElement(values []string) string {
	if len(values) == 0 {
		return ""
	}
	v := values[len(values)-1]
	return strings.TrimSpace(v[strings.LastIndexByte(v, ',')+1:])
}

// parseNode reads an address with or without brackets and port (RFC 7239 §6).
func parseNode(s string) (netip.Addr, bool) {
	s = strings.TrimSpace(s)
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap().WithZone(""), true
	}
	addr, err := netip.ParseAddr(strings.Trim(s, "[]"))
	return addr.Unmap().WithZone(""), err == nil
}

// find returns the public URL by which a request came: of those with its host, one whose sub-path holds the path, the
// longest, and of equals the one with its scheme. known tells whether the host is ours at all.
func (h *hosts) find(o origin, path string) (b *base, known bool) {
	bases, known := h.bases[o.host]
	if !known {
		bases, known = h.bases[strings.ToLower(o.host)]
	}
	for _, candidate := range bases {
		if !below(path, candidate.prefix) {
			continue
		}
		switch {
		case b == nil, len(candidate.prefix) > len(b.prefix):
			b = candidate
		case len(candidate.prefix) == len(b.prefix) && candidate.scheme == o.scheme && b.scheme != o.scheme:
			b = candidate
		}
	}
	return b, known
}

// below reports whether path is prefix or lies under it.
func below(path, prefix string) bool {
	return strings.HasPrefix(path, prefix) && (prefix == "" || len(path) == len(prefix) || path[len(prefix)] == '/')
}
