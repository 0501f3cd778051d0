// Package demo leads through one publish, one install, one verification, one refused replacement and one quarantine in each
// ecosystem, with the package clients that the machine has, and lets them speak for themselves.
//
// The clients run in a home folder of their own: the user's configuration is neither read nor touched, except that Maven may
// take its plugins from where the user's Maven has them. Each package is built on the spot, from nothing.
package demo

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"bonded/internal/clientsetup"
)

// Options say where the instance is and what may be done to it.
type Options struct {
	// URL is the instance's public URL; HTTP may reach it.
	URL  string
	HTTP *http.Client
	// Token may publish everywhere.
	Token string
	// Dir is an empty folder for the clients' home and work.
	Dir string
	// Environ is the user's environment; what configures clients is left out of it.
	Environ []string
	// Out gets the page; Colour lets it have colours, Wide is the number of columns (0: 100).
	Out    io.Writer
	Colour bool
	Wide   int
	// Quarantine makes a project unresolvable everywhere, with a reason.
	Quarantine func(ctx context.Context, ecosystem, project, reason string) error
	// Check compares rows, blobs and events, as fsck does, and returns what disagrees.
	Check func(ctx context.Context) (problems []string, err error)
	// AllowMissing forgives clients that are not installed.
	AllowMissing bool
	// Now is the machine's clock.
	Now func() time.Time
}

// Result is how it went.
type Result struct {
	// Ran are the ecosystems that were told whole, Missing those without their clients, Failed those that went wrong.
	Ran, Missing, Failed []string
	// Disagreements are what the check found.
	Disagreements []string
	forgiving     bool
}

// Good reports that everything was shown that had to be.
func (r Result) Good() bool { return r.toured() && len(r.Disagreements) == 0 }

func (r Result) toured() bool { return len(r.Failed) == 0 && (len(r.Missing) == 0 || r.forgiving) }

// guided is one ecosystem's tour.
type guided struct {
	name string
	// find returns the clients' names with their versions, or what is missing.
	find func(ctx context.Context, w *workshop) (clients []string, missing string)
	// tour does it all, printing steps; the first error ends it.
	tour func(ctx context.Context, t *tour) error
}

// Slowest first, since two run at a time.
var ecosystems = []guided{
	{"maven", findMaven, tourMaven},
	{"cargo", findCargo, tourCargo},
	{"pypi", findPython, tourPython},
	{"npm", findNode, tourNode},
	{"composer", findComposer, tourComposer},
}

// Ecosystems is how many there are.
const Ecosystems = 5

// atOnce is how many ecosystems run at the same time. They wait for themselves more than for the server.
const atOnce = 3

// Run leads through everything and prints the page.
func Run(ctx context.Context, o Options) (Result, error) {
	w, err := newWorkshop(o)
	if err != nil {
		return Result{}, err
	}
	p := &page{out: o.Out, colour: o.Colour, wide: o.Wide}
	began := o.Now()
	p.heading("Bonded demo", "a throw-away repository, and the package clients of this machine")
	p.fact("server", o.URL)
	p.fact("folder", w.dir+" (the clients' home is in it; yours is not touched)")

	found, missing := findAll(ctx, w)
	p.fact("clients", clientLine(found))
	for _, e := range ecosystems {
		if missing[e.name] != "" {
			p.fact("missing", e.name+": "+missing[e.name])
		}
	}
	result := Result{forgiving: o.AllowMissing}
	var mu sync.Mutex
	var all sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for _, e := range ecosystems {
		if missing[e.name] != "" {
			result.Missing = append(result.Missing, e.name)
			continue
		}
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			t, err := runTour(ctx, w, e)
			mu.Lock()
			defer mu.Unlock()
			p.section(t)
			if err != nil {
				result.Failed = append(result.Failed, e.name)
			} else {
				result.Ran = append(result.Ran, e.name)
			}
		})
	}
	all.Wait()
	if result.Disagreements, err = o.Check(ctx); err != nil {
		return result, err
	}
	p.summary(result, o.Now().Sub(began))
	return result, ctx.Err()
}

