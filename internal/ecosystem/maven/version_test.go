package maven

import (
	"errors"
	"strings"
	"testing"

	"bonded/internal/errs"
)

func TestReleasesAndSnapshots(t *testing.T) {
	for _, c := range []struct {
		raw, unique        string
		prerelease, moving bool
	}{
		{"1.0", "1.0", false, false},
		{"1.0.0.Final", "1.0.0.Final", false, false},
		{"1.0-rc1", "1.0-rc1", true, false},
		{"2.0-M3", "2.0-M3", true, false},
		{"1.0-jre", "1.0-jre", false, false},
		{"1.1-SNAPSHOT", "1.1-SNAPSHOT", true, true},
		{"1.1-20260822.101500-3", "1.1-SNAPSHOT", true, true},
		{"1.0-20260822", "1.0-20260822", false, false},
		{"1.0+build", "1.0+build", false, false},
	} {
		v, err := ParseVersion(c.raw)
		if err != nil || v.Canonical != c.raw || v.Unique != c.unique || v.Prerelease != c.prerelease || v.Moving != c.moving {
			t.Errorf("ParseVersion(%q) = %+v, %v", c.raw, v, err)
		}
	}
}

func TestVersionRules(t *testing.T) {
	for raw, rule := range map[string]string{
		"": "maven/version-empty", strings.Repeat("1", 129): "maven/version-length", "${revision}": "maven/version-expression",
		"1/2": "maven/version-charset", `1\2`: "maven/version-charset", "1:2": "maven/version-charset", "[1,2)": "maven/version-charset", "1 0": "maven/version-charset",
		"1%2f": "maven/version-charset", "1\n": "maven/version-charset", "é": "maven/version-charset", ".": "maven/version-dots", "..": "maven/version-dots",
		"LATEST": "maven/version-meta", "RELEASE": "maven/version-meta", "maven-metadata.xml": "maven/version-metadata",
		"1.0-snapshot": "maven/version-snapshot", "SNAPSHOT": "maven/version-snapshot", "1.0SNAPSHOT": "maven/version-snapshot", "-SNAPSHOT": "maven/version-snapshot",
	} {
		_, err := ParseVersion(raw)
		if e, ok := errors.AsType[*errs.Error](err); !ok || e.Kind != errs.Invalid || e.Rule != rule || e.Next == "" {
			t.Errorf("ParseVersion(%q) = %v, want rule %s", raw, err, rule)
		}
	}
}

func TestSplitSnapshot(t *testing.T) {
	base, stamp, build, ok := SplitSnapshot("1.1-rc-20260822.101500-37")
	if !ok || base != "1.1-rc-SNAPSHOT" || stamp != "20260822.101500" || build != "37" {
		t.Errorf("got %q %q %q %v", base, stamp, build, ok)
	}
	for _, s := range []string{"", "1.1", "1.1-SNAPSHOT", "-20260822.101500-3x", "20260822.101500-3", "1.1-20260822101500-3", "1.1-20260822.101500-", "1.1-2026082a.101500-3"} {
		if _, _, _, ok := SplitSnapshot(s); ok {
			t.Errorf("SplitSnapshot(%q) must not match", s)
		}
	}
}

func TestOrderOfTheDocumentation(t *testing.T) {
	ascending := []string{
		"1-alpha", "1-beta", "1-milestone", "1-rc", "1-snapshot", "1", "1-sp", "1-abc", "1-1", "1.1", "1.1.1", "1.2147483648", "1.99999999999999999999",
	}
	for i, a := range ascending {
		for j, b := range ascending {
			if got, want := CompareVersions(a, b), min(1, max(-1, i-j)); got != want {
				t.Errorf("CompareVersions(%s, %s) = %d, want %d", a, b, got, want)
			}
		}
	}
	for _, same := range [][2]string{{"1", "1.0.0"}, {"1-ga", "1.Final"}, {"1-cr1", "1-RC1"}, {"1a1", "1-alpha-1"}, {"1.X1", "1-X1"}, {"1.0-release", "1"}, {"٢.0", "2"}} {
		if CompareVersions(same[0], same[1]) != 0 {
			t.Errorf("%s and %s must be equal", same[0], same[1])
		}
	}
}

func FuzzCompareVersions(f *testing.F) {
	f.Add("1.0-alpha-1", "1.0.a1")
	f.Add("1-0.Beta", "1..--x")
	f.Fuzz(func(t *testing.T, a, b string) {
		if CompareVersions(a, b) != -CompareVersions(b, a) {
			t.Fatalf("%q and %q are not antisymmetric", a, b)
		}
		if compareLists(split(a), split(strings.Clone(a))) != 0 {
			t.Fatalf("%q differs from itself", a)
		}
		if v, err := ParseVersion(a); err == nil {
			if again, err := ParseVersion(v.Unique); err != nil || again.Unique != v.Unique {
				t.Fatalf("%q: unique key %q is not stable (%v)", a, v.Unique, err)
			}
		}
	})
}

func BenchmarkCompareVersions(b *testing.B) {
	for b.Loop() {
		CompareVersions("1.20.3-rc-1", "1.20.3.Final")
	}
}
