package composer

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"bonded/internal/door/doortest"
	"bonded/internal/errs"
	"bonded/internal/registry"
)

// TestQuestionsOfTheClients replays what clients post (composer.md §5, §6, §7).
func TestQuestionsOfTheClients(t *testing.T) {
	h := open(t)
	h.published("", simple(t, "acme/lib", "1.0.0"))
	h.Repository(registry.Repository{Ecosystem: "composer", Name: "secret", Kind: registry.Hosted, Visibility: registry.Private})
	if a := h.put("/composer/secret/", simple(t, "hidden/lib", "1.0.0")); a.Status != http.StatusCreated {
		t.Fatal(a.Body)
	}
	form := "Content-Type: application/x-www-form-urlencoded"
	names := strings.Repeat("packages[]=a/b&", maxNames+1)
	for name, c := range map[string]struct {
		path, body, header string
		status             int
		want               string
	}{
		"audit of 2.5 to 2.11":          {"main/api/security-advisories/", "packages%5B0%5D=acme%2Flib&packages%5B1%5D=other%2Fthing", form, 200, `{"advisories":{"acme/lib":[]}}`},
		"audit without the slash":       {"main/api/security-advisories", "packages[]=acme/lib", form, 200, `{"advisories":{"acme/lib":[]}}`},
		"audit by purl":                 {"main/api/security-advisories/", "packages[]=pkg:composer/acme/lib@1.0.0", form, 200, `{"advisories":{"acme/lib":[]}}`},
		"audit of nothing here":         {"main/api/security-advisories/", "packages[]=x/y", form, 200, `{"advisories":{}}`},
		"audit of what is private":      {"secret/api/security-advisories/", "packages[]=hidden/lib", form, 200, `{"advisories":{}}`},
		"audit of no names":             {"main/api/security-advisories/", "", form, 400, "No packages were asked for"},
		"audit of too many":             {"main/api/security-advisories/", names, form, 413, "composer/question-names"},
		"audit too large":               {"main/api/security-advisories/", strings.Repeat("x", maxQuestion+1), form, 413, "composer/question-size"},
		"filter of 2.10 and later":      {"main/api/filter-lists", `{"packages":["pkg://composer/acme/lib"],"lists":["malware"]}`, "", 200, `{"filter":{"malware":[]}}`},
		"filter, private, no token":     {"secret/api/filter-lists", `{"packages":["pkg://composer/hidden/lib"],"lists":["malware"]}`, "", 200, `{"filter":{"malware":[]}}`},
		"filter of an unknown list":     {"main/api/filter-lists", `{"packages":[],"lists":["else"]}`, "", 200, `{"filter":{}}`},
		"filter that is no JSON":        {"main/api/filter-lists", `x`, "", 400, "composer/filter"},
		"notify-batch":                  {"main/downloads/", `{"downloads":[{"name":"acme/lib","version":"1.0.0.0"}]}`, "", 200, `"received":1`},
		"notify-batch of anything":      {"main/downloads/", `{"downloads":[{"name":"x/y","version":"9"},{"downloaded":true}]}`, "", 200, `"received":2`},
		"notify-batch that is no JSON":  {"main/downloads/", `[`, "", 400, "composer/notify"},
		"notify-batch too large":        {"main/downloads/", strings.Repeat(" ", maxQuestion+1), "", 413, "composer/question-size"},
		"notify-batch of a private one": {"secret/downloads/", `{"downloads":[]}`, "", 401, "You must authenticate"},
	} {
		headers := []string{}
		if c.header != "" {
			headers = append(headers, c.header)
		}
		a := h.Do(http.MethodPost, "/composer/"+c.path, c.body, headers...)
		if a.Status != c.status || !strings.Contains(a.Body, c.want) || !json.Valid([]byte(a.Body)) {
			t.Errorf("%s: %d %s", name, a.Status, a.Body)
		}
	}
	if got := h.body("/composer/main/api/security-advisories/?packages[]=acme/lib"); got != `{"advisories":{"acme/lib":[]}}` {
		t.Errorf("GET: %s", got)
	}
	if got := h.body("/composer/main/api/security-advisories/?updatedSince=1700000000"); got != `{"advisories":{}}` {
		t.Errorf("updatedSince: %s", got)
	}
	if got := h.Do(http.MethodPost, "/composer/secret/api/security-advisories/", "packages[]=hidden/lib", form, doortest.Bearer(h.token)); got.Body != `{"advisories":{"hidden/lib":[]}}` {
		t.Errorf("private, with the token: %s", got.Body)
	}
	if a := h.Do(http.MethodPost, "/composer/main/api/filter-lists", `{"packages":[`+strings.Repeat(`"a",`, maxNames)+`"a"],"lists":[]}`); a.Status != http.StatusRequestEntityTooLarge {
		t.Errorf("filter of too many: %d", a.Status)
	}
}

