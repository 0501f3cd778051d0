package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bonded/internal/clientsetup"
	"bonded/internal/errs"
)

func newClientCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "client", Short: "Point package clients at a Bonded",
		Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newClientSetupCommand())
	return cmd
}

// clientFlags are what is typed after "client setup".
type clientFlags struct {
	url, repository, tokenFile, caFile string
	clients                            []string
	write, only                        bool
}

func newClientSetupCommand() *cobra.Command {
	var f clientFlags
	cmd := &cobra.Command{
		Use:   "setup",
		Short: "Print, or write, what the package clients of this account need",
		Long: `Looks which package clients are installed and prints what each needs in its own files to install from, and publish to, a
Bonded. Nothing is touched until --write is given; then each file keeps what it holds, a copy of it as it was stays beside it
(` + clientsetup.BackupSuffix + `), and a file that holds the token becomes readable by its owner alone. A file that cannot be
understood is refused, and nothing is written at all. Doing it twice changes nothing.

The token comes from the file that --token-file names, or from BONDED_TOKEN; it is never printed. Without one, the clients
read as anybody may.

pip, uv, npm, pnpm and yarn then ask no other registry. Maven, Gradle and Composer ask others too unless --only is given
(which Gradle cannot be told). cargo asks Bonded for what names it: { version = "1", registry = "bonded" }.`,
		Example: `  bonded client setup --url https://packages.example.com
  bonded client setup --url https://packages.example.com --token-file ~/token --write
  BONDED_TOKEN=… bonded client setup --client npm --client pip --ca-file company-ca.pem --write`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	cmd.Flags().StringVar(&f.url, "url", "", "public URL of the Bonded (env BONDED_URL; by default http://127.0.0.1:8080)")
	cmd.Flags().StringVar(&f.repository, "repository", "main", "repository that is used in each ecosystem")
	cmd.Flags().StringVar(&f.tokenFile, "token-file", "", "file that holds the token (or env BONDED_TOKEN)")
	cmd.Flags().StringVar(&f.caFile, "ca-file", "", "PEM file of the private authority that signed the Bonded's certificate")
	cmd.Flags().StringArrayVar(&f.clients, "client", nil, "set up this one, found or not: "+strings.Join(clientsetup.Names(), ", "))
	cmd.Flags().BoolVar(&f.only, "only", false, "let Maven and Composer, too, ask no other repository")
	cmd.Flags().BoolVar(&f.write, "write", false, "write the files")
	return cmd
}

func (f *clientFlags) run(cmd *cobra.Command) error {
	o, err := f.options(cmd.Context())
	if err != nil {
		return err
	}
	if len(o.Clients) == 0 {
		return errs.New(errs.NotFound, "No package client was found on the PATH.").WithRule("client-setup/none").
			WithNext("Name those to set up with --client: %s.", strings.Join(clientsetup.Names(), ", "))
	}
	setups, files, err := clientsetup.Plan(o)
	if err != nil {
		return err
	}
	if f.write {
		return writeClients(cmd.OutOrStdout(), setups, files)
	}
	printClients(cmd.OutOrStdout(), setups, files)
	return nil
}

func (f *clientFlags) options(ctx context.Context) (o clientsetup.Options, err error) {
	o = clientsetup.Options{URL: f.url, Repository: f.repository, Only: f.only, Clients: f.clients, Getenv: os.Getenv}
	if o.URL == "" {
		o.URL = os.Getenv("BONDED_URL")
	}
	if o.URL == "" {
		o.URL = "http://127.0.0.1:8080"
	}
	if o.Home, err = os.UserHomeDir(); err != nil {
		return o, err
	}
	if o.Token, err = readToken(f.tokenFile); err != nil {
		return o, err
	}
	if f.caFile != "" {
		if o.CA, err = os.ReadFile(f.caFile); err != nil {
			return o, usageError{err}
		}
		o.SystemRoots = systemRoots()
	}
	if len(o.Clients) == 0 {
		o.Clients = foundClients()
	}
	o.YarnClassic = slices.Contains(o.Clients, "yarn") && isYarnClassic(ctx, o.Home)
	return o, nil
}

// readToken takes the token from a file, or from BONDED_TOKEN; never from the command line, which others can read.
func readToken(file string) (string, error) {
	if file == "" {
		return strings.TrimSpace(os.Getenv("BONDED_TOKEN")), nil
	}
	in, err := os.Open(file)
	if err != nil {
		return "", usageError{err}
	}
	text, err := io.ReadAll(io.LimitReader(in, 4096))
	if err = errors.Join(err, in.Close()); err != nil {
		return "", err
	}
	if text = bytes.TrimSpace(text); len(text) == 0 {
		return "", usageError{fmt.Errorf("%s holds no token", file)}
	}
	return string(text), nil
}

// systemRoots is the first bundle found where systems keep the authorities they trust.
func systemRoots() []byte {
	for _, path := range []string{
		os.Getenv("SSL_CERT_FILE"),
		"/etc/ssl/certs/ca-certificates.crt", // Debian, Arch, Alpine
		"/etc/pki/tls/certs/ca-bundle.crt",   // Red Hat
		"/etc/ssl/ca-bundle.pem",             // SUSE
		"/etc/ssl/cert.pem",                  // macOS, BSD
	} {
		if path == "" {
			continue
		}
		if text, err := os.ReadFile(path); err == nil { //nolint:gosec // the user's own environment names it
			return text
		}
	}
	return nil
}

// foundClients are the clients of which a program is on the PATH.
func foundClients() []string {
	programs := map[string][]string{
		"pip": {"pip", "pip3"}, "maven": {"mvn"},
	}
	var found []string
	for _, name := range clientsetup.Names() {
		candidates := programs[name]
		if candidates == nil {
			candidates = []string{name}
		}
		if slices.ContainsFunc(candidates, func(c string) bool { _, err := exec.LookPath(c); return err == nil }) {
			found = append(found, name)
		}
	}
	return found
}

// isYarnClassic asks the yarn that runs outside of any project.
func isYarnClassic(ctx context.Context, home string) bool {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "yarn", "--version")
	cmd.Dir = home
	out, err := cmd.Output()
	return err == nil && strings.HasPrefix(strings.TrimSpace(string(out)), "1.")
}

