package pypi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"strings"

	"bonded/internal/access"
	"bonded/internal/blob"
	"bonded/internal/door"
	"bonded/internal/errs"
	"bonded/internal/intake"
	"bonded/internal/registry"
	"bonded/internal/request"
)

// serveUpload answers below legacy/ (pypi.md §2.1); path is what follows.
func (d *Door) serveUpload(w http.ResponseWriter, r *http.Request, q *door.Request, path []string) error {
	request.SetRoute(r.Context(), "pypi.upload")
	switch {
	case len(path) == 0:
		redirect(w, r, http.StatusPermanentRedirect, q.Base+"/legacy/")
		return nil
	case len(path) > 1 || path[0] != "":
		return noSuchPage(q)
	case r.Method != http.MethodPost:
		e := errs.New(errs.Invalid, "Uploads are sent here with POST.").WithRule("pypi/method").
			WithNext("Use %s/legacy/ as the repository URL of twine or as --publish-url of uv.", q.Base)
		row := wrongMethod
		row.Header = map[string]string{"Allow": http.MethodPost}
		return operationError{e, row}
	}
	repo, err := q.UploadRepo(r.Context())
	if err != nil {
		return err
	}
	body, err := multipartBody(r)
	if err != nil {
		return err
	}
	u := &upload{q: q, repo: repo, form: newForm()}
	defer u.discard()
	if err := u.receive(r.Context(), body); err != nil {
		return err
	}
	if err := u.publish(r.Context()); err != nil {
		return err
	}
	// The body of a success holds warnings (pypi.md §2.1), and there are none.
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusOK)
	return nil
}

// upload is one upload on its way in.
type upload struct {
	q        *door.Request
	repo     *registry.Repository
	form     form
	filename string
	kind     string
	file     *blob.Staged
	metadata *blob.Staged
}

func (u *upload) discard() {
	for _, s := range []*blob.Staged{u.file, u.metadata} {
		if s != nil {
			s.Discard()
		}
	}
}

// receive reads the form. The file may come before or after the fields; where they came first, as from twine and uv, all
// that can be refused by them is refused before the bytes are read.
func (u *upload) receive(ctx context.Context, body *multipart.Reader) error {
	for {
		part, err := nextPart(body)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return cutOff(err)
		}
		if part.name != "content" {
			if err := u.form.take(part); err != nil {
				return err
			}
			continue
		}
		if err := u.receiveFile(ctx, part); err != nil {
			return err
		}
	}
	if err := u.check(ctx); err != nil {
		return err
	}
	if u.file == nil {
		return badForm("it has no file in the field content")
	}
	return nil
}

func (u *upload) receiveFile(ctx context.Context, part formPart) error {
	kind := part.Header.Get("Content-Type")
	switch {
	case u.file != nil:
		return badForm("the field \"content\" stands there twice")
	case !part.isFile || part.filename == "":
		return badForm("the field \"content\" is not a file with a name")
	case strings.HasPrefix(strings.ToLower(kind), "image/"):
		return badForm("the file is sent as an image")
	}
	u.filename = part.filename
	if u.form.complete() {
		if err := u.check(ctx); err != nil {
			return err
		}
	}
	var err error
	u.file, err = u.q.House.Intake.Receive(ctx, u.repo, part)
	return err
}

// check asks everything that needs no bytes. Permission for the project is asked again when it is recorded.
func (u *upload) check(ctx context.Context) error {
	if err := u.form.check(u.q); err != nil {
		return err
	}
	name, err := ParseName(u.form.Name)
	if err != nil {
		return err
	}
	if err := u.mayPublish(ctx, name.Norm); err != nil || u.filename == "" {
		return err
	}
	u.kind, err = u.form.checkFilename(u.filename)
	return err
}

func (u *upload) mayPublish(ctx context.Context, norm string) error {
	source, err := u.q.House.Registry.Source(ctx, u.repo)
	if err != nil {
		return err
	}
	p, err := source.Project(ctx, norm)
	if err != nil && !errs.Is(err, errs.NotFound) {
		return err
	}
	return u.q.House.Gate.May(u.q.Principal, access.Publish, intake.ResourceOf(u.repo, norm, p))
}

// publish takes the file through the line.
func (u *upload) publish(ctx context.Context) error {
	file := &registry.File{Digests: u.file.Digests()}
	if err := u.form.checkDigests(file); err != nil {
		return err
	}
	name, err := ParseName(u.form.Name)
	if err != nil {
		return err
	}
	version, err := ParseUploadVersion(u.form.Version)
	if err != nil {
		return err
	}
	path := FilePath(name.Norm, u.filename)
	_, err = u.q.House.Intake.Publish(ctx, intake.Submission{
		Repo: u.repo, Principal: u.q.Principal, Name: u.form.Name, Version: u.form.Version,
		Parts:  []intake.Part{{Path: path, Kind: u.kind, Bytes: u.file, Inspect: true}},
		Claim:  &u.form.Claim,
		Extend: true, // a release is uploaded file by file
		Check:  func(p *registry.Project) error { return oneSdist(p, version.Unique, u.kind, path) },
		Derive: func(ctx context.Context, m []*registry.Manifest) ([]intake.Part, error) {
			return u.sidecar(ctx, path, m)
		},
	})
	return err
}

// sidecar stages a wheel's METADATA, byte for byte, as the .metadata beside it (pypi.md §1.4).
func (u *upload) sidecar(ctx context.Context, path string, manifests []*registry.Manifest) ([]intake.Part, error) {
	if u.kind != KindWheel {
		return nil, nil
	}
	var err error
	if u.metadata, err = u.q.House.Intake.Receive(ctx, u.repo, bytes.NewReader(manifests[0].Raw)); err != nil {
		return nil, err
	}
	return []intake.Part{{Path: path + metadataSuffix, Kind: KindMetadata, Bytes: u.metadata}}, nil
}

// oneSdist refuses a second source distribution of a release, such as foo-1.0.0.tar.gz beside foo-1.0.tar.gz (pypi.md §2.3
// item 14).
func oneSdist(p *registry.Project, unique, kind, path string) error {
	if p == nil || kind != KindSdist {
		return nil
	}
	r := p.Release(unique)
	if r == nil {
		return nil
	}
	for _, f := range r.Files {
		if f.Kind == KindSdist && f.Path != path {
			return errs.New(errs.Invalid, "%s %s has a source distribution already, %s, and a release has one.", p.Display, r.Version, f.Name()).
				WithRule("pypi/one-sdist").WithNext("Publish under a new version.")
		}
	}
	return nil
}
