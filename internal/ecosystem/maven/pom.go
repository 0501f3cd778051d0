package maven

import (
	"encoding/xml"
	"slices"
	"strings"

	"bonded/internal/errs"
	"bonded/internal/registry"
)

// pom is what Bonded reads of a project object model (maven.md §10; POM 4.0.0 and 4.1.0).
type pom struct {
	GroupID     string `xml:"groupId"`
	ArtifactID  string `xml:"artifactId"`
	Version     string `xml:"version"`
	Packaging   string `xml:"packaging"`
	Name        string `xml:"name"`
	Description string `xml:"description"`
	URL         string `xml:"url"`
	Parent      *struct {
		GroupID    string `xml:"groupId"`
		ArtifactID string `xml:"artifactId"`
		Version    string `xml:"version"`
	} `xml:"parent"`
	Licenses []struct {
		Name string `xml:"name"`
		URL  string `xml:"url"`
	} `xml:"licenses>license"`
	Developers []struct {
		ID    string `xml:"id"`
		Name  string `xml:"name"`
		Email string `xml:"email"`
	} `xml:"developers>developer"`
	SCM *struct {
		URL        string `xml:"url"`
		Connection string `xml:"connection"`
	} `xml:"scm"`
	Issues *struct {
		URL string `xml:"url"`
	} `xml:"issueManagement"`
	Dependencies []pomDependency `xml:"dependencies>dependency"`
	Managed      []pomDependency `xml:"dependencyManagement>dependencies>dependency"`
	Properties   pomProperties   `xml:"properties"`
}

type pomDependency struct {
	GroupID    string `xml:"groupId"`
	ArtifactID string `xml:"artifactId"`
	Version    string `xml:"version"`
	Type       string `xml:"type"`
	Classifier string `xml:"classifier"`
	Scope      string `xml:"scope"`
	Optional   string `xml:"optional"`
}

// pomProperties are the children of <properties>, by name.
type pomProperties map[string]string

// UnmarshalXML reads any child element as a property.
func (p *pomProperties) UnmarshalXML(d *xml.Decoder, _ xml.StartElement) error {
	*p = pomProperties{}
	for {
		token, err := d.Token()
		if err != nil {
			return err
		}
		switch t := token.(type) {
		case xml.EndElement:
			return nil
		case xml.StartElement:
			var value string
			if err := d.DecodeElement(&value, &t); err != nil {
				return err
			}
			(*p)[t.Name.Local] = strings.TrimSpace(value)
		}
	}
}

// parsePOM reads a POM; errs.Invalid with the reason if it is none.
func parsePOM(doc []byte) (*pom, error) {
	var p pom
	if err := readXML(doc, &p, "project", "project", "project/parent"); err != nil {
		e := errs.Public(err)
		return nil, errs.New(e.Kind, "The POM is refused. %s", e.What).WithRule(e.Rule).WithNext("Publish the pom.xml that the build wrote.")
	}
	for _, s := range []*string{&p.GroupID, &p.ArtifactID, &p.Version, &p.Packaging, &p.Name, &p.Description, &p.URL} {
		*s = strings.TrimSpace(*s)
	}
	if p.Parent != nil {
		for _, s := range []*string{&p.Parent.GroupID, &p.Parent.ArtifactID, &p.Parent.Version} {
			*s = strings.TrimSpace(*s)
		}
	}
	if p.Packaging == "" {
		p.Packaging = "jar"
	}
	return &p, nil
}

// coordinates are groupId, artifactId and version as the POM says, with the first and last inherited from its parent.
func (p *pom) coordinates() (group, artifactID, version string) {
	group, version = p.GroupID, p.Version
	if p.Parent != nil {
		if group == "" {
			group = p.Parent.GroupID
		}
		if version == "" {
			version = p.Parent.Version
		}
	}
	return group, p.ArtifactID, version
}

// interpolate replaces ${…} by the POM's own properties and coordinates, as far as they are known. What stays unresolved
// stays as it is.
func (p *pom) interpolate(s string) string {
	for range 4 {
		start := strings.Index(s, "${")
		if start < 0 {
			break
		}
		var out strings.Builder
		changed := false
		for rest := s; rest != ""; {
			before, after, found := strings.Cut(rest, "${")
			out.WriteString(before)
			if !found {
				break
			}
			name, tail, closed := strings.Cut(after, "}")
			if !closed {
				out.WriteString("${" + after)
				break
			}
			if value, ok := p.property(name); ok && len(value) <= 1024 {
				out.WriteString(value)
				changed = true
			} else {
				out.WriteString("${" + name + "}")
			}
			rest = tail
			if out.Len() > 4096 {
				return s
			}
		}
		s = out.String()
		if !changed {
			break
		}
	}
	return s
}

