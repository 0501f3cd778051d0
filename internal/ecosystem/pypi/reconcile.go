package pypi

import (
	"slices"
	"strings"

	"bonded/internal/errs"
	"bonded/internal/registry"
)

// Claim is what an upload form says beside the bytes (pypi.md §2.2).
type Claim struct {
	Metadata
	// FileType is sdist or bdist_wheel.
	FileType string
	// PythonVersion is the form's pyversion; file names say it themselves.
	PythonVersion string
	Comment       string
	// Digests by their name on the wire (md5, sha256, blake2_256), in hex.
	Digests map[string]string
}

// reconcile is Format.Reconcile: what decides about installing must be the same in the form and in the artifact. We serve
// what the artifact says; the public index stores the form and serves the artifact without comparing them (pypi.md §2.3).
func reconcile(manifests []*registry.Manifest, c registry.Claim) error {
	claim, ok := c.(*Claim)
	if !ok || len(manifests) != 1 {
		return errs.New(errs.Internal, "pypi: a submission is one file with its form")
	}
	meta, ok := manifests[0].Detail.(*Metadata)
	if !ok {
		return errs.New(errs.Internal, "pypi: the manifest was made by another format")
	}
	if a, b := normalized(claim.Name), normalized(meta.Name); a != b {
		return disagree("name", claim.Name, meta.Name)
	}
	if CompareVersions(claim.Version, meta.Version) != 0 {
		return disagree("version", claim.Version, meta.Version)
	}
	for _, f := range []struct {
		name           string
		claimed, found []string
		optional       bool // a form may leave it out
	}{
		{"requires_dist", canonicalRequirements(claim.RequiresDist), canonicalRequirements(meta.RequiresDist), false},
		{"requires_python", specifierClauses(claim.RequiresPython), specifierClauses(meta.RequiresPython), false},
		{"provides_extra", normalizedAll(claim.ProvidesExtra), normalizedAll(meta.ProvidesExtra), false},
		{"summary", words(claim.Summary), words(meta.Summary), true},
		{"license_expression", words(claim.LicenseExpression), words(meta.LicenseExpression), true},
		{"classifiers", sorted(claim.Classifiers), sorted(meta.Classifiers), true},
	} {
		if f.optional && len(f.claimed) == 0 || slices.Equal(f.claimed, f.found) {
			continue
		}
		return difference(f.name, f.claimed, f.found)
	}
	return nil
}

func disagree(field, claimed, found string) *errs.Error {
	return errs.New(errs.Invalid, "The upload form and the package disagree about %s: the form says %s, the metadata inside the file says %s.",
		field, quoted(claimed), quoted(found)).WithRule("pypi/manifest-confusion").WithNext("Upload the file with twine or uv, unchanged.")
}

// difference shows what only one side has.
func difference(field string, claimed, found []string) *errs.Error {
	only := func(a, b []string) string {
		var out []string
		for _, s := range a {
			if !slices.Contains(b, s) {
				out = append(out, quoted(s))
			}
		}
		const most = 3
		if len(out) > most {
			out = append(out[:most], "…")
		}
		if len(out) == 0 {
			return "nothing else"
		}
		return strings.Join(out, ", ")
	}
	return errs.New(errs.Invalid, "The upload form and the package disagree about %s: the form alone has %s; the metadata inside the file alone has %s.",
		field, only(claimed, found), only(found, claimed)).WithRule("pypi/manifest-confusion").WithNext("Upload the file with twine or uv, unchanged.")
}

func normalized(name string) string {
	norm, _ := NormalizeName(name)
	return norm
}

func normalizedAll(names []string) []string {
	out := make([]string, 0, len(names))
	for _, n := range names {
		out = append(out, normalized(n))
	}
	return sorted(out)
}

// canonicalRequirements are the normal forms, so that spelling and order do not count; what cannot be parsed stays as it is.
func canonicalRequirements(all []string) []string {
	out := make([]string, 0, len(all))
	for _, raw := range all {
		if r, err := ParseRequirement(raw); err == nil {
			raw = r.String()
		}
		out = append(out, raw)
	}
	return sorted(out)
}

func specifierClauses(s string) []string {
	set, err := ParseSpecifierSet(s)
	if err != nil {
		return []string{s}
	}
	out := make([]string, 0, len(set))
	for _, clause := range set {
		out = append(out, clause.String())
	}
	return sorted(out)
}

// words are the text as one string with single blanks; nothing for none.
func words(s string) []string {
	if s = strings.Join(strings.Fields(s), " "); s == "" {
		return nil
	}
	return []string{s}
}

// sorted returns a sorted copy without repetitions.
func sorted(all []string) []string {
	out := slices.Clone(all)
	slices.Sort(out)
	return slices.Compact(out)
}
