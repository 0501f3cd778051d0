package web

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/a-h/templ"
	"github.com/maypok86/otter/v2"

	"bonded/internal/digest"
	"bonded/internal/door"
	"bonded/internal/errs"
	"bonded/internal/readme"
	"bonded/internal/registry"
	"bonded/internal/usage"
)

// What one page shows at most; the rest is counted.
const (
	versionsPerPage   = 25
	versionsSelected  = 100
	filesShown        = 200
	dependenciesShown = 300
	wordsShown        = 30
)

// packageView is what a package's page shows.
type packageView struct {
	place
	Ecosystem ecosystem
	Project   *registry.Project
	Path      string
	// Release is the selected one; nil when none may be seen.
	Release *registry.Release
	// Latest is what clients take by default; Pinned reports that a version was asked for.
	Latest   *registry.Release
	Pinned   bool
	Manifest *registry.Manifest
	Readme   readme.Rendered
	Install  []snippet
	Setup    snippet
	Links    []outLink
	Files    []fileRow
	// MoreFiles and MoreDependencies count what is not shown.
	MoreFiles, MoreDependencies int
	Versions                    []versionRow
	VersionPages                pages
	Selectable                  []string
	VersionCount                int
	Through                     []*registry.Repository
	Downloads, RecentDownloads  int64
	Size                        int64
}

// versionRow is one line of the table of versions.
type versionRow struct {
	*registry.Release
	Path     string
	Tags     []string
	Withheld bool
	Selected bool
	Size     int64
}

// fileRow is one file with the digests that its ecosystem's people compare.
type fileRow struct {
	*registry.File
	URL     string
	Digests []digestRow
}

// digestRow is one digest in the spelling that the ecosystem writes it.
type digestRow struct{ Name, Value string }

// outLink is a link that the package's author gave.
type outLink struct{ Label, URL string }

// packagePage answers /packages/{ecosystem}/{repository}/{name…}, where the name stands with its slashes.
func (s *Site) packagePage(w http.ResponseWriter, r *http.Request, escaped string) error {
	eco, rest, _ := strings.Cut(escaped, "/")
	repository, escapedName, _ := strings.Cut(rest, "/")
	ctx := r.Context()
	q, err := s.visit(ctx, eco, repository)
	if err != nil {
		return err
	}
	if escapedName == "" {
		s.redirect(w, r, "/packages/?repository="+url.QueryEscape(q.Repo.Path()))
		return nil
	}
	name, err := url.PathUnescape(strings.TrimSuffix(escapedName, "/"))
	if err != nil {
		return noPackage(q, escapedName)
	}
	norm, ok := s.house.Registry.Format(eco).Normalize(name)
	if !ok {
		return noPackage(q, name)
	}
	p, err := q.Project(ctx, norm)
	if errs.Is(err, errs.NotFound) || errs.Is(err, errs.Unauthenticated) { // a member that not everybody may read keeps its names to itself
		return noPackage(q, name)
	}
	if err != nil {
		return err
	}
	if own := PackagePath(q.Repo.Path(), norm); own != r.URL.EscapedPath() && s.differs(own, r.URL.EscapedPath()) {
		s.redirect(w, r, own+query(r.URL.RawQuery))
		return nil
	}
	v, err := s.packageView(ctx, q, p, r.URL.Query().Get("version"), r.URL.Query().Get("versions"))
	if err != nil {
		return err
	}
	f := Frame{Title: p.Display, Section: "packages", Search: true, Description: v.summary()}
	if v.Pinned {
		f.Title += " " + v.label(v.Release)
	}
	return s.Show(w, r, http.StatusOK, f, func(f Frame) templ.Component { return packagePage(f, v) })
}

// differs reports whether two escaped paths mean different resources; spellings of one escape do not.
func (s *Site) differs(a, b string) bool {
	x, errA := url.PathUnescape(a)
	y, errB := url.PathUnescape(b)
	return errA != nil || errB != nil || x != y || strings.Contains(strings.ToLower(b), "%2f")
}

func noPackage(q *door.Request, name string) error {
	return errs.New(errs.NotFound, "The repository %s has no package named %q.", q.Repo.Path(), clip(name, 120)).WithRule("registry/project").
		WithNext("Search for it under another name.")
}

func (v *packageView) summary() string {
	if v.Manifest == nil {
		return ""
	}
	return clip(v.Manifest.Summary, 300)
}

