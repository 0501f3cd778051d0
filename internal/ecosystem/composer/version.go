package composer

import (
	"cmp"
	"regexp"
	"strings"

	"bonded/internal/errs"
	"bonded/internal/registry"
)

// maxVersion bounds a version or branch name, in bytes.
const maxVersion = 255

// ParseVersion reads a version or branch for publishing (composer.md §3). Canonical and Unique are the normalized form:
// two spellings that normalize alike are one version. A dev version is Moving, since clients follow its reference.
func ParseVersion(raw string) (registry.Version, error) {
	if len(raw) > maxVersion {
		return registry.Version{}, errs.New(errs.Invalid, "A version has at most %d characters; this one has %d.", maxVersion, len(raw)).
			WithRule("composer/version-length").WithNext("Shorten the version.")
	}
	normalized, ok := Normalize(raw)
	if !ok || !versionCharset(normalized) {
		return registry.Version{}, errs.New(errs.Invalid, "The version %q is not one that Composer reads.", raw).
			WithRule("composer/version").WithNext("Write it as 1.2.3, 1.2.3-beta1, 1.x-dev or dev-BRANCH.")
	}
	stability := Stability(normalized)
	return registry.Version{
		Raw: raw, Canonical: normalized, Unique: normalized,
		Prerelease: stability != "stable", Moving: stability == "dev",
	}, nil
}

// versionCharset keeps blanks, control characters and broken text out of branch names, which Composer takes as they are.
func versionCharset(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' || strings.IndexByte(`\"<>`, s[i]) >= 0 {
			return false
		}
	}
	return !strings.Contains(s, "..") && s != "dev-"
}

// CompareVersions normalizes both and orders them as Composer's Comparator does. Branches named dev-* sort below every
// number and, since Composer leaves them unordered, among themselves by name. What does not normalize sorts first.
func CompareVersions(a, b string) int {
	na, okA := Normalize(a)
	nb, okB := Normalize(b)
	switch {
	case okA && okB:
		return CompareNormalized(na, nb)
	case okA:
		return 1
	case okB:
		return -1
	}
	return cmp.Or(versionCompare(a, b), strings.Compare(a, b))
}

// CompareNormalized is CompareVersions for versions that are normalized already.
func CompareNormalized(a, b string) int {
	if isBranch(a) && isBranch(b) {
		return strings.Compare(a, b)
	}
	return versionCompare(a, b)
}

// isBranch reports a named branch in normalized form.
func isBranch(normalized string) bool { return strings.HasPrefix(normalized, "dev-") }

// Normalize gives the form under which Composer identifies a version (composer.md §3, §3.1); ok is false for what it
// refuses to read.
func Normalize(version string) (normalized string, ok bool) {
	version = strings.Trim(version, " \t\n\r\x00\x0b")
	version = cutAlias(version)
	if at := strings.LastIndexByte(version, '@'); at >= 0 && isStabilityFlag(version[at+1:]) {
		version = version[:at]
	}
	switch {
	case version == "master" || version == "trunk" || version == "default":
		return "dev-" + version, true
	case len(version) >= 4 && strings.EqualFold(version[:4], "dev-"):
		return "dev-" + version[4:], true
	}
	if plus := strings.IndexByte(version, '+'); plus > 0 && plus < len(version)-1 &&
		!strings.ContainsAny(version[:plus], ", \t\n\r\v\f") && !strings.ContainsAny(version[plus:], " \t\n\r\v\f") {
		version = version[:plus]
	}
	if normalized, ok = normalizeNumbers(version); ok {
		return normalized, true
	}
	if normalized, ok = normalizeDate(version); ok {
		return normalized, true
	}
	if name, ok := cutDevSuffix(version); ok {
		return normalizeNumericBranch(name)
	}
	return "", false
}

// cutAlias drops the alias of "1.0 as 2.0".
func cutAlias(version string) string {
	end := strings.IndexAny(version, ", \t\n\r\v\f")
	if end <= 0 {
		return version
	}
	rest := strings.TrimLeft(version[end:], " ")
	alias, ok := strings.CutPrefix(rest, "as ")
	if !ok || version[end] != ' ' {
		return version
	}
	alias = strings.TrimLeft(alias, " ")
	if alias == "" || strings.ContainsAny(alias, ", \t\n\r\v\f") {
		return version
	}
	return version[:end]
}

func isStabilityFlag(s string) bool {
	switch strings.ToLower(s) {
	case "stable", "rc", "beta", "alpha", "dev":
		return true
	}
	return false
}

// normalizeNumbers reads one to four numbers and a modifier, and pads to four numbers.
func normalizeNumbers(version string) (string, bool) {
	s := trimV(version)
	end := digitsEnd(s)
	if end < 1 || end > 5 {
		return "", false
	}
	count := 1
	for count < 4 && end < len(s) && s[end] == '.' {
		more := digitsEnd(s[end+1:])
		if more == 0 {
			break
		}
		end += 1 + more
		count++
	}
	m, ok := parseModifier(s[end:])
	if !ok {
		return "", false
	}
	if end == len(s) && count == 4 {
		return s, true
	}
	return m.appendTo(s[:end] + ".0.0.0"[:2*(4-count)]), true
}

// datePattern is what Composer takes for a date: the separators become dots and the parts keep their count.
var datePattern = regexp.MustCompile(`(?i)^v?(\d{4}(?:[.:-]?\d{2}){1,6}(?:[.:-]?\d{1,3})?)` + modifierPattern + `$`)

// modifierPattern is Composer's suffix grammar, for the places where a hand-written reader would gain nothing.
const modifierPattern = `[._-]?(?:(stable|beta|b|RC|alpha|a|patch|pl|p)((?:[.-]?\d+)*)?)?([.-]?dev)?`

