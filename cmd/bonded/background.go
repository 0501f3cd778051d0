package main

import (
	"context"
	"math"
	"time"

	"bonded/internal/jobs"
	"bonded/internal/metric"
	"bonded/internal/server"
	"bonded/internal/upkeep"
)

// The kinds of periodic work.
const (
	kindCollect jobs.Kind = "storage.collect"
	kindRetain  jobs.Kind = "storage.retain"
	kindExpire  jobs.Kind = "stage.expire"
	kindIdle    jobs.Kind = "stage.close-idle"
	kindWatch   jobs.Kind = "operator.watch"
)

// newQueue names all background work.
func (in *instance) newQueue() *jobs.Queue {
	q := jobs.NewQueue(in.db, in.house.Clock, in.log, in.cfg.JobWorkers)
	q.Every(kindExpire, 10*time.Minute, func(ctx context.Context, _ jobs.Job) error {
		_, err := in.intake.ExpireStages(ctx)
		return err
	})
	if idle, ok := in.doors.Door("maven").(interface{ CloseIdle(context.Context) error }); ok {
		q.Every(kindIdle, time.Minute, func(ctx context.Context, _ jobs.Job) error { return idle.CloseIdle(ctx) })
	}
	q.Every(kindCollect, 6*time.Hour, func(ctx context.Context, _ jobs.Job) error {
		c, err := upkeep.Collect(ctx, in.db, in.blobs, in.house.Clock.Now(), false)
		if err == nil && c.Blobs > 0 {
			in.log.Info("collected blobs that nothing refers to", "blobs", c.Blobs, "bytes", c.Bytes)
		}
		return err
	})
	q.Every(kindRetain, 24*time.Hour, func(ctx context.Context, _ jobs.Job) error {
		gone, err := upkeep.Retain(ctx, in.registry, in.house.Clock.Now(), false)
		if len(gone) > 0 {
			in.log.Info("retention removed builds and pre-releases", "removals", len(gone))
		}
		return err
	})
	q.Every(kindWatch, time.Hour, func(ctx context.Context, _ jobs.Job) error { return in.watch(ctx) })
	return q
}

// watch logs what an operator without alerts should still read.
func (in *instance) watch(ctx context.Context) error {
	if used, err := diskUsed(in.cfg.Data); err == nil && used*100 >= float64(in.cfg.DiskWarn) {
		in.log.Warn("the disk is nearly full", "used_percent", math.Round(used*100), "refuses_publishes_at", in.cfg.DiskRefuse)
	}
	if in.cfg.BackupMaxAge <= 0 {
		return nil
	}
	last, err := upkeep.LastBackup(ctx, in.db)
	if err == nil && in.house.Clock.Now().Sub(last) > in.cfg.BackupMaxAge {
		in.log.Warn("the last backup is old", "taken", last, "allowed", in.cfg.BackupMaxAge)
	}
	return err
}

// workGauges measure background work and what it looks after.
func (in *instance) workGauges() []server.Gauge {
	depth := func(read func(jobs.Depth) float64) func() float64 {
		return func() float64 {
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
			defer cancel()
			d, err := jobs.Measure(ctx, in.db, in.house.Clock.Now())
			if err != nil {
				return math.NaN()
			}
			return read(d)
		}
	}
	return []server.Gauge{
		{Name: metric.JobsReady, Value: depth(func(d jobs.Depth) float64 { return float64(d.Ready) })},
		{Name: metric.JobsFailed, Value: depth(func(d jobs.Depth) float64 { return float64(d.Failed) })},
		{Name: metric.JobOldestSeconds, Value: depth(func(d jobs.Depth) float64 { return d.Oldest.Seconds() })},
		{Name: metric.BackupAgeSeconds, Value: func() float64 {
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
			defer cancel()
			last, err := upkeep.LastBackup(ctx, in.db)
			if err != nil || last.IsZero() {
				return math.Inf(1)
			}
			return in.house.Clock.Now().Sub(last).Seconds()
		}},
	}
}
