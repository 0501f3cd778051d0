package clientsetup_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bonded/internal/clientsetup"
	"bonded/internal/errs"
)

const token = "bondu_000000000000000000000000000000abcdef"

// place is a home folder and what is asked for it.
func place(t *testing.T, o clientsetup.Options) clientsetup.Options {
	t.Helper()
	o.Home = t.TempDir()
	if o.URL == "" {
		o.URL = "http://127.0.0.1:8080"
	}
	if o.Clients == nil {
		o.Clients = clientsetup.Names()
	}
	env := map[string]string{"COMPOSER_HOME": filepath.Join(o.Home, ".composer")}
	o.Getenv = func(name string) string { return env[name] }
	return o
}

func put(t *testing.T, o clientsetup.Options, name, text string) {
	t.Helper()
	path := filepath.Join(o.Home, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, o clientsetup.Options, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(o.Home, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func write(t *testing.T, o clientsetup.Options) (changed []string) {
	t.Helper()
	_, files, err := clientsetup.Plan(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		yes, err := f.Write()
		if err != nil {
			t.Fatal(err)
		}
		if yes {
			name, _ := filepath.Rel(o.Home, f.Path)
			changed = append(changed, name)
		}
	}
	return changed
}

// full is a home of somebody who has used every client for years.
var full = map[string]string{
	".cargo/config.toml":      "# mine\n[build]\njobs = 2 # few\n\n[registries.other]\nindex = \"sparse+https://other.example/\"\n\n[net]\nretry = 3\n",
	".cargo/credentials.toml": "[registries.other]\ntoken = \"theirs\"\n",
	".config/pip/pip.conf":    "; mine\n[global]\ntimeout = 60\nindex_url = https://other.example/simple\n[install]\nfind-links =\n    /a\n    /b\n",
	".config/uv/uv.toml":      "link-mode = \"copy\"\n\n[[index]]\nname = \"other\"\nurl = \"https://other.example/simple\"\n",
	".pypirc":                 "[distutils]\nindex-servers =\n    other\n\n[other]\nrepository: https://other.example/legacy/\nusername = me\n",
	".npmrc":                  "# mine\nsave-exact=true\n//other.example/:_authToken=theirs\n@other:registry=https://other.example/\n",
	".yarnrc.yml":             "# mine\nenableTelemetry: false\nnpmRegistries:\n  \"https://other.example\":\n    npmAuthToken: theirs # keep\n",
	".m2/settings.xml": `<?xml version="1.0"?>
<settings>
  <!-- mine -->
  <servers>
    <server><id>other</id><username>me</username><password>theirs</password></server>
  </servers>
  <mirrors/>
  <activeProfiles>
    <activeProfile>other</activeProfile>
  </activeProfiles>
</settings>
`,
	".gradle/gradle.properties": "org.gradle.daemon=false\n",
	".composer/config.json":     "{\"config\": {\"sort-packages\": true}, \"repositories\": [{\"type\": \"vcs\", \"url\": \"https://other.example/x.git\"}]}",
	".composer/auth.json":       "{\"http-basic\": {\"other.example\": {\"username\": \"me\", \"password\": \"theirs\"}}, \"bearer\": []}",
}

func fullHome(t *testing.T, o clientsetup.Options) clientsetup.Options {
	o = place(t, o)
	for name, text := range full {
		put(t, o, name, text)
	}
	return o
}

func TestWhatAFileHoldsStays(t *testing.T) {
	o := fullHome(t, clientsetup.Options{Token: token})
	write(t, o)
	for name, kept := range map[string][]string{
		".cargo/config.toml":      {"# mine\n", "jobs = 2 # few", "[registries.other]\nindex = \"sparse+https://other.example/\"", "[net]\nretry = 3"},
		".cargo/credentials.toml": {"[registries.other]\ntoken = \"theirs\"\n"},
		".config/pip/pip.conf":    {"; mine\n", "timeout = 60", "find-links =\n    /a\n    /b"},
		".config/uv/uv.toml":      {"link-mode = \"copy\"", "name = \"other\""},
		".pypirc":                 {"repository: https://other.example/legacy/", "    other\n    bonded\n"},
		".npmrc":                  {"# mine\nsave-exact=true\n//other.example/:_authToken=theirs\n@other:registry=https://other.example/\n"},
		".yarnrc.yml":             {"# mine", "enableTelemetry: false", "npmAuthToken: theirs # keep"},
		".m2/settings.xml":        {"<?xml version=\"1.0\"?>", "<!-- mine -->", "<password>theirs</password>", "<activeProfile>other</activeProfile>", "<mirrors/>"},
		".composer/config.json":   {`"sort-packages": true`, `"url": "https://other.example/x.git"`},
		".composer/auth.json":     {`"password": "theirs"`, `"bearer": []`},
	} {
		text := read(t, o, name)
		for _, want := range kept {
			if !strings.Contains(text, want) {
				t.Errorf("%s lost %q:\n%s", name, want, text)
			}
		}
		if !strings.Contains(text, "127.0.0.1:8080") && !strings.Contains(text, token) {
			t.Errorf("%s was not set up:\n%s", name, text)
		}
		if backup := read(t, o, name+clientsetup.BackupSuffix); backup != full[name] {
			t.Errorf("the copy of %s is\n%s", name, backup)
		}
	}
	if text := read(t, o, ".config/pip/pip.conf"); strings.Contains(text, "other.example") || strings.Count(text, "index") != 1 {
		t.Errorf("pip.conf has two indexes:\n%s", text)
	}
}

func TestDoingItTwiceChangesNothing(t *testing.T) {
	for name, home := range map[string]func(*testing.T, clientsetup.Options) clientsetup.Options{"empty home": place, "full home": fullHome} {
		for _, only := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				o := home(t, clientsetup.Options{Token: token, Only: only, CA: authority(t)})
				if first := write(t, o); len(first) < 10 {
					t.Fatalf("the first time changed only %v", first)
				}
				if second := write(t, o); len(second) != 0 {
					t.Errorf("the second time changed %v", second)
				}
			})
		}
	}
}

