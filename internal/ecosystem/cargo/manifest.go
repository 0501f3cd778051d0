package cargo

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"bonded/internal/errs"
)

// CratesIOIndex is how Cargo spells the public registry's identity, whatever protocol is used to reach it (cargo.md §1.4,
// field registry). A dependency without registry-index in a published Cargo.toml means it.
const CratesIOIndex = "https://github.com/rust-lang/crates.io-index"

// Crate is what the normalised Cargo.toml inside a crate says (cargo.md §2.3): the truth about it, whatever the request
// says.
type Crate struct {
	Name, Version string
	// Dependencies are sorted as the public index sorts them (cargo.md §1.4).
	Dependencies []Dependency
	Features     map[string][]string
	// Links is the native library that the crate claims; one crate per graph may.
	Links       string
	RustVersion string
	Description string
	// License is an SPDX expression, LicenseFile a path in the crate.
	License, LicenseFile string
	// Homepage, Documentation and Repository are as written; only http and https ones become links.
	Homepage, Documentation, Repository string
	Authors, Keywords, Categories       []string
	// Warnings are what the publisher should know about a crate that was accepted all the same.
	Warnings []string

	readme    any // a path, or true or false; nil if absent
	build     any // a path, a list of paths, or true or false; nil if absent
	procMacro bool
}

// Dependency is one requirement in the index's words (cargo.md §1.4).
type Dependency struct {
	// Name is the name in Cargo.toml, the alias of a renamed dependency; Package is then its real name, else "".
	Name, Package string
	// Req is the requirement in canonical form, or as it stands where Cargo could not read it.
	Req      string
	Features []string
	// Kind is "normal", "build" or "dev".
	Kind string
	// Target is a cfg expression or a triple; "" for every platform.
	Target string
	// Registry is the index URL it comes from; "" for the registry that the crate itself is in.
	Registry                  string
	Optional, DefaultFeatures bool
}

// Crate is the real name of what is required.
func (d Dependency) Crate() string { return cmp.Or(d.Package, d.Name) }

// compareDependencies is the public index's order (cargo.md §1.4).
func compareDependencies(a, b Dependency) int {
	return cmp.Or(
		strings.Compare(a.Name, b.Name), kindRank(a.Kind)-kindRank(b.Kind), strings.Compare(a.Req, b.Req),
		compareBools(a.Optional, b.Optional), compareBools(a.DefaultFeatures, b.DefaultFeatures),
		strings.Compare(a.Target, b.Target), strings.Compare(a.Package, b.Package), slices.Compare(a.Features, b.Features),
		strings.Compare(a.Registry, b.Registry),
	)
}

func kindRank(kind string) int {
	switch kind {
	case "build":
		return 1
	case "dev":
		return 2
	default:
		return 0
	}
}

func compareBools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	default:
		return 1
	}
}

// ParseManifest reads a crate's Cargo.toml; errs.Invalid says why it cannot be read. Check holds it to the rules for new
// crates.
func ParseManifest(text []byte) (*Crate, error) {
	root, err := decodeTOML(text)
	if err != nil {
		return nil, err
	}
	for _, key := range []string{"patch", "replace"} {
		if _, ok := root[key]; ok {
			return nil, errs.New(errs.Invalid, "Cargo.toml inside the crate has a [%s] section, which means nothing to those who depend on it.", key).
				WithRule("cargo/manifest-patch").WithNext("Package the crate with `cargo publish`, which leaves the section out.")
		}
	}
	r := &tomlReader{}
	pkg := r.table(root, "package", "package")
	if r.err != nil {
		return nil, r.err
	}
	if pkg == nil {
		return nil, errs.New(errs.Invalid, "Cargo.toml inside the crate has no [package] section.").
			WithRule("cargo/manifest-package").WithNext("A workspace itself cannot be published; publish its members.")
	}
	c := &Crate{
		Name: r.str(pkg, "package", "name"), Version: r.str(pkg, "package", "version"),
		Links: r.str(pkg, "package", "links"), RustVersion: r.str(pkg, "package", "rust-version"),
		Description: r.str(pkg, "package", "description"), License: r.str(pkg, "package", "license"),
		LicenseFile: r.str(pkg, "package", "license-file"), Homepage: r.str(pkg, "package", "homepage"),
		Documentation: r.str(pkg, "package", "documentation"), Repository: r.str(pkg, "package", "repository"),
		Authors: r.strs(pkg, "package", "authors"), Keywords: r.strs(pkg, "package", "keywords"),
		Categories: r.strs(pkg, "package", "categories"),
		readme:     pkg["readme"], build: pkg["build"], procMacro: r.isProcMacro(root),
	}
	c.Features = r.features(root)
	c.Dependencies = r.dependencies(root)
	if r.err != nil {
		return nil, r.err
	}
	c.warn()
	return c, nil
}

