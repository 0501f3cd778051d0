package registry

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"

	"bonded/internal/blob"
	"bonded/internal/clock"
	"bonded/internal/errs"
	"bonded/internal/events"
	"bonded/internal/store"
)

// Registry is the facts: every repository of this instance.
type Registry struct {
	db       *store.DB
	feed     *events.Feed
	blobs    blob.Store
	clock    clock.Clock
	formats  map[string]Format
	defaults Settings

	repos     atomic.Pointer[catalog]
	reposMu   sync.Mutex
	snapshots *otter.Cache[projectKey, *Project]
}

// projectKey names a project of one repository.
type projectKey struct {
	repo int64
	norm string
}

// catalog is an immutable picture of all repositories.
type catalog struct {
	byID   map[int64]*Repository
	byPath map[string]*Repository
	all    []*Repository
}

// Options are what a Registry is made of.
type Options struct {
	DB      *store.DB
	Feed    *events.Feed
	Blobs   blob.Store
	Clock   clock.Clock
	Formats []Format
	// Defaults are what a new hosted repository keeps of builds and pre-releases where nothing else is said.
	Defaults Settings
	// CacheBytes bounds the project snapshots kept in memory; 0 means 48 MiB.
	CacheBytes uint64
}

// New opens the registry over a migrated database.
func New(ctx context.Context, o Options) (*Registry, error) {
	if o.CacheBytes == 0 {
		o.CacheBytes = 48 << 20
	}
	r := &Registry{db: o.DB, feed: o.Feed, blobs: o.Blobs, clock: o.Clock, formats: map[string]Format{}, defaults: o.Defaults}
	for _, f := range o.Formats {
		r.formats[f.Type()] = f
	}
	r.snapshots = otter.Must(&otter.Options[projectKey, *Project]{
		MaximumWeight: o.CacheBytes,
		Weigher:       func(k projectKey, p *Project) uint32 { return weigh(k, p) },
	})
	o.Feed.Subscribe(r.listen)
	_, err := r.reload(ctx)
	return r, err
}

// weigh estimates what a snapshot costs in memory.
func weigh(k projectKey, p *Project) uint32 {
	n := 512 + len(k.norm)
	if p == nil {
		return uint32(n)
	}
	for _, r := range p.Releases {
		n += 320 + len(r.Record) + len(r.Files)*640
	}
	return uint32(min(n, 1<<31))
}

// listen drops what an event made stale. It runs under the feed's lock.
func (r *Registry) listen(e events.Event) {
	if e.Project != "" {
		r.snapshots.Invalidate(projectKey{e.RepositoryID, e.Project})
	}
	if e.Kind == events.RepositoryCreated || e.Kind == events.RepositoryChanged {
		r.repos.Store(nil)
	}
}

// Format returns the rules of an ecosystem; nil if this binary has none by that name.
func (r *Registry) Format(ecosystem string) Format { return r.formats[ecosystem] }

// DB is the database, for rooms that read across tables.
func (r *Registry) DB() *store.DB { return r.db }

// Feed is the node's feed.
func (r *Registry) Feed() *events.Feed { return r.feed }

func (r *Registry) catalog(ctx context.Context) (*catalog, error) {
	if c := r.repos.Load(); c != nil && r.feed.Lag() <= events.ServeWithoutStore {
		return c, nil
	}
	return r.reload(ctx)
}

