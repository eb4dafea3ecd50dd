package login_test

import (
	"context"
	"fmt"
	"math"
	"regexp"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/servertest"
)

// question is a request about an address that must not tell whether anybody has
// it.
type question struct {
	path  string
	pairs []any
}

var questions = []question{
	{"/signup", []any{"password", "a-long-password"}},
	{"/signin", []any{"password", "not-the-password"}},
	{"/password/reset", nil},
	{"/magiclink", nil},
	{"/magiclink", []any{"create_user", false}},
	{"/verify-email/resend", nil},
}

func (q question) ask(s *servertest.Server, email string) servertest.Answer {
	return post(s, q.path, append([]any{"email", email}, q.pairs...)...)
}

var (
	masked = regexp.MustCompile(`"(id|flow_id|request_id|created_at|updated_at)":"[^"]*"`)
	people = regexp.MustCompile(`(known|unknown)\d+@example\.com`)
)

// mask takes out of an answer what differs for everybody.
func mask(a servertest.Answer) string {
	header := a.Header.Clone()
	for _, name := range []string{"Date", "X-Request-Id", "Content-Length"} {
		header.Del(name)
	}
	text := people.ReplaceAllString(masked.ReplaceAllString(a.Body, `"$1":""`), "x")
	return fmt.Sprint(a.Status, " ", header, " ", text)
}

// TestAddressesAreAlike asks about addresses that have an account and others
// that have none, in turns, and compares answers and times.
func TestAddressesAreAlike(t *testing.T) {
	t.Parallel()
	const pairs = 200
	s := servertest.New(t, required)
	s.DB.Exec(t, `
		with made as (
			insert into auth.users (id, email, email_verified_at)
			select gen_random_uuid(), 'known' || n || '@example.com', now() from generate_series(1, $1) n returning id),
		named as (
			insert into auth.identities (id, user_id, issuer, subject) select gen_random_uuid(), id, 'email', id::text from made)
		insert into auth.passwords (user_id, digest) select id, $2 from made`,
		pairs, "$2a$04$SAsVxJqR9PpRJZwGGxI/P.kCDIBuXDIYVAN45bcu3YNoQsvGhI07e")
	s.DB.Exec(t, `analyze auth.users`)
	for _, q := range questions {
		q.ask(s, "known1@example.com") // statements are prepared, pages are read
		q.ask(s, "unknown0@example.com")
		var known, unknown []float64
		var answers [2]string
		for n := 1; n <= pairs; n++ {
			for i := range 2 {
				has := (n+i)%2 == 0 // who is first changes
				email := fmt.Sprintf("unknown%d@example.com", n)
				if has {
					email = fmt.Sprintf("known%d@example.com", n)
				}
				began := time.Now()
				a := q.ask(s, email)
				took := time.Since(began).Seconds()
				if has {
					known, answers[0] = append(known, took), mask(a)
				} else {
					unknown, answers[1] = append(unknown, took), mask(a)
				}
			}
			if answers[0] != answers[1] || strings.HasPrefix(answers[0], "5") {
				t.Fatalf("%s:\n%s\n%s", q.path, answers[0], answers[1])
			}
		}
		s.DB.Exec(t, `delete from auth.flows`)
		if sorted := slices.Sorted(slices.Values(unknown)); sorted[pairs*3/4]-sorted[pairs/4] > 0.0015 {
			t.Logf("%s %v: this machine is too busy for times to say anything", q.path, q.pairs)
			continue // the answers have been compared, and the next test compares the work
		}
		if z, by := mannWhitney(known, unknown), median(known)-median(unknown); math.Abs(z) > 5 && math.Abs(by) > tolerated {
			t.Errorf("%s %v: the times differ by %.2f ms, z = %.1f", q.path, q.pairs, by*1e3, z)
		}
		for i := range known {
			known[i] += 0.003
		}
		if z, by := mannWhitney(known, unknown), median(known)-median(unknown); z < 5 || by < tolerated {
			t.Errorf("control: %s: 3 ms more are not noticed: %.2f ms, z = %.1f", q.path, by*1e3, z)
		}
	}
}

// tolerated is how far apart the medians may be, in seconds: that a flow refers to
// an account is checked by PostgreSQL, which takes it about 30 microseconds.
const tolerated = 0.0003

