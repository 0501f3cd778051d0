package api_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"bonded/internal/access"
	"bonded/internal/api"
	"bonded/internal/door"
	"bonded/internal/door/doortest"
	"bonded/internal/ecosystem/cargo"
	"bonded/internal/ecosystem/composer"
	"bonded/internal/ecosystem/maven"
	"bonded/internal/ecosystem/npm"
	"bonded/internal/ecosystem/pypi"
	"bonded/internal/jobs"
	"bonded/internal/registry"
	"bonded/internal/request"
	"bonded/internal/store"
	"bonded/internal/store/storetest"
	"bonded/internal/web"
	"bonded/internal/web/webtest"
)

// house is an open house with the API behind a loopback server.
type house struct {
	*doortest.Env
	t *testing.T
	// ada owns the samples, eve nothing, root administers.
	ada, eve, root string
}

func open(t *testing.T) *house {
	t.Helper()
	return openOn(t, storetest.SQLite(t))
}

func openOn(t *testing.T, db *store.DB) *house {
	t.Helper()
	env := doortest.On(t, db, []registry.Format{cargo.NewFormat(), pypi.NewFormat(), npm.NewFormat(), maven.NewFormat(), composer.NewFormat()},
		func(*door.House) []door.Door { return nil })
	h := &house{Env: env, t: t}
	h.ada, h.eve = env.Token("ada"), env.Token("eve")
	if _, err := env.House.Accounts.Add(t.Context(), "root", "root@example.test", true); err != nil {
		t.Fatal(err)
	}
	h.root = env.Token("root")
	ada, err := env.House.Accounts.ByName(t.Context(), "ada")
	if err != nil {
		t.Fatal(err)
	}
	if err := webtest.Fill(t.Context(), env.House.Registry, env.House.Blobs, registry.Actor{Name: "ada", AccountID: ada.ID}); err != nil {
		t.Fatal(err)
	}
	management := api.New(env.House, web.New(env.House, web.Options{}))
	var srv *httptest.Server
	srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		management.ServeHTTP(w, r.WithContext(request.With(r.Context(), &request.Facts{ID: "request-1", BaseURL: srv.URL})))
	}))
	t.Cleanup(srv.Close)
	env.URL = srv.URL
	return h
}

// call sends a request below /api/v1 as the holder of a token ("" is nobody) and expects a status.
func (h *house) call(token, method, path, body string, status int) map[string]any {
	h.t.Helper()
	var headers []string
	if token != "" {
		headers = append(headers, doortest.Bearer(token))
	}
	if body != "" {
		headers = append(headers, "Content-Type: application/json")
	}
	a := h.Do(method, "/api/v1"+path, body, headers...)
	if a.Status != status {
		h.t.Fatalf("%s %s: %d, want %d: %s", method, path, a.Status, status, a.Body)
	}
	var v map[string]any
	if err := json.Unmarshal([]byte(a.Body), &v); err != nil {
		h.t.Fatalf("%s %s: %v: %s", method, path, err, a.Body)
	}
	if want := "application/json"; status < 400 && a.Header.Get("Content-Type") != want {
		h.t.Errorf("%s %s: type %q", method, path, a.Header.Get("Content-Type"))
	}
	if status >= 400 && (a.Header.Get("Content-Type") != "application/problem+json" || v["status"] != float64(status) || v["detail"] == "") {
		h.t.Errorf("%s %s: no problem document: %q %s", method, path, a.Header.Get("Content-Type"), a.Body)
	}
	return v
}

// at walks into JSON: at(v, "releases", 0, "version").
func at(t *testing.T, v any, path ...any) any {
	t.Helper()
	for _, step := range path {
		switch key := step.(type) {
		case string:
			m, ok := v.(map[string]any)
			if !ok {
				t.Fatalf("no object at %v", path)
			}
			v = m[key]
		case int:
			a, ok := v.([]any)
			if !ok || key >= len(a) {
				t.Fatalf("no element %d at %v", key, path)
			}
			v = a[key]
		}
	}
	return v
}

// names collects one field of each element of a list.
func names(t *testing.T, v any, list, field string) []string {
	t.Helper()
	var out []string
	for i := range at(t, v, list).([]any) {
		out = append(out, at(t, v, list, i, field).(string))
	}
	return out
}

