//go:build e2e

package e2e

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// tracer records, with strace, every system call by which programs change files or send bytes. The zero pointer records
// nothing.
type tracer struct {
	t      testing.TB
	strace string
	dir    string
	logs   []string
	// alive ends when the program that was wrapped last and its strace are both gone.
	alive, writer *os.File
}

// tracedCalls are all that can change a file or a folder, and write, which also answers requests.
const tracedCalls = "open,openat,openat2,creat,mkdir,mkdirat,link,linkat,rename,renameat,renameat2,symlink,symlinkat,unlink,unlinkat,rmdir," +
	"write,pwrite64,writev,pwritev,pwritev2,truncate,ftruncate,fallocate,copy_file_range,splice,sendfile,fsync,fdatasync,sync,syncfs,sync_file_range,msync"

func newTracer(t testing.TB) *tracer {
	t.Helper()
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Fatal("strace is needed to see what the server syncs: apt-get install strace")
	}
	return &tracer{t: t, strace: strace, dir: t.TempDir()}
}

// wrap makes cmd run under strace, which stays in the background, so that cmd's process is the program's own.
func (r *tracer) wrap(cmd *exec.Cmd) {
	if r == nil {
		return
	}
	log := filepath.Join(r.dir, fmt.Sprintf("trace.%02d", len(r.logs)))
	r.logs = append(r.logs, log)
	flags := []string{r.strace, "-D", "-f", "--seccomp-bpf", "-qq", "-y", "-xx", "-s", "8000000", "-e", "trace=" + tracedCalls, "-o", log, "--"}
	cmd.Args = append(append(flags, cmd.Path), cmd.Args[1:]...)
	cmd.Path = r.strace
	reader, writer, err := os.Pipe()
	if err != nil {
		r.t.Fatal(err)
	}
	cmd.ExtraFiles = []*os.File{writer}
	r.alive, r.writer = reader, writer
}

// await returns when the last wrapped program and its strace have ended, and the log is whole.
func (r *tracer) await() {
	if r == nil {
		return
	}
	_ = r.writer.Close() // the program and strace have the other copies
	_, _ = io.Copy(io.Discard, r.alive)
	_ = r.alive.Close()
}

// call is a finished system call. Numbers of lines order calls: it took effect after line entry, and before line exit.
type call struct {
	name        string
	entry, exit int
	args        []string
	// on is the path of the descriptor in the first argument, and data the bytes written; each only where there is one.
	on, data string
}

// calls reads all logs in order; first is the number of the first line of the last log.
func (r *tracer) calls() (all []call, first int) {
	line := 0
	for _, log := range r.logs {
		first = line
		f, err := os.Open(log)
		if err != nil {
			r.t.Fatal(err)
		}
		all, line = r.readLog(f, all, line)
		_ = f.Close()
	}
	return all, first
}

func (r *tracer) readLog(f io.Reader, all []call, line int) ([]call, int) {
	type begun struct {
		text  string
		entry int
	}
	unfinished := map[string]begun{} // by thread
	in := bufio.NewReaderSize(f, 1<<20)
	for {
		text, err := in.ReadString('\n')
		if err != nil {
			return all, line
		}
		line++
		thread, text, _ := strings.Cut(strings.TrimSuffix(text, "\n"), " ")
		text = strings.TrimSpace(text)
		if strings.HasPrefix(text, "---") || strings.HasPrefix(text, "+++") {
			continue
		}
		if start, ok := strings.CutSuffix(text, " <unfinished ...>"); ok {
			unfinished[thread] = begun{start, line}
			continue
		}
		entry := line
		if strings.HasPrefix(text, "<... ") {
			_, rest, _ := strings.Cut(text, " resumed>")
			b := unfinished[thread]
			text, entry = b.text+rest, b.entry
			delete(unfinished, thread)
		}
		if c, ok := r.parse(text, entry, line); ok {
			all = append(all, c)
		}
	}
}

// parse reads "name(arg, arg) = result"; calls that failed, or that the end of the
// program cut off, are left out.
func (r *tracer) parse(text string, entry, exit int) (call, bool) {
	name, rest, ok := strings.Cut(text, "(")
	before, after, ok0 := strings.CutLast(rest, " = ")
	if !ok || !ok0 {
		r.t.Fatalf("cannot read the line of strace %.200q", text)
	}
	args, result := strings.TrimRight(before, " "), after
	if strings.HasPrefix(result, "-1") || strings.HasPrefix(result, "?") {
		return call{}, false
	}
	if strings.Contains(args, `"...`) {
		r.t.Fatalf("strace cut off what was written: %.200q", text)
	}
	c := call{name: name, entry: entry, exit: exit, args: strings.Split(strings.TrimSuffix(args, ")"), ", ")}
	if !strings.HasPrefix(c.args[0], `"`) {
		c.on = descriptorPath(c.args[0])
	}
	if name == "write" || name == "pwrite64" {
		c.data = unhex(c.args[1])
	}
	return c, true
}

// unhex reads strace's \x.. form, with or without quotes.
func unhex(text string) string {
	b, err := hex.DecodeString(strings.ReplaceAll(strings.Trim(text, `"`), `\x`, ""))
	if err != nil {
		return text
	}
	return string(b)
}

// descriptorPath is the path of "13<\x2f…>".
func descriptorPath(arg string) string {
	_, in, _ := strings.Cut(arg, "<")
	in, _, _ = strings.Cut(in, ">")
	return unhex(in)
}

// path is the argument i, a path relative to the folder in the argument before it.
func (c call) at(i int) string {
	p := unhex(c.args[i])
	if path.IsAbs(p) {
		return path.Clean(p)
	}
	return path.Join(descriptorPath(c.args[i-1]), p)
}

// number is the numeric argument i.
func (c call) number(i int) int64 {
	n, _ := strconv.ParseInt(c.args[i], 10, 64)
	return n
}
