package archive

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"math"
	"slices"
	"time"
)

// Signatures and fixed lengths of the records of a zip (PKWARE APPNOTE 6.3.10, §4.3).
const (
	sigLocal      = 0x04034b50
	sigDescriptor = 0x08074b50
	sigCentral    = 0x02014b50
	sigEnd        = 0x06054b50
	sigEnd64      = 0x06064b50
	sigLocator64  = 0x07064b50

	lenLocal     = 30
	lenCentral   = 46
	lenEnd       = 22
	lenEnd64     = 56
	lenLocator64 = 20
)

// General purpose flags (APPNOTE §4.4.4) and compression methods (§4.4.5).
const (
	flagEncrypted  = 1 << 0
	flagDescriptor = 1 << 3
	flagPatch      = 1 << 5
	flagStrong     = 1 << 6
	flagUTF8       = 1 << 11
	flagMasked     = 1 << 13

	methodStored   = 0
	methodDeflated = 8
)

// maxCentral bounds the central directory, which is read whole.
const maxCentral = 32 << 20

var le = binary.LittleEndian

// zipEntry is a record of the central directory.
type zipEntry struct {
	name             string
	creator          byte // the system that made the external attributes
	flags, method    uint16
	crc              uint32
	packed, unpacked int64
	offset           int64 // of the local header
	end              int64 // where the next entry or the central directory starts
	external         uint32
	modified         time.Time
}

// zip reads the end records, the central directory and then every entry in stored order.
func (w *walker) zip(r io.ReaderAt) error {
	dir, err := w.zipEnd(r)
	if err != nil {
		return err
	}
	entries, err := w.zipDirectory(r, dir)
	if err != nil {
		return err
	}
	slices.SortStableFunc(entries, func(a, b zipEntry) int { return int(min(1, max(-1, a.offset-b.offset))) })
	for i := range entries {
		entries[i].end = dir.offset
		if i+1 < len(entries) {
			entries[i].end = entries[i+1].offset
		}
	}
	first := dir.offset
	if len(entries) > 0 {
		first = entries[0].offset
	}
	if first != 0 {
		return w.stop(ruleZipPrefix, "", "%d bytes stand before the first entry", first)
	}
	z := newZipReader(r, dir.offset)
	defer z.release()
	for _, e := range entries {
		if err := w.zipEntry(z, e); err != nil {
			return err
		}
	}
	return nil
}

// zipDirectory says where the central directory lies.
type zipDirectory struct {
	offset, size int64
	count        uint64
}

// zipEnd finds the end record, which must be the last thing in the file, with a comment of exactly the length it says
// (APPNOTE §4.3.16). Readers search for it in different ways, so the last signature in the file has to be the record.
func (w *walker) zipEnd(r io.ReaderAt) (zipDirectory, error) {
	var none zipDirectory
	tail := make([]byte, min(w.size, lenEnd+math.MaxUint16))
	if err := readAt(r, tail, w.size-int64(len(tail))); err != nil {
		return none, err
	}
	at := bytes.LastIndex(tail, []byte("PK\x05\x06"))
	if at < 0 {
		return none, w.stop(ruleZipEnd, "", "it is no zip: it has no end-of-central-directory record")
	}
	end := tail[at:]
	if len(end) < lenEnd {
		return none, w.stop(ruleZipEnd, "", "its end-of-central-directory record is cut off")
	}
	if comment := int(le.Uint16(end[20:])); comment != len(end)-lenEnd {
		return none, w.stop(ruleZipTrailing, "", "%d bytes follow its end-of-central-directory record, which announces a comment of %d",
			len(end)-lenEnd, comment)
	}
	endAt := w.size - int64(len(end))
	dir := zipDirectory{
		offset: int64(le.Uint32(end[16:])), size: int64(le.Uint32(end[12:])), count: uint64(le.Uint16(end[10:])),
	}
	if le.Uint16(end[4:]) != 0 || le.Uint16(end[6:]) != 0 || le.Uint16(end[8:]) != le.Uint16(end[10:]) {
		return none, w.stop(ruleZipEnd, "", "its end-of-central-directory record speaks of several disks")
	}
	dir, stop, err := w.zipEnd64(r, endAt, dir)
	if err != nil {
		return none, err
	}
	if dir.count > uint64(w.limits.Entries) {
		return none, w.stop(ruleLimitEntries, "", "it announces %d entries, more than %d", dir.count, w.limits.Entries)
	}
	if dir.size > maxCentral {
		return none, w.stop(ruleLimitHeaders, "", "its central directory has %d bytes, more than %d", dir.size, maxCentral)
	}
	if dir.offset > stop || dir.size != stop-dir.offset {
		return none, w.stop(ruleZipDirectory, "", "its central directory should fill the bytes from %d to %d and is said to have %d",
			dir.offset, stop, dir.size)
	}
	return dir, nil
}

