package maven

import (
	"strings"
	"testing"

	"bonded/internal/errs"
)

func TestPathsOfArtifacts(t *testing.T) {
	for _, c := range []struct {
		path, norm, version, fileVersion, classifier, extension, kind, sum string
	}{
		{"com/acme/lib/1.0/lib-1.0.jar", "com.acme:lib", "1.0", "1.0", "", "jar", kindJar, ""},
		{"com/acme/lib/1.0/lib-1.0.pom.sha512", "com.acme:lib", "1.0", "1.0", "", "pom", kindPOM, "sha512"},
		{"g/a/1/a-1.md5", "g:a", "1", "1", "", "", kindOther, "md5"},
		{"com/acme/lib/1.0/lib-1.0-sources.jar", "com.acme:lib", "1.0", "1.0", "sources", "jar", kindJar, ""},
		{"com/acme/lib/1.0/lib-1.0-jdk1.5.jar", "com.acme:lib", "1.0", "1.0", "jdk1.5", "jar", kindJar, ""},
		{"com/acme/lib/1.0/lib-1.0-bin.tar.gz", "com.acme:lib", "1.0", "1.0", "bin", "tar.gz", kindTar, ""},
		{"com/acme/lib/1.0/lib-1.0.tar.gz", "com.acme:lib", "1.0", "1.0", "", "tar.gz", kindTar, ""},
		{"com/acme/lib/1.0/lib-1.0-bin.tar.gz.asc.sha1", "com.acme:lib", "1.0", "1.0", "bin", "tar.gz.asc", kindPGP, "sha1"},
		{"com/acme/lib/1.0/lib-1.0.jar.sigstore.json", "com.acme:lib", "1.0", "1.0", "", "jar.sigstore.json", kindSigstore, ""},
		{"com/acme/lib/1.0/lib-1.0.module", "com.acme:lib", "1.0", "1.0", "", "module", kindModule, ""},
		{"com/acme/lib/1.0/lib-1.0-build.pom", "com.acme:lib", "1.0", "1.0", "build", "pom", kindOther, ""},
		// An artifactId and a version may hold whatever separates them: only the directories tell.
		{"g/a-b/1.0-2/a-b-1.0-2-c-d.x", "g:a-b", "1.0-2", "1.0-2", "c-d", "x", kindOther, ""},
		{"g/lib-1.0/1.0/lib-1.0-1.0.jar", "g:lib-1.0", "1.0", "1.0", "", "jar", kindJar, ""},
		{"g/lib_2.13/1.0+5/lib_2.13-1.0+5.jar", "g:lib_2.13", "1.0+5", "1.0+5", "", "jar", kindJar, ""},
		{"id.x/id.x.gradle.plugin/1/id.x.gradle.plugin-1.pom", "", "", "", "", "", "", ""},
		{"id/x/id.x.gradle.plugin/1/id.x.gradle.plugin-1.pom", "id.x:id.x.gradle.plugin", "1", "1", "", "pom", kindPOM, ""},
		{"g/a/1.1-SNAPSHOT/a-1.1-20260822.101500-3.jar", "g:a", "1.1-SNAPSHOT", "1.1-20260822.101500-3", "", "jar", kindJar, ""},
		{"g/a/1.1-SNAPSHOT/a-1.1-20260822.101500-33-sources.jar", "g:a", "1.1-SNAPSHOT", "1.1-20260822.101500-33", "sources", "jar", kindJar, ""},
		{"g/a/1.1-SNAPSHOT/a-1.1-SNAPSHOT-sources.jar", "g:a", "1.1-SNAPSHOT", "1.1-SNAPSHOT", "sources", "jar", kindJar, ""},
	} {
		l, err := parsePath(c.path)
		if c.norm == "" {
			if err == nil {
				t.Errorf("%s is understood as %+v", c.path, l)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.path, err)
			continue
		}
		if l.norm() != c.norm || l.version != c.version || l.fileVersion != c.fileVersion || l.classifier != c.classifier || l.extension != c.extension ||
			l.kind() != c.kind || l.sum != c.sum || l.sort != artifact {
			t.Errorf("%s: got %+v, kind %s", c.path, l, l.kind())
		}
	}
}

func TestPathsOfMetadata(t *testing.T) {
	for _, c := range []struct{ path, norm, version, dirGroup, sum string }{
		{"com/acme/lib/maven-metadata.xml", "com.acme:lib", "", "com.acme.lib", ""},
		{"com/acme/lib/maven-metadata.xml.sha256", "com.acme:lib", "", "com.acme.lib", "sha256"},
		{"junit/maven-metadata.xml", ":", "", "junit", ""},
		{"com/acme/lib/1.0-SNAPSHOT/maven-metadata.xml", "com.acme:lib", "1.0-SNAPSHOT", "", ""},
		{"com/acme/lib_2.13/maven-metadata.xml", "com.acme:lib_2.13", "", "", ""},
	} {
		l, err := parsePath(c.path)
		if err != nil {
			t.Errorf("%s: %v", c.path, err)
			continue
		}
		if l.sort != metadata || l.norm() != c.norm || l.version != c.version || l.dirGroup != c.dirGroup || l.sum != c.sum {
			t.Errorf("%s: got %+v", c.path, l)
		}
	}
}

