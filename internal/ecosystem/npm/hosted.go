package npm

import (
	"regexp"
	"strings"
)

// hostedRepo is a repository at one of the git hosts that package.json may name in short (npm's hosted-git-info).
type hostedRepo struct {
	host    string // "github.com", …
	path    string // "owner/name"
	scheme  string // "", "http", "https", "git" or "ssh"; "" for a shortcut
	section string // "#v1", "#semver:^1"; empty for none
}

var gitHosts = map[string]string{"github": "github.com", "gitlab": "gitlab.com", "bitbucket": "bitbucket.org", "gist": "gist.github.com"}

var (
	shortcutRepo = regexp.MustCompile(`^(?:(github|gitlab|bitbucket|gist):)?((?:[^@:/%\s#.][^@:/%\s#]*/)?[^@:/%\s#]+)$`)
	urlRepo      = regexp.MustCompile(`^(?:git\+)?(https?|git|ssh)://(?:[^@/\s]*@)?(?:www\.)?(github\.com|gitlab\.com|bitbucket\.org|gist\.github\.com)[:/]+([^\s#?]+)$`)
	scpRepo      = regexp.MustCompile(`^[^@/\s]+@(github\.com|gitlab\.com|bitbucket\.org|gist\.github\.com):([^\s#?]+)$`)
)

// parseHosted reads the spellings of one hosted repository: "owner/name", "gitlab:owner/name", git, https and ssh URLs,
// each with an optional "#section".
func parseHosted(spec string) (hostedRepo, bool) {
	spec, section := strings.TrimSpace(spec), ""
	if i := strings.IndexByte(spec, '#'); i >= 0 {
		spec, section = spec[:i], spec[i:]
	}
	r := hostedRepo{section: section}
	switch {
	case urlRepo.MatchString(spec):
		m := urlRepo.FindStringSubmatch(spec)
		r.scheme, r.host, r.path = m[1], m[2], m[3]
	case scpRepo.MatchString(spec):
		m := scpRepo.FindStringSubmatch(spec)
		r.scheme, r.host, r.path = "ssh", m[1], m[2]
	default:
		m := shortcutRepo.FindStringSubmatch(spec)
		if m == nil || (m[1] != "gist" && !strings.Contains(m[2], "/")) {
			return r, false
		}
		r.host, r.path = gitHosts[m[1]], m[2]
		if r.host == "" {
			r.host = "github.com"
		}
	}
	r.path = strings.TrimSuffix(strings.Trim(r.path, "/"), ".git")
	return r, r.path != "" && (r.host == "gist.github.com" || r.host == "gitlab.com" || strings.Count(r.path, "/") == 1)
}

// key is one spelling for all of them.
func (r hostedRepo) key() string { return r.host + ":" + r.path + r.section }

// url is what the client puts into repository.url.
func (r hostedRepo) url() string {
	switch r.scheme {
	case "git":
		return "git://" + r.host + "/" + r.path + ".git" + r.section
	case "ssh":
		return "git+ssh://git@" + r.host + "/" + r.path + ".git" + r.section
	default:
		return "git+https://" + r.host + "/" + r.path + ".git" + r.section
	}
}

// docs and bugs are the pages that the client fills in for a package that names none; empty for a gist.
func (r hostedRepo) docs() string { return r.page("#readme") }
func (r hostedRepo) bugs() string { return r.page("/issues") }

func (r hostedRepo) page(suffix string) string {
	if r.host == "gist.github.com" {
		return ""
	}
	return "https://" + r.host + "/" + r.path + suffix
}
