package npm

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"bonded/internal/digest"
	"bonded/internal/registry"
)

// What the streaming reader accepts, encoding/json reads to the same document and the same tarball.
func FuzzReadDocument(f *testing.F) {
	for _, body := range recorded(f) {
		if len(body) < 3000 {
			f.Add(string(body))
		}
	}
	f.Add(`{"_attachments":{"a-1.0.0.tgz":{"length":3,"data":"YWJj"}},"versions":{"1.0.0":{"deprecated":null}},"maintainers":["a <b@c>"]}`)
	f.Add(`{"a":[{"b":"\"}]"}],"users":{},"dist-tags":{"latest":"1"}} `)
	f.Add(`{"_attachments":{"a.tgz":{"data":"YWJj=YWJj"}}}`)
	f.Fuzz(func(t *testing.T, body string) {
		var got []byte
		d, err := readDocument(strings.NewReader(body), func(r io.Reader) error {
			var err error
			got, err = io.ReadAll(r)
			return err
		})
		if err != nil {
			return
		}
		if !json.Valid([]byte(body)) {
			t.Fatalf("accepted what is not JSON: %q", body)
		}
		var want struct {
			Attachments map[string]struct {
				Data any `json:"data"`
			} `json:"_attachments"` //nolint:tagliatelle // a wire format
		}
		if d.tarball == "" || json.Unmarshal([]byte(body), &want) != nil {
			return
		}
		if text, ok := want.Attachments[d.tarball].Data.(string); ok {
			b, err := base64.StdEncoding.DecodeString(text)
			if err != nil || !bytes.Equal(b, got) {
				t.Fatalf("streamed %q, but the document holds %q (%v)", got, b, err)
			}
		}
	})
}

// Every path is routed without a panic, and what is a tarball's has one canonical path that means the same again.
func FuzzRoute(f *testing.F) {
	for _, p := range []string{
		"/@s%2ffoo/-/foo-1.0.0.tgz", "/@s/foo/-/@s/foo-1.0.0.tgz", "/foo/1.0.0", "/-/package/@s/foo/dist-tags/x", "/foo/-rev/1-x", "//", "/%2e%2e/x",
		"/foo/-/foo-1.0.0.tgz/-rev/2", "/@/x", "/-", "/JSONStream", "/_changes",
	} {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, path string) {
		ref, err := NewFormat().Locate(path)
		if err != nil || ref.Version == "" {
			return
		}
		again, err := NewFormat().Locate("/" + ref.Path)
		if err != nil || again != ref || strings.Contains(ref.Path, "..") && !strings.Contains(path, "..") {
			t.Fatalf("%q means %+v, whose path means %+v (%v)", path, ref, again, err)
		}
	})
}

// A client that sends package.json as it stands is never refused, and what is stored of it is well-formed and names the
// package that it is.
func FuzzPackageJSON(f *testing.F) {
	for _, body := range recorded(f) {
		o, err := parseObject(body)
		if err != nil {
			f.Fatal(err)
		}
		versions, err := parseObject(o.get("versions"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add([]byte(versions[0].value), true)
	}
	f.Add([]byte(kitchen), false)
	f.Add([]byte(`{"name":"x","version":"1.0.0","dependencies":"a@1 b","bin":[1,"x"],"bundleDependencies":{"a":1},"directories":{"bin":"b"}}`), true)
	f.Fuzz(func(t *testing.T, raw []byte, gyp bool) {
		o, err := parsePackageJSON(raw)
		if err != nil {
			return
		}
		tb := &tarball{pkg: o, essentials: essentialsOf(o), gyp: gyp, commands: map[string]string{}, files: 1}
		if _, err := ParseName(tb.essentials.name); err != nil {
			return
		}
		version, err := ParseVersion(tb.essentials.version)
		if err != nil {
			return
		}
		m := tb.manifest(raw)
		claim := Claim{Manifest: json.RawMessage(o.appendTo(nil))}
		if tb.pkg.any("private") != true {
			if err := reconcile([]*registry.Manifest{m}, claim); err != nil {
				t.Fatalf("its own package.json is refused: %v", err)
			}
		}
		path := tarballPath(tb.essentials.name, version.Unique)
		rec, err := record([]*registry.Manifest{m}, claim, []registry.File{{Path: path, Digests: digest.SetOf(raw)}})
		if err != nil {
			t.Fatal(err)
		}
		full, short := lines(rec.Index)
		for _, line := range [][]byte{full, short} {
			served := appendVersion(nil, line, "https://b.example.test/npm/main", versionExtras(&registry.Project{}, &registry.Release{Mark: "m", PublishedBy: "p"}, true))
			var v map[string]any
			if err := json.Unmarshal(served, &v); err != nil {
				t.Fatalf("%v: %s", err, served)
			}
			if v["name"] != tb.essentials.name || v["version"] != version.Canonical || v["deprecated"] != "m" || at(v, "_npmUser", "name") != "p" ||
				at(v, "dist", "tarball") != "https://b.example.test/npm/main/"+path {
				t.Fatalf("%s", served)
			}
			if bytes.ContainsRune(line, '\n') {
				t.Fatalf("a line has two: %q", line)
			}
		}
	})
}
