package registry

import (
	"encoding/json"
	"slices"
	"time"

	"bonded/internal/digest"
)

// Kind is the sort of repository.
type Kind string

// The three kinds of repository.
const (
	Hosted Kind = "hosted" // accepts uploads
	Proxy  Kind = "proxy"  // pulls through one upstream
	Group  Kind = "group"  // ordered members seen as one
)

// Visibility says who may read a repository.
type Visibility string

// The visibilities.
const (
	Anonymous Visibility = "anonymous" // everyone
	Internal  Visibility = "internal"  // every account
	Private   Visibility = "private"   // accounts and tokens that were given it
)

// Settings are a repository's own rules. The zero value is the profile's default for each.
type Settings struct {
	Description string `json:"description,omitempty"`
	// FileLimit is the largest file accepted, in bytes; 0 = the profile's.
	FileLimit int64 `json:"file_limit,omitempty"`
	// Quota is the largest sum of file sizes, in bytes; 0 = none.
	Quota int64 `json:"quota,omitempty"`
	// KeepSnapshots is how many builds of a moving version are kept; 0 = all.
	KeepSnapshots int `json:"keep_snapshots,omitempty"`
	// KeepSnapshotDays and KeepPrereleaseDays remove builds and pre-releases older than that; 0 = never.
	KeepSnapshotDays   int `json:"keep_snapshot_days,omitempty"`
	KeepPrereleaseDays int `json:"keep_prerelease_days,omitempty"`
	// UnpublishHours is how long after publishing its owners may delete a release; 0 = the default of 72, -1 = never.
	UnpublishHours int `json:"unpublish_hours,omitempty"`
	// Releases and Snapshots say what a Maven repository takes: "" both, "no" refuses.
	Releases  string `json:"releases,omitempty"`
	Snapshots string `json:"snapshots,omitempty"`
	// Upstream is the address a proxy pulls from.
	Upstream string `json:"upstream,omitempty"`
}

// Repository is a named collection of one ecosystem.
type Repository struct {
	ID         int64
	Ecosystem  string
	Name       string
	Kind       Kind
	Visibility Visibility
	Settings   Settings
	// State is repository-level state that belongs to the ecosystem's door (Maven plugin prefixes), as JSON.
	State json.RawMessage
	// Revision is the number of the last event that changed the repository itself.
	Revision  int64
	Members   []int64
	CreatedAt time.Time
}

// Path is "ecosystem/name", as in URLs and scopes.
func (r *Repository) Path() string { return r.Ecosystem + "/" + r.Name }

// Status is the state of a whole project.
type Status string

// The statuses of a project.
const (
	Active      Status = "active"
	Archived    Status = "archived"    // no more uploads; downloads go on
	Deprecated  Status = "deprecated"  // works, but use something else
	Quarantined Status = "quarantined" // unresolvable and undownloadable until triage ends
	Deleted     Status = "deleted"     // tombstone: the name stays taken
)

// Decision is what policy made of a release.
type Decision string

// The four decisions.
const (
	Allow Decision = "allow"
	Warn  Decision = "warn"
	Hold  Decision = "hold"
	Block Decision = "block"
)

// Verdict is a decision with the rule and the reason behind it.
type Verdict struct {
	Decision Decision
	Rule     string
	Reason   string
	// Until is when a hold ends by itself; zero for none.
	Until time.Time
}

// Serves reports whether the verdict lets readers have the release at now.
func (v Verdict) Serves(now time.Time) bool {
	switch v.Decision {
	case Block:
		return false
	case Hold:
		return !v.Until.IsZero() && !now.Before(v.Until)
	default:
		return true
	}
}

