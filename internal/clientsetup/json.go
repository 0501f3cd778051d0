package clientsetup

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
)

// object is a JSON object that remembers the order of its keys.
type object struct {
	keys   []string
	values map[string]any
}

func (o *object) get(key string) any { return o.values[key] }

func (o *object) set(key string, value any) {
	if _, ok := o.values[key]; !ok {
		o.keys = append(o.keys, key)
	}
	o.values[key] = value
}

// setFirst sets a key and moves it before the others.
func (o *object) setFirst(key string, value any) {
	o.keys = slices.DeleteFunc(o.keys, func(k string) bool { return k == key })
	o.keys = slices.Insert(o.keys, 0, key)
	o.values[key] = value
}

func newObject() *object { return &object{values: map[string]any{}} }

// child is the object under a key, made if there is none.
func (o *object) child(key string) (*object, error) {
	switch v := o.get(key).(type) {
	case *object:
		return v, nil
	case nil:
		c := newObject()
		o.set(key, c)
		return c, nil
	case []any:
		if len(v) == 0 { // PHP writes an empty map as an empty list
			c := newObject()
			o.set(key, c)
			return c, nil
		}
	}
	return nil, errStyle
}

// MarshalJSON writes the keys in order.
func (o *object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, k := range o.keys {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := errors.Join(writeJSON(&b, k), b.WriteByte(':'), writeJSON(&b, o.values[k])); err != nil {
			return nil, err
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

func writeJSON(b *bytes.Buffer, v any) error {
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// readJSON reads a document that is an object; "" is an empty one.
func readJSON(text string) (*object, error) {
	if len(bytes.TrimSpace([]byte(text))) == 0 {
		return newObject(), nil
	}
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	dec.UseNumber()
	v, err := readValue(dec, 0)
	if err != nil {
		return nil, err
	}
	o, ok := v.(*object)
	if !ok {
		return nil, errors.New("it is not a JSON object")
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the JSON object")
	}
	return o, nil
}

func readValue(dec *json.Decoder, depth int) (any, error) {
	t, err := dec.Token()
	if err != nil {
		return nil, err
	}
	delim, ok := t.(json.Delim)
	if !ok {
		return t, nil
	}
	if depth > 100 {
		return nil, errors.New("it is nested too deeply")
	}
	if delim == '[' {
		list := []any{}
		for dec.More() {
			v, err := readValue(dec, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := dec.Token()
		return list, err
	}
	o := newObject()
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, err
		}
		name := key.(string) // the decoder lets nothing else stand before a colon
		if _, twice := o.values[name]; twice {
			return nil, errors.New("it names " + name + " twice")
		}
		v, err := readValue(dec, depth+1)
		if err != nil {
			return nil, err
		}
		o.set(name, v)
	}
	_, err = dec.Token()
	return o, err
}

// setJSON changes a document by change and writes it as Composer does, with four spaces. A document that says it all already
// stays as it is.
func setJSON(text string, change func(*object) error) (string, error) {
	o, err := readJSON(text)
	if err != nil {
		return "", err
	}
	before, err := json.Marshal(o)
	if err != nil {
		return "", err
	}
	if err := change(o); err != nil {
		return "", err
	}
	after, err := json.Marshal(o)
	if err != nil || bytes.Equal(before, after) && text != "" {
		return text, err
	}
	return jsonText(o)
}

func jsonText(o *object) (string, error) {
	raw, err := o.MarshalJSON()
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	err = json.Indent(&b, raw, "", "    ")
	return b.String() + "\n", err
}
