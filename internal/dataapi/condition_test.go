package dataapi_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/fluxbase/fluxbase/internal/servertest"
)

// TestConditions writes with If-Match and If-None-Match. The tag is that of a
// read of the same URL.
func TestConditions(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	p := five(t, s)
	tag := func(query string, fields ...string) string {
		t.Helper()
		a := s.Do("GET", todos+query, p.Access, "", fields...)
		if a.Status != 200 || a.Header.Get("ETag") == "" {
			t.Fatalf("%s: %d %v", query, a.Status, a.Header)
		}
		return a.Header.Get("ETag")
	}
	const csv, object = "text/csv", "application/vnd.pgrst.object+json"
	one, none, all := tag("?id=eq.1"), tag("?id=eq.99"), tag("?order=id")
	for _, c := range []struct {
		method, query, body string
		fields              []string
		status              int
	}{
		{"PATCH", "?id=eq.1", `{"rank":1}`, []string{"If-Match", one}, 204},
		{"PATCH", "?id=eq.1", `{"rank":1}`, []string{"If-Match", `"a", ` + one}, 204},
		{"PATCH", "?id=eq.1", `{"rank":1}`, []string{"If-Match", `"a"`, "If-Match", one}, 204},
		{"PATCH", "?id=eq.1", `{"rank":1}`, []string{"If-Match", `*`}, 204},
		{"PATCH", "?id=eq.1", `{"rank":1}`, []string{"If-None-Match", `"a"`}, 204},
		{"PATCH", "?id=eq.1&select=id", `{"rank":1}`, []string{"If-Match", tag("?id=eq.1&select=id"), "Prefer", "return=representation"}, 200},
		{"PATCH", "?id=eq.1", `{"rank":1}`, []string{"If-Match", tag("?id=eq.1", "Accept", csv), "Accept", csv}, 204},
		{"PATCH", "?id=eq.1", `{"rank":1}`, []string{"If-Match", tag("?id=eq.1", "Accept", object), "Accept", object}, 204},
		{"PATCH", "?order=id", `{"due":null}`, []string{"If-Match", all}, 204},
		{"PATCH", "?id=eq.1", `{}`, []string{"If-Match", one}, 204},
		{"PUT", "?id=eq.1", `{"id":1,"rank":1,"task":"task 1"}`, []string{"If-Match", one}, 204},
		{"PATCH", "?id=eq.1", `{"rank":1}`, nil, 204}, // what follows is refused
		{"PATCH", "?id=eq.1", `{"task":"lost"}`, []string{"If-Match", `"a"`}, 412},
		{"PATCH", "?id=eq.1", `{"task":"lost"}`, []string{"If-Match", ""}, 412},
		{"PATCH", "?id=eq.1", `{"task":"lost"}`, []string{"If-Match", `W/` + one}, 412},
		{"PATCH", "?id=eq.1", `{"task":"lost"}`, []string{"If-Match", all}, 412},
		{"PATCH", "?id=eq.1", `{"task":"lost"}`, []string{"If-Match", one, "Accept", csv}, 412},
		{"PATCH", "?id=eq.1&select=id", `{"task":"lost"}`, []string{"If-Match", one}, 412},
		{"PATCH", "?id=eq.1", `{"task":"lost"}`, []string{"If-None-Match", "W/" + one}, 412},
		{"PATCH", "?id=eq.1", `{"task":"lost"}`, []string{"If-None-Match", "*"}, 412},
		{"PATCH", "?id=eq.1", `{}`, []string{"If-Match", `"a"`}, 412},
		{"PATCH", "?id=eq.99", `{"task":"lost"}`, []string{"If-Match", "*"}, 412},
		{"PATCH", "?id=eq.6", `{"task":"lost"}`, []string{"If-Match", "*"}, 412}, // somebody else's
		{"PUT", "?id=eq.1", `{"id":1,"task":"lost"}`, []string{"If-None-Match", "*"}, 412},
		{"PUT", "?id=eq.99", `{"id":99,"task":"lost"}`, []string{"If-Match", "*"}, 412},
		{"DELETE", "?id=eq.1", ``, []string{"If-Match", `"a"`}, 412},
		{"DELETE", "", ``, []string{"If-Match", one}, 412},
		{"POST", "", `{"task":"lost"}`, []string{"If-Match", all}, 400},
		{"PUT", "?id=eq.98", `{"id":98,"task":"new"}`, []string{"If-None-Match", "*"}, 201},
		{"PUT", "?id=eq.99", `{"id":99,"task":"new"}`, []string{"If-Match", none}, 201},
		{"DELETE", "?id=eq.1", ``, []string{"If-Match", one}, 204},
		{"DELETE", "?id=eq.1", ``, []string{"If-Match", one}, 412},
	} {
		a := s.Do(c.method, todos+c.query, p.Access, c.body, c.fields...)
		if a.Status != c.status || a.Status == 412 && a.Code() != "precondition_failed" {
			t.Errorf("%s %s %q: %d %s, want %d", c.method, c.query, c.fields, a.Status, a.Body, c.status)
		}
	}
	if a := s.Do("PATCH", todos+"?select=id&id=eq.x", p.Access, `{"task":"lost"}`, "If-Match", one); a.Status != 400 || !strings.Contains(a.Body, "column id") {
		t.Errorf("a mistake: %d %s", a.Status, a.Body)
	}
	var lost, left int
	if s.DB.Scan(t, `select count(*) filter (where task = 'lost'), count(*) from public.todos`, nil, &lost, &left); lost != 0 || left != 8 {
		t.Errorf("%d updates are lost, %d rows are left", lost, left)
	}
}

