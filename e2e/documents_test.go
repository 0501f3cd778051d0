//go:build e2e

package e2e

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// json [-line N] [-len N] [-as VAR] FILE POINTER [VALUE]
func cmdJSON(ts *testscript.TestScript, neg bool, args []string) {
	const usage = "usage: json [-line N] [-len N] [-as VAR] FILE|stdout POINTER [VALUE]"
	line, length, variable := 0, -1, ""
	for ; len(args) > 1 && strings.HasPrefix(args[0], "-"); args = args[2:] {
		n, err := strconv.Atoi(args[1])
		switch args[0] {
		case "-line":
			line = n
		case "-len":
			length = n
		case "-as":
			variable, err = args[1], nil
		default:
			ts.Fatalf(usage)
		}
		ts.Check(err)
	}
	if len(args) != 2 && len(args) != 3 {
		ts.Fatalf(usage)
	}
	file, pointer := args[0], args[1]
	value, err := lookUp(document(ts, file, line), pointer)
	if neg {
		if !errors.Is(err, errAbsent) {
			ts.Fatalf("json %s %s: should be absent, is %s (error: %v)", file, pointer, jsonText(value), err)
		}
		return
	}
	if err != nil {
		ts.Fatalf("json %s %s: %v", file, pointer, err)
	}
	text := jsonText(value)
	if length >= 0 && size(value) != length {
		ts.Fatalf("json %s %s: has %d elements, want %d: %s", file, pointer, size(value), length, text)
	}
	if len(args) == 3 && !sameJSON(value, args[2]) {
		ts.Fatalf("json %s %s: is %s, want %s", file, pointer, text, args[2])
	}
	if variable != "" {
		ts.Setenv(variable, text)
	}
	_, _ = fmt.Fprintln(ts.Stdout(), text)
}

// document reads the JSON text of a file, of the last output, or (of an http command) of the body in it.
func document(ts *testscript.TestScript, file string, line int) []byte {
	text := []byte(ts.ReadFile(file))
	if s := storyOf(ts); file == "stdout" && s.answer != "" && s.answer == string(text) {
		text = s.body
	}
	if line == 0 {
		return text
	}
	lines := bytes.Split(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))
	if line > len(lines) {
		ts.Fatalf("json: %s has %d lines, no line %d", file, len(lines), line)
	}
	return lines[line-1]
}

var errAbsent = errors.New("absent")

// lookUp follows a JSON pointer (RFC 6901). Numbers keep their text.
func lookUp(document []byte, pointer string) (any, error) {
	d := json.NewDecoder(bytes.NewReader(document))
	d.UseNumber()
	var at any
	if err := d.Decode(&at); err != nil {
		return nil, fmt.Errorf("not JSON: %w: %.200q", err, document)
	}
	if pointer == "" {
		return at, nil
	}
	if !strings.HasPrefix(pointer, "/") {
		return nil, fmt.Errorf("a JSON pointer begins with a slash: %q", pointer)
	}
	unescape := strings.NewReplacer("~1", "/", "~0", "~")
	for step := range strings.SplitSeq(pointer[1:], "/") {
		step = unescape.Replace(step)
		switch here := at.(type) {
		case map[string]any:
			next, ok := here[step]
			if !ok {
				return nil, fmt.Errorf("%w: no member %q", errAbsent, step)
			}
			at = next
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(here) {
				return nil, fmt.Errorf("%w: no element %q among %d", errAbsent, step, len(here))
			}
			at = here[i]
		default:
			return nil, fmt.Errorf("%w: %q is looked for in a plain value", errAbsent, step)
		}
	}
	return at, nil
}

// jsonText is a string's own text, or JSON.
func jsonText(value any) string {
	if s, ok := value.(string); ok {
		return s
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(value) // values that came from JSON always encode
	return strings.TrimSpace(b.String())
}

func sameJSON(value any, want string) bool {
	if s, ok := value.(string); ok {
		return s == want
	}
	wanted, err := lookUp([]byte(want), "")
	return err == nil && reflect.DeepEqual(value, wanted)
}

func size(value any) int {
	switch v := value.(type) {
	case map[string]any:
		return len(v)
	case []any:
		return len(v)
	default:
		return -1
	}
}

// digest ALGORITHM FILE [VALUE] [-as VAR]
func cmdDigest(ts *testscript.TestScript, neg bool, args []string) {
	const usage = "usage: digest [-as VAR] md5|sha1|sha256|sha512|sha512-sri FILE [VALUE]"
	variable := ""
	if len(args) > 1 && args[0] == "-as" {
		variable, args = args[1], args[2:]
	}
	if len(args) != 2 && len(args) != 3 {
		ts.Fatalf(usage)
	}
	data := []byte(ts.ReadFile(args[1]))
	var text string
	switch args[0] {
	case "md5":
		sum := md5.Sum(data)
		text = hex.EncodeToString(sum[:])
	case "sha1":
		sum := sha1.Sum(data)
		text = hex.EncodeToString(sum[:])
	case "sha256":
		sum := sha256.Sum256(data)
		text = hex.EncodeToString(sum[:])
	case "sha512":
		sum := sha512.Sum512(data)
		text = hex.EncodeToString(sum[:])
	case "sha512-sri":
		sum := sha512.Sum512(data)
		text = "sha512-" + base64.StdEncoding.EncodeToString(sum[:])
	default:
		ts.Fatalf(usage)
	}
	if len(args) == 3 && (text == args[2]) == neg {
		ts.Fatalf("digest %s %s is %s; asked about %s", args[0], args[1], text, args[2])
	}
	if variable != "" {
		ts.Setenv(variable, text)
	}
	_, _ = fmt.Fprintln(ts.Stdout(), text)
}

// keep VAR [FILE]
func cmdKeep(ts *testscript.TestScript, neg bool, args []string) {
	noNegation(ts, neg, "keep")
	switch len(args) {
	case 1:
		ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile("stdout")))
	case 2:
		ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile(args[1])))
	default:
		ts.Fatalf("usage: keep VAR [FILE]")
	}
}

// expand FILE…: only variables that are set are replaced, since package files have dollars of their own.
func cmdExpand(ts *testscript.TestScript, neg bool, args []string) {
	noNegation(ts, neg, "expand")
	for _, file := range args {
		text := os.Expand(ts.ReadFile(file), func(name string) string {
			if value := ts.Getenv(name); value != "" {
				return value
			}
			return "${" + name + "}"
		})
		ts.Check(os.WriteFile(ts.MkAbs(file), []byte(text), 0o644))
	}
}
