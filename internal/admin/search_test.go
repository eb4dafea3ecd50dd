package admin_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxbase/fluxbase/internal/servertest"
)

// crowd makes users whose order by age, by id and by address all differ. Guests
// among them stay although they are old.
func crowd(t *testing.T) desk {
	t.Helper()
	d := desk{servertest.New(t, servertest.With("auth.anonymous_retention", "0")), t}
	d.DB.Exec(t, `
		insert into auth.users (id, email, user_metadata, app_metadata, created_at, is_anonymous, banned_until)
		select ('00000000-0000-4000-8000-' || lpad(to_hex((n * 7919) % 251), 12, '0'))::uuid,
			case when n % 10 = 0 then null else chr(97 + n % 5) || n || '@example.com' end,
			jsonb_build_object('n', n, 'plan', case when n % 2 = 0 then 'free' else 'pro' end, 'deep', jsonb_build_object('a', n % 3, 'list', array[n, 1])),
			jsonb_build_object('role', case when n % 20 = 1 then 'editor' else 'reader' end),
			'2026-01-01T00:00:00Z'::timestamptz + (n / 3) * interval '1 hour',
			n % 10 = 0, case when n % 25 = 2 then now() + interval '1 h' when n % 25 = 3 then now() - interval '1 h' end
		from generate_series(1, 100) n`)
	return d
}

// search walks all pages of a search and returns the members n of the users.
func (d desk) search(limit int, filter string) []int {
	d.t.Helper()
	found := []int{}
	for cursor := ""; ; {
		a := d.do("GET", fmt.Sprintf("/users?limit=%d%s%s", limit, filter, cursor), "")
		var page struct {
			Items      []document
			NextCursor *string `json:"next_cursor"`
		}
		if a.Status != 200 {
			d.t.Fatalf("%s: %d %s", filter, a.Status, a.Body)
		}
		a.JSON(d.t, &page)
		for _, u := range page.Items {
			found = append(found, int(u.UserMetadata["n"].(float64)))
		}
		if page.NextCursor == nil {
			return found
		}
		if len(page.Items) != limit {
			d.t.Fatalf("%s: a page of %d", filter, len(page.Items))
		}
		cursor = "&cursor=" + *page.NextCursor
	}
}

func TestSearch(t *testing.T) {
	t.Parallel()
	d := crowd(t)
	for filter, want := range map[string]string{
		"":                          `true`,
		"&email=B1@Example.com":     `n = 1`,
		"&email=nobody@example.com": `false`,
		"&q=a":                      `email like 'a%'`,
		"&q=A1":                     `email like 'a1%'`,
		"&q=%25":                    `false`,
		"&q=_":                      `false`,
		"&q=%C3%BC":                 `false`,
		"&q=a&banned=true":          `email like 'a%' and banned_until > now()`,
		"&id=00000000-0000-4000-8000-000000000001":                                       `id = '00000000-0000-4000-8000-000000000001'`,
		"&created_after=2026-01-01T05:00:00Z":                                            `created_at >= '2026-01-01T05:00:00Z'`,
		"&created_before=2026-01-01T05:00:00Z":                                           `created_at < '2026-01-01T05:00:00Z'`,
		"&created_after=2026-01-01T05:00:00Z&created_before=2026-01-01T08:00:00%2B01:00": `created_at >= '2026-01-01T05:00:00Z' and created_at < '2026-01-01T07:00:00Z'`,
		"&metadata=plan:pro":                                                             `user_metadata->>'plan' = 'pro'`,
		"&metadata=role:editor":                                                          `app_metadata->>'role' = 'editor'`,
		"&user_metadata=role:editor":                                                     `false`,
		"&app_metadata=role:editor":                                                      `app_metadata->>'role' = 'editor'`,
		"&app_metadata=plan:pro":                                                         `false`,
		`&metadata={"n":7}`:                                                              `n = 7`,
		`&metadata={"n":"7"}`:                                                            `false`,
		`&metadata=n:7`:                                                                  `false`, // the text 7
		`&metadata={"deep":{"a":1}}`:                                                     `n % 3 = 1`,
		`&metadata={"deep":{"list":[1]}}`:                                                `true`,
		`&metadata={"plan":"pro","n":7}`:                                                 `n = 7`,
		`&user_metadata=plan:pro&app_metadata=role:editor`:                               `n % 20 = 1`,
		"&banned=true":                                                                   `banned_until > now()`,
		"&banned=false":                                                                  `(banned_until > now()) is not true`,
		"&anonymous=true":                                                                `is_anonymous`,
		"&anonymous=false":                                                               `not is_anonymous`,
		// What looks like SQL is text.
		"&metadata=" + url.QueryEscape(`plan:pro'::jsonb or true--`): `false`,
		"&metadata=" + url.QueryEscape(`plan:pro","n":7`):            `false`,
		"&metadata=" + url.QueryEscape(`plan":"pro`) + ":x":          `false`,
		"&q=" + url.QueryEscape(`a' or 'a'='a`):                      `false`,
	} {
		order := `created_at desc, id desc`
		if strings.Contains(filter, "q=") {
			order = `email collate "C"`
		}
		var expected []int
		d.DB.Scan(t, `select coalesce(array_agg(n order by `+order+`), '{}') from (select *, (user_metadata->>'n')::int as n from auth.users) u where `+want, nil, &expected)
		filter = strings.ReplaceAll(filter, `"`, "%22")
		for _, limit := range []int{3, 100} {
			if diff := cmp.Diff(expected, d.search(limit, filter)); diff != "" {
				t.Errorf("%s in pages of %d:\n%s", filter, limit, diff)
			}
		}
	}
	if got := d.search(100, "&metadata=plan:pro"); len(got) != 50 {
		t.Errorf("control: %d", len(got))
	}
}

