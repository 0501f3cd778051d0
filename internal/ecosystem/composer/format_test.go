package composer

import (
	"net/url"
	"strings"
	"testing"

	"bonded/internal/errs"
)

const someReference = "71fb2942f3769056417a349ec9490750bf743a4d"

func TestDistPathsAreReadBackAsWritten(t *testing.T) {
	for version, segment := range map[string]string{
		"1.0.0.0":                         "1.0.0.0",
		"1.0.0.0-RC1":                     "1.0.0.0-RC1",
		"dev-main":                        "dev-main",
		"dev-Feature/X":                   "dev-Feature~2fX",
		"dev-a//b":                        "dev-a~2f~2fb",
		"dev-/../..":                      "dev-~2f..~2f..",
		"dev-a+b@c~d%2f":                  "dev-a~2bb~40c~7ed~252f",
		"1.9999999.9999999.9999999-dev":   "1.9999999.9999999.9999999-dev",
		"dev-" + strings.Repeat("x", 200): "dev-" + strings.Repeat("x", 200),
	} {
		d := dist{"acme/lib", version, someReference}
		path := d.path()
		if want := "dists/acme/lib/" + segment + "/" + someReference + ".zip"; path != want {
			t.Errorf("%q is at %s, not %s", version, path, want)
		}
		for _, spelling := range []string{path, "/" + path, "/" + strings.ReplaceAll(path, "~", "%7E")} {
			if got, err := parseDistPath(spelling); err != nil || got != d {
				t.Errorf("%s was read as %+v, %v", spelling, got, err)
			}
		}
		if (&url.URL{Path: "/" + path}).EscapedPath() != "/"+path {
			t.Errorf("%s is not written in URLs as it stands", path)
		}
	}
}

func TestOtherPathsAreNoDists(t *testing.T) {
	for _, path := range []string{
		"", "/", "packages.json", "dists", "dists/acme/lib/1.0.0.0/", "dists/acme/lib/1.0.0.0/" + someReference,
		"dists/acme/lib/1.0.0.0/" + someReference + ".zip/x", "dists/acme/lib/" + someReference + ".zip",
		"dists/Acme/lib/1.0.0.0/" + someReference + ".zip", "dists/../lib/1.0.0.0/" + someReference + ".zip",
		"dists/acme/lib//" + someReference + ".zip", "dists/acme/lib/1.0.0.0/" + strings.ToUpper(someReference) + ".zip",
		"dists/acme/lib/1.0.0.0/" + someReference[1:] + ".zip", "dists/acme/lib/a~2/" + someReference + ".zip",
		"dists/acme/lib/a~zz/" + someReference + ".zip", "dists/acme/lib/a~2F/" + someReference + ".zip", // one spelling each
		"dists/acme/lib/a~41/" + someReference + ".zip", "dists/acme/lib/%zz/" + someReference + ".zip",
		"dists/acme/lib/1.0.0.0/" + someReference + ".tar",
	} {
		if ref, err := NewFormat().Locate(path); !errs.Is(err, errs.NotFound) {
			t.Errorf("%q was located as %+v, %v", path, ref, err)
		}
	}
}

func TestABuildIsAReference(t *testing.T) {
	path := dist{"acme/lib", "dev-main", someReference}.path()
	if got := NewFormat().Build(path); got != someReference {
		t.Errorf("Build(%s) = %q", path, got)
	}
	if got := NewFormat().Build("packages.json"); got != "" {
		t.Errorf("Build of no dist = %q", got)
	}
	if ref, err := NewFormat().Locate("/" + path); err != nil || ref.Project != "acme/lib" || ref.Version != "dev-main" || ref.Path != path {
		t.Errorf("Locate = %+v, %v", ref, err)
	}
}

func FuzzLocate(f *testing.F) {
	f.Add("dists/acme/lib/dev-a~2fb/" + someReference + ".zip")
	f.Add("/dists/acme/lib/1.0.0.0/" + someReference + ".zip")
	f.Add("dists/acme/lib/%2e%2e/" + someReference + ".zip")
	f.Fuzz(func(t *testing.T, path string) {
		ref, err := NewFormat().Locate(path)
		if err != nil {
			return
		}
		again, err := NewFormat().Locate(ref.Path)
		if err != nil || again != ref {
			t.Fatalf("%q is %+v, whose path is %+v, %v", path, ref, again, err)
		}
		for segment := range strings.SplitSeq(ref.Path, "/") {
			if segment == "" || segment == "." || segment == ".." {
				t.Fatalf("%q is recorded as %q", path, ref.Path)
			}
		}
	})
}
