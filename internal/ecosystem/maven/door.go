package maven

import (
	"encoding/base64"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"

	"bonded/internal/access"
	"bonded/internal/digest"
	"bonded/internal/door"
	"bonded/internal/errs"
	"bonded/internal/events"
)

// Door speaks the Maven repository protocol and the publishing portal's API (maven.md).
type Door struct {
	house *door.House

	mu sync.Mutex
	// names holds, per repository, the number of the last event that may have changed its list of projects.
	names map[int64]int64
	// uploads counts, per open deployment, the parts that are being received on this node.
	uploads map[string]int
}

// NewDoor makes the Maven door of a house.
func NewDoor(h *door.House) *Door {
	d := &Door{house: h, names: map[int64]int64{}, uploads: map[string]int{}}
	h.Registry.Feed().Subscribe(d.listen)
	return d
}

// listen notes changes to the list of projects, which the prefixes file is made of.
func (d *Door) listen(e events.Event) {
	switch e.Kind {
	case events.ProjectCreated, events.ProjectDeleted, events.ProjectChanged:
		d.mu.Lock()
		d.names[e.RepositoryID] = e.Seq
		d.mu.Unlock()
	default:
	}
}

// Type implements door.Door.
func (d *Door) Type() string { return "maven" }

// Credential implements door.Door: Basic with the token as password, as Maven, Gradle and sbt send it; a Bearer token
// through a header of the client's configuration; and the portal clients' Bearer or UserToken base64(user:token)
// (maven.md §6, §9).
func (d *Door) Credential(r *http.Request) access.Credential {
	scheme, secret, ok := strings.Cut(strings.TrimSpace(r.Header.Get("Authorization")), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") && !strings.EqualFold(scheme, "UserToken") {
		return door.BearerOrBasic(r)
	}
	secret = strings.TrimSpace(secret)
	if access.WellFormed(secret) {
		return access.Credential{Secret: secret}
	}
	if pair, err := base64.StdEncoding.DecodeString(secret); err == nil {
		if _, token, ok := strings.Cut(string(pair), ":"); ok && token != "" {
			return access.Credential{Secret: token}
		}
	}
	return access.Credential{Secret: secret}
}

// Open implements door.Door: nothing of Maven's is answered before permission is asked.
func (d *Door) Open(string, string) bool { return false }

// table is the door's override table (maven.md §6).
var table = door.Table{
	// Maven sends its first GET without credentials and needs the challenge to repeat it with them.
	errs.Unauthenticated: {Header: map[string]string{"WWW-Authenticate": `Basic realm="Bonded"`}, Section: "maven.md §4.1, §6"},
	// Gradle fails on any other status than 404 for what is absent.
	errs.NotFound: {Status: http.StatusNotFound, Section: "maven.md §6"},
	// The first that owns a name answers for it: a client that looks in further repositories does so after 403.
	errs.Withheld: {Status: http.StatusForbidden, Section: "maven.md §6"},
}

// problem is a problem details object (RFC 9457), which Maven 3.9 and later print.
type problem struct {
	Type     string `json:"type"`
	Title    string `json:"title"`
	Status   int    `json:"status"`
	Detail   string `json:"detail"`
	Instance string `json:"instance,omitempty"`
	// Rule is the rule that refused.
	Rule string `json:"rule,omitempty"`
}

// Refuse implements door.Door.
func (d *Door) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	e, status := table.Answer(w, err)
	drain(r)
	if status == http.StatusNotFound {
		writeAbsent(w, e.Sentence())
		return
	}
	writeProblem(w, r, status, e.Sentence(), e.Rule)
}

// writeAbsent answers 404 in plain words. It must not be a problem document: Maven 3.9 and 4 take any answer of that type for a
// failure, also a 404, and then the first deployment of a snapshot fails because its metadata is not there yet.
func writeAbsent(w http.ResponseWriter, sentence string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(http.StatusNotFound)
	_, _ = io.WriteString(w, sentence+"\n") //nolint:gosec // plain text that is not sniffed; the client may be gone
}

func writeProblem(w http.ResponseWriter, r *http.Request, status int, detail, rule string) {
	w.Header().Set("Content-Type", "application/problem+json")
	door.WriteJSON(w, status, problem{
		Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail, Instance: r.URL.EscapedPath(), Rule: rule,
	})
}

// drainLimit is how much of a refused upload is read and thrown away, so that a client that is still sending gets to read
// why, instead of a broken connection.
const drainLimit = 16 << 20

// drain reads the rest of a body whose client did not ask first: with Expect: 100-continue nothing is under way.
func drain(r *http.Request) {
	if r.Body == nil || r.Header.Get("Expect") != "" || r.ContentLength > drainLimit {
		return
	}
	_, _ = io.CopyN(io.Discard, r.Body, drainLimit) // the answer goes out whatever becomes of it
}

// methodNotAllowed answers a method that the path does not have.
func methodNotAllowed(w http.ResponseWriter, r *http.Request, allow string) {
	w.Header().Set("Allow", allow)
	writeProblem(w, r, http.StatusMethodNotAllowed, "This path answers "+allow+" only.", "maven/method")
}

// Serve implements door.Door.
func (d *Door) Serve(w http.ResponseWriter, r *http.Request, q *door.Request) {
	err := d.serve(w, r, q)
	if err == nil {
		return
	}
	if errs.KindOf(err) == errs.Internal && !door.IsGone(err) {
		d.house.Log.ErrorContext(r.Context(), "maven request failed", slog.String("path", q.Path), slog.Any("error", err))
	}
	d.Refuse(w, r, err)
}

func (d *Door) serve(w http.ResponseWriter, r *http.Request, q *door.Request) error {
	switch {
	case q.Path == "" || q.Path == "/":
		return d.root(w, r, q)
	case strings.HasPrefix(q.Path, "/"+apiPrefix):
		return d.portal(w, r, q, strings.TrimPrefix(q.Path, "/"+apiPrefix))
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		return d.read(w, r, q)
	case http.MethodPut:
		return d.put(w, r, q)
	default:
		methodNotAllowed(w, r, "GET, HEAD, PUT")
		return nil
	}
}

// root answers the base URL, which people open to see whether it is right. Clients never ask for it.
func (d *Door) root(w http.ResponseWriter, r *http.Request, q *door.Request) error {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		methodNotAllowed(w, r, "GET, HEAD")
		return nil
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = io.WriteString(w, "This is the Maven repository "+q.Repo.Name+". Point Maven, Gradle or sbt at "+q.Base+"/\n")
	return nil
}

// checksumHeader are the headers that let a client skip its requests for checksum files (maven.md §3, smart checksums).
func checksumHeader(s *digest.Set) http.Header {
	return http.Header{
		"X-Checksum-MD5":    {hex.EncodeToString(s.MD5[:])},
		"X-Checksum-SHA1":   {hex.EncodeToString(s.SHA1[:])},
		"X-Checksum-SHA256": {s.SHA256.String()},
		"X-Checksum-SHA512": {hex.EncodeToString(s.SHA512[:])},
	}
}
