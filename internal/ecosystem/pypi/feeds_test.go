package pypi

import (
	"fmt"
	"strings"
	"testing"

	"bonded/internal/registry"
)

func call(method string, params ...string) string {
	var b strings.Builder
	b.WriteString("<?xml version='1.0' encoding='ASCII'?>\n<methodCall><methodName>" + method + "</methodName><params>")
	for _, p := range params {
		b.WriteString("<param><value>" + p + "</value></param>")
	}
	return b.String() + "</params></methodCall>"
}

func TestXMLRPC(t *testing.T) {
	e := open(t)
	e.release()
	e.change("hello-bonded", func(c *registry.Change, p *registry.Project) error { return c.Yank(t.Context(), p, "1", "") })
	e.change("hello-bonded", func(c *registry.Change, p *registry.Project) error {
		return c.SetStatus(t.Context(), p, registry.Quarantined, "x")
	})
	e.change("hello-bonded", func(c *registry.Change, p *registry.Project) error {
		return c.SetStatus(t.Context(), p, registry.Active, "")
	})
	serial := e.detail("hello-bonded").Meta.LastSerial
	for _, c := range []struct {
		rule, call string
		holds      []string
	}{
		{"the last serial", call("changelog_last_serial"), []string{fmt.Sprintf("<int>%d</int>", serial)}},
		{"the serial of every project", call("list_packages_with_serial"), []string{"<name>Hello.Bonded</name><value><int>" + fmt.Sprint(serial) + "</int>"}},
		{"every project", call("list_packages"), []string{"<string>Hello.Bonded</string>"}},
		{"all changes", call("changelog_since_serial", "<int>0</int>"), []string{
			"<string>hello-bonded</string></value>\n<value><nil/>", "<string>create</string>", "<string>new release</string>",
			"<string>add py3 file hello_bonded-1.0-py3-none-any.whl</string>", "<string>add source file hello_bonded-1.0.tar.gz</string>",
			"<string>yank release</string>", "<string>project quarantined</string>", "<string>project quarantine cleared</string>",
		}},
		{"no change since the last", call("changelog_since_serial", fmt.Sprintf("<i8>%d</i8>", serial)), []string{"<array><data></data></array>"}},
		{"roles", call("package_roles", "<string>Hello_Bonded</string>"), []string{"<string>Owner</string>", "<string>alice</string>"}},
		{"roles of a project nobody has", call("package_roles", "nobody"), []string{"<array><data></data></array>"}},
		{"somebody's projects", call("user_packages", "<string>alice</string>"), []string{"<string>Hello.Bonded</string>"}},
		{"the projects of nobody", call("user_packages", "<string>nobody</string>"), []string{"<array><data></data></array>"}},
		{"a method that is off", call("search", "<struct><member><name>name</name><value><string>x</string></value></member></struct>"), []string{"<fault>", "-32601", "There is no method"}},
		{"a parameter of another type", call("changelog_since_serial", "<string>x</string>"), []string{"<fault>", "-32602"}},
		{"a parameter too many", call("package_roles", "a", "b"), []string{"<fault>", "-32602"}},
	} {
		t.Run(c.rule, func(t *testing.T) {
			a := e.Do("POST", "/pypi/main/pypi", c.call, "Content-Type: text/xml")
			if a.Status != 200 || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/xml") {
				t.Fatalf("%d %s", a.Status, a.Body)
			}
			for _, want := range c.holds {
				if !strings.Contains(a.Body, want) {
					t.Errorf("%q is missing in %s", want, a.Body)
				}
			}
			if strings.Contains(a.Body, ".metadata") {
				t.Errorf("sidecars are no files of the journal: %s", a.Body)
			}
		})
	}
}

func TestXMLRPCThatIsRefused(t *testing.T) {
	e := open(t)
	for rule, body := range map[string]string{
		"nothing":         "",
		"no XML":          "hello",
		"another XML":     "<html></html>",
		"no method":       "<methodCall></methodCall>",
		"a document type": "<!DOCTYPE x [<!ENTITY a 'b'>]>" + call("list_packages"),
		"an entity":       call("package_roles", "<string>&a;</string>"),
		"too deep":        call("x", strings.Repeat("<array>", 40)+strings.Repeat("</array>", 40)),
		"too many":        call("x", strings.Split(strings.Repeat("a,", 20), ",")...),
		"too long":        call("x", strings.Repeat("a", maxCallBytes)),
		"another charset": strings.Replace(call("list_packages"), "ASCII", "utf-16", 1),
		"a broken number": call("changelog_since_serial", "<int>x</int>"),
	} {
		if a := e.Do("POST", "/pypi/main/pypi/", body); a.Status != 400 || !strings.Contains(a.Body, "[pypi/xml-rpc]") {
			t.Errorf("%s: %d %s", rule, a.Status, a.Body)
		}
	}
}

func TestMirrorsOfPrivateRepositoriesNeedAToken(t *testing.T) {
	e := open(t)
	e.Repository(registry.Repository{Ecosystem: "pypi", Name: "secret", Kind: registry.Hosted, Visibility: registry.Private})
	if a := e.Do("POST", "/pypi/secret/pypi", call("list_packages")); a.Status != 401 {
		t.Errorf("%d", a.Status)
	}
}

func FuzzCall(f *testing.F) {
	f.Add(call("changelog_since_serial", "<int>1</int>"))
	f.Add(call("x", "<array><data><value>a</value></data></array>"))
	f.Fuzz(func(t *testing.T, body string) {
		c, err := parseCall(strings.NewReader(body))
		if err == nil && (c.method == "" || len(c.params) > maxCallParams) {
			t.Errorf("%+v", c)
		}
	})
}

func FuzzUploadForm(f *testing.F) {
	kind, body := formOf(makeWheel(f, "hello", "1.0", nil, nil)).body(f, makeWheel(f, "hello", "1.0", nil, nil), false)
	f.Add(kind, body)
	f.Add("multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nx\r\n--b--\r\n")
	f.Fuzz(func(t *testing.T, kind, body string) { fuzzForm(t, kind, body) })
}
