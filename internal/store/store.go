package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite" // registers the driver "sqlite"

	"bonded/internal/durable"
)

// Options say which database to open.
type Options struct {
	// URL is "postgres://…"; empty means SQLite in Dir.
	URL string
	// Password is PostgreSQL's, kept out of URL so that it never reaches an argument list or a log.
	Password string
	// Dir is the data folder that holds "bonded.db" when URL is empty.
	Dir string
	// Dial opens PostgreSQL's connections; nil means net.Dialer. It is the guarded outbound dialer in production.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Conns bounds the connections of a PostgreSQL pool, and SQLite's readers; 0 means 16 and 4.
	Conns int
}

// DB is an open database: one writer and many readers on SQLite, one pool on PostgreSQL.
type DB struct {
	dialect    Dialect
	w, r       *sql.DB
	path       string
	statements atomic.Int64
}

// ErrNoRows is returned by One when the query has no row.
var ErrNoRows = sql.ErrNoRows

// Open opens the database without migrating it.
func Open(ctx context.Context, o Options) (*DB, error) {
	if o.URL != "" {
		return openPostgres(ctx, o)
	}
	return openSQLite(ctx, o)
}

func openSQLite(ctx context.Context, o Options) (*DB, error) {
	if err := durable.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("store: data folder: %w", err)
	}
	path := filepath.Join(o.Dir, "bonded.db")
	// FULL, because an acknowledged publish must survive a power cut; WAL, so that readers never wait for the writer.
	base := "file:" + (&url.URL{Path: path}).EscapedPath() + "?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)" +
		"&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)"
	w, err := sql.Open("sqlite", base+"&_txlock=immediate&_pragma=cache_size(-16384)")
	if err != nil {
		return nil, err
	}
	w.SetMaxOpenConns(1)
	if err := w.PingContext(ctx); err != nil {
		return nil, fmt.Errorf("store: open %s: %w", path, err)
	}
	r, err := sql.Open("sqlite", base+"&_pragma=query_only(1)&_pragma=cache_size(-4096)")
	if err != nil {
		return nil, err
	}
	n := o.Conns
	if n == 0 {
		n = 4
	}
	r.SetMaxOpenConns(n)
	r.SetMaxIdleConns(n)
	return &DB{dialect: SQLite, w: w, r: r, path: path}, nil
}

func openPostgres(ctx context.Context, o Options) (*DB, error) {
	cfg, err := pgx.ParseConfig(o.URL)
	if err != nil {
		return nil, errors.New("store: the PostgreSQL URL cannot be read; it looks like postgres://user@host:5432/name")
	}
	if o.Password != "" {
		cfg.Password = o.Password
	}
	if o.Dial != nil {
		cfg.DialFunc = o.Dial
	}
	cfg.RuntimeParams["application_name"] = "bonded"
	db := stdlib.OpenDB(*cfg)
	n := o.Conns
	if n == 0 {
		n = 16
	}
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(n)
	db.SetConnMaxLifetime(30 * time.Minute)
	if err := db.PingContext(ctx); err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("store: PostgreSQL does not answer: %w", err)
	}
	return &DB{dialect: Postgres, w: db, r: db}, nil
}

// Dialect says which engine this is.
func (db *DB) Dialect() Dialect { return db.dialect }

// Path is the SQLite file; empty on PostgreSQL.
func (db *DB) Path() string { return db.path }

// Statements counts every statement sent to a driver since the start. All SQL passes this package, so a request during
// which the count stands still ran no SQL.
func (db *DB) Statements() int64 { return db.statements.Load() }

// Ping reports whether the database answers.
func (db *DB) Ping(ctx context.Context) error {
	db.statements.Add(1)
	var one int
	return db.r.QueryRowContext(ctx, "select 1").Scan(&one)
}

// Close closes the pools.
func (db *DB) Close() error {
	if db.r != db.w {
		_ = db.r.Close()
	}
	return db.w.Close()
}

// Querier runs statements: a Tx, or the read side of a DB.
type Querier interface {
	Query(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRow(ctx context.Context, query string, args ...any) *sql.Row
}

// Query runs a read outside a transaction. The caller closes the rows; prefer All and One.
func (db *DB) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	db.statements.Add(1)
	return db.r.QueryContext(ctx, query, args...)
}

