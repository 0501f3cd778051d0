package clientsetup

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
)

// element is a part of an XML text: where it stands, what it holds.
type element struct {
	name                        string
	start, inner, innerEnd, end int // byte offsets: <name …>, first byte inside, </name>, after it
	text                        string
	children                    []*element
}

// find returns the first child with the name.
func (e *element) find(name string) *element {
	for _, c := range e.children {
		if c.name == name {
			return c
		}
	}
	return nil
}

// readXML reads a document's tree. Entities that the document defines itself are refused, as Maven has none.
func readXML(text string) (*element, error) {
	dec := xml.NewDecoder(strings.NewReader(text))
	var stack []*element
	var root *element
	for {
		start := int(dec.InputOffset())
		t, err := dec.Token()
		if errors.Is(err, io.EOF) {
			if root == nil || len(stack) > 0 {
				return nil, errors.New("it holds no XML element")
			}
			return root, nil
		}
		if err != nil {
			return nil, err
		}
		switch t := t.(type) {
		case xml.StartElement:
			e := &element{name: t.Name.Local, start: start, inner: int(dec.InputOffset())}
			if len(stack) > 100 {
				return nil, errors.New("it is nested too deeply")
			}
			if len(stack) > 0 {
				top := stack[len(stack)-1]
				top.children = append(top.children, e)
			} else {
				root = e
			}
			stack = append(stack, e)
		case xml.EndElement:
			e := stack[len(stack)-1]
			e.innerEnd, e.end = start, int(dec.InputOffset())
			stack = stack[:len(stack)-1]
		case xml.CharData:
			if len(stack) > 0 {
				stack[len(stack)-1].text += string(t)
			}
		}
	}
}

// setXML puts an element into a container below the root: in the place of the one that same names, or as the last.
func setXML(text, root, container, made string, same func(*element) bool) (string, error) {
	doc, err := readXML(text)
	if err != nil {
		return "", err
	}
	if doc.name != root {
		return "", errors.New("its root is <" + doc.name + ">, not <" + root + ">")
	}
	if doc.inner == doc.end { // <settings/>
		head := strings.TrimRight(strings.TrimSuffix(text[:doc.inner], "/>"), " ")
		return setXML(head+">\n</"+root+">"+text[doc.end:], root, container, made, same)
	}
	box := doc.find(container)
	switch {
	case box == nil:
		return insideEnd(text, doc, "  <"+container+">\n"+made+"  </"+container+">\n"), nil
	case box.inner == box.end: // <container/>: start and end are one tag
		return text[:box.start] + "<" + container + ">\n" + made + "  </" + container + ">" + text[box.end:], nil
	}
	for _, c := range box.children {
		if same(c) {
			return text[:c.start] + strings.TrimSpace(made) + text[c.end:], nil
		}
	}
	return insideEnd(text, box, made), nil
}

// insideEnd puts lines before an element's end tag.
func insideEnd(text string, e *element, made string) string {
	head := strings.TrimRight(text[:e.innerEnd], " \t")
	indent := text[len(head):e.innerEnd]
	if !strings.HasSuffix(head, "\n") {
		head += "\n"
	}
	return head + made + indent + text[e.innerEnd:]
}

// removeXML takes out an element that same names, with its line if it is alone there.
func removeXML(text, container string, same func(*element) bool) (string, error) {
	doc, err := readXML(text)
	if err != nil {
		return "", err
	}
	box := doc.find(container)
	if box == nil {
		return text, nil
	}
	for _, c := range box.children {
		if same(c) {
			head := strings.TrimRight(text[:c.start], " \t")
			return head + strings.TrimPrefix(text[c.end:], "\n"), nil
		}
	}
	return text, nil
}

// hasID matches the element whose <id> is id.
func hasID(id string) func(*element) bool {
	return func(e *element) bool {
		c := e.find("id")
		return c != nil && strings.TrimSpace(c.text) == id
	}
}

// hasText matches the element whose text is s.
func hasText(s string) func(*element) bool {
	return func(e *element) bool { return strings.TrimSpace(e.text) == s }
}
