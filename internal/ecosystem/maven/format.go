package maven

import (
	"encoding/json"

	"bonded/internal/digest"
	"bonded/internal/errs"
	"bonded/internal/registry"
)

// Format is the Maven ecosystem without its wire. Its zero value is ready to use.
type Format struct{}

// NewFormat returns the Maven format.
func NewFormat() Format { return Format{} }

// Type implements registry.Format.
func (Format) Type() string { return "maven" }

// Name implements registry.Format: the coordinates groupId:artifactId.
func (Format) Name(raw string) (registry.Name, error) { return ParseName(raw) }

// Normalize implements registry.Format.
func (Format) Normalize(raw string) (string, bool) { return NormalizeName(raw) }

// Version implements registry.Format.
func (Format) Version(raw string) (registry.Version, error) { return ParseVersion(raw) }

// Compare implements registry.Format.
func (Format) Compare(a, b string) int { return CompareVersions(a, b) }

// Locate implements registry.Format. A file's Sidecar is its checksum suffix; signatures are files of their own.
func (Format) Locate(path string) (registry.FileRef, error) { return locate(path) }

// Build names the build of a snapshot that a file belongs to, by its timestamped version; files of one build stay or go
// together. It is "" for a release's file.
func (Format) Build(path string) string {
	l, err := parsePath(path)
	if err != nil || !l.snapshot() {
		return ""
	}
	return l.fileVersion
}

// Claim is what a deployment says beside its bytes: the coordinates of the directory it was put into.
type Claim struct {
	GroupID, ArtifactID string
	// Version is the base version: 1.0 or 1.0-SNAPSHOT.
	Version string
	// Files are the digests of every part, by path, which a Gradle module's list has to agree with.
	Files map[string]digest.Set
	// Names are the classifier and extension of files whose metadata named them differently from their file name's reading.
	Names map[string]KeptName
	// Addition is set for signatures that are added to a published release: there is no POM among them.
	Addition bool
}

// KeptName is what the client's own metadata said about a file of a snapshot build. A file name alone cannot tell where a
// classifier ends and an extension begins.
type KeptName struct {
	Classifier string `json:"classifier,omitempty"`
	Extension  string `json:"extension,omitempty"`
}

func keptName(detail []byte) (n KeptName, ok bool) {
	if len(detail) == 0 {
		return n, false
	}
	return n, json.Unmarshal(detail, &n) == nil && n != KeptName{}
}

// Index is the release's index record. The POM itself is a file of the release and is served verbatim; the record names it.
type Index struct {
	Packaging string `json:"packaging"`
	// POM is the SHA-256 of the release's POM.
	POM string `json:"pom"`
	// Module is the SHA-256 of its Gradle module, if it has one.
	Module string `json:"module,omitempty"`
}

func indexOf(r *registry.Release) (i Index) {
	_ = json.Unmarshal(r.Record, &i) // a release without a readable record has no packaging, which nothing matches
	return i
}

// Reconcile implements registry.Format: the POM, the POM inside the jar, and the Gradle module have to agree with the
// coordinates of the directory.
func (Format) Reconcile(all []*registry.Manifest, c registry.Claim) error {
	claim, ok := c.(Claim)
	if !ok {
		return errs.New(errs.Internal, "A Maven submission carries %T instead of a Claim.", c)
	}
	poms := 0
	for _, m := range all {
		var err error
		switch detail := m.Detail.(type) {
		case *pom:
			poms++
			err = claim.reconcilePOM(detail)
		case *jar:
			err = claim.reconcileJar(m, detail)
		case *module:
			err = claim.reconcileModule(detail)
		}
		if err != nil {
			return err
		}
	}
	if poms == 0 && !claim.Addition {
		return errs.New(errs.Invalid, "The deployment of %s:%s:%s has no POM.", claim.GroupID, claim.ArtifactID, claim.Version).
			WithRule("maven/pom-missing").WithNext("Deploy the POM together with its files; deploy-file makes one unless generatePom is false.")
	}
	return nil
}

func (c Claim) differs(what, says string) error {
	return errs.New(errs.Invalid, "%s says %s, but it was deployed as %s:%s:%s.", what, says, c.GroupID, c.ArtifactID, c.Version).
		WithRule("maven/coordinates").WithNext("Deploy it under the coordinates that it carries.")
}

func (c Claim) reconcilePOM(p *pom) error {
	if says := p.disagreement(c.GroupID, c.ArtifactID, c.Version); says != "" {
		return c.differs("The POM", says)
	}
	return nil
}

func (c Claim) reconcileJar(m *registry.Manifest, j *jar) error {
	if j.embedded == nil {
		return nil
	}
	if says := j.embedded.disagreement(c.GroupID, c.ArtifactID, c.Version); says != "" {
		return c.differs("The pom.xml inside "+m.Name, says)
	}
	return nil
}

// Record implements registry.Format.
func (Format) Record(all []*registry.Manifest, c registry.Claim, files []registry.File) (registry.Record, error) {
	claim, _ := c.(Claim)
	index := Index{}
	for _, m := range all {
		if p, ok := m.Detail.(*pom); ok {
			index.Packaging = p.Packaging
		}
	}
	for _, f := range files {
		switch f.Kind {
		case kindPOM:
			index.POM = f.Digests.SHA256.String()
		case kindModule:
			index.Module = f.Digests.SHA256.String()
		}
	}
	record := registry.Record{Files: map[string][]byte{}}
	for path, name := range claim.Names {
		detail, err := json.Marshal(name)
		if err != nil {
			return record, err
		}
		record.Files[path] = detail
	}
	var err error
	record.Index, err = json.Marshal(index)
	return record, err
}
