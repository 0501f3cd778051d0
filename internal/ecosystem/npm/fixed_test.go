package npm

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"bonded/internal/door/doortest"
)

func TestFixedRoutes(t *testing.T) {
	env := house(t)
	alice, anyone := as(t, env, env.Token("alice")), as(t, env, "")
	stale := as(t, env, "bondu_000000000000000000000000000000000000")
	alice.publish("@s/foo", "1.0.0")
	const get, post, put, del = http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete
	for _, r := range []struct {
		by           *client
		method, path string
		body         string
		status       int
		says         string
	}{
		{anyone, get, "/-/ping?write=true", "", 200, "{}"},
		{stale, get, "/-/ping", "", 200, "{}"},
		{anyone, get, "/", "", 200, "npm/main"},
		{alice, get, "/-/whoami", "", 200, `{"username":"alice"}`},
		{anyone, get, "/-/whoami", "", 401, "You are not logged in"},
		{stale, get, "/-/whoami", "", 401, "not valid here"},
		{alice, get, "/-/npm/v1/user", "", 200, `"tfa":false`},
		{anyone, get, "/-/npm/v1/user", "", 401, "You are not logged in"},
		{alice, post, "/-/npm/v1/user", `{"fullname":"A"}`, 403, "bonded admin token add"},
		{alice, get, "/-/npm/v1/tokens?perPage=5", "", 403, "/npm/main/:_authToken=TOKEN"},
		{alice, post, "/-/npm/v1/tokens", `{}`, 403, "bonded admin token add"},
		{alice, del, "/-/npm/v1/tokens/token/x", "", 403, "bonded admin token add"},
		{anyone, post, "/-/v1/login", `{}`, 501, "bonded admin token add"},
		{stale, post, "/-/v1/login", `{}`, 501, "no log-in with npm"},
		{stale, put, "/-/user/org.couchdb.user:alice", `{}`, 501, "no log-in with npm"},
		{stale, put, "/-/user/org.couchdb.user:alice/-rev/1", `{}`, 501, "no log-in with npm"},
		{anyone, get, "/-/package/@s%2ffoo/visibility", "", 200, `{"public":false}`},
		{anyone, get, "/-/package/@s/foo/visibility", "", 200, `{"public":false}`},
		{anyone, get, "/-/package/nope/visibility", "", 404, "npm/main"},
		{anyone, get, "/-/package/@s%2ffoo/collaborators", "", 200, `{"alice":"write"}`},
		{alice, post, "/-/package/@s%2ffoo/access", `{"access":"public"}`, 200, "ok"},
		{alice, post, "/-/package/@s%2ffoo/access", `{"access":"restricted"}`, 403, "access belongs to the repository"},
		{alice, post, "/-/package/@s%2ffoo/access", `{"publish_requires_tfa":true}`, 403, "second factor"},
		{alice, post, "/-/package/@s%2ffoo/access", `{"publish_requires_tfa":false}`, 200, "ok"},
		{anyone, post, "/-/package/@s%2ffoo/access", `{"access":"public"}`, 401, "authenticate"},
		{alice, get, "/-/org/acme/package", "", 404, "no organizations"},
		{alice, get, "/-/org/acme/user", "", 404, "no organizations"},
		{alice, put, "/-/team/acme/t/user", `{}`, 404, "no organizations"},
		{alice, get, "/-/user/alice/package", "", 200, `{"@s/foo":"write"}`},
		{alice, get, "/-/user/nobody/package", "", 404, "no such account"},
		{anyone, get, "/-/npm/v1/keys", "", 404, "does not sign"},
		{anyone, get, "/-/npm/v1/attestations/@s%2ffoo@1.0.0", "", 404, "npm/path"},
		{anyone, get, "/-/_view/starredByUser?key=%22alice%22", "", 200, `{"rows":[]}`},
		{anyone, get, "/-/all", "", 404, "use the search"},
		{alice, post, "/-/stage/package/@s%2ffoo", `{}`, 404, "does not stage"},
		{alice, put, "/-/pnpm/v1/publish", `{}`, 404, "npm/path"},
		{anyone, get, "/-/nothing/here", "", 404, "npm/path"},
		{anyone, get, "/-", "", 404, "npm/path"},
		{alice, post, "/@s%2ffoo", `{}`, 404, "does not answer POST"},
		{alice, del, "/@s%2ffoo", "", 404, "does not answer DELETE"},
		{anyone, get, "/@s", "", 404, "npm/path"},
		{anyone, get, "/@s%2ffoo/1.0.0/extra", "", 404, "npm/path"},
		{anyone, get, "/@s%2ffoo/9.9.9", "", 404, "no version or tag"},
		{anyone, get, "/%ff%00", "", 404, "npm/path"},
		{anyone, get, "/" + strings.Repeat("a", maxPath), "", 404, "npm/path"},
	} {
		a := r.by.do(r.method, r.path, r.body)
		if a.Status != r.status || !strings.Contains(a.Body, r.says) {
			t.Errorf("%s %.80s: %d %s\nwant %d with %s", r.method, r.path, a.Status, a.Body, r.status, r.says)
		}
		if a.Status >= 400 {
			sentence(t, a)
		}
	}
}

