package dataapi

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fluxbase/fluxbase/internal/catalog"
	"github.com/fluxbase/fluxbase/internal/dataapi/plan"
	"github.com/fluxbase/fluxbase/internal/dataapi/query"
	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/principal"
)

// Fault is a fault in the words of PostgREST.
func Fault(kind fault.Kind, code, message string) *fault.Error {
	f := fault.New(kind, code, message)
	f.SQL = &fault.SQL{State: code, Message: message}
	return f
}

// Detailed is Fault with details, which hold no value that was sent.
func Detailed(kind fault.Kind, code, message, details string) *fault.Error {
	f := Fault(kind, code, message)
	f.SQL.Details = details
	return f
}

// known refuses to write columns that the table does not have.
func known(table *catalog.Table, columns []string) error {
	for _, column := range columns {
		if _, ok := table.Column(column); !ok {
			return Fault(fault.Invalid, "PGRST204", fmt.Sprintf("Could not find the '%s' column of '%s' in the schema cache", column, table.Name))
		}
	}
	return nil
}

// planFault is what is wrong with a request that the catalog has no plan for.
func planFault(err error) error {
	if unknown, ok := errors.AsType[*plan.UnknownColumnError](err); ok {
		return Fault(fault.Invalid, "42703", unknown.Error())
	}
	if unknown, ok := errors.AsType[*plan.UnknownTypeError](err); ok {
		return Fault(fault.Invalid, "42704", unknown.Error())
	}
	if missing, ok := errors.AsType[*query.NotEmbeddedError](err); ok {
		f := Fault(fault.Invalid, "PGRST108", missing.Error())
		f.SQL.Hint = fmt.Sprintf("Verify that '%s' is included in the 'select' query parameter.", missing.Name)
		return f
	}
	if relation, ok := errors.AsType[*plan.RelationError](err); ok {
		return relationFault(relation)
	}
	if several, ok := errors.AsType[*plan.NotToOneError](err); ok {
		return Detailed(fault.Invalid, "PGRST118", several.Error(),
			fmt.Sprintf("'%s' and '%s' do not form a many-to-one or one-to-one relationship", several.From, several.Name))
	}
	if compared, ok := errors.AsType[*plan.NotNullError](err); ok {
		return Fault(fault.Invalid, "PGRST120", compared.Error())
	}
	if errors.Is(err, plan.ErrTooLarge) {
		return Detailed(fault.Invalid, "PGRST100", "The request asks for too much at once",
			"What is said about an embedding is repeated wherever rows depend on it.")
	}
	if errors.Is(err, plan.ErrAggregates) {
		f := Fault(fault.Invalid, "PGRST123", "Use of aggregate functions is not allowed")
		f.SQL.Hint = "They are allowed by the setting data.aggregates."
		return f
	}
	return fmt.Errorf("planning a statement: %w", err)
}

// relationFault is about an embedding that the catalog has no relation for, or
// more than one.
func relationFault(e *plan.RelationError) error {
	if len(e.Candidates) == 0 {
		f := Fault(fault.Invalid, "PGRST200", e.Error())
		with := ""
		if e.Hint != "" {
			with = fmt.Sprintf(" using the hint '%s'", e.Hint)
		}
		f.SQL.Details = fmt.Sprintf("Searched for a foreign key relationship between '%s' and '%s'%s in the schema, but no matches were found.", e.From, e.Name, with)
		if e.Near != "" && e.Near != e.Name {
			f.SQL.Hint = fmt.Sprintf("Perhaps you meant '%s' instead of '%s'.", e.Near, e.Name)
		}
		return f
	}
	f := Fault(fault.Ambiguous, "PGRST201", e.Error())
	var hints []string
	for _, r := range e.Candidates {
		f.SQL.Candidates = append(f.SQL.Candidates, fault.Candidate{
			Cardinality: r.Cardinality.String(), Embedding: e.From + " with " + r.Table.Name, Relationship: origin(e.From, r),
		})
		hints = append(hints, "'"+e.Name+"!"+distinct(r, e.Candidates)+"'")
	}
	f.SQL.Hint = fmt.Sprintf("Try changing '%s' to one of the following: %s. Find the desired relationship in the 'details' key.", e.Name, strings.Join(hints, ", "))
	return f
}

// distinct returns the hint that tells a relation from others.
func distinct(r *catalog.Relation, others []*catalog.Relation) string {
	names := r.Hints()
	for _, name := range names {
		if !slices.ContainsFunc(others, func(o *catalog.Relation) bool { return o != r && slices.Contains(o.Hints(), name) }) {
			return name
		}
	}
	return names[0]
}

// origin says how a relation comes about.
func origin(from string, r *catalog.Relation) string {
	columns, target := strings.Join(r.Columns, ", "), strings.Join(r.Target, ", ")
	switch {
	case r.Function != nil:
		return "the function " + r.Function.Name
	case r.Junction != nil:
		j := r.Junction
		return fmt.Sprintf("%s using %s(%s) and %s(%s)", j.Table.Name, r.Constraint, strings.Join(j.Columns, ", "), j.Constraint, strings.Join(j.Target, ", "))
	default:
		return fmt.Sprintf("%s using %s(%s) and %s(%s)", r.Constraint, from, columns, r.Table.Name, target)
	}
}

// blame names the column that PostgreSQL's words are about where they do not.
// An operator that does not fit a column is a mistake in the request.
func blame(f *fault.Error, st *plan.Statement) {
	column := st.Blame(f.SQL.Position, f.SQL.Context)
	if column == "" {
		return
	}
	switch {
	case f.SQL.State == "42883":
		f.Kind = fault.Invalid
	case !strings.HasPrefix(f.SQL.State, "22") && f.SQL.State != "42804":
		return
	}
	f.Fields = []fault.Field{{Pointer: "?" + column, Detail: "This does not fit the column."}}
	if f.SQL.Details == "" {
		f.SQL.Details = "It is about the column " + column + "."
	}
}

// sqlFault adds PostgreSQL's report, which the caller's own role would see as
// well. A privilege that nobody has yet may come with signing in.
func sqlFault(err error, p *principal.Principal, st *plan.Statement) error {
	report := postgres.Report(err)
	if report != nil {
		if own := raised(report); own != nil {
			return own.Because(err)
		}
	}
	f := fault.From(err)
	if report == nil || f.Kind == fault.Internal || f.Kind == fault.Unavailable {
		return err
	}
	c := *f
	c.SQL, c.Detail = report, report.Message
	blame(&c, st)
	if c.Kind == fault.Conflict && !strings.HasPrefix(report.State, "23") && report.Hint == "" {
		c.RetryAfter, c.SQL.Hint = time.Second, "Nothing has been done, since another request came in between. Repeat this one."
	}
	if report.State == "42501" && p.Role == principal.Anonymous {
		c.Kind = fault.Unauthenticated
		if report.Hint == "" {
			c.SQL.Hint = "Nobody is signed in. Send an access token: Authorization: Bearer TOKEN"
		}
	}
	return &c
}
