package maven

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"bonded/internal/access"
	"bonded/internal/digest"
	"bonded/internal/door"
	"bonded/internal/errs"
	"bonded/internal/intake"
	"bonded/internal/registry"
)

// putMetadata takes what a client sends as metadata. Nothing of it is stored, since a list that clients read, change and write
// back loses versions and may name ones that do not exist (maven.md §2); it is the sign that a deployment is complete.
// The exception are plugin prefixes, which nothing else tells.
func (d *Door) putMetadata(w http.ResponseWriter, r *http.Request, q *door.Request, repo *registry.Repository, l *location) error {
	if l.sum != "" {
		return discard(w, r) // of a document that is not the one we serve
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxXML+1))
	if err != nil {
		return errs.New(errs.Invalid, "The upload ended early.").WithRule("maven/upload").Because(err)
	}
	m, err := parseMetadataXML(body)
	if err != nil {
		return err
	}
	if l.version != "" {
		err = d.closeBuild(r.Context(), q, repo, l, m)
	} else {
		err = d.closeReleases(r.Context(), q, repo, l, m)
	}
	if err == nil && l.version == "" && len(m.Plugins) > 0 {
		if l.dirGroup == "" {
			return badPath("plugin prefixes belong to a groupId")
		}
		err = d.putPlugins(r.Context(), q, repo, l.dirGroup, m.Plugins)
	}
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusCreated)
	return nil
}

func sameCoordinates(l *location, m *metadataXML) error {
	if (m.GroupID != "" && m.GroupID != l.group) || (m.ArtifactID != "" && m.ArtifactID != l.artifact) ||
		(l.version != "" && m.Version != "" && m.Version != l.version) {
		return errs.New(errs.Invalid, "The metadata is about %s:%s:%s, but was put into the directory of %s:%s:%s.",
			m.GroupID, m.ArtifactID, m.Version, l.group, l.artifact, l.version).WithRule("maven/coordinates")
	}
	return nil
}

// closeReleases closes the caller's open deployments of the versions that A level metadata lists. A listed version that is
// neither published nor staged means that parts were lost, which must not look like success.
func (d *Door) closeReleases(ctx context.Context, q *door.Request, repo *registry.Repository, l *location, m *metadataXML) error {
	if m.Versioning == nil || l.artifact == "" {
		return nil
	}
	if err := sameCoordinates(l, m); err != nil {
		return err
	}
	wanted := map[string]string{}
	for _, version := range m.Versioning.Versions {
		if version = strings.TrimSpace(version); !strings.HasSuffix(version, snapshotSuffix) {
			wanted[keyOf(l.norm(), version, q.Principal)] = version
		}
	}
	return d.closeStages(ctx, q, repo, l.norm(), wanted, nil)
}

// closeBuild closes the caller's open deployment of a snapshot build at its V level metadata. That names the build, where the A
// level that follows would also name another one that is still on its way.
func (d *Door) closeBuild(ctx context.Context, q *door.Request, repo *registry.Repository, l *location, m *metadataXML) error {
	if m.Versioning == nil {
		return nil
	}
	if err := sameCoordinates(l, m); err != nil {
		return err
	}
	names := map[string]KeptName{}
	builds := map[string]bool{}
	base := strings.TrimSuffix(l.version, "SNAPSHOT")
	if s := m.Versioning.Snapshot; s != nil && s.Timestamp != "" {
		builds[base+strings.TrimSpace(s.Timestamp)+"-"+strings.TrimSpace(s.BuildNumber)] = true
	}
	for _, v := range m.Versioning.SnapshotVersions {
		builds[strings.TrimSpace(v.Value)] = true
		noteName(names, l, v)
	}
	wanted := map[string]string{}
	for version := range builds {
		if got, _, _, ok := SplitSnapshot(version); ok && got == l.version {
			wanted[keyOf(l.norm(), version, q.Principal)] = version
		}
	}
	return d.closeStages(ctx, q, repo, l.norm(), wanted, names)
}

