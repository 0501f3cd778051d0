package config

import (
	"net/url"
	"strings"

	"golang.org/x/crypto/acme"
	"golang.org/x/net/http/httpproxy"

	"bonded/internal/errs"
	"bonded/internal/outbound"
)

// The names of the destinations that the configuration itself makes.
const (
	DestinationDatabase   = "database"
	DestinationBlobs      = "blobs"
	DestinationACME       = "acme"
	DestinationHTTPSProxy = "https-proxy"
	DestinationHTTPProxy  = "http-proxy"
)

// destinationNames gives the destination of each setting that has an outbound tag.
var destinationNames = map[string]string{
	"database": DestinationDatabase, "blobs": DestinationBlobs, "acme-directory": DestinationACME,
	"https-proxy": DestinationHTTPSProxy, "http-proxy": DestinationHTTPProxy,
}

// Destinations returns what the server connects to because of this configuration, and why. These are machines that the
// operator named one by one, so they may have private addresses.
func (c *Config) Destinations() []outbound.Destination {
	var out []outbound.Destination
	for _, f := range fields {
		if f.outbound == "" {
			continue
		}
		addr, more := c.address(f.name)
		if addr == "" {
			continue
		}
		d := outbound.Destination{Name: destinationNames[f.name], URL: addr, Origins: more}
		d.Why = strings.ToUpper(f.outbound[:1]) + f.outbound[1:] + " (" + f.name + ", set by " + c.Origin(f.name) + ")."
		d.AllowPrivate = f.name != "acme-directory" || c.ACMEDirectory != ""
		if f.name == "blobs" {
			d.MaxResponse = outbound.Unlimited // files are as large as their repository allows
		}
		out = append(out, d)
	}
	return out
}

// address returns where a setting leads, if anywhere, with further origins of the same service.
func (c *Config) address(name string) (addr string, more []string) {
	switch name {
	case "database":
		return withoutPassword(c.Database.Reveal()), nil
	case "blobs":
		return s3Origins(c.Blobs.Reveal())
	case "acme-directory":
		if len(c.ACMEHosts) == 0 {
			return "", nil
		}
		if c.ACMEDirectory == "" {
			return acme.LetsEncryptURL, nil
		}
		return c.ACMEDirectory, nil
	case "https-proxy":
		return withoutPassword(proxyURL(c.HTTPSProxy)), nil
	case "http-proxy":
		return withoutPassword(proxyURL(c.HTTPProxy)), nil
	}
	panic("config: the setting " + name + " has an outbound tag and no address")
}

// s3Origins returns the endpoint of an s3:// URL and the host that the bucket has below it, where the store addresses
// buckets by host name.
func s3Origins(raw string) (addr string, more []string) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "s3" {
		return "", nil
	}
	scheme, endpoint := "https", u.Query().Get("endpoint")
	if u.Query().Get("tls") == "false" {
		scheme = "http"
	}
	if endpoint == "" {
		return "", nil
	}
	return scheme + "://" + endpoint, []string{scheme + "://" + u.Host + "." + endpoint}
}

func withoutPassword(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || raw == "" {
		return ""
	}
	u.User, u.RawQuery = nil, ""
	return u.String()
}

func proxyURL(u URL) string {
	raw := u.Reveal()
	if raw != "" && !strings.Contains(raw, "://") {
		return "http://" + raw
	}
	return raw
}

// Guard returns the outbound guard that this configuration describes, its destinations registered.
func (c *Config) Guard() (*outbound.Guard, error) {
	proxies := &httpproxy.Config{
		HTTPProxy: proxyURL(c.HTTPProxy), HTTPSProxy: proxyURL(c.HTTPSProxy), NoProxy: strings.Join(c.NoProxy, ","),
	}
	g, err := outbound.New(outbound.Options{
		CAFile: c.CAFile, Proxy: proxies.ProxyFunc(), AllowPrivate: c.AllowPrivate, Offline: c.Offline,
		Destinations: c.Destinations(), UserAgent: "Bonded",
	})
	if err != nil {
		return nil, errs.New(errs.Invalid, "The outbound connections cannot be set up.").Because(err)
	}
	return g, nil
}
