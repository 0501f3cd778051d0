//go:build e2e

package e2e

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// shopper is a person's account on a machine: a home of its own, the newest clients on the PATH, and files to work with.
type shopper struct {
	t    *testing.T
	dir  string
	env  []string
	mine variant
}

func newShopper(t *testing.T, clients ...string) *shopper {
	t.Helper()
	s := &shopper{t: t, dir: t.TempDir(), mine: variants(t, installedClients(t), clients)[0]}
	home, bin := filepath.Join(s.dir, "home"), filepath.Join(s.dir, "bin")
	for _, dir := range []string{home, bin} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.mine.writeLaunchers(bin); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(bondedBinary, filepath.Join(bin, "bonded")); err != nil {
		t.Fatal(err)
	}
	s.env = []string{
		"PATH=" + bin + ":/usr/local/bin:/usr/bin:/bin", "HOME=" + home, "NO_COLOR=1", "TERM=dumb", "LC_ALL=C.UTF-8", "NO_PROXY=127.0.0.1,localhost",
		"XDG_CONFIG_HOME=" + filepath.Join(home, ".config"), "XDG_CACHE_HOME=" + filepath.Join(home, ".cache"), "XDG_DATA_HOME=" + filepath.Join(home, ".local/share"),
		"PIP_RETRIES=0", "PIP_DISABLE_PIP_VERSION_CHECK=1", "UV_PYTHON_DOWNLOADS=never", "UV_LINK_MODE=copy", "CARGO_NET_RETRY=0",
		"COMPOSER_ALLOW_SUPERUSER=1", "COMPOSER_NO_INTERACTION=1", "NPM_CONFIG_FETCH_RETRIES=0", "NPM_CONFIG_AUDIT=false",
		// These clients hold new releases back for a day.
		"PNPM_CONFIG_MINIMUM_RELEASE_AGE=0", "NPM_CONFIG_MINIMUM_RELEASE_AGE=0", "YARN_NPM_MINIMAL_AGE_GATE=0",
		"YARN_ENABLE_IMMUTABLE_INSTALLS=0", "YARN_NODE_LINKER=node-modules", "YARN_ENABLE_TELEMETRY=0",
	}
	return s
}

// set adds to the environment.
func (s *shopper) set(format string, args ...any) {
	s.env = append(s.env, fmt.Sprintf(format, args...))
}

// file writes a file below the shopper's folder and returns its path.
func (s *shopper) file(name, text string) string {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// shell runs lines in a folder, the first that fails ending them, and returns what they said.
func (s *shopper) shell(t *testing.T, dir, lines string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-eu", "-c", lines)
	cmd.Dir, cmd.Env = filepath.Join(s.dir, dir), s.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s\n--- said\n%s", err, lines, lastLines(string(out), 60))
	}
	return string(out)
}

// wares are small packages, in the form that each client publishes.
func (s *shopper) wares() {
	for name, text := range map[string]string{
		"cargo/Cargo.toml":      "[package]\nname = \"hello\"\nversion = \"1.0.0\"\nedition = \"2021\"\ndescription = \"d\"\nlicense = \"MIT\"\n",
		"cargo/src/lib.rs":      "pub const WORD: &str = \"hello\";\n",
		"cargo-app/Cargo.toml":  "[package]\nname = \"app\"\nversion = \"0.0.0\"\nedition = \"2021\"\n",
		"cargo-app/src/main.rs": "fn main() { println!(\"{}\", hello::WORD) }\n",

		"pypi/pyproject.toml": "[build-system]\nrequires = [\"flit_core\"]\nbuild-backend = \"flit_core.buildapi\"\n" +
			"[project]\nname = \"hello\"\nversion = \"1.0.0\"\ndescription = \"d\"\nrequires-python = \">=3.8\"\n",
		"pypi/hello.py": "WORD = \"hello\"\n",

		"npm/package.json":      "{\"name\": \"hello\", \"version\": \"1.0.0\", \"main\": \"index.js\"}\n",
		"npm/index.js":          "module.exports = \"hello\"\n",
		"npm-app/package.json":  "{\"name\": \"app\", \"version\": \"0.0.0\", \"private\": true}\n",
		"pnpm-app/package.json": "{\"name\": \"app\", \"version\": \"0.0.0\", \"private\": true}\n",
		"yarn-app/package.json": "{\"name\": \"app\", \"version\": \"0.0.0\", \"private\": true}\n",
		"yarn-app/yarn.lock":    "",

		"maven/pom.xml":                     mavenProject("hello", ""),
		"maven/src/main/java/Hello.java":    "public class Hello { public static final String WORD = \"hello\"; }\n",
		"maven-app/pom.xml":                 mavenProject("app", "<dependencies><dependency><groupId>org.example</groupId><artifactId>hello</artifactId><version>1.0.0</version></dependency></dependencies>"),
		"maven-app/src/main/java/App.java":  "public class App { String word = Hello.WORD; }\n",
		"composer/lib/composer.json":        "{\"name\": \"example/hello\", \"version\": \"1.0.0\", \"description\": \"d\", \"license\": \"MIT\"}\n",
		"composer/lib/hello.php":            "<?php\n",
		"composer-app/composer.json":        "{}\n",
		"home/.m2/settings.xml":             s.pluginSettings(),
		"home/.config/composer/config.json": "{\"repositories\": {\"packagist\": false}}\n",
	} {
		s.file(name, text)
	}
	s.shell(s.t, "pypi", "pyproject-build --no-isolation --wheel")
	s.shell(s.t, "composer/lib", "zip -qr ../package.zip .")
}

