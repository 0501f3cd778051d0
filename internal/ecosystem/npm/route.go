package npm

import (
	"net/url"
	"strings"
)

// route is what an escaped path below the repository asks for (npm.md §1.1).
type route struct {
	// fixed are the decoded segments below "/-/"; nil for a package's path. nameAt is set by fixedName.
	fixed []string
	// name is the package; empty for the repository itself.
	name string
	// selector is a version or tag below the package.
	selector string
	// file is the last segment of a tarball's path.
	file string
	// rev is what follows "/-rev/".
	rev string
}

// maxPath bounds the work on a hostile path.
const maxPath = 2048

// parseRoute reads an escaped path. Every segment is decoded exactly once, after splitting, so that "@s%2ffoo" is one
// segment and "%2e%2e" is a name that no package has.
func parseRoute(escaped string) (route, bool) {
	if len(escaped) > maxPath {
		return route{}, false
	}
	escaped = strings.Trim(escaped, "/") // "//" after the base and a trailing slash are tolerated
	if escaped == "" {
		return route{}, true
	}
	segments := strings.Split(escaped, "/")
	for i, s := range segments {
		decoded, err := url.PathUnescape(s)
		if err != nil || decoded == "" || strings.ContainsRune(decoded, 0) {
			return route{}, false
		}
		segments[i] = decoded
	}
	if segments[0] == "-" {
		return route{fixed: segments[1:]}, true
	}
	name, rest, ok := takeName(segments)
	if !ok {
		return route{}, false
	}
	return packageRoute(route{name: name}, rest)
}

// takeName takes the package's name off decoded segments: "foo", "@s/foo" in one or in two.
func takeName(segments []string) (name string, rest []string, ok bool) {
	if len(segments) == 0 {
		return "", nil, false
	}
	name, rest = segments[0], segments[1:]
	if strings.HasPrefix(name, "@") && !strings.Contains(name, "/") {
		if len(rest) == 0 {
			return "", nil, false
		}
		name, rest = name+"/"+rest[0], rest[1:]
	}
	name, ok = NormalizeName(name)
	return name, rest, ok
}

func packageRoute(r route, rest []string) (route, bool) {
	if n := len(rest); n >= 2 && rest[n-2] == "-rev" {
		r.rev, rest = rest[n-1], rest[:n-2]
	}
	switch {
	case len(rest) == 0:
		return r, true
	case rest[0] == "-" && len(rest) == 2:
		r.file = strings.TrimPrefix(rest[1], scopeOf(r.name)) // "/-/@s%2ffoo-1.0.0.tgz"
		return r, true
	case rest[0] == "-" && len(rest) == 3 && rest[1]+"/" == scopeOf(r.name):
		r.file = rest[2] // the scope repeated after "/-/", as other registries' lockfiles have it
		return r, true
	case len(rest) == 1 && r.rev == "":
		r.selector = rest[0]
		return r, true
	}
	return r, false
}

// scopeOf is "@scope/", or "" for an unscoped name.
func scopeOf(name string) string {
	if i := strings.IndexByte(name, '/'); i >= 0 {
		return name[:i+1]
	}
	return ""
}

// joined puts decoded segments together again, for the name of a package in the middle of a fixed route.
func (r route) joined() string { return strings.Join(r.fixed, "/") }
