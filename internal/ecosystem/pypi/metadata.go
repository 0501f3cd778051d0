package pypi

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"bonded/internal/errs"
)

// maxHeaders bounds the headers of one METADATA or PKG-INFO: the largest honest ones list some hundred requirements.
const maxHeaders = 20_000

// Metadata is core metadata (pypi.md §0.2), from an artifact or from an upload form. Values that say UNKNOWN are absent.
type Metadata struct {
	MetadataVersion        string   `json:"metadata_version,omitempty"`
	Name                   string   `json:"name,omitempty"`
	Version                string   `json:"version,omitempty"`
	Summary                string   `json:"summary,omitempty"`
	Description            string   `json:"-"`
	DescriptionContentType string   `json:"description_content_type,omitempty"`
	Keywords               string   `json:"keywords,omitempty"`
	HomePage               string   `json:"home_page,omitempty"`
	DownloadURL            string   `json:"download_url,omitempty"`
	Author                 string   `json:"author,omitempty"`
	AuthorEmail            string   `json:"author_email,omitempty"`
	Maintainer             string   `json:"maintainer,omitempty"`
	MaintainerEmail        string   `json:"maintainer_email,omitempty"`
	License                string   `json:"license,omitempty"`
	LicenseExpression      string   `json:"license_expression,omitempty"`
	RequiresPython         string   `json:"requires_python,omitempty"`
	Classifiers            []string `json:"classifiers,omitempty"`
	Platforms              []string `json:"platform,omitempty"`
	SupportedPlatforms     []string `json:"supported_platform,omitempty"`
	Requires               []string `json:"requires,omitempty"`
	Provides               []string `json:"provides,omitempty"`
	Obsoletes              []string `json:"obsoletes,omitempty"`
	RequiresDist           []string `json:"requires_dist,omitempty"`
	ProvidesDist           []string `json:"provides_dist,omitempty"`
	ObsoletesDist          []string `json:"obsoletes_dist,omitempty"`
	RequiresExternal       []string `json:"requires_external,omitempty"`
	ProjectURLs            []string `json:"project_urls,omitempty"` // "Label, URL"
	ProvidesExtra          []string `json:"provides_extra,omitempty"`
	Dynamic                []string `json:"dynamic,omitempty"`
	LicenseFiles           []string `json:"license_files,omitempty"`
	ImportNames            []string `json:"import_names,omitempty"`
	ImportNamespaces       []string `json:"import_namespaces,omitempty"`
}

// field is one field of core metadata: its header, its name in the upload form (pypi.md §2.2), the metadata version that
// brought it, and where it lives. Exactly one of one and many is set.
type field struct {
	header string
	form   string
	since  string
	one    func(*Metadata) *string
	many   func(*Metadata) *[]string
}

var fields = []field{
	{header: "metadata-version", form: "metadata_version", since: "1.0", one: func(m *Metadata) *string { return &m.MetadataVersion }},
	{header: "name", form: "name", since: "1.0", one: func(m *Metadata) *string { return &m.Name }},
	{header: "version", form: "version", since: "1.0", one: func(m *Metadata) *string { return &m.Version }},
	{header: "summary", form: "summary", since: "1.0", one: func(m *Metadata) *string { return &m.Summary }},
	{header: "description", form: "description", since: "1.0", one: func(m *Metadata) *string { return &m.Description }},
	{header: "keywords", form: "keywords", since: "1.0", one: func(m *Metadata) *string { return &m.Keywords }},
	{header: "home-page", form: "home_page", since: "1.0", one: func(m *Metadata) *string { return &m.HomePage }},
	{header: "author", form: "author", since: "1.0", one: func(m *Metadata) *string { return &m.Author }},
	{header: "author-email", form: "author_email", since: "1.0", one: func(m *Metadata) *string { return &m.AuthorEmail }},
	{header: "license", form: "license", since: "1.0", one: func(m *Metadata) *string { return &m.License }},
	{header: "platform", form: "platform", since: "1.0", many: func(m *Metadata) *[]string { return &m.Platforms }},
	{header: "download-url", form: "download_url", since: "1.1", one: func(m *Metadata) *string { return &m.DownloadURL }},
	{header: "supported-platform", form: "supported_platform", since: "1.1", many: func(m *Metadata) *[]string { return &m.SupportedPlatforms }},
	{header: "classifier", form: "classifiers", since: "1.1", many: func(m *Metadata) *[]string { return &m.Classifiers }},
	{header: "requires", form: "requires", since: "1.1", many: func(m *Metadata) *[]string { return &m.Requires }},
	{header: "provides", form: "provides", since: "1.1", many: func(m *Metadata) *[]string { return &m.Provides }},
	{header: "obsoletes", form: "obsoletes", since: "1.1", many: func(m *Metadata) *[]string { return &m.Obsoletes }},
	{header: "maintainer", form: "maintainer", since: "1.2", one: func(m *Metadata) *string { return &m.Maintainer }},
	{header: "maintainer-email", form: "maintainer_email", since: "1.2", one: func(m *Metadata) *string { return &m.MaintainerEmail }},
	{header: "requires-python", form: "requires_python", since: "1.2", one: func(m *Metadata) *string { return &m.RequiresPython }},
	{header: "requires-dist", form: "requires_dist", since: "1.2", many: func(m *Metadata) *[]string { return &m.RequiresDist }},
	{header: "provides-dist", form: "provides_dist", since: "1.2", many: func(m *Metadata) *[]string { return &m.ProvidesDist }},
	{header: "obsoletes-dist", form: "obsoletes_dist", since: "1.2", many: func(m *Metadata) *[]string { return &m.ObsoletesDist }},
	{header: "requires-external", form: "requires_external", since: "1.2", many: func(m *Metadata) *[]string { return &m.RequiresExternal }},
	{header: "project-url", form: "project_urls", since: "1.2", many: func(m *Metadata) *[]string { return &m.ProjectURLs }},
	{header: "description-content-type", form: "description_content_type", since: "2.1", one: func(m *Metadata) *string { return &m.DescriptionContentType }},
	{header: "provides-extra", form: "provides_extra", since: "2.1", many: func(m *Metadata) *[]string { return &m.ProvidesExtra }},
	{header: "dynamic", form: "dynamic", since: "2.2", many: func(m *Metadata) *[]string { return &m.Dynamic }},
	{header: "license-expression", form: "license_expression", since: "2.4", one: func(m *Metadata) *string { return &m.LicenseExpression }},
	{header: "license-file", form: "license_file", since: "2.4", many: func(m *Metadata) *[]string { return &m.LicenseFiles }},
	{header: "import-name", form: "import_name", since: "2.5", many: func(m *Metadata) *[]string { return &m.ImportNames }},
	{header: "import-namespace", form: "import_namespace", since: "2.5", many: func(m *Metadata) *[]string { return &m.ImportNamespaces }},
}

