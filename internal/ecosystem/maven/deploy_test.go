package maven

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bonded/internal/door/doortest"
	"bonded/internal/intake"
	"bonded/internal/registry"
	"bonded/internal/store"
	"bonded/internal/store/storetest"
)

func TestNothingIsSeenBeforeTheLastPut(t *testing.T) {
	for _, agent := range []string{maven38, maven39, gradle} {
		t.Run(strings.Fields(agent)[0], func(t *testing.T) {
			h := open(t)
			token := h.Token("alice")
			c := h.client(t, agent, token)
			files := library(t, "com.acme", "lib", "1.0")
			for _, f := range files {
				if err := c.put("com/acme/lib/1.0/lib-1.0"+f.ending, f.body); err != nil {
					t.Fatal(err)
				}
			}
			if got := h.status(t, "com/acme/lib/1.0/lib-1.0.jar"); got != http.StatusNotFound {
				t.Errorf("a stranger sees an open deployment: %d", got)
			}
			if got := h.versions(t, "com/acme/lib"); got != nil {
				t.Errorf("metadata shows an open deployment: %v", got)
			}
			for _, kind := range []string{"", ".sha1", ".sha512"} {
				if status, _ := c.send(http.MethodGet, "com/acme/lib/1.0/lib-1.0.jar"+kind, ""); status != http.StatusOK {
					t.Errorf("the uploader's own GET of %s: %d", kind, status)
				}
			}
			other := h.client(t, agent, h.Token("alice"))
			if status, _ := other.send(http.MethodGet, "com/acme/lib/1.0/lib-1.0.jar", ""); status != http.StatusNotFound {
				t.Errorf("another token sees it: %d", status)
			}
			if err := c.metadata("com.acme", "lib", "1.0"); err != nil {
				t.Fatal(err)
			}
			a := h.Do(http.MethodGet, "/maven/main/com/acme/lib/1.0/lib-1.0.jar", "")
			if a.Status != http.StatusOK || a.Body != files[1].body {
				t.Errorf("after closing: %d", a.Status)
			}
			if got := h.versions(t, "com/acme/lib"); !slices.Equal(got, []string{"1.0"}) {
				t.Errorf("versions %v", got)
			}
		})
	}
}

