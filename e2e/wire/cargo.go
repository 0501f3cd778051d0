package wire

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
)

// Cargo speaks cargo's registry protocol (cargo.md §1, §2).
type Cargo struct{}

// Ecosystem implements Protocol.
func (Cargo) Ecosystem() string { return "cargo" }

// Make implements Protocol.
func (Cargo) Make(name, version string, size int, random *rand.Rand) Release {
	top := name + "-" + version + "/"
	manifest := fmt.Sprintf("[package]\nedition = \"2021\"\nname = %q\nversion = %q\ndescription = \"A generated package\"\nlicense = \"MIT\"\n\n[lib]\nname = %q\npath = \"src/lib.rs\"\n",
		name, version, strings.ReplaceAll(name, "-", "_"))
	return Release{Name: name, Version: version, File: name + "-" + version + ".crate", Bytes: targz(
		text(top+"Cargo.toml", manifest), text(top+"Cargo.toml.orig", manifest), text(top+"src/lib.rs", "pub fn version() {}\n"),
		filler(top+"data.bin", size, random),
	)}
}

// Publish implements Protocol.
func (Cargo) Publish(ctx context.Context, c *Client, r Release) (Answer, error) {
	meta, err := json.Marshal(map[string]any{
		"name": r.Name, "vers": r.Version, "deps": []any{}, "features": map[string]any{}, "authors": []any{},
		"description": "A generated package", "documentation": nil, "homepage": nil, "readme": nil, "readme_file": nil, "keywords": []any{},
		"categories": []any{}, "license": "MIT", "license_file": nil, "repository": nil, "badges": map[string]any{}, "links": nil, "rust_version": nil,
	})
	if err != nil {
		return Answer{}, err
	}
	var body bytes.Buffer
	for _, part := range [][]byte{meta, r.Bytes} {
		_ = binary.Write(&body, binary.LittleEndian, uint32(len(part)))
		_, _ = body.Write(part)
	}
	return c.send(ctx, http.MethodPut, "/cargo/local/api/v1/crates/new", c.Token, body.Bytes())
}

func sparsePath(name string) string {
	switch len(name) {
	case 1, 2:
		return fmt.Sprintf("%d/%s", len(name), name)
	case 3:
		return "3/" + name[:1] + "/" + name
	default:
		return name[:2] + "/" + name[2:4] + "/" + name
	}
}

// List implements Protocol.
func (Cargo) List(ctx context.Context, c *Client, name string) ([]Listed, error) {
	body, err := c.index(ctx, "/cargo/local/"+sparsePath(name), "")
	if err != nil || body == nil {
		return nil, err
	}
	var out []Listed
	for line := range strings.Lines(string(body)) {
		var v struct{ Name, Vers, Cksum string }
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			return nil, err
		}
		if v.Name != name || len(v.Cksum) != 64 {
			return nil, fmt.Errorf("the index of %s holds the line %s", name, line)
		}
		out = append(out, Listed{v.Vers, c.Base + "/cargo/local/api/v1/crates/" + name + "/" + v.Vers + "/download", "sha256", v.Cksum})
	}
	return out, nil
}

// Documents implements Protocol.
func (Cargo) Documents(name string) []Document {
	return []Document{{"/cargo/local/" + sparsePath(name), ""}, {"/cargo/main/" + sparsePath(name), ""}, {"/cargo/local/config.json", ""}}
}
