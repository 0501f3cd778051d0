//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

const (
	readyWithin = 30 * time.Second
	stopWithin  = 40 * time.Second // a little more than the server gives requests in flight
)

// process is one server of a script, running or not.
type process struct {
	name, data, port string
	flags            []string
	log              string
	cmd              *exec.Cmd
	// ended is closed when the process is gone; err is how it went.
	ended chan struct{}
	err   error
}

func (p *process) running() bool {
	if p.cmd == nil {
		return false
	}
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

func (p *process) signal(s os.Signal) {
	_ = p.cmd.Process.Signal(s) // an error means that it is gone, which the caller waits for anyway
}

// named takes "-name N" off the arguments.
func named(ts *testscript.TestScript, args []string) (string, []string) {
	if len(args) > 0 && args[0] == "-name" {
		if len(args) < 2 {
			ts.Fatalf("-name needs a name")
		}
		return args[1], args[2:]
	}
	return "", args
}

func noNegation(ts *testscript.TestScript, neg bool, command string) {
	if neg {
		ts.Fatalf("! %s has no meaning", command)
	}
}

// server [-name N] [flag…]
func cmdServer(ts *testscript.TestScript, neg bool, args []string) {
	noNegation(ts, neg, "server")
	s := storyOf(ts)
	name, flags := named(ts, args)
	if s.servers[name] != nil {
		ts.Fatalf("server %q was started before; use restart", name)
	}
	p := &process{name: name, data: ts.Getenv("BONDED_DATA"), flags: flags, port: freePort(ts), log: ts.MkAbs(filepath.Join(ts.Getenv("WORK"), "server.log"))}
	if name != "" {
		p.data = filepath.Join(ts.Getenv("WORK"), name)
		p.log = filepath.Join(ts.Getenv("WORK"), name+".log")
	}
	s.servers[name] = p
	start(ts, p)
}

// restart [-name N] [flag…]
func cmdRestart(ts *testscript.TestScript, neg bool, args []string) {
	noNegation(ts, neg, "restart")
	name, flags := named(ts, args)
	p := serverOf(ts, name)
	if p.running() {
		stop(ts, p)
	}
	if len(flags) > 0 {
		p.flags = flags
	}
	start(ts, p)
}

// shutdown [-name N]: asks politely and expects exit code 0.
func cmdShutdown(ts *testscript.TestScript, neg bool, args []string) {
	noNegation(ts, neg, "shutdown")
	name, _ := named(ts, args)
	stop(ts, serverOf(ts, name))
}

// kill9 [-name N]
func cmdKill9(ts *testscript.TestScript, neg bool, args []string) {
	noNegation(ts, neg, "kill9")
	name, _ := named(ts, args)
	p := serverOf(ts, name)
	p.signal(syscall.SIGKILL)
	<-p.ended
}

func serverOf(ts *testscript.TestScript, name string) *process {
	p := storyOf(ts).servers[name]
	if p == nil {
		ts.Fatalf("no server %q was started in this script", name)
	}
	return p
}

func freePort(ts *testscript.TestScript) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	defer func() { _ = l.Close() }()
	_, port, err := net.SplitHostPort(l.Addr().String())
	ts.Check(err)
	return port
}

func start(ts *testscript.TestScript, p *process) {
	hostport := "127.0.0.1:" + p.port
	args := []string{"serve", "--data", p.data, "--listen", hostport}
	if !slices.ContainsFunc(p.flags, func(f string) bool { return f == "--url" || strings.HasPrefix(f, "--url=") }) {
		args = append(args, "--url", "http://"+hostport)
	}
	cmd := exec.CommandContext(context.Background(), bondedBinary, append(args, p.flags...)...)
	cmd.Dir = ts.Getenv("WORK")
	cmd.Env = environment(ts)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	ts.Check(err)
	defer func() { _ = log.Close() }()
	cmd.Stdout, cmd.Stderr = log, log

	p.cmd, p.ended = cmd, make(chan struct{})
	ts.Check(startBoundToThisProcess(cmd))
	go func() {
		p.err = cmd.Wait()
		close(p.ended)
	}()

	prefix := ""
	if p.name != "" {
		prefix = p.name + "_"
	}
	ts.Setenv(prefix+"URL", "http://"+hostport)
	ts.Setenv(prefix+"HOSTPORT", hostport)
	ts.Setenv(prefix+"PORT", p.port)
	awaitReady(ts, p)
}

