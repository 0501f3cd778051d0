package npm

import (
	"bufio"
	"encoding/json"
	"io"
	"strings"
	"sync"
)

// Bounds of a document that a client PUTs, beside the tarball's own.
const (
	// maxMetadata is the most that one version's manifest or another member may hold, in bytes.
	maxMetadata = 16 << 20
	// maxVersions is more versions than any package has.
	maxVersions = 100_000
	maxTags     = 100
	maxPeople   = 1_000
)

// putDocument is the body of a PUT to a package: a publish request, or a whole packument sent back to change a
// deprecation, the owners or the set of versions (npm.md §3, §4).
type putDocument struct {
	id, name string
	access   string
	tags     map[string]string
	// versions maps each version to its deprecation, nil where the version has no such member.
	versions map[string]*string
	// hasVersions and hasMaintainers tell an absent member from an empty one.
	hasVersions, hasMaintainers, hasUsers bool
	// manifest is that of the last version; it counts only when there is one.
	manifest    json.RawMessage
	maintainers []string
	// tarball is the attachment's name and length as claimed (-1 if not); provenance reports a Sigstore bundle.
	tarball    string
	length     int64
	provenance bool
}

var scanBuffers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 32<<10) }}

// readDocument reads a document from a client; the tarball's bytes go to receive, which must read them to the end.
func readDocument(r io.Reader, receive func(io.Reader) error) (*putDocument, error) {
	buffered, _ := scanBuffers.Get().(*bufio.Reader)
	buffered.Reset(r)
	defer func() {
		buffered.Reset(nil)
		scanBuffers.Put(buffered)
	}()
	s := &scanner{r: buffered, budget: maxMetadata}
	d := &putDocument{versions: map[string]*string{}, tags: map[string]string{}, length: -1}
	if err := s.object(func(name string) error { return d.member(s, name, receive) }); err != nil {
		return nil, err
	}
	if c, err := s.next(); err == nil {
		return nil, malformed("something follows its end, beginning with " + show(string(rune(c))))
	}
	return d, nil
}

func (d *putDocument) member(s *scanner, name string, receive func(io.Reader) error) error {
	switch name {
	case "versions":
		d.hasVersions = true
		return s.object(func(version string) error { return d.addVersion(s, version) })
	case "_attachments":
		return s.object(func(file string) error { return d.attachment(s, file, receive) })
	}
	raw, err := s.value()
	if err != nil {
		return err
	}
	switch name {
	case "_id":
		d.id = stringOf(raw)
	case "name":
		d.name = stringOf(raw)
	case "access":
		d.access = stringOf(raw)
	case "dist-tags":
		if json.Unmarshal(raw, &d.tags) != nil || len(d.tags) > maxTags {
			return malformed("dist-tags is not an object of at most 100 versions")
		}
	case "maintainers":
		d.hasMaintainers = true
		return d.people(raw)
	case "users":
		d.hasUsers = true
	}
	s.budget += int64(len(raw)) // read, understood and given up
	return nil
}

func stringOf(raw json.RawMessage) string {
	var s string
	_ = json.Unmarshal(raw, &s) // null and other types stand for none
	return s
}

// addVersion keeps a version's deprecation, and its manifest in case it is the only one.
func (d *putDocument) addVersion(s *scanner, version string) error {
	if len(d.versions) == maxVersions {
		return malformed("it has too many versions")
	}
	raw, err := s.value()
	if err != nil {
		return err
	}
	s.budget += int64(len(d.manifest))
	d.manifest = raw
	var fields struct {
		Deprecated json.RawMessage `json:"deprecated"`
	}
	if raw[0] != '{' || json.Unmarshal(raw, &fields) != nil {
		return malformed("the version " + show(version) + " is not an object")
	}
	d.versions[version] = nil
	if text, ok := deprecation(fields.Deprecated); ok {
		d.versions[version] = &text
	}
	return nil
}

// deprecation reads the member: a message, or null, false or "" for none.
func deprecation(raw json.RawMessage) (string, bool) {
	if raw == nil {
		return "", false
	}
	if string(raw) == "true" {
		return "This version is deprecated.", true
	}
	return stringOf(raw), true
}

func (d *putDocument) people(raw json.RawMessage) error {
	var all []json.RawMessage
	if json.Unmarshal(raw, &all) != nil || len(all) > maxPeople {
		return malformed("maintainers is not a list of at most 1000 people")
	}
	for _, p := range all {
		var v any
		_ = json.Unmarshal(p, &v) // it was valid as part of the whole
		name := person(v)["name"]
		if name == "" {
			return malformed("a maintainer has no name")
		}
		d.maintainers = append(d.maintainers, name)
	}
	return nil
}

// attachment reads one attachment: the tarball streams on, a Sigstore bundle (which may be plain JSON or base64) is noted.
func (d *putDocument) attachment(s *scanner, file string, receive func(io.Reader) error) error {
	isTarball := strings.HasSuffix(file, ".tgz")
	if isTarball {
		if d.tarball != "" {
			return malformed("it has more than one tarball")
		}
		d.tarball = file
	}
	d.provenance = d.provenance || strings.HasSuffix(file, ".sigstore")
	return s.object(func(name string) error {
		if name == "data" && isTarball {
			return s.base64(receive)
		}
		raw, err := s.value()
		if err != nil {
			return err
		}
		if name == "length" && isTarball && json.Unmarshal(raw, &d.length) != nil {
			return malformed("the attachment's length is not a number")
		}
		s.budget += int64(len(raw))
		return nil
	})
}
