package audit_test

import (
	"context"
	"encoding/hex"
	"log/slog"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// logbook is an audit log on a database of its own, without a server and
// empty at first.
type logbook struct {
	*audit.Service

	db *pgtest.Database
	t  *testing.T
}

func newLog(t *testing.T) *logbook {
	t.Helper()
	db := pgtest.New(t)
	l := &logbook{instance(db), db, t}
	l.tamper("truncate auth.audit_log restart identity") // of what the template did
	return l
}

// instance is one more server on a database.
func instance(db *pgtest.Database) *audit.Service {
	return &audit.Service{DB: db, Keys: pgtest.Secrets(), Logger: slog.New(slog.DiscardHandler), Now: time.Now}
}

// write adds records of the present.
func (l *logbook) write(n int) {
	l.t.Helper()
	l.at(n, "now()")
}

// at adds records of an instant, which is SQL.
func (l *logbook) at(n int, instant string) {
	l.t.Helper()
	l.db.Exec(l.t, `insert into auth.audit_log (at, action, outcome, actor_kind, actor_id, target_kind, target_id, ip, request_id, details)
		select `+instant+`, 'user.signed_in', 'success', 'user', gen_random_uuid(), 'session', gen_random_uuid(), '192.0.2.7', 'r' || n,
			jsonb_build_object('n', n::text) from generate_series(1, $1::int) n`, n)
}

func (l *logbook) seal() {
	l.t.Helper()
	if err := l.Seal(l.t.Context()); err != nil {
		l.t.Fatal(err)
	}
}

// verify puts the parts of a verification together.
func (l *logbook) verify(expect string) audit.Verification {
	l.t.Helper()
	var digest []byte
	if expect != "" {
		var err error
		if digest, err = hex.DecodeString(expect); err != nil {
			l.t.Fatal(err)
		}
	}
	var all audit.Verification
	for after := int64(0); ; after = *all.Next {
		part, err := l.Verify(l.t.Context(), after, digest)
		if err != nil {
			l.t.Fatal(err)
		}
		part.Seals, part.Records, part.Dropped = part.Seals+all.Seals, part.Records+all.Records, part.Dropped+all.Dropped
		if all = part; all.Next == nil {
			return all
		}
	}
}

// intact fails the test if anything is wrong with the log, or not sealed.
func (l *logbook) intact(records int) audit.Verification {
	l.t.Helper()
	v := l.verify("")
	if v.Finding != nil || v.Records != records || v.Unsealed != 0 {
		l.t.Fatalf("%+v, finding %+v; want %d records, all sealed and none wrong", v, v.Finding, records)
	}
	return v
}

func (l *logbook) number(sql string) (n int64) {
	l.t.Helper()
	l.db.Scan(l.t, sql, nil, &n)
	return n
}

// tamper runs statements as a superuser to whom no trigger applies.
func (l *logbook) tamper(statements ...string) {
	l.t.Helper()
	conn := connect(l.t, l.db.AdminURL)
	for _, sql := range append([]string{"set session_replication_role = replica"}, statements...) {
		if _, err := conn.Exec(l.t.Context(), sql); err != nil {
			l.t.Fatalf("%s: %v", sql, err)
		}
	}
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

// signedIn is a record as the program writes it.
func signedIn(n int) audit.Event {
	return audit.Actor{Kind: "anonymous"}.Did(audit.UserSignedIn, "session", id.UUID{1}, "n", strconv.Itoa(n))
}

// many opens the database with as many connections as there are writers.
func many(t *testing.T, db *pgtest.Database, connections int32) *postgres.DB {
	t.Helper()
	wide, err := postgres.Open(t.Context(), postgres.Config{OwnerURL: db.OwnerURL, MaxConns: connections, StatementTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(wide.Close)
	return wide
}
