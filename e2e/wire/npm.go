package wire

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
)

// NPM speaks npm's registry protocol (npm.md §2, §3).
type NPM struct {
	// Manifest holds further members of package.json, or other values of those that it has.
	Manifest map[string]any
}

// Ecosystem implements Protocol.
func (NPM) Ecosystem() string { return "npm" }

// packageJSON is the manifest of a generated package: in the tarball and, by the client's normalization, in the request.
func (p NPM) packageJSON(name, version string) map[string]any {
	m := map[string]any{
		"name": name, "version": version, "description": "A generated package", "main": "index.js", "license": "MIT",
		"dependencies": map[string]string{"left": "^1.0.0", "right": "~2.3.0"},
	}
	maps.Copy(m, p.Manifest)
	return m
}

// Make implements Protocol.
func (p NPM) Make(name, version string, size int, random *rand.Rand) Release {
	manifest, _ := json.Marshal(p.packageJSON(name, version)) // strings always marshal
	return Release{Name: name, Version: version, File: name + "-" + version + ".tgz", Bytes: targz(
		entry{"package/package.json", manifest}, text("package/index.js", "module.exports = "+fmt.Sprintf("%q", version)+"\n"),
		filler("package/data.bin", size, random),
	)}
}

// PublishBody is the JSON of the publishing PUT.
func (p NPM) PublishBody(base string, r Release) []byte {
	integrity := make([]byte, 0, 64)
	_, _ = fmt.Sscanf(Sum("sha512", r.Bytes), "%x", &integrity)
	manifest := p.packageJSON(r.Name, r.Version)
	manifest["_id"] = r.Name + "@" + r.Version
	manifest["dist"] = map[string]any{
		"integrity": "sha512-" + base64.StdEncoding.EncodeToString(integrity), "shasum": Sum("sha1", r.Bytes),
		"tarball": base + "/npm/local/" + r.Name + "/-/" + r.File,
	}
	body, _ := json.Marshal(map[string]any{
		"_id": r.Name, "name": r.Name, "description": "A generated package", "dist-tags": map[string]string{"latest": r.Version},
		"versions": map[string]any{r.Version: manifest}, "access": nil,
		"_attachments": map[string]any{r.File: map[string]any{
			"content_type": "application/octet-stream", "data": base64.StdEncoding.EncodeToString(r.Bytes), "length": len(r.Bytes),
		}},
	})
	return body
}

// Publish implements Protocol.
func (p NPM) Publish(ctx context.Context, c *Client, r Release) (Answer, error) {
	return c.Put(ctx, "/npm/local/"+r.Name, p.PublishBody(c.Base, r))
}

// List implements Protocol.
func (NPM) List(ctx context.Context, c *Client, name string) ([]Listed, error) {
	body, err := c.index(ctx, "/npm/local/"+name, "application/json")
	if err != nil || body == nil {
		return nil, err
	}
	var doc struct {
		Versions map[string]struct {
			Name, Version string
			Dependencies  map[string]string
			Dist          struct{ Tarball, Shasum, Integrity string }
		}
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		return nil, err
	}
	var out []Listed
	for _, version := range sorted(doc.Versions) {
		v := doc.Versions[version]
		if v.Name != name || v.Version != version || v.Dependencies["left"] != "^1.0.0" || v.Dist.Integrity == "" {
			return nil, fmt.Errorf("the packument of %s lists %s without what it was published with: %+v", name, version, v)
		}
		out = append(out, Listed{version, v.Dist.Tarball, "sha1", v.Dist.Shasum})
	}
	return out, nil
}

// Documents implements Protocol.
func (NPM) Documents(name string) []Document {
	return []Document{
		{"/npm/local/" + name, "application/json"},
		{"/npm/local/" + name, "application/vnd.npm.install-v1+json"},
		{"/npm/main/" + name, "application/json"},
		{"/npm/main/" + name, "application/vnd.npm.install-v1+json"},
	}
}
