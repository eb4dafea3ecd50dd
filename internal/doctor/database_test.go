package doctor_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/doctor"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/telemetry"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// asAdmin runs statements as a superuser of the cluster.
func asAdmin(t *testing.T, db *pgtest.Database, statements ...string) {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), db.AdminURL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	for _, s := range statements {
		if _, err := conn.Exec(context.Background(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// about returns the findings that name something.
func about(found []telemetry.Finding, where string) []telemetry.Finding {
	var some []telemetry.Finding
	for _, f := range found {
		if strings.Contains(f.Where, where) {
			some = append(some, f)
		}
	}
	return some
}

// only returns the one finding about something, with its severity and a piece of
// its fix.
func only(t *testing.T, found []telemetry.Finding, where string, severity telemetry.Severity, fix string) {
	t.Helper()
	some := about(found, where)
	if len(some) != 1 || some[0].Severity != severity || !strings.Contains(some[0].Fix, fix) || some[0].Detail == "" {
		t.Errorf("%s: %+v of %+v", where, some, found)
	}
}

// TestRoles: the cluster is that of other tests, too, so the names are ours.
func TestRoles(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	roles := func(but ...string) []telemetry.Finding {
		t.Helper()
		found, err := doctor.Roles(t.Context(), db.Single(), append(but, "fluxbase_service")...)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	if found := roles(); len(found) > 0 {
		t.Errorf("control: %+v", found)
	}
	asAdmin(t, db, `create role "doctor becomes" login`, `grant service_role to "doctor becomes"`, `create role doctor_passes login bypassrls`,
		`create role doctor_cannot nologin bypassrls`, `create role doctor_plain login`)
	t.Cleanup(func() {
		asAdmin(t, db, `drop role "doctor becomes"`, `drop role doctor_passes`, `drop role doctor_cannot`, `drop role doctor_plain`)
	})
	found := roles()
	only(t, found, "doctor becomes", telemetry.Problem, `revoke service_role from "doctor becomes";`)
	only(t, found, "doctor_passes", telemetry.Warning, `alter role "doctor_passes" nobypassrls;`)
	if len(found) != 2 {
		t.Errorf("%+v", found)
	}
	if found := about(roles("doctor becomes"), "doctor becomes"); len(found) > 0 {
		t.Errorf("the login of service traffic: %+v", found)
	}
	asAdmin(t, db, found[0].Fix)
	if found := about(roles(), "doctor becomes"); len(found) > 0 {
		t.Errorf("after its fix: %+v", found)
	}
	admin, err := pgx.Connect(t.Context(), db.AdminURL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = admin.Close(context.Background()) }()
	found, err = doctor.Roles(t.Context(), admin)
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 || !strings.Contains(fmt.Sprint(found), "logs in as a superuser") {
		t.Errorf("a server that is a superuser: %+v", found)
	}
}

// TestSettings changes them for its own database alone.
func TestSettings(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	settings := func(now time.Time, needs doctor.Needs) []telemetry.Finding {
		t.Helper()
		conn, err := pgx.Connect(t.Context(), db.OwnerURL) // a new one has new settings
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close(context.Background()) }()
		found, err := doctor.Settings(t.Context(), conn, now, needs)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	whole := settings(now, doctor.Needs{Connections: 10})
	for _, f := range whole { // a cluster for tests is quick, and not safe
		if !strings.HasPrefix(f.Where, "fsync") && !strings.HasPrefix(f.Where, "full_page_writes") {
			t.Errorf("control: %+v", f)
		}
	}
	if found := settings(now, doctor.Needs{Development: true}); len(found) > 0 {
		t.Errorf("development: %+v", found)
	}
	asAdmin(t, db, fmt.Sprintf(`alter database %s set password_encryption = 'md5'`, db.Name), fmt.Sprintf(`alter database %s set row_security = off`, db.Name),
		fmt.Sprintf(`alter database %s set log_statement = 'all'`, db.Name), fmt.Sprintf(`alter database %s set zero_damaged_pages = on`, db.Name))
	found := settings(now, doctor.Needs{Connections: 100_000})
	only(t, found, "password_encryption", telemetry.Warning, "alter system set password_encryption = 'scram-sha-256'")
	only(t, found, "row_security", telemetry.Problem, "alter system set row_security = 'on'")
	only(t, found, "log_statement", telemetry.Note, "alter system")
	only(t, found, "zero_damaged_pages", telemetry.Problem, "alter system")
	only(t, found, "max_connections", telemetry.Warning, "alter system set max_connections = 1000")
	only(t, settings(now.AddDate(30, 0, 0), doctor.Needs{}), "PostgreSQL ", telemetry.Warning, "pg_upgrade")
}

func TestStorageOfARealCluster(t *testing.T) {
	t.Parallel()
	found, err := doctor.Storage(t.Context(), pgtest.New(t).Single())
	if err != nil || len(found) > 0 {
		t.Errorf("%+v %v", found, err)
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	now := time.Now()
	keys := func(at time.Time, development bool) []telemetry.Finding {
		t.Helper()
		found, err := doctor.Keys(t.Context(), db.Single(), at, development)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	add := func(name string) {
		db.Exec(t, `insert into auth.api_keys (id, kind, name, prefix, digest) values (gen_random_uuid(), 'service', $1, 'fb_service_x', sha256(convert_to($1, 'UTF8')))`, name)
	}
	add("backend")
	if found := keys(now, false); len(found) > 0 {
		t.Errorf("control: %+v", found)
	}
	add(doctor.DevelopmentName)
	only(t, keys(now, false), "(development)", telemetry.Problem, "fluxbase-cli keys revoke ")
	if found := keys(now, true); len(found) > 0 {
		t.Errorf("in development: %+v", found)
	}
	db.Exec(t, `update auth.api_keys set revoked_at = now() where name = 'development'`)
	if found := keys(now, false); len(found) > 0 {
		t.Errorf("revoked: %+v", found)
	}
	db.Exec(t, `alter table auth.api_keys add column if not exists last_used_at timestamptz, add column if not exists expires_at timestamptz`)
	if found := keys(now, false); len(found) > 0 {
		t.Errorf("new: %+v", found)
	}
	only(t, keys(now.AddDate(0, 0, 31), false), "(backend)", telemetry.Note, "keys revoke")
	db.Exec(t, `update auth.api_keys set last_used_at = now() where name = 'backend'`)
	if found := keys(now.AddDate(0, 0, 31), false); len(found) > 0 {
		t.Errorf("used: %+v", found)
	}
	db.Exec(t, `update auth.api_keys set expires_at = now() + interval '10 days' where name = 'backend'`)
	only(t, keys(now, false), "(backend)", telemetry.Warning, "Make another one")
	if found := keys(now.AddDate(0, 0, 11), false); len(found) > 0 {
		t.Errorf("ended: %+v", found)
	}
	db.Exec(t, `update auth.encryption_keys set activated_at = now() - interval '500 days' where state = 'active'`)
	only(t, keys(now, false), "encryption key version 1", telemetry.Note, "fluxbase-cli secrets rotate")
}

func TestOneAddress(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	look := func() []telemetry.Finding {
		t.Helper()
		found, err := doctor.OneAddress(t.Context(), db.Single(), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	if found := look(); len(found) > 0 {
		t.Errorf("nobody: %+v", found)
	}
	db.Exec(t, `insert into auth.users (id, email) select gen_random_uuid(), 'person' || n || '@example.com' from generate_series(1, 6) n`)
	db.Exec(t, `insert into auth.sessions (id, user_id, expires_at, aal, amr, ip)
		select gen_random_uuid(), u.id, now() + interval '1 day', 'aal1', '{pwd}', '10.0.0.7' from auth.users u, generate_series(1, 4)`)
	only(t, look(), "server.trusted_proxies", telemetry.Warning, "FLUXBASE_SERVER_TRUSTED_PROXIES=10.0.0.7/32")
	db.Exec(t, `update auth.sessions set ip = '192.0.2.9' where id = (select id from auth.sessions limit 1)`)
	if found := look(); len(found) > 0 {
		t.Errorf("two addresses: %+v", found)
	}
	db.Exec(t, `update auth.sessions set ip = '10.0.0.7'; update auth.sessions set user_id = (select id from auth.users limit 1)`)
	if found := look(); len(found) > 0 {
		t.Errorf("one person: %+v", found)
	}
}

// TestPooler has no pooler here; that of the server's tests has one.
func TestPooler(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	for _, configured := range []bool{false, true} {
		if found, err := doctor.Pooler(t.Context(), db.OwnerURL, configured); err != nil || len(found) > 0 {
			t.Errorf("%v: %+v %v", configured, found, err)
		}
	}
}

func TestDatabaseClock(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	for ahead, want := range map[time.Duration]bool{0: false, time.Hour: true, -time.Hour: true} {
		r, err := doctor.DatabaseClock(t.Context(), db.Single(), func() time.Time { return time.Now().Add(ahead) })
		if err != nil {
			t.Fatal(err)
		}
		if found := doctor.Clocks(r, nil); (len(found) > 0) != want {
			t.Errorf("%s: %+v", ahead, found)
		}
	}
}

// TestInstallation: it is the same for everybody who works on a database, and
// another one for each.
func TestInstallation(t *testing.T) {
	t.Parallel()
	of := func(db *pgtest.Database) string {
		t.Helper()
		text, err := doctor.Installation(t.Context(), db.Single())
		if err != nil || len(text) != 32 {
			t.Fatalf("%q %v", text, err)
		}
		return text
	}
	one, other := pgtest.New(t), pgtest.New(t)
	first, again, second := of(one), of(one), of(other)
	if first != again || first == second {
		t.Errorf("%s %s %s", first, again, second)
	}
}
