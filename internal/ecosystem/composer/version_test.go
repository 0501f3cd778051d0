package composer

import (
	"strings"
	"testing"

	"bonded/internal/errs"
)

// TestNormalizeVectors holds the vectors of composer.md §3.1.
func TestNormalizeVectors(t *testing.T) {
	for raw, want := range map[string]string{
		"1": "1.0.0.0", "v1.2": "1.2.0.0", "1.2.3-beta.2": "1.2.3.0-beta2", "1.2.3RC1": "1.2.3.0-RC1", "1.0p1": "1.0.0.0-patch1",
		"1.0.0-alpha": "1.0.0.0-alpha", "v1.0.0-alpha2.1": "1.0.0.0-alpha2.1", "v1.0.0-RC.3-dev": "1.0.0.0-RC3-dev", "1.0.0-dev": "1.0.0.0-dev",
		"1.0.0+b5": "1.0.0.0", "1.0.0-stable": "1.0.0.0", "master": "dev-master", "1.x-dev": "1.9999999.9999999.9999999-dev",
		"2024.01.31": "2024.01.31.0", "2024-01-31": "2024.01.31", "20240131-1": "20240131.1", "100000": "100000", "dev-Feature/X": "dev-Feature/X",
		"1.0 as 2.0": "1.0.0.0", "1.0@beta": "1.0.0.0", "1.0.x-dev": "1.0.9999999.9999999-dev", " 1.0 ": "1.0.0.0", "1.0-": "1.0.0.0",
		"DEV-x": "dev-x", "1.0-STABLE": "1.0.0.0-stable", "1.02.3.4": "1.02.3.4",
	} {
		if got, ok := Normalize(raw); !ok || got != want {
			t.Errorf("Normalize(%q) = %q, %v, want %q", raw, got, ok, want)
		}
	}
	for _, raw := range []string{"", "1.2.3.4.5", "1.2.3-foo", "feature", "1.0 2.0", "foo-dev", "1.x.x.x.x-dev", "a.1"} {
		if got, ok := Normalize(raw); ok {
			t.Errorf("Normalize(%q) = %q, want refusal", raw, got)
		}
	}
}

func TestBranchesNormalizeAsVersions(t *testing.T) {
	for name, want := range map[string]string{
		"2.x": "2.9999999.9999999.9999999-dev", "v3": "3.9999999.9999999.9999999-dev", "feature/x": "dev-feature/x", "main": "dev-main", "1.2.*": "1.2.9999999.9999999-dev",
	} {
		if got := NormalizeBranch(name); got != want {
			t.Errorf("NormalizeBranch(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestParseVersionTellsStability(t *testing.T) {
	for _, c := range []struct {
		raw                string
		prerelease, moving bool
	}{{"1.0", false, false}, {"1.0-patch1", false, false}, {"1.0-RC1", true, false}, {"1.0-beta", true, false}, {"dev-main", true, true}, {"1.x-dev", true, true}, {"1.0-RC1-dev", true, true}} {
		v, err := ParseVersion(c.raw)
		if err != nil || v.Prerelease != c.prerelease || v.Moving != c.moving || v.Raw != c.raw || v.Unique != v.Canonical {
			t.Errorf("ParseVersion(%q) = %+v, %v", c.raw, v, err)
		}
	}
	for _, raw := range []string{"", "x y", "dev-", "dev-a b", "dev-a\x00b", "dev-../../x", "dev-é", "dev-" + strings.Repeat("a", 255)} {
		if _, err := ParseVersion(raw); !errs.Is(err, errs.Invalid) {
			t.Errorf("ParseVersion(%q) = %v, want Invalid", raw, err)
		}
	}
}

func TestOrder(t *testing.T) {
	ascending := []string{"nonsense", "dev-a", "dev-b", "1.0-dev", "1.0-alpha", "1.0-alpha1", "1.0-beta2", "1.0-beta10", "1.0-RC1", "1.0", "1.0-patch1", "1.0.1", "1.10", "1.x-dev", "2.0"}
	for i, a := range ascending {
		for j, b := range ascending {
			if got, want := CompareVersions(a, b), min(1, max(-1, i-j)); got != want {
				t.Errorf("CompareVersions(%s, %s) = %d, want %d", a, b, got, want)
			}
		}
	}
}

func FuzzNormalize(f *testing.F) {
	for _, s := range []string{"1.0", "v1.2-beta.2", "1.x-dev", "dev-main", "2024-01-31", "1.0 as 2.0", "1.0@dev"} {
		f.Add(s, "1.0")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		if CompareVersions(a, b) != -CompareVersions(b, a) {
			t.Fatalf("%q and %q are not antisymmetric", a, b)
		}
		v, err := ParseVersion(a)
		if err != nil {
			return
		}
		if CompareNormalized(v.Canonical, v.Canonical) != 0 {
			t.Fatalf("%q differs from itself", v.Canonical)
		}
	})
}

func BenchmarkCompareVersions(b *testing.B) {
	for b.Loop() {
		CompareVersions("v1.20.3-RC1", "1.20.3.0")
	}
}
