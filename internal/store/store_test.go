package store_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"bonded/internal/errs"
	"bonded/internal/store"
	"bonded/internal/store/storetest"
)

func TestTransactionIsAllOrNothing(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		boom := errors.New("boom")
		ran := false
		err := db.InTx(ctx, func(tx *store.Tx) error {
			tx.AfterCommit(func() { ran = true })
			if _, err := tx.Exec(ctx, "insert into instance (name, value) values ($2, $1)", "v", "n"); err != nil {
				return err
			}
			return boom
		})
		if !errors.Is(err, boom) || ran {
			t.Fatalf("err %v, after-commit ran %v", err, ran)
		}
		n, err := store.One(ctx, db, store.Value[int64], "select count(*) from instance")
		if err != nil || n != 0 {
			t.Fatalf("rows after rollback: %d, %v", n, err)
		}
	})
}

func TestConcurrentWritersLoseNothing(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 20 {
					err := db.InTx(ctx, func(tx *store.Tx) error {
						n, err := store.One(ctx, tx, store.Value[int64], "update event_counter set seq = seq + 1 where id = 1 returning seq")
						_ = n
						return err
					})
					if err != nil {
						t.Errorf("tx: %v", err)
					}
				}
			})
		}
		wg.Wait()
		n, err := store.One(ctx, db, store.Value[int64], "select seq from event_counter")
		if err != nil || n != 160 {
			t.Fatalf("counter %d, %v; want 160", n, err)
		}
	})
}

func TestMigrateFromManyStartersAtOnce(t *testing.T) {
	starters := func(t *testing.T, o store.Options) {
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				db, err := store.Open(t.Context(), o)
				if err != nil {
					t.Errorf("open: %v", err)
					return
				}
				defer func() { _ = db.Close() }()
				if _, err := db.Migrate(t.Context(), 0); err != nil {
					t.Errorf("migrate: %v", err)
				}
				st, err := db.Schema(t.Context())
				if err != nil || len(st.Pending) != 0 || st.Current != st.Known {
					t.Errorf("schema %+v, %v", st, err)
				}
			})
		}
		wg.Wait()
	}
	t.Run("sqlite", func(t *testing.T) { starters(t, store.Options{Dir: t.TempDir()}) })
	t.Run("postgresql", func(t *testing.T) {
		if testing.Short() {
			t.Skip("PostgreSQL is left out with -short")
		}
		starters(t, store.Options{URL: storetest.PostgresURL(t)})
	})
}

func TestBinaryRefusesSchemaItCannotRunOn(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		add := func(version, compatible int) {
			err := db.InTx(ctx, func(tx *store.Tx) error {
				_, err := tx.Exec(ctx, "insert into schema_migration (version, name, compatible_with, applied_at) values ($1,'later',$2,0)", version, compatible)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		add(900, 1) // a newer minor expanded the schema: this binary still runs beside it
		if _, err := db.Schema(ctx); err != nil {
			t.Fatalf("expanded schema refused: %v", err)
		}
		if _, err := db.Migrate(ctx, 0); err != nil {
			t.Fatalf("migrate beside an expanded schema: %v", err)
		}
		add(901, 900) // and a later one contracted it
		if _, err := db.Schema(ctx); !errs.Is(err, errs.Conflict) {
			t.Fatalf("contracted schema: %v, want a refusal", err)
		}
	})
}

func TestStatementsCountsEverythingSent(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, db *store.DB) {
		before := db.Statements()
		if err := db.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
		_ = db.InTx(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(context.Background(), "update event_counter set seq = seq")
			return err
		})
		if got := db.Statements() - before; got != 3 { // ping, update, commit
			t.Fatalf("%d statements counted, want 3", got)
		}
	})
}
