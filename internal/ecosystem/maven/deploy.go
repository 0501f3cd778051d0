package maven

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	"bonded/internal/access"
	"bonded/internal/door"
	"bonded/internal/errs"
	"bonded/internal/intake"
	"bonded/internal/registry"
)

// A deployment arrives as single PUTs without an announcement of how many follow. Its parts are collected in a stage of
// (repository, coordinates, token) that nobody else sees; the metadata that clients send last closes it: then all of it is
// examined and becomes visible in one transaction, or that last PUT fails, which fails the build (maven.md §5).

const (
	// stageKind is the kind of the stages of plain deployments.
	stageKind = "maven-deploy"
	// abandonedAfter is when a deployment that sends nothing any more gives way to another of the same version and token.
	abandonedAfter = 30 * time.Second
)

// deployment is a stage's detail: what arrived beside the parts.
type deployment struct {
	// Token is the token that opened it.
	Token int64 `json:"token"`
	// Closes says that its client ends a deployment with metadata, so that it is never closed by time (maven.md §4).
	Closes bool `json:"closes,omitempty"`
	// Invalid are the checksums that did not fit: clients only warn of those and go on, so closing has to fail.
	Invalid []string `json:"invalid,omitempty"`
	// Error is why closing failed.
	Error string `json:"error,omitempty"`
}

func deploymentOf(st *intake.Stage) (dep deployment, err error) {
	return dep, json.Unmarshal([]byte(st.Detail), &dep)
}

func (dep deployment) text() string {
	b, _ := json.Marshal(dep) // strings, numbers and booleans always marshal
	return string(b)
}

// stageKey names an open deployment: a release's coordinates, or those of one snapshot build, and the token that brings it.
// Two jobs that share a token and deploy one version at once still share a stage; conflicting parts tell them apart.
func stageKey(l *location, p access.Principal) string {
	version := l.version
	if l.snapshot() {
		version = l.fileVersion
	}
	return keyOf(l.norm(), version, p)
}

func keyOf(norm, version string, p access.Principal) string {
	return norm + ":" + version + "#" + strconv.FormatInt(p.TokenID, 10)
}

// splitKey is the inverse of keyOf, with the base version.
func splitKey(key string) (group, artifactID, version string, ok bool) {
	coordinates, _, _ := strings.Cut(key, "#")
	parts := strings.Split(coordinates, ":")
	if len(parts) != 3 {
		return "", "", "", false
	}
	version = parts[2]
	if base, _, _, build := SplitSnapshot(version); build {
		version = base
	}
	return parts[0], parts[1], version, true
}

// put answers PUT: a part, a checksum, or metadata.
func (d *Door) put(w http.ResponseWriter, r *http.Request, q *door.Request) error {
	ctx := r.Context()
	repo, err := q.UploadRepo(ctx)
	if err != nil {
		return err
	}
	path, err := unescapePath(q.Path)
	if err != nil {
		return err
	}
	l, err := parsePath(path)
	if err != nil {
		return err
	}
	if l.sort == metadata {
		return d.putMetadata(w, r, q, repo, l)
	}
	if strings.HasSuffix(l.path, sigstoreSuffix+pgpSuffix) {
		// Old signing plugins sign the bundle; it proves nothing more (maven.md §10).
		return discard(w, r)
	}
	p, err := d.mayDeploy(ctx, q, repo, l)
	if err != nil {
		return err
	}
	if l.sum != "" {
		return d.putChecksum(w, r, q, repo, p, l)
	}
	return d.putPart(w, r, q, repo, p, l)
}

