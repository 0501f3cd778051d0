package blob

import (
	"cmp"
	"io/fs"
	"net/http"
	"net/url"
	"strings"

	"github.com/minio/minio-go/v7/pkg/s3utils"

	"bonded/internal/errs"
)

// S3Config says which S3-compatible store to use, and how.
type S3Config struct {
	Endpoint string // host or host:port
	Bucket   string // must exist
	Prefix   string // of every key, without slashes at its ends; may be empty
	Region   string // empty means us-east-1, which servers without regions expect
	// Plaintext speaks http rather than https.
	Plaintext bool
	// PathStyle puts the bucket into the path rather than into the host name.
	PathStyle bool

	// AccessKey and SecretKey come from the configuration and never from a URL.
	AccessKey, SecretKey string

	// Transport carries every request; it must be set, so that the guards of the outbound client are not left out by
	// accident.
	Transport http.RoundTripper
	// SpoolDir is the local folder for bytes that are being received; empty means that of os.TempDir.
	SpoolDir string
}

const defaultRegion = "us-east-1"

// ParseURL reads s3://bucket/prefix?endpoint=HOST[:PORT]&region=R&tls=false&path-style=true, of which only bucket and
// endpoint are required. Keys, Transport and SpoolDir are for the caller to set; a URL that carries credentials, or
// anything else unknown, is refused.
func ParseURL(raw string) (S3Config, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return S3Config{}, badURL("cannot be parsed") // the error of url.Parse would repeat the URL, which may hold a secret
	}
	switch {
	case u.Scheme != "s3":
		return S3Config{}, badURL("must start with s3://")
	case u.User != nil:
		return S3Config{}, badURL("must not carry credentials").WithNext("Set the access key and the secret key in the configuration.")
	case u.Fragment != "" || u.Opaque != "":
		return S3Config{}, badURL("has parts that mean nothing here")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return S3Config{}, badURL("has a malformed query")
	}
	c := S3Config{Bucket: u.Host, Prefix: strings.Trim(u.Path, "/")}
	for name, values := range query {
		if len(values) != 1 {
			return S3Config{}, badURL("has a parameter twice")
		}
		ok := true
		switch value := values[0]; name {
		case "endpoint":
			c.Endpoint = value
		case "region":
			c.Region = value
		case "tls":
			c.Plaintext, ok = value == "false", isBool(value)
		case "path-style":
			c.PathStyle, ok = value == "true", isBool(value)
		default:
			return S3Config{}, badURL("has a parameter other than endpoint, region, tls and path-style").
				WithNext("Set the access key and the secret key in the configuration.")
		}
		if !ok {
			return S3Config{}, badURL("has a tls or path-style that is neither true nor false")
		}
	}
	c.Region = cmp.Or(c.Region, defaultRegion)
	return c, c.check()
}

// String returns the URL form, which holds no secret.
func (c S3Config) String() string {
	query := url.Values{"endpoint": {c.Endpoint}}
	if c.Region != "" && c.Region != defaultRegion {
		query.Set("region", c.Region)
	}
	if c.Plaintext {
		query.Set("tls", "false")
	}
	if c.PathStyle {
		query.Set("path-style", "true")
	}
	u := url.URL{Scheme: "s3", Host: c.Bucket, Path: "/" + c.Prefix, RawQuery: query.Encode()}
	return u.String()
}

// check refuses what could not be a place in an S3 store.
func (c S3Config) check() error {
	endpoint, err := url.Parse("//" + c.Endpoint)
	switch {
	case s3utils.CheckValidBucketNameStrict(c.Bucket) != nil:
		return badURL("has no valid bucket name")
	case c.Prefix != "" && (!fs.ValidPath(c.Prefix) || c.Prefix == "." || len(c.Prefix) > 512 || !isPrintable(c.Prefix)):
		return badURL("has a prefix that is no clean path")
	case err != nil || c.Endpoint == "" || endpoint.Host != c.Endpoint || endpoint.Hostname() == "" || !isPrintable(c.Endpoint):
		return badURL("needs endpoint=HOST or endpoint=HOST:PORT")
	case len(c.Region) > 64 || !isPrintable(c.Region):
		return badURL("has no valid region")
	}
	return nil
}

func badURL(why string) *errs.Error {
	return errs.New(errs.Invalid, "The address of the S3 store %s.", why).WithRule("blob/s3-url").
		WithNext("Write it as s3://bucket/prefix?endpoint=HOST:PORT&region=REGION.")
}

func isBool(s string) bool { return s == "true" || s == "false" }

// isPrintable reports whether s is printable ASCII without spaces.
func isPrintable(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return true
}
