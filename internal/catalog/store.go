package catalog

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/postgres"
)

// selectTablesSQL finds for each relation whether its rows are protected. The
// edges are the relations that the rules of a view refer to; a view is
// protected if it and all views beneath it run as their invoker, none calls a
// function that runs as its owner, and all tables beneath it have Row-Level
// Security. PostgreSQL is not asked what it could do with foreign tables: where
// the wrapper has no handler, the question is an error.
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
), deep as (
	select b.root, bool_and(u.guarded) as guarded, bool_or(u.relkind = 'f') as over_foreign
	from beneath b join relation u on u.oid = b.oid group by b.root
)
select r.oid, r.nspname, r.relname, r.guarded and coalesce(d.guarded, true) as protected,
	case when r.relkind = 'm' then 0 when r.relkind <> 'v' or d.over_foreign then 28 else pg_relation_is_updatable(r.oid, true) end as possible,
	case when r.relkind <> 'v' or d.over_foreign then false else pg_relation_is_updatable(r.oid, false) & 16 <> 0 end as simple,
	r.relkind in ('v', 'm') as shows,
	exists (select from pg_catalog.pg_trigger t where t.tgrelid = r.oid and t.tgtype & 64 <> 0)
		or exists (select from pg_catalog.pg_rewrite w where w.ev_class = r.oid and w.ev_type <> '1') as taken,
	exists (select from pg_catalog.pg_type y where y.typname = r.relname and y.typnamespace = 'pg_catalog'::regnamespace) as shadowed
from relation r left join deep d on d.root = r.oid
where r.nspname = any($1)`

// The bits of pg_relation_is_updatable.
const (
	updateBit = 1 << 2
	insertBit = 1 << 3
	deleteBit = 1 << 4
)

// each calls f for each row, after scanning it.
func each(ctx context.Context, q postgres.Querier, sql string, arg any, into []any, f func()) error {
	rows, err := q.Query(ctx, sql, arg) //nolint:rowserrcheck // ForEachRow looks
	if err != nil {
		return postgres.Fault(err)
	}
	_, err = pgx.ForEachRow(rows, into, func() error { f(); return nil })
	return postgres.Fault(err)
}

func selectTables(ctx context.Context, q postgres.Querier, schemas []string) (map[uint32]*record, error) {
	records := map[uint32]*record{}
	var r record
	var t Table
	var possible int
	err := each(ctx, q, selectTablesSQL, schemas, []any{&r.oid, &t.Schema, &t.Name, &t.Protected, &possible, &r.simple, &t.View, &r.taken, &t.shadowed}, func() {
		found, table := r, t
		table.Updatable, table.Insertable, table.Deletable = possible&updateBit != 0, possible&insertBit != 0, possible&deleteBit != 0
		table.PrimaryKey = []string{}
		found.Table = &table
		records[r.oid] = &found
	})
	return records, err
}

const selectColumnsSQL = `
select a.attrelid, a.attnum, a.attname, a.atttypid, not a.attnotnull, a.atthasdef or a.attidentity <> '', a.attgenerated <> '' or a.attidentity = 'a'
from pg_catalog.pg_attribute a
join pg_catalog.pg_class c on c.oid = a.attrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where n.nspname = any($1) and c.relkind in ('r', 'p', 'v', 'm', 'f') and a.attnum > 0 and not a.attisdropped
order by a.attrelid, a.attnum`

// selectColumns gives the relations their columns, and returns the type of
// each, in the same order.
func selectColumns(ctx context.Context, q postgres.Querier, schemas []string, records map[uint32]*record) (map[uint32][]uint32, error) {
	types := make(map[uint32][]uint32, len(records))
	var relation, typ uint32
	var number int16
	var c Column
	err := each(ctx, q, selectColumnsSQL, schemas, []any{&relation, &number, &c.Name, &typ, &c.Nullable, &c.Default, &c.Generated}, func() {
		r := records[relation]
		if r == nil {
			return
		}
		for len(r.names) < int(number) {
			r.names = append(r.names, "")
		}
		r.names = append(r.names, c.Name)
		r.Columns = append(r.Columns, c)
		types[relation] = append(types[relation], typ)
	})
	return types, err
}

// firstUserObject is where identifiers begin that PostgreSQL has not given out
// at its own birth.
const firstUserObject = 16384

const selectKeysSQL = `
select i.indrelid, (i.indkey::int2[])[0:i.indnkeyatts - 1], i.indisprimary, not i.indimmediate
from pg_catalog.pg_index i
where i.indrelid >= $1 and i.indisunique and i.indisvalid and i.indpred is null and i.indexprs is null
order by i.indrelid, i.indisprimary desc, i.indexrelid`

func selectKeys(ctx context.Context, q postgres.Querier) (map[uint32][]key, error) {
	keys := map[uint32][]key{}
	var k key
	err := each(ctx, q, selectKeysSQL, firstUserObject, []any{&k.relation, &k.columns, &k.primary, &k.deferred}, func() {
		keys[k.relation] = append(keys[k.relation], k)
		k.columns = nil // not to be written over
	})
	return keys, err
}

// selectForeignKeysSQL leaves out the copies that partitions have.
const selectForeignKeysSQL = `
select f.conname, f.conrelid, f.confrelid, f.conkey, f.confkey
from pg_catalog.pg_constraint f
where f.contype = 'f' and f.conparentid = 0 and f.conrelid >= $1
order by f.conrelid, f.conname`

func selectForeignKeys(ctx context.Context, q postgres.Querier) ([]foreignKey, error) {
	rows, err := q.Query(ctx, selectForeignKeysSQL, firstUserObject)
	if err != nil {
		return nil, postgres.Fault(err)
	}
	keys, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (foreignKey, error) {
		var k foreignKey
		err := row.Scan(&k.name, &k.from, &k.to, &k.columns, &k.ref)
		return k, err
	})
	return keys, postgres.Fault(err)
}

const selectViewsSQL = `
select r.ev_class, r.ev_action::text
from pg_catalog.pg_rewrite r
join pg_catalog.pg_class c on c.oid = r.ev_class and c.relkind in ('v', 'm')
where r.ev_type = '1' and r.ev_class >= $1`

func selectViews(ctx context.Context, q postgres.Querier) (map[uint32][]origin, error) {
	views := map[uint32][]origin{}
	var relation uint32
	var rule string
	err := each(ctx, q, selectViewsSQL, firstUserObject, []any{&relation, &rule}, func() {
		views[relation] = origins(rule)
	})
	return views, err
}

const selectCommentsSQL = `
select d.classoid = 'pg_catalog.pg_proc'::regclass, d.objoid, d.objsubid, d.description
from pg_catalog.pg_description d
where d.classoid in ('pg_catalog.pg_class'::regclass, 'pg_catalog.pg_proc'::regclass) and d.objoid >= $1`

// selectComments gives relations, columns and functions what people wrote about
// them.
func selectComments(ctx context.Context, q postgres.Querier, records map[uint32]*record, functions map[uint32]*Function) error {
	var function bool
	var oid uint32
	var column int
	var text string
	return each(ctx, q, selectCommentsSQL, firstUserObject, []any{&function, &oid, &column, &text}, func() {
		if function {
			if f := functions[oid]; f != nil {
				f.Comment = text
			}
			return
		}
		r := records[oid]
		switch {
		case r == nil:
		case column == 0:
			r.Comment = text
		default:
			for i := range r.Columns {
				if r.Columns[i].Name == r.names[column] {
					r.Columns[i].Comment = text
				}
			}
		}
	})
}
