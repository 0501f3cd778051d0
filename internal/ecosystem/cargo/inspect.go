package cargo

import (
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"bonded/internal/archive"
	"bonded/internal/errs"
	"bonded/internal/registry"
)

const (
	// maxUnpacked and maxRatio are the client's own guard (cargo.md §2.5): larger crates could be published and never unpacked.
	maxUnpacked = 512 << 20
	maxRatio    = 20
	// maxReadme is the largest part of a readme that is kept.
	maxReadme = 256 << 10
	// maxReadmes bounds how many files that look like one are kept while the manifest has not been read.
	maxReadmes = 8
)

// inspect reads a crate: its own Cargo.toml decides what it is.
func inspect(a registry.Artifact) (*registry.Manifest, error) {
	name, version, ok := splitFilePath(a.Path)
	if !ok {
		return nil, noSuchPath(a.Path)
	}
	x := &extraction{top: name + "-" + version + "/", readmes: map[string]string{}}
	list, err := x.walk(a, name, version, x.first)
	if err != nil {
		return nil, err
	}
	if err := list.Refuse(a.Strict); err != nil {
		return nil, err
	}
	if x.manifest == nil {
		return nil, errs.New(errs.Invalid, "The crate holds no %sCargo.toml.", x.top).WithRule("cargo/manifest-missing").
			WithNext("Package the crate with `cargo publish`.")
	}
	c, err := ParseManifest(x.manifest)
	if err != nil {
		return nil, err
	}
	broken := c.Check()
	if broken != nil && a.Strict {
		return nil, broken
	}
	if c.Name != name || c.Version != version {
		return nil, errs.New(errs.Invalid, "Manifest confusion: the upload is for %s %s, but Cargo.toml inside the crate says %s %s.", name, version, c.Name, c.Version).
			WithRule("cargo/manifest-confusion").WithNext("Publish with `cargo publish`, which makes both from one manifest.")
	}
	m := c.manifest()
	m.Raw = x.manifest
	m.InstallCode = c.installCode(x.names)
	for _, anomaly := range list.Anomalies {
		m.Notes = append(m.Notes, anomaly.Err().What)
	}
	if broken != nil { // the public registry makes exceptions, and its rules were milder once
		m.Notes = append(m.Notes, errs.Public(broken).What)
	}
	if err := x.readme(a, c, m); err != nil {
		return nil, err
	}
	return m, nil
}

// extraction collects what inspect needs while the archive passes by.
type extraction struct {
	// top is the crate's folder with its slash.
	top      string
	manifest []byte
	// names are the files beside Cargo.toml, without folders.
	names []string
	// readmes are the files that may turn out to be the readme, by path below top.
	readmes map[string]string
	want    string
}

func (x *extraction) walk(a registry.Artifact, name, version string, fn func(archive.Entry, io.Reader) error) (*archive.Listing, error) {
	limits := archive.DefaultLimits()
	limits.Unpacked = max(maxUnpacked, maxRatio*a.Digests.Size)
	limits.EntrySize = limits.Unpacked
	limits.Ratio, limits.RatioFloor = maxRatio, maxUnpacked
	return archive.Walk(a.Body, a.Digests.Size, archive.TarGz, archive.Crate(name, version), limits, fn)
}

// first is the one pass that nearly every crate needs.
func (x *extraction) first(e archive.Entry, body io.Reader) error {
	name, inside := strings.CutPrefix(e.Name, x.top)
	if !inside || strings.Contains(name, "/") {
		return nil
	}
	x.names = append(x.names, name)
	switch {
	case strings.EqualFold(name, "Cargo.toml"):
		return x.keepManifest(name, e, body)
	case strings.HasPrefix(strings.ToLower(name), "readme") && len(x.readmes) < maxReadmes:
		return x.keepReadme(name, body)
	}
	return nil
}

