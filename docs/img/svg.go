//go:build ignore

// Command svg makes a picture of a terminal from what a program printed with colours:
//
//	CLICOLOR_FORCE=1 bin/bonded demo | go run docs/img/svg.go -keep cargo,composer > docs/img/demo.svg
//
// With -keep it leaves out the other sections: those parts that begin with a bold word at the start of a line.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"html"
	"os"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	cell, line, margin = 7.8, 18, 18.0
	columns            = 104
)

// The classes of the colours that the demo uses.
var classes = map[string]string{"1": "b", "2": "f", "32": "g", "31": "r", "33": "a", "36": "c"}

var colour = regexp.MustCompile(`\x1b\[(\d+)m(.*?)\x1b\[0m`)

func main() {
	keep := flag.String("keep", "", "sections to keep, separated by commas")
	flag.Parse()
	var lines []string
	kept := true
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		text := in.Text()
		if m := colour.FindStringSubmatch(text); m != nil && m[1] == "1" && strings.HasPrefix(text, "\x1b") && *keep != "" {
			kept = strings.HasPrefix(m[2], "Bonded") || slices.Contains(strings.Split(*keep, ","), m[2])
		}
		if kept && !(text == "" && (len(lines) == 0 || lines[len(lines)-1] == "")) {
			lines = append(lines, text)
		}
	}
	if in.Err() != nil || len(lines) == 0 {
		fmt.Fprintln(os.Stderr, "svg: nothing to draw", in.Err())
		os.Exit(1)
	}
	draw(strings.Split(strings.TrimRight(strings.Join(lines, "\n"), "\n"), "\n"))
}

func draw(lines []string) {
	width, height := 2*margin+columns*cell, 2*margin+float64(len(lines)*line)
	fmt.Printf(`<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%.0f" viewBox="0 0 %.0f %.0f" role="img" aria-label="Output of bonded demo">
<style>text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#d6dae0;white-space:pre}.b{font-weight:700;fill:#fff}.f{fill:#8b94a1}.g{fill:#6fcf8f}.r{fill:#ff7b72}.a{fill:#e3b341}.c{fill:#79c0ff}</style>
<rect width="100%%" height="100%%" rx="8" fill="#14181f"/>
`, width, height, width, height)
	for i, text := range lines {
		y := margin + float64(i*line) + 13
		column := 0
		for _, p := range parts(text) {
			if strings.TrimSpace(p.text) != "" {
				class := ""
				if p.class != "" {
					class = ` class="` + p.class + `"`
				}
				fmt.Printf(`<text x="%.1f" y="%.0f" textLength="%.1f"%s>%s</text>`+"\n", margin+float64(column)*cell, y,
					float64(utf8.RuneCountInString(p.text))*cell, class, html.EscapeString(p.text))
			}
			column += utf8.RuneCountInString(p.text)
		}
	}
	fmt.Println("</svg>")
}

type part struct{ class, text string }

// parts splits a line at its colours.
func parts(text string) []part {
	var all []part
	for {
		m := colour.FindStringSubmatchIndex(text)
		if m == nil {
			return append(all, part{"", text})
		}
		all = append(all, part{"", text[:m[0]]}, part{classes[text[m[2]:m[3]]], text[m[4]:m[5]]})
		text = text[m[1]:]
	}
}
