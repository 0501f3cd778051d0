package maven

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"

	"golang.org/x/text/encoding/charmap"

	"bonded/internal/errs"
)

// Limits on every XML document that a client sends. The largest POMs that exist, platform BOMs, have about 2 MiB and
// 40,000 elements.
const (
	maxXML      = 8 << 20
	maxDepth    = 64
	maxElements = 400_000
)

// newDecoder reads XML as Maven's own reader does, as far as that is safe: Latin entity names, the Latin charsets, and no
// document type.
func newDecoder(doc []byte) *xml.Decoder {
	d := xml.NewDecoder(bytes.NewReader(doc))
	d.Entity = xml.HTMLEntity
	d.CharsetReader = func(charset string, input io.Reader) (io.Reader, error) {
		switch strings.ToLower(charset) {
		case "utf-8", "utf8", "us-ascii", "ascii":
			return input, nil
		case "iso-8859-1", "iso8859-1", "latin1", "latin-1":
			return charmap.ISO8859_1.NewDecoder().Reader(input), nil
		case "iso-8859-15":
			return charmap.ISO8859_15.NewDecoder().Reader(input), nil
		case "windows-1252", "cp1252":
			return charmap.Windows1252.NewDecoder().Reader(input), nil
		}
		return nil, errors.New("the encoding " + charset + " is not supported; use UTF-8")
	}
	return d
}

// checkXML walks a document before anything is read from it: one root element of the given name, no document type, no depth
// or count beyond the limits, and, in the parents that unique names, no element twice: readers would disagree which counts.
func checkXML(doc []byte, root string, unique ...string) error {
	if len(doc) > maxXML {
		return errs.New(errs.TooLarge, "The XML document has %d bytes, more than the %d that are read.", len(doc), maxXML).WithRule("maven/xml-size")
	}
	d := newDecoder(doc)
	var stack []string
	seen := map[string]bool{}
	for count := 0; ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			if count == 0 {
				return badXML("it has no element")
			}
			return nil
		}
		if err != nil {
			return badXML(err.Error())
		}
		switch t := token.(type) {
		case xml.Directive:
			return badXML("document types and entities are not allowed")
		case xml.EndElement:
			stack = stack[:len(stack)-1]
		case xml.StartElement:
			if count++; count > maxElements || len(stack) >= maxDepth {
				return errs.New(errs.TooLarge, "The XML document has more than %d elements or is nested deeper than %d.", maxElements, maxDepth).WithRule("maven/xml-size")
			}
			name := t.Name.Local
			if len(stack) == 0 && (count > 1 || name != root) {
				return badXML("its root element must be one <" + root + ">")
			}
			parent := strings.Join(stack, "/")
			stack = append(stack, name)
			if !slices.Contains(unique, parent) {
				continue
			}
			if path := parent + "/" + name; seen[path] {
				return badXML("the element " + path + " stands there twice")
			} else {
				seen[path] = true
			}
		}
	}
}

func badXML(why string) *errs.Error {
	return errs.New(errs.Invalid, "The XML document cannot be read: %s.", why).WithRule("maven/xml")
}

// readXML checks doc and decodes it into v.
func readXML(doc []byte, v any, root string, unique ...string) error {
	if err := checkXML(doc, root, unique...); err != nil {
		return err
	}
	if err := newDecoder(doc).Decode(v); err != nil {
		return badXML(err.Error())
	}
	return nil
}
