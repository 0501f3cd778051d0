package wire

import (
	"context"
	"encoding/xml"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
)

// Maven speaks a Maven repository's layout (maven.md §1, §3): group org.example.wire, one jar and one POM.
type Maven struct{}

// Ecosystem implements Protocol.
func (Maven) Ecosystem() string { return "maven" }

const mavenGroup = "org/example/wire/"

// Make implements Protocol: a jar.
func (Maven) Make(name, version string, size int, random *rand.Rand) Release {
	return Release{Name: name, Version: version, File: name + "-" + version + ".jar", Bytes: zipped(
		text("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\r\n\r\n"), filler("data.bin", size, random),
	)}
}

// Publish implements Protocol: jar, POM and, as the deploy plugin does last, the metadata of the artifact.
func (Maven) Publish(ctx context.Context, c *Client, r Release) (Answer, error) {
	dir := "/maven/local/" + mavenGroup + r.Name + "/"
	pom := fmt.Sprintf(`<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion><groupId>org.example.wire</groupId>`+
		`<artifactId>%s</artifactId><version>%s</version></project>`, r.Name, r.Version)
	metadata := fmt.Sprintf(`<metadata><groupId>org.example.wire</groupId><artifactId>%s</artifactId><versioning><release>%[2]s</release>`+
		`<versions><version>%[2]s</version></versions><lastUpdated>20200101000000</lastUpdated></versioning></metadata>`, r.Name, r.Version)
	var a Answer
	for _, part := range []struct {
		path string
		body []byte
	}{
		{dir + r.Version + "/" + r.File, r.Bytes},
		{dir + r.Version + "/" + r.Name + "-" + r.Version + ".pom", []byte(pom)},
		{dir + "maven-metadata.xml", []byte(metadata)},
	} {
		for _, with := range []struct {
			suffix string
			body   []byte
		}{{"", part.body}, {".sha1", []byte(Sum("sha1", part.body))}, {".md5", []byte(Sum("md5", part.body))}} {
			var err error
			if a, err = c.send(ctx, http.MethodPut, part.path+with.suffix, c.basic(), with.body); err != nil || !a.OK() {
				return a, err
			}
		}
	}
	return a, nil
}

// List implements Protocol.
func (Maven) List(ctx context.Context, c *Client, name string) ([]Listed, error) {
	dir := "/maven/local/" + mavenGroup + name + "/"
	body, err := c.index(ctx, dir+"maven-metadata.xml", "")
	if err != nil || body == nil {
		return nil, err
	}
	var doc struct {
		Versions []string `xml:"versioning>versions>version"`
	}
	if err := xml.Unmarshal(body, &doc); err != nil {
		return nil, err
	}
	var out []Listed
	for _, version := range doc.Versions {
		jar := dir + version + "/" + name + "-" + version + ".jar"
		sum, err := c.index(ctx, jar+".sha1", "")
		if err != nil {
			return nil, err
		}
		out = append(out, Listed{version, c.Base + jar, "sha1", strings.TrimSpace(string(sum))})
	}
	return out, nil
}

// Documents implements Protocol.
func (Maven) Documents(name string) []Document {
	metadata := mavenGroup + name + "/maven-metadata.xml"
	return []Document{{"/maven/local/" + metadata, ""}, {"/maven/local/" + metadata + ".sha1", ""}, {"/maven/main/" + metadata, ""}}
}
