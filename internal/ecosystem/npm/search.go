package npm

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"bonded/internal/access"
	"bonded/internal/door"
	"bonded/internal/errs"
	"bonded/internal/events"
	"bonded/internal/intake"
	"bonded/internal/registry"
)

// Bounds of one page of a search (npm.md §5).
const (
	defaultHits = 20
	maxHits     = 250
	maxOffset   = 10_000
)

// hit is one package of a search's answer. Bonded ranks by name and does not score, so score tells the rank alone.
type hit struct {
	Package struct {
		Name          string            `json:"name"`
		SanitizedName string            `json:"sanitized_name"`
		Version       string            `json:"version"`
		Description   string            `json:"description,omitempty"`
		Keywords      []string          `json:"keywords"`
		Date          string            `json:"date"`
		License       string            `json:"license,omitempty"`
		Links         map[string]string `json:"links"`
		Publisher     account           `json:"publisher"`
		Maintainers   []account         `json:"maintainers"`
	} `json:"package"`
	Score struct {
		Final  float64            `json:"final"`
		Detail map[string]float64 `json:"detail"`
	} `json:"score"`
	SearchScore float64        `json:"searchScore"`
	Updated     string         `json:"updated"`
	Flags       map[string]int `json:"flags"`
}

type account struct {
	Username string `json:"username"`
	Email    string `json:"email,omitempty"`
}

// search answers GET /-/v1/search.
func (d *Door) search(w http.ResponseWriter, r *http.Request, q *door.Request, _ route) error {
	params := r.URL.Query()
	text := params.Get("text")
	if strings.TrimSpace(text) == "" {
		door.WriteJSON(w, http.StatusBadRequest, envelope{
			Error: "\"text\" query parameter is required", Message: "\"text\" query parameter is required", Code: "ERR_TEXT_MISSING",
		})
		return nil
	}
	repos, err := readable(r, q)
	if err != nil {
		return err
	}
	query := parseSearch(text)
	query.Repositories = repos
	query.Limit, query.Offset = number(params, "size", defaultHits, maxHits), number(params, "from", 0, maxOffset)
	found, total, err := q.House.Registry.Search(r.Context(), query)
	if err != nil {
		return err
	}
	objects := make([]hit, 0, len(found))
	for i, f := range found {
		p, err := q.Project(r.Context(), f.Norm)
		if errs.Is(err, errs.NotFound) { // a token that may not see this one
			total--
			continue
		}
		if err != nil {
			return err
		}
		if p.Repo.ID != f.RepositoryID { // another member of the group answers for the name
			total--
			continue
		}
		if h, ok := hitOf(q.View(p), query.Offset+i); ok {
			h.Package.Links["npm"] = q.Root + "/packages/" + p.Repo.Path() + "/" + p.Norm
			objects = append(objects, h)
		}
	}
	w.Header().Set("Cache-Control", "no-cache")
	door.WriteJSON(w, http.StatusOK, map[string]any{"objects": objects, "total": total, "time": q.House.Clock.Now().Format(isoMillis)})
	return nil
}

// number reads a parameter, within its bounds.
func number(params url.Values, name string, otherwise, most int) int {
	n, err := strconv.Atoi(params.Get(name))
	if err != nil || n < 0 {
		return otherwise
	}
	return min(n, most)
}

// parseSearch takes the qualifiers out of the text: scope:, keywords:, author: and maintainer: narrow the search; not: and
// is:, which judge packages, do not apply here.
func parseSearch(text string) registry.Query {
	var query registry.Query
	var words []string
	for word := range strings.FieldsSeq(text) {
		qualifier, value, ok := strings.Cut(word, ":")
		value = strings.Trim(value, `"`)
		switch {
		case !ok || value == "":
			words = append(words, word)
		case qualifier == "scope":
			query.Prefix = "@" + strings.TrimPrefix(value, "@") + "/"
		case qualifier == "keywords" || qualifier == "keyword":
			for k := range strings.FieldsFuncSeq(value, func(r rune) bool { return r == ',' || r == '+' }) {
				query.Keywords = append(query.Keywords, k)
			}
		case qualifier == "author" || qualifier == "maintainer":
			query.Owner = value
		case qualifier == "not" || qualifier == "is" || strings.HasPrefix(qualifier, "boost-"):
		default:
			words = append(words, word)
		}
	}
	query.Text = strings.Join(words, " ")
	return query
}