func (s *Site) packageView(ctx context.Context, q *door.Request, p *registry.Project, version, versionsPage string) (*packageView, error) {
	view := q.View(p)
	v := &packageView{
		place: placeOf(ctx, q.Repo), Ecosystem: ecosystemOf(p.Repo.Ecosystem), Project: p, Path: PackagePath(q.Repo.Path(), p.Norm),
		Latest: view.Latest(),
	}
	if p.Status == registry.Quarantined {
		return v, nil
	}
	shown := visibleVersions(view)
	if len(shown) == 0 {
		return nil, noPackage(q, p.Display)
	}
	v.Release = v.Latest
	if version != "" {
		if v.Release = s.find(p, view.Releases, version); v.Release == nil {
			return nil, s.noVersion(shown, p, version)
		}
		v.Pinned = true
	}
	number, err := pageNumber(versionsPage)
	if err != nil {
		return nil, err
	}
	s.fillVersions(v, shown, version, number)
	routes, err := s.routes(ctx)
	if err != nil {
		return nil, err
	}
	v.Through = routes.through(ctx, p.Repo, p.Norm)
	if v.Release == nil {
		return v, nil
	}
	if v.Manifest, err = s.house.Registry.Manifest(ctx, v.Release.ID); err != nil {
		return nil, err
	}
	if v.Readme, err = s.readme(ctx, v.Manifest); err != nil {
		return nil, err
	}
	v.fillInstall(p)
	v.fillFiles()
	v.fillManifest()
	return v, s.fillDownloads(ctx, v)
}

// visibleVersions are all that a page may name, newest first: what is served, and what is blocked, with its reason. What is held
// has not been published to anybody yet.
func visibleVersions(view registry.View) []*registry.Release {
	if len(view.Withheld) == 0 {
		out := slices.Clone(view.Releases)
		slices.Reverse(out)
		return out
	}
	withheld := map[int64]bool{}
	for _, r := range view.Withheld {
		withheld[r.ID] = true
	}
	var out []*registry.Release
	for _, r := range slices.Backward(view.Project.Releases) {
		if !withheld[r.ID] || r.Verdict.Decision == registry.Block {
			out = append(out, r)
		}
	}
	return out
}

// find returns the release that a version in any of its spellings names, if it is among those given.
func (s *Site) find(p *registry.Project, among []*registry.Release, version string) *registry.Release {
	r := p.Release(version)
	if r == nil {
		v, err := s.house.Registry.Format(p.Repo.Ecosystem).Version(version)
		if err != nil {
			return nil
		}
		r = p.Release(v.Unique)
	}
	if r == nil || !slices.Contains(among, r) {
		return nil
	}
	return r
}

// labelOf is a version as its people write it. Composer's clients compare the normalized form, 1.0.0.0; what its publisher wrote stands
// in the record.
func labelOf(eco string, r *registry.Release) string {
	if eco != "composer" {
		return r.Version
	}
	var record struct {
		Version string `json:"version"`
	}
	if err := json.Unmarshal(r.Record, &record); err != nil || record.Version == "" {
		return r.Version
	}
	return record.Version
}

func (v *packageView) label(r *registry.Release) string { return labelOf(v.Ecosystem.ID, r) }

func (s *Site) noVersion(shown []*registry.Release, p *registry.Project, version string) error {
	if r := s.find(p, shown, version); r != nil {
		return errs.New(errs.Withheld, "%s %s is withheld: %s", p.Display, labelOf(p.Repo.Ecosystem, r), r.Verdict.Reason).WithRule(r.Verdict.Rule).
			WithNext("Use another version.")
	}
	return errs.New(errs.NotFound, "%s has no version %s here.", p.Display, clip(version, 80)).WithRule("registry/release").
		WithNext("The package's page lists those that it has.")
}

func (s *Site) fillVersions(v *packageView, shown []*registry.Release, version string, number int) {
	tags := map[string][]string{}
	for tag, unique := range v.Project.Tags {
		tags[unique] = append(tags[unique], tag)
	}
	now := s.now()
	v.VersionCount = len(shown)
	for _, r := range shown[:min(len(shown), versionsSelected)] {
		if r.Verdict.Serves(now) {
			v.Selectable = append(v.Selectable, v.label(r))
		}
	}
	if v.Release != nil && !slices.Contains(v.Selectable, v.label(v.Release)) {
		v.Selectable = append(v.Selectable, v.label(v.Release))
	}
	v.VersionPages = newPages(v.Path, url.Values{"version": {version}}, "versions", number, len(shown), versionsPerPage, lastPage)
	start := min((number-1)*versionsPerPage, len(shown))
	for _, r := range shown[start:min(start+versionsPerPage, len(shown))] {
		row := versionRow{Release: r, Tags: tags[r.Unique], Withheld: !r.Verdict.Serves(now), Selected: r == v.Release}
		row.Path = v.Path + "?version=" + url.QueryEscape(v.label(r))
		slices.Sort(row.Tags)
		for _, f := range r.Files {
			row.Size += f.Digests.Size
		}
		v.Versions = append(v.Versions, row)
	}
}

