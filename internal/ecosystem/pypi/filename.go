package pypi

import (
	"slices"
	"strings"

	"bonded/internal/errs"
)

// maxFilename is the longest file name that common file systems hold, in bytes.
const maxFilename = 255

// Wheel is what a wheel's file name says (pypi.md §0).
type Wheel struct {
	// Name is the normalized project name; NamePart the spelling in the file name.
	Name, NamePart string
	// Version is canonical; VersionPart the spelling in the file name.
	Version, VersionPart string
	// Build is the build tag, "1" or "1local"; empty without one.
	Build string
	// Python, ABI and Platforms are the compressed tag sets, expanded.
	Python, ABI, Platforms []string
}

// ParseWheelFilename reads "{name}-{version}(-{build})?-{python}-{abi}-{platform}.whl" as installers do. What only uploads
// must obey is in CheckUpload.
func ParseWheelFilename(filename string) (Wheel, error) {
	stem, ok := strings.CutSuffix(filename, ".whl")
	parts := strings.Split(stem, "-")
	if !ok || !plainFilename(filename) || len(parts) != 5 && len(parts) != 6 {
		return Wheel{}, badWheel(filename, "it is not name-version-python-abi-platform.whl")
	}
	w := Wheel{NamePart: parts[0], VersionPart: parts[1]}
	if w.Name, ok = NormalizeName(parts[0]); !ok || strings.Contains(parts[0], "__") {
		return Wheel{}, badWheel(filename, "its name part is malformed")
	}
	v, err := ParseVersion(parts[1])
	if err != nil {
		return Wheel{}, badWheel(filename, "its version is not PEP 440")
	}
	w.Version = v.Canonical
	if len(parts) == 6 {
		if w.Build = parts[2]; digits(w.Build) == 0 {
			return Wheel{}, badWheel(filename, "its build tag does not start with a digit")
		}
		if !tagCharset(strings.ReplaceAll(w.Build, ".", "")) {
			return Wheel{}, badWheel(filename, "its build tag is malformed")
		}
	}
	tags := parts[len(parts)-3:]
	for i, into := range []*[]string{&w.Python, &w.ABI, &w.Platforms} {
		*into = strings.Split(tags[i], ".")
		for _, tag := range *into {
			// A Python tag is an identifier: it names an interpreter.
			if tag == "" || !tagCharset(tag) || i == 0 && isDigit(tag[0]) {
				return Wheel{}, badWheel(filename, "one of its tags is malformed")
			}
		}
	}
	return w, nil
}

// CheckUpload refuses what an index refuses in new wheels: a name part that is not the normalized name with "_", a local
// version, platform tags outside the list of pypi.md §0.
func (w Wheel) CheckUpload() error {
	if want := FilenamePart(w.Name); w.NamePart != want {
		return errs.New(errs.Invalid, "The wheel's file name starts with %q instead of %q.", w.NamePart, want).
			WithRule("pypi/wheel-name").WithNext("Build the wheel with a current build backend.")
	}
	if strings.Contains(w.Version, "+") {
		return errs.New(errs.Invalid, "The wheel's version %q has a local part, which an index does not take.", w.Version).
			WithRule("pypi/version-local").WithNext("Remove the \"+\" and what follows it.")
	}
	for _, tag := range w.Platforms {
		if !PlatformAllowed(tag) {
			return errs.New(errs.Invalid, "The wheel's platform tag %q is not one that an index takes.", tag).
				WithRule("pypi/wheel-platform").WithNext("On Linux, repair the wheel with auditwheel so that it is a manylinux or musllinux wheel.")
		}
	}
	return nil
}

func badWheel(filename, why string) error {
	return errs.New(errs.Invalid, "%q is not the file name of a wheel: %s.", filename, why).
		WithRule("pypi/wheel-filename").WithNext("Upload the file under the name that the build backend gave it.")
}

// plainFilename keeps blanks, control characters, path separators and everything outside ASCII out of file names.
func plainFilename(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' || s[i] == '/' || s[i] == '\\' {
			return false
		}
	}
	return len(s) <= maxFilename
}

func tagCharset(s string) bool {
	for i := range len(s) {
		if !isAlphanumeric(s[i]) && s[i] != '_' {
			return false
		}
	}
	return true
}

