package composer

import (
	"net/http"

	"bonded/internal/door"
	"bonded/internal/errs"
)

// serveDist answers the bytes of one upload (composer.md §4).
func serveDist(w http.ResponseWriter, r *http.Request, q *door.Request) error {
	d, err := parseDistPath(q.Path)
	if err != nil {
		return err
	}
	p, err := q.Project(r.Context(), d.name)
	if err != nil {
		return err
	}
	f := p.File(d.path())
	if f == nil {
		return errs.New(errs.NotFound, "%s has no %s with the reference %s.", p.Display, d.version, d.reference).WithRule("composer/dist").
			WithNext("Run `composer update %s` to lock what is published now.", p.Display)
	}
	return q.ServeFile(w, r, p, f, door.FileOptions{ContentType: "application/zip"})
}
