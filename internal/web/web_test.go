package web_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"bonded/internal/access"
	"bonded/internal/door"
	"bonded/internal/door/doortest"
	"bonded/internal/ecosystem/cargo"
	"bonded/internal/ecosystem/composer"
	"bonded/internal/ecosystem/maven"
	"bonded/internal/ecosystem/npm"
	"bonded/internal/ecosystem/pypi"
	"bonded/internal/registry"
	"bonded/internal/request"
	"bonded/internal/web"
	"bonded/internal/web/webtest"
)

// site is a house with its pages behind a loopback server.
type site struct {
	*doortest.Env
	t    *testing.T
	base string
}

func formats() []registry.Format {
	return []registry.Format{cargo.NewFormat(), pypi.NewFormat(), npm.NewFormat(), maven.NewFormat(), composer.NewFormat()}
}

// open opens a house with the samples; prefix is the sub-path of its public URL.
func open(t *testing.T, prefix string, o web.Options) *site {
	t.Helper()
	env := doortest.New(t, formats(), func(*door.House) []door.Door { return nil })
	ada, err := env.House.Accounts.Add(t.Context(), "ada", "ada@example.test", false)
	if err != nil {
		t.Fatal(err)
	}
	if err := webtest.Fill(t.Context(), env.House.Registry, env.House.Blobs, registry.Actor{Name: "ada", AccountID: ada.ID}); err != nil {
		t.Fatal(err)
	}
	pages := web.New(env.House, o)
	s := &site{Env: env, t: t}
	var srv *httptest.Server
	srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// As the server does: the base is the public URL, the path what lies below it.
		ctx := request.With(r.Context(), &request.Facts{ID: "request-1", BaseURL: srv.URL + prefix})
		http.StripPrefix(prefix, pages).ServeHTTP(w, r.WithContext(ctx))
	}))
	t.Cleanup(srv.Close)
	s.base = srv.URL + prefix
	env.URL = s.base
	return s
}

// get reads a page that must be there.
func (s *site) get(path string) page {
	s.t.Helper()
	a := s.Do("GET", path, "")
	if a.Status != http.StatusOK {
		s.t.Fatalf("GET %s: %d\n%s", path, a.Status, text(parse(s.t, a.Body)))
	}
	return page{s.t, parse(s.t, a.Body)}
}

type page struct {
	t   *testing.T
	doc *html.Node
}

