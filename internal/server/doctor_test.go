package server_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/fluxbase/fluxbase/internal/mail/mailtest"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/server"
	"github.com/fluxbase/fluxbase/internal/servertest"
	"github.com/fluxbase/fluxbase/internal/telemetry"
)

// looked is what the doctor finds with the configuration of a server, network
// and all.
func looked(t *testing.T, db *pgtest.Database, options ...servertest.Option) []telemetry.Finding {
	t.Helper()
	return server.Diagnose(t.Context(), servertest.Config(t, db, options...), db.OwnerURL, false)
}

// bad returns the findings that are more than a note.
func bad(found []telemetry.Finding) string {
	var all []string
	for _, f := range found {
		if f.Severity == telemetry.Warning || f.Severity == telemetry.Problem {
			all = append(all, fmt.Sprintf("%s %s at %s: %s (%s) see %s", f.Severity, f.Subject, f.Where, f.Detail, f.Fix, f.Docs))
		}
	}
	return strings.Join(all, "\n")
}

// TestDoctorIsSilent about an installation that is whole, down to its mail
// server, and looks at everything that the page of documentation names.
func TestDoctorIsSilent(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	s.SignUp()
	post := mailtest.New(t, mailtest.Options{Security: mailtest.StartTLS, User: "fluxbase", Password: "hunter2"})
	mail := []servertest.Option{
		servertest.With("mail.from", "a@example.com"), servertest.With("mail.smtp.host", post.Host), servertest.With("mail.smtp.port", fmt.Sprint(post.Port)),
		servertest.With("mail.smtp.username", "fluxbase"), servertest.With("mail.smtp.ca_file", post.CAFile), servertest.With("public_url", s.URL),
	}
	found := looked(t, s.DB, append(mail, servertest.With("mail.smtp.password", "hunter2"))...)
	if text := bad(found); text != "" {
		t.Error(text)
	}
	page, err := os.ReadFile(filepath.Join(pgtest.Root(), "docs", "operations", "doctor.md"))
	if err != nil {
		t.Fatal(err)
	}
	var subjects []string
	for _, f := range found {
		subjects = append(subjects, f.Subject)
		if _, anchor, ok := strings.Cut(f.Docs, "docs/operations/doctor.md#"); !ok || !regexp.MustCompile(`(?mi)^## `+strings.ReplaceAll(anchor, "-", " ")+`$`).Match(page) {
			t.Errorf("%s leads to no section of the page", f.Docs)
		}
	}
	for _, want := range []string{
		"configuration", "database", "schema", "encryption keys", "keys", "mail", "rate limits", "roles", "PostgreSQL", "pooler", "storage", "audit log", "policies", "public URL", "mail server",
	} {
		if !strings.Contains(strings.Join(subjects, ","), want) {
			t.Errorf("nothing is said of %s: %v", want, subjects)
		}
	}

	text := bad(looked(t, s.DB, append(mail, servertest.With("mail.smtp.password", "hunter3"))...))
	if !strings.HasPrefix(text, "error mail server at 127.0.0.1: authenticating: ") || strings.Contains(text, "hunter") || strings.Contains(text, "\n") {
		t.Errorf("a wrong password: %s", text)
	}
	if post.LogIns.Load() != 2 || post.Submitted.Load() != 0 {
		t.Errorf("%d log-ins, %d messages", post.LogIns.Load(), post.Submitted.Load())
	}
}

// TestDoctorKnowsItsServer: one on another database answers 200 as well.
func TestDoctorKnowsItsServer(t *testing.T) {
	t.Parallel()
	s, other := servertest.New(t), servertest.New(t)
	if text := bad(looked(t, s.DB, servertest.With("public_url", s.URL))); text != "" {
		t.Errorf("control: %s", text)
	}
	if text := bad(looked(t, s.DB, servertest.With("public_url", other.URL))); !strings.Contains(text, "error public URL at "+other.URL+": Another installation") {
		t.Error(text)
	}
	other.Stop()
	if text := bad(looked(t, s.DB, servertest.With("public_url", other.URL))); !strings.Contains(text, "error public URL at "+other.URL+": Nobody answers") {
		t.Error(text)
	}
	if text := bad(server.Diagnose(t.Context(), servertest.Config(t, s.DB, servertest.With("public_url", other.URL)), s.DB.OwnerURL, true)); text != "" {
		t.Errorf("offline: %s", text)
	}
}

