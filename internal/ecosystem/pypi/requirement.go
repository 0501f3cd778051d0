package pypi

import (
	"slices"
	"strings"

	"bonded/internal/errs"
)

// maxRequirement bounds one requirement, in bytes; honest ones with long markers stay under 1,000.
const maxRequirement = 4096

// Requirement is a dependency specifier, such as `requests[socks]>=2,<3; python_version < "3.12"` (pypi.md §0.2).
type Requirement struct {
	// Name is the normalized project name.
	Name string
	// Extras are normalized, sorted and unique.
	Extras []string
	// Specifiers are sorted.
	Specifiers SpecifierSet
	// URL is set for a direct reference ("name @ url"), which an index refuses.
	URL string
	// Marker is the condition in its normal form; empty for none.
	Marker string
	// Extra reports that the marker asks for an extra.
	Extra bool
}

// ParseRequirement reads a dependency specifier. Two spellings of the same requirement have the same String.
func ParseRequirement(raw string) (Requirement, error) {
	if len(raw) > maxRequirement {
		return Requirement{}, errs.New(errs.Invalid, "A requirement has at most %d characters; this one has %d.", maxRequirement, len(raw)).
			WithRule("pypi/requirement-length").WithNext("Shorten it.")
	}
	r, why := parseRequirement(strings.TrimSpace(raw))
	if why != "" {
		return Requirement{}, errs.New(errs.Invalid, "%q is not a requirement: %s.", raw, why).WithRule("pypi/requirement").
			WithNext(`Write it like requests[socks]>=2.8; python_version < "3.12".`)
	}
	return r, nil
}

// String is the normal form: normalized names, sorted clauses, one spelling of the marker.
func (r Requirement) String() string {
	var b strings.Builder
	b.WriteString(r.Name)
	if len(r.Extras) > 0 {
		b.WriteString("[" + strings.Join(r.Extras, ",") + "]")
	}
	if r.URL != "" {
		b.WriteString(" @ " + r.URL)
		if r.Marker != "" {
			b.WriteString(" ") // where a URL ends
		}
	}
	b.WriteString(r.Specifiers.String())
	if r.Marker != "" {
		b.WriteString("; " + r.Marker)
	}
	return b.String()
}

// parseRequirement returns why it failed, as a clause.
func parseRequirement(s string) (r Requirement, why string) {
	end := 0
	for end < len(s) && (isAlphanumeric(s[end]) || isSeparator(s[end])) {
		end++
	}
	var ok bool
	if r.Name, ok = NormalizeName(s[:end]); !ok {
		return r, "it does not begin with a project name"
	}
	rest := trimBlank(s[end:])
	if after, found := strings.CutPrefix(rest, "["); found {
		if r.Extras, rest, why = cutExtras(after); why != "" {
			return r, why
		}
	}
	var marker string
	if after, found := strings.CutPrefix(rest, "@"); found {
		// A URL ends at a blank, so that the marker's semicolon can be told from one inside it.
		r.URL, marker, _ = strings.Cut(trimBlank(after), " ")
		if r.URL == "" {
			return r, "it has no URL after the @"
		}
		marker, found = strings.CutPrefix(trimBlank(marker), ";")
		if !found && marker != "" {
			return r, "something follows the URL that is no marker"
		}
		return r, r.setMarker(marker, found)
	}
	specifiers, marker, found := strings.Cut(rest, ";")
	if why = r.setSpecifiers(trimBlank(specifiers)); why != "" {
		return r, why
	}
	return r, r.setMarker(marker, found)
}

// cutExtras takes `a, b]` off the front.
func cutExtras(s string) (extras []string, rest, why string) {
	list, rest, ok := strings.Cut(s, "]")
	if !ok {
		return nil, "", "its list of extras is not closed"
	}
	if trimBlank(list) == "" {
		return nil, trimBlank(rest), ""
	}
	for item := range strings.SplitSeq(list, ",") {
		norm, ok := NormalizeName(trimBlank(item))
		if !ok {
			return nil, "", "one of its extras is not a name"
		}
		extras = append(extras, norm)
	}
	slices.Sort(extras)
	return slices.Compact(extras), trimBlank(rest), ""
}

func (r *Requirement) setSpecifiers(s string) (why string) {
	if inner, ok := strings.CutPrefix(s, "("); ok {
		if inner, ok = strings.CutSuffix(inner, ")"); !ok {
			return "its version specifier is not closed"
		}
		s = inner
	}
	set, err := ParseSpecifierSet(s)
	if err != nil {
		return "its version specifier does not follow PEP 440"
	}
	slices.SortFunc(set, func(a, b Specifier) int { return strings.Compare(a.String(), b.String()) })
	r.Specifiers = set
	return ""
}

func (r *Requirement) setMarker(s string, present bool) (why string) {
	if !present {
		return ""
	}
	p := markerParser{rest: s}
	m, ok := p.parse()
	if !ok {
		return "its marker cannot be parsed"
	}
	r.Marker, r.Extra = m, p.extra
	return ""
}

func trimBlank(s string) string { return strings.Trim(s, " \t") }
