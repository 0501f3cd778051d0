package npm

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"bonded/internal/door/doortest"
	"bonded/internal/registry"
)

const plainJSON = `{"name":"plain","version":"1.0.0"}`

func TestPublishRefusals(t *testing.T) {
	env := house(t)
	alice := env.Token("alice")
	as(t, env, alice).publish("taken", "1.0.0")
	plain := func() *document { return publication(t, plainJSON, nil) }
	for rule, c := range map[string]struct {
		token  string
		path   string
		body   func() string
		status int
		says   string
	}{
		"no token":                   {"-", "/plain", plain().body, 401, "You must authenticate to publish"},
		"a token that nobody made":   {"bondu_000000000000000000000000000000000000", "/plain", plain().body, 401, "not valid here"},
		"a token that may only read": {env.Token("reader", "read"), "/plain", plain().body, 403, "may not publish"},
		"a token for another scope":  {env.Token("narrow", "publish:npm/local:@acme/*"), "/plain", plain().body, 403, "may not publish to plain"},
		"somebody else's package": {
			env.Token("bob"), "/taken", publication(t, `{"name":"taken","version":"2.0.0"}`, nil).body, 403, "bob does not own taken",
		},
		"a used version with other bytes": {
			alice, "/taken", publication(t, `{"name":"taken","version":"1.0.0"}`, map[string]string{"new.js": ""}).body, 403,
			"You cannot publish over the previously published versions: 1.0.0.",
		},
		"a used version by build metadata": {
			alice, "/taken", publication(t, `{"name":"taken","version":"1.0.0+other"}`, nil).body, 403,
			"You cannot publish over the previously published versions: 1.0.0.",
		},
		"a name too similar to another": {
			alice, "/t-aken", publication(t, `{"name":"t-aken","version":"1.0.0"}`, nil).body, 403, "too similar to the existing project \"taken\"",
		},
		"a document about another package": {alice, "/other", plain().body, 400, `about "plain", but was sent to the address of "other"`},
		"two versions": {alice, "/plain", func() string {
			d := plain()
			d.top["versions"] = map[string]any{"1.0.0": d.manifest, "0.9.0": d.manifest}
			return d.body()
		}, 400, "exactly one version; this one has 2"},
		"no version": {alice, "/plain", func() string {
			d := plain()
			d.top["versions"] = map[string]any{}
			return d.body()
		}, 400, "exactly one version; this one has 0"},
		"two tarballs": {alice, "/plain", func() string {
			d := plain()
			a := map[string]any{"data": base64.StdEncoding.EncodeToString(d.tarball)}
			d.top["_attachments"] = map[string]any{"plain-1.0.0.tgz": a, "plain-1.0.1.tgz": a}
			return d.body()
		}, 400, "more than one tarball"},
		"a tarball of another name": {alice, "/plain", func() string {
			d := plain()
			d.top["_attachments"] = map[string]any{"other-1.0.0.tgz": map[string]any{"data": base64.StdEncoding.EncodeToString(d.tarball)}}
			return d.body()
		}, 400, `"other-1.0.0.tgz" is not that of plain@1.0.0`},
		"another length": {alice, "/plain", func() string {
			d := plain()
			d.top["_attachments"] = map[string]any{"plain-1.0.0.tgz": map[string]any{"data": base64.StdEncoding.EncodeToString(d.tarball), "length": 1}}
			return d.body()
		}, 400, "says it has 1 bytes"},
		"no base64": {alice, "/plain", func() string {
			d := plain()
			d.top["_attachments"] = map[string]any{"plain-1.0.0.tgz": map[string]any{"data": "!!!!"}}
			return d.body()
		}, 400, "not plain base64"},
		"another sha512": {alice, "/plain", func() string {
			d := plain()
			d.manifest["dist"] = map[string]any{"integrity": "sha512-" + base64.StdEncoding.EncodeToString(make([]byte, 64))}
			return d.body()
		}, 400, "dist.integrity says"},
		"another sha1": {alice, "/plain", func() string {
			d := plain()
			d.manifest["dist"] = map[string]any{"shasum": strings.Repeat("0", 40)}
			return d.body()
		}, 400, "dist.shasum says"},
		"no tarball at all": {alice, "/plain", func() string {
			d := plain()
			d.top["_attachments"] = map[string]any{}
			return d.body()
		}, 404, `has a project named "plain"`},
		"a tarball that is none": {alice, "/plain", func() string {
			d := plain()
			d.tarball = []byte("not a tarball")
			return d.body()
		}, 400, "archive/gzip"},
		"no package.json": {alice, "/plain", func() string {
			d := plain()
			d.tarball = pack(t, map[string]string{"index.js": ""})
			return d.body()
		}, 400, "no package.json in its top directory"},
		"a package.json that is no JSON": {alice, "/plain", func() string {
			d := plain()
			d.tarball = pack(t, map[string]string{"package.json": "{"})
			return d.body()
		}, 400, "cannot be read"},
		"a package.json that is a list": {alice, "/plain", func() string {
			d := plain()
			d.tarball = pack(t, map[string]string{"package.json": "[]"})
			return d.body()
		}, 400, "not a JSON object"},
		"a private package": {
			alice, "/plain", publication(t, `{"name":"plain","version":"1.0.0","private":true}`, nil).body, 400, "Remove the private field",
		},
		"a path out of the package": {alice, "/plain", func() string {
			d := plain()
			d.tarball = pack(t, map[string]string{"package.json": plainJSON, "../../etc/cron.d/x": "x"})
			return d.body()
		}, 400, "archive/path-traversal"},
		"a tag that is a range": {alice, "/plain", func() string {
			d := plain()
			d.tags = map[string]string{"1.x": "1.0.0"}
			return d.body()
		}, 400, `"1.x" cannot be a tag`},
		"a tag on another version": {alice, "/plain", func() string {
			d := plain()
			d.tags = map[string]string{"latest": "0.9.0"}
			return d.body()
		}, 400, "not the version being published"},
		"provenance": {alice, "/plain", func() string {
			d := plain()
			d.top["_attachments"] = map[string]any{
				"plain-1.0.0.tgz":      map[string]any{"data": base64.StdEncoding.EncodeToString(d.tarball)},
				"plain-1.0.0.sigstore": map[string]any{"data": `{"mediaType":"x"}`},
			}
			return d.body()
		}, 422, "Error verifying sigstore provenance bundle"},
		"an upper-case name":     {alice, "/Plain", publication(t, `{"name":"Plain","version":"1.0.0"}`, nil).body, 400, "npm/name-case"},
		"a core module":          {alice, "/http", publication(t, `{"name":"http","version":"1.0.0"}`, nil).body, 400, "npm/name-core-module"},
		"no semver":              {alice, "/plain", publication(t, `{"name":"plain","version":"1.0"}`, nil).body, 400, "npm/version-semver"},
		"a body that is no JSON": {alice, "/plain", func() string { return "hello" }, 400, "not well-formed JSON"},
		"a body that ends":       {alice, "/plain", func() string { return plain().body()[:200] }, 400, "npm/publish-body"},
		"a body that goes on":    {alice, "/plain", func() string { return plain().body() + "{}" }, 400, "something follows its end"},
		"a member twice":         {alice, "/plain", func() string { return `{"name":"plain",` + plain().body()[1:] }, 400, `"name" comes twice`},
		"too large a tarball": {alice, "/plain", func() string {
			d := plain()
			d.tarball = make([]byte, doortest.FileLimit+1)
			return d.body()
		}, 413, "larger than 8388608 bytes"},
		"too large a manifest": {alice, "/plain", func() string {
			d := plain()
			d.manifest["readme"] = strings.Repeat("x", maxMetadata)
			return d.body()
		}, 413, "npm/metadata-size"},
	} {
		t.Run(rule, func(t *testing.T) {
			token := c.token
			if token == "-" {
				token = ""
			}
			a := as(t, env, token).want(c.status, http.MethodPut, c.path, c.body())
			if got := sentence(t, a); !strings.Contains(got, c.says) {
				t.Errorf("%s\nsays nothing of %s", got, c.says)
			}
		})
	}
	for _, path := range []string{"/plain", "/Plain", "/t-aken", "/other"} {
		as(t, env, "").want(http.StatusNotFound, http.MethodGet, path, "") // nothing was left behind
	}
	repo, err := env.House.Registry.Repository(t.Context(), "npm", "local")
	if err != nil {
		t.Fatal(err)
	}
	if u, err := env.House.Registry.Usage(t.Context(), repo); err != nil || u.Files != 1 {
		t.Errorf("%d files, %v", u.Files, err)
	}
}

