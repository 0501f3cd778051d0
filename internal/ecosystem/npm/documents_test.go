package npm

import (
	"compress/gzip"
	"flag"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"bonded/internal/door/doortest"
	"bonded/internal/registry"
)

var update = flag.Bool("update", false, "write the golden documents anew")

var (
	anyTime = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`)
	anyRev  = regexp.MustCompile(`"\d+-bonded"`)
	// The bytes of a test's tarball depend on the compressor of the Go release.
	anySum = regexp.MustCompile(`"integrity":"sha512-[^"]{88}","shasum":"[0-9a-f]{40}"`)
)

const kitchen = `{
  "name": "@acme/kitchen", "version": "1.2.3", "license": "MIT", "author": "Ann <ann@example.test> (https://ann.example.test)",
  "repository": "acme/kitchen", "keywords": "a, b", "bin": "./cli.js", "scripts": {"postinstall": "echo hi", "bad": 1},
  "dependencies": {"left": "^1.0.0", "bad": 2}, "optionalDependencies": {"right": "~2.0.0"}, "peerDependencies": {"peer": ">=1"},
  "peerDependenciesMeta": {"peer": {"optional": true}}, "engines": {"node": ">=10"}, "os": ["linux"], "exports": {".": "./index.js"},
  "_npmUser": {"name": "mallory"}, "dist": {"signatures": []}, "deprecated": "no", "readme": "no", "hasInstallScript": false
}`

// kitchenHouse holds @acme/kitchen 1.2.3 and a deprecated 2.0.0-rc.1 under next.
func kitchenHouse(t *testing.T) (*doortest.Env, *client) {
	t.Helper()
	env := house(t)
	c := as(t, env, env.Token("alice"))
	d := publication(t, kitchen, map[string]string{"README.md": "# Kitchen\n\nEverything <b>but</b> the sink.\n", "cli.js": "#!/usr/bin/env node\n", "npm-shrinkwrap.json": "{}"})
	d.manifest["dist"] = map[string]any{}
	d.manifest["gitHead"] = strings.Repeat("a", 40)
	d.manifest["_npmVersion"] = "12.2.0"
	c.want(http.StatusCreated, http.MethodPut, "/@acme%2fkitchen", d.body())
	next := publication(t, `{"name":"@acme/kitchen","version":"2.0.0-rc.1"}`, map[string]string{"binding.gyp": "{}"})
	next.tags = map[string]string{"next": "2.0.0-rc.1"}
	c.want(http.StatusCreated, http.MethodPut, "/@acme%2fkitchen", next.body())
	c.want(http.StatusOK, http.MethodPut, "/@acme%2fkitchen", `{"versions":{"2.0.0-rc.1":{"deprecated":"not \"ready\""}}}`)
	return env, c
}

