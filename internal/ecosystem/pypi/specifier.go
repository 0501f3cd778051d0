package pypi

import (
	"strings"

	"bonded/internal/errs"
)

// maxSpecifiers bounds a specifier set, in bytes; the longest honest Requires-Python has under 200.
const maxSpecifiers = 1024

// Specifier is one clause of a specifier set, such as ">= 3.9".
type Specifier struct {
	// Operator is one of ~= == != <= >= < > ===.
	Operator string
	// Version as written, without blanks; may end in ".*" after == and !=.
	Version string
}

// String writes the clause without blanks.
func (s Specifier) String() string { return s.Operator + s.Version }

// SpecifierSet is a list of clauses that must all hold; the empty set allows everything.
type SpecifierSet []Specifier

// String writes the clauses joined by commas.
func (s SpecifierSet) String() string {
	parts := make([]string, len(s))
	for i, clause := range s {
		parts[i] = clause.String()
	}
	return strings.Join(parts, ",")
}

// ParseSpecifierSet reads a comma-separated specifier set such as a Requires-Python value (pypi.md §0.1). Empty clauses
// are dropped, as packaging drops them.
func ParseSpecifierSet(raw string) (SpecifierSet, error) {
	if len(raw) > maxSpecifiers {
		return nil, errs.New(errs.Invalid, "A version specifier has at most %d characters; this one has %d.", maxSpecifiers, len(raw)).
			WithRule("pypi/specifier-length").WithNext("Shorten it.")
	}
	var set SpecifierSet
	for clause := range strings.SplitSeq(raw, ",") {
		if strings.TrimSpace(clause) == "" {
			continue
		}
		s, err := ParseSpecifier(clause)
		if err != nil {
			return nil, err
		}
		set = append(set, s)
	}
	return set, nil
}

// operators, longest first, so that "===" is not read as "==".
var specifierOperators = [...]string{"===", "~=", "==", "!=", "<=", ">=", "<", ">"}

// ParseSpecifier reads one clause: an operator and a version. "==" and "!=" take a local part or a ".*" suffix, "~=" needs
// two numbers, "===" takes any word, the others neither local part nor suffix (pypi.md §0.1).
func ParseSpecifier(raw string) (Specifier, error) {
	s := strings.TrimSpace(raw)
	for _, op := range specifierOperators {
		version, ok := strings.CutPrefix(s, op)
		if !ok {
			continue
		}
		version = strings.TrimSpace(version)
		if !validOperand(op, version) {
			break
		}
		return Specifier{Operator: op, Version: version}, nil
	}
	return Specifier{}, errs.New(errs.Invalid, "%q is not a version specifier of PEP 440.", strings.TrimSpace(raw)).
		WithRule("pypi/specifier").WithNext(`Write clauses such as ">=3.9" or "~=3.10", joined by commas.`)
}

func validOperand(op, version string) bool {
	if op == "===" {
		return !strings.ContainsAny(version, ";) \t\n\r\v\f")
	}
	if op == "==" || op == "!=" {
		if prefix, ok := strings.CutSuffix(version, ".*"); ok {
			v, ok := parsePEP440(prefix)
			return ok && prefix == strings.TrimSpace(prefix) && !v.pre.set && !v.post.set && !v.dev.set && v.local == ""
		}
		_, ok := parsePEP440(version)
		return ok
	}
	v, ok := parsePEP440(version)
	return ok && v.local == "" && (op != "~=" || strings.Contains(v.release, "."))
}
