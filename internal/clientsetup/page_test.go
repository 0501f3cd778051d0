package clientsetup_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bonded/internal/clientsetup"
)

// The page for people who would rather edit by hand shows exactly what the verb writes.
func TestThePageShowsWhatIsWritten(t *testing.T) {
	page, err := os.ReadFile("../../docs/users/client-setup.md")
	if err != nil {
		t.Fatal(err)
	}
	o := place(t, clientsetup.Options{URL: "https://packages.example.com", Token: token})
	setups, _, err := clientsetup.Plan(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range setups {
		section, _, _ := strings.Cut(after(string(page), "\n## "+s.Client+"\n"), "\n## ")
		for _, e := range s.Edits {
			name, err := filepath.Rel(o.Home, e.Path)
			if err != nil {
				t.Fatal(err)
			}
			shown := after(section, "`~/"+name+"`")
			shown = after(shown[:strings.Index(shown+"\n```\n", "\n```\n")]+"\n", "```")
			_, shown, _ = strings.Cut(shown, "\n") // the block's language
			if strings.TrimSpace(shown) != strings.TrimSpace(e.Lines) {
				t.Errorf("%s: the page shows for ~/%s\n%s\nand what is written is\n%s", s.Client, name, shown, e.Lines)
			}
		}
	}
}

func after(text, mark string) string {
	_, rest, _ := strings.Cut(text, mark)
	return rest
}
