package server_test

import (
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/servertest"
)

// TestGuestsAreSwept runs servers that remove anonymous users after a day, and
// never.
func TestGuestsAreSwept(t *testing.T) {
	t.Parallel()
	for retention, left := range map[string]int{"24h": 1, "0": 2} {
		db := pgtest.New(t)
		db.Exec(t, `insert into auth.users (id, is_anonymous, created_at) values
			(gen_random_uuid(), true, now() - interval '25 hours'), (gen_random_uuid(), true, now() - interval '23 hours')`)
		servertest.On(t, db, servertest.With("auth.anonymous_retention", retention))
		kind := map[bool]string{true: "auth.sweep_guests", false: "auth.sweep"}[left == 1] // the latter is the first to be inserted
		for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			var done bool
			if db.Scan(t, `select exists (select from auth.river_job where kind = $1 and state = 'completed')`, []any{kind}, &done); done {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: %s does not run", retention, kind)
			}
		}
		var users, jobs int
		db.Scan(t, `select count(*), (select count(*) from auth.river_job where kind = 'auth.sweep_guests') from auth.users`, nil, &users, &jobs)
		if users != left || jobs != 2-left {
			t.Errorf("%s: %d users are left, %d jobs", retention, users, jobs)
		}
	}
}
