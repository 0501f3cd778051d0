//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// setup is what every setup-… command knows: which repository of which server, and as whom.
type setup struct {
	repository, hostport, base string // base is the door's URL for the repository, with a final slash
	token                      string
	flags                      map[string]string
}

// readSetup reads [-server N] [-anonymous] [-token VAR] [REPOSITORY] and the door's own flags; those that take no value are in switches.
func readSetup(ts *testscript.TestScript, neg bool, door, repository string, args []string, switches ...string) setup {
	noNegation(ts, neg, "setup-…")
	s := setup{repository: repository, flags: map[string]string{}}
	prefix, variable := "", "TOKEN"
	for ; len(args) > 0 && strings.HasPrefix(args[0], "-"); args = args[1:] {
		flag := args[0]
		if flag == "-anonymous" {
			variable = ""
			continue
		}
		if slices.Contains(switches, flag) {
			s.flags[flag] = "on"
			continue
		}
		if len(args) < 2 {
			ts.Fatalf("%s needs a value", flag)
		}
		args = args[1:]
		switch flag {
		case "-server":
			prefix = args[0] + "_"
		case "-token":
			variable = args[0]
		case "-registry":
			s.flags[flag] = args[0]
		default:
			ts.Fatalf("unknown flag %s", flag)
		}
	}
	if len(args) > 0 {
		s.repository = args[0]
	}
	if variable != "" {
		s.token = ts.Getenv(variable)
	}
	root := ts.Getenv(prefix + "URL")
	if root == "" {
		ts.Fatalf("start the server first")
	}
	s.hostport = ts.Getenv(prefix + "HOSTPORT")
	s.base = root + "/" + door + "/" + s.repository + "/"
	return s
}

func writeHome(ts *testscript.TestScript, name, text string) string {
	file := filepath.Join(ts.Getenv("HOME"), name)
	ts.Check(os.MkdirAll(filepath.Dir(file), 0o755))
	ts.Check(os.WriteFile(file, []byte(text), 0o600))
	return file
}

func appendHome(ts *testscript.TestScript, name, text string) {
	file := filepath.Join(ts.Getenv("HOME"), name)
	ts.Check(os.MkdirAll(filepath.Dir(file), 0o755))
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	ts.Check(err)
	_, err = f.WriteString(text)
	ts.Check(err)
	ts.Check(f.Close())
}

// setup-cargo [-registry NAME] [REPOSITORY]
func cmdSetupCargo(ts *testscript.TestScript, neg bool, args []string) {
	s := readSetup(ts, neg, "cargo", "local", args)
	name := s.flags["-registry"]
	if name == "" {
		name = "bonded"
	}
	ts.Setenv("CARGO_HOME", filepath.Join(ts.Getenv("HOME"), ".cargo"))
	ts.Setenv("CARGO_TERM_COLOR", "never")
	ts.Setenv("CARGO_REGISTRIES_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_"))+"_TOKEN", s.token)
	config := ".cargo/config.toml"
	if existing, err := os.ReadFile(filepath.Join(ts.Getenv("HOME"), config)); err != nil {
		writeHome(ts, config, "[net]\nretry = 0\n\n[registry]\nglobal-credential-providers = [\"cargo:token\"]\n")
	} else if strings.Contains(string(existing), "[registries."+name+"]") {
		rewriteIndex(ts, config, string(existing), name, s.base)
		return
	}
	appendHome(ts, config, fmt.Sprintf("\n[registries.%s]\nindex = \"sparse+%s\"\n", name, s.base))
}

// rewriteIndex points a registry that the configuration has already at another index.
func rewriteIndex(ts *testscript.TestScript, config, text, name, base string) {
	before, after, _ := strings.Cut(text, "[registries."+name+"]\n")
	_, rest, _ := strings.Cut(after, "\n")
	writeHome(ts, config, before+fmt.Sprintf("[registries.%s]\nindex = \"sparse+%s\"\n", name, base)+rest)
}

