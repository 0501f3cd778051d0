package archive

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"bonded/internal/errs"
)

var update = flag.Bool("update", false, "write the attack corpus to testdata/attacks again")

// attacks are all hostile archives, with the defaults of their format filled in.
var attacks = sync.OnceValue(func() []attack {
	zips := zipAttacks()
	all := append(zips, tarAttacks()...)
	for i := range all {
		a := &all[i]
		if i >= len(zips) {
			a.format = TarGz
		}
		if a.profile == (Profile{}) {
			a.profile = Jar()
			if a.format == TarGz {
				a.profile = NPM()
			}
		}
	}
	return all
})

func walk(a attack) (*Listing, error) {
	l := DefaultLimits()
	if a.limits != nil {
		a.limits(&l)
	}
	return Walk(bytes.NewReader(a.bytes), int64(len(a.bytes)), a.format, a.profile, l, nil)
}

// refusal is what a door would answer: the error of the walk, or the listing's refusal.
func refusal(l *Listing, err error, strict bool) error {
	if err != nil {
		return err
	}
	return l.Refuse(strict)
}

func TestEveryAttackIsRefusedByItsRule(t *testing.T) {
	for _, a := range attacks() {
		t.Run(a.format.String()+"/"+a.name, func(t *testing.T) {
			l, err := walk(a)
			checkRefusal(t, a, refusal(l, err, true))
			if mild := refusal(l, err, false) == nil; mild != a.mild {
				t.Errorf("refused for a proxied file: %v, want %v: %v", !mild, !a.mild, l.Anomalies)
			}
		})
	}
}

func checkRefusal(t *testing.T, a attack, err error) {
	t.Helper()
	e, ok := errors.AsType[*errs.Error](err)
	if !ok {
		t.Fatalf("not refused: %v", err)
	}
	if e.Rule != a.rule {
		t.Errorf("refused by %s, want %s: %v", e.Rule, a.rule, err)
	}
	if a.entry != "" && !strings.Contains(e.What, quote(a.entry)) {
		t.Errorf("the refusal does not name %q: %s", a.entry, e.What)
	}
	want := errs.Invalid
	if rules[a.rule].severity == Limit {
		want = errs.TooLarge
	}
	if e.Kind != want || e.Next == "" {
		t.Errorf("kind %v, next %q; want %v and a way out", e.Kind, e.Next, want)
	}
}

func TestEveryRuleHasAnAttack(t *testing.T) {
	seen := map[string]bool{ruleLimitMetadata: true} // TestCollectRefusesALargeFile
	for _, a := range attacks() {
		seen[a.rule] = true
	}
	for rule, r := range rules {
		if !seen[rule] {
			t.Errorf("no attack breaks %s", rule)
		}
		if r.next == "" {
			t.Errorf("%s has no way out", rule)
		}
	}
}

// corpusFile is where an attack is kept, so that other tools and later versions meet the same bytes.
func corpusFile(a attack) string {
	slug := strings.Trim(regexp.MustCompile("[^a-z0-9]+").ReplaceAllString(strings.ToLower(a.name), "-"), "-")
	return filepath.Join("testdata", "attacks", a.format.String()+"-"+slug+".bin")
}

func TestKeptCorpusIsRefused(t *testing.T) {
	const most = 4 << 10
	for _, a := range attacks() {
		if len(a.bytes) > most {
			continue
		}
		file := corpusFile(a)
		if *update {
			if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, a.bytes, 0o644)); err != nil {
				t.Fatal(err)
			}
		}
		var err error
		if a.bytes, err = os.ReadFile(file); err != nil {
			t.Errorf("%v; run go test ./internal/archive -run Corpus -update", err)
			continue
		}
		l, err := walk(a)
		checkRefusal(t, a, refusal(l, err, true))
	}
}

func TestRefuseTellsHostedFromProxied(t *testing.T) {
	l := &Listing{Anomalies: []Anomaly{
		{Rule: ruleCase, Entry: "a", Detail: "x", Severity: Finding},
		{Rule: ruleTraversal, Entry: "b", Detail: "y", Severity: Disagreement},
	}}
	if e, _ := errors.AsType[*errs.Error](l.Refuse(true)); e == nil || e.Rule != ruleCase {
		t.Errorf("hosted: %v, want the first anomaly", e)
	}
	if e, _ := errors.AsType[*errs.Error](l.Refuse(false)); e == nil || e.Rule != ruleTraversal {
		t.Errorf("proxied: %v, want the first that must be refused", e)
	}
	if err := (&Listing{}).Refuse(true); err != nil {
		t.Errorf("clean: %v", err)
	}
}

