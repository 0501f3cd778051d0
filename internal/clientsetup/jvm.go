package clientsetup

import (
	"fmt"
	"strings"
)

// emptySettings is where a user without settings begins.
const emptySettings = "<settings xmlns=\"http://maven.apache.org/SETTINGS/1.0.0\">\n</settings>\n"

// planMaven adds a server, and a profile that names the repository for dependencies and plugins and the property bonded.url.
// With Only, a mirror of everything takes the place of every other repository.
func planMaven(p *planner) (Setup, error) {
	s := Setup{Use: []string{
		"mvn deploy      with <repository><id>bonded</id><url>${bonded.url}</url></repository> in the POM's <distributionManagement>",
		"mvn package     with the <dependency> as anywhere else",
	}}
	door := p.door("maven")
	type part struct {
		container, text string
		same            func(*element) bool
	}
	var parts []part
	if p.Token != "" {
		parts = append(parts, part{"servers", fmt.Sprintf(`    <server>
      <id>bonded</id>
      <username>token</username>
      <password>%s</password>
    </server>
`, p.Token), hasID(registryName)})
	}
	mirror := part{"mirrors", fmt.Sprintf(`    <mirror>
      <id>bonded</id>
      <mirrorOf>*</mirrorOf>
      <url>%s</url>
    </mirror>
`, door), hasID(registryName)}
	if p.Only {
		parts = append(parts, mirror)
	}
	parts = append(parts, part{"profiles", mavenProfile(door), hasID(registryName)},
		part{"activeProfiles", "    <activeProfile>bonded</activeProfile>\n", hasText(registryName)})

	var shown strings.Builder
	for _, q := range parts {
		fmt.Fprintf(&shown, "  <%s>\n%s  </%s>\n", q.container, q.text, q.container)
	}
	err := p.edit(&s, p.home(".m2", "settings.xml"), shown.String(), func(text string) (string, error) {
		if strings.TrimSpace(text) == "" {
			text = emptySettings
		}
		var err error
		if !p.Only {
			if text, err = removeXML(text, mirror.container, mirror.same); err != nil {
				return "", err
			}
		}
		for _, q := range parts {
			if text, err = setXML(text, "settings", q.container, q.text, q.same); err != nil {
				return "", err
			}
		}
		_, err = readXML(text)
		return text, err
	})
	if err != nil {
		return s, err
	}
	return s, p.mavenTrust(&s)
}

func mavenProfile(door string) string {
	repository := func(kind string) string {
		return fmt.Sprintf(`        <%[1]s>
          <id>bonded</id>
          <url>%[2]s</url>
          <releases><checksumPolicy>fail</checksumPolicy></releases>
          <snapshots><enabled>true</enabled><checksumPolicy>fail</checksumPolicy></snapshots>
        </%[1]s>
`, kind, door)
	}
	return fmt.Sprintf(`    <profile>
      <id>bonded</id>
      <properties>
        <bonded.url>%s</bonded.url>
      </properties>
      <repositories>
%s      </repositories>
      <pluginRepositories>
%s      </pluginRepositories>
    </profile>
`, door, repository("repository"), repository("pluginRepository"))
}

// The marks around our lines in a shell file that is the user's.
const (
	markBegin = "# >>> bonded client setup"
	markEnd   = "# <<< bonded client setup"
)

// mavenTrust tells Maven's Java of a private authority, by the file that its launcher reads.
func (p *planner) mavenTrust(s *Setup) error {
	store, err := p.trustStore()
	if err != nil || store == "" {
		return err
	}
	block := fmt.Sprintf("%s\nMAVEN_OPTS=\"$MAVEN_OPTS -Djavax.net.ssl.trustStore=%s\"\n%s\n", markBegin, store, markEnd)
	return p.edit(s, p.home(".mavenrc"), block, func(text string) (string, error) {
		before, rest, found := strings.Cut(text, markBegin+"\n")
		_, after, closed := strings.Cut(rest, markEnd+"\n")
		switch {
		case !found:
			return appendBlock(text, block), nil
		case !closed:
			return "", errStyle
		}
		return before + block + after, nil
	})
}

// planGradle writes an init script, which is ours alone: the repository for every build's dependencies and plugins, and a
// target for the maven-publish plugin. The script runs on Gradle 4 and later.
func planGradle(p *planner) (Setup, error) {
	s := Setup{Use: []string{
		"gradle publishAllPublicationsToBondedRepository      with the plugin maven-publish",
		"gradle build",
	}}
	folder := p.getenv("GRADLE_USER_HOME")
	if folder == "" {
		folder = p.home(".gradle")
	}
	script := p.gradleScript()
	err := p.edit(&s, folder+"/init.d/bonded.gradle", script, func(string) (string, error) { return script, nil })
	if err != nil {
		return s, err
	}
	store, err := p.trustStore()
	if err != nil || store == "" {
		return s, err
	}
	trust := []pair{{"systemProp.javax.net.ssl.trustStore", store}}
	return s, p.edit(&s, folder+"/gradle.properties", lines(trust), func(text string) (string, error) {
		return javaProperties.set(text, "", trust)
	})
}

func (p *planner) gradleScript() string {
	credentials, insecure := "", ""
	if p.Token != "" {
		credentials = fmt.Sprintf("\n        credentials {\n            username = 'token'\n            password = '%s'\n        }", p.Token)
	}
	if p.insecure() {
		insecure = "\n        if (it.hasProperty('allowInsecureProtocol')) it.allowInsecureProtocol = true"
	}
	return fmt.Sprintf(`// Written by "bonded client setup", which writes it anew each time.
def bonded = { repositories ->
    repositories.maven {
        name = 'bonded'
        url = '%s'%s%s
    }
}
settingsEvaluated { settings ->
    if (settings.pluginManagement.repositories.empty) {
        settings.pluginManagement.repositories.gradlePluginPortal()
    }
    bonded(settings.pluginManagement.repositories)
    if (settings.hasProperty('dependencyResolutionManagement')) {
        bonded(settings.dependencyResolutionManagement.repositories)
    }
}
allprojects { project ->
    afterEvaluate {
        // A build that declares its repositories itself asks them and not those of the settings.
        if (!project.repositories.empty || !gradle.gradleVersion.matches('(?:6\\.[89]|[7-9]\\.|[1-9][0-9]).*')) {
            bonded(project.repositories)
        }
        if (project.plugins.hasPlugin('maven-publish')) {
            bonded(project.publishing.repositories)
        }
    }
}
`, p.door("maven"), insecure, credentials)
}
