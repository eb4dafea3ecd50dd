// Package dataapi answers requests for rows as the person who asks: the URL is
// read by query, turned into one statement by plan, and run under the caller's
// role, where Row-Level Security decides which rows exist.
//
// A table that Row-Level Security does not guard is not served to people, unless
// the configuration lists it. Errors carry the codes and words of PostgREST and
// PostgreSQL, so that existing clients understand them.
package dataapi

import (
	"context"
	"errors"
	"fmt"

	"github.com/fluxbase/fluxbase/internal/catalog"
	"github.com/fluxbase/fluxbase/internal/dataapi/plan"
	"github.com/fluxbase/fluxbase/internal/dataapi/query"
	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/principal"
)

// Database is the caller's door.
type Database interface {
	As(ctx context.Context, p *principal.Principal, st postgres.Statement, scan postgres.Scan) error
}

// Catalog finds tables.
type Catalog interface {
	Find(ctx context.Context, schema, name string) (*catalog.Table, error)
}

// Service runs data requests. It is safe for concurrent use.
type Service struct {
	DB              Database
	Catalog         Catalog
	Schema          string          // that requests are about
	AllowWithoutRLS map[string]bool // by table, or schema.table
	MaxRows         int64           // in one answer to a read; 0 is no bound
	Development     bool            // say why a table is not served
}

// Result is the answer to a request.
type Result struct {
	Body  []byte // a JSON array; nil if nothing was asked for
	Count int64  // rows in Body; -1 if not known
}

// Read returns rows.
func (s *Service) Read(ctx context.Context, p *principal.Principal, name, raw string) (Result, query.Query, error) {
	table, q, err := s.prepare(ctx, p, name, raw)
	if err != nil {
		return Result{}, q, err
	}
	st, err := plan.Read(table, q, s.MaxRows)
	if err != nil {
		return Result{}, q, planFault(err)
	}
	result, err := s.run(ctx, p, st, true)
	return result, q, err
}

// Insert adds the rows of a JSON body: an object, or an array of objects with
// the same keys.
func (s *Service) Insert(ctx context.Context, p *principal.Principal, name, raw string, body []byte, returning plan.Returning) (Result, *catalog.Table, error) {
	table, q, err := s.prepare(ctx, p, name, raw)
	if err != nil {
		return Result{}, nil, err
	}
	rows, err := parseRows(body)
	if err != nil {
		return Result{}, nil, err
	}
	if q.Columns != nil {
		rows.columns = q.Columns
	}
	if rows.count == 0 {
		return Result{Body: []byte("[]")}, table, nil
	}
	st, err := plan.Insert(table, q, rows.columns, rows.array, returning)
	if err != nil {
		return Result{}, nil, planFault(err)
	}
	result, err := s.run(ctx, p, st, false)
	return result, table, err
}

// Update changes the rows that the query selects, all of them if it has no
// filter, with the members of a JSON object.
func (s *Service) Update(ctx context.Context, p *principal.Principal, name, raw string, body []byte, returning plan.Returning) (Result, error) {
	table, q, err := s.prepareChange(ctx, p, name, raw)
	if err != nil {
		return Result{}, err
	}
	object, err := parseObject(body)
	if err != nil {
		return Result{}, err
	}
	if len(object.columns) == 0 {
		return Result{Body: []byte("[]")}, nil
	}
	st, err := plan.Update(table, q, object.columns, string(body), returning)
	if err != nil {
		return Result{}, planFault(err)
	}
	return s.run(ctx, p, st, false)
}

// Delete removes the rows that the query selects, all of them if it has no
// filter.
func (s *Service) Delete(ctx context.Context, p *principal.Principal, name, raw string, returning plan.Returning) (Result, error) {
	table, q, err := s.prepareChange(ctx, p, name, raw)
	if err != nil {
		return Result{}, err
	}
	st, err := plan.Delete(table, q, returning)
	if err != nil {
		return Result{}, planFault(err)
	}
	return s.run(ctx, p, st, false)
}