// zipEnd64 reads the zip64 end record if there is one (APPNOTE §4.3.14 and §4.3.15) and returns the directory it speaks
// of and where that has to end. Some readers look for the locator, others for the marker values in the plain record; both
// must come to the same numbers.
func (w *walker) zipEnd64(r io.ReaderAt, endAt int64, dir zipDirectory) (zipDirectory, int64, error) {
	locator := make([]byte, lenLocator64)
	if endAt < lenLocator64+lenEnd64 {
		return dir, endAt, nil
	}
	if err := readAt(r, locator, endAt-lenLocator64); err != nil {
		return dir, 0, err
	}
	if le.Uint32(locator) != sigLocator64 {
		if dir.offset == math.MaxUint32 || dir.size == math.MaxUint32 {
			return dir, 0, w.stop(ruleZip64, "", "its end record refers to a zip64 record that is missing")
		}
		return dir, endAt, nil
	}
	at := endAt - lenLocator64 - lenEnd64
	rec := make([]byte, lenEnd64)
	if err := readAt(r, rec, at); err != nil {
		return dir, 0, err
	}
	if le.Uint32(locator[4:]) != 0 || le.Uint32(locator[16:]) != 1 || le.Uint64(locator[8:]) != uint64(at) ||
		le.Uint32(rec) != sigEnd64 || le.Uint64(rec[4:]) != lenEnd64-12 {
		return dir, 0, w.stop(ruleZip64, "", "its zip64 locator does not point at a plain zip64 end record right before it")
	}
	count, size, offset := le.Uint64(rec[32:]), le.Uint64(rec[40:]), le.Uint64(rec[48:])
	if le.Uint32(rec[16:]) != 0 || le.Uint32(rec[20:]) != 0 || le.Uint64(rec[24:]) != count {
		return dir, 0, w.stop(ruleZip64, "", "its zip64 end record speaks of several disks")
	}
	if !same64(dir.count, count, math.MaxUint16) || !same64(uint64(dir.size), size, math.MaxUint32) ||
		!same64(uint64(dir.offset), offset, math.MaxUint32) {
		return dir, 0, w.stop(ruleZip64, "", "its zip64 end record and its plain one differ")
	}
	if size > uint64(at) || offset > uint64(at) {
		return dir, 0, w.stop(ruleZip64, "", "its zip64 end record points outside the file")
	}
	return zipDirectory{offset: int64(offset), size: int64(size), count: count}, at, nil
}

// same64 reports whether a plain field and its zip64 twin agree: the plain one is the marker or says the same.
func same64(plain, wide, marker uint64) bool {
	return plain == marker || plain == wide
}

// zipDirectory reads the central directory, which must hold exactly the announced records and nothing else.
func (w *walker) zipDirectory(r io.ReaderAt, dir zipDirectory) ([]zipEntry, error) {
	buf := make([]byte, dir.size)
	if err := readAt(r, buf, dir.offset); err != nil {
		return nil, err
	}
	entries := make([]zipEntry, 0, min(dir.count, uint64(dir.size/lenCentral)))
	for len(buf) > 0 {
		if len(buf) < lenCentral || le.Uint32(buf) != sigCentral {
			return nil, w.stop(ruleZipDirectory, "", "its central directory has something else after %d records", len(entries))
		}
		nameLen, extraLen, commentLen := int(le.Uint16(buf[28:])), int(le.Uint16(buf[30:])), int(le.Uint16(buf[32:]))
		whole := lenCentral + nameLen + extraLen + commentLen
		if whole > len(buf) {
			return nil, w.stop(ruleZipDirectory, "", "record %d of its central directory is cut off", len(entries)+1)
		}
		e, err := w.zipRecord(buf[:lenCentral], string(buf[lenCentral:lenCentral+nameLen]), buf[lenCentral+nameLen:lenCentral+nameLen+extraLen])
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
		buf = buf[whole:]
	}
	if uint64(len(entries)) != dir.count {
		return nil, w.stop(ruleZipDirectory, "", "its central directory has %d records and announces %d", len(entries), dir.count)
	}
	return entries, nil
}

