package demo

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// page prints what happened. Colour carries nothing that the words do not say.
type page struct {
	out    io.Writer
	colour bool
	wide   int
}

// The colours, by what they mean.
const (
	bold  = "1"
	faint = "2"
	green = "32"
	red   = "31"
	amber = "33"
	blue  = "36"
)

func (p *page) paint(code, text string) string {
	if !p.colour || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (p *page) columns() int {
	if p.wide < 60 {
		return 100
	}
	return min(p.wide, 140)
}

func (p *page) heading(title, rest string) {
	fmt.Fprintf(p.out, "\n%s: %s\n\n", p.paint(bold, title), rest)
}

func (p *page) fact(name, text string) {
	for i, line := range wrap(text, p.columns()-12) {
		if i > 0 {
			name = ""
		}
		fmt.Fprintf(p.out, "  %s %s\n", p.paint(faint, fmt.Sprintf("%-9s", name)), line)
	}
}

// section prints one ecosystem.
func (p *page) section(t *tour) {
	fmt.Fprintf(p.out, "\n%s %s\n", p.paint(bold, t.ecosystem), p.paint(faint, fmt.Sprintf("%.1f s", t.took.Seconds())))
	for _, s := range t.steps {
		p.step(s)
	}
}

func (p *page) step(s step) {
	mark := p.paint(green, "ok     ")
	switch {
	case !s.went:
		mark = p.paint(red, "FAILED ")
	case s.refused:
		mark = p.paint(amber, "refused")
	}
	took := ""
	if s.took > 0 {
		took = fmt.Sprintf("%.1f s", s.took.Seconds())
	}
	for i, line := range wrap(s.what, p.columns()-30) {
		if i > 0 {
			fmt.Fprintf(p.out, "%29s%s\n", "", p.paint(blue, line))
			continue
		}
		fmt.Fprintf(p.out, "  %-10s %s %s  %s\n", s.title, mark, p.paint(faint, fmt.Sprintf("%6s", took)), p.paint(blue, line))
	}
	for _, word := range s.words {
		for _, line := range wrap(strings.TrimSpace(word), p.columns()-32) {
			fmt.Fprintf(p.out, "%29s%s %s\n", "", p.paint(faint, "|"), line)
		}
	}
}

// summary says what it came to.
func (p *page) summary(r Result, took time.Duration) {
	fmt.Fprintf(p.out, "\n%s %s\n", p.paint(bold, "together"), p.paint(faint, fmt.Sprintf("%.1f s", took.Seconds())))
	fsck := step{title: "fsck", what: "rows, blobs and events agree", went: len(r.Disagreements) == 0, words: r.Disagreements}
	if !fsck.went {
		fsck.what = "rows, blobs and events disagree"
	}
	p.step(fsck)
	told := step{title: "tour", went: r.toured()}
	told.what = fmt.Sprintf("%d of %d ecosystems: published, installed, verified, not replaced, withdrawn", len(r.Ran), Ecosystems)
	if len(r.Missing) > 0 {
		told.words = append(told.words, "no client here: "+strings.Join(r.Missing, ", "))
	}
	if len(r.Failed) > 0 {
		told.words = append(told.words, "went wrong: "+strings.Join(r.Failed, ", "))
	}
	p.step(told)
	fmt.Fprintln(p.out)
}

// wrap breaks a text at blanks into lines of at most wide columns, and a longer word where it must.
func wrap(text string, wide int) []string {
	var all []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		for r := []rune(word); len(r) > wide; word = string(r) {
			if line != "" {
				all = append(all, line)
				line = ""
			}
			all, r = append(all, string(r[:wide])), r[wide:]
		}
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > wide {
			all = append(all, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(all, line)
}
