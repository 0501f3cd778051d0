// Package door is what the five doors share: finding the repository, reading credentials, asking access, answering with
// rendered documents and files, and turning errors into the envelope that each client prints. It knows no ecosystem.
package door

import (
	"context"
	"log/slog"
	"net/http"
	"strings"

	"bonded/internal/access"
	"bonded/internal/blob"
	"bonded/internal/clock"
	"bonded/internal/errs"
	"bonded/internal/identity"
	"bonded/internal/intake"
	"bonded/internal/registry"
	"bonded/internal/request"
	"bonded/internal/usage"
)

// House is what a door works with.
type House struct {
	Registry  *registry.Registry
	Intake    *intake.Line
	Gate      *access.Gate
	Accounts  *identity.Accounts
	Blobs     blob.Store
	Usage     *usage.Counter
	Documents *Documents
	Clock     clock.Clock
	Log       *slog.Logger
	// Redirect answers file downloads with a signed URL of the blob store where it can make one.
	Redirect bool
	// PublicURLs are all configured public URLs of this instance, without trailing slashes: a package may name a repository
	// of ours by another of them than the one a request came through.
	PublicURLs []string
}

// Door speaks one ecosystem's protocol.
type Door interface {
	// Type is the purl type it serves: the first segment of its URLs.
	Type() string
	// Credential reads the secret the way the ecosystem's clients send it; empty when none was sent.
	Credential(r *http.Request) access.Credential
	// Serve answers a request below /{type}/{repository}. Reading the repository has been allowed already.
	Serve(w http.ResponseWriter, r *http.Request, q *Request)
	// Open reports requests that must be answered before permission is asked, such as the log-in page or a ping.
	Open(method, path string) bool
	// Refuse writes an error in the envelope the ecosystem's client prints.
	Refuse(w http.ResponseWriter, r *http.Request, err error)
}

// Request is a request that found its repository.
type Request struct {
	House     *House
	Repo      *registry.Repository
	Source    registry.Source
	Principal access.Principal
	// Base is the repository's public URL without a trailing slash.
	Base string
	// Root is the instance's public URL without a trailing slash.
	Root string
	// Path is the rest of the escaped path, beginning with "/".
	Path string
	// Credentialed reports that the client sent a credential, right or wrong.
	Credentialed bool
}

// Mux finds the door and the repository of a request by its escaped path, so that %2f stays what it is.
type Mux struct {
	house *House
	doors map[string]Door
}

// NewMux makes the mux of the doors.
func NewMux(h *House, doors ...Door) *Mux {
	m := &Mux{house: h, doors: map[string]Door{}}
	for _, d := range doors {
		m.doors[d.Type()] = d
	}
	return m
}

// Door returns the door of an ecosystem, or nil.
func (m *Mux) Door(ecosystem string) Door { return m.doors[ecosystem] }

// Match reports whether the path belongs to a door.
func (m *Mux) Match(escapedPath string) bool {
	eco, _, _ := strings.Cut(strings.TrimPrefix(escapedPath, "/"), "/")
	return m.doors[eco] != nil
}

// ServeHTTP answers a request for /{ecosystem}/{repository}/….
func (m *Mux) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	eco, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/")
	d := m.doors[eco]
	if d == nil {
		http.NotFound(w, r)
		return
	}
	name, path, slash := strings.Cut(rest, "/")
	if slash {
		path = "/" + path
	}
	q, err := m.request(r, d, name, path)
	if err != nil {
		m.log(r, err)
		d.Refuse(w, r, err)
		return
	}
	d.Serve(w, r, q)
}

func (m *Mux) request(r *http.Request, d Door, name, path string) (*Request, error) {
	ctx := r.Context()
	q := &Request{House: m.house, Path: path, Root: request.BaseURL(ctx)}
	request.SetRoute(ctx, d.Type())
	repo, err := m.house.Registry.Repository(ctx, d.Type(), name)
	if err != nil {
		return nil, err
	}
	q.Repo, q.Base = repo, q.Root+"/"+repo.Ecosystem+"/"+repo.Name
	if q.Source, err = m.house.Registry.Source(ctx, repo); err != nil {
		return nil, err
	}
	credential := d.Credential(r)
	q.Credentialed = credential.Secret != ""
	open := d.Open(r.Method, path)
	if q.Principal, err = m.house.Gate.Authenticate(ctx, credential); err != nil {
		if !open {
			return nil, err
		}
		q.Principal = access.Anonymous() // log-in routes come with a stale token (npm.md §6.1)
	}
	request.SetPrincipal(ctx, q.Principal.Name)
	if open {
		return q, nil
	}
	return q, m.mayRead(q)
}

