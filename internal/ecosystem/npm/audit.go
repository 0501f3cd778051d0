package npm

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"

	"bonded/internal/door"
	"bonded/internal/errs"
	"bonded/internal/request"
)

// Bounds of an audit's body: a lock tree is large, and npm sends it compressed (npm.md §2.4).
const (
	maxAuditBody     = 8 << 20
	maxAuditUnpacked = 16 << 20
)

// auditBulk answers the advisories of a list of packages (npm.md §7). There are none to give yet, which `npm audit` is
// told; an installation, which asks too, is not disturbed.
func (d *Door) auditBulk(w http.ResponseWriter, r *http.Request, q *door.Request, _ route) error {
	var asked map[string][]string
	if err := readAudit(r, &asked); err != nil {
		return err
	}
	noteEmptyAudit(w, r)
	door.WriteJSON(w, http.StatusOK, struct{}{})
	return nil
}

// auditQuick is the older form, with the lock tree as its body (npm up to 10, yarn 1).
func (d *Door) auditQuick(w http.ResponseWriter, r *http.Request, _ *door.Request, _ route) error {
	var asked struct {
		Dependencies map[string]json.RawMessage `json:"dependencies"`
	}
	if err := readAudit(r, &asked); err != nil {
		return err
	}
	noteEmptyAudit(w, r)
	n := len(asked.Dependencies)
	door.WriteJSON(w, http.StatusOK, map[string]any{
		"actions": []any{}, "advisories": struct{}{}, "muted": []any{},
		"metadata": map[string]any{
			"vulnerabilities": map[string]int{"info": 0, "low": 0, "moderate": 0, "high": 0, "critical": 0},
			"dependencies":    n, "devDependencies": 0, "optionalDependencies": 0, "totalDependencies": n,
		},
	})
	return nil
}

func noteEmptyAudit(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Npm-Command") == "audit" {
		notice(w, "This registry has no vulnerability data yet: the audit could not find anything.")
	}
}

// readAudit reads a body that may be compressed, within bounds on both sizes.
func readAudit(r *http.Request, into any) error {
	request.AllowBody(r.Context(), maxAuditBody)
	var body io.Reader
	packed := io.LimitReader(r.Body, maxAuditBody+1)
	switch r.Header.Get("Content-Encoding") {
	case "", "identity":
		body = packed
	case "gzip":
		z, err := gzip.NewReader(packed)
		if err != nil {
			return errs.New(errs.Invalid, "The request body is not the gzip stream that it says it is.").WithRule("npm/audit-body")
		}
		body = z
	default:
		return errs.New(errs.Invalid, "The request body may be plain or gzip only.").WithRule("npm/audit-body")
	}
	limited := &io.LimitedReader{R: body, N: maxAuditUnpacked + 1}
	err := json.NewDecoder(limited).Decode(into)
	if limited.N <= 0 {
		return errs.New(errs.TooLarge, "The audit's body unpacks to more than %d bytes.", maxAuditUnpacked).WithRule("npm/audit-size")
	}
	if err != nil {
		return errs.New(errs.Invalid, "The audit's body is not the JSON that belongs here.").WithRule("npm/audit-body").Because(err)
	}
	return nil
}
