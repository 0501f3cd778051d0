package blob

import (
	"errors"
	"io"
	"io/fs"
	"os"
)

// volume is the few file operations that durability rests on. It is a seam so that a test can put a file system
// underneath that loses whatever was not synced.
type volume interface {
	// create makes a new file, open for reading and writing; fs.ErrExist if the name is taken.
	create(name string) (file, error)
	open(name string) (file, error)
	// link gives the file a second name atomically; fs.ErrExist if that is taken.
	link(oldName, newName string) error
	remove(name string) error
	mkdir(name string) error
	// syncDir makes the entries of a directory durable.
	syncDir(name string) error
	stat(name string) (fs.FileInfo, error)
	// readDir returns the entries sorted by name.
	readDir(name string) ([]fs.DirEntry, error)
	close() error
}

// file is an open file of a volume; *os.File is one.
type file interface {
	ReadSeekerAt
	io.Writer
	Sync() error
	Stat() (fs.FileInfo, error)
}

// osVolume is a folder of the operating system, which no name leads out of.
type osVolume struct {
	root *os.Root
	// folder is the same folder, for openBeneath.
	folder *os.File
}

func openOSVolume(dir string) (osVolume, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return osVolume{}, err
	}
	folder, err := root.Open(".")
	if err != nil {
		return osVolume{}, errors.Join(err, root.Close())
	}
	return osVolume{root, folder}, nil
}

// create makes the file read-only for everyone after it is closed: a stored blob is never written again.
func (v osVolume) create(name string) (file, error) {
	f, err := v.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o440)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (v osVolume) open(name string) (file, error) {
	f, err := openBeneath(v.folder, name)
	if errors.Is(err, errors.ErrUnsupported) {
		f, err = v.root.Open(name)
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (v osVolume) link(oldName, newName string) error    { return v.root.Link(oldName, newName) }
func (v osVolume) remove(name string) error              { return v.root.Remove(name) }
func (v osVolume) mkdir(name string) error               { return v.root.Mkdir(name, 0o750) }
func (v osVolume) stat(name string) (fs.FileInfo, error) { return v.root.Lstat(name) }
func (v osVolume) close() error                          { return errors.Join(v.folder.Close(), v.root.Close()) }

func (v osVolume) readDir(name string) ([]fs.DirEntry, error) {
	return fs.ReadDir(v.root.FS(), name)
}

func (v osVolume) syncDir(name string) error {
	d, err := v.root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
