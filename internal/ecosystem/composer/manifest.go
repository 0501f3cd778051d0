package composer

import (
	"bytes"
	"encoding/json/jsontext"
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"

	"bonded/internal/errs"
	"bonded/internal/registry"
)

// shape is what a member of composer.json has to be, so that every client can load it: one version of wrong shape makes
// the whole package unusable for everybody (composer.md §2.2).
type shape uint8

const (
	aString shape = iota
	stringMap
	anObject
	aList
	stringList
	stringOrList
	boolOrString
)

var shapeWords = map[shape]string{
	aString: "a string", stringMap: "an object whose values are strings", anObject: "an object", aList: "a list",
	stringList: "a list of strings", stringOrList: "a string or a list of strings", boolOrString: "true, false or a string",
}

// shapes of the members that clients read. Others pass as they are.
var shapes = map[string]shape{
	"name": aString, "version": aString, "type": aString, "description": aString, "homepage": aString, "target-dir": aString, "time": aString,
	"require": stringMap, "require-dev": stringMap, "conflict": stringMap, "replace": stringMap, "provide": stringMap, "suggest": stringMap,
	"autoload": anObject, "autoload-dev": anObject, "extra": anObject, "support": stringMap, "php-ext": anObject, "archive": anObject,
	"keywords": stringList, "include-path": stringList, "license": stringOrList, "bin": stringOrList,
	"authors": aList, "funding": aList, "abandoned": boolOrString,
}

// linkKinds are the members that name other packages, in the order in which people read them.
var linkKinds = []string{"require", "require-dev", "conflict", "replace", "provide"}

var typePattern = regexp.MustCompile(`^[A-Za-z0-9-]+$`)

// maxLinks bounds the packages that one version names.
const maxLinks = 2000

// readComposerJSON reads and checks the file that says what a package is.
func readComposerJSON(raw []byte) (*registry.Manifest, error) {
	if bytes.HasPrefix(raw, []byte("\xef\xbb\xbf")) {
		return nil, wrongManifest("it begins with a byte order mark, which Composer refuses")
	}
	o, err := parseObject(raw)
	if err != nil {
		return nil, wrongManifest("%s", jsonReason(err))
	}
	o = slices.DeleteFunc(o, func(m member) bool { return m.value.Kind() == 'n' }) // clients take null for absence
	for _, m := range o {
		if s, ok := shapes[m.name]; ok && !s.fits(m.value) {
			return nil, wrongManifest("%q is not %s", m.name, shapeWords[s])
		}
	}
	if t := o.text("type"); t != "" && !typePattern.MatchString(t) {
		return nil, wrongManifest("the type %q is not made of letters, digits and \"-\"", t)
	}
	m := &registry.Manifest{
		Name: o.text("name"), Version: strings.TrimSpace(o.text("version")), Summary: o.text("description"), License: licence(o),
		Links: links(o), Authors: authors(o), Keywords: texts(o.get("keywords")), InstallCode: installCode(o), Raw: raw, Detail: o,
	}
	if m.Name == "" {
		return nil, errs.New(errs.Invalid, "The composer.json in the archive has no name.").WithRule("composer/no-name").
			WithNext("Set name to vendor/package.")
	}
	m.Dependencies, err = dependencies(o)
	return m, err
}

func wrongManifest(format string, args ...any) *errs.Error {
	e := errs.New(errs.Invalid, "The composer.json in the archive cannot be used: "+format+".", args...)
	return e.WithRule("composer/manifest").WithNext("Correct it (`composer validate` helps) and pack again.")
}

// jsonReason is a parse error without what this program calls things.
func jsonReason(err error) string {
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		return "it holds a name twice (" + strings.TrimPrefix(err.Error(), "jsontext: ") + ")"
	default:
		return strings.TrimPrefix(err.Error(), "jsontext: ")
	}
}

func (s shape) fits(v jsontext.Value) bool {
	switch s {
	case aString:
		return v.Kind() == '"'
	case stringMap:
		return emptyList(v) || v.Kind() == '{' && allStrings(v)
	case anObject:
		return emptyList(v) || v.Kind() == '{'
	case aList:
		return v.Kind() == '[' && all(elements(v), func(e jsontext.Value) bool { return e.Kind() == '{' })
	case stringList:
		return v.Kind() == '[' && all(elements(v), isScalar)
	case stringOrList:
		return v.Kind() == '"' || v.Kind() == '[' && all(elements(v), func(e jsontext.Value) bool { return e.Kind() == '"' })
	default:
		return v.Kind() == '"' || v.Kind() == 't' || v.Kind() == 'f'
	}
}

// emptyList: PHP writes an empty object as [].
func emptyList(v jsontext.Value) bool { return v.Kind() == '[' && len(elements(v)) == 0 }

