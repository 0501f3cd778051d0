package npm

import (
	"context"
	"encoding/json"
	"io"
	"net/http"

	"bonded/internal/access"
	"bonded/internal/door"
	"bonded/internal/errs"
	"bonded/internal/registry"
)

// maxSmallBody bounds the bodies of everything but publishes and audits.
const maxSmallBody = 1 << 20

// maxTag is the longest tag, in bytes.
const maxTag = 128

// checkTag refuses tags that `npm install pkg@TAG` would read as something else (npm.md §3).
func checkTag(tag string) error {
	switch {
	case tag == "" || len(tag) > maxTag:
		return errs.New(errs.Invalid, "A tag has 1 to %d characters.", maxTag).WithRule("npm/tag")
	case IsRange(tag):
		return errs.New(errs.Invalid, "%s cannot be a tag, because clients read it as a version or a range of versions.", show(tag)).
			WithRule("npm/tag-range").WithNext("Choose a word, such as next or beta.")
	case !legacySafe(tag):
		return errs.New(errs.Invalid, "The tag %s has characters that URLs escape.", show(tag)).WithRule("npm/tag").
			WithNext("Use letters, digits, '.', '-' and '_'.")
	}
	return nil
}

// tagList answers GET /-/package/PKG/dist-tags (npm.md §4).
func (d *Door) tagList(w http.ResponseWriter, r *http.Request, q *door.Request, name string) error {
	if err := catchUp(r.Context(), q); err != nil {
		return err
	}
	_, v, err := visible(r.Context(), q, name)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	door.WriteJSON(w, http.StatusOK, tagsOf(v))
	return nil
}

// setTags points tags at versions; old clients send several in one object.
func (d *Door) setTags(w http.ResponseWriter, r *http.Request, q *door.Request, name, tag string) error {
	p, err := owned(r.Context(), q, name, access.Yank)
	if err != nil {
		return err
	}
	tags := map[string]string{}
	if tag == "" {
		err = readJSON(r, &tags)
	} else {
		var version string
		err = readJSON(r, &version)
		tags[tag] = version
	}
	if err != nil {
		return err
	}
	if len(tags) == 0 || len(tags) > maxTags {
		return errs.New(errs.Invalid, "Send 1 to %d tags.", maxTags).WithRule("npm/tag")
	}
	err = q.Change(r.Context(), func(c *registry.Change) error {
		p, err := c.Project(r.Context(), p.Repo, p.Norm)
		if err != nil {
			return err
		}
		for _, tag := range sortedNames(tags) {
			if err := checkTag(tag); err != nil {
				return err
			}
			version, err := ParseVersion(tags[tag])
			if err != nil {
				return err
			}
			if err := c.SetTag(r.Context(), p, tag, version.Unique); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return done(w, http.StatusCreated, p.Norm)
}

func (d *Door) removeTag(w http.ResponseWriter, r *http.Request, q *door.Request, name, tag string) error {
	p, err := owned(r.Context(), q, name, access.Yank)
	if err != nil {
		return err
	}
	if tag == latestTag {
		return errs.New(errs.Forbidden, "The tag latest cannot be removed: it is what clients install when no version is asked for.").
			WithRule("npm/tag-latest").WithNext("Point it at another version with `npm dist-tag add %s@VERSION latest`.", p.Norm)
	}
	err = q.Change(r.Context(), func(c *registry.Change) error {
		p, err := c.Project(r.Context(), p.Repo, p.Norm)
		if err != nil {
			return err
		}
		return c.RemoveTag(r.Context(), p, tag)
	})
	if err != nil {
		return err
	}
	return done(w, http.StatusOK, p.Norm)
}

// owned finds a project on which the caller may do something.
func owned(ctx context.Context, q *door.Request, name string, a access.Action) (*registry.Project, error) {
	if q.Principal.IsAnonymous() {
		return nil, q.May(a, nil, name)
	}
	if err := catchUp(ctx, q); err != nil {
		return nil, err
	}
	p, err := q.Project(ctx, name)
	if err != nil {
		return nil, err
	}
	return p, q.May(a, p, name)
}

// readJSON reads a small body of one JSON value.
func readJSON(r *http.Request, into any) error {
	b, err := io.ReadAll(io.LimitReader(r.Body, maxSmallBody+1))
	if err != nil {
		return err
	}
	if len(b) > maxSmallBody {
		return errs.New(errs.TooLarge, "The request body is larger than %d bytes.", maxSmallBody).WithRule("npm/body-size")
	}
	if json.Unmarshal(b, into) != nil {
		return errs.New(errs.Invalid, "The request body is not the JSON that belongs here.").WithRule("npm/body")
	}
	return nil
}
