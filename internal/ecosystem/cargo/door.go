package cargo

import (
	"io"
	"net/http"
	"regexp"
	"strings"

	"bonded/internal/access"
	"bonded/internal/door"
	"bonded/internal/errs"
	"bonded/internal/request"
)

// Door speaks the registry protocol of Cargo: a sparse index, downloads and the web API (cargo.md §1, §2).
type Door struct {
	house *door.House
}

// NewDoor returns the door of a house.
func NewDoor(h *door.House) *Door { return &Door{house: h} }

// table is what errors become on Cargo's wire.
var table = door.Table{
	// 410 and 451 are hard errors since cargo 1.96, so absent is always 404.
	errs.NotFound: {Status: http.StatusNotFound, Section: "cargo.md §1.5"},
	// Cargo 1.95 prints "<unknown>" for 422.
	errs.Invalid:  {Status: http.StatusBadRequest, Section: "cargo.md §2.2"},
	errs.Conflict: {Status: http.StatusConflict, Section: "cargo.md §2.2"},
	errs.TooLarge: {Status: http.StatusRequestEntityTooLarge, Section: "cargo.md §2.5"},
	// The text of a refused download is printed to whoever builds.
	errs.Withheld: {Status: http.StatusForbidden, Section: "cargo.md §3.1"},
	// WWW-Authenticate names the page that `cargo login` prints; Refuse adds it.
	errs.Unauthenticated: {Status: http.StatusUnauthorized, Section: "cargo.md §1.6"},
}

// Type implements door.Door.
func (d *Door) Type() string { return "cargo" }

// Credential implements door.Door: the bare token as cargo stores it, or with a scheme that a user put before it
// (cargo.md §1.6).
func (d *Door) Credential(r *http.Request) access.Credential { return door.RawBearerOrBasic(r) }

// Open implements door.Door: the page that `cargo login` sends people to.
func (d *Door) Open(method, path string) bool { return path == loginPath && isRead(method) }

const loginPath = "/me"

func isRead(method string) bool { return method == http.MethodGet || method == http.MethodHead }

// Serve implements door.Door.
func (d *Door) Serve(w http.ResponseWriter, r *http.Request, q *door.Request) {
	if err := d.serve(w, r, q); err != nil {
		if errs.KindOf(err) == errs.Internal && !door.IsGone(err) {
			d.house.Log.ErrorContext(r.Context(), "request failed", "error", err)
		}
		d.Refuse(w, r, err)
	}
}

func (d *Door) serve(w http.ResponseWriter, r *http.Request, q *door.Request) error {
	path, err := unescapePath(q.Path)
	if err != nil {
		return err
	}
	if api, ok := strings.CutPrefix(path, apiPrefix); ok {
		return d.serveAPI(w, r, q, strings.Split(api, "/"))
	}
	if !isRead(r.Method) {
		return noSuchPath(path)
	}
	switch {
	case path == "config.json":
		request.SetRoute(r.Context(), "cargo.config")
		return serveConfig(w, r, q)
	case "/"+path == loginPath:
		request.SetRoute(r.Context(), "cargo.login")
		serveLogin(w, r, q)
		return nil
	case strings.HasPrefix(path, downloads):
		request.SetRoute(r.Context(), "cargo.download")
		return serveDownload(w, r, q, path)
	default:
		request.SetRoute(r.Context(), "cargo.index")
		return serveIndex(w, r, q, path)
	}
}

// serveAPI answers below /api/v1/ (cargo.md §2.1); path is what follows, by segment.
func (d *Door) serveAPI(w http.ResponseWriter, r *http.Request, q *door.Request, path []string) error {
	request.SetRoute(r.Context(), "cargo.api")
	last := path[len(path)-1]
	switch {
	case path[0] != "crates":
	case len(path) == 1 && r.Method == http.MethodGet:
		return serveSearch(w, r, q)
	case len(path) == 2 && last == "new" && r.Method == http.MethodPut:
		request.SetRoute(r.Context(), "cargo.publish")
		return servePublish(w, r, q)
	case len(path) == 3 && last == "owners":
		return serveOwners(w, r, q, path[1])
	case len(path) == 4 && last == "yank" && r.Method == http.MethodDelete:
		return serveYank(w, r, q, path[1], path[2], true)
	case len(path) == 4 && last == "unyank" && r.Method == http.MethodPut:
		return serveYank(w, r, q, path[1], path[2], false)
	case len(path) == 4 && last == "download" && isRead(r.Method):
		return serveDownload(w, r, q, apiPrefix+strings.Join(path, "/"))
	}
	return errs.New(errs.NotFound, "This registry has no %s /%s%s.", r.Method, apiPrefix, strings.Join(path, "/")).WithRule("cargo/api").
		WithNext("It knows publish, yank, unyank, owners, search and download.")
}

// safeRepository matches the path segments that can name a repository, so that nothing else gets into a header.
var safeRepository = regexp.MustCompile(`^[a-z0-9._-]+$`)

// Refuse implements door.Door: a JSON envelope below the API, plain text elsewhere (cargo.md §1.5, §2.2). Cargo prints both.
func (d *Door) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	e, status := table.Answer(w, err)
	_, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/")
	repo, path, _ := strings.Cut(rest, "/")
	if status == http.StatusUnauthorized {
		challenge := "Cargo"
		if safeRepository.MatchString(repo) {
			challenge += ` login_url="` + request.BaseURL(r.Context()) + "/cargo/" + repo + loginPath + `"`
		}
		w.Header().Set("WWW-Authenticate", challenge)
	}
	if strings.HasPrefix(path, apiPrefix) {
		type detail struct {
			Detail string `json:"detail"`
		}
		door.WriteJSON(w, status, map[string][]detail{"errors": {{e.Sentence()}}})
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = io.WriteString(w, e.Sentence()+"\n") //nolint:gosec // plain text under nosniff; and the client may be gone
	}
}

// indexURL is the identity of a repository as a registry (cargo.md §1.1).
func indexURL(root, repository string) string {
	return "sparse+" + root + "/cargo/" + repository + "/"
}

// indexURLs are the identities of a repository under every public URL of this instance, that of the request first.
func indexURLs(q *door.Request, repository string) []string {
	urls := []string{indexURL(q.Root, repository)}
	for _, root := range q.House.PublicURLs {
		if root != q.Root {
			urls = append(urls, indexURL(root, repository))
		}
	}
	return urls
}
