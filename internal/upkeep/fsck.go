package upkeep

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bonded/internal/blob"
	"bonded/internal/clock"
	"bonded/internal/digest"
	"bonded/internal/errs"
	"bonded/internal/store"
)

// Problem is a place where rows, blobs and events disagree.
type Problem struct {
	// Rule names the check, such as "fsck/blob-missing".
	Rule string `json:"rule"`
	What string `json:"what"`
	// Repaired is set when it was put right.
	Repaired bool `json:"repaired"`
	// Harmless things are reported and are no disagreement: nothing is lost and nothing has to be done.
	Harmless bool `json:"harmless,omitempty"`
	// Next says what a person can do where repair is not safe.
	Next string `json:"next,omitempty"`
}

// CheckOptions say how thorough a check is.
type CheckOptions struct {
	// Deep reads and hashes every blob instead of comparing sizes.
	Deep bool
	// Repair puts right what cannot lose anything.
	Repair bool
	// Progress is told how many of the blobs were looked at; may be nil.
	Progress func(done, total int64)
}

// checker is one run.
type checker struct {
	db       *store.DB
	blobs    blob.Store
	now      time.Time
	o        CheckOptions
	problems []Problem
}

// Check compares every row with its blob, every blob with its row, and the events with both.
func Check(ctx context.Context, db *store.DB, blobs blob.Store, now time.Time, o CheckOptions) ([]Problem, error) {
	c := &checker{db: db, blobs: blobs, now: now, o: o}
	for _, check := range []func(context.Context) error{c.references, c.stored, c.unknown, c.tags, c.events, c.counters} {
		if err := check(ctx); err != nil {
			return c.problems, err
		}
	}
	return c.problems, nil
}

func (c *checker) found(p Problem) { c.problems = append(c.problems, p) }

// repair runs a statement that puts a problem right, if asked to.
func (c *checker) repair(ctx context.Context, query string, args ...any) (bool, error) {
	if !c.o.Repair {
		return false, nil
	}
	err := c.db.InTx(ctx, func(tx *store.Tx) error { _, err := tx.Exec(ctx, query, args...); return err })
	return err == nil, err
}

// references: every file and stage part names a blob that has a row of the same size.
func (c *checker) references(ctx context.Context) error {
	type ref struct {
		path, sum string
		size      int64
	}
	refs, err := store.All(ctx, c.db, func(s store.Scanner) (r ref, err error) { return r, s.Scan(&r.path, &r.sum, &r.size) },
		`select f.path, f.sha256, f.size from file f left join blob b on b.sha256 = f.sha256 where b.sha256 is null or b.size <> f.size
		union all
		select p.path, p.sha256, p.size from stage_part p left join blob b on b.sha256 = p.sha256 where b.sha256 is null or b.size <> p.size`)
	if err != nil {
		return err
	}
	for _, r := range refs {
		done, err := c.repair(ctx, `insert into blob (sha256, size, touched_at) values ($1,$2,$3)
			on conflict (sha256) do update set size = excluded.size`, r.sum, r.size, clock.Millis(c.now))
		if err != nil {
			return err
		}
		c.found(Problem{Rule: "fsck/blob-row", What: fmt.Sprintf("%s has no blob row of its size", r.path), Repaired: done})
	}
	return nil
}

// stored: the bytes of every referenced blob are there, whole, and (deep) right.
func (c *checker) stored(ctx context.Context) error {
	const referenced = `from blob b where exists (select 1 from file f where f.sha256 = b.sha256)
		or exists (select 1 from stage_part p where p.sha256 = b.sha256)`
	total, err := store.One(ctx, c.db, store.Value[int64], "select count(*) "+referenced)
	if err != nil {
		return err
	}
	type row struct {
		sum  string
		size int64
	}
	done, after := int64(0), ""
	for {
		page, err := store.All(ctx, c.db, func(s store.Scanner) (r row, err error) { return r, s.Scan(&r.sum, &r.size) },
			"select sha256, size from (select b.sha256, b.size "+referenced+") x where sha256 > $1 order by sha256 limit 1000", after)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, r := range page {
			if err := c.storedOne(ctx, r.sum, r.size); err != nil {
				return err
			}
			done++
			if c.o.Progress != nil {
				c.o.Progress(done, total)
			}
		}
		after = page[len(page)-1].sum
	}
}

