// Package archive is the one reader of the archives that clients upload and upstreams send: .crate, .tgz and sdist
// tarballs, and wheels, jars and Composer zips.
//
// It rests on one principle: an archive is acceptable when two honest extractors cannot read it differently. So it parses
// the framing itself, verifies everything that can be verified (lengths, checksums, paddings, the agreement of every
// header that says the same thing twice), and reports each anomaly with the name of the entry and of the rule. What it
// accepts strictly, archive/zip and archive/tar of the standard library read to the same names, sizes and bytes; fuzzing
// holds it to that.
package archive

import (
	"io"
	"io/fs"
	"time"

	"bonded/internal/errs"
)

// Format is the container of an archive.
type Format uint8

// The two containers that the served ecosystems use.
const (
	Zip   Format = iota // .whl, .zip, .jar, .aar
	TarGz               // .crate, .tgz, .tar.gz
)

// String returns the format's usual file extension without the dot.
func (f Format) String() string {
	if f == TarGz {
		return "tar.gz"
	}
	return "zip"
}

// Limits bound what one archive may cost. A zero field means that nothing of the kind is allowed, so start from
// DefaultLimits.
type Limits struct {
	Entries    int   // entries of every type
	Unpacked   int64 // bytes of the whole archive, unpacked
	EntrySize  int64 // bytes of one entry, unpacked
	Ratio      int   // unpacked ÷ packed, once RatioFloor is passed
	RatioFloor int64 // unpacked bytes below which the ratio is not asked
	Depth      int   // path components of a name
	NameLength int   // bytes of a name or of a link's target
}

// DefaultLimits are wide enough for every honest package we know of. The ratio and its floor are those of the public
// Python index (pypi.md §2.3 item 15).
func DefaultLimits() Limits {
	return Limits{
		Entries:    100_000,
		Unpacked:   4 << 30,
		EntrySize:  2 << 30,
		Ratio:      50,
		RatioFloor: 64 << 20,
		Depth:      64,
		NameLength: 1024,
	}
}

// Profile is what one ecosystem's clients expect of their archives beyond safe framing.
type Profile struct {
	Name string // for messages: "crate", "npm tarball", …
	// Links allows symbolic and hard links whose target stays inside the tree.
	Links bool
	// UTF8Flag asks that a zip flags names beyond ASCII as UTF-8; Python reads another name without the flag.
	UTF8Flag bool
	// CaseCollisions reports names that one directory of a case-insensitive or normalizing file system cannot tell apart.
	CaseCollisions bool
	// SingleTop asks that every entry lies in one top directory.
	SingleTop bool
	// TopDir, when not empty, is the exact name of that directory, and implies SingleTop.
	TopDir string
}

// Crate is the profile of a .crate: everything under {name}-{version}/, no links of any kind (cargo.md §2.5).
func Crate(name, version string) Profile {
	return Profile{Name: "crate", CaseCollisions: true, TopDir: name + "-" + version}
}

// NPM is the profile of an npm tarball: one top directory of any name, no links (npm.md §3).
func NPM() Profile {
	return Profile{Name: "npm tarball", CaseCollisions: true, SingleTop: true}
}

// Sdist is the profile of a Python source distribution: one top directory, links only inside it (PEP 721, pypi.md §0.2).
// Set TopDir to ask for its exact name.
func Sdist() Profile {
	return Profile{Name: "sdist", Links: true, CaseCollisions: true, SingleTop: true}
}

// Wheel is the profile of a wheel (pypi.md §0.2).
func Wheel() Profile {
	return Profile{Name: "wheel", CaseCollisions: true, UTF8Flag: true}
}

// Jar is the profile of a .jar or .aar. Names that differ only in case are common among compiled classes, and nobody
// unpacks a jar, so they pass.
func Jar() Profile {
	return Profile{Name: "jar"}
}

// ComposerZip is the profile of a Composer dist archive (composer.md §4). composer.json may lie at the root or inside one
// top directory, so no top directory is asked for. Archives made from git hold the links that the repository holds.
func ComposerZip() Profile {
	return Profile{Name: "Composer archive", Links: true, CaseCollisions: true}
}

// Severity says who must refuse an anomaly.
type Severity uint8

