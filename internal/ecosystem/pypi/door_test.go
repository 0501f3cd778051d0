package pypi

import (
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"bonded/internal/access"
	"bonded/internal/door"
	"bonded/internal/door/doortest"
	"bonded/internal/registry"
	"bonded/internal/store"
	"bonded/internal/store/storetest"
)

var update = flag.Bool("update", false, "write the golden files")

const acceptJSON = "Accept: application/vnd.pypi.simple.v1+json"

type env struct {
	*doortest.Env
	t     testing.TB
	token string
}

func open(t testing.TB) *env { return openOn(t, storetest.SQLite(t)) }

func openOn(t testing.TB, db *store.DB) *env {
	t.Helper()
	e := doortest.On(t, db, []registry.Format{NewFormat()}, func(h *door.House) []door.Door { return []door.Door{NewDoor(h)} })
	return &env{e, t, e.Token("alice")}
}

// upload sends a distribution with a form.
func (e *env) upload(d dist, f formFields, headers ...string) doortest.Answer {
	e.t.Helper()
	return e.uploadTo("/pypi/main/legacy/", e.token, d, f, headers...)
}

func (e *env) uploadTo(path, token string, d dist, f formFields, headers ...string) doortest.Answer {
	e.t.Helper()
	kind, body := f.body(e.t, d, false)
	return e.Do("POST", path, body, append(headers, "Content-Type: "+kind, doortest.Bearer(token))...)
}

// publish uploads a distribution as twine does and expects success.
func (e *env) publish(all ...dist) {
	e.t.Helper()
	for _, d := range all {
		if a := e.upload(d, formOf(d)); a.Status != 200 || a.Body != "" {
			e.t.Fatalf("upload of %s: %d %s", d.filename, a.Status, a.Body)
		}
	}
}

// change runs a change of the facts of a project in the repository local.
func (e *env) change(norm string, fn func(*registry.Change, *registry.Project) error) {
	e.t.Helper()
	ctx := e.t.Context()
	repo, err := e.House.Registry.Repository(ctx, "pypi", "local")
	if err != nil {
		e.t.Fatal(err)
	}
	err = e.House.Registry.Change(ctx, registry.Actor{}, func(c *registry.Change) error {
		p, err := c.Project(ctx, repo, norm)
		if err != nil {
			return err
		}
		return fn(c, p)
	})
	if err != nil {
		e.t.Fatal(err)
	}
}

// detail reads a simple page as JSON.
func (e *env) detail(norm string, headers ...string) simpleDetail {
	e.t.Helper()
	a := e.Do("GET", "/pypi/main/simple/"+norm+"/", "", append(headers, acceptJSON)...)
	if a.Status != 200 || a.Header.Get("Content-Type") != "application/vnd.pypi.simple.v1+json" {
		e.t.Fatalf("simple/%s/: %d %s", norm, a.Status, a.Body)
	}
	var d simpleDetail
	if err := json.Unmarshal([]byte(a.Body), &d); err != nil {
		e.t.Fatal(err)
	}
	return d
}

// path is a URL's path, for Do.
func (e *env) path(url string) string {
	e.t.Helper()
	path, ok := strings.CutPrefix(url, e.URL)
	if !ok {
		e.t.Fatalf("%s is not below %s", url, e.URL)
	}
	return path
}

