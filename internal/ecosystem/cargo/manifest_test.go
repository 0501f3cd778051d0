package cargo

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestManifestRules(t *testing.T) {
	var features, values, deps strings.Builder
	features.WriteString("[features]\n")
	for i := range 301 {
		fmt.Fprintf(&features, "f%d = []\n", i)
		fmt.Fprintf(&values, "%q,", fmt.Sprintf("f%d", i))
	}
	deps.WriteString("[dependencies]\n")
	for i := range 501 {
		fmt.Fprintf(&deps, "d%d = \"1\"\n", i)
	}
	for _, c := range []struct{ rule, more, refused string }{
		{"a plain crate is accepted", "", ""},
		{"a description has at most 1000 bytes", "\ndescription = \"" + strings.Repeat("d", 1001) + "\"", "[cargo/description]"},
		{"a rust-version is numbers", "rust-version = \"1.70\"", ""},
		{"a rust-version has no operator", "rust-version = \">=1.70\"", "[cargo/rust-version]"},
		{"a rust-version has no more than three numbers", "rust-version = \"1.70.0.1\"", "[cargo/rust-version]"},
		{"a rust-version has no leading zeros", "rust-version = \"1.070\"", "[cargo/rust-version]"},
		{"five keywords are accepted", `keywords = ["a", "b-c", "d_e", "f+g", "9"]`, ""},
		{"six keywords are too many", `keywords = ["a", "b", "c", "d", "e", "f"]`, "[cargo/keywords]"},
		{"a keyword has no blanks", `keywords = ["a b"]`, "[cargo/keywords]"},
		{"a keyword has at most 20 bytes", `keywords = ["aaaaaaaaaaaaaaaaaaaaa"]`, "[cargo/keywords]"},
		{"a keyword begins with a letter or digit", `keywords = ["-a"]`, "[cargo/keywords]"},
		{"six categories are too many", `categories = ["a", "b", "c", "d", "e", "f"]`, "[cargo/categories]"},
		{"features may have every form", "[features]\ndefault = [\"a\", \"dep:b\", \"b/c\", \"b?/c.d+e\"]\n_x = []\n9 = []\n\"ä-ö\" = []", ""},
		{"a feature name has no slash", "[features]\n\"a/b\" = []", "[cargo/feature-name]"},
		{"a feature name does not begin with +", "[features]\n\"+a\" = []", "[cargo/feature-name]"},
		{"a feature value names something", "[features]\na = [\"\"]", "[cargo/feature-value]"},
		{"a feature value has one slash", "[features]\na = [\"b/c/d\"]", "[cargo/feature-value]"},
		{"301 features are too many", features.String(), "[cargo/features]"},
		{"301 values of a feature are too many", "[features]\na = [" + values.String() + "]", "[cargo/features]"},
		{"501 dependencies are too many", deps.String(), "[cargo/dependencies]"},
		{"a dependency may be a string", "[dependencies]\na = \"1\"", ""},
		{"a dependency may have an alias that begins with _", "[dependencies._a]\nversion = \"1\"\npackage = \"a\"", ""},
		{"a package does not begin with _", "[dependencies.a]\nversion = \"1\"\npackage = \"_a\"", "[cargo/dependency-name]"},
		{"a dependency's name has the charset of crates", "[dependencies]\n\"a.b\" = \"1\"", "[cargo/dependency-name]"},
		{"a dependency needs a version", "[dependencies.a]\noptional = true", "[cargo/dependency-version]"},
		{"a requirement is one that Cargo reads", "[dependencies]\na = \"1 || 2\"", "[cargo/requirement]"},
		{"any version is refused", "[dependencies]\na = \"*\"", "[cargo/wildcard]"},
		{"any version is refused in build dependencies", "[target.'cfg(unix)'.build-dependencies]\na = \"*\"", "[cargo/wildcard]"},
		{"any version of a dev-dependency harms nobody", "[dev-dependencies]\na = \"*\"", ""},
		{"a path is refused", "[dependencies.a]\nversion = \"1\"\npath = \"../a\"", "[cargo/manifest-dependency]"},
		{"a git repository is refused", "[dependencies.a]\nversion = \"1\"\ngit = \"https://example.test/a\"", "[cargo/manifest-dependency]"},
		{"a registry's local name is refused", "[dependencies.a]\nversion = \"1\"\nregistry = \"x\"", "[cargo/manifest-dependency]"},
		{"artifact dependencies are refused", "[dependencies.a]\nversion = \"1\"\nartifact = \"bin\"", "[cargo/manifest-dependency]"},
		{"another registry is named by its index", "[dependencies.a]\nversion = \"1\"\nregistry-index = \"sparse+https://example.test/i/\"", ""},
		{"an index carries no password", "[dependencies.a]\nversion = \"1\"\nregistry-index = \"sparse+https://u:p@example.test/i/\"", "[cargo/dependency-registry]"},
		{"an index is a URL", "[dependencies.a]\nversion = \"1\"\nregistry-index = \"nowhere\"", "[cargo/dependency-registry]"},
		{"a patch section is refused", "[patch.crates-io]\na = {path=\"a\"}", "[cargo/manifest-patch]"},
		{"a replace section is refused", "[replace]\n", "[cargo/manifest-patch]"},
		{"old spellings of sections are refused", "[dev_dependencies]\na = \"1\"", "[cargo/manifest-type]"},
		{"a value has its type", "[features]\na = \"b\"", "features.a in the crate's Cargo.toml is not a list of strings"},
		{"inherited values are refused", "homepage.workspace = true", "package.homepage in the crate's Cargo.toml is inherited from a workspace"},
		{"TOML is TOML", "[", "[cargo/manifest-toml]"},
		{"a key stands once", "name = \"other\"", "[cargo/manifest-toml]"},
	} {
		t.Run(c.rule, func(t *testing.T) {
			text := header("hello", "1.0.0") + c.more
			if strings.HasPrefix(c.more, "\ndescription") {
				text = strings.Replace(text, "description = \"A test\"\n", "", 1)
			}
			m, err := ParseManifest([]byte(text))
			if err == nil {
				err = m.Check()
			}
			if c.refused == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantError(t, err, c.refused)
		})
	}
}

