package lint

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/postgres"
)

// relation is a table or view as the linter sees it.
type relation struct {
	OID      uint32
	Schema   string
	Name     string
	Label    string // quoted
	Kind     string // as pg_class.relkind
	Exposed  bool
	Guarded  bool
	Invoker  bool // a view that runs as its caller
	Reached  bool // some privilege of the API roles of people
	Indexed  []int64
	Columns  []string // quoted, by number; empty where dropped
	Beneath  []uint32 // what a view that runs as its caller reads
	Policies []*policyRow
}

// policyRow is a policy with its expressions as text and as parsed.
type policyRow struct {
	Table      uint32
	Name       string
	Label      string
	Permissive bool
	Command    string // as pg_policy.polcmd
	Public     bool
	Reaches    []string // anonymous, authenticated
	Roles      []string
	Using      *string
	Check      *string
	UsingTree  *string
	CheckTree  *string
}

const selectRelationsSQL = `
select c.oid, n.nspname::text, c.relname::text, pg_catalog.format('%I.%I', n.nspname, c.relname), c.relkind::text,
	n.nspname = any($1), c.relrowsecurity,
	c.relkind = 'v' and coalesce((select bool_or(lower(o.option_value) in ('true', 'on', '1', 'yes'))
		from pg_catalog.pg_options_to_table(c.reloptions) o where o.option_name = 'security_invoker'), false),
	exists (select from unnest(array['anonymous', 'authenticated']) r where has_schema_privilege(r, n.oid, 'usage')
		and (has_table_privilege(r, c.oid, 'select, insert, update, delete') or has_any_column_privilege(r, c.oid, 'select, insert, update'))),
	array(select i.indkey[0]::int8 from pg_catalog.pg_index i where i.indrelid = c.oid and i.indisvalid and i.indpred is null),
	array(select case when a.attisdropped then '' else quote_ident(a.attname) end from pg_catalog.pg_attribute a
		where a.attrelid = c.oid and a.attnum > 0 order by a.attnum),
	case when c.relkind = 'v' then array(select distinct d.refobjid from pg_catalog.pg_rewrite w
		join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_rewrite'::regclass and d.objid = w.oid
			and d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid <> c.oid
		where w.ev_class = c.oid) else '{}' end
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'v', 'm', 'f') and c.relpersistence <> 't'
	and n.nspname <> 'information_schema' and n.nspname !~ '^pg_' and n.nspname <> 'auth'
	and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
order by n.nspname, c.relname`

func selectRelations(ctx context.Context, q postgres.Querier, schemas []string) ([]*relation, error) {
	rows, err := q.Query(ctx, selectRelationsSQL, schemas)
	if err != nil {
		return nil, postgres.Fault(err)
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (*relation, error) {
		var r relation
		err := row.Scan(&r.OID, &r.Schema, &r.Name, &r.Label, &r.Kind, &r.Exposed, &r.Guarded, &r.Invoker, &r.Reached,
			&r.Indexed, &r.Columns, &r.Beneath)
		return &r, err
	})
	return found, postgres.Fault(err)
}

// selectPoliciesSQL prints expressions with all names qualified, which the
// search path has to see to.
const selectPoliciesSQL = `
select p.polrelid, p.polname::text, quote_ident(p.polname), p.polpermissive, p.polcmd::text, 0::oid = any(p.polroles),
	array(select r from unnest(array['anonymous', 'authenticated']) r
		where 0::oid = any(p.polroles) or exists (select from unnest(p.polroles) o where o <> 0 and pg_has_role(r, o, 'usage'))),
	array(select case when o = 0 then 'public' else pg_get_userbyid(o)::text end from unnest(p.polroles) o),
	pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid), p.polqual::text, p.polwithcheck::text
from pg_catalog.pg_policy p
order by p.polname`

