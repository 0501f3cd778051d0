package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"bonded/internal/clock"
	"bonded/internal/digest"
	"bonded/internal/errs"
	"bonded/internal/events"
	"bonded/internal/store"
)

// NewFile is a file about to be recorded.
type NewFile struct {
	Path    string
	Kind    string
	Digests digest.Set
	Detail  []byte
}

// NewRelease is a release about to be recorded, or further files for one that exists.
type NewRelease struct {
	Name    Name
	Version Version
	Record  []byte
	// Manifest is what the artifacts say, for pages and checks.
	Manifest *Manifest
	Files    []NewFile
	// Tags to point at this version.
	Tags []string
	// DefaultTag is pointed at this version too while the project has no tag of that name (npm's latest); "" for none.
	DefaultTag string
	// Extend allows files to be added to a release that exists already; its record stays.
	Extend bool
	// Replace lets a moving version take a new record and lets Latest builds follow; files stay immutable.
	Replace bool
	Verdict Verdict
	Mark    string
	// Check, when set, is asked with the facts as they are under the project's lock, nil for a project that this publish
	// creates; its error ends the publish.
	Check func(*Project) error
}

// Outcome says what Publish did.
type Outcome struct {
	// Identical: everything was there already, byte for byte, and nothing changed.
	Identical      bool
	CreatedProject bool
	CreatedRelease bool
	Files          int
}

// Publish records a release with its files, or nothing. The same bytes again are Identical; other bytes under a used
// version or file name are errs.Conflict for ever, also after deletion.
func (c *Change) Publish(ctx context.Context, repo *Repository, n NewRelease) (Outcome, error) {
	var out Outcome
	p, created, err := c.ensureProject(ctx, repo, n)
	if err != nil {
		return out, err
	}
	out.CreatedProject = created
	if err := n.check(p, created); err != nil {
		return out, err
	}
	fresh, err := c.freshFiles(ctx, p, n)
	if err != nil {
		return out, err
	}
	existing := p.Release(n.Version.Unique)
	switch {
	case existing != nil && len(fresh) == 0 && len(n.Files) > 0 && (!n.Replace || bytes.Equal(existing.Record, notNil(n.Record))):
		out.Identical = true
		delete(c.touched, p.ID)
		return out, nil
	case existing != nil && !n.Extend && !n.Replace:
		return out, usedVersion(p, existing.Version)
	}
	id, err := c.ensureRelease(ctx, p, existing, n)
	if err != nil {
		return out, err
	}
	for _, f := range fresh {
		if err := c.insertFile(ctx, repo, p.ID, id, f); err != nil {
			return out, err
		}
	}
	for _, tag := range n.Tags {
		if err := c.setTag(ctx, p.ID, tag, n.Version.Unique); err != nil {
			return out, err
		}
	}
	if n.DefaultTag != "" && p.Tags[n.DefaultTag] == "" && !slices.Contains(n.Tags, n.DefaultTag) {
		if err := c.setTag(ctx, p.ID, n.DefaultTag, n.Version.Unique); err != nil {
			return out, err
		}
	}
	out.Files, out.CreatedRelease = len(fresh), existing == nil
	c.touched[p.ID] = true
	c.notePublished(repo, p, n, fresh, out)
	return out, c.describe(ctx, p, n)
}

func (n NewRelease) check(p *Project, created bool) error {
	switch {
	case n.Check == nil:
		return nil
	case created:
		return n.Check(nil)
	default:
		return n.Check(p)
	}
}

// Foresee refuses what Publish would refuse, judged by a snapshot that may be a moment old: whoever is about to make bytes
// durable asks first, so that a refused upload costs no storage. p is nil for a project that does not exist.
func Foresee(p *Project, n NewRelease) error {
	if p == nil {
		return nil
	}
	if err := mayGrow(p); err != nil {
		return err
	}
	fresh := false
	for _, f := range n.Files {
		have := p.File(f.Path)
		if have != nil && have.Digests.SHA256 != f.Digests.SHA256 {
			return usedFile(p, f.Path)
		}
		fresh = fresh || have == nil
	}
	if existing := p.Release(n.Version.Unique); existing != nil && fresh && !n.Extend && !n.Replace {
		return usedVersion(p, existing.Version)
	}
	return nil
}

func usedVersion(p *Project, version string) *errs.Error {
	return errs.New(errs.Conflict, "%s %s is already published here, and a published version never changes.", p.Display, version).
		WithRule("registry/version-used").WithNext("Publish under a new version.")
}

