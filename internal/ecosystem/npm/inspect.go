package npm

import (
	"bytes"
	"errors"
	"io"
	"path"
	"slices"
	"strings"

	"bonded/internal/archive"
	"bonded/internal/errs"
	"bonded/internal/registry"
)

// What is read of a tarball besides its list of entries.
const (
	maxPackageJSON = 4 << 20
	maxReadme      = 256 << 10
)

// tarball is what an npm tarball says about itself.
type tarball struct {
	pkg        object
	essentials essentials
	files      int
	unpacked   int64
	// shrinkwrap reports an npm-shrinkwrap.json, gyp a binding.gyp in the package's root.
	shrinkwrap, gyp bool
	// commands are the files below directories.bin.
	commands   map[string]string
	readme     string
	readmeFile string
}

// inspect reads a tarball: one top directory, package.json in it, nothing that two extractors could see differently
// (npm.md §3).
func inspect(a registry.Artifact) (*registry.Manifest, error) {
	t := &tarball{}
	var raw []byte
	list, err := archive.Walk(a.Body, a.Digests.Size, archive.TarGz, archive.NPM(), archive.DefaultLimits(), func(e archive.Entry, body io.Reader) error {
		_, file, ok := strings.Cut(e.Name, "/")
		switch {
		case !ok || strings.Contains(file, "/"):
			return nil
		case file == "package.json":
			var err error
			raw, err = readPackageJSON(e, body)
			return err
		case readmeRank(file) < readmeRank(t.readmeFile):
			b, err := io.ReadAll(io.LimitReader(body, maxReadme))
			t.readmeFile, t.readme = file, strings.ToValidUTF8(string(b), "\ufffd")
			return err
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := list.Refuse(a.Strict); err != nil {
		return nil, err
	}
	if raw == nil {
		return nil, errs.New(errs.Invalid, "The tarball has no package.json in its top directory.").WithRule("npm/no-package-json").
			WithNext("Pack it with the client, which puts it at package/package.json.")
	}
	if t.pkg, err = parsePackageJSON(raw); err != nil {
		return nil, err
	}
	t.essentials = essentialsOf(t.pkg)
	t.walk(list)
	return t.manifest(raw), nil
}

func readPackageJSON(e archive.Entry, body io.Reader) ([]byte, error) {
	if e.Size > maxPackageJSON {
		return nil, errs.New(errs.TooLarge, "The package.json in the tarball has %d bytes, more than %d.", e.Size, maxPackageJSON).
			WithRule("npm/package-json-size")
	}
	return io.ReadAll(body)
}

// readmeRank orders the files that can be a package's readme as the client does, markdown before anything else; noReadme
// for every other file.
func readmeRank(file string) int {
	base, ext, _ := strings.Cut(strings.ToLower(file), ".")
	if base != "readme" {
		return noReadme
	}
	switch ext {
	case "md", "markdown", "mdown", "mkd":
		return 0
	case "":
		return 1
	case "rst", "txt":
		return 2
	}
	return noReadme
}

const noReadme = 9

// parsePackageJSON reads package.json; a byte order mark and invalid UTF-8 are read as Node.js reads them.
func parsePackageJSON(raw []byte) (object, error) {
	raw = bytes.TrimPrefix(bytes.ToValidUTF8(raw, []byte("\ufffd")), []byte("\ufeff"))
	o, err := parseObject(raw)
	if err != nil {
		return nil, errs.New(errs.Invalid, "The package.json in the tarball cannot be read: %v.", jsonReason(err)).WithRule("npm/package-json").
			WithNext("Correct it and publish again.")
	}
	return o, nil
}

// jsonReason is a parse error without what this program calls things.
func jsonReason(err error) string {
	if errors.Is(err, errNotObject) {
		return err.Error()
	}
	return strings.TrimPrefix(strings.TrimPrefix(err.Error(), "json: "), "jsontext: ")
}

// walk takes the facts that the list of entries tells.
func (t *tarball) walk(list *archive.Listing) {
	t.unpacked = list.Unpacked
	t.commands = map[string]string{}
	prefix := t.essentials.binDir + "/"
	for _, e := range list.Entries {
		if e.Dir {
			continue
		}
		t.files++
		_, file, _ := strings.Cut(e.Name, "/")
		switch file {
		case "npm-shrinkwrap.json":
			t.shrinkwrap = true
		case "binding.gyp":
			t.gyp = true
		}
		if below, ok := strings.CutPrefix(file, prefix); ok && t.essentials.binDir != "" && !strings.HasPrefix(below, ".") && !strings.Contains(below, "/.") {
			t.commands[path.Base(file)] = file
		}
	}
}

func (t *tarball) readmeType() string {
	switch {
	case readmeRank(t.readmeFile) == 0:
		return "text/markdown"
	case strings.EqualFold(path.Ext(t.readmeFile), ".rst"):
		return "text/x-rst"
	default:
		return "text/plain"
	}
}

// buildsNative reports that the client runs node-gyp for a package that says nothing about it (npm.md §2.2).
func (t *tarball) buildsNative() bool {
	s := t.essentials.scripts
	return t.gyp && s["install"] == "" && s["preinstall"] == "" && t.pkg.any("gypfile") != false
}

const nodeGyp = "node-gyp rebuild"

// bins are the commands that an installation links.
func (t *tarball) bins() map[string]string {
	if t.essentials.binDir != "" {
		return t.commands
	}
	return t.essentials.bin
}

func (t *tarball) manifest(raw []byte) *registry.Manifest {
	e := t.essentials
	m := &registry.Manifest{
		Name: e.name, Version: e.version, Summary: t.description(), License: licence(t.pkg), Links: map[string]string{},
		Keywords: keywords(t.pkg.any("keywords")), Readme: t.readme, Raw: raw, Detail: t,
	}
	if t.readme != "" {
		m.ReadmeType = t.readmeType()
	}
	repository, homepage, bugs := links(t.pkg)
	for label, url := range map[string]string{"repository": repository, "homepage": homepage, "bugs": bugs} {
		if url != "" {
			m.Links[label] = url
		}
	}
	for _, p := range append([]any{t.pkg.any("author")}, list(t.pkg.any("contributors"))...) {
		if who := person(p); who["name"] != "" {
			m.Authors = append(m.Authors, who["name"])
		}
	}
	m.Dependencies = t.requirements()
	for _, event := range installScripts {
		if s := e.scripts[event]; s != "" {
			m.InstallCode = append(m.InstallCode, event+": "+s)
		}
	}
	if t.buildsNative() {
		m.InstallCode = append(m.InstallCode, "install: "+nodeGyp)
	}
	return m
}

// kindNames are the registry's words for the kinds of dependency.
var kindNames = []struct{ field, kind string }{
	{dependencies, "normal"}, {optionalDependencies, "optional"}, {peerDependencies, "peer"}, {devDependencies, "dev"},
}

func (t *tarball) requirements() []registry.Dependency {
	var out []registry.Dependency
	for _, k := range kindNames {
		deps := t.essentials.requires[k.field]
		if k.field == devDependencies {
			deps = dependencyMap(t.pkg.any(devDependencies))
		}
		for _, name := range sortedNames(deps) {
			optional := k.field == optionalDependencies || k.field == peerDependencies && t.essentials.requires["peerDependenciesMeta"][name] != ""
			out = append(out, registry.Dependency{Name: name, Requirement: deps[name], Kind: k.kind, Optional: optional})
		}
	}
	return out
}

func sortedNames(m map[string]string) []string {
	names := make([]string, 0, len(m))
	for n := range m {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}
