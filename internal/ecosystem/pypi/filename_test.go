package pypi

import (
	"slices"
	"testing"
)

func TestWheelFilenames(t *testing.T) {
	w, err := ParseWheelFilename("Foo_Bar-1.0.0-1x-py2.py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl")
	if err != nil || w.Name != "foo-bar" || w.NamePart != "Foo_Bar" || w.Version != "1.0.0" || w.Build != "1x" ||
		!slices.Equal(w.Python, []string{"py2", "py3"}) || !slices.Equal(w.ABI, []string{"none"}) || len(w.Platforms) != 2 {
		t.Errorf("got %+v, %v", w, err)
	}
	for _, bad := range []string{
		"", "foo.whl", "foo-1.0-py3-none.whl", "foo-1.0-py3-none-any.zip", "foo-1.0-x1-py3-none-any.whl", "foo-bad.version-py3-none-any.whl",
		"foo__bar-1.0-py3-none-any.whl", "foo-1.0-py3..py2-none-any.whl", "foo-1.0-py3-none-.whl", "foo-1.0-3-none-any.whl", "a/foo-1.0-py3-none-any.whl",
		"foo-1.0-py3-none-any\n.whl", "_foo-1.0-py3-none-any.whl", "foo-1.0-1-2-py3-none-any.whl",
	} {
		if w, err := ParseWheelFilename(bad); err == nil {
			t.Errorf("ParseWheelFilename(%q) = %+v, want refusal", bad, w)
		}
	}
}

func TestWheelUploadsAreStricter(t *testing.T) {
	for filename, want := range map[string]bool{
		"foo_bar-1.0-py3-none-any.whl":             true,
		"foo_bar-1.0-cp312-cp312-linux_armv7l.whl": true,
		"Foo_Bar-1.0-py3-none-any.whl":             false,
		"foo.bar-1.0-py3-none-any.whl":             false,
		"foo_bar-1.0+l-py3-none-any.whl":           false,
		"foo_bar-1.0-py3-none-linux_x86_64.whl":    false,
		"foo_bar-1.0-py3-none-any.what.whl":        false,
	} {
		w, err := ParseWheelFilename(filename)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.CheckUpload(); (err == nil) != want {
			t.Errorf("%s: %v, want ok %v", filename, err, want)
		}
	}
}

func TestPlatformTags(t *testing.T) {
	for tag, want := range map[string]bool{
		"any": true, "win_amd64": true, "manylinux1_i686": true, "manylinux2014_s390x": true, "manylinux_2_28_riscv64": true, "manylinux_2_17_ppc64": true,
		"musllinux_1_2_aarch64": true, "macosx_10_9_x86_64": true, "macosx_11_0_arm64": true, "macosx_26_0_universal2": true, "ios_13_0_arm64_iphoneos": true,
		"android_21_arm64_v8a": true, "pyemscripten_2025_0_wasm32": true, "linux_armv6l": true,
		"": false, "linux_x86_64": false, "linux_i686": false, "musllinux_1_2_ppc64": false, "macosx_11_1_arm64": false, "macosx_16_0_arm64": false,
		"manylinux_2_x86_64": false, "manylinux1_aarch64": false, "win_arm": false, "macosx_10_9_": false, "ios_13_0_x86_64_iphoneos": false, "manylinux__17_x86_64": false,
	} {
		if PlatformAllowed(tag) != want {
			t.Errorf("PlatformAllowed(%q) != %v", tag, want)
		}
	}
}

func TestSdistFilenames(t *testing.T) {
	s, err := ParseSdistFilename("Foo-Bar-1.0.tar.gz")
	if err != nil || s.Name != "foo-bar" || s.NamePart != "Foo-Bar" || s.Version != "1.0" {
		t.Errorf("got %+v, %v", s, err)
	}
	if got := SdistFilename("foo-bar", "1.0"); got != "foo_bar-1.0.tar.gz" {
		t.Errorf("SdistFilename = %q", got)
	}
	for _, bad := range []string{"", "foo.tar.gz", "foo-x.tar.gz", "foo-1.0.tar.bz2", "foo-1.0.egg", "-1.0.tar.gz", "../foo-1.0.tar.gz", "foo-1.0 .zip"} {
		if s, err := ParseSdistFilename(bad); err == nil {
			t.Errorf("ParseSdistFilename(%q) = %+v, want refusal", bad, s)
		}
	}
}

func FuzzFilenames(f *testing.F) {
	f.Add("foo-1.0-py3-none-any.whl")
	f.Add("foo-1.0.tar.gz")
	f.Fuzz(func(t *testing.T, s string) {
		if w, err := ParseWheelFilename(s); err == nil {
			if norm, ok := NormalizeName(w.NamePart); !ok || norm != w.Name || len(w.Python) == 0 || len(w.ABI) == 0 || len(w.Platforms) == 0 {
				t.Fatalf("%q reads as %+v", s, w)
			}
		}
		if d, err := ParseSdistFilename(s); err == nil {
			again, err := ParseSdistFilename(SdistFilename(d.Name, d.Version))
			if err != nil || again.Name != d.Name || again.Version != d.Version {
				t.Fatalf("%q reads as %+v, its upload name as %+v (%v)", s, d, again, err)
			}
		}
	})
}
