package transfer

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"

	"github.com/fluxbase/fluxbase/internal/admin"
	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// Conflict is what becomes of a line whose account exists, by id or address.
type Conflict string

// The conflicts.
const (
	Fail   Conflict = "fail"   // the line is an error
	Skip   Conflict = "skip"   // the account stays as it is
	Update Conflict = "update" // what the line has is put into the account
)

const (
	batchSize = 500
	maxErrors = 100     // that a report lists
	maxSeen   = 2 << 20 // ids and addresses that a dry run remembers, 8 bytes each
)

// Report is what an import has done, or would do.
type Report struct {
	DryRun  bool        `json:"dry_run"`
	Lines   int         `json:"lines"` // that are not blank
	Created int         `json:"created"`
	Updated int         `json:"updated"`
	Skipped int         `json:"skipped"`
	Failed  int         `json:"failed"`
	Errors  []LineError `json:"errors"` // the first 100
}

// LineError is why a line was not taken.
type LineError struct {
	Line    int    `json:"line"`    // from 1
	Pointer string `json:"pointer"` // to the member (RFC 6901)
	Code    string `json:"code"`
	Detail  string `json:"detail"`
}

// Options say how to import.
type Options struct {
	DryRun     bool
	OnConflict Conflict
	Unproven   admin.Unproven // what becomes of the password of an account whose address a line without a digest says is proven
}

// record is a line that can be written.
type record struct {
	Line
	number int
	target id.User // of the account that is made or updated
}

// run is one import.
type run struct {
	*Service
	Options
	by     admin.By
	report Report
	batch  []record
	keys   map[string]bool // ids, addresses and identities of the batch
	seen   map[uint64]bool // of all lines, in a dry run
	seed   maphash.Seed
}

// Import takes accounts from JSON lines. A line that cannot be taken is in the
// report, and the others are taken all the same. If Import fails, what it has
// written stays.
func (s *Service) Import(ctx context.Context, by admin.By, body io.Reader, o Options) (Report, error) {
	r := &run{Service: s, Options: o, by: by, report: Report{DryRun: o.DryRun, Errors: []LineError{}}, seen: map[uint64]bool{}, seed: maphash.MakeSeed()}
	r.clear()
	in := newReader(body)
	for {
		text, err := in.next()
		if errors.Is(err, io.EOF) {
			return r.report, r.flush(ctx)
		}
		if err != nil && !errors.Is(err, errLineTooLong) {
			return r.report, err
		}
		r.report.Lines++
		var l Line
		if err == nil {
			l, err = s.parse(text)
		}
		if err != nil {
			r.fail(in.line, err)
			continue
		}
		if err := r.add(ctx, record{Line: l, number: in.line}); err != nil {
			return r.report, err
		}
	}
}

func (r *run) clear() { r.batch, r.keys = r.batch[:0], map[string]bool{} }

// add puts a record into the batch. One that names what the batch has already
// begins another, which finds the account that the first has made.
func (r *run) add(ctx context.Context, rec record) error {
	keys := rec.keys()
	for _, k := range keys {
		if r.keys[k] {
			if err := r.flush(ctx); err != nil {
				return err
			}
			break
		}
	}
	for _, k := range keys {
		r.keys[k] = true
	}
	r.batch = append(r.batch, rec)
	if len(r.batch) == batchSize {
		return r.flush(ctx)
	}
	return nil
}

// keys are what an account is recognised by.
func (l Line) keys() []string {
	var keys []string
	if l.ID != nil {
		keys = append(keys, "id "+l.ID.String())
	}
	if l.Email != nil {
		keys = append(keys, "email "+*l.Email)
	}
	for _, in := range l.foreign() {
		keys = append(keys, "identity "+in.Provider+"\x00"+in.Subject)
	}
	return keys
}

// fail counts a line that is not taken.
func (r *run) fail(line int, err error) {
	r.report.Failed++
	if len(r.report.Errors) == maxErrors {
		return
	}
	f := fault.From(err)
	e := LineError{Line: line, Code: f.Code, Detail: f.Detail}
	if len(f.Fields) > 0 {
		e.Pointer = f.Fields[0].Pointer
	}
	r.report.Errors = append(r.report.Errors, e)
}

// flush writes the batch. If that fails for something in one of its lines, each
// is written by itself, so that the others do not suffer.
func (r *run) flush(ctx context.Context) error {
	defer r.clear()
	if len(r.batch) == 0 {
		return nil
	}
	if r.DryRun {
		return r.look(ctx)
	}
	err := r.write(ctx, r.batch)
	if err == nil || !ofLine(err) {
		return err
	}
	for i := range r.batch {
		err := r.write(ctx, r.batch[i:i+1])
		if err != nil && !ofLine(err) {
			return err
		}
		if err != nil {
			r.fail(r.batch[i].number, err)
		}
	}
	return nil
}

// ofLine says that an error is about what is in a line, and not about the
// database or the end of the request.
func ofLine(err error) bool {
	switch fault.KindOf(err) {
	case fault.Invalid, fault.Conflict, fault.TooLarge:
		return true
	default:
		return false
	}
}

// past is what tokens may still say after a transaction and is so no more.
type past struct {
	ended    []id.Session
	versions map[id.User]int64
}

// write writes records in one transaction, and counts them once it has
// committed.
func (r *run) write(ctx context.Context, records []record) error {
	var p plan
	var past past
	err := r.DB.InTx(ctx, func(q postgres.Querier) error {
		var err error
		if p, err = r.plan(ctx, q, records); err != nil {
			return err
		}
		if err := r.create(ctx, q, &p); err != nil {
			return err
		}
		if past, err = r.update(ctx, q, p.update); err != nil {
			return err
		}
		if len(p.create)+len(p.update) == 0 {
			return nil
		}
		return r.record(ctx, q, p)
	})
	if err != nil {
		return fmt.Errorf("importing users: %w", err)
	}
	r.Desk.Sessions.Revoked.Add(past.ended...)
	for userID, version := range past.versions {
		r.Desk.Sessions.Revoked.Overtake(userID, version)
	}
	r.count(p)
	return nil
}

func (r *run) count(p plan) {
	r.report.Created += len(p.create)
	r.report.Updated += len(p.update)
	r.report.Skipped += p.skipped
	for _, f := range p.failed {
		r.fail(f.number, f.err)
	}
}

// look says what writing the batch would do. An account that an earlier line
// would have made is remembered by a digest.
func (r *run) look(ctx context.Context) error {
	p, err := r.plan(ctx, r.DB.Single(), r.batch)
	if err != nil {
		return fmt.Errorf("looking at users: %w", err)
	}
	kept := p.create[:0]
	for _, rec := range p.create {
		if !r.before(rec) {
			kept = append(kept, rec)
			continue
		}
		p.exists(rec, r.OnConflict, rec.target)
	}
	p.create = kept
	r.count(p)
	return nil
}

// before says whether an earlier line had one of the keys of a record, and
// remembers them.
func (r *run) before(rec record) bool {
	found := false
	for _, k := range rec.keys() {
		digest := maphash.String(r.seed, k)
		found = found || r.seen[digest]
		if len(r.seen) < maxSeen {
			r.seen[digest] = true
		}
	}
	return found
}
