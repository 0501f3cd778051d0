package door_test

import (
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"bonded/internal/door"
)

func get(t *testing.T, d *door.Document, o door.DocumentOptions, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	door.ServeDocument(w, r, d, o)
	return w.Result()
}

func document() *door.Document {
	return door.NewDocument(door.Rendered{
		Body: []byte(strings.Repeat(`{"name":"foo"}`, 100)), ContentType: "application/json",
		Modified: time.Date(2026, 1, 2, 3, 4, 5, 600, time.UTC),
	})
}

func TestDocumentConditionalRequests(t *testing.T) {
	d := document()
	plain := get(t, d, door.DocumentOptions{})
	zipped := get(t, d, door.DocumentOptions{}, "Accept-Encoding", "br, GZIP;q=0.5")
	if plain.Header.Get("ETag") == zipped.Header.Get("ETag") {
		t.Error("two encodings share an ETag")
	}
	cases := []struct {
		rule   string
		header []string
		want   int
	}{
		{"its own tag", []string{"If-None-Match", plain.Header.Get("ETag")}, 304},
		{"the weak form", []string{"If-None-Match", "W/" + plain.Header.Get("ETag")}, 304},
		{"one of several", []string{"If-None-Match", `"x", ` + zipped.Header.Get("ETag")}, 304},
		{"any", []string{"If-None-Match", "*"}, 304},
		{"another tag", []string{"If-None-Match", `"x"`}, 200},
		{"a tag beats a date", []string{"If-None-Match", `"x"`, "If-Modified-Since", plain.Header.Get("Last-Modified")}, 200},
		{"the date verbatim", []string{"If-Modified-Since", "Fri, 02 Jan 2026 03:04:05 GMT"}, 304},
		{"a later date", []string{"If-Modified-Since", "Fri, 02 Jan 2026 03:04:06 GMT"}, 304},
		{"an earlier date", []string{"If-Modified-Since", "Fri, 02 Jan 2026 03:04:04 GMT"}, 200},
		{"no date at all", []string{"If-Modified-Since", "yesterday"}, 200},
	}
	for _, c := range cases {
		t.Run(c.rule, func(t *testing.T) {
			res := get(t, d, door.DocumentOptions{}, c.header...)
			body, _ := io.ReadAll(res.Body)
			if res.StatusCode != c.want || (c.want == 304) != (len(body) == 0) || (c.want == 304 && res.Header.Get("Content-Encoding") != "") {
				t.Errorf("status %d, %d bytes, %v", res.StatusCode, len(body), res.Header)
			}
		})
	}
	if res := get(t, d, door.DocumentOptions{NoConditional: true}, "If-None-Match", "*"); res.StatusCode != http.StatusOK {
		t.Errorf("NoConditional answered %d", res.StatusCode)
	}
}

func TestDocumentEncodings(t *testing.T) {
	d := document()
	want, _ := io.ReadAll(get(t, d, door.DocumentOptions{}).Body)
	res := get(t, d, door.DocumentOptions{}, "Accept-Encoding", "gzip, deflate")
	if res.Header.Get("Content-Encoding") != "gzip" {
		t.Fatal("gzip was not used")
	}
	z, err := gzip.NewReader(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(z)
	if err != nil || string(got) != string(want) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	for _, header := range []string{"identity", "gzip;q=0", "gzip; q=0.0", "deflate"} {
		if res := get(t, d, door.DocumentOptions{}, "Accept-Encoding", header); res.Header.Get("Content-Encoding") != "" {
			t.Errorf("%q got %s", header, res.Header.Get("Content-Encoding"))
		}
	}
}

func TestPrivateDocumentsStayOutOfSharedCaches(t *testing.T) {
	res := get(t, document(), door.DocumentOptions{Private: true, VaryAccept: true})
	if res.Header.Get("Cache-Control") != "private, no-cache" || !strings.Contains(res.Header.Get("Vary"), "Authorization") {
		t.Fatalf("%v", res.Header)
	}
}

type clockAt struct{ t time.Time }

func (c *clockAt) Now() time.Time { return c.t }

func TestDocumentIsRenderedOnceUntilItsTimeIsOver(t *testing.T) {
	c := &clockAt{time.Now()}
	docs := door.NewDocuments(1<<20, c)
	renders := 0
	ask := func(revision int64) {
		_, err := docs.Get(t.Context(), door.DocumentKey{Project: "foo", Revision: revision}, func(context.Context) (door.Rendered, error) {
			renders++
			return door.Rendered{Body: []byte("x"), Until: c.t.Add(time.Minute)}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	ask(1)
	ask(1)
	if renders != 1 {
		t.Fatalf("%d renders of one revision", renders)
	}
	ask(2)
	if renders != 2 {
		t.Fatal("a new revision was not rendered")
	}
	c.t = c.t.Add(time.Minute)
	ask(2)
	if renders != 3 {
		t.Fatal("a document outlived its View")
	}
	hits, misses := docs.Stats()
	if hits != 1 || misses != 3 {
		t.Fatalf("%v hits, %v misses", hits, misses)
	}
}

func TestArtifactsAreNeverRunByABrowser(t *testing.T) {
	for name, want := range map[string]string{
		"x.html": "application/octet-stream", "x.svg": "application/octet-stream", "x.tgz": "application/octet-stream",
		"x.pom": "text/xml", "x.jar": "application/java-archive", "noextension": "application/octet-stream",
	} {
		h := http.Header{}
		door.ArtifactHeaders(h, name, door.ContentType(name))
		if h.Get("Content-Type") != want || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Content-Security-Policy") != "sandbox; default-src 'none'" {
			t.Errorf("%s: %v", name, h)
		}
		if !strings.HasPrefix(h.Get("Content-Disposition"), "attachment") {
			t.Errorf("%s is shown inline", name)
		}
	}
}

func TestCredentialsInEveryFormThatClientsSend(t *testing.T) {
	basic := func(user, password string) string {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.SetBasicAuth(user, password)
		return r.Header.Get("Authorization")
	}
	for header, want := range map[string]string{
		"Bearer TOKEN": "TOKEN", "bearer  TOKEN ": "TOKEN", "token TOKEN": "TOKEN", basic("__token__", "TOKEN"): "TOKEN",
		basic("TOKEN", ""): "TOKEN", "": "", "Digest x": "",
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.Header.Set("Authorization", header)
		if got := door.BearerOrBasic(r).Secret; got != want {
			t.Errorf("%q gives %q", header, got)
		}
		if got := door.RawBearerOrBasic(r).Secret; got != want {
			t.Errorf("raw: %q gives %q", header, got)
		}
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "TOKEN")
	if door.RawBearerOrBasic(r).Secret != "TOKEN" || door.BearerOrBasic(r).Secret != "" {
		t.Error("the bare token is cargo's alone")
	}
}
