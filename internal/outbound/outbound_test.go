package outbound_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bonded/internal/errs"
	"bonded/internal/outbound"
)

func guard(t *testing.T, o outbound.Options) *outbound.Guard {
	t.Helper()
	g, err := outbound.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func client(t *testing.T, g *outbound.Guard, name string) *http.Client {
	t.Helper()
	c, err := g.Client(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

func get(t *testing.T, c *http.Client, rawURL string) (string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, rawURL, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), err
}

func wantRule(t *testing.T, err error, rule string) {
	t.Helper()
	e, ok := errors.AsType[*errs.Error](err)
	if !ok || e.Rule != rule {
		t.Errorf("error = %v, want the rule %s", err, rule)
	}
}

func echo(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	if h == nil {
		h = func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "authorization="+r.Header.Get("Authorization"))
		}
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

func dest(name, rawURL string) outbound.Destination {
	return outbound.Destination{Name: name, URL: rawURL, Why: "a test"}
}

func TestSpecialAddressesAreRefusedUnlessAllowed(t *testing.T) {
	s := echo(t, nil)
	port := s.URL[strings.LastIndexByte(s.URL, ':'):]
	private := dest("up", s.URL)
	private.AllowPrivate = true
	for _, tc := range []struct {
		name    string
		options outbound.Options
		url     string
		refused bool
	}{
		{"loopback is refused", outbound.Options{Destinations: []outbound.Destination{dest("up", s.URL)}}, s.URL, true},
		{"a name of loopback is refused", outbound.Options{Destinations: []outbound.Destination{dest("up", s.URL)}}, "http://localhost" + port, true},
		{"a mapped address is refused", outbound.Options{Destinations: []outbound.Destination{dest("up", s.URL)}}, "http://[::ffff:127.0.0.1]" + port, true},
		{"an unspecified address is refused", outbound.Options{Destinations: []outbound.Destination{dest("up", s.URL)}}, "http://0.0.0.0" + port, true},
		{"a private destination is reached", outbound.Options{Destinations: []outbound.Destination{private}}, s.URL, false},
		{"its permission covers no other name", outbound.Options{Destinations: []outbound.Destination{private}}, "http://localhost" + port, true},
		{"an allowed range is reached", outbound.Options{AllowPrivate: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Destinations: []outbound.Destination{dest("up", s.URL)}}, "http://127.0.0.1" + port, false},
		{"another range is not", outbound.Options{AllowPrivate: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Destinations: []outbound.Destination{dest("up", s.URL)}}, s.URL, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := get(t, client(t, guard(t, tc.options), "up"), tc.url)
			if tc.refused {
				wantRule(t, err, "outbound/address")
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

// resolver answers every question for an IPv4 address with the next of a list, as a rebinding name server does.
func resolver(t *testing.T, answers ...string) (*net.Resolver, *atomic.Int64) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	var asked atomic.Int64
	go func() {
		buf := make([]byte, 512)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			question := buf[:n]
			end := 12
			for question[end] != 0 {
				end += int(question[end]) + 1
			}
			end += 5
			kind := binary.BigEndian.Uint16(question[end-4:])
			reply := append([]byte{}, question[:end]...)
			reply[2], reply[3] = 0x84, 0
			binary.BigEndian.PutUint16(reply[6:], 0)
			binary.BigEndian.PutUint16(reply[8:], 0)
			binary.BigEndian.PutUint16(reply[10:], 0)
			if kind == 1 {
				i := min(int(asked.Add(1))-1, len(answers)-1)
				ip := netip.MustParseAddr(answers[i]).As4()
				binary.BigEndian.PutUint16(reply[6:], 1)
				reply = append(reply, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, ip[0], ip[1], ip[2], ip[3])
			}
			_, _ = conn.WriteTo(reply, from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", conn.LocalAddr().String())
	}}, &asked
}

func TestANameThatIsReboundIsJudgedEachTime(t *testing.T) {
	s := echo(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		_, _ = io.WriteString(w, "hello")
	})
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(s.URL, "http://"))
	r, asked := resolver(t, "127.0.0.1", "127.0.0.2", "169.254.169.254")
	rebound := "http://rebind.example.com:" + port
	g := guard(t, outbound.Options{
		Resolver: r, AllowPrivate: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, Destinations: []outbound.Destination{dest("up", rebound)},
	})
	c := client(t, g, "up")
	if body, err := get(t, c, rebound); err != nil || body != "hello" {
		t.Fatalf("first answer: %q, %v", body, err)
	}
	_, err := get(t, c, rebound)
	wantRule(t, err, "outbound/address")
	_, err = get(t, c, rebound)
	wantRule(t, err, "outbound/address")
	if asked.Load() < 3 {
		t.Errorf("the name was resolved %d times, so that the test proves nothing", asked.Load())
	}
}

func TestMetadataIsRefusedEvenForAPrivateDestination(t *testing.T) {
	r, _ := resolver(t, "169.254.169.254")
	d := dest("up", "http://metadata.example.com")
	d.AllowPrivate = true
	g := guard(t, outbound.Options{Resolver: r, Destinations: []outbound.Destination{d}})
	_, err := get(t, client(t, g, "up"), d.URL)
	wantRule(t, err, "outbound/address")
}

func TestCredentialsGoToTheExactOriginOnly(t *testing.T) {
	other := echo(t, nil)
	var own *httptest.Server
	own = echo(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/elsewhere":
			http.Redirect(w, r, other.URL, http.StatusFound)
		case "/here":
			http.Redirect(w, r, own.URL+"/", http.StatusFound)
		default:
			_, _ = io.WriteString(w, "authorization="+r.Header.Get("Authorization")+r.Header.Get("X-Api-Key"))
		}
	})
	d := dest("up", own.URL)
	d.Credential = func(r *http.Request) error {
		r.Header.Set("Authorization", "Bearer s3cret")
		r.Header.Set("X-Api-Key", "s3cret")
		return nil
	}
	g := guard(t, outbound.Options{AllowPrivate: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Destinations: []outbound.Destination{d}})
	c := client(t, g, "up")
	for _, tc := range []struct {
		name, url string
		sent      bool
	}{
		{"the origin gets them", own.URL + "/x", true},
		{"another port does not", other.URL, false},
		{"another name of the same host does not", strings.Replace(own.URL, "127.0.0.1", "localhost", 1), false},
		{"they do not follow a redirect elsewhere", own.URL + "/elsewhere", false},
		{"nor a redirect home", own.URL + "/here", false},
	} {
		body, err := get(t, c, tc.url)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
		}
		if got := strings.Contains(body, "s3cret"); got != tc.sent {
			t.Errorf("%s: the answer is %q", tc.name, body)
		}
	}
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, other.URL, nil)
	req.Header.Set("Authorization", "Bearer by-hand")
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, _ := io.ReadAll(resp.Body); strings.Contains(string(b), "by-hand") {
		t.Error("a header set by hand went to a foreign origin")
	}
}

