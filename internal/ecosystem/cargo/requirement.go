package cargo

import (
	"strings"

	"bonded/internal/ecosystem/semver"
	"bonded/internal/errs"
)

// maxComparators is how many comma-separated comparators the client's parser accepts in one requirement.
const maxComparators = 32

// CheckRequirement validates a dependency requirement such as "^1.2", ">=1, <3" or "*" under the client's own grammar
// (cargo.md §1.4, field req). A requirement the client cannot read would spoil the crate's whole index file.
func CheckRequirement(raw string) error {
	s := strings.TrimLeft(raw, " ")
	if rest, ok := cutWildcard(s); ok {
		if strings.Trim(rest, " ") != "" {
			return badRequirement(raw, "a wildcard stands alone")
		}
		return nil
	}
	for count := 1; ; count++ {
		if count > maxComparators {
			return badRequirement(raw, "it has more than 32 comparators")
		}
		rest, why := comparator(s)
		if why != "" {
			return badRequirement(raw, why)
		}
		if rest == "" {
			return nil
		}
		if rest[0] != ',' {
			return badRequirement(raw, "comparators are separated by commas")
		}
		s = strings.TrimLeft(rest[1:], " ")
	}
}

// AnyVersion reports whether the requirement is the bare wildcard, which public registries refuse (cargo.md §2.5).
func AnyVersion(requirement string) bool {
	rest, ok := cutWildcard(strings.Trim(requirement, " "))
	return ok && rest == ""
}

func badRequirement(raw, why string) error {
	return errs.New(errs.Invalid, "The requirement %q is not one that Cargo reads: %s.", raw, why).
		WithRule("cargo/requirement").WithNext(`Write it as in Cargo.toml, such as "^1.2" or ">=1.2, <1.5".`)
}

// comparator consumes one comparator and the blanks after it; why is empty when it was well formed.
func comparator(s string) (rest, why string) {
	for _, op := range []string{">=", "<=", "=", ">", "<", "~", "^"} {
		if after, ok := strings.CutPrefix(s, op); ok {
			s = after
			break
		}
	}
	s = strings.TrimLeft(s, " ")
	if s, why = number(s); why != "" {
		return "", why
	}
	wildcard, full := false, true
	for range 2 {
		after, ok := strings.CutPrefix(s, ".")
		if !ok {
			full = false
			break
		}
		if s, ok = cutWildcard(after); ok {
			wildcard, full = true, false
			continue
		}
		if wildcard {
			return "", "nothing but a wildcard may follow a wildcard"
		}
		if s, why = number(after); why != "" {
			return "", why
		}
	}
	if !full {
		return strings.TrimLeft(s, " "), ""
	}
	if after, ok := strings.CutPrefix(s, "-"); ok {
		end := identifierEnd(after)
		if !semver.ValidPre(after[:end]) {
			return "", "its pre-release part is malformed"
		}
		s = after[end:]
	}
	if after, ok := strings.CutPrefix(s, "+"); ok {
		end := identifierEnd(after)
		if !semver.ValidBuild(after[:end]) {
			return "", "its build metadata is malformed"
		}
		s = after[end:]
	}
	return strings.TrimLeft(s, " "), ""
}

// number consumes one number without leading zeros that fits 64 bits.
func number(s string) (rest, why string) {
	end := 0
	for end < len(s) && '0' <= s[end] && s[end] <= '9' {
		end++
	}
	digits := s[:end]
	switch {
	case digits == "":
		return "", "a number is missing"
	case len(digits) > 1 && digits[0] == '0':
		return "", "a number has a leading zero"
	case semver.CompareNumbers(digits, maxNumber) > 0:
		return "", "a number does not fit 64 bits"
	}
	return s[end:], ""
}

func cutWildcard(s string) (rest string, ok bool) {
	if s != "" && strings.IndexByte("*xX", s[0]) >= 0 {
		return s[1:], true
	}
	return s, false
}

func identifierEnd(s string) int {
	for i := range len(s) {
		c := s[i]
		if c != '.' && c != '-' && ('0' > c || c > '9') && ('a' > c|0x20 || c|0x20 > 'z') {
			return i
		}
	}
	return len(s)
}
