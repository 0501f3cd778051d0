package npm

import (
	"net/http"
	"strings"

	"bonded/internal/access"
	"bonded/internal/door"
	"bonded/internal/errs"
	"bonded/internal/request"
)

// Door speaks the npm registry protocol.
type Door struct {
	house *door.House
}

// NewDoor makes the door of a house.
func NewDoor(h *door.House) *Door { return &Door{house: h} }

// Type is the purl type.
func (d *Door) Type() string { return "npm" }

// Credential reads the token: clients send Bearer, or Basic when they were configured with _auth.
func (d *Door) Credential(r *http.Request) access.Credential { return door.BearerOrBasic(r) }

// Open reports what is answered to everyone: a ping, and the log-in routes, with which npm sends an old token along
// (npm.md §6.1).
func (d *Door) Open(method, path string) bool {
	r, ok := parseRoute(path)
	if !ok || r.fixed == nil {
		return false
	}
	switch p := r.joined(); {
	case p == "ping":
		return true
	case method == http.MethodPost:
		return p == "v1/login"
	case method == http.MethodPut:
		return strings.HasPrefix(p, "user/org.couchdb.user:")
	}
	return false
}

// The override tables: what a kind of error becomes on this wire. Clients print the body's error; "WWW-Authenticate"
// would replace it by a general sentence.
var (
	refusals = door.Table{
		errs.Unauthenticated: {Status: http.StatusUnauthorized, Section: "npm.md §6.5"},
		errs.Withheld:        {Status: http.StatusForbidden, Header: map[string]string{"Cache-Control": "no-store"}, Section: "npm.md §13"},
	}
	// publishRefusals: a used version is 403, not 409, which lerna and others take for a race and retry.
	publishRefusals = door.Table{
		errs.Unauthenticated: refusals[errs.Unauthenticated],
		errs.Conflict:        {Status: http.StatusForbidden, Section: "npm.md §3"},
	}
	// provenanceRefusals: an attestation that cannot be accepted.
	provenanceRefusals = door.Table{errs.Invalid: {Status: http.StatusUnprocessableEntity, Section: "npm.md §8"}}
	// unpublishRefusals: what the policy keeps.
	unpublishRefusals = door.Table{
		errs.Unauthenticated: refusals[errs.Unauthenticated],
		errs.Withheld:        {Status: http.StatusMethodNotAllowed, Section: "npm.md §11"},
	}
	// loginRefusals: 501, because npm answers any 4xx by asking for a password that nobody has.
	loginRefusals = door.Table{errs.Forbidden: {Status: http.StatusNotImplemented, Section: "npm.md §6.2"}}
)

// envelope is what clients read of an error: npm up to 11 prints error, others message (npm.md §0.9).
type envelope struct {
	Error   string `json:"error"`
	Message string `json:"message"`
	Code    string `json:"code,omitempty"`
}

// Refuse writes an error.
func (d *Door) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	d.refuse(w, r, refusals, err)
}

func (d *Door) refuse(w http.ResponseWriter, r *http.Request, t door.Table, err error) {
	e, status := t.Answer(w, err)
	if e.Kind == errs.Internal {
		d.house.Log.ErrorContext(r.Context(), "npm request failed", "error", err, "request", request.ID(r.Context()))
	}
	w.Header().Del("Content-Type")
	door.WriteJSON(w, status, envelope{Error: e.Sentence(), Message: e.Sentence(), Code: e.Rule})
}

// operation answers one request, or returns the refusal.
type operation func(w http.ResponseWriter, r *http.Request, q *door.Request, at route) error

// Serve answers a request.
func (d *Door) Serve(w http.ResponseWriter, r *http.Request, q *door.Request) {
	at, ok := parseRoute(q.Path)
	if !ok {
		d.Refuse(w, r, unknownPath())
		return
	}
	op, name, table := d.operation(r.Method, at)
	request.SetRoute(r.Context(), "npm."+name)
	if err := op(w, r, q, at); err != nil {
		d.refuse(w, r, table, err)
	}
}

func unknownPath() error {
	return errs.New(errs.NotFound, "This registry has nothing at this address.").WithRule("npm/path")
}

// operation finds what a request asks for (npm.md §1.1), its name for metrics and its table of refusals.
func (d *Door) operation(method string, at route) (operation, string, door.Table) {
	if at.fixed != nil {
		return d.fixed(method, at)
	}
	read := method == http.MethodGet || method == http.MethodHead
	switch {
	case at.name == "_changes" && at.selector == "" && at.file == "" && at.rev == "" && method == http.MethodGet:
		return d.changes, "changes", refusals
	case at.name == "" && read:
		return d.root, "root", refusals
	case at.file != "" && read:
		return d.tarball, "tarball", refusals
	case at.file != "" && at.rev != "" && method == http.MethodDelete:
		return d.deleteTarball, "unpublish", unpublishRefusals
	case at.rev != "" && method == http.MethodPut && at.file == "":
		return d.putRevision, "change", unpublishRefusals
	case at.rev != "" && method == http.MethodDelete && at.file == "":
		return d.deleteProject, "unpublish", unpublishRefusals
	case at.selector != "" && read:
		return d.single, "version", refusals
	case at.selector != "" || at.file != "" || at.rev != "" || at.name == "":
	case read:
		return d.packument, "document", refusals
	case method == http.MethodPut:
		return d.put, "publish", publishRefusals
	}
	return wrongMethod, "other", refusals
}

// wrongMethod answers what the registry never does there. It is a 404, as for any route that does not exist.
func wrongMethod(_ http.ResponseWriter, r *http.Request, _ *door.Request, _ route) error {
	return errs.New(errs.NotFound, "This registry does not answer %s at this address.", r.Method).WithRule("npm/path")
}

// root answers the bare repository URL, which some tools ask to see whether a registry is there.
func (d *Door) root(w http.ResponseWriter, _ *http.Request, q *door.Request, _ route) error {
	if _, ok := w.Header()["Cache-Control"]; !ok {
		w.Header().Set("Cache-Control", "no-cache")
	}
	door.WriteJSON(w, http.StatusOK, map[string]string{"db_name": q.Repo.Path()})
	return nil
}

// notice has npm print a sentence, on success as on failure (npm.md §6.5). A header holds one line of ASCII.
func notice(w http.ResponseWriter, sentence string) {
	clean := strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			return ' '
		case r < ' ' || r > '~':
			return '?'
		}
		return r
	}, sentence)
	w.Header().Set("Npm-Notice", clean)
}

// done is the answer to a change, which clients do not read.
func done(w http.ResponseWriter, status int, id string) error {
	door.WriteJSON(w, status, struct {
		OK      bool   `json:"ok"`
		ID      string `json:"id,omitempty"`
		Success bool   `json:"success"`
	}{true, id, true})
	return nil
}
