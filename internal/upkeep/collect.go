package upkeep

import (
	"context"
	"errors"
	"time"

	"bonded/internal/blob"
	"bonded/internal/clock"
	"bonded/internal/digest"
	"bonded/internal/store"
)

// Grace is how long a blob that nothing refers to is kept: longer than any upload or backup takes.
const Grace = 24 * time.Hour

// Collected says what a collection did, or would do.
type Collected struct {
	Blobs int64
	Bytes int64
	// Adopted are blobs without a row, left by a crash between storing bytes and naming them; they get a row now and are
	// collected a day later.
	Adopted int64
	// Deferred is set when a backup is running: nothing is collected while it copies.
	Deferred bool
}

const unreferenced = `touched_at < $1
	and not exists (select 1 from file where file.sha256 = blob.sha256)
	and not exists (select 1 from stage_part where stage_part.sha256 = blob.sha256)`

// Collect removes blobs that no file and no stage refers to and nobody touched for the grace period. With dryRun it only
// counts.
func Collect(ctx context.Context, db *store.DB, blobs blob.Store, now time.Time, dryRun bool) (c Collected, err error) {
	leases, err := store.One(ctx, db, store.Value[int64], "select count(*) from blob_lease where expires_at > $1", clock.Millis(now))
	if err != nil {
		return c, err
	}
	if leases > 0 {
		c.Deferred = true
		return c, nil
	}
	if c.Adopted, err = adopt(ctx, db, blobs, now, dryRun); err != nil {
		return c, err
	}
	cutoff := clock.Millis(now.Add(-Grace))
	if dryRun {
		err = db.QueryRow(ctx, "select count(*), coalesce(cast(sum(size) as bigint), 0) from blob where "+unreferenced, cutoff).Scan(&c.Blobs, &c.Bytes)
		return c, err
	}
	for {
		candidates, err := store.All(ctx, db, store.Value[string], "select sha256 from blob where "+unreferenced+" order by sha256 limit 200", cutoff)
		if err != nil || len(candidates) == 0 {
			return c, err
		}
		for _, sum := range candidates {
			size, err := collectOne(ctx, db, blobs, sum, cutoff)
			if err != nil {
				return c, err
			}
			if size >= 0 {
				c.Blobs++
				c.Bytes += size
			}
		}
	}
}

// collectOne deletes the bytes while it holds the row: a publish of the same bytes waits for the row, and then finds the
// bytes missing instead of losing them (intake.stillThere). It returns -1 if the blob was wanted again.
func collectOne(ctx context.Context, db *store.DB, blobs blob.Store, sum string, cutoff int64) (size int64, err error) {
	d, ok := digest.Parse(sum)
	if !ok {
		return -1, errors.New("upkeep: a stored digest is damaged: " + sum)
	}
	err = db.InTx(ctx, func(tx *store.Tx) error {
		size = -1
		gone, err := store.All(ctx, tx, store.Value[int64], "delete from blob where sha256 = $2 and "+unreferenced+" returning size", cutoff, sum)
		if err != nil || len(gone) == 0 {
			return err
		}
		size = gone[0]
		return blobs.Delete(ctx, d)
	})
	return size, err
}

// adopt gives a row to bytes that have none.
func adopt(ctx context.Context, db *store.DB, blobs blob.Store, now time.Time, dryRun bool) (n int64, err error) {
	err = blobs.List(ctx, digest.SHA256{}, func(d digest.SHA256, size int64) error {
		known, err := store.One(ctx, db, store.Value[int64], "select count(*) from blob where sha256 = $1", d.String())
		if err != nil || known > 0 {
			return err
		}
		n++
		if dryRun {
			return nil
		}
		return db.InTx(ctx, func(tx *store.Tx) error {
			_, err := tx.Exec(ctx, "insert into blob (sha256, size, touched_at) values ($1,$2,$3) on conflict (sha256) do nothing", d.String(), size, clock.Millis(now))
			return err
		})
	})
	return n, err
}
