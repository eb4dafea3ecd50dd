package admin_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
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

func TestInvite(t *testing.T) {
	t.Parallel()
	d := open(t)
	if a := d.do("POST", "/users/invite", `{"email":"a@example.com"}`); a.Status != 201 {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	d.refused(409, "user_already_exists", "POST", "/users/invite", `{"email":"a@example.com"}`)
	var users, messages int
	d.DB.Scan(t, `select (select count(*) from auth.users), (select count(*) from auth.mail_messages where kind = 'invite')`, nil, &users, &messages)
	if users != 1 || messages != 1 {
		t.Errorf("%d users, %d invitations", users, messages)
	}
}
