package dataapi_test

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/servertest"
)

// bulk is a JSON array of n rows, as long as that makes it.
func bulk(n int, row func(i int) string) io.Reader {
	r, w := io.Pipe()
	go func() {
		b := bufio.NewWriter(w)
		for i := range n {
			_, _ = b.WriteString("[,"[min(i, 1):min(i, 1)+1] + row(i))
		}
		_, _ = b.WriteString("]")
		_ = b.Flush()
		_ = w.Close()
	}()
	return r
}

var filler = strings.Repeat("x", 200)

func note(i int) string { return fmt.Sprintf(`{"id":%d,"body":%q}`, i, filler) }

// send sends a body without holding it in memory.
func send(t *testing.T, s *servertest.Server, path, bearer string, body io.Reader, fields ...string) servertest.Answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+path, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+bearer)
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	answer, err := (&http.Client{Timeout: 50 * time.Second}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return servertest.Answer{Status: answer.StatusCode, Header: answer.Header, Body: string(text)}
}

func rowsIn(t *testing.T, s *servertest.Server, table string) int {
	t.Helper()
	var n int
	s.DB.Scan(t, "select count(*) from public."+table, nil, &n)
	return n
}

// TestManyRows inserts a hundred thousand rows with one request, 23 MB without
// any setting.
func TestManyRows(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.DB.Exec(t, notesSQL)
	p := s.SignUp()
	const n = 100_000
	if a := send(t, s, notes, p.Access, bulk(n, note)); a.Status != 201 || a.Body != "" {
		t.Fatalf("%d %.200s", a.Status, a.Body)
	}
	var found int
	if s.DB.Scan(t, `select count(*) from public.notes where user_id = $1 and length(body) = 200`, []any{p.ID}, &found); found != n {
		t.Errorf("%d rows", found)
	}
}

// TestManyRowsAnswerAsOne: what is said of an insert of several statements is
// said of the whole.
func TestManyRowsAnswerAsOne(t *testing.T) {
	t.Parallel()
	s := newServer(t, servertest.With("data.tx_end", "commit-allow-override"))
	s.DB.Exec(t, notesSQL)
	p := s.SignUp()
	const n = 12_000 // 2.7 MB
	for _, c := range []struct {
		query, accept, prefer string
		status, rows          int
		check                 func(body string) bool
	}{
		{"?select=id", "", "return=representation", 201, n, func(b string) bool {
			return strings.Count(b, "{") == n && strings.HasPrefix(b, `[{"id":0},`) && strings.HasSuffix(b, fmt.Sprintf(`{"id":%d}]`, n-1))
		}},
		{"?select=id", "text/csv", "return=representation", 201, n, func(b string) bool {
			return strings.HasPrefix(b, "id\n0\n") && strings.Count(b, "\n") == n+1 && strings.Count(b, "id") == 1
		}},
		{"", "", "return=headers-only", 201, n, func(b string) bool { return b == "" }},
		{"", "application/vnd.pgrst.object+json", "return=representation", 406, 0, func(b string) bool { return strings.Contains(b, "PGRST116") && strings.Contains(b, fmt.Sprint(n)) }},
		{"", "", "tx=rollback", 201, 0, func(b string) bool { return b == "" }},
		{"?order=id", "", "return=representation", 400, 0, func(b string) bool { return strings.Contains(b, "order") }},
		{"?columns=id,nope", "", "", 400, 0, func(b string) bool { return strings.Contains(b, "PGRST204") }},
		{"?on_conflict=slug", "", "resolution=merge-duplicates", 201, n, func(b string) bool { return b == "" }},
	} {
		s.DB.Exec(t, `truncate public.notes`)
		a := send(t, s, notes+c.query, p.Access, bulk(n, note), "Prefer", c.prefer, "Accept", c.accept)
		if a.Status != c.status || !c.check(compact(a.Body)) && !c.check(a.Body) {
			t.Errorf("%s %s %s: %d %.300s", c.query, c.accept, c.prefer, a.Status, a.Body)
		}
		if found := rowsIn(t, s, "notes"); found != c.rows {
			t.Errorf("%s %s %s: %d rows, want %d", c.query, c.accept, c.prefer, found, c.rows)
		}
	}
	// All are there already: nothing is new.
	const again = "resolution=merge-duplicates,return=representation"
	if a := send(t, s, notes+"?select=id", p.Access, bulk(n, note), "Prefer", again); a.Status != 200 || strings.Count(a.Body, "{") != n {
		t.Errorf("again: %d %.200s", a.Status, a.Body)
	}
	one := func(i int) string { return note(i + 1) }
	if a := send(t, s, notes, p.Access, bulk(n, one), "Prefer", again); a.Status != 201 {
		t.Errorf("one is new: %d %.200s", a.Status, a.Body)
	}
}

