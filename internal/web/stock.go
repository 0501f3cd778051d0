package web

import (
	"context"
	"slices"
	"sync"
	"time"

	"bonded/internal/door"
	"bonded/internal/registry"
)

const (
	// growthSpan is how far back growth is measured.
	growthSpan = 30 * 24 * time.Hour
	// arrivalsKept is how many of the newest releases of a repository are remembered.
	arrivalsKept = 8
	// ageForCost is how many times as long as it took a count is believed: counting takes at most a fiftieth of the time, however
	// large a repository is and however often the home page is asked for, and a small one is always counted afresh.
	ageForCost = 50
	// countFor bounds one count.
	countFor = 20 * time.Second
)

// holding is what one hosted repository holds.
type holding struct {
	registry.Usage
	// Grown is what came in the last 30 days.
	Grown    registry.Usage
	Arrivals []registry.Update
}

// stock remembers what the repositories hold.
type stock struct {
	house *door.House
	mu    sync.Mutex // guards kept
	kept  map[int64]*tally
}

// tally is the last count of one repository.
type tally struct {
	mu      sync.Mutex // held while counting: others wait for the one count
	holding holding
	until   time.Time
}

func newStock(h *door.House) *stock { return &stock{house: h, kept: map[int64]*tally{}} }

// of counts a repository; a group holds what its members hold.
func (s *stock) of(ctx context.Context, repo *registry.Repository, readable func(*registry.Repository) bool) (holding, error) {
	members, err := s.house.Registry.Members(ctx, repo)
	if err != nil {
		return holding{}, err
	}
	var sum holding
	for _, m := range members {
		if !readable(m) {
			continue
		}
		h, err := s.count(ctx, m)
		if err != nil {
			return holding{}, err
		}
		sum.Usage = plus(sum.Usage, h.Usage)
		sum.Grown = plus(sum.Grown, h.Grown)
		sum.Arrivals = append(sum.Arrivals, h.Arrivals...)
	}
	return sum, nil
}

func plus(a, b registry.Usage) registry.Usage {
	return registry.Usage{Projects: a.Projects + b.Projects, Releases: a.Releases + b.Releases, Files: a.Files + b.Files, Bytes: a.Bytes + b.Bytes}
}

func (s *stock) count(ctx context.Context, repo *registry.Repository) (holding, error) {
	s.mu.Lock()
	t := s.kept[repo.ID]
	if t == nil {
		t = &tally{}
		s.kept[repo.ID] = t
	}
	s.mu.Unlock()

	t.mu.Lock()
	defer t.mu.Unlock()
	start := s.house.Clock.Now()
	if start.Before(t.until) {
		return t.holding, nil
	}
	// Others wait for this count, so it does not end with the reader who began it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), countFor)
	defer cancel()
	h, err := s.read(ctx, repo, start)
	if err != nil {
		return holding{}, err
	}
	end := s.house.Clock.Now()
	t.holding, t.until = h, end.Add(ageForCost*end.Sub(start))
	return h, nil
}

func (s *stock) read(ctx context.Context, repo *registry.Repository, now time.Time) (h holding, err error) {
	if h.Usage, err = s.house.Registry.Usage(ctx, repo); err != nil || h.Releases == 0 {
		return h, err
	}
	if h.Grown, err = s.house.Registry.Growth(ctx, repo, now.Add(-growthSpan)); err != nil {
		return h, err
	}
	h.Arrivals, err = s.house.Registry.Newest(ctx, repo, "", false, arrivalsKept)
	return h, err
}

// newest merges arrivals, newest first.
func newest(all []registry.Update, n int) []registry.Update {
	slices.SortStableFunc(all, func(a, b registry.Update) int { return b.At.Compare(a.At) })
	return all[:min(n, len(all))]
}
