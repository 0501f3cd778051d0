package npm

import (
	"io"
	"net/http"
	"strings"

	"bonded/internal/access"
	"bonded/internal/blob"
	"bonded/internal/door"
	"bonded/internal/errs"
	"bonded/internal/intake"
	"bonded/internal/registry"
	"bonded/internal/request"
)

// put answers PUT /pkg: a publish when the document brings a tarball, else a whole packument sent back with changed
// deprecations (npm.md §3, §4). No metadata document can add a version or alter one.
func (d *Door) put(w http.ResponseWriter, r *http.Request, q *door.Request, at route) error {
	repo, publishErr := q.UploadRepo(r.Context())
	if publishErr == nil {
		publishErr = mayPublish(r, q, repo, at.name)
	}
	if publishErr != nil && mayMark(r, q, at.name) != nil {
		return publishErr
	}
	if err := plainBody(r, q); err != nil {
		return err
	}
	var staged *blob.Staged
	doc, err := readDocument(r.Body, func(data io.Reader) error {
		if publishErr != nil {
			return publishErr
		}
		var err error
		staged, err = q.House.Intake.Receive(r.Context(), repo, data)
		return err
	})
	if staged != nil {
		defer staged.Discard()
	}
	switch {
	case err != nil:
		return err
	case doc.provenance:
		d.refuse(w, r, provenanceRefusals, noProvenance())
		return nil
	case doc.name != "" && doc.name != at.name || doc.id != "" && doc.id != at.name:
		return errs.New(errs.Invalid, "The document is about %s, but was sent to the address of %s.", show(firstOf(doc.name, doc.id)), show(at.name)).
			WithRule("npm/name-mismatch")
	case staged == nil:
		return d.change(w, r, q, at, doc)
	}
	return d.publish(w, r, q, at, repo, doc, staged)
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// mayPublish asks before the body is read, so that nobody uploads a large tarball to be refused.
func mayPublish(r *http.Request, q *door.Request, repo *registry.Repository, name string) error {
	src, err := q.House.Registry.Source(r.Context(), repo)
	if err != nil {
		return err
	}
	p, err := src.Project(r.Context(), name)
	if err != nil && !errs.Is(err, errs.NotFound) {
		return err
	}
	if p == nil {
		if _, err := ParseName(name); err != nil {
			return err
		}
	}
	if p != nil && p.Status == registry.Deleted {
		p = nil // the line says what a used name means
	}
	return q.House.Gate.May(q.Principal, access.Publish, intake.ResourceOf(repo, name, p))
}

// mayMark reports whether the caller may change the metadata of a project that exists.
func mayMark(r *http.Request, q *door.Request, name string) error {
	p, err := q.Project(r.Context(), name)
	if err != nil {
		return err
	}
	return q.May(access.Yank, p, name)
}

// plainBody lets the body be as large as a tarball in base64 may make it.
func plainBody(r *http.Request, q *door.Request) error {
	if r.Header.Get("Content-Encoding") != "" {
		return errs.New(errs.Invalid, "A publish document must not be compressed.").WithRule("npm/publish-body")
	}
	limit := q.House.Intake.FileLimit(q.Repo)
	if repo, err := q.House.Registry.UploadTarget(r.Context(), q.Repo); err == nil {
		limit = q.House.Intake.FileLimit(repo)
	}
	request.AllowBody(r.Context(), limit/3*4+3*maxMetadata)
	return nil
}

func noProvenance() error {
	return errs.New(errs.Invalid, "Error verifying sigstore provenance bundle: this Bonded cannot verify provenance yet, and keeps none that it has not verified.").
		WithRule("npm/provenance").WithNext("Publish without --provenance and --provenance-file.")
}

func (d *Door) publish(w http.ResponseWriter, r *http.Request, q *door.Request, at route, repo *registry.Repository, doc *putDocument, staged *blob.Staged) error {
	version, tags, err := doc.release(at.name)
	if err != nil {
		return err
	}
	if size := staged.Digests().Size; doc.length >= 0 && doc.length != size {
		return errs.New(errs.Invalid, "The attachment says it has %d bytes, and %d arrived.", doc.length, size).WithRule("npm/length").WithNext("Publish again.")
	}
	claim := doc.claim()
	if err := checkDigests(claim, staged.Digests()); err != nil {
		return err
	}
	receipt, err := q.House.Intake.Publish(r.Context(), intake.Submission{
		Repo: repo, Principal: q.Principal, Name: at.name, Version: version.Canonical, Claim: claim, Tags: tags, DefaultTag: latestTag,
		Parts: []intake.Part{{Path: tarballPath(at.name, version.Unique), Kind: "tarball", Bytes: staged, Inspect: true}},
	})
	if err != nil {
		return publishRefusal(err, version.Canonical)
	}
	if receipt.Identical {
		notice(w, at.name+"@"+version.Canonical+" was published before with these very bytes; nothing changed.")
		return done(w, http.StatusOK, at.name)
	}
	if doc.access == "restricted" && repo.Visibility == registry.Anonymous {
		notice(w, "You asked for restricted access, but everybody may read "+repo.Path()+": access belongs to the repository here, not to the package.")
	}
	return done(w, http.StatusCreated, at.name)
}

// release checks that the document is about exactly one version with a tarball of that name, and reads its tags.
func (d *putDocument) release(name string) (v registry.Version, tags []string, err error) {
	if len(d.versions) != 1 {
		return v, nil, errs.New(errs.Invalid, "A publish document has exactly one version; this one has %d.", len(d.versions)).WithRule("npm/one-version")
	}
	for raw := range d.versions {
		if v, err = ParseVersion(raw); err != nil {
			return v, nil, err
		}
	}
	file := strings.TrimPrefix(d.tarball, scopeOf(name))
	if u, ok := fileVersion(name, file); !ok || u != v.Unique {
		return v, nil, errs.New(errs.Invalid, "The tarball's name %s is not that of %s@%s.", show(d.tarball), name, v.Canonical).WithRule("npm/tarball-name")
	}
	for tag, target := range d.tags {
		if err := checkTag(tag); err != nil {
			return v, nil, err
		}
		if t, err := ParseVersion(target); err != nil || t.Unique != v.Unique {
			return v, nil, errs.New(errs.Invalid, "The tag %s points to %s, which is not the version being published.", show(tag), show(target)).
				WithRule("npm/tag-target")
		}
		tags = append(tags, tag)
	}
	if len(tags) == 0 {
		tags = []string{latestTag}
	}
	return v, tags, nil
}

// claim is what the document says of its one version.
func (d *putDocument) claim() Claim {
	c := Claim{Manifest: d.manifest}
	if o, err := parseObject(d.manifest); err == nil {
		if dist, ok := o.any("dist").(map[string]any); ok {
			c.Integrity, _ = dist["integrity"].(string)
			c.Shasum, _ = dist["shasum"].(string)
		}
	}
	return c
}

// publishRefusal words the line's refusals as npm's users and tools know them (npm.md §3, §11).
func publishRefusal(err error, version string) error {
	e := errs.Public(err)
	if e.Kind != errs.Conflict {
		return err
	}
	switch e.Rule {
	case "registry/version-used", "registry/file-used":
		return errs.New(errs.Conflict, "You cannot publish over the previously published versions: %s.", version).WithRule(e.Rule).
			WithNext("A version that was used, also one that was unpublished, is never used again: publish under a new one.")
	case "registry/look-alike":
		return errs.New(errs.Conflict, "%s", e.What).WithRule(e.Rule).
			WithNext("Choose another name, or publish it under a scope that is yours, as @scope/name.")
	}
	return err
}
