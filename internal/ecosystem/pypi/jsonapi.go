package pypi

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"net/http"

	"bonded/internal/door"
	"bonded/internal/errs"
	"bonded/internal/registry"
)

// serveJSON answers pypi/{project}/json and pypi/{project}/{version}/json, also with a slash behind (pypi.md §3); path is
// what follows pypi/.
func serveJSON(w http.ResponseWriter, r *http.Request, q *door.Request, path []string) error {
	if n := len(path); n > 2 && path[n-1] == "" {
		path = path[:n-1]
	}
	if n := len(path); n < 2 || n > 3 || path[n-1] != "json" {
		return noSuchPage(q)
	}
	norm, ok := NormalizeName(path[0])
	if !ok {
		return noSuchPage(q)
	}
	if norm != path[0] {
		to := q.Base + "/pypi/" + norm + "/json"
		if len(path) == 3 {
			to = q.Base + "/pypi/" + norm + "/" + escapeSegment(path[1]) + "/json"
		}
		redirect(w, r, http.StatusMovedPermanently, to)
		return nil
	}
	p, err := q.Project(r.Context(), norm)
	if err != nil {
		return err
	}
	unique := ""
	if len(path) == 3 {
		v, err := ParseVersion(path[1])
		if err != nil {
			return errs.New(errs.NotFound, "%s has no version %s.", p.Display, quoted(path[1])).WithRule("registry/release")
		}
		unique = v.Unique
	}
	doc, err := q.House.Documents.Get(r.Context(), door.DocumentKey{
		Repo: p.Repo.ID, Epoch: q.Source.Epoch(), Project: norm, Revision: p.Revision, Representation: "json " + unique, Base: q.Base,
	}, func(ctx context.Context) (door.Rendered, error) {
		v := q.View(p)
		out := door.Rendered{ContentType: "application/json", Modified: p.UpdatedAt, Until: v.Until, Header: serialHeader(p.Revision)}
		doc, err := projectJSON(ctx, q, v, unique)
		if err != nil {
			return out, err
		}
		out.Body, err = marshal(doc)
		return out, err
	})
	if err != nil {
		return err
	}
	door.ServeDocument(w, r, doc, door.DocumentOptions{Private: !q.Open(p)})
	return nil
}

// The forms of pypi.md §3.
type (
	jsonProject struct {
		Info            jsonInfo                         `json:"info"`
		LastSerial      int64                            `json:"last_serial"`
		Ownership       jsonOwnership                    `json:"ownership"`
		Releases        *orderedMap[string, []*jsonFile] `json:"releases,omitempty"`
		URLs            []*jsonFile                      `json:"urls"`
		Vulnerabilities []struct{}                       `json:"vulnerabilities"`
	}
	jsonOwnership struct {
		Organization *string    `json:"organization"`
		Roles        []jsonRole `json:"roles"`
	}
	jsonRole struct {
		Role string `json:"role"`
		User string `json:"user"`
	}
	jsonInfo struct {
		Author                 string                      `json:"author"`
		AuthorEmail            string                      `json:"author_email"`
		BugtrackURL            *string                     `json:"bugtrack_url"`
		Classifiers            []string                    `json:"classifiers"`
		Description            string                      `json:"description"`
		DescriptionContentType string                      `json:"description_content_type"`
		DocsURL                *string                     `json:"docs_url"`
		DownloadURL            string                      `json:"download_url"`
		Downloads              jsonDownloads               `json:"downloads"`
		Dynamic                []string                    `json:"dynamic"`
		HomePage               string                      `json:"home_page"`
		Keywords               string                      `json:"keywords"`
		License                string                      `json:"license"`
		LicenseExpression      *string                     `json:"license_expression"`
		LicenseFiles           []string                    `json:"license_files"`
		Maintainer             string                      `json:"maintainer"`
		MaintainerEmail        string                      `json:"maintainer_email"`
		Name                   string                      `json:"name"`
		PackageURL             string                      `json:"package_url"`
		Platform               *string                     `json:"platform"`
		ProjectURL             string                      `json:"project_url"`
		ProjectURLs            *orderedMap[string, string] `json:"project_urls"`
		ProvidesExtra          []string                    `json:"provides_extra"`
		ReleaseURL             string                      `json:"release_url"`
		RequiresDist           []string                    `json:"requires_dist"`
		RequiresPython         *string                     `json:"requires_python"`
		Summary                string                      `json:"summary"`
		Version                string                      `json:"version"`
		Yanked                 bool                        `json:"yanked"`
		YankedReason           *string                     `json:"yanked_reason"`
	}
	jsonDownloads struct {
		LastDay   int `json:"last_day"`
		LastMonth int `json:"last_month"`
		LastWeek  int `json:"last_week"`
	}
	jsonFile struct {
		CommentText       string            `json:"comment_text"`
		CoreMetadata      map[string]string `json:"core-metadata,omitempty"`
		Digests           jsonDigests       `json:"digests"`
		Downloads         int               `json:"downloads"`
		Filename          string            `json:"filename"`
		HasSig            bool              `json:"has_sig"`
		MD5Digest         string            `json:"md5_digest"`
		PackageType       string            `json:"packagetype"`
		PythonVersion     string            `json:"python_version"`
		RequiresPython    *string           `json:"requires_python"`
		Size              int64             `json:"size"`
		UploadTime        string            `json:"upload_time"`
		UploadTimeISO8601 string            `json:"upload_time_iso_8601"`
		URL               string            `json:"url"`
		Yanked            bool              `json:"yanked"`
		YankedReason      *string           `json:"yanked_reason"`
	}
	jsonDigests struct {
		Blake2b256 string `json:"blake2b_256"`
		MD5        string `json:"md5"`
		SHA256     string `json:"sha256"`
	}
)

