package cargo

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"bonded/internal/digest"
	"bonded/internal/registry"
)

// indexRecord is the policy-independent part of an index line, in fixed key order (cargo.md §1.4). What depends on the
// moment or may change, yanked and pubtime, is spliced in when the file is rendered.
type indexRecord struct {
	Name        string              `json:"name"`
	Vers        string              `json:"vers"`
	Deps        []indexDependency   `json:"deps"`
	Cksum       string              `json:"cksum"`
	Features    map[string][]string `json:"features"`
	Features2   map[string][]string `json:"features2,omitempty"`
	Links       string              `json:"links,omitempty"`
	RustVersion string              `json:"rust_version,omitempty"`
	V           int                 `json:"v,omitempty"`
}

// indexDependency writes every key that old clients do not default (cargo.md §1.4, before 1.84).
type indexDependency struct {
	Name            string   `json:"name"`
	Req             string   `json:"req"`
	Features        []string `json:"features"`
	Optional        bool     `json:"optional"`
	DefaultFeatures bool     `json:"default_features"`
	Target          *string  `json:"target"`
	Kind            string   `json:"kind"`
	Registry        string   `json:"registry,omitempty"`
	Package         string   `json:"package,omitempty"`
}

// newRecord writes the index record of a crate whose bytes have the checksum.
func newRecord(c *Crate, claim *Claim, sum digest.SHA256) ([]byte, error) {
	line := indexRecord{Name: c.Name, Vers: c.Version, Deps: []indexDependency{}, Cksum: sum.String(), Links: c.Links, RustVersion: c.RustVersion}
	line.Features, line.Features2 = splitFeatures(c.Features)
	if len(line.Features2) > 0 {
		line.V = 2
	}
	for _, d := range c.Dependencies {
		dep := indexDependency{
			Name: d.Name, Req: d.Req, Features: notNull(d.Features), Optional: d.Optional, DefaultFeatures: d.DefaultFeatures,
			Kind: d.Kind, Registry: claim.home(d.Registry), Package: d.Package,
		}
		if d.Target != "" {
			dep.Target = &d.Target
		}
		line.Deps = append(line.Deps, dep)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // ">=1" is to stay readable
	if err := e.Encode(line); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

func notNull(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

// splitFeatures moves the features that clients before 1.60 cannot read to features2: those that name dep:x or x?/y, and
// those that name such a one (cargo.md §1.4).
func splitFeatures(all map[string][]string) (features, features2 map[string][]string) {
	features, features2 = map[string][]string{}, map[string][]string{}
	for name, values := range all {
		if slices.ContainsFunc(values, func(v string) bool { return strings.HasPrefix(v, "dep:") || strings.Contains(v, "?/") }) {
			features2[name] = notNull(values)
			continue
		}
		features[name] = notNull(values)
	}
	for moved := true; moved; {
		moved = false
		for name, values := range features {
			if slices.ContainsFunc(values, func(v string) bool { return features2[v] != nil }) {
				features2[name], moved = values, true
				delete(features, name)
			}
		}
	}
	return features, features2
}

// pubtimeForm is the one form of pubtime that clients read: 20 characters, UTC, no fraction (cargo.md §1.4).
const pubtimeForm = "2006-01-02T15:04:05Z"

// renderIndex concatenates the lines of a crate's index file in order of publication. Held releases are absent; blocked and
// quarantined ones stay as yanked lines, so that a locked build asks for the file and prints the reason (cargo.md §3.1).
// home, if not nil, rewrites the registries of dependencies that the group itself serves.
func renderIndex(v registry.View, home *strings.Replacer) []byte {
	type line struct {
		*registry.Release
		withheld bool
	}
	lines := make([]line, 0, len(v.Releases)+len(v.Withheld))
	for _, r := range v.Releases {
		lines = append(lines, line{r, false})
	}
	for _, r := range v.Withheld {
		if r.Verdict.Decision != registry.Hold {
			lines = append(lines, line{r, true})
		}
	}
	slices.SortStableFunc(lines, func(a, b line) int { return a.PublishedAt.Compare(b.PublishedAt) })
	size := 0
	for _, l := range lines {
		size += len(l.Record) + 64
	}
	out := make([]byte, 0, size)
	for _, l := range lines {
		record := l.Record
		if home != nil {
			record = []byte(home.Replace(string(record)))
		}
		out = append(out, record[:len(record)-1]...)
		out = appendState(out, l.Yanked || l.withheld, l.PublishedAt)
	}
	return out
}

// appendState ends a line with what is not part of the record.
func appendState(line []byte, yanked bool, published time.Time) []byte {
	if yanked {
		line = append(line, `,"yanked":true,"pubtime":"`...)
	} else {
		line = append(line, `,"yanked":false,"pubtime":"`...)
	}
	line = published.UTC().AppendFormat(line, pubtimeForm)
	return append(line, "\"}\n"...)
}

// homeReplacer rewrites dependencies on any of the index URLs to the registry that is asked. In a record the sequence
// "registry":" stands only where a dependency names its registry: inside a JSON string the quotes would be escaped, and no
// other key of that name has a string for a value. The checksum is that of the crate, which stays as it is.
func homeReplacer(indexes []string) *strings.Replacer {
	if len(indexes) == 0 {
		return nil
	}
	var pairs []string
	for _, index := range indexes {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		_ = e.Encode(index) // a string always encodes
		pairs = append(pairs, `"registry":`+strings.TrimSuffix(b.String(), "\n"), `"registry":null`)
	}
	return strings.NewReplacer(pairs...)
}
