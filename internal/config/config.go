// Package config is the one place where Bonded's settings are defined: each field of [Config] is a command-line flag, a
// BONDED_… environment variable and a YAML key of the same name, with one default and one sentence of documentation.
//
// A value comes, in rising order of strength, from the built-in default, the profile, the YAML file, the environment
// and the flags; [Config.Settings] tells which. Unknown keys and unknown BONDED_… variables are errors, because a
// misspelt restriction that is silently ignored is a hole. Secrets come only from the environment or from a file of
// their own, never from the command line (every user of the machine can read it) nor from the YAML file (it ends up in
// version control), and are masked wherever they are printed.
package config

import (
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"time"
)

// Config holds the effective settings. The tags of a field are its whole definition:
//
//	name     the YAML key; the flag is --name, the variable BONDED_NAME
//	default  the built-in value, or company and public, the value each profile gives
//	verbs    which verbs have the flag: common (all that touch data) or serve
//	oneof    the accepted words, separated by |
//	env      further environment variables that are read, by convention of other programs
//	outbound why the server connects to the address in this setting
//	doc      one sentence for the person who reads --help
type Config struct {
	Profile string `name:"profile" default:"company" oneof:"company|public" verbs:"common" doc:"lot of defaults for a closed house or an open registry"`

	Data             string `name:"data" default:"bonded-data" verbs:"common" doc:"folder of the embedded database, the blobs and the keys"`
	Database         URL    `name:"database" verbs:"common" outbound:"the PostgreSQL database that holds every row" doc:"postgres://user@host/name instead of the embedded SQLite database"`
	DatabasePassword Secret `name:"database-password" verbs:"common" doc:"password of the PostgreSQL user"`
	Blobs            URL    `name:"blobs" verbs:"common" outbound:"the object store that holds every file" doc:"folder, or s3://bucket/prefix?endpoint=host&region=name, instead of blobs/ in the data folder"`
	S3AccessKey      Secret `name:"s3-access-key" verbs:"common" doc:"access key of the object store"`
	S3SecretKey      Secret `name:"s3-secret-key" verbs:"common" doc:"secret key of the object store"`

	LogLevel  string `name:"log-level" default:"info" oneof:"debug|info|warn|error" verbs:"common" doc:"least severity that is logged"`
	LogFormat string `name:"log-format" default:"text" oneof:"text|json" verbs:"common" doc:"form of the log lines"`

	Offline      bool           `name:"offline" verbs:"common" doc:"connect only to the addresses named in this configuration, follow no link elsewhere"`
	CAFile       string         `name:"ca-file" verbs:"common" doc:"PEM file of certificate authorities trusted beside the system's for outbound connections"`
	AllowPrivate []netip.Prefix `name:"allow-private" verbs:"common" doc:"private address ranges that outbound connections may reach, such as 10.0.0.0/8"`
	HTTPSProxy   URL            `name:"https-proxy" env:"HTTPS_PROXY" verbs:"common" outbound:"the proxy through which https:// destinations are reached" doc:"proxy for outbound https:// requests"`
	HTTPProxy    URL            `name:"http-proxy" env:"HTTP_PROXY" verbs:"common" outbound:"the proxy through which http:// destinations are reached" doc:"proxy for outbound http:// requests"`
	NoProxy      []string       `name:"no-proxy" env:"NO_PROXY" verbs:"common" doc:"hosts, domains and ranges reached without the proxy"`

	Listen        string   `name:"listen" default:"127.0.0.1:8080" verbs:"serve" doc:"address on which clients are served"`
	MetricsListen string   `name:"metrics-listen" verbs:"serve" doc:"address of /metrics and /debug/pprof/; empty turns them off"`
	URL           string   `name:"url" verbs:"common" doc:"public URL, with the sub-path if there is one; needed unless listening on loopback"`
	ExtraURLs     []string `name:"extra-urls" verbs:"serve" doc:"further public URLs by which clients may come"`

	TrustedProxies  []netip.Prefix `name:"trusted-proxies" verbs:"serve" doc:"addresses of reverse proxies whose forwarding headers are believed"`
	ForwardedHeader string         `name:"forwarded-header" default:"x-forwarded" oneof:"x-forwarded|forwarded" verbs:"serve" doc:"which headers of a trusted proxy are read, X-Forwarded-For, -Proto and -Host or the one of RFC 7239"`

	TLSCert       string   `name:"tls-cert" verbs:"serve" doc:"PEM file of the certificate chain; read again when it changes"`
	TLSKey        string   `name:"tls-key" verbs:"serve" doc:"PEM file of the certificate's key"`
	ACMEHosts     []string `name:"acme-hosts" verbs:"serve" doc:"host names for which certificates are obtained by ACME (TLS-ALPN-01 on port 443)"`
	ACMEEmail     string   `name:"acme-email" verbs:"serve" doc:"contact address given to the ACME authority"`
	ACMEDirectory string   `name:"acme-directory" verbs:"serve" outbound:"the certificate authority that issues this server's certificate" doc:"directory URL of the ACME authority; empty is Let's Encrypt"`
	ACMECAFile    string   `name:"acme-ca-file" verbs:"serve" doc:"PEM file of the authority that signed the ACME server's own certificate"`

	SignUp        string `name:"sign-up" company:"closed" public:"open" oneof:"closed|open" verbs:"serve" doc:"whether strangers may make an account, once accounts can be made by other means than bonded admin user add"`
	AnonymousRead string `name:"anonymous-read" company:"loopback" public:"on" oneof:"off|loopback|on" verbs:"common" doc:"whether new repositories are readable without a token, loopback meaning only while nobody else can connect"`

	BlobRedirect string `name:"blob-redirect" default:"off" oneof:"off|signed" verbs:"serve" doc:"send downloads through signed links (60 s) of the object store"`

	MaxFileSize     Bytes         `name:"max-file-size" company:"2GiB" public:"100MiB" verbs:"common" doc:"largest file that a new repository accepts"`
	MaxBodySize     Bytes         `name:"max-body-size" default:"8MiB" verbs:"serve" doc:"largest request body where no file is uploaded"`
	MaxHeaderSize   Bytes         `name:"max-header-size" default:"32KiB" verbs:"serve" doc:"largest request header"`
	HeaderTimeout   time.Duration `name:"header-timeout" default:"10s" verbs:"serve" doc:"time in which a request header must arrive"`
	IdleTimeout     time.Duration `name:"idle-timeout" default:"2m" verbs:"serve" doc:"time after which an idle connection is closed"`
	StallTimeout    time.Duration `name:"stall-timeout" default:"1m" verbs:"serve" doc:"time that a client may be slower than the least transfer rate before it is cut off"`
	MinTransferRate Bytes         `name:"min-transfer-rate" default:"4KiB" verbs:"serve" doc:"bytes per second below which an upload or download counts as stalled"`
	ShutdownTimeout time.Duration `name:"shutdown-timeout" default:"30s" verbs:"serve" doc:"time that requests in flight get to finish at shutdown"`
	StageExpiry     time.Duration `name:"stage-expiry" default:"24h" verbs:"serve" doc:"time after which an upload that was never closed is discarded"`
	DiskWarn        int           `name:"disk-warn" default:"90" verbs:"serve" doc:"percentage of the disk at which a warning is raised"`
	DiskRefuse      int           `name:"disk-refuse" default:"95" verbs:"serve" doc:"percentage of the disk at which publishing is refused; reading never is"`
	JobWorkers      int           `name:"job-workers" default:"4" verbs:"serve" doc:"background jobs that run at once"`
	CacheDocuments  Bytes         `name:"cache-documents" default:"64MiB" verbs:"serve" doc:"memory for rendered documents"`
	CacheProjects   Bytes         `name:"cache-projects" default:"32MiB" verbs:"serve" doc:"memory for the facts of projects"`
	KeepSnapshots   int           `name:"keep-snapshots" verbs:"common" doc:"builds of a moving version that a new repository keeps; 0 keeps all"`
	KeepPrereleases time.Duration `name:"keep-prereleases" verbs:"common" doc:"age at which a new repository drops pre-releases, such as 90d; 0 keeps all"`
	BackupMaxAge    time.Duration `name:"backup-max-age" verbs:"serve" doc:"age of the last backup above which a warning is logged; 0 turns it off"`
	AccessLog       string        `name:"access-log" default:"writes" oneof:"off|writes|all" verbs:"serve" doc:"requests that are logged"`
	SecurityContact string        `name:"security-contact" verbs:"serve" doc:"mailto: or https: address for reports of weaknesses, told in /.well-known/security.txt"`

	origins map[string]string
}

