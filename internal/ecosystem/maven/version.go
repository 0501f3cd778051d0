package maven

import (
	"strings"

	"bonded/internal/errs"
	"bonded/internal/registry"
)

// maxVersion keeps a version usable as a directory and inside a file name on every file system.
const maxVersion = 128

const snapshotSuffix = "-SNAPSHOT"

// ParseVersion validates a version for publishing (maven.md §1). A version is its own canonical form. A snapshot is
// Moving, and Unique is its base version: "1.1-20260822.101500-3" is build 3 of the one release "1.1-SNAPSHOT".
func ParseVersion(raw string) (registry.Version, error) {
	refuse := func(rule, next, format string, args ...any) (registry.Version, error) {
		return registry.Version{}, errs.New(errs.Invalid, format, args...).WithRule("maven/"+rule).WithNext("%s", next)
	}
	switch {
	case raw == "":
		return refuse("version-empty", "Set version in the POM.", "The version is empty.")
	case len(raw) > maxVersion:
		return refuse("version-length", "Shorten the version in the POM.", "A version has at most %d characters; this one has %d.", maxVersion, len(raw))
	case strings.Contains(raw, "${"):
		return refuse("version-expression", "Publish a POM whose version is resolved.", "The version %q holds an unresolved expression.", raw)
	case !versionCharset(raw):
		return refuse("version-charset", "Use letters, digits, \".\", \"-\", \"_\" and \"+\".",
			"The version %q has characters that cannot stand in a repository path.", raw)
	case raw == "." || raw == "..":
		return refuse("version-dots", "Choose a version with letters or digits.", "The version %q is a directory reference.", raw)
	case raw == "LATEST" || raw == "RELEASE":
		return refuse("version-meta", "Publish a concrete version.", "%q is a word that clients resolve, not a version.", raw)
	case strings.HasPrefix(raw, metadataFile):
		return refuse("version-metadata", "Choose another version.", "The version %q would be mistaken for a metadata file.", raw)
	}
	unique, snapshot := raw, strings.HasSuffix(raw, snapshotSuffix)
	if base, _, _, ok := SplitSnapshot(raw); ok {
		unique, snapshot = base, true
	}
	if !snapshot && hasSuffixFold(raw, "SNAPSHOT") || unique == snapshotSuffix {
		return refuse("version-snapshot", "Write snapshots as VERSION-SNAPSHOT.", "The version %q ends like a snapshot without being one.", raw)
	}
	return registry.Version{Raw: raw, Canonical: raw, Unique: unique, Prerelease: snapshot || isPrerelease(split(raw)), Moving: snapshot}, nil
}

// CompareVersions orders two versions as ComparableVersion of Maven 3.8.7 to 3.9 does (scanning.md §1.4). Every string has
// its place in that order.
func CompareVersions(a, b string) int {
	if a == b {
		return 0
	}
	return compareLists(split(a), split(b))
}

// SplitSnapshot splits the version in the file name of one snapshot build, "1.1-20260822.101500-3", into its base version
// "1.1-SNAPSHOT", its UTC timestamp "20260822.101500" and its build number "3" (maven.md §1).
func SplitSnapshot(version string) (base, timestamp, build string, ok bool) {
	dash := strings.LastIndexByte(version, '-')
	if dash < 0 || !isDigits(version[dash+1:]) {
		return "", "", "", false
	}
	const stampLength = len("yyyymmdd.hhmmss")
	at := dash - stampLength
	if at < 1 || version[at-1] != '-' {
		return "", "", "", false
	}
	timestamp = version[at:dash]
	if !isDigits(timestamp[:8]) || timestamp[8] != '.' || !isDigits(timestamp[9:]) {
		return "", "", "", false
	}
	return version[:at-1] + snapshotSuffix, timestamp, version[dash+1:], true
}

// isPrerelease looks for a qualifier that Maven ranks below the release: alpha, beta, milestone, rc, snapshot.
func isPrerelease(list []item) bool {
	for _, i := range list {
		if i.kind == listItem && isPrerelease(i.list) || i.kind == qualifierItem && rankOf(i.text) < releaseRank {
			return true
		}
	}
	return false
}

// versionCharset excludes what Maven excludes, what a version range would read as syntax, "%", and everything outside
// printable ASCII.
func versionCharset(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || strings.IndexByte(`\/:"<>|?*[](),%`, c) >= 0 {
			return false
		}
	}
	return true
}

func hasSuffixFold(s, suffix string) bool {
	return len(s) >= len(suffix) && strings.EqualFold(s[len(s)-len(suffix):], suffix)
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || '9' < s[i] {
			return false
		}
	}
	return s != ""
}
