package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

// commandTime is what one client may take; an orderly one takes seconds.
const commandTime = 90 * time.Second

// foreign are variables that configure clients, or name a way out of the machine.
var foreign = regexp.MustCompile(`(?i)^(BONDED|CARGO|RUSTC|RUSTFLAGS|PIP|PYTHON|VIRTUAL_ENV|CONDA|UV|TWINE|NPM|PNPM|YARN|COREPACK|BUN|MAVEN|MVN|M2|` +
	`GRADLE|COMPOSER|JAVA_TOOL|_JAVA|XDG|SSL_CERT|REQUESTS_CA|CURL|NODE_|GIT_|(https?|all|no|ftp)_proxy$)`)

// switchers are the folders in which version switchers keep the programs that stand behind their names on the PATH. They look
// for them in the home folder, which is another one here.
var switchers = map[string]string{
	"RUSTUP_HOME": ".rustup", "PYENV_ROOT": ".pyenv", "NODENV_ROOT": ".nodenv", "VOLTA_HOME": ".volta", "ASDF_DATA_DIR": ".asdf",
	"MISE_DATA_DIR": ".local/share/mise", "JENV_ROOT": ".jenv", "SDKMAN_DIR": ".sdkman", "NVM_DIR": ".nvm",
}

// environment is the user's without what configures clients, with a home of its own.
func environment(user []string, home string) []string {
	var env []string
	oldHome := ""
	given := map[string]bool{}
	for _, kv := range user {
		name, value, _ := strings.Cut(kv, "=")
		given[name] = true
		switch {
		case name == "HOME":
			oldHome = value
		case name == "TMPDIR", foreign.MatchString(name):
		default:
			env = append(env, kv)
		}
	}
	for name, folder := range switchers {
		path := filepath.Join(oldHome, folder)
		if _, err := os.Stat(path); err == nil && oldHome != "" && !given[name] {
			env = append(env, name+"="+path)
		}
	}
	return append(env,
		"HOME="+home, "TMPDIR="+filepath.Join(home, "tmp"), "NO_COLOR=1", "CI=1", "LC_ALL=C.UTF-8", "NO_PROXY=127.0.0.1,localhost",
		"XDG_CONFIG_HOME="+filepath.Join(home, ".config"), "XDG_CACHE_HOME="+filepath.Join(home, ".cache"),
		"XDG_DATA_HOME="+filepath.Join(home, ".local/share"), "XDG_STATE_HOME="+filepath.Join(home, ".local/state"),
		"CARGO_HOME="+filepath.Join(home, ".cargo"), "CARGO_TERM_COLOR=never", "CARGO_TERM_PROGRESS_WHEN=never",
		"PIP_DISABLE_PIP_VERSION_CHECK=1", "PIP_NO_INPUT=1", "PIP_NO_COLOR=1", "PIP_ROOT_USER_ACTION=ignore", "PIP_RETRIES=0",
		"PYTHONDONTWRITEBYTECODE=1", "TWINE_NON_INTERACTIVE=1", "UV_NO_PROGRESS=1", "UV_PYTHON_DOWNLOADS=never", "UV_LINK_MODE=copy",
		"NPM_CONFIG_UPDATE_NOTIFIER=false", "NPM_CONFIG_AUDIT=false", "NPM_CONFIG_FUND=false", "NPM_CONFIG_FETCH_RETRIES=0",
		// pnpm and yarn hold new releases back for a day; here none is older than a moment.
		"PNPM_CONFIG_MINIMUM_RELEASE_AGE=0", "NPM_CONFIG_MINIMUM_RELEASE_AGE=0", "YARN_NPM_MINIMAL_AGE_GATE=0", "YARN_ENABLE_TELEMETRY=0",
		"YARN_ENABLE_IMMUTABLE_INSTALLS=0", "YARN_NODE_LINKER=node-modules", "YARN_ENABLE_COLORS=0", "YARN_ENABLE_PROGRESS_BARS=0",
		"COREPACK_ENABLE_DOWNLOAD_PROMPT=0", "COREPACK_ENABLE_NETWORK=0",
		"COMPOSER_HOME="+filepath.Join(home, ".composer"), "COMPOSER_NO_INTERACTION=1", "COMPOSER_ALLOW_SUPERUSER=1",
		"COMPOSER_CACHE_DIR="+filepath.Join(home, ".composer", "cache"),
		// Java takes the home folder from the account, not from HOME.
		"MAVEN_OPTS=-Duser.home="+home+" -XX:TieredStopAtLevel=1 -XX:+UseSerialGC", "MAVEN_SKIP_RC=1",
	)
}

