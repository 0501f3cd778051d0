package archive

import (
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"bonded/internal/errs"
)

// maxAnomalies bounds a listing's findings: the first of them tell the story, and a hostile archive has no end of them.
const maxAnomalies = 100

// maxComponent is the longest file name that the common file systems store.
const maxComponent = 255

// walker is one reading of one archive: the limits it spends, the tree seen so far and the listing it makes.
type walker struct {
	size    int64 // of the packed archive
	profile Profile
	limits  Limits
	fn      func(Entry, io.Reader) error
	list    *Listing

	unpacked int64             // bytes that came out of decompression, framing included
	entries  int               // entries of every type
	files    map[string]int    // path of each entry that is no directory → its place in list.Entries
	dirs     map[string]bool   // every directory, named by an entry or implied by a path
	folded   map[string]string // case-folded path → the spelling seen first; nil unless the profile asks
	top      string            // the first top component seen
	topWrong bool              // the top directory has been reported
	refused  bool              // an anomaly that every reader must refuse is recorded
}

func newWalker(size int64, p Profile, l Limits, fn func(Entry, io.Reader) error) *walker {
	w := &walker{
		size: size, profile: p, limits: l, fn: fn, list: &Listing{},
		files: make(map[string]int), dirs: make(map[string]bool),
	}
	if p.CaseCollisions {
		w.folded = make(map[string]string)
	}
	return w
}

// note records an anomaly and lets the reading go on.
func (w *walker) note(rule, entry, detail string, args ...any) {
	a := Anomaly{Rule: rule, Entry: entry, Detail: fmt.Sprintf(detail, args...), Severity: rules[rule].severity}
	must := a.Severity != Finding
	if len(w.list.Anomalies) >= maxAnomalies && (!must || w.refused) {
		return
	}
	w.refused = w.refused || must
	w.list.Anomalies = append(w.list.Anomalies, a)
}

// stop records an anomaly after which the archive cannot be read on, and returns its refusal.
func (w *walker) stop(rule, entry, detail string, args ...any) *errs.Error {
	a := Anomaly{Rule: rule, Entry: entry, Detail: fmt.Sprintf(detail, args...), Severity: rules[rule].severity}
	w.list.Anomalies = append(w.list.Anomalies, a)
	return a.Err()
}

// spend counts bytes that came out of decompression against the limits.
func (w *walker) spend(n int64, entry string) error {
	w.unpacked += n
	if w.unpacked > w.limits.Unpacked {
		return w.stop(ruleLimitUnpacked, entry, "the archive unpacks to more than %d bytes", w.limits.Unpacked)
	}
	if w.unpacked > w.limits.RatioFloor && w.unpacked/int64(w.limits.Ratio) >= max(w.size, 1) {
		return w.stop(ruleLimitRatio, entry, "the archive unpacks to more than %d times its %d bytes", w.limits.Ratio, w.size)
	}
	return nil
}

// admit checks an entry's raw name, cleans it and enters it into the tree. It reports false for a name that leaves the
// archive, which is neither listed nor read.
func (w *walker) admit(raw string, e *Entry) (bool, error) {
	w.entries++
	if w.entries > w.limits.Entries {
		return false, w.stop(ruleLimitEntries, raw, "the archive has more than %d entries", w.limits.Entries)
	}
	ok, err := w.clean(raw, e)
	if !ok || err != nil {
		return false, err
	}
	w.checkTop(raw, *e)
	w.enter(raw, *e)
	if len(w.dirs) > w.limits.Entries {
		return false, w.stop(ruleLimitEntries, raw, "the archive has more than %d directories", w.limits.Entries)
	}
	w.list.Entries = append(w.list.Entries, *e)
	return true, nil
}

