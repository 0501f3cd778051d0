// Package server carries the house's handlers: it listens, speaks TLS, knows by which public URL a request came, bounds
// what a stranger can send and how slowly, counts, logs, and stops without dropping what was acknowledged.
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync/atomic"

	"bonded/internal/clock"
	"bonded/internal/config"
	"bonded/internal/errs"
	"bonded/internal/outbound"
)

// Options are the parts that the server carries.
type Options struct {
	// Handler answers everything but /healthz and /readyz, its paths below the sub-path of the public URL.
	Handler http.Handler
	// Ready are the parts that must work for the server to be ready.
	Ready []Check
	// Gauges are read at each scrape of /metrics.
	Gauges []Gauge
	// Log gets everything; nil is slog.Default.
	Log *slog.Logger
	// Guard reaches the ACME authority; it may be nil without ACME.
	Guard *outbound.Guard
	// Version is shown in bonded_build_info.
	Version string
	// Clock is the machine's if nil.
	Clock clock.Clock
}

// Server listens as soon as it is made and serves while Run runs.
type Server struct {
	cfg   *config.Config
	opts  Options
	log   *slog.Logger
	clock clock.Clock

	hosts    *hosts
	health   *health
	counters *counters
	certs    *certificates

	http            *http.Server
	listener        net.Listener
	metricsHTTP     *http.Server
	metricsListener net.Listener
	draining        atomic.Bool
}

// New listens on the configured addresses. It fails when the public URL is needed and missing, when an address is
// taken, or when a certificate cannot be read.
func New(cfg *config.Config, opts Options) (*Server, error) {
	s := &Server{cfg: cfg, opts: opts, log: opts.Log, clock: opts.Clock}
	if s.log == nil {
		s.log = slog.Default()
	}
	if s.clock == nil {
		s.clock = clock.System{}
	}
	if err := s.setUpTLS(); err != nil {
		return nil, err
	}
	if err := s.listen(); err != nil {
		return nil, err
	}
	hosts, err := newHosts(cfg, s.listener.Addr())
	if err != nil {
		s.closeListeners()
		return nil, err
	}
	s.hosts = hosts
	s.health = &health{checks: opts.Ready, draining: &s.draining, clock: s.clock}
	s.counters = newCounters(s)
	s.http = s.newHTTPServer(s)
	s.http.MaxHeaderBytes = int(cfg.MaxHeaderSize)
	s.http.Protocols.SetUnencryptedHTTP2(!cfg.TLS())
	if s.certs != nil {
		s.http.TLSConfig = s.certs.config
		s.http.Protocols.SetHTTP2(true)
	}
	if s.metricsListener != nil {
		s.metricsHTTP = s.newHTTPServer(s.operations())
	}
	return s, nil
}

func (s *Server) newHTTPServer(h http.Handler) *http.Server {
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: s.cfg.HeaderTimeout,
		IdleTimeout:       s.cfg.IdleTimeout,
		Protocols:         new(http.Protocols),
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: 128},
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug), // strangers' broken handshakes are no news
		// No WriteTimeout and no ReadTimeout: they count from the request's first byte and would cut off every large
		// file. The exchange moves deadlines forward with the bytes instead.
	}
	srv.Protocols.SetHTTP1(true)
	return srv
}

func (s *Server) listen() (err error) {
	if s.listener, err = net.Listen("tcp", s.cfg.Listen); err != nil { //nolint:noctx // listening does not block
		return errs.New(errs.Invalid, "Bonded cannot listen on %s: %v.", s.cfg.Listen, err).WithRule("config/listen").
			WithNext("Choose another address with --listen, or stop the program that uses it.")
	}
	if s.cfg.MetricsListen == "" {
		return nil
	}
	if s.metricsListener, err = net.Listen("tcp", s.cfg.MetricsListen); err != nil { //nolint:noctx // as above
		s.closeListeners()
		return errs.New(errs.Invalid, "Bonded cannot listen on %s for metrics: %v.", s.cfg.MetricsListen, err).WithRule("config/metrics-listen").
			WithNext("Choose another address with --metrics-listen.")
	}
	return nil
}

func (s *Server) closeListeners() {
	for _, l := range []net.Listener{s.listener, s.metricsListener} {
		if l != nil {
			_ = l.Close()
		}
	}
}

// Addr returns the address on which clients are served, its port chosen if it was 0.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// MetricsAddr returns the address of the metrics, or nil.
func (s *Server) MetricsAddr() net.Addr {
	if s.metricsListener == nil {
		return nil
	}
	return s.metricsListener.Addr()
}

// URL returns the main public URL, without a trailing slash.
func (s *Server) URL() string { return s.hosts.main }

// ReloadCertificates reads the certificate files again, as on SIGHUP. They are also read when they change.
func (s *Server) ReloadCertificates() error {
	if s.certs == nil || s.certs.reload == nil {
		return nil
	}
	return s.certs.reload()
}

// Run serves until ctx ends, then stops accepting, lets the requests in flight finish within the configured time, and
// returns. Handlers' contexts are not cancelled by ctx: what was started is finished.
func (s *Server) Run(ctx context.Context) error {
	failed := make(chan error, 2)
	go func() { failed <- s.serve() }()
	running := 1
	if s.metricsHTTP != nil {
		running++
		go func() { failed <- s.metricsHTTP.Serve(s.metricsListener) }()
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
		running--
	}
	s.draining.Store(true)
	err = errors.Join(err, s.shutDown(context.WithoutCancel(ctx)))
	for range running {
		if e := <-failed; !errors.Is(e, http.ErrServerClosed) {
			err = errors.Join(err, e)
		}
	}
	return err
}

func (s *Server) serve() error {
	if s.certs != nil {
		return s.http.ServeTLS(s.listener, "", "")
	}
	return s.http.Serve(s.listener)
}

func (s *Server) shutDown(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.ShutdownTimeout)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		s.log.Warn("requests were cut off, because they did not finish in time", "timeout", s.cfg.ShutdownTimeout)
		err = s.http.Close()
	}
	if s.metricsHTTP != nil { // last, so that the drain can be watched
		err = errors.Join(err, s.metricsHTTP.Close())
	}
	return err
}

// setUpTLS prepares certificates from files or from ACME, if either is configured.
func (s *Server) setUpTLS() (err error) {
	switch {
	case s.cfg.TLSCert != "":
		s.certs, err = certificatesFromFiles(s.cfg.TLSCert, s.cfg.TLSKey, s.clock, s.log)
	case len(s.cfg.ACMEHosts) > 0:
		s.certs, err = certificatesFromACME(s.cfg, s.opts.Guard)
	}
	if err == nil && s.certs != nil {
		s.certs.config.MinVersion = tls.VersionTLS12
		if !slices.Contains(s.certs.config.NextProtos, "h2") {
			s.certs.config.NextProtos = append([]string{"h2", "http/1.1"}, s.certs.config.NextProtos...)
		}
	}
	return err
}
