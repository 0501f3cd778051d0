package maven

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"bonded/internal/blob"
	"bonded/internal/door"
	"bonded/internal/errs"
	"bonded/internal/intake"
	"bonded/internal/registry"
)

// The publishing portal's API (maven.md §9), below {repository}/api/v1/publisher/. A deployment is a stage of portalKind:
// uploaded as one bundle, validated whole, then published in one transaction or dropped.

const (
	portalKind = "maven-portal"
	// portalLife is how long a deployment waits for its owner.
	portalLife = 14 * 24 * time.Hour
)

// The states of a deployment, as the API writes them.
const (
	statePending    = "PENDING"
	stateValidating = "VALIDATING"
	stateValidated  = "VALIDATED"
	statePublishing = "PUBLISHING"
	statePublished  = "PUBLISHED"
	stateFailed     = "FAILED"
)

// kinds are the kinds of stage that the API answers for.
var kinds = []string{portalKind, stagingKind, stageKind}

// The ways to publish.
const (
	userManaged = "USER_MANAGED"
	automatic   = "AUTOMATIC"
)

// portalDetail is the detail of a portal stage.
type portalDetail struct {
	Name   string   `json:"name"`
	Type   string   `json:"type"`
	State  string   `json:"state"`
	Purls  []string `json:"purls,omitempty"`
	Errors findings `json:"errors,omitempty"`
}

func (p portalDetail) text() string {
	b, _ := json.Marshal(p) // strings always marshal
	return string(b)
}

// portal answers the API. path is what follows its prefix.
func (d *Door) portal(w http.ResponseWriter, r *http.Request, q *door.Request, path string) error {
	repo, err := q.UploadRepo(r.Context())
	if err != nil {
		return err
	}
	a := &api{d: d, q: q, repo: repo}
	call, rest, _ := strings.Cut(path, "/")
	switch {
	case path == "upload":
		return a.only(w, r, http.MethodPost, a.upload)
	case path == "status":
		return a.only(w, r, "GET, POST", a.status)
	case path == "published":
		return a.only(w, r, http.MethodGet, a.published)
	case path == "deployments":
		return a.only(w, r, http.MethodGet, a.list)
	case call == "deployments":
		file, ok := strings.CutPrefix(rest, "download/")
		if !ok {
			return notHere(q, apiPrefix+path)
		}
		return a.download(w, r, "", file)
	case call == "deployment" && rest != "":
		return a.deployment(w, r, rest)
	case call == "staging" && rest != "":
		return a.staging(w, r, rest)
	}
	return notHere(q, apiPrefix+path)
}

// api is one request to the API.
type api struct {
	d    *Door
	q    *door.Request
	repo *registry.Repository
}

func (a *api) only(w http.ResponseWriter, r *http.Request, methods string, fn func(http.ResponseWriter, *http.Request) error) error {
	if !slices.Contains(strings.Split(methods, ", "), r.Method) {
		methodNotAllowed(w, r, methods)
		return nil
	}
	return fn(w, r)
}