func (v *packageView) fillInstall(p *registry.Project) {
	v.Setup = useSnippets(v.place)[0]
	if p.Repo.Ecosystem == "maven" {
		v.Install = mavenSnippets(v.place, p.Display, v.label(v.Release))
		return
	}
	version := ""
	if v.Release != v.Latest || v.Release.Prerelease || v.Release.Moving {
		version = v.label(v.Release)
	}
	v.Install = installSnippets(v.place, p.Display, version)
}

func (v *packageView) fillFiles() {
	for _, f := range v.Release.Files {
		v.Size += f.Digests.Size
		if len(v.Files) < filesShown {
			v.Files = append(v.Files, fileRow{File: f, URL: v.Base + "/" + EscapePath(f.Path), Digests: digestsOf(v.Project.Repo.Ecosystem, &f.Digests)})
		}
	}
	v.MoreFiles = len(v.Release.Files) - len(v.Files)
}

// digestsOf gives the SHA-256 and what the ecosystem's own documents and lock files hold.
func digestsOf(eco string, d *digest.Set) []digestRow {
	rows := []digestRow{{"SHA-256", d.SHA256.String()}}
	switch eco {
	case "pypi":
		rows = append(rows, digestRow{"BLAKE2b-256", hex.EncodeToString(d.Blake2b[:])})
	case "npm":
		rows = append(rows, digestRow{"Integrity", "sha512-" + base64.StdEncoding.EncodeToString(d.SHA512[:])}, digestRow{"SHA-1 (shasum)", hex.EncodeToString(d.SHA1[:])})
	case "maven":
		rows = append(rows, digestRow{"SHA-512", hex.EncodeToString(d.SHA512[:])}, digestRow{"SHA-1", hex.EncodeToString(d.SHA1[:])})
	case "composer":
		rows = append(rows, digestRow{"SHA-1 (shasum)", hex.EncodeToString(d.SHA1[:])})
	}
	return rows
}

// fillManifest bounds what the artifact says about itself and drops links that do not lead to the web.
func (v *packageView) fillManifest() {
	m := v.Manifest
	for label, raw := range m.Links {
		if address, ok := webAddress(raw); ok {
			v.Links = append(v.Links, outLink{Label: clip(label, 40), URL: address})
		}
	}
	slices.SortFunc(v.Links, func(a, b outLink) int {
		return strings.Compare(strings.ToLower(a.Label)+a.URL, strings.ToLower(b.Label)+b.URL)
	})
	v.Links = v.Links[:min(len(v.Links), wordsShown)]
	if n := len(m.Dependencies) - dependenciesShown; n > 0 {
		v.MoreDependencies, m.Dependencies = n, m.Dependencies[:dependenciesShown]
	}
	m.Keywords = m.Keywords[:min(len(m.Keywords), wordsShown)]
	m.Authors = m.Authors[:min(len(m.Authors), wordsShown)]
	m.InstallCode = m.InstallCode[:min(len(m.InstallCode), wordsShown)]
	m.Notes = m.Notes[:min(len(m.Notes), wordsShown)]
}

func (s *Site) fillDownloads(ctx context.Context, v *packageView) (err error) {
	db, today := s.house.Registry.DB(), s.now().Unix()/86400
	if v.Downloads, err = usage.Total(ctx, db, v.Project.ID, 0); err != nil || v.Downloads == 0 {
		return err
	}
	v.RecentDownloads, err = usage.Total(ctx, db, v.Project.ID, today-int64(growthSpan/(24*time.Hour)))
	return err
}

// readme renders once per text.
func (s *Site) readme(ctx context.Context, m *registry.Manifest) (readme.Rendered, error) {
	if m.Readme == "" {
		return readme.Rendered{}, nil
	}
	key := readmeKey{m.ReadmeType, digest.Of([]byte(m.Readme))}
	return s.readmes.Get(context.WithoutCancel(ctx), key, otter.LoaderFunc[readmeKey, readme.Rendered](
		func(context.Context, readmeKey) (readme.Rendered, error) {
			return readme.Render(m.Readme, m.ReadmeType), nil
		}))
}

// dependencyPath leads to the packages of the repository that a dependency's name finds.
func (v *packageView) dependencyPath(name string) string {
	return "/packages/?q=" + url.QueryEscape(name) + "&repository=" + url.QueryEscape(v.Repo.Path())
}

// apiPath is where a program reads the same facts.
func (v *packageView) apiPath() string {
	return "/api/v1/packages/" + v.Repo.Path() + "/" + url.PathEscape(v.Project.Norm)
}

// isLatest reports whether the selected release is what clients take by default.
func (v *packageView) isLatest() bool { return v.Release == v.Latest }