// mayRead hides a private repository from those who may not read it.
func (m *Mux) mayRead(q *Request) error {
	err := m.house.Gate.May(q.Principal, access.Read, intake.ResourceOf(q.Repo, "", nil))
	if errs.Is(err, errs.Forbidden) && q.Repo.Visibility == registry.Private {
		return errs.New(errs.NotFound, "There is no %s repository named %q here.", q.Repo.Ecosystem, q.Repo.Name).WithRule("registry/repository")
	}
	return err
}

func (m *Mux) log(r *http.Request, err error) {
	if errs.KindOf(err) == errs.Internal {
		m.house.Log.ErrorContext(r.Context(), "request failed", "error", err)
	}
}

// Project returns the snapshot that answers for a name, if the caller may read it; errs.NotFound otherwise.
func (q *Request) Project(ctx context.Context, norm string) (*registry.Project, error) {
	p, err := q.Source.Project(ctx, norm)
	if err != nil {
		return nil, err
	}
	if p.Status == registry.Deleted {
		return nil, errs.New(errs.NotFound, "%s was removed from %s.", p.Display, q.Repo.Path()).WithRule("registry/deleted")
	}
	// The repository that holds it decides, also behind a group; a narrow token is asked again with the name.
	if err := q.House.Gate.May(q.Principal, access.Read, intake.ResourceOf(p.Repo, p.Norm, p)); err != nil {
		if errs.Is(err, errs.Forbidden) {
			return nil, errs.New(errs.NotFound, "The repository %s has no project named %q.", q.Repo.Path(), norm).WithRule("registry/project")
		}
		return nil, err
	}
	return p, nil
}

// View is what the caller may see of a project now.
func (q *Request) View(p *registry.Project) registry.View {
	return registry.ViewOf(p, "", q.House.Clock.Now())
}

// May asks access about a project; p may be nil for one that does not exist yet, and norm is then its name.
func (q *Request) May(a access.Action, p *registry.Project, norm string) error {
	repo := q.Repo
	if p != nil {
		repo, norm = p.Repo, p.Norm
	}
	return q.House.Gate.May(q.Principal, a, intake.ResourceOf(repo, norm, p))
}

// UploadRepo is the hosted repository that takes this request's uploads, if the caller may publish there at all. Doors ask
// before they read a body.
func (q *Request) UploadRepo(ctx context.Context) (*registry.Repository, error) {
	if q.Principal.IsAnonymous() {
		return nil, q.May(access.Publish, nil, "")
	}
	repo, err := q.House.Registry.UploadTarget(ctx, q.Repo)
	if err != nil {
		return nil, err
	}
	if err := q.House.Gate.May(q.Principal, access.Publish, intake.ResourceOf(repo, "", nil)); err != nil {
		return nil, err
	}
	request.AllowBody(ctx, bodyLimit(q.House.Intake.FileLimit(repo)))
	return repo, nil
}

// bodyLimit is the largest request that carries a file: npm wraps it in base64 (4/3), and every protocol adds metadata.
func bodyLimit(file int64) int64 { return file + file/3 + 32<<20 }

// Change runs a change of facts as the caller.
func (q *Request) Change(ctx context.Context, fn func(*registry.Change) error) error {
	return q.House.Registry.Change(ctx, intake.Actor(q.Principal), fn)
}

// Open reports whether everyone may read what this request is about: the repository asked and, behind a group, the one that
// holds p (nil: none yet). Only then may shared caches keep the answer.
func (q *Request) Open(p *registry.Project) bool {
	open := q.House.Gate.Open(string(q.Repo.Visibility))
	return open && (p == nil || q.House.Gate.Open(string(p.Repo.Visibility)))
}
