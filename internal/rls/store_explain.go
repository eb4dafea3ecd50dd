package rls

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/rls/lint"
	"github.com/fluxbase/fluxbase/internal/session"
)

const selectSubjectSQL = `
select id, coalesce(email, ''), is_anonymous, app_metadata, claims_version
from auth.users where id = $1 or email = nullif($2, '')`

// selectSubject finds a user by id or by address.
func selectSubject(ctx context.Context, q postgres.Querier, userID id.User, email string) (session.Subject, error) {
	var u session.Subject
	err := q.QueryRow(ctx, selectSubjectSQL, userID, email).Scan(&u.ID, &u.Email, &u.Anonymous, (*[]byte)(&u.AppMetadata), &u.Version)
	if errors.Is(err, pgx.ErrNoRows) {
		return u, errNobody
	}
	return u, postgres.Fault(err)
}

const parametersSQL = `
select cardinality(parameter_types) from pg_catalog.pg_prepared_statements where name = 'fluxbase_rls'`

// parseStatement has PostgreSQL read a statement, which it refuses if it is more than
// one or anything that cannot be prepared: what remains is a SELECT, INSERT,
// UPDATE, DELETE, MERGE or VALUES.
func parseStatement(ctx context.Context, r *postgres.Rehearsal, sql string) error {
	if _, err := r.Run(ctx, "prepare fluxbase_rls as "+sql); err != nil {
		return postgres.CallersFault(err)
	}
	var parameters int
	if err := r.QueryRow(ctx, parametersSQL).Scan(&parameters); err != nil {
		return postgres.Fault(err)
	}
	if _, err := r.Run(ctx, "deallocate fluxbase_rls"); err != nil {
		return postgres.Fault(err)
	}
	if parameters > 0 {
		return fault.Input("/sql", "parameters", "Write values into the statement; it has parameters.")
	}
	return nil
}

// plainScansSQL has conditions on one table stand at the scan of that table.
const plainScansSQL = `
select set_config('enable_indexscan', 'off', true), set_config('enable_indexonlyscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
	set_config('enable_tidscan', 'off', true), set_config('max_parallel_workers_per_gather', '0', true), set_config('jit', 'off', true)`

// planOf returns the plan of a statement, in JSON.
func planOf(ctx context.Context, r *postgres.Rehearsal, sql string) ([]byte, error) {
	if _, err := r.Exec(ctx, plainScansSQL); err != nil {
		return nil, postgres.Fault(err)
	}
	var plan []byte
	err := r.QueryRow(ctx, "explain (format json, verbose, costs off) "+sql).Scan(&plan)
	return plan, postgres.CallersFault(err)
}

// touched is a table that a statement is about, as the catalog has it.
type touched struct {
	oid        uint32
	label      string
	bare       string // without the schema
	kind       string
	enabled    bool
	forced     bool
	bypassed   bool
	invoker    bool
	owner      string
	privileges []string // that the role has
	missing    []string // the schema, if the role may not use it
}

// selectTouchedSQL follows partitions to the table that policies are on.
const selectTouchedSQL = `
with named as (
	select coalesce(nullif(pg_catalog.pg_partition_root(c.oid)::oid, 0), c.oid) as oid
	from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
	where n.nspname = $1 and c.relname = $2)
select c.oid, pg_catalog.format('%I.%I', n.nspname, c.relname), quote_ident(c.relname), c.relkind::text, c.relrowsecurity, c.relforcerowsecurity,
	(select r.rolbypassrls or r.rolsuper from pg_catalog.pg_roles r where r.rolname = $3),
	coalesce((select bool_or(lower(o.option_value) in ('true', 'on', '1', 'yes'))
		from pg_catalog.pg_options_to_table(c.reloptions) o where o.option_name = 'security_invoker'), false),
	pg_catalog.pg_get_userbyid(c.relowner)::text,
	array(select p from unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE']) p
		where has_table_privilege($3, c.oid, p) or p <> 'DELETE' and has_any_column_privilege($3, c.oid, p)),
	case when has_schema_privilege($3, n.oid, 'usage') then '{}' else array[quote_ident(n.nspname)] end
from named join pg_catalog.pg_class c using (oid) join pg_catalog.pg_namespace n on n.oid = c.relnamespace`

// selectTouched says false where there is no such table any more.
func selectTouched(ctx context.Context, q postgres.Querier, schema, name, role string) (t touched, found bool, err error) {
	err = q.QueryRow(ctx, selectTouchedSQL, schema, name, role).Scan(&t.oid, &t.label, &t.bare, &t.kind, &t.enabled, &t.forced, &t.bypassed,
		&t.invoker, &t.owner, &t.privileges, &t.missing)
	if errors.Is(err, pgx.ErrNoRows) {
		return t, false, nil
	}
	return t, err == nil, postgres.Fault(err)
}

// selectViewsSQL finds the views that a statement was planned through: they are
// locked until the transaction ends.
const selectViewsSQL = `
select n.nspname::text, c.relname::text
from pg_catalog.pg_locks l join pg_catalog.pg_class c on c.oid = l.relation join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where l.pid = pg_catalog.pg_backend_pid() and l.locktype = 'relation' and c.relkind = 'v'
	and n.nspname not in ('pg_catalog', 'information_schema')
order by 1, 2`

