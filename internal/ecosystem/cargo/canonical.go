package cargo

import "strings"

// canonicalRequirement writes a requirement that CheckRequirement accepts as Cargo prints it in the publish request and as
// the index holds it (cargo.md §2.3, version_req): "1.2" is "^1.2", "1.x" is "1.*", blanks and build metadata go.
func canonicalRequirement(raw string) string {
	if AnyVersion(raw) {
		return "*"
	}
	comparators := strings.Split(raw, ",")
	for i, c := range comparators {
		comparators[i] = canonicalComparator(strings.Trim(c, " "))
	}
	return strings.Join(comparators, ", ")
}

func canonicalComparator(s string) string {
	op := "^"
	explicit := false
	for _, o := range []string{">=", "<=", "=", ">", "<", "~", "^"} {
		if rest, ok := strings.CutPrefix(s, o); ok {
			op, s, explicit = o, strings.TrimLeft(rest, " "), true
			break
		}
	}
	s, _, _ = strings.Cut(s, "+")
	numbers, pre, hasPre := strings.Cut(s, "-")
	var kept []string
	for part := range strings.SplitSeq(strings.TrimRight(numbers, " "), ".") {
		if part == "*" || part == "x" || part == "X" {
			if !explicit { // "1.*" is an operator of its own; after another one the wildcard says nothing
				return strings.Join(kept, ".") + ".*"
			}
			break
		}
		kept = append(kept, part)
	}
	out := op + strings.Join(kept, ".")
	if hasPre {
		out += "-" + strings.TrimRight(pre, " ")
	}
	return out
}

// canonicalTarget writes a platform as the publish request and Cargo.toml can be compared: Cargo prints cfg expressions
// with its own blanks.
func canonicalTarget(s string) string {
	var b strings.Builder
	quoted := false
	for i := range len(s) {
		c := s[i]
		if c == '"' {
			quoted = !quoted
		}
		if quoted || (c != ' ' && c != '\t' && c != '\n' && c != '\r') {
			b.WriteByte(c)
		}
	}
	return strings.ReplaceAll(b.String(), ",)", ")")
}
