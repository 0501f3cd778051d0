package cargo

import (
	"bonded/internal/errs"
	"bonded/internal/registry"
)

// Format is the rules of the Cargo ecosystem.
type Format struct{}

// NewFormat returns the rules.
func NewFormat() Format { return Format{} }

// Type implements registry.Format.
func (Format) Type() string { return "cargo" }

// Name implements registry.Format.
func (Format) Name(raw string) (registry.Name, error) { return ParseName(raw) }

// Normalize implements registry.Format.
func (Format) Normalize(raw string) (string, bool) { return NormalizeName(raw) }

// Version implements registry.Format.
func (Format) Version(raw string) (registry.Version, error) { return ParseVersion(raw) }

// Compare implements registry.Format.
func (Format) Compare(a, b string) int { return CompareVersions(a, b) }

// Locate implements registry.Format. An index file has a project and no version.
func (Format) Locate(path string) (registry.FileRef, error) { return locate(path) }

// Inspect implements registry.Format. The manifest's Detail is a *Crate.
func (Format) Inspect(a registry.Artifact) (*registry.Manifest, error) { return inspect(a) }

// Reconcile implements registry.Format. The claim is a *Claim.
func (Format) Reconcile(manifests []*registry.Manifest, claim registry.Claim) error {
	return reconcile(manifests, claim)
}

// Record implements registry.Format: the index record of the one crate that makes a release.
func (Format) Record(manifests []*registry.Manifest, claim registry.Claim, files []registry.File) (registry.Record, error) {
	if len(manifests) != 1 || len(files) != 1 {
		return registry.Record{}, errs.New(errs.Invalid, "A release of a crate is exactly one .crate file.").WithRule("cargo/one-file")
	}
	c, ok := manifests[0].Detail.(*Crate)
	if !ok {
		return registry.Record{}, errs.New(errs.Internal, "The crate was not inspected.")
	}
	said, _ := claim.(*Claim)
	index, err := newRecord(c, said, files[0].Digests.SHA256)
	return registry.Record{Index: index}, err
}
