package registry

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"bonded/internal/clock"
	"bonded/internal/errs"
	"bonded/internal/events"
	"bonded/internal/store"
)

// Actor is who makes a change, as far as events need to know.
type Actor struct {
	// Pseudonym goes into the public event.
	Pseudonym string
	// Name goes into the erasable private row, and as the public name onto releases.
	Name string
	// AccountID is zero for the system.
	AccountID int64
}

// Change is one transaction over the facts. Its methods change rows and note events; the events take their numbers last,
// so that the feed's lock is short.
type Change struct {
	r       *Registry
	tx      *store.Tx
	actor   Actor
	now     time.Time
	events  []events.Event
	touched map[int64]bool
	repos   map[int64]bool
}

// Change runs fn as one transaction: all of it or nothing. When it returns, this node sees the change, and every other
// node within the feed's bound.
func (r *Registry) Change(ctx context.Context, actor Actor, fn func(*Change) error) error {
	var last int64
	err := r.db.InTx(ctx, func(tx *store.Tx) error {
		c := &Change{r: r, tx: tx, actor: actor, now: r.now(), touched: map[int64]bool{}, repos: map[int64]bool{}}
		if err := fn(c); err != nil {
			return err
		}
		var err error
		last, err = c.finish(ctx)
		return err
	})
	if err != nil {
		return err
	}
	return r.feed.SyncTo(context.WithoutCancel(ctx), last)
}

// finish numbers the events and stamps what they touched.
func (c *Change) finish(ctx context.Context) (int64, error) {
	last, err := events.Append(ctx, c.tx, c.now, c.events...)
	if err != nil || last == 0 {
		return last, err
	}
	now := clock.Millis(c.now)
	for _, id := range sortedKeys(c.touched) {
		// A second apart at least, because HTTP dates have no fractions.
		if _, err := c.tx.Exec(ctx, `update project set revision = $1,
			updated_at = case when updated_at + 1000 > $2 then updated_at + 1000 else $2 end where id = $3`, last, now, id); err != nil {
			return 0, err
		}
	}
	for _, id := range sortedKeys(c.repos) {
		if _, err := c.tx.Exec(ctx, "update repository set revision = $1 where id = $2", last, id); err != nil {
			return 0, err
		}
	}
	return last, nil
}

