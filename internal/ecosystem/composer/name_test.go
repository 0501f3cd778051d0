package composer

import (
	"errors"
	"strings"
	"testing"

	"bonded/internal/errs"
)

func TestPackageNames(t *testing.T) {
	for _, raw := range []string{"acme/lib", "a/b", "acme-corp/my.lib_2", "acme/double--dash", "0/1"} {
		n, err := ParseName(raw)
		if err != nil || n.Norm != raw || n.Lookalike != raw || n.Display != raw {
			t.Errorf("ParseName(%q) = %+v, %v", raw, n, err)
		}
	}
	for raw, rule := range map[string]string{
		"": "composer/name-shape", "acme": "composer/name-shape", "/a": "composer/name-shape", "a/": "composer/name-shape",
		"a/" + strings.Repeat("b", 200): "composer/name-length", "Acme/lib": "composer/name-case", "a/b/c": "composer/name-charset", "-a/b": "composer/name-charset",
		"a--b/c": "composer/name-charset", "a/b-": "composer/name-charset", "a/b---c": "composer/name-charset", "a/b..c": "composer/name-charset", "a/é": "composer/name-charset",
		"a/b.json": "composer/name-json", "nul/a": "composer/name-device", "a/com1": "composer/name-device", "php/x": "composer/vendor-reserved",
		"token/x": "composer/vendor-reserved", "my-symfony/x": "composer/vendor-brand", "a../b": "composer/name-charset",
	} {
		_, err := ParseName(raw)
		if e, ok := errors.AsType[*errs.Error](err); !ok || e.Kind != errs.Invalid || e.Rule != rule || e.Next == "" {
			t.Errorf("ParseName(%q) = %v, want rule %s", raw, err, rule)
		}
	}
}

func TestLookupFoldsCase(t *testing.T) {
	if norm, ok := NormalizeName("Acme/Lib"); !ok || norm != "acme/lib" {
		t.Errorf("got %q, %v", norm, ok)
	}
	for _, raw := range []string{"", "acme", "a/b/c", "../b", "a/..", "a/é", "php"} {
		if _, ok := NormalizeName(raw); ok {
			t.Errorf("NormalizeName(%q) must fail", raw)
		}
	}
}

func TestPlatformNames(t *testing.T) {
	for name, want := range map[string]bool{"php": true, "PHP-64bit": true, "ext-json": true, "lib-curl": true, "composer-plugin-api": true, "acme/lib": false, "ext-": false, "php-x/y": false} {
		if IsPlatform(name) != want {
			t.Errorf("IsPlatform(%q) != %v", name, want)
		}
	}
}

func FuzzParseName(f *testing.F) {
	for _, s := range []string{"acme/lib", "Acme/Lib", "a--b/c", "a/b--c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		norm, ok := NormalizeName(s)
		if n, err := ParseName(s); err == nil && (!ok || n.Norm != norm) {
			t.Fatalf("%q can be published but not looked up", s)
		}
	})
}
