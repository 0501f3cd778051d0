package pypi

import (
	"slices"
	"strings"
	"testing"

	"bonded/internal/errs"
)

func TestMetadataIsReadAsBuildersWriteIt(t *testing.T) {
	m, err := ParseMetadata([]byte("Metadata-Version: 2.1\r\nname: Hello\r\nVERSION: 1.0\r\nSummary: one\r\n  two\r\nPlatform: UNKNOWN\r\nLicense: MIT\r\n        \r\n        Permission\r\n" +
		"X-New: kept for newer readers\r\nRequires-Dist: a\r\nRequires-Dist: b ; python_version < \"3\"\r\n\r\n# Hi\r\n\r\nthere\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	if m.Name != "Hello" || m.Version != "1.0" || m.Summary != "one two" || m.License != "MIT\n\nPermission" || m.Platforms != nil {
		t.Errorf("%+v", m)
	}
	if !slices.Equal(m.RequiresDist, []string{"a", `b ; python_version < "3"`}) || m.Description != "# Hi\n\nthere\n" {
		t.Errorf("%q %q", m.RequiresDist, m.Description)
	}
	old, err := ParseMetadata([]byte("Metadata-Version: 1.1\nName: a\nVersion: 1\nDescription: First\n        second\n       |third\n        \n        last"))
	if err != nil || old.Description != "First\nsecond\nthird\n\nlast" {
		t.Errorf("a description among the headers: %q %v", old.Description, err)
	}
}

func TestMetadataThatReadersWouldUnderstandDifferently(t *testing.T) {
	for rule, raw := range map[string]string{
		"it is not UTF-8":                  "Name: \xff\n",
		"a header holds a carriage return": "Name: a\rRequires-Dist: evil\n",
		`"Name" stands there twice`:        "Name: a\nName: b\n",
		"is no header":                     "Name: a\nhello\n",
		"is no header: \" folded":          " folded first\nName: a\n",
		"is no header: \"Na me: a\"":       "Na me: a\n",
		"too many headers":                 strings.Repeat("Requires-Dist: a\n", maxHeaders+2),
	} {
		if _, err := ParseMetadata([]byte(raw)); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), rule) {
			t.Errorf("%s: %v", rule, err)
		}
	}
}

func TestAddresses(t *testing.T) {
	for in, want := range map[string][]string{
		"":                          nil,
		"a@b.c":                     {"a@b.c"},
		"Ann Ö. Nym <a@b.c>":        {"a@b.c"},
		`"Nym, Ann" <a@b.c>, d@e.f`: {"a@b.c", "d@e.f"},
		"a@b.c (Nym, Ann), d@e.f":   {"a@b.c (Nym, Ann)", "d@e.f"},
		`"a \" <x>, " <a@b.c>`:      {"a@b.c"},
		"a@b.c,":                    {"a@b.c"},
	} {
		if got := addresses(in); !slices.Equal(got, want) {
			t.Errorf("%q: %q", in, got)
		}
	}
	for _, bad := range []string{"a", "@b", "a@", "a b@c", "a@b@c", "<a@b"} {
		if plausibleAddress(bad) {
			t.Errorf("%q passes", bad)
		}
	}
	if !plausibleAddress("a@b.c (Nym, Ann)") {
		t.Error("an address with a comment behind it")
	}
}

func FuzzMetadata(f *testing.F) {
	f.Add([]byte(metadataText("hello", "1.0", "Requires-Dist: a", "", "body")))
	f.Add([]byte("Description: a\n        b\n\r\n\r\nx"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := ParseMetadata(raw)
		if err != nil {
			return
		}
		if strings.ContainsAny(m.Name+m.Version+m.RequiresPython, "\r\n") {
			t.Errorf("a single line holds several: %+v", m)
		}
		_ = m.Check()
	})
}
