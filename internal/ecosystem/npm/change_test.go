package npm

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"bonded/internal/door/doortest"
	"bonded/internal/registry"
)

func TestAMetadataDocumentChangesDeprecationsOnly(t *testing.T) {
	env := house(t)
	c := as(t, env, env.Token("alice"))
	c.publish("foo", "1.0.0")
	c.publish("foo", "1.1.0")
	before := c.packument("foo")
	doc := c.packument("foo")
	versions, _ := doc["versions"].(map[string]any)
	v, _ := versions["1.0.0"].(map[string]any)
	v["deprecated"] = "use 1.1"
	v["dist"] = map[string]any{"tarball": "http://evil.example.test/x.tgz", "integrity": "sha512-x"}
	v["dependencies"] = map[string]any{"evil": "*"}
	v["bin"] = map[string]any{"ls": "evil.js"}
	v["scripts"] = map[string]any{"postinstall": "evil"}
	versions["1.1.0"] = map[string]any{}
	doc["dist-tags"] = map[string]any{"latest": "1.0.0", "evil": "1.0.0"}
	doc["maintainers"] = []any{map[string]any{"name": "mallory"}}
	doc["readme"] = "evil"
	body, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	c.want(http.StatusOK, http.MethodPut, "/foo", string(body))
	after := c.packument("foo")
	if got := at(after, "versions", "1.0.0", "deprecated"); got != "use 1.1" {
		t.Errorf("deprecated: %v", got)
	}
	got, _ := at(after, "versions", "1.0.0").(map[string]any)
	delete(got, "deprecated")
	for _, d := range []map[string]any{before, after} {
		delete(d, "_rev")
		times, _ := d["time"].(map[string]any)
		delete(times, "modified")
	}
	if a, b := string(marshal(before)), string(marshal(after)); a != b {
		t.Errorf("more than the deprecation changed:\nbefore %s\nafter  %s", a, b)
	}
	c.want(http.StatusOK, http.MethodPut, "/foo", `{"_id":"foo","versions":{"1.0.0":{"deprecated":""},"1.1.0":{}}}`)
	if got := at(c.packument("foo"), "versions", "1.0.0", "deprecated"); got != nil {
		t.Errorf("an empty message leaves %v", got)
	}
}

func TestMetadataDocumentsCannotDoMore(t *testing.T) {
	env := house(t)
	alice, bob := as(t, env, env.Token("alice")), as(t, env, env.Token("bob"))
	alice.publish("foo", "1.0.0")
	marker := as(t, env, env.Token("alice", "yank:npm/local:foo"))
	marker.want(http.StatusOK, http.MethodPut, "/foo", `{"versions":{"1.0.0":{"deprecated":"old"}}}`)
	for what, c := range map[string]struct {
		by     *client
		path   string
		body   string
		status int
		says   string
	}{
		"add a version":         {alice, "/foo", `{"versions":{"1.0.0":{},"9.9.9":{"name":"foo","version":"9.9.9"}}}`, 400, "cannot add one"},
		"seed a package":        {alice, "/bar", `{"versions":{"1.0.0":{"name":"bar"}}}`, 404, "has a project named"},
		"null a version":        {alice, "/foo", `{"versions":{"1.0.0":null}}`, 400, "is not an object"},
		"name another package":  {alice, "/foo", `{"_id":"bar","versions":{"1.0.0":{}}}`, 400, "was sent to the address of"},
		"star":                  {alice, "/foo", `{"_id":"foo","users":{"alice":true}}`, 403, "keeps no stars"},
		"say nothing":           {alice, "/foo", `{}`, 400, "neither a tarball nor versions"},
		"deprecate as stranger": {bob, "/foo", `{"versions":{"1.0.0":{"deprecated":"mine"}}}`, 403, "does not own foo"},
		"publish with a marker": {marker, "/foo", publication(t, `{"name":"foo","version":"1.1.0"}`, nil).body(), 403, "may not publish"},
		"shout":                 {alice, "/foo", `{"versions":{"1.0.0":{"deprecated":"` + strings.Repeat("x", maxDeprecation+1) + `"}}}`, 413, "at most 4096 bytes"},
	} {
		if got := sentence(t, c.by.want(c.status, http.MethodPut, c.path, c.body)); !strings.Contains(got, c.says) {
			t.Errorf("%s: %s\nsays nothing of %s", what, got, c.says)
		}
	}
	if got := at(alice.packument("foo"), "versions", "1.0.0", "deprecated"); got != "old" {
		t.Errorf("deprecated: %v", got)
	}
}

