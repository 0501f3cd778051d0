package blob

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"syscall"

	"bonded/internal/digest"
	"bonded/internal/errs"
)

// Staged is a received, fully hashed, not yet visible set of bytes.
//
// Exactly one of Commit or Discard must follow; Discard after Commit does nothing, so `defer staged.Discard()` is right.
type Staged struct {
	digests digest.Set
	place   place
	name    string // of the file in the place's staging folder

	mu    sync.Mutex // guards what follows; held through a commit, so that a Discard waits for it
	file  *shared    // nil once committed or discarded
	ended ending
}

// ending says how a Staged was finished.
type ending uint8

const (
	pending ending = iota
	committed
	discarded
)

// place is the store that a Staged belongs to.
type place interface {
	// commit makes the bytes of every item visible and durable. Several may have the same digest.
	commit(ctx context.Context, items []*Staged) error
	// unstage removes the staging name; the bytes live on where they were committed to.
	unstage(name string)
}

// Digests returns the size and every digest of the bytes.
func (s *Staged) Digests() digest.Set { return s.digests }

// Open returns the staged bytes for inspection, with an offset of its own; it may be called several times. What it
// returned stays readable until it is closed, also after Commit or Discard.
func (s *Staged) Open() (ReadSeekerAt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		return nil, errs.New(errs.Internal, "Staged bytes %s were opened after Commit or Discard.", s.digests.SHA256)
	}
	s.file.acquire()
	return &stagedReader{SectionReader: io.NewSectionReader(s.file.file, 0, s.digests.Size), file: s.file}, nil
}

// Commit makes the bytes visible under their SHA-256; when it returns nil they survive the loss of power. The same
// bytes already there are a success; the same name with another size is an error with RuleDamaged. A Commit that failed
// may be tried again; a second one after success does nothing.
func (s *Staged) Commit(ctx context.Context) error { return CommitAll(ctx, []*Staged{s}) }

// Discard gives the bytes up, unless they were committed.
func (s *Staged) Discard() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended == pending {
		s.finish(discarded)
	}
}

// finish releases the staging place; s.mu is held.
func (s *Staged) finish(e ending) {
	s.ended = e
	s.place.unstage(s.name)
	s.file.release()
	s.file = nil
}

// CommitAll commits several staged sets of bytes together, which costs less than one after the other because their
// syncs overlap. On an error some may be committed and some not; each may be committed again or discarded.
// The items must be of one store, and no two calls at a time may share one.
func CommitAll(ctx context.Context, items []*Staged) error {
	open := make([]*Staged, 0, len(items))
	defer func() {
		for _, s := range open {
			s.mu.Unlock()
		}
	}()
	seen := make(map[*Staged]bool, len(items))
	for _, s := range items {
		if seen[s] {
			continue
		}
		seen[s] = true
		s.mu.Lock()
		if s.ended == committed {
			s.mu.Unlock()
			continue
		}
		open = append(open, s)
		if s.ended == discarded {
			return errs.New(errs.Internal, "Staged bytes %s were committed after Discard.", s.digests.SHA256)
		}
		if s.place != open[0].place {
			return errs.New(errs.Internal, "Staged bytes of two blob stores were committed together.")
		}
	}
	if len(open) == 0 {
		return nil
	}
	if err := open[0].place.commit(ctx, open); err != nil {
		return err
	}
	for _, s := range open {
		s.finish(committed)
	}
	return nil
}

// shared is an open file that closes when its last user lets go.
type shared struct {
	file file
	mu   sync.Mutex
	refs int
}

func (f *shared) acquire() {
	f.mu.Lock()
	f.refs++
	f.mu.Unlock()
}

func (f *shared) release() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refs--; f.refs == 0 {
		_ = f.file.Close() // synced before if it mattered
	}
}

// stagedReader is one view of a staged file.
type stagedReader struct {
	*io.SectionReader
	file *shared
	once sync.Once
}

// Close lets go of the file.
func (r *stagedReader) Close() error {
	r.once.Do(r.file.release)
	return nil
}

// receive copies r into f, at most limit bytes, and returns their digests.
func receive(ctx context.Context, f io.Writer, r io.Reader, limit int64) (digest.Set, error) {
	hasher := digest.NewHasher()
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	var total int64
	for empty := 0; ; {
		if err := ctx.Err(); err != nil {
			return digest.Set{}, incomplete(err)
		}
		n, err := r.Read(*buf)
		if total += int64(n); total > limit {
			return digest.Set{}, errs.New(errs.TooLarge, "The file is larger than the %d bytes that are allowed here.", limit).
				WithRule("blob/size")
		}
		if n > 0 {
			empty = 0
			_, _ = hasher.Write((*buf)[:n])
			if _, err := f.Write((*buf)[:n]); err != nil {
				return digest.Set{}, unwritable(err)
			}
		}
		if err == io.EOF {
			return hasher.Sum(), nil
		}
		if err != nil {
			return digest.Set{}, incomplete(err)
		}
		if n == 0 {
			if empty++; empty == maxEmptyReads {
				return digest.Set{}, incomplete(io.ErrNoProgress)
			}
		}
	}
}

// maxEmptyReads is how often a reader may return neither bytes nor an error in a row.
const maxEmptyReads = 100

var buffers = sync.Pool{New: func() any { b := make([]byte, 64<<10); return &b }}

// incomplete turns the failure of a sender into an error of ours.
func incomplete(err error) error {
	if isOurs(err) {
		return err
	}
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return errs.New(errs.TooLarge, "The request is larger than the %d bytes that are allowed here.", tooLarge.Limit).
			WithRule("blob/size").Because(err)
	}
	return errs.New(errs.Invalid, "The bytes stopped before they had all arrived; nothing was kept.").
		WithNext("Send them again.").Because(err)
}

// unwritable turns the failure of this node's disk into an error of ours.
func unwritable(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return errs.New(errs.Unavailable, "This node has no space left to store the file.").
			WithNext("Try again later, or tell the operator.").Because(err)
	}
	return errs.New(errs.Internal, "The bytes could not be written to the blob store.").Because(err)
}