func TestDocumentsAreAsWritten(t *testing.T) {
	env, _ := kitchenHouse(t)
	anyone := as(t, env, "")
	for file, get := range map[string]func() doortest.Answer{
		"full.json": func() doortest.Answer { return anyone.do(http.MethodGet, "/@acme%2fkitchen", "") },
		"abbreviated.json": func() doortest.Answer {
			return anyone.do(http.MethodGet, "/@acme%2fkitchen", "", "Accept: application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*")
		},
		"version.json": func() doortest.Answer { return anyone.do(http.MethodGet, "/@acme%2fkitchen/next", "") },
	} {
		body := strings.ReplaceAll(get().Body, env.URL, "https://bonded.example.test")
		body = anyRev.ReplaceAllString(anyTime.ReplaceAllString(body, "2026-01-02T03:04:05.678Z"), `"7-bonded"`)
		body = anySum.ReplaceAllString(body, `"integrity":"sha512-…","shasum":"…"`) + "\n"
		path := "testdata/documents/" + file
		if *update {
			if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if body != string(want) {
			t.Errorf("%s:\n got %s\nwant %s", file, body, want)
		}
	}
}

func TestMediaTypeFollowsAccept(t *testing.T) {
	env, _ := kitchenHouse(t)
	anyone := as(t, env, "")
	for accept, want := range map[string]string{
		"":                 fullType,
		"*/*":              fullType,
		"application/json": fullType,
		"application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*":  abbreviatedType,
		"application/json; q=0.8, APPLICATION/vnd.npm.install-v1+json":              abbreviatedType,
		"application/vnd.npm.install-v1+json;q=0, application/json":                 fullType,
		"application/vnd.npm.install-v1+jsonx, application/vnd.npm.install-v2+json": fullType,
	} {
		var headers []string
		if accept != "" {
			headers = append(headers, "Accept: "+accept)
		}
		a := anyone.want(http.StatusOK, http.MethodGet, "/@acme/kitchen", "", headers...)
		if got := a.Header.Get("Content-Type"); got != want {
			t.Errorf("Accept %q: %q, want %q", accept, got, want)
		}
		if vary := a.Header.Get("Vary"); !strings.Contains(vary, "Accept,") {
			t.Errorf("Vary: %q", vary)
		}
	}
}

func TestEveryVisibleChangeMovesValidators(t *testing.T) {
	env, c := kitchenHouse(t)
	get := func(headers ...string) doortest.Answer { return c.do(http.MethodGet, "/@acme/kitchen", "", headers...) }
	steps := map[string]func(){
		"tag": func() {
			c.want(http.StatusCreated, http.MethodPut, "/-/package/@acme%2fkitchen/dist-tags/beta", `"1.2.3"`)
		},
		"untag": func() { c.want(http.StatusOK, http.MethodDelete, "/-/package/@acme%2fkitchen/dist-tags/beta", "") },
		"deprecate": func() {
			c.want(http.StatusOK, http.MethodPut, "/@acme/kitchen", `{"versions":{"1.2.3":{"deprecated":"old"}}}`)
		},
		"publish": func() { c.publish("@acme/kitchen", "3.0.0") },
	}
	for _, name := range []string{"tag", "untag", "deprecate", "publish"} {
		before := get()
		etag, modified := before.Header.Get("Etag"), before.Header.Get("Last-Modified")
		if a := get("If-None-Match: " + etag); a.Status != http.StatusNotModified || a.Body != "" {
			t.Errorf("before %s: a revalidation gives %d", name, a.Status)
		}
		if a := get("If-Modified-Since: " + modified); a.Status != http.StatusNotModified {
			t.Errorf("before %s: a dated revalidation gives %d", name, a.Status)
		}
		steps[name]()
		if a := get("If-None-Match: " + etag); a.Status != http.StatusOK {
			t.Errorf("after %s: the old tag still gives %d", name, a.Status)
		}
		if a := get("If-Modified-Since: " + modified); a.Status != http.StatusOK {
			t.Errorf("after %s: the old date still gives %d", name, a.Status)
		}
	}
	a := c.want(http.StatusOK, http.MethodGet, "/@acme/kitchen?write=true", "", "If-None-Match: "+get().Header.Get("Etag"))
	if _, ok := decode(t, a.Body)["_rev"].(string); !ok {
		t.Errorf("the document before a change has no _rev: %s", a.Body)
	}
	_ = env
}

func TestDocumentsAreCompressedForThoseWhoAsk(t *testing.T) {
	_, c := kitchenHouse(t)
	plain := c.want(http.StatusOK, http.MethodGet, "/@acme/kitchen", "").Body
	packed := c.want(http.StatusOK, http.MethodGet, "/@acme/kitchen", "", "Accept-Encoding: gzip,deflate")
	if packed.Header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("Content-Encoding: %q", packed.Header.Get("Content-Encoding"))
	}
	z, err := gzip.NewReader(strings.NewReader(packed.Body))
	if err != nil {
		t.Fatal(err)
	}
	unpacked, err := io.ReadAll(z)
	if err != nil || string(unpacked) != plain {
		t.Errorf("%v: %s", err, unpacked)
	}
}

