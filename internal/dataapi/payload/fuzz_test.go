package payload_test

import (
	"encoding/csv"
	"encoding/json"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/fluxbase/fluxbase/internal/dataapi/payload"
)

// rowsOf decodes what was read, of which each row has the columns of its run.
func rowsOf(t *testing.T, runs []payload.Run) []map[string]any {
	t.Helper()
	all := []map[string]any{}
	for _, run := range runs {
		var rows []map[string]any
		if err := json.Unmarshal([]byte(run.Rows), &rows); err != nil || len(rows) != run.Count {
			t.Fatalf("%v: %d rows in %q", err, run.Count, run.Rows)
		}
		for _, row := range rows {
			if !slices.Equal(slices.Sorted(maps.Keys(row)), slices.Sorted(slices.Values(run.Columns))) {
				t.Fatalf("columns %q in %q", run.Columns, run.Rows)
			}
		}
		all = append(all, rows...)
	}
	return all
}

// FuzzJSON holds what is read against what the standard library finds in the
// whole.
func FuzzJSON(f *testing.F) {
	for _, seed := range []string{
		`{}`, `[]`, `[{"a":1},{"a":"\u0041"}]`, ` [ {"a" : [1,{}]} , {"a":null}]`, `{"a":1}x`, `[{"a":1}`, `{"a":"\\u0000"}`,
		`[{"\u0061":1},{"a":2},{"a\\b":1}]`, `[{"a\\n":1},{"a\n":1}]`, `[{"a\"b":{"c":1},"d,":["e",{"f":1}],"g":"\\"},{"d,":{},"a\"b":",\"g","g":0}]`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		runs, err := read(payload.JSON, strings.NewReader(body), payload.Options{})
		if err != nil {
			return
		}
		want := []map[string]any{}
		if strings.HasPrefix(strings.TrimLeft(body, " \t\r\n"), "{") {
			body = "[" + body + "]"
		}
		if err := json.Unmarshal([]byte(body), &want); err != nil {
			t.Fatalf("%q is no JSON: %v", body, err)
		}
		if got := rowsOf(t, runs); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %v, want %v", body, got, want)
		}
	})
}

// FuzzCSV holds what is read against the reader of the standard library, which
// takes more, and makes one line feed of each end of a line in quotes.
func FuzzCSV(f *testing.F) {
	for _, seed := range []string{"a,b\n1,2\n", "a\r\n\"x\"\"y\"\r\n", "a\n\n\"\"\n", "\"a\nb\",c\nNULL,\"NULL\"", "a,b\n1\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		runs, err := read(payload.CSV, strings.NewReader(body), payload.Options{})
		if err != nil {
			return
		}
		r := csv.NewReader(strings.NewReader(strings.TrimPrefix(body, "\ufeff")))
		names, err := r.Read()
		if err != nil {
			t.Fatalf("%q: %v", body, err)
		}
		got := rowsOf(t, runs)
		for i := 0; ; i++ {
			line, err := r.Read()
			if err == io.EOF {
				if i != len(got) {
					t.Errorf("%q: %d rows, want %d", body, len(got), i)
				}
				return
			}
			if err != nil || i >= len(got) {
				t.Fatalf("%q: %v, row %d of %d", body, err, i, len(got))
			}
			values := map[string]string{}
			for name, value := range got[i] {
				text, given := value.(string)
				if !given {
					text = "NULL"
				}
				values[strings.ReplaceAll(name, "\r\n", "\n")] = strings.ReplaceAll(text, "\r\n", "\n")
			}
			if len(values) < len(got[i]) {
				return // names that differ in the ends of their lines
			}
			for k, name := range names {
				if values[name] != line[k] {
					t.Errorf("%q: row %d has %q in %q, want %q", body, i, values[name], name, line[k])
				}
			}
		}
	})
}
