package maven

import (
	"encoding/base64"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bonded/internal/door/doortest"
	"bonded/internal/registry"
)

var lastUpdated = regexp.MustCompile(`<lastUpdated>\d{14}</lastUpdated>`)

func (h house) body(t testing.TB, path string) string {
	t.Helper()
	a := h.Do(http.MethodGet, "/maven/main/"+path, "")
	if a.Status != http.StatusOK {
		t.Fatalf("GET %s: %d %s", path, a.Status, a.Body)
	}
	return a.Body
}

func TestProjectMetadata(t *testing.T) {
	h := open(t)
	c := h.client(t, maven38, h.Token("alice"))
	for _, version := range []string{"1.10", "1.9", "2.0-rc1"} {
		if err := c.deploy("com.acme", "lib", version, library(t, "com.acme", "lib", version)...); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.snapshot("com.acme", "lib", "2.1-SNAPSHOT", "20260822.101500", 1, library(t, "com.acme", "lib", "2.1-SNAPSHOT")...); err != nil {
		t.Fatal(err)
	}
	got := lastUpdated.ReplaceAllString(h.body(t, "com/acme/lib/maven-metadata.xml"), "<lastUpdated/>")
	const want = `<?xml version="1.0" encoding="UTF-8"?>
<metadata modelVersion="1.1.0">
  <groupId>com.acme</groupId>
  <artifactId>lib</artifactId>
  <versioning>
    <latest>2.1-SNAPSHOT</latest>
    <release>2.0-rc1</release>
    <versions>
      <version>1.9</version>
      <version>1.10</version>
      <version>2.0-rc1</version>
      <version>2.1-SNAPSHOT</version>
    </versions>
    <lastUpdated/>
  </versioning>
</metadata>
`
	if got != want {
		t.Errorf("got\n%s", got)
	}
}

func TestSnapshotMetadataNamesTheNewestBuildOfEachFile(t *testing.T) {
	h := open(t)
	c := h.client(t, maven38, h.Token("alice"))
	pom, jar := file{".pom", pomOf("com.acme", "lib", "1.0-SNAPSHOT", "")}, func(text string) string { return jarOf(t, "A.class", text) }
	for _, build := range []struct {
		timestamp string
		number    int
		files     []file
	}{
		{"20260822.101500", 1, []file{pom, {".jar", jar("1")}, {"-sources.jar", jar("s")}}},
		{"20260822.111500", 2, []file{pom, {".jar", jar("2")}, {".jar.asc", "signature"}}},
	} {
		if err := c.snapshot("com.acme", "lib", "1.0-SNAPSHOT", build.timestamp, build.number, build.files...); err != nil {
			t.Fatal(err)
		}
	}
	const want = `<?xml version="1.0" encoding="UTF-8"?>
<metadata modelVersion="1.1.0">
  <groupId>com.acme</groupId>
  <artifactId>lib</artifactId>
  <version>1.0-SNAPSHOT</version>
  <versioning>
    <snapshot>
      <timestamp>20260822.111500</timestamp>
      <buildNumber>2</buildNumber>
    </snapshot>
    <lastUpdated>20260822111500</lastUpdated>
    <snapshotVersions>
      <snapshotVersion>
        <extension>jar</extension>
        <value>1.0-20260822.111500-2</value>
        <updated>20260822111500</updated>
      </snapshotVersion>
      <snapshotVersion>
        <extension>jar.asc</extension>
        <value>1.0-20260822.111500-2</value>
        <updated>20260822111500</updated>
      </snapshotVersion>
      <snapshotVersion>
        <extension>pom</extension>
        <value>1.0-20260822.111500-2</value>
        <updated>20260822111500</updated>
      </snapshotVersion>
      <snapshotVersion>
        <classifier>sources</classifier>
        <extension>jar</extension>
        <value>1.0-20260822.101500-1</value>
        <updated>20260822101500</updated>
      </snapshotVersion>
    </snapshotVersions>
  </versioning>
</metadata>
`
	if got := h.body(t, "com/acme/lib/1.0-SNAPSHOT/maven-metadata.xml"); got != want {
		t.Errorf("got\n%s", got)
	}
	for path, want := range map[string]string{
		"lib-1.0-SNAPSHOT.jar": jar("2"), "lib-1.0-SNAPSHOT-sources.jar": jar("s"), "lib-1.0-20260822.101500-1.jar": jar("1"),
		"lib-1.0-SNAPSHOT.jar.sha1": sumOf("sha1", jar("2")),
	} {
		if got := h.body(t, "com/acme/lib/1.0-SNAPSHOT/"+path); got != want {
			t.Errorf("%s has other bytes", path)
		}
	}
	for path, want := range map[string]string{"lib-1.0-SNAPSHOT.jar": "no-cache", "lib-1.0-20260822.101500-1.jar": "public, max-age=31536000, immutable"} {
		if got := h.Do(http.MethodGet, "/maven/main/com/acme/lib/1.0-SNAPSHOT/"+path, "").Header.Get("Cache-Control"); got != want {
			t.Errorf("%s is kept %q", path, got)
		}
	}
	// A build is immutable; its signature may follow.
	h.Clock.Advance(settledAfter)
	dir := "com/acme/lib/1.0-SNAPSHOT/lib-1.0-20260822.101500-1"
	for ending, want := range map[string]int{".jar": 409, "-extra.jar": 409, ".pom.asc": 201} {
		if status, body := c.send(http.MethodPut, dir+ending, "x"); status != want {
			t.Errorf("%s: %d %s", ending, status, body)
		}
	}
}

// What the client calls a classifier and an extension, a file name alone cannot tell.
func TestSnapshotMetadataSplitsNamesAsTheClientDid(t *testing.T) {
	h := open(t)
	c := h.client(t, maven38, h.Token("alice"))
	dir, version := "com/acme/lib/1-SNAPSHOT/", "1-20260822.101500-1"
	for ending, body := range map[string]string{".pom": pomOf("com.acme", "lib", "1-SNAPSHOT", ""), "-linux.user.json": "{}"} {
		if err := c.put(dir+"lib-"+version+ending, body); err != nil {
			t.Fatal(err)
		}
	}
	metadata := `<metadata><groupId>com.acme</groupId><artifactId>lib</artifactId><version>1-SNAPSHOT</version><versioning>
		<snapshotVersions><snapshotVersion><extension>pom</extension><value>` + version + `</value></snapshotVersion>
		<snapshotVersion><classifier>linux</classifier><extension>user.json</extension><value>` + version + `</value></snapshotVersion></snapshotVersions></versioning></metadata>`
	if err := c.put(dir+"maven-metadata.xml", metadata); err != nil {
		t.Fatal(err)
	}
	if got := h.body(t, dir+"maven-metadata.xml"); !strings.Contains(got, "<classifier>linux</classifier>\n        <extension>user.json</extension>") {
		t.Errorf("got\n%s", got)
	}
}

func TestEverythingServedHasItsChecksums(t *testing.T) {
	h := open(t)
	c := h.client(t, maven38, h.Token("alice"))
	if err := c.deploy("com.acme", "lib", "1.0", append(library(t, "com.acme", "lib", "1.0"), file{".jar.asc", "signature"})...); err != nil {
		t.Fatal(err)
	}
	if err := c.snapshot("com.acme", "lib", "2-SNAPSHOT", "20260822.101500", 1, library(t, "com.acme", "lib", "2-SNAPSHOT")...); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{
		"com/acme/lib/1.0/lib-1.0.jar", "com/acme/lib/1.0/lib-1.0.pom", "com/acme/lib/1.0/lib-1.0.jar.asc", "com/acme/lib/maven-metadata.xml",
		"com/acme/lib/2-SNAPSHOT/maven-metadata.xml", ".meta/prefixes.txt",
	} {
		a := h.Do(http.MethodGet, "/maven/main/"+path, "")
		head := h.Do(http.MethodHead, "/maven/main/"+path, "")
		for kind, header := range map[string]string{"sha1": "X-Checksum-SHA1", "md5": "X-Checksum-MD5", "sha256": "X-Checksum-SHA256", "sha512": "X-Checksum-SHA512"} {
			want := sumOf(kind, a.Body)
			if got := h.body(t, path+"."+kind); got != want {
				t.Errorf("%s.%s is %q, the file's is %s", path, kind, got, want)
			}
			if a.Header.Get(header) != want || head.Header.Get(header) != want {
				t.Errorf("%s: %s is %q on GET, %q on HEAD", path, header, a.Header.Get(header), head.Header.Get(header))
			}
		}
		if head.Body != "" || head.Header.Get("Content-Length") == "" || a.Header.Get("Last-Modified") == "" || a.Header.Get("ETag") == "" {
			t.Errorf("%s: HEAD %v", path, head.Header)
		}
	}
}

func TestDownloadsResume(t *testing.T) {
	h := open(t)
	files := library(t, "com.acme", "lib", "1.0")
	if err := h.client(t, maven38, h.Token("alice")).deploy("com.acme", "lib", "1.0", files...); err != nil {
		t.Fatal(err)
	}
	jar := "/maven/main/com/acme/lib/1.0/lib-1.0.jar"
	modified := h.Do(http.MethodHead, jar, "").Header.Get("Last-Modified")
	a := h.Do(http.MethodGet, jar, "", "Range: bytes=10-", "If-Unmodified-Since: "+modified, "Accept-Encoding: identity")
	if a.Status != http.StatusPartialContent || a.Body != files[1].body[10:] || !strings.HasPrefix(a.Header.Get("Content-Range"), "bytes 10-") {
		t.Errorf("resumed: %d %v", a.Status, a.Header)
	}
	if a := h.Do(http.MethodGet, jar, "", "Range: bytes=10-", "If-Unmodified-Since: Mon, 01 Jan 2001 00:00:00 GMT"); a.Status != http.StatusPreconditionFailed {
		t.Errorf("after a change: %d", a.Status)
	}
}

// Absent is 404 for everybody who may read, and never a problem document: Maven 3.9 and 4 take one for a failure.
func TestAbsentIsPlain404(t *testing.T) {
	h := open(t)
	for _, path := range []string{
		"com/acme/lib/1.0/lib-1.0.jar", "com/acme/lib/1.0/lib-1.0.jar.sha1", "com/acme/lib/maven-metadata.xml", "com/acme/lib/1-SNAPSHOT/maven-metadata.xml",
		".meta/prefixes.txt", ".index/nexus-maven-repository-index.properties", "archetype-catalog.xml", "favicon.ico", "com/acme/", "a/%2e%2e/b", "com/acme/lib/1.0/evil.jar",
	} {
		a := h.Do(http.MethodGet, "/maven/main/"+path, "")
		if a.Status != http.StatusNotFound || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/plain") {
			t.Errorf("%s: %d %s", path, a.Status, a.Header.Get("Content-Type"))
		}
	}
}

