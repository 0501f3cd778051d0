package wire

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
)

// PyPI speaks the Simple API and the legacy upload (pypi.md §1, §3).
type PyPI struct{}

// Ecosystem implements Protocol.
func (PyPI) Ecosystem() string { return "pypi" }

// Make implements Protocol: a wheel.
func (PyPI) Make(name, version string, size int, random *rand.Rand) Release {
	module := strings.ReplaceAll(name, "-", "_")
	info := module + "-" + version + ".dist-info/"
	entries := []entry{
		text(module+"/__init__.py", fmt.Sprintf("version = %q\n", version)),
		filler(module+"/data.bin", size, random),
		text(info+"METADATA", fmt.Sprintf("Metadata-Version: 2.1\nName: %s\nVersion: %s\nSummary: A generated package\n", name, version)),
		text(info+"WHEEL", "Wheel-Version: 1.0\nGenerator: wire 1\nRoot-Is-Purelib: true\nTag: py3-none-any\n"),
	}
	var record strings.Builder
	for _, e := range entries {
		sum, _ := hex.DecodeString(Sum("sha256", e.body)) // our own hex
		fmt.Fprintf(&record, "%s,sha256=%s,%d\n", e.name, base64.RawURLEncoding.EncodeToString(sum), len(e.body))
	}
	fmt.Fprintf(&record, "%sRECORD,,\n", info)
	return Release{
		Name: name, Version: version, File: module + "-" + version + "-py3-none-any.whl",
		Bytes: zipped(append(entries, text(info+"RECORD", record.String()))...),
	}
}

// Publish implements Protocol.
func (PyPI) Publish(ctx context.Context, c *Client, r Release) (Answer, error) {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for _, f := range [][2]string{
		{":action", "file_upload"},
		{"protocol_version", "1"},
		{"metadata_version", "2.1"},
		{"name", r.Name},
		{"version", r.Version},
		{"summary", "A generated package"},
		{"filetype", "bdist_wheel"},
		{"pyversion", "py3"},
		{"sha256_digest", Sum("sha256", r.Bytes)},
		{"md5_digest", Sum("md5", r.Bytes)},
	} {
		_ = form.WriteField(f[0], f[1]) // into memory
	}
	file, _ := form.CreateFormFile("content", r.File)
	_, _ = file.Write(r.Bytes)
	_ = form.Close()
	return c.send(ctx, http.MethodPost, "/pypi/local/legacy/", c.basic(), body.Bytes(), "Content-Type", form.FormDataContentType())
}

const simpleJSON = "application/vnd.pypi.simple.v1+json"

// List implements Protocol.
func (PyPI) List(ctx context.Context, c *Client, name string) ([]Listed, error) {
	path := "/pypi/local/simple/" + name + "/"
	body, err := c.index(ctx, path, simpleJSON)
	if err != nil || body == nil {
		return nil, err
	}
	var doc struct {
		Name     string
		Versions []string
		Files    []struct {
			Filename, URL string
			Hashes        map[string]string
			Size          int64
		}
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		return nil, err
	}
	if doc.Name != name || len(doc.Versions) != len(doc.Files) {
		return nil, fmt.Errorf("the page of %s names %q and lists %d versions with %d files of one each", name, doc.Name, len(doc.Versions), len(doc.Files))
	}
	base, err := url.Parse(c.Base + path)
	if err != nil {
		return nil, err
	}
	var out []Listed
	for _, f := range doc.Files {
		_, rest, _ := strings.Cut(f.Filename, "-")
		version, _, _ := strings.Cut(rest, "-")
		at, err := base.Parse(f.URL)
		if err != nil {
			return nil, err
		}
		out = append(out, Listed{version, at.String(), "sha256", f.Hashes["sha256"]})
	}
	return out, nil
}

// Documents implements Protocol.
func (PyPI) Documents(name string) []Document {
	return []Document{
		{"/pypi/local/simple/" + name + "/", simpleJSON},
		{"/pypi/local/simple/" + name + "/", "text/html"},
		{"/pypi/main/simple/" + name + "/", simpleJSON},
		{"/pypi/main/simple/" + name + "/", "text/html"},
	}
}
