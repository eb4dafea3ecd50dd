package rotation_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/rotation"
	"github.com/fluxbase/fluxbase/internal/sealed"
)

// traffic is what applications do to sealed values meanwhile. It remembers what
// the last writer of each value wrote.
type traffic struct {
	t        *testing.T
	programs []*program
	written  atomic.Int64

	mu   sync.Mutex
	kept []*kept
}

// kept is one value. Its text is "SUBJECT SEQUENCE".
type kept struct {
	mu      sync.Mutex // one writer at a time, so that it is known who was the last
	id      id.Sealed
	subject string
	last    atomic.Int64 // the sequence that was written last
	gone    atomic.Bool
}

func (k *kept) text() []byte { return fmt.Appendf(nil, "%s %d", k.subject, k.last.Load()) }

func (k *kept) next() []byte { return fmt.Appendf(nil, "%s %d", k.subject, k.last.Load()+1) }

// perSecond is how many changes there are in a second: 6 of 10 put another
// value in the place of one, 3 make one, 1 destroys some.
const perSecond = 500

// run changes values until ctx is done.
func (f *traffic) run(ctx context.Context) {
	const workers = 8
	var wg sync.WaitGroup
	for n := range workers {
		wg.Go(func() {
			tick := time.NewTicker(workers * time.Second / perSecond)
			defer tick.Stop()
			for i := 0; ctx.Err() == nil; i++ {
				f.change(context.WithoutCancel(ctx), f.programs[n%len(f.programs)], fmt.Sprintf("w%d-%d", n, i))
				<-tick.C
			}
		})
		wg.Go(func() {
			for ctx.Err() == nil {
				f.read(context.WithoutCancel(ctx), f.programs[n%len(f.programs)])
				time.Sleep(2 * time.Millisecond)
			}
		})
	}
	wg.Wait()
}

func (f *traffic) change(ctx context.Context, p *program, name string) {
	f.written.Add(1)
	switch n := rand.IntN(10); {
	case n < 6:
		f.replace(ctx, p)
	case n < 9:
		f.put(ctx, p, name)
	default:
		f.destroy(ctx, p)
	}
}

