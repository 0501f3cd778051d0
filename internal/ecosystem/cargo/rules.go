package cargo

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"bonded/internal/errs"
)

// The limits of the public registry (cargo.md §2.5).
const (
	maxDescription   = 1000 // bytes
	maxKeywords      = 5
	maxKeyword       = 20 // bytes
	maxCategories    = 5
	maxFeatures      = 300
	maxFeatureValues = 300
	maxDependencies  = 500
)

// Check holds a manifest to the rules for new crates (cargo.md §2.5); errs.Invalid says which it breaks. What only makes a
// crate less useful in a private registry is among the Warnings instead.
func (c *Crate) Check() error {
	for _, f := range []func() error{c.checkWords, c.checkFeatures, c.checkDependencies} {
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}

func invalid(rule, format string, args ...any) *errs.Error {
	return errs.New(errs.Invalid, format, args...).WithRule("cargo/" + rule)
}

func (c *Crate) checkWords() error {
	if len(c.Description) > maxDescription {
		return invalid("description", "package.description has %d bytes; at most %d are accepted.", len(c.Description), maxDescription).
			WithNext("Move the details into the readme.")
	}
	if c.RustVersion != "" && !validRustVersion(c.RustVersion) {
		return invalid("rust-version", "package.rust-version is %q, which is not one to three numbers.", c.RustVersion).
			WithNext("Write it as 1.70 or 1.70.0, without an operator.")
	}
	if len(c.Keywords) > maxKeywords {
		return invalid("keywords", "package.keywords has %d entries; at most %d are accepted.", len(c.Keywords), maxKeywords).
			WithNext("Keep the most telling ones.")
	}
	for _, k := range c.Keywords {
		if !validKeyword(k) {
			return invalid("keywords", "The keyword %q is not accepted.", k).
				WithNext("Use at most %d letters, digits, \"_\", \"-\" or \"+\", beginning with a letter or digit.", maxKeyword)
		}
	}
	if len(c.Categories) > maxCategories {
		return invalid("categories", "package.categories has %d entries; at most %d are accepted.", len(c.Categories), maxCategories).
			WithNext("Keep the most telling ones.")
	}
	return nil
}

// validRustVersion: the client takes an index line with anything else for broken (cargo.md §1.4, rust_version).
func validRustVersion(s string) bool {
	parts := strings.Split(s, ".")
	return len(parts) <= 3 && !slices.ContainsFunc(parts, func(p string) bool {
		return p == "" || len(p) > 9 || strings.Trim(p, "0123456789") != "" || (len(p) > 1 && p[0] == '0')
	})
}

func validKeyword(s string) bool {
	if s == "" || len(s) > maxKeyword || strings.ContainsRune("_-+", rune(s[0])) {
		return false
	}
	return strings.IndexFunc(s, func(c rune) bool {
		return c > unicode.MaxASCII || (!unicode.IsLetter(c) && !unicode.IsDigit(c) && c != '_' && c != '-' && c != '+')
	}) < 0
}

func (c *Crate) checkFeatures() error {
	if len(c.Features) > maxFeatures {
		return invalid("features", "The crate has %d features; at most %d are accepted.", len(c.Features), maxFeatures).
			WithNext("Split the crate, or group its features.")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Features)) {
		values := c.Features[name]
		if !validFeature(name) {
			return invalid("feature-name", "The feature name %q is not accepted.", name).
				WithNext("Begin with a letter, a digit or \"_\"; then letters, digits, \"_\", \"-\", \"+\" and \".\" may follow.")
		}
		if len(values) > maxFeatureValues {
			return invalid("features", "The feature %q enables %d others; at most %d are accepted.", name, len(values), maxFeatureValues).
				WithNext("Group them in further features.")
		}
		for _, v := range values {
			if !validFeatureValue(v) {
				return invalid("feature-value", "The feature %q enables %q, which Cargo cannot read.", name, v).
					WithNext("Write feature, dep:name, name/feature or name?/feature.")
			}
		}
	}
	return nil
}

// validFeature is the public registry's rule: XID_Start, "_" or a digit first, then XID_Continue, "+", "-" and ".".
func validFeature(s string) bool {
	for i, c := range s {
		start := c == '_' || unicode.In(c, unicode.L, unicode.Nl, unicode.Nd, unicode.Other_ID_Start)
		if !start && (i == 0 || (c != '+' && c != '-' && c != '.' && !unicode.In(c, unicode.Mn, unicode.Mc, unicode.Pc, unicode.Other_ID_Continue))) {
			return false
		}
	}
	return s != ""
}

