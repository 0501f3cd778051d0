package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"bonded/internal/clock"
	"bonded/internal/store"
)

const (
	// leaseFor is how long a claimed job stays claimed without a heartbeat.
	leaseFor = time.Minute
	// pollEvery is how often an idle queue looks for work that another node or a delay made ready.
	pollEvery = time.Second
	// keepDone is how long finished jobs stay visible.
	keepDone = 7 * 24 * time.Hour
)

// Handler does one job. An error is retried with back-off until the attempts are used up.
type Handler func(ctx context.Context, j Job) error

// Queue runs jobs on one node.
type Queue struct {
	db       *store.DB
	clock    clock.Clock
	log      *slog.Logger
	workers  int
	handlers map[Kind]Handler
	periodic []periodic
	wake     chan struct{}
}

type periodic struct {
	kind  Kind
	every time.Duration
}

// NewQueue makes a queue that runs up to workers jobs at once.
func NewQueue(db *store.DB, c clock.Clock, log *slog.Logger, workers int) *Queue {
	return &Queue{db: db, clock: c, log: log, workers: max(workers, 1), handlers: map[Kind]Handler{}, wake: make(chan struct{}, 1)}
}

// Handle says who does a kind. All kinds are named before Run.
func (q *Queue) Handle(kind Kind, h Handler) { q.handlers[kind] = h }

// Every has a kind done once per interval, on one node at a time.
func (q *Queue) Every(kind Kind, interval time.Duration, h Handler) {
	q.Handle(kind, h)
	q.periodic = append(q.periodic, periodic{kind, interval})
}

// Wake makes the queue look for work at once; give it to store.Tx.AfterCommit where a job was enqueued.
func (q *Queue) Wake() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// Run works until ctx ends, and returns when the jobs it was doing have stopped. Those go back to the queue.
func (q *Queue) Run(ctx context.Context) {
	var work sync.WaitGroup
	defer work.Wait()
	slots := make(chan struct{}, q.workers)
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		q.attend(ctx)
		for ctx.Err() == nil {
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				return
			}
			j, ok, err := q.claim(ctx)
			if err != nil || !ok {
				<-slots
				if err != nil && ctx.Err() == nil {
					q.log.Warn("jobs cannot be claimed", "error", err)
				}
				break
			}
			work.Go(func() {
				defer func() { <-slots; q.Wake() }()
				q.do(ctx, j)
			})
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-q.wake:
		}
	}
}

// attend does the queue's own housekeeping: periodic kinds that are due, leases that ran out, old finished jobs.
func (q *Queue) attend(ctx context.Context) {
	now := q.clock.Now()
	for _, p := range q.periodic {
		if err := q.enqueueDue(ctx, p, now); err != nil && ctx.Err() == nil {
			q.log.Warn("a periodic job cannot be enqueued", "kind", p.kind, "error", err)
		}
	}
	err := q.db.InTx(ctx, func(tx *store.Tx) error {
		if _, err := tx.Exec(ctx, `update job set state = case when attempt >= max_attempts then 'failed' else 'ready' end,
			last_error = 'the node that ran it went away', lease_until = null where state = 'running' and lease_until < $1`, clock.Millis(now)); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "delete from job where state in ('done', 'canceled') and finished_at < $1", clock.Millis(now.Add(-keepDone)))
		return err
	})
	if err != nil && ctx.Err() == nil {
		q.log.Warn("the job table cannot be tended", "error", err)
	}
}

// enqueueDue lets the one node that moves the slot's mark enqueue the job, in the same transaction.
func (q *Queue) enqueueDue(ctx context.Context, p periodic, now time.Time) error {
	name := "every:" + string(p.kind)
	due, err := store.All(ctx, q.db, store.Value[int64], "select expires_at from lease where name = $1", name)
	if err != nil || (len(due) > 0 && due[0] > clock.Millis(now)) {
		return err
	}
	return q.db.InTx(ctx, func(tx *store.Tx) error {
		n, err := tx.Exec(ctx, `insert into lease (name, holder, fence, expires_at) values ($1,'',1,$2)
			on conflict (name) do update set fence = lease.fence + 1, expires_at = excluded.expires_at where lease.expires_at <= $3`,
			name, clock.Millis(now.Add(p.every)), clock.Millis(now))
		if err != nil || n == 0 {
			return err
		}
		return Enqueue(ctx, tx, now, New{Kind: p.kind, UniqueKey: name, MaxAttempts: 3})
	})
}

