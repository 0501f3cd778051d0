package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"bonded/internal/access"
	"bonded/internal/errs"
	"bonded/internal/registry"
)

// Because is why something is changed; people read it on pages and in their clients.
type Because struct {
	Reason string `json:"reason,omitempty" doc:"Why, in a sentence for those who read it in their client" maxLength:"1000"`
}

type yankRequest struct {
	ReleasePath
	Body Because
}

type unyankRequest struct{ ReleasePath }

type statusRequest struct {
	PackagePath
	Body struct {
		Status string `json:"status" enum:"active,archived,deprecated" doc:"archived takes no more releases; deprecated advises something else; active is neither"`
		Because
	}
}

type holdRequest struct {
	PackagePath
	Body struct {
		Held bool `json:"held" doc:"Whether nothing of the package may be deleted"`
	}
}

func (a *API) addChanges() {
	const release = "/api/v1/packages/{ecosystem}/{repository}/{name}/releases/{version}"
	add(a, huma.Operation{
		OperationID: "yank-release", Method: http.MethodPost, Path: release + "/yank", Tags: []string{"Changes"}, Security: mustAuthenticate,
		Summary: "Yank a release", Description: "Resolvers skip it from now on, except where a lock file names it. It stays downloadable. Needs the action yank and ownership of the package.",
	}, a.yank)
	add(a, huma.Operation{
		OperationID: "unyank-release", Method: http.MethodPost, Path: release + "/unyank", Tags: []string{"Changes"}, Security: mustAuthenticate,
		Summary: "Take a yank back", Description: "Needs the action yank and ownership of the package.",
	}, a.unyank)
	add(a, huma.Operation{
		OperationID: "set-package-status", Method: http.MethodPut, Path: "/api/v1/packages/{ecosystem}/{repository}/{name}/status", Tags: []string{"Changes"},
		Security: mustAuthenticate, Summary: "Archive or deprecate a package",
		Description: "Needs the action yank and ownership of the package. Quarantine is a moderator's decision and is neither set nor ended here.",
	}, a.setStatus)
	add(a, huma.Operation{
		OperationID: "set-legal-hold", Method: http.MethodPut, Path: "/api/v1/packages/{ecosystem}/{repository}/{name}/legal-hold", Tags: []string{"Changes"},
		Security: mustAuthenticate, Summary: "Forbid or allow deletion of a package", Description: "For administrators. A held package is kept whole, also from retention.",
	}, a.setLegalHold)
}

func (a *API) yank(ctx context.Context, p access.Principal, in *yankRequest) (Package, error) {
	return a.changeRelease(ctx, p, &in.ReleasePath, func(c *registry.Change, current *registry.Project, unique string) error {
		return c.Yank(ctx, current, unique, in.Body.Reason)
	})
}

func (a *API) unyank(ctx context.Context, p access.Principal, in *unyankRequest) (Package, error) {
	return a.changeRelease(ctx, p, &in.ReleasePath, func(c *registry.Change, current *registry.Project, unique string) error {
		return c.Unyank(ctx, current, unique)
	})
}

func (a *API) changeRelease(ctx context.Context, p access.Principal, in *ReleasePath, fn func(*registry.Change, *registry.Project, string) error) (Package, error) {
	return a.change(ctx, p, &in.PackagePath, access.Yank, func(c *registry.Change, current *registry.Project) error {
		r, err := a.releaseNamed(current, current.Releases, in.Version)
		if err != nil {
			return err
		}
		return fn(c, current, r.Unique)
	})
}

func (a *API) setStatus(ctx context.Context, p access.Principal, in *statusRequest) (Package, error) {
	return a.change(ctx, p, &in.PackagePath, access.Yank, func(c *registry.Change, current *registry.Project) error {
		if current.Status == registry.Quarantined {
			return errs.New(errs.Forbidden, "%s is quarantined, which only a moderator's decision ends.", current.Display).WithRule("moderation/quarantine").
				WithNext("Wait for the decision.")
		}
		status := registry.Status(in.Body.Status)
		if current.Status == status && current.StatusReason == in.Body.Reason {
			return nil
		}
		return c.SetStatus(ctx, current, status, in.Body.Reason)
	})
}

func (a *API) setLegalHold(ctx context.Context, p access.Principal, in *holdRequest) (Package, error) {
	return a.change(ctx, p, &in.PackagePath, access.Admin, func(c *registry.Change, current *registry.Project) error {
		if current.LegalHold == in.Body.Held {
			return nil
		}
		return c.SetLegalHold(ctx, current, in.Body.Held)
	})
}

// change runs fn on the facts as they are under the project's lock, after access allowed the action on them, and answers with what
// the package is afterwards.
func (a *API) change(ctx context.Context, p access.Principal, in *PackagePath, action access.Action, fn func(*registry.Change, *registry.Project) error) (Package, error) {
	if p.IsAnonymous() {
		return Package{}, errs.New(errs.Unauthenticated, "You must authenticate to change a package.").WithRule("access/anonymous").
			WithNext("Send a token of this Bonded: Authorization: Bearer ….")
	}
	q, project, err := a.project(ctx, p, in)
	if err != nil {
		return Package{}, err
	}
	if err := q.May(action, project, project.Norm); err != nil {
		return Package{}, err
	}
	err = q.Change(ctx, func(c *registry.Change) error {
		current, err := c.Project(ctx, project.Repo, project.Norm)
		if err != nil {
			return err
		}
		if err := q.May(action, current, current.Norm); err != nil {
			return err
		}
		return fn(c, current)
	})
	if err != nil {
		return Package{}, err
	}
	q, project, err = a.project(ctx, p, in)
	if err != nil {
		return Package{}, err
	}
	return a.packageOf(ctx, q, project)
}
