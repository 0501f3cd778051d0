//go:build e2e

package e2e

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// client is one installed version of a package client.
type client struct {
	name, version, path string
}

// companions are the interpreters that come with a client.
var companions = map[string][]string{
	"npm": {"node", "npx"}, "pnpm": {"node"}, "yarn1": {"node"}, "yarn4": {"node"}, "bun": {"node"},
	"pip": {"python3"}, "twine": {"python3"}, "uv": {"python3"}, "pyproject-build": {"python3"},
}

// guarded are the programs that a script has to name before it finds them: what the machine happens to have must not decide.
var guarded = []string{
	"cargo", "pip", "pip3", "twine", "uv", "uvx", "pyproject-build", "node", "npm", "npx", "pnpm", "yarn", "yarn1", "yarn4", "bun",
	"mvn", "gradle", "composer",
}

// installedClients asks scripts/clients what it has installed: for each client its versions, newest first.
func installedClients(t *testing.T) map[string][]client {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "../scripts/clients", "list").Output()
	if err != nil {
		t.Fatalf("scripts/clients list: %v", err)
	}
	found := map[string][]client{}
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimSpace(line), "\t")
		if len(f) != 3 {
			t.Fatalf("scripts/clients list: cannot read %q", line)
		}
		found[f[0]] = append(found[f[0]], client{f[0], f[1], f[2]})
	}
	for name := range found {
		slices.SortFunc(found[name], func(a, b client) int { return compareVersions(b.version, a.version) })
	}
	return found
}

// compareVersions orders dotted numbers; a suffix such as -rc-6 sorts before its absence.
func compareVersions(a, b string) int {
	a, aSuffix, _ := strings.Cut(a, "-")
	b, bSuffix, _ := strings.Cut(b, "-")
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(as), len(bs)) {
		if c := cmp.Or(cmp.Compare(len(as[i]), len(bs[i])), cmp.Compare(as[i], bs[i])); c != 0 {
			return c
		}
	}
	if (aSuffix == "") != (bSuffix == "") {
		if aSuffix == "" {
			return 1
		}
		return -1
	}
	return cmp.Or(cmp.Compare(len(as), len(bs)), cmp.Compare(aSuffix, bSuffix))
}

// variant is one choice of client versions for a script.
type variant struct {
	name    string
	clients map[string]client
}

// variants chooses: the newest and the oldest of all wanted clients, or with BONDED_TEST_MATRIX as many as the client with most
// versions has. A matrix-only version never makes a default run.
func variants(t *testing.T, installed map[string][]client, wanted []string) []variant {
	t.Helper()
	matrix := os.Getenv("BONDED_TEST_MATRIX") != ""
	chosen := map[string][]client{}
	most := 1
	for _, name := range wanted {
		versions := installed[name]
		if !matrix {
			versions = defaults(t, name, versions)
		}
		if len(versions) == 0 {
			t.Fatalf("this script needs %s, which is not installed here; install it: make clients", name)
		}
		chosen[name] = versions
		most = max(most, len(versions))
	}
	var vs []variant
	for i := range most {
		v := variant{name: "newest", clients: map[string]client{}}
		for _, name := range wanted {
			versions := chosen[name]
			v.clients[name] = versions[min(i, len(versions)-1)]
			for _, companion := range companions[name] {
				if len(installed[companion]) > 0 {
					v.clients[companion] = installed[companion][0]
				}
			}
		}
		if npm, ok := v.clients["npm"]; ok {
			v.clients["npx"] = client{"npx", npm.version, filepath.Join(filepath.Dir(npm.path), "npx")}
		}
		if i == most-1 && i > 0 {
			v.name = "oldest"
		} else if i > 0 {
			v.name = fmt.Sprintf("matrix%d", i)
		}
		vs = append(vs, v)
	}
	return vs
}

// defaults keeps the newest and the oldest version that the table in scripts/clients installs by default.
func defaults(t *testing.T, name string, versions []client) []client {
	t.Helper()
	pins, err := exec.CommandContext(t.Context(), "../scripts/clients", "pins").Output()
	if err != nil {
		t.Fatalf("scripts/clients pins: %v", err)
	}
	var kept []client
	for _, c := range versions {
		dir := filepath.Base(filepath.Dir(filepath.Dir(c.path))) // CLIENT/VERSION/bin/CLIENT
		if strings.Contains(string(pins), name+" "+dir+" default\n") {
			kept = append(kept, c)
		}
	}
	kept = slices.CompactFunc(kept, func(a, b client) bool { return a.version == b.version })
	if len(kept) > 2 {
		kept = []client{kept[0], kept[len(kept)-1]}
	}
	return kept
}

// holds answers the conditions of this harness: [npm:12] for a client's version, [postgres] for the engine.
func (v variant) holds(condition string) (bool, error) {
	if condition == "postgres" {
		return onPostgres(), nil
	}
	name, version, ok := strings.Cut(condition, ":")
	if !ok {
		return false, fmt.Errorf("unknown condition %q", condition)
	}
	c, ok := v.clients[name]
	if !ok {
		return false, fmt.Errorf("condition %q: %s is not in this script's \"# clients:\" line", condition, name)
	}
	return strings.HasPrefix(c.version+".", version+"."), nil
}

// writeLaunchers fills the script's own folder of programs: the chosen clients, and a reminder in the place of every other.
func (v variant) writeLaunchers(bin string) error {
	for _, name := range guarded {
		text := fmt.Sprintf("#!/bin/sh\necho '%s is not in the \"# clients:\" line of this script' >&2\nexit 127\n", name)
		if err := os.WriteFile(filepath.Join(bin, name), []byte(text), 0o755); err != nil {
			return err
		}
	}
	for name, c := range v.clients {
		text := fmt.Sprintf("#!/bin/sh\nexec '%s' \"$@\"\n", c.path)
		if err := os.WriteFile(filepath.Join(bin, name), []byte(text), 0o755); err != nil {
			return err
		}
	}
	return nil
}
