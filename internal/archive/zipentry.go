package archive

import (
	"bufio"
	"bytes"
	"errors"
	"hash"
	"hash/crc32"
	"io"
	"io/fs"
	"math"
	"strings"
	"sync"

	"github.com/klauspost/compress/flate"
)

// zipReader reads the entries' region of a zip from front to end; entries tile it without gaps.
type zipReader struct {
	src *source
	in  *bufio.Reader
	inf io.ReadCloser
}

// pos is the offset of the next byte of in.
func (z *zipReader) pos() int64 { return z.src.n - int64(z.in.Buffered()) }

var (
	readers   = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 32<<10) }}
	inflaters = sync.Pool{New: func() any { return flate.NewReader(bytes.NewReader(nil)) }}
	scratches = sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}
)

func newZipReader(r io.ReaderAt, end int64) *zipReader {
	in := readers.Get().(*bufio.Reader)
	src := &source{r: io.NewSectionReader(r, 0, end)}
	in.Reset(src)
	return &zipReader{src: src, in: in, inf: inflaters.Get().(io.ReadCloser)}
}

func (z *zipReader) release() {
	z.in.Reset(nil)
	readers.Put(z.in)
	inflaters.Put(z.inf)
}

// full fills b from the region.
func (z *zipReader) full(b []byte) error {
	_, err := io.ReadFull(z.in, b)
	return err
}

// zipEntry reads one entry: its local header, its data and, where flagged, its data descriptor, which together fill its
// place up to the next entry.
func (w *walker) zipEntry(z *zipReader, c zipEntry) error {
	local, err := w.zipLocal(z, c)
	if err != nil {
		return err
	}
	room := c.end - z.pos() - c.packed
	if room < 0 {
		return w.stop(ruleZipOverlap, c.name, "its data runs %d bytes into what follows", -room)
	}
	e := Entry{Size: c.unpacked, Mode: c.mode(), ModTime: c.modified, Dir: strings.HasSuffix(c.name, "/")}
	if err := w.checkZipKind(c, &e); err != nil {
		return err
	}
	if w.profile.UTF8Flag && c.flags&flagUTF8 == 0 && !ascii(c.name) {
		w.note(ruleZipCharset, c.name, "its name is not in ASCII and not flagged as UTF-8")
	}
	listed, err := w.admit(c.name, &e)
	if err != nil {
		return err
	}
	if listed && !e.Dir {
		if _, taken := w.files[e.Name]; taken {
			w.note(ruleDuplicate, c.name, "the archive has two entries of this name")
		}
		w.files[e.Name] = len(w.list.Entries) - 1
	}
	if err := w.zipData(z, c, e, listed); err != nil {
		return err
	}
	w.list.Unpacked += c.unpacked
	return w.zipDescriptor(z, c, local, room)
}

// checkZipKind reconciles the two ways in which an entry says that it is a directory, and refuses devices.
func (w *walker) checkZipKind(c zipEntry, e *Entry) error {
	kind := e.Mode.Type()
	if kind&(fs.ModeDevice|fs.ModeNamedPipe|fs.ModeSocket) != 0 {
		w.note(ruleDevice, c.name, "it is a device, pipe or socket")
	}
	if e.Dir && (c.unpacked != 0 || kind&fs.ModeSymlink != 0) {
		return w.stop(ruleZipDirData, c.name, "it is a directory with contents")
	}
	if !e.Dir && kind == fs.ModeDir {
		w.note(ruleZipDirData, c.name, "its attributes say directory and its name says file")
	}
	if e.Dir {
		e.Mode |= fs.ModeDir
	}
	return nil
}

// localHeader is what the local header adds to the central record.
type localHeader struct {
	wide bool // it has a zip64 extra field, so its descriptor is a wide one
}