func TestAHotReadRunsNoSQL(t *testing.T) {
	env, _ := kitchenHouse(t)
	anyone := as(t, env, "")
	for _, path := range []string{"/@acme%2fkitchen", "/@acme%2fkitchen/latest", "/@acme/kitchen/-/kitchen-1.2.3.tgz"} {
		anyone.want(http.StatusOK, http.MethodGet, path, "")
		if !quiet(t, env, func() { anyone.want(http.StatusOK, http.MethodGet, path, "") }) {
			t.Errorf("%s: every read ran SQL", path)
		}
	}
}

// quiet reports whether do can run without a statement. The feed's own polls are counted too, so one quiet run of many
// decides.
func quiet(t *testing.T, env *doortest.Env, do func()) bool {
	t.Helper()
	for range 50 {
		before := env.DB.Statements()
		do()
		if env.DB.Statements() == before {
			return true
		}
	}
	return false
}

func TestTarballsAreServedUnderEveryPathThatClientsUse(t *testing.T) {
	env, c := kitchenHouse(t)
	c.publish("plain", "1.0.0")
	want := c.want(http.StatusOK, http.MethodGet, "/@acme/kitchen/-/kitchen-1.2.3.tgz", "")
	for name, value := range map[string]string{
		"Content-Type": "application/octet-stream", "X-Content-Type-Options": "nosniff", "Cache-Control": "public, max-age=31536000, immutable",
	} {
		if got := want.Header.Get(name); got != value {
			t.Errorf("%s: %q", name, got)
		}
	}
	for _, path := range []string{
		"/@acme%2fkitchen/-/kitchen-1.2.3.tgz", "/@acme%2Fkitchen/-/kitchen-1.2.3.tgz", "/%40acme%2fkitchen/-/kitchen-1.2.3.tgz",
		"/%40acme/kitchen/-/kitchen-1.2.3.tgz", "/@acme/kitchen/-/@acme/kitchen-1.2.3.tgz", "/@acme%2fkitchen/-/@acme%2fkitchen-1.2.3.tgz",
		"//@acme/kitchen/-/kitchen-1.2.3.tgz", "/@acme/kitchen/-/kitchen-1.2.3.tgz/",
	} {
		if a := c.want(http.StatusOK, http.MethodGet, path, ""); a.Body != want.Body {
			t.Errorf("%s: other bytes", path)
		}
	}
	if a := c.want(http.StatusPartialContent, http.MethodGet, "/plain/-/plain-1.0.0.tgz", "", "Range: bytes=0-9"); len(a.Body) != 10 {
		t.Errorf("a range of 10 bytes has %d", len(a.Body))
	}
	for _, path := range []string{
		"/plain/-/plain-1.0.1.tgz", "/plain/-/other-1.0.0.tgz", "/plain/-/plain-1.0.0.tar.gz", "/plain/-/..%2f..%2fplain-1.0.0.tgz",
		"/@acme/kitchen/-/@other/kitchen-1.2.3.tgz", "/kitchen/-/kitchen-1.2.3.tgz", "/%2e%2e/-/x-1.0.0.tgz", "/@acme%252fkitchen/-/kitchen-1.2.3.tgz",
	} {
		sentence(t, as(t, env, "").want(http.StatusNotFound, http.MethodGet, path, ""))
	}
}

func TestMetadataIsServedUnderEverySpellingOfAScope(t *testing.T) {
	_, c := kitchenHouse(t)
	for _, path := range []string{"/@acme%2fkitchen", "/@acme%2Fkitchen", "/@acme/kitchen", "/%40acme%2Fkitchen", "/%40acme/kitchen", "//@acme/kitchen/"} {
		if got := decode(t, c.want(http.StatusOK, http.MethodGet, path, "").Body)["name"]; got != "@acme/kitchen" {
			t.Errorf("%s: %v", path, got)
		}
		if got := decode(t, c.want(http.StatusOK, http.MethodGet, strings.TrimSuffix(path, "/")+"/1.2.3", "").Body)["version"]; got != "1.2.3" {
			t.Errorf("%s/1.2.3: %v", path, got)
		}
	}
}

