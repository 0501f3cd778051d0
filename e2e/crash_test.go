//go:build e2e

package e2e

import (
	"context"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"bonded/e2e/wire"
	"bonded/internal/store/storetest"
)

// TestCrash publishes through three doors at once while the server is killed again and again, and then reads everything
// back: what was acknowledged is there, and nothing is there by half. BONDED_TEST_CRASHTIME is how long it goes on,
// BONDED_TEST_SEED repeats a run's choices.
func TestCrash(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		crash(t, newNode(t))
	})
	t.Run("postgresql", func(t *testing.T) {
		t.Parallel()
		crash(t, newNode(t, "--database", storetest.PostgresURL(t)))
	})
}

func crashTime(t *testing.T) time.Duration {
	t.Helper()
	if text := os.Getenv("BONDED_TEST_CRASHTIME"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatalf("BONDED_TEST_CRASHTIME: %v", err)
		}
		return d
	}
	if testing.Short() {
		return 10 * time.Second
	}
	return time.Minute
}

// seed returns the run's seed and prints how to repeat it.
func seed(t *testing.T) uint64 {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("BONDED_TEST_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("BONDED_TEST_SEED: %v", err)
		}
	}
	t.Logf("BONDED_TEST_SEED=%d repeats these choices", seed)
	return seed
}

// randomFor derives an independent stream of choices from the seed.
func randomFor(seed uint64, who string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(who))
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}

func crash(t *testing.T, n *node) {
	seed := seed(t)
	n.start()
	c := n.client("alice")
	ctx, stop := context.WithTimeout(t.Context(), crashTime(t))
	defer stop()
	var book ledger
	var publishers sync.WaitGroup
	for _, protocol := range []wire.Protocol{wire.NPM{}, wire.Cargo{}, wire.PyPI{}} {
		for worker := range 2 {
			prefix := "crash" + letter(worker)
			p := &publishing{protocol: protocol, random: randomFor(seed, protocol.Ecosystem()+prefix), prefix: prefix, made: map[string]int{}}
			publishers.Go(func() { publishUntil(ctx, t, n, c, &book, p) })
		}
	}
	kills := killUntil(ctx, n, randomFor(seed, "killer"))
	publishers.Wait()
	all, acknowledged := book.count()
	t.Logf("%d kills; %d publishes, acknowledged: %v", kills, all, acknowledged)
	for _, ecosystem := range []string{"npm", "cargo", "pypi"} {
		if acknowledged[ecosystem] == 0 {
			t.Errorf("no publish through the %s door was acknowledged: the test shows nothing of it", ecosystem)
		}
	}
	cleanAfterCrash(t, n)
	n.start()
	book.audit(t, c)
	for _, e := range book.entries {
		if !e.acknowledged {
			if err := book.send(t.Context(), c, e); err != nil || !e.acknowledged {
				t.Errorf("%v was cut off by a crash, and a retry does not succeed: %v", e, err)
			}
		}
	}
	book.audit(t, c)
	n.stop()
	cleanAfterCrash(t, n)
}

func letter(n int) string { return string("abc"[n]) }

// publishUntil publishes one release after the other. Half of those that a crash cut off are sent again at once, as a
// client does; the others stay open to the end.
func publishUntil(ctx context.Context, t *testing.T, n *node, c *wire.Client, book *ledger, p *publishing) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.ready():
		}
		e := book.note(p.protocol, p.next())
		for again := true; again; again = !book.done(e) && p.random.IntN(2) == 0 && ctx.Err() == nil {
			// Not cancelled with ctx: a publish that is on its way is finished, so that its outcome is known.
			if err := book.send(context.WithoutCancel(ctx), c, e); err != nil {
				t.Error(err)
				return
			}
			if book.done(e) {
				break
			}
			select {
			case <-ctx.Done():
			case <-n.ready():
			}
		}
	}
}

// killUntil kills the server at random moments and starts it again; at the end it is killed in the midst of publishing.
func killUntil(ctx context.Context, n *node, random *rand.Rand) (kills int) {
	for {
		select {
		case <-ctx.Done():
			n.kill()
			return kills + 1
		case <-time.After(time.Duration(20+random.IntN(1500)) * time.Millisecond):
		}
		n.kill()
		kills++
		n.start()
	}
}

// cleanAfterCrash runs fsck, which exits with 0 if rows, blobs and events agree. It may note blobs of uploads that were cut
// off, which belong to nothing and are collected a day later.
func cleanAfterCrash(t *testing.T, n *node) {
	t.Helper()
	if out, ok := n.bonded(true, "fsck", "--deep"); !ok {
		t.Errorf("bonded fsck after the crash:\n%s", out)
	}
}
