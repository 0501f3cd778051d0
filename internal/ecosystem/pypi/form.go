package pypi

import (
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"bonded/internal/door"
	"bonded/internal/errs"
	"bonded/internal/registry"
)

// Limits of an upload form beside its file.
const (
	maxFormParts = 20_000
	maxFormBytes = 16 << 20
)

// form is the text part of an upload (pypi.md §2.2).
type form struct {
	Claim
	action, protocol string
	seen             map[string]bool
	parts, bytes     int
}

func newForm() form {
	return form{Digests: map[string]string{}, seen: map[string]bool{}}
}

// formPart is one part of the body.
type formPart struct {
	*multipart.Part
	name     string
	filename string
	isFile   bool
}

// nextPart reads the head of a part. multipart.Part cuts directories off file names, which must be refused instead.
func nextPart(body *multipart.Reader) (formPart, error) {
	part, err := body.NextRawPart()
	if err != nil {
		return formPart{}, err
	}
	kind, params, err := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
	if err != nil || kind != "form-data" || params["name"] == "" {
		return formPart{}, badForm("a part has no usable Content-Disposition")
	}
	filename, isFile := params["filename"]
	return formPart{Part: part, name: params["name"], filename: filename, isFile: isFile}, nil
}

func badForm(why string, args ...any) *errs.Error {
	return errs.New(errs.Invalid, "The upload form is refused: "+why+".", args...).WithRule("pypi/form").
		WithNext("Upload with twine, uv or another current tool.")
}

// cutOff is the refusal of a body that ends early or is no form.
func cutOff(err error) error {
	if errs.KindOf(err) != errs.Internal {
		return err
	}
	return badForm("the request's body could not be read to its end").Because(err)
}

// take reads a text field.
func (f *form) take(part formPart) error {
	if f.parts++; f.parts > maxFormParts {
		return badForm("it has more than %d fields", maxFormParts)
	}
	raw, err := io.ReadAll(io.LimitReader(part, int64(maxFormBytes-f.bytes)+1))
	if err != nil {
		return cutOff(err)
	}
	if f.bytes += len(raw); f.bytes > maxFormBytes {
		return badForm("its text fields hold more than %d bytes", maxFormBytes)
	}
	if part.name == "gpg_signature" {
		return nil // taken and dropped (pypi.md §2.2)
	}
	if part.isFile {
		return badForm("the field %s is a file where text belongs", quoted(part.name))
	}
	if !utf8.Valid(raw) {
		return badForm("the field %s is not UTF-8", quoted(part.name))
	}
	return f.set(part.name, strings.ReplaceAll(string(raw), "\x00", "\ufffd"))
}

// set stores a field's value. Unknown fields are ignored.
func (f *form) set(name, value string) error {
	if known, ok := fieldByForm[name]; ok && known.many != nil {
		known.set(&f.Metadata, value)
		return nil
	}
	to := f.control(name)
	known, isMetadata := fieldByForm[name]
	if to == nil && !isMetadata {
		return nil
	}
	if f.seen[name] {
		return badForm("the field %s stands there twice", quoted(name))
	}
	f.seen[name] = true
	if isMetadata {
		known.set(&f.Metadata, value)
		return nil
	}
	*to = value
	if algorithm, ok := strings.CutSuffix(name, "_digest"); ok && value != "" {
		f.Digests[algorithm] = strings.ToLower(value)
	}
	return nil
}

// control is where a field that is not metadata is kept; nil for one that is not known.
func (f *form) control(name string) *string {
	switch name {
	case ":action":
		return &f.action
	case "protocol_version":
		return &f.protocol
	case "filetype":
		return &f.FileType
	case "pyversion":
		return &f.PythonVersion
	case "comment":
		return &f.Comment
	case "md5_digest", "sha256_digest", "blake2_256_digest", "attestations":
		return new(string)
	}
	return nil
}

// complete reports that the fields that decide have arrived, so that a refusal need not wait for the file's bytes.
func (f *form) complete() bool { return f.Name != "" && f.Version != "" && f.FileType != "" }

