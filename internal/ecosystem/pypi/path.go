package pypi

import (
	"net/url"
	"strings"

	"bonded/internal/digest"
	"bonded/internal/errs"
	"bonded/internal/registry"
)

// The kinds of files.
const (
	KindWheel    = "wheel"
	KindSdist    = "sdist"
	KindMetadata = "metadata" // a wheel's METADATA, byte for byte, served beside it (pypi.md §1.4)
)

// metadataSuffix is what a sidecar's name adds to its wheel's.
const metadataSuffix = ".metadata"

// FilePath is the stored path of a file. It holds no digest, so that the registry's rule of one meaning per path makes a
// file name mean the same bytes for ever.
func FilePath(norm, filename string) string { return "files/" + norm + "/" + filename }

// FileURL is where a file is served, below the repository's URL. The digest in it, which for a sidecar is its wheel's, makes
// the bytes under one URL the same for ever, even if a group's members change places (pypi.md §1.5).
func FileURL(sha256 digest.SHA256, filename string) string {
	hex := sha256.String()
	return "files/" + hex[:2] + "/" + hex[2:4] + "/" + hex[4:] + "/" + escapeSegment(filename)
}

// escapeSegment escapes one segment of a path; the "!" of an epoch too.
func escapeSegment(s string) string { return url.PathEscape(s) }

// filePath is what a path under files/ says.
type filePath struct {
	// filename is the distribution's, without a sidecar's suffix.
	filename string
	norm     string
	version  string
	// sha256 is zero in the short form files/{project}/{filename}, which is redirected to the other.
	sha256  digest.SHA256
	sidecar bool
}

// stored is the path of the file in the registry.
func (p filePath) stored() string {
	if p.sidecar {
		return FilePath(p.norm, p.filename+metadataSuffix)
	}
	return FilePath(p.norm, p.filename)
}

// parseFilePath reads an escaped path below the repository, with or without its leading slash: files/{2}/{2}/{60}/{filename}
// or files/{project}/{filename}, both with .metadata behind a wheel.
func parseFilePath(path string) (filePath, bool) {
	rest, ok := strings.CutPrefix(strings.TrimPrefix(path, "/"), "files/")
	if !ok {
		return filePath{}, false
	}
	parts := strings.Split(rest, "/")
	if len(parts) != 2 && len(parts) != 4 {
		return filePath{}, false
	}
	name, err := url.PathUnescape(parts[len(parts)-1])
	if err != nil {
		return filePath{}, false
	}
	var p filePath
	if p.filename, p.sidecar = strings.CutSuffix(name, metadataSuffix); p.sidecar && !strings.HasSuffix(p.filename, ".whl") {
		return filePath{}, false
	}
	if p.norm, p.version, ok = distribution(p.filename); !ok {
		return filePath{}, false
	}
	if len(parts) == 2 {
		return p, parts[0] == p.norm
	}
	if len(parts[0]) != 2 || len(parts[1]) != 2 {
		return filePath{}, false
	}
	hex := parts[0] + parts[1] + parts[2]
	p.sha256, ok = digest.Parse(hex)
	return p, ok && p.sha256.String() == hex // one spelling, so that one URL is one cache entry
}

// distribution reads project and canonical version from a distribution's file name.
func distribution(filename string) (norm, version string, ok bool) {
	if strings.HasSuffix(filename, ".whl") {
		w, err := ParseWheelFilename(filename)
		return w.Name, w.Version, err == nil
	}
	s, err := ParseSdistFilename(filename)
	return s.Name, s.Version, err == nil
}

// locate is Format.Locate.
func locate(path string) (registry.FileRef, error) {
	if p, ok := parseFilePath(path); ok {
		ref := registry.FileRef{Project: p.norm, Path: p.stored()}
		if v, err := ParseVersion(p.version); err == nil {
			ref.Version = v.Unique
		}
		return ref, nil
	}
	return registry.FileRef{}, errs.New(errs.NotFound, "There is no file at this path.").WithRule("pypi/path").
		WithNext("Take file addresses from the project's page below simple/.")
}
