package archive

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"hash/crc32"
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
	f.Fuzz(sameZip)
}

func sameZip(t *testing.T, b []byte) {
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

// stored makes a gzip file of stored blocks (RFC 1951 §3.2.4), as a compressor would cost more than the walk.
func stored(b []byte) []byte {
	out := put("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff")
	for rest := b; ; {
		n := min(len(rest), 0xffff)
		final := byte(0)
		if n == len(rest) {
			final = 1
		}
		out = append(out, put(final, uint16(n), ^uint16(n), rest[:n])...)
		rest = rest[n:]
		if final == 1 {
			return append(out, put(crc32.ChecksumIEEE(b), uint32(len(b)))...)
		}
	}
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

// mutations are the archive with each byte broken in each of a few ways.
func mutations(b []byte, each func([]byte)) {
	broken := bytes.Clone(b)
	for i := range b {
		for _, v := range []byte{0, 0xff, b[i] + 1, b[i] - 1, b[i] ^ 8, b[i] ^ 0x80, '0', '/'} {
			if v != b[i] {
				broken[i] = v
				each(broken)
			}
		}
		broken[i] = b[i]
	}
}

func TestAZipWithAnyBrokenByteIsRefusedOrReadAlike(t *testing.T) {
	whole := buildZip(zipTail{comment: "c"}, zfile{name: "p/"}, zfile{name: "p/a", data: "alpha", local: extraField(0x5455, uint8(1), uint32(9))},
		zfile{name: "p/b", data: "beta", deflate: true, descriptor: "signed", extra: extraField(0xcafe)},
		zfile{name: "p/l", data: "a", unixMode: 0o120777})
	wide := buildZip(zipTail{zip64: func(_, _ []byte) {}, pokeEnd: u32(16, 1<<32-1)},
		zfile{
			name: "w", data: "wide", extra: extraField(1, uint64(4)), pokeCentral: u32(24, 1<<32-1),
			local: extraField(1, uint64(4), uint64(4)), pokeLocal: func(h []byte) { u32(18, 1<<32-1)(h); u32(22, 1<<32-1)(h) },
		})
	for _, b := range [][]byte{whole, wide} {
		if _, ok := ours(t, b, Zip); !ok {
			t.Fatal("the unbroken zip is refused")
		}
		sameZip(t, b)
		mutations(b, func(b []byte) { sameZip(t, b) })
	}
}

func TestATarWithAnyBrokenByteIsRefusedOrReadAlike(t *testing.T) {
	long := "p/" + strings.Repeat("long", 30)
	for _, files := range [][]tfile{
		{{name: "p/", kind: '5'}, {name: "p/a", data: "alpha"}, {name: "p/l", kind: '2', link: "a"}},
		{{name: "x", kind: 'x', data: pax("path", "p/b", "size", "4", "mtime", "1.5")}, {name: "p/cut", data: "beta"}},
		{{name: "././@LongLink", kind: 'L', format: "gnu", data: long + "\x00"}, {name: long[:99], data: "gamma", format: "gnu"}},
		{{name: "old", data: "delta", format: "v7"}, {name: "dir/", format: "v7"}},
	} {
		b := ended(buildTar(files...))
		if _, ok := ours(t, stored(b), TarGz); !ok {
			t.Fatal("the unbroken tar is refused")
		}
		sameTar(t, stored(b))
		mutations(b[:len(b)-2*blockSize], func(b []byte) {
			b = ended(bytes.Clone(b))
			for at := 0; at < len(b)-2*blockSize; at += blockSize {
				if b[at+257] == 'u' || b[at+148] == '0' {
					checksum(b[at : at+blockSize])
				}
			}
			sameTar(t, stored(b))
		})
	}
}
