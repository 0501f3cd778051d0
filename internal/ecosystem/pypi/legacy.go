package pypi

import (
	"slices"
	"strings"
)

// compareLegacy orders versions that are not PEP 440 by the key of setuptools and of packaging before 22: runs of digits,
// runs of letters, dots and dashes; digits padded to eight, pre-release words below the end of the version.
func compareLegacy(a, b string) int {
	return slices.Compare(legacyKey(a), legacyKey(b))
}

// legacyFinal stands for the end of a version; words below it mark pre-releases.
const legacyFinal = "*final"

func legacyKey(version string) []string {
	var key []string
	add := func(part string) {
		if part[0] == '*' {
			if part < legacyFinal {
				key = trimSuffixes(key, "*final-")
			}
			key = trimSuffixes(key, "00000000")
		}
		key = append(key, part)
	}
	s := strings.ToLower(version)
	for s != "" {
		end := legacyRun(s)
		if part := legacyPart(s[:end]); part != "" {
			add(part)
		}
		s = s[end:]
	}
	add(legacyFinal)
	return key
}

// legacyRun measures the first run of digits, of letters, one dot or dash, or a run of anything else.
func legacyRun(s string) int {
	kind := func(c byte) int {
		switch {
		case isDigit(c):
			return 1
		case 'a' <= c && c <= 'z':
			return 2
		case c == '.' || c == '-':
			return 3
		}
		return 4
	}
	first := kind(s[0])
	if first == 3 {
		return 1
	}
	end := 1
	for end < len(s) && kind(s[end]) == first {
		end++
	}
	return end
}

func legacyPart(part string) string {
	switch part {
	case ".":
		return ""
	case "pre", "preview", "rc":
		part = "c"
	case "-":
		part = "final-"
	case "dev":
		part = "@"
	}
	if isDigit(part[0]) {
		return strings.Repeat("0", max(0, 8-len(part))) + part
	}
	return "*" + part
}

func trimSuffixes(key []string, part string) []string {
	for len(key) > 0 && key[len(key)-1] == part {
		key = key[:len(key)-1]
	}
	return key
}