// TestSearchIsStrict refuses what would select other users than were meant.
func TestSearchIsStrict(t *testing.T) {
	t.Parallel()
	d := crowd(t)
	for _, query := range []string{
		"email=", "email=nobody", "q=", "id=", "id=x", "id=00000000-0000-0000-0000-000000000000", "created_after=", "created_after=yesterday", "created_before=2026-01-01",
		"metadata=", "metadata=plan", "metadata=:pro", "metadata={}", "metadata={", `metadata={"a":1,"a":2}`, `metadata={"a":1}x`, "metadata=[1]", "metadata={%22a%22:" + strings.Repeat("[", 70) + strings.Repeat("]", 70) + "}",
		"metadata=a:" + strings.Repeat("x", 4096), "metadata=a:%00", "metadata=a:%ff", "banned=", "banned=1", "banned=TRUE", "anonymous=yes", "limit=0", "limit=101", "limit=x", "limit=-1", "limit=",
		"email=a@b.de&email=c@d.de", "banned=true&banned=false", "Email=a@b.de", "role=admin", "order=email", "cursor=", "cursor=!", "cursor=AAAA", "q=" + strings.Repeat("x", 255),
	} {
		a := d.do("GET", "/users?"+strings.ReplaceAll(query, `"`, "%22"), "")
		if a.Status != 400 || strings.Contains(a.Body, "items") {
			t.Errorf("%s: %d %s", query, a.Status, a.Body)
		}
	}
}

// TestCursorsBelongToTheirSearch offers the cursor of each search to the others.
func TestCursorsBelongToTheirSearch(t *testing.T) {
	t.Parallel()
	d := crowd(t)
	filters := []string{"", "&q=a", "&q=b", "&banned=false", "&metadata=plan:pro", "&user_metadata=plan:pro", "&created_after=2026-01-01T00:00:00Z", "&anonymous=false"}
	for _, from := range filters {
		var page struct {
			Items      []document
			NextCursor *string `json:"next_cursor"`
		}
		d.do("GET", "/users?limit=2"+from, "").JSON(t, &page)
		if page.NextCursor == nil {
			t.Fatalf("%s has one page", from)
		}
		for _, to := range filters {
			a := d.do("GET", "/users?limit=3"+to+"&cursor="+*page.NextCursor, "")
			if (a.Status == 200) != (to == from) || a.Status != 200 && a.Code() != "invalid_cursor" {
				t.Errorf("cursor of %q at %q: %d %s", from, to, a.Status, a.Body)
			}
		}
	}
}

// TestPagesWhileUsersComeAndGo sees everybody who was there all the time once.
func TestPagesWhileUsersComeAndGo(t *testing.T) {
	t.Parallel()
	d := crowd(t)
	var seen []int
	for cursor := ""; ; {
		var page struct {
			Items      []document
			NextCursor *string `json:"next_cursor"`
		}
		d.do("GET", "/users?limit=10"+cursor, "").JSON(t, &page)
		for _, u := range page.Items {
			seen = append(seen, int(u.UserMetadata["n"].(float64)))
		}
		if page.NextCursor == nil {
			break
		}
		d.DB.Exec(t, `delete from auth.users where id = $1`, page.Items[len(page.Items)-1].ID) // the one that the cursor names
		d.DB.Exec(t, `insert into auth.users (id, user_metadata) values (gen_random_uuid(), '{"n":1000}')`)
		cursor = "&cursor=" + *page.NextCursor
	}
	slices.Sort(seen)
	if len(seen) != 100 || len(slices.Compact(seen)) != 100 {
		t.Errorf("saw %d", len(seen))
	}
}
