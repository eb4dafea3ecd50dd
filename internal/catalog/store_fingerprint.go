package catalog

import (
	"context"

	"github.com/fluxbase/fluxbase/internal/postgres"
)

// selectFingerprintSQL changes with every change of a relation, a type, an
// enum, a foreign key or a function that runs as its owner, wherever it is,
// since views reach into other schemas, and of a column, an index or a function
// in the exposed schemas: altering one writes a new version of its row. It does
// not change with comments, which the event trigger announces.
const selectFingerprintSQL = `
select concat_ws(':',
	(select count(*) || '.' || coalesce(sum(hashint8extended(c.oid::int8, c.xmin::text::int8)), 0)
		from pg_catalog.pg_class c
		where c.relkind in ('r', 'p', 'v', 'm', 'f') and c.relnamespace not in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
			and c.relpersistence <> 't'),
	(select count(*) || '.' || coalesce(sum(hashint8extended(a.attrelid::int8 * 2048 + a.attnum, a.xmin::text::int8)), 0)
		from pg_catalog.pg_attribute a
		join pg_catalog.pg_class c on c.oid = a.attrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
		where n.nspname = any($1) and c.relkind in ('r', 'p', 'v', 'm', 'f') and a.attnum > 0),
	(select count(*) || '.' || coalesce(sum(hashint8extended(i.indexrelid::int8, i.xmin::text::int8)), 0)
		from pg_catalog.pg_index i
		join pg_catalog.pg_class c on c.oid = i.indrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
		where n.nspname = any($1)),
	(select count(*) || '.' || coalesce(sum(hashint8extended(t.oid::int8, t.xmin::text::int8)), 0)
		from pg_catalog.pg_type t
		where t.typnamespace not in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)),
	(select count(*) || '.' || coalesce(sum(hashint8extended(f.oid::int8, f.xmin::text::int8)), 0)
		from pg_catalog.pg_proc f
		join pg_catalog.pg_namespace n on n.oid = f.pronamespace
		where n.nspname = any($1) or f.prosecdef and n.nspname not in ('pg_catalog', 'information_schema')),
	(select count(*) || '.' || coalesce(sum(hashint8extended(e.oid::int8, e.xmin::text::int8)), 0) from pg_catalog.pg_enum e),
	(select count(*) || '.' || coalesce(sum(hashint8extended(k.oid::int8, k.xmin::text::int8)), 0)
		from pg_catalog.pg_constraint k where k.contype = 'f'))`

func selectFingerprint(ctx context.Context, q postgres.Querier, schemas []string) (string, error) {
	var fingerprint string
	err := q.QueryRow(ctx, selectFingerprintSQL, schemas).Scan(&fingerprint)
	return fingerprint, postgres.Fault(err)
}
