package readme

import (
	"bytes"
	"html/template"
	"net/url"
	"regexp"
	"strings"

	"github.com/microcosm-cc/bluemonday"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// rel is on every link of a readme: no credit to the author's sites from search engines, no opener, no referrer, and the mark of
// text that users wrote.
const rel = "nofollow noopener noreferrer ugc"

// idPrefix keeps a readme's anchors apart from the page's own.
const idPrefix = "readme-"

// policy is what may stand in a readme. It sees the tree after rewrite, and has the last word: whatever rewrite lets slip is
// dropped here.
var policy = func() *bluemonday.Policy {
	p := bluemonday.NewPolicy()
	p.AllowElements("p", "br", "hr", "div", "span", "blockquote", "pre", "code", "kbd", "samp", "var", "em", "i", "strong", "b", "u", "s",
		"del", "ins", "sub", "sup", "small", "mark", "abbr", "q", "cite", "dfn", "h3", "h4", "h5", "h6", "ul", "ol", "li", "dl", "dt", "dd",
		"table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td", "details", "summary", "a")
	p.AllowURLSchemes("http", "https")
	p.RequireParseableURLs(true)
	p.AllowRelativeURLs(true) // only "#readme-…" is left of them, see below
	p.AllowAttrs("href").Matching(regexp.MustCompile(`^(?:https?://|#readme-)`)).OnElements("a")
	p.AllowAttrs("rel").Matching(regexp.MustCompile(`^` + rel + `$`)).OnElements("a")
	p.AllowAttrs("class").Matching(regexp.MustCompile(`^(?:image|scroll|plain)$`)).OnElements("a", "div", "pre", "span")
	p.AllowAttrs("tabindex").Matching(regexp.MustCompile(`^0$`)).OnElements("div", "pre")
	p.AllowAttrs("role").Matching(regexp.MustCompile(`^group$`)).OnElements("div")
	p.AllowAttrs("aria-label").Matching(regexp.MustCompile(`^Table of the readme$`)).OnElements("div")
	p.AllowAttrs("id").Matching(regexp.MustCompile(`^readme-[\p{L}\p{N}_-]{1,100}$`)).OnElements("h3", "h4", "h5", "h6")
	p.AllowAttrs("align").Matching(regexp.MustCompile(`^(?:left|center|right)$`)).OnElements("p", "div", "th", "td", "h3", "h4", "h5", "h6")
	p.AllowAttrs("colspan", "rowspan").Matching(regexp.MustCompile(`^[1-9][0-9]?$`)).OnElements("th", "td")
	p.AllowAttrs("scope").Matching(regexp.MustCompile(`^(?:col|row)$`)).OnElements("th")
	p.AllowAttrs("open").Matching(regexp.MustCompile(`^$`)).OnElements("details")
	p.AllowAttrs("start").Matching(regexp.MustCompile(`^[0-9]{1,6}$`)).OnElements("ol")
	p.AllowAttrs("lang").Matching(regexp.MustCompile(`^[A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,8}){0,3}$`)).Globally()
	p.AllowAttrs("dir").Matching(regexp.MustCompile(`^(?:ltr|rtl|auto)$`)).Globally()
	return p
}()

// sanitize rewrites and filters rendered markup; ok is false when it cannot be read as HTML (nested beyond the parser's limit).
func sanitize(rendered []byte) (template.HTML, bool) {
	body := &html.Node{Type: html.ElementNode, Data: "body", DataAtom: atom.Body}
	nodes, err := html.ParseFragment(bytes.NewReader(rendered), body)
	if err != nil {
		return "", false
	}
	for _, n := range nodes {
		body.AppendChild(n)
	}
	rewriteChildren(body)
	var b bytes.Buffer
	for c := body.FirstChild; c != nil; c = c.NextSibling {
		if err := html.Render(&b, c); err != nil {
			return "", false
		}
	}
	return template.HTML(policy.SanitizeBytes(b.Bytes())), true //nolint:gosec // the policy's output
}

func rewriteChildren(n *html.Node) {
	for c := n.FirstChild; c != nil; {
		next := c.NextSibling
		rewrite(c)
		c = next
	}
}

// rewrite gives one element the form that a page of ours can hold. The tree is at most 512 deep, which the parser sees to.
func rewrite(n *html.Node) {
	switch n.Type {
	case html.CommentNode, html.DoctypeNode:
		n.Parent.RemoveChild(n)
		return
	case html.ElementNode:
	default:
		return
	}
	if n.Namespace != "" { // drawings and formulas: their content is no text
		n.Parent.RemoveChild(n)
		return
	}
	rewriteChildren(n)
	switch n.DataAtom {
	case atom.Img:
		rewriteImage(n)
	case atom.A:
		rewriteLink(n)
	case atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6:
		rewriteHeading(n)
	case atom.Input: // a task list's box
		box := "☐ "
		if _, checked := attribute(n, "checked"); checked {
			box = "☑ "
		}
		if t, _ := attribute(n, "type"); !strings.EqualFold(t, "checkbox") {
			box = ""
		}
		replace(n, &html.Node{Type: html.TextNode, Data: box})
	case atom.Table:
		rewriteTable(n)
	case atom.Pre:
		n.Attr = []html.Attribute{{Key: "tabindex", Val: "0"}}
	default:
		dropAttributes(n, "class", "id", "tabindex", "role", "aria-label")
	}
}

// rewriteImage puts the alternative text in the image's place, linked to where it is if that is a web address.
func rewriteImage(n *html.Node) {
	alt, _ := attribute(n, "alt")
	alt = strings.Join(strings.Fields(alt), " ")
	src, _ := attribute(n, "src")
	if alt == "" {
		alt = "image"
	}
	alt, _ = truncate(alt, 300)
	text := &html.Node{Type: html.TextNode, Data: alt}
	address, ok := external(src)
	if !ok || inside(n, atom.A) {
		span := element(atom.Span, html.Attribute{Key: "class", Val: "image"})
		span.AppendChild(text)
		replace(n, span)
		return
	}
	a := element(atom.A, html.Attribute{Key: "class", Val: "image"}, html.Attribute{Key: "href", Val: address}, html.Attribute{Key: "rel", Val: rel})
	a.AppendChild(text)
	replace(n, a)
}

// rewriteLink keeps links to web addresses and to the readme's own headings. A relative link pointed into the source repository,
// which is not here: its text stays.
func rewriteLink(n *html.Node) {
	href, _ := attribute(n, "href")
	address, ok := external(href)
	if fragment, own := strings.CutPrefix(strings.TrimSpace(href), "#"); own && fragment != "" {
		if plain, err := url.PathUnescape(fragment); err == nil {
			fragment = plain
		}
		address, ok = "#"+idPrefix+strings.ToLower(strings.TrimPrefix(fragment, "user-content-")), true
	}
	if !ok || strings.TrimSpace(textOf(n)) == "" {
		unwrap(n)
		return
	}
	n.Attr = []html.Attribute{{Key: "href", Val: address}, {Key: "rel", Val: rel}}
}

// rewriteHeading moves a heading two levels down, below the page's own, and marks its anchor as the readme's.
func rewriteHeading(n *html.Node) {
	if strings.TrimSpace(textOf(n)) == "" {
		unwrap(n)
		return
	}
	level := min(int(n.Data[1]-'0')+2, 6)
	n.Data = "h" + string(rune('0'+level))
	n.DataAtom = atom.Lookup([]byte(n.Data))
	id, _ := attribute(n, "id")
	align, hasAlign := attribute(n, "align")
	n.Attr = nil
	if id != "" {
		n.Attr = append(n.Attr, html.Attribute{Key: "id", Val: idPrefix + strings.ToLower(id)})
	}
	if hasAlign {
		n.Attr = append(n.Attr, html.Attribute{Key: "align", Val: align})
	}
}

// rewriteTable lets a wide table scroll by itself, also by keyboard.
func rewriteTable(n *html.Node) {
	dropAttributes(n, "class", "id", "tabindex", "role", "aria-label")
	box := element(atom.Div, html.Attribute{Key: "class", Val: "scroll"}, html.Attribute{Key: "tabindex", Val: "0"},
		html.Attribute{Key: "role", Val: "group"}, html.Attribute{Key: "aria-label", Val: "Table of the readme"})
	replace(n, box)
	box.AppendChild(n)
}

// external returns an absolute web address in canonical spelling.
func external(raw string) (string, bool) {
	raw = strings.TrimSpace(raw)
	if strings.HasPrefix(raw, "//") {
		raw = "https:" + raw
	}
	if len(raw) > 2000 {
		return "", false
	}
	u, err := url.Parse(raw)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" || u.User != nil {
		return "", false
	}
	return u.String(), true
}

