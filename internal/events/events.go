// Package events is the append-only record of every change, and its ordered feed. An event is appended in the transaction
// of the change it records; everything that must follow the change (caches, log, webhooks, mail, search) reads the feed.
package events

import (
	"context"
	"encoding/json"
	"time"

	"bonded/internal/clock"
	"bonded/internal/store"
)

// Kind names what happened. The strings are stored and public: they never change their meaning.
type Kind string

// The kinds. Those in Public become entries of the transparency log.
const (
	RepositoryCreated Kind = "repository.created"
	RepositoryChanged Kind = "repository.changed"
	ProjectCreated    Kind = "project.created"
	ProjectChanged    Kind = "project.changed" // status or the door's own state
	ProjectDeleted    Kind = "project.deleted"
	ReleasePublished  Kind = "release.published"
	ReleaseExtended   Kind = "release.extended" // further files of a published release
	ReleaseYanked     Kind = "release.yanked"
	ReleaseUnyanked   Kind = "release.unyanked"
	ReleaseMarked     Kind = "release.marked" // deprecation and the like
	ReleaseVerdict    Kind = "release.verdict"
	ReleaseDeleted    Kind = "release.deleted"
	TagSet            Kind = "tag.set"
	TagRemoved        Kind = "tag.removed"
	OwnerAdded        Kind = "owner.added"
	OwnerRemoved      Kind = "owner.removed"
	AccountCreated    Kind = "account.created"
	AccountChanged    Kind = "account.changed"
	TokenCreated      Kind = "token.created"
	TokenRevoked      Kind = "token.revoked"
	BackupTaken       Kind = "backup.taken"
)

// Public lists the kinds that outsiders may learn of.
func Public() []Kind {
	return []Kind{
		ProjectCreated, ProjectChanged, ProjectDeleted, ReleasePublished, ReleaseExtended, ReleaseYanked, ReleaseUnyanked,
		ReleaseMarked, ReleaseVerdict, ReleaseDeleted, TagSet, TagRemoved, OwnerAdded, OwnerRemoved,
	}
}

// Event is one appended fact.
type Event struct {
	// Seq is its number; number order is commit order.
	Seq  int64
	At   time.Time
	Kind Kind
	// RepositoryID, Project (normalized name) and Version (unique key) say what it is about; zero where not applicable.
	RepositoryID int64
	Project      string
	Version      string
	// Actor is the pseudonym of who did it.
	Actor string
	// Payload is public JSON without direct identifiers.
	Payload json.RawMessage
	// Private is erasable JSON for the audit trail; it is not part of the feed.
	Private json.RawMessage
}

// Append writes events in order and returns the last number. It takes the one lock of the feed, held until the transaction
// ends, so call it as the last thing a transaction does.
func Append(ctx context.Context, tx *store.Tx, now time.Time, all ...Event) (int64, error) {
	if len(all) == 0 {
		return 0, nil
	}
	last, err := store.One(ctx, tx, store.Value[int64],
		"update event_counter set seq = seq + $1 where id = 1 returning seq", len(all))
	if err != nil {
		return 0, err
	}
	first := last - int64(len(all)) + 1
	for i, e := range all {
		payload := string(e.Payload)
		if payload == "" {
			payload = "{}"
		}
		if _, err := tx.Exec(ctx, `insert into event (seq, at, kind, repository_id, project, version, actor, payload)
			values ($1,$2,$3,$4,$5,$6,$7,$8)`, first+int64(i), clock.Millis(now), string(e.Kind), e.RepositoryID,
			e.Project, e.Version, e.Actor, payload); err != nil {
			return 0, err
		}
		if len(e.Private) == 0 {
			continue
		}
		if _, err := tx.Exec(ctx, "insert into event_private (seq, payload) values ($1,$2)", first+int64(i), string(e.Private)); err != nil {
			return 0, err
		}
	}
	return last, nil
}

const columns = "seq, at, kind, repository_id, project, version, actor, payload"

func scan(s store.Scanner) (e Event, err error) {
	var at int64
	var kind, payload string
	err = s.Scan(&e.Seq, &at, &kind, &e.RepositoryID, &e.Project, &e.Version, &e.Actor, &payload)
	e.At, e.Kind, e.Payload = clock.FromMillis(at), Kind(kind), json.RawMessage(payload)
	return e, err
}

// After reads up to limit events with a number above seq, in order.
func After(ctx context.Context, q store.Querier, seq int64, limit int) ([]Event, error) {
	return store.All(ctx, q, scan, "select "+columns+" from event where seq > $1 order by seq limit $2", seq, limit)
}

// Of reads the newest events of one project, newest first.
func Of(ctx context.Context, q store.Querier, repositoryID int64, project string, limit int) ([]Event, error) {
	return store.All(ctx, q, scan,
		"select "+columns+" from event where repository_id = $1 and project = $2 order by seq desc limit $3", repositoryID, project, limit)
}

// Last returns the newest number.
func Last(ctx context.Context, q store.Querier) (int64, error) {
	return store.One(ctx, q, store.Value[int64], "select seq from event_counter where id = 1")
}

// AfterIn reads up to limit events of one repository with a number above seq, in order.
func AfterIn(ctx context.Context, q store.Querier, repositoryID, seq int64, limit int) ([]Event, error) {
	return store.All(ctx, q, scan,
		"select "+columns+" from event where seq > $1 and repository_id = $2 order by seq limit $3", seq, repositoryID, limit)
}

// LastIn returns the number of the newest event of one repository; 0 if it has none.
func LastIn(ctx context.Context, q store.Querier, repositoryID int64) (int64, error) {
	return store.One(ctx, q, store.Value[int64], "select coalesce(max(seq), 0) from event where repository_id = $1", repositoryID)
}
