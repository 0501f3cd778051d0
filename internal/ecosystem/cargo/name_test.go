package cargo

import (
	"errors"
	"strings"
	"testing"

	"bonded/internal/errs"
)

func TestCrateNamesAreUniqueOnTheCanonicalForm(t *testing.T) {
	for _, raw := range []string{"My-Crate", "my_crate", "MY-crate"} {
		n, err := ParseName(raw)
		if err != nil || n.Display != raw || n.Norm != "my_crate" || n.Lookalike != "my_crate" {
			t.Errorf("ParseName(%q) = %+v, %v", raw, n, err)
		}
	}
}

func TestCrateNameRules(t *testing.T) {
	for raw, rule := range map[string]string{
		"": "cargo/name-empty", strings.Repeat("a", 65): "cargo/name-length", "1a": "cargo/name-start", "_a": "cargo/name-start", "-a": "cargo/name-start",
		"a.b": "cargo/name-charset", "a/b": "cargo/name-charset", "é": "cargo/name-start", "aé": "cargo/name-charset", "a b": "cargo/name-charset",
		"std": "cargo/name-reserved", "Proc-Macro": "cargo/name-reserved", "compiler_builtins": "cargo/name-reserved", "NUL": "cargo/name-reserved", "lpt0": "cargo/name-reserved",
	} {
		_, err := ParseName(raw)
		if e, ok := errors.AsType[*errs.Error](err); !ok || e.Kind != errs.Invalid || e.Rule != rule || e.Next == "" {
			t.Errorf("ParseName(%q) = %v, want rule %s", raw, err, rule)
		}
	}
	if _, err := ParseName(strings.Repeat("a", 64)); err != nil {
		t.Error(err)
	}
}

func FuzzParseName(f *testing.F) {
	for _, s := range []string{"serde", "My-Crate", "std", "a.b", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseName(s)
		norm, ok := NormalizeName(s)
		if err == nil && (!ok || norm != n.Norm) {
			t.Fatalf("%q is published as %q but looked up as %q, %v", s, n.Norm, norm, ok)
		}
		if again, _ := NormalizeName(norm); ok && again != norm {
			t.Fatalf("normalizing %q is not idempotent", s)
		}
	})
}
