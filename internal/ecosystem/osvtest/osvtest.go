// Package osvtest runs an ecosystem's version order over the shared development data: order triples labelled by the native
// clients, and OSV records with the versions they affect (scanning.md §1.2, §1.4). Only tests import it.
package osvtest

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// maxLine is the longest line of the data files, in bytes.
const maxLine = 4 << 20

// Order is one line of a version-order file: B stands to A as Op says.
type Order struct {
	Ecosystem, Origin, A, Op, B, Status string
}

// wanted is the answer that counts: the client's, and for Maven the one of the 3.9 generation.
func (o Order) wanted() (op string, scored bool) {
	if generations, ok := strings.CutPrefix(o.Status, "maven-generation:"); ok {
		return strings.Split(generations, "/")[1], true
	}
	return o.Op, o.Status == "ok"
}

// Shared finds the shared data folder: $BONDED_SHARED_DATA, or shared/data beside the repository. A test that needs it
// fails without it, because an unproven order is not a passed one.
func Shared(tb testing.TB, file string) string {
	tb.Helper()
	dir := os.Getenv("BONDED_SHARED_DATA")
	if dir == "" {
		dir = filepath.Join(repositoryRoot(tb), "..", "shared", "data")
	}
	path := filepath.Join(dir, file)
	if _, err := os.Stat(path); err != nil {
		tb.Fatalf("The shared development data is missing (%v): put the folder shared beside the clone or set BONDED_SHARED_DATA to shared/data.", err)
	}
	return path
}

func repositoryRoot(tb testing.TB) string {
	tb.Helper()
	dir, err := os.Getwd()
	if err != nil {
		tb.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			tb.Fatal("no go.mod above the test's folder")
		}
		dir = parent
	}
}

// Orders reads the lines of an ecosystem from a version-order file.
func Orders(tb testing.TB, path, ecosystem string) []Order {
	tb.Helper()
	var orders []Order
	for _, line := range lines(tb, path) {
		f := strings.Split(line, "\t")
		if len(f) == 6 && f[0] == ecosystem {
			orders = append(orders, Order{f[0], f[1], f[2], f[3], f[4], f[5]})
		}
	}
	if len(orders) == 0 {
		tb.Fatalf("%s holds no line of %s", path, ecosystem)
	}
	return orders
}

// CheckOrder demands the client's answer on every scored line, in both directions; what the client rejects must be
// refused by valid, the parser for publishing, on one side at least. Disputed lines are only reported.
func CheckOrder(t *testing.T, path, ecosystem string, compare func(a, b string) int, valid func(string) bool) {
	t.Helper()
	scored, failed := 0, 0
	for _, o := range Orders(t, path, ecosystem) {
		if o.Status == "client-rejects" || o.Status == "not-strict-semver" {
			if valid(o.A) && valid(o.B) {
				t.Errorf("the client rejects %q or %q, the parser for publishing accepts both", o.A, o.B)
			}
		}
		got := compare(o.A, o.B)
		op, counts := o.wanted()
		if !counts {
			if sign(got) != op {
				t.Logf("not scored (%s): %q %s %q, we say %s", o.Status, o.A, o.Op, o.B, sign(got))
			}
			continue
		}
		scored++
		if sign(got) != op || compare(o.B, o.A) != -got {
			failed++
			t.Errorf("want %q %s %q (%s), got %s, reversed %s", o.A, op, o.B, o.Origin, sign(got), sign(compare(o.B, o.A)))
		}
	}
	t.Logf("%s: %d of %d order lines agree with the client", ecosystem, scored-failed, scored)
}

func sign(c int) string {
	switch {
	case c < 0:
		return "<"
	case c > 0:
		return ">"
	}
	return "="
}

// Record is what the evaluation needs of an OSV record.
type Record struct {
	ID       string `json:"id"`
	Affected []struct {
		Package struct {
			Name string `json:"name"`
		} `json:"package"`
		Ranges []struct {
			Type   string              `json:"type"`
			Events []map[string]string `json:"events"`
		} `json:"ranges"`
		Versions []string `json:"versions"`
	} `json:"affected"`
}

// Rules is what an ecosystem brings to the evaluation.
type Rules struct {
	// Compare is the ecosystem's version order.
	Compare func(a, b string) int
	// Project maps a package name to its key.
	Project func(string) (string, bool)
	// Version maps a version to the key under which enumerated versions are compared.
	Version func(string) string
}

// CheckCases demands the expected verdict on every case of an ecosystem: records are read from one JSON object a line.
func CheckCases(t *testing.T, cases, records, ecosystem string, rules Rules) {
	t.Helper()
	byID := map[string]Record{}
	for _, line := range lines(t, records) {
		var r Record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%s: %v", records, err)
		}
		byID[r.ID] = r
	}
	scored, failed := 0, 0
	for _, line := range lines(t, cases) {
		f := strings.Split(line, "\t")
		if len(f) != 6 || f[0] != ecosystem {
			continue
		}
		record, ok := byID[f[1]]
		if !ok {
			t.Errorf("no record %s", f[1])
			continue
		}
		scored++
		if rules.affects(record, f[2], f[3]) != (f[4] == "affected") {
			failed++
			t.Errorf("%s: %s %s should be %s (%s)", f[1], f[2], f[3], f[4], f[5])
		}
	}
	if scored == 0 {
		t.Fatalf("%s holds no case of %s", cases, ecosystem)
	}
	t.Logf("%s: %d of %d cases are judged as expected", ecosystem, scored-failed, scored)
}

// affects is the evaluation of scanning.md §1.2.
func (r Rules) affects(record Record, project, version string) bool {
	want, _ := r.Project(project)
	for _, a := range record.Affected {
		if have, ok := r.Project(a.Package.Name); !ok || have != want {
			continue
		}
		if slices.ContainsFunc(a.Versions, func(v string) bool { return v == version || r.Version(v) == r.Version(version) }) {
			return true
		}
		for _, rng := range a.Ranges {
			if rng.Type != "GIT" && r.inRange(rng.Events, version) {
				return true
			}
		}
	}
	return false
}

func (r Rules) inRange(events []map[string]string, version string) bool {
	type event struct{ kind, version string }
	var sorted []event
	limited, below := false, false
	for _, e := range events {
		for kind, v := range e {
			if kind == "limit" {
				limited = true
				below = below || v == "*" || r.Compare(version, v) < 0
				continue
			}
			sorted = append(sorted, event{kind, v})
		}
	}
	slices.SortStableFunc(sorted, func(x, y event) int { return r.compareEvents(x.version, y.version) })
	affected := false
	for _, e := range sorted {
		c := r.compareEvents(e.version, version)
		switch {
		case e.kind == "introduced" && c <= 0:
			affected = true
		case e.kind == "fixed" && c <= 0, e.kind == "last_affected" && c < 0:
			affected = false
		}
	}
	return affected && (!limited || below)
}

// compareEvents gives "0" its place before every version.
func (r Rules) compareEvents(x, y string) int {
	switch {
	case x == y:
		return 0
	case x == "0":
		return -1
	case y == "0":
		return 1
	}
	return r.Compare(x, y)
}

func lines(tb testing.TB, path string) []string {
	tb.Helper()
	f, err := os.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	var out []string
	s := bufio.NewScanner(f)
	s.Buffer(make([]byte, 64<<10), maxLine)
	for s.Scan() {
		if s.Text() != "" && s.Text()[0] != '#' {
			out = append(out, s.Text())
		}
	}
	if err := s.Err(); err != nil {
		tb.Fatal(err)
	}
	return out
}