// deployment answers for one deployment: publish, drop, or read its files.
func (a *api) deployment(w http.ResponseWriter, r *http.Request, path string) error {
	id, rest, more := strings.Cut(path, "/")
	if file, ok := strings.CutPrefix(rest, "download/"); ok {
		return a.download(w, r, id, file)
	}
	if more {
		return notHere(a.q, apiPrefix+"deployment/"+path)
	}
	st, err := a.stage(r.Context(), id)
	if err != nil {
		return err
	}
	switch r.Method {
	case http.MethodPost:
		err = a.publish(r.Context(), st)
	case http.MethodDelete:
		err = a.drop(r.Context(), st)
	default:
		methodNotAllowed(w, r, "POST, DELETE")
		return nil
	}
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// stage finds a deployment of the caller's. Anybody else's is as good as absent.
func (a *api) stage(ctx context.Context, id string) (*intake.Stage, error) {
	st, err := a.d.house.Intake.StageByID(ctx, id)
	if err != nil && !errs.Is(err, errs.NotFound) {
		return nil, err
	}
	if err != nil || st.RepositoryID != a.repo.ID || st.Principal != a.q.Principal.Name || !slices.Contains(kinds, st.Kind) {
		return nil, errs.New(errs.NotFound, "You have no deployment %q in %s.", id, a.repo.Path()).WithRule("maven/deployment").
			WithNext("Deployments that nobody publishes are dropped after %d days.", int(portalLife.Hours()/24))
	}
	return st, nil
}

// upload takes a bundle, validates it, and publishes it at once if that was asked. The answer is the deployment's id also when
// validation fails: the status tells what is missing.
func (a *api) upload(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	query := r.URL.Query()
	detail := portalDetail{Name: query.Get("name"), Type: query.Get("publishingType"), State: statePending}
	if detail.Type == "" {
		detail.Type = userManaged
	}
	if (detail.Type != userManaged && detail.Type != automatic) || len(detail.Name) > 256 {
		return errs.New(errs.Invalid, "publishingType is %s or %s, and name has at most 256 characters.", userManaged, automatic).WithRule("maven/publishing-type")
	}
	if err := policy(a.repo, false); err != nil {
		return err
	}
	bundle, err := a.receive(ctx, r)
	if err != nil {
		return err
	}
	defer bundle.Discard()
	line := a.d.house.Intake
	st, err := line.OpenStage(ctx, a.repo, portalKind, rand.Text(), a.q.Principal.Name, portalLife)
	if err != nil {
		return err
	}
	detail.State = stateValidating
	if err := line.SetStage(ctx, st.ID, intake.StageOpen, detail.text(), intake.StageOpen); err != nil {
		return err
	}
	if err := a.examine(ctx, st, bundle, &detail); err != nil {
		if drop := line.DropStage(context.WithoutCancel(ctx), st.ID); drop != nil {
			a.d.house.Log.WarnContext(ctx, "a broken deployment could not be dropped", slog.String("stage", st.ID), slog.Any("error", drop))
		}
		return err
	}
	if detail.State == stateValidated && detail.Type == automatic {
		if st, err = line.StageByID(ctx, st.ID); err != nil {
			return err
		}
		if err := a.publish(ctx, st); err != nil && retryable(err) {
			return err
		}
	}
	w.Header().Set("Content-Type", "text/plain")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(http.StatusCreated)
	_, _ = io.WriteString(w, st.ID) // the client may be gone
	return nil
}

// receive stages the multipart part "bundle".
func (a *api) receive(ctx context.Context, r *http.Request) (*blob.Staged, error) {
	form, err := r.MultipartReader()
	if err != nil {
		return nil, errs.New(errs.Invalid, "The upload is not a multipart form.").WithRule("maven/bundle").
			WithNext("Send the bundle as the form's part \"bundle\": curl --form bundle=@bundle.zip.").Because(err)
	}
	for range 8 {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, errs.New(errs.Invalid, "The multipart form cannot be read.").WithRule("maven/bundle").Because(err)
		}
		if part.FormName() == "bundle" {
			return a.d.house.Intake.Receive(ctx, a.repo, part)
		}
	}
	return nil, errs.New(errs.Invalid, "The form has no part \"bundle\".").WithRule("maven/bundle").WithNext("Send curl --form bundle=@bundle.zip.")
}

// examine unpacks and validates a bundle, and stores the outcome.
func (a *api) examine(ctx context.Context, st *intake.Stage, bundle *blob.Staged, detail *portalDetail) error {
	found := findings{}
	u := &unpacker{d: a.d, repo: a.repo, stage: st, sums: map[string]string{}, found: found}
	if err := u.unpack(ctx, bundle); err != nil {
		return err
	}
	parts, err := a.d.house.Intake.Parts(ctx, st.ID)
	if err != nil {
		return err
	}
	all, err := componentsOf(parts)
	if err != nil {
		return err
	}
	v := &validator{d: a.d, q: a.q, repo: a.repo, sums: u.sums, found: found}
	if err := v.validate(ctx, all); err != nil {
		return err
	}
	for _, c := range all {
		detail.Purls = append(detail.Purls, c.purl())
	}
	state := intake.StageValidated
	detail.State, detail.Errors = stateValidated, nil
	if len(found) > 0 {
		state, detail.State, detail.Errors = intake.StageFailed, stateFailed, found
	}
	return a.d.house.Intake.SetStage(ctx, st.ID, state, detail.text(), intake.StageOpen)
}