func mavenProject(name, more string) string {
	return `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>org.example</groupId><artifactId>` + name + `</artifactId><version>1.0.0</version>
<properties><maven.compiler.source>11</maven.compiler.source><maven.compiler.target>11</maven.compiler.target>
<project.build.sourceEncoding>UTF-8</project.build.sourceEncoding></properties>
<distributionManagement><repository><id>bonded</id><url>${bonded.url}</url></repository></distributionManagement>` + more + `</project>
`
}

// pluginSettings are the settings of somebody whose Maven has its plugins from a folder.
func (s *shopper) pluginSettings() string {
	c := s.mine.clients["mvn"]
	folder := filepath.Join(filepath.Dir(filepath.Dir(filepath.Dir(filepath.Dir(c.path)))), "maven-repository")
	part := func(kind string) string {
		return fmt.Sprintf("<%[1]s><id>central</id><url>file://%[2]s</url><releases><checksumPolicy>ignore</checksumPolicy></releases></%[1]s>", kind, folder)
	}
	return "<settings><profiles><profile><id>mine</id><repositories>" + part("repository") + "</repositories><pluginRepositories>" +
		part("pluginRepository") + "</pluginRepositories></profile></profiles><activeProfiles><activeProfile>mine</activeProfile></activeProfiles></settings>\n"
}

// certify makes a private authority and a certificate of localhost, and returns the authority with the files' paths.
func (s *shopper) certify() (pool *x509.CertPool, ca, cert, key string) {
	s.t.Helper()
	make1 := func(template, parent *x509.Certificate, own, signer *ecdsa.PrivateKey) []byte {
		der, err := x509.CreateCertificate(rand.Reader, template, parent, own.Public(), signer)
		if err != nil {
			s.t.Fatal(err)
		}
		return der
	}
	newKey := func() *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			s.t.Fatal(err)
		}
		return k
	}
	authorityKey, serverKey := newKey(), newKey()
	from, until := time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "A private authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: from, NotAfter: until,
	}
	server := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, NotBefore: from, NotAfter: until,
	}
	encode := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	ca = s.file("ca.pem", encode("CERTIFICATE", make1(authority, authority, authorityKey, authorityKey)))
	cert = s.file("cert.pem", encode("CERTIFICATE", make1(server, authority, serverKey, authorityKey)))
	der, err := x509.MarshalPKCS8PrivateKey(serverKey)
	if err != nil {
		s.t.Fatal(err)
	}
	key = s.file("key.pem", encode("PRIVATE KEY", der))
	text, err := os.ReadFile(ca)
	if err != nil {
		s.t.Fatal(err)
	}
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	return pool, ca, cert, key
}

