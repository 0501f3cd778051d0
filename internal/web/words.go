package web

import (
	"math"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"bonded/internal/registry"
)

// ecosystem is how people know an ecosystem.
type ecosystem struct {
	// ID is the purl type.
	ID string
	// Name is what its people call it, Clients the programs that they use, Noun what they call a package.
	Name, Clients, Noun string
}

var ecosystemNames = map[string]ecosystem{
	"cargo":    {"cargo", "Cargo", "cargo", "crate"},
	"pypi":     {"pypi", "PyPI", "pip, uv, twine", "project"},
	"npm":      {"npm", "npm", "npm, pnpm, yarn", "package"},
	"maven":    {"maven", "Maven", "mvn, Gradle", "artifact"},
	"composer": {"composer", "Composer", "composer", "package"},
}

func ecosystemOf(id string) ecosystem {
	if e, ok := ecosystemNames[id]; ok {
		return e
	}
	return ecosystem{id, id, id, "package"}
}

// formatBytes gives a size in decimal units, as file managers and disks do.
func formatBytes(n int64) string {
	if n < 1000 {
		return strconv.FormatInt(n, 10) + " B"
	}
	value, units := float64(n), []string{"kB", "MB", "GB", "TB", "PB", "EB"}
	i := -1
	for value >= 999.5 && i < len(units)-1 {
		value /= 1000
		i++
	}
	digits := 1
	if value >= 99.95 {
		digits = 0
	}
	return strconv.FormatFloat(value, 'f', digits, 64) + " " + units[i]
}

// formatCount groups thousands with commas.
func formatCount(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// counted is "1 release", "1,200 releases".
func counted(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return formatCount(n) + " " + noun + "s"
}

func formatDate(t time.Time) string { return t.UTC().Format("2 Jan 2006") }

func formatStamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func formatSeconds(d time.Duration) string { return strconv.Itoa(int(math.Ceil(d.Seconds()))) }

// webAddress returns the address if it leads to the web: http or https, with a host, without a password.
func webAddress(raw string) (string, bool) {
	raw = strings.TrimSpace(raw)
	u, err := url.Parse(raw)
	if err != nil || len(raw) > 2000 || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" || u.User != nil {
		return "", false
	}
	return u.String(), true
}

// EscapePath escapes a slash-separated path segment by segment; "@", ":" and "+" stay, as the ecosystems' own sites write them.
func EscapePath(path string) string {
	segments := strings.Split(path, "/")
	for i, s := range segments {
		segments[i] = strings.ReplaceAll(url.PathEscape(s), "%2B", "+")
	}
	return strings.Join(segments, "/")
}

// PackagePath is the path of a package's page below the public URL: the name as it stands, its slashes included, so that
// @scope/name, vendor/name and group:artifact read as people write them.
func PackagePath(repository, norm string) string {
	return "/packages/" + repository + "/" + EscapePath(norm)
}

// clip cuts text for a line of a list, at a word's end where there is one.
func clip(s string, n int) string {
	s = strings.Join(strings.Fields(s), " ")
	if len([]rune(s)) <= n {
		return s
	}
	cut := string([]rune(s)[:n])
	if i := strings.LastIndexByte(cut, ' '); i > len(cut)/2 {
		cut = cut[:i]
	}
	return strings.TrimRight(cut, " ,.;:") + "…"
}

// sentence ends a reason as a sentence ends; no reason stays none.
func sentence(s string) string {
	s = strings.TrimSpace(s)
	if s == "" || strings.ContainsAny(s[len(s)-1:], ".!?") {
		return s
	}
	return s + "."
}

// orAny spells the requirement that asks for nothing.
func orAny(requirement string) string {
	if requirement == "" {
		return "any"
	}
	return requirement
}

// orNormal spells the kind of a dependency that has no word of its own.
func orNormal(kind string) string {
	if kind == "" {
		return "normal"
	}
	return kind
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

func digestID(file int64, i int) string {
	return "digest-" + strconv.FormatInt(file, 10) + "-" + strconv.Itoa(i)
}

// ownerNames are the owners' public names; their addresses are nobody's business.
func ownerNames(p *registry.Project) []string {
	names := make([]string, 0, len(p.Owners))
	for _, o := range p.Owners {
		names = append(names, o.Name)
	}
	return names
}

// licenceWords says under which licence the artifact puts itself.
func licenceWords(m *registry.Manifest) string {
	if m.License == "" {
		return "no licence declared"
	}
	return "Licence: " + clip(m.License, 120)
}

var mailAddress = regexp.MustCompile(`\s*[<(]?[^\s<>()]+@[^\s<>()]+[>)]?`)

// authorName is an author without the mail address, which is for writing to people, not for collecting.
func authorName(author string) string {
	if name := strings.TrimSpace(mailAddress.ReplaceAllString(author, "")); name != "" {
		return clip(name, 120)
	}
	name, _, _ := strings.Cut(strings.Trim(author, "<> "), "@")
	return clip(name, 120)
}
