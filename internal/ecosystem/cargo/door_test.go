package cargo

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bonded/internal/digest"
	"bonded/internal/door"
	"bonded/internal/door/doortest"
	"bonded/internal/errs"
	"bonded/internal/registry"
	"bonded/internal/store"
	"bonded/internal/store/storetest"
)

// bench is a house with the Cargo door and a publisher.
type bench struct {
	*doortest.Env
	t     *testing.T
	token string
}

func doorsOf(h *door.House) []door.Door { return []door.Door{NewDoor(h)} }

func newBench(t *testing.T) *bench {
	env := doortest.New(t, []registry.Format{NewFormat()}, doorsOf)
	return &bench{env, t, env.Token("alice")}
}

// own are the index URLs of the repositories that most tests use.
func (b *bench) own() []string { return []string{indexURL(b.URL, "local"), indexURL(b.URL, "main")} }

// body is what cargo would send to publish a manifest.
func (b *bench) body(manifest string) string {
	b.t.Helper()
	c, err := ParseManifest([]byte(manifest))
	if err != nil {
		b.t.Fatal(err)
	}
	return publication(b.t, requestFor(b.t, manifest, b.own()...), crateOf(b.t, c.Name, c.Version, manifest))
}

func (b *bench) put(repo, body string) doortest.Answer {
	b.t.Helper()
	return b.Do(http.MethodPut, "/cargo/"+repo+"/api/v1/crates/new", body, "Authorization: "+b.token)
}

// publish publishes to local and insists on success.
func (b *bench) publish(name, version string, more ...string) {
	b.t.Helper()
	if a := b.put("local", b.body(header(name, version)+strings.Join(more, ""))); a.Status != http.StatusOK {
		b.t.Fatalf("publish %s %s: %d %s", name, version, a.Status, a.Body)
	}
}

func (b *bench) get(path string, headers ...string) doortest.Answer {
	b.t.Helper()
	return b.Do(http.MethodGet, path, "", headers...)
}

// line is what tests read of an index line.
type line struct {
	Name, Vers, Cksum, Pubtime string
	Yanked                     bool
	Deps                       []struct {
		Name     string
		Registry *string
	}
}

func (b *bench) index(path string, headers ...string) []line {
	b.t.Helper()
	a := b.get(path, headers...)
	if a.Status != http.StatusOK {
		b.t.Fatalf("%s: %d %s", path, a.Status, a.Body)
	}
	var all []line
	for text := range strings.Lines(a.Body) {
		var l line
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			b.t.Fatalf("%s: %v in %s", path, err, text)
		}
		all = append(all, l)
	}
	return all
}

// detail reads the error envelope of the API.
func detail(t *testing.T, a doortest.Answer) string {
	t.Helper()
	var e struct{ Errors []struct{ Detail string } }
	if err := json.Unmarshal([]byte(a.Body), &e); err != nil || len(e.Errors) != 1 {
		t.Fatalf("%d %s is not the error envelope", a.Status, a.Body)
	}
	return e.Errors[0].Detail
}

