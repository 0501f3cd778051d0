package web

import (
	"context"
	"net/http"

	"github.com/a-h/templ"

	"bonded/internal/errs"
	"bonded/internal/registry"
)

// shelf is one ecosystem on the home page, with those of its repositories that everybody may read.
type shelf struct {
	ecosystem
	Rows []shelfRow
	// Setup is how a client is pointed at the first of them.
	Setup snippet
}

// shelfRow is one repository.
type shelfRow struct {
	*registry.Repository
	holding
	// Of names the members of a group.
	Of []string
}

// arrival is one of the newest releases.
type arrival struct {
	registry.Update
	Ecosystem, Repository string
	Path                  string
	// Words are the release's own summary; the project's may be of another release, which is withheld.
	Words string
	// Label is the version as its people write it.
	Label string
}

// homeView is what the home page shows.
type homeView struct {
	Shelves  []shelf
	Arrivals []arrival
}

func (s *Site) home(w http.ResponseWriter, r *http.Request) error {
	v, err := s.homeView(r.Context())
	if err != nil {
		return err
	}
	f := Frame{Title: "", Description: "Packages for Cargo, PyPI, npm, Maven and Composer, inspected before they are handed out."}
	return s.Show(w, r, http.StatusOK, f, func(f Frame) templ.Component { return homePage(f, v) })
}

func (s *Site) homeView(ctx context.Context) (v homeView, err error) {
	repos, err := s.house.Readable(ctx, reader())
	if err != nil {
		return v, err
	}
	var updates []registry.Update
	byID := map[int64]*registry.Repository{}
	for _, repo := range preferredFirst(repos) {
		byID[repo.ID] = repo
		h, err := s.stock.of(ctx, repo, s.readable)
		if err != nil {
			return v, err
		}
		if repo.Kind != registry.Group { // a group's arrivals are its members'
			updates = append(updates, h.Arrivals...)
		}
		if n := len(v.Shelves); n == 0 || v.Shelves[n-1].ID != repo.Ecosystem {
			v.Shelves = append(v.Shelves, shelf{ecosystem: ecosystemOf(repo.Ecosystem), Setup: useSnippets(placeOf(ctx, repo))[0]})
		}
		of, err := s.memberNames(ctx, repo)
		if err != nil {
			return v, err
		}
		last := &v.Shelves[len(v.Shelves)-1]
		last.Rows = append(last.Rows, shelfRow{Repository: repo, holding: h, Of: of})
	}
	routes, err := s.routes(ctx)
	if err != nil {
		return v, err
	}
	for _, u := range newest(updates, arrivalsKept) {
		repo := byID[u.RepositoryID]
		shown, path := routes.to(ctx, repo, u.Norm)
		a := arrival{Update: u, Ecosystem: repo.Ecosystem, Repository: shown.Path(), Path: path}
		ok, err := s.describe(ctx, repo, &a)
		if err != nil {
			return v, err
		}
		if ok {
			v.Arrivals = append(v.Arrivals, a)
		}
	}
	return v, nil
}

// describe adds what the release says of itself; not ok when it may not be seen any more since it was counted.
func (s *Site) describe(ctx context.Context, repo *registry.Repository, a *arrival) (bool, error) {
	q, err := s.visit(ctx, repo.Ecosystem, repo.Name)
	if err != nil {
		return false, err
	}
	p, err := q.Project(ctx, a.Norm)
	if errs.Is(err, errs.NotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	r := s.find(p, q.View(p).Releases, a.Unique)
	if r == nil {
		return false, nil
	}
	m, err := s.house.Registry.Manifest(ctx, r.ID)
	if err != nil {
		return false, err
	}
	a.Words, a.Label = m.Summary, labelOf(repo.Ecosystem, r)
	return true, nil
}

func (s *Site) readable(repo *registry.Repository) bool { return s.house.MayRead(reader(), repo) }

// memberNames names the members of a group that everybody may read.
func (s *Site) memberNames(ctx context.Context, repo *registry.Repository) ([]string, error) {
	if repo.Kind != registry.Group {
		return nil, nil
	}
	members, err := s.house.Registry.Members(ctx, repo)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, m := range members {
		if s.readable(m) {
			names = append(names, m.Name)
		}
	}
	return names, nil
}

// preferredFirst orders each ecosystem's repositories as clients should use them: "main", other groups, the rest. The ecosystems
// stay together and in order.
func preferredFirst(repos []*registry.Repository) []*registry.Repository {
	var out []*registry.Repository
	for start := 0; start < len(repos); {
		end := start
		for end < len(repos) && repos[end].Ecosystem == repos[start].Ecosystem {
			end++
		}
		for rank := range 3 {
			for _, repo := range repos[start:end] {
				if rankOf(repo) == rank {
					out = append(out, repo)
				}
			}
		}
		start = end
	}
	return out
}

func rankOf(repo *registry.Repository) int {
	switch {
	case repo.Kind == registry.Group && repo.Name == "main":
		return 0
	case repo.Kind == registry.Group:
		return 1
	default:
		return 2
	}
}
