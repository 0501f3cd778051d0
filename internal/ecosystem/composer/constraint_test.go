package composer

import (
	"strings"
	"testing"
)

// TestConstraintVectors holds the vectors of composer.md §3.1 and the bounds around them.
func TestConstraintVectors(t *testing.T) {
	for _, c := range []struct{ constraint, matches, refuses string }{
		{"^1.2", "1.2.0.0-dev 1.2.0.0 1.99.0.0", "1.1.9.0 2.0.0.0-dev 2.0.0.0"},
		{"^0.3", "0.3.0.0 0.3.9.0", "0.4.0.0-dev 0.2.0.0"},
		{"^0.0.3", "0.0.3.0", "0.0.4.0-dev 0.0.2.0"},
		{"~1.2", "1.2.0.0 1.9.0.0", "2.0.0.0-dev 1.1.0.0"},
		{"~1.2.3", "1.2.3.0 1.2.9.0", "1.3.0.0-dev 1.2.2.0"},
		{"1.2.*", "1.2.0.0-dev 1.2.9.0", "1.3.0.0-dev 1.1.0.0"},
		{"1.0 - 2.0", "1.0.0.0 2.0.9.0", "2.1.0.0-dev 0.9.0.0"},
		{"1.0 - 2.0.0", "2.0.0.0 1.0.0.0-dev", "2.0.0.1"},
		{">=1.0,<1.2.3|>=2.0 <2.0.1", "1.0.0.0 1.2.2.0 2.0.0.0", "1.2.3.0-RC1 1.2.3.0-dev 1.2.3.0 2.0.1.0"},
		{">=1.0-RC1", "1.0.0.0-RC1-dev 1.0.0.0-RC1", "1.0.0.0-beta1"},
		{"<2.0-beta1", "2.0.0.0-alpha1", "2.0.0.0-beta1"},
		{"*", "1.0.0.0 dev-main", ""},
		{"dev-main", "dev-main", "dev-other 1.0.0.0"},
		{"main-dev", "dev-main", "1.0.0.0"},
		{"!=1.0", "1.1.0.0 dev-main", "1.0.0.0"},
		{">1.0", "1.0.1.0", "1.0.0.0 dev-main"},
		{"1.0 as 2.0", "1.0.0.0", "2.0.0.0"},
		{">=1.0@dev <2.0", "1.0.0.0-dev 1.5.0.0", "2.0.0.0"},
		{"dev-main#abcdef", "dev-main", "1.0.0.0"},
	} {
		parsed, err := ParseConstraint(c.constraint)
		if err != nil {
			t.Errorf("ParseConstraint(%q): %v", c.constraint, err)
			continue
		}
		for v := range strings.FieldsSeq(c.matches) {
			if !parsed.Matches(v) {
				t.Errorf("%q must match %s", c.constraint, v)
			}
		}
		for v := range strings.FieldsSeq(c.refuses) {
			if parsed.Matches(v) {
				t.Errorf("%q must not match %s", c.constraint, v)
			}
		}
	}
}

func TestConstraintsThatComposerRefuses(t *testing.T) {
	for _, s := range []string{"", "~>1.0", "1.0 ||", "foo", ">=foo", "1.2.3.4.5", "^1.0 &&", "=> 1.0", strings.Repeat("1|", 5000) + "1"} {
		if _, err := ParseConstraint(s); err == nil {
			t.Errorf("ParseConstraint(%.20q) must fail", s)
		}
	}
}

func FuzzConstraint(f *testing.F) {
	for _, s := range []string{"^1.2", "~1.2.3 || 1.*", "1.0 - 2.0", ">=1.0,<2.0@beta", "dev-main as 1.0", " , ,"} {
		f.Add(s, "1.2.3.0")
	}
	f.Fuzz(func(t *testing.T, constraint, version string) {
		c, err := ParseConstraint(constraint)
		if err != nil {
			return
		}
		both, err := ParseConstraint(constraint + "||*")
		if err == nil && !both.Matches(version) {
			t.Fatalf("%q or anything must match %q", constraint, version)
		}
		c.Matches(version)
	})
}
