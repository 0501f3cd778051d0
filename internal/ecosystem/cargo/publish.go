package cargo

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"bonded/internal/access"
	"bonded/internal/digest"
	"bonded/internal/door"
	"bonded/internal/errs"
	"bonded/internal/intake"
	"bonded/internal/registry"
)

// maxPublishJSON is the largest metadata part of a publish, in bytes (cargo.md §2.5).
const maxPublishJSON = 1 << 20

// servePublish answers `cargo publish` (cargo.md §2.3).
func servePublish(w http.ResponseWriter, r *http.Request, q *door.Request) error {
	repo, err := q.UploadRepo(r.Context())
	if err != nil {
		return err
	}
	body := publishBody{r: r.Body}
	receipt, err := publish(r.Context(), q, repo, body)
	if err != nil {
		body.drain()
		return err
	}
	type warnings struct {
		Categories []string `json:"invalid_categories"`
		Badges     []string `json:"invalid_badges"`
		Other      []string `json:"other"`
	}
	w.Header().Set("Cache-Control", "no-store")
	door.WriteJSON(w, http.StatusOK, map[string]warnings{"warnings": {[]string{}, []string{}, notNull(remarks(receipt))}})
	return nil
}

// publish takes the two parts of the body to their place.
func publish(ctx context.Context, q *door.Request, repo *registry.Repository, body publishBody) (*intake.Receipt, error) {
	text, err := body.metadata()
	if err != nil {
		return nil, err
	}
	claim, err := parseClaim(text, append(indexURLs(q, q.Repo.Name), indexURLs(q, repo.Name)...))
	if err != nil {
		return nil, err
	}
	if err := admit(ctx, q, repo, claim); err != nil {
		return nil, err
	}
	crate, err := body.crate(q.House.Intake.FileLimit(repo))
	if err != nil {
		return nil, err
	}
	staged, err := q.House.Intake.Receive(ctx, repo, crate)
	if err != nil {
		return nil, err
	}
	defer staged.Discard()
	if err := body.end(); err != nil {
		return nil, err
	}
	return q.House.Intake.Publish(ctx, intake.Submission{
		Repo: repo, Principal: q.Principal, Name: claim.Name, Version: claim.Version, Claim: claim,
		Parts: []intake.Part{{Path: FilePath(claim.Name, claim.Version), Kind: "crate", Bytes: staged, Inspect: true}},
		Check: func(p *registry.Project) error { return mayFollow(p, claim, staged.Digests().SHA256) },
	})
}

// remarks are what the publisher reads after "warning: ".
func remarks(receipt *intake.Receipt) []string {
	var out []string
	if receipt.Identical {
		out = append(out, fmt.Sprintf("%s %s was published here before, with the same bytes; nothing has changed.", receipt.Name.Display, receipt.Version.Canonical))
	}
	if d := receipt.Verdict.Decision; d == registry.Hold || d == registry.Block {
		out = append(out, fmt.Sprintf("%s %s is stored, and held back for now: %s [%s]", receipt.Name.Display, receipt.Version.Canonical, receipt.Verdict.Reason, receipt.Verdict.Rule))
	}
	for _, m := range receipt.Manifests {
		if c, ok := m.Detail.(*Crate); ok {
			out = append(out, c.Warnings...)
		}
	}
	return out
}

// admit refuses what can be refused before the crate itself is read.
func admit(ctx context.Context, q *door.Request, repo *registry.Repository, claim *Claim) error {
	name, err := ParseName(claim.Name)
	if err != nil {
		return err
	}
	if _, err := ParseVersion(claim.Version); err != nil {
		return err
	}
	source, err := q.House.Registry.Source(ctx, repo)
	if err != nil {
		return err
	}
	current, err := source.Project(ctx, name.Norm)
	if err != nil && !errs.Is(err, errs.NotFound) {
		return err
	}
	if err := q.House.Gate.May(q.Principal, access.Publish, intake.ResourceOf(repo, name.Norm, current)); err != nil {
		return err
	}
	if err := sameSpelling(current, claim.Name); err != nil {
		return err
	}
	return dependenciesExist(ctx, q, claim)
}

// sameSpelling keeps a crate to the spelling of its first release: clients find no other (cargo.md §1.3, §2.5).
func sameSpelling(p *registry.Project, name string) error {
	if p == nil || p.Display == name {
		return nil
	}
	return errs.New(errs.Conflict, "The crate was previously named `%s`, and `%s` differs from it only in case, \"-\" and \"_\".", p.Display, name).
		WithRule("cargo/name-taken").WithNext("Set package.name to %s, or choose a name of its own.", p.Display)
}