// Project is an immutable snapshot of the facts about one project. Nobody changes a snapshot or what it points to.
type Project struct {
	ID int64
	// Repo is the repository that holds it; behind a group, the member.
	Repo         *Repository
	Norm         string
	Display      string
	Status       Status
	StatusReason string
	Summary      string
	LegalHold    bool
	// Tags point from a name (npm dist-tag) to a version's unique key.
	Tags map[string]string
	// State is the door's own project-level state, as JSON.
	State  json.RawMessage
	Owners []Owner
	// Releases are sorted by version, lowest first.
	Releases []*Release
	// Revision is the number of the last event that changed anything of it.
	Revision int64
	// CreatedAt is the first publish; UpdatedAt moves by at least one second with every visible change, so that it can be
	// a Last-Modified.
	CreatedAt, UpdatedAt time.Time

	byUnique map[string]*Release
	byPath   map[string]*File
}

// Release returns the version with that unique key, or nil.
func (p *Project) Release(unique string) *Release { return p.byUnique[unique] }

// File returns the file recorded under that path below the repository, or nil.
func (p *Project) File(path string) *File { return p.byPath[path] }

// Owner is an account that may manage a project.
type Owner struct {
	AccountID int64
	Name      string
	Email     string
}

// Release is one version of a project.
type Release struct {
	ID         int64
	Unique     string
	Version    string
	Prerelease bool
	Moving     bool
	// Record is the ecosystem's policy-independent index record, verbatim.
	Record []byte
	// Mark is the door's mutable word on the release (npm deprecation message); "" for none.
	Mark        string
	Yanked      bool
	YankReason  string
	Verdict     Verdict
	PublishedAt time.Time
	// PublishedBy is the public name of who published it.
	PublishedBy string
	// Files are sorted by path.
	Files []*File
}

// File is one artifact of a release.
type File struct {
	ID      int64
	Path    string
	Kind    string
	Digests digest.Set
	// Detail is what the door remembers about the file, as JSON.
	Detail     []byte
	UploadedAt time.Time
	// Release is the release it belongs to.
	Release *Release
}

// Name is the last segment of the file's path.
func (f *File) Name() string {
	for i := len(f.Path) - 1; i >= 0; i-- {
		if f.Path[i] == '/' {
			return f.Path[i+1:]
		}
	}
	return f.Path
}

// View is what one audience may see of a project at one moment.
type View struct {
	*Project
	// Releases are the allowed ones, lowest first.
	Releases []*Release
	// Withheld are the others, for doors that keep an entry to print the reason.
	Withheld []*Release
	// Until is when the answer may change by itself; zero for never.
	Until time.Time
}

// Audience is the set of readable repositories that an answer was made for, nothing finer.
type Audience string

// ViewOf computes what the audience may see of p at now.
func ViewOf(p *Project, _ Audience, now time.Time) View {
	v := View{Project: p}
	if p.Status == Quarantined || p.Status == Deleted {
		v.Withheld = p.Releases
		return v
	}
	served := 0
	for _, r := range p.Releases {
		if r.Verdict.Serves(now) {
			served++
		}
	}
	if served == len(p.Releases) {
		v.Releases = p.Releases
		return v
	}
	for _, r := range p.Releases {
		if r.Verdict.Serves(now) {
			v.Releases = append(v.Releases, r)
			continue
		}
		v.Withheld = append(v.Withheld, r)
		if u := r.Verdict.Until; r.Verdict.Decision == Hold && !u.IsZero() && (v.Until.IsZero() || u.Before(v.Until)) {
			v.Until = u
		}
	}
	return v
}

// Latest returns the release that clients take by default: the highest that is neither yanked nor a pre-release, else the
// highest not yanked, else the highest; nil if there is none.
func (v View) Latest() *Release {
	var notYanked *Release
	for _, r := range slices.Backward(v.Releases) {

		if r.Yanked || r.Moving {
			continue
		}
		if !r.Prerelease {
			return r
		}
		if notYanked == nil {
			notYanked = r
		}
	}
	if notYanked != nil {
		return notYanked
	}
	if n := len(v.Releases); n > 0 {
		return v.Releases[n-1]
	}
	return nil
}
