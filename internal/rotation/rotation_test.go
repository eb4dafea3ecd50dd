package rotation_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/encryption"
	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/rotation"
	"github.com/fluxbase/fluxbase/internal/sealed"
	"github.com/fluxbase/fluxbase/internal/secret"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// program is one of the programs that have a database open.
type program struct {
	*rotation.Service

	t      *testing.T
	db     *pgtest.Database
	events *[]string
}

func key(version uint32) []byte {
	if version == 1 {
		return pgtest.SecretKey()
	}
	sum := sha256.Sum256(fmt.Append(nil, "test key ", version))
	return sum[:]
}

// start opens a database with keys of some versions.
func start(t *testing.T, db *pgtest.Database, active uint32, versions ...uint32) *program {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	keys := &encryption.Service{DB: db, Active: active, Provider: encryption.Local, Now: time.Now, Logger: quiet}
	for _, v := range versions {
		keys.Configured = append(keys.Configured, encryption.Configured{Version: v, Key: key(v), Place: "the test"})
	}
	if err := keys.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keys.Close(context.Background()) })
	var mu sync.Mutex
	events := &[]string{}
	return &program{t: t, db: db, events: events, Service: &rotation.Service{
		DB: db, Keys: keys, Values: &sealed.Service{Keys: keys, Now: time.Now}, Logger: quiet,
		Config: rotation.Config{AutoReencrypt: true, RetainOldKeys: 2},
		Notify: func(_ context.Context, _ postgres.Querier, event string, r rotation.Run) error {
			mu.Lock()
			defer mu.Unlock()
			*events = append(*events, string(r.Kind)+" "+event)
			return nil
		},
	}}
}

func (p *program) put(n int) {
	p.t.Helper()
	for i := range n {
		if _, err := p.Values.Put(p.t.Context(), p.db.Single(), "test", fmt.Sprint(i), fmt.Append(nil, "value ", i)); err != nil {
			p.t.Fatal(err)
		}
	}
}

// check reads n values.
func (p *program) check(n int) {
	p.t.Helper()
	for i := range n {
		got, err := p.Values.Ensure(p.t.Context(), p.db.Single(), "test", fmt.Sprint(i), func() []byte { return []byte("lost") })
		if err != nil || string(got) != fmt.Sprint("value ", i) {
			p.t.Fatalf("value %d is %q, %v", i, got, err)
		}
	}
}

