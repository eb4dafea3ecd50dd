package audit_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// TestAppendOnly tries as each role of the server to change what is recorded.
// The owner may add; nobody may take away.
func TestAppendOnly(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	l.write(3)
	l.seal()
	month := "auth.audit_log_"
	var suffix string
	l.db.Scan(t, `select to_char(now() at time zone 'UTC', 'YYYY_MM')`, nil, &suffix)
	month += suffix

	var attempts []string
	for _, table := range []string{"auth.audit_log", month, "auth.audit_log_default", "auth.audit_seals"} {
		column := "action = 'x'"
		if table == "auth.audit_seals" {
			column = "records = 0"
		}
		attempts = append(attempts, "update "+table+" set "+column, "delete from "+table, "truncate "+table)
	}
	attempts = append(attempts, `merge into `+month+` t using (select 1) s on true when matched then delete`)
	for _, role := range []struct {
		name, url, become string
	}{
		{"owner", l.db.OwnerURL, ""},
		{"anonymous", l.db.UserURL, "anonymous"},
		{"authenticated", l.db.UserURL, "authenticated"},
		{"service_role", l.db.ServiceURL, "service_role"},
		{"the login of users", l.db.UserURL, ""},
		{"the login of services", l.db.ServiceURL, ""},
	} {
		conn := connect(t, role.url)
		if role.become != "" {
			if _, err := conn.Exec(t.Context(), "set role "+role.become); err != nil {
				t.Fatal(err)
			}
		}
		for _, sql := range attempts {
			_, err := conn.Exec(t.Context(), sql)
			refused, ok := err.(*pgconn.PgError) //nolint:errorlint // it comes from the driver itself
			switch {
			case !ok || refused.Code != "42501":
				t.Errorf("%s: %s: %v; want 42501", role.name, sql, err)
			case role.name == "owner" && !strings.Contains(refused.Message, "append-only"):
				t.Errorf("%s: %s: %v", role.name, sql, err)
			}
		}
		_, err := conn.Exec(t.Context(), `insert into auth.audit_log (action, outcome, actor_kind) values ('user.signed_in', 'success', 'system')`)
		if (role.name == "owner") != (err == nil) {
			t.Errorf("%s: adding a record: %v", role.name, err)
		}
	}
	l.seal()
	l.intact(4)
	l.tamper("delete from auth.audit_log") // the control: it is the triggers that refuse it
	if n := l.number(`select count(*) from auth.audit_log`); n != 0 {
		t.Errorf("%d records", n)
	}
}
