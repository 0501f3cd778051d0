// Package doortest opens a whole house on SQLite, behind a loopback server, for tests of doors.
package doortest

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bonded/internal/access"
	"bonded/internal/blob"
	"bonded/internal/door"
	"bonded/internal/errs"
	"bonded/internal/events"
	"bonded/internal/identity"
	"bonded/internal/intake"
	"bonded/internal/registry"
	"bonded/internal/request"
	"bonded/internal/store"
	"bonded/internal/store/storetest"
	"bonded/internal/usage"
)

// FileLimit is the profile's file limit in the house that New opens: small, so that tests can pass it cheaply.
const FileLimit = 8 << 20

// Clock is the machine's time plus what Advance added.
type Clock struct{ ahead atomic.Int64 }

// Now implements clock.Clock.
func (c *Clock) Now() time.Time { return time.Now().UTC().Add(time.Duration(c.ahead.Load())) }

// Advance moves the clock forwards.
func (c *Clock) Advance(d time.Duration) { c.ahead.Add(int64(d)) }

// Env is an open house with its doors.
type Env struct {
	// URL is the public URL, without a trailing slash.
	URL   string
	House *door.House
	DB    *store.DB
	Clock *Clock
	t     testing.TB
}

// New opens a house with the formats' hosted "local" and group "main" repositories, anonymously readable, and serves the
// doors until the test ends.
func New(t testing.TB, formats []registry.Format, doors func(*door.House) []door.Door) *Env {
	t.Helper()
	return On(t, storetest.SQLite(t), formats, doors)
}

// On is New over a database of the caller's, so that one test can run on both engines.
func On(t testing.TB, db *store.DB, formats []registry.Format, doors func(*door.House) []door.Door) *Env {
	t.Helper()
	ctx, log, clk := t.Context(), slog.New(slog.NewTextHandler(t.Output(), nil)), &Clock{}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	blobs, err := blob.OpenDir(filepath.Join(t.TempDir(), "blobs"))
	must(err)
	t.Cleanup(func() { _ = blobs.Close() })
	feed, err := events.NewFeed(ctx, db, clk, log)
	must(err)
	reg, err := registry.New(ctx, registry.Options{DB: db, Feed: feed, Blobs: blobs, Clock: clk, Formats: formats})
	must(err)
	must(reg.Bootstrap(ctx))
	accounts := identity.New(db, clk)
	gate := access.NewGate(access.Options{DB: db, Feed: feed, Accounts: accounts, Clock: clk, AnonymousRead: true})
	line := intake.New(intake.Options{Registry: reg, Blobs: blobs, Gate: gate, Clock: clk, Log: log, FileLimit: FileLimit})
	house := &door.House{
		Registry: reg, Intake: line, Gate: gate, Accounts: accounts, Blobs: blobs, Usage: usage.New(db, clk, log),
		Documents: door.NewDocuments(64<<20, clk), Clock: clk, Log: log,
	}
	follow(t, feed)
	mux := door.NewMux(house, doors(house)...)
	var srv *httptest.Server
	srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := request.With(r.Context(), &request.Facts{ID: "test", BaseURL: srv.URL})
		mux.ServeHTTP(w, r.WithContext(c))
	}))
	t.Cleanup(srv.Close)
	return &Env{URL: srv.URL, House: house, DB: db, Clock: clk, t: t}
}

// follow polls the feed, as a server does, until the test ends.
func follow(t testing.TB, feed *events.Feed) {
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { feed.Run(ctx) })
	t.Cleanup(func() { stop(); wg.Wait() })
}

// Token makes a token for the account, which is made when it does not exist; no scopes means all of them.
func (e *Env) Token(account string, scopes ...string) string {
	e.t.Helper()
	ctx := e.t.Context()
	acc, err := e.House.Accounts.ByName(ctx, account)
	if errs.Is(err, errs.NotFound) {
		acc, err = e.House.Accounts.Add(ctx, account, account+"@example.test", false)
	}
	if err != nil {
		e.t.Fatal(err)
	}
	if len(scopes) == 0 {
		scopes = []string{"*"}
	}
	parsed := make([]access.Scope, 0, len(scopes))
	for _, text := range scopes {
		s, err := access.ParseScope(text)
		if err != nil {
			e.t.Fatal(err)
		}
		parsed = append(parsed, s)
	}
	secret, _, err := e.House.Gate.CreateToken(ctx, access.NewToken{AccountID: acc.ID, Type: access.UserToken, Label: "test", Scopes: parsed, Vouched: true})
	if err != nil {
		e.t.Fatal(err)
	}
	return secret
}

// Repository makes a further repository; members only for a group.
func (e *Env) Repository(repo registry.Repository, members ...string) {
	e.t.Helper()
	if err := e.House.Registry.CreateRepository(e.t.Context(), registry.Actor{}, repo, members); err != nil {
		e.t.Fatal(err)
	}
}

// Settings edits a repository's settings or visibility.
func (e *Env) Settings(ecosystem, name string, edit func(*registry.Repository)) {
	e.t.Helper()
	if err := e.House.Registry.UpdateRepository(e.t.Context(), registry.Actor{}, ecosystem, name, nil, edit); err != nil {
		e.t.Fatal(err)
	}
}

// Answer is a response, read whole.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// Do sends one request, following no redirect; path is taken as written below URL. Headers are "Name: value" lines.
func (e *Env) Do(method, path, body string, headers ...string) Answer {
	e.t.Helper()
	r, err := http.NewRequestWithContext(e.t.Context(), method, e.URL+path, strings.NewReader(body))
	if err != nil {
		e.t.Fatal(err)
	}
	if body == "" {
		r.Body, r.ContentLength = nil, 0
	}
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ":")
		r.Header.Add(name, strings.TrimSpace(value))
	}
	client := &http.Client{
		Transport:     &http.Transport{DisableCompression: true, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	res, err := client.Do(r)
	if err != nil {
		e.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		e.t.Fatal(err)
	}
	return Answer{Status: res.StatusCode, Header: res.Header, Body: string(b)}
}

// Bearer is the Authorization line for a token.
func Bearer(token string) string { return "Authorization: Bearer " + token }
