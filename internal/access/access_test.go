package access_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"bonded/internal/access"
	"bonded/internal/errs"
	"bonded/internal/events"
	"bonded/internal/identity"
	"bonded/internal/store"
	"bonded/internal/store/storetest"
)

type clockAt struct{ t time.Time }

func (c *clockAt) Now() time.Time { return c.t }

type env struct {
	gate     *access.Gate
	accounts *identity.Accounts
	feed     *events.Feed
	clock    *clockAt
}

func open(t *testing.T, db *store.DB, anonymousRead bool) *env {
	t.Helper()
	e := &env{clock: &clockAt{time.Now().UTC()}}
	feed, err := events.NewFeed(t.Context(), db, e.clock, slog.New(slog.DiscardHandler))
	must(t, err)
	e.feed, e.accounts = feed, identity.New(db, e.clock)
	e.gate = access.NewGate(access.Options{DB: db, Feed: feed, Accounts: e.accounts, Clock: e.clock, AnonymousRead: anonymousRead})
	return e
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (e *env) token(t *testing.T, name string, admin bool, expires time.Time, scopes ...string) (string, *access.Token) {
	t.Helper()
	acc, err := e.accounts.ByName(t.Context(), name)
	if errs.Is(err, errs.NotFound) {
		acc, err = e.accounts.Add(t.Context(), name, name+"@example.test", admin)
	}
	must(t, err)
	n := access.NewToken{AccountID: acc.ID, Type: access.UserToken, Expires: expires}
	for _, text := range scopes {
		s, err := access.ParseScope(text)
		must(t, err)
		n.Scopes = append(n.Scopes, s)
	}
	secret, tok, err := e.gate.CreateToken(t.Context(), n)
	must(t, err)
	return secret, tok
}

func TestTokenShapeIsTheDesigns(t *testing.T) {
	for _, kind := range []access.TokenType{access.UserToken, access.PublisherToken, access.InstanceToken} {
		s := access.NewSecret(kind)
		if len(s) != 42 || s[:4] != "bond" || s[4] != byte(kind) || s[5] != '_' || !access.WellFormed(s) || strings.ContainsAny(s[6:], "-._") {
			t.Errorf("token %q", s)
		}
		for i := range s {
			broken := []byte(s)
			broken[i] ^= 1
			if access.WellFormed(string(broken)) {
				t.Errorf("changing character %d of %q still passes the checksum", i, s)
			}
		}
	}
	// A fixed vector, so that scanners elsewhere can be built from the description alone.
	if !access.WellFormed("bondu_0000000000000000000000000000002C8GjS") {
		t.Error("the vector computed by another implementation is refused")
	}
}

func TestUnknownExpiredRevokedAndDisabledTokensGetOneAnswer(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, db *store.DB) {
		e := open(t, db, true)
		good, tok := e.token(t, "alice", false, e.clock.t.Add(time.Hour), "*")
		authenticate := func(secret string) error {
			_, err := e.gate.Authenticate(t.Context(), access.Credential{Secret: secret})
			return err
		}
		must(t, authenticate(good))
		want := authenticate(access.NewSecret(access.UserToken)).Error()
		if got := authenticate("bondu_garbage").Error(); got != want {
			t.Errorf("malformed: %s", got)
		}
		e.clock.t = e.clock.t.Add(time.Hour)
		must(t, e.feed.SyncTo(t.Context(), 1<<60))
		if err := authenticate(good); err == nil || err.Error() != want {
			t.Errorf("expired: %v", err)
		}
		forever, _ := e.token(t, "alice", false, time.Time{}, "*")
		must(t, authenticate(forever))
		must(t, e.accounts.Disable(t.Context(), "alice", true))
		must(t, e.feed.SyncTo(t.Context(), 1<<60))
		if err := authenticate(forever); err == nil || err.Error() != want {
			t.Errorf("of a disabled account: %v", err)
		}
		must(t, e.accounts.Disable(t.Context(), "alice", false))
		must(t, e.feed.SyncTo(t.Context(), 1<<60))
		must(t, authenticate(forever))
		all, err := e.gate.Tokens(t.Context(), tok.AccountID)
		must(t, err)
		must(t, e.gate.RevokeToken(t.Context(), all[0].ID))
		if err := authenticate(forever); err == nil || err.Error() != want {
			t.Errorf("revoked: %v", err)
		}
		if err := e.gate.RevokeToken(t.Context(), all[0].ID); !errs.Is(err, errs.NotFound) {
			t.Errorf("revoking twice: %v", err)
		}
	})
}

func TestSecretIsNotStored(t *testing.T) {
	db := storetest.SQLite(t)
	e := open(t, db, true)
	secret, _ := e.token(t, "alice", false, time.Time{}, "*")
	var dump strings.Builder
	for _, table := range store.Tables() {
		_, err := store.Dump(t.Context(), db, table, &dump)
		must(t, err)
	}
	if strings.Contains(dump.String(), secret[6:]) || strings.Contains(dump.String(), secret[10:36]) {
		t.Fatal("the secret is in the database")
	}
}