func (r *tomlReader) isProcMacro(root tomlTable) bool {
	lib := r.table(root, "lib", "lib")
	if r.boolean(lib, "lib", "proc-macro", false) || r.boolean(lib, "lib", "proc_macro", false) {
		return true
	}
	return slices.Contains(r.strs(lib, "lib", "crate-type"), "proc-macro")
}

func (r *tomlReader) features(root tomlTable) map[string][]string {
	out := map[string][]string{}
	for name, v := range r.table(root, "features", "features") {
		out[name] = r.asStrs(v, "features."+name)
	}
	return out
}

// sections maps the tables of dependencies to the index's kinds.
var sections = []struct{ key, kind string }{{"dependencies", "normal"}, {"dev-dependencies", "dev"}, {"build-dependencies", "build"}}

func (r *tomlReader) dependencies(root tomlTable) []Dependency {
	all := r.dependenciesOf(root, "", "")
	targets := r.table(root, "target", "target")
	for _, target := range slices.Sorted(maps.Keys(targets)) {
		path := "target." + target
		all = append(all, r.dependenciesOf(r.table(targets, path, target), path+".", target)...)
	}
	slices.SortFunc(all, compareDependencies)
	return all
}

func (r *tomlReader) dependenciesOf(t tomlTable, path, target string) []Dependency {
	for _, old := range []string{"dev_dependencies", "build_dependencies"} {
		if _, ok := t[old]; ok {
			r.wrong(path+old, "spelled with \"-\"", nil)
		}
	}
	var all []Dependency
	for _, s := range sections {
		deps := r.table(t, path+s.key, s.key)
		for _, alias := range slices.Sorted(maps.Keys(deps)) {
			d := r.dependency(deps[alias], path+s.key+"."+alias)
			d.Name, d.Kind, d.Target = alias, s.kind, target
			if d.Package == alias {
				d.Package = ""
			}
			if CheckRequirement(d.Req) == nil {
				d.Req = canonicalRequirement(d.Req)
			}
			all = append(all, d)
		}
	}
	return all
}

// forbidden are the keys that `cargo publish` never leaves in a dependency, with what each would do.
var forbidden = []struct{ key, why string }{
	{"path", "a path is only known to the machine that published"},
	{"git", "a git repository is not part of a registry"},
	{"registry", "the name of a registry is only known to the publisher's configuration"},
	{"workspace", "the workspace is not part of the crate"},
	{"artifact", "artifact dependencies are an unstable feature of Cargo"},
	{"default_features", "the key is spelled default-features"},
}

func (r *tomlReader) dependency(v any, path string) Dependency {
	if req, ok := v.(string); ok {
		return Dependency{Req: req, DefaultFeatures: true, Registry: CratesIOIndex}
	}
	t, ok := v.(map[string]any)
	if !ok {
		r.wrong(path, "a version or a table", v)
		return Dependency{}
	}
	for _, f := range forbidden {
		if _, ok := t[f.key]; ok && r.err == nil {
			r.err = errs.New(errs.Invalid, "%s in the crate's Cargo.toml has %q: %s.", path, f.key, f.why).
				WithRule("cargo/manifest-dependency").WithNext("Package the crate with `cargo publish`, and give the dependency a version.")
		}
	}
	return Dependency{
		Req: r.str(t, path, "version"), Package: r.str(t, path, "package"), Features: r.strs(t, path, "features"),
		Optional: r.boolean(t, path, "optional", false), DefaultFeatures: r.boolean(t, path, "default-features", true),
		Registry: cmp.Or(r.str(t, path, "registry-index"), CratesIOIndex),
	}
}
