package composer

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bonded/internal/door/doortest"
	"bonded/internal/registry"
	"bonded/internal/store"
	"bonded/internal/store/storetest"
)

// TestAPrivateRepository: 401 for who sent nothing, so that clients ask; 404 for who may not (composer.md §5).
func TestAPrivateRepository(t *testing.T) {
	h := open(t)
	h.Repository(registry.Repository{Ecosystem: "composer", Name: "secret", Kind: registry.Hosted, Visibility: registry.Private})
	a := h.put("/composer/secret/", simple(t, "acme/secret", "1.0.0"))
	if a.Status != http.StatusCreated {
		t.Fatalf("upload: %d %s", a.Status, a.Body)
	}
	dist := strings.TrimPrefix(value(t, a.Body, "dist", "url"), h.URL)
	reader, stranger := h.Token("bob", "read:composer/secret"), h.Token("carol", "read:composer/local")
	stale := "bondu_" + strings.Repeat("0", 36)
	for _, path := range []string{"/composer/secret/packages.json", "/composer/secret/p2/acme/secret.json", dist, "/composer/secret/search.json?q=x", "/composer/secret/packages/list.json"} {
		nobody := h.get(path)
		if nobody.Status != http.StatusUnauthorized || !strings.HasPrefix(nobody.Header.Get("Www-Authenticate"), "Basic ") || !strings.Contains(value(t, nobody.Body, "warning"), "composer config --global --auth http-basic.127.0.0.1:") {
			t.Errorf("%s for nobody: %d %s", path, nobody.Status, nobody.Body)
		}
		if b := h.get(path, doortest.Bearer(stranger)); b.Status != http.StatusNotFound {
			t.Errorf("%s for a stranger: %d %s", path, b.Status, b.Body)
		}
		may := h.get(path, doortest.Bearer(reader))
		if may.Status != http.StatusOK || !strings.HasPrefix(may.Header.Get("Cache-Control"), "private") && may.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s for a reader: %d %q", path, may.Status, may.Header.Get("Cache-Control"))
		}
		// A revoked token must not leave a client with its cached metadata (composer.md §2).
		want := http.StatusUnauthorized
		if strings.Contains(path, "/p2/") {
			want = http.StatusNotFound
		}
		if b := h.get(path, doortest.Bearer(stale)); b.Status != want {
			t.Errorf("%s with a stale token: %d, not %d", path, b.Status, want)
		}
	}
}

func TestAGroupTellsOnlyWhatItsCallerMayRead(t *testing.T) {
	h := open(t)
	h.Repository(registry.Repository{Ecosystem: "composer", Name: "secret", Kind: registry.Hosted, Visibility: registry.Private})
	h.Repository(registry.Repository{Ecosystem: "composer", Name: "all", Kind: registry.Group, Visibility: registry.Anonymous}, "local", "secret")
	h.published("", simple(t, "open/lib", "1.0.0", "provide", `{"psr/log-implementation":"1"}`))
	if a := h.put("/composer/secret/", simple(t, "hidden/lib", "1.0.0", "provide", `{"psr/log-implementation":"1"}`)); a.Status != http.StatusCreated {
		t.Fatal(a.Body)
	}
	for _, path := range []string{"packages.json", "packages/list.json", "search.json?q=", "providers/psr/log-implementation.json", "packages/list.json?type=library", "packages/list.json?fields[]=type"} {
		nobody, alice := h.body("/composer/all/"+path), h.body("/composer/all/"+path, doortest.Bearer(h.token))
		if strings.Contains(nobody, "hidden") || !strings.Contains(nobody, "open") || !strings.Contains(alice, "hidden") || !strings.Contains(alice, "open") {
			t.Errorf("%s: nobody reads %s, alice %s", path, nobody, alice)
		}
	}
	root := h.get("/composer/all/packages.json", doortest.Bearer(h.token))
	if !strings.HasPrefix(root.Header.Get("Cache-Control"), "private") || !strings.Contains(root.Header.Get("Vary"), "Authorization") {
		t.Errorf("a shared cache may keep what is alice's: %v", root.Header)
	}
	if root.Header.Get("Last-Modified") != "" {
		t.Error("what differs by reader must carry no time, or a client that changes its token keeps the other's copy")
	}
	if a := h.get("/composer/all/p2/hidden/lib.json"); a.Status != http.StatusUnauthorized {
		t.Errorf("hidden/lib for nobody: %d", a.Status)
	}
	body := h.body("/composer/all/p2/hidden/lib.json", doortest.Bearer(h.token))
	if !strings.Contains(body, h.URL+"/composer/all/dists/hidden/lib/") {
		t.Errorf("a group's documents stay below the group: %s", body)
	}
}

