package postgres_test

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// TestLoginsCannotRise tries to leave the cage on connections of the logins
// themselves, with all of SQL at hand.
func TestLoginsCannotRise(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	script(t, d, guarded+"; insert into notes values (1, null, 'secret')")
	urls := map[string]string{"user": d.UserURL, "service": d.ServiceURL}
	tests := []struct{ login, sql string }{
		{"user", "set role service_role"},
		{"user", "set role fluxbase"},
		{"user", "set role fluxbase_service"},
		{"user", "set role postgres"},
		{"user", "set local role service_role"},
		{"user", "select set_config('role', 'service_role', true)"},
		{"user", "select set_config('role', 'service_role', false)"},
		{"user", "select set_config('role', 'fluxbase', true)"},
		{"user", "set session authorization service_role"},
		{"user", "set session authorization fluxbase"},
		{"user", "set role authenticated; set role service_role"},
		{"user", "grant service_role to fluxbase_user"},
		{"user", "grant service_role to authenticated"},
		{"user", "alter role fluxbase_user superuser"},
		{"user", "alter role authenticated bypassrls"},
		{"user", "alter role fluxbase_service password 'known'"},
		{"user", "create role mine"},
		{"user", "set row_security = off; set role authenticated; select body from notes"},
		{"user", "set session_replication_role = replica"},
		{"user", "create schema mine"},
		{"user", "create table public.mine (id int)"},
		{"user", "set role authenticated; create table public.mine (id int)"},
		{"user", "set role authenticated; create function public.mine() returns int language sql as 'select 1'"},
		{"user", "set role authenticated; truncate notes"},
		{"user", "set role authenticated; alter table notes disable row level security"},
		{"user", "set role authenticated; drop policy own on notes"},
		{"user", "select body from notes"}, // inherits nothing
		{"user", "select * from auth.users"},
		{"user", "set role authenticated; select digest from auth.passwords"},
		{"user", "set role authenticated; select * from auth.user_documents"},
		{"user", "set role authenticated; insert into auth.revocations (kind, subject) values ('session', gen_random_uuid())"},
		{"user", "set role authenticated; select * from auth.server_migrations"},
		{"user", "set role authenticated; copy notes to '/tmp/notes'"},
		{"user", "set role authenticated; select pg_read_file('/etc/passwd')"},
		{"service", "set role fluxbase"},
		{"service", "set role authenticated"},
		{"service", "set role fluxbase_user"},
		{"service", "set role postgres"},
		{"service", "select set_config('role', 'fluxbase', false)"},
		{"service", "set session authorization fluxbase"},
		{"service", "select body from notes"}, // inherits nothing
		{"service", "set role service_role; set role fluxbase"},
		{"service", "set role service_role; select digest from auth.passwords"},
		{"service", "set role service_role; select * from auth.sealed_values"},
		{"service", "set role service_role; truncate notes"},
		{"service", "set role service_role; alter table notes disable row level security"},
	}
	for _, tt := range tests {
		t.Run(tt.login+": "+tt.sql, func(t *testing.T) {
			t.Parallel()
			conn := connect(t, urls[tt.login])
			_, err := conn.PgConn().Exec(t.Context(), tt.sql).ReadAll()
			report := postgres.Report(err)
			if report == nil || report.State != "42501" && report.State != "22023" { // not permitted; or not possible for anybody
				t.Errorf("not refused: %v", err)
			}
		})
	}
}

