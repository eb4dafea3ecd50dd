package dataapi

import (
	"bytes"
	"context"

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

// series is an insert of several statements. Its result means all of them.
type series struct {
	request Request
	table   *catalog.Table
	query   query.Query
	rows    *payload.Reader

	result Result
	now    plan.Statement // the one that is run
	answer bytes.Buffer
}

func (s *Service) insertSeries(ctx context.Context, r Request, table *catalog.Table, q query.Query, rows *payload.Reader) (Result, error) {
	in := &series{request: r, table: table, query: q, rows: rows}
	err := s.DB.InSeries(ctx, r.Principal, postgres.Series{Next: in.next, Check: in.check, Rollback: r.Rollback})
	if err != nil {
		return Result{}, s.hinted(sqlFault(err, r.Principal, &in.now), r.Principal)
	}
	in.result.inserted(r, table)
	return in.result, nil
}

// next plans the statements of the next batch.
func (in *series) next() ([]postgres.Step, error) {
	batch, err := in.rows.Next()
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
	steps := make([]postgres.Step, len(batch))
	for i, st := range planned {
		var part Result
		steps[i] = postgres.Step{Statement: postgres.Statement{SQL: st.SQL, Args: st.Args}, Scan: scanner(st, &part, func() error {
			if i+1 < len(planned) {
				in.now = planned[i+1]
			}
			return in.add(part, st)
		})}
	}
	return steps, nil
}

// add makes the answer of one statement part of the whole.
func (in *series) add(part Result, st plan.Statement) error {
	in.result.Count += part.Count
	if part.Total != nil {
		if in.result.Total == nil {
			in.result.Total = new(int64)
		}
		*in.result.Total += *part.Total
	}
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
