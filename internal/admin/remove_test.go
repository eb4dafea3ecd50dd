package admin_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxbase/fluxbase/internal/servertest"
)

type removal struct {
	Deleted, Blocked bool
	Sessions         int
	References       []reference
	Left             []left
}

type reference struct {
	Table   string
	Columns []string
	Via     string
	Action  string
	Rows    *int64
}

type left struct {
	Table, Column string
	Rows          *int64
}

func rows(n int64) *int64 { return &n }

const application = `
create schema "Odd schema";
create table public.posts (id int primary key, user_id uuid references auth.users on delete cascade, title text);
create table public.comments (id int primary key, post_id int not null references public.posts, author uuid references auth.users on delete cascade, parent int references public.comments);
create table public.likes (post_id int references public.posts on delete cascade, by uuid references auth.users on delete set null);
create table "Odd schema"."Odd ""table" ("User id" uuid references auth.users on delete set default);
create table public.invoices (id int primary key, customer uuid references auth.users on delete restrict);
create table public.memberships (team int, member uuid references auth.users);
create table public.visits (owner_id uuid, user_id text, at timestamptz) partition by range (at);
create table public.visits_2026 partition of public.visits for values from ('2026-01-01') to ('2027-01-01');
create table public.parts (user_id uuid references auth.users on delete cascade, at int) partition by range (at);
create table public.parts_1 partition of public.parts for values from (0) to (10);`