func TestTheSameDeploymentAgainIsASuccessAndAnotherAConflict(t *testing.T) {
	h := open(t)
	c := h.client(t, maven39, h.Token("alice"))
	files := library(t, "com.acme", "lib", "1.0")
	for range 2 {
		if err := c.deploy("com.acme", "lib", "1.0", files...); err != nil {
			t.Fatal(err)
		}
	}
	h.Clock.Advance(settledAfter + time.Second)
	for name, f := range map[string]file{
		"other bytes of another size": {".jar", jarOf(t, "B.class", "more than before, to make it longer")},
		"other bytes of one size":     {".jar", strings.Replace(files[1].body, "A.class", "B.class", 2)},
		"a new classifier":            {"-sources.jar", files[1].body},
		"another POM":                 {".pom", pomOf("com.acme", "lib", "1.0", "<name>x</name>")},
	} {
		status, body := c.send(http.MethodPut, "com/acme/lib/1.0/lib-1.0"+f.ending, f.body)
		if status != http.StatusConflict || !strings.Contains(body, "Deploy under a new version.") {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	if got := h.Do(http.MethodGet, "/maven/main/com/acme/lib/1.0/lib-1.0.jar", ""); got.Body != files[1].body {
		t.Error("the jar changed")
	}
}

// Deploy plugins 2.x, the default of Maven 3.8, send each attached artifact as a deployment of its own, with the metadata again.
func TestTheRestOfADeploymentMayFollowItsMetadata(t *testing.T) {
	h := open(t)
	c := h.client(t, maven38, h.Token("alice"))
	sources := file{"-sources.jar", jarOf(t, "A.java", "")}
	dir, build := "com/acme/lib/1.0/lib-1.0", "com/acme/lib/2-SNAPSHOT/lib-2-20260822.101500-1"
	if err := c.deploy("com.acme", "lib", "1.0", library(t, "com.acme", "lib", "1.0")...); err != nil {
		t.Fatal(err)
	}
	if err := c.snapshot("com.acme", "lib", "2-SNAPSHOT", "20260822.101500", 1, library(t, "com.acme", "lib", "2-SNAPSHOT")...); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir + sources.ending, dir + ".zip", build + sources.ending} {
		if status, body := c.send(http.MethodPut, path, sources.body); status != http.StatusCreated {
			t.Fatalf("%s: %d %s", path, status, body)
		}
		if got := h.status(t, path); got != http.StatusNotFound {
			t.Errorf("%s is seen before its checksum: %d", path, got)
		}
		for _, r := range []struct {
			sum  string
			want int
		}{{sumOf("sha1", sources.body), 201}, {sumOf("sha1", sources.body), 201}, {sumOf("sha1", ""), 400}} {
			if status, body := c.send(http.MethodPut, path+".sha1", r.sum); status != r.want {
				t.Errorf("%s.sha1: %d %s", path, status, body)
			}
		}
		if status, body := c.send(http.MethodPut, path+".asc", "signature"); status != http.StatusCreated {
			t.Errorf("%s.asc: %d %s", path, status, body)
		}
		if got := h.body(t, path); got != sources.body {
			t.Errorf("%s has other bytes", path)
		}
	}
	// With the metadata again, as some versions do.
	if err := c.snapshot("com.acme", "lib", "2-SNAPSHOT", "20260822.101500", 1, file{"-javadoc.jar", sources.body}); err != nil {
		t.Error(err)
	}
	if got := h.body(t, "com/acme/lib/2-SNAPSHOT/maven-metadata.xml"); strings.Count(got, "<snapshotVersion>") != 5 {
		t.Errorf("got\n%s", got)
	}
	if status, _ := c.send(http.MethodPut, dir+"-damaged.jar", sources.body); status != http.StatusCreated {
		t.Errorf("damaged: %d", status)
	}
	if status, _ := c.send(http.MethodPut, dir+"-damaged.jar.sha1", sumOf("sha1", "")); status != http.StatusBadRequest {
		t.Errorf("damaged: %d", status)
	}
	if got := h.status(t, dir+"-damaged.jar"); got != http.StatusNotFound {
		t.Errorf("damaged: %d", got)
	}
	if status, body := c.send(http.MethodPut, "com/acme/lib/1.0/lib-1.0.module", "{}"); status != http.StatusConflict {
		t.Errorf("a module for a published version: %d %s", status, body)
	}
	if err := c.put(dir+"-broken.jar", "x"); err == nil || !strings.Contains(err.Error(), "lib-1.0-broken.jar: The archive is refused") {
		t.Errorf("a broken addition: %v", err)
	}
	h.Clock.Advance(settledAfter)
	if status, body := c.send(http.MethodPut, "com/acme/lib/1.0/lib-1.0-javadoc.jar", sources.body); status != http.StatusConflict {
		t.Errorf("later: %d %s", status, body)
	}
}

func TestSignaturesAreAddedToWhatIsPublished(t *testing.T) {
	h := open(t)
	c := h.client(t, maven39, h.Token("alice"))
	if err := c.deploy("com.acme", "lib", "1.0", library(t, "com.acme", "lib", "1.0")...); err != nil {
		t.Fatal(err)
	}
	h.Clock.Advance(settledAfter + time.Second)
	for ending, want := range map[string]int{
		".jar.asc": http.StatusCreated, ".jar.sigstore.json": http.StatusCreated, ".jar.sigstore.json.asc": http.StatusCreated,
		"-sources.jar.asc": http.StatusBadRequest,
	} {
		if status, body := c.send(http.MethodPut, "com/acme/lib/1.0/lib-1.0"+ending, "signature"); status != want {
			t.Errorf("%s: %d %s", ending, status, body)
		}
	}
	for ending, want := range map[string]int{
		".jar.asc": http.StatusOK, ".jar.asc.md5": http.StatusOK, ".jar.sigstore.json": http.StatusOK, ".jar.sigstore.json.asc": http.StatusNotFound,
	} {
		if got := h.status(t, "com/acme/lib/1.0/lib-1.0"+ending); got != want {
			t.Errorf("GET %s: %d", ending, got)
		}
	}
	if status, body := c.send(http.MethodPut, "com/acme/lib/1.0/lib-1.0.jar.asc", "another"); status != http.StatusConflict {
		t.Errorf("another signature: %d %s", status, body)
	}
}

func TestAWrongChecksumFailsTheBuildThatWentOn(t *testing.T) {
	h := open(t)
	c := h.client(t, maven38, h.Token("alice"))
	for _, f := range library(t, "com.acme", "lib", "1.0") {
		if err := c.put("com/acme/lib/1.0/lib-1.0"+f.ending, f.body); err != nil {
			t.Fatal(err)
		}
	}
	status, body := c.send(http.MethodPut, "com/acme/lib/1.0/lib-1.0.jar.sha1", strings.Repeat("0", 40))
	if status != http.StatusBadRequest || !strings.Contains(body, "does not fit") {
		t.Errorf("wrong checksum: %d %s", status, body)
	}
	err := c.metadata("com.acme", "lib", "1.0")
	if err == nil || !strings.Contains(err.Error(), "400") || !strings.Contains(err.Error(), "sha1 of com/acme/lib/1.0/lib-1.0.jar") {
		t.Errorf("closing: %v", err)
	}
	if got := h.versions(t, "com/acme/lib"); got != nil {
		t.Errorf("published: %v", got)
	}
	if err := c.metadata("com.acme", "lib", "1.0"); err == nil {
		t.Error("a failed deployment was closed by a second try")
	}
	if err := c.deploy("com.acme", "lib", "1.0", library(t, "com.acme", "lib", "1.0")...); err != nil {
		t.Errorf("a new deployment: %v", err)
	}
}

func TestChecksumFilesAreReadLeniently(t *testing.T) {
	h := open(t)
	c := h.client(t, maven38, h.Token("alice"))
	body := pomOf("com.acme", "lib", "1.0", "")
	if status, _ := c.send(http.MethodPut, "com/acme/lib/1.0/lib-1.0.pom.sha1", sumOf("sha1", body)); status != http.StatusBadRequest {
		t.Errorf("a checksum before its file: %d", status)
	}
	if err := c.put("com/acme/lib/1.0/lib-1.0.pom", body); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]int{
		sumOf("sha256", body) + "  lib-1.0.pom\n": http.StatusCreated, strings.ToUpper(sumOf("sha256", body)): http.StatusCreated,
		"": http.StatusBadRequest, strings.Repeat("x", maxChecksum+1): http.StatusBadRequest,
	} {
		if status, _ := c.send(http.MethodPut, "com/acme/lib/1.0/lib-1.0.pom.sha256", text); status != want {
			t.Errorf("%.20q: %d", text, status)
		}
	}
}