func TestRefusalsAreProblemDocumentsAndChallenge(t *testing.T) {
	h := open(t)
	a := h.Do(http.MethodPut, "/maven/main/com/acme/lib/1.0/lib-1.0.jar", "x")
	if a.Status != http.StatusUnauthorized || a.Header.Get("WWW-Authenticate") != `Basic realm="Bonded"` || a.Header.Get("Content-Type") != "application/problem+json" ||
		!strings.Contains(a.Body, `"status":401`) || !strings.Contains(a.Body, `"instance":"/maven/main/com/acme/lib/1.0/lib-1.0.jar"`) {
		t.Errorf("%d %v %s", a.Status, a.Header, a.Body)
	}
	if a := h.Do(http.MethodPost, "/maven/main/com/acme/lib/1.0/lib-1.0.jar", "x"); a.Status != http.StatusMethodNotAllowed || a.Header.Get("Allow") != "GET, HEAD, PUT" {
		t.Errorf("POST: %d %v", a.Status, a.Header)
	}
}

func TestTokensAreTakenInEveryForm(t *testing.T) {
	h := open(t)
	h.Settings("maven", "local", func(r *registry.Repository) { r.Visibility = registry.Private })
	token := h.Token("alice")
	pair := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	for line, want := range map[string]int{
		"": 401, "Authorization: Basic " + pair("alice:"+token): 404, "Authorization: Basic " + pair(token+":"): 404, doortest.Bearer(token): 404,
		"Authorization: Bearer " + pair("alice:"+token): 404, "Authorization: UserToken " + pair("alice:"+token): 404,
		"Authorization: Bearer " + pair("alice:wrong"): 401, "Authorization: UserToken %": 401, "Authorization: Basic " + pair("alice:wrong"): 401,
	} {
		header := []string{line}
		if line == "" {
			header = nil
		}
		if a := h.Do(http.MethodGet, "/maven/local/com/acme/lib/1.0/lib-1.0.jar", "", header...); a.Status != want {
			t.Errorf("%q: %d", line, a.Status)
		}
	}
}

