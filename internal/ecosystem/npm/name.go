package npm

import (
	"net/url"
	"strings"

	"bonded/internal/errs"
	"bonded/internal/registry"
)

// maxName is the longest name with its scope, in bytes (npm.md §11).
const maxName = 214

// coreModules are the modules that Node.js ships or shipped: require() never reaches a package of that name.
var coreModules = func() map[string]bool {
	const list = `assert async_hooks buffer child_process cluster console constants crypto dgram diagnostics_channel dns
		domain events freelist fs http http2 https inspector module net os path perf_hooks process punycode querystring
		readline repl smalloc stream string_decoder sys timers tls trace_events tty url util v8 vm wasi worker_threads
		zlib`
	set := map[string]bool{}
	for name := range strings.FieldsSeq(list) {
		set[name] = true
	}
	return set
}()

// ParseName validates a name for a new package (npm.md §11). Names are case-sensitive, so Norm is the name itself;
// Lookalike drops ". - _" of unscoped names, while scoped ones, whose scope already tells them apart, keep theirs.
func ParseName(raw string) (registry.Name, error) {
	refuse := func(rule, next, format string, args ...any) (registry.Name, error) {
		return registry.Name{}, errs.New(errs.Invalid, format, args...).WithRule("npm/"+rule).WithNext("%s", next)
	}
	if raw == "" {
		return refuse("name-empty", "Set name in package.json.", "The package name is empty.")
	}
	if len(raw) > maxName {
		return refuse("name-length", "Choose a shorter name.",
			"A package name has at most %d characters with its scope; this one has %d.", maxName, len(raw))
	}
	scope, base, scoped := splitScope(raw)
	switch {
	case base == "" || scoped && scope == "" || strings.Contains(base, "/"):
		return refuse("name-shape", "Write it as name or @scope/name.", "The package name %q is not of the form name or @scope/name.", raw)
	case raw != strings.ToLower(raw):
		return refuse("name-case", "Write the name in lower case.", "The package name %q has upper-case letters, which new packages may not have.", raw)
	case !urlSafe(scope) || !urlSafe(base):
		return refuse("name-charset", "Use only a-z, 0-9, \".\", \"-\" and \"_\".",
			"The package name %q has characters other than a-z, 0-9, \".\", \"-\" and \"_\".", raw)
	case base[0] == '.' || scoped && scope[0] == '.':
		return refuse("name-start", "Start the name with a letter or a digit.", "The package name %q starts with a dot.", raw)
	case !scoped && (base[0] == '_' || base[0] == '-'):
		return refuse("name-start", "Start the name with a letter or a digit.", "The package name %q starts with %q.", raw, base[:1])
	case !scoped && (base == "node_modules" || base == "favicon.ico"):
		return refuse("name-reserved", "Choose another name.", "The package name %q is reserved.", raw)
	case !scoped && coreModules[base]:
		return refuse("name-core-module", "Choose another name or publish it under a scope.", "The package name %q is a core module of Node.js.", raw)
	}
	return registry.Name{Display: raw, Norm: raw, Lookalike: lookalike(raw, scoped)}, nil
}

func lookalike(name string, scoped bool) string {
	name = strings.ToLower(name)
	if scoped {
		return name
	}
	return strings.NewReplacer(".", "", "-", "", "_", "").Replace(name)
}

// NormalizeName maps a decoded name to its key. Old packages keep upper case and a few odd characters, so the name is its
// own key; ok is false for what no registry ever accepted (npm.md §11).
func NormalizeName(raw string) (norm string, ok bool) {
	if raw == "" || len(raw) > maxName {
		return "", false
	}
	scope, base, scoped := splitScope(raw)
	if base == "" || base[0] == '.' || scoped && (scope == "" || scope[0] == '.') {
		return "", false
	}
	if !legacySafe(scope) || !legacySafe(base) {
		return "", false
	}
	return raw, true
}

// EscapeName gives the name as one path segment, as clients send it: the slash of a scope becomes "%2f", the "@" stays
// (npm.md §1).
func EscapeName(name string) string {
	scope, base, scoped := splitScope(name)
	if !scoped {
		return escapeSegment(name)
	}
	return "@" + escapeSegment(scope) + "%2f" + escapeSegment(base)
}

// UnescapeName decodes a name taken from an escaped URL path, exactly once: "@s/foo", "@s%2ffoo" and "%40s%2Ffoo" are one
// name (npm.md §1). ok is false when the escape is malformed or the result could never be a name.
func UnescapeName(escaped string) (name string, ok bool) {
	name, err := url.PathUnescape(escaped)
	if err != nil {
		return "", false
	}
	return NormalizeName(name)
}

// splitScope cuts "@scope/base"; an unscoped name has no scope, and a lone "@scope" has no base.
func splitScope(name string) (scope, base string, scoped bool) {
	rest, scoped := strings.CutPrefix(name, "@")
	if !scoped {
		return "", name, false
	}
	scope, base, _ = strings.Cut(rest, "/")
	return scope, base, true
}

func escapeSegment(s string) string {
	const upperHex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if isAlphanumeric(c) || strings.IndexByte("-_.!~*'()", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(upperHex[c>>4])
		b.WriteByte(upperHex[c&15])
	}
	return b.String()
}

func urlSafe(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isAlphanumeric(c) && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return true
}

// legacySafe allows what encodeURIComponent leaves alone, the widest set any name ever had.
func legacySafe(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isAlphanumeric(c) && strings.IndexByte("-_.!~*'()", c) < 0 {
			return false
		}
	}
	return true
}

func isAlphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}
