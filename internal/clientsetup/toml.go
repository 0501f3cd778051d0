package clientsetup

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"

	"github.com/BurntSushi/toml"
)

// errStyle is why a file that means something is still not edited.
var errStyle = errors.New("it says this in a way that an edit would garble")

// pair is a key with its value as the file's language writes it.
type pair struct{ key, value string }

// lines writes the pairs as "key = value".
func lines(pairs []pair) string {
	var b strings.Builder
	for _, p := range pairs {
		fmt.Fprintf(&b, "%s = %s\n", p.key, p.value)
	}
	return b.String()
}

func parseTOML(text string) (map[string]any, error) {
	doc := map[string]any{}
	_, err := toml.Decode(text, &doc)
	return doc, err
}

// setTOML sets keys of the table with the dotted name, in the text.
func setTOML(text, table string, pairs []pair) (string, error) {
	before, err := parseTOML(text)
	if err != nil {
		return "", err
	}
	after := setTOMLText(text, table, pairs)
	got, err := parseTOML(after)
	if err != nil {
		return "", errStyle
	}
	for _, p := range pairs {
		value, err := parseTOML("v = " + p.value)
		if err != nil {
			return "", err
		}
		if !setDeep(before, append(strings.Split(table, "."), p.key), value["v"]) {
			return "", errStyle
		}
	}
	if !reflect.DeepEqual(before, got) {
		return "", errStyle
	}
	return after, nil
}

// setDeep sets a value below nested tables; false if something else stands where a table is needed.
func setDeep(doc map[string]any, path []string, value any) bool {
	for ; len(path) > 1; path = path[1:] {
		next, ok := doc[path[0]].(map[string]any)
		if !ok {
			if doc[path[0]] != nil {
				return false
			}
			next = map[string]any{}
			doc[path[0]] = next
		}
		doc = next
	}
	doc[path[0]] = value
	return true
}

// tomlHeader matches the line that begins a table, its parts bare or quoted.
func tomlHeader(table string) *regexp.Regexp {
	parts := strings.Split(table, ".")
	for i, p := range parts {
		parts[i] = `["']?` + regexp.QuoteMeta(p) + `["']?`
	}
	return regexp.MustCompile(`^\s*\[\s*` + strings.Join(parts, `\s*\.\s*`) + `\s*\]\s*(#.*)?$`)
}

// setTOMLText edits lines and trusts its caller to check the meaning.
func setTOMLText(text, table string, pairs []pair) string {
	all := splitLines(text)
	header := tomlHeader(table)
	at := -1
	for i, line := range all {
		if header.MatchString(line) {
			at = i
		}
	}
	if at < 0 {
		return appendBlock(text, "["+table+"]\n"+lines(pairs))
	}
	end := at + 1
	for end < len(all) && !strings.HasPrefix(strings.TrimSpace(all[end]), "[") {
		end++
	}
	body := all[at+1 : end]
	for _, p := range pairs {
		body = setLine(body, regexp.MustCompile(`^\s*["']?`+regexp.QuoteMeta(p.key)+`["']?\s*=`), p.key+" = "+p.value)
	}
	out := append(append(append([]string{}, all[:at+1]...), body...), all[end:]...)
	return strings.Join(out, "\n") + "\n"
}

// setLine replaces the line that matches, or adds one after the last that is not blank.
func setLine(body []string, match *regexp.Regexp, line string) []string {
	last := 0
	for i, l := range body {
		if match.MatchString(l) {
			out := append([]string{}, body...)
			out[i] = line
			return out
		}
		if strings.TrimSpace(l) != "" {
			last = i + 1
		}
	}
	return append(append(append([]string{}, body[:last]...), line), body[last:]...)
}

// setTOMLElement sets, in the array of tables with the name, the element whose key "name" is ours.
func setTOMLElement(text, array, name string, pairs []pair) (string, error) {
	before, err := parseTOML(text)
	if err != nil {
		return "", err
	}
	pairs = append([]pair{{"name", `"` + name + `"`}}, pairs...)
	block := "[[" + array + "]]\n" + lines(pairs)
	want, err := parseTOML(block)
	if err != nil {
		return "", err
	}
	element := want[array].([]map[string]any)[0] // block is ours
	elements, ok := before[array].([]map[string]any)
	if !ok && before[array] != nil {
		return "", errStyle
	}
	found := false
	for i, e := range elements {
		if e["name"] == name {
			elements[i], found = element, true
		} else if e["default"] == true && element["default"] == true {
			return "", fmt.Errorf("the index %v is the default already, and there can be one", e["name"])
		}
	}
	after := appendBlock(text, block)
	if found {
		after = replaceElement(text, array, name, block)
	} else {
		elements = append(elements, element)
	}
	before[array] = elements
	if got, err := parseTOML(after); err != nil || !reflect.DeepEqual(before, got) {
		return "", errStyle
	}
	return after, nil
}

// replaceElement puts block in the place of the element with the name; comments inside it go with it.
func replaceElement(text, array, name, block string) string {
	all := splitLines(text)
	header := regexp.MustCompile(`^\s*\[\[\s*` + regexp.QuoteMeta(array) + `\s*\]\]\s*(#.*)?$`)
	named := regexp.MustCompile(`^\s*name\s*=\s*["']` + regexp.QuoteMeta(name) + `["']\s*(#.*)?$`)
	for i := range all {
		if !header.MatchString(all[i]) {
			continue
		}
		end, ours := i+1, false
		for end < len(all) && !strings.HasPrefix(strings.TrimSpace(all[end]), "[") {
			ours = ours || named.MatchString(all[end])
			end++
		}
		for end > i+1 && strings.TrimSpace(all[end-1]) == "" { // the blank lines before the next table stay
			end--
		}
		if ours {
			out := append(append(append([]string{}, all[:i]...), splitLines(block)...), all[end:]...)
			return strings.Join(out, "\n") + "\n"
		}
	}
	return text
}

// splitLines splits without a last empty line.
func splitLines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

// appendBlock adds a block at the end, after an empty line.
func appendBlock(text, block string) string {
	if strings.TrimSpace(text) == "" {
		return text + block
	}
	return strings.TrimRight(text, "\n") + "\n\n" + block
}