// TestClientSetupOverTLS shows that --ca-file is enough for each client to trust a private authority, with private repositories.
func TestClientSetupOverTLS(t *testing.T) {
	s := newShopper(t, "cargo", "pip", "twine", "uv", "pyproject-build", "npm", "pnpm", "yarn4", "mvn", "composer")
	s.wares()
	pool, ca, cert, key := s.certify()
	n := newNode(t)
	for _, door := range []string{"cargo", "pypi", "npm", "maven", "composer"} {
		n.bonded(false, "repo", "set", door+"/local", "--visibility", "private")
		n.bonded(false, "repo", "set", door+"/main", "--visibility", "private")
	}
	token := s.file("token", n.client("alice").Token+"\n")
	_, port, _ := strings.Cut(n.addr, ":")
	url := "https://localhost:" + port
	serveTLS(t, n, url, pool, "--tls-cert", cert, "--tls-key", key)

	s.javaTrustsItsFile()
	s.set("URL=%s", url)
	clients := " --client cargo --client pip --client uv --client twine --client npm --client pnpm --client yarn --client maven --client composer"
	said := s.shell(t, ".", "bonded client setup --write --url "+url+" --token-file "+token+" --ca-file "+ca+clients)
	if !strings.Contains(said, "export SSL_CERT_FILE=") {
		t.Errorf("nothing is said of what uv needs:\n%s", said)
	}
	s.set("SSL_CERT_FILE_FOR_UV=%s", filepath.Join(s.dir, "home/.config/bonded/ca-bundle.pem"))
	for _, c := range []struct{ name, dir, lines string }{
		{"cargo publishes", "cargo", "cargo publish --registry bonded --allow-dirty --no-verify"},
		{"cargo builds", "cargo-app", "cargo add --registry bonded hello && cargo run"},
		{"twine uploads", "pypi", "twine upload --non-interactive --disable-progress-bar --repository bonded dist/*"},
		{"pip installs", "pypi", "python3 -m venv --without-pip ../venv && VIRTUAL_ENV=../venv pip install hello"},
		{"uv installs", "pypi", "export SSL_CERT_FILE=$SSL_CERT_FILE_FOR_UV && uv venv -q ../venv2 && VIRTUAL_ENV=../venv2 uv pip install hello"},
		{"npm publishes", "npm", "npm publish"},
		{"npm installs", "npm-app", "npm install hello"},
		{"pnpm installs", "pnpm-app", "pnpm add hello"},
		{"yarn installs", "yarn-app", "yarn4 add hello"},
		{"mvn deploys", "maven", "mvn deploy"},
		{"mvn resolves", "maven-app", "rm -r $HOME/.m2/repository/org/example && mvn compile"},
		{"composer installs", "composer-app", `printf 'Authorization: Bearer %s' "$(cat ` + token + `)" >../HEADER
			curl -sS --fail-with-body --cacert ` + ca + ` -X PUT -H @../HEADER --data-binary @../composer/package.zip $URL/composer/main/
			composer require --no-progress example/hello`},
	} {
		t.Run(c.name, func(t *testing.T) { s.shell(t, c.dir, c.lines) })
	}
}

// serveTLS runs the node's server behind its own certificate until the test ends.
func serveTLS(t *testing.T, n *node, url string, pool *x509.CertPool, flags ...string) {
	t.Helper()
	cmd := n.command(append([]string{"serve", "--listen", n.addr, "--url", url}, flags...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := startBoundToThisProcess(cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
		if t.Failed() {
			t.Logf("server log:\n%s", lastLines(said.String(), 60))
		}
	})
	ask := &http.Client{Timeout: time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(readyWithin)
	for {
		select {
		case <-deadline:
			t.Fatal("the server was not ready in time")
		case <-tick.C:
			res, err := ask.Get(url + "/readyz")
			if err != nil {
				continue
			}
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
		}
	}
}

// javaTrustsItsFile puts Maven's own launcher in the place of the one that keeps users' files from tests.
func (s *shopper) javaTrustsItsFile() {
	s.t.Helper()
	c := s.mine.clients["mvn"]
	found, err := filepath.Glob(filepath.Join(filepath.Dir(filepath.Dir(c.path)), "apache-maven-*", "bin", "mvn"))
	if err != nil || len(found) != 1 {
		s.t.Fatalf("Maven's launcher: %v %v", found, err)
	}
	text := fmt.Sprintf("#!/bin/sh\nMAVEN_OPTS=\"-Duser.home=$HOME\" exec '%s' -B -ntp \"$@\"\n", found[0])
	if err := os.WriteFile(filepath.Join(s.dir, "bin", "mvn"), []byte(text), 0o755); err != nil {
		s.t.Fatal(err)
	}
}

// ask reports whether a URL answers 200.
func (s *shopper) ask(url string) bool {
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get(url)
	if err != nil {
		return false
	}
	_ = res.Body.Close()
	return res.StatusCode == http.StatusOK
}
