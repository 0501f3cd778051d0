package archive

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"
)

// anyProfile asks for nothing beyond safe framing and names.
var anyProfile = Profile{Name: "archive", Links: true}

// fuzzLimits keep one run short.
func fuzzLimits() Limits {
	return Limits{Entries: 100, Unpacked: 1 << 20, EntrySize: 1 << 20, Ratio: 50, RatioFloor: 1 << 19, Depth: 16, NameLength: 256}
}

// member is what an extractor makes of an entry.
type member struct {
	dir        bool
	link, data string
}

// ours reads an archive strictly and returns its tree, or false for one that is refused.
func ours(t *testing.T, b []byte, f Format) (map[string]member, bool) {
	got := map[string]member{}
	var total int64
	l, err := Walk(bytes.NewReader(b), int64(len(b)), f, anyProfile, fuzzLimits(), func(e Entry, r io.Reader) error {
		body, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		if int64(len(body)) != e.Size {
			t.Errorf("%q: %d bytes, listed %d", e.Name, len(body), e.Size)
		}
		total += e.Size
		if total > fuzzLimits().Unpacked {
			t.Errorf("read %d bytes, over the limit", total)
		}
		got[e.Name] = member{data: string(body)}
		return nil
	})
	if l == nil {
		t.Fatal("no listing")
	}
	if err != nil {
		return nil, false
	}
	if l.Refuse(true) != nil {
		return nil, false
	}
	for _, e := range l.Entries {
		if !fs.ValidPath(e.Name) || e.Name == "." {
			t.Errorf("accepted the name %q", e.Name)
		}
		switch {
		case e.Dir:
			got[e.Name] = member{dir: true}
		case e.Link != "":
			got[e.Name] = member{link: e.Link}
		}
	}
	return got, true
}

func same(t *testing.T, ours, theirs map[string]member) {
	for name, m := range ours {
		if other, there := theirs[name]; !there || other != m {
			t.Errorf("%q: we read %+v, the standard library %+v (%v)", name, m, other, there)
		}
	}
	if len(ours) != len(theirs) {
		t.Errorf("we read %d entries, the standard library %d", len(ours), len(theirs))
	}
}

func FuzzZip(f *testing.F) {
	seed(f, Zip)
	f.Fuzz(func(t *testing.T, b []byte) {
		mine, ok := ours(t, b, Zip)
		if !ok {
			return
		}
		r, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
		if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
			t.Fatalf("accepted, but archive/zip says %v", err)
		}
		theirs := map[string]member{}
		for _, file := range r.File {
			name, dir := strings.CutSuffix(file.Name, "/")
			if dir {
				theirs[name] = member{dir: true}
				continue
			}
			body, err := file.Open()
			if err != nil {
				t.Fatalf("%q: %v", name, err)
			}
			data, err := io.ReadAll(body)
			if err != nil {
				t.Fatalf("%q: %v", name, err)
			}
			theirs[name] = member{data: string(data)}
			if file.Mode()&fs.ModeSymlink != 0 {
				theirs[name] = member{link: string(data)}
			}
		}
		same(t, mine, theirs)
	})
}

// FuzzTarGz takes the unpacked tar, as mutations of compressed bytes rarely reach it; FuzzGzip takes the outside.
func FuzzTarGz(f *testing.F) {
	for _, b := range seeds(TarGz) {
		if r, err := gzip.NewReader(bytes.NewReader(b)); err == nil {
			if tarred, err := io.ReadAll(r); err == nil {
				f.Add(tarred, false)
				f.Add(tarred, true)
			}
		}
	}
	f.Fuzz(func(t *testing.T, tarred []byte, sum bool) {
		if sum && len(tarred) >= blockSize {
			tarred = bytes.Clone(tarred)
			checksum(tarred[:blockSize])
			if len(tarred) >= 3*blockSize {
				checksum(tarred[2*blockSize : 3*blockSize])
			}
		}
		sameTar(t, stored(tarred))
	})
}

func FuzzGzip(f *testing.F) {
	seed(f, TarGz)
	f.Fuzz(sameTar)
}

func sameTar(t *testing.T, b []byte) {
	mine, ok := ours(t, b, TarGz)
	if !ok {
		return
	}
	in, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatalf("accepted, but compress/gzip says %v", err)
	}
	theirs := map[string]member{}
	for r := tar.NewReader(in); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("accepted, but archive/tar says %v", err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatalf("%q: %v", h.Name, err)
		}
		name := strings.TrimSuffix(h.Name, "/")
		switch h.Typeflag {
		case tar.TypeXGlobalHeader:
		case tar.TypeDir:
			theirs[name] = member{dir: true}
		case tar.TypeLink, tar.TypeSymlink:
			theirs[name] = member{link: h.Linkname}
		default:
			theirs[name] = member{data: string(data)}
		}
	}
	same(t, mine, theirs)
}

// stored gzips without compressing, so that the fuzzer spends its time elsewhere.
func stored(b []byte) []byte {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.NoCompression)
	if err != nil {
		panic(err)
	}
	w.Write(b)
	w.Close()
	return out.Bytes()
}

func seeds(f Format) [][]byte {
	out := [][]byte{samples()[f]}
	for _, a := range attacks() {
		if a.format == f && len(a.bytes) < 8<<10 {
			out = append(out, a.bytes)
		}
	}
	return out
}

func seed(f *testing.F, format Format) {
	for _, b := range seeds(format) {
		f.Add(b)
	}
}