func TestDeploymentsThatAreRefused(t *testing.T) {
	h := open(t)
	h.Repository(registry.Repository{Ecosystem: "maven", Name: "releases", Kind: registry.Hosted, Visibility: registry.Anonymous, Settings: registry.Settings{Snapshots: "no"}})
	h.Repository(registry.Repository{Ecosystem: "maven", Name: "snapshots", Kind: registry.Hosted, Visibility: registry.Anonymous, Settings: registry.Settings{Releases: "no"}})
	c := h.client(t, maven39, h.Token("alice"))
	jar := jarOf(t, "A.class", "x")
	for name, r := range map[string]struct {
		path, body string
		status     int
		says       string
	}{
		"a literal snapshot":              {"main/com/acme/lib/1.0-SNAPSHOT/lib-1.0-SNAPSHOT.jar", jar, 400, "timestamped names only"},
		"a snapshot among releases":       {"releases/com/acme/lib/1.0-SNAPSHOT/lib-1.0-20260101.000000-1.jar", jar, 403, "takes no snapshots"},
		"a release among snapshots":       {"snapshots/com/acme/lib/1.0/lib-1.0.jar", jar, 403, "takes no releases"},
		"an unresolved version":           {"main/com/acme/lib/$%7Bv%7D/lib-$%7Bv%7D.jar", jar, 400, "unresolved expression"},
		"a version that is a word":        {"main/com/acme/lib/LATEST/lib-LATEST.jar", jar, 400, "a word that clients resolve"},
		"a traversal":                     {"main/com/%2e%2e/lib/1.0/lib-1.0.jar", jar, 400, "dotted or encoded segment"},
		"an encoded slash":                {"main/com/acme%2Flib/1.0/lib-1.0.jar", jar, 400, "dotted or encoded segment"},
		"a file that is not the version":  {"main/com/acme/lib/1.0/lib-2.0.jar", jar, 400, "does not begin with"},
		"metadata that is no XML":         {"main/com/acme/lib/maven-metadata.xml", "<metadata", 400, "cannot be read"},
		"metadata of another artifact":    {"main/com/acme/lib/maven-metadata.xml", "<metadata><artifactId>x</artifactId><versioning/></metadata>", 400, "was put into the directory"},
		"metadata of lost files":          {"main/com/acme/lib/maven-metadata.xml", "<metadata><versioning><versions><version>9</version></versions></versioning></metadata>", 400, "no files of it arrived"},
		"metadata of a lost build":        {"main/com/acme/lib/1-SNAPSHOT/maven-metadata.xml", buildMetadata("com.acme", "lib", "1-SNAPSHOT", "20260101.000000", 1), 400, "no files of it arrived"},
		"a file larger than the limit":    {"main/com/acme/lib/1.0/lib-1.0.jar", strings.Repeat("x", doortest.FileLimit+1), 413, "larger than"},
		"a plugin prefix without plugin":  {"main/com/acme/maven-metadata.xml", "<metadata><plugins><plugin><prefix>p</prefix><artifactId>p-maven-plugin</artifactId></plugin></plugins></metadata>", 400, "not published here with the packaging maven-plugin"},
		"the publishing API's name space": {"main/api/v1/publisher/1/publisher-1.jar", jar, 404, ""},
	} {
		c.base = h.URL + "/maven/"
		status, body := c.send(http.MethodPut, r.path, r.body)
		if status != r.status || !strings.Contains(body, r.says) {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
}

// Manifest confusion: what the artifact says and what it is deployed as have to be one thing.
func TestArtifactsThatDisagreeWithTheirPathAreRefusedAtClosing(t *testing.T) {
	own := "META-INF/maven/com.acme/lib/pom.xml"
	module := func(version, sha256 string) string {
		return fmt.Sprintf(`{"formatVersion":"1.1","component":{"group":"com.acme","module":"lib","version":%q},"variants":[{"name":"api",
			"files":[{"name":"lib-1.0.jar","url":"lib-1.0.jar","sha256":%q}]}]}`, version, sha256)
	}
	jar := jarOf(t, "A.class", "x")
	for name, c := range map[string]struct {
		files []file
		says  string
	}{
		"no POM":                    {[]file{{".jar", jar}}, "has no POM"},
		"the POM's version":         {[]file{{".pom", pomOf("com.acme", "lib", "1.1", "")}, {".jar", jar}}, "The POM says com.acme:lib:1.1, but it was deployed as com.acme:lib:1.0"},
		"the POM's group":           {[]file{{".pom", pomOf("org.acme", "lib", "1.0", "")}, {".jar", jar}}, "The POM says org.acme:lib:1.0"},
		"the POM inside the jar":    {[]file{{".pom", pomOf("com.acme", "lib", "1.0", "")}, {".jar", jarOf(t, own, pomOf("com.acme", "lib", "2.0", ""))}}, "The pom.xml inside lib-1.0.jar says com.acme:lib:2.0"},
		"a jar that is no archive":  {[]file{{".pom", pomOf("com.acme", "lib", "1.0", "")}, {".jar", "hello"}}, "lib-1.0.jar: "},
		"a jar with a prefix":       {[]file{{".pom", pomOf("com.acme", "lib", "1.0", "")}, {".jar", "#!/bin/sh\n" + jar}}, "archive/zip-"},
		"a jar with a traversal":    {[]file{{".pom", pomOf("com.acme", "lib", "1.0", "")}, {".jar", jarOf(t, "../evil", "x")}}, "archive/path-traversal"},
		"a document type":           {[]file{{".pom", `<!DOCTYPE project><project/>`}, {".jar", jar}}, "document types and entities"},
		"the module's version":      {[]file{{".pom", pomOf("com.acme", "lib", "1.0", "")}, {".jar", jar}, {".module", module("2.0", sumOf("sha256", jar))}}, "The Gradle module says com.acme:lib:2.0"},
		"the module's digests":      {[]file{{".pom", pomOf("com.acme", "lib", "1.0", "")}, {".jar", jar}, {".module", module("1.0", sumOf("sha256", ""))}}, "has the sha256"},
		"a module that is no JSON":  {[]file{{".pom", pomOf("com.acme", "lib", "1.0", "")}, {".jar", jar}, {".module", "{"}}, "not readable JSON"},
		"a module with a key twice": {[]file{{".pom", pomOf("com.acme", "lib", "1.0", "")}, {".jar", jar}, {".module", `{"component":{},"component":{}}`}}, "not readable JSON"},
		"a signature of nothing":    {[]file{{".pom", pomOf("com.acme", "lib", "1.0", "")}, {".jar", jar}, {"-x.jar.asc", "s"}}, "signs com/acme/lib/1.0/lib-1.0-x.jar"},
	} {
		t.Run(name, func(t *testing.T) {
			h := open(t)
			err := h.client(t, gradle, h.Token("alice")).deploy("com.acme", "lib", "1.0", c.files...)
			if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "maven-metadata.xml: 4") {
				t.Errorf("got %v", err)
			}
			if got := h.versions(t, "com/acme/lib"); got != nil {
				t.Errorf("published: %v", got)
			}
		})
	}
}

// What real builds publish is accepted.
func TestDeploymentsThatAreNotConfusion(t *testing.T) {
	h := open(t)
	c := h.client(t, gradle, h.Token("alice"))
	jar := jarOf(t, "META-INF/MANIFEST.MF", "Manifest-Version: 1.0\n", "META-INF/maven/com.acme/a/pom.xml", pomOf("com.acme", "a", "${revision}", ""),
		"META-INF/maven/org.shaded/dep/pom.xml", pomOf("org.shaded", "dep", "9", ""))
	for artifactID, files := range map[string][]file{
		"a": {{".pom", pomOf("com.acme", "a", "${revision}", "<properties><revision>7</revision></properties>")}, {".jar", jar}},
		"b": {
			{".pom", `<project><parent><groupId>com.acme</groupId><artifactId>p</artifactId><version>1.0</version></parent><artifactId>b</artifactId></project>`},
			{".jar", jarOf(t, "META-INF/maven/com.acme/a/pom.xml", pomOf("com.acme", "a", "3", ""))}, // a relocated third-party jar
			{"-sources.jar", jarOf(t, "A.java", "")},
			{".jar.asc", "signature"},
			{"-build.pom", "<project/>"},
			{"-schema.xsd", "<x/>"},
		},
		"c": {
			{".pom", pomOf("com.acme", "c", "1.0", "<packaging>pom</packaging>")},
			{".module", `{"formatVersion":"1.1","component":{"url":"../../d/1.0/d-1.0.module","group":"com.acme","module":"d","version":"1.0"},"variants":[]}`},
		},
	} {
		if err := c.deploy("com.acme", artifactID, "1.0", files...); err != nil {
			t.Errorf("%s: %v", artifactID, err)
		}
	}
}

func TestEightParallelDeploymentsOfOneArtifactLoseNothing(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, db *store.DB) {
		h := openOn(t, db)
		token := h.Token("alice")
		want := []string{}
		var wg sync.WaitGroup
		errs := make([]error, 8)
		for i := range errs {
			version := fmt.Sprintf("1.%d", i)
			want = append(want, version)
			c := h.client(t, maven39, token)
			files := library(t, "com.acme", "lib", version)
			wg.Go(func() { errs[i] = c.deploy("com.acme", "lib", version, files...) })
		}
		wg.Wait()
		for _, err := range errs {
			if err != nil {
				t.Error(err)
			}
		}
		if got := h.versions(t, "com/acme/lib"); !slices.Equal(got, want) {
			t.Errorf("listed %v", got)
		}
	})
}