// FilenamePart is how a project's name begins its file names: normalized, with "_" for "-" (pypi.md §0).
func FilenamePart(norm string) string { return strings.ReplaceAll(norm, "-", "_") }

// Sdist is what the file name of a source distribution says.
type Sdist struct {
	// Name is the normalized project name; NamePart the spelling in the file name.
	Name, NamePart string
	// Version is canonical; VersionPart the spelling in the file name.
	Version, VersionPart string
}

// ParseSdistFilename reads "{name}-{version}.tar.gz" and the old ".zip" as installers do: the last "-" separates.
func ParseSdistFilename(filename string) (Sdist, error) {
	stem, ok := strings.CutSuffix(filename, ".tar.gz")
	if !ok {
		stem, ok = strings.CutSuffix(filename, ".zip")
	}
	dash := strings.LastIndexByte(stem, '-')
	if !ok || dash < 0 || !plainFilename(filename) {
		return Sdist{}, badSdist(filename, "it is not name-version.tar.gz")
	}
	s := Sdist{NamePart: stem[:dash], VersionPart: stem[dash+1:]}
	if s.Name, ok = NormalizeName(s.NamePart); !ok {
		return Sdist{}, badSdist(filename, "its name part is malformed")
	}
	v, err := ParseVersion(s.VersionPart)
	if err != nil {
		return Sdist{}, badSdist(filename, "its version is not PEP 440")
	}
	s.Version = v.Canonical
	return s, nil
}

func badSdist(filename, why string) error {
	return errs.New(errs.Invalid, "%q is not the file name of a source distribution: %s.", filename, why).
		WithRule("pypi/sdist-filename").WithNext("Upload the file under the name that the build backend gave it.")
}

// SdistFilename is the one name under which an upload of a source distribution is taken (pypi.md §0).
func SdistFilename(norm, canonicalVersion string) string {
	return FilenamePart(norm) + "-" + canonicalVersion + ".tar.gz"
}

var (
	plainPlatforms = []string{
		"any", "win32", "win_amd64", "win_arm64", "win_ia64", "linux_armv6l", "linux_armv7l",
		"manylinux1_x86_64", "manylinux1_i686", "manylinux2010_x86_64", "manylinux2010_i686",
		"manylinux2014_x86_64", "manylinux2014_i686", "manylinux2014_aarch64", "manylinux2014_armv7l",
		"manylinux2014_ppc64", "manylinux2014_ppc64le", "manylinux2014_s390x",
	}
	linuxArches   = []string{"x86_64", "i686", "aarch64", "armv7l", "ppc64le", "s390x", "riscv64"}
	macosArches   = []string{"ppc", "ppc64", "i386", "x86_64", "arm64", "intel", "fat", "fat3", "fat64", "universal", "universal2"}
	macosMajors   = []string{"11", "12", "13", "14", "15", "26"}
	iosTargets    = []string{"arm64_iphoneos", "arm64_iphonesimulator", "x86_64_iphonesimulator"}
	androidArches = []string{"armeabi_v7a", "arm64_v8a", "x86", "x86_64"}
)

// PlatformAllowed reports whether an index takes wheels with this platform tag (pypi.md §0). Plain Linux tags are refused,
// because they say nothing about the C library they need.
func PlatformAllowed(tag string) bool {
	if slices.Contains(plainPlatforms, tag) {
		return true
	}
	system, rest, _ := strings.Cut(tag, "_")
	major, rest, ok := cutNumber(rest)
	if !ok {
		return false
	}
	if system == "android" {
		return slices.Contains(androidArches, rest)
	}
	minor, arch, ok := cutNumber(rest)
	if !ok {
		return false
	}
	switch system {
	case "manylinux":
		return slices.Contains(linuxArches, arch) || arch == "ppc64"
	case "musllinux":
		return slices.Contains(linuxArches, arch)
	case "macosx":
		return slices.Contains(macosArches, arch) && (major == "10" || minor == "0" && slices.Contains(macosMajors, major))
	case "ios":
		return slices.Contains(iosTargets, arch)
	case "pyemscripten":
		return arch == "wasm32"
	}
	return false
}

// cutNumber takes "12_" off the front.
func cutNumber(s string) (number, rest string, ok bool) {
	end := digits(s)
	if end == 0 || end >= len(s) || s[end] != '_' {
		return "", "", false
	}
	return s[:end], s[end+1:], true
}
