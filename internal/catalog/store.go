package catalog

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/postgres"
)

// selectFingerprintSQL changes with every change of a relation, a type or a
// function that runs as its owner, wherever it is, since views reach into other
// schemas, and of a column or an index in the exposed schemas: altering one
// writes a new version of its row.
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
		where f.prosecdef and f.pronamespace not in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)))`

func selectFingerprint(ctx context.Context, q postgres.Querier, schemas []string) (string, error) {
	var fingerprint string
	err := q.QueryRow(ctx, selectFingerprintSQL, schemas).Scan(&fingerprint)
	return fingerprint, postgres.Fault(err)
}

// selectTablesSQL finds for each relation whether its rows are protected. The
// edges are the relations that the rules of a view refer to; a view is
// protected if it and all views beneath it run as their invoker, none calls a
// function that runs as its owner, and all tables beneath it have Row-Level
// Security.
const selectTablesSQL = `
with recursive relation as (
	select c.oid, n.nspname, c.relname, c.relkind,
		case when c.relkind in ('r', 'p') then c.relrowsecurity
			when c.relkind = 'v' then coalesce((select bool_or(lower(o.option_value) in ('true', 'on', '1', 'yes'))
				from pg_catalog.pg_options_to_table(c.reloptions) o where o.option_name = 'security_invoker'), false)
				and not exists (select from pg_catalog.pg_rewrite r
					join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_rewrite'::regclass and d.objid = r.oid
						and d.refclassid = 'pg_catalog.pg_proc'::regclass
					join pg_catalog.pg_proc f on f.oid = d.refobjid
					where r.ev_class = c.oid and f.prosecdef)
			else false end as guarded
	from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
	where c.relkind in ('r', 'p', 'v', 'm', 'f')
), edge as (
	select distinct r.ev_class as above, d.refobjid as beneath
	from pg_catalog.pg_rewrite r
	join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_rewrite'::regclass and d.objid = r.oid
		and d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid <> r.ev_class
), beneath as (
	select above as root, beneath as oid from edge
	union
	select b.root, e.beneath from beneath b join edge e on e.above = b.oid
)
select r.nspname, r.relname,
	r.guarded and not exists (
		select from beneath b join relation u on u.oid = b.oid where b.root = r.oid and not u.guarded) as protected,
	array(select a.attname::text from pg_catalog.pg_index i
		join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = any((i.indkey::int2[])[0:i.indnkeyatts - 1])
		where i.indrelid = r.oid and i.indisprimary
		order by array_position(i.indkey::int2[], a.attnum)) as primary_key,
	array(select a.attname::text from pg_catalog.pg_attribute a
		where a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped order by a.attnum) as names,
	array(select quote_ident(tn.nspname) || '.' || quote_ident(t.typname) from pg_catalog.pg_attribute a
		join pg_catalog.pg_type t on t.oid = a.atttypid join pg_catalog.pg_namespace tn on tn.oid = t.typnamespace
		where a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped order by a.attnum) as types
from relation r
where r.nspname = any($1)`

func selectTables(ctx context.Context, q postgres.Querier, schemas []string) ([]*Table, error) {
	rows, err := q.Query(ctx, selectTablesSQL, schemas)
	if err != nil {
		return nil, postgres.Fault(err)
	}
	tables, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (*Table, error) {
		var t Table
		var names, types []string
		if err := row.Scan(&t.Schema, &t.Name, &t.Protected, &t.PrimaryKey, &names, &types); err != nil {
			return nil, err
		}
		for i, name := range names {
			t.Columns = append(t.Columns, Column{Name: name, Type: types[i]})
		}
		return &t, nil
	})
	return tables, postgres.Fault(err)
}
