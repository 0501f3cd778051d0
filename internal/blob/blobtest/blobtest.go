// Package blobtest is the conformance suite of blob stores: whatever it asks, every store answers alike.
package blobtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"bonded/internal/blob"
	"bonded/internal/digest"
	"bonded/internal/errs"
)

// Run asks everything that holds for every store. open returns a new, empty store and closes it with the test.
func Run(t *testing.T, open func(t *testing.T) blob.Store) {
	for _, c := range []struct {
		rule string
		test func(*testing.T, blob.Store)
	}{
		{"what is committed is read back with its digests", roundTrip},
		{"staged bytes are readable and not yet visible", stagedIsHidden},
		{"discarded bytes leave nothing", discardLeavesNothing},
		{"a reader that fails leaves nothing", failedReader},
		{"a cancelled upload leaves nothing", cancelledUpload},
		{"the limit is exact", limit},
		{"the same bytes from twenty goroutines are one blob", sameBytesAtOnce},
		{"committing again changes nothing", commitTwice},
		{"several are committed together", commitAll},
		{"any range is readable in any order", ranges},
		{"what is absent is not found", absent},
		{"deleted is gone and may come back", deleteAndReturn},
		{"the list is in order and resumes after any digest", listing},
		{"a large blob survives its parts", large},
		{"a signed URL serves the blob under the given headers for a minute at most", signedURL},
		{"a signed URL refuses what cannot be a header", signedURLRefusals},
	} {
		t.Run(c.rule, func(t *testing.T) { c.test(t, open(t)) })
	}
}

// RunEnforced asks what only a server that checks signatures can answer. open is that of Run.
func RunEnforced(t *testing.T, open func(t *testing.T) blob.Store) {
	t.Run("a signed URL cannot be made to live longer", func(t *testing.T) {
		store := open(t)
		u := signed(t, store, put(t, store, []byte("kept back")), time.Minute)
		query := u.Query()
		query.Set("X-Amz-Expires", "3600")
		u.RawQuery = query.Encode()
		if status, _, _ := get(t, u); status != http.StatusForbidden {
			t.Errorf("a URL with a longer life answers %d, want 403", status)
		}
	})
	t.Run("a signed URL serves no other blob", func(t *testing.T) {
		store := open(t)
		u := signed(t, store, put(t, store, []byte("given")), time.Minute)
		u.Path = signed(t, store, put(t, store, []byte("kept back")), time.Minute).Path
		if status, _, _ := get(t, u); status != http.StatusForbidden {
			t.Errorf("the signature of another blob answers %d, want 403", status)
		}
	})
	t.Run("a signed URL ends", func(t *testing.T) {
		store := open(t)
		// Two seconds, because the signature's own time is cut to whole ones.
		u := signed(t, store, put(t, store, []byte("soon gone")), 2*time.Second)
		deadline := time.Now().Add(20 * time.Second)
		for {
			if status, _, _ := get(t, u); status == http.StatusForbidden {
				return
			}
			if time.Now().After(deadline) {
				t.Fatal("a URL of two seconds still answers after twenty")
			}
		}
	})
}

func roundTrip(t *testing.T, store blob.Store) {
	for _, size := range []int{0, 1, 20_000, 70_000} {
		content := random(size)
		set, err := blob.Put(t.Context(), store, content)
		if err != nil {
			t.Fatal(err)
		}
		if want := digest.SetOf(content); set != want {
			t.Fatalf("digests of %d bytes: %v, want %v", size, set, want)
		}
		wantContent(t, store, set.SHA256, content)
		if n, err := store.Stat(t.Context(), set.SHA256); err != nil || n != int64(size) {
			t.Errorf("Stat = %d, %v, want %d", n, err, size)
		}
		if err := blob.Verify(t.Context(), store, set.SHA256); err != nil {
			t.Errorf("Verify: %v", err)
		}
	}
}

