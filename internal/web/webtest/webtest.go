// Package webtest fills a registry with packages of all five ecosystems, in every state that a page can show, for tests of pages.
package webtest

import (
	"context"
	"fmt"
	"strings"

	"bonded/internal/blob"
	"bonded/internal/registry"
)

// Sample is one release to be recorded.
type Sample struct {
	Ecosystem, Name, Version string
	Manifest                 registry.Manifest
	// Files are paths below the repository, with their kind.
	Files map[string]string
	Tags  []string
	Mark  string
	// Verdict is allow when empty.
	Verdict registry.Verdict
}

// Hostile is markup that must never reach a reader's browser.
const Hostile = `<script>alert(1)</script><img src="https://evil.example/pixel.png" onerror="alert(2)" alt="a pixel">[x](javascript:alert(3))`

const markdown = `# Sample

A [link](https://example.com/docs), a [relative one](docs/guide.md), and an image: ![build status](https://ci.example/badge.svg).

## Usage

` + "```js\nconst sample = require(\"@acme/sample\");\nsample.run({ quickly: true, with: [\"a rather long line that has to scroll on a small screen\", 1, 2, 3] });\n```" + `

| Option | Default | Meaning |
|--------|--------:|---------|
| depth  | 3       | how far it looks |
| quiet  | false   | whether it speaks |

- [x] first
- [ ] second

> Nothing leaves before it was inspected.

` + Hostile + "\n"

const rst = "Sample\n======\n\nAn example_ in reStructuredText with ``code``.\n\n.. _example: https://example.com/\n"

// Samples are what Fill records, oldest first.
func Samples() []Sample {
	links := map[string]string{"Homepage": "https://example.com/sample", "Repository": "https://code.example/acme/sample", "Trap": "javascript:alert(1)"}
	npm := registry.Manifest{
		Name: "@acme/sample", Summary: "A sample that looks at things, with a summary long enough to be read", License: "MIT OR Apache-2.0", Links: links,
		Authors: []string{"Ada Example <ada@example.com>"}, Keywords: []string{"sample", "looking", "quick"}, Readme: markdown, ReadmeType: "text/markdown",
		Dependencies: []registry.Dependency{
			{Name: "left-pad", Requirement: "^1.3.0", Kind: "normal"},
			{Name: "@acme/base", Requirement: ">=2 <4", Kind: "peer", Optional: true},
			{Name: "tester", Requirement: "~5.1", Kind: "dev", Condition: "node >= 20"},
		},
		InstallCode: []string{"postinstall: node setup.js"},
	}
	all := []Sample{
		npmSample("@acme/sample", "0.9.0", npm), npmSample("@acme/sample", "1.0.0", npm), npmSample("@acme/sample", "1.1.0", npm), npmSample("@acme/sample", "2.0.0-beta.1", npm),
		{
			Ecosystem: "cargo", Name: "sample-crate", Version: "0.3.1", Files: map[string]string{"dl/sample-crate/sample-crate-0.3.1.crate": "crate"},
			Manifest: registry.Manifest{
				Summary: "A crate", License: "MIT", Readme: markdown, ReadmeType: "text/markdown",
				Dependencies: []registry.Dependency{{Name: "serde", Requirement: "^1", Kind: "normal", Condition: `cfg(unix)`}},
			},
		},
		{
			Ecosystem: "pypi", Name: "Sample.Project", Version: "1.2.0",
			Files: map[string]string{
				"packages/sample-project/sample_project-1.2.0-py3-none-any.whl": "wheel", "packages/sample-project/sample_project-1.2.0.tar.gz": "sdist",
			},
			Manifest: registry.Manifest{Summary: "A project", License: "BSD-3-Clause", Readme: rst, ReadmeType: "text/x-rst", InstallCode: []string{"setup.py"}},
		},
		{
			Ecosystem: "maven", Name: "org.example:sample", Version: "1.0",
			Files: map[string]string{
				"org/example/sample/1.0/sample-1.0.jar": "jar", "org/example/sample/1.0/sample-1.0.pom": "pom", "org/example/sample/1.0/sample-1.0-sources.jar": "jar",
			},
			Manifest: registry.Manifest{Summary: "An artifact", Dependencies: []registry.Dependency{{Name: "junit:junit", Requirement: "4.13", Kind: "test"}}},
		},
		{
			Ecosystem: "composer", Name: "acme/sample", Version: "3.1.4", Files: map[string]string{"dist/acme/sample/3.1.4.zip": "zip"},
			Manifest: registry.Manifest{Summary: "A PHP package", License: "MIT", Readme: "plain & <simple>", ReadmeType: "text/plain"},
		},
		{
			Ecosystem: "npm", Name: "blocked", Version: "1.0.0", Files: map[string]string{"blocked/-/blocked-1.0.0.tgz": "tgz"}, Manifest: registry.Manifest{Summary: "bad words"},
			Verdict: registry.Verdict{Decision: registry.Block, Rule: "check/malware", Reason: "It reads the credentials of the cloud."},
		},
		{
			Ecosystem: "npm", Name: "held", Version: "1.0.0", Files: map[string]string{"held/-/held-1.0.0.tgz": "tgz"}, Manifest: registry.Manifest{Summary: "waiting words"},
			Verdict: registry.Verdict{Decision: registry.Hold, Rule: "policy/review", Reason: "It waits for a review."},
		},
	}
	for _, name := range []string{"quarantined", "archived", "deprecated", "yanked"} {
		all = append(all, npmSample(name, "1.0.0", registry.Manifest{Summary: "A package that is " + name}))
	}
	half := npmSample("half", "1.0.0", registry.Manifest{Summary: "harmless words"})
	worse := npmSample("half", "1.1.0", registry.Manifest{Summary: "harmful words", Keywords: []string{"harmful"}})
	worse.Verdict = registry.Verdict{Decision: registry.Block, Rule: "check/malware", Reason: "It deletes files."}
	old := npmSample("oldstyle", "1.0.0", registry.Manifest{Summary: "A package with a message"})
	old.Mark = "use @acme/sample instead"
	return append(all, half, worse, old)
}

