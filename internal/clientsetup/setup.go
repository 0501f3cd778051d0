// Package clientsetup points package clients at a Bonded: it knows which file each client reads, and how to put a
// registry, a credential and a private certificate authority into it without disturbing what is there.
//
// Planning reads and computes, and touches nothing. Every edit is made on the file's own text, so that comments and order
// stay, and is then checked against the file's meaning: the result must say exactly what the file said before, plus what
// was asked for. A file that cannot be read, or is written in a way that an edit would garble, is refused whole.
package clientsetup

import (
	"bytes"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"bonded/internal/errs"
)

// Options say what to point where.
type Options struct {
	// URL is the public URL of the Bonded, such as https://packages.example.com.
	URL string
	// Repository is the repository that clients use in each ecosystem; "main" if empty.
	Repository string
	// Token is the credential; empty sets clients up for reading anonymously.
	Token string
	// CA holds, in PEM, the certificates of a private authority that signed the Bonded's certificate; empty if a public one did.
	CA []byte
	// Only makes Maven and Composer ask no other repository. pip, uv, npm, pnpm and yarn never do, since a name that two of
	// their indexes hold is a way to be given somebody else's package.
	Only bool
	// Clients are the names of the clients; see [Names].
	Clients []string
	// Home is the user's home folder; Getenv reads the environment, in which clients are told of other places.
	Home   string
	Getenv func(string) string
	// YarnClassic says that yarn is a version 1.
	YarnClassic bool
	// SystemRoots are, in PEM, the authorities that the machine trusts. Most clients trust either one file or the
	// machine's, so that a private authority is written together with them.
	SystemRoots []byte
}

// Setup is what one client needs.
type Setup struct {
	Client string
	// Edits are in the order of the lines that a person would type.
	Edits []Edit
	// Use shows how the client then publishes and installs.
	Use []string
	// Notes are what the client cannot be told by a file.
	Notes []string
}

// Edit is one client's share of one file.
type Edit struct {
	// Path is the file; Lines are what the client needs to find in it, with [Placeholder] for the token.
	Path  string
	Lines string
}

// File is a file as it is and as it shall be.
type File struct {
	Path   string
	Before []byte // nil if there is none
	After  []byte
	// Secret says that it holds a credential, so that nobody else may read it.
	Secret bool
}

// Changed reports whether writing it would change its content.
func (f *File) Changed() bool { return f.Before == nil || !bytes.Equal(f.Before, f.After) }

// Placeholder stands for the token wherever something is shown.
const Placeholder = "YOUR-TOKEN"

// registryName is the name under which clients know the registry.
const registryName = "bonded"

// planner collects the edits.
type planner struct {
	Options
	base  *url.URL
	files []*File
}

// clients maps each client's name to its knowledge, in the order in which they are told.
var clients = []struct {
	name string
	plan func(*planner) (Setup, error)
}{
	{"cargo", planCargo},
	{"pip", planPip},
	{"uv", planUV},
	{"twine", planTwine},
	{"npm", planNPM},
	{"pnpm", planPNPM},
	{"yarn", planYarn},
	{"maven", planMaven},
	{"gradle", planGradle},
	{"composer", planComposer},
}

// Names lists the clients that can be set up.
func Names() []string {
	names := make([]string, len(clients))
	for i, c := range clients {
		names[i] = c.name
	}
	return names
}

// Plan computes what each client needs and what the files would hold. It writes nothing.
func Plan(o Options) ([]Setup, []*File, error) {
	p := &planner{Options: o}
	if err := p.check(); err != nil {
		return nil, nil, err
	}
	var setups []Setup
	for _, c := range clients {
		if !slices.Contains(o.Clients, c.name) {
			continue
		}
		s, err := c.plan(p)
		if err != nil {
			return nil, nil, err
		}
		s.Client = c.name
		setups = append(setups, s)
	}
	return setups, p.files, nil
}

