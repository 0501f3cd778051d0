package cargo

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"bonded/internal/digest"
	"bonded/internal/registry"
)

// entry is one file of a test's archive.
type entry struct {
	name, body string
	kind       byte // tar.TypeReg if zero
}

// packCrate writes a .crate.
func packCrate(tb testing.TB, entries ...entry) []byte {
	tb.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Mode: 0o644, Size: int64(len(e.body)), Typeflag: tar.TypeReg, Format: tar.FormatUSTAR}
		if e.kind != 0 {
			h.Typeflag, h.Size, h.Linkname = e.kind, 0, e.body
		}
		if err := w.WriteHeader(h); err != nil {
			tb.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := w.Write([]byte(e.body)); err != nil {
				tb.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	if err := z.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// header is a [package] section without warnings.
func header(name, version string) string {
	return fmt.Sprintf("[package]\nname = %q\nversion = %q\nedition = \"2021\"\ndescription = \"A test\"\nlicense = \"MIT\"\n", name, version)
}

// crateOf packs a crate with a manifest.
func crateOf(tb testing.TB, name, version, manifest string, more ...entry) []byte {
	tb.Helper()
	top := name + "-" + version + "/"
	all := []entry{{name: top + "Cargo.toml", body: manifest}, {name: top + "src/lib.rs", body: "pub fn f() {}\n"}}
	for _, e := range more {
		e.name = top + e.name
		all = append(all, e)
	}
	return packCrate(tb, all...)
}

// requestFor is the JSON that cargo sends for a manifest, from the manifest itself. own are the URLs of the registry.
func requestFor(tb testing.TB, manifest string, own ...string) map[string]any {
	tb.Helper()
	c, err := ParseManifest([]byte(manifest))
	if err != nil {
		tb.Fatal(err)
	}
	deps := []any{}
	for _, d := range c.Dependencies {
		dep := map[string]any{
			"name": d.Crate(), "version_req": d.Req, "features": notNull(d.Features), "optional": d.Optional,
			"default_features": d.DefaultFeatures, "target": nil, "kind": d.Kind,
		}
		if d.Target != "" {
			dep["target"] = d.Target
		}
		if d.Package != "" {
			dep["explicit_name_in_toml"] = d.Name
		}
		if !slices.Contains(own, d.Registry) {
			dep["registry"] = d.Registry
		}
		deps = append(deps, dep)
	}
	j := map[string]any{"name": c.Name, "vers": c.Version, "deps": deps, "features": c.Features, "links": nil, "readme": "# hi", "badges": map[string]any{}}
	if c.Links != "" {
		j["links"] = c.Links
	}
	if c.RustVersion != "" {
		j["rust_version"] = c.RustVersion
	}
	return j
}

// publication frames a publish body.
func publication(tb testing.TB, request any, crate []byte) string {
	tb.Helper()
	text, err := json.Marshal(request)
	if err != nil {
		tb.Fatal(err)
	}
	return frame(text, crate)
}

func frame(text, crate []byte) string {
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(text)))
	b = append(b, text...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(crate)))
	return string(append(b, crate...))
}

func artifact(name, version string, crate []byte) registry.Artifact {
	return registry.Artifact{Path: FilePath(name, version), Kind: "crate", Digests: digest.SetOf(crate), Body: bytes.NewReader(crate), Strict: true}
}

// wantError fails unless err is a refusal whose sentence holds all of the words.
func wantError(tb testing.TB, err error, words ...string) {
	tb.Helper()
	if err == nil {
		tb.Errorf("accepted; want a refusal with %q", words)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			tb.Errorf("refused with %q; want %q in it", err, w)
		}
	}
}