// noteName remembers how the client splits a file's name where the name alone reads otherwise.
func noteName(names map[string]KeptName, l *location, v snapshotVersion) {
	name := l.artifact + "-" + strings.TrimSpace(v.Value)
	if v.Classifier != "" {
		name += "-" + v.Classifier
	}
	if v.Extension != "" {
		name += "." + v.Extension
	}
	path := directory(l.group, l.artifact, l.version) + name
	read, err := parsePath(path)
	if err == nil && (read.classifier != v.Classifier || read.extension != v.Extension) {
		names[path] = KeptName{v.Classifier, v.Extension}
	}
}

// closeStages closes those of the caller's stages whose keys are wanted (key to version). One that somebody else was quicker
// with is closed too, since its files have to agree with what is published. That nothing at all is found for a version that
// is not published means that parts were lost.
func (d *Door) closeStages(ctx context.Context, q *door.Request, repo *registry.Repository, norm string, wanted map[string]string, names map[string]KeptName) error {
	all, err := d.house.Intake.StagesOf(ctx, repo, stageKind, q.Principal.Name)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	closed := 0
	for _, st := range all {
		if _, ok := wanted[st.Key]; !ok || seen[st.Key] {
			continue
		}
		seen[st.Key] = true // the newest of its key; older ones failed
		if st.State == intake.StageFailed && d.isPublished(ctx, repo, st.Key) {
			continue
		}
		if err := d.close(ctx, repo, q.Principal, st, names); err != nil {
			return err
		}
		closed++
	}
	if closed > 0 {
		return nil
	}
	for key, version := range wanted {
		if !seen[key] && !d.isPublished(ctx, repo, key) {
			return errs.New(errs.Invalid, "The metadata of %s lists %s, but no files of it arrived with this token.", norm, version).
				WithRule("maven/metadata-empty").WithNext("Deploy the files and the metadata in one run; an unfinished deployment is kept for %d hours.", int(d.house.Intake.StageLife().Hours()))
		}
	}
	return nil
}

// close examines an open deployment and publishes it whole, or fails it. It may be called again for one whose first closing
// was cut off.
func (d *Door) close(ctx context.Context, repo *registry.Repository, who access.Principal, open *intake.Stage, names map[string]KeptName) error {
	line, id, key := d.house.Intake, open.ID, open.Key
	var dep deployment
	st, err := line.EditStage(ctx, id, func(s *intake.Stage) error {
		var err error
		if dep, err = deploymentOf(s); err != nil {
			return err
		}
		if s.State == intake.StageFailed {
			return failed(s, dep)
		}
		s.State = intake.StageValidated // takes no more parts
		return nil
	})
	if errs.Is(err, errs.NotFound) && d.isPublished(ctx, repo, key) {
		return nil // another closing of it was quicker
	}
	if err != nil {
		return err
	}
	if err = d.publish(ctx, repo, who, st, dep, names); err == nil {
		return line.DropStage(context.WithoutCancel(ctx), id)
	}
	if retryable(err) {
		_, undo := line.EditStage(context.WithoutCancel(ctx), id, func(s *intake.Stage) error { s.State = intake.StageOpen; return nil })
		if undo != nil {
			d.house.Log.WarnContext(ctx, "a deployment could not be opened again", slog.String("stage", id), slog.Any("error", undo))
		}
		return err
	}
	dep.Error = errs.Public(err).Sentence()
	_, mark := line.EditStage(context.WithoutCancel(ctx), id, func(s *intake.Stage) error {
		s.State, s.Detail = intake.StageFailed, dep.text()
		return nil
	})
	if mark != nil && !errs.Is(mark, errs.NotFound) {
		return mark
	}
	return err
}

// failed refuses to close a deployment that failed before; its parts are not taken up again.
func failed(st *intake.Stage, dep deployment) error {
	name, _, _ := strings.Cut(st.Key, "#")
	return errs.New(errs.Invalid, "The deployment of %s failed: %s", name, dep.Error).
		WithRule("maven/deployment-failed").WithNext("Deploy again.")
}

