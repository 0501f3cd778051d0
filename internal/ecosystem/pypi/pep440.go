package pypi

import (
	"cmp"
	"strings"

	"bonded/internal/ecosystem/semver"
)

// segment is one of the optional parts of a version.
type segment struct {
	set bool
	// number as written; empty means 0.
	number string
}

// pep440 is a parsed version. Its fields are substrings of what was parsed, so a parse does not allocate.
type pep440 struct {
	epoch   string
	release string // dotted numbers as written
	pre     segment
	preKind byte // 'a', 'b' or 'r' for rc
	post    segment
	dev     segment
	local   string // as written, without "+"
}

// parsePEP440 reads a version leniently, as PEP 440 appendix B has it: any case, alternative spellings and separators.
func parsePEP440(s string) (v pep440, ok bool) {
	s = strings.TrimSpace(s)
	if s != "" && s[0]|0x20 == 'v' {
		s = s[1:]
	}
	if end := digits(s); end > 0 && end < len(s) && s[end] == '!' {
		v.epoch, s = s[:end], s[end+1:]
	}
	if v.release, s = cutRelease(s); v.release == "" {
		return v, false
	}
	s = v.cutPre(s)
	s = v.cutPost(s)
	v.dev, s = cutSegment(s, "dev")
	if rest, found := strings.CutPrefix(s, "+"); found {
		v.local, s = rest, ""
		if !validLocal(rest) {
			return v, false
		}
	}
	return v, s == ""
}

// cutRelease takes numbers joined by single dots.
func cutRelease(s string) (release, rest string) {
	end := digits(s)
	if end == 0 {
		return "", s
	}
	for end < len(s) && s[end] == '.' {
		more := digits(s[end+1:])
		if more == 0 {
			break
		}
		end += 1 + more
	}
	return s[:end], s[end:]
}

// preWords with their kinds, longest first where one begins another.
var preWords = [...]struct {
	word string
	kind byte
}{{"alpha", 'a'}, {"a", 'a'}, {"beta", 'b'}, {"b", 'b'}, {"preview", 'r'}, {"pre", 'r'}, {"c", 'r'}, {"rc", 'r'}}

func (v *pep440) cutPre(s string) (rest string) {
	for _, w := range preWords {
		if v.pre, rest = cutSegment(s, w.word); v.pre.set {
			v.preKind = w.kind
			return rest
		}
	}
	return s
}

func (v *pep440) cutPost(s string) (rest string) {
	if s != "" && s[0] == '-' {
		if end := digits(s[1:]); end > 0 {
			v.post = segment{set: true, number: s[1 : 1+end]}
			return s[1+end:]
		}
	}
	for _, word := range [...]string{"post", "rev", "r"} {
		if v.post, rest = cutSegment(s, word); v.post.set {
			return rest
		}
	}
	return s
}

// cutSegment takes an optional separator, the word, and an optional number with an optional separator before it.
func cutSegment(s, word string) (seg segment, rest string) {
	body := s
	if body != "" && isSeparator(body[0]) {
		body = body[1:]
	}
	if len(body) < len(word) || !strings.EqualFold(body[:len(word)], word) {
		return segment{}, s
	}
	body = body[len(word):]
	seg.set = true
	// The separator is taken even where no number follows, since the grammar makes both optional on their own.
	if body != "" && isSeparator(body[0]) {
		body = body[1:]
	}
	end := digits(body)
	seg.number = body[:end]
	return seg, body[end:]
}

func validLocal(s string) bool {
	for i := range len(s) {
		if !isAlphanumeric(s[i]) && (!isSeparator(s[i]) || i == 0 || i == len(s)-1 || isSeparator(s[i-1])) {
			return false
		}
	}
	return s != ""
}