// getenv is the clients' environment.
func (w *workshop) getenv(name string) string {
	for _, kv := range slices.Backward(w.env) {
		if k, v, _ := strings.Cut(kv, "="); k == name {
			return v
		}
	}
	return ""
}

// look finds a program on the PATH.
func (w *workshop) look(name string) bool {
	_, err := exec.LookPath(name)
	return err == nil
}

var versionNumber = regexp.MustCompile(`\d+\.\d+(\.\d+)?[-.0-9A-Za-z]*`)

// version asks a client for its version; "" if it does not start.
func (w *workshop) version(ctx context.Context, name string, args ...string) string {
	if !w.look(name) {
		return ""
	}
	out, err := w.command(ctx, w.home, name, append(args, "--version")...)
	if err != nil {
		return ""
	}
	return versionNumber.FindString(out)
}

// command runs a client and returns all it said.
func (w *workshop) command(ctx context.Context, dir, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // running the clients is what the demo is for
	cmd.Dir, cmd.Env = dir, w.env
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	// A client starts others; all of them end with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	if ctx.Err() != nil {
		err = fmt.Errorf("it did not end within %s", commandTime)
	}
	return out.String(), err
}

// said is which of a client's lines are worth reading.
type said struct {
	// lines matches them; of a line that it groups, the group is shown. most is how many at the most, the last ones.
	lines *regexp.Regexp
	most  int
	// shown replaces the command on the page.
	shown string
}

// do runs a client that shall succeed.
func (t *tour) do(ctx context.Context, title, dir string, s said, name string, args ...string) (string, error) {
	return t.step(ctx, title, dir, s, false, name, args...)
}

// refused runs a client that shall be refused, in words that match must.
func (t *tour) refused(ctx context.Context, title, dir string, s said, name string, args ...string) error {
	_, err := t.step(ctx, title, dir, s, true, name, args...)
	return err
}

func (t *tour) step(ctx context.Context, title, dir string, s said, refused bool, name string, args ...string) (string, error) {
	began := t.Now()
	out, err := t.command(ctx, dir, name, args...)
	made := step{title: title, what: s.shown, refused: refused, took: t.Now().Sub(began)}
	if made.what == "" {
		made.what = strings.Join(append([]string{name}, args...), " ")
	}
	made.words = s.choose(out)
	made.went = (err != nil) == refused && (!refused || len(made.words) > 0)
	if !made.went {
		made.words = said{lines: regexp.MustCompile(`\S`), most: 20}.choose(out)
		if err == nil {
			err = errors.New("it succeeded, which it should not")
		}
		made.what += ": " + err.Error()
		t.steps = append(t.steps, made)
		return out, fmt.Errorf("%s: %w", title, err)
	}
	t.steps = append(t.steps, made)
	return out, nil
}

var terminalCodes = regexp.MustCompile(`\x1b\[[0-9;?]*[A-Za-z]|\r`)

// choose picks the client's lines, without colours and repetitions.
func (s said) choose(out string) []string {
	var chosen []string
	for line := range strings.Lines(terminalCodes.ReplaceAllString(out, "")) {
		line = strings.TrimRight(line, " \n\t")
		if s.lines == nil {
			continue
		}
		m := s.lines.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		if i := slices.IndexFunc(m[1:], func(group string) bool { return group != "" }); i >= 0 {
			line = m[1+i]
		}
		if !slices.Contains(chosen, line) {
			chosen = append(chosen, line)
		}
	}
	most := max(s.most, 1)
	return chosen[max(0, len(chosen)-most):]
}

// get reads a document of the instance.
func (w *workshop) get(ctx context.Context, path, accept string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.URL+path, nil)
	if err != nil {
		return nil, err
	}
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	return w.send(req)
}

// send asks the instance, with the token.
func (w *workshop) send(req *http.Request) ([]byte, error) {
	req.Header.Set("Authorization", "Bearer "+w.Token)
	res, err := w.HTTP.Do(req)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, 16<<20))
	if err = errors.Join(err, res.Body.Close()); err != nil {
		return nil, err
	}
	if res.StatusCode >= 300 {
		return body, fmt.Errorf("%s %s: %s: %s", req.Method, req.URL.Path, res.Status, bytes.TrimSpace(body))
	}
	return body, nil
}

// write makes files below a folder.
func write(dir string, files map[string]string) error {
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			return err
		}
	}
	return nil
}

// one is the only file that a pattern names.
func one(pattern string) (string, error) {
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) != 1 {
		return "", fmt.Errorf("%d files match %s: %w", len(found), filepath.Base(pattern), errors.Join(err, os.ErrNotExist))
	}
	return found[0], nil
}