var (
	tokenRule      = regexp.MustCompile(`^[A-Za-z0-9_.~+/=-]{1,512}$`)
	repositoryRule = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)
	subPathRule    = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)*$`)
)

// check refuses what would mean something else in one of the files than in another: nothing here needs escaping anywhere.
func (p *planner) check() error {
	if p.Repository == "" {
		p.Repository = "main"
	}
	u, err := url.Parse(strings.TrimRight(p.URL, "/"))
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" ||
		!subPathRule.MatchString(u.Path) || strings.ContainsAny(u.Host, `"'<>\ `) {
		return errs.New(errs.Invalid, "%q is not the URL of a Bonded.", p.URL).WithRule("client-setup/url").
			WithNext("Write it without a name and a password, such as https://packages.example.com.")
	}
	p.base = u
	if !repositoryRule.MatchString(p.Repository) || strings.Contains(p.Repository, "..") {
		return errs.New(errs.Invalid, "%q cannot be a repository.", p.Repository).WithRule("client-setup/repository")
	}
	if p.Token != "" && !tokenRule.MatchString(p.Token) {
		return errs.New(errs.Invalid, "The token has characters that no token has.").WithRule("client-setup/token").
			WithNext("The file, or BONDED_TOKEN, holds the token alone, as `bonded admin token add` printed it.")
	}
	for _, name := range p.Clients {
		if !slices.Contains(Names(), name) {
			return errs.New(errs.Invalid, "Bonded does not know a client named %q.", name).WithRule("client-setup/client").
				WithNext("It knows %s.", strings.Join(Names(), ", "))
		}
	}
	return nil
}

// door is the URL of the repository in an ecosystem, with a final slash.
func (p *planner) door(ecosystem string) string {
	return p.base.String() + "/" + ecosystem + "/" + p.Repository + "/"
}

// withCredential puts the token into a URL, as user "__token__".
func (p *planner) withCredential(raw string) string {
	if p.Token == "" {
		return raw
	}
	scheme, rest, _ := strings.Cut(raw, "://")
	return scheme + "://__token__:" + p.Token + "@" + rest
}

// getenv is the environment's value, or "".
func (p *planner) getenv(name string) string {
	if p.Getenv == nil {
		return ""
	}
	return p.Getenv(name)
}

// home is a path below the home folder.
func (p *planner) home(parts ...string) string {
	return filepath.Join(append([]string{p.Home}, parts...)...)
}

// config is a path below the folder where programs keep their settings.
func (p *planner) config(parts ...string) string {
	root := p.getenv("XDG_CONFIG_HOME")
	if !filepath.IsAbs(root) { // the XDG specification: relative paths are invalid and to be ignored
		root = p.home(".config")
	}
	return filepath.Join(append([]string{root}, parts...)...)
}

// insecure reports plain HTTP.
func (p *planner) insecure() bool { return p.base.Scheme == "http" }

// shown hides the token.
func (p *planner) shown(text string) string {
	if p.Token == "" {
		return text
	}
	return strings.ReplaceAll(text, p.Token, Placeholder)
}

// edit changes a file by change, which gets "" for a missing one; lines are what the client needs in it.
func (p *planner) edit(s *Setup, path, lines string, change func(text string) (string, error)) error {
	f, err := p.file(path)
	if err != nil {
		return err
	}
	after, err := change(string(f.After))
	if err != nil {
		return cannotEdit(path, p.shown(lines), err)
	}
	f.After = []byte(after)
	f.Secret = f.Secret || (p.Token != "" && strings.Contains(after, p.Token))
	s.Edits = append(s.Edits, Edit{path, p.shown(lines)})
	return nil
}

func cannotEdit(path, lines string, err error) error {
	return errs.New(errs.Invalid, "%s cannot be edited: %v.", path, err).WithRule("client-setup/unreadable").
		WithNext("Nothing was written. Mend the file, or put these lines into it by hand:\n\n%s", strings.TrimRight(lines, "\n"))
}
