package jobs_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bonded/internal/clock"
	"bonded/internal/jobs"
	"bonded/internal/store"
	"bonded/internal/store/storetest"
)

// shifted is the machine's clock, moved by a test.
type shifted struct{ by atomic.Int64 }

func (s *shifted) Now() time.Time { return time.Now().UTC().Add(time.Duration(s.by.Load())) }

func enqueue(t *testing.T, db *store.DB, c clock.Clock, all ...jobs.New) {
	t.Helper()
	err := db.InTx(t.Context(), func(tx *store.Tx) error {
		for _, n := range all {
			if err := jobs.Enqueue(t.Context(), tx, c.Now(), n); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// start runs a queue until the test ends.
func start(t *testing.T, q *jobs.Queue) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { q.Run(ctx) })
	t.Cleanup(func() { stop(); wg.Wait() })
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// settled waits until no job is live.
func settled(t *testing.T, db *store.DB) {
	t.Helper()
	for t.Context().Err() == nil {
		ready, err := jobs.List(t.Context(), db, jobs.Ready, 1)
		if err != nil {
			t.Fatal(err)
		}
		running, err := jobs.List(t.Context(), db, jobs.Running, 1)
		if err != nil {
			t.Fatal(err)
		}
		if len(ready)+len(running) == 0 {
			return
		}
	}
}

func TestJobExistsIfAndOnlyIfItsCauseDoes(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, db *store.DB) {
		boom := errors.New("boom")
		_ = db.InTx(t.Context(), func(tx *store.Tx) error {
			if err := jobs.Enqueue(t.Context(), tx, time.Now(), jobs.New{Kind: "x"}); err != nil {
				t.Error(err)
			}
			return boom
		})
		all, err := jobs.List(t.Context(), db, "", 10)
		if err != nil || len(all) != 0 {
			t.Fatalf("%d jobs after a rollback, %v", len(all), err)
		}
	})
}

func TestTwoNodesDoEveryJobOnce(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, db *store.DB) {
		var mu sync.Mutex
		seen := map[int64]int{}
		var all sync.WaitGroup
		all.Add(40)
		handler := func(_ context.Context, j jobs.Job) error {
			mu.Lock()
			defer mu.Unlock()
			seen[j.ID]++
			all.Done()
			return nil
		}
		work := make([]jobs.New, 40)
		for i := range work {
			work[i] = jobs.New{Kind: "x", Args: i}
		}
		enqueue(t, db, clock.System{}, work...)
		for range 2 {
			q := jobs.NewQueue(db, clock.System{}, quiet(), 3)
			q.Handle("x", handler)
			start(t, q)
		}
		all.Wait()
		settled(t, db)
		for id, n := range seen {
			if n != 1 {
				t.Errorf("job %d was done %d times", id, n)
			}
		}
	})
}

func TestFailureIsRetriedThenGivenUpAndCanBeRetriedByHand(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, db *store.DB) {
		c := &shifted{}
		tries := make(chan int, 10)
		q := jobs.NewQueue(db, c, quiet(), 1)
		q.Handle("x", func(_ context.Context, j jobs.Job) error {
			tries <- j.Attempt
			c.by.Add(int64(time.Hour)) // the back-off is over
			return errors.New("no luck")
		})
		enqueue(t, db, c, jobs.New{Kind: "x", MaxAttempts: 2})
		start(t, q)
		if a, b := <-tries, <-tries; a != 1 || b != 2 {
			t.Fatalf("attempts %d and %d", a, b)
		}
		settled(t, db)
		failed, err := jobs.List(t.Context(), db, jobs.Failed, 10)
		if err != nil || len(failed) != 1 || failed[0].LastError != "no luck" {
			t.Fatalf("failed: %+v, %v", failed, err)
		}
		if err := jobs.Retry(t.Context(), db, c.Now(), failed[0].ID); err != nil {
			t.Fatal(err)
		}
		q.Wake()
		if a := <-tries; a != 1 {
			t.Fatalf("after a retry by hand the attempt is %d", a)
		}
	})
}

func TestUniqueKeyLetsOneLiveJobHaveIt(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, db *store.DB) {
		enqueue(t, db, clock.System{}, jobs.New{Kind: "x", UniqueKey: "k"}, jobs.New{Kind: "x", UniqueKey: "k"}, jobs.New{Kind: "x"}, jobs.New{Kind: "x"})
		all, err := jobs.List(t.Context(), db, jobs.Ready, 10)
		if err != nil || len(all) != 3 {
			t.Fatalf("%d live jobs, %v; want one with the key and two without", len(all), err)
		}
	})
}

func TestCanceledJobIsNotDone(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, db *store.DB) {
		enqueue(t, db, clock.System{}, jobs.New{Kind: "x"})
		all, _ := jobs.List(t.Context(), db, jobs.Ready, 1)
		if err := jobs.Cancel(t.Context(), db, time.Now(), all[0].ID); err != nil {
			t.Fatal(err)
		}
		if err := jobs.Cancel(t.Context(), db, time.Now(), all[0].ID); err == nil {
			t.Fatal("a canceled job was canceled again")
		}
		d, err := jobs.Measure(t.Context(), db, time.Now())
		if err != nil || d.Ready != 0 {
			t.Fatalf("depth %+v, %v", d, err)
		}
	})
}

func TestPeriodicWorkIsEnqueuedByOneNodePerInterval(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, db *store.DB) {
		c := &shifted{}
		ran := make(chan struct{}, 10)
		for range 2 {
			q := jobs.NewQueue(db, c, quiet(), 1)
			q.Every("tick", time.Hour, func(context.Context, jobs.Job) error { ran <- struct{}{}; return nil })
			start(t, q)
		}
		<-ran
		settled(t, db)
		c.by.Add(int64(2 * time.Hour))
		<-ran
		settled(t, db)
		all, err := jobs.List(t.Context(), db, "", 10)
		if err != nil || len(all) != 2 {
			t.Fatalf("%d jobs for two intervals on two nodes, %v", len(all), err)
		}
	})
}

func TestJobOfALostNodeIsDoneByAnother(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, db *store.DB) {
		c := &shifted{}
		enqueue(t, db, c, jobs.New{Kind: "x"})
		err := db.InTx(t.Context(), func(tx *store.Tx) error { // a node claimed it and was killed
			_, err := tx.Exec(t.Context(), "update job set state = 'running', attempt = 1, lease_until = $1", clock.Millis(c.Now()))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		c.by.Add(int64(time.Minute))
		got := make(chan int, 1)
		q := jobs.NewQueue(db, c, quiet(), 1)
		q.Handle("x", func(_ context.Context, j jobs.Job) error { got <- j.Attempt; return nil })
		start(t, q)
		if a := <-got; a != 2 {
			t.Fatalf("attempt %d", a)
		}
	})
}
