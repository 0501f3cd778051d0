package pypi

import "strings"

// maxMarkerDepth bounds the nesting of parentheses in a marker.
const maxMarkerDepth = 16

// markerVariables are the names that a marker may compare (pypi.md §0.2), with the old spellings that installers still read.
var markerVariables = map[string]string{
	"os_name": "os_name", "os.name": "os_name",
	"sys_platform": "sys_platform", "sys.platform": "sys_platform",
	"platform_machine": "platform_machine", "platform.machine": "platform_machine",
	"platform_version": "platform_version", "platform.version": "platform_version",
	"platform_python_implementation": "platform_python_implementation",
	"platform.python_implementation": "platform_python_implementation",
	"python_implementation":          "platform_python_implementation",
	"platform_release":               "platform_release",
	"platform_system":                "platform_system",
	"python_version":                 "python_version",
	"python_full_version":            "python_full_version",
	"implementation_name":            "implementation_name",
	"implementation_version":         "implementation_version",
	"extra":                          "extra",
	"extras":                         "extras",
	"dependency_groups":              "dependency_groups",
}

// markerOperators, longest first, so that "<=" is not read as "<".
var markerOperators = [...]string{"===", "~=", "==", "!=", "<=", ">=", "<", ">"}

// markerParser reads a marker by recursive descent and writes its normal form: one blank between words, double quotes,
// parentheses only around an "or" inside an "and".
type markerParser struct {
	rest  string
	depth int
	// extra is set when the variable extra occurs.
	extra bool
}

// parse reads the whole marker.
func (p *markerParser) parse() (string, bool) {
	m, _, ok := p.either()
	return m, ok && trimBlank(p.rest) == ""
}

// either reads terms joined by "or"; several reports that there was more than one.
func (p *markerParser) either() (m string, several, ok bool) {
	if m, several, ok = p.both(); !ok {
		return "", false, false
	}
	for p.word("or") {
		next, _, ok := p.both()
		if !ok {
			return "", false, false
		}
		m, several = m+" or "+next, true
	}
	return m, several, true
}

// both reads terms joined by "and". A lone term in parentheses keeps what it was.
func (p *markerParser) both() (m string, either, ok bool) {
	if m, either, ok = p.term(); !ok {
		return "", false, false
	}
	for p.word("and") {
		next, nextEither, ok := p.term()
		if !ok {
			return "", false, false
		}
		m, either = group(m, either)+" and "+group(next, nextEither), false
	}
	return m, either, true
}

func group(m string, either bool) string {
	if either {
		return "(" + m + ")"
	}
	return m
}

func (p *markerParser) term() (m string, either, ok bool) {
	p.rest = trimBlank(p.rest)
	after, open := strings.CutPrefix(p.rest, "(")
	if !open {
		m, ok = p.comparison()
		return m, false, ok
	}
	if p.depth++; p.depth > maxMarkerDepth {
		return "", false, false
	}
	p.rest = after
	if m, either, ok = p.either(); !ok {
		return "", false, false
	}
	p.depth--
	p.rest, ok = strings.CutPrefix(trimBlank(p.rest), ")")
	return m, either, ok
}

// comparison reads `value operator value`, of which one is a variable.
func (p *markerParser) comparison() (string, bool) {
	left, leftVariable, ok := p.value()
	if !ok {
		return "", false
	}
	op, ok := p.operator()
	if !ok {
		return "", false
	}
	right, rightVariable, ok := p.value()
	if !ok || !leftVariable && !rightVariable {
		return "", false
	}
	switch {
	case left == "extra" && leftVariable && !rightVariable:
		right = normalizeExtra(right)
	case right == "extra" && rightVariable && !leftVariable:
		left = normalizeExtra(left)
	}
	return left + " " + op + " " + right, true
}

// normalizeExtra normalizes a quoted extra's name.
func normalizeExtra(quoted string) string {
	if norm, ok := NormalizeName(quoted[1 : len(quoted)-1]); ok {
		return `"` + norm + `"`
	}
	return quoted
}

func (p *markerParser) operator() (string, bool) {
	p.rest = trimBlank(p.rest)
	for _, op := range markerOperators {
		if after, ok := strings.CutPrefix(p.rest, op); ok {
			p.rest = after
			return op, true
		}
	}
	if p.word("in") {
		return "in", true
	}
	if p.word("not") && p.word("in") {
		return "not in", true
	}
	return "", false
}

// value reads a variable or a quoted string, which comes back with its quotes.
func (p *markerParser) value() (s string, variable, ok bool) {
	p.rest = trimBlank(p.rest)
	if p.rest == "" {
		return "", false, false
	}
	if q := p.rest[0]; q == '"' || q == '\'' {
		end := strings.IndexByte(p.rest[1:], q)
		if end < 0 {
			return "", false, false
		}
		s, p.rest = p.rest[1:1+end], p.rest[2+end:]
		if strings.Contains(s, `"`) {
			return "'" + s + "'", false, true
		}
		return `"` + s + `"`, false, true
	}
	end := 0
	for end < len(p.rest) && (isAlphanumeric(p.rest[end]) || p.rest[end] == '_' || p.rest[end] == '.') {
		end++
	}
	s, known := markerVariables[p.rest[:end]]
	p.rest = p.rest[end:]
	p.extra = p.extra || s == "extra"
	return s, true, known
}

// word takes a keyword that ends where a word ends.
func (p *markerParser) word(w string) bool {
	after, ok := strings.CutPrefix(trimBlank(p.rest), w)
	if !ok || after != "" && (isAlphanumeric(after[0]) || after[0] == '_' || after[0] == '.') {
		return false
	}
	p.rest = after
	return true
}
