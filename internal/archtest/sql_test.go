package archtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fluxbase/fluxbase/internal/archtest/statement"
)

// written are the places that send SQL which is no constant, by function or, with
// .*, by package, and why they may.
var written = map[string]string{
	"dataapi/plan.*":                "the planner: names of the catalog and of requests by postgres.Quote, values as parameters; FuzzShape and FuzzRequest",
	"dataapi.Service.settle":        "calls data.pre_request, whose name is the configuration's, by postgres.Quote",
	"catalog.typeMap.load":          "the name of a type as PostgreSQL's format_type has it",
	"user.Service.Relations":        "countQuery: names of the catalog by postgres.Quote, the user as a parameter",
	"audit.dropPartition":           "the name of a partition is made of a month",
	"postgres.watch":                "LISTEN takes no parameter; the channels are constants",
	"postgres/migrate.Bootstrap":    "CREATE ROLE and CREATE DATABASE take no parameters: names by postgres.Quote, a SCRAM verifier in base64",
	"postgres/migrate.setPassword":  "ALTER ROLE takes no parameters: the name of a constant, a SCRAM verifier in base64, the driver's EscapeString",
	"postgres/migrate.create":       "a file of the program's: schema.Roles",
	"postgres/migrate.EnsureRoles":  "text for an administrator, of a file and a quoted name",
	"postgres/migrate.WatchCatalog": "a file of the program's: schema.CatalogWatch",
	"postgres/migrate.Status":       "text of migrations to show",
	"rls.parseStatement":            "what an administrator wants explained, in one message of the extended protocol, as the person, undone",
	"rls.planOf":                    "what parseStatement has let through",
	"rls.openCursor":                "what parseStatement has let through",
	"rls.rowsWhere":                 "a table and a condition as PostgreSQL prints them, as the person, undone",
	"rls.passing":                   "a table and an expression of a policy as PostgreSQL prints them",
	"cli/operator.explainCommand":   "what an operator wants explained",
	"rls/lint.Service.Lint":         "advice, of names as PostgreSQL's format prints them; apply runs it",
	"rls/lint.linter.relation":      "advice, of names as PostgreSQL's format prints them",
	"rls/lint.linter.policy":        "advice, of names and expressions as PostgreSQL prints them; apply runs it",
	"pgtest.*":                      "databases of tests, whose names are numbered",
}

// TestSQLIsConstant refuses SQL that is put together anywhere but in the places
// above, and names that are quoted by anything but postgres.Quote.
func TestSQLIsConstant(t *testing.T) {
	t.Parallel()
	p, err := statement.Load("../..", "internal", "cmd")
	if err != nil {
		t.Fatal(err)
	}
	found, findings := p.Find()
	used := map[string]bool{}
	for _, f := range findings {
		pkg, _, _ := strings.Cut(f.Func, ".")
		switch {
		case strings.HasPrefix(f.What, "a second way"):
			t.Errorf("%s: %s: take postgres.Quote", f.Where, f.What)
		case written[f.Func] != "":
			used[f.Func] = true
		case written[pkg+".*"] != "":
			used[pkg+".*"] = true
		default:
			t.Errorf("%s: %s sends SQL that is no constant: %s", f.Where, f.Func, f.What)
		}
	}
	for place := range written {
		if !used[place] {
			t.Errorf("%s sends constants only: take it off the list", place)
		}
	}
	for _, file := range p.Unread() { // for another platform
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "jackc/pgx") || strings.Contains(string(text), "internal/postgres\"") {
			t.Errorf("%s is of another platform, where nobody looks at its SQL", filepath.Base(file))
		}
	}
	t.Logf("%d statements, %d places that send others", len(found), len(used))
}

