package npm

import (
	"strings"
	"testing"

	"bonded/internal/errs"
)

func TestParseVersionCleansAsTheClientDoes(t *testing.T) {
	for _, c := range []struct{ rule, raw, canonical string }{
		{"release", "1.2.3", "1.2.3"},
		{"build metadata is dropped", "1.0.0+a", "1.0.0"},
		{"blanks, = and v are dropped", " =v1.2.3 ", "1.2.3"},
		{"a blank and a v may follow", "= v1.2.3", "1.2.3"},
		{"pre-release", "1.2.3-rc.1", "1.2.3-rc.1"},
		{"byte order mark is blank", "\ufeff1.2.3", "1.2.3"},
	} {
		v, err := ParseVersion(c.raw)
		if err != nil || v.Canonical != c.canonical || v.Unique != c.canonical || v.Prerelease != strings.Contains(c.canonical, "-") {
			t.Errorf("%s: ParseVersion(%q) = %+v, %v", c.rule, c.raw, v, err)
		}
	}
	for _, raw := range []string{"", "1.2", "v = 1.2.3", "01.2.3", "1.2.3-01", "9007199254740992.0.0", "1.2.3-" + strings.Repeat("a", 256), "V1.2.3", "latest"} {
		if _, err := ParseVersion(raw); !errs.Is(err, errs.Invalid) {
			t.Errorf("ParseVersion(%q) = %v, want Invalid", raw, err)
		}
	}
}

func TestHugePrereleaseNumbersRoundAsInTheClient(t *testing.T) {
	if CompareVersions("1.0.0-9007199254740993", "1.0.0-9007199254740992") != 0 {
		t.Error("2^53 and 2^53+1 are one JavaScript number")
	}
	if CompareVersions("1.0.0-9007199254740993", "1.0.0-9007199254740992.1") != 0 {
		t.Error("numbers that round alike end the comparison")
	}
	if CompareVersions("1.0.0-9007199254740991", "1.0.0-9007199254740990") <= 0 {
		t.Error("below 2^53 numbers are exact")
	}
}

func TestRangesCannotBeTags(t *testing.T) {
	for s, want := range map[string]bool{
		"": true, "*": true, "x": true, "1": true, "1.x": true, "1.2.3": true, "v1.2.3": true, "^1": true, "~>1.2": true, ">=1 <2": true, "1 - 2": true,
		"1 || 2": true, "> 1.2": true, "=1.2.3": true, ">1.2.3-rc.1": true, "X": true,
		"latest": false, "next": false, "beta-1": false, "v1-lts": false, "1.2.3.4": false, "01": false, ">": false, "1.2.3-01": false, "a1": false,
		"1.x.2": false, "9007199254740992.1.1": false, "==1.2.3": false, "release-1.x": false,
	} {
		if got := IsRange(s); got != want {
			t.Errorf("IsRange(%q) = %v, want %v", s, got, want)
		}
	}
}

func FuzzVersion(f *testing.F) {
	for _, s := range []string{"1.2.3", " =v1.2.3", "1.0.0+a", "1.0.0-9007199254740993"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := ParseVersion(s)
		if err != nil {
			return
		}
		again, err := ParseVersion(v.Canonical)
		if err != nil || again.Canonical != v.Canonical || again.Unique != v.Unique {
			t.Fatalf("%q: canonical %q is not stable (%v)", s, v.Canonical, err)
		}
		if !IsRange(v.Canonical) {
			t.Fatalf("the version %q is not a range", v.Canonical)
		}
	})
}

func FuzzIsRange(f *testing.F) {
	for _, s := range []string{"1 - 2", "^1 || ~2.x", ">=1.2.3-a+b", "latest", "> *"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if IsRange(s) != IsRange(" "+s+"\t") && len(s) < maxVersion-2 {
			t.Fatalf("blanks around %q matter", s)
		}
	})
}

func BenchmarkCompareVersions(b *testing.B) {
	for b.Loop() {
		CompareVersions("1.20.3-rc.1", "1.20.3-rc.2")
	}
}
