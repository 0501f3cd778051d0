// Package store is the one place that talks to a database: SQLite by default, PostgreSQL to scale out. Rooms keep their
// SQL next to their rules and run it through DB and Tx; the fragments in which the two dialects differ are in dialect.go,
// and the shared schema is in migrations.
//
// The portable subset: $1 parameters, bigint unix milliseconds for times, text for JSON, INSERT … ON CONFLICT and
// RETURNING, keyset paging with row values. Never a failing INSERT as control flow: PostgreSQL ends the transaction.
package store