func TestRedirectsAreBoundedAndJudged(t *testing.T) {
	inner := echo(t, nil)
	var hops atomic.Int64
	s := echo(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/loop":
			hops.Add(1)
			http.Redirect(w, r, "/loop", http.StatusFound)
		case "/inside": // the same machine by a name that the destination does not have
			http.Redirect(w, r, strings.Replace(inner.URL, "127.0.0.1", "localhost", 1), http.StatusFound)
		case "/file":
			http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
		case "/user":
			http.Redirect(w, r, strings.Replace(inner.URL, "http://", "http://u:p@", 1), http.StatusFound)
		}
	})
	d := dest("up", s.URL)
	d.AllowPrivate = true
	c := client(t, guard(t, outbound.Options{Destinations: []outbound.Destination{d}}), "up")
	_, err := get(t, c, s.URL+"/loop")
	wantRule(t, err, "outbound/redirects")
	if hops.Load() != 6 {
		t.Errorf("%d requests were made, want the first and 5 redirects", hops.Load())
	}
	for _, path := range []string{"/inside", "/file", "/user"} {
		_, err = get(t, c, s.URL+path)
		wantRule(t, err, "outbound/address")
	}
}

func TestARedirectFromHTTPSToHTTPIsRefused(t *testing.T) {
	plain := echo(t, nil)
	s := httptest.NewTLSServer(http.RedirectHandler(plain.URL, http.StatusFound))
	t.Cleanup(s.Close)
	g := guard(t, outbound.Options{
		CAFile: caFile(t, s), AllowPrivate: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Destinations: []outbound.Destination{dest("up", s.URL)},
	})
	_, err := get(t, client(t, g, "up"), s.URL)
	wantRule(t, err, "outbound/redirects")
}

func caFile(t *testing.T, s *httptest.Server) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.pem")
	b := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAnUnknownAuthorityIsRefused(t *testing.T) {
	s := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(s.Close)
	s.Config.ErrorLog = nil
	d := dest("up", s.URL)
	d.AllowPrivate = true
	_, err := get(t, client(t, guard(t, outbound.Options{Destinations: []outbound.Destination{d}}), "up"), s.URL)
	if !errs.Is(err, errs.Upstream) {
		t.Errorf("error = %v", err)
	}
	if _, err := outbound.New(outbound.Options{CAFile: filepath.Join(t.TempDir(), "none")}); !errs.Is(err, errs.Invalid) {
		t.Errorf("a CA file that is missing: %v", err)
	}
}

