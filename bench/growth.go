package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"bonded/e2e/wire"
	"bonded/internal/store"
)

const (
	releasesEach = 10
	growthRounds = 3
	// samples is how many cold and hot reads a percentile is taken from.
	samples = 1000
)

// size is what an instance with so many projects showed.
type size struct {
	projects         int
	startUp          time.Duration
	cold, hot        time.Duration // 99th percentiles of a package document
	coldP50, hotP50  time.Duration
	published        []publishing
	resident, atMost int64 // bytes
	database         int64
}

// growth measures the same instance at three sizes. Its releases are copies, made with SQL, of one that was published.
func growth(ctx context.Context, o options, l *lab, w io.Writer) error {
	var all []size
	for text := range strings.SplitSeq(o.sizes, ",") {
		n, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("-sizes: %w", err)
		}
		s, err := measureSize(ctx, l, n, o.each)
		if err != nil {
			return fmt.Errorf("%d projects: %w", n, err)
		}
		all = append(all, *s)
	}
	reportMachine(w, growthRounds, o.each)
	reportGrowth(w, all)
	return nil
}

func measureSize(ctx context.Context, l *lab, projects int, each time.Duration) (*size, error) {
	data := filepath.Join(l.dir, fmt.Sprintf("growth-%d", projects))
	token, err := l.account(ctx, data)
	if err != nil {
		return nil, err
	}
	s, _, err := l.startBonded(ctx, "growth", data)
	if err != nil {
		return nil, err
	}
	s.token = token
	random := rand.New(rand.NewPCG(3, 4))
	if err := publishOne(ctx, s, wire.NPM{}, wire.NPM{}.Make("template", "1.0.0", 300, random)); err != nil {
		return nil, err
	}
	s.stop()
	began := time.Now()
	if err := multiply(ctx, data, projects); err != nil {
		return nil, err
	}
	fmt.Fprintf(os.Stderr, "%d projects made in %v\n", projects, time.Since(began).Round(time.Second))
	out := &size{projects: projects}
	if info, err := os.Stat(filepath.Join(data, "bonded.db")); err == nil {
		out.database = info.Size()
	}
	if err := out.read(ctx, l, data); err != nil {
		return nil, err
	}
	return out, out.publish(ctx, l, data, token, each)
}

// multiply copies the published release to the given number of projects with ten releases each.
func multiply(ctx context.Context, data string, projects int) error {
	db, err := store.Open(ctx, store.Options{Dir: data})
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	for _, step := range []struct {
		query string
		args  []any
	}{
		{query: `create temp table number as with recursive n(i) as (select 1 union all select i + 1 from n where i < $1) select i from n`, args: []any{projects}},
		{query: `create temp table version as with recursive k(i) as (select 1 union all select i + 1 from k where i < $1) select i, '2.' || i || '.0' as v from k`, args: []any{releasesEach}},
		{query: `insert into project (repository_id, norm, display, lookalike, status, status_reason, summary, keywords, latest, state, legal_hold, revision, created_at, updated_at)
			select p.repository_id, 'grow' || n.i, 'grow' || n.i, 'grow' || n.i, p.status, '', p.summary, p.keywords, '2.10.0', p.state, false,
				p.revision, p.created_at, p.updated_at from project p, number n where p.norm = 'template'`},
		{query: `insert into release (project_id, uniq, version, prerelease, moving, record, manifest, mark, yanked, yank_reason, verdict, verdict_rule, verdict_reason,
				verdict_until, published_at, published_by)
			select p.id, k.v, k.v, false, false, cast(replace(replace(cast(r.record as text), 'template', p.norm), '1.0.0', k.v) as blob),
				replace(replace(r.manifest, 'template', p.norm), '1.0.0', k.v), r.mark, false, '', r.verdict, '', '', null, r.published_at + k.i, r.published_by
			from project p, version k, release r where p.norm like 'grow%' and r.project_id = (select id from project where norm = 'template')`},
		{query: `insert into file (repository_id, project_id, release_id, path, kind, size, sha256, sha1, md5, sha512, blake2b, detail, uploaded_at)
			select p.repository_id, p.id, r.id, replace(replace(f.path, 'template', p.norm), '1.0.0', r.version), f.kind, f.size, f.sha256, f.sha1, f.md5, f.sha512,
				f.blake2b, f.detail, f.uploaded_at
			from release r join project p on p.id = r.project_id, file f where p.norm like 'grow%' and f.project_id = (select id from project where norm = 'template')`},
		{query: `insert into tag (project_id, name, uniq, updated_at) select id, 'latest', '2.10.0', updated_at from project where norm like 'grow%'`},
		{query: `insert into project_owner (project_id, account_id, since) select p.id, a.id, p.created_at from project p, account a where p.norm like 'grow%'`},
		{query: `insert into event (seq, at, kind, repository_id, project, version, actor, payload)
			select (select seq from event_counter) + row_number() over (order by r.id), r.published_at, 'release.published', p.repository_id, p.norm, r.uniq, 'bench', '{}'
			from release r join project p on p.id = r.project_id where p.norm like 'grow%'`},
		{query: `update event_counter set seq = (select max(seq) from event)`},
		{query: `drop table number`},
		{query: `drop table version`},
	} {
		err := db.InTx(ctx, func(tx *store.Tx) error { _, err := tx.Exec(ctx, step.query, step.args...); return err })
		if err != nil {
			return fmt.Errorf("%.60s…: %w", step.query, err)
		}
	}
	return nil
}