// TestDeleteSaysWhatHappensToRows looks at every kind of foreign key, takes what
// is in the way out of it, and sees that what was said comes true.
func TestDeleteSaysWhatHappensToRows(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.DB.Exec(t, application)
	p, other := d.SignUp(), d.SignUp()
	for _, id := range []string{p.ID, other.ID} {
		n := map[bool]int{true: 0, false: 100}[id == p.ID]
		d.DB.Exec(t, `insert into public.posts values ($1, $2), ($1 + 1, $2)`, n, id)
		d.DB.Exec(t, `insert into public.comments (id, post_id, author) values ($1, $1, $2), ($1 + 1, $1 + 1, $2)`, n, id)
		d.DB.Exec(t, `insert into public.likes values ($1, $2), ($1, $2), ($1, null)`, n, id)
		d.DB.Exec(t, `insert into "Odd schema"."Odd ""table" values ($1)`, id)
		d.DB.Exec(t, `insert into public.visits values ($1::uuid, $1::uuid::text, '2026-02-02')`, id)
		d.DB.Exec(t, `insert into public.parts values ($1, 5)`, id)
	}
	d.DB.Exec(t, `insert into public.comments (id, post_id, author) values (200, 0, $1)`, other.ID) // under a post of the user
	d.DB.Exec(t, `insert into public.invoices values (1, $1), (2, $1), (3, $2)`, p.ID, other.ID)

	want := removal{
		Blocked: true, Sessions: 1,
		References: []reference{
			{"Odd schema.Odd \"table", []string{"User id"}, "", "set_default", rows(1)},
			{"public.comments", []string{"author"}, "", "cascade", rows(2)},
			{"public.invoices", []string{"customer"}, "", "restrict", rows(2)},
			{"public.likes", []string{"by"}, "", "set_null", rows(2)},
			{"public.memberships", []string{"member"}, "", "no_action", rows(0)},
			{"public.parts", []string{"user_id"}, "", "cascade", rows(1)},
			{"public.posts", []string{"user_id"}, "", "cascade", rows(2)},
			{"public.comments", []string{"parent"}, "public.comments", "no_action", rows(0)},
			{"public.comments", []string{"post_id"}, "public.posts", "no_action", rows(1)},
			{"public.likes", []string{"post_id"}, "public.posts", "cascade", rows(3)},
		},
		Left: []left{{"public.visits", "owner_id", rows(1)}},
	}
	look := func(path string) removal {
		t.Helper()
		a := d.do("DELETE", path, "")
		if a.Status != 200 {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
		var r removal
		a.JSON(t, &r)
		return r
	}
	if diff := cmp.Diff(want, look("/users/"+p.ID+"?dry_run=true")); diff != "" {
		t.Error(diff)
	}
	if a := d.Do("GET", "/api/v1/auth/user", p.Access, ""); a.Status != 200 {
		t.Errorf("a dry run ended a session: %d %s", a.Status, a.Body)
	}
	a := d.refused(409, "user_has_rows", "DELETE", "/users/"+p.ID, "")
	for _, field := range []string{
		`{"pointer":"public.invoices(customer)","detail":"2 rows, on delete restrict"}`,
		`{"pointer":"public.comments(post_id)","detail":"1 rows, on delete no_action"}`,
	} {
		if !strings.Contains(a.Body, field) {
			t.Errorf("%s is not in %s", field, a.Body)
		}
	}
	if strings.Count(a.Body, "pointer") != 2 {
		t.Errorf("%s", a.Body)
	}
	d.want(200, "GET", "/users/"+p.ID, "")

	d.DB.Exec(t, `delete from public.invoices where customer = $1`, p.ID)
	d.DB.Exec(t, `delete from public.comments where id = 200`)
	if r := look("/users/" + p.ID); !r.Deleted || r.Blocked || r.Sessions != 1 {
		t.Errorf("%+v", r)
	}
	var posts, comments, likes, visits, users int
	d.DB.Scan(t, `select (select count(*) from posts), (select count(*) from comments), (select count(*) from likes), (select count(*) from visits),
		(select count(*) from auth.users)`, nil, &posts, &comments, &likes, &visits, &users)
	if posts != 2 || comments != 2 || likes != 3 || visits != 2 || users != 1 {
		t.Errorf("%d posts, %d comments, %d likes, %d visits, %d users", posts, comments, likes, visits, users)
	}
	if a := d.Do("GET", "/api/v1/auth/user", p.Access, ""); a.Status != 401 || !strings.Contains(a.Body, `"user_deleted"`) {
		t.Errorf("the token of nobody: %d %s", a.Status, a.Body)
	}
	if a := d.Do("GET", "/api/v1/auth/user", other.Access, ""); a.Status != 200 {
		t.Errorf("control: %d", a.Status)
	}
	if d.records("user.deleted", p.ID, "") != 1 {
		t.Error("no record")
	}
}

// TestDeleteIsStrict never takes a slip for the deed.
func TestDeleteIsStrict(t *testing.T) {
	t.Parallel()
	d := open(t)
	other := d.SignUp()
	const nobody = "/users/11111111-2222-4333-8444-555555555555"
	d.refused(404, "user_not_found", "DELETE", nobody, "")
	d.refused(404, "user_not_found", "DELETE", nobody+"?dry_run=true", "")
	for _, query := range []string{"dry_run=", "dry_run=yes", "dryrun=true", "dry_run=true&dry_run=false"} {
		if a := d.do("DELETE", "/users/"+other.ID+"?"+query, ""); a.Status != 400 {
			t.Errorf("%s: %d %s", query, a.Status, a.Body)
		}
	}
	d.want(200, "GET", "/users/"+other.ID, "")
}

// TestDeleteWithRowsThatCannotBeCounted leaves the last word to PostgreSQL.
func TestDeleteWithRowsThatCannotBeCounted(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.DB.Exec(t, `create table public.a (id int primary key, user_id uuid references auth.users on delete cascade);
		create table public.b (id int primary key, a int references public.a on delete cascade);
		create table public.c (b int references public.b);
		create table public.hidden (user_id uuid references auth.users);
		alter table public.hidden enable row level security;
		alter table public.hidden force row level security`)
	p := d.SignUp()
	d.DB.Exec(t, `insert into public.a values (1, $1)`, p.ID)
	d.DB.Exec(t, `insert into public.b values (1, 1)`)
	d.DB.Exec(t, `insert into public.c values (1)`)
	var r removal
	d.do("DELETE", "/users/"+p.ID+"?dry_run=true", "").JSON(t, &r)
	if len(r.References) != 3 || r.References[1].Table != "public.hidden" || r.References[1].Rows != nil || r.Blocked {
		t.Errorf("%+v", r)
	}
	d.refused(409, "user_has_rows", "DELETE", "/users/"+p.ID, "")
	if a := d.Do("GET", "/api/v1/auth/user", p.Access, ""); a.Status != 200 {
		t.Errorf("it failed by half: %d", a.Status)
	}
	d.DB.Exec(t, `delete from public.c`)
	if a := d.do("DELETE", "/users/"+p.ID, ""); a.Status != 200 {
		t.Errorf("control: %d %s", a.Status, a.Body)
	}
}

// TestInvite invites twice: the link of the second mail is the one that is
// good, until somebody has come in with it.
func TestInvite(t *testing.T) {
	t.Parallel()
	d := open(t)
	token := func(number int) (found string) {
		t.Helper()
		later(t, "the invitation", func() bool {
			var page struct{ Items []struct{ Text string } }
			d.Do("GET", "/dev/mail/messages?to=a@example.com", "", "").JSON(t, &page)
			if len(page.Items) < number {
				return false
			}
			_, text, _ := strings.Cut(page.Items[0].Text, "/verify?token=")
			found, _, _ = strings.Cut(text, "\n")
			return found != ""
		})
		return found
	}
	come := func(token string) servertest.Answer {
		return d.Do("POST", "/api/v1/auth/magiclink/verify", "", fmt.Sprintf(`{"token":%q}`, token))
	}
	u := d.want(201, "POST", "/users/invite", `{"email":"a@example.com","data":{"a":1}}`)
	first := token(1)
	if v := d.want(200, "POST", "/users/invite", `{"email":"a@example.com","data":{"b":2}}`); v.ID != u.ID || len(v.UserMetadata) != 2 {
		t.Errorf("again: %+v", v)
	}
	second := token(2)
	var users, hours int
	d.DB.Scan(t, `select (select count(*) from auth.users), (select round(extract(epoch from max(expires_at) - now()) / 3600) from auth.flows)`, nil, &users, &hours)
	if users != 1 || hours != 24 || d.records("user.invited", u.ID, `"again": "true"`) != 1 {
		t.Errorf("%d users, %d hours", users, hours)
	}
	if a := come(first); a.Code() != "otp_expired" {
		t.Errorf("the first link: %d %s", a.Status, a.Body)
	}
	if a := come(second); a.Status != 200 {
		t.Errorf("the second link: %d %s", a.Status, a.Body)
	}
	d.refused(409, "user_already_exists", "POST", "/users/invite", `{"email":"a@example.com"}`)
	d.refused(409, "user_already_exists", "POST", "/users/invite", fmt.Sprintf(`{"email":%q}`, d.SignUp().Email))
}

// TestDeletedAreForgotten deletes accounts that have had mail, as an operator
// and as their owner: no message has their address any more, and a proven one is
// told.
func TestDeletedAreForgotten(t *testing.T) {
	t.Parallel()
	d := open(t)
	to := func(email string) (n int) {
		d.DB.Scan(t, `select count(*) from auth.mail_messages where recipient = $1`, []any{email}, &n)
		return n
	}
	kept := d.SignUp()
	proven, unproven, leaves := d.SignUp(), d.SignUp(), d.SignUp()
	for _, p := range []servertest.Person{kept, proven, unproven, leaves} {
		if a := d.Do("POST", "/api/v1/auth/password/reset", "", fmt.Sprintf(`{"email":%q}`, p.Email)); a.Status != 202 {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
		d.subjects(p.Email, 1)
	}
	d.DB.Exec(t, `update auth.users set email_verified_at = now() where id in ($1, $2)`, proven.ID, leaves.ID)
	if a := d.do("DELETE", "/users/"+proven.ID+"?dry_run=true", ""); a.Status != 200 || to(proven.Email) != 1 {
		t.Errorf("a dry run forgets: %d %s", a.Status, a.Body)
	}
	for _, id := range []string{proven.ID, unproven.ID} {
		if a := d.do("DELETE", "/users/"+id, ""); a.Status != 200 {
			t.Errorf("%d %s", a.Status, a.Body)
		}
	}
	if a := d.Do("DELETE", "/api/v1/auth/user", leaves.Access, fmt.Sprintf(`{"password":%q}`, servertest.Password)); a.Status != 204 {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	for _, p := range []servertest.Person{proven, leaves} {
		if told := d.subjects(p.Email, 2); told[1] != "Your account was deleted" {
			t.Errorf("%q", told)
		}
		later(t, "the last message is forgotten", func() bool { return to(p.Email) == 0 })
	}
	if to(unproven.Email) != 0 || len(d.subjects(unproven.Email, 1)) != 1 || to(kept.Email) != 1 {
		t.Errorf("%d; %q; control: %d", to(unproven.Email), d.subjects(unproven.Email, 1), to(kept.Email))
	}
}
