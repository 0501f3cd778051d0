package npm

import (
	"regexp"
	"strings"

	"bonded/internal/ecosystem/semver"
)

// The grammar of node-semver's strict ranges; blanks are single spaces when it is applied.
const (
	rangeIdent   = `(?:[0-9]*[a-zA-Z-][a-zA-Z0-9-]*|0|[1-9][0-9]*)`
	rangePre     = `(?:-(` + rangeIdent + `(?:\.` + rangeIdent + `)*))?`
	rangeBuild   = `\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*`
	rangeNumber  = `(0|[1-9][0-9]*|x|X|\*)`
	rangePartial = `[v= ]*` + rangeNumber + `(?:\.` + rangeNumber + `(?:\.` + rangeNumber + rangePre + `)?)?`
	looseFull    = `[v= ]*[0-9]+\.[0-9]+\.[0-9]+(?:-?[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?`
)

var (
	rangeBuilds  = regexp.MustCompile(rangeBuild)
	rangeHyphen  = regexp.MustCompile(`^ *(` + rangePartial + `) +- +(` + rangePartial + `) *$`)
	rangeGap     = regexp.MustCompile(`( ?)((?:<|>)?=?) ?(` + looseFull + `|` + rangePartial + `)`)
	rangeTilde   = regexp.MustCompile(`~>? +`)
	rangeCaret   = regexp.MustCompile(`\^ +`)
	rangeRelaxed = regexp.MustCompile(`^(?:~>?|\^)` + rangePartial + `$`)
	rangeX       = regexp.MustCompile(`^((?:<|>)?=?) ?` + rangePartial + `$`)
	rangeStar    = regexp.MustCompile(`[<>]?=? ?\*`)
	rangeExact   = regexp.MustCompile(`^(?:[<>]?=?) ?v?([^<>=v ].*)$`)
)

// IsRange reports whether the client would read s as a version or a range of versions. Such a string can never be a
// dist-tag, because `npm install name@tag` would not ask for it (npm.md §3). The empty string is the range of everything.
// It follows node-semver's validRange step by step, since its quirks decide what is still a tag.
func IsRange(s string) bool {
	if len(s) > maxVersion {
		return false
	}
	s = strings.Join(strings.FieldsFunc(s, isSpace), " ")
	for part := range strings.SplitSeq(s, "||") {
		if !isComparatorSet(strings.Trim(part, " ")) {
			return false
		}
	}
	return true
}

func isComparatorSet(set string) bool {
	set = rangeBuilds.ReplaceAllString(set, "")
	if m := rangeHyphen.FindStringSubmatch(set); m != nil {
		set = hyphenEnd(">=", m[1], m[2:6]) + " " + hyphenEnd("<=", m[6], m[7:11])
	}
	set = rangeGap.ReplaceAllString(set, "$1$2$3")
	set = rangeTilde.ReplaceAllString(set, "~")
	set = rangeCaret.ReplaceAllString(set, "^")
	for comparator := range strings.FieldsSeq(set) {
		if !isComparator(comparator) {
			return false
		}
	}
	return true
}

// hyphenEnd rewrites one end of "a - b"; groups are its three numbers and its pre-release.
func hyphenEnd(operator, end string, groups []string) string {
	switch {
	case isWild(groups[0]):
		return ""
	case isWild(groups[1]):
		return operator + groups[0] + ".0.0"
	case isWild(groups[2]):
		return operator + groups[0] + "." + groups[1] + ".0"
	case operator == "<=" && groups[3] != "":
		return operator + strings.Join(groups[:3], ".") + "-" + groups[3]
	}
	return operator + end
}

func isComparator(s string) bool {
	if m := rangeRelaxed.FindStringSubmatch(s); m != nil {
		return safeNumbers(m[1:4])
	}
	if m := rangeX.FindStringSubmatch(s); m != nil {
		major, minor, patch := isWild(m[2]), isWild(m[3]), isWild(m[4])
		ordered := (!major || minor) && (!minor || m[4] == "" || patch)
		if ordered && (major || minor || patch) {
			return safeNumbers(m[2:5])
		}
	}
	if at := rangeStar.FindStringIndex(s); at != nil {
		s = s[:at[0]] + s[at[1]:]
	}
	if s == "" {
		return true
	}
	m := rangeExact.FindStringSubmatch(s)
	if m == nil {
		return false
	}
	v, ok := semver.Parse(m[1])
	return ok && safeNumbers(strings.Split(v.Release, "."))
}

// isWild reports a missing or wildcard number.
func isWild(number string) bool {
	return number == "" || number == "x" || number == "X" || number == "*"
}

// safeNumbers reports whether the client can hold the numbers.
func safeNumbers(numbers []string) bool {
	for _, n := range numbers {
		if !isWild(n) && semver.CompareNumbers(n, maxNumber) > 0 {
			return false
		}
	}
	return true
}
