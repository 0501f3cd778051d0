package upkeep

import (
	"compress/gzip"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"bonded/internal/blob"
	"bonded/internal/clock"
	"bonded/internal/digest"
	"bonded/internal/errs"
	"bonded/internal/events"
	"bonded/internal/store"
)

// A backup is a folder:
//
//	blobs/                       every blob, in the layout of a data folder; copies add to it and never change it
//	snapshots/20260102T030405Z/  the rows of one moment: manifest.json and a TABLE.ndjson.gz each
//
// The rows are read first and the blobs they name are copied after, so any later copy of the blobs is a superset.
const (
	snapshotsDir  = "snapshots"
	manifestFile  = "manifest.json"
	snapshotStamp = "20060102T150405Z"
	// leaseLife is how long collection stands still for a backup that was killed.
	leaseLife = 10 * time.Minute
)

// Manifest describes the rows of one snapshot.
type Manifest struct {
	Format  int       `json:"format"`
	Taken   time.Time `json:"taken"`
	Schema  int       `json:"schema"`
	LastSeq int64     `json:"last_event"`
	Tables  []Table   `json:"tables"`
}

// Table is one dumped table.
type Table struct {
	Name   string `json:"name"`
	Rows   int64  `json:"rows"`
	SHA256 string `json:"sha256"` // of the compressed file
}

// Progress is told what a long task does: done of total things of a stage.
type Progress func(stage string, done, total int64)

func (p Progress) report(stage string, done, total int64) {
	if p != nil {
		p(stage, done, total)
	}
}

// Backup writes a snapshot into dir and copies what blobs are missing there, while the server goes on. It returns the
// snapshot's name.
func Backup(ctx context.Context, db *store.DB, blobs blob.Store, dir string, now time.Time, progress Progress) (name string, err error) {
	release, err := holdCollection(ctx, db, now)
	if err != nil {
		return "", err
	}
	defer release()
	if err := os.MkdirAll(filepath.Join(dir, snapshotsDir), 0o700); err != nil {
		return "", err
	}
	name = now.UTC().Format(snapshotStamp)
	tmp, err := os.MkdirTemp(filepath.Join(dir, snapshotsDir), ".unfinished-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	sums, err := writeSnapshot(ctx, db, tmp, now, progress)
	if err != nil {
		return "", err
	}
	target, err := blob.OpenDir(filepath.Join(dir, "blobs"))
	if err != nil {
		return "", err
	}
	defer func() { _ = target.Close() }()
	if err := copyBlobs(ctx, blobs, target, sums, progress); err != nil {
		return "", err
	}
	name, final := freeName(filepath.Join(dir, snapshotsDir), name)
	if err := os.Rename(tmp, final); err != nil { // a folder with files in it is never replaced
		return "", errs.New(errs.Conflict, "The snapshot %s cannot be put in place.", name).Because(err)
	}
	if err := syncDir(filepath.Dir(final)); err != nil {
		return "", err
	}
	return name, noteBackup(ctx, db, now)
}

// freeName numbers snapshots of one second; later ones sort after earlier ones.
func freeName(folder, stamp string) (name, path string) {
	name = stamp
	for n := 2; ; n++ {
		path = filepath.Join(folder, name)
		if _, err := os.Lstat(path); err != nil {
			return name, path
		}
		name = fmt.Sprintf("%s-%03d", stamp, n)
	}
}

// holdCollection keeps blobs from being collected while a backup copies them. The lease is renewed until release is called.
func holdCollection(ctx context.Context, db *store.DB, now time.Time) (release func(), err error) {
	name := "backup-" + rand.Text()
	renew := func(at time.Time) error {
		return db.InTx(ctx, func(tx *store.Tx) error {
			_, err := tx.Exec(ctx, `insert into blob_lease (name, expires_at) values ($1,$2)
				on conflict (name) do update set expires_at = excluded.expires_at`, name, clock.Millis(at.Add(leaseLife)))
			return err
		})
	}
	if err := renew(now); err != nil {
		return nil, err
	}
	renewing, stop := context.WithCancel(ctx)
	go func() {
		tick := time.NewTicker(leaseLife / 4)
		defer tick.Stop()
		for began := now; ; {
			select {
			case <-renewing.Done():
				return
			case <-tick.C:
				began = began.Add(leaseLife / 4)
				_ = renew(began) // the next renewal tries again; two may fail before the lease ends
			}
		}
	}()
	return func() {
		stop()
		_ = db.InTx(context.WithoutCancel(ctx), func(tx *store.Tx) error { // else it runs out by itself
			_, err := tx.Exec(context.WithoutCancel(ctx), "delete from blob_lease where name = $1", name)
			return err
		})
	}, nil
}

// writeSnapshot dumps every table as of one moment and returns the digests that its rows name.
func writeSnapshot(ctx context.Context, db *store.DB, dir string, now time.Time, progress Progress) (sums []string, err error) {
	state, err := db.Schema(ctx)
	if err != nil {
		return nil, err
	}
	m := Manifest{Format: 1, Taken: now.UTC(), Schema: state.Current}
	err = db.InSnapshot(ctx, func(q store.Querier) error {
		if m.LastSeq, err = events.Last(ctx, q); err != nil {
			return err
		}
		tables := store.Tables()
		for i, table := range tables {
			t, err := dumpTable(ctx, q, dir, table)
			if err != nil {
				return err
			}
			m.Tables = append(m.Tables, t)
			progress.report("tables", int64(i+1), int64(len(tables)))
		}
		sums, err = store.All(ctx, q, store.Value[string], "select sha256 from file union select sha256 from stage_part order by 1")
		return err
	})
	if err != nil {
		return nil, err
	}
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, err
	}
	return sums, writeSynced(filepath.Join(dir, manifestFile), func(w io.Writer) error { _, err := w.Write(b); return err })
}