// mayDeploy asks every question that needs no bytes, and returns the project as it is; nil for a new one.
func (d *Door) mayDeploy(ctx context.Context, q *door.Request, repo *registry.Repository, l *location) (*registry.Project, error) {
	name, err := ParseName(l.norm())
	if err != nil {
		return nil, err
	}
	version, err := ParseVersion(l.version)
	if err != nil {
		return nil, err
	}
	if err := policy(repo, version.Moving); err != nil {
		return nil, err
	}
	if version.Moving && l.fileVersion == l.version {
		return nil, errs.New(errs.Invalid, "The file %s has the literal version %s; a snapshot's builds are stored under timestamped names only.", l.path, l.version).
			WithRule("maven/snapshot-unique").WithNext("Deploy with Maven 3 or later or Gradle, which stamp each build, or publish a release.")
	}
	p, err := d.hosted(ctx, repo, name.Norm)
	if err != nil {
		return nil, err
	}
	if p == nil && repo != q.Repo {
		if other, err := q.Source.Project(ctx, name.Norm); err == nil && other.Repo.ID != repo.ID {
			return nil, errs.New(errs.Conflict, "In %s, the repository %s answers for %s, so a version in %s would never be seen.",
				q.Repo.Path(), other.Repo.Path(), name.Norm, repo.Path()).WithRule("maven/group-owner").WithNext("Deploy to %s/%s/ itself.", q.Root, other.Repo.Path())
		}
	}
	if p == nil {
		return nil, d.house.Gate.May(q.Principal, access.Publish, intake.ResourceOf(repo, name.Norm, nil))
	}
	return p, q.May(access.Publish, p, name.Norm)
}

// policy is whether the repository takes releases or snapshots. It is asked of uploads only: a read of what the policy keeps
// out is simply absent (maven.md §5).
func policy(repo *registry.Repository, snapshot bool) error {
	what, instead := "releases", "snapshots"
	setting := repo.Settings.Releases
	if snapshot {
		what, instead, setting = instead, what, repo.Settings.Snapshots
	}
	if setting != "no" {
		return nil
	}
	return errs.New(errs.Forbidden, "The repository %s takes no %s.", repo.Path(), what).WithRule("maven/policy").
		WithNext("It is for %s; deploy to another repository, or have an administrator change its setting.", instead)
}

func discard(w http.ResponseWriter, r *http.Request) error {
	if _, err := io.Copy(io.Discard, io.LimitReader(r.Body, maxXML)); err != nil {
		return errs.New(errs.Invalid, "The upload ended early.").WithRule("maven/upload").Because(err)
	}
	w.WriteHeader(http.StatusCreated)
	return nil
}

func tooLarge(repo *registry.Repository, limit int64) error {
	return errs.New(errs.TooLarge, "The file is larger than %d bytes, the most that %s takes.", limit, repo.Path()).
		WithRule("intake/file-limit").WithNext("An administrator can raise it with `bonded repo set`.")
}

// putPart takes one file of a deployment.
func (d *Door) putPart(w http.ResponseWriter, r *http.Request, q *door.Request, repo *registry.Repository, p *registry.Project, l *location) error {
	ctx := r.Context()
	if limit := d.house.Intake.FileLimit(repo); r.ContentLength > limit {
		return tooLarge(repo, limit)
	}
	have, err := d.alreadyPublished(p, l, r.ContentLength)
	if err != nil {
		return err
	}
	key := stageKey(l, q.Principal)
	defer d.uploading(uploadKey(repo, key))()
	staged, err := d.house.Intake.Receive(ctx, repo, r.Body)
	if err != nil {
		return err
	}
	defer staged.Discard()
	switch {
	case have != nil:
		if have.Digests.SHA256 != staged.Digests().SHA256 {
			return usedPath(l.path)
		}
	case signsPublished(p, l):
		if err := d.extend(ctx, q, repo, l, staged); err != nil {
			return err
		}
	default:
		late := p != nil && len(published(p, l)) > 0
		if late {
			if err := d.checkAddition(ctx, q, repo, l, staged); err != nil {
				return err
			}
		}
		st, err := d.addPart(ctx, q, repo, l, key, closesByMetadata(r) && !late, staged)
		if err != nil {
			return err
		}
		w.Header().Set(deploymentHeader, st.ID)
	}
	w.WriteHeader(http.StatusCreated)
	return nil
}

// deploymentHeader tells the id of the open deployment that a part went to, for the publishing API.
const deploymentHeader = "X-Bonded-Deployment"

func usedPath(path string) error {
	return errs.New(errs.Conflict, "%s is published here with other bytes, and a published file never changes.", path).
		WithRule("registry/file-used").WithNext("Deploy under a new version.")
}

// settledAfter is how long after its publication a version still takes further files. Old deploy plugins (2.x, the default of Maven
// 3.8) send each attached artifact as a deployment of its own, after the metadata that closed the first one, and for most of them
// no metadata again: its first right checksum closes such an addition.
const settledAfter = 10 * time.Minute