// awaitReady asks /readyz until it says yes: the one thing that a started process lets others wait on.
func awaitReady(ts *testscript.TestScript, p *process) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(readyWithin)
	ask := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	last := "no answer yet"
	for {
		select {
		case <-p.ended:
			ts.Fatalf("bonded serve ended before it was ready: %v", p.err)
		case <-deadline:
			ts.Fatalf("bonded serve was not ready after %v: GET /readyz: %s", readyWithin, last)
		case <-tick.C:
			res, err := ask.Get("http://127.0.0.1:" + p.port + "/readyz")
			if err != nil {
				last = err.Error()
				continue
			}
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
			last = res.Status
		}
	}
}

func stop(ts *testscript.TestScript, p *process) {
	if !p.running() {
		ts.Fatalf("the server had ended: %v", p.err)
	}
	p.signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(stopWithin):
		p.signal(syscall.SIGKILL)
		<-p.ended
		ts.Fatalf("the server did not end within %v of SIGTERM", stopWithin)
	}
	if p.err != nil {
		ts.Fatalf("the server ended badly after SIGTERM: %v", p.err)
	}
}

// end stops what still runs and shows the servers' logs when the script failed.
func (s *story) end(t *testing.T) {
	for _, p := range s.servers {
		if p.running() {
			p.signal(syscall.SIGKILL)
			<-p.ended
		}
		if !t.Failed() {
			continue
		}
		if log, err := os.ReadFile(p.log); err == nil {
			t.Logf("%s:\n%s", filepath.Base(p.log), lastLines(string(log), 200))
		}
	}
}

func lastLines(text string, n int) string {
	lines := strings.SplitAfter(text, "\n")
	if len(lines) <= n {
		return text
	}
	return fmt.Sprintf("(%d lines before)\n%s", len(lines)-n, strings.Join(lines[len(lines)-n:], ""))
}

// environment is the script's, as a program started by it would see it.
func environment(ts *testscript.TestScript) []string {
	file := filepath.Join(ts.Getenv("WORK"), ".environment")
	ts.Check(ts.Exec("/bin/sh", "-c", `env -0 >"$0"`, file)) // through a file: printed, it would fill the log of a failing script
	text, err := os.ReadFile(file)
	ts.Check(err)
	return strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00")
}

var starter struct {
	once  sync.Once
	tasks chan func()
}

// startBoundToThisProcess starts cmd from a thread that lives as long as the test binary: Linux delivers the parent-death signal when the
// starting *thread* ends, and Go ends threads at will unless a goroutine holds them.
func startBoundToThisProcess(cmd *exec.Cmd) error {
	starter.once.Do(func() {
		starter.tasks = make(chan func())
		go func() {
			runtime.LockOSThread()
			for f := range starter.tasks {
				f()
			}
		}()
	})
	result := make(chan error)
	starter.tasks <- func() { result <- cmd.Start() }
	return <-result
}

// bonded ARG…
func cmdBonded(ts *testscript.TestScript, neg bool, args []string) {
	err := ts.Exec(bondedBinary, args...)
	switch {
	case err != nil && !neg:
		ts.Fatalf("bonded %s: %v\n%s%s", strings.Join(args, " "), err, ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	case err == nil && neg:
		ts.Fatalf("bonded %s succeeded, which it should not", strings.Join(args, " "))
	}
}

// token NAME [-as VAR] [flag…]
func cmdToken(ts *testscript.TestScript, neg bool, args []string) {
	noNegation(ts, neg, "token")
	if len(args) == 0 {
		ts.Fatalf("usage: token NAME [-as VAR] [flag…]")
	}
	s := storyOf(ts)
	name, flags, variable := args[0], args[1:], "TOKEN"
	if len(flags) > 1 && flags[0] == "-as" {
		variable, flags = flags[1], flags[2:]
	}
	data := ts.Getenv("BONDED_DATA")
	if !s.users[name] {
		cmdBonded(ts, false, []string{"admin", "user", "add", name, "--email", name + "@example.test", "--data", data})
		s.users[name] = true
	}
	cmdBonded(ts, false, append([]string{"admin", "token", "add", "--user", name, "--data", data}, flags...))
	token := strings.TrimSpace(ts.ReadFile("stdout"))
	if token == "" || strings.ContainsAny(token, " \n") {
		ts.Fatalf("bonded admin token add must print the token alone, printed %q", token)
	}
	ts.Setenv(variable, token)
}
