package composer

import (
	"regexp"
	"strconv"
	"strings"

	"bonded/internal/errs"
)

// maxConstraint bounds the text of a constraint, in bytes: advisories with many branches are long, attacks longer.
const maxConstraint = 8192

// operator compares a version with a bound.
type operator uint8

const (
	opEqual operator = iota
	opNotEqual
	opLess
	opLessEqual
	opGreater
	opGreaterEqual
	opAny
)

// bound is one comparison against a normalized version.
type bound struct {
	op      operator
	version string
}

// Constraint is a parsed version constraint: alternatives, each a list of bounds that must all hold (composer.md §3.1).
type Constraint struct {
	alternatives [][]bound
}

// Matches reports whether the constraint allows a normalized version. A named branch matches only "=" and "!=".
func (c *Constraint) Matches(normalized string) bool {
	for _, all := range c.alternatives {
		if holds(all, normalized) {
			return true
		}
	}
	return false
}

func holds(all []bound, version string) bool {
	for _, b := range all {
		if !b.allows(version) {
			return false
		}
	}
	return true
}

func (b bound) allows(version string) bool {
	if b.op == opAny {
		return true
	}
	if isBranch(version) || isBranch(b.version) {
		return b.op == opEqual && version == b.version || b.op == opNotEqual && version != b.version
	}
	c := versionCompare(version, b.version)
	switch b.op {
	case opEqual:
		return c == 0
	case opNotEqual:
		return c != 0
	case opLess:
		return c < 0
	case opLessEqual:
		return c <= 0
	case opGreater:
		return c > 0
	}
	return c >= 0
}

// ParseConstraint reads a constraint as Composer does (composer.md §3.1): "^1.2", "~1.2.3", "1.0 - 2.0", "1.2.*",
// comparisons, comma or blank for AND, "|" or "||" for OR.
func ParseConstraint(s string) (*Constraint, error) {
	if len(s) > maxConstraint {
		return nil, errs.New(errs.Invalid, "A constraint has at most %d characters; this one has %d.", maxConstraint, len(s)).
			WithRule("composer/constraint-length").WithNext("Shorten the constraint.")
	}
	c := &Constraint{}
	for _, alternative := range orPattern.Split(strings.Trim(s, " \t\n\r\x00\x0b"), -1) {
		var all []bound
		for _, part := range splitAnd(alternative) {
			bounds, ok := parsePart(part)
			if !ok {
				return nil, errs.New(errs.Invalid, "The constraint %q is not one that Composer reads: %q is wrong.", s, part).
					WithRule("composer/constraint").WithNext(`Write it as in composer.json, such as "^1.2" or ">=1.0 <1.5".`)
			}
			all = append(all, bounds...)
		}
		c.alternatives = append(c.alternatives, all)
	}
	return c, nil
}

// versionPattern is the version inside a range; its groups are four numbers, stability, its number, dev, x-dev.
const versionPattern = `v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:\.(\d+))?(?:` + modifierPattern + `|\.([xX*][.-]?dev))(?:\+[^\s]+)?`

var (
	orPattern        = regexp.MustCompile(`[\s\v]*\|\|?[\s\v]*`)
	aliasPattern     = regexp.MustCompile(`^([^,\s\v]+) +as +([^,\s\v]+)$`)
	flagPattern      = regexp.MustCompile(`(?i)^([^,\s\v]*?)@(stable|RC|beta|alpha|dev)$`)
	referencePattern = regexp.MustCompile(`(?i)^(dev-[^,\s\v@]+?|[^,\s\v@]+?\.x-dev)#.+$`)
	anyPattern       = regexp.MustCompile(`(?i)^(v)?[xX*](\.[xX*])*$`)
	tildePattern     = regexp.MustCompile(`(?i)^~` + versionPattern + `$`)
	caretPattern     = regexp.MustCompile(`(?i)^\^` + versionPattern + `$`)
	wildcardPattern  = regexp.MustCompile(`^v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:\.[xX*])+$`)
	hyphenPattern    = regexp.MustCompile(`(?i)^(` + versionPattern + `) +- +(` + versionPattern + `)$`)
	comparison       = regexp.MustCompile(`^(<>|!=|>=?|<=?|==?)?[\s\v]*(.*)`)
	devSuffixed      = regexp.MustCompile(`^[0-9a-zA-Z\-./]+$`)
	// unstable is case-sensitive against a lower-cased version, so that "RC" never matches: the client's quirk that
	// makes ">=1.0-RC1" mean ">=1.0.0.0-RC1-dev" (composer.md §3.1).
	unstable = regexp.MustCompile(`-` + modifierPattern + `$`)
)

