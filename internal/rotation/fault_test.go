package rotation_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/postgres"
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

// TestRunGivesWay has a transaction change two values, the later one first: the
// run goes round what is being changed, and neither waits for the other.
func TestRunGivesWay(t *testing.T) {
	t.Parallel()
	db := roomy(t)
	p := start(t, db, 0, 1, 2)
	p.put(50)
	if err := p.Keys.Activate(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	var first, last id.Sealed
	db.Scan(t, `select id from auth.sealed_values where purpose = 'test' and subject = '10'`, nil, &first)
	db.Scan(t, `select id from auth.sealed_values where purpose = 'test' and subject = '40'`, nil, &last)
	ended := make(chan rotation.Run, 1)
	err := db.InTx(t.Context(), func(q postgres.Querier) error {
		if err := p.Values.Replace(t.Context(), q, last, []byte("value 40")); err != nil {
			return err
		}
		go func() { ended <- p.do(p.reEncrypt(1, 2)) }()
		for deadline := time.Now().Add(3 * time.Second); p.under(1) > 1 && time.Now().Before(deadline); {
			time.Sleep(10 * time.Millisecond)
		}
		if n := p.under(1); n != 1 {
			t.Errorf("%d values are left while one is being changed", n)
		}
		return p.Values.Replace(t.Context(), q, first, []byte("value 10"))
	})
	if err != nil {
		t.Error(err)
	}
	if got := counts(<-ended); got != "succeeded: 52 = 51 + 1 + 0" {
		t.Error(got)
	}
	p.check(50)
}

// TestRunWaitsForATransaction deletes a value that a run has come to, and takes
// it back.
func TestRunWaitsForATransaction(t *testing.T) {
	t.Parallel()
	db := roomy(t)
	p := start(t, db, 0, 1, 2)
	p.put(5)
	if err := p.Keys.Activate(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	ended := make(chan rotation.Run, 1)
	err := db.InTx(t.Context(), func(q postgres.Querier) error {
		if _, err := q.Exec(t.Context(), `delete from auth.sealed_values`); err != nil {
			return err
		}
		go func() { ended <- p.do(p.reEncrypt(1, 2)) }()
		select {
		case run := <-ended:
			t.Errorf("%s, while it is not known whether there is a value", counts(run))
		case <-time.After(time.Second):
		}
		return errors.New("the test has changed its mind")
	})
	if err == nil {
		t.Error("the values are deleted")
	}
	if got := counts(<-ended); got != "succeeded: 7 = 7 + 0 + 0" {
		t.Error(got)
	}
	p.check(5)
}
