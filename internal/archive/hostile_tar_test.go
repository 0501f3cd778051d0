package archive

import (
	"bytes"
	"hash/crc32"
	"strings"
)

func crcOf(s string) uint32 { return crc32.ChecksumIEEE([]byte(s)) }

func at(offset int, s string) func([]byte) {
	return func(h []byte) { copy(h[offset:], s) }
}

// tarAttacks are the tars, and the gzip files around them, on which readers are known to differ.
func tarAttacks() []attack {
	a := tfile{name: "p/a", data: "alpha"}
	tgz := func(files ...tfile) []byte { return gzipped(ended(buildTar(files...))) }
	plain := tgz(a)
	x := func(records string) tfile { return tfile{name: "PaxHeader/a", kind: 'x', data: records} }
	long := func(kind byte, name string) tfile {
		return tfile{name: "././@LongLink", kind: kind, format: "gnu", data: name + "\x00"}
	}
	gnu := tfile{name: "p/g", data: "g", format: "gnu"}
	reserved := bytes.Clone(plain)
	reserved[3] |= 0x80
	crc := bytes.Clone(plain)
	crc[len(crc)-5]++
	sdist := Sdist()
	return []attack{
		{name: "not gzip at all", bytes: []byte("plainly not gzip"), rule: ruleGzip},
		{name: "gzip cut off", bytes: plain[:len(plain)-9], rule: ruleGzip},
		{name: "gzip with a wrong checksum", bytes: crc, rule: ruleGzip},
		{name: "gzip with reserved flags", bytes: reserved, rule: ruleGzip},
		{name: "gzip of two members", bytes: append(bytes.Clone(plain), plain...), rule: ruleGzipMembers},
		{name: "gzip with an empty second member", bytes: append(bytes.Clone(plain), gzipped(nil)...), rule: ruleGzipMembers},
		{name: "tar split over two gzip members", bytes: append(gzipped(buildTar(a)), gzipped(ended(buildTar(tfile{name: "p/b"})))...), rule: ruleGzipMembers},
		{name: "data after the gzip stream", bytes: append(bytes.Clone(plain), "PK\x03\x04"...), rule: ruleGzipTrailing},
		{name: "data after zeros after the gzip stream", bytes: append(append(bytes.Clone(plain), make([]byte, 99)...), 'x'), rule: ruleGzipTrailing},
		{name: "zeros after the gzip stream", bytes: append(bytes.Clone(plain), make([]byte, 99)...), rule: ruleGzipPadding, mild: true},
		{name: "tar without its end", bytes: gzipped(buildTar(a)), rule: ruleTarEnd, mild: true},
		{name: "tar that ends within a block", bytes: gzipped(append(ended(buildTar(a)), 0)), rule: ruleTarEnd, mild: true},
		{name: "second tar after the end", bytes: gzipped(append(ended(buildTar(a)), ended(buildTar(tfile{name: "p/b"}))...)), rule: ruleTarTrailing},
		{name: "entry after one zero block", bytes: tgz(a, tfile{raw: strings.Repeat("\x00", blockSize)}, tfile{name: "p/b"}), rule: ruleTarTrailing},
		{name: "tar cut in a header", bytes: gzipped(buildTar(a)[:300]), rule: ruleTarTruncated},
		{name: "tar cut in data", bytes: gzipped(buildTar(a)[:514]), rule: ruleTarTruncated, entry: "p/a"},
		{name: "tar cut in padding", bytes: gzipped(buildTar(a)[:600]), rule: ruleTarTruncated, entry: "p/a"},
		{name: "tar that ends after an extension", bytes: tgz(x(pax("path", "p/b"))), rule: ruleTarTruncated},
		{name: "tar cut after an extension", bytes: gzipped(buildTar(x(pax("path", "p/b")))), rule: ruleTarTruncated},
		{name: "wrong checksum", bytes: tgz(tfile{name: "p/a", poke: at(148, "0000007\x00")}), rule: ruleTarHeader, entry: "p/a"},
		{name: "unknown magic", bytes: tgz(tfile{name: "p/a", poke: at(257, "ustbr\x0000")}), rule: ruleTarHeader, entry: "p/a"},
		{name: "bytes after the NUL of a name", bytes: tgz(tfile{name: "p/a\x00../b"}), rule: ruleTarField, entry: "p/a", mild: true},
		{name: "owner that is no number", bytes: tgz(tfile{name: "p/a", poke: at(108, "root")}), rule: ruleTarField, entry: "p/a", mild: true},
		{name: "prefix in a GNU header", bytes: tgz(tfile{name: "a", format: "gnu", poke: at(345, "q")}), rule: ruleTarPrefix, entry: "a"},
		{name: "prefix in an old header", bytes: tgz(tfile{name: "a", format: "v7", poke: at(345, "q")}), rule: ruleTarPrefix, entry: "a"},
		{name: "contiguous file", bytes: tgz(tfile{name: "p/a", kind: '7'}), rule: ruleTarType, entry: "p/a"},
		{name: "unknown entry type", bytes: tgz(tfile{name: "p/a", kind: 'Z'}), rule: ruleTarType, entry: "p/a"},
		{name: "file whose name says directory", bytes: tgz(tfile{name: "p/a/", data: "x"}), rule: ruleTarType, entry: "p/a/"},
		{name: "GNU sparse file", bytes: tgz(tfile{name: "p/a", kind: 'S', format: "gnu"}), rule: ruleTarSparse, entry: "p/a"},
		{name: "pax sparse file", bytes: tgz(x(pax("GNU.sparse.major", "1", "GNU.sparse.name", "p/b")), a), rule: ruleTarSparse},
		{name: "directory with contents", bytes: tgz(tfile{name: "p/d", kind: '5', data: "x"}), rule: ruleTarSize, entry: "p/d"},
		{name: "link with contents", bytes: tgz(a, tfile{name: "p/l", kind: '1', link: "p/a", data: "x"}), rule: ruleTarSize, entry: "p/l"},
		{name: "size in base 256", bytes: tgz(tfile{name: "p/a", poke: at(124, "\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00")}), rule: ruleTarSize, entry: "p/a"},
		{name: "size with other characters", bytes: tgz(tfile{name: "p/a", poke: at(124, "0000000000 1")}), rule: ruleTarSize, entry: "p/a"},
		{name: "no size", bytes: tgz(tfile{name: "p/a", poke: at(124, strings.Repeat("\x00", 12))}), rule: ruleTarSize, entry: "p/a"},
		{name: "pax size that differs", bytes: tgz(x(pax("size", "1024")), a), rule: ruleTarSize, entry: "p/a"},
		{name: "pax size that hides an entry", bytes: tgz(x(pax("size", "0")), tfile{name: "p/a", data: string(buildTar(tfile{name: "p/evil"}))}), rule: ruleTarSize, entry: "p/a"},
		{name: "pax record of the wrong length", bytes: tgz(x("9 path=p/b\n"), a), rule: ruleTarPax},
		{name: "pax record with a padded length", bytes: tgz(x("012 path=p/b\n"), a), rule: ruleTarPax},
		{name: "pax record without a key", bytes: tgz(x(pax("", "p/b")), a), rule: ruleTarPax},
		{name: "pax key twice", bytes: tgz(x(pax("path", "p/b", "path", "p/c")), a), rule: ruleTarPax},
		{name: "pax path that is empty", bytes: tgz(x(pax("path", "")), a), rule: ruleTarPax},
		{name: "pax character set", bytes: tgz(x(pax("hdrcharset", "BINARY")), a), rule: ruleTarPax},
		{name: "pax path with a NUL", bytes: tgz(x(pax("path", "p/b\x00c")), a), rule: ruleTarPax},
		{name: "pax key with a NUL", bytes: tgz(x(pax("\x00ath", "p/b")), a), rule: ruleTarPax},
		{name: "two pax headers for one entry", bytes: tgz(x(pax("path", "p/b")), x(pax("path", "p/c")), a), rule: ruleTarPax},
		{name: "pax time that is none", bytes: tgz(x(pax("mtime", "yesterday")), a), rule: ruleTarField, mild: true},
		{name: "pax owner that is no number", bytes: tgz(x(pax("uid", "root")), a), rule: ruleTarField, mild: true},
		{name: "global pax path", bytes: tgz(tfile{name: "g", kind: 'g', data: pax("path", "p/b")}, a), rule: ruleTarGlobal},
		{name: "global pax size", bytes: tgz(tfile{name: "g", kind: 'g', data: pax("size", "0")}, a), rule: ruleTarGlobal},
		{name: "global pax header behind an extension", bytes: tgz(x(pax("path", "p/b")), tfile{name: "g", kind: 'g', data: pax("comment", "c")}, a), rule: ruleTarGlobal},
		{name: "pax header and GNU long name", bytes: tgz(x(pax("path", "p/b")), long('L', "p/c"), gnu), rule: ruleTarMixed},
		{name: "GNU long name and pax header", bytes: tgz(long('L', "p/c"), x(pax("path", "p/b")), gnu), rule: ruleTarMixed},
		{name: "two GNU long names", bytes: tgz(long('L', "p/c"), long('L', "p/d"), gnu), rule: ruleTarLongName, entry: "p/d"},
		{name: "GNU long name with a tail", bytes: tgz(long('L', "p/c\x00p/d"), gnu), rule: ruleTarLongName, entry: "p/c"},
		{name: "GNU long name that is empty", bytes: tgz(long('L', ""), gnu), rule: ruleTarLongName},
		{name: "extension header too large to read", bytes: tgz(x(pax("comment", strings.Repeat("c", maxExtension))), a), rule: ruleLimitHeaders, entry: "PaxHeader/a"},
		{name: "device", bytes: tgz(tfile{name: "p/null", kind: '3'}), rule: ruleDevice, entry: "p/null"},
		{name: "pipe", bytes: tgz(tfile{name: "p/pipe", kind: '6'}), rule: ruleDevice, entry: "p/pipe"},
		{name: "device with contents", bytes: tgz(tfile{name: "p/null", kind: '4', data: "x"}), rule: ruleDevice, entry: "p/null"},
		{name: "symbolic link", bytes: tgz(a, tfile{name: "p/l", kind: '2', link: "a"}), rule: ruleLink, entry: "p/l", mild: true},
		{name: "hard link", bytes: tgz(a, tfile{name: "p/l", kind: '1', link: "p/a"}), rule: ruleLink, entry: "p/l", mild: true},
		{name: "symbolic link out of the tree", bytes: tgz(tfile{name: "p/l", kind: '2', link: "../../x"}), rule: ruleLinkEscape, entry: "p/l", profile: sdist},
		{name: "symbolic link out of the top directory", bytes: tgz(tfile{name: "p/l", kind: '2', link: "../q"}), rule: ruleLinkEscape, entry: "p/l", profile: sdist},
		{name: "hard link out of the tree", bytes: tgz(tfile{name: "p/l", kind: '1', link: "../x"}), rule: ruleLinkEscape, entry: "p/l", profile: sdist},
		{name: "hard link to nothing", bytes: tgz(tfile{name: "p/l", kind: '1', link: "p/later"}, tfile{name: "p/later"}), rule: ruleLinkEscape, entry: "p/l", profile: sdist},
		{name: "hard link without a target", bytes: tgz(tfile{name: "p/l", kind: '1'}), rule: ruleLinkEscape, entry: "p/l", profile: sdist},
		{name: "file below a symbolic link", bytes: tgz(tfile{name: "p/l", kind: '2', link: "q"}, tfile{name: "p/l/f"}), rule: ruleConflict, entry: "p/l/f", profile: sdist},
		{name: "directory in the place of a file", bytes: tgz(a, tfile{name: "p/a", kind: '5'}), rule: ruleConflict, entry: "p/a"},
		{name: "file in the place of a directory", bytes: tgz(tfile{name: "p/a/b"}, tfile{name: "p/a", data: "x"}), rule: ruleConflict, entry: "p/a"},
		{name: "directory in the place of an empty file", bytes: tgz(tfile{name: "p/a"}, tfile{name: "p/a/b"}), rule: ruleConflictEmpty, entry: "p/a/b", mild: true},
		{name: "two different entries of one name", bytes: tgz(a, tfile{name: "p/a", data: "omega"}), rule: ruleDuplicate, entry: "p/a"},
		{name: "the same entry twice", bytes: tgz(a, a), rule: ruleDuplicateSame, entry: "p/a", mild: true},
		{name: "names that differ in case", bytes: tgz(a, tfile{name: "p/A"}), rule: ruleCase, entry: "p/A", mild: true},
		{name: "directories that differ in case", bytes: tgz(tfile{name: "p/d/x"}, tfile{name: "p/D/y"}), rule: ruleCase, entry: "p/D/y", mild: true},
		{name: "names that differ in Unicode form", bytes: tgz(tfile{name: "p/\u00e9"}, tfile{name: "p/e\u0301"}), rule: ruleCase, entry: "p/e\u0301", mild: true},
		{name: "names that differ by a look alike letter", bytes: tgz(tfile{name: "p/k"}, tfile{name: "p/\u212a"}), rule: ruleCase, entry: "p/\u212a", mild: true},
		{name: "climbing path", bytes: tgz(tfile{name: "p/../../x"}), rule: ruleTraversal, entry: "p/../../x"},
		{name: "climbing path with backslashes", bytes: tgz(tfile{name: `p\..\..\x`}), rule: ruleTraversal, entry: `p\..\..\x`},
		{name: "absolute path", bytes: tgz(tfile{name: "/etc/passwd"}), rule: ruleAbsolute, entry: "/etc/passwd"},
		{name: "path with a drive letter", bytes: tgz(tfile{name: "C:evil"}), rule: ruleAbsolute, entry: "C:evil"},
		{name: "path with a leading backslash", bytes: tgz(tfile{name: `\\host\share`}), rule: ruleAbsolute, entry: `\\host\share`},
		{name: "path with a backslash", bytes: tgz(a, tfile{name: `p/b\c`}), rule: ruleNameBackslash, entry: `p/b\c`, mild: true},
		{name: "path with dots", bytes: tgz(tfile{name: "./p/a"}), rule: ruleNameDots, entry: "./p/a", mild: true},
		{name: "path with an empty component", bytes: tgz(tfile{name: "p//a"}), rule: ruleNameDots, entry: "p//a", mild: true},
		{name: "name that is empty", bytes: tgz(tfile{name: ""}), rule: ruleNameEmpty},
		{name: "name that is not UTF-8", bytes: tgz(tfile{name: "p/\xe9"}), rule: ruleNameEncoding, entry: "p/\xe9"},
		{name: "name with a control character", bytes: tgz(tfile{name: "p/\x1b[2J"}), rule: ruleNameControl, entry: "p/\x1b[2J", mild: true},
		{name: "name with a direction override", bytes: tgz(tfile{name: "p/\u202egpj.sh"}), rule: ruleNameControl, entry: "p/\u202egpj.sh", mild: true},
		{name: "two top directories", bytes: tgz(a, tfile{name: "q/a"}), rule: ruleTop, entry: "q/a", mild: true},
		{name: "file beside the top directory", bytes: tgz(tfile{name: "a"}), rule: ruleTop, entry: "a", mild: true},
		{name: "another top directory than the crate's", bytes: tgz(a), rule: ruleTop, entry: "p/a", mild: true, profile: Crate("p", "1.0.0")},
		{name: "more entries than allowed", bytes: tgz(a, tfile{name: "p/b"}), rule: ruleLimitEntries, entry: "p/b", limits: func(l *Limits) { l.Entries = 1 }},
		{name: "more directories than allowed", bytes: tgz(tfile{name: "p/q/r/s"}), rule: ruleLimitEntries, limits: func(l *Limits) { l.Entries = 2 }},
		{name: "more headers than allowed", bytes: tgz(g("1"), g("2"), g("3"), a), rule: ruleLimitEntries, limits: func(l *Limits) { l.Entries = 1 }},
		{name: "larger than allowed", bytes: tgz(a), rule: ruleLimitUnpacked, limits: func(l *Limits) { l.Unpacked = 1000 }},
		{name: "larger entry than allowed", bytes: tgz(a), rule: ruleLimitEntry, entry: "p/a", limits: func(l *Limits) { l.EntrySize = 4 }},
		{name: "deeper than allowed", bytes: tgz(tfile{name: "p/q/r"}), rule: ruleLimitDepth, entry: "p/q/r", limits: func(l *Limits) { l.Depth = 2 }},
		{name: "longer name than allowed", bytes: tgz(tfile{name: "p/long"}), rule: ruleLimitName, entry: "p/long", limits: func(l *Limits) { l.NameLength = 5 }},
		{name: "longer component than file systems store", bytes: tgz(long('L', "p/"+strings.Repeat("n", 256)), gnu), rule: ruleLimitName},
		{name: "longer target than allowed", bytes: tgz(tfile{name: "p/l", kind: '2', link: "longer"}), rule: ruleLimitName, entry: "p/l", limits: func(l *Limits) { l.NameLength = 5 }},
		{name: "bomb", bytes: tgz(tfile{name: "p/zeros", data: strings.Repeat("\x00", 1<<20)}), rule: ruleLimitRatio, entry: "p/zeros", limits: func(l *Limits) { l.RatioFloor = 1 << 19 }},
	}
}

func g(comment string) tfile { return tfile{name: "g", kind: 'g', data: pax("comment", comment)} }
