// Package ops_test proves that what operators are handed fits the code.
package ops_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"bonded/internal/metric"
)

type rules struct {
	Groups []struct {
		Name  string
		Rules []struct {
			Alert, Expr, For    string
			Labels, Annotations map[string]string
		}
	}
}

func readRules(t *testing.T) rules {
	t.Helper()
	f, err := os.Open("prometheus/bonded.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var r rules
	dec := yaml.NewDecoder(f)
	dec.KnownFields(true)
	if err := dec.Decode(&r); err != nil {
		t.Fatal(err)
	}
	return r
}

var metricName = regexp.MustCompile(`\bbonded_[a-z_]+`)

func TestAlertRulesNameMetricsThatAreEmitted(t *testing.T) {
	alerts := 0
	for _, g := range readRules(t).Groups {
		for _, r := range g.Rules {
			alerts++
			names := metricName.FindAllString(r.Expr, -1)
			if len(names) == 0 {
				t.Errorf("%s asks for no metric of ours: %s", r.Alert, r.Expr)
			}
			for _, name := range names {
				for _, suffix := range []string{"_bucket", "_sum", "_count"} {
					name = strings.TrimSuffix(name, suffix)
				}
				if !slices.Contains(metric.All, name) {
					t.Errorf("%s asks for %s, which is not emitted", r.Alert, name)
				}
			}
			if r.Labels["severity"] == "" || r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
				t.Errorf("%s does not say how bad it is, what is wrong and what to do", r.Alert)
			}
		}
	}
	if alerts < 7 {
		t.Errorf("there are %d alerts", alerts)
	}
}

// An operator who reads of a metric in the manual finds it, and the other way round.
func TestTheManualExplainsEveryMetric(t *testing.T) {
	b, err := os.ReadFile("../docs/operators/monitoring.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range metric.All {
		if !strings.Contains(string(b), "`"+name+"`") {
			t.Errorf("docs/operators/monitoring.md does not explain %s", name)
		}
	}
	for _, name := range metricName.FindAllString(string(b), -1) {
		if !slices.Contains(metric.All, name) {
			t.Errorf("docs/operators/monitoring.md explains %s, which is not emitted", name)
		}
	}
}
