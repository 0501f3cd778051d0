package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
)

func findComposer(ctx context.Context, w *workshop) ([]string, string) {
	v := w.version(ctx, "composer")
	if v == "" {
		return nil, "no working composer on the PATH"
	}
	if w.version(ctx, "php") == "" {
		return nil, "no working php on the PATH"
	}
	return []string{"composer " + v}, ""
}

const library = "bonded/demo"

func composerZip(words string) ([]byte, error) {
	return pack([]entry{
		{"composer.json", `{"name": "bonded/demo", "version": "1.0.0", "type": "library", "license": "Apache-2.0",
  "description": "Says a sentence, to show that it came through.", "autoload": {"psr-4": {"Bonded\\Demo\\": "src/"}}}
`},
		{"src/Words.php", "<?php\n\nnamespace Bonded\\Demo;\n\nfinal class Words\n{\n    public const TEXT = '" + words + "';\n}\n"},
	})
}

func tourComposer(ctx context.Context, t *tour) error {
	if err := t.putZip(ctx, "publish", "a library out of bond", false); err != nil {
		return err
	}
	user := filepath.Join(t.work, "user")
	if err := write(user, map[string]string{"composer.json": "{}\n"}); err != nil {
		return err
	}
	install := []string{"require", "--no-progress", library}
	if _, err := t.do(ctx, "install", user, said{lines: regexp.MustCompile(`Installing bonded|Locking bonded`), most: 2, shown: "composer require " + library},
		"composer", install...); err != nil {
		return err
	}
	script := `require "vendor/autoload.php"; echo \Bonded\Demo\Words::TEXT;`
	if _, err := t.do(ctx, "use", user, said{lines: regexp.MustCompile(`.`), shown: "php -r '" + script + "'"}, "php", "-r", script); err != nil {
		return err
	}
	if err := t.verifyLibrary(ctx); err != nil {
		return err
	}
	if err := t.putZip(ctx, "replace", "other words", true); err != nil {
		return err
	}
	if err := t.quarantine(ctx, library); err != nil {
		return err
	}
	// A lock file leads to the zip itself; what Composer has stored or installed it would not ask for.
	if err := errors.Join(os.RemoveAll(filepath.Join(t.home, ".composer", "cache")), os.RemoveAll(filepath.Join(user, "vendor"))); err != nil {
		return err
	}
	return t.refused(ctx, "quarantine", user, said{lines: regexp.MustCompile(`^Warning from.*`), shown: "composer install, from the lock file"},
		"composer", "install", "--no-progress")
}

// putZip uploads as curl does; Composer itself has no verb for it (composer.md §8).
func (t *tour) putZip(ctx context.Context, title, words string, refused bool) error {
	body, err := composerZip(words)
	if err != nil {
		return err
	}
	if t.look("curl") {
		header := "Authorization: Bearer " + t.Token + "\n"
		if err := write(t.work, map[string]string{"header": header, title + ".zip": string(body)}); err != nil {
			return err
		}
		s := said{lines: regexp.MustCompile(`(curl: .*)|"message": ?"([^"]*)"`), most: 3, shown: "curl -X PUT -H @token.header --data-binary @demo.zip " + t.URL + "/composer/main/"}
		_, err := t.step(ctx, title, t.work, s, refused, "curl", "--silent", "--show-error", "--fail-with-body", "-X", "PUT",
			"-H", "@header", "-H", "Content-Type: application/zip", "--data-binary", "@"+title+".zip", t.URL+"/composer/main/")
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, t.URL+"/composer/main/", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/zip")
	began := t.Now()
	answer, err := t.send(req)
	s := step{title: title, what: "PUT /composer/main/ of the zip", refused: refused, took: t.Now().Sub(began), went: (err != nil) == refused, words: []string{string(answer)}}
	t.steps = append(t.steps, s)
	if !s.went {
		return fmt.Errorf("%s: %w", title, err)
	}
	return nil
}

// verifyLibrary compares the zip in Composer's store with the index, by the one digest that the protocol has.
func (t *tour) verifyLibrary(ctx context.Context) error {
	raw, err := t.get(ctx, "/composer/main/p2/"+library+".json", "")
	if err != nil {
		return t.failed("verify", err)
	}
	var index struct {
		Packages map[string][]struct{ Dist struct{ Shasum string } }
	}
	if err := json.Unmarshal(raw, &index); err != nil || len(index.Packages[library]) != 1 {
		return t.failed("verify", fmt.Errorf("the index does not list one version: %s", raw))
	}
	path, err := one(filepath.Join(t.home, ".composer/cache/files", library, "*.zip"))
	if err != nil {
		return t.failed("verify", err)
	}
	sums, err := sumsOf(path)
	if err != nil {
		return t.failed("verify", err)
	}
	return t.verified("sha1", sums.sha1, index.Packages[library][0].Dist.Shasum, "the zip that Composer stored")
}