func printClients(w io.Writer, setups []clientsetup.Setup, files []*clientsetup.File) {
	changed := map[string]bool{}
	for _, f := range files {
		changed[f.Path] = f.Changed()
	}
	for _, s := range setups {
		fmt.Fprintf(w, "== %s\n", s.Client)
		for _, e := range s.Edits {
			state := ""
			if !changed[e.Path] {
				state = " (there already)"
			}
			fmt.Fprintf(w, "-- %s%s\n%s", e.Path, state, e.Lines)
		}
		printUse(w, s)
	}
	fmt.Fprintln(w, "Nothing was written. Add --write to have these files written, the token in its place, what they hold kept.")
}

func printUse(w io.Writer, s clientsetup.Setup) {
	for _, note := range s.Notes {
		fmt.Fprintf(w, "   note: %s\n", note)
	}
	for _, use := range s.Use {
		fmt.Fprintf(w, "   then: %s\n", use)
	}
	fmt.Fprintln(w)
}

func writeClients(w io.Writer, setups []clientsetup.Setup, files []*clientsetup.File) error {
	for _, f := range files {
		changed, err := f.Write()
		switch {
		case err != nil:
			return err
		case !changed:
			fmt.Fprintf(w, "unchanged %s\n", f.Path)
		case f.Before == nil:
			fmt.Fprintf(w, "created   %s\n", f.Path)
		default:
			fmt.Fprintf(w, "changed   %s (as it was: %s)\n", f.Path, f.Path+clientsetup.BackupSuffix)
		}
	}
	fmt.Fprintln(w)
	for _, s := range setups {
		fmt.Fprintf(w, "== %s\n", s.Client)
		printUse(w, s)
	}
	return nil
}
