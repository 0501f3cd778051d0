package pypi

import (
	"context"
	"sync"

	"bonded/internal/errs"
	"bonded/internal/events"
	"bonded/internal/registry"
)

// serials knows the number of each repository's last event: the serial under which lists are rendered once per change, and
// which mirrors follow (pypi.md §1.4, §3).
type serials struct {
	registry *registry.Registry

	mu   sync.Mutex
	last map[int64]int64 // by repository; present once it was asked for
}

func newSerials(r *registry.Registry) *serials {
	s := &serials{registry: r, last: map[int64]int64{}}
	r.Feed().Subscribe(s.listen)
	return s
}

// listen runs under the feed's lock.
func (s *serials) listen(e events.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, asked := s.last[e.RepositoryID]; asked {
		s.last[e.RepositoryID] = max(known, e.Seq)
	}
}

// of returns the serial of several repositories together. It asks the database once per repository, and always while this
// node lags behind the feed.
func (s *serials) of(ctx context.Context, repos []*registry.Repository) (int64, error) {
	var top int64
	for _, repo := range repos {
		n, err := s.one(ctx, repo.ID)
		if err != nil {
			return 0, err
		}
		top = max(top, n)
	}
	return top, nil
}

func (s *serials) one(ctx context.Context, repo int64) (int64, error) {
	s.mu.Lock()
	known, asked := s.last[repo]
	if !asked {
		s.last[repo] = 0 // from here on listen keeps it
	}
	s.mu.Unlock()
	if known > 0 && s.registry.Feed().Fresh() {
		return known, nil
	}
	n, err := events.LastIn(ctx, s.registry.DB(), repo)
	if err != nil {
		if known > 0 && s.registry.Feed().Lag() <= events.ServeWithoutStore {
			return known, nil
		}
		return 0, errs.New(errs.Unavailable, "The database does not answer.").Because(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last[repo] = max(s.last[repo], n)
	return s.last[repo], nil
}