func TestTheFirstMemberOwnsAName(t *testing.T) {
	h := open(t)
	for _, name := range []string{"one", "two"} {
		h.Repository(registry.Repository{Ecosystem: "composer", Name: name, Kind: registry.Hosted, Visibility: registry.Anonymous})
	}
	h.Repository(registry.Repository{Ecosystem: "composer", Name: "both", Kind: registry.Group, Visibility: registry.Anonymous}, "one", "two")
	for repo, v := range map[string]string{"one": "1.0.0", "two": "9.0.0"} {
		if a := h.put("/composer/"+repo+"/", simple(t, "acme/lib", v)); a.Status != http.StatusCreated {
			t.Fatal(a.Body)
		}
	}
	if a := h.put("/composer/two/?version=dev-main", simple(t, "acme/lib", "")); a.Status != http.StatusCreated {
		t.Fatal(a.Body)
	}
	if got := versions(t, h.body("/composer/both/p2/acme/lib.json"), "acme/lib"); !slices.Equal(got, []string{"1.0.0"}) {
		t.Errorf("releases %v", got)
	}
	if got := versions(t, h.body("/composer/both/p2/acme/lib~dev.json"), "acme/lib"); len(got) != 0 {
		t.Errorf("branches %v come from another member", got)
	}
	if body := h.body("/composer/both/search.json?q=acme"); strings.Count(body, `"acme/lib"`) != 1 {
		t.Errorf("found twice: %s", body)
	}
	if body := h.body("/composer/both/packages/list.json"); body != `{"packageNames":["acme/lib"]}` {
		t.Errorf("listed: %s", body)
	}
}

// TestPatternsFollowThePackages: packages.json is fresh at once, and its time never hides a change.
func TestPatternsFollowThePackages(t *testing.T) {
	h := open(t)
	patterns := func() string {
		body := h.body("/composer/main/packages.json")
		_, rest, _ := strings.Cut(body, `"available-package-patterns":`)
		list, _, _ := strings.Cut(rest, "]")
		return list + "]"
	}
	if got := patterns(); got != `["!/*"]` {
		t.Errorf("an empty repository announces %s", got)
	}
	for _, name := range []string{"acme/lib", "acme-x/lib", "acme/other", "acme0/lib", "zed/lib"} {
		h.published("", simple(t, name, "1.0.0"))
	}
	if got := patterns(); got != `["acme-x/*","acme/*","acme0/*","zed/*"]` {
		t.Errorf("patterns %s", got)
	}
	if a := h.get("/composer/main/packages.json"); a.Header.Get("Last-Modified") != "" {
		t.Error("a time that a change of this second could hide behind was told")
	}
	h.Clock.Advance(5 * time.Second)
	a := h.get("/composer/main/packages.json")
	modified := a.Header.Get("Last-Modified")
	if b := h.get("/composer/main/packages.json", "If-Modified-Since: "+modified); modified == "" || b.Status != http.StatusNotModified {
		t.Errorf("settled: %q, %d", modified, b.Status)
	}
	h.published("", simple(t, "new/lib", "1.0.0"))
	if b := h.get("/composer/main/packages.json", "If-Modified-Since: "+modified); b.Status != http.StatusOK || !strings.Contains(b.Body, `"new/*"`) {
		t.Errorf("after a new vendor: %d %s", b.Status, b.Body)
	}
	h.change("zed/lib", func(c *registry.Change, p *registry.Project) error {
		return c.SetStatus(t.Context(), p, registry.Quarantined, "x")
	})
	h.change("acme0/lib", func(c *registry.Change, p *registry.Project) error { return c.DeleteProject(t.Context(), p, "x") })
	if got := patterns(); got != `["acme-x/*","acme/*","new/*","zed/*"]` {
		t.Errorf("a quarantined name is still owned here, a deleted one is not: %s", got)
	}
}

