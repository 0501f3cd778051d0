package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"

	"bonded/internal/access"
	"bonded/internal/blob"
	"bonded/internal/clock"
	"bonded/internal/config"
	"bonded/internal/door"
	"bonded/internal/events"
	"bonded/internal/identity"
	"bonded/internal/intake"
	"bonded/internal/outbound"
	"bonded/internal/registry"
	"bonded/internal/store"
	"bonded/internal/usage"
)

// instance is an opened data folder or database with its rooms wired together: what serve runs and offline verbs work on.
type instance struct {
	cfg      *config.Config
	log      *slog.Logger
	guard    *outbound.Guard
	db       *store.DB
	blobs    blob.Store
	feed     *events.Feed
	registry *registry.Registry
	accounts *identity.Accounts
	gate     *access.Gate
	intake   *intake.Line
	usage    *usage.Counter
	house    *door.House
	doors    *door.Mux
}

// openInstance opens, migrates and wires everything.
func openInstance(ctx context.Context, cfg *config.Config, log *slog.Logger) (*instance, error) {
	in := &instance{cfg: cfg, log: log}
	if err := in.openStores(ctx); err != nil {
		return nil, errors.Join(err, in.close())
	}
	if _, err := in.db.Migrate(ctx, 0); err != nil {
		return nil, errors.Join(err, in.close())
	}
	if err := in.wire(ctx); err != nil {
		return nil, errors.Join(err, in.close())
	}
	return in, nil
}

// openStores opens database and blobs without touching the schema.
func (in *instance) openStores(ctx context.Context) (err error) {
	if in.guard, err = in.cfg.Guard(); err != nil {
		return err
	}
	o := store.Options{URL: in.cfg.DSN(), Dir: in.cfg.Data}
	if o.URL != "" && !strings.Contains(o.URL, "host=/") { // a socket in the file system does not leave the machine
		if o.Dial, err = in.guard.DialContext(config.DestinationDatabase); err != nil {
			return err
		}
	}
	if in.db, err = store.Open(ctx, o); err != nil {
		return err
	}
	in.blobs, err = openBlobs(in.cfg, in.guard)
	return err
}

func openBlobs(cfg *config.Config, guard *outbound.Guard) (blob.Store, error) {
	where := cfg.BlobsLocation()
	if !strings.HasPrefix(where, "s3://") {
		return blob.OpenDir(where)
	}
	s3, err := blob.ParseURL(where)
	if err != nil {
		return nil, err
	}
	s3.AccessKey, s3.SecretKey = cfg.S3AccessKey.Reveal(), cfg.S3SecretKey.Reveal()
	if s3.Transport, err = guard.Transport(config.DestinationBlobs); err != nil {
		return nil, err
	}
	return blob.OpenS3(s3)
}

func (in *instance) wire(ctx context.Context) (err error) {
	c := clock.System{}
	if in.feed, err = events.NewFeed(ctx, in.db, c, in.log); err != nil {
		return err
	}
	in.registry, err = registry.New(ctx, registry.Options{
		DB: in.db, Feed: in.feed, Blobs: in.blobs, Clock: c, Formats: formats(), CacheBytes: uint64(in.cfg.CacheProjects),
		Defaults: registry.Settings{KeepSnapshots: in.cfg.KeepSnapshots, KeepPrereleaseDays: int(in.cfg.KeepPrereleases.Hours() / 24)},
	})
	if err != nil {
		return err
	}
	in.accounts = identity.New(in.db, c)
	in.gate = access.NewGate(access.Options{DB: in.db, Feed: in.feed, Accounts: in.accounts, Clock: c, AnonymousRead: in.cfg.ReadAnonymously()})
	in.usage = usage.New(in.db, c, in.log)
	in.intake = intake.New(intake.Options{
		Registry: in.registry, Blobs: in.blobs, Gate: in.gate, Clock: c, Log: in.log, FileLimit: int64(in.cfg.MaxFileSize), StageLife: in.cfg.StageExpiry, Room: in.room,
	})
	in.house = &door.House{
		Registry: in.registry, Intake: in.intake, Gate: in.gate, Accounts: in.accounts, Blobs: in.blobs, Usage: in.usage,
		Documents: door.NewDocuments(uint64(in.cfg.CacheDocuments), c), Clock: c, Log: in.log,
		Redirect: in.cfg.BlobRedirect == "signed", PublicURLs: in.cfg.PublicURLs(),
	}
	in.doors = door.NewMux(in.house, doors(in.house)...)
	return in.registry.Bootstrap(ctx)
}

func (in *instance) close() error {
	var all []error
	if in.blobs != nil {
		all = append(all, in.blobs.Close())
	}
	if in.db != nil {
		all = append(all, in.db.Close())
	}
	return errors.Join(all...)
}

// newLogger makes the process's logger on standard error.
func quietLogger() *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
}
