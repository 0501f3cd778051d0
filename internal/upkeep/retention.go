package upkeep

import (
	"context"
	"fmt"
	"slices"
	"time"

	"bonded/internal/errs"
	"bonded/internal/registry"
)

// Removal is one thing that a repository's retention rules remove.
type Removal struct {
	Repository string   `json:"repository"`
	Project    string   `json:"project"`
	Version    string   `json:"version"`
	Build      string   `json:"build,omitempty"` // of a moving version; empty = the whole release
	Files      []string `json:"files"`
	Bytes      int64    `json:"bytes"`
	Rule       string   `json:"rule"`
}

// build is one immutable build of a moving version: its files stay or go together.
type build struct {
	id    string
	at    time.Time
	files []*registry.File
}

// Retain applies every repository's rules and returns what was removed; with dryRun what would be. The newest build of a
// moving version always stays, and so does the one that its documents point at; and nothing under a legal hold is touched.
func Retain(ctx context.Context, r *registry.Registry, now time.Time, dryRun bool) ([]Removal, error) {
	repos, err := r.Repositories(ctx)
	if err != nil {
		return nil, err
	}
	var all []Removal
	for _, repo := range repos {
		s := repo.Settings
		if repo.Kind != registry.Hosted || (s.KeepSnapshots == 0 && s.KeepSnapshotDays == 0 && s.KeepPrereleaseDays == 0) {
			continue
		}
		removed, err := retainIn(ctx, r, repo, now, dryRun)
		if err != nil {
			return all, err
		}
		all = append(all, removed...)
	}
	return all, nil
}

func retainIn(ctx context.Context, r *registry.Registry, repo *registry.Repository, now time.Time, dryRun bool) ([]Removal, error) {
	src, err := r.Source(ctx, repo)
	if err != nil {
		return nil, err
	}
	var all []Removal
	for after := ""; ; {
		names, err := src.Names(ctx, after, 500)
		if err != nil || len(names) == 0 {
			return all, err
		}
		for _, n := range names {
			removed, err := retainProject(ctx, r, src, n.Norm, now, dryRun)
			if err != nil {
				return all, err
			}
			all = append(all, removed...)
		}
		after = names[len(names)-1].Norm
	}
}

func retainProject(ctx context.Context, r *registry.Registry, src registry.Source, norm string, now time.Time, dryRun bool) ([]Removal, error) {
	p, err := src.Project(ctx, norm)
	if errs.Is(err, errs.NotFound) || (err == nil && p.LegalHold) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	plan := planProject(p, r.Format(p.Repo.Ecosystem), now)
	if dryRun || len(plan) == 0 {
		return plan, nil
	}
	return plan, r.Change(ctx, registry.Actor{Name: "bonded"}, func(c *registry.Change) error {
		current, err := c.Project(ctx, p.Repo, norm)
		if err != nil {
			return err
		}
		for _, rm := range planProject(current, r.Format(p.Repo.Ecosystem), now) { // with the facts under the lock
			if err := remove(ctx, c, current, rm); err != nil {
				return err
			}
		}
		return nil
	})
}

func remove(ctx context.Context, c *registry.Change, p *registry.Project, rm Removal) error {
	unique := uniqueOf(p, rm.Version)
	if rm.Build == "" {
		return c.DeleteRelease(ctx, p, unique, "retention: "+rm.Rule)
	}
	files := make([]*registry.File, 0, len(rm.Files))
	for _, path := range rm.Files {
		files = append(files, p.File(path))
	}
	return c.DeleteFiles(ctx, p, unique, files, "retention: "+rm.Rule)
}

func uniqueOf(p *registry.Project, version string) string {
	for _, r := range p.Releases {
		if r.Version == version {
			return r.Unique
		}
	}
	return version
}

// planProject lists what the repository's rules remove of a project.
func planProject(p *registry.Project, format registry.Format, now time.Time) []Removal {
	var plan []Removal
	s := p.Repo.Settings
	for _, r := range p.Releases {
		switch {
		case r.Moving:
			plan = append(plan, planBuilds(p, r, format, now)...)
		case r.Prerelease && s.KeepPrereleaseDays > 0 && olderThan(r.PublishedAt, s.KeepPrereleaseDays, now):
			rule := fmt.Sprintf("pre-releases are kept for %d days", s.KeepPrereleaseDays)
			plan = append(plan, removal(p, r, "", r.Files, rule))
		}
	}
	return plan
}

func planBuilds(p *registry.Project, r *registry.Release, format registry.Format, now time.Time) []Removal {
	builds := buildsOf(r, format)
	s := p.Repo.Settings
	current := ""
	if pointing, ok := format.(registry.Pointing); ok {
		current = pointing.Current(p, r)
	}
	var plan []Removal
	for i, b := range builds {
		if i == len(builds)-1 {
			break
		}
		if slices.ContainsFunc(b.files, func(f *registry.File) bool { return f.Path == current }) {
			continue
		}
		switch {
		case s.KeepSnapshots > 0 && i < len(builds)-s.KeepSnapshots:
			plan = append(plan, removal(p, r, b.id, b.files, fmt.Sprintf("the newest %d builds are kept", s.KeepSnapshots)))
		case s.KeepSnapshotDays > 0 && olderThan(b.at, s.KeepSnapshotDays, now):
			plan = append(plan, removal(p, r, b.id, b.files, fmt.Sprintf("builds are kept for %d days", s.KeepSnapshotDays)))
		}
	}
	return plan
}

// buildsOf groups a moving version's files, oldest build first. Where the ecosystem does not number builds, what arrived
// together is one.
func buildsOf(r *registry.Release, format registry.Format) []*build {
	numbered, _ := format.(registry.Builds)
	byID := map[string]*build{}
	var all []*build
	for _, f := range r.Files {
		id := f.UploadedAt.Format(time.RFC3339Nano)
		if numbered != nil {
			id = numbered.Build(f.Path)
		}
		b := byID[id]
		if b == nil {
			b = &build{id: id, at: f.UploadedAt}
			byID[id] = b
			all = append(all, b)
		}
		if f.UploadedAt.After(b.at) {
			b.at = f.UploadedAt
		}
		b.files = append(b.files, f)
	}
	slices.SortStableFunc(all, func(a, b *build) int { return a.at.Compare(b.at) })
	return all
}

func removal(p *registry.Project, r *registry.Release, build string, files []*registry.File, rule string) Removal {
	rm := Removal{Repository: p.Repo.Path(), Project: p.Display, Version: r.Version, Build: build, Rule: rule}
	for _, f := range files {
		rm.Files = append(rm.Files, f.Path)
		rm.Bytes += f.Digests.Size
	}
	return rm
}

func olderThan(t time.Time, days int, now time.Time) bool {
	return now.Sub(t) > time.Duration(days)*24*time.Hour
}
