package admin_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/user"
)

// guests makes one account of each sort, named by its metadata: how many days ago
// it was made, last signed in to, and its session last used, if there is one, and
// whether that has ended.
const guests = `
with people (name, anonymous, made, used, session_days, ended) as (values
	('gone', true, 40, 40, null::int, false),
	('signed out', true, 40, 40, 39, true),
	('idle', true, 400, 400, 399, false),
	('with orders', true, 40, 40, null, false),
	('here', true, 40, 40, 31, false),
	('here lately', true, 40, 40, 10, true),
	('signed in lately', true, 40, 10, null, false),
	('new', true, 10, 10, null, false),
	('permanent', false, 40, 40, null, false)),
made as (
	insert into auth.users (id, email, is_anonymous, user_metadata, created_at, last_sign_in_at)
	select gen_random_uuid(), case when not anonymous then 'a@example.com' end, anonymous, jsonb_build_object('name', name),
		now() - make_interval(days => made), now() - make_interval(days => used) from people
	returning id, user_metadata ->> 'name' as name),
orders as (insert into public.orders select id from made where name = 'with orders'),
drafts as (insert into public.drafts select id from made)
insert into auth.sessions (id, user_id, expires_at, last_used_at, aal, amr, ended_at, end_reason)
select gen_random_uuid(), m.id, now() + interval '90 days', now() - make_interval(days => session_days), 'aal1', '{anonymous}',
	case when ended then now() - make_interval(days => session_days) end, case when ended then 'signed_out' end
from people join made m using (name) where session_days is not null`

// TestSweepOfGuests removes whom nobody can be any more, in batches of any size.
func TestSweepOfGuests(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{1, 2, 100} {
		db, s, m := service(t)
		s.Sessions.Config.IdleTTL = 60 * 24 * time.Hour
		db.Exec(t, `create table public.orders (guest_id uuid references auth.users on delete restrict)`)
		db.Exec(t, `create table public.drafts (guest_id uuid references auth.users on delete cascade)`)
		db.Exec(t, guests)
		var after user.Guest
		var removed, kept int
		for range 20 {
			swept, err := s.SweepGuests(context.Background(), after, limit, 30*24*time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			removed, kept = removed+swept.Removed, kept+swept.Kept
			if swept.Kept > 0 && fault.From(swept.Why).Code != "user_has_rows" {
				t.Errorf("kept for %v", swept.Why)
			}
			if after = swept.Next; after == (user.Guest{}) {
				break
			}
		}
		var left []string
		db.Scan(t, `select array_agg(user_metadata ->> 'name' order by 1) from auth.users`, nil, &left)
		want := []string{"here", "here lately", "new", "permanent", "signed in lately", "with orders"}
		if slices.Sort(left); !slices.Equal(left, want) || removed != 3 || kept != 1 || after != (user.Guest{}) {
			t.Errorf("batches of %d: %q are left, %d removed, %d kept", limit, left, removed, kept)
		}
		var drafts, records int
		db.Scan(t, `select count(*) from public.drafts`, nil, &drafts)
		db.Scan(t, `select count(*) from auth.audit_log where action = 'user.deleted' and actor_kind = 'system' and details ->> 'reason' = 'anonymous_retention'`, nil, &records)
		if drafts != len(want) || records != 3 || len(m.told) != 0 {
			t.Errorf("batches of %d: %d drafts, %d records, told %v", limit, drafts, records, m.told)
		}
	}
}

// TestGuestWhoComesBack looks once more at those who were to be removed.
func TestGuestWhoComesBack(t *testing.T) {
	t.Parallel()
	db, s, _ := service(t)
	db.Exec(t, `create table public.orders (guest_id uuid references auth.users)`)
	db.Exec(t, `create table public.drafts (guest_id uuid references auth.users)`)
	db.Exec(t, guests)
	for name, gone := range map[string]bool{"gone": true, "idle": true, "here": false, "here lately": false, "permanent": false, "new": false} {
		var userID id.User
		db.Scan(t, `select id from auth.users where user_metadata ->> 'name' = $1`, []any{name}, &userID)
		err := s.Users.LockGuest(context.Background(), db.Single(), userID, 30*24*time.Hour, 60*24*time.Hour)
		if (err == nil) != gone || !gone && !errors.Is(err, user.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
