// Package payload reads the body of a write as rows: JSON, CSV (RFC 4180) or a
// form. It is pure: it knows neither tables nor SQL.
//
// A body is read as it comes. What is in memory at a time is one row and one
// batch of rows, whatever the length of the body. Errors say where they are, by
// row or line or byte, and never repeat a value.
package payload

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/fluxbase/fluxbase/internal/fault"
)

// Media is a form of bodies.
type Media int

// The forms.
const (
	JSON Media = iota // an object, or an array of objects
	CSV               // a line of names and lines of values, of which NULL without quotes is null
	Form              // application/x-www-form-urlencoded: one row
)

// BatchSize is how many bytes of rows, as JSON, one batch may have. A row that
// begins within it is still in it.
const BatchSize = 1 << 20

// maxRuns bounds the runs of one batch, and MaxShapes the different sets of
// columns that they have.
const (
	maxRuns   = 500
	MaxShapes = 32
)

// Options say how rows are to be read.
type Options struct {
	MaxRow  int64    // bytes of one row
	Object  bool     // JSON must be an object, and no array
	Columns []string // to take from rows; nil takes those that all rows have in common
	JSON    []string // columns whose texts, of CSV and of forms, are JSON themselves
	Default bool     // what a row lacks of Columns is to be its default, and not null
	Ordered bool     // rows that lack different columns stay in their order
}

// Run is rows that have the same columns. One without columns is one row.
type Run struct {
	Columns []string
	Rows    string // a JSON array of objects, which may have more members
	Count   int
}

// Reader reads a body in batches. It is not safe for concurrent use.
type Reader struct {
	options Options
	rows    rows
	known   map[string]bool     // the columns that all rows have
	columns []string            // the same in order
	shapes  map[string][]string // the columns of rows that lack some, by which these are
	n       int
	ended   bool
}

// row is one row as a JSON object. It holds until the next one is read.
type row struct {
	text []byte
	keys []string
}

// rows reads one row after the other, and io.EOF after the last one.
type rows interface {
	next() (row, error)
}

// maxShapes bounds how many of the sets of columns that occur are remembered.
const maxShapes = 1000

// NewReader returns a reader of a body.
func NewReader(media Media, body io.Reader, o Options) *Reader {
	r := &Reader{options: o, shapes: map[string][]string{}}
	in := &bounded{r: body}
	switch media {
	case CSV:
		r.rows = newCSV(in, o)
	case Form:
		r.rows = &formRows{in: in, max: o.MaxRow, json: o.JSON}
	default:
		r.rows = newJSON(in, o)
	}
	return r
}

// Next returns the next batch, or io.EOF after the last one.
func (r *Reader) Next() ([]Run, error) {
	b := batch{ordered: r.options.Ordered, of: map[string]int{}}
	for !b.full() && !r.ended {
		next, err := r.rows.next()
		if errors.Is(err, io.EOF) {
			r.ended = true
			break
		}
		if err != nil {
			return nil, err
		}
		r.n++
		columns, shape, err := r.shape(next.keys)
		if err != nil {
			return nil, err
		}
		b.add(columns, shape, next.text)
	}
	if len(b.runs) == 0 {
		return nil, io.EOF
	}
	return b.finish(), nil
}

// shape returns the columns to write for a row with these keys, and a name for
// the set of them.
func (r *Reader) shape(keys []string) ([]string, string, error) {
	switch {
	case r.options.Columns != nil && r.options.Default:
		return r.present(keys)
	case r.options.Columns != nil:
		return r.options.Columns, "", nil
	case r.known == nil:
		r.columns = slices.Clone(keys)
		r.known = make(map[string]bool, len(keys))
		for _, k := range keys {
			r.known[k] = true
		}
	case len(keys) != len(r.known) || slices.ContainsFunc(keys, func(k string) bool { return !r.known[k] }):
		return nil, "", refuse("All object keys must match", fmt.Sprintf("Row %d has other keys than the first one.", r.n))
	}
	return r.columns, "", nil
}

// present returns what of the columns a row has.
func (r *Reader) present(keys []string) ([]string, string, error) {
	has := make(map[string]bool, len(keys))
	for _, k := range keys {
		has[k] = true
	}
	mask := make([]byte, (len(r.options.Columns)+7)/8)
	for i, c := range r.options.Columns {
		if has[c] {
			mask[i/8] |= 1 << (i % 8)
		}
	}
	shape := string(mask)
	columns, ok := r.shapes[shape]
	if !ok {
		if len(r.shapes) == maxShapes {
			r.shapes = map[string][]string{}
		}
		columns = slices.DeleteFunc(slices.Clone(r.options.Columns), func(c string) bool { return !has[c] })
		r.shapes[shape] = columns
	}
	return columns, shape, nil
}

// batch collects rows.
type batch struct {
	ordered bool
	runs    []Run
	texts   []*strings.Builder // the rows of each run
	of      map[string]int     // runs by the columns that they have
	last    string
	size    int
}

func (b *batch) full() bool {
	return b.size >= BatchSize || len(b.runs) >= maxRuns || len(b.of) >= MaxShapes
}

func (b *batch) add(columns []string, shape string, text []byte) {
	i, ok := b.of[shape]
	if !ok || len(columns) == 0 || b.ordered && shape != b.last {
		i = len(b.runs)
		b.runs, b.texts = append(b.runs, Run{Columns: columns}), append(b.texts, &strings.Builder{})
		b.of[shape] = i
	}
	b.last = shape
	into := b.texts[i]
	into.WriteByte("[,"[min(b.runs[i].Count, 1)])
	into.Write(text)
	b.runs[i].Count++
	b.size += len(text) + 1
}

func (b *batch) finish() []Run {
	for i, text := range b.texts {
		text.WriteByte(']')
		b.runs[i].Rows = text.String()
	}
	return b.runs
}

// refuse is a fault of a body, in the words of PostgREST.
func refuse(message, details string) *fault.Error {
	f := fault.New(fault.Invalid, "PGRST102", message)
	f.SQL = &fault.SQL{State: "PGRST102", Message: message, Details: details}
	return f
}

// errTooLong says that a row is longer than it may be.
var errTooLong = errors.New("the row is too long")

// bounded is a body of which no more is read than the row under way may have.
type bounded struct {
	r     io.Reader
	read  int64
	limit int64 // of read
	err   error // of the body, but not its end
}

// Read implements io.Reader.
func (b *bounded) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if b.read >= b.limit {
		b.err = errTooLong
		return 0, b.err
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.limit-b.read)])
	b.read += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = err
	}
	return n, err //nolint:wrapcheck // the end of a body is io.EOF itself
}

// fault returns why a body could not be read on, or nil if its content is to
// blame.
func (b *bounded) fault(limit int64) error {
	if errors.Is(b.err, errTooLong) {
		return fault.Newf(fault.TooLarge, "row_too_large", "A row, or the space before one, is larger than %d bytes.", limit)
	}
	return b.err
}