// TestWhoMayDoWhat is the permission matrix.
func TestWhoMayDoWhat(t *testing.T) {
	e := open(t, storetest.SQLite(t), true)
	principal := func(name string, admin bool, scopes ...string) access.Principal {
		secret, _ := e.token(t, name, admin, time.Time{}, scopes...)
		p, err := e.gate.Authenticate(t.Context(), access.Credential{Secret: secret})
		must(t, err)
		return p
	}
	all := principal("alice", false, "*")
	narrow := principal("alice", false, "publish:npm/local:@acme/*")
	reader := principal("alice", false, "read")
	stranger := principal("bob", false, "*")
	root := principal("root", true, "*")
	open := access.Resource{Repository: "npm/local", Visibility: "anonymous"}
	private := access.Resource{Repository: "npm/secret", Visibility: "private"}
	owned := func(name string) access.Resource {
		r := open
		r.Project, r.Exists, r.Owners = name, true, []int64{all.AccountID}
		return r
	}
	fresh := func(name string) access.Resource { r := open; r.Project = name; return r }
	cases := []struct {
		rule string
		p    access.Principal
		a    access.Action
		r    access.Resource
		want errs.Kind // 0 with ok
		ok   bool
	}{
		{"anyone reads an open repository", access.Anonymous(), access.Read, open, 0, true},
		{"nobody reads a private one without a token", access.Anonymous(), access.Read, private, errs.Unauthenticated, false},
		{"nobody writes without a token", access.Anonymous(), access.Publish, open, errs.Unauthenticated, false},
		{"an owner publishes", all, access.Publish, owned("@acme/x"), 0, true},
		{"a stranger does not", stranger, access.Publish, owned("@acme/x"), errs.Forbidden, false},
		{"a stranger makes a new project", stranger, access.Publish, fresh("new"), 0, true},
		{"a stranger does not yank", stranger, access.Yank, owned("@acme/x"), errs.Forbidden, false},
		{"an administrator may", root, access.Yank, owned("@acme/x"), 0, true},
		{"a narrow token publishes in its scope", narrow, access.Publish, owned("@acme/x"), 0, true},
		{"and nowhere else", narrow, access.Publish, owned("other"), errs.Forbidden, false},
		{"nor yanks in it", narrow, access.Yank, owned("@acme/x"), errs.Forbidden, false},
		{"but reads what everyone reads", narrow, access.Read, open, 0, true},
		{"and not what is private", narrow, access.Read, private, errs.Forbidden, false},
		{"a reader reads what is private", reader, access.Read, private, 0, true},
		{"a reader does not publish", reader, access.Publish, owned("@acme/x"), errs.Forbidden, false},
		{"an account does not administer", all, access.Admin, access.Resource{}, errs.Forbidden, false},
		{"an administrator does", root, access.Admin, access.Resource{}, 0, true},
		{"the system may everything", access.System(), access.Delete, owned("x"), 0, true},
	}
	for _, c := range cases {
		t.Run(c.rule, func(t *testing.T) {
			err := e.gate.May(c.p, c.a, c.r)
			if c.ok != (err == nil) || (!c.ok && errs.KindOf(err) != c.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestAnonymousReadIsTheInstancesSwitch(t *testing.T) {
	e := open(t, storetest.SQLite(t), false)
	err := e.gate.May(access.Anonymous(), access.Read, access.Resource{Repository: "npm/local", Visibility: "anonymous"})
	if !errs.Is(err, errs.Unauthenticated) {
		t.Fatalf("with the switch off: %v", err)
	}
}

func TestScopeSyntax(t *testing.T) {
	good := []string{"read", "*", "read,publish", "publish:npm/local", "publish:npm/local:@acme/*", "yank:maven/*:org.acme:lib", "read:*/main"}
	for _, text := range good {
		s, err := access.ParseScope(text)
		if err != nil || s.String() != text {
			t.Errorf("%q: %v, %v", text, s, err)
		}
	}
	for _, text := range []string{"", "fly", "read,", "read:npm", "read:/x", "read:npm/", "publish:npm/local:", "publish:npm/local:a*b", "publish:npm/local:**"} {
		if _, err := access.ParseScope(text); !errs.Is(err, errs.Invalid) {
			t.Errorf("%q was accepted", text)
		}
	}
}

func FuzzParseScope(f *testing.F) {
	f.Add("read,publish:npm/local:@acme/*")
	f.Add("*")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := access.ParseScope(text)
		if err != nil {
			return
		}
		again, err := access.ParseScope(s.String())
		if err != nil || again.String() != s.String() {
			t.Fatalf("%q became %q: %v", text, s, err)
		}
	})
}

func FuzzWellFormed(f *testing.F) {
	f.Add(access.NewSecret(access.UserToken))
	f.Add("bondu_")
	f.Fuzz(func(t *testing.T, s string) {
		if access.WellFormed(s) && len(s) != 42 {
			t.Fatalf("%q", s)
		}
	})
}
