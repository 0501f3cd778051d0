//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"

	"bonded/e2e/wire"
)

// ledger remembers what was sent to a server and what the server acknowledged.
type ledger struct {
	mu      sync.Mutex
	entries []*ledgerEntry // guarded by mu, as the entries' acknowledged is
}

type ledgerEntry struct {
	protocol     wire.Protocol
	release      wire.Release
	acknowledged bool
}

func (e *ledgerEntry) String() string {
	return fmt.Sprintf("%s %s %s", e.protocol.Ecosystem(), e.release.Name, e.release.Version)
}

func (l *ledger) note(p wire.Protocol, r wire.Release) *ledgerEntry {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := &ledgerEntry{protocol: p, release: r}
	l.entries = append(l.entries, e)
	return e
}

// send publishes an entry once. Anything but success from a server that answers is an error; a server that dies is not.
func (l *ledger) send(ctx context.Context, c *wire.Client, e *ledgerEntry) error {
	a, err := e.protocol.Publish(ctx, c, e.release)
	switch {
	case err != nil:
		return nil //nolint:nilerr // the connection broke: nobody knows what became of it
	case a.OK():
		l.mu.Lock()
		e.acknowledged = true
		l.mu.Unlock()
		return nil
	case a.Status >= http.StatusInternalServerError:
		return nil // refused for now, as a server that goes down may
	default:
		return fmt.Errorf("%v was refused: %d %s", e, a.Status, a.Body)
	}
}

func (l *ledger) done(e *ledgerEntry) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return e.acknowledged
}

// count returns how many entries there are and how many of them were acknowledged, by ecosystem.
func (l *ledger) count() (all int, acknowledged map[string]int) {
	acknowledged = map[string]int{}
	for _, e := range l.entries {
		if e.acknowledged {
			acknowledged[e.protocol.Ecosystem()]++
		}
	}
	return len(l.entries), acknowledged
}

// audit reads everything back: each acknowledged release is listed, and whatever is listed, acknowledged or not, can be
// downloaded and is byte for byte what was sent and what the document promises.
func (l *ledger) audit(t *testing.T, c *wire.Client) {
	t.Helper()
	type project struct{ ecosystem, name string }
	sent := map[project]map[string]*ledgerEntry{}
	protocols := map[string]wire.Protocol{}
	for _, e := range l.entries {
		k := project{e.protocol.Ecosystem(), e.release.Name}
		if sent[k] == nil {
			sent[k] = map[string]*ledgerEntry{}
		}
		sent[k][e.release.Version] = e
		protocols[k.ecosystem] = e.protocol
	}
	for k, releases := range sent {
		listed, err := protocols[k.ecosystem].List(t.Context(), c, k.name)
		if err != nil {
			t.Errorf("%s %s: %v", k.ecosystem, k.name, err)
			continue
		}
		there := map[string]bool{}
		for _, v := range listed {
			there[v.Version] = true
			if e := releases[v.Version]; e == nil {
				t.Errorf("%s %s lists version %s, which nobody sent", k.ecosystem, k.name, v.Version)
			} else if err := auditFile(t.Context(), c, e, v); err != nil {
				t.Errorf("%v is listed, but %v", e, err)
			}
		}
		for version, e := range releases {
			if e.acknowledged && !there[version] {
				t.Errorf("%v was acknowledged and is not listed", e)
			}
		}
	}
}

func auditFile(ctx context.Context, c *wire.Client, e *ledgerEntry, v wire.Listed) error {
	a, err := c.Get(ctx, v.URL, "")
	switch {
	case err != nil:
		return err
	case a.Status != http.StatusOK:
		return fmt.Errorf("GET %s answers %d: %s", v.URL, a.Status, a.Body)
	case !bytes.Equal(a.Body, e.release.Bytes):
		return fmt.Errorf("GET %s answers other bytes than were sent", v.URL)
	case !strings.EqualFold(wire.Sum(v.Algorithm, a.Body), v.Digest):
		return fmt.Errorf("its document promises the %s %s", v.Algorithm, v.Digest)
	}
	return nil
}

// publishing generates releases for one protocol, some of them of projects that exist.
type publishing struct {
	protocol wire.Protocol
	random   *rand.Rand
	prefix   string
	made     map[string]int // releases by project
	names    []string
}

func (p *publishing) next() wire.Release {
	var name string
	if len(p.names) == 0 || p.random.IntN(3) > 0 {
		name = wire.Name(p.prefix, len(p.names))
		p.names = append(p.names, name)
	} else {
		name = p.names[p.random.IntN(len(p.names))]
	}
	p.made[name]++
	return p.protocol.Make(name, fmt.Sprintf("1.%d.0", p.made[name]), 200+p.random.IntN(20_000), p.random)
}
