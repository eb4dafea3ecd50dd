package postgres_test

import (
	"errors"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/principal"
)

// TestRehearsalsNeverCommit, whether they fail or not, and are done as whom they
// are asked for.
func TestRehearsalsNeverCommit(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	script(t, d, guarded)
	db := open(t, d, 5*time.Second)
	a := alice()
	for _, ending := range []error{nil, errOnPurpose} {
		for _, role := range []principal.Role{principal.Authenticated, principal.Service} {
			err := db.Rehearse(t.Context(), a, role, func(r *postgres.Rehearsal) error {
				var as, uid, answers string
				if err := r.QueryRow(t.Context(), "select current_user::text, auth.uid()::text, auth.role()").Scan(&as, &uid, &answers); err != nil {
					return err
				}
				if as != string(role) || uid != a.User.String() || answers != "authenticated" {
					t.Errorf("as %s, %s, %s", as, uid, answers)
				}
				if tag, err := r.Run(t.Context(), "insert into notes values (1)"); err != nil || tag.RowsAffected() != 1 {
					t.Errorf("%v, %v", tag, err)
				}
				_, err := r.Run(t.Context(), "select 1; commit")
				refused(t, "two statements", err, "42601")
				return ending
			})
			if !errors.Is(err, ending) {
				t.Errorf("ends with %v, want %v", err, ending)
			}
		}
	}
	err := db.RehearseAsOwner(t.Context(), func(r *postgres.Rehearsal) error {
		failure := r.Try(t.Context(), func() error {
			_, err := r.Run(t.Context(), "insert into notes values (2)")
			if err != nil {
				t.Error(err)
			}
			_, err = r.Run(t.Context(), "select 1 / 0")
			return err
		})
		refused(t, "a part that fails", failure, "22012")
		table, err := r.Collect(t.Context(), "select g, null from generate_series(1, 5) g(g)", 2)
		if err != nil || table.Count != 5 || len(table.Rows) != 2 || *table.Rows[1][0] != "2" || table.Rows[1][1] != nil || table.Columns[0] != "g" {
			t.Errorf("%+v, %v", table, err)
		}
		if err := r.Become(t.Context(), a, a.Role); err != nil {
			return err
		}
		table, err = r.Collect(t.Context(), "select current_user, count(*) from notes group by 1", 2)
		if err != nil || len(table.Rows) != 0 {
			t.Errorf("%+v, %v", table, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	var n int
	if d.Scan(t, "select count(*) from notes", nil, &n); n != 0 {
		t.Errorf("%d rows", n)
	}
}
