package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/dataapi/plan"
)

func TestRatios(t *testing.T) {
	t.Parallel()
	got := ratios([]float64{10, 30, 5}, []float64{20, 10, 0})
	if !slices.Equal(got, []float64{0.5, 3}) {
		t.Errorf("got %v; want 0.5 and 3, and no division by 0", got)
	}
	for want, values := range map[float64][]float64{0: nil, 2: {3, 1, 2}, 2.5: {4, 1, 2, 3}} {
		if got := median(values); got != want {
			t.Errorf("median(%v) = %g, want %g", values, got, want)
		}
	}
}

func TestRunMeetsItsTarget(t *testing.T) {
	t.Parallel()
	l := &load{}
	l.latencies.Record(time.Millisecond)
	r := newRun("x", 8, l, []float64{10, 30, 20}, floor{name: "f", target: 0.2}, []float64{100, 100, 100})
	if r.Ratio != 0.2 || r.Met == nil || !*r.Met || r.Spread != [2]float64{0.1, 0.3} || r.Throughput != 20 || r.P50 != 1000 {
		t.Errorf("got %+v", r)
	}
	r = newRun("x", 8, l, []float64{10}, floor{name: "f"}, []float64{100})
	if r.Target != nil || r.Met != nil || verdict(">=", r.Target, r.Met) != "-" {
		t.Errorf("a run without a target has one: %+v", r)
	}
	if f := newFigure("x", 41, "MB", 40); *f.Met || verdict("<=", f.Target, f.Met) != "<= 40 NOT met" {
		t.Errorf("41 is taken for at most 40: %+v", f)
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	o, err := parseOptions([]string{"-workers", "1, 4", "-scenario", "refresh,storm"}, io.Discard)
	if err != nil || !slices.Equal(o.workers, []int{1, 4}) || !o.wants("storm") || o.wants("insert") {
		t.Errorf("got %+v, %v", o, err)
	}
	for _, args := range [][]string{
		{"-workers", "0"},
		{"-workers", "x"},
		{"-seconds", "0"},
		{"-scenario", "nothing"},
		{"more"},
		{"-users", "100001"},
		{"-users", "20"},
		{"-over", "3000000"},
	} {
		if _, err := parseOptions(args, io.Discard); err == nil {
			t.Errorf("%q is taken", args)
		}
	}
}

func TestScript(t *testing.T) {
	t.Parallel()
	b := &rig{people: []*person{{id: "u", claims: `{"sub":"u"}`}}, plans: plans{settings: "select set_config('role', $1, true), $7"}}
	limit := int64(5)
	s := b.callerScript(pipelined, plan.Statement{SQL: "select $1, $2", Args: []any{"text", &limit}}, true)
	want := "\\startpipeline\nbegin;\nselect set_config('role', :role, true), :timeout;\nselect :a1, :a2;\ncommit;\n\\endpipeline\n"
	if s.text != want || s.variables["a2"] != "5" || s.variables["claims"] != `{"sub":"u"}` || s.variables["read_only"] != "on" {
		t.Errorf("got %q and %v", s.text, s.variables)
	}
}

// The floors run statements that stand in the server's sources.
func TestStatementsAreWhereTheyAreLookedFor(t *testing.T) {
	t.Parallel()
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	for path, name := range map[string]string{"internal/postgres/as.go": "settingsSQL", "internal/session/store.go": "rotateSQL"} {
		if text, err := constant(filepath.Join(root, path), name); err != nil || !strings.Contains(text, "$2") {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
	if _, err := constant(filepath.Join(root, "internal/session/store.go"), "nothingSQL"); err == nil {
		t.Error("a constant that is not there was found")
	}
}

func TestParseStat(t *testing.T) {
	t.Parallel()
	got := parseStat("723 (postgres: a) b) S 698 723 723 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 1 0 99")
	if got.parent != 698 || got.used != 2*time.Second {
		t.Errorf("got %+v, want parent 698 and 2s", got)
	}
	if got := parseStat("1 (x"); got != (process{}) {
		t.Errorf("got %+v of half a line", got)
	}
}

// What neither server, PostgreSQL nor generator used, others did.
func TestElsewhere(t *testing.T) {
	t.Parallel()
	machine := parseMachine("cpu  100 0 100 900 50 0 50 50 0 0\ncpu0 1 1 1 1 1 1 1 1\n")
	if machine != 3*time.Second {
		t.Errorf("got %s, want 3s: neither idle nor waiting counts", machine)
	}
	u := usage{server: time.Second, postgres: time.Second / 2, generator: time.Second / 2, machine: machine}
	if got := u.elsewhere(2 * time.Second); got != 0.5 {
		t.Errorf("got %g processors elsewhere, want 0.5", got)
	}
	if got := u.since(u).add(u).elsewhere(0); got != 0 {
		t.Errorf("got %g in no time", got)
	}
}

func TestKilobytes(t *testing.T) {
	t.Parallel()
	status := []byte("Name:\tfluxbase\nVmRSS:\t   20480 kB\nRssAnon:\t 512 kB\n")
	if got := kilobytes(status, "VmRSS:"); got != 20480 {
		t.Errorf("got %g, want 20480", got)
	}
	if got := kilobytes(status, "VmHWM:"); got != 0 {
		t.Errorf("got %g for a field that is not there", got)
	}
}

// A cursor that is moved keeps what says which search it belongs to.
func TestCursorAt(t *testing.T) {
	t.Parallel()
	m := &member{createdAt: time.UnixMicro(258).UTC()}
	m.live.User.ID[15] = 9
	text := cursorAt(append([]byte("the rest"), make([]byte, positionSize)...), m)
	got, err := base64.RawURLEncoding.DecodeString(text)
	want := "the rest" + "\x00\x00\x00\x00\x00\x00\x01\x02" + strings.Repeat("\x00", 15) + "\x09"
	if err != nil || string(got) != want {
		t.Errorf("got %q, %v", got, err)
	}
}

// An error ends a load, and is not hidden by the interruptions it causes.
func TestDriveStopsAtAnError(t *testing.T) {
	t.Parallel()
	failure := errors.New("wrong row")
	n := 0
	workers := []worker{
		{step: func() error { time.Sleep(time.Millisecond); return nil }},
		{step: func() error {
			if n++; n > 3 {
				return failure
			}
			return nil
		}},
	}
	l, err := drive(context.Background(), workers, time.Minute)
	if !errors.Is(err, failure) || l.latencies.Count() < 3 {
		t.Errorf("got %d and %v", l.latencies.Count(), err)
	}
}

// The body of a bulk insert is within what the server takes.
func TestBulkBody(t *testing.T) {
	t.Parallel()
	body := bulkBody(&person{id: "01a200dc-7648-7e7c-aa74-bdfb128d3d64"})
	var rows []map[string]string
	if err := json.Unmarshal([]byte(body), &rows); err != nil || len(rows) != bulkRows || len(body) > 1<<20 {
		t.Errorf("got %d rows in %d bytes, %v", len(rows), len(body), err)
	}
	if last := rows[bulkRows-1]; len(last) != 2 || last["user_id"] == "" || last["title"] == rows[0]["title"] {
		t.Errorf("got the row %v", last)
	}
}

// A pass comes to each member once, whatever the number of workers.
func TestPass(t *testing.T) {
	t.Parallel()
	pool := make([]member, 11)
	for i := range pool {
		pool[i].team = string(rune('a' + i))
	}
	seen := ""
	for i := range 3 {
		part, next := share(pool, i, 3), new(sequence)
		for range part {
			seen += part[next.below(len(part))].team
		}
	}
	if seen != "abcdefghijk" {
		t.Errorf("got %q", seen)
	}
}

// What follows each turn ends a comparison by its error, in either order.
func TestInTurn(t *testing.T) {
	t.Parallel()
	order := ""
	turns := func() []func() error {
		return []func() error{
			func() error { order += "s"; return nil },
			func() error { order += "f"; return nil },
		}
	}
	s := &scenario{after: func(context.Context, *rig) error { order += "."; return nil }}
	b := &rig{}
	err := errors.Join(b.inTurn(t.Context(), s, turns(), false), b.inTurn(t.Context(), s, turns(), true))
	if err != nil || order != "s.f.f.s." {
		t.Errorf("got %q, %v", order, err)
	}
	failure := errors.New("too few rows")
	s.after = func(context.Context, *rig) error { return failure }
	if err := b.inTurn(t.Context(), s, turns(), false); !errors.Is(err, failure) || order != "s.f.f.s.s" {
		t.Errorf("got %q, %v", order, err)
	}
}

// Figures say under which settings they were made.
func TestHeaderNamesTheSettings(t *testing.T) {
	t.Parallel()
	for settings, want := range map[string]string{
		"":                   "P 15 with the settings of fluxbase dev, ",
		"shared_buffers=4GB": "P 15 with the settings of fluxbase dev but for shared_buffers=4GB, ",
	} {
		var out strings.Builder
		printHeader(&out, &Machine{PostgreSQL: "P 15", Settings: settings})
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in %q", want, out.String())
		}
	}
}

// What a worker sends names rows that exist and are the person's.
func TestRandom(t *testing.T) {
	t.Parallel()
	seen := map[int]bool{}
	var r random
	for range 1000 {
		n := r.below(10)
		if n < 0 || n > 9 {
			t.Fatalf("%d is not below 10", n)
		}
		seen[n] = true
	}
	if len(seen) != 10 {
		t.Errorf("only %d of 10 numbers came up in 1000", len(seen))
	}
}
