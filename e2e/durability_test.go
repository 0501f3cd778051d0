//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"bonded/e2e/wire"
)

// TestDurability watches, by its system calls, a server through whose doors releases are published, and shows from them
// what killing a process cannot show, because the kernel keeps what a killed process wrote: that each answer of success
// comes after the syncs which it promises, and that a loss of power at any moment loses nothing that was acknowledged.
func TestDurability(t *testing.T) {
	seed := seed(t)
	n := newNode(t)
	n.tracer = newTracer(t)
	c := n.client("alice")
	n.start()
	book := publishSome(t, c, seed)
	n.stop()
	calls, serving := n.tracer.calls()
	answers := answersIn(calls)
	for _, e := range book.entries {
		if answers[requestID(e)] == 0 {
			t.Fatalf("the answer to %v is not in the trace", e)
		}
	}
	t.Run("blob, directory and WAL are synced before each answer", func(t *testing.T) {
		for _, e := range book.entries {
			if err := syncedBefore(calls, n.data, e.release.Bytes, answers[requestID(e)]); err != nil {
				t.Errorf("%v: %v", e, err)
			}
		}
	})
	t.Run("a power cut loses nothing acknowledged", func(t *testing.T) {
		cutPower(t, n, c, calls, serving, book, answers, seed)
	})
}

// perDoor is how many releases are published through each door: enough for the WAL to be written back into the database
// under way.
const perDoor = 30

// publishSome publishes through three doors at once; every answer is a success.
func publishSome(t *testing.T, c *wire.Client, seed uint64) *ledger {
	t.Helper()
	book := &ledger{}
	var doors sync.WaitGroup
	for _, protocol := range []wire.Protocol{wire.NPM{}, wire.Cargo{}, wire.PyPI{}} {
		p := &publishing{protocol: protocol, random: randomFor(seed, protocol.Ecosystem()), prefix: "power", made: map[string]int{}}
		doors.Go(func() {
			for range perDoor {
				e := book.note(protocol, p.next())
				named := *c
				named.Header = http.Header{"X-Request-Id": {requestID(e)}}
				if err := book.send(t.Context(), &named, e); err != nil || !book.done(e) {
					t.Errorf("%v was not acknowledged: %v", e, err)
				}
			}
		})
	}
	doors.Wait()
	return book
}

// requestID names a publish, in its answer as well.
func requestID(e *ledgerEntry) string {
	return "publish-" + e.protocol.Ecosystem() + "-" + e.release.Name + "-" + e.release.Version
}

// answersIn finds, by request id, the line at which the first byte of each successful answer may have left.
func answersIn(calls []call) map[string]int {
	at := map[string]int{}
	for _, c := range calls {
		if c.name != "write" {
			continue
		}
		if !strings.HasPrefix(c.data, "HTTP/1.1 20") {
			continue
		}
		_, rest, _ := strings.Cut(c.data, "X-Request-Id: ")
		id, _, _ := strings.Cut(rest, "\r\n")
		at[id] = c.entry
	}
	return at
}

// syncedBefore looks for the four steps in their order: the bytes are synced in staging, linked to their name, the name's
// folder is synced, and the WAL is synced after it was given the row.
func syncedBefore(calls []call, data string, release []byte, answer int) error {
	sum := wire.Sum("sha256", release)
	name := filepath.Join(data, "blobs", "sha256", sum[:2], sum[2:4], sum)
	link := slices.IndexFunc(calls, func(c call) bool { return c.name == "linkat" && c.at(3) == name })
	if link < 0 {
		return fmt.Errorf("no blob was linked to %s", name)
	}
	staged := calls[link].at(1)
	var written, synced, named, rowed, logged int
	wal := filepath.Join(data, "bonded.db-wal")
	for _, c := range calls {
		isSync := c.name == "fsync" || c.name == "fdatasync"
		switch {
		case c.exit > answer:
		case c.on == staged && c.name == "write":
			written = c.exit
		case c.on == staged && isSync && written != 0 && c.entry > written && c.exit < calls[link].entry:
			synced = c.exit
		case c.on == filepath.Dir(name) && isSync && c.entry > calls[link].exit:
			named = c.exit
		case c.on == wal && c.name == "pwrite64" && rowed == 0 && strings.Contains(c.data, sum):
			rowed = c.exit
		case c.on == wal && isSync && rowed != 0 && c.entry > rowed && logged == 0:
			logged = c.exit
		}
	}
	switch {
	case synced == 0:
		return fmt.Errorf("the bytes in %s were not synced before they were named", staged)
	case named == 0:
		return fmt.Errorf("the folder of %s was not synced before the answer", name)
	case rowed == 0 || logged == 0:
		return fmt.Errorf("the WAL was not synced between the row (line %d) and the answer (line %d)", rowed, answer)
	}
	return nil
}

