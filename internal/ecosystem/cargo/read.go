package cargo

import (
	"context"
	"encoding/json"
	"html"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"bonded/internal/access"
	"bonded/internal/door"
	"bonded/internal/errs"
	"bonded/internal/intake"
	"bonded/internal/registry"
)

// serveConfig answers config.json (cargo.md §1.2).
func serveConfig(w http.ResponseWriter, r *http.Request, q *door.Request) error {
	key := door.DocumentKey{Repo: q.Repo.ID, Revision: q.Repo.Revision, Representation: "config", Base: q.Base}
	open := q.Open(nil)
	doc, err := q.House.Documents.Get(r.Context(), key, func(context.Context) (door.Rendered, error) {
		body, err := json.Marshal(struct {
			DL           string `json:"dl"`
			API          string `json:"api"`
			AuthRequired bool   `json:"auth-required"`
		}{q.Base + "/" + downloads + "{crate}/{crate}-{version}.crate", q.Base, !open})
		return door.Rendered{Body: append(body, '\n'), ContentType: "application/json"}, err
	})
	if err != nil {
		return err
	}
	// A client without a copy fails on a 304, and it asks without conditions anyway.
	door.ServeDocument(w, r, doc, door.DocumentOptions{Private: !open, NoConditional: true})
	return nil
}

// serveIndex answers the index file of one crate (cargo.md §1.3 to §1.5).
func serveIndex(w http.ResponseWriter, r *http.Request, q *door.Request, path string) error {
	ctx := r.Context()
	ref, err := locate(path)
	if err != nil {
		return err
	}
	p, err := q.Project(ctx, ref.Project)
	if err != nil {
		return err
	}
	// Only the published spelling is found; the client itself tries "-" for "_" and tells the user what it translated.
	if indexPath(p.Display) != path {
		return noCrate(q, path)
	}
	key := door.DocumentKey{
		Repo: q.Repo.ID, Epoch: q.Source.Epoch(), Project: p.Norm, Revision: p.Revision, Representation: "index", Base: q.Base,
	}
	doc, err := q.House.Documents.Get(ctx, key, func(ctx context.Context) (door.Rendered, error) {
		view := q.View(p)
		home, err := groupHome(ctx, q)
		if err != nil {
			return door.Rendered{}, err
		}
		body := renderIndex(view, home)
		if len(body) == 0 {
			return door.Rendered{}, noCrate(q, path)
		}
		return door.Rendered{Body: body, ContentType: "text/plain", Modified: p.UpdatedAt, Until: view.Until}, nil
	})
	if err != nil {
		return err
	}
	door.ServeDocument(w, r, doc, door.DocumentOptions{Private: !q.Open(p)})
	return nil
}

func noCrate(q *door.Request, path string) *errs.Error {
	name := path[strings.LastIndexByte(path, '/')+1:]
	return errs.New(errs.NotFound, "The registry %s has no crate %q.", q.Repo.Path(), name).WithRule("cargo/crate")
}

// groupHome rewrites, in a group's view, dependencies on its members (or on itself under another public URL) to the group
// (cargo.md §3.2); nil for other kinds of repository.
func groupHome(ctx context.Context, q *door.Request) (*strings.Replacer, error) {
	if q.Repo.Kind != registry.Group {
		return nil, nil
	}
	members, err := q.House.Registry.Members(ctx, q.Repo)
	if err != nil {
		return nil, err
	}
	indexes := indexURLs(q, q.Repo.Name)
	for _, m := range members {
		indexes = append(indexes, indexURLs(q, m.Name)...)
	}
	return homeReplacer(indexes), nil
}

// serveDownload answers a crate's bytes.
func serveDownload(w http.ResponseWriter, r *http.Request, q *door.Request, path string) error {
	ref, err := locate(path)
	if err != nil {
		return err
	}
	p, err := q.Project(r.Context(), ref.Project)
	if err != nil {
		return err
	}
	f := p.File(ref.Path)
	if f == nil {
		_, version, _ := splitFilePath(ref.Path)
		return errs.New(errs.NotFound, "The registry %s has no %s %s.", q.Repo.Path(), p.Display, version).WithRule("cargo/release")
	}
	return q.ServeFile(w, r, p, f, door.FileOptions{})
}

const (
	defaultPage = 10
	maxPage     = 100
	maxQuery    = 256
)

// serveSearch answers `cargo search` (cargo.md §2.1).
func serveSearch(w http.ResponseWriter, r *http.Request, q *door.Request) error {
	ctx, form := r.Context(), r.URL.Query()
	limit := positive(form.Get("per_page"), defaultPage, maxPage)
	page := positive(form.Get("page"), 1, 10_000)
	text := form.Get("q")
	if len(text) > maxQuery {
		return errs.New(errs.Invalid, "A search has at most %d bytes.", maxQuery).WithRule("cargo/search")
	}
	members, err := q.House.Registry.Members(ctx, q.Repo)
	if err != nil {
		return err
	}
	members = slices.DeleteFunc(members, func(m *registry.Repository) bool {
		return q.House.Gate.May(q.Principal, access.Read, intake.ResourceOf(m, "", nil)) != nil
	})
	hits, total, err := q.House.Registry.Search(ctx, registry.Query{Repositories: members, Text: text, Offset: (page - 1) * limit, Limit: limit})
	if err != nil {
		return err
	}
	type found struct {
		Name        string  `json:"name"`
		MaxVersion  string  `json:"max_version"`
		Description *string `json:"description"`
	}
	crates := make([]found, 0, len(hits))
	for _, hit := range hits {
		p, err := q.Project(ctx, hit.Norm)
		if errs.Is(err, errs.NotFound) {
			continue
		}
		if err != nil {
			return err
		}
		latest := q.View(p).Latest()
		if latest == nil || p.Repo.ID != hit.RepositoryID { // an earlier member of the group answers for the name
			continue
		}
		hit := found{Name: p.Display, MaxVersion: latest.Version}
		if p.Summary != "" {
			hit.Description = &p.Summary
		}
		crates = append(crates, hit)
	}
	w.Header().Set("Cache-Control", "no-store")
	door.WriteJSON(w, http.StatusOK, map[string]any{"crates": crates, "meta": map[string]int{"total": total}})
	return nil
}

// positive reads a number from 1 to most; anything else is what stands for absence.
func positive(text string, absent, most int) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return absent
	}
	return min(n, most)
}

// serveLogin answers the page that `cargo login` tells people to open (cargo.md §1.6, §2.1).
func serveLogin(w http.ResponseWriter, r *http.Request, q *door.Request) {
	index, repo := html.EscapeString("sparse+"+q.Base+"/"), html.EscapeString(q.Repo.Path())
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; form-action 'none'; base-uri 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-cache")
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return
	}
	_, _ = io.WriteString(w, `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark"><title>Token for `+repo+`</title></head>
<body>
<main>
<h1>Token for `+repo+`</h1>
<p>Ask an administrator of this Bonded for a token, or, if you are one, make it where the server runs. The command prints the token once:</p>
<pre>bonded admin token add --user YOU --scope 'read,publish,yank,owners:cargo/*'</pre>
<p>Name the registry in <code>~/.cargo/config.toml</code>, here <code>bonded</code>:</p>
<pre>[registries.bonded]
index = "`+index+`"
credential-provider = "cargo:token"</pre>
<p>Then paste the token into the command that sent you here:</p>
<pre>cargo login --registry bonded</pre>
</main>
</body>
</html>
`) // the client may be gone
}
