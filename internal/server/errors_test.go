package server_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/servertest"
	"github.com/fluxbase/fluxbase/internal/web/problem"
)

// kinds are those of package fault by their names.
var kinds = map[string]fault.Kind{
	"Internal": fault.Internal, "Invalid": fault.Invalid, "Unauthenticated": fault.Unauthenticated, "Forbidden": fault.Forbidden,
	"NotFound": fault.NotFound, "Conflict": fault.Conflict, "MethodNotAllowed": fault.MethodNotAllowed, "NotAcceptable": fault.NotAcceptable,
	"Ambiguous": fault.Ambiguous, "Misbehaved": fault.Misbehaved, "TooLarge": fault.TooLarge, "UnsupportedMedia": fault.UnsupportedMedia,
	"TooMany": fault.TooMany, "Unavailable": fault.Unavailable, "Timeout": fault.Timeout, "OutOfRange": fault.OutOfRange, "Precondition": fault.Precondition, "TooSlow": fault.TooSlow,
}

// codesIn returns the codes that the sources make faults of, each with its kinds.
func codesIn(t *testing.T) map[string]map[fault.Kind]bool {
	t.Helper()
	codes := map[string]map[fault.Kind]bool{}
	add := func(kind fault.Kind, known bool, e ast.Expr) {
		literal, ok := e.(*ast.BasicLit)
		if !ok || literal.Kind != token.STRING || !known || kind == fault.Internal {
			return
		}
		code, _ := strconv.Unquote(literal.Value)
		if codes[code] == nil {
			codes[code] = map[fault.Kind]bool{}
		}
		codes[code][kind] = true
	}
	each(t, func(n ast.Node) {
		switch n := n.(type) {
		case *ast.CallExpr:
			switch name := called(n); {
			case (name == "New" || name == "Newf" || name == "Fault" || name == "Detailed") && len(n.Args) > 1:
				kind, known := kindOf(n.Args[0])
				add(kind, known, n.Args[1])
			case name == "Input" && len(n.Args) == 3, name == "fail" && len(n.Args) == 3:
				add(fault.Invalid, true, n.Args[1])
			}
		case *ast.ReturnStmt:
			if len(n.Results) == 2 {
				kind, known := kindOf(n.Results[0])
				add(kind, known, n.Results[1])
			}
		case *ast.CompositeLit:
			var kind fault.Kind
			known := false
			for _, e := range n.Elts {
				pair, ok := e.(*ast.KeyValueExpr)
				if !ok {
					continue
				}
				switch key, _ := pair.Key.(*ast.Ident); {
				case key != nil && key.Name == "Kind":
					kind, known = kindOf(pair.Value)
				case key != nil && key.Name == "Code":
					add(kind, known, pair.Value)
				}
			}
		}
	})
	delete(codes, "")
	return codes
}

// each shows every node of the sources, tests and the page itself aside.
func each(t *testing.T, f func(ast.Node)) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(pgtest.Root(), "internal"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasPrefix(d.Name(), "codes_") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool { f(n); return true })
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func called(c *ast.CallExpr) string {
	switch f := c.Fun.(type) {
	case *ast.SelectorExpr:
		return f.Sel.Name
	case *ast.Ident:
		return f.Name
	default:
		return ""
	}
}

func kindOf(e ast.Expr) (fault.Kind, bool) {
	name := ""
	switch e := e.(type) {
	case *ast.SelectorExpr:
		if x, ok := e.X.(*ast.Ident); ok && x.Name == "fault" {
			name = e.Sel.Name
		}
	case *ast.Ident:
		name = e.Name // within package fault
	}
	kind, ok := kinds[name]
	return kind, ok
}

