package npm

import (
	"net/http"
	"strings"

	"bonded/internal/access"
	"bonded/internal/door"
	"bonded/internal/errs"
	"bonded/internal/registry"
)

// fixed finds what a path below "/-/" asks for (npm.md §4, §5, §7). Nothing falls through to packages.
func (d *Door) fixed(method string, at route) (operation, string, door.Table) {
	if len(at.fixed) > 2 && at.fixed[0] == "package" {
		return d.aboutPackage(method, at)
	}
	if op, ok := d.simpleRoute(method, at.joined()); ok {
		return op, "meta", refusals
	}
	path := at.joined()
	switch {
	case strings.HasPrefix(path, "user/org.couchdb.user:"):
		if method == http.MethodPut {
			return refuseLogin, "login", loginRefusals
		}
		return d.couchUser, "meta", refusals
	case path == "v1/login" && method == http.MethodPost:
		return refuseLogin, "login", loginRefusals
	case strings.HasPrefix(path, "user/token/") && method == http.MethodDelete:
		return d.logout, "logout", refusals
	case strings.HasPrefix(path, "npm/v1/tokens"), strings.HasPrefix(path, "npm/v1/user"):
		return refuseAccount, "meta", refusals
	case strings.HasPrefix(path, "org/"), strings.HasPrefix(path, "team/"), strings.HasPrefix(path, "user/"):
		if method == http.MethodGet && len(at.fixed) == 3 && at.fixed[0] == "user" && at.fixed[2] == "package" {
			return d.userPackages, "meta", refusals
		}
		return noOrganizations, "meta", refusals
	case strings.HasPrefix(path, "stage"):
		return noStaging, "meta", refusals
	}
	return wrongMethod, "other", refusals
}

// simpleRoute are the routes without a variable part.
func (d *Door) simpleRoute(method, path string) (operation, bool) {
	switch method {
	case http.MethodGet, http.MethodHead:
		op, ok := map[string]operation{
			"ping": ping, "whoami": d.whoami, "v1/search": d.search, "npm/v1/user": d.profile, "npm/v1/keys": noKeys, "all": noAll,
			"_view/starredByUser": noStars,
		}[path]
		return op, ok
	case http.MethodPost:
		op, ok := map[string]operation{
			"npm/v1/security/advisories/bulk": d.auditBulk, "npm/v1/security/audits": d.auditQuick, "npm/v1/security/audits/quick": d.auditQuick,
		}[path]
		return op, ok
	}
	return nil, false
}

// aboutPackage are the routes /-/package/PKG/…, where PKG may hold a literal slash.
func (d *Door) aboutPackage(method string, at route) (operation, string, door.Table) {
	name, rest, ok := takeName(at.fixed[1:])
	if !ok || len(rest) == 0 {
		return wrongMethod, "other", refusals
	}
	on := func(f func(http.ResponseWriter, *http.Request, *door.Request, string) error) operation {
		return func(w http.ResponseWriter, r *http.Request, q *door.Request, _ route) error { return f(w, r, q, name) }
	}
	tag := ""
	if len(rest) == 2 {
		tag = rest[1]
	}
	setTags := func(w http.ResponseWriter, r *http.Request, q *door.Request, name string) error {
		return d.setTags(w, r, q, name, tag)
	}
	switch path := method + " " + rest[0]; {
	case path == "GET dist-tags" && len(rest) == 1:
		return on(d.tagList), "dist-tags", refusals
	case (path == "PUT dist-tags" || path == "POST dist-tags") && len(rest) <= 2:
		return on(setTags), "dist-tags", refusals
	case path == "DELETE dist-tags" && len(rest) == 2:
		return on(func(w http.ResponseWriter, r *http.Request, q *door.Request, name string) error {
			return d.removeTag(w, r, q, name, tag)
		}), "dist-tags", refusals
	case len(rest) > 1:
	case path == "GET visibility":
		return on(visibility), "meta", refusals
	case path == "GET collaborators":
		return on(collaborators), "meta", refusals
	case path == "POST access":
		return on(setAccess), "meta", refusals
	}
	return wrongMethod, "other", refusals
}

// ping answers `npm ping`.
func ping(w http.ResponseWriter, _ *http.Request, _ *door.Request, _ route) error {
	door.WriteJSON(w, http.StatusOK, struct{}{})
	return nil
}

// visibility says that no package is public: true would have npm publish its name to the public transparency log when it
// makes provenance (npm.md §0.7).
func visibility(w http.ResponseWriter, r *http.Request, q *door.Request, name string) error {
	if _, err := q.Project(r.Context(), name); err != nil {
		return err
	}
	door.WriteJSON(w, http.StatusOK, map[string]bool{"public": false})
	return nil
}

// collaborators lists who may write: the owners.
func collaborators(w http.ResponseWriter, r *http.Request, q *door.Request, name string) error {
	p, err := q.Project(r.Context(), name)
	if err != nil {
		return err
	}
	all := map[string]string{}
	for _, o := range p.Owners {
		all[o.Name] = "write"
	}
	door.WriteJSON(w, http.StatusOK, all)
	return nil
}

// setAccess answers `npm access set`. Who may read is the repository's setting, so only what is so already succeeds.
func setAccess(w http.ResponseWriter, r *http.Request, q *door.Request, name string) error {
	p, err := owned(r.Context(), q, name, access.Owners)
	if err != nil {
		return err
	}
	var wish struct {
		Access string `json:"access"`
		TFA    *bool  `json:"publish_requires_tfa"`
	}
	if err := readJSON(r, &wish); err != nil {
		return err
	}
	if wish.TFA != nil && *wish.TFA {
		return errs.New(errs.Forbidden, "This registry cannot ask for a second factor at publish yet.").WithRule("npm/access-mfa")
	}
	is := "restricted"
	if p.Repo.Visibility == registry.Anonymous {
		is = "public"
	}
	if wish.Access != "" && wish.Access != is {
		return errs.New(errs.Forbidden, "%s is %s because its repository %s is: access belongs to the repository here, not to the package.", p.Display, is, p.Repo.Path()).
			WithRule("npm/access").WithNext("Publish it to another repository, or ask an administrator to change this one's visibility.")
	}
	return done(w, http.StatusOK, p.Norm)
}

// noKeys answers 404, which clients read as a registry that does not sign (npm.md §7). An empty list would say that it
// does, with no key.
func noKeys(_ http.ResponseWriter, _ *http.Request, _ *door.Request, _ route) error {
	return errs.New(errs.NotFound, "This registry does not sign packages.").WithRule("npm/keys")
}

func noAll(_ http.ResponseWriter, _ *http.Request, _ *door.Request, _ route) error {
	return errs.New(errs.NotFound, "The list of all packages is not served; use the search.").WithRule("npm/all")
}

func noStars(w http.ResponseWriter, _ *http.Request, _ *door.Request, _ route) error {
	door.WriteJSON(w, http.StatusOK, map[string][]string{"rows": {}})
	return nil
}

func noOrganizations(_ http.ResponseWriter, _ *http.Request, _ *door.Request, _ route) error {
	return errs.New(errs.NotFound, "This registry has no organizations or teams; packages belong to their owners.").WithRule("npm/organizations").
		WithNext("Use `npm owner ls` and `npm owner add`.")
}

func noStaging(_ http.ResponseWriter, _ *http.Request, _ *door.Request, _ route) error {
	return errs.New(errs.NotFound, "This registry does not stage packages.").WithRule("npm/stage").WithNext("Use `npm publish`.")
}
