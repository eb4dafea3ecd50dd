package audit_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/audit"
)

// TestForgedRetention has somebody with the database, and without the key, take
// records away and write the record with which retention would say so. The
// service then seals that record, as it seals all.
func TestForgedRetention(t *testing.T) {
	t.Parallel()
	const says = `insert into auth.audit_log (action, outcome, actor_kind, details) values ('audit.month_dropped', 'success', 'system', `
	const old = `to_char(now() - interval '3 months', 'YYYY_MM')`
	for name, tamper := range map[string][]string{
		"the records of a month": {
			says + `jsonb_build_object('month', ` + old + `, 'records', '5', 'through_seal', '4', 'kept_seal', '1', 'kept_digest', ''))`,
			`delete from auth.audit_log where action = 'user.signed_in' and at < now() - interval '2 months'`,
		},
		"the beginning of the log": {
			says + `jsonb_build_object('month', ` + old + `, 'records', '5', 'through_seal', '4', 'kept_seal', '4',
				'kept_digest', (select encode(digest, 'hex') from auth.audit_seals where number = 4)))`,
			`delete from auth.audit_log where sequence <= (select last_sequence from auth.audit_seals where number = 3)`,
			`delete from auth.audit_seals where number < 4`,
		},
		"with what proves another month": {
			says + `(select details || jsonb_build_object('month', ` + old + `, 'through_seal', '4') from auth.audit_log where action = 'audit.month_dropped'))`,
			`delete from auth.audit_log where action = 'user.signed_in' and at < now() - interval '2 months'`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLog(t)
			l.at(2, "now() - interval '9 months'")
			l.seal()
			l.Retention = since(6)
			if err := l.Maintain(t.Context()); err != nil { // which lets go of a month in earnest
				t.Fatal(err)
			}
			l.seal()
			l.at(5, "now() - interval '3 months'")
			l.seal()
			l.write(10)
			l.seal()
			if v := l.verify(""); v.Finding != nil {
				t.Fatalf("control: %+v", v.Finding)
			}
			l.tamper(tamper...)
			for range 2 { // before and after it is sealed
				if v := l.verify(""); v.Finding == nil || v.Finding.Kind != audit.RecordMissing && v.Finding.Kind != audit.SealMissing {
					t.Errorf("%+v", v)
				}
				l.seal()
			}
		})
	}
}

// TestSentCursorAhead has somebody say of seals to come that they have been sent:
// with the number of a seal that was cut off, or with one that never was.
func TestSentCursorAhead(t *testing.T) {
	t.Parallel()
	for _, ahead := range []int64{2, 1 << 40} {
		t.Run(fmt.Sprint(ahead), func(t *testing.T) {
			t.Parallel()
			l := newLog(t)
			out := &collector{}
			l.Out = out
			for range 2 {
				l.write(1)
				l.seal()
			}
			if err := l.Forward(t.Context()); err != nil || len(out.names) != 4 {
				t.Fatalf("control: %v, %v", out.names, err)
			}
			l.tamper(`delete from auth.audit_seals where number = 2`, `delete from auth.audit_log where sequence = 2`,
				fmt.Sprintf(`update auth.audit_cursors set number = %d where name = 'syslog'`, ahead))
			restarted := &logbook{instance(l.db), l.db, t}
			restarted.Out = out
			out.names = nil
			restarted.write(1)
			restarted.seal()
			if err := restarted.Forward(t.Context()); err != nil || len(out.names) != 2 {
				t.Errorf("sent %v, %v; want the record and its seal", out.names, err)
			}
		})
	}
}

// TestSealingIsStopped has somebody keep the log from being sealed: by taking the
// row away that is locked for it, or by locking it for good. Neither is quiet.
func TestSealingIsStopped(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	now := time.Now()
	l.Now = func() time.Time { return now }
	l.write(1)
	conn := connect(t, l.db.AdminURL)
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `select from auth.audit_cursors where name = 'seal' for update`); err != nil {
		t.Fatal(err)
	}
	for range 5 { // another instance may be at it
		l.seal()
		now = now.Add(10 * time.Second)
	}
	now = now.Add(time.Minute)
	if err := l.Seal(t.Context()); err == nil {
		t.Error("nothing was sealed for more than a minute, and nobody says so")
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.seal()
	l.intact(1)

	for _, cursor := range []string{"seal", "syslog"} {
		l.tamper(`delete from auth.audit_cursors where name = '` + cursor + `'`)
	}
	l.write(1)
	l.Out = &collector{}
	if err := l.Seal(t.Context()); err == nil {
		t.Error("the row is gone that sealing goes by, and nobody says so")
	}
	if err := l.Forward(t.Context()); err == nil {
		t.Error("the row is gone that sending goes by, and nobody says so")
	}
}
