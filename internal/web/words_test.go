package web

import (
	"testing"

	"bonded/internal/registry"
)

func TestSizesAndCountsReadAsPeopleWriteThem(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1000: "1.0 kB", 1449: "1.4 kB", 99_949: "99.9 kB", 99_960: "100 kB", 999_499: "999 kB", 999_999: "1.0 MB", 2_147_483_648: "2.1 GB",
		9_223_372_036_854_775_807: "9.2 EB",
	} {
		if got := formatBytes(n); got != want {
			t.Errorf("%d bytes: %q, want %q", n, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1000: "-1,000", -100: "-100"} {
		if got := formatCount(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

func TestOnlyWebAddressesBecomeLinks(t *testing.T) {
	for raw, want := range map[string]bool{
		"https://example.com/x": true, " http://example.com ": true, "javascript:alert(1)": false, "JAVASCRIPT:x": false, "data:text/html,x": false, "//example.com": false,
		"https://u:p@example.com": false, "https://": false, "/local": false, "": false, "https://exa mple.com": false, "ftp://example.com": false,
	} {
		if _, got := webAddress(raw); got != want {
			t.Errorf("%q: %t", raw, got)
		}
	}
}

func TestSnippetsQuoteWhatAShellWouldRead(t *testing.T) {
	for in, want := range map[string]string{
		"left-pad@1.0.0": "left-pad@1.0.0", "@acme/x": "@acme/x", "a==1!2.0": "'a==1!2.0'", "x; rm -rf": "'x; rm -rf'", "it's": `'it'\''s'`, "$(x)": "'$(x)'", "": "''",
		"x:dev-feature/a": "x:dev-feature/a", "1.0~rc": "'1.0~rc'", "a*": "'a*'",
	} {
		if got := shell(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
	m := mavenSnippets(place{Repo: &registry.Repository{Ecosystem: "maven", Name: "main"}}, "g:a", `1"<$x>`)
	if want := "<dependency>\n  <groupId>g</groupId>\n  <artifactId>a</artifactId>\n  <version>1&#34;&lt;$x&gt;</version>\n</dependency>"; m[0].Text != want {
		t.Errorf("got %q", m[0].Text)
	}
	if want := `implementation("g:a:1\"<\$x>")`; m[1].Text != want {
		t.Errorf("got %q", m[1].Text)
	}
}

func TestAuthorsKeepTheirMailAddresses(t *testing.T) {
	for in, want := range map[string]string{
		"Ada Example <ada@example.com>": "Ada Example", "Ada (ada@example.com)": "Ada", "ada@example.com": "ada", "<ada@example.com>": "ada", "The Authors": "The Authors",
	} {
		if got := authorName(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestLongTextIsClippedAtAWord(t *testing.T) {
	for in, want := range map[string]string{
		"short": "short", "two\n  lines": "two lines", "one two three four five": "one two three…", "aaaaaaaaaaaaaaaaaaaaaaaa": "aaaaaaaaaaaaaaa…",
	} {
		if got := clip(in, 15); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
