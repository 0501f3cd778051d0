package cargo

import (
	"strings"
	"testing"

	"bonded/internal/errs"
)

func TestParseVersionTakesStrictSemVerOnly(t *testing.T) {
	for _, c := range []struct {
		rule, raw, unique string
		prerelease        bool
	}{
		{"release", "1.2.3", "1.2.3", false},
		{"build metadata is not part of the identity", "1.2.3+b.1", "1.2.3", false},
		{"pre-release", "1.2.3-rc.1+b", "1.2.3-rc.1", true},
		{"largest number", "18446744073709551615.0.0", "18446744073709551615.0.0", false},
	} {
		v, err := ParseVersion(c.raw)
		if err != nil || v.Unique != c.unique || v.Canonical != c.raw || v.Prerelease != c.prerelease || v.Moving {
			t.Errorf("%s: ParseVersion(%q) = %+v, %v", c.rule, c.raw, v, err)
		}
	}
	for _, raw := range []string{"", "1", "1.2", "v1.2.3", "01.2.3", "1.2.3-01", "18446744073709551616.0.0", "1.2.3-" + strings.Repeat("a", 150), "1.2.3 "} {
		if _, err := ParseVersion(raw); !errs.Is(err, errs.Invalid) {
			t.Errorf("ParseVersion(%q) = %v, want Invalid", raw, err)
		}
	}
}

func TestUnparsableVersionsSortFirst(t *testing.T) {
	if CompareVersions("garbage", "0.0.0-0") >= 0 || CompareVersions("0.0.0-0", "garbage") <= 0 || CompareVersions("a", "a") != 0 {
		t.Error("garbage does not sort below 0.0.0-0")
	}
}

func TestRequirementsAreReadAsCargoReadsThem(t *testing.T) {
	many := strings.TrimSuffix(strings.Repeat("1,", 33), ",")
	for req, want := range map[string]bool{
		"*": true, " * ": true, "1": true, "1.2": true, "^1.2.3": true, "~1": true, ">=1.2.3, <2": true, "= 1.2.3-rc.1": true, "1.*": true, "1.*.*": true,
		"1.2.x": true, "1.2.3+b": true, ">=1.2.3 ,<2": true, many[2:]: true,
		"": false, "*, 1": false, "1,": false, "1 2": false, "01": false, "1.*.2": false, "==1": false, "v1": false, "1.2-rc": false, "1.2.3-": false,
		"18446744073709551616": false, many: false, "1.2.3-01": false, "1.2.3+": false,
	} {
		if err := CheckRequirement(req); (err == nil) != want {
			t.Errorf("CheckRequirement(%q) = %v, want ok %v", req, err, want)
		}
	}
	if !AnyVersion(" *") || AnyVersion("1.*") {
		t.Error("AnyVersion must hold for the bare wildcard only")
	}
}

func FuzzParseVersion(f *testing.F) {
	for _, s := range []string{"1.2.3", "1.2.3-rc.1+b", "1.0.0-01", "v1.0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := ParseVersion(s)
		if err != nil {
			return
		}
		again, err := ParseVersion(v.Unique)
		if err != nil || again.Unique != v.Unique || CompareVersions(s, v.Unique) != 0 {
			t.Fatalf("%q: unique key %q is not stable (%v)", s, v.Unique, err)
		}
		if err := CheckRequirement("=" + s); err != nil {
			t.Fatalf("a version is not a requirement: %v", err)
		}
	})
}

func BenchmarkCompareVersions(b *testing.B) {
	for b.Loop() {
		CompareVersions("1.20.3-rc.1", "1.20.3-rc.2")
	}
}
