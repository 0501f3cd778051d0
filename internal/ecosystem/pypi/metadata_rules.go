package pypi

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"bonded/internal/errs"
)

// metadataVersions are taken (pypi.md §2.2): 2.6 too, which only allows more of Dynamic than 2.2 did. There never was a 2.0.
var metadataVersions = []string{"1.0", "1.1", "1.2", "2.1", "2.2", "2.3", "2.4", "2.5", "2.6"}

// Limits of pypi.md §2.3 item 3, and of what a page can show.
const (
	maxSummary    = 512
	maxLabel      = 32
	maxClassifier = 256
	maxURL        = 2048
	maxList       = 5000
)

// invalidField is the refusal of one field's value, in the words that clients of the public index know.
func invalidField(f string, why string, args ...any) *errs.Error {
	return errs.New(errs.Invalid, "Invalid value for "+f+": "+why+".", args...).WithRule("pypi/metadata-" + strings.ReplaceAll(f, "_", "-"))
}

// Check holds the metadata to the rules of an index (pypi.md §2.3 item 3). Of several errors the first by the page's
// precedence is reported: metadata version, name, version, then by field.
func (m *Metadata) Check() error {
	if err := m.checkIdentity(); err != nil {
		return err
	}
	for _, f := range fields {
		if f.many != nil && len(*f.many(m)) > maxList {
			return invalidField(f.form, "it has more than %d values", maxList)
		}
	}
	for _, check := range []func(*Metadata) error{
		checkEmails, checkClassifiers, checkDescriptionType, checkDists, checkDynamic, checkLicense, checkURLs, checkExtras, checkPython, checkSummary,
	} {
		if err := check(m); err != nil {
			return err
		}
	}
	return nil
}

func (m *Metadata) checkIdentity() error {
	switch {
	case m.MetadataVersion == "":
		return invalidField("metadata_version", "it is missing").WithNext("Build the package again with a current build backend.")
	case !slices.Contains(metadataVersions, m.MetadataVersion):
		return invalidField("metadata_version", "%q is not one of %s", m.MetadataVersion, strings.Join(metadataVersions, ", ")).
			WithNext("Build the package again with a current build backend.")
	case m.Name == "":
		return invalidField("name", "it is missing")
	}
	if _, err := ParseName(m.Name); err != nil {
		return err
	}
	if m.Version == "" {
		return invalidField("version", "it is missing")
	}
	_, err := ParseUploadVersion(m.Version)
	return err
}

// checkAge refuses fields that are newer than the declared metadata version. License-File is let through: setuptools wrote
// it for years under version 2.1, and uv passes it on.
func (m *Metadata) checkAge() error {
	for _, f := range fields {
		if f.form != "license_file" && !f.empty(m) && slices.Index(metadataVersions, f.since) > slices.Index(metadataVersions, m.MetadataVersion) {
			return invalidField(f.form, "the field came with metadata version %s, and this metadata says it is version %s", f.since, m.MetadataVersion).
				WithNext("Build the package again with a current build backend.")
		}
	}
	return nil
}

func checkSummary(m *Metadata) error {
	if n := len([]rune(m.Summary)); n > maxSummary {
		return invalidField("summary", "it has %d characters, more than %d", n, maxSummary).WithNext("Shorten the description in the project's configuration.")
	}
	if strings.Contains(m.Summary, "\n") {
		return invalidField("summary", "it has more than one line").WithNext("Keep the summary on one line; long texts belong into the readme.")
	}
	return nil
}

func checkEmails(m *Metadata) error {
	for _, f := range []struct{ name, value string }{{"author_email", m.AuthorEmail}, {"maintainer_email", m.MaintainerEmail}} {
		for _, address := range addresses(f.value) {
			if !plausibleAddress(address) {
				return invalidField(f.name, "%q is not an e-mail address", address).WithNext(`Write "Name <name@example.org>", several with commas between.`)
			}
		}
	}
	return nil
}