// alreadyPublished is the file recorded under the path, if there is one. What can be refused without reading is: other sizes,
// and new files of a version that is settled, unless they are signatures of what it has.
func (d *Door) alreadyPublished(p *registry.Project, l *location, length int64) (*registry.File, error) {
	if p == nil {
		return nil, nil
	}
	if f := p.File(l.path); f != nil {
		if length >= 0 && length != f.Digests.Size {
			return nil, usedPath(l.path)
		}
		return f, nil
	}
	files := published(p, l)
	if len(files) == 0 {
		return nil, nil
	}
	if of, signature := l.signed(); signature {
		if p.File(of) == nil && d.settled(files) {
			return nil, errs.New(errs.Invalid, "%s signs %s, which is not published here.", l.path, of).WithRule("maven/signature-orphan")
		}
		return nil, nil
	}
	if d.settled(files) || l.kind() == kindPOM || l.kind() == kindModule {
		return nil, errs.New(errs.Conflict, "%s %s is published here, and a published version takes no further files but signatures.", p.Display, l.fileVersion).
			WithRule("maven/published").WithNext("Deploy under a new version.")
	}
	return nil, nil
}

// settled reports that the time is over in which the rest of a deployment may follow.
func (d *Door) settled(files []*registry.File) bool {
	first := files[0].UploadedAt
	for _, f := range files {
		if f.UploadedAt.Before(first) {
			first = f.UploadedAt
		}
	}
	return d.house.Clock.Now().Sub(first) >= settledAfter
}

// published are the files of the path's release, or of its build of a snapshot, as they are published.
func published(p *registry.Project, l *location) []*registry.File {
	rel := p.Release(l.version)
	if rel == nil || !rel.Moving {
		if rel == nil {
			return nil
		}
		return rel.Files
	}
	prefix := directory(l.group, l.artifact, l.version) + l.artifact + "-" + l.fileVersion
	var files []*registry.File
	for _, f := range rel.Files {
		if tail, ok := strings.CutPrefix(f.Path, prefix); ok && boundary(tail) {
			files = append(files, f)
		}
	}
	return files
}

// checkAddition examines a further file of a published version when it arrives, because the PUT that makes it visible is that of
// a checksum, whose refusal clients only warn of.
func (d *Door) checkAddition(ctx context.Context, q *door.Request, repo *registry.Repository, l *location, bytes intake.Bytes) error {
	kind := l.kind()
	_, err := d.house.Intake.Validate(ctx, intake.Submission{
		Repo: repo, Principal: q.Principal, Name: l.norm(), Version: l.version, Extend: true,
		Parts: []intake.Part{{Path: l.path, Kind: kind, Bytes: bytes, Inspect: inspected(kind)}},
		Claim: Claim{GroupID: l.group, ArtifactID: l.artifact, Version: l.version, Addition: true},
	})
	return err
}

// signsPublished reports a signature of a file that is published.
func signsPublished(p *registry.Project, l *location) bool {
	of, signature := l.signed()
	return signature && p != nil && p.File(of) != nil
}

// extend adds a signature to what is published already. It is complete by itself, so nothing has to be waited for.
func (d *Door) extend(ctx context.Context, q *door.Request, repo *registry.Repository, l *location, bytes intake.Bytes) error {
	_, err := d.house.Intake.Publish(ctx, intake.Submission{
		Repo: repo, Principal: q.Principal, Name: l.norm(), Version: l.version, Extend: true,
		Parts: []intake.Part{{Path: l.path, Kind: l.kind(), Bytes: bytes}},
		Claim: Claim{GroupID: l.group, ArtifactID: l.artifact, Version: l.version, Addition: true},
	})
	return err
}

// closesByMetadata tells the clients that end each deployment with metadata (maven.md §4) from those that never send any.
func closesByMetadata(r *http.Request) bool {
	agent := r.UserAgent()
	return strings.HasPrefix(agent, "Apache-Maven/") || strings.HasPrefix(agent, "Gradle/")
}

// uploading counts a part that is being received, until the function it returns is called.
func (d *Door) uploading(key string) func() {
	d.mu.Lock()
	d.uploads[key]++
	d.mu.Unlock()
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.uploads[key]--; d.uploads[key] == 0 {
			delete(d.uploads, key)
		}
	}
}

