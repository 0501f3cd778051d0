package cargo

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"bonded/internal/errs"
	"bonded/internal/registry"
)

// Claim is what the JSON part of a publish request says beside the crate (cargo.md §2.3). Only names and the comparison with
// the crate's own Cargo.toml come from it.
type Claim struct {
	Name, Version string
	Dependencies  []Dependency
	Features      map[string][]string
	Links         string
	RustVersion   string
	// Own are the index URLs under which the registry that is published to is known: a dependency from there needs no
	// registry of its own.
	Own []string
}

// publishJSON is the wire form; missing keys are null (cargo.md §2.3).
type publishJSON struct {
	Name string `json:"name"`
	Vers string `json:"vers"`
	Deps []struct {
		Name               string   `json:"name"`
		VersionReq         string   `json:"version_req"`
		Features           []string `json:"features"`
		Optional           bool     `json:"optional"`
		DefaultFeatures    *bool    `json:"default_features"`
		Target             *string  `json:"target"`
		Kind               *string  `json:"kind"`
		Registry           *string  `json:"registry"`
		ExplicitNameInToml *string  `json:"explicit_name_in_toml"`
	} `json:"deps"`
	Features    map[string][]string `json:"features"`
	Links       *string             `json:"links"`
	RustVersion *string             `json:"rust_version"`
}

// parseClaim reads the JSON part.
func parseClaim(text []byte, own []string) (*Claim, error) {
	var p publishJSON
	if err := json.Unmarshal(text, &p); err != nil {
		return nil, errs.New(errs.Invalid, "The metadata of the publish request is not the JSON that Cargo sends.").WithRule("cargo/publish-json").
			WithNext("Publish with `cargo publish`.").Because(err)
	}
	if len(p.Deps) > maxDependencies {
		return nil, invalid("dependencies", "The crate has %d dependencies; at most %d are accepted.", len(p.Deps), maxDependencies).WithNext("Split the crate.")
	}
	c := &Claim{Name: p.Name, Version: p.Vers, Features: p.Features, Links: deref(p.Links), RustVersion: deref(p.RustVersion), Own: own}
	for _, d := range p.Deps {
		dep := Dependency{
			Name: d.Name, Req: d.VersionReq, Features: d.Features, Optional: d.Optional, DefaultFeatures: d.DefaultFeatures == nil || *d.DefaultFeatures,
			Target: deref(d.Target), Kind: deref(d.Kind), Registry: deref(d.Registry),
		}
		if alias := deref(d.ExplicitNameInToml); alias != "" && alias != d.Name {
			dep.Name, dep.Package = alias, d.Name
		}
		if CheckRequirement(dep.Req) == nil { // what cannot be read will not agree with a manifest that can
			dep.Req = canonicalRequirement(dep.Req)
		}
		c.Dependencies = append(c.Dependencies, dep)
	}
	return c, nil
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// home gives the registry of a dependency as the index writes it: "" for the one that is published to.
func (c *Claim) home(registry string) string {
	if c != nil && slices.Contains(c.Own, registry) {
		return ""
	}
	return registry
}

// maxDifferences is how many differences a refusal shows.
const maxDifferences = 5

// reconcile refuses manifest confusion: a request that says something else than the Cargo.toml inside the crate.
func reconcile(manifests []*registry.Manifest, claim registry.Claim) error {
	said, ok := claim.(*Claim)
	if !ok || said == nil || len(manifests) != 1 {
		return nil
	}
	is, ok := manifests[0].Detail.(*Crate)
	if !ok {
		return nil
	}
	diffs := differences(said, is)
	if len(diffs) == 0 {
		return nil
	}
	if more := len(diffs) - maxDifferences; more > 0 {
		diffs = append(diffs[:maxDifferences], fmt.Sprintf("and %d more", more))
	}
	return errs.New(errs.Invalid, "Manifest confusion: the publish request and the Cargo.toml inside the crate disagree: %s.", strings.Join(diffs, "; ")).
		WithRule("cargo/manifest-confusion").WithNext("Publish with `cargo publish`, which makes both from one manifest.")
}

// differences lists where claim and crate disagree, each as a clause.
func differences(said *Claim, is *Crate) []string {
	var diffs []string
	scalar := func(what, claimed, found string) {
		if claimed != found {
			diffs = append(diffs, fmt.Sprintf("%s is %q in the request and %q in the crate", what, claimed, found))
		}
	}
	scalar("name", said.Name, is.Name)
	scalar("version", said.Version, is.Version)
	scalar("links", said.Links, is.Links)
	if said.RustVersion != "" { // cargo before 1.74 did not send it
		scalar("rust-version", said.RustVersion, is.RustVersion)
	}
	claimed, found := map[string]bool{}, map[string]bool{}
	for _, d := range said.Dependencies {
		claimed[d.comparable(said.home)] = true
	}
	for _, d := range is.Dependencies {
		found[d.comparable(said.home)] = true
	}
	diffs = append(diffs, missing("the dependency", claimed, found)...)
	claimed, found = comparableFeatures(said.Features), comparableFeatures(is.Features)
	return append(diffs, missing("the feature", claimed, found)...)
}

// missing lists what is in one set only.
func missing(what string, claimed, found map[string]bool) []string {
	var diffs []string
	for _, k := range slices.Sorted(maps.Keys(claimed)) {
		if !found[k] {
			diffs = append(diffs, what+" "+k+" is only in the request")
		}
	}
	for _, k := range slices.Sorted(maps.Keys(found)) {
		if !claimed[k] {
			diffs = append(diffs, what+" "+k+" is only in the crate")
		}
	}
	return diffs
}

// comparable writes a dependency so that two equal ones have equal texts, readable in a refusal.
func (d Dependency) comparable(home func(string) string) string {
	d.Target = canonicalTarget(d.Target)
	var b strings.Builder
	fmt.Fprintf(&b, "%s %q", d.describe(), d.Req)
	features := slices.DeleteFunc(slices.Sorted(slices.Values(d.Features)), func(f string) bool { return f == "" })
	if features = slices.Compact(features); len(features) > 0 {
		fmt.Fprintf(&b, " with %s", strings.Join(features, ","))
	}
	if d.Optional {
		b.WriteString(" optional")
	}
	if !d.DefaultFeatures {
		b.WriteString(" without default features")
	}
	if r := home(d.Registry); r != "" {
		b.WriteString(" from " + r)
	}
	return b.String()
}

func comparableFeatures(features map[string][]string) map[string]bool {
	out := map[string]bool{}
	for name, values := range features {
		sorted := slices.Compact(slices.Sorted(slices.Values(values)))
		out[fmt.Sprintf("%s = %q", name, sorted)] = true
	}
	return out
}