func retryable(err error) bool {
	switch errs.KindOf(err) {
	case errs.Internal, errs.Unavailable, errs.RateLimited:
		return true
	default:
		return false
	}
}

// publish makes all of a validated deployment visible in one transaction. One that is being published already, because an
// earlier request was cut off, is published again, which changes nothing where it succeeded.
func (a *api) publish(ctx context.Context, st *intake.Stage) error {
	switch st.Kind {
	case stageKind:
		return a.d.close(ctx, a.repo, a.q.Principal, st, nil)
	case stagingKind:
		return a.publishArea(ctx, st)
	}
	if st.State == intake.StagePublished {
		return nil // the answer to an earlier request was lost
	}
	line := a.d.house.Intake
	var detail portalDetail
	move := func(to intake.StageState, state string, from ...intake.StageState) error {
		_, err := line.EditStage(context.WithoutCancel(ctx), st.ID, func(s *intake.Stage) error {
			if err := json.Unmarshal([]byte(s.Detail), &detail); err != nil {
				return err
			}
			if !slices.Contains(from, s.State) {
				return errs.New(errs.Conflict, "The deployment %s is %s and cannot be published.", s.ID, detail.State).WithRule("maven/deployment-state")
			}
			detail.State = state
			s.State, s.Detail = to, detail.text()
			return nil
		})
		return err
	}
	if err := move(intake.StageValidated, statePublishing, intake.StageValidated); err != nil {
		return err
	}
	err := a.publishAll(ctx, st)
	switch {
	case err == nil:
		return move(intake.StagePublished, statePublished, intake.StageValidated, intake.StagePublished)
	case retryable(err):
		return errors.Join(err, move(intake.StageValidated, stateValidated, intake.StageValidated))
	}
	_, mark := line.EditStage(context.WithoutCancel(ctx), st.ID, func(s *intake.Stage) error {
		detail.State, detail.Errors = stateFailed, findings{common: {errs.Public(err).Sentence()}}
		s.State, s.Detail = intake.StageFailed, detail.text()
		return nil
	})
	if mark != nil {
		return mark
	}
	return err
}

func (a *api) publishAll(ctx context.Context, st *intake.Stage) error {
	parts, err := a.d.house.Intake.Parts(ctx, st.ID)
	if err != nil {
		return err
	}
	all, err := componentsOf(parts)
	if err != nil {
		return err
	}
	subs, err := submissions(a.repo, a.q, all)
	if err != nil {
		return err
	}
	_, err = a.d.house.Intake.PublishAll(ctx, subs)
	return err
}

// drop removes a deployment that is not published.
func (a *api) drop(ctx context.Context, st *intake.Stage) error {
	if _, err := a.d.house.Intake.EditStage(ctx, st.ID, func(s *intake.Stage) error {
		status, err := stateOf(s)
		if err != nil {
			return err
		}
		if status.State == statePublished || status.State == statePublishing {
			return errs.New(errs.Conflict, "The deployment %s is published and cannot be dropped.", s.ID).WithRule("maven/deployment-state")
		}
		s.State = intake.StageFailed // nobody publishes it between this and the drop
		return nil
	}); err != nil {
		return err
	}
	return a.d.house.Intake.DropStage(ctx, st.ID)
}

// deploymentStatus is the API's answer about one deployment.
type deploymentStatus struct {
	ID     string   `json:"deploymentId"`
	Name   string   `json:"deploymentName"`
	State  string   `json:"deploymentState"`
	Purls  []string `json:"purls"`
	Errors findings `json:"errors"`
}

