package pypi

import "testing"

func TestSpecifierSets(t *testing.T) {
	for raw, want := range map[string]string{
		"":                          "",
		">=3.9":                     ">=3.9",
		" >= 3.9 , < 4 ":            ">=3.9,<4",
		"==3.*":                     "==3.*",
		"!=3.0.*,>=2.7,":            "!=3.0.*,>=2.7",
		"~=3.10":                    "~=3.10",
		"===anything-goes":          "===anything-goes",
		"==1.0+local":               "==1.0+local",
		">=3.8, !=3.9.0, !=3.9.1":   ">=3.8,!=3.9.0,!=3.9.1",
		">=2.7.0,!=3.0.*,!=3.1.*":   ">=2.7.0,!=3.0.*,!=3.1.*",
		"<=4.0.0.dev1,>1!1.0.post1": "<=4.0.0.dev1,>1!1.0.post1",
	} {
		set, err := ParseSpecifierSet(raw)
		if err != nil || set.String() != want {
			t.Errorf("ParseSpecifierSet(%q) = %q, %v, want %q", raw, set, err, want)
		}
	}
	for _, raw := range []string{"3.9", ">=3.*", "~=3", "=>3.9", ">=3.9 <4", "==3.9a1.*", ">=1.0+local", "~=1.0.*", "~=1.0+l", "==", ">=", "foo", "=== a b", "== 1 .*"} {
		if set, err := ParseSpecifierSet(raw); err == nil {
			t.Errorf("ParseSpecifierSet(%q) = %q, want refusal", raw, set)
		}
	}
}

func FuzzSpecifierSet(f *testing.F) {
	for _, s := range []string{">=3.9,<4", "==3.*", "~=3.10", "===x", ", ,"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		set, err := ParseSpecifierSet(s)
		if err != nil {
			return
		}
		again, err := ParseSpecifierSet(set.String())
		if err != nil || again.String() != set.String() {
			t.Fatalf("%q is written as %q, which reads as %q (%v)", s, set, again, err)
		}
	})
}
