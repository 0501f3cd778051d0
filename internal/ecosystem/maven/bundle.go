package maven

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"

	"bonded/internal/archive"
	"bonded/internal/blob"
	"bonded/internal/door"
	"bonded/internal/errs"
	"bonded/internal/intake"
	"bonded/internal/registry"
)

// A bundle is validated whole before anything of it is visible (maven.md §10): every coordinate in it has a complete POM, its
// sources and javadoc, and for every file the checksums and the signature.

// common is the key of errors that are about the bundle as such.
const common = "common"

// findings are what a bundle lacks, by purl.
type findings map[string][]string

// maxFindings bounds what is reported of one coordinate.
const maxFindings = 100

func (f findings) add(purl, format string, args ...any) {
	if len(f[purl]) < maxFindings {
		f[purl] = append(f[purl], fmt.Sprintf(format, args...))
	}
}

// purlOf names a coordinate as the purl specification does.
func purlOf(group, artifactID, version string) string {
	return "pkg:maven/" + group + "/" + artifactID + "@" + strings.ReplaceAll(url.PathEscape(version), "+", "%2B")
}

// component is one coordinate of a deployment.
type component struct {
	group, artifact, version string
	parts                    []intake.StagePart
}

func (c *component) purl() string { return purlOf(c.group, c.artifact, c.version) }
func (c *component) norm() string { return c.group + ":" + c.artifact }

// has reports a part named {artifactId}-{version} followed by ending.
func (c *component) has(ending string) bool {
	path := directory(c.group, c.artifact, c.version) + c.artifact + "-" + c.version + ending
	return slices.ContainsFunc(c.parts, func(p intake.StagePart) bool { return p.Path == path })
}

// componentsOf sorts the parts of a stage by coordinate, in order.
func componentsOf(parts []intake.StagePart) ([]*component, error) {
	byName := map[string]*component{}
	var all []*component
	for _, part := range parts {
		l, err := parsePath(part.Path)
		if err != nil {
			return nil, err
		}
		key := l.norm() + ":" + l.version
		c := byName[key]
		if c == nil {
			c = &component{group: l.group, artifact: l.artifact, version: l.version}
			byName[key] = c
			all = append(all, c)
		}
		c.parts = append(c.parts, part)
	}
	slices.SortFunc(all, func(a, b *component) int {
		return cmp.Or(strings.Compare(a.norm(), b.norm()), CompareVersions(a.version, b.version), strings.Compare(a.version, b.version))
	})
	return all, nil
}

// unpacker puts the files of a bundle into a stage.
type unpacker struct {
	d     *Door
	repo  *registry.Repository
	stage *intake.Stage
	// sums are the checksum files of the bundle, by path with suffix; they are compared and not kept.
	sums  map[string]string
	found findings
}

// unpack reads a bundle into the stage. What is wrong with the bundle goes into the findings; the error is for what is wrong
// here.
func (u *unpacker) unpack(ctx context.Context, bundle *blob.Staged) error {
	body, err := bundle.Open()
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	format := archive.Zip
	magic := make([]byte, 2)
	if _, err := body.ReadAt(magic, 0); err == nil && magic[0] == 0x1f && magic[1] == 0x8b {
		format = archive.TarGz
	}
	profile := archive.Profile{Name: "bundle", CaseCollisions: true}
	list, err := archive.Walk(body, bundle.Digests().Size, format, profile, archive.DefaultLimits(), func(e archive.Entry, r io.Reader) error {
		return u.entry(ctx, e, r)
	})
	if trouble, ok := errors.AsType[*entryError](err); ok {
		return trouble.err
	}
	if err == nil {
		err = list.Refuse(true)
	}
	if err != nil {
		u.found.add(common, "%s", errs.Public(err).Sentence())
	}
	return nil
}

// entryError carries an error of ours out of the archive's walk.
type entryError struct{ err error }

func (e *entryError) Error() string { return e.err.Error() }

func (u *unpacker) entry(ctx context.Context, e archive.Entry, r io.Reader) error {
	l, err := parsePath(e.Name)
	if err != nil {
		u.found.add(common, "%s: %s", e.Name, errs.Public(err).Sentence())
		return nil
	}
	if l.sort == metadata {
		return nil // generated here
	}
	if l.sum != "" {
		if e.Size > maxChecksum {
			u.found.add(purlOf(l.group, l.artifact, l.version), "%s is too long for a checksum.", e.Name)
			return nil
		}
		sum, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		u.sums[e.Name] = string(sum)
		return nil
	}
	if strings.HasSuffix(l.path, sigstoreSuffix+pgpSuffix) {
		return nil
	}
	if limit := u.d.house.Intake.FileLimit(u.repo); e.Size > limit {
		u.found.add(purlOf(l.group, l.artifact, l.version), "%s", tooLarge(u.repo, limit).Error())
		return nil
	}
	staged, err := u.d.house.Intake.Receive(ctx, u.repo, r)
	if errs.Is(err, errs.Invalid) {
		return errors.Unwrap(err) // the archive's own error, which Receive passed on
	}
	if err != nil {
		return &entryError{err}
	}
	defer staged.Discard()
	if err := u.d.house.Intake.PutPart(ctx, u.stage, l.path, staged, ""); err != nil {
		return &entryError{err}
	}
	return nil
}