// text writes the normal form; strip drops trailing zeros of the release.
func (v *pep440) text(strip bool) string {
	var b strings.Builder
	if e := canonicalNumber(v.epoch); e != "0" {
		b.WriteString(e)
		b.WriteByte('!')
	}
	release := v.release
	if strip {
		release = significant(release)
	}
	for i, number := range strings.Split(release, ".") {
		if i > 0 {
			b.WriteByte('.')
		}
		b.WriteString(canonicalNumber(number))
	}
	if v.pre.set {
		b.WriteByte(v.preKind)
		if v.preKind == 'r' {
			b.WriteByte('c')
		}
		b.WriteString(canonicalNumber(v.pre.number))
	}
	if v.post.set {
		b.WriteString(".post" + canonicalNumber(v.post.number))
	}
	if v.dev.set {
		b.WriteString(".dev" + canonicalNumber(v.dev.number))
	}
	for i, part := range strings.FieldsFunc(v.local, func(r rune) bool { return isSeparator(byte(r)) }) {
		b.WriteByte("+."[min(i, 1)])
		if digits(part) == len(part) {
			part = canonicalNumber(part)
		}
		b.WriteString(strings.ToLower(part))
	}
	return b.String()
}

// significant drops trailing zero numbers, but never the first.
func significant(release string) string {
	for {
		dot := strings.LastIndexByte(release, '.')
		if dot < 0 || strings.Trim(release[dot+1:], "0") != "" {
			return release
		}
		release = release[:dot]
	}
}

func canonicalNumber(s string) string {
	if s = strings.TrimLeft(s, "0"); s == "" {
		return "0"
	}
	return s
}

// compare follows packaging's comparison key: epoch, release, pre, post, dev, local.
func (v *pep440) compare(w *pep440) int {
	if c := semver.CompareNumbers(v.epoch, w.epoch); c != 0 {
		return c
	}
	if c := compareReleases(v.release, w.release); c != 0 {
		return c
	}
	if c := cmp.Compare(v.preRank(), w.preRank()); c != 0 {
		return c
	}
	if c := semver.CompareNumbers(v.pre.number, w.pre.number); c != 0 {
		return c
	}
	if c := compareSegments(v.post, w.post, -1); c != 0 {
		return c
	}
	if c := compareSegments(v.dev, w.dev, 1); c != 0 {
		return c
	}
	return compareLocals(v.local, w.local)
}

// preRank puts a bare .devN of a release below its pre-releases, and the release above them.
func (v *pep440) preRank() int {
	switch {
	case v.preKind == 'a':
		return 1
	case v.preKind == 'b':
		return 2
	case v.preKind == 'r':
		return 3
	case v.dev.set && !v.post.set:
		return 0
	}
	return 4
}

// compareSegments compares numbers; absent says how a version without the segment stands to one with it.
func compareSegments(a, b segment, absent int) int {
	switch {
	case a.set && b.set:
		return semver.CompareNumbers(a.number, b.number)
	case a.set:
		return -absent
	case b.set:
		return absent
	}
	return 0
}

func compareReleases(a, b string) int {
	for a != "" || b != "" {
		var x, y string
		x, a, _ = strings.Cut(a, ".")
		y, b, _ = strings.Cut(b, ".")
		if c := semver.CompareNumbers(x, y); c != 0 {
			return c
		}
	}
	return 0
}

// compareLocals: none < any; numbers above words; a prefix below what it begins.
func compareLocals(a, b string) int {
	for a != "" && b != "" {
		var x, y string
		x, a = cutLocal(a)
		y, b = cutLocal(b)
		numX, numY := digits(x) == len(x), digits(y) == len(y)
		var c int
		switch {
		case numX && numY:
			c = semver.CompareNumbers(x, y)
		case numX:
			return 1
		case numY:
			return -1
		default:
			c = strings.Compare(strings.ToLower(x), strings.ToLower(y))
		}
		if c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

func cutLocal(s string) (part, rest string) {
	if i := strings.IndexAny(s, ".-_"); i >= 0 {
		return s[:i], s[i+1:]
	}
	return s, ""
}

// digits counts the leading digits.
func digits(s string) int {
	for i := range len(s) {
		if !isDigit(s[i]) {
			return i
		}
	}
	return len(s)
}