// TestDoctorMeetsAPooler that the configuration does not know of.
func TestDoctorMeetsAPooler(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	servertest.On(t, db).Stop()
	behind := behindPgBouncer(t, db)
	for mode, want := range map[string]string{"none": "error pooler at database.pooler: A pooler in transaction mode", "transaction": ""} {
		text := bad(server.Diagnose(t.Context(), servertest.Config(t, behind, servertest.With("database.pooler", mode)), behind.OwnerURL, true))
		if (text == "") != (want == "") || !strings.Contains(text, want) {
			t.Errorf("%s: %s", mode, text)
		}
	}
}

// TestDoctorReadsTheAuditLog, of which a record was changed by somebody who may.
func TestDoctorReadsTheAuditLog(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	s.SignUp()
	await(t, "the record is sealed", func() bool {
		var n int
		s.DB.Scan(t, `select count(*) from auth.audit_seals`, nil, &n)
		return n > 0
	})
	if text := bad(diagnose(t, s.DB)); text != "" {
		t.Errorf("control: %s", text)
	}
	s.Stop()
	s.DB.Exec(t, `alter table auth.audit_log disable trigger all`)
	s.DB.Exec(t, `do $$ declare part text; begin
		for part in select inhrelid::regclass::text from pg_inherits where inhparent = 'auth.audit_log'::regclass loop
			execute format('alter table %s disable trigger user', part);
			execute format('update %s set outcome = ''failure''', part);
		end loop; end $$`)
	if text := bad(diagnose(t, s.DB)); !strings.Contains(text, "error audit log at seal 1: The log is not what was sealed") {
		t.Error(text)
	}
}

// TestDoctorWithoutASchema, and without a database, says so and looks no further.
func TestDoctorWithoutASchema(t *testing.T) {
	t.Parallel()
	url, _ := pgtest.Empty(t)
	db := &pgtest.Database{OwnerURL: url}
	if text := bad(diagnose(t, db)); !strings.HasPrefix(text, "warning schema") || strings.Contains(text, "\n") {
		t.Error(text)
	}
	db.OwnerURL = "postgres://owner:hunter2@127.0.0.1:1/app"
	text := bad(diagnose(t, db))
	if !strings.HasPrefix(text, "error database at database.url: No PostgreSQL listens") || strings.Contains(text, "hunter2") || strings.Contains(text, "\n") {
		t.Error(text)
	}
}

// TestDoctorOutsideDevelopment finds what development leaves open.
func TestDoctorOutsideDevelopment(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	servertest.On(t, db).Stop()
	db.Exec(t, `insert into auth.api_keys (id, kind, name, prefix, digest) values (gen_random_uuid(), 'service', 'development', 'fb_service_x', sha256('x'))`)
	options := []servertest.Option{
		servertest.With("environment", "production"), servertest.With("public_url", "https://api.example.com"), servertest.With("auth.bcrypt_cost", "10"),
		servertest.With("server.admin_address", ":9090"), servertest.With("data.plan_enabled", "true"),
	}
	err := startOn(t, db, options...)
	if err == nil || !strings.Contains(err.Error(), "fluxbase dev has made and printed") {
		t.Errorf("production starts with development keys: %v", err)
	}
	if err := startOn(t, db); err != nil {
		t.Errorf("control: development does not: %v", err)
	}
	text := bad(server.Diagnose(t.Context(), servertest.Config(t, db, options...), db.OwnerURL, true))
	for _, want := range []string{
		"error configuration at flag: server.admin_address: It is every interface", "warning configuration at flag: data.plan_enabled: ", "(development): fluxbase dev has made it",
		"warning rate limits", "warning mail ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	db.Exec(t, `update auth.api_keys set revoked_at = now()`)
	if err := startOn(t, db, options...); err != nil {
		t.Errorf("production does not start without them: %v", err)
	}
}
