package web

import (
	"context"
	"encoding/xml"
	"net/url"
	"regexp"
	"strings"

	"bonded/internal/registry"
	"bonded/internal/request"
)

// snippet is text to copy, word for word.
type snippet struct {
	// ID is unique on its page.
	ID string
	// Label says where the text goes: a file or "Shell".
	Label string
	Text  string
}

// place is a repository as clients reach it.
type place struct {
	Repo *registry.Repository
	// Base is the repository's public URL without a trailing slash.
	Base string
	// Alias is the name under which client configurations know it.
	Alias string
	// Plain reports that the URL is not https.
	Plain bool
	// Host is the URL's host with its port.
	Host string
}

func placeOf(ctx context.Context, repo *registry.Repository) place {
	base := request.BaseURL(ctx) + "/" + repo.Path()
	p := place{Repo: repo, Base: base, Alias: aliasOf(repo)}
	if u, err := url.Parse(base); err == nil {
		p.Plain, p.Host = u.Scheme != "https", u.Host
	}
	return p
}

// aliasOf names a repository in configurations: "bonded" is the one that clients use by default. Cargo takes letters, digits, "-" and "_".
func aliasOf(repo *registry.Repository) string {
	if repo.Name == "main" {
		return "bonded"
	}
	return "bonded-" + strings.ReplaceAll(repo.Name, ".", "-")
}

// id makes a snippet's id from its place and purpose.
func (p place) id(purpose string) string {
	return "copy-" + p.Repo.Ecosystem + "-" + strings.ReplaceAll(p.Repo.Name, ".", "-") + "-" + purpose
}

func (p place) snippet(purpose, label, text string) snippet {
	return snippet{ID: p.id(purpose), Label: label, Text: text}
}

// useSnippets point a client at the repository, to install from it; the first alone is enough.
func useSnippets(p place) []snippet {
	switch p.Repo.Ecosystem {
	case "cargo":
		return []snippet{p.snippet("use", ".cargo/config.toml", "[registries."+p.Alias+"]\nindex = \"sparse+"+p.Base+"/\"")}
	case "pypi":
		return []snippet{
			p.snippet("use", "Shell, for pip", "pip config set global.index-url "+shell(p.Base+"/simple/")),
			p.snippet("use-uv", "Shell, for uv", "export UV_DEFAULT_INDEX="+shell(p.Base+"/simple/")),
		}
	case "npm":
		return []snippet{
			p.snippet("use", ".npmrc, for npm and pnpm", "registry="+p.Base+"/"),
			p.snippet("use-yarn", ".yarnrc.yml, for yarn", "npmRegistryServer: \""+p.Base+"\""+p.yarnPlain()),
		}
	case "maven":
		return []snippet{
			p.snippet("use", "pom.xml", "<repositories>\n  <repository>\n    <id>"+p.Alias+"</id>\n    <url>"+xmlText(p.Base)+"/</url>\n  </repository>\n</repositories>"),
			p.snippet("use-gradle", "settings.gradle.kts, for Gradle", "dependencyResolutionManagement {\n    repositories {\n        maven {\n            url = uri(\""+p.Base+"/\")\n"+
				p.gradlePlain()+"        }\n    }\n}"),
		}
	case "composer":
		return []snippet{p.snippet("use", "Shell, in the project", "composer config repositories."+p.Alias+" composer "+shell(p.Base)+p.composerPlain())}
	}
	return []snippet{p.snippet("use", "URL", p.Base+"/")}
}

// Clients refuse http:// unless they are told; a repository behind TLS needs none of these lines.

func (p place) yarnPlain() string {
	if !p.Plain {
		return ""
	}
	host, _, _ := strings.Cut(p.Host, ":")
	return "\nunsafeHttpWhitelist: [\"" + host + "\"]"
}

func (p place) gradlePlain() string {
	if !p.Plain {
		return ""
	}
	return "            isAllowInsecureProtocol = true\n"
}

func (p place) composerPlain() string {
	if !p.Plain {
		return ""
	}
	return "\ncomposer config secure-http false"
}

