package maven

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"bonded/internal/digest"
	"bonded/internal/door"
	"bonded/internal/errs"
	"bonded/internal/registry"
)

// read answers GET and HEAD. What is absent is always 404, whatever the reason: Gradle fails on anything else, and Maven
// shows the first other status to its user (maven.md §6).
func (d *Door) read(w http.ResponseWriter, r *http.Request, q *door.Request) error {
	path, err := unescapePath(q.Path)
	if err != nil {
		return absent(err)
	}
	if strings.HasPrefix(path, prefixesPath) {
		return d.prefixes(w, r, q, path)
	}
	switch path {
	case "solrsearch/select":
		return d.search(w, r, q)
	case "remotecontent":
		path = strings.TrimPrefix(r.URL.Query().Get("filepath"), "/")
	}
	l, err := parsePath(path)
	if err != nil {
		return absent(err)
	}
	if l.sort == metadata {
		return d.readMetadata(w, r, q, l)
	}
	return d.readArtifact(w, r, q, l)
}

func absent(err error) error {
	return errs.New(errs.NotFound, "%s", errs.Public(err).What).WithRule("maven/path")
}

func notHere(q *door.Request, path string) error {
	return errs.New(errs.NotFound, "The repository %s has no file %s.", q.Repo.Path(), path).WithRule("maven/file")
}

func (d *Door) readArtifact(w http.ResponseWriter, r *http.Request, q *door.Request, l *location) error {
	p, err := q.Project(r.Context(), l.norm())
	if err != nil && !errs.Is(err, errs.NotFound) {
		return err
	}
	var f *registry.File
	moving := false
	if p != nil {
		f = p.File(l.path)
		if rel := p.Release(l.version); f == nil && rel != nil && l.snapshot() && l.fileVersion == l.version {
			// Clients ask for the literal -SNAPSHOT name where no metadata led them to a build.
			f, moving = newestOf(rel, l.classifier, l.extension), true
		}
	}
	if f == nil {
		return d.readOwnPart(w, r, q, l)
	}
	if l.sum != "" {
		if err := q.Released(p, f); err != nil {
			return err
		}
		serveSum(w, r, q, &f.Digests, l.sum, f.UploadedAt, moving)
		return nil
	}
	_, signature := l.signed()
	return q.ServeFile(w, r, p, f, door.FileOptions{Header: checksumHeader(&f.Digests), Moving: moving, Uncounted: signature})
}

// serveSum answers a checksum file: bare lower-case hex without a newline, as Maven itself writes it (maven.md §3).
func serveSum(w http.ResponseWriter, r *http.Request, q *door.Request, s *digest.Set, kind string, modified time.Time, moving bool) {
	hex, _ := s.Hex(kind)
	h := w.Header()
	h.Set("Content-Type", "text/plain")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("ETag", `"`+hex+`"`)
	switch {
	case moving:
		h.Set("Cache-Control", "no-cache")
	case q.Open(nil):
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	default:
		h.Set("Cache-Control", "private, max-age=31536000, immutable")
	}
	http.ServeContent(w, r, "", modified, strings.NewReader(hex))
}

// readOwnPart lets the uploader, and nobody else, see the parts of a deployment that is not closed yet.
func (d *Door) readOwnPart(w http.ResponseWriter, r *http.Request, q *door.Request, l *location) error {
	if q.Principal.IsAnonymous() {
		return notHere(q, l.path)
	}
	ctx := r.Context()
	repo, err := d.house.Registry.UploadTarget(ctx, q.Repo)
	if err != nil {
		return notHere(q, l.path)
	}
	st, err := d.house.Intake.FindStage(ctx, repo, stageKind, stageKey(l, q.Principal), q.Principal.Name)
	if errs.Is(err, errs.NotFound) {
		return notHere(q, l.path)
	}
	if err != nil {
		return err
	}
	part, ok, err := d.part(ctx, st.ID, l.path)
	if err != nil {
		return err
	}
	if !ok {
		return notHere(q, l.path)
	}
	return servePart(w, r, part, l)
}

// readMetadata renders the level that the path stands for: V below a snapshot's directory, else A, else G, and where a path
// is both a project's and a group's, one document for both.
func (d *Door) readMetadata(w http.ResponseWriter, r *http.Request, q *door.Request, l *location) error {
	ctx := r.Context()
	if l.version != "" {
		p, err := q.Project(ctx, l.norm())
		if err != nil {
			return err
		}
		v := q.View(p)
		rel := p.Release(l.version)
		if !shown(v, rel) {
			return notHere(q, l.path)
		}
		return d.document(w, r, q, l, v, l.version, func() ([]byte, bool) { return snapshotMetadata(p, rel) })
	}
	plugins, state, err := d.plugins(ctx, q, l.dirGroup)
	if err != nil {
		return err
	}
	v, err := d.project(ctx, q, l)
	if err != nil {
		return err
	}
	if v.Project == nil && len(plugins) == 0 {
		return notHere(q, l.path)
	}
	representation := "metadata"
	if len(plugins) > 0 {
		representation += "+" + strconv.FormatInt(state, 10)
	}
	return d.document(w, r, q, l, v, representation, func() ([]byte, bool) { return projectMetadata(v, plugins), true })
}

// project is the view of the project that an A level path names; its Project is nil if there is none to be seen.
func (d *Door) project(ctx context.Context, q *door.Request, l *location) (registry.View, error) {
	if l.artifact == "" {
		return registry.View{}, nil
	}
	p, err := q.Project(ctx, l.norm())
	if errs.Is(err, errs.NotFound) {
		return registry.View{}, nil
	}
	if err != nil {
		return registry.View{}, err
	}
	if v := q.View(p); slices.ContainsFunc(v.Releases, choosable) {
		return v, nil
	}
	return registry.View{}, nil
}

func shown(v registry.View, rel *registry.Release) bool {
	return rel != nil && slices.Contains(v.Releases, rel)
}

// document answers a metadata document or one of its checksums, each made from the very same bytes and kept until the
// project changes.
func (d *Door) document(w http.ResponseWriter, r *http.Request, q *door.Request, l *location, v registry.View, representation string,
	render func() (doc []byte, ok bool),
) error {
	key := door.DocumentKey{Repo: q.Repo.ID, Epoch: q.Source.Epoch(), Project: l.path, Representation: representation + "." + l.sum}
	modified := d.house.Clock.Now()
	if v.Project != nil {
		key.Revision, modified = v.Revision, v.UpdatedAt
	}
	doc, err := d.house.Documents.Get(r.Context(), key, func(context.Context) (door.Rendered, error) {
		body, ok := render()
		if !ok {
			return door.Rendered{}, notHere(q, l.path)
		}
		return rendered(body, l.sum, modified, v.Until), nil
	})
	if err != nil {
		return err
	}
	door.ServeDocument(w, r, doc, door.DocumentOptions{Private: !q.Open(nil)})
	return nil
}

// rendered is a generated file, or the checksum of one.
func rendered(body []byte, sum string, modified, until time.Time) door.Rendered {
	set := digest.SetOf(body)
	if sum != "" {
		hex, _ := set.Hex(sum)
		return door.Rendered{Body: []byte(hex), ContentType: "text/plain", Modified: modified, Until: until}
	}
	return door.Rendered{Body: body, ContentType: "text/xml", Modified: modified, Until: until, Header: checksumHeader(&set)}
}