// addresses splits a list of addresses at the commas outside quotes, comments and angle brackets, and takes what stands in
// the angle brackets where there are some.
func addresses(list string) []string {
	var out []string
	start, quote, angle, comment := 0, false, false, 0
	add := func(part string) {
		if i := strings.LastIndexByte(part, '<'); i >= 0 {
			if j := strings.IndexByte(part[i:], '>'); j > 0 {
				part = part[i+1 : i+j]
			}
		}
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	for i := range len(list) {
		switch c := list[i]; {
		case quote:
			quote = c != '"' || list[i-1] == '\\'
		case c == '"':
			quote = true
		case c == '(':
			comment++
		case c == ')' && comment > 0:
			comment--
		case c == '<':
			angle = true
		case c == '>':
			angle = false
		case c == ',' && !angle && comment == 0:
			add(list[start:i])
			start = i + 1
		}
	}
	add(list[start:])
	return out
}

func plausibleAddress(s string) bool {
	if i := strings.IndexByte(s, '('); i > 0 { // name@host (Name)
		s = strings.TrimSpace(s[:i])
	}
	local, domain, ok := strings.Cut(s, "@")
	return ok && local != "" && domain != "" && len(s) <= 320 && !strings.ContainsAny(domain, "@") && !strings.ContainsAny(s, " \t\r\n<>\"")
}

// checkClassifiers asks for the shape only. The public list grows with every Python release, and a private index is where
// "Private :: …" belongs.
func checkClassifiers(m *Metadata) error {
	for _, c := range m.Classifiers {
		if len(c) > maxClassifier || !strings.Contains(c, " :: ") || strings.ContainsAny(c, "\r\n\t") {
			return invalidField("classifiers", "%s is not a classifier", quoted(c)).WithNext(`Classifiers look like "Programming Language :: Python :: 3".`)
		}
	}
	return nil
}

func checkDescriptionType(m *Metadata) error {
	if m.DescriptionContentType == "" {
		return nil
	}
	kind, params, _ := strings.Cut(m.DescriptionContentType, ";")
	kind = strings.ToLower(strings.TrimSpace(kind))
	if !slices.Contains([]string{"text/plain", "text/x-rst", "text/markdown"}, kind) {
		return invalidField("description_content_type", "%q is not one of text/plain, text/x-rst, text/markdown", kind).
			WithNext("Set the readme's content type in the project's configuration.")
	}
	for param := range strings.SplitSeq(params, ";") {
		key, value, _ := strings.Cut(strings.TrimSpace(param), "=")
		value = strings.Trim(value, `"`)
		switch strings.ToLower(key) {
		case "charset":
			if !strings.EqualFold(value, "utf-8") {
				return invalidField("description_content_type", "the charset is %q, not UTF-8", value)
			}
		case "variant":
			if kind == "text/markdown" && !strings.EqualFold(value, "GFM") && !strings.EqualFold(value, "CommonMark") {
				return invalidField("description_content_type", "the variant %q is not one of GFM, CommonMark", value)
			}
		}
	}
	return nil
}

func checkDists(m *Metadata) error {
	for _, f := range []struct {
		name   string
		values []string
	}{{"obsoletes_dist", m.ObsoletesDist}, {"provides_dist", m.ProvidesDist}, {"requires_dist", m.RequiresDist}} {
		for _, value := range f.values {
			r, err := ParseRequirement(value)
			if err != nil {
				return err
			}
			if r.URL != "" {
				return invalidField(f.name, "can't have direct dependency: %s", quoted(value)).
					WithNext("Depend on a released version by name; an index cannot vouch for what lies elsewhere.")
			}
		}
	}
	return nil
}

func checkDynamic(m *Metadata) error {
	for _, name := range m.Dynamic {
		header := strings.ToLower(name)
		if _, known := fieldByHeader[header]; !known || slices.Contains([]string{"name", "version", "metadata-version"}, header) {
			return invalidField("dynamic", "%q is not a field that may be dynamic", name)
		}
	}
	return nil
}

func checkLicense(m *Metadata) error {
	if m.LicenseExpression == "" {
		return nil
	}
	if m.License != "" {
		return invalidField("license", "it stands beside License-Expression, which replaces it").
			WithNext("Remove the license text or table from the project's configuration.")
	}
	depth := 0
	for _, c := range m.LicenseExpression {
		switch {
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c > '~' || !isAlphanumeric(byte(c)) && !strings.ContainsRune("-.+ :", c):
			depth = -1
		}
		if depth < 0 {
			break
		}
	}
	if depth != 0 {
		return invalidField("license_expression", "%s is not an SPDX expression", quoted(m.LicenseExpression)).WithNext(`Write it like "MIT OR Apache-2.0".`)
	}
	return nil
}

func checkURLs(m *Metadata) error {
	for _, f := range []struct{ name, value string }{{"download_url", m.DownloadURL}, {"home_page", m.HomePage}} {
		if f.value != "" && !webURL(f.value) {
			return invalidField(f.name, "%s is not a web address", quoted(f.value)).WithNext("Write a full http or https URL.")
		}
	}
	for _, value := range m.ProjectURLs {
		label, link, _ := cutProjectURL(value)
		switch {
		case label == "":
			return invalidField("project_urls", "%s has no label", quoted(value)).WithNext(`Write "Label, URL".`)
		case len([]rune(label)) > maxLabel:
			return invalidField("project_urls", "the label %s has more than %d characters", quoted(label), maxLabel)
		case !webURL(link):
			return invalidField("project_urls", "%s is not a web address", quoted(link)).WithNext("Write a full http or https URL.")
		}
	}
	return nil
}

// cutProjectURL reads "Label, URL".
func cutProjectURL(value string) (label, link string, ok bool) {
	label, link, ok = strings.Cut(value, ",")
	return strings.TrimSpace(label), strings.TrimSpace(link), ok
}

// webURL reports an absolute http or https URL.
func webURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && len(s) <= maxURL && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

func checkExtras(m *Metadata) error {
	for _, extra := range m.ProvidesExtra {
		if _, ok := NormalizeName(extra); !ok {
			return invalidField("provides_extra", "%s is not a name", quoted(extra))
		}
	}
	return nil
}

func checkPython(m *Metadata) error {
	if m.RequiresPython == "" {
		return nil
	}
	if _, err := ParseSpecifierSet(m.RequiresPython); err != nil {
		return invalidField("requires_python", "%s is not a version specifier", quoted(m.RequiresPython)).WithNext(`Write it like ">=3.9".`)
	}
	return nil
}

// quoted renders a stranger's text for a person: escaped, and cut when it is long.
func quoted(s string) string {
	const most = 120
	if len(s) > most {
		return strconv.Quote(strings.ToValidUTF8(s[:most], "")) + "…"
	}
	return strconv.Quote(s)
}
