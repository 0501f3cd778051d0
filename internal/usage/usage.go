// Package usage counts who fetched what: in memory on the hot path, in the database every few seconds.
package usage

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"bonded/internal/clock"
	"bonded/internal/store"
)

// FlushEvery is how often counts are written.
const FlushEvery = 5 * time.Second

// maxKeys bounds the counts kept in memory; beyond it the oldest wait is cut short by an early flush.
const maxKeys = 50_000

type key struct {
	file      int64
	day       int64
	principal string
}

// Counter batches download counts per file, day and principal.
type Counter struct {
	db    *store.DB
	clock clock.Clock
	log   *slog.Logger

	mu     sync.Mutex // guards counts; held for an increment only
	counts map[key]int64
	full   chan struct{}
}

// New makes a counter.
func New(db *store.DB, c clock.Clock, log *slog.Logger) *Counter {
	return &Counter{db: db, clock: c, log: log, counts: map[key]int64{}, full: make(chan struct{}, 1)}
}

// Downloaded counts one download of a file; principal is the account's pseudonym, "" for anonymous.
func (c *Counter) Downloaded(fileID int64, principal string) {
	k := key{fileID, c.clock.Now().Unix() / 86400, principal}
	c.mu.Lock()
	c.counts[k]++
	n := len(c.counts)
	c.mu.Unlock()
	if n == maxKeys {
		select {
		case c.full <- struct{}{}:
		default:
		}
	}
}

// Run writes counts until ctx ends, and once more then.
func (c *Counter) Run(ctx context.Context) {
	tick := time.NewTicker(FlushEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			c.flushLogged(last)
			return
		case <-tick.C:
		case <-c.full:
		}
		c.flushLogged(ctx)
	}
}

func (c *Counter) flushLogged(ctx context.Context) {
	if err := c.Flush(ctx); err != nil {
		c.log.Warn("download counts could not be written; they are kept for the next try", "error", err)
	}
}

// Flush writes what was counted so far.
func (c *Counter) Flush(ctx context.Context) error {
	c.mu.Lock()
	counts := c.counts
	c.counts = map[key]int64{}
	c.mu.Unlock()
	if len(counts) == 0 {
		return nil
	}
	err := c.db.InTx(ctx, func(tx *store.Tx) error {
		for k, n := range counts {
			if _, err := tx.Exec(ctx, `insert into download (file_id, day, principal, count) values ($1,$2,$3,$4)
				on conflict (file_id, day, principal) do update set count = download.count + excluded.count`, k.file, k.day, k.principal, n); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		if len(c.counts) > maxKeys { // a database that stays away must not fill the memory
			return err
		}
		for k, n := range counts {
			c.counts[k] += n
		}
	}
	return err
}

// Total is how often the files of a project were downloaded since the day given (days since 1970).
func Total(ctx context.Context, q store.Querier, projectID, sinceDay int64) (int64, error) {
	return store.One(ctx, q, store.Value[int64], `select coalesce(cast(sum(d.count) as bigint), 0) from download d join file f on f.id = d.file_id
		where f.project_id = $1 and d.day >= $2`, projectID, sinceDay)
}