func (s *Service) prepare(ctx context.Context, p *principal.Principal, name, raw string) (*catalog.Table, query.Query, error) {
	q, err := query.Parse(raw)
	if malformed, ok := errors.AsType[*query.Error](err); ok {
		f := dataFault(fault.Invalid, "PGRST100", malformed.Error())
		f.Fields = []fault.Field{{Pointer: "?" + malformed.Param, Detail: "Expected " + malformed.Expected + "."}}
		return nil, q, f
	}
	if err != nil {
		return nil, q, fmt.Errorf("parsing a query: %w", err)
	}
	table, err := s.Catalog.Find(ctx, s.Schema, name)
	if err != nil {
		return nil, q, err
	}
	return table, q, s.serves(p, table, name)
}

// prepareChange is prepare for updates and deletes, which take all rows that
// their filters select: a limit that did nothing would be a trap.
func (s *Service) prepareChange(ctx context.Context, p *principal.Principal, name, raw string) (*catalog.Table, query.Query, error) {
	table, q, err := s.prepare(ctx, p, name, raw)
	if err == nil && (q.Limit != nil || q.Offset != nil) {
		err = dataFault(fault.Invalid, "PGRST100", "limit and offset are for reads; select the rows to change by filters")
	}
	return table, q, err
}

// serves refuses a table that is missing or, to people, unguarded. The two
// answers differ in development only.
func (s *Service) serves(p *principal.Principal, table *catalog.Table, name string) error {
	f := dataFault(fault.NotFound, "PGRST205", fmt.Sprintf("Could not find the table %s.%s", s.Schema, name))
	switch {
	case table == nil:
		return f
	case table.Protected, p.Role == principal.Service, s.AllowWithoutRLS[name], s.AllowWithoutRLS[table.Schema+"."+name]:
		return nil
	}
	if s.Development {
		f.SQL.Hint = "It exists, but Row-Level Security does not guard it. Run: alter table " +
			plan.Quote(table.Schema) + "." + plan.Quote(name) + " enable row level security; and add policies. " +
			"A view needs: with (security_invoker = true), over guarded tables. " +
			"Or list it in data.allow_without_rls."
	}
	return f
}

func (s *Service) run(ctx context.Context, p *principal.Principal, st plan.Statement, readOnly bool) (Result, error) {
	result := Result{Count: -1}
	err := s.DB.As(ctx, p, postgres.Statement{SQL: st.SQL, Args: st.Args, ReadOnly: readOnly}, scanner(st, &result))
	if err != nil {
		return Result{}, s.hinted(sqlFault(err, p), p)
	}
	return result, nil
}

// dataFault is a fault in the words of PostgREST.
func dataFault(kind fault.Kind, code, message string) *fault.Error {
	f := fault.New(kind, code, message)
	f.SQL = &fault.SQL{State: code, Message: message}
	return f
}

func planFault(err error) error {
	if unknown, ok := errors.AsType[*plan.UnknownColumnError](err); ok {
		return dataFault(fault.Invalid, "42703", unknown.Error())
	}
	return fmt.Errorf("planning a statement: %w", err)
}

// sqlFault adds PostgreSQL's report, which the caller's own role would see as
// well. A privilege that nobody has yet may come with signing in.
func sqlFault(err error, p *principal.Principal) error {
	report := postgres.Report(err)
	f := fault.From(err)
	if report == nil || f.Kind == fault.Internal || f.Kind == fault.Unavailable {
		return err
	}
	c := *f
	c.SQL, c.Detail = report, report.Message
	if report.State == "42501" && p.Role == principal.Anonymous {
		c.Kind = fault.Unauthenticated
		if report.Hint == "" {
			c.SQL.Hint = "Nobody is signed in. Send an access token: Authorization: Bearer TOKEN"
		}
	}
	return &c
}