func (c *checker) storedOne(ctx context.Context, sum string, size int64) error {
	d, ok := digest.Parse(sum)
	if !ok {
		c.found(Problem{Rule: "fsck/digest", What: "a stored digest is damaged: " + sum, Next: "Restore from a backup."})
		return nil
	}
	got, err := c.blobs.Stat(ctx, d)
	switch {
	case errs.Is(err, errs.NotFound):
		c.found(Problem{
			Rule: "fsck/blob-missing", What: fmt.Sprintf("the bytes of %s (%s) are missing", sum, c.usedBy(ctx, sum)),
			Next: "Restore the blob from a backup; `bonded restore --blobs-only` copies what is missing.",
		})
	case err != nil:
		return err
	case got != size:
		c.found(Problem{
			Rule: "fsck/blob-size", What: fmt.Sprintf("%s (%s) has %d bytes instead of %d", sum, c.usedBy(ctx, sum), got, size),
			Next: "Restore the blob from a backup.",
		})
	case c.o.Deep:
		if err := blob.Verify(ctx, c.blobs, d); err != nil {
			c.found(Problem{
				Rule: "fsck/blob-damaged", What: fmt.Sprintf("%s (%s) does not have the bytes it is named after", sum, c.usedBy(ctx, sum)),
				Next: "Restore the blob from a backup.",
			})
		}
	}
	return nil
}

func (c *checker) usedBy(ctx context.Context, sum string) string {
	paths, err := store.All(ctx, c.db, store.Value[string], "select path from file where sha256 = $1 order by path limit 1", sum)
	if err != nil || len(paths) == 0 {
		return "of a stage"
	}
	return paths[0]
}

// unknown: every blob in the store has a row; bytes without one are a crash's leftovers, kept a day for their owner.
func (c *checker) unknown(ctx context.Context) error {
	n, err := adopt(ctx, c.db, c.blobs, c.now, !c.o.Repair)
	if err == nil && n > 0 {
		c.found(Problem{
			Rule: "fsck/blob-unknown", Harmless: true,
			What: fmt.Sprintf("%d blobs belong to no row (uploads that a crash cut off or that lost a race)", n), Repaired: c.o.Repair,
			Next: "They are collected a day after they are first seen.",
		})
	}
	return err
}

// tags: every tag points to a release that exists.
func (c *checker) tags(ctx context.Context) error {
	const dangling = "not exists (select 1 from release r where r.project_id = tag.project_id and r.uniq = tag.uniq)"
	n, err := store.One(ctx, c.db, store.Value[int64], "select count(*) from tag where "+dangling)
	if err != nil || n == 0 {
		return err
	}
	done, err := c.repair(ctx, "delete from tag where "+dangling)
	c.found(Problem{Rule: "fsck/tag", What: fmt.Sprintf("%d tags point to releases that do not exist", n), Repaired: done})
	return err
}

// events: each release that stands was published by an event, and no number is missing.
func (c *checker) events(ctx context.Context) error {
	silent, err := store.All(ctx, c.db, store.Value[string], `select p.norm || ' ' || r.version from release r join project p on p.id = r.project_id
		where not exists (select 1 from event e where e.kind = 'release.published' and e.repository_id = p.repository_id
			and e.project = p.norm and e.version = r.uniq) limit 100`)
	if err != nil {
		return err
	}
	for _, s := range silent {
		c.found(Problem{Rule: "fsck/event-missing", What: s + " was never announced by an event", Next: "Report this; it cannot happen in one transaction."})
	}
	var count, low, high int64
	if err := c.db.QueryRow(ctx, "select count(*), coalesce(min(seq), 1), coalesce(max(seq), 0) from event").Scan(&count, &low, &high); err != nil {
		return err
	}
	if count != high-low+1 {
		c.found(Problem{Rule: "fsck/event-gap", What: fmt.Sprintf("%d events are missing between %d and %d", high-low+1-count, low, high), Next: "Report this."})
	}
	return nil
}

// counters: no event has a number that the feed has not given out, and no project a revision beyond it.
func (c *checker) counters(ctx context.Context) error {
	var counter, event, project int64
	err := c.db.QueryRow(ctx, `select (select seq from event_counter where id = 1), (select coalesce(max(seq), 0) from event),
		(select coalesce(max(revision), 0) from project)`).Scan(&counter, &event, &project)
	if errors.Is(err, store.ErrNoRows) {
		return nil
	}
	if err != nil || (event <= counter && project <= counter) {
		return err
	}
	done, err := c.repair(ctx, "update event_counter set seq = $1 where id = 1", max(event, project))
	c.found(Problem{Rule: "fsck/event-counter", What: fmt.Sprintf("the feed stands at %d, behind its own events", counter), Repaired: done})
	return err
}