// sortedKeys gives every transaction the same order of locks.
func sortedKeys(m map[int64]bool) []int64 {
	keys := make([]int64, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// Tx is the transaction, for rooms that enqueue jobs or write their own tables with the change.
func (c *Change) Tx() *store.Tx { return c.tx }

// Now is the time of the change.
func (c *Change) Now() time.Time { return c.now }

// Note adds an event to the change. payload is marshalled; nil for none.
func (c *Change) Note(kind events.Kind, repo int64, project, version string, payload any) {
	e := events.Event{Kind: kind, RepositoryID: repo, Project: project, Version: version, Actor: c.actor.Pseudonym}
	if payload != nil {
		e.Payload, _ = json.Marshal(payload) // maps and structs of strings and numbers always marshal
	}
	if c.actor.Name != "" {
		e.Private, _ = json.Marshal(map[string]any{"name": c.actor.Name, "account": c.actor.AccountID})
	}
	c.events = append(c.events, e)
}

// Project reads the current facts inside the change and locks the project against other changes; errs.NotFound if it does
// not exist or was deleted.
func (c *Change) Project(ctx context.Context, repo *Repository, norm string) (*Project, error) {
	id, err := store.One(ctx, c.tx, store.Value[int64],
		"update project set revision = revision where repository_id = $1 and norm = $2 returning id", repo.ID, norm)
	if errors.Is(err, store.ErrNoRows) {
		return nil, errs.New(errs.NotFound, "The repository %s has no project named %q.", repo.Path(), norm).WithRule("registry/project")
	}
	if err != nil {
		return nil, err
	}
	p, err := loadProject(ctx, c.tx, c.r.formats[repo.Ecosystem], repo, norm)
	if err != nil {
		return nil, err
	}
	if p.Status == Deleted {
		return nil, errs.New(errs.NotFound, "The project %q of %s was deleted.", p.Display, repo.Path()).WithRule("registry/deleted")
	}
	c.touched[id] = true
	return p, nil
}

// release finds a version of p, refusing with the versions' own word.
func releaseOf(p *Project, unique string) (*Release, error) {
	if r := p.Release(unique); r != nil {
		return r, nil
	}
	return nil, errs.New(errs.NotFound, "%s has no version %s.", p.Display, unique).WithRule("registry/release")
}

// Yank marks a release so that resolvers skip it unless it is already locked; reason may be empty.
func (c *Change) Yank(ctx context.Context, p *Project, unique, reason string) error {
	return c.setYanked(ctx, p, unique, true, reason, events.ReleaseYanked)
}

// Unyank takes a yank back.
func (c *Change) Unyank(ctx context.Context, p *Project, unique string) error {
	return c.setYanked(ctx, p, unique, false, "", events.ReleaseUnyanked)
}

func (c *Change) setYanked(ctx context.Context, p *Project, unique string, yanked bool, reason string, kind events.Kind) error {
	r, err := releaseOf(p, unique)
	if err != nil || (r.Yanked == yanked && r.YankReason == reason) {
		return err
	}
	if _, err := c.tx.Exec(ctx, "update release set yanked = $1, yank_reason = $2 where id = $3", yanked, reason, r.ID); err != nil {
		return err
	}
	c.Note(kind, p.Repo.ID, p.Norm, unique, map[string]string{"reason": reason})
	return nil
}

// Mark sets the door's mutable word on a release; "" removes it.
func (c *Change) Mark(ctx context.Context, p *Project, unique, mark string) error {
	r, err := releaseOf(p, unique)
	if err != nil || r.Mark == mark {
		return err
	}
	if _, err := c.tx.Exec(ctx, "update release set mark = $1 where id = $2", mark, r.ID); err != nil {
		return err
	}
	c.Note(events.ReleaseMarked, p.Repo.ID, p.Norm, unique, map[string]string{"mark": mark})
	return nil
}

// SetVerdict records what policy or a moderator decided about a release.
func (c *Change) SetVerdict(ctx context.Context, p *Project, unique string, v Verdict) error {
	r, err := releaseOf(p, unique)
	if err != nil || r.Verdict == v {
		return err
	}
	if _, err := c.tx.Exec(ctx, "update release set verdict = $1, verdict_rule = $2, verdict_reason = $3, verdict_until = $4 where id = $5",
		v.Decision, v.Rule, v.Reason, nullMillis(v.Until), r.ID); err != nil {
		return err
	}
	c.Note(events.ReleaseVerdict, p.Repo.ID, p.Norm, unique, map[string]string{"decision": string(v.Decision), "rule": v.Rule, "reason": v.Reason})
	return nil
}

// nullMillis is NULL for the zero time.
func nullMillis(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return clock.Millis(t)
}

// SetTag points a tag at a version; errs.NotFound if the version does not exist.
func (c *Change) SetTag(ctx context.Context, p *Project, tag, unique string) error {
	if _, err := releaseOf(p, unique); err != nil {
		return err
	}
	if p.Tags[tag] == unique {
		return nil
	}
	if err := c.setTag(ctx, p.ID, tag, unique); err != nil {
		return err
	}
	c.Note(events.TagSet, p.Repo.ID, p.Norm, unique, map[string]string{"tag": tag})
	return nil
}

func (c *Change) setTag(ctx context.Context, project int64, tag, unique string) error {
	_, err := c.tx.Exec(ctx, `insert into tag (project_id, name, uniq, updated_at) values ($1,$2,$3,$4)
		on conflict (project_id, name) do update set uniq = excluded.uniq, updated_at = excluded.updated_at`,
		project, tag, unique, clock.Millis(c.now))
	return err
}

// RemoveTag removes a tag; errs.NotFound if there is none.
func (c *Change) RemoveTag(ctx context.Context, p *Project, tag string) error {
	n, err := c.tx.Exec(ctx, "delete from tag where project_id = $1 and name = $2", p.ID, tag)
	if err != nil {
		return err
	}
	if n == 0 {
		return errs.New(errs.NotFound, "%s has no tag %q.", p.Display, tag).WithRule("registry/tag")
	}
	c.Note(events.TagRemoved, p.Repo.ID, p.Norm, "", map[string]string{"tag": tag})
	return nil
}

// AddOwner lets another account manage the project.
func (c *Change) AddOwner(ctx context.Context, p *Project, accountID int64) error {
	n, err := c.tx.Exec(ctx, "insert into project_owner (project_id, account_id, since) values ($1,$2,$3) on conflict do nothing",
		p.ID, accountID, clock.Millis(c.now))
	if err != nil || n == 0 {
		return err
	}
	c.Note(events.OwnerAdded, p.Repo.ID, p.Norm, "", nil)
	return nil
}

// RemoveOwner takes an account's ownership away; the last owner stays (errs.Forbidden).
func (c *Change) RemoveOwner(ctx context.Context, p *Project, accountID int64) error {
	n, err := c.tx.Exec(ctx, `delete from project_owner where project_id = $1 and account_id = $2
		and (select count(*) from project_owner where project_id = $1) > 1`, p.ID, accountID)
	if err != nil {
		return err
	}
	if n == 0 {
		if slices.ContainsFunc(p.Owners, func(o Owner) bool { return o.AccountID == accountID }) {
			return errs.New(errs.Forbidden, "%s would be left without an owner.", p.Display).
				WithRule("registry/last-owner").WithNext("Add another owner first.")
		}
		return errs.New(errs.NotFound, "That account does not own %s.", p.Display).WithRule("registry/owner")
	}
	c.Note(events.OwnerRemoved, p.Repo.ID, p.Norm, "", nil)
	return nil
}

// SetStatus changes the status of a whole project; not to Deleted (DeleteProject does that).
func (c *Change) SetStatus(ctx context.Context, p *Project, status Status, reason string) error {
	if _, err := c.tx.Exec(ctx, "update project set status = $1, status_reason = $2 where id = $3", status, reason, p.ID); err != nil {
		return err
	}
	c.Note(events.ProjectChanged, p.Repo.ID, p.Norm, "", map[string]string{"status": string(status), "reason": reason})
	return nil
}

// SetState replaces the door's project-level state.
func (c *Change) SetState(ctx context.Context, p *Project, state json.RawMessage) error {
	if _, err := c.tx.Exec(ctx, "update project set state = $1 where id = $2", string(state), p.ID); err != nil {
		return err
	}
	c.Note(events.ProjectChanged, p.Repo.ID, p.Norm, "", nil)
	return nil
}

// RepositoryState gives fn the current repository-level state under a lock and stores what it returns.
func (c *Change) RepositoryState(ctx context.Context, repo *Repository, fn func(json.RawMessage) (json.RawMessage, error)) error {
	state, err := store.One(ctx, c.tx, store.Value[string], "update repository set revision = revision where id = $1 returning state", repo.ID)
	if err != nil {
		return err
	}
	next, err := fn(json.RawMessage(state))
	if err != nil || string(next) == state {
		return err
	}
	if _, err := c.tx.Exec(ctx, "update repository set state = $1 where id = $2", string(next), repo.ID); err != nil {
		return err
	}
	c.repos[repo.ID] = true
	c.Note(events.RepositoryChanged, repo.ID, "", "", nil)
	return nil
}

// Peek reads the current facts inside the change without locking; nil if the project does not exist or was deleted.
func (c *Change) Peek(ctx context.Context, repo *Repository, norm string) (*Project, error) {
	p, err := loadProject(ctx, c.tx, c.r.formats[repo.Ecosystem], repo, norm)
	if err != nil || p == nil || p.Status == Deleted {
		return nil, err
	}
	return p, nil
}
