package config

import (
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"bonded/internal/errs"
)

// validate checks the rules that span settings or that a type alone cannot tell.
func (c *Config) validate() error {
	for _, check := range []func() error{
		c.validateDatabase, c.validateBlobs, c.validateListen, c.validateURLs, c.validateTLS, c.validateLimits, c.validateProxies,
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func wrong(name, format string, args ...any) *errs.Error {
	return errs.New(errs.Invalid, name+": "+format, args...).WithRule("config/value")
}

func (c *Config) validateDatabase() error {
	raw := c.Database.Reveal()
	if raw == "" {
		if !c.DatabasePassword.Empty() {
			return wrong("database-password", "there is no database to use it with.").WithNext("Set database, or remove the password.")
		}
		return nil
	}
	u, err := url.Parse(raw)
	if err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") {
		return wrong("database", "%s is not a PostgreSQL URL such as postgres://bonded@host/bonded.", c.Database).
			WithNext("Leave it empty for the embedded SQLite database in the data folder.")
	}
	if host := u.Query().Get("host"); host != "" && !strings.HasPrefix(host, "/") {
		return wrong("database", "the host %q stands in a parameter, where the outbound guard does not look for it.", host).
			WithNext("Write it before the slash: postgres://user@host/name.")
	}
	if _, has := u.User.Password(); has && !c.DatabasePassword.Empty() {
		return wrong("database-password", "the password is also in the URL of the database.").WithNext("Remove one of them.")
	}
	return nil
}

func (c *Config) validateBlobs() error {
	raw := c.Blobs.Reveal()
	if !strings.Contains(raw, "://") {
		return nil
	}
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "s3" || u.Host == "" {
		return wrong("blobs", "%s is neither a folder nor a URL such as s3://bucket?endpoint=host.", c.Blobs)
	}
	if e, err := url.Parse("//" + u.Query().Get("endpoint")); err != nil || e.Hostname() == "" || e.Path != "" || e.User != nil {
		return wrong("blobs", "%s names no endpoint.", c.Blobs).WithNext("Write it as s3://bucket/prefix?endpoint=HOST:PORT&region=REGION.")
	}
	return nil
}

func (c *Config) validateListen() error {
	for name, addr := range map[string]string{"listen": c.Listen, "metrics-listen": c.MetricsListen} {
		if addr == "" && name == "metrics-listen" {
			continue
		}
		if _, _, err := net.SplitHostPort(addr); err != nil {
			return wrong(name, "%q is not an address such as 127.0.0.1:8080.", addr)
		}
	}
	return nil
}

func (c *Config) validateURLs() error {
	if u, err := url.Parse(c.SecurityContact); c.SecurityContact != "" && (err != nil || (u.Scheme != "mailto" && u.Scheme != "https") || strings.ContainsAny(c.SecurityContact, "\r\n ")) {
		return wrong("security-contact", "%q is not an address such as mailto:security@example.com (RFC 9116).", c.SecurityContact)
	}
	if c.URL == "" && len(c.ExtraURLs) > 0 {
		return wrong("extra-urls", "there are further public URLs and no main one.").WithNext("Set url.")
	}
	for _, raw := range c.PublicURLs() {
		u, err := url.Parse(raw)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			return wrong("url", "%s is not a public URL such as https://packages.example.com or https://example.com/packages.", MaskURL(raw))
		}
		if u.Path != "" && (u.Path != u.EscapedPath() || "/"+strings.Trim(u.Path, "/") != u.Path || strings.Contains(u.Path, "//") || strings.Contains(u.Path, "..")) {
			return wrong("url", "the sub-path of %s needs escaping.", raw).WithNext("Use letters, digits, - and _ only.")
		}
	}
	return nil
}

func (c *Config) validateTLS() error {
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return wrong("tls-cert", "a certificate needs its key and a key its certificate.").WithNext("Set both tls-cert and tls-key.")
	}
	if c.TLSCert != "" && len(c.ACMEHosts) > 0 {
		return wrong("acme-hosts", "certificates come either from files or from ACME.").WithNext("Remove tls-cert and tls-key, or acme-hosts.")
	}
	for _, h := range c.ACMEHosts {
		if net.ParseIP(h) != nil || strings.ContainsAny(h, "*/:@") {
			return wrong("acme-hosts", "%q is not a host name for which a certificate can be had.", h)
		}
	}
	if c.ACMEDirectory != "" {
		if u, err := url.Parse(c.ACMEDirectory); err != nil || u.Scheme != "https" || u.Host == "" {
			return wrong("acme-directory", "%q is not an https:// URL.", c.ACMEDirectory)
		}
	}
	for name, path := range map[string]string{"ca-file": c.CAFile, "acme-ca-file": c.ACMECAFile, "tls-cert": c.TLSCert, "tls-key": c.TLSKey} {
		if path == "" {
			continue
		}
		if st, err := os.Stat(path); err != nil || st.IsDir() {
			return wrong(name, "there is no file %s.", filepath.Clean(path))
		}
	}
	return nil
}

func (c *Config) validateLimits() error {
	if c.DiskWarn > 100 || c.DiskRefuse > 100 || c.DiskWarn > c.DiskRefuse {
		return wrong("disk-warn", "%d and disk-refuse %d are not two rising percentages.", c.DiskWarn, c.DiskRefuse)
	}
	if c.JobWorkers == 0 {
		return wrong("job-workers", "at least one background job must be able to run.")
	}
	for name, n := range map[string]int64{
		"max-file-size": int64(c.MaxFileSize), "max-body-size": int64(c.MaxBodySize), "min-transfer-rate": int64(c.MinTransferRate),
		"header-timeout": int64(c.HeaderTimeout), "idle-timeout": int64(c.IdleTimeout), "stall-timeout": int64(c.StallTimeout),
		"shutdown-timeout": int64(c.ShutdownTimeout), "stage-expiry": int64(c.StageExpiry),
	} {
		if n == 0 {
			return wrong(name, "zero would lift the limit, and there is no server without it.")
		}
	}
	if c.MaxHeaderSize < 4<<10 {
		return wrong("max-header-size", "%s is less than the 4KiB that real clients send.", c.MaxHeaderSize)
	}
	return nil
}

func (c *Config) validateProxies() error {
	for name, p := range map[string]URL{"https-proxy": c.HTTPSProxy, "http-proxy": c.HTTPProxy} {
		if p.Empty() {
			continue
		}
		raw := p.Reveal()
		if !strings.Contains(raw, "://") { // host:port is the form that many programs accept
			raw = "http://" + raw
		}
		if u, err := url.Parse(raw); err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
			return wrong(name, "%s is not a proxy such as http://proxy:3128.", p)
		}
	}
	return nil
}
