package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
)

func findCargo(ctx context.Context, w *workshop) ([]string, string) {
	v := w.version(ctx, "cargo")
	if v == "" {
		return nil, "no working cargo on the PATH"
	}
	return []string{"cargo " + v}, ""
}

func crate(words string) map[string]string {
	return map[string]string{
		"Cargo.toml": `[package]
name = "bonded-demo"
version = "1.0.0"
edition = "2021"
description = "Says a sentence, to show that it came through."
license = "Apache-2.0"
publish = ["bonded"]
`,
		"src/lib.rs": "/// The sentence.\npub fn words() -> &'static str {\n    \"" + words + "\"\n}\n",
	}
}

var crateUser = map[string]string{
	"Cargo.toml": `[package]
name = "user"
version = "0.0.0"
edition = "2021"

[dependencies]
bonded-demo = { version = "1", registry = "bonded" }
`,
	"src/main.rs": "fn main() {\n    println!(\"{}\", bonded_demo::words());\n}\n",
}

func tourCargo(ctx context.Context, t *tour) error {
	made, user := filepath.Join(t.work, "bonded-demo"), filepath.Join(t.work, "user")
	for dir, files := range map[string]map[string]string{made: crate("a crate out of bond"), user: crateUser} {
		if err := write(dir, files); err != nil {
			return err
		}
	}
	publish := []string{"publish", "--registry", "bonded", "--no-verify"}
	if _, err := t.do(ctx, "publish", made, said{lines: regexp.MustCompile(`Uploaded|Published`), most: 2}, "cargo", publish...); err != nil {
		return err
	}
	run := said{lines: regexp.MustCompile(`Downloaded bonded|Compiling bonded|out of bond`), most: 3}
	if _, err := t.do(ctx, "install", user, run, "cargo", "run"); err != nil {
		return err
	}
	if err := t.verifyCrate(ctx); err != nil {
		return err
	}
	if err := write(made, crate("other words")); err != nil {
		return err
	}
	if err := t.refused(ctx, "replace", made, said{lines: regexp.MustCompile(`^error|already`), most: 2}, "cargo", publish...); err != nil {
		return err
	}
	if err := t.quarantine(ctx, "bonded-demo"); err != nil {
		return err
	}
	// A lock file leads to the crate itself; what cargo has downloaded once it would take from its own store.
	if err := os.RemoveAll(filepath.Join(t.home, ".cargo", "registry")); err != nil {
		return err
	}
	return t.refused(ctx, "quarantine", user, said{lines: regexp.MustCompile(`^error|quarantine|HTTP`), most: 4}, "cargo", "fetch", "--locked")
}

func (t *tour) verifyCrate(ctx context.Context) error {
	index, err := t.get(ctx, "/cargo/main/bo/nd/bonded-demo", "")
	if err != nil {
		return t.failed("verify", err)
	}
	var line struct{ Cksum string }
	if err := json.Unmarshal(bytes.TrimSpace(index), &line); err != nil {
		return t.failed("verify", err)
	}
	path, err := one(filepath.Join(t.home, ".cargo/registry/cache/*/bonded-demo-1.0.0.crate"))
	if err != nil {
		return t.failed("verify", err)
	}
	sums, err := sumsOf(path)
	if err != nil {
		return t.failed("verify", err)
	}
	return t.verified("sha256", sums.sha256, line.Cksum, "the .crate that cargo stored")
}
