package blob_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"bonded/internal/blob"
	"bonded/internal/blob/blobtest"
	"bonded/internal/digest"
	"bonded/internal/errs"
)

func TestDirConforms(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) blob.Store {
		dir := t.TempDir()
		t.Cleanup(func() { wantNoFiles(t, filepath.Join(dir, "stage")) })
		return opened(t)(blob.OpenDir(dir))
	})
}

func TestS3Conforms(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) blob.Store {
		backend := s3mem.New()
		server := httptest.NewServer(gofakes3.New(backend).Server())
		t.Cleanup(server.Close)
		if err := backend.CreateBucket("blobs"); err != nil {
			t.Fatal(err)
		}
		cfg := config(t, server.Listener.Addr().String())
		cfg.Prefix = "bonded/main"
		return opened(t)(blob.OpenS3(cfg))
	})
}

func TestS3ServerConforms(t *testing.T) {
	open := s3Server(t)
	blobtest.Run(t, open)
	blobtest.RunEnforced(t, open)
}

// TestS3ServerRefusesBytesChangedOnTheWay proves that the SHA-256 which the signature carries is checked.
func TestS3ServerRefusesBytesChangedOnTheWay(t *testing.T) {
	open := s3ServerWith(t)
	for name, size := range map[string]int{"in one request": 1000, "in parts": 20 << 20} {
		t.Run(name, func(t *testing.T) {
			store := open(t, corrupting{})
			content := bytes.Repeat([]byte("x"), size)
			_, err := blob.Put(t.Context(), store, content)
			if !errs.Is(err, errs.Unavailable) || !strings.Contains(err.Error(), "sha256") {
				t.Errorf("changed bytes: %v, want the server's refusal of their SHA-256", err)
			}
			if _, err := store.Stat(t.Context(), digest.Of(content)); !errs.Is(err, errs.NotFound) {
				t.Errorf("Stat: %v, want not-found", err)
			}
		})
	}
}

// corrupting changes the first byte of what is uploaded.
type corrupting struct{}

func (corrupting) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method == http.MethodPut && req.ContentLength > 0 {
		body := req.Body
		req = req.Clone(req.Context())
		req.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(strings.NewReader("y"), dropFirst(body)), body}
	}
	return http.DefaultTransport.RoundTrip(req)
}

func dropFirst(r io.Reader) io.Reader {
	_, _ = io.CopyN(io.Discard, r, 1) // an error comes again with the next read
	return r
}

func opened(t *testing.T) func(blob.Store, error) blob.Store {
	return func(store blob.Store, err error) blob.Store {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := store.Close(); err != nil {
				t.Error(err)
			}
		})
		return store
	}
}

const accessKey, secretKey = "test-access-key", "test-secret-key"

func config(t *testing.T, endpoint string) blob.S3Config {
	spool := t.TempDir()
	t.Cleanup(func() { wantNoFiles(t, spool) })
	return blob.S3Config{
		Endpoint: endpoint, Bucket: "blobs", Plaintext: true, PathStyle: true,
		AccessKey: accessKey, SecretKey: secretKey, Transport: http.DefaultTransport, SpoolDir: spool,
	}
}

func wantNoFiles(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Error(err)
	}
	if len(left) > 0 {
		t.Errorf("%d files are left in %s", len(left), filepath.Base(dir))
	}
}

// s3Server starts a real S3 server and returns a function that opens an empty store in it.
func s3Server(t *testing.T) func(*testing.T) blob.Store {
	open := s3ServerWith(t)
	return func(t *testing.T) blob.Store { return open(t, http.DefaultTransport) }
}

func s3ServerWith(t *testing.T) func(*testing.T, http.RoundTripper) blob.Store {
	binary := s3Binary(t)
	data := t.TempDir()
	endpoint := startS3(t, binary, data)
	n := 0
	return func(t *testing.T, transport http.RoundTripper) blob.Store {
		n++
		cfg := config(t, endpoint)
		cfg.Bucket, cfg.Transport = fmt.Sprintf("blobs-%d", n), transport
		// A bucket of this server is a folder.
		if err := os.Mkdir(filepath.Join(data, cfg.Bucket), 0o700); err != nil {
			t.Fatal(err)
		}
		return opened(t)(blob.OpenS3(cfg))
	}
}

// s3Binary finds the versitygw that `make tools` builds.
func s3Binary(t *testing.T) string {
	if testing.Short() {
		t.Skip("the real S3 server is left out with -short")
	}
	if path := os.Getenv("BONDED_TEST_S3_BIN"); path != "" {
		return path
	}
	if path, err := filepath.Abs("../../tools/bin/versitygw"); err == nil {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	path, err := exec.LookPath("versitygw")
	if err != nil {
		t.Fatal("no versitygw, a real S3 server, is here: run `make tools`, or test with -short")
	}
	return path
}

// startS3 runs the server until the test ends and returns its address.
func startS3(t *testing.T, binary, data string) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	endpoint := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, binary, "--port", endpoint, "posix", data)
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+accessKey, "ROOT_SECRET_KEY="+secretKey)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() { cancel(); <-ended })

	deadline := time.After(20 * time.Second)
	for {
		conn, err := net.DialTimeout("tcp", endpoint, time.Second)
		if err == nil {
			if err := conn.Close(); err != nil {
				t.Fatal(err)
			}
			return endpoint
		}
		select {
		case <-ended:
			t.Fatalf("the S3 server ended:\n%s", output.String())
		case <-deadline:
			t.Fatalf("the S3 server does not listen: %v", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func TestOpenS3FindsWrongSettingsAtOnce(t *testing.T) {
	endpoint := startS3(t, s3Binary(t), t.TempDir())
	for rule, c := range map[string]struct {
		change func(*blob.S3Config)
		kind   errs.Kind
	}{
		"a bucket that is not there": {func(*blob.S3Config) {}, errs.Invalid},
		"a wrong secret":             {func(c *blob.S3Config) { c.SecretKey = "another" }, errs.Unavailable},
		"a server that is not there": {func(c *blob.S3Config) { c.Transport = unplugged{} }, errs.Unavailable},
	} {
		cfg := config(t, endpoint)
		c.change(&cfg)
		if _, err := blob.OpenS3(cfg); !errs.Is(err, c.kind) {
			t.Errorf("%s: %v, want %v", rule, err, c.kind)
		} else if strings.Contains(err.Error(), cfg.SecretKey) {
			t.Errorf("%s: the error shows the secret: %v", rule, err)
		}
	}
}

// unplugged reaches nobody.
type unplugged struct{}

func (unplugged) RoundTrip(*http.Request) (*http.Response, error) { return nil, io.ErrClosedPipe }
