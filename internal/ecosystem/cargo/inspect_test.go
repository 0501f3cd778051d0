package cargo

import (
	"archive/tar"
	"bytes"
	"slices"
	"strings"
	"testing"

	"bonded/internal/digest"
	"bonded/internal/registry"
)

func TestHostileCratesAreRefused(t *testing.T) {
	manifest := header("hello", "1.0.0")
	good := entry{name: "hello-1.0.0/Cargo.toml", body: manifest}
	for _, c := range []struct {
		rule    string
		crate   []byte
		refused string
	}{
		{"no manifest", packCrate(t, entry{name: "hello-1.0.0/src/lib.rs"}), "[cargo/manifest-missing]"},
		{"a manifest below the top folder is none", packCrate(t, entry{name: "hello-1.0.0/sub/Cargo.toml", body: manifest}), "[cargo/manifest-missing]"},
		{"two manifests", packCrate(t, good, entry{name: "hello-1.0.0/cargo.toml", body: manifest}), "Cargo.toml"},
		{"a manifest in another case", packCrate(t, entry{name: "hello-1.0.0/CARGO.toml", body: manifest}), "[cargo/manifest-ambiguous]"},
		{"a symbolic link", packCrate(t, good, entry{name: "hello-1.0.0/l", body: "Cargo.toml", kind: tar.TypeSymlink}), "[archive/link]"},
		{"a symbolic link out of the crate", packCrate(t, good, entry{name: "hello-1.0.0/l", body: "../other", kind: tar.TypeSymlink}), "hello-1.0.0/l"},
		{"a hard link", packCrate(t, good, entry{name: "hello-1.0.0/l", body: "hello-1.0.0/Cargo.toml", kind: tar.TypeLink}), "[archive/link"},
		{"a device", packCrate(t, good, entry{name: "hello-1.0.0/d", kind: tar.TypeChar}), "[archive/device]"},
		{"a file outside the crate's folder", packCrate(t, good, entry{name: "evil-1.0.0/src/lib.rs"}), "[archive/top-directory]"},
		{"a path that leaves the archive", packCrate(t, good, entry{name: "hello-1.0.0/../evil"}), "[archive/path-traversal]"},
		{"another crate's folder", packCrate(t, entry{name: "hello-1.0.1/Cargo.toml", body: manifest}), "[archive/top-directory]"},
		{"no gzip at all", []byte("hello"), "[archive/gzip-stream]"},
		{"data after the archive", append(packCrate(t, good), "more"...), "[archive/gzip-trailing-data]"},
		{"a huge manifest", crateOf(t, "hello", "1.0.0", manifest+strings.Repeat("# x\n", maxManifest/4)), "[cargo/manifest-size]"},
		{"another name", crateOf(t, "hello", "1.0.0", header("evil", "1.0.0")), `the upload is for hello 1.0.0, but Cargo.toml inside the crate says evil 1.0.0. [cargo/manifest-confusion]`},
		{"another version", crateOf(t, "hello", "1.0.0", header("hello", "1.0.0+x")), "says hello 1.0.0+x. [cargo/manifest-confusion]"},
	} {
		t.Run(c.rule, func(t *testing.T) {
			_, err := inspect(artifact("hello", "1.0.0", c.crate))
			wantError(t, err, c.refused)
		})
	}
}

func TestAManifestInLowerCaseIsAccepted(t *testing.T) {
	crate := packCrate(t, entry{name: "hello-1.0.0/cargo.toml", body: header("hello", "1.0.0")})
	if _, err := inspect(artifact("hello", "1.0.0", crate)); err != nil {
		t.Error(err)
	}
}