var (
	momentInJSON = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6}Z)?`)
	momentInRSS  = regexp.MustCompile(`[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT`)
)

// golden compares a wire document, less its address and times, with testdata/name.
func (e *env) golden(name, got string) {
	e.t.Helper()
	got = strings.ReplaceAll(got, e.URL, "https://packages.example")
	got = momentInJSON.ReplaceAllString(got, "2026-01-02T03:04:05$1")
	got = regexp.MustCompile(`(T03:04:05)\.\d{6}Z`).ReplaceAllString(got, "$1.000006Z")
	got = momentInRSS.ReplaceAllString(got, "Fri, 02 Jan 2026 03:04:05 GMT")
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			e.t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		e.t.Fatal(err)
	}
	if got != string(want) {
		e.t.Errorf("%s is\n%s\nwant\n%s", name, got, want)
	}
}

// release publishes a wheel and an sdist with everything that pages show.
func (e *env) release() (wheel, sdist dist) {
	extra := []string{
		"Summary: Says <hello> & more", "Requires-Python: >=3.8,<4", "Requires-Dist: greet-lib<3,>=1.0", "License: MIT",
		"Classifier: Programming Language :: Python :: 3", "Project-URL: Source, https://code.example/hello", "Keywords: a,b",
		"Author-email: Ann Nym <ann@example.test>", "Description-Content-Type: text/markdown", "", "# Hello", "",
	}
	wheel = makeWheel(e.t, "Hello.Bonded", "1.0", nil, nil, extra...)
	sdist = makeSdist(e.t, "Hello.Bonded", "1.0", nil, extra...)
	e.publish(wheel, sdist)
	return wheel, sdist
}

func TestWireDocuments(t *testing.T) {
	e := open(t)
	e.release()
	e.publish(makeSdist(t, "zebra", "1!2.0rc1", nil))
	e.change("hello-bonded", func(c *registry.Change, p *registry.Project) error {
		return c.Yank(t.Context(), p, "1", `broken on "Windows" <11>`)
	})
	for _, doc := range []struct{ golden, path, header string }{
		{"detail.json", "/pypi/main/simple/hello-bonded/", acceptJSON},
		{"detail.html", "/pypi/main/simple/hello-bonded/", "Accept: text/html"},
		{"epoch.json", "/pypi/main/simple/zebra/", acceptJSON},
		{"list.json", "/pypi/main/simple/", acceptJSON},
		{"list.html", "/pypi/main/simple/", "Accept: text/html"},
		{"project.json", "/pypi/main/pypi/hello-bonded/json", "Accept: */*"},
		{"release.json", "/pypi/main/pypi/hello-bonded/1.0.0/json", "Accept: */*"},
		{"updates.xml", "/pypi/main/rss/updates.xml", "Accept: */*"},
		{"packages.xml", "/pypi/main/rss/packages.xml", "Accept: */*"},
		{"releases.xml", "/pypi/main/rss/project/hello-bonded/releases.xml", "Accept: */*"},
		{"stats.json", "/pypi/main/stats", "Accept: application/json"},
	} {
		t.Run(doc.golden, func(t *testing.T) {
			a := e.Do("GET", doc.path, "", doc.header)
			if a.Status != 200 {
				t.Fatalf("%d %s", a.Status, a.Body)
			}
			e.golden(doc.golden, a.Body)
		})
	}
}

func TestJSONNeverHoldsANullThatBreaksClients(t *testing.T) {
	e := open(t)
	e.release()
	body := e.Do("GET", "/pypi/main/simple/hello-bonded/", "", acceptJSON).Body
	if strings.Contains(body, "null") || strings.Contains(body, `"dist-info-metadata"`) {
		t.Error(body)
	}
}

func TestFilesAreServedByTheAddressOfTheirBytes(t *testing.T) {
	e := open(t)
	wheel, sdist := e.release()
	d := e.detail("hello-bonded")
	if len(d.Files) != 2 || d.Files[0].Filename != wheel.filename || d.Files[1].Filename != sdist.filename {
		t.Fatalf("%+v", d.Files)
	}
	for i, want := range []dist{wheel, sdist} {
		path := e.path(d.Files[i].URL)
		a := e.Do("GET", path, "")
		if a.Status != 200 || a.Body != string(want.body) {
			t.Errorf("%s: %d, %d bytes", want.filename, a.Status, len(a.Body))
		}
		if cache := a.Header.Get("Cache-Control"); !strings.Contains(cache, "immutable") || !strings.Contains(cache, "public") {
			t.Errorf("Cache-Control: %s", cache)
		}
		if a.Header.Get("Access-Control-Allow-Origin") != "*" {
			t.Error("a file of an anonymous repository must be readable for scripts of other sites")
		}
		head := e.Do("HEAD", path, "")
		if head.Status != 200 || head.Header.Get("Content-Length") != strconv.Itoa(len(want.body)) || head.Header.Get("Accept-Ranges") != "bytes" {
			t.Errorf("HEAD: %d %v", head.Status, head.Header)
		}
		if a := e.Do("GET", path, "", "Range: bytes=-10"); a.Status != 206 || a.Body != string(want.body[len(want.body)-10:]) {
			t.Errorf("a suffix range: %d %q", a.Status, a.Body)
		}
		if a := e.Do("GET", path, "", "Range: bytes=5-", "If-Range: "+a.Header.Get("ETag")); a.Status != 206 || a.Body != string(want.body[5:]) {
			t.Errorf("a resumed download: %d", a.Status)
		}
		if a := e.Do("GET", path, "", "If-None-Match: "+a.Header.Get("ETag")); a.Status != 304 {
			t.Errorf("an unchanged file: %d", a.Status)
		}
		short := e.Do("GET", "/pypi/main/files/hello-bonded/"+want.filename, "")
		if short.Status != 302 || short.Header.Get("Location") != d.Files[i].URL {
			t.Errorf("the short address: %d %s", short.Status, short.Header.Get("Location"))
		}
		wrong := strings.Replace(path, "/files/"+path[len("/pypi/main/files/"):][:2], "/files/00", 1)
		if a := e.Do("GET", wrong, ""); a.Status != 404 {
			t.Errorf("another digest in the address: %d", a.Status)
		}
	}
}

func TestMetadataIsServedByteForByte(t *testing.T) {
	e := open(t)
	wheel, _ := e.release()
	d := e.detail("hello-bonded")
	a := e.Do("GET", e.path(d.Files[0].URL)+".metadata", "")
	if a.Status != 200 || a.Body != wheel.metadata {
		t.Fatalf("%d %q", a.Status, a.Body)
	}
	if d.Files[0].CoreMetadata["sha256"] != strings.Trim(a.Header.Get("ETag"), `"`) {
		t.Errorf("advertised %v, served %s", d.Files[0].CoreMetadata, a.Header.Get("ETag"))
	}
	if d.Files[1].CoreMetadata != nil {
		t.Error("source distributions have no .metadata, so none may be advertised")
	}
	for _, path := range []string{e.path(d.Files[1].URL) + ".metadata", e.path(d.Files[0].URL) + ".asc", e.path(d.Files[0].URL) + ".metadata.metadata"} {
		if a := e.Do("GET", path, ""); a.Status != 404 {
			t.Errorf("%s: %d", path, a.Status)
		}
	}
}

