package intake_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"bonded/internal/access"
	"bonded/internal/blob"
	"bonded/internal/digest"
	"bonded/internal/errs"
	"bonded/internal/events"
	"bonded/internal/identity"
	"bonded/internal/intake"
	"bonded/internal/registry"
	"bonded/internal/store"
	"bonded/internal/store/storetest"
)

// plain is the smallest ecosystem: an artifact is the text "NAME VERSION", and a claim is the same text.
type plain struct{ registry.Format }

func (plain) Type() string            { return "npm" }
func (plain) Compare(a, b string) int { return strings.Compare(a, b) }

func (plain) Name(raw string) (registry.Name, error) {
	return registry.Name{Display: raw, Norm: raw, Lookalike: raw}, nil
}

func (plain) Version(raw string) (registry.Version, error) {
	return registry.Version{Raw: raw, Canonical: raw, Unique: raw}, nil
}

func (plain) Inspect(a registry.Artifact) (*registry.Manifest, error) {
	b, err := io.ReadAll(a.Body)
	if err != nil {
		return nil, err
	}
	m := &registry.Manifest{}
	if n, _ := fmt.Sscan(string(b), &m.Name, &m.Version); n != 2 {
		return nil, errs.New(errs.Invalid, "The artifact says nothing.").WithRule("plain/empty")
	}
	return m, nil
}

func (plain) Reconcile(all []*registry.Manifest, claim registry.Claim) error {
	for _, m := range all {
		if got := m.Name + " " + m.Version; got != claim {
			return errs.New(errs.Invalid, "The request says %q, the artifact %q.", claim, got).WithRule("plain/confusion")
		}
	}
	return nil
}

func (plain) Record(all []*registry.Manifest, _ registry.Claim, files []registry.File) (registry.Record, error) {
	return registry.Record{Index: []byte(all[0].Name), Files: map[string][]byte{files[0].Path: []byte(`{"n":1}`)}}, nil
}

type env struct {
	*intake.Line
	reg   *registry.Registry
	blobs blob.Store
	dir   string
	alice access.Principal
	full  error
}

func open(t *testing.T, db *store.DB) *env {
	t.Helper()
	e := &env{dir: t.TempDir()}
	ctx, log := t.Context(), slog.New(slog.DiscardHandler)
	var err error
	e.blobs, err = blob.OpenDir(e.dir)
	must(t, err)
	feed, err := events.NewFeed(ctx, db, now{}, log)
	must(t, err)
	e.reg, err = registry.New(ctx, registry.Options{DB: db, Feed: feed, Blobs: e.blobs, Clock: now{}, Formats: []registry.Format{plain{}}})
	must(t, err)
	must(t, e.reg.Bootstrap(ctx))
	accounts := identity.New(db, now{})
	gate := access.NewGate(access.Options{DB: db, Feed: feed, Accounts: accounts, Clock: now{}, AnonymousRead: true})
	acc, err := accounts.Add(ctx, "alice", "alice@example.test", false)
	must(t, err)
	everything, err := access.ParseScope("*")
	must(t, err)
	e.alice = access.Principal{Kind: access.KindToken, AccountID: acc.ID, Name: "alice", Scopes: []access.Scope{everything}}
	e.Line = intake.New(intake.Options{
		Registry: e.reg, Blobs: e.blobs, Gate: gate, Clock: now{}, Log: log, FileLimit: 64, Room: func() error { return e.full },
	})
	return e
}

type now struct{}

func (now) Now() time.Time { return time.Now().UTC() }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (e *env) repo(t *testing.T, name string) *registry.Repository {
	t.Helper()
	r, err := e.reg.Repository(t.Context(), "npm", name)
	must(t, err)
	return r
}

// submit sends "NAME VERSION" with a claim, through all of the line.
func (e *env) submit(t *testing.T, p access.Principal, name, version, body, claim string) (*intake.Receipt, error) {
	t.Helper()
	repo := e.repo(t, "local")
	staged, err := e.Receive(t.Context(), repo, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	defer staged.Discard()
	return e.Publish(t.Context(), intake.Submission{
		Repo: repo, Principal: p, Name: name, Version: version, Claim: claim,
		Parts: []intake.Part{{Path: name + "-" + version, Bytes: staged, Inspect: true}},
	})
}

// files counts what is in the blob folder, staged or not.
func (e *env) files(t *testing.T) (n int) {
	t.Helper()
	must(t, filepath.WalkDir(e.dir, func(_ string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			n++
		}
		return err
	}))
	return n
}

