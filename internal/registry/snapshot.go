package registry

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"

	"github.com/maypok86/otter/v2"

	"bonded/internal/clock"
	"bonded/internal/digest"
	"bonded/internal/errs"
	"bonded/internal/events"
	"bonded/internal/store"
)

// snapshot returns the facts of one project of one hosted or proxy repository; nil if it never existed. While the feed is
// fresh it comes from memory; a node that lags asks the database, and one that lost it serves what it has for a while.
func (r *Registry) snapshot(ctx context.Context, repo *Repository, norm string) (*Project, error) {
	key := projectKey{repo.ID, norm}
	fresh := r.feed.Fresh()
	if fresh {
		if p, ok := r.snapshots.GetIfPresent(key); ok {
			return p.in(repo), nil
		}
	}
	if !fresh {
		p, err := r.load(ctx, repo, norm)
		if err == nil {
			return p, nil
		}
		if cached, ok := r.snapshots.GetIfPresent(key); ok && r.feed.Lag() <= events.ServeWithoutStore {
			return cached.in(repo), nil
		}
		return nil, err
	}
	// The shared load must not die with the first caller's request.
	p, err := r.snapshots.Get(context.WithoutCancel(ctx), key, otter.LoaderFunc[projectKey, *Project](
		func(ctx context.Context, _ projectKey) (*Project, error) { return r.load(ctx, repo, norm) }))
	if err != nil {
		if cached, ok := r.snapshots.GetIfPresent(key); ok {
			return cached.in(repo), nil
		}
		return nil, err
	}
	return p.in(repo), nil
}

// in returns the snapshot bound to the current facts of its repository, whose settings may be newer.
func (p *Project) in(repo *Repository) *Project {
	if p == nil || p.Repo == repo {
		return p
	}
	c := *p
	c.Repo = repo
	return &c
}

// load reads a project from the database; nil if it never existed.
func (r *Registry) load(ctx context.Context, repo *Repository, norm string) (*Project, error) {
	p, err := loadProject(ctx, r.db, r.formats[repo.Ecosystem], repo, norm)
	if err != nil {
		return nil, errs.New(errs.Unavailable, "The database does not answer.").Because(err)
	}
	return p, nil
}

const projectColumns = "id, norm, display, status, status_reason, summary, legal_hold, state, revision, created_at, updated_at"

func scanProject(s store.Scanner) (*Project, error) {
	var p Project
	var state string
	var created, updated int64
	err := s.Scan(&p.ID, &p.Norm, &p.Display, &p.Status, &p.StatusReason, &p.Summary, &p.LegalHold, &state, &p.Revision, &created, &updated)
	p.State, p.CreatedAt, p.UpdatedAt = json.RawMessage(state), clock.FromMillis(created), clock.FromMillis(updated)
	return &p, err
}

