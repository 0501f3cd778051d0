package blob

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"sync"

	"github.com/minio/minio-go/v7"

	"bonded/internal/digest"
	"bonded/internal/errs"
)

// windowSize is what one ReadAt fetches at least: readers of archives ask for a few kilobytes at a time, and each
// request costs a round trip.
const windowSize = 1 << 20

// s3Object reads a blob of an S3 store: Read follows one open response, ReadAt fetches ranges.
type s3Object struct {
	ctx    context.Context // of Open: what is read belongs to the same request
	store  *s3Store
	digest digest.SHA256
	size   int64

	// of Read and Seek, which one goroutine uses
	offset int64
	body   io.ReadCloser // the response from offset on; nil before the first Read and after a Seek
	closed bool

	mu     sync.Mutex // guards the window
	window []byte     // the bytes last fetched by ReadAt; never changed once set
	start  int64      // the offset of the window
}

// Read reads on in the open response, asking for one from the offset on if there is none.
func (o *s3Object) Read(p []byte) (int, error) {
	if o.closed {
		return 0, fs.ErrClosed
	}
	if len(p) == 0 {
		return 0, nil
	}
	if o.offset >= o.size {
		return 0, io.EOF
	}
	if o.body == nil {
		body, err := o.fetch(o.offset, o.size)
		if err != nil {
			return 0, err
		}
		o.body = body
	}
	n, err := o.body.Read(p)
	o.offset += int64(n)
	if errors.Is(err, io.EOF) && o.offset < o.size {
		err = io.ErrUnexpectedEOF // an object that shrank since Open
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = errors.Join(unreachable(err), o.hangUp())
	}
	return n, err
}

// Seek moves the offset; the open response is given up only if it moves away.
func (o *s3Object) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += o.offset
	case io.SeekEnd:
		offset += o.size
	default:
		return 0, fs.ErrInvalid
	}
	if o.closed {
		return 0, fs.ErrClosed
	}
	if offset < 0 {
		return 0, fs.ErrInvalid
	}
	if offset != o.offset {
		if err := o.hangUp(); err != nil {
			return 0, unreachable(err)
		}
		o.offset = offset
	}
	return offset, nil
}

// ReadAt reads from the last fetched window, or fetches a new one.
func (o *s3Object) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fs.ErrInvalid
	}
	if len(p) == 0 {
		return 0, nil
	}
	if off >= o.size {
		return 0, io.EOF
	}
	want := p[:min(int64(len(p)), o.size-off)]
	window, start := o.lastWindow()
	if off < start || off+int64(len(want)) > start+int64(len(window)) {
		var err error
		if window, err = o.fetchWindow(off, len(want)); err != nil {
			return 0, err
		}
		start = off
	}
	n := copy(want, window[off-start:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (o *s3Object) lastWindow() (window []byte, start int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.window, o.start
}

// fetchWindow fetches at least n bytes from off on, and keeps them for the next ReadAt.
func (o *s3Object) fetchWindow(off int64, n int) ([]byte, error) {
	end := min(o.size, off+int64(max(n, windowSize)))
	body, err := o.fetch(off, end)
	if err != nil {
		return nil, err
	}
	window := make([]byte, end-off)
	_, err = io.ReadFull(body, window)
	if err := errors.Join(err, body.Close()); err != nil {
		return nil, unreachable(err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.window, o.start = window, off
	return window, nil
}

// fetch asks for the bytes from start up to end, which is after start.
func (o *s3Object) fetch(start, end int64) (io.ReadCloser, error) {
	var opts minio.GetObjectOptions
	if start > 0 || end < o.size {
		if err := opts.SetRange(start, end-1); err != nil {
			return nil, err
		}
	}
	body, info, _, err := o.store.client.GetObject(o.ctx, o.store.cfg.Bucket, o.store.key(o.digest), opts)
	if err != nil {
		return nil, o.store.unreadable(o.digest, err)
	}
	if info.Size != end-start {
		// A server that ignores the range, or an object that is another one by now.
		err := errs.New(errs.Unavailable, "The blob store sent %d bytes where %d were asked for.", info.Size, end-start)
		return nil, errors.Join(err, body.Close())
	}
	return body, nil
}

// hangUp gives up the open response, if there is one.
func (o *s3Object) hangUp() error {
	if o.body == nil {
		return nil
	}
	body := o.body
	o.body = nil
	return body.Close()
}

// Close gives up the open response.
func (o *s3Object) Close() error {
	o.closed = true
	return o.hangUp()
}
