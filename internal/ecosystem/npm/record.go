package npm

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"

	"bonded/internal/errs"
	"bonded/internal/registry"
)

// The stored record of a release is two lines of JSON: its version object in the full and in the abbreviated packument
// (npm.md §2). Each ends with dist, and dist with the tarball's path below the repository, so that a document is made by
// copying: up to the path, the base URL, the rest. What may change later (deprecation) or belongs to the account
// (publisher) is not in it.

// abbreviatedFields are the members of a version in the abbreviated packument (npm.md §2.2), beside dist.
var abbreviatedFields = map[string]bool{
	"name": true, "version": true, dependencies: true, optionalDependencies: true, devDependencies: true, "acceptDependencies": true,
	"bundleDependencies": true, peerDependencies: true, "peerDependenciesMeta": true, "bin": true, "directories": true, "engines": true,
	"cpu": true, "os": true, "libc": true, "funding": true, "hasInstallScript": true, "_hasShrinkwrap": true,
}

// registryFields are members that only the registry sets: a package.json that has them must not speak for it. Names that
// begin with an underscore are the registry's, too.
var registryFields = map[string]bool{
	"dist": true, "deprecated": true, "maintainers": true, "readme": true, "readmeFilename": true, "hasInstallScript": true,
	"dist-tags": true, "versions": true, "time": true, "users": true, "policyRestrictions": true, "stagedVersions": true,
	"bundledDependencies": true, "integrity": true, "shasum": true, "gitHead": true,
}

// record makes the stored form of a release from the tarball's own package.json. Of the claim it keeps only who packed it
// with what and from which commit, which nothing in the tarball can tell.
func record(manifests []*registry.Manifest, c registry.Claim, files []registry.File) (registry.Record, error) {
	claim, _ := c.(Claim)
	t, _ := manifests[0].Detail.(*tarball)
	version, err := ParseVersion(t.essentials.version)
	if err != nil {
		return registry.Record{}, err
	}
	if len(files) != 1 {
		return registry.Record{}, errs.New(errs.Invalid, "A release of an npm package is one tarball.").WithRule("npm/one-tarball")
	}
	full := t.versionObject(version.Canonical)
	t.addProvenance(&full, claim)
	dist := t.dist(files[0])
	var short object
	for _, m := range full {
		if abbreviatedFields[m.name] {
			short = append(short, m)
		}
	}
	full.set("dist", dist)
	short.set("dist", dist)
	index := append(full.appendTo(nil), '\n')
	return registry.Record{Index: short.appendTo(index)}, nil
}

// versionObject is package.json as the client publishes it: its own members, the ones that clients act on in their
// canonical shape.
func (t *tarball) versionObject(version string) object {
	out := object{{"name", marshal(t.essentials.name)}, {"version", marshal(version)}}
	_, homepage, bugs := links(t.pkg)
	for _, m := range t.pkg {
		if m.name == "name" || m.name == "version" || registryFields[m.name] || strings.HasPrefix(m.name, "_") {
			continue
		}
		if v := t.normalized(m.name, m.value); v != nil {
			out = append(out, member{m.name, v})
		}
	}
	if d := t.description(); d != "" {
		out.put("description", d)
	}
	if homepage != "" {
		out.put("homepage", homepage)
	}
	if b := bugsOf(t.pkg, bugs); b != nil {
		out.put("bugs", b)
	}
	t.addInstallFacts(&out)
	out.put("_id", t.essentials.name+"@"+version)
	return out
}

// normalized is one member of package.json in the shape the client publishes; nil to leave it out.
func (t *tarball) normalized(name string, value json.RawMessage) json.RawMessage {
	switch name {
	case dependencies, optionalDependencies, peerDependencies, devDependencies:
		return requirementsJSON(value)
	case "bin", "bundleDependencies", "description", "homepage", "bugs":
		return nil // added from what was understood of them
	case "scripts":
		return stringsJSON(value)
	case "repository":
		if r := repositoryOf(t.pkg); r != nil {
			return marshal(r)
		}
		return nil
	case "author":
		if p := person(t.pkg.any(name)); len(p) > 0 {
			return marshal(p)
		}
		return nil
	case "contributors":
		people := []map[string]string{}
		for _, p := range list(t.pkg.any(name)) {
			people = append(people, person(p))
		}
		return marshal(people)
	case "keywords":
		return marshal(append([]string{}, keywords(t.pkg.any(name))...))
	case "man":
		if s, ok := t.pkg.any(name).(string); ok {
			return marshal([]string{securePath(s)})
		}
	case "funding":
		if s, ok := t.pkg.any(name).(string); ok {
			return marshal(map[string]string{"url": s})
		}
	}
	return value
}