func parse(t *testing.T, body string) *html.Node {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// all are the elements of a name, with a class or an id when written name.class or name#id.
func (p page) all(selector string) []*html.Node {
	name, class, byClass := strings.Cut(selector, ".")
	name, id, byID := strings.Cut(name, "#")
	var out []*html.Node
	for n := range p.doc.Descendants() {
		if n.Type == html.ElementNode && (name == "" || n.Data == name) &&
			(!byClass || slices.Contains(strings.Fields(attr(n, "class")), class)) && (!byID || attr(n, "id") == id) {
			out = append(out, n)
		}
	}
	return out
}

func (p page) one(selector string) *html.Node {
	p.t.Helper()
	all := p.all(selector)
	if len(all) == 0 {
		p.t.Fatalf("there is no %s on the page: %s", selector, text(p.doc))
	}
	return all[0]
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

// text is what a reader reads, spaces folded.
func text(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode && d.Parent.Data != "script" && d.Parent.Data != "style" {
			b.WriteString(d.Data + " ")
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// raw is an element's text with its line breaks.
func raw(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return b.String()
}

func (p page) mustSay(what ...string) {
	p.t.Helper()
	all := text(p.doc)
	for _, w := range what {
		if !strings.Contains(all, w) {
			p.t.Errorf("the page does not say %q: %s", w, all)
		}
	}
}

func (p page) mustNotSay(what ...string) {
	p.t.Helper()
	var b strings.Builder
	if err := html.Render(&b, p.doc); err != nil {
		p.t.Fatal(err)
	}
	for _, w := range what {
		if strings.Contains(b.String(), w) {
			p.t.Errorf("the page says %q", w)
		}
	}
}

func TestHomeShowsWhatIsHereAndHowToUseIt(t *testing.T) {
	s := open(t, "", web.Options{})
	p := s.get("/")
	p.mustSay("cargo/main", "pypi/main", "npm/main", "maven/main", "composer/main", "group of local", "Newest arrivals", "oldstyle")
	p.mustNotSay("harmful words", "bad words", "waiting words", "quarantined")
	for id, want := range map[string]string{
		"copy-cargo-main-use":    "[registries.bonded]\nindex = \"sparse+" + s.base + "/cargo/main/\"",
		"copy-pypi-main-use":     "pip config set global.index-url " + s.base + "/pypi/main/simple/",
		"copy-npm-main-use":      "registry=" + s.base + "/npm/main/",
		"copy-composer-main-use": "composer config repositories.bonded composer " + s.base + "/composer/main\ncomposer config secure-http false",
	} {
		if got := raw(p.one("pre#" + id)); got != want {
			t.Errorf("%s: got %q, want %q", id, got, want)
		}
	}
}

func TestEveryEcosystemHasAPackagePageWithItsOwnWords(t *testing.T) {
	s := open(t, "", web.Options{})
	tests := []struct {
		path, name, install, digest, file string
	}{
		{"/packages/cargo/main/sample_crate", "sample-crate", "cargo add sample-crate --registry bonded", "SHA-256", "/cargo/main/dl/sample-crate/sample-crate-0.3.1.crate"},
		{"/packages/pypi/local/sample-project", "Sample.Project", "pip install --index-url " + s.base + "/pypi/local/simple/ Sample.Project", "BLAKE2b-256", "/pypi/local/packages/sample-project/sample_project-1.2.0-py3-none-any.whl"},
		{"/packages/npm/main/@acme/sample", "@acme/sample", "npm install @acme/sample --registry " + s.base + "/npm/main/", "Integrity", "/npm/main/@acme/sample/-/sample-1.1.0.tgz"},
		{"/packages/maven/main/org.example:sample", "org.example:sample", "<dependency>\n  <groupId>org.example</groupId>\n  <artifactId>sample</artifactId>\n  <version>1.0</version>\n</dependency>", "SHA-512", "/maven/main/org/example/sample/1.0/sample-1.0-sources.jar"},
		{"/packages/composer/main/acme/sample", "acme/sample", "composer require acme/sample", "SHA-1 (shasum)", "/composer/main/dist/acme/sample/3.1.4.zip"},
	}
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) {
			p := s.get(tt.path)
			if h1 := text(p.one("h1")); !strings.HasPrefix(h1, tt.name+" ") {
				t.Errorf("the heading is %q", h1)
			}
			eco := strings.Split(tt.path, "/")[2]
			repo := strings.Split(tt.path, "/")[3]
			if got := raw(p.one("pre#copy-" + eco + "-" + repo + "-install")); got != tt.install {
				t.Errorf("install with %q, want %q", got, tt.install)
			}
			p.mustSay(tt.digest, "by ada", "Owners ada", "Downloads 0")
			if !slices.ContainsFunc(p.all("a"), func(a *html.Node) bool { return attr(a, "href") == s.base+tt.file }) {
				t.Errorf("no link leads to %s", tt.file)
			}
		})
	}
}

func TestPackagePageTellsDependenciesLinksAndReadme(t *testing.T) {
	s := open(t, "", web.Options{})
	p := s.get("/packages/npm/main/@acme/sample")
	p.mustSay("left-pad ^1.3.0 normal", "@acme/base >=2 <4 peer optional", "tester ~5.1 dev node >= 20", "postinstall: node setup.js", "Licence: MIT OR Apache-2.0", "Ada Example", "Stored in npm/local", "beta", "latest")
	p.mustNotSay("ada@example.com", "ada@example.test", "evil.example/pixel.png\" onerror", "alert(1)", "Trap")
	for _, a := range p.all("a") {
		if href := attr(a, "href"); strings.Contains(href, "example.com") && attr(a, "rel") != "nofollow noopener noreferrer ugc" {
			t.Errorf("the link to %s has rel %q", href, attr(a, "rel"))
		}
	}
	if n := len(p.all("img")) + len(p.all("iframe")) + len(p.all("style")); n != 0 {
		t.Errorf("%d elements that load or restyle", n)
	}
	if scripts := p.all("script"); len(scripts) != 1 || !strings.HasPrefix(attr(scripts[0], "src"), "/assets/copy.") {
		t.Errorf("%d scripts", len(scripts))
	}
	if a := s.Do("GET", "/packages/pypi/main/sample-project", ""); !strings.Contains(a.Body, "``code``") {
		t.Error("reStructuredText is not shown as written")
	}
}

func TestPackageAddressesAreTheNamesAsPeopleWriteThem(t *testing.T) {
	s := open(t, "", web.Options{})
	tests := []struct {
		path     string
		status   int
		location string
	}{
		{"/packages/npm/main/@acme/sample", 200, ""},
		{"/packages/npm/main/%40acme/sample", 200, ""},
		{"/packages/npm/main/@acme%2Fsample", 301, "/packages/npm/main/@acme/sample"},
		{"/packages/npm/main/@acme%2fsample?version=1.0.0", 301, "/packages/npm/main/@acme/sample?version=1.0.0"},
		{"/packages/npm/main/@acme/sample/", 301, "/packages/npm/main/@acme/sample"},
		{"/packages/npm/main/@acme/sample?version=1.0.0", 200, ""},
		{"/packages/npm/main/@acme/sample?version=7.0.0", 404, ""},
		{"/packages/pypi/main/sample-project?version=v1.2", 200, ""},
		{"/packages/composer/main/acme/sample?version=3.1.4", 200, ""},
		{"/packages/composer/main/acme/sample?version=3.1.4.0", 200, ""},
		{"/packages/npm/main/@acme/sample?version=%00", 404, ""},
		{"/packages/npm/main/@acme/sample?versions=0", 404, ""},
		{"/packages/npm/main/@acme/sample?versions=2", 200, ""},
		{"/packages/pypi/main/Sample.Project", 301, "/packages/pypi/main/sample-project"},
		{"/packages/pypi/main/sample_project", 301, "/packages/pypi/main/sample-project"},
		{"/packages/cargo/main/sample-crate", 301, "/packages/cargo/main/sample_crate"},
		{"/packages/composer/main/Acme/Sample", 301, "/packages/composer/main/acme/sample"},
		{"/packages/maven/main/org.example:sample", 200, ""},
		{"/packages/maven/main/org.example%3Asample", 200, ""},
		{"/packages/maven/main/org.example/sample", 404, ""},
		{"/packages/npm/main/", 301, "/packages/?repository=npm%2Fmain"},
		{"/packages/npm/main", 301, "/packages/?repository=npm%2Fmain"},
		{"/packages?q=a", 301, "/packages/?q=a"},
		{"/packages/npm/other/x", 404, ""},
		{"/packages/gem/main/x", 404, ""},
		{"/packages/npm/main/..%2f..%2fx", 404, ""},
		{"/packages/npm/main/%zz", 400, ""},
		{"/packages/npm/main/missing", 404, ""},
		{"/packages/x", 404, ""},
		{"/nowhere", 404, ""},
	}
	for _, tt := range tests {
		if strings.Contains(tt.path, "%zz") {
			continue // net/http refuses it before any handler
		}
		a := s.Do("GET", tt.path, "")
		want := ""
		if tt.location != "" {
			want = s.base + tt.location
		}
		if a.Status != tt.status || a.Header.Get("Location") != want {
			t.Errorf("%s: %d to %q, want %d to %q", tt.path, a.Status, a.Header.Get("Location"), tt.status, want)
		}
	}
}

func TestWhatAVerdictKeepsBackIsNotOnThePages(t *testing.T) {
	s := open(t, "", web.Options{})

	q := s.get("/packages/npm/main/quarantined")
	q.mustSay("Quarantined. It was seen sending files away.")
	q.mustNotSay("A package that is quarantined", "quarantined-1.0.0.tgz", "npm install")

	b := s.get("/packages/npm/main/blocked")
	b.mustSay("Withheld.", "It reads the credentials of the cloud.", "check/malware")
	b.mustNotSay("bad words", "blocked-1.0.0.tgz", "npm install")
	if a := s.Do("GET", "/packages/npm/main/blocked?version=1.0.0", ""); a.Status != 403 || !strings.Contains(a.Body, "It reads the credentials of the cloud.") {
		t.Errorf("a blocked version: %d", a.Status)
	}

	if a := s.Do("GET", "/packages/npm/main/held", ""); a.Status != 404 || strings.Contains(a.Body, "waits for a review") {
		t.Errorf("a package that is held as a whole: %d", a.Status)
	}

	h := s.get("/packages/npm/main/half")
	h.mustSay("harmless words", "It deletes files.", "withheld")
	h.mustNotSay("harmful", "half-1.1.0.tgz", "?version=1.1.0")

	list := s.get("/packages/?repository=npm")
	list.mustSay("half 1.0.0 harmless words", "deprecated", "archived")
	list.mustNotSay("harmful", "quarantined", ">blocked<", ">held<")
}

func TestStatesAreSaid(t *testing.T) {
	s := open(t, "", web.Options{})
	for path, want := range map[string]string{
		"/packages/composer/main/acme/sample":                  "acme/sample 3.1.4 A PHP package",
		"/packages/npm/main/archived":                          "Archived. It is finished.",
		"/packages/npm/main/deprecated":                        "Deprecated. Use sample.",
		"/packages/npm/main/yanked":                            "Yanked. It was built wrongly.",
		"/packages/npm/main/oldstyle":                          "Deprecated by its publisher. use @acme/sample instead",
		"/packages/npm/main/@acme/sample?version=0.9.0":        "The latest version is 1.1.0",
		"/packages/npm/main/@acme/sample?version=2.0.0-beta.1": "npm install @acme/sample@2.0.0-beta.1",
	} {
		s.get(path).mustSay(want)
	}
}

// What not everybody may read does not exist on pages, whatever token or cookie comes along.
func TestPagesShowOnlyWhatEverybodyMayRead(t *testing.T) {
	s := open(t, "", web.Options{})
	s.Repository(registry.Repository{Ecosystem: "npm", Name: "vault", Kind: registry.Hosted, Visibility: registry.Private})
	s.Repository(registry.Repository{Ecosystem: "npm", Name: "inside", Kind: registry.Hosted, Visibility: registry.Internal})
	s.Repository(registry.Repository{Ecosystem: "npm", Name: "all", Kind: registry.Group, Visibility: registry.Anonymous}, "vault", "inside", "local")
	for repo, name := range map[string]string{"vault": "hush", "inside": "murmur"} {
		sample := webtest.Sample{Ecosystem: "npm", Name: name, Version: "1.0.0", Files: map[string]string{name + "/-/" + name + "-1.0.0.tgz": "tgz"}, Manifest: registry.Manifest{Summary: "silence"}}
		if err := webtest.Record(t.Context(), s.House.Registry, s.House.Blobs, registry.Actor{}, repo, sample); err != nil {
			t.Fatal(err)
		}
	}
	token := doortest.Bearer(s.Token("ada"))
	for _, headers := range [][]string{nil, {token}, {"Cookie: session=x"}} {
		for _, path := range []string{"/", "/packages/", "/packages/?q=silence", "/packages/?repository=npm/all", "/setup", "/setup?repository=npm/vault"} {
			a := s.Do("GET", path, "", headers...)
			if a.Status != 200 {
				t.Fatalf("%s: %d", path, a.Status)
			}
			for _, word := range []string{"vault", "inside", "hush", "murmur"} {
				if strings.Contains(strings.ReplaceAll(a.Body, "?repository=npm/vault", ""), word) {
					t.Errorf("%s tells of %s", path, word)
				}
			}
		}
		unknown := s.Do("GET", "/packages/npm/nothing/hush", "", headers...)
		for _, path := range []string{"/packages/npm/vault/hush", "/packages/npm/inside/murmur", "/packages/npm/all/hush", "/packages/?repository=npm/vault"} {
			if a := s.Do("GET", path, "", headers...); a.Status != unknown.Status {
				t.Errorf("%s: %d, unlike one that does not exist", path, a.Status)
			}
		}
	}
	for _, eco := range registry.Ecosystems() {
		for _, name := range []string{"local", "main"} {
			s.Settings(eco, name, func(r *registry.Repository) { r.Visibility = registry.Internal })
		}
	}
	s.Settings("npm", "all", func(r *registry.Repository) { r.Visibility = registry.Internal })
	s.get("/").mustSay("Nothing is on display")
	s.get("/setup").mustSay("are read with a token")
	if a := s.Do("GET", "/packages/npm/main/@acme/sample", "", token); a.Status != 404 {
		t.Errorf("an internal package: %d", a.Status)
	}
}

func TestSearchIsBoundedAndPaged(t *testing.T) {
	s := open(t, "", web.Options{})
	for i := range 25 {
		name := "page-" + string(rune('a'+i))
		sample := webtest.Sample{Ecosystem: "npm", Name: name, Version: "1.0.0", Manifest: registry.Manifest{Summary: "numbered"}, Files: map[string]string{name + "/-/x.tgz": "tgz"}}
		if err := webtest.Record(t.Context(), s.House.Registry, s.House.Blobs, registry.Actor{}, "local", sample); err != nil {
			t.Fatal(err)
		}
	}
	first := s.get("/packages/?q=numbered&repository=npm/main")
	if n := len(first.all("h2")); n != 20 {
		t.Errorf("%d packages on the first page", n)
	}
	first.mustSay("25 packages match “numbered” in npm/main", "Page 1 of 2")
	var next string
	for _, a := range first.all("a") {
		if attr(a, "rel") == "next" {
			next = attr(a, "href")
		}
	}
	second := s.get(next)
	if n := len(second.all("h2")); n != 5 {
		t.Errorf("%d packages on the second page", n)
	}
	second.mustSay("Page 2 of 2")
	for path, status := range map[string]int{
		"/packages/?q=numbered&page=3": 404, "/packages/?page=0": 404, "/packages/?page=x": 404, "/packages/?page=99999999999999999999": 404,
		"/packages/?repository=npm/none": 404, "/packages/?repository=%00": 404, "/packages/?q=%00%ff%25_": 200, "/packages/?q=" + strings.Repeat("a+", 300): 200,
		"/packages/?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E": 200,
	} {
		a := s.Do("GET", path, "")
		if a.Status != status {
			t.Errorf("%s: %d, want %d", path, a.Status, status)
		}
		if strings.Contains(a.Body, "<script>") {
			t.Errorf("%s echoes markup", path)
		}
	}
}

func TestEveryAnswerIsGuarded(t *testing.T) {
	s := open(t, "", web.Options{SecurityContact: "mailto:security@example.test"})
	css := attr(s.get("/").one("link"), "href")
	for _, path := range []string{"/", "/packages/", "/packages/npm/main/@acme/sample", "/setup", "/security", "/nowhere", "/packages", "/.well-known/security.txt", css, "/assets/none.css"} {
		a := s.Do("GET", path, "")
		for header, want := range map[string]string{
			"Content-Security-Policy":    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
			"X-Content-Type-Options":     "nosniff",
			"Referrer-Policy":            "no-referrer",
			"Cross-Origin-Opener-Policy": "same-origin",
		} {
			if got := a.Header.Get(header); got != want {
				t.Errorf("%s: %s is %q", path, header, got)
			}
		}
		if !strings.Contains(a.Header.Get("Permissions-Policy"), "camera=()") {
			t.Errorf("%s has no Permissions-Policy", path)
		}
	}
}

func TestOnlyReadingAndOnlyOurOwnForms(t *testing.T) {
	s := open(t, "", web.Options{})
	if a := s.Do("POST", "/packages/", "q=x"); a.Status != 405 || a.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d", a.Status)
	}
	if a := s.Do("POST", "/packages/", "q=x", "Sec-Fetch-Site: cross-site"); a.Status != 403 {
		t.Errorf("POST from another site: %d", a.Status)
	}
	head, get := s.Do("HEAD", "/", ""), s.Do("GET", "/", "")
	if head.Status != 200 || head.Body != "" || head.Header.Get("Content-Length") != get.Header.Get("Content-Length") {
		t.Errorf("HEAD: %d, %q", head.Status, head.Header.Get("Content-Length"))
	}
}

