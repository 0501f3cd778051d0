package blob

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bonded/internal/digest"
	"bonded/internal/errs"
)

// disk is a file system in memory that tells what is written from what is synced. After a crash a real one may have
// kept any part of what was not synced; survivor decides which.
type disk struct {
	mu    sync.Mutex
	root  *node
	left  int  // operations until the power fails; negative means never
	crash bool // the power has failed: nothing works any more
	liar  bool // syncDir does nothing, to prove that the test would notice
}

// node is a file or a directory. Everything is guarded by the disk.
type node struct {
	data, synced   []byte // of a file
	entries, named map[string]*node
	made           time.Time
}

var errPower = errors.New("the power has failed")

func newDir() *node { return &node{entries: map[string]*node{}, named: map[string]*node{}} }

func newDisk() *disk { return &disk{root: newDir(), left: -1} }

// begin counts an operation; it must be called with the lock held.
func (d *disk) begin() error {
	if d.left == 0 {
		d.crash = true
	}
	if d.crash {
		return errPower
	}
	if d.left > 0 {
		d.left--
	}
	return nil
}

func (d *disk) find(name string) (*node, error) {
	n := d.root
	if name == "." {
		return n, nil
	}
	for part := range strings.SplitSeq(name, "/") {
		next, ok := n.entries[part]
		if !ok {
			return nil, &fs.PathError{Op: "find", Path: name, Err: fs.ErrNotExist}
		}
		n = next
	}
	return n, nil
}

// add gives a node a name in a directory.
func (d *disk) add(name string, n *node) error {
	dir, err := d.find(path.Dir(name))
	if err != nil {
		return err
	}
	if _, taken := dir.entries[path.Base(name)]; taken {
		return &fs.PathError{Op: "add", Path: name, Err: fs.ErrExist}
	}
	dir.entries[path.Base(name)] = n
	return nil
}

func (d *disk) create(name string) (file, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.begin(); err != nil {
		return nil, err
	}
	n := &node{made: time.Now()}
	if err := d.add(name, n); err != nil {
		return nil, err
	}
	return &openFile{disk: d, node: n}, nil
}

func (d *disk) open(name string) (file, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.begin(); err != nil {
		return nil, err
	}
	n, err := d.find(name)
	if err != nil {
		return nil, err
	}
	return &openFile{disk: d, node: n}, nil
}

func (d *disk) link(oldName, newName string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.begin(); err != nil {
		return err
	}
	n, err := d.find(oldName)
	if err != nil {
		return err
	}
	return d.add(newName, n)
}

func (d *disk) remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.begin(); err != nil {
		return err
	}
	if _, err := d.find(name); err != nil {
		return err
	}
	dir, err := d.find(path.Dir(name))
	if err != nil {
		return err
	}
	delete(dir.entries, path.Base(name))
	return nil
}

func (d *disk) mkdir(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.begin(); err != nil {
		return err
	}
	return d.add(name, newDir())
}

func (d *disk) syncDir(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.begin(); err != nil {
		return err
	}
	n, err := d.find(name)
	if err != nil {
		return err
	}
	if !d.liar {
		n.named = map[string]*node{}
		maps.Copy(n.named, n.entries)
	}
	return nil
}

func (d *disk) stat(name string) (fs.FileInfo, error) {
	f, err := d.open(name)
	if err != nil {
		return nil, err
	}
	return f.Stat()
}

func (d *disk) readDir(name string) ([]fs.DirEntry, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.begin(); err != nil {
		return nil, err
	}
	n, err := d.find(name)
	if err != nil {
		return nil, err
	}
	var list []fs.DirEntry
	for base, child := range n.entries {
		list = append(list, fs.FileInfoToDirEntry(fact{base, child, int64(len(child.data))}))
	}
	slices.SortFunc(list, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return list, nil
}

func (d *disk) close() error { return nil }

// survivor says what of the unsynced a crash keeps.
type survivor struct {
	name           string
	entries, bytes bool
}

var survivors = []survivor{
	{name: "nothing that was not synced survives"},
	{name: "names survive and bytes do not", entries: true},
	{name: "bytes survive and names do not", bytes: true},
	{name: "everything survives, as in a killed process", entries: true, bytes: true},
}

// reboot returns the disk as it is found after a crash.
func (d *disk) reboot(keep survivor) *disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	seen := map[*node]*node{} // a file with two names stays one file
	var survive func(*node) *node
	survive = func(n *node) *node {
		if done, ok := seen[n]; ok {
			return done
		}
		if n.entries == nil {
			data := n.synced
			if keep.bytes {
				data = n.data
			}
			seen[n] = &node{data: slices.Clone(data), synced: slices.Clone(data), made: n.made}
			return seen[n]
		}
		from := n.named
		if keep.entries {
			from = n.entries
		}
		dir := newDir()
		for base, child := range from {
			dir.entries[base] = survive(child)
			dir.named[base] = dir.entries[base]
		}
		seen[n] = dir
		return dir
	}
	return &disk{root: survive(d.root), left: -1}
}

