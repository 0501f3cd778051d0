package archive

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"time"

	"bonded/internal/errs"
)

// tarHeader is one 512-byte header block (POSIX.1-2017 pax, "ustar Interchange Format").
type tarHeader struct {
	name, link string
	kind       byte
	mode       int64
	size       int64
	modified   time.Time
	ustar      bool // POSIX magic: the prefix field is part of the name
}

// tarHeader parses and verifies a header block.
func (w *walker) tarHeader(b *[blockSize]byte) (tarHeader, error) {
	var h tarHeader
	name, nameTidy := cString(b[0:100])
	link, linkTidy := cString(b[157:257])
	h.name, h.link, h.kind = name, link, b[156]
	var sum int64
	for i, c := range b {
		if i >= 148 && i < 156 {
			c = ' '
		}
		sum += int64(c)
	}
	want, ok := octal(b[148:156])
	if !ok || want != sum {
		return h, w.stop(ruleTarHeader, name, "its header does not match its checksum")
	}
	prefixTidy, err := w.tarPrefix(b, &h)
	if err != nil {
		return h, err
	}
	if !nameTidy || !linkTidy || !prefixTidy {
		w.note(ruleTarField, h.name, "bytes follow the NUL that ends a name in its header")
	}
	h.size, ok = octal(b[124:136])
	if !ok || blank(b[124:136]) {
		return h, w.stop(ruleTarSize, h.name, "its header does not state its size as an octal number")
	}
	w.tarNumbers(b, &h)
	return h, nil
}

// tarPrefix joins the name's two fields. Readers disagree about the second one outside POSIX headers, so it has to be
// empty there; star's variant keeps times in its last bytes.
func (w *walker) tarPrefix(b *[blockSize]byte, h *tarHeader) (bool, error) {
	magic := string(b[257:265])
	h.ustar = magic == "ustar\x0000"
	if !h.ustar && magic != "ustar  \x00" && !zero(b[257:265]) {
		return false, w.stop(ruleTarHeader, h.name, "its header is of no known tar format")
	}
	if !h.ustar {
		if !zero(b[345:500]) {
			return false, w.stop(ruleTarPrefix, h.name, "its header uses the prefix field, which only POSIX headers have")
		}
		return true, nil
	}
	field := b[345:500]
	if field[130] == 0 && len(bytes.Trim(field[131:], "01234567 \x00")) == 0 {
		field = field[:130]
	}
	prefix, tidy := cString(field)
	if prefix != "" {
		h.name = prefix + "/" + h.name
	}
	return tidy && zero(b[500:]), nil
}

// tarNumbers reads the fields that decide nothing here, where a malformed one stops some readers.
func (w *walker) tarNumbers(b *[blockSize]byte, h *tarHeader) {
	var ok, all bool
	h.mode, all = number(b[100:108])
	for _, f := range [][]byte{b[108:116], b[116:124], b[329:337], b[337:345]} {
		_, ok = number(f)
		all = all && ok
	}
	seconds, ok := number(b[136:148])
	if !all || !ok {
		w.note(ruleTarField, h.name, "a numeric field of its header is malformed")
	}
	h.modified = time.Unix(seconds, 0).UTC()
}

// octal parses a field of octal digits, which may be preceded by spaces and must be followed by NULs or spaces only. A
// field without digits is zero.
func octal(b []byte) (int64, bool) {
	b = bytes.TrimLeft(b, " ")
	b = bytes.TrimRight(b, " \x00")
	if len(b) == 0 {
		return 0, true
	}
	var n int64
	for _, c := range b {
		if c < '0' || c > '7' {
			return 0, false
		}
		n = n<<3 | int64(c-'0')
	}
	return n, true
}

// blank reports whether a field has no digits.
func blank(b []byte) bool {
	return len(bytes.Trim(b, " \x00")) == 0
}

// number parses an octal field or GNU's base-256 form of one.
func number(b []byte) (int64, bool) {
	if b[0]&0x80 == 0 {
		return octal(b)
	}
	n := int64(0)
	if b[0]&0x40 != 0 {
		n = -1
	}
	for i, c := range b {
		if i == 0 {
			c &= 0x7f
			if n < 0 {
				c |= 0x80
			}
		}
		if n > 1<<54 || n < -1<<54 {
			return 0, false
		}
		n = n<<8 | int64(c)
	}
	return n, true
}

// extensions are what the headers before an entry say about it.
type extensions struct {
	pax                bool
	path, linkpath     string
	size               string
	modified           string
	gnuName, gnuLink   string
	hasName, hasTarget bool
}

func (x *extensions) any() bool { return x.pax || x.hasName || x.hasTarget }

// longName takes the data of a GNU L or K header: a name, ended by NULs.
func (t *tarReader) longName(kind byte, data []byte) error {
	name, tidy := cString(data)
	if !tidy || name == "" {
		return t.w.stop(ruleTarLongName, name, "its GNU long name is empty or goes on after its NUL")
	}
	taken, into := &t.ext.hasName, &t.ext.gnuName
	if kind == 'K' {
		taken, into = &t.ext.hasTarget, &t.ext.gnuLink
	}
	if *taken {
		return t.w.stop(ruleTarLongName, name, "it has two GNU long names")
	}
	*taken, *into = true, name
	return t.mixed(name)
}

