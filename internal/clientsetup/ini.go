package clientsetup

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// dialect is how a client reads its INI file.
type dialect struct {
	// fold makes two spellings of a key one.
	fold func(string) string
	// delimiters end a key; continued says that an indented line continues the value before it.
	delimiters string
	continued  bool
}

var (
	// pythonINI is what Python's configparser reads; pip also takes index_url for index-url.
	pythonINI = dialect{func(k string) string { return strings.ReplaceAll(strings.ToLower(k), "_", "-") }, "=:", true}
	// npmINI is what npm, pnpm and yarn classic read of .npmrc.
	npmINI = dialect{func(k string) string { return k }, "=", false}
	// javaProperties is what Gradle reads, as far as it is written by hand.
	javaProperties = dialect{func(k string) string { return k }, "=:", false}
)

var iniSection = regexp.MustCompile(`^\[([^\]]+)\]\s*([;#].*)?$`)

// iniLine is one line, understood.
type iniLine struct {
	text, section, key, value string
	header                    bool
}

// read understands every line or refuses the file.
func (d dialect) read(text string) ([]iniLine, error) {
	var all []iniLine
	section, key := "", ""
	for i, line := range splitLines(text) {
		l := iniLine{text: line, section: section}
		trimmed := strings.TrimSpace(line)
		indented := trimmed != "" && strings.TrimLeft(line, " \t") != line
		if m := iniSection.FindStringSubmatch(trimmed); m != nil && (!d.continued || !indented) {
			section, key = m[1], ""
			l.section, l.header = section, true
		} else if trimmed == "" || strings.HasPrefix(trimmed, "#") || strings.HasPrefix(trimmed, ";") {
			l.key = ""
		} else if d.continued && indented && key != "" {
			l.key, l.value = key, trimmed
		} else {
			at := strings.IndexAny(trimmed, d.delimiters)
			if !strings.HasPrefix(trimmed, "//") && at < 0 || strings.HasPrefix(trimmed, "//") && !strings.Contains(trimmed, "=") {
				return nil, fmt.Errorf("line %d is neither a section, a setting nor a comment", i+1)
			}
			if strings.HasPrefix(trimmed, "//") { // npm's keys hold a colon: //host/path/:_authToken
				at = strings.Index(trimmed, "=")
			}
			key = d.fold(strings.TrimSpace(trimmed[:at]))
			l.key, l.value = key, strings.TrimSpace(trimmed[at+1:])
		}
		all = append(all, l)
	}
	return all, nil
}

// meaning is section → key → value, continued lines joined.
func meaning(all []iniLine) map[string]string {
	m := map[string]string{}
	for i, l := range all {
		if l.key == "" {
			continue
		}
		k := l.section + "\x00" + l.key
		if i > 0 && all[i-1].key == l.key && all[i-1].section == l.section {
			m[k] += "\n" + l.value
		} else {
			m[k] = l.value
		}
	}
	return m
}

// set sets keys of a section ("" is the part before any), in the text.
func (d dialect) set(text, section string, pairs []pair) (string, error) {
	for _, p := range pairs {
		all, err := d.read(text)
		if err != nil {
			return "", err
		}
		want := meaning(all)
		want[section+"\x00"+d.fold(p.key)] = p.value
		text = d.setOne(all, text, section, p)
		got, err := d.read(text)
		if err != nil || !maps.Equal(meaning(got), want) {
			return "", errStyle
		}
	}
	return text, nil
}

func (d dialect) setOne(all []iniLine, text, section string, p pair) string {
	line := p.key + " = " + strings.ReplaceAll(p.value, "\n", "\n    ")
	if !d.continued {
		line = p.key + "=" + p.value
	}
	first, after := -1, -1 // our key; the end of the section
	for i, l := range all {
		switch {
		case l.section != section:
		case l.key == d.fold(p.key) && first < 0:
			first = i
		case l.header || l.key != "":
			after = i + 1
		}
	}
	var texts []string
	for _, l := range all {
		texts = append(texts, l.text)
	}
	switch {
	case first >= 0:
		end := first + 1
		for end < len(all) && all[end].key == all[first].key && all[end].section == section {
			end++
		}
		texts = slices.Replace(texts, first, end, line)
	case after >= 0:
		texts = slices.Insert(texts, after, line)
	case section == "" && !slices.ContainsFunc(all, func(l iniLine) bool { return l.header }):
		texts = append(texts, line)
	case section == "":
		texts = slices.Insert(texts, 0, line)
	default:
		return appendBlock(text, "["+section+"]\n"+line+"\n")
	}
	return strings.Join(texts, "\n") + "\n"
}

// get returns a value, or "".
func (d dialect) get(text, section, key string) (string, error) {
	all, err := d.read(text)
	if err != nil {
		return "", err
	}
	return meaning(all)[section+"\x00"+d.fold(key)], nil
}
