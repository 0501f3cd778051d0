package pypi

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash/crc32"
	"maps"
	"mime/multipart"
	"net/textproto"
	"slices"
	"strings"
	"testing"

	"bonded/internal/digest"
	"bonded/internal/registry"
)

// dist is a distribution for a test: its file name, bytes and the metadata inside.
type dist struct {
	filename string
	body     []byte
	metadata string
}

func metadataText(name, version string, extra ...string) string {
	return "Metadata-Version: 2.1\nName: " + name + "\nVersion: " + version + "\n" + strings.Join(append(extra, ""), "\n")
}

// makeWheel builds {name}-{version}-py3-none-any.whl as a build backend does. edit may change the files after RECORD was
// written.
func makeWheel(t testing.TB, name, version string, files map[string]string, edit func(files map[string]string), extra ...string) dist {
	t.Helper()
	norm, _ := NormalizeName(name)
	stem := FilenamePart(norm) + "-" + version
	all := map[string]string{FilenamePart(norm) + "/__init__.py": "version = " + version + "\n"}
	maps.Copy(all, files)
	info := stem + ".dist-info/"
	all[info+"METADATA"] = metadataText(name, version, extra...)
	all[info+"WHEEL"] = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
	var record strings.Builder
	for _, path := range slices.Sorted(maps.Keys(all)) {
		sum := sha256.Sum256([]byte(all[path]))
		fmt.Fprintf(&record, "%s,sha256=%s,%d\n", path, base64.RawURLEncoding.EncodeToString(sum[:]), len(all[path]))
	}
	all[info+"RECORD"] = record.String() + info + "RECORD,,\n"
	if edit != nil {
		edit(all)
	}
	return dist{stem + "-py3-none-any.whl", zipOf(t, all), all[info+"METADATA"]}
}

func zipOf(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, path := range slices.Sorted(maps.Keys(files)) {
		sum := []byte(files[path])
		w, err := z.CreateRaw(&zip.FileHeader{
			Name: path, Method: zip.Store, CRC32: crc32.ChecksumIEEE(sum), CompressedSize64: uint64(len(sum)), UncompressedSize64: uint64(len(sum)),
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(sum); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// makeSdist builds {name}-{version}.tar.gz.
func makeSdist(t testing.TB, name, version string, files map[string]string, extra ...string) dist {
	t.Helper()
	norm, _ := NormalizeName(name)
	stem := FilenamePart(norm) + "-" + version
	all := map[string]string{
		stem + "/PKG-INFO":       metadataText(name, version, extra...),
		stem + "/pyproject.toml": "[build-system]\n",
	}
	maps.Copy(all, files)
	return dist{stem + ".tar.gz", tarOf(t, all), all[stem+"/PKG-INFO"]}
}

func tarOf(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	gz, err := gzip.NewWriterLevel(&b, gzip.NoCompression) // the same bytes from every Go
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(gz)
	for _, path := range slices.Sorted(maps.Keys(files)) {
		if err := w.WriteHeader(&tar.Header{Name: path, Mode: 0o644, Size: int64(len(files[path])), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(files[path])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := gz.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// fields is an upload form: name, value, name, value …
type formFields [][2]string

// formOf is the form that twine sends for a distribution: every header of its metadata, and the file's facts.
func formOf(d dist) formFields {
	f := formFields{{":action", "file_upload"}, {"protocol_version", "1"}}
	for line := range strings.Lines(d.metadata) {
		name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		if known, is := fieldByHeader[strings.ToLower(name)]; ok && is {
			f = append(f, [2]string{known.form, value})
		}
	}
	kind, python := "bdist_wheel", "py3"
	if strings.HasSuffix(d.filename, ".tar.gz") {
		kind, python = "sdist", "source"
	}
	return append(f, [2]string{"filetype", kind}, [2]string{"pyversion", python}, [2]string{"sha256_digest", digest.Of(d.body).String()})
}

// without leaves fields out; with replaces or adds one.
func (f formFields) without(names ...string) formFields {
	return slices.DeleteFunc(slices.Clone(f), func(pair [2]string) bool { return slices.Contains(names, pair[0]) })
}

func (f formFields) with(name, value string) formFields {
	return append(f.without(name), [2]string{name, value})
}

func (f formFields) and(name, value string) formFields {
	return append(slices.Clone(f), [2]string{name, value})
}

// body writes the multipart body, the file last as twine does or first.
func (f formFields) body(t testing.TB, d dist, fileFirst bool) (contentType, body string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	file := func() {
		h := textproto.MIMEHeader{}
		h.Set("Content-Disposition", `form-data; name="content"; filename="`+d.filename+`"`)
		h.Set("Content-Type", "application/octet-stream")
		part, err := w.CreatePart(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := part.Write(d.body); err != nil {
			t.Fatal(err)
		}
	}
	if fileFirst {
		file()
	}
	for _, pair := range f {
		if err := w.WriteField(pair[0], pair[1]); err != nil {
			t.Fatal(err)
		}
	}
	if !fileFirst && d.filename != "" {
		file()
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), b.String()
}

// artifact is a distribution as Inspect gets it.
func artifact(d dist, strict bool) registry.Artifact {
	kind := KindWheel
	if strings.HasSuffix(d.filename, ".tar.gz") {
		kind = KindSdist
	}
	return registry.Artifact{
		Path: FilePath("x", d.filename), Kind: kind, Digests: digest.SetOf(d.body), Body: bytes.NewReader(d.body), Strict: strict,
	}
}

func base64Std(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