func (f *traffic) put(ctx context.Context, p *program, subject string) {
	k := &kept{subject: subject}
	err := f.write(ctx, p, func(q postgres.Querier) (err error) {
		k.id, err = p.Values.Put(ctx, q, "test", subject, k.text())
		return err
	})
	if err != nil {
		f.t.Errorf("putting %s: %v", subject, err)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kept = append(f.kept, k)
}

func (f *traffic) seed(ctx context.Context, p *program, n int) {
	f.t.Helper()
	err := p.db.InTx(ctx, func(q postgres.Querier) error {
		for i := range n {
			k := &kept{subject: fmt.Sprint(i)}
			var err error
			if k.id, err = p.Values.Put(ctx, q, "test", k.subject, k.text()); err != nil {
				return err
			}
			f.kept = append(f.kept, k)
		}
		return nil
	})
	if err != nil {
		f.t.Fatal(err)
	}
}

// write runs a statement by itself, in a transaction, or in one that goes on
// for a while.
func (f *traffic) write(ctx context.Context, p *program, statement func(postgres.Querier) error) error {
	n := rand.IntN(30)
	if n < 15 {
		return statement(p.db.Single())
	}
	return p.db.InTx(ctx, func(q postgres.Querier) error {
		err := statement(q)
		if n == 15 {
			time.Sleep(150 * time.Millisecond)
		}
		return err
	})
}

func (f *traffic) any() *kept {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.kept[rand.IntN(len(f.kept))]
}

func (f *traffic) replace(ctx context.Context, p *program) {
	k := f.any()
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.gone.Load() {
		return
	}
	err := f.write(ctx, p, func(q postgres.Querier) error { return p.Values.Replace(ctx, q, k.id, k.next()) })
	if err != nil {
		f.t.Errorf("replacing %s: %v", k.subject, err)
		return
	}
	k.last.Add(1)
}

// destroy deletes up to four values in one statement, in no order.
func (f *traffic) destroy(ctx context.Context, p *program) {
	var some []*kept
	for range 1 + rand.IntN(4) {
		k := f.any()
		if slices.Contains(some, k) || !k.mu.TryLock() {
			continue
		}
		defer k.mu.Unlock()
		some = append(some, k)
	}
	values := make([]id.Sealed, 0, len(some))
	for _, k := range some {
		values = append(values, k.id)
	}
	if err := p.Values.Delete(ctx, p.db.Single(), values...); err != nil {
		f.t.Errorf("destroying %d values: %v", len(values), err)
		return
	}
	for _, k := range some {
		k.gone.Store(true)
	}
}

// read opens a value, which is as new as the last write before.
func (f *traffic) read(ctx context.Context, p *program) {
	k := f.any()
	gone, last := k.gone.Load(), k.last.Load()
	text, err := p.Values.Open(ctx, p.db.Single(), k.id)
	var got int64
	switch {
	case errors.Is(err, sealed.ErrNotFound):
		if !gone && !k.gone.Load() {
			k.mu.Lock() // whoever destroys it is about to say so
			defer k.mu.Unlock()
			if !k.gone.Load() {
				f.t.Errorf("%s is lost", k.subject)
			}
		}
	case err != nil:
		f.t.Errorf("reading %s: %v", k.subject, err)
	case gone:
		f.t.Errorf("%s is back from the dead: %q", k.subject, text)
	default:
		if _, err := fmt.Sscanf(string(text), k.subject+" %d", &got); err != nil || got < last {
			f.t.Errorf("%s is %q, and %d has been written", k.subject, text, last)
		}
	}
}

// check compares everything with what was written last.
func (f *traffic) check(p *program) {
	f.t.Helper()
	alive := 0
	for _, k := range f.kept {
		text, err := p.Values.Open(f.t.Context(), p.db.Single(), k.id)
		switch {
		case k.gone.Load():
			if !errors.Is(err, sealed.ErrNotFound) {
				f.t.Errorf("%s was destroyed, and is %q, %v", k.subject, text, err)
			}
		case err != nil || !bytes.Equal(text, k.text()):
			f.t.Errorf("%s is %q, %v, and should be %q", k.subject, text, err, k.text())
		default:
			alive++
		}
	}
	var there int
	p.db.Scan(f.t, `select count(*) from auth.sealed_values where purpose = 'test'`, nil, &there)
	if there != alive {
		f.t.Errorf("%d values, and %d should be there", there, alive)
	}
}

// TestRunsUnderTraffic re-encrypts, rolls back and rotates while applications
// write: each value is what its last writer wrote, and after every run nothing
// is under a version that it emptied, although the traffic has not ended.
func TestRunsUnderTraffic(t *testing.T) {
	t.Parallel()
	db := roomy(t)
	p := start(t, db, 0, 1, 2)
	f := &traffic{t: t, programs: []*program{start(t, db, 0, 1, 2), start(t, db, 0, 1, 2)}}
	f.seed(t.Context(), p, 1500)
	running, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for _, other := range f.programs {
		wg.Go(func() { other.Keys.Run(running, func(context.Context) {}) })
		wg.Go(func() { hear(running, other) })
	}
	wg.Go(func() { f.run(running) })
	began := time.Now()

	actor, pace := audit.Actor{}, rotation.Pace{BatchSize: 40, Concurrency: 3}
	moved := func(what string, run rotation.Run, err error, from uint32) rotation.Run {
		t.Helper()
		began := time.Now()
		run = p.do(run, err)
		t.Logf("%s: %s, after %s", what, counts(run), time.Since(began))
		if run.Scanned != run.ReEncrypted+run.AlreadyThere+run.Failed || run.Failed != 0 || run.ReEncrypted < 1000 {
			t.Errorf("%s: %s", what, counts(run))
		}
		if n := p.valuesUnder(from); n != 0 {
			t.Errorf("%s: %d values are under version %d", what, n, from)
		}
		return run
	}
	if err := p.Keys.Activate(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	run, err := p.ReEncrypt(t.Context(), actor, 1, 2, pace)
	moved("1 to 2", run, err, 1)
	run, err = p.RollBack(t.Context(), actor, 1, "the test", pace)
	moved("back to 1", run, err, 2)
	for version := uint32(1); time.Since(began) < 5*time.Second; {
		run, err = p.Rotate(t.Context(), actor)
		run = moved("rotation", run, err, version)
		next := *run.ToVersion
		p.Config.AutoReencrypt = false
		run = p.do(p.Rotate(t.Context(), actor))
		p.Config.AutoReencrypt = true
		last := *run.ToVersion
		run, err = p.ReEncrypt(t.Context(), actor, next, last, pace)
		moved("re-encryption", run, err, next)
		run, err = p.RollBack(t.Context(), actor, next, "the test", pace)
		moved("rollback", run, err, last)
		version = next
	}
	took := time.Since(began)
	stop()
	wg.Wait()
	if n := float64(f.written.Load()) / took.Seconds(); n < perSecond/5 { // on a machine that is busy
		t.Errorf("%.0f changes per second; the test tests little", n)
	}
	f.check(p)
	if n, all := p.valuesUnder(p.Keys.ActiveVersion()), p.valuesUnder(0); n != all {
		t.Errorf("%d of %d values are under the active version", n, all)
	}
}

// valuesUnder counts the values of a version, or of all for 0.
func (p *program) valuesUnder(version uint32) (n int64) {
	p.t.Helper()
	p.db.Scan(p.t, `select count(*) from auth.sealed_values where $1 in (0, key_version)`, []any{version}, &n)
	return n
}

// hear gives a program the notifications that a server listens for, late.
func hear(ctx context.Context, p *program) {
	for ctx.Err() == nil {
		p.Keys.Notified("")
		time.Sleep(200 * time.Millisecond)
	}
}

// roomy returns a database with as many connections as a server has.
func roomy(t *testing.T) *pgtest.Database {
	t.Helper()
	d := *pgtest.New(t)
	db, err := postgres.Open(t.Context(), postgres.Config{OwnerURL: d.OwnerURL, MaxConns: 30})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	d.DB = db
	return &d
}
