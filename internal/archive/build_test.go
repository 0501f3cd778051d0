package archive

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// zfile is one entry of a zip built by hand. The pokes run on finished headers, so that a test can break any byte.
type zfile struct {
	name, data     string
	deflate        bool
	descriptor     string // "", "signed", "plain", "wide"
	extra, local   []byte // extra fields of the central record and of the local header
	pokeCentral    func(h []byte)
	pokeLocal      func(h []byte)
	pokeDescriptor func(d []byte)
	packed         []byte // instead of the packed data
	after          string // bytes after the entry
	comment        string
	unixMode       uint32
	dosAttribute   byte
	offsetOfEntry  int // 1-based: point at another entry's header
}

// zipTail is what follows the central directory.
type zipTail struct {
	prefix, suffix string
	comment        string
	beforeEnd      string
	extraRecord    []byte
	zip64          func(locator, record []byte) // with zip64 records, poked
	pokeEnd        func(end []byte)
}

func put(parts ...any) []byte {
	var b bytes.Buffer
	for _, p := range parts {
		switch p := p.(type) {
		case string:
			b.WriteString(p)
		case []byte:
			b.Write(p)
		default:
			if err := binary.Write(&b, binary.LittleEndian, p); err != nil {
				panic(err)
			}
		}
	}
	return b.Bytes()
}

func deflated(s string) []byte {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, 6)
	if err != nil {
		panic(err)
	}
	w.Write([]byte(s))
	w.Close()
	return b.Bytes()
}

func buildZip(tail zipTail, files ...zfile) []byte {
	out := bytes.NewBufferString(tail.prefix)
	var central bytes.Buffer
	var offsets []int
	for _, f := range files {
		offsets = append(offsets, out.Len())
		method, packed := uint16(0), []byte(f.data)
		if f.deflate {
			method, packed = 8, deflated(f.data)
		}
		if f.packed != nil {
			packed = f.packed
		}
		sum, flags := crc32.ChecksumIEEE([]byte(f.data)), uint16(0x800)
		lsum, lpacked, lunpacked := sum, uint32(len(packed)), uint32(len(f.data))
		if f.descriptor != "" {
			flags |= 8
			lsum, lpacked, lunpacked = 0, 0, 0
		}
		h := put(uint32(sigLocal), uint16(20), flags, method, uint16(0), uint16(0x2821), lsum, lpacked, lunpacked,
			uint16(len(f.name)), uint16(len(f.local)), f.name, f.local)
		if f.pokeLocal != nil {
			f.pokeLocal(h)
		}
		out.Write(h)
		out.Write(packed)
		var d []byte
		switch f.descriptor {
		case "signed":
			d = put(uint32(sigDescriptor), sum, uint32(len(packed)), uint32(len(f.data)))
		case "plain":
			d = put(sum, uint32(len(packed)), uint32(len(f.data)))
		case "wide":
			d = put(uint32(sigDescriptor), sum, uint64(len(packed)), uint64(len(f.data)))
		}
		if f.pokeDescriptor != nil {
			f.pokeDescriptor(d)
		}
		out.Write(d)
		out.WriteString(f.after)
		offset := offsets[len(offsets)-1]
		if f.offsetOfEntry > 0 {
			offset = offsets[f.offsetOfEntry-1]
		}
		creator, external := uint16(20), uint32(f.dosAttribute)
		if f.unixMode != 0 {
			creator, external = 3<<8|20, f.unixMode<<16
		}
		c := put(uint32(sigCentral), creator, uint16(20), flags, method, uint16(0), uint16(0x2821), sum, uint32(len(packed)), uint32(len(f.data)),
			uint16(len(f.name)), uint16(len(f.extra)), uint16(len(f.comment)), uint16(0), uint16(0), external, uint32(offset),
			f.name, f.extra, f.comment)
		if f.pokeCentral != nil {
			f.pokeCentral(c)
		}
		central.Write(c)
	}
	central.Write(tail.extraRecord)
	at := out.Len()
	out.Write(central.Bytes())
	out.WriteString(tail.beforeEnd)
	if tail.zip64 != nil {
		rec := put(uint32(sigEnd64), uint64(44), uint16(45), uint16(45), uint32(0), uint32(0), uint64(len(files)), uint64(len(files)),
			uint64(central.Len()), uint64(at))
		loc := put(uint32(sigLocator64), uint32(0), uint64(out.Len()), uint32(1))
		tail.zip64(loc, rec)
		out.Write(rec)
		out.Write(loc)
	}
	end := put(uint32(sigEnd), uint16(0), uint16(0), uint16(len(files)), uint16(len(files)), uint32(central.Len()), uint32(at),
		uint16(len(tail.comment)), tail.comment)
	if tail.pokeEnd != nil {
		tail.pokeEnd(end)
	}
	out.Write(end)
	out.WriteString(tail.suffix)
	return out.Bytes()
}

// extraField makes one extra field.
func extraField(id uint16, body ...any) []byte {
	b := put(body...)
	return put(id, uint16(len(b)), b)
}

// tfile is one header block of a tar built by hand, with its data.
type tfile struct {
	name, data, link string
	kind             byte
	format           string // "ustar" (default), "gnu", "v7"
	size             int    // instead of len(data), if not 0
	poke             func(h []byte)
	raw              string // these bytes instead of a header
}

func buildTar(files ...tfile) []byte {
	var out bytes.Buffer
	for _, f := range files {
		if f.raw != "" {
			out.WriteString(f.raw)
			continue
		}
		h := make([]byte, blockSize)
		copy(h, f.name)
		size := len(f.data)
		if f.size != 0 {
			size = f.size
		}
		copy(h[100:], "0000644\x000000000\x000000000\x00")
		copy(h[124:], fmt.Sprintf("%011o\x00%011o\x00", size, 1153704088))
		h[156] = f.kind
		if f.kind == 0 && f.format != "v7" {
			h[156] = '0'
		}
		copy(h[157:], f.link)
		switch f.format {
		case "":
			copy(h[257:], "ustar\x0000")
		case "gnu":
			copy(h[257:], "ustar  \x00")
		}
		if f.poke != nil {
			f.poke(h)
		}
		if h[148] == 0 {
			checksum(h)
		}
		out.Write(h)
		out.WriteString(f.data)
		out.Write(make([]byte, -len(f.data)&(blockSize-1)))
	}
	return out.Bytes()
}

func checksum(h []byte) {
	sum := 0
	copy(h[148:156], "        ")
	for _, c := range h {
		sum += int(c)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
}

// ended adds the two zero blocks.
func ended(tar []byte) []byte { return append(tar, make([]byte, 2*blockSize)...) }

func gzipped(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	w.Write(b)
	w.Close()
	return out.Bytes()
}

// pax makes pax records of keys and values.
func pax(pairs ...string) string {
	var out string
	for i := 0; i < len(pairs); i += 2 {
		rest := " " + pairs[i] + "=" + pairs[i+1] + "\n"
		n := len(rest) + 1
		for len(fmt.Sprint(n))+len(rest) != n {
			n++
		}
		out += fmt.Sprint(n) + rest
	}
	return out
}
