package pypi

import (
	"path"
	"slices"
	"strings"

	"bonded/internal/archive"
	"bonded/internal/errs"
	"bonded/internal/registry"
)

// maxReadme is how much of a description is kept beside the release (registry.Manifest).
const maxReadme = 256 << 10

// inspect is Format.Inspect.
func inspect(a registry.Artifact) (*registry.Manifest, error) {
	filename := path.Base(a.Path)
	var m *registry.Manifest
	var err error
	switch a.Kind {
	case KindWheel:
		m, err = inspectWheel(a, filename)
	case KindSdist:
		m, err = inspectSdist(a, filename)
	default:
		return nil, errs.New(errs.Invalid, "A file of the kind %q cannot be examined.", a.Kind).WithRule("pypi/kind")
	}
	if err != nil {
		return nil, err
	}
	if meta, ok := m.Detail.(*Metadata); ok && a.Strict {
		return m, meta.Check()
	}
	return m, nil
}

// inspectSdist reads a source distribution (pypi.md §0.2, §2.3 items 15 and 17).
func inspectSdist(a registry.Artifact, filename string) (*registry.Manifest, error) {
	s, err := ParseSdistFilename(filename)
	if err != nil {
		return nil, err
	}
	if !strings.HasSuffix(filename, ".tar.gz") {
		return nil, zippedSdist(filename)
	}
	want := func(name string) bool {
		_, base, deep := strings.Cut(name, "/")
		return deep && base == "PKG-INFO"
	}
	list, got, err := archive.Collect(a.Body, a.Digests.Size, archive.TarGz, archive.Sdist(), archive.DefaultLimits(), want, maxMetadata)
	if err == nil {
		err = list.Refuse(a.Strict)
	}
	if err != nil {
		return nil, err
	}
	top, raw := sdistMetadata(got)
	if raw == nil {
		return nil, errs.New(errs.Invalid, "The source distribution has no PKG-INFO in its top directory.").WithRule("pypi/sdist-pkg-info").
			WithNext("Build it with `python -m build --sdist`, `uv build --sdist` or another current tool.")
	}
	meta, err := ParseMetadata(raw)
	if err != nil {
		return nil, err
	}
	if err := sameProject(filename, s.Name, s.Version, meta); err != nil {
		return nil, err
	}
	m := manifestOf(meta, raw)
	for _, anomaly := range list.Anomalies {
		m.Notes = append(m.Notes, anomaly.Err().What)
	}
	files := map[string]bool{}
	for _, e := range list.Entries {
		files[e.Name] = !e.Dir
	}
	if files[top+"/setup.py"] {
		m.InstallCode = append(m.InstallCode, "setup.py")
	}
	if files[top+"/pyproject.toml"] {
		m.InstallCode = append(m.InstallCode, "pyproject.toml")
	}
	if a.Strict && atLeast(meta.MetadataVersion, "2.4") {
		for _, file := range meta.LicenseFiles {
			if !files[top+"/"+file] {
				return nil, missingLicense(file, "the source distribution's "+top+"/")
			}
		}
	}
	return m, nil
}

func zippedSdist(filename string) error {
	return errs.New(errs.Invalid, "The source distribution %s is a zip file; an index takes .tar.gz only.", quoted(filename)).WithRule("pypi/sdist-zip").
		WithNext("Build it with `python -m build --sdist` or `uv build --sdist`.")
}

func sdistMetadata(got map[string][]byte) (top string, raw []byte) {
	for name, b := range got { // the archive has one top directory, so there is at most one
		top, _, _ = strings.Cut(name, "/")
		raw = b
	}
	return top, raw
}

// sameProject refuses an artifact whose metadata is another project's or version's than its file name says.
func sameProject(filename, norm, version string, meta *Metadata) error {
	name, ok := NormalizeName(meta.Name)
	if !ok || name != norm {
		return errs.New(errs.Invalid, "The metadata inside %s names the project %s, and the file name %s.", filename, quoted(meta.Name), quoted(norm)).
			WithRule("pypi/filename-name").WithNext("Upload the file under the name that the build backend gave it.")
	}
	if _, err := ParseVersion(meta.Version); err != nil || CompareVersions(meta.Version, version) != 0 {
		return errs.New(errs.Invalid, "The metadata inside %s names the version %s, and the file name %s.", filename, quoted(meta.Version), quoted(version)).
			WithRule("pypi/filename-version").WithNext("Upload the file under the name that the build backend gave it.")
	}
	return nil
}

// manifestOf is what the house keeps of metadata, whatever the ecosystem.
func manifestOf(meta *Metadata, raw []byte) *registry.Manifest {
	m := &registry.Manifest{
		Name: meta.Name, Version: meta.Version, Summary: meta.Summary, License: meta.LicenseExpression,
		Readme: meta.Description, ReadmeType: "text/x-rst", Raw: raw, Detail: meta,
		Links: map[string]string{}, Keywords: keywords(meta.Keywords),
	}
	if m.License == "" {
		m.License, _, _ = strings.Cut(meta.License, "\n")
	}
	if meta.HomePage != "" {
		m.Links["Homepage"] = meta.HomePage
	}
	for _, value := range meta.ProjectURLs {
		if label, link, ok := cutProjectURL(value); ok {
			m.Links[label] = link
		}
	}
	for _, who := range []string{meta.Author, meta.AuthorEmail, meta.Maintainer, meta.MaintainerEmail} {
		if who != "" && !slices.Contains(m.Authors, who) {
			m.Authors = append(m.Authors, who)
		}
	}
	for _, value := range meta.RequiresDist {
		if r, err := ParseRequirement(value); err == nil {
			m.Dependencies = append(m.Dependencies, registry.Dependency{
				Name: r.Name, Requirement: r.Specifiers.String(), Condition: r.Marker, Optional: r.Extra,
			})
		}
	}
	if kind, _, _ := strings.Cut(meta.DescriptionContentType, ";"); kind != "" {
		m.ReadmeType = strings.ToLower(strings.TrimSpace(kind))
	}
	if len(m.Readme) > maxReadme {
		m.Readme = strings.ToValidUTF8(m.Readme[:maxReadme], "")
	}
	return m
}

// keywords splits at commas, or at blanks where there is no comma, as builders have always written them.
func keywords(s string) []string {
	split := strings.Fields(s)
	if strings.Contains(s, ",") {
		split = strings.Split(s, ",")
	}
	var out []string
	for _, k := range split {
		if k = strings.TrimSpace(k); k != "" {
			out = append(out, k)
		}
	}
	return out
}