// zipRecord parses one record of the central directory (APPNOTE §4.3.12).
func (w *walker) zipRecord(h []byte, name string, extra []byte) (zipEntry, error) {
	e := zipEntry{
		name: name, creator: h[5], flags: le.Uint16(h[8:]), method: le.Uint16(h[10:]), crc: le.Uint32(h[16:]),
		external: le.Uint32(h[38:]), modified: dosTime(le.Uint16(h[14:]), le.Uint16(h[12:])),
	}
	if e.flags&(flagEncrypted|flagStrong|flagMasked|flagPatch) != 0 {
		return e, w.stop(ruleZipEncrypted, name, "it is encrypted or a patch")
	}
	if e.method != methodStored && e.method != methodDeflated {
		return e, w.stop(ruleZipMethod, name, "it uses compression method %d", e.method)
	}
	if le.Uint16(h[34:]) != 0 {
		return e, w.stop(ruleZipDirectory, name, "it lies on another disk")
	}
	x, err := w.zipExtra(name, extra, false)
	if err != nil {
		return e, err
	}
	var ok [4]bool
	wide := x.wide
	e.unpacked, wide, ok[0] = widen(le.Uint32(h[24:]), wide)
	e.packed, wide, ok[1] = widen(le.Uint32(h[20:]), wide)
	e.offset, wide, ok[2] = widen(le.Uint32(h[42:]), wide)
	ok[3] = len(wide) == 0
	if ok != [4]bool{true, true, true, true} {
		return e, w.stop(ruleZip64, name, "its zip64 extra field does not hold exactly the sizes that need it")
	}
	if e.unpacked > w.limits.EntrySize {
		return e, w.stop(ruleLimitEntry, name, "it unpacks to %d bytes, more than %d", e.unpacked, w.limits.EntrySize)
	}
	return e, nil
}

// widen returns a 32-bit field, or the next 64-bit number of the zip64 extra field when it holds the marker.
func widen(v uint32, wide []byte) (int64, []byte, bool) {
	if v != math.MaxUint32 {
		return int64(v), wide, true
	}
	if len(wide) < 8 {
		return 0, nil, false
	}
	n := le.Uint64(wide)
	return int64(n & math.MaxInt64), wide[8:], n <= math.MaxInt64
}

// dosTime reads the two MS-DOS fields as UTC, as no zone is recorded.
func dosTime(date, clock uint16) time.Time {
	return time.Date(int(date>>9)+1980, time.Month(date>>5&0xf), int(date&0x1f),
		int(clock>>11), int(clock>>5&0x3f), int(clock&0x1f)*2, 0, time.UTC)
}

// mode returns the type and permissions that the external attributes state, as the system that made them defines.
func (e *zipEntry) mode() fs.FileMode {
	const unix, darwin = 3, 19
	if e.creator == unix || e.creator == darwin {
		return unixMode(e.external >> 16)
	}
	if e.external&0x10 != 0 {
		return fs.ModeDir | 0o777
	}
	return 0o666
}

// unixMode translates a Unix st_mode.
func unixMode(m uint32) fs.FileMode {
	mode := fs.FileMode(m & 0o777)
	switch m & 0o170000 {
	case 0o040000:
		mode |= fs.ModeDir
	case 0o120000:
		mode |= fs.ModeSymlink
	case 0o010000:
		mode |= fs.ModeNamedPipe
	case 0o140000:
		mode |= fs.ModeSocket
	case 0o060000:
		mode |= fs.ModeDevice
	case 0o020000:
		mode |= fs.ModeDevice | fs.ModeCharDevice
	}
	return mode
}

// readAt fills b from an offset; the caller has checked that the bytes should be there.
func readAt(r io.ReaderAt, b []byte, off int64) error {
	n, err := r.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return err
}
