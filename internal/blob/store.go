// Package blob keeps immutable bytes under their SHA-256: in a folder, or in an S3-compatible store.
//
// Bytes are staged first (received, hashed, invisible) and committed later, so that nothing is visible that was not
// received whole. Both stores use the same layout, sha256/ab/cd/<64 hex digits>, so that a folder copied into a bucket
// is a store.
package blob

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"time"

	"bonded/internal/digest"
	"bonded/internal/errs"
)

// RuleDamaged is the rule of the errors that report stored bytes which are no longer the bytes of their digest.
const RuleDamaged = "blob/damaged"

// MaxSignedTTL bounds the life of a signed URL: bytes that were withdrawn may be fetched no longer than this.
const MaxSignedTTL = 60 * time.Second

// Store keeps immutable bytes under their SHA-256. All methods may be called from several goroutines.
type Store interface {
	// Stage reads r to its end, hashing on the way, into a place where nobody sees the bytes until Commit.
	// More than limit bytes are refused with errs.TooLarge. An error of r that is of package errs is passed on, any other
	// becomes errs.Invalid with that error as its cause. A reader that fails leaves nothing behind.
	Stage(ctx context.Context, r io.Reader, limit int64) (*Staged, error)
	// Open returns the bytes of d, or errs.NotFound. Reads of the S3 store end with ctx.
	Open(ctx context.Context, d digest.SHA256) (*Reader, error)
	// Stat returns the size of d, or errs.NotFound.
	Stat(ctx context.Context, d digest.SHA256) (size int64, err error)
	// Delete removes d for good; that it is absent is a success.
	Delete(ctx context.Context, d digest.SHA256) error
	// List calls fn for each blob after the given digest (the zero digest starts at the beginning) in ascending order.
	// An error of fn ends the listing and is returned as it is.
	List(ctx context.Context, after digest.SHA256, fn func(d digest.SHA256, size int64) error) error
	// SignedURL returns a URL that serves d under the given Content-Type and as a download named filename, for at most
	// ttl, which is cut to MaxSignedTTL. It is false if this store cannot. That d is present is not checked.
	SignedURL(ctx context.Context, d digest.SHA256, ttl time.Duration, filename, contentType string) (url string, ok bool, err error)
	// Close releases what the store holds open. Open readers stay usable.
	Close() error
}

// ReadSeekerAt reads bytes in order and at any offset. ReadAt may be called concurrently; Read and Seek may not.
type ReadSeekerAt interface {
	io.ReadSeekCloser
	io.ReaderAt
}

// Reader is an open blob.
type Reader struct {
	ReadSeekerAt
	size int64
}

// Size returns the number of bytes of the blob.
func (r *Reader) Size() int64 { return r.size }

// File returns the open file of a blob in a folder, and nil for any other store. It is the bare file, so that
// http.ServeContent(…, r.File()) reaches sendfile; closing the Reader closes it.
func (r *Reader) File() *os.File {
	f, _ := r.ReadSeekerAt.(*os.File)
	return f
}

// Put stores b and returns its digests.
func Put(ctx context.Context, store Store, b []byte) (digest.Set, error) {
	staged, err := store.Stage(ctx, bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return digest.Set{}, err
	}
	defer staged.Discard()
	if err := staged.Commit(ctx); err != nil {
		return digest.Set{}, err
	}
	return staged.Digests(), nil
}

// Verify reads d again and compares its SHA-256: an error with RuleDamaged says that they differ.
func Verify(ctx context.Context, store Store, d digest.SHA256) error {
	r, err := store.Open(ctx, d)
	if err != nil {
		return err
	}
	defer r.Close()
	h := sha256.New()
	n, err := io.Copy(h, withContext{ctx, r})
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return errs.New(errs.Internal, "Blob %s cannot be read whole.", d).WithRule(RuleDamaged).
			WithNext("Restore it from a backup or a peer.").Because(err)
	}
	if got := digest.SHA256(h.Sum(nil)); got != d {
		return errs.New(errs.Internal, "Blob %s holds %d bytes of other content, %s.", d, n, got).WithRule(RuleDamaged).
			WithNext("Restore it from a backup or a peer.")
	}
	return nil
}

// withContext ends a read loop between two reads once ctx is done.
type withContext struct {
	ctx context.Context
	r   io.Reader
}

// Read reads from the reader unless the context is done.
func (c withContext) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

func absent(d digest.SHA256, cause error) error {
	return errs.New(errs.NotFound, "There is no blob %s.", d).Because(cause)
}

// wrongSize reports a stored blob whose size cannot be that of its digest. It is never replaced silently: how it came to
// be so matters to the operator.
func wrongSize(d digest.SHA256, stored, size int64) error {
	return errs.New(errs.Internal, "Blob %s is stored with %d bytes where it must have %d.", d, stored, size).
		WithRule(RuleDamaged).WithNext("Keep a copy for the investigation, delete the stored one and store it again.")
}

// key is the path of d below a store's root. Two levels of 256 keep directories small up to tens of millions of blobs.
func key(d digest.SHA256) string {
	hex := d.String()
	return "sha256/" + hex[:2] + "/" + hex[2:4] + "/" + hex
}

// isOurs reports whether err was made by package errs.
func isOurs(err error) bool {
	_, ok := errors.AsType[*errs.Error](err)
	return ok
}
