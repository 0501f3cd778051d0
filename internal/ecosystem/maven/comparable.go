package maven

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"bonded/internal/ecosystem/semver"
)

// itemKind tells the three sorts of item that a version is split into.
type itemKind uint8

const (
	numberItem itemKind = iota
	qualifierItem
	listItem
)

// item is one element of a split version. A version is a list; a hyphen, and each change between digits and letters,
// opens a list inside the list.
type item struct {
	kind itemKind
	// text is the number without leading zeros, so that zero is empty, or the lower-case qualifier after its aliases.
	text string
	list []item
}

// qualifierOrder ranks the known qualifiers; the release itself is releaseRank, unknown qualifiers come after all.
const (
	releaseRank = 5
	unknownRank = 7
)

func rankOf(qualifier string) int {
	switch qualifier {
	case "alpha":
		return 0
	case "beta":
		return 1
	case "milestone":
		return 2
	case "rc":
		return 3
	case "snapshot":
		return 4
	case "":
		return releaseRank
	case "sp":
		return 6
	}
	return unknownRank
}

func newNumber(digits string) item {
	return item{kind: numberItem, text: strings.TrimLeft(digits, "0")}
}

// newQualifier applies the aliases; a lone a, b or m before a digit means alpha, beta or milestone.
func newQualifier(text string, beforeDigit bool) item {
	switch text {
	case "ga", "final", "release":
		text = ""
	case "cr":
		text = "rc"
	}
	if beforeDigit {
		switch text {
		case "a":
			text = "alpha"
		case "b":
			text = "beta"
		case "m":
			text = "milestone"
		}
	}
	return item{kind: qualifierItem, text: text}
}

func newItem(digits bool, text string) item {
	if digits {
		return newNumber(text)
	}
	return newQualifier(text, false)
}

// isNull reports an item that means nothing at the end of a list: 0, a release qualifier, an empty list.
func (i item) isNull() bool {
	if i.kind == listItem {
		return len(i.list) == 0
	}
	return i.text == ""
}

// splitter builds the nested lists. Its levels are the open lists, outermost first; each but the first is the last item
// of the one before it, and is put there when everything is read.
type splitter struct {
	levels [][]item
}

func (s *splitter) add(i item) {
	top := len(s.levels) - 1
	s.levels[top] = append(s.levels[top], i)
}

func (s *splitter) open() { s.levels = append(s.levels, nil) }

func (s *splitter) topEmpty() bool { return len(s.levels[len(s.levels)-1]) == 0 }

// split parses as ComparableVersion.parseVersion of Maven 3.9 does.
func split(version string) []item {
	version = lower(version)
	s := splitter{levels: make([][]item, 1, 8)}
	digits, start := false, 0
	for i := range len(version) {
		switch c := version[i]; {
		case c == '.' || c == '-':
			if i == start {
				s.add(newNumber(""))
			} else {
				s.add(newItem(digits, version[start:i]))
			}
			start = i + 1
			if c == '-' {
				s.open()
			}
		case '0' <= c && c <= '9':
			if !digits && i > start {
				// 1.0.0.X1 is 1.0.0-X1 for any qualifier X.
				if !s.topEmpty() {
					s.open()
				}
				s.add(newQualifier(version[start:i], true))
				start = i
				s.open()
			}
			digits = true
		default:
			if digits && i > start {
				s.add(newNumber(version[start:i]))
				start = i
				s.open()
			}
			digits = false
		}
	}
	if start < len(version) {
		if !digits && !s.topEmpty() {
			s.open()
		}
		s.add(newItem(digits, version[start:]))
	}
	return s.close()
}

// close drops null items from the end of every list, innermost first, and hangs each list into its parent.
func (s *splitter) close() []item {
	for top := len(s.levels) - 1; ; top-- {
		list := trimNull(s.levels[top])
		if top == 0 {
			return list
		}
		s.levels[top-1] = append(s.levels[top-1], item{kind: listItem, list: list})
	}
}

// trimNull removes null items from the end, and those before trailing lists, up to the last plain item that counts.
func trimNull(list []item) []item {
	for i, l := range slices.Backward(list) {
		if l.isNull() {
			list = append(list[:i], list[i+1:]...)
		} else if l.kind != listItem {
			break
		}
	}
	return list
}

// compareLists compares item by item; a missing item is compared as null.
func compareLists(a, b []item) int {
	for i := 0; i < len(a) || i < len(b); i++ {
		var c int
		switch {
		case i >= len(a):
			c = -compareNull(b[i])
		case i >= len(b):
			c = compareNull(a[i])
		default:
			c = compareItems(a[i], b[i])
		}
		if c != 0 {
			return c
		}
	}
	return 0
}

// compareNull compares an item with the absence of one: 1.0 = 1, 1-rc < 1 < 1-sp.
func compareNull(i item) int {
	switch i.kind {
	case numberItem:
		return cmp.Compare(len(i.text), 0)
	case qualifierItem:
		return cmp.Compare(rankOf(i.text), releaseRank)
	}
	for _, inner := range i.list {
		if c := compareNull(inner); c != 0 {
			return c
		}
	}
	return 0
}

// compareItems orders unlike items as number > list > qualifier.
func compareItems(a, b item) int {
	if a.kind != b.kind {
		return cmp.Compare(weight(a.kind), weight(b.kind))
	}
	switch a.kind {
	case numberItem:
		return semver.CompareNumbers(a.text, b.text)
	case listItem:
		return compareLists(a.list, b.list)
	}
	if c := cmp.Compare(rankOf(a.text), rankOf(b.text)); c != 0 {
		return c
	}
	return compareUTF16(a.text, b.text)
}

func weight(k itemKind) int {
	switch k {
	case numberItem:
		return 2
	case listItem:
		return 1
	}
	return 0
}

// compareUTF16 is Java's String.compareTo: code unit by code unit, which differs from byte order above U+FFFF only.
func compareUTF16(a, b string) int {
	if isASCII(a) && isASCII(b) {
		return strings.Compare(a, b)
	}
	ua, ub := utf16.Encode([]rune(a)), utf16.Encode([]rune(b))
	for i := range min(len(ua), len(ub)) {
		if ua[i] != ub[i] {
			return cmp.Compare(ua[i], ub[i])
		}
	}
	return cmp.Compare(len(ua), len(ub))
}

// lower lower-cases and writes the decimal digits of every script as ASCII, because Java takes them for digits too.
func lower(s string) string {
	if isASCII(s) {
		return strings.ToLower(s)
	}
	return strings.Map(func(r rune) rune {
		if r >= utf8.RuneSelf && r <= 0xffff && unicode.IsDigit(r) {
			return '0' + digitValue(r)
		}
		return unicode.ToLower(r)
	}, s)
}

// digitValue relies on Unicode giving every script's digits ten consecutive code points from zero to nine.
func digitValue(r rune) rune {
	for _, block := range unicode.Nd.R16 {
		if rune(block.Lo) <= r && r <= rune(block.Hi) {
			return (r - rune(block.Lo)) % 10
		}
	}
	return 0
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
