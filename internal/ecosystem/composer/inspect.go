package composer

import (
	"io"
	"path"
	"slices"
	"strings"

	"bonded/internal/archive"
	"bonded/internal/errs"
	"bonded/internal/registry"
)

// What is read of an archive besides its list of entries.
const (
	maxComposerJSON = 512 << 10
	maxReadme       = 256 << 10
)

const manifestFile = "composer.json"

// contents is what is kept of an archive while it is walked.
type contents struct {
	// tops are the entries of the top level, as far as they matter: more than one of them means no single directory.
	tops []string
	// atRoot is what the root holds; inTop what the first directory does, which counts if it stays the only one.
	atRoot, inTop found
	firstTop      string
}

// found is what one directory holds for us.
type found struct {
	composer   []byte
	readme     string
	readmeName string
}

// inspect reads a dist zip: composer.json at the root or inside exactly one top directory, as clients unpack it
// (composer.md §4), and nothing that two extractors could see differently.
func inspect(a registry.Artifact) (*registry.Manifest, error) {
	c := &contents{}
	list, err := archive.Walk(a.Body, a.Digests.Size, archive.Zip, archive.ComposerZip(), archive.DefaultLimits(), c.visit)
	if err != nil {
		return nil, err
	}
	if err := list.Refuse(a.Strict); err != nil {
		return nil, err
	}
	for _, e := range list.Entries {
		c.top(e)
	}
	root, err := c.root()
	if err != nil {
		return nil, err
	}
	m, err := readComposerJSON(root.composer)
	if err != nil {
		return nil, err
	}
	if root.readmeName != "" {
		m.Readme, m.ReadmeType = strings.ToValidUTF8(root.readme, "\ufffd"), readmeTypes[strings.ToLower(path.Ext(root.readmeName))]
	}
	return m, nil
}

// top notes a top-level entry. Clients overlook .DS_Store when they ask whether there is one directory only.
func (c *contents) top(e archive.Entry) {
	name, _, nested := strings.Cut(e.Name, "/")
	if !nested && !e.Dir {
		if name == ".DS_Store" {
			return
		}
		name += "\x00" // a file is no directory, even the only one
	}
	if len(c.tops) < 3 && !slices.Contains(c.tops, name) {
		c.tops = append(c.tops, name)
	}
}

func (c *contents) visit(e archive.Entry, body io.Reader) error {
	dir, file := path.Split(e.Name)
	dir = strings.TrimSuffix(dir, "/")
	if strings.Contains(dir, "/") {
		return nil
	}
	f := &c.atRoot
	if dir != "" {
		if c.firstTop == "" {
			c.firstTop = dir
		}
		if dir != c.firstTop {
			return nil
		}
		f = &c.inTop
	}
	switch rank := readmeRank(file); {
	case file == manifestFile:
		if e.Size > maxComposerJSON {
			return errs.New(errs.TooLarge, "The composer.json in the archive has %d bytes, more than %d.", e.Size, maxComposerJSON).
				WithRule("composer/manifest-size")
		}
		b, err := io.ReadAll(body)
		if err != nil {
			return err
		}
		f.composer = b
	case rank < readmeRank(f.readmeName):
		b, err := io.ReadAll(io.LimitReader(body, maxReadme))
		if err != nil {
			return err
		}
		f.readme, f.readmeName = string(b), file
	}
	return nil
}

// root is the directory that clients take for the package.
func (c *contents) root() (found, error) {
	switch {
	case c.atRoot.composer != nil:
		return c.atRoot, nil
	case len(c.tops) == 1 && c.tops[0] == c.firstTop && c.inTop.composer != nil:
		return c.inTop, nil
	}
	return found{}, errs.New(errs.Invalid, "The archive has no composer.json at its root or in its only top directory.").WithRule("composer/no-manifest").
		WithNext("Pack the folder that holds composer.json, for instance with `composer archive --format=zip`.")
}

var readmeTypes = map[string]string{
	".md": "text/markdown", ".markdown": "text/markdown", "": "text/plain", ".txt": "text/plain", ".rst": "text/x-rst",
}

// readmeRank orders the files that can be a package's readme, markdown before anything else; the highest rank is none.
func readmeRank(file string) int {
	const none = 9
	ext := strings.ToLower(path.Ext(file))
	if !strings.EqualFold(strings.TrimSuffix(file, path.Ext(file)), "readme") {
		return none
	}
	switch ext {
	case ".md", ".markdown":
		return 0
	case "", ".txt":
		return 1
	case ".rst":
		return 2
	}
	return none
}
