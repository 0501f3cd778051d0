// Package jobs is durable background work: enqueued in the transaction that causes it, retried with back-off, visible and
// cancellable. One small table serves both engines (docs/decisions/0003-jobs.md).
package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"bonded/internal/clock"
	"bonded/internal/errs"
	"bonded/internal/store"
)

// Kind names a sort of work. The strings are stored.
type Kind string

// State is where a job stands.
type State string

// The states of a job. Failed is final: every attempt was used up.
const (
	Ready    State = "ready"
	Running  State = "running"
	Done     State = "done"
	Failed   State = "failed"
	Canceled State = "canceled"
)

// Job is one piece of work.
type Job struct {
	ID          int64
	Kind        Kind
	Args        json.RawMessage
	State       State
	Attempt     int
	MaxAttempts int
	RunAt       time.Time
	LastError   string
	Progress    string
	Created     time.Time
}

// New describes a job to be done.
type New struct {
	Kind Kind
	// Args is marshalled to JSON; nil for none.
	Args any
	// After delays the first attempt.
	After time.Duration
	// UniqueKey lets at most one live job (ready or running) have it; enqueuing another is a no-op.
	UniqueKey string
	// Priority: lower runs first.
	Priority int
	// MaxAttempts is how often it is tried; 0 means 10.
	MaxAttempts int
}

// Enqueue adds a job in the caller's transaction: it exists if and only if what caused it does.
func Enqueue(ctx context.Context, tx *store.Tx, now time.Time, n New) error {
	args, err := json.Marshal(n.Args)
	if err != nil {
		return err
	}
	if n.MaxAttempts == 0 {
		n.MaxAttempts = 10
	}
	var key any
	if n.UniqueKey != "" {
		key = n.UniqueKey
	}
	_, err = tx.Exec(ctx, `insert into job (kind, args, state, priority, attempt, max_attempts, run_at, unique_key, last_error, progress, created_at)
		values ($1,$2,'ready',$3,0,$4,$5,$6,'','',$7)
		on conflict (unique_key) where state in ('ready', 'running') do nothing`,
		string(n.Kind), string(args), n.Priority, n.MaxAttempts, clock.Millis(now.Add(n.After)), key, clock.Millis(now))
	return err
}

const columns = "id, kind, args, state, attempt, max_attempts, run_at, last_error, progress, created_at"

func scan(s store.Scanner) (j Job, err error) {
	var args string
	var run, created int64
	err = s.Scan(&j.ID, &j.Kind, &args, &j.State, &j.Attempt, &j.MaxAttempts, &run, &j.LastError, &j.Progress, &created)
	j.Args, j.RunAt, j.Created = json.RawMessage(args), clock.FromMillis(run), clock.FromMillis(created)
	return j, err
}

// List returns the newest jobs, of one state or (with "") of all.
func List(ctx context.Context, db *store.DB, state State, limit int) ([]Job, error) {
	return store.All(ctx, db, scan, "select "+columns+" from job where (cast($1 as text) = '' or state = $1) order by id desc limit $2", string(state), limit)
}

// Cancel ends a job that waits; one that runs is told at its next heartbeat.
func Cancel(ctx context.Context, db *store.DB, now time.Time, id int64) error {
	return settle(ctx, db, id, "update job set state = 'canceled', finished_at = $2 where id = $1 and state in ('ready', 'running') returning id", clock.Millis(now))
}

// Retry makes a failed or canceled job ready again.
func Retry(ctx context.Context, db *store.DB, now time.Time, id int64) error {
	return settle(ctx, db, id, "update job set state = 'ready', attempt = 0, run_at = $2, finished_at = null where id = $1 and state in ('failed', 'canceled') returning id", clock.Millis(now))
}

func settle(ctx context.Context, db *store.DB, id int64, query string, at int64) error {
	return db.InTx(ctx, func(tx *store.Tx) error {
		_, err := store.One(ctx, tx, store.Value[int64], query, id, at)
		if errors.Is(err, store.ErrNoRows) {
			return errs.New(errs.NotFound, "Job %d is not in a state that allows this.", id).WithRule("jobs/state").WithNext("`bonded jobs list` shows where it stands.")
		}
		return err
	})
}

// Depth is how much work waits.
type Depth struct {
	Ready, Failed int64
	// Oldest is how long the oldest job that could run has been waiting.
	Oldest time.Duration
}

// Measure reads the depth at now.
func Measure(ctx context.Context, db *store.DB, now time.Time) (Depth, error) {
	var d Depth
	var oldest int64
	at := clock.Millis(now)
	err := db.QueryRow(ctx, `select
		coalesce(cast(sum(case when state = 'ready' and run_at <= $1 then 1 else 0 end) as bigint), 0),
		coalesce(cast(sum(case when state = 'failed' then 1 else 0 end) as bigint), 0),
		coalesce(min(case when state = 'ready' and run_at <= $1 then run_at end), $1)
		from job where state in ('ready', 'failed')`, at).Scan(&d.Ready, &d.Failed, &oldest)
	d.Oldest = time.Duration(at-oldest) * time.Millisecond
	return d, err
}
