//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// pages are the pages whose marked shell blocks are run, each from its beginning on a machine with nothing but clients.
//
//	<!-- run: DIR -->                   the block's lines in DIR, of those that wares makes, or "." above them
//	<!-- run: DIR OTHER -->             lines up to the empty one in DIR, the rest in OTHER
//	<!-- run: . in the background -->   until the page ends
//	<!-- run: . refused: WORDS -->      the last line fails and says WORDS
//	<!-- run: . says: WORDS -->         the lines say WORDS
//
// The pages speak of the default address. It may be in use here, so that environment and lines name another.
var pages = []string{"README.md", "docs/users/getting-started.md"}

// pageAddress is where the pages' server listens.
const pageAddress = "127.0.0.1:8080"

var markedBlock = regexp.MustCompile("(?m)^<!-- run: (.+) -->\n```sh\n((?s:.+?))^```$")

func TestPagesRunAsTheyAreWritten(t *testing.T) {
	for _, page := range pages {
		t.Run(filepath.Base(page), func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join("..", page))
			if err != nil {
				t.Fatal(err)
			}
			blocks := markedBlock.FindAllStringSubmatch(string(text), -1)
			if len(blocks) < 8 || len(blocks) != strings.Count(string(text), "<!-- run:") {
				t.Fatalf("%d blocks can be read of %d marks", len(blocks), strings.Count(string(text), "<!-- run:"))
			}
			runPage(t, blocks)
		})
	}
}

func runPage(t *testing.T, blocks [][]string) {
	s := newShopper(t, "cargo", "pip", "twine", "uv", "pyproject-build", "npm", "pnpm", "yarn4", "mvn", "composer")
	s.wares()
	s.pageWares()
	addr := newNode(t).addr // a free one
	s.set("BONDED_LISTEN=%s", addr)
	s.set("BONDED_URL=http://%s", addr)
	for _, block := range blocks {
		where, lines := strings.Fields(block[1]), strings.ReplaceAll(block[2], pageAddress, addr)
		t.Run(strings.ReplaceAll(block[1], "/", "_"), func(t *testing.T) {
			switch {
			case strings.HasSuffix(block[1], "in the background"):
				s.background(t, lines, addr)
			case len(where) > 2 && where[1] == "refused:":
				words := strings.Join(where[2:], " ")
				said := s.shell(t, where[0], "("+strings.TrimSpace(lines)+") && exit 1 || exit 0")
				expectWords(t, said, words)
			case len(where) > 2 && where[1] == "says:":
				expectWords(t, s.shell(t, where[0], lines), strings.Join(where[2:], " "))
			case len(where) == 2:
				first, rest, ok := strings.Cut(lines, "\n\n")
				if !ok {
					t.Fatalf("the block has no empty line:\n%s", lines)
				}
				s.shell(t, where[0], first)
				s.shell(t, where[1], rest)
			default:
				s.shell(t, where[0], lines)
			}
		})
		if t.Failed() {
			return // what follows rests on it
		}
	}
}

func expectWords(t *testing.T, said, words string) {
	t.Helper()
	if !strings.Contains(said, words) {
		t.Errorf("it does not say %q:\n%s", words, lastLines(said, 40))
	}
}

// pageWares adds to the wares what the pages' blocks name.
func (s *shopper) pageWares() {
	for _, name := range []string{"pnpm", "yarn"} {
		s.file(name+"/package.json", "{\"name\": \"hello-"+name+"\", \"version\": \"1.0.0\", \"main\": \"index.js\"}\n")
		s.file(name+"/index.js", "module.exports = \"hello\"\n")
	}
	s.file("yarn/yarn.lock", "")
	s.file("bin/yarn", "#!/bin/sh\nexec yarn4 \"$@\"\n")
	s.file("pypi-app/.keep", "")
	project, err := os.ReadFile(filepath.Join(s.dir, "pypi/pyproject.toml"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.file("pypi-uv/pyproject.toml", strings.Replace(string(project), `"hello"`, `"hello-uv"`, 1))
	s.file("pypi-uv/hello_uv.py", "WORD = \"hello\"\n")
	s.shell(s.t, ".", `chmod 755 bin/yarn
		(cd pypi-uv && pyproject-build --no-isolation --wheel)
		(cd yarn && yarn install)
		python3 -m venv --without-pip venv`)
	s.set("VIRTUAL_ENV=%s", filepath.Join(s.dir, "venv"))
}

// background runs lines until the test of the page ends, and waits until the server that they start is ready.
func (s *shopper) background(t *testing.T, lines, addr string) {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-eu", "-c", "exec "+strings.TrimSpace(lines))
	cmd.Dir, cmd.Env = s.dir, s.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := startBoundToThisProcess(cmd); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	s.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := <-ended; err != nil {
			s.t.Errorf("the server ended badly: %v", err)
		}
	})
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(readyWithin)
	for {
		select {
		case <-deadline:
			t.Fatal("the server was not ready in time")
		case <-tick.C:
			if s.ask("http://" + addr + "/readyz") {
				return
			}
		}
	}
}