func dumpTable(ctx context.Context, q store.Querier, dir, table string) (t Table, err error) {
	t.Name = table
	hash := sha256.New()
	err = writeSynced(filepath.Join(dir, table+".ndjson.gz"), func(w io.Writer) error {
		z := gzip.NewWriter(io.MultiWriter(w, hash))
		if t.Rows, err = store.Dump(ctx, q, table, z); err != nil {
			return err
		}
		return z.Close()
	})
	t.SHA256 = hex.EncodeToString(hash.Sum(nil))
	return t, err
}

func writeSynced(path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Sync(), f.Close())
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// copyBlobs copies the blobs that to does not have, and checks every byte on the way.
func copyBlobs(ctx context.Context, from, to blob.Store, sums []string, progress Progress) error {
	for i, sum := range sums {
		d, ok := digest.Parse(sum)
		if !ok {
			return errs.New(errs.Internal, "The digest %q is damaged.", sum)
		}
		if _, err := to.Stat(ctx, d); err != nil {
			if err := copyBlob(ctx, from, to, d); err != nil {
				return fmt.Errorf("blob %s: %w", sum, err)
			}
		}
		progress.report("blobs", int64(i+1), int64(len(sums)))
	}
	return nil
}

func copyBlob(ctx context.Context, from, to blob.Store, d digest.SHA256) error {
	r, err := from.Open(ctx, d)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	s, err := to.Stage(ctx, r, math.MaxInt64)
	if err != nil {
		return err
	}
	defer s.Discard()
	if s.Digests().SHA256 != d {
		return errs.New(errs.Internal, "The stored bytes are damaged: they have the digest %s.", s.Digests().SHA256).WithRule("backup/damaged").
			WithNext("Run `bonded fsck --deep` and restore the file from an older backup.")
	}
	return s.Commit(ctx)
}

const lastBackup = "backup.last"

func noteBackup(ctx context.Context, db *store.DB, now time.Time) error {
	return db.InTx(ctx, func(tx *store.Tx) error {
		if _, err := tx.Exec(ctx, `insert into instance (name, value) values ($1,$2) on conflict (name) do update set value = excluded.value`,
			lastBackup, now.UTC().Format(time.RFC3339)); err != nil {
			return err
		}
		_, err := events.Append(ctx, tx, now, events.Event{Kind: events.BackupTaken})
		return err
	})
}

// LastBackup returns when the last backup was completed; zero if never.
func LastBackup(ctx context.Context, db *store.DB) (time.Time, error) {
	v, err := store.One(ctx, db, store.Value[string], "select value from instance where name = $1", lastBackup)
	if errors.Is(err, store.ErrNoRows) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	return time.Parse(time.RFC3339, v)
}

// Snapshots lists the complete snapshots of a backup folder, oldest first.
func Snapshots(dir string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(dir, snapshotsDir))
	if err != nil {
		return nil, errs.New(errs.NotFound, "%s is not a backup: it has no snapshots.", dir).Because(err)
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}