// projectJSON makes the document of a release; unique "" is the latest, with all releases beside it. What nobody may see is
// absent: a quarantined project answers 404 (pypi.md §3).
func projectJSON(ctx context.Context, q *door.Request, v registry.View, unique string) (*jsonProject, error) {
	release := v.Latest()
	if unique != "" {
		release = nil
		for _, r := range v.Releases {
			if r.Unique == unique {
				release = r
			}
		}
	}
	if release == nil {
		return nil, errs.New(errs.NotFound, "%s has no such release.", v.Display).WithRule("registry/release")
	}
	doc := &jsonProject{LastSerial: v.Revision, URLs: filesJSON(v, release, q.Base), Vulnerabilities: []struct{}{}}
	var err error
	if doc.Info, err = infoJSON(ctx, q, v, release); err != nil {
		return nil, err
	}
	doc.Ownership.Roles = []jsonRole{}
	for _, o := range v.Owners {
		doc.Ownership.Roles = append(doc.Ownership.Roles, jsonRole{"Owner", o.Name})
	}
	if unique == "" {
		doc.Releases = &orderedMap[string, []*jsonFile]{}
		for _, r := range v.Releases {
			doc.Releases.add(r.Version, filesJSON(v, r, q.Base))
		}
	}
	return doc, nil
}

func infoJSON(ctx context.Context, q *door.Request, v registry.View, r *registry.Release) (jsonInfo, error) {
	var meta Metadata
	if err := json.Unmarshal(r.Record, &meta); err != nil {
		return jsonInfo{}, err
	}
	m, err := q.House.Registry.Manifest(ctx, r.ID)
	if err != nil {
		return jsonInfo{}, err
	}
	page := q.Root + "/packages/" + v.Repo.Path() + "/" + v.Norm
	info := jsonInfo{
		Author: meta.Author, AuthorEmail: meta.AuthorEmail, Classifiers: list(meta.Classifiers), Description: m.Readme,
		DescriptionContentType: meta.DescriptionContentType, DownloadURL: meta.DownloadURL, Downloads: jsonDownloads{-1, -1, -1},
		Dynamic: meta.Dynamic, HomePage: meta.HomePage, Keywords: meta.Keywords, License: meta.License,
		LicenseExpression: optional(meta.LicenseExpression), LicenseFiles: meta.LicenseFiles, Maintainer: meta.Maintainer,
		MaintainerEmail: meta.MaintainerEmail, Name: v.Display, PackageURL: page, ProjectURL: page, ProvidesExtra: meta.ProvidesExtra,
		ReleaseURL: page + "/" + escapeSegment(r.Version), RequiresDist: meta.RequiresDist, RequiresPython: optional(meta.RequiresPython),
		Summary: meta.Summary, Version: r.Version, Yanked: r.Yanked, YankedReason: optional(r.YankReason),
	}
	if len(meta.Platforms) > 0 {
		info.Platform = &meta.Platforms[0]
	}
	for _, value := range meta.ProjectURLs {
		if label, link, ok := cutProjectURL(value); ok {
			if info.ProjectURLs == nil {
				info.ProjectURLs = &orderedMap[string, string]{}
			}
			info.ProjectURLs.add(label, link)
		}
	}
	return info, nil
}

func filesJSON(v registry.View, r *registry.Release, base string) []*jsonFile {
	out := []*jsonFile{}
	for _, f := range distributions(r) {
		page := fileOf(v.Project, r, f, base)
		detail := detailOf(f)
		md5 := hex.EncodeToString(f.Digests.MD5[:])
		kind := "sdist"
		if f.Kind == KindWheel {
			kind = "bdist_wheel"
		}
		out = append(out, &jsonFile{
			CommentText: detail.Comment, CoreMetadata: page.CoreMetadata, Downloads: -1, Filename: page.Filename, MD5Digest: md5,
			Digests:     jsonDigests{hex.EncodeToString(f.Digests.Blake2b[:]), md5, page.Hashes["sha256"]},
			PackageType: kind, PythonVersion: detail.PythonVersion, RequiresPython: optional(detail.RequiresPython), Size: page.Size,
			UploadTime: isoTime(f.UploadedAt), UploadTimeISO8601: page.UploadTime, URL: page.URL, Yanked: r.Yanked, YankedReason: optional(r.YankReason),
		})
	}
	return out
}

// optional is null for the empty string.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// list is never null.
func list(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

// orderedMap is a JSON object whose keys keep their order.
type orderedMap[K ~string, V any] struct {
	keys   []K
	values []V
}

func (m *orderedMap[K, V]) add(k K, v V) { m.keys, m.values = append(m.keys, k), append(m.values, v) }

// MarshalJSON implements json.Marshaler.
func (m *orderedMap[K, V]) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, k := range m.keys {
		if i > 0 {
			b.WriteByte(',')
		}
		key, err := json.Marshal(string(k))
		if err != nil {
			return nil, err
		}
		value, err := marshal(m.values[i])
		if err != nil {
			return nil, err
		}
		b.Write(key)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}