func TestRepositoriesAreListedAsTheirVisibilityAllows(t *testing.T) {
	h := open(t)
	h.Repository(registry.Repository{Ecosystem: "npm", Name: "inside", Kind: registry.Hosted, Visibility: registry.Internal})
	h.Repository(registry.Repository{Ecosystem: "npm", Name: "both", Kind: registry.Group, Visibility: registry.Anonymous}, "local", "inside")

	nobody := h.call("", "GET", "/repositories", "", 200)
	if got := len(at(t, nobody, "repositories").([]any)); got != 11 {
		t.Errorf("nobody in particular sees %d repositories", got)
	}
	if got := len(at(t, h.call(h.eve, "GET", "/repositories", "", 200), "repositories").([]any)); got != 12 {
		t.Errorf("an account sees %d repositories", got)
	}
	if got := at(t, h.call("", "GET", "/repositories/npm/both", "", 200), "members"); len(got.([]any)) != 1 {
		t.Errorf("nobody in particular sees the members %v", got)
	}
	v := h.call(h.eve, "GET", "/repositories/npm/both", "", 200)
	if at(t, v, "members", 1) != "inside" || v["kind"] != "group" || v["url"] != h.URL+"/npm/both/" {
		t.Errorf("got %v", v)
	}
	hidden := h.call("", "GET", "/repositories/npm/inside", "", 404)
	missing := h.call("", "GET", "/repositories/npm/insidf", "", 404)
	if strings.ReplaceAll(hidden["detail"].(string), "inside", "insidf") != missing["detail"] || hidden["rule"] != missing["rule"] {
		t.Errorf("a hidden repository is told apart: %v", hidden)
	}
}

func TestUsageCountsWhatIsReadable(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, db *store.DB) {
		h := openOn(t, db)
		h.Repository(registry.Repository{Ecosystem: "npm", Name: "inside", Kind: registry.Hosted, Visibility: registry.Internal, Settings: registry.Settings{Quota: 1 << 20}})
		h.Repository(registry.Repository{Ecosystem: "npm", Name: "both", Kind: registry.Group, Visibility: registry.Anonymous}, "local", "inside")
		sample := webtest.Sample{Ecosystem: "npm", Name: "murmur", Version: "1.0.0", Files: map[string]string{"murmur/-/murmur-1.0.0.tgz": "tgz"}}
		if err := webtest.Record(t.Context(), h.House.Registry, h.House.Blobs, registry.Actor{}, "inside", sample); err != nil {
			t.Fatal(err)
		}
		local := h.call("", "GET", "/repositories/npm/local/usage", "", 200)
		if local["bytes"].(float64) <= 0 || at(t, local, "growth", "bytes") != local["bytes"] || at(t, local, "growth", "days") != 30.0 {
			t.Errorf("local: %v", local)
		}
		if both := h.call("", "GET", "/repositories/npm/both/usage", "", 200); both["files"] != local["files"] {
			t.Errorf("nobody in particular counts %v", both)
		}
		both := h.call(h.eve, "GET", "/repositories/npm/both/usage", "", 200)
		if both["files"].(float64) != local["files"].(float64)+1 {
			t.Errorf("an account counts %v", both)
		}
		if u := h.call(h.eve, "GET", "/repositories/npm/inside/usage", "", 200); u["quota"] != float64(1<<20) {
			t.Errorf("inside: %v", u)
		}
		h.Clock.Advance(31 * 24 * time.Hour)
		if old := h.call("", "GET", "/repositories/npm/local/usage", "", 200); at(t, old, "growth", "bytes") != 0.0 || old["bytes"] != local["bytes"] {
			t.Errorf("a month later: %v", old)
		}
	})
}

