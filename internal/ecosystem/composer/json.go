package composer

import (
	"bytes"
	"encoding/json/jsontext"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// maxDepth bounds how deep a document nests. PHP's own limit is 512; no honest composer.json comes near this one.
const maxDepth = 64

// object is a JSON object with its members in order. Values stay as they were written, without blanks.
type object []member

type member struct {
	name  string
	value jsontext.Value
}

var (
	errNotObject = errors.New("it is not a JSON object")
	errTooDeep   = fmt.Errorf("it nests deeper than %d levels", maxDepth)
	errNumber    = errors.New("it holds a number that PHP cannot represent")
	errTrailing  = errors.New("something follows the JSON object")
)

// parseObject reads one JSON object strictly: what two readers could understand differently (duplicate names, broken text)
// is an error, and so is what PHP could not write back into its cache (numbers beyond a float).
func parseObject(raw []byte) (object, error) {
	if err := checkTokens(raw); err != nil {
		return nil, err
	}
	o, err := split(raw)
	if err != nil {
		return nil, err
	}
	for i := range o {
		if err := o[i].value.Compact(); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// split takes an object apart, leaving its values as they stand.
func split(raw []byte) (object, error) {
	dec := jsontext.NewDecoder(bytes.NewReader(raw))
	if t, err := dec.ReadToken(); err != nil {
		return nil, err
	} else if t.Kind() != '{' {
		return nil, errNotObject
	}
	var o object
	for dec.PeekKind() != '}' {
		t, err := dec.ReadToken()
		if err != nil {
			return nil, err
		}
		name := t.String()
		v, err := dec.ReadValue()
		if err != nil {
			return nil, err
		}
		o = append(o, member{name, v.Clone()})
	}
	return o, nil
}

// checkTokens walks a document once, before any of it is kept.
func checkTokens(raw []byte) error {
	dec := jsontext.NewDecoder(bytes.NewReader(raw))
	for whole := false; ; whole = dec.StackDepth() == 0 {
		t, err := dec.ReadToken()
		switch {
		case whole && errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case whole:
			return errTrailing
		case dec.StackDepth() > maxDepth:
			return errTooDeep
		case t.Kind() != '0':
			continue
		}
		if _, err := strconv.ParseFloat(t.String(), 64); err != nil {
			return errNumber
		}
	}
}

func (o object) get(name string) jsontext.Value {
	for _, m := range o {
		if m.name == name {
			return m.value
		}
	}
	return nil
}

func (o object) has(name string) bool { return o.get(name) != nil }

// text is a member that is a string; "" for anything else.
func (o object) text(name string) string { return textOf(o.get(name)) }

// textOf is the Go form of a JSON string; "" for anything else.
func textOf(v jsontext.Value) string {
	if v.Kind() != '"' {
		return ""
	}
	b, err := jsontext.AppendUnquote(nil, v)
	if err != nil {
		return ""
	}
	return string(b)
}

// object is a member that is an object; nil for anything else.
func (o object) object(name string) object {
	v := o.get(name)
	if v.Kind() != '{' {
		return nil
	}
	inner, err := parseObject(v)
	if err != nil {
		return nil
	}
	return inner
}

// list is the elements of a member that is an array; nil for anything else.
func (o object) list(name string) []jsontext.Value { return elements(o.get(name)) }

func elements(v jsontext.Value) []jsontext.Value {
	if v.Kind() != '[' {
		return nil
	}
	dec := jsontext.NewDecoder(bytes.NewReader(v))
	if _, err := dec.ReadToken(); err != nil {
		return nil
	}
	var out []jsontext.Value
	for dec.PeekKind() != ']' {
		e, err := dec.ReadValue()
		if err != nil {
			return nil
		}
		out = append(out, e.Clone())
	}
	return out
}

// appendTo writes the object.
func (o object) appendTo(b []byte) []byte {
	b = append(b, '{')
	for i, m := range o {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, m.name)
		b = append(b, ':')
		b = append(b, m.value...)
	}
	return append(b, '}')
}

// appendString writes a JSON string.
func appendString(b []byte, s string) []byte {
	quoted, _ := jsontext.AppendQuote(b, s) // invalid UTF-8 becomes U+FFFD
	return quoted
}

func stringValue(s string) jsontext.Value { return appendString(nil, s) }
