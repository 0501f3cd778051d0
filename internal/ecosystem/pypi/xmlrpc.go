package pypi

import (
	"bytes"
	"encoding/xml"
	"errors"
	"html"
	"io"
	"strconv"
	"strings"
)

// Limits of an XML-RPC request, and of the only values that the known methods take.
const (
	maxCallBytes  = 64 << 10
	maxCallDepth  = 16
	maxCallParams = 8
)

// xmlCall is a request: a method and its parameters, each an int64, a string, or nil for what is neither.
type xmlCall struct {
	method string
	params []any
}

var errCall = errors.New("the request is not an XML-RPC call with plain parameters")

// parseCall reads a <methodCall>. It knows integers and strings, and takes any other value for none; what is large or deep is
// refused.
func parseCall(r io.Reader) (xmlCall, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxCallBytes+1))
	if err != nil {
		return xmlCall{}, err
	}
	if len(raw) > maxCallBytes {
		return xmlCall{}, errCall
	}
	p := callParser{d: xml.NewDecoder(bytes.NewReader(raw))}
	p.d.CharsetReader = func(charset string, r io.Reader) (io.Reader, error) {
		if strings.EqualFold(charset, "ascii") || strings.EqualFold(charset, "us-ascii") {
			return r, nil // part of UTF-8, and all that mirrors write
		}
		return nil, errCall
	}
	for {
		token, err := p.d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil || !p.take(token) {
			return xmlCall{}, errCall
		}
	}
	if p.call.method == "" || len(p.call.params) > maxCallParams {
		return xmlCall{}, errCall
	}
	return p.call, nil
}

type callParser struct {
	d    *xml.Decoder
	path []string
	text strings.Builder
	call xmlCall
}

// take reads one token and reports whether it may stand there.
func (p *callParser) take(token xml.Token) bool {
	switch t := token.(type) {
	case xml.StartElement:
		if len(p.path) >= maxCallDepth {
			return false
		}
		p.path = append(p.path, t.Name.Local)
		p.text.Reset()
	case xml.CharData:
		p.text.Write(t)
	case xml.Directive:
		return false // a document type has no business here
	case xml.EndElement:
		at := strings.Join(p.path, "/")
		p.path = p.path[:len(p.path)-1]
		ok := p.end(at)
		p.text.Reset()
		return ok
	}
	return true
}

func (p *callParser) end(at string) bool {
	switch at {
	case "methodCall", "methodCall/params", "methodCall/params/param":
	case "methodCall/methodName":
		p.call.method = strings.TrimSpace(p.text.String())
	case "methodCall/params/param/value/string":
		p.call.params = append(p.call.params, p.text.String())
	case "methodCall/params/param/value/int", "methodCall/params/param/value/i4", "methodCall/params/param/value/i8":
		n, err := strconv.ParseInt(strings.TrimSpace(p.text.String()), 10, 64)
		p.call.params = append(p.call.params, n)
		return err == nil
	case "methodCall/params/param/value":
		if text := p.text.String(); strings.TrimSpace(text) != "" { // a bare value is a string
			p.call.params = append(p.call.params, text)
		}
	case "methodCall/params/param/value/array", "methodCall/params/param/value/struct", "methodCall/params/param/value/nil":
		p.call.params = append(p.call.params, nil)
	default:
		return strings.HasPrefix(at, "methodCall/params/param/value/")
	}
	return len(p.call.params) <= maxCallParams
}

// xmlReply writes the answer to a call: nil, int64, string, []any and map-like xmlStruct.
type xmlReply struct{ bytes.Buffer }

// xmlStruct is a struct whose members keep their order.
type xmlStruct struct {
	names  []string
	values []int64
}

func (b *xmlReply) response(v any) []byte {
	b.WriteString("<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n")
	b.value(v)
	b.WriteString("</param>\n</params>\n</methodResponse>\n")
	return b.Bytes()
}

func (b *xmlReply) fault(code int64, text string) []byte {
	b.WriteString("<?xml version='1.0'?>\n<methodResponse>\n<fault>\n<value><struct>\n<member><name>faultCode</name>")
	b.value(code)
	b.WriteString("</member>\n<member><name>faultString</name>")
	b.value(text)
	b.WriteString("</member>\n</struct></value>\n</fault>\n</methodResponse>\n")
	return b.Bytes()
}

func (b *xmlReply) value(v any) {
	b.WriteString("<value>")
	switch v := v.(type) {
	case int64:
		b.WriteString("<int>" + strconv.FormatInt(v, 10) + "</int>")
	case string:
		b.WriteString("<string>" + html.EscapeString(xmlText(v)) + "</string>")
	case []any:
		b.WriteString("<array><data>")
		for _, item := range v {
			b.value(item)
		}
		b.WriteString("</data></array>")
	case xmlStruct:
		b.WriteString("<struct>")
		for i, name := range v.names {
			b.WriteString("<member><name>" + html.EscapeString(xmlText(name)) + "</name>")
			b.value(v.values[i])
			b.WriteString("</member>\n")
		}
		b.WriteString("</struct>")
	default:
		b.WriteString("<nil/>")
	}
	b.WriteString("</value>\n")
}

// xmlText drops what XML 1.0 cannot hold.
func xmlText(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0xfffe || r == 0xffff {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
}
