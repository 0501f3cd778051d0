package web

import (
	"context"

	"bonded/internal/registry"
)

// routes knows by which repository readers best come to a package: the group that their client uses, if it answers for the name
// with that very project, else the repository that holds it.
type routes struct {
	site *Site
	// groups are the readable groups of each ecosystem, the preferred first, with what they are made of.
	groups map[string][]group
}

type group struct {
	repo    *registry.Repository
	source  registry.Source
	members map[int64]bool
}

func (s *Site) routes(ctx context.Context) (*routes, error) {
	repos, err := s.house.Readable(ctx, reader())
	if err != nil {
		return nil, err
	}
	out := &routes{site: s, groups: map[string][]group{}}
	for _, repo := range preferredFirst(repos) {
		if repo.Kind != registry.Group {
			continue
		}
		g := group{repo: repo, members: map[int64]bool{}}
		members, err := s.house.Registry.Members(ctx, repo)
		if err != nil {
			return nil, err
		}
		for _, m := range members {
			g.members[m.ID] = true
		}
		if g.source, err = s.house.Registry.Source(ctx, repo); err != nil {
			return nil, err
		}
		out.groups[repo.Ecosystem] = append(out.groups[repo.Ecosystem], g)
	}
	return out, nil
}

// to returns the repository to show a project in, and the path of its page. Owner is the repository that holds it.
func (t *routes) to(ctx context.Context, owner *registry.Repository, norm string) (*registry.Repository, string) {
	for _, g := range t.groups[owner.Ecosystem] {
		if g.members[owner.ID] && t.answers(ctx, g, owner, norm) {
			return g.repo, PackagePath(g.repo.Path(), norm)
		}
	}
	return owner, PackagePath(owner.Path(), norm)
}

// through lists the readable groups that answer for a name with the owner's project.
func (t *routes) through(ctx context.Context, owner *registry.Repository, norm string) []*registry.Repository {
	var out []*registry.Repository
	for _, g := range t.groups[owner.Ecosystem] {
		if g.members[owner.ID] && t.answers(ctx, g, owner, norm) {
			out = append(out, g.repo)
		}
	}
	return out
}

func (t *routes) answers(ctx context.Context, g group, owner *registry.Repository, norm string) bool {
	p, err := g.source.Project(ctx, norm)
	return err == nil && p.Repo.ID == owner.ID
}
