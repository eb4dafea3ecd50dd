package apikey_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/servertest"
)

// schema has a table whose rows belong to users, one that belongs to keys, and
// functions.
const schema = `
create table todos (id bigint generated always as identity primary key, owner uuid not null default auth.uid(), title text not null, key uuid default auth.api_key_id());
alter table todos enable row level security;
create policy own on todos using (owner = (select auth.uid()));
create table notes (id bigint generated always as identity primary key, todo_id bigint references todos, body text);
alter table notes enable row level security;
create policy own on notes using (exists (select from todos where todos.id = todo_id));
create table people_only (id bigint generated always as identity primary key, owner uuid not null default auth.uid());
alter table people_only enable row level security;
create policy own on people_only using (owner = (select auth.uid()) and (select auth.api_key_id()) is null);
create function mine() returns setof todos stable language sql as 'select * from todos';
create function who() returns json stable language sql as
	'select json_build_object(''user'', auth.uid(), ''role'', auth.role(), ''email'', auth.email(), ''session'', auth.session_id(), ''key'', auth.api_key_id(), ''claims'', auth.jwt())';
create function leave_behind() returns text language sql as 'select set_config(''app.api_key_id'', ''00000000-0000-7000-8000-000000000001'', false)';
`

// house is a server on a database with the schema.
func house(t *testing.T, options ...servertest.Option) *servertest.Server {
	t.Helper()
	db := pgtest.New(t)
	db.Exec(t, schema)
	return servertest.On(t, db, options...)
}

// apiKey is an API key of somebody.
type apiKey struct {
	ID, Key, Name, Prefix string
	ExpiresAt             *time.Time `json:"expires_at"`
	LastUsedAt            *time.Time `json:"last_used_at"`
	Scopes                []string
}

func makeKey(t *testing.T, s *servertest.Server, p servertest.Person, body string) apiKey {
	t.Helper()
	a := s.Do("POST", "/api/v1/auth/api-keys", p.Access, body)
	if a.Status != 201 {
		t.Fatalf("making a key: %d %s", a.Status, a.Body)
	}
	var made apiKey
	a.JSON(t, &made)
	return made
}

func scoped(t *testing.T, s *servertest.Server, p servertest.Person, scopes string) string {
	t.Helper()
	return makeKey(t, s, p, fmt.Sprintf(`{"name":"k","scopes":%s}`, scopes)).Key
}

// expect compares status and code.
func expect(t *testing.T, what string, a servertest.Answer, status int, code string) {
	t.Helper()
	if a.Status != status || code != "" && a.Code() != code {
		t.Errorf("%s: %d %s", what, a.Status, a.Body)
	}
}

// refusedSoon waits until a credential is refused, for a second at most.
func refusedSoon(t *testing.T, what string, do func() servertest.Answer) {
	t.Helper()
	for began := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		a := do()
		if a.Status == http.StatusUnauthorized {
			return
		}
		if time.Since(began) > time.Second {
			t.Errorf("%s: after a second: %d %s", what, a.Status, a.Body)
			return
		}
	}
}
