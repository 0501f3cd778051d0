package intake

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"time"

	"bonded/internal/blob"
	"bonded/internal/clock"
	"bonded/internal/digest"
	"bonded/internal/errs"
	"bonded/internal/registry"
	"bonded/internal/store"
)

// StageState is where a stage stands.
type StageState string

// The states of a stage. An Open one promises nothing and expires.
const (
	StageOpen      StageState = "open"
	StageValidated StageState = "validated"
	StageFailed    StageState = "failed"
	StagePublished StageState = "published"
)

// Stage is a hidden, owned, expiring set of parts on its way to become releases.
type Stage struct {
	ID           string
	RepositoryID int64
	// Kind is the door's word (maven-deploy, maven-portal, npm-stage); Key says what is being staged, within the kind.
	Kind, Key string
	// Principal is whose it is: the account's name.
	Principal string
	State     StageState
	// Detail is the door's own JSON.
	Detail           string
	Created, Expires time.Time
}

// StagePart is a part that arrived.
type StagePart struct {
	Path     string
	Digests  digest.Set
	Detail   string
	Received time.Time
	store    blob.Store
}

// Bytes gives the part to a Submission.
func (p StagePart) Bytes() Bytes { return storedBytes{p} }

type storedBytes struct{ p StagePart }

func (s storedBytes) Digests() digest.Set          { return s.p.Digests }
func (s storedBytes) Commit(context.Context) error { return nil }
func (s storedBytes) Discard()                     {}
func (s storedBytes) Open() (blob.ReadSeekerAt, error) {
	return s.p.store.Open(context.Background(), s.p.Digests.SHA256)
}

const stageColumns = "id, repository_id, kind, key, principal, state, detail, created_at, expires_at"

func scanStage(s store.Scanner) (*Stage, error) {
	var st Stage
	var created, expires int64
	err := s.Scan(&st.ID, &st.RepositoryID, &st.Kind, &st.Key, &st.Principal, &st.State, &st.Detail, &created, &expires)
	st.Created, st.Expires = clock.FromMillis(created), clock.FromMillis(expires)
	return &st, err
}

// OpenStage finds the open stage of (repository, kind, key, principal) or opens one that lives for ttl.
func (l *Line) OpenStage(ctx context.Context, repo *registry.Repository, kind, key, principal string, ttl time.Duration) (*Stage, error) {
	var st *Stage
	err := l.registry.DB().InTx(ctx, func(tx *store.Tx) error {
		// Serializes openers of one repository, so that parallel parts of one deployment share one stage.
		if _, err := tx.Exec(ctx, "update repository set revision = revision where id = $1", repo.ID); err != nil {
			return err
		}
		now := l.clock.Now()
		var err error
		st, err = store.One(ctx, tx, scanStage, "select "+stageColumns+` from stage where repository_id = $1 and kind = $2 and key = $3
			and principal = $4 and state = 'open' and expires_at > $5 order by created_at limit 1`, repo.ID, kind, key, principal, clock.Millis(now))
		if !errors.Is(err, store.ErrNoRows) {
			return err
		}
		st, err = store.One(ctx, tx, scanStage, "insert into stage ("+stageColumns+`) values ($1,$2,$3,$4,$5,'open','{}',$6,$7)
			returning `+stageColumns, newStageID(), repo.ID, kind, key, principal, clock.Millis(now), clock.Millis(now.Add(ttl)))
		return err
	})
	return st, err
}

// FindStage finds the open stage of (repository, kind, key, principal); errs.NotFound if there is none.
func (l *Line) FindStage(ctx context.Context, repo *registry.Repository, kind, key, principal string) (*Stage, error) {
	st, err := store.One(ctx, l.registry.DB(), scanStage, "select "+stageColumns+` from stage where repository_id = $1 and kind = $2 and key = $3
		and principal = $4 and state = 'open' and expires_at > $5 order by created_at limit 1`, repo.ID, kind, key, principal, clock.Millis(l.clock.Now()))
	return st, stageErr(err)
}

