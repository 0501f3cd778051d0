package maven

import (
	"archive/zip"
	"bytes"
	"fmt"
	"testing"
	"time"
)

func sprint(v any) string { return fmt.Sprint(v) }

// jarOf packs a jar with files, in the given order of name and content, as a build would.
func jarOf(t testing.TB, nameAndContent ...string) string {
	t.Helper()
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	for i := 0; i < len(nameAndContent); i += 2 {
		w, err := z.CreateHeader(&zip.FileHeader{Name: nameAndContent[i], Method: zip.Deflate, Modified: time.Unix(1700000000, 0)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(nameAndContent[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

// pomOf writes a POM for coordinates, with further elements.
func pomOf(group, artifactID, version, more string) string {
	return `<?xml version="1.0" encoding="UTF-8"?>
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>` + group + `</groupId>
  <artifactId>` + artifactID + `</artifactId>
  <version>` + version + `</version>
  ` + more + `
</project>
`
}
