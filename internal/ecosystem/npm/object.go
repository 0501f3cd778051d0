package npm

import (
	"bytes"
	"encoding/json"
	"encoding/json/jsontext"
	"errors"
)

// object is a JSON object with its members in order. Of members with one name the last counts, as JSON.parse has it.
type object []member

type member struct {
	name  string
	value json.RawMessage
}

var errNotObject = errors.New("not a JSON object")

// parseObject reads a JSON document that is one object. Values stay as they were written.
func parseObject(b []byte) (object, error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	if t, err := dec.Token(); err != nil {
		return nil, err
	} else if t != json.Delim('{') {
		return nil, errNotObject
	}
	var o object
	at := map[string]int{}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return nil, err
		}
		name, _ := t.(string) // a member's name is always a string
		var v json.RawMessage
		if err := dec.Decode(&v); err != nil {
			return nil, err
		}
		if i, again := at[name]; again {
			o[i].value = v
			continue
		}
		at[name] = len(o)
		o = append(o, member{name, v})
	}
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	if dec.More() {
		return nil, errors.New("more than one JSON value")
	}
	return o, nil
}

func (o object) get(name string) json.RawMessage {
	for _, m := range o {
		if m.name == name {
			return m.value
		}
	}
	return nil
}

// any decodes a member; nil when it is absent or null.
func (o object) any(name string) any {
	raw := o.get(name)
	if raw == nil {
		return nil
	}
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return nil
	}
	return v
}

// text is a member that is a string; "" for anything else.
func (o object) text(name string) string {
	s, _ := o.any(name).(string)
	return s
}

func (o object) has(name string) bool { return o.get(name) != nil }

func (o *object) set(name string, value json.RawMessage) {
	for i := range *o {
		if (*o)[i].name == name {
			(*o)[i].value = value
			return
		}
	}
	*o = append(*o, member{name, value})
}

// put sets a member to the JSON of a value that always marshals.
func (o *object) put(name string, value any) { o.set(name, marshal(value)) }

// marshal writes JSON without HTML escapes and without blanks.
func marshal(value any) json.RawMessage {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		return json.RawMessage("null")
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
}

// appendTo writes the object without blanks, so that it is one line.
func (o object) appendTo(b []byte) []byte {
	b = append(b, '{')
	for i, m := range o {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendQuoted(b, m.name)
		b = append(b, ':')
		b = appendCompact(b, m.value)
	}
	return append(b, '}')
}

func appendCompact(b []byte, v json.RawMessage) []byte {
	c := jsontext.Value(bytes.Clone(v))
	if c.Compact(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) != nil {
		return append(b, "null"...)
	}
	return append(b, c...)
}

// appendQuoted writes a JSON string.
func appendQuoted(b []byte, s string) []byte {
	out, err := jsontext.AppendQuote(b, s)
	if err != nil { // invalid UTF-8, which it has replaced
		return out
	}
	return out
}

func quoted(s string) string { return string(appendQuoted(nil, s)) }
