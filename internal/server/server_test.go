package server_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"bonded/internal/config"
	"bonded/internal/errs"
	"bonded/internal/metric"
	"bonded/internal/request"
	"bonded/internal/server"
)

// lockedBuffer collects the log of a running server.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// running is a server under test.
type running struct {
	*server.Server
	base string // http://127.0.0.1:PORT
	log  *lockedBuffer
	stop context.CancelFunc
	done chan error
}

func start(t *testing.T, h http.HandlerFunc, change func(*config.Config, *server.Options)) *running {
	t.Helper()
	cfg := config.Default()
	cfg.Listen = "127.0.0.1:0"
	cfg.ShutdownTimeout = 5 * time.Second
	log := &lockedBuffer{}
	opts := server.Options{Handler: h, Log: server.NewLogger(log, "json", "debug"), Version: "1.2.3"}
	if change != nil {
		change(cfg, &opts)
	}
	s, err := server.New(cfg, opts)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	r := &running{Server: s, base: "http://" + s.Addr().String(), log: log, stop: stop, done: make(chan error, 1)}
	go func() { r.done <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-r.done; err != nil {
			t.Errorf("Run: %v", err)
		}
		r.done <- nil
	})
	return r
}

// send makes one request on a connection of its own.
func (r *running) send(t *testing.T, method, target string, body io.Reader, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, r.base+target, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Close = true
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
			continue
		}
		req.Header.Add(header[i], header[i+1])
	}
	c := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

// tell answers with what the handler was told about the request.
func tell(w http.ResponseWriter, r *http.Request) {
	f := request.From(r.Context())
	fmt.Fprintf(w, "base=%s path=%s client=%s secure=%v", f.BaseURL, r.URL.EscapedPath(), f.Client, f.Secure)
}

func publicURLs(urls ...string) func(*config.Config, *server.Options) {
	return func(c *config.Config, _ *server.Options) { c.URL, c.ExtraURLs = urls[0], urls[1:] }
}

func TestARequestBelongsToOneOfThePublicURLs(t *testing.T) {
	r := start(t, tell, publicURLs("https://packages.example.com", "http://second.example.com:8080/sub/path", "https://second.example.com/sub", "https://third.example.com"))
	for _, tc := range []struct {
		name, host, path string
		status           int
		want             string
	}{
		{"the main host", "packages.example.com", "/npm/main/x", 200, "base=https://packages.example.com path=/npm/main/x "},
		{"its case does not matter", "Packages.Example.COM", "/x", 200, "base=https://packages.example.com "},
		{"its default port may be named", "packages.example.com:443", "/x", 200, "base=https://packages.example.com "},
		{"another port is another host", "packages.example.com:444", "/x", 421, "Use https://packages.example.com,"},
		{"another name of the server", "third.example.com", "/x", 200, "base=https://third.example.com "},
		{"a foreign host", "evil.example.com", "/x", 421, `does not answer for the host "evil.example.com"`},
		{"an address", "127.0.0.1", "/x", 421, "--extra-urls"},
		{"a host below ours", "x.packages.example.com", "/x", 421, ""},
		{"a sub-path is removed", "second.example.com", "/sub/npm/main/@s%2ffoo", 200, "base=https://second.example.com/sub path=/npm/main/@s%2ffoo "},
		{"each host has its own", "second.example.com:8080", "/sub/path/a", 200, "base=http://second.example.com:8080/sub/path path=/a "},
		{"what is outside of it is not found", "second.example.com", "/other", 404, "below https://packages.example.com/"},
		{"a longer word is outside", "second.example.com", "/subx/y", 404, ""},
		{"the sub-path itself redirects into it", "second.example.com", "/sub", 308, ""},
		{"an escaped slash stays escaped", "packages.example.com", "/npm/main/@s%2Ffoo", 200, "path=/npm/main/@s%2Ffoo "},
	} {
		t.Run(tc.name, func(t *testing.T) {
			resp, body := r.send(t, "GET", tc.path, nil, "Host", tc.host, "X-Forwarded-Host", "third.example.com", "Forwarded", "host=third.example.com")
			if resp.StatusCode != tc.status || !strings.Contains(body, tc.want) {
				t.Errorf("%d %q, want %d %q", resp.StatusCode, body, tc.status, tc.want)
			}
			if resp.Header.Get("X-Request-Id") == "" {
				t.Error("the answer has no request id")
			}
		})
	}
}

