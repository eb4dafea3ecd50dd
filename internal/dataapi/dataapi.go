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
	"io"
	"math"
	"slices"
	"sync/atomic"

	"github.com/fluxbase/fluxbase/internal/catalog"
	"github.com/fluxbase/fluxbase/internal/dataapi/payload"
	"github.com/fluxbase/fluxbase/internal/dataapi/plan"
	"github.com/fluxbase/fluxbase/internal/dataapi/query"
	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/principal"
)

// Database is the caller's door.
type Database interface {
	As(ctx context.Context, p *principal.Principal, st postgres.Statement, scan postgres.Scan) error
	InSeries(ctx context.Context, p *principal.Principal, s postgres.Series) error
}

// Catalog finds tables and functions.
type Catalog interface {
	Find(ctx context.Context, schema, name string) (*catalog.Table, error)
	Functions(ctx context.Context, schema, name string) ([]*catalog.Function, error)
	RowTypes(schema, name string) []*catalog.Table
	GeoJSON() string
	NearFunction(schema, name string) string
	NearTable(schema, name string, known func(*catalog.Table) bool) string
}

// Service runs data requests. It is safe for concurrent use.
type Service struct {
	DB              Database
	Catalog         Catalog
	Schemas         []string        // that requests may be about, the default first
	AllowWithoutRLS map[string]bool // by table of the default schema, or schema.table
	Limits          map[principal.Role]Limits
	Aggregates      bool   // requests may use functions over rows
	MaxRow          int64  // bytes of one row that is sent, and of a body that is one
	MaxBody         int64  // bytes of the rows of one insert
	PreRequest      string // a function that runs before each statement, as schema.function; "" for none
	Development     bool   // say why a table is not served
	Rollback        bool   // undo writes, unless a request overrides that
	TxOverride      bool   // requests may say whether their write is undone

	IsolationOverride bool // requests may choose the isolation of their transaction
	PlanEnabled       bool // requests may ask for the plan of their statement

	timezones timezones
	spooled   atomic.Int64 // bytes of bodies that lie on disk
}

// Request is a request for rows of one table.
type Request struct {
	Terms

	Schema string // one of the service's, or "" for the default
	Table  string
	Query  string // as in the URL
	Body   Body   // of inserts and updates
	Answer plan.Answer

	Resolution  Resolution
	Default     bool     // what rows to insert lack of ?columns= is its default, and not null
	Count       Counting // of the rows on all pages of a read; "" is none
	Window      *Window  // more narrow than limit and offset, for reads
	Single      bool     // refuse anything but one row
	MaxAffected *int64   // refuse to change more rows

	// Condition looks at what a read of the same rows answers with, and refuses
	// the write by an error. Nil is none.
	Condition func(Result) error

	before, after []step // of the statement
}

// Body is the body of a write. Its errors are faults.
type Body struct {
	Media payload.Media
	Text  io.Reader
}

// Resolution is what becomes of rows to insert that are there already.
type Resolution int

// The resolutions.
const (
	Refuse Resolution = iota
	Ignore            // leave what is there as it is
	Merge             // change what is there
)

// Window is a range of rows. The last one is included; nil is no end.
type Window struct {
	First int64
	Last  *int64
}

// Result is the answer to a request.
type Result struct {
	Outcome

	Body   []byte // a JSON array, or CSV; nil if nothing was asked for
	Count  int64  // rows in Body, or changed; -1 if not known
	Total  *int64 // rows on all pages, if that was asked for
	New    *int64 // rows of an upsert that were not there
	Offset int64  // rows before the first one
	Table  *catalog.Table
}

// Read returns rows.
func (s *Service) Read(ctx context.Context, r Request) (Result, error) {
	table, q, err := s.prepare(ctx, r)
	if err != nil {
		return Result{}, err
	}
	r.Window.narrow(&q)
	guessed, err := s.count(&r, table, q)
	if err != nil {
		return Result{}, err
	}
	st, err := plan.Read(table, q, s.maxRows(r.Principal), s.answer(r.Principal, r.Answer))
	if err != nil {
		return Result{}, planFault(err)
	}
	result, err := s.run(ctx, r, st, true)
	if err != nil {
		return Result{}, err
	}
	result.Table = table
	if q.Offset != nil {
		result.Offset = *q.Offset
	}
	if guessed != nil {
		known := result.Count
		if known > 0 {
			known += result.Offset
		}
		result.Total = guessed.total(known)
	}
	if guessed != nil {
		return result, nil
	}
	return result, result.reached()
}

// reached refuses a page that begins beyond the last row.
func (r Result) reached() error {
	if r.Total == nil || r.Offset <= *r.Total {
		return nil
	}
	return Detailed(fault.OutOfRange, "PGRST103", "Requested range not satisfiable",
		fmt.Sprintf("An offset of %d was requested, but there are only %d rows.", r.Offset, *r.Total))
}

// answer is the shape of an answer, with what it may be made of for somebody.
func (s *Service) answer(p *principal.Principal, a plan.Answer) plan.Answer {
	a.Aggregates = s.Aggregates
	a.Serves = func(t *catalog.Table) bool { return s.guarded(p, t, t.Schema, t.Name) }
	a.Hides = func(t *query.Type) bool { // a row shows the columns of its table
		return slices.ContainsFunc(s.Catalog.RowTypes(t.Schema, t.Name), func(of *catalog.Table) bool { return !a.Serves(of) })
	}
	return a
}

