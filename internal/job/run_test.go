package job_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/job"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// TestDrain stops an instance while it works: a job that ends in time is
// finished, and one that does not is run again by the next, which counts as no
// attempt.
func TestDrain(t *testing.T) {
	t.Parallel()
	db, begun, let := pgtest.New(t), make(chan string, 10), make(chan struct{})
	handle := func(ctx context.Context, n note) error {
		begun <- n.Text
		if n.Text == "short" {
			<-let
			return nil
		}
		<-ctx.Done()
		return ctx.Err()
	}
	s, log := queue(t, db.DB, job.Kind[note]{Handle: handle})
	stop := run(t, s)
	insert(t, db.DB, s, "short", "")
	insert(t, db.DB, s, "long", "")
	receive(t, begun)
	receive(t, begun)
	time.AfterFunc(200*time.Millisecond, func() { close(let) })
	from := time.Now()
	stop()
	if took := time.Since(from); took > 4*time.Second {
		t.Errorf("stopping took %s", took)
	}
	for text, want := range map[string]string{"short": "completed/1", "long": "available/0"} {
		var got string
		db.Scan(t, "select state || '/' || attempt from auth.river_job where args -> 'args' ->> 'text' = $1", []any{text}, &got)
		if got != want {
			t.Errorf("%s is %s, want %s", text, got, want)
		}
	}
	if said := log.lines(t, "a job failed and will be tried again"); len(said) > 0 {
		t.Errorf("the log says %v", said)
	}
	next, _ := queue(t, db.DB, job.Kind[note]{Handle: func(_ context.Context, n note) error {
		begun <- n.Text
		return nil
	}})
	run(t, next)
	if got := receive(t, begun); got != "long" {
		t.Errorf("ran %q", got)
	}
}

// TestAbandoned is what a killed process leaves: rows that say that it is at
// work. A real one is killed in internal/webhook.
func TestAbandoned(t *testing.T) {
	t.Parallel()
	db, ran := pgtest.New(t), make(chan string, 10)
	s, log := queue(t, db.DB, job.Kind[note]{Attempts: 2, Timeout: 30 * time.Second, Handle: func(_ context.Context, n note) error {
		ran <- n.Text
		return nil
	}})
	for _, text := range []string{"first", "last", "young"} {
		insert(t, db.DB, s, text, "")
	}
	db.Exec(t, `update auth.river_job set state = 'running', attempted_by = '{gone}', attempted_at = now() - interval '36 s',
		attempt = case when args -> 'args' ->> 'text' = 'last' then 2 else 1 end`)
	db.Exec(t, `update auth.river_job set attempted_at = now() - interval '15 s' where args -> 'args' ->> 'text' = 'young'`)
	run(t, s)
	if got := receive(t, ran); got != "first" {
		t.Errorf("ran %q", got)
	}
	var last, young string
	db.Scan(t, `select max(state::text) filter (where args -> 'args' ->> 'text' = 'last'),
		max(state::text) filter (where args -> 'args' ->> 'text' = 'young') from auth.river_job`, nil, &last, &young)
	if last != "discarded" || young != "running" {
		t.Errorf("the one that may not be tried again is %s, the one that may be at work is %s", last, young)
	}
	if said := log.lines(t, "gave up a job"); len(said) != 1 || said[0]["error"] != "the process that ran it is gone" {
		t.Errorf("the log says %v", said)
	}
}

// TestOutOfReach tries the tables of the queue as each role of the API.
func TestOutOfReach(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	s, _ := queue(t, db.DB, job.Kind[note]{})
	insert(t, db.DB, s, "private", "")
	var tables []string
	db.Scan(t, `select array_agg(format('%I.%I', schemaname, tablename)) from pg_tables where tablename like 'river%' or tablename like 'queue%'`, nil, &tables)
	if len(tables) < 5 {
		t.Fatalf("there are %v", tables)
	}
	for _, table := range tables {
		db.Exec(t, "select from "+table) // control
		for _, role := range []string{"anonymous", "authenticated", "service_role"} {
			for _, sql := range []string{"select * from %s", "delete from %s", "insert into %s default values", "truncate %s"} {
				err := db.InTx(t.Context(), func(q postgres.Querier) error {
					if _, err := q.Exec(t.Context(), "set local role "+role); err != nil {
						t.Fatal(err)
					}
					_, err := q.Exec(t.Context(), fmt.Sprintf(sql, table))
					return err
				})
				if report := postgres.Report(err); report == nil || report.State != "42501" {
					t.Errorf("%s: "+sql+": %v", role, table, err)
				}
			}
		}
	}
}

// TestPooler never listens behind a pooler in transaction mode, and works all
// the same.
func TestPooler(t *testing.T) {
	t.Parallel()
	for _, pooled := range []bool{true, false} {
		d := pgtest.New(t)
		db, err := postgres.Open(t.Context(), postgres.Config{OwnerURL: d.OwnerURL, MaxConns: 4, Pooled: pooled})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(db.Close)
		ran := make(chan string, 10)
		s, log := queue(t, db, job.Kind[note]{Handle: func(_ context.Context, n note) error {
			ran <- n.Text
			return nil
		}})
		run(t, s)
		for range 3 {
			insert(t, db, s, "x", "key")
			from := time.Now()
			if receive(t, ran); time.Since(from) > 5*time.Second {
				t.Errorf("pooled %v: it took %s", pooled, time.Since(from))
			}
			finishedAll(t, d)
		}
		var listening bool
		d.Scan(t, "select exists (select from pg_stat_activity where datname = current_database() and query ilike 'listen%')", nil, &listening)
		if listening == pooled {
			t.Errorf("pooled %v: listening %v", pooled, listening)
		}
		if strings.Contains(log.String(), "ERROR") {
			t.Error(log)
		}
	}
}

func finishedAll(t *testing.T, db *pgtest.Database) {
	t.Helper()
	for deadline := time.Now().Add(wait); ; time.Sleep(20 * time.Millisecond) {
		var left int
		if db.Scan(t, "select count(*) from auth.river_job where state <> 'completed'", nil, &left); left == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d are left", left)
		}
	}
}

// TestQuiet has an uneventful life, of which the log says nothing.
func TestQuiet(t *testing.T) {
	t.Parallel()
	db, ran := pgtest.New(t), make(chan string, 10)
	s, log := queue(t, db.DB, job.Kind[note]{Handle: func(_ context.Context, n note) error {
		ran <- n.Text
		return nil
	}})
	stop := run(t, s)
	insert(t, db.DB, s, "x", "")
	receive(t, ran)
	time.Sleep(6 * time.Second) // some turns of what River does every five seconds
	stop()
	for line := range strings.Lines(log.String()) {
		if json.Valid([]byte(line)) {
			t.Errorf("logged: %s", line)
		}
	}
}
