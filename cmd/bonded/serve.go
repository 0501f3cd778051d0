package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"bonded/internal/api"
	"bonded/internal/config"
	"bonded/internal/errs"
	"bonded/internal/events"
	"bonded/internal/metric"
	"bonded/internal/server"
	"bonded/internal/web"
)

func newServeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the repository",
		Long: `Serves every repository of the data folder (or database) until it is told to stop with SIGINT or SIGTERM; requests in
flight are finished first. A fresh data folder gets, for each ecosystem, a hosted repository "local" and a group "main".`,
		Example: `  bonded serve --data /var/lib/bonded
  bonded serve --database postgres://bonded@db/bonded --blobs 's3://packages?endpoint=s3.example.com' --url https://packages.example.com`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadSettings(cmd.Flags())
			if err != nil {
				return err
			}
			return serve(cmd.Context(), cfg, cmd)
		},
	}
	bindSettings(cmd, config.Common, config.Serve)
	return cmd
}

func serve(ctx context.Context, cfg *config.Config, cmd *cobra.Command) error {
	limitMemory(cfg)
	log := server.NewLogger(cmd.ErrOrStderr(), cfg.LogFormat, cfg.LogLevel)
	in, err := openInstance(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer func() { _ = in.close() }()
	srv, err := server.New(cfg, server.Options{
		Handler: in.handler(), Ready: in.checks(), Gauges: in.gauges(), Log: log, Guard: in.guard, Version: binaryVersion(),
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "Bonded serves %s\n", srv.URL())
	// Background work outlives the last request, so that what it acknowledged is counted and written.
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	var work sync.WaitGroup
	work.Go(func() { in.feed.Run(background) })
	work.Go(func() { in.usage.Run(background) })
	queue := in.newQueue()
	work.Go(func() { queue.Run(background) })
	work.Go(func() { in.reloadOnHangup(background, srv) })
	err = srv.Run(ctx)
	stop()
	work.Wait()
	return err
}

// reloadOnHangup reads the certificate files again at SIGHUP, as renewal scripts expect.
func (in *instance) reloadOnHangup(ctx context.Context, srv *server.Server) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			if err := srv.ReloadCertificates(); err != nil {
				in.log.Error("the certificate files cannot be read; the old certificate stays in use", "error", err)
			}
		}
	}
}

// handler answers everything but the health pages.
func (in *instance) handler() http.Handler {
	pages := web.New(in.house, web.Options{SecurityContact: in.cfg.SecurityContact})
	management := api.New(in.house, pages)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.EscapedPath()
		switch {
		case in.doors.Match(path):
			in.doors.ServeHTTP(w, r)
		case path == "/api" || strings.HasPrefix(path, "/api/"):
			management.ServeHTTP(w, r)
		default:
			pages.ServeHTTP(w, r)
		}
	})
}

func (in *instance) checks() []server.Check {
	return []server.Check{
		{Name: "database", Func: in.db.Ping},
		{Name: "blobs", Func: func(ctx context.Context) error {
			_, err := in.blobs.Stat(ctx, [32]byte{})
			if err == nil || errs.Is(err, errs.NotFound) { // the empty digest names nothing; an answer is enough
				return nil
			}
			return err
		}},
		{Name: "feed", Func: func(context.Context) error {
			if lag := in.feed.Lag(); lag > events.ServeWithoutStore {
				return errs.New(errs.Unavailable, "This node is %s behind the others.", lag.Round(1e9))
			}
			return nil
		}},
	}
}

func (in *instance) gauges() []server.Gauge {
	return append(in.workGauges(), []server.Gauge{
		{Name: metric.FeedLagSeconds, Value: func() float64 { return in.feed.Lag().Seconds() }},
		{Name: metric.DocumentCacheHits, Value: func() float64 { hits, _ := in.house.Documents.Stats(); return hits }},
		{Name: metric.DocumentCacheMisses, Value: func() float64 { _, misses := in.house.Documents.Stats(); return misses }},
		{Name: metric.DiskUsedRatio, Value: func() float64 { used, _ := diskUsed(in.cfg.Data); return used }},
	}...)
}
