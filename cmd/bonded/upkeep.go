package main

import (
	"context"
	"fmt"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"bonded/internal/config"
	"bonded/internal/errs"
	"bonded/internal/jobs"
	"bonded/internal/registry"
	"bonded/internal/store"
	"bonded/internal/upkeep"
)

func newFsckCommand() *cobra.Command {
	var deep, repair, asJSON bool
	cmd := &cobra.Command{
		Use: "fsck", Short: "Check that rows, blobs and events agree",
		Long: `Compares every row with its blob, every blob with its row, and the events with both, and exits 1 if anything is wrong that was
not repaired. --repair puts right what cannot lose anything; --deep reads and hashes every blob. A server may be running.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withInstance(cmd, func(ctx context.Context, in *instance) error {
				bar := progressOn(cmd.ErrOrStderr())
				o := upkeep.CheckOptions{Deep: deep, Repair: repair}
				if bar != nil {
					o.Progress = func(done, total int64) { bar("blobs", done, total) }
				}
				problems, err := upkeep.Check(ctx, in.db, in.blobs, time.Now(), o)
				if err != nil {
					return err
				}
				return reportProblems(cmd, problems, asJSON)
			})
		},
	}
	cmd.Flags().BoolVar(&deep, "deep", false, "read and hash every blob")
	cmd.Flags().BoolVar(&repair, "repair", false, "put right what is safe")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	bindSettings(cmd, config.Common)
	return cmd
}

func reportProblems(cmd *cobra.Command, problems []upkeep.Problem, asJSON bool) error {
	found, repaired := 0, 0
	for _, p := range problems {
		switch {
		case p.Harmless:
		case p.Repaired:
			repaired++
			found++
		default:
			found++
		}
	}
	if asJSON {
		if problems == nil {
			problems = []upkeep.Problem{}
		}
		if err := writeJSON(cmd.OutOrStdout(), problems); err != nil {
			return err
		}
	} else {
		for _, p := range problems {
			fmt.Fprintf(cmd.OutOrStdout(), "%-8s %s: %s. %s\n", stateOf(p), p.Rule, p.What, p.Next)
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%d problems, %d repaired.\n", found, repaired)
	}
	if found > repaired {
		return exitStatus(exitFailure)
	}
	return nil
}

func stateOf(p upkeep.Problem) string {
	switch {
	case p.Harmless:
		return "NOTE"
	case p.Repaired:
		return "REPAIRED"
	default:
		return "FOUND"
	}
}

func newBackupCommand() *cobra.Command {
	var to string
	cmd := &cobra.Command{
		Use: "backup --to FOLDER", Short: "Back up while the server runs",
		Long: `Writes a snapshot of all rows into FOLDER and copies the blobs that FOLDER lacks, checking every byte. Run again, it adds a
snapshot and the new blobs. A backup can be restored onto SQLite or PostgreSQL, whichever it came from.`,
		Example: "  bonded backup --data /var/lib/bonded --to /backup/bonded",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withInstance(cmd, func(ctx context.Context, in *instance) error {
				name, err := upkeep.Backup(ctx, in.db, in.blobs, to, time.Now(), progressOn(cmd.ErrOrStderr()))
				if err != nil {
					return err
				}
				fmt.Fprintln(cmd.OutOrStdout(), name)
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "the backup folder (required)")
	_ = cmd.MarkFlagRequired("to")
	bindSettings(cmd, config.Common)
	return cmd
}

func newRestoreCommand() *cobra.Command {
	var from, snapshot string
	var blobsOnly bool
	cmd := &cobra.Command{
		Use: "restore --from FOLDER", Short: "Restore a backup into an empty data folder or database",
		Long: `Loads a snapshot (the newest unless --snapshot names one) into an empty data folder or database, copies its blobs, and checks
that everything agrees. With --blobs-only it copies into a living instance the blobs that it lacks.`,
		Example: "  bonded restore --from /backup/bonded --data /var/lib/bonded-new",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadSettings(cmd.Flags())
			if err != nil {
				return err
			}
			in := &instance{cfg: cfg, log: quietLogger()}
			defer func() { _ = in.close() }()
			if err := in.openStores(cmd.Context()); err != nil {
				return err
			}
			return restore(cmd, in, from, snapshot, blobsOnly)
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "the backup folder (required)")
	cmd.Flags().StringVar(&snapshot, "snapshot", "", "the snapshot's name instead of the newest")
	cmd.Flags().BoolVar(&blobsOnly, "blobs-only", false, "only copy missing blobs")
	_ = cmd.MarkFlagRequired("from")
	bindSettings(cmd, config.Common)
	return cmd
}

func restore(cmd *cobra.Command, in *instance, from, snapshot string, blobsOnly bool) error {
	ctx, bar := cmd.Context(), progressOn(cmd.ErrOrStderr())
	if blobsOnly {
		return upkeep.RestoreBlobs(ctx, in.db, in.blobs, from, bar)
	}
	name, err := upkeep.Restore(ctx, in.db, in.blobs, from, snapshot, bar)
	if err != nil {
		return err
	}
	problems, err := upkeep.Check(ctx, in.db, in.blobs, time.Now(), upkeep.CheckOptions{})
	if err != nil {
		return err
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "Restored snapshot %s.\n", name)
	return reportProblems(cmd, problems, false)
}

func newMigrateCommand() *cobra.Command {
	var status bool
	cmd := &cobra.Command{
		Use: "migrate", Short: "Bring the database's schema to this binary's",
		Long: `Applies the migrations that are missing; serve and every other verb do so too. Migrations go forwards only, and the previous
minor release keeps running beside the new schema. A binary refuses a schema that a newer one has moved beyond its reach.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadSettings(cmd.Flags())
			if err != nil {
				return err
			}
			in := &instance{cfg: cfg, log: quietLogger()}
			defer func() { _ = in.close() }()
			if err := in.openStores(cmd.Context()); err != nil {
				return err
			}
			if !status {
				if _, err := in.db.Migrate(cmd.Context(), 0); err != nil {
					return err
				}
			}
			st, err := in.db.Schema(cmd.Context())
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "schema %d of %d, %d pending\n", st.Current, st.Known, len(st.Pending))
			return nil
		},
	}
	cmd.Flags().BoolVar(&status, "status", false, "only say where the schema stands")
	bindSettings(cmd, config.Common)
	return cmd
}

func newStorageCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "storage", Short: "Collect blobs, apply retention, see growth",
		Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newCollectCommand(), newRetainCommand(), newGrowthCommand())
	return cmd
}

func newCollectCommand() *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use: "collect", Short: "Remove blobs that nothing refers to for 24 hours", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withInstance(cmd, func(ctx context.Context, in *instance) error {
				c, err := upkeep.Collect(ctx, in.db, in.blobs, time.Now(), dryRun)
				if err != nil {
					return err
				}
				if c.Deferred {
					fmt.Fprintln(cmd.OutOrStdout(), "A backup is running; nothing was collected.")
					return nil
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%d blobs, %d bytes; %d unknown blobs noted for later.\n", c.Blobs, c.Bytes, c.Adopted)
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only count")
	bindSettings(cmd, config.Common)
	return cmd
}

func newRetainCommand() *cobra.Command {
	var dryRun, asJSON bool
	cmd := &cobra.Command{
		Use: "retain", Short: "Remove old builds and pre-releases as the repositories' settings say",
		Long: `Removes whole builds of moving versions (Maven snapshots, Composer branches) and pre-releases that the repositories' settings
keep_snapshots, keep_snapshot_days and keep_prerelease_days no longer keep. The newest build always stays, and nothing under a
legal hold is touched.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withInstance(cmd, func(ctx context.Context, in *instance) error {
				plan, err := upkeep.Retain(ctx, in.registry, time.Now(), dryRun)
				if err != nil {
					return err
				}
				if asJSON {
					return writeJSON(cmd.OutOrStdout(), plan)
				}
				var bytes int64
				for _, r := range plan {
					fmt.Fprintf(cmd.OutOrStdout(), "%s %s %s %s: %d files, %d bytes (%s)\n", r.Repository, r.Project, r.Version, r.Build, len(r.Files), r.Bytes, r.Rule)
					bytes += r.Bytes
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%d removals, %d bytes.\n", len(plan), bytes)
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only say what would be removed")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	bindSettings(cmd, config.Common)
	return cmd
}

func newGrowthCommand() *cobra.Command {
	var days int
	cmd := &cobra.Command{
		Use: "growth", Short: "Show what each repository holds and how it grew", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withInstance(cmd, func(ctx context.Context, in *instance) error {
				all, err := in.registry.Repositories(ctx)
				if err != nil {
					return err
				}
				tw := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
				fmt.Fprintf(tw, "REPOSITORY\tFILES\tBYTES\tQUOTA\tFILES IN %d DAYS\tBYTES IN %d DAYS\n", days, days)
				for _, repo := range all {
					if repo.Kind != registry.Hosted {
						continue
					}
					u, err := in.registry.Usage(ctx, repo)
					if err != nil {
						return err
					}
					g, err := in.registry.Growth(ctx, repo, time.Now().AddDate(0, 0, -days))
					if err != nil {
						return err
					}
					fmt.Fprintf(tw, "%s\t%d\t%d\t%s\t%d\t%d\n", repo.Path(), u.Files, u.Bytes, orNone(repo.Settings.Quota), g.Files, g.Bytes)
				}
				return tw.Flush()
			})
		},
	}
	cmd.Flags().IntVar(&days, "days", 30, "how far back")
	bindSettings(cmd, config.Common)
	return cmd
}

func orNone(n int64) string {
	if n == 0 {
		return "none"
	}
	return strconv.FormatInt(n, 10)
}

func newHoldCommand() *cobra.Command {
	var off bool
	cmd := &cobra.Command{
		Use: "hold ECOSYSTEM/REPOSITORY PROJECT", Short: "Put a project under a legal hold, so that nothing of it can be deleted",
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			eco, name, err := splitRepository(args[0])
			if err != nil {
				return err
			}
			return changeInstance(cmd, func(ctx context.Context, in *instance) error {
				repo, err := in.registry.Repository(ctx, eco, name)
				if err != nil {
					return err
				}
				norm, ok := in.registry.Format(eco).Normalize(args[1])
				if !ok {
					return errs.New(errs.NotFound, "%q cannot name a project of %s.", args[1], eco)
				}
				return in.registry.Change(ctx, registry.Actor{}, func(c *registry.Change) error {
					p, err := c.Project(ctx, repo, norm)
					if err != nil {
						return err
					}
					return c.SetLegalHold(ctx, p, !off)
				})
			})
		},
	}
	cmd.Flags().BoolVar(&off, "off", false, "end the hold")
	bindSettings(cmd, config.Common)
	return cmd
}

func newJobsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "jobs", Short: "See, cancel and retry background work",
		Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newJobsListCommand(),
		newJobCommand("cancel NUMBER", "Cancel a job", jobs.Cancel),
		newJobCommand("retry NUMBER", "Make a failed or canceled job ready again", jobs.Retry))
	return cmd
}

func newJobsListCommand() *cobra.Command {
	var state string
	var limit int
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "List jobs, newest first", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withInstance(cmd, func(ctx context.Context, in *instance) error {
				all, err := jobs.List(ctx, in.db, jobs.State(state), limit)
				if err != nil {
					return err
				}
				if asJSON {
					return writeJSON(cmd.OutOrStdout(), all)
				}
				tw := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
				fmt.Fprintln(tw, "NUMBER\tKIND\tSTATE\tATTEMPT\tRUNS AT\tPROGRESS\tLAST ERROR")
				for _, j := range all {
					fmt.Fprintf(tw, "%d\t%s\t%s\t%d/%d\t%s\t%s\t%s\n", j.ID, j.Kind, j.State, j.Attempt, j.MaxAttempts, j.RunAt.Format(time.RFC3339), j.Progress, j.LastError)
				}
				return tw.Flush()
			})
		},
	}
	cmd.Flags().StringVar(&state, "state", "", "ready, running, done, failed or canceled")
	cmd.Flags().IntVar(&limit, "limit", 50, "how many")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	bindSettings(cmd, config.Common)
	return cmd
}

func newJobCommand(use, short string, do func(context.Context, *store.DB, time.Time, int64) error) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil {
				return usageError{fmt.Errorf("%q is not the number of a job; `bonded jobs list` shows them", args[0])}
			}
			return withInstance(cmd, func(ctx context.Context, in *instance) error { return do(ctx, in.db, time.Now(), id) })
		},
	}
	bindSettings(cmd, config.Common)
	return cmd
}
