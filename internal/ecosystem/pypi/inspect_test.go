package pypi

import (
	"bytes"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bonded/internal/digest"
	"bonded/internal/errs"
	"bonded/internal/registry"
)

const info = "hello-1.0.dist-info/"

// relist writes RECORD anew, as if a build backend had made the wheel like this.
func relist(files map[string]string) {
	delete(files, info+"RECORD")
	var b strings.Builder
	for path, body := range files {
		sum := digest.Of([]byte(body))
		fmt.Fprintf(&b, "%q,sha256=%s,%d\n", path, base64.RawURLEncoding.EncodeToString(sum[:]), len(body))
	}
	files[info+"RECORD"] = b.String() + info + "RECORD,,\n"
}

func TestWheelsThatAreRefused(t *testing.T) {
	replace := func(path, old, with string) func(map[string]string) {
		return func(files map[string]string) { files[path] = strings.ReplaceAll(files[path], old, with) }
	}
	set := func(path, body string) func(map[string]string) {
		return func(files map[string]string) { files[path] = body; relist(files) }
	}
	for _, c := range []struct {
		rule string
		edit func(files map[string]string)
		says string
	}{
		{"a file exchanged after the build", func(f map[string]string) { f["hello/__init__.py"] = "version = 2.0\n" }, `the bytes of "hello/__init__.py" are not those whose digest it lists`},
		{"a file added after the build", func(f map[string]string) { f["hello/evil.py"] = "" }, `it does not list "hello/evil.py"`},
		{"a file removed after the build", func(f map[string]string) { delete(f, "hello/__init__.py") }, `it lists "hello/__init__.py", which the wheel does not hold`},
		{"a wrong size", replace(info+"RECORD", ",14\n", ",15\n"), "has 15 bytes, and it has 14"},
		{"a file without a digest", func(f map[string]string) {
			relist(f)
			f["x.py"] = ""
			f[info+"RECORD"] += "x.py,,\n"
		}, `it lists "x.py" without a digest`},
		{"a file listed twice", func(f map[string]string) { f[info+"RECORD"] += info + "RECORD,,\n" }, "twice"},
		{"a weak digest", replace(info+"RECORD", "sha256=", "md5="), "is neither SHA-256 nor better"},
		{"a digest that is none", replace(info+"RECORD", "sha256=", "sha256=!"), "is malformed"},
		{"a size that is none", replace(info+"RECORD", ",14\n", ",x\n"), "is no number"},
		{"a RECORD that is no table", func(f map[string]string) { f[info+"RECORD"] = "a,b\n" }, "not the list of three columns"},
		{"a RECORD that is not UTF-8", func(f map[string]string) { f[info+"RECORD"] += "\xff,,\n" }, "not UTF-8"},
		{"no RECORD", func(f map[string]string) { delete(f, info+"RECORD") }, "RECORD is refused: it is missing"},
		{"no METADATA", func(f map[string]string) { delete(f, info+"METADATA"); relist(f) }, "METADATA is refused: it is missing"},
		{"no WHEEL", func(f map[string]string) { delete(f, info+"WHEEL"); relist(f) }, "WHEEL is refused: it is missing"},
		{"a wheel of the future", set(info+"WHEEL", "Wheel-Version: 2.0\n"), `its Wheel-Version is "2.0"`},
		{"no .dist-info", func(f map[string]string) {
			for _, name := range []string{"METADATA", "WHEEL", "RECORD"} {
				delete(f, info+name)
			}
		}, "has 0 .dist-info directories"},
		{"two .dist-info", set("other-1.0.dist-info/METADATA", ""), "has 2 .dist-info directories"},
		{"another project's .dist-info", func(f map[string]string) {
			for _, name := range []string{"METADATA", "WHEEL", "RECORD"} {
				f["other-1.0.dist-info/"+name] = f[info+name]
				delete(f, info+name)
			}
		}, "which is not that of hello 1.0"},
		{"metadata of another project", set(info+"METADATA", metadataText("other", "1.0")), `names the project "other", and the file name "hello"`},
		{"metadata of another version", set(info+"METADATA", metadataText("hello", "1.1")), `names the version "1.1", and the file name "1.0"`},
		{"metadata that breaks a rule of the index", set(info+"METADATA", metadataText("hello", "1.0", "Requires-Dist: a @ https://a.example")), "direct dependency"},
		{"a licence file that is missing", set(info+"METADATA", strings.Replace(metadataText("hello", "1.0", "License-File: LICENSE"), "2.1", "2.4", 1)), `The license file "LICENSE" does not exist`},
		{"a script that leaves its folder", set(info+"entry_points.txt", "[console_scripts]\n../../evil = a:b\n"), `the script name "../../evil" is not a plain file name`},
		{"a script on Windows", set(info+"entry_points.txt", "[gui_scripts]\na\\b = a:b\n"), "is not a plain file name"},
		{"an entry point outside a group", set(info+"entry_points.txt", "a = b:c\n"), `the line "a = b:c" is no entry point`},
		{"an entry point without a value", set(info+"entry_points.txt", "[x]\na\n"), "is no entry point"},
		{"an entry point twice", set(info+"entry_points.txt", "[x]\na = b:c\na = d:e\n"), `it names "a" twice`},
		{"entry points that are not UTF-8", set(info+"entry_points.txt", "[x]\na = \xff\n"), "not UTF-8"},
		{"METADATA of many megabytes", set(info+"METADATA", metadataText("hello", "1.0", "", strings.Repeat("x", maxMetadata))), "more than the 8388608 that are read"},
		{"a path that leaves the archive", func(f map[string]string) { f["../evil.py"] = "" }, "[archive/path-traversal]"},
	} {
		t.Run(c.rule, func(t *testing.T) {
			_, err := inspect(artifact(makeWheel(t, "hello", "1.0", nil, c.edit), true))
			if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestWheelsThatAreTaken(t *testing.T) {
	for _, c := range []struct {
		rule string
		edit func(files map[string]string)
	}{
		{"as built", nil},
		{"with old signatures, which RECORD need not list", func(f map[string]string) { f[info+"RECORD.jws"], f[info+"RECORD.p7s"] = "{}", "x" }},
		{"with SHA-512 in RECORD", func(f map[string]string) {
			sum := sha512.Sum512([]byte(f["hello/__init__.py"]))
			relist(f)
			lines := strings.SplitAfter(f[info+"RECORD"], "\n")
			for i, line := range lines {
				if strings.Contains(line, "__init__") {
					lines[i] = "hello/__init__.py,sha512=" + base64.RawURLEncoding.EncodeToString(sum[:]) + ",\n"
				}
			}
			f[info+"RECORD"] = strings.Join(lines, "")
		}},
		{"with its licence file", func(f map[string]string) {
			f[info+"METADATA"] = strings.Replace(metadataText("hello", "1.0", "License-File: LICENSE"), "2.1", "2.4", 1)
			f[info+"licenses/LICENSE"] = "MIT"
			relist(f)
		}},
		{"with entry points, comments and long values", func(f map[string]string) {
			f[info+"entry_points.txt"] = "# made by hand\n[console_scripts]\nhi = a:b\n  [extra]\n\n[other.group]\nhi = a\nDotted.Name = c.d:e [x]\n"
			relist(f)
		}},
	} {
		t.Run(c.rule, func(t *testing.T) {
			m, err := inspect(artifact(makeWheel(t, "hello", "1.0", nil, c.edit), true))
			if err != nil || m.Name != "hello" || m.Version != "1.0" {
				t.Errorf("%+v, %v", m, err)
			}
		})
	}
}

func TestDigestsBeyondSHA256AreCompared(t *testing.T) {
	d := makeWheel(t, "hello", "1.0", nil, func(f map[string]string) {
		relist(f)
		f[info+"RECORD"] = strings.ReplaceAll(f[info+"RECORD"], "sha256=", "sha512="+strings.Repeat("A", 43))
	})
	if _, err := inspect(artifact(d, true)); err == nil || !strings.Contains(err.Error(), "are not those whose digest it lists") {
		t.Errorf("%v", err)
	}
}

func TestProxiedWheelsAreReadMoreLeniently(t *testing.T) {
	d := makeWheel(t, "hello", "1.0", nil, func(f map[string]string) { f["hello/evil.py"] = "" })
	if _, err := inspect(artifact(d, false)); err != nil {
		t.Errorf("a wheel from elsewhere whose RECORD is wrong: %v", err)
	}
}

func TestSourceDistributionsThatAreRefused(t *testing.T) {
	for _, c := range []struct {
		rule  string
		files map[string]string
		says  string
	}{
		{"another project's metadata", map[string]string{"hello-1.0/PKG-INFO": metadataText("other", "1.0")}, `names the project "other"`},
		{"another version's metadata", map[string]string{"hello-1.0/PKG-INFO": metadataText("hello", "2.0")}, `names the version "2.0"`},
		{"two top directories", map[string]string{"other/x": ""}, "[archive/top-directory]"},
		{"a path that leaves the archive", map[string]string{"hello-1.0/../../x": ""}, "[archive/path-traversal]"},
		{"a licence file that is missing", map[string]string{"hello-1.0/PKG-INFO": strings.Replace(metadataText("hello", "1.0", "License-File: LICENSE"), "2.1", "2.4", 1)}, `The license file "LICENSE" does not exist`},
	} {
		t.Run(c.rule, func(t *testing.T) {
			if _, err := inspect(artifact(makeSdist(t, "hello", "1.0", c.files), true)); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v", err)
			}
		})
	}
	t.Run("no metadata", func(t *testing.T) {
		d := dist{filename: "hello-1.0.tar.gz", body: tarOf(t, map[string]string{"hello-1.0/setup.py": ""})}
		if _, err := inspect(artifact(d, true)); err == nil || !strings.Contains(err.Error(), "has no PKG-INFO") {
			t.Errorf("%v", err)
		}
	})
	t.Run("not an archive", func(t *testing.T) {
		if _, err := inspect(artifact(dist{filename: "hello-1.0.tar.gz", body: []byte("hello")}, true)); !errs.Is(err, errs.Invalid) {
			t.Errorf("%v", err)
		}
	})
}

func TestManifestSaysWhatTheArtifactSays(t *testing.T) {
	m, err := inspect(artifact(makeSdist(t, "Hello.Bonded", "1.0", map[string]string{"hello_bonded-1.0/setup.py": ""},
		"Summary: Says hello", "License: MIT", "Home-page: https://a.example", "Project-URL: Docs, https://d.example", "Keywords: a b",
		"Author: Ann", "Author-email: ann@example.test", `Requires-Dist: shout>=1; extra == "loud"`, "Requires-Dist: greet", "", "Hello", "====="), true))
	if err != nil {
		t.Fatal(err)
	}
	if m.Name != "Hello.Bonded" || m.Summary != "Says hello" || m.License != "MIT" || m.Links["Homepage"] != "https://a.example" || m.Links["Docs"] != "https://d.example" {
		t.Errorf("%+v", m)
	}
	if m.Readme != "Hello\n=====\n" || m.ReadmeType != "text/x-rst" || !slices.Equal(m.InstallCode, []string{"setup.py", "pyproject.toml"}) || !slices.Equal(m.Keywords, []string{"a", "b"}) {
		t.Errorf("%+v %q", m, m.Readme)
	}
	want := []registry.Dependency{{Name: "shout", Requirement: ">=1", Condition: `extra == "loud"`, Optional: true}, {Name: "greet"}}
	if !slices.Equal(m.Dependencies, want) || !slices.Equal(m.Authors, []string{"Ann", "ann@example.test"}) {
		t.Errorf("%+v %v", m.Dependencies, m.Authors)
	}
	w, err := inspect(artifact(makeWheel(t, "hello", "1.0", map[string]string{"start.pth": "import os\n"}, nil), true))
	if err != nil || !slices.Equal(w.InstallCode, []string{"start.pth"}) {
		t.Errorf("a .pth file runs at every start: %+v %v", w, err)
	}
}

func FuzzInspect(f *testing.F) {
	f.Add(makeWheel(f, "hello", "1.0", nil, nil).body, true)
	f.Add(makeSdist(f, "hello", "1.0", nil).body, false)
	f.Fuzz(func(t *testing.T, body []byte, wheel bool) {
		d := dist{filename: "hello-1.0.tar.gz", body: body}
		if wheel {
			d.filename = "hello-1.0-py3-none-any.whl"
		}
		for _, strict := range []bool{true, false} {
			m, err := inspect(artifact(d, strict))
			if err == nil && (normalized(m.Name) != "hello" || CompareVersions(m.Version, "1.0") != 0 || !bytes.Contains(m.Raw, []byte(m.Name))) {
				t.Errorf("%+v", m)
			}
			if err != nil && errs.KindOf(err) == errs.Internal {
				t.Errorf("not for a person: %v", err)
			}
		}
	})
}

func FuzzRecord(f *testing.F) {
	f.Add([]byte("a,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\nb,,\n"))
	f.Add([]byte("\"a\nb\",sha512=,\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		rows, err := parseRecord(raw)
		for path, row := range rows {
			if err == nil && row.algorithm != "" && len(row.digest) != recordHash(row.algorithm).Size() {
				t.Errorf("%q: %+v", path, row)
			}
		}
	})
}

func FuzzEntryPoints(f *testing.F) {
	f.Add([]byte("[console_scripts]\na = b:c\n"))
	f.Add([]byte("[console_scripts]\n../a = b:c\n  = d\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if checkEntryPoints(raw) != nil {
			return
		}
		points, _ := parseEntryPoints(raw)
		for _, p := range points {
			if p.script() && (filepath.Base(p.name) != p.name || strings.ContainsAny(p.name, "\\\x00")) {
				t.Errorf("%q would be written elsewhere", p.name)
			}
		}
	})
}