func TestWithoutPublicURLOnlyLoopbackNamesAreServed(t *testing.T) {
	r := start(t, tell, nil)
	_, port, _ := net.SplitHostPort(r.Addr().String())
	for host, status := range map[string]int{
		"localhost:" + port: 200, "127.0.0.1:" + port: 200, "[::1]:" + port: 200, "localhost": 421, "rebound.example.com:" + port: 421,
	} {
		resp, body := r.send(t, "GET", "/x", nil, "Host", host)
		if resp.StatusCode != status || (status == 200 && !strings.Contains(body, "base=http://"+host+" ")) {
			t.Errorf("%s: %d %s", host, resp.StatusCode, body)
		}
	}
	if r.URL() != "http://127.0.0.1:"+port {
		t.Errorf("URL = %s", r.URL())
	}
	cfg := config.Default()
	cfg.Listen = "0.0.0.0:0"
	if _, err := server.New(cfg, server.Options{}); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "--url") {
		t.Errorf("listening for all without a public URL: %v", err)
	}
}

func TestForwardingHeadersAreBelievedOnlyFromTrustedProxies(t *testing.T) {
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")}
	const direct, proxied = "client=127.0.0.1 secure=false", "client=203.0.113.7 secure=true"
	for _, tc := range []struct {
		name, kind string
		trusted    []netip.Prefix
		header     []string
		want       string
	}{
		{"nobody is trusted by default", "x-forwarded", nil, []string{"X-Forwarded-For", "203.0.113.7", "X-Forwarded-Proto", "https"}, direct},
		{"a stranger is not trusted", "x-forwarded", loopback[1:], []string{"X-Forwarded-For", "203.0.113.7", "X-Forwarded-Proto", "https"}, direct},
		{"a proxy is", "x-forwarded", loopback, []string{"X-Forwarded-For", "203.0.113.7", "X-Forwarded-Proto", "https"}, proxied},
		{"what the client itself sent is not", "x-forwarded", loopback, []string{"X-Forwarded-For", "6.6.6.6, 203.0.113.7", "X-Forwarded-Proto", "http, https"}, proxied},
		{"a chain of proxies is followed", "x-forwarded", loopback, []string{"X-Forwarded-For", "6.6.6.6", "X-Forwarded-For", "203.0.113.7, 10.1.1.1", "X-Forwarded-Proto", "https"}, proxied},
		{"the other header is not read", "x-forwarded", loopback, []string{"Forwarded", "for=203.0.113.7;proto=https"}, direct},
		{"nonsense ends the chain", "x-forwarded", loopback, []string{"X-Forwarded-For", "203.0.113.7, unknown"}, direct},
		{"the standard header", "forwarded", loopback, []string{"Forwarded", `for=6.6.6.6, for="203.0.113.7:4711";proto=https`}, proxied},
		{"the standard header with IPv6", "forwarded", loopback, []string{"Forwarded", `For="[2001:db8::1]:4711";Proto=HTTPS`}, "client=2001:db8::1 secure=true"},
		{"the standard header through a chain", "forwarded", loopback, []string{"Forwarded", `for=203.0.113.7;proto=http, for=10.0.0.1;proto=https`}, proxied},
		{"and then not the other", "forwarded", loopback, []string{"X-Forwarded-For", "203.0.113.7", "X-Forwarded-Proto", "https"}, direct},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := start(t, tell, func(c *config.Config, _ *server.Options) { c.TrustedProxies, c.ForwardedHeader = tc.trusted, tc.kind })
			if _, body := r.send(t, "GET", "/", nil, tc.header...); !strings.Contains(body, tc.want) {
				t.Errorf("%q, want %q", body, tc.want)
			}
		})
	}
	t.Run("the host comes from the proxy", func(t *testing.T) {
		r := start(t, tell, func(c *config.Config, o *server.Options) {
			publicURLs("https://packages.example.com")(c, o)
			c.TrustedProxies = loopback
		})
		if _, body := r.send(t, "GET", "/", nil, "X-Forwarded-Host", "evil.example.com, packages.example.com"); !strings.Contains(body, "base=https://packages.example.com ") {
			t.Errorf("%q", body)
		}
		if resp, _ := r.send(t, "GET", "/", nil, "Host", "packages.example.com", "X-Forwarded-Host", "evil.example.com"); resp.StatusCode != http.StatusMisdirectedRequest {
			t.Errorf("a foreign forwarded host: %d", resp.StatusCode)
		}
	})
}

