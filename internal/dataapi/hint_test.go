package dataapi_test

import (
	"testing"

	"github.com/fluxbase/fluxbase/internal/servertest"
)

// TestRefusalsSayWhy: in development a refused write names the table and the kind
// of policy; elsewhere it does not.
func TestRefusalsSayWhy(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	s.DB.Exec(t, `create table public."my ""todos" (id int primary key, owner uuid default auth.uid());
		alter table public."my ""todos" enable row level security;
		create policy own on public."my ""todos" to authenticated using (owner = (select auth.uid()));
		create policy "small ones" on public."my ""todos" as restrictive to authenticated with check (id < 100);
		create table public.shut (id int); alter table public.shut enable row level security; revoke all on public.shut from authenticated`)
	quiet := servertest.On(t, s.DB, servertest.With("environment", "staging"), servertest.With("public_url", "https://app.example.com"))
	p := s.SignUp()
	for body, want := range map[string]string{
		`{"id":1,"owner":"00000000-0000-7000-8000-000000000000"}`: `No permissive policy of table my "todos lets authenticated write this row (WITH CHECK). See: fluxbase-cli rls explain --as USER "..."`,
		`{"id":100}`: `A restrictive policy of table my "todos does not let authenticated write this row. See: fluxbase-cli rls explain --as USER "..."`,
	} {
		if got := hint(t, s.Do("POST", "/api/v1/tables/my%20%22todos", p.Access, body)); got != want {
			t.Errorf("%s: %q", body, got)
		}
		if got := hint(t, quiet.Do("POST", "/api/v1/tables/my%20%22todos", p.Access, body)); got != "" {
			t.Errorf("%s: outside development %q", body, got)
		}
	}
	const grant = `No policy decided: the role authenticated has no grant on table shut that this needs. See: fluxbase-cli rls explain --as USER "..."`
	if got := hint(t, s.Do("GET", "/api/v1/tables/shut", p.Access, "")); got != grant {
		t.Errorf("%q", got)
	}
	if a := s.Do("POST", "/api/v1/tables/my%20%22todos", p.Access, `{"id":1}`); a.Status != 201 {
		t.Errorf("one's own row: %d %s", a.Status, a.Body)
	}
}

func hint(t *testing.T, a servertest.Answer) string {
	t.Helper()
	var refused struct{ Code, Hint string }
	a.JSON(t, &refused)
	if a.Status != 403 || refused.Code != "42501" {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	return refused.Hint
}