func TestDistTags(t *testing.T) { onEngines(t, distTags) }

func distTags(t *testing.T, env *doortest.Env) {
	c := as(t, env, env.Token("alice"))
	c.publish("@s/foo", "1.0.0")
	c.publish("@s/foo", "2.0.0")
	const tags = "/-/package/@s%2ffoo/dist-tags"
	c.want(http.StatusCreated, http.MethodPut, tags+"/stable", `"1.0.0"`)
	c.want(http.StatusCreated, http.MethodPost, "/-/package/@s/foo/dist-tags", `{"old":"1.0.0","new":"v2.0.0"}`)
	c.want(http.StatusOK, http.MethodDelete, tags+"/old", "")
	got := c.want(http.StatusOK, http.MethodGet, tags, "").Body
	if want := `{"latest":"2.0.0","new":"2.0.0","stable":"1.0.0"}`; got != want {
		t.Errorf("tags %s, want %s", got, want)
	}
	if v := decode(t, c.want(http.StatusOK, http.MethodGet, "/@s%2ffoo/stable", "").Body)["version"]; v != "1.0.0" {
		t.Errorf("stable is %v", v)
	}
	bob := as(t, env, env.Token("bob"))
	for what, r := range map[string]struct {
		by           *client
		method, path string
		body         string
		status       int
		says         string
	}{
		"a version that is not there": {c, http.MethodPut, tags + "/x-tag", `"9.9.9"`, 404, "no version 9.9.9"},
		"no version":                  {c, http.MethodPut, tags + "/x-tag", `"nine"`, 400, "npm/version-semver"},
		"a range as a tag":            {c, http.MethodPut, tags + "/%5E1.0", `"1.0.0"`, 400, "cannot be a tag"},
		"a tag with a slash":          {c, http.MethodPut, tags + "/a%2fb", `"1.0.0"`, 400, "characters that URLs escape"},
		"no JSON":                     {c, http.MethodPut, tags + "/x-tag", `1.0.0`, 400, "not the JSON"},
		"latest removed":              {c, http.MethodDelete, tags + "/latest", "", 403, "cannot be removed"},
		"a tag that is not there":     {c, http.MethodDelete, tags + "/nope", "", 404, `no tag "nope"`},
		"by a stranger":               {bob, http.MethodPut, tags + "/mine", `"1.0.0"`, 403, "bob does not own @s/foo"},
		"by nobody":                   {as(t, env, ""), http.MethodDelete, tags + "/stable", "", 401, "authenticate"},
		"of no package":               {c, http.MethodGet, "/-/package/nope/dist-tags", "", 404, "has a project named"},
	} {
		if got := sentence(t, r.by.want(r.status, r.method, r.path, r.body)); !strings.Contains(got, r.says) {
			t.Errorf("%s: %s\nsays nothing of %s", what, got, r.says)
		}
	}
}

func rev(c *client, name string) string {
	s, _ := c.packument(name)["_rev"].(string)
	return s
}

func TestOwners(t *testing.T) { onEngines(t, owners) }