func TestTheRequestIDIsOneThatIsHarmless(t *testing.T) {
	r := start(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, request.ID(r.Context())) }, nil)
	for sent, kept := range map[string]bool{
		"0123-abcd.ef_G": true, "short": false, "has space in it": false, strings.Repeat("a", 65): false, "nötig-nötig": false,
		"bondu_" + strings.Repeat("A", 36): false,
	} {
		resp, body := r.send(t, "GET", "/", nil, "X-Request-Id", sent)
		if got := resp.Header.Get("X-Request-Id"); (got == sent) != kept || got != body || len(got) < 8 {
			t.Errorf("%q was answered with %q and told as %q", sent, got, body)
		}
	}
}

func TestABodyIsBoundedUntilTheHandlerAllowsMore(t *testing.T) {
	r := start(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/upload" {
			request.AllowBody(r.Context(), 2000)
		}
		b, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), errs.KindOf(err).Status())
			return
		}
		fmt.Fprint(w, len(b))
	}, func(c *config.Config, _ *server.Options) { c.MaxBodySize = 1000 })
	for _, tc := range []struct {
		path    string
		size    int
		chunked bool
		status  int
	}{
		{"/", 1000, false, 200},
		{"/", 1001, false, 413},
		{"/", 1000, true, 200},
		{"/", 1001, true, 413},
		{"/upload", 2000, false, 200},
		{"/upload", 2001, false, 413},
		{"/upload", 2000, true, 200},
		{"/upload", 2001, true, 413},
	} {
		var body io.Reader = bytes.NewReader(make([]byte, tc.size))
		if tc.chunked {
			body = io.MultiReader(body)
		}
		resp, got := r.send(t, "POST", tc.path, body)
		if resp.StatusCode != tc.status || (tc.status == 200 && got != fmt.Sprint(tc.size)) {
			t.Errorf("%s with %d bytes, chunked %v: %d %s", tc.path, tc.size, tc.chunked, resp.StatusCode, got)
		}
	}
}

