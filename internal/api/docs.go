package api

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/a-h/templ"
	"github.com/danielgtaylor/huma/v2"

	"bonded/internal/door"
	"bonded/internal/errs"
	"bonded/internal/request"
	"bonded/internal/web"
)

//go:generate go run github.com/a-h/templ/cmd/templ@v0.3.977 generate

// chapter is the operations of one tag, as the documentation shows them.
type chapter struct {
	Name       string
	Operations []operation
}

// operation is one line of the documentation with its details.
type operation struct {
	ID, Method, Path, Summary, Description string
	Anonymous                              bool
	Parameters                             []parameter
	Body, Answer                           string
}

// parameter is one parameter or field.
type parameter struct {
	Name, In, Type, Description string
	Required                    bool
}

// serveSpec answers with the description, its server being the public URL through which it was asked for.
func (a *API) serveSpec(w http.ResponseWriter, r *http.Request) {
	base := request.BaseURL(r.Context())
	spec, ok := a.specs.Load(base)
	if !ok {
		described := *a.huma.OpenAPI()
		described.Servers = []*huma.Server{{URL: base}}
		b, err := json.Marshal(&described)
		if err != nil {
			a.house.Log.ErrorContext(r.Context(), "the API's description cannot be written", "error", err)
			door.WriteJSON(w, http.StatusInternalServerError, problemOf(r.Context(), errs.New(errs.Internal, "")))
			return
		}
		spec, _ = a.specs.LoadOrStore(base, b)
	}
	w.Header().Set("Content-Type", "application/vnd.oai.openapi+json;version=3.1")
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write(spec.([]byte)) // the reader may be gone
}

// serveDocs shows the description to people.
func (a *API) serveDocs(w http.ResponseWriter, r *http.Request) {
	f := web.Frame{Title: "API", Section: "api", Search: true, Description: "The management API of this repository."}
	v := docsView{Base: request.BaseURL(r.Context()), Chapters: a.docs, Version: version}
	err := a.pages.Show(w, r, http.StatusOK, f, func(web.Frame) templ.Component { return docsPage(v) })
	if err != nil {
		a.house.Log.ErrorContext(r.Context(), "page failed", "error", err)
		http.Error(w, errs.Public(err).Sentence(), http.StatusInternalServerError)
	}
}

// docsView is what the documentation shows.
type docsView struct {
	Base, Version string
	Chapters      []chapter
}

// chaptersOf reads the description that programs read, so that people read the same.
func chaptersOf(spec *huma.OpenAPI) []chapter {
	var out []chapter
	paths := make([]string, 0, len(spec.Paths))
	for path := range spec.Paths {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	for _, tag := range []string{"Repositories", "Packages", "Changes", "Jobs", "Account"} {
		c := chapter{Name: tag}
		for _, path := range paths {
			item := spec.Paths[path]
			for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Delete} {
				if op != nil && slices.Contains(op.Tags, tag) {
					c.Operations = append(c.Operations, operationOf(spec, op))
				}
			}
		}
		out = append(out, c)
	}
	return out
}

func operationOf(spec *huma.OpenAPI, op *huma.Operation) operation {
	o := operation{ID: op.OperationID, Method: op.Method, Path: op.Path, Summary: op.Summary, Description: op.Description}
	for _, s := range op.Security {
		o.Anonymous = o.Anonymous || len(s) == 0
	}
	for _, p := range op.Parameters {
		o.Parameters = append(o.Parameters, parameter{Name: p.Name, In: p.In, Type: typeOf(spec, p.Schema), Description: p.Description, Required: p.Required})
	}
	if op.RequestBody != nil {
		schema := resolve(spec, op.RequestBody.Content["application/json"].Schema)
		for _, name := range fieldsOf(schema) {
			field := schema.Properties[name]
			o.Parameters = append(o.Parameters, parameter{
				Name: name, In: "body", Type: typeOf(spec, field), Description: field.Description, Required: slices.Contains(schema.Required, name),
			})
		}
	}
	if ok := op.Responses["200"]; ok != nil && ok.Content["application/json"] != nil {
		o.Answer = nameOf(ok.Content["application/json"].Schema)
	}
	return o
}

func resolve(spec *huma.OpenAPI, s *huma.Schema) *huma.Schema {
	if s.Ref == "" {
		return s
	}
	return spec.Components.Schemas.SchemaFromRef(s.Ref)
}

// fieldsOf lists a schema's fields by name.
func fieldsOf(s *huma.Schema) []string {
	names := make([]string, 0, len(s.Properties))
	for name := range s.Properties {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func nameOf(s *huma.Schema) string { return s.Ref[strings.LastIndexByte(s.Ref, '/')+1:] }

// typeOf says what values a schema takes.
func typeOf(spec *huma.OpenAPI, s *huma.Schema) string {
	s = resolve(spec, s)
	if len(s.Enum) == 0 {
		return s.Type
	}
	words := make([]string, 0, len(s.Enum))
	for _, v := range s.Enum {
		if word, ok := v.(string); ok {
			words = append(words, word)
		}
	}
	return strings.Join(words, " | ")
}