// addInstallFacts adds what an installation acts on.
func (t *tarball) addInstallFacts(o *object) {
	if bin := t.bins(); len(bin) > 0 {
		o.put("bin", bin)
	}
	if len(t.essentials.bundled) > 0 {
		o.put("bundleDependencies", t.essentials.bundled)
	}
	if t.buildsNative() {
		scripts, _ := parseObject(o.get("scripts"))
		scripts.put("install", nodeGyp)
		o.set("scripts", scripts.appendTo(nil))
		o.put("gypfile", true)
	}
	if len(t.essentials.scripts) > 0 || t.buildsNative() {
		o.put("hasInstallScript", true)
	}
	if t.shrinkwrap {
		o.put("_hasShrinkwrap", true)
	}
	if t.readmeFile != "" {
		o.put("readmeFilename", t.readmeFile)
	}
}

var (
	toolVersion = regexp.MustCompile(`^[0-9A-Za-z.+_-]{1,64}$`)
	gitCommit   = regexp.MustCompile(`^(?:[0-9a-f]{40}|[0-9a-f]{64})$`)
)

// addProvenance keeps what the client says about how the tarball came to be.
func (t *tarball) addProvenance(o *object, c Claim) {
	claim, err := parseObject(c.Manifest)
	if err != nil {
		return
	}
	for _, f := range []struct {
		name string
		form *regexp.Regexp
	}{{"gitHead", gitCommit}, {"_npmVersion", toolVersion}, {"_nodeVersion", toolVersion}} {
		if s := claim.text(f.name); f.form.MatchString(s) {
			o.put(f.name, s)
		}
	}
}

// dist describes the tarball; its path comes last, where the base URL is put before it.
func (t *tarball) dist(f registry.File) json.RawMessage {
	sha1, _ := f.Digests.Hex("sha1")
	return object{
		{"integrity", marshal(f.Digests.Integrity())},
		{"shasum", marshal(sha1)},
		{"fileCount", marshal(t.files)},
		{"unpackedSize", marshal(t.unpacked)},
		{"tarball", marshal(f.Path)},
	}.appendTo(nil)
}

// stringsJSON is an object without the members that are no strings.
func stringsJSON(value json.RawMessage) json.RawMessage {
	o, err := parseObject(value)
	if err != nil {
		return nil
	}
	var out object
	for _, m := range o {
		if len(m.value) > 0 && m.value[0] == '"' {
			out = append(out, m)
		}
	}
	return out.appendTo(nil)
}

// requirementsJSON is a map of requirements as an object of strings, in the publisher's order where it is one.
func requirementsJSON(value json.RawMessage) json.RawMessage {
	if v := bytes.TrimSpace(value); len(v) > 0 && v[0] == '{' {
		return stringsJSON(v)
	}
	var v any
	if json.Unmarshal(value, &v) != nil || v == nil {
		return nil
	}
	return marshal(dependencyMap(v))
}

// lines splits a record into its full and its abbreviated version object.
func lines(record []byte) (full, short []byte) {
	full, short, _ = bytes.Cut(record, []byte("\n"))
	return full, short
}

var tarballKey = []byte(`"tarball":"`)

// appendVersion writes a stored version object with its tarball's URL and further members (which begin with a comma).
func appendVersion(b, line []byte, base, more string) []byte {
	at := bytes.LastIndex(line, tarballKey)
	if at < 0 || len(line) == 0 {
		return append(b, "{}"...)
	}
	at += len(tarballKey)
	b = append(b, line[:at]...)
	b = append(b, base...)
	b = append(b, '/')
	b = append(b, line[at:len(line)-1]...)
	b = append(b, more...)
	return append(b, '}')
}
