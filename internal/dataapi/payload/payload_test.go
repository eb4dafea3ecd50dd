package payload_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxbase/fluxbase/internal/dataapi/payload"
	"github.com/fluxbase/fluxbase/internal/fault"
)

// read returns the runs of all batches.
func read(media payload.Media, body io.Reader, o payload.Options) ([]payload.Run, error) {
	if o.MaxRow == 0 {
		o.MaxRow = 1 << 16
	}
	r := payload.NewReader(media, body, o)
	var all []payload.Run
	for {
		batch, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		all = append(all, batch...)
	}
}

func TestRows(t *testing.T) {
	t.Parallel()
	ab := []string{"a", "b"}
	for name, c := range map[string]struct {
		media payload.Media
		body  string
		o     payload.Options
		want  []payload.Run
	}{
		"an object":                  {payload.JSON, ` {"a":1, "b":[2]} `, payload.Options{}, []payload.Run{{ab, `[{"a":1, "b":[2]}]`, 1}}},
		"an array":                   {payload.JSON, "[{\"a\":1,\"b\":2},\n{\"b\":3,\"a\":4}]\n", payload.Options{}, []payload.Run{{ab, `[{"a":1,"b":2},{"b":3,"a":4}]`, 2}}},
		"nothing":                    {payload.JSON, `[ ]`, payload.Options{}, nil},
		"one of defaults":            {payload.JSON, `{}`, payload.Options{}, []payload.Run{{nil, `[{}]`, 1}}},
		"several of defaults":        {payload.JSON, `[{},{}]`, payload.Options{}, []payload.Run{{nil, `[{}]`, 1}, {nil, `[{}]`, 1}}},
		"columns":                    {payload.JSON, `[{"a":1,"x":2},{"b":3}]`, payload.Options{Columns: ab}, []payload.Run{{ab, `[{"a":1,"x":2},{"b":3}]`, 2}}},
		"columns and none of them":   {payload.JSON, `[{},{}]`, payload.Options{Columns: ab}, []payload.Run{{ab, `[{},{}]`, 2}}},
		"defaults by columns":        {payload.JSON, `[{"a":1},{"b":2,"a":3},{"a":4},{"x":5},{}]`, payload.Options{Columns: ab, Default: true}, []payload.Run{{ab[:1], `[{"a":1},{"a":4}]`, 2}, {ab, `[{"b":2,"a":3}]`, 1}, {nil, `[{"x":5}]`, 1}, {nil, `[{}]`, 1}}},
		"defaults in order":          {payload.JSON, `[{"a":1},{"a":2},{"b":2},{"a":4}]`, payload.Options{Columns: ab, Default: true, Ordered: true}, []payload.Run{{ab[:1], `[{"a":1},{"a":2}]`, 2}, {ab[1:], `[{"b":2}]`, 1}, {ab[:1], `[{"a":4}]`, 1}}},
		"a backslash, then u0000":    {payload.JSON, `{"a":"\\u0000"}`, payload.Options{}, []payload.Run{{ab[:1], `[{"a":"\\u0000"}]`, 1}}},
		"braces in a text":           {payload.JSON, `{"a":"` + strings.Repeat(`{\"`, 100) + `"}`, payload.Options{}, []payload.Run{{ab[:1], `[{"a":"` + strings.Repeat(`{\"`, 100) + `"}]`, 1}}},
		"64 levels":                  {payload.JSON, `[{"a":` + strings.Repeat("[", 62) + strings.Repeat("]", 62) + `}]`, payload.Options{}, []payload.Run{{ab[:1], `[{"a":` + strings.Repeat("[", 62) + strings.Repeat("]", 62) + `}]`, 1}}},
		"a line":                     {payload.CSV, "a,b\n1,x\n", payload.Options{}, []payload.Run{{ab, `[{"a":"1","b":"x"}]`, 1}}},
		"lines of RFC 4180":          {payload.CSV, "a,b\r\n\"1,\"\"2\"\"\",\"x\r\ny\"\r\n,\"\"", payload.Options{}, []payload.Run{{ab, `[{"a":"1,\"2\"","b":"x\r\ny"},{"a":"","b":""}]`, 2}}},
		"NULL":                       {payload.CSV, "a,b\nNULL,\"NULL\"\nnull, NULL\n", payload.Options{}, []payload.Run{{ab, `[{"a":null,"b":"NULL"},{"a":"null","b":" NULL"}]`, 2}}},
		"lines with nothing on them": {payload.CSV, "\n\na\n\nx\n\"\"\n\n", payload.Options{}, []payload.Run{{ab[:1], `[{"a":"x"},{"a":""}]`, 2}}},
		"a mark of its encoding":     {payload.CSV, "\ufeff\"a\",b\n1,2", payload.Options{}, []payload.Run{{ab, `[{"a":"1","b":"2"}]`, 1}}},
		"names only":                 {payload.CSV, "a,b\n", payload.Options{}, nil},
		"names that need escapes":    {payload.CSV, "\"a\"\"\\\nb\"\n1", payload.Options{}, []payload.Run{{[]string{"a\"\\\nb"}, `[{"a\"\\\nb":"1"}]`, 1}}},
		"columns of lines":           {payload.CSV, "x,a\n1,2\n", payload.Options{Columns: ab}, []payload.Run{{ab, `[{"a":"2"}]`, 1}}},
		"defaults of lines":          {payload.CSV, "x,a\n1,2\n", payload.Options{Columns: ab, Default: true}, []payload.Run{{ab[:1], `[{"a":"2"}]`, 1}}},
		"JSON in lines":              {payload.CSV, "a,b\n\"{\"\"k\"\": 1}\",NULL\n[],2\n", payload.Options{JSON: ab}, []payload.Run{{ab, `[{"a":{"k": 1},"b":null},{"a":[],"b":2}]`, 2}}},
		"JSON in a form":             {payload.Form, "a=%7B%7D&b=%7B%7D", payload.Options{JSON: ab[:1]}, []payload.Run{{ab, `[{"a":{},"b":"{}"}]`, 1}}},
		"a form":                     {payload.Form, "a=1+2%2B&&b=%22", payload.Options{}, []payload.Run{{ab, `[{"a":"1 2+","b":"\""}]`, 1}}},
		"a form of a name":           {payload.Form, "a", payload.Options{}, []payload.Run{{ab[:1], `[{"a":""}]`, 1}}},
		"a form of nothing":          {payload.Form, "", payload.Options{}, []payload.Run{{nil, `[{}]`, 1}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := read(c.media, strings.NewReader(c.body), c.o)
			for i := range got {
				if len(got[i].Columns) == 0 {
					got[i].Columns = nil
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

// TestRefused bodies are told by where they are wrong, and hold a secret that is
// not repeated.
func TestRefused(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	many := strings.Repeat(`{"a":1},`, 9)
	for name, c := range map[string]struct {
		media   payload.Media
		body    string
		o       payload.Options
		message string
		details string
	}{
		"empty":                        {payload.JSON, "", payload.Options{}, "not valid JSON, at byte 0", ""},
		"a text":                       {payload.JSON, `"hunter2"`, payload.Options{}, "must be a JSON object, or an array", ""},
		"an array where an object is":  {payload.JSON, `[{"a":1}]`, payload.Options{Object: true}, "must be a JSON object", ""},
		"a number in an array":         {payload.JSON, `[{"a":1},2]`, payload.Options{}, "must be a JSON object, or an array", ""},
		"other keys":                   {payload.JSON, "[" + many + `{"b":"hunter2"}]`, payload.Options{}, "All object keys must match", "Row 10 "},
		"fewer keys":                   {payload.JSON, `[{"a":1,"b":2},{"a":"hunter2"}]`, payload.Options{}, "All object keys must match", "Row 2 "},
		"more keys":                    {payload.JSON, `[{},{"a":"hunter2"}]`, payload.Options{}, "All object keys must match", "Row 2 "},
		"other keys without columns":   {payload.JSON, `[{"a":1},{"b":"hunter2"}]`, payload.Options{Default: true}, "All object keys must match", "Row 2 "},
		"a key twice":                  {payload.JSON, "[" + many + `{"a":"hunter2","a":1}]`, payload.Options{}, "twice", "row 10."},
		"a key twice, the second inch": {payload.JSON, `[{"a":{"b":"hunter2","\u0062":1}}]`, payload.Options{}, "twice", "row 1."},
		"cut":                          {payload.JSON, "[" + many + `{"a":"hunter2`, payload.Options{}, "not valid JSON, at byte", "row 10."},
		"cut between rows":             {payload.JSON, `[{"a":"hunter2"}`, payload.Options{}, "not valid JSON, at byte 16", ""},
		"goes on":                      {payload.JSON, `{"a":1} {"a":"hunter2"}`, payload.Options{}, "goes on after its end", ""},
		"goes on after an array":       {payload.JSON, `[{"a":1}] hunter2`, payload.Options{}, "not valid JSON, at byte 10", ""},
		"no UTF-8":                     {payload.JSON, "[{\"a\":1},{\"a\":\"hunter2\xff\"}]", payload.Options{}, "not valid JSON, at byte 22", "row 2."},
		"half a surrogate":             {payload.JSON, `{"a":"hunter2\ud800"}`, payload.Options{}, "not valid JSON, at byte 13", ""},
		"U+0000":                       {payload.JSON, `[{"a":1},{"a":"hunter2\u0000"}]`, payload.Options{}, "U+0000", "row 2."},
		"U+0000 in a key":              {payload.JSON, `[{"a":{"hunter2\u0000":1}}]`, payload.Options{}, "U+0000", "row 1."},
		"the byte 0":                   {payload.JSON, "[{\"a\":\"hunter2\x00\"}]", payload.Options{}, "not valid JSON, at byte 14", "row 1."},
		"65 levels":                    {payload.JSON, `[{"a":1},{"a":` + strings.Repeat("[", 63) + strings.Repeat("]", 63) + `}]`, payload.Options{}, "deeper than 64", "row 2."},
		"65 levels without an array":   {payload.JSON, `{"a":` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + `}`, payload.Options{}, "deeper than 64", ""},
		"a hundred thousand levels":    {payload.JSON, `[{"a":` + strings.Repeat("[", 50_000), payload.Options{}, "not valid JSON", "row 1."},
		"a long row":                   {payload.JSON, `[{"a":1},{"a":"hunter2` + strings.Repeat("x", 1000), payload.Options{MaxRow: 100}, "larger than 100 bytes", ""},
		"spaces before":                {payload.JSON, strings.Repeat(" ", 1000) + `[{"a":1}]`, payload.Options{MaxRow: 100}, "larger than 100 bytes", ""},
		"spaces between":               {payload.JSON, `[{"a":1},` + strings.Repeat("\n", 1000) + `{"a":1}]`, payload.Options{MaxRow: 100}, "larger than 100 bytes", ""},
		"spaces after":                 {payload.JSON, `[{"a":1}]` + strings.Repeat("\n", 1000), payload.Options{MaxRow: 100}, "larger than 100 bytes", ""},
		"a long number":                {payload.JSON, `{"a":1` + strings.Repeat("0", 1000) + `}`, payload.Options{MaxRow: 100}, "larger than 100 bytes", ""},
		"no names":                     {payload.CSV, "", payload.Options{}, "names of the columns", ""},
		"a name twice":                 {payload.CSV, "hunter2,b,hunter2\n", payload.Options{}, "Field 3 is the name", "line 1."},
		"too few fields":               {payload.CSV, "a,b\n1,2\n\nhunter2\n", payload.Options{}, "1 fields where there are 2", "line 4."},
		"too many fields":              {payload.CSV, "a,b\n\"x\ny\",2\nhunter2,2,3\n", payload.Options{}, "3 fields where there are 2", "line 4."},
		"a quote within":               {payload.CSV, "a\nhunter2\"\n", payload.Options{}, "a quote within", "line 2."},
		"text after a quote":           {payload.CSV, "a\n\"hunter2\"x\n", payload.Options{}, "after its last quote", "line 2."},
		"an open quote":                {payload.CSV, "a\n1\n\"hunter2\n\n", payload.Options{}, "ends within a quoted", "line 3."},
		"a carriage return":            {payload.CSV, "a\nhunter\r2\n", payload.Options{}, "carriage return", "line 2."},
		"lines without UTF-8":          {payload.CSV, "a\nhunter2\xff\n", payload.Options{}, "not UTF-8", "line 2."},
		"half a letter in two fields":  {payload.CSV, "a,b\n\xc3,\xa9\n", payload.Options{}, "not UTF-8", "line 2."},
		"lines with NUL":               {payload.CSV, "a\nhunter2\x00\n", payload.Options{}, "U+0000", "line 2."},
		"names with NUL":               {payload.CSV, "hunter2\x00\n", payload.Options{}, "U+0000", "line 1."},
		"a long line":                  {payload.CSV, "a\n1\n" + strings.Repeat("hunter2", 1000), payload.Options{MaxRow: 100}, "larger than 100 bytes", ""},
		"a long line of names":         {payload.CSV, strings.Repeat("hunter2,", 1000), payload.Options{MaxRow: 100}, "larger than 100 bytes", ""},
		"no JSON in a line":            {payload.CSV, "a,b\n1,{}{}\n", payload.Options{JSON: []string{"b"}}, "Field 2 is not JSON", "line 2."},
		"JSON with more members":       {payload.CSV, "b\n\"1}, {\"\"user_id\"\":1\"\n", payload.Options{JSON: []string{"b"}}, "Field 1 is not JSON", "line 2."},
		"JSON with U+0000":             {payload.CSV, "b\n\"\"\"\\u0000\"\"\"\n", payload.Options{JSON: []string{"b"}}, "Field 1 is not JSON", "line 2."},
		"deep JSON in a line":          {payload.CSV, "b\n" + strings.Repeat("[", 64) + strings.Repeat("]", 64), payload.Options{JSON: []string{"b"}}, "Field 1 is not JSON", "line 2."},
		"no JSON in a form":            {payload.Form, "a=1&b=hunter2", payload.Options{JSON: []string{"b"}}, "Field 2 of the form is not JSON", ""},
		"a form in two":                {payload.Form, "a=hunter2&a=1", payload.Options{}, "Field 2 of the form has been given", ""},
		"a broken escape":              {payload.Form, "b=1&a=hunter2%", payload.Options{}, "Field 2 of the form is malformed", ""},
		"a form without UTF-8":         {payload.Form, "a=hunter2%ff", payload.Options{}, "Field 1 of the form is not UTF-8", ""},
		"a form with NUL":              {payload.Form, "a=hunter2%00", payload.Options{}, "U+0000", "field 1 "},
		"a long form":                  {payload.Form, strings.Repeat("hunter2", 1000), payload.Options{MaxRow: 100}, "larger than 100 bytes", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			runs, err := read(c.media, strings.NewReader(c.body), c.o)
			f := fault.From(err)
			if err == nil || f.Kind != fault.Invalid && f.Kind != fault.TooLarge || !strings.Contains(f.Detail, c.message) {
				t.Fatalf("%v, %v", runs, err)
			}
			if f.Kind == fault.TooLarge {
				return
			}
			if f.SQL == nil || f.SQL.State != "PGRST102" || !strings.Contains(f.SQL.Details, c.details) || c.details == "" && f.SQL.Details != "" && f.SQL.Details[:2] != "It" {
				t.Errorf("%+v", f.SQL)
			}
			if said := fmt.Sprint(f.Detail, f.SQL, f.Fields); strings.Contains(said, secret) {
				t.Errorf("repeats what was sent: %s", said)
			}
		})
	}
}

// TestABodyThatFails is not taken for one that ends.
func TestABodyThatFails(t *testing.T) {
	t.Parallel()
	gone := errors.New("gone")
	for media, body := range map[payload.Media]string{payload.JSON: `[{"a":1}`, payload.CSV: "a\n1\n2\n", payload.Form: "a=1"} {
		if _, err := read(media, io.MultiReader(strings.NewReader(body), broken{gone}), payload.Options{}); !errors.Is(err, gone) {
			t.Errorf("%d: %v", media, err)
		}
	}
}

type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }

// endless is a body of n rows, which is nowhere in memory as a whole.
type endless struct {
	n, i int
	row  func(i int) string
	rest string
	read int
}

func (e *endless) Read(p []byte) (int, error) {
	for e.rest == "" {
		if e.i == e.n {
			return 0, io.EOF
		}
		e.rest = e.row(e.i)
		e.i++
	}
	n := copy(p, e.rest)
	e.rest = e.rest[n:]
	e.read += n
	return n, nil
}

// TestMemory looks at what is held of a body of 30 MB: never more than one batch
// ahead, and no batch much larger than it may be.
func TestMemory(t *testing.T) {
	t.Parallel()
	const n = 100_000
	filler := strings.Repeat("x", 280)
	for name, c := range map[string]struct {
		media payload.Media
		row   func(i int) string
	}{
		"JSON": {payload.JSON, func(i int) string {
			return map[bool]string{true: "[", false: ","}[i == 0] + fmt.Sprintf(`{"id":%d,"body":%q}`, i, filler) + map[bool]string{true: "]"}[i == n-1]
		}},
		"CSV": {payload.CSV, func(i int) string {
			return map[bool]string{true: "id,body\n"}[i == 0] + fmt.Sprintf("%d,%q\n", i, filler)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := &endless{n: n, row: c.row}
			r := payload.NewReader(c.media, body, payload.Options{MaxRow: 1 << 20})
			rows, given := 0, 0
			for {
				batch, err := r.Next()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				size := 0
				for _, run := range batch {
					rows += run.Count
					size += len(run.Rows)
				}
				given += size
				if size > payload.BatchSize+400 || body.read-given > 64<<10 {
					t.Fatalf("a batch of %d bytes, %d bytes read ahead", size, body.read-given)
				}
			}
			if rows != n || body.read < 28_000_000 {
				t.Errorf("%d rows of %d bytes", rows, body.read)
			}
		})
	}
}
