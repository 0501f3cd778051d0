//go:build e2e

package e2e

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The names in ops/nginx/bonded.conf and ops/apache/bonded.conf. The tests change nothing in these files but the
// address that the proxy listens on, the address of Bonded and the folder of the certificate.
const (
	mainHost    = "packages.example.com"
	secondHost  = "registry.example.net"
	subPathHost = "www.example.org"
	subPath     = "/packages"
)

// proxyKinds are the servers that docs/reverse-proxy.md has files for.
var proxyKinds = map[string]struct {
	file    string
	listen  string // as the file has it
	program string
	wrap    func(dir, port, site string) (conf string, args []string)
}{
	"nginx":  {"../ops/nginx/bonded.conf", "listen 443 ", "nginx", wrapNginx},
	"apache": {"../ops/apache/bonded.conf", "<VirtualHost *:443>", "apache2", wrapApache},
}

func wrapNginx(dir, _, site string) (string, []string) {
	user := ""
	if os.Getuid() == 0 {
		user = "user root;\n" // the folder of the test is root's alone
	}
	conf := user + "daemon off;\npid nginx.pid;\nworker_processes 1;\nerror_log stderr warn;\nevents {}\nhttp {\naccess_log off;\n"
	for _, part := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		conf += part + "_temp_path " + filepath.Join(dir, part) + ";\n"
	}
	return conf + "include " + site + ";\n}\n", []string{"-p", dir, "-e", "stderr", "-c"}
}

func wrapApache(dir, port, site string) (string, []string) {
	conf := "ServerRoot " + dir + "\nServerName localhost\nPidFile apache.pid\nErrorLog /dev/stderr\nMutex file:" + dir + "\nListen 127.0.0.1:" + port + " https\n"
	if os.Getuid() == 0 {
		conf += "User www-data\nGroup www-data\n"
	}
	for _, module := range []string{"mpm_event", "authz_core", "headers", "env", "socache_shmcb", "ssl", "proxy", "proxy_http"} {
		conf += "LoadModule " + module + "_module /usr/lib/apache2/modules/mod_" + module + ".so\n"
	}
	return conf + "Include " + site + "\n", []string{"-DFOREGROUND", "-f"}
}

// startProxy runs a real proxy with the operator's file in front of backend, and returns a client that finds the
// file's host names there.
func startProxy(t *testing.T, kind, backend string) *http.Client {
	t.Helper()
	k := proxyKinds[kind]
	dir, port := t.TempDir(), unusedPort(t)
	roots := writeProxyCertificate(t, dir)
	b, err := os.ReadFile(k.file)
	if err != nil {
		t.Fatal(err)
	}
	site := string(b)
	for old, replacement := range map[string]string{
		k.listen:           strings.Replace(strings.Replace(k.listen, "listen 443", "listen 127.0.0.1:"+port, 1), "*:443", "*:"+port, 1),
		"127.0.0.1:8080":   backend,
		"/etc/ssl/bonded/": dir + "/",
	} {
		if !strings.Contains(site, old) {
			t.Fatalf("%s has no %q", k.file, old)
		}
		site = strings.ReplaceAll(site, old, replacement)
	}
	sitePath, confPath := filepath.Join(dir, "bonded.conf"), filepath.Join(dir, "main.conf")
	conf, args := k.wrap(dir, port, sitePath)
	for path, text := range map[string]string{sitePath: site, confPath: conf} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	program, err := exec.LookPath(k.program)
	if err != nil {
		if program, err = exec.LookPath("/usr/sbin/" + k.program); err != nil {
			t.Fatalf("%s is not installed: apt-get install %s", k.program, k.program)
		}
	}
	ended := runBeside(t, exec.CommandContext(context.Background(), program, append(args, confPath)...))
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", "127.0.0.1:"+port)
	}
	awaitTCP(t, ended, dial)
	tr := &http.Transport{DialContext: dial, TLSClientConfig: &tls.Config{RootCAs: roots}}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// runBeside runs a server until the test ends. The channel is closed if it ends earlier.
func runBeside(t *testing.T, cmd *exec.Cmd) <-chan struct{} {
	t.Helper()
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := startBoundToThisProcess(cmd); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // proxies that end by a signal say so in their status
		close(ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		<-ended
		if t.Failed() {
			t.Logf("%s wrote:\n%s", filepath.Base(cmd.Path), log.String())
		}
	})
	return ended
}

func unusedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

func awaitTCP(t *testing.T, ended <-chan struct{}, dial func(context.Context, string, string) (net.Conn, error)) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(readyWithin)
	for {
		select {
		case <-ended:
			t.Fatal("the server ended before it listened")
		case <-deadline:
			t.Fatalf("nothing listens after %v", readyWithin)
		case <-tick.C:
			if conn, err := dial(t.Context(), "tcp", ""); err == nil {
				conn.Close()
				return
			}
		}
	}
}

