package pypi

import (
	"strings"
	"testing"
)

func TestRequirementsHaveOneNormalForm(t *testing.T) {
	for in, want := range map[string]string{
		"a":                                   "a",
		"A.b_C":                               "a-b-c",
		"requests [security,tests] >= 2.8.1":  "requests[security,tests]>=2.8.1",
		"a[Y_z, x]":                           "a[x,y-z]",
		"a[]":                                 "a",
		"a (>=1.0,<2)":                        "a<2,>=1.0",
		"a>=1,<2":                             "a<2,>=1",
		"a ~=1.4.2":                           "a~=1.4.2",
		"a===1.0+weird":                       "a===1.0+weird",
		"a==1.*":                              "a==1.*",
		"a ; python_version<'3.8'":            `a; python_version < "3.8"`,
		"a;os.name=='nt'":                     `a; os_name == "nt"`,
		"a; '3.8' <= python_version":          `a; "3.8" <= python_version`,
		"a; extra == 'Loud_Voice'":            `a; extra == "loud-voice"`,
		"a; sys_platform not in 'linux win'":  `a; sys_platform not in "linux win"`,
		"a; (extra=='x')":                     `a; extra == "x"`,
		"a; ((extra=='x')) and os_name=='nt'": `a; extra == "x" and os_name == "nt"`,
		"a; (os_name=='a' or os_name=='b') and extra=='c'":  `a; (os_name == "a" or os_name == "b") and extra == "c"`,
		"a; os_name=='a' or (os_name=='b' and extra=='c')":  `a; os_name == "a" or os_name == "b" and extra == "c"`,
		"a; (os_name=='a' or os_name=='b') or os_name=='c'": `a; os_name == "a" or os_name == "b" or os_name == "c"`,
		`a; platform_version == 'say "hi"'`:                 `a; platform_version == 'say "hi"'`,
		"a @ https://b.example/c.whl#sha256=1":              "a @ https://b.example/c.whl#sha256=1",
		"a@https://b.example/c;d.whl ; python_version<'3'":  `a @ https://b.example/c;d.whl ; python_version < "3"`,
		"a[x] @ file:///b": "a[x] @ file:///b",
		"name_with-many.seps>=1.0 ; implementation_name == 'pypy'\t": `name-with-many-seps>=1.0; implementation_name == "pypy"`,
	} {
		r, err := ParseRequirement(in)
		if err != nil || r.String() != want {
			t.Errorf("%q: %q, %v", in, r.String(), err)
			continue
		}
		again, err := ParseRequirement(want)
		if err != nil || again.String() != want {
			t.Errorf("%q is not its own normal form: %q, %v", want, again.String(), err)
		}
		if r.Extra != strings.Contains(want, "extra") {
			t.Errorf("%q: asks for an extra: %v", in, r.Extra)
		}
	}
}

func TestRequirementsThatAreNone(t *testing.T) {
	for _, in := range []string{
		"", " ", "-a", "a b", "a[", "a[x", "a[,]", "a[x]y", "a>>1", "a>", "a (>1", "a; ", "a;", "a; x", "a; os_name", "a; os_name == nt", "a; 'a' == 'b'",
		"a; unknown == 'x'", "a; os_name = 'x'", "a; os_name == 'x", "a; os_name == 'x' and", "a; os_name == 'x' or or", "a; (os_name == 'x'", "a; os_name == 'x')",
		"a; os_name notin 'x'", "a @", "a @ ", "a @ https://b c", "a @ https://b ;", "a>=1.*", "a; " + strings.Repeat("(", 40) + "os_name == 'x'" + strings.Repeat(")", 40),
		"a; os_namex == 'x'", strings.Repeat("a", maxRequirement+1),
	} {
		if r, err := ParseRequirement(in); err == nil {
			t.Errorf("%q is %q", in, r)
		}
	}
}

func FuzzRequirement(f *testing.F) {
	for _, s := range []string{"a", "a[x]>=1; extra == 'y'", "a @ https://b ; os_name=='x'", "a; (os_name=='a' or os_name=='b') and extra=='c'"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		r, err := ParseRequirement(raw)
		if err != nil || len(r.String()) > maxRequirement {
			return
		}
		again, err := ParseRequirement(r.String())
		if err != nil || again.String() != r.String() {
			t.Errorf("%q became %q, and that %q, %v", raw, r, again, err)
		}
	})
}
