package maven

import (
	"net/url"
	"slices"
	"strings"

	"bonded/internal/errs"
	"bonded/internal/registry"
)

// The checksum kinds of the layout (maven.md §3), as file name suffixes without the dot.
var checksumKinds = []string{"sha1", "md5", "sha256", "sha512"}

const (
	pgpSuffix      = ".asc"
	sigstoreSuffix = ".sigstore.json"
	// apiPrefix is the part of the name space that the publishing API takes (maven.md §9).
	apiPrefix = "api/v1/publisher/"
	// maxPath bounds a path below the repository.
	maxPath = 1024
)

// sort is what a path stands for.
type sort uint8

const (
	artifact sort = iota // a file of a release
	metadata             // maven-metadata.xml of some level
)

// location is a path below the repository, understood (maven.md §1).
type location struct {
	sort sort
	// path is the canonical path without the checksum suffix, and sum that suffix ("sha1", …) or "".
	path, sum string
	// group, artifact and version (the base version, as the directory names it) of an artifact. Metadata of the V level has
	// all three; any other metadata file may be of the A level (group and artifact) or of the G level (dirGroup).
	group, artifact, version string
	// dirGroup is the groupId that a metadata file of the G level is about.
	dirGroup string
	fileName
}

// fileName is the rest of an artifact's file name after {artifactId}-.
type fileName struct {
	// version is the version in the file name: that of one build for a snapshot.
	fileVersion           string
	classifier, extension string
}

// norm is the coordinates' key, groupId:artifactId.
func (l *location) norm() string { return l.group + ":" + l.artifact }

// snapshot reports a path below a snapshot's directory.
func (l *location) snapshot() bool { return strings.HasSuffix(l.version, snapshotSuffix) }

// signed returns the path of the file that this one signs; ok is false for a file that is no signature.
func (l *location) signed() (path string, ok bool) {
	for _, suffix := range []string{pgpSuffix, sigstoreSuffix} {
		if of, found := strings.CutSuffix(l.path, suffix); found {
			return of, true
		}
	}
	return "", false
}

// kind is the door's word for the sort of file.
func (l *location) kind() string {
	switch _, signature := l.signed(); {
	case strings.HasSuffix(l.path, pgpSuffix):
		return kindPGP
	case signature:
		return kindSigstore
	case l.extension == "pom" && l.classifier == "":
		return kindPOM
	case l.extension == "module" && l.classifier == "":
		return kindModule
	case zipExtensions[l.extension]:
		return kindJar
	case l.extension == "tar.gz" || l.extension == "tgz":
		return kindTar
	default:
		return kindOther
	}
}

// The kinds of file.
const (
	kindPOM      = "pom"
	kindJar      = "jar"
	kindTar      = "tar.gz"
	kindModule   = "module"
	kindPGP      = "pgp-signature"
	kindSigstore = "sigstore"
	kindOther    = "file"
)

// zipExtensions are the extensions of artifacts whose format is zip; such a file is read, and refused if it is none.
var zipExtensions = map[string]bool{
	"jar": true, "war": true, "ear": true, "aar": true, "rar": true, "zip": true, "hpi": true, "jpi": true, "nbm": true,
	"kar": true, "mar": true, "par": true, "sar": true, "klib": true,
}

// unescapePath decodes the escaped path of a request, segment by segment, and refuses what two servers could read
// differently: encoded slashes, dot segments, empty segments, control characters.
func unescapePath(escaped string) (string, error) {
	if len(escaped) > 3*maxPath {
		return "", badPath("it is too long")
	}
	var out strings.Builder
	for i, segment := range strings.Split(strings.TrimPrefix(escaped, "/"), "/") {
		plain, err := url.PathUnescape(segment)
		if err != nil || !cleanSegment(plain) {
			return "", badPath("it has an empty, dotted or encoded segment, or characters that the layout forbids")
		}
		if i > 0 {
			out.WriteByte('/')
		}
		out.WriteString(plain)
	}
	if out.Len() > maxPath {
		return "", badPath("it is too long")
	}
	return out.String(), nil
}

func badPath(why string) *errs.Error {
	return errs.New(errs.Invalid, "This path does not exist in a Maven repository: %s.", why).WithRule("maven/path")
}

// cleanSegment allows printable ASCII without the characters that Maven excludes from versions and without "%" (maven.md §1).
func cleanSegment(s string) bool {
	if s == "" || s == "." || s == ".." {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || strings.IndexByte(`\/:"<>|?*%`, c) >= 0 {
			return false
		}
	}
	return true
}

// parsePath understands a decoded path below the repository. It never reads a file name from left to right: classifier and
// extension may hold "-" and ".", so the known {artifactId}-{version} is stripped instead (maven.md §1).
func parsePath(path string) (*location, error) {
	if len(path) > maxPath || strings.HasPrefix(path, apiPrefix) {
		return nil, badPath("it is too long, or reserved for the publishing API")
	}
	segments := strings.Split(path, "/")
	for _, s := range segments {
		if !cleanSegment(s) {
			return nil, badPath("it has an empty or dotted segment, or characters that the layout forbids")
		}
	}
	l := &location{path: path}
	last := len(segments) - 1
	for _, kind := range checksumKinds {
		if name, ok := strings.CutSuffix(segments[last], "."+kind); ok && name != "" {
			segments[last], l.sum = name, kind
			l.path = strings.TrimSuffix(path, "."+kind)
			break
		}
	}
	if segments[last] == metadataFile {
		return l, l.parseMetadata(segments[:last])
	}
	return l, l.parseArtifact(segments)
}

