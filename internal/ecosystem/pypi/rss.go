package pypi

import (
	"bytes"
	"context"
	"encoding/xml"
	"net/http"
	"slices"
	"strings"

	"bonded/internal/door"
	"bonded/internal/errs"
	"bonded/internal/registry"
)

// serveRSS answers rss/packages.xml, rss/updates.xml and rss/project/{name}/releases.xml (pypi.md §3); path is what follows
// rss/.
func (d *Door) serveRSS(w http.ResponseWriter, r *http.Request, q *door.Request, path []string) error {
	feed := newsFeed{q: q, title: "Updates of " + q.Repo.Path(), limit: 100}
	switch {
	case len(path) == 1 && path[0] == "updates.xml":
	case len(path) == 1 && path[0] == "packages.xml":
		feed.title, feed.limit, feed.onlyNew = "New packages in "+q.Repo.Path(), 40, true
	case len(path) == 3 && path[0] == "project" && path[2] == "releases.xml":
		norm, ok := NormalizeName(path[1])
		if !ok {
			return noSuchPage(q)
		}
		if norm != path[1] {
			redirect(w, r, http.StatusMovedPermanently, q.Base+"/rss/project/"+norm+"/releases.xml")
			return nil
		}
		p, err := q.Project(r.Context(), norm)
		if err != nil {
			return err
		}
		if p.Status == registry.Quarantined {
			return errs.New(errs.NotFound, "%s is quarantined.", p.Display).WithRule("moderation/quarantine")
		}
		feed.title, feed.limit, feed.project = "Releases of "+p.Display, 40, norm
	default:
		return noSuchPage(q)
	}
	m, err := d.membersOf(r.Context(), q)
	if err != nil {
		return err
	}
	key := m.key(q, "rss "+strings.Join(path, "/"))
	doc, err := q.House.Documents.Get(r.Context(), key, func(ctx context.Context) (door.Rendered, error) {
		out := door.Rendered{ContentType: "text/xml; charset=utf-8", Header: serialHeader(m.serial)}
		var err error
		out.Body, err = feed.render(ctx, m)
		return out, err
	})
	if err != nil {
		return err
	}
	door.ServeDocument(w, r, doc, door.DocumentOptions{Private: m.private})
	return nil
}

// newsFeed is one feed to render.
type newsFeed struct {
	q       *door.Request
	title   string
	project string
	onlyNew bool
	limit   int
}

// rss is the document (RSS 2.0).
type (
	rss struct {
		XMLName xml.Name   `xml:"rss"`
		Version string     `xml:"version,attr"`
		Channel rssChannel `xml:"channel"`
	}
	rssChannel struct {
		Title       string    `xml:"title"`
		Link        string    `xml:"link"`
		Description string    `xml:"description"`
		Language    string    `xml:"language"`
		Items       []rssItem `xml:"item"`
	}
	rssItem struct {
		Title       string `xml:"title"`
		Link        string `xml:"link"`
		GUID        string `xml:"guid"`
		Description string `xml:"description,omitempty"`
		PubDate     string `xml:"pubDate"`
	}
)

func (f newsFeed) render(ctx context.Context, m members) ([]byte, error) {
	news, err := f.news(ctx, m)
	if err != nil {
		return nil, err
	}
	doc := rss{Version: "2.0", Channel: rssChannel{Title: f.title, Link: f.q.Base + "/simple/", Description: f.title, Language: "en"}}
	for _, u := range news {
		repo, err := f.q.House.Registry.RepositoryByID(ctx, u.RepositoryID)
		if err != nil {
			return nil, err
		}
		link := f.q.Root + "/packages/" + repo.Path() + "/" + u.Norm
		title := u.Display + " added"
		if !f.onlyNew {
			link += "/" + escapeSegment(u.Version)
			title = u.Display + " " + u.Version
		}
		doc.Channel.Items = append(doc.Channel.Items, rssItem{title, link, link, u.Summary, u.At.UTC().Format(http.TimeFormat)})
	}
	var b bytes.Buffer
	b.WriteString(xml.Header)
	e := xml.NewEncoder(&b)
	e.Indent("", "  ")
	err = e.Encode(doc)
	return b.Bytes(), err
}

// news collects the newest of every member, less what an earlier member shadows.
func (f newsFeed) news(ctx context.Context, m members) ([]registry.Update, error) {
	var all []registry.Update
	for _, repo := range m.repos {
		some, err := f.q.House.Registry.Newest(ctx, repo, f.project, f.onlyNew, f.limit)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	slices.SortStableFunc(all, func(a, b registry.Update) int { return b.At.Compare(a.At) })
	out := make([]registry.Update, 0, min(len(all), f.limit))
	for _, u := range all {
		if len(out) == f.limit {
			break
		}
		if len(m.repos) > 1 {
			p, err := f.q.Source.Project(ctx, u.Norm)
			if err != nil || p.Repo.ID != u.RepositoryID {
				continue
			}
		}
		out = append(out, u)
	}
	return out, nil
}
