package pypi

import (
	"strings"
	"testing"

	"bonded/internal/digest"
	"bonded/internal/errs"
)

func TestLocate(t *testing.T) {
	sum := digest.Of([]byte("x"))
	for _, c := range []struct{ path, project, version, stored string }{
		{FileURL(sum, "Hello.Bonded-1.0.tar.gz"), "hello-bonded", "1", "files/hello-bonded/Hello.Bonded-1.0.tar.gz"},
		{FileURL(sum, "a-1!2.0-py3-none-any.whl"), "a", "1!2", "files/a/a-1!2.0-py3-none-any.whl"},
		{FileURL(sum, "a-1-py3-none-any.whl") + ".metadata", "a", "1", "files/a/a-1-py3-none-any.whl.metadata"},
		{"files/a-b/a_b-1.0.zip", "a-b", "1", "files/a-b/a_b-1.0.zip"},
		{"/files/a/a-1+local.tar.gz", "a", "1+local", "files/a/a-1+local.tar.gz"},
	} {
		ref, err := NewFormat().Locate(c.path)
		if err != nil || ref.Project != c.project || ref.Version != c.version || ref.Path != c.stored || ref.Sidecar != "" {
			t.Errorf("%s: %+v %v", c.path, ref, err)
		}
	}
	hex := sum.String()
	for _, path := range []string{
		"", "/", "simple/a/", "files/a-1.tar.gz", "files/b/a-1.tar.gz", "files/A/a-1.tar.gz", "files/a/a-1.exe", "files/a/a-1.tar.gz.metadata",
		"files/a/a-1-py3-none-any.whl.metadata.metadata", "files/" + hex + "/a-1.tar.gz", "files/" + hex[:2] + "/" + hex[2:4] + "/" + hex[4:63] + "/a-1.tar.gz",
		"files/" + hex[:1] + "/" + hex[1:4] + "/" + hex[4:] + "/a-1.tar.gz", strings.ToUpper("files/"+hex[:2]+"/"+hex[2:4]+"/"+hex[4:]) + "/a-1.tar.gz",
		"files/" + hex[:2] + "/" + strings.ToUpper(hex[2:4]+"/"+hex[4:]) + "/a-1.tar.gz", "files/a/%zz", "files/a/a-1.tar.gz%00", "files/a/..%2fa-1.tar.gz",
	} {
		if ref, err := NewFormat().Locate(path); !errs.Is(err, errs.NotFound) {
			t.Errorf("%s: %+v %v", path, ref, err)
		}
	}
}

func FuzzLocate(f *testing.F) {
	f.Add(FileURL(digest.Of(nil), "a-1.0-py3-none-any.whl") + ".metadata")
	f.Add("files/a/a-1.tar.gz")
	f.Fuzz(func(t *testing.T, path string) {
		at, ok := parseFilePath(path)
		if !ok {
			return
		}
		if strings.ContainsAny(at.filename, "/\\\x00") || strings.Count(at.stored(), "/") != 2 || strings.Contains(at.stored(), "..") && strings.Contains(at.stored(), "../") {
			t.Errorf("%q: %+v", path, at)
		}
		// The canonical address of a file is read back as the same file.
		back, ok := parseFilePath(FileURL(at.sha256, at.filename))
		if !ok || back.filename != at.filename || back.sha256 != at.sha256 || back.norm != at.norm {
			t.Errorf("%q: %+v became %+v", path, at, back)
		}
	})
}
