package maven

import (
	"encoding/json/v2"
	"io"
	"path"
	"strconv"
	"strings"

	"bonded/internal/archive"
	"bonded/internal/digest"
	"bonded/internal/errs"
	"bonded/internal/registry"
)

// jar is what Bonded reads of a zip artifact.
type jar struct {
	// embedded is META-INF/maven/{groupId}/{artifactId}/pom.xml of the artifact itself, if it is there.
	embedded *pom
}

// Inspect implements registry.Format: it reads POMs, zip artifacts, tarballs and Gradle modules.
func (Format) Inspect(a registry.Artifact) (*registry.Manifest, error) {
	switch a.Kind {
	case kindPOM:
		return inspectPOM(a)
	case kindModule:
		return inspectModule(a)
	case kindJar:
		return inspectJar(a)
	case kindTar:
		return inspectTar(a)
	default:
		return nil, errs.New(errs.Internal, "Files of kind %q are not inspected.", a.Kind)
	}
}

func readAll(a registry.Artifact, limit int64, what string) ([]byte, error) {
	if a.Digests.Size > limit {
		return nil, errs.New(errs.TooLarge, "The %s has %d bytes, more than the %d that are read.", what, a.Digests.Size, limit).WithRule("maven/metadata-size")
	}
	return io.ReadAll(io.LimitReader(a.Body, limit))
}

func inspectPOM(a registry.Artifact) (*registry.Manifest, error) {
	doc, err := readAll(a, maxXML, "POM")
	if err != nil {
		return nil, err
	}
	p, err := parsePOM(doc)
	if err != nil {
		return nil, err
	}
	return p.manifest(doc), nil
}

// inspectJar walks the whole archive, so that what is stored is readable and means the same to every reader, and reads the
// POM that the build packed for this very artifact. POMs of shaded dependencies say nothing about it.
func inspectJar(a registry.Artifact) (*registry.Manifest, error) {
	l, err := parsePath(a.Path)
	if err != nil {
		return nil, err
	}
	own := "META-INF/maven/" + l.group + "/" + l.artifact + "/pom.xml"
	list, found, err := archive.Collect(a.Body, a.Digests.Size, archive.Zip, archive.Jar(), archive.DefaultLimits(),
		func(name string) bool { return name == own }, maxXML)
	if err := refusal(a, list, err); err != nil {
		return nil, err
	}
	j := &jar{}
	m := &registry.Manifest{Name: path.Base(a.Path), Detail: j, Notes: notes(list)}
	if doc, ok := found[own]; ok {
		if j.embedded, err = parsePOM(doc); err != nil {
			return nil, inside(a, err)
		}
	}
	return m, nil
}

// inspectTar walks a distribution tarball, which may hold links inside its tree.
func inspectTar(a registry.Artifact) (*registry.Manifest, error) {
	profile := archive.Profile{Name: "tarball", Links: true}
	list, err := archive.Walk(a.Body, a.Digests.Size, archive.TarGz, profile, archive.DefaultLimits(), nil)
	if err := refusal(a, list, err); err != nil {
		return nil, err
	}
	return &registry.Manifest{Name: path.Base(a.Path), Notes: notes(list)}, nil
}

func refusal(a registry.Artifact, list *archive.Listing, err error) error {
	if err == nil {
		err = list.Refuse(a.Strict)
	}
	return inside(a, err)
}

// inside names the file of a deployment in a refusal of its content.
func inside(a registry.Artifact, err error) error {
	if err == nil {
		return nil
	}
	e := errs.Public(err)
	if e.Kind == errs.Internal {
		return err
	}
	return errs.New(e.Kind, "%s: %s", path.Base(a.Path), e.What).WithRule(e.Rule).WithNext("%s", e.Next)
}

func notes(list *archive.Listing) []string {
	var out []string
	for _, anomaly := range list.Anomalies {
		out = append(out, anomaly.Err().Sentence())
	}
	return out
}

// module is what Bonded reads of Gradle Module Metadata (maven.md §8).
type module struct {
	FormatVersion string `json:"formatVersion"`
	Component     struct {
		URL     string `json:"url"`
		Group   string `json:"group"`
		Module  string `json:"module"`
		Version string `json:"version"`
	} `json:"component"`
	Variants []struct {
		Name  string       `json:"name"`
		Files []moduleFile `json:"files"`
	} `json:"variants"`
	// dir is the directory that the file lies in.
	dir string
}

type moduleFile struct {
	Name   string `json:"name"`
	URL    string `json:"url"`
	Size   *int64 `json:"size"`
	SHA1   string `json:"sha1"`
	MD5    string `json:"md5"`
	SHA256 string `json:"sha256"`
	SHA512 string `json:"sha512"`
}

func inspectModule(a registry.Artifact) (*registry.Manifest, error) {
	doc, err := readAll(a, maxXML, "Gradle module")
	if err != nil {
		return nil, err
	}
	m := &module{dir: path.Dir(a.Path)}
	if err := json.Unmarshal(doc, m); err != nil {
		return nil, inside(a, errs.New(errs.Invalid, "The Gradle module is not readable JSON: %s.", err).WithRule("maven/module"))
	}
	return &registry.Manifest{Name: path.Base(a.Path), Raw: doc, Detail: m}, nil
}

// reconcileModule compares a Gradle module with the files beside it. A component with a URL describes another module, of
// which this one is a platform's part.
func (c Claim) reconcileModule(m *module) error {
	says, version := m.Component, m.Component.Version
	if base, _, _, ok := SplitSnapshot(version); ok {
		version = base
	}
	if says.URL == "" && (says.Group != c.GroupID || says.Module != c.ArtifactID || version != c.Version) {
		return c.differs("The Gradle module", says.Group+":"+says.Module+":"+says.Version)
	}
	for _, variant := range m.Variants {
		for _, f := range variant.Files {
			part, ok := c.Files[m.dir+"/"+f.URL]
			if !ok || strings.Contains(f.URL, "/") {
				continue
			}
			if err := f.agrees(part); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f moduleFile) agrees(part digest.Set) error {
	differ := func(what, says, is string) error {
		return errs.New(errs.Invalid, "The Gradle module says that %s has the %s %s, but the file deployed has %s.", f.URL, what, says, is).
			WithRule("maven/module-file").WithNext("Publish the module together with the files it was made for.")
	}
	if f.Size != nil && *f.Size != part.Size {
		return differ("size", strconv.FormatInt(*f.Size, 10), strconv.FormatInt(part.Size, 10))
	}
	for _, sum := range []struct{ algorithm, says string }{{"sha512", f.SHA512}, {"sha256", f.SHA256}, {"sha1", f.SHA1}, {"md5", f.MD5}} {
		if is, _ := part.Hex(sum.algorithm); sum.says != "" && !strings.EqualFold(sum.says, is) {
			return differ(sum.algorithm, sum.says, is)
		}
	}
	return nil
}