func normalizeDate(version string) (string, bool) {
	if digitsEnd(trimV(version)) < 4 {
		return "", false
	}
	m := datePattern.FindStringSubmatch(version)
	if m == nil {
		return "", false
	}
	numbers := strings.Map(func(r rune) rune {
		if '0' <= r && r <= '9' {
			return r
		}
		return '.'
	}, m[1])
	return modifier{stability: m[2], number: m[3], dev: m[4] != ""}.appendTo(numbers), true
}

// modifier is the part behind the numbers, such as "-beta.2-dev".
type modifier struct {
	stability string
	number    string
	dev       bool
}

// appendTo writes the modifier in normalized form. Lower-case "stable" swallows what follows it; other spellings of it are
// kept, as Composer keeps them.
func (m modifier) appendTo(numbers string) string {
	if m.stability == "stable" {
		return numbers
	}
	if m.stability != "" {
		numbers += "-" + expandStability(m.stability) + strings.TrimLeft(m.number, ".-")
	}
	if m.dev {
		numbers += "-dev"
	}
	return numbers
}

func expandStability(s string) string {
	s = strings.ToLower(s)
	switch s {
	case "a":
		return "alpha"
	case "b":
		return "beta"
	case "p", "pl":
		return "patch"
	case "rc":
		return "RC"
	}
	return s
}

// stabilityWords in the order in which they must be tried, longest first where one begins another.
var stabilityWords = [...]string{"stable", "beta", "b", "rc", "alpha", "a", "patch", "pl", "p"}

// parseModifier reads modifierPattern to the end of the string.
func parseModifier(s string) (m modifier, ok bool) {
	if s == "" {
		return m, true
	}
	if strings.IndexByte("._-", s[0]) >= 0 {
		s = s[1:]
	}
	for _, word := range stabilityWords {
		if len(s) >= len(word) && strings.EqualFold(s[:len(word)], word) {
			m.stability, s = s[:len(word)], s[len(word):]
			end := 0
			for end < len(s) {
				at := end
				if s[at] == '.' || s[at] == '-' {
					at++
				}
				digits := digitsEnd(s[at:])
				if digits == 0 {
					break
				}
				end = at + digits
			}
			m.number, s = s[:end], s[end:]
			break
		}
	}
	if s == "" {
		return m, true
	}
	if s[0] == '.' || s[0] == '-' {
		s = s[1:]
	}
	m.dev = strings.EqualFold(s, "dev")
	return m, m.dev
}

// cutDevSuffix takes "dev" and one "." or "-" before it off the end.
func cutDevSuffix(s string) (string, bool) {
	if len(s) < 3 || !strings.EqualFold(s[len(s)-3:], "dev") {
		return "", false
	}
	s = s[:len(s)-3]
	if s != "" && (s[len(s)-1] == '.' || s[len(s)-1] == '-') {
		s = s[:len(s)-1]
	}
	return s, true
}

// NormalizeBranch gives the version of a branch of a version-control system: "1.x" is 1.9999999.9999999.9999999-dev, any
// other name is dev-NAME (composer.md §3).
func NormalizeBranch(name string) string {
	name = strings.Trim(name, " \t\n\r\x00\x0b")
	if normalized, ok := normalizeNumericBranch(name); ok {
		return normalized
	}
	return "dev-" + name
}

func normalizeNumericBranch(name string) (string, bool) {
	s := trimV(strings.Trim(name, " \t\n\r\x00\x0b"))
	end := digitsEnd(s)
	if end == 0 {
		return "", false
	}
	const any = "9999999"
	var b strings.Builder
	b.WriteString(s[:end])
	s = s[end:]
	for range 3 {
		b.WriteByte('.')
		if s == "" {
			b.WriteString(any)
			continue
		}
		if s[0] != '.' {
			return "", false
		}
		s = s[1:]
		end := digitsEnd(s)
		switch {
		case end > 0:
			b.WriteString(s[:end])
			s = s[end:]
		case s != "" && strings.IndexByte("xX*", s[0]) >= 0:
			b.WriteString(any)
			s = s[1:]
		default:
			return "", false
		}
	}
	if s != "" {
		return "", false
	}
	b.WriteString("-dev")
	return b.String(), true
}

// trimV drops one leading v of either case.
func trimV(s string) string {
	if s != "" && s[0]|0x20 == 'v' {
		return s[1:]
	}
	return s
}

// digitsEnd counts the leading digits.
func digitsEnd(s string) int {
	for i := range len(s) {
		if s[i] < '0' || '9' < s[i] {
			return i
		}
	}
	return len(s)
}

var stabilityPattern = regexp.MustCompile(modifierPatternLower + `(?:\+.*)?$`)

const modifierPatternLower = `[._-]?(?:(stable|beta|b|rc|alpha|a|patch|pl|p)((?:[.-]?\d+)*)?)?([.-]?dev)?`

// Stability tells the stability of a version: "stable", "RC", "beta", "alpha" or "dev".
func Stability(version string) string {
	if hash := strings.IndexByte(version, '#'); hash >= 0 && hash < len(version)-1 {
		version = version[:hash]
	}
	if isBranch(version) || strings.HasSuffix(version, "-dev") {
		return "dev"
	}
	m := stabilityPattern.FindStringSubmatch(strings.ToLower(version))
	if m == nil {
		return "stable"
	}
	if m[3] != "" {
		return "dev"
	}
	switch m[1] {
	case "b", "beta":
		return "beta"
	case "a", "alpha":
		return "alpha"
	case "rc":
		return "RC"
	}
	return "stable"
}