func stagedIsHidden(t *testing.T, store blob.Store) {
	content := random(100_000)
	staged := stage(t, store, content)
	wantEmpty(t, store, digest.Of(content))

	first, second := openStaged(t, staged), openStaged(t, staged)
	if _, err := first.Seek(50_000, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(second); err != nil || !bytes.Equal(got, content) {
		t.Errorf("the second view does not start at the beginning: %d bytes, %v", len(got), err)
	}
	if got, err := io.ReadAll(first); err != nil || !bytes.Equal(got, content[50_000:]) {
		t.Errorf("the first view does not continue where it was set: %d bytes, %v", len(got), err)
	}
	if err := staged.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 10)
	if _, err := first.ReadAt(p, 7); err != nil || !bytes.Equal(p, content[7:17]) {
		t.Errorf("a view is unreadable after Commit: %v", err)
	}
	if _, err := staged.Open(); err == nil {
		t.Error("Open after Commit gives a view")
	}
	wantContent(t, store, digest.Of(content), content)
}

func discardLeavesNothing(t *testing.T, store blob.Store) {
	content := random(1000)
	staged := stage(t, store, content)
	view := openStaged(t, staged)
	staged.Discard()
	staged.Discard()
	if got, err := io.ReadAll(view); err != nil || !bytes.Equal(got, content) {
		t.Errorf("an open view is unreadable after Discard: %v", err)
	}
	if err := staged.Commit(t.Context()); err == nil {
		t.Error("Commit after Discard succeeds")
	}
	wantEmpty(t, store, digest.Of(content))
}

func failedReader(t *testing.T, store blob.Store) {
	content := random(200_000)
	hungUp := errors.New("connection reset by peer")
	refused := errs.New(errs.Withheld, "A reader may refuse.")
	for _, c := range []struct {
		name  string
		cause error
		kind  errs.Kind
	}{
		{"a foreign error is an invalid upload", hungUp, errs.Invalid},
		{"an error of ours keeps its kind", refused, errs.Withheld},
		{"a request over its limit is too large", &http.MaxBytesError{Limit: 100_000}, errs.TooLarge},
		{"an early end is an invalid upload", io.ErrUnexpectedEOF, errs.Invalid},
	} {
		r := io.MultiReader(bytes.NewReader(content[:100_000]), iotest.ErrReader(c.cause))
		_, err := store.Stage(t.Context(), r, 1<<20)
		if !errs.Is(err, c.kind) || !errors.Is(err, c.cause) {
			t.Errorf("%s: %v, want %v", c.name, err, c.kind)
		}
	}
	if _, err := store.Stage(t.Context(), stuck{}, 1<<20); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a reader that gives nothing: %v, want %v", err, io.ErrNoProgress)
	}
	wantEmpty(t, store, digest.Of(content[:100_000]))
}

// stuck neither reads nor fails.
type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