// check holds the form to the rules, in the order of pypi.md §2.3.
func (f *form) check(q *door.Request) error {
	switch f.action {
	case "", "file_upload":
	case "submit", "submit_pkg_info", "doc_upload":
		e := errs.New(errs.Invalid, "The action %s is gone: a project is registered by its first upload.", quoted(f.action)).
			WithRule("pypi/action").WithNext("Upload a file to %s/legacy/.", q.Base)
		return operationError{e, goneAction}
	default:
		return badForm("its action %s is not file_upload", quoted(f.action))
	}
	if f.protocol != "" && f.protocol != "1" {
		return badForm("its protocol version %s is not 1", quoted(f.protocol))
	}
	if err := f.Metadata.Check(); err != nil {
		return err
	}
	if err := f.checkAge(); err != nil {
		return err
	}
	switch {
	case f.seen["attestations"]:
		return errs.New(errs.Invalid, "Attestations are taken only with trusted publishing, and this upload came with a token.").
			WithRule("pypi/attestations").WithNext("Upload without --attestations (uv: with --no-attestations).")
	case f.FileType == "sdist" && f.PythonVersion != "" && f.PythonVersion != "source":
		return invalidField("pyversion", `for a source distribution it is "source", not %s`, quoted(f.PythonVersion))
	case f.FileType == "bdist_wheel" && f.PythonVersion == "":
		return invalidField("pyversion", "it is missing, and wheels need it")
	case f.FileType != "sdist" && f.FileType != "bdist_wheel":
		return invalidField("filetype", `%s is neither "sdist" nor "bdist_wheel"`, quoted(f.FileType)).
			WithNext("Build a wheel or a source distribution; an index takes nothing else.")
	}
	return nil
}

// checkFilename holds the file's name to the form (pypi.md §0, §2.3 items 8 and 17) and returns its kind.
func (f *form) checkFilename(filename string) (kind string, err error) {
	name, err := ParseName(f.Name)
	if err != nil {
		return "", err
	}
	version, err := ParseUploadVersion(f.Version)
	if err != nil {
		return "", err
	}
	if !plainFilename(filename) || filename == "" {
		return "", errs.New(errs.Invalid, "%s is not a file name that an index takes.", quoted(filename)).WithRule("pypi/filename").
			WithNext("Upload the file under the name that the build backend gave it.")
	}
	if f.FileType == "sdist" {
		return KindSdist, checkSdistFilename(filename, name, version)
	}
	w, err := ParseWheelFilename(filename)
	if err != nil {
		return "", err
	}
	if err := w.CheckUpload(); err != nil {
		return "", err
	}
	if w.Name != name.Norm || CompareVersions(w.Version, version.Canonical) != 0 {
		return "", otherFile(filename, name.Norm, version.Canonical)
	}
	return KindWheel, nil
}

func checkSdistFilename(filename string, name registry.Name, version registry.Version) error {
	want := SdistFilename(name.Norm, version.Canonical)
	switch {
	case filename == want:
		return nil
	case strings.HasSuffix(filename, ".zip"):
		return zippedSdist(filename)
	case !strings.HasSuffix(filename, ".tar.gz"):
		return errs.New(errs.Invalid, "The file %s is not a source distribution, which ends in .tar.gz.", quoted(filename)).
			WithRule("pypi/file-extension").WithNext("Build a wheel or a source distribution; an index takes nothing else.")
	}
	return errs.New(errs.Invalid, "The source distribution of %s %s must be named %s, not %s.", name.Norm, version.Canonical, want, filename).
		WithRule("pypi/sdist-filename").WithNext("Build it with a current build backend.")
}

func otherFile(filename, norm, version string) error {
	return errs.New(errs.Invalid, "The file name %s is not one of %s %s, which the form names.", filename, norm, version).
		WithRule("pypi/filename-form").WithNext("Upload the file under the name that the build backend gave it.")
}

// checkDigests compares every digest of the form with the bytes that arrived; one at least must be there.
func (f *form) checkDigests(r *registry.File) error {
	if len(f.Digests) == 0 {
		return badForm("it holds no digest; one of sha256_digest, blake2_256_digest and md5_digest is needed")
	}
	algorithms := make([]string, 0, len(f.Digests))
	for algorithm := range f.Digests {
		algorithms = append(algorithms, algorithm)
	}
	slices.Sort(algorithms)
	for _, algorithm := range algorithms {
		if have, _ := r.Digests.Hex(algorithm); have != f.Digests[algorithm] {
			return errs.New(errs.Invalid, "The digest supplied does not match a digest calculated from the uploaded file: the form's %s is %s, the file's %s.",
				algorithm, quoted(f.Digests[algorithm]), have).WithRule("pypi/digest").WithNext("The file was damaged on its way or changed while it was sent; upload it again.")
		}
	}
	return nil
}

// multipartBody opens the request's form.
func multipartBody(r *http.Request) (*multipart.Reader, error) {
	body, err := r.MultipartReader()
	if err != nil {
		return nil, badForm("the request is not multipart/form-data").Because(err)
	}
	return body, nil
}