func TestSearchFindsWhatMayBeSeen(t *testing.T) {
	h := open(t)
	found := h.call("", "GET", "/packages?q=sample", "", 200)
	if got := names(t, found, "packages", "name"); !slices.Contains(got, "@acme/sample") || len(got) != 5 {
		t.Errorf("found %v", got)
	}
	half := h.call("", "GET", "/packages?q=half&repository=npm/main", "", 200)
	if at(t, half, "packages", 0, "latest") != "1.0.0" || at(t, half, "packages", 0, "summary") != "harmless words" {
		t.Errorf("the withheld release shows: %v", half)
	}
	for _, name := range []string{"quarantined", "held", "blocked"} {
		if got := names(t, h.call("", "GET", "/packages?q="+name+"&repository=npm", "", 200), "packages", "name"); slices.Contains(got, name) {
			t.Errorf("%s is found", name)
		}
	}
	page := h.call("", "GET", "/packages?q=package+that+is&per_page=2&page=2", "", 200)
	if got := names(t, page, "packages", "name"); !slices.Equal(got, []string{"yanked"}) || page["page"] != 2.0 || page["total"] != 3.0 {
		t.Errorf("page 2: %v", page)
	}
	h.call("", "GET", "/packages?page=0", "", 422)
	h.call("", "GET", "/packages?per_page=101", "", 422)
	h.call("", "GET", "/packages?unknown=1", "", 422)
	h.call("", "GET", "/packages?q=%00%ff", "", 200)
	h.call("", "GET", "/packages?repository=npm/none", "", 404)
}

// A token that may read one package of a private repository learns nothing of the others, not even by counting.
func TestANarrowTokenSeesNoMoreThanItsPackage(t *testing.T) {
	h := open(t)
	h.Repository(registry.Repository{Ecosystem: "npm", Name: "vault", Kind: registry.Hosted, Visibility: registry.Private})
	for _, name := range []string{"hush", "hush-more"} {
		sample := webtest.Sample{Ecosystem: "npm", Name: name, Version: "1.0.0", Files: map[string]string{name + "/-/" + name + "-1.0.0.tgz": "tgz"}}
		if err := webtest.Record(t.Context(), h.House.Registry, h.House.Blobs, registry.Actor{}, "vault", sample); err != nil {
			t.Fatal(err)
		}
	}
	narrow := h.Token("eve", "read:npm/vault:hush")
	h.call(narrow, "GET", "/packages/npm/vault/hush", "", 200)
	h.call(narrow, "GET", "/packages/npm/vault/hush-more", "", 404)
	if v := h.call(narrow, "GET", "/packages?q=hush", "", 200); v["total"] != 0.0 {
		t.Errorf("a narrow token counts %v", v["total"])
	}
	if v := h.call(h.eve, "GET", "/packages?q=hush", "", 200); v["total"] != 2.0 {
		t.Errorf("a wide token counts %v", v["total"])
	}
	h.call("", "GET", "/packages/npm/vault/hush", "", 404)
	h.call("", "GET", "/packages?repository=npm/vault", "", 404)
	elsewhere := h.Token("eve", "read:cargo/*")
	h.call(elsewhere, "GET", "/packages/npm/vault/hush", "", 404)
}

func TestAPackageIsReadWithItsReleasesFilesAndDigests(t *testing.T) {
	h := open(t)
	v := h.call("", "GET", "/packages/npm/main/@acme%2Fsample", "", 200)
	if v["name"] != "@acme/sample" || v["repository"] != "main" || v["stored_in"] != "local" || v["latest"] != "1.1.0" || at(t, v, "owners", 0) != "ada" ||
		v["page"] != h.URL+"/packages/npm/main/@acme/sample" || at(t, v, "tags", "beta") != "2.0.0-beta.1" {
		t.Errorf("got %v", v)
	}
	if got := names(t, v, "releases", "version"); !slices.Equal(got, []string{"2.0.0-beta.1", "1.1.0", "1.0.0", "0.9.0"}) {
		t.Errorf("releases %v", got)
	}
	f := at(t, v, "releases", 1, "files", 0)
	if at(t, f, "url") != h.URL+"/npm/main/@acme/sample/-/sample-1.1.0.tgz" || len(at(t, f, "digests", "sha256").(string)) != 64 ||
		!strings.HasPrefix(at(t, f, "digests", "integrity").(string), "sha512-") || at(t, f, "size").(float64) <= 0 {
		t.Errorf("file %v", f)
	}
	r := h.call("", "GET", "/packages/npm/main/@acme%2Fsample/releases/1.0.0", "", 200)
	if at(t, r, "dependencies", 0, "name") != "left-pad" || r["license"] != "MIT OR Apache-2.0" || at(t, r, "install_code", 0) != "postinstall: node setup.js" {
		t.Errorf("release %v", r)
	}
	if links := at(t, r, "links").(map[string]any); links["Trap"] != nil || links["Homepage"] == nil {
		t.Errorf("links %v", links)
	}
	for _, path := range []string{"/packages/pypi/main/Sample_Project", "/packages/cargo/main/sample-crate", "/packages/maven/main/org.example:sample", "/packages/composer/main/acme%2fsample"} {
		h.call("", "GET", path, "", 200)
	}
	h.call("", "GET", "/packages/composer/main/acme%2fsample/releases/3.1.4", "", 200)
	h.call("", "GET", "/packages/npm/main/missing", "", 404)
	h.call("", "GET", "/packages/npm/main/@acme%2Fsample/releases/9.9.9", "", 404)
	h.call("", "GET", "/packages/npm/main/..%2f..%2fx", "", 404)
}