// clean sets e.Name from the raw name and notes what is wrong with that.
func (w *walker) clean(raw string, e *Entry) (bool, error) {
	if raw == "" {
		w.note(ruleNameEmpty, raw, "an entry has no name")
		return false, nil
	}
	if len(raw) > w.limits.NameLength {
		return false, w.stop(ruleLimitName, raw, "its name has %d bytes, more than %d", len(raw), w.limits.NameLength)
	}
	if !w.checkText(raw, raw, "its name") {
		return false, nil
	}
	if rooted(raw) {
		w.note(ruleAbsolute, raw, "its path is absolute")
		return false, nil
	}
	if climbs(raw) {
		w.note(ruleTraversal, raw, "its path has a .. component and could leave the archive")
		return false, nil
	}
	if strings.Contains(raw, `\`) {
		w.note(ruleNameBackslash, raw, "its name has a backslash, which separates directories for some readers")
	}
	name := strings.TrimSuffix(raw, "/")
	e.Name = path.Clean(name)
	if e.Name != name {
		w.note(ruleNameDots, raw, "its path has empty or . components")
	}
	if e.Name == "." {
		return false, nil
	}
	if n := strings.Count(e.Name, "/") + 1; n > w.limits.Depth {
		return false, w.stop(ruleLimitDepth, raw, "its path is %d components deep, more than %d", n, w.limits.Depth)
	}
	for part := range strings.SplitSeq(e.Name, "/") {
		if len(part) > maxComponent {
			return false, w.stop(ruleLimitName, raw, "a component of its path has %d bytes, more than %d", len(part), maxComponent)
		}
	}
	return true, nil
}

// checkText notes what is wrong with the characters of a name or a link's target, and reports whether it can be used.
func (w *walker) checkText(entry, s, what string) bool {
	if !utf8.ValidString(s) {
		w.note(ruleNameEncoding, entry, "%s is not UTF-8", what)
		return false
	}
	unprintable := false
	for _, r := range s {
		if r == 0 {
			w.note(ruleNameNUL, entry, "%s has a NUL byte, where some readers cut it", what)
			return false
		}
		unprintable = unprintable || !unicode.IsPrint(r)
	}
	if unprintable {
		w.note(ruleNameControl, entry, "%s has an unprintable character", what)
	}
	return true
}

// rooted reports whether some reader takes the path as absolute; a drive letter counts.
func rooted(p string) bool {
	if p[0] == '/' || p[0] == '\\' {
		return true
	}
	return len(p) > 1 && p[1] == ':' && (p[0]|0x20 >= 'a' && p[0]|0x20 <= 'z')
}

// climbs reports whether the path has a .. component for some reader; backslashes separate, too.
func climbs(p string) bool {
	for {
		i := strings.IndexAny(p, `/\`)
		if i < 0 {
			return p == ".."
		}
		if p[:i] == ".." {
			return true
		}
		p = p[i+1:]
	}
}

// checkTop holds the entry to the profile's top directory. Only the first stray entry is reported.
func (w *walker) checkTop(raw string, e Entry) {
	if w.topWrong || (!w.profile.SingleTop && w.profile.TopDir == "") {
		return
	}
	top, _, deep := strings.Cut(e.Name, "/")
	if w.top == "" {
		w.top = top
		if w.profile.TopDir != "" {
			w.top = w.profile.TopDir
		}
	}
	if top == w.top && (deep || e.Dir) {
		return
	}
	w.topWrong = true
	if w.profile.TopDir != "" {
		w.note(ruleTop, raw, "it lies outside %s/, where every entry of this %s belongs", w.profile.TopDir, w.profile.Name)
		return
	}
	w.note(ruleTop, raw, "every entry of a %s belongs in one top directory", w.profile.Name)
}

// enter puts the entry into the tree and notes where it collides with what is there.
func (w *walker) enter(raw string, e Entry) {
	for dir := path.Dir(e.Name); dir != "." && !w.dirs[dir]; dir = path.Dir(dir) {
		w.conflict(raw, dir)
		w.dirs[dir] = true
		w.fold(raw, dir)
	}
	if e.Dir {
		w.conflict(raw, e.Name)
		if !w.dirs[e.Name] {
			w.dirs[e.Name] = true
			w.fold(raw, e.Name)
		}
		return
	}
	if w.dirs[e.Name] {
		w.note(ruleConflict, raw, "it is also a directory")
	}
	w.fold(raw, e.Name)
}

// conflict notes a directory that is also an entry of another type. Some old archivers wrote directories as empty files
// without the ending slash, which is harmless where nobody unpacks them.
func (w *walker) conflict(raw, dir string) {
	at, taken := w.files[dir]
	if !taken {
		return
	}
	rule := ruleConflict
	if other := w.list.Entries[at]; other.Size == 0 && other.Mode.IsRegular() && other.Link == "" {
		rule = ruleConflictEmpty
	}
	w.note(rule, raw, "the directory %s is also an entry that is no directory", quote(dir))
}

// fold notes a path that differs from an earlier one only as case-insensitive or normalizing file systems cannot tell.
func (w *walker) fold(raw, p string) {
	if w.folded == nil {
		return
	}
	key := foldPath(p)
	first, taken := w.folded[key]
	if !taken {
		w.folded[key] = p
		return
	}
	if first != p {
		w.note(ruleCase, raw, "it differs from %s only in case or Unicode form, so one would overwrite the other", quote(first))
	}
}

// foldPath maps paths that a case-insensitive, normalizing file system takes for one to one string.
func foldPath(p string) string {
	if ascii(p) {
		return strings.ToLower(p)
	}
	return norm.NFC.String(strings.Map(foldRune, norm.NFD.String(p)))
}

func ascii(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// foldRune returns the smallest rune of r's folding orbit.
func foldRune(r rune) rune {
	least := r
	for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
		least = min(least, next)
	}
	return unicode.ToLower(least)
}

// checkLink notes a link that the profile forbids or whose target leaves the tree. A symbolic link's target is relative
// to its own directory, a hard link's to the root. After its leading .. components a target may not climb: behind
// another link, .. leads elsewhere than the path says.
func (w *walker) checkLink(raw string, e Entry, hard bool) {
	if len(e.Link) > w.limits.NameLength {
		w.note(ruleLimitName, raw, "its target has %d bytes, more than %d", len(e.Link), w.limits.NameLength)
		return
	}
	if e.Link == "" || rooted(e.Link) {
		w.note(ruleLinkEscape, raw, "it is a link to %s", quote(e.Link))
		return
	}
	if !w.checkText(raw, e.Link, "its target") {
		return
	}
	rest := e.Link
	for strings.HasPrefix(rest, "../") || rest == ".." {
		rest = strings.TrimPrefix(strings.TrimPrefix(rest, ".."), "/")
	}
	target := path.Clean(e.Link)
	if !hard {
		target = path.Join(path.Dir(e.Name), e.Link)
	}
	top, _, _ := strings.Cut(e.Name, "/")
	inTop, _, _ := strings.Cut(target, "/")
	wantTop := w.profile.SingleTop || w.profile.TopDir != ""
	if climbs(rest) || (hard && rest != e.Link) || climbs(target) || (wantTop && inTop != top) {
		w.note(ruleLinkEscape, raw, "it is a link to %s, outside the archive's tree", quote(e.Link))
		return
	}
	if _, there := w.files[target]; hard && !there {
		w.note(ruleLinkEscape, raw, "it is a hard link to %s, which no earlier entry holds", quote(e.Link))
		return
	}
	if !w.profile.Links {
		w.note(ruleLink, raw, "it is a link to %s, and a %s has no links", quote(e.Link), w.profile.Name)
	}
}

// quote renders a name for a person: escaped, and cut when it is long.
func quote(name string) string {
	const most = 200
	if len(name) > most {
		return strconv.Quote(name[:most]) + "…"
	}
	return strconv.Quote(name)
}