// openFile is an open file of a disk.
type openFile struct {
	disk   *disk
	node   *node
	offset int64
}

func (f *openFile) Write(p []byte) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if err := f.disk.begin(); err != nil {
		return 0, err
	}
	f.node.data = append(f.node.data, p...)
	return len(p), nil
}

func (f *openFile) Sync() error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if err := f.disk.begin(); err != nil {
		return err
	}
	f.node.synced = slices.Clone(f.node.data)
	return nil
}

func (f *openFile) ReadAt(p []byte, off int64) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	return bytes.NewReader(f.node.data).ReadAt(p, off)
}

func (f *openFile) Read(p []byte) (int, error) {
	n, err := f.ReadAt(p, f.offset)
	f.offset += int64(n)
	if n > 0 {
		err = nil
	}
	return n, err
}

func (f *openFile) Seek(offset int64, whence int) (int64, error) {
	if whence != io.SeekStart {
		return 0, fs.ErrInvalid
	}
	f.offset = offset
	return offset, nil
}

func (f *openFile) Close() error { return nil }

func (f *openFile) Stat() (fs.FileInfo, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	return fact{"", f.node, int64(len(f.node.data))}, nil
}

// fact is what a disk knows of a node.
type fact struct {
	name string
	node *node
	size int64
}

func (i fact) Name() string       { return i.name }
func (i fact) Size() int64        { return i.size }
func (i fact) ModTime() time.Time { return i.node.made }
func (i fact) IsDir() bool        { return i.node.entries != nil }
func (i fact) Sys() any           { return nil }
func (i fact) Mode() fs.FileMode {
	if i.IsDir() {
		return fs.ModeDir
	}
	return 0
}