func (p *pom) property(name string) (string, bool) {
	group, artifactID, version := p.coordinates()
	switch strings.TrimPrefix(strings.TrimPrefix(name, "project."), "pom.") {
	case "groupId":
		return group, true
	case "artifactId":
		return artifactID, true
	case "version":
		return version, version != "" && !strings.Contains(version, "${")
	case "parent.version":
		if p.Parent != nil {
			return p.Parent.Version, true
		}
	}
	value, ok := p.Properties[name]
	return value, ok
}

// manifest is the POM in the registry's words.
func (p *pom) manifest(raw []byte) *registry.Manifest {
	group, artifactID, version := p.coordinates()
	m := &registry.Manifest{
		Name: group + ":" + artifactID, Version: version, Summary: strings.Join(strings.Fields(p.interpolate(p.Description)), " "),
		Links: map[string]string{}, Raw: raw, Detail: p,
	}
	if m.Summary == "" {
		m.Summary = p.interpolate(p.Name)
	}
	var licenses []string
	for _, l := range p.Licenses {
		if name := strings.TrimSpace(l.Name); name != "" {
			licenses = append(licenses, name)
		}
	}
	m.License = strings.Join(licenses, " OR ")
	for _, d := range p.Developers {
		if name := firstOf(d.Name, d.ID, d.Email); name != "" {
			m.Authors = append(m.Authors, name)
		}
	}
	link := func(label, url string) {
		if url = strings.TrimSpace(p.interpolate(url)); url != "" && !strings.Contains(url, "${") {
			m.Links[label] = url
		}
	}
	link("Homepage", p.URL)
	if p.SCM != nil {
		link("Repository", p.SCM.URL)
	}
	if p.Issues != nil {
		link("Issues", p.Issues.URL)
	}
	p.dependencies(m)
	return m
}

func firstOf(all ...string) string {
	for _, s := range all {
		if s = strings.TrimSpace(s); s != "" {
			return s
		}
	}
	return ""
}

// maxDependencies bounds what is kept of a platform's list.
const maxDependencies = 10_000

func (p *pom) dependencies(m *registry.Manifest) {
	if p.Parent != nil {
		m.Dependencies = append(m.Dependencies, registry.Dependency{
			Name: p.Parent.GroupID + ":" + p.Parent.ArtifactID, Requirement: p.Parent.Version, Kind: "parent",
		})
	}
	managed := map[string]string{}
	for _, d := range p.Managed {
		name := p.interpolate(strings.TrimSpace(d.GroupID)) + ":" + p.interpolate(strings.TrimSpace(d.ArtifactID))
		version := p.interpolate(strings.TrimSpace(d.Version))
		managed[name] = version
		if strings.TrimSpace(d.Scope) == "import" && len(m.Dependencies) < maxDependencies {
			m.Dependencies = append(m.Dependencies, registry.Dependency{Name: name, Requirement: version, Kind: "import"})
		}
	}
	for _, d := range p.Dependencies {
		if len(m.Dependencies) >= maxDependencies {
			break
		}
		name := p.interpolate(strings.TrimSpace(d.GroupID)) + ":" + p.interpolate(strings.TrimSpace(d.ArtifactID))
		version := p.interpolate(strings.TrimSpace(d.Version))
		if version == "" {
			version = managed[name]
		}
		scope := strings.TrimSpace(d.Scope)
		if scope == "" {
			scope = "compile"
		}
		m.Dependencies = append(m.Dependencies, registry.Dependency{
			Name: name, Requirement: version, Kind: scope, Optional: strings.TrimSpace(d.Optional) == "true",
			Condition: strings.Join(slices.DeleteFunc([]string{strings.TrimSpace(d.Type), strings.TrimSpace(d.Classifier)}, func(s string) bool { return s == "" }), ":"),
		})
	}
}

// disagreement compares what a POM says with the coordinates claimed; "" if they agree. Where the POM has a property, only a
// build could tell, so that part agrees; a snapshot's POM names its base version or that of the build.
func (p *pom) disagreement(group, artifactID, version string) string {
	g, a, v := p.coordinates()
	if base, _, _, ok := SplitSnapshot(v); ok {
		v = base
	}
	agree := func(says, claimed string) bool { return says == claimed || strings.Contains(says, "${") }
	if agree(g, group) && agree(a, artifactID) && agree(v, version) {
		return ""
	}
	return g + ":" + a + ":" + v
}
