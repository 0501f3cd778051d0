package composer

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"bonded/internal/door"
	"bonded/internal/errs"
	"bonded/internal/registry"
)

// repositoryState is what the door keeps of a repository beside its facts.
type repositoryState struct {
	// Provided tells, for the name of a package, which packages here provide or replace it. It may name too many: what a
	// package says now is looked up when it is asked for.
	Provided map[string][]string `json:"provided,omitempty"`
}

// Limits on what a repository remembers.
const (
	maxProvided  = 10_000 // names
	maxProviders = 100    // packages for one name
)

func parseState(raw json.RawMessage) (s repositoryState, err error) {
	if len(raw) > 0 {
		err = json.Unmarshal(raw, &s)
	}
	if s.Provided == nil {
		s.Provided = map[string][]string{}
	}
	return s, err
}

// add notes the names that norm provides, and reports whether any was new.
func (s *repositoryState) add(norm string, names []string) (changed bool) {
	for _, name := range names {
		have := s.Provided[name]
		at, found := slices.BinarySearch(have, norm)
		if found || len(have) >= maxProviders || have == nil && len(s.Provided) >= maxProvided {
			continue
		}
		s.Provided[name] = slices.Insert(have, at, norm)
		changed = true
	}
	return changed
}

// providedBy are the names that a version provides or replaces.
func providedBy(deps []registry.Dependency) []string {
	var names []string
	for _, d := range deps {
		if d.Kind == "provide" || d.Kind == "replace" {
			names = append(names, d.Name)
		}
	}
	return names
}

// rememberProvided notes what a published version provides. It is a hint for suggestions, so a failure is logged and the
// publish stands.
func (d *Door) rememberProvided(ctx context.Context, q *door.Request, repo *registry.Repository, norm string, m *registry.Manifest) {
	names := providedBy(m.Dependencies)
	if len(names) == 0 {
		return
	}
	if current, err := d.house.Registry.RepositoryByID(ctx, repo.ID); err == nil {
		if s, err := parseState(current.State); err == nil && !s.add(norm, names) {
			return
		}
	}
	err := q.Change(ctx, func(c *registry.Change) error {
		return c.RepositoryState(ctx, repo, func(raw json.RawMessage) (json.RawMessage, error) {
			s, err := parseState(raw)
			if err != nil {
				return nil, err
			}
			if !s.add(norm, names) {
				return raw, nil
			}
			return json.Marshal(s)
		})
	})
	if err != nil {
		d.house.Log.WarnContext(ctx, "what a package provides could not be noted", "repository", repo.Path(), "project", norm, "error", err)
	}
}

// provider is one answer of providers-api (composer.md §5).
type provider struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	Type        string `json:"type"`
}

// serveProviders answers providers/{vendor}/{package}.json: the packages that provide or replace that name.
func serveProviders(w http.ResponseWriter, r *http.Request, q *door.Request) error {
	name, ok := packageName(q.Path, providersRoot, ".json")
	if !ok {
		return errs.New(errs.NotFound, "There is no such package name.").WithRule("composer/providers-path")
	}
	members, err := readable(r, q)
	if err != nil {
		return err
	}
	providers, seen := []provider{}, map[string]bool{}
	for _, m := range members {
		s, err := parseState(m.State)
		if err != nil {
			return err
		}
		for _, norm := range s.Provided[name] {
			if seen[norm] {
				continue
			}
			seen[norm] = true
			p, ok, err := providerOf(r.Context(), q, norm, name)
			if err != nil {
				return err
			}
			if ok {
				providers = append(providers, p)
			}
		}
	}
	w.Header().Set("Cache-Control", "no-store")
	door.WriteJSON(w, http.StatusOK, map[string]any{"providers": providers})
	return nil
}

// providerOf looks up whether the newest version still provides the name.
func providerOf(ctx context.Context, q *door.Request, norm, name string) (provider, bool, error) {
	p, latest, err := newest(ctx, q, norm)
	if err != nil || latest == nil {
		return provider{}, false, err
	}
	for _, kind := range []string{"provide", "replace"} {
		if latest.object(kind).has(name) {
			return provider{p.Display, latest.text("description"), typeOf(latest)}, true, nil
		}
	}
	return provider{}, false, nil
}

// newest is the version object of the release that stands for a package; nil when the caller sees none.
func newest(ctx context.Context, q *door.Request, norm string) (*registry.Project, object, error) {
	p, err := q.Project(ctx, norm)
	if errs.Is(err, errs.NotFound) || errs.Is(err, errs.Unauthenticated) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	latest := q.View(p).Latest()
	if latest == nil {
		return nil, nil, nil
	}
	e, err := entryOf(latest)
	return p, e.object, err
}

// typeOf is the package's type, which clients take for library when it is not said.
func typeOf(o object) string {
	if t := o.text("type"); t != "" {
		return t
	}
	return "library"
}
