package upkeep_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
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
	"bonded/internal/upkeep"
)

// plain is the smallest ecosystem: versions compare as text.
type plain struct{ registry.Format }

func (plain) Type() string            { return "npm" }
func (plain) Compare(a, b string) int { return strings.Compare(a, b) }

// Build: "name/BUILD/file".
func (plain) Build(path string) string { return strings.Split(path, "/")[1] }

type clockAt struct{ t time.Time }

func (c *clockAt) Now() time.Time { return c.t }

type env struct {
	db    *store.DB
	blobs blob.Store
	dir   string
	reg   *registry.Registry
	clock *clockAt
	repo  *registry.Repository
}

func open(t *testing.T, db *store.DB) *env {
	t.Helper()
	e := &env{db: db, dir: t.TempDir(), clock: &clockAt{time.Now().UTC()}}
	var err error
	if e.blobs, err = blob.OpenDir(e.dir); err != nil {
		t.Fatal(err)
	}
	feed, err := events.NewFeed(t.Context(), db, clock.System{}, slog.New(slog.DiscardHandler))
	must(t, err)
	e.reg, err = registry.New(t.Context(), registry.Options{DB: db, Feed: feed, Blobs: e.blobs, Clock: e.clock, Formats: []registry.Format{plain{}}})
	must(t, err)
	must(t, e.reg.Bootstrap(t.Context()))
	e.repo, err = e.reg.Repository(t.Context(), "npm", "local")
	must(t, err)
	return e
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// publish stores bytes and names them.
func (e *env) publish(t *testing.T, name, version, path, body string, moving bool) {
	t.Helper()
	d, err := blob.Put(t.Context(), e.blobs, []byte(body))
	must(t, err)
	must(t, e.reg.Change(t.Context(), registry.Actor{Name: "alice"}, func(c *registry.Change) error {
		_, err := c.Publish(t.Context(), e.repo, registry.NewRelease{
			Name:    registry.Name{Display: name, Norm: name, Lookalike: name},
			Version: registry.Version{Canonical: version, Unique: version, Moving: moving, Prerelease: strings.Contains(version, "-")},
			Record:  []byte("{}"), Manifest: &registry.Manifest{}, Extend: moving, Replace: moving,
			Files: []registry.NewFile{{Path: path, Digests: d}}, Tags: []string{"latest"},
		})
		return err
	}))
}

func (e *env) check(t *testing.T, o upkeep.CheckOptions) []upkeep.Problem {
	t.Helper()
	problems, err := upkeep.Check(t.Context(), e.db, e.blobs, e.clock.Now(), o)
	must(t, err)
	return problems
}

func (e *env) has(body string) bool {
	_, err := e.blobs.Stat(context.Background(), digest.Of([]byte(body)))
	return err == nil
}

func TestCollectionTakesOnlyWhatNothingWants(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, db *store.DB) {
		e := open(t, db)
		e.publish(t, "kept", "1", "kept/1/a", "kept", false)
		e.publish(t, "gone", "1", "gone/1/a", "gone", false)
		must(t, e.reg.Change(t.Context(), registry.Actor{}, func(c *registry.Change) error {
			p, err := c.Project(t.Context(), e.repo, "gone")
			if err != nil {
				return err
			}
			return c.DeleteProject(t.Context(), p, "test")
		}))
		_, err := blob.Put(t.Context(), e.blobs, []byte("orphan")) // a crash between storing and naming
		must(t, err)
		collect := func(at time.Time) upkeep.Collected {
			c, err := upkeep.Collect(t.Context(), db, e.blobs, at, false)
			must(t, err)
			return c
		}
		if c := collect(e.clock.Now()); c.Blobs != 0 || c.Adopted != 1 {
			t.Fatalf("within the grace period: %+v", c)
		}
		later := e.clock.Now().Add(upkeep.Grace + time.Minute)
		if dry, err := upkeep.Collect(t.Context(), db, e.blobs, later, true); err != nil || dry.Blobs != 2 || !e.has("gone") {
			t.Fatalf("dry run: %+v, %v", dry, err)
		}
		if c := collect(later); c.Blobs != 2 || c.Bytes != int64(len("gone")+len("orphan")) {
			t.Fatalf("after it: %+v", c)
		}
		if !e.has("kept") || e.has("gone") || e.has("orphan") {
			t.Fatal("the wrong blobs were collected")
		}
		if p := e.check(t, upkeep.CheckOptions{Deep: true}); len(p) != 0 {
			t.Fatalf("after a collection: %+v", p)
		}
	})
}

