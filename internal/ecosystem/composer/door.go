package composer

import (
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"bonded/internal/access"
	"bonded/internal/door"
	"bonded/internal/errs"
	"bonded/internal/registry"
	"bonded/internal/request"
)

// Door speaks the protocol of Composer repositories, version 2 (composer.md §1, §2), and takes uploads of zips (§8).
type Door struct {
	house   *door.House
	vendors *vendorLists
}

// NewDoor returns the door of a house.
func NewDoor(h *door.House) *Door { return &Door{house: h, vendors: newVendorLists(h.Registry)} }

var _ door.Door = (*Door)(nil)

// table is what errors become on Composer's wire.
var table = door.Table{
	// Anything but a real 404 puts the client into its degraded mode, in which it goes on with its cache.
	errs.NotFound: {Status: http.StatusNotFound, Section: "composer.md §2"},
	errs.Invalid:  {Status: http.StatusBadRequest, Section: "composer.md §8"},
	errs.Conflict: {Status: http.StatusConflict, Section: "composer.md §8"},
	errs.TooLarge: {Status: http.StatusRequestEntityTooLarge, Section: "composer.md §8"},
	// 403 with a JSON warning is the one way to say something to whoever installs.
	errs.Withheld:  {Status: http.StatusForbidden, Section: "composer.md §5"},
	errs.Forbidden: {Status: http.StatusForbidden, Section: "composer.md §5"},
	errs.Unauthenticated: {
		Status: http.StatusUnauthorized, Header: map[string]string{"WWW-Authenticate": `Basic realm="Bonded", charset="UTF-8"`},
		Section: "composer.md §5",
	},
	errs.RateLimited: {Status: http.StatusTooManyRequests, Section: "composer.md §5"},
}

// longestWait is the most that clients wait for; told a longer time they give up (composer.md §5).
const longestWait = 60 * time.Second

// The paths below a repository. Clients learn all of them from packages.json.
const (
	rootPath       = "/packages.json"
	metadataRoot   = "/p2/"
	distsRoot      = "/" + distRoot
	listPath       = "/packages/list.json"
	packageRoot    = "/packages/"
	searchPath     = "/search.json"
	providersRoot  = "/providers/"
	notifyPath     = "/downloads/"
	advisoriesPath = "/api/security-advisories/"
	filterPath     = "/api/filter-lists"
	summaryPath    = "/lists/all/summary.json"
	changesPath    = "/metadata/changes.json"
)

// Type implements door.Door.
func (d *Door) Type() string { return "composer" }

// Credential implements door.Door: http-basic with the token as the password, or bearer (composer.md §5).
func (d *Door) Credential(r *http.Request) access.Credential { return door.BearerOrBasic(r) }

// Open implements door.Door. Some clients ask for advisories and filter lists without the credential that they use for
// everything else (composer.md §7); what is public is told to them.
func (d *Door) Open(method, path string) bool {
	switch path {
	case advisoriesPath, strings.TrimSuffix(advisoriesPath, "/"), filterPath, summaryPath:
		return isRead(method) || method == http.MethodPost
	}
	return false
}

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
	switch {
	case isRead(r.Method):
		return d.read(w, r, q)
	case r.Method == http.MethodPut:
		request.SetRoute(r.Context(), "composer.publish")
		return d.publish(w, r, q)
	case r.Method == http.MethodPost:
		request.SetRoute(r.Context(), "composer.query")
		return d.query(w, r, q)
	}
	return nothing(q)
}

func (d *Door) read(w http.ResponseWriter, r *http.Request, q *door.Request) error {
	route := func(name string) { request.SetRoute(r.Context(), "composer."+name) }
	path := q.Path
	switch path {
	case rootPath:
		route("root")
		return d.serveRoot(w, r, q)
	case listPath:
		route("list")
		return d.serveList(w, r, q)
	case searchPath:
		route("search")
		return serveSearch(w, r, q)
	case changesPath:
		route("changes")
		return d.serveChanges(w, r, q)
	case summaryPath:
		route("filter")
		return serveFilterSummary(w)
	case advisoriesPath, strings.TrimSuffix(advisoriesPath, "/"):
		route("advisories")
		return serveAdvisories(w, r, q, r.URL.Query())
	}
	switch {
	case strings.HasPrefix(path, metadataRoot):
		route("metadata")
		return serveMetadata(w, r, q)
	case strings.HasPrefix(path, distsRoot):
		route("dist")
		return serveDist(w, r, q)
	case strings.HasPrefix(path, providersRoot):
		route("providers")
		return serveProviders(w, r, q)
	case strings.HasPrefix(path, packageRoot):
		route("package")
		return servePackage(w, r, q)
	}
	return nothing(q)
}

