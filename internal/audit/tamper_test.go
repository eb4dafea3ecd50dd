package audit_test

import (
	"testing"

	"github.com/fluxbase/fluxbase/internal/audit"
)

// TestTampering does to a sealed log what only a superuser can. Verification
// finds each of it, with the first record that is wrong; of the same log
// untouched it finds nothing.
func TestTampering(t *testing.T) {
	t.Parallel()
	const exchange = `
		update auth.audit_log set sequence = -1 where sequence = 7;
		update auth.audit_log set sequence = 7 where sequence = 12;
		update auth.audit_log set sequence = 12 where sequence = -1`
	for name, c := range map[string]struct {
		sql      string
		kind     string
		seal     int64
		sequence int64 // 0: it is not about one record
	}{
		"nothing":                       {sql: "select 1"},
		"action":                        {sql: `update auth.audit_log set action = 'user.updated' where sequence = 12`, kind: audit.RecordChanged, seal: 2, sequence: 12},
		"outcome":                       {sql: `update auth.audit_log set outcome = 'failure' where sequence = 12`, kind: audit.RecordChanged, seal: 2, sequence: 12},
		"instant, by a microsecond":     {sql: `update auth.audit_log set at = at + interval '1 microsecond' where sequence = 12`, kind: audit.RecordChanged, seal: 2, sequence: 12},
		"instant, by a year":            {sql: `update auth.audit_log set at = at + interval '1 year' where sequence = 12`, kind: audit.RecordChanged, seal: 2, sequence: 12},
		"identifier":                    {sql: `update auth.audit_log set id = gen_random_uuid() where sequence = 1`, kind: audit.RecordChanged, seal: 1, sequence: 1},
		"kind of actor":                 {sql: `update auth.audit_log set actor_kind = 'key' where sequence = 12`, kind: audit.RecordChanged, seal: 2, sequence: 12},
		"actor":                         {sql: `update auth.audit_log set actor_id = null where sequence = 12`, kind: audit.RecordChanged, seal: 2, sequence: 12},
		"actor and target":              {sql: `update auth.audit_log set actor_id = target_id, target_id = actor_id where sequence = 12`, kind: audit.RecordChanged, seal: 2, sequence: 12},
		"kind of target":                {sql: `update auth.audit_log set target_kind = '' where sequence = 12`, kind: audit.RecordChanged, seal: 2, sequence: 12},
		"address":                       {sql: `update auth.audit_log set ip = '192.0.2.8' where sequence = 12`, kind: audit.RecordChanged, seal: 2, sequence: 12},
		"mask of the address":           {sql: `update auth.audit_log set ip = '192.0.2.7/24' where sequence = 12`, kind: audit.RecordChanged, seal: 2, sequence: 12},
		"request":                       {sql: `update auth.audit_log set request_id = null where sequence = 12`, kind: audit.RecordChanged, seal: 2, sequence: 12},
		"details":                       {sql: `update auth.audit_log set details = details || '{"m":"1"}' where sequence = 12`, kind: audit.RecordChanged, seal: 2, sequence: 12},
		"two records":                   {sql: `update auth.audit_log set details = '{}' where sequence in (9, 12)`, kind: audit.RecordChanged, seal: 1, sequence: 9},
		"delete":                        {sql: `delete from auth.audit_log where sequence = 12`, kind: audit.RecordMissing, seal: 2, sequence: 12},
		"delete the last of a seal":     {sql: `delete from auth.audit_log where sequence = 10`, kind: audit.RecordMissing, seal: 1, sequence: 10},
		"delete all":                    {sql: `delete from auth.audit_log`, kind: audit.RecordMissing, seal: 1, sequence: 1},
		"delete and number anew":        {sql: `delete from auth.audit_log where sequence = 12; update auth.audit_log set sequence = 12 where sequence = 13`, kind: audit.RecordChanged, seal: 2, sequence: 12},
		"insert into a gap":             {sql: `insert into auth.audit_log (sequence, action, outcome, actor_kind) values (26, 'user.updated', 'success', 'user')`, kind: audit.RecordAdded, seal: 3, sequence: 26},
		"insert beside one":             {sql: `insert into auth.audit_log (sequence, at, action, outcome, actor_kind) select 12, at + interval '1 second', action, outcome, actor_kind from auth.audit_log where sequence = 12`, kind: audit.RecordAdded, seal: 2, sequence: 12},
		"insert before all":             {sql: `insert into auth.audit_log (sequence, action, outcome, actor_kind) values (-5, 'user.updated', 'success', 'user')`, kind: audit.RecordAdded, seal: 1, sequence: -5},
		"insert into another month":     {sql: `insert into auth.audit_log (sequence, at, action, outcome, actor_kind) values (26, now() + interval '1 month', 'user.updated', 'success', 'user')`, kind: audit.RecordAdded, seal: 3, sequence: 26},
		"exchange two":                  {sql: exchange, kind: audit.RecordChanged, seal: 1, sequence: 7},
		"drop a seal":                   {sql: `delete from auth.audit_seals where number = 2`, kind: audit.SealMissing, seal: 2},
		"drop the first seal":           {sql: `delete from auth.audit_seals where number = 1`, kind: audit.SealMissing, seal: 1},
		"drop a seal, number the rest":  {sql: `delete from auth.audit_seals where number = 2; update auth.audit_seals set number = 2 where number = 3`, kind: audit.SealChanged, seal: 2},
		"change a seal":                 {sql: `update auth.audit_seals set last_sequence = 19 where number = 2`, kind: audit.SealChanged, seal: 2},
		"change what a seal keeps":      {sql: `update auth.audit_seals set entries = set_byte(entries, 9, 255 - get_byte(entries, 9)) where number = 2`, kind: audit.SealChanged, seal: 2},
		"shorten what a seal keeps":     {sql: `update auth.audit_seals set entries = substring(entries for 15) where number = 2`, kind: audit.SealChanged, seal: 2},
		"exchange seals":                {sql: `update auth.audit_seals set number = 9 where number = 2; update auth.audit_seals set number = 2 where number = 3; update auth.audit_seals set number = 3 where number = 9`, kind: audit.SealChanged, seal: 2},
		"seal by another key":           {sql: `update auth.audit_seals set mac = sha256(mac) where number = 2`, kind: audit.SealForged, seal: 2},
		"exchange the months":           {sql: exchangeMonths, kind: audit.RecordChanged, seal: 1, sequence: 1},
		"a month that nobody let go of": {sql: `alter table auth.audit_log detach partition auth.audit_log_default`, kind: audit.RecordMissing, seal: 4, sequence: 30},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLog(t)
			l.write(10)
			l.seal()
			l.write(10)
			l.seal()
			l.db.Exec(t, `select nextval('auth.audit_log_sequence') from generate_series(21, 26)`) // of transactions that were undone
			l.write(3)
			l.seal()
			l.at(3, "now() + interval '70 years'")
			l.seal()
			l.at(2, "now() + interval '1 month'")
			l.seal()
			l.intact(28)

			l.tamper(c.sql)
			v := l.verify("")
			switch f := v.Finding; {
			case c.kind == "":
				if f != nil {
					t.Errorf("control: %+v", f)
				}
			case f == nil:
				t.Error("nothing was found")
			case f.Kind != c.kind || f.Seal != c.seal || c.sequence == 0 && f.Sequence != nil || c.sequence != 0 && (f.Sequence == nil || *f.Sequence != c.sequence):
				t.Errorf("%+v; want %s at seal %d, record %d", f, c.kind, c.seal, c.sequence)
			}
		})
	}
}