// zipLocal reads a local header (APPNOTE §4.3.7) and holds it against the central record. Producers legitimately differ
// in the version needed, the UTF-8 flag, the deflate level and the time, which no reader lets decide what it extracts.
func (w *walker) zipLocal(z *zipReader, c zipEntry) (localHeader, error) {
	var none localHeader
	if c.offset < z.pos() {
		return none, w.stop(ruleZipOverlap, c.name, "its header lies inside another entry")
	}
	var h [lenLocal]byte
	if c.end-c.offset < lenLocal {
		return none, w.stop(ruleZipOverlap, c.name, "its header runs into what follows")
	}
	if err := z.full(h[:]); err != nil {
		return none, err
	}
	if le.Uint32(h[:]) != sigLocal {
		return none, w.stop(ruleZipLocal, c.name, "there is no local header where the central directory says")
	}
	nameLen, extraLen := int(le.Uint16(h[26:])), int(le.Uint16(h[28:]))
	if int64(nameLen+extraLen) > c.end-z.pos() {
		return none, w.stop(ruleZipOverlap, c.name, "its header runs into what follows")
	}
	rest := make([]byte, nameLen+extraLen)
	if err := z.full(rest); err != nil {
		return none, err
	}
	if name := string(rest[:nameLen]); name != c.name {
		return none, w.stop(ruleZipLocal, c.name, "its local header names it %s", quote(name))
	}
	flags := le.Uint16(h[6:])
	const must = flagEncrypted | flagDescriptor | flagPatch | flagStrong | flagMasked
	if flags&must != c.flags&must || le.Uint16(h[8:]) != c.method {
		return none, w.stop(ruleZipLocal, c.name, "its local header and the central directory differ in flags or method")
	}
	x, err := w.zipExtra(c.name, rest[nameLen:], true)
	if err != nil {
		return none, err
	}
	return localHeader{wide: x.has64}, w.zipSizes(c, h[:], x)
}

// zipSizes compares the checksum and sizes of a local header. With a data descriptor they may be zero.
func (w *walker) zipSizes(c zipEntry, h []byte, x zipExtra) error {
	crc := le.Uint32(h[14:])
	unpacked, wide, ok1 := widen(le.Uint32(h[22:]), x.wide)
	packed, wide, ok2 := widen(le.Uint32(h[18:]), wide)
	if !ok1 || !ok2 || (x.has64 && len(wide) != 0 && len(wide) != 16) {
		return w.stop(ruleZip64, c.name, "the zip64 extra field of its local header does not hold exactly the sizes that need it")
	}
	streamed := c.flags&flagDescriptor != 0
	if len(wide) == 16 && !spare64(wide, c, streamed) {
		return w.stop(ruleZip64, c.name, "the zip64 extra field of its local header and the central directory differ in sizes")
	}
	if crc == c.crc && unpacked == c.unpacked && packed == c.packed {
		return nil
	}
	if streamed && (crc == 0 || crc == c.crc) && (unpacked == 0 || unpacked == c.unpacked) && (packed == 0 || packed == c.packed) {
		return nil
	}
	return w.stop(ruleZipLocal, c.name, "its local header and the central directory differ in checksum or sizes")
}

// spare64 judges a local zip64 field that nothing refers to: it must say what the central directory says, or nothing.
func spare64(wide []byte, c zipEntry, streamed bool) bool {
	unpacked, packed := le.Uint64(wide), le.Uint64(wide[8:])
	if unpacked == uint64(c.unpacked) && packed == uint64(c.packed) {
		return true
	}
	return streamed && unpacked == 0 && packed == 0
}

// zipExtra is what matters of an entry's extra fields.
type zipExtra struct {
	has64 bool
	wide  []byte // the numbers of the zip64 field
}

