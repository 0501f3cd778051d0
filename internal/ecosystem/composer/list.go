package composer

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"bonded/internal/door"
	"bonded/internal/errs"
	"bonded/internal/registry"
)

// Limits on lists.
const (
	maxFilter = 256
	// maxDetailed is how many packages are looked at one by one, which a list by type or with fields needs.
	maxDetailed = 2000
)

// listQuery is what list.json can be asked for (composer.md §9).
type listQuery struct {
	// vendor limits the list to one vendor, filter to names that match a pattern with "*", typ to packages of a type.
	vendor, filter, typ string
	// fields asks for facts beside the names.
	fields []string
	// none: no name can match.
	none bool
}

func parseListQuery(form url.Values) (listQuery, error) {
	l := listQuery{vendor: strings.ToLower(form.Get("vendor")), filter: strings.ToLower(form.Get("filter")), typ: form.Get("type")}
	l.fields = append(form["fields[]"], form["fields"]...)
	if len(l.vendor) > maxName || len(l.filter) > maxFilter || strings.Count(l.filter, "*") > 8 || len(l.typ) > maxName || len(l.fields) > 8 {
		return l, errs.New(errs.Invalid, "The list was asked for with too long a filter.").WithRule("composer/list")
	}
	l.none = !nameBytes(l.vendor) || !nameBytes(strings.ReplaceAll(l.filter, "*", ""))
	return l, nil
}

// nameBytes reports that s is made of what names are made of.
func nameBytes(s string) bool {
	for i := range len(s) {
		if !isWord(s[i]) && !strings.ContainsRune("._-/", rune(s[i])) {
			return false
		}
	}
	return true
}

// prefix is what every name on the list begins with.
func (l listQuery) prefix() string {
	literal, _, _ := strings.Cut(l.filter, "*")
	if own := l.vendor + "/"; l.vendor != "" && len(own) > len(literal) {
		return own
	}
	return literal
}

func (l listQuery) matches(name string) bool {
	return (l.vendor == "" || strings.HasPrefix(name, l.vendor+"/")) && (l.filter == "" || glob(l.filter, name))
}

// glob matches "*" with any run of characters.
func glob(pattern, name string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == name
	}
	name, ok := strings.CutPrefix(name, parts[0])
	if !ok {
		return false
	}
	for _, part := range parts[1 : len(parts)-1] {
		if _, name, ok = strings.Cut(name, part); !ok {
			return false
		}
	}
	return strings.HasSuffix(name, parts[len(parts)-1])
}

// serveList answers packages/list.json. The whole list is kept until something changes.
func (d *Door) serveList(w http.ResponseWriter, r *http.Request, q *door.Request) error {
	query, err := parseListQuery(r.URL.Query())
	if err != nil {
		return err
	}
	members, err := readable(r, q)
	if err != nil {
		return err
	}
	render := func(ctx context.Context) (door.Rendered, error) {
		body, err := d.list(ctx, q, members, query)
		return door.Rendered{Body: body, ContentType: "application/json"}, err
	}
	var document *door.Document
	if feed := d.house.Registry.Feed(); query.vendor == "" && query.filter == "" && query.typ == "" && len(query.fields) == 0 && feed.Fresh() {
		document, err = d.house.Documents.Get(r.Context(), door.DocumentKey{
			Repo: q.Repo.ID, Epoch: q.Source.Epoch(), Revision: feed.Applied(), Audience: audienceOf(members), Representation: "list", Base: q.Base,
		}, render)
	} else {
		var rendered door.Rendered
		if rendered, err = render(r.Context()); err == nil {
			document = door.NewDocument(rendered)
		}
	}
	if err != nil {
		return err
	}
	door.ServeDocument(w, r, document, options(q, members...))
	return nil
}

// list makes {"packageNames":[…]}, or {"packages":{name:{…}}} where fields were asked for.
func (d *Door) list(ctx context.Context, q *door.Request, members []*registry.Repository, query listQuery) ([]byte, error) {
	names, err := d.names(ctx, members, query)
	if err != nil {
		return nil, err
	}
	if query.typ == "" && len(query.fields) == 0 {
		return marshal(map[string]any{"packageNames": names})
	}
	if len(names) > maxDetailed {
		return nil, errs.New(errs.TooLarge, "A list by type or with fields looks at each of %d packages, more than %d.", len(names), maxDetailed).
			WithRule("composer/list").WithNext("Narrow it down with vendor= or filter=.")
	}
	kept, detailed := []string{}, map[string]map[string]any{}
	for _, norm := range names {
		p, latest, err := newest(ctx, q, norm)
		if err != nil {
			return nil, err
		}
		if latest == nil || query.typ != "" && typeOf(latest) != query.typ {
			continue
		}
		kept = append(kept, norm)
		detailed[norm] = fieldsOf(p, latest, query.fields)
	}
	if len(query.fields) > 0 {
		return marshal(map[string]any{"packages": detailed})
	}
	return marshal(map[string]any{"packageNames": kept})
}

func fieldsOf(p *registry.Project, o object, fields []string) map[string]any {
	out := map[string]any{}
	for _, f := range fields {
		switch f {
		case "type":
			out[f] = typeOf(o)
		case "repository":
			out[f] = repositoryOf(o)
		case "abandoned":
			out[f] = abandonedNow(p, o)
		}
	}
	return out
}

// names lists the names of the members that match, each once, in order.
func (d *Door) names(ctx context.Context, members []*registry.Repository, query listQuery) ([]string, error) {
	names := []string{}
	if query.none {
		return names, nil
	}
	for _, m := range members {
		source, err := d.house.Registry.Source(ctx, m)
		if err != nil {
			return nil, err
		}
		if names, err = appendNames(ctx, names, source, query); err != nil {
			return nil, err
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

func appendNames(ctx context.Context, names []string, source registry.Source, query listQuery) ([]string, error) {
	const page = 1000
	prefix := query.prefix()
	after := ""
	if prefix != "" {
		after = prefix[:len(prefix)-1] + string(prefix[len(prefix)-1]-1) + "\x7f" // just below the prefix; names are ASCII
	}
	for {
		entries, err := source.Names(ctx, after, page)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if !strings.HasPrefix(e.Norm, prefix) {
				return names, nil
			}
			if query.matches(e.Norm) {
				names = append(names, e.Norm)
			}
		}
		if len(entries) < page {
			return names, nil
		}
		after = entries[len(entries)-1].Norm
	}
}