// hitOf describes a package by its latest version.
func hitOf(v registry.View, rank int) (hit, bool) {
	var h hit
	tag := tagsOf(v)[latestTag]
	for _, rel := range v.Releases {
		if rel.Version != tag {
			continue
		}
		full, _ := lines(rel.Record)
		o, err := parseObject(full)
		if err != nil {
			return h, false
		}
		p := &h.Package
		p.Name, p.SanitizedName, p.Version, p.Description = v.Norm, v.Norm, rel.Version, o.text("description")
		p.Keywords = append([]string{}, keywords(o.any("keywords"))...)
		p.Date, p.License, p.Publisher = rel.PublishedAt.Format(isoMillis), licence(o), account{Username: rel.PublishedBy}
		repository, homepage, bugs := links(o)
		p.Links = map[string]string{}
		for label, u := range map[string]string{"repository": repository, "homepage": homepage, "bugs": bugs} {
			if u != "" {
				p.Links[label] = u
			}
		}
		p.Maintainers = []account{}
		for _, owner := range v.Owners {
			p.Maintainers = append(p.Maintainers, account{owner.Name, owner.Email})
		}
		h.Updated, h.Flags = v.UpdatedAt.Format(isoMillis), map[string]int{"insecure": 0}
		h.Score.Final = 1 / float64(rank+1)
		h.Score.Detail = map[string]float64{"quality": 0, "popularity": 0, "maintenance": 0}
		h.SearchScore = h.Score.Final
		return h, true
	}
	return h, false
}

// maxChanges is the most rows of one page of the change feed.
const maxChanges = 1000

// changes answers GET /_changes, in CouchDB's shape: one row per change of a package, numbered by the event that made it
// (npm.md §5).
func (d *Door) changes(w http.ResponseWriter, r *http.Request, q *door.Request, _ route) error {
	type rev struct {
		Rev string `json:"rev"`
	}
	type row struct {
		Seq     int64  `json:"seq"`
		ID      string `json:"id"`
		Changes []rev  `json:"changes"`
		Deleted bool   `json:"deleted,omitempty"`
	}
	repos, err := readable(r, q)
	if err != nil {
		return err
	}
	params := r.URL.Query()
	limit := max(1, number(params, "limit", maxChanges, maxChanges))
	since, err := changesSince(r, q, params.Get("since"))
	if err != nil {
		return err
	}
	all, err := memberEvents(r, q, repos, since, limit)
	if err != nil {
		return err
	}
	rows, last := []row{}, since
	for _, e := range all {
		last = e.Seq
		if e.Project == "" || q.House.Gate.May(q.Principal, access.Read, resourceOf(repos, e)) != nil {
			continue
		}
		number := strconv.FormatInt(e.Seq, 10)
		rows = append(rows, row{Seq: e.Seq, ID: e.Project, Changes: []rev{{number + "-bonded"}}, Deleted: e.Kind == events.ProjectDeleted})
	}
	w.Header().Set("Cache-Control", "no-cache")
	door.WriteJSON(w, http.StatusOK, map[string]any{"results": rows, "last_seq": last})
	return nil
}

func changesSince(r *http.Request, q *door.Request, since string) (int64, error) {
	switch since {
	case "":
		return 0, nil
	case "now":
		return events.Last(r.Context(), q.House.Registry.DB())
	}
	n, err := strconv.ParseInt(since, 10, 64)
	if err != nil || n < 0 {
		return 0, errs.New(errs.Invalid, "since is a sequence number of this feed, or now.").WithRule("npm/changes-since")
	}
	return n, nil
}

// memberEvents merges the members' events in order, up to limit.
func memberEvents(r *http.Request, q *door.Request, repos []*registry.Repository, since int64, limit int) ([]events.Event, error) {
	var all []events.Event
	for _, repo := range repos {
		page, err := q.House.Registry.Changes(r.Context(), repo, since, limit)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
	}
	slices.SortFunc(all, func(a, b events.Event) int { return cmp.Compare(a.Seq, b.Seq) })
	return all[:min(len(all), limit)], nil
}

func resourceOf(repos []*registry.Repository, e events.Event) access.Resource {
	for _, repo := range repos {
		if repo.ID == e.RepositoryID {
			return intake.ResourceOf(repo, e.Project, nil)
		}
	}
	return access.Resource{Project: e.Project}
}
