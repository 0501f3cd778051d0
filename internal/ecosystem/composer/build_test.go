package composer

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"testing"

	"bonded/internal/digest"
	"bonded/internal/registry"
)

// file is one entry of a zip under test.
type file struct{ name, body string }

// pack makes a zip of files, in order; the same files give the same bytes.
func pack(t testing.TB, files ...file) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, f := range files {
		entry, err := w.Create(f.name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := entry.Write([]byte(f.body)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// library is a zip with this composer.json and a source file.
func library(t testing.TB, composerJSON string) string {
	t.Helper()
	return pack(t, file{"composer.json", composerJSON}, file{"src/Hi.php", "<?php\n"})
}

// simple is a library of a name; version may be empty.
func simple(t testing.TB, name, version string, more ...string) string {
	t.Helper()
	o := map[string]any{"name": name, "description": "About " + name}
	if version != "" {
		o["version"] = version
	}
	for i := 0; i+1 < len(more); i += 2 {
		o[more[i]] = json.RawMessage(more[i+1])
	}
	b, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return library(t, string(b))
}

func artifact(zipped string) registry.Artifact {
	h := digest.NewHasher()
	_, _ = h.Write([]byte(zipped)) // it never fails
	return registry.Artifact{Kind: distKind, Digests: h.Sum(), Body: bytes.NewReader([]byte(zipped)), Strict: true}
}
