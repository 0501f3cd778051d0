package maven

import (
	"context"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"bonded/internal/door"
	"bonded/internal/errs"
	"bonded/internal/intake"
)

// A staging area is a deploy target of the caller's own below {repository}/api/v1/publisher/staging/{name}/: what any number of
// builds and jobs deploy there stays hidden until one POST to its name publishes all of it in one transaction. The protocol
// itself has no way to say that several modules belong together (maven.md §5).

// stagingKind is the kind of their stages.
const stagingKind = "maven-staging"

var stagingName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

// staging answers for a staging area: the whole of it, or a file in it.
func (a *api) staging(w http.ResponseWriter, r *http.Request, rest string) error {
	name, file, _ := strings.Cut(rest, "/")
	if !stagingName.MatchString(name) {
		return errs.New(errs.Invalid, "%q cannot name a staging area.", name).WithRule("maven/staging-name").
			WithNext("Use letters, digits, \".\", \"-\" and \"_\", at most 100.")
	}
	if file != "" {
		return a.stagedFile(w, r, name, file)
	}
	switch r.Method {
	case http.MethodGet:
		return a.stagingStatus(w, r, name)
	case http.MethodPost:
		if err := a.publishStaging(r.Context(), name); err != nil {
			return err
		}
	case http.MethodDelete:
		if err := a.dropStaging(r.Context(), name); err != nil {
			return err
		}
	default:
		methodNotAllowed(w, r, "GET, POST, DELETE")
		return nil
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// area finds the caller's newest staging area of that name, in any state.
func (a *api) area(ctx context.Context, name string) (*intake.Stage, error) {
	all, err := a.d.house.Intake.StagesOf(ctx, a.repo, stagingKind, a.q.Principal.Name)
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(all, func(st *intake.Stage) bool { return st.Key == name }); i >= 0 {
		return all[i], nil
	}
	return nil, errs.New(errs.NotFound, "You have no staging area %q in %s.", name, a.repo.Path()).WithRule("maven/staging").
		WithNext("Deploying to it makes one.")
}

// stagedFile answers for one file of a staging area, the way the repository itself would, but for its own parts only.
func (a *api) stagedFile(w http.ResponseWriter, r *http.Request, name, file string) error {
	path, err := unescapePath(file)
	if err != nil {
		return err
	}
	l, err := parsePath(path)
	if err != nil {
		return err
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		st, err := a.area(r.Context(), name)
		if err != nil {
			return err
		}
		part, ok, err := a.d.part(r.Context(), st.ID, l.path)
		if err != nil {
			return err
		}
		if !ok || l.sort == metadata {
			return notHere(a.q, path)
		}
		return servePart(w, r, part, l)
	case http.MethodPut:
		return a.putStaged(w, r, name, l)
	default:
		methodNotAllowed(w, r, "GET, HEAD, PUT")
		return nil
	}
}

func (a *api) putStaged(w http.ResponseWriter, r *http.Request, name string, l *location) error {
	ctx := r.Context()
	if l.sort == metadata || strings.HasSuffix(l.path, sigstoreSuffix+pgpSuffix) {
		return discard(w, r)
	}
	if l.snapshot() {
		return errs.New(errs.Invalid, "A staging area holds releases only.").WithRule("maven/staging-snapshot").WithNext("Deploy snapshots directly.")
	}
	p, err := a.d.mayDeploy(ctx, a.q, a.repo, l)
	if err != nil {
		return err
	}
	if _, err := a.d.alreadyPublished(p, l, r.ContentLength); err != nil {
		return err
	}
	line := a.d.house.Intake
	st, err := line.OpenStage(ctx, a.repo, stagingKind, name, a.q.Principal.Name, portalLife)
	if err != nil {
		return err
	}
	if l.sum != "" {
		return a.stagedChecksum(w, r, st, l)
	}
	if limit := line.FileLimit(a.repo); r.ContentLength > limit {
		return tooLarge(a.repo, limit)
	}
	bytes, err := line.Receive(ctx, a.repo, r.Body)
	if err != nil {
		return err
	}
	defer bytes.Discard()
	err = line.AddPart(ctx, st, l.path, bytes, "")
	if err != nil && errs.Public(err).Rule == intake.RulePartUsed {
		return errs.New(errs.Conflict, "%s is in the staging area %q already, with other bytes.", l.path, name).WithRule("maven/staging-used").
			WithNext("Drop the area with DELETE %s/%sstaging/%s, or deploy to another one.", a.q.Base, apiPrefix, name)
	}
	if err != nil {
		return err
	}
	w.Header().Set(deploymentHeader, st.ID)
	w.WriteHeader(http.StatusCreated)
	return nil
}

func (a *api) stagedChecksum(w http.ResponseWriter, r *http.Request, st *intake.Stage, l *location) error {
	body, err := readChecksum(r.Body)
	if err != nil {
		return err
	}
	part, staged, err := a.d.part(r.Context(), st.ID, l.path)
	if err != nil {
		return err
	}
	if !staged {
		return orphanSum(l)
	}
	if wrong := compareSum(l, body, &part.Digests); wrong != nil {
		if err := a.d.invalidate(r.Context(), st, errs.Public(wrong).What); err != nil {
			return err
		}
		return wrong
	}
	w.WriteHeader(http.StatusCreated)
	return nil
}

func (a *api) stagingStatus(w http.ResponseWriter, r *http.Request, name string) error {
	st, err := a.area(r.Context(), name)
	if err != nil {
		return err
	}
	status, err := a.d.statusOf(r.Context(), st)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	door.WriteJSON(w, http.StatusOK, status)
	return nil
}

// publishStaging publishes all of an area in one transaction. Again after success it changes nothing.
func (a *api) publishStaging(ctx context.Context, name string) error {
	st, err := a.area(ctx, name)
	if err != nil {
		return err
	}
	return a.publishArea(ctx, st)
}

func (a *api) publishArea(ctx context.Context, st *intake.Stage) error {
	line := a.d.house.Intake
	var dep deployment
	st, err := line.EditStage(ctx, st.ID, func(s *intake.Stage) error {
		var err error
		if dep, err = deploymentOf(s); err != nil {
			return err
		}
		switch s.State {
		case intake.StageOpen:
			s.State = intake.StageValidated // takes no more parts
		case intake.StageFailed:
			return failed(s, dep)
		case intake.StageValidated, intake.StagePublished:
		}
		return nil
	})
	if err != nil || st.State == intake.StagePublished {
		return err
	}
	err = a.publishStaged(ctx, st, dep)
	_, mark := line.EditStage(context.WithoutCancel(ctx), st.ID, func(s *intake.Stage) error {
		switch {
		case err == nil:
			s.State = intake.StagePublished
		case retryable(err):
			s.State = intake.StageOpen
		default:
			dep.Error = errs.Public(err).Sentence()
			s.State, s.Detail = intake.StageFailed, dep.text()
		}
		return nil
	})
	if err != nil {
		return err
	}
	return mark
}

func (a *api) publishStaged(ctx context.Context, st *intake.Stage, dep deployment) error {
	if len(dep.Invalid) > 0 {
		return errs.New(errs.Invalid, "Nothing of %s was published. %s", st.Key, strings.Join(dep.Invalid, " ")).WithRule("maven/checksum")
	}
	return a.publishAll(ctx, st)
}

func (a *api) dropStaging(ctx context.Context, name string) error {
	st, err := a.area(ctx, name)
	if err != nil {
		return err
	}
	return a.drop(ctx, st)
}
