package npm

import (
	"context"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"bonded/internal/access"
	"bonded/internal/door"
	"bonded/internal/errs"
	"bonded/internal/registry"
)

// maxDeprecation is the longest deprecation message, in bytes.
const maxDeprecation = 4096

// change answers a packument sent back to PUT /pkg: only deprecations count, everything else in it is ignored (npm.md §4).
func (d *Door) change(w http.ResponseWriter, r *http.Request, q *door.Request, at route, doc *putDocument) error {
	p, err := owned(r.Context(), q, at.name, access.Yank)
	if err != nil {
		return err
	}
	if !doc.hasVersions {
		if doc.hasUsers {
			return errs.New(errs.Forbidden, "This registry keeps no stars.").WithRule("npm/stars")
		}
		return malformed("it has neither a tarball nor versions")
	}
	err = q.Change(r.Context(), func(c *registry.Change) error {
		p, err := c.Project(r.Context(), p.Repo, p.Norm)
		if err != nil {
			return err
		}
		for _, version := range slices.Sorted(maps.Keys(doc.versions)) {
			if err := deprecate(r.Context(), c, p, version, doc.versions[version]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return done(w, http.StatusOK, p.Norm)
}

func deprecate(ctx context.Context, c *registry.Change, p *registry.Project, version string, message *string) error {
	rel := p.Release(version)
	switch {
	case rel == nil:
		return errs.New(errs.Invalid, "%s has no version %s, and a document without a tarball cannot add one.", p.Display, show(version)).
			WithRule("npm/metadata-only").WithNext("Publish the version with its tarball.")
	case message == nil:
		return nil
	case len(*message) > maxDeprecation:
		return errs.New(errs.TooLarge, "A deprecation message has at most %d bytes.", maxDeprecation).WithRule("npm/deprecation")
	}
	return c.Mark(ctx, p, rel.Unique, strings.ToValidUTF8(strings.ReplaceAll(*message, "\x00", ""), ""))
}

// putRevision answers PUT /pkg/-rev/REV: a packument with fewer versions is the first half of an unpublish, one with only
// maintainers changes the owners (npm.md §4).
func (d *Door) putRevision(w http.ResponseWriter, r *http.Request, q *door.Request, at route) error {
	asked, other := access.Owners, access.Delete
	if r.Header.Get("Npm-Command") == "unpublish" {
		asked, other = other, asked // the refusal names what the user asked for
	}
	p, err := owned(r.Context(), q, at.name, asked)
	if err != nil && (p == nil || q.May(other, p, at.name) != nil) {
		return err
	}
	if err := plainBody(r, q); err != nil {
		return err
	}
	doc, err := readDocument(r.Body, func(io.Reader) error { return malformed("a tarball is published at the package's own address") })
	if err != nil {
		return err
	}
	switch {
	case doc.hasVersions:
		return d.unpublish(w, r, q, at, doc)
	case doc.hasMaintainers:
		return d.setOwners(w, r, q, at, doc)
	}
	return malformed("it has neither versions nor maintainers")
}

// setOwners applies a list of maintainers as what it adds and what it removes.
func (d *Door) setOwners(w http.ResponseWriter, r *http.Request, q *door.Request, at route, doc *putDocument) error {
	p, err := owned(r.Context(), q, at.name, access.Owners)
	if err != nil {
		return err
	}
	ids := map[int64]bool{}
	for _, name := range doc.maintainers {
		account, err := q.House.Accounts.ByName(r.Context(), name)
		if err != nil {
			return err
		}
		ids[account.ID] = true
	}
	if len(ids) == 0 {
		return errs.New(errs.Forbidden, "%s would be left without an owner.", p.Display).WithRule("registry/last-owner").WithNext("Add another owner first.")
	}
	err = q.Change(r.Context(), func(c *registry.Change) error {
		p, err := current(r.Context(), c, p, at.rev)
		if err != nil {
			return err
		}
		for _, id := range sortedIDs(ids) {
			if err := c.AddOwner(r.Context(), p, id); err != nil {
				return err
			}
		}
		for _, o := range p.Owners {
			if ids[o.AccountID] {
				continue
			}
			if err := c.RemoveOwner(r.Context(), p, o.AccountID); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return done(w, http.StatusOK, p.Norm)
}

func sortedIDs(set map[int64]bool) []int64 {
	ids := make([]int64, 0, len(set))
	for id := range set {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// current locks the project and refuses a change that was made from an older picture of it.
func current(ctx context.Context, c *registry.Change, p *registry.Project, rev string) (*registry.Project, error) {
	p, err := c.Project(ctx, p.Repo, p.Norm)
	if err != nil {
		return nil, err
	}
	if rev == "undefined" { // yarn 1 reads the abbreviated document, which has no revision and no owners
		return nil, errs.New(errs.Conflict, "Your client did not say which revision of %s it changes.", p.Display).WithRule("npm/no-revision").
			WithNext("Use npm for this command.")
	}
	if rev != revision(p) {
		return nil, errs.New(errs.Conflict, "%s was changed by somebody else meanwhile.", p.Display).WithRule("npm/stale-revision").
			WithNext("Run the command again.")
	}
	return p, nil
}

// unpublish removes the versions that a packument no longer has, if the repository's policy lets them go.
func (d *Door) unpublish(w http.ResponseWriter, r *http.Request, q *door.Request, at route, doc *putDocument) error {
	p, err := owned(r.Context(), q, at.name, access.Delete)
	if err != nil {
		return err
	}
	now := q.House.Clock.Now()
	err = q.Change(r.Context(), func(c *registry.Change) error {
		p, err := current(r.Context(), c, p, at.rev)
		if err != nil {
			return err
		}
		var gone []*registry.Release
		for _, rel := range registry.ViewOf(p, "", now).Releases { // the client saw no others
			if _, stays := doc.versions[rel.Version]; !stays {
				gone = append(gone, rel)
			}
		}
		return remove(r.Context(), c, p, gone, now)
	})
	if err != nil {
		return err
	}
	return done(w, http.StatusOK, p.Norm)
}

// remove deletes releases and moves latest to the highest release that stays.
func remove(ctx context.Context, c *registry.Change, p *registry.Project, gone []*registry.Release, now time.Time) error {
	for _, rel := range gone {
		if err := mayUnpublish(p, rel, now); err != nil {
			return err
		}
	}
	for _, rel := range gone {
		if err := c.DeleteRelease(ctx, p, rel.Unique, "unpublished by an owner"); err != nil {
			return err
		}
	}
	left := slices.DeleteFunc(slices.Clone(p.Releases), func(r *registry.Release) bool { return slices.Contains(gone, r) })
	latest := p.Release(p.Tags[latestTag])
	if latest == nil || !slices.Contains(gone, latest) {
		return nil
	}
	if next := (registry.View{Project: p, Releases: left}).Latest(); next != nil {
		return c.SetTag(ctx, p, latestTag, next.Unique)
	}
	return nil
}

// defaultUnpublishHours is how long a release can be unpublished unless the repository says otherwise (npm.md §11).
const defaultUnpublishHours = 72

// mayUnpublish is the policy: others may depend on a release once it has been there for a while.
func mayUnpublish(p *registry.Project, rel *registry.Release, now time.Time) error {
	hours := p.Repo.Settings.UnpublishHours
	if hours == 0 {
		hours = defaultUnpublishHours
	}
	deprecate := "Deprecate it instead: npm deprecate " + p.Norm + "@" + rel.Version + " \"the reason\"."
	if hours < 0 {
		return errs.New(errs.Withheld, "Nothing can be unpublished from %s.", p.Repo.Path()).WithRule("npm/unpublish-policy").WithNext("%s", deprecate)
	}
	if age := now.Sub(rel.PublishedAt); age > time.Duration(hours)*time.Hour {
		return errs.New(errs.Withheld, "%s %s was published more than %d hours ago and can no longer be unpublished, because others may depend on it.",
			p.Display, rel.Version, hours).WithRule("npm/unpublish-policy").WithNext("%s", deprecate)
	}
	return nil
}

// deleteTarball answers the second half of an unpublish, DELETE /pkg/-/FILE/-rev/REV: the first half removed the file with
// its version already.
func (d *Door) deleteTarball(w http.ResponseWriter, r *http.Request, q *door.Request, at route) error {
	p, err := owned(r.Context(), q, at.name, access.Delete)
	if err != nil {
		return err
	}
	version, ok := fileVersion(at.name, at.file)
	if !ok {
		return errs.New(errs.NotFound, "%s is not the name of a tarball of %s.", show(at.file), at.name).WithRule("npm/tarball-name")
	}
	if p.Release(version) == nil {
		return done(w, http.StatusOK, p.Norm)
	}
	err = q.Change(r.Context(), func(c *registry.Change) error {
		p, err := current(r.Context(), c, p, at.rev)
		if err != nil {
			return err
		}
		rel := p.Release(version)
		if rel == nil {
			return nil
		}
		return remove(r.Context(), c, p, []*registry.Release{rel}, q.House.Clock.Now())
	})
	if err != nil {
		return err
	}
	return done(w, http.StatusOK, p.Norm)
}

// deleteProject answers DELETE /pkg/-rev/REV: the whole package, if the policy lets every version go. Its name and its
// versions stay taken.
func (d *Door) deleteProject(w http.ResponseWriter, r *http.Request, q *door.Request, at route) error {
	p, err := owned(r.Context(), q, at.name, access.Delete)
	if err != nil {
		return err
	}
	err = q.Change(r.Context(), func(c *registry.Change) error {
		p, err := current(r.Context(), c, p, at.rev)
		if err != nil {
			return err
		}
		for _, rel := range p.Releases {
			if err := mayUnpublish(p, rel, q.House.Clock.Now()); err != nil {
				return err
			}
		}
		return c.DeleteProject(r.Context(), p, "unpublished by an owner")
	})
	if err != nil {
		return err
	}
	return done(w, http.StatusOK, p.Norm)
}
