package blob

import (
	"net/http"
	"strings"
	"testing"

	"bonded/internal/errs"
)

func TestParseURL(t *testing.T) {
	for raw, want := range map[string]S3Config{
		"s3://blobs?endpoint=s3.example.com": {
			Bucket: "blobs", Endpoint: "s3.example.com", Region: "us-east-1",
		},
		"s3://blobs/a/b/?endpoint=127.0.0.1:9000&region=eu-west-1&tls=false&path-style=true": {
			Bucket: "blobs", Prefix: "a/b", Endpoint: "127.0.0.1:9000", Region: "eu-west-1", Plaintext: true, PathStyle: true,
		},
		"s3://blobs/?endpoint=[::1]:9000&tls=true&path-style=false": {
			Bucket: "blobs", Endpoint: "[::1]:9000", Region: "us-east-1",
		},
	} {
		got, err := ParseURL(raw)
		if err != nil || got != want {
			t.Errorf("ParseURL(%q) = %v, %v, want %v", raw, got, err, want)
		}
	}
}

func TestParseURLRefuses(t *testing.T) {
	for rule, raw := range map[string]string{
		"another scheme":         "https://blobs?endpoint=h",
		"credentials":            "s3://key:hunter2@blobs?endpoint=h",
		"a user":                 "s3://hunter2@blobs?endpoint=h",
		"a secret parameter":     "s3://blobs?endpoint=h&secret-key=hunter2",
		"no endpoint":            "s3://blobs",
		"no bucket":              "s3:///prefix?endpoint=h",
		"a bad bucket":           "s3://b_?endpoint=h",
		"a bucket with a port":   "s3://blobs:80?endpoint=h",
		"an endpoint with path":  "s3://blobs?endpoint=h/hunter2",
		"an endpoint with a URL": "s3://blobs?endpoint=https://h",
		"an endpoint with user":  "s3://blobs?endpoint=k:hunter2@h",
		"an endpoint with space": "s3://blobs?endpoint=h%20h",
		"a parameter twice":      "s3://blobs?endpoint=h&endpoint=i",
		"tls that is not a bool": "s3://blobs?endpoint=h&tls=off",
		"path-style not a bool":  "s3://blobs?endpoint=h&path-style=1",
		"a prefix that climbs":   "s3://blobs/a/../b?endpoint=h",
		"an empty prefix part":   "s3://blobs/a//b?endpoint=h",
		"a control character":    "s3://blobs/a%0ab?endpoint=h",
		"a fragment":             "s3://blobs?endpoint=h#hunter2",
		"a malformed query":      "s3://blobs?endpoint=h;hunter2",
		"no URL":                 "s3://blobs\x7f?hunter2",
	} {
		_, err := ParseURL(raw)
		if !errs.Is(err, errs.Invalid) {
			t.Errorf("%s: %v, want invalid", rule, err)
			continue
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error repeats the secret: %v", rule, err)
		}
	}
}

func TestOpenS3RefusesHalfAConfiguration(t *testing.T) {
	whole := S3Config{Endpoint: "127.0.0.1:1", Bucket: "blobs", Plaintext: true, PathStyle: true, AccessKey: "a", SecretKey: "hunter2", Transport: http.DefaultTransport}
	for rule, change := range map[string]func(*S3Config){
		"no bucket":     func(c *S3Config) { c.Bucket = "" },
		"no access key": func(c *S3Config) { c.AccessKey = "" },
		"no secret key": func(c *S3Config) { c.SecretKey = "" },
		"no transport":  func(c *S3Config) { c.Transport = nil },
	} {
		c := whole
		change(&c)
		if _, err := OpenS3(c); err == nil || errs.Is(err, errs.Unavailable) {
			t.Errorf("%s: %v, want a refusal", rule, err)
		}
	}
	if strings.Contains(whole.String(), "hunter2") {
		t.Errorf("String shows the secret: %s", whole)
	}
}

func FuzzParseURL(f *testing.F) {
	f.Add("s3://blobs/a/b?endpoint=127.0.0.1:9000&region=eu-west-1&tls=false&path-style=true")
	f.Add("s3://key:secret@blobs?endpoint=h")
	f.Add("s3://blobs?endpoint=[::1]:9000")
	f.Add("s3://blobs/%2e%2e?endpoint=h")
	f.Fuzz(func(t *testing.T, raw string) {
		c, err := ParseURL(raw)
		if err != nil {
			return
		}
		if again, err := ParseURL(c.String()); err != nil || again != c {
			t.Errorf("%q is read as %q, and that as %q, %v", raw, c, again, err)
		}
	})
}
