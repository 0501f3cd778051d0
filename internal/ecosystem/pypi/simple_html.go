package pypi

import (
	"bytes"
	"html"
	"strconv"

	"bonded/internal/registry"
)

// htmlVersion is frozen: the HTML form says 1.4 for ever (pypi.md §1.3).
const htmlVersion = "1.4"

// startHTML writes the head. One anchor stands on each line and attributes keep their order, because people read these
// pages with regular expressions (pypi.md §10).
func startHTML(b *bytes.Buffer, title, extra string) {
	b.WriteString("<!DOCTYPE html>\n<html>\n  <head>\n    <meta name=\"pypi:repository-version\" content=\"" + htmlVersion + "\">\n" + extra +
		"    <title>" + html.EscapeString(title) + "</title>\n  </head>\n  <body>\n    <h1>" + html.EscapeString(title) + "</h1>\n")
}

func endHTML(b *bytes.Buffer, serial int64) {
	b.WriteString("  </body>\n</html>\n<!--SERIAL " + strconv.FormatInt(serial, 10) + "-->\n")
}

func metaTag(name, content string) string {
	return "    <meta name=\"" + name + "\" content=\"" + html.EscapeString(content) + "\">\n"
}

// html is the page of a project (pypi.md §1.4).
func (d simpleDetail) html() []byte {
	var b bytes.Buffer
	status := metaTag("pypi:project-status", string(d.Status.Status))
	if d.Status.Reason != "" {
		status += metaTag("pypi:project-status-reason", d.Status.Reason)
	}
	startHTML(&b, "Links for "+d.Name, status)
	for _, f := range d.Files {
		b.WriteString(`    <a href="` + html.EscapeString(f.URL) + "#sha256=" + f.Hashes["sha256"] + `"`)
		if f.RequiresPython != "" {
			b.WriteString(` data-requires-python="` + html.EscapeString(f.RequiresPython) + `"`)
		}
		if sum := f.CoreMetadata["sha256"]; sum != "" {
			b.WriteString(` data-dist-info-metadata="sha256=` + sum + `" data-core-metadata="sha256=` + sum + `"`)
		}
		switch yanked := f.Yanked.(type) {
		case string:
			b.WriteString(` data-yanked="` + html.EscapeString(yanked) + `"`)
		case bool:
			if yanked {
				b.WriteString(` data-yanked=""`)
			}
		}
		b.WriteString(">" + html.EscapeString(f.Filename) + "</a><br />\n")
	}
	endHTML(&b, d.Meta.LastSerial)
	return b.Bytes()
}

// html is the list of projects: display names, linked by their normalized ones.
func (l simpleList) html(names []registry.NameEntry) []byte {
	var b bytes.Buffer
	startHTML(&b, "Simple index", "")
	for _, n := range names {
		b.WriteString(`    <a href="` + n.Norm + `/">` + html.EscapeString(n.Display) + "</a><br />\n")
	}
	endHTML(&b, l.Meta.LastSerial)
	return b.Bytes()
}
