// Package web is the pages that people see: what the repositories hold, how to point a client at them, and what is known of each
// package. It reads the same facts as the doors, under the same questions to access, and shows nothing that a door would not.
// Nobody signs in here: pages ignore tokens and cookies, so they show what everybody may read. Everything works without scripts.
package web

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/a-h/templ"
	"github.com/maypok86/otter/v2"

	"bonded/internal/access"
	"bonded/internal/digest"
	"bonded/internal/door"
	"bonded/internal/errs"
	"bonded/internal/readme"
	"bonded/internal/request"
)

//go:generate go run github.com/a-h/templ/cmd/templ@v0.3.977 generate

// Options are what the operator says about the instance.
type Options struct {
	// SecurityContact is where weaknesses are reported, as a mailto: or https: address (RFC 9116 §2.5.3). Empty leaves
	// security.txt out.
	SecurityContact string
}

// Site answers every path that belongs to no door and not to the API.
type Site struct {
	house   *door.House
	options Options
	assets  *assets
	stock   *stock
	readmes *otter.Cache[readmeKey, readme.Rendered]
	handler http.Handler
}

// readmeKey names a readme by its bytes, so that one that moves with its version is rendered anew.
type readmeKey struct {
	mediaType string
	body      digest.SHA256
}

// readmeCacheBytes bounds the rendered readmes kept in memory.
const readmeCacheBytes = 16 << 20

// New makes the pages of a house.
func New(h *door.House, o Options) *Site {
	s := &Site{house: h, options: o, assets: loadAssets(), stock: newStock(h)}
	s.readmes = otter.Must(&otter.Options[readmeKey, readme.Rendered]{
		MaximumWeight: readmeCacheBytes,
		Weigher:       func(_ readmeKey, r readme.Rendered) uint32 { return uint32(256 + len(r.HTML)) },
	})
	// Pages have no unsafe methods yet; the guard stands where they will be.
	s.handler = http.NewCrossOriginProtection().Handler(http.HandlerFunc(s.route))
	return s
}

// ServeHTTP implements http.Handler.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

func (s *Site) route(w http.ResponseWriter, r *http.Request) {
	path := r.URL.EscapedPath()
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		s.problem(w, r, http.StatusMethodNotAllowed, errs.New(errs.Invalid, "Pages are only read.").
			WithNext("Packages are published with their own clients; the set-up page says how."))
		return
	}
	if name, ok := strings.CutPrefix(path, "/assets/"); ok {
		s.assets.serve(w, r, name)
		return
	}
	if err := s.page(w, r, path); err != nil {
		if errs.KindOf(err) == errs.Internal {
			s.house.Log.ErrorContext(r.Context(), "page failed", "error", err)
		}
		e := errs.Public(err)
		s.problem(w, r, e.Kind.Status(), e)
	}
}

func (s *Site) page(w http.ResponseWriter, r *http.Request, path string) error {
	name := func(route string) { request.SetRoute(r.Context(), "pages."+route) }
	switch path {
	case "/":
		name("home")
		return s.home(w, r)
	case "/setup":
		name("setup")
		return s.setup(w, r)
	case "/security":
		name("security")
		return s.security(w, r)
	case "/.well-known/security.txt":
		name("security.txt")
		return s.securityTxt(w, r)
	case "/packages":
		s.redirect(w, r, "/packages/"+query(r.URL.RawQuery))
		return nil
	case "/packages/":
		name("packages")
		return s.list(w, r)
	}
	if rest, ok := strings.CutPrefix(path, "/packages/"); ok {
		name("package")
		return s.packagePage(w, r, rest)
	}
	return errs.New(errs.NotFound, "There is no page at this address.").WithNext("Search for a package, or begin at the home page.")
}

func query(raw string) string {
	if raw == "" {
		return ""
	}
	return "?" + raw
}

