package npm

import (
	"cmp"
	"strconv"
	"strings"
	"unicode"

	"bonded/internal/ecosystem/semver"
	"bonded/internal/errs"
	"bonded/internal/registry"
)

// maxVersion is the longest version the client reads, in characters.
const maxVersion = 256

// maxNumber is 2^53-1, the largest integer the client accepts in the three numbers of a version.
const maxNumber = "9007199254740991"

// ParseVersion reads a version for publishing as the client's own cleaning does (npm.md §3): blanks and leading "v" and
// "=" go, the rest is strict SemVer 2.0.0, and build metadata is dropped, so that 1.0.0+a and 1.0.0 are one version.
func ParseVersion(raw string) (registry.Version, error) {
	if len(raw) > maxVersion {
		return registry.Version{}, errs.New(errs.Invalid, "An npm version has at most %d characters; this one has %d.", maxVersion, len(raw)).
			WithRule("npm/version-length").WithNext("Shorten the version in package.json.")
	}
	v, ok := clean(raw)
	if !ok {
		return registry.Version{}, errs.New(errs.Invalid, "The version %q is not a SemVer 2.0.0 version.", raw).
			WithRule("npm/version-semver").WithNext("Write it as MAJOR.MINOR.PATCH, such as 1.2.3 or 1.2.3-rc.1.")
	}
	for number := range strings.SplitSeq(v.Release, ".") {
		if semver.CompareNumbers(number, maxNumber) > 0 {
			return registry.Version{}, errs.New(errs.Invalid, "The version %q has a number above 2^53-1, which npm clients refuse.", raw).
				WithRule("npm/version-number").WithNext("Use numbers of at most %s.", maxNumber)
		}
	}
	canonical := v.Release
	if v.Pre != "" {
		canonical += "-" + v.Pre
	}
	return registry.Version{Raw: raw, Canonical: canonical, Unique: canonical, Prerelease: v.Pre != ""}, nil
}

// clean follows node-semver's clean(): trim, drop leading "=" and "v", trim again, allow one more "v".
func clean(raw string) (semver.Version, bool) {
	s := strings.TrimFunc(raw, isSpace)
	s = strings.TrimLeft(s, "=v")
	s = strings.TrimFunc(s, isSpace)
	return semver.Parse(strings.TrimPrefix(s, "v"))
}

// isSpace is what JavaScript's trim removes.
func isSpace(r rune) bool {
	switch r {
	case '\t', '\n', '\v', '\f', '\r', '\u2028', '\u2029', '\ufeff':
		return true
	}
	return unicode.Is(unicode.Zs, r)
}

// CompareVersions orders two versions as node-semver's compare does: SemVer precedence, build metadata ignored. The three
// numbers may be of any size here; numeric pre-release identifiers above 2^53 are rounded as the client rounds them.
// What has no leading number sorts first.
func CompareVersions(a, b string) int {
	va, okA := semver.ParseLenient(a)
	vb, okB := semver.ParseLenient(b)
	switch {
	case okA && okB:
		return semver.CompareWith(va, vb, compareDoubles)
	case okA:
		return 1
	case okB:
		return -1
	}
	return strings.Compare(a, b)
}

// compareDoubles orders digits as JavaScript numbers: beyond 2^53 neighbours are equal.
func compareDoubles(x, y string) int {
	if len(x) < len(maxNumber) && len(y) < len(maxNumber) {
		return semver.CompareNumbers(x, y)
	}
	fx, _ := strconv.ParseFloat(x, 64)
	fy, _ := strconv.ParseFloat(y, 64)
	return cmp.Compare(fx, fy)
}
