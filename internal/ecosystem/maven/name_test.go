package maven

import (
	"errors"
	"strings"
	"testing"

	"bonded/internal/errs"
)

func TestCoordinatesAreCaseSensitiveButCollideOnCase(t *testing.T) {
	n, err := ParseName("org.Example:My_Lib-2.x")
	if err != nil || n.Norm != "org.Example:My_Lib-2.x" || n.Lookalike != "org.example:my_lib-2.x" || n.Display != n.Norm {
		t.Errorf("got %+v, %v", n, err)
	}
}

func TestCoordinateRules(t *testing.T) {
	for raw, rule := range map[string]string{
		"": "maven/name-shape", "a": "maven/name-shape", ":a": "maven/name-shape", "a:": "maven/name-shape",
		strings.Repeat("a", 201) + ":b": "maven/name-length", "a/b:c": "maven/name-charset", "a:b:c": "maven/name-charset", "a b:c": "maven/name-charset",
		"é:c": "maven/name-charset", "a..b:c": "maven/name-dots", ".a:c": "maven/name-dots", "a.:c": "maven/name-dots", "a:.": "maven/name-dots", "a:..": "maven/name-dots",
		"a:maven-metadata.xml": "maven/name-reserved", "a:maven-metadata.xml.sha1": "maven/name-reserved", "a:1-SNAPSHOT": "maven/name-reserved", "a.1-SNAPSHOT:b": "maven/name-reserved",
	} {
		_, err := ParseName(raw)
		if e, ok := errors.AsType[*errs.Error](err); !ok || e.Kind != errs.Invalid || e.Rule != rule || e.Next == "" {
			t.Errorf("ParseName(%q) = %v, want rule %s", raw, err, rule)
		}
	}
}

func FuzzParseName(f *testing.F) {
	for _, s := range []string{"a:b", "org.example:lib", "a..b:c", "a:b:c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		norm, ok := NormalizeName(s)
		if n, err := ParseName(s); err == nil && (!ok || n.Norm != norm) {
			t.Fatalf("%q can be published but not looked up", s)
		}
		if group, artifact, _ := strings.Cut(norm, ":"); ok {
			for segment := range strings.SplitSeq(strings.ReplaceAll(group, ".", "/")+"/"+artifact, "/") {
				if segment == "" || segment == "." || segment == ".." {
					t.Fatalf("%q makes the path segment %q", s, segment)
				}
			}
		}
	})
}
