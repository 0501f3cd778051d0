package api

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"bonded/internal/access"
	"bonded/internal/door"
	"bonded/internal/errs"
	"bonded/internal/registry"
	"bonded/internal/request"
	"bonded/internal/usage"
	"bonded/internal/web"
)

// Found is one package of a search.
type Found struct {
	Ecosystem  string    `json:"ecosystem"`
	Repository string    `json:"repository" doc:"The repository that holds it"`
	Name       string    `json:"name"`
	Latest     string    `json:"latest" doc:"The version that clients take by default"`
	Summary    string    `json:"summary,omitempty"`
	Status     string    `json:"status" enum:"active,archived,deprecated,quarantined"`
	UpdatedAt  time.Time `json:"updated_at"`
}

// SearchResult is one page of a search.
type SearchResult struct {
	Packages []Found `json:"packages"`
	Total    int     `json:"total" doc:"How many there are on all pages"`
	Page     int     `json:"page"`
}

// Package is a package with its releases.
type Package struct {
	Ecosystem    string            `json:"ecosystem"`
	Repository   string            `json:"repository" doc:"The repository that was asked"`
	StoredIn     string            `json:"stored_in" doc:"The repository that holds it; behind a group, the member"`
	Name         string            `json:"name"`
	Normalized   string            `json:"normalized" doc:"The name in the form in which it is unique"`
	Status       string            `json:"status" enum:"active,archived,deprecated,quarantined"`
	StatusReason string            `json:"status_reason,omitempty"`
	LegalHold    bool              `json:"legal_hold,omitempty" doc:"Nothing of it may be deleted; shown to administrators"`
	Latest       string            `json:"latest,omitempty" doc:"The version that clients take by default"`
	Tags         map[string]string `json:"tags,omitempty" doc:"Names that point to versions, such as npm's dist-tags"`
	Owners       []string          `json:"owners,omitempty"`
	Downloads    int64             `json:"downloads"`
	CreatedAt    time.Time         `json:"created_at"`
	UpdatedAt    time.Time         `json:"updated_at"`
	Releases     []Release         `json:"releases" doc:"Newest first. Held ones are shown to those who may publish the package"`
	Page         string            `json:"page" format:"uri" doc:"Its page for people"`
}

// Release is one version.
type Release struct {
	Version     string    `json:"version"`
	Prerelease  bool      `json:"prerelease,omitempty"`
	Moving      bool      `json:"moving,omitempty" doc:"It points to numbered builds: a Maven snapshot, a Composer branch"`
	Yanked      bool      `json:"yanked,omitempty"`
	YankReason  string    `json:"yank_reason,omitempty"`
	Deprecated  string    `json:"deprecated,omitempty" doc:"The publisher's deprecation message"`
	Verdict     Verdict   `json:"verdict"`
	PublishedAt time.Time `json:"published_at"`
	PublishedBy string    `json:"published_by,omitempty"`
	Files       []File    `json:"files" doc:"Empty where the verdict keeps them back"`
}

// Verdict is what policy decided about a release.
type Verdict struct {
	Decision string     `json:"decision" enum:"allow,warn,hold,block"`
	Rule     string     `json:"rule,omitempty"`
	Reason   string     `json:"reason,omitempty"`
	Until    *time.Time `json:"until,omitempty" doc:"When a hold ends by itself"`
}

// File is one artifact of a release.
type File struct {
	Path       string    `json:"path"`
	URL        string    `json:"url" format:"uri"`
	Kind       string    `json:"kind"`
	Size       int64     `json:"size"`
	UploadedAt time.Time `json:"uploaded_at"`
	Digests    Digests   `json:"digests"`
}

// Digests of a file, in lower-case hex; integrity is npm's spelling of the SHA-512.
type Digests struct {
	SHA256     string `json:"sha256"`
	SHA512     string `json:"sha512"`
	SHA1       string `json:"sha1"`
	MD5        string `json:"md5"`
	Blake2b256 string `json:"blake2b_256"`
	Integrity  string `json:"integrity"`
}

