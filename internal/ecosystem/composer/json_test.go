package composer

import (
	"strings"
	"testing"
)

func TestParseObjectRefusesWhatTwoReadersCouldReadDifferently(t *testing.T) {
	for name, in := range map[string]string{
		"a duplicate name":                        `{"a":1,"a":2}`,
		"a duplicate name deep inside":            `{"a":{"b":[{"c":1,"c":2}]}}`,
		"a duplicate name behind an escape":       `{"a":1,"\u0061":2}`,
		"an unpaired surrogate":                   `{"a":"\ud800"}`,
		"broken UTF-8":                            "{\"a\":\"\xff\"}",
		"a number beyond a float":                 `{"a":1e999}`,
		"a number beyond a float, deep inside":    `{"a":[[-1e999]]}`,
		"text behind the object":                  `{"a":1} x`,
		"a second object":                         `{"a":1}{"b":2}`,
		"a list":                                  `["a"]`,
		"a string":                                `"a"`,
		"a trailing comma":                        `{"a":1,}`,
		"a comment":                               "{// hello\n\"a\":1}",
		"nothing":                                 ``,
		"blanks":                                  "  \n",
		"half an object":                          `{"a":`,
		"deeper than any honest document":         `{"a":` + strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth) + `}`,
		"deep enough to break a recursive reader": `{"a":` + strings.Repeat("[", 100_000),
	} {
		if o, err := parseObject([]byte(in)); err == nil {
			t.Errorf("%s: %.40s was read as %v", name, in, o)
		}
	}
}

func TestParseObjectKeepsOrderAndSpelling(t *testing.T) {
	in := "{\n \"z\" : [ 1.50, \"a\\/b\", null ],\n \"a\": {\"y\": 1, \"x\": {}} , \"\": true}\n"
	o, err := parseObject([]byte(in))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(o.appendTo(nil)), `{"z":[1.50,"a\/b",null],"a":{"y":1,"x":{}},"":true}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := o.object("a").object("x"); len(got) != 0 {
		t.Errorf("an empty object has members %v", got)
	}
	if o.text("z") != "" || o.object("z") != nil || len(o.list("z")) != 3 || o.has("nope") {
		t.Error("members of other kinds must read as absent")
	}
}

func FuzzParseObject(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":1}`, `{"a":{"b":["c",null,true,-1.5e3]}}`, `{"\u00e9":"\ud83d\ude00"}`, `{"a":1,"a":1}`, `[`, `{"name":"a/b","require":{"php":">=8"}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		o, err := parseObject(in)
		if err != nil {
			return
		}
		written := o.appendTo(nil)
		again, err := parseObject(written)
		if err != nil {
			t.Fatalf("%q was read, and what was written of it, %q, is not: %v", in, written, err)
		}
		if string(again.appendTo(nil)) != string(written) {
			t.Fatalf("%q does not survive a round", written)
		}
	})
}
