package transfer_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/fluxbase/fluxbase/internal/admin/transfer"
	"github.com/fluxbase/fluxbase/internal/servertest"
)

const media = "application/x-ndjson"

// TestOverHTTP moves more than a body of other routes may have, both ways, and
// signs in with what came along.
func TestOverHTTP(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, servertest.With("server.max_body_size", "4096"))
	post := func(query, body string, fields ...string) servertest.Answer {
		t.Helper()
		return s.Do("POST", "/api/v1/admin/users/import"+query, s.ServiceKey, body, append(fields, "Content-Type", media)...)
	}
	var lines strings.Builder
	for i := range 700 {
		fmt.Fprintf(&lines, `{"email":"p%d@example.com","email_verified":true,"password_digest":"%s"}`+"\n", i, digestOf(t))
	}
	var r transfer.Report
	post("?dry_run=true", lines.String()).JSON(t, &r)
	if r.Lines != 700 || r.Created != 700 || !r.DryRun {
		t.Errorf("%+v", r)
	}
	a := post("", lines.String())
	a.JSON(t, &r)
	if a.Status != 200 || r.Created != 700 || r.DryRun || r.Errors == nil {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if a := s.Do("POST", "/api/v1/auth/signin", "", `{"email":"p699@example.com","password":"password-elsewhere"}`); a.Status != 200 {
		t.Errorf("sign-in: %d %s", a.Status, a.Body)
	}
	export := s.Do("GET", "/api/v1/admin/users/export?include=credentials", s.ServiceKey, "")
	if export.Status != 200 || export.Header.Get("Content-Type") != media || strings.Count(export.Body, "\n") != 700 || strings.Count(export.Body, `"$2a$`) != 700 {
		t.Errorf("%d %v, %d lines", export.Status, export.Header, strings.Count(export.Body, "\n"))
	}
	if post("?on_conflict=skip", export.Body).JSON(t, &r); r.Skipped != 700 || r.Failed != 0 {
		t.Errorf("%+v", r)
	}
	for query, code := range map[string]string{
		"?on_conflict=replace": "invalid_on_conflict", "?on_conflict=": "invalid_on_conflict", "?dry_run=": "invalid_dry_run", "?dry_run=1": "invalid_dry_run",
		"?dryrun=true": "unknown_parameter", "?on_conflict=skip&on_conflict=update": "invalid_on_conflict",
		"?on_conflict=update&unproven=": "invalid_unproven", "?unproven=all": "invalid_unproven", "?unproven=keep&unproven=reset": "invalid_unproven",
	} {
		if a := post(query, `{"email":"never@example.com"}`); a.Status != 400 || a.Code() != code {
			t.Errorf("%s: %d %s", query, a.Status, a.Body)
		}
	}
	if a := s.Do("POST", "/api/v1/admin/users/import", s.ServiceKey, `{"email":"never@example.com"}`); a.Status != http.StatusUnsupportedMediaType {
		t.Errorf("as JSON: %d %s", a.Status, a.Body)
	}
	for _, query := range []string{"?include=", "?include=all", "?credentials=true"} {
		if a := s.Do("GET", "/api/v1/admin/users/export"+query, s.ServiceKey, ""); a.Status != 400 {
			t.Errorf("%s: %d", query, a.Status)
		}
	}
	if a := s.Do("GET", "/api/v1/admin/users?email=never@example.com", s.ServiceKey, ""); !strings.Contains(a.Body, `"items":[]`) {
		t.Errorf("%s", a.Body)
	}
}

// TestExportOfNobody is an empty answer of lines, and no problem.
func TestExportOfNobody(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	if a := s.Do("GET", "/api/v1/admin/users/export", s.ServiceKey, ""); a.Status != 200 || a.Body != "" || a.Header.Get("Content-Type") != media {
		t.Errorf("%d %v %s", a.Status, a.Header, a.Body)
	}
	s.DB.Exec(t, `alter table auth.users rename to gone`)
	if a := s.Do("GET", "/api/v1/admin/users/export", s.ServiceKey, ""); a.Status < 400 || a.Code() == "" {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

// TestUsedCodeStaysUsed moves a factor to another server: a code that was used
// at the first opens nothing at the second.
func TestUsedCodeStaysUsed(t *testing.T) {
	t.Parallel()
	const users = "/api/v1/admin/users"
	from, to := servertest.New(t), servertest.New(t)
	line := `{"email":"a@example.com","factors":[{"type":"totp","secret":"JBSWY3DPEHPK3PXP","last_used_step":59000000}]}`
	from.Do("POST", users+"/import", from.ServiceKey, line, "Content-Type", media)
	export := from.Do("GET", users+"/export?include=credentials", from.ServiceKey, "")
	if a := to.Do("POST", users+"/import", to.ServiceKey, export.Body, "Content-Type", media); !strings.Contains(a.Body, `"created":1`) {
		t.Fatalf("%d %s, of %s", a.Status, a.Body, export.Body)
	}
	for _, s := range []*servertest.Server{from, to} {
		var step int64
		if s.DB.Scan(t, `select last_used_step from auth.totp_factors`, nil, &step); step != 59000000 {
			t.Errorf("%d", step)
		}
	}
}