func selectViews(ctx context.Context, q postgres.Querier) ([][2]string, error) {
	rows, err := q.Query(ctx, selectViewsSQL)
	if err != nil {
		return nil, postgres.Fault(err)
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) ([2]string, error) {
		var n [2]string
		err := row.Scan(&n[0], &n[1])
		return n, err
	})
	return found, postgres.Fault(err)
}

const selectPoliciesOfSQL = `
select p.polname::text, p.polpermissive, p.polcmd::text,
	array(select case when o = 0 then 'public' else pg_get_userbyid(o)::text end from unnest(p.polroles) o),
	exists (select from unnest(p.polroles) o where o = 0 or pg_has_role($2, o, 'usage')),
	pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)
from pg_catalog.pg_policy p where p.polrelid = $1
order by p.polpermissive desc, p.polname`

func selectPoliciesOf(ctx context.Context, q postgres.Querier, table uint32, role string) (found []Policy, err error) {
	err = lint.Qualified(ctx, q, func() error {
		rows, err := q.Query(ctx, selectPoliciesOfSQL, table, role)
		if err != nil {
			return postgres.Fault(err)
		}
		found, err = pgx.CollectRows(rows, scanPolicy)
		return postgres.Fault(err)
	})
	return found, err
}

func scanPolicy(row pgx.CollectableRow) (Policy, error) {
	var p Policy
	var permissive bool
	var command string
	err := row.Scan(&p.Name, &permissive, &command, &p.Roles, &p.forRole, &p.Using, &p.Check)
	p.Kind = map[bool]string{true: "permissive", false: "restrictive"}[permissive]
	p.Command = map[string]string{"r": "SELECT", "a": "INSERT", "w": "UPDATE", "d": "DELETE", "*": "ALL"}[command]
	return p, err
}

// rowsWhere returns rows of a table as one array of its type, in text: the first
// ones for which a condition holds, up to a bound in number and in bytes.
// The table and the condition are as PostgreSQL prints them.
func rowsWhere(ctx context.Context, r *postgres.Rehearsal, table, alias, condition string) (array string, count int, err error) {
	from := "from " + table + " as " + alias
	if condition != "" {
		from += " where " + condition
	}
	sql := "select coalesce(array_agg(x.r)::text, '{}'), count(*)::int from (" +
		"select y.r, sum(pg_catalog.pg_column_size(y.r)) over (rows unbounded preceding) as size " +
		"from (select " + alias + " as r " + from + " limit " + maxRows + ") y) x where x.size <= " + maxBytes
	err = r.QueryRow(ctx, sql).Scan(&array, &count)
	return array, count, postgres.CallersFault(err)
}

// The bounds of what is looked at in one table.
const (
	maxRows  = "1000"
	maxBytes = "4194304"
)

// passing counts the rows of an array for which an expression of a policy holds.
func passing(ctx context.Context, r *postgres.Rehearsal, table, alias, array, expression string) (int, error) {
	var n int
	err := r.QueryRow(ctx, "select count(*)::int from pg_catalog.unnest($1::text::"+table+"[]) as "+alias+" where ("+expression+")", array).Scan(&n)
	return n, postgres.CallersFault(err)
}

const helpersSQL = `
select current_user::text, auth.uid()::text, auth.role(), auth.email(), auth.session_id()::text, auth.sub_tenant_id(), auth.jwt()::text`

func selectHelpers(ctx context.Context, q postgres.Querier) ([]Helper, error) {
	var role string
	values := make([]*string, 6)
	err := q.QueryRow(ctx, helpersSQL).Scan(&role, &values[0], &values[1], &values[2], &values[3], &values[4], &values[5])
	if err != nil {
		return nil, postgres.Fault(err)
	}
	helpers := []Helper{{"current_user", &role}}
	for i, name := range []string{"auth.uid()", "auth.role()", "auth.email()", "auth.session_id()", "auth.sub_tenant_id()", "auth.jwt()"} {
		helpers = append(helpers, Helper{name, values[i]})
	}
	return helpers, nil
}

// execute runs a statement and says how many rows it returned or changed. Of a
// query no row leaves the database, and no more than a bound are made.
func execute(ctx context.Context, r *postgres.Rehearsal, sql string, reads bool) (int64, error) {
	if !reads {
		tag, err := r.Run(ctx, sql)
		return tag.RowsAffected(), postgres.CallersFault(err)
	}
	if err := openCursor(ctx, r, sql); err != nil {
		return 0, err
	}
	tag, err := r.Run(ctx, "move forward "+maxRows+" in fluxbase_rls")
	return tag.RowsAffected(), postgres.CallersFault(err)
}

// openCursor begins a query without running it. PostgreSQL refuses what makes a
// table of its rows.
func openCursor(ctx context.Context, r *postgres.Rehearsal, sql string) error {
	_, err := r.Run(ctx, "declare fluxbase_rls no scroll cursor for "+sql)
	return postgres.CallersFault(err)
}