func TestOfTwoDeploymentsOfOneVersionExactlyOneWins(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, db *store.DB) {
		for _, tokens := range []string{"two tokens", "one token"} {
			t.Run(tokens, func(t *testing.T) {
				h := openOn(t, db)
				first := h.Token("alice")
				second := first
				if tokens == "two tokens" {
					second = h.Token("alice")
				}
				project := "lib" + tokens[:3]
				jars := []string{jarOf(t, "A.class", "one"), jarOf(t, "A.class", "two")}
				errs := make([]error, 2)
				var wg sync.WaitGroup
				for i, token := range []string{first, second} {
					c := h.client(t, maven38, token)
					wg.Go(func() {
						errs[i] = c.deploy("com.acme", project, "1.0", file{".jar", jars[i]}, file{".pom", pomOf("com.acme", project, "1.0", "")})
					})
				}
				wg.Wait()
				won := slices.Index(errs, nil)
				if won < 0 || errs[1-won] == nil {
					t.Fatalf("both the same way: %v", errs)
				}
				if !strings.Contains(errs[1-won].Error(), "409") {
					t.Errorf("the other one reads: %v", errs[1-won])
				}
				if got := h.Do(http.MethodGet, "/maven/main/com/acme/"+project+"/1.0/"+project+"-1.0.jar", ""); got.Body != jars[won] {
					t.Error("not the winner's jar is served")
				}
			})
		}
	})
}

