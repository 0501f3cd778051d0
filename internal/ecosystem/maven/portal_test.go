package maven

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"crypto"
	"encoding/base64"
	"encoding/json/v2"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/klauspost/compress/gzip"

	"bonded/internal/door/doortest"
	"bonded/internal/registry"
)

// signer makes detached signatures, with one key for all tests.
var signer = sync.OnceValue(func() *openpgp.Entity {
	e, err := openpgp.NewEntity("Test", "", "test@example.test", &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA})
	if err != nil {
		panic(err)
	}
	return e
})

func signed(t testing.TB, body string, hash crypto.Hash) string {
	t.Helper()
	var out bytes.Buffer
	if err := openpgp.ArmoredDetachSign(&out, signer(), strings.NewReader(body), &packet.Config{DefaultHash: hash}); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestSignaturesAreReadWithoutTheKey(t *testing.T) {
	good := signed(t, "hello", crypto.SHA512)
	for name, c := range map[string]struct{ armored, body, says string }{
		"good":               {good, "hello", ""},
		"good with SHA-256":  {signed(t, "hello", crypto.SHA256), "hello", ""},
		"another file":       {good, "hellO", "made for other bytes"},
		"no armour":          {"hello", "hello", "not ASCII-armoured"},
		"a key":              {"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDMEZ\n=aaaa\n-----END PGP PUBLIC KEY BLOCK-----\n", "hello", "instead of a PGP SIGNATURE"},
		"cut off":            {good[:len(good)-120] + "\n-----END PGP SIGNATURE-----\n", "hello", "cannot be read"},
		"too long":           {strings.Repeat("x", maxSignature+1), "hello", "more than"},
		"an empty signature": {"-----BEGIN PGP SIGNATURE-----\n\n\n-----END PGP SIGNATURE-----\n", "hello", "cannot be read"},
	} {
		err := checkPGP([]byte(c.armored), strings.NewReader(c.body))
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzSignature(f *testing.F) {
	f.Add([]byte("-----BEGIN PGP SIGNATURE-----\n\niHUEABYKAB0WIQQ=\n-----END PGP SIGNATURE-----\n"))
	f.Fuzz(func(t *testing.T, armored []byte) {
		if err := checkPGP(armored, strings.NewReader("body")); err != nil && err.Error() == "" {
			t.Fatal("a refusal without a reason")
		}
	})
}

// complete is what a published POM has.
const complete10 = `<name>Lib</name><description>A library</description><url>https://example.test</url>
  <licenses><license><name>Apache-2.0</name></license></licenses><developers><developer><name>A</name></developer></developers>
  <scm><url>https://example.test/scm</url></scm>`

// bundle are the files of a bundle by path.
type bundle map[string]string

// add adds a component with all that is asked for.
func (b bundle) add(t testing.TB, group, artifactID, version, more string) bundle {
	dir := directory(group, artifactID, version) + artifactID + "-" + version
	files := []file{{".pom", pomOf(group, artifactID, version, more)}}
	if !strings.Contains(more, "<packaging>pom<") {
		files = append(files, file{".jar", jarOf(t, "A.class", artifactID)}, file{"-sources.jar", jarOf(t, "A.java", "")}, file{"-javadoc.jar", jarOf(t, "index.html", "")})
	}
	for _, f := range files {
		b[dir+f.ending] = f.body
		b[dir+f.ending+".asc"] = signed(t, f.body, crypto.SHA256)
		b[dir+f.ending+".md5"] = sumOf("md5", f.body)
		b[dir+f.ending+".sha1"] = sumOf("sha1", f.body)
	}
	return b
}

func (b bundle) without(t testing.TB, path string) bundle {
	t.Helper()
	if _, ok := b[path]; !ok {
		t.Fatalf("the bundle has no %s", path)
	}
	delete(b, path)
	return b
}

func (b bundle) with(path, body string) bundle {
	b[path] = body
	return b
}

func (b bundle) paths() []string {
	paths := make([]string, 0, len(b))
	for path := range b {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	return paths
}

func (b bundle) zip(t testing.TB) string {
	t.Helper()
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	for _, path := range b.paths() {
		w, err := z.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(b[path])); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

func (b bundle) tarGz(t testing.TB) string {
	t.Helper()
	var buf bytes.Buffer
	g := gzip.NewWriter(&buf)
	w := tar.NewWriter(g)
	for _, path := range b.paths() {
		if err := w.WriteHeader(&tar.Header{Name: path, Mode: 0o644, Size: int64(len(b[path])), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(b[path])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

// portalClient calls the publishing API as the portal's clients do: Bearer base64(user:token).
type portalClient struct {
	h    house
	t    testing.TB
	auth string
}

func (h house) portal(t testing.TB, token string) *portalClient {
	return &portalClient{h, t, "Authorization: Bearer " + base64.StdEncoding.EncodeToString([]byte("alice:"+token))}
}

func (p *portalClient) do(method, path, body string, header ...string) doortest.Answer {
	p.t.Helper()
	return p.h.Do(method, "/maven/main/api/v1/publisher/"+path, body, append(header, p.auth)...)
}

// upload sends a bundle and returns the deployment's id.
func (p *portalClient) upload(query, archive string) string {
	p.t.Helper()
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	part, err := w.CreateFormFile("bundle", "bundle.zip")
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := part.Write([]byte(archive)); err != nil {
		p.t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		p.t.Fatal(err)
	}
	a := p.do(http.MethodPost, "upload"+query, form.String(), "Content-Type: "+w.FormDataContentType())
	if a.Status != http.StatusCreated || a.Header.Get("Content-Type") != "text/plain" || len(a.Body) != 36 {
		p.t.Fatalf("upload: %d %v %s", a.Status, a.Header, a.Body)
	}
	return a.Body
}

func (p *portalClient) status(id string) deploymentStatus {
	p.t.Helper()
	a := p.do(http.MethodPost, "status?id="+id, "", "Accept: application/json")
	if a.Status != http.StatusOK {
		p.t.Fatalf("status: %d %s", a.Status, a.Body)
	}
	var s deploymentStatus
	if err := json.Unmarshal([]byte(a.Body), &s); err != nil {
		p.t.Fatal(err)
	}
	return s
}

func TestABundleWaitsForItsOwner(t *testing.T) {
	for name, pack := range map[string]func(bundle, testing.TB) string{"zip": bundle.zip, "tar.gz": bundle.tarGz} {
		t.Run(name, func(t *testing.T) {
			h := open(t)
			p := h.portal(t, h.Token("alice"))
			b := bundle{}.add(t, "com.acme", "parent", "1.0", "<packaging>pom</packaging>"+complete10).
				add(t, "com.acme", "a", "1.0", complete10).add(t, "com.acme", "b", "1.0", complete10)
			b["com/acme/a/maven-metadata.xml"] = "<metadata/>"
			id := p.upload("?name=release&publishingType=USER_MANAGED", pack(b, t))
			s := p.status(id)
			if s.State != stateValidated || s.Name != "release" || s.ID != id || len(s.Errors) != 0 ||
				strings.Join(s.Purls, " ") != "pkg:maven/com.acme/a@1.0 pkg:maven/com.acme/b@1.0 pkg:maven/com.acme/parent@1.0" {
				t.Fatalf("got %+v", s)
			}
			if got := h.versions(t, "com/acme/a"); got != nil {
				t.Errorf("visible before it is published: %v", got)
			}
			jar := "com/acme/a/1.0/a-1.0.jar"
			for _, path := range []string{"deployment/" + id + "/download/" + jar, "deployments/download/" + jar} {
				if a := p.do(http.MethodGet, path, ""); a.Status != http.StatusOK || a.Body != b[jar] {
					t.Errorf("%s: %d", path, a.Status)
				}
			}
			if a := p.do(http.MethodGet, "deployments/download/"+jar+".sha256", ""); a.Body != sumOf("sha256", b[jar]) {
				t.Errorf("checksum: %d %s", a.Status, a.Body)
			}
			published := func() string {
				return p.do(http.MethodGet, "published?namespace=com.acme&name=a&version=1.0", "").Body
			}
			if got := published(); got != `{"published":false}` {
				t.Errorf("published: %s", got)
			}
			for range 2 { // again is no harm
				if a := p.do(http.MethodPost, "deployment/"+id, ""); a.Status != http.StatusNoContent {
					t.Fatalf("publish: %d %s", a.Status, a.Body)
				}
			}
			for _, artifactID := range []string{"a", "b", "parent"} {
				if got := h.versions(t, "com/acme/"+artifactID); !slices.Equal(got, []string{"1.0"}) {
					t.Errorf("%s: %v", artifactID, got)
				}
			}
			if got := published(); got != `{"published":true}` || p.status(id).State != statePublished {
				t.Errorf("published: %s, %s", got, p.status(id).State)
			}
			if got := h.body(t, jar+".asc"); got != b[jar+".asc"] {
				t.Error("the signature is not served")
			}
			if a := p.do(http.MethodDelete, "deployment/"+id, ""); a.Status != http.StatusConflict {
				t.Errorf("dropping what is published: %d", a.Status)
			}
		})
	}
}

func TestABundleIsValidatedWhole(t *testing.T) {
	h := open(t)
	p := h.portal(t, h.Token("alice"))
	if err := h.client(t, maven38, h.Token("alice")).deploy("com.acme", "done", "1.0", library(t, "com.acme", "done", "1.0")...); err != nil {
		t.Fatal(err)
	}
	if err := h.client(t, maven38, h.Token("bob")).deploy("com.acme", "bobs", "1.0", library(t, "com.acme", "bobs", "1.0")...); err != nil {
		t.Fatal(err)
	}
	full := func(more string) bundle { return bundle{}.add(t, "com.acme", "lib", "1.0", more) }
	at := "com/acme/lib/1.0/lib-1.0"
	drop := func(s string) string {
		start, end := strings.Index(complete10, "<"+s+">"), strings.Index(complete10, "</"+s+">")
		return complete10[:start] + complete10[end+len(s)+3:]
	}
	purl := "pkg:maven/com.acme/lib@1.0"
	for name, c := range map[string]struct {
		archive, purl, says string
	}{
		"no name":               {full(drop("name")).zip(t), purl, "The POM has no <name>"},
		"no description":        {full(drop("description")).zip(t), purl, "no <description>"},
		"no url":                {full(drop("url")).zip(t), purl, "no <url>"},
		"no licenses":           {full(drop("licenses")).zip(t), purl, "no <licenses>"},
		"no developers":         {full(drop("developers")).zip(t), purl, "no <developers>"},
		"no scm":                {full(drop("scm")).zip(t), purl, "no <scm>"},
		"a parent elsewhere":    {full("<parent><groupId>x</groupId><artifactId>y</artifactId><version>1</version></parent><name>n</name>").zip(t), purl, "Its parent x:y:1 is neither in the bundle nor in this repository"},
		"no POM":                {full(complete10).without(t, at+".pom").zip(t), purl, "lib-1.0.pom is missing"},
		"no jar":                {full(complete10).without(t, at+".jar").without(t, at+".jar.asc").zip(t), purl, "there is no lib-1.0.jar"},
		"no sources":            {full(complete10).without(t, at+"-sources.jar").without(t, at+"-sources.jar.asc").zip(t), purl, "lib-1.0-sources.jar is missing"},
		"no javadoc":            {full(complete10).without(t, at+"-javadoc.jar").without(t, at+"-javadoc.jar.asc").zip(t), purl, "lib-1.0-javadoc.jar is missing"},
		"no signature":          {full(complete10).without(t, at+".jar.asc").zip(t), purl, "lib-1.0.jar is not signed"},
		"another's signature":   {full(complete10).with(at+".jar.asc", signed(t, "x", crypto.SHA256)).zip(t), purl, "lib-1.0.jar.asc is refused: it was made for other bytes"},
		"no md5":                {full(complete10).without(t, at+".jar.md5").zip(t), purl, "lib-1.0.jar.md5 is missing"},
		"no sha1":               {full(complete10).without(t, at+".pom.sha1").zip(t), purl, "lib-1.0.pom.sha1 is missing"},
		"a wrong sha1":          {full(complete10).with(at+".pom.sha1", strings.Repeat("0", 40)).zip(t), purl, "The sha1 of lib-1.0.pom does not fit"},
		"a wrong sha512":        {full(complete10).with(at+".pom.sha512", strings.Repeat("0", 128)).zip(t), purl, "The sha512 of lib-1.0.pom does not fit"},
		"another version":       {full(complete10).with(at+".pom", pomOf("com.acme", "lib", "2.0", complete10)).zip(t), purl, "The POM says com.acme:lib:2.0"},
		"a broken jar":          {full(complete10).with(at+".jar", "x").zip(t), purl, "lib-1.0.jar: The archive is refused"},
		"a published version":   {bundle{}.add(t, "com.acme", "done", "1.0", complete10).zip(t), "pkg:maven/com.acme/done@1.0", "is published here already"},
		"another's project":     {bundle{}.add(t, "com.acme", "bobs", "2.0", complete10).zip(t), "pkg:maven/com.acme/bobs@2.0", "does not own"},
		"a snapshot":            {bundle{}.add(t, "com.acme", "lib", "1-SNAPSHOT", complete10).zip(t), "pkg:maven/com.acme/lib@1-SNAPSHOT", "releases only"},
		"a file out of place":   {full(complete10).with("README.md", "x").zip(t), common, "README.md"},
		"nothing":               {bundle{"com/acme/lib/maven-metadata.xml": "x"}.zip(t), common, "holds no artifacts"},
		"no archive":            {"hello", common, "no zip"},
		"an archive that lies":  {"x" + full(complete10).zip(t), common, "The archive is refused"},
		"a traversal":           {full(complete10).with("../evil", "x").zip(t), common, "archive/path-traversal"},
		"a file over the limit": {full(complete10).with(at+"-big.txt", strings.Repeat("x", doortest.FileLimit+1)).zip(t), purl, "larger than"},
	} {
		id := p.upload("?publishingType=AUTOMATIC", c.archive)
		s := p.status(id)
		if s.State != stateFailed || !slices.ContainsFunc(s.Errors[c.purl], func(text string) bool { return strings.Contains(text, c.says) }) {
			t.Errorf("%s: %+v", name, s)
		}
		if a := p.do(http.MethodPost, "deployment/"+id, ""); a.Status != http.StatusConflict || !strings.Contains(a.Body, "FAILED") {
			t.Errorf("%s: published all the same: %d %s", name, a.Status, a.Body)
		}
	}
	if got := h.versions(t, "com/acme/lib"); got != nil {
		t.Errorf("visible: %v", got)
	}
}

func TestElementsAreInheritedWithinTheBundleAndFromTheRepository(t *testing.T) {
	h := open(t)
	p := h.portal(t, h.Token("alice"))
	if id := p.upload("?publishingType=AUTOMATIC", bundle{}.add(t, "com.acme", "parent", "1.0", "<packaging>pom</packaging>"+complete10).zip(t)); p.status(id).State != statePublished {
		t.Fatalf("%+v", p.status(id))
	}
	child := `<parent><groupId>com.acme</groupId><artifactId>%s</artifactId><version>1.0</version></parent><name>Child</name>`
	b := bundle{}.add(t, "com.acme", "a", "1.0", strings.Replace(child, "%s", "parent", 1)).
		add(t, "com.acme", "middle", "1.0", "<packaging>pom</packaging>"+strings.Replace(child, "%s", "parent", 1)).
		add(t, "com.acme", "b", "1.0", strings.Replace(child, "%s", "middle", 1))
	if s := p.status(p.upload("", b.zip(t))); s.State != stateValidated {
		t.Errorf("%+v", s)
	}
	// A circle of parents ends.
	loop := bundle{}.add(t, "com.acme", "x", "1.0", strings.Replace(child, "%s", "y", 1)).add(t, "com.acme", "y", "1.0", strings.Replace(child, "%s", "x", 1))
	if s := p.status(p.upload("", loop.zip(t))); s.State != stateFailed {
		t.Errorf("%+v", s)
	}
}

func TestAutomaticDeploymentsPublishThemselvesAndManagedOnesCanBeDropped(t *testing.T) {
	h := open(t)
	p := h.portal(t, h.Token("alice"))
	if s := p.status(p.upload("?publishingType=AUTOMATIC", bundle{}.add(t, "com.acme", "a", "1.0", complete10).zip(t))); s.State != statePublished {
		t.Errorf("%+v", s)
	}
	id := p.upload("?publishingType=USER_MANAGED", bundle{}.add(t, "com.acme", "b", "1.0", complete10).zip(t))
	if a := p.do(http.MethodDelete, "deployment/"+id, ""); a.Status != http.StatusNoContent {
		t.Errorf("drop: %d %s", a.Status, a.Body)
	}
	if a := p.do(http.MethodPost, "deployment/"+id, ""); a.Status != http.StatusNotFound {
		t.Errorf("publish what was dropped: %d", a.Status)
	}
	for path, want := range map[string]int{"upload?publishingType=LATER": 400, "upload": 400, "status": 404, "status?id=x": 404, "unknown": 404, "deployment/x": 404} {
		if a := p.do(http.MethodPost, path, "x"); a.Status != want {
			t.Errorf("POST %s: %d %s", path, a.Status, a.Body)
		}
	}
	if a := p.do(http.MethodGet, "upload", ""); a.Status != http.StatusMethodNotAllowed || a.Header.Get("Allow") != "POST" {
		t.Errorf("GET upload: %d", a.Status)
	}
}

func TestDeploymentsAreTheirOwnersOnly(t *testing.T) {
	h := open(t)
	id := h.portal(t, h.Token("alice")).upload("", bundle{}.add(t, "com.acme", "a", "1.0", complete10).zip(t))
	bob := h.portal(t, h.Token("bob"))
	for _, r := range [][2]string{
		{"POST", "status?id=" + id},
		{"POST", "deployment/" + id},
		{"DELETE", "deployment/" + id},
		{"GET", "deployment/" + id + "/download/com/acme/a/1.0/a-1.0.jar"},
		{"GET", "deployments/download/com/acme/a/1.0/a-1.0.jar"},
	} {
		if a := bob.do(r[0], r[1], ""); a.Status != http.StatusNotFound {
			t.Errorf("%v: %d %s", r, a.Status, a.Body)
		}
	}
	if a := bob.do(http.MethodGet, "deployments", ""); a.Body != `{"deployments":[]}` {
		t.Errorf("list: %s", a.Body)
	}
	if a := h.Do(http.MethodPost, "/maven/main/api/v1/publisher/status?id="+id, ""); a.Status != http.StatusUnauthorized {
		t.Errorf("nobody: %d", a.Status)
	}
}

func TestAValidatedBundleThatWasOvertakenFailsWhole(t *testing.T) {
	h := open(t)
	p := h.portal(t, h.Token("alice"))
	id := p.upload("", bundle{}.add(t, "com.acme", "a", "1.0", complete10).add(t, "com.acme", "b", "1.0", complete10).zip(t))
	if err := h.client(t, maven38, h.Token("alice")).deploy("com.acme", "b", "1.0", library(t, "com.acme", "b", "1.0")...); err != nil {
		t.Fatal(err)
	}
	if a := p.do(http.MethodPost, "deployment/"+id, ""); a.Status != http.StatusConflict {
		t.Errorf("publish: %d %s", a.Status, a.Body)
	}
	if s := p.status(id); s.State != stateFailed || len(s.Errors[common]) != 1 {
		t.Errorf("%+v", s)
	}
	if got := h.versions(t, "com/acme/a"); got != nil {
		t.Errorf("half of it is visible: %v", got)
	}
}

func TestAStagingAreaIsPublishedWhole(t *testing.T) {
	h := open(t)
	token := h.Token("alice")
	p := h.portal(t, token)
	area := func(agent string) *client {
		c := h.client(t, agent, token)
		c.base += "api/v1/publisher/staging/release-1/"
		return c
	}
	for agent, artifactID := range map[string]string{maven38: "a", maven39: "b", gradle: "c"} {
		if err := area(agent).deploy("com.acme", artifactID, "1.0", library(t, "com.acme", artifactID, "1.0")...); err != nil {
			t.Fatal(err)
		}
	}
	c := area(maven39)
	for path, r := range map[string]struct {
		body string
		want int
	}{
		"com/acme/a/1.0/a-1.0.jar":                        {jarOf(t, "A.class", "other"), 409},
		"com/acme/a/1-SNAPSHOT/a-1-20260101.000000-1.jar": {"x", 400},
		"com/acme/a/1.0/b-1.0.jar":                        {"x", 400},
		"com/acme/a/1.0/a-1.0.pom.sha1":                   {sumOf("sha1", pomOf("com.acme", "a", "1.0", "")), 201},
		"com/acme/a/1.0/a-1.0-none.jar.sha1":              {"x", 400},
		"com/acme/a/1.0/a-1.0.pom.sigstore.json.asc":      {"x", 201},
	} {
		if status, body := c.send(http.MethodPut, path, r.body); status != r.want {
			t.Errorf("PUT %s: %d %s", path, status, body)
		}
	}
	if got := h.versions(t, "com/acme/a"); got != nil {
		t.Errorf("visible: %v", got)
	}
	if status, _ := c.send(http.MethodGet, "com/acme/a/1.0/a-1.0.pom", ""); status != http.StatusOK {
		t.Errorf("the owner's GET: %d", status)
	}
	a := p.do(http.MethodGet, "staging/release-1", "")
	if !strings.Contains(a.Body, `"deploymentState":"PENDING"`) || !strings.Contains(a.Body, `"pkg:maven/com.acme/c@1.0"`) {
		t.Errorf("status: %d %s", a.Status, a.Body)
	}
	for range 2 {
		if a := p.do(http.MethodPost, "staging/release-1", ""); a.Status != http.StatusNoContent {
			t.Fatalf("publish: %d %s", a.Status, a.Body)
		}
	}
	for _, artifactID := range []string{"a", "b", "c"} {
		if got := h.versions(t, "com/acme/"+artifactID); !slices.Equal(got, []string{"1.0"}) {
			t.Errorf("%s: %v", artifactID, got)
		}
	}
	for name, want := range map[string]int{"none": 404, "%20": 400} {
		if a := p.do(http.MethodPost, "staging/"+name, ""); a.Status != want {
			t.Errorf("%s: %d %s", name, a.Status, a.Body)
		}
	}
}

func TestAStagingAreaWithADefectPublishesNothing(t *testing.T) {
	h := open(t)
	token := h.Token("alice")
	p, c := h.portal(t, token), h.client(t, maven39, token)
	c.base += "api/v1/publisher/staging/r/"
	if err := c.deploy("com.acme", "good", "1.0", library(t, "com.acme", "good", "1.0")...); err != nil {
		t.Fatal(err)
	}
	if err := c.deploy("com.acme", "bad", "1.0", file{".pom", pomOf("com.acme", "bad", "2.0", "")}); err != nil {
		t.Fatal(err)
	}
	if a := p.do(http.MethodPost, "staging/r", ""); a.Status != http.StatusBadRequest || !strings.Contains(a.Body, "The POM says com.acme:bad:2.0") {
		t.Errorf("publish: %d %s", a.Status, a.Body)
	}
	if got := h.versions(t, "com/acme/good"); got != nil {
		t.Errorf("half of it is visible: %v", got)
	}
	if a := p.do(http.MethodDelete, "staging/r", ""); a.Status != http.StatusNoContent {
		t.Errorf("drop: %d %s", a.Status, a.Body)
	}
	if a := p.do(http.MethodGet, "staging/r", ""); a.Status != http.StatusNotFound {
		t.Errorf("after the drop: %d", a.Status)
	}
}

func TestAReleasePolicyHoldsForBundles(t *testing.T) {
	h := open(t)
	h.Settings("maven", "local", func(r *registry.Repository) { r.Settings.Releases = "no" })
	a := h.portal(t, h.Token("alice")).do(http.MethodPost, "upload", "x")
	if a.Status != http.StatusForbidden || !strings.Contains(a.Body, "takes no releases") {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

func TestDeploymentsExpire(t *testing.T) {
	h := open(t)
	p := h.portal(t, h.Token("alice"))
	id := p.upload("", bundle{}.add(t, "com.acme", "a", "1.0", complete10).zip(t))
	h.Clock.Advance(portalLife + time.Hour)
	if _, err := h.House.Intake.ExpireStages(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a := p.do(http.MethodPost, "status?id="+id, ""); a.Status != http.StatusNotFound {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}