// TestConditionsOnManyRows: a tag says nothing about rows that the answer had no
// place for.
func TestConditionsOnManyRows(t *testing.T) {
	t.Parallel()
	s := newServer(t, servertest.With("data.max_rows", "3"))
	p := five(t, s)
	for query, want := range map[string]int{"": 412, "?id=lt.4": 204} {
		tag := s.Do("GET", todos+query, p.Access, "").Header.Get("ETag")
		if a := s.Do("PATCH", todos+query, p.Access, `{"rank":7}`, "If-Match", tag); a.Status != want {
			t.Errorf("%q: %d %s, want %d", query, a.Status, a.Body, want)
		}
	}
}

// TestLostUpdates has fifty people change a row that all of them have seen in
// the same state: one does, and the others are told.
func TestLostUpdates(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	p := five(t, s)
	for name, c := range map[string]struct {
		method, query, body string
		field, value        string
		won                 int
	}{
		"update":         {"PATCH", "?id=eq.1", `{"task":"won %d"}`, "If-Match", "", 204},
		"put":            {"PUT", "?id=eq.2", `{"id":2,"task":"won %d"}`, "If-Match", "", 200},
		"create":         {"PUT", "?id=eq.50", `{"id":50,"task":"won %d"}`, "If-None-Match", "*", 201},
		"delete":         {"DELETE", "?id=eq.3", ``, "If-Match", "", 204},
		"representation": {"PATCH", "?id=eq.4", `{"task":"won %d"}`, "If-Match", "", 200},
	} {
		value := c.value
		if value == "" {
			value = s.Do("GET", todos+c.query, p.Access, "").Header.Get("ETag")
		}
		fields := []string{c.field, value}
		if c.won == 200 {
			fields = append(fields, "Prefer", "return=representation")
		}
		answers := make([]servertest.Answer, 50)
		var wg sync.WaitGroup
		for i := range answers {
			wg.Go(func() {
				body := c.body
				if body != "" {
					body = fmt.Sprintf(body, i)
				}
				answers[i] = s.Do(c.method, todos+c.query, p.Access, body, fields...)
			})
		}
		wg.Wait()
		won := 0
		for _, a := range answers {
			switch a.Status {
			case c.won:
				won++
			case 412:
			default:
				t.Errorf("%s: %d %s", name, a.Status, a.Body)
			}
		}
		if won != 1 {
			t.Errorf("%s: %d have won", name, won)
		}
	}
	if a := s.Do("GET", todos+"?select=task&id=in.(1,2,50)", p.Access, ""); strings.Count(a.Body, "won") != 3 {
		t.Errorf("%s", a.Body)
	}
}