// newStageID is a random UUID (RFC 9562, version 4), the form that publishing portals hand out.
func newStageID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// StageByID finds a stage in any state; errs.NotFound if there is none.
func (l *Line) StageByID(ctx context.Context, id string) (*Stage, error) {
	st, err := store.One(ctx, l.registry.DB(), scanStage, "select "+stageColumns+" from stage where id = $1", id)
	return st, stageErr(err)
}

func stageErr(err error) error {
	if errors.Is(err, store.ErrNoRows) {
		return errs.New(errs.NotFound, "There is no such stage; it may have expired.").WithRule("intake/stage")
	}
	return err
}

// Stages lists the stages of a kind in a repository, newest first.
func (l *Line) Stages(ctx context.Context, repo *registry.Repository, kind string) ([]*Stage, error) {
	return store.All(ctx, l.registry.DB(), scanStage, "select "+stageColumns+" from stage where repository_id = $1 and kind = $2 order by created_at desc", repo.ID, kind)
}

// PutPart makes a part durable and adds it to an open stage, replacing one of the same path. The bytes are committed, so
// the part survives a crash; nobody sees it.
func (l *Line) PutPart(ctx context.Context, st *Stage, path string, bytes Bytes, detail string) error {
	return l.putPart(ctx, st, path, bytes, detail, true)
}

// AddPart is PutPart for a path that keeps its bytes: the same again is a success, others are errs.Conflict with RulePartUsed.
func (l *Line) AddPart(ctx context.Context, st *Stage, path string, bytes Bytes, detail string) error {
	return l.putPart(ctx, st, path, bytes, detail, false)
}

// RulePartUsed is the rule of the refusal of other bytes for a part that is there.
const RulePartUsed = "intake/part-used"

func (l *Line) putPart(ctx context.Context, st *Stage, path string, bytes Bytes, detail string, replace bool) error {
	if err := bytes.Commit(ctx); err != nil {
		return err
	}
	d := bytes.Digests()
	sums := registry.HexDigests(d)
	return l.registry.DB().InTx(ctx, func(tx *store.Tx) error {
		now := clock.Millis(l.clock.Now())
		n, err := tx.Exec(ctx, "update stage set state = state where id = $1 and state = 'open'", st.ID)
		if err != nil {
			return err
		}
		if n == 0 {
			return errs.New(errs.Conflict, "This stage is closed and takes no more parts.").WithRule("intake/stage-closed")
		}
		if !replace {
			have, err := store.One(ctx, tx, store.Value[string], "select sha256 from stage_part where stage_id = $1 and path = $2", st.ID, path)
			if err == nil && have != sums[0] {
				return errs.New(errs.Conflict, "%s has arrived already, with other bytes.", path).WithRule(RulePartUsed)
			}
			if err != nil && !errors.Is(err, store.ErrNoRows) {
				return err
			}
		}
		if _, err := tx.Exec(ctx, `insert into blob (sha256, size, touched_at) values ($1,$2,$3)
			on conflict (sha256) do update set touched_at = excluded.touched_at`, sums[0], d.Size, now); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `insert into stage_part (stage_id, path, size, sha256, sha1, md5, sha512, blake2b, detail, received_at)
			values ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10)
			on conflict (stage_id, path) do update set size = excluded.size, sha256 = excluded.sha256, sha1 = excluded.sha1, md5 = excluded.md5,
			sha512 = excluded.sha512, blake2b = excluded.blake2b, detail = excluded.detail, received_at = excluded.received_at`,
			st.ID, path, d.Size, sums[0], sums[1], sums[2], sums[3], sums[4], detail, now)
		return err
	})
}

const partColumns = "path, size, sha256, sha1, md5, sha512, blake2b, detail, received_at"

func (l *Line) scanPart(s store.Scanner) (p StagePart, err error) {
	var sums [5]string
	var size, received int64
	if err := s.Scan(&p.Path, &size, &sums[0], &sums[1], &sums[2], &sums[3], &sums[4], &p.Detail, &received); err != nil {
		return p, err
	}
	p.store, p.Received = l.blobs, clock.FromMillis(received)
	p.Digests, err = registry.ParseHexDigests(size, sums)
	return p, err
}

