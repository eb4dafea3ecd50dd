package user

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

const lockForDeleteSQL = `
select id from auth.users where id = $1 for update`

// lockForDelete keeps rows that refer to the user from coming in.
func lockForDelete(ctx context.Context, q postgres.Querier, userID id.User) error {
	err := q.QueryRow(ctx, lockForDeleteSQL, userID).Scan(&userID)
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrNotFound
	}
	return postgres.Fault(err)
}

// Partitions have the foreign keys of their table once more. A table whose rows
// a policy hides from its owner cannot be counted.
const selectForeignKeysSQL = `
with keys as (
	select k.oid, k.conrelid, k.confrelid, n.nspname, c.relname,
		array(select a.attname::text from unnest(k.conkey) with ordinality u(num, pos)
			join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = u.num order by u.pos) as columns,
		array(select a.attname::text from unnest(k.confkey) with ordinality u(num, pos)
			join pg_catalog.pg_attribute a on a.attrelid = k.confrelid and a.attnum = u.num order by u.pos) as referenced,
		case k.confdeltype when 'c' then 'cascade' when 'n' then 'set_null' when 'd' then 'set_default'
			when 'r' then 'restrict' else 'no_action' end as action,
		has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select') and not row_security_active(c.oid) as readable
	from pg_catalog.pg_constraint k
	join pg_catalog.pg_class c on c.oid = k.conrelid
	join pg_catalog.pg_namespace n on n.oid = c.relnamespace
	where k.contype = 'f' and k.conparentid = 0 and n.nspname <> 'auth')
select d.nspname, d.relname, d.columns, d.referenced, d.action, d.readable, '', '', '{}'::text[], '{}'::text[], true
from keys d where d.confrelid = 'auth.users'::regclass
union all
select f.nspname, f.relname, f.columns, f.referenced, f.action, f.readable, d.nspname, d.relname, d.columns, d.referenced, d.readable
from keys d join keys f on f.confrelid = d.conrelid
where d.confrelid = 'auth.users'::regclass and d.action = 'cascade'
order by 7, 8, 1, 2, 3`

func selectForeignKeys(ctx context.Context, q postgres.Querier) ([]foreignKey, error) {
	rows, err := q.Query(ctx, selectForeignKeysSQL)
	if err != nil {
		return nil, postgres.Fault(err)
	}
	keys, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (foreignKey, error) {
		var k, via foreignKey
		err := row.Scan(&k.schema, &k.table, &k.columns, &k.referenced, &k.action, &k.readable,
			&via.schema, &via.table, &via.columns, &via.referenced, &via.readable)
		if via.schema != "" {
			k.via = &via
		}
		return k, err
	})
	return keys, postgres.Fault(err)
}

const selectLooseSQL = `
select n.nspname, c.relname, array[a.attname::text], array['id'],
	has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select') and not row_security_active(c.oid)
from pg_catalog.pg_attribute a
join pg_catalog.pg_class c on c.oid = a.attrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where n.nspname = any ($1) and c.relkind in ('r', 'p') and not c.relispartition
	and a.attname in ('user_id', 'owner_id') and a.atttypid = 'uuid'::regtype and not a.attisdropped
	and not exists (select from pg_catalog.pg_constraint k
		where k.contype = 'f' and k.conrelid = c.oid and a.attnum = any (k.conkey))
order by 1, 2, 3`

func selectLoose(ctx context.Context, q postgres.Querier, schemas []string) ([]foreignKey, error) {
	rows, err := q.Query(ctx, selectLooseSQL, schemas)
	if err != nil {
		return nil, postgres.Fault(err)
	}
	columns, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (foreignKey, error) {
		var k foreignKey
		err := row.Scan(&k.schema, &k.table, &k.columns, &k.referenced, &k.readable)
		return k, err
	})
	return columns, postgres.Fault(err)
}

// countQuery counts the rows that a key concerns for the user $1, less those
// that go by a key of their own. Identifiers come from the catalog and are
// quoted.
func countQuery(k foreignKey, own []foreignKey) string {
	var b strings.Builder
	b.WriteString("select count(*) from " + postgres.Quote(k.schema, k.table) + " f where exists (select from ")
	if k.via == nil {
		b.WriteString(`auth.users u where u.id = $1 and ` + pairs("f", k, "u") + ")")
	} else {
		b.WriteString(postgres.Quote(k.via.schema, k.via.table) + ` d join auth.users u on ` + pairs("d", *k.via, "u") +
			` where u.id = $1 and ` + pairs("f", k, "d") + ")")
	}
	for _, o := range own {
		b.WriteString(` and not exists (select from auth.users u where u.id = $1 and ` + pairs("f", o, "u") + ")")
	}
	return b.String()
}

// pairs is the condition that one row refers to another by a key.
func pairs(from string, k foreignKey, to string) string {
	conditions := make([]string, len(k.columns))
	for i := range k.columns {
		conditions[i] = from + "." + postgres.Quote(k.columns[i]) + " = " + to + "." + postgres.Quote(k.referenced[i])
	}
	return strings.Join(conditions, " and ")
}

// count runs a statement of countQuery; the empty one counts nothing.
func count(ctx context.Context, q postgres.Querier, query string, userID id.User) (*int64, error) {
	if query == "" {
		return nil, nil //nolint:nilnil // it cannot be known
	}
	var n int64
	err := q.QueryRow(ctx, query, pgx.QueryExecModeCacheDescribe, userID).Scan(&n)
	return &n, postgres.Fault(err)
}
