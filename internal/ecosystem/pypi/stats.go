package pypi

import (
	"context"
	"net/http"

	"bonded/internal/door"
)

// topPackages is how many projects stats/ names.
const topPackages = 100

// serveStats answers stats, with or without a slash: the sizes of the repository and of its largest projects (pypi.md §3).
func (d *Door) serveStats(w http.ResponseWriter, r *http.Request, q *door.Request, path []string) error {
	if len(path) > 1 || len(path) == 1 && path[0] != "" {
		return noSuchPage(q)
	}
	m, err := d.membersOf(r.Context(), q)
	if err != nil {
		return err
	}
	doc, err := q.House.Documents.Get(r.Context(), m.key(q, "stats"), func(ctx context.Context) (door.Rendered, error) {
		type size struct {
			Size int64 `json:"size"`
		}
		var answer struct {
			TotalPackagesSize int64            `json:"total_packages_size"`
			TopPackages       map[string]*size `json:"top_packages"`
		}
		answer.TopPackages = map[string]*size{}
		out := door.Rendered{ContentType: "application/json"}
		for _, repo := range m.repos {
			usage, err := q.House.Registry.Usage(ctx, repo)
			if err != nil {
				return out, err
			}
			answer.TotalPackagesSize += usage.Bytes
			largest, err := q.House.Registry.Largest(ctx, repo, topPackages)
			if err != nil {
				return out, err
			}
			for _, p := range largest {
				if answer.TopPackages[p.Display] == nil {
					answer.TopPackages[p.Display] = &size{p.Bytes}
				}
			}
		}
		var err error
		out.Body, err = marshal(answer)
		return out, err
	})
	if err != nil {
		return err
	}
	door.ServeDocument(w, r, doc, door.DocumentOptions{Private: m.private})
	return nil
}
