package registry

import (
	"context"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"time"

	"bonded/internal/clock"
	"bonded/internal/errs"
	"bonded/internal/events"
	"bonded/internal/store"
)

// repositoryName: a URL segment that no client or proxy rewrites. A name ending in .git would share credentials with its
// namesake in cargo 1.68–1.95 (cargo.md §1.1).
var repositoryName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

// CreateRepository adds a repository; members are the names of a group's members in order.
func (r *Registry) CreateRepository(ctx context.Context, actor Actor, repo Repository, members []string) error {
	if err := r.checkRepository(repo); err != nil {
		return err
	}
	if repo.Kind == Hosted {
		if repo.Settings.KeepSnapshots == 0 {
			repo.Settings.KeepSnapshots = r.defaults.KeepSnapshots
		}
		if repo.Settings.KeepPrereleaseDays == 0 {
			repo.Settings.KeepPrereleaseDays = r.defaults.KeepPrereleaseDays
		}
	}
	return r.Change(ctx, actor, func(c *Change) error {
		settings, err := json.Marshal(repo.Settings)
		if err != nil {
			return err
		}
		id, err := store.All(ctx, c.tx, store.Value[int64], `insert into repository (ecosystem, name, kind, visibility, settings, state, revision, created_at)
			values ($1,$2,$3,$4,$5,'{}',0,$6) on conflict (ecosystem, name) do nothing returning id`,
			repo.Ecosystem, repo.Name, repo.Kind, repo.Visibility, string(settings), clock.Millis(c.now))
		if err != nil {
			return err
		}
		if len(id) == 0 {
			return errs.New(errs.Conflict, "There is a %s repository named %q already.", repo.Ecosystem, repo.Name).WithRule("registry/repository")
		}
		c.repos[id[0]] = true
		c.Note(events.RepositoryCreated, id[0], "", "", map[string]string{"repository": repo.Path(), "kind": string(repo.Kind)})
		return c.setMembers(ctx, id[0], repo.Ecosystem, members)
	})
}

func (r *Registry) checkRepository(repo Repository) error {
	if r.formats[repo.Ecosystem] == nil {
		return errs.New(errs.Invalid, "%q is not an ecosystem this binary knows.", repo.Ecosystem).WithRule("registry/ecosystem").
			WithNext("Use cargo, pypi, npm, maven or composer.")
	}
	if !repositoryName.MatchString(repo.Name) || strings.HasSuffix(repo.Name, ".git") || strings.Contains(repo.Name, "..") {
		return errs.New(errs.Invalid, "%q cannot name a repository.", repo.Name).WithRule("registry/repository-name").
			WithNext("Use lower-case letters, digits, '.', '_' and '-', at most 63, not ending in .git.")
	}
	switch repo.Kind {
	case Hosted, Group:
	default:
		return errs.New(errs.Invalid, "%q is not a kind of repository that can be made yet.", repo.Kind).WithRule("registry/kind").WithNext("Use hosted or group.")
	}
	switch repo.Visibility {
	case Anonymous, Internal, Private:
		return nil
	}
	return errs.New(errs.Invalid, "%q is not a visibility.", repo.Visibility).WithRule("registry/visibility").WithNext("Use anonymous, internal or private.")
}

func (c *Change) setMembers(ctx context.Context, group int64, ecosystem string, members []string) error {
	if _, err := c.tx.Exec(ctx, "delete from repository_member where group_id = $1", group); err != nil {
		return err
	}
	for i, name := range members {
		ids, err := store.All(ctx, c.tx, store.Value[int64], "select id from repository where ecosystem = $1 and name = $2", ecosystem, name)
		if err != nil {
			return err
		}
		if len(ids) == 0 || ids[0] == group {
			return errs.New(errs.Invalid, "A group cannot have %q as a member.", name).WithRule("registry/member").
				WithNext("Members are other repositories of the same ecosystem.")
		}
		if _, err := c.tx.Exec(ctx, "insert into repository_member (group_id, position, member_id) values ($1,$2,$3) on conflict do nothing", group, i, ids[0]); err != nil {
			return err
		}
	}
	return nil
}

