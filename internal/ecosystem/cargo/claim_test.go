package cargo

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"bonded/internal/registry"
)

const confusing = `links = "z"
rust-version = "1.70"
[features]
default = ["a"]
a = []
[dependencies]
one = {version = "1", registry-index = "sparse+https://example.test/cargo/local/"}
[target."cfg(any(unix,windows))".dependencies]
two = {version = "0.1.x", package = "real", default-features = false, optional = true, features = ["x"]}
`

// Each row changes one word of the request that cargo would have sent.
func TestManifestConfusionIsRefusedWithTheDifference(t *testing.T) {
	own := []string{"sparse+https://example.test/cargo/local/"}
	manifest := header("hello", "1.0.0") + confusing
	request, err := json.Marshal(requestFor(t, manifest, own...))
	if err != nil {
		t.Fatal(err)
	}
	c, err := ParseManifest([]byte(manifest))
	if err != nil {
		t.Fatal(err)
	}
	found := []*registry.Manifest{c.manifest()}
	for _, row := range []struct{ rule, old, changed, refused string }{
		{"the same is accepted", "", "", ""},
		{"the client's blanks are its own", `cfg(any(unix,windows))`, `cfg(any(unix, windows))`, ""},
		{"a client that sends no rust_version", `"rust_version":"1.70"`, `"rust_version":null`, ""},
		{"name", `"hello"`, `"hullo"`, `name is "hullo" in the request and "hello" in the crate`},
		{"version", `"1.0.0"`, `"1.0.1"`, `version is "1.0.1" in the request and "1.0.0" in the crate`},
		{"links", `"z"`, `"y"`, `links is "y" in the request and "z" in the crate`},
		{"rust-version", `"1.70"`, `"1.60"`, `rust-version is "1.60" in the request`},
		{"requirement", `"^1"`, `"^2"`, `the dependency one "^2" is only in the request; the dependency one "^1" is only in the crate`},
		{"alias", `"explicit_name_in_toml":"two"`, `"explicit_name_in_toml":"too"`, `too (package real)`},
		{"package", `"name":"real"`, `"name":"evil"`, `two (package evil)`},
		{"optional", `"optional":true`, `"optional":false`, "is only in the request"},
		{"default features", `"default_features":false`, `"default_features":true`, "with x optional without default features"},
		{"features of a dependency", `["x"]`, `["y"]`, "with y"},
		{"target", `windows))`, `wasm))`, "for cfg(any(unix,wasm))"},
		{"kind", `"kind":"normal"`, `"kind":"dev"`, "dev-dependency one"},
		{"registry", `"version_req":"^1"`, `"version_req":"^1","registry":"sparse+https://evil.test/"`, "from sparse+https://evil.test/"},
		{"a dependency that is not there", `"deps":[`, `"deps":[{"name":"evil","version_req":"^1","kind":"normal"},`, `the dependency evil "^1" is only in the request`},
		{"a feature's values", `["a"]`, `["a","one"]`, `the feature default = ["a" "one"] is only in the request`},
		{"a feature that is not there", `"features":{"a":[],`, `"features":{"a":[],"b":[],`, `the feature b = [] is only in the request`},
	} {
		t.Run(row.rule, func(t *testing.T) {
			text := request
			if row.old != "" {
				text = bytes.Replace(request, []byte(row.old), []byte(row.changed), 1)
				if bytes.Equal(text, request) {
					t.Fatalf("%s is not in %s", row.old, request)
				}
			}
			claim, err := parseClaim(text, own)
			if err != nil {
				t.Fatal(err)
			}
			err = reconcile(found, claim)
			if row.refused == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantError(t, err, "Manifest confusion", row.refused)
		})
	}
}

func TestManyDifferencesAreCounted(t *testing.T) {
	c, err := ParseManifest([]byte(header("hello", "1.0.0") + "[dependencies]\na=\"1\"\nb=\"1\"\nc=\"1\"\nd=\"1\"\ne=\"1\"\nf=\"1\"\ng=\"1\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, reconcile([]*registry.Manifest{c.manifest()}, &Claim{Name: "hello", Version: "1.0.0"}), "; and 2 more.")
}

func TestPublishBodiesAreReadToTheByte(t *testing.T) {
	good := frame([]byte(`{}`), []byte("crate"))
	for _, c := range []struct{ rule, body, refused string }{
		{"both parts", good, ""},
		{"an empty body", "", "[cargo/publish-truncated]"},
		{"half a length", good[:2], "[cargo/publish-truncated]"},
		{"half the metadata", good[:5], "[cargo/publish-truncated]"},
		{"no second length", good[:6], "[cargo/publish-truncated]"},
		{"half the crate", good[:len(good)-1], "[cargo/publish-truncated]"},
		{"a byte too many", good + "!", "[cargo/publish-trailing]"},
		{"metadata over 1 MiB", "\x01\x00\x10\x00" + good, "[cargo/publish-json-size]"},
		{"a crate over the limit", frame([]byte(`{}`), make([]byte, 101)), "max upload size is: 100"},
	} {
		t.Run(c.rule, func(t *testing.T) {
			_, crate, err := readPublication(c.body)
			if c.refused == "" {
				if err != nil || crate != "crate" {
					t.Errorf("crate %q, %v", crate, err)
				}
				return
			}
			wantError(t, err, c.refused)
		})
	}
}

// readPublication reads a body as servePublish does.
func readPublication(body string) (text []byte, crate string, err error) {
	b := publishBody{r: strings.NewReader(body)}
	if text, err = b.metadata(); err != nil {
		return nil, "", err
	}
	r, err := b.crate(100)
	if err != nil {
		return nil, "", err
	}
	all, err := io.ReadAll(r)
	if err != nil {
		return nil, "", err
	}
	return text, string(all), b.end()
}

func FuzzPublishBody(f *testing.F) {
	f.Add(frame([]byte(`{"name":"a","vers":"1.0.0","deps":[{"name":"b","version_req":"1","explicit_name_in_toml":"c"}]}`), []byte("crate")))
	f.Add(frame([]byte(`{"deps":null,"features":null}`), nil))
	f.Add("\xff\xff\xff\xff")
	f.Fuzz(func(t *testing.T, body string) {
		text, crate, err := readPublication(body)
		if err != nil {
			return
		}
		if frame(text, []byte(crate)) != body {
			t.Error("the parts are not the body")
		}
		claim, err := parseClaim(text, nil)
		if err != nil {
			return
		}
		_ = differences(claim, &Crate{})
	})
}
