package registry_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bonded/internal/blob"
	"bonded/internal/clock"
	"bonded/internal/digest"
	"bonded/internal/errs"
	"bonded/internal/events"
	"bonded/internal/registry"
	"bonded/internal/store"
	"bonded/internal/store/storetest"
)

// plain is the smallest ecosystem: names are what they are, versions are numbers.
type plain struct{ registry.Format }

func (plain) Type() string { return "npm" }

func (plain) Compare(a, b string) int {
	var x, y int
	_, _ = fmt.Sscan(a, &x)
	_, _ = fmt.Sscan(b, &y)
	return x - y
}

type env struct {
	*registry.Registry
	db   *store.DB
	feed *events.Feed
	repo *registry.Repository
}

func open(t *testing.T, db *store.DB) *env {
	t.Helper()
	ctx := t.Context()
	feed, err := events.NewFeed(ctx, db, clock.System{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	blobs, err := blob.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	r, err := registry.New(ctx, registry.Options{DB: db, Feed: feed, Blobs: blobs, Clock: clock.System{}, Formats: []registry.Format{plain{}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Bootstrap(ctx); err != nil {
		t.Fatal(err)
	}
	repo, err := r.Repository(ctx, "npm", "local")
	if err != nil {
		t.Fatal(err)
	}
	return &env{r, db, feed, repo}
}

func release(name, version, body string) registry.NewRelease {
	return registry.NewRelease{
		Name:    registry.Name{Display: name, Norm: name, Lookalike: name},
		Version: registry.Version{Raw: version, Canonical: version, Unique: version},
		Record:  []byte(`{"v":"` + version + `"}`), Manifest: &registry.Manifest{Summary: "about " + name},
		Files: []registry.NewFile{{Path: name + "-" + version + ".tgz", Kind: "tgz", Digests: digest.SetOf([]byte(body))}},
		Tags:  []string{"latest"},
	}
}

func (e *env) publish(ctx context.Context, n registry.NewRelease) (out registry.Outcome, err error) {
	err = e.Change(ctx, registry.Actor{Name: "alice", Pseudonym: "p"}, func(c *registry.Change) error {
		out, err = c.Publish(ctx, e.repo, n)
		return err
	})
	return out, err
}

func (e *env) project(t *testing.T, repo, name string) *registry.Project {
	t.Helper()
	r, err := e.Repository(t.Context(), "npm", repo)
	if err != nil {
		t.Fatal(err)
	}
	src, err := e.Source(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	p, err := src.Project(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestPublishIsVisibleWhenItReturnsAndIdempotent(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, db *store.DB) {
		e := open(t, db)
		out, err := e.publish(t.Context(), release("foo", "1", "a"))
		if err != nil || !out.CreatedProject || !out.CreatedRelease {
			t.Fatalf("%+v, %v", out, err)
		}
		p := e.project(t, "main", "foo") // through the group
		if p.Tags["latest"] != "1" || p.File("foo-1.tgz") == nil || p.Repo.Name != "local" || p.Summary != "about foo" {
			t.Fatalf("snapshot %+v", p)
		}
		out, err = e.publish(t.Context(), release("foo", "1", "a"))
		if err != nil || !out.Identical {
			t.Fatalf("the same bytes again: %+v, %v", out, err)
		}
		if again := e.project(t, "local", "foo"); again.Revision != p.Revision {
			t.Fatalf("an identical publish moved the revision from %d to %d", p.Revision, again.Revision)
		}
		if _, err := e.publish(t.Context(), release("foo", "1", "b")); !errs.Is(err, errs.Conflict) {
			t.Fatalf("other bytes under a used name: %v", err)
		}
		if _, err := e.publish(t.Context(), release("foo", "10", "c")); err != nil {
			t.Fatal(err)
		}
		if _, err := e.publish(t.Context(), release("foo", "9", "d")); err != nil {
			t.Fatal(err)
		}
		p = e.project(t, "local", "foo")
		if got := p.Releases[2].Version; got != "10" {
			t.Fatalf("highest is %s, want 10 by the ecosystem's order", got)
		}
	})
}

func TestDeletedNamesAreNeverUsedAgain(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, db *store.DB) {
		e := open(t, db)
		ctx := t.Context()
		_, err := e.publish(ctx, release("foo", "1", "a"))
		must(t, err)
		change := func(fn func(c *registry.Change, p *registry.Project) error) error {
			return e.Change(ctx, registry.Actor{}, func(c *registry.Change) error {
				p, err := c.Project(ctx, e.repo, "foo")
				if err != nil {
					return err
				}
				return fn(c, p)
			})
		}
		must(t, change(func(c *registry.Change, p *registry.Project) error { return c.DeleteRelease(ctx, p, "1", "test") }))
		for _, body := range []string{"a", "b"} {
			if _, err := e.publish(ctx, release("foo", "1", body)); !errs.Is(err, errs.Conflict) {
				t.Fatalf("a deleted version with body %q: %v", body, err)
			}
		}
		_, err = e.publish(ctx, release("foo", "2", "c"))
		must(t, err)
		must(t, change(func(c *registry.Change, p *registry.Project) error { return c.SetLegalHold(ctx, p, true) }))
		err = change(func(c *registry.Change, p *registry.Project) error { return c.DeleteProject(ctx, p, "test") })
		if !errs.Is(err, errs.Forbidden) {
			t.Fatalf("deleting under a legal hold: %v", err)
		}
		must(t, change(func(c *registry.Change, p *registry.Project) error { return c.SetLegalHold(ctx, p, false) }))
		must(t, change(func(c *registry.Change, p *registry.Project) error { return c.DeleteProject(ctx, p, "test") }))
		if _, err := e.publish(ctx, release("foo", "3", "d")); !errs.Is(err, errs.Conflict) {
			t.Fatalf("the name of a deleted project: %v", err)
		}
	})
}

func TestLookalikeOfAnExistingNameIsRefused(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, db *store.DB) {
		e := open(t, db)
		_, err := e.publish(t.Context(), release("foo-bar", "1", "a"))
		must(t, err)
		n := release("foo_bar", "1", "b")
		n.Name.Lookalike = "foo-bar"
		if _, err := e.publish(t.Context(), n); !errs.Is(err, errs.Conflict) {
			t.Fatalf("look-alike: %v", err)
		}
	})
}

func TestConcurrentPublishersOneWinnerPerVersionNothingLost(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, db *store.DB) {
		e := open(t, db)
		var wg sync.WaitGroup
		var won atomic.Int64
		for i := range 8 {
			wg.Go(func() {
				if _, err := e.publish(t.Context(), release("foo", fmt.Sprint(i+10), fmt.Sprint(i))); err != nil {
					t.Errorf("version of its own: %v", err)
				}
				_, err := e.publish(t.Context(), release("foo", "1", fmt.Sprint("body", i)))
				switch {
				case err == nil:
					won.Add(1)
				case !errs.Is(err, errs.Conflict):
					t.Errorf("loser: %v", err)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Fatalf("%d publishers won the same version", won.Load())
		}
		if n := len(e.project(t, "local", "foo").Releases); n != 9 {
			t.Fatalf("%d releases, want 9", n)
		}
	})
}

func TestFeedNumbersAreInCommitOrderWithoutGaps(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, db *store.DB) {
		e := open(t, db)
		var mu sync.Mutex
		var seen []int64
		first := e.feed.Applied()
		e.feed.Subscribe(func(ev events.Event) {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, ev.Seq)
		})
		var wg sync.WaitGroup
		for i := range 6 {
			wg.Go(func() {
				for j := range 5 {
					if _, err := e.publish(t.Context(), release(fmt.Sprint("p", i), fmt.Sprint(j), "x")); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		for i, seq := range seen {
			if seq != first+int64(i)+1 {
				t.Fatalf("delivered %v after %d", seen, first)
			}
		}
		if len(seen) != 6*(5+1) { // a project.created and five releases each
			t.Fatalf("%d events delivered", len(seen))
		}
	})
}

func TestHotReadsRunNoSQL(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, db *store.DB) {
		e := open(t, db)
		_, err := e.publish(t.Context(), release("foo", "1", "a"))
		must(t, err)
		e.project(t, "main", "foo")
		before := db.Statements()
		for range 10 {
			e.project(t, "main", "foo")
		}
		if n := db.Statements() - before; n != 0 {
			t.Fatalf("%d statements for hot reads", n)
		}
	})
}

func TestAnotherNodesChangeIsSeenThroughTheFeed(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, db *store.DB) {
		a, b := open(t, db), open(t, db)
		_, err := a.publish(t.Context(), release("foo", "1", "a"))
		must(t, err)
		must(t, b.feed.SyncTo(t.Context(), a.feed.Applied()))
		if n := len(b.project(t, "local", "foo").Releases); n != 1 {
			t.Fatalf("%d releases on the other node", n)
		}
		_, err = a.publish(t.Context(), release("foo", "2", "b"))
		must(t, err)
		must(t, b.feed.SyncTo(t.Context(), a.feed.Applied()))
		if n := len(b.project(t, "local", "foo").Releases); n != 2 {
			t.Fatalf("%d releases on the other node after its snapshot was cached", n)
		}
	})
}