func TestVerdictsKeepBackWhatTheyKeepBackAtTheDoors(t *testing.T) {
	h := open(t)
	h.call("", "GET", "/packages/npm/main/held", "", 404)
	h.call(h.eve, "GET", "/packages/npm/main/held/releases/1.0.0", "", 404)
	mine := h.call(h.ada, "GET", "/packages/npm/main/held", "", 200)
	if at(t, mine, "releases", 0, "verdict", "reason") != "It waits for a review." || len(at(t, mine, "releases", 0, "files").([]any)) != 0 {
		t.Errorf("its owner sees %v", mine)
	}
	if r := h.call(h.ada, "GET", "/packages/npm/main/held/releases/1.0.0", "", 200); r["summary"] != "waiting words" {
		t.Errorf("its owner reads %v", r)
	}

	blocked := h.call("", "GET", "/packages/npm/main/half", "", 200)
	if at(t, blocked, "releases", 0, "verdict", "decision") != "block" || len(at(t, blocked, "releases", 0, "files").([]any)) != 0 || blocked["latest"] != "1.0.0" {
		t.Errorf("half: %v", blocked)
	}
	if r := h.call("", "GET", "/packages/npm/main/half/releases/1.1.0", "", 200); r["summary"] != nil || len(r["dependencies"].([]any)) != 0 {
		t.Errorf("a blocked release speaks: %v", r)
	}

	q := h.call("", "GET", "/packages/npm/main/quarantined", "", 200)
	if q["status"] != "quarantined" || q["status_reason"] != "It was seen sending files away" || len(q["releases"].([]any)) != 0 {
		t.Errorf("quarantined: %v", q)
	}
	h.call("", "GET", "/packages/npm/main/quarantined/releases/1.0.0", "", 404)
}

func TestOwnersYankWithAReason(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, db *store.DB) {
		h := openOn(t, db)
		const path = "/packages/npm/main/@acme%2Fsample/releases/1.1.0"
		h.call("", "POST", path+"/yank", `{"reason":"x"}`, 401)
		h.call(h.eve, "POST", path+"/yank", `{"reason":"x"}`, 403)
		h.call(h.Token("ada", "read"), "POST", path+"/yank", `{"reason":"x"}`, 403)
		v := h.call(h.ada, "POST", path+"/yank", `{"reason":"It was built wrongly"}`, 200)
		if v["latest"] != "1.0.0" || at(t, v, "releases", 1, "yanked") != true || at(t, v, "releases", 1, "yank_reason") != "It was built wrongly" {
			t.Errorf("after the yank: %v", v)
		}
		if v = h.call(h.Token("ada", "yank:npm/local:@acme/*"), "POST", path+"/unyank", "", 200); v["latest"] != "1.1.0" {
			t.Errorf("after the yank was taken back: %v", v)
		}
		h.call(h.ada, "POST", "/packages/npm/main/@acme%2Fsample/releases/9.9.9/yank", `{}`, 404)
		h.call(h.ada, "POST", path+"/yank", `{"reason":"`+strings.Repeat("x", 1001)+`"}`, 422)
		h.call(h.ada, "POST", path+"/yank", `{"reason":"`+strings.Repeat("x", 20<<10)+`"}`, 413)
		h.call(h.ada, "POST", path+"/yank", `{"because":"x"}`, 422)
		h.call(h.ada, "POST", path+"/yank", `{"reason":`, 400)
	})
}

