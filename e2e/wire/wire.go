// Package wire speaks each ecosystem's protocol as plainly as its client does, with small packages made on the spot: for
// tests and measurements that need thousands of publishes, which the real clients would take hours for.
package wire

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/md5"  //nolint:gosec // what PyPI's protocol asks for
	"crypto/sha1" //nolint:gosec // what npm's, Maven's and Composer's protocols ask for
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Client is a package client's connection to one server.
type Client struct {
	// Base is the server's public URL without a trailing slash.
	Base  string
	Token string
	// Header goes with every request.
	Header http.Header
	HTTP   *http.Client
}

// Release is one generated release.
type Release struct {
	Name, Version string
	// File is the artifact's file name and Bytes its content.
	File  string
	Bytes []byte
}

// Listed is a release as an index document shows it.
type Listed struct {
	Version string
	// URL serves the artifact.
	URL string
	// Algorithm and Digest (hex) are what the document promises of the bytes.
	Algorithm, Digest string
}

// Answer is a response, read whole.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// OK reports a status of success.
func (a Answer) OK() bool { return a.Status >= 200 && a.Status <= 299 }

// Protocol is how one ecosystem's clients publish to and read from a repository named "local".
type Protocol interface {
	// Ecosystem is the purl type.
	Ecosystem() string
	// Make generates a release whose artifact holds about size incompressible bytes.
	Make(name, version string, size int, random *rand.Rand) Release
	// Publish sends it once.
	Publish(ctx context.Context, c *Client, r Release) (Answer, error)
	// List reads the index document of a project; a project that is not there has no releases.
	List(ctx context.Context, c *Client, name string) ([]Listed, error)
	// Documents are the paths and Accept headers of a project's index documents, in every representation.
	Documents(name string) []Document
}

// Document is one representation of an index document.
type Document struct{ Path, Accept string }

// All returns the protocols by ecosystem.
func All() map[string]Protocol {
	return map[string]Protocol{"npm": NPM{}, "cargo": Cargo{}, "pypi": PyPI{}, "maven": Maven{}, "composer": Composer{}}
}

// letters cannot be taken for one another, so that generated names are no look-alikes.
const letters = "abdefghkpstxyz"

// Name returns the n-th generated name, the same in every ecosystem's rules.
func Name(prefix string, n int) string {
	b := []byte(prefix)
	for range 5 {
		b = append(b, letters[n%len(letters)])
		n /= len(letters)
	}
	return string(b)
}

// Get reads a path below Base, or a whole URL.
func (c *Client) Get(ctx context.Context, path, accept string) (Answer, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url(path), nil)
	if err != nil {
		return Answer{}, err
	}
	if accept != "" {
		r.Header.Set("Accept", accept)
	}
	return c.do(r)
}

func (c *Client) url(path string) string {
	if strings.HasPrefix(path, "/") {
		return c.Base + path
	}
	return path
}

func (c *Client) send(ctx context.Context, method, path, authorization string, body []byte, header ...string) (Answer, error) {
	r, err := http.NewRequestWithContext(ctx, method, c.url(path), bytes.NewReader(body))
	if err != nil {
		return Answer{}, err
	}
	r.Header.Set("Authorization", authorization)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return c.do(r)
}

func (c *Client) do(r *http.Request) (Answer, error) {
	maps.Copy(r.Header, c.Header)
	res, err := c.HTTP.Do(r)
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	return Answer{res.StatusCode, res.Header, b}, err
}

// index reads an index document; nil if the project is not there.
func (c *Client) index(ctx context.Context, path, accept string) ([]byte, error) {
	a, err := c.Get(ctx, path, accept)
	switch {
	case err != nil:
		return nil, err
	case a.Status == http.StatusNotFound:
		return nil, nil
	case a.Status != http.StatusOK:
		return nil, fmt.Errorf("GET %s: %d: %s", path, a.Status, a.Body)
	}
	return a.Body, nil
}

func (c *Client) bearer() string { return "Bearer " + c.Token }

func (c *Client) basic() string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte("__token__:"+c.Token))
}

// Sum is the hex digest of b.
func Sum(algorithm string, b []byte) string {
	switch algorithm {
	case "md5":
		s := md5.Sum(b) //nolint:gosec // see above
		return hex.EncodeToString(s[:])
	case "sha1":
		s := sha1.Sum(b) //nolint:gosec // see above
		return hex.EncodeToString(s[:])
	case "sha512":
		s := sha512.Sum512(b)
		return hex.EncodeToString(s[:])
	default:
		s := sha256.Sum256(b)
		return hex.EncodeToString(s[:])
	}
}

// entry is a file of a generated archive.
type entry struct {
	name string
	body []byte
}

func text(name, body string) entry { return entry{name, []byte(body)} }

// filler is incompressible content of an archive.
func filler(name string, size int, random *rand.Rand) entry {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return entry{name, b}
}

// packedAt is the time of every packed file, so that the same content gives the same bytes.
var packedAt = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

// targz packs entries; writing into memory cannot fail.
func targz(entries ...entry) []byte {
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	w := tar.NewWriter(z)
	for _, e := range entries {
		_ = w.WriteHeader(&tar.Header{Name: e.name, Mode: 0o644, Size: int64(len(e.body)), ModTime: packedAt, Format: tar.FormatUSTAR})
		_, _ = w.Write(e.body)
	}
	_ = w.Close()
	_ = z.Close()
	return buf.Bytes()
}

// zipped packs entries; writing into memory cannot fail.
func zipped(entries ...entry) []byte {
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for _, e := range entries {
		f, _ := w.CreateHeader(&zip.FileHeader{Name: e.name, Method: zip.Deflate, Modified: packedAt})
		_, _ = f.Write(e.body)
	}
	_ = w.Close()
	return buf.Bytes()
}

func sorted[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// Put sends JSON to a path as npm's client does.
func (c *Client) Put(ctx context.Context, path string, body []byte) (Answer, error) {
	return c.send(ctx, http.MethodPut, path, c.bearer(), body, "Content-Type", "application/json")
}
