package composer

import (
	"slices"
	"strings"
	"testing"
	"time"

	"bonded/internal/digest"
	"bonded/internal/errs"
	"bonded/internal/registry"
)

func TestComposerJSONThatWouldBreakClientsIsRefused(t *testing.T) {
	for name, c := range map[string]struct{ json, says string }{
		"not JSON":                            {`{`, "composer/manifest"},
		"a byte order mark":                   {"\xef\xbb\xbf" + minimal, "byte order mark"},
		"a name twice":                        {`{"name":"acme/lib","name":"acme/evil"}`, "twice"},
		"a dependency twice":                  {`{"name":"acme/lib","require":{"a/b":"1","a/b":"2"}}`, "twice"},
		"no name":                             {`{"version":"1.0"}`, "composer/no-name"},
		"a name that is a number":             {`{"name":5}`, `"name" is not a string`},
		"a version that is a number":          {`{"name":"acme/lib","version":1.0}`, `"version" is not a string`},
		"require that is a string":            {`{"name":"acme/lib","require":"a/b"}`, `"require" is not an object`},
		"a constraint that is a number":       {`{"name":"acme/lib","require":{"a/b":1}}`, `"require" is not an object whose values are strings`},
		"a constraint that cannot be read":    {`{"name":"acme/lib","require":{"a/b":"^^1"}}`, `"^^1", which is not a constraint`},
		"an empty constraint":                 {`{"name":"acme/lib","require":{"a/b":""}}`, "not a constraint"},
		"a dependency on itself":              {`{"name":"acme/lib","require":{"Acme/Lib":"1"}}`, "names the package itself"},
		"a dependency that climbs":            {`{"name":"acme/lib","require":{"../../x":"1"}}`, "neither a package nor a platform package"},
		"conflict that cannot be read":        {`{"name":"acme/lib","conflict":{"a/b":"what"}}`, "conflict asks for a/b"},
		"a type of other characters":          {`{"name":"acme/lib","type":"a b"}`, "type"},
		"authors that are strings":            {`{"name":"acme/lib","authors":["me"]}`, `"authors" is not a list`},
		"a license that is an object":         {`{"name":"acme/lib","license":{"a":"b"}}`, `"license" is not a string or a list`},
		"bin that holds a number":             {`{"name":"acme/lib","bin":[1]}`, `"bin" is not`},
		"autoload that is a string":           {`{"name":"acme/lib","autoload":"src"}`, `"autoload" is not an object`},
		"extra that is a list":                {`{"name":"acme/lib","extra":[1]}`, `"extra" is not an object`},
		"abandoned that is a list":            {`{"name":"acme/lib","abandoned":[]}`, `"abandoned" is not`},
		"more dependencies than any has":      {`{"name":"acme/lib","suggest":{` + many(maxLinks+1) + `}}`, "composer/links"},
		"a number that breaks clients' cache": {`{"name":"acme/lib","extra":{"x":1e999}}`, "number"},
	} {
		m, err := readComposerJSON([]byte(c.json))
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %+v, %v; want %q", name, m, err, c.says)
		}
	}
}

func many(n int) string {
	var parts []string
	for i := range n {
		parts = append(parts, `"a/`+strings.Repeat("x", 1+i%5)+string(rune('a'+i%26))+strings.Repeat("y", i/26)+`":"z"`)
	}
	return strings.Join(parts, ",")
}

