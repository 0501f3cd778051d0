package cargo

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"bonded/internal/door/doortest"
	"bonded/internal/intake"
	"bonded/internal/registry"
	"bonded/internal/store"
	"bonded/internal/store/storetest"
)

func TestRefusalsAreInTheEnvelopeThatCargoPrints(t *testing.T) {
	b := newBench(t)
	b.publish("hello", "1.0.0")
	b.publish("dash-ed", "1.0.0")
	stranger := "Authorization: " + b.Token("bob")
	reader := "Authorization: " + b.Token("alice", "read")
	owner := "Authorization: " + b.token
	api := "/cargo/local/api/v1/crates"
	other := crateOf(t, "hello", "1.0.0", header("hello", "1.0.0")+"# other bytes\n")
	ownDep := func(name string) string {
		return header("app", "1.0.0") + "[dependencies]\n" + name + " = {version = \"1\", registry-index = \"" + indexURL(b.URL, "local") + "\"}\n"
	}
	for _, c := range []struct {
		rule, method, path, body string
		headers                  []string
		status                   int
		says                     string
	}{
		{"publishing needs a token", "PUT", api + "/new", b.body(header("x", "1.0.0")), nil, 401, "You must authenticate to publish"},
		{"a wrong token is no token", "PUT", api + "/new", b.body(header("x", "1.0.0")), []string{"Authorization: nonsense"}, 401, "This token is not valid here"},
		{"a token needs the scope", "PUT", api + "/new", b.body(header("x", "1.0.0")), []string{reader}, 403, "Use a token whose scope includes publish:cargo/local"},
		{"only owners publish", "PUT", api + "/new", b.body(header("hello", "1.0.1")), []string{stranger}, 403, "bob does not own hello"},
		{"other bytes under a version", "PUT", api + "/new", publication(t, requestFor(t, header("hello", "1.0.0")), other), []string{owner}, 409, "crate version `1.0.0` is already uploaded"},
		{"versions that differ in build metadata", "PUT", api + "/new", b.body(header("hello", "1.0.0+x")), []string{owner}, 409, "Build metadata alone does not make another version"},
		{"another spelling", "PUT", api + "/new", b.body(header("dash_ed", "1.0.1")), []string{owner}, 409, "The crate was previously named `dash-ed`"},
		{"another case", "PUT", api + "/new", b.body(header("Hello", "1.0.1")), []string{owner}, 409, "The crate was previously named `hello`"},
		{"a reserved name", "PUT", api + "/new", b.body(header("proc-macro", "1.0.0")), []string{owner}, 400, "[cargo/name-reserved]"},
		{"a name of 65 characters", "PUT", api + "/new", b.body(header(strings.Repeat("a", 65), "1.0.0")), []string{owner}, 400, "[cargo/name-length]"},
		{"a version that is none", "PUT", api + "/new", b.body(header("x", "1.0")), []string{owner}, 400, "[cargo/version-semver]"},
		{"metadata that is no JSON", "PUT", api + "/new", frame([]byte("{"), nil), []string{owner}, 400, "[cargo/publish-json]"},
		{"bytes after the crate", "PUT", api + "/new", b.body(header("x", "1.0.0")) + "!", []string{owner}, 400, "[cargo/publish-trailing]"},
		{"a request that ends early", "PUT", api + "/new", b.body(header("x", "1.0.0"))[:300], []string{owner}, 400, "[cargo/publish-truncated]"},
		{"a crate over the limit", "PUT", api + "/new", publication(t, requestFor(t, header("x", "1.0.0")), make([]byte, doortest.FileLimit+1)), []string{owner}, 413, fmt.Sprintf("max upload size is: %d", doortest.FileLimit)},
		{"metadata over 1 MiB", "PUT", api + "/new", frame(make([]byte, maxPublishJSON+1), nil), []string{owner}, 413, "[cargo/publish-json-size]"},
		{"no crate at all", "PUT", api + "/new", publication(t, requestFor(t, header("x", "1.0.0")), []byte("crate")), []string{owner}, 400, "[archive/gzip-stream]"},
		{"a dependency that is not here", "PUT", api + "/new", b.body(ownDep("nothere")), []string{owner}, 400, "The dependency nothere is not in cargo/local"},
		{"a dependency in another spelling", "PUT", api + "/new", b.body(ownDep("dash_ed")), []string{owner}, 400, "The dependency dash_ed is spelled dash-ed in cargo/local"},
		{"yanking needs a token", "DELETE", api + "/hello/1.0.0/yank", "", nil, 401, "You must authenticate to yank"},
		{"only owners yank", "DELETE", api + "/hello/1.0.0/yank", "", []string{stranger}, 403, "bob does not own hello"},
		{"only what is there is yanked", "DELETE", api + "/hello/9.0.0/yank", "", []string{owner}, 404, "hello has no version 9.0.0"},
		{"a version is yanked by its whole name", "DELETE", api + "/hello/1.0.0+x/yank", "", []string{owner}, 404, "It has 1.0.0."},
		{"no crate to yank", "DELETE", api + "/nope/1.0.0/yank", "", []string{owner}, 404, `no crate "nope"`},
		{"yank is DELETE", "PUT", api + "/hello/1.0.0/yank", "", []string{owner}, 404, "[cargo/api]"},
		{"no owners of nothing", "GET", api + "/nope/owners", "", nil, 404, `no crate "nope"`},
		{"only owners change owners", "PUT", api + "/hello/owners", `{"users":["bob"]}`, []string{stranger}, 403, "bob does not own hello"},
		{"an owner is an account", "PUT", api + "/hello/owners", `{"users":["carol"]}`, []string{owner}, 404, `There is no account named "carol" here`},
		{"owners are named", "PUT", api + "/hello/owners", `{"users":[]}`, []string{owner}, 400, "[cargo/owners-count]"},
		{"owners are JSON", "PUT", api + "/hello/owners", `bob`, []string{owner}, 400, "[cargo/owners-json]"},
		{"the last owner stays", "DELETE", api + "/hello/owners", `{"users":["alice"]}`, []string{owner}, 403, "hello would be left without an owner"},
		{"no other method on owners", "POST", api + "/hello/owners", `{}`, []string{owner}, 404, "[cargo/api]"},
		{"no other API", "GET", "/cargo/local/api/v1/summary", "", nil, 404, "[cargo/api]"},
		{"a search has a length", "GET", api + "?q=" + strings.Repeat("a", 257), "", nil, 400, "[cargo/search]"},
	} {
		t.Run(c.rule, func(t *testing.T) {
			a := b.Do(c.method, c.path, c.body, c.headers...)
			if a.Status != c.status {
				t.Errorf("status %d, want %d: %s", a.Status, c.status, a.Body)
			}
			if got := detail(t, a); !strings.Contains(got, c.says) {
				t.Errorf("says %q, want %q in it", got, c.says)
			}
			challenge := fmt.Sprintf(`Cargo login_url="%s/cargo/local/me"`, b.URL)
			if got := a.Header.Get("Www-Authenticate"); (c.status == 401) != (got == challenge) {
				t.Errorf("WWW-Authenticate %q", got)
			}
		})
	}
	if got := b.index("/cargo/local/he/ll/hello"); len(got) != 1 || got[0].Yanked {
		t.Errorf("refusals changed the crate: %+v", got)
	}
	if a := b.get("/cargo/local/1/x"); a.Status != http.StatusNotFound {
		t.Errorf("a refused crate is there: %s", a.Body)
	}
}