// TestEveryCodeIsOnThePage, with the statuses that it comes with; nothing else
// is, and nothing is twice.
func TestEveryCodeIsOnThePage(t *testing.T) {
	t.Parallel()
	used := codesIn(t)
	if len(used) < 150 {
		t.Errorf("%d codes were found; the sources were read wrong", len(used))
	}
	page := map[string]problem.Code{}
	for _, g := range problem.Groups() {
		for _, c := range g.Codes {
			if _, twice := page[c.Code]; twice {
				t.Errorf("%s is on the page twice", c.Code)
			}
			page[c.Code] = c
			if c.When == "" || c.Advice() == "" || len(c.Kinds) == 0 || !strings.HasSuffix(c.When, ".") && !strings.HasSuffix(c.When, ")") {
				t.Errorf("%s: %+v", c.Code, c)
			}
			if _, stated := state(c.Code); !stated && c.Literal() && c.Code != "internal_error" && used[c.Code] == nil {
				t.Errorf("nothing answers with %s", c.Code)
			}
		}
	}
	for code, with := range used {
		c, ok := page[code]
		if !ok {
			t.Errorf("%s is not on the page: internal/web/problem/codes_*.go", code)
			continue
		}
		for kind := range with {
			if !slices.Contains(c.Kinds, kind) {
				t.Errorf("%s comes with status %d, and the page does not say so", code, problem.Status(kind))
			}
		}
		if _, stated := state(code); stated {
			continue // PostgreSQL answers with it as well
		}
		for _, kind := range c.Kinds {
			if !with[kind] {
				t.Errorf("%s never comes with status %d", code, problem.Status(kind))
			}
		}
	}
}

var stateForm = regexp.MustCompile(`^([0-9A-Z]{5}|[0-9A-Z]{2}xxx)$`)

// state returns an SQLSTATE that an entry of the page is about.
func state(entry string) (string, bool) {
	if !stateForm.MatchString(entry) {
		return "", false
	}
	return strings.ReplaceAll(entry, "x", "Z"), true
}

