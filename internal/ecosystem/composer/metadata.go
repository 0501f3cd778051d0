package composer

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"bonded/internal/door"
	"bonded/internal/errs"
	"bonded/internal/registry"
)

// devSuffix marks the file of a package's branches (composer.md §2).
const devSuffix = "~dev"

// serveMetadata answers p2/{vendor}/{package}.json and p2/{vendor}/{package}~dev.json.
func serveMetadata(w http.ResponseWriter, r *http.Request, q *door.Request) error {
	norm, dev, ok := metadataName(q.Path)
	if !ok {
		return errs.New(errs.NotFound, "There is no such metadata file.").WithRule("composer/metadata-path")
	}
	p, err := q.Project(r.Context(), norm)
	if err != nil {
		return err
	}
	representation := "p2"
	if dev {
		representation = "p2~dev"
	}
	document, err := q.House.Documents.Get(r.Context(), door.DocumentKey{
		Repo: q.Repo.ID, Epoch: q.Source.Epoch(), Project: norm, Revision: p.Revision, Representation: representation, Base: q.Base,
	}, func(context.Context) (door.Rendered, error) { return renderMetadata(q.View(p), dev, q.Base) })
	if err != nil {
		return err
	}
	door.ServeDocument(w, r, document, options(q, p.Repo))
	return nil
}

// metadataName reads the name of a p2 file.
func metadataName(path string) (norm string, dev, ok bool) {
	name, err := url.PathUnescape(strings.TrimPrefix(path, metadataRoot))
	if err != nil {
		return "", false, false
	}
	if name, ok = strings.CutSuffix(name, ".json"); !ok {
		return "", false, false
	}
	name, dev = strings.CutSuffix(name, devSuffix)
	norm, ok = NormalizeName(name)
	return norm, dev, ok
}

// listed are the releases that one of a package's two files lists, newest first. A yanked one is left out: who has it in a
// lock file still gets it.
func listed(v registry.View, dev bool) []*registry.Release {
	var out []*registry.Release
	for _, r := range slices.Backward(v.Releases) {
		if !r.Yanked && isDev(r) == dev {
			out = append(out, r)
		}
	}
	return out
}

// isDev reports what belongs into the ~dev file.
func isDev(r *registry.Release) bool { return Stability(r.Unique) == "dev" }

// renderMetadata makes a p2 file (composer.md §2). A package without versions to show is an empty list, not an absence: the
// name stays owned, and clients must not go on to another repository with it.
func renderMetadata(v registry.View, dev bool, base string) (door.Rendered, error) {
	var versions []object
	for _, r := range listed(v, dev) {
		e, err := entryOf(r)
		if err != nil {
			return door.Rendered{}, err
		}
		versions = append(versions, e.complete(v.Project, base))
	}
	b := append([]byte(`{"packages":{`), stringValue(v.Norm)...)
	b = append(b, ':')
	b = appendMinified(b, versions)
	b = append(b, `},"minified":"composer/2.0"`...)
	if !dev {
		// The empty lists spare clients a question to the API for this name (composer.md §6, §7).
		b = append(b, `,"security-advisories":[],"filter":{"malware":[]}`...)
	}
	out := door.Rendered{ContentType: "application/json", Modified: v.UpdatedAt, Until: v.Until}
	if notice := noticeOf(v, dev); notice != nil {
		// Clients print it only when they get the document anew, so it carries no time to ask about.
		out.Modified = time.Time{}
		b = append(b, ',')
		b = append(b, stringValue(notice.name)...)
		b = append(b, ':')
		b = append(b, notice.value...)
	}
	out.Body = append(b, '}')
	return out, nil
}

// noticeOf is what clients print when they read the file, warning or info: that something of the package is kept back, and
// why (composer.md §1, §5); nil for nothing.
func noticeOf(v registry.View, dev bool) *member {
	if v.Status == registry.Quarantined {
		if dev {
			return nil // once is enough
		}
		return &member{"warning", stringValue(printable(v.Display + " is quarantined: " + v.StatusReason))}
	}
	kind, shown, more := "info", []string{}, 0
	for _, r := range slices.Backward(v.Withheld) {
		if isDev(r) != dev {
			continue
		}
		if r.Verdict.Decision == registry.Block {
			kind = "warning"
		}
		if len(shown) == maxNotices {
			more++
			continue
		}
		why := r.Verdict.Reason
		if r.Verdict.Rule != "" {
			why += " [" + r.Verdict.Rule + "]"
		}
		shown = append(shown, prettyOf(r)+" ("+why+")")
	}
	if len(shown) == 0 {
		return nil
	}
	text := v.Display + " is withheld in version " + strings.Join(shown, ", ")
	if more > 0 {
		text += " and " + strconv.Itoa(more) + " more"
	}
	return &member{kind, stringValue(printable(text + "."))}
}

// maxNotices is how many versions a notice spells out.
const maxNotices = 3

// prettyOf is the version as its publisher wrote it.
func prettyOf(r *registry.Release) string {
	if e, err := entryOf(r); err == nil {
		return e.object.text("version")
	}
	return r.Version
}