// The build of a client that was killed is deployed again, with other bytes, after a rebuild.
func TestAnAbandonedDeploymentGivesWayAsAWhole(t *testing.T) {
	h := open(t)
	c := h.client(t, maven38, h.Token("alice"))
	for ending, body := range map[string]string{".jar": jarOf(t, "A.class", "old"), "-old.jar": jarOf(t, "A.class", "old")} {
		if err := c.put("com/acme/lib/1.0/lib-1.0"+ending, body); err != nil {
			t.Fatal(err)
		}
	}
	files := library(t, "com.acme", "lib", "1.0")
	slices.Reverse(files)
	if err := c.deploy("com.acme", "lib", "1.0", files...); err == nil || !strings.Contains(err.Error(), "under way") {
		t.Errorf("while it is under way: %v", err)
	}
	h.Clock.Advance(abandonedAfter + time.Second)
	if err := c.deploy("com.acme", "lib", "1.0", files...); err != nil {
		t.Fatal(err)
	}
	if got := h.status(t, "com/acme/lib/1.0/lib-1.0-old.jar"); got != http.StatusNotFound {
		t.Errorf("a part of the abandoned run was published: %d", got)
	}
}

func TestDeploymentsWithoutMetadataCloseWhenNothingMoreComes(t *testing.T) {
	h := open(t)
	ivy, cut := h.client(t, sbt, h.Token("alice")), h.client(t, maven38, h.Token("bob"))
	for _, f := range library(t, "com.acme", "scala_2.13", "1.0") {
		if err := ivy.put("com/acme/scala_2.13/1.0/scala_2.13-1.0"+f.ending, f.body); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range library(t, "com.acme", "cut", "1.0") {
		if err := cut.put("com/acme/cut/1.0/cut-1.0"+f.ending, f.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := ivy.put("com/acme/broken/1.0/broken-1.0.jar", "not a jar"); err != nil {
		t.Fatal(err)
	}
	closeIdle := func() {
		t.Helper()
		if err := h.door.CloseIdle(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	closeIdle()
	if got := h.versions(t, "com/acme/scala_2.13"); got != nil {
		t.Errorf("closed at once: %v", got)
	}
	h.Clock.Advance(idleAfter + time.Second)
	closeIdle()
	if got := h.versions(t, "com/acme/scala_2.13"); !slices.Equal(got, []string{"1.0"}) {
		t.Errorf("not closed: %v", got)
	}
	if got := h.versions(t, "com/acme/cut"); got != nil {
		t.Errorf("a Maven deployment that was cut off is published: %v", got)
	}
	status, body := ivy.send(http.MethodGet, "api/v1/publisher/deployments", "")
	if status != http.StatusOK || !strings.Contains(body, "broken-1.0.jar: The archive is refused") {
		t.Errorf("the owner reads %d %s", status, body)
	}
}

// A node that dies while it closes a deployment leaves it closed to further parts and not yet published: whoever comes next, the
// client's retry or the clock, finishes it.
func TestAClosingThatWasCutOffIsFinished(t *testing.T) {
	h := open(t)
	retries, goesAway := h.client(t, maven38, h.Token("alice")), h.client(t, sbt, h.Token("bob"))
	for c, artifactID := range map[*client]string{retries: "a", goesAway: "b"} {
		for _, f := range library(t, "com.acme", artifactID, "1.0") {
			if err := c.put("com/acme/"+artifactID+"/1.0/"+artifactID+"-1.0"+f.ending, f.body); err != nil {
				t.Fatal(err)
			}
		}
	}
	repo, err := h.House.Registry.Repository(t.Context(), "maven", "local")
	if err != nil {
		t.Fatal(err)
	}
	stages, err := h.House.Intake.Stages(t.Context(), repo, stageKind)
	if err != nil || len(stages) != 2 {
		t.Fatalf("%d stages, %v", len(stages), err)
	}
	for _, st := range stages {
		if err := h.House.Intake.SetStage(t.Context(), st.ID, intake.StageValidated, st.Detail, intake.StageOpen); err != nil {
			t.Fatal(err)
		}
	}
	if got := h.versions(t, "com/acme/a"); got != nil {
		t.Errorf("half closed and visible: %v", got)
	}
	if err := retries.metadata("com.acme", "a", "1.0"); err != nil {
		t.Error(err)
	}
	if got := h.versions(t, "com/acme/a"); !slices.Equal(got, []string{"1.0"}) {
		t.Errorf("the retry did not finish it: %v", got)
	}
	h.Clock.Advance(idleAfter + time.Second)
	if err := h.door.CloseIdle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := h.versions(t, "com/acme/b"); !slices.Equal(got, []string{"1.0"}) {
		t.Errorf("the clock did not finish it: %v", got)
	}
}

func TestARevokedTokenPublishesNothingLater(t *testing.T) {
	h := open(t)
	c := h.client(t, sbt, h.Token("alice"))
	for _, f := range library(t, "com.acme", "lib", "1.0") {
		if err := c.put("com/acme/lib/1.0/lib-1.0"+f.ending, f.body); err != nil {
			t.Fatal(err)
		}
	}
	acc, err := h.House.Accounts.ByName(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := h.House.Gate.Tokens(t.Context(), acc.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.House.Gate.RevokeToken(t.Context(), tokens[0].ID); err != nil {
		t.Fatal(err)
	}
	h.Clock.Advance(idleAfter + time.Second)
	if err := h.door.CloseIdle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := h.versions(t, "com/acme/lib"); got != nil {
		t.Errorf("published: %v", got)
	}
}

func TestOnlyOwnersDeployAProject(t *testing.T) {
	h := open(t)
	if err := h.client(t, maven39, h.Token("alice")).deploy("com.acme", "lib", "1.0", library(t, "com.acme", "lib", "1.0")...); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		token string
		want  int
	}{
		"nobody": {"", 401}, "a wrong token": {"bondu_x", 401}, "a reader": {h.Token("bob", "read"), 403}, "another account": {h.Token("mallory"), 403},
		"a token for another group": {h.Token("alice", "publish:maven/local:org.other:*"), 403},
	} {
		status, body := h.client(t, maven39, c.token).send(http.MethodPut, "com/acme/lib/2.0/lib-2.0.pom", "x")
		if status != c.want {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
}

func TestANameThatAnotherMemberOwnsIsNotShadowed(t *testing.T) {
	h := open(t)
	h.Repository(registry.Repository{Ecosystem: "maven", Name: "old", Kind: registry.Hosted, Visibility: registry.Anonymous})
	h.Repository(registry.Repository{Ecosystem: "maven", Name: "all", Kind: registry.Group, Visibility: registry.Anonymous}, "local", "old")
	c := h.client(t, maven39, h.Token("alice"))
	c.base = h.URL + "/maven/old/"
	if err := c.deploy("com.acme", "lib", "1.0", library(t, "com.acme", "lib", "1.0")...); err != nil {
		t.Fatal(err)
	}
	c.base = h.URL + "/maven/all/"
	err := c.deploy("com.acme", "lib", "2.0", library(t, "com.acme", "lib", "2.0")...)
	if err == nil || !strings.Contains(err.Error(), "maven/old answers for com.acme:lib") {
		t.Errorf("got %v", err)
	}
}