func TestManyVendorsAreAllFound(t *testing.T) {
	h := open(t)
	ctx := t.Context()
	repo, err := h.House.Registry.Repository(ctx, "composer", "local")
	if err != nil {
		t.Fatal(err)
	}
	err = h.House.Registry.Change(ctx, registry.Actor{}, func(c *registry.Change) error {
		for i := range 700 { // more than a page of one vendor, and pages of many
			for _, name := range []string{fmt.Sprintf("big/p%d", i), fmt.Sprintf("v%d/p", i)} {
				n := registry.Name{Display: name, Norm: name, Lookalike: name}
				v := registry.Version{Canonical: "1.0.0.0", Unique: "1.0.0.0"}
				if _, err := c.Publish(ctx, repo, registry.NewRelease{Name: n, Version: v, Record: []byte(`{"name":"` + name + `","version":"1.0.0"}`)}); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if body := h.body("/composer/main/packages.json"); strings.Count(body, `/*"`) != 701 {
		t.Errorf("%d patterns", strings.Count(body, `/*"`))
	}
	if body := h.body("/composer/main/packages/list.json?vendor=big"); strings.Count(body, `"big/`) != 700 {
		t.Errorf("%d names of the vendor", strings.Count(body, `"big/`))
	}
	if body := h.body("/composer/main/packages/list.json"); strings.Count(body, `/p`) != 1400 {
		t.Errorf("%d names", strings.Count(body, `/p`))
	}
}

// TestOneOfManyUploadsWins, on both engines: the same version at once with other bytes.
func TestOneOfManyUploadsWins(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, db *store.DB) {
		h := openOn(t, db)
		const n = 6
		zips, answers := make([]string, n), make([]doortest.Answer, n)
		for i := range zips {
			zips[i] = simple(t, "acme/lib", "1.0.0", "description", fmt.Sprintf(`"upload %d"`, i))
		}
		var wg sync.WaitGroup
		for i := range zips {
			wg.Go(func() {
				answers[i] = h.Do(http.MethodPut, "/composer/main/", zips[i], doortest.Bearer(h.token))
			})
		}
		wg.Wait()
		winner := -1
		for i, a := range answers {
			switch {
			case a.Status == http.StatusCreated && winner < 0:
				winner = i
			case a.Status == http.StatusConflict && strings.Contains(a.Body, "already published here"):
			default:
				t.Errorf("upload %d: %d %s", i, a.Status, a.Body)
			}
		}
		if winner < 0 {
			t.Fatal("nobody won")
		}
		body := h.body("/composer/main/p2/acme/lib.json")
		if got := versions(t, body, "acme/lib"); len(got) != 1 || !strings.Contains(body, fmt.Sprintf("upload %d", winner)) {
			t.Errorf("published: %s", body)
		}
	})
}

// TestEveryDocumentOnBothEngines reads each document once where SQL may differ.
func TestEveryDocumentOnBothEngines(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, db *store.DB) {
		h := openOn(t, db)
		url := h.published("", simple(t, "acme/lib", "1.0.0", "replace", `{"acme/part":"self.version"}`))
		h.published("?version=dev-main", simple(t, "acme/lib", "", "description", `"one"`))
		h.published("?version=dev-main", simple(t, "acme/lib", "", "description", `"two"`))
		h.body(url)
		for path, want := range map[string]string{
			"packages.json": `"acme/*"`, "p2/acme/lib.json": `"1.0.0"`, "p2/acme/lib~dev.json": `"two"`, "packages/list.json": `["acme/lib"]`,
			"packages/list.json?filter=acme/*": `["acme/lib"]`, "packages/list.json?filter=ac%00me": `[]`, "packages/list.json?filter=%FF*": `[]`,
			"packages/list.json?vendor=zed": `[]`, "packages/list.json?type=library": `["acme/lib"]`, "packages/list.json?type=x": `[]`,
			"packages/list.json?filter=*e/l*b": `["acme/lib"]`, "packages/list.json?filter=acme/lib": `["acme/lib"]`, "packages/list.json?filter=*x*": `[]`,
			"packages/list.json?fields[]=type&fields[]=abandoned": `{"packages":{"acme/lib":{"abandoned":null,"type":"library"}}}`,
			"search.json?q=about": `"acme/lib"`, "search.json?q=%00%FF": `"total":1`, "search.json?q=lib&type=library&per_page=1": `"total":1`,
			"search.json?q=lib&type=project": `"total":0`, "providers/acme/part.json": `"name":"acme/lib"`, "providers/acme/none.json": `[]`,
			"packages/acme/lib.json": `"dev-main"`, "metadata/changes.json?since=0": `"acme/lib~dev"`,
		} {
			if path == "metadata/changes.json?since=0" {
				path = strings.Replace(path, "main", "local", 1)
			}
			if body := h.body("/composer/local/" + path); !strings.Contains(body, want) {
				t.Errorf("%s: %s; want %s", path, body, want)
			}
		}
	})
}

// TestPrivateGroupsStayOutOfSharedCaches: what a private group answers is private, although its member is open to all.
func TestPrivateGroupsStayOutOfSharedCaches(t *testing.T) {
	h := open(t)
	h.published("", simple(t, "open/lib", "1.0.0"))
	h.Repository(registry.Repository{Ecosystem: "composer", Name: "inner", Kind: registry.Group, Visibility: registry.Private}, "local")
	for _, path := range []string{"/composer/inner/packages.json", "/composer/inner/p2/open/lib.json", "/composer/inner/packages/list.json"} {
		a := h.get(path, doortest.Bearer(h.token))
		if a.Status != http.StatusOK || !strings.Contains(a.Header.Get("Cache-Control"), "private") {
			t.Errorf("%s: %d, Cache-Control %q", path, a.Status, a.Header.Get("Cache-Control"))
		}
	}
}
