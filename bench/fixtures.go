package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"

	"bonded/e2e/wire"
)

// point is one thing that is read.
type point struct {
	name, file string
	path       string // below the registry's prefix
	accept     string
	gzip       bool
	conns      int
	// limit is the target for CPU per request, as a multiple of nginx's.
	limit float64
	// secure measures it under TLS with a token as well.
	secure bool
}

const (
	full        = "Accept: application/json"
	abbreviated = "Accept: application/vnd.npm.install-v1+json"
)

func points() []point {
	return []point{
		{name: "packument 7.7 kB, full", file: "small.json", path: "doc-small", accept: full, conns: 32, limit: 5, secure: true},
		{name: "packument 150 kB, full", file: "large.json", path: "doc-large", accept: full, conns: 32, limit: 4, secure: true},
		{name: "the 7.7 kB one, abbreviated", file: "small-abbreviated.json", path: "doc-small", accept: abbreviated, conns: 32},
		{name: "the 150 kB one, abbreviated", file: "large-abbreviated.json", path: "doc-large", accept: abbreviated, conns: 32},
		{name: "the 150 kB one, compressed", file: "large.json.gz", path: "doc-large", accept: full, gzip: true, conns: 32},
		{name: "tarball 200 kB", file: "medium.tgz", path: "tar-medium/-/tar-medium-1.0.0.tgz", conns: 16, limit: 3, secure: true},
		{name: "tarball 10 MB", file: "big.tgz", path: "tar-big/-/tar-big-1.0.0.tgz", conns: 8, limit: 1.2},
	}
}

// request is the GET of a point at a server.
func (p point) request(s *server) []byte {
	path := s.prefix + p.path
	if s.prefix == "" {
		path = "/" + p.file
	}
	var header []string
	if p.accept != "" {
		header = append(header, p.accept)
	}
	if p.gzip && s.prefix != "" {
		header = append(header, "Accept-Encoding: gzip")
	}
	if s.to.tls != nil && s.token != "" {
		header = append(header, "Authorization: Bearer "+s.token)
	}
	return s.to.get(path, header...)
}

// documentManifest gives a version the weight of a real one: 12 dependencies and 18 for development.
func documentManifest() map[string]any {
	list := func(kind string, n int) map[string]string {
		m := map[string]string{}
		for i := range n {
			m[fmt.Sprintf("%s-%s-%d", kind, wire.Name("lib", i*37), i)] = fmt.Sprintf("^%d.%d.%d", i%9, i%7, i%5)
		}
		return m
	}
	return map[string]any{
		"dependencies": list("runtime", 12), "devDependencies": list("tooling", 18),
		"scripts": map[string]string{"test": "node test.js", "build": "tsc -p ."}, "engines": map[string]string{"node": ">=18"},
	}
}

// publishFixtures brings what is read to a server. versions says how many of the two documents' packages are needed.
func publishFixtures(ctx context.Context, s *server, versions map[string]int) error {
	random := rand.New(rand.NewPCG(1, 2))
	documents := wire.NPM{Manifest: documentManifest()}
	for _, name := range []string{"doc-small", "doc-large"} {
		for i := range versions[name] {
			if err := publishOne(ctx, s, documents, documents.Make(name, fmt.Sprintf("1.%d.0", i), 300, random)); err != nil {
				return err
			}
		}
	}
	if err := publishOne(ctx, s, wire.NPM{}, wire.NPM{}.Make("tar-medium", "1.0.0", 200_000, random)); err != nil {
		return err
	}
	return publishOne(ctx, s, wire.NPM{}, wire.NPM{}.Make("tar-big", "1.0.0", 10_000_000, random))
}

func publishOne(ctx context.Context, s *server, p wire.NPM, r wire.Release) error {
	scheme := "http://"
	if s.to.tls != nil {
		scheme = "https://"
	}
	base := scheme + s.to.addr
	a, err := (&wire.Client{Base: base, Token: s.token, HTTP: insecure}).Put(ctx, s.prefix+r.Name, p.PublishBody(base, r))
	if err == nil && a.Status != http.StatusCreated {
		err = fmt.Errorf("%s: publishing %s answers %d: %s", s.name, r.Name, a.Status, a.Body)
	}
	return err
}

// documentSizes are the full documents that are wanted, in bytes.
var documentSizes = map[string]int{"doc-small": 7_700, "doc-large": 150_000}

// versionsNeeded finds out how many versions make documents of those sizes, at a server that is thrown away.
func versionsNeeded(ctx context.Context, s *server) (map[string]int, error) {
	documents := wire.NPM{Manifest: documentManifest()}
	random := rand.New(rand.NewPCG(1, 2))
	sizes := [2]int{}
	for i := range sizes {
		if err := publishOne(ctx, s, documents, documents.Make("doc-probe", fmt.Sprintf("1.%d.0", i), 300, random)); err != nil {
			return nil, err
		}
		b, err := body(ctx, s.to, s.to.get(s.prefix+"doc-probe", full))
		if err != nil {
			return nil, err
		}
		sizes[i] = len(b)
	}
	each := sizes[1] - sizes[0]
	if each <= 0 {
		return nil, errors.New("a further version does not make the document longer")
	}
	out := map[string]int{}
	for name, want := range documentSizes {
		out[name] = 1 + max(0, (want-sizes[0]+each/2)/each)
	}
	return out, nil
}

// capture writes the answers of a server to nginx's folder, so that both serve the very same bytes.
func capture(ctx context.Context, s *server, www string) error {
	if err := os.MkdirAll(www, 0o755); err != nil {
		return err
	}
	for _, p := range points() {
		b, err := body(ctx, s.to, p.request(s))
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		if err := os.WriteFile(filepath.Join(www, p.file), b, 0o644); err != nil {
			return err
		}
	}
	return nil
}
