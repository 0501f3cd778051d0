package registry

import (
	"io"

	"bonded/internal/digest"
)

// Name is a project's name in the forms that rules need.
type Name struct {
	// Display is the spelling the publisher chose.
	Display string
	// Norm is the unique key: two spellings that the ecosystem's clients treat as one have one Norm. URLs use it.
	Norm string
	// Lookalike is the key under which confusable names fall together; at most one project per repository may hold it.
	Lookalike string
}

// Version is one version string in the forms that rules need.
type Version struct {
	// Raw is the publisher's spelling.
	Raw string
	// Canonical is the ecosystem's canonical spelling, shown and stored.
	Canonical string
	// Unique is the key that may be used once per project (cargo: without build metadata; pypi: trailing zeros stripped).
	Unique string
	// Prerelease reports whether clients skip it by default.
	Prerelease bool
	// Moving reports a version that points to numbered, immutable builds (Maven snapshot, Composer branch).
	Moving bool
}

// FileRef says what a path under a repository means.
type FileRef struct {
	// Project is the normalized project name; empty for repository-level paths.
	Project string
	// Version is the version's unique key; empty for project-level paths.
	Version string
	// Path is the canonical path below the repository under which the file is recorded.
	Path string
	// Sidecar names a derived file (".sha1", ".metadata", …) of the file at Path; empty for the file itself.
	Sidecar string
}

// Artifact is what Inspect reads: staged or stored bytes that are not trusted yet.
type Artifact struct {
	// Path is the canonical path below the repository; its last segment is the file's name.
	Path string
	// Kind is the door's word for the sort of file, such as "wheel", "sdist", "crate", "jar", "pom".
	Kind string
	// Digests of the whole file.
	Digests digest.Set
	// Body gives random access to the bytes.
	Body interface {
		io.ReaderAt
		io.ReadSeeker
	}
	// Strict asks for every archive anomaly to be refused (hosted uploads); proxied files refuse only limits and
	// reader disagreement.
	Strict bool
}

// Dependency is one requirement that an artifact declares.
type Dependency struct {
	Name        string `json:"name"`
	Requirement string `json:"requirement,omitempty"`
	// Kind is the ecosystem's own word: "normal", "dev", "build", "peer", "optional", "test", "require", …
	Kind string `json:"kind,omitempty"`
	// Condition is a marker, target or scope under which it applies.
	Condition string `json:"condition,omitempty"`
	Optional  bool   `json:"optional,omitempty"`
}

// Manifest is what an artifact says about itself.
type Manifest struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Summary string `json:"summary,omitempty"`
	License string `json:"license,omitempty"`
	// Homepage, Repository and other links, label to URL, as declared.
	Links        map[string]string `json:"links,omitempty"`
	Authors      []string          `json:"authors,omitempty"`
	Keywords     []string          `json:"keywords,omitempty"`
	Dependencies []Dependency      `json:"dependencies,omitempty"`
	// InstallCode names what runs on the consumer's machine at install time (npm scripts, build.rs, setup.py …).
	InstallCode []string `json:"install_code,omitempty"`
	// Readme is the artifact's own readme, at most 256 KiB, with its media type ("text/markdown", "text/x-rst", "text/plain").
	Readme     string `json:"-"`
	ReadmeType string `json:"-"`
	// Raw is the metadata document as it stands in the artifact (package.json, METADATA, Cargo.toml, POM, composer.json).
	Raw []byte `json:"-"`
	// Detail is the ecosystem's own parsed form, for its Reconcile and Record.
	Detail any `json:"-"`
	// Notes are anomalies that were tolerated (proxied files), one sentence each.
	Notes []string `json:"notes,omitempty"`
}

// Claim is what the request said beside the bytes; each ecosystem has its own type.
type Claim any

// Record is what the registry stores of a release for the ecosystem's documents.
type Record struct {
	// Index is the policy-independent index record of the release, kept verbatim: a cargo index line, an npm version
	// object without URLs, a Composer version object, PyPI metadata as JSON, a POM. Documents concatenate it.
	Index []byte
	// Files holds, per path, what the door wants to remember about one file (JSON), such as requires-python.
	Files map[string][]byte
}

// Format is everything about an ecosystem that is not HTTP. Implementations are stateless and safe for concurrent use.
type Format interface {
	// Type is the purl type: cargo, pypi, npm, maven or composer.
	Type() string
	// Name validates a raw name for publishing; errs.Invalid says which rule it breaks.
	Name(raw string) (Name, error)
	// Normalize maps any spelling a client may ask for to the unique key, without validating; ok is false where no
	// project could ever match.
	Normalize(raw string) (norm string, ok bool)
	// Version validates a raw version; errs.Invalid says which rule it breaks.
	Version(raw string) (Version, error)
	// Compare orders two versions as the ecosystem's own client does; unparsable ones sort first.
	Compare(a, b string) int
	// Locate says what a path below the repository means; errs.NotFound if nothing could ever live there.
	Locate(path string) (FileRef, error)
	// Inspect reads name, version, dependencies, install-time code and licence from the artifact itself.
	Inspect(Artifact) (*Manifest, error)
	// Reconcile refuses (errs.Invalid) when claim and artifacts disagree after the client's own normalization.
	Reconcile([]*Manifest, Claim) error
	// Record makes the stored form of the release from artifacts and claim.
	Record([]*Manifest, Claim, []File) (Record, error)
}

// Builds is implemented by a Format whose moving versions consist of numbered, immutable builds.
type Builds interface {
	// Build names the build that a file belongs to; files of one build stay or go together.
	Build(path string) string
}

// Pointing is implemented by a Format whose moving versions point at one of their builds, not always the newest: a branch
// goes back to what it was.
type Pointing interface {
	// Current is the path of the file that the release's record points at; "" if it points at none.
	Current(p *Project, r *Release) string
}