func findAll(ctx context.Context, w *workshop) (found map[string][]string, missing map[string]string) {
	found, missing = map[string][]string{}, map[string]string{}
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, e := range ecosystems {
		all.Go(func() {
			clients, lacks := e.find(ctx, w)
			mu.Lock()
			defer mu.Unlock()
			found[e.name], missing[e.name] = clients, lacks
		})
	}
	all.Wait()
	return found, missing
}

func clientLine(found map[string][]string) string {
	var parts []string
	for _, name := range []string{"cargo", "pypi", "npm", "maven", "composer"} {
		if len(found[name]) > 0 {
			parts = append(parts, strings.Join(found[name], ", "))
		}
	}
	return strings.Join(parts, " · ")
}

func runTour(ctx context.Context, w *workshop, e guided) (*tour, error) {
	t := &tour{workshop: w, ecosystem: e.name, work: filepath.Join(w.dir, e.name), began: w.Now()}
	err := os.MkdirAll(t.work, 0o700)
	if err == nil {
		err = e.tour(ctx, t)
	}
	if err != nil && (len(t.steps) == 0 || t.steps[len(t.steps)-1].went) {
		t.steps = append(t.steps, step{title: "tour", what: err.Error()})
	}
	t.took = w.Now().Sub(t.began)
	return t, err
}

// workshop is what all tours share.
type workshop struct {
	Options
	dir  string
	home string
	env  []string
}

func newWorkshop(o Options) (*workshop, error) {
	w := &workshop{Options: o, dir: o.Dir, home: filepath.Join(o.Dir, "home")}
	if err := os.MkdirAll(filepath.Join(w.home, "tmp"), 0o700); err != nil {
		return nil, err
	}
	w.env = environment(o.Environ, w.home)
	return w, w.setUpClients()
}

// setUpClients does what `bonded client setup --write` does, in the demo's home. Composer is told to ask nobody else; Maven
// is not, because its plugins come from elsewhere.
func (w *workshop) setUpClients() error {
	for _, only := range []bool{false, true} {
		o := clientsetup.Options{URL: w.URL, Token: w.Token, Home: w.home, Getenv: w.getenv, Only: only, Clients: []string{"composer"}}
		if !only {
			o.Clients = []string{"cargo", "pip", "uv", "twine", "npm", "pnpm", "yarn", "maven"}
		}
		_, files, err := clientsetup.Plan(o)
		if err != nil {
			return err
		}
		for _, f := range files {
			if _, err := f.Write(); err != nil {
				return err
			}
		}
	}
	return nil
}

// tour is one ecosystem's part of the page, as it grows.
type tour struct {
	*workshop
	ecosystem, work string
	steps           []step
	began           time.Time
	took            time.Duration
}

// step is one thing that was done.
type step struct {
	title string
	// what is the command as a person would type it, or a sentence.
	what string
	// words are the client's own, chosen from its output.
	words []string
	// went is whether it went as it should; refused whether that was to be refused.
	went, refused bool
	took          time.Duration
}

// reason is what quarantine tells clients.
const reason = "The demo plays an incident: this package is under examination."

// quarantine withdraws the ecosystem's package.
func (t *tour) quarantine(ctx context.Context, project string) error {
	if err := t.Quarantine(ctx, t.ecosystem, project, reason); err != nil {
		return t.failed("quarantine", err)
	}
	return nil
}

// failed adds a step that went wrong.
func (t *tour) failed(title string, err error) error {
	t.steps = append(t.steps, step{title: title, what: err.Error()})
	return err
}

// verified adds the step that compares a digest of what the client stored with what the index says.
func (t *tour) verified(algorithm, got, want, what string) error {
	if got == "" || got != want {
		return t.failed("verify", fmt.Errorf("%s: the client stored %s %q and the index says %q", what, algorithm, got, want))
	}
	t.steps = append(t.steps, step{title: "verify", what: fmt.Sprintf("%s %s… of %s is what the index says", algorithm, got[:16], what), went: true})
	return nil
}
