package cargo

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"
	"time"

	"bonded/internal/digest"
	"bonded/internal/registry"
)

func recordOf(t *testing.T, manifest string, own ...string) string {
	t.Helper()
	c, err := ParseManifest([]byte(manifest))
	if err != nil {
		t.Fatal(err)
	}
	b, err := newRecord(c, &Claim{Own: own}, digest.SHA256{0xab})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

const zeroSum = "ab00000000000000000000000000000000000000000000000000000000000000"

// The bytes are the wire format: an index line without yanked and pubtime (cargo.md §1.4).
func TestIndexRecord(t *testing.T) {
	own := "sparse+https://example.test/cargo/local/"
	for _, c := range []struct{ rule, manifest, want string }{
		{"a plain crate", header("Hello", "1.0.0+b.1"), `{"name":"Hello","vers":"1.0.0+b.1","deps":[],"cksum":"` + zeroSum + `","features":{}}`},
		{
			"links and rust-version", header("a", "1.0.0") + "links = \"z\"\nrust-version = \"1.70\"\n",
			`{"name":"a","vers":"1.0.0","deps":[],"cksum":"` + zeroSum + `","features":{},"links":"z","rust_version":"1.70"}`,
		},
		{
			"every kind of dependency", header("a", "1.0.0") + `
[dependencies]
own = {version = "1", registry-index = "` + own + `"}
public = ">=1, <3"
[dependencies.alias]
version = "1"
package = "real"
optional = true
default-features = false
features = ["x", "y"]
registry-index = "sparse+https://other.test/i/"
[target.'cfg(unix)'.build-dependencies]
cc = "1"
`,
			`{"name":"a","vers":"1.0.0","deps":[` +
				`{"name":"alias","req":"^1","features":["x","y"],"optional":true,"default_features":false,"target":null,"kind":"normal","registry":"sparse+https://other.test/i/","package":"real"},` +
				`{"name":"cc","req":"^1","features":[],"optional":false,"default_features":true,"target":"cfg(unix)","kind":"build","registry":"https://github.com/rust-lang/crates.io-index"},` +
				`{"name":"own","req":"^1","features":[],"optional":false,"default_features":true,"target":null,"kind":"normal"},` +
				`{"name":"public","req":">=1, <3","features":[],"optional":false,"default_features":true,"target":null,"kind":"normal","registry":"https://github.com/rust-lang/crates.io-index"}` +
				`],"cksum":"` + zeroSum + `","features":{}}`,
		},
		{
			"new features are in features2, and v says so", header("a", "1.0.0") + "[features]\ndefault = [\"up\"]\nup = [\"dep:b\"]\nweak = [\"b?/x\"]\nold = [\"b/x\"]\nempty = []\n",
			`{"name":"a","vers":"1.0.0","deps":[],"cksum":"` + zeroSum + `","features":{"empty":[],"old":["b/x"]},` +
				`"features2":{"default":["up"],"up":["dep:b"],"weak":["b?/x"]},"v":2}`,
		},
	} {
		t.Run(c.rule, func(t *testing.T) {
			got := recordOf(t, c.manifest, own)
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if !json.Valid([]byte(got)) {
				t.Error("not JSON")
			}
		})
	}
}

func TestFeaturesMoveWithThoseTheyName(t *testing.T) {
	features, features2 := splitFeatures(map[string][]string{"a": {"b"}, "b": {"c"}, "c": {"dep:x"}, "d": {"x/c"}, "e": nil})
	if got := slices.Sorted(maps.Keys(features)); !slices.Equal(got, []string{"d", "e"}) {
		t.Errorf("features %v", got)
	}
	if got := slices.Sorted(maps.Keys(features2)); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("features2 %v", got)
	}
}

func release(version, verdict string, yanked bool, at time.Time) *registry.Release {
	return &registry.Release{
		Unique: version, Version: version, Record: []byte(`{"vers":"` + version + `"}`), Yanked: yanked, PublishedAt: at,
		Verdict: registry.Verdict{Decision: registry.Decision(verdict), Rule: "r", Reason: "because"},
	}
}

func TestIndexFileIsOneLinePerReleaseInOrderOfPublication(t *testing.T) {
	at := time.Date(2026, 3, 4, 5, 6, 7, 890_000_000, time.FixedZone("", 7200))
	p := &registry.Project{Status: registry.Active, Releases: []*registry.Release{
		release("1.0.0", "allow", false, at.Add(time.Hour)), release("1.1.0", "block", false, at.Add(2*time.Hour)),
		release("1.2.0", "hold", false, at), release("2.0.0", "warn", true, at),
	}}
	want := `{"vers":"2.0.0","yanked":true,"pubtime":"2026-03-04T03:06:07Z"}
{"vers":"1.0.0","yanked":false,"pubtime":"2026-03-04T04:06:07Z"}
{"vers":"1.1.0","yanked":true,"pubtime":"2026-03-04T05:06:07Z"}
`
	if got := string(renderIndex(registry.ViewOf(p, "", at), nil)); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	quarantined := *p
	quarantined.Status = registry.Quarantined
	want = `{"vers":"2.0.0","yanked":true,"pubtime":"2026-03-04T03:06:07Z"}
{"vers":"1.0.0","yanked":true,"pubtime":"2026-03-04T04:06:07Z"}
{"vers":"1.1.0","yanked":true,"pubtime":"2026-03-04T05:06:07Z"}
`
	if got := string(renderIndex(registry.ViewOf(&quarantined, "", at), nil)); got != want {
		t.Errorf("quarantined: got\n%swant\n%s", got, want)
	}
}

func TestAGroupRewritesItsMembersAndNothingElse(t *testing.T) {
	member, other := "sparse+https://example.test/cargo/team/", "sparse+https://example.test/cargo/team/x/"
	record := recordOf(t, header("a", "1.0.0")+`
[dependencies]
one = {version = "1", registry-index = "`+member+`"}
two = {version = "1", registry-index = "`+other+`"}
three = "1"
[features]
registry = ["one"]
`)
	v := registry.View{Project: &registry.Project{}, Releases: []*registry.Release{{Record: []byte(record)}}}
	line := renderIndex(v, homeReplacer([]string{member}))
	var got struct {
		Cksum string
		Deps  []struct {
			Name     string
			Registry *string
		}
		Features map[string][]string
	}
	if err := json.Unmarshal(line, &got); err != nil {
		t.Fatal(err)
	}
	if got.Cksum != zeroSum || len(got.Features["registry"]) != 1 {
		t.Errorf("line %s", line)
	}
	for i, want := range []string{"", CratesIOIndex, other} {
		if r := got.Deps[i].Registry; (r == nil) != (want == "") || (r != nil && *r != want) {
			t.Errorf("dependency %s comes from %v, want %q", got.Deps[i].Name, r, want)
		}
	}
}