func owners(t *testing.T, env *doortest.Env) {
	alice, bob := as(t, env, env.Token("alice")), as(t, env, env.Token("bob"))
	alice.publish("foo", "1.0.0")
	put := func(c *client, status int, rev, people, says string) {
		t.Helper()
		a := c.want(status, http.MethodPut, "/foo/-rev/"+rev, `{"_id":"foo","_rev":"`+rev+`","maintainers":`+people+`}`)
		if !strings.Contains(a.Body, says) {
			t.Errorf("%s\nsays nothing of %s", a.Body, says)
		}
	}
	look := alice.want(http.StatusOK, http.MethodGet, "/-/user/org.couchdb.user:bob", "")
	if u := decode(t, look.Body); u["name"] != "bob" || u["email"] != "bob@example.test" {
		t.Errorf("bob looks like %v", u)
	}
	put(bob, 403, rev(alice, "foo"), `[{"name":"bob"}]`, "bob does not own foo")
	put(alice, 404, rev(alice, "foo"), `[{"name":"alice"},{"name":"nobody"}]`, "no such account")
	put(alice, 409, "1-bonded", `[{"name":"alice"},{"name":"bob"}]`, "npm/stale-revision")
	put(alice, 409, "undefined", `[{"name":"bob"}]`, "Use npm for this command")
	put(alice, 403, rev(alice, "foo"), `[]`, "without an owner")
	put(alice, 400, rev(alice, "foo"), `[{"email":"x"}]`, "a maintainer has no name")
	put(alice, 200, rev(alice, "foo"), `[{"name":"alice","email":"a@x"},{"name":"bob","email":"b@x"}]`, "ok")
	bob.publish("foo", "1.1.0")
	put(bob, 200, rev(bob, "foo"), `["bob <b@x>"]`, "ok")
	if got := alice.want(http.StatusOK, http.MethodGet, "/-/package/foo/collaborators", "").Body; got != `{"bob":"write"}` {
		t.Errorf("collaborators: %s", got)
	}
	put(alice, 403, rev(alice, "foo"), `[{"name":"alice"}]`, "alice does not own foo")
	as(t, env, "").want(http.StatusUnauthorized, http.MethodGet, "/-/user/org.couchdb.user:bob", "")
	alice.want(http.StatusNotFound, http.MethodGet, "/-/user/org.couchdb.user:nobody", "")
	if got := bob.want(http.StatusOK, http.MethodGet, "/-/user/bob/package", "").Body; got != `{"foo":"write"}` {
		t.Errorf("packages of bob: %s", got)
	}
}

// unpublish does what `npm unpublish foo@VERSION` does.
func unpublish(c *client, name, version string) (status int, body string) {
	c.t.Helper()
	doc := c.packument(name)
	versions, _ := doc["versions"].(map[string]any)
	delete(versions, version)
	a := c.do(http.MethodPut, "/"+EscapeName(name)+"/-rev/"+doc["_rev"].(string), string(marshal(doc))) //nolint:forcetypeassert // a panic fails the test
	if a.Status != http.StatusOK {
		return a.Status, a.Body
	}
	second := c.packument(name)
	return c.do(http.MethodDelete, "/"+tarballPath(name, version)+"/-rev/"+second["_rev"].(string), "").Status, a.Body //nolint:forcetypeassert // see above
}

func TestUnpublish(t *testing.T) { onEngines(t, unpublishes) }

