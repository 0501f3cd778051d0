package npm

import (
	"errors"
	"strings"
	"testing"

	"bonded/internal/errs"
)

func TestNewPackageNames(t *testing.T) {
	for raw, lookalike := range map[string]string{
		"left-pad": "leftpad", "lodash.get": "lodashget", "a": "a", "@s/foo": "@s/foo", "@s/_foo": "@s/_foo", "@s/http": "@s/http", "con": "con",
		"a_b": "ab", strings.Repeat("a", 214): strings.Repeat("a", 214),
	} {
		n, err := ParseName(raw)
		if err != nil || n.Norm != raw || n.Display != raw || n.Lookalike != lookalike {
			t.Errorf("ParseName(%q) = %+v, %v", raw, n, err)
		}
	}
}

func TestNewPackageNameRules(t *testing.T) {
	for raw, rule := range map[string]string{
		"": "npm/name-empty", strings.Repeat("a", 215): "npm/name-length", "@s": "npm/name-shape", "@/x": "npm/name-shape", "@s/": "npm/name-shape",
		"a/b": "npm/name-shape", "@s/a/b": "npm/name-shape", "JSONStream": "npm/name-case", "@S/foo": "npm/name-case",
		"a~b": "npm/name-charset", "a b": "npm/name-charset", "é": "npm/name-charset", "@s!/x": "npm/name-charset", "a%2fb": "npm/name-charset",
		".a": "npm/name-start", "_a": "npm/name-start", "-": "npm/name-start", "@s/.a": "npm/name-start", "@../a": "npm/name-start",
		"node_modules": "npm/name-reserved", "favicon.ico": "npm/name-reserved", "http": "npm/name-core-module", "worker_threads": "npm/name-core-module",
	} {
		_, err := ParseName(raw)
		if e, ok := errors.AsType[*errs.Error](err); !ok || e.Kind != errs.Invalid || e.Rule != rule || e.Next == "" {
			t.Errorf("ParseName(%q) = %v, want rule %s", raw, err, rule)
		}
	}
}

func TestLookupKeepsOldNames(t *testing.T) {
	for raw, want := range map[string]bool{
		"JSONStream": true, "-": true, "a~b": true, "@S/x": true, "http": true,
		"": false, "..": false, ".": false, "@../x": false, "@s/..": false, "a/b": false, "@s/a/b": false, "@s": false, "a b": false, "a%2fb": false, "a\x00": false,
	} {
		if norm, ok := NormalizeName(raw); ok != want || ok && norm != raw {
			t.Errorf("NormalizeName(%q) = %q, %v", raw, norm, ok)
		}
	}
}

func TestEscapedNamesDecodeOnce(t *testing.T) {
	for _, escaped := range []string{"@s/foo", "@s%2ffoo", "@s%2Ffoo", "%40s%2Ffoo", "%40s/foo"} {
		if name, ok := UnescapeName(escaped); !ok || name != "@s/foo" {
			t.Errorf("UnescapeName(%q) = %q, %v", escaped, name, ok)
		}
	}
	for _, escaped := range []string{"@s%252ffoo", "%", "@s%2f..", "a%00", "@s%2fa%2fb"} {
		if name, ok := UnescapeName(escaped); ok {
			t.Errorf("UnescapeName(%q) = %q, want refusal", escaped, name)
		}
	}
	if got := EscapeName("@s/foo"); got != "@s%2ffoo" {
		t.Errorf("EscapeName = %q", got)
	}
}

func FuzzName(f *testing.F) {
	for _, s := range []string{"left-pad", "@s/foo", "JSONStream", "@../x", "a%2fb"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		norm, ok := NormalizeName(s)
		if n, err := ParseName(s); err == nil && (!ok || n.Norm != norm) {
			t.Fatalf("%q can be published but not looked up", s)
		}
		if !ok {
			return
		}
		if back, ok := UnescapeName(EscapeName(norm)); !ok || back != norm {
			t.Fatalf("%q comes back as %q", norm, back)
		}
	})
}