// exchangeMonths gives the partition of this month to the next one, and the other
// way round.
const exchangeMonths = `do $$
declare
  first timestamp := date_trunc('month', now() at time zone 'UTC');
  a text := 'auth.audit_log_' || to_char(first, 'YYYY_MM');
  b text := 'auth.audit_log_' || to_char(first + interval '1 month', 'YYYY_MM');
begin
  execute format('alter table auth.audit_log detach partition %s', a);
  execute format('alter table auth.audit_log detach partition %s', b);
  execute format('update %s set at = at + interval ''1 month''', a);
  execute format('update %s set at = at - interval ''1 month''', b);
  execute format('alter table auth.audit_log attach partition %s for values from (%L) to (%L)', a,
    (first + interval '1 month') at time zone 'UTC', (first + interval '2 months') at time zone 'UTC');
  execute format('alter table auth.audit_log attach partition %s for values from (%L) to (%L)', b,
    first at time zone 'UTC', (first + interval '1 month') at time zone 'UTC');
end $$`

// TestLogIsCutShort takes away the end of the log. That it was there is known to
// nobody but who kept the digest of a seal, and to the server as long as it runs.
func TestLogIsCutShort(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	l.write(10)
	l.seal()
	first := l.intact(10)
	l.write(10)
	l.seal()
	second := l.intact(20)
	for _, kept := range []string{first.Digest, second.Digest} {
		if v := l.verify(kept); v.Finding != nil {
			t.Fatalf("control: %+v", v.Finding)
		}
	}
	l.tamper(`delete from auth.audit_seals where number = 2`, `delete from auth.audit_log where sequence > 10`)
	if v := l.verify(first.Digest); v.Finding != nil {
		t.Errorf("a seal from before the cut: %+v", v.Finding)
	}
	if v := l.verify(second.Digest); v.Finding == nil || v.Finding.Kind != audit.LogCut {
		t.Errorf("a seal that was cut off: %+v", v.Finding)
	}
	l.write(1)
	if err := l.Seal(t.Context()); err == nil {
		t.Error("the server went on after a seal that is gone")
	}
	if n := l.number(`select count(*) from auth.audit_seals`); n != 1 {
		t.Errorf("%d seals", n)
	}
	restarted := &logbook{instance(l.db), l.db, t} // the control: it knows nothing of what was there
	restarted.seal()
	if v := restarted.verify(second.Digest); v.Finding == nil || v.Finding.Kind != audit.LogCut {
		t.Errorf("a seal that was cut off, and replaced: %+v", v.Finding)
	}
	restarted.intact(11)
}