func TestUpdatedAtMovesAtLeastASecondWithEveryChange(t *testing.T) {
	e := open(t, storetest.SQLite(t))
	var last time.Time
	for i := range 4 {
		_, err := e.publish(t.Context(), release("foo", fmt.Sprint(i), fmt.Sprint(i)))
		must(t, err)
		at := e.project(t, "local", "foo").UpdatedAt
		if i > 0 && at.Sub(last) < time.Second {
			t.Fatalf("moved by %s", at.Sub(last))
		}
		last = at
	}
}

func TestViewHidesWhatAVerdictKeepsBack(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	allow := &registry.Release{Version: "1", Verdict: registry.Verdict{Decision: registry.Allow}}
	block := &registry.Release{Version: "2", Verdict: registry.Verdict{Decision: registry.Block}}
	held := &registry.Release{Version: "3", Verdict: registry.Verdict{Decision: registry.Hold, Until: now.Add(time.Hour)}}
	forever := &registry.Release{Version: "4", Verdict: registry.Verdict{Decision: registry.Hold}}
	p := &registry.Project{Status: registry.Active, Releases: []*registry.Release{allow, block, held, forever}}

	v := registry.ViewOf(p, "", now)
	if len(v.Releases) != 1 || len(v.Withheld) != 3 || !v.Until.Equal(now.Add(time.Hour)) {
		t.Fatalf("now: %d shown, %d withheld, until %v", len(v.Releases), len(v.Withheld), v.Until)
	}
	v = registry.ViewOf(p, "", now.Add(time.Hour))
	if len(v.Releases) != 2 || v.Releases[1] != held || !v.Until.IsZero() {
		t.Fatalf("after the hold: %d shown, until %v", len(v.Releases), v.Until)
	}
	q := &registry.Project{Status: registry.Quarantined, Releases: p.Releases}
	if v := registry.ViewOf(q, "", now); len(v.Releases) != 0 || len(v.Withheld) != 4 {
		t.Fatalf("quarantined: %d shown", len(v.Releases))
	}
}