// ReleaseDetail is one version with what its artifact says about itself.
type ReleaseDetail struct {
	Release
	Summary      string                `json:"summary,omitempty"`
	License      string                `json:"license,omitempty"`
	Links        map[string]string     `json:"links,omitempty" doc:"As its publisher gave them, unchecked"`
	Authors      []string              `json:"authors,omitempty"`
	Keywords     []string              `json:"keywords,omitempty"`
	Dependencies []registry.Dependency `json:"dependencies"`
	InstallCode  []string              `json:"install_code,omitempty" doc:"What runs on the consumer's machine when it is installed or built"`
	Notes        []string              `json:"notes,omitempty" doc:"What was found on inspection and tolerated"`
}

type searchQuery struct {
	Query      string `query:"q" doc:"Words that all have to occur in the name, the summary or the keywords" maxLength:"200"`
	Repository string `query:"repository" doc:"An ecosystem (npm) or a repository (npm/main); all by default" maxLength:"90"`
	Page       int    `query:"page" doc:"Which page" minimum:"1" maximum:"500" default:"1"`
	PerPage    int    `query:"per_page" doc:"How many on a page" minimum:"1" maximum:"100" default:"20"`
}

// PackagePath names a package in a path.
type PackagePath struct {
	RepositoryPath
	Name string `path:"name" doc:"The package's name as one segment: @scope%2Fname, vendor%2Fname, group:artifact" example:"left-pad" maxLength:"420"`
}

// ReleasePath names a release in a path.
type ReleasePath struct {
	PackagePath
	Version string `path:"version" doc:"The version as one segment" example:"1.0.0" maxLength:"255"`
}

func (a *API) addPackages() {
	add(a, huma.Operation{
		OperationID: "search-packages", Method: http.MethodGet, Path: "/api/v1/packages", Tags: []string{"Packages"}, Security: mayBeAnonymous,
		Summary:     "Search packages",
		Description: "Best first: the exact name, names that begin with the text, names that hold it, then the rest. A token that may read only some packages of a repository finds none of that repository here.",
	}, a.search)
	add(a, huma.Operation{
		OperationID: "get-package", Method: http.MethodGet, Path: "/api/v1/packages/{ecosystem}/{repository}/{name}", Tags: []string{"Packages"},
		Security: mayBeAnonymous, Summary: "Read a package", Description: "With its releases, their verdicts, files and digests.",
	}, a.getPackage)
	add(a, huma.Operation{
		OperationID: "get-release", Method: http.MethodGet, Path: "/api/v1/packages/{ecosystem}/{repository}/{name}/releases/{version}", Tags: []string{"Packages"},
		Security: mayBeAnonymous, Summary: "Read a release", Description: "With what its artifact says about itself: dependencies, licence, links, code that runs at install time.",
	}, a.getRelease)
}

func (a *API) search(ctx context.Context, p access.Principal, in *searchQuery) (SearchResult, error) {
	out := SearchResult{Packages: []Found{}, Page: in.Page}
	in.Query = web.SearchText(in.Query)
	repos, byID, err := a.searchable(ctx, p, in.Repository)
	if err != nil {
		return out, err
	}
	hits, total, err := a.house.Registry.Search(ctx, registry.Query{Repositories: repos, Text: in.Query, Offset: (in.Page - 1) * in.PerPage, Limit: in.PerPage})
	if err != nil {
		return out, err
	}
	out.Total = total
	for _, h := range hits {
		f, ok, err := a.found(ctx, p, byID[h.RepositoryID], h)
		if err != nil {
			return out, err
		}
		if ok {
			out.Packages = append(out.Packages, f)
		}
	}
	return out, nil
}

// found is what the caller may see of a hit; not ok when that is nothing.
func (a *API) found(ctx context.Context, p access.Principal, repo *registry.Repository, h registry.Hit) (Found, bool, error) {
	q, err := a.house.Visit(ctx, p, repo.Ecosystem, repo.Name)
	if err != nil {
		return Found{}, false, err
	}
	project, err := q.Project(ctx, h.Norm)
	if errs.Is(err, errs.NotFound) { // went between the two reads
		return Found{}, false, nil
	}
	if err != nil {
		return Found{}, false, err
	}
	latest := q.View(project).Latest()
	if latest == nil {
		return Found{}, false, nil
	}
	f := Found{
		Ecosystem: repo.Ecosystem, Repository: repo.Name, Name: project.Display, Latest: latest.Version, Summary: h.Summary,
		Status: string(project.Status), UpdatedAt: project.UpdatedAt,
	}
	if latest.Version != h.Latest { // the words of a release that is withheld are withheld too
		m, err := a.house.Registry.Manifest(ctx, latest.ID)
		if err != nil {
			return f, false, err
		}
		f.Summary = m.Summary
	}
	return f, true, nil
}

