package store_test

import (
	"bytes"
	"slices"
	"testing"

	"bonded/internal/store"
	"bonded/internal/store/storetest"
)

func fill(t *testing.T, db *store.DB) {
	t.Helper()
	ctx := t.Context()
	err := db.InTx(ctx, func(tx *store.Tx) error {
		for _, q := range []string{
			`insert into repository (ecosystem, name, kind, visibility, settings, state, revision, created_at) values ('npm','local','hosted','anonymous','{}','{}',0,1)`,
			`insert into project (repository_id, norm, display, lookalike, status, status_reason, summary, keywords, latest, state, legal_hold, revision, created_at, updated_at)
				values (1,'ü"\','D','l','active','','','','','{}',true,7,1,2)`,
			`update event_counter set seq = 41`,
		} {
			if _, err := tx.Exec(ctx, q); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, `insert into release (project_id, uniq, version, prerelease, moving, record, manifest, mark, yanked, yank_reason, verdict,
			verdict_rule, verdict_reason, verdict_until, published_at, published_by) values (1,'1','1',true,false,$1,'{}','',false,'','allow','','',null,9007199254740993,'a')`,
			[]byte{0, 255, '"', '\n'})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestDumpOfOneEngineLoadsIntoTheOther is what makes a backup independent of the engine.
func TestDumpOfOneEngineLoadsIntoTheOther(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, from *store.DB) {
		fill(t, from)
		storetest.Engines(t, func(t *testing.T, to *store.DB) {
			first := dump(t, from)
			err := to.InTx(t.Context(), func(tx *store.Tx) error {
				for _, table := range store.Tables() {
					if _, err := store.Load(t.Context(), tx, table, bytes.NewReader(first[table])); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			second := dump(t, to)
			for table, want := range first {
				if !bytes.Equal(second[table], want) {
					t.Errorf("%s: %s became %s", table, want, second[table])
				}
			}
			id, err := store.One(t.Context(), to, store.Value[int64], "select count(*) from release where published_at = 9007199254740993 and prerelease")
			if err != nil || id != 1 {
				t.Fatalf("row lost its values: %d, %v", id, err)
			}
			err = to.InTx(t.Context(), func(tx *store.Tx) error { // numbering goes on
				_, err := tx.Exec(t.Context(), `insert into repository (ecosystem, name, kind, visibility, settings, state, revision, created_at) values ('npm','x','hosted','anonymous','{}','{}',0,1)`)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	})
}

func dump(t *testing.T, db *store.DB) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	err := db.InSnapshot(t.Context(), func(q store.Querier) error {
		for _, table := range store.Tables() {
			var b bytes.Buffer
			if _, err := store.Dump(t.Context(), q, table, &b); err != nil {
				return err
			}
			out[table] = b.Bytes()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestTablesListsTheWholeSchema(t *testing.T) {
	db := storetest.SQLite(t)
	names, err := store.All(t.Context(), db, store.Value[string], "select name from sqlite_master where type = 'table' and name not like 'sqlite_%'")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		if !slices.Contains(store.Tables(), n) && !slices.Contains(store.VolatileTables(), n) {
			t.Errorf("table %s would not be in a backup", n)
		}
	}
}
