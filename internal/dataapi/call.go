package dataapi

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/fluxbase/fluxbase/internal/catalog"
	"github.com/fluxbase/fluxbase/internal/dataapi/plan"
	"github.com/fluxbase/fluxbase/internal/dataapi/query"
	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/principal"
	"github.com/fluxbase/fluxbase/internal/web"
)

// Call is a request to run a function.
type Call struct {
	Terms

	Schema   string // one of the service's, or "" for the default
	Function string
	Query    string // raw
	Read     bool   // the arguments are in the query, and nothing may change
	Media    string // of Body: application/json, text/plain or application/octet-stream
	Body     []byte
	Answer   plan.Answer
	Single   bool    // refuse anything but one row
	Window   *Window // more narrow than limit and offset; for Read

	MaxAffected *int64 // refuse to answer with more rows
}

// Answer is what a function answered with.
type Answer struct {
	Result

	Set  bool
	Void bool
}

// Call runs a function as the caller. PostgreSQL checks the privilege to, and
// refuses writes where the function has promised none.
func (s *Service) Call(ctx context.Context, c Call) (Answer, error) {
	var err error
	if c.Schema, err = s.schema(c.Schema); err != nil {
		return Answer{}, err
	}
	named, err := s.Catalog.Functions(ctx, c.Schema, c.Function)
	if err != nil {
		return Answer{}, err
	}
	given, rest, err := c.arguments(named)
	if err != nil {
		return Answer{}, err
	}
	q, err := parse(rest)
	if err != nil {
		return Answer{}, err
	}
	if slices.ContainsFunc(q.Select, func(i query.Item) bool { return i.Embed != nil }) { // rows of tables beside what the function returns
		if err := web.NeedScope(c.Principal, principal.ReadTables); err != nil {
			return Answer{}, err
		}
	}
	if q.Columns != nil && !c.Read {
		given.Names = q.Columns
	}
	f, given, err := s.choose(c, named, given)
	if err != nil {
		return Answer{}, err
	}
	if c.Read && f.Volatility == catalog.Volatile {
		return Answer{}, refuseVolatile(f)
	}
	if f.Set {
		c.Window.narrow(&q)
	}
	if c.MaxAffected != nil && !f.Set {
		return Answer{}, Fault(fault.Invalid, "PGRST128", "Function must return SETOF or TABLE when max-affected preference is used with handling=strict")
	}
	st, err := plan.Call(f, given, q, s.maxRows(c.Principal), s.answer(c.Principal, c.Answer))
	if err != nil {
		return Answer{}, planFault(err)
	}
	return s.runCall(ctx, c, f, q, st)
}

func (s *Service) runCall(ctx context.Context, c Call, f *catalog.Function, q query.Query, st plan.Statement) (Answer, error) {
	a := Answer{Result: Result{Count: -1}, Set: f.Set, Void: f.Returns == catalog.Void}
	allowed := Request{Single: c.Single && f.Set, MaxAffected: c.MaxAffected}
	do := postgres.Statement{ReadOnly: c.Read || f.Volatility != catalog.Volatile}
	do.Held, do.Rollback = (allowed.Single || c.MaxAffected != nil) && !do.ReadOnly, (c.Rollback || c.Explain != "") && !do.ReadOnly
	err := s.perform(ctx, c.Terms, do, nil, c.main(st, callScanner(st, &a.Result, func() error {
		return check(allowed, a.Result)
	}), &a.Result))
	if err != nil {
		return Answer{}, err
	}
	if q.Offset != nil {
		a.Offset = *q.Offset
	}
	if c.Read { // anything else has been done
		return a, a.reached()
	}
	return a, nil
}

func refuseVolatile(f *catalog.Function) error {
	e := Fault(fault.MethodNotAllowed, "PGRST101", "The function "+f.Schema+"."+f.Name+" may change something: call it by POST")
	e.SQL.Hint = "If it changes nothing, declare it so: alter function " + postgres.Quote(f.Schema, f.Name) + " stable"
	return e
}

// arguments finds what the function is to be called with, and the part of the
// query that is about its answer.
func (c Call) arguments(named []*catalog.Function) (plan.Arguments, string, error) {
	switch {
	case c.Read:
		return queried(named, c.Query)
	case c.Media != "application/json":
		return plan.Arguments{}, c.Query, nil
	}
	a := plan.Arguments{JSON: string(c.Body)}
	d := jsontext.NewDecoder(bytes.NewReader(c.Body))
	if d.PeekKind() != '{' {
		return a, c.Query, nil
	}
	var err error
	a.Names, err = objectKeys(d)
	return a, c.Query, err
}