func TestOfflinePermitsConfiguredOriginsOnly(t *testing.T) {
	a, b, stranger := echo(t, nil), echo(t, nil), echo(t, nil)
	da, db := dest("a", a.URL), dest("b", b.URL)
	g := guard(t, outbound.Options{
		Offline: true, AllowPrivate: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Destinations: []outbound.Destination{da, db},
	})
	c := client(t, g, "a")
	for _, u := range []string{a.URL, b.URL} {
		if _, err := get(t, c, u); err != nil {
			t.Errorf("a configured destination is refused: %v", err)
		}
	}
	_, err := get(t, c, stranger.URL)
	wantRule(t, err, "outbound/offline")
	if _, err := g.Client("never-registered"); err == nil {
		t.Error("a destination without a reason got a client")
	}
}

func TestAnswersAreBoundedAfterDecompression(t *testing.T) {
	const limit = 10_000
	s := echo(t, func(w http.ResponseWriter, r *http.Request) {
		size := limit
		if r.URL.Path == "/large" {
			size++
		}
		if r.URL.Path != "/bomb" {
			_, _ = w.Write(make([]byte, size))
			return
		}
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = z.Write(make([]byte, 1_000_000))
		_ = z.Close()
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(b.Bytes())
	})
	d := dest("up", s.URL)
	d.AllowPrivate, d.MaxResponse = true, limit
	c := client(t, guard(t, outbound.Options{Destinations: []outbound.Destination{d}}), "up")
	if body, err := get(t, c, s.URL+"/exact"); err != nil || len(body) != limit {
		t.Errorf("an answer of exactly the limit: %d bytes, %v", len(body), err)
	}
	for _, path := range []string{"/large", "/bomb"} {
		body, err := get(t, c, s.URL+path)
		wantRule(t, err, "outbound/size")
		if len(body) > limit {
			t.Errorf("%s: %d bytes were passed on", path, len(body))
		}
	}
}

func TestAnAnswerThatStallsIsCutOff(t *testing.T) {
	done := make(chan struct{})
	s := echo(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "a beginning")
		_ = http.NewResponseController(w).Flush()
		<-done
	})
	t.Cleanup(func() { close(done) })
	d := dest("up", s.URL)
	d.AllowPrivate = true
	g := guard(t, outbound.Options{StallTimeout: 50 * time.Millisecond, Destinations: []outbound.Destination{d}})
	body, err := get(t, client(t, g, "up"), s.URL)
	wantRule(t, err, "outbound/stall")
	if body != "a beginning" {
		t.Errorf("what came before is %q", body)
	}
}

func TestTheProxyIsUsedAndLiteralAddressesAreStillJudged(t *testing.T) {
	var mu sync.Mutex
	var asked []string
	proxy := echo(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked = append(asked, r.URL.String())
		mu.Unlock()
		_, _ = io.WriteString(w, "by proxy")
	})
	pu, _ := url.Parse(proxy.URL)
	g := guard(t, outbound.Options{
		Proxy: func(*url.URL) (*url.URL, error) { return pu, nil }, Destinations: []outbound.Destination{dest("up", "http://upstream.example.com")},
	})
	c := client(t, g, "up")
	if body, err := get(t, c, "http://upstream.example.com/x"); err != nil || body != "by proxy" {
		t.Errorf("%q, %v", body, err)
	}
	_, err := get(t, c, "http://169.254.169.254/latest")
	wantRule(t, err, "outbound/address")
	if len(asked) != 1 || asked[0] != "http://upstream.example.com/x" {
		t.Errorf("the proxy was asked for %q", asked)
	}
}

func TestADiallerReachesItsOwnHostsOnly(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	d := dest("database", "postgres://localhost:"+port+"/bonded")
	d.AllowPrivate = true
	g := guard(t, outbound.Options{Destinations: []outbound.Destination{d}})
	dial, err := g.DialContext("database")
	if err != nil {
		t.Fatal(err)
	}
	for addr, ok := range map[string]bool{
		"localhost:" + port:      true,
		ln.Addr().String():       true, // what localhost resolves to, as PostgreSQL's driver dials it
		"127.0.0.9:" + port:      false,
		"db.example.com:" + port: false,
		"localhost:1":            false,
	} {
		conn, err := dial(t.Context(), "tcp", addr)
		if ok && err != nil {
			t.Errorf("%s: %v", addr, err)
		}
		if !ok {
			wantRule(t, err, "outbound/address")
		}
		if conn != nil {
			conn.Close()
		}
	}
}

func TestListHidesPasswords(t *testing.T) {
	g := guard(t, outbound.Options{Destinations: []outbound.Destination{dest("database", "postgres://bonded:hunter2@h1,h2:5433/x?password=hunter2")}})
	list := g.List()
	if len(list) != 1 || list[0].URL != "postgres://h1,h2:5433/x" || list[0].Why == "" {
		t.Errorf("list = %+v", list)
	}
	for _, bad := range []outbound.Destination{{Name: "x", URL: "http://h"}, dest("x", "ftp://h"), dest("x", "http://"), dest("x", "http://%zz:hunter2@h")} {
		if err := g.Register(bad); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}
