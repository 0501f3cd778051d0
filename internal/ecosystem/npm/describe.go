package npm

import (
	"net/url"
	"regexp"
	"strings"
)

// The descriptive fields of package.json, in the shapes into which the client brings them before it publishes
// (@npmcli/package-json, formerly normalize-package-data).

// description is the package's own, or the first paragraph of its readme.
func (t *tarball) description() string {
	if d, ok := t.pkg.any("description").(string); ok && d != "" {
		return d
	}
	var words []string
	for line := range strings.Lines(t.readme) {
		line = strings.TrimSpace(line)
		switch {
		case len(words) > 0 && line == "":
			return strings.Join(words, " ")
		case line != "" && (len(words) > 0 || line[0] != '#'):
			words = append(words, line)
		}
	}
	return strings.Join(words, " ")
}

func licence(pkg object) string {
	v := pkg.any("license")
	if v == nil {
		v = pkg.any("licence")
	}
	if all := list(pkg.any("licenses")); v == nil && len(all) > 0 {
		v = all[0]
	}
	switch v := v.(type) {
	case string:
		return v
	case map[string]any:
		s, _ := v["type"].(string)
		return s
	}
	return ""
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}

var keywordSeparator = regexp.MustCompile(`,\s+`)

func keywords(v any) []string {
	if s, ok := v.(string); ok && s != "" {
		return keywordSeparator.Split(s, -1)
	}
	var out []string
	for _, k := range list(v) {
		if s, ok := k.(string); ok && s != "" {
			out = append(out, s)
		}
	}
	return out
}

var (
	personName  = regexp.MustCompile(`^([^(<]+)`)
	personURL   = regexp.MustCompile(`\(([^()]+)\)`)
	personEmail = regexp.MustCompile(`<([^<>]+)>`)
)

// person reads "Name <email> (url)" or an object into name, email and url.
func person(v any) map[string]string {
	out := map[string]string{}
	switch v := v.(type) {
	case string:
		for field, re := range map[string]*regexp.Regexp{"name": personName, "email": personEmail, "url": personURL} {
			if m := re.FindStringSubmatch(v); m != nil && strings.TrimSpace(m[1]) != "" {
				out[field] = strings.TrimSpace(m[1])
			}
		}
	case map[string]any:
		for field, names := range map[string][]string{"name": {"name"}, "email": {"email", "mail"}, "url": {"url", "web"}} {
			for _, n := range names {
				if s, ok := v[n].(string); ok && s != "" && out[field] == "" {
					out[field] = s
				}
			}
		}
	}
	return out
}

// repositoryOf is repository as an object with a normalized url; nil for none.
func repositoryOf(pkg object) map[string]any {
	var r map[string]any
	switch v := pkg.any("repository").(type) {
	case string:
		r = map[string]any{"type": "git", "url": v}
	case map[string]any:
		r = v
	default:
		return nil
	}
	s, _ := r["url"].(string)
	if s == "" {
		return nil
	}
	if h, ok := parseHosted(s); ok {
		r["url"] = h.url()
	}
	return r
}

// links are the repository's URL, and homepage and bug tracker as declared or as its host has them.
func links(pkg object) (repository, homepage, bugs string) {
	r := repositoryOf(pkg)
	repository, _ = r["url"].(string)
	homepage = pkg.text("homepage")
	if u, err := url.Parse(homepage); homepage != "" && (err != nil || u.Scheme == "") {
		homepage = "http://" + homepage
	}
	switch v := pkg.any("bugs").(type) {
	case string:
		if strings.Contains(v, "://") {
			bugs = v
		}
	case map[string]any:
		bugs, _ = v["url"].(string)
	case nil:
		if h, ok := parseHosted(repository); ok {
			bugs = h.bugs()
		}
	}
	if h, ok := parseHosted(repository); ok && homepage == "" {
		homepage = h.docs()
	}
	return repository, homepage, bugs
}

// bugsOf is bugs as an object with url or email; nil for none.
func bugsOf(pkg object, tracker string) map[string]string {
	out := map[string]string{}
	if tracker != "" {
		out["url"] = tracker
	}
	switch v := pkg.any("bugs").(type) {
	case string:
		if at := strings.IndexByte(v, '@'); tracker == "" && at >= 0 && at < strings.LastIndexByte(v, '.') {
			out["email"] = v
		}
	case map[string]any:
		if s, ok := v["email"].(string); ok {
			out["email"] = s
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}