func TestWhatIsRefusedLeavesNothing(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, db *store.DB) {
		e := open(t, db)
		cases := []struct {
			rule, name, version, body, claim string
			who                              access.Principal
			want                             errs.Kind
		}{
			{"an artifact that says nothing", "a", "1", "", "a 1", e.alice, errs.Invalid},
			{"a claim that differs from the artifact", "a", "1", "a 2", "a 1", e.alice, errs.Invalid},
			{"a caller without an account", "a", "1", "a 1", "a 1", access.Anonymous(), errs.Unauthenticated},
			{"a file over the limit", "a", "1", strings.Repeat("x", 65), "a 1", e.alice, errs.TooLarge},
		}
		for _, c := range cases {
			t.Run(c.rule, func(t *testing.T) {
				if _, err := e.submit(t, c.who, c.name, c.version, c.body, c.claim); !errs.Is(err, c.want) {
					t.Fatalf("%v", err)
				}
			})
		}
		if n := e.files(t); n > 1 { // bytes that were made durable before permission was refused wait for collection
			t.Errorf("%d files are left", n)
		}
		if n, err := store.One(t.Context(), db, store.Value[int64], "select count(*) from project"); err != nil || n != 0 {
			t.Errorf("%d projects are left, %v", n, err)
		}
	})
}

func TestClientThatDisconnectsLeavesNothing(t *testing.T) {
	e := open(t, storetest.SQLite(t))
	gone := io.MultiReader(strings.NewReader("half"), iotest.ErrReader(io.ErrUnexpectedEOF))
	if _, err := e.Receive(t.Context(), e.repo(t, "local"), gone); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatalf("%v", err)
	}
	if n := e.files(t); n != 0 {
		t.Fatalf("%d files are left", n)
	}
}

func TestFullDiskRefusesPublishesAndNothingElse(t *testing.T) {
	e := open(t, storetest.SQLite(t))
	_, err := e.submit(t, e.alice, "a", "1", "a 1", "a 1")
	must(t, err)
	e.full = errs.New(errs.TooLarge, "The disk is full.")
	if _, err := e.submit(t, e.alice, "a", "2", "a 2", "a 2"); !errs.Is(err, errs.TooLarge) {
		t.Fatalf("%v", err)
	}
	if _, err := e.blobs.Stat(t.Context(), digest.Of([]byte("a 1"))); err != nil {
		t.Fatalf("what is there cannot be read: %v", err)
	}
}

func TestQuotaNamesTheSum(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, db *store.DB) {
		e := open(t, db)
		must(t, e.reg.UpdateRepository(t.Context(), registry.Actor{}, "npm", "local", nil, func(r *registry.Repository) { r.Settings.Quota = 5 }))
		_, err := e.submit(t, e.alice, "a", "1", "a 1", "a 1")
		must(t, err)
		_, err = e.submit(t, e.alice, "a", "2", "a 2", "a 2")
		if !errs.Is(err, errs.TooLarge) || !strings.Contains(err.Error(), "6 of 5 bytes") {
			t.Fatalf("%v", err)
		}
	})
}

func TestOwnershipIsAskedWithTheFactsOfTheTransaction(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, db *store.DB) {
		e := open(t, db)
		bob := e.alice
		bob.AccountID, bob.Name = e.alice.AccountID+1, "bob"
		must(t, db.InTx(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(t.Context(), "insert into account (name, email, admin, actor_key, created_at) values ('bob','',false,'k',0)")
			return err
		}))
		var wg sync.WaitGroup
		var mu sync.Mutex
		won := 0
		for i, who := range []access.Principal{e.alice, bob, e.alice, bob} {
			version := fmt.Sprint(i)
			wg.Go(func() {
				_, err := e.submit(t, who, "new", version, "new "+version, "new "+version)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					won++
				} else if !errs.Is(err, errs.Forbidden) {
					t.Errorf("%v", err)
				}
			})
		}
		wg.Wait()
		if won != 2 { // whoever was first owns the name and publishes both of theirs
			t.Fatalf("%d of 4 publishes of two strangers got through", won)
		}
	})
}

