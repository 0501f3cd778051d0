package cargo

import (
	"os"
	"strings"
	"testing"
)

// Every line that the manual tells people to copy stands in the script that runs it with the real client.
func TestTheManualsLinesAreThoseOfTheScript(t *testing.T) {
	manual, err := os.ReadFile("../../../docs/users/cargo.md")
	if err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile("../../../e2e/cargo_manual.txtar")
	if err != nil {
		t.Fatal(err)
	}
	proven := map[string]bool{}
	for text := range strings.Lines(string(script)) {
		proven[strings.TrimSpace(text)] = true
	}
	block, copied := "", 0
	for text := range strings.Lines(string(manual)) {
		text = strings.TrimSpace(text)
		if fence, ok := strings.CutPrefix(text, "```"); ok {
			block = fence
			continue
		}
		if block == "" || text == "" {
			continue
		}
		copied++
		want := strings.ReplaceAll(text, "https://packages.example.com", "$URL")
		if block == "sh" {
			want = "exec " + want
		}
		if !proven[want] {
			t.Errorf("no script runs %q", want)
		}
	}
	if copied < 15 {
		t.Errorf("found %d lines to copy", copied)
	}
}
