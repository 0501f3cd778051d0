package events

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"bonded/internal/clock"
	"bonded/internal/store"
)

// How a node follows the feed (design §6).
const (
	// PollEvery is how often a node asks for new events.
	PollEvery = 250 * time.Millisecond
	// StaleAfter is the lag beyond which a node no longer trusts its caches.
	StaleAfter = time.Second
	// ServeWithoutStore is how long a node that lost its database goes on serving what it has.
	ServeWithoutStore = 30 * time.Second
)

// Feed follows the events on one node and tells its subscribers, in number order, each event once.
type Feed struct {
	db    *store.DB
	clock clock.Clock
	log   *slog.Logger

	mu          sync.Mutex // held while a poll delivers; guards subscribers
	subscribers []func(Event)

	applied  atomic.Int64 // the last number delivered
	polledAt atomic.Int64 // unix ms of the last successful poll
}

// NewFeed starts a feed at the present: caches filled from now on are right, so nothing older needs delivering.
func NewFeed(ctx context.Context, db *store.DB, c clock.Clock, log *slog.Logger) (*Feed, error) {
	last, err := Last(ctx, db)
	if err != nil {
		return nil, err
	}
	f := &Feed{db: db, clock: c, log: log}
	f.applied.Store(last)
	f.polledAt.Store(clock.Millis(c.Now()))
	return f, nil
}

// Subscribe adds a listener. It is called under the feed's lock and must be quick; it must not call the feed.
func (f *Feed) Subscribe(listen func(Event)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.subscribers = append(f.subscribers, listen)
}

// Run polls until ctx ends.
func (f *Feed) Run(ctx context.Context) {
	tick := time.NewTicker(PollEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := f.poll(ctx); err != nil && ctx.Err() == nil {
				f.log.Warn("the event feed cannot be read", "error", err, "lag", f.Lag())
			}
		}
	}
}

// SyncTo delivers every event up to seq before it returns: what this node committed, it sees.
func (f *Feed) SyncTo(ctx context.Context, seq int64) error {
	if f.applied.Load() >= seq {
		return nil
	}
	return f.pollUntil(ctx, seq)
}

func (f *Feed) poll(ctx context.Context) error { return f.pollUntil(ctx, 0) }

func (f *Feed) pollUntil(ctx context.Context, seq int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if seq > 0 && f.applied.Load() >= seq {
		return nil
	}
	const batch = 500
	for {
		began := f.clock.Now()
		news, err := After(ctx, f.db, f.applied.Load(), batch)
		if err != nil {
			return err
		}
		for _, e := range news {
			for _, listen := range f.subscribers {
				listen(e)
			}
			f.applied.Store(e.Seq)
		}
		if len(news) < batch {
			f.polledAt.Store(clock.Millis(began))
			return nil
		}
	}
}

// Applied is the number of the last event delivered.
func (f *Feed) Applied() int64 { return f.applied.Load() }

// Lag is the time since this node was known to be at the present.
func (f *Feed) Lag() time.Duration {
	return time.Duration(clock.Millis(f.clock.Now())-f.polledAt.Load()) * time.Millisecond
}

// Fresh reports whether caches may be trusted.
func (f *Feed) Fresh() bool { return f.Lag() <= StaleAfter }