// TestStatesAreMappedAsThePageSays asks the mapping about each entry, and reads
// from its source that it has no other.
func TestStatesAreMappedAsThePageSays(t *testing.T) {
	t.Parallel()
	entries := map[string]bool{}
	for _, g := range problem.Groups() {
		for _, c := range g.Codes {
			text, ok := state(c.Code)
			if c.Code == "other" {
				text, ok = "42601", true
			}
			if !ok {
				continue
			}
			entries[c.Code] = true
			kind := fault.KindOf(postgres.CallersFault(&pgconn.PgError{Code: text}))
			if kind != c.Kinds[0] {
				t.Errorf("%s has status %d, and the page says %d", c.Code, problem.Status(kind), c.Statuses())
			}
			if entry, _ := problem.Entry(text); entry != c.Code {
				t.Errorf("%s is found under %s", text, entry)
			}
		}
	}
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(pgtest.Root(), "internal", "postgres", "fault.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	mapped := 0
	ast.Inspect(file, func(n ast.Node) bool {
		clause, ok := n.(*ast.CaseClause)
		if !ok {
			return true
		}
		for _, e := range clause.List {
			literal, ok := e.(*ast.BasicLit)
			if !ok {
				continue
			}
			text, _ := strconv.Unquote(literal.Value)
			mapped++
			entry := text
			if len(text) == 2 {
				text, entry = text+"ZZZ", text+"xxx"
			}
			switch kind := fault.KindOf(postgres.CallersFault(&pgconn.PgError{Code: text})); {
			case kind == fault.Unavailable, kind == fault.Internal: // of the server's own making
			case !entries[entry]:
				t.Errorf("%s is not on the page", entry)
			}
		}
		return true
	})
	if mapped < 30 || len(entries) < 25 {
		t.Errorf("%d are mapped, %d on the page; they were read wrong", mapped, len(entries))
	}
}

// TestErrorsLeadToTheirPage follows the type of answers to where they are
// explained.
func TestErrorsLeadToTheirPage(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	s.DB.Exec(t, `create function public.refuses() returns void language plpgsql as $$ begin raise sqlstate 'PT402' using message = 'Pay first'; end $$;
		create function public.fails() returns int language sql volatile as 'select 1/0'`)
	page := s.Do("GET", problem.Page, "", "")
	if page.Status != http.StatusOK || !strings.HasPrefix(page.Header.Get("Content-Type"), "text/html") || !strings.Contains(page.Header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Fatalf("%d %v", page.Status, page.Header)
	}
	for name, tt := range map[string]struct {
		a    servertest.Answer
		want string
	}{
		"a code":                {s.Do("GET", "/api/v1/nowhere", "", ""), "/docs/errors#route_not_found"},
		"a parameter":           {s.Do("GET", "/api/v1/admin/users?limit=x", s.ServiceKey, ""), "/docs/errors#invalid_limit"},
		"a parameter of others": {s.Do("GET", "/api/v1/admin/audit?after=x", s.ServiceKey, ""), "/docs/errors#unknown_parameter"},
		"of the data API":       {s.Do("GET", "/api/v1/tables/nothing", "", ""), "/docs/errors#PGRST205"},
		"a class":               {s.Do("POST", "/api/v1/rpc/fails", "", "{}"), "/docs/errors#22xxx"},
		"made up":               {s.Do("POST", "/api/v1/rpc/refuses", "", "{}"), "about:blank"},
	} {
		var p struct{ Type string }
		tt.a.JSON(t, &p)
		if p.Type != tt.want {
			t.Errorf("%s: %s", name, tt.a.Body)
		}
		if _, anchor, ok := strings.Cut(p.Type, "#"); ok && strings.Count(page.Body, `id="`+anchor+`"`) != 1 {
			t.Errorf("%s: there is no %s", name, anchor)
		}
	}
	for _, g := range problem.Groups() {
		for _, c := range g.Codes {
			if strings.Count(page.Body, `<dt id="`+c.Code+`">`) != 1 {
				t.Errorf("the page has not one entry for %s", c.Code)
			}
		}
	}
	var doc struct {
		Components struct {
			Schemas map[string]struct {
				OneOf []struct{ Const, Description string }
			}
		}
	}
	s.Do("GET", "/api/v1/openapi.json", "", "").JSON(t, &doc)
	described := map[string]string{}
	for _, c := range doc.Components.Schemas["problem.Code"].OneOf {
		described[c.Const] = c.Description
	}
	for _, g := range problem.Groups() {
		for _, c := range g.Codes {
			if c.Literal() != (described[c.Code] != "") {
				t.Errorf("OpenAPI says of %s: %q", c.Code, described[c.Code])
			}
		}
	}
}

// TestUndocumentedCodes: every answer that a test of this code base gets is
// looked at so.
func TestUndocumentedCodes(t *testing.T) {
	t.Parallel()
	answer := func(kind, code string) servertest.Answer {
		return servertest.Answer{Header: http.Header{"Content-Type": {"application/problem+json"}}, Body: `{"type":"` + kind + `","code":"` + code + `"}`}
	}
	for _, tt := range []struct {
		path, kind, code string
		wrong            bool
	}{
		{"/api/v1/auth/user", "/docs/errors#token_expired", "token_expired", false},
		{"/api/v1/auth/user", "about:blank", "token_expired", true},
		{"/api/v1/auth/user", "about:blank", "token_mislaid", true},
		{"/api/v1/tables/todos", "about:blank", "token_mislaid", false},
		{"/api/v1/tables/todos", "/docs/errors#other", "42601", false},
		{"/api/v1/tables/todos", "/docs/errors#42601", "42601", true},
	} {
		if why := servertest.Undocumented(tt.path, answer(tt.kind, tt.code)); (why != "") != tt.wrong {
			t.Errorf("%+v: %q", tt, why)
		}
	}
}

// TestErrorsReference compares the page of documentation with the code.
func TestErrorsReference(t *testing.T) {
	t.Parallel()
	path := filepath.Join(pgtest.Root(), "docs", "reference", "errors.md")
	want := problem.Reference(limitsOf(t))
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("docs/reference/errors.md is out of date: make generate\n%s", diff)
	}
}
