package config

import (
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
)

// Mask is what is printed in place of a secret.
const Mask = "********"

// Secret is a value that prints as [Mask] through every formatting verb, encoder and logger. It is kept behind a
// function so that even reflection over an enclosing struct finds no text.
type Secret struct{ reveal func() string }

// NewSecret hides s.
func NewSecret(s string) Secret {
	if s == "" {
		return Secret{}
	}
	return Secret{reveal: func() string { return s }}
}

// Reveal returns the secret itself, for the one call that needs it.
func (s Secret) Reveal() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal()
}

// Empty reports whether no secret is set.
func (s Secret) Empty() bool { return s.reveal == nil }

// String returns the mask, or nothing when no secret is set.
func (s Secret) String() string {
	if s.Empty() {
		return ""
	}
	return Mask
}

// Format prints the mask whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// MarshalText writes the mask into JSON, YAML and text.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue logs the mask.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// URL is a location that may hold a password; it prints with the password masked.
type URL struct{ reveal func() string }

// NewURL keeps raw, which is a URL or a path.
func NewURL(raw string) URL {
	if raw == "" {
		return URL{}
	}
	return URL{reveal: func() string { return raw }}
}

// Reveal returns the URL with its password.
func (u URL) Reveal() string {
	if u.reveal == nil {
		return ""
	}
	return u.reveal()
}

// Empty reports whether no URL is set.
func (u URL) Empty() bool { return u.reveal == nil }

// String returns the URL with its password masked.
func (u URL) String() string { return MaskURL(u.Reveal()) }

// Format prints the masked URL whatever the verb.
func (u URL) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(u.String())) }

// MarshalText writes the masked URL into JSON, YAML and text.
func (u URL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// LogValue logs the masked URL.
func (u URL) LogValue() slog.Value { return slog.StringValue(u.String()) }

// MaskURL returns raw with the password of its user part and any secret parameter masked. What looks like a URL and
// cannot be parsed is masked whole, because nobody can tell where its password is.
func MaskURL(raw string) string {
	if !holdsPassword(raw) {
		return raw
	}
	u, err := url.Parse(raw)
	if err != nil {
		return Mask
	}
	if _, has := u.User.Password(); has {
		u.User = url.UserPassword(u.User.Username(), Mask)
	}
	q := u.Query()
	for k := range q {
		if secretParameter(k) {
			q.Set(k, Mask)
		}
	}
	u.RawQuery = q.Encode()
	return strings.ReplaceAll(u.String(), url.QueryEscape(Mask), Mask)
}

// holdsPassword reports whether raw, a URL, carries a password in its user part or in a parameter, or looks as if it
// did and cannot be parsed.
func holdsPassword(raw string) bool {
	if !strings.Contains(raw, "://") {
		return slices.ContainsFunc(strings.Fields(raw), func(kv string) bool { // libpq's key=value form
			k, _, found := strings.Cut(kv, "=")
			return found && secretParameter(k)
		})
	}
	u, err := url.Parse(raw)
	if err != nil {
		return strings.Contains(raw, "@") || strings.Contains(raw, "?")
	}
	if _, has := u.User.Password(); has {
		return true
	}
	for k := range u.Query() {
		if secretParameter(k) {
			return true
		}
	}
	return false
}

func secretParameter(key string) bool {
	key = strings.ToLower(key)
	for _, word := range []string{"password", "passwd", "secret", "token", "credential", "access-key", "access_key", "accesskey"} {
		if strings.Contains(key, word) {
			return true
		}
	}
	return false
}
