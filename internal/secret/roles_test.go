package secret_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/principal"
)

// as runs a statement as an API request would, and returns what PostgreSQL says.
func (v *vault) as(role principal.Role, statement string) (answer, state string) {
	v.t.Helper()
	p := &principal.Principal{Role: role, User: id.User{1}, Claims: `{"role":"` + string(role) + `"}`}
	err := v.db.As(v.t.Context(), p, postgres.Statement{SQL: statement}, func(rows pgx.Rows) error {
		for rows.Next() {
			for _, raw := range rows.RawValues() {
				answer += string(raw)
			}
		}
		return rows.Err()
	})
	if report := postgres.Report(err); report != nil {
		return answer, report.State
	}
	if err != nil {
		v.t.Fatal(err)
	}
	return answer, ""
}

var apiRoles = []principal.Role{principal.Anonymous, principal.Authenticated, principal.Service}

// attempts are statements about a table T.
var attempts = []string{
	`select * from T`, `select count(*) from T`, `select t is null from T t`, `select 1 from T for share`, `table T`, `insert into T default values`,
	`insert into T select * from T on conflict do nothing`, `delete from T`, `delete from T where false returning *`, `truncate T`, `do $$ begin lock table T in access share mode; end $$`,
	`merge into public.open o using T t on false when matched then delete`, `with t as (select * from T) select count(*) from t`, `copy T to stdout`, `copy T to program 'cat'`,
	`create trigger t after insert on T execute function auth.announce_encryption()`, `alter table T disable trigger all`, `alter table T owner to service_role`,
	`create policy p on T using (true)`, `create rule r as on insert to T do nothing`, `grant select on T to public`, `drop table T`, `comment on table T is 'x'`,
	`create table public.copied as select * from T`, `create view public.peek as select * from T`, `create temp table c (like T)`, `create statistics s on id from T`,
	`select query_to_xml('select * from T', true, true, '')`, `select table_to_xml('T', true, true, '')`, `select * from T tablesample system (100)`,
}

// TestAPIRolesCannotReachSecrets writes whatever SQL there is about secrets and
// keys, as each role that requests run as.
func TestAPIRolesCannotReachSecrets(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	v.set(global("KEY"), "x")
	v.db.Exec(t, `create table public.open (id int); insert into public.open values (1)`)
	for _, role := range apiRoles {
		if answer, state := v.as(role, `select id from public.open`); answer != "1" || state != "" {
			t.Errorf("control: %s reads %q, %s", role, answer, state)
		}
		for _, table := range []string{"secrets", "secret_versions", "sealed_values", "encryption_keys", "encryption_runs", "encryption_schedule", "instances", "audit_log"} {
			for _, statement := range attempts {
				answer, state := v.as(role, strings.ReplaceAll(statement, "T", "auth."+table))
				if state != "42501" || answer != "" {
					t.Errorf("%s: %s: %q, %s", role, strings.ReplaceAll(statement, "T", "auth."+table), answer, state)
				}
			}
		}
	}
	v.reads(global("KEY"), 0, "x")
}

// TestAPIRolesHaveNoPrivilege asks PostgreSQL itself, so that tables and
// functions to come are looked at too.
func TestAPIRolesHaveNoPrivilege(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	var tables, functions string
	v.db.Scan(t, `select coalesce(string_agg(format('%s may touch %s', r.rolname, c.oid::regclass), '; '), '')
		from pg_class c, pg_roles r
		where c.relnamespace = 'auth'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f')
			and r.rolname in ('anonymous', 'authenticated', 'service_role', 'fluxbase_user', 'fluxbase_service')
			and (has_table_privilege(r.oid, c.oid, 'select, insert, update, delete, truncate, references, trigger')
				or has_any_column_privilege(r.oid, c.oid, 'select, insert, update, references'))`, nil, &tables)
	v.db.Scan(t, `select coalesce(string_agg(distinct f.proname, ' ' order by f.proname), '')
		from pg_proc f, pg_roles r
		where f.pronamespace = 'auth'::regnamespace and f.prorettype not in ('trigger'::regtype, 'event_trigger'::regtype) and has_function_privilege(r.oid, f.oid, 'execute')
			and r.rolname in ('anonymous', 'authenticated', 'service_role', 'fluxbase_user', 'fluxbase_service')`, nil, &functions)
	if tables != "" {
		t.Error(tables)
	}
	if functions != "api_key_id email has_permission has_role jwt role session_id sub_tenant_id uid" {
		t.Errorf("functions: %s", functions)
	}
	var escalations int
	v.db.Scan(t, `select count(*) from pg_proc where pronamespace = 'auth'::regnamespace and prosecdef`, nil, &escalations)
	if escalations != 0 {
		t.Errorf("%d functions run as their owner", escalations)
	}
}