// ensureProject finds or creates the project and locks it.
func (c *Change) ensureProject(ctx context.Context, repo *Repository, n NewRelease) (*Project, bool, error) {
	now := clock.Millis(c.now)
	created, err := c.tx.Exec(ctx, `insert into project (repository_id, norm, display, lookalike, status, status_reason, summary,
		keywords, latest, state, legal_hold, revision, created_at, updated_at)
		values ($1,$2,$3,$4,'active','','','','','{}',false,0,$5,$6) on conflict do nothing`,
		repo.ID, n.Name.Norm, n.Name.Display, n.Name.Lookalike, now, now-1000)
	if err != nil {
		return nil, false, err
	}
	if _, err := store.One(ctx, c.tx, store.Value[int64], "update project set revision = revision where repository_id = $1 and norm = $2 returning id",
		repo.ID, n.Name.Norm); errors.Is(err, store.ErrNoRows) {
		return nil, false, c.lookalike(ctx, repo, n.Name)
	} else if err != nil {
		return nil, false, err
	}
	p, err := loadProject(ctx, c.tx, c.r.formats[repo.Ecosystem], repo, n.Name.Norm)
	if err != nil {
		return nil, false, err
	}
	if err := mayGrow(p); err != nil {
		return nil, false, err
	}
	if created == 0 {
		return p, false, nil
	}
	c.Note(events.ProjectCreated, repo.ID, n.Name.Norm, "", map[string]string{"name": n.Name.Display})
	if c.actor.AccountID != 0 {
		if _, err := c.tx.Exec(ctx, "insert into project_owner (project_id, account_id, since) values ($1,$2,$3)", p.ID, c.actor.AccountID, now); err != nil {
			return nil, false, err
		}
	}
	return p, true, nil
}

// lookalike explains why the insert gave way although the name is new.
func (c *Change) lookalike(ctx context.Context, repo *Repository, name Name) error {
	other, err := store.One(ctx, c.tx, store.Value[string], "select display from project where repository_id = $1 and lookalike = $2", repo.ID, name.Lookalike)
	if err != nil {
		return err
	}
	return errs.New(errs.Conflict, "The name %q is too similar to the existing project %q.", name.Display, other).
		WithRule("registry/look-alike").WithNext("Choose a name that cannot be taken for it.")
}

func mayGrow(p *Project) error {
	switch p.Status {
	case Deleted:
		return errs.New(errs.Conflict, "The project %q was deleted, and its name stays taken.", p.Display).
			WithRule("registry/name-used").WithNext("Publish under another name, or ask an administrator to restore it.")
	case Quarantined:
		return errs.New(errs.Withheld, "The project %q is quarantined: %s", p.Display, p.StatusReason).WithRule("registry/quarantined")
	case Archived:
		return errs.New(errs.Forbidden, "The project %q is archived and takes no more uploads.", p.Display).
			WithRule("registry/archived").WithNext("An owner can un-archive it.")
	case Active, Deprecated:
	}
	return nil
}

// freshFiles returns those of n.Files that are not recorded yet, and refuses names that were used for other bytes.
func (c *Change) freshFiles(ctx context.Context, p *Project, n NewRelease) ([]NewFile, error) {
	if p.Release(n.Version.Unique) == nil {
		if _, err := c.tombstone(ctx, p.Repo.ID, tombstoneRelease, p.Norm+"\n"+n.Version.Unique); err == nil && !n.Replace {
			return nil, errs.New(errs.Conflict, "%s %s was published here before and deleted; a version is never used twice.", p.Display, n.Version.Canonical).
				WithRule("registry/version-used").WithNext("Publish under a new version.")
		} else if err != nil && !errors.Is(err, store.ErrNoRows) {
			return nil, err
		}
	}
	var fresh []NewFile
	for _, f := range n.Files {
		if have := p.File(f.Path); have != nil {
			if have.Digests.SHA256 != f.Digests.SHA256 {
				return nil, usedFile(p, f.Path)
			}
			continue
		}
		was, err := c.tombstone(ctx, p.Repo.ID, tombstoneFile, f.Path)
		if err == nil && was != f.Digests.SHA256.String() {
			return nil, usedFile(p, f.Path)
		}
		if err == nil {
			return nil, errs.New(errs.Conflict, "The file %s was deleted from here; its name is never used again.", f.Path).
				WithRule("registry/file-used").WithNext("Publish under a new version.")
		}
		if !errors.Is(err, store.ErrNoRows) {
			return nil, err
		}
		fresh = append(fresh, f)
	}
	return fresh, nil
}

func usedFile(p *Project, path string) *errs.Error {
	return errs.New(errs.Conflict, "File already exists: %s of %s is published here with other bytes, and a published file never changes.", path, p.Display).
		WithRule("registry/file-used").WithNext("Publish under a new version.")
}

func (c *Change) tombstone(ctx context.Context, repo int64, kind, key string) (string, error) {
	return store.One(ctx, c.tx, store.Value[string], "select sha256 from tombstone where repository_id = $1 and kind = $2 and key = $3", repo, kind, key)
}