// TestManyRowsAllOrNothing: whatever is wrong with one row, none stays, and the
// next request finds everything as it was.
func TestManyRowsAllOrNothing(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.DB.Exec(t, notesSQL)
	alice, bob := s.SignUp(), s.SignUp()
	const n, bad = 100_000, 90_000
	for name, c := range map[string]struct {
		row    func(i int) string
		status int
		code   string
	}{
		"the row of somebody else": {func(i int) string {
			return map[bool]string{false: fmt.Sprintf(`{"id":%d,"user_id":%q}`, i, alice.ID), true: fmt.Sprintf(`{"id":%d,"user_id":%q}`, i, bob.ID)}[i == bad]
		}, 403, "42501"},
		"a row twice": {func(i int) string { return fmt.Sprintf(`{"id":%d,"slug":"s%d"}`, i, i%(n-1)) }, 409, "23505"},
		"a bad value": {func(i int) string {
			return fmt.Sprintf(`{"id":%q}`, fmt.Sprint(i, map[bool]string{true: "x"}[i == bad]))
		}, 400, "22P02"},
		"other keys": {func(i int) string { return fmt.Sprintf(`{"id%s":%d}`, map[bool]string{true: "x"}[i == bad], i) }, 400, "PGRST102"},
		"no JSON":    {func(i int) string { return fmt.Sprintf(`{"id":%d%s}`, i, map[bool]string{true: ","}[i == bad]) }, 400, "PGRST102"},
		"a long row": {func(i int) string {
			return fmt.Sprintf(`{"id":%d,"body":%q}`, i, strings.Repeat("x", map[bool]int{true: 1 << 20}[i == bad]))
		}, 413, "row_too_large"},
		"a nested value": {func(i int) string {
			return fmt.Sprintf(`{"id":%d,"body":%s1%s}`, i, strings.Repeat("[", 63*btoi(i == bad)), strings.Repeat("]", 63*btoi(i == bad)))
		}, 400, "PGRST102"},
	} {
		a := send(t, s, notes, alice.Access, bulk(n, c.row))
		if a.Status != c.status || a.Code() != c.code {
			t.Errorf("%s: %d %.300s", name, a.Status, a.Body)
		}
		if found := rowsIn(t, s, "notes"); found != 0 {
			t.Errorf("%s: %d rows", name, found)
		}
		if within := batchOf.FindStringSubmatch(a.Body); len(c.code) == 5 && (within == nil || !holds(within, map[string]int{"23505": n}[c.code], bad+1)) {
			t.Errorf("%s: it does not say where, or wrongly: %s", name, a.Body)
		}
	}
	s.DB.Exec(t, `create function public.at_the_end() returns trigger language plpgsql as $$ begin raise exception 'not yet'; end $$;
		create constraint trigger late after insert on public.notes initially deferred for each row when (new.id = 7) execute function public.at_the_end()`)
	if a := send(t, s, notes, alice.Access, bulk(10_000, note)); a.Code() != "P0001" || batchOf.MatchString(a.Body) {
		t.Errorf("at the end, when no row is under way: %d %s", a.Status, a.Body)
	}
	s.DB.Exec(t, `drop trigger late on public.notes`)
	if a := send(t, s, notes, alice.Access, bulk(10_000, note)); a.Status != 201 || rowsIn(t, s, "notes") != 10_000 {
		t.Errorf("control: %d %s", a.Status, a.Body)
	}
}

// batchOf is how an error tells which rows it may be about.
var batchOf = regexp.MustCompile(`one of the rows (\d+) to (\d+)\.`)

