package registry

import (
	"context"

	"bonded/internal/clock"
	"bonded/internal/errs"
	"bonded/internal/events"
)

// The kinds of tombstone.
const (
	tombstoneFile    = "file"
	tombstoneRelease = "release"
	tombstoneProject = "project"
)

// DeleteRelease removes a release and leaves tombstones: neither its version nor its file names can be used again.
func (c *Change) DeleteRelease(ctx context.Context, p *Project, unique, reason string) error {
	r, err := releaseOf(p, unique)
	if err != nil {
		return err
	}
	if p.LegalHold {
		return errs.New(errs.Forbidden, "%s is under a legal hold, so nothing of it can be deleted.", p.Display).WithRule("registry/legal-hold")
	}
	if err := c.removeRelease(ctx, p, r, reason); err != nil {
		return err
	}
	c.Note(events.ReleaseDeleted, p.Repo.ID, p.Norm, unique, map[string]string{"reason": reason})
	return nil
}

func (c *Change) removeRelease(ctx context.Context, p *Project, r *Release, reason string) error {
	if err := c.bury(ctx, p.Repo.ID, tombstoneRelease, p.Norm+"\n"+r.Unique, "", reason); err != nil {
		return err
	}
	if err := c.removeFiles(ctx, p, r.Files, reason); err != nil {
		return err
	}
	for _, stmt := range []string{
		"delete from release_readme where release_id = $1",
		"delete from release where id = $1",
	} {
		if _, err := c.tx.Exec(ctx, stmt, r.ID); err != nil {
			return err
		}
	}
	_, err := c.tx.Exec(ctx, "delete from tag where project_id = $1 and uniq = $2", p.ID, r.Unique)
	return err
}

func (c *Change) removeFiles(ctx context.Context, p *Project, files []*File, reason string) error {
	for _, f := range files {
		if err := c.bury(ctx, p.Repo.ID, tombstoneFile, f.Path, f.Digests.SHA256.String(), reason); err != nil {
			return err
		}
		if _, err := c.tx.Exec(ctx, "delete from file where id = $1", f.ID); err != nil {
			return err
		}
	}
	return nil
}

// DeleteFiles removes single files of a moving version (retention of whole builds) and leaves tombstones for their names.
func (c *Change) DeleteFiles(ctx context.Context, p *Project, unique string, files []*File, reason string) error {
	if p.LegalHold {
		return errs.New(errs.Forbidden, "%s is under a legal hold, so nothing of it can be deleted.", p.Display).WithRule("registry/legal-hold")
	}
	if err := c.removeFiles(ctx, p, files, reason); err != nil {
		return err
	}
	c.Note(events.ReleaseDeleted, p.Repo.ID, p.Norm, unique, map[string]any{"reason": reason, "files": len(files)})
	return nil
}

// DeleteProject removes everything of a project but its row: the name stays taken, and every version and file name with it.
func (c *Change) DeleteProject(ctx context.Context, p *Project, reason string) error {
	if p.LegalHold {
		return errs.New(errs.Forbidden, "%s is under a legal hold and cannot be deleted.", p.Display).WithRule("registry/legal-hold")
	}
	for _, r := range p.Releases {
		if err := c.removeRelease(ctx, p, r, reason); err != nil {
			return err
		}
	}
	if err := c.bury(ctx, p.Repo.ID, tombstoneProject, p.Norm, "", reason); err != nil {
		return err
	}
	if _, err := c.tx.Exec(ctx, "delete from tag where project_id = $1", p.ID); err != nil {
		return err
	}
	if _, err := c.tx.Exec(ctx, "update project set status = $1, status_reason = $2, summary = '', keywords = '', latest = '' where id = $3",
		Deleted, reason, p.ID); err != nil {
		return err
	}
	c.Note(events.ProjectDeleted, p.Repo.ID, p.Norm, "", map[string]string{"reason": reason})
	return nil
}

func (c *Change) bury(ctx context.Context, repo int64, kind, key, sha256, reason string) error {
	_, err := c.tx.Exec(ctx, `insert into tombstone (repository_id, kind, key, sha256, reason, at) values ($1,$2,$3,$4,$5,$6)
		on conflict (repository_id, kind, key) do nothing`, repo, kind, key, sha256, reason, clock.Millis(c.now))
	return err
}

// SetLegalHold forbids or allows deletion of anything of the project.
func (c *Change) SetLegalHold(ctx context.Context, p *Project, hold bool) error {
	if _, err := c.tx.Exec(ctx, "update project set legal_hold = $1 where id = $2", hold, p.ID); err != nil {
		return err
	}
	c.Note(events.ProjectChanged, p.Repo.ID, p.Norm, "", map[string]bool{"legal_hold": hold})
	return nil
}
