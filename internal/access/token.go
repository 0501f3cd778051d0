package access

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"math/big"
	"strings"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"

	"bonded/internal/clock"
	"bonded/internal/errs"
	"bonded/internal/events"
	"bonded/internal/identity"
	"bonded/internal/store"
)

// TokenType is the letter after "bond" that says what sort of identity a token stands for.
type TokenType byte

// The types of token.
const (
	UserToken      TokenType = 'u'
	PublisherToken TokenType = 'p'
	InstanceToken  TokenType = 'i'
)

const (
	base62       = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	secretLength = 30
	sumLength    = 6
	tokenLength  = len("bondu_") + secretLength + sumLength
)

// NewSecret makes a token of a type: "bond" + type + "_" + 30 base62 characters + their CRC-32 in 6 base62 characters
// (design §7). It has no '-' or '.', so that a double click selects it whole.
func NewSecret(t TokenType) string {
	var b strings.Builder
	for range secretLength {
		n, err := rand.Int(rand.Reader, big.NewInt(int64(len(base62))))
		if err != nil {
			panic(err) // crypto/rand does not fail on a working system; a weak token must never be made
		}
		b.WriteByte(base62[n.Int64()])
	}
	return "bond" + string(t) + "_" + b.String() + checksum(b.String())
}

// checksum is the CRC-32 (IEEE) of s in 6 base62 digits, most significant first.
func checksum(s string) string {
	n := crc32.ChecksumIEEE([]byte(s))
	var out [sumLength]byte
	for i := sumLength - 1; i >= 0; i-- {
		out[i] = base62[n%62]
		n /= 62
	}
	return string(out[:])
}

// WellFormed reports whether s has the shape and the checksum of a token. It is checked before any look-up, so that typing
// errors and floods of garbage cost nothing.
func WellFormed(s string) bool {
	if len(s) != tokenLength || !strings.HasPrefix(s, "bond") || s[5] != '_' || !strings.ContainsRune("upi", rune(s[4])) {
		return false
	}
	secret := s[6 : 6+secretLength]
	return s[6+secretLength:] == checksum(secret)
}