func TestAWithheldVersionIsNamedToNpmAndGoneForOthers(t *testing.T) {
	env, c := kitchenHouse(t)
	c.publish("@acme/kitchen", "1.3.0")
	err := env.House.Registry.Change(t.Context(), registry.Actor{}, func(ch *registry.Change) error {
		repo, err := env.House.Registry.Repository(t.Context(), "npm", "local")
		if err != nil {
			return err
		}
		p, err := ch.Project(t.Context(), repo, "@acme/kitchen")
		if err != nil {
			return err
		}
		return ch.SetVerdict(t.Context(), p, "1.3.0", registry.Verdict{Decision: registry.Block, Rule: "check/malware", Reason: "It steals tokens."})
	})
	if err != nil {
		t.Fatal(err)
	}
	doc := c.packument("@acme/kitchen")
	if at(doc, "versions", "1.3.0") != nil || at(doc, "time", "1.3.0") != nil {
		t.Error("a blocked version is listed")
	}
	if got := at(doc, "dist-tags", "latest"); got != "1.2.3" {
		t.Errorf("latest is %v, not the highest below the blocked one", got)
	}
	message, _ := at(doc, "policyRestrictions", "message").(string)
	if !strings.Contains(message, "It steals tokens. [check/malware]") || at(doc, "policyRestrictions", "versions", "1.3.0", "version") != "1.3.0" {
		t.Errorf("policyRestrictions: %v", doc["policyRestrictions"])
	}
	for _, path := range []string{"/@acme/kitchen/-/kitchen-1.3.0.tgz", "/@acme/kitchen/1.3.0"} {
		if got := sentence(t, c.want(http.StatusForbidden, http.MethodGet, path, "")); !strings.Contains(got, "It steals tokens.") {
			t.Errorf("%s: %s", path, got)
		}
	}
}

func TestAHoldEndsByItself(t *testing.T) {
	env, c := kitchenHouse(t)
	until := env.Clock.Now().Add(time.Hour)
	repo, err := env.House.Registry.Repository(t.Context(), "npm", "local")
	if err != nil {
		t.Fatal(err)
	}
	err = env.House.Registry.Change(t.Context(), registry.Actor{}, func(ch *registry.Change) error {
		p, err := ch.Project(t.Context(), repo, "@acme/kitchen")
		if err != nil {
			return err
		}
		return ch.SetVerdict(t.Context(), p, "1.2.3", registry.Verdict{Decision: registry.Hold, Rule: "policy/cooldown", Reason: "It is new.", Until: until})
	})
	if err != nil {
		t.Fatal(err)
	}
	if at(c.packument("@acme/kitchen"), "versions", "1.2.3") != nil {
		t.Error("a held version is listed")
	}
	env.Clock.Advance(time.Hour)
	if at(c.packument("@acme/kitchen"), "versions", "1.2.3") == nil {
		t.Error("the hold did not end")
	}
}

func TestAQuarantinedPackageGivesItsReason(t *testing.T) {
	env, c := kitchenHouse(t)
	repo, err := env.House.Registry.Repository(t.Context(), "npm", "local")
	if err != nil {
		t.Fatal(err)
	}
	err = env.House.Registry.Change(t.Context(), registry.Actor{}, func(ch *registry.Change) error {
		p, err := ch.Project(t.Context(), repo, "@acme/kitchen")
		if err != nil {
			return err
		}
		return ch.SetStatus(t.Context(), p, registry.Quarantined, "Reported as malware.")
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/@acme/kitchen", "/@acme/kitchen/latest", "/@acme/kitchen/-/kitchen-1.2.3.tgz", "/-/package/@acme%2fkitchen/dist-tags"} {
		if got := sentence(t, c.want(http.StatusForbidden, http.MethodGet, path, "")); !strings.Contains(got, "Reported as malware.") {
			t.Errorf("%s: %s", path, got)
		}
	}
}
