package composer

import (
	"encoding/base64"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"bonded/internal/digest"
	"bonded/internal/door"
	"bonded/internal/door/doortest"
	"bonded/internal/registry"
	"bonded/internal/store"
	"bonded/internal/store/storetest"
	"bonded/internal/upkeep"
)

var update = flag.Bool("update", false, "write the golden files anew")

// house is an open house with one account's token.
type house struct {
	*doortest.Env
	t     *testing.T
	token string
}

func open(t *testing.T) house { return openOn(t, storetest.SQLite(t)) }

func openOn(t *testing.T, db *store.DB) house {
	e := doortest.On(t, db, []registry.Format{NewFormat()}, func(h *door.House) []door.Door { return []door.Door{NewDoor(h)} })
	return house{e, t, e.Token("alice")}
}

// put uploads as alice.
func (h house) put(path, zipped string, headers ...string) doortest.Answer {
	h.t.Helper()
	return h.Do(http.MethodPut, path, zipped, append([]string{doortest.Bearer(h.token)}, headers...)...)
}

// published uploads to the group and insists on success.
func (h house) published(query, zipped string) string {
	h.t.Helper()
	a := h.put("/composer/main/"+query, zipped)
	if a.Status != http.StatusCreated {
		h.t.Fatalf("upload %s: %d %s", query, a.Status, a.Body)
	}
	return value(h.t, a.Body, "dist", "url")
}

func (h house) get(path string, headers ...string) doortest.Answer {
	h.t.Helper()
	return h.Do(http.MethodGet, strings.TrimPrefix(path, h.URL), "", headers...)
}

// body reads a document and insists on success.
func (h house) body(path string, headers ...string) string {
	h.t.Helper()
	a := h.get(path, headers...)
	if a.Status != http.StatusOK {
		h.t.Fatalf("GET %s: %d %s", path, a.Status, a.Body)
	}
	return a.Body
}

