package pypi

import (
	"strings"
	"testing"

	"bonded/internal/errs"
)

func TestParseVersionNormalizes(t *testing.T) {
	for _, c := range []struct {
		raw, canonical, unique string
		prerelease             bool
	}{
		{"1.0", "1.0", "1", false},
		{"1.0.0", "1.0.0", "1", false},
		{" v01.2.0 ", "1.2.0", "1.2", false},
		{"1.0-ALPHA_1", "1.0a1", "1a1", true},
		{"1.0.preview", "1.0rc0", "1rc0", true},
		{"1.0-1", "1.0.post1", "1.post1", false},
		{"1.0.rev", "1.0.post0", "1.post0", false},
		{"1.0dev", "1.0.dev0", "1.dev0", true},
		{"2!1.0.0+Ubuntu-01", "2!1.0.0+ubuntu.1", "2!1+ubuntu.1", false},
		{"0!1", "1", "1", false},
		{"0.0", "0.0", "0", false},
		{"1.0a.", "1.0a0", "1a0", true},
	} {
		v, err := ParseVersion(c.raw)
		if err != nil || v.Canonical != c.canonical || v.Unique != c.unique || v.Prerelease != c.prerelease || v.Moving {
			t.Errorf("ParseVersion(%q) = %+v, %v", c.raw, v, err)
		}
	}
	for _, raw := range []string{"", "1.0-", "1..0", "1.0+", "1.0+a..b", "1.0-p1", "french toast", "1.0a1b1", "1.0.dev1.post1", "é", strings.Repeat("1", 129)} {
		if _, err := ParseVersion(raw); !errs.Is(err, errs.Invalid) {
			t.Errorf("ParseVersion(%q) = %v, want Invalid", raw, err)
		}
	}
}

func TestUploadsRefuseLocalVersions(t *testing.T) {
	if _, err := ParseUploadVersion("1.0+local"); !errs.Is(err, errs.Invalid) {
		t.Errorf("got %v", err)
	}
	if v, err := ParseUploadVersion("1.0.0"); err != nil || v.Unique != "1" {
		t.Errorf("got %+v, %v", v, err)
	}
}

func TestOrder(t *testing.T) {
	ascending := []string{
		"0.4.0-p1", "zebra", "1.0.dev1", "1.0a1.dev1", "1.0a1", "1.0a1.post1.dev2", "1.0a1.post1", "1.0b1", "1.0rc1", "1.0", "1.0+abc", "1.0+abc.5", "1.0+5",
		"1.0.post1.dev1", "1.0.post1", "1.1.dev1", "1.99999999999999999999", "1!0.1",
	}
	for i, a := range ascending {
		for j, b := range ascending {
			if i < 2 && j < 2 {
				continue
			}
			if got, want := CompareVersions(a, b), min(1, max(-1, i-j)); got != want {
				t.Errorf("CompareVersions(%s, %s) = %d, want %d", a, b, got, want)
			}
		}
	}
	if CompareVersions("1.0", "1.0.0") != 0 {
		t.Error("trailing zeros matter")
	}
}

func TestCompareDoesNotAllocate(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { CompareVersions("1.20.3rc1", "1.20.3.post1") }); n != 0 {
		t.Errorf("CompareVersions allocates %v times", n)
	}
}

func FuzzVersion(f *testing.F) {
	for _, s := range []string{"1.0", "v1!2.0a1.post2.dev3+l.1", "1.0-1", "0.4.0-p1", "1.0-"} {
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
		for _, form := range []string{v.Canonical, v.Unique} {
			again, err := ParseVersion(form)
			if err != nil || again.Unique != v.Unique || CompareVersions(form, a) != 0 {
				t.Fatalf("%q: %q is another version (%v)", a, form, err)
			}
		}
	})
}

func BenchmarkCompareVersions(b *testing.B) {
	for b.Loop() {
		CompareVersions("1.20.3rc1", "1.20.3.post1")
	}
}