func parsePart(s string) ([]bound, bool) {
	if m := aliasPattern.FindStringSubmatch(s); m != nil {
		s = m[1]
	}
	flag := ""
	if m := flagPattern.FindStringSubmatch(s); m != nil {
		s = m[1]
		if s == "" {
			s = "*"
		}
		if m[2] != "stable" {
			flag = m[2]
		}
	}
	if m := referencePattern.FindStringSubmatch(s); m != nil {
		s = m[1]
	}
	if m := anyPattern.FindStringSubmatch(s); m != nil {
		if m[1] != "" || m[2] != "" {
			return []bound{{opGreaterEqual, "0.0.0.0-dev"}}, true
		}
		return []bound{{op: opAny}}, true
	}
	if m := tildePattern.FindStringSubmatch(s); m != nil {
		return tildeRange(s, m)
	}
	if m := caretPattern.FindStringSubmatch(s); m != nil {
		return caretRange(s, m)
	}
	if m := wildcardPattern.FindStringSubmatch(s); m != nil {
		return wildcardRange(m)
	}
	if m := hyphenPattern.FindStringSubmatch(s); m != nil {
		return hyphenRange(m)
	}
	return parseComparison(s, flag)
}

// position counts the numbers that a version spells out.
func position(m []string) int {
	n := 1
	for n < 4 && n+1 < len(m) && m[n+1] != "" {
		n++
	}
	return n
}

// lowerBound normalizes the version behind the operator sign; an unsuffixed one admits its own pre-releases.
func lowerBound(s string, m []string) (string, bool) {
	if m[5] == "" && m[7] == "" && m[8] == "" {
		s += "-dev"
	}
	return Normalize(s[1:])
}

func tildeRange(s string, m []string) ([]bound, bool) {
	at := position(m)
	if m[8] != "" {
		at++
	}
	return between(s, m, max(1, at-1))
}

func caretRange(s string, m []string) ([]bound, bool) {
	switch {
	case m[1] != "0" || m[2] == "":
		return between(s, m, 1)
	case m[2] != "0" || m[3] == "":
		return between(s, m, 2)
	}
	return between(s, m, 3)
}

func between(s string, m []string, high int) ([]bound, bool) {
	low, ok := lowerBound(s, m)
	if !ok {
		return nil, false
	}
	top, ok := raise(m[1:5], high, 1)
	return []bound{{opGreaterEqual, low}, {opLess, top + "-dev"}}, ok
}

func wildcardRange(m []string) ([]bound, bool) {
	at := min(position(m), 3)
	numbers := []string{m[1], m[2], m[3], ""}
	low, _ := raise(numbers, at, 0)
	high, ok := raise(numbers, at, 1)
	if low == "0.0.0.0" {
		return []bound{{opLess, high + "-dev"}}, ok
	}
	return []bound{{opGreaterEqual, low + "-dev"}, {opLess, high + "-dev"}}, ok
}

