package npm

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha1"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"bonded/internal/door"
	"bonded/internal/door/doortest"
	"bonded/internal/registry"
	"bonded/internal/store"
	"bonded/internal/store/storetest"
)

// house opens a house with an npm door.
func house(t *testing.T) *doortest.Env {
	t.Helper()
	return doortest.New(t, []registry.Format{NewFormat()}, func(h *door.House) []door.Door { return []door.Door{NewDoor(h)} })
}

// onEngines runs a test against a house on each engine.
func onEngines(t *testing.T, test func(t *testing.T, env *doortest.Env)) {
	t.Helper()
	storetest.Engines(t, func(t *testing.T, db *store.DB) {
		test(t, doortest.On(t, db, []registry.Format{NewFormat()}, func(h *door.House) []door.Door { return []door.Door{NewDoor(h)} }))
	})
}

// pack makes a tarball of files below package/.
func pack(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	w := tar.NewWriter(z)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		h := &tar.Header{Name: "package/" + name, Mode: 0o644, Size: int64(len(files[name])), Typeflag: tar.TypeReg, Format: tar.FormatUSTAR}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(files[name])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// document is a publish document that a test may bend before it is sent.
type document struct {
	name, version string
	tags          map[string]string
	manifest      map[string]any
	tarball       []byte
	// top are further members, or other values for the usual ones.
	top map[string]any
}

// publication makes a publish document whose manifest is the tarball's package.json.
func publication(t testing.TB, packageJSON string, files map[string]string) *document {
	t.Helper()
	all := map[string]string{"package.json": packageJSON, "index.js": "module.exports = 1\n"}
	maps.Copy(all, files)
	d := &document{tarball: pack(t, all), top: map[string]any{}}
	if err := json.Unmarshal([]byte(packageJSON), &d.manifest); err != nil {
		t.Fatal(err)
	}
	d.name, _ = d.manifest["name"].(string)
	d.version, _ = d.manifest["version"].(string)
	d.tags = map[string]string{"latest": d.version}
	return d
}

func (d *document) body() string {
	sum1, sum512 := sha1.Sum(d.tarball), sha512.Sum512(d.tarball)
	manifest := maps.Clone(d.manifest)
	if _, ok := manifest["dist"]; !ok {
		manifest["dist"] = map[string]string{
			"integrity": "sha512-" + base64.StdEncoding.EncodeToString(sum512[:]), "shasum": hex.EncodeToString(sum1[:]),
			"tarball": "http://elsewhere.example.test/x.tgz",
		}
	}
	doc := map[string]any{
		"_id": d.name, "name": d.name, "dist-tags": d.tags, "access": nil, "versions": map[string]any{d.version: manifest},
		"_attachments": map[string]any{d.name + "-" + d.version + ".tgz": map[string]any{
			"content_type": "application/octet-stream", "data": base64.StdEncoding.EncodeToString(d.tarball), "length": len(d.tarball),
		}},
	}
	maps.Copy(doc, d.top)
	b, err := json.Marshal(doc)
	if err != nil {
		panic(err) // maps and strings
	}
	return string(b)
}

// client is a test's way into one repository.
type client struct {
	t    *testing.T
	env  *doortest.Env
	base string
	auth string
}

func as(t *testing.T, env *doortest.Env, token string) *client {
	c := &client{t: t, env: env, base: "/npm/main"}
	if token != "" {
		c.auth = doortest.Bearer(token)
	}
	return c
}

func (c *client) do(method, path, body string, headers ...string) doortest.Answer {
	c.t.Helper()
	if c.auth != "" {
		headers = append(headers, c.auth)
	}
	return c.env.Do(method, c.base+path, body, headers...)
}

// want sends a request whose status must be the one given.
func (c *client) want(status int, method, path, body string, headers ...string) doortest.Answer {
	c.t.Helper()
	a := c.do(method, path, body, headers...)
	if a.Status != status {
		c.t.Fatalf("%s %s: status %d, want %d: %s", method, path, a.Status, status, a.Body)
	}
	return a
}

// publish sends a simple package.
func (c *client) publish(name, version string) {
	c.t.Helper()
	d := publication(c.t, `{"name":`+quoted(name)+`,"version":`+quoted(version)+`}`, nil)
	c.want(http.StatusCreated, http.MethodPut, "/"+EscapeName(name), d.body())
}

func (c *client) packument(name string, headers ...string) map[string]any {
	c.t.Helper()
	return decode(c.t, c.want(http.StatusOK, http.MethodGet, "/"+EscapeName(name), "", headers...).Body)
}

func decode(t *testing.T, body string) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return v
}

// at follows a path of member names.
func at(v any, path ...string) any {
	for _, p := range path {
		m, _ := v.(map[string]any)
		v = m[p]
	}
	return v
}

// sentence is the refusal's text, which both members of the envelope must carry.
func sentence(t *testing.T, a doortest.Answer) string {
	t.Helper()
	e := decode(t, a.Body)
	text, _ := e["error"].(string)
	if text == "" || e["message"] != text || !strings.HasPrefix(a.Header.Get("Content-Type"), "application/json") {
		t.Errorf("not an npm error: %s %s", a.Header.Get("Content-Type"), a.Body)
	}
	return text
}