// publish makes a submission of a stage's parts.
func (d *Door) publish(ctx context.Context, repo *registry.Repository, who access.Principal, st *intake.Stage, dep deployment, names map[string]KeptName) error {
	group, artifactID, version, ok := splitKey(st.Key)
	if !ok {
		return errs.New(errs.Internal, "The stage %s has the key %q.", st.ID, st.Key)
	}
	if len(dep.Invalid) > 0 {
		return errs.New(errs.Invalid, "Nothing of %s:%s:%s was published. %s", group, artifactID, version, strings.Join(dep.Invalid, " ")).
			WithRule("maven/checksum").WithNext("Deploy again.")
	}
	parts, err := d.house.Intake.Parts(ctx, st.ID)
	if err != nil {
		return err
	}
	before, err := d.publishedOf(ctx, repo, st.Key)
	if err != nil {
		return err
	}
	if before != nil {
		if parts, err = additions(before, parts); err != nil || len(parts) == 0 {
			return err
		}
	}
	s, err := submission(repo, who, group, artifactID, version, parts, before)
	if err != nil {
		return err
	}
	claim := s.Claim.(Claim)
	for path, name := range names {
		if _, ok := claim.Files[path]; ok {
			claim.Names[path] = name
		}
	}
	if before != nil {
		claim.Addition = true
		s.Extend, s.Replace, s.Claim = true, false, claim
	}
	_, err = d.house.Intake.Publish(ctx, s)
	return err
}

// additions are the parts that a published version does not have yet. One that it has with other bytes fails the deployment:
// another one was quicker.
func additions(p *registry.Project, parts []intake.StagePart) ([]intake.StagePart, error) {
	var fresh []intake.StagePart
	for _, part := range parts {
		f := p.File(part.Path)
		if f == nil {
			fresh = append(fresh, part)
			continue
		}
		if f.Digests.SHA256 != part.Digests.SHA256 {
			return nil, usedPath(part.Path)
		}
	}
	return fresh, nil
}

// isPublished reports that the release, or the snapshot build, that a stage's key names is published.
func (d *Door) isPublished(ctx context.Context, repo *registry.Repository, key string) bool {
	p, err := d.publishedOf(ctx, repo, key)
	return err == nil && p != nil
}

// publishedOf is the project, if it has the release or the snapshot build that a stage's key names.
func (d *Door) publishedOf(ctx context.Context, repo *registry.Repository, key string) (*registry.Project, error) {
	group, artifactID, version, _ := splitKey(key)
	p, err := d.hosted(ctx, repo, group+":"+artifactID)
	if err != nil || p == nil {
		return nil, err
	}
	coordinates, _, _ := strings.Cut(key, "#")
	of := &location{group: group, artifact: artifactID, version: version}
	of.fileVersion = coordinates[strings.LastIndexByte(coordinates, ':')+1:]
	if len(published(p, of)) == 0 {
		return nil, nil
	}
	return p, nil
}

// submission makes one release of parts, the POM first, since the first manifest describes the release. before is the project
// that the parts are added to; nil for a new release.
func submission(repo *registry.Repository, who access.Principal, group, artifactID, version string, parts []intake.StagePart, before *registry.Project) (intake.Submission, error) {
	claim := Claim{GroupID: group, ArtifactID: artifactID, Version: version, Files: map[string]digest.Set{}, Names: map[string]KeptName{}}
	snapshot := strings.HasSuffix(version, snapshotSuffix)
	s := intake.Submission{
		Repo: repo, Principal: who, Name: group + ":" + artifactID, Version: version, Extend: snapshot, Replace: snapshot,
	}
	for _, part := range parts {
		l, err := parsePath(part.Path)
		if err != nil {
			return s, err
		}
		claim.Files[part.Path] = part.Digests
		kind := l.kind()
		s.Parts = append(s.Parts, intake.Part{Path: part.Path, Kind: kind, Bytes: part.Bytes(), Inspect: inspected(kind)})
	}
	for _, part := range s.Parts {
		l, _ := parsePath(part.Path)
		of, signature := l.signed()
		if _, ok := claim.Files[of]; signature && !ok && (before == nil || before.File(of) == nil) {
			return s, errs.New(errs.Invalid, "%s signs %s, which is not part of the deployment.", part.Path, of).WithRule("maven/signature-orphan")
		}
	}
	slices.SortStableFunc(s.Parts, func(a, b intake.Part) int { return rank(a.Kind) - rank(b.Kind) })
	s.Claim = claim
	return s, nil
}

