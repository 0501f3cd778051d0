package npm

import (
	"net/http"
	"strings"

	"bonded/internal/access"
	"bonded/internal/door"
	"bonded/internal/errs"
	"bonded/internal/intake"
	"bonded/internal/registry"
)

// howToGetToken is the way out of everything that would need a log-in.
func howToGetToken(q *door.Request) string {
	_, address, _ := strings.Cut(q.Base, ":")
	return "Get a token from an administrator (bonded admin token add --user NAME), then: npm config set " + address + "/:_authToken=TOKEN."
}

// signedIn refuses anonymous callers.
func signedIn(q *door.Request) error {
	if !q.Principal.IsAnonymous() {
		return nil
	}
	return errs.New(errs.Unauthenticated, "You are not logged in to %s.", q.Repo.Path()).WithRule("access/anonymous").WithNext("%s", howToGetToken(q))
}

// whoami answers `npm whoami`.
func (d *Door) whoami(w http.ResponseWriter, _ *http.Request, q *door.Request, _ route) error {
	if err := signedIn(q); err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	door.WriteJSON(w, http.StatusOK, map[string]string{"username": q.Principal.Name})
	return nil
}

// profile answers `npm profile get`. tfa is false: there is no second factor to show yet.
func (d *Door) profile(w http.ResponseWriter, _ *http.Request, q *door.Request, _ route) error {
	if err := signedIn(q); err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	door.WriteJSON(w, http.StatusOK, map[string]any{
		"name": q.Principal.Name, "email": q.Principal.Email, "email_verified": false, "tfa": false, "cidr_whitelist": nil,
		"fullname": "", "homepage": "", "github": "",
	})
	return nil
}

// refuseAccount answers changes of the profile, and lists and creation of tokens.
func refuseAccount(_ http.ResponseWriter, _ *http.Request, q *door.Request, _ route) error {
	if err := signedIn(q); err != nil {
		return err
	}
	return errs.New(errs.Forbidden, "Accounts and tokens of this registry are not managed with npm.").WithRule("npm/accounts").WithNext("%s", howToGetToken(q))
}

// refuseLogin answers `npm login` and `npm adduser`.
func refuseLogin(_ http.ResponseWriter, _ *http.Request, q *door.Request, _ route) error {
	return errs.New(errs.Forbidden, "This registry has no log-in with npm.").WithRule("npm/login").WithNext("%s", howToGetToken(q))
}

// logout answers `npm logout`, which puts the secret into the path: only the token that authenticates the request is
// revoked (npm.md §5).
func (d *Door) logout(w http.ResponseWriter, r *http.Request, q *door.Request, at route) error {
	if err := signedIn(q); err != nil {
		return err
	}
	named, err := q.House.Gate.Authenticate(r.Context(), access.Credential{Secret: strings.Join(at.fixed[2:], "/")})
	if err != nil || named.TokenID != q.Principal.TokenID {
		return errs.New(errs.Forbidden, "Only the token that you are using can be revoked this way.").WithRule("npm/logout")
	}
	if err := q.House.Gate.RevokeToken(r.Context(), q.Principal.TokenID); err != nil {
		return err
	}
	return done(w, http.StatusOK, "")
}

// couchUser answers GET /-/user/org.couchdb.user:NAME, with which `npm owner add` looks a person up.
func (d *Door) couchUser(w http.ResponseWriter, r *http.Request, q *door.Request, at route) error {
	if r.Method != http.MethodGet {
		return wrongMethod(w, r, q, at)
	}
	if err := signedIn(q); err != nil {
		return err
	}
	name := strings.TrimPrefix(at.fixed[1], "org.couchdb.user:")
	account, err := q.House.Accounts.ByName(r.Context(), name)
	if errs.Is(err, errs.NotFound) {
		return errs.New(errs.NotFound, "There is no account named %s here.", show(name)).WithRule("identity/account").
			WithNext("An administrator makes one with `bonded admin user add`.")
	}
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	door.WriteJSON(w, http.StatusOK, map[string]any{
		"_id": "org.couchdb.user:" + account.Name, "name": account.Name, "email": account.Email, "type": "user", "roles": []string{},
	})
	return nil
}

// userPackages answers GET /-/user/NAME/package: the packages that an account owns here and the caller may read.
func (d *Door) userPackages(w http.ResponseWriter, r *http.Request, q *door.Request, at route) error {
	if err := signedIn(q); err != nil {
		return err
	}
	account, err := q.House.Accounts.ByName(r.Context(), at.fixed[1])
	if err != nil {
		return err
	}
	members, err := readable(r, q)
	if err != nil {
		return err
	}
	all := map[string]string{}
	for _, repo := range members {
		names, err := q.House.Registry.OwnedBy(r.Context(), repo, account.ID)
		if err != nil {
			return err
		}
		for _, n := range names {
			if q.House.Gate.May(q.Principal, access.Read, intake.ResourceOf(repo, n.Norm, nil)) == nil {
				all[n.Norm] = "write"
			}
		}
	}
	door.WriteJSON(w, http.StatusOK, all)
	return nil
}

// readable are the repositories behind the one asked that the caller may read.
func readable(r *http.Request, q *door.Request) ([]*registry.Repository, error) {
	members, err := q.House.Registry.Members(r.Context(), q.Repo)
	if err != nil {
		return nil, err
	}
	var out []*registry.Repository
	for _, m := range members {
		if m.Kind == registry.Hosted && q.House.Gate.May(q.Principal, access.Read, intake.ResourceOf(m, "", nil)) == nil {
			out = append(out, m)
		}
	}
	return out, nil
}
