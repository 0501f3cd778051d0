package composer

import (
	"strings"

	"bonded/internal/errs"
	"bonded/internal/registry"
)

// maxName bounds vendor/package, in bytes; the public index has no longer ones.
const maxName = 200

// reservedVendors are vendor names that would be taken for the language, the tools or a service (composer.md §3).
var reservedVendors = words(`php packagist api sdk auth openai annotation authentication authorization dependency
	dependencies kernel namespace namespaces rfc routing standards standard token composer symfony`)

// deviceNames cannot be directories on Windows, where every client unpacks into vendor/package (composer.md §3).
var deviceNames = words(`nul con prn aux com1 com2 com3 com4 com5 com6 com7 com8 com9
	lpt1 lpt2 lpt3 lpt4 lpt5 lpt6 lpt7 lpt8 lpt9`)

// protectedBrands may not appear inside a vendor name.
var protectedBrands = []string{"symfony", "packagist", "composer"}

func words(list string) map[string]bool {
	set := map[string]bool{}
	for word := range strings.FieldsSeq(list) {
		set[word] = true
	}
	return set
}

// ParseName validates vendor/package for publishing (composer.md §3): lower-case words joined by single separators, no
// device names, no reserved vendors. Norm and Lookalike are the lower-case name.
func ParseName(raw string) (registry.Name, error) {
	refuse := func(rule, next, format string, args ...any) (registry.Name, error) {
		return registry.Name{}, errs.New(errs.Invalid, format, args...).WithRule("composer/"+rule).WithNext("%s", next)
	}
	vendor, pkg, ok := strings.Cut(raw, "/")
	switch {
	case !ok || vendor == "" || pkg == "":
		return refuse("name-shape", "Set name in composer.json to vendor/package.", "The package name %q is not of the form vendor/package.", raw)
	case len(raw) > maxName:
		return refuse("name-length", "Choose a shorter name.", "A package name has at most %d characters; this one has %d.", maxName, len(raw))
	case raw != strings.ToLower(raw):
		return refuse("name-case", "Write the name in lower case.", "The package name %q has upper-case letters.", raw)
	case !separatedWords(vendor, false) || !separatedWords(pkg, true):
		return refuse("name-charset", "Use words of a-z and 0-9 joined by single \".\", \"-\" or \"_\".",
			"The package name %q is not made of words of a-z and 0-9 joined by single separators.", raw)
	case strings.HasSuffix(raw, ".json"):
		return refuse("name-json", "Use a -json suffix instead.", "The package name %q ends in .json, which clients take for a file.", raw)
	case deviceNames[vendor] || deviceNames[pkg]:
		return refuse("name-device", "Choose another name.", "The package name %q holds a device name that cannot be a directory on Windows.", raw)
	case reservedVendors[vendor]:
		return refuse("vendor-reserved", "Publish under a vendor name of your own.", "The vendor name %q is reserved.", vendor)
	}
	for _, brand := range protectedBrands {
		if strings.Contains(vendor, brand) {
			return refuse("vendor-brand", "Publish under a vendor name of your own.", "The vendor name %q holds the protected name %q.", vendor, brand)
		}
	}
	return registry.Name{Display: raw, Norm: raw, Lookalike: raw}, nil
}

// NormalizeName maps any spelling that a client may ask for to the key, the lower-case name; ok is false where no package
// could ever match.
func NormalizeName(raw string) (norm string, ok bool) {
	if len(raw) > maxName {
		return "", false
	}
	norm = strings.ToLower(raw)
	vendor, pkg, ok := strings.Cut(norm, "/")
	if !ok || !lenientPart(vendor) || !lenientPart(pkg) {
		return "", false
	}
	return norm, true
}

// IsPlatform reports a name that stands for the platform, such as "php" or "ext-json", and is never fetched
// (composer.md §3).
func IsPlatform(name string) bool {
	name = strings.ToLower(name)
	switch name {
	case "php", "hhvm", "composer", "composer-plugin-api", "composer-runtime-api":
		return true
	}
	for _, prefix := range []string{"php-", "ext-", "lib-"} {
		if rest, ok := strings.CutPrefix(name, prefix); ok && rest != "" && !strings.Contains(rest, "/") {
			return true
		}
	}
	return false
}

// separatedWords reports words of [a-z0-9] joined by one ".", "_" or "-"; doubleDash allows "--" as well.
func separatedWords(s string, doubleDash bool) bool {
	for i := 0; i < len(s); i++ {
		if isWord(s[i]) {
			continue
		}
		if i == 0 || !strings.ContainsRune("._-", rune(s[i])) {
			return false
		}
		if doubleDash && s[i] == '-' && i+1 < len(s) && s[i+1] == '-' {
			i++
		}
		if i+1 == len(s) || !isWord(s[i+1]) {
			return false
		}
	}
	return s != ""
}

// lenientPart accepts what old packages hold: any run of words and separators that does not start with a separator.
func lenientPart(s string) bool {
	for i := range len(s) {
		if !isWord(s[i]) && strings.IndexByte("._-", s[i]) < 0 {
			return false
		}
	}
	return s != "" && isWord(s[0])
}

func isWord(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' }
