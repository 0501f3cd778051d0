package demo

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

func findMaven(ctx context.Context, w *workshop) ([]string, string) {
	v := w.version(ctx, "mvn")
	if v == "" {
		return nil, "no working mvn on the PATH"
	}
	return []string{"mvn " + v}, ""
}

// The two plugins that the tour needs, with the versions that Maven is asked for where no folder of plugins says otherwise.
const (
	pluginGroup = "org/apache/maven/plugins"
	deploy      = "maven-deploy-plugin"
	dependency  = "maven-dependency-plugin"
)

var usualVersion = map[string]string{deploy: "3.1.3", dependency: "3.8.1"}

// plugins says where Maven gets its plugins.
type plugins struct {
	version  map[string]string
	settings string // global settings, or "" for Maven's own
}

// findPlugins prefers a folder that holds both plugins, so that the demo works where nothing else can be reached: the one that
// "make clients" fills, Debian's, or what the user's Maven has downloaded before. Else the user's own settings say where to
// get them.
func (w *workshop) findPlugins() (plugins, error) {
	home, cache, clients := "", "", ""
	for _, kv := range w.Environ {
		switch name, value, _ := strings.Cut(kv, "="); name {
		case "HOME":
			home = value
		case "XDG_CACHE_HOME":
			cache = value
		case "BONDED_TEST_CLIENTS":
			clients = value
		}
	}
	if cache == "" {
		cache = filepath.Join(home, ".cache")
	}
	if clients == "" {
		clients = filepath.Join(cache, "bonded", "clients")
	}
	own := filepath.Join(home, ".m2", "repository")
	for _, folder := range []string{filepath.Join(clients, "maven-repository"), "/usr/share/maven-repo", own} {
		versions := map[string]string{}
		for _, name := range []string{deploy, dependency} {
			versions[name] = newestPlugin(folder, name)
		}
		if versions[deploy] == "" || versions[dependency] == "" {
			continue
		}
		id := "central" // takes the place of the public one, so that nothing leaves the machine
		if folder == own {
			id = "downloaded" // may lack something, which the public one then has
		}
		path := filepath.Join(w.home, "maven-plugins.xml")
		return plugins{versions, path}, write(w.home, map[string]string{"maven-plugins.xml": pluginSettings(id, folder)})
	}
	path := filepath.Join(home, ".m2", "settings.xml")
	if _, err := os.Stat(path); err != nil {
		path = ""
	}
	return plugins{usualVersion, path}, nil
}

// newestPlugin is the newest version of which the folder holds the jar: by name, which is enough between 3.x versions.
func newestPlugin(folder, name string) string {
	jars, _ := filepath.Glob(filepath.Join(folder, pluginGroup, name, "3.*", name+"-3.*.jar"))
	if len(jars) == 0 {
		return ""
	}
	return filepath.Base(filepath.Dir(slices.Max(jars)))
}

func pluginSettings(id, folder string) string {
	repository := func(kind string) string {
		return fmt.Sprintf("<%[1]s><id>%[2]s</id><url>file://%[3]s</url><releases><checksumPolicy>ignore</checksumPolicy></releases>"+
			"<snapshots><enabled>false</enabled></snapshots></%[1]s>", kind, id, folder)
	}
	return fmt.Sprintf(`<settings>
<profiles><profile><id>plugins</id><repositories>%s</repositories><pluginRepositories>%s</pluginRepositories></profile></profiles>
<activeProfiles><activeProfile>plugins</activeProfile></activeProfiles>
</settings>
`, repository("repository"), repository("pluginRepository"))
}

const demoPOM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>org.example.bonded</groupId>
  <artifactId>bonded-demo</artifactId>
  <version>1.0.0</version>
  <description>Says a sentence, to show that it came through.</description>
</project>
`

func tourMaven(ctx context.Context, t *tour) error {
	from, err := t.findPlugins()
	if err != nil {
		return err
	}
	common := []string{"-B", "-ntp", "-Dstyle.color=never"}
	if from.settings != "" {
		common = append(common, "-gs", from.settings)
	}
	mvn := func(plugin, goal string, args ...string) []string {
		full := "org.apache.maven.plugins:" + plugin + ":" + from.version[plugin] + ":" + goal
		return append(append(append([]string{}, common...), full), args...)
	}
	if err := t.writeJar("a jar out of bond"); err != nil {
		return err
	}
	publish := mvn(deploy, "deploy-file", "-Dfile=demo.jar", "-DpomFile=demo.pom", "-DrepositoryId=bonded", "-Durl="+t.URL+"/maven/main/")
	s := said{lines: regexp.MustCompile(`Uploaded to|Uploading to bonded.*jar$|BUILD`), most: 3, shown: "mvn deploy:deploy-file -Dfile=demo.jar -DpomFile=demo.pom -DrepositoryId=bonded"}
	if _, err := t.do(ctx, "publish", t.work, s, "mvn", publish...); err != nil {
		return err
	}
	install := mvn(dependency, "get", "-Dartifact=org.example.bonded:bonded-demo:1.0.0", "-Dtransitive=false")
	s = said{lines: regexp.MustCompile(`Resolving org.example|BUILD`), most: 2, shown: "mvn dependency:get -Dartifact=org.example.bonded:bonded-demo:1.0.0"}
	if _, err := t.do(ctx, "install", t.work, s, "mvn", install...); err != nil {
		return err
	}
	if err := t.verifyJar(ctx); err != nil {
		return err
	}
	if err := t.writeJar("other words"); err != nil {
		return err
	}
	refusal := said{lines: regexp.MustCompile(`ERROR.*?(Could not transfer .*?)(?:, instance=.*| -> \[Help.*)?$`), most: 1, shown: "mvn deploy:deploy-file (other bytes, same version)"}
	if err := t.refused(ctx, "replace", t.work, refusal, "mvn", publish...); err != nil {
		return err
	}
	if err := t.quarantine(ctx, "org.example.bonded:bonded-demo"); err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Join(t.home, ".m2/repository/org/example")); err != nil {
		return err
	}
	refusal.shown = s.shown
	return t.refused(ctx, "quarantine", t.work, refusal, "mvn", install...)
}

func (t *tour) writeJar(words string) error {
	jar, err := pack([]entry{{"META-INF/MANIFEST.MF", "Manifest-Version: 1.0\r\n\r\n"}, {"words.txt", words + "\n"}})
	if err != nil {
		return err
	}
	return write(t.work, map[string]string{"demo.jar": string(jar), "demo.pom": demoPOM})
}

func (t *tour) verifyJar(ctx context.Context) error {
	const path = "org/example/bonded/bonded-demo/1.0.0/bonded-demo-1.0.0.jar"
	sum, err := t.get(ctx, "/maven/main/"+path+".sha256", "")
	if err != nil {
		return t.failed("verify", err)
	}
	sums, err := sumsOf(filepath.Join(t.home, ".m2/repository", path))
	if err != nil {
		return t.failed("verify", err)
	}
	return t.verified("sha256", sums.sha256, strings.TrimSpace(string(sum)), "the jar in Maven's local repository")
}