func element(a atom.Atom, attrs ...html.Attribute) *html.Node {
	return &html.Node{Type: html.ElementNode, Data: a.String(), DataAtom: a, Attr: attrs}
}

func attribute(n *html.Node, key string) (string, bool) {
	for _, a := range n.Attr {
		if a.Namespace == "" && a.Key == key {
			return a.Val, true
		}
	}
	return "", false
}

func dropAttributes(n *html.Node, keys ...string) {
	kept := n.Attr[:0]
next:
	for _, a := range n.Attr {
		for _, key := range keys {
			if a.Key == key {
				continue next
			}
		}
		kept = append(kept, a)
	}
	n.Attr = kept
}

func inside(n *html.Node, a atom.Atom) bool {
	for p := n.Parent; p != nil; p = p.Parent {
		if p.DataAtom == a {
			return true
		}
	}
	return false
}

func replace(n, with *html.Node) {
	n.Parent.InsertBefore(with, n)
	n.Parent.RemoveChild(n)
}

// unwrap leaves the element's content in its place.
func unwrap(n *html.Node) {
	for c := n.FirstChild; c != nil; c = n.FirstChild {
		n.RemoveChild(c)
		n.Parent.InsertBefore(c, n)
	}
	n.Parent.RemoveChild(n)
}

func textOf(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return b.String()
}
