package readme

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
)

func TestRender(t *testing.T) {
	tests := []struct {
		name, source, want string
	}{
		{"headings go two levels down and keep a prefixed anchor", "# Title\n\n## Part", `<h3 id="readme-title">Title</h3>` + "\n" + `<h4 id="readme-part">Part</h4>` + "\n"},
		{"the lowest heading stays the lowest", "###### x", `<h6 id="readme-x">x</h6>` + "\n"},
		{"anchors stay inside the readme", "[to](#Part)", `<p><a href="#readme-part" rel="nofollow noopener noreferrer ugc">to</a></p>` + "\n"},
		{"web links are marked", "[x](https://example.com/a?b=c&d)", `<p><a href="https://example.com/a?b=c&amp;d" rel="nofollow noopener noreferrer ugc">x</a></p>` + "\n"},
		{"addresses in text become links", "see https://example.com.", `<p>see <a href="https://example.com" rel="nofollow noopener noreferrer ugc">https://example.com</a>.</p>` + "\n"},
		{"relative links keep their text only", "[guide](docs/guide.md)", "<p>guide</p>\n"},
		{"a link with another scheme keeps its text only", "[x](javascript:alert(1)) [y](data:text/html,z) [m](mailto:a@b.c)", "<p>x y m</p>\n"},
		{"a link with a password keeps its text only", "[x](https://u:p@example.com/)", "<p>x</p>\n"},
		{
			"an image becomes a link with its alternative text", "![Logo](https://example.com/l.png)",
			`<p><a class="image" href="https://example.com/l.png" rel="nofollow noopener noreferrer ugc">Logo</a></p>` + "\n",
		},
		{
			"an image in a link becomes its text", "[![build](https://ci.example/b.svg)](https://ci.example/)",
			`<p><a href="https://ci.example/" rel="nofollow noopener noreferrer ugc"><span class="image">build</span></a></p>` + "\n",
		},
		{"an image from the source repository becomes its text", `<img src="logo.png">`, `<span class="image">image</span>`},
		{"an embedded image becomes its text", "![dot](data:image/png;base64,AAAA)", `<p><span class="image">dot</span></p>` + "\n"},
		{"scripts go with their content", "a<script>alert(1)</script>b", "<p>ab</p>\n"},
		{"styles go with their content", "<style>p{}</style>\n\nx", "\n<p>x</p>\n"},
		{"handlers and classes go", `<p onclick="x()" class="frame" style="color:red" id="main">t</p>`, "<p>t</p>"},
		{"frames and forms go", `<iframe src="https://e.example"></iframe><form action="https://e.example"><button>b</button></form>`, "b"},
		{"drawings go", `<svg onload="x()"><image href="https://e.example/a"/></svg>t`, "<p>t</p>\n"},
		{"comments go", "<!-- secret -->\n\nx", "\n<p>x</p>\n"},
		{"boxes of task lists become signs", "- [x] done\n- [ ] open", "<ul>\n<li>☑  done</li>\n<li>☐  open</li>\n</ul>\n"},
		{"code keeps its text and can be scrolled by keyboard", "```go\na <b>\n```", `<pre tabindex="0"><code>a &lt;b&gt;` + "\n</code></pre>\n"},
		{"disclosures stay", "<details><summary>s</summary>t</details>", "<details><summary>s</summary>t</details>"},
		{"an empty heading is none", "#\n\nx", "\n<p>x</p>\n"},
		{"nothing is nothing", " \n", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(Render(tt.source, "text/markdown; charset=UTF-8; variant=GFM").HTML); got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

func TestTablesScrollByThemselves(t *testing.T) {
	got := string(Render("| a | b |\n|--:|---|\n| 1 | 2 |", "text/markdown").HTML)
	for _, want := range []string{`<div class="scroll" tabindex="0" role="group" aria-label="Table of the readme"><table>`, `<th align="right">a</th>`, `<td>2</td>`} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in %q", want, got)
		}
	}
}

func TestOtherTypesAreShownAsWritten(t *testing.T) {
	for _, mediaType := range []string{"text/x-rst", "text/plain", "", "text/html", "nonsense;;"} {
		if got, want := string(Render("Title\n=====\n<b>&", mediaType).HTML), "<pre class=\"plain\" tabindex=\"0\">Title\n=====\n&lt;b&gt;&amp;</pre>"; got != want {
			t.Errorf("%q: got %q, want %q", mediaType, got, want)
		}
	}
}

func TestLongReadmesAreCut(t *testing.T) {
	r := Render(strings.Repeat("ä", MaxSource), "text/plain")
	if !r.Truncated || len(r.HTML) > MaxSource+100 || strings.ContainsRune(string(r.HTML), '\uFFFD') {
		t.Errorf("truncated %t, %d bytes", r.Truncated, len(r.HTML))
	}
}

// Text made to keep a parser busy must cost no more than a page may.
func TestHostileMarkupIsCheap(t *testing.T) {
	n := MaxSource
	hostile := map[string]string{
		"quotes": strings.Repeat(">", n), "lists": strings.Repeat("- ", n/2), "brackets": strings.Repeat("[", n), "images": strings.Repeat("![", n/2),
		"links": strings.Repeat("[a](", n/4), "closed": strings.Repeat("[a]", n/3), "stars": strings.Repeat("*a ", n/3), "mixed": strings.Repeat("*a_b ", n/5),
		"backticks": strings.Repeat("`", n/2) + strings.Repeat(" `a", n/6), "angles": strings.Repeat("<", n), "tags": strings.Repeat("<b>", n/3),
		"list lines": strings.Repeat(strings.Repeat("- ", 240)+"\n", n/481),
		"tables":     "|a|\n|-|\n" + strings.Repeat("|a|\n", n/4), "entities": strings.Repeat("&", n), "nested": nested(n), "divs": strings.Repeat("<div>\n\n", n/7),
		"references": strings.Repeat("[a]: b\n", n/7), "tildes": strings.Repeat("~a ", n/3), "comments": strings.Repeat("<!--", n/4), "emails": strings.Repeat("a@a.", n/4),
		"urls": strings.Repeat("http://a.", n/9), "www": strings.Repeat("www.", n/4), "setext": strings.Repeat("a\n=\n", n/4), "cdata": strings.Repeat("<![CDATA[", n/9),
		"same headings": strings.Repeat("# a\n", n/4), "processing": strings.Repeat("<?", n/2), "attributes": "<a " + strings.Repeat("a=1 ", n/4) + ">",
		"formatting": strings.Repeat("<a><b>", n/6), "tables in tables": strings.Repeat("<table><td>", n/11), "parentheses": "[a](" + strings.Repeat("(", n-8),
	}
	for name, source := range hostile {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			Render(source, "text/markdown")
			if took := time.Since(start); took > 10*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

func nested(n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		b.WriteString(strings.Repeat("  ", i%500) + "- a\n")
	}
	return b.String()[:n]
}

// FuzzRender: whatever comes in, the answer holds no script, no handler, no dangerous address and nothing a browser would load.
func FuzzRender(f *testing.F) {
	for _, s := range []string{
		"# a\n[b](javascript:c)", `<img src=x onerror=alert(1)>`, `<a href="  javascript:x">`, "<svg><script>x</script></svg>", "[x]: data:y\n[x]",
		`<math><mtext><table><mglyph><style><img src=x onerror=y>`, `<noscript><p title="</noscript><img src=x onerror=y>">`, "![a](http://b/c)", "<a href=//h>x</a>",
		"|a|\n|-|\n|b|", "```\n<script>\n```", `<form action=x><input type=image src=y>`, `<details open ontoggle=x>`, "<!--><img src=x>-->", "<xmp><script>",
	} {
		f.Add(s, true)
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, source string, md bool) {
		mediaType := "text/plain"
		if md {
			mediaType = "text/markdown"
		}
		out := string(Render(source, mediaType).HTML)
		doc, err := html.Parse(strings.NewReader("<!doctype html><body><main>" + out + "</main><footer id=after></footer>"))
		if err != nil {
			t.Fatalf("the output cannot be parsed: %v", err)
		}
		closed := false
		for n := range doc.Descendants() {
			if n.Type == html.CommentNode {
				t.Fatalf("a comment in %q", out)
			}
			if n.Type == html.ElementNode {
				checkElement(t, n, out)
				closed = closed || (n.Data == "footer" && n.Parent.Data == "body")
			}
		}
		if !closed {
			t.Fatalf("the readme breaks out of, or swallows, what follows: %q", out)
		}
	})
}

func checkElement(t *testing.T, n *html.Node, out string) {
	t.Helper()
	switch n.Data {
	case "script", "style", "iframe", "object", "embed", "form", "input", "button", "img", "image", "picture", "source", "video", "audio", "link", "meta",
		"base", "svg", "math", "template", "noscript", "textarea", "select", "h1", "h2", "title", "plaintext", "xmp", "portal":
		t.Fatalf("<%s> in %q", n.Data, out)
	}
	for _, a := range n.Attr {
		switch {
		case n.Data == "footer" && a.Key == "id":
		case strings.HasPrefix(a.Key, "on"), a.Key == "style", a.Key == "src", a.Key == "srcset", a.Key == "action", a.Key == "background", a.Key == "poster":
			t.Fatalf("the attribute %s in %q", a.Key, out)
		case a.Key == "href":
			if !strings.HasPrefix(a.Val, "https://") && !strings.HasPrefix(a.Val, "http://") && !strings.HasPrefix(a.Val, "#readme-") {
				t.Fatalf("the address %q in %q", a.Val, out)
			}
		case a.Key == "id" && !strings.HasPrefix(a.Val, "readme-"):
			t.Fatalf("the id %q in %q", a.Val, out)
		}
	}
}
