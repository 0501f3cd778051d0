// Package intake is the line that every upload travels: receive → inspect → check → decide → record. Hosted uploads and,
// later, proxied downloads take the same way, so a rule written once holds for both.
package intake

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"bonded/internal/access"
	"bonded/internal/blob"
	"bonded/internal/clock"
	"bonded/internal/digest"
	"bonded/internal/errs"
	"bonded/internal/registry"
	"bonded/internal/store"
)

// Line is the intake of an instance.
type Line struct {
	registry *registry.Registry
	blobs    blob.Store
	gate     *access.Gate
	clock    clock.Clock
	log      *slog.Logger
	// fileLimit is the profile's largest file, in bytes.
	fileLimit int64
	// stageLife is how long a stage that nobody closes is kept.
	stageLife time.Duration
	// room reports whether the disk takes more; nil means always.
	room func() error
}

// Options are what a Line is made of.
type Options struct {
	Registry *registry.Registry
	Blobs    blob.Store
	Gate     *access.Gate
	Clock    clock.Clock
	Log      *slog.Logger
	// FileLimit is the largest file of a repository that sets none itself, in bytes.
	FileLimit int64
	// StageLife is how long a stage that nobody closes is kept; 0 means 24 hours.
	StageLife time.Duration
	// Room refuses publishes when storage runs out; nil means there is always room.
	Room func() error
}

// New makes the line.
func New(o Options) *Line {
	if o.StageLife == 0 {
		o.StageLife = 24 * time.Hour
	}
	return &Line{registry: o.Registry, blobs: o.Blobs, gate: o.Gate, clock: o.Clock, log: o.Log, fileLimit: o.FileLimit, stageLife: o.StageLife, room: o.Room}
}

// Bytes are an artifact's bytes on their way in: freshly staged, or parts of a stage that arrived earlier.
type Bytes interface {
	Digests() digest.Set
	Open() (blob.ReadSeekerAt, error)
	// Commit makes them durable; it may be called again after success.
	Commit(ctx context.Context) error
	// Discard gives them up unless they were committed.
	Discard()
}

// Part is one file of a submission.
type Part struct {
	// Path is the file's canonical path below the repository.
	Path string
	// Kind is the door's word for the sort of file.
	Kind  string
	Bytes Bytes
	// Inspect asks for the file to be read as an artifact; sidecars such as signatures are not.
	Inspect bool
	// Manifest, with Inspect, is what the Format's Inspect said of these bytes already, for a door that could not name the
	// release without; nil has them inspected here.
	Manifest *registry.Manifest
	// Detail is what the door remembers of the file, as JSON. Record.Files of the Format overrides it.
	Detail []byte
}

// Submission is one release, or further files of one, on its way in.
type Submission struct {
	// Repo is the hosted repository that takes it.
	Repo      *registry.Repository
	Principal access.Principal
	// Name and Version are as claimed by the request.
	Name, Version string
	Parts         []Part
	// Claim is what the request said beside the bytes, for the Format's Reconcile and Record.
	Claim registry.Claim
	// Tags to point at the version; DefaultTag too while the project has no such tag.
	Tags       []string
	DefaultTag string
	// Extend allows files for a release that exists; Replace lets a moving version take a new record.
	Extend, Replace bool
	Mark            string
	// Check is the door's last word before recording, given the current facts (nil for a new project); it runs inside the
	// transaction and must not block.
	Check func(p *registry.Project) error
	// Derive, when set, adds parts that come out of the inspected ones, such as a wheel's METADATA, which is served beside
	// it; it is given what the inspected parts said. The caller discards what it staged.
	Derive func(ctx context.Context, manifests []*registry.Manifest) ([]Part, error)
}

// Receipt says what became of a submission.
type Receipt struct {
	Name    registry.Name
	Version registry.Version
	registry.Outcome
	// Manifests are what the inspected parts said, in their order.
	Manifests []*registry.Manifest
	Verdict   registry.Verdict
}

// FileLimit is the largest file that repo takes, in bytes.
func (l *Line) FileLimit(repo *registry.Repository) int64 {
	if repo.Settings.FileLimit > 0 {
		return repo.Settings.FileLimit
	}
	return l.fileLimit
}

// StageLife is how long a stage that nobody closes is kept.
func (l *Line) StageLife() time.Duration { return l.stageLife }