func (d *Door) query(w http.ResponseWriter, r *http.Request, q *door.Request) error {
	switch q.Path {
	case notifyPath, strings.TrimSuffix(notifyPath, "/"):
		return serveNotify(w, r)
	case filterPath:
		return serveFilter(w, r)
	case advisoriesPath, strings.TrimSuffix(advisoriesPath, "/"):
		form, err := readForm(r)
		if err != nil {
			return err
		}
		return serveAdvisories(w, r, q, form)
	}
	return nothing(q)
}

func nothing(q *door.Request) error {
	return errs.New(errs.NotFound, "There is nothing here.").WithRule("composer/path").
		WithNext("Composer reads %s%s; a zip is uploaded with PUT to %s/.", q.Base, rootPath, q.Base)
}

// packageName reads the package name of a path, lower-cased; suffix is what follows it.
func packageName(path, prefix, suffix string) (norm string, ok bool) {
	path, ok = strings.CutPrefix(path, prefix)
	if !ok {
		return "", false
	}
	if path, ok = strings.CutSuffix(path, suffix); !ok {
		return "", false
	}
	name, err := url.PathUnescape(path)
	if err != nil {
		return "", false
	}
	return NormalizeName(name)
}

// refusal is an error as clients print it. They show warning for every status from 400 on, if the content type is exactly
// application/json (composer.md §5).
type refusal struct {
	Status  string `json:"status"`
	Message string `json:"message"`
	Warning string `json:"warning,omitempty"`
}

// Refuse implements door.Door.
func (d *Door) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	err = hideMetadata(r, err)
	e, status := table.Answer(w, err)
	if e.RetryAfter > longestWait {
		w.Header().Set("Retry-After", "60")
	}
	body := refusal{Status: "error", Message: printable(e.Sentence())}
	if status == http.StatusUnauthorized {
		body.Message += " Composer keeps it after `composer config --global --auth http-basic." + printable(r.Host) + " token TOKEN`."
	}
	// That a repository has no such package is no news: clients ask several for each name.
	if status != http.StatusNotFound || !strings.Contains(r.URL.Path, metadataRoot) && !strings.Contains(r.URL.Path, providersRoot) {
		body.Warning = body.Message
	}
	w.Header().Set("Content-Type", "application/json")
	door.WriteJSON(w, status, body)
}

// hideMetadata turns the refusal of a credential into an absence for p2 files: after any other failure than 404 the client
// resolves with its cached copy, so a revoked token would go on seeing what it saw (composer.md §2). A request without
// credential still learns that it needs one (§5).
func hideMetadata(r *http.Request, err error) error {
	kind := errs.KindOf(err)
	refused := kind == errs.Unauthenticated && r.Header.Get("Authorization") != "" || kind == errs.Forbidden
	if !refused || !isRead(r.Method) || !strings.Contains(r.URL.Path, metadataRoot) {
		return err
	}
	return errs.New(errs.NotFound, "There is no such package here for you.").WithRule("access/hidden").Because(err)
}

// printable keeps control characters out of terminals.
func printable(s string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsControl(c) {
			return ' '
		}
		return c
	}, s)
}

// readable are the repositories behind q whose names the caller may know: itself, or those members of a group.
func readable(r *http.Request, q *door.Request) ([]*registry.Repository, error) {
	members, err := q.House.Registry.Members(r.Context(), q.Repo)
	if err != nil {
		return nil, err
	}
	out := members[:0]
	for _, m := range members {
		if q.House.MayRead(q.Principal, m) {
			out = append(out, m)
		}
	}
	return out, nil
}
