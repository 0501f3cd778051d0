package web

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/a-h/templ"

	"bonded/internal/errs"
	"bonded/internal/registry"
)

const (
	perPage = 20
	// lastPage bounds how deep a list is read; beyond it one searches.
	lastPage = 500
	// maxQuery is the longest search text, in bytes.
	maxQuery = 200
	// summaryShown is how much of a summary a list shows, in characters.
	summaryShown = 220
)

// listed is one package in a list.
type listed struct {
	Display, Summary, Version string
	Repository                string
	Ecosystem                 ecosystem
	Path                      string
	Updated                   time.Time
	Status                    registry.Status
}

// choice is one entry of the repository filter.
type choice struct {
	Value, Label string
	Chosen       bool
}

// choices are the entries of one ecosystem.
type choices struct {
	Label   string
	Choices []choice
}

// listView is what the list shows.
type listView struct {
	Query, Filter string
	Filters       []choices
	Items         []listed
	Total         int
	Pages         pages
}

func (s *Site) list(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	v, err := s.listView(r.Context(), q.Get("q"), q.Get("repository"), q.Get("page"))
	if err != nil {
		return err
	}
	f := Frame{Title: "Packages", Section: "packages", Description: "The packages of this repository."}
	if v.Query != "" {
		f.Title = "Packages matching “" + v.Query + "”"
	}
	return s.Show(w, r, http.StatusOK, f, func(f Frame) templ.Component { return listPage(f, v) })
}

func (s *Site) listView(ctx context.Context, text, filter, page string) (listView, error) {
	v := listView{Query: SearchText(text), Filter: filter}
	number, err := pageNumber(page)
	if err != nil {
		return v, err
	}
	repos, err := s.house.Readable(ctx, reader())
	if err != nil {
		return v, err
	}
	v.Filters = filters(repos, filter)
	in, err := s.filtered(ctx, repos, filter)
	if err != nil {
		return v, err
	}
	hits, total, err := s.house.Registry.Search(ctx, registry.Query{Repositories: in, Text: v.Query, Offset: (number - 1) * perPage, Limit: perPage})
	if err != nil {
		return v, err
	}
	if len(hits) == 0 && number > 1 {
		return v, errs.New(errs.NotFound, "The list does not have that many pages.").WithNext("Narrow the search instead.")
	}
	v.Total, v.Pages = total, newPages("/packages/", url.Values{"q": {v.Query}, "repository": {filter}}, "page", number, total, perPage, lastPage)
	v.Items, err = s.listed(ctx, in, hits)
	return v, err
}

// listed turns hits into what readers may see of them: the newest release that is not withheld, or nothing.
func (s *Site) listed(ctx context.Context, in []*registry.Repository, hits []registry.Hit) ([]listed, error) {
	byID := map[int64]*registry.Repository{}
	for _, repo := range in {
		byID[repo.ID] = repo
	}
	routes, err := s.routes(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]listed, 0, len(hits))
	for _, h := range hits {
		repo := byID[h.RepositoryID]
		q, err := s.visit(ctx, repo.Ecosystem, repo.Name)
		if err != nil {
			return nil, err
		}
		p, err := q.Project(ctx, h.Norm)
		if errs.Is(err, errs.NotFound) { // went between the two reads
			continue
		}
		if err != nil {
			return nil, err
		}
		latest := q.View(p).Latest()
		if latest == nil {
			continue
		}
		summary := h.Summary
		if latest.Version != h.Latest { // the words of a release that is withheld are withheld too
			m, err := s.house.Registry.Manifest(ctx, latest.ID)
			if err != nil {
				return nil, err
			}
			summary = m.Summary
		}
		shown, path := routes.to(ctx, repo, h.Norm)
		out = append(out, listed{
			Display: p.Display, Summary: clip(summary, summaryShown), Version: labelOf(repo.Ecosystem, latest), Repository: shown.Path(),
			Ecosystem: ecosystemOf(repo.Ecosystem), Path: path, Updated: p.UpdatedAt, Status: p.Status,
		})
	}
	return out, nil
}

// filtered are the repositories that hold what the filter names: "" all, "npm" an ecosystem, "npm/main" one repository.
func (s *Site) filtered(ctx context.Context, repos []*registry.Repository, filter string) ([]*registry.Repository, error) {
	var in []*registry.Repository
	known := filter == ""
	seen := map[int64]bool{}
	for _, repo := range repos {
		if filter != "" && filter != repo.Ecosystem && filter != repo.Path() {
			continue
		}
		known = true
		members, err := s.house.Registry.Members(ctx, repo)
		if err != nil {
			return nil, err
		}
		for _, m := range members {
			if !seen[m.ID] && s.readable(m) {
				seen[m.ID] = true
				in = append(in, m)
			}
		}
	}
	if !known {
		return nil, errs.New(errs.NotFound, "There is no repository %q here.", clip(filter, 80)).WithRule("registry/repository").
			WithNext("Choose one from the list.")
	}
	return in, nil
}

func filters(repos []*registry.Repository, chosen string) []choices {
	var out []choices
	for _, repo := range preferredFirst(repos) {
		eco := ecosystemOf(repo.Ecosystem)
		if n := len(out); n == 0 || out[n-1].Label != eco.Name {
			out = append(out, choices{Label: eco.Name, Choices: []choice{{Value: eco.ID, Label: "All of " + eco.Name, Chosen: chosen == eco.ID}}})
		}
		last := &out[len(out)-1]
		last.Choices = append(last.Choices, choice{Value: repo.Path(), Label: repo.Path(), Chosen: chosen == repo.Path()})
	}
	return out
}

// SearchText makes what was typed safe to search for: bounded, valid, without control characters.
func SearchText(s string) string {
	s = strings.ToValidUTF8(s, "")
	s = strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f {
			return ' '
		}
		return r
	}, s)
	s = strings.TrimSpace(s)
	for len(s) > maxQuery {
		_, size := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-size]
	}
	return s
}

// pageNumber reads the number of a page; "" is the first.
func pageNumber(s string) (int, error) {
	if s == "" {
		return 1, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > lastPage {
		return 0, errs.New(errs.NotFound, "There is no page %s of this list.", clip(s, 20)).WithNext("Narrow the search instead.")
	}
	return n, nil
}

// pages is the navigation below a list that does not fit one page.
type pages struct {
	Number, Last   int
	Previous, Next string
}

// newPages makes the navigation; the links keep the other parameters that are set.
func newPages(path string, keep url.Values, param string, number, total, size, limit int) pages {
	p := pages{Number: number, Last: min(max((total+size-1)/size, 1), limit)}
	link := func(n int) string {
		v := url.Values{}
		for k, all := range keep {
			if len(all) > 0 && all[0] != "" {
				v.Set(k, all[0])
			}
		}
		if n > 1 {
			v.Set(param, strconv.Itoa(n))
		}
		return path + query(v.Encode())
	}
	if number > 1 {
		p.Previous = link(number - 1)
	}
	if number < p.Last {
		p.Next = link(number + 1)
	}
	return p
}
