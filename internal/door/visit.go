package door

import (
	"context"

	"bonded/internal/access"
	"bonded/internal/errs"
	"bonded/internal/intake"
	"bonded/internal/registry"
	"bonded/internal/request"
)

// Visit finds a repository for those who come by another way than its door, such as pages and the management API, under the
// same rules: they never see more than the door would show. A repository that the principal may not read is errs.NotFound,
// word for word as if it did not exist.
func (h *House) Visit(ctx context.Context, p access.Principal, ecosystem, name string) (*Request, error) {
	repo, err := h.Registry.Repository(ctx, ecosystem, name)
	if errs.Is(err, errs.NotFound) || (err == nil && !h.MayRead(p, repo)) {
		return nil, errs.New(errs.NotFound, "There is no %s repository named %q here.", ecosystem, name).WithRule("registry/repository")
	}
	if err != nil {
		return nil, err
	}
	root := request.BaseURL(ctx)
	q := &Request{House: h, Repo: repo, Principal: p, Root: root, Base: root + "/" + repo.Path(), Credentialed: !p.IsAnonymous()}
	q.Source, err = h.Registry.Source(ctx, repo)
	return q, err
}

// MayRead reports whether the principal may read the repository as a whole.
func (h *House) MayRead(p access.Principal, repo *registry.Repository) bool {
	return h.Gate.May(p, access.Read, intake.ResourceOf(repo, "", nil)) == nil
}

// Readable lists the repositories that the principal may read, by ecosystem in the order in which people meet them.
func (h *House) Readable(ctx context.Context, p access.Principal) ([]*registry.Repository, error) {
	all, err := h.Registry.Repositories(ctx)
	if err != nil {
		return nil, err
	}
	var out []*registry.Repository
	for _, eco := range registry.Ecosystems() {
		for _, repo := range all {
			if repo.Ecosystem == eco && h.MayRead(p, repo) {
				out = append(out, repo)
			}
		}
	}
	return out, nil
}
