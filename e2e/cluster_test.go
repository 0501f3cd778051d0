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
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"bonded/e2e/wire"
	"bonded/internal/store/storetest"
)

// objectStore starts a real S3 server with one bucket and returns its URL for --blobs.
func objectStore(t *testing.T, bucket string) string {
	t.Helper()
	gateway := os.Getenv("BONDED_TEST_S3_BIN")
	if gateway == "" {
		gateway, _ = filepath.Abs("../tools/bin/versitygw")
	}
	if _, err := os.Stat(gateway); err != nil {
		t.Fatal("no S3 server for this test; install it: make tools")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, bucket), 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(context.Background(), gateway, "--port", addr, "posix", dir)
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY=access", "ROOT_SECRET_KEY=secretsecret")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := startBoundToThisProcess(cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for deadline := time.Now().Add(readyWithin); ; {
		c, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			_ = c.Close()
			return "s3://" + bucket + "/packages?endpoint=" + addr + "&tls=false&path-style=true&region=us-east-1"
		}
		if time.Now().After(deadline) {
			t.Fatalf("the S3 server does not answer: %v", err)
		}
	}
}

// sees waits until a node lists a version; design §6 gives it the poll interval, the test a second more.
func sees(t *testing.T, c *wire.Client, p wire.Protocol, r wire.Release) {
	t.Helper()
	for deadline := time.Now().Add(3 * time.Second); ; {
		listed, err := p.List(t.Context(), c, r.Name)
		if err == nil {
			for _, v := range listed {
				if v.Version == r.Version {
					return
				}
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s %s is not visible on the other node: %v, %v", r.Name, r.Version, listed, err)
		}
	}
}

// TestCluster runs two nodes on one PostgreSQL and one object store.
func TestCluster(t *testing.T) {
	database, blobs := storetest.PostgresURL(t), objectStore(t, "bonded")
	two := make([]*node, 2)
	for i := range two {
		two[i] = newNode(t, "--database", database, "--blobs", blobs)
		two[i].secrets = []string{"BONDED_S3_ACCESS_KEY=access", "BONDED_S3_SECRET_KEY=secretsecret"}
		two[i].serveFlags = []string{"--blob-redirect", "signed"}
		two[i].start()
	}
	a := two[0].client("alice")
	b := &wire.Client{Base: "http://" + two[1].addr, Token: a.Token, HTTP: a.HTTP}
	p := wire.NPM{}
	random := randomFor(1, "cluster")

	first := p.Make("cluster-first", "1.0.0", 2000, random)
	publish(t, a, p, first)
	sees(t, b, p, first)
	publish(t, b, p, p.Make("cluster-first", "1.1.0", 2000, random)) // the node that took the second knows the first
	sees(t, a, p, wire.Release{Name: "cluster-first", Version: "1.1.0"})

	t.Run("one of two that publish the same version at once wins", func(t *testing.T) {
		var wg sync.WaitGroup
		won := make([]bool, 2)
		for i, c := range []*wire.Client{a, b} {
			r := p.Make("cluster-race", "1.0.0", 3000, randomFor(uint64(i), "race"))
			wg.Go(func() {
				answer, err := p.Publish(t.Context(), c, r)
				won[i] = err == nil && answer.OK()
			})
		}
		wg.Wait()
		if won[0] == won[1] {
			t.Fatalf("winners: %v", won)
		}
	})

	t.Run("files come from the object store under a link of sixty seconds", func(t *testing.T) {
		listed, err := p.List(t.Context(), b, first.Name)
		if err != nil || len(listed) == 0 {
			t.Fatal(err)
		}
		noFollow := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		res, err := noFollow.Get(wholeURL(b, listed[0].URL))
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusFound || res.Header.Get("Cache-Control") != "private, no-store" {
			t.Fatalf("%s %v", res.Status, res.Header)
		}
		answer, err := b.Get(t.Context(), listed[0].URL, "")
		if err != nil || wire.Sum("sha256", answer.Body) != wire.Sum("sha256", first.Bytes) {
			t.Fatalf("the bytes behind the link differ: %v", err)
		}
	})

	t.Run("a node that dies takes nothing with it", func(t *testing.T) {
		two[0].kill()
		r := p.Make("cluster-after", "1.0.0", 2000, random)
		publish(t, b, p, r)
		two[0].start()
		sees(t, a, p, r)
		two[0].bonded(false, "fsck", "--deep")
	})

	t.Run("a backup of it restores onto the other engine", func(t *testing.T) {
		folder := t.TempDir()
		two[0].bonded(false, "backup", "--to", folder)
		alone := newNode(t)
		alone.bonded(false, "restore", "--from", folder)
		alone.start()
		c := &wire.Client{Base: "http://" + alone.addr, Token: a.Token, HTTP: a.HTTP}
		sees(t, c, p, first)
		publish(t, c, p, p.Make("cluster-first", "2.0.0", 100, random)) // alice's token and ownership came along
	})
}

func publish(t *testing.T, c *wire.Client, p wire.Protocol, r wire.Release) {
	t.Helper()
	answer, err := p.Publish(t.Context(), c, r)
	if err != nil || !answer.OK() {
		t.Fatalf("publish %s %s: %v, %s", r.Name, r.Version, err, fmt.Sprint(answer.Status, string(answer.Body)))
	}
}

// wholeURL completes a path below the node.
func wholeURL(c *wire.Client, url string) string {
	if strings.HasPrefix(url, "/") {
		return c.Base + url
	}
	return url
}
