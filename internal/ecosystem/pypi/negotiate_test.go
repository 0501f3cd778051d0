package pypi

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestNegotiation(t *testing.T) {
	const (
		text = "text/html; charset=utf-8"
		html = "application/vnd.pypi.simple.v1+html"
		json = "application/vnd.pypi.simple.v1+json"
	)
	for _, c := range []struct{ rule, query, accept, want string }{
		{"nothing said", "", "", text},
		{"anything", "", "*/*", text},
		{"a browser", "", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", text},
		{"text", "", "text/html", text},
		{"nothing we know", "", "application/json", text},
		{"the HTML of version 1", "", html, html},
		{"the JSON of version 1", "", json, json},
		{"the latest JSON is a version", "", "application/vnd.pypi.simple.latest+json", json},
		{"the latest HTML is a version", "", "application/vnd.pypi.simple.latest+html", html},
		{"a version we do not have", "", "application/vnd.pypi.simple.v2+json", text},
		{"a version we do not have, or JSON", "", "application/vnd.pypi.simple.v2+json, " + json + ";q=0.5", json},
		{"pip", "", json + ", " + html + "; q=0.1, text/html; q=0.01", json},
		{"uv", "", json + ", " + html + ";q=0.2, text/html;q=0.01", json},
		{"equals: JSON first", "", "text/html, " + html + ", " + json, json},
		{"a higher quality wins", "", json + ";q=0.1, text/html;q=0.9", text},
		{"JSON refused", "", json + ";q=0, text/html", text},
		{"JSON or anything", "", json + ", */*;q=0.1", json},
		{"anything rather than JSON", "", json + ";q=0.1, */*", text},
		{"anything but text", "", json + ";q=0.1, text/html;q=0, */*", json},
		{"capitals and blanks", "", " Application/VND.pypi.simple.v1+JSON ; Q=1.0", json},
		{"a quality that is none", "", json + ";q=NaN, text/html;q=0.1", text},
		{"several Accept lines are one", "", "text/html;q=0.1,\t" + json, json},
		{"format beats Accept", "?format=application/vnd.pypi.simple.v1%2Bjson", "text/html", json},
		{"format with a bare plus", "?format=application/vnd.pypi.simple.v1+json", "", json},
		{"format of text", "?format=text/html", json, text},
		{"a format we do not know", "?format=text/plain", json, json},
		{"another query", "?a=b;c", json, json},
	} {
		t.Run(c.rule, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/"+c.query, nil)
			if c.accept != "" {
				r.Header.Set("Accept", c.accept)
			}
			if got := negotiate(r).contentType; got != c.want {
				t.Errorf("%s", got)
			}
		})
	}
}

func FuzzNegotiate(f *testing.F) {
	f.Add("application/vnd.pypi.simple.v1+json, text/html;q=0.1")
	f.Fuzz(func(t *testing.T, accept string) {
		if got := negotiateAccept(accept); got.contentType == "" {
			t.Error("no representation")
		}
	})
}