// parseMetadata tells the levels apart as far as the path does: below a -SNAPSHOT directory it is the V level.
func (l *location) parseMetadata(dirs []string) error {
	l.sort = metadata
	n := len(dirs)
	if n == 0 {
		return badPath("there is no metadata for the whole repository")
	}
	if n >= 3 && strings.HasSuffix(dirs[n-1], snapshotSuffix) && !dotted(dirs[:n-2]) {
		l.group, l.artifact, l.version = strings.Join(dirs[:n-2], "."), dirs[n-2], dirs[n-1]
		return l.checkIDs()
	}
	if !dotted(dirs) && idCharset(strings.Join(dirs, "")) {
		l.dirGroup = strings.Join(dirs, ".")
	}
	if n >= 2 && !dotted(dirs[:n-1]) {
		l.group, l.artifact = strings.Join(dirs[:n-1], "."), dirs[n-1]
		return l.checkIDs()
	}
	if l.dirGroup == "" {
		return badPath("each word of a groupId is a directory of its own")
	}
	return nil
}

// dotted reports a "." in a directory of a groupId, which would let two paths mean one coordinate.
func dotted(dirs []string) bool {
	return slices.ContainsFunc(dirs, func(dir string) bool { return strings.Contains(dir, ".") })
}

func (l *location) checkIDs() error {
	if _, ok := NormalizeName(l.norm()); !ok {
		return badPath("a groupId or artifactId has only letters, digits, \".\", \"-\" and \"_\"")
	}
	return nil
}

func (l *location) parseArtifact(segments []string) error {
	n := len(segments)
	if n < 4 {
		return badPath("a file lies at groupId/artifactId/version/file")
	}
	l.group, l.artifact, l.version = strings.Join(segments[:n-3], "."), segments[n-3], segments[n-2]
	if dotted(segments[:n-3]) {
		return badPath("each word of a groupId is a directory of its own")
	}
	if err := l.checkIDs(); err != nil {
		return err
	}
	if _, _, _, build := SplitSnapshot(l.version); build {
		return badPath("a snapshot's directory is named by its base version")
	}
	rest, ok := strings.CutPrefix(segments[n-1], l.artifact+"-")
	if !ok || !l.splitName(rest) {
		return errs.New(errs.Invalid, "The file name %q does not begin with %q, as its directory asks.", segments[n-1], l.artifact+"-"+l.version).
			WithRule("maven/file-name").WithNext("A file lies at groupId/artifactId/version/artifactId-version[-classifier][.extension].")
	}
	return nil
}

// splitName splits {version}[-{classifier}][.{extension}].
func (l *location) splitName(rest string) bool {
	if tail, ok := strings.CutPrefix(rest, l.version); ok && boundary(tail) {
		l.fileVersion = l.version
		l.classifier, l.extension = splitTail(tail)
		return true
	}
	base, isSnapshot := strings.CutSuffix(l.version, "SNAPSHOT")
	after, ok := strings.CutPrefix(rest, base)
	if !isSnapshot || !ok {
		return false
	}
	const stamp = len("yyyymmdd.hhmmss-")
	end := stamp
	for end < len(after) && '0' <= after[end] && after[end] <= '9' {
		end++
	}
	if end <= stamp || !boundary(after[end:]) {
		return false
	}
	l.fileVersion = base + after[:end]
	if got, _, _, ok := SplitSnapshot(l.fileVersion); !ok || got != l.version {
		return false
	}
	l.classifier, l.extension = splitTail(after[end:])
	return true
}

func boundary(tail string) bool { return tail == "" || tail[0] == '-' || tail[0] == '.' }

// compound are the extensions with a dot of their own; any other dot belongs to the classifier ("jdk1.5").
var compound = []string{
	".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst", ".tar.Z", ".tar.lzma", ".cyclonedx.json", ".cyclonedx.xml", ".spdx.json",
}

// splitTail splits [-{classifier}][.{extension}]. Without a classifier everything after the dot is the extension; with one,
// the name alone cannot tell, and the last dot outside of compound extensions decides.
func splitTail(tail string) (classifier, extension string) {
	if tail == "" {
		return "", ""
	}
	if tail[0] == '.' {
		return "", tail[1:]
	}
	body, signature := tail[1:], ""
	for _, suffix := range []string{pgpSuffix, sigstoreSuffix} {
		if b, ok := strings.CutSuffix(body, suffix); ok {
			body, signature = b, suffix
			break
		}
	}
	for _, ext := range compound {
		if b, ok := strings.CutSuffix(body, ext); ok && b != "" {
			return b, (ext + signature)[1:]
		}
	}
	dot := strings.LastIndexByte(body, '.')
	if dot < 0 {
		return body, strings.TrimPrefix(signature, ".")
	}
	return body[:dot], body[dot+1:] + signature
}

// directory is the path of a release's directory with its slash.
func directory(group, artifactID, version string) string {
	return strings.ReplaceAll(group, ".", "/") + "/" + artifactID + "/" + version + "/"
}

// locate implements Format.Locate.
func locate(path string) (registry.FileRef, error) {
	l, err := parsePath(path)
	if err != nil {
		return registry.FileRef{}, errs.New(errs.NotFound, "%s", errs.Public(err).What).WithRule("maven/path")
	}
	ref := registry.FileRef{Path: l.path, Version: l.version}
	if l.group != "" {
		ref.Project = l.norm()
	}
	if l.sum != "" {
		ref.Sidecar = "." + l.sum
	}
	return ref, nil
}