// validator judges the components of a bundle.
type validator struct {
	d     *Door
	q     *door.Request
	repo  *registry.Repository
	sums  map[string]string
	found findings
	poms  map[string]*pom
}

// validate looks at every component and reports all that is missing, not only the first thing.
func (v *validator) validate(ctx context.Context, all []*component) error {
	if len(all) == 0 {
		v.found.add(common, "The bundle holds no artifacts. Files lie at groupId/artifactId/version/artifactId-version[-classifier].extension.")
	}
	v.poms = map[string]*pom{}
	for _, c := range all {
		if err := v.inspect(ctx, c); err != nil {
			return err
		}
	}
	for _, c := range all {
		p := v.poms[c.norm()+":"+c.version]
		if p == nil {
			continue
		}
		if err := v.complete(ctx, c, p); err != nil {
			return err
		}
		v.attached(c, p)
		if err := v.files(c); err != nil {
			return err
		}
	}
	return nil
}

// fail sorts an error: a refusal is a finding, trouble of ours is returned.
func (v *validator) fail(c *component, err error) error {
	switch errs.KindOf(err) {
	case errs.Internal, errs.Unavailable:
		return err
	default:
		v.found.add(c.purl(), "%s", errs.Public(err).Sentence())
		return nil
	}
}

// inspect reads the artifacts themselves, as plain deployments do, and asks for the right to publish them.
func (v *validator) inspect(ctx context.Context, c *component) error {
	if strings.HasSuffix(c.version, snapshotSuffix) {
		v.found.add(c.purl(), "A bundle holds releases only. Deploy snapshots directly.")
		return nil
	}
	l := &location{path: directory(c.group, c.artifact, c.version), group: c.group, artifact: c.artifact, version: c.version}
	l.fileVersion = c.version
	p, err := v.d.mayDeploy(ctx, v.q, v.repo, l)
	if err != nil {
		return v.fail(c, err)
	}
	if p != nil && p.Release(c.version) != nil {
		v.found.add(c.purl(), "%s %s is published here already, and a published version never changes.", c.norm(), c.version)
		return nil
	}
	if !c.has(".pom") {
		v.found.add(c.purl(), "The POM %s-%s.pom is missing.", c.artifact, c.version)
		return nil
	}
	s, err := submission(v.repo, v.q.Principal, c.group, c.artifact, c.version, c.parts, nil)
	if err != nil {
		return v.fail(c, err)
	}
	manifests, err := v.d.house.Intake.Validate(ctx, s)
	if err != nil {
		return v.fail(c, err)
	}
	if p, ok := manifests[0].Detail.(*pom); ok { // submission puts the POM first
		v.poms[c.norm()+":"+c.version] = p
	}
	return nil
}

// maxParents bounds how far inheritance is followed.
const maxParents = 16

// complete asks for the elements that every published POM has, its own or inherited ones; the name is not inherited. A parent
// is looked for in the bundle and in the repository.
func (v *validator) complete(ctx context.Context, c *component, p *pom) error {
	missing := map[string]bool{"description": true, "url": true, "licenses": true, "developers": true, "scm": true}
	if p.Name == "" {
		v.found.add(c.purl(), "The POM has no <name>.")
	}
	unknown := ""
	for range maxParents {
		for element, there := range map[string]bool{
			"description": p.Description != "", "url": p.URL != "", "licenses": hasLicense(p), "developers": len(p.Developers) > 0,
			"scm": p.SCM != nil && firstOf(p.SCM.URL, p.SCM.Connection) != "",
		} {
			if there {
				delete(missing, element)
			}
		}
		if p.Parent == nil || len(missing) == 0 {
			break
		}
		parent, err := v.parent(ctx, p)
		if err != nil {
			return err
		}
		if parent == nil {
			unknown = fmt.Sprintf(" Its parent %s:%s:%s is neither in the bundle nor in this repository.", p.Parent.GroupID, p.Parent.ArtifactID, p.Parent.Version)
			break
		}
		p = parent
	}
	elements := make([]string, 0, len(missing))
	for element := range missing {
		elements = append(elements, element)
	}
	slices.Sort(elements)
	for _, element := range elements {
		v.found.add(c.purl(), "The POM has no <%s>, neither its own nor inherited.%s", element, unknown)
	}
	return nil
}