func selectPolicies(ctx context.Context, q postgres.Querier) ([]*policyRow, error) {
	rows, err := q.Query(ctx, selectPoliciesSQL)
	if err != nil {
		return nil, postgres.Fault(err)
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (*policyRow, error) {
		var p policyRow
		err := row.Scan(&p.Table, &p.Name, &p.Label, &p.Permissive, &p.Command, &p.Public, &p.Reaches, &p.Roles,
			&p.Using, &p.Check, &p.UsingTree, &p.CheckTree)
		return &p, err
	})
	return found, postgres.Fault(err)
}

// selectNamesSQL finds the functions that ask who is calling, those of them that
// hold claims, and the operators that an index of PostgreSQL's usual kind finds
// equal values by.
const selectNamesSQL = `
select array(select p.oid from pg_catalog.pg_proc p
		where p.pronamespace = 'auth'::regnamespace and p.proname in ('uid', 'role', 'email', 'jwt', 'session_id', 'sub_tenant_id', 'has_role', 'has_permission')
			or p.pronamespace = 'pg_catalog'::regnamespace and p.proname = 'current_setting'),
	array(select p.oid from pg_catalog.pg_proc p
		where p.pronamespace = 'auth'::regnamespace and p.proname = 'jwt'
			or p.pronamespace = 'pg_catalog'::regnamespace and p.proname = 'current_setting'),
	array(select distinct o.amopopr from pg_catalog.pg_amop o
		where o.amopmethod = (select oid from pg_catalog.pg_am where amname = 'btree') and o.amopstrategy = 3)`

// names are objects that parsed expressions refer to by number.
type names struct{ helpers, claims, equals []uint32 }

func selectNames(ctx context.Context, q postgres.Querier) (names, error) {
	var n names
	err := q.QueryRow(ctx, selectNamesSQL).Scan(&n.helpers, &n.claims, &n.equals)
	return n, postgres.Fault(err)
}

// selectDefinersSQL finds functions that run as their owner and look their names
// up along the caller's search path. A body in the standard's form was looked
// up when it was written.
const selectDefinersSQL = `
select p.oid::regprocedure::text, quote_ident(n.nspname)
from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
where p.prosecdef and p.prosqlbody is null and n.nspname <> 'information_schema' and n.nspname !~ '^pg_' and n.nspname <> 'auth'
	and not exists (select from unnest(p.proconfig) c where c like 'search_path=%')
	and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
	and (p.prorettype = 'trigger'::regtype or has_function_privilege('anonymous', p.oid, 'execute')
		or has_function_privilege('authenticated', p.oid, 'execute'))
order by 1`

func selectDefiners(ctx context.Context, q postgres.Querier) ([][2]string, error) {
	rows, err := q.Query(ctx, selectDefinersSQL)
	if err != nil {
		return nil, postgres.Fault(err)
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) ([2]string, error) {
		var f [2]string
		err := row.Scan(&f[0], &f[1])
		return f, err
	})
	return found, postgres.Fault(err)
}

const qualifySQL = `select current_setting('search_path'), set_config('search_path', 'pg_catalog', true)`

const searchPathSQL = `select set_config('search_path', $1, true)`

// Qualified runs f while expressions are printed with all names qualified.
func Qualified(ctx context.Context, q postgres.Querier, f func() error) error {
	var before, now string
	if err := q.QueryRow(ctx, qualifySQL).Scan(&before, &now); err != nil {
		return postgres.Fault(err)
	}
	if err := f(); err != nil {
		return err
	}
	_, err := q.Exec(ctx, searchPathSQL, before)
	return postgres.Fault(err)
}

// runSafe runs SQL that the linter has written.
func runSafe(ctx context.Context, q postgres.Querier, sql string) error {
	_, err := q.Exec(ctx, sql)
	return postgres.Fault(err)
}

const waitBrieflySQL = `select set_config('lock_timeout', '2s', true)`

func waitBriefly(ctx context.Context, q postgres.Querier) error {
	_, err := q.Exec(ctx, waitBrieflySQL)
	return postgres.Fault(err)
}