// claim takes the next job that this node can do.
func (q *Queue) claim(ctx context.Context) (Job, bool, error) {
	now := q.clock.Now()
	ready, err := store.All(ctx, q.db, store.Value[int64], "select id from job where state = 'ready' and run_at <= $1 order by priority, run_at, id limit 1", clock.Millis(now))
	if err != nil || len(ready) == 0 { // an idle queue takes no write lock
		return Job{}, false, err
	}
	var got []Job
	err = q.db.InTx(ctx, func(tx *store.Tx) error {
		got, err = store.All(ctx, tx, scan, `update job set state = 'running', attempt = attempt + 1, lease_until = $1
			where id in (select id from job where state = 'ready' and run_at <= $2 order by priority, run_at, id limit 1`+tx.Dialect().SkipLocked()+`)
			returning `+columns, clock.Millis(now.Add(leaseFor)), clock.Millis(now))
		return err
	})
	if err != nil || len(got) == 0 {
		return Job{}, false, err
	}
	return got[0], true, nil
}

var errCanceled = errors.New("canceled")

func (q *Queue) do(ctx context.Context, j Job) {
	h := q.handlers[j.Kind]
	run, cancel := context.WithCancelCause(ctx)
	var beat sync.WaitGroup
	beat.Go(func() { q.heartbeat(run, j, cancel) })
	err := fmt.Errorf("this binary does not know the kind %q", j.Kind)
	if h != nil {
		err = safely(run, h, j)
	}
	if cause := context.Cause(run); errors.Is(cause, errCanceled) {
		err = cause
	}
	cancel(nil)
	beat.Wait()
	q.finish(context.WithoutCancel(ctx), ctx.Err() != nil, j, err)
}

func safely(ctx context.Context, h Handler, j Job) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return h(ctx, j)
}

// heartbeat keeps the lease, and ends the work when the job was canceled.
func (q *Queue) heartbeat(ctx context.Context, j Job, cancel context.CancelCauseFunc) {
	tick := time.NewTicker(leaseFor / 12)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		var n int64
		err := q.db.InTx(ctx, func(tx *store.Tx) (err error) {
			n, err = tx.Exec(ctx, "update job set lease_until = $1 where id = $2 and state = 'running' and attempt = $3",
				clock.Millis(q.clock.Now().Add(leaseFor)), j.ID, j.Attempt)
			return err
		})
		if err == nil && n == 0 {
			cancel(errCanceled)
			return
		}
	}
}

// finish records how an attempt ended; the attempt's number fences off a worker that lost its lease.
func (q *Queue) finish(ctx context.Context, stopping bool, j Job, err error) {
	if errors.Is(err, errCanceled) {
		return
	}
	now := q.clock.Now()
	query, args := "update job set state = 'done', finished_at = $1, last_error = '', lease_until = null where id = $2 and state = 'running' and attempt = $3",
		[]any{clock.Millis(now), j.ID, j.Attempt}
	switch {
	case err == nil:
	case stopping: // the process ends; this attempt does not count
		query = "update job set state = 'ready', attempt = attempt - 1, run_at = $1, lease_until = null where id = $2 and state = 'running' and attempt = $3"
	case j.Attempt >= j.MaxAttempts:
		q.log.Error("a job failed for good", "job", j.ID, "kind", j.Kind, "attempts", j.Attempt, "error", err)
		query = "update job set state = 'failed', finished_at = $1, last_error = $4, lease_until = null where id = $2 and state = 'running' and attempt = $3"
		args = append(args, err.Error())
	default:
		q.log.Warn("a job failed and will be tried again", "job", j.ID, "kind", j.Kind, "attempt", j.Attempt, "error", err)
		query = "update job set state = 'ready', run_at = $1, last_error = $4, lease_until = null where id = $2 and state = 'running' and attempt = $3"
		args = append(args, err.Error())
		args[0] = clock.Millis(now.Add(backoff(j.Attempt)))
	}
	if err := q.db.InTx(ctx, func(tx *store.Tx) error { _, err := tx.Exec(ctx, query, args...); return err }); err != nil {
		q.log.Warn("a job's end could not be recorded; its lease will run out", "job", j.ID, "error", err)
	}
}

// backoff grows from about two seconds to about an hour, with jitter so that many failures do not return together.
func backoff(attempt int) time.Duration {
	d := min(time.Second<<min(attempt, 12), time.Hour)
	return d/2 + rand.N(d/2+1) //nolint:gosec // jitter
}

// SetProgress shows how far a running job is, in words.
func SetProgress(ctx context.Context, db *store.DB, j Job, words string) error {
	return db.InTx(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, "update job set progress = $1 where id = $2 and state = 'running' and attempt = $3", words, j.ID, j.Attempt)
		return err
	})
}