func cancelledUpload(t *testing.T, store blob.Store) {
	content := random(200_000)
	ctx, cancel := context.WithCancel(t.Context())
	hangUp := readerFunc(func([]byte) (int, error) { cancel(); return 0, nil })
	if _, err := store.Stage(ctx, io.MultiReader(bytes.NewReader(content), hangUp, bytes.NewReader(content)), 1<<20); !errors.Is(err, context.Canceled) {
		t.Errorf("Stage: %v, want %v", err, context.Canceled)
	}
	staged := stage(t, store, content)
	if err := staged.Commit(ctx); err == nil {
		t.Error("Commit under a cancelled context succeeds")
	}
	wantEmpty(t, store, digest.Of(content))
	if err := staged.Commit(t.Context()); err != nil {
		t.Errorf("a Commit that failed cannot be tried again: %v", err)
	}
	wantContent(t, store, digest.Of(content), content)
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func limit(t *testing.T, store blob.Store) {
	content := random(1000)
	if _, err := store.Stage(t.Context(), bytes.NewReader(content), 999); !errs.Is(err, errs.TooLarge) {
		t.Errorf("one byte over: %v, want too-large", err)
	}
	if _, err := store.Stage(t.Context(), iotest.OneByteReader(bytes.NewReader(content)), 999); !errs.Is(err, errs.TooLarge) {
		t.Errorf("one byte over, one at a time: %v, want too-large", err)
	}
	wantEmpty(t, store, digest.Of(content))
	staged, err := store.Stage(t.Context(), iotest.DataErrReader(bytes.NewReader(content)), 1000)
	if err != nil {
		t.Fatalf("exactly the limit: %v", err)
	}
	staged.Discard()
}

func sameBytesAtOnce(t *testing.T, store blob.Store) {
	content := random(30_000)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := blob.Put(t.Context(), store, content); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := list(t, store, digest.SHA256{}); !slices.Equal(got, []digest.SHA256{digest.Of(content)}) {
		t.Errorf("the store holds %v", got)
	}
	wantContent(t, store, digest.Of(content), content)
}

func commitTwice(t *testing.T, store blob.Store) {
	content := random(5000)
	d := put(t, store, content)
	reader, err := store.Open(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	staged := stage(t, store, content)
	for range 2 {
		if err := staged.Commit(t.Context()); err != nil {
			t.Errorf("Commit of bytes that are there: %v", err)
		}
	}
	staged.Discard()
	wantContent(t, store, d, content)
	if got, err := io.ReadAll(reader); err != nil || !bytes.Equal(got, content) {
		t.Errorf("a reader from before sees %d other bytes, %v", len(got), err)
	}
}

func commitAll(t *testing.T, store blob.Store) {
	var staged []*blob.Staged
	var want []digest.SHA256
	for i := range 30 {
		content := random(1000 + i%25) // some twice
		staged = append(staged, stage(t, store, content))
		want = append(want, digest.Of(content))
	}
	if err := blob.CommitAll(t.Context(), append(staged, staged[0])); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(want, compare)
	if got := list(t, store, digest.SHA256{}); !slices.Equal(got, slices.Compact(want)) {
		t.Errorf("the store holds %d blobs, want %d", len(got), len(slices.Compact(want)))
	}
	if err := blob.CommitAll(t.Context(), staged); err != nil {
		t.Errorf("committing all again: %v", err)
	}
	if err := blob.CommitAll(t.Context(), nil); err != nil {
		t.Errorf("committing none: %v", err)
	}
	gone := stage(t, store, []byte("gone"))
	gone.Discard()
	if err := blob.CommitAll(t.Context(), []*blob.Staged{stage(t, store, []byte("there")), gone}); err == nil {
		t.Error("committing a discarded one among others succeeds")
	}
}

func ranges(t *testing.T, store blob.Store) {
	content := random(3_000_000)
	r, err := store.Open(t.Context(), put(t, store, content))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if r.Size() != int64(len(content)) {
		t.Errorf("Size = %d, want %d", r.Size(), len(content))
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 5 {
				off := rand.IntN(len(content))
				p := make([]byte, 1+rand.IntN(len(content)/2))
				want := content[off:min(len(content), off+len(p))]
				n, err := r.ReadAt(p, int64(off))
				if !bytes.Equal(p[:n], want) || errors.Is(err, io.EOF) != (n < len(p)) || err != nil && !errors.Is(err, io.EOF) {
					t.Errorf("ReadAt(%d bytes, %d) = %d, %v", len(p), off, n, err)
				}
			}
		})
	}
	wg.Wait()
	if n, err := r.ReadAt(make([]byte, 1), r.Size()); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("ReadAt the end = %d, %v", n, err)
	}
	for _, c := range []struct {
		offset int64
		whence int
		want   int64
	}{
		{10, io.SeekStart, 10},
		{5, io.SeekCurrent, 115},
		{-200, io.SeekEnd, 2_999_800},
		{0, io.SeekEnd, 3_000_000},
		{9, io.SeekEnd, 3_000_009},
		{0, io.SeekStart, 0},
	} {
		got, err := r.Seek(c.offset, c.whence)
		if err != nil || got != c.want {
			t.Fatalf("Seek(%d, %d) = %d, %v, want %d", c.offset, c.whence, got, err, c.want)
		}
		p := make([]byte, 100)
		n, err := io.ReadFull(r, p)
		want := content[min(got, r.Size()):min(got+100, r.Size())]
		if !bytes.Equal(p[:n], want) || (err == nil) != (len(want) == 100) {
			t.Errorf("100 bytes from %d: %d, %v", got, n, err)
		}
	}
	if _, err := r.Seek(-1, io.SeekStart); err == nil {
		t.Error("Seek before the beginning succeeds")
	}
}

