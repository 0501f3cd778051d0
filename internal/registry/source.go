package registry

import (
	"context"

	"bonded/internal/blob"
	"bonded/internal/errs"
	"bonded/internal/store"
)

// NameEntry is one project in a listing.
type NameEntry struct {
	Norm, Display string
	// Revision is the number of the project's last event.
	Revision int64
}

// Source answers for one repository. Hosted, proxy and group are its three kinds.
type Source interface {
	// Repo is the repository it answers for.
	Repo() *Repository
	// Names lists up to limit projects whose normalized name is above after, in order of that name. Quarantined and
	// deleted projects are left out.
	Names(ctx context.Context, after string, limit int) ([]NameEntry, error)
	// Project returns the snapshot of the project with that normalized name; errs.NotFound if the repository has none.
	// Ownership of the name is decided before visibility: a deleted or quarantined project still answers, and the caller's
	// View decides what is seen.
	Project(ctx context.Context, norm string) (*Project, error)
	// Open opens the bytes of a file of a snapshot.
	Open(ctx context.Context, f *File) (*blob.Reader, error)
	// Epoch changes when the answer for every project may have changed (a group's membership).
	Epoch() int64
}

// Source returns the source of a repository.
func (r *Registry) Source(ctx context.Context, repo *Repository) (Source, error) {
	switch repo.Kind {
	case Hosted:
		return &hosted{r, repo}, nil
	case Group:
		members, err := r.Members(ctx, repo)
		if err != nil {
			return nil, err
		}
		g := &group{r: r, repo: repo}
		for _, m := range members {
			if m.Kind == Hosted {
				g.members = append(g.members, &hosted{r, m})
			}
		}
		return g, nil
	default:
		return nil, errs.New(errs.NotFound, "The repository %s pulls from an upstream, which this release of Bonded cannot do yet.", repo.Path()).
			WithRule("registry/proxy")
	}
}

type hosted struct {
	r    *Registry
	repo *Repository
}

func (h *hosted) Repo() *Repository { return h.repo }
func (h *hosted) Epoch() int64      { return 0 }

func (h *hosted) Names(ctx context.Context, after string, limit int) ([]NameEntry, error) {
	return store.All(ctx, h.r.db, scanName, `select norm, display, revision from project
		where repository_id = $1 and norm > $2 and status not in ('deleted', 'quarantined') order by norm limit $3`, h.repo.ID, after, limit)
}

func scanName(s store.Scanner) (n NameEntry, err error) {
	return n, s.Scan(&n.Norm, &n.Display, &n.Revision)
}

func (h *hosted) Project(ctx context.Context, norm string) (*Project, error) {
	p, err := h.r.snapshot(ctx, h.repo, norm)
	if err != nil {
		return nil, err
	}
	if p == nil {
		return nil, errs.New(errs.NotFound, "The repository %s has no project named %q.", h.repo.Path(), norm).WithRule("registry/project")
	}
	return p, nil
}

func (h *hosted) Open(ctx context.Context, f *File) (*blob.Reader, error) {
	return h.r.blobs.Open(ctx, f.Digests.SHA256)
}

// group answers with its first member that owns the name, entirely.
type group struct {
	r       *Registry
	repo    *Repository
	members []*hosted
}

func (g *group) Repo() *Repository { return g.repo }
func (g *group) Epoch() int64      { return g.repo.Revision }

func (g *group) Project(ctx context.Context, norm string) (*Project, error) {
	for _, m := range g.members {
		p, err := m.Project(ctx, norm)
		if errs.Is(err, errs.NotFound) {
			continue
		}
		return p, err // an error of the member that may own the name never falls through to another
	}
	return nil, errs.New(errs.NotFound, "No member of %s has a project named %q.", g.repo.Path(), norm).WithRule("registry/project")
}

func (g *group) Names(ctx context.Context, after string, limit int) ([]NameEntry, error) {
	// Each member's page is in order and starts above the same cursor, so the first `limit` of the merge are exact.
	pages := make([][]NameEntry, 0, len(g.members))
	for _, m := range g.members {
		page, err := m.Names(ctx, after, limit)
		if err != nil {
			return nil, err
		}
		pages = append(pages, page)
	}
	return mergeNames(pages, limit), nil
}

// mergeNames merges ordered pages; of equal names the first page's wins.
func mergeNames(pages [][]NameEntry, limit int) []NameEntry {
	if len(pages) == 1 {
		return pages[0]
	}
	var out []NameEntry
	at := make([]int, len(pages))
	for len(out) < limit {
		least := -1
		for i, page := range pages {
			if at[i] < len(page) && (least < 0 || page[at[i]].Norm < pages[least][at[least]].Norm) {
				least = i
			}
		}
		if least < 0 {
			break
		}
		next := pages[least][at[least]]
		out = append(out, next)
		for i, page := range pages {
			if at[i] < len(page) && page[at[i]].Norm == next.Norm {
				at[i]++
			}
		}
	}
	return out
}

func (g *group) Open(ctx context.Context, f *File) (*blob.Reader, error) {
	return g.r.blobs.Open(ctx, f.Digests.SHA256)
}