func TestAGroupAnswersWithTheMemberThatOwnsTheName(t *testing.T) {
	h := open(t)
	h.Repository(registry.Repository{Ecosystem: "maven", Name: "old", Kind: registry.Hosted, Visibility: registry.Anonymous})
	h.Repository(registry.Repository{Ecosystem: "maven", Name: "all", Kind: registry.Group, Visibility: registry.Anonymous}, "local", "old")
	c := h.client(t, maven38, h.Token("alice"))
	for _, d := range []struct{ repo, artifactID, version string }{{"old", "lib", "1.0"}, {"local", "lib", "2.0"}, {"old", "only", "1.0"}} {
		c.base = h.URL + "/maven/" + d.repo + "/"
		if err := c.deploy("com.acme", d.artifactID, d.version, library(t, "com.acme", d.artifactID, d.version)...); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]int{
		"com/acme/lib/2.0/lib-2.0.jar": 200, "com/acme/lib/1.0/lib-1.0.jar": 404, "com/acme/only/1.0/only-1.0.jar": 200,
	} {
		if a := h.Do(http.MethodGet, "/maven/all/"+path, ""); a.Status != want {
			t.Errorf("%s: %d", path, a.Status)
		}
	}
	a := h.Do(http.MethodGet, "/maven/all/com/acme/lib/maven-metadata.xml", "")
	if !strings.Contains(a.Body, "<version>2.0</version>") || strings.Contains(a.Body, "<version>1.0</version>") {
		t.Errorf("metadata\n%s", a.Body)
	}
}