// searchable are the repositories that hold what the filter names, of which the caller may read every package: a count of
// hits must not tell what a narrow token may not see.
func (a *API) searchable(ctx context.Context, p access.Principal, filter string) ([]*registry.Repository, map[int64]*registry.Repository, error) {
	readable, err := a.house.Readable(ctx, p)
	if err != nil {
		return nil, nil, err
	}
	var out []*registry.Repository
	byID := map[int64]*registry.Repository{}
	known := filter == ""
	for _, repo := range readable {
		if filter != "" && filter != repo.Ecosystem && filter != repo.Path() {
			continue
		}
		known = true
		members, err := a.house.Registry.Members(ctx, repo)
		if err != nil {
			return nil, nil, err
		}
		for _, m := range members {
			if byID[m.ID] == nil && a.mayReadAll(p, m) {
				byID[m.ID] = m
				out = append(out, m)
			}
		}
	}
	if !known {
		return nil, nil, errs.New(errs.NotFound, "There is no repository %q here.", filter).WithRule("registry/repository")
	}
	return out, byID, nil
}

// anyName stands for every project: no scope names it, since no ecosystem's names hold a space.
const anyName = "any project"

func (a *API) mayReadAll(p access.Principal, repo *registry.Repository) bool {
	return a.house.Gate.May(p, access.Read, access.Resource{Repository: repo.Path(), Visibility: string(repo.Visibility), Project: anyName}) == nil
}

// project finds a package by any spelling of its name.
func (a *API) project(ctx context.Context, p access.Principal, in *PackagePath) (*door.Request, *registry.Project, error) {
	q, err := a.house.Visit(ctx, p, in.Ecosystem, in.Repository)
	if err != nil {
		return nil, nil, err
	}
	none := errs.New(errs.NotFound, "The repository %s has no package named %q.", q.Repo.Path(), in.Name).WithRule("registry/project")
	norm, ok := a.house.Registry.Format(q.Repo.Ecosystem).Normalize(in.Name)
	if !ok {
		return nil, nil, none
	}
	project, err := q.Project(ctx, norm)
	if errs.Is(err, errs.NotFound) || errs.Is(err, errs.Unauthenticated) { // the member that owns the name is none of the caller's business
		return nil, nil, none
	}
	return q, project, err
}

func (a *API) getPackage(ctx context.Context, p access.Principal, in *PackagePath) (Package, error) {
	q, project, err := a.project(ctx, p, in)
	if err != nil {
		return Package{}, err
	}
	return a.packageOf(ctx, q, project)
}

func (a *API) packageOf(ctx context.Context, q *door.Request, p *registry.Project) (Package, error) {
	view := q.View(p)
	out := Package{
		Ecosystem: p.Repo.Ecosystem, Repository: q.Repo.Name, StoredIn: p.Repo.Name, Name: p.Display, Normalized: p.Norm,
		Status: string(p.Status), StatusReason: p.StatusReason, LegalHold: p.LegalHold && q.Principal.Administrator,
		CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt, Releases: []Release{}, Page: request.BaseURL(ctx) + web.PackagePath(q.Repo.Path(), p.Norm),
	}
	if latest := view.Latest(); latest != nil {
		out.Latest = latest.Version
	}
	for _, o := range p.Owners {
		out.Owners = append(out.Owners, o.Name)
	}
	visible := a.visible(q, view)
	if len(visible) == 0 && p.Status != registry.Quarantined {
		return out, errs.New(errs.NotFound, "The repository %s has no package named %q.", q.Repo.Path(), p.Display).WithRule("registry/project")
	}
	for _, r := range slices.Backward(visible) {
		out.Releases = append(out.Releases, releaseOf(q, p, r))
		for tag, unique := range p.Tags {
			if unique == r.Unique {
				if out.Tags == nil {
					out.Tags = map[string]string{}
				}
				out.Tags[tag] = r.Version
			}
		}
	}
	var err error
	out.Downloads, err = usage.Total(ctx, a.house.Registry.DB(), p.ID, 0)
	return out, err
}

