// Package api is the management API: JSON over HTTP below /api/v1, described by OpenAPI 3.1 at /api/openapi.json and on the page
// /api/docs. It shows and changes what the doors do, under the same questions to access, and never shows more than they would.
// It takes tokens and no cookies, so no other site can act through a visitor's browser.
package api

import (
	"context"
	"maps"
	"net/http"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"bonded/internal/access"
	"bonded/internal/door"
	"bonded/internal/errs"
	"bonded/internal/request"
	"bonded/internal/web"
)

// version is the API's own: within 1 nothing is taken away.
const version = "1.0.0"

// maxBody bounds a request's body; the largest holds one sentence.
const maxBody = 16 << 10

// API answers every path below /api/.
type API struct {
	house *door.House
	pages *web.Site
	mux   *http.ServeMux
	huma  huma.API
	specs sync.Map // public URL → the description as JSON; the operator configures few URLs
	docs  []chapter
}

// New makes the API of a house; pages lend the frame of the documentation.
func New(h *door.House, pages *web.Site) *API {
	problems.Do(func() { huma.NewError = newProblem })
	a := &API{house: h, pages: pages, mux: http.NewServeMux()}
	a.huma = humago.New(a.mux, configuration())
	a.huma.UseMiddleware(a.authenticate)
	a.addRepositories()
	a.addPackages()
	a.addChanges()
	a.addJobs()
	a.addWhoami()
	a.docs = chaptersOf(a.huma.OpenAPI())
	a.mux.HandleFunc("GET /api/openapi.json", a.serveSpec)
	a.mux.HandleFunc("GET /api/docs", a.serveDocs)
	return a
}

// problems sets the shape of errors once for the process: the library keeps it in a variable.
var problems sync.Once

func configuration() huma.Config {
	c := huma.DefaultConfig("Bonded", version)
	c.Info.Description = "What a Bonded instance holds, and how it is managed. Reading follows each repository's visibility; everything else needs a token " +
		"(Authorization: Bearer …). Names of packages are one segment of the path: write the slashes of @scope/name and vendor/name as %2F. Errors are " +
		"application/problem+json (RFC 9457), with the rule that refused and what to do next. Times are RFC 3339 in UTC."
	c.DocsPath, c.OpenAPIPath, c.SchemasPath = "", "", "" // served by ourselves, from nowhere else
	c.CreateHooks = nil                                   // no $schema and Link in every answer
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"token": {Type: "http", Scheme: "bearer", Description: "A token of this instance, such as `bonded admin token add` prints."},
	}
	return c
}

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h["X-Content-Type-Options"] = nosniff
	h["Content-Security-Policy"] = nothing
	h["Cache-Control"] = noStore
	if r.URL.Path == "/api" || r.URL.Path == "/api/" {
		http.Redirect(w, r, request.BaseURL(r.Context())+"/api/docs", http.StatusFound)
		return
	}
	_, pattern := a.mux.Handler(r)
	if pattern == "" {
		a.notFound(w, r)
		return
	}
	request.SetRoute(r.Context(), "api "+pattern)
	a.mux.ServeHTTP(w, r)
}

var (
	nosniff = []string{"nosniff"}
	nothing = []string{"default-src 'none'; frame-ancestors 'none'"}
	noStore = []string{"no-store"}
)

// notFound answers what no operation takes: another path, or another method on one of ours.
func (a *API) notFound(w http.ResponseWriter, r *http.Request) {
	e := errs.New(errs.NotFound, "The API has no operation at this path.").WithRule("api/path").
		WithNext("See %s/api/docs.", request.BaseURL(r.Context()))
	status := http.StatusNotFound
	if allowed := a.methods(r); len(allowed) > 0 {
		status = http.StatusMethodNotAllowed
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		e = errs.New(errs.Invalid, "This path takes %s.", strings.Join(allowed, ", ")).WithRule("api/method")
	}
	p := problemOf(r.Context(), e)
	p.Status, p.Title = status, http.StatusText(status)
	w.Header().Set("Content-Type", "application/problem+json")
	door.WriteJSON(w, status, p)
}

// methods lists the methods that the path of r has operations for.
func (a *API) methods(r *http.Request) []string {
	var out []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete} {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := a.mux.Handler(other); strings.HasPrefix(pattern, method+" ") {
			out = append(out, method)
		}
	}
	return out
}

type principalKey struct{}

// authenticate says who asks before an operation runs. No token is nobody in particular; a wrong one is refused.
func (a *API) authenticate(ctx huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(ctx)
	p, err := a.house.Gate.Authenticate(ctx.Context(), bearer(r))
	if err != nil {
		problem := problemOf(ctx.Context(), err)
		maps.Copy(w.Header(), problem.GetHeaders())
		w.Header().Set("Content-Type", "application/problem+json")
		door.WriteJSON(w, problem.Status, problem)
		return
	}
	request.SetPrincipal(ctx.Context(), p.Name)
	next(huma.WithValue(ctx, principalKey{}, p))
}

// bearer reads "Authorization: Bearer TOKEN" (RFC 6750 §2.1). Any other Authorization is a wrong credential, not none.
func bearer(r *http.Request) access.Credential {
	header := r.Header.Get("Authorization")
	if header == "" {
		return access.Credential{}
	}
	scheme, secret, _ := strings.Cut(header, " ")
	if secret = strings.TrimSpace(secret); !strings.EqualFold(scheme, "bearer") || secret == "" {
		return access.Credential{Secret: "not a bearer token"}
	}
	return access.Credential{Secret: secret}
}

// answer wraps what an operation returns as the body.
type answer[T any] struct{ Body T }

// add registers an operation whose errors are ours.
func add[I, T any](a *API, op huma.Operation, fn func(context.Context, access.Principal, *I) (T, error)) {
	op.MaxBodyBytes = maxBody
	op.RejectUnknownQueryParameters = true
	huma.Register(a.huma, op, func(ctx context.Context, in *I) (*answer[T], error) {
		p, ok := ctx.Value(principalKey{}).(access.Principal)
		if !ok {
			p = access.Anonymous()
		}
		out, err := fn(ctx, p, in)
		if err != nil {
			if errs.KindOf(err) == errs.Internal {
				a.house.Log.ErrorContext(ctx, "request failed", "error", err)
			}
			return nil, problemOf(ctx, err)
		}
		return &answer[T]{out}, nil
	})
}

var (
	// mayBeAnonymous and mustAuthenticate say in the description who may call an operation.
	mayBeAnonymous   = []map[string][]string{{}, {"token": {}}}
	mustAuthenticate = []map[string][]string{{"token": {}}}
)