// zipExtra parses extra fields (APPNOTE §4.5). Only zip64 sizes and the Unicode path decide how a reader sees an entry;
// others (times, owners, Java's marker) may differ between the two headers. Alignment tools pad local headers with zeros.
func (w *walker) zipExtra(name string, b []byte, local bool) (zipExtra, error) {
	const id64, idUnicode = 0x0001, 0x7075
	var x zipExtra
	unicodePath := false
	for len(b) > 0 {
		if len(b) < 4 {
			if local && len(bytes.Trim(b, "\x00")) == 0 {
				break
			}
			return x, w.stop(ruleZipExtra, name, "its extra fields are malformed")
		}
		id, n := le.Uint16(b), int(le.Uint16(b[2:]))
		if n > len(b)-4 {
			return x, w.stop(ruleZipExtra, name, "its extra fields are malformed")
		}
		body := b[4 : 4+n]
		b = b[4+n:]
		switch id {
		case id64:
			if x.has64 {
				return x, w.stop(ruleZip64, name, "it has two zip64 extra fields")
			}
			x = zipExtra{has64: true, wide: body}
		case idUnicode:
			if unicodePath {
				return x, w.stop(ruleZipUnicode, name, "it has two Unicode path extra fields")
			}
			unicodePath = true
			if n < 5 || body[0] != 1 || le.Uint32(body[1:]) != crc32.ChecksumIEEE([]byte(name)) || string(body[5:]) != name {
				return x, w.stop(ruleZipUnicode, name, "its Unicode path extra field names it otherwise")
			}
		}
	}
	return x, nil
}

// zipData reads an entry's data to its last byte, hands it to fn and verifies length and checksum.
func (w *walker) zipData(z *zipReader, c zipEntry, e Entry, listed bool) error {
	if c.method == methodStored && c.packed != c.unpacked {
		return w.stop(ruleZipData, c.name, "it is stored, and its two sizes differ")
	}
	if e.Dir && c.packed == 0 && c.crc == 0 {
		return nil // PHP marks directories without data as deflated; nobody inflates a directory
	}
	if c.packed > 0 && c.unpacked/c.packed > 1200 {
		return w.stop(ruleZipData, c.name, "no deflate stream of %d bytes unpacks to %d", c.packed, c.unpacked)
	}
	if err := w.spend(c.unpacked, c.name); err != nil {
		return err
	}
	start := z.pos()
	body := &zipBody{src: z.inf, left: c.unpacked, crc: crc32.NewIEEE()}
	if c.method == methodDeflated {
		// The inflater takes single bytes of a bufio.Reader and stops after the last one it needs. That it also stops
		// within the entry's place is checked below.
		if err := z.inf.(flate.Resetter).Reset(z.in, nil); err != nil {
			return err
		}
	} else {
		body.src = io.LimitReader(z.in, c.packed)
		if c.flags&flagDescriptor != 0 {
			body.scan = &scan{}
		}
	}
	if err := w.hand(e, listed, body, c.name); err != nil {
		return err
	}
	if _, err := body.drain(); err != nil {
		return w.zipDamage(c, z.src, err)
	}
	if took := z.pos() - start; took != c.packed {
		return w.stop(ruleZipData, c.name, "its data has %d bytes in a place of %d", took, c.packed)
	}
	if body.crc.Sum32() != c.crc {
		return w.stop(ruleZipData, c.name, "its bytes do not match its checksum")
	}
	if body.scan != nil && body.scan.hit {
		w.note(ruleZipScan, c.name, "it is stored with a data descriptor and its bytes look like one, where a streaming reader would stop")
	}
	return nil
}

// zipDamage turns a failure to read data into a refusal, or leaves it when the file itself could not be read.
func (w *walker) zipDamage(c zipEntry, src *source, err error) error {
	if src.err != nil {
		return src.err
	}
	if errors.Is(err, errLonger) {
		return w.stop(ruleZipData, c.name, "its data unpacks to more than the %d bytes it announces", c.unpacked)
	}
	return w.stop(ruleZipData, c.name, "its data cannot be unpacked to the %d bytes it announces", c.unpacked)
}