// othersUploading reports parts of the deployment on their way beside the caller's.
func (d *Door) othersUploading(key string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.uploads[key] > 1
}

// addPart puts a part into the caller's open deployment. The same bytes again are a retry. Other bytes under a path that is
// staged already come from another run of the build: an abandoned deployment gives way to it as a whole, so that the parts
// of two runs never mix; one that is under way does not.
func (d *Door) addPart(ctx context.Context, q *door.Request, repo *registry.Repository, l *location, key string, closes bool, bytes intake.Bytes) (*intake.Stage, error) {
	st, err := d.openStage(ctx, q, repo, key, closes)
	if err != nil {
		return nil, err
	}
	err = d.house.Intake.AddPart(ctx, st, l.path, bytes, "")
	if e := errs.Public(err); err == nil || e.Rule != intake.RulePartUsed {
		return st, err
	}
	last, err := d.lastArrival(ctx, st)
	if err != nil {
		return nil, err
	}
	if d.othersUploading(uploadKey(repo, key)) || d.house.Clock.Now().Sub(last) < abandonedAfter {
		return nil, errs.New(errs.Conflict, "Another deployment of %s %s with this token is under way, with other bytes for %s.", l.norm(), l.fileVersion, l.path).
			WithRule("maven/deployment-open").WithNext("Wait until it ends; one that sends nothing for %d seconds gives way.", int(abandonedAfter.Seconds()))
	}
	if err := d.house.Intake.DropStage(ctx, st.ID); err != nil {
		return nil, err
	}
	if st, err = d.openStage(ctx, q, repo, key, closes); err != nil {
		return nil, err
	}
	return st, d.house.Intake.AddPart(ctx, st, l.path, bytes, "")
}

// openStage finds or opens the stage of a key, with its detail.
func (d *Door) openStage(ctx context.Context, q *door.Request, repo *registry.Repository, key string, closes bool) (*intake.Stage, error) {
	line := d.house.Intake
	st, err := line.OpenStage(ctx, repo, stageKind, key, q.Principal.Name, line.StageLife())
	if err != nil || st.Detail != "{}" {
		return st, err
	}
	first := deployment{Token: q.Principal.TokenID, Closes: closes}
	return line.EditStage(ctx, st.ID, func(s *intake.Stage) error {
		if s.Detail == "{}" {
			s.Detail = first.text()
		}
		return nil
	})
}

// lastArrival is when the stage's last part came.
func (d *Door) lastArrival(ctx context.Context, st *intake.Stage) (time.Time, error) {
	last := st.Created
	parts, err := d.house.Intake.Parts(ctx, st.ID)
	for _, part := range parts {
		if part.Received.After(last) {
			last = part.Received
		}
	}
	return last, err
}

// uploadKey names an open deployment on this node.
func uploadKey(repo *registry.Repository, key string) string {
	return strconv.FormatInt(repo.ID, 10) + "/" + key
}

// part finds a part of a stage; ok is false if it has not arrived.
func (d *Door) part(ctx context.Context, stage, path string) (p intake.StagePart, ok bool, err error) {
	p, err = d.house.Intake.Part(ctx, stage, path)
	if errs.Is(err, errs.NotFound) {
		return p, false, nil
	}
	return p, err == nil, err
}

// servePart answers with a part of a deployment, or the checksum of one.
func servePart(w http.ResponseWriter, r *http.Request, part intake.StagePart, l *location) error {
	h := w.Header()
	h.Set("Cache-Control", "private, no-store")
	if l.sum != "" {
		hex, _ := part.Digests.Hex(l.sum)
		h.Set("Content-Type", "text/plain")
		h.Set("X-Content-Type-Options", "nosniff")
		http.ServeContent(w, r, "", part.Received, strings.NewReader(hex))
		return nil
	}
	body, err := part.Bytes().Open()
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	name := l.path[strings.LastIndexByte(l.path, '/')+1:]
	door.ArtifactHeaders(h, name, door.ContentType(name))
	maps.Copy(h, checksumHeader(&part.Digests))
	http.ServeContent(w, r, "", part.Received, body)
	return nil
}
