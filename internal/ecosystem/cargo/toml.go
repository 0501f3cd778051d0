package cargo

import (
	"fmt"

	"github.com/BurntSushi/toml"

	"bonded/internal/errs"
)

const (
	// maxManifest is the largest Cargo.toml that is read, in bytes.
	maxManifest = 512 << 10
	// maxNesting bounds how deep tables, arrays and dotted keys of a Cargo.toml lie in each other. The parser's time grows
	// with the square of the depth, and the deepest honest manifest needs six.
	maxNesting = 20
)

// tomlTable is one table of a manifest. It is read key by key and not into a struct, because the TOML library matches struct
// fields without case where Cargo knows one spelling only.
type tomlTable map[string]any

// decodeTOML reads a Cargo.toml whose size was checked.
func decodeTOML(text []byte) (tomlTable, error) {
	if !shallow(text) {
		return nil, errs.New(errs.Invalid, "Cargo.toml nests tables, arrays or dotted keys more than %d deep.", maxNesting).
			WithRule("cargo/manifest-depth").WithNext("Flatten package.metadata.")
	}
	var t map[string]any
	if _, err := toml.Decode(string(text), &t); err != nil {
		return nil, errs.New(errs.Invalid, "Cargo.toml inside the crate is not valid TOML: %s.", firstLine(err.Error())).
			WithRule("cargo/manifest-toml").WithNext("Package the crate with `cargo publish`.").Because(err)
	}
	return t, nil
}

func firstLine(s string) string {
	for i := range len(s) {
		if s[i] == '\n' {
			return s[:min(i, 200)]
		}
	}
	return s[:min(len(s), 200)]
}

// shallow reports whether nothing in a TOML text lies deeper than maxNesting. It knows strings and comments and counts
// brackets and the dots of keys; what is not TOML at all is left to the parser.
func shallow(text []byte) bool {
	var frames []int // for each open bracket, the dots of the key it belongs to
	open, dots, header := 0, 0, 0
	inHeader, lineStart := false, true
	for i := 0; i < len(text); i++ {
		c := text[i]
		if lineStart && c == '[' && len(frames) == 0 {
			inHeader, header = true, 0
		}
		lineStart = c == '\n' || (lineStart && (c == ' ' || c == '\t' || c == '\r'))
		switch c {
		case '#':
			i = skipComment(text, i)
			lineStart, inHeader, dots = true, false, 0
		case '"', '\'':
			i = skipString(text, i)
		case '\n':
			inHeader, dots = false, 0
		case ',', '=':
			dots = 0
		case '.':
			if dots++; inHeader {
				header = dots
			}
		case '[', '{':
			frames = append(frames, dots)
			open += 1 + dots
			dots = 0
		case ']', '}':
			if n := len(frames); n > 0 {
				open -= 1 + frames[n-1]
				frames = frames[:n-1]
			}
			dots = 0
		}
		if header+open+dots > maxNesting {
			return false
		}
	}
	return true
}

// skipComment returns the index of the line's end.
func skipComment(text []byte, i int) int {
	for i < len(text) && text[i] != '\n' {
		i++
	}
	return i
}

// skipString returns the index of a string's last quote, or of the newline that breaks a one-line string off.
func skipString(text []byte, i int) int {
	quote := text[i]
	if i+2 < len(text) && text[i+1] == quote && text[i+2] == quote {
		for i += 3; i < len(text); i++ {
			switch {
			case quote == '"' && text[i] == '\\':
				i++
			case text[i] == quote && i+2 < len(text) && text[i+1] == quote && text[i+2] == quote:
				return i + 2
			}
		}
		return i
	}
	for i++; i < len(text); i++ {
		switch {
		case quote == '"' && text[i] == '\\':
			i++
		case text[i] == quote, text[i] == '\n':
			return i
		}
	}
	return i
}

// tomlReader reads typed values and remembers the first that has the wrong type, by its dotted path.
type tomlReader struct{ err error }

func (r *tomlReader) wrong(path, want string, got any) {
	if r.err != nil {
		return
	}
	e := errs.New(errs.Invalid, "%s in the crate's Cargo.toml is not %s.", path, want).WithRule("cargo/manifest-type")
	if t, ok := got.(map[string]any); ok && t["workspace"] == true {
		e.What = fmt.Sprintf("%s in the crate's Cargo.toml is inherited from a workspace that is not part of the crate.", path)
	}
	r.err = e.WithNext("Package the crate with `cargo publish`, which writes Cargo.toml in its final form.")
}

// str is the string at key, "" if it is absent.
func (r *tomlReader) str(t tomlTable, path, key string) string {
	v, ok := t[key]
	if !ok {
		return ""
	}
	s, ok := v.(string)
	if !ok {
		r.wrong(path+"."+key, "a string", v)
	}
	return s
}

// boolean is the truth value at key, or what it defaults to.
func (r *tomlReader) boolean(t tomlTable, path, key string, absent bool) bool {
	v, ok := t[key]
	if !ok {
		return absent
	}
	b, ok := v.(bool)
	if !ok {
		r.wrong(path+"."+key, "true or false", v)
	}
	return b
}

// strs is the list of strings at key, nil if it is absent.
func (r *tomlReader) strs(t tomlTable, path, key string) []string {
	v, ok := t[key]
	if !ok {
		return nil
	}
	return r.asStrs(v, path+"."+key)
}

func (r *tomlReader) asStrs(v any, path string) []string {
	list, ok := v.([]any)
	if !ok {
		r.wrong(path, "a list of strings", v)
		return nil
	}
	out := make([]string, 0, len(list))
	for _, item := range list {
		s, ok := item.(string)
		if !ok {
			r.wrong(path, "a list of strings", v)
			return nil
		}
		out = append(out, s)
	}
	return out
}

// table is the table at key, nil if it is absent.
func (r *tomlReader) table(t tomlTable, path, key string) tomlTable {
	v, ok := t[key]
	if !ok {
		return nil
	}
	sub, ok := v.(map[string]any)
	if !ok {
		r.wrong(path, "a table", v)
	}
	return sub
}