func TestAssetsAreKeptForGoodUnderTheNameOfTheirBytes(t *testing.T) {
	s := open(t, "", web.Options{})
	p := s.get("/")
	for _, n := range append(p.all("link"), p.all("script")...) {
		address := attr(n, "href") + attr(n, "src")
		a := s.Do("GET", address, "")
		if a.Status != 200 || a.Header.Get("Cache-Control") != "public, max-age=31536000, immutable" || len(a.Body) < 100 {
			t.Errorf("%s: %d %s", address, a.Status, a.Header.Get("Cache-Control"))
		}
		z := s.Do("GET", address, "", "Accept-Encoding: gzip")
		if z.Header.Get("Content-Encoding") != "gzip" || len(z.Body) >= len(a.Body) {
			t.Errorf("%s is not compressed", address)
		}
	}
	if a := s.Do("GET", "/assets/bonded.css", ""); a.Status != 404 {
		t.Errorf("an address without a digest: %d", a.Status)
	}
}

func TestPagesAreRevalidated(t *testing.T) {
	s := open(t, "", web.Options{})
	a := s.Do("GET", "/packages/npm/main/@acme/sample", "")
	if a.Header.Get("Cache-Control") != "no-cache" || a.Header.Get("Etag") == "" {
		t.Fatalf("Cache-Control %q, ETag %q", a.Header.Get("Cache-Control"), a.Header.Get("Etag"))
	}
	if b := s.Do("GET", "/packages/npm/main/@acme/sample", "", "If-None-Match: "+a.Header.Get("Etag")); b.Status != 304 {
		t.Errorf("the same page again: %d", b.Status)
	}
}