// visible are the releases that the caller may be told of, lowest first: all for those who may publish the package; for others
// what is served, and what is blocked, with its reason.
func (a *API) visible(q *door.Request, view registry.View) []*registry.Release {
	p := view.Project
	mine := q.May(access.Publish, p, p.Norm) == nil
	if mine {
		return p.Releases
	}
	if p.Status == registry.Quarantined {
		return nil
	}
	now := a.house.Clock.Now()
	var out []*registry.Release
	for _, r := range p.Releases {
		if r.Verdict.Serves(now) || r.Verdict.Decision == registry.Block {
			out = append(out, r)
		}
	}
	return out
}

// withheld reports whether a verdict or a quarantine keeps a release's files back.
func withheld(q *door.Request, p *registry.Project, r *registry.Release) bool {
	return p.Status == registry.Quarantined || !r.Verdict.Serves(q.House.Clock.Now())
}

func releaseOf(q *door.Request, p *registry.Project, r *registry.Release) Release {
	out := Release{
		Version: r.Version, Prerelease: r.Prerelease, Moving: r.Moving, Yanked: r.Yanked, YankReason: r.YankReason, Deprecated: r.Mark,
		Verdict:     Verdict{Decision: string(r.Verdict.Decision), Rule: r.Verdict.Rule, Reason: r.Verdict.Reason},
		PublishedAt: r.PublishedAt, PublishedBy: r.PublishedBy, Files: []File{},
	}
	if u := r.Verdict.Until; !u.IsZero() {
		out.Verdict.Until = &u
	}
	if withheld(q, p, r) {
		return out
	}
	for _, f := range r.Files {
		d := &f.Digests
		out.Files = append(out.Files, File{
			Path: f.Path, URL: q.Base + "/" + web.EscapePath(f.Path), Kind: f.Kind, Size: d.Size, UploadedAt: f.UploadedAt,
			Digests: Digests{
				SHA256: d.SHA256.String(), SHA512: hex.EncodeToString(d.SHA512[:]), SHA1: hex.EncodeToString(d.SHA1[:]), MD5: hex.EncodeToString(d.MD5[:]),
				Blake2b256: hex.EncodeToString(d.Blake2b[:]), Integrity: "sha512-" + base64.StdEncoding.EncodeToString(d.SHA512[:]),
			},
		})
	}
	return out
}

func (a *API) getRelease(ctx context.Context, p access.Principal, in *ReleasePath) (ReleaseDetail, error) {
	q, project, err := a.project(ctx, p, &in.PackagePath)
	if err != nil {
		return ReleaseDetail{}, err
	}
	r, err := a.releaseNamed(project, a.visible(q, q.View(project)), in.Version)
	if err != nil {
		return ReleaseDetail{}, err
	}
	out := ReleaseDetail{Release: releaseOf(q, project, r), Dependencies: []registry.Dependency{}}
	mine := q.May(access.Publish, project, project.Norm) == nil
	if withheld(q, project, r) && !mine { // the artifact is kept back, and so are its words
		return out, nil
	}
	m, err := a.house.Registry.Manifest(ctx, r.ID)
	if err != nil {
		return out, err
	}
	out.Summary, out.License, out.Authors, out.Keywords = m.Summary, m.License, m.Authors, m.Keywords
	out.InstallCode, out.Notes = m.InstallCode, m.Notes
	out.Dependencies = append(out.Dependencies, m.Dependencies...)
	for label, address := range m.Links {
		if u, err := url.Parse(address); err == nil && (u.Scheme == "http" || u.Scheme == "https") {
			if out.Links == nil {
				out.Links = map[string]string{}
			}
			out.Links[label] = address
		}
	}
	return out, nil
}

// releaseNamed finds a version, in any of its spellings, among those that the caller may be told of.
func (a *API) releaseNamed(p *registry.Project, among []*registry.Release, version string) (*registry.Release, error) {
	r := p.Release(version)
	if v, err := a.house.Registry.Format(p.Repo.Ecosystem).Version(version); r == nil && err == nil {
		r = p.Release(v.Unique)
	}
	if r == nil || !slices.Contains(among, r) {
		return nil, errs.New(errs.NotFound, "%s has no version %s here.", p.Display, version).WithRule("registry/release")
	}
	return r, nil
}
