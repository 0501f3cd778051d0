package blob

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"bonded/internal/digest"
	"bonded/internal/durable"
	"bonded/internal/errs"
)

const (
	blobDir  = "sha256"
	stageDir = "stage"
	// staleAfter is the age at which a staging file can only be the rest of a process that died.
	staleAfter = 24 * time.Hour
	// syncWidth is how many files or directories one CommitAll syncs at a time.
	syncWidth = 8
)

// dirStore keeps blobs in a folder.
type dirStore struct {
	vol volume

	// durable holds the directories whose own entry this process has synced into its parent. That a directory exists is
	// not enough: another goroutine, or a process that was killed, may have made it and not yet synced it.
	durable sync.Map // name → struct{}
}

// OpenDir opens the blob store in a folder, making it if need be, and removes what processes that died left in staging.
// The folder must be on one file system, and that must have hard links.
func OpenDir(dir string) (_ Store, err error) {
	defer errs.Wrap(&err, "blob.OpenDir(%q)", dir)
	if err := durable.MkdirAll(dir, 0o750); err != nil {
		return nil, err
	}
	vol, err := openOSVolume(dir)
	if err != nil {
		return nil, err
	}
	s, err := openVolume(vol, time.Now().Add(-staleAfter))
	if err != nil {
		return nil, errors.Join(err, vol.close())
	}
	return s, nil
}

// openVolume opens the store in a volume and removes staging files last written before stale.
func openVolume(vol volume, stale time.Time) (*dirStore, error) {
	s := &dirStore{vol: vol}
	for _, dir := range []string{blobDir, stageDir} {
		if err := vol.mkdir(dir); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
	if err := vol.syncDir("."); err != nil {
		return nil, err
	}
	s.durable.Store(blobDir, struct{}{})
	entries, err := vol.readDir(stageDir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // another process finished it
		}
		if err != nil {
			return nil, err
		}
		if info.ModTime().Before(stale) {
			s.unstage(e.Name())
		}
	}
	return s, nil
}

// Stage receives r into the staging folder, which is on the same file system as the blobs.
func (s *dirStore) Stage(ctx context.Context, r io.Reader, limit int64) (*Staged, error) {
	name := rand.Text()
	f, err := s.vol.create(path.Join(stageDir, name))
	if err != nil {
		return nil, unwritable(err)
	}
	digests, err := receive(ctx, f, r, limit)
	if err != nil {
		_ = f.Close() // its bytes are given up
		s.unstage(name)
		return nil, err
	}
	return &Staged{digests: digests, place: s, name: name, file: &shared{file: f, refs: 1}}, nil
}

// unstage removes a staging name. A failure costs only space, which the next OpenDir after a day takes back.
func (s *dirStore) unstage(name string) { _ = s.vol.remove(path.Join(stageDir, name)) }

// commit syncs the bytes, then links them into place, then syncs the folders: a name is never durable before its bytes,
// so a torn blob cannot come out of a crash.
func (s *dirStore) commit(ctx context.Context, items []*Staged) error {
	var bytes errgroup.Group
	bytes.SetLimit(syncWidth)
	for _, item := range items {
		bytes.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := item.file.file.Sync(); err != nil {
				return unwritable(err)
			}
			return s.linkIn(item)
		})
	}
	if err := bytes.Wait(); err != nil {
		return err
	}
	return s.syncNames(items)
}

// syncNames makes the names of linked items durable: it syncs the folder of each, also where the blob was there before,
// since whoever linked it may not have synced it yet, and the folders that hold new folders. All are synced at the same
// time, which lets the file system write them together.
func (s *dirStore) syncNames(items []*Staged) error {
	made := map[string]bool{}   // folders whose own names may not be durable
	toSync := map[string]bool{} // folders whose entries must become durable
	for _, item := range items {
		dir := path.Dir(key(item.digests.SHA256))
		toSync[dir] = true
		for ; !s.isDurable(dir); dir = path.Dir(dir) {
			made[dir] = true
			toSync[path.Dir(dir)] = true
		}
	}
	var dirs errgroup.Group
	dirs.SetLimit(syncWidth)
	for dir := range toSync {
		dirs.Go(func() error { return s.vol.syncDir(dir) })
	}
	if err := dirs.Wait(); err != nil {
		return unwritable(err)
	}
	for dir := range made {
		s.durable.Store(dir, struct{}{})
	}
	return nil
}

