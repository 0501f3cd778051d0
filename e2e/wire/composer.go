package wire

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
)

// Composer speaks Composer's repository format (composer.md §1) and the house's upload of a zip. Its generated names get
// the vendor "wire".
type Composer struct{}

// Ecosystem implements Protocol.
func (Composer) Ecosystem() string { return "composer" }

// Make implements Protocol.
func (Composer) Make(name, version string, size int, random *rand.Rand) Release {
	manifest, _ := json.Marshal(map[string]any{ // strings always marshal
		"name": "wire/" + name, "version": version, "description": "A generated package", "type": "library", "license": "MIT",
		"autoload": map[string]any{"psr-4": map[string]string{"Wire\\": "src/"}},
	})
	return Release{Name: name, Version: version, File: "wire-" + name + "-" + version + ".zip", Bytes: zipped(
		entry{"composer.json", manifest}, text("src/A.php", "<?php\n"), filler("src/data.bin", size, random),
	)}
}

// Publish implements Protocol.
func (Composer) Publish(ctx context.Context, c *Client, r Release) (Answer, error) {
	return c.send(ctx, http.MethodPut, "/composer/local/?version="+r.Version, c.basic(), r.Bytes, "Content-Type", "application/zip")
}

// List implements Protocol.
func (Composer) List(ctx context.Context, c *Client, name string) ([]Listed, error) {
	full := "wire/" + name
	body, err := c.index(ctx, "/composer/local/p2/"+full+".json", "")
	if err != nil || body == nil {
		return nil, err
	}
	var doc struct {
		Packages map[string][]struct {
			Version string
			Dist    struct{ URL, Shasum string }
		}
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		return nil, err
	}
	var out []Listed
	for _, v := range doc.Packages[full] {
		if v.Dist.Shasum == "" {
			return nil, fmt.Errorf("%s %s has no shasum", full, v.Version)
		}
		out = append(out, Listed{strings.TrimPrefix(v.Version, "v"), v.Dist.URL, "sha1", v.Dist.Shasum})
	}
	return out, nil
}

// Documents implements Protocol.
func (Composer) Documents(name string) []Document {
	return []Document{
		{"/composer/local/p2/wire/" + name + ".json", ""}, {"/composer/local/packages.json", ""}, {"/composer/main/p2/wire/" + name + ".json", ""},
	}
}