func TestYankedAndWithheldVersionsAreNotChosen(t *testing.T) {
	h := open(t)
	c := h.client(t, maven38, h.Token("alice"))
	for _, version := range []string{"1.0", "1.1", "1.2"} {
		if err := c.deploy("com.acme", "lib", version, library(t, "com.acme", "lib", version)...); err != nil {
			t.Fatal(err)
		}
	}
	change := func(fn func(*registry.Change, *registry.Project) error) {
		t.Helper()
		repo, err := h.House.Registry.Repository(t.Context(), "maven", "local")
		if err != nil {
			t.Fatal(err)
		}
		if err := h.House.Registry.Change(t.Context(), registry.Actor{}, func(c *registry.Change) error {
			p, err := c.Project(t.Context(), repo, "com.acme:lib")
			if err != nil {
				return err
			}
			return fn(c, p)
		}); err != nil {
			t.Fatal(err)
		}
	}
	change(func(c *registry.Change, p *registry.Project) error { return c.Yank(t.Context(), p, "1.1", "broken") })
	change(func(c *registry.Change, p *registry.Project) error {
		return c.SetVerdict(t.Context(), p, "1.2", registry.Verdict{Decision: registry.Block, Rule: "test/rule", Reason: "it is malware"})
	})
	if got := h.versions(t, "com/acme/lib"); !slices.Equal(got, []string{"1.0"}) {
		t.Errorf("listed %v", got)
	}
	for version, want := range map[string]int{"1.1": 200, "1.2": 403} {
		for _, kind := range []string{"", ".sha1"} {
			a := h.Do(http.MethodGet, "/maven/main/com/acme/lib/"+version+"/lib-"+version+".jar"+kind, "")
			if a.Status != want || want == 403 && !strings.Contains(a.Body, "it is malware") {
				t.Errorf("%s%s: %d %s", version, kind, a.Status, a.Body)
			}
		}
	}
	change(func(c *registry.Change, p *registry.Project) error {
		return c.SetStatus(t.Context(), p, registry.Quarantined, "under examination")
	})
	if a := h.Do(http.MethodGet, "/maven/main/com/acme/lib/1.0/lib-1.0.jar", ""); a.Status != 403 || !strings.Contains(a.Body, "under examination") {
		t.Errorf("quarantined: %d %s", a.Status, a.Body)
	}
	if got := h.versions(t, "com/acme/lib"); got != nil {
		t.Errorf("quarantined and listed: %v", got)
	}
}

