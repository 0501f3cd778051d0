package server

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"

	"bonded/internal/clock"
	"bonded/internal/config"
	"bonded/internal/errs"
	"bonded/internal/outbound"
)

// certificates give the TLS configuration and know when the current certificate ends.
type certificates struct {
	config *tls.Config
	reload func() error // nil with ACME
	clock  clock.Clock
	ends   atomic.Pointer[time.Time]
}

// left returns how long the certificate that was last used is still valid.
func (c *certificates) left() (time.Duration, bool) {
	ends := c.ends.Load()
	if ends == nil {
		return 0, false
	}
	return ends.Sub(c.clock.Now()), true
}

// note remembers the end of a certificate.
func (c *certificates) note(cert *tls.Certificate) {
	leaf := cert.Leaf
	if leaf == nil && len(cert.Certificate) > 0 {
		leaf, _ = x509.ParseCertificate(cert.Certificate[0])
	}
	if leaf != nil {
		c.ends.Store(&leaf.NotAfter)
	}
}

// watchPause bounds how often the certificate files are looked at.
const watchPause = 5 * time.Second

// fileCertificate is a certificate that follows its files. A renewal replaces two files that are not replaced at once,
// so a pair that does not fit keeps the old one in use until it does.
type fileCertificate struct {
	certFile, keyFile string
	clock             clock.Clock
	log               *slog.Logger
	noted             func(*tls.Certificate)

	mu      sync.Mutex
	current *tls.Certificate
	state   [2]fileState
	looked  time.Time
}

type fileState struct {
	changed time.Time
	size    int64
}

func certificatesFromFiles(certFile, keyFile string, clk clock.Clock, log *slog.Logger) (*certificates, error) {
	c := &certificates{clock: clk}
	f := &fileCertificate{certFile: certFile, keyFile: keyFile, clock: clk, log: log, noted: c.note}
	if err := f.load(); err != nil {
		return nil, err
	}
	c.reload = f.load
	c.config = &tls.Config{GetCertificate: f.get, MinVersion: tls.VersionTLS12}
	return c, nil
}

// load reads both files.
func (f *fileCertificate) load() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.loadLocked(f.stat())
}

func (f *fileCertificate) loadLocked(state [2]fileState) error {
	cert, err := tls.LoadX509KeyPair(f.certFile, f.keyFile)
	if err != nil {
		return errs.New(errs.Invalid, "The certificate %s and its key %s cannot be used: %v.", f.certFile, f.keyFile, err).WithRule("config/tls-cert")
	}
	f.current, f.state = &cert, state
	f.noted(&cert)
	return nil
}

func (f *fileCertificate) stat() (state [2]fileState) {
	for i, name := range []string{f.certFile, f.keyFile} {
		if st, err := os.Stat(name); err == nil {
			state[i] = fileState{changed: st.ModTime(), size: st.Size()}
		}
	}
	return state
}

// get returns the certificate for a handshake, after a look at the files if the last was a while ago.
func (f *fileCertificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.clock.Now()
	if now.Sub(f.looked) < watchPause {
		return f.current, nil
	}
	f.looked = now
	if state := f.stat(); state != f.state {
		if err := f.loadLocked(state); err != nil {
			f.log.Warn("the old certificate stays in use, because the new one cannot be read", "error", err)
		}
	}
	return f.current, nil
}

// certificatesFromACME obtains certificates by TLS-ALPN-01 (RFC 8737) and keeps them in the data folder.
func certificatesFromACME(cfg *config.Config, guard *outbound.Guard) (*certificates, error) {
	client, err := acmeHTTPClient(cfg, guard)
	if err != nil {
		return nil, err
	}
	directory := cfg.ACMEDirectory
	if directory == "" {
		directory = acme.LetsEncryptURL
	}
	m := &autocert.Manager{
		Prompt:     autocert.AcceptTOS,
		Cache:      autocert.DirCache(filepath.Join(cfg.Data, "acme")),
		HostPolicy: autocert.HostWhitelist(cfg.ACMEHosts...),
		Email:      cfg.ACMEEmail,
		Client:     &acme.Client{DirectoryURL: directory, HTTPClient: client, UserAgent: "Bonded"},
	}
	c := &certificates{clock: clock.System{}}
	c.config = m.TLSConfig()
	c.config.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		cert, err := m.GetCertificate(hello)
		if err == nil && !isChallenge(hello) {
			c.note(cert)
		}
		return cert, err
	}
	return c, nil
}

func isChallenge(hello *tls.ClientHelloInfo) bool {
	return len(hello.SupportedProtos) == 1 && hello.SupportedProtos[0] == acme.ALPNProto
}

func acmeHTTPClient(cfg *config.Config, guard *outbound.Guard) (*http.Client, error) {
	if cfg.ACMECAFile == "" {
		if guard == nil {
			return nil, errs.New(errs.Internal, "ACME needs the outbound guard.")
		}
		return guard.Client(config.DestinationACME)
	}
	own, err := outbound.New(outbound.Options{
		CAFile: cfg.ACMECAFile, AllowPrivate: cfg.AllowPrivate, Offline: cfg.Offline, Destinations: cfg.Destinations(), UserAgent: "Bonded",
	})
	if err != nil {
		return nil, err
	}
	return own.Client(config.DestinationACME)
}