func TestFindingsAreBoundedAndNeverHideARefusal(t *testing.T) {
	var files []tfile
	for range 3 * maxAnomalies {
		files = append(files, tfile{name: "p//a"})
	}
	b := gzipped(ended(buildTar(append(files, tfile{name: "../x"})...)))
	l, err := Walk(bytes.NewReader(b), int64(len(b)), TarGz, NPM(), DefaultLimits(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Anomalies) != maxAnomalies+1 {
		t.Errorf("%d anomalies, want %d", len(l.Anomalies), maxAnomalies+1)
	}
	if e, _ := errors.AsType[*errs.Error](l.Refuse(false)); e == nil || e.Rule != ruleTraversal {
		t.Errorf("got %v, want the traversal", e)
	}
}

// samples are one honest archive of each format with the same files.
func samples() map[Format][]byte {
	return map[Format][]byte{
		Zip: buildZip(zipTail{comment: "a comment"}, zfile{name: "p/"}, zfile{name: "p/a", data: "alpha"},
			zfile{name: "p/b", data: "beta", deflate: true, descriptor: "signed"}),
		TarGz: gzipped(ended(buildTar(g("0123abc"), tfile{name: "p/", kind: '5'}, tfile{name: "p/a", data: "alpha"},
			tfile{name: "p/b", data: "beta", format: "gnu"}))),
	}
}

func TestWalkListsAndReads(t *testing.T) {
	for f, b := range samples() {
		got := map[string]string{}
		l, err := Walk(bytes.NewReader(b), int64(len(b)), f, NPM(), DefaultLimits(), func(e Entry, r io.Reader) error {
			body, err := io.ReadAll(r)
			got[e.Name] = string(body)
			return err
		})
		if err := refusal(l, err, true); err != nil {
			t.Fatalf("%v: %v", f, err)
		}
		if len(got) != 2 || got["p/a"] != "alpha" || got["p/b"] != "beta" {
			t.Errorf("%v: read %v", f, got)
		}
		if len(l.Entries) != 3 || l.Entries[0].Name != "p" || !l.Entries[0].Dir || l.Entries[2].Size != 4 || l.Unpacked != 9 {
			t.Errorf("%v: listed %+v, %d bytes", f, l.Entries, l.Unpacked)
		}
	}
}

func TestWalkReturnsTheErrorOfItsCallback(t *testing.T) {
	mine := errors.New("mine")
	for f, b := range samples() {
		_, err := Walk(bytes.NewReader(b), int64(len(b)), f, NPM(), DefaultLimits(), func(Entry, io.Reader) error { return mine })
		if !errors.Is(err, mine) {
			t.Errorf("%v: %v", f, err)
		}
	}
}

func TestDamageIsSeenThoughTheCallbackSwallowsIt(t *testing.T) {
	b := buildZip(zipTail{}, zfile{name: "a", data: "xyz", deflate: true, packed: []byte("\xff\xff\xff\xff")})
	_, err := Walk(bytes.NewReader(b), int64(len(b)), Zip, Jar(), DefaultLimits(), func(_ Entry, r io.Reader) error {
		io.Copy(io.Discard, r)
		return nil
	})
	if e, _ := errors.AsType[*errs.Error](err); e == nil || e.Rule != ruleZipData {
		t.Errorf("got %v", err)
	}
}

// brokenDisk fails every read after the first few bytes.
type brokenDisk struct {
	b    []byte
	good int64
}

var errDisk = errors.New("the disk is broken")

func (d brokenDisk) ReadAt(p []byte, off int64) (int, error) {
	if off >= d.good && off+int64(len(p)) < int64(len(d.b)) {
		return 0, errDisk
	}
	return bytes.NewReader(d.b).ReadAt(p, off)
}

func TestABrokenDiskIsNotBlamedOnTheArchive(t *testing.T) {
	noise := make([]byte, 200<<10)
	for i, x := 0, uint32(1); i < len(noise); i++ {
		x = x*1664525 + 1013904223
		noise[i] = byte(x >> 24)
	}
	for f, b := range map[Format][]byte{
		Zip:   buildZip(zipTail{}, zfile{name: "a", data: string(noise), deflate: true}),
		TarGz: gzipped(ended(buildTar(tfile{name: "p/a", data: string(noise)}))),
	} {
		l, err := Walk(brokenDisk{b, 40 << 10}, int64(len(b)), f, NPM(), DefaultLimits(), nil)
		if !errors.Is(err, errDisk) || len(l.Anomalies) > 1 {
			t.Errorf("%v: %v, %v", f, err, l.Anomalies)
		}
	}
}

func TestCollectKeepsWhatIsWanted(t *testing.T) {
	for f, b := range samples() {
		l, got, err := Collect(bytes.NewReader(b), int64(len(b)), f, NPM(), DefaultLimits(), func(name string) bool { return name == "p/b" }, 4)
		if err := refusal(l, err, true); err != nil {
			t.Fatal(err)
		}
		if len(got) != 1 || string(got["p/b"]) != "beta" {
			t.Errorf("%v: %q", f, got)
		}
	}
}

func TestCollectRefusesALargeFile(t *testing.T) {
	for f, b := range samples() {
		l, _, err := Collect(bytes.NewReader(b), int64(len(b)), f, NPM(), DefaultLimits(), func(string) bool { return true }, 4)
		if e, _ := errors.AsType[*errs.Error](err); e == nil || e.Rule != ruleLimitMetadata || e.Kind != errs.TooLarge {
			t.Errorf("%v: %v", f, err)
		}
		if l.Refuse(false) == nil {
			t.Errorf("%v: the listing does not remember the refusal", f)
		}
	}
}