func (c *Change) ensureRelease(ctx context.Context, p *Project, existing *Release, n NewRelease) (int64, error) {
	if existing != nil {
		if !n.Replace {
			return existing.ID, nil
		}
		return existing.ID, c.replaceRelease(ctx, existing.ID, n)
	}
	manifest, err := json.Marshal(n.Manifest)
	if err != nil {
		return 0, err
	}
	v := n.Verdict
	if v.Decision == "" {
		v.Decision = Allow
	}
	id, err := store.One(ctx, c.tx, store.Value[int64], `insert into release (project_id, uniq, version, prerelease, moving, record, manifest,
		mark, yanked, yank_reason, verdict, verdict_rule, verdict_reason, verdict_until, published_at, published_by)
		values ($1,$2,$3,$4,$5,$6,$7,$8,false,'',$9,$10,$11,$12,$13,$14) returning id`,
		p.ID, n.Version.Unique, n.Version.Canonical, n.Version.Prerelease, n.Version.Moving, notNil(n.Record), string(manifest), n.Mark,
		v.Decision, v.Rule, v.Reason, nullMillis(v.Until), clock.Millis(c.now), c.actor.Name)
	if err != nil {
		return id, err
	}
	return id, c.setReadme(ctx, id, n.Manifest)
}

// replaceRelease lets a moving version say what its newest build says.
func (c *Change) replaceRelease(ctx context.Context, id int64, n NewRelease) error {
	if _, err := c.tx.Exec(ctx, "update release set record = $1, published_at = $2, published_by = $3 where id = $4",
		notNil(n.Record), clock.Millis(c.now), c.actor.Name, id); err != nil || n.Manifest == nil {
		return err
	}
	manifest, err := json.Marshal(n.Manifest)
	if err != nil {
		return err
	}
	if _, err := c.tx.Exec(ctx, "update release set manifest = $1 where id = $2", string(manifest), id); err != nil {
		return err
	}
	if _, err := c.tx.Exec(ctx, "delete from release_readme where release_id = $1", id); err != nil {
		return err
	}
	return c.setReadme(ctx, id, n.Manifest)
}

func (c *Change) setReadme(ctx context.Context, release int64, m *Manifest) error {
	if m == nil || m.Readme == "" {
		return nil
	}
	_, err := c.tx.Exec(ctx, "insert into release_readme (release_id, media_type, body) values ($1,$2,$3)", release, m.ReadmeType, clean(m.Readme))
	return err
}

// clean makes text storable on both engines: PostgreSQL refuses NUL and invalid UTF-8.
func clean(s string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", "�"), "�")
}

func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

func (c *Change) insertFile(ctx context.Context, repo *Repository, project, release int64, f NewFile) error {
	s := HexDigests(f.Digests)
	// The row keeps the blob from being collected; whoever brought the bytes made them durable before.
	if _, err := c.tx.Exec(ctx, `insert into blob (sha256, size, touched_at) values ($1,$2,$3)
		on conflict (sha256) do update set touched_at = excluded.touched_at`, s[0], f.Digests.Size, clock.Millis(c.now)); err != nil {
		return err
	}
	_, err := c.tx.Exec(ctx, `insert into file (repository_id, project_id, release_id, path, kind, size, sha256, sha1, md5, sha512, blake2b, detail, uploaded_at)
		values ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13)`,
		repo.ID, project, release, f.Path, f.Kind, f.Digests.Size, s[0], s[1], s[2], s[3], s[4], string(f.Detail), clock.Millis(c.now))
	return err
}

func (c *Change) notePublished(repo *Repository, p *Project, n NewRelease, fresh []NewFile, out Outcome) {
	kind := events.ReleaseExtended
	if out.CreatedRelease {
		kind = events.ReleasePublished
	}
	type file struct {
		Path   string `json:"path"`
		SHA256 string `json:"sha256"`
		Size   int64  `json:"size"`
	}
	files := make([]file, 0, len(fresh))
	for _, f := range fresh {
		files = append(files, file{f.Path, f.Digests.SHA256.String(), f.Digests.Size})
	}
	c.Note(kind, repo.ID, p.Norm, n.Version.Unique, map[string]any{"name": n.Name.Display, "version": n.Version.Canonical, "files": files})
}

// describe keeps what lists and search show of a project: the words of its newest version.
func (c *Change) describe(ctx context.Context, p *Project, n NewRelease) error {
	format := c.r.formats[p.Repo.Ecosystem]
	for _, r := range p.Releases {
		if format.Compare(r.Version, n.Version.Canonical) > 0 && (!r.Prerelease || n.Version.Prerelease) {
			return nil
		}
	}
	summary, keywords := "", ""
	if n.Manifest != nil {
		summary, keywords = clean(n.Manifest.Summary), clean(strings.Join(n.Manifest.Keywords, " "))
	}
	_, err := c.tx.Exec(ctx, "update project set display = $1, summary = $2, keywords = $3, latest = $4 where id = $5",
		n.Name.Display, truncate(summary, 1000), truncate(strings.ToLower(keywords), 1000), n.Version.Canonical, p.ID)
	return err
}

// truncate cuts s to at most n bytes at a rune's edge.
func truncate(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}