// publishSnippets publish to the repository. The token comes from the environment or a prompt, never in a command's arguments, which
// others on the machine can read.
func publishSnippets(p place) []snippet {
	switch p.Repo.Ecosystem {
	case "cargo":
		return []snippet{p.snippet("publish", "Shell", "cargo login --registry "+p.Alias+"\ncargo publish --registry "+p.Alias)}
	case "pypi":
		return []snippet{
			p.snippet("publish", "Shell, with twine", "export TWINE_USERNAME=__token__\ntwine upload --repository-url "+shell(p.Base+"/legacy/")+" dist/*"),
			p.snippet("publish-uv", "Shell, with uv", "export UV_PUBLISH_TOKEN=\"$BONDED_TOKEN\"\nuv publish --publish-url "+shell(p.Base+"/legacy/")),
		}
	case "npm":
		return []snippet{
			p.snippet("token", ".npmrc", "//"+afterScheme(p.Base)+"/:_authToken=${BONDED_TOKEN}"),
			p.snippet("publish", "Shell", "npm publish --registry "+shell(p.Base+"/")),
		}
	case "maven":
		return []snippet{
			p.snippet("token", "~/.m2/settings.xml", "<settings>\n  <servers>\n    <server>\n      <id>"+p.Alias+"</id>\n      <username>token</username>\n"+
				"      <password>${env.BONDED_TOKEN}</password>\n    </server>\n  </servers>\n</settings>"),
			p.snippet("target", "pom.xml", "<distributionManagement>\n  <repository>\n    <id>"+p.Alias+"</id>\n    <url>"+xmlText(p.Base)+"/</url>\n  </repository>\n</distributionManagement>"),
			p.snippet("publish", "Shell", "mvn deploy"),
		}
	case "composer":
		return []snippet{p.snippet("publish", "Shell", "printf 'Authorization: Bearer %s' \"$BONDED_TOKEN\" |\n  curl --fail-with-body --request PUT --header @- --data-binary @package.zip "+
			shellQuote(p.Base+"/?version=1.0.0"))}
	}
	return nil
}

// installSnippets install one package; version is "" for the newest.
func installSnippets(p place, name, version string) []snippet {
	switch p.Repo.Ecosystem {
	case "cargo":
		return []snippet{p.snippet("install", "Shell", "cargo add "+shell(pinned(name, "@=", version))+" --registry "+p.Alias)}
	case "pypi":
		return []snippet{
			p.snippet("install", "pip", "pip install --index-url "+shell(p.Base+"/simple/")+" "+shell(pinned(name, "==", version))),
			p.snippet("install-uv", "uv", "uv add --default-index "+shell(p.Base+"/simple/")+" "+shell(pinned(name, "==", version))),
		}
	case "npm":
		spec := shell(pinned(name, "@", version))
		return []snippet{
			p.snippet("install", "npm", "npm install "+spec+" --registry "+shell(p.Base+"/")),
			p.snippet("install-pnpm", "pnpm", "pnpm add "+spec+" --registry "+shell(p.Base+"/")),
		}
	case "composer":
		return []snippet{p.snippet("install", "Shell", "composer require "+shell(pinned(name, ":", version)))}
	}
	return nil
}

// mavenSnippets are the dependency as build files write it; Maven has no newest version to fall back on.
func mavenSnippets(p place, name, version string) []snippet {
	group, artifact, _ := strings.Cut(name, ":")
	dependency := "<dependency>\n  <groupId>" + xmlText(group) + "</groupId>\n  <artifactId>" + xmlText(artifact) + "</artifactId>\n  <version>" +
		xmlText(version) + "</version>\n</dependency>"
	return []snippet{
		p.snippet("install", "pom.xml", dependency),
		p.snippet("install-gradle", "build.gradle.kts", "implementation(\""+kotlin(name+":"+version)+"\")"),
	}
}

func pinned(name, separator, version string) string {
	if version == "" {
		return name
	}
	return name + separator + version
}

func afterScheme(address string) string {
	_, rest, _ := strings.Cut(address, "://")
	return rest
}

var shellSafe = regexp.MustCompile(`^[A-Za-z0-9@%+=:,./_-]+$`)

// shell makes s one word of a shell's command line.
func shell(s string) string {
	if shellSafe.MatchString(s) {
		return s
	}
	return shellQuote(s)
}

func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func xmlText(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a strings.Builder takes everything
	return b.String()
}

// kotlin escapes what ends or fills a Kotlin string.
func kotlin(s string) string { return strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`).Replace(s) }