var (
	fieldByHeader = map[string]field{}
	fieldByForm   = map[string]field{}
)

func init() {
	for _, f := range fields {
		fieldByHeader[f.header], fieldByForm[f.form] = f, f
	}
	// uv sends these two in the plural (pypi.md §2.2).
	fieldByForm["import_names"], fieldByForm["import_namespaces"] = fieldByForm["import_name"], fieldByForm["import_namespace"]
}

// set stores a value of the field; of a single-valued field the last.
func (f field) set(m *Metadata, value string) {
	switch {
	case value == "UNKNOWN":
	case f.many != nil:
		list := f.many(m)
		*list = append(*list, value)
	default:
		*f.one(m) = value
	}
}

// empty reports whether the field has no value.
func (f field) empty(m *Metadata) bool {
	if f.many != nil {
		return len(*f.many(m)) == 0
	}
	return *f.one(m) == ""
}

// ParseMetadata reads a METADATA or PKG-INFO file: headers in the manner of RFC 822, UTF-8, an empty line, and the
// description as body (pypi.md §0.2). What readers of e-mail would understand differently is refused. Unknown headers are
// left to newer readers.
func ParseMetadata(raw []byte) (*Metadata, error) {
	if !utf8.Valid(raw) {
		return nil, badMetadata("it is not UTF-8")
	}
	head, body := splitMetadata(raw)
	if i := bytes.IndexByte(bytes.ReplaceAll(head, []byte("\r\n"), []byte("\n")), '\r'); i >= 0 {
		return nil, badMetadata("a header holds a carriage return, where some readers start a new line")
	}
	m := &Metadata{}
	seen := map[string]bool{}
	lines := strings.Split(strings.ReplaceAll(string(head), "\r\n", "\n"), "\n")
	for i := 0; i < len(lines); {
		if i > maxHeaders {
			return nil, badMetadata("it has too many headers")
		}
		name, value, ok := strings.Cut(lines[i], ":")
		if !ok || !headerName(name) {
			if lines[i] == "" { // the last line's end
				i++
				continue
			}
			return nil, badMetadata("one of its first lines is no header: " + quoted(lines[i]))
		}
		i++
		for i < len(lines) && lines[i] != "" && (lines[i][0] == ' ' || lines[i][0] == '\t') {
			value += "\n" + lines[i]
			i++
		}
		f, known := fieldByHeader[strings.ToLower(name)]
		if !known {
			continue
		}
		if f.one != nil && seen[f.header] {
			return nil, badMetadata("its header " + quoted(name) + " stands there twice")
		}
		seen[f.header] = true
		f.set(m, unfold(f, value))
	}
	if text := strings.ReplaceAll(string(body), "\r\n", "\n"); strings.TrimSpace(text) != "" {
		m.Description = text
	}
	return m, nil
}

// splitMetadata cuts at the first empty line.
func splitMetadata(raw []byte) (head, body []byte) {
	for at := 0; at < len(raw); {
		end := bytes.IndexByte(raw[at:], '\n')
		if end < 0 {
			break
		}
		if line := raw[at : at+end]; len(line) == 0 || len(line) == 1 && line[0] == '\r' {
			return raw[:at], raw[at+end+1:]
		}
		at += end + 1
	}
	return raw, nil
}

// headerName: what the readers of e-mail take for one, printable ASCII without a colon or blank.
func headerName(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != ""
}

// unfold joins the lines of a folded header. Descriptions and licences keep their lines, less the folding's indent.
func unfold(f field, value string) string {
	value = strings.TrimSpace(value)
	if !strings.Contains(value, "\n") {
		return value
	}
	lines := strings.Split(value, "\n")
	keep := f.header == "description" || f.header == "license"
	for i, line := range lines {
		if !keep {
			lines[i] = strings.TrimSpace(line)
			continue
		}
		line = strings.TrimPrefix(line, "       |")
		lines[i] = strings.TrimPrefix(line, "        ")
	}
	if keep {
		return strings.Join(lines, "\n")
	}
	return strings.Join(lines, " ")
}

func badMetadata(why string) *errs.Error {
	return errs.New(errs.Invalid, "The package's metadata cannot be read: %s.", why).WithRule("pypi/metadata-syntax").
		WithNext("Build the package again with a current build backend.")
}