// redirect sends to another path of ours.
func (s *Site) redirect(w http.ResponseWriter, r *http.Request, path string) {
	setHeaders(w.Header())
	w.Header().Set("Cache-Control", "no-cache")
	http.Redirect(w, r, request.BaseURL(r.Context())+path, http.StatusMovedPermanently) //nolint:gosec // the configured URL, and a path of ours
}

// Frame is what a page tells the layout around it.
type Frame struct {
	// Title is the page's own name; the layout adds the product's.
	Title string
	// Description is for search engines and previews; may be empty.
	Description string
	// Section marks the entry of the navigation in which the reader is: "packages", "setup", "api", "security" or "".
	Section string
	// Search shows the search form in the header; pages that have one of their own leave it out.
	Search bool

	prefix string
	assets *assets
}

// link is an address of ours below the public URL's sub-path; parts are written as they are.
func (f Frame) link(path string) templ.SafeURL { return templ.SafeURL(f.prefix + path) }

// Show answers with a page: body within the layout, with the headers that every page carries.
func (s *Site) Show(w http.ResponseWriter, r *http.Request, status int, f Frame, body func(Frame) templ.Component) error {
	f.assets, f.prefix = s.assets, prefixOf(r.Context())
	var b bytes.Buffer
	if err := layout(f, body(f)).Render(r.Context(), &b); err != nil {
		return err
	}
	setHeaders(w.Header())
	if status != http.StatusOK {
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Cache-Control", "no-store")
		w.WriteHeader(status)
		if r.Method != http.MethodHead {
			_, _ = w.Write(b.Bytes()) // the reader may be gone
		}
		return nil
	}
	doc := door.NewDocument(door.Rendered{Body: b.Bytes(), ContentType: "text/html; charset=utf-8"})
	door.ServeDocument(w, r, doc, door.DocumentOptions{})
	return nil
}

// prefixOf is the path of the public URL through which the request came: "" or "/packages".
func prefixOf(ctx context.Context) string {
	u, err := url.Parse(request.BaseURL(ctx))
	if err != nil {
		return ""
	}
	return u.EscapedPath()
}

// setHeaders sets what every page carries: nothing from elsewhere is loaded, nothing inline runs, nobody frames it, nobody learns where
// the reader came from.
func setHeaders(h http.Header) {
	h["Content-Security-Policy"] = contentPolicy
	h["X-Content-Type-Options"] = nosniff
	h["Referrer-Policy"] = referrerPolicy
	h["Permissions-Policy"] = permissions
	h["Cross-Origin-Opener-Policy"] = sameOrigin
	h["Cross-Origin-Resource-Policy"] = sameOrigin
}

var (
	contentPolicy = []string{"default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; form-action 'self'; " +
		"frame-ancestors 'none'; base-uri 'none'"}
	nosniff        = []string{"nosniff"}
	referrerPolicy = []string{"no-referrer"}
	permissions    = []string{"camera=(), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=()"}
	sameOrigin     = []string{"same-origin"}
)

// problem is the page of a refusal.
func (s *Site) problem(w http.ResponseWriter, r *http.Request, status int, e *errs.Error) {
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", formatSeconds(e.RetryAfter))
	}
	f := Frame{Title: http.StatusText(status), Search: true}
	p := refusal{Status: status, Title: http.StatusText(status), What: e.What, Rule: e.Rule, Next: e.Next, RequestID: request.ID(r.Context())}
	if err := s.Show(w, r, status, f, func(f Frame) templ.Component { return problemPage(f, p) }); err != nil {
		http.Error(w, e.Sentence(), status)
	}
}

// refusal is what the page of an error shows.
type refusal struct {
	Status           int
	Title            string
	What, Rule, Next string
	RequestID        string
}

// reader is who reads pages: nobody in particular.
func reader() access.Principal { return access.Anonymous() }

// visit finds a repository that everybody may read.
func (s *Site) visit(ctx context.Context, ecosystem, name string) (*door.Request, error) {
	return s.house.Visit(ctx, reader(), ecosystem, name)
}

func (s *Site) now() time.Time { return s.house.Clock.Now() }
