package cargo

import (
	"strings"

	"bonded/internal/ecosystem/semver"
	"bonded/internal/errs"
	"bonded/internal/registry"
)

// maxVersion is the longest version accepted, in bytes (cargo.md §2.5).
const maxVersion = 150

// maxNumber is the largest number Cargo's version type holds; longer ones make the client fail on the whole index file.
const maxNumber = "18446744073709551615"

// ParseVersion reads a version for publishing: strict SemVer 2.0.0 whose numbers fit 64 bits (cargo.md §1.4, §2.5).
// Canonical keeps the build metadata, Unique drops it, because a crate may use each version once whatever its metadata.
func ParseVersion(raw string) (registry.Version, error) {
	if len(raw) > maxVersion {
		return registry.Version{}, errs.New(errs.Invalid, "A crate version has at most %d characters; this one has %d.", maxVersion, len(raw)).
			WithRule("cargo/version-length").WithNext("Shorten the version in Cargo.toml.")
	}
	v, ok := semver.Parse(raw)
	if !ok {
		return registry.Version{}, errs.New(errs.Invalid, "The version %q is not a SemVer 2.0.0 version.", raw).
			WithRule("cargo/version-semver").WithNext("Write it as MAJOR.MINOR.PATCH, such as 1.2.3 or 1.2.3-rc.1.")
	}
	for number := range strings.SplitSeq(v.Release, ".") {
		if semver.CompareNumbers(number, maxNumber) > 0 {
			return registry.Version{}, errs.New(errs.Invalid, "The version %q has a number that Cargo cannot hold in 64 bits.", raw).
				WithRule("cargo/version-number").WithNext("Use numbers of at most %s.", maxNumber)
		}
	}
	unique, _, _ := strings.Cut(raw, "+")
	return registry.Version{Raw: raw, Canonical: raw, Unique: unique, Prerelease: v.Pre != ""}, nil
}

// CompareVersions orders two versions by SemVer precedence, as Cargo's requirement matching does: build metadata does not
// count and numbers may be of any size. What has no leading number sorts first.
func CompareVersions(a, b string) int {
	va, okA := semver.ParseLenient(a)
	vb, okB := semver.ParseLenient(b)
	switch {
	case okA && okB:
		return semver.Compare(va, vb)
	case okA:
		return 1
	case okB:
		return -1
	}
	return strings.Compare(a, b)
}
