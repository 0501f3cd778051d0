package npm

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"bonded/internal/door"
	"bonded/internal/registry"
)

// maxServedReadme is how much of the newest readme a packument carries (npm.md §2.1).
const maxServedReadme = 64 << 10

// isoMillis is JavaScript's Date.toISOString.
const isoMillis = "2006-01-02T15:04:05.000Z"

// latestTag is the tag that clients take when none is asked for.
const latestTag = "latest"

// revision is the packument's _rev: it changes with every event of the project, and nothing else may read meaning into it.
func revision(p *registry.Project) string { return strconv.FormatInt(p.Revision, 10) + "-bonded" }

// renderPackument concatenates the stored version objects into a full or an abbreviated packument (npm.md §2).
func renderPackument(ctx context.Context, h *door.House, v registry.View, base string, abbreviated bool) ([]byte, error) {
	tags := tagsOf(v)
	size := 1024 + 64*len(v.Releases)
	for _, rel := range v.Releases {
		size += len(rel.Record) + len(base)
	}
	b := make([]byte, 0, size)
	b = append(b, '{')
	if !abbreviated {
		b = appendMember(b, "_id", v.Norm)
		b = append(b, ',')
		b = appendMember(b, "_rev", revision(v.Project))
		b = append(b, ',')
	}
	b = appendMember(b, "name", v.Norm)
	if abbreviated {
		b = append(b, ',')
		b = appendMember(b, "modified", v.UpdatedAt.Format(isoMillis))
	}
	b = append(b, `,"dist-tags":`...)
	b = appendTags(b, tags)
	b = append(b, `,"versions":{`...)
	b = appendVersions(b, v.Project, v.Releases, base, abbreviated)
	b = append(b, `},"time":{`...)
	b = appendTimes(b, v)
	b = append(b, '}')
	b = appendRestrictions(b, v, base)
	if abbreviated {
		return append(b, '}'), nil
	}
	b, err := appendAbout(ctx, h, b, v, tags)
	return append(b, '}'), err
}

func appendMember(b []byte, name, value string) []byte {
	b = appendQuoted(b, name)
	b = append(b, ':')
	return appendQuoted(b, value)
}

func appendTags(b []byte, tags map[string]string) []byte {
	b = append(b, '{')
	for i, tag := range sortedNames(tags) {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendMember(b, tag, tags[tag])
	}
	return append(b, '}')
}

func appendVersions(b []byte, p *registry.Project, releases []*registry.Release, base string, abbreviated bool) []byte {
	for i, rel := range releases {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendQuoted(b, rel.Version)
		b = append(b, ':')
		line, short := lines(rel.Record)
		if abbreviated {
			line = short
		}
		b = appendVersion(b, line, base, versionExtras(p, rel, !abbreviated))
	}
	return b
}

// versionExtras are the members of a version that are not part of its record. Clients print the publisher's address, so
// the member is there also for one who owns the package no more, whose address nobody shall see.
func versionExtras(p *registry.Project, rel *registry.Release, publisher bool) string {
	extras := ""
	if publisher && rel.PublishedBy != "" {
		email := ""
		for _, o := range p.Owners {
			if o.Name == rel.PublishedBy {
				email = o.Email
			}
		}
		extras = `,"_npmUser":{"name":` + quoted(rel.PublishedBy) + `,"email":` + quoted(email) + `}`
	}
	if rel.Mark != "" {
		extras += `,"deprecated":` + quoted(rel.Mark)
	}
	return extras
}

// appendTimes gives the time of every version: without it yarn and pnpm take a version for too young (npm.md §0.11).
func appendTimes(b []byte, v registry.View) []byte {
	b = appendMember(b, "created", v.CreatedAt.Format(isoMillis))
	b = append(b, ',')
	b = appendMember(b, "modified", v.UpdatedAt.Format(isoMillis))
	for _, rel := range v.Releases {
		b = append(b, ',')
		b = appendMember(b, rel.Version, rel.PublishedAt.Format(isoMillis))
	}
	return b
}

// appendRestrictions names the versions that policy keeps back, so that npm prints the reason to whoever asks for one of
// them exactly (npm.md §0.6). Other clients would install what they find there, but the tarball is refused to all.
func appendRestrictions(b []byte, v registry.View, base string) []byte {
	if len(v.Withheld) == 0 {
		return b
	}
	const most = 5
	var reasons []string
	for _, rel := range v.Withheld[:min(len(v.Withheld), most)] {
		reasons = append(reasons, withheld(v.Project, rel).Sentence())
	}
	if len(v.Withheld) > most {
		reasons = append(reasons, "and more.")
	}
	b = append(b, `,"policyRestrictions":{`...)
	b = appendMember(b, "message", strings.Join(reasons, "\n"))
	b = append(b, `,"versions":{`...)
	b = appendVersions(b, v.Project, v.Withheld, base, true)
	return append(b, "}}"...)
}

// aboutFields are the members of the newest version that a packument repeats at its top (npm.md §2.1).
var aboutFields = []string{"description", "homepage", "keywords", "repository", "contributors", "author", "bugs", "license", "readmeFilename"}

// appendAbout adds what a full packument says about the project as a whole.
func appendAbout(ctx context.Context, h *door.House, b []byte, v registry.View, tags map[string]string) ([]byte, error) {
	b = append(b, `,"maintainers":[`...)
	for i, o := range v.Owners {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '{')
		b = appendMember(b, "name", o.Name)
		b = append(b, ',')
		b = appendMember(b, "email", o.Email)
		b = append(b, '}')
	}
	b = append(b, ']')
	newest := slices.IndexFunc(v.Releases, func(r *registry.Release) bool { return r.Unique == tags[latestTag] })
	readme := ""
	if newest >= 0 {
		rel := v.Releases[newest]
		full, _ := lines(rel.Record)
		o, err := parseObject(full)
		if err != nil {
			return b, err
		}
		for _, name := range aboutFields {
			if value := o.get(name); value != nil {
				b = append(b, ',')
				b = appendQuoted(b, name)
				b = append(b, ':')
				b = append(b, value...)
			}
		}
		m, err := h.Registry.Manifest(ctx, rel.ID)
		if err != nil {
			return b, err
		}
		readme = cutText(m.Readme, maxServedReadme)
	}
	b = append(b, ',')
	b = appendMember(b, "readme", readme)
	return append(b, `,"users":{},"_attachments":{}`...), nil
}

// cutText cuts s to at most n bytes at the edge of a character.
func cutText(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xC0 == 0x80 {
		n--
	}
	return s[:n]
}

// tagsOf are the dist-tags as this audience sees them: a tag on a version that is not there goes, but latest, without
// which clients fail (npm.md §13), moves to the highest release at or below its old place, or to the best there is.
func tagsOf(v registry.View) map[string]string {
	visible := make(map[string]string, len(v.Releases))
	for _, rel := range v.Releases {
		visible[rel.Unique] = rel.Version
	}
	out := make(map[string]string, len(v.Tags)+1)
	for tag, unique := range v.Tags {
		if version, ok := visible[unique]; ok {
			out[tag] = version
		}
	}
	if out[latestTag] != "" || len(v.Releases) == 0 {
		return out
	}
	best := v.Latest()
	for _, rel := range v.Releases { // lowest first
		if old := v.Tags[latestTag]; !rel.Prerelease && old != "" && CompareVersions(rel.Version, old) <= 0 {
			best = rel
		}
	}
	out[latestTag] = best.Version
	return out
}
