package maven

import (
	"context"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"bonded/internal/door"
	"bonded/internal/errs"
	"bonded/internal/registry"
)

// searchQuery is a query of the Solr-like search (maven.md §12): fields g, a, v, p and free words.
type searchQuery struct {
	group, artifact, version, packaging string
	words                               []string
	// versions asks for one document per version (core=gav).
	versions    bool
	rows, start int
}

// Limits on one search.
const (
	maxRows    = 200
	maxHits    = 2000
	maxQueries = 1024
)

var searchTerm = regexp.MustCompile(`(?:([a-z0-9]+):)?(?:"([^"]*)"|([^\s"]+))`)

// parseQuery reads q, rows, start and core. Fields that this server does not index (c, fc, 1, l, tags) match nothing, which is
// what an honest answer to them is.
func parseQuery(r *http.Request) (s searchQuery, known bool, err error) {
	get := r.URL.Query().Get
	text := get("q")
	if len(text) > maxQueries {
		return s, false, errs.New(errs.Invalid, "The query is longer than %d characters.", maxQueries).WithRule("maven/search")
	}
	if wt := get("wt"); wt != "" && wt != "json" {
		return s, false, errs.New(errs.Invalid, "Answers are written as JSON only.").WithRule("maven/search").WithNext("Ask with wt=json.")
	}
	s.rows, s.start = atMost(get("rows"), 20, maxRows), atMost(get("start"), 0, maxHits)
	s.versions = get("core") == "gav"
	known = true
	for _, m := range searchTerm.FindAllStringSubmatch(text, 32) {
		value := strings.Trim(m[2]+m[3], "*()")
		switch m[1] {
		case "g":
			s.group = value
		case "a":
			s.artifact = value
		case "v":
			s.version, s.versions = value, true
		case "p":
			s.packaging = value
		case "":
			if value != "" && value != "AND" {
				s.words = append(s.words, strings.ToLower(value))
			}
		default:
			known = false
		}
	}
	return s, known, nil
}

func atMost(text string, standard, limit int) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return standard
	}
	return min(n, limit)
}

// searchDoc is one hit.
type searchDoc struct {
	ID           string   `json:"id"`
	Group        string   `json:"g"`
	Artifact     string   `json:"a"`
	Version      string   `json:"v,omitempty"`
	Latest       string   `json:"latestVersion,omitempty"`
	RepositoryID string   `json:"repositoryId,omitempty"`
	Packaging    string   `json:"p"`
	Timestamp    int64    `json:"timestamp"`
	VersionCount int      `json:"versionCount,omitempty"`
	Files        []string `json:"ec"`
	Tags         []string `json:"tags"`
	Text         []string `json:"text,omitempty"`
}

// search answers GET /solrsearch/select, which IDEs and dependency bots use. Every hit passes through the project's snapshot
// and its view, so that nothing is found that could not be fetched.
func (d *Door) search(w http.ResponseWriter, r *http.Request, q *door.Request) error {
	s, known, err := parseQuery(r)
	if err != nil {
		return err
	}
	var docs []searchDoc
	if known {
		if docs, err = d.find(r.Context(), q, s); err != nil {
			return err
		}
	}
	total := len(docs)
	docs = docs[min(s.start, total):min(s.start+s.rows, total)]
	if docs == nil {
		docs = []searchDoc{}
	}
	w.Header().Set("Cache-Control", "no-cache")
	door.WriteJSON(w, http.StatusOK, map[string]any{
		"responseHeader": map[string]any{"status": 0, "QTime": 0, "params": map[string]string{"q": r.URL.Query().Get("q"), "rows": strconv.Itoa(s.rows), "start": strconv.Itoa(s.start), "wt": "json"}},
		"response":       map[string]any{"numFound": total, "start": s.start, "docs": docs},
	})
	return nil
}

func (d *Door) find(ctx context.Context, q *door.Request, s searchQuery) ([]searchDoc, error) {
	norms, err := d.candidates(ctx, q, s)
	if err != nil {
		return nil, err
	}
	var docs []searchDoc
	for _, norm := range norms {
		p, err := q.Project(ctx, norm)
		if errs.Is(err, errs.NotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if docs = append(docs, documentsOf(q.View(p), s)...); len(docs) >= maxHits {
			return docs[:maxHits], nil
		}
	}
	return docs, nil
}

// candidates are the names that may match, best first.
func (d *Door) candidates(ctx context.Context, q *door.Request, s searchQuery) ([]string, error) {
	if s.group != "" && s.artifact != "" {
		if norm, ok := NormalizeName(s.group + ":" + s.artifact); ok {
			return []string{norm}, nil
		}
		return nil, nil
	}
	members, err := d.house.Registry.Members(ctx, q.Repo)
	if err != nil {
		return nil, err
	}
	text := strings.Join(append(slices.Clone(s.words), strings.Fields(strings.ToLower(s.group+" "+s.artifact))...), " ")
	hits, _, err := d.house.Registry.Search(ctx, registry.Query{Repositories: members, Text: text, Limit: maxHits})
	if err != nil {
		return nil, err
	}
	var norms []string
	seen := map[string]bool{}
	for _, h := range hits {
		group, artifactID, _ := strings.Cut(h.Norm, ":")
		if seen[h.Norm] || s.group != "" && group != s.group || s.artifact != "" && artifactID != s.artifact {
			continue
		}
		seen[h.Norm] = true
		norms = append(norms, h.Norm)
	}
	return norms, nil
}

func documentsOf(v registry.View, s searchQuery) []searchDoc {
	releases := listed(v)
	if len(releases) == 0 {
		return nil
	}
	if !s.versions {
		last := releases[len(releases)-1]
		doc := searchDocOf(v, last)
		doc.ID, doc.Latest, doc.VersionCount, doc.RepositoryID = v.Norm, last.Version, len(releases), v.Repo.Name
		doc.Text = []string{doc.Group, doc.Artifact}
		if s.packaging != "" && s.packaging != doc.Packaging {
			return nil
		}
		return []searchDoc{doc}
	}
	var docs []searchDoc
	for _, r := range slices.Backward(releases) {
		doc := searchDocOf(v, r)
		if (s.version == "" || s.version == r.Version) && (s.packaging == "" || s.packaging == doc.Packaging) {
			doc.ID, doc.Version = v.Norm+":"+r.Version, r.Version
			docs = append(docs, doc)
		}
	}
	return docs
}

func searchDocOf(v registry.View, r *registry.Release) searchDoc {
	group, artifactID, _ := strings.Cut(v.Norm, ":")
	doc := searchDoc{Group: group, Artifact: artifactID, Packaging: indexOf(r).Packaging, Timestamp: r.PublishedAt.UnixMilli(), Files: []string{}, Tags: []string{}}
	for _, f := range r.Files {
		l, err := parsePath(f.Path)
		if err != nil {
			continue
		}
		ending := "." + l.extension
		if l.classifier != "" {
			ending = "-" + l.classifier + ending
		}
		if !slices.Contains(doc.Files, ending) {
			doc.Files = append(doc.Files, ending)
		}
	}
	return doc
}
