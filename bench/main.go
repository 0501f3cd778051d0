// Command bench measures Bonded beside nginx, which serves the very same bytes, and beside Verdaccio, on loopback, and
// prints requests per second, latencies and, as the figure that counts, CPU time per request. docs/performance.md holds
// the results and the method; -write puts new ones there.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// options are the command line.
type options struct {
	quick, growth, peer bool
	keep                bool
	only, serve, sizes  string
	bonded, write       string
	rounds              int
	each                time.Duration
}

func main() {
	var o options
	flag.BoolVar(&o.quick, "quick", false, "one short round: a look, not a measurement")
	flag.BoolVar(&o.growth, "growth", false, "also measure 10, 1,000 and 100,000 projects, which takes minutes")
	flag.BoolVar(&o.peer, "peer", true, "measure Verdaccio as well")
	flag.StringVar(&o.only, "only", "", "only this part: read, publish or growth")
	flag.StringVar(&o.bonded, "bonded", "bin/bonded", "the binary")
	flag.BoolVar(&o.keep, "keep", false, "leave the servers' data behind, to look at")
	flag.StringVar(&o.sizes, "sizes", "10,1000,100000", "numbers of projects that growth is measured at")
	flag.StringVar(&o.serve, "serve", "", "further flags of bonded serve, such as --metrics-listen for profiles")
	flag.StringVar(&o.write, "write", "", "write the results between the markers of this file, such as docs/performance.md")
	flag.IntVar(&o.rounds, "rounds", 5, "rounds, of which medians are taken")
	flag.DurationVar(&o.each, "each", 3*time.Second, "length of each measurement")
	flag.Parse()
	if o.quick {
		o.rounds, o.each = 1, time.Second
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1) //nolint:gocritic // nothing is left to be undone
	}
}

func run(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "bonded-bench-")
	if err != nil {
		return err
	}
	l := &lab{dir: dir, keep: o.keep, bonded: o.bonded, serve: strings.Fields(o.serve)}
	defer l.close()
	for _, part := range []struct {
		name string
		on   bool
		run  func(context.Context, options, *lab, io.Writer) error
	}{
		{"read", o.only == "" || o.only == "read" || o.only == "publish", readAndPublish},
		{"growth", o.growth || o.only == "growth", growth},
	} {
		if !part.on {
			continue
		}
		var report bytes.Buffer
		if err := part.run(ctx, o, l, &report); err != nil {
			return err
		}
		fmt.Print(report.String())
		if o.write != "" && o.only == "" {
			if err := replaceSection(o.write, part.name, report.String()); err != nil {
				return err
			}
		}
	}
	return nil
}

// readAndPublish measures reads and publishes, which share the peer.
func readAndPublish(ctx context.Context, o options, l *lab, w io.Writer) error {
	reportMachine(w, o.rounds, o.each)
	var peer *server
	if o.only != "publish" {
		r, err := openReadLab(ctx, l, o.peer)
		if err != nil {
			return err
		}
		all, err := r.readAll(ctx, o.rounds, o.each)
		if err != nil {
			return err
		}
		reportReads(w, all)
		fmt.Fprintln(w)
		peer = r.verdaccio
	} else if o.peer {
		var err error
		if peer, err = l.startVerdaccio(ctx); err != nil {
			return err
		}
	}
	if o.only == "read" {
		return nil
	}
	all, err := publishAll(ctx, l, peer, o.rounds, 2*o.each)
	if err != nil {
		return err
	}
	reportPublishes(w, all)
	return nil
}

// replaceSection puts text between "<!-- name: begin -->" and "<!-- name: end -->".
func replaceSection(file, name, text string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	begin, end := "<!-- "+name+": begin -->\n", "<!-- "+name+": end -->"
	before, rest, ok := strings.Cut(string(b), begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		return fmt.Errorf("%s has no section %q between markers", file, name)
	}
	return os.WriteFile(file, []byte(before+begin+text+end+after), 0o644)
}
