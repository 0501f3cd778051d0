package clientsetup_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bonded/internal/clientsetup"
)

// authority makes a private authority's certificate.
func authority(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "A private authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Unix(1700000000, 0), NotAfter: time.Unix(4000000000, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func TestAPrivateAuthorityComesBesideTheMachinesOwn(t *testing.T) {
	own, system := authority(t), authority(t)
	o := place(t, clientsetup.Options{URL: "https://packages.example.com", CA: own, SystemRoots: append([]byte("# comment\n"), system...)})
	write(t, o)
	if bundle := read(t, o, ".config/bonded/ca-bundle.pem"); bundle != string(system)+string(own) {
		t.Errorf("the bundle holds\n%s", bundle)
	}
	if alone := read(t, o, ".config/bonded/ca.pem"); alone != string(own) {
		t.Errorf("the authority alone is\n%s", alone)
	}
	bundle := filepath.Join(o.Home, ".config/bonded/ca-bundle.pem")
	for name, want := range map[string]string{
		".cargo/config.toml":        "[http]\ncainfo = \"" + bundle + "\"",
		".config/pip/pip.conf":      "cert = " + bundle,
		".npmrc":                    "cafile=" + bundle,
		".pypirc":                   "ca_cert = " + filepath.Join(o.Home, ".config/bonded/ca.pem"),
		".yarnrc.yml":               "httpsCaFilePath: \"" + filepath.Join(o.Home, ".config/bonded/ca.pem"),
		".composer/config.json":     `"cafile": "` + bundle + `"`,
		".mavenrc":                  "trustStore=" + filepath.Join(o.Home, ".config/bonded/truststore.jks"),
		".gradle/gradle.properties": "systemProp.javax.net.ssl.trustStore=" + filepath.Join(o.Home, ".config/bonded/truststore.jks"),
	} {
		if text := read(t, o, name); !strings.Contains(text, want) {
			t.Errorf("%s lacks %q:\n%s", name, want, text)
		}
	}
}

// Java's own tool reads the store, which proves more than reading it back with our understanding of the format.
func TestJavaReadsTheTrustStore(t *testing.T) {
	o := place(t, clientsetup.Options{CA: append(authority(t), authority(t)...), Clients: []string{"gradle"}})
	write(t, o)
	store := filepath.Join(o.Home, ".config/bonded/truststore.jks")
	keytool, err := exec.LookPath("keytool")
	if err != nil { // a machine without Java: its format's own marks are all that is left to look at
		raw, err := os.ReadFile(store)
		if err != nil || !bytes.HasPrefix(raw, []byte{0xFE, 0xED, 0xFE, 0xED, 0, 0, 0, 2, 0, 0, 0, 2}) {
			t.Errorf("the store begins % x (%v)", raw[:12], err)
		}
		return
	}
	out, err := exec.CommandContext(t.Context(), keytool, "-list", "-keystore", store, "-storepass", "changeit").CombinedOutput()
	if err != nil || strings.Count(string(out), "trustedCertEntry") != 2 {
		t.Errorf("keytool: %v\n%s", err, out)
	}
}