// setup-pip [-auth] [REPOSITORY]
func cmdSetupPip(ts *testscript.TestScript, neg bool, args []string) {
	s := readSetup(ts, neg, "pypi", "main", args, "-auth")
	venv := filepath.Join(ts.Getenv("WORK"), "venv")
	if _, err := os.Stat(venv); err != nil {
		ts.Check(ts.Exec("python3", "-m", "venv", "--without-pip", venv))
		ts.Setenv("VIRTUAL_ENV", venv)
		// The launchers stay first: they hold the chosen pip, and a reminder for the clients that the script has not named.
		bin, rest, _ := strings.Cut(ts.Getenv("PATH"), ":")
		ts.Setenv("PATH", bin+":"+filepath.Join(venv, "bin")+":"+rest)
		for _, python := range []string{"python", "python3"} {
			ts.Check(os.WriteFile(filepath.Join(bin, python), fmt.Appendf(nil, "#!/bin/sh\nexec '%s/bin/python3' \"$@\"\n", venv), 0o755))
		}
	}
	index := s.base + "simple/"
	if s.flags["-auth"] != "" && s.token != "" {
		u, err := url.Parse(index)
		ts.Check(err)
		u.User = url.UserPassword("__token__", s.token)
		index = u.String()
	}
	conf := fmt.Sprintf("[global]\nindex-url = %s\ndisable-pip-version-check = true\nno-input = true\nno-color = true\nretries = 0\n", index)
	ts.Setenv("PIP_CONFIG_FILE", writeHome(ts, "pip.conf", conf))
	ts.Setenv("PIP_ROOT_USER_ACTION", "ignore")
	ts.Setenv("TWINE_REPOSITORY_URL", s.base+"legacy/")
	ts.Setenv("TWINE_NON_INTERACTIVE", "1")
	ts.Setenv("UV_DEFAULT_INDEX", index)
	ts.Setenv("UV_PUBLISH_URL", s.base+"legacy/")
	ts.Setenv("UV_PYTHON_DOWNLOADS", "never")
	ts.Setenv("UV_NO_PROGRESS", "1")
	ts.Setenv("UV_LINK_MODE", "copy")
	ts.Setenv("TWINE_USERNAME", "__token__")
	ts.Setenv("TWINE_PASSWORD", s.token)
	ts.Setenv("UV_PUBLISH_TOKEN", s.token)
}

// setup-npm [-cooldown] [REPOSITORY]
func cmdSetupNPM(ts *testscript.TestScript, neg bool, args []string) {
	s := readSetup(ts, neg, "npm", "main", args, "-cooldown")
	nerf := strings.TrimPrefix(s.base, "http:")
	registry := strings.TrimSuffix(s.base, "/")

	npmrc := "registry=" + s.base + "\naudit=false\nfund=false\nupdate-notifier=false\nfetch-retries=0\n"
	yarnrc := "npmRegistryServer: \"" + registry + "\"\nunsafeHttpWhitelist: [\"127.0.0.1\", \"localhost\"]\n" +
		"enableTelemetry: false\nenableImmutableInstalls: false\nnodeLinker: node-modules\nhttpRetry: 0\n"
	bunfig := "telemetry = false\n[install]\nregistry = { url = \"" + s.base + "\""
	pnpm := "registry: " + s.base + "\nupdateNotifier: false\nfetchRetries: 0\n"
	if s.token != "" {
		npmrc += nerf + ":_authToken=" + s.token + "\n"
		yarnrc += "npmAuthToken: \"" + s.token + "\"\nnpmAlwaysAuth: true\n"
		bunfig += ", token = \"" + s.token + "\""
	}
	bunfig += " }\n"
	if s.flags["-cooldown"] == "" {
		yarnrc += "npmMinimalAgeGate: 0\n"
		pnpm += "minimumReleaseAge: 0\n"
	}
	ts.Setenv("NPM_CONFIG_USERCONFIG", writeHome(ts, ".npmrc", npmrc))
	writeHome(ts, ".yarnrc.yml", yarnrc)
	writeHome(ts, ".yarnrc", "registry \""+registry+"\"\ndisable-self-update-check true\n")
	writeHome(ts, ".bunfig.toml", bunfig)
	writeHome(ts, ".config/pnpm/config.yaml", pnpm)
	ts.Setenv("COREPACK_ENABLE_DOWNLOAD_PROMPT", "0")
	ts.Setenv("YARN_ENABLE_COLORS", "0")
	ts.Setenv("YARN_ENABLE_PROGRESS_BARS", "0")
}