func TestLastOwnerStays(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, db *store.DB) {
		e := open(t, db)
		ctx := t.Context()
		must(t, db.InTx(ctx, func(tx *store.Tx) error {
			for _, n := range []string{"alice", "bob"} {
				if _, err := tx.Exec(ctx, "insert into account (name, email, admin, actor_key, created_at) values ($1,'',false,'k',0)", n); err != nil {
					return err
				}
			}
			return nil
		}))
		must(t, e.Change(ctx, registry.Actor{AccountID: 1}, func(c *registry.Change) error {
			_, err := c.Publish(ctx, e.repo, release("foo", "1", "a"))
			return err
		}))
		change := func(fn func(c *registry.Change, p *registry.Project) error) error {
			return e.Change(ctx, registry.Actor{}, func(c *registry.Change) error {
				p, err := c.Project(ctx, e.repo, "foo")
				if err != nil {
					return err
				}
				return fn(c, p)
			})
		}
		remove := func(id int64) error {
			return change(func(c *registry.Change, p *registry.Project) error { return c.RemoveOwner(ctx, p, id) })
		}
		if err := remove(1); !errs.Is(err, errs.Forbidden) {
			t.Fatalf("removing the last owner: %v", err)
		}
		must(t, change(func(c *registry.Change, p *registry.Project) error { return c.AddOwner(ctx, p, 2) }))
		must(t, remove(1))
		if err := remove(1); !errs.Is(err, errs.NotFound) {
			t.Fatalf("removing a stranger: %v", err)
		}
	})
}

// shifted is the machine's clock, moved by a test.
type shifted struct{ by atomic.Int64 }

func (s *shifted) Now() time.Time { return time.Now().UTC().Add(time.Duration(s.by.Load())) }

// TestNodeWithoutItsDatabaseServesWhatItHasForAWhile is design §6: a node that lags bypasses its caches; without SQL it
// serves 30 s more, then refuses.
func TestNodeWithoutItsDatabaseServesWhatItHasForAWhile(t *testing.T) {
	db := storetest.SQLite(t)
	clk := &shifted{}
	feed, err := events.NewFeed(t.Context(), db, clk, slog.New(slog.DiscardHandler))
	must(t, err)
	blobs, err := blob.OpenDir(t.TempDir())
	must(t, err)
	r, err := registry.New(t.Context(), registry.Options{DB: db, Feed: feed, Blobs: blobs, Clock: clk, Formats: []registry.Format{plain{}}})
	must(t, err)
	must(t, r.Bootstrap(t.Context()))
	repo, err := r.Repository(t.Context(), "npm", "local")
	must(t, err)
	e := &env{r, db, feed, repo}
	_, err = e.publish(t.Context(), release("foo", "1", "a"))
	must(t, err)
	e.project(t, "local", "foo")

	clk.by.Add(int64(2 * time.Second)) // the node lags: it asks the database
	before := db.Statements()
	e.project(t, "local", "foo")
	if db.Statements() == before {
		t.Fatal("a node that lags trusted its cache")
	}
	must(t, db.Close())
	e.project(t, "local", "foo")
	src, err := r.Source(t.Context(), repo)
	must(t, err)
	if _, err := src.Project(t.Context(), "never-seen"); !errs.Is(err, errs.Unavailable) {
		t.Fatalf("a project that is not in memory: %v", err)
	}
	clk.by.Add(int64(events.ServeWithoutStore))
	if _, err := src.Project(t.Context(), "foo"); !errs.Is(err, errs.Unavailable) {
		t.Fatalf("after %s without a database: %v", events.ServeWithoutStore, err)
	}
}