func TestAManifestWithoutPackageIsRefused(t *testing.T) {
	_, err := ParseManifest([]byte("[workspace]\nmembers = []\n"))
	wantError(t, err, "[cargo/manifest-package]")
}

// Cargo knows one spelling of a key. A reader that ignored case would take another name out of this manifest.
func TestKeysAreReadInTheirCase(t *testing.T) {
	c, err := ParseManifest([]byte(header("good", "1.0.0") + "Name = \"evil\"\n[Dependencies]\nevil = \"1\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	if c.Name != "good" || len(c.Dependencies) != 0 {
		t.Errorf("read name %q, dependencies %v", c.Name, c.Dependencies)
	}
}

func TestWhatOnlyMakesACrateLessUsefulIsAWarning(t *testing.T) {
	c, err := ParseManifest([]byte("[package]\nname = \"a\"\nversion = \"1.0.0\"\nrepository = \"git@example.test:a.git\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Check(); err != nil {
		t.Fatal(err)
	}
	for i, word := range []string{"package.description", "package.license", "package.repository is not an http"} {
		if len(c.Warnings) != 3 || !strings.Contains(c.Warnings[i], word) {
			t.Errorf("warnings %q lack %q", c.Warnings, word)
		}
	}
	if m := c.manifest(); len(m.Links) != 0 {
		t.Errorf("links %v", m.Links)
	}
}

func TestDependenciesAreReadFromEverySection(t *testing.T) {
	c, err := ParseManifest([]byte(header("a", "1.0.0") + `
[dependencies.ren]
version = ">= 0.1.0,<0.2"
package = "real"
features = ["f"]
optional = true
default-features = false
registry-index = "sparse+https://example.test/i/"
[dependencies.plain]
version = "0.1.x"
package = "plain"
[build-dependencies]
cc = "1"
[dev-dependencies]
any = "*"
[target."cfg(unix)".dependencies]
libc = "=0.2.1+meta"
`))
	if err != nil {
		t.Fatal(err)
	}
	want := []Dependency{
		{Name: "any", Req: "*", Kind: "dev", Registry: CratesIOIndex, DefaultFeatures: true},
		{Name: "cc", Req: "^1", Kind: "build", Registry: CratesIOIndex, DefaultFeatures: true},
		{Name: "libc", Req: "=0.2.1", Kind: "normal", Target: "cfg(unix)", Registry: CratesIOIndex, DefaultFeatures: true},
		{Name: "plain", Req: "0.1.*", Kind: "normal", Registry: CratesIOIndex, DefaultFeatures: true},
		{Name: "ren", Package: "real", Req: ">=0.1.0, <0.2", Kind: "normal", Features: []string{"f"}, Optional: true, Registry: "sparse+https://example.test/i/"},
	}
	if !slices.EqualFunc(c.Dependencies, want, func(a, b Dependency) bool { return compareDependencies(a, b) == 0 }) {
		t.Errorf("got  %+v\nwant %+v", c.Dependencies, want)
	}
}

// The right column is what the client's own semver library prints.
func TestRequirementsAreWrittenAsTheClientPrintsThem(t *testing.T) {
	for raw, want := range map[string]string{
		"1": "^1", "1.2": "^1.2", "1.2.3": "^1.2.3", "^1": "^1", "~1.2": "~1.2", "=1.2.3": "=1.2.3", "*": "*", " x ": "*", "X": "*",
		"1.*": "1.*", "1.x": "1.*", "1.2.X": "1.2.*", "1.*.*": "1.*", "^1.*": "^1", ">=1.2.*": ">=1.2", "~1.*.*": "~1",
		">=1.2,<3": ">=1.2, <3", ">= 1.2 , < 3": ">=1.2, <3", "1.2.3-rc.1": "^1.2.3-rc.1", "=1.2.3-a-b+c.d": "=1.2.3-a-b", "1.0.0+x": "^1.0.0",
		"> 0.1.0-a": ">0.1.0-a", "<=2": "<=2",
	} {
		if err := CheckRequirement(raw); err != nil {
			t.Errorf("%q: %v", raw, err)
			continue
		}
		got := canonicalRequirement(raw)
		if got != want {
			t.Errorf("%q is written %q, want %q", raw, got, want)
		}
		if err := CheckRequirement(got); err != nil || canonicalRequirement(got) != got {
			t.Errorf("%q is not canonical itself", got)
		}
	}
}

func TestTargetsAreComparedWithoutBlanks(t *testing.T) {
	for raw, printed := range map[string]string{
		`cfg(any(unix,windows))`:               `cfg(any(unix, windows))`,
		`cfg(target_os="linux")`:               `cfg(target_os = "linux")`,
		`cfg( all(unix, target_env = "a b"),)`: `cfg(all(unix, target_env = "a b"))`,
		`x86_64-unknown-linux-gnu`:             `x86_64-unknown-linux-gnu`,
	} {
		if canonicalTarget(raw) != canonicalTarget(printed) {
			t.Errorf("%q and %q differ", raw, printed)
		}
	}
	if canonicalTarget(`cfg(a = "b c")`) == canonicalTarget(`cfg(a = "bc")`) {
		t.Error("blanks in a string count")
	}
}

func TestTheTOMLGuardKnowsStringsAndComments(t *testing.T) {
	deep := strings.Repeat("[", maxNesting+1)
	for text, ok := range map[string]bool{
		"a = " + strings.Repeat("[", 15) + strings.Repeat("]", 15): true,
		"a = " + deep:                           false,
		"a = \"" + deep + "\"":                  true,
		"a = '" + deep + "'":                    true,
		"a = \"\"\"\n" + deep + "\\\"\"\"\"":    true,
		"a = '''\n" + deep + "'''":              true,
		"# " + deep + "\na = 1":                 true,
		"a = [\"]]]]]]\", " + deep:              false,
		"a = \"\\\"\" # \"\nb = " + deep:        false,
		"a" + strings.Repeat(".a", 21) + " = 1": false,
		"[a" + strings.Repeat(".a", 21) + "]":   false,
		"[" + strings.Repeat("a.", 10) + "a]\n" + strings.Repeat("b.", 11) + "b = 1": false,
		strings.Repeat("[[a]]\n", 1000):                                              true,
		strings.Repeat("a = 1.5\n", 1000):                                            true,
		"a = {b = {c = {}}}\nd = {}":                                                 true,
		strings.Repeat("{a=", 21):                                                    false,
	} {
		if shallow([]byte(text)) != ok {
			t.Errorf("shallow(%.60q) is %v", text, !ok)
		}
	}
}

// What the guard lets through costs the parser little, whatever it is.
func TestTheDeepestManifestIsParsedInTime(t *testing.T) {
	chain := strings.Repeat("{a=", 9) + "1" + strings.Repeat("}", 9)
	var b strings.Builder
	for i := 0; b.Len() < maxManifest-64; i++ {
		fmt.Fprintf(&b, "k%d=%s\n", i, chain)
	}
	start := time.Now()
	if _, err := decodeTOML([]byte(b.String())); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("%d bytes took %s", b.Len(), took)
	} else {
		t.Logf("%d bytes took %s", b.Len(), took)
	}
}

func FuzzParseManifest(f *testing.F) {
	f.Add(header("a", "1.0.0"))
	f.Add(header("a", "1.0.0") + "[dependencies.b]\nversion = \"1\"\n[features]\nx = [\"dep:b\"]\n[target.'cfg(unix)'.dependencies]\nc = \"*\"\n")
	f.Add("[package]\nname = 1\n")
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > maxManifest {
			return
		}
		c, err := ParseManifest([]byte(text))
		if err != nil || c.Check() != nil {
			return
		}
		for _, d := range c.Dependencies {
			if canonicalRequirement(d.Req) != d.Req {
				t.Errorf("requirement %q of an accepted manifest is not canonical", d.Req)
			}
		}
		_ = c.manifest()
	})
}

func FuzzCanonicalRequirement(f *testing.F) {
	for _, s := range []string{"1", "^1.2, <3", ">=1.*", "*", "1.2.3-rc.1+b", "~ 1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if CheckRequirement(raw) != nil {
			return
		}
		once := canonicalRequirement(raw)
		if CheckRequirement(once) != nil || canonicalRequirement(once) != once {
			t.Errorf("%q becomes %q, which is not canonical", raw, once)
		}
	})
}
