//go:build e2e

// Package e2e runs the scripts of this folder: real package clients against a real server. README.md is the guide.
package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"bonded/internal/store/storetest"

	"github.com/rogpeppe/go-internal/testscript"
)

// bondedBinary is the program under test, built once per run.
var bondedBinary string

func TestMain(m *testing.M) {
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "bonded-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()

	bondedBinary = os.Getenv("BONDED_TEST_BINARY")
	if bondedBinary == "" {
		bondedBinary = filepath.Join(dir, "bonded")
		build := exec.CommandContext(context.Background(), "go", "build", "-o", bondedBinary, "bonded/cmd/bonded")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "go build bonded/cmd/bonded: %v\n%s", err, out)
			return 1
		}
	}
	return m.Run()
}

// TestScripts runs every script, with each set of client versions that it asks for.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatal("no *.txtar here")
	}
	installed := installedClients(t)
	for _, file := range files {
		t.Run(strings.TrimSuffix(file, ".txtar"), func(t *testing.T) {
			wanted := readHeader(t, file)
			for _, v := range variants(t, installed, wanted) {
				t.Run(v.name, func(t *testing.T) {
					t.Parallel()
					runScript(t, file, v)
				})
			}
		})
	}
}

var (
	clientsLine = regexp.MustCompile(`(?m)^# clients:(.*)$`)
	skipLine    = regexp.MustCompile(`(?m)^(\[[^]]*\]\s*)*skip\b`)
)

// readHeader returns the clients that a script names in its "# clients:" line and refuses scripts that can skip themselves:
// a story that was not told proves nothing.
func readHeader(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	commands, _, _ := strings.Cut(string(text), "\n-- ")
	if !strings.HasPrefix(commands, "# ") {
		t.Fatalf("%s: the first line must be a comment that states the rule which the script shows", file)
	}
	if skipLine.MatchString(commands) {
		t.Fatalf("%s: scripts do not skip", file)
	}
	m := clientsLine.FindStringSubmatch(commands)
	if m == nil {
		t.Fatalf("%s: name the clients of the script in a line \"# clients: …\" (or \"# clients: none\")", file)
	}
	names := strings.Fields(m[1])
	if len(names) == 1 && names[0] == "none" {
		return nil
	}
	return names
}

func runScript(t *testing.T, file string, v variant) {
	testscript.RunT(scriptT{t}, testscript.Params{
		Files:              []string{file},
		TestWork:           os.Getenv("BONDED_TEST_KEEP") != "",
		RequireUniqueNames: true,
		Deadline:           time.Now().Add(scriptTimeout()),
		Setup:              func(env *testscript.Env) error { return setUp(t, env, v) },
		Condition:          v.holds,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"server":         cmdServer,
			"shutdown":       cmdShutdown,
			"kill9":          cmdKill9,
			"restart":        cmdRestart,
			"bonded":         cmdBonded,
			"token":          cmdToken,
			"http":           cmdHTTP,
			"json":           cmdJSON,
			"digest":         cmdDigest,
			"keep":           cmdKeep,
			"expand":         cmdExpand,
			"zip":            cmdZip,
			"tgz":            cmdTgz,
			"setup-cargo":    cmdSetupCargo,
			"setup-pip":      cmdSetupPip,
			"setup-npm":      cmdSetupNPM,
			"setup-maven":    cmdSetupMaven,
			"setup-composer": cmdSetupComposer,
		},
	})
}

// scriptTimeout is the time one script may take; after it the running command is interrupted and the script fails.
func scriptTimeout() time.Duration {
	if d, err := time.ParseDuration(os.Getenv("BONDED_TEST_TIMEOUT")); err == nil {
		return d
	}
	return 5 * time.Minute
}

// story is what the commands of one running script share.
type story struct {
	variant variant
	servers map[string]*process
	users   map[string]bool
	// answer and body are what the last http command printed and the body in it.
	answer string
	body   []byte
}

type storyKey struct{}

func storyOf(ts *testscript.TestScript) *story {
	return ts.Value(storyKey{}).(*story)
}

// setUp gives the script a home, caches and a PATH of its own, so that nothing of the machine's shows through.
func setUp(t *testing.T, env *testscript.Env, v variant) error {
	s := &story{variant: v, servers: map[string]*process{}, users: map[string]bool{}}
	env.Values[storyKey{}] = s

	home := filepath.Join(env.WorkDir, "home")
	bin := filepath.Join(env.WorkDir, ".bin")
	for _, dir := range []string{home, bin} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if err := v.writeLaunchers(bin); err != nil {
		return err
	}
	for k, value := range map[string]string{
		"PATH":            bin + ":/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin",
		"HOME":            home,
		"XDG_CONFIG_HOME": filepath.Join(home, ".config"),
		"XDG_CACHE_HOME":  filepath.Join(home, ".cache"),
		"XDG_DATA_HOME":   filepath.Join(home, ".local", "share"),
		"XDG_STATE_HOME":  filepath.Join(home, ".local", "state"),
		"VARIANT":         v.name,
		"BONDED_DATA":     filepath.Join(env.WorkDir, "data"),
		"NO_COLOR":        "1",
		"TERM":            "dumb",
		"LC_ALL":          "C.UTF-8",
		"TZ":              "UTC",
		"NO_PROXY":        "127.0.0.1,localhost",
	} {
		env.Setenv(k, value)
	}
	if onPostgres() {
		env.Setenv("BONDED_DATABASE", storetest.PostgresURL(t))
	}
	env.Defer(func() { s.end(t) })
	return nil
}

// onPostgres reports whether this run's servers keep their rows in PostgreSQL.
func onPostgres() bool { return os.Getenv("BONDED_TEST_ENGINE") == "postgres" }

// scriptT lets testscript run one file inside a test that has already been made for it.
type scriptT struct{ *testing.T }

// Run implements testscript.T without another level of subtests.
func (t scriptT) Run(_ string, f func(testscript.T)) { f(t) }

// Parallel implements testscript.T: the test for the variant is parallel already.
func (t scriptT) Parallel() {}

// Verbose implements testscript.T.
func (t scriptT) Verbose() bool { return testing.Verbose() }