func hashOf(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// Token is a token as it may be shown: never the secret.
type Token struct {
	ID        int64
	AccountID int64
	Label     string
	// Hint is the first characters of the secret, for telling tokens apart.
	Hint    string
	Scopes  []Scope
	Vouched bool
	Created time.Time
	Expires time.Time // zero = never
	Revoked bool
}

// Gate is the door-keeper: it knows tokens and answers May.
type Gate struct {
	db            *store.DB
	accounts      *identity.Accounts
	clock         clock.Clock
	anonymousRead bool
	cache         *otter.Cache[holderKey, *holder]
	feed          *events.Feed
	// epoch moves with every event about a token or an account. It is part of the cache's key, so that a look-up that was
	// under way when a token was revoked cannot bring the old answer back.
	epoch atomic.Int64
}

// holderKey names what a secret's hash resolved to in one epoch.
type holderKey struct {
	hash  string
	epoch int64
}

// holder is what a secret's hash resolves to; nil account for an unknown one.
type holder struct {
	token   *Token
	account *identity.Account
}

// Options are what a Gate is made of.
type Options struct {
	DB       *store.DB
	Feed     *events.Feed
	Accounts *identity.Accounts
	Clock    clock.Clock
	// AnonymousRead lets anonymous repositories be read without an account.
	AnonymousRead bool
}

// NewGate opens the gate.
func NewGate(o Options) *Gate {
	g := &Gate{db: o.DB, accounts: o.Accounts, clock: o.Clock, anonymousRead: o.AnonymousRead, feed: o.Feed}
	g.cache = otter.Must(&otter.Options[holderKey, *holder]{
		MaximumSize:      20_000,
		ExpiryCalculator: otter.ExpiryWriting[holderKey, *holder](time.Minute),
	})
	o.Feed.Subscribe(func(e events.Event) {
		switch e.Kind {
		case events.TokenCreated, events.TokenRevoked, events.AccountCreated, events.AccountChanged:
			g.epoch.Add(1)
		default:
		}
	})
	return g
}

// Credential is what a client sent; each door reads it the way its clients send it.
type Credential struct {
	// Secret is the token; empty when nothing was sent.
	Secret string
}

// Authenticate says who presents the credential. No credential is the anonymous principal; one that is malformed, unknown,
// expired, revoked or of a disabled account is errs.Unauthenticated, with one sentence for all.
func (g *Gate) Authenticate(ctx context.Context, c Credential) (Principal, error) {
	if c.Secret == "" {
		return Anonymous(), nil
	}
	if !WellFormed(c.Secret) {
		return Principal{}, refused()
	}
	hash := hashOf(c.Secret)
	h, err := g.holder(ctx, hash)
	if err != nil {
		return Principal{}, err
	}
	now := g.clock.Now()
	if h.account == nil || h.token.Revoked || h.account.Disabled || (!h.token.Expires.IsZero() && !now.Before(h.token.Expires)) {
		return Principal{}, refused()
	}
	return Principal{
		Kind: KindToken, AccountID: h.account.ID, Name: h.account.Name, Email: h.account.Email, Administrator: h.account.Admin,
		TokenID: h.token.ID, Scopes: h.token.Scopes, Pseudonym: h.account.Pseudonym,
	}, nil
}

func refused() *errs.Error {
	return errs.New(errs.Unauthenticated, "This token is not valid here: it is unknown, expired or revoked.").WithRule("access/token").
		WithNext("Make a new one and store it in your client's configuration.")
}

func (g *Gate) holder(ctx context.Context, hash string) (*holder, error) {
	key := holderKey{hash, g.epoch.Load()}
	if g.feed.Fresh() {
		return g.cache.Get(context.WithoutCancel(ctx), key, otter.LoaderFunc[holderKey, *holder](g.load))
	}
	h, err := g.load(ctx, key)
	if err != nil {
		if cached, ok := g.cache.GetIfPresent(key); ok && g.feed.Lag() <= events.ServeWithoutStore {
			return cached, nil
		}
	}
	return h, err
}

const tokenColumns = "id, account_id, label, hint, scopes, vouched, created_at, coalesce(expires_at, 0), revoked_at is not null"

func scanToken(s store.Scanner) (*Token, error) {
	var t Token
	var scopes string
	var created, expires int64
	if err := s.Scan(&t.ID, &t.AccountID, &t.Label, &t.Hint, &scopes, &t.Vouched, &created, &expires, &t.Revoked); err != nil {
		return nil, err
	}
	for text := range strings.FieldsSeq(scopes) {
		scope, err := ParseScope(text)
		if err != nil {
			return nil, err
		}
		t.Scopes = append(t.Scopes, scope)
	}
	t.Created = clock.FromMillis(created)
	if expires != 0 {
		t.Expires = clock.FromMillis(expires)
	}
	return &t, nil
}

func (g *Gate) load(ctx context.Context, key holderKey) (*holder, error) {
	t, err := store.One(ctx, g.db, scanToken, "select "+tokenColumns+" from token where hash = $1", key.hash)
	if errors.Is(err, store.ErrNoRows) {
		return &holder{}, nil
	}
	if err != nil {
		return nil, errs.New(errs.Unavailable, "The database does not answer.").Because(err)
	}
	acc, err := g.accounts.ByID(ctx, t.AccountID)
	if err != nil {
		return nil, err
	}
	return &holder{t, acc}, nil
}

// NewToken describes a token to be made.
type NewToken struct {
	AccountID int64
	Type      TokenType
	Label     string
	Scopes    []Scope
	// Expires is when it dies; zero = never.
	Expires time.Time
	// Vouched marks a token made by someone with access to the data folder: it works without a second factor.
	Vouched bool
}

// CreateToken makes a token and returns its secret, which is not stored and cannot be shown again.
func (g *Gate) CreateToken(ctx context.Context, n NewToken) (secret string, t *Token, err error) {
	if len(n.Scopes) == 0 {
		return "", nil, errs.New(errs.Invalid, "A token needs at least one scope.").WithRule("access/no-scope")
	}
	secret = NewSecret(n.Type)
	texts := make([]string, len(n.Scopes))
	for i, s := range n.Scopes {
		texts[i] = s.String()
	}
	var expires any
	if !n.Expires.IsZero() {
		expires = clock.Millis(n.Expires)
	}
	err = g.db.InTx(ctx, func(tx *store.Tx) error {
		t, err = store.One(ctx, tx, scanToken, `insert into token (account_id, hash, hint, label, scopes, vouched, created_at, expires_at)
			values ($1,$2,$3,$4,$5,$6,$7,$8) returning `+tokenColumns,
			n.AccountID, hashOf(secret), secret[:10], n.Label, strings.Join(texts, " "), n.Vouched, clock.Millis(g.clock.Now()), expires)
		if err != nil {
			return err
		}
		_, err = events.Append(ctx, tx, g.clock.Now(), events.Event{Kind: events.TokenCreated})
		return err
	})
	return secret, t, err
}

// RevokeToken ends a token at once.
func (g *Gate) RevokeToken(ctx context.Context, id int64) error {
	var last int64
	err := g.db.InTx(ctx, func(tx *store.Tx) error {
		n, err := tx.Exec(ctx, "update token set revoked_at = $1 where id = $2 and revoked_at is null", clock.Millis(g.clock.Now()), id)
		if err != nil {
			return err
		}
		if n == 0 {
			return errs.New(errs.NotFound, "There is no live token with the number %d.", id).WithRule("access/token")
		}
		last, err = events.Append(ctx, tx, g.clock.Now(), events.Event{Kind: events.TokenRevoked})
		return err
	})
	if err != nil {
		return err
	}
	return g.feed.SyncTo(ctx, last)
}

// Tokens lists an account's tokens, newest first.
func (g *Gate) Tokens(ctx context.Context, accountID int64) ([]*Token, error) {
	return store.All(ctx, g.db, scanToken, "select "+tokenColumns+" from token where account_id = $1 order by id desc", accountID)
}
