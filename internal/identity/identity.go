// Package identity knows accounts: who people are. What they may do is access's business.
package identity

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"regexp"
	"strings"

	"bonded/internal/clock"
	"bonded/internal/errs"
	"bonded/internal/events"
	"bonded/internal/store"
)

// Account is a person or a service that owns projects and tokens.
type Account struct {
	ID    int64
	Name  string
	Email string
	Admin bool
	// Disabled accounts own what they own and may do nothing.
	Disabled bool
	// Pseudonym stands for the account in public events: an HMAC under a key of its own, whose destruction (account
	// erasure) makes it meaningless.
	Pseudonym string
}

// Accounts are all accounts of the instance.
type Accounts struct {
	db    *store.DB
	clock clock.Clock
}

// New opens the accounts of a database.
func New(db *store.DB, c clock.Clock) *Accounts { return &Accounts{db, c} }

var (
	accountName  = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9._-]{0,38}[a-z0-9])?$`)
	emailAddress = regexp.MustCompile(`^[^\s@<>"\\]{1,64}@[A-Za-z0-9.-]{1,253}$`)
)

// Add creates an account and returns it; errs.Conflict if the name is taken.
func (a *Accounts) Add(ctx context.Context, name, email string, admin bool) (*Account, error) {
	if !accountName.MatchString(name) {
		return nil, errs.New(errs.Invalid, "%q cannot name an account.", name).WithRule("identity/name").
			WithNext("Use 1 to 40 lower-case letters, digits, '.', '_' and '-', beginning and ending with a letter or digit.")
	}
	if !emailAddress.MatchString(email) {
		return nil, errs.New(errs.Invalid, "%q is not an e-mail address.", email).WithRule("identity/email")
	}
	err := a.db.InTx(ctx, func(tx *store.Tx) error {
		n, err := tx.Exec(ctx, `insert into account (name, email, admin, actor_key, created_at) values ($1,$2,$3,$4,$5) on conflict (name) do nothing`,
			name, email, admin, rand.Text(), clock.Millis(a.clock.Now()))
		if err != nil {
			return err
		}
		if n == 0 {
			return errs.New(errs.Conflict, "There is an account named %q already.", name).WithRule("identity/name-taken")
		}
		_, err = events.Append(ctx, tx, a.clock.Now(), events.Event{Kind: events.AccountCreated})
		return err
	})
	if err != nil {
		return nil, err
	}
	return a.ByName(ctx, name)
}

const columns = "id, name, email, admin, actor_key, disabled_at is not null"

func scan(s store.Scanner) (*Account, error) {
	var acc Account
	var key string
	if err := s.Scan(&acc.ID, &acc.Name, &acc.Email, &acc.Admin, &key, &acc.Disabled); err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, []byte(key))
	_, _ = mac.Write([]byte("bonded actor v1\n" + acc.Name))
	acc.Pseudonym = hex.EncodeToString(mac.Sum(nil)[:16])
	return &acc, nil
}

// ByName finds an account; errs.NotFound if there is none. Names are compared without case.
func (a *Accounts) ByName(ctx context.Context, name string) (*Account, error) {
	return a.one(ctx, "name = $1", strings.ToLower(name))
}

// ByID finds an account; errs.NotFound if there is none.
func (a *Accounts) ByID(ctx context.Context, id int64) (*Account, error) {
	return a.one(ctx, "id = $1", id)
}

func (a *Accounts) one(ctx context.Context, where string, arg any) (*Account, error) {
	acc, err := store.One(ctx, a.db, scan, "select "+columns+" from account where "+where, arg)
	if errors.Is(err, store.ErrNoRows) {
		return nil, errs.New(errs.NotFound, "There is no such account.").WithRule("identity/account")
	}
	return acc, err
}

// Disable ends or restores everything an account may do.
func (a *Accounts) Disable(ctx context.Context, name string, disabled bool) error {
	acc, err := a.ByName(ctx, name)
	if err != nil {
		return err
	}
	var at any
	if disabled {
		at = clock.Millis(a.clock.Now())
	}
	return a.db.InTx(ctx, func(tx *store.Tx) error {
		if _, err := tx.Exec(ctx, "update account set disabled_at = $1 where id = $2", at, acc.ID); err != nil {
			return err
		}
		_, err := events.Append(ctx, tx, a.clock.Now(), events.Event{Kind: events.AccountChanged, Actor: acc.Pseudonym})
		return err
	})
}

// List returns every account by name.
func (a *Accounts) List(ctx context.Context) ([]*Account, error) {
	return store.All(ctx, a.db, scan, "select "+columns+" from account order by name")
}