// QueryRow runs a read of one row outside a transaction.
func (db *DB) QueryRow(ctx context.Context, query string, args ...any) *sql.Row {
	db.statements.Add(1)
	return db.r.QueryRowContext(ctx, query, args...)
}

// Tx is a write transaction.
type Tx struct {
	db    *DB
	tx    *sql.Tx
	after []func()
}

// Dialect says which engine the transaction runs on.
func (tx *Tx) Dialect() Dialect { return tx.db.dialect }

// Query runs a read inside the transaction. The caller closes the rows; prefer All and One.
func (tx *Tx) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	tx.db.statements.Add(1)
	return tx.tx.QueryContext(ctx, query, args...)
}

// QueryRow runs a statement that returns one row.
func (tx *Tx) QueryRow(ctx context.Context, query string, args ...any) *sql.Row {
	tx.db.statements.Add(1)
	return tx.tx.QueryRowContext(ctx, query, args...)
}

// Exec runs a statement and returns how many rows it changed.
func (tx *Tx) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	tx.db.statements.Add(1)
	res, err := tx.tx.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// AfterCommit runs f once the transaction is durable; it does not run if the transaction fails.
func (tx *Tx) AfterCommit(f func()) { tx.after = append(tx.after, f) }

// InTx runs fn in one write transaction: all of it or nothing. A serialization failure or deadlock runs fn again, so fn
// must not keep state of a failed run.
func (db *DB) InTx(ctx context.Context, fn func(*Tx) error) error {
	const tries = 5
	for try := 1; ; try++ {
		err := db.inTxOnce(ctx, fn)
		if err == nil || try == tries || !db.dialect.isRetryable(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(try*try) * 5 * time.Millisecond):
		}
	}
}

func (db *DB) inTxOnce(ctx context.Context, fn func(*Tx) error) error {
	t, err := db.w.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	tx := &Tx{db: db, tx: t}
	defer func() { _ = t.Rollback() }() // a no-op after Commit; also covers a panic in fn
	if err := fn(tx); err != nil {
		return err
	}
	db.statements.Add(1)
	if err := t.Commit(); err != nil {
		return err
	}
	for _, f := range tx.after {
		f()
	}
	return nil
}

// Scanner is a row to be read.
type Scanner interface{ Scan(dest ...any) error }

// All collects every row of a query.
func All[T any](ctx context.Context, q Querier, scan func(Scanner) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var all []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, rows.Err()
}

// One reads the single row of a query; ErrNoRows if there is none.
func One[T any](ctx context.Context, q Querier, scan func(Scanner) (T, error), query string, args ...any) (T, error) {
	return scan(q.QueryRow(ctx, query, args...))
}

// Value is a scan function for queries of one column.
func Value[T any](s Scanner) (v T, err error) {
	err = s.Scan(&v)
	return v, err
}

// LikePrefix escapes s for use as a prefix in LIKE … ESCAPE '\'.
func LikePrefix(s string) string { return likeEscape.Replace(s) + "%" }

// LikeInfix escapes s for use anywhere in LIKE … ESCAPE '\'.
func LikeInfix(s string) string { return "%" + likeEscape.Replace(s) + "%" }

var likeEscape = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

// snapshotReader reads one moment of the database.
type snapshotReader struct {
	db *DB
	tx *sql.Tx
}

func (s snapshotReader) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	s.db.statements.Add(1)
	return s.tx.QueryContext(ctx, query, args...)
}

func (s snapshotReader) QueryRow(ctx context.Context, query string, args ...any) *sql.Row {
	s.db.statements.Add(1)
	return s.tx.QueryRowContext(ctx, query, args...)
}

// InSnapshot gives fn the database as it is at one moment, while writers go on.
func (db *DB) InSnapshot(ctx context.Context, fn func(Querier) error) error {
	o := &sql.TxOptions{ReadOnly: true}
	if db.dialect == Postgres {
		o.Isolation = sql.LevelRepeatableRead
	}
	tx, err := db.r.BeginTx(ctx, o)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // nothing was written
	return fn(snapshotReader{db, tx})
}
