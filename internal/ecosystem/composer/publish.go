package composer

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"

	"bonded/internal/access"
	"bonded/internal/blob"
	"bonded/internal/digest"
	"bonded/internal/door"
	"bonded/internal/errs"
	"bonded/internal/intake"
	"bonded/internal/registry"
)

// published is the answer to an upload. Composer has no publish command, so it is made for people and scripts behind curl.
type published struct {
	Status            string            `json:"status"`
	Message           string            `json:"message"`
	Package           string            `json:"package"`
	Version           string            `json:"version"`
	VersionNormalized string            `json:"version_normalized"`
	Dist              map[string]string `json:"dist"`
	SHA256            string            `json:"sha256"`
}

// publish takes a zip as the body of PUT {base}/[?version=] or PUT {base}/{vendor}/{package}/{version} (composer.md §8):
// 201 when it is published, 200 when the same bytes were, 409 when others were.
func (d *Door) publish(w http.ResponseWriter, r *http.Request, q *door.Request) error {
	ctx := r.Context()
	claim, err := claimOf(q.Path, r.URL.Query())
	if err != nil {
		return err
	}
	repo, err := d.checkUpload(r, q, claim)
	if err != nil {
		return err
	}
	staged, err := d.house.Intake.Receive(ctx, repo, r.Body)
	if err != nil {
		return err
	}
	defer staged.Discard()
	if err := checkDigest(r.Header, staged.Digests()); err != nil {
		return err
	}
	m, err := inspectStaged(staged)
	if err != nil {
		return err
	}
	s, err := submission(q, repo, staged, m, claim)
	if err != nil {
		return err
	}
	receipt, err := d.house.Intake.Publish(ctx, s)
	if err != nil {
		return err
	}
	d.rememberProvided(ctx, q, repo, receipt.Name.Norm, m)
	answer(w, q, receipt, m, staged.Digests())
	return nil
}

// claimOf reads what the URL says: nothing, a version, or name and version. curl appends the file's name to a path that ends
// in a slash, so a single segment says nothing, and neither does a last one *.zip.
func claimOf(path string, query url.Values) (Claim, error) {
	plain, err := url.PathUnescape(strings.Trim(path, "/"))
	if err != nil {
		return Claim{}, errs.New(errs.Invalid, "A zip cannot be uploaded to this URL.").WithRule("composer/upload-url").
			WithNext("PUT it to the repository's URL, to …/?version=VERSION, or to …/VENDOR/PACKAGE/VERSION.")
	}
	parts := strings.Split(plain, "/")
	if strings.HasSuffix(strings.ToLower(parts[len(parts)-1]), "."+distType) {
		parts = parts[:len(parts)-1]
	}
	c := Claim{Version: query.Get("version")}
	if len(parts) < 2 {
		return c, nil
	}
	c.Name = parts[0] + "/" + parts[1]
	inPath := strings.Join(parts[2:], "/") // a branch may hold slashes
	if c.Version != "" && inPath != "" && c.Version != inPath {
		return c, errs.New(errs.Invalid, "The URL says version %q in its path and %q in its query.", inPath, c.Version).
			WithRule("composer/version-mismatch").WithNext("Say it once.")
	}
	if inPath != "" {
		c.Version = inPath
	}
	return c, nil
}

// checkUpload refuses what can be refused before the body is read.
func (d *Door) checkUpload(r *http.Request, q *door.Request, claim Claim) (*registry.Repository, error) {
	if claim.Name != "" {
		if _, err := ParseName(claim.Name); err != nil {
			return nil, err
		}
	}
	if claim.Version != "" {
		if _, err := ParseVersion(claim.Version); err != nil {
			return nil, err
		}
	}
	repo, err := q.UploadRepo(r.Context())
	if err != nil {
		return nil, err
	}
	if claim.Name != "" {
		if err := d.mayPublish(r.Context(), q, repo, claim.Name); err != nil {
			return nil, err
		}
	}
	if limit := d.house.Intake.FileLimit(repo); r.ContentLength > limit {
		return nil, errs.New(errs.TooLarge, "The zip has %d bytes; %s takes at most %d.", r.ContentLength, repo.Path(), limit).
			WithRule("intake/file-limit").WithNext("Keep build results and test data out of it with archive.exclude in composer.json.")
	}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/") {
		return nil, errs.New(errs.Invalid, "The zip came wrapped in a form.").WithRule("composer/upload-form").
			WithNext("Send it as the body itself: curl -T package.zip URL")
	}
	return repo, nil
}