func median(sample []float64) float64 {
	sorted := slices.Sorted(slices.Values(sample))
	return sorted[len(sorted)/2]
}

// mannWhitney is how many standard deviations the ranks of a are above those
// that two samples of one distribution would have.
func mannWhitney(a, b []float64) float64 {
	type one struct {
		value float64
		ofA   bool
	}
	var all []one
	for _, v := range a {
		all = append(all, one{v, true})
	}
	for _, v := range b {
		all = append(all, one{v, false})
	}
	sort.Slice(all, func(i, k int) bool { return all[i].value < all[k].value })
	var ranks float64
	for i, o := range all {
		if o.ofA {
			ranks += float64(i + 1)
		}
	}
	n, m := float64(len(a)), float64(len(b))
	return (ranks - n*(n+1)/2 - n*m/2) / math.Sqrt(n*m*(n+m+1)/12)
}

// TestAddressesCostAlike compares the statements with which a request writes: the
// sturdier half of the test above, since time on a busy machine hides much.
func TestAddressesCostAlike(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, required, servertest.With("auth.password_max_failures", "3"))
	confirmed(t, s, "known1@example.com")
	swept(t, s) // which writes, too
	ctx := context.Background()
	admin, err := pgx.Connect(ctx, s.DB.AdminURL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = admin.Close(ctx) }()
	if _, err := admin.Exec(ctx, countedSQL); err != nil {
		t.Fatal(err)
	}
	writes := func(do func()) (list string) {
		t.Helper()
		if _, err := admin.Exec(ctx, `truncate public.writes`); err != nil {
			t.Fatal(err)
		}
		do()
		if err := admin.QueryRow(ctx, `select coalesce(string_agg(what, ' ' order by id), '') from public.writes`).Scan(&list); err != nil {
			t.Fatal(err)
		}
		return list
	}
	for _, q := range questions {
		known := writes(func() { q.ask(s, "known1@example.com") })
		unknown := writes(func() { q.ask(s, "unknown1@example.com") })
		if known != unknown || !strings.Contains(known, "INSERT audit_log") && q.path != "/verify-email/resend" {
			t.Errorf("%s %v:\n%s\n%s", q.path, q.pairs, known, unknown)
		}
	}
	guess := question{"/signin", []any{"password", "not-the-password"}}
	for i := range 4 { // the last ones are too many
		known, unknown := writes(func() { guess.ask(s, "known1@example.com") }), writes(func() { guess.ask(s, "unknown1@example.com") })
		if known != unknown {
			t.Errorf("wrong password %d:\n%s\n%s", i+2, known, unknown)
		}
	}
	if n := count(t, s, `select count(*) from auth.audit_log where details ->> 'reason' = 'too_many_failures'`); n != 4 {
		t.Errorf("control: %d were too many", n)
	}
	s.DB.Exec(t, `delete from auth.password_attempts`)
	if a, b := writes(func() {}), writes(func() { in(s, "known1@example.com", servertest.Password) }); a == b {
		t.Error("control: a sign-in writes nothing")
	}
}

// swept waits for the sweep that a server begins with.
func swept(t *testing.T, s *servertest.Server) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if count(t, s, `select count(*) from auth.river_job where kind = 'auth.sweep' and state = 'completed'`) > 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the server does not sweep")
		}
	}
}

// countedSQL notes each statement that writes in the request's transactions; the
// deliveries of mail come and go at their own time.
const countedSQL = `
create table public.writes (id bigserial primary key, what text);
grant all on public.writes to public;
grant all on sequence public.writes_id_seq to public;
create or replace function public.counted() returns trigger language plpgsql security definer as $$
begin
  if not (tg_op <> 'INSERT' and tg_table_name in ('mail_messages', 'sealed_values')) then
    insert into public.writes (what) values (tg_op || ' ' || tg_table_name);
  end if;
  return null;
end $$;
do $$
declare name text;
begin
  foreach name in array '{users,passwords,password_attempts,flows,audit_log,mail_messages,sealed_values,sessions,identities}'::text[] loop
    execute format('create trigger counted after insert or update or delete on auth.%I for each statement execute function public.counted()', name);
  end loop;
end $$`