func (r *Registry) reload(ctx context.Context) (*catalog, error) {
	r.reposMu.Lock()
	defer r.reposMu.Unlock()
	if c := r.repos.Load(); c != nil && r.feed.Fresh() {
		return c, nil
	}
	seen := r.feed.Applied()
	all, err := store.All(ctx, r.db, scanRepository,
		"select id, ecosystem, name, kind, visibility, settings, state, revision, created_at from repository order by ecosystem, name")
	if err != nil {
		return nil, errs.New(errs.Unavailable, "The database does not answer.").Because(err)
	}
	c := &catalog{byID: map[int64]*Repository{}, byPath: map[string]*Repository{}, all: all}
	for _, repo := range all {
		c.byID[repo.ID], c.byPath[repo.Path()] = repo, repo
	}
	type member struct{ group, id int64 }
	members, err := store.All(ctx, r.db, func(s store.Scanner) (m member, err error) {
		return m, s.Scan(&m.group, &m.id)
	}, "select group_id, member_id from repository_member order by group_id, position")
	if err != nil {
		return nil, errs.New(errs.Unavailable, "The database does not answer.").Because(err)
	}
	for _, m := range members {
		c.byID[m.group].Members = append(c.byID[m.group].Members, m.id)
	}
	r.repos.Store(c)
	if r.feed.Applied() != seen { // an event may have passed while we read: let the next caller read again
		r.repos.CompareAndSwap(c, nil)
	}
	return c, nil
}

func scanRepository(s store.Scanner) (*Repository, error) {
	var repo Repository
	var settings, state string
	var created int64
	if err := s.Scan(&repo.ID, &repo.Ecosystem, &repo.Name, &repo.Kind, &repo.Visibility, &settings, &state, &repo.Revision, &created); err != nil {
		return nil, err
	}
	repo.State, repo.CreatedAt = json.RawMessage(state), clock.FromMillis(created)
	return &repo, json.Unmarshal([]byte(settings), &repo.Settings)
}

// Repository finds a repository by ecosystem and name; errs.NotFound if there is none.
func (r *Registry) Repository(ctx context.Context, ecosystem, name string) (*Repository, error) {
	c, err := r.catalog(ctx)
	if err != nil {
		return nil, err
	}
	if repo := c.byPath[ecosystem+"/"+name]; repo != nil {
		return repo, nil
	}
	return nil, errs.New(errs.NotFound, "There is no %s repository named %q here.", ecosystem, name).WithRule("registry/repository")
}

// RepositoryByID finds a repository by its id; errs.NotFound if there is none.
func (r *Registry) RepositoryByID(ctx context.Context, id int64) (*Repository, error) {
	c, err := r.catalog(ctx)
	if err != nil {
		return nil, err
	}
	if repo := c.byID[id]; repo != nil {
		return repo, nil
	}
	return nil, errs.New(errs.NotFound, "There is no such repository here.").WithRule("registry/repository")
}

// Repositories lists all repositories by ecosystem and name.
func (r *Registry) Repositories(ctx context.Context) ([]*Repository, error) {
	c, err := r.catalog(ctx)
	if err != nil {
		return nil, err
	}
	return slices.Clone(c.all), nil
}

// Members resolves a group's members, nested groups flattened in order; for another kind it is the repository itself.
func (r *Registry) Members(ctx context.Context, repo *Repository) ([]*Repository, error) {
	c, err := r.catalog(ctx)
	if err != nil {
		return nil, err
	}
	var out []*Repository
	seen := map[int64]bool{}
	var add func(*Repository)
	add = func(m *Repository) {
		if m == nil || seen[m.ID] {
			return
		}
		seen[m.ID] = true
		if m.Kind != Group {
			out = append(out, m)
			return
		}
		for _, id := range m.Members {
			add(c.byID[id])
		}
	}
	add(repo)
	return out, nil
}

// UploadTarget is the hosted repository that takes uploads to repo: itself, or a group's first hosted member.
func (r *Registry) UploadTarget(ctx context.Context, repo *Repository) (*Repository, error) {
	members, err := r.Members(ctx, repo)
	if err != nil {
		return nil, err
	}
	for _, m := range members {
		if m.Kind == Hosted {
			return m, nil
		}
	}
	return nil, errs.New(errs.Forbidden, "The repository %s takes no uploads.", repo.Path()).
		WithRule("registry/no-hosted-member").WithNext("Publish to a hosted repository.")
}

// now is the registry's time.
func (r *Registry) now() time.Time { return r.clock.Now() }
