package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"bonded/internal/access"
	"bonded/internal/config"
	"bonded/internal/demo"
	"bonded/internal/errs"
	"bonded/internal/outbound"
	"bonded/internal/registry"
	"bonded/internal/server"
	"bonded/internal/upkeep"
)

func newDemoCommand() *cobra.Command {
	var keep, allowMissing bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show everything on a throw-away instance, with the package clients found here",
		Long: `Starts an instance on a free loopback port with its data in a temporary folder, finds the package clients of this machine
(cargo, pip, npm, mvn, composer, and beside them twine, uv, pnpm, yarn), and leads each through one publish, one install, one
verification, one replacement that is refused and one install from quarantine that is refused. What the clients say is shown
as they say it. They run in a home folder of their own: your configuration is not touched. It takes less than a minute, and
all of it is removed at the end.

Exits 1 unless all five ecosystems were shown; --allow-missing forgives the clients that are not installed.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runDemo(cmd, keep, allowMissing) },
	}
	cmd.Flags().BoolVar(&keep, "keep", false, "go on serving at the end, until interrupted")
	cmd.Flags().BoolVar(&allowMissing, "allow-missing", false, "succeed although clients are missing")
	return cmd
}

func runDemo(cmd *cobra.Command, keep, allowMissing bool) (err error) {
	dir, err := os.MkdirTemp("", "bonded-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, removeAll(dir)) }()
	// The demo's settings are its own: not those of the environment in which it is called.
	cfg, err := config.Load(nil, []string{"BONDED_DATA=" + filepath.Join(dir, "data"), "BONDED_LISTEN=127.0.0.1:0", "BONDED_LOG_LEVEL=error"})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(cmd.Context())
	defer stop()
	in, url, wait, err := startDemo(ctx, cfg, cmd)
	if err != nil {
		return err
	}
	defer func() {
		stop()
		err = errors.Join(err, wait(), in.close())
	}()
	o, err := demoOptions(ctx, in, url, dir, cmd.OutOrStdout())
	if err != nil {
		return err
	}
	o.AllowMissing = allowMissing
	result, err := demo.Run(ctx, o)
	if err != nil {
		return err
	}
	if keep {
		keepDemo(ctx, cmd.OutOrStdout(), url, dir)
	}
	if !result.Good() {
		return exitStatus(exitFailure)
	}
	return nil
}

// startDemo serves in this process; wait returns when the server has stopped.
func startDemo(ctx context.Context, cfg *config.Config, cmd *cobra.Command) (in *instance, url string, wait func() error, err error) {
	log := server.NewLogger(cmd.ErrOrStderr(), cfg.LogFormat, cfg.LogLevel)
	if in, err = openInstance(ctx, cfg, log); err != nil {
		return nil, "", nil, err
	}
	srv, err := server.New(cfg, server.Options{Handler: in.handler(), Ready: in.checks(), Log: log, Guard: in.guard, Version: binaryVersion()})
	if err != nil {
		return nil, "", nil, errors.Join(err, in.close())
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	var work sync.WaitGroup
	work.Go(func() { in.feed.Run(background) })
	work.Go(func() { in.usage.Run(background) })
	ended := make(chan error, 1)
	go func() { ended <- srv.Run(ctx) }()
	return in, srv.URL(), func() error {
		err := <-ended
		stop()
		work.Wait()
		return err
	}, nil
}

func demoOptions(ctx context.Context, in *instance, url, dir string, out io.Writer) (o demo.Options, err error) {
	err = in.guard.Register(outbound.Destination{Name: "demo", URL: url, Why: "the throw-away instance itself", AllowPrivate: true})
	if err != nil {
		return o, err
	}
	o = demo.Options{
		URL: url, Dir: dir, Environ: os.Environ(), Out: out, Now: time.Now,
		Quarantine: in.quarantine,
		Check: func(ctx context.Context) (all []string, err error) {
			problems, err := upkeep.Check(ctx, in.db, in.blobs, time.Now(), upkeep.CheckOptions{Deep: true})
			for _, p := range problems {
				all = append(all, p.Rule+": "+p.What)
			}
			return all, err
		},
	}
	if o.HTTP, err = in.guard.Client("demo"); err != nil {
		return o, err
	}
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		o.Colour = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
		o.Wide, _, _ = term.GetSize(int(f.Fd()))
	}
	if os.Getenv("CLICOLOR_FORCE") == "1" {
		o.Colour = true
	}
	account, err := in.accounts.Add(ctx, "demo", "demo@example.org", false)
	if err != nil {
		return o, err
	}
	scope, err := access.ParseScope("read,publish,yank")
	if err != nil {
		return o, err
	}
	o.Token, _, err = in.gate.CreateToken(ctx, access.NewToken{
		Type: access.UserToken, AccountID: account.ID, Label: "demo", Vouched: true, Scopes: []access.Scope{scope}, Expires: time.Now().Add(24 * time.Hour),
	})
	return o, err
}

// quarantine withdraws a project of a fresh instance's hosted repository.
func (in *instance) quarantine(ctx context.Context, ecosystem, project, reason string) error {
	format := in.registry.Format(ecosystem)
	if format == nil {
		return errs.New(errs.Invalid, "This binary does not serve %s.", ecosystem)
	}
	name, err := format.Name(project)
	if err != nil {
		return err
	}
	repo, err := in.registry.Repository(ctx, ecosystem, "local")
	if err != nil {
		return err
	}
	return in.registry.Change(ctx, registry.Actor{}, func(c *registry.Change) error {
		p, err := c.Project(ctx, repo, name.Norm)
		if err != nil {
			return err
		}
		return c.SetStatus(ctx, p, registry.Quarantined, reason)
	})
}

// keepDemo says what there is to look at and waits to be interrupted.
func keepDemo(ctx context.Context, out io.Writer, url, dir string) {
	fmt.Fprintf(out, "The instance goes on at %s until you press Ctrl-C.\nThe clients' home, set up for it, is %s: HOME=… lets you go on where they stopped.\n",
		url, filepath.Join(dir, "home"))
	<-ctx.Done()
}

// removeAll removes a folder although clients made parts of it read-only.
func removeAll(dir string) error {
	_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			_ = os.Chmod(path, 0o700) //nolint:gosec // what does not yield is told by RemoveAll
		}
		return nil
	})
	return os.RemoveAll(dir)
}
