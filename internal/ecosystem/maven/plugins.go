package maven

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"

	"bonded/internal/access"
	"bonded/internal/door"
	"bonded/internal/errs"
	"bonded/internal/registry"
)

// plugin is one entry of a group's plugin prefixes: what lets `mvn prefix:goal` find a plugin (maven.md §2, G level).
type plugin struct {
	Prefix     string `json:"prefix"`
	ArtifactID string `json:"artifactId"`
	Name       string `json:"name,omitempty"`
}

// repositoryState is what the door keeps of a repository: the only metadata that is stored and not generated, because
// nothing else says which prefix a plugin chose.
type repositoryState struct {
	// Plugins are the prefixes by groupId, sorted by prefix.
	Plugins map[string][]plugin `json:"plugins,omitempty"`
}

func parseState(raw json.RawMessage) (s repositoryState, err error) {
	err = json.Unmarshal(raw, &s)
	if s.Plugins == nil {
		s.Plugins = map[string][]plugin{}
	}
	return s, err
}

// Limits on plugin prefixes.
const (
	maxPlugins    = 1000
	maxPluginName = 200
)

// plugins are the prefixes of a group in the repository asked; for a group repository the union of its members', of which
// the first that has a prefix answers for it. state is a number that changes with them.
func (d *Door) plugins(ctx context.Context, q *door.Request, group string) (all []plugin, state int64, err error) {
	if group == "" {
		return nil, 0, nil
	}
	members, err := d.house.Registry.Members(ctx, q.Repo)
	if err != nil {
		return nil, 0, err
	}
	seen := map[string]bool{}
	for _, m := range members {
		state += m.Revision
		if !bytes.Contains(m.State, []byte(`"`+group+`"`)) {
			continue // most groups have no plugins, and every read of metadata comes through here
		}
		s, err := parseState(m.State)
		if err != nil {
			return nil, 0, err
		}
		for _, p := range s.Plugins[group] {
			if !seen[p.Prefix] {
				seen[p.Prefix] = true
				all = append(all, p)
			}
		}
	}
	slices.SortFunc(all, func(a, b plugin) int { return strings.Compare(a.Prefix, b.Prefix) })
	return all, state, nil
}

// putPlugins merges the prefixes that a client sent for a group. The client sends the whole list as it read it with its own
// entry added, so only what is new is examined: the plugin has to be published here, as a plugin, by somebody who may
// publish it, and a prefix that another plugin holds goes over only with that one's owner.
func (d *Door) putPlugins(ctx context.Context, q *door.Request, repo *registry.Repository, group string, sent []pluginXML) error {
	current, err := parseState(repo.State)
	if err != nil {
		return err
	}
	var fresh []plugin
	for _, s := range sent {
		p := plugin{Prefix: strings.TrimSpace(s.Prefix), ArtifactID: strings.TrimSpace(s.ArtifactID), Name: strings.TrimSpace(s.Name)}
		if slices.ContainsFunc(current.Plugins[group], func(c plugin) bool { return c.Prefix == p.Prefix && c.ArtifactID == p.ArtifactID }) {
			continue
		}
		if err := d.checkPlugin(ctx, q, repo, group, p, current); err != nil {
			return err
		}
		fresh = append(fresh, p)
	}
	if len(fresh) == 0 {
		return nil
	}
	return q.Change(ctx, func(c *registry.Change) error {
		return c.RepositoryState(ctx, repo, func(raw json.RawMessage) (json.RawMessage, error) {
			s, err := parseState(raw)
			if err != nil {
				return nil, err
			}
			s.merge(group, fresh)
			if len(s.Plugins[group]) > maxPlugins {
				return nil, errs.New(errs.TooLarge, "The group %s would have more than %d plugin prefixes.", group, maxPlugins).WithRule("maven/plugins")
			}
			return json.Marshal(s)
		})
	})
}

func (s *repositoryState) merge(group string, fresh []plugin) {
	list := s.Plugins[group]
	for _, p := range fresh {
		list = slices.DeleteFunc(list, func(old plugin) bool { return old.Prefix == p.Prefix })
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b plugin) int { return strings.Compare(a.Prefix, b.Prefix) })
	s.Plugins[group] = list
}

func (d *Door) checkPlugin(ctx context.Context, q *door.Request, repo *registry.Repository, group string, p plugin, current repositoryState) error {
	if !idCharset(p.Prefix) || p.Prefix == "" || len(p.Prefix) > maxPluginName || len(p.Name) > maxPluginName {
		return errs.New(errs.Invalid, "%q cannot be a plugin prefix.", p.Prefix).WithRule("maven/plugin-prefix").
			WithNext("Use letters, digits, \".\", \"-\" and \"_\".")
	}
	have, err := d.hosted(ctx, repo, group+":"+p.ArtifactID)
	if err != nil {
		return err
	}
	if have == nil || !slices.ContainsFunc(have.Releases, func(r *registry.Release) bool { return indexOf(r).Packaging == "maven-plugin" }) {
		return errs.New(errs.Invalid, "The prefix %q is claimed for %s:%s, which is not published here with the packaging maven-plugin.", p.Prefix, group, p.ArtifactID).
			WithRule("maven/plugin-unknown").WithNext("Deploy the plugin first; its prefix follows.")
	}
	if err := q.May(access.Publish, have, have.Norm); err != nil {
		return err
	}
	for _, old := range current.Plugins[group] {
		if old.Prefix != p.Prefix {
			continue
		}
		holder, err := d.hosted(ctx, repo, group+":"+old.ArtifactID)
		if err != nil {
			return err
		}
		if holder != nil && q.May(access.Publish, holder, holder.Norm) != nil {
			return errs.New(errs.Conflict, "The prefix %q belongs to %s:%s.", p.Prefix, group, old.ArtifactID).
				WithRule("maven/plugin-prefix-taken").WithNext("Choose another goalPrefix.")
		}
	}
	return nil
}

// hosted is the project of a hosted repository as it is now; nil if it has none.
func (d *Door) hosted(ctx context.Context, repo *registry.Repository, norm string) (*registry.Project, error) {
	src, err := d.house.Registry.Source(ctx, repo)
	if err != nil {
		return nil, err
	}
	p, err := src.Project(ctx, norm)
	if errs.Is(err, errs.NotFound) {
		return nil, nil
	}
	return p, err
}
