package pypi

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/csv"
	"errors"
	"hash"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"bonded/internal/archive"
	"bonded/internal/errs"
	"bonded/internal/registry"
)

// What is read of the files of a wheel's .dist-info, in bytes.
const (
	maxMetadata    = 8 << 20
	maxRecord      = 32 << 20
	maxEntryPoints = 1 << 20
)

// inventory is what one walk over a wheel learned.
type inventory struct {
	files map[string]content
	kept  map[string][]byte // METADATA, WHEEL, RECORD, entry_points.txt of any .dist-info
	pth   []string          // *.pth at the root: Python runs their import lines at every start
}

// content is the size and digest of one file.
type content struct {
	size   int64
	sha256 [sha256.Size]byte
}

// wheelInfo names the files of .dist-info that are read, with the most that is read of each.
var wheelInfo = map[string]int64{"METADATA": maxMetadata, "WHEEL": 1 << 20, "RECORD": maxRecord, "entry_points.txt": maxEntryPoints}

// takeInventory walks the wheel once, hashing every file.
func takeInventory(a registry.Artifact) (*inventory, *archive.Listing, error) {
	inv := &inventory{files: map[string]content{}, kept: map[string][]byte{}}
	list, err := archive.Walk(a.Body, a.Digests.Size, archive.Zip, archive.Wheel(), archive.DefaultLimits(), func(e archive.Entry, r io.Reader) error {
		h := sha256.New()
		dir, base, _ := strings.Cut(e.Name, "/")
		if limit, ok := wheelInfo[base]; ok && strings.HasSuffix(dir, ".dist-info") {
			if e.Size > limit {
				return badWheelFile(e.Name, "it holds %d bytes, more than the %d that are read of such a file", e.Size, limit)
			}
			b, err := io.ReadAll(io.TeeReader(r, h))
			if err != nil {
				return err
			}
			inv.kept[e.Name] = b
		} else if _, err := io.Copy(h, r); err != nil {
			return err
		}
		inv.files[e.Name] = content{e.Size, [sha256.Size]byte(h.Sum(nil))}
		if strings.HasSuffix(e.Name, ".pth") && !strings.Contains(e.Name, "/") {
			inv.pth = append(inv.pth, e.Name)
		}
		return nil
	})
	if err == nil {
		err = list.Refuse(a.Strict)
	}
	return inv, list, err
}

// inspectWheel reads a wheel (pypi.md §0.2, §2.3 items 15 to 18).
func inspectWheel(a registry.Artifact, filename string) (*registry.Manifest, error) {
	w, err := ParseWheelFilename(filename)
	if err != nil {
		return nil, err
	}
	if a.Strict {
		if err := w.CheckUpload(); err != nil {
			return nil, err
		}
	}
	inv, list, err := takeInventory(a)
	if err != nil {
		return nil, err
	}
	dir, err := inv.distInfo(w)
	if err != nil {
		return nil, err
	}
	raw, ok := inv.kept[dir+"METADATA"]
	if !ok {
		return nil, badWheelFile(dir+"METADATA", "it is missing")
	}
	meta, err := ParseMetadata(raw)
	if err != nil {
		return nil, err
	}
	if err := sameProject(filename, w.Name, w.Version, meta); err != nil {
		return nil, err
	}
	m := manifestOf(meta, raw)
	m.InstallCode = inv.pth
	for _, anomaly := range list.Anomalies {
		m.Notes = append(m.Notes, anomaly.Err().What)
	}
	if !a.Strict {
		return m, nil
	}
	return m, inv.check(a, dir, meta)
}