// Below a sub-path every link keeps it; and every link and anchor of ours leads somewhere, every id is there once.
func TestLinksLeadSomewhereAlsoBelowASubPath(t *testing.T) {
	s := open(t, "/sub/path", web.Options{})
	type target struct{ path, fragment string }
	seen := map[string]page{}
	var fragments []target
	queue := []string{"/"}
	for len(queue) > 0 {
		path := queue[0]
		queue = queue[1:]
		if _, done := seen[path]; done {
			continue
		}
		p := s.get(path)
		seen[path] = p
		checkIDs(t, path, p)
		for _, n := range append(p.all("a"), p.all("link")...) {
			href := attr(n, "href")
			u, err := url.Parse(href)
			if err != nil || u.Host != "" && !strings.HasPrefix(href, s.base) {
				continue
			}
			if u.Path == "" && u.RawQuery == "" {
				fragments = append(fragments, target{path, u.Fragment})
				continue
			}
			below, ok := strings.CutPrefix(u.EscapedPath(), "/sub/path")
			if !ok {
				t.Errorf("%s links to %s, outside of the sub-path", path, href)
				continue
			}
			eco, _, _ := strings.Cut(strings.TrimPrefix(below, "/"), "/")
			if eco == "api" || slices.Contains(registry.Ecosystems(), eco) || strings.HasPrefix(below, "/assets/") {
				continue // the API's and the doors' own
			}
			if u.RawQuery != "" {
				below += "?" + u.RawQuery
			}
			if u.Fragment != "" {
				fragments = append(fragments, target{below, u.Fragment})
			}
			queue = append(queue, below)
		}
		if len(seen) > 300 {
			t.Fatal("the pages have no end")
		}
	}
	if len(seen) < 30 {
		t.Errorf("only %d pages were found", len(seen))
	}
	for _, f := range fragments {
		if len(seen[f.path].all("#"+f.fragment)) != 1 {
			t.Errorf("%s has no place %q", f.path, f.fragment)
		}
	}
}

