// Package digest computes and names the digests of bytes. SHA-256 is the identity of a blob; the others are
// what the five wire protocols ask for.
package digest

import (
	"crypto/md5"  //nolint:gosec // a wire format of PyPI and Maven, never a security decision
	"crypto/sha1" //nolint:gosec // a wire format of npm, Maven and Composer, never a security decision
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"io"

	"golang.org/x/crypto/blake2b"
)

// SHA256 is the identity of a blob.
type SHA256 [sha256.Size]byte

// String returns the digest in lower-case hex.
func (d SHA256) String() string { return hex.EncodeToString(d[:]) }

// IsZero reports whether no digest is set.
func (d SHA256) IsZero() bool { return d == SHA256{} }

// Parse reads 64 hex digits.
func Parse(s string) (d SHA256, ok bool) {
	if len(s) != 2*sha256.Size {
		return d, false
	}
	_, err := hex.Decode(d[:], []byte(s))
	return d, err == nil
}

// Of returns the SHA-256 of b.
func Of(b []byte) SHA256 { return sha256.Sum256(b) }

// Set holds every digest that a protocol asks for, computed in one pass over the bytes.
type Set struct {
	Size    int64
	SHA256  SHA256
	MD5     [md5.Size]byte
	SHA1    [sha1.Size]byte
	SHA512  [sha512.Size]byte
	Blake2b [blake2b.Size256]byte // BLAKE2b-256, as PyPI uses it
}

// Hex returns the digest of an algorithm name used on the wire (md5, sha1, sha256, sha512, blake2_256) in lower-case
// hex, and false for any other name.
func (s *Set) Hex(algorithm string) (string, bool) {
	switch algorithm {
	case "md5":
		return hex.EncodeToString(s.MD5[:]), true
	case "sha1":
		return hex.EncodeToString(s.SHA1[:]), true
	case "sha256":
		return s.SHA256.String(), true
	case "sha512":
		return hex.EncodeToString(s.SHA512[:]), true
	case "blake2_256":
		return hex.EncodeToString(s.Blake2b[:]), true
	}
	return "", false
}

// Integrity returns the Subresource Integrity form of the SHA-512, as npm uses it.
func (s *Set) Integrity() string {
	return "sha512-" + base64.StdEncoding.EncodeToString(s.SHA512[:])
}

// Hasher computes a Set while bytes pass through it.
type Hasher struct {
	n                              int64
	sha256, md5, sha1, sha512, b2b hash.Hash
	all                            io.Writer
}

// NewHasher returns an empty Hasher.
func NewHasher() *Hasher {
	b2b, _ := blake2b.New256(nil)                                                                        // the error is for keys only
	h := &Hasher{sha256: sha256.New(), md5: md5.New(), sha1: sha1.New(), sha512: sha512.New(), b2b: b2b} //nolint:gosec // see above
	h.all = io.MultiWriter(h.sha256, h.md5, h.sha1, h.sha512, h.b2b)
	return h
}

// Write hashes p; it never fails.
func (h *Hasher) Write(p []byte) (int, error) {
	h.n += int64(len(p))
	return h.all.Write(p)
}

// Sum returns the digests of what was written so far.
func (h *Hasher) Sum() Set {
	s := Set{Size: h.n}
	h.sha256.Sum(s.SHA256[:0])
	h.md5.Sum(s.MD5[:0])
	h.sha1.Sum(s.SHA1[:0])
	h.sha512.Sum(s.SHA512[:0])
	h.b2b.Sum(s.Blake2b[:0])
	return s
}

// SetOf returns every digest of b.
func SetOf(b []byte) Set {
	h := NewHasher()
	_, _ = h.Write(b)
	return h.Sum()
}
