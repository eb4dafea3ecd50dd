package rotation_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/rotation"
)

// failing has the database fail n times with an SQLSTATE before it does
// something to a table.
func failing(t *testing.T, db *pgtest.Database, n int, state, does, table, when string) {
	t.Helper()
	db.Exec(t, `create sequence if not exists public.failures`)
	db.Exec(t, fmt.Sprintf(`create or replace function public.fail() returns trigger language plpgsql as $$
		begin
			if nextval('public.failures') <= %d then
				raise exception 'no, says the test' using errcode = '%s';
			end if;
			return new;
		end $$`, n, state))
	db.Exec(t, fmt.Sprintf(`create trigger failing before %s on %s for each row when (%s) execute function public.fail()`, does, table, when))
}

func states(t *testing.T, p *program) string {
	t.Helper()
	keys, err := p.Keys.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var states []string
	for _, k := range keys {
		states = append(states, fmt.Sprint(k.Version, " ", k.State))
	}
	return strings.Join(states, ", ")
}

// TestKeyAndRunAreOne has a rotation end between the key and the note of it: the
// next attempt leaves no key behind that nobody knows of.
func TestKeyAndRunAreOne(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	p := start(t, db, 0, 1)
	p.put(20)
	failing(t, db, 2, "57P01", "update", "auth.encryption_runs", "new.to_version is distinct from old.to_version")
	run, err := p.Rotate(t.Context(), audit.Actor{})
	if err != nil {
		t.Fatal(err)
	}
	for try := 0; !run.Over(); try++ {
		if run, err = p.Do(t.Context(), run.ID, func(rotation.Run) {}); try == 5 {
			t.Fatal(err)
		}
	}
	if got := states(t, p); got != "1 retired, 2 active" {
		t.Error(got)
	}
	p.check(20)
}
