package npm

import (
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"bonded/internal/digest"
	"bonded/internal/errs"
	"bonded/internal/registry"
)

// Claim is what a publish request says beside the tarball: the manifest of its one version (npm.md §3).
type Claim struct {
	Manifest json.RawMessage
	// Integrity and Shasum are dist.integrity and dist.shasum as claimed; empty where the client sent none.
	Integrity, Shasum string
}

// reconcile refuses a claim that disagrees with the tarball about anything an installation acts on. What is served comes
// from the tarball either way; a difference means that somebody reads a manifest that is not the package's (npm.md §3).
func reconcile(manifests []*registry.Manifest, c registry.Claim) error {
	claim, ok := c.(Claim)
	if !ok || len(manifests) != 1 {
		return errs.New(errs.Invalid, "A release of an npm package is one tarball and one manifest.").WithRule("npm/one-tarball")
	}
	t, _ := manifests[0].Detail.(*tarball)
	o, err := parseObject(claim.Manifest)
	if err != nil {
		return errs.New(errs.Invalid, "The manifest sent with the tarball cannot be read: %v.", jsonReason(err)).WithRule("npm/manifest")
	}
	if t.pkg.any("private") == true {
		return errs.New(errs.Invalid, "The package.json in the tarball says private: true, so the package is not meant to be published.").
			WithRule("npm/private").WithNext("Remove the private field to publish it.")
	}
	diffs := t.differences(essentialsOf(o))
	if len(diffs) == 0 {
		return nil
	}
	const shown = 3
	rest := ""
	if n := len(diffs) - shown; n > 0 {
		rest = fmt.Sprintf("; and %d more", n)
	}
	return errs.New(errs.Invalid, "The package.json in the tarball and the manifest sent with it disagree: %s%s.",
		strings.Join(diffs[:min(len(diffs), shown)], "; "), rest).WithRule("npm/manifest-confusion").
		WithNext("Publish with an unmodified client: what a registry shows must be what the tarball holds.")
}

// differences lists where the claim departs from the tarball, one clause each.
func (t *tarball) differences(claim essentials) []string {
	own := t.essentials
	var out []string
	note := func(field, tarball, manifest string) {
		out = append(out, fmt.Sprintf("%s is %s in the tarball and %s in the manifest", field, tarball, manifest))
	}
	if own.name != claim.name {
		note("name", show(own.name), show(claim.name))
	}
	if !sameVersion(own.version, claim.version) {
		note("version", show(own.version), show(claim.version))
	}
	for _, kind := range []string{dependencies, optionalDependencies, peerDependencies, "peerDependenciesMeta"} {
		compareMaps(kind, own.requires[kind], claim.requires[kind], sameRequirement, note)
	}
	if a, b := strings.Join(own.bundled, ", "), strings.Join(claim.bundled, ", "); a != b && !t.bundlesAll(claim) {
		note("bundleDependencies", show(a), show(b))
	}
	scripts := claim.scripts
	if t.addedGyp(claim) {
		scripts = maps.Clone(scripts)
		delete(scripts, "install")
	}
	compareMaps("scripts", own.scripts, scripts, equal, note)
	if !t.expandsBinDir(claim) {
		compareMaps("bin", t.bins(), claim.bin, equal, note)
	}
	return out
}

func equal(a, b string) bool { return a == b }

func sameVersion(a, b string) bool {
	va, errA := ParseVersion(a)
	vb, errB := ParseVersion(b)
	return errA == nil && errB == nil && va.Unique == vb.Unique
}

// addedGyp reports the one script that clients invent: npm and yarn 1 see a *.gyp file in the folder, which need not be
// in the tarball.
func (t *tarball) addedGyp(claim essentials) bool {
	own := t.essentials.scripts
	return own["install"] == "" && own["preinstall"] == "" && claim.scripts["install"] == nodeGyp
}

// bundlesAll reports bundleDependencies: true, which clients expand before or after they move optional dependencies.
func (t *tarball) bundlesAll(claim essentials) bool {
	if t.pkg.any("bundleDependencies") != true && t.pkg.any("bundledDependencies") != true {
		return false
	}
	known := func(name string) bool {
		_, required := t.essentials.requires[dependencies][name]
		_, optional := t.essentials.requires[optionalDependencies][name]
		return required || optional
	}
	return !slices.ContainsFunc(claim.bundled, func(name string) bool { return !known(name) })
}

// expandsBinDir reports a bin made from directories.bin, for which clients list the folder: with files that are not in
// the tarball, with sub-folders, or not at all.
func (t *tarball) expandsBinDir(claim essentials) bool {
	dir := t.essentials.binDir
	if dir == "" {
		return false
	}
	for name, target := range claim.bin {
		if !strings.HasPrefix(target, dir+"/") || path.Base(target) != name {
			return false
		}
	}
	return true
}

// compareMaps notes each name whose values differ.
func compareMaps(field string, own, claim map[string]string, same func(a, b string) bool, note func(field, tarball, manifest string)) {
	names := append(sortedNames(own), sortedNames(claim)...)
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		a, inOwn := own[name]
		b, inClaim := claim[name]
		if inOwn == inClaim && same(a, b) {
			continue
		}
		note(field+"["+show(name)+"]", showOrNone(a, inOwn), showOrNone(b, inClaim))
	}
}

func showOrNone(s string, there bool) string {
	if !there {
		return "absent"
	}
	return show(s)
}

// show quotes a value for a person, cut when it is long.
func show(s string) string {
	const most = 120
	if len(s) > most {
		return quoted(strings.ToValidUTF8(s[:most], "")) + "…"
	}
	return quoted(s)
}

// checkDigests compares the claimed digests with the tarball's (npm.md §3). dist.integrity may hold several hashes; those
// of algorithms that no client makes are left alone.
func checkDigests(c Claim, d digest.Set) error {
	for hash := range strings.FieldsSeq(c.Integrity) {
		hash, _, _ = strings.Cut(hash, "?")
		if strings.HasPrefix(hash, "sha512-") && hash != d.Integrity() {
			return damaged("dist.integrity", hash, d.Integrity())
		}
	}
	if sha1, _ := d.Hex("sha1"); c.Shasum != "" && !strings.EqualFold(c.Shasum, sha1) {
		return damaged("dist.shasum", c.Shasum, sha1)
	}
	return nil
}

func damaged(field, claimed, actual string) error {
	return errs.New(errs.Invalid, "The tarball that arrived is not the one that was announced: %s says %s, the bytes have %s.", field, show(claimed), actual).
		WithRule("npm/digest").WithNext("Publish again; if it happens again, something between client and registry changes the bytes.")
}