// statusOf reads the status of a stage of any of the kinds.
func (d *Door) statusOf(ctx context.Context, st *intake.Stage) (deploymentStatus, error) {
	out, err := stateOf(st)
	if err != nil || st.Kind == portalKind {
		return out, err
	}
	parts, err := d.house.Intake.Parts(ctx, st.ID)
	if err != nil {
		return out, err
	}
	all, err := componentsOf(parts)
	for _, c := range all {
		out.Purls = append(out.Purls, c.purl())
	}
	return out, err
}

// stateOf is what the stage itself says. A plain deployment or a staging area is PENDING until it is closed.
func stateOf(st *intake.Stage) (deploymentStatus, error) {
	out := deploymentStatus{ID: st.ID, State: statePending, Purls: []string{}, Errors: findings{}}
	if st.Kind == portalKind {
		var detail portalDetail
		if err := json.Unmarshal([]byte(st.Detail), &detail); err != nil {
			return out, err
		}
		out.Name, out.State = detail.Name, detail.State
		out.Purls = append(out.Purls, detail.Purls...)
		maps.Copy(out.Errors, detail.Errors)
		return out, nil
	}
	dep, err := deploymentOf(st)
	out.Name, _, _ = strings.Cut(st.Key, "#")
	switch st.State {
	case intake.StageFailed:
		out.State, out.Errors[common] = stateFailed, []string{dep.Error}
	case intake.StagePublished:
		out.State = statePublished
	case intake.StageValidated:
		out.State = statePublishing
	case intake.StageOpen:
	}
	return out, err
}

func (a *api) status(w http.ResponseWriter, r *http.Request) error {
	st, err := a.stage(r.Context(), r.URL.Query().Get("id"))
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

// list answers with the caller's deployments, newest first: bundles, and plain deployments that are not closed or failed.
func (a *api) list(w http.ResponseWriter, r *http.Request) error {
	out := []deploymentStatus{}
	for _, kind := range kinds {
		stages, err := a.d.house.Intake.StagesOf(r.Context(), a.repo, kind, a.q.Principal.Name)
		if err != nil {
			return err
		}
		for _, st := range stages {
			status, err := a.d.statusOf(r.Context(), st)
			if err != nil {
				return err
			}
			out = append(out, status)
		}
	}
	w.Header().Set("Cache-Control", "no-store")
	door.WriteJSON(w, http.StatusOK, map[string]any{"deployments": out})
	return nil
}

// published answers whether a version is there for everybody.
func (a *api) published(w http.ResponseWriter, r *http.Request) error {
	get := r.URL.Query().Get
	norm, ok := NormalizeName(get("namespace") + ":" + get("name"))
	there := false
	if ok {
		p, err := a.q.Project(r.Context(), norm)
		if err != nil && !errs.Is(err, errs.NotFound) {
			return err
		}
		there = err == nil && shown(a.q.View(p), p.Release(get("version")))
	}
	w.Header().Set("Cache-Control", "no-store")
	door.WriteJSON(w, http.StatusOK, map[string]bool{"published": there})
	return nil
}

// download lets the owner use validated deployments as a repository before they are published: one of them, or, with an empty
// id, all.
func (a *api) download(w http.ResponseWriter, r *http.Request, id, file string) error {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		methodNotAllowed(w, r, "GET, HEAD")
		return nil
	}
	ctx := r.Context()
	path, err := unescapePath(file)
	if err != nil {
		return absent(err)
	}
	l, err := parsePath(path)
	if err != nil || l.sort != artifact {
		return notHere(a.q, path)
	}
	var stages []*intake.Stage
	if id != "" {
		st, err := a.stage(ctx, id)
		if err != nil {
			return err
		}
		stages = append(stages, st)
	} else if stages, err = a.d.house.Intake.StagesOf(ctx, a.repo, portalKind, a.q.Principal.Name); err != nil {
		return err
	}
	for _, st := range stages {
		if st.State != intake.StageValidated {
			continue
		}
		part, ok, err := a.d.part(ctx, st.ID, l.path)
		if err != nil {
			return err
		}
		if ok {
			return servePart(w, r, part, l)
		}
	}
	return notHere(a.q, path)
}