// TestWaysToSendSQL has the search look at programs that would hide a statement
// from it.
func TestWaysToSendSQL(t *testing.T) {
	t.Parallel()
	p, err := statement.Load("../..", "internal/postgres")
	if err != nil {
		t.Fatal(err)
	}
	before, excused := p.Find()
	for name, c := range map[string]struct {
		text       string
		statements int
		refused    bool
	}{
		"a constant":                   {`const sql = "select 1"; func f() { q.Exec(ctx, sql) }`, 1, false},
		"a literal":                    {`func f() { q.QueryRow(ctx, "select 1") }`, 1, false},
		"constants put together":       {`const a, b = "select ", "1"; func f() { q.Query(ctx, a+b) }`, 1, false},
		"one of two constants":         {`func f(b bool) { sql := "select 1"; if b { sql = "select 2" }; q.Query(ctx, sql) }`, 2, false},
		"a function of constants":      {`func pick(b bool) string { if b { return "a" }; return "b" }; func f() { q.Query(ctx, pick(true)) }`, 2, false},
		"handed on":                    {`func g(sql string) { q.Query(ctx, sql) }; func f() { g("select 1"); g("select 2") }`, 2, false},
		"handed on twice":              {`func h(s string) { g(s) }; func g(s string) { q.Query(ctx, s) }; func f() { h("select 1") }`, 1, false},
		"by a method":                  {`type t struct{}; func (t) g(s string) { q.Query(ctx, s) }; func f() { t{}.g("select 1") }`, 1, false},
		"by a generic function":        {`func g[T any](s string) { q.Query(ctx, s) }; func f() { g[int]("select 1") }`, 1, false},
		"a field":                      {`func f() { db.As(ctx, nil, postgres.Statement{SQL: "select 1"}, nil) }`, 1, false},
		"a batch":                      {`func f(b *pgx.Batch) { b.Queue("select 1") }`, 1, false},
		"a pipeline":                   {`func f(p *pgconn.Pipeline) { p.SendQueryParams("select 1", nil, nil, nil, nil); p.SendPrepare("n", "select 2", nil) }`, 2, false},
		"a variable of a package":      {`var sql = "select 1"; func f() { q.Exec(ctx, sql) }`, 0, true},
		"Sprintf":                      {`func f(s string) { q.Exec(ctx, fmt.Sprintf("select '%s'", s)) }`, 0, true},
		"put together":                 {`func f(s string) { q.Exec(ctx, "select " + s) }`, 0, true},
		"put together before":          {`func f(s string) { sql := "select " + s; q.Exec(ctx, sql) }`, 0, true},
		"put together bit by bit":      {`func f(s string) { sql := "select "; sql += s; q.Exec(ctx, sql) }`, 1, true},
		"a builder":                    {`func f(s string) { var b strings.Builder; b.WriteString(s); q.Exec(ctx, b.String()) }`, 0, true},
		"a parameter that is written":  {`func f(sql string) { sql += " limit 1"; q.Exec(ctx, sql) }`, 0, true},
		"handed on, put together":      {`func g(sql string) { q.Query(ctx, sql) }; func f(s string) { g("select " + s) }`, 0, true},
		"an interface of its own":      {`type i interface{ run(string) }; type t struct{}; func (t) run(s string) { q.Exec(ctx, s) }; func f(x i, s string) { x.run("select " + s) }`, 0, true},
		"a generic one, put together":  {`func g[T any](s string) { q.Query(ctx, s) }; func f(s string) { g[int]("select " + s) }`, 0, true},
		"a method as a value":          {`func f(s string) { run := q.Exec; run(ctx, "select " + s) }`, 0, true},
		"a method's expression":        {`func f(s string) { postgres.Querier.Exec(q, ctx, "select " + s) }`, 0, true},
		"a function as a value":        {`func g(sql string) { q.Query(ctx, sql) }; func f(s string) { run := g; run("select " + s) }`, 0, true},
		"a closure":                    {`func f(s string) { func(sql string) { q.Exec(ctx, sql) }("select " + s) }`, 0, true},
		"out of a slice":               {`func f(s []string) { for _, sql := range s { q.Exec(ctx, sql) } }`, 0, true},
		"out of a map":                 {`func f(s map[string]string) { q.Exec(ctx, s["a"]) }`, 0, true},
		"by its address":               {`func f(s string) { sql := "select 1"; p := &sql; *p = s; q.Exec(ctx, sql) }`, 1, true},
		"a field, put together":        {`func f(s string) { db.As(ctx, nil, postgres.Statement{SQL: "select " + s}, nil) }`, 0, true},
		"a field without its name":     {`type Step struct { SQL string }; func f(s string) { _ = Step{"select " + s} }`, 0, true},
		"a field that is written":      {`func f(s string) { var st postgres.Statement; st.SQL = "select " + s; db.As(ctx, nil, st, nil) }`, 0, true},
		"a field that grows":           {`func f(s string) { st := postgres.Statement{SQL: "select 1"}; st.SQL += s; db.As(ctx, nil, st, nil) }`, 1, true},
		"a field by its address":       {`func f(s string) { var st postgres.Statement; p := &st.SQL; *p = s; db.As(ctx, nil, st, nil) }`, 0, true},
		"a message of the protocol":    {`func f(s string) { _ = pgproto3.Query{String: s + ";"} }`, 0, true},
		"a batch, put together":        {`func f(b *pgx.Batch, s string) { b.Queue("select " + s) }`, 0, true},
		"database/sql":                 {`func f(d *standard.DB, s string) { d.Exec("select " + s) }`, 0, true},
		"several results as arguments": {`func two() (context.Context, string) { return ctx, "x" }; func g(c context.Context, sql string) { q.Exec(c, sql) }; func f() { g(two()) }`, 0, true},
		"quoted another way":           {`func f(s string) { _ = pgx.Identifier{s}.Sanitize() }`, 0, true},
		"in the value of a variable":   {`var f = func(s string) { q.Exec(ctx, "select " + s) }`, 0, true},
	} {
		text := `package fixture
import ("context"; standard "database/sql"; "fmt"; "strings"; "github.com/jackc/pgx/v5"; "github.com/jackc/pgx/v5/pgconn"; "github.com/jackc/pgx/v5/pgproto3"
	"github.com/fluxbase/fluxbase/internal/postgres")
var (q postgres.Querier; ctx context.Context; db *postgres.DB; _ = fmt.Sprint; _ strings.Builder; _ standard.DB; _ pgx.Conn; _ pgconn.PgConn; _ pgproto3.Query)
` + c.text
		more, err := p.With("fixture", text)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		statements, findings := more.Find()
		if got := len(statements) - len(before); got != c.statements {
			t.Errorf("%s: %d statements found, want %d", name, got, c.statements)
		}
		if refused := len(findings) > len(excused); refused != c.refused {
			t.Errorf("%s: refused: %v, want %v: %v", name, refused, c.refused, findings[len(excused):])
		}
	}
}
