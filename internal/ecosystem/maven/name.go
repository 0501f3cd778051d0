package maven

import (
	"strings"

	"bonded/internal/errs"
	"bonded/internal/registry"
)

// maxID bounds a groupId and an artifactId, so that each fits a directory name.
const maxID = 200

// metadataFile is the name that the layout reserves at every level (maven.md §1).
const metadataFile = "maven-metadata.xml"

// ParseName validates the coordinates groupId:artifactId for publishing (maven.md §1): both of [A-Za-z0-9_.-]. Ids are
// case-sensitive, so Norm is the spelling itself; Lookalike folds case, which blocks case-only collisions.
func ParseName(raw string) (registry.Name, error) {
	refuse := func(rule, next, format string, args ...any) (registry.Name, error) {
		return registry.Name{}, errs.New(errs.Invalid, format, args...).WithRule("maven/"+rule).WithNext("%s", next)
	}
	group, artifact, ok := strings.Cut(raw, ":")
	switch {
	case !ok || group == "" || artifact == "":
		return refuse("name-shape", "Set groupId and artifactId in the POM.", "The coordinates %q are not of the form groupId:artifactId.", raw)
	case len(group) > maxID || len(artifact) > maxID:
		return refuse("name-length", "Choose shorter ids.", "A groupId or artifactId has at most %d characters.", maxID)
	case !idCharset(group) || !idCharset(artifact):
		return refuse("name-charset", "Use only A-Z, a-z, 0-9, \".\", \"-\" and \"_\".",
			"The coordinates %q have characters other than letters, digits, \".\", \"-\" and \"_\".", raw)
	case strings.Trim(artifact, ".") == "" || hasEmptySegment(group):
		return refuse("name-dots", "Write the groupId as words separated by single dots.", "The coordinates %q have an empty path segment.", raw)
	case strings.HasPrefix(artifact, metadataFile) || strings.HasSuffix(artifact, snapshotSuffix) || groupReserved(group):
		return refuse("name-reserved", "Choose another id.", "The coordinates %q hold a word that the repository layout reserves.", raw)
	}
	return registry.Name{Display: raw, Norm: raw, Lookalike: strings.ToLower(raw)}, nil
}

// NormalizeName maps coordinates to their key, which is the spelling itself; ok is false where no project could match.
func NormalizeName(raw string) (norm string, ok bool) {
	group, artifact, ok := strings.Cut(raw, ":")
	if !ok || group == "" || len(group) > maxID || len(artifact) > maxID || !idCharset(group) || !idCharset(artifact) ||
		strings.Trim(artifact, ".") == "" || hasEmptySegment(group) {
		return "", false
	}
	return raw, true
}

// hasEmptySegment reports a group whose path would have an empty, "." or ".." segment.
func hasEmptySegment(group string) bool {
	return group[0] == '.' || group[len(group)-1] == '.' || strings.Contains(group, "..")
}

// groupReserved reports a group with a directory that would be taken for a snapshot's: the level of a metadata file is
// told by its directory (maven.md §1).
func groupReserved(group string) bool {
	return strings.Contains(group+".", snapshotSuffix+".")
}

func idCharset(s string) bool {
	for i := range len(s) {
		c := s[i]
		if ('0' > c || c > '9') && ('a' > c|0x20 || c|0x20 > 'z') && c != '.' && c != '-' && c != '_' {
			return false
		}
	}
	return true
}
