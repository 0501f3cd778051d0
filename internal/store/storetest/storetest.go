// Package storetest opens migrated databases for tests, on SQLite and on a real PostgreSQL.
package storetest

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"bonded/internal/store"
)

// Engines runs f once per engine with a freshly migrated, empty database. PostgreSQL is started from Debian's package in a
// temporary folder, once per test process; without the package the test fails with the install line (-short leaves
// PostgreSQL out).
func Engines(t *testing.T, f func(t *testing.T, db *store.DB)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { f(t, SQLite(t)) })
	t.Run("postgresql", func(t *testing.T) {
		if testing.Short() {
			t.Skip("PostgreSQL is left out with -short")
		}
		f(t, Postgres(t))
	})
}

// SQLite opens a migrated SQLite database in the test's folder.
func SQLite(t testing.TB) *store.DB {
	t.Helper()
	return migrated(t, store.Options{Dir: t.TempDir()})
}

// Postgres opens a migrated PostgreSQL database of the test's own.
func Postgres(t testing.TB) *store.DB {
	t.Helper()
	return migrated(t, store.Options{URL: PostgresURL(t), Conns: 8})
}

func migrated(t testing.TB, o store.Options) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), o)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if _, err := db.Migrate(t.Context(), 0); err != nil {
		t.Fatalf("migrate: %v", err)
	}
	return db
}

var cluster struct {
	once sync.Once
	dsn  func(db string) string
	err  error
	n    atomic.Int64
	// alive is the pipe whose closing stops the server.
	alive io.Closer
}

// PostgresURL creates an empty database and returns its URL. BONDED_TEST_POSTGRES names a running server to use instead
// of starting one ("postgres://postgres@/postgres?host=/run/x").
func PostgresURL(t testing.TB) string {
	t.Helper()
	cluster.once.Do(func() { cluster.dsn, cluster.err = startCluster() })
	if cluster.err != nil {
		t.Fatalf("no PostgreSQL for this test: %v (install it: apt-get install postgresql)", cluster.err)
	}
	admin, err := sql.Open("pgx", cluster.dsn("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = admin.Close() }()
	name := fmt.Sprintf("t%d_%d", os.Getpid(), cluster.n.Add(1))
	if _, err := admin.ExecContext(t.Context(), "create database "+name+" template template0 encoding 'UTF8' lc_collate 'C.UTF-8' lc_ctype 'C.UTF-8'"); err != nil {
		t.Fatalf("create database: %v", err)
	}
	t.Cleanup(func() {
		db, err := sql.Open("pgx", cluster.dsn("postgres"))
		if err == nil {
			_, _ = db.ExecContext(context.Background(), "drop database if exists "+name+" with (force)")
			_ = db.Close()
		}
	})
	return cluster.dsn(name)
}

func startCluster() (func(string) string, error) {
	if env := os.Getenv("BONDED_TEST_POSTGRES"); env != "" {
		return func(db string) string { return strings.Replace(env, "/postgres?", "/"+db+"?", 1) }, nil
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		return nil, fmt.Errorf("initdb is not on this machine")
	}
	slices.Sort(found)
	bin := filepath.Dir(found[len(found)-1])
	dir, err := os.MkdirTemp("", "bonded-pg-")
	if err != nil {
		return nil, err
	}
	var cred *syscall.Credential
	if os.Geteuid() == 0 { // initdb refuses root
		if cred, err = postgresUser(dir); err != nil {
			return nil, err
		}
	}
	run := func(name string, args ...string) error {
		cmd := exec.CommandContext(context.Background(), filepath.Join(bin, name), args...)
		cmd.Dir = dir
		if cred != nil {
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", name, err, out)
		}
		return nil
	}
	data := filepath.Join(dir, "d")
	if err := run("initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N"); err != nil {
		return nil, err
	}
	if err := startServer(bin, dir, data, cred); err != nil {
		return nil, err
	}
	return func(db string) string { return "postgres://postgres@/" + db + "?host=" + dir }, nil
}

func postgresUser(dir string) (*syscall.Credential, error) {
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, os.Chown(dir, uid, gid)
}

// startServer runs the postmaster as a child that a small shell watches: when this process ends, however it ends, the pipe
// closes and the server is stopped and its folder removed.
func startServer(bin, dir, data string, cred *syscall.Credential) error {
	script := `"$1/pg_ctl" -s -w -D "$2" -l "$3/log" -o "-k $3 -c listen_addresses='' -c fsync=off -c full_page_writes=off -c max_connections=200" start && echo ready
cat >/dev/null
"$1/pg_ctl" -s -D "$2" -m immediate stop; rm -rf "$3"`
	cmd := exec.CommandContext(context.Background(), "sh", "-c", script, "sh", bin, data, dir)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred, Setpgid: true}
	// Held for the life of the process: when it closes, the shell stops the server.
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	cluster.alive = pipe
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	buf := make([]byte, 16)
	if n, _ := out.Read(buf); !strings.HasPrefix(string(buf[:n]), "ready") {
		log, _ := os.ReadFile(filepath.Join(dir, "log"))
		return fmt.Errorf("PostgreSQL did not start: %s", log)
	}
	return nil
}
