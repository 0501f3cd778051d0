package npm

import (
	"context"
	"net/http"
	"strings"

	"bonded/internal/door"
	"bonded/internal/errs"
	"bonded/internal/events"
	"bonded/internal/registry"
)

// The media types of a packument (npm.md §2).
const (
	fullType        = "application/json"
	abbreviatedType = "application/vnd.npm.install-v1+json"
)

// packument answers GET /pkg.
func (d *Door) packument(w http.ResponseWriter, r *http.Request, q *door.Request, at route) error {
	write := precedesChange(r)
	if write {
		if err := catchUp(r.Context(), q); err != nil {
			return err
		}
	}
	p, v, err := visible(r.Context(), q, at.name)
	if err != nil {
		return err
	}
	representation := fullType
	if wantsAbbreviated(r.Header) {
		representation = abbreviatedType
	}
	doc, err := q.House.Documents.Get(r.Context(), key(q, p, representation), func(ctx context.Context) (door.Rendered, error) {
		body, err := renderPackument(ctx, q.House, v, q.Base, representation == abbreviatedType)
		return door.Rendered{Body: body, ContentType: representation, Modified: p.UpdatedAt, Until: v.Until}, err
	})
	if err != nil {
		return err
	}
	door.ServeDocument(w, r, doc, door.DocumentOptions{Private: private(q, p), VaryAccept: true, NoConditional: write})
	return nil
}

// single answers GET /pkg/VERSION and GET /pkg/TAG with the version object (npm.md §2.3).
func (d *Door) single(w http.ResponseWriter, r *http.Request, q *door.Request, at route) error {
	p, v, err := visible(r.Context(), q, at.name)
	if err != nil {
		return err
	}
	rel, err := pick(v, at.selector)
	if err != nil {
		return err
	}
	doc, err := q.House.Documents.Get(r.Context(), key(q, p, "version:"+rel.Unique), func(context.Context) (door.Rendered, error) {
		full, _ := lines(rel.Record)
		body := appendVersion(nil, full, q.Base, versionExtras(p, rel, true))
		return door.Rendered{Body: body, ContentType: fullType, Modified: p.UpdatedAt, Until: v.Until}, nil
	})
	if err != nil {
		return err
	}
	door.ServeDocument(w, r, doc, door.DocumentOptions{Private: private(q, p)})
	return nil
}

// pick finds the release that a version or tag stands for.
func pick(v registry.View, selector string) (*registry.Release, error) {
	unique := selector
	if parsed, err := ParseVersion(selector); err == nil {
		unique = parsed.Unique
	} else if u, ok := tagsOf(v)[selector]; ok {
		unique = u
	}
	for _, rel := range v.Releases {
		if rel.Unique == unique {
			return rel, nil
		}
	}
	for _, rel := range v.Withheld {
		if rel.Unique == unique {
			return nil, withheld(v.Project, rel)
		}
	}
	return nil, errs.New(errs.NotFound, "%s has no version or tag %s.", v.Display, show(selector)).WithRule("npm/no-version")
}

// withheld is the reason why a release is not handed out.
func withheld(p *registry.Project, rel *registry.Release) *errs.Error {
	return errs.New(errs.Withheld, "%s %s is withheld: %s", p.Display, rel.Version, rel.Verdict.Reason).WithRule(rel.Verdict.Rule)
}

// tarball answers GET /pkg/-/pkg-1.0.0.tgz in every form of npm.md §1.
func (d *Door) tarball(w http.ResponseWriter, r *http.Request, q *door.Request, at route) error {
	version, ok := fileVersion(at.name, at.file)
	if !ok {
		return errs.New(errs.NotFound, "%s is not the name of a tarball of %s.", show(at.file), at.name).WithRule("npm/tarball-name")
	}
	p, err := q.Project(r.Context(), at.name)
	if err != nil {
		return err
	}
	f := p.File(tarballPath(at.name, version))
	if f == nil {
		return errs.New(errs.NotFound, "%s %s is not in %s.", p.Display, version, q.Repo.Path()).WithRule("npm/no-version")
	}
	return q.ServeFile(w, r, p, f, door.FileOptions{})
}

// visible finds a project and what the caller may see of it. A quarantined one is refused with its reason: an empty list
// of versions would read as a mistake in the caller's own range.
func visible(ctx context.Context, q *door.Request, name string) (*registry.Project, registry.View, error) {
	p, err := q.Project(ctx, name)
	if err != nil {
		return nil, registry.View{}, err
	}
	if p.Status == registry.Quarantined {
		return nil, registry.View{}, errs.New(errs.Withheld, "%s is quarantined: %s", p.Display, p.StatusReason).WithRule("moderation/quarantine").
			WithNext("Do not use it until the operator has decided.")
	}
	v := q.View(p)
	if len(v.Releases)+len(v.Withheld) == 0 {
		return nil, v, errs.New(errs.NotFound, "%s has no versions: all of them were unpublished.", p.Display).WithRule("npm/unpublished")
	}
	return p, v, nil
}

// catchUp brings this node to the present: what another node acknowledged a moment ago is seen (npm.md §2.4, §15).
func catchUp(ctx context.Context, q *door.Request) error {
	last, err := events.Last(ctx, q.House.Registry.DB())
	if err != nil {
		return errs.New(errs.Unavailable, "The database does not answer.").Because(err)
	}
	return q.House.Registry.Feed().SyncTo(ctx, last)
}

// precedesChange reports "?write=true", which clients add when they are about to send the document back.
func precedesChange(r *http.Request) bool {
	return r.URL.RawQuery != "" && r.URL.Query().Get("write") == "true"
}

// wantsAbbreviated reads Accept as far as it matters: the media type is named and not refused.
func wantsAbbreviated(h http.Header) bool {
	for _, line := range h["Accept"] {
		for line != "" {
			var item string
			item, line, _ = strings.Cut(line, ",")
			kind, params, _ := strings.Cut(item, ";")
			if strings.EqualFold(strings.TrimSpace(kind), abbreviatedType) {
				q := strings.ReplaceAll(params, " ", "")
				return q != "q=0" && q != "q=0.0"
			}
		}
	}
	return false
}

func key(q *door.Request, p *registry.Project, representation string) door.DocumentKey {
	return door.DocumentKey{
		Repo: q.Repo.ID, Epoch: q.Source.Epoch(), Project: p.Norm, Revision: p.Revision, Representation: representation, Base: q.Base,
	}
}

// private reports that shared caches must not keep an answer.
func private(q *door.Request, p *registry.Project) bool {
	return !q.Open(p)
}
