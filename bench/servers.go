package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// server is one that requests are sent to. Its npm registry is below prefix.
type server struct {
	*process
	to     target
	prefix string
	token  string
}

// insecure talks to our own servers, whose certificate we made a moment ago.
var insecure = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}

// lab is where servers keep their data, and what was started.
type lab struct {
	dir    string
	keep   bool
	bonded string   // the binary
	serve  []string // further flags of "bonded serve"
	// versions says how many versions the packages of the two documents have, once that is known.
	versions map[string]int
	started  []*process
}

func (l *lab) close() {
	for _, p := range l.started {
		p.stop()
	}
	if l.keep {
		fmt.Fprintln(os.Stderr, "the servers' data is in", l.dir)
		return
	}
	_ = os.RemoveAll(l.dir)
}

// startBonded runs a Bonded on a data folder with its defaults: SQLite, everything durable.
func (l *lab) startBonded(ctx context.Context, name, data string, flags ...string) (*server, time.Duration, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, 0, err
	}
	args := append([]string{"serve", "--data", data, "--listen", addr}, flags...)
	s := &server{to: target{addr: addr}, prefix: "/npm/local/"}
	scheme := "http://"
	if strings.Contains(strings.Join(flags, " "), "--tls-cert") {
		scheme, s.to.tls = "https://", &tls.Config{InsecureSkipVerify: true}
	} else {
		args = append(args, l.serve...) // of two that run side by side only the plain one: they may name an address
	}
	if s.process, err = start(name, filepath.Join(l.dir, name+".log"), exec.CommandContext(ctx, l.bonded, args...)); err != nil {
		return nil, 0, err
	}
	l.started = append(l.started, s.process)
	took, err := s.await(ctx, scheme+addr+"/readyz")
	return s, took, err
}

// admin runs an offline verb of Bonded on a data folder and returns what it prints.
func (l *lab) admin(ctx context.Context, data string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, l.bonded, append(args, "--data", data)...)
	var messages bytes.Buffer
	cmd.Stderr = &messages
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("bonded %s: %w: %s", strings.Join(args, " "), err, messages.String())
	}
	return strings.TrimSpace(string(out)), nil
}

// account makes an account and returns a token of it.
func (l *lab) account(ctx context.Context, data string) (string, error) {
	if _, err := l.admin(ctx, data, "admin", "user", "add", "bench", "--email", "bench@example.test"); err != nil {
		return "", err
	}
	return l.admin(ctx, data, "admin", "token", "add", "--user", "bench")
}

const nginxConf = `daemon off; worker_processes 1; pid %[1]s/nginx.pid; error_log %[1]s/nginx.err;
events { worker_connections 1024; }
http {
	access_log off; sendfile on; keepalive_requests 100000000; default_type application/octet-stream;
	client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi; uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
	ssl_certificate %[1]s/cert.pem; ssl_certificate_key %[1]s/key.pem;
	server { listen %[2]s; root %[1]s/www; }
	server { listen %[3]s ssl; root %[1]s/www; }
}
`