func TestSeveralSubmissionsBecomeVisibleTogetherOrNotAtAll(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, db *store.DB) {
		e := open(t, db)
		_, err := e.submit(t, e.alice, "b", "1", "b 1", "b 1")
		must(t, err)
		all := func(versions ...string) error {
			var subs []intake.Submission
			for _, nv := range versions {
				name, version, _ := strings.Cut(nv, " ")
				staged, err := e.Receive(t.Context(), e.repo(t, "local"), strings.NewReader(nv))
				must(t, err)
				defer staged.Discard()
				path := name + "-" + version
				if nv == "b 1" {
					path += "-other" // a second file for a version that is taken
				}
				subs = append(subs, intake.Submission{
					Repo: e.repo(t, "local"), Principal: e.alice, Name: name, Version: version, Claim: nv,
					Parts: []intake.Part{{Path: path, Bytes: staged, Inspect: true}},
				})
			}
			_, err := e.PublishAll(t.Context(), subs)
			return err
		}
		if err := all("a 1", "b 1", "c 1"); !errs.Is(err, errs.Conflict) {
			t.Fatalf("%v", err)
		}
		count := func() int64 {
			n, err := store.One(t.Context(), db, store.Value[int64], "select count(*) from release")
			must(t, err)
			return n
		}
		if n := count(); n != 1 {
			t.Fatalf("%d releases after a refusal", n)
		}
		must(t, all("a 1", "b 2", "c 1"))
		if n := count(); n != 4 {
			t.Fatalf("%d releases", n)
		}
	})
}

func TestStageCollectsPartsSurvivesAndExpires(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, db *store.DB) {
		e := open(t, db)
		ctx, repo := t.Context(), e.repo(t, "local")
		var wg sync.WaitGroup
		ids := make([]string, 6)
		for i := range ids {
			wg.Go(func() { // parallel parts of one deployment share one stage
				st, err := e.OpenStage(ctx, repo, "deploy", "g:a:1", "alice", time.Hour)
				if err != nil {
					t.Error(err)
					return
				}
				ids[i] = st.ID
				staged, err := e.Receive(ctx, repo, strings.NewReader(fmt.Sprint("part", i)))
				if err != nil {
					t.Error(err)
					return
				}
				defer staged.Discard()
				if err := e.PutPart(ctx, st, fmt.Sprint("p", i), staged, "{}"); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for _, id := range ids {
			if id != ids[0] {
				t.Fatalf("parts went to stages %v", ids)
			}
		}
		parts, err := e.Parts(ctx, ids[0])
		if err != nil || len(parts) != 6 {
			t.Fatalf("%d parts, %v", len(parts), err)
		}
		body, err := parts[2].Bytes().Open()
		must(t, err)
		var b bytes.Buffer
		_, err = io.Copy(&b, body)
		must(t, errors.Join(err, body.Close()))
		if b.String() != "part2" {
			t.Fatalf("part holds %q", b.String())
		}
		if other, err := e.OpenStage(ctx, repo, "deploy", "g:a:1", "bob", time.Hour); err != nil || other.ID == ids[0] {
			t.Fatalf("another principal shares the stage: %v", err)
		}
		must(t, e.SetStage(ctx, ids[0], intake.StageFailed, "{}", intake.StageOpen))
		if err := e.SetStage(ctx, ids[0], intake.StagePublished, "{}", intake.StageOpen); !errs.Is(err, errs.Conflict) {
			t.Fatalf("a failed stage was published: %v", err)
		}
		st, err := e.OpenStage(ctx, repo, "short", "k", "alice", -time.Second)
		must(t, err)
		if n, err := e.ExpireStages(ctx); err != nil || n != 1 {
			t.Fatalf("%d expired, %v", n, err)
		}
		if _, err := e.StageByID(ctx, st.ID); !errs.Is(err, errs.NotFound) {
			t.Fatalf("an expired stage: %v", err)
		}
	})
}

func TestRefusedUploadCostsNoStorage(t *testing.T) {
	e := open(t, storetest.SQLite(t))
	_, err := e.submit(t, e.alice, "a", "1", "a 1", "a 1")
	must(t, err)
	before := e.files(t)
	stranger := e.alice
	stranger.AccountID++
	for _, c := range []struct {
		who        access.Principal
		body, rule string
		want       errs.Kind
	}{
		{e.alice, "a 1 other bytes", "other bytes under a used name", errs.Conflict},
		{stranger, "a 2", "a stranger's version", errs.Forbidden},
	} {
		version := strings.Fields(c.body)[1]
		if _, err := e.submit(t, c.who, "a", version, c.body, "a "+version); !errs.Is(err, c.want) {
			t.Errorf("%s: %v", c.rule, err)
		}
	}
	if n := e.files(t); n != before {
		t.Errorf("%d files, %d before the refused uploads", n, before)
	}
}
