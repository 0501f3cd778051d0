//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"bonded/e2e/wire"
)

// node is a server that a Go test starts, kills and starts again on the same data.
type node struct {
	t testing.TB
	// data is its folder, addr where it listens; flags go to every verb, serveFlags to serve alone.
	data, addr        string
	flags, serveFlags []string
	// secrets are settings that only the environment takes.
	secrets []string
	// tracer, when set, records the system calls of everything that the node runs.
	tracer *tracer

	cmd   *exec.Cmd
	ended chan struct{}

	mu sync.Mutex
	up chan struct{} // guarded by mu; closed while the server is ready
}

func newNode(t testing.TB, flags ...string) *node {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	n := &node{
		t: t, data: filepath.Join(t.TempDir(), "data"), addr: l.Addr().String(), up: make(chan struct{}),
		serveFlags: []string{"--access-log", "off"},
	}
	n.flags = append([]string{"--data", n.data}, flags...)
	t.Cleanup(n.end)
	return n
}

// start runs the server and waits until it is ready.
func (n *node) start() {
	n.t.Helper()
	n.cmd = n.command(append([]string{"serve", "--listen", n.addr}, n.serveFlags...)...)
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	log, err := os.OpenFile(n.data+".log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		n.t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	n.cmd.Stdout, n.cmd.Stderr = log, log
	if err := startBoundToThisProcess(n.cmd); err != nil {
		n.t.Fatal(err)
	}
	cmd, ended := n.cmd, make(chan struct{})
	n.ended = ended
	go func() {
		_ = cmd.Wait() // how it ended shows in its log
		n.tracer.await()
		close(ended)
	}()
	n.awaitReady()
	n.mu.Lock()
	close(n.up)
	n.mu.Unlock()
}

func (n *node) awaitReady() {
	n.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(readyWithin)
	ask := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for {
		select {
		case <-n.ended:
			n.t.Fatalf("bonded serve ended before it was ready:\n%s", n.log())
		case <-deadline:
			n.t.Fatalf("bonded serve was not ready after %v:\n%s", readyWithin, n.log())
		case <-tick.C:
			res, err := ask.Get("http://" + n.addr + "/readyz")
			if err != nil {
				continue
			}
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
		}
	}
}

// ready returns a channel that is closed while the server answers.
func (n *node) ready() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.up
}

// kill ends the server as a power switch would, as far as the process is concerned.
func (n *node) kill() { n.signal(syscall.SIGKILL) }

// stop asks the server to end and waits for it.
func (n *node) stop() { n.signal(syscall.SIGTERM) }

func (n *node) signal(s syscall.Signal) {
	n.mu.Lock()
	n.up = make(chan struct{})
	n.mu.Unlock()
	_ = n.cmd.Process.Signal(s) // an error means that it is gone
	<-n.ended
}

func (n *node) end() {
	if n.cmd == nil || n.ended == nil {
		return
	}
	select {
	case <-n.ended:
	default:
		n.kill()
	}
	if n.t.Failed() {
		n.t.Logf("server log:\n%s", n.log())
	}
}

func (n *node) log() string {
	b, _ := os.ReadFile(n.data + ".log")
	return lastLines(string(b), 60)
}

// command prepares a verb on the node's data.
func (n *node) command(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(context.Background(), bondedBinary, append(args, n.flags...)...)
	cmd.Env = n.environment()
	n.tracer.wrap(cmd)
	return cmd
}

// environment leaves out the settings of whoever runs the tests.
func (n *node) environment() []string {
	var env []string
	for _, line := range os.Environ() {
		if !strings.HasPrefix(line, "BONDED_") {
			env = append(env, line)
		}
	}
	return append(env, n.secrets...)
}

// bonded runs an offline verb on the node's data and returns its standard output; an exit code other than 0 fails the test
// unless mayFail.
func (n *node) bonded(mayFail bool, args ...string) (string, bool) {
	n.t.Helper()
	cmd := n.command(args...)
	var out, messages bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &messages
	err := cmd.Run()
	n.tracer.await()
	if err != nil && !mayFail {
		n.t.Fatalf("bonded %s: %v\n%s%s", strings.Join(args, " "), err, out.String(), messages.String())
	}
	return out.String(), err == nil
}

// client makes an account with a token and returns a connection that publishes as it.
func (n *node) client(account string) *wire.Client {
	n.t.Helper()
	n.bonded(false, "admin", "user", "add", account, "--email", account+"@example.test")
	token, _ := n.bonded(false, "admin", "token", "add", "--user", account)
	return &wire.Client{Base: "http://" + n.addr, Token: strings.TrimSpace(token), HTTP: &http.Client{
		Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 16},
	}}
}