func TestHotReadsRunNoSQL(t *testing.T) {
	h := open(t)
	c := h.client(t, maven38, h.Token("alice"))
	if err := c.deploy("com.acme", "lib", "1.0", library(t, "com.acme", "lib", "1.0")...); err != nil {
		t.Fatal(err)
	}
	if err := c.snapshot("com.acme", "lib", "2-SNAPSHOT", "20260822.101500", 1, library(t, "com.acme", "lib", "2-SNAPSHOT")...); err != nil {
		t.Fatal(err)
	}
	paths := []string{
		"com/acme/lib/1.0/lib-1.0.jar", "com/acme/lib/1.0/lib-1.0.jar.sha1", "com/acme/lib/maven-metadata.xml", "com/acme/lib/maven-metadata.xml.sha1",
		"com/acme/lib/2-SNAPSHOT/maven-metadata.xml", ".meta/prefixes.txt", "com/acme/lib/1.0/lib-1.0-sources.jar", "com/acme/none/maven-metadata.xml",
	}
	read := func() {
		for _, path := range paths {
			h.Do(http.MethodGet, "/maven/main/"+path, "")
		}
	}
	read()
	// The feed polls on its own, four times a second: a round in which it did not must run nothing.
	fewest := int64(1 << 30)
	for range 20 {
		before := h.DB.Statements()
		read()
		fewest = min(fewest, h.DB.Statements()-before)
	}
	if fewest != 0 {
		t.Errorf("%d statements for %d hot reads", fewest, len(paths))
	}
}

func TestPrefixesFollowTheProjects(t *testing.T) {
	h := open(t)
	c := h.client(t, maven38, h.Token("alice"))
	if got := h.status(t, ".meta/prefixes.txt"); got != http.StatusNotFound {
		t.Errorf("empty repository: %d", got)
	}
	want := "## repository-prefixes/2.0\n"
	for _, group := range []string{"com.acme", "com.acme.deep.er.still", "junit", "org.acme.a.b.c.d", "org.acme.a.b.x"} {
		if err := c.deploy(group, "lib", "1.0", library(t, group, "lib", "1.0")...); err != nil {
			t.Fatal(err)
		}
	}
	want += "/com/acme\n/junit\n/org/acme/a/b\n"
	if got := h.body(t, ".meta/prefixes.txt"); got != want {
		t.Errorf("got\n%s", got)
	}
	if got := h.Do(http.MethodGet, "/maven/main/.meta/prefixes.txt.sha999", "").Status; got != http.StatusNotFound {
		t.Errorf("another suffix: %d", got)
	}
}