func TestRetentionRemovesWholeBuildsAndKeepsTheNewest(t *testing.T) {
	e := open(t, storetest.SQLite(t))
	must(t, e.reg.UpdateRepository(t.Context(), registry.Actor{}, "npm", "local", nil, func(r *registry.Repository) {
		r.Settings.KeepSnapshots, r.Settings.KeepPrereleaseDays = 2, 30
	}))
	e.publish(t, "p", "1-rc", "p/rc/a", "rc", false)
	for i := range 4 {
		for _, file := range []string{"a", "b"} {
			e.publish(t, "p", "1-SNAPSHOT", fmt.Sprintf("p/b%d/%s", i, file), fmt.Sprint(i, file), true)
		}
		e.clock.t = e.clock.t.Add(24 * time.Hour)
	}
	e.clock.t = e.clock.t.Add(60 * 24 * time.Hour)
	plan, err := upkeep.Retain(t.Context(), e.reg, e.clock.Now(), true)
	must(t, err)
	if len(plan) != 3 || len(plan[0].Files) != 2 || plan[0].Build != "b0" || plan[2].Version != "1-rc" && plan[1].Build != "b1" {
		t.Fatalf("plan %+v", plan)
	}
	_, err = upkeep.Retain(t.Context(), e.reg, e.clock.Now(), false)
	must(t, err)
	repo, err := e.reg.Repository(t.Context(), "npm", "local")
	must(t, err)
	src, err := e.reg.Source(t.Context(), repo)
	must(t, err)
	p, err := src.Project(t.Context(), "p")
	must(t, err)
	if len(p.Releases) != 1 || len(p.Releases[0].Files) != 4 || p.File("p/b3/a") == nil || p.File("p/b1/a") != nil {
		t.Fatalf("left: %d releases, %d files", len(p.Releases), len(p.Releases[0].Files))
	}
	if again, err := upkeep.Retain(t.Context(), e.reg, e.clock.Now(), false); err != nil || len(again) != 0 {
		t.Fatalf("a second run removed %+v, %v", again, err)
	}
}

func TestCheckFindsEachDisagreementAndRepairsTheSafeOnes(t *testing.T) {
	exec := func(query string, args ...any) func(*testing.T, *env) {
		return func(t *testing.T, e *env) {
			must(t, e.db.InTx(t.Context(), func(tx *store.Tx) error { _, err := tx.Exec(t.Context(), query, args...); return err }))
		}
	}
	bytesOf := func(e *env, body string) string {
		var found string
		_ = filepath.WalkDir(e.dir, func(path string, d os.DirEntry, err error) error {
			if err == nil && d.Name() == digest.Of([]byte(body)).String() {
				found = path
			}
			return nil
		})
		return found
	}
	cases := []struct {
		rule     string
		damage   func(*testing.T, *env)
		repaired bool
	}{
		{"fsck/blob-row", exec("delete from blob"), true},
		{"fsck/blob-missing", func(t *testing.T, e *env) { must(t, e.blobs.Delete(t.Context(), digest.Of([]byte("body")))) }, false},
		{"fsck/blob-size", func(t *testing.T, e *env) { must(t, os.Truncate(bytesOf(e, "body"), 1)) }, false},
		{"fsck/blob-damaged", func(t *testing.T, e *env) {
			path := bytesOf(e, "body")
			must(t, os.Chmod(path, 0o600))
			must(t, os.WriteFile(path, []byte("BODY"), 0o600))
		}, false},
		{"fsck/blob-unknown", func(t *testing.T, e *env) { _, err := blob.Put(t.Context(), e.blobs, []byte("x")); must(t, err) }, true},
		{"fsck/tag", exec("update tag set uniq = 'none'"), true},
		{"fsck/event-missing", exec("update event set kind = 'other' where kind = 'release.published'"), false},
		{"fsck/event-counter", exec("update event_counter set seq = 0"), true},
	}
	for _, c := range cases {
		t.Run(c.rule, func(t *testing.T) {
			storetest.Engines(t, func(t *testing.T, db *store.DB) {
				e := open(t, db)
				e.publish(t, "p", "1", "p/1/a", "body", false)
				if p := e.check(t, upkeep.CheckOptions{Deep: true}); len(p) != 0 {
					t.Fatalf("before the damage: %+v", p)
				}
				c.damage(t, e)
				p := e.check(t, upkeep.CheckOptions{Deep: true, Repair: true})
				if len(p) != 1 || p[0].Rule != c.rule || p[0].Repaired != c.repaired {
					t.Fatalf("found %+v", p)
				}
				if again := e.check(t, upkeep.CheckOptions{Deep: true}); (len(again) == 0) != c.repaired {
					t.Fatalf("after the repair: %+v", again)
				}
			})
		})
	}
}

