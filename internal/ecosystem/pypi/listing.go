package pypi

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"bonded/internal/access"
	"bonded/internal/door"
	"bonded/internal/errs"
	"bonded/internal/intake"
	"bonded/internal/registry"
)

// pageSize is how many names are read from the database at a time.
const pageSize = 1000

// members are the repositories behind a request that the caller may read: a group that everybody may read does not tell the
// names of a private member.
type members struct {
	repos []*registry.Repository
	// audience names them, for cache keys.
	audience registry.Audience
	// private reports that not everybody may read all of them.
	private bool
	serial  int64
}

func (d *Door) membersOf(ctx context.Context, q *door.Request) (members, error) {
	all, err := q.House.Registry.Members(ctx, q.Repo)
	if err != nil {
		return members{}, err
	}
	m := members{private: !q.Open(nil)}
	var ids []string
	for _, repo := range all {
		err := q.House.Gate.May(q.Principal, access.Read, intake.ResourceOf(repo, "", nil))
		if errs.Is(err, errs.Forbidden) || errs.Is(err, errs.Unauthenticated) {
			continue
		}
		if err != nil {
			return members{}, err
		}
		m.repos, ids = append(m.repos, repo), append(ids, strconv.FormatInt(repo.ID, 10))
		m.private = m.private || !q.House.Gate.Open(string(repo.Visibility))
	}
	m.audience = registry.Audience(strings.Join(ids, ","))
	m.serial, err = d.serials.of(ctx, m.repos)
	return m, err
}

// names lists every project of the members by normalized name; of one name the first member's.
func (m members) names(ctx context.Context, q *door.Request) ([]registry.NameEntry, error) {
	var out []registry.NameEntry
	taken := map[string]bool{}
	for _, repo := range m.repos {
		source, err := q.House.Registry.Source(ctx, repo)
		if err != nil {
			return nil, err
		}
		after := ""
		for {
			page, err := source.Names(ctx, after, pageSize)
			if err != nil {
				return nil, err
			}
			for _, n := range page {
				after = n.Norm
				if len(m.repos) > 1 {
					if taken[n.Norm] {
						continue
					}
					taken[n.Norm] = true
				}
				out = append(out, n)
			}
			if len(page) < pageSize {
				break
			}
		}
	}
	if len(m.repos) > 1 {
		slices.SortFunc(out, func(a, b registry.NameEntry) int { return strings.Compare(a.Norm, b.Norm) })
	}
	return out, nil
}

// document serves what depends on the whole repository, rendered once per change of it.
func (m members) key(q *door.Request, representation string) door.DocumentKey {
	return door.DocumentKey{
		Repo: q.Repo.ID, Epoch: q.Source.Epoch(), Revision: m.serial, Audience: m.audience, Representation: representation, Base: q.Base,
	}
}