func TestSearchPages(t *testing.T) {
	h := open(t)
	for _, name := range []string{"acme/a", "acme/b", "acme/c"} {
		h.published("", simple(t, name, "1.0.0", "support", `{"source":"https://example.test/`+name+`"}`))
	}
	h.published("", simple(t, "acme/plugin", "1.0.0", "type", `"composer-plugin"`))
	first := h.body("/composer/main/search.json?q=acme&per_page=3")
	next := value(t, first, "next")
	if !strings.Contains(first, `"total":4`) || !strings.Contains(first, `"https://example.test/acme/a"`) || next == "" {
		t.Fatalf("first page: %s", first)
	}
	second := h.body(next)
	if !strings.Contains(second, `"acme/plugin"`) || strings.Contains(second, `"acme/a"`) || value(t, second, "next") != "" {
		t.Errorf("second page: %s", second)
	}
	if got := h.body("/composer/main/search.json?q=acme&type=composer-plugin"); !strings.Contains(got, `"total":1`) || !strings.Contains(got, `"acme/plugin"`) {
		t.Errorf("by type: %s", got)
	}
	if got := h.body("/composer/main/search.json?q=acme&type=library&page=2&per_page=2"); !strings.Contains(got, `"acme/c"`) || strings.Contains(got, `"acme/b"`) {
		t.Errorf("by type, second page: %s", got)
	}
	if got := h.body("/composer/main/search.json?q=acme&page=9999"); !strings.Contains(got, `"results":[]`) {
		t.Errorf("a page beyond the last: %s", got)
	}
	if a := h.get("/composer/main/search.json?q=" + strings.Repeat("x", maxQuery+1)); a.Status != http.StatusBadRequest {
		t.Errorf("a long search: %d", a.Status)
	}
}

func TestProvidersFollowTheNewestVersion(t *testing.T) {
	h := open(t)
	h.published("", simple(t, "acme/log", "1.0.0", "provide", `{"psr/log-implementation":"1.0"}`, "type", `"library"`))
	want := `{"providers":[{"name":"acme/log","description":"About acme/log","type":"library"}]}`
	if got := h.body("/composer/main/providers/psr/log-implementation.json"); got != want {
		t.Errorf("got %s", got)
	}
	h.published("", simple(t, "acme/log", "1.1.0"))
	if got := h.body("/composer/main/providers/psr/log-implementation.json"); got != `{"providers":[]}` {
		t.Errorf("after a version that provides nothing: %s", got)
	}
}

// changes reads the feed of changed metadata as mirrors do (composer.md §10).
func changes(t *testing.T, a doortest.Answer) (timestamp string, actions string) {
	t.Helper()
	o, err := parseObject([]byte(a.Body))
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range o.list("actions") {
		action, err := split(e)
		if err != nil || string(action.get("time")) == "" {
			t.Fatalf("%v in %s", err, a.Body)
		}
		all = append(all, action.text("type")+" "+action.text("package"))
	}
	return string(o.get("timestamp")), strings.Join(all, ", ")
}

func TestMirrorsLearnWhatChanged(t *testing.T) {
	h := open(t)
	a := h.get("/composer/main/metadata/changes.json")
	start, _ := changes(t, a)
	if a.Status != http.StatusBadRequest || start == "" {
		t.Fatalf("without since: %d %s", a.Status, a.Body)
	}
	since := func(timestamp string) (string, string) {
		t.Helper()
		return changes(t, h.get("/composer/main/metadata/changes.json?since="+timestamp))
	}
	if next, actions := since(start); actions != "" || next != start {
		t.Errorf("nothing happened: %s %s", next, actions)
	}
	h.published("", simple(t, "acme/lib", "1.0.0"))
	h.published("", simple(t, "acme/lib", "1.1.0"))
	h.published("?version=dev-main", simple(t, "acme/other", ""))
	next, actions := since(start)
	if actions != "update acme/lib, update acme/lib~dev, update acme/other, update acme/other~dev" {
		t.Errorf("after publishes: %s", actions)
	}
	h.published("?version=dev-main", simple(t, "acme/other", "", "description", `"x"`))
	h.change("acme/lib", func(c *registry.Change, p *registry.Project) error { return c.Yank(t.Context(), p, "1.0.0.0", "") })
	next, actions = since(next)
	if actions != "update acme/other~dev, update acme/lib" {
		t.Errorf("after a branch and a yank: %s", actions)
	}
	h.change("acme/lib", func(c *registry.Change, p *registry.Project) error { return c.DeleteProject(t.Context(), p, "") })
	if _, actions = since(next); actions != "delete acme/lib, delete acme/lib~dev" {
		t.Errorf("after a deletion: %s", actions)
	}
	if _, actions = since("17000000000000000"); actions != "resync *" {
		t.Errorf("another server's timestamp: %s", actions)
	}
	h.Repository(registry.Repository{Ecosystem: "composer", Name: "more", Kind: registry.Hosted, Visibility: registry.Anonymous})
	if err := h.House.Registry.UpdateRepository(t.Context(), registry.Actor{}, "composer", "main", []string{"local", "more"}, func(*registry.Repository) {}); err != nil {
		t.Fatal(err)
	}
	if _, actions = since(next); actions != "resync *" {
		t.Errorf("after the group's members changed: %s", actions)
	}
}

func TestWaitsAreThoseThatClientsAccept(t *testing.T) {
	d := open(t).House
	for wait, want := range map[time.Duration]string{time.Hour: "60", 60 * time.Second: "60", 7 * time.Second: "7"} {
		e := errs.New(errs.RateLimited, "Too many requests.")
		e.RetryAfter = wait
		w := httptest.NewRecorder()
		NewDoor(d).Refuse(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/composer/main/packages.json", nil), e)
		if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != want {
			t.Errorf("%s: %d, Retry-After %q", wait, w.Code, w.Header().Get("Retry-After"))
		}
	}
}