// mayFollow is the last word before a release is recorded, with the facts under the lock. A version is used once, whatever
// its build metadata (cargo.md §2.5); the same bytes again are no second use.
func mayFollow(p *registry.Project, claim *Claim, sum digest.SHA256) error {
	if p == nil {
		return nil
	}
	if err := sameSpelling(p, claim.Name); err != nil {
		return err
	}
	unique, _, _ := strings.Cut(claim.Version, "+")
	release := p.Release(unique)
	if release == nil {
		return nil
	}
	if f := p.File(FilePath(claim.Name, claim.Version)); f != nil && f.Digests.SHA256 == sum {
		return nil
	}
	e := errs.New(errs.Conflict, "crate version `%s` is already uploaded, and a published version never changes.", release.Version).
		WithRule("cargo/version-used").WithNext("Raise package.version.")
	if release.Version != claim.Version {
		e.Next += " Build metadata alone does not make another version."
	}
	return e
}

// dependenciesExist refuses a crate that needs what this registry does not have under that spelling (cargo.md §2.5): nobody
// could build with it.
func dependenciesExist(ctx context.Context, q *door.Request, claim *Claim) error {
	for _, d := range claim.Dependencies {
		if claim.home(d.Registry) != "" {
			continue
		}
		norm, ok := NormalizeName(d.Crate())
		if !ok {
			return invalid("dependency-name", "The dependency %q is not named as Cargo names crates.", d.Crate())
		}
		p, err := q.Project(ctx, norm)
		switch {
		case errs.Is(err, errs.NotFound):
			return invalid("dependency-unknown", "The dependency %s is not in %s.", d.Crate(), q.Repo.Path()).
				WithNext("Publish it first, or name the registry it comes from.")
		case err != nil:
			return err
		case p.Display != d.Crate():
			return invalid("dependency-spelling", "The dependency %s is spelled %s in %s.", d.Crate(), p.Display, q.Repo.Path()).
				WithNext("Write it the same way in Cargo.toml.")
		}
	}
	return nil
}

// publishBody reads the two parts of a publish: u32 length, JSON, u32 length, crate, little-endian (cargo.md §2.3).
type publishBody struct{ r io.Reader }

func (b publishBody) length() (uint32, error) {
	var n [4]byte
	if _, err := io.ReadFull(b.r, n[:]); err != nil {
		return 0, cutOff(err)
	}
	return binary.LittleEndian.Uint32(n[:]), nil
}

// maxDrain is how much of a refused upload is still read.
const maxDrain = 32 << 20

// drain reads on after a refusal: a client that is still sending when the connection closes may lose the answer.
func (b publishBody) drain() {
	_, _ = io.Copy(io.Discard, io.LimitReader(b.r, maxDrain)) // what is wrong with it has been said
}

// cutOff is the refusal of a body that ended early; errors with a sentence of their own keep it.
func cutOff(err error) error {
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	return errs.New(errs.Invalid, "The publish request ended before all that it announces had arrived.").WithRule("cargo/publish-truncated").
		WithNext("Publish again.").Because(err)
}

func (b publishBody) metadata() ([]byte, error) {
	n, err := b.length()
	if err != nil {
		return nil, err
	}
	if n > maxPublishJSON {
		return nil, errs.New(errs.TooLarge, "The metadata of the publish request has %d bytes; at most %d are accepted.", n, maxPublishJSON).
			WithRule("cargo/publish-json-size").WithNext("Shorten the readme or the lists of features.")
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(b.r, text); err != nil {
		return nil, cutOff(err)
	}
	return text, nil
}

// crate is the reader of the crate's bytes. It fails when fewer come than announced.
func (b publishBody) crate(limit int64) (io.Reader, error) {
	n, err := b.length()
	if err != nil {
		return nil, err
	}
	if int64(n) > limit {
		return nil, errs.New(errs.TooLarge, "The crate has %d bytes; max upload size is: %d.", n, limit).WithRule("intake/file-limit").
			WithNext("Leave files out with package.exclude, or have an administrator raise the limit with `bonded repo set`.")
	}
	return &exactReader{b.r, int64(n)}, nil
}

// end refuses bytes after the crate, which another reader might take for something.
func (b publishBody) end() error {
	var one [1]byte
	n, err := io.ReadFull(b.r, one[:])
	if n == 0 && errors.Is(err, io.EOF) {
		return nil
	}
	if n == 0 {
		return err
	}
	return errs.New(errs.Invalid, "The publish request goes on after the crate.").WithRule("cargo/publish-trailing").WithNext("Publish with `cargo publish`.")
}

// exactReader reads n bytes, and an early end is an error.
type exactReader struct {
	r io.Reader
	n int64
}

func (e *exactReader) Read(p []byte) (int, error) {
	if e.n == 0 {
		return 0, io.EOF
	}
	if int64(len(p)) > e.n {
		p = p[:e.n]
	}
	n, err := e.r.Read(p)
	e.n -= int64(n)
	switch {
	case e.n == 0:
		return n, nil
	case err != nil:
		return n, cutOff(err)
	}
	return n, nil
}
