package composer

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"bonded/internal/door"
	"bonded/internal/errs"
	"bonded/internal/registry"
	"bonded/internal/usage"
)

// How much one search gives and costs.
const (
	defaultPage = 15
	maxPage     = 100
	maxQuery    = 256
	// maxExamined is how many hits are looked at when only packages of one type are wanted.
	maxExamined = 500
)

// hit is one result of search.json (composer.md §5).
type hit struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	URL         string `json:"url"`
	Repository  string `json:"repository"`
	Downloads   int64  `json:"downloads"`
	Favers      int    `json:"favers"`
	Abandoned   any    `json:"abandoned,omitempty"`
}

type searchAnswer struct {
	Results []hit  `json:"results"`
	Total   int    `json:"total"`
	Next    string `json:"next,omitempty"`
}

// serveSearch answers search.json?q=&type=&per_page=&page=.
func serveSearch(w http.ResponseWriter, r *http.Request, q *door.Request) error {
	form := r.URL.Query()
	text, typ := printable(strings.ToValidUTF8(form.Get("q"), " ")), form.Get("type")
	perPage, page := positive(form.Get("per_page"), defaultPage, maxPage), positive(form.Get("page"), 1, 10_000)
	if len(text) > maxQuery || len(typ) > maxName {
		return errs.New(errs.Invalid, "A search has at most %d bytes.", maxQuery).WithRule("composer/search")
	}
	members, err := readable(r, q)
	if err != nil {
		return err
	}
	query := registry.Query{Repositories: members, Text: text, Offset: (page - 1) * perPage, Limit: perPage}
	if typ != "" {
		query.Offset, query.Limit = 0, maxExamined
	}
	found, total, err := q.House.Registry.Search(r.Context(), query)
	if err != nil {
		return err
	}
	hits, err := hitsOf(r.Context(), q, found, typ)
	if err != nil {
		return err
	}
	if typ != "" {
		total = len(hits)
		hits = hits[min(len(hits), (page-1)*perPage):]
		hits = hits[:min(len(hits), perPage)]
	}
	if err := countDownloads(r.Context(), q, hits); err != nil {
		return err
	}
	answer := searchAnswer{Results: make([]hit, 0, len(hits)), Total: total}
	for _, h := range hits {
		answer.Results = append(answer.Results, h.hit)
	}
	if page*perPage < total {
		next := url.Values{"q": {text}, "page": {strconv.Itoa(page + 1)}, "per_page": {strconv.Itoa(perPage)}}
		if typ != "" {
			next.Set("type", typ)
		}
		answer.Next = q.Base + searchPath + "?" + next.Encode()
	}
	w.Header().Set("Cache-Control", "no-store")
	door.WriteJSON(w, http.StatusOK, answer)
	return nil
}

// projectHit is a hit with the project it is about.
type projectHit struct {
	hit
	id int64
}

// hitsOf looks up what search found: what the caller may see, what the group's first member answers for, what is of the type.
func hitsOf(ctx context.Context, q *door.Request, found []registry.Hit, typ string) ([]projectHit, error) {
	var out []projectHit
	for _, h := range found {
		p, latest, err := newest(ctx, q, h.Norm)
		if err != nil {
			return nil, err
		}
		if latest == nil || p.Repo.ID != h.RepositoryID || typ != "" && typeOf(latest) != typ {
			continue
		}
		result := hit{
			Name: p.Display, Description: latest.text("description"), URL: pageOf(q, p), Repository: repositoryOf(latest), Abandoned: abandonedNow(p, latest),
		}
		out = append(out, projectHit{result, p.ID})
	}
	return out, nil
}

func countDownloads(ctx context.Context, q *door.Request, hits []projectHit) (err error) {
	for i := range hits {
		if hits[i].Downloads, err = usage.Total(ctx, q.House.Registry.DB(), hits[i].id, 0); err != nil {
			return err
		}
	}
	return nil
}

// pageOf is where people read about a package.
func pageOf(q *door.Request, p *registry.Project) string {
	return q.Root + "/packages/" + q.Repo.Path() + "/" + p.Norm
}

// repositoryOf is where the source lies, as the publisher says.
func repositoryOf(o object) string {
	if source := o.object("support").text("source"); source != "" {
		return source
	}
	return o.text("homepage")
}

// abandonedNow is true or the name of the package to use instead; nil when it is not abandoned.
func abandonedNow(p *registry.Project, o object) any {
	if p.Status == registry.Deprecated {
		return abandonedFor(p.StatusReason)
	}
	if v := o.get("abandoned"); v != nil && string(v) != "false" && string(v) != `""` {
		return v
	}
	return nil
}

// servePackage answers packages/{vendor}/{package}.json, which tools read for facts about a package (composer.md §9).
func servePackage(w http.ResponseWriter, r *http.Request, q *door.Request) error {
	norm, ok := packageName(q.Path, packageRoot, ".json")
	if !ok {
		return errs.New(errs.NotFound, "There is no such package name.").WithRule("composer/package-path")
	}
	p, err := q.Project(r.Context(), norm)
	if err != nil {
		return err
	}
	_, latest, err := newest(r.Context(), q, norm)
	if err != nil {
		return err
	}
	view, versions := q.View(p), object{}
	for _, dev := range []bool{false, true} {
		for _, release := range listed(view, dev) {
			e, err := entryOf(release)
			if err != nil {
				return err
			}
			versions = append(versions, member{e.object.text("version"), e.complete(p, q.Base).appendTo(nil)})
		}
	}
	total, err := usage.Total(r.Context(), q.House.Registry.DB(), p.ID, 0)
	if err != nil {
		return err
	}
	maintainers := make([]map[string]string, 0, len(p.Owners))
	for _, o := range p.Owners {
		maintainers = append(maintainers, map[string]string{"name": o.Name})
	}
	body := map[string]any{
		"name": p.Display, "description": latest.text("description"), "time": phpTime(p.CreatedAt), "type": typeOf(latest),
		"repository": repositoryOf(latest), "maintainers": maintainers, "versions": json.RawMessage(versions.appendTo(nil)),
		"downloads": map[string]int64{"total": total}, "favers": 0,
	}
	if a := abandonedNow(p, latest); a != nil {
		body["abandoned"] = a
	}
	w.Header().Set("Cache-Control", "no-store")
	door.WriteJSON(w, http.StatusOK, map[string]any{"package": body})
	return nil
}

// positive reads a number from 1 to most; anything else is what stands for absence.
func positive(text string, absent, most int) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return absent
	}
	return min(n, most)
}

// audienceOf is the set of repositories that an answer was made from.
func audienceOf(members []*registry.Repository) registry.Audience {
	ids := make([]int64, 0, len(members))
	for _, m := range members {
		ids = append(ids, m.ID)
	}
	slices.Sort(ids)
	var b []byte
	for _, id := range ids {
		b = append(strconv.AppendInt(b, id, 10), ' ')
	}
	return registry.Audience(b)
}
