package maven

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bonded/internal/digest"
	"bonded/internal/errs"
	"bonded/internal/registry"
)

// artifactOf is bytes as Inspect gets them.
func artifactOf(path, kind string, body []byte) registry.Artifact {
	return registry.Artifact{Path: path, Kind: kind, Digests: digest.SetOf(body), Body: bytes.NewReader(body), Strict: true}
}

func FuzzInspectJar(f *testing.F) {
	f.Add([]byte(jarOf(f, "META-INF/maven/g/a/pom.xml", pomOf("g", "a", "1", ""))))
	f.Add([]byte("PK\x05\x06" + strings.Repeat("\x00", 18)))
	f.Fuzz(func(t *testing.T, body []byte) { inspectAny(t, artifactOf("g/a/1/a-1.jar", kindJar, body)) })
}

func FuzzInspectModule(f *testing.F) {
	f.Add([]byte(`{"component":{"group":"g","module":"a","version":"1"},"variants":[{"files":[{"url":"a-1.jar","size":1,"sha1":"x"}]}]}`))
	f.Fuzz(func(t *testing.T, body []byte) { inspectAny(t, artifactOf("g/a/1/a-1.module", kindModule, body)) })
}

// inspectAny inspects and reconciles: whatever the bytes, the answer is a manifest or a refusal with a reason.
func inspectAny(t *testing.T, a registry.Artifact) {
	claim := Claim{GroupID: "g", ArtifactID: "a", Version: "1", Files: map[string]digest.Set{"g/a/1/a-1.jar": {}}, Addition: true}
	m, err := NewFormat().Inspect(a)
	if err == nil {
		err = NewFormat().Reconcile([]*registry.Manifest{m}, claim)
	}
	if err != nil && errs.KindOf(err) != errs.Invalid && errs.KindOf(err) != errs.TooLarge {
		t.Fatalf("kind %s: %v", errs.KindOf(err), err)
	}
}

func FuzzSearchQuery(f *testing.F) {
	f.Add(`g:"com.acme" AND a:lib`)
	f.Add(`1:"35379fb6526fd019f331542b4e9ae2e566c57933"`)
	f.Fuzz(func(t *testing.T, q string) {
		r := httptest.NewRequest(http.MethodGet, "/?q="+url.QueryEscape(q), nil)
		s, _, err := parseQuery(r)
		if err == nil && (s.rows > maxRows || s.start > maxHits || len(s.words) > 32) {
			t.Fatalf("%q asks for %+v", q, s)
		}
	})
}

// The jars that Debian's Maven runs with are as real as jars get.
func TestRealJarsAreNotRefused(t *testing.T) {
	jars, _ := filepath.Glob("/usr/share/maven/lib/*.jar")
	if len(jars) == 0 {
		t.Fatal("no jars to read; install them: apt-get install maven")
	}
	for _, path := range jars {
		body, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := NewFormat().Inspect(artifactOf("g/a/1/a-1.jar", kindJar, body)); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}