func TestPathsThatCannotExist(t *testing.T) {
	for rule, path := range map[string]string{
		"a traversal":                     "com/../acme/lib/1.0/lib-1.0.jar",
		"an empty segment":                "com//acme/lib/1.0/lib-1.0.jar",
		"a trailing slash":                "com/acme/lib/1.0/",
		"too few directories":             "lib/1.0/lib-1.0.jar",
		"another artifact's name":         "com/acme/lib/1.0/other-1.0.jar",
		"another version's name":          "com/acme/lib/1.0/lib-1.1.jar",
		"a version run into by letters":   "com/acme/lib/1.0/lib-1.0x.jar",
		"a build as directory":            "g/a/1.1-20260822.101500-3/a-1.1-20260822.101500-3.jar",
		"a build of another version":      "g/a/1.1-SNAPSHOT/a-1.2-20260822.101500-3.jar",
		"a build without a number":        "g/a/1.1-SNAPSHOT/a-1.1-20260822.101500.jar",
		"a space":                         "com/acme/lib/1 0/lib-1 0.jar",
		"a percent sign":                  "com/acme/lib/1%2e0/lib-1%2e0.jar",
		"a backslash":                     `com\acme/a/lib/1.0/lib-1.0.jar`,
		"a dot in a directory of a group": "com.acme/lib/1.0/lib-1.0.jar",
		"the publishing API's space":      "api/v1/publisher/1/publisher-1.jar",
		"metadata of everything":          "maven-metadata.xml",
		"a nameless file":                 "com/acme/lib/1.0/.sha1",
	} {
		if l, err := parsePath(path); !errs.Is(err, errs.Invalid) {
			t.Errorf("%s: %s gives %+v, %v", rule, path, l, err)
		}
	}
}

func TestEscapedPathsHaveOneReading(t *testing.T) {
	for escaped, want := range map[string]string{
		"/com/acme/lib/1.0%2B5/lib-1.0%2b5.jar": "com/acme/lib/1.0+5/lib-1.0+5.jar",
		"/com/acme/lib/1.0+5/lib-1.0+5.jar":     "com/acme/lib/1.0+5/lib-1.0+5.jar",
		"/com/%61cme/x":                         "com/acme/x",
	} {
		if got, err := unescapePath(escaped); err != nil || got != want {
			t.Errorf("%s: got %q, %v", escaped, got, err)
		}
	}
	for _, escaped := range []string{
		"/com/%2e%2e/x", "/com/acme%2flib/x", "/com/acme%5clib/x", "/com/%252e%252e/x", "/com//x", "/com/x/", "/com/%00/x", "/com/%zz/x", "/com/%c3%a9/x",
		"/" + strings.Repeat("a/", 600) + "x",
	} {
		if got, err := unescapePath(escaped); err == nil {
			t.Errorf("%s is read as %q", escaped, got)
		}
	}
}

func TestLocateAnswersTheHouse(t *testing.T) {
	ref, err := NewFormat().Locate("com/acme/lib/1.0/lib-1.0.jar.sha1")
	if err != nil || ref.Project != "com.acme:lib" || ref.Version != "1.0" || ref.Path != "com/acme/lib/1.0/lib-1.0.jar" || ref.Sidecar != ".sha1" {
		t.Errorf("got %+v, %v", ref, err)
	}
	if _, err := NewFormat().Locate("x"); !errs.Is(err, errs.NotFound) {
		t.Errorf("got %v", err)
	}
	if b := NewFormat().Build("g/a/1.1-SNAPSHOT/a-1.1-20260822.101500-3-sources.jar.asc"); b != "1.1-20260822.101500-3" {
		t.Errorf("build %q", b)
	}
}

// Whatever is understood can be put together again, and nothing understood leaves its directory.
func FuzzPath(f *testing.F) {
	for _, s := range []string{
		"com/acme/lib/1.0/lib-1.0-sources.jar.asc.sha1", "g/a/1.1-SNAPSHOT/a-1.1-20260822.101500-3.jar", "a/b/maven-metadata.xml.md5",
		"g/a/1/a-1", "../x", "g/a/1-SNAPSHOT/a-1-SNAPSHOT.tar.gz",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		l, err := parsePath(path)
		if err != nil {
			return
		}
		if l.sum != "" && path != l.path+"."+l.sum || l.sum == "" && path != l.path {
			t.Fatalf("%q is stored as %q with %q", path, l.path, l.sum)
		}
		if l.sort == metadata {
			return
		}
		name := l.artifact + "-" + l.fileVersion
		if l.classifier != "" {
			name += "-" + l.classifier
		}
		if l.extension != "" {
			name += "." + l.extension
		}
		if got := directory(l.group, l.artifact, l.version) + name; got != l.path && l.classifier != "" && l.extension != "" {
			t.Fatalf("%q is put together as %q", l.path, got)
		}
		if strings.Contains(l.path, "..") && strings.Contains("/"+l.path+"/", "/../") {
			t.Fatalf("%q leaves", l.path)
		}
	})
}
