package composer

import (
	"bytes"
	"encoding/json/jsontext"
	"maps"
	"slices"
)

// appendMinified writes a list of version objects as composer/metadata-minifier does (composer.md §2.1): the first whole,
// each further one with only the members that differ from the one before, and "__unset" for those that vanished. Values are
// replaced whole. Versions come newest first.
func appendMinified(b []byte, versions []object) []byte {
	b = append(b, '[')
	last := map[string]jsontext.Value{}
	for i, v := range versions {
		if i > 0 {
			b = append(b, ',')
		}
		b = difference(v, last).appendTo(b)
	}
	return append(b, ']')
}

// difference is what v changes in last, which it brings up to v.
func difference(v object, last map[string]jsontext.Value) object {
	out := make(object, 0, len(v))
	now := make(map[string]bool, len(v))
	for _, m := range v {
		now[m.name] = true
		if old, ok := last[m.name]; ok && bytes.Equal(old, m.value) {
			continue
		}
		out = append(out, m)
		last[m.name] = m.value
	}
	for _, name := range slices.Sorted(maps.Keys(last)) {
		if !now[name] {
			out = append(out, member{name, stringValue(unset)})
			delete(last, name)
		}
	}
	return out
}
