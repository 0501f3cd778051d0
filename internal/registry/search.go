package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"bonded/internal/clock"
	"bonded/internal/errs"
	"bonded/internal/events"
	"bonded/internal/store"
)

// Hit is one project found.
type Hit struct {
	RepositoryID int64
	Norm         string
	Display      string
	Summary      string
	Keywords     string
	Latest       string
	UpdatedAt    time.Time
}

// Query asks for projects by words.
type Query struct {
	Repositories []*Repository
	// Text is what the user typed: words that all have to occur in name, summary or keywords. Empty lists everything.
	Text string
	// Prefix, when not empty, is how the normalized name must begin; Owner is an account's name; Keywords must all be among
	// the project's.
	Prefix, Owner string
	Keywords      []string
	Offset, Limit int
}

// maxWords bounds what one search costs.
const maxWords = 6

// Search finds projects, best first: the exact name, names that start with the text, names that hold it, then the rest;
// within each by name. total counts all hits.
func (r *Registry) Search(ctx context.Context, q Query) (hits []Hit, total int, err error) {
	if len(q.Repositories) == 0 {
		return nil, 0, nil
	}
	var where strings.Builder
	var args []any
	arg := func(v any) string {
		args = append(args, v)
		return fmt.Sprintf("$%d", len(args))
	}
	where.WriteString("status not in ('deleted', 'quarantined') and latest <> '' and repository_id in (")
	for i, repo := range q.Repositories {
		if i > 0 {
			where.WriteString(",")
		}
		where.WriteString(arg(repo.ID))
	}
	where.WriteString(")")
	if q.Prefix != "" {
		where.WriteString(" and norm like " + arg(store.LikePrefix(q.Prefix)) + ` escape '\'`)
	}
	if q.Owner != "" {
		where.WriteString(" and exists (select 1 from project_owner o join account a on a.id = o.account_id where o.project_id = project.id and a.name = " +
			arg(strings.ToLower(q.Owner)) + ")")
	}
	for _, k := range q.Keywords[:min(len(q.Keywords), maxWords)] {
		where.WriteString(" and ' ' || keywords || ' ' like " + arg(store.LikeInfix(" "+strings.ToLower(k)+" ")) + ` escape '\'`)
	}
	words := strings.Fields(strings.ToLower(q.Text))
	for _, w := range words[:min(len(words), maxWords)] {
		a := arg(store.LikeInfix(w))
		fmt.Fprintf(&where, ` and (norm like %s escape '\' or lower(display) like %s escape '\' or lower(summary) like %s escape '\' or keywords like %s escape '\')`, a, a, a, a)
	}
	if total, err = store.One(ctx, r.db, store.Value[int], "select count(*) from project where "+where.String(), args...); err != nil || total == 0 {
		return nil, 0, err
	}
	text := strings.ToLower(strings.TrimSpace(q.Text))
	// A name is compared in both spellings: people type what they have seen, the display form.
	exact, prefix, infix := arg(text), arg(store.LikePrefix(text)), arg(store.LikeInfix(text))
	order := fmt.Sprintf(`case when norm = %[1]s or lower(display) = %[1]s then 0
		when norm like %[2]s escape '\' or lower(display) like %[2]s escape '\' then 1
		when norm like %[3]s escape '\' or lower(display) like %[3]s escape '\' then 2 else 3 end, norm, repository_id`, exact, prefix, infix)
	hits, err = store.All(ctx, r.db, scanHit, "select repository_id, norm, display, summary, keywords, latest, updated_at from project where "+
		where.String()+" order by "+order+" limit "+arg(q.Limit)+" offset "+arg(q.Offset), args...)
	return hits, total, err
}

func scanHit(s store.Scanner) (h Hit, err error) {
	var updated int64
	err = s.Scan(&h.RepositoryID, &h.Norm, &h.Display, &h.Summary, &h.Keywords, &h.Latest, &updated)
	h.UpdatedAt = clock.FromMillis(updated)
	return h, err
}

// Manifest reads what a release's artifacts said about themselves, with its readme.
func (r *Registry) Manifest(ctx context.Context, releaseID int64) (*Manifest, error) {
	raw, err := store.One(ctx, r.db, store.Value[string], "select manifest from release where id = $1", releaseID)
	if errors.Is(err, store.ErrNoRows) {
		return nil, errs.New(errs.NotFound, "There is no such release.").WithRule("registry/release")
	}
	if err != nil {
		return nil, err
	}
	var m Manifest
	if err := json.Unmarshal([]byte(raw), &m); err != nil {
		return nil, err
	}
	err = r.db.QueryRow(ctx, "select media_type, body from release_readme where release_id = $1", releaseID).Scan(&m.ReadmeType, &m.Readme)
	if err != nil && !errors.Is(err, store.ErrNoRows) {
		return nil, err
	}
	return &m, nil
}

// Update is one release in a feed of news.
type Update struct {
	RepositoryID         int64
	Norm, Display        string
	Version, Unique      string
	Summary, PublishedBy string
	At                   time.Time
}

// Newest lists the newest releases of a repository, newest first; with onlyNew, the newest projects instead. project ""
// means all.
func (r *Registry) Newest(ctx context.Context, repo *Repository, project string, onlyNew bool, limit int) ([]Update, error) {
	order, where := "r.published_at", ""
	args := []any{repo.ID, limit}
	if project != "" {
		where = " and p.norm = $3"
		args = append(args, project)
	}
	if onlyNew {
		order = "p.created_at"
		where += " and r.id = (select min(id) from release where project_id = p.id)"
	}
	return store.All(ctx, r.db, func(s store.Scanner) (u Update, err error) {
		var at int64
		err = s.Scan(&u.RepositoryID, &u.Norm, &u.Display, &u.Version, &u.Unique, &u.Summary, &u.PublishedBy, &at)
		u.At = clock.FromMillis(at)
		return u, err
	}, `select p.repository_id, p.norm, p.display, r.version, r.uniq, p.summary, r.published_by, `+order+`
		from release r join project p on p.id = r.project_id
		where p.repository_id = $1 and p.status not in ('deleted', 'quarantined') and r.verdict in ('allow', 'warn')`+where+`
		order by `+order+` desc, r.id desc limit $2`, args...)
}

// Changes reads a repository's events above a number, in order, for the ecosystems' own change feeds.
func (r *Registry) Changes(ctx context.Context, repo *Repository, after int64, limit int) ([]events.Event, error) {
	all, err := events.AfterIn(ctx, r.db, repo.ID, after, limit)
	return all, err
}

// OwnedBy lists the projects of a repository that an account owns.
func (r *Registry) OwnedBy(ctx context.Context, repo *Repository, accountID int64) ([]NameEntry, error) {
	return store.All(ctx, r.db, scanName, `select p.norm, p.display, p.revision from project p join project_owner o on o.project_id = p.id
		where p.repository_id = $1 and o.account_id = $2 and p.status <> 'deleted' order by p.norm`, repo.ID, accountID)
}

// Quarantined lists the projects of a repository that Names leaves out because they are quarantined, in order of their
// normalized name. Their names stay owned, and clients that ask nobody else for an owned name must go on asking here.
func (r *Registry) Quarantined(ctx context.Context, repo *Repository) ([]NameEntry, error) {
	return store.All(ctx, r.db, scanName, `select norm, display, revision from project
		where repository_id = $1 and status = 'quarantined' order by norm`, repo.ID)
}