func TestTheSameBytesAgainAreASuccessThatSaysSo(t *testing.T) {
	b := newBench(t)
	body := b.body("[package]\nname = \"bare\"\nversion = \"1.0.0\"\n")
	first, second := b.put("local", body), b.put("main", body)
	for i, a := range []doortest.Answer{first, second} {
		var got struct{ Warnings struct{ Other []string } }
		if err := json.Unmarshal([]byte(a.Body), &got); err != nil || a.Status != http.StatusOK {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
		other := got.Warnings.Other
		if len(other) != 2+i || !strings.Contains(other[i], "no description") || !strings.Contains(other[1+i], "license") {
			t.Errorf("publish %d warns %q", i, other)
		}
		if i == 1 && !strings.Contains(other[0], "published here before, with the same bytes") {
			t.Errorf("the second publish says %q", other)
		}
	}
	if got := b.index("/cargo/local/ba/re/bare"); len(got) != 1 {
		t.Errorf("lines %+v", got)
	}
}

func TestADeletedVersionIsNeverUsedAgain(t *testing.T) {
	b := newBench(t)
	b.publish("hello", "1.0.0")
	b.publish("hello", "1.0.1")
	b.change(func(ctx context.Context, c *registry.Change, p *registry.Project) error {
		return c.DeleteRelease(ctx, p, "1.0.1", "a mistake")
	}, "hello")
	if got := b.index("/cargo/local/he/ll/hello"); len(got) != 1 {
		t.Errorf("lines %+v", got)
	}
	if a := b.put("local", b.body(header("hello", "1.0.1"))); a.Status != http.StatusConflict || !strings.Contains(detail(t, a), "never used twice") {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	b.change(func(ctx context.Context, c *registry.Change, p *registry.Project) error {
		return c.DeleteProject(ctx, p, "a mistake")
	}, "hello")
	if a := b.get("/cargo/local/he/ll/hello"); a.Status != http.StatusNotFound {
		t.Errorf("index of a deleted crate: %d %s", a.Status, a.Body)
	}
	if a := b.put("local", b.body(header("hello", "2.0.0"))); a.Status != http.StatusConflict || !strings.Contains(detail(t, a), "its name stays taken") {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

func TestAnEarlyEndLeavesNothing(t *testing.T) {
	b := newBench(t)
	whole := b.body(header("hello", "1.0.0"))
	for _, n := range []int{0, 3, 100, len(whole) - 1} {
		if a := b.put("local", whole[:n]); a.Status != http.StatusBadRequest {
			t.Errorf("%d bytes: %d %s", n, a.Status, a.Body)
		}
	}
	for table, want := range map[string]int{"project": 0, "release": 0, "file": 0, "blob": 0} {
		n, err := store.One(t.Context(), b.DB, store.Value[int], "select count(*) from "+table)
		if err != nil || n != want {
			t.Errorf("%s has %d rows, %v", table, n, err)
		}
	}
}

func TestOneVersionHasOneWinner(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, db *store.DB) {
		env := doortest.On(t, db, []registry.Format{NewFormat()}, doorsOf)
		b := &bench{env, t, env.Token("alice")}
		const n = 6
		var bodies []string
		for i := range n {
			bodies = append(bodies, b.body(fmt.Sprintf("%s# %d\n", header("race", "1.0.0"), i)))
		}
		answers := inParallel(n, func(i int) doortest.Answer { return b.put("local", bodies[i]) })
		won := 0
		for _, a := range answers {
			switch a.Status {
			case http.StatusOK:
				won++
			case http.StatusConflict:
				if got := detail(t, a); !strings.Contains(got, "crate version `1.0.0` is already uploaded") {
					t.Errorf("a loser reads %q", got)
				}
			default:
				t.Errorf("%d %s", a.Status, a.Body)
			}
		}
		if won != 1 || len(b.index("/cargo/local/ra/ce/race")) != 1 {
			t.Errorf("%d winners", won)
		}
	})
}

func TestDifferentVersionsAtOnceAreAllKept(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, db *store.DB) {
		env := doortest.On(t, db, []registry.Format{NewFormat()}, doorsOf)
		b := &bench{env, t, env.Token("alice")}
		const n = 12
		var bodies []string
		for i := range n {
			bodies = append(bodies, b.body(header("many", fmt.Sprintf("1.0.%d", i))))
		}
		for _, a := range inParallel(n, func(i int) doortest.Answer { return b.put("local", bodies[i]) }) {
			if a.Status != http.StatusOK {
				t.Errorf("%d %s", a.Status, a.Body)
			}
		}
		if got := len(b.index("/cargo/local/ma/ny/many")); got != n {
			t.Errorf("%d lines of %d", got, n)
		}
	})
}