func TestABodyThatStallsIsCutOff(t *testing.T) {
	r := start(t, func(w http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		if e, ok := errors.AsType[*errs.Error](err); ok {
			http.Error(w, e.Sentence(), e.Kind.Status())
		}
	}, func(c *config.Config, _ *server.Options) { c.StallTimeout = 50 * time.Millisecond })
	conn, err := net.Dial("tcp", r.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: %s\r\nContent-Length: 100\r\n\r\nhalf", r.Addr())
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusBadRequest || !strings.Contains(string(b), "server/stall") {
		t.Errorf("%d %s", resp.StatusCode, b)
	}
}

func TestASlowUploadAboveTheLeastRatePasses(t *testing.T) {
	gate := make(chan int)
	r := start(t, func(w http.ResponseWriter, r *http.Request) {
		buf := make([]byte, 1)
		for n := 0; ; n++ {
			if _, err := r.Body.Read(buf); err != nil {
				fmt.Fprint(w, n, err)
				return
			}
			gate <- n
		}
	}, func(c *config.Config, _ *server.Options) { c.StallTimeout, c.MinTransferRate = 200*time.Millisecond, 1 })
	pr, pw := io.Pipe()
	go func() {
		// Each byte buys a second at the rate of one byte a second, so that this goes on for longer than the timeout.
		for begun := time.Now(); time.Since(begun) < 400*time.Millisecond; {
			_, _ = pw.Write([]byte("x"))
			<-gate
		}
		pw.Close()
	}()
	if _, body := r.send(t, "PUT", "/", pr); !strings.HasSuffix(body, "EOF") {
		t.Errorf("%q", body)
	}
}

func TestAClientThatReadsNothingIsCutOff(t *testing.T) {
	failed := make(chan error, 1)
	r := start(t, func(w http.ResponseWriter, _ *http.Request) {
		chunk := make([]byte, 1<<20)
		for {
			if _, err := w.Write(chunk); err != nil {
				failed <- err
				return
			}
		}
	}, func(c *config.Config, _ *server.Options) {
		c.StallTimeout, c.MinTransferRate = 50*time.Millisecond, 1<<30
	})
	conn, err := net.Dial("tcp", r.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", r.Addr())
	if err := <-failed; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the handler got %v", err)
	}
}

func TestAPanicIsAnsweredLoggedAndSurvived(t *testing.T) {
	r := start(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/half" {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "half an answer")
		}
		panic("the roof fell in")
	}, nil)
	resp, body := r.send(t, "GET", "/", nil)
	id := resp.Header.Get("X-Request-Id")
	if resp.StatusCode != http.StatusInternalServerError || !strings.Contains(body, id) || strings.Contains(body, "roof") {
		t.Errorf("%d %q", resp.StatusCode, body)
	}
	if log := r.log.String(); !strings.Contains(log, "the roof fell in") || !strings.Contains(log, `"request_id":"`+id) {
		t.Errorf("log = %s", log)
	}
	if resp, err := http.Get(r.base + "/half"); err == nil {
		defer resp.Body.Close()
		if _, err := io.ReadAll(resp.Body); err == nil {
			t.Error("half an answer looked whole")
		}
	}
}

func TestReadinessNamesTheFailingPart(t *testing.T) {
	r := start(t, tell, func(_ *config.Config, o *server.Options) {
		o.Ready = []server.Check{
			{Name: "database", Func: func(context.Context) error { return nil }},
			{Name: "blobs", Func: func(context.Context) error { return errs.New(errs.Unavailable, "The bucket is gone.") }},
			{Name: "feed", Func: func(context.Context) error { return errors.New("secret detail") }},
		}
	})
	if resp, body := r.send(t, "GET", "/healthz", nil, "Host", "10.0.0.1"); resp.StatusCode != http.StatusOK || body != "alive\n" {
		t.Errorf("healthz: %d %q", resp.StatusCode, body)
	}
	resp, body := r.send(t, "GET", "/readyz", nil, "Host", "10.0.0.1")
	if resp.StatusCode != http.StatusServiceUnavailable || body != "not ready\nblobs: The bucket is gone.\nfeed: It does not work; the log says why.\n" {
		t.Errorf("readyz: %d %q", resp.StatusCode, body)
	}
	resp, body = r.send(t, "GET", "/readyz", nil, "Accept", "application/json")
	var doc struct {
		Ready bool
		Parts []struct {
			Name   string
			Ready  bool
			Reason string
		}
	}
	if err := json.Unmarshal([]byte(body), &doc); err != nil || resp.StatusCode != http.StatusServiceUnavailable || doc.Ready || len(doc.Parts) != 3 || !doc.Parts[0].Ready || doc.Parts[1].Reason != "The bucket is gone." {
		t.Errorf("readyz as JSON: %d %s %v", resp.StatusCode, body, err)
	}
}