func TestBackupRestoresEverythingOntoEitherEngine(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, from *store.DB) {
		e := open(t, from)
		e.publish(t, "p", "1", "p/1/a", "one", false)
		dir := t.TempDir()
		_, err := upkeep.Backup(t.Context(), from, e.blobs, dir, e.clock.Now(), nil)
		must(t, err)
		e.publish(t, "p", "2", "p/2/a", "two", false)
		name, err := upkeep.Backup(t.Context(), from, e.blobs, dir, e.clock.Now(), nil) // adds to the first, in the same second
		must(t, err)
		if at, err := upkeep.LastBackup(t.Context(), from); err != nil || at.Sub(e.clock.Now()).Abs() > time.Second {
			t.Fatalf("last backup %v, %v", at, err)
		}
		storetest.Engines(t, func(t *testing.T, to *store.DB) {
			blobs, err := blob.OpenDir(t.TempDir())
			must(t, err)
			got, err := upkeep.Restore(t.Context(), to, blobs, dir, "", nil)
			if err != nil || got != name {
				t.Fatalf("restored %q, %v; want %q", got, err, name)
			}
			problems, err := upkeep.Check(t.Context(), to, blobs, e.clock.Now(), upkeep.CheckOptions{Deep: true})
			if err != nil || len(problems) != 0 {
				t.Fatalf("after the restore: %+v, %v", problems, err)
			}
			n, err := store.One(t.Context(), to, store.Value[int64], "select count(*) from release")
			if err != nil || n != 2 {
				t.Fatalf("%d releases, %v", n, err)
			}
			if _, err := upkeep.Restore(t.Context(), to, blobs, dir, "", nil); !errs.Is(err, errs.Conflict) {
				t.Fatalf("restoring over it: %v", err)
			}
		})
	})
}

func TestRestoreRefusesDamage(t *testing.T) {
	e := open(t, storetest.SQLite(t))
	e.publish(t, "p", "1", "p/1/a", "one", false)
	dir := t.TempDir()
	name, err := upkeep.Backup(t.Context(), e.db, e.blobs, dir, e.clock.Now(), nil)
	must(t, err)
	dump := filepath.Join(dir, "snapshots", name, "file.ndjson.gz")
	b, err := os.ReadFile(dump)
	must(t, err)
	must(t, os.WriteFile(dump, append(bytes.Clone(b), 0), 0o600))
	blobs, err := blob.OpenDir(t.TempDir())
	must(t, err)
	to := storetest.SQLite(t)
	if _, err := upkeep.Restore(t.Context(), to, blobs, dir, "", nil); !errs.Is(err, errs.Invalid) {
		t.Fatalf("a damaged dump: %v", err)
	}
	if n, err := store.One(t.Context(), to, store.Value[int64], "select count(*) from project"); err != nil || n != 0 {
		t.Fatalf("%d projects were left behind, %v", n, err)
	}
}

func TestCollectionStandsStillDuringABackup(t *testing.T) {
	e := open(t, storetest.SQLite(t))
	_, err := blob.Put(t.Context(), e.blobs, []byte("orphan"))
	must(t, err)
	_, err = upkeep.Collect(t.Context(), e.db, e.blobs, e.clock.Now().Add(-48*time.Hour), false) // adopted two days ago
	must(t, err)
	during := errors.New("no collection was tried during the backup")
	_, err = upkeep.Backup(t.Context(), e.db, e.blobs, t.TempDir(), e.clock.Now(), func(string, int64, int64) {
		c, err := upkeep.Collect(t.Context(), e.db, e.blobs, e.clock.Now(), true)
		if during = err; err == nil && !c.Deferred {
			during = errors.New("a collection ran beside the backup")
		}
	})
	must(t, err)
	must(t, during)
	c, err := upkeep.Collect(t.Context(), e.db, e.blobs, e.clock.Now(), false)
	if err != nil || c.Deferred || c.Blobs != 1 {
		t.Fatalf("after the backup: %+v, %v", c, err)
	}
}