// LoopbackOnly reports whether the server can be reached from this machine alone: it listens on loopback and no public
// URL names another host.
func (c *Config) LoopbackOnly() bool {
	if !IsLoopbackHost(hostOf(c.Listen)) {
		return false
	}
	for _, raw := range c.PublicURLs() {
		u, err := url.Parse(raw)
		if err != nil || !IsLoopbackHost(u.Hostname()) {
			return false
		}
	}
	return true
}

// PublicURLs returns the configured public URLs, the main one first, without trailing slashes; empty if none is set.
func (c *Config) PublicURLs() []string {
	var urls []string
	if c.URL != "" {
		urls = append(urls, strings.TrimRight(c.URL, "/"))
	}
	for _, u := range c.ExtraURLs {
		urls = append(urls, strings.TrimRight(u, "/"))
	}
	return urls
}

// ReadAnonymously reports whether a new repository is readable without a token.
func (c *Config) ReadAnonymously() bool {
	switch c.AnonymousRead {
	case "on":
		return true
	case "loopback":
		return c.LoopbackOnly()
	default:
		return false
	}
}

// TLS reports whether the server itself speaks TLS.
func (c *Config) TLS() bool { return c.TLSCert != "" || len(c.ACMEHosts) > 0 }

// DSN returns the PostgreSQL URL with its password, for the driver's eyes only; empty means the embedded SQLite database.
func (c *Config) DSN() string {
	raw := c.Database.Reveal()
	if raw == "" || c.DatabasePassword.Empty() {
		return raw
	}
	u, err := url.Parse(raw)
	if err != nil { // Load has parsed it
		return raw
	}
	u.User = url.UserPassword(u.User.Username(), c.DatabasePassword.Reveal())
	return u.String()
}

// SQLitePath returns the file of the embedded database.
func (c *Config) SQLitePath() string { return filepath.Join(c.Data, "bonded.db") }

// BlobsLocation returns the folder or s3:// URL where blobs are stored.
func (c *Config) BlobsLocation() string {
	if c.Blobs.Empty() {
		return filepath.Join(c.Data, "blobs")
	}
	return c.Blobs.Reveal()
}

// IsLoopbackHost reports whether host, a name or an address without port, is this machine.
func IsLoopbackHost(host string) bool {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") { // RFC 6761 §6.3
		return true
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && addr.Unmap().IsLoopback()
}

func hostOf(listen string) string {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	return host
}
