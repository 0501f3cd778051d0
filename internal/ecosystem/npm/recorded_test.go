package npm

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// recorded lists the publishes of real clients.
func recorded(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("testdata/publishes/*.json")
	if err != nil || len(files) < 100 {
		t.Fatalf("%d recorded publishes, %v", len(files), err)
	}
	all := map[string][]byte{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all[strings.TrimSuffix(filepath.Base(f), ".json")] = b
	}
	return all
}

func TestNoPublishOfARealClientIsRefused(t *testing.T) {
	env := house(t)
	c := as(t, env, env.Token("alice"))
	for name, body := range recorded(t) {
		pkg := stringOf(mustObject(t, body).get("name"))
		if a := c.do(http.MethodPut, "/"+EscapeName(pkg), string(body)); a.Status != http.StatusCreated {
			t.Errorf("%s: %d %s", name, a.Status, a.Body)
			continue
		}
		// A client that lost the answer sends the same again.
		if a := c.do(http.MethodPut, "/"+EscapeName(pkg), string(body)); a.Status != http.StatusOK {
			t.Errorf("%s again: %d %s", name, a.Status, a.Body)
		}
		full := c.packument(pkg)
		for version := range full["versions"].(map[string]any) { //nolint:forcetypeassert // a panic fails the test
			c.want(http.StatusOK, http.MethodGet, "/"+tarballPath(pkg, version), "")
		}
	}
}

func mustObject(t testing.TB, b []byte) object {
	t.Helper()
	o, err := parseObject(b)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// Whatever a client's publish looks like, a manifest that promises something else than the tarball holds is refused.
func TestAnyRecordedPublishWithABentManifestIsRefused(t *testing.T) {
	bends := map[string]func(m map[string]any){
		"a dependency more": func(m map[string]any) {
			deps, _ := m["dependencies"].(map[string]any)
			if deps == nil {
				deps = map[string]any{}
			}
			deps["surprise"] = "^6.6.6"
			m["dependencies"] = deps
		},
		"another version":   func(m map[string]any) { m["version"] = "6.6.6" },
		"another name":      func(m map[string]any) { m["name"] = "surprise" },
		"an install script": func(m map[string]any) { m["scripts"] = map[string]any{"postinstall": "curl surprise"} },
		"a command more":    func(m map[string]any) { m["bin"] = map[string]any{"surprise": "index.js"} },
	}
	env := house(t)
	c := as(t, env, env.Token("alice"))
	for name, body := range recorded(t) {
		for what, bend := range bends {
			var doc map[string]any
			if err := json.Unmarshal(body, &doc); err != nil {
				t.Fatal(err)
			}
			for _, m := range doc["versions"].(map[string]any) { //nolint:forcetypeassert // a panic fails the test
				bend(m.(map[string]any)) //nolint:forcetypeassert // a panic fails the test
			}
			bent, err := json.Marshal(doc)
			if err != nil {
				t.Fatal(err)
			}
			pkg, _ := doc["name"].(string)
			a := c.do(http.MethodPut, "/"+EscapeName(pkg), string(bent))
			if a.Status != http.StatusBadRequest || !strings.Contains(a.Body, "npm/manifest-confusion") {
				t.Errorf("%s with %s: %d %s", name, what, a.Status, a.Body)
			}
		}
	}
}
