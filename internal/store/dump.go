package store

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// Tables lists every table of the schema in an order in which rows can be inserted: a table after those it refers to.
func Tables() []string {
	return []string{
		"instance", "repository", "repository_member", "account", "token", "project", "project_owner", "release", "release_readme",
		"file", "tombstone", "tag", "blob", "event_counter", "event", "event_private", "job", "lease", "stage", "stage_part", "download",
	}
}

// VolatileTables hold nothing that outlives a process or belong to the schema itself; they are not dumped.
func VolatileTables() []string { return []string{"blob_lease", "schema_migration"} }

// Dump writes a table as JSON lines, an object a row, in a form that either engine can load: blobs as base64 under
// "name:bytes". It returns the number of rows.
func Dump(ctx context.Context, q Querier, table string, w io.Writer) (n int64, err error) {
	rows, err := q.Query(ctx, "select * from "+table) // a name from Tables
	if err != nil {
		return 0, err
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		return 0, err
	}
	types, err := rows.ColumnTypes()
	if err != nil {
		return 0, err
	}
	values, targets := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		targets[i] = &values[i]
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for rows.Next() {
		if err := rows.Scan(targets...); err != nil {
			return n, err
		}
		row := make(map[string]any, len(columns))
		for i, c := range columns {
			k, v := portable(c, types[i].DatabaseTypeName(), values[i])
			row[k] = v
		}
		if err := enc.Encode(row); err != nil {
			return n, err
		}
		n++
	}
	return n, rows.Err()
}

// portable names what the engines return differently: booleans (0 and 1 on SQLite) and bytes.
func portable(column, dbType string, v any) (string, any) {
	if b, ok := v.([]byte); ok {
		if t := strings.ToLower(dbType); t == "blob" || t == "bytea" {
			return column + ":bytes", b
		}
		return column, string(b)
	}
	if n, ok := v.(int64); ok && strings.EqualFold(dbType, "boolean") {
		return column, n != 0
	}
	return column, v
}

// Load reads what Dump wrote into an empty table.
func Load(ctx context.Context, tx *Tx, table string, r io.Reader) (n int64, err error) {
	dec := json.NewDecoder(r)
	dec.UseNumber()
	for {
		var row map[string]any
		if err := dec.Decode(&row); err == io.EOF {
			return n, tx.resetIdentity(ctx, table)
		} else if err != nil {
			return n, fmt.Errorf("store: row %d of %s: %w", n+1, table, err)
		}
		if err := insertRow(ctx, tx, table, row); err != nil {
			return n, fmt.Errorf("store: row %d of %s: %w", n+1, table, err)
		}
		n++
	}
}

func insertRow(ctx context.Context, tx *Tx, table string, row map[string]any) error {
	columns, marks := make([]string, 0, len(row)), make([]string, 0, len(row))
	args := make([]any, 0, len(row))
	for k, v := range row {
		name, isBytes := strings.CutSuffix(k, ":bytes")
		if !isIdentifier(name) {
			return fmt.Errorf("%q is not a column", k)
		}
		value, err := loaded(v, isBytes)
		if err != nil {
			return err
		}
		columns = append(columns, name)
		args = append(args, value)
		marks = append(marks, fmt.Sprintf("$%d", len(args)))
	}
	query := "insert into " + table + " (" + strings.Join(columns, ",") + ") values (" + strings.Join(marks, ",") + ")"
	if table == "event_counter" { // the schema is born with its row
		query = "update event_counter set (" + strings.Join(columns, ",") + ") = (" + strings.Join(marks, ",") + ") where id = 1"
	}
	_, err := tx.Exec(ctx, query, args...)
	return err
}

func loaded(v any, isBytes bool) (any, error) {
	if isBytes {
		var b []byte
		text, _ := v.(string)
		err := json.Unmarshal([]byte(`"`+text+`"`), &b)
		if b == nil {
			b = []byte{}
		}
		return b, err
	}
	if n, ok := v.(json.Number); ok {
		return n.Int64()
	}
	return v, nil
}

// isIdentifier keeps a damaged or hostile dump from writing SQL.
func isIdentifier(s string) bool {
	for _, c := range s {
		if (c < 'a' || c > 'z') && c != '_' && (c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// resetIdentity lets PostgreSQL go on numbering above the rows that were loaded; SQLite does so by itself.
func (tx *Tx) resetIdentity(ctx context.Context, table string) error {
	if tx.db.dialect != Postgres {
		return nil
	}
	has, err := One(ctx, tx, Value[int64], `select count(*) from information_schema.columns
		where table_schema = current_schema() and table_name = $1 and column_name = 'id' and is_identity = 'YES'`, table)
	if err != nil || has == 0 {
		return err
	}
	_, err = tx.Exec(ctx, "select setval(pg_get_serial_sequence('"+table+"', 'id'), (select coalesce(max(id), 0) + 1 from "+table+"), false)")
	return err
}
