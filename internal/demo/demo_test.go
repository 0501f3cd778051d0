package demo

import (
	"archive/zip"
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestWhatConfiguresClientsStaysOutside(t *testing.T) {
	old := t.TempDir()
	if err := os.Mkdir(filepath.Join(old, ".rustup"), 0o700); err != nil {
		t.Fatal(err)
	}
	home := filepath.Join(t.TempDir(), "home")
	w := &workshop{env: environment([]string{
		"HOME=" + old, "PATH=/bin", "LANG=de", "JAVA_HOME=/java", "npm_config_registry=x", "NPM_CONFIG_USERCONFIG=x", "PIP_INDEX_URL=x",
		"CARGO_REGISTRIES_BONDED_TOKEN=x", "UV_DEFAULT_INDEX=x", "TWINE_PASSWORD=x", "https_proxy=x", "HTTP_PROXY=x", "XDG_CONFIG_HOME=x",
		"BONDED_TOKEN=x", "COMPOSER_AUTH=x", "MAVEN_ARGS=x", "VIRTUAL_ENV=x", "YARN_RC_FILENAME=x", "SSL_CERT_FILE=x", "PYENV_ROOT=/mine",
	}, home)}
	for _, kv := range w.env {
		if strings.HasSuffix(kv, "=x") {
			t.Errorf("%s comes through", kv)
		}
	}
	for name, want := range map[string]string{
		"PATH": "/bin", "LANG": "de", "JAVA_HOME": "/java", "HOME": home, "CARGO_HOME": filepath.Join(home, ".cargo"),
		"RUSTUP_HOME": filepath.Join(old, ".rustup"), // where the program behind cargo is
		"PYENV_ROOT":  "/mine", "VOLTA_HOME": "",
	} {
		if got := w.getenv(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func TestTheClientsLinesAreChosenWithoutColoursAndRepetitions(t *testing.T) {
	out := "noise\n\x1b[31merror:\x1b[0m one \nerror: two\nerror: two\nnpm error 403 403 Forbidden\nerror: three\n"
	for _, tc := range []struct {
		name string
		s    said
		want []string
	}{
		{"the last ones", said{lines: regexp.MustCompile(`^error`), most: 2}, []string{"error: two", "error: three"}},
		{"one if nothing is said", said{lines: regexp.MustCompile(`^error`)}, []string{"error: three"}},
		{"the group of a line", said{lines: regexp.MustCompile(`npm error (403.*)|nothing (at all)`)}, []string{"403 403 Forbidden"}},
		{"none", said{}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := tc.s.choose(out); !slices.Equal(got, tc.want) {
				t.Errorf("chose %q, want %q", got, tc.want)
			}
		})
	}
}

func TestAStepThatGoesTheOtherWayEndsTheTour(t *testing.T) {
	w := &workshop{Now: time.Now, env: []string{"PATH=/usr/bin:/bin"}}
	word := said{lines: regexp.MustCompile(`no`)}
	for _, tc := range []struct {
		name, script string
		refused, ok  bool
	}{
		{"success where success is due", "exit 0", false, true},
		{"failure where success is due", "echo no; exit 1", false, false},
		{"a refusal with its words", "echo no >&2; exit 1", true, true},
		{"a refusal for another reason", "echo crash; exit 1", true, false},
		{"success where a refusal is due", "echo no", true, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tr := &tour{workshop: w}
			_, err := tr.step(t.Context(), "step", t.TempDir(), word, tc.refused, "sh", "-c", tc.script)
			if (err == nil) != tc.ok || tr.steps[0].went != tc.ok {
				t.Errorf("error %v, step %+v", err, tr.steps[0])
			}
		})
	}
}

func TestAClientThatHangsEndsWithAllItStarted(t *testing.T) {
	w := &workshop{env: []string{"PATH=/usr/bin:/bin"}}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := w.command(ctx, t.TempDir(), "sh", "-c", "sleep 60 & sleep 60"); err == nil {
		t.Error("it ended well")
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestVerificationNeedsEqualDigests(t *testing.T) {
	sum := strings.Repeat("ab", 32)
	for got, ok := range map[string]bool{sum: true, strings.Repeat("cd", 32): false, "": false} {
		tr := &tour{workshop: &workshop{}}
		if err := tr.verified("sha256", got, sum, "it"); (err == nil) != ok || tr.steps[0].went != ok {
			t.Errorf("%q against %q: %v", got, sum, err)
		}
	}
	if err := (&tour{workshop: &workshop{}}).verified("sha256", "", "", "it"); err == nil {
		t.Error("two empty digests are equal")
	}
}

func TestAWheelListsWhatItHolds(t *testing.T) {
	raw, err := wheel("words")
	if err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	last := z.File[len(z.File)-1]
	in, err := last.Open()
	if err != nil {
		t.Fatal(err)
	}
	record, err := io.ReadAll(in)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range z.File {
		if !strings.Contains(string(record), f.Name+",") {
			t.Errorf("%s does not list %s:\n%s", last.Name, f.Name, record)
		}
	}
}

func TestLinesFitThePage(t *testing.T) {
	for _, text := range []string{"", "short", strings.Repeat("word ", 40), strings.Repeat("x", 300), "a " + strings.Repeat("é", 75) + " b"} {
		var joined []string
		for _, line := range wrap(text, 30) {
			if utf8.RuneCountInString(line) > 30 {
				t.Errorf("%q is %d wide", line, utf8.RuneCountInString(line))
			}
			joined = append(joined, line)
		}
		strip := func(s string) string { return strings.ReplaceAll(s, " ", "") }
		if strip(strings.Join(joined, "")) != strip(text) {
			t.Errorf("%q became %q", text, joined)
		}
	}
}

func TestColourOnlyWhereItIsWanted(t *testing.T) {
	for _, colour := range []bool{false, true} {
		var b bytes.Buffer
		p := &page{out: &b, colour: colour}
		p.section(&tour{ecosystem: "npm", steps: []step{{title: "publish", what: "npm publish", words: []string{"+ a"}, went: true}, {title: "verify", what: "no"}}})
		p.summary(Result{Ran: []string{"npm"}, Missing: []string{"cargo"}}, time.Second)
		if strings.Contains(b.String(), "\x1b[") != colour {
			t.Errorf("colour %t gives %q", colour, b.String())
		}
		if !strings.Contains(b.String(), "FAILED") || !strings.Contains(b.String(), "no client here: cargo") {
			t.Errorf("it hides what went wrong:\n%s", b.String())
		}
	}
}

func TestMavenTakesItsPluginsFromAFolderThatHasBoth(t *testing.T) {
	home, cache := t.TempDir(), t.TempDir()
	put := func(root, name, version string) {
		if err := write(filepath.Join(root, pluginGroup, name, version), map[string]string{name + "-" + version + ".jar": ""}); err != nil {
			t.Fatal(err)
		}
	}
	repository := filepath.Join(cache, "maven-repository")
	put(repository, deploy, "3.1.2")
	put(repository, deploy, "3.1.4")
	put(repository, dependency, "3.8.1")
	if got := newestPlugin(repository, deploy); got != "3.1.4" {
		t.Errorf("the newest is %q", got)
	}
	w := &workshop{Environ: []string{"HOME=" + home, "BONDED_TEST_CLIENTS=" + cache}, home: t.TempDir()}
	from, err := w.findPlugins()
	if err != nil || from.version[deploy] != "3.1.4" || from.version[dependency] != "3.8.1" {
		t.Fatalf("%+v, %v", from, err)
	}
	text, err := os.ReadFile(from.settings)
	if err != nil || !strings.Contains(string(text), "<id>central</id><url>file://"+repository+"</url>") {
		t.Errorf("settings (%v):\n%s", err, text)
	}
}