// zipDescriptor reads what follows an entry's data: nothing, or the data descriptor (APPNOTE §4.3.9) with or without its
// signature. It is wide exactly when the local header has a zip64 field, as a streaming reader decides.
func (w *walker) zipDescriptor(z *zipReader, c zipEntry, local localHeader, room int64) error {
	if c.flags&flagDescriptor == 0 {
		if room != 0 {
			return w.stop(ruleZipGap, c.name, "%d bytes follow it that belong to no entry", room)
		}
		return nil
	}
	plain := int64(12)
	if local.wide {
		plain = 20
	}
	if room != plain && room != plain+4 {
		return w.stop(ruleZipDescriptor, c.name, "its data descriptor does not fill the %d bytes that follow its data", room)
	}
	var buf [24]byte
	b := buf[:room]
	if err := z.full(b); err != nil {
		return err
	}
	if room == plain+4 {
		if le.Uint32(b) != sigDescriptor {
			return w.stop(ruleZipDescriptor, c.name, "its data descriptor lacks its signature")
		}
		b = b[4:]
	}
	var packed, unpacked uint64
	if local.wide {
		packed, unpacked = le.Uint64(b[4:]), le.Uint64(b[12:])
	} else {
		packed, unpacked = uint64(le.Uint32(b[4:])), uint64(le.Uint32(b[8:]))
	}
	if le.Uint32(b) != c.crc || packed != uint64(c.packed) || unpacked != uint64(c.unpacked) {
		return w.stop(ruleZipDescriptor, c.name, "its data descriptor and the central directory differ")
	}
	if c.packed > math.MaxUint32 && !local.wide {
		return w.stop(ruleZip64, c.name, "its sizes do not fit its data descriptor")
	}
	return nil
}

// errLonger reports data that goes on after its announced size.
var errLonger = errors.New("archive: entry is longer than announced")

// zipBody is the unpacked data of one entry, summed as it is read.
type zipBody struct {
	src  io.Reader
	left int64
	crc  hash.Hash32
	scan *scan
	err  error // the first failure, so that nobody downstream can swallow it
}

func (b *zipBody) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if b.left == 0 {
		return 0, io.EOF
	}
	n, err := b.src.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	b.crc.Write(p[:n])
	if b.scan != nil {
		b.scan.look(p[:n])
	}
	if errors.Is(err, io.EOF) {
		err = nil
		if b.left > 0 {
			err = io.ErrUnexpectedEOF
		}
	}
	b.err = err
	return n, err
}

// drain reads what is left and makes sure that the data ends there.
func (b *zipBody) drain() (int64, error) {
	buf := scratches.Get().(*[]byte)
	defer scratches.Put(buf)
	for b.left > 0 && b.err == nil {
		_, _ = b.Read(*buf) // the error stays in b.err
	}
	if b.err != nil {
		return 0, b.err
	}
	var one [1]byte
	for {
		n, err := b.src.Read(one[:])
		if n > 0 {
			return 0, errLonger
		}
		if errors.Is(err, io.EOF) {
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
	}
}

// scan looks for a descriptor's signature in data.
type scan struct {
	tail [3]byte
	hit  bool
}

func (s *scan) look(p []byte) {
	sig := []byte("PK\x07\x08")
	seam := append(s.tail[:len(s.tail):len(s.tail)], p[:min(3, len(p))]...)
	s.hit = s.hit || bytes.Contains(seam, sig) || bytes.Contains(p, sig)
	all := append(s.tail[:len(s.tail):len(s.tail)], p...)
	if len(p) >= 3 {
		all = p
	}
	copy(s.tail[:], all[len(all)-3:])
}

// hand gives a regular file to fn, and checks a link by its contents. Errors of the body come out in drain.
func (w *walker) hand(e Entry, listed bool, body *zipBody, raw string) error {
	if !listed || e.Dir {
		return nil
	}
	if e.Mode&fs.ModeSymlink != 0 {
		if e.Size > int64(w.limits.NameLength) {
			w.note(ruleLimitName, raw, "its target has %d bytes, more than %d", e.Size, w.limits.NameLength)
			return nil
		}
		target, _ := io.ReadAll(body)
		e.Link = string(target)
		w.list.Entries[len(w.list.Entries)-1].Link = e.Link
		w.checkLink(raw, e, false)
		return nil
	}
	if !e.Mode.IsRegular() || w.fn == nil {
		return nil
	}
	if err := w.fn(e, body); err != nil && body.err == nil {
		return err
	}
	return nil
}
