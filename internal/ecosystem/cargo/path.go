package cargo

import (
	"net/url"
	"strings"

	"bonded/internal/errs"
	"bonded/internal/registry"
)

// The parts of a repository's URL space. Downloads have a folder of their own, so that a crate can have any name.
const (
	downloads = "dl/"
	apiPrefix = "api/v1/"
)

// FilePath is the path below the repository under which a crate's file is recorded and downloaded. Version is the whole
// version: its "+" stays as it is (cargo.md §1.2, dl).
func FilePath(name, version string) string {
	return downloads + name + "/" + name + "-" + version + ".crate"
}

// splitFilePath is the inverse of FilePath.
func splitFilePath(path string) (name, version string, ok bool) {
	rest, ok := strings.CutPrefix(path, downloads)
	if !ok {
		return "", "", false
	}
	name, file, ok := strings.Cut(rest, "/")
	if !ok || name == "" {
		return "", "", false
	}
	version, ok = strings.CutPrefix(file, name+"-")
	if !ok {
		return "", "", false
	}
	version, ok = strings.CutSuffix(version, ".crate")
	return name, version, ok && version != ""
}

// indexPath is where the index file of a name lies (cargo.md §1.3): lower-case, "-" and "_" as published.
func indexPath(name string) string {
	n := strings.ToLower(name)
	switch len(n) {
	case 1:
		return "1/" + n
	case 2:
		return "2/" + n
	case 3:
		return "3/" + n[:1] + "/" + n
	default:
		return n[:2] + "/" + n[2:4] + "/" + n
	}
}

func noSuchPath(path string) *errs.Error {
	return errs.New(errs.NotFound, "Nothing of a Cargo registry lives at %q.", path).WithRule("cargo/path")
}

// locate says what a path below the repository means: a crate's file, also under the address that the public registry's API
// gives it, or an index file, whose FileRef has a project only.
func locate(path string) (registry.FileRef, error) {
	path = strings.TrimPrefix(path, "/")
	if rest, ok := strings.CutPrefix(path, apiPrefix+"crates/"); ok {
		name, version, _ := strings.Cut(rest, "/")
		version, ok := strings.CutSuffix(version, "/download")
		if !ok {
			return registry.FileRef{}, noSuchPath(path)
		}
		path = FilePath(name, version)
	}
	if strings.HasPrefix(path, downloads) {
		name, version, ok := splitFilePath(path)
		norm, known := NormalizeName(name)
		v, err := ParseVersion(version)
		if !ok || !known || err != nil {
			return registry.FileRef{}, noSuchPath(path)
		}
		return registry.FileRef{Project: norm, Version: v.Unique, Path: path}, nil
	}
	name := path[strings.LastIndexByte(path, '/')+1:]
	norm, ok := NormalizeName(name)
	if !ok || indexPath(name) != path {
		return registry.FileRef{}, noSuchPath(path)
	}
	return registry.FileRef{Project: norm, Path: path}, nil
}

// unescapePath decodes a path segment by segment; an encoded slash is never part of a name here. A raw "+" stays one.
func unescapePath(escaped string) (string, error) {
	if strings.Contains(escaped, "%2f") || strings.Contains(escaped, "%2F") {
		return "", noSuchPath(escaped)
	}
	path, err := url.PathUnescape(escaped)
	if err != nil {
		return "", noSuchPath(escaped)
	}
	return strings.TrimPrefix(path, "/"), nil
}
