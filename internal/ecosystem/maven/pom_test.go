package maven

import (
	"strings"
	"testing"

	"bonded/internal/errs"
)

func TestAPOMInheritsItsCoordinatesFromItsParent(t *testing.T) {
	p, err := parsePOM([]byte(`<project xmlns="http://maven.apache.org/POM/4.0.0"><parent><groupId> com.acme </groupId><artifactId>parent</artifactId>
		<version>7</version></parent><artifactId>lib</artifactId></project>`))
	if err != nil {
		t.Fatal(err)
	}
	if g, a, v := p.coordinates(); g != "com.acme" || a != "lib" || v != "7" || p.Packaging != "jar" {
		t.Errorf("got %s:%s:%s, %s", g, a, v, p.Packaging)
	}
}

func TestWhatAPOMSaysOfTheProject(t *testing.T) {
	p, err := parsePOM([]byte(`<?xml version="1.0" encoding="ISO-8859-1"?><project><groupId>g</groupId><artifactId>a</artifactId><version>${revision}</version>
		<properties><revision>2</revision><dep.version>3.${revision}</dep.version></properties>
		<name>A</name><description>Does ${project.artifactId}
		well &amp; fast, says J` + "\xfc" + `rgen &copy;</description><url>https://example.test/${project.artifactId}</url>
		<licenses><license><name>Apache-2.0</name></license><license><name>MIT</name></license></licenses>
		<developers><developer><id>j</id></developer><developer><name>K</name></developer></developers>
		<scm><url>https://example.test/scm</url></scm>
		<dependencyManagement><dependencies><dependency><groupId>m</groupId><artifactId>m</artifactId><version>1</version></dependency>
		<dependency><groupId>bom</groupId><artifactId>b</artifactId><version>9</version><type>pom</type><scope>import</scope></dependency></dependencies></dependencyManagement>
		<dependencies><dependency><groupId>m</groupId><artifactId>m</artifactId></dependency>
		<dependency><groupId>x</groupId><artifactId>y</artifactId><version>${dep.version}</version><scope>test</scope><optional>true</optional><classifier>tests</classifier></dependency></dependencies></project>`))
	if err != nil {
		t.Fatal(err)
	}
	m := p.manifest(nil)
	if m.Summary != "Does a well & fast, says Jürgen ©" || m.License != "Apache-2.0 OR MIT" || strings.Join(m.Authors, ",") != "j,K" ||
		m.Links["Homepage"] != "https://example.test/a" || m.Links["Repository"] != "https://example.test/scm" {
		t.Errorf("got %+v", m)
	}
	want := "[{bom:b 9 import  false} {m:m 1 compile  false} {x:y 3.2 test tests true}]"
	if got := strings.ReplaceAll(strings.Trim(sprint(m.Dependencies), " "), "\n", ""); got != want {
		t.Errorf("dependencies %s, want %s", got, want)
	}
}

func TestPOMsThatAreRefused(t *testing.T) {
	deep := strings.Repeat("<a>", maxDepth) + strings.Repeat("</a>", maxDepth)
	for name, c := range map[string]struct {
		doc  string
		kind errs.Kind
	}{
		"a document type":           {`<!DOCTYPE project [<!ENTITY x SYSTEM "file:///etc/passwd">]><project><artifactId>&x;</artifactId></project>`, errs.Invalid},
		"an unknown entity":         {`<project><artifactId>&x;</artifactId></project>`, errs.Invalid},
		"another root":              {`<html></html>`, errs.Invalid},
		"two roots":                 {`<project></project><project></project>`, errs.Invalid},
		"no root":                   {` `, errs.Invalid},
		"a coordinate twice":        {`<project><version>1</version><version>2</version></project>`, errs.Invalid},
		"a parent's version twice":  {`<project><parent><version>1</version><version>2</version></parent></project>`, errs.Invalid},
		"too deep":                  {`<project>` + deep + `</project>`, errs.TooLarge},
		"too many elements":         {`<project><x>` + strings.Repeat("<a/>", maxElements) + `</x></project>`, errs.TooLarge},
		"unclosed":                  {`<project><artifactId>`, errs.Invalid},
		"an encoding nobody agrees": {`<?xml version="1.0" encoding="UTF-7"?><project/>`, errs.Invalid},
	} {
		if _, err := parsePOM([]byte(c.doc)); !errs.Is(err, c.kind) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestAPOMAgreesWhereItHasAProperty(t *testing.T) {
	for doc, agrees := range map[string]bool{
		`<groupId>g</groupId><artifactId>a</artifactId><version>1</version>`:                                            true,
		`<groupId>g</groupId><artifactId>a</artifactId><version>${revision}</version>`:                                  true,
		`<groupId>${g}</groupId><artifactId>a</artifactId><version>1</version>`:                                         true,
		`<groupId>g</groupId><artifactId>a</artifactId><version>2</version>`:                                            false,
		`<groupId>h</groupId><artifactId>a</artifactId><version>1</version>`:                                            false,
		`<groupId>g</groupId><artifactId>b</artifactId><version>${revision}</version>`:                                  false,
		`<artifactId>a</artifactId><version>1</version>`:                                                                false,
		`<parent><groupId>g</groupId><artifactId>p</artifactId><version>1</version></parent><artifactId>a</artifactId>`: true,
	} {
		p, err := parsePOM([]byte(`<project>` + doc + `</project>`))
		if err != nil {
			t.Fatal(err)
		}
		if says := p.disagreement("g", "a", "1"); (says == "") != agrees {
			t.Errorf("%s: says %q", doc, says)
		}
	}
}

// A property may refer to others, and to itself, at no cost.
func TestInterpolationEnds(t *testing.T) {
	p := &pom{Properties: pomProperties{"a": "${b}${b}", "b": "${a}${a}", "c": strings.Repeat("${a}", 200)}}
	for _, s := range []string{"${a}", "${c}${c}${c}", "${", "${x", "x${y}z"} {
		if got := p.interpolate(s); len(got) > 64<<10 {
			t.Errorf("%s grows to %d bytes", s, len(got))
		}
	}
}

func FuzzPOM(f *testing.F) {
	f.Add([]byte(`<project><groupId>g</groupId><artifactId>a</artifactId><version>${v}</version><properties><v>1</v></properties></project>`))
	f.Add([]byte(`<?xml version="1.0" encoding="ISO-8859-1"?><project><parent><groupId>g</groupId></parent></project>`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		p, err := parsePOM(doc)
		if err != nil {
			if k := errs.KindOf(err); k != errs.Invalid && k != errs.TooLarge {
				t.Fatalf("kind %s: %v", k, err)
			}
			return
		}
		p.manifest(doc)
		p.disagreement("g", "a", "1")
	})
}

func FuzzMetadata(f *testing.F) {
	f.Add([]byte(`<metadata><groupId>g</groupId><versioning><snapshot><timestamp>20260101.000000</timestamp></snapshot><versions><version>1</version></versions></versioning></metadata>`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		if _, err := parseMetadataXML(doc); err != nil && errs.KindOf(err) == errs.Internal {
			t.Fatal(err)
		}
	})
}