// TestChainMadeAnew has somebody write a whole chain of seals over records of
// their own liking, without the key.
func TestChainMadeAnew(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	l.write(5)
	l.seal()
	l.intact(5)
	l.tamper(`update auth.audit_log set ip = '198.51.100.1' where sequence = 3`, `delete from auth.audit_seals`, `delete from auth.sealed_values where purpose = 'audit_seal'`)
	forger := &logbook{instance(l.db), l.db, t}
	forger.seal()
	forger.intact(5) // the control: to whoever has this key all is well
	if v := l.verify(""); v.Finding == nil || v.Finding.Kind != audit.SealForged || v.Finding.Seal != 1 {
		t.Errorf("%+v", v.Finding)
	}
}

// TestSealOfAnotherPast puts back a seal that is the server's own, from before the
// log was cut short: the one after it does not go on from it.
func TestSealOfAnotherPast(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	l.write(1)
	l.seal()
	l.write(1)
	l.seal()
	l.tamper(`create table public.kept as select * from auth.audit_seals where number = 2`, `delete from auth.audit_seals where number = 2`)
	later := &logbook{instance(l.db), l.db, t}
	later.seal()
	later.write(1)
	later.seal()
	later.intact(3)
	l.tamper(`delete from auth.audit_seals where number = 2`, `insert into auth.audit_seals select * from public.kept`)
	if v := l.verify(""); v.Finding == nil || v.Finding.Kind != audit.SealChanged || v.Finding.Seal != 3 {
		t.Errorf("%+v", v.Finding)
	}
}