func TestTheManifestMustBeTheTarballs(t *testing.T) {
	const pkg = `{"name":"plain","version":"1.0.0","bin":{"cli":"index.js"},"scripts":{"install":"make","test":"true"},
		"dependencies":{"a":"^1.0.0","g":"acme/g"},"optionalDependencies":{"o":"1"},"peerDependencies":{"p":">=1"},"bundleDependencies":["a"]}`
	bends := map[string]struct {
		bend func(m map[string]any)
		says string // empty: accepted
	}{
		"same":                         {func(map[string]any) {}, ""},
		"a requirement changed":        {set("dependencies", map[string]any{"a": "^2.0.0", "g": "acme/g"}), `dependencies["a"] is "^1.0.0" in the tarball and "^2.0.0" in the manifest`},
		"a requirement dropped":        {set("dependencies", map[string]any{"g": "acme/g"}), `dependencies["a"] is "^1.0.0" in the tarball and "*" in the manifest`},
		"a git host spelled out":       {set("dependencies", map[string]any{"a": "^1.0.0", "g": "github:acme/g"}), ""},
		"another git repository":       {set("dependencies", map[string]any{"a": "^1.0.0", "g": "github:evil/g"}), `dependencies["g"]`},
		"optional ones repeated":       {set("dependencies", map[string]any{"a": "^1.0.0", "g": "acme/g", "o": "1"}), ""},
		"an optional one dropped":      {set("optionalDependencies", map[string]any{}), `optionalDependencies["o"] is "1" in the tarball and absent in the manifest`},
		"a peer changed":               {set("peerDependencies", map[string]any{"p": "*"}), `peerDependencies["p"]`},
		"an optional peer":             {set("peerDependenciesMeta", map[string]any{"p": map[string]any{"optional": true}}), `peerDependenciesMeta["p"]`},
		"an install script dropped":    {set("scripts", map[string]any{"test": "true"}), `scripts["install"] is "make" in the tarball and absent in the manifest`},
		"an install script changed":    {set("scripts", map[string]any{"install": "rm -rf /"}), `scripts["install"]`},
		"another script changed":       {set("scripts", map[string]any{"install": "make", "test": "false"}), ""},
		"a command changed":            {set("bin", map[string]any{"cli": "other.js"}), `bin["cli"] is "index.js" in the tarball and "other.js" in the manifest`},
		"a command spelled otherwise":  {set("bin", map[string]any{"./x/cli": "./lib/../index.js"}), ""},
		"fewer bundled":                {set("bundleDependencies", []any{}), `bundleDependencies`},
		"another description":          {set("description", "something else"), ""},
		"a version with a v":           {set("version", "v1.0.0"), ""},
		"everything else at once":      {set("name", "x"), `name is "plain" in the tarball and "x" in the manifest`},
		"a script no client invents":   {set("scripts", map[string]any{"install": nodeGyp}), `scripts["install"]`},
		"a member in another case":     {set("Dependencies", map[string]any{"evil": "1"}), ""},
		"a list of bundled, duplicate": {set("bundledDependencies", []any{"a", "a"}), ""},
	}
	env := house(t)
	c := as(t, env, env.Token("alice"))
	for what, b := range bends {
		t.Run(what, func(t *testing.T) {
			d := publication(t, pkg, nil)
			b.bend(d.manifest)
			a := c.do(http.MethodPut, "/plain", d.body())
			if b.says == "" {
				if a.Status != http.StatusCreated && a.Status != http.StatusOK {
					t.Errorf("refused: %s", a.Body)
				}
				return
			}
			if got := sentence(t, a); a.Status != http.StatusBadRequest || !strings.Contains(got, b.says) {
				t.Errorf("%d %s\nsays nothing of %s", a.Status, got, b.says)
			}
		})
	}
	// What is served is the tarball's, whoever sent what beside it.
	if got := at(c.packument("plain"), "versions", "1.0.0", "description"); got != nil {
		t.Errorf("description %v was served, which the tarball does not have", got)
	}
}