// Receive stages the bytes of one file, hashing once. The caller defers Discard on what it gets. A reader that fails or ends
// early leaves nothing behind.
func (l *Line) Receive(ctx context.Context, repo *registry.Repository, r io.Reader) (*blob.Staged, error) {
	if l.room != nil {
		if err := l.room(); err != nil {
			return nil, err
		}
	}
	limit := l.FileLimit(repo)
	s, err := l.blobs.Stage(ctx, r, limit)
	if errs.Is(err, errs.TooLarge) {
		return nil, errs.New(errs.TooLarge, "The file is larger than %d bytes, the most that %s takes.", limit, repo.Path()).
			WithRule("intake/file-limit").WithNext("An administrator can raise it with `bonded repo set`.").Because(err)
	}
	return s, err
}

// Publish takes one submission all the way, or leaves nothing.
func (l *Line) Publish(ctx context.Context, s Submission) (*Receipt, error) {
	all, err := l.PublishAll(ctx, []Submission{s})
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// PublishAll takes several submissions in one transaction: all become visible together, or none.
func (l *Line) PublishAll(ctx context.Context, all []Submission) ([]*Receipt, error) {
	prepared := make([]*preparedSubmission, 0, len(all))
	for i := range all {
		p, err := l.prepare(ctx, &all[i])
		if err != nil {
			return nil, err
		}
		if err := l.foresee(ctx, p); err != nil {
			return nil, err
		}
		prepared = append(prepared, p)
	}
	if err := commitBytes(ctx, all); err != nil {
		return nil, err
	}
	actor := Actor(all[0].Principal)
	var receipts []*Receipt
	err := l.registry.Change(ctx, actor, func(c *registry.Change) error {
		receipts = receipts[:0]
		for _, p := range prepared {
			r, err := l.record(ctx, c, p)
			if err != nil {
				return err
			}
			receipts = append(receipts, r)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return receipts, nil
}

// Actor is how a principal appears in events.
func Actor(p access.Principal) registry.Actor {
	return registry.Actor{Pseudonym: p.Pseudonym, Name: p.Name, AccountID: p.AccountID}
}

// preparedSubmission is one that was inspected and reconciled, before any lock is taken.
type preparedSubmission struct {
	*Submission
	name      registry.Name
	version   registry.Version
	manifests []*registry.Manifest
	record    registry.Record
}

// Validate inspects and reconciles without recording anything: what a portal shows before a person decides.
func (l *Line) Validate(ctx context.Context, s Submission) ([]*registry.Manifest, error) {
	p, err := l.prepare(ctx, &s)
	if err != nil {
		return nil, err
	}
	return p.manifests, nil
}

func (l *Line) prepare(ctx context.Context, s *Submission) (*preparedSubmission, error) {
	format := l.registry.Format(s.Repo.Ecosystem)
	if s.Repo.Kind != registry.Hosted {
		return nil, errs.New(errs.Forbidden, "The repository %s takes no uploads.", s.Repo.Path()).WithRule("intake/not-hosted")
	}
	name, err := format.Name(s.Name)
	if err != nil {
		return nil, err
	}
	version, err := format.Version(s.Version)
	if err != nil {
		return nil, err
	}
	p := &preparedSubmission{Submission: s, name: name, version: version}
	files := make([]registry.File, 0, len(s.Parts))
	for _, part := range s.Parts {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		files = append(files, registry.File{Path: part.Path, Kind: part.Kind, Digests: part.Bytes.Digests()})
		if !part.Inspect {
			continue
		}
		m, err := inspect(format, part)
		if err != nil {
			return nil, err
		}
		p.manifests = append(p.manifests, m)
	}
	if s.Derive != nil {
		derived, err := s.Derive(ctx, p.manifests)
		if err != nil {
			return nil, err
		}
		for _, part := range derived {
			files = append(files, registry.File{Path: part.Path, Kind: part.Kind, Digests: part.Bytes.Digests()})
		}
		s.Parts = append(s.Parts, derived...)
	}
	if err := format.Reconcile(p.manifests, s.Claim); err != nil {
		return nil, err
	}
	p.record, err = format.Record(p.manifests, s.Claim, files)
	return p, err
}

func inspect(format registry.Format, part Part) (*registry.Manifest, error) {
	if part.Manifest != nil {
		return part.Manifest, nil
	}
	body, err := part.Bytes.Open()
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }()
	return format.Inspect(registry.Artifact{Path: part.Path, Kind: part.Kind, Digests: part.Bytes.Digests(), Body: body, Strict: true})
}

// commitBytes makes every part durable before the transaction that names it.
func commitBytes(ctx context.Context, all []Submission) error {
	var staged []*blob.Staged
	for _, s := range all {
		for _, part := range s.Parts {
			if fresh, ok := part.Bytes.(*blob.Staged); ok {
				staged = append(staged, fresh)
				continue
			}
			if err := part.Bytes.Commit(ctx); err != nil {
				return err
			}
		}
	}
	if len(staged) == 0 {
		return nil
	}
	return blob.CommitAll(ctx, staged)
}

// newRelease is a prepared submission as the registry takes it.
func (l *Line) newRelease(p *preparedSubmission) registry.NewRelease {
	n := registry.NewRelease{
		Name: p.name, Version: p.version, Record: p.record.Index, Tags: p.Tags, DefaultTag: p.DefaultTag, Extend: p.Extend, Replace: p.Replace,
		Mark: p.Mark, Verdict: registry.Verdict{Decision: registry.Allow},
		Check: func(current *registry.Project) error { return l.permit(p, current) },
	}
	if len(p.manifests) > 0 {
		n.Manifest = p.manifests[0]
	}
	for _, part := range p.Parts {
		detail := part.Detail
		if d, ok := p.record.Files[part.Path]; ok {
			detail = d
		}
		n.Files = append(n.Files, registry.NewFile{Path: part.Path, Kind: part.Kind, Digests: part.Bytes.Digests(), Detail: detail})
	}
	return n
}

// foresee refuses, before any byte is made durable, what the transaction would refuse by the facts of a moment ago.
func (l *Line) foresee(ctx context.Context, p *preparedSubmission) error {
	src, err := l.registry.Source(ctx, p.Repo)
	if err != nil {
		return err
	}
	current, err := src.Project(ctx, p.name.Norm)
	if err != nil && !errs.Is(err, errs.NotFound) {
		return err
	}
	if current == nil || current.Status != registry.Deleted { // who owned a deleted project says nothing any more
		if err := l.permit(p, current); err != nil {
			return err
		}
	}
	return registry.Foresee(current, l.newRelease(p))
}

// record writes one prepared submission inside the transaction, after the questions that need the current facts.
func (l *Line) record(ctx context.Context, c *registry.Change, p *preparedSubmission) (*Receipt, error) {
	if err := l.withinQuota(ctx, c, p); err != nil {
		return nil, err
	}
	n := l.newRelease(p)
	out, err := c.Publish(ctx, p.Repo, n)
	if err != nil {
		return nil, err
	}
	if err := l.stillThere(ctx, p, out); err != nil {
		return nil, err
	}
	return &Receipt{Name: p.name, Version: p.version, Outcome: out, Manifests: p.manifests, Verdict: n.Verdict}, nil
}

// permit asks access with the facts as they are under the project's lock, so that losing ownership a moment ago counts, and
// of two accounts that bring one new name at once only the first finds it free.
func (l *Line) permit(p *preparedSubmission, current *registry.Project) error {
	if err := l.gate.May(p.Principal, access.Publish, ResourceOf(p.Repo, p.name.Norm, current)); err != nil {
		return err
	}
	if p.Check == nil {
		return nil
	}
	return p.Check(current)
}

// ResourceOf describes a project for access; current may be nil for one that does not exist.
func ResourceOf(repo *registry.Repository, norm string, current *registry.Project) access.Resource {
	r := access.Resource{Repository: repo.Path(), Visibility: string(repo.Visibility), Project: norm}
	if current == nil {
		return r
	}
	r.Exists, r.Display = true, current.Display
	for _, o := range current.Owners {
		r.Owners = append(r.Owners, o.AccountID)
	}
	return r
}

func (l *Line) withinQuota(ctx context.Context, c *registry.Change, p *preparedSubmission) error {
	quota := p.Repo.Settings.Quota
	if quota <= 0 {
		return nil
	}
	used, err := store.One(ctx, c.Tx(), store.Value[int64], "select coalesce(cast(sum(size) as bigint), 0) from file where repository_id = $1", p.Repo.ID)
	if err != nil {
		return err
	}
	for _, part := range p.Parts {
		used += part.Bytes.Digests().Size
	}
	if used > quota {
		return errs.New(errs.TooLarge, "The repository %s is full: this release would bring it to %d of %d bytes.", p.Repo.Path(), used, quota).
			WithRule("intake/quota").WithNext("Delete what is not needed, or ask an administrator for a larger quota.")
	}
	return nil
}

// stillThere guards the one race with blob collection on PostgreSQL: bytes that were there already may have been collected
// between our commit of them and our row. The row is locked now, so what is there stays.
func (l *Line) stillThere(ctx context.Context, p *preparedSubmission, out registry.Outcome) error {
	if out.Identical {
		return nil
	}
	for _, part := range p.Parts {
		size, err := l.blobs.Stat(ctx, part.Bytes.Digests().SHA256)
		if err == nil && size == part.Bytes.Digests().Size {
			continue
		}
		return errs.New(errs.Unavailable, "The bytes of %s are being cleaned up at this moment.", part.Path).WithRule("intake/collected").
			WithNext("Upload again.").Because(fmt.Errorf("stat: size %d, %w", size, err))
	}
	return nil
}
