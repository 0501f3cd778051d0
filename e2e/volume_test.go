//go:build e2e

package e2e

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// volume is a file system that keeps apart what programs see from what a disk would hold after the loss of power, and
// promises no more than POSIX does: bytes are durable when fsync or fdatasync of their file has returned, and a name is
// durable when fsync of its folder has. Everything else may be lost, or, in any combination, not. It is fed the system
// calls of a real run.
type volume struct {
	root string // what lies outside is no concern of ours
	top  *inode
}

// inode is a file or a folder.
type inode struct {
	folder bool
	// entries are a folder's names as programs see them.
	entries map[string]*inode
	// length is a file's as programs see it; position is where the next write without an offset goes.
	length, position int64
	// disk is what is durable; pending are later changes, in order.
	disk    state
	pending []change
}

// state is the durable content of an inode.
type state struct {
	bytes   []byte
	entries map[string]*inode
}

// change is one that is not durable yet; done is the number of the line at which its call had returned.
type change struct {
	done int
	// of a file: bytes written at an offset, or, with cut, a new length
	offset int64
	bytes  []byte
	cut    bool
	// of a folder: what the name stands for now, nil for nothing
	name  string
	inode *inode
}

func newFolder() *inode {
	return &inode{folder: true, entries: map[string]*inode{}, disk: state{entries: map[string]*inode{}}}
}

func newVolume(root string) *volume { return &volume{root: root, top: newFolder()} }

// find returns what a path stands for; nil for nothing, or for a path outside.
func (v *volume) find(p string) *inode {
	rel, ok := strings.CutPrefix(p, v.root)
	if !ok {
		return nil
	}
	at := v.top
	for name := range strings.SplitSeq(strings.Trim(rel, "/"), "/") {
		if name == "" {
			continue
		}
		if at = at.entries[name]; at == nil {
			return nil
		}
	}
	return at
}

// name lets a path stand for an inode, or with nil for nothing.
func (v *volume) name(p string, to *inode, done int) {
	folder := v.find(path.Dir(p))
	if folder == nil || !strings.HasPrefix(p, v.root+"/") {
		return
	}
	name := path.Base(p)
	if folder.entries[name] = to; to == nil {
		delete(folder.entries, name)
	}
	folder.pending = append(folder.pending, change{done: done, name: name, inode: to})
}

// apply takes one call's effect. An error says that the model does not know the call.
func (v *volume) apply(c call) error {
	switch c.name {
	case "open", "openat", "creat":
		v.open(c)
	case "mkdir", "mkdirat":
		v.name(c.target(), newFolder(), c.exit)
	case "unlink", "unlinkat", "rmdir":
		v.name(c.target(), nil, c.exit)
	case "linkat":
		if from := v.find(c.at(1)); from != nil {
			v.name(c.at(3), from, c.exit)
		}
	case "rename", "renameat", "renameat2":
		return v.rename(c)
	case "write":
		v.write(c, -1)
	case "pwrite64":
		v.write(c, c.number(3))
	case "ftruncate":
		if f := v.find(c.on); f != nil {
			f.length = c.number(1)
			f.pending = append(f.pending, change{done: c.exit, cut: true, offset: f.length})
		}
	case "fsync", "fdatasync":
		if f := v.find(c.on); f != nil {
			f.sync(c.entry)
		}
	case "sendfile", "splice", "writev": // only to connections, which the next line makes sure of
		if v.find(c.on) != nil {
			return fmt.Errorf("%s into a file", c.name)
		}
	default:
		return fmt.Errorf("the call %s", c.name)
	}
	return nil
}

// target is the path that mkdir, unlink and open name, with or without a folder before it.
func (c call) target() string {
	if strings.HasSuffix(c.name, "at") {
		return c.at(1)
	}
	return unhex(c.args[0])
}

func (v *volume) open(c call) {
	flags := strings.Join(c.args, " ")
	p := c.target()
	f := v.find(p)
	if f == nil && strings.Contains(flags, "O_CREAT") {
		f = &inode{}
		v.name(p, f, c.exit)
	}
	if f == nil || f.folder {
		return
	}
	f.position = 0
	if strings.Contains(flags, "O_TRUNC") && f.length > 0 {
		f.length = 0
		f.pending = append(f.pending, change{done: c.exit, cut: true})
	}
}

func (v *volume) rename(c call) error {
	var from, to string
	if c.name == "rename" {
		from, to = unhex(c.args[0]), unhex(c.args[1])
	} else {
		from, to = c.at(1), c.at(3)
	}
	if f := v.find(from); f != nil {
		return fmt.Errorf("a rename of %s to %s, whose atomicity it does not model", from, to)
	}
	return nil
}

// write takes the bytes of a call; offset -1 is where the last write ended.
func (v *volume) write(c call, offset int64) {
	f := v.find(c.on)
	if f == nil || f.folder {
		return
	}
	b := []byte(c.data)
	if offset < 0 {
		offset = f.position
		f.position += int64(len(b))
	}
	f.length = max(f.length, offset+int64(len(b)))
	f.pending = append(f.pending, change{done: c.exit, offset: offset, bytes: b})
}

// sync makes durable what had been done when it began.
func (f *inode) sync(began int) {
	n := 0
	for n < len(f.pending) && f.pending[n].done < began {
		f.disk.take(f.pending[n])
		n++
	}
	f.pending = slices.Clone(f.pending[n:])
}

func (s *state) take(c change) {
	switch {
	case c.name != "":
		if s.entries[c.name] = c.inode; c.inode == nil {
			delete(s.entries, c.name)
		}
	case c.cut:
		s.resize(c.offset)
	default:
		if end := c.offset + int64(len(c.bytes)); end > int64(len(s.bytes)) {
			s.resize(end)
		}
		copy(s.bytes[c.offset:], c.bytes)
	}
}

func (s *state) resize(n int64) {
	if n <= int64(len(s.bytes)) {
		s.bytes = s.bytes[:n]
		return
	}
	s.bytes = append(s.bytes, make([]byte, n-int64(len(s.bytes)))...)
}

// cut writes into a folder what a disk holds if the power fails now. Without a source of chance every change that was not
// synced is lost; with one, each is lost or not, and a write may be torn.
func (v *volume) cut(dir string, chance *rand.Rand) error { return v.top.write(dir, chance) }

func (f *inode) write(p string, chance *rand.Rand) error {
	s := state{bytes: slices.Clone(f.disk.bytes), entries: maps.Clone(f.disk.entries)}
	for _, c := range f.pending {
		if chance == nil || chance.IntN(2) == 0 {
			continue
		}
		if len(c.bytes) > 512 && chance.IntN(3) == 0 { // only its first sectors reached the disk
			c.bytes = c.bytes[:512*(1+chance.IntN(len(c.bytes)/512))]
		}
		s.take(c)
	}
	if !f.folder {
		return os.WriteFile(p, s.bytes, 0o600)
	}
	if err := os.MkdirAll(p, 0o700); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(s.entries)) {
		if err := s.entries[name].write(filepath.Join(p, name), chance); err != nil {
			return err
		}
	}
	return nil
}
