package pypi

import (
	"encoding/json"
	"path"
	"strings"

	"bonded/internal/errs"
	"bonded/internal/registry"
)

// Format is the Python ecosystem as the registry needs it.
type Format struct{}

// NewFormat returns the format.
func NewFormat() Format { return Format{} }

var _ registry.Format = Format{}

// Type is the purl type.
func (Format) Type() string { return "pypi" }

// Name validates a project name for publishing.
func (Format) Name(raw string) (registry.Name, error) { return ParseName(raw) }

// Normalize maps any spelling to the PEP 503 form.
func (Format) Normalize(raw string) (string, bool) { return NormalizeName(raw) }

// Version reads a PEP 440 version.
func (Format) Version(raw string) (registry.Version, error) { return ParseVersion(raw) }

// Compare orders versions as installers do.
func (Format) Compare(a, b string) int { return CompareVersions(a, b) }

// Locate says which file a path below the repository means.
func (Format) Locate(path string) (registry.FileRef, error) { return locate(path) }

// Inspect reads a wheel's METADATA or a source distribution's PKG-INFO and what else they promise.
func (Format) Inspect(a registry.Artifact) (*registry.Manifest, error) { return inspect(a) }

// Reconcile refuses a form (*Claim) that says something else than the artifact.
func (Format) Reconcile(m []*registry.Manifest, c registry.Claim) error { return reconcile(m, c) }

// fileDetail is what is remembered of one file for the documents.
type fileDetail struct {
	RequiresPython string `json:"requires_python,omitempty"`
	// PythonVersion is the file name's: "py3", "cp312", "source".
	PythonVersion string `json:"python_version,omitempty"`
	Comment       string `json:"comment,omitempty"`
}

// detailOf reads what Record wrote.
func detailOf(f *registry.File) fileDetail {
	var d fileDetail
	_ = json.Unmarshal(f.Detail, &d) // what cannot be read shows as absent; the page must not fail (pypi.md §10)
	return d
}

// Record makes the stored form: the artifact's core metadata as JSON without its description, which the registry keeps as
// the release's readme. The first file of a release fixes it (pypi.md §2.3).
func (Format) Record(manifests []*registry.Manifest, c registry.Claim, files []registry.File) (registry.Record, error) {
	claim, _ := c.(*Claim)
	meta, ok := manifests[0].Detail.(*Metadata)
	if !ok || claim == nil {
		return registry.Record{}, errs.New(errs.Internal, "pypi: a submission is one file with its form")
	}
	index, err := json.Marshal(meta)
	if err != nil {
		return registry.Record{}, err
	}
	r := registry.Record{Index: index, Files: map[string][]byte{}}
	for _, f := range files {
		if f.Kind == KindMetadata {
			continue
		}
		d := fileDetail{RequiresPython: meta.RequiresPython, PythonVersion: pythonVersion(path.Base(f.Path)), Comment: claim.Comment}
		if r.Files[f.Path], err = json.Marshal(d); err != nil {
			return registry.Record{}, err
		}
	}
	return r, nil
}

// pythonVersion is the wheel's Python tag set as written, or "source".
func pythonVersion(filename string) string {
	w, err := ParseWheelFilename(filename)
	if err != nil {
		return "source"
	}
	return strings.Join(w.Python, ".")
}
