// Command bonded is a package repository for Cargo, PyPI, npm, Maven and Composer clients. Each verb has a file of its
// own in this package, which only wires rooms together.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"bonded/internal/config"
	"bonded/internal/errs"
)

// version is set by the release build: -ldflags "-X main.version=1.2.3".
var version string

// The exit codes.
const (
	exitOK      = 0
	exitFailure = 1   // the verb could not do its work, or found what it looks for
	exitUsage   = 2   // the command line or the configuration is wrong
	exitSignal  = 130 // interrupted
)

// verbs lists every verb of the binary.
func verbs() []*cobra.Command {
	return []*cobra.Command{
		newServeCommand(),
		newAdminCommand(),
		newRepoCommand(),
		newStorageCommand(),
		newHoldCommand(),
		newJobsCommand(),
		newFsckCommand(),
		newBackupCommand(),
		newRestoreCommand(),
		newMigrateCommand(),
		newConfigCommand(),
		newClientCommand(),
		newDemoCommand(),
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run executes one command line and returns its exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRootCommand()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	if status, ok := errors.AsType[exitStatus](err); ok { // the verb has said all there is to say
		return int(status)
	}
	fmt.Fprintln(stderr, "bonded: "+sentence(err))
	switch {
	case errors.Is(err, context.Canceled):
		return exitSignal
	case isUsage(err):
		return exitUsage
	default:
		return exitFailure
	}
}

// exitStatus is returned by a verb that has printed its result and wants the process to end with a code.
type exitStatus int

// Error is never printed.
func (s exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// usageError is a mistake in the command line.
type usageError struct{ error }

func isUsage(err error) bool {
	if _, ok := errors.AsType[usageError](err); ok {
		return true
	}
	e, ok := errors.AsType[*errs.Error](err)
	return ok && strings.HasPrefix(e.Rule, "config/")
}

// sentence is what a person reads of an error: what failed, by which rule, what to do, and the cause below it. The
// person at this keyboard is the operator, so that the cause is not withheld.
func sentence(err error) string {
	if e, ok := errors.AsType[*errs.Error](err); ok {
		s := e.Sentence()
		if e.Err != nil {
			s += " (" + e.Err.Error() + ")"
		}
		return s
	}
	s := err.Error()
	if _, ok := errors.AsType[usageError](err); ok {
		if !strings.HasSuffix(s, "?") {
			s += "."
		}
		s += " `bonded --help` lists the verbs, `bonded VERB --help` its flags."
	}
	return s
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "bonded",
		Short: "A package repository that holds goods until they are proven",
		Long: `Bonded serves Cargo, PyPI, npm, Maven and Composer clients from one binary.

Every setting is a flag, an environment variable (--data is BONDED_DATA) and a key of the YAML file named by
--config. "bonded config show" prints the settings in effect and where each came from.`,
		Version:       binaryVersion(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          knownVerb,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SuggestionsMinimumDistance = 2
	root.SetVersionTemplate("bonded {{.Version}}\n")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(verbs()...)
	for _, c := range root.Commands() {
		usageErrors(c)
	}
	return root
}

// knownVerb refuses a word that is no verb, and names the nearest one.
func knownVerb(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	what := fmt.Sprintf("there is no verb %q", args[0])
	if near := root.SuggestionsFor(args[0]); len(near) > 0 {
		what += ", did you mean " + strings.Join(near, " or ") + "?"
	}
	return usageError{errors.New(what)}
}

// usageErrors makes wrong positional arguments of a verb, and of the verbs below it, mistakes in the command line.
func usageErrors(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return usageError{err}
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		usageErrors(sub)
	}
}

// bindSettings gives a verb the flags of the settings in the groups (config.Common, config.Serve).
func bindSettings(cmd *cobra.Command, groups ...string) { config.Bind(cmd.Flags(), groups...) }

// loadSettings returns the effective configuration of a verb that bindSettings prepared.
func loadSettings(flags *pflag.FlagSet) (*config.Config, error) {
	return config.Load(flags, os.Environ())
}

// binaryVersion is the released version, or the commit that the binary was built from.
func binaryVersion() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	revision, dirty := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "+changes"
		}
	}
	if revision == "" {
		return "devel"
	}
	return "devel-" + revision + dirty
}
