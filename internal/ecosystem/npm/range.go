package npm

import (
	"regexp"
	"strings"
)

// The grammar of a comparator in node-semver's strict ranges, after blanks behind operators are gone.
const (
	rangeNumber  = `(?:0|[1-9][0-9]*|[xX*])`
	rangeIdent   = `(?:0|[1-9][0-9]*|[0-9]*[a-zA-Z-][a-zA-Z0-9-]*)`
	rangeSuffix  = `(?:-` + rangeIdent + `(?:\.` + rangeIdent + `)*)?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?`
	rangePartial = `[v= ]*` + rangeNumber + `(?:\.` + rangeNumber + `(?:\.` + rangeNumber + rangeSuffix + `)?)?`
)

var (
	rangeHyphen     = regexp.MustCompile(`^ *` + rangePartial + ` +- +` + rangePartial + ` *$`)
	rangeGap        = regexp.MustCompile(`([<>]=?|=|~>?|\^) +`)
	rangeComparator = regexp.MustCompile(`^(?:[<>]?=?|~>?|\^)` + rangePartial + `$`)
)

// IsRange reports whether the client would read s as a version or a range of versions. Such a string can never be a
// dist-tag, because `npm install name@tag` would not ask for it (npm.md §3). The empty string is the range of everything.
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
	if rangeHyphen.MatchString(set) {
		return true
	}
	set = rangeGap.ReplaceAllString(set, "$1")
	for comparator := range strings.FieldsSeq(set) {
		if !isBareOperator(comparator) && !rangeComparator.MatchString(comparator) {
			return false
		}
	}
	return true
}

// isBareOperator reports an operator without a version, which the client reads as "any".
func isBareOperator(s string) bool {
	switch s {
	case "<", ">", "<=", ">=", "=":
		return true
	}
	return false
}