// keepManifest takes the only Cargo.toml; older clients wrote it in lower case (cargo.md §2.5).
func (x *extraction) keepManifest(name string, e archive.Entry, body io.Reader) error {
	switch {
	case x.manifest != nil:
		return errs.New(errs.Invalid, "The crate holds more than one Cargo.toml, in different spellings.").WithRule("cargo/manifest-ambiguous").
			WithNext("Keep one, and package the crate with `cargo publish`.")
	case name != "Cargo.toml" && name != "cargo.toml":
		return errs.New(errs.Invalid, "The crate's manifest is named %q.", name).WithRule("cargo/manifest-ambiguous").WithNext("Rename it to Cargo.toml.")
	case e.Size > maxManifest:
		return errs.New(errs.TooLarge, "Cargo.toml inside the crate has %d bytes; at most %d are accepted.", e.Size, maxManifest).
			WithRule("cargo/manifest-size").WithNext("Move what Cargo does not need out of it.")
	}
	var err error
	x.manifest, err = io.ReadAll(body)
	return err
}

func (x *extraction) keepReadme(name string, body io.Reader) error {
	b, err := io.ReadAll(io.LimitReader(body, maxReadme))
	x.readmes[name] = string(b)
	return err
}

// readme fills in the readme that Cargo.toml names. One outside the crate's top folder costs a second pass.
func (x *extraction) readme(a registry.Artifact, c *Crate, m *registry.Manifest) error {
	name := c.readmePath(x.names)
	if name == "" {
		return nil
	}
	if _, ok := x.readmes[name]; !ok {
		x.want = name
		if _, err := x.walk(a, c.Name, c.Version, x.second); err != nil {
			return err
		}
	}
	m.Readme = strings.ToValidUTF8(x.readmes[name], "�")
	switch strings.ToLower(path.Ext(name)) {
	case ".md", ".markdown", ".mdown", ".mkd", ".mkdn":
		m.ReadmeType = "text/markdown"
	case ".rst":
		m.ReadmeType = "text/x-rst"
	default:
		m.ReadmeType = "text/plain"
	}
	return nil
}

func (x *extraction) second(e archive.Entry, body io.Reader) error {
	if name, inside := strings.CutPrefix(e.Name, x.top); inside && name == x.want {
		return x.keepReadme(name, body)
	}
	return nil
}

// readmePath is the readme's path below the crate's folder, "" for none. Without the key, Cargo looks for the usual names.
func (c *Crate) readmePath(names []string) string {
	switch v := c.readme.(type) {
	case string:
		return path.Clean(v)
	case bool:
		if v {
			return "README.md"
		}
		return ""
	}
	for _, usual := range []string{"README.md", "README.txt", "README"} {
		if slices.Contains(names, usual) {
			return usual
		}
	}
	return ""
}

// installCode names what of the crate runs on the machine of whoever builds with it: its build scripts, and the whole crate
// if it is a procedural macro.
func (c *Crate) installCode(names []string) []string {
	var code []string
	switch v := c.build.(type) {
	case string:
		code = append(code, v)
	case []any:
		for _, script := range v {
			code = append(code, fmt.Sprint(script))
		}
	case bool:
		if v {
			code = append(code, "build.rs")
		}
	default:
		if slices.Contains(names, "build.rs") {
			code = append(code, "build.rs")
		}
	}
	if c.procMacro {
		code = append(code, "proc-macro")
	}
	return code
}

// manifest gives the ecosystem-neutral form.
func (c *Crate) manifest() *registry.Manifest {
	m := &registry.Manifest{
		Name: c.Name, Version: c.Version, Summary: strings.Join(strings.Fields(c.Description), " "), License: c.License,
		Authors: c.Authors, Keywords: c.Keywords, Links: map[string]string{}, Detail: c,
	}
	if m.License == "" && c.LicenseFile != "" {
		m.License = "LicenseRef-File:" + c.LicenseFile
	}
	for label, link := range map[string]string{"homepage": c.Homepage, "documentation": c.Documentation, "repository": c.Repository} {
		if isWebLink(link) {
			m.Links[label] = link
		}
	}
	for _, d := range c.Dependencies {
		m.Dependencies = append(m.Dependencies, registry.Dependency{
			Name: d.Crate(), Requirement: d.Req, Kind: d.Kind, Condition: d.Target, Optional: d.Optional,
		})
	}
	return m
}