// holds says whether a row, the first that is not 0, is within what batchOf has
// found.
func holds(found []string, rows ...int) bool {
	first, _ := strconv.Atoi(found[1])
	last, _ := strconv.Atoi(found[2])
	row := cmp.Or(rows...)
	return first <= row && row <= last && first > 1
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// TestWhereOneStatementEnds: up to 1 MiB an insert is one statement, whose
// triggers see all of its rows.
func TestWhereOneStatementEnds(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.DB.Exec(t, thingsSQL)
	p := s.SignUp()
	for _, c := range []struct {
		rows, statements int
		query, prefer    string
		row              func(i int) string
	}{
		{rows: 4000, statements: 1},
		{rows: 10_000, statements: 2}, // 2 MB
		{rows: 4000, statements: 1, query: "?columns=a,n", prefer: "missing=default"},
		{rows: 4000, statements: 2, query: "?columns=a,n", prefer: "missing=default", row: func(i int) string {
			return []string{`{"a":"x"}`, `{"n":1}`}[i%2]
		}},
		{rows: 4, statements: 4, query: "?columns=a,n", prefer: "missing=default, return=representation", row: func(i int) string {
			return []string{`{"a":"x"}`, `{"n":1}`}[i%2]
		}},
	} {
		s.DB.Exec(t, `truncate public.statements; truncate public.things`)
		if c.row == nil {
			c.row = func(int) string { return fmt.Sprintf(`{"a":%q}`, filler) }
		}
		a := send(t, s, things+c.query, p.Access, bulk(c.rows, c.row), "Prefer", c.prefer)
		if a.Status != 201 || rowsIn(t, s, "things") != c.rows || rowsIn(t, s, "statements") != c.statements {
			t.Errorf("%d rows: %d %s: %d rows in %d statements", c.rows, a.Status, a.Body, rowsIn(t, s, "things"), rowsIn(t, s, "statements"))
		}
	}
}

// TestSlowClientsHoldNothing: while a body is on its way no transaction is open
// for it, so that nobody waits for whoever stalls.
func TestSlowClientsHoldNothing(t *testing.T) {
	t.Parallel()
	s := newServer(t, servertest.With("server.read_timeout", "3s"), servertest.With("database.max_connections", "1"))
	s.DB.Exec(t, notesSQL)
	p := s.SignUp()
	body, finish := io.Pipe()
	slow := make(chan servertest.Answer, 1)
	go func() { slow <- send(t, s, notes, p.Access, body) }()
	rows := bulk(20_000, note) // 4.5 MB
	if _, err := io.CopyN(finish, rows, 4_000_000); err != nil {
		t.Fatal(err)
	}
	// The only connection is free, and row 1 is nobody's yet.
	if a := s.Do("POST", notes, p.Access, `{"id":1}`); a.Status != 201 {
		t.Errorf("meanwhile: %d %s", a.Status, a.Body)
	}
	var open int
	if s.DB.Scan(t, `select count(*) from pg_stat_activity where datname = current_database() and usename = 'fluxbase_user' and xact_start is not null`, nil, &open); open != 0 {
		t.Errorf("%d transactions are open", open)
	}
	if a := <-slow; a.Status != 408 || a.Code() != "body_too_slow" { // read_timeout
		t.Errorf("the one who stalls: %d %s", a.Status, a.Body)
	}
	_ = finish.Close()
	if n := rowsIn(t, s, "notes"); n != 1 {
		t.Errorf("%d rows", n)
	}
}

// raw sends bytes as they are, and perhaps goes. It returns the status line of the
// answer.
func raw(t *testing.T, s *servertest.Server, text string, goes bool) string {
	t.Helper()
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if goes {
		_, _ = io.WriteString(c, text)
		return ""
	}
	go func() { _, _ = io.WriteString(c, text) }()
	line, _ := bufio.NewReader(c).ReadString('\n')
	return strings.TrimSpace(line)
}

func head(p servertest.Person) string {
	return "POST " + notes + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + p.Access + "\r\nContent-Type: application/json\r\nConnection: close\r\n"
}

// TestBodiesThatAreNotWhatTheySay at the level of bytes.
func TestBodiesThatAreNotWhatTheySay(t *testing.T) {
	t.Parallel()
	s := newServer(t, servertest.With("data.max_body_size", "4MiB"), servertest.With("server.max_body_size", "64KiB"), servertest.With("server.read_timeout", "6s"))
	s.DB.Exec(t, notesSQL)
	p := s.SignUp()
	head := head(p)
	for name, c := range map[string]struct{ text, want string }{
		"shorter than it says":      {head + "Content-Length: 100\r\n\r\n{\"id\":1}", "HTTP/1.1 408 Request Timeout"},
		"longer than it says":       {head + "Content-Length: 8\r\n\r\n{\"id\":1},{\"id\":2}", "HTTP/1.1 201 Created"},
		"cut chunks":                {head + "Transfer-Encoding: chunked\r\n\r\n8\r\n{\"id\":2}\r\nz", "HTTP/1.1 408 Request Timeout"},
		"chunks":                    {head + "Transfer-Encoding: chunked\r\n\r\n4\r\n{\"id\r\n4\r\n\":3}\r\n0\r\n\r\n", "HTTP/1.1 201 Created"},
		"spaces":                    {head + "Content-Length: 2000000000\r\n\r\n" + strings.Repeat(" ", 1<<20), "HTTP/1.1 413 Request Entity Too Large"},
		"a row":                     {head + "Content-Length: 30000000\r\n\r\n{\"body\":\"" + strings.Repeat("x", 1<<20), "HTTP/1.1 413 Request Entity Too Large"},
		"many rows":                 {head + "Content-Length: 30000000\r\n\r\n[" + strings.Repeat("{\"id\":5},", 600_000), "HTTP/1.1 413 Request Entity Too Large"},
		"a length that is negative": {head + "Content-Length: -1\r\n\r\n", "HTTP/1.1 400 Bad Request"},
	} {
		if got := raw(t, s, c.text, false); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	var ids string
	if s.DB.Scan(t, `select coalesce(string_agg(id::text, ',' order by id), '') from public.notes`, nil, &ids); ids != "1,3" {
		t.Errorf("rows: %s", ids)
	}
}

// TestClientsThatGo before their answer leave nothing behind.
func TestClientsThatGo(t *testing.T) {
	t.Parallel()
	s := newServer(t, servertest.With("database.max_connections", "1"))
	s.DB.Exec(t, notesSQL+`; create function public.wait() returns trigger language plpgsql as $$ begin
		if new.id = 15000 then perform pg_sleep(8); end if; return new; end $$;
		create trigger wait before insert on public.notes for each row execute function public.wait()`)
	p := s.SignUp()
	afterwards := func(when string) {
		if a := s.Do("POST", notes, p.Access, `{"id":-1}`); a.Status != 201 {
			t.Errorf("%s: afterwards: %d %s", when, a.Status, a.Body)
		}
		if n := rowsIn(t, s, "notes"); n != 1 {
			t.Errorf("%s: %d rows", when, n)
		}
		s.DB.Exec(t, `delete from public.notes`)
	}
	var part strings.Builder
	if _, err := io.CopyN(&part, bulk(20_000, note), 3<<20); err != nil {
		t.Fatal(err)
	}
	raw(t, s, head(p)+"Content-Length: 5000000\r\n\r\n"+part.String(), true)
	afterwards("while it is sent")

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+notes, bulk(20_000, note))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+p.Access)
	r.Header.Set("Content-Type", "application/json")
	go func() {
		defer cancel()
		for range 1000 {
			var sleeping int
			if s.DB.Scan(t, `select count(*) from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'`, nil, &sleeping); sleeping > 0 {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Error("nothing was written")
	}()
	if answer, err := http.DefaultClient.Do(r); err == nil {
		_ = answer.Body.Close()
		t.Errorf("answered: %d", answer.StatusCode)
	}
	afterwards("while it is written")
}

// TestWhatSeveralStatementsChange holds what the documentation says of large
// inserts against what they do.
func TestWhatSeveralStatementsChange(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.DB.Exec(t, notesSQL+`; create table public.nodes (id int primary key, parent int references public.nodes, body text);
		alter table public.nodes enable row level security; create policy everybody on public.nodes using (true)`)
	p := s.SignUp()
	node := func(n int) func(int) string { // whose first row refers to the last one
		return func(i int) string {
			return fmt.Sprintf(`{"id":%d,"parent":%s,"body":%q}`, i, map[bool]string{false: "null", true: fmt.Sprint(n - 1)}[i == 0], filler)
		}
	}
	twice := func(n int) func(int) string {
		return func(i int) string { return fmt.Sprintf(`{"id":%d,"body":"%d %s"}`, i%(n-1), i, filler) }
	}
	const nodes, merge = "/api/v1/tables/nodes", "resolution=merge-duplicates"
	for _, c := range []struct {
		path, prefer string
		n            int
		row          func(n int) func(int) string
		status       int
		code         string
	}{
		{nodes, "", 1000, node, 201, ""},
		{nodes, "", 10_000, node, 409, "23503"},
		{notes, merge, 1000, twice, 400, "21000"},
		{notes, merge, 10_000, twice, 201, ""},
	} {
		s.DB.Exec(t, `truncate public.nodes, public.notes`)
		a := send(t, s, c.path, p.Access, bulk(c.n, c.row(c.n)), "Prefer", c.prefer)
		if a.Status != c.status || c.code != "" && a.Code() != c.code {
			t.Errorf("%s, %d rows: %d %s", c.path, c.n, a.Status, a.Body)
		}
	}
	var body string
	if s.DB.Scan(t, `select left(body, 5) from public.notes where id = 0`, nil, &body); body != "9999 " {
		t.Errorf("of two rows with a key %q stands", body)
	}
}
