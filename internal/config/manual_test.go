package config_test

import (
	"os"
	"strings"
	"testing"

	"bonded/internal/config"
)

// manualTable is the table of settings in the operators' manual, written from the struct.
func manualTable(t *testing.T) string {
	t.Helper()
	public, err := config.Load(nil, []string{"BONDED_PROFILE=public"})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("| setting | default | what it does |\n|---|---|---|\n")
	others := public.Settings()
	for i, s := range config.Default().Settings() {
		value := "`" + s.Value + "`"
		switch {
		case s.Value == "":
			value = ""
		case s.Name != "profile" && others[i].Value != s.Value:
			value += ", public: `" + others[i].Value + "`"
		}
		if len(s.Accepts) > 0 {
			s.Doc += ": `" + strings.Join(s.Accepts, "`, `") + "`"
		}
		b.WriteString("| `" + s.Name + "` | " + value + " | " + s.Doc + " |\n")
	}
	return b.String()
}

func TestTheManualHasEverySetting(t *testing.T) {
	const path = "../../docs/operators/configuration.md"
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if table := manualTable(t); !strings.Contains(string(b), table) {
		t.Errorf("%s does not hold the table of settings as the struct defines it; it is:\n%s", path, table)
	}
}
