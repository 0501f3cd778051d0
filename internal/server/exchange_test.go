package server

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"bonded/internal/config"
)

func newQuiet(tb testing.TB, h http.Handler) *Server {
	tb.Helper()
	cfg := config.Default()
	cfg.Listen, cfg.URL = "127.0.0.1:0", "https://packages.example.com"
	s, err := New(cfg, Options{Handler: h})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.closeListeners)
	return s
}

// sink is a ResponseWriter that remembers how it was written to.
type sink struct {
	http.ResponseWriter
	parts []int64
	file  bool
}

func (s *sink) ReadFrom(r io.Reader) (int64, error) {
	limited, ok := r.(*io.LimitedReader)
	if ok {
		_, s.file = limited.R.(syscall.Conn) // what net.sendFile asks for
		s.parts = append(s.parts, limited.N)
	}
	return io.Copy(io.Discard, r)
}

// net/http sends a file with sendfile only if it sees the *os.File, bare or in one LimitedReader.
func TestAFileReachesTheConnectionAsAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, make([]byte, 3<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, send := range map[string]func(http.ResponseWriter, *http.Request, *os.File){
		"io.Copy":  func(w http.ResponseWriter, _ *http.Request, f *os.File) { _, _ = io.Copy(w, f) },
		"io.CopyN": func(w http.ResponseWriter, _ *http.Request, f *os.File) { _, _ = io.CopyN(w, f, 3<<20) },
		"http.ServeContent": func(w http.ResponseWriter, r *http.Request, f *os.File) {
			http.ServeContent(w, r, "f.tgz", fileTime(f), f)
		},
	} {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		s := newQuiet(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { send(w, r, f) }))
		w := &sink{ResponseWriter: httptest.NewRecorder()}
		s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "https://packages.example.com/f", nil))
		if !w.file || len(w.parts) < 3 || w.parts[0] != pacedChunk {
			t.Errorf("%s: file %v in parts %v", name, w.file, w.parts)
		}
	}
}

func TestResponseControllerReachesTheConnection(t *testing.T) {
	failed := make(chan error, 1)
	s := newQuiet(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		c := http.NewResponseController(w)
		if err := c.Flush(); err != nil {
			failed <- err
			return
		}
		conn, _, err := c.Hijack()
		if err == nil {
			conn.Close()
		}
		failed <- err
	}))
	ts := httptest.NewServer(s)
	defer ts.Close()
	conn, err := net.Dial("tcp", ts.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: packages.example.com\r\n\r\n")
	if err := <-failed; err != nil {
		t.Error(err)
	}
}

// bare is the cheapest ResponseWriter, so that what is measured is the server's own cost.
type bare struct{ h http.Header }

func (b *bare) Header() http.Header         { return b.h }
func (b *bare) Write(p []byte) (int, error) { return len(p), nil }
func (b *bare) WriteHeader(int)             {}

func TestTheHotPathAllocatesLittle(t *testing.T) {
	body := []byte("{}")
	s := newQuiet(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) }))
	r := httptest.NewRequest(http.MethodGet, "https://packages.example.com/npm/main/x", nil)
	w := &bare{h: http.Header{}}
	if n := testing.AllocsPerRun(100, func() { s.ServeHTTP(w, r) }); n > 4 {
		t.Errorf("%v allocations per request, want at most 4", n)
	}
}

func BenchmarkServer(b *testing.B) {
	body := []byte("{}")
	s := newQuiet(b, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) }))
	r := httptest.NewRequest(http.MethodGet, "https://packages.example.com/npm/main/x", nil)
	w := &bare{h: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		s.ServeHTTP(w, r)
	}
}

func FuzzOrigin(f *testing.F) {
	cfg := config.Default()
	cfg.URL = "https://packages.example.com/sub"
	h, err := newHosts(cfg, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1})
	if err != nil {
		f.Fatal(err)
	}
	h.proxies = mustPrefixes("127.0.0.0/8")
	f.Add("packages.example.com", "/sub/x", `for="[::1]:2";host=a, for=b`, "1.2.3.4, x")
	f.Fuzz(func(t *testing.T, host, path, forwarded, xff string) {
		for _, h.forward = range []string{"forwarded", "x-forwarded"} {
			r := &http.Request{Host: host, RemoteAddr: "127.0.0.1:9", Header: http.Header{"Forwarded": {forwarded}, "X-Forwarded-For": {xff}, "X-Forwarded-Host": {host}}}
			o := h.origin(r)
			if !o.client.IsValid() {
				t.Errorf("no client from %q %q", forwarded, xff)
			}
			if b, known := h.find(o, path); b != nil && (!known || b.url != cfg.URL) {
				t.Errorf("%q found %v", host, b)
			}
		}
	})
}

func fileTime(f *os.File) time.Time {
	st, err := f.Stat()
	if err != nil {
		return time.Time{}
	}
	return st.ModTime()
}

func mustPrefixes(words ...string) (out []netip.Prefix) {
	for _, w := range words {
		out = append(out, netip.MustParsePrefix(w))
	}
	return out
}
