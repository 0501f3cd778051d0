package archive

import (
	"encoding/binary"
	"strings"
)

// attack is a hostile archive, the rule that has to refuse it, and how severe that is.
type attack struct {
	name   string // states the rule in words; its slug names the file in testdata
	format Format
	bytes  []byte
	rule   string
	entry  string // the entry that the refusal has to name
	// mild marks what is refused in hosted uploads only.
	mild    bool
	profile Profile
	limits  func(*Limits)
}

func u16(at int, v uint16) func([]byte) {
	return func(b []byte) { binary.LittleEndian.PutUint16(b[at:], v) }
}

func u32(at int, v uint32) func([]byte) {
	return func(b []byte) { binary.LittleEndian.PutUint32(b[at:], v) }
}

func u64(at int, v uint64) func([]byte) {
	return func(b []byte) { binary.LittleEndian.PutUint64(b[at:], v) }
}

// zipAttacks are the framings of a zip on which readers are known to differ.
func zipAttacks() []attack {
	a := zfile{name: "a", data: "alpha"}
	b := zfile{name: "b", data: "beta", deflate: true}
	one := func(f zfile) []byte { return buildZip(zipTail{}, a, f, b) }
	nested := string(buildZip(zipTail{}, zfile{name: "evil", data: "x"}))
	badSum := func(h []byte) { h[14]++ }
	nothing := func(_, _ []byte) {}
	return []attack{
		{name: "not a zip at all", bytes: []byte(strings.Repeat("no zip ", 9)), rule: ruleZipEnd},
		{name: "empty file", bytes: []byte{}, rule: ruleZipEnd},
		{name: "end record cut off", bytes: one(b)[:len(one(b))-4], rule: ruleZipEnd},
		{name: "several disks", bytes: buildZip(zipTail{pokeEnd: u16(4, 1)}, a), rule: ruleZipEnd},
		{name: "data after the end record", bytes: buildZip(zipTail{suffix: "tail"}, a), rule: ruleZipTrailing},
		{name: "second zip appended", bytes: buildZip(zipTail{suffix: nested}, a), rule: ruleZipDirectory},
		{name: "second zip inside the comment", bytes: buildZip(zipTail{comment: nested}, a), rule: ruleZipDirectory},
		{name: "end record signature in the comment", bytes: buildZip(zipTail{comment: "PK\x05\x06 some words that follow"}, a), rule: ruleZipTrailing},
		{name: "comment longer than the file", bytes: buildZip(zipTail{pokeEnd: u16(20, 9)}, a), rule: ruleZipTrailing},
		{name: "data before the first entry with offsets adjusted", bytes: buildZip(zipTail{prefix: "#!/bin/sh\n"}, a), rule: ruleZipPrefix},
		{name: "data before the first entry with offsets not adjusted", bytes: append([]byte("MZ"), buildZip(zipTail{}, a)...), rule: ruleZipDirectory},
		{name: "data between central directory and end record", bytes: buildZip(zipTail{beforeEnd: "gap"}, a), rule: ruleZipDirectory},
		{name: "central directory with a record too many", bytes: buildZip(zipTail{pokeEnd: func(e []byte) { u16(8, 1)(e); u16(10, 1)(e) }}, a, b), rule: ruleZipDirectory},
		{name: "central directory with a record too few", bytes: buildZip(zipTail{pokeEnd: func(e []byte) { u16(8, 3)(e); u16(10, 3)(e) }}, a, b), rule: ruleZipDirectory},
		{name: "central directory with junk after its records", bytes: buildZip(zipTail{extraRecord: []byte("junk")}, a), rule: ruleZipDirectory},
		{name: "central record cut off", bytes: one(zfile{name: "c", pokeCentral: u16(28, 9000)}), rule: ruleZipDirectory},
		{name: "entry on another disk", bytes: one(zfile{name: "c", pokeCentral: u16(34, 1)}), rule: ruleZipDirectory, entry: "c"},
		{name: "hidden entry between two entries", bytes: buildZip(zipTail{}, zfile{name: "a", data: "alpha", after: nested[:40]}, b), rule: ruleZipGap, entry: "a"},
		{name: "hidden data before the central directory", bytes: buildZip(zipTail{}, a, zfile{name: "b", after: "hidden"}), rule: ruleZipGap, entry: "b"},
		{name: "two records for one local entry", bytes: buildZip(zipTail{}, a, b, zfile{name: "b", data: "beta", deflate: true, offsetOfEntry: 2}), rule: ruleZipOverlap},
		{name: "data overlaps the next entry", bytes: buildZip(zipTail{}, zfile{name: "a", data: "al", pokeCentral: func(h []byte) { u32(20, 40)(h); u32(24, 40)(h) }, pokeLocal: func(h []byte) { u32(18, 40)(h); u32(22, 40)(h) }}, b), rule: ruleZipOverlap, entry: "a"},
		{name: "quoted local headers overlap", bytes: buildZip(zipTail{}, zfile{name: "a", pokeLocal: u16(28, 60)}, b), rule: ruleZipOverlap, entry: "a"},
		{name: "offset into the middle of nowhere", bytes: one(zfile{name: "c", data: "0123456789", pokeCentral: func(h []byte) { h[42] += 3 }}), rule: ruleZipGap, entry: "a"},
		{name: "local header names another file", bytes: one(zfile{name: "ok.py", pokeLocal: func(h []byte) { copy(h[30:], "no.py") }}), rule: ruleZipLocal, entry: "ok.py"},
		{name: "local header with another method", bytes: one(zfile{name: "c", pokeLocal: u16(8, 8)}), rule: ruleZipLocal, entry: "c"},
		{name: "local header without the descriptor flag", bytes: one(zfile{name: "c", pokeLocal: u16(6, 8)}), rule: ruleZipLocal, entry: "c"},
		{name: "local header with another checksum", bytes: one(zfile{name: "c", data: "x", pokeLocal: badSum}), rule: ruleZipLocal, entry: "c"},
		{name: "local header with another size", bytes: one(zfile{name: "c", data: "x", pokeLocal: u32(22, 7)}), rule: ruleZipLocal, entry: "c"},
		{name: "no local header signature", bytes: one(zfile{name: "c", pokeLocal: u32(0, 7)}), rule: ruleZipLocal, entry: "c"},
		{name: "data that fails its checksum", bytes: one(zfile{name: "c", data: "x", packed: []byte("y")}), rule: ruleZipData, entry: "c"},
		{name: "deflate data that ends before its place", bytes: one(zfile{name: "c", data: "x", deflate: true, packed: append(deflated("x"), "slack"...)}), rule: ruleZipData, entry: "c"},
		{name: "deflate data longer than announced", bytes: one(zfile{name: "c", data: "x", deflate: true, packed: deflated("xyz")}), rule: ruleZipData, entry: "c"},
		{name: "deflate data shorter than announced", bytes: one(zfile{name: "c", data: "xyz", deflate: true, packed: deflated("x")}), rule: ruleZipData, entry: "c"},
		{name: "deflate data that is none", bytes: one(zfile{name: "c", data: "xyz", deflate: true, packed: []byte("\xff\xff\xff\xff")}), rule: ruleZipData, entry: "c"},
		{name: "deflate data of an impossible ratio", bytes: one(zfile{name: "c", deflate: true, pokeCentral: u32(24, 1<<20), pokeLocal: u32(22, 1<<20)}), rule: ruleZipData, entry: "c"},
		{name: "stored data of two sizes", bytes: one(zfile{name: "c", data: "xyz", packed: []byte("xy")}), rule: ruleZipData, entry: "c"},
		{name: "encrypted", bytes: one(zfile{name: "c", pokeCentral: u16(8, 1), pokeLocal: u16(6, 1)}), rule: ruleZipEncrypted, entry: "c"},
		{name: "method that few readers know", bytes: one(zfile{name: "c", pokeCentral: u16(10, 93), pokeLocal: u16(8, 93)}), rule: ruleZipMethod, entry: "c"},
		{name: "descriptor with another checksum", bytes: one(zfile{name: "c", data: "x", deflate: true, descriptor: "signed", pokeDescriptor: u32(4, 0)}), rule: ruleZipDescriptor, entry: "c"},
		{name: "descriptor with another size", bytes: one(zfile{name: "c", data: "x", deflate: true, descriptor: "plain", pokeDescriptor: u32(8, 9)}), rule: ruleZipDescriptor, entry: "c"},
		{name: "descriptor with a broken signature", bytes: one(zfile{name: "c", data: "x", deflate: true, descriptor: "signed", pokeDescriptor: u32(0, 9)}), rule: ruleZipDescriptor, entry: "c"},
		{name: "descriptor wider than its local header says", bytes: one(zfile{name: "c", data: "x", deflate: true, descriptor: "wide"}), rule: ruleZipDescriptor, entry: "c"},
		{name: "descriptor missing", bytes: one(zfile{name: "c", data: "x", pokeCentral: u16(8, 8), pokeLocal: u16(6, 8)}), rule: ruleZipDescriptor, entry: "c"},
		{name: "data after the descriptor", bytes: one(zfile{name: "c", data: "x", deflate: true, descriptor: "signed", after: "hidden"}), rule: ruleZipDescriptor, entry: "c"},
		{name: "stored data with a descriptor inside", bytes: one(zfile{name: "c", data: "x PK\x07\x08 and more", descriptor: "signed"}), rule: ruleZipScan, entry: "c", mild: true},
		{name: "two zip64 fields", bytes: one(zfile{name: "c", extra: append(extraField(1), extraField(1)...)}), rule: ruleZip64, entry: "c"},
		{name: "zip64 field that nothing needs", bytes: one(zfile{name: "c", extra: extraField(1, uint64(5))}), rule: ruleZip64, entry: "c"},
		{name: "zip64 field too short", bytes: one(zfile{name: "c", pokeCentral: u32(24, 1<<32-1), extra: extraField(1, uint32(5))}), rule: ruleZip64, entry: "c"},
		{name: "zip64 field beyond 63 bits", bytes: one(zfile{name: "c", pokeCentral: u32(24, 1<<32-1), extra: extraField(1, uint64(1<<63))}), rule: ruleZip64, entry: "c"},
		{name: "local zip64 field with other sizes", bytes: one(zfile{name: "c", local: extraField(1, uint64(5), uint64(5))}), rule: ruleZip64, entry: "c"},
		{name: "local zip64 field of a strange length", bytes: one(zfile{name: "c", local: extraField(1, uint32(5))}), rule: ruleZip64, entry: "c"},
		{name: "zip64 end record that differs", bytes: buildZip(zipTail{zip64: func(_, r []byte) { u64(48, 1)(r) }}, a), rule: ruleZip64},
		{name: "zip64 end record with extensible data", bytes: buildZip(zipTail{zip64: func(_, r []byte) { u64(4, 50)(r) }}, a), rule: ruleZip64},
		{name: "zip64 locator that points elsewhere", bytes: buildZip(zipTail{zip64: func(l, _ []byte) { u64(8, 3)(l) }}, a), rule: ruleZip64},
		{name: "zip64 end record with several disks", bytes: buildZip(zipTail{zip64: func(_, r []byte) { u32(16, 3)(r) }}, a), rule: ruleZip64},
		{name: "zip64 end record that points outside", bytes: buildZip(zipTail{zip64: func(_, r []byte) { u64(48, 1<<63)(r) }, pokeEnd: u32(16, 1<<32-1)}, a), rule: ruleZip64},
		{name: "zip64 end record missing", bytes: buildZip(zipTail{pokeEnd: u32(16, 1<<32-1), suffix: ""}, a, zfile{name: "long", data: strings.Repeat("l", 99)}), rule: ruleZip64},
		{name: "zip64 end record not where the directory ends", bytes: buildZip(zipTail{zip64: nothing, beforeEnd: "gap"}, a), rule: ruleZipDirectory},
		{name: "extra fields cut off", bytes: one(zfile{name: "c", extra: []byte("UT\x09\x00x")}), rule: ruleZipExtra, entry: "c"},
		{name: "extra fields with a stray byte", bytes: one(zfile{name: "c", extra: []byte{0}}), rule: ruleZipExtra, entry: "c"},
		{name: "unicode path of another name", bytes: one(zfile{name: "c", extra: extraField(0x7075, uint8(1), uint32(0x06b9df6f), "d")}), rule: ruleZipUnicode, entry: "c"},
		{name: "two unicode paths", bytes: one(zfile{name: "c", extra: append(unicodePath("c"), unicodePath("c")...)}), rule: ruleZipUnicode, entry: "c"},
		{name: "two entries of one name", bytes: buildZip(zipTail{}, a, b, zfile{name: "a", data: "other"}), rule: ruleDuplicate, entry: "a"},
		{name: "directory with contents", bytes: one(zfile{name: "d/", data: "x"}), rule: ruleZipDirData, entry: "d/"},
		{name: "file whose attributes say directory", bytes: one(zfile{name: "d", data: "x", dosAttribute: 0x10}), rule: ruleZipDirData, entry: "d"},
		{name: "device", bytes: one(zfile{name: "null", unixMode: 0o020666}), rule: ruleDevice, entry: "null"},
		{name: "link", bytes: one(zfile{name: "l", data: "a", unixMode: 0o120777}), rule: ruleLink, entry: "l", mild: true, profile: Wheel()},
		{name: "link out of the archive", bytes: one(zfile{name: "l", data: "../x", unixMode: 0o120777}), rule: ruleLinkEscape, entry: "l", profile: ComposerZip()},
		{name: "link to an absolute path", bytes: one(zfile{name: "l", data: "/etc/passwd", unixMode: 0o120777}), rule: ruleLinkEscape, entry: "l", profile: ComposerZip()},
		{name: "link that climbs behind another link", bytes: buildZip(zipTail{}, zfile{name: "t/a/l", data: "..", unixMode: 0o120777}, zfile{name: "t/m", data: "a/l/../../x", unixMode: 0o120777}), rule: ruleLinkEscape, entry: "t/m", profile: ComposerZip()},
		{name: "file below a link", bytes: buildZip(zipTail{}, zfile{name: "t/l", data: "x", unixMode: 0o120777}, zfile{name: "t/l/f"}), rule: ruleConflict, entry: "t/l/f", profile: ComposerZip()},
		{name: "name with a NUL", bytes: one(zfile{name: "a.txt\x00.py"}), rule: ruleNameNUL, entry: "a.txt\x00.py"},
		{name: "name beyond ASCII without its flag", bytes: one(zfile{name: "é", pokeCentral: u16(8, 0), pokeLocal: u16(6, 0)}), rule: ruleZipCharset, entry: "é", mild: true, profile: Wheel()},
		{name: "central directory over its limit", bytes: buildZip(zipTail{}, a, b), rule: ruleLimitEntries, limits: func(l *Limits) { l.Entries = 1 }},
		{name: "central directory too large to read", bytes: sparseZip(), rule: ruleLimitHeaders, limits: func(l *Limits) { l.Entries = 1 << 30 }},
	}
}

// sparseZip announces a central directory larger than is ever read.
func sparseZip() []byte {
	return append(make([]byte, maxCentral+1),
		put(uint32(sigEnd), uint16(0), uint16(0), uint16(1), uint16(1), uint32(maxCentral+1), uint32(0), uint16(0))...)
}

func unicodePath(name string) []byte {
	return extraField(0x7075, uint8(1), crcOf(name), name)
}