func TestPrefixesLeaveOutWhatAnotherCovers(t *testing.T) {
	got := string(writePrefixes(map[string]bool{"/a": true, "/a-b": true, "/a/b": true, "/ab": true, "/a-b/c": true}))
	if want := prefixesHeader + "/a\n/a-b\n/ab\n"; got != want {
		t.Errorf("got\n%s", got)
	}
}

func TestPluginPrefixes(t *testing.T) {
	h := open(t)
	c := h.client(t, maven38, h.Token("alice"))
	entry := func(prefix, artifactID string) string {
		return "<plugin><name>The " + prefix + "</name><prefix>" + prefix + "</prefix><artifactId>" + artifactID + "</artifactId></plugin>"
	}
	put := func(c *client, plugins ...string) (int, string) {
		return c.send(http.MethodPut, "com/acme/maven-metadata.xml", "<metadata><plugins>"+strings.Join(plugins, "")+"</plugins></metadata>")
	}
	for _, artifactID := range []string{"a-maven-plugin", "b-maven-plugin"} {
		files := []file{{".pom", pomOf("com.acme", artifactID, "1.0", "<packaging>maven-plugin</packaging>")}, {".jar", jarOf(t, "A.class", "x")}}
		if err := c.deploy("com.acme", artifactID, "1.0", files...); err != nil {
			t.Fatal(err)
		}
	}
	if status, body := put(c, entry("b", "b-maven-plugin"), entry("a", "a-maven-plugin")); status != http.StatusCreated {
		t.Fatalf("%d %s", status, body)
	}
	const want = `  <plugins>
    <plugin>
      <name>The a</name>
      <prefix>a</prefix>
      <artifactId>a-maven-plugin</artifactId>
    </plugin>
    <plugin>
      <name>The b</name>
      <prefix>b</prefix>
      <artifactId>b-maven-plugin</artifactId>
    </plugin>
  </plugins>
`
	if got := h.body(t, "com/acme/maven-metadata.xml"); !strings.Contains(got, want) {
		t.Errorf("got\n%s", got)
	}
	// Who lists what is there already needs no right to it; who takes it over does.
	bob := h.client(t, maven38, h.Token("bob"))
	files := []file{{".pom", pomOf("com.acme", "c-maven-plugin", "1.0", "<packaging>maven-plugin</packaging>")}, {".jar", jarOf(t, "A.class", "x")}}
	if err := bob.deploy("com.acme", "c-maven-plugin", "1.0", files...); err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]struct {
		plugins []string
		want    int
	}{
		"his own beside the others": {[]string{entry("a", "a-maven-plugin"), entry("c", "c-maven-plugin")}, 201},
		"another's prefix":          {[]string{entry("a", "c-maven-plugin")}, 409},
		"another's plugin":          {[]string{entry("x", "a-maven-plugin")}, 403},
		"no plugin":                 {[]string{entry("y", "nothing")}, 400},
		"no prefix":                 {[]string{entry("a b", "c-maven-plugin")}, 400},
	} {
		if status, body := put(bob, r.plugins...); status != r.want {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	// One path may be a group's and a project's.
	if err := c.deploy("com", "acme", "1.0", library(t, "com", "acme", "1.0")...); err != nil {
		t.Fatal(err)
	}
	if got := h.body(t, "com/acme/maven-metadata.xml"); !strings.Contains(got, want[:40]) || !strings.Contains(got, "<version>1.0</version>") {
		t.Errorf("both levels\n%s", got)
	}
}

func TestSearch(t *testing.T) {
	h := open(t)
	c := h.client(t, maven38, h.Token("alice"))
	for _, d := range [][3]string{{"com.acme", "lib", "1.0"}, {"com.acme", "lib", "1.1"}, {"com.acme", "tool", "1.0"}, {"org.other", "lib", "3"}} {
		if err := c.deploy(d[0], d[1], d[2], append(library(t, d[0], d[1], d[2]), file{"-sources.jar", jarOf(t, "A.java", "")})...); err != nil {
			t.Fatal(err)
		}
	}
	ids := regexp.MustCompile(`"id":"([^"]*)"`)
	for query, want := range map[string]string{
		"q=lib":                                  "com.acme:lib org.other:lib",
		"q=acme":                                 "com.acme:lib com.acme:tool",
		"q=g:%22com.acme%22":                     "com.acme:lib com.acme:tool",
		"q=a:lib+AND+g:com.acme":                 "com.acme:lib",
		"q=g:com.acme+AND+a:lib&core=gav":        "com.acme:lib:1.1 com.acme:lib:1.0",
		"q=g:com.acme+AND+a:lib+AND+v:%221.0%22": "com.acme:lib:1.0",
		"q=lib&rows=1&start=1":                   "org.other:lib",
		"q=p:war+acme":                           "",
		"q=1:%2235379fb6526fd019f331542b4e9ae2e566c57933%22": "",
		"q=nothing": "",
	} {
		a := h.Do(http.MethodGet, "/maven/main/solrsearch/select?wt=json&"+query, "")
		var got []string
		for _, m := range ids.FindAllStringSubmatch(a.Body, -1) {
			got = append(got, m[1])
		}
		if a.Status != http.StatusOK || strings.Join(got, " ") != want {
			t.Errorf("%s: %d %v\n%s", query, a.Status, got, a.Body)
		}
	}
	a := h.Do(http.MethodGet, "/maven/main/solrsearch/select?q=g:com.acme+AND+a:lib", "")
	for _, part := range []string{`"latestVersion":"1.1"`, `"versionCount":2`, `"numFound":1`, `"ec":["-sources.jar",".jar",".pom"]`, `"p":"jar"`} {
		if !strings.Contains(a.Body, part) {
			t.Errorf("no %s in %s", part, a.Body)
		}
	}
	if a := h.Do(http.MethodGet, "/maven/main/remotecontent?filepath=com/acme/lib/1.0/lib-1.0.pom", ""); a.Status != http.StatusOK || !strings.Contains(a.Body, "<project") {
		t.Errorf("remotecontent: %d", a.Status)
	}
	if a := h.Do(http.MethodGet, "/maven/main/solrsearch/select?q=x&wt=xml", ""); a.Status != http.StatusBadRequest {
		t.Errorf("wt=xml: %d", a.Status)
	}
}

// Two builds of one snapshot at once: each is complete, whichever closes first.
func TestBuildsOfOneSnapshotDoNotMix(t *testing.T) {
	h := open(t)
	token := h.Token("alice")
	var wg sync.WaitGroup
	errs := make([]error, 6)
	for i := range errs {
		c := h.client(t, maven38, token)
		stamp := time.Date(2026, 8, 22, 10, 0, i, 0, time.UTC).Format("20060102.150405")
		files := []file{{".pom", pomOf("com.acme", "lib", "1-SNAPSHOT", "")}, {".jar", jarOf(t, "A.class", stamp)}}
		wg.Go(func() { errs[i] = c.snapshot("com.acme", "lib", "1-SNAPSHOT", stamp, 1, files...) })
	}
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			t.Errorf("build %d: %v", i, err)
		}
		for _, ending := range []string{".pom", ".jar"} {
			path := "com/acme/lib/1-SNAPSHOT/lib-1-20260822.10000" + string(rune('0'+i)) + "-1" + ending
			if got := h.status(t, path); got != http.StatusOK {
				t.Errorf("%s: %d", path, got)
			}
		}
	}
	if got := h.body(t, "com/acme/lib/1-SNAPSHOT/maven-metadata.xml"); !strings.Contains(got, "<timestamp>20260822.100005</timestamp>") {
		t.Errorf("got\n%s", got)
	}
}