func absent(t *testing.T, store blob.Store) {
	d := digest.Of([]byte("never stored"))
	if _, err := store.Open(t.Context(), d); !errs.Is(err, errs.NotFound) {
		t.Errorf("Open: %v, want not-found", err)
	}
	if _, err := store.Stat(t.Context(), d); !errs.Is(err, errs.NotFound) {
		t.Errorf("Stat: %v, want not-found", err)
	}
	if err := blob.Verify(t.Context(), store, d); !errs.Is(err, errs.NotFound) {
		t.Errorf("Verify: %v, want not-found", err)
	}
	if err := store.Delete(t.Context(), d); err != nil {
		t.Errorf("Delete: %v", err)
	}
}

func deleteAndReturn(t *testing.T, store blob.Store) {
	content := random(1000)
	d, other := put(t, store, content), put(t, store, random(2000))
	if err := store.Delete(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(t.Context(), d); !errs.Is(err, errs.NotFound) {
		t.Errorf("Open after Delete: %v, want not-found", err)
	}
	if got := list(t, store, digest.SHA256{}); !slices.Equal(got, []digest.SHA256{other}) {
		t.Errorf("the store holds %v, want only %v", got, other)
	}
	put(t, store, content)
	wantContent(t, store, d, content)
}

func listing(t *testing.T, store blob.Store) {
	if got := list(t, store, digest.SHA256{}); len(got) != 0 {
		t.Fatalf("a new store holds %v", got)
	}
	var want []digest.SHA256
	sizes := map[digest.SHA256]int64{}
	for i := range 40 {
		d := put(t, store, random(i))
		want, sizes[d] = append(want, d), int64(i)
	}
	slices.SortFunc(want, compare)
	if got := list(t, store, digest.SHA256{}); !slices.Equal(got, want) {
		t.Fatalf("the list is %v, want %v", got, want)
	}
	for i, d := range want {
		if got := list(t, store, d); !slices.Equal(got, want[i+1:]) {
			t.Errorf("after %v the list has %d, want %d", d, len(got), len(want)-i-1)
		}
		before := d // present or not, what comes after a digest is what is greater
		before[31]--
		if d[31] > 0 {
			if got := list(t, store, before); !slices.Equal(got, want[i:]) {
				t.Errorf("after %v, which is absent, the list has %d, want %d", before, len(got), len(want)-i)
			}
		}
	}
	enough, n := errors.New("enough"), 0
	err := store.List(t.Context(), digest.SHA256{}, func(d digest.SHA256, size int64) error {
		if size != sizes[d] {
			t.Errorf("%v is listed with %d bytes, want %d", d, size, sizes[d])
		}
		if n++; n == 7 {
			return enough
		}
		return nil
	})
	if err != enough || n != 7 { //nolint:errorlint // it must be passed on as it is
		t.Errorf("a listing that was ended returns %v after %d, want %v after 7", err, n, enough)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := store.List(ctx, digest.SHA256{}, func(digest.SHA256, int64) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled listing returns %v, want %v", err, context.Canceled)
	}
}

func large(t *testing.T, store blob.Store) {
	content := random(40 << 20)
	d := put(t, store, content)
	wantContent(t, store, d, content)
	put(t, store, content)
	if got := list(t, store, digest.SHA256{}); !slices.Equal(got, []digest.SHA256{d}) {
		t.Errorf("the store holds %v, want only %v", got, d)
	}
}

func signedURL(t *testing.T, store blob.Store) {
	content := random(3000)
	d := put(t, store, content)
	for _, ttl := range []time.Duration{30 * time.Second, time.Minute, 24 * time.Hour} {
		raw, ok, err := store.SignedURL(t.Context(), d, ttl, "naïve \"pkg\".zip", "application/zip")
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			if raw != "" {
				t.Errorf("a store that cannot sign returns %q", raw)
			}
			return
		}
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		life, err := strconv.Atoi(u.Query().Get("X-Amz-Expires"))
		if err != nil || time.Duration(life)*time.Second != min(ttl, blob.MaxSignedTTL) {
			t.Errorf("a URL for %v lives %d s, %v", ttl, life, err)
		}
		status, header, body := get(t, u)
		if status != http.StatusOK || !bytes.Equal(body, content) {
			t.Errorf("the URL answers %d with %d bytes", status, len(body))
		}
		if got := header.Get("Content-Type"); got != "application/zip" {
			t.Errorf("Content-Type = %q", got)
		}
		if got, want := header.Get("Content-Disposition"), `attachment; filename*=utf-8''na%C3%AFve%20%22pkg%22.zip`; got != want {
			t.Errorf("Content-Disposition = %q, want %q", got, want)
		}
	}
	if raw, ok, err := store.SignedURL(t.Context(), d, time.Second-1, "a.zip", "application/zip"); ok || err != nil {
		t.Errorf("a URL for less than a second is %q, %v", raw, err)
	}
}

func signedURLRefusals(t *testing.T, store blob.Store) {
	d := put(t, store, random(10))
	if _, ok, err := store.SignedURL(t.Context(), d, time.Minute, "a.zip", "application/zip"); !ok && err == nil {
		return // this store signs nothing
	}
	for _, c := range []struct{ filename, contentType string }{
		{"", "application/zip"},
		{"a\r\nSet-Cookie: b", "application/zip"},
		{"a\x00b", "application/zip"},
		{"a.zip", "text/html\r\nSet-Cookie: b"},
		{"a.zip", ""},
	} {
		if _, ok, err := store.SignedURL(t.Context(), d, time.Minute, c.filename, c.contentType); ok || !errs.Is(err, errs.Invalid) {
			t.Errorf("SignedURL(%q, %q) = %v, %v, want invalid", c.filename, c.contentType, ok, err)
		}
	}
}

func signed(t *testing.T, store blob.Store, d digest.SHA256, ttl time.Duration) *url.URL {
	t.Helper()
	raw, ok, err := store.SignedURL(t.Context(), d, ttl, "a.zip", "application/zip")
	if err != nil || !ok {
		t.Fatalf("SignedURL = %v, %v", ok, err)
	}
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	if status, _, _ := get(t, u); status != http.StatusOK {
		t.Fatalf("a new URL answers %d", status)
	}
	return u
}

func get(t *testing.T, u *url.URL) (int, http.Header, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, u.String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, body
}

// random returns n bytes that depend on n only.
func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)}).Read(b)
	return b
}