// queried takes out of a query what some function of the name has an argument
// for, and what cannot be meant as a filter.
func queried(named []*catalog.Function, raw string) (plan.Arguments, string, error) {
	a := plan.Arguments{Texts: map[string][]string{}}
	var rest []string
	for part := range strings.SplitSeq(raw, "&") {
		key, value, _ := strings.Cut(part, "=")
		name, err1 := url.QueryUnescape(key)
		text, err2 := url.QueryUnescape(value)
		if err1 != nil || err2 != nil || part == "" || query.Reserved(name) || !takes(named, name) && query.IsFilter(name, text) {
			rest = append(rest, part)
			continue
		}
		if !utf8.ValidString(name+text) || strings.ContainsRune(name+text, 0) {
			return a, "", Fault(fault.Invalid, "PGRST100", "An argument is not UTF-8 without NUL")
		}
		a.Texts[name] = append(a.Texts[name], text)
		if len(a.Texts) > maxArguments {
			return a, "", Fault(fault.Invalid, "PGRST100", fmt.Sprintf("A function takes at most %d arguments", maxArguments))
		}
		if !slices.Contains(a.Names, name) {
			a.Names = append(a.Names, name)
		}
	}
	return a, strings.Join(rest, "&"), nil
}

const maxArguments = 100 // PostgreSQL's own limit

func takes(named []*catalog.Function, argument string) bool {
	return slices.ContainsFunc(named, func(f *catalog.Function) bool {
		return slices.ContainsFunc(f.Arguments, func(a catalog.Argument) bool { return a.Name == argument && argument != "" })
	})
}

// choose finds the function that takes the arguments: of several the one that
// has to make up the fewest. What takes the whole body comes last.
func (s *Service) choose(c Call, named []*catalog.Function, given plan.Arguments) (*catalog.Function, plan.Arguments, error) {
	var best []*catalog.Function
	fewest := maxArguments + 1
	for _, f := range named {
		missing, ok := fits(f, given.Names)
		if !ok || c.Media != "application/json" && !c.Read || !c.Read && given.Names == nil {
			continue
		}
		if missing < fewest {
			best, fewest = nil, missing
		}
		if missing == fewest {
			best = append(best, f)
		}
	}
	if best == nil && !c.Read {
		for _, f := range named {
			if whole(f, c.Media) {
				best = append(best, f)
			}
		}
		if best != nil {
			text, err := c.text(best[0])
			if err != nil {
				return nil, given, err
			}
			given = plan.Arguments{Whole: &text}
		}
	}
	switch len(best) {
	case 1:
		return best[0], given, nil
	case 0:
		return nil, given, s.noFunction(c, named, given)
	default:
		return nil, given, severalFunctions(best)
	}
}

// fits says whether a function takes arguments of these names and needs no
// others, and how many it has beside them.
func fits(f *catalog.Function, names []string) (missing int, ok bool) {
	known := 0
	for _, a := range f.Arguments {
		switch {
		case a.Name != "" && slices.Contains(names, a.Name):
			known++
		case a.Default, a.Variadic && a.Name != "":
			missing++
		default:
			return 0, false
		}
	}
	return missing, known == len(names)
}

var mediaOf = map[string]string{
	"pg_catalog.json": "application/json", "pg_catalog.jsonb": "application/json",
	"pg_catalog.text": "text/plain", "pg_catalog.bytea": "application/octet-stream",
}

// whole says whether a function takes a body of a media type as its one
// argument, which has no name.
func whole(f *catalog.Function, media string) bool {
	return len(f.Arguments) == 1 && f.Arguments[0].Name == "" && mediaOf[f.Arguments[0].Type.Base] == media
}

// text is the body as the text of an argument.
func (c Call) text(f *catalog.Function) (string, error) {
	if f.Arguments[0].Type.Base == "pg_catalog.bytea" {
		return `\x` + hex.EncodeToString(c.Body), nil
	}
	if !utf8.Valid(c.Body) || bytes.ContainsRune(c.Body, 0) {
		return "", Fault(fault.Invalid, "PGRST102", "The body is not UTF-8 without NUL")
	}
	return string(c.Body), nil
}

func (s *Service) noFunction(c Call, named []*catalog.Function, given plan.Arguments) error {
	called := c.Schema + "." + c.Function
	with := "with the parameters " + strings.Join(given.Names, ", ")
	if len(given.Names) == 0 {
		with = "without parameters"
	}
	e := Fault(fault.NotFound, "PGRST202", "Could not find the function "+called+" "+with)
	e.SQL.Details = "Arguments are matched by their names; a single argument without a name takes the whole body."
	if len(named) > 0 {
		e.SQL.Hint = "Perhaps you meant to call " + signature(named[0])
	} else if near := s.Catalog.NearFunction(c.Schema, c.Function); near != "" {
		e.SQL.Hint = "Perhaps you meant to call the function " + c.Schema + "." + near
	}
	return e
}

func severalFunctions(best []*catalog.Function) error {
	candidates := make([]string, len(best))
	for i, f := range best {
		candidates[i] = signature(f)
	}
	e := Fault(fault.Ambiguous, "PGRST203", "Could not choose the best candidate function between: "+strings.Join(candidates, ", "))
	e.SQL.Hint = "Give overloaded functions arguments of different names, or only one of them."
	return e
}

func signature(f *catalog.Function) string {
	arguments := make([]string, len(f.Arguments))
	for i, a := range f.Arguments {
		arguments[i] = strings.TrimSpace(a.Name + " => " + a.Type.Label)
	}
	return f.Schema + "." + f.Name + "(" + strings.Join(arguments, ", ") + ")"
}
