// Package readme turns a stranger's readme into HTML that is safe to show beside our own: no scripts, no styles, no forms,
// no frames, and nothing that a browser would fetch by itself. Images become links with their alternative text, so that
// no third party learns who reads a page.
package readme

import (
	"bytes"
	"html/template"
	"mime"
	"strings"
	"unicode/utf8"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer/html"
)

// MaxSource is the longest readme that is rendered, in bytes; the rest is cut off and said to be.
const MaxSource = 192 << 10

// maxOutput bounds the HTML of one readme, in bytes. Markup that grows beyond it is shown as plain text instead.
const maxOutput = 1 << 20

// Rendered is a readme made safe.
type Rendered struct {
	// HTML is the sanitized fragment. Its headings begin at h3.
	HTML template.HTML
	// Truncated reports that the source was longer than MaxSource.
	Truncated bool
}

// markdown is GitHub's dialect, which the package sites of all five ecosystems render. Raw HTML passes here, because readmes are
// full of it; what may stay of it is decided by the policy, which sees the result.
var markdown = goldmark.New(
	goldmark.WithExtensions(
		extension.NewTable(extension.WithTableCellAlignMethod(extension.TableCellAlignAttribute)),
		extension.Strikethrough, extension.Linkify, extension.TaskList,
	),
	goldmark.WithParserOptions(parser.WithAutoHeadingID()),
	goldmark.WithRendererOptions(html.WithUnsafe()),
)

// Render makes a readme of a media type safe to show. Markdown (any variant) is rendered; reStructuredText, plain text and what
// is unknown are shown as they were written.
func Render(source, mediaType string) Rendered {
	source, cut := truncate(source, MaxSource)
	source = strings.ToValidUTF8(strings.ReplaceAll(source, "\x00", "\uFFFD"), "\uFFFD")
	if strings.TrimSpace(source) == "" {
		return Rendered{}
	}
	if t, _, err := mime.ParseMediaType(mediaType); err == nil && t == "text/markdown" && !tooDeep(source) {
		var b bytes.Buffer
		if err := markdown.Convert([]byte(source), &b); err == nil && b.Len() <= maxOutput {
			if safe, ok := sanitize(b.Bytes()); ok {
				return Rendered{HTML: safe, Truncated: cut}
			}
		}
	}
	return Rendered{HTML: preformatted(source), Truncated: cut}
}

// preformatted shows text as it was written.
func preformatted(source string) template.HTML {
	return template.HTML(`<pre class="plain" tabindex="0">` + template.HTMLEscapeString(source) + `</pre>`) //nolint:gosec // escaped
}

// maxMarks is how many opening marks one line may begin with, and maxRule how many a line that is nothing else, such as a rule;
// CommonMark parsers take time quadratic in nested quotes and lists.
const (
	maxMarks = 64
	maxRule  = 250
)

// maxRun is how many brackets may stand open in one paragraph, for the same reason.
const maxRun = 2000

// tooDeep recognizes text that nobody wrote to be read: nesting that costs a parser more than it tells a reader.
func tooDeep(source string) bool {
	open := 0
	for line := range strings.Lines(source) {
		rest, marks := line, 0
		for {
			rest = strings.TrimLeft(rest, " \t")
			if rest == "" || !strings.ContainsRune(">-*+", rune(rest[0])) {
				break
			}
			if marks++; marks > maxRule || marks > maxMarks && strings.Trim(line, "-*+ \t\r\n") != "" {
				return true
			}
			rest = rest[1:]
		}
		if strings.TrimSpace(line) == "" {
			open = 0
			continue
		}
		if open += strings.Count(line, "["); open > maxRun {
			return true
		}
	}
	return false
}

// truncate cuts s to at most n bytes at a rune's edge.
func truncate(s string, n int) (string, bool) {
	if len(s) <= n {
		return s, false
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n], true
}