func TestShutdownFinishesWhatWasBegun(t *testing.T) {
	begun, end := make(chan struct{}), make(chan struct{})
	r := start(t, func(w http.ResponseWriter, r *http.Request) {
		close(begun)
		<-end
		fmt.Fprint(w, "finished ", r.Context().Err())
	}, nil)
	answer := make(chan string, 1)
	go func() {
		_, body := r.send(t, "POST", "/", strings.NewReader("x"))
		answer <- body
	}()
	<-begun
	r.stop()
	for { // until the listener is closed
		conn, err := net.Dial("tcp", r.Addr().String())
		if err != nil {
			break
		}
		conn.Close()
	}
	close(end)
	if body := <-answer; body != "finished <nil>" {
		t.Errorf("%q", body)
	}
}

func TestMetricsHaveTheirOwnListener(t *testing.T) {
	r := start(t, func(w http.ResponseWriter, r *http.Request) {
		request.SetRoute(r.Context(), "npm.document")
		w.WriteHeader(http.StatusNotFound)
	}, func(c *config.Config, o *server.Options) {
		c.MetricsListen = "127.0.0.1:0"
		o.Gauges = []server.Gauge{{Name: metric.JobsReady, Value: func() float64 { return 7 }}, {Name: metric.DiskUsedRatio, Labels: `disk="data"`, Value: func() float64 { return 0.5 }}}
		o.Ready = []server.Check{{Name: "database", Func: func(context.Context) error { return nil }}}
	})
	r.send(t, "GET", "/", nil)
	r.send(t, "GET", "/", nil, "Host", "evil.example.com")
	if resp, _ := r.send(t, "GET", "/metrics", nil); resp.StatusCode != http.StatusNotFound {
		t.Errorf("the public listener serves /metrics: %d", resp.StatusCode)
	}
	resp, err := http.Get("http://" + r.MetricsAddr().String() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	for _, want := range []string{
		`bonded_http_requests_total{route="npm.document",code="404"} 2`, `bonded_http_request_duration_seconds_count{route="npm.document"} 2`,
		`bonded_http_request_duration_seconds_bucket{route="npm.document",le="+Inf"} 2`, `bonded_http_misdirected_requests_total 1`,
		`bonded_jobs_ready 7`, `bonded_disk_used_ratio{disk="data"} 0.5`, `bonded_ready{part="database"} 1`, `bonded_build_info{version="1.2.3"`,
		"process_resident_memory_bytes", "bonded_http_requests_in_flight 0", "bonded_http_panics_total 0",
	} {
		if !strings.Contains(string(b), want) {
			t.Errorf("/metrics has no line %s:\n%s", want, b)
		}
	}
}

func TestHTTP2IsSpokenInTheClear(t *testing.T) {
	r := start(t, func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, r.Proto, n)
	}, nil)
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(true)
	tr := &http.Transport{Protocols: p}
	defer tr.CloseIdleConnections()
	resp, err := (&http.Client{Transport: tr}).Post(r.base, "", bytes.NewReader(make([]byte, 100_000)))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, _ := io.ReadAll(resp.Body); string(b) != "HTTP/2.0100000" {
		t.Errorf("%s", b)
	}
}

// writeCertificate writes a self-signed certificate with a serial number and returns its pool.
func writeCertificate(t *testing.T, dir string, serial int64) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	for name, b := range map[string][]byte{"cert.pem": cert, "key.pem": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(cert)
	return pool
}

