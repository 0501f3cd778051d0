package semver

import (
	"slices"
	"testing"
)

func TestParseFollowsTheGrammar(t *testing.T) {
	for s, want := range map[string]bool{
		"1.2.3": true, "0.0.0": true, "1.2.3-rc.1": true, "1.2.3+build.01": true, "1.2.3--": true, "1.2.3-0a": true, "1.2.3-a+b": true,
		"99999999999999999999.0.0": true,
		"":                         false, "1": false, "1.2": false, "1.2.3.4": false, "01.2.3": false, "1.2.3-": false, "1.2.3+": false, "1.2.3-01": false,
		"1.2.3-a..b": false, "1.2.3+a..b": false, "v1.2.3": false, " 1.2.3": false, "1.2.3-é": false, "1.2.3+a+b": false, "1.2.3-+b": false,
	} {
		if _, ok := Parse(s); ok != want {
			t.Errorf("Parse(%q) = %v, want %v", s, ok, want)
		}
	}
}

func TestCompareIsThePrecedenceOfSection11(t *testing.T) {
	ascending := []string{
		"1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0",
		"1.0.99999999999999999998", "1.0.99999999999999999999", "2.0.0",
	}
	for i, a := range ascending {
		for j, b := range ascending {
			va, _ := Parse(a)
			vb, _ := Parse(b)
			if got, want := Compare(va, vb), min(1, max(-1, i-j)); got != want {
				t.Errorf("Compare(%s, %s) = %d, want %d", a, b, got, want)
			}
		}
	}
}

func TestBuildMetadataDoesNotCount(t *testing.T) {
	a, _ := Parse("1.0.0+a")
	b, _ := Parse("1.0.0+b")
	if Compare(a, b) != 0 {
		t.Error("1.0.0+a and 1.0.0+b differ")
	}
}

func TestParseDoesNotAllocate(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { Parse("1.2.3-rc.1+build") }); n != 0 {
		t.Errorf("Parse allocates %v times", n)
	}
}

func FuzzStrictIsLenient(f *testing.F) {
	for _, s := range []string{"1.2.3", "1.2.3-a.1+b", "v1", "=1.0", "1..2", "-", "+"} {
		f.Add(s, "1.0.0")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		strict, ok := Parse(a)
		lenient, okLenient := ParseLenient(a)
		if ok && (!okLenient || Compare(strict, lenient) != 0) {
			t.Fatalf("%q reads differently when lenient", a)
		}
		other, okOther := ParseLenient(b)
		if okLenient && okOther && Compare(lenient, other) != -Compare(other, lenient) {
			t.Fatalf("%q and %q are not antisymmetric", a, b)
		}
		if ok && !slices.Contains([]int{-1, 0, 1}, Compare(strict, other)) {
			t.Fatal("Compare leaves -1, 0, 1")
		}
	})
}
