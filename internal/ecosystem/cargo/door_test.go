package cargo

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"bonded/internal/door"
	"bonded/internal/door/doortest"
	"bonded/internal/errs"
	"bonded/internal/registry"
)

// bench is a house with the Cargo door and a publisher.
type bench struct {
	*doortest.Env
	t     *testing.T
	token string
}

func doorsOf(h *door.House) []door.Door { return []door.Door{NewDoor(h)} }

func newBench(t *testing.T) *bench {
	env := doortest.New(t, []registry.Format{NewFormat()}, doorsOf)
	return &bench{env, t, env.Token("alice")}
}

// own are the index URLs of the repositories that most tests use.
func (b *bench) own() []string { return []string{indexURL(b.URL, "local"), indexURL(b.URL, "main")} }

// body is what cargo would send to publish a manifest.
func (b *bench) body(manifest string) string {
	b.t.Helper()
	c, err := ParseManifest([]byte(manifest))
	if err != nil {
		b.t.Fatal(err)
	}
	return publication(b.t, requestFor(b.t, manifest, b.own()...), crateOf(b.t, c.Name, c.Version, manifest))
}

func (b *bench) put(repo, body string) doortest.Answer {
	b.t.Helper()
	return b.Do(http.MethodPut, "/cargo/"+repo+"/api/v1/crates/new", body, "Authorization: "+b.token)
}

// publish publishes to local and insists on success.
func (b *bench) publish(name, version string, more ...string) {
	b.t.Helper()
	if a := b.put("local", b.body(header(name, version)+strings.Join(more, ""))); a.Status != http.StatusOK {
		b.t.Fatalf("publish %s %s: %d %s", name, version, a.Status, a.Body)
	}
}

func (b *bench) get(path string, headers ...string) doortest.Answer {
	b.t.Helper()
	return b.Do(http.MethodGet, path, "", headers...)
}

// line is what tests read of an index line.
type line struct {
	Name, Vers, Cksum, Pubtime string
	Yanked                     bool
	Deps                       []struct {
		Name     string
		Registry *string
	}
}

func (b *bench) index(path string, headers ...string) []line {
	b.t.Helper()
	a := b.get(path, headers...)
	if a.Status != http.StatusOK {
		b.t.Fatalf("%s: %d %s", path, a.Status, a.Body)
	}
	var all []line
	for text := range strings.Lines(a.Body) {
		var l line
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			b.t.Fatalf("%s: %v in %s", path, err, text)
		}
		all = append(all, l)
	}
	return all
}

// detail reads the error envelope of the API.
func detail(t *testing.T, a doortest.Answer) string {
	t.Helper()
	var e struct{ Errors []struct{ Detail string } }
	if err := json.Unmarshal([]byte(a.Body), &e); err != nil || len(e.Errors) != 1 {
		t.Fatalf("%d %s is not the error envelope", a.Status, a.Body)
	}
	return e.Errors[0].Detail
}

func (b *bench) change(fn func(context.Context, *registry.Change, *registry.Project) error, norm string) {
	b.t.Helper()
	ctx := b.t.Context()
	repo, err := b.House.Registry.Repository(ctx, "cargo", "local")
	if err == nil {
		err = b.House.Registry.Change(ctx, registry.Actor{}, func(c *registry.Change) error {
			p, err := c.Project(ctx, repo, norm)
			if err != nil {
				return err
			}
			return fn(ctx, c, p)
		})
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

func TestEveryRowOfTheTableCitesItsSection(t *testing.T) {
	for kind, row := range table {
		if !strings.HasPrefix(row.Section, "cargo.md §") || row.Status == 0 {
			t.Errorf("%s: %+v", kind, row)
		}
	}
	if table[errs.NotFound].Status != http.StatusNotFound {
		t.Error("absent is 404 for every client")
	}
	if !NewDoor(nil).Open(http.MethodGet, "/me") || NewDoor(nil).Open(http.MethodPut, "/me") || NewDoor(nil).Open(http.MethodGet, "/config.json") {
		t.Error("only reading the log-in page is open")
	}
}