func set(name string, value any) func(map[string]any) {
	return func(m map[string]any) { m[name] = value }
}

func TestTheSameBytesAgainAreASuccess(t *testing.T) {
	env := house(t)
	c := as(t, env, env.Token("alice"))
	body := publication(t, plainJSON, nil).body()
	c.want(http.StatusCreated, http.MethodPut, "/plain", body)
	a := c.want(http.StatusOK, http.MethodPut, "/plain", body)
	if got := a.Header.Get("Npm-Notice"); !strings.Contains(got, "nothing changed") {
		t.Errorf("npm-notice: %q", got)
	}
}

func TestLatestIsSetOnceAndThenObeysTheTag(t *testing.T) {
	env := house(t)
	c := as(t, env, env.Token("alice"))
	for _, step := range []struct{ version, tag, latest string }{
		{"1.0.0-beta.1", "beta", "1.0.0-beta.1"},
		{"1.0.0-beta.2", "beta", "1.0.0-beta.1"},
		{"1.0.0", "latest", "1.0.0"},
		{"2.0.0", "next", "1.0.0"},
		{"1.0.1", "latest", "1.0.1"},
	} {
		d := publication(t, `{"name":"tagged","version":"`+step.version+`"}`, nil)
		d.tags = map[string]string{step.tag: step.version}
		c.want(http.StatusCreated, http.MethodPut, "/tagged", d.body())
		tags := decode(t, c.want(http.StatusOK, http.MethodGet, "/-/package/tagged/dist-tags", "").Body)
		if tags["latest"] != step.latest || tags[step.tag] != step.version {
			t.Errorf("after %s as %s: %v", step.version, step.tag, tags)
		}
	}
}

