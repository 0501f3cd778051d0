package outbound

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"syscall"

	"bonded/internal/errs"
)

type rawConn = syscall.RawConn

// origin is the scheme, host and port that credentials and permissions are bound to.
type origin struct{ scheme, host string }

var defaultPorts = map[string]string{
	"http": "80", "https": "443", "postgres": "5432", "postgresql": "5432", "smtp": "587", "smtps": "465", "socks5": "1080",
}

// originOf returns the origin of u, with its port spelled out.
func originOf(u *url.URL) origin {
	scheme := strings.ToLower(u.Scheme)
	port := u.Port()
	if port == "" {
		port = defaultPorts[scheme]
	}
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	return origin{scheme: scheme, host: net.JoinHostPort(host, port)}
}

// parseOrigins reads a configured address. PostgreSQL's may name several hosts, or none for a Unix socket.
func parseOrigins(raw string) ([]origin, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("it is not a URL") // err would repeat a password
	}
	scheme := strings.ToLower(u.Scheme)
	if _, ok := defaultPorts[scheme]; !ok {
		return nil, fmt.Errorf("the scheme %q is not one that Bonded connects with", scheme)
	}
	if u.Host == "" && !strings.HasPrefix(scheme, "postgres") {
		return nil, fmt.Errorf("it names no host")
	}
	var out []origin
	for h := range strings.SplitSeq(u.Host, ",") {
		one, err := url.Parse(scheme + "://" + h)
		if err != nil {
			return nil, fmt.Errorf("%q is not a host", h)
		}
		out = append(out, originOf(one))
	}
	return out, nil
}

func refused(what, why string) *errs.Error {
	return errs.New(errs.Forbidden, "The connection to %s was refused, because it %s.", what, why).WithRule("outbound/address").
		WithNext("If it is meant, the operator allows the range with allow-private.")
}

// judge decides on an address after resolution.
func (g *Guard) judge(network, address string, private bool) error {
	if !strings.HasPrefix(network, "tcp") {
		return refused(address, "is not TCP")
	}
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return refused(address, "is not an IP address")
	}
	addr := ap.Addr().WithZone("")
	for _, p := range g.opts.AllowPrivate {
		if p.Contains(addr) || p.Contains(addr.Unmap()) {
			return nil
		}
	}
	class := Classify(addr)
	if class == Public || (private && class == Private) {
		return nil
	}
	return refused(address, "is "+class.String())
}

// Class is what kind of network an address belongs to.
type Class uint8

// The classes of addresses.
const (
	Public   Class = iota // anywhere on the Internet
	Private               // loopback, private use, unique local, carrier NAT
	Reserved              // link-local, metadata services, multicast, documentation and all else that no service has
)

// String returns the class as the end of a sentence.
func (c Class) String() string {
	switch c {
	case Public:
		return "public"
	case Private:
		return "a private or loopback address"
	default:
		return "a link-local, metadata or reserved address"
	}
}

var (
	// metadata services that live outside of the link-local range; the last one is on a public address
	metadataAddrs = prefixes("100.100.100.200/32", "fd00:ec2::254/128", "fd20:ce::254/128", "168.63.129.16/32")
	privateRanges = prefixes("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "100.64.0.0/10", "::1/128", "fc00::/7")
	// the IANA special-purpose registries (RFC 6890) without what is private use
	reservedRanges = prefixes(
		"0.0.0.0/8", "169.254.0.0/16", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24",
		"203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
		"::/96", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64", "2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16",
		"fe80::/10", "fec0::/10", "ff00::/8",
	)
	nat64 = netip.MustParsePrefix("64:ff9b::/96")
	sixTo = netip.MustParsePrefix("2002::/16")
)

func prefixes(words ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(words))
	for i, w := range words {
		out[i] = netip.MustParsePrefix(w)
	}
	return out
}

func in(addr netip.Addr, ranges []netip.Prefix) bool {
	for _, p := range ranges {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// Classify tells the class of an address, looking through the IPv6 forms that carry an IPv4 address: mapped
// (::ffff:0:0/96), NAT64 (64:ff9b::/96) and 6to4 (2002::/16).
func Classify(addr netip.Addr) Class {
	addr = addr.WithZone("").Unmap()
	if inner, ok := embedded(addr); ok {
		return Classify(inner)
	}
	switch {
	case in(addr, metadataAddrs):
		return Reserved
	case in(addr, privateRanges):
		return Private
	case !addr.IsValid(), in(addr, reservedRanges):
		return Reserved
	}
	return Public
}

func embedded(addr netip.Addr) (netip.Addr, bool) {
	b := addr.As16()
	switch {
	case addr.Is4():
		return netip.Addr{}, false
	case nat64.Contains(addr):
		return netip.AddrFrom4([4]byte(b[12:16])), true
	case sixTo.Contains(addr):
		return netip.AddrFrom4([4]byte(b[2:6])), true
	}
	return netip.Addr{}, false
}