// Parts lists what has arrived, by path.
func (l *Line) Parts(ctx context.Context, stageID string) ([]StagePart, error) {
	return store.All(ctx, l.registry.DB(), l.scanPart, "select "+partColumns+" from stage_part where stage_id = $1 order by path", stageID)
}

// Part finds one part of a stage; errs.NotFound if it has not arrived.
func (l *Line) Part(ctx context.Context, stageID, path string) (StagePart, error) {
	p, err := store.One(ctx, l.registry.DB(), l.scanPart, "select "+partColumns+" from stage_part where stage_id = $1 and path = $2", stageID, path)
	if errors.Is(err, store.ErrNoRows) {
		return p, errs.New(errs.NotFound, "The stage has no part %s.", path).WithRule("intake/part")
	}
	return p, err
}

// SetStage moves a stage from one of the states given to another and stores the door's detail; errs.Conflict if it is in
// none of them.
func (l *Line) SetStage(ctx context.Context, id string, to StageState, detail string, from ...StageState) error {
	return l.registry.DB().InTx(ctx, func(tx *store.Tx) error {
		for _, f := range from {
			n, err := tx.Exec(ctx, "update stage set state = $1, detail = $2 where id = $3 and state = $4", to, detail, id, f)
			if err != nil || n > 0 {
				return err
			}
		}
		return errs.New(errs.Conflict, "The stage is not in a state that allows this.").WithRule("intake/stage-state")
	})
}

// EditStage gives fn the stage as it is now, under its lock, and stores the state, detail and expiry that fn leaves;
// errs.NotFound if it is gone. It returns what was stored. An error of fn leaves everything as it was.
func (l *Line) EditStage(ctx context.Context, id string, fn func(*Stage) error) (*Stage, error) {
	var st *Stage
	err := l.registry.DB().InTx(ctx, func(tx *store.Tx) error {
		var err error
		st, err = store.One(ctx, tx, scanStage, "update stage set state = state where id = $1 returning "+stageColumns, id)
		if err != nil {
			return stageErr(err)
		}
		if err := fn(st); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "update stage set state = $1, detail = $2, expires_at = $3 where id = $4",
			st.State, st.Detail, clock.Millis(st.Expires), st.ID)
		return err
	})
	if err != nil {
		return nil, err
	}
	return st, nil
}

// StagesOf lists a principal's stages of a kind in a repository that have not expired, in any state, newest first.
func (l *Line) StagesOf(ctx context.Context, repo *registry.Repository, kind, principal string) ([]*Stage, error) {
	return store.All(ctx, l.registry.DB(), scanStage, "select "+stageColumns+` from stage where repository_id = $1 and kind = $2
		and principal = $3 and expires_at > $4 order by created_at desc, id`, repo.ID, kind, principal, clock.Millis(l.clock.Now()))
}

// DropStage removes a stage and forgets its parts; their bytes are collected later.
func (l *Line) DropStage(ctx context.Context, id string) error {
	return l.registry.DB().InTx(ctx, func(tx *store.Tx) error { return dropStage(ctx, tx, id) })
}

func dropStage(ctx context.Context, tx *store.Tx, id string) error {
	if _, err := tx.Exec(ctx, "delete from stage_part where stage_id = $1", id); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, "delete from stage where id = $1", id)
	return err
}

// ExpireStages drops every stage whose time is over and returns how many.
func (l *Line) ExpireStages(ctx context.Context) (int, error) {
	ids, err := store.All(ctx, l.registry.DB(), store.Value[string], "select id from stage where expires_at <= $1 limit 500", clock.Millis(l.clock.Now()))
	if err != nil {
		return 0, err
	}
	for _, id := range ids {
		if err := l.DropStage(ctx, id); err != nil {
			return 0, err
		}
	}
	return len(ids), nil
}