func stage(t *testing.T, store blob.Store, content []byte) *blob.Staged {
	t.Helper()
	staged, err := store.Stage(t.Context(), bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(staged.Discard)
	if staged.Digests() != digest.SetOf(content) {
		t.Fatalf("staged digests are %v", staged.Digests())
	}
	return staged
}

func openStaged(t *testing.T, staged *blob.Staged) blob.ReadSeekerAt {
	t.Helper()
	r, err := staged.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func put(t *testing.T, store blob.Store, content []byte) digest.SHA256 {
	t.Helper()
	set, err := blob.Put(t.Context(), store, content)
	if err != nil {
		t.Fatal(err)
	}
	return set.SHA256
}

func list(t *testing.T, store blob.Store, after digest.SHA256) (got []digest.SHA256) {
	t.Helper()
	err := store.List(t.Context(), after, func(d digest.SHA256, _ int64) error {
		got = append(got, d)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func wantContent(t *testing.T, store blob.Store, d digest.SHA256, want []byte) {
	t.Helper()
	r, err := store.Open(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want) {
		t.Errorf("blob %v reads as %d bytes, %v, want %d", d, len(got), err, len(want))
	}
}

// wantEmpty asserts that the store holds nothing, and in particular not d.
func wantEmpty(t *testing.T, store blob.Store, d digest.SHA256) {
	t.Helper()
	if _, err := store.Open(t.Context(), d); !errs.Is(err, errs.NotFound) {
		t.Errorf("Open of what was never committed: %v, want not-found", err)
	}
	if got := list(t, store, digest.SHA256{}); len(got) != 0 {
		t.Errorf("the store holds %v, want nothing", got)
	}
}

func compare(a, b digest.SHA256) int { return bytes.Compare(a[:], b[:]) }