func TestLogoutRevokesTheTokenInUse(t *testing.T) {
	env := house(t)
	token, other := env.Token("alice"), env.Token("alice")
	c := as(t, env, token)
	c.want(http.StatusForbidden, http.MethodDelete, "/-/user/token/"+other, "")
	c.want(http.StatusForbidden, http.MethodDelete, "/-/user/token/nonsense", "")
	c.want(http.StatusOK, http.MethodGet, "/-/whoami", "")
	c.want(http.StatusOK, http.MethodDelete, "/-/user/token/"+token, "")
	c.want(http.StatusUnauthorized, http.MethodGet, "/-/whoami", "")
	as(t, env, other).want(http.StatusOK, http.MethodGet, "/-/whoami", "")
}

func TestSearch(t *testing.T) { onEngines(t, search) }

func search(t *testing.T, env *doortest.Env) {
	alice, bob := as(t, env, env.Token("alice")), as(t, env, env.Token("bob"))
	for _, p := range []struct {
		by  *client
		pkg string
	}{
		{alice, `{"name":"left-pad","version":"1.0.0","description":"pads strings","keywords":["string","pad"],"license":"MIT","repository":"acme/left-pad"}`},
		{alice, `{"name":"@acme/pad","version":"2.0.0","description":"other pads","keywords":["padding"]}`},
		{bob, `{"name":"@other/pad","version":"1.0.0-rc.1","description":"more pads"}`},
	} {
		d := publication(t, p.pkg, nil)
		p.by.want(http.StatusCreated, http.MethodPut, "/"+EscapeName(d.name), d.body())
	}
	names := func(query string) (out []string) {
		t.Helper()
		doc := decode(t, as(t, env, "").want(http.StatusOK, http.MethodGet, "/-/v1/search?"+query, "").Body)
		objects, _ := doc["objects"].([]any)
		for _, o := range objects {
			name, _ := at(o, "package", "name").(string)
			out = append(out, name)
		}
		return append(out, strconv.FormatFloat(doc["total"].(float64), 'f', -1, 64)) //nolint:forcetypeassert // a panic fails the test
	}
	for query, want := range map[string]string{
		"text=pads":                          "@acme/pad @other/pad left-pad 3",
		"text=left-pad":                      "left-pad 1",
		"text=pad&size=1":                    "@acme/pad 3",
		"text=pad&size=1&from=1":             "@other/pad 3",
		"text=pad&size=100000":               "@acme/pad @other/pad left-pad 3",
		"text=scope:acme":                    "@acme/pad 1",
		"text=scope:@acme+pads":              "@acme/pad 1",
		"text=keywords:pad":                  "left-pad 1",
		"text=keywords:pad,string":           "left-pad 1",
		"text=keywords:nothing":              "0",
		"text=maintainer:bob":                "@other/pad 1",
		"text=author:alice+other":            "@acme/pad 1",
		"text=pads+not:deprecated+is:stable": "@acme/pad @other/pad left-pad 3",
		"text=100%25":                        "0",
		"text=a:b":                           "0",
	} {
		if got := strings.Join(names(query), " "); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	doc := decode(t, as(t, env, "").want(http.StatusOK, http.MethodGet, "/-/v1/search?text=left-pad", "").Body)
	objects, _ := doc["objects"].([]any)
	p := at(objects[0], "package")
	for path, want := range map[string]string{
		"version": "1.0.0", "description": "pads strings", "license": "MIT", "links/repository": "git+https://github.com/acme/left-pad.git",
		"links/npm": env.URL + "/packages/npm/local/left-pad", "publisher/username": "alice",
	} {
		if got := at(p, strings.Split(path, "/")...); got != want {
			t.Errorf("%s: %v, want %s", path, got, want)
		}
	}
	a := as(t, env, "").want(http.StatusBadRequest, http.MethodGet, "/-/v1/search?text=", "")
	if !strings.Contains(a.Body, "ERR_TEXT_MISSING") {
		t.Error(a.Body)
	}
}

func TestChanges(t *testing.T) { onEngines(t, changes) }

func changes(t *testing.T, env *doortest.Env) {
	c := as(t, env, env.Token("alice"))
	c.publish("one", "1.0.0")
	c.publish("two", "1.0.0")
	page := func(query string) (ids []string, last float64) {
		t.Helper()
		doc := decode(t, c.want(http.StatusOK, http.MethodGet, "/_changes?"+query, "").Body)
		rows, _ := doc["results"].([]any)
		for _, r := range rows {
			id, _ := at(r, "id").(string)
			if at(r, "deleted") == true {
				id = "-" + id
			}
			ids = append(ids, id)
		}
		last, _ = doc["last_seq"].(float64)
		return ids, last
	}
	ids, last := page("")
	if len(ids) == 0 || ids[0] != "one" || ids[len(ids)-1] != "two" {
		t.Errorf("changes: %v", ids)
	}
	if first, next := page("limit=1"); len(first) > 1 || next >= last {
		t.Errorf("one change: %v up to %v", first, next)
	}
	if _, now := page("since=now"); now < last {
		t.Errorf("now is %v, before %v", now, last)
	}
	c.want(http.StatusOK, http.MethodDelete, "/one/-rev/"+rev(c, "one"), "")
	if ids, _ := page("since=" + strconv.FormatFloat(last, 'f', -1, 64)); len(ids) != 1 || ids[0] != "-one" {
		t.Errorf("after the deletion: %v", ids)
	}
	c.want(http.StatusBadRequest, http.MethodGet, "/_changes?since=yesterday", "")
}

func TestAuditsAreAnsweredInTheirShape(t *testing.T) {
	env := house(t)
	c := as(t, env, "")
	const bulk, quick = "/-/npm/v1/security/advisories/bulk", "/-/npm/v1/security/audits/quick"
	packed := func(s string) string {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, err := z.Write([]byte(s))
		if err == nil {
			err = z.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	if got := c.want(http.StatusOK, http.MethodPost, bulk, `{"foo":["1.0.0"]}`).Body; got != "{}" {
		t.Error(got)
	}
	a := c.want(http.StatusOK, http.MethodPost, bulk, packed(`{"foo":["1.0.0"]}`), "Content-Encoding: gzip", "npm-command: audit")
	if got := a.Header.Get("Npm-Notice"); !strings.Contains(got, "no vulnerability data") {
		t.Errorf("npm-notice: %q", got)
	}
	if a := c.want(http.StatusOK, http.MethodPost, bulk, `{}`, "npm-command: install"); a.Header.Get("Npm-Notice") != "" {
		t.Error("an installation is disturbed")
	}
	doc := decode(t, c.want(http.StatusOK, http.MethodPost, quick, `{"name":"x","dependencies":{"a":{},"b":{}}}`).Body)
	if at(doc, "metadata", "totalDependencies") != 2.0 || at(doc, "metadata", "vulnerabilities", "critical") != 0.0 || at(doc, "advisories") == nil {
		t.Errorf("%v", doc)
	}
	c.want(http.StatusOK, http.MethodPost, "/-/npm/v1/security/audits", `{"dependencies":{}}`)
	for what, r := range map[string]struct {
		body, encoding string
		status         int
	}{
		"a bomb":           {packed(`{"a":["` + strings.Repeat("0", maxAuditUnpacked) + `"]}`), "gzip", 413},
		"no gzip":          {`{}`, "gzip", 400},
		"another encoding": {`{}`, "br", 400},
		"no JSON":          {`{`, "identity", 400},
		"another shape":    {`[1]`, "identity", 400},
	} {
		if got := c.do(http.MethodPost, bulk, r.body, "Content-Encoding: "+r.encoding); got.Status != r.status {
			t.Errorf("%s: %d %s", what, got.Status, got.Body)
		}
	}
}

func TestANoticeIsOneLineOfASCII(t *testing.T) {
	env := house(t)
	c := as(t, env, env.Token("alice"))
	a := c.want(http.StatusOK, http.MethodGet, "/-/ping", "")
	if a.Header.Get("Npm-Notice") != "" {
		t.Error("a ping has nothing to say")
	}
	h := http.Header{}
	notice(headerOnly{h}, "one\r\nSet-Cookie: x\ttwo é")
	if got := h.Get("Npm-Notice"); got != "one  Set-Cookie: x two ?" {
		t.Errorf("%q", got)
	}
}

type headerOnly struct{ h http.Header }

func (w headerOnly) Header() http.Header         { return w.h }
func (w headerOnly) Write(b []byte) (int, error) { return len(b), nil }
func (w headerOnly) WriteHeader(int)             {}