func TestRedirects(t *testing.T) {
	e := open(t)
	e.release()
	for _, c := range []struct {
		rule, path string
		status     int
		to         string
	}{
		{"a page without its slash", "/simple", 301, "/simple/"},
		{"a project without its slash", "/simple/hello-bonded", 301, "/simple/hello-bonded/"},
		{"a name that is not normalized", "/simple/Hello_Bonded/", 301, "/simple/hello-bonded/"},
		{"the same, keeping the query", "/simple/Hello.Bonded/?format=x", 301, "/simple/hello-bonded/?format=x"},
		{"a name nobody has", "/simple/No__Body/", 301, "/simple/no-body/"},
		{"the JSON API", "/pypi/Hello_Bonded/json", 301, "/pypi/hello-bonded/json"},
		{"the JSON API of a release", "/pypi/Hello_Bonded/1%211.0/json", 301, "/pypi/hello-bonded/1%211.0/json"},
		{"a feed", "/rss/project/Hello_Bonded/releases.xml", 301, "/rss/project/hello-bonded/releases.xml"},
		{"uploads", "/legacy", 308, "/legacy/"},
		{"the repository itself", "", 302, "/simple/"},
		{"the repository itself, with a slash", "/", 302, "/simple/"},
	} {
		t.Run(c.rule, func(t *testing.T) {
			a := e.Do("GET", "/pypi/main"+c.path, "")
			if a.Status != c.status || a.Header.Get("Location") != e.URL+"/pypi/main"+c.to {
				t.Errorf("%d %s", a.Status, a.Header.Get("Location"))
			}
		})
	}
}

