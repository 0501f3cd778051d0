package archive

import (
	"bufio"
	"bytes"
	"errors"
	"hash/maphash"
	"io"
	"io/fs"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
)

const blockSize = 512

// maxExtension bounds a pax header or a GNU long name, which are read whole.
const maxExtension = 1 << 20

// sums is the seed of the hashes by which repeated entries are compared; a stranger cannot aim at it.
var sums = maphash.MakeSeed()

var gunzips = sync.Pool{New: func() any { return new(gzip.Reader) }}

// tarReader is one pass over the unpacked stream.
type tarReader struct {
	w     *walker
	in    io.Reader
	entry string // of which the data is being read, for messages
	err   error  // the first failure that is not the end of the stream
	hash  []uint64
	ext   extensions
}

// Read reads unpacked bytes and spends them.
func (t *tarReader) Read(p []byte) (int, error) {
	if t.err != nil {
		return 0, t.err
	}
	n, err := t.in.Read(p)
	if n > 0 {
		if e := t.w.spend(int64(n), t.entry); e != nil {
			err = e
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		t.err = err
	}
	return n, err
}

// tarGz reads one gzip member that holds one tar. Cargo reads only the first member of a gzip file where npm and Python
// read all, so a second member is refused.
func (w *walker) tarGz(r io.ReaderAt) error {
	src := &source{r: io.NewSectionReader(r, 0, w.size)}
	in := readers.Get().(*bufio.Reader)
	in.Reset(src)
	gz := gunzips.Get().(*gzip.Reader)
	defer func() {
		in.Reset(nil)
		readers.Put(in)
		gunzips.Put(gz)
	}()
	if head, err := in.Peek(4); err == nil && head[3]&0xe0 != 0 {
		return w.stop(ruleGzip, "", "its gzip header sets reserved flags")
	}
	if err := gz.Reset(in); err != nil {
		return w.gzipDamage(src, err)
	}
	gz.Multistream(false)
	t := &tarReader{w: w, in: gz}
	err := t.run()
	if err == nil {
		err = t.trailer()
	}
	if t.err != nil && errors.Is(t.err, err) {
		return w.gzipDamage(src, err)
	}
	if err != nil {
		return err
	}
	return w.afterGzip(in)
}

// source remembers what the file itself answered, so that a broken disk is not blamed on the archive.
type source struct {
	r   io.Reader
	n   int64 // bytes read
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.n += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// gzipDamage turns a failure of decompression into a refusal; refusals and read errors pass as they are.
func (w *walker) gzipDamage(src *source, err error) error {
	if src.err != nil {
		return src.err
	}
	if isRefusal(err) {
		return err
	}
	return w.stop(ruleGzip, "", "its gzip stream is damaged or cut off")
}

// afterGzip looks at what follows the gzip member.
func (w *walker) afterGzip(in *bufio.Reader) error {
	head, _ := in.Peek(2)
	if len(head) == 0 {
		return nil
	}
	if len(head) == 2 && head[0] == 0x1f && head[1] == 0x8b {
		return w.stop(ruleGzipMembers, "", "it has several gzip members")
	}
	zeros, err := onlyZeros(in)
	if err != nil {
		return err
	}
	if !zeros {
		return w.stop(ruleGzipTrailing, "", "data follows its gzip stream")
	}
	w.note(ruleGzipPadding, "", "zero bytes follow its gzip stream")
	return nil
}

// onlyZeros reads r to its end and reports whether it held nothing but zeros.
func onlyZeros(r io.Reader) (bool, error) {
	buf := scratches.Get().(*[]byte)
	defer scratches.Put(buf)
	for {
		n, err := r.Read(*buf)
		if !zero((*buf)[:n]) {
			return false, nil
		}
		if errors.Is(err, io.EOF) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
	}
}

// zero reports whether b holds only zeros.
func zero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// run reads headers until the zero block that ends a tar.
func (t *tarReader) run() error {
	var block [blockSize]byte
	for {
		t.entry = ""
		n, err := io.ReadFull(t, block[:])
		if n == 0 && errors.Is(err, io.EOF) {
			if t.ext.any() {
				return t.w.stop(ruleTarTruncated, "", "it ends after an extension header that belongs to no entry")
			}
			t.w.note(ruleTarEnd, "", "its tar lacks the zero blocks that end it")
			return nil
		}
		if err != nil {
			return t.cut(err, "inside a header")
		}
		if zero(block[:]) {
			if t.ext.any() {
				return t.w.stop(ruleTarTruncated, "", "it ends after an extension header that belongs to no entry")
			}
			return nil
		}
		h, err := t.w.tarHeader(&block)
		if err != nil {
			return err
		}
		if err := t.member(h); err != nil {
			return err
		}
	}
}

// cut turns an early end of the stream into a refusal.
func (t *tarReader) cut(err error, where string) error {
	if t.err != nil {
		return t.err
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return t.w.stop(ruleTarTruncated, t.entry, "the tar ends %s", where)
	}
	return err
}

// trailer makes sure that only zeros follow the end of the tar: readers that go on would find other entries.
func (t *tarReader) trailer() error {
	zeros, err := onlyZeros(t)
	if err != nil {
		return t.cut(err, "in its padding")
	}
	if !zeros {
		return t.w.stop(ruleTarTrailing, "", "data follows the end of its tar")
	}
	if t.w.unpacked%blockSize != 0 {
		t.w.note(ruleTarEnd, "", "its tar does not end with a whole block")
	}
	return nil
}

// member reads what a header announces: an extension that the next entry takes, or an entry.
func (t *tarReader) member(h tarHeader) error {
	switch h.kind {
	case 'x', 'g', 'L', 'K':
		data, err := t.extension(h)
		if err != nil {
			return err
		}
		switch h.kind {
		case 'x':
			return t.paxLocal(data)
		case 'g':
			return t.paxGlobal(data)
		default:
			return t.longName(h.kind, data)
		}
	case 'S':
		return t.w.stop(ruleTarSparse, h.name, "it is a sparse file")
	case '0', 0, '5', '1', '2':
		return t.file(h)
	case '3', '4', '6':
		return t.w.stop(ruleDevice, h.name, "it is a device or pipe")
	default:
		return t.w.stop(ruleTarType, h.name, "it has the type %q, which readers treat differently", h.kind)
	}
}

// extension reads the data of an extension header whole.
func (t *tarReader) extension(h tarHeader) ([]byte, error) {
	if h.size > maxExtension {
		return nil, t.w.stop(ruleLimitHeaders, h.name, "its extension header has %d bytes, more than %d", h.size, maxExtension)
	}
	t.w.entries++
	if t.w.entries > 2*t.w.limits.Entries {
		return nil, t.w.stop(ruleLimitEntries, h.name, "the archive has more than %d headers", 2*t.w.limits.Entries)
	}
	t.entry = h.name
	data := make([]byte, h.size)
	if _, err := io.ReadFull(t, data); err != nil {
		return nil, t.cut(err, "inside an extension header")
	}
	return data, t.padding(h.size)
}

// padding skips to the end of the block in which data of the given size ended.
func (t *tarReader) padding(size int64) error {
	var pad [blockSize]byte
	if n := -size & (blockSize - 1); n > 0 {
		if _, err := io.ReadFull(t, pad[:n]); err != nil {
			return t.cut(err, "inside an entry's padding")
		}
	}
	return nil
}

// file reads a file, directory or link.
func (t *tarReader) file(h tarHeader) error {
	raw, link, err := t.extend(&h)
	if err != nil {
		return err
	}
	w := t.w
	if h.size > w.limits.EntrySize {
		return w.stop(ruleLimitEntry, raw, "it unpacks to %d bytes, more than %d", h.size, w.limits.EntrySize)
	}
	e := Entry{Size: h.size, Mode: fs.FileMode(h.mode & 0o777), ModTime: h.modified}
	slash := strings.HasSuffix(raw, "/")
	switch h.kind {
	case '5':
		e.Dir, e.Mode = true, e.Mode|fs.ModeDir
	case '2':
		e.Link, e.Mode = link, e.Mode|fs.ModeSymlink
	case '1':
		e.Link = link
	case 0:
		// Before POSIX a directory was a file whose name ends in a slash.
		if slash && !h.ustar {
			e.Dir, e.Mode = true, e.Mode|fs.ModeDir
		}
	}
	if slash && !e.Dir {
		w.note(ruleTarType, raw, "its name says directory and its type says otherwise")
	}
	if h.size != 0 && (e.Dir || h.kind == '1' || h.kind == '2') {
		return w.stop(ruleTarSize, raw, "it is a directory or link with contents, which readers skip differently")
	}
	listed, err := w.admit(raw, &e)
	if err != nil {
		return err
	}
	if listed && h.kind != '5' && !e.Dir {
		if h.kind == '1' || h.kind == '2' {
			w.checkLink(raw, e, h.kind == '1')
		}
	}
	w.list.Unpacked += h.size
	return t.body(h, e, raw, listed)
}

// body reads an entry's data, hands it to fn and enters it in the tree.
func (t *tarReader) body(h tarHeader, e Entry, raw string, listed bool) error {
	w := t.w
	t.entry = raw
	b := &tarBody{t: t, left: h.size}
	b.sum.SetSeed(sums)
	b.sum.WriteString(e.Link)
	if listed && !e.Dir && e.Link == "" && h.kind != '1' && h.kind != '2' && w.fn != nil {
		if err := w.fn(e, b); err != nil && b.err == nil {
			return err
		}
	}
	if err := b.drain(); err != nil {
		return t.cut(err, "inside an entry's data")
	}
	if listed && !e.Dir {
		t.record(raw, e, b.sum.Sum64())
	}
	return t.padding(h.size)
}

// record notes a name that comes twice: the last one wins for most readers, the first for some. Twice the same bytes is
// merely untidy.
func (t *tarReader) record(raw string, e Entry, sum uint64) {
	w := t.w
	for len(t.hash) < len(w.list.Entries) {
		t.hash = append(t.hash, 0)
	}
	at := len(w.list.Entries) - 1
	t.hash[at] = sum
	first, taken := w.files[e.Name]
	w.files[e.Name] = at
	if !taken {
		return
	}
	before := w.list.Entries[first]
	if t.hash[first] == sum && before.Size == e.Size && before.Mode == e.Mode && before.Link == e.Link {
		w.note(ruleDuplicateSame, raw, "the archive has it twice")
		return
	}
	w.note(ruleDuplicate, raw, "the archive has two different entries of this name")
}

// tarBody is the data of one entry, hashed as it is read.
type tarBody struct {
	t    *tarReader
	left int64
	sum  maphash.Hash
	err  error
}

func (b *tarBody) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if b.left == 0 {
		return 0, io.EOF
	}
	n, err := b.t.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	b.sum.Write(p[:n])
	if errors.Is(err, io.EOF) {
		err = nil
		if b.left > 0 {
			err = io.ErrUnexpectedEOF
		}
	}
	b.err = err
	return n, err
}

// drain reads what fn has left.
func (b *tarBody) drain() error {
	buf := scratches.Get().(*[]byte)
	defer scratches.Put(buf)
	for b.left > 0 && b.err == nil {
		_, _ = b.Read(*buf) // the error stays in b.err
	}
	return b.err
}

// cString returns the bytes of a field up to its first NUL, and whether only zeros follow.
func cString(b []byte) (string, bool) {
	i := bytes.IndexByte(b, 0)
	if i < 0 {
		return string(b), true
	}
	return string(b[:i]), zero(b[i:])
}