// validFeatureValue accepts the four forms a, dep:a, a/b and a?/b.
func validFeatureValue(s string) bool {
	if dep, ok := strings.CutPrefix(s, "dep:"); ok {
		return validDependencyName(dep)
	}
	if dep, feature, ok := strings.Cut(s, "/"); ok {
		return validDependencyName(strings.TrimSuffix(dep, "?")) && validFeature(feature)
	}
	return validFeature(s)
}

// validDependencyName: the charset of crate names; an alias may also begin with "_".
func validDependencyName(s string) bool {
	_, ok := NormalizeName(s)
	return ok && (isLetter(s[0]) || s[0] == '_')
}

func (c *Crate) checkDependencies() error {
	if len(c.Dependencies) > maxDependencies {
		return invalid("dependencies", "The crate has %d dependencies; at most %d are accepted.", len(c.Dependencies), maxDependencies).
			WithNext("Split the crate.")
	}
	for _, d := range c.Dependencies {
		if err := d.check(); err != nil {
			return err
		}
	}
	return nil
}

// check holds one dependency to the rules.
func (d Dependency) check() error {
	if !validDependencyName(d.Name) || (d.Package != "" && (!validDependencyName(d.Package) || d.Package[0] == '_')) {
		return invalid("dependency-name", "The dependency %q is not named as Cargo names crates.", d.describe()).
			WithNext("Use letters, digits, \"-\" and \"_\".")
	}
	if d.Req == "" {
		return invalid("dependency-version", "The dependency %s has no version requirement.", d.describe()).
			WithNext("Give it a version, such as version = \"1.2\".")
	}
	if err := CheckRequirement(d.Req); err != nil {
		return err
	}
	if d.Req == "*" && d.Kind != "dev" {
		return invalid("wildcard", "The dependency %s accepts any version (\"*\"), so that its next breaking release breaks this crate.", d.describe()).
			WithNext("Require a version that you have built with.")
	}
	for _, f := range d.Features {
		if f == "" || !validFeatureValue(f) {
			return invalid("feature-value", "The dependency %s enables the feature %q, which Cargo cannot read.", d.describe(), f)
		}
	}
	if len(d.Target) > 1024 || len(d.Registry) > 1024 {
		return invalid("dependency-length", "The target or the registry of the dependency %s has more than 1024 bytes.", d.describe())
	}
	if d.Registry != CratesIOIndex && !validIndexURL(d.Registry) {
		return invalid("dependency-registry", "The dependency %s comes from %q, which is not the index of a registry.", d.describe(), d.Registry).
			WithNext("An index is written sparse+https://HOST/PATH/ or https://HOST/PATH.")
	}
	return nil
}

// validIndexURL accepts what Cargo takes as an index: a sparse or git URL without user and password (cargo.md §1.1).
func validIndexURL(s string) bool {
	u, err := url.Parse(strings.TrimPrefix(s, "sparse+"))
	return err == nil && u.Scheme != "" && u.User == nil
}

// describe names a dependency as its publisher knows it: `name` = "req" (kind, target).
func (d Dependency) describe() string {
	s := d.Name
	if d.Package != "" {
		s += " (package " + d.Package + ")"
	}
	if d.Kind != "normal" && d.Kind != "" {
		s = d.Kind + "-dependency " + s
	}
	if d.Target != "" {
		s += " for " + d.Target
	}
	return s
}

func (c *Crate) warn() {
	if c.Description == "" {
		c.Warnings = append(c.Warnings, "The crate has no description, so people who find it cannot tell what it is for. Set package.description.")
	}
	if c.License == "" && c.LicenseFile == "" {
		c.Warnings = append(c.Warnings, "The crate has neither license nor license-file, so nobody can tell whether they may use it. Set package.license.")
	}
	for _, l := range []struct{ key, value string }{{"homepage", c.Homepage}, {"documentation", c.Documentation}, {"repository", c.Repository}} {
		if l.value != "" && !isWebLink(l.value) {
			c.Warnings = append(c.Warnings, fmt.Sprintf("package.%s is not an http or https URL, so pages do not link to it.", l.key))
		}
	}
}

func isWebLink(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
}