func unpublishes(t *testing.T, env *doortest.Env) {
	alice, bob := as(t, env, env.Token("alice")), as(t, env, env.Token("bob"))
	alice.publish("@s/foo", "1.0.0")
	alice.publish("@s/foo", "1.1.0")
	alice.publish("@s/foo", "2.0.0-rc.1")
	alice.want(http.StatusCreated, http.MethodPut, "/-/package/@s%2ffoo/dist-tags/latest", `"1.1.0"`)
	if status, body := unpublish(bob, "@s/foo", "1.1.0"); status != http.StatusForbidden {
		t.Errorf("a stranger: %d %s", status, body)
	}
	if status, body := unpublish(alice, "@s/foo", "1.1.0"); status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	doc := alice.packument("@s/foo")
	if at(doc, "versions", "1.1.0") != nil || at(doc, "dist-tags", "latest") != "1.0.0" {
		t.Errorf("after the unpublish: %v %v", doc["versions"], doc["dist-tags"])
	}
	alice.want(http.StatusNotFound, http.MethodGet, "/@s/foo/-/foo-1.1.0.tgz", "")
	again := publication(t, `{"name":"@s/foo","version":"1.1.0"}`, nil)
	if got := sentence(t, alice.want(http.StatusForbidden, http.MethodPut, "/@s%2ffoo", again.body())); !strings.Contains(got, "You cannot publish over the previously published versions: 1.1.0.") {
		t.Error(got)
	}
	stale := alice.want(http.StatusConflict, http.MethodPut, "/@s%2ffoo/-rev/1-bonded", `{"versions":{}}`)
	if !strings.Contains(stale.Body, "npm/stale-revision") {
		t.Error(stale.Body)
	}
	alice.want(http.StatusConflict, http.MethodDelete, "/@s%2ffoo/-rev/1-bonded", "")
	alice.want(http.StatusConflict, http.MethodDelete, "/@s/foo/-/foo-1.0.0.tgz/-rev/1-bonded", "")
	bob.want(http.StatusForbidden, http.MethodDelete, "/@s%2ffoo/-rev/"+rev(bob, "@s/foo"), "")
	alice.want(http.StatusOK, http.MethodDelete, "/@s%2ffoo/-rev/"+rev(alice, "@s/foo"), "")
	alice.want(http.StatusNotFound, http.MethodGet, "/@s%2ffoo", "")
	alice.want(http.StatusForbidden, http.MethodPut, "/@s%2ffoo", publication(t, `{"name":"@s/foo","version":"3.0.0"}`, nil).body())
}

func TestATarballCanBeDeletedAlone(t *testing.T) {
	env := house(t)
	c := as(t, env, env.Token("alice"))
	c.publish("foo", "1.0.0")
	c.publish("foo", "1.1.0")
	c.want(http.StatusOK, http.MethodDelete, "/foo/-/foo-1.1.0.tgz/-rev/"+rev(c, "foo"), "")
	if got := at(c.packument("foo"), "dist-tags", "latest"); got != "1.0.0" {
		t.Errorf("latest: %v", got)
	}
	c.want(http.StatusNotFound, http.MethodDelete, "/foo/-/bar-1.0.0.tgz/-rev/1", "")
	c.want(http.StatusOK, http.MethodPut, "/foo/-rev/"+rev(c, "foo"), `{"_id":"foo","versions":{}}`)
	if got := sentence(t, c.want(http.StatusNotFound, http.MethodGet, "/foo", "")); !strings.Contains(got, "all of them were unpublished") {
		t.Error(got)
	}
	c.publish("foo", "1.2.0") // the package itself was not unpublished
	if got := at(c.packument("foo"), "dist-tags", "latest"); got != "1.2.0" {
		t.Errorf("latest: %v", got)
	}
}

func TestUnpublishPolicy(t *testing.T) {
	env := house(t)
	c := as(t, env, env.Token("alice"))
	refused := func(version, says string) {
		t.Helper()
		status, body := unpublish(c, "foo", version)
		if status != http.StatusMethodNotAllowed || !strings.Contains(body, says) || !strings.Contains(body, "npm deprecate foo@"+version) {
			t.Errorf("%d %s", status, body)
		}
	}
	c.publish("foo", "1.0.0")
	env.Clock.Advance(72*time.Hour + time.Minute)
	c.publish("foo", "1.1.0")
	c.publish("foo", "1.2.0")
	refused("1.0.0", "more than 72 hours ago")
	a := c.want(http.StatusMethodNotAllowed, http.MethodDelete, "/foo/-rev/"+rev(c, "foo"), "")
	if !strings.Contains(a.Body, "more than 72 hours ago") {
		t.Error(a.Body)
	}
	if status, body := unpublish(c, "foo", "1.2.0"); status != http.StatusOK {
		t.Errorf("%d %s", status, body)
	}
	env.Settings("npm", "local", func(r *registry.Repository) { r.Settings.UnpublishHours = -1 })
	refused("1.1.0", "Nothing can be unpublished from npm/local.")
	env.Settings("npm", "local", func(r *registry.Repository) { r.Settings.UnpublishHours = 1000 })
	if status, body := unpublish(c, "foo", "1.0.0"); status != http.StatusOK {
		t.Errorf("%d %s", status, body)
	}
}