// The severities, from the mildest.
const (
	Finding      Severity = iota // hosted uploads refuse it; for a proxied file it is a finding
	Disagreement                 // readers would differ, or cannot read it at all: always refused
	Limit                        // a limit is passed: always refused
)

// String returns the severity as used in findings.
func (s Severity) String() string {
	switch s {
	case Limit:
		return "limit"
	case Disagreement:
		return "disagreement"
	default:
		return "finding"
	}
}

// Anomaly is one rule that an archive breaks.
type Anomaly struct {
	Rule     string // such as "archive/path-traversal"; see rules.go
	Entry    string // the entry's raw name; empty when the archive as a whole is meant
	Detail   string // what exactly is wrong, as a clause: "its path leaves the archive"
	Severity Severity
}

// Entry is one member of an archive.
type Entry struct {
	Name    string // a clean relative slash path, without the slash that ends a directory's
	Size    int64  // unpacked
	Mode    fs.FileMode
	Dir     bool
	Link    string // the target of a symbolic or hard link, as written
	ModTime time.Time
}

// Listing is what an archive holds, and what is wrong with it.
type Listing struct {
	Entries   []Entry // in stored order; entries whose name leaves the archive are only in Anomalies
	Anomalies []Anomaly
	Unpacked  int64 // bytes of all entries together
}

// Refuse returns the refusal of the first anomaly that must be refused, or nil. Hosted uploads are read strictly: any
// anomaly counts. For a proxied file only limits and disagreement between readers do. The error is errs.TooLarge for a
// limit and errs.Invalid otherwise.
func (l *Listing) Refuse(strict bool) error {
	for _, a := range l.Anomalies {
		if strict || a.Severity != Finding {
			return a.Err()
		}
	}
	return nil
}

// Err returns the anomaly as a refusal that names the entry, the rule and what to do next.
func (a Anomaly) Err() *errs.Error {
	kind := errs.Invalid
	if a.Severity == Limit {
		kind = errs.TooLarge
	}
	e := errs.New(kind, "The archive is refused: %s.", a.Detail)
	if a.Entry != "" {
		e = errs.New(kind, "The archive's entry %s is refused: %s.", quote(a.Entry), a.Detail)
	}
	return e.WithRule(a.Rule).WithNext("%s", rules[a.Rule].next)
}

// Walk reads a whole archive of the given size in stored order and verifies it, calling fn (which may be nil) for every
// regular file whose name is safe, with a reader of exactly its bytes; fn need not read them. The names fn sees are clean
// relative paths. Links are only listed: fn sees neither them nor, under their names, what they point to.
//
// The listing is never nil and says what was found before any error. The error is the refusal of an archive that breaks a
// limit or cannot be read on (it is then also the last anomaly of the listing), the first error of fn, or one of r.
// Callers still have to ask Listing.Refuse.
func Walk(r io.ReaderAt, size int64, f Format, p Profile, l Limits, fn func(Entry, io.Reader) error) (*Listing, error) {
	w := newWalker(size, p, l, fn)
	var err error
	if f == TarGz {
		err = w.tarGz(r)
	} else {
		err = w.zip(r)
	}
	return w.list, err
}

// Collect walks an archive and keeps the bytes of the regular files that want names, by clean name. A wanted file larger
// than maxEach breaks the rule archive/limit-metadata.
func Collect(r io.ReaderAt, size int64, f Format, p Profile, l Limits, want func(name string) bool, maxEach int64) (*Listing, map[string][]byte, error) {
	w := newWalker(size, p, l, nil)
	got := make(map[string][]byte)
	w.fn = func(e Entry, body io.Reader) error {
		if !want(e.Name) {
			return nil
		}
		if e.Size > maxEach {
			return w.stop(ruleLimitMetadata, e.Name, "it holds %d bytes, more than the %d that are read of such a file", e.Size, maxEach)
		}
		b := make([]byte, e.Size)
		if _, err := io.ReadFull(body, b); err != nil {
			return err
		}
		got[e.Name] = b
		return nil
	}
	var err error
	if f == TarGz {
		err = w.tarGz(r)
	} else {
		err = w.zip(r)
	}
	return w.list, got, err
}