// startNginx serves the files below www in the lab's folder, plainly and under TLS; both servers are one process.
func (l *lab) startNginx(ctx context.Context) (plain, secure *server, err error) {
	program, err := exec.LookPath("nginx")
	if err != nil {
		if program = "/usr/sbin/nginx"; !exists(program) {
			return nil, nil, errors.New("nginx is not on this machine: apt-get install nginx-light")
		}
	}
	var addrs [2]string
	for i := range addrs {
		if addrs[i], err = freeAddr(); err != nil {
			return nil, nil, err
		}
	}
	conf := filepath.Join(l.dir, "nginx.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, nginxConf, l.dir, addrs[0], addrs[1]), 0o600); err != nil {
		return nil, nil, err
	}
	if err := os.Chmod(l.dir, 0o755); err != nil {
		return nil, nil, err
	}
	p, err := start("nginx", filepath.Join(l.dir, "nginx.log"), exec.CommandContext(ctx, program, "-c", conf))
	if err != nil {
		return nil, nil, err
	}
	l.started = append(l.started, p)
	p.pids = func() []int { return children(p.cmd.Process.Pid) }
	if _, err := p.await(ctx, "http://"+addrs[0]+"/small.json"); err != nil {
		return nil, nil, err
	}
	tlsConfig := &tls.Config{InsecureSkipVerify: true}
	return &server{process: p, to: target{addr: addrs[0]}}, &server{process: p, to: target{addr: addrs[1], tls: tlsConfig}}, nil
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// verdaccioVersion is the peer that is measured beside. One of its dependencies asks for a tag that not every registry
// carries, so the version that the tag stands for is named.
const (
	verdaccioVersion = "6.10.4"
	verdaccioPackage = `{"private":true,"dependencies":{"verdaccio":"` + verdaccioVersion + `"},"overrides":{"node-fetch":"2.7.0"}}`
)

const verdaccioConf = `storage: %[1]s/storage
auth: {htpasswd: {file: %[1]s/htpasswd, algorithm: bcrypt, rounds: 4}}
uplinks: {}
packages: {'**': {access: $all, publish: $authenticated, unpublish: $authenticated}}
web: {enable: false}
max_body_size: 100mb
log: {type: stdout, format: json, level: error}
`

// startVerdaccio installs the peer into the cache of clients once, and runs it.
func (l *lab) startVerdaccio(ctx context.Context) (*server, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	home := filepath.Join(cache, "bonded", "bench", "verdaccio-"+verdaccioVersion)
	if !exists(filepath.Join(home, "node_modules/verdaccio/bin/verdaccio")) {
		if err := os.MkdirAll(home, 0o750); err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(home, "package.json"), []byte(verdaccioPackage), 0o600); err != nil {
			return nil, err
		}
		install := exec.CommandContext(ctx, "npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--no-package-lock")
		install.Dir, install.Stderr = home, os.Stderr
		if err := install.Run(); err != nil {
			return nil, fmt.Errorf("verdaccio cannot be installed: %w", err)
		}
	}
	data := filepath.Join(l.dir, "verdaccio")
	if err := os.MkdirAll(data, 0o750); err != nil {
		return nil, err
	}
	conf := filepath.Join(data, "config.yaml")
	if err := os.WriteFile(conf, fmt.Appendf(nil, verdaccioConf, data), 0o600); err != nil {
		return nil, err
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, node(), filepath.Join(home, "node_modules/verdaccio/bin/verdaccio"), "--config", conf, "--listen", "http://"+addr)
	cmd.Env = append(os.Environ(), "NODE_ENV=production")
	s := &server{to: target{addr: addr}, prefix: "/"}
	if s.process, err = start("verdaccio", filepath.Join(l.dir, "verdaccio.log"), cmd); err != nil {
		return nil, err
	}
	l.started = append(l.started, s.process)
	if _, err := s.await(ctx, "http://"+addr+"/-/ping"); err != nil {
		return nil, err
	}
	s.token, err = verdaccioUser(ctx, "http://"+addr)
	return s, err
}

// node is the program that runs the peer: the one that scripts/clients installed, or the machine's.
func node() string {
	if program := os.Getenv("BONDED_TEST_CLIENT_NODE"); program != "" {
		return program
	}
	return "node"
}

// verdaccioUser makes an account the way "npm adduser" does.
func verdaccioUser(ctx context.Context, base string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPut, base+"/-/user/org.couchdb.user:bench",
		strings.NewReader(`{"name":"bench","password":"bench-password-1","email":"bench@example.test","type":"user","roles":[]}`))
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return "", err
	}
	var answer struct{ Token string }
	if err := json.Unmarshal(b, &answer); err != nil || answer.Token == "" {
		return "", fmt.Errorf("verdaccio gives no token: %s", b)
	}
	return answer.Token, nil
}

// writeCertificate makes the certificate that both servers under TLS use.
func (l *lab) writeCertificate() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bench"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(30 * 24 * time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(l.dir, "cert.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(l.dir, "key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
}
