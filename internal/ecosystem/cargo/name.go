package cargo

import (
	"strings"

	"bonded/internal/errs"
	"bonded/internal/registry"
)

// maxName is the longest crate name, in bytes (cargo.md §2.5).
const maxName = 64

// reservedNames are the names of the standard library and the compiler, and the device names of Windows, in canonical
// form (cargo.md §2.5): a crate of that name shadows the real thing or cannot be unpacked.
var reservedNames = func() map[string]bool {
	const list = `alloc arena ast builtins collections compiler-builtins compiler-rt compiletest core coretest debug driver
		flate fmt_macros grammar graphviz macro macros proc_macro rbml rust-installer rustbook rustc rustc_back
		rustc_borrowck rustc_driver rustc_llvm rustc_resolve rustc_trans rustc_typeck rustdoc rustllvm rustuv serialize
		std syntax test unicode
		nul con prn aux com0 com1 com2 com3 com4 com5 com6 com7 com8 com9
		lpt0 lpt1 lpt2 lpt3 lpt4 lpt5 lpt6 lpt7 lpt8 lpt9`
	set := map[string]bool{}
	for name := range strings.FieldsSeq(list) {
		set[canonicalName(name)] = true
	}
	return set
}()

// ParseName validates a crate name for publishing (cargo.md §2.5): at most 64 of [A-Za-z0-9_-], a letter first, not
// reserved. Norm and Lookalike are the canonical form, lower-case with "-" as "_", on which names are unique.
func ParseName(raw string) (registry.Name, error) {
	switch {
	case raw == "":
		return registry.Name{}, errs.New(errs.Invalid, "The crate name is empty.").
			WithRule("cargo/name-empty").WithNext("Set package.name in Cargo.toml.")
	case len(raw) > maxName:
		return registry.Name{}, errs.New(errs.Invalid, "A crate name has at most %d characters; this one has %d.", maxName, len(raw)).
			WithRule("cargo/name-length").WithNext("Choose a shorter name.")
	case !isLetter(raw[0]):
		return registry.Name{}, errs.New(errs.Invalid, "The crate name %q does not start with a letter.", raw).
			WithRule("cargo/name-start").WithNext("Start the name with one of a-z or A-Z.")
	}
	norm, ok := NormalizeName(raw)
	if !ok {
		return registry.Name{}, errs.New(errs.Invalid, "The crate name %q has characters other than letters, digits, \"-\" and \"_\".", raw).
			WithRule("cargo/name-charset").WithNext("Use only a-z, A-Z, 0-9, \"-\" and \"_\".")
	}
	if reservedNames[norm] {
		return registry.Name{}, errs.New(errs.Invalid, "The crate name %q is reserved for Rust itself or for a device.", raw).
			WithRule("cargo/name-reserved").WithNext("Choose another name, for instance with a prefix of your own.")
	}
	return registry.Name{Display: raw, Norm: norm, Lookalike: norm}, nil
}

// NormalizeName maps any spelling a client may ask for to the canonical form (cargo.md §1.3, §2.5); ok is false where no
// crate could ever match.
func NormalizeName(raw string) (norm string, ok bool) {
	if raw == "" || len(raw) > maxName {
		return "", false
	}
	for i := range len(raw) {
		if c := raw[i]; !isLetter(c) && ('0' > c || c > '9') && c != '-' && c != '_' {
			return "", false
		}
	}
	return canonicalName(raw), true
}

func canonicalName(name string) string { return strings.ReplaceAll(strings.ToLower(name), "-", "_") }

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
