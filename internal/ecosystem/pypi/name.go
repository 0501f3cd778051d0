package pypi

import (
	_ "embed" // for the list of standard library modules
	"strings"

	"bonded/internal/errs"
	"bonded/internal/registry"
)

// maxName bounds a project name, in bytes; a file name must hold it twice over on any file system.
const maxName = 128

// stdlibList holds the normalized names of the modules of the standard library from Python 1.5 to 3.14, one a line, with
// every dotted prefix: installing a project of such a name would shadow the module, or pretend to provide it.
//
//go:embed stdlib.txt
var stdlibList string

var stdlibModules = func() map[string]bool {
	set := map[string]bool{}
	for name := range strings.FieldsSeq(stdlibList) {
		set[name] = true
	}
	return set
}()

// ParseName validates a project name for publishing (pypi.md §0): ASCII letters, digits and ". - _", a letter or digit at
// both ends, not a module of the standard library. Norm is the PEP 503 form; Lookalike the ultranormalized one.
func ParseName(raw string) (registry.Name, error) {
	if len(raw) > maxName {
		return registry.Name{}, errs.New(errs.Invalid, "A project name has at most %d characters; this one has %d.", maxName, len(raw)).
			WithRule("pypi/name-length").WithNext("Choose a shorter name.")
	}
	norm, ok := NormalizeName(raw)
	if !ok {
		return registry.Name{}, errs.New(errs.Invalid, "The project name %q is not made of letters, digits, \".\", \"-\" and \"_\" with a letter or digit at both ends.", raw).
			WithRule("pypi/name-charset").WithNext("Use only A-Z, a-z, 0-9, \".\", \"-\" and \"_\", and start and end with a letter or digit.")
	}
	if stdlibModules[norm] {
		return registry.Name{}, errs.New(errs.Invalid, "The project name %q is a module of the Python standard library.", raw).
			WithRule("pypi/name-stdlib").WithNext("Choose another name, for instance with a prefix of your own.")
	}
	return registry.Name{Display: raw, Norm: norm, Lookalike: ultranormalize(raw)}, nil
}

// NormalizeName maps any spelling to its PEP 503 form: lower case, each run of "-", "_" and "." as one "-". ok is false
// where no project could ever match.
func NormalizeName(raw string) (norm string, ok bool) {
	if raw == "" || len(raw) > maxName || !isAlphanumeric(raw[0]) || !isAlphanumeric(raw[len(raw)-1]) {
		return "", false
	}
	var b strings.Builder
	b.Grow(len(raw))
	for i := range len(raw) {
		c := raw[i]
		switch {
		case isAlphanumeric(c):
			b.WriteByte(lowerByte(c))
		case !isSeparator(c):
			return "", false
		case !isSeparator(raw[i-1]):
			b.WriteByte('-')
		}
	}
	return b.String(), true
}

// ultranormalize folds what eyes confuse: separators go, "l", "i" and "1" are one, "o" and "0" are one (pypi.md §0).
func ultranormalize(name string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case '.', '-', '_':
			return -1
		case 'l', 'L', 'i', 'I':
			return '1'
		case 'o', 'O':
			return '0'
		}
		return rune(lowerByte(byte(r)))
	}, name)
}

func isSeparator(c byte) bool { return c == '.' || c == '-' || c == '_' }

func isAlphanumeric(c byte) bool {
	return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'z'
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func lowerByte(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c | 0x20
	}
	return c
}