func TestConfigNamesWhereEverythingIs(t *testing.T) {
	b := newBench(t)
	a := b.get("/cargo/main/config.json", "If-None-Match: *", `If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT`)
	want := fmt.Sprintf(`{"dl":"%[1]s/cargo/main/dl/{crate}/{crate}-{version}.crate","api":"%[1]s/cargo/main","auth-required":false}`+"\n", b.URL)
	if a.Status != http.StatusOK || a.Body != want {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

func TestAPublishedCrateIsInTheIndexAndDownloads(t *testing.T) {
	b := newBench(t)
	b.Clock.Advance(time.Hour)
	manifest := header("Quirk", "1.0.0+build.1")
	crate := crateOf(t, "Quirk", "1.0.0+build.1", manifest)
	a := b.put("main", publication(t, requestFor(t, manifest), crate))
	if a.Status != http.StatusOK || a.Body != `{"warnings":{"invalid_categories":[],"invalid_badges":[],"other":[]}}` {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	for _, repo := range []string{"local", "main"} {
		lines := b.index("/cargo/" + repo + "/qu/ir/quirk")
		l := lines[0]
		if len(lines) != 1 || l.Name != "Quirk" || l.Vers != "1.0.0+build.1" || l.Cksum != digest.Of(crate).String() || l.Yanked {
			t.Errorf("%s: %+v", repo, lines)
		}
		at, err := time.Parse(pubtimeForm, l.Pubtime)
		if now := b.Clock.Now(); err != nil || at.Before(now.Add(-time.Minute)) || at.After(now) {
			t.Errorf("%s: pubtime %q", repo, l.Pubtime)
		}
		for _, path := range []string{
			"/dl/Quirk/Quirk-1.0.0+build.1.crate", "/dl/Quirk/Quirk-1.0.0%2Bbuild.1.crate", "/dl/%51uirk/Quirk-1.0.0%2bbuild.1.crate",
			"/api/v1/crates/Quirk/1.0.0+build.1/download",
		} {
			f := b.get("/cargo/" + repo + path)
			if f.Status != http.StatusOK || f.Body != string(crate) {
				t.Errorf("%s%s: %d, %d bytes", repo, path, f.Status, len(f.Body))
			}
			if h := f.Header; h.Get("Cache-Control") != "public, max-age=31536000, immutable" || h.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s%s: headers %v", repo, path, h)
			}
		}
	}
}

func TestIndexFilesAreRevalidated(t *testing.T) {
	b := newBench(t)
	b.publish("hello", "1.0.0")
	first := b.get("/cargo/local/he/ll/hello", "Accept-Encoding: gzip")
	if h := first.Header; h.Get("Etag") == "" || h.Get("Last-Modified") == "" || h.Get("Cache-Control") != "no-cache" || h.Get("Content-Type") != "text/plain" {
		t.Errorf("headers %v", h)
	}
	for _, condition := range []string{"If-None-Match: " + first.Header.Get("Etag"), "If-None-Match: W/" + first.Header.Get("Etag"), "If-Modified-Since: " + first.Header.Get("Last-Modified")} {
		if a := b.get("/cargo/local/he/ll/hello", condition); a.Status != http.StatusNotModified || a.Body != "" {
			t.Errorf("%s: %d", condition, a.Status)
		}
	}
	b.publish("hello", "1.0.1")
	for _, condition := range []string{"If-None-Match: " + first.Header.Get("Etag"), "If-Modified-Since: " + first.Header.Get("Last-Modified")} {
		if a := b.get("/cargo/local/he/ll/hello", condition); a.Status != http.StatusOK || strings.Count(a.Body, "\n") != 2 {
			t.Errorf("after a publish, %s: %d %s", condition, a.Status, a.Body)
		}
	}
	if a := b.Do(http.MethodHead, "/cargo/local/he/ll/hello", ""); a.Status != http.StatusOK || a.Body != "" {
		t.Errorf("HEAD: %d %q", a.Status, a.Body)
	}
}

// A long index is compressed; its validator stays good for both encodings.
func TestLongIndexFilesAreCompressed(t *testing.T) {
	b := newBench(t)
	for i := range 8 {
		b.publish("hello", fmt.Sprintf("1.0.%d", i))
	}
	a := b.get("/cargo/local/he/ll/hello", "Accept-Encoding: deflate, gzip")
	if a.Header.Get("Content-Encoding") != "gzip" {
		t.Errorf("headers %v", a.Header)
	}
}

func TestWhatIsNotThereIsPlain404(t *testing.T) {
	b := newBench(t)
	b.publish("foo-Bar", "1.0.0")
	for _, path := range []string{
		"/cargo/local/fo/o_/foo_bar", "/cargo/local/fo/o-/foo-Bar", "/cargo/local/fo/o_/foo-bar", "/cargo/local/no/pe/nope", "/cargo/local/1/é", "/cargo/local/",
		"/cargo/local", "/cargo/local/fo%2fo-/foo-bar", "/cargo/local/dl/foo-bar/foo-bar-1.0.0.crate", "/cargo/local/dl/foo-Bar/foo-Bar-1.0.0+x.crate",
		"/cargo/local/dl/foo-Bar/foo-Bar-2.0.0.crate", "/cargo/local/dl/../../x", "/cargo/nowhere/config.json", "/cargo/local/CONFIG.json",
	} {
		a := b.get(path)
		if a.Status != http.StatusNotFound {
			t.Errorf("%s: %d %s", path, a.Status, a.Body)
		}
		if strings.HasPrefix(a.Body, "{") || strings.HasPrefix(a.Body, "<") {
			t.Errorf("%s answers %s", path, a.Body)
		}
	}
	if got := b.index("/cargo/local/fo/o-/foo-bar"); len(got) != 1 || got[0].Name != "foo-Bar" {
		t.Errorf("the published spelling: %+v", got)
	}
}

func TestRefusalsAreInTheEnvelopeThatCargoPrints(t *testing.T) {
	b := newBench(t)
	b.publish("hello", "1.0.0")
	b.publish("dash-ed", "1.0.0")
	stranger := "Authorization: " + b.Token("bob")
	reader := "Authorization: " + b.Token("alice", "read")
	owner := "Authorization: " + b.token
	api := "/cargo/local/api/v1/crates"
	other := crateOf(t, "hello", "1.0.0", header("hello", "1.0.0")+"# other bytes\n")
	ownDep := func(name string) string {
		return header("app", "1.0.0") + "[dependencies]\n" + name + " = {version = \"1\", registry-index = \"" + indexURL(b.URL, "local") + "\"}\n"
	}
	for _, c := range []struct {
		rule, method, path, body string
		headers                  []string
		status                   int
		says                     string
	}{
		{"publishing needs a token", "PUT", api + "/new", b.body(header("x", "1.0.0")), nil, 401, "You must authenticate to publish"},
		{"a wrong token is no token", "PUT", api + "/new", b.body(header("x", "1.0.0")), []string{"Authorization: nonsense"}, 401, "This token is not valid here"},
		{"a token needs the scope", "PUT", api + "/new", b.body(header("x", "1.0.0")), []string{reader}, 403, "Use a token whose scope includes publish:cargo/local"},
		{"only owners publish", "PUT", api + "/new", b.body(header("hello", "1.0.1")), []string{stranger}, 403, "bob does not own hello"},
		{"other bytes under a version", "PUT", api + "/new", publication(t, requestFor(t, header("hello", "1.0.0")), other), []string{owner}, 409, "crate version `1.0.0` is already uploaded"},
		{"versions that differ in build metadata", "PUT", api + "/new", b.body(header("hello", "1.0.0+x")), []string{owner}, 409, "Build metadata alone does not make another version"},
		{"another spelling", "PUT", api + "/new", b.body(header("dash_ed", "1.0.1")), []string{owner}, 409, "The crate was previously named `dash-ed`"},
		{"another case", "PUT", api + "/new", b.body(header("Hello", "1.0.1")), []string{owner}, 409, "The crate was previously named `hello`"},
		{"a reserved name", "PUT", api + "/new", b.body(header("proc-macro", "1.0.0")), []string{owner}, 400, "[cargo/name-reserved]"},
		{"a name of 65 characters", "PUT", api + "/new", b.body(header(strings.Repeat("a", 65), "1.0.0")), []string{owner}, 400, "[cargo/name-length]"},
		{"a version that is none", "PUT", api + "/new", b.body(header("x", "1.0")), []string{owner}, 400, "[cargo/version-semver]"},
		{"metadata that is no JSON", "PUT", api + "/new", frame([]byte("{"), nil), []string{owner}, 400, "[cargo/publish-json]"},
		{"bytes after the crate", "PUT", api + "/new", b.body(header("x", "1.0.0")) + "!", []string{owner}, 400, "[cargo/publish-trailing]"},
		{"a request that ends early", "PUT", api + "/new", b.body(header("x", "1.0.0"))[:300], []string{owner}, 400, "[cargo/publish-truncated]"},
		{"a crate over the limit", "PUT", api + "/new", publication(t, requestFor(t, header("x", "1.0.0")), make([]byte, doortest.FileLimit+1)), []string{owner}, 413, fmt.Sprintf("max upload size is: %d", doortest.FileLimit)},
		{"metadata over 1 MiB", "PUT", api + "/new", frame(make([]byte, maxPublishJSON+1), nil), []string{owner}, 413, "[cargo/publish-json-size]"},
		{"no crate at all", "PUT", api + "/new", publication(t, requestFor(t, header("x", "1.0.0")), []byte("crate")), []string{owner}, 400, "[archive/gzip-stream]"},
		{"a dependency that is not here", "PUT", api + "/new", b.body(ownDep("nothere")), []string{owner}, 400, "The dependency nothere is not in cargo/local"},
		{"a dependency in another spelling", "PUT", api + "/new", b.body(ownDep("dash_ed")), []string{owner}, 400, "The dependency dash_ed is spelled dash-ed in cargo/local"},
		{"yanking needs a token", "DELETE", api + "/hello/1.0.0/yank", "", nil, 401, "You must authenticate to yank"},
		{"only owners yank", "DELETE", api + "/hello/1.0.0/yank", "", []string{stranger}, 403, "bob does not own hello"},
		{"only what is there is yanked", "DELETE", api + "/hello/9.0.0/yank", "", []string{owner}, 404, "hello has no version 9.0.0"},
		{"a version is yanked by its whole name", "DELETE", api + "/hello/1.0.0+x/yank", "", []string{owner}, 404, "It has 1.0.0."},
		{"no crate to yank", "DELETE", api + "/nope/1.0.0/yank", "", []string{owner}, 404, `no crate "nope"`},
		{"yank is DELETE", "PUT", api + "/hello/1.0.0/yank", "", []string{owner}, 404, "[cargo/api]"},
		{"no owners of nothing", "GET", api + "/nope/owners", "", nil, 404, `no crate "nope"`},
		{"only owners change owners", "PUT", api + "/hello/owners", `{"users":["bob"]}`, []string{stranger}, 403, "bob does not own hello"},
		{"an owner is an account", "PUT", api + "/hello/owners", `{"users":["carol"]}`, []string{owner}, 404, `There is no account named "carol" here`},
		{"owners are named", "PUT", api + "/hello/owners", `{"users":[]}`, []string{owner}, 400, "[cargo/owners-count]"},
		{"owners are JSON", "PUT", api + "/hello/owners", `bob`, []string{owner}, 400, "[cargo/owners-json]"},
		{"the last owner stays", "DELETE", api + "/hello/owners", `{"users":["alice"]}`, []string{owner}, 403, "hello would be left without an owner"},
		{"no other method on owners", "POST", api + "/hello/owners", `{}`, []string{owner}, 404, "[cargo/api]"},
		{"no other API", "GET", "/cargo/local/api/v1/summary", "", nil, 404, "[cargo/api]"},
		{"a search has a length", "GET", api + "?q=" + strings.Repeat("a", 257), "", nil, 400, "[cargo/search]"},
	} {
		t.Run(c.rule, func(t *testing.T) {
			a := b.Do(c.method, c.path, c.body, c.headers...)
			if a.Status != c.status {
				t.Errorf("status %d, want %d: %s", a.Status, c.status, a.Body)
			}
			if got := detail(t, a); !strings.Contains(got, c.says) {
				t.Errorf("says %q, want %q in it", got, c.says)
			}
			challenge := fmt.Sprintf(`Cargo login_url="%s/cargo/local/me"`, b.URL)
			if got := a.Header.Get("Www-Authenticate"); (c.status == 401) != (got == challenge) {
				t.Errorf("WWW-Authenticate %q", got)
			}
		})
	}
	if got := b.index("/cargo/local/he/ll/hello"); len(got) != 1 || got[0].Yanked {
		t.Errorf("refusals changed the crate: %+v", got)
	}
	if a := b.get("/cargo/local/1/x"); a.Status != http.StatusNotFound {
		t.Errorf("a refused crate is there: %s", a.Body)
	}
}

func TestTheSameBytesAgainAreASuccessThatSaysSo(t *testing.T) {
	b := newBench(t)
	body := b.body("[package]\nname = \"bare\"\nversion = \"1.0.0\"\n")
	first, second := b.put("local", body), b.put("main", body)
	for i, a := range []doortest.Answer{first, second} {
		var got struct{ Warnings struct{ Other []string } }
		if err := json.Unmarshal([]byte(a.Body), &got); err != nil || a.Status != http.StatusOK {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
		other := got.Warnings.Other
		if len(other) != 2+i || !strings.Contains(other[i], "no description") || !strings.Contains(other[1+i], "license") {
			t.Errorf("publish %d warns %q", i, other)
		}
		if i == 1 && !strings.Contains(other[0], "published here before, with the same bytes") {
			t.Errorf("the second publish says %q", other)
		}
	}
	if got := b.index("/cargo/local/ba/re/bare"); len(got) != 1 {
		t.Errorf("lines %+v", got)
	}
}

func TestATokenIsTakenHoweverItWasStored(t *testing.T) {
	b := newBench(t)
	b.publish("hello", "1.0.0")
	b.Settings("cargo", "local", func(r *registry.Repository) { r.Visibility = registry.Private })
	for _, header := range []string{b.token, "Bearer " + b.token, "bearer " + b.token} {
		if a := b.get("/cargo/local/he/ll/hello", "Authorization: "+header); a.Status != http.StatusOK {
			t.Errorf("%.10s…: %d %s", header, a.Status, a.Body)
		}
	}
}

func TestAPrivateRegistryAsksForAToken(t *testing.T) {
	b := newBench(t)
	b.publish("hello", "1.0.0")
	b.Settings("cargo", "local", func(r *registry.Repository) { r.Visibility = registry.Private })
	for _, path := range []string{"/cargo/local/config.json", "/cargo/local/he/ll/hello", "/cargo/local/no/pe/nope", "/cargo/local/dl/hello/hello-1.0.0.crate", "/cargo/local/api/v1/crates?q=h"} {
		a := b.get(path)
		if want := fmt.Sprintf(`Cargo login_url="%s/cargo/local/me"`, b.URL); a.Status != http.StatusUnauthorized || a.Header.Get("Www-Authenticate") != want {
			t.Errorf("%s: %d, WWW-Authenticate %q", path, a.Status, a.Header.Get("Www-Authenticate"))
		}
		a = b.get(path, "Authorization: "+b.token)
		if want := http.StatusOK; !strings.Contains(path, "nope") && (a.Status != want || strings.Contains(a.Header.Get("Cache-Control"), "public")) {
			t.Errorf("%s with a token: %d, Cache-Control %q", path, a.Status, a.Header.Get("Cache-Control"))
		}
	}
	if a := b.get("/cargo/local/config.json", "Authorization: "+b.token); !strings.Contains(a.Body, `"auth-required":true`) {
		t.Errorf("config.json %s", a.Body)
	}
	b.Settings("cargo", "local", func(r *registry.Repository) { r.Visibility = registry.Anonymous })
	if a := b.get("/cargo/local/config.json"); !strings.Contains(a.Body, `"auth-required":false`) {
		t.Errorf("opened again: config.json %s", a.Body)
	}
}

// A private member of an open group is invisible there to those who may not read it.
func TestAPrivateMemberStaysPrivateInAGroup(t *testing.T) {
	b := newBench(t)
	b.publish("hello", "1.0.0")
	b.Settings("cargo", "local", func(r *registry.Repository) { r.Visibility = registry.Private })
	for _, path := range []string{"/cargo/main/he/ll/hello", "/cargo/main/dl/hello/hello-1.0.0.crate"} {
		if a := b.get(path); a.Status != http.StatusUnauthorized && a.Status != http.StatusNotFound {
			t.Errorf("%s: %d", path, a.Status)
		}
		if a := b.get(path, "Authorization: "+b.token); a.Status != http.StatusOK || strings.Contains(a.Header.Get("Cache-Control"), "public") {
			t.Errorf("%s with a token: %d, Cache-Control %q", path, a.Status, a.Header.Get("Cache-Control"))
		}
	}
	if a := b.get("/cargo/main/api/v1/crates?q=hello"); a.Status != http.StatusOK || !strings.Contains(a.Body, `"crates":[],"meta":{"total":0}`) {
		t.Errorf("search: %d %s", a.Status, a.Body)
	}
}

func TestTheLoginPageIsOpenAndPlain(t *testing.T) {
	b := newBench(t)
	b.Settings("cargo", "local", func(r *registry.Repository) { r.Visibility = registry.Private })
	a := b.get("/cargo/local/me", "Authorization: stale")
	if a.Status != http.StatusOK || a.Header.Get("Content-Type") != "text/html; charset=utf-8" || !strings.Contains(a.Header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("%d %v", a.Status, a.Header)
	}
	for _, text := range []string{"bonded admin token add", "cargo login --registry bonded", "sparse+" + b.URL + "/cargo/local/", "<html lang=\"en\">"} {
		if !strings.Contains(a.Body, text) {
			t.Errorf("the page lacks %q", text)
		}
	}
}

func TestYankIsTheOnlyChangeOfALine(t *testing.T) {
	b := newBench(t)
	b.publish("hello", "1.0.0+b")
	before := b.get("/cargo/main/he/ll/hello").Body
	auth := "Authorization: " + b.token
	for _, step := range []struct {
		method, path string
		yanked       bool
	}{
		{"DELETE", "/cargo/main/api/v1/crates/HELLO/1.0.0+b/yank", true},
		{"DELETE", "/cargo/local/api/v1/crates/hello/1.0.0%2Bb/yank", true},
		{"PUT", "/cargo/local/api/v1/crates/hello/1.0.0+b/unyank", false},
	} {
		if a := b.Do(step.method, step.path, "", auth); a.Status != http.StatusOK || a.Body != `{"ok":true}` {
			t.Fatalf("%s %s: %d %s", step.method, step.path, a.Status, a.Body)
		}
		want := before
		if step.yanked {
			want = strings.Replace(before, `"yanked":false`, `"yanked":true`, 1)
		}
		if got := b.get("/cargo/main/he/ll/hello").Body; got != want {
			t.Errorf("after %s: %s", step.path, got)
		}
	}
	if a := b.get("/cargo/local/dl/hello/hello-1.0.0+b.crate"); a.Status != http.StatusOK {
		t.Errorf("a yanked crate: %d", a.Status)
	}
}

func TestOwners(t *testing.T) {
	b := newBench(t)
	b.publish("hello", "1.0.0")
	bob := b.Token("bob")
	path, auth := "/cargo/local/api/v1/crates/hello/owners", "Authorization: "+b.token
	list := func() string { t.Helper(); return b.get(path).Body }
	if got := list(); got != `{"users":[{"id":1,"login":"alice","name":null,"email":null}]}` {
		t.Errorf("owners %s", got)
	}
	for _, step := range []struct{ method, body, says string }{
		{"PUT", `{"users":["Bob"]}`, `bob is now an owner of hello`},
		{"PUT", `{"owners":["bob","alice"]}`, `bob owns hello already; alice owns hello already`},
		{"DELETE", `{"users":["alice"]}`, `alice no longer owns hello`},
	} {
		a := b.Do(step.method, path, step.body, auth)
		var got struct {
			OK  bool
			Msg string
		}
		if err := json.Unmarshal([]byte(a.Body), &got); err != nil || a.Status != http.StatusOK || !got.OK || got.Msg != step.says {
			t.Errorf("%s %s: %d %s", step.method, step.body, a.Status, a.Body)
		}
	}
	if got := list(); strings.Contains(got, "alice") || !strings.Contains(got, "bob") {
		t.Errorf("owners %s", got)
	}
	if a := b.Do("PUT", path, `{"users":["alice"]}`, auth); a.Status != http.StatusForbidden {
		t.Errorf("a former owner adds: %d", a.Status)
	}
	b.token = bob
	b.publish("hello", "1.0.1")
}

func TestSearch(t *testing.T) {
	b := newBench(t)
	for _, name := range []string{"serde", "serde_json", "my-serde", "other"} {
		b.publish(name, "1.0.0")
	}
	b.publish("serde", "1.1.0-rc.1")
	b.publish("serde", "1.0.1")
	b.Do("DELETE", "/cargo/local/api/v1/crates/serde/1.0.1/yank", "", "Authorization: "+b.token)
	type found struct {
		Crates []struct {
			Name        string
			MaxVersion  string `json:"max_version"`
			Description *string
		}
		Meta struct{ Total int }
	}
	search := func(query string) (f found) {
		t.Helper()
		a := b.get("/cargo/main/api/v1/crates?" + query)
		if err := json.Unmarshal([]byte(a.Body), &f); err != nil || a.Status != http.StatusOK {
			t.Fatalf("%s: %d %s", query, a.Status, a.Body)
		}
		return f
	}
	f := search("q=serde&per_page=2")
	if f.Meta.Total != 3 || len(f.Crates) != 2 || f.Crates[0].Name != "serde" || f.Crates[0].MaxVersion != "1.0.0" || *f.Crates[0].Description != "A test" || f.Crates[1].Name != "serde_json" {
		t.Errorf("%+v", f)
	}
	if f = search("q=serde&per_page=2&page=2"); len(f.Crates) != 1 || f.Crates[0].Name != "my-serde" {
		t.Errorf("page 2: %+v", f)
	}
	if f = search("q=%25&per_page=9999"); f.Meta.Total != 0 {
		t.Errorf("a percent sign is not a wildcard: %+v", f)
	}
	if f = search("per_page=x"); f.Meta.Total != 4 || len(f.Crates) != 4 {
		t.Errorf("everything: %+v", f)
	}
	b.Repository(registry.Repository{Ecosystem: "cargo", Name: "team", Kind: registry.Hosted, Visibility: registry.Anonymous})
	b.Repository(registry.Repository{Ecosystem: "cargo", Name: "both", Kind: registry.Group, Visibility: registry.Anonymous}, "team", "local")
	if a := b.put("team", b.body(header("serde", "9.0.0"))); a.Status != http.StatusOK {
		t.Fatal(a.Body)
	}
	a := b.get("/cargo/both/api/v1/crates?q=serde")
	if strings.Count(a.Body, `"serde"`) != 1 || !strings.Contains(a.Body, `"max_version":"9.0.0"`) {
		t.Errorf("the first member that owns a name answers for it: %s", a.Body)
	}
}

func TestGroupsRewriteTheirMembersUnderEveryPublicURL(t *testing.T) {
	b := newBench(t)
	b.House.PublicURLs = []string{b.URL, "https://packages.example.test"}
	b.Repository(registry.Repository{Ecosystem: "cargo", Name: "team", Kind: registry.Hosted, Visibility: registry.Anonymous})
	b.Repository(registry.Repository{Ecosystem: "cargo", Name: "all", Kind: registry.Group, Visibility: registry.Anonymous}, "team", "main")
	b.publish("base", "1.0.0")
	manifest := header("app", "1.0.0") + fmt.Sprintf("[dependencies]\na1 = {version = \"1\", package = \"base\", registry-index = %q}\na2 = {version = \"1\", package = \"base\", registry-index = %q}\na3 = {version = \"1\", package = \"base\", registry-index = %q}\na4 = \"1\"\n",
		indexURL(b.URL, "local"), indexURL("https://packages.example.test", "main"), indexURL("https://elsewhere.example.test", "local"))
	crate := crateOf(t, "app", "1.0.0", manifest)
	if a := b.put("team", publication(t, requestFor(t, manifest), crate)); a.Status != http.StatusOK {
		t.Fatal(a.Body)
	}
	registries := func(l line) (all []string) {
		for _, d := range l.Deps {
			if d.Registry == nil {
				all = append(all, "own")
			} else {
				all = append(all, *d.Registry)
			}
		}
		return all
	}
	inTeam, inAll := b.index("/cargo/team/3/a/app")[0], b.index("/cargo/all/3/a/app")[0]
	if got := registries(inTeam); slices.Contains(got, "own") {
		t.Errorf("the hosted line has %v", got)
	}
	if got, want := registries(inAll), []string{"own", indexURL("https://packages.example.test", "main"), indexURL("https://elsewhere.example.test", "local"), CratesIOIndex}; !slices.Equal(got, want) {
		t.Errorf("the group's line has %v, want %v", got, want)
	}
	if sum := digest.Of(crate).String(); inTeam.Cksum != sum || inAll.Cksum != sum {
		t.Error("a checksum changed")
	}
	for path, status := range map[string]int{"/cargo/all/dl/app/app-1.0.0.crate": 200, "/cargo/all/dl/base/base-1.0.0.crate": 200, "/cargo/team/dl/base/base-1.0.0.crate": 404} {
		if a := b.get(path); a.Status != status {
			t.Errorf("%s: %d", path, a.Status)
		}
	}
}

func (b *bench) change(fn func(context.Context, *registry.Change, *registry.Project) error, norm string) {
	b.t.Helper()
	ctx := b.t.Context()
	repo, err := b.House.Registry.Repository(ctx, "cargo", "local")
	if err == nil {
		err = b.House.Registry.Change(ctx, registry.Actor{}, func(c *registry.Change) error {
			p, err := c.Project(ctx, repo, norm)
			if err != nil {
				return err
			}
			return fn(ctx, c, p)
		})
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

func TestAWithheldCrateKeepsItsLineAndTellsWhy(t *testing.T) {
	b := newBench(t)
	b.publish("hello", "1.0.0")
	b.publish("hello", "1.0.1")
	b.change(func(ctx context.Context, c *registry.Change, p *registry.Project) error {
		return c.SetVerdict(ctx, p, "1.0.1", registry.Verdict{Decision: registry.Block, Rule: "malware", Reason: "It steals keys (ADV-1)."})
	}, "hello")
	for i, l := range b.index("/cargo/local/he/ll/hello") {
		if l.Yanked != (i == 1) {
			t.Errorf("blocked: %+v", l)
		}
	}
	a := b.get("/cargo/local/dl/hello/hello-1.0.1.crate")
	if a.Status != http.StatusForbidden || a.Header.Get("Content-Type") != "text/plain; charset=utf-8" || a.Body != "hello 1.0.1 is withheld: It steals keys (ADV-1). [malware]\n" {
		t.Errorf("blocked download: %d %q", a.Status, a.Body)
	}
	if a := b.get("/cargo/local/dl/hello/hello-1.0.0.crate"); a.Status != http.StatusOK {
		t.Errorf("the other version: %d", a.Status)
	}
	b.change(func(ctx context.Context, c *registry.Change, p *registry.Project) error {
		return c.SetStatus(ctx, p, registry.Quarantined, "reported as malware")
	}, "hello")
	for _, l := range b.index("/cargo/main/he/ll/hello") {
		if !l.Yanked {
			t.Errorf("quarantined: %+v", l)
		}
	}
	if a := b.get("/cargo/main/dl/hello/hello-1.0.0.crate"); a.Status != http.StatusForbidden || !strings.Contains(a.Body, "hello is quarantined: reported as malware") {
		t.Errorf("quarantined download: %d %q", a.Status, a.Body)
	}
	if a := b.put("local", b.body(header("hello", "1.0.2"))); a.Status != http.StatusForbidden || !strings.Contains(detail(t, a), "quarantined") {
		t.Errorf("publish into quarantine: %d %s", a.Status, a.Body)
	}
}

func TestADeletedVersionIsNeverUsedAgain(t *testing.T) {
	b := newBench(t)
	b.publish("hello", "1.0.0")
	b.publish("hello", "1.0.1")
	b.change(func(ctx context.Context, c *registry.Change, p *registry.Project) error {
		return c.DeleteRelease(ctx, p, "1.0.1", "a mistake")
	}, "hello")
	if got := b.index("/cargo/local/he/ll/hello"); len(got) != 1 {
		t.Errorf("lines %+v", got)
	}
	if a := b.put("local", b.body(header("hello", "1.0.1"))); a.Status != http.StatusConflict || !strings.Contains(detail(t, a), "never used twice") {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	b.change(func(ctx context.Context, c *registry.Change, p *registry.Project) error {
		return c.DeleteProject(ctx, p, "a mistake")
	}, "hello")
	if a := b.get("/cargo/local/he/ll/hello"); a.Status != http.StatusNotFound {
		t.Errorf("index of a deleted crate: %d %s", a.Status, a.Body)
	}
	if a := b.put("local", b.body(header("hello", "2.0.0"))); a.Status != http.StatusConflict || !strings.Contains(detail(t, a), "its name stays taken") {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

func TestAnEarlyEndLeavesNothing(t *testing.T) {
	b := newBench(t)
	whole := b.body(header("hello", "1.0.0"))
	for _, n := range []int{0, 3, 100, len(whole) - 1} {
		if a := b.put("local", whole[:n]); a.Status != http.StatusBadRequest {
			t.Errorf("%d bytes: %d %s", n, a.Status, a.Body)
		}
	}
	for table, want := range map[string]int{"project": 0, "release": 0, "file": 0, "blob": 0} {
		n, err := store.One(t.Context(), b.DB, store.Value[int], "select count(*) from "+table)
		if err != nil || n != want {
			t.Errorf("%s has %d rows, %v", table, n, err)
		}
	}
}

func TestHotReadsRunNoSQL(t *testing.T) {
	b := newBench(t)
	b.publish("hello", "1.0.0")
	paths := []string{"/cargo/main/config.json", "/cargo/main/he/ll/hello", "/cargo/local/he/ll/hello", "/cargo/main/no/pe/nope", "/cargo/main/dl/hello/hello-1.0.0.crate"}
	for _, path := range paths {
		b.get(path, "Authorization: "+b.token)
	}
	for _, path := range paths {
		quiet := false
		for range 20 { // the feed polls in the background; what a read causes, every read causes
			before := b.DB.Statements()
			b.get(path, "Authorization: "+b.token)
			quiet = quiet || b.DB.Statements() == before
		}
		if !quiet {
			t.Errorf("every read of %s ran SQL", path)
		}
	}
}

func TestOneVersionHasOneWinner(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, db *store.DB) {
		env := doortest.On(t, db, []registry.Format{NewFormat()}, doorsOf)
		b := &bench{env, t, env.Token("alice")}
		const n = 6
		var bodies []string
		for i := range n {
			bodies = append(bodies, b.body(fmt.Sprintf("%s# %d\n", header("race", "1.0.0"), i)))
		}
		answers := inParallel(n, func(i int) doortest.Answer { return b.put("local", bodies[i]) })
		won := 0
		for _, a := range answers {
			switch a.Status {
			case http.StatusOK:
				won++
			case http.StatusConflict:
				if got := detail(t, a); !strings.Contains(got, "crate version `1.0.0` is already uploaded") {
					t.Errorf("a loser reads %q", got)
				}
			default:
				t.Errorf("%d %s", a.Status, a.Body)
			}
		}
		if won != 1 || len(b.index("/cargo/local/ra/ce/race")) != 1 {
			t.Errorf("%d winners", won)
		}
	})
}

func TestDifferentVersionsAtOnceAreAllKept(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, db *store.DB) {
		env := doortest.On(t, db, []registry.Format{NewFormat()}, doorsOf)
		b := &bench{env, t, env.Token("alice")}
		const n = 12
		var bodies []string
		for i := range n {
			bodies = append(bodies, b.body(header("many", fmt.Sprintf("1.0.%d", i))))
		}
		for _, a := range inParallel(n, func(i int) doortest.Answer { return b.put("local", bodies[i]) }) {
			if a.Status != http.StatusOK {
				t.Errorf("%d %s", a.Status, a.Body)
			}
		}
		if got := len(b.index("/cargo/local/ma/ny/many")); got != n {
			t.Errorf("%d lines of %d", got, n)
		}
	})
}

// Two spellings of one new name, brought at once by two accounts: one spelling, one owner.
func TestOneNewNameHasOneSpellingAndOneOwner(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, db *store.DB) {
		env := doortest.On(t, db, []registry.Format{NewFormat()}, doorsOf)
		b := &bench{env, t, env.Token("alice")}
		for round := range 5 {
			names := []string{fmt.Sprintf("new-name%d", round), fmt.Sprintf("new_name%d", round)}
			bodies := []string{b.body(header(names[0], "1.0.0")), b.body(header(names[1], "1.0.1"))}
			tokens := []string{b.token, b.Token("bob")}
			answers := inParallel(2, func(i int) doortest.Answer {
				return b.Do(http.MethodPut, "/cargo/local/api/v1/crates/new", bodies[i], "Authorization: "+tokens[i])
			})
			statuses := []int{answers[0].Status, answers[1].Status}
			slices.Sort(statuses)
			if statuses[0] != http.StatusOK || (statuses[1] != http.StatusForbidden && statuses[1] != http.StatusConflict) {
				t.Errorf("round %d: %v %s %s", round, statuses, answers[0].Body, answers[1].Body)
			}
		}
	})
}

func inParallel(n int, f func(int) doortest.Answer) []doortest.Answer {
	out := make([]doortest.Answer, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { out[i] = f(i) })
	}
	wg.Wait()
	return out
}

func TestEveryRowOfTheTableCitesItsSection(t *testing.T) {
	for kind, row := range table {
		if !strings.HasPrefix(row.Section, "cargo.md §") || row.Status == 0 {
			t.Errorf("%s: %+v", kind, row)
		}
	}
	if table[errs.NotFound].Status != http.StatusNotFound {
		t.Error("absent is 404 for every client")
	}
	if !NewDoor(nil).Open(http.MethodGet, "/me") || NewDoor(nil).Open(http.MethodPut, "/me") || NewDoor(nil).Open(http.MethodGet, "/config.json") {
		t.Error("only reading the log-in page is open")
	}
}