func (s *dirStore) isDurable(dir string) bool {
	_, ok := s.durable.Load(dir)
	return ok
}

// linkIn gives a synced staging file its name as a blob.
func (s *dirStore) linkIn(item *Staged) error {
	name := key(item.digests.SHA256)
	if err := s.ensureDir(path.Dir(name)); err != nil {
		return unwritable(err)
	}
	for {
		err := s.vol.link(path.Join(stageDir, item.name), name)
		if err == nil {
			return nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return unwritable(err)
		}
		info, err := s.vol.stat(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // deleted since: link again
		}
		if err != nil {
			return unwritable(err)
		}
		if !info.Mode().IsRegular() || info.Size() != item.digests.Size {
			return wrongSize(item.digests.SHA256, info.Size(), item.digests.Size)
		}
		return nil
	}
}

// ensureDir makes a folder below the blob folder and those above it; syncNames makes them durable.
func (s *dirStore) ensureDir(dir string) error {
	if s.isDurable(dir) {
		return nil
	}
	if err := s.ensureDir(path.Dir(dir)); err != nil {
		return err
	}
	if err := s.vol.mkdir(dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// Open opens the file of a blob.
func (s *dirStore) Open(ctx context.Context, d digest.SHA256) (*Reader, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := s.vol.open(key(d))
	if err != nil {
		return nil, unreadable(d, err)
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close() // the error of Stat says it all
		return nil, unreadable(d, err)
	}
	return &Reader{ReadSeekerAt: f, size: info.Size()}, nil
}

// Stat returns the size of a blob's file.
func (s *dirStore) Stat(ctx context.Context, d digest.SHA256) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	info, err := s.vol.stat(key(d))
	if err != nil {
		return 0, unreadable(d, err)
	}
	return info.Size(), nil
}

// Delete removes a blob's file; what has it open may read on.
func (s *dirStore) Delete(ctx context.Context, d digest.SHA256) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	name := key(d)
	err := s.vol.remove(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		// What was taken down must not come back with a power failure.
		err = s.vol.syncDir(path.Dir(name))
	}
	if err != nil {
		return errs.New(errs.Internal, "Blob %s could not be deleted.", d).Because(err)
	}
	return nil
}

// List walks the three levels of directories in order. A blob deleted meanwhile is left out.
func (s *dirStore) List(ctx context.Context, after digest.SHA256, fn func(digest.SHA256, int64) error) error {
	err := s.walk(ctx, blobDir, "", after, fn)
	if errors.Is(err, errWalk) {
		return errs.New(errs.Internal, "The blob folder cannot be listed.").Because(err)
	}
	return err
}

// errWalk tells a failure of the volume from one of the callback.
var errWalk = errors.New("walking the blob folder")

// walk lists a directory whose blobs all start with the hex digits of prefix.
func (s *dirStore) walk(ctx context.Context, dir, prefix string, after digest.SHA256, fn func(digest.SHA256, int64) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	entries, err := s.vol.readDir(dir)
	if err != nil {
		return fmt.Errorf("%w: %w", errWalk, err)
	}
	from := after.String()
	for _, e := range entries {
		if e.IsDir() {
			sub := prefix + e.Name()
			if len(e.Name()) != 2 || len(prefix) > 2 || !isHex(e.Name()) || sub < from[:len(sub)] {
				continue
			}
			if err := s.walk(ctx, path.Join(dir, e.Name()), sub, after, fn); err != nil {
				return err
			}
			continue
		}
		d, ok := digest.Parse(e.Name())
		if !ok || d.String() <= from && !after.IsZero() || path.Join(dir, e.Name()) != key(d) {
			continue // no blob of ours, or listed before
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("%w: %w", errWalk, err)
		}
		if err := fn(d, info.Size()); err != nil {
			return err
		}
	}
	return nil
}

func isHex(s string) bool {
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// SignedURL is false: a folder has no server of its own.
func (s *dirStore) SignedURL(context.Context, digest.SHA256, time.Duration, string, string) (string, bool, error) {
	return "", false, nil
}

// Close closes the folder.
func (s *dirStore) Close() error { return s.vol.close() }

func unreadable(d digest.SHA256, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return absent(d, err)
	}
	return errs.New(errs.Internal, "Blob %s cannot be read.", d).Because(err)
}
