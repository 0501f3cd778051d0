package config

import (
	"strings"
)

// Setting is one line of `bonded config show`.
type Setting struct {
	Name    string   `json:"name"`
	Value   string   `json:"value"`  // secrets and passwords masked
	Origin  string   `json:"origin"` // default, profile NAME, file PATH, env NAME or flag --NAME
	Doc     string   `json:"doc"`
	Accepts []string `json:"accepts,omitempty"` // the words that are accepted, if not any
}

// Settings returns every setting with its effective value and where that came from, in the order of [Config].
func (c *Config) Settings() []Setting {
	out := make([]Setting, len(fields))
	for i, f := range fields {
		out[i] = Setting{Name: f.name, Value: f.format(c), Origin: c.Origin(f.name), Doc: f.doc, Accepts: f.oneof}
	}
	return out
}

// Origin tells where the value of a setting came from.
func (c *Config) Origin(name string) string {
	if o, ok := c.origins[name]; ok {
		return o
	}
	return FromDefault
}

// Explicit reports whether the operator, rather than a default or profile, set the value.
func (c *Config) Explicit(name string) bool {
	o := c.Origin(name)
	return o != FromDefault && !strings.HasPrefix(o, FromProfile)
}