func writeProxyCertificate(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{mainHost, secondHost, subPathHost},
		IsCA: true, BasicConstraintsValid: true,
	}
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
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(cert)
	return roots
}

// send makes one request and returns the answer with its body.
func send(t *testing.T, c *http.Client, method, url string, body io.Reader, header ...string) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, b
}

// The proxies hand a request on as the client sent it, and tell the truth about where it came from.
func TestProxyFilesHandRequestsOnUnchanged(t *testing.T) {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"uri": r.RequestURI, "host": r.Host, "header": r.Header})
	}))
	defer backend.Close()
	for kind := range proxyKinds {
		t.Run(kind, func(t *testing.T) {
			c := startProxy(t, kind, backend.Listener.Addr().String())
			for _, url := range []string{
				"https://" + mainHost + "/npm/main/@s%2ffoo", "https://" + mainHost + "/npm/main/@s%2Ffoo?write=true&x=%2f",
				"https://" + mainHost + "/maven/main/a/b%20c/1.0+x/", "https://" + mainHost + "/pypi/main//simple", "https://" + mainHost + "/a/%2e%2e/b",
				"https://" + secondHost + "/npm/main/@s%2ffoo", "https://" + subPathHost + subPath + "/npm/main/@s%2ffoo",
			} {
				host, uri, _ := strings.Cut(strings.TrimPrefix(url, "https://"), "/")
				_, b := send(t, c, "GET", url, nil, "Forwarded", "for=6.6.6.6;host=evil.example.com;proto=gopher", "X-Forwarded-For", "6.6.6.6",
					"X-Forwarded-Host", "evil.example.com", "X-Forwarded-Proto", "gopher")
				var got struct {
					URI, Host string
					Header    http.Header
				}
				if err := json.Unmarshal(b, &got); err != nil {
					t.Errorf("GET %s: %s", url, b)
					continue
				}
				if got.URI != "/"+uri || got.Host != host {
					t.Errorf("GET %s arrived as %s for %s", url, got.URI, got.Host)
				}
				for name, want := range map[string]string{"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "https", "X-Forwarded-Host": host, "Forwarded": ""} {
					if v := strings.Join(got.Header[name], ","); v != want {
						t.Errorf("GET %s: %s is %q, want %q", url, name, v, want)
					}
				}
			}
		})
	}
}

// An upload reaches Bonded while the client is still sending it, with and without a declared length.
func TestProxyFilesPassUploadsOnWhileTheyArrive(t *testing.T) {
	const first, whole = 4 << 20, 64 << 20
	arrived := make(chan struct{}, 1)
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sum := sha256.New()
		if _, err := io.CopyN(sum, r.Body, 64<<10); err == nil {
			arrived <- struct{}{}
		}
		n, err := io.Copy(sum, r.Body)
		fmt.Fprintf(w, "%d %v %x", n+(64<<10), err, sum.Sum(nil))
	}))
	defer backend.Close()
	for kind := range proxyKinds {
		t.Run(kind, func(t *testing.T) {
			c := startProxy(t, kind, backend.Listener.Addr().String())
			for _, url := range []string{"https://" + mainHost + "/x", "https://" + subPathHost + subPath + "/x"} {
				for _, length := range []int64{-1, whole} {
					pr, pw := io.Pipe()
					sum := sha256.New()
					go func() {
						w := io.MultiWriter(pw, sum)
						_, _ = io.CopyN(w, rand.Reader, first)
						select {
						case <-arrived: // only then is the rest sent
							_, _ = io.CopyN(w, rand.Reader, whole-first)
							pw.Close()
						case <-time.After(20 * time.Second):
							pw.CloseWithError(fmt.Errorf("the proxy holds the upload back"))
						}
					}()
					req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, url, pr)
					if err != nil {
						t.Fatal(err)
					}
					req.ContentLength = length
					resp, err := c.Do(req)
					if err != nil {
						t.Errorf("PUT %s of length %d: %v", url, length, err)
						continue
					}
					b, _ := io.ReadAll(resp.Body)
					resp.Body.Close()
					if want := fmt.Sprintf("%d <nil> %x", whole, sum.Sum(nil)); resp.StatusCode != http.StatusOK || string(b) != want {
						t.Errorf("PUT %s of length %d: %d %s, want %s", url, length, resp.StatusCode, b, want)
					}
				}
			}
		})
	}
}

