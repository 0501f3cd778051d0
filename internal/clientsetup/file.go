package clientsetup

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"unicode/utf8"

	"bonded/internal/errs"
)

// BackupSuffix ends the name of the copy that is kept of a file as it was before it was first changed.
const BackupSuffix = ".bonded-backup"

// maxFile is far above any client's configuration.
const maxFile = 4 << 20

// file returns the plan's file, read when it is first asked for.
func (p *planner) file(path string) (*File, error) {
	for _, f := range p.files {
		if f.Path == path {
			return f, nil
		}
	}
	text, err := readFile(path)
	if err != nil {
		return nil, err
	}
	f := &File{Path: path, Before: text, After: text}
	p.files = append(p.files, f)
	return f, nil
}

// readFile reads text, and nil where there is no file.
func readFile(path string) ([]byte, error) {
	text, err := readRaw(path)
	if err == nil && !utf8.Valid(text) {
		err = errs.New(errs.Invalid, "%s is not UTF-8 text.", path).WithRule("client-setup/unreadable")
	}
	return text, err
}

func readRaw(path string) ([]byte, error) {
	st, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil && (!st.Mode().IsRegular() || st.Size() > maxFile) {
		return nil, errs.New(errs.Invalid, "%s is not a file of settings.", path).WithRule("client-setup/unreadable")
	}
	var text []byte
	if err == nil {
		text, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, errs.New(errs.Invalid, "%s cannot be read: %v.", path, err).WithRule("client-setup/unreadable")
	}
	return append([]byte{}, text...), nil // never nil, which would mean that there is none
}

// Write puts the file in place and reports whether it changed. What was there is kept beside it, once; a file that holds a
// credential becomes readable by its owner alone, whatever it was; a link stays a link.
func (f *File) Write() (changed bool, err error) {
	path := f.Path
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	mode := fs.FileMode(0o644)
	if st, err := os.Stat(path); err == nil {
		mode = st.Mode().Perm()
	}
	if f.Secret {
		mode &^= 0o077
	}
	if !f.Changed() {
		return false, os.Chmod(path, mode)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return false, err
	}
	if f.Before != nil {
		if err := keepBackup(path+BackupSuffix, f.Before); err != nil {
			return false, err
		}
	}
	return true, replace(path, f.After, mode)
}

// keepBackup writes the copy unless there is one: the first is what the user had.
func keepBackup(path string, text []byte) error {
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = out.Write(text)
	return errors.Join(err, out.Close())
}

// replace writes beside the file and renames, so that a client never reads half of it and the credential never stands in a
// file that others may open.
func replace(path string, text []byte, mode fs.FileMode) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".bonded-*") // made 0600
	if err != nil {
		return err
	}
	_, err = tmp.Write(text)
	if err = errors.Join(err, tmp.Chmod(mode), tmp.Sync(), tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return nil
}