func TestRestrictedAccessOnAnOpenRepositoryIsExplained(t *testing.T) {
	env := house(t)
	c := as(t, env, env.Token("alice"))
	d := publication(t, plainJSON, nil)
	d.top["access"] = "restricted"
	a := c.want(http.StatusCreated, http.MethodPut, "/plain", d.body())
	if got := a.Header.Get("Npm-Notice"); !strings.Contains(got, "everybody may read npm/local") {
		t.Errorf("npm-notice: %q", got)
	}
}

func TestPublishesAtOnceLoseNothing(t *testing.T) { onEngines(t, publishesAtOnceLoseNothing) }

func publishesAtOnceLoseNothing(t *testing.T, env *doortest.Env) {
	token := env.Token("alice")
	const n = 12
	statuses := make([]int, 2*n)
	var wg sync.WaitGroup
	for i := range n {
		body := publication(t, fmt.Sprintf(`{"name":"many","version":"1.0.%d"}`, i), nil).body()
		// Each version has a rival with other bytes.
		rival := publication(t, fmt.Sprintf(`{"name":"many","version":"1.0.%d"}`, i), map[string]string{"rival": ""}).body()
		for k, b := range []string{body, rival} {
			wg.Go(func() { statuses[2*i+k] = env.Do(http.MethodPut, "/npm/main/many", b, doortest.Bearer(token)).Status })
		}
	}
	wg.Wait()
	for i := range n {
		if a, b := statuses[2*i], statuses[2*i+1]; a+b != http.StatusCreated+http.StatusForbidden {
			t.Errorf("1.0.%d: %d and %d, not one success and one refusal", i, a, b)
		}
	}
	if got := len(at(as(t, env, "").packument("many"), "versions").(map[string]any)); got != n { //nolint:forcetypeassert // a panic fails the test
		t.Errorf("%d versions of %d", got, n)
	}
}

