// Package semver knows Semantic Versioning 2.0.0: its grammar and its precedence, with numbers of any size. Cargo and
// npm both build on it; what they add or forbid is theirs.
package semver

import (
	"cmp"
	"strings"
)

// Version is one parsed version. Its fields are substrings of what was parsed, so a parse does not allocate.
type Version struct {
	// Release is the dotted numeric part as written: three numbers after Parse, any count after ParseLenient.
	Release string
	// Pre is the pre-release part without its hyphen; empty for a release.
	Pre string
	// Build is the build metadata without its plus sign; precedence ignores it.
	Build string
}

// Parse reads a version under the strict grammar (semver.org §2, §9, §10); ok is false for anything else.
func Parse(s string) (v Version, ok bool) {
	v = split(s)
	if strings.HasSuffix(s, "+") || v.Build != "" && !identifiers(v.Build, false) {
		return Version{}, false
	}
	head := s
	if before, _, ok := strings.Cut(s, "+"); ok {
		head = before
	}
	if len(head) != len(v.Release) && !identifiers(v.Pre, true) {
		return Version{}, false
	}
	rest, count := v.Release, 0
	for more := true; more; count++ {
		var number string
		number, rest, more = strings.Cut(rest, ".")
		if !isNumber(number) || len(number) > 1 && number[0] == '0' {
			return Version{}, false
		}
	}
	return v, count == 3
}

// ParseLenient reads what registries hold beside strict versions: surrounding blanks, leading "v" and "=", any count of
// numbers, leading zeros. It exists for ordering only; ok is false when no number leads the string.
func ParseLenient(s string) (v Version, ok bool) {
	s = strings.TrimSpace(s)
	s = strings.TrimLeft(s, "=vV \t")
	v = split(s)
	rest, more := v.Release, true
	for more {
		var number string
		number, rest, more = strings.Cut(rest, ".")
		if !isNumber(number) {
			return Version{}, false
		}
	}
	return v, true
}

// split cuts at the first "+" and then at the first "-".
func split(s string) Version {
	var v Version
	s, v.Build, _ = strings.Cut(s, "+")
	v.Release, v.Pre, _ = strings.Cut(s, "-")
	return v
}

// Compare orders by precedence (semver.org §11): build metadata does not count, missing numbers are zero.
func Compare(a, b Version) int { return CompareWith(a, b, CompareNumbers) }

// CompareWith is Compare with the caller's order for numeric pre-release identifiers, for clients that do not compare
// them exactly.
func CompareWith(a, b Version, numbers func(x, y string) int) int {
	if c := compareRelease(a.Release, b.Release); c != 0 {
		return c
	}
	switch {
	case a.Pre == b.Pre:
		return 0
	case a.Pre == "":
		return 1
	case b.Pre == "":
		return -1
	}
	return comparePre(a.Pre, b.Pre, numbers)
}

func compareRelease(a, b string) int {
	for a != "" || b != "" {
		var x, y string
		x, a, _ = strings.Cut(a, ".")
		y, b, _ = strings.Cut(b, ".")
		if c := CompareNumbers(x, y); c != 0 {
			return c
		}
	}
	return 0
}

func comparePre(a, b string, numbers func(x, y string) int) int {
	moreA, moreB := true, true
	for moreA && moreB {
		var x, y string
		x, a, moreA = strings.Cut(a, ".")
		y, b, moreB = strings.Cut(b, ".")
		c := compareIdentifiers(x, y, numbers)
		// Different numbers that the caller's order cannot tell apart end the comparison, as they do in node-semver.
		if c != 0 || x != y && CompareNumbers(x, y) != 0 {
			return c
		}
	}
	switch {
	case moreA:
		return 1
	case moreB:
		return -1
	}
	return 0
}

func compareIdentifiers(x, y string, numbers func(x, y string) int) int {
	numX, numY := isNumber(x), isNumber(y)
	switch {
	case numX && numY:
		return numbers(x, y)
	case numX:
		return -1
	case numY:
		return 1
	}
	return strings.Compare(x, y)
}

// CompareNumbers orders two strings of decimal digits by value, whatever their size; the empty string is zero.
func CompareNumbers(x, y string) int {
	x, y = strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
	if len(x) != len(y) {
		return cmp.Compare(len(x), len(y))
	}
	return strings.Compare(x, y)
}

// identifiers reports whether s is a dotted list of non-empty identifiers; strict refuses leading zeros in numbers.
func identifiers(s string, strict bool) bool {
	for more := true; more; {
		var id string
		id, s, more = strings.Cut(s, ".")
		if id == "" || strict && len(id) > 1 && id[0] == '0' && isNumber(id) {
			return false
		}
		for i := range len(id) {
			if c := id[i]; !isDigit(c) && !isLetter(c) && c != '-' {
				return false
			}
		}
	}
	return true
}

// ValidPre reports whether s is a valid pre-release part without its hyphen (semver.org §9).
func ValidPre(s string) bool { return identifiers(s, true) }

// ValidBuild reports whether s is valid build metadata without its plus sign (semver.org §10).
func ValidBuild(s string) bool { return identifiers(s, false) }

func isNumber(s string) bool {
	for i := range len(s) {
		if !isDigit(s[i]) {
			return false
		}
	}
	return s != ""
}

func isDigit(c byte) bool  { return '0' <= c && c <= '9' }
func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
