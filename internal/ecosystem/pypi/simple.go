package pypi

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"bonded/internal/door"
	"bonded/internal/errs"
	"bonded/internal/registry"
)

// apiVersion of the JSON pages: 1.5 may only be said by who implements namespaces (pypi.md §1.3).
const apiVersion = "1.4"

// uploadTime is the form of times in pages, with as many decimals as every client reads (pypi.md §1.4).
const uploadTime = "2006-01-02T15:04:05.000000Z"

// serveSimple answers below simple/ (pypi.md §1.1); path is what follows.
func (d *Door) serveSimple(w http.ResponseWriter, r *http.Request, q *door.Request, path []string) error {
	switch {
	case len(path) == 0:
		redirect(w, r, http.StatusMovedPermanently, q.Base+"/simple/")
		return nil
	case len(path) == 1 && path[0] == "":
		return d.serveList(w, r, q)
	case len(path) > 2 || len(path) == 2 && path[1] != "":
		return noSuchPage(q)
	}
	norm, ok := NormalizeName(path[0])
	if !ok {
		return errs.New(errs.NotFound, "%s cannot be the name of a project.", quoted(path[0])).WithRule("pypi/name-charset")
	}
	if norm != path[0] || len(path) == 1 {
		redirect(w, r, http.StatusMovedPermanently, q.Base+"/simple/"+norm+"/")
		return nil
	}
	return serveDetail(w, r, q, norm)
}

// serveDetail answers simple/{normalized}/.
func serveDetail(w http.ResponseWriter, r *http.Request, q *door.Request, norm string) error {
	p, err := q.Project(r.Context(), norm)
	if err != nil {
		return err
	}
	form := negotiate(r)
	doc, err := q.House.Documents.Get(r.Context(), door.DocumentKey{
		Repo: p.Repo.ID, Epoch: q.Source.Epoch(), Project: norm, Revision: p.Revision, Representation: form.name, Base: q.Base,
	}, func(context.Context) (door.Rendered, error) {
		v := q.View(p)
		out := door.Rendered{ContentType: form.contentType, Modified: p.UpdatedAt, Until: v.Until, Header: serialHeader(p.Revision)}
		var err error
		out.Body, err = renderDetail(v, q.Base, form)
		return out, err
	})
	if err != nil {
		return err
	}
	door.ServeDocument(w, r, doc, door.DocumentOptions{Private: !q.Open(p), VaryAccept: true})
	return nil
}

func serialHeader(serial int64) http.Header {
	return http.Header{"X-Pypi-Last-Serial": {strconv.FormatInt(serial, 10)}}
}

// The JSON forms of pypi.md §1.4. The order of the fields is the order of the keys.
type (
	simpleMeta struct {
		LastSerial int64  `json:"_last-serial"`
		APIVersion string `json:"api-version"`
	}
	simpleDetail struct {
		Meta     simpleMeta    `json:"meta"`
		Name     string        `json:"name"`
		Status   projectStatus `json:"project-status"`
		Versions []string      `json:"versions"`
		Files    []simpleFile  `json:"files"`
	}
	projectStatus struct {
		Status registry.Status `json:"status"`
		Reason string          `json:"reason,omitempty"`
	}
	// simpleFile never holds a null: uv fails on one for size, upload-time and yanked (pypi.md §1.6).
	simpleFile struct {
		Filename       string            `json:"filename"`
		URL            string            `json:"url"`
		Hashes         map[string]string `json:"hashes"`
		RequiresPython string            `json:"requires-python,omitempty"`
		Size           int64             `json:"size"`
		UploadTime     string            `json:"upload-time"`
		Yanked         any               `json:"yanked"` // false, true or the reason
		CoreMetadata   map[string]string `json:"core-metadata,omitempty"`
	}
	simpleList struct {
		Meta     simpleMeta      `json:"meta"`
		Projects []simpleProject `json:"projects"`
	}
	simpleProject struct {
		LastSerial int64  `json:"_last-serial"`
		Name       string `json:"name"`
	}
)

// renderDetail makes the page of a project. A quarantined one has no files, and an empty page is a page (pypi.md §1.1).
func renderDetail(v registry.View, base string, form representation) ([]byte, error) {
	d := simpleDetail{
		Meta: simpleMeta{v.Revision, apiVersion}, Name: v.Norm, Status: projectStatus{v.Status, v.StatusReason},
		Versions: []string{}, Files: []simpleFile{},
	}
	for _, r := range v.Releases {
		files := distributions(r)
		if len(files) == 0 {
			continue
		}
		d.Versions = append(d.Versions, r.Version)
		for _, f := range files {
			d.Files = append(d.Files, fileOf(v.Project, r, f, base))
		}
	}
	if form.json {
		return marshal(d)
	}
	return d.html(), nil
}

// distributions are a release's files less the sidecars, by name.
func distributions(r *registry.Release) []*registry.File {
	files := make([]*registry.File, 0, len(r.Files))
	for _, f := range r.Files {
		if f.Kind != KindMetadata {
			files = append(files, f)
		}
	}
	slices.SortFunc(files, func(a, b *registry.File) int { return strings.Compare(a.Name(), b.Name()) })
	return files
}

func fileOf(p *registry.Project, r *registry.Release, f *registry.File, base string) simpleFile {
	out := simpleFile{
		Filename: f.Name(), URL: base + "/" + FileURL(f.Digests.SHA256, f.Name()),
		Hashes:         map[string]string{"sha256": f.Digests.SHA256.String()},
		RequiresPython: detailOf(f).RequiresPython, Size: f.Digests.Size,
		UploadTime: f.UploadedAt.UTC().Format(uploadTime), Yanked: r.Yanked,
	}
	if r.Yanked && r.YankReason != "" {
		out.Yanked = r.YankReason
	}
	// Advertised only because it is there to be served, and with the digest of its own bytes (pypi.md §10).
	if m := p.File(f.Path + metadataSuffix); m != nil {
		out.CoreMetadata = map[string]string{"sha256": m.Digests.SHA256.String()}
	}
	return out
}

// marshal writes JSON with "<" and ">" as themselves, which specifiers are full of.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return b.Bytes(), err
}

// serveList answers simple/.
func (d *Door) serveList(w http.ResponseWriter, r *http.Request, q *door.Request) error {
	m, err := d.membersOf(r.Context(), q)
	if err != nil {
		return err
	}
	form := negotiate(r)
	doc, err := q.House.Documents.Get(r.Context(), m.key(q, form.name), func(ctx context.Context) (door.Rendered, error) {
		names, err := m.names(ctx, q)
		if err != nil {
			return door.Rendered{}, err
		}
		list := simpleList{Meta: simpleMeta{m.serial, apiVersion}, Projects: make([]simpleProject, 0, len(names))}
		for _, n := range names {
			list.Projects = append(list.Projects, simpleProject{n.Revision, n.Display})
		}
		out := door.Rendered{ContentType: form.contentType, Header: serialHeader(m.serial)}
		if form.json {
			out.Body, err = marshal(list)
		} else {
			out.Body = list.html(names)
		}
		return out, err
	})
	if err != nil {
		return err
	}
	door.ServeDocument(w, r, doc, door.DocumentOptions{Private: m.private, VaryAccept: true})
	return nil
}

// isoTime is the JSON API's other form of times, without a zone (pypi.md §3).
func isoTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05") }