func inspected(kind string) bool {
	return kind == kindPOM || kind == kindJar || kind == kindTar || kind == kindModule
}

func rank(kind string) int {
	if kind == kindPOM {
		return 0
	}
	return 1
}

// idleAfter is when a deployment of a client that sends no metadata counts as complete.
const idleAfter = 5 * time.Minute

// CloseIdle publishes the deployments of clients that end without metadata (sbt, Ivy, curl) once nothing has arrived for five
// minutes. Those of Maven and Gradle are left to expire: without their last PUT they were cut off. A deployment that cannot be
// published keeps its reason for its owner, and the others go on.
func (d *Door) CloseIdle(ctx context.Context) error {
	repos, err := d.house.Registry.Repositories(ctx)
	if err != nil {
		return err
	}
	for _, repo := range repos {
		if repo.Ecosystem != d.Type() || repo.Kind != registry.Hosted {
			continue
		}
		stages, err := d.house.Intake.Stages(ctx, repo, stageKind)
		if err != nil {
			return err
		}
		for _, st := range stages {
			if err := d.closeIfIdle(ctx, repo, st); err != nil {
				d.house.Log.WarnContext(ctx, "an idle deployment could not be published", slog.String("stage", st.ID), slog.String("key", st.Key), slog.Any("error", err))
			}
		}
	}
	return nil
}

func (d *Door) closeIfIdle(ctx context.Context, repo *registry.Repository, st *intake.Stage) error {
	now := d.house.Clock.Now()
	dep, err := deploymentOf(st)
	// One that is validated was being closed when its node died.
	if err != nil || dep.Closes || (st.State != intake.StageOpen && st.State != intake.StageValidated) || !now.Before(st.Expires) {
		return err
	}
	parts, err := d.house.Intake.Parts(ctx, st.ID)
	if err != nil || len(parts) == 0 {
		return err
	}
	for _, part := range parts {
		if now.Sub(part.Received) < idleAfter {
			return nil
		}
	}
	who, err := d.depositor(ctx, repo, st, dep)
	if err != nil {
		return err
	}
	return d.close(ctx, repo, who, st, nil)
}

// depositor is the principal that a deployment is closed for after its last request: the account, if its token still lives,
// with no more rights than to publish what its parts were accepted for.
func (d *Door) depositor(ctx context.Context, repo *registry.Repository, st *intake.Stage, dep deployment) (access.Principal, error) {
	acc, err := d.house.Accounts.ByName(ctx, st.Principal)
	if err != nil {
		return access.Principal{}, err
	}
	tokens, err := d.house.Gate.Tokens(ctx, acc.ID)
	if err != nil {
		return access.Principal{}, err
	}
	now := d.house.Clock.Now()
	live := slices.ContainsFunc(tokens, func(t *access.Token) bool {
		return t.ID == dep.Token && !t.Revoked && (t.Expires.IsZero() || now.Before(t.Expires))
	})
	if acc.Disabled || !live {
		return access.Principal{}, errs.New(errs.Forbidden, "The token that deployed %s is no longer valid.", st.Key).WithRule("access/token")
	}
	return access.Principal{
		Kind: access.KindToken, AccountID: acc.ID, Name: acc.Name, Email: acc.Email, Administrator: acc.Admin, TokenID: dep.Token,
		Scopes: []access.Scope{{Actions: []access.Action{access.Publish}, Ecosystem: "maven", Repository: repo.Name, Project: "*"}}, Pseudonym: acc.Pseudonym,
	}, nil
}