func loadProject(ctx context.Context, q store.Querier, format Format, repo *Repository, norm string) (*Project, error) {
	p, err := store.One(ctx, q, scanProject, "select "+projectColumns+" from project where repository_id = $1 and norm = $2", repo.ID, norm)
	if errors.Is(err, store.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	p.Repo = repo
	if p.Releases, err = store.All(ctx, q, scanRelease, "select "+releaseColumns+" from release where project_id = $1", p.ID); err != nil {
		return nil, err
	}
	slices.SortFunc(p.Releases, func(a, b *Release) int { return format.Compare(a.Version, b.Version) })
	if err := loadFiles(ctx, q, p); err != nil {
		return nil, err
	}
	return p, loadTagsAndOwners(ctx, q, p)
}

const releaseColumns = `id, uniq, version, prerelease, moving, record, mark, yanked, yank_reason,
	verdict, verdict_rule, verdict_reason, coalesce(verdict_until, 0), published_at, published_by`

func scanRelease(s store.Scanner) (*Release, error) {
	var r Release
	var until, published int64
	err := s.Scan(&r.ID, &r.Unique, &r.Version, &r.Prerelease, &r.Moving, &r.Record, &r.Mark, &r.Yanked, &r.YankReason,
		&r.Verdict.Decision, &r.Verdict.Rule, &r.Verdict.Reason, &until, &published, &r.PublishedBy)
	if until != 0 {
		r.Verdict.Until = clock.FromMillis(until)
	}
	r.PublishedAt = clock.FromMillis(published)
	return &r, err
}

const fileColumns = "id, release_id, path, kind, size, sha256, sha1, md5, sha512, blake2b, detail, uploaded_at"

type fileRow struct {
	File
	release int64
}

func scanFile(s store.Scanner) (*fileRow, error) {
	var f fileRow
	var sums [5]string
	var detail string
	var uploaded int64
	err := s.Scan(&f.ID, &f.release, &f.Path, &f.Kind, &f.Digests.Size, &sums[0], &sums[1], &sums[2], &sums[3], &sums[4], &detail, &uploaded)
	if err != nil {
		return nil, err
	}
	f.Digests, err = ParseHexDigests(f.Digests.Size, sums)
	f.Detail, f.UploadedAt = []byte(detail), clock.FromMillis(uploaded)
	return &f, err
}

// ParseHexDigests is the inverse of HexDigests.
func ParseHexDigests(size int64, sums [5]string) (digest.Set, error) {
	set := digest.Set{Size: size}
	for i, to := range [][]byte{set.SHA256[:], set.SHA1[:], set.MD5[:], set.SHA512[:], set.Blake2b[:]} {
		if n, err := hex.Decode(to, []byte(sums[i])); err != nil || n != len(to) {
			return set, errors.New("registry: a stored digest is damaged")
		}
	}
	return set, nil
}

// HexDigests gives the stored form of a set: sha256, sha1, md5, sha512 and blake2b-256 in lower-case hex.
func HexDigests(set digest.Set) [5]string {
	return [5]string{
		set.SHA256.String(), hex.EncodeToString(set.SHA1[:]), hex.EncodeToString(set.MD5[:]),
		hex.EncodeToString(set.SHA512[:]), hex.EncodeToString(set.Blake2b[:]),
	}
}

func loadFiles(ctx context.Context, q store.Querier, p *Project) error {
	files, err := store.All(ctx, q, scanFile, "select "+fileColumns+" from file where project_id = $1 order by path", p.ID)
	if err != nil {
		return err
	}
	byID := make(map[int64]*Release, len(p.Releases))
	p.byUnique = make(map[string]*Release, len(p.Releases))
	for _, r := range p.Releases {
		byID[r.ID], p.byUnique[r.Unique] = r, r
	}
	p.byPath = make(map[string]*File, len(files))
	for _, f := range files {
		r := byID[f.release]
		if r == nil { // published between the two reads; the event will bring a newer snapshot
			continue
		}
		f.Release = r
		r.Files = append(r.Files, &f.File)
		p.byPath[f.Path] = &f.File
	}
	return nil
}

func loadTagsAndOwners(ctx context.Context, q store.Querier, p *Project) error {
	type tag struct{ name, uniq string }
	tags, err := store.All(ctx, q, func(s store.Scanner) (t tag, err error) { return t, s.Scan(&t.name, &t.uniq) },
		"select name, uniq from tag where project_id = $1", p.ID)
	if err != nil {
		return err
	}
	p.Tags = make(map[string]string, len(tags))
	for _, t := range tags {
		p.Tags[t.name] = t.uniq
	}
	p.Owners, err = store.All(ctx, q, func(s store.Scanner) (o Owner, err error) { return o, s.Scan(&o.AccountID, &o.Name, &o.Email) },
		`select a.id, a.name, a.email from project_owner o join account a on a.id = o.account_id
		where o.project_id = $1 order by o.since, a.id`, p.ID)
	return err
}
