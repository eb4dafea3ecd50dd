package dataapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/fluxbase/fluxbase/internal/catalog"
	"github.com/fluxbase/fluxbase/internal/dataapi/payload"
	"github.com/fluxbase/fluxbase/internal/dataapi/plan"
	"github.com/fluxbase/fluxbase/internal/dataapi/query"
	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// maxAnswer bounds the answer to an insert of several statements, in bytes. That
// to one statement is bounded by the door.
const maxAnswer = 32 << 20

// A batch has no more different statements than may travel together: one for
// each set of columns.
const _ = uint(postgres.MaxShapes - payload.MaxShapes)

// series is an insert of several statements. Its result means all of them.
type series struct {
	request Request
	table   *catalog.Table
	query   query.Query
	rows    *payload.Reader
	settle  []step // before everything else
	ended   bool   // there are no more rows

	first, last int // row of the batch under way, from 1; none at the end
	result      Result
	now         plan.Statement // the one that is run
	answer      bytes.Buffer
}

func (s *Service) insertSeries(ctx context.Context, r Request, table *catalog.Table, q query.Query, kept *spool) (Result, error) {
	if r.Explain != "" {
		return Result{}, Fault(fault.Invalid, "PGRST107", "There is a plan for inserts of one statement only: the rows are too many, or lack different columns")
	}
	var in *series
	err := s.DB.InSeries(ctx, r.Principal, postgres.Series{
		Begin: func() error {
			in = &series{request: r, table: table, query: q, rows: s.rows(r, table, q, kept), settle: s.settle(r.Terms)}
			return kept.rewind()
		},
		Next:     func() ([]postgres.Step, error) { return in.next() },
		Check:    func() error { return in.check() },
		Rollback: r.Rollback, Isolation: r.Isolation, Timeout: s.Limits[r.Principal.Role].Timeout,
	})
	if err != nil {
		if in == nil { // it did not begin
			return Result{}, err
		}
		return Result{}, in.located(s.hinted(sqlFault(err, r.Principal, &in.now), r.Principal))
	}
	in.result.inserted(r, table)
	return in.result, nil
}

// located says among which rows is the one that PostgreSQL has refused.
func (in *series) located(err error) error {
	f := fault.From(err)
	if f == nil || f.SQL == nil || f.SQL.Status != 0 || postgres.Report(err) == nil || in.first > in.last {
		return err
	}
	c, report := *f, *f.SQL
	report.Details = strings.TrimSpace(fmt.Sprintf("%s It is about one of the rows %d to %d.", report.Details, in.first, in.last))
	c.SQL = &report
	return &c
}

// next plans the statements of the next batch. After the last rows it asks what
// the application wants the answer to be.
func (in *series) next() ([]postgres.Step, error) {
	batch, err := in.rows.Next()
	in.first = in.last + 1
	for _, run := range batch {
		in.last += run.Count
	}
	if errors.Is(err, io.EOF) && !in.ended {
		in.ended = true
		return []postgres.Step{{SQL: outcomeSQL, Scan: outcomeScanner(&in.result.Outcome)}}, nil
	}
	if err != nil {
		return nil, err
	}
	planned := make([]plan.Statement, len(batch))
	for i, run := range batch {
		if planned[i], err = insertion(in.request, in.table, in.query, run); err != nil {
			return nil, err
		}
	}
	in.now = planned[0]
	var steps []postgres.Step
	for _, st := range in.settle {
		steps = append(steps, postgres.Step{SQL: st.SQL, Args: st.Args})
	}
	in.settle = nil
	for i, st := range planned {
		var part Result
		steps = append(steps, postgres.Step{SQL: st.SQL, Args: st.Args, Scan: scanner(st, &part, func() error {
			if i+1 < len(planned) {
				in.now = planned[i+1]
			}
			return in.add(part, st)
		})})
	}
	return steps, nil
}

// add makes the answer of one statement part of the whole.
func (in *series) add(part Result, st plan.Statement) error {
	in.result.Count += part.Count
	in.result.Total = part.Total // so far
	if !st.Returns {
		return nil
	}
	rows := part.Body
	switch {
	case st.Header == "": // JSON
		rows = bytes.TrimSuffix(bytes.TrimPrefix(rows, []byte("[")), []byte("]"))
		if in.answer.Len() > 0 && len(rows) > 0 {
			in.answer.WriteByte(',')
		}
	case in.answer.Len() > 0:
		rows = rows[len(st.Header):]
	}
	if in.answer.Len()+len(rows) > maxAnswer {
		return fault.Newf(fault.TooLarge, "answer_too_large", "The answer is larger than %d bytes; nothing has been written.", maxAnswer)
	}
	in.answer.Write(rows)
	return nil
}

// check makes the result the whole, and asks whether it may stand.
func (in *series) check() error {
	if in.now.Returns {
		in.result.Body = in.answer.Bytes()
		if in.now.Header == "" {
			in.result.Body = append(append([]byte("["), in.result.Body...), ']')
		}
	}
	return check(in.request, in.result)
}
