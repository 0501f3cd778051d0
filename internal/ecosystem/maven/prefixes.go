package maven

import (
	"bytes"
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"bonded/internal/door"
	"bonded/internal/errs"
	"bonded/internal/registry"
)

// prefixesPath is where Resolver asks which paths a repository can have at all (maven.md §7).
const prefixesPath = ".meta/prefixes.txt"

// Limits of the prefixes file (maven.md §7).
const (
	maxPrefixes    = 100_000
	prefixDepth    = 4
	maxPrefixLine  = 250
	prefixesHeader = "## repository-prefixes/2.0\n"
	unsupported    = prefixesHeader + "@ unsupported\n"
)

// prefixes answers the prefixes file, made of the projects that are there now: clients never ask for a path outside of it, so a
// stale one would hide a new namespace. A repository without projects has none, which means that nothing is filtered.
func (d *Door) prefixes(w http.ResponseWriter, r *http.Request, q *door.Request, path string) error {
	sum, ok := strings.CutPrefix(path, prefixesPath)
	if ok && sum != "" {
		sum, ok = strings.CutPrefix(sum, ".")
		ok = ok && slices.Contains(checksumKinds, sum)
	}
	if !ok {
		return notHere(q, path)
	}
	revision, err := d.namesRevision(r.Context(), q.Repo)
	if err != nil {
		return err
	}
	key := door.DocumentKey{Repo: q.Repo.ID, Epoch: q.Source.Epoch(), Revision: revision, Representation: path}
	doc, err := d.house.Documents.Get(r.Context(), key, func(ctx context.Context) (door.Rendered, error) {
		body, err := renderPrefixes(ctx, q.Source)
		if err != nil {
			return door.Rendered{}, err
		}
		out := rendered(body, sum, d.house.Clock.Now(), time.Time{})
		if sum == "" {
			out.ContentType = "text/plain"
		}
		return out, nil
	})
	if err != nil {
		return err
	}
	door.ServeDocument(w, r, doc, door.DocumentOptions{Private: !q.Open(nil)})
	return nil
}

// namesRevision is the number of the last event that may have changed which projects a repository, or a group's members, have.
func (d *Door) namesRevision(ctx context.Context, repo *registry.Repository) (int64, error) {
	members, err := d.house.Registry.Members(ctx, repo)
	if err != nil {
		return 0, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	var last int64
	for _, m := range members {
		last = max(last, d.names[m.ID])
	}
	return last, nil
}

func renderPrefixes(ctx context.Context, src registry.Source) ([]byte, error) {
	const page = 1000
	found := map[string]bool{}
	for after := ""; ; {
		names, err := src.Names(ctx, after, page)
		if err != nil {
			return nil, err
		}
		for _, n := range names {
			prefix, ok := prefixOf(n.Norm)
			if found[prefix] = true; !ok || len(found) > maxPrefixes {
				return []byte(unsupported), nil
			}
		}
		if len(names) < page {
			break
		}
		after = names[len(names)-1].Norm
	}
	if len(found) == 0 {
		return nil, errs.New(errs.NotFound, "The repository %s has no projects yet, so it filters nothing.", src.Repo().Path()).WithRule("maven/prefixes")
	}
	return writePrefixes(found), nil
}

// prefixOf is the part of a project's path that the file lists; ok is false where the format cannot express it.
func prefixOf(norm string) (prefix string, ok bool) {
	group, _, _ := strings.Cut(norm, ":")
	words := strings.Split(group, ".")
	prefix = "/" + strings.Join(words[:min(len(words), prefixDepth)], "/")
	return prefix, len(prefix) <= maxPrefixLine
}

// writePrefixes sorts the prefixes and leaves out those below another one.
func writePrefixes(found map[string]bool) []byte {
	all := make([]string, 0, len(found))
	for prefix := range found {
		all = append(all, prefix)
	}
	// With "/" sorting below every other character, what lies below a prefix follows it.
	slices.SortFunc(all, func(a, b string) int {
		return strings.Compare(strings.ReplaceAll(a, "/", "\x00"), strings.ReplaceAll(b, "/", "\x00"))
	})
	var out bytes.Buffer
	out.WriteString(prefixesHeader)
	last := ""
	for _, prefix := range all {
		if last != "" && strings.HasPrefix(prefix, last+"/") {
			continue
		}
		out.WriteString(prefix + "\n")
		last = prefix
	}
	return out.Bytes()
}
