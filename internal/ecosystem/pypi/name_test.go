package pypi

import (
	"errors"
	"strings"
	"testing"

	"bonded/internal/errs"
)

func TestProjectNamesNormalize(t *testing.T) {
	for _, raw := range []string{"Foo-Bar", "foo.bar", "FOO__bar", "foo-._bar"} {
		n, err := ParseName(raw)
		if err != nil || n.Norm != "foo-bar" || n.Display != raw || n.Lookalike != "f00bar" {
			t.Errorf("ParseName(%q) = %+v, %v", raw, n, err)
		}
	}
	a, _ := ParseName("pillow-lib")
	b, _ := ParseName("P1ll0wL1B")
	if a.Lookalike != b.Lookalike || a.Norm == b.Norm {
		t.Errorf("%+v and %+v must look alike", a, b)
	}
}

func TestProjectNameRules(t *testing.T) {
	for raw, rule := range map[string]string{
		"": "pypi/name-charset", "-a": "pypi/name-charset", "a_": "pypi/name-charset", "a\n": "pypi/name-charset", "a b": "pypi/name-charset", "é": "pypi/name-charset",
		"a/b": "pypi/name-charset", strings.Repeat("a", 129): "pypi/name-length", "json": "pypi/name-stdlib", "OS.path": "pypi/name-stdlib", "xml_etree": "pypi/name-stdlib",
		"distutils": "pypi/name-stdlib", "urllib2": "pypi/name-stdlib", "tomllib": "pypi/name-stdlib", "ConfigParser": "pypi/name-stdlib", "imp": "pypi/name-stdlib",
		"annotationlib": "pypi/name-stdlib", "compression.zstd": "pypi/name-stdlib", "asyncio": "pypi/name-stdlib",
	} {
		_, err := ParseName(raw)
		if e, ok := errors.AsType[*errs.Error](err); !ok || e.Kind != errs.Invalid || e.Rule != rule || e.Next == "" {
			t.Errorf("ParseName(%q) = %v, want rule %s", raw, err, rule)
		}
	}
}

func TestStandardLibraryListIsNormalized(t *testing.T) {
	for name := range stdlibModules {
		if norm, ok := NormalizeName(name); !ok || norm != name {
			t.Errorf("%q normalizes to %q", name, norm)
		}
	}
	if len(stdlibModules) < 2000 {
		t.Errorf("only %d modules", len(stdlibModules))
	}
}

func FuzzParseName(f *testing.F) {
	for _, s := range []string{"requests", "Foo._Bar", "json", "-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		norm, ok := NormalizeName(s)
		if n, err := ParseName(s); err == nil && (!ok || n.Norm != norm || n.Lookalike == "") {
			t.Fatalf("%q can be published but not looked up", s)
		}
		if again, _ := NormalizeName(norm); ok && again != norm {
			t.Fatalf("normalizing %q is not idempotent", s)
		}
	})
}
