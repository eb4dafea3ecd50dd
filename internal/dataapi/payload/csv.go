package payload

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/fluxbase/fluxbase/internal/fault"
)

// csvRows reads lines of values after a line of names (RFC 4180). Lines may end
// in LF too. A field NULL without quotes is null; an empty one is an empty text.
// A line with nothing on it is none.
type csvRows struct {
	in    *bounded
	max   int64
	buf   *bufio.Reader
	line  int // where the row under way begins, from 1
	lines int // that have been read

	names  []string // of the columns to take
	quoted [][]byte // the same as members of an object begin
	takes  []int    // for each field, its place in names; -1 for none
	json   []bool   // for each of names, whether its texts are JSON
	wanted []string // the columns to take; nil for all
	asJSON []string // of them

	fields []field
	text   []byte // of all fields
	object []byte // the row
}

// field is where a field ends in the text of its row.
type field struct {
	end    int
	quoted bool
}

func newCSV(in *bounded, o Options) *csvRows {
	in.limit = o.MaxRow
	return &csvRows{in: in, max: o.MaxRow, buf: bufio.NewReader(in), wanted: o.Columns, asJSON: o.JSON}
}

func (c *csvRows) next() (row, error) {
	if c.takes == nil {
		if err := c.header(); err != nil {
			return row{}, err
		}
	}
	if err := c.record(); err != nil {
		return row{}, err
	}
	if len(c.fields) != len(c.takes) {
		return row{}, c.refuse(fmt.Sprintf("The line has %d fields where there are %d columns.", len(c.fields), len(c.takes)))
	}
	return c.row()
}

// header reads the names.
func (c *csvRows) header() error {
	if bom, _ := c.buf.Peek(3); string(bom) == "\ufeff" {
		_, _ = c.buf.Discard(len(bom))
	}
	if err := c.record(); err != nil {
		if errors.Is(err, io.EOF) {
			return refuse("The body must have a line with the names of the columns.", "")
		}
		return err
	}
	c.takes = make([]int, len(c.fields))
	seen := make(map[string]bool, len(c.fields))
	wanted := make(map[string]bool, len(c.wanted))
	for _, name := range c.wanted {
		wanted[name] = true
	}
	from := 0
	for i, f := range c.fields {
		name := string(c.text[from:f.end])
		from = f.end
		c.takes[i] = -1
		if seen[name] {
			return c.refuse(fmt.Sprintf("Field %d is the name of a column that has been named before.", i+1))
		}
		seen[name] = true
		if c.wanted != nil && !wanted[name] {
			continue
		}
		c.takes[i] = len(c.names)
		c.names = append(c.names, name)
		c.json = append(c.json, slices.Contains(c.asJSON, name))
		member, err := jsontext.AppendQuote(nil, name)
		if err != nil {
			return fmt.Errorf("writing a name as JSON: %w", err)
		}
		c.quoted = append(c.quoted, append(member, ':'))
	}
	return nil
}

// row makes an object of the fields.
func (c *csvRows) row() (row, error) {
	text := append(c.object[:0], '{')
	from := 0
	for i, f := range c.fields {
		value, k := c.text[from:f.end], c.takes[i]
		from = f.end
		if k < 0 {
			continue
		}
		if len(text) > 1 {
			text = append(text, ',')
		}
		text = append(text, c.quoted[k]...)
		if !f.quoted && string(value) == "NULL" {
			text = append(text, "null"...)
			continue
		}
		var err error
		if text, err = appendText(text, value, c.json[k]); err != nil {
			return row{}, err
		}
		if text == nil {
			return row{}, c.refuse(fmt.Sprintf("Field %d is not JSON.", i+1))
		}
	}
	c.object = append(text, '}')
	return row{c.object, c.names}, nil
}

// record reads the next line that has something on it into fields and text, and
// returns io.EOF if there is none.
func (c *csvRows) record() error {
	for {
		c.fields, c.text, c.line = c.fields[:0], c.text[:0], c.lines+1
		c.in.limit = c.in.read - int64(c.buf.Buffered()) + c.max
		last, err := c.fieldsOfLine()
		if err != nil {
			return err
		}
		if len(c.fields) == 1 && c.fields[0] == (field{}) {
			if last {
				return io.EOF
			}
			continue
		}
		from := 0
		for _, f := range c.fields {
			if !utf8.Valid(c.text[from:f.end]) {
				return c.refuse("The line is not UTF-8.")
			}
			from = f.end
		}
		if bytes.IndexByte(c.text, 0) >= 0 {
			return c.refuse("Text cannot hold the character U+0000.")
		}
		return nil
	}
}

// fieldsOfLine reads fields up to the end of a line, and says whether it was the
// end of the body.
func (c *csvRows) fieldsOfLine() (last bool, err error) {
	for {
		end, err := c.field()
		if err != nil {
			return false, err
		}
		switch end {
		case ',':
		case '\n':
			c.lines++
			return false, nil
		default:
			c.lines++
			return true, nil
		}
	}
}

// field reads one field, and returns what ended it: a comma, a line feed, or 0
// for the end of the body.
func (c *csvRows) field() (byte, error) {
	b, ok, err := c.byte()
	if err != nil {
		return 0, err
	}
	if ok && b == '"' {
		return c.quotedField()
	}
	for ok && b != ',' && b != '\n' && b != '\r' {
		if b == '"' {
			return 0, c.refuse("There is a quote within a field that does not begin with one.")
		}
		c.text = append(c.text, b)
		if b, ok, err = c.byte(); err != nil {
			return 0, err
		}
	}
	return c.ended(b, ok, false)
}

// quotedField reads a field after its first quote.
func (c *csvRows) quotedField() (byte, error) {
	for {
		b, ok, err := c.byte()
		if err != nil {
			return 0, err
		}
		if !ok {
			return 0, c.refuse("The body ends within a quoted field.")
		}
		if b == '\n' {
			c.lines++
		}
		if b == '"' {
			if b, ok, err = c.byte(); err != nil {
				return 0, err
			}
			if !ok || b != '"' {
				return c.ended(b, ok, true)
			}
		}
		c.text = append(c.text, b)
	}
}

// ended finishes a field at what comes after it.
func (c *csvRows) ended(b byte, ok, quoted bool) (byte, error) {
	c.fields = append(c.fields, field{len(c.text), quoted})
	if !ok {
		return 0, nil
	}
	if b == '\r' {
		next, ok, err := c.byte()
		if err != nil {
			return 0, err
		}
		if !ok || next != '\n' {
			return 0, c.refuse("There is a carriage return that does not end a line.")
		}
		return '\n', nil
	}
	if b != ',' && b != '\n' {
		return 0, c.refuse("A quoted field goes on after its last quote.")
	}
	return b, nil
}

// byte returns the next byte; ok is false at the end of the body.
func (c *csvRows) byte() (b byte, ok bool, err error) {
	b, err = c.buf.ReadByte()
	if err == nil {
		return b, true, nil
	}
	if failed := c.in.fault(c.max); failed != nil {
		return 0, false, failed
	}
	return 0, false, nil
}

func (c *csvRows) refuse(message string) *fault.Error {
	return refuse(message, fmt.Sprintf("It is about line %d.", c.line))
}
