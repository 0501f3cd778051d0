package maven

import (
	"context"
	"crypto/subtle"
	"io"
	"net/http"
	"strings"

	"bonded/internal/digest"
	"bonded/internal/door"
	"bonded/internal/errs"
	"bonded/internal/intake"
	"bonded/internal/registry"
)

// maxChecksum bounds the body of a checksum file.
const maxChecksum = 4 << 10

// putChecksum compares a checksum with the file that it is about. It is never stored: what is served is always computed. A
// wrong one fails here and, because clients only warn of that, again when the deployment is closed (maven.md §3).
func (d *Door) putChecksum(w http.ResponseWriter, r *http.Request, q *door.Request, repo *registry.Repository, p *registry.Project, l *location) error {
	ctx := r.Context()
	body, err := readChecksum(r.Body)
	if err != nil {
		return err
	}
	if p != nil {
		if f := p.File(l.path); f != nil {
			if err := compareSum(l, body, &f.Digests); err != nil {
				return err
			}
			w.WriteHeader(http.StatusCreated)
			return nil
		}
	}
	st, err := d.house.Intake.FindStage(ctx, repo, stageKind, stageKey(l, q.Principal), q.Principal.Name)
	if err != nil && !errs.Is(err, errs.NotFound) {
		return err
	}
	var part intake.StagePart
	found := false
	if err == nil {
		if part, found, err = d.part(ctx, st.ID, l.path); err != nil {
			return err
		}
	}
	if !found {
		return orphanSum(l)
	}
	wrong := compareSum(l, body, &part.Digests)
	if wrong == nil && p != nil && len(published(p, l)) > 0 {
		if err := d.close(ctx, repo, q.Principal, st, nil); err != nil {
			return err
		}
	}
	if wrong == nil {
		w.WriteHeader(http.StatusCreated)
		return nil
	}
	if err := d.invalidate(ctx, st, errs.Public(wrong).What); err != nil {
		return err
	}
	return wrong
}

// compareSum reads the first word of a checksum file, so that "hash  name" passes too, and compares.
func compareSum(l *location, body []byte, set *digest.Set) error {
	is, _ := set.Hex(l.sum)
	first, _, _ := strings.Cut(strings.TrimSpace(string(body)), " ")
	if subtle.ConstantTimeCompare([]byte(strings.ToLower(first)), []byte(is)) == 1 {
		return nil
	}
	return errs.New(errs.Invalid, "The %s of %s does not fit the file that arrived: it is %s.", l.sum, l.path, is).
		WithRule("maven/checksum").WithNext("The file was damaged on its way; deploy again.")
}

// maxInvalid bounds how many wrong checksums a deployment remembers.
const maxInvalid = 20

func (d *Door) invalidate(ctx context.Context, st *intake.Stage, why string) error {
	_, err := d.house.Intake.EditStage(ctx, st.ID, func(s *intake.Stage) error {
		dep, err := deploymentOf(s)
		if err != nil {
			return err
		}
		if len(dep.Invalid) < maxInvalid {
			dep.Invalid = append(dep.Invalid, why)
		}
		s.Detail = dep.text()
		return nil
	})
	return err
}

// readChecksum reads the body of a checksum file.
func readChecksum(r io.Reader) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, maxChecksum+1))
	if err != nil || len(body) > maxChecksum {
		return nil, errs.New(errs.Invalid, "The checksum file is longer than %d bytes or ended early.", maxChecksum).WithRule("maven/checksum").Because(err)
	}
	return body, nil
}

func orphanSum(l *location) error {
	return errs.New(errs.Invalid, "The checksum of %s came without the file.", l.path).WithRule("maven/checksum-orphan").WithNext("Upload the file first.")
}
