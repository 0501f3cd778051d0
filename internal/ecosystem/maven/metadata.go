package maven

import (
	"bytes"
	"encoding/xml"
	"slices"
	"strconv"
	"strings"
	"time"

	"bonded/internal/registry"
)

// metadataXML is repository metadata as clients send it, model 1.1.0 (maven.md §2).
type metadataXML struct {
	GroupID    string `xml:"groupId"`
	ArtifactID string `xml:"artifactId"`
	Version    string `xml:"version"`
	Versioning *struct {
		Versions []string `xml:"versions>version"`
		Snapshot *struct {
			Timestamp   string `xml:"timestamp"`
			BuildNumber string `xml:"buildNumber"`
		} `xml:"snapshot"`
		SnapshotVersions []snapshotVersion `xml:"snapshotVersions>snapshotVersion"`
	} `xml:"versioning"`
	Plugins []pluginXML `xml:"plugins>plugin"`
}

type snapshotVersion struct {
	Classifier string `xml:"classifier"`
	Extension  string `xml:"extension"`
	Value      string `xml:"value"`
}

type pluginXML struct {
	Name       string `xml:"name"`
	Prefix     string `xml:"prefix"`
	ArtifactID string `xml:"artifactId"`
}

// parseMetadataXML reads what a client sent as metadata.
func parseMetadataXML(doc []byte) (*metadataXML, error) {
	var m metadataXML
	if err := readXML(doc, &m, "metadata", "metadata", "metadata/versioning", "metadata/versioning/snapshot"); err != nil {
		return nil, err
	}
	return &m, nil
}

// updatedForm is how the metadata model writes times, in UTC (maven.md §2).
const updatedForm = "20060102150405"

// xmlWriter writes elements, each on a line of its own, indented as Maven does.
type xmlWriter struct {
	bytes.Buffer
	depth int
}

func (w *xmlWriter) indent() {
	for range w.depth {
		w.WriteString("  ")
	}
}

func (w *xmlWriter) open(name string) {
	w.indent()
	w.WriteString("<" + name + ">\n")
	w.depth++
}

func (w *xmlWriter) close(name string) {
	w.depth--
	w.indent()
	w.WriteString("</" + name + ">\n")
}

// text writes <name>value</name>; nothing for an empty value.
func (w *xmlWriter) text(name, value string) {
	if value == "" {
		return
	}
	w.indent()
	w.WriteString("<" + name + ">")
	_ = xml.EscapeText(w, []byte(value)) // a bytes.Buffer takes everything
	w.WriteString("</" + name + ">\n")
}

func (w *xmlWriter) begin() {
	w.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n")
	w.WriteString(`<metadata modelVersion="1.1.0">` + "\n")
	w.depth = 1
}

func (w *xmlWriter) end() []byte {
	w.WriteString("</metadata>\n")
	return w.Bytes()
}

// listed are the releases that resolvers may choose: those in the view, not yanked and with files. There is no yank in the
// protocol; leaving a version out of the list keeps ranges off it, while its files stay for those who pinned it (maven.md §11).
func listed(v registry.View) []*registry.Release {
	var out []*registry.Release
	for _, r := range v.Releases {
		if choosable(r) {
			out = append(out, r)
		}
	}
	return out
}

func choosable(r *registry.Release) bool { return !r.Yanked && len(r.Files) > 0 }

// projectMetadata renders the A level of a project, and the G level of the group of the same path where it has plugins; one
// path may be both (maven.md §1). v.Project is nil where no project has the path.
func projectMetadata(v registry.View, plugins []plugin) []byte {
	var w xmlWriter
	w.begin()
	if v.Project != nil {
		group, artifactID, _ := strings.Cut(v.Norm, ":")
		w.text("groupId", group)
		w.text("artifactId", artifactID)
		w.versioning(listed(v), v.UpdatedAt)
	}
	if len(plugins) > 0 {
		w.open("plugins")
		for _, p := range plugins {
			w.open("plugin")
			w.text("name", p.Name)
			w.text("prefix", p.Prefix)
			w.text("artifactId", p.ArtifactID)
			w.close("plugin")
		}
		w.close("plugins")
	}
	return w.end()
}

