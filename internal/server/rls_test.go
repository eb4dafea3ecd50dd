package server_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/servertest"
)

// TestPoliciesAreLookedAt by the doctor, and by a server that starts.
func TestPoliciesAreLookedAt(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	servertest.On(t, db).Stop()
	const past = "Where:public.past Detail:The view reads as its owner"
	if text := fmt.Sprintf("%+v", diagnose(t, db)); strings.Contains(text, past) || !strings.Contains(text, "Nothing wrong with them") {
		t.Errorf("nothing is wrong: %s", text)
	}
	db.Exec(t, "create table public.t (id int); alter table public.t enable row level security; create view public.past as select * from public.t")
	if text := fmt.Sprintf("%+v", diagnose(t, db)); !strings.Contains(text, past) || !strings.Contains(text, "alter view public.past set (security_invoker = true);") {
		t.Error(text)
	}
	s := servertest.On(t, db)
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(s.LogText(), "views_past_policies=[public.past]"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the server has not said it")
		}
	}
}

// TestTestsAreForDevelopment: their setup runs as the owner of the database.
func TestTestsAreForDevelopment(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	const body = `{"tests":[{"name":"a","as":"anonymous","sql":"select 1"}]}`
	if a := s.Do("POST", "/api/v1/admin/rls/test", s.ServiceKey, body); a.Status != 200 {
		t.Errorf("in development: %d %s", a.Status, a.Body)
	}
	staging := servertest.On(t, s.DB, servertest.With("environment", "staging"), servertest.With("public_url", "https://app.example.com"))
	if a := staging.Do("POST", "/api/v1/admin/rls/test", s.ServiceKey, body); a.Status != 404 {
		t.Errorf("in staging: %d %s", a.Status, a.Body)
	}
	if a := staging.Do("POST", "/api/v1/admin/rls/explain", s.ServiceKey, `{"as":"anonymous","sql":"select 1"}`); a.Status != 200 {
		t.Errorf("explained in staging: %d %s", a.Status, a.Body)
	}
}