func TestTheReadmeIsTheOneThatCargoTomlNames(t *testing.T) {
	for _, c := range []struct {
		rule, key  string
		files      []entry
		text, kind string
	}{
		{"without a key the usual name", "", []entry{{name: "README.md", body: "# a"}}, "# a", "text/markdown"},
		{"without a key and a file none", "", []entry{{name: "docs/README.md", body: "# a"}}, "", ""},
		{"false is none", "readme = false\n", []entry{{name: "README.md", body: "# a"}}, "", ""},
		{"true is README.md", "readme = true\n", []entry{{name: "README.md", body: "# a"}, {name: "README.txt", body: "b"}}, "# a", "text/markdown"},
		{"a path anywhere in the crate", "readme = \"./docs/x.rst\"\n", []entry{{name: "README.md", body: "# a"}, {name: "docs/x.rst", body: "b"}}, "b", "text/x-rst"},
		{"a path that is not there", "readme = \"nope.md\"\n", []entry{{name: "README.md", body: "# a"}}, "", "text/markdown"},
		{"a path out of the crate", "readme = \"../../etc/passwd\"\n", nil, "", "text/plain"},
		{"a long one is cut", "", []entry{{name: "README", body: strings.Repeat("a", maxReadme+1)}}, strings.Repeat("a", maxReadme), "text/plain"},
	} {
		t.Run(c.rule, func(t *testing.T) {
			m, err := inspect(artifact("hello", "1.0.0", crateOf(t, "hello", "1.0.0", header("hello", "1.0.0")+c.key, c.files...)))
			if err != nil {
				t.Fatal(err)
			}
			if m.Readme != c.text || m.ReadmeType != c.kind {
				t.Errorf("readme %.40q of type %q", m.Readme, m.ReadmeType)
			}
		})
	}
}

func TestInstallCodeIsNamed(t *testing.T) {
	script := entry{name: "build.rs", body: "fn main() {}"}
	for _, c := range []struct {
		rule, more string
		files      []entry
		want       []string
	}{
		{"a library runs nothing", "", nil, nil},
		{"build.rs is found", "", []entry{script}, []string{"build.rs"}},
		{"build = false leaves build.rs alone", "build = false\n", []entry{script}, nil},
		{"build names the script", "build = \"b/x.rs\"\n", nil, []string{"b/x.rs"}},
		{"build = true is build.rs", "build = true\n", nil, []string{"build.rs"}},
		{"build may be several", "build = [\"a.rs\", \"b.rs\"]\n", nil, []string{"a.rs", "b.rs"}},
		{"a procedural macro runs in the compiler", "[lib]\nproc-macro = true\n", nil, []string{"proc-macro"}},
		{"by its old spelling too", "[lib]\nproc_macro = true\n", nil, []string{"proc-macro"}},
		{"or by its crate type", "[lib]\ncrate-type = [\"proc-macro\"]\n", []entry{script}, []string{"build.rs", "proc-macro"}},
	} {
		t.Run(c.rule, func(t *testing.T) {
			m, err := inspect(artifact("hello", "1.0.0", crateOf(t, "hello", "1.0.0", header("hello", "1.0.0")+c.more, c.files...)))
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(m.InstallCode, c.want) {
				t.Errorf("install code %v", m.InstallCode)
			}
		})
	}
}

// What others let pass once must not make a mirrored crate unreadable.
func TestProxiedCratesKeepBrokenRulesAsNotes(t *testing.T) {
	a := artifact("hello", "1.0.0", crateOf(t, "hello", "1.0.0", header("hello", "1.0.0")+"[dependencies]\na = \"*\"\n"))
	a.Strict = false
	m, err := inspect(a)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Notes) != 1 || !strings.Contains(m.Notes[0], "any version") {
		t.Errorf("notes %q", m.Notes)
	}
}

func FuzzInspect(f *testing.F) {
	good := packCrate(f, entry{name: "a-1.0.0/Cargo.toml", body: header("a", "1.0.0")}, entry{name: "a-1.0.0/README.md", body: "# a"})
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Add([]byte{0x1f, 0x8b})
	f.Fuzz(func(t *testing.T, crate []byte) {
		a := registry.Artifact{Path: FilePath("a", "1.0.0"), Digests: digest.SetOf(crate), Body: bytes.NewReader(crate), Strict: true}
		m, err := inspect(a)
		if err != nil {
			return
		}
		if m.Name != "a" || m.Version != "1.0.0" || len(m.Readme) > 3*maxReadme {
			t.Errorf("accepted as %s %s", m.Name, m.Version)
		}
		if _, err := newRecord(m.Detail.(*Crate), nil, a.Digests.SHA256); err != nil {
			t.Error(err)
		}
	})
}