func TestWhatComposerAcceptsIsAccepted(t *testing.T) {
	for name, json := range map[string]string{
		"PHP's empty lists for objects": `{"name":"acme/lib","require":[],"extra":[],"autoload":[],"support":[],"suggest":[]}`,
		"null for absence":              `{"name":"acme/lib","description":null,"require":null,"authors":null}`,
		"platform packages":             `{"name":"acme/lib","require":{"php":">=8.1 || ^9","ext-json":"*","lib-icu":"*","php-64bit":"*","composer-plugin-api":"^2","composer-runtime-api":"^2.2"}}`,
		"self.version":                  `{"name":"acme/lib","replace":{"acme/part":"self.version"}}`,
		"odd constraints":               `{"name":"acme/lib","require":{"a/b":"1.0 as 2.0","a/c":"dev-main#abcdef","a/d":"~1.2 || >=3,<4 || 5.* || 6.x-dev@dev","a/e":"@stable","a/f":"*"}}`,
		"keywords with numbers":         `{"name":"acme/lib","keywords":["a",2]}`,
		"old spellings of names":        `{"name":"acme/lib","require":{"Zend/Old-Thing":"1","a_b/c.d":"1"}}`,
		"unknown members":               `{"name":"acme/lib","_comment":["x"],"x-y":{"z":1}}`,
	} {
		if m, err := readComposerJSON([]byte(json)); err != nil {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
}

const full = `{
  "name": "acme/lib", "version": "v1.2", "description": "Things", "type": "composer-plugin", "license": ["MIT", "GPL-2.0-only"],
  "homepage": "https://example.test/", "support": {"source": "https://example.test/src", "email": "a@example.test"},
  "authors": [{"name": "Ann", "email": "ann@example.test"}, {"email": "x@example.test"}], "keywords": ["one", "two"],
  "require": {"php": ">=8", "Acme/Base": "^1"}, "require-dev": {"acme/test": "*"}, "provide": {"psr/log-implementation": "1.0"},
  "suggest": {"acme/more": "for more"}, "extra": {"class": ["Acme\\Plugin"]}, "autoload": {"psr-4": {"Acme\\": "src/"}},
  "time": "2020-02-03 04:05:06", "abandoned": false, "bin": "bin/x",
  "repositories": [{"type": "vcs", "url": "https://evil.test"}], "config": {"secure-http": false}, "scripts": {"post-install-cmd": "rm -rf /"},
  "scripts-descriptions": {}, "minimum-stability": "dev", "prefer-stable": true, "non-feature-branches": ["x"],
  "dist": {"type": "zip", "url": "https://evil.test/x.zip"}, "source": {"type": "git", "url": "https://evil.test", "reference": "x"},
  "mirrors": [{"dist-url": "https://evil.test", "preferred": true}], "transport-options": {"ssl": {"verify_peer": false}},
  "notification-url": "https://evil.test/notify", "published-time": "1999-01-01T00:00:00+00:00", "version_normalized": "9.9.9.9",
  "installation-source": "dist", "security-advisories": [], "filter": {}
}`

func TestManifestSaysWhatComposerJSONSays(t *testing.T) {
	m, err := readComposerJSON([]byte(full))
	if err != nil {
		t.Fatal(err)
	}
	if m.Name != "acme/lib" || m.Version != "v1.2" || m.Summary != "Things" || m.License != "MIT OR GPL-2.0-only" {
		t.Errorf("got %+v", m)
	}
	if !slices.Equal(m.Authors, []string{"Ann"}) || !slices.Equal(m.Keywords, []string{"one", "two"}) || m.Links["source"] != "https://example.test/src" || m.Links["homepage"] != "https://example.test/" {
		t.Errorf("authors %v, keywords %v, links %v", m.Authors, m.Keywords, m.Links)
	}
	if !slices.Equal(m.InstallCode, []string{`composer-plugin: Acme\Plugin`}) {
		t.Errorf("install code %q", m.InstallCode)
	}
	want := []registry.Dependency{
		{Name: "php", Requirement: ">=8", Kind: "require"},
		{Name: "acme/base", Requirement: "^1", Kind: "require"},
		{Name: "acme/test", Requirement: "*", Kind: "require-dev"},
		{Name: "psr/log-implementation", Requirement: "1.0", Kind: "provide"},
		{Name: "acme/more", Requirement: "for more", Kind: "suggest", Optional: true},
	}
	if !slices.Equal(m.Dependencies, want) {
		t.Errorf("dependencies %+v", m.Dependencies)
	}
}

func TestInstallCodeIsWhatRunsForConsumers(t *testing.T) {
	for typ, n := range map[string]int{"library": 0, "project": 0, "composer-plugin": 1, "composer-installer": 1, "php-ext": 1, "php-ext-zend": 1} {
		m, err := readComposerJSON([]byte(`{"name":"acme/lib","type":"` + typ + `","scripts":{"post-install-cmd":"x"}}`))
		if err != nil || len(m.InstallCode) != n {
			t.Errorf("%s: %q, %v", typ, m.InstallCode, err)
		}
	}
}

// TestRecordServesTheServersWord: nothing of a publisher's that would send clients elsewhere, or speak for the server, stays.
func TestRecordServesTheServersWord(t *testing.T) {
	m, err := readComposerJSON([]byte(full))
	if err != nil {
		t.Fatal(err)
	}
	set := artifact("some bytes").Digests
	r, err := NewFormat().Record([]*registry.Manifest{m}, Claim{}, []registry.File{{Digests: set}})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"name":"acme/lib","version":"v1.2","version_normalized":"1.2.0.0","description":"Things","type":"composer-plugin","license":["MIT","GPL-2.0-only"],` +
		`"homepage":"https://example.test/","support":{"source":"https://example.test/src","email":"a@example.test"},` +
		`"authors":[{"name":"Ann","email":"ann@example.test"},{"email":"x@example.test"}],"keywords":["one","two"],` +
		`"require":{"php":">=8","Acme/Base":"^1"},"require-dev":{"acme/test":"*"},"provide":{"psr/log-implementation":"1.0"},` +
		`"suggest":{"acme/more":"for more"},"extra":{"class":["Acme\\Plugin"]},"autoload":{"psr-4":{"Acme\\":"src/"}},"abandoned":false,"bin":"bin/x",` +
		`"time":"2020-02-03T04:05:06+00:00","dist":{"type":"zip","reference":"` + digest.Of([]byte("some bytes")).String()[:40] + `","shasum":"` + sha1Of(&set) + `"}}`
	if string(r.Index) != want {
		t.Errorf("got  %s\nwant %s", r.Index, want)
	}
}

func sha1Of(set *digest.Set) string { s, _ := set.Hex("sha1"); return s }

func TestAuthoredTimesAreReadOrLeftOut(t *testing.T) {
	for text, want := range map[string]string{
		"2020-02-03T04:05:06+02:00": "2020-02-03T02:05:06+00:00", "2020-02-03": "2020-02-03T00:00:00+00:00", "2020-02-03 04:05:06": "2020-02-03T04:05:06+00:00",
		"yesterday": "", "": "", "0000-00-00": "", "1901-01-01": "", "@12": "",
	} {
		got := authored(object{{"time", stringValue(text)}})
		if shown := phpTime(got); got.IsZero() != (want == "") || want != "" && shown != want {
			t.Errorf("%q is %s, not %s", text, shown, want)
		}
	}
	if got := phpTime(time.Date(2026, 1, 2, 3, 4, 5, 6, time.FixedZone("", 3600))); got != "2026-01-02T02:04:05+00:00" {
		t.Errorf("phpTime = %s", got)
	}
}

func TestReconcileShowsTheDifference(t *testing.T) {
	for name, c := range map[string]struct {
		claim Claim
		inner string
		says  string
	}{
		"nothing claimed":               {Claim{}, "1.0", ""},
		"the same":                      {Claim{"acme/lib", "1.0"}, "1.0", ""},
		"the same, spelt otherwise":     {Claim{"acme/lib", "v1.0.0"}, "1.0", ""},
		"a version for a versionless":   {Claim{"", "dev-main"}, "", ""},
		"another name":                  {Claim{"acme/other", "1.0"}, "1.0", `says acme/other, but the composer.json in the archive says "acme/lib"`},
		"another version":               {Claim{"", "1.1"}, "1.0", `says version "1.1", but the composer.json in the archive says "1.0"`},
		"a branch for a version":        {Claim{"", "dev-main"}, "1.0", `says version "dev-main"`},
		"a version that is none inside": {Claim{"", "1.0"}, "one", `says "one"`},
	} {
		err := NewFormat().Reconcile([]*registry.Manifest{{Name: "acme/lib", Version: c.inner}}, c.claim)
		if c.says == "" && err != nil || c.says != "" && (!errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
