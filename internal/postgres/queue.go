package postgres

import "github.com/riverqueue/river/riverdriver/riverpgxv5"

// Queue hands the owner's connections to River, which works the jobs in
// auth.river_job. It is for internal/job alone: everybody else takes a
// Querier. River's driver is what leaves here, and not the pool, so that the
// pool stays behind the doors.
func (db *DB) Queue() *riverpgxv5.Driver { return riverpgxv5.New(db.owner) }

// Listens says whether LISTEN reaches PostgreSQL itself: a pooler in
// transaction mode would take it to some connection of its own.
func (db *DB) Listens() bool { return !db.config.Pooled }
