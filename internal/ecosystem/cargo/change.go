package cargo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"bonded/internal/access"
	"bonded/internal/door"
	"bonded/internal/errs"
	"bonded/internal/registry"
)

// project finds the crate that an API path means; any spelling of its name will do.
func project(r *http.Request, q *door.Request, name string) (*registry.Project, error) {
	norm, ok := NormalizeName(name)
	if !ok {
		return nil, noCrate(q, name)
	}
	p, err := q.Project(r.Context(), norm)
	if errs.Is(err, errs.NotFound) {
		return nil, noCrate(q, name)
	}
	return p, err
}

// serveYank answers `cargo yank` and `cargo yank --undo` (cargo.md §2.1). Anything but {"ok":true} breaks the client.
func serveYank(w http.ResponseWriter, r *http.Request, q *door.Request, name, version string, yank bool) error {
	ctx := r.Context()
	p, err := project(r, q, name)
	if err != nil {
		return err
	}
	if err := q.May(access.Yank, p, p.Norm); err != nil {
		return err
	}
	err = q.Change(ctx, func(c *registry.Change) error {
		current, err := c.Project(ctx, p.Repo, p.Norm)
		if err != nil {
			return err
		}
		release, err := releaseNamed(current, version)
		if err != nil {
			return err
		}
		if yank {
			return c.Yank(ctx, current, release.Unique, "")
		}
		return c.Unyank(ctx, current, release.Unique)
	})
	if err != nil {
		return err
	}
	answerOK(w, "")
	return nil
}

// releaseNamed finds a release by its whole version: what differs in build metadata was never published.
func releaseNamed(p *registry.Project, version string) (*registry.Release, error) {
	unique, _, _ := strings.Cut(version, "+")
	release := p.Release(unique)
	if release != nil && release.Version == version {
		return release, nil
	}
	e := errs.New(errs.NotFound, "%s has no version %s.", p.Display, version).WithRule("cargo/release")
	if release != nil {
		e.Next = fmt.Sprintf("It has %s.", release.Version)
	}
	return nil, e
}

// answerOK answers a change. The owners commands insist on a message (cargo.md §2.1).
func answerOK(w http.ResponseWriter, message string) {
	w.Header().Set("Cache-Control", "no-store")
	if message == "" {
		door.WriteJSON(w, http.StatusOK, map[string]bool{"ok": true})
		return
	}
	door.WriteJSON(w, http.StatusOK, map[string]any{"ok": true, "msg": message})
}

const (
	// maxLogins is how many owners one request may name (cargo.md §2.1).
	maxLogins    = 10
	maxOwnerBody = 16 << 10
)

// serveOwners answers `cargo owner --list`, `--add` and `--remove`.
func serveOwners(w http.ResponseWriter, r *http.Request, q *door.Request, name string) error {
	p, err := project(r, q, name)
	if err != nil {
		return err
	}
	switch r.Method {
	case http.MethodGet:
		listOwners(w, p)
		return nil
	case http.MethodPut, http.MethodDelete:
		return changeOwners(w, r, q, p)
	default:
		return errs.New(errs.NotFound, "Owners are read with GET, added with PUT and removed with DELETE.").WithRule("cargo/api")
	}
}

func listOwners(w http.ResponseWriter, p *registry.Project) {
	type owner struct {
		ID    uint32  `json:"id"` // the client reads 32 bits (cargo.md §6)
		Login string  `json:"login"`
		Name  *string `json:"name"`
		Email *string `json:"email"` // always null: the list is public where the registry is
	}
	users := make([]owner, 0, len(p.Owners))
	for _, o := range p.Owners {
		users = append(users, owner{ID: uint32(o.AccountID), Login: o.Name})
	}
	w.Header().Set("Cache-Control", "no-store")
	door.WriteJSON(w, http.StatusOK, map[string]any{"users": users})
}

func changeOwners(w http.ResponseWriter, r *http.Request, q *door.Request, p *registry.Project) error {
	if err := q.May(access.Owners, p, p.Norm); err != nil {
		return err
	}
	logins, err := readLogins(r.Body)
	if err != nil {
		return err
	}
	ctx := r.Context()
	ids := make([]int64, 0, len(logins))
	for i, login := range logins {
		account, err := q.House.Accounts.ByName(ctx, login)
		if errs.Is(err, errs.NotFound) {
			return errs.New(errs.NotFound, "There is no account named %q here.", login).WithRule("cargo/owner").
				WithNext("Owners are accounts of this Bonded; an administrator adds one with `bonded admin user add`.")
		}
		if err != nil {
			return err
		}
		logins[i] = account.Name
		ids = append(ids, account.ID)
	}
	var said []string
	err = q.Change(ctx, func(c *registry.Change) error {
		said = said[:0]
		current, err := c.Project(ctx, p.Repo, p.Norm)
		if err != nil {
			return err
		}
		// Once more with the owners as they are under the lock: who was removed a moment ago removes nobody.
		if err := q.May(access.Owners, current, current.Norm); err != nil {
			return err
		}
		for i, id := range ids {
			message, err := changeOwner(ctx, c, current, r.Method == http.MethodDelete, id, logins[i])
			if err != nil {
				return err
			}
			said = append(said, message)
		}
		return nil
	})
	if err != nil {
		return err
	}
	answerOK(w, strings.Join(said, "; "))
	return nil
}

// changeOwner adds or removes one owner and says what became of it.
func changeOwner(ctx context.Context, c *registry.Change, p *registry.Project, remove bool, id int64, login string) (string, error) {
	if remove {
		return login + " no longer owns " + p.Display, c.RemoveOwner(ctx, p, id)
	}
	if slices.ContainsFunc(p.Owners, func(o registry.Owner) bool { return o.AccountID == id }) {
		return login + " owns " + p.Display + " already", nil
	}
	return login + " is now an owner of " + p.Display, c.AddOwner(ctx, p, id)
}

// readLogins reads {"users":["a"]}; the public registry also takes the key "owners".
func readLogins(body io.Reader) ([]string, error) {
	text, err := io.ReadAll(io.LimitReader(body, maxOwnerBody+1))
	if err != nil {
		return nil, err
	}
	var in struct {
		Users  []string `json:"users"`
		Owners []string `json:"owners"`
	}
	if len(text) > maxOwnerBody || json.Unmarshal(text, &in) != nil {
		return nil, errs.New(errs.Invalid, "The list of owners is not the JSON that Cargo sends.").WithRule("cargo/owners-json")
	}
	logins := append(in.Users, in.Owners...)
	if len(logins) == 0 || len(logins) > maxLogins {
		return nil, errs.New(errs.Invalid, "Name between one and %d owners at a time.", maxLogins).WithRule("cargo/owners-count")
	}
	return logins, nil
}
