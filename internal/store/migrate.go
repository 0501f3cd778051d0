package store

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
	"strings"
	"time"

	"bonded/internal/errs"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// Migration is one step of the schema, forwards only.
type Migration struct {
	Version int
	Name    string
	// CompatibleWith is the lowest schema version whose binaries still run on the schema after this step (expand first,
	// contract a minor later).
	CompatibleWith int
	sql            string
}

var (
	migrationName = regexp.MustCompile(`^(\d{4})_([a-z0-9_]+)\.sql$`)
	compatibleTag = regexp.MustCompile(`(?m)^-- compatible-with: (\d+)$`)
)

// Migrations lists the steps embedded in this binary, in order.
func Migrations() ([]Migration, error) {
	entries, err := fs.ReadDir(migrationFiles, "migrations")
	if err != nil {
		return nil, err
	}
	all := make([]Migration, 0, len(entries))
	for i, e := range entries {
		m := migrationName.FindStringSubmatch(e.Name())
		if m == nil {
			return nil, fmt.Errorf("store: migration file %q is not named NNNN_words.sql", e.Name())
		}
		v, _ := strconv.Atoi(m[1])
		if v != i+1 {
			return nil, fmt.Errorf("store: migration %d is missing", i+1)
		}
		body, err := migrationFiles.ReadFile("migrations/" + e.Name())
		if err != nil {
			return nil, err
		}
		tag := compatibleTag.FindSubmatch(body)
		if tag == nil {
			return nil, fmt.Errorf("store: migration %q has no compatible-with line", e.Name())
		}
		c, _ := strconv.Atoi(string(tag[1]))
		all = append(all, Migration{Version: v, Name: m[2], CompatibleWith: c, sql: string(body)})
	}
	return all, nil
}

// SchemaState says where a database stands beside this binary.
type SchemaState struct {
	Current, Known int
	Pending        []Migration
}

const schemaTable = `create table if not exists schema_migration (
	version bigint primary key, name text not null, compatible_with bigint not null, applied_at bigint not null)`

// Schema reads the state without changing anything. A database that a newer binary has moved past this one's reach gives
// errs.Conflict with the way out.
func (db *DB) Schema(ctx context.Context) (SchemaState, error) {
	all, err := Migrations()
	if err != nil {
		return SchemaState{}, err
	}
	st := SchemaState{Known: len(all)}
	var compatible int
	if exists, err := db.hasTable(ctx, "schema_migration"); err != nil {
		return st, err
	} else if exists {
		err := db.QueryRow(ctx, "select coalesce(max(version),0), coalesce(max(compatible_with),0) from schema_migration").Scan(&st.Current, &compatible)
		if err != nil {
			return st, err
		}
	}
	if compatible > st.Known {
		return st, errs.New(errs.Conflict, "The database is at schema %d, which needs a binary that knows at least schema %d; this one knows %d.", st.Current, compatible, st.Known).
			WithRule("store/newer-schema").WithNext("Start the newer release of bonded that migrated it.")
	}
	if st.Current < len(all) {
		st.Pending = all[st.Current:]
	}
	return st, nil
}

func (db *DB) hasTable(ctx context.Context, name string) (bool, error) {
	query := "select count(*) from sqlite_master where type='table' and name=$1"
	if db.dialect == Postgres {
		query = "select count(*) from information_schema.tables where table_schema=current_schema() and table_name=$1"
	}
	n, err := One(ctx, db, Value[int64], query, name)
	return n > 0, err
}

// Migrate applies what is pending, up to version target (0 = all), in one transaction under the schema lock, and returns
// the steps applied. Any number of processes may call it at once.
func (db *DB) Migrate(ctx context.Context, target int) ([]Migration, error) {
	if _, err := db.Schema(ctx); err != nil {
		return nil, err
	}
	all, err := Migrations()
	if err != nil {
		return nil, err
	}
	if target == 0 {
		target = len(all)
	}
	var applied []Migration
	err = db.InTx(ctx, func(tx *Tx) error {
		applied = nil
		if _, err := tx.Exec(ctx, db.dialect.lockSchema()); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, schemaTable); err != nil {
			return err
		}
		current, err := One(ctx, tx, Value[int], "select coalesce(max(version),0) from schema_migration")
		if err != nil {
			return err
		}
		for _, m := range all[min(current, len(all)):max(target, min(current, len(all)))] {
			if err := applyMigration(ctx, tx, m); err != nil {
				return fmt.Errorf("store: migration %04d_%s: %w", m.Version, m.Name, err)
			}
			applied = append(applied, m)
		}
		return nil
	})
	return applied, err
}

func applyMigration(ctx context.Context, tx *Tx, m Migration) error {
	for stmt := range strings.SplitSeq(tx.db.dialect.macros().Replace(m.sql), ";\n") {
		if strings.TrimSpace(stripComments(stmt)) == "" {
			continue
		}
		if _, err := tx.Exec(ctx, stmt); err != nil {
			return err
		}
	}
	_, err := tx.Exec(ctx, "insert into schema_migration (version, name, compatible_with, applied_at) values ($1,$2,$3,$4)",
		m.Version, m.Name, m.CompatibleWith, time.Now().UnixMilli())
	return err
}

func stripComments(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		if !strings.HasPrefix(strings.TrimSpace(line), "--") {
			b.WriteString(line)
		}
	}
	return b.String()
}