func TestAbsent(t *testing.T) {
	e := open(t)
	e.release()
	for _, path := range []string{
		"/simple/nobody/", "/simple/-/", "/simple/a/b/", "/simple/hello-bonded/x/", "/simple/%ff/", "/files/", "/files/a",
		"/files/hello-bonded/hello_bonded-9-py3-none-any.whl", "/files/hello-bonded/../x", "/pypi/hello-bonded", "/pypi/nobody/json",
		"/pypi/hello-bonded/9/json", "/pypi/hello-bonded/x/json", "/pypi/a/b/c/json", "/rss/", "/rss/x.xml", "/rss/project/nobody/releases.xml",
		"/stats/x", "/legacy/x", "/else",
	} {
		if a := e.Do("GET", "/pypi/main"+path, ""); a.Status != 404 {
			t.Errorf("%s: %d %s", path, a.Status, a.Body)
		}
	}
	if a := e.Do("GET", "/pypi/main/pypi/nobody/json", ""); a.Body != `{"message":"Not Found"}` || a.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%s", a.Body)
	}
	if a := e.Do("GET", "/pypi/nowhere/simple/", ""); a.Status != 404 || !strings.Contains(a.Body, "no pypi repository named") {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

func TestMethods(t *testing.T) {
	e := open(t)
	for _, c := range []struct{ method, path, allow string }{
		{"POST", "/simple/", "GET, HEAD, OPTIONS"},
		{"DELETE", "/files/x", "GET, HEAD, OPTIONS"},
		{"PUT", "/pypi/x/json", "GET, HEAD, OPTIONS"},
		{"GET", "/legacy/", "POST"},
		{"PUT", "/legacy/", "POST"},
		{"GET", "/pypi", "POST"},
		{"GET", "/pypi/", "POST"},
	} {
		if a := e.Do(c.method, "/pypi/main"+c.path, ""); a.Status != 405 || a.Header.Get("Allow") != c.allow {
			t.Errorf("%s %s: %d, Allow %q", c.method, c.path, a.Status, a.Header.Get("Allow"))
		}
	}
	a := e.Do("OPTIONS", "/pypi/main/simple/x/", "", "Origin: https://repl.example", "Access-Control-Request-Method: GET")
	if a.Status != 204 || a.Header.Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(a.Header.Get("Access-Control-Allow-Headers"), "Range") {
		t.Errorf("preflight: %d %v", a.Status, a.Header)
	}
}

func TestPagesAreRevalidated(t *testing.T) {
	e := open(t)
	e.release()
	for _, path := range []string{"/simple/", "/simple/hello-bonded/", "/pypi/hello-bonded/json", "/rss/updates.xml", "/stats"} {
		a := e.Do("GET", "/pypi/main"+path, "", acceptJSON)
		if a.Status != 200 || a.Header.Get("Cache-Control") != "no-cache" || a.Header.Get("ETag") == "" {
			t.Errorf("%s: %d %v", path, a.Status, a.Header)
			continue
		}
		if b := e.Do("GET", "/pypi/main"+path, "", acceptJSON, "If-None-Match: "+a.Header.Get("ETag")); b.Status != 304 {
			t.Errorf("%s unchanged: %d", path, b.Status)
		}
		if strings.HasPrefix(path, "/simple/") && !strings.Contains(a.Header.Get("Vary"), "Accept,") {
			t.Errorf("%s: Vary: %s", path, a.Header.Get("Vary"))
		}
	}
	before := e.Do("GET", "/pypi/main/simple/hello-bonded/", "", acceptJSON)
	e.publish(makeWheel(t, "Hello.Bonded", "1.1", nil, nil))
	after := e.Do("GET", "/pypi/main/simple/hello-bonded/", "", acceptJSON, "If-None-Match: "+before.Header.Get("ETag"))
	if after.Status != 200 || !strings.Contains(after.Body, "1.1") {
		t.Errorf("a new release is not seen: %d", after.Status)
	}
	serials := []string{before.Header.Get("X-PyPI-Last-Serial"), after.Header.Get("X-PyPI-Last-Serial")}
	if a, _ := strconv.Atoi(serials[0]); a == 0 || serials[0] == serials[1] {
		t.Errorf("serials %v", serials)
	}
}

func TestHotReadsRunNoSQL(t *testing.T) {
	e := open(t)
	e.release()
	file := e.path(e.detail("hello-bonded").Files[0].URL)
	paths := []string{"/pypi/main/simple/hello-bonded/", "/pypi/main/simple/", "/pypi/main/pypi/hello-bonded/json", file, file + ".metadata"}
	for _, credential := range []string{"X-None: 1", doortest.Bearer(e.token)} {
		read := func() {
			for _, path := range paths {
				if a := e.Do("GET", path, "", credential, acceptJSON); a.Status != 200 {
					t.Fatalf("%s: %d", path, a.Status)
				}
			}
		}
		read()
		// The feed polls on its own; a round of reads must come out without any statement of theirs in some window between polls.
		quiet := false
		for range 20 {
			before := e.DB.Statements()
			read()
			if e.DB.Statements() == before {
				quiet = true
				break
			}
		}
		if !quiet {
			t.Error("reads go to the database")
		}
	}
}

func TestYanks(t *testing.T) {
	e := open(t)
	e.release()
	yanked := func() any { return e.detail("hello-bonded").Files[0].Yanked }
	if yanked() != false {
		t.Errorf("%v", yanked())
	}
	e.change("hello-bonded", func(c *registry.Change, p *registry.Project) error { return c.Yank(t.Context(), p, "1", "") })
	if html := e.Do("GET", "/pypi/main/simple/hello-bonded/", "").Body; yanked() != true || strings.Count(html, ` data-yanked=""`) != 2 {
		t.Errorf("%v %s", yanked(), html)
	}
	e.change("hello-bonded", func(c *registry.Change, p *registry.Project) error { return c.Yank(t.Context(), p, "1", "bad") })
	if html := e.Do("GET", "/pypi/main/simple/hello-bonded/", "").Body; yanked() != "bad" || strings.Count(html, ` data-yanked="bad"`) != 2 {
		t.Errorf("%v %s", yanked(), html)
	}
	if a := e.Do("GET", e.path(e.detail("hello-bonded").Files[0].URL), ""); a.Status != 200 {
		t.Errorf("a yanked file stays downloadable for who pinned it: %d", a.Status)
	}
	e.change("hello-bonded", func(c *registry.Change, p *registry.Project) error { return c.Unyank(t.Context(), p, "1") })
	if yanked() != false {
		t.Errorf("%v", yanked())
	}
}

func TestStatusOfAProject(t *testing.T) {
	e := open(t)
	wheel, _ := e.release()
	file := e.path(e.detail("hello-bonded").Files[0].URL)
	set := func(s registry.Status, reason string) {
		e.change("hello-bonded", func(c *registry.Change, p *registry.Project) error { return c.SetStatus(t.Context(), p, s, reason) })
	}
	set(registry.Archived, "moved to hi")
	d := e.detail("hello-bonded")
	if d.Status.Status != "archived" || d.Status.Reason != "moved to hi" || len(d.Files) != 2 {
		t.Errorf("archived: %+v", d)
	}
	if a := e.upload(wheel, formOf(wheel)); a.Status != 403 || !strings.Contains(a.Body, "archived") {
		t.Errorf("an upload to an archived project: %d %s", a.Status, a.Body)
	}
	set(registry.Quarantined, "suspected malware")
	d = e.detail("hello-bonded")
	if d.Status.Status != "quarantined" || len(d.Files) != 0 || len(d.Versions) != 0 || d.Files == nil || d.Versions == nil {
		t.Errorf("quarantined: %+v", d)
	}
	html := e.Do("GET", "/pypi/main/simple/hello-bonded/", "").Body
	if !strings.Contains(html, `<meta name="pypi:project-status" content="quarantined">`) || strings.Contains(html, "<a ") {
		t.Errorf("quarantined: %s", html)
	}
	if a := e.Do("GET", "/pypi/main/pypi/hello-bonded/json", ""); a.Status != 404 {
		t.Errorf("JSON API: %d", a.Status)
	}
	for _, path := range []string{file, file + ".metadata"} {
		if a := e.Do("GET", path, ""); a.Status != 403 || !strings.Contains(a.Body, "suspected malware") {
			t.Errorf("a file of it: %d %s", a.Status, a.Body)
		}
	}
	if list := e.Do("GET", "/pypi/main/simple/", "", acceptJSON).Body; strings.Contains(list, "Bonded") {
		t.Errorf("list: %s", list)
	}
	if rss := e.Do("GET", "/pypi/main/rss/updates.xml", "").Body; strings.Contains(rss, "Bonded") {
		t.Errorf("RSS: %s", rss)
	}
	if a := e.upload(wheel, formOf(wheel)); a.Status != 403 {
		t.Errorf("an upload to a quarantined project: %d", a.Status)
	}
	set(registry.Active, "")
	if d := e.detail("hello-bonded"); d.Status.Status != "active" || len(d.Files) != 2 {
		t.Errorf("cleared: %+v", d)
	}
}

func TestWithheldReleasesAreAbsentUntilTheirTime(t *testing.T) {
	e := open(t)
	e.release()
	e.publish(makeWheel(t, "Hello.Bonded", "2.0", nil, nil))
	e.change("hello-bonded", func(c *registry.Change, p *registry.Project) error {
		return c.SetVerdict(t.Context(), p, "2", registry.Verdict{Decision: registry.Hold, Rule: "policy/cooldown", Reason: "too new", Until: e.Clock.Now().Add(time.Hour)})
	})
	if d := e.detail("hello-bonded"); len(d.Versions) != 1 || len(d.Files) != 2 {
		t.Errorf("held: %+v", d.Versions)
	}
	if a := e.Do("GET", "/pypi/main/pypi/hello-bonded/2.0/json", ""); a.Status != 404 {
		t.Errorf("JSON API: %d", a.Status)
	}
	e.Clock.Advance(2 * time.Hour)
	if d := e.detail("hello-bonded"); len(d.Versions) != 2 {
		t.Errorf("after the time: %+v", d.Versions)
	}
}

func TestDeletedThingsStayTaken(t *testing.T) {
	e := open(t)
	wheel, sdist := e.release()
	e.change("hello-bonded", func(c *registry.Change, p *registry.Project) error { return c.DeleteRelease(t.Context(), p, "1", "") })
	if d := e.detail("hello-bonded"); len(d.Files) != 0 || d.Status.Status != "active" {
		t.Errorf("a project without releases is an empty page: %+v", d)
	}
	for _, d := range []dist{wheel, sdist} {
		if a := e.upload(d, formOf(d)); a.Status != 409 {
			t.Errorf("%s again: %d %s", d.filename, a.Status, a.Body)
		}
	}
	e.change("hello-bonded", func(c *registry.Change, p *registry.Project) error { return c.DeleteProject(t.Context(), p, "") })
	if a := e.Do("GET", "/pypi/main/simple/hello-bonded/", ""); a.Status != 404 {
		t.Errorf("a deleted project: %d", a.Status)
	}
	// twine takes any 409 for "is there already", which this is not.
	if a := e.upload(wheel, formOf(wheel)); a.Status != 400 || !strings.Contains(a.Body, "its name stays taken") {
		t.Errorf("an upload under a deleted name: %d %s", a.Status, a.Body)
	}
}

func TestGroupsShowTheirMembersAndNoMore(t *testing.T) {
	e := open(t)
	e.Repository(registry.Repository{Ecosystem: "pypi", Name: "extra", Kind: registry.Hosted, Visibility: registry.Anonymous})
	e.Repository(registry.Repository{Ecosystem: "pypi", Name: "secret", Kind: registry.Hosted, Visibility: registry.Private})
	e.Repository(registry.Repository{Ecosystem: "pypi", Name: "all", Kind: registry.Group, Visibility: registry.Anonymous}, "local", "extra", "secret")
	put := func(repo, name, version string) dist {
		d := makeWheel(t, name, version, nil, nil)
		if a := e.uploadTo("/pypi/"+repo+"/legacy/", e.token, d, formOf(d)); a.Status != 200 {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
		return d
	}
	put("local", "one", "1.0")
	put("extra", "one", "2.0")
	two := put("extra", "two", "1.0")
	put("secret", "three", "1.0")

	list := e.Do("GET", "/pypi/all/simple/", "", acceptJSON)
	if list.Status != 200 || strings.Count(list.Body, `"name":"one"`) != 1 || !strings.Contains(list.Body, `"two"`) || strings.Contains(list.Body, "three") {
		t.Errorf("the list for everybody: %s", list.Body)
	}
	if list := e.Do("GET", "/pypi/all/simple/", "", acceptJSON, doortest.Bearer(e.token)); !strings.Contains(list.Body, "three") ||
		!strings.Contains(list.Header.Get("Cache-Control"), "private") {
		t.Errorf("the list for who may read all: %v %s", list.Header, list.Body)
	}
	if rss := e.Do("GET", "/pypi/all/rss/updates.xml", "").Body; strings.Contains(rss, "three") || strings.Contains(rss, "2.0<") || !strings.Contains(rss, "two 1.0") {
		t.Errorf("RSS: %s", rss)
	}
	if a := e.Do("GET", "/pypi/all/simple/one/", "", acceptJSON); !strings.Contains(a.Body, "one-1.0") || strings.Contains(a.Body, "one-2.0") {
		t.Errorf("the first member that has a name answers for it: %s", a.Body)
	}
	a := e.Do("GET", "/pypi/all/simple/two/", "", acceptJSON)
	var d simpleDetail
	if err := json.Unmarshal([]byte(a.Body), &d); err != nil || len(d.Files) != 1 || !strings.HasPrefix(d.Files[0].URL, e.URL+"/pypi/all/files/") {
		t.Fatalf("files of a group are served by the group: %v %s", err, a.Body)
	}
	if a := e.Do("GET", e.path(d.Files[0].URL), ""); a.Status != 200 || a.Body != string(two.body) {
		t.Errorf("%d", a.Status)
	}
	if a := e.Do("GET", "/pypi/all/simple/three/", ""); a.Status != 401 {
		t.Errorf("a private member's project, for strangers: %d", a.Status)
	}
	if a := e.Do("GET", "/pypi/all/simple/three/", "", doortest.Bearer(e.token)); a.Status != 200 {
		t.Errorf("a private member's project, for who may read it: %d", a.Status)
	}
}

func TestWhoMayRead(t *testing.T) {
	e := open(t)
	e.Repository(registry.Repository{Ecosystem: "pypi", Name: "secret", Kind: registry.Hosted, Visibility: registry.Private})
	d := makeWheel(t, "hush", "1.0", nil, nil)
	if a := e.uploadTo("/pypi/secret/legacy/", e.token, d, formOf(d)); a.Status != 200 {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	npmOnly := e.Token("bob", "read:npm/*")
	for _, c := range []struct {
		rule, header string
		status       int
	}{
		{"nobody is asked to log in", "X-None: 1", 401},
		{"a wrong token is said to be wrong", "Authorization: Basic eDp5", 401},
		{"a token with any user name", "Authorization: Basic " + basic("whoever", e.token), 200},
		{"a token as user name", "Authorization: Basic " + basic(e.token, ""), 200},
		{"a bearer token", doortest.Bearer(e.token), 200},
		{"a token of another ecosystem learns nothing", doortest.Bearer(npmOnly), 404},
	} {
		t.Run(c.rule, func(t *testing.T) {
			for _, path := range []string{"/simple/", "/simple/hush/", "/files/hush/" + d.filename, "/pypi/hush/json"} {
				a := e.Do("GET", "/pypi/secret"+path, "", c.header, acceptJSON)
				want := c.status
				if want == 200 && strings.HasPrefix(path, "/files/") {
					want = 302
				}
				if a.Status != want {
					t.Errorf("%s: %d", path, a.Status)
				}
				if challenge := a.Header.Get("WWW-Authenticate"); (challenge != "") != (want == 401) || (want == 401 && !strings.HasPrefix(challenge, "Basic ")) {
					t.Errorf("%s: WWW-Authenticate %q", path, challenge)
				}
				if a.Header.Get("Access-Control-Allow-Origin") != "" {
					t.Errorf("%s lets other sites read a private repository", path)
				}
				if cache := a.Header.Get("Cache-Control"); a.Status == 200 && !strings.Contains(cache, "private") {
					t.Errorf("%s: Cache-Control %q", path, cache)
				}
			}
		})
	}
}

func TestPermissionToPublish(t *testing.T) {
	e := open(t)
	d := makeWheel(t, "mine", "1.0", nil, nil)
	e.publish(d)
	next := makeWheel(t, "mine", "1.1", nil, nil)
	reader := e.Token("alice", "read")
	scoped := e.Token("alice", "publish:pypi/local:other")
	stranger := e.Token("mallory")
	for _, c := range []struct {
		rule, token string
		status      int
		says        string
	}{
		{"a token that may only read", reader, 403, "This token may not publish to the repository pypi/local"},
		{"a token for another project", scoped, 403, "This token may not publish to mine in pypi/local"},
		{"somebody who does not own the project", stranger, 403, "mallory does not own mine"},
		{"a token that is none", "bondu_nonsense", 401, "This token is not valid here"},
		{"the owner", e.token, 200, ""},
	} {
		t.Run(c.rule, func(t *testing.T) {
			a := e.uploadTo("/pypi/main/legacy/", c.token, next, formOf(next))
			if a.Status != c.status || !strings.Contains(a.Body, c.says) {
				t.Errorf("%d %s", a.Status, a.Body)
			}
		})
	}
	kind, body := formOf(next).body(t, next, false)
	if a := e.Do("POST", "/pypi/main/legacy/", body, "Content-Type: "+kind); a.Status != 401 || a.Header.Get("WWW-Authenticate") == "" {
		t.Errorf("nobody: %d", a.Status)
	}
}

func TestDisplayNameIsThatOfTheNewestUpload(t *testing.T) {
	e := open(t)
	e.publish(makeWheel(t, "hello-bonded", "1.0", nil, nil))
	e.publish(makeWheel(t, "Hello.Bonded", "1.1", nil, nil))
	if list := e.Do("GET", "/pypi/main/simple/", "").Body; !strings.Contains(list, `<a href="hello-bonded/">Hello.Bonded</a>`) {
		t.Error(list)
	}
}

func TestRefusalsSpeakTheClientsLanguage(t *testing.T) {
	e := open(t)
	d := makeWheel(t, "hello", "1.0", nil, nil)
	bad := formOf(d).with("version", "not a version")
	for _, c := range []struct{ rule, accept, kind, body string }{
		{"uv: JSON, and exactly application/json", "application/json;q=0.9, text/plain;q=0.8, text/html;q=0.7", "application/json", `"code":"400 The version`},
		{"twine: text", "*/*", "text/plain; charset=utf-8", `The version "not a version" does not follow PEP 440. [pypi/version-pep440]`},
		{"readers of pages: a problem document", "application/vnd.pypi.simple.v1+json", "application/problem+json", `"status":400`},
	} {
		t.Run(c.rule, func(t *testing.T) {
			a := e.upload(d, bad, "Accept: "+c.accept)
			if a.Status != 400 || a.Header.Get("Content-Type") != c.kind || !strings.Contains(a.Body, c.body) {
				t.Errorf("%d %s\n%s", a.Status, a.Header.Get("Content-Type"), a.Body)
			}
		})
	}
}

func TestReasonPhraseHoldsTheSentence(t *testing.T) {
	e := open(t)
	d := makeWheel(t, "hello", "1.0", nil, nil)
	kind, body := formOf(d).with("summary", strings.Repeat("é", 513)).body(t, d, false)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, e.URL+"/pypi/main/legacy/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", kind)
	r.SetBasicAuth("__token__", e.token)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if want := "400 Invalid value for summary: it has 513 characters, more than 512. [pypi/metadata-summary]"; !strings.HasPrefix(res.Status, want) || !res.Close {
		t.Errorf("%q, close %v", res.Status, res.Close)
	}
}

func TestReasonPhraseIsOneLineOfLatin1(t *testing.T) {
	for in, want := range map[string]string{
		"a\r\nSet-Cookie: x": "a  Set-Cookie: x", "é": "\xe9", "日": "?", "\x7f\u0085": " ?", strings.Repeat("x", 2000): strings.Repeat("x", maxReason),
	} {
		if got := reasonPhrase(in); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}

// A refused upload is answered although its body was not read, however large it is.
func TestEarlyRefusalReachesAClientThatIsStillSending(t *testing.T) {
	e := open(t)
	d := makeWheel(t, "hello", "1.0", map[string]string{"big.bin": strings.Repeat("x", 6<<20)}, nil)
	for range 5 {
		if a := e.uploadTo("/pypi/main/legacy/", "bondu_wrong", d, formOf(d)); a.Status != 401 {
			t.Fatalf("%d", a.Status)
		}
	}
}

func basic(user, password string) string { return base64Std(user + ":" + password) }

func TestAccessToReadIsAskedWithTheProject(t *testing.T) {
	e := open(t)
	e.Settings("pypi", "local", func(r *registry.Repository) { r.Visibility = registry.Private })
	e.Settings("pypi", "main", func(r *registry.Repository) { r.Visibility = registry.Private })
	e.publish(makeWheel(t, "open", "1.0", nil, nil), makeWheel(t, "shut", "1.0", nil, nil))
	narrow := e.Token("carol", string(access.Read)+":pypi/*:open")
	for path, status := range map[string]int{"/simple/open/": 200, "/simple/shut/": 404, "/pypi/shut/json": 404} {
		if a := e.Do("GET", "/pypi/main"+path, "", doortest.Bearer(narrow)); a.Status != status {
			t.Errorf("%s: %d", path, a.Status)
		}
	}
}

// TestPrivateGroupsStayOutOfSharedCaches: what a private group answers is private, although its member is open to all.
func TestPrivateGroupsStayOutOfSharedCaches(t *testing.T) {
	e := open(t)
	e.release()
	e.Repository(registry.Repository{Ecosystem: "pypi", Name: "inner", Kind: registry.Group, Visibility: registry.Private}, "local")
	reader := doortest.Bearer(e.Token("reader", "read"))
	for _, path := range []string{"/pypi/inner/simple/hello-bonded/", "/pypi/inner/pypi/hello-bonded/json", "/pypi/inner/simple/"} {
		a := e.Do(http.MethodGet, path, "", reader)
		if a.Status != http.StatusOK || !strings.Contains(a.Header.Get("Cache-Control"), "private") {
			t.Errorf("%s: %d, Cache-Control %q", path, a.Status, a.Header.Get("Cache-Control"))
		}
	}
}