// mixed refuses pax and GNU extensions on one entry: readers apply them in different orders.
func (t *tarReader) mixed(name string) error {
	if t.ext.pax && (t.ext.hasName || t.ext.hasTarget) {
		return t.w.stop(ruleTarMixed, name, "it has both a pax header and a GNU long name")
	}
	return nil
}

// paxLocal takes a pax extended header, which counts for the next entry.
func (t *tarReader) paxLocal(data []byte) error {
	if t.ext.pax {
		return t.w.stop(ruleTarPax, t.entry, "two pax headers precede one entry")
	}
	records, err := paxRecords(data)
	if err != nil {
		return t.w.stop(ruleTarPax, t.entry, "its pax header %s", err)
	}
	t.ext.pax = true
	for key, value := range records {
		switch {
		case strings.HasPrefix(key, "GNU.sparse."):
			return t.w.stop(ruleTarSparse, t.entry, "it is a sparse file")
		case key == "hdrcharset":
			return t.w.stop(ruleTarPax, t.entry, "its pax header changes the character set")
		case (key == "path" || key == "linkpath" || key == "size") && value == "":
			return t.w.stop(ruleTarPax, t.entry, "its pax header has an empty %s", key)
		case !paxNumber(key, value):
			t.w.note(ruleTarField, t.entry, "its pax header has a malformed %s", key)
		}
	}
	t.ext.path, t.ext.linkpath = records["path"], records["linkpath"]
	t.ext.size, t.ext.modified = records["size"], records["mtime"]
	return t.mixed(t.entry)
}

// paxGlobal takes a pax global header. Only comments are accepted, as git archive writes them: what a global header
// says about all entries, some readers ignore.
func (t *tarReader) paxGlobal(data []byte) error {
	if t.ext.any() {
		return t.w.stop(ruleTarGlobal, t.entry, "a global pax header stands between an entry and its extension")
	}
	records, err := paxRecords(data)
	if err != nil {
		return t.w.stop(ruleTarPax, t.entry, "its global pax header %s", err)
	}
	for key := range records {
		if key != "comment" {
			return t.w.stop(ruleTarGlobal, t.entry, "its global pax header sets %s", quote(key))
		}
	}
	return nil
}

// paxRecords parses "%d key=value\n" records strictly: minimal decimal lengths, every key once.
func paxRecords(b []byte) (map[string]string, error) {
	records := make(map[string]string)
	for len(b) > 0 {
		digits, _, ok := bytes.Cut(b[:min(len(b), 8)], []byte(" "))
		n, err := strconv.ParseUint(string(digits), 10, 31)
		if !ok || err != nil || digits[0] < '1' || digits[0] > '9' || n > uint64(len(b)) || int(n) < len(digits)+2 || b[n-1] != '\n' {
			return nil, errors.New("has a record of the wrong length")
		}
		key, value, ok := strings.Cut(string(b[len(digits)+1:n-1]), "=")
		if !ok || key == "" {
			return nil, errors.New("has a record without a key")
		}
		text := key == "path" || key == "linkpath" || key == "uname" || key == "gname"
		if strings.Contains(key, "\x00") || (text && strings.Contains(value, "\x00")) {
			return nil, errors.New("has a NUL byte in a name")
		}
		if _, twice := records[key]; twice {
			return nil, errors.New("sets " + quote(key) + " twice")
		}
		records[key] = value
		b = b[n:]
	}
	return records, nil
}

// extend applies the extensions to a header and returns the entry's name and link target.
func (t *tarReader) extend(h *tarHeader) (name, link string, err error) {
	x := t.ext
	t.ext = extensions{}
	name, link = h.name, h.link
	if x.hasName {
		name = x.gnuName
	}
	if x.hasTarget {
		link = x.gnuLink
	}
	if x.path != "" {
		name = x.path
	}
	if x.linkpath != "" {
		link = x.linkpath
	}
	if x.size != "" {
		n, err := strconv.ParseUint(x.size, 10, 63)
		if err != nil || int64(n) != h.size {
			return name, link, t.w.stop(ruleTarSize, name, "its pax header and its plain one differ in size")
		}
	}
	if at, ok := paxTime(x.modified); ok {
		h.modified = at
	}
	return name, link, nil
}

// paxNumber reports whether the value of a key that has to be a number is one.
func paxNumber(key, value string) bool {
	ok := true
	switch key {
	case "uid", "gid":
		_, err := strconv.ParseInt(value, 10, 64)
		ok = err == nil
	case "mtime", "atime", "ctime":
		_, ok = paxTime(value)
	}
	return ok
}

// paxTime parses seconds since 1970 with an optional fraction, which is dropped.
func paxTime(s string) (time.Time, bool) {
	whole, fraction, _ := strings.Cut(s, ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || strings.Trim(fraction, "0123456789") != "" {
		return time.Time{}, false
	}
	return time.Unix(n, 0).UTC(), true
}

// isRefusal reports whether err is already a refusal of ours.
func isRefusal(err error) bool {
	_, ok := errors.AsType[*errs.Error](err)
	return ok
}