// Two spellings of one new name, brought at once by two accounts: one spelling, one owner.
func TestOneNewNameHasOneSpellingAndOneOwner(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, db *store.DB) {
		env := doortest.On(t, db, []registry.Format{NewFormat()}, doorsOf)
		b := &bench{env, t, env.Token("alice")}
		for round := range 5 {
			names := []string{fmt.Sprintf("new-name%d", round), fmt.Sprintf("new_name%d", round)}
			bodies := []string{b.body(header(names[0], "1.0.0")), b.body(header(names[1], "1.0.1"))}
			tokens := []string{b.token, b.Token("bob")}
			answers := inParallel(2, func(i int) doortest.Answer {
				return b.Do(http.MethodPut, "/cargo/local/api/v1/crates/new", bodies[i], "Authorization: "+tokens[i])
			})
			statuses := []int{answers[0].Status, answers[1].Status}
			slices.Sort(statuses)
			if statuses[0] != http.StatusOK || (statuses[1] != http.StatusForbidden && statuses[1] != http.StatusConflict) {
				t.Errorf("round %d: %v %s %s", round, statuses, answers[0].Body, answers[1].Body)
			}
		}
	})
}

func inParallel(n int, f func(int) doortest.Answer) []doortest.Answer {
	out := make([]doortest.Answer, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { out[i] = f(i) })
	}
	wg.Wait()
	return out
}

func TestAHeldReleaseSaysSoToItsPublisher(t *testing.T) {
	got := remarks(&intake.Receipt{
		Name: registry.Name{Display: "hello"}, Version: registry.Version{Canonical: "1.0.0"},
		Verdict: registry.Verdict{Decision: registry.Hold, Rule: "policy/new-name", Reason: "New names wait for a day."},
	})
	if want := []string{"hello 1.0.0 is stored, and held back for now: New names wait for a day. [policy/new-name]"}; !slices.Equal(got, want) {
		t.Errorf("remarks %q", got)
	}
}
