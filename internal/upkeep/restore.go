package upkeep

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"bonded/internal/blob"
	"bonded/internal/errs"
	"bonded/internal/store"
)

// Restore loads a snapshot of a backup folder into an empty database and copies its blobs, checking every byte. The
// engine may be another than the one that was backed up. name "" means the newest snapshot.
func Restore(ctx context.Context, db *store.DB, blobs blob.Store, dir, name string, progress Progress) (string, error) {
	folder, m, err := openSnapshot(dir, name)
	if err != nil {
		return "", err
	}
	if err := mustBeEmpty(ctx, db); err != nil {
		return "", err
	}
	// Tables are loaded as they were dumped, then brought forward.
	if _, err := db.Migrate(ctx, m.Schema); err != nil {
		return "", err
	}
	sums, err := loadTables(ctx, db, folder, m, progress)
	if err != nil {
		return "", err
	}
	if _, err := db.Migrate(ctx, 0); err != nil {
		return "", err
	}
	return filepath.Base(folder), restoreBlobs(ctx, blobs, dir, sums, progress)
}

// RestoreBlobs copies from a backup the blobs that the database names and the store lacks.
func RestoreBlobs(ctx context.Context, db *store.DB, blobs blob.Store, dir string, progress Progress) error {
	sums, err := store.All(ctx, db, store.Value[string], "select sha256 from file union select sha256 from stage_part order by 1")
	if err != nil {
		return err
	}
	return restoreBlobs(ctx, blobs, dir, sums, progress)
}

func restoreBlobs(ctx context.Context, blobs blob.Store, dir string, sums []string, progress Progress) error {
	source, err := blob.OpenDir(filepath.Join(dir, "blobs"))
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }()
	return copyBlobs(ctx, source, blobs, sums, progress)
}

func openSnapshot(dir, name string) (folder string, m Manifest, err error) {
	names, err := Snapshots(dir)
	if err != nil {
		return "", m, err
	}
	if name == "" && len(names) > 0 {
		name = names[len(names)-1]
	}
	if !slices.Contains(names, name) {
		return "", m, errs.New(errs.NotFound, "The backup %s has no snapshot %q.", dir, name).WithRule("restore/snapshot")
	}
	folder = filepath.Join(dir, snapshotsDir, name)
	b, err := os.ReadFile(filepath.Join(folder, manifestFile))
	if err != nil {
		return "", m, err
	}
	if err := json.Unmarshal(b, &m); err != nil || m.Format != 1 {
		return "", m, errs.New(errs.Invalid, "The manifest of snapshot %s cannot be read.", name).WithRule("restore/manifest").Because(err)
	}
	all, err := store.Migrations()
	if err == nil && m.Schema > len(all) {
		err = errs.New(errs.Conflict, "The snapshot has schema %d; this binary knows %d.", m.Schema, len(all)).WithRule("restore/newer-schema").
			WithNext("Restore with the release of bonded that made it, or a newer one.")
	}
	return folder, m, err
}

func mustBeEmpty(ctx context.Context, db *store.DB) error {
	st, err := db.Schema(ctx)
	if err != nil || st.Current == 0 {
		return err
	}
	n, err := store.One(ctx, db, store.Value[int64], "select (select count(*) from repository) + (select count(*) from account)")
	if err != nil || n == 0 {
		return err
	}
	return errs.New(errs.Conflict, "The target is not empty, and a restore never overwrites.").WithRule("restore/not-empty").
		WithNext("Give an empty --data folder or database.")
}

func loadTables(ctx context.Context, db *store.DB, folder string, m Manifest, progress Progress) (sums []string, err error) {
	err = db.InTx(ctx, func(tx *store.Tx) error {
		for i, t := range m.Tables {
			if !slices.Contains(store.Tables(), t.Name) {
				return errs.New(errs.Invalid, "The snapshot names an unknown table %q.", t.Name).WithRule("restore/manifest")
			}
			if err := loadTable(ctx, tx, folder, t); err != nil {
				return err
			}
			progress.report("tables", int64(i+1), int64(len(m.Tables)))
		}
		sums, err = store.All(ctx, tx, store.Value[string], "select sha256 from file union select sha256 from stage_part order by 1")
		return err
	})
	return sums, err
}

// loadTable checks the file against the manifest before a row of it is believed.
func loadTable(ctx context.Context, tx *store.Tx, folder string, t Table) error {
	f, err := os.Open(filepath.Join(folder, t.Name+".ndjson.gz"))
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	hash := sha256.New()
	if _, err := io.Copy(hash, f); err != nil {
		return err
	}
	want, err := hex.DecodeString(t.SHA256)
	if err != nil || !bytes.Equal(hash.Sum(nil), want) {
		return errs.New(errs.Invalid, "The dump of table %s is damaged.", t.Name).WithRule("restore/damaged").WithNext("Restore another snapshot.")
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	z, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	n, err := store.Load(ctx, tx, t.Name, z)
	if err == nil && n != t.Rows {
		return fmt.Errorf("table %s: %d rows, the manifest says %d", t.Name, n, t.Rows)
	}
	return err
}
