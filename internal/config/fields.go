package config

import (
	"fmt"
	"math"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The groups of verbs that share flags.
const (
	// Common is bound by every verb that touches data.
	Common = "common"
	// Serve is bound, beside Common, by bonded serve.
	Serve = "serve"
)

// field is one setting, read from the tags of [Config].
type field struct {
	name     string
	index    int
	group    string
	doc      string
	outbound string
	oneof    []string
	env      []string
	defaults map[string]string // by profile; "" is the built-in default
	kind     reflect.Type
}

var (
	secretType   = reflect.TypeFor[Secret]()
	urlType      = reflect.TypeFor[URL]()
	fields       = readFields()
	fieldsByName = func() map[string]*field {
		m := make(map[string]*field, len(fields))
		for _, f := range fields {
			m[f.name] = f
		}
		return m
	}()
)

func readFields() []*field {
	var out []*field
	t := reflect.TypeFor[Config]()
	for i := range t.NumField() {
		sf := t.Field(i)
		if !sf.IsExported() {
			continue
		}
		f := &field{
			name: sf.Tag.Get("name"), index: i, group: sf.Tag.Get("verbs"), doc: sf.Tag.Get("doc"),
			outbound: sf.Tag.Get("outbound"), kind: sf.Type, defaults: map[string]string{},
		}
		if s := sf.Tag.Get("oneof"); s != "" {
			f.oneof = strings.Split(s, "|")
		}
		f.env = append(f.env, envName(f.name))
		if s := sf.Tag.Get("env"); s != "" { // both spellings are in use
			f.env = append(f.env, s, strings.ToLower(s))
		}
		for _, profile := range []string{"default", "company", "public"} {
			if s, ok := sf.Tag.Lookup(profile); ok {
				f.defaults[strings.TrimPrefix(profile, "default")] = s
			}
		}
		out = append(out, f)
	}
	return out
}

func envName(name string) string {
	return "BONDED_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

func (f *field) secret() bool { return f.kind == secretType }

func (f *field) value(c *Config) reflect.Value { return reflect.ValueOf(c).Elem().Field(f.index) }

// typeName is what --help prints after the flag.
func (f *field) typeName() string {
	switch {
	case len(f.oneof) > 0:
		return strings.Join(f.oneof, "|")
	case f.kind == reflect.TypeFor[Bytes]():
		return "size"
	case f.kind == reflect.TypeFor[time.Duration]():
		return "duration"
	case f.kind == reflect.TypeFor[[]netip.Prefix]():
		return "ranges"
	case f.kind == reflect.TypeFor[[]string]():
		return "list"
	case f.kind == urlType:
		return "url"
	case f.kind.Kind() == reflect.Bool:
		return "bool"
	case f.kind.Kind() == reflect.Int:
		return "number"
	default:
		return "string"
	}
}

// set parses raw into the field of c. The error is the part of a sentence after "listen: ".
func (f *field) set(c *Config, raw string) error {
	raw = strings.TrimSpace(raw)
	if len(f.oneof) > 0 && !slices.Contains(f.oneof, raw) {
		return fmt.Errorf("%q is not one of %s", raw, strings.Join(f.oneof, ", "))
	}
	v := f.value(c)
	switch p := v.Addr().Interface().(type) {
	case *string:
		*p = raw
	case *Secret:
		*p = NewSecret(raw)
	case *URL:
		*p = NewURL(raw)
	case *bool:
		b, err := strconv.ParseBool(orZero(raw))
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", raw)
		}
		*p = b
	case *int:
		n, err := strconv.Atoi(orZero(raw))
		if err != nil || n < 0 {
			return fmt.Errorf("%q is not a whole number of zero or more", raw)
		}
		*p = n
	case *Bytes:
		n, err := ParseBytes(orZero(raw))
		if err != nil {
			return err
		}
		*p = n
	case *time.Duration:
		d, err := ParseDuration(orZero(raw))
		if err != nil {
			return err
		}
		*p = d
	case *[]string:
		*p = splitList(raw)
	case *[]netip.Prefix:
		prefixes, err := parsePrefixes(splitList(raw))
		if err != nil {
			return err
		}
		*p = prefixes
	default:
		panic("config: field " + f.name + " has a type without a parser")
	}
	return nil
}

// format returns the value as it could be written back, secrets masked.
func (f *field) format(c *Config) string {
	switch v := f.value(c).Interface().(type) {
	case []string:
		return strings.Join(v, ",")
	case []netip.Prefix:
		words := make([]string, len(v))
		for i, p := range v {
			words[i] = p.String()
		}
		return strings.Join(words, ",")
	case string:
		return MaskURL(v)
	default:
		return fmt.Sprint(v)
	}
}

func orZero(raw string) string {
	if raw == "" {
		return "0"
	}
	return raw
}

func splitList(raw string) []string {
	return strings.FieldsFunc(raw, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' })
}

func parsePrefixes(words []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, w := range words {
		if addr, err := netip.ParseAddr(w); err == nil {
			addr = addr.Unmap().WithZone("")
			out = append(out, netip.PrefixFrom(addr, addr.BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(w)
		if err != nil {
			return nil, fmt.Errorf("%q is not an address range such as 10.0.0.0/8", w)
		}
		if p != p.Masked() {
			return nil, fmt.Errorf("%q has bits set beyond its length; write %s", w, p.Masked())
		}
		out = append(out, p)
	}
	return out, nil
}

// Bytes is a number of bytes, written with a unit: 2GiB, 100MiB, 64KiB, 512.
type Bytes int64

var byteUnits = []struct {
	name string
	size int64
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"B", 1}}

// ParseBytes reads a number of bytes with an optional unit.
func ParseBytes(s string) (Bytes, error) {
	digits, size := s, int64(1)
	for _, u := range byteUnits {
		if n, ok := cutSuffixFold(s, u.name); ok {
			digits, size = strings.TrimSpace(n), u.size
			break
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/size {
		return 0, fmt.Errorf("%q is not a size such as 100MiB", s)
	}
	return Bytes(n * size), nil
}

func cutSuffixFold(s, suffix string) (string, bool) {
	if len(s) < len(suffix) || !strings.EqualFold(s[len(s)-len(suffix):], suffix) {
		return s, false
	}
	return s[:len(s)-len(suffix)], true
}

// String writes the size with the largest unit that divides it.
func (b Bytes) String() string {
	for _, u := range byteUnits[:4] {
		if b != 0 && int64(b)%u.size == 0 {
			return strconv.FormatInt(int64(b)/u.size, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

// MarshalText writes the size with its unit.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// ParseDuration reads a Go duration, or whole days such as 90d.
func ParseDuration(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseInt(days, 10, 64)
		if err != nil || n < 0 || n > math.MaxInt64/int64(24*time.Hour) {
			return 0, fmt.Errorf("%q is not a duration such as 90d or 1h30m", s)
		}
		return time.Duration(n) * 24 * time.Hour, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q is not a duration such as 90d or 1h30m", s)
	}
	return d, nil
}
