package blob

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// openBeneath opens a file below a folder in one system call, where os.Root takes two for each folder on the way; the
// kernel refuses, as os.Root does, to be led out. A kernel or sandbox without openat2 answers errors.ErrUnsupported.
func openBeneath(folder *os.File, name string) (*os.File, error) {
	how := &unix.OpenHow{Flags: unix.O_RDONLY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS}
	conn, err := folder.SyscallConn()
	if err != nil {
		return nil, err
	}
	var opened int
	var failed error
	// Under Control, so that Close in between cannot hand the folder's number to something else.
	err = conn.Control(func(fd uintptr) {
		for range 16 { // a signal, or a rename at the same moment
			opened, failed = unix.Openat2(int(fd), name, how)
			if !errors.Is(failed, unix.EINTR) && !errors.Is(failed, unix.EAGAIN) {
				return
			}
		}
	})
	switch {
	case err != nil:
		return nil, err
	case errors.Is(failed, unix.ENOSYS), errors.Is(failed, unix.EPERM), errors.Is(failed, unix.EINVAL), errors.Is(failed, unix.EAGAIN):
		return nil, errors.ErrUnsupported
	case failed != nil:
		return nil, &fs.PathError{Op: "openat2", Path: name, Err: failed}
	}
	return os.NewFile(uintptr(opened), name), nil
}