// versioning lists the versions in Maven's order. release is the highest that is no snapshot, latest the highest of all:
// unlike the clients' merge ("the last one deployed"), that does not depend on the order of deployments.
func (w *xmlWriter) versioning(releases []*registry.Release, updated time.Time) {
	w.open("versioning")
	if n := len(releases); n > 0 {
		w.text("latest", releases[n-1].Version)
	}
	for _, r := range slices.Backward(releases) {
		if !r.Moving {
			w.text("release", r.Version)
			break
		}
	}
	w.open("versions")
	for _, r := range releases {
		w.text("version", r.Version)
	}
	w.close("versions")
	w.text("lastUpdated", updated.UTC().Format(updatedForm))
	w.close("versioning")
}

// build is one timestamped build of a snapshot.
type build struct {
	timestamp string
	number    int
	version   string
}

func (b build) newer(o build) bool {
	if b.timestamp != o.timestamp {
		return b.timestamp > o.timestamp
	}
	return b.number > o.number
}

// updated is the build's timestamp in the form of lastUpdated.
func (b build) updated() string { return strings.Replace(b.timestamp, ".", "", 1) }

// snapshotFile is a file of a snapshot with its build.
type snapshotFile struct {
	build
	fileName
	file *registry.File
}

// snapshotFiles understands the file names of a snapshot's release; newest build first, then by classifier and extension.
func snapshotFiles(r *registry.Release) []snapshotFile {
	out := make([]snapshotFile, 0, len(r.Files))
	for _, f := range r.Files {
		l, err := parsePath(f.Path)
		if err != nil {
			continue // recorded paths parse; a damaged row must not take the others down
		}
		_, timestamp, number, ok := SplitSnapshot(l.fileVersion)
		if !ok {
			continue
		}
		name := l.fileName
		if kept, ok := keptName(f.Detail); ok {
			name.classifier, name.extension = kept.Classifier, kept.Extension
		}
		n, _ := strconv.Atoi(number) // digits by its grammar; one too long for an int sorts as the largest
		out = append(out, snapshotFile{build{timestamp, n, l.fileVersion}, name, f})
	}
	slices.SortFunc(out, func(a, b snapshotFile) int {
		switch {
		case a.newer(b.build):
			return -1
		case b.newer(a.build):
			return 1
		case a.classifier != b.classifier:
			return strings.Compare(a.classifier, b.classifier)
		default:
			return strings.Compare(a.extension, b.extension)
		}
	})
	return out
}

// snapshotMetadata renders the V level: for each classifier and extension its newest build, so that what a later build did
// not bring again is still found, as Maven's own merge has it (maven.md §2). ok is false if no build is left.
func snapshotMetadata(p *registry.Project, r *registry.Release) (doc []byte, ok bool) {
	files := snapshotFiles(r)
	if len(files) == 0 {
		return nil, false
	}
	group, artifactID, _ := strings.Cut(p.Norm, ":")
	newest := files[0].build
	var w xmlWriter
	w.begin()
	w.text("groupId", group)
	w.text("artifactId", artifactID)
	w.text("version", r.Version)
	w.open("versioning")
	w.open("snapshot")
	w.text("timestamp", newest.timestamp)
	w.text("buildNumber", strconv.Itoa(newest.number))
	w.close("snapshot")
	w.text("lastUpdated", newest.updated())
	w.open("snapshotVersions")
	seen := map[[2]string]bool{}
	for _, f := range files {
		if key := [2]string{f.classifier, f.extension}; !seen[key] {
			seen[key] = true
			w.open("snapshotVersion")
			w.text("classifier", f.classifier)
			w.text("extension", f.extension)
			w.text("value", f.version)
			w.text("updated", f.updated())
			w.close("snapshotVersion")
		}
	}
	w.close("snapshotVersions")
	w.close("versioning")
	return w.end(), true
}

// newestOf finds the newest build's file that a literal -SNAPSHOT name asks for.
func newestOf(r *registry.Release, classifier, extension string) *registry.File {
	for _, f := range snapshotFiles(r) {
		if f.classifier == classifier && f.extension == extension {
			return f.file
		}
	}
	return nil
}
