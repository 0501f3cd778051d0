//go:build e2e

package e2e

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// packedAt is the time of every packed file, so that the same content gives the same bytes.
var packedAt = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

// zip ARCHIVE DIR
func cmdZip(ts *testscript.TestScript, neg bool, args []string) {
	noNegation(ts, neg, "zip")
	if len(args) != 2 {
		ts.Fatalf("usage: zip ARCHIVE DIR")
	}
	out, err := os.Create(ts.MkAbs(args[0]))
	ts.Check(err)
	defer func() { _ = out.Close() }()
	w := zip.NewWriter(out)
	walkFiles(ts, args[1], func(name string, mode fs.FileMode, data []byte) {
		h := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: packedAt}
		h.SetMode(mode)
		f, err := w.CreateHeader(h)
		ts.Check(err)
		_, err = f.Write(data)
		ts.Check(err)
	})
	ts.Check(w.Close())
}

// tgz ARCHIVE DIR [PREFIX]
func cmdTgz(ts *testscript.TestScript, neg bool, args []string) {
	noNegation(ts, neg, "tgz")
	if len(args) != 2 && len(args) != 3 {
		ts.Fatalf("usage: tgz ARCHIVE DIR [PREFIX]")
	}
	prefix := ""
	if len(args) == 3 {
		prefix = args[2]
	}
	out, err := os.Create(ts.MkAbs(args[0]))
	ts.Check(err)
	defer func() { _ = out.Close() }()
	gz := gzip.NewWriter(out)
	w := tar.NewWriter(gz)
	walkFiles(ts, args[1], func(name string, mode fs.FileMode, data []byte) {
		ts.Check(w.WriteHeader(&tar.Header{
			Name: path.Join(prefix, name), Mode: int64(mode.Perm()), Size: int64(len(data)), ModTime: packedAt, Format: tar.FormatUSTAR,
		}))
		_, err := w.Write(data)
		ts.Check(err)
	})
	ts.Check(w.Close())
	ts.Check(gz.Close())
}

// walkFiles calls f for each regular file under dir in lexical order, with its slash-separated path below dir.
func walkFiles(ts *testscript.TestScript, dir string, f func(name string, mode fs.FileMode, data []byte)) {
	root := ts.MkAbs(dir)
	ts.Check(filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		in, err := os.Open(file)
		if err != nil {
			return err
		}
		defer func() { _ = in.Close() }()
		data, err := io.ReadAll(in)
		if err != nil {
			return err
		}
		f(filepath.ToSlash(name), info.Mode(), data)
		return nil
	}))
}