func isScalar(e jsontext.Value) bool { return e.Kind() == '"' || e.Kind() == '0' }

func allStrings(v jsontext.Value) bool {
	o, err := split(v)
	return err == nil && !slices.ContainsFunc(o, func(m member) bool { return m.value.Kind() != '"' })
}

func all(vs []jsontext.Value, ok func(jsontext.Value) bool) bool {
	return !slices.ContainsFunc(vs, func(v jsontext.Value) bool { return !ok(v) })
}

// texts are the strings of a string or a list.
func texts(v jsontext.Value) []string {
	if v.Kind() == '"' {
		return []string{textOf(v)}
	}
	var out []string
	for _, e := range elements(v) {
		if s := textOf(e); s != "" {
			out = append(out, s)
		}
	}
	return out
}

// licence joins a list of licences, of which the user may choose one.
func licence(o object) string { return strings.Join(texts(o.get("license")), " OR ") }

func links(o object) map[string]string {
	out := map[string]string{}
	if h := o.text("homepage"); h != "" {
		out["homepage"] = h
	}
	for _, m := range o.object("support") {
		if s := textOf(m.value); s != "" {
			out[m.name] = s
		}
	}
	return out
}

func authors(o object) []string {
	var out []string
	for _, e := range o.list("authors") {
		a, err := split(e)
		if err != nil {
			continue
		}
		if name := a.text("name"); name != "" {
			out = append(out, name)
		}
	}
	return out
}

// installCode names what runs on the consumer's machine at install time: plugins, after the consumer's consent, and the
// build of an extension. Scripts of a dependency never run (composer.md §2.2).
func installCode(o object) []string {
	switch t := o.text("type"); t {
	case "composer-plugin", "composer-installer":
		return []string{t + ": " + strings.Join(texts(o.object("extra").get("class")), ", ")}
	case "php-ext", "php-ext-zend":
		return []string{t + ": the extension installer runs phpize, configure and make"}
	}
	return nil
}

// dependencies lists the packages that a version names, and refuses what a client could not read.
func dependencies(o object) ([]registry.Dependency, error) {
	var out []registry.Dependency
	self := strings.ToLower(o.text("name"))
	for _, kind := range linkKinds {
		for _, m := range o.object(kind) {
			constraint := textOf(m.value)
			if err := checkLink(kind, self, m.name, constraint); err != nil {
				return nil, err
			}
			out = append(out, registry.Dependency{Name: strings.ToLower(m.name), Requirement: constraint, Kind: kind})
		}
	}
	for _, m := range o.object("suggest") {
		out = append(out, registry.Dependency{Name: m.name, Requirement: textOf(m.value), Kind: "suggest", Optional: true})
	}
	if len(out) > maxLinks {
		return nil, errs.New(errs.TooLarge, "The composer.json in the archive names %d other packages, more than %d.", len(out), maxLinks).WithRule("composer/links")
	}
	return out, nil
}

func checkLink(kind, self, target, constraint string) error {
	norm, ok := NormalizeName(target)
	if !ok && !IsPlatform(target) {
		return wrongManifest("%s names %q, which is neither a package nor a platform package", kind, target)
	}
	if ok && norm == self {
		return wrongManifest("%s names the package itself", kind)
	}
	if constraint == "self.version" {
		return nil
	}
	if _, err := ParseConstraint(constraint); err != nil {
		return wrongManifest("%s asks for %s %q, which is not a constraint that Composer reads", kind, target, constraint)
	}
	return nil
}

// rootOnly are the members of composer.json that mean something in a root package only; fromServer those that a publisher
// must not say, because clients would fetch from, or report to, somewhere else, or take his word for ours (composer.md §2.2).
var (
	rootOnly = words(`repositories config scripts scripts-descriptions scripts-aliases minimum-stability prefer-stable
		non-feature-branches`)
	fromServer = words(`name version version_normalized dist source mirrors transport-options notification-url published-time time
		installation-source install-path security-advisories filter`)
)

// unset is what stands for a vanished member in minified metadata (composer.md §2.1), and can be no member's value.
const unset = "__unset"

// served are the members of composer.json that go into the version object, as they were written.
func served(o object) object {
	var out object
	for _, m := range o {
		if !rootOnly[m.name] && !fromServer[m.name] && textOf(m.value) != unset {
			out = append(out, m)
		}
	}
	return out
}

// timeLayouts are the forms that Composer documents for time.
var timeLayouts = []string{time.RFC3339, "2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02"}

// authored is the time that composer.json gives; zero for none.
func authored(o object) time.Time {
	text := o.text("time")
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, text); err == nil && t.Year() >= 1970 && t.Year() <= 9999 {
			return t.UTC()
		}
	}
	return time.Time{}
}