// distInfo finds the one .dist-info directory, which must be the wheel's own.
func (inv *inventory) distInfo(w Wheel) (string, error) {
	var dirs []string
	for name := range inv.files {
		dir, _, deep := strings.Cut(name, "/")
		if deep && strings.HasSuffix(dir, ".dist-info") && !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	slices.Sort(dirs)
	if len(dirs) != 1 {
		return "", errs.New(errs.Invalid, "The wheel has %d .dist-info directories instead of one.", len(dirs)).WithRule("pypi/wheel-dist-info").
			WithNext("Build the wheel again with a current build backend.")
	}
	name, version, _ := strings.Cut(strings.TrimSuffix(dirs[0], ".dist-info"), "-")
	if norm, ok := NormalizeName(name); !ok || norm != w.Name || CompareVersions(version, w.Version) != 0 {
		return "", errs.New(errs.Invalid, "The wheel's .dist-info directory is %s, which is not that of %s %s.", quoted(dirs[0]), w.Name, w.Version).
			WithRule("pypi/wheel-dist-info").WithNext("Upload the wheel under the name that the build backend gave it.")
	}
	return dirs[0] + "/", nil
}

// check holds an uploaded wheel to what its own files promise.
func (inv *inventory) check(a registry.Artifact, dir string, meta *Metadata) error {
	if err := checkWheelFile(inv.kept[dir+"WHEEL"], dir); err != nil {
		return err
	}
	if entries, ok := inv.kept[dir+"entry_points.txt"]; ok {
		if err := checkEntryPoints(entries); err != nil {
			return err
		}
	}
	if atLeast(meta.MetadataVersion, "2.4") {
		for _, file := range meta.LicenseFiles {
			if _, ok := inv.files[dir+"licenses/"+file]; !ok {
				return missingLicense(file, "the wheel's "+dir+"licenses/")
			}
		}
	}
	return inv.checkRecord(a, dir)
}

// checkWheelFile reads WHEEL, of which installers ask the version.
func checkWheelFile(raw []byte, dir string) error {
	for line := range strings.Lines(string(raw)) {
		name, value, _ := strings.Cut(line, ":")
		if !strings.EqualFold(strings.TrimSpace(name), "Wheel-Version") {
			continue
		}
		if major, _, _ := strings.Cut(strings.TrimSpace(value), "."); major == "1" {
			return nil
		}
		return badWheelFile(dir+"WHEEL", "its Wheel-Version is %s, and installers know 1.x", quoted(strings.TrimSpace(value)))
	}
	return badWheelFile(dir+"WHEEL", "it is missing or names no Wheel-Version")
}

// checkRecord compares RECORD with the wheel's contents, byte for byte: every file is listed with its digest, and nothing
// else is. The public index only writes an e-mail (pypi.md §2.3 item 18); here a wheel whose parts were exchanged after it
// was built is refused.
func (inv *inventory) checkRecord(a registry.Artifact, dir string) error {
	record := dir + "RECORD"
	raw, ok := inv.kept[record]
	if !ok {
		return badWheelFile(record, "it is missing")
	}
	rows, err := parseRecord(raw)
	if err != nil {
		return badWheelFile(record, "%s", err.Error())
	}
	exempt := map[string]bool{record: true, record + ".jws": true, record + ".p7s": true}
	var others map[string]recordRow
	for path, row := range rows {
		have, ok := inv.files[path]
		switch {
		case !ok:
			return badWheelFile(record, "it lists %s, which the wheel does not hold", quoted(path))
		case row.size >= 0 && row.size != have.size:
			return badWheelFile(record, "it says that %s has %d bytes, and it has %d", quoted(path), row.size, have.size)
		case row.algorithm == "" && exempt[path]:
		case row.algorithm == "":
			return badWheelFile(record, "it lists %s without a digest", quoted(path))
		case row.algorithm != "sha256":
			if others == nil {
				others = map[string]recordRow{}
			}
			others[path] = row
		case !bytes.Equal(row.digest, have.sha256[:]):
			return wrongDigest(record, path)
		}
	}
	for path := range inv.files {
		if _, listed := rows[path]; !listed && !exempt[path] {
			return badWheelFile(record, "it does not list %s, which the wheel holds", quoted(path))
		}
	}
	return checkOtherDigests(a, record, others)
}

func wrongDigest(record, path string) error {
	return badWheelFile(record, "the bytes of %s are not those whose digest it lists", quoted(path))
}

// checkOtherDigests walks the wheel once more for the rare RECORD that uses SHA-384 or SHA-512.
func checkOtherDigests(a registry.Artifact, record string, rows map[string]recordRow) error {
	if len(rows) == 0 {
		return nil
	}
	_, err := archive.Walk(a.Body, a.Digests.Size, archive.Zip, archive.Wheel(), archive.DefaultLimits(), func(e archive.Entry, r io.Reader) error {
		row, ok := rows[e.Name]
		if !ok {
			return nil
		}
		h := recordHash(row.algorithm)
		if _, err := io.Copy(h, r); err != nil {
			return err
		}
		if !bytes.Equal(h.Sum(nil), row.digest) {
			return wrongDigest(record, e.Name)
		}
		return nil
	})
	return err
}

// recordRow is one line of RECORD.
type recordRow struct {
	algorithm string // empty for none
	digest    []byte
	size      int64 // -1 for none
}

// recordHash returns the hash of an algorithm that RECORD may use, SHA-256 or better; nil for any other.
func recordHash(algorithm string) hash.Hash {
	switch algorithm {
	case "sha256":
		return sha256.New()
	case "sha384":
		return sha512.New384()
	case "sha512":
		return sha512.New()
	}
	return nil
}

// parseRecord reads RECORD: path, algorithm=digest in URL-safe base64 without padding, size.
func parseRecord(raw []byte) (map[string]recordRow, error) {
	if !utf8.Valid(raw) {
		return nil, errors.New("it is not UTF-8")
	}
	r := csv.NewReader(bytes.NewReader(raw))
	r.FieldsPerRecord = 3
	rows := map[string]recordRow{}
	for {
		fields, err := r.Read()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return nil, errors.New("it is not the list of three columns that it should be")
		}
		path, row := fields[0], recordRow{size: -1}
		if _, twice := rows[path]; twice {
			return nil, errors.New("it lists " + quoted(path) + " twice")
		}
		if fields[1] != "" {
			algorithm, sum, _ := strings.Cut(fields[1], "=")
			h := recordHash(algorithm)
			if h == nil {
				return nil, errors.New("its digest of " + quoted(path) + " is neither SHA-256 nor better")
			}
			row.algorithm = algorithm
			if row.digest, err = base64.RawURLEncoding.DecodeString(strings.TrimRight(sum, "=")); err != nil || len(row.digest) != h.Size() {
				return nil, errors.New("its digest of " + quoted(path) + " is malformed")
			}
		}
		if fields[2] != "" {
			if row.size, err = strconv.ParseInt(fields[2], 10, 64); err != nil || row.size < 0 {
				return nil, errors.New("its size of " + quoted(path) + " is no number")
			}
		}
		rows[path] = row
	}
}