func hasLicense(p *pom) bool {
	return slices.ContainsFunc(p.Licenses, func(l struct {
		Name string `xml:"name"`
		URL  string `xml:"url"`
	},
	) bool {
		return firstOf(l.Name, l.URL) != ""
	})
}

// parent finds the POM of p's parent; nil where it is not to be had.
func (v *validator) parent(ctx context.Context, p *pom) (*pom, error) {
	norm, version := p.Parent.GroupID+":"+p.Parent.ArtifactID, p.Parent.Version
	if parent := v.poms[norm+":"+version]; parent != nil {
		return parent, nil
	}
	if _, ok := NormalizeName(norm); !ok {
		return nil, nil
	}
	project, err := v.q.Project(ctx, norm)
	if errs.Is(err, errs.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	f := project.File(directory(p.Parent.GroupID, p.Parent.ArtifactID, version) + p.Parent.ArtifactID + "-" + version + ".pom")
	if f == nil || f.Digests.Size > maxXML {
		return nil, nil
	}
	body, err := v.q.Source.Open(ctx, f)
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }()
	doc, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	return parsePOM(doc)
}

// attached asks for the main artifact, its sources and its javadoc, unless there is nothing but a POM by intention.
func (v *validator) attached(c *component, p *pom) {
	if p.Packaging == "pom" {
		return
	}
	main := slices.ContainsFunc(c.parts, func(part intake.StagePart) bool {
		l, err := parsePath(part.Path)
		return err == nil && l.classifier == "" && l.kind() != kindPOM && l.kind() != kindModule && l.kind() != kindPGP && l.kind() != kindSigstore
	})
	if !main {
		v.found.add(c.purl(), "The POM's packaging is %s, but there is no %s-%s.%s.", p.Packaging, c.artifact, c.version, extensionOf(p.Packaging))
	}
	for _, classifier := range []string{"sources", "javadoc"} {
		if !c.has("-" + classifier + ".jar") {
			v.found.add(c.purl(), "%s-%s-%s.jar is missing; where there is nothing to put into it, a placeholder is enough.", c.artifact, c.version, classifier)
		}
	}
}

// extensionOf is the file extension of a packaging's main artifact.
func extensionOf(packaging string) string {
	if zipExtensions[packaging] {
		return packaging
	}
	return "jar"
}

// files asks for the checksums and the signature of every file of a component.
func (v *validator) files(c *component) error {
	for _, part := range c.parts {
		name := part.Path[strings.LastIndexByte(part.Path, '/')+1:]
		v.checksums(c, part, name)
		if strings.HasSuffix(name, pgpSuffix) || strings.HasSuffix(name, sigstoreSuffix) {
			continue
		}
		i := slices.IndexFunc(c.parts, func(p intake.StagePart) bool { return p.Path == part.Path+pgpSuffix })
		if i < 0 {
			v.found.add(c.purl(), "%s is not signed: %s%s is missing.", name, name, pgpSuffix)
			continue
		}
		why, err := wrongSignature(part, c.parts[i])
		if err != nil {
			return err
		}
		if why != nil {
			v.found.add(c.purl(), "The signature %s%s is refused: %s.", name, pgpSuffix, why)
		}
	}
	return nil
}

// checksums compares what checksum files there are; MD5 and SHA-1 are needed, except of signatures.
func (v *validator) checksums(c *component, part intake.StagePart, name string) {
	signature := strings.HasSuffix(name, pgpSuffix) || strings.HasSuffix(name, sigstoreSuffix)
	for _, kind := range checksumKinds {
		says, ok := v.sums[part.Path+"."+kind]
		if !ok {
			if !signature && (kind == "md5" || kind == "sha1") {
				v.found.add(c.purl(), "The checksum %s.%s is missing.", name, kind)
			}
			continue
		}
		set := part.Digests
		if err := compareSum(&location{path: name, sum: kind}, []byte(says), &set); err != nil {
			v.found.add(c.purl(), "%s", errs.Public(err).What)
		}
	}
}

// wrongSignature says why a signature does not fit the file; err is for bytes that cannot be read.
func wrongSignature(file, signature intake.StagePart) (why, err error) {
	if signature.Digests.Size > maxSignature {
		return fmt.Errorf("it has more than %d bytes", maxSignature), nil
	}
	asc, err := signature.Bytes().Open()
	if err != nil {
		return nil, err
	}
	defer func() { _ = asc.Close() }()
	armored, err := io.ReadAll(asc)
	if err != nil {
		return nil, err
	}
	body, err := file.Bytes().Open()
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }()
	return checkPGP(armored, body), nil
}

// submissions makes one of each component.
func submissions(repo *registry.Repository, q *door.Request, all []*component) ([]intake.Submission, error) {
	out := make([]intake.Submission, 0, len(all))
	for _, c := range all {
		s, err := submission(repo, q.Principal, c.group, c.artifact, c.version, c.parts, nil)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}