func checkIDs(t *testing.T, path string, p page) {
	t.Helper()
	count := map[string]int{}
	for n := range p.doc.Descendants() {
		if id := attr(n, "id"); id != "" {
			count[id]++
		}
	}
	for id, n := range count {
		if n > 1 {
			t.Errorf("%s has %d elements with the id %q", path, n, id)
		}
	}
	for n := range p.doc.Descendants() {
		for _, key := range []string{"for", "aria-labelledby", "data-copy"} {
			if id := attr(n, key); id != "" && count[id] == 0 {
				t.Errorf("%s: %s=%q names nothing", path, key, id)
			}
		}
	}
}

func TestSecurityTxtNeedsAContact(t *testing.T) {
	without := open(t, "", web.Options{})
	if a := without.Do("GET", "/.well-known/security.txt", ""); a.Status != 404 {
		t.Errorf("without a contact: %d", a.Status)
	}
	with := open(t, "", web.Options{SecurityContact: "mailto:security@example.test"})
	a := with.Do("GET", "/.well-known/security.txt", "")
	if a.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("type %q", a.Header.Get("Content-Type"))
	}
	for _, want := range []string{"Contact: mailto:security@example.test\n", "\nExpires: 20", "\nPolicy: " + with.base + "/security\n", "\nCanonical: " + with.base + "/.well-known/security.txt\n"} {
		if !strings.Contains(a.Body, want) {
			t.Errorf("%q is missing in %q", want, a.Body)
		}
	}
	with.get("/security").mustSay("security@example.test", "Safe harbour.", "3 working days")
}

