package audit_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/audit"
)

// since is almost the time since a month began so many months ago.
func since(months int) time.Duration {
	now := time.Now().UTC()
	return now.Sub(time.Date(now.Year(), now.Month()-time.Month(months), 1, 0, 0, 0, 0, time.UTC)) - time.Minute
}

// TestRetention lets go of old months. What is left verifies, and so does what
// is written afterwards; a month that somebody else took away is found.
func TestRetention(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	for _, months := range []string{"5", "4", "3", "2"} {
		l.at(4, "now() - interval '"+months+" months'")
		l.seal()
		l.at(1, "now() - interval '3 months'") // months meet
		l.seal()
	}
	l.write(2)
	l.seal()
	if err := l.Maintain(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.intact(22) // nothing is let go of where there is no retention
	old := l.verify("").Digest

	l.Retention = since(3) // lets go of those 5 and 4 months ago
	if err := l.Maintain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := l.number(`select count(*) from auth.audit_log where at < date_trunc('month', now()) - interval '3 months 3 days'`); n != 0 {
		t.Errorf("%d records are left of months that are over", n)
	}
	l.seal()
	v := l.verify(old)
	if v.Finding != nil || v.Records != 14+2 { // with the records of what was let go of
		t.Errorf("%+v, finding %+v", v, v.Finding)
	}
	if first := l.number(`select min(number) from auth.audit_seals`); first != 1 {
		t.Errorf("the log begins with seal %d", first) // seal 2 is of a month that is there
	}
	before := l.number(`select count(*) from auth.audit_seals`)
	l.Retention = since(1)
	if err := l.Maintain(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.seal()
	if v = l.verify(old); v.Finding != nil || v.Records != 2+2+2 || v.Dropped != 1 { // the seal that the log begins with, without its record
		t.Errorf("%+v, finding %+v", v, v.Finding)
	}
	if n := l.number(`select count(*) from auth.audit_seals`); n >= before {
		t.Errorf("%d seals, of %d", n, before)
	}

	l.tamper(`delete from auth.audit_log where action = 'audit.month_dropped'`)
	if v := l.verify(""); v.Finding == nil || v.Finding.Kind != audit.SealMissing {
		t.Errorf("months that no record says were let go of: %+v", v.Finding)
	}
}

// TestRetentionWaits lets go of nothing that is not sealed, of nothing that has
// yet to be sent, and of nothing because one clock alone is ahead.
func TestRetentionWaits(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	l.Retention = since(1)
	l.at(4, "now() - interval '4 months'")
	left := func(why string, want int64) {
		t.Helper()
		if err := l.Maintain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := l.number(`select count(*) from auth.audit_log where action = 'user.signed_in'`); n != want {
			t.Errorf("%s: %d records; want %d", why, n, want)
		}
	}
	left("not sealed", 4)
	l.seal()
	l.Now = func() time.Time { return time.Now().AddDate(-1, 0, 0) }
	left("the clock of this machine is behind", 4)
	l.Now = func() time.Time { return time.Now().AddDate(10, 0, 0) }
	out := &collector{}
	l.Out = out
	l.write(2)
	l.seal()
	left("not sent", 6)
	if err := l.Forward(t.Context()); err != nil {
		t.Fatal(err)
	}
	left("sent", 2) // and the clock of this machine is ahead
}

// TestForwarding sends what is sealed, each seal after its records. What was sent
// before a crash could write it down is sent again; nothing is left out.
func TestForwarding(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	out := &collector{}
	l.Out = out
	send := func(fails bool, names string) {
		t.Helper()
		out.names = nil
		if err := l.Forward(t.Context()); fails != (err != nil) {
			t.Fatal(err)
		}
		if got := strings.Join(out.names, " "); got != names {
			t.Errorf("sent %q; want %q", got, names)
		}
	}
	l.write(2)
	send(false, "") // not sealed
	l.seal()
	l.write(1)
	l.seal()
	out.fail = errUndone
	send(true, "user.signed_in user.signed_in audit.sealed")
	ctx, crash := context.WithCancel(t.Context())
	out.fail, out.after = nil, crash // everything has arrived, and nobody can write that down
	if err := l.Forward(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	out.after = nil
	for locked, until := int64(1), time.Now().Add(20*time.Second); locked > 0; { // by the connection that broke
		locked = 1 - l.number(`select count(*) from (select from auth.audit_cursors where name = 'syslog' for update skip locked) free`)
		if time.Now().After(until) {
			t.Fatal("the cursor is locked")
		}
	}
	send(false, "user.signed_in user.signed_in audit.sealed user.signed_in audit.sealed")
	send(false, "")
	l.write(1)
	l.seal()
	send(false, "user.signed_in audit.sealed")
	if digest := l.verify("").Digest; !strings.Contains(out.last, digest) {
		t.Errorf("%s does not have the digest %s", out.last, digest)
	}
}

// collector keeps what it is sent.
type collector struct {
	names []string
	last  string
	fail  error
	after func()
}

func (c *collector) Send(_ context.Context, entries []audit.Entry) error {
	for _, e := range entries {
		c.names, c.last = append(c.names, e.Name), string(e.Text)
	}
	if c.after != nil {
		c.after()
	}
	return c.fail
}