// publish does what a busy node does, until the power fails, and returns the blobs that were acknowledged.
func publish(vol volume, contents [][]byte) (acknowledged []digest.SHA256) {
	s, err := openVolume(vol, time.Now().Add(-staleAfter))
	if err != nil {
		return nil
	}
	ctx := context.Background()
	// Two writers of the same bytes, of which the second may find the name that the first has not synced yet.
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for _, content := range contents[:3] {
				if set, err := Put(ctx, s, content); err == nil {
					mu.Lock()
					acknowledged = append(acknowledged, set.SHA256)
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	var staged []*Staged
	for _, content := range contents[3:] {
		item, err := s.Stage(ctx, bytes.NewReader(content), int64(len(content)))
		if err != nil {
			return acknowledged
		}
		defer item.Discard()
		staged = append(staged, item)
	}
	if CommitAll(ctx, staged) == nil {
		for _, item := range staged {
			acknowledged = append(acknowledged, item.digests.SHA256)
		}
	}
	return acknowledged
}

func contents() (list [][]byte) {
	for i := range 7 {
		list = append(list, bytes.Repeat([]byte{byte(i)}, 100_000*(i%2)+10))
	}
	return list
}

// lost returns the blobs that were acknowledged and are not intact, and those visible and not intact.
func lost(t *testing.T, d *disk, acknowledged []digest.SHA256) (missing, torn []digest.SHA256) {
	t.Helper()
	s, err := openVolume(d, time.Now().Add(-staleAfter))
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range acknowledged {
		if Verify(t.Context(), s, a) != nil {
			missing = append(missing, a)
		}
	}
	err = s.List(t.Context(), digest.SHA256{}, func(d digest.SHA256, _ int64) error {
		if Verify(t.Context(), s, d) != nil {
			torn = append(torn, d)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return missing, torn
}

// TestAcknowledgedBlobsSurviveACrash fails the power at every single file operation, and looks at every kind of wreck.
func TestAcknowledgedBlobsSurviveACrash(t *testing.T) {
	content := contents()
	for at := 0; ; at++ {
		d := newDisk()
		d.left = at
		acknowledged := publish(d, content)
		for _, keep := range survivors {
			after := d.reboot(keep)
			missing, torn := lost(t, after, acknowledged)
			if len(missing) > 0 || len(torn) > 0 {
				t.Errorf("power lost at operation %d, %s: %d of %d acknowledged blobs are lost, %d visible ones torn",
					at, keep.name, len(missing), len(acknowledged), len(torn))
			}
			// The node goes on where it was, on the wreck.
			if got, want := len(publish(after, content)), 2*3+len(content[3:]); got != want {
				t.Errorf("after a crash at operation %d, %s: %d of %d are stored", at, keep.name, got, want)
			}
		}
		if !d.crash {
			if at < 50 {
				t.Fatalf("the work took only %d operations, so not every one was interrupted", at)
			}
			return
		}
	}
}

// TestCrashOfALyingDiskIsNoticed proves that the test above can fail.
func TestCrashOfALyingDiskIsNoticed(t *testing.T) {
	d := newDisk()
	d.liar = true
	acknowledged := publish(d, contents())
	after := d.reboot(survivors[0])
	if missing, _ := lost(t, after, acknowledged); len(missing) == 0 {
		t.Error("a disk that syncs no directory loses nothing")
	}
}

// TestNameFoundUnsyncedIsSyncedBeforeItIsAcknowledged holds the first writer between its link and its sync of the
// directory, while the second acknowledges the same bytes.
func TestNameFoundUnsyncedIsSyncedBeforeItIsAcknowledged(t *testing.T) {
	content := []byte("twice at once")
	name := key(digest.Of(content))
	linked, goOn := make(chan struct{}), make(chan struct{})
	slow := &heldVolume{disk: newDisk(), dir: path.Dir(name), linked: linked, goOn: goOn}
	s, err := openVolume(slow, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	first := make(chan error, 1)
	go func() {
		_, err := Put(t.Context(), s, content)
		first <- err
	}()
	select {
	case <-linked:
	case err := <-first:
		t.Fatalf("the first writer acknowledged its bytes without a sync of their directory: %v", err)
	}
	set, err := Put(t.Context(), s, content)
	if err != nil {
		t.Fatal(err)
	}
	wreck := slow.disk.reboot(survivors[0])
	close(goOn)
	if err := <-first; err != nil {
		t.Error(err)
	}
	if missing, _ := lost(t, wreck, []digest.SHA256{set.SHA256}); len(missing) > 0 {
		t.Error("the second writer acknowledged a name that only the first would have synced")
	}
}

// heldVolume holds the first sync of one directory.
type heldVolume struct {
	*disk
	dir          string
	once         sync.Once
	linked, goOn chan struct{}
}

func (v *heldVolume) syncDir(name string) error {
	if name == v.dir {
		first := false
		v.once.Do(func() { first = true })
		if first {
			close(v.linked)
			<-v.goOn
		}
	}
	return v.disk.syncDir(name)
}

func TestDeletedBlobStaysDeletedAfterACrash(t *testing.T) {
	d := newDisk()
	s, err := openVolume(d, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	set, err := Put(t.Context(), s, []byte("taken down"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), set.SHA256); err != nil {
		t.Fatal(err)
	}
	for _, keep := range survivors {
		after, err := openVolume(d.reboot(keep), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := after.Stat(t.Context(), set.SHA256); !errs.Is(err, errs.NotFound) {
			t.Errorf("%s: Stat after Delete: %v, want not-found", keep.name, err)
		}
	}
}

func TestFailedWriteLeavesNothing(t *testing.T) {
	d := newDisk()
	s, err := openVolume(d, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	s.vol = fullVolume{d}
	_, err = s.Stage(t.Context(), strings.NewReader("too much"), 100)
	if !errs.Is(err, errs.Unavailable) {
		t.Errorf("Stage on a full disk: %v, want unavailable", err)
	}
	left, err := d.readDir(stageDir)
	if err != nil || len(left) > 0 {
		t.Errorf("staging holds %v, %v, want nothing", left, err)
	}
}
