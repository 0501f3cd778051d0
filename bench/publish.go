package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync/atomic"
	"time"

	"bonded/e2e/wire"
)

// publishClients is how many clients publish at once.
const publishClients = 8

// publishing is what one server did in one round.
type publishing struct {
	perSecond float64
	cpu       time.Duration // per publish
	p50, p99  time.Duration
}

// packages makes the requests that publish new packages of 20 kB, each of its own name, before the clock runs.
func packages(s *server, prefix string, from, n int) [][]byte {
	random := rand.New(rand.NewPCG(uint64(from), 7))
	out := make([][]byte, 0, n)
	for i := range n {
		r := wire.NPM{}.Make(wire.Name(prefix, from+i), "1.0.0", 20_000, random)
		out = append(out, s.to.put(s.prefix+r.Name, s.token, wire.NPM{}.PublishBody("http://"+s.to.addr, r)))
	}
	return out
}

// publishRate publishes new packages with several clients at once.
func publishRate(ctx context.Context, s *server, requests [][]byte, d time.Duration) (publishing, error) {
	var sent atomic.Int64
	l := load{to: s.to, status: "201", conns: publishClients, request: func(n int64) ([]byte, bool) {
		if n >= int64(len(requests)) {
			return nil, false
		}
		sent.Add(1)
		return requests[n], true
	}}
	before := s.cpu()
	out, err := l.run(ctx, d)
	if err != nil {
		return publishing{}, fmt.Errorf("publishing at %s: %w", s.name, err)
	}
	return publishing{
		perSecond: out.perSecond(), cpu: (s.cpu() - before) / time.Duration(max(out.requests, 1)), p50: out.percentile(0.5), p99: out.percentile(0.99),
	}, nil
}

// publishAll measures Bonded and the peer in turn, each with everything that its defaults make durable.
func publishAll(ctx context.Context, l *lab, peer *server, rounds int, each time.Duration) (map[string][]publishing, error) {
	data := filepath.Join(l.dir, "publish-data")
	token, err := l.account(ctx, data)
	if err != nil {
		return nil, err
	}
	s, _, err := l.startBonded(ctx, "bonded-publish", data)
	if err != nil {
		return nil, err
	}
	s.token, s.name = token, "bonded"
	servers := []*server{s}
	if peer != nil {
		servers = append(servers, peer)
	}
	all := map[string][]publishing{}
	most := int(each.Seconds() * 900)
	for round := range rounds {
		for _, s := range servers {
			took, err := publishRate(ctx, s, packages(s, "pub", round*most, most), each)
			if err != nil {
				return nil, err
			}
			all[s.name] = append(all[s.name], took)
		}
	}
	return all, nil
}
