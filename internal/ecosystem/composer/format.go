package composer

import (
	"encoding/hex"
	"net/url"
	"strings"

	"bonded/internal/digest"
	"bonded/internal/errs"
	"bonded/internal/registry"
)

// Format is the Composer ecosystem as the registry needs it.
type Format struct{}

// NewFormat returns the format.
func NewFormat() Format { return Format{} }

var (
	_ registry.Format = Format{}
	_ registry.Builds = Format{}

	_ registry.Pointing = Format{}
)

// Type is the purl type.
func (Format) Type() string { return "composer" }

// Name validates vendor/package for publishing.
func (Format) Name(raw string) (registry.Name, error) { return ParseName(raw) }

// Normalize maps any spelling to the lower-case name.
func (Format) Normalize(raw string) (string, bool) { return NormalizeName(raw) }

// Version reads a version or a branch.
func (Format) Version(raw string) (registry.Version, error) { return ParseVersion(raw) }

// Compare orders versions as Composer does.
func (Format) Compare(a, b string) int { return CompareVersions(a, b) }

// Locate says which dist a path below the repository means.
func (Format) Locate(path string) (registry.FileRef, error) {
	d, err := parseDistPath(path)
	if err != nil {
		return registry.FileRef{}, err
	}
	return registry.FileRef{Project: d.name, Version: d.version, Path: d.path()}, nil
}

// Inspect reads composer.json and the readme out of a dist zip.
func (Format) Inspect(a registry.Artifact) (*registry.Manifest, error) { return inspect(a) }

// Reconcile refuses a request (Claim) that names another package or version than the zip's composer.json does.
func (Format) Reconcile(all []*registry.Manifest, c registry.Claim) error { return reconcile(all, c) }

// Record makes the version object of composer.md §2.2, without URLs and without what only the server may say.
func (Format) Record(all []*registry.Manifest, _ registry.Claim, files []registry.File) (registry.Record, error) {
	return record(all, files)
}

// Build names the upload of a branch that a dist belongs to: its reference.
func (Format) Build(path string) string {
	d, err := parseDistPath(path)
	if err != nil {
		return ""
	}
	return d.reference
}

// Current is the dist that a branch points at: uploaded again, an older one is current once more.
func (Format) Current(p *registry.Project, r *registry.Release) string {
	e, err := entryOf(r)
	if err != nil {
		return ""
	}
	return e.dist(p.Norm).path()
}

// dist names the bytes of one upload: composer.md §4 asks for a path that never means other bytes.
type dist struct {
	// name and version are the normalized ones.
	name, version string
	// reference is what lock files remember of the bytes.
	reference string
}

const (
	distRoot = "dists/"
	distType = "zip"
	distKind = "dist"
	// referenceLength is that of a commit's name, which clients abbreviate for people.
	referenceLength = 40
)

// referenceOf names bytes by the beginning of their SHA-256. SHA-1, which the protocol uses for its checksum, would let two
// archives share a reference.
func referenceOf(d digest.Set) string { return d.SHA256.String()[:referenceLength] }

// path is the dist's path below the repository. Segments hold nothing that a client, a proxy or a file system would rewrite:
// what a branch may hold beyond [A-Za-z0-9._-] is written as ~ and two hex digits.
func (d dist) path() string {
	return distRoot + d.name + "/" + escapeVersion(d.version) + "/" + d.reference + "." + distType
}

func escapeVersion(version string) string {
	var b strings.Builder
	for i := range len(version) {
		if c := version[i]; plainInVersion(c) {
			b.WriteByte(c)
		} else {
			b.WriteByte('~')
			b.WriteString(hex.EncodeToString([]byte{c}))
		}
	}
	return b.String()
}

func plainInVersion(c byte) bool {
	return isWord(c) || 'A' <= c && c <= 'Z' || c == '.' || c == '_' || c == '-'
}

func unescapeVersion(segment string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(segment); i++ {
		c := segment[i]
		if plainInVersion(c) {
			b.WriteByte(c)
			continue
		}
		if c != '~' || i+2 >= len(segment) {
			return "", false
		}
		raw, err := hex.DecodeString(segment[i+1 : i+3])
		if err != nil {
			return "", false
		}
		b.Write(raw)
		i += 2
	}
	version := b.String()
	return version, escapeVersion(version) == segment // one spelling each
}

// parseDistPath reads dists/{vendor}/{package}/{version}/{reference}.zip, escaped or not.
func parseDistPath(path string) (dist, error) {
	none := errs.New(errs.NotFound, "There is no dist at %s.", path).WithRule("composer/dist-path")
	path, err := url.PathUnescape(strings.TrimPrefix(path, "/"))
	if err != nil {
		return dist{}, none
	}
	rest, ok := strings.CutPrefix(path, distRoot)
	parts := strings.Split(rest, "/")
	if !ok || len(parts) != 4 {
		return dist{}, none
	}
	d := dist{name: parts[0] + "/" + parts[1]}
	if norm, ok := NormalizeName(d.name); !ok || norm != d.name {
		return dist{}, none
	}
	if d.version, ok = unescapeVersion(parts[2]); !ok || d.version == "" || !isWord(d.version[0]) || len(d.version) > maxVersion+64 {
		return dist{}, none
	}
	d.reference, ok = strings.CutSuffix(parts[3], "."+distType)
	if raw, err := hex.DecodeString(d.reference); !ok || err != nil || len(raw) != referenceLength/2 || d.reference != strings.ToLower(d.reference) {
		return dist{}, none
	}
	return d, nil
}