// change changes facts as the system does.
func (h house) change(norm string, fn func(*registry.Change, *registry.Project) error) {
	h.t.Helper()
	ctx := h.t.Context()
	repo, err := h.House.Registry.Repository(ctx, "composer", "local")
	if err != nil {
		h.t.Fatal(err)
	}
	err = h.House.Registry.Change(ctx, registry.Actor{}, func(c *registry.Change) error {
		p, err := c.Project(ctx, repo, norm)
		if err != nil {
			return err
		}
		return fn(c, p)
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

// versions are the pretty versions that a p2 document lists.
func versions(t *testing.T, body, name string) []string {
	t.Helper()
	var doc struct {
		Packages map[string]json.RawMessage
		Minified string
	}
	if err := json.Unmarshal([]byte(body), &doc); err != nil || doc.Minified != "composer/2.0" || doc.Packages[name] == nil || len(doc.Packages) != 1 {
		t.Fatalf("%v in %s", err, body)
	}
	out := []string{}
	for _, o := range expand(t, doc.Packages[name]) {
		out = append(out, o.text("version"))
	}
	return out
}

// value reads a string of a JSON document by its path.
func value(t *testing.T, body string, path ...string) string {
	t.Helper()
	o, err := parseObject([]byte(body))
	if err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	for _, name := range path[:len(path)-1] {
		o = o.object(name)
	}
	return o.text(path[len(path)-1])
}

var (
	stamps = regexp.MustCompile(`20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00`)
	sums   = regexp.MustCompile(`[0-9a-f]{40}`)
)

// golden compares a document with its file, times, digests and address replaced, one member a line.
func (h house) golden(name, body string) {
	h.t.Helper()
	body = strings.ReplaceAll(sums.ReplaceAllString(stamps.ReplaceAllString(body, "TIME"), "DIGEST"), h.URL, "http://HOST")
	var v any
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		h.t.Fatal(err)
	}
	got := strings.NewReplacer(`,"`, ",\n\"", `[{`, "[\n{", `},{`, "},\n{").Replace(body) + "\n"
	path := filepath.Join("testdata", "wire", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			h.t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		h.t.Fatal(err)
	}
	if got != string(want) {
		h.t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
	}
}

func TestDocumentsOnTheWire(t *testing.T) {
	h := open(t)
	h.golden("packages-empty.json", h.body("/composer/main/packages.json"))
	publish := func(query, zipped string) {
		h.Clock.Advance(2 * time.Second) // no two of one second, so that minifying always sees different times
		h.published(query, zipped)
	}
	publish("?version=1.0.0", simple(t, "acme/lib", "", "require", `{"php":">=7"}`))
	publish("", simple(t, "acme/lib", "1.1.0"))
	publish("", simple(t, "acme/lib", "1.2.0", "require", `{"php":">=8"}`, "time", `"2020-01-02"`, "extra", `{"branch-alias":{"dev-main":"1.x-dev"}}`))
	publish("", simple(t, "acme/lib", "2.0.0-beta1", "require", `{"php":">=8"}`))
	publish("?version=dev-feature/x", simple(t, "acme/lib", ""))
	publish("", simple(t, "beta-corp/tool", "1.0", "type", `"composer-plugin"`))
	h.golden("packages.json", h.body("/composer/main/packages.json"))
	h.golden("p2.json", h.body("/composer/main/p2/acme/lib.json"))
	h.golden("p2-dev.json", h.body("/composer/main/p2/acme/lib~dev.json"))
	h.golden("p2-no-branches.json", h.body("/composer/main/p2/beta-corp/tool~dev.json"))
	h.golden("list.json", h.body("/composer/main/packages/list.json"))
	h.golden("search.json", h.body("/composer/main/search.json?q=acme&type="))
	h.golden("package.json", h.body("/composer/main/packages/acme/lib.json"))
	h.golden("summary.json", h.body("/composer/main/lists/all/summary.json"))
}

func TestUploadAnswers(t *testing.T) {
	h := open(t)
	zipped := simple(t, "acme/lib", "1.0.0")
	other := simple(t, "acme/lib", "1.0.0", "description", `"other bytes"`)
	first := h.put("/composer/local/", zipped)
	if first.Status != http.StatusCreated || value(t, first.Body, "package") != "acme/lib" || value(t, first.Body, "version") != "1.0.0" ||
		value(t, first.Body, "version_normalized") != "1.0.0.0" || value(t, first.Body, "sha256") != digest.Of([]byte(zipped)).String() {
		t.Fatalf("the first upload: %d %s", first.Status, first.Body)
	}
	if got := h.body(value(t, first.Body, "dist", "url")); got != zipped {
		t.Error("the dist is not what was uploaded")
	}
	again := h.put("/composer/local/?version=v1.0.0", zipped)
	if again.Status != http.StatusOK || !strings.Contains(again.Body, "nothing changed") {
		t.Errorf("the same bytes again: %d %s", again.Status, again.Body)
	}
	conflict := h.put("/composer/local/", other)
	if conflict.Status != http.StatusConflict || !strings.Contains(conflict.Body, "already published here") || conflict.Header.Get("Content-Type") != "application/json" {
		t.Errorf("other bytes: %d %s", conflict.Status, conflict.Body)
	}
	if got := versions(t, h.body("/composer/local/p2/acme/lib.json"), "acme/lib"); !slices.Equal(got, []string{"1.0.0"}) {
		t.Errorf("p2 lists %v", got)
	}
}

// TestUploadURLs: every way in which people and curl write the URL (composer.md §8).
func TestUploadURLs(t *testing.T) {
	h := open(t)
	for i, c := range []struct{ name, url, inner string }{
		{"acme/a", "/composer/main", "1.0"},
		{"acme/b", "/composer/main/", "1.0"},
		{"acme/c", "/composer/main/package.zip", "1.0"}, // curl -T package.zip …/main/
		{"acme/o", "/composer/main/whatever", "1.0"},
		{"acme/d", "/composer/main/?version=1.0", ""},
		{"acme/e", "/composer/main?version=1.0", ""},
		{"acme/f", "/composer/main/package.ZIP?version=1.0", ""},
		{"acme/g", "/composer/main/acme/g/1.0", ""},
		{"acme/h", "/composer/main/acme/h/1.0/package.zip", ""}, // curl -T package.zip …/1.0/
		{"acme/i", "/composer/main/acme%2fi/1.0", ""},
		{"acme/j", "/composer/main/acme/j/", "1.0"},
		{"acme/k", "/composer/main/acme/k?version=1.0", ""},
		{"acme/l", "/composer/main/acme/l/1.0?version=1.0", "v1.0.0"},
		{"acme/m", "/composer/main/acme/m/dev-feature/x", ""},
		{"acme/n", "/composer/main/acme/n/dev-feature%2fx", ""},
	} {
		a := h.put(c.url, simple(t, c.name, c.inner))
		if a.Status != http.StatusCreated || value(t, a.Body, "package") != c.name {
			t.Errorf("%d: PUT %s: %d %s", i, c.url, a.Status, a.Body)
		}
	}
}

func TestUploadsThatAreRefused(t *testing.T) {
	h := open(t)
	good := simple(t, "acme/lib", "1.0.0")
	sum := digest.Of([]byte(good))
	for name, c := range map[string]struct {
		url, body string
		header    string
		status    int
		says      string
	}{
		"a name in the URL that the zip denies":    {"acme/other/1.0.0", good, "", 400, `says acme/other, but the composer.json in the archive says \"acme/lib\"`},
		"a version in the URL that the zip denies": {"acme/lib/1.0.1", good, "", 400, `says version \"1.0.1\", but the composer.json in the archive says \"1.0.0\"`},
		"a version in the query, likewise":         {"?version=2.0", good, "", 400, "composer/version-mismatch"},
		"path and query at odds":                   {"acme/lib/1.0.0?version=1.0.1", good, "", 400, "Say it once"},
		"no version anywhere":                      {"", simple(t, "acme/lib", ""), "", 400, "composer/no-version"},
		"a version that Composer cannot read":      {"?version=one", simple(t, "acme/lib", ""), "", 400, "composer/version"},
		"a branch without dev-":                    {"?version=main", simple(t, "acme/lib", ""), "", 400, "dev-BRANCH"},
		"a version nobody can require":             {"?version=dev-a%23b", simple(t, "acme/lib", ""), "", 400, "composer/version-pretty"},
		"an alias for a version":                   {"", simple(t, "acme/lib", "1.0 as 2.0"), "", 400, "composer/version-pretty"},
		"a stability flag in a version":            {"", simple(t, "acme/lib", "1.0@dev"), "", 400, "composer/version-pretty"},
		"an upper-case name":                       {"", simple(t, "Acme/Lib", "1.0"), "", 400, "composer/name-case"},
		"a name without vendor":                    {"", simple(t, "lib", "1.0"), "", 400, "composer/name-shape"},
		"a reserved vendor":                        {"", simple(t, "php/lib", "1.0"), "", 400, "composer/vendor-reserved"},
		"no composer.json":                         {"", pack(t, file{"a.php", ""}), "", 400, "composer/no-manifest"},
		"no zip":                                   {"", "hello", "", 400, "archive/zip"},
		"no body":                                  {"", "", "", 400, "composer/no-body"},
		"a form":                                   {"", good, "Content-Type: multipart/form-data; boundary=x", 400, "composer/upload-form"},
		"a digest that is another's":               {"", good, "Content-Digest: sha-256=:" + base64.StdEncoding.EncodeToString(make([]byte, 32)) + ":", 400, "composer/content-digest"},
	} {
		headers := []string{}
		if c.header != "" {
			headers = append(headers, c.header)
		}
		a := h.put("/composer/local/"+c.url, c.body, headers...)
		if a.Status != c.status || !strings.Contains(a.Body, c.says) || value(t, a.Body, "status") != "error" {
			t.Errorf("%s: %d %s; want %d %q", name, a.Status, a.Body, c.status, c.says)
		}
	}
	if a := h.get("/composer/local/p2/acme/lib.json"); a.Status != http.StatusNotFound {
		t.Errorf("after refusals only: %d %s", a.Status, a.Body)
	}
	right := "Content-Digest: sha-512=:ignored, sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
	if a := h.put("/composer/local/", good, strings.Replace(right, "sha-512", "unknown", 1)); a.Status != http.StatusCreated {
		t.Errorf("with its digest: %d %s", a.Status, a.Body)
	}
}

// TestAZipOverTheLimitIsRefusedUnread: a client that waits for "100 Continue", as curl does, sends nothing.
func TestAZipOverTheLimitIsRefusedUnread(t *testing.T) {
	h := open(t)
	body := strings.NewReader(strings.Repeat("x", doortest.FileLimit+1))
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, h.URL+"/composer/local/", body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+h.token)
	r.Header.Set("Expect", "100-continue")
	transport := &http.Transport{ExpectContinueTimeout: time.Minute}
	defer transport.CloseIdleConnections()
	res, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusRequestEntityTooLarge || !strings.Contains(string(answer), "intake/file-limit") {
		t.Errorf("%d %s, %v", res.StatusCode, answer, err)
	}
	if body.Len() != doortest.FileLimit+1 {
		t.Errorf("%d bytes were sent", doortest.FileLimit+1-body.Len())
	}
}

func TestWhoMayUpload(t *testing.T) {
	h := open(t)
	zipped := simple(t, "acme/lib", "1.0.0")
	if a := h.Do(http.MethodPut, "/composer/main/", zipped); a.Status != http.StatusUnauthorized || !strings.HasPrefix(a.Header.Get("Www-Authenticate"), "Basic ") {
		t.Errorf("nobody: %d %v", a.Status, a.Header)
	}
	basic := "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("whoever:"+h.token))
	if a := h.Do(http.MethodPut, "/composer/main/", zipped, basic); a.Status != http.StatusCreated {
		t.Errorf("http-basic: %d %s", a.Status, a.Body)
	}
	next := simple(t, "acme/lib", "1.1.0")
	for name, token := range map[string]string{
		"a stranger": h.Token("bob"), "a reader": h.Token("alice", "read"), "one for another package": h.Token("alice", "publish:composer/local:acme/other"),
		"one for another repository": h.Token("alice", "publish:composer/team"),
	} {
		for _, url := range []string{"/composer/main/", "/composer/main/acme/lib/1.1.0"} {
			a := h.Do(http.MethodPut, url, next, doortest.Bearer(token))
			if a.Status != http.StatusForbidden || a.Header.Get("Content-Type") != "application/json" || value(t, a.Body, "warning") == "" {
				t.Errorf("%s, %s: %d %s", name, url, a.Status, a.Body)
			}
		}
	}
	if a := h.Do(http.MethodPut, "/composer/main/", next, doortest.Bearer(h.Token("alice", "publish:composer/local:acme/*"))); a.Status != http.StatusCreated {
		t.Errorf("a token for the vendor: %d %s", a.Status, a.Body)
	}
}

// TestMetadataMovesWithEveryChange: clients send Last-Modified back as it was, and a stale one would hide a change
// (composer.md §2).
func TestMetadataMovesWithEveryChange(t *testing.T) {
	h := open(t)
	seen := map[string]bool{}
	for _, v := range []string{"1.0.0", "1.0.1", "1.0.2"} { // within one second
		h.published("", simple(t, "acme/lib", v))
		a := h.get("/composer/main/p2/acme/lib.json")
		modified := a.Header.Get("Last-Modified")
		if modified == "" || seen[modified] {
			t.Fatalf("after %s the document is of %q, as before", v, modified)
		}
		seen[modified] = true
		if again := h.get("/composer/main/p2/acme/lib.json", "If-Modified-Since: "+modified); again.Status != http.StatusNotModified || again.Body != "" {
			t.Errorf("with its own time: %d %q", again.Status, again.Body)
		}
		for old := range seen {
			if old == modified {
				continue
			}
			if again := h.get("/composer/main/p2/acme/lib.json", "If-Modified-Since: "+old); again.Status != http.StatusOK {
				t.Errorf("with an older time: %d", again.Status)
			}
		}
	}
}

func TestABranchMovesAndItsOldDistsStay(t *testing.T) {
	h := open(t)
	one, two := simple(t, "acme/lib", "", "description", `"one"`), simple(t, "acme/lib", "", "description", `"two"`)
	first := h.published("?version=dev-main", one)
	if a := h.put("/composer/main/?version=dev-main", one); a.Status != http.StatusOK {
		t.Errorf("the same again: %d %s", a.Status, a.Body)
	}
	before := h.get("/composer/main/p2/acme/lib~dev.json")
	second := h.published("?version=dev-main", two)
	if first == second {
		t.Fatal("two uploads of a branch share a dist")
	}
	after := h.get("/composer/main/p2/acme/lib~dev.json", "If-Modified-Since: "+before.Header.Get("Last-Modified"))
	if after.Status != http.StatusOK || !strings.Contains(after.Body, second) || strings.Contains(after.Body, first) || !strings.Contains(after.Body, `"two"`) {
		t.Errorf("after the second upload: %d %s", after.Status, after.Body)
	}
	if h.body(first) != one || h.body(second) != two {
		t.Error("a dist is not what was uploaded")
	}
	// Going back to what the branch was is a change as well.
	if a := h.put("/composer/main/?version=dev-main", one); a.Status != http.StatusCreated {
		t.Errorf("back to the first: %d %s", a.Status, a.Body)
	}
	if body := h.body("/composer/main/p2/acme/lib~dev.json"); !strings.Contains(body, first) || !strings.Contains(body, `"one"`) {
		t.Errorf("back to the first: %s", body)
	}
	if body := h.body("/composer/main/p2/acme/lib.json"); len(versions(t, body, "acme/lib")) != 0 {
		t.Errorf("branches in the file of releases: %s", body)
	}
}

func TestWhatIsNotHereIsNotFound(t *testing.T) {
	h := open(t)
	url := strings.TrimPrefix(h.published("", simple(t, "acme/lib", "1.0.0")), h.URL)
	for _, path := range []string{
		"/composer/main/p2/acme/none.json", "/composer/main/p2/acme/none~dev.json", "/composer/main/p2/acme.json", "/composer/main/p2/acme/lib",
		"/composer/main/p2/", "/composer/main/p2/acme/lib.json/x", "/composer/main/p2/../packages.json",
		strings.Replace(url, "1.0.0.0", "1.0.0.1", 1), strings.Replace(url, "acme/lib", "acme/none", 1), url[:len(url)-8] + "0000.zip",
		"/composer/none/packages.json", "/composer/main", "/composer/main/", "/composer/main/providers/x.json", "/composer/main/packages/acme/none.json",
	} {
		a := h.get(path)
		if a.Status != http.StatusNotFound || a.Header.Get("Content-Type") != "application/json" || value(t, a.Body, "message") == "" {
			t.Errorf("GET %s: %d %s", path, a.Status, a.Body)
		}
		// Clients print warning; several repositories are asked for each name, so absence is silent.
		if strings.Contains(path, "/p2/") && value(t, a.Body, "warning") != "" {
			t.Errorf("GET %s warns: %s", path, a.Body)
		}
	}
	for _, method := range []string{http.MethodDelete, http.MethodPatch, http.MethodPost} {
		if a := h.Do(method, "/composer/main/p2/acme/lib.json", "x", doortest.Bearer(h.token)); a.Status != http.StatusNotFound {
			t.Errorf("%s: %d %s", method, a.Status, a.Body)
		}
	}
	if a := h.get("/composer/main/p2/Acme/LIB.json"); a.Status != http.StatusOK {
		t.Errorf("another case: %d", a.Status)
	}
}

func TestWhatIsWithheld(t *testing.T) {
	h := open(t)
	h.published("", simple(t, "acme/lib", "1.0.0"))
	bad := h.published("", simple(t, "acme/lib", "1.1.0"))
	h.change("acme/lib", func(c *registry.Change, p *registry.Project) error {
		return c.SetVerdict(t.Context(), p, "1.1.0.0", registry.Verdict{Decision: registry.Block, Rule: "malware/known", Reason: "it steals\x1b[31m keys"})
	})
	a := h.get(bad)
	if a.Status != http.StatusForbidden || a.Header.Get("Content-Type") != "application/json" || !strings.Contains(value(t, a.Body, "warning"), "is withheld: it steals [31m keys [malware/known]") {
		t.Errorf("a blocked dist: %d %q %s", a.Status, a.Header.Get("Content-Type"), a.Body)
	}
	doc := h.get("/composer/main/p2/acme/lib.json")
	if got := versions(t, doc.Body, "acme/lib"); !slices.Equal(got, []string{"1.0.0"}) || !strings.Contains(value(t, doc.Body, "warning"), "version 1.1.0 (it steals") {
		t.Errorf("p2: %v %s", got, doc.Body)
	}
	if doc.Header.Get("Last-Modified") != "" {
		t.Error("a client that asks whether the notice changed would not print it")
	}
	h.change("acme/lib", func(c *registry.Change, p *registry.Project) error {
		return c.SetStatus(t.Context(), p, registry.Quarantined, "under examination")
	})
	body := h.body("/composer/main/p2/acme/lib.json")
	if got := versions(t, body, "acme/lib"); len(got) != 0 || value(t, body, "warning") != "acme/lib is quarantined: under examination" {
		t.Errorf("quarantined: %s", body)
	}
	if a := h.get(bad); a.Status != http.StatusForbidden || !strings.Contains(value(t, a.Body, "warning"), "quarantined: under examination") {
		t.Errorf("a quarantined dist: %d %s", a.Status, a.Body)
	}
	if body := h.body("/composer/main/packages/list.json"); strings.Contains(body, "acme/lib") {
		t.Errorf("listed: %s", body)
	}
}

func TestAHoldEndsByItself(t *testing.T) {
	h := open(t)
	h.published("", simple(t, "acme/lib", "1.0.0"))
	h.change("acme/lib", func(c *registry.Change, p *registry.Project) error {
		return c.SetVerdict(t.Context(), p, "1.0.0.0", registry.Verdict{Decision: registry.Hold, Rule: "cooldown", Reason: "too new", Until: h.Clock.Now().Add(time.Hour)})
	})
	body := h.body("/composer/main/p2/acme/lib.json")
	if got := versions(t, body, "acme/lib"); len(got) != 0 || value(t, body, "info") == "" {
		t.Errorf("held: %s", body)
	}
	h.Clock.Advance(61 * time.Minute)
	if got := versions(t, h.body("/composer/main/p2/acme/lib.json"), "acme/lib"); len(got) != 1 {
		t.Errorf("after the hold: %v", got)
	}
}

func TestYankedIsNotOfferedButStaysForLockFiles(t *testing.T) {
	h := open(t)
	h.published("", simple(t, "acme/lib", "1.0.0"))
	url := h.published("", simple(t, "acme/lib", "1.1.0"))
	h.change("acme/lib", func(c *registry.Change, p *registry.Project) error { return c.Yank(t.Context(), p, "1.1.0.0", "") })
	if got := versions(t, h.body("/composer/main/p2/acme/lib.json"), "acme/lib"); !slices.Equal(got, []string{"1.0.0"}) {
		t.Errorf("p2: %v", got)
	}
	h.body(url)
}

func TestAbandonedIsSaidOfEveryVersion(t *testing.T) {
	h := open(t)
	h.published("", simple(t, "acme/lib", "1.0.0", "abandoned", `"acme/wrong"`))
	h.published("", simple(t, "acme/lib", "1.1.0"))
	for reason, want := range map[string]string{"acme/new": `"acme/new"`, "nobody cares": "true"} {
		h.change("acme/lib", func(c *registry.Change, p *registry.Project) error {
			return c.SetStatus(t.Context(), p, registry.Deprecated, reason)
		})
		body := h.body("/composer/main/p2/acme/lib.json")
		if strings.Count(body, `"abandoned":`) != 1 || !strings.Contains(body, `"abandoned":`+want) { // the same for both, so said once
			t.Errorf("%s: %s", reason, body)
		}
	}
}

func TestADeletedPackageIsGone(t *testing.T) {
	h := open(t)
	zipped := simple(t, "acme/lib", "1.0.0")
	url := h.published("", zipped)
	h.change("acme/lib", func(c *registry.Change, p *registry.Project) error { return c.DeleteProject(t.Context(), p, "") })
	for _, path := range []string{"/composer/main/p2/acme/lib.json", url} {
		if a := h.get(path); a.Status != http.StatusNotFound {
			t.Errorf("GET %s: %d", path, a.Status)
		}
	}
	if a := h.put("/composer/main/", zipped); a.Status != http.StatusConflict {
		t.Errorf("published again: %d %s", a.Status, a.Body)
	}
	if body := h.body("/composer/main/packages.json"); strings.Contains(body, "acme") {
		t.Errorf("the vendor is still announced: %s", body)
	}
}

// TestRetentionKeepsWhatABranchPointsAt: the newest upload and the current one need not be the same.
func TestRetentionKeepsWhatABranchPointsAt(t *testing.T) {
	h := open(t)
	var urls []string
	for _, text := range []string{"one", "two", "three"} {
		urls = append(urls, h.published("?version=dev-main", simple(t, "acme/lib", "", "description", `"`+text+`"`)))
		h.Clock.Advance(time.Second)
	}
	h.published("?version=dev-main", simple(t, "acme/lib", "", "description", `"one"`)) // back to the first
	h.Settings("composer", "local", func(r *registry.Repository) { r.Settings.KeepSnapshots = 1 })
	removed, err := upkeep.Retain(t.Context(), h.House.Registry, h.Clock.Now(), false)
	if err != nil || len(removed) != 1 {
		t.Fatalf("removed %+v, %v", removed, err)
	}
	for i, want := range []int{http.StatusOK, http.StatusNotFound, http.StatusOK} {
		if a := h.get(urls[i]); a.Status != want {
			t.Errorf("upload %d: %d, not %d", i, a.Status, want)
		}
	}
	if body := h.body("/composer/main/p2/acme/lib~dev.json"); !strings.Contains(body, urls[0]) {
		t.Errorf("the branch points at %s", body)
	}
}

func FuzzUploadURL(f *testing.F) {
	for _, seed := range []string{"", "/", "/a.zip", "/acme/lib/1.0", "/acme/lib/dev-x/y/z.zip", "/acme%2flib/1.0", "/%zz", "//", "/acme//1.0"} {
		f.Add(seed, "version=1.0")
	}
	f.Fuzz(func(t *testing.T, path, query string) {
		values, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		c, err := claimOf(path, values)
		if err == nil && strings.Count(c.Name, "/") > 1 {
			t.Fatalf("%q names %q", path, c.Name)
		}
	})
}
