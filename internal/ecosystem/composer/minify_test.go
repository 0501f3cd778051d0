package composer

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// expand is what clients do with minified versions (composer.md §2.1).
func expand(t *testing.T, minified []byte) []object {
	t.Helper()
	var out []object
	running := map[string]string{}
	var order []string
	for i, raw := range elements(minified) {
		diff, err := split(raw)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range diff {
			if textOf(m.value) == unset && i > 0 {
				delete(running, m.name)
				continue
			}
			if _, ok := running[m.name]; !ok {
				order = append(order, m.name)
			}
			running[m.name] = string(m.value)
		}
		var o object
		for _, name := range order {
			if v, ok := running[name]; ok && !o.has(name) {
				o = append(o, member{name, []byte(v)})
			}
		}
		out = append(out, o)
	}
	return out
}

func objects(t *testing.T, texts ...string) []object {
	t.Helper()
	var out []object
	for _, s := range texts {
		o, err := parseObject([]byte(s))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, o)
	}
	return out
}

func TestMinifyVector(t *testing.T) {
	// composer.md §3.1
	got := string(appendMinified(nil, objects(t,
		`{"name":"a/b","version":"1.2.0","require":{"php":">=8"},"type":"library"}`,
		`{"name":"a/b","version":"1.1.0","type":"library"}`,
		`{"name":"a/b","version":"1.0.0","require":{"php":">=7"},"type":"library"}`,
	)))
	want := `[{"name":"a/b","version":"1.2.0","require":{"php":">=8"},"type":"library"},` +
		`{"version":"1.1.0","require":"__unset"},{"version":"1.0.0","require":{"php":">=7"}}]`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := string(appendMinified(nil, nil)); got != "[]" {
		t.Errorf("no versions are %s", got)
	}
}

// TestMinifyIsUndoneByExpand is the rule behind the format, over random histories.
func TestMinifyIsUndoneByExpand(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	for range 300 {
		var versions []object
		for v := range 1 + random.IntN(8) {
			o := object{{"version", stringValue(fmt.Sprintf("1.%d.0", v))}}
			for _, name := range []string{"require", "autoload", "extra", "description"} {
				if n := random.IntN(4); n > 0 {
					o = append(o, member{name, stringValue(fmt.Sprint(n))})
				}
			}
			versions = append(versions, o)
		}
		minified := appendMinified(nil, versions)
		expanded := expand(t, minified)
		if len(expanded) != len(versions) {
			t.Fatalf("%d versions became %d in %s", len(versions), len(expanded), minified)
		}
		for i, want := range versions {
			if got := expanded[i]; len(got) != len(want) || !sameMembers(got, want) {
				t.Fatalf("version %d is %s, not %s, in %s", i, got.appendTo(nil), want.appendTo(nil), minified)
			}
		}
	}
}

func sameMembers(a, b object) bool {
	for _, m := range a {
		if string(b.get(m.name)) != string(m.value) {
			return false
		}
	}
	return true
}