func TestOwnersArchiveAndDeprecate(t *testing.T) {
	h := open(t)
	const path = "/packages/npm/main/@acme%2Fsample/status"
	h.call(h.eve, "PUT", path, `{"status":"archived"}`, 403)
	for _, status := range []string{"deprecated", "archived", "active"} {
		if v := h.call(h.ada, "PUT", path, `{"status":"`+status+`","reason":"so be it"}`, 200); v["status"] != status || v["status_reason"] != "so be it" {
			t.Errorf("%s: %v", status, v)
		}
	}
	h.call(h.ada, "PUT", path, `{"status":"quarantined"}`, 422)
	h.call(h.ada, "PUT", path, `{"status":"deleted"}`, 422)
	h.call(h.ada, "PUT", "/packages/npm/main/quarantined/status", `{"status":"active"}`, 403)
}

func TestAdministratorsHoldForTheLaw(t *testing.T) {
	h := open(t)
	const path = "/packages/npm/main/@acme%2Fsample/legal-hold"
	h.call(h.ada, "PUT", path, `{"held":true}`, 403)
	h.call("", "PUT", path, `{"held":true}`, 401)
	if v := h.call(h.root, "PUT", path, `{"held":true}`, 200); v["legal_hold"] != true {
		t.Errorf("held: %v", v)
	}
	if v := h.call(h.ada, "GET", "/packages/npm/main/@acme%2Fsample", "", 200); v["legal_hold"] != nil {
		t.Error("the owner is told of the hold")
	}
	if v := h.call(h.root, "PUT", path, `{"held":false}`, 200); v["legal_hold"] != nil {
		t.Errorf("released: %v", v)
	}
}

func TestAdministratorsSeeAndSettleJobs(t *testing.T) {
	h := open(t)
	err := h.DB.InTx(t.Context(), func(tx *store.Tx) error {
		return jobs.Enqueue(t.Context(), tx, h.Clock.Now(), jobs.New{Kind: "test", Args: map[string]int{"n": 1}})
	})
	if err != nil {
		t.Fatal(err)
	}
	h.call("", "GET", "/jobs", "", 401)
	h.call(h.ada, "GET", "/jobs", "", 403)
	h.call(h.Token("root", "read"), "GET", "/jobs", "", 403)
	v := h.call(h.root, "GET", "/jobs?state=ready", "", 200)
	if at(t, v, "jobs", 0, "kind") != "test" || at(t, v, "jobs", 0, "arguments", "n") != 1.0 {
		t.Fatalf("jobs: %v", v)
	}
	h.call(h.ada, "POST", "/jobs/1/cancel", "", 403)
	h.call(h.root, "POST", "/jobs/1/cancel", "", 200)
	h.call(h.root, "POST", "/jobs/1/cancel", "", 404)
	h.call(h.root, "POST", "/jobs/1/retry", "", 200)
	h.call(h.root, "POST", "/jobs/0/retry", "", 422)
	h.call(h.root, "GET", "/jobs?state=lost", "", 422)
}

func TestWhoami(t *testing.T) {
	h := open(t)
	if v := h.call("", "GET", "/whoami", "", 200); v["kind"] != "anonymous" || v["name"] != nil {
		t.Errorf("nobody: %v", v)
	}
	v := h.call(h.Token("ada", "read,publish:npm/local:@acme/*"), "GET", "/whoami", "", 200)
	if v["kind"] != "token" || v["name"] != "ada" || at(t, v, "scopes", 0) != "read,publish:npm/local:@acme/*" {
		t.Errorf("ada: %v", v)
	}
}

func TestAWrongCredentialIsRefusedAndNeverRepeated(t *testing.T) {
	h := open(t)
	wrong := access.NewSecret(access.UserToken)
	for _, header := range []string{"Bearer " + wrong, "Bearer x", "Bearer", "Basic dTpw", wrong, "token " + h.ada} {
		a := h.Do("GET", "/api/v1/whoami", "", "Authorization: "+header)
		if a.Status != 401 || a.Header.Get("Www-Authenticate") != `Bearer realm="bonded"` || strings.Contains(a.Body, wrong) {
			t.Errorf("%s: %d %q %s", header, a.Status, a.Header.Get("Www-Authenticate"), a.Body)
		}
	}
	a := h.Do("POST", "/api/v1/packages/npm/main/half/releases/1.0.0/yank", `{"`+wrong+`":"`+wrong+`"}`, doortest.Bearer(h.ada), "Content-Type: application/json")
	if a.Status != 422 || strings.Contains(a.Body, `"value"`) {
		t.Errorf("a faulty body: %d %s", a.Status, a.Body)
	}
}