// powerCuts is how often the power fails: in turn at the very moment of an answer and at any moment, and in turn with the
// loss of everything that was not synced and of a part of it.
const powerCuts = 24

func cutPower(t *testing.T, n *node, c *wire.Client, calls []call, serving int, book *ledger, answers map[string]int, seed uint64) {
	random := randomFor(seed, "power")
	last := calls[len(calls)-1].exit
	var moments []int
	for i := range powerCuts {
		if i%2 == 0 {
			moments = append(moments, answers[requestID(book.entries[random.IntN(len(book.entries))])])
		} else {
			moments = append(moments, serving+random.IntN(last-serving))
		}
	}
	slices.Sort(moments)
	disk := newVolume(filepath.Dir(n.data))
	next := 0
	for i, moment := range moments {
		for ; next < len(calls) && calls[next].exit < moment; next++ {
			if err := disk.apply(calls[next]); err != nil {
				t.Fatalf("the model of the disk does not know %v", err)
			}
		}
		after := newNode(t)
		chance := random
		if i%4 < 2 {
			chance = nil
		}
		if err := disk.cut(filepath.Dir(after.data), chance); err != nil {
			t.Fatal(err)
		}
		acknowledged := &ledger{}
		for _, e := range book.entries {
			then := *e
			then.acknowledged = answers[requestID(e)] <= moment
			acknowledged.entries = append(acknowledged.entries, &then)
		}
		comesBack(t, after, c, acknowledged)
		if t.Failed() {
			_, by := acknowledged.count()
			t.Fatalf("after a power cut at line %d of %d (lost: everything unsynced: %v), with %v acknowledged", moment, last, chance == nil, by)
		}
	}
}

// comesBack starts a server on what a power cut left, and reads back and publishes.
func comesBack(t *testing.T, n *node, was *wire.Client, book *ledger) {
	t.Helper()
	cleanAfterCrash(t, n)
	n.start()
	c := &wire.Client{Base: "http://" + n.addr, Token: was.Token, HTTP: was.HTTP}
	book.audit(t, c)
	for _, e := range book.entries {
		if e.acknowledged {
			continue
		}
		if err := book.send(t.Context(), c, e); err != nil || !e.acknowledged {
			t.Errorf("%v cannot be published after the power cut: %v", e, err)
		}
		break // one shows that the token and the locks are well
	}
	n.stop()
}

// TestVolumeLosesWhatWasNotSynced holds the model of the disk to its own promise, since a model that keeps too much would
// let every test above pass.
func TestVolumeLosesWhatWasNotSynced(t *testing.T) {
	quoted := func(s string) string {
		var b bytes.Buffer
		for _, c := range []byte(s) {
			fmt.Fprintf(&b, `\x%02x`, c)
		}
		return `"` + b.String() + `"`
	}
	create := call{name: "open", args: []string{quoted("/v/a"), "O_RDWR|O_CREAT"}}
	write := call{name: "pwrite64", on: "/v/a", data: "bytes", args: []string{"", "", "5", "0"}}
	syncFile, syncFolder := call{name: "fsync", on: "/v/a"}, call{name: "fsync", on: "/v"}
	for _, test := range []struct {
		name  string
		calls []call
		want  string // "-" for no file
	}{
		{"nothing synced", []call{create, write}, "-"},
		{"bytes synced, name not", []call{create, write, syncFile}, "-"},
		{"name synced, bytes not", []call{create, write, syncFolder}, ""},
		{"written after the sync", []call{create, syncFile, syncFolder, write}, ""},
		{"both synced", []call{create, write, syncFile, syncFolder}, "bytes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := newVolume("/v")
			for i, c := range test.calls {
				c.entry, c.exit = 2*i+1, 2*i+2
				if err := v.apply(c); err != nil {
					t.Fatal(err)
				}
			}
			if got := v.top.kept("a"); got != test.want {
				t.Errorf("the disk holds %q, not %q", got, test.want)
			}
		})
	}
}

// kept is the durable content of a name, "-" if the name is not durable.
func (f *inode) kept(name string) string {
	if e := f.disk.entries[name]; e != nil {
		return string(e.disk.bytes)
	}
	return "-"
}
