package pypi

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/blake2b"

	"bonded/internal/digest"
	"bonded/internal/door"
	"bonded/internal/door/doortest"
	"bonded/internal/errs"
	"bonded/internal/store"
	"bonded/internal/store/storetest"
)

func TestFormsThatAreRefused(t *testing.T) {
	e := open(t)
	d := makeWheel(t, "hello", "1.0", nil, nil, "Requires-Dist: a>=1")
	s := makeSdist(t, "hello", "1.0", nil)
	named := func(d dist, filename string) dist { d.filename = filename; return d }
	f, sf := formOf(d), formOf(s)
	for _, c := range []struct {
		rule   string
		d      dist
		f      formFields
		status int
		says   string
	}{
		{"a foreign action", d, f.with(":action", "delete"), 400, `action "delete" is not file_upload`},
		{"registering is gone", d, f.with(":action", "submit"), 410, "a project is registered by its first upload"},
		{"documentation is gone", d, f.with(":action", "doc_upload"), 410, "is gone"},
		{"another protocol", d, f.with("protocol_version", "2"), 400, `protocol version "2" is not 1`},
		{"no metadata version", d, f.without("metadata_version"), 400, "Invalid value for metadata_version: it is missing."},
		{"metadata 2.0 never was", d, f.with("metadata_version", "2.0"), 400, `"2.0" is not one of 1.0, 1.1`},
		{"metadata of the future", d, f.with("metadata_version", "3.0"), 400, `"3.0" is not one of`},
		{"no name", d, f.without("name"), 400, "Invalid value for name: it is missing."},
		{"a name that is none", d, f.with("name", "hello!"), 400, "[pypi/name-charset]"},
		{"a name with a newline at its end", d, f.with("name", "hello\n"), 400, "[pypi/name-charset]"},
		{"a module of Python", d, f.with("name", "json"), 400, "[pypi/name-stdlib]"},
		{"no version", d, f.without("version"), 400, "Invalid value for version: it is missing."},
		{"a version that is none", d, f.with("version", "one"), 400, "[pypi/version-pep440]"},
		{"a local version", d, f.with("version", "1.0+mine"), 400, "[pypi/version-local]"},
		{"a long summary", d, f.with("summary", strings.Repeat("x", 513)), 400, "it has 513 characters, more than 512"},
		{"a summary of two lines", d, f.with("summary", "a\nb"), 400, "it has more than one line"},
		{"an address without @", d, f.with("author_email", "Ann <ann>"), 400, `Invalid value for author_email: "ann" is not an e-mail address.`},
		{"a maintainer's too", d, f.with("maintainer_email", "ann@example.test, bob"), 400, `"bob" is not an e-mail address`},
		{"a classifier without a tree", d, f.and("classifiers", "Fast"), 400, `Invalid value for classifiers: "Fast" is not a classifier`},
		{"a home page that is no web page", d, f.with("home_page", "javascript:alert(1)"), 400, "Invalid value for home_page"},
		{"a link without a label", d, f.and("project_urls", ", https://a.example"), 400, "has no label"},
		{"a link with a long label", d, f.and("project_urls", strings.Repeat("l", 33)+", https://a.example"), 400, "more than 32 characters"},
		{"a link that is none", d, f.and("project_urls", "Docs, www.example"), 400, "is not a web address"},
		{"a requirement by URL", d, f.and("requires_dist", "a @ https://a.example/a.whl"), 400, "Invalid value for requires_dist: can't have direct dependency"},
		{"a requirement that is none", d, f.and("requires_dist", "a >> 1"), 400, "its version specifier does not follow PEP 440"},
		{"a Python that is none", d, f.with("requires_python", "three"), 400, "Invalid value for requires_python"},
		{"an extra that is none", d, f.and("provides_extra", "-x-"), 400, "Invalid value for provides_extra"},
		{"a dynamic name", d, f.with("metadata_version", "2.2").and("dynamic", "Name"), 400, "Invalid value for dynamic"},
		{"a readme of another type", d, f.with("description_content_type", "text/html"), 400, `"text/html" is not one of`},
		{"a readme in another charset", d, f.with("description_content_type", "text/plain; charset=latin-1"), 400, "not UTF-8"},
		{"a readme in another Markdown", d, f.with("description_content_type", "text/markdown; variant=mine"), 400, `variant "mine"`},
		{"two kinds of licence", d, f.with("metadata_version", "2.4").with("license", "MIT").with("license_expression", "MIT"), 400, "License-Expression, which replaces it"},
		{"a licence that is no expression", d, f.with("metadata_version", "2.4").with("license_expression", "MIT OR (Apache"), 400, "is not an SPDX expression"},
		{"a field newer than the metadata", d, f.with("license_expression", "MIT"), 400, "the field came with metadata version 2.4"},
		{"a field twice", d, f.and("version", "1.0"), 400, `the field "version" stands there twice`},
		{"a control field twice", d, f.and("filetype", "bdist_wheel"), 400, `the field "filetype" stands there twice`},
		{"a text that is not UTF-8", d, f.with("summary", "\xff"), 400, `the field "summary" is not UTF-8`},
		{"another kind of file", d, f.with("filetype", "bdist_egg"), 400, `"bdist_egg" is neither "sdist" nor "bdist_wheel"`},
		{"no kind of file", d, f.without("filetype"), 400, "Invalid value for filetype"},
		{"a wheel without Python's version", d, f.without("pyversion"), 400, "Invalid value for pyversion"},
		{"a source distribution for one Python", s, sf.with("pyversion", "py3"), 400, "Invalid value for pyversion"},
		{"attestations with a token", d, f.with("attestations", "[]"), 400, "[pypi/attestations]"},
		{"no digest", d, f.without("sha256_digest"), 400, "it holds no digest"},
		{"another digest", d, f.with("sha256_digest", strings.Repeat("0", 64)), 400, "The digest supplied does not match"},
		{"one right and one wrong digest", d, f.with("md5_digest", strings.Repeat("0", 32)), 400, "the form's md5 is"},
		{"no file", dist{}, f, 400, `it has no file in the field content`},
		{"a file name with a directory", named(d, "../"+d.filename), f, 400, "[pypi/filename]"},
		{"a file name with a backslash", named(d, `a\`+d.filename), f, 400, "[pypi/filename]"},
		{"a wheel's name that is none", named(d, "hello.whl"), f, 400, "[pypi/wheel-filename]"},
		{"a wheel of another project", named(d, "other-1.0-py3-none-any.whl"), f, 400, "[pypi/filename-form]"},
		{"a wheel of another version", named(d, "hello-1.1-py3-none-any.whl"), f, 400, "[pypi/filename-form]"},
		{"a wheel whose name is not normalized", named(d, "Hello-1.0-py3-none-any.whl"), f, 400, "[pypi/wheel-name]"},
		{"a wheel for any Linux", named(d, "hello-1.0-py3-none-linux_x86_64.whl"), f, 400, "[pypi/wheel-platform]"},
		{"a source distribution as wheel", s, f, 400, "[pypi/wheel-filename]"},
		{"a wheel as source distribution", d, f.with("filetype", "sdist").with("pyversion", "source"), 400, "[pypi/file-extension]"},
		{"an egg", named(s, "hello-1.0-py3.egg"), sf, 400, "[pypi/file-extension]"},
		{"a zipped source distribution", named(s, "hello-1.0.zip"), sf, 400, "[pypi/sdist-zip]"},
		{"a source distribution under another name", named(s, "Hello-1.0.tar.gz"), sf, 400, "must be named hello-1.0.tar.gz"},
		{"a source distribution of another version", named(s, "hello-1.0.0.tar.gz"), sf, 400, "must be named hello-1.0.tar.gz"},
		{"a form with other requirements than the wheel", d, f.without("requires_dist").and("requires_dist", "b"), 400, `the form alone has "b"; the metadata inside the file alone has "a>=1"`},
	} {
		t.Run(c.rule, func(t *testing.T) {
			a := e.upload(c.d, c.f)
			if a.Status != c.status || !strings.Contains(a.Body, c.says) {
				t.Errorf("%d %s", a.Status, a.Body)
			}
		})
	}
	if list := e.Do("GET", "/pypi/main/simple/", "", acceptJSON).Body; !strings.Contains(list, `"projects":[]`) {
		t.Errorf("a refused upload left something: %s", list)
	}
}

func TestFormsThatAreTaken(t *testing.T) {
	d := makeWheel(t, "hello", "1.0", nil, nil, "Requires-Dist: a[X_y]>=1,<2 ; python_version < '3'", "Provides-Extra: loud-voice", "Classifier: Private :: Do Not Upload")
	f := formOf(d)
	md5sum, b2b := md5.Sum(d.body), blake2b.Sum256(d.body)
	for _, c := range []struct {
		rule      string
		f         formFields
		fileFirst bool
	}{
		{"as twine sends it", f, false},
		{"with the file before the fields", f, true},
		{"without an action", f.without(":action", "protocol_version"), false},
		{"with every digest, in any case", f.with("md5_digest", strings.ToUpper(hex.EncodeToString(md5sum[:]))).with("blake2_256_digest", hex.EncodeToString(b2b[:])), false},
		{"with an old digest only", f.without("sha256_digest").with("md5_digest", hex.EncodeToString(md5sum[:])), false},
		{"with an empty requires_python, as uv for GitLab's sake", f.and("requires_python", ""), false},
		{"with a safe name in place of the true one", f.with("name", "Hello"), false},
		{"with UNKNOWN for nothing", f.and("platform", "UNKNOWN").with("license", "UNKNOWN"), false},
		{"with unknown fields", f.and("something_new", "x").and("something_new", "y"), false},
		{"with requirements spelled and ordered otherwise", f.without("requires_dist").and("requires_dist", `A[x-y] (<2,>=1); python_version<"3"`), false},
		{"with an extra spelled otherwise", f.without("provides_extra").and("provides_extra", "Loud_Voice"), false},
		{"with a licence file under old metadata, as setuptools wrote", f.and("license_file", "LICENSE"), false},
		{"without the classifiers", f.without("classifiers"), false},
		{"with a comment", f.and("comment", "second try\x00"), false},
	} {
		t.Run(c.rule, func(t *testing.T) {
			e := open(t)
			kind, body := c.f.body(t, d, c.fileFirst)
			a := e.Do("POST", "/pypi/main/legacy/", body, "Content-Type: "+kind, doortest.Bearer(e.token))
			if a.Status != 200 || a.Body != "" {
				t.Fatalf("%d %s", a.Status, a.Body)
			}
			if files := e.detail("hello").Files; len(files) != 1 || files[0].Hashes["sha256"] != digest.Of(d.body).String() {
				t.Errorf("%+v", files)
			}
		})
	}
}

func TestFormsThatAreNone(t *testing.T) {
	e := open(t)
	d := makeWheel(t, "hello", "1.0", nil, nil)
	kind, body := formOf(d).body(t, d, false)
	post := func(kind, body string) doortest.Answer {
		return e.Do("POST", "/pypi/main/legacy/", body, "Content-Type: "+kind, doortest.Bearer(e.token))
	}
	for _, c := range []struct{ rule, kind, body, says string }{
		{"not a form", "application/json", "{}", "not multipart/form-data"},
		{"no boundary", "multipart/form-data", body, "not multipart/form-data"},
		{"cut in the middle of the file", kind, body[:len(body)-200], "stopped before they had all arrived"},
		{"cut in the middle of the fields", kind, body[:200], "could not be read to its end"},
		{"a part without a name", "multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n", "no usable Content-Disposition"},
		{"a part that is no form data", "multipart/form-data; boundary=b", "--b\r\nContent-Disposition: attachment; name=x\r\n\r\nx\r\n--b--\r\n", "no usable Content-Disposition"},
		{"text where the file belongs", "multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=content\r\n\r\nx\r\n--b--\r\n", "is not a file with a name"},
		{"a file where text belongs", "multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=summary; filename=a\r\n\r\nx\r\n--b--\r\n", "is a file where text belongs"},
		{"a picture", "multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=content; filename=a\r\nContent-Type: image/png\r\n\r\nx\r\n--b--\r\n", "sent as an image"},
		{"two files", "multipart/form-data; boundary=b", strings.Repeat("--b\r\nContent-Disposition: form-data; name=content; filename=a\r\n\r\nx\r\n", 2) + "--b--\r\n", `"content" stands there twice`},
		{"too many fields", "multipart/form-data; boundary=b", strings.Repeat("--b\r\nContent-Disposition: form-data; name=x\r\n\r\nx\r\n", maxFormParts+1) + "--b--\r\n", "more than 20000 fields"},
	} {
		t.Run(c.rule, func(t *testing.T) {
			if a := post(c.kind, c.body); a.Status != 400 || !strings.Contains(a.Body, c.says) {
				t.Errorf("%d %s", a.Status, a.Body)
			}
		})
	}
}

func TestLargeFilesAreRefused(t *testing.T) {
	e := open(t)
	d := makeWheel(t, "hello", "1.0", map[string]string{"big.bin": strings.Repeat("x", doortest.FileLimit)}, nil)
	if a := e.upload(d, formOf(d)); a.Status != 400 || !strings.Contains(a.Body, "[intake/file-limit]") {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	f := formOf(makeWheel(t, "hello", "1.0", nil, nil)).with("description", strings.Repeat("x", maxFormBytes))
	if a := e.upload(dist{}, f); a.Status != 400 || !strings.Contains(a.Body, "text fields hold more than") {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

func TestUploadingAgain(t *testing.T) {
	e := open(t)
	wheel, sdist := makeWheel(t, "hello", "1.0", nil, nil), makeSdist(t, "hello", "1.0", nil)
	e.publish(wheel, sdist)
	serial := e.detail("hello").Meta.LastSerial
	e.publish(wheel, sdist) // the same bytes are a success, and change nothing
	if again := e.detail("hello").Meta.LastSerial; again != serial {
		t.Errorf("serial %d became %d", serial, again)
	}
	for _, d := range []dist{makeWheel(t, "hello", "1.0", map[string]string{"x.py": ""}, nil), makeSdist(t, "hello", "1.0", map[string]string{"hello-1.0/x.py": ""})} {
		// twine looks for "already exist", uv prints the sentence (pypi.md §2.4).
		if a := e.upload(d, formOf(d)); a.Status != 409 || !strings.HasPrefix(a.Body, "File already exists") {
			t.Errorf("other bytes under %s: %d %s", d.filename, a.Status, a.Body)
		}
	}
	second := makeSdist(t, "hello", "1.0.0", nil)
	if a := e.upload(second, formOf(second)); a.Status != 400 || !strings.Contains(a.Body, "has a source distribution already, hello-1.0.tar.gz") {
		t.Errorf("a second source distribution: %d %s", a.Status, a.Body)
	}
	zeros := makeWheel(t, "hello", "1.0.0", nil, nil)
	e.publish(zeros) // 1.0.0 is the release 1.0
	if d := e.detail("hello"); len(d.Versions) != 1 || len(d.Files) != 3 {
		t.Errorf("%+v", d)
	}
}

func TestNamesThatLookAlike(t *testing.T) {
	e := open(t)
	e.publish(makeWheel(t, "hello-lib", "1.0", nil, nil))
	d := makeWheel(t, "he11o-l1b", "1.0", nil, nil)
	// 400, since twine --skip-existing takes any 409 for "is there already".
	if a := e.upload(d, formOf(d)); a.Status != 400 || !strings.Contains(a.Body, `too similar to the existing project "hello-lib"`) {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

func TestUploadsAtTheSameTime(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, db *store.DB) {
		e := openOn(t, db)
		const n = 6
		t.Run("of one file with different bytes: exactly one wins", func(t *testing.T) {
			answers := together(e, n, func(i int) dist {
				return makeWheel(t, "race", "1.0", map[string]string{"race/who.py": fmt.Sprint(i)}, nil)
			})
			won := 0
			for _, a := range answers {
				switch {
				case a.status == http.StatusOK:
					won++
				case a.status != http.StatusConflict || !strings.Contains(a.body, "File already exists"):
					t.Errorf("%d %s", a.status, a.body)
				}
			}
			if files := e.detail("race").Files; won != 1 || len(files) != 1 {
				t.Errorf("%d won, %d files", won, len(files))
			}
		})
		t.Run("of several files of one release: all land", func(t *testing.T) {
			answers := together(e, n, func(i int) dist {
				if i == 0 {
					return makeSdist(t, "many", "1.0", nil)
				}
				d := makeWheel(t, "many", "1.0", map[string]string{"many/n.py": fmt.Sprint(i)}, nil)
				d.filename = fmt.Sprintf("many-1.0-%d-py3-none-any.whl", i)
				return d
			})
			for _, a := range answers {
				if a.status != http.StatusOK {
					t.Errorf("%d %s", a.status, a.body)
				}
			}
			d := e.detail("many")
			if len(d.Files) != n || len(d.Versions) != 1 {
				t.Fatalf("%+v", d)
			}
			for _, f := range d.Files {
				if strings.HasSuffix(f.Filename, ".whl") && f.CoreMetadata == nil {
					t.Errorf("%s lost its metadata", f.Filename)
				}
			}
		})
		t.Run("of the same file: all succeed", func(t *testing.T) {
			d := makeWheel(t, "same", "1.0", nil, nil)
			for _, a := range together(e, n, func(int) dist { return d }) {
				if a.status != http.StatusOK {
					t.Errorf("%d %s", a.status, a.body)
				}
			}
		})
	})
}

type outcome struct {
	status int
	body   string
}

// together uploads n distributions at once.
func together(e *env, n int, build func(i int) dist) []outcome {
	e.t.Helper()
	bodies, kinds := make([]string, n), make([]string, n)
	for i := range n {
		d := build(i)
		kinds[i], bodies[i] = formOf(d).body(e.t, d, false)
	}
	out, start := make([]outcome, n), make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			out[i] = post(e, kinds[i], bodies[i])
		})
	}
	close(start)
	wg.Wait()
	return out
}

func post(e *env, kind, body string) outcome {
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, e.URL+"/pypi/main/legacy/", strings.NewReader(body))
	if err != nil {
		return outcome{body: err.Error()}
	}
	r.Header.Set("Content-Type", kind)
	r.SetBasicAuth("__token__", e.token)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return outcome{body: err.Error()}
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return outcome{body: err.Error()}
	}
	return outcome{res.StatusCode, string(b)}
}

// fuzzForm reads a form as an upload does, with its file thrown away.
func fuzzForm(t *testing.T, kind, body string) {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", kind)
	parts, err := multipartBody(r)
	if err != nil {
		return
	}
	form := newForm()
	for {
		part, err := nextPart(parts)
		if err != nil {
			break
		}
		if part.name == "content" {
			if kind, err := form.checkFilename(part.filename); err == nil && (kind == "" || strings.ContainsAny(part.filename, "/\\\x00")) {
				t.Errorf("%q", part.filename)
			}
			continue
		}
		if err := form.take(part); err != nil && errs.KindOf(err) == errs.Internal {
			t.Errorf("not for a person: %v", err)
		}
	}
	if err := form.check(&door.Request{}); err != nil && errs.KindOf(err) == errs.Internal {
		t.Errorf("not for a person: %v", err)
	}
}