func npmSample(name, version string, m registry.Manifest) Sample {
	base := name[strings.LastIndexByte(name, '/')+1:]
	s := Sample{Ecosystem: "npm", Name: name, Version: version, Manifest: m, Files: map[string]string{name + "/-/" + base + "-" + version + ".tgz": "tgz"}, Tags: []string{"latest"}}
	if strings.Contains(version, "-") {
		s.Tags = []string{"beta"}
	}
	return s
}

// Fill records the samples in the "local" repositories as the actor, and puts four npm packages into the states of their names.
func Fill(ctx context.Context, r *registry.Registry, blobs blob.Store, actor registry.Actor) error {
	for _, s := range Samples() {
		if err := Record(ctx, r, blobs, actor, "local", s); err != nil {
			return fmt.Errorf("%s %s: %w", s.Name, s.Version, err)
		}
	}
	repo, err := r.Repository(ctx, "npm", "local")
	if err != nil {
		return err
	}
	states := map[string]func(*registry.Change, *registry.Project) error{
		"quarantined": func(c *registry.Change, p *registry.Project) error {
			return c.SetStatus(ctx, p, registry.Quarantined, "It was seen sending files away")
		},
		"archived": func(c *registry.Change, p *registry.Project) error {
			return c.SetStatus(ctx, p, registry.Archived, "It is finished.")
		},
		"deprecated": func(c *registry.Change, p *registry.Project) error {
			return c.SetStatus(ctx, p, registry.Deprecated, "Use sample")
		},
		"yanked": func(c *registry.Change, p *registry.Project) error {
			return c.Yank(ctx, p, "1.0.0", "It was built wrongly")
		},
	}
	for name, set := range states {
		err := r.Change(ctx, actor, func(c *registry.Change) error {
			p, err := c.Project(ctx, repo, name)
			if err != nil {
				return err
			}
			return set(c, p)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Record publishes one sample to a repository, past the line of inspection: pages show what was recorded, however it came.
func Record(ctx context.Context, r *registry.Registry, blobs blob.Store, actor registry.Actor, repository string, s Sample) error {
	repo, err := r.Repository(ctx, s.Ecosystem, repository)
	if err != nil {
		return err
	}
	format := r.Format(s.Ecosystem)
	n := registry.NewRelease{Manifest: &s.Manifest, Tags: s.Tags, Mark: s.Mark, Verdict: s.Verdict, Record: []byte(`{"version":"` + s.Version + `"}`)}
	if n.Name, err = format.Name(s.Name); err != nil {
		return err
	}
	if n.Version, err = format.Version(s.Version); err != nil {
		return err
	}
	for path, kind := range s.Files {
		d, err := blob.Put(ctx, blobs, []byte("the bytes of "+repository+"/"+path))
		if err != nil {
			return err
		}
		n.Files = append(n.Files, registry.NewFile{Path: path, Kind: kind, Digests: d, Detail: []byte("{}")})
	}
	return r.Change(ctx, actor, func(c *registry.Change) error {
		_, err := c.Publish(ctx, repo, n)
		return err
	})
}