func TestAnotherServerTakesThePlaceOfTheFirst(t *testing.T) {
	o := fullHome(t, clientsetup.Options{Token: token, Only: true})
	write(t, o)
	o.URL, o.Only = "https://packages.example.com/sub", false
	write(t, o)
	for name := range full {
		text := read(t, o, name)
		// npm's credentials and Composer's belong to the host and stay until the user removes them.
		if name != ".npmrc" && name != ".composer/auth.json" && name != ".yarnrc.yml" && strings.Contains(text, "127.0.0.1:8080") {
			t.Errorf("%s still names the first:\n%s", name, text)
		}
		if strings.Contains(text, "mirrorOf") {
			t.Errorf("%s still asks nobody else:\n%s", name, text)
		}
		if !strings.Contains(text, "packages.example.com") && name != ".cargo/credentials.toml" && name != ".gradle/gradle.properties" {
			t.Errorf("%s does not name the second:\n%s", name, text)
		}
	}
}

func TestATokenStandsInPrivateFilesOnlyAndIsNeverShown(t *testing.T) {
	o := fullHome(t, clientsetup.Options{Token: token, YarnClassic: true})
	setups, files, err := clientsetup.Plan(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range setups {
		for _, e := range s.Edits {
			if strings.Contains(e.Lines, token) {
				t.Errorf("%s shows the token of %s", s.Client, e.Path)
			}
		}
	}
	secret := 0
	for _, f := range files {
		if _, err := f.Write(); err != nil {
			t.Fatal(err)
		}
		st, err := os.Stat(f.Path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(f.After), token) {
			secret++
			if st.Mode().Perm()&0o077 != 0 {
				t.Errorf("%s holds the token with mode %v", f.Path, st.Mode())
			}
		}
		if st, err := os.Stat(f.Path + clientsetup.BackupSuffix); err == nil && st.Mode().Perm() != 0o600 {
			t.Errorf("the copy of %s has mode %v", f.Path, st.Mode())
		}
	}
	if secret < 8 {
		t.Errorf("only %d files got the token", secret)
	}
}

func TestPlanningTouchesNothing(t *testing.T) {
	o := place(t, clientsetup.Options{Token: token, CA: authority(t)})
	if _, _, err := clientsetup.Plan(o); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(o.Home); err != nil || len(left) != 0 {
		t.Errorf("the home holds %v (%v)", left, err)
	}
}

func TestAFileThatCannotBeEditedIsRefused(t *testing.T) {
	for _, tc := range []struct{ name, client, file, text string }{
		{"broken TOML", "cargo", ".cargo/config.toml", "[build\n"},
		{"the registry as an inline table", "cargo", ".cargo/config.toml", "registries = { bonded = { index = \"x\" } }\n"},
		{"a header inside a string", "cargo", ".cargo/config.toml", "a = \"\"\"\n[registries.bonded]\n\"\"\"\n"},
		{"another default index", "uv", ".config/uv/uv.toml", "[[index]]\nname = \"o\"\nurl = \"u\"\ndefault = true\n"},
		{"a line that says nothing", "pip", ".config/pip/pip.conf", "[global]\nwhat is this\n"},
		{"a setting twice", "npm", ".npmrc", "registry=a\nx=1\nregistry=b\n"},
		{"a list of YAML", "yarn", ".yarnrc.yml", "- a\n"},
		{"broken YAML", "yarn", ".yarnrc.yml", "a: [\n"},
		{"a scalar where a map belongs", "yarn", ".yarnrc.yml", "npmRegistries: no\n"},
		{"broken XML", "maven", ".m2/settings.xml", "<settings><servers></settings>"},
		{"another document", "maven", ".m2/settings.xml", "<project/>"},
		{"broken JSON", "composer", ".composer/config.json", "{\"a\": }"},
		{"a key of JSON twice", "composer", ".composer/config.json", `{"a": 1, "a": 2}`},
		{"something behind the JSON", "composer", ".composer/auth.json", "{} {}"},
		{"bytes", "npm", ".npmrc", "a=\xff\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := place(t, clientsetup.Options{Token: token, Clients: []string{tc.client}})
			put(t, o, tc.file, tc.text)
			_, _, err := clientsetup.Plan(o)
			e, ok := errors.AsType[*errs.Error](err)
			if !ok || e.Rule != "client-setup/unreadable" || !strings.Contains(e.What, filepath.Join(o.Home, tc.file)) {
				t.Fatalf("error is %v, want one that names the file", err)
			}
			if strings.Contains(e.Sentence(), token) {
				t.Errorf("the refusal shows the token: %s", e.Sentence())
			}
		})
	}
}