// UpdateRepository changes what edit changes of a repository's visibility and settings; members nil leaves them.
func (r *Registry) UpdateRepository(ctx context.Context, actor Actor, ecosystem, name string, members []string, edit func(*Repository)) error {
	old, err := r.Repository(ctx, ecosystem, name)
	if err != nil {
		return err
	}
	return r.Change(ctx, actor, func(c *Change) error {
		next, err := store.One(ctx, c.tx, scanRepository, `update repository set revision = revision where id = $1
			returning id, ecosystem, name, kind, visibility, settings, state, revision, created_at`, old.ID)
		if err != nil {
			return err
		}
		edit(next)
		if err := r.checkRepository(*next); err != nil {
			return err
		}
		settings, err := json.Marshal(next.Settings)
		if err != nil {
			return err
		}
		if _, err := c.tx.Exec(ctx, "update repository set visibility = $1, settings = $2 where id = $3", next.Visibility, string(settings), old.ID); err != nil {
			return err
		}
		c.repos[old.ID] = true
		c.Note(events.RepositoryChanged, old.ID, "", "", map[string]string{"repository": old.Path()})
		if members == nil {
			return nil
		}
		return c.setMembers(ctx, old.ID, ecosystem, members)
	})
}

// Bootstrap gives each ecosystem that has no repository yet what design §7 promises: a hosted "local" and a group "main" of it.
func (r *Registry) Bootstrap(ctx context.Context) error {
	have, err := r.Repositories(ctx)
	if err != nil {
		return err
	}
	for _, eco := range Ecosystems() {
		if r.formats[eco] == nil || slices.ContainsFunc(have, func(repo *Repository) bool { return repo.Ecosystem == eco }) {
			continue
		}
		err := r.CreateRepository(ctx, Actor{}, Repository{Ecosystem: eco, Name: "local", Kind: Hosted, Visibility: Anonymous}, nil)
		if err != nil && !errs.Is(err, errs.Conflict) {
			return err
		}
		err = r.CreateRepository(ctx, Actor{}, Repository{Ecosystem: eco, Name: "main", Kind: Group, Visibility: Anonymous}, []string{"local"})
		if err != nil && !errs.Is(err, errs.Conflict) { // another node was quicker
			return err
		}
	}
	return nil
}

// Ecosystems lists the purl types of the five ecosystems, in the order in which people meet them.
func Ecosystems() []string { return []string{"cargo", "pypi", "npm", "maven", "composer"} }

// Usage is how much a repository holds.
type Usage struct {
	Projects, Releases, Files, Bytes int64
}

// Usage counts a repository's rows and bytes.
func (r *Registry) Usage(ctx context.Context, repo *Repository) (u Usage, err error) {
	err = r.db.QueryRow(ctx, `select
		(select count(*) from project where repository_id = $1 and status <> 'deleted'),
		(select count(*) from release r join project p on p.id = r.project_id where p.repository_id = $1),
		count(*), coalesce(cast(sum(size) as bigint), 0) from file where repository_id = $1`, repo.ID).
		Scan(&u.Projects, &u.Releases, &u.Files, &u.Bytes)
	return u, err
}

// Growth counts the files that came since a time, with their bytes.
func (r *Registry) Growth(ctx context.Context, repo *Repository, since time.Time) (u Usage, err error) {
	err = r.db.QueryRow(ctx, "select count(*), coalesce(cast(sum(size) as bigint), 0) from file where repository_id = $1 and uploaded_at >= $2",
		repo.ID, clock.Millis(since)).Scan(&u.Files, &u.Bytes)
	return u, err
}

// ProjectSize is how much a project holds.
type ProjectSize struct {
	Norm, Display string
	Bytes         int64
}

// Largest lists the projects of a repository that hold most, largest first. Quarantined and deleted projects are left out.
func (r *Registry) Largest(ctx context.Context, repo *Repository, limit int) ([]ProjectSize, error) {
	return store.All(ctx, r.db, func(s store.Scanner) (p ProjectSize, err error) { return p, s.Scan(&p.Norm, &p.Display, &p.Bytes) },
		`select p.norm, p.display, cast(sum(f.size) as bigint) as bytes from file f join project p on p.id = f.project_id
		where f.repository_id = $1 and p.status not in ('deleted', 'quarantined') group by p.norm, p.display order by bytes desc, p.norm limit $2`, repo.ID, limit)
}
