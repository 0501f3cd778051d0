package cargo

import (
	"strings"
	"testing"

	"bonded/internal/registry"
)

func TestPathsOfARegistry(t *testing.T) {
	for path, want := range map[string]registry.FileRef{
		"1/a":                              {Project: "a", Path: "1/a"},
		"2/ab":                             {Project: "ab", Path: "2/ab"},
		"3/a/abc":                          {Project: "abc", Path: "3/a/abc"},
		"/he/ll/hello":                     {Project: "hello", Path: "he/ll/hello"},
		"a-/b_/a-b_c":                      {Project: "a_b_c", Path: "a-/b_/a-b_c"},
		"dl/x/x-1.0.0.crate":               {Project: "x", Version: "1.0.0", Path: "dl/x/x-1.0.0.crate"},
		"dl/A-b/A-b-1.0.0-rc.1+m.2.crate":  {Project: "a_b", Version: "1.0.0-rc.1", Path: "dl/A-b/A-b-1.0.0-rc.1+m.2.crate"},
		"api/v1/crates/x/1.0.0+m/download": {Project: "x", Version: "1.0.0", Path: "dl/x/x-1.0.0+m.crate"},
		// A crate may be called like a folder of ours.
		"2/dl":    {Project: "dl", Path: "2/dl"},
		"3/a/api": {Project: "api", Path: "3/a/api"},
	} {
		got, err := locate(path)
		if err != nil || got != want {
			t.Errorf("%s is %+v, %v; want %+v", path, got, err, want)
		}
	}
}

func TestNothingLivesElsewhere(t *testing.T) {
	for _, path := range []string{
		"", "/", "a", "1/ab", "1/A", "2/a", "3/b/abc", "he/ll/Hello", "he/lo/hello", "he/ll/hello/", "he/ll//hello", "x/he/ll/hello", "he/ll/hell.o",
		"dl/", "dl/x", "dl/x/y-1.0.0.crate", "dl/x/x-1.0.crate", "dl/x/x-1.0.0.tgz", "dl/x/x-1.0.0.crate/", "dl//-1.0.0.crate", "dl/é/é-1.0.0.crate",
		"api/v1/crates/x/1.0.0", "api/v1/crates/x/download", "1/é", "../a", "config.json",
	} {
		if ref, err := locate(path); err == nil {
			t.Errorf("%q is %+v", path, ref)
		}
	}
}

func FuzzLocate(f *testing.F) {
	for _, p := range []string{"1/a", "he/ll/hello", "dl/x/x-1.0.0+a.crate", "api/v1/crates/x/1.0.0/download", "dl/x/../x", "%2e%2e/a"} {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, escaped string) {
		path, err := unescapePath(escaped)
		if err != nil {
			return
		}
		ref, err := locate(path)
		if err != nil {
			return
		}
		again, err := locate(ref.Path)
		if err != nil || again != ref {
			t.Errorf("%q is %+v, whose path is %+v, %v", path, ref, again, err)
		}
		if ref.Project == "" || strings.Contains(ref.Path, "..") && ref.Version == "" {
			t.Errorf("%q is %+v", path, ref)
		}
	})
}