func TestWhatIsNoOperationIsAProblemToo(t *testing.T) {
	h := open(t)
	v := h.call("", "GET", "/nothing", "", 404)
	if v["rule"] != "api/path" || v["request_id"] != "request-1" {
		t.Errorf("got %v", v)
	}
	a := h.Do("DELETE", "/api/v1/repositories", "")
	if a.Status != 405 || a.Header.Get("Allow") != "GET" || a.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("another method: %d %q %q", a.Status, a.Header.Get("Allow"), a.Header.Get("Content-Type"))
	}
	if a := h.Do("GET", "/api/", ""); a.Status != 302 || a.Header.Get("Location") != h.URL+"/api/docs" {
		t.Errorf("the root: %d", a.Status)
	}
}

func TestAnswersAreGuardedAndNotKept(t *testing.T) {
	h := open(t)
	for _, path := range []string{"/api/v1/repositories", "/api/v1/nothing", "/api/v1/packages/npm/main/missing"} {
		a := h.Do("GET", path, "")
		if a.Header.Get("X-Content-Type-Options") != "nosniff" || a.Header.Get("Cache-Control") != "no-store" ||
			a.Header.Get("Content-Security-Policy") != "default-src 'none'; frame-ancestors 'none'" || a.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: %v", path, a.Header)
		}
	}
}

// The description names every parameter of every path, every operation says who may call it, and nothing of it lies elsewhere.
func TestTheDescriptionIsWhole(t *testing.T) {
	h := open(t)
	a := h.Do("GET", "/api/openapi.json", "")
	if a.Status != 200 || !strings.HasPrefix(a.Header.Get("Content-Type"), "application/vnd.oai.openapi+json") {
		t.Fatalf("%d %q", a.Status, a.Header.Get("Content-Type"))
	}
	var spec map[string]any
	if err := json.Unmarshal([]byte(a.Body), &spec); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(spec["openapi"].(string), "3.1") || at(t, spec, "servers", 0, "url") != h.URL {
		t.Errorf("openapi %v, servers %v", spec["openapi"], spec["servers"])
	}
	operations := 0
	for path, item := range spec["paths"].(map[string]any) {
		for method, op := range item.(map[string]any) {
			operations++
			var in []string
			for i := range anyList(op.(map[string]any)["parameters"]) {
				if at(t, op, "parameters", i, "in") == "path" {
					in = append(in, at(t, op, "parameters", i, "name").(string))
				}
			}
			for segment := range strings.SplitSeq(path, "/") {
				if name, ok := strings.CutPrefix(segment, "{"); ok && !slices.Contains(in, strings.TrimSuffix(name, "}")) {
					t.Errorf("%s %s does not describe %s", method, path, segment)
				}
			}
			for _, key := range []string{"summary", "description", "operationId", "security"} {
				if at(t, op, key) == nil || at(t, op, key) == "" {
					t.Errorf("%s %s has no %s", method, path, key)
				}
			}
			if at(t, op, "responses", "default", "content", "application/problem+json") == nil {
				t.Errorf("%s %s does not describe its errors", method, path)
			}
		}
	}
	if operations != 14 {
		t.Errorf("%d operations are described", operations)
	}
	if strings.Contains(a.Body, "$schema") {
		t.Error("the description refers to schemas that are not served")
	}

	docs := h.Do("GET", "/api/docs", "")
	if docs.Status != 200 || !strings.Contains(docs.Header.Get("Content-Security-Policy"), "script-src 'self'") {
		t.Fatalf("docs: %d %q", docs.Status, docs.Header.Get("Content-Security-Policy"))
	}
	for path := range spec["paths"].(map[string]any) {
		if !strings.Contains(docs.Body, path) {
			t.Errorf("the page does not name %s", path)
		}
	}
	if strings.Contains(docs.Body, "https://") || strings.Count(docs.Body, "<script") != 1 {
		t.Error("the page loads something from elsewhere")
	}
}

func anyList(v any) []any {
	list, _ := v.([]any)
	return list
}