// Bonded behind each proxy: a scoped package published through one name installs through all of them, each telling its
// own address.
func TestBondedBehindProxies(t *testing.T) {
	for kind := range proxyKinds {
		t.Run(kind, func(t *testing.T) {
			data, addr := t.TempDir(), "127.0.0.1:"+unusedPort(t)
			ended := runBeside(t, exec.CommandContext(context.Background(), bondedBinary, "serve", "--data", data, "--listen", addr, "--trusted-proxies", "127.0.0.1",
				"--url", "https://"+mainHost, "--extra-urls", "https://"+secondHost+",https://"+subPathHost+subPath, "--anonymous-read", "on"))
			awaitTCP(t, ended, func(ctx context.Context, _, _ string) (net.Conn, error) {
				var d net.Dialer
				return d.DialContext(ctx, "tcp", addr)
			})
			token := newToken(t, data)
			c := startProxy(t, kind, addr)

			tarball := npmTarball(t, 24<<20)
			resp, b := send(t, c, "PUT", "https://"+mainHost+"/npm/main/@s%2ffoo", bytes.NewReader(npmPublish(t, tarball)),
				"Authorization", "Bearer "+token, "Content-Type", "application/json")
			if resp.StatusCode/100 != 2 {
				t.Fatalf("publish: %d %s", resp.StatusCode, b)
			}
			for _, base := range []string{"https://" + mainHost, "https://" + secondHost, "https://" + subPathHost + subPath} {
				resp, b := send(t, c, "GET", base+"/npm/main/@s%2ffoo", nil)
				var doc struct {
					Versions map[string]struct{ Dist struct{ Tarball string } }
				}
				if err := json.Unmarshal(b, &doc); err != nil || resp.StatusCode != http.StatusOK {
					t.Errorf("GET %s: %d %.200s", base, resp.StatusCode, b)
					continue
				}
				link := doc.Versions["1.0.0"].Dist.Tarball
				if !strings.HasPrefix(link, base+"/npm/main/") {
					t.Errorf("through %s the tarball is at %s", base, link)
					continue
				}
				if _, b := send(t, c, "GET", link, nil); !bytes.Equal(b, tarball) {
					t.Errorf("GET %s gave %d other bytes", link, len(b))
				}
			}
			if resp, b := send(t, http.DefaultClient, "GET", "http://"+addr+"/npm/main/@s%2ffoo", nil); resp.StatusCode != http.StatusMisdirectedRequest || !strings.Contains(string(b), mainHost) {
				t.Errorf("without the proxy's Host: %d %s", resp.StatusCode, b)
			}
		})
	}
}

func newToken(t *testing.T, data string) string {
	t.Helper()
	run := func(args ...string) string {
		out, err := exec.CommandContext(t.Context(), bondedBinary, append(args, "--data", data)...).Output()
		if err != nil {
			t.Fatalf("bonded %s: %v", strings.Join(args, " "), err)
		}
		return strings.TrimSpace(string(out))
	}
	run("admin", "user", "add", "alice", "--email", "alice@example.test")
	return run("admin", "token", "add", "--user", "alice")
}

// npmTarball packs @s/foo 1.0.0 with some bytes that do not compress.
func npmTarball(t *testing.T, size int) []byte {
	t.Helper()
	noise := make([]byte, size)
	_, _ = rand.Read(noise)
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, f := range []struct {
		name string
		data []byte
	}{{"package/package.json", []byte(`{"name":"@s/foo","version":"1.0.0"}`)}, {"package/noise.bin", noise}} {
		if err := w.WriteHeader(&tar.Header{Name: f.name, Mode: 0o644, Size: int64(len(f.data))}); err != nil {
			t.Fatal(err)
		}
		_, _ = w.Write(f.data)
	}
	for _, c := range []io.Closer{w, z} {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// npmPublish is the document that `npm publish` sends (npm.md §3).
func npmPublish(t *testing.T, tarball []byte) []byte {
	t.Helper()
	s1, s512 := sha1.Sum(tarball), sha512.Sum512(tarball)
	dist := map[string]string{
		"shasum": hex.EncodeToString(s1[:]), "integrity": "sha512-" + base64.StdEncoding.EncodeToString(s512[:]),
		"tarball": "http://" + mainHost + "/@s/foo/-/@s/foo-1.0.0.tgz",
	}
	doc, err := json.Marshal(map[string]any{
		"_id": "@s/foo", "name": "@s/foo", "dist-tags": map[string]string{"latest": "1.0.0"}, "access": nil,
		"versions": map[string]any{"1.0.0": map[string]any{"_id": "@s/foo@1.0.0", "name": "@s/foo", "version": "1.0.0", "dist": dist}},
		"_attachments": map[string]any{"@s/foo-1.0.0.tgz": map[string]any{
			"content_type": "application/octet-stream", "data": base64.StdEncoding.EncodeToString(tarball), "length": len(tarball),
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return doc
}
