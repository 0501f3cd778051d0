//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestHostileRequests sends every request of testdata/hostile, byte for byte, and wants the refusal that its first line
// names: "STATUS words of the answer". $HOST, $TOKEN and $N*x (N times x) are filled in. Afterwards the server must be as
// well as before, and must not have stored anything.
func TestHostileRequests(t *testing.T) {
	n := newNode(t)
	n.start()
	c := n.client("alice")
	all, err := filepath.Glob("testdata/hostile/*.http")
	if err != nil || len(all) < 30 {
		t.Fatalf("%d hostile requests, %v", len(all), err)
	}
	for _, file := range all {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".http"), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			want, request, _ := strings.Cut(string(raw), "\n")
			status, words, _ := strings.Cut(want, " ")
			got, answer := sendRaw(t, n.addr, fill(request, n.addr, c.Token))
			if got != status {
				t.Fatalf("status %s, want %s\n%s", got, status, answer)
			}
			if !strings.Contains(answer, words) {
				t.Fatalf("the answer does not say %q:\n%s", words, answer)
			}
			for _, leak := range []string{c.Token, "goroutine", "/internal/", ".go:", "SQLITE", "sqlstate"} {
				if strings.Contains(answer, leak) {
					t.Errorf("the answer leaks %q:\n%s", leak, answer)
				}
			}
		})
	}
	if out, _ := n.bonded(false, "repo", "list"); strings.Contains(out, " 1 ") {
		t.Errorf("something was stored:\n%s", out)
	}
	n.bonded(false, "fsck", "--deep")
	if strings.Contains(n.log(), "panic") {
		t.Errorf("a handler panicked:\n%s", n.log())
	}
}

// fill puts the words of a template in place; a line feed in the head of the request becomes CR LF, and $LENGTH the length
// of the body.
func fill(template, host, token string) []byte {
	for _, word := range []string{"x", "[", "a,", "<a>", "A: b\n"} {
		for _, n := range []int{100, 1000, 5000, 100000} {
			template = strings.ReplaceAll(template, fmt.Sprintf("$%d*%s", n, word), strings.Repeat(word, n))
		}
	}
	template = strings.NewReplacer("$HOST", host, "$TOKEN", token, `\0`, "\x00", `\r`, "\r", `\xff`, "\xff").Replace(template)
	head, body, _ := strings.Cut(template, "\n\n")
	body = strings.TrimSuffix(body, "\n")
	head = strings.ReplaceAll(head, "$LENGTH", fmt.Sprint(len(body)))
	return []byte(strings.ReplaceAll(head, "\n", "\r\n") + "\r\n\r\n" + body)
}

// sendRaw sends bytes on a connection of their own and reads one answer.
func sendRaw(t *testing.T, addr string, request []byte) (status, answer string) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	go func() { _, _ = conn.Write(request) }() // the server may hang up before it has read all
	res, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: string(bytes.Fields(request)[0])})
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	body, _ := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	_ = res.Body.Close()
	return fmt.Sprint(res.StatusCode), fmt.Sprint(res.Header, "\n", string(body))
}
