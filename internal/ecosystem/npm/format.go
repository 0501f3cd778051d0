package npm

import (
	"strings"

	"bonded/internal/errs"
	"bonded/internal/registry"
)

// Format is npm's implementation of registry.Format.
type Format struct{}

// NewFormat returns the format.
func NewFormat() Format { return Format{} }

// Type is the purl type.
func (Format) Type() string { return "npm" }

// Name validates a name for publishing.
func (Format) Name(raw string) (registry.Name, error) { return ParseName(raw) }

// Normalize maps a name to its key.
func (Format) Normalize(raw string) (string, bool) { return NormalizeName(raw) }

// Version validates a version for publishing.
func (Format) Version(raw string) (registry.Version, error) { return ParseVersion(raw) }

// Compare orders two versions.
func (Format) Compare(a, b string) int { return CompareVersions(a, b) }

// Locate says what an escaped path below the repository means: a tarball in any of the forms that clients ask for
// (npm.md §1), or a project.
func (Format) Locate(escaped string) (registry.FileRef, error) {
	r, ok := parseRoute(escaped)
	if !ok || r.fixed != nil {
		return registry.FileRef{}, errs.New(errs.NotFound, "There is no package at this address.").WithRule("npm/path")
	}
	ref := registry.FileRef{Project: r.name, Path: escaped}
	if r.file == "" {
		return ref, nil
	}
	version, ok := fileVersion(r.name, r.file)
	if !ok {
		return registry.FileRef{}, errs.New(errs.NotFound, "%s is not the name of a tarball of %s.", show(r.file), r.name).WithRule("npm/tarball-name")
	}
	ref.Version, ref.Path = version, tarballPath(r.name, version)
	return ref, nil
}

// Inspect reads a tarball.
func (Format) Inspect(a registry.Artifact) (*registry.Manifest, error) { return inspect(a) }

// Reconcile compares the claim with the tarball.
func (Format) Reconcile(m []*registry.Manifest, c registry.Claim) error { return reconcile(m, c) }

// Record makes the stored version objects.
func (Format) Record(m []*registry.Manifest, c registry.Claim, f []registry.File) (registry.Record, error) {
	return record(m, c, f)
}

// tarballPath is the canonical path of a version's tarball below the repository: the scope is not repeated in the file's
// name (npm.md §0.12).
func tarballPath(name, version string) string {
	return name + "/-/" + baseName(name) + "-" + version + ".tgz"
}

func baseName(name string) string {
	if _, base, scoped := strings.Cut(name, "/"); scoped {
		return base
	}
	return name
}

// fileVersion is the unique version that a tarball's file name stands for.
func fileVersion(name, file string) (string, bool) {
	rest, ok := strings.CutPrefix(file, baseName(name)+"-")
	if !ok {
		return "", false
	}
	rest, ok = strings.CutSuffix(rest, ".tgz")
	if !ok {
		return "", false
	}
	v, err := ParseVersion(rest)
	return v.Unique, err == nil
}