// mayPublish asks early what intake asks again under the project's lock.
func (d *Door) mayPublish(ctx context.Context, q *door.Request, repo *registry.Repository, norm string) error {
	source, err := d.house.Registry.Source(ctx, repo)
	if err != nil {
		return err
	}
	p, err := source.Project(ctx, norm)
	if err != nil && !errs.Is(err, errs.NotFound) {
		return err
	}
	return d.house.Gate.May(q.Principal, access.Publish, intake.ResourceOf(repo, norm, p))
}

// checkDigest compares the body with a Content-Digest that the client sent (RFC 9530); algorithms that are not known are
// overlooked, as the RFC asks.
func checkDigest(h http.Header, got digest.Set) error {
	for _, line := range h.Values("Content-Digest") {
		for field := range strings.SplitSeq(line, ",") {
			algorithm, value, _ := strings.Cut(strings.TrimSpace(field), "=")
			var sum []byte
			switch strings.ToLower(algorithm) {
			case "sha-256":
				sum = got.SHA256[:]
			case "sha-512":
				sum = got.SHA512[:]
			default:
				continue
			}
			if value != ":"+base64.StdEncoding.EncodeToString(sum)+":" {
				return errs.New(errs.Invalid, "The body is not what its Content-Digest says; its SHA-256 is %s.", got.SHA256).
					WithRule("composer/content-digest").WithNext("Upload it again.")
			}
		}
	}
	return nil
}

func inspectStaged(staged *blob.Staged) (*registry.Manifest, error) {
	if staged.Digests().Size == 0 {
		return nil, errs.New(errs.Invalid, "The request has no body.").WithRule("composer/no-body").
			WithNext("Send the zip as the body: curl -T package.zip URL")
	}
	body, err := staged.Open()
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }()
	return inspect(registry.Artifact{Kind: distKind, Digests: staged.Digests(), Body: body, Strict: true})
}

// submission names the release: the archive says its name; its version is the archive's, else the request's.
func submission(q *door.Request, repo *registry.Repository, staged *blob.Staged, m *registry.Manifest, claim Claim) (intake.Submission, error) {
	if err := reconcile([]*registry.Manifest{m}, claim); err != nil {
		return intake.Submission{}, err
	}
	if m.Version == "" {
		m.Version = claim.Version
	}
	if m.Version == "" {
		return intake.Submission{}, errs.New(errs.Invalid, "Neither the composer.json in the archive nor the request says which version this is.").
			WithRule("composer/no-version").WithNext("Add ?version=1.2.3 to the URL (a branch is dev-NAME), or version to composer.json.")
	}
	if err := checkPretty(m.Version); err != nil {
		return intake.Submission{}, err
	}
	version, err := ParseVersion(m.Version)
	if err != nil {
		return intake.Submission{}, err
	}
	name, err := ParseName(m.Name)
	if err != nil {
		return intake.Submission{}, err
	}
	path := dist{name: name.Norm, version: version.Unique, reference: referenceOf(staged.Digests())}.path()
	return intake.Submission{
		Repo: repo, Principal: q.Principal, Name: m.Name, Version: m.Version, Claim: claim,
		Parts:  []intake.Part{{Path: path, Kind: distKind, Bytes: staged, Inspect: true, Manifest: m}},
		Extend: version.Moving, Replace: version.Moving,
	}, nil
}

func answer(w http.ResponseWriter, q *door.Request, receipt *intake.Receipt, m *registry.Manifest, d digest.Set) {
	status, message := http.StatusCreated, "Published "+receipt.Name.Display+" "+m.Version+"."
	if receipt.Identical {
		status, message = http.StatusOK, receipt.Name.Display+" "+m.Version+" is published here with the same bytes already; nothing changed."
	}
	at := dist{name: receipt.Name.Norm, version: receipt.Version.Unique, reference: referenceOf(d)}
	w.Header().Set("Cache-Control", "no-store")
	door.WriteJSON(w, status, published{
		Status: "success", Message: message, Package: receipt.Name.Display, Version: m.Version, VersionNormalized: receipt.Version.Unique,
		Dist: map[string]string{
			"type": distType, "url": q.Base + "/" + at.path(), "reference": at.reference, "shasum": hex.EncodeToString(d.SHA1[:]),
		},
		SHA256: d.SHA256.String(),
	})
}
