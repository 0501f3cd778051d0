package blob

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"bonded/internal/digest"
	"bonded/internal/errs"
)

// fullVolume is a disk without space.
type fullVolume struct{ *disk }

func (v fullVolume) create(name string) (file, error) {
	f, err := v.disk.create(name)
	if err != nil {
		return nil, err
	}
	return fullFile{f}, nil
}

type fullFile struct{ file }

func (fullFile) Write([]byte) (int, error) { return 0, &os.PathError{Op: "write", Err: syscall.ENOSPC} }

func openTemp(t testing.TB) (Store, string) {
	dir := filepath.Join(t.TempDir(), "new", "blobs")
	s, err := OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, dir
}

func TestDirLayoutIsTwoLevelsOfTheDigest(t *testing.T) {
	s, dir := openTemp(t)
	set, err := Put(t.Context(), s, []byte("abc"))
	if err != nil {
		t.Fatal(err)
	}
	const name = "sha256/ba/78/ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
	info, err := os.Stat(filepath.Join(dir, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm()&0o227 != 0 {
		t.Errorf("a blob of %s is writable, or open to the world: %v", set.SHA256, info.Mode())
	}
}

func TestBlobOfAnotherSizeIsReportedAndKept(t *testing.T) {
	s, dir := openTemp(t)
	content := []byte("what was stored")
	d := digest.Of(content)
	file := filepath.Join(dir, filepath.FromSlash(key(d)))
	if _, err := Put(t.Context(), s, content); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, 4); err != nil {
		t.Fatal(err)
	}
	_, err := Put(t.Context(), s, content)
	if e, ok := errors.AsType[*errs.Error](err); !ok || e.Rule != RuleDamaged {
		t.Errorf("Commit over a truncated blob: %v, want %s", err, RuleDamaged)
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != "what" {
		t.Errorf("the evidence is now %q, %v", got, err)
	}
	if err := s.Delete(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if _, err := Put(t.Context(), s, content); err != nil {
		t.Errorf("the way out that the error names: %v", err)
	}
}

func TestVerifyReportsChangedBytesOfTheSameSize(t *testing.T) {
	s, dir := openTemp(t)
	set, err := Put(t.Context(), s, []byte("what was stored"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, filepath.FromSlash(key(set.SHA256)))
	if err := os.Chmod(file, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("what was forged"), 0o600); err != nil {
		t.Fatal(err)
	}
	err = Verify(t.Context(), s, set.SHA256)
	if e, ok := errors.AsType[*errs.Error](err); !ok || e.Rule != RuleDamaged {
		t.Errorf("Verify: %v, want %s", err, RuleDamaged)
	}
}

func TestOpenDirRemovesOnlyStaleStaging(t *testing.T) {
	dir := t.TempDir()
	s, err := OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for name, age := range map[string]time.Duration{"old": staleAfter + time.Minute, "young": staleAfter - time.Minute} {
		file := filepath.Join(dir, stageDir, name)
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, time.Time{}, time.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	if s, err = OpenDir(dir); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	left, err := os.ReadDir(filepath.Join(dir, stageDir))
	if err != nil || len(left) != 1 || left[0].Name() != "young" {
		t.Errorf("staging holds %v, %v, want only young", left, err)
	}
}

func TestListIgnoresWhatIsNotABlob(t *testing.T) {
	s, dir := openTemp(t)
	set, err := Put(t.Context(), s, []byte("abc"))
	if err != nil {
		t.Fatal(err)
	}
	hex := set.SHA256.String()
	for _, name := range []string{"README", "ba/README", "ba/78/README", "00/00/" + hex, "zz/78/" + hex, "ba/78/00/" + hex, "ba/7/x", "BA/78/" + hex} {
		file := filepath.Join(dir, blobDir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	if err := s.List(t.Context(), digest.SHA256{}, func(digest.SHA256, int64) error { n++; return nil }); err != nil || n != 1 {
		t.Errorf("the list has %d blobs, %v, want 1", n, err)
	}
}

func TestOpenDirStaysInItsFolder(t *testing.T) {
	s, dir := openTemp(t)
	outside := t.TempDir()
	content := []byte("abc")
	if err := os.Symlink(outside, filepath.Join(dir, blobDir, digest.Of(content).String()[:2])); err != nil {
		t.Fatal(err)
	}
	if _, err := Put(t.Context(), s, content); err == nil {
		t.Error("a blob was written through a link that leads out of the folder")
	}
	if left, err := os.ReadDir(outside); err != nil || len(left) > 0 {
		t.Errorf("outside holds %v, %v", left, err)
	}
}

// TestFileReachesTheServerBare holds the promise that lets a download go out with sendfile.
func TestFileReachesTheServerBare(t *testing.T) {
	s, _ := openTemp(t)
	set, err := Put(t.Context(), s, []byte("0123456789"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Open(t.Context(), set.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	if r.File() == nil {
		t.Fatal("File is nil on a folder")
	}
	req := httptest.NewRequest(http.MethodGet, "/", nil)
	req.Header.Set("Range", "bytes=3-5")
	w := httptest.NewRecorder()
	http.ServeContent(w, req, "x.bin", time.Time{}, r.File())
	if w.Code != http.StatusPartialContent || w.Body.String() != "345" {
		t.Errorf("a range of the file is %d %q", w.Code, w.Body)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.File().Stat(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Close leaves the file open: %v", err)
	}
}

// BenchmarkPut stores 20 KB blobs durably with eight writers.
func BenchmarkPut(b *testing.B) {
	s, _ := openTemp(b)
	b.SetParallelism(8)
	var n atomic.Uint64
	b.RunParallel(func(pb *testing.PB) {
		content := bytes.Repeat([]byte{1}, 20_000)
		for pb.Next() {
			copy(content, fmt.Sprint(n.Add(1), rand.Uint64()))
			if _, err := Put(b.Context(), s, content); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "blobs/s")
}