// read measures start-up, and documents that Bonded has not and has in memory. The file system's cache is warm: that is the
// kernel's, not ours.
func (z *size) read(ctx context.Context, l *lab, data string) error {
	var ups, cold, hot []time.Duration
	random := rand.New(rand.NewPCG(5, uint64(z.projects)))
	for len(cold) < samples || len(ups) < growthRounds {
		s, up, err := l.startBonded(ctx, "growth", data)
		if err != nil {
			return err
		}
		ups = append(ups, up)
		c, err := dial(ctx, s.to)
		if err != nil {
			return err
		}
		if err := c.exchange(s.to.get(s.prefix+"template", full), "200"); err != nil {
			return err
		}
		picked := random.Perm(z.projects)[:min(z.projects, samples/growthRounds+1)]
		for _, into := range []*[]time.Duration{&cold, &hot} {
			for _, i := range picked {
				began := time.Now()
				if err := c.exchange(s.to.get(fmt.Sprintf("%sgrow%d", s.prefix, i+1), full), "200"); err != nil {
					return err
				}
				*into = append(*into, time.Since(began))
			}
		}
		_ = c.Close()
		z.resident = max(z.resident, s.resident())
		s.stop()
	}
	for _, all := range []*[]time.Duration{&ups, &cold, &hot} {
		slices.Sort(*all)
	}
	o := func(all []time.Duration) outcome { return outcome{latencies: all} }
	z.startUp = ups[len(ups)/2]
	z.cold, z.coldP50, z.hot, z.hotP50 = o(cold).percentile(0.99), o(cold).percentile(0.5), o(hot).percentile(0.99), o(hot).percentile(0.5)
	return nil
}

// publish measures publishing into the grown instance, and its memory after all its documents, or as many as fit its
// caches many times over, were read.
func (z *size) publish(ctx context.Context, l *lab, data, token string, each time.Duration) error {
	s, _, err := l.startBonded(ctx, "growth", data)
	if err != nil {
		return err
	}
	s.token = token
	syscall.Sync() // or the disk is still busy with what made the instance large
	for round := range growthRounds {
		most := int(each.Seconds() * 900)
		p, err := publishRate(ctx, s, packages(s, "pub", round*most, most), each)
		if err != nil {
			return err
		}
		z.published = append(z.published, p)
	}
	reads := min(z.projects, 40_000)
	step := z.projects / reads
	all := load{to: s.to, status: "200", conns: 8, request: func(n int64) ([]byte, bool) {
		return s.to.get(fmt.Sprintf("%sgrow%d", s.prefix, int(n)*step+1), full), n < int64(reads)
	}}
	if _, err := all.run(ctx, 10*time.Minute); err != nil {
		return err
	}
	z.atMost = max(s.resident(), z.resident)
	s.stop()
	return nil
}

func reportGrowth(w io.Writer, all []size) {
	fmt.Fprint(w, "| projects (releases) | database | start-up ms | cold document p50, p99 ms | hot document p50, p99 ms | publishes/s, CPU ms | memory after reading all |\n|---|---|---|---|---|---|---|\n")
	for _, z := range all {
		fmt.Fprintf(w, "| %d (%d) | %.1f MB | %s | %s, %s | %s, %s | %.0f, %s | %.0f MB |\n", z.projects, z.projects*releasesEach, float64(z.database)/1e6,
			millis(z.startUp), millis(z.coldP50), millis(z.cold), millis(z.hotP50), millis(z.hot), z.rate(), millis(median(z.published, func(p publishing) time.Duration { return p.cpu })), float64(z.atMost)/1e6)
	}
	first, last := all[0], all[len(all)-1]
	flat := func(what string, times float64) {
		fmt.Fprintf(w, "- %s: %.1f × from %d to %d projects (%s)\n", what, times, first.projects, last.projects, verdict(times, 2))
	}
	fmt.Fprintln(w)
	flat("start-up", ratio(last.startUp, first.startUp))
	flat("cold p99", ratio(last.cold, first.cold))
	flat("hot p99", ratio(last.hot, first.hot))
	flat("time per publish", first.rate()/last.rate())
	flat("memory", float64(last.atMost)/float64(first.atMost))
	fmt.Fprintf(w, "- memory at the largest: %.0f MB (< 300 MB: %s)\n", float64(last.atMost)/1e6, met(last.atMost < 300_000_000))
}

func (z size) rate() float64 {
	return median(z.published, func(p publishing) float64 { return p.perSecond })
}
