package composer

import (
	"encoding/hex"
	"encoding/json/jsontext"
	"strings"
	"time"

	"bonded/internal/errs"
	"bonded/internal/registry"
)

// Claim is what a request said beside the zip; empty parts were not said.
type Claim struct {
	Name, Version string
}

// reconcile compares the request with the archive, of which the archive is what people install.
func reconcile(all []*registry.Manifest, claim registry.Claim) error {
	c, ok := claim.(Claim)
	if !ok || len(all) != 1 {
		return errs.New(errs.Internal, "a Composer release is one zip with one Claim")
	}
	m := all[0]
	if c.Name != "" && c.Name != m.Name {
		return errs.New(errs.Invalid, "The request says %s, but the composer.json in the archive says %q.", c.Name, m.Name).
			WithRule("composer/name-mismatch").WithNext("Upload it under its own name, or correct name in composer.json.")
	}
	if c.Version == "" || m.Version == "" {
		return nil
	}
	claimed, okClaim := Normalize(c.Version)
	inside, okInside := Normalize(m.Version)
	if !okClaim || !okInside || claimed != inside {
		return errs.New(errs.Invalid, "The request says version %q, but the composer.json in the archive says %q.", c.Version, m.Version).
			WithRule("composer/version-mismatch").WithNext("Leave version out of composer.json, or upload it as what it says.")
	}
	return nil
}

// checkPretty refuses spellings that Composer normalizes but that nobody could require: constraints give these characters
// another meaning.
func checkPretty(version string) error {
	at := strings.LastIndexByte(version, '@')
	if strings.ContainsAny(version, " \t,|#") || at >= 0 && isStabilityFlag(version[at+1:]) {
		return errs.New(errs.Invalid, "The version %q holds what has another meaning in a constraint (a blank, \",\", \"|\", \"#\" or a stability flag), so nobody could require it.", version).
			WithRule("composer/version-pretty").WithNext("Write it as 1.2.3, 1.2.3-beta1, 1.x-dev or dev-BRANCH.")
	}
	return nil
}

// record makes the version object of composer.md §2.2: composer.json's members as they were written, with the server's own.
// Where the dist lies, and when it was published, is added when the document is rendered.
func record(all []*registry.Manifest, files []registry.File) (registry.Record, error) {
	o, ok := all[0].Detail.(object)
	if !ok || len(files) != 1 {
		return registry.Record{}, errs.New(errs.Internal, "a Composer release is one inspected zip")
	}
	normalized, ok := Normalize(all[0].Version)
	if !ok {
		return registry.Record{}, errs.New(errs.Internal, "the version was not checked")
	}
	version := object{
		{"name", stringValue(strings.ToLower(all[0].Name))},
		{"version", stringValue(all[0].Version)},
		{"version_normalized", stringValue(normalized)},
	}
	version = append(version, served(o)...)
	if t := authored(o); !t.IsZero() {
		version = append(version, member{"time", stringValue(phpTime(t))})
	}
	d := files[0].Digests
	version = append(version, member{"dist", object{
		{"type", stringValue(distType)},
		{"reference", stringValue(referenceOf(d))},
		{"shasum", stringValue(hex.EncodeToString(d.SHA1[:]))},
	}.appendTo(nil)})
	return registry.Record{Index: version.appendTo(nil)}, nil
}

// phpTime is the form in which PHP writes RFC 3339.
func phpTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05+00:00") }

// entry is a stored version object, taken apart for a document.
type entry struct {
	release *registry.Release
	object  object
}

// entryOf reads a release's record.
func entryOf(r *registry.Release) (entry, error) {
	o, err := split(r.Record)
	if err != nil {
		return entry{}, errs.New(errs.Internal, "the record of version %s is damaged", r.Version).Because(err)
	}
	return entry{r, o}, nil
}

// dist is the upload that the version points to now.
func (e entry) dist(norm string) dist {
	return dist{name: norm, version: e.release.Unique, reference: e.object.object("dist").text("reference")}
}

// complete is the version object as clients get it: with the dist's address and the server's times.
func (e entry) complete(p *registry.Project, base string) object {
	published := stringValue(phpTime(e.release.PublishedAt))
	out := make(object, 0, len(e.object)+3)
	for _, m := range e.object {
		switch m.name {
		case "dist":
			m.value = e.distValue(p, base)
		case "abandoned":
			if p.Status == registry.Deprecated {
				continue
			}
		}
		out = append(out, m)
	}
	if !e.object.has("time") {
		out = append(out, member{"time", published})
	}
	// The cooldown policy counts from here, so it is never the author's word (composer.md §7).
	out = append(out, member{"published-time", published})
	if p.Status == registry.Deprecated {
		out = append(out, member{"abandoned", abandonedFor(p.StatusReason)})
	}
	return out
}

func (e entry) distValue(p *registry.Project, base string) jsontext.Value {
	out := object{{"url", stringValue(base + "/" + e.dist(p.Norm).path())}}
	return append(out, e.object.object("dist")...).appendTo(nil)
}

// abandonedFor is true, or the name of the package to use instead.
func abandonedFor(reason string) jsontext.Value {
	if norm, ok := NormalizeName(reason); ok {
		return stringValue(norm)
	}
	return jsontext.Value("true")
}
