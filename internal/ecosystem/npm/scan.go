package npm

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"

	"bonded/internal/errs"
)

// A publish request is one JSON document that holds the tarball as a base64 string of any length (npm.md §3). scanner
// reads it member by member: everything but the tarball within a budget of memory, the tarball as a stream.
type scanner struct {
	r *bufio.Reader
	// budget is how many more bytes of metadata may be kept.
	budget int64
}

// maxNesting is deeper than any package.json and shallower than any stack.
const maxNesting = 256

func malformed(why string) *errs.Error {
	return errs.New(errs.Invalid, "The request body is not a publish document: %s.", why).WithRule("npm/publish-body").
		WithNext("Publish with an npm client.")
}

// readErr tells the end of the input from the failure of the connection.
func readErr(err error) error {
	if errors.Is(err, io.EOF) {
		return malformed("it ends too early")
	}
	return err
}

// next returns the next byte that is no blank.
func (s *scanner) next() (byte, error) {
	for {
		c, err := s.r.ReadByte()
		if err != nil {
			return 0, readErr(err)
		}
		if c != ' ' && c != '\n' && c != '\r' && c != '\t' {
			return c, nil
		}
	}
}

func (s *scanner) expect(want byte) error {
	c, err := s.next()
	if err == nil && c != want {
		return malformed("it is not well-formed JSON")
	}
	return err
}

// object reads an object; visit must consume the value of each member. A name that comes twice is refused, because two
// readers could take different ones.
func (s *scanner) object(visit func(name string) error) error {
	if err := s.expect('{'); err != nil {
		return err
	}
	seen := map[string]bool{}
	c, err := s.next()
	for ; err == nil && c != '}'; c, err = s.next() {
		if len(seen) > 0 {
			if c != ',' {
				return malformed("it is not well-formed JSON")
			}
			if c, err = s.next(); err != nil {
				return err
			}
		}
		name, err := s.name(c)
		if err != nil {
			return err
		}
		if seen[name] {
			return malformed("the member " + show(name) + " comes twice")
		}
		seen[name] = true
		if err := s.expect(':'); err != nil {
			return err
		}
		if err := visit(name); err != nil {
			return err
		}
	}
	return err
}

// name reads a member's name whose first byte was read already.
func (s *scanner) name(first byte) (string, error) {
	if first != '"' {
		return "", malformed("it is not well-formed JSON")
	}
	raw, err := s.capture(first)
	if err != nil {
		return "", err
	}
	var name string
	if json.Unmarshal(raw, &name) != nil {
		return "", malformed("it is not well-formed JSON")
	}
	return name, nil
}

// value reads one value whole and returns it as it was written.
func (s *scanner) value() (json.RawMessage, error) {
	c, err := s.next()
	if err != nil {
		return nil, err
	}
	raw, err := s.capture(c)
	if err != nil {
		return nil, err
	}
	if !json.Valid(raw) {
		return nil, malformed("it is not well-formed JSON")
	}
	return raw, nil
}

// capture keeps the bytes of the value that begins with first: up to the bracket or quote that ends it, or, for a number
// or a word, up to what cannot belong to it.
func (s *scanner) capture(first byte) ([]byte, error) {
	out := []byte{first}
	depth, inString := 0, first == '"'
	switch first {
	case '{', '[':
		depth = 1
	case '"':
	default:
		return s.captureWord(out)
	}
	for depth > 0 || inString {
		c, err := s.r.ReadByte()
		if err != nil {
			return nil, readErr(err)
		}
		out = append(out, c)
		if s.budget--; s.budget < 0 {
			return nil, errs.New(errs.TooLarge, "The metadata of this publish request, without the tarball, is larger than %d bytes.", int64(maxMetadata)).
				WithRule("npm/metadata-size").WithNext("Shorten the readme or the package.json.")
		}
		switch {
		case inString && c == '\\':
			c, err := s.r.ReadByte()
			if err != nil {
				return nil, readErr(err)
			}
			out = append(out, c)
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > maxNesting {
				return nil, malformed("it is nested too deeply")
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return out, nil
}

func (s *scanner) captureWord(out []byte) ([]byte, error) {
	const longest = 64
	for len(out) < longest {
		c, err := s.r.ReadByte()
		if err != nil {
			return nil, readErr(err)
		}
		switch c {
		case ',', '}', ']', ' ', '\n', '\r', '\t':
			return out, s.r.UnreadByte()
		}
		out = append(out, c)
	}
	return nil, malformed("it is not well-formed JSON")
}

// base64 streams the decoded bytes of a string value to take. The string is consumed up to its closing quote.
func (s *scanner) base64(take func(io.Reader) error) error {
	if err := s.expect('"'); err != nil {
		return err
	}
	text := &stringReader{s: s}
	if err := take(base64.NewDecoder(base64.StdEncoding, text)); err != nil {
		return text.explain(err)
	}
	// What follows the padding, if anything, would be bytes that no reader sees.
	if n, err := io.Copy(io.Discard, text); err != nil || n > 0 {
		return text.explain(malformed("the tarball is not plain base64"))
	}
	return nil
}

// stringReader reads the bytes of a JSON string whose opening quote is gone, up to the closing one.
type stringReader struct {
	s    *scanner
	done bool
	err  error
}

func (r *stringReader) Read(p []byte) (int, error) {
	if r.done {
		return 0, io.EOF
	}
	if r.err != nil {
		return 0, r.err
	}
	if _, err := r.s.r.Peek(1); err != nil {
		r.err = readErr(err)
		return 0, r.err
	}
	buffered, _ := r.s.r.Peek(min(r.s.r.Buffered(), len(p)))
	n, used := 0, 0
	for _, c := range buffered {
		used++
		switch {
		case c == '"':
			r.done = true
		case c == '\\' || c < ' ' || c >= 0x7f: // no client escapes base64; "\/" is not worth a second reading
			r.err = malformed("the tarball is not plain base64")
		default:
			p[n] = c
			n++
			continue
		}
		break
	}
	_, _ = r.s.r.Discard(used)
	if n == 0 && r.done {
		return 0, io.EOF
	}
	return n, r.err
}

// explain turns an error of whoever took the bytes back into what went wrong with the string.
func (r *stringReader) explain(err error) error {
	if r.err != nil {
		return r.err
	}
	if _, ok := errors.AsType[base64.CorruptInputError](err); ok || errors.Is(err, io.ErrUnexpectedEOF) {
		return malformed("the tarball is not plain base64")
	}
	return err
}