// narrow makes limit and offset those of the rows that are in both ranges.
func (w *Window) narrow(q *query.Query) {
	if w == nil {
		return
	}
	var first int64
	if q.Offset != nil {
		first = *q.Offset
	}
	last := int64(math.MaxInt64)
	if q.Limit != nil && *q.Limit < last-first {
		last = first + *q.Limit - 1
	}
	first = max(first, w.First)
	if w.Last != nil {
		last = min(last, *w.Last)
	}
	if q.Limit != nil || w.Last != nil {
		limit := max(-1, last-first)
		if limit < math.MaxInt64 {
			limit++
		}
		q.Limit = &limit
	}
	q.Offset = &first
}

// Update changes the rows that the query selects, all of them if it has no
// filter, with the members of a JSON object: those of ?columns=, if it is given,
// of which null are those that are missing.
func (s *Service) Update(ctx context.Context, r Request) (Result, error) {
	table, q, err := s.prepareChange(ctx, r)
	if err != nil {
		return Result{}, err
	}
	row, err := s.one(r.Body, payload.Options{Object: true, Columns: q.Columns, JSON: jsonColumns(table)}, errOne)
	if err != nil {
		return Result{}, err
	}
	if err := s.guard(&r, table, q); err != nil {
		return Result{}, err
	}
	if len(row.Columns) == 0 {
		return s.nothing(ctx, r, table)
	}
	if err := known(table, row.Columns); err != nil {
		return Result{}, err
	}
	st, err := plan.Update(table, q, row.Columns, row.Rows[1:len(row.Rows)-1], s.answer(r.Principal, r.Answer))
	if err != nil {
		return Result{}, planFault(err)
	}
	return s.run(ctx, r, st, false)
}

// nothing is the result of a write that has nothing to write.
func (s *Service) nothing(ctx context.Context, r Request, table *catalog.Table) (Result, error) {
	if r.before != nil {
		if _, err := s.run(ctx, r, plan.Statement{SQL: "select"}, true); err != nil {
			return Result{}, err
		}
	}
	result := Result{Body: []byte("[]"), Table: table}
	switch {
	case r.Answer.CSV:
		result.Body = nil
	case r.Answer.GeoJSON != "":
		result.Body = []byte(`{"type" : "FeatureCollection", "features" : []}`)
	}
	return result, check(r, result)
}

// Delete removes the rows that the query selects, all of them if it has no
// filter.
func (s *Service) Delete(ctx context.Context, r Request) (Result, error) {
	table, q, err := s.prepareChange(ctx, r)
	if err != nil {
		return Result{}, err
	}
	if err := s.guard(&r, table, q); err != nil {
		return Result{}, err
	}
	st, err := plan.Delete(table, q, s.answer(r.Principal, r.Answer))
	if err != nil {
		return Result{}, planFault(err)
	}
	return s.run(ctx, r, st, false)
}

func (s *Service) prepare(ctx context.Context, r Request) (*catalog.Table, query.Query, error) {
	q, err := parse(r.Query)
	if err != nil {
		return nil, q, err
	}
	schema, err := s.schema(r.Schema)
	if err != nil {
		return nil, q, err
	}
	table, err := s.Catalog.Find(ctx, schema, r.Table)
	if err != nil {
		return nil, q, err
	}
	return table, q, s.serves(r.Principal, table, schema, r.Table)
}

func parse(raw string) (query.Query, error) {
	q, err := query.Parse(raw)
	if malformed, ok := errors.AsType[*query.Error](err); ok {
		f := Fault(fault.Invalid, "PGRST100", malformed.Error())
		f.Fields = []fault.Field{{Pointer: "?" + malformed.Param, Detail: "Expected " + malformed.Expected + "."}}
		return q, f
	}
	if err != nil {
		return q, planFault(err)
	}
	return q, nil
}

// prepareChange is prepare for updates and deletes, which take all rows that
// their filters select: a limit that did nothing would be a trap.
func (s *Service) prepareChange(ctx context.Context, r Request) (*catalog.Table, query.Query, error) {
	table, q, err := s.prepare(ctx, r)
	if err == nil && (q.Limit != nil || q.Offset != nil) {
		err = Fault(fault.Invalid, "PGRST100", "limit and offset are for reads; select the rows to change by filters")
	}
	return table, q, err
}

// check refuses a number of rows that the request does not allow.
func check(r Request, result Result) error {
	if r.MaxAffected != nil && result.Count > *r.MaxAffected {
		return Detailed(fault.Invalid, "PGRST124", "Query result exceeds max-affected preference constraint",
			fmt.Sprintf("The query affects %d rows", result.Count))
	}
	if r.Single && (result.Count != 1 || string(result.Body) == "[]") { // which an embedding may have emptied
		return Detailed(fault.NotAcceptable, "PGRST116", "Cannot coerce the result to a single JSON object",
			fmt.Sprintf("The result contains %d rows", result.Count))
	}
	return nil
}
