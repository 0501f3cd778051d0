package cargo

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"bonded/internal/digest"
	"bonded/internal/registry"
)

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
	b.publish("a-my-serde", "1.0.0")
	if f = search("q=My-Serde&per_page=1"); f.Meta.Total != 2 || f.Crates[0].Name != "my-serde" {
		t.Errorf("the exact name comes first, also with dashes: %+v", f)
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
