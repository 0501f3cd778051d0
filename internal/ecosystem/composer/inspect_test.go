package composer

import (
	"archive/zip"
	"bytes"
	"io/fs"
	"strings"
	"testing"

	"bonded/internal/errs"
)

const minimal = `{"name":"acme/lib"}`

func TestComposerJSONIsFoundWhereClientsFindIt(t *testing.T) {
	other := `{"name":"acme/other"}`
	for name, files := range map[string][]file{
		"at the root":                        {{"composer.json", minimal}, {"src/a.php", ""}},
		"at the root, others deeper":         {{"a/composer.json", other}, {"composer.json", minimal}, {"b/composer.json", other}},
		"in the only top directory":          {{"lib-1.0/composer.json", minimal}, {"lib-1.0/src/a.php", ""}},
		"in it, beside what Finder leaves":   {{".DS_Store", "x"}, {"lib-1.0/composer.json", minimal}},
		"in it, with directories as entries": {{"lib-1.0/", ""}, {"lib-1.0/src/", ""}, {"lib-1.0/composer.json", minimal}},
	} {
		m, err := NewFormat().Inspect(artifact(pack(t, files...)))
		if err != nil || m.Name != "acme/lib" {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
	for name, files := range map[string][]file{
		"nowhere":                           {{"src/a.php", ""}},
		"in one of two directories":         {{"a/composer.json", minimal}, {"b/x.php", ""}},
		"in a directory beside a file":      {{"a/composer.json", minimal}, {"readme.txt", ""}},
		"two levels down":                   {{"a/b/composer.json", minimal}},
		"in the second of two directories":  {{"a/x.php", ""}, {"b/composer.json", minimal}},
		"beside an empty directory":         {{"a/composer.json", minimal}, {"b/", ""}},
		"spelt otherwise":                   {{"Composer.json", minimal}},
		"a file named like the directory's": {{"composer.json/x", minimal}},
	} {
		_, err := NewFormat().Inspect(artifact(pack(t, files...)))
		if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "composer/no-manifest") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAComposerJSONThatIsALinkIsNone(t *testing.T) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	h := &zip.FileHeader{Name: "composer.json"}
	h.SetMode(fs.ModeSymlink | 0o777)
	entry, err := w.CreateHeader(h)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = entry.Write([]byte("real.json"))
	real, err := w.Create("real.json")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = real.Write([]byte(minimal))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if m, err := NewFormat().Inspect(artifact(b.String())); !errs.Is(err, errs.Invalid) {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestReadmeComesFromThePackagesOwnFolder(t *testing.T) {
	for name, c := range map[string]struct {
		files      []file
		text, kind string
	}{
		"markdown before text":  {[]file{{"README.txt", "text"}, {"Readme.md", "# md"}, {"composer.json", minimal}}, "# md", "text/markdown"},
		"plain":                 {[]file{{"composer.json", minimal}, {"README", "plain"}}, "plain", "text/plain"},
		"in the top directory":  {[]file{{"lib/composer.json", minimal}, {"lib/readme.rst", "rst"}}, "rst", "text/x-rst"},
		"not a subfolder's":     {[]file{{"composer.json", minimal}, {"docs/README.md", "no"}}, "", ""},
		"not one of a language": {[]file{{"composer.json", minimal}, {"README.php", "<?php"}}, "", ""},
	} {
		m, err := NewFormat().Inspect(artifact(pack(t, c.files...)))
		if err != nil || m.Readme != c.text || m.ReadmeType != c.kind {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
}

func TestHostileArchivesAreRefused(t *testing.T) {
	for name, c := range map[string]struct{ zipped, rule string }{
		"a path that leaves the archive": {pack(t, file{"composer.json", minimal}, file{"../../evil.php", ""}), "archive/path-traversal"},
		"an absolute path":               {pack(t, file{"composer.json", minimal}, file{"/etc/evil", ""}), "archive/path-absolute"},
		"a name twice":                   {pack(t, file{"composer.json", minimal}, file{"composer.json", `{"name":"acme/evil"}`}), "archive/duplicate"},
		"names that differ in case":      {pack(t, file{"composer.json", minimal}, file{"COMPOSER.JSON", `{"name":"acme/evil"}`}), "archive/case-collision"},
		"data before the archive":        {"#!/bin/sh\n" + pack(t, file{"composer.json", minimal}), "archive/zip-"},
		"data behind the archive":        {pack(t, file{"composer.json", minimal}) + "more", "archive/zip-"},
		"no archive at all":              {strings.Repeat("not a zip ", 20), "archive/zip-"},
		"a large composer.json":          {pack(t, file{"composer.json", strings.Repeat(" ", maxComposerJSON) + minimal}), "composer/manifest-size"},
		"a bomb":                         {pack(t, file{"composer.json", minimal}, file{"zero", strings.Repeat("\x00", 80<<20)}), "archive/limit-ratio"},
	} {
		m, err := NewFormat().Inspect(artifact(c.zipped))
		if err == nil || !strings.Contains(err.Error(), c.rule) {
			t.Errorf("%s: %+v, %v; want the rule %s", name, m, err, c.rule)
		}
	}
}

func FuzzInspect(f *testing.F) {
	f.Add([]byte(library(f, minimal)))
	f.Add([]byte(pack(f, file{"lib/composer.json", `{"name":"acme/lib","require":{"php":">=8"},"authors":[{"name":"A"}]}`}, file{"lib/README.md", "#"})))
	f.Add([]byte("PK\x05\x06" + strings.Repeat("\x00", 18)))
	f.Fuzz(func(t *testing.T, zipped []byte) {
		m, err := NewFormat().Inspect(artifact(string(zipped)))
		if err == nil && m.Name == "" {
			t.Fatal("an archive without a package name was accepted")
		}
	})
}

// FuzzComposerJSON holds the reader and the record together: what is accepted can be stored and served.
func FuzzComposerJSON(f *testing.F) {
	for _, seed := range []string{
		minimal, `{"name":"acme/lib","version":"1.0","require":{"a/b":"^1"},"extra":{"branch-alias":{"dev-main":"1.x-dev"}}}`,
		`{"name":"acme/lib","description":"__unset","license":["MIT"],"time":"2020-01-01","support":{"source":"x"}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := readComposerJSON(raw)
		if err != nil {
			return
		}
		o := served(m.Detail.(object))
		again, err := parseObject(o.appendTo(nil))
		if err != nil {
			t.Fatalf("%q gives %q, which cannot be read: %v", raw, o.appendTo(nil), err)
		}
		for _, member := range again {
			if textOf(member.value) == unset || rootOnly[member.name] || fromServer[member.name] {
				t.Fatalf("%q serves %q", raw, member.name)
			}
		}
	})
}