func TestThePolicyOnThePageIsTheOneInTheRepository(t *testing.T) {
	want, err := os.ReadFile("../../SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("policy.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Error("internal/web/policy.md is not SECURITY.md; copy it")
	}
}

func TestRefusalsSayWhatAndWhatNext(t *testing.T) {
	s := open(t, "", web.Options{})
	a := s.Do("GET", "/packages/npm/main/missing", "")
	p := page{t, parse(t, a.Body)}
	p.mustSay(`The repository npm/main has no package named "missing".`, "Search for it under another name.", "registry/project", "request-1")
	if a.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("Cache-Control %q", a.Header.Get("Cache-Control"))
	}
}

func TestDownloadsAreCounted(t *testing.T) {
	s := open(t, "", web.Options{})
	q, err := s.House.Visit(t.Context(), access.Anonymous(), "npm", "main")
	if err != nil {
		t.Fatal(err)
	}
	p, err := q.Project(t.Context(), "@acme/sample")
	if err != nil {
		t.Fatal(err)
	}
	for range 1234 {
		s.House.Usage.Downloaded(p.Releases[0].Files[0].ID, "")
	}
	if err := s.House.Usage.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.get("/packages/npm/main/@acme/sample").mustSay("Downloads 1,234 (1,234 in 30 days)")
}

func TestABrokenConnectionToTheDatabaseIsAnHonestPage(t *testing.T) {
	s := open(t, "", web.Options{})
	if err := s.DB.Close(); err != nil {
		t.Fatal(err)
	}
	res, err := http.Get(s.base + "/packages/?q=sample")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	if res.StatusCode < 500 || strings.Contains(string(body), "sql:") {
		t.Errorf("%d: %s", res.StatusCode, body)
	}
}
