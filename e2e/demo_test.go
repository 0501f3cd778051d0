//go:build e2e

package e2e

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// demo runs "bonded demo" for a person whose PATH has clients, and returns what it said, its exit code, and the processor time
// that it and the clients took.
func (s *shopper) demo(t *testing.T, flags ...string) (said string, code int, work time.Duration) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), bondedBinary, append([]string{"demo"}, flags...)...)
	cmd.Dir = s.dir
	cmd.Env = append(s.env, "TMPDIR="+filepath.Join(s.dir, "tmp"))
	out, err := cmd.CombinedOutput()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode(), cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
}

// content is what a folder holds, file by file.
func content(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		all[path] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestDemoShowsAllFiveInAMinuteAndLeavesNothing(t *testing.T) {
	s := newShopper(t, "cargo", "pip", "twine", "uv", "npm", "pnpm", "yarn4", "mvn", "composer")
	c := s.mine.clients["mvn"]
	s.set("BONDED_TEST_CLIENTS=%s", filepath.Dir(filepath.Dir(filepath.Dir(filepath.Dir(c.path))))) // where Maven's plugins are
	s.file("tmp/.keep", "")
	s.file("bin/yarn", "#!/bin/sh\nexec yarn4 \"$@\"\n")
	s.shell(t, ".", "chmod 755 bin/yarn")
	for name, text := range map[string]string{ // settings that would fail every client, were they read
		"home/.npmrc": "registry=http://127.0.0.1:1/\n", "home/.config/pip/pip.conf": "[global]\nindex-url = http://127.0.0.1:1/\n",
		"home/.cargo/config.toml": "[registries.bonded]\nindex = \"sparse+http://127.0.0.1:1/\"\n", "home/.m2/settings.xml": "<settings><offline>true</offline></settings>\n",
		"home/.config/uv/uv.toml": "offline = true\n", "home/.composer/config.json": "{\"config\": {\"disable-tls\": true}}\n",
	} {
		s.file(name, text)
	}
	s.set("npm_config_registry=http://127.0.0.1:1/")
	s.set("PIP_INDEX_URL=http://127.0.0.1:1/")
	before := content(t, filepath.Join(s.dir, "home"))

	said, code, work := s.demo(t)
	if code != 0 {
		t.Fatalf("exit code %d\n%s", code, said)
	}
	// A minute on a machine of two processors that has nothing else to do, which cannot be said of one that runs tests.
	if work > 2*time.Minute*3/4 {
		t.Errorf("the processors worked %v for it\n%s", work, said)
	}
	for _, words := range []string{
		"5 of 5 ecosystems", "rows, blobs and events agree",
		"Published bonded-demo v1.0.0 at registry `bonded`", "a crate out of bond", // cargo
		"Successfully installed bonded-demo-1.0.0", "a wheel out of bond", "+ bonded-demo==1.0.0", // pip, uv
		"+ bonded-demo@1.0.0", "a module out of bond", "pnpm add", "yarn add", // npm and its like
		"BUILD SUCCESS", "Could not transfer artifact", // Maven
		"a library out of bond", "Warning from 127.0.0.1", // Composer
		"is quarantined: The demo plays an incident",
	} {
		if !strings.Contains(said, words) {
			t.Errorf("it does not say %q", words)
		}
	}
	for step, times := range map[string]int{"  publish    ok": 5, "  verify     ok": 5, "  replace    refused": 5, "  quarantine refused": 5} {
		if n := strings.Count(said, step); n != times {
			t.Errorf("%q stands there %d times, want %d", strings.TrimSpace(step), n, times)
		}
	}
	if strings.Contains(said, "FAILED") || strings.Contains(said, "\x1b") || strings.Contains(said, "bondu_") {
		t.Error("a step failed, or colours were printed to what is no terminal, or the token was")
	}
	if t.Failed() {
		t.Log(said)
	}
	if after := content(t, filepath.Join(s.dir, "home")); !maps.Equal(before, after) {
		t.Errorf("the home held %d files and holds %d", len(before), len(after))
	}
	if left := content(t, filepath.Join(s.dir, "tmp")); len(left) != 1 {
		t.Errorf("%d files were left behind", len(left)-1)
	}
}

func TestDemoMissesWhatIsNotThereUnlessForgiven(t *testing.T) {
	s := newShopper(t, "npm")
	s.file("bin/python3", "#!/bin/sh\nexit 127\n") // the machine's may have a pip of its own
	s.shell(t, ".", "chmod 755 bin/python3")
	s.file("tmp/.keep", "")
	for _, tc := range []struct {
		flags []string
		code  int
	}{{nil, 1}, {[]string{"--allow-missing"}, 0}} {
		said, code, _ := s.demo(t, tc.flags...)
		if code != tc.code || !strings.Contains(said, "1 of 5 ecosystems") || !strings.Contains(said, "no working cargo on the PATH") ||
			strings.Contains(said, "FAILED") != (tc.code != 0) {
			t.Errorf("demo %v: exit code %d, want %d\n%s", tc.flags, code, tc.code, said)
		}
	}
}
