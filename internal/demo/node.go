package demo

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

func findNode(ctx context.Context, w *workshop) (clients []string, missing string) {
	v := w.version(ctx, "npm")
	if v == "" {
		return nil, "no working npm on the PATH"
	}
	clients = append(clients, "npm "+v)
	for _, name := range []string{"pnpm", "yarn"} {
		if v := w.version(ctx, name); v != "" {
			clients = append(clients, name+" "+v)
		}
	}
	return clients, ""
}

func module(words string) map[string]string {
	return map[string]string{
		"package.json": `{"name": "bonded-demo", "version": "1.0.0", "license": "Apache-2.0", "main": "index.js",
  "description": "Says a sentence, to show that it came through."}
`,
		"index.js":  "exports.words = \"" + words + "\";\n",
		"README.md": "# bonded-demo\n\nSays a sentence.\n",
	}
}

var moduleUser = map[string]string{"package.json": `{"name": "user", "version": "0.0.0", "private": true}` + "\n"}

func tourNode(ctx context.Context, t *tour) error {
	made, user := filepath.Join(t.work, "bonded-demo"), filepath.Join(t.work, "user")
	if err := write(made, module("a module out of bond")); err != nil {
		return err
	}
	if err := write(user, moduleUser); err != nil {
		return err
	}
	if _, err := t.do(ctx, "publish", made, said{lines: regexp.MustCompile(`Publishing to|^\+ `), most: 2}, "npm", "publish"); err != nil {
		return err
	}
	if _, err := t.do(ctx, "install", user, said{lines: regexp.MustCompile(`^added`)}, "npm", "install", "bonded-demo"); err != nil {
		return err
	}
	script := "console.log(require('bonded-demo').words)"
	if _, err := t.do(ctx, "use", user, said{lines: regexp.MustCompile(`.`), shown: `node -e "` + script + `"`}, "node", "-e", script); err != nil {
		return err
	}
	if err := t.verifyModule(ctx, user); err != nil {
		return err
	}
	if err := t.otherNodeClients(ctx); err != nil {
		return err
	}
	if err := write(made, module("other words")); err != nil {
		return err
	}
	refusal := said{lines: regexp.MustCompile(`npm (?:error|ERR!) (?:\d{3} \d{3} .*|You cannot .*|.*quarantined.*)`), most: 3}
	if err := t.refused(ctx, "replace", made, refusal, "npm", "publish"); err != nil {
		return err
	}
	if err := t.quarantine(ctx, "bonded-demo"); err != nil {
		return err
	}
	again := filepath.Join(t.work, "again")
	if err := write(again, moduleUser); err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Join(t.home, ".npm", "_cacache")); err != nil {
		return err
	}
	return t.refused(ctx, "quarantine", again, refusal, "npm", "install", "bonded-demo")
}

// verifyModule compares the tarball in npm's store, found by the lock file's digest, with the index.
func (t *tour) verifyModule(ctx context.Context, user string) error {
	raw, err := os.ReadFile(filepath.Join(user, "package-lock.json"))
	if err != nil {
		return t.failed("verify", err)
	}
	var lock struct {
		Packages map[string]struct{ Integrity string }
	}
	if err := json.Unmarshal(raw, &lock); err != nil {
		return t.failed("verify", err)
	}
	locked, ok := strings.CutPrefix(lock.Packages["node_modules/bonded-demo"].Integrity, "sha512-")
	sum, err := base64.StdEncoding.DecodeString(locked)
	if !ok || err != nil || len(sum) != 64 {
		return t.failed("verify", fmt.Errorf("npm locked %q", locked))
	}
	h := hex.EncodeToString(sum)
	sums, err := sumsOf(filepath.Join(t.home, ".npm/_cacache/content-v2/sha512", h[:2], h[2:4], h[4:]))
	if err != nil {
		return t.failed("verify", err)
	}
	doc, err := t.get(ctx, "/npm/main/bonded-demo", "")
	if err != nil {
		return t.failed("verify", err)
	}
	var index struct {
		Versions map[string]struct{ Dist struct{ Integrity string } }
	}
	if err := json.Unmarshal(doc, &index); err != nil {
		return t.failed("verify", err)
	}
	return t.verified("sha512", sums.sha512, strings.TrimPrefix(index.Versions["1.0.0"].Dist.Integrity, "sha512-"), "the tarball that npm stored and locked")
}

// otherNodeClients installs with pnpm and yarn, if they are here.
func (t *tour) otherNodeClients(ctx context.Context) error {
	for _, c := range []struct{ name, words string }{{"pnpm", `^\+ bonded|bonded-demo`}, {"yarn", `bonded-demo|Done`}} {
		if t.version(ctx, c.name) == "" {
			continue
		}
		user := filepath.Join(t.work, c.name)
		files := map[string]string{"yarn.lock": ""}
		maps.Copy(files, moduleUser)
		if c.name == "pnpm" {
			delete(files, "yarn.lock")
		}
		if err := write(user, files); err != nil {
			return err
		}
		if _, err := t.do(ctx, "install", user, said{lines: regexp.MustCompile(c.words)}, c.name, "add", "bonded-demo"); err != nil {
			return err
		}
	}
	return nil
}
