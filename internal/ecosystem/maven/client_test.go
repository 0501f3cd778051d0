package maven

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"bonded/internal/door"
	"bonded/internal/door/doortest"
	"bonded/internal/registry"
	"bonded/internal/store"
	"bonded/internal/store/storetest"
)

// The clients whose deployments are replayed here, as their headers name them.
const (
	maven38 = "Apache-Maven/3.8.9 (Java 17.0.15; Linux 6.1)"
	maven39 = "Apache-Maven/3.9.16 (Java 17.0.15; Linux 6.1)"
	gradle  = "Gradle/8.10 (Linux;6.1;amd64) (Debian;17.0.15)"
	sbt     = "Apache Ivy/2.5.1"
)

// house is an open house with the Maven door in it.
type house struct {
	*doortest.Env
	door *Door
}

func open(t testing.TB) house { return openOn(t, storetest.SQLite(t)) }

func openOn(t testing.TB, db *store.DB) house {
	var d *Door
	env := doortest.On(t, db, []registry.Format{NewFormat()}, func(h *door.House) []door.Door {
		d = NewDoor(h)
		return []door.Door{d}
	})
	return house{env, d}
}

// client deploys to a repository as one of the real clients would.
type client struct {
	t           testing.TB
	base, token string
	agent       string
	// sums are the checksum kinds that it sends, in its order.
	sums []string
	http *http.Client
}

func (h house) client(t testing.TB, agent, token string) *client {
	c := &client{t: t, base: h.URL + "/maven/main/", token: token, agent: agent, sums: []string{"sha1", "md5"}, http: &http.Client{Transport: &http.Transport{}}}
	if agent == gradle {
		c.sums = []string{"sha1", "md5", "sha256", "sha512"}
	}
	t.Cleanup(c.http.CloseIdleConnections)
	return c
}

// send makes one request with the headers that the client sends and returns status and body.
func (c *client) send(method, path, body string) (int, string) {
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.base+path, strings.NewReader(body))
	if err != nil {
		return 0, err.Error()
	}
	r.Header.Set("User-Agent", c.agent)
	r.Header.Set("Cache-Control", "no-cache")
	if method == http.MethodPut {
		r.Header.Set("Expect", "100-continue")
	} else {
		r.Body, r.ContentLength = nil, 0
	}
	if c.token != "" {
		r.SetBasicAuth("token", c.token)
	}
	res, err := c.http.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err.Error()
	}
	return res.StatusCode, string(b)
}

func sumOf(kind, body string) string {
	switch kind {
	case "md5":
		s := md5.Sum([]byte(body))
		return hex.EncodeToString(s[:])
	case "sha1":
		s := sha1.Sum([]byte(body))
		return hex.EncodeToString(s[:])
	case "sha256":
		s := sha256.Sum256([]byte(body))
		return hex.EncodeToString(s[:])
	default:
		s := sha512.Sum512([]byte(body))
		return hex.EncodeToString(s[:])
	}
}

// put sends a file with its checksums; an error names the first PUT that fails the build: a refused file, not a refused checksum.
func (c *client) put(path, body string) error {
	if status, answer := c.send(http.MethodPut, path, body); status != http.StatusCreated {
		return fmt.Errorf("PUT %s: %d %s", path, status, answer)
	}
	if strings.HasSuffix(path, ".asc") {
		return nil
	}
	for _, kind := range c.sums {
		c.send(http.MethodPut, path+"."+kind, sumOf(kind, body))
	}
	return nil
}

// file is one file of a deployment: its ending after {artifactId}-{version}, and its bytes.
type file struct{ ending, body string }

// deploy sends a release the way the client does: its files, in parallel after the first where the client does that, then the
// A level metadata with the version added to what it read.
func (c *client) deploy(group, artifactID, version string, files ...file) error {
	dir := directory(group, artifactID, version)
	send := func(f file) error { return c.put(dir+artifactID+"-"+version+f.ending, f.body) }
	if c.agent != maven39 {
		for _, f := range files {
			if err := send(f); err != nil {
				return err
			}
		}
		return c.metadata(group, artifactID, version)
	}
	if err := send(files[0]); err != nil {
		return err
	}
	errs := make([]error, len(files))
	var wg sync.WaitGroup
	for i, f := range files[1:] {
		wg.Go(func() { errs[i] = send(f) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return c.metadata(group, artifactID, version)
}

// metadata reads, merges and writes the A level.
func (c *client) metadata(group, artifactID, version string) error {
	path := strings.ReplaceAll(group, ".", "/") + "/" + artifactID + "/maven-metadata.xml"
	status, body := c.send(http.MethodGet, path, "")
	versions := []string{}
	if status == http.StatusOK {
		m, err := parseMetadataXML([]byte(body))
		if err != nil {
			return err
		}
		if m.Versioning != nil { // else it is a group's plugins
			versions = m.Versioning.Versions
		}
	} else if status != http.StatusNotFound {
		return fmt.Errorf("GET %s: %d %s", path, status, body)
	}
	doc := "<metadata><groupId>" + group + "</groupId><artifactId>" + artifactID + "</artifactId><versioning><versions>"
	for _, v := range append(versions, version) {
		doc += "<version>" + v + "</version>"
	}
	return c.put(path, doc+"</versions><lastUpdated>20261122000000</lastUpdated></versioning></metadata>")
}

// snapshot sends one timestamped build with its V and A level metadata.
func (c *client) snapshot(group, artifactID, base, timestamp string, number int, files ...file) error {
	version := strings.TrimSuffix(base, "SNAPSHOT") + timestamp + "-" + fmt.Sprint(number)
	dir := directory(group, artifactID, base)
	for _, f := range files {
		if err := c.put(dir+artifactID+"-"+version+f.ending, f.body); err != nil {
			return err
		}
	}
	if err := c.put(dir+"maven-metadata.xml", buildMetadata(group, artifactID, base, timestamp, number)); err != nil {
		return err
	}
	return c.metadata(group, artifactID, base)
}

func buildMetadata(group, artifactID, base, timestamp string, number int) string {
	return fmt.Sprintf(`<metadata modelVersion="1.1.0"><groupId>%s</groupId><artifactId>%s</artifactId><version>%s</version><versioning>
		<snapshot><timestamp>%s</timestamp><buildNumber>%d</buildNumber></snapshot></versioning></metadata>`, group, artifactID, base, timestamp, number)
}

// library are the files of a small release: POM and jar.
func library(t testing.TB, group, artifactID, version string) []file {
	return []file{
		{".pom", pomOf(group, artifactID, version, "")},
		{".jar", jarOf(t, "A.class", version)},
	}
}

// versions reads what everybody sees listed.
func (h house) versions(t testing.TB, project string) []string {
	t.Helper()
	a := h.Do(http.MethodGet, "/maven/main/"+project+"/maven-metadata.xml", "")
	if a.Status == http.StatusNotFound {
		return nil
	}
	m, err := parseMetadataXML([]byte(a.Body))
	if err != nil {
		t.Fatalf("%d %s: %v", a.Status, a.Body, err)
	}
	return m.Versioning.Versions
}

func (h house) status(t testing.TB, path string) int {
	t.Helper()
	return h.Do(http.MethodGet, "/maven/main/"+path, "").Status
}