// hyphenRange reads "from - to"; m holds from at 1, its groups at 2 to 9, to at 10 and its groups at 11 to 18.
func hyphenRange(m []string) ([]bound, bool) {
	low, ok := Normalize(m[1])
	if !ok {
		return nil, false
	}
	if m[6] == "" && m[8] == "" && m[9] == "" {
		low += "-dev"
	}
	to, ok := Normalize(m[10])
	if !ok {
		return nil, false
	}
	if m[12] != "" && m[13] != "" || m[15] != "" || m[17] != "" || m[18] != "" {
		return []bound{{opGreaterEqual, low}, {opLessEqual, to}}, true
	}
	at := 2
	if m[12] == "" {
		at = 1
	}
	high, ok := raise(m[11:15], at, 1)
	return []bound{{opGreaterEqual, low}, {opLess, high + "-dev"}}, ok
}

// raise adds to the number at a position (1 to 4) and zeroes those behind it; ok is false beyond 64 bits.
func raise(numbers []string, at int, by int64) (string, bool) {
	parts := [4]string{"0", "0", "0", "0"}
	copy(parts[:at], numbers[:at])
	if by == 0 {
		return strings.Join(parts[:], "."), true
	}
	n, err := strconv.ParseInt(parts[at-1], 10, 64)
	if parts[at-1] == "" {
		n, err = 0, nil
	}
	parts[at-1] = strconv.FormatInt(n+by, 10)
	return strings.Join(parts[:], "."), err == nil && n+by > n
}

var operators = map[string]operator{
	"": opEqual, "=": opEqual, "==": opEqual, "!=": opNotEqual, "<>": opNotEqual,
	"<": opLess, "<=": opLessEqual, ">": opGreater, ">=": opGreaterEqual,
}

func parseComparison(s, flag string) ([]bound, bool) {
	m := comparison.FindStringSubmatch(s)
	op := operators[m[1]]
	version, ok := Normalize(m[2])
	if !ok {
		// "foobar-dev" is accepted for "dev-foobar".
		branch, isDev := strings.CutSuffix(m[2], "-dev")
		if !isDev || !devSuffixed.MatchString(m[2]) {
			return nil, false
		}
		version = "dev-" + branch
	}
	switch {
	case op != opEqual && flag != "" && Stability(version) == "stable":
		version += "-" + flag
	case op == opLess || op == opGreaterEqual:
		if !unstable.MatchString(strings.ToLower(m[2])) && !strings.HasPrefix(m[2], "dev-") {
			version += "-dev"
		}
	}
	return []bound{{op, version}}, true
}

// splitAnd cuts at commas and blanks that stand between two constraints, and not those behind an operator, around the
// hyphen of a range or around "as". It follows the client's
// (?<!^|as|[=>< ,]) *(?<!-)[, ](?!-) *(?!,|as|$) character by character, since Go has no look-around.
func splitAnd(s string) []string {
	var parts []string
	start := 0
	for i := 0; i < len(s); {
		end, ok := separatorAt(s, i)
		if !ok {
			i++
			continue
		}
		parts = append(parts, s[start:i])
		start, i = end, end
	}
	return append(parts, s[start:])
}

// separatorAt reports where a separator that begins at i ends.
func separatorAt(s string, i int) (end int, ok bool) {
	if i == 0 || strings.HasSuffix(s[:i], "as") || strings.IndexByte("=>< ,", s[i-1]) >= 0 {
		return 0, false
	}
	blanks := countBlanks(s[i:])
	for n := blanks; n >= 0; n-- {
		at := i + n
		if at >= len(s) || s[at-1] == '-' || s[at] != ',' && s[at] != ' ' {
			continue
		}
		if at+1 < len(s) && s[at+1] == '-' {
			continue
		}
		for after := countBlanks(s[at+1:]); after >= 0; after-- {
			rest := s[at+1+after:]
			if rest != "" && rest[0] != ',' && !strings.HasPrefix(rest, "as") {
				return at + 1 + after, true
			}
		}
	}
	return 0, false
}

func countBlanks(s string) int { return len(s) - len(strings.TrimLeft(s, " ")) }