func (p *program) do(run rotation.Run, err error) rotation.Run {
	p.t.Helper()
	if err == nil {
		run, err = p.Do(p.t.Context(), run.ID, func(rotation.Run) {})
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return run
}

func (p *program) under(version uint32) int64 {
	p.t.Helper()
	a, err := p.Audit(p.t.Context(), version)
	if err != nil {
		p.t.Fatal(err)
	}
	return a.Total
}

func (p *program) reEncrypt(from, to uint32) (rotation.Run, error) {
	return p.ReEncrypt(p.t.Context(), audit.Actor{}, from, to, rotation.Pace{BatchSize: 10, Concurrency: 3})
}

func counts(r rotation.Run) string {
	return fmt.Sprintf("%s: %d = %d + %d + %d", r.State, r.Scanned, r.ReEncrypted, r.AlreadyThere, r.Failed)
}

func TestReEncrypt(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	start(t, db, 0, 1).put(95)
	db.Exec(t, `delete from auth.instances`)
	p := start(t, db, 2, 1, 2)
	if _, err := p.Values.Put(t.Context(), db.Single(), "test", "new", []byte("x")); err != nil {
		t.Fatal(err)
	}
	run := p.do(p.reEncrypt(1, 2))
	if got := counts(run); got != "succeeded: 98 = 97 + 1 + 0" { // with the passwords of the two logins
		t.Error(got)
	}
	if p.under(1) != 0 || p.under(2) != 98 {
		t.Errorf("%d left, %d there", p.under(1), p.under(2))
	}
	p.check(95)
	again := p.do(p.reEncrypt(1, 2))
	if got := counts(again); got != "succeeded: 98 = 0 + 98 + 0" {
		t.Error(got)
	}
	start(t, db, 2, 2).check(95)
	var records int
	db.Scan(t, `select count(*) from auth.audit_log where action in ('encryption.run_started', 'encryption.run_finished')`, nil, &records)
	if records != 4 {
		t.Errorf("%d audit records", records)
	}
}

func TestReEncryptRefusals(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	p := start(t, db, 1, 1, 2)
	for name, f := range map[string]func() (rotation.Run, error){
		"the active one is 1": func() (rotation.Run, error) { return p.reEncrypt(1, 2) },
		"no version 7":        func() (rotation.Run, error) { return p.reEncrypt(7, 1) },
		"to itself":           func() (rotation.Run, error) { return p.reEncrypt(1, 1) },
		"a batch of nothing": func() (rotation.Run, error) {
			return p.ReEncrypt(t.Context(), audit.Actor{}, 2, 1, rotation.Pace{Concurrency: 1})
		},
		"nobody to do it": func() (rotation.Run, error) {
			return p.ReEncrypt(t.Context(), audit.Actor{}, 2, 1, rotation.Pace{BatchSize: 1})
		},
		"back without reason": func() (rotation.Run, error) {
			return p.RollBack(t.Context(), audit.Actor{}, 1, " ", rotation.DefaultPace)
		},
		"back to no key": func() (rotation.Run, error) {
			return p.RollBack(t.Context(), audit.Actor{}, 9, "x", rotation.DefaultPace)
		},
		"back to what is next": func() (rotation.Run, error) {
			return p.RollBack(t.Context(), audit.Actor{}, 2, "x", rotation.DefaultPace)
		},
	} {
		if _, err := f(); err == nil {
			t.Errorf("%s: it is done", name)
		}
	}
	var runs int
	db.Scan(t, `select count(*) from auth.encryption_runs`, nil, &runs)
	if runs != 0 {
		t.Errorf("%d runs", runs)
	}
	if _, err := p.reEncrypt(2, 1); err != nil {
		t.Errorf("control: %v", err)
	}
}

func TestDamagedValuesStayAndAreNamed(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	p := start(t, db, 0, 1, 2)
	p.put(50)
	var damaged string
	db.Scan(t, `update auth.sealed_values set envelope = set_byte(envelope, 30, get_byte(envelope, 30) # 1) where purpose = 'test' and subject = '7' returning id`, nil, &damaged)
	if err := p.Keys.Activate(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	run, err := p.reEncrypt(1, 2)
	if err != nil {
		t.Fatal(err)
	}
	run, err = p.Do(t.Context(), run.ID, func(rotation.Run) {})
	if err == nil || !strings.Contains(err.Error(), "test 7 ("+damaged+")") || counts(run) != "failed: 52 = 51 + 0 + 1" {
		t.Errorf("%s, %v", counts(run), err)
	}
	if p.under(1) != 1 {
		t.Errorf("%d are left", p.under(1))
	}
	if got := found(t, p); !strings.Contains(got, "test 7 ("+damaged+")") {
		t.Error(got)
	}
	left, err := p.Audit(t.Context(), 1)
	if err != nil || len(left.Values) != 1 || left.Values[0].String() != "test 7 ("+damaged+")" {
		t.Errorf("%+v, %v", left, err)
	}
	kept, err := p.Get(t.Context(), run.ID)
	if err != nil || counts(kept) != counts(run) || kept.Error == nil {
		t.Errorf("%+v, %v", kept, err)
	}
	if e := strings.Join(*p.events, ", "); !strings.Contains(e, "re-encrypt started") || !strings.HasSuffix(e, "re-encrypt failed") {
		t.Error(e)
	}
}

func TestRollBack(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	p := start(t, db, 0, 1, 2)
	p.put(40)
	if err := p.Keys.Activate(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	p.do(p.reEncrypt(1, 2))
	run := p.do(p.RollBack(t.Context(), audit.Actor{}, 1, "New key compromised", rotation.DefaultPace))
	if got := counts(run); got != "succeeded: 42 = 42 + 0 + 0" || p.under(2) != 0 {
		t.Error(got)
	}
	p.check(40)
	if _, err := p.Values.Put(t.Context(), db.Single(), "test", "new", []byte("x")); err != nil || p.under(1) != 43 {
		t.Errorf("%d under 1, %v", p.under(1), err)
	}
	var reason string
	db.Scan(t, `select details->>'reason' from auth.audit_log where action = 'encryption.rolled_back'`, nil, &reason)
	if reason != "New key compromised" {
		t.Error(reason)
	}
	// The same command again, as after an interruption.
	if got := counts(p.do(p.RollBack(t.Context(), audit.Actor{}, 1, "again", rotation.DefaultPace))); got != "succeeded: 43 = 0 + 43 + 0" {
		t.Error(got)
	}
}

// TestRollBackEndsWhatRuns rolls back under a re-encryption that is under way.
func TestRollBackEndsWhatRuns(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	p := start(t, db, 0, 1, 2)
	p.put(300)
	if err := p.Keys.Activate(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	db.Exec(t, `create function slowly() returns trigger language plpgsql as $$ begin perform pg_sleep(0.01); return new; end $$`)
	db.Exec(t, `create trigger slowly before update on auth.sealed_values for each row when (new.key_version = 2) execute function slowly()`)
	slow, err := p.ReEncrypt(t.Context(), audit.Actor{}, 1, 2, rotation.Pace{BatchSize: 1, Concurrency: 1})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := p.Do(context.Background(), slow.ID, func(rotation.Run) {})
		ended <- err
	}()
	for p.under(2) < 20 {
		time.Sleep(5 * time.Millisecond)
	}
	p.do(p.RollBack(t.Context(), audit.Actor{}, 1, "stop", rotation.DefaultPace))
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "Version 2 is no longer the active one.") {
		t.Errorf("the re-encryption ended with %v", err)
	}
	if p.under(2) != 0 || p.under(1) != 302 {
		t.Errorf("%d under 2, %d under 1", p.under(2), p.under(1))
	}
	p.check(300)
}

func TestRotation(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	p := start(t, db, 0, 1)
	p.put(30)
	for range 4 {
		run := p.do(p.Rotate(t.Context(), audit.Actor{}))
		if got := counts(run); got != "succeeded: 32 = 32 + 0 + 0" {
			t.Fatal(got)
		}
	}
	p.check(30)
	if got := states(t, p); got != "1 retired, 2 destroyed, 3 retired, 4 retired, 5 active" {
		t.Error(got)
	}
	if got := strings.Join(*p.events, ", "); strings.Count(got, "rotation succeeded") != 4 || strings.Count(got, "rotation started") != 4 {
		t.Error(got)
	}
	start(t, db, 0, 1).check(30)
}

// TestVersionsAreUsedUp has a key of the largest version that there can be.
func TestVersionsAreUsedUp(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	p := start(t, db, 0, 1, 1<<31-1)
	_, asked := p.Rotate(t.Context(), audit.Actor{})
	_, made := p.Keys.Generate(t.Context(), nil)
	for name, err := range map[string]error{"rotate": asked, "generate": made} {
		if f := fault.From(err); f.Kind != fault.Conflict || f.Code != "encryption_key_versions_used_up" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := states(t, p); got != "1 active, 2147483647 standby" {
		t.Error(got)
	}
	control := start(t, pgtest.New(t), 0, 1, 1<<31-2)
	if run := control.do(control.Rotate(t.Context(), audit.Actor{})); *run.ToVersion != 1<<31-1 {
		t.Errorf("control: to %d", *run.ToVersion)
	}
}

// TestScheduleHasOneLeader has three instances meet a rotation that is due.
func TestScheduleHasOneLeader(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	var programs []*program
	for range 3 {
		p := start(t, db, 0, 1)
		p.Config.Enabled, p.Config.Schedule = true, "0 2 1 * *"
		p.Config.Next = func(after time.Time) (time.Time, error) { return after.Add(time.Hour), nil }
		programs = append(programs, p)
	}
	programs[0].put(20)
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for _, p := range programs {
		wg.Go(func() { p.Keys.Run(ctx, p.Turn) })
	}
	turn := func() {
		for _, p := range programs {
			p.Keys.Notified("")
		}
	}
	var due int
	for due == 0 {
		turn()
		db.Scan(t, `select count(*) from auth.encryption_schedule`, nil, &due)
		time.Sleep(20 * time.Millisecond)
	}
	var runs int
	db.Scan(t, `select count(*) from auth.encryption_runs`, nil, &runs)
	if runs != 0 {
		t.Errorf("%d runs before it was due", runs)
	}
	db.Exec(t, `update auth.encryption_schedule set due_at = now() - interval '3 days'`)
	deadline := time.Now().Add(20 * time.Second)
	var state string
	for state != "succeeded" && time.Now().Before(deadline) {
		turn()
		err := db.Single().QueryRow(t.Context(), `select state from auth.encryption_runs`).Scan(&state)
		if err != nil && err != pgx.ErrNoRows { //nolint:errorlint // QueryRow returns it as it is
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	stop()
	wg.Wait()
	for _, p := range programs {
		p.Wait()
	}
	db.Scan(t, `select count(*) from auth.encryption_runs where kind = 'rotation'`, nil, &runs)
	if runs != 1 || state != "succeeded" {
		t.Errorf("%d rotations, %s", runs, state)
	}
	if left := programs[1].under(1); left != 1 { // the generated key itself
		t.Errorf("%d are under version 1", left)
	}
}

// TestTwoRunnersAtOnce works on the same values twice at the same time, as two
// programs would if one of them had been thought dead.
func TestTwoRunnersAtOnce(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := start(t, db, 0, 1, 2)
	b := start(t, db, 0, 1, 2)
	a.put(400)
	if err := a.Keys.Activate(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	if err := b.Keys.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	run, err := a.reEncrypt(1, 2)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	results := make([]rotation.Run, 2)
	for i, p := range []*program{a, b} {
		wg.Go(func() {
			if i == 1 {
				for a.under(2) < 50 {
					time.Sleep(time.Millisecond)
				}
				db.Exec(t, `update auth.encryption_runs set seen_at = now() - interval '1 minute'`)
			}
			results[i] = p.do(run, nil)
		})
	}
	wg.Wait()
	for _, r := range results { // who has lost the run has followed it
		if r.State != rotation.Succeeded || r.Attempts != 2 {
			t.Errorf("%s in %d attempts", counts(r), r.Attempts)
		}
	}
	if a.under(1) != 0 || a.under(2) != 402 {
		t.Errorf("%d left, %d there", a.under(1), a.under(2))
	}
	kept, err := a.Get(t.Context(), run.ID)
	if err != nil || kept.State != rotation.Succeeded || kept.Scanned != 402 || kept.ReEncrypted+kept.AlreadyThere != 402 {
		t.Errorf("%s, %v", counts(kept), err)
	}
	a.check(400)
}

// TestOneProgramWorksOnARun has two programs asked for the same at the same
// time: one of them does it, and the other one waits for the end.
func TestOneProgramWorksOnARun(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a, b := start(t, db, 0, 1, 2), start(t, db, 0, 1, 2)
	a.put(300)
	if err := a.Keys.Activate(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	run, err := a.ReEncrypt(t.Context(), audit.Actor{}, 1, 2, rotation.Pace{BatchSize: 1, Concurrency: 1})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for _, p := range []*program{a, b} {
		wg.Go(func() {
			run, err := p.Do(t.Context(), run.ID, func(rotation.Run) {})
			if got := counts(run); err != nil || got != "succeeded: 302 = 302 + 0 + 0" || run.Attempts != 1 {
				t.Errorf("%s in %d attempts, %v", got, run.Attempts, err)
			}
		})
	}
	wg.Wait()
	a.check(300)
}

// TestAskedAtOnce has many ask for the same thing at the same moment: there is
// one run, and each of them is given it.
func TestAskedAtOnce(t *testing.T) {
	t.Parallel()
	db := roomy(t)
	p := start(t, db, 0, 1, 2)
	p.put(10)
	if err := p.Keys.Activate(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []rotation.Kind{rotation.ReEncryption, rotation.Rotation, rotation.Rollback} {
		ask := map[rotation.Kind]func() (rotation.Run, error){
			rotation.ReEncryption: func() (rotation.Run, error) { return p.reEncrypt(1, 2) },
			rotation.Rotation:     func() (rotation.Run, error) { return p.Rotate(t.Context(), audit.Actor{}) },
			rotation.Rollback: func() (rotation.Run, error) {
				return p.RollBack(t.Context(), audit.Actor{}, 1, "the test", rotation.DefaultPace)
			},
		}[kind]
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if _, err := ask(); err != nil {
					t.Errorf("%s: %v", kind, err)
				}
			})
		}
		wg.Wait()
		var runs int
		db.Scan(t, `select count(*) from auth.encryption_runs where kind = $1`, []any{kind}, &runs)
		if runs != 1 {
			t.Errorf("%s: %d runs", kind, runs)
		}
	}
}

// TestSecretsAreNamed audits a version that an application's secret is under.
func TestSecretsAreNamed(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	p := start(t, db, 0, 1)
	secrets := &secret.Service{DB: db, Values: p.Values, Now: time.Now}
	if _, err := secrets.Set(t.Context(), audit.Actor{}, secret.Name{Name: "STRIPE_KEY"}, secret.Input{Value: "x"}); err != nil {
		t.Fatal(err)
	}
	a, err := p.Audit(t.Context(), 1)
	if text := fmt.Sprint(a.Values); err != nil || !strings.Contains(text, "secret STRIPE_KEY, version 1 (") {
		t.Errorf("%s, %v", text, err)
	}
	if _, err := p.Audit(t.Context(), 9); fault.KindOf(err) != fault.NotFound {
		t.Errorf("a version that nobody knows: %v", err)
	}
}