// entryPoint is one line of entry_points.txt.
type entryPoint struct{ group, name string }

// script reports one for which installers write a script of that name.
func (e entryPoint) script() bool { return e.group == "console_scripts" || e.group == "gui_scripts" }

// checkEntryPoints refuses an entry_points.txt that cannot be read, or whose scripts would leave the folder into which
// installers write them.
func checkEntryPoints(raw []byte) error {
	points, why := parseEntryPoints(raw)
	for _, p := range points {
		if p.script() && !safeScript(p.name) {
			why = "the script name " + quoted(p.name) + " is not a plain file name"
			break
		}
	}
	if why == "" {
		return nil
	}
	return errs.New(errs.Invalid, "The wheel's entry_points.txt is refused: %s.", why).WithRule("pypi/wheel-entry-points").
		WithNext("Correct the entry points in the project's configuration and build the wheel again.")
}

// parseEntryPoints reads entry_points.txt as configparser does. It returns why it failed, as a clause.
func parseEntryPoints(raw []byte) (points []entryPoint, why string) {
	if !utf8.Valid(raw) {
		return nil, "it is not UTF-8"
	}
	group := ""
	seen := map[entryPoint]bool{}
	for line := range strings.Lines(strings.TrimPrefix(string(raw), "\ufeff")) {
		text := strings.TrimSpace(line)
		if text == "" || text[0] == '#' || text[0] == ';' {
			continue
		}
		indented := line[0] == ' ' || line[0] == '\t'
		if !indented && text[0] == '[' && text[len(text)-1] == ']' {
			group = strings.TrimSpace(text[1 : len(text)-1])
			continue
		}
		if indented && len(points) > 0 {
			continue // the last value goes on
		}
		name, value, ok := strings.Cut(text, "=")
		p := entryPoint{group, strings.TrimSpace(name)}
		if !ok || group == "" || p.name == "" || strings.TrimSpace(value) == "" {
			return nil, "the line " + quoted(text) + " is no entry point"
		}
		if seen[p] {
			return nil, "it names " + quoted(p.name) + " twice"
		}
		seen[p] = true
		points = append(points, p)
	}
	return points, ""
}

// safeScript reports a name under which a script can be written into one folder and nowhere else.
func safeScript(name string) bool {
	for _, c := range name {
		if c < ' ' || c == 0x7f || strings.ContainsRune(`/\:*?"<>|`, c) {
			return false
		}
	}
	return name != "." && name != ".." && len(name) <= 200
}

// atLeast compares metadata versions.
func atLeast(version, than string) bool {
	return slices.Index(metadataVersions, version) >= slices.Index(metadataVersions, than)
}

func missingLicense(file, where string) error {
	return errs.New(errs.Invalid, "The license file %s does not exist in %s, though the metadata names it.", quoted(file), where).
		WithRule("pypi/license-file").WithNext("Build the package again with a current build backend.")
}

func badWheelFile(path, why string, args ...any) *errs.Error {
	return errs.New(errs.Invalid, "The wheel's "+strings.ReplaceAll(path, "%", "%%")+" is refused: "+why+".", args...).WithRule("pypi/wheel-" + ruleOf(path)).
		WithNext("Build the wheel again, and change nothing in it afterwards.")
}

// ruleOf names the rule after the file.
func ruleOf(path string) string {
	base := path[strings.LastIndexByte(path, '/')+1:]
	if _, known := wheelInfo[base]; known {
		return strings.ToLower(strings.TrimSuffix(strings.ReplaceAll(base, "_", "-"), ".txt"))
	}
	return "file"
}