func TestTLSFollowsTheCertificateFiles(t *testing.T) {
	dir := t.TempDir()
	pool := writeCertificate(t, dir, 1)
	r := start(t, tell, func(c *config.Config, _ *server.Options) {
		c.TLSCert, c.TLSKey = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
		c.MetricsListen = "127.0.0.1:0"
	})
	if !strings.HasPrefix(r.URL(), "https://") {
		t.Errorf("URL = %s", r.URL())
	}
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
	defer tr.CloseIdleConnections()
	resp, err := (&http.Client{Transport: tr}).Get("https://" + r.Addr().String() + "/x")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, _ := io.ReadAll(resp.Body); resp.ProtoMajor != 2 || !strings.Contains(string(b), "secure=true") {
		t.Errorf("%s %s", resp.Proto, b)
	}
	serial := func() int64 {
		conn, err := tls.Dial("tcp", r.Addr().String(), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	writeCertificate(t, dir, 2)
	if err := r.ReloadCertificates(); err != nil || serial() != 2 {
		t.Errorf("after the reload the certificate has number %d, %v", serial(), err)
	}
	if err := os.WriteFile(filepath.Join(dir, "key.pem"), []byte("half a renewal"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.ReloadCertificates(); err == nil || serial() != 2 {
		t.Errorf("a broken pair: number %d, %v", serial(), err)
	}
	m, err := http.Get("http://" + r.MetricsAddr().String() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer m.Body.Close()
	if b, _ := io.ReadAll(m.Body); !strings.Contains(string(b), metric.CertificateExpiry+" 35") {
		t.Errorf("the end of the certificate is not told:\n%s", b)
	}
}

func TestAccessLogAndItsSilence(t *testing.T) {
	for mode, want := range map[string][2]bool{"off": {false, false}, "writes": {false, true}, "all": {true, true}} {
		r := start(t, func(w http.ResponseWriter, r *http.Request) {
			request.SetPrincipal(r.Context(), "user:alice")
			tell(w, r)
		}, func(c *config.Config, _ *server.Options) { c.AccessLog = mode })
		token := "bondu_" + strings.Repeat("Ab1", 12)
		r.send(t, "GET", "/read?secret=hunter2", nil, "Authorization", "Bearer hunter2")
		r.send(t, "DELETE", "/npm/main/-/user/token/hunter2", nil)
		r.send(t, "DELETE", "/npm/main/"+token, nil)
		r.stop()
		if err := <-r.done; err != nil {
			t.Error(err)
		}
		r.done <- nil
		log := r.log.String()
		if got := strings.Contains(log, `"path":"/read"`); got != want[0] {
			t.Errorf("%s logs reads: %v", mode, got)
		}
		if got := strings.Contains(log, `"method":"DELETE"`) && strings.Contains(log, "user:alice"); got != want[1] {
			t.Errorf("%s logs writes: %v", mode, got)
		}
		if strings.Contains(log, "hunter2") || strings.Contains(log, token) {
			t.Errorf("%s logs a secret: %s", mode, log)
		}
	}
}

func TestTheLoggerMasksSecretsWhereverTheyAre(t *testing.T) {
	token := "bondp_" + strings.Repeat("9", 36)
	for _, format := range []string{"text", "json"} {
		var out bytes.Buffer
		log := server.NewLogger(&out, format, "info")
		log = log.With("header", http.Header{"Authorization": {"Bearer hunter2hunter2"}}).WithGroup("g")
		log.Info("token "+token, "error", errors.New("Get \"https://u:hunter2@h/p?token=hunter2\": refused"), "authorization", "hunter2",
			"list", []string{token}, "bytes", []byte(token), "nested", slog.GroupValue(slog.String("password", "hunter2")),
			"dsn", "postgres://bonded:hunter2@db/x?sslpassword=hunter2", "basic", "Basic aHVudGVyMjpodW50ZXIy", "path", "/npm/x/-/user/token/hunter2")
		s := out.String()
		for _, secret := range []string{"hunter2", token, "aHVudGVyMjpodW50ZXIy"} {
			if strings.Contains(s, secret) {
				t.Errorf("%s prints %s: %s", format, secret, s)
			}
		}
		if !strings.Contains(s, "refused") || !strings.Contains(s, "db/x") {
			t.Errorf("%s lost what is no secret: %s", format, s)
		}
	}
}
