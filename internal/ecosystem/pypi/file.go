package pypi

import (
	"net/http"

	"bonded/internal/door"
	"bonded/internal/errs"
)

// serveFile answers files/…: distributions and, beside wheels, their .metadata (pypi.md §1.5).
func serveFile(w http.ResponseWriter, r *http.Request, q *door.Request) error {
	at, ok := parseFilePath(q.Path)
	if !ok {
		return noSuchFile(q)
	}
	p, err := q.Project(r.Context(), at.norm)
	if err != nil {
		return err
	}
	dist, file := p.File(FilePath(at.norm, at.filename)), p.File(at.stored())
	if dist == nil || file == nil {
		return noSuchFile(q)
	}
	if at.sha256.IsZero() {
		to := q.Base + "/" + FileURL(dist.Digests.SHA256, dist.Name())
		if at.sidecar {
			to += metadataSuffix
		}
		redirect(w, r, http.StatusFound, to)
		return nil
	}
	if at.sha256 != dist.Digests.SHA256 {
		return noSuchFile(q)
	}
	return q.ServeFile(w, r, p, file, door.FileOptions{Uncounted: at.sidecar})
}

func noSuchFile(q *door.Request) error {
	return errs.New(errs.NotFound, "There is no such file here.").WithRule("pypi/path").
		WithNext("Take file addresses from the project's page below %s/simple/.", q.Base)
}