// setup-maven [REPOSITORY]
func cmdSetupMaven(ts *testscript.TestScript, neg bool, args []string) {
	s := readSetup(ts, neg, "maven", "main", args)
	plugins := pluginFolder(ts)
	central := func(kind string) string {
		return fmt.Sprintf("<%s><id>central</id><url>file://%s</url><releases><enabled>true</enabled><checksumPolicy>ignore</checksumPolicy></releases>"+
			"<snapshots><enabled>false</enabled></snapshots></%s>", kind, plugins, kind)
	}
	own := func(kind string) string {
		return fmt.Sprintf("<%s><id>bonded</id><url>%s</url><releases><checksumPolicy>fail</checksumPolicy><updatePolicy>always</updatePolicy></releases>"+
			"<snapshots><enabled>true</enabled><checksumPolicy>fail</checksumPolicy><updatePolicy>always</updatePolicy></snapshots></%s>", kind, s.base, kind)
	}
	servers := ""
	if s.token != "" {
		servers = "<servers><server><id>bonded</id><username>token</username><password>" + s.token + "</password></server></servers>"
	}
	writeHome(ts, ".m2/settings.xml", fmt.Sprintf(`<settings xmlns="http://maven.apache.org/SETTINGS/1.0.0">
<localRepository>%s/.m2/repository</localRepository>
%s
<profiles><profile><id>bonded</id>
<properties><bonded.url>%s</bonded.url><project.build.sourceEncoding>UTF-8</project.build.sourceEncoding></properties>
<repositories>%s%s</repositories>
<pluginRepositories>%s%s</pluginRepositories>
</profile></profiles>
<activeProfiles><activeProfile>bonded</activeProfile></activeProfiles>
</settings>
`, ts.Getenv("HOME"), servers, s.base, central("repository"), own("repository"), central("pluginRepository"), own("pluginRepository")))
}

// pluginFolder is the file repository of Maven plugins that "make clients" filled, beside the clients themselves.
func pluginFolder(ts *testscript.TestScript) string {
	c, ok := storyOf(ts).variant.clients["mvn"]
	if !ok {
		ts.Fatalf("name mvn in the \"# clients:\" line")
	}
	cache := filepath.Dir(filepath.Dir(filepath.Dir(filepath.Dir(c.path)))) // CACHE/mvn/VERSION/bin/mvn
	return filepath.Join(cache, "maven-repository")
}

// setup-composer [REPOSITORY]
func cmdSetupComposer(ts *testscript.TestScript, neg bool, args []string) {
	s := readSetup(ts, neg, "composer", "main", args)
	home := filepath.Join(ts.Getenv("HOME"), ".composer")
	config, err := json.MarshalIndent(map[string]any{
		"repositories": []any{
			map[string]any{"type": "composer", "url": strings.TrimSuffix(s.base, "/")},
			map[string]any{"packagist": false},
		},
		"config": map[string]any{"secure-http": false},
	}, "", "  ")
	ts.Check(err)
	writeHome(ts, ".composer/config.json", string(config))
	auth := map[string]any{}
	if s.token != "" {
		auth["http-basic"] = map[string]any{s.hostport: map[string]string{"username": "token", "password": s.token}}
	}
	text, err := json.MarshalIndent(auth, "", "  ")
	ts.Check(err)
	writeHome(ts, ".composer/auth.json", string(text))
	ts.Setenv("COMPOSER_HOME", home)
	ts.Setenv("COMPOSER_CACHE_DIR", filepath.Join(home, "cache"))
	ts.Setenv("COMPOSER_ALLOW_SUPERUSER", "1")
	ts.Setenv("COMPOSER_NO_INTERACTION", "1")
}