// TestLoginsCanWork is the control of TestLoginsCannotRise.
func TestLoginsCanWork(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	script(t, d, guarded+"; insert into notes values (1, null, 'secret')")
	for sql, url := range map[string]string{
		"set role anonymous; select count(*) from notes":                              d.UserURL,
		"set role authenticated; select count(*) from notes":                          d.UserURL,
		"set role authenticated; reset role; set role anonymous; select auth.uid()":   d.UserURL,
		"set role service_role; select 1 / count(*) from notes where body = 'secret'": d.ServiceURL,
	} {
		if _, err := connect(t, url).PgConn().Exec(t.Context(), sql).ReadAll(); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
	conn := connect(t, d.UserURL)
	if _, err := conn.Exec(t.Context(), "set role authenticated"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "reset role"); err != nil {
		t.Fatal(err)
	}
	var body string
	refused(t, "after reset role", conn.QueryRow(t.Context(), "select body from notes").Scan(&body), "42501")
}

// TestServersTablesAreOutOfReach asks PostgreSQL for every privilege of every
// role of API traffic on everything in the server's own schemas.
func TestServersTablesAreOutOfReach(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	script(t, d, guarded)
	const granted = `
		select r.rolname || ' may ' || p.privilege || ' ' || n.nspname || '.' || c.relname
		from unnest(array['anonymous', 'authenticated', 'service_role', 'fluxbase_user', 'fluxbase_service', 'public']) r (rolname),
			unnest(array['select', 'insert', 'update', 'delete', 'truncate', 'references', 'trigger']) p (privilege),
			pg_class c join pg_namespace n on n.oid = c.relnamespace
		where n.nspname = any($1) and c.relkind in ('r', 'p', 'v', 'm', 'f')
			and (has_table_privilege(r.rolname, c.oid, p.privilege)
				or p.privilege in ('select', 'insert', 'update', 'references') and has_any_column_privilege(r.rolname, c.oid, p.privilege))
		union all
		select r.rolname || ' may use ' || n.nspname || '.' || c.relname
		from unnest(array['anonymous', 'authenticated', 'service_role', 'fluxbase_user', 'fluxbase_service', 'public']) r (rolname),
			pg_class c join pg_namespace n on n.oid = c.relnamespace
		where n.nspname = any($1) and c.relkind = 'S' and has_sequence_privilege(r.rolname, c.oid, 'usage, select, update')
		union all
		select r.rolname || ' may call ' || p.proname
		from unnest(array['anonymous', 'authenticated', 'service_role', 'fluxbase_user', 'fluxbase_service', 'public']) r (rolname),
			pg_proc p join pg_namespace n on n.oid = p.pronamespace
		where n.nspname = any($1) and (p.prosecdef or p.prorettype = 'trigger'::regtype) and has_function_privilege(r.rolname, p.oid, 'execute')
		union all
		select r.rolname || ' may create in ' || n.nspname
		from unnest(array['anonymous', 'authenticated', 'service_role', 'fluxbase_user', 'fluxbase_service', 'public']) r (rolname), pg_namespace n
		where n.nspname = any($1 || '{public}') and has_schema_privilege(r.rolname, n.oid, 'create')`
	list := func(schemas ...string) []string {
		rows, err := d.Single().Query(t.Context(), granted, schemas)
		if err != nil {
			t.Fatal(err)
		}
		found, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	for _, grant := range list("auth") {
		t.Error(grant)
	}
	if found := list("public"); len(found) != 12 { // four for each of the three roles, and nobody may truncate
		t.Errorf("on a table of the project: %q", found)
	}
	var tables int
	d.Scan(t, `select count(*) from pg_class c where c.relnamespace = 'auth'::regnamespace and c.relkind in ('r', 'v')
		and has_table_privilege(current_user, c.oid, 'select')`, nil, &tables)
	if tables < 8 {
		t.Errorf("the owner sees %d tables; the search is broken", tables)
	}
}

// TestLoginsThatCanDoMore: a door is not opened with a login that could leave
// its cage, whatever the configuration says.
func TestLoginsThatCanDoMore(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	for name, tt := range map[string]struct{ user, service, want string }{
		"the owner for people":     {d.OwnerURL, d.ServiceURL, "fluxbase"},
		"the owner for services":   {d.UserURL, d.OwnerURL, "fluxbase"},
		"an administrator":         {d.AdminURL, d.ServiceURL, "superuser"},
		"a service for people":     {d.ServiceURL, d.ServiceURL, "fluxbase_service"},
		"people's for the service": {d.UserURL, d.UserURL, "fluxbase_user"},
	} {
		db, err := postgres.Open(t.Context(), postgres.Config{OwnerURL: d.OwnerURL, MaxConns: 1})
		if err != nil {
			t.Fatal(err)
		}
		if err := db.OpenRoles(t.Context(), tt.user, tt.service); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want it to name %s", name, err, tt.want)
		}
		db.Close()
	}
}

// TestPlansSurviveRoles: a plan that was made for one caller holds the policies
// of the next one, on the same connection.
func TestPlansSurviveRoles(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	script(t, d, guarded)
	db := open(t, d, time.Second)
	a, b := alice(), alice()
	for range 12 { // past the point where PostgreSQL keeps one plan for all
		if err := run(t.Context(), db, a, postgres.Statement{SQL: "insert into notes select count(*) from notes"}); err != nil {
			// the count is of one's own rows
			t.Fatal(err)
		}
		if row := as(t, db, b, "select count(*)::text from notes"); row[0] != "0" {
			t.Fatalf("somebody else sees %s rows", row[0])
		}
	}
	if row := as(t, db, a, "select count(*)::text from notes"); row[0] != "12" {
		t.Errorf("one's own are %s", row[0])
	}
}