func TestUploadsToAGroupGoToItsHostedMember(t *testing.T) {
	env := house(t)
	env.Repository(registry.Repository{Ecosystem: "npm", Name: "second", Kind: registry.Hosted, Visibility: registry.Anonymous})
	env.Repository(registry.Repository{Ecosystem: "npm", Name: "all", Kind: registry.Group, Visibility: registry.Anonymous}, "second", "local")
	c := as(t, env, env.Token("alice"))
	c.publish("both", "1.0.0")
	c.base = "/npm/second"
	c.publish("both", "2.0.0")
	c.publish("only-second", "1.0.0")
	c.base = "/npm/all"
	doc := c.packument("both")
	if at(doc, "versions", "1.0.0") != nil || at(doc, "versions", "2.0.0") == nil {
		t.Errorf("the first member that owns the name does not answer alone: %v", doc["versions"])
	}
	url, _ := at(doc, "versions", "2.0.0", "dist", "tarball").(string)
	if want := env.URL + "/npm/all/both/-/both-2.0.0.tgz"; url != want {
		t.Errorf("tarball: %s, want %s", url, want)
	}
	c.want(http.StatusOK, http.MethodGet, "/both/-/both-2.0.0.tgz", "")
	c.want(http.StatusNotFound, http.MethodGet, "/both/-/both-1.0.0.tgz", "")
	c.publish("new", "1.0.0")
	c.base = "/npm/second"
	c.packument("new")
	c.base = "/npm/main"
	c.want(http.StatusNotFound, http.MethodGet, "/new", "")
}

func TestAPrivateRepositoryIsReadWithATokenOnly(t *testing.T) {
	env := house(t)
	env.Settings("npm", "local", func(r *registry.Repository) { r.Visibility = registry.Private })
	c := as(t, env, env.Token("alice"))
	c.base = "/npm/local"
	c.publish("secret", "1.0.0")
	anyone, stranger := as(t, env, ""), as(t, env, env.Token("stranger", "read:npm/other"))
	anyone.base, stranger.base = c.base, c.base
	for _, path := range []string{"/secret", "/secret/-/secret-1.0.0.tgz", "/-/v1/search?text=secret", "/_changes", "/-/whoami"} {
		a := anyone.want(http.StatusUnauthorized, http.MethodGet, path, "")
		sentence(t, a)
		if got := a.Header.Get("WWW-Authenticate"); got != "" {
			t.Errorf("WWW-Authenticate %q hides the sentence from npm's users", got)
		}
		stranger.want(http.StatusNotFound, http.MethodGet, path, "")
	}
	a := c.want(http.StatusOK, http.MethodGet, "/secret", "")
	if got := a.Header.Get("Cache-Control"); !strings.Contains(got, "private") {
		t.Errorf("Cache-Control: %q", got)
	}
	if got := a.Header.Get("Vary"); !strings.Contains(got, "Authorization") {
		t.Errorf("Vary: %q", got)
	}
	// Behind a group that everybody may read, it stays closed.
	group := as(t, env, "")
	group.want(http.StatusUnauthorized, http.MethodGet, "/secret", "")
	if got := decode(t, group.want(http.StatusOK, http.MethodGet, "/-/v1/search?text=secret", "").Body)["total"]; got != 0.0 {
		t.Errorf("the search shows %v private packages", got)
	}
	// npm's _auth: the token as the password of any user.
	basic := "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("x:"+strings.TrimPrefix(c.auth, "Authorization: Bearer ")))
	anyone.want(http.StatusOK, http.MethodGet, "/secret", "", basic)
}
