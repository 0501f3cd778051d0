package pypi

import (
	"strings"

	"bonded/internal/errs"
	"bonded/internal/registry"
)

// maxVersion bounds a version, in bytes; it must fit a file name beside the project's name and the tags.
const maxVersion = 128

// ParseVersion reads a PEP 440 version (pypi.md §0.1). Canonical is its normal form; Unique also drops trailing zeros of
// the release, so that 1.0 and 1.0.0 are one release.
func ParseVersion(raw string) (registry.Version, error) {
	if len(raw) > maxVersion {
		return registry.Version{}, errs.New(errs.Invalid, "A version has at most %d characters; this one has %d.", maxVersion, len(raw)).
			WithRule("pypi/version-length").WithNext("Shorten the version.")
	}
	v, ok := parsePEP440(raw)
	if !ok {
		return registry.Version{}, errs.New(errs.Invalid, "The version %q does not follow PEP 440.", raw).
			WithRule("pypi/version-pep440").WithNext("Write it as 1.2.3, 1.2.3rc1, 1.2.3.post1 or 1.2.3.dev1.")
	}
	return registry.Version{Raw: raw, Canonical: v.text(false), Unique: v.text(true), Prerelease: v.pre.set || v.dev.set}, nil
}

// ParseUploadVersion is ParseVersion for uploads, which may not have a local part: local versions are for those who
// rebuild what somebody else published (pypi.md §0).
func ParseUploadVersion(raw string) (registry.Version, error) {
	v, err := ParseVersion(raw)
	if err != nil {
		return v, err
	}
	if strings.Contains(v.Canonical, "+") {
		return registry.Version{}, errs.New(errs.Invalid, "The version %q has a local part, which an index does not take.", raw).
			WithRule("pypi/version-local").WithNext("Remove the \"+\" and what follows it.")
	}
	return v, nil
}

// CompareVersions orders two versions as Python's packaging does. What is not PEP 440 sorts below everything, and among
// itself as the old setuptools did.
func CompareVersions(a, b string) int {
	va, okA := parsePEP440(a)
	vb, okB := parsePEP440(b)
	switch {
	case okA && okB:
		return va.compare(&vb)
	case okA:
		return 1
	case okB:
		return -1
	}
	return compareLegacy(a, b)
}