func TestWhatWouldMeanSomethingElseInAFileIsRefused(t *testing.T) {
	for _, o := range []clientsetup.Options{
		{URL: "ftp://example.com"},
		{URL: "https://me:secret@example.com"},
		{URL: "https://example.com/a b"},
		{URL: "https://example.com/\"\n[global]"},
		{URL: "https://example.com/?a=b"},
		{Repository: "../x"},
		{Repository: "a\nb"},
		{Token: "a\"b"},
		{Token: "a\nb"},
		{Token: "a</password>"},
		{Clients: []string{"gem"}},
		{CA: []byte("not PEM")},
		{CA: []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")},
	} {
		if _, _, err := clientsetup.Plan(place(t, o)); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
}

func TestALinkedFileStaysALink(t *testing.T) {
	o := place(t, clientsetup.Options{Clients: []string{"npm"}})
	put(t, o, "dotfiles/npmrc", "save-exact=true\n")
	link := filepath.Join(o.Home, ".npmrc")
	if err := os.Symlink(filepath.Join(o.Home, "dotfiles/npmrc"), link); err != nil {
		t.Fatal(err)
	}
	write(t, o)
	if st, err := os.Lstat(link); err != nil || st.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link became %v (%v)", st.Mode(), err)
	}
	if text := read(t, o, "dotfiles/npmrc"); !strings.Contains(text, "registry=http://127.0.0.1:8080/npm/main/") {
		t.Errorf("the file behind the link holds %q", text)
	}
}
