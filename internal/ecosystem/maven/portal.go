package maven

import (
	"net/http"

	"bonded/internal/door"
)

func (d *Door) portal(w http.ResponseWriter, r *http.Request, q *door.Request, path string) error {
	return notHere(q, path)
}
