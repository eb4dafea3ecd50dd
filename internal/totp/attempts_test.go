package totp_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/totp"
)

// guess makes attempts with wrong codes until one is refused, and returns how
// many were looked at and how long the pause after them is.
func (d *desk) guess(userID id.User, code string) (int, time.Duration) {
	d.t.Helper()
	for n := range 1000 {
		_, err := d.check(userID, code)
		if errors.Is(err, totp.ErrTooManyAttempts) {
			return n, fault.From(err).RetryAfter
		}
		if !errors.Is(err, totp.ErrCode) && !errors.Is(err, totp.ErrLocked) {
			d.t.Fatal(err)
		}
	}
	d.t.Fatal("nothing stops guesses")
	return 0, 0
}

// TestPauses has somebody guess for as long as it takes to be locked out.
func TestPauses(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	user, other := d.user(), d.user()
	e, codes := d.factor(user)
	theirs, _ := d.factor(other)
	began := d.now
	var pauses []time.Duration
	looked := 0
	for looked < totp.MaxFailures {
		n, pause := d.guess(user, d.wrong(e))
		if n != 5 {
			t.Fatalf("%d guesses before the pause", n)
		}
		looked += n
		pauses = append(pauses, pause)
		d.now = d.now.Add(pause - time.Microsecond)
		d.refuses(user, d.code(e, 0), totp.ErrTooManyAttempts) // a right code is not looked at either
		d.now = d.now.Add(time.Microsecond)
	}
	want := []time.Duration{5 * time.Minute, 10 * time.Minute, 20 * time.Minute, 40 * time.Minute}
	for len(want) < 20 {
		want = append(want, time.Hour)
	}
	if diff := cmp.Diff(want, pauses); diff != "" {
		t.Error(diff)
	}
	if day := d.now.Sub(began); day < 17*time.Hour {
		t.Errorf("locked after %s", day)
	}

	pending := d.enroll(user)
	d.refuses(user, d.code(e, 0), totp.ErrLocked)
	d.refuses(user, "nonsense", totp.ErrCode)
	if _, err := d.confirm(user, &pending.ID, d.code(pending, 0)); !errors.Is(err, totp.ErrLocked) {
		t.Errorf("a new factor: %v", err)
	}
	d.passes(other, d.code(theirs, 0), totp.Used{Method: totp.MethodTOTP, Factor: theirs.ID, RecoveryCodesLeft: 10})
	d.passes(user, codes[0], totp.Used{Method: totp.MethodRecoveryCode, RecoveryCodesLeft: 9})
	d.passes(user, d.code(e, 0), totp.Used{Method: totp.MethodTOTP, Factor: e.ID, RecoveryCodesLeft: 9})
	if n, pause := d.guess(user, d.wrong(e)); n != 5 || pause != 5*time.Minute {
		t.Errorf("after a success: %d guesses, a pause of %s", n, pause)
	}
}

// TestHundredIsTheLast accepts the hundredth code in a row, and no other after.
func TestHundredIsTheLast(t *testing.T) {
	t.Parallel()
	for attempts, want := range map[int]error{99: nil, 100: totp.ErrLocked, 1<<30 + 1: totp.ErrLocked} {
		d := newDesk(t)
		user := d.user()
		e, codes := d.factor(user)
		d.db.Exec(t, `insert into auth.second_factor_attempts values ($1, $2, now())`, user, attempts)
		d.now = time.Now().Add(time.Minute)
		if _, err := d.check(user, d.code(e, 0)); !errors.Is(err, want) {
			t.Errorf("after %d: %v", attempts, err)
		}
		if want == nil {
			continue
		}
		d.refuses(user, d.code(e, 1), totp.ErrLocked)
		err := d.Unlock(t.Context(), d.db.Single(), user)
		if err != nil {
			t.Error(err)
		}
		d.passes(user, d.code(e, 1), totp.Used{Method: totp.MethodTOTP, Factor: e.ID, RecoveryCodesLeft: len(codes)})
	}
}

// TestSuccessTakesTheCountBack uses codes right after wrong ones, of any kind.
func TestSuccessTakesTheCountBack(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	user := d.user()
	e, codes := d.factor(user)
	for i := range 4 {
		for range 4 {
			d.refuses(user, []string{d.wrong(e), "00000-00000", "", codes[0] + "x"}[i], totp.ErrCode)
		}
		switch i {
		case 0:
			d.passes(user, codes[9], totp.Used{Method: totp.MethodRecoveryCode, RecoveryCodesLeft: 9})
		case 1:
			d.factor(user) // by confirming
		default:
			d.now = d.now.Add(time.Minute)
			d.passes(user, d.code(e, 0), totp.Used{Method: totp.MethodTOTP, Factor: e.ID, RecoveryCodesLeft: 9})
		}
	}
	if n, pause := d.guess(user, d.wrong(e)); n != 5 || pause != 5*time.Minute {
		t.Errorf("%d guesses, a pause of %s", n, pause)
	}
	d.refuses(user, codes[0], totp.ErrTooManyAttempts) // recovery codes are attempts, too
	if _, err := d.confirm(user, nil, "123456"); !errors.Is(err, totp.ErrTooManyAttempts) {
		t.Errorf("a confirmation in the pause: %v", err)
	}
}

// TestAttemptsAreSharedByFactors guesses at several factors, in turns.
func TestAttemptsAreSharedByFactors(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	user := d.user()
	e, _ := d.factor(user)
	d.factor(user)
	pending := d.enroll(user)
	for range 5 {
		if _, err := d.confirm(user, &pending.ID, d.wrong(pending)); !errors.Is(err, totp.ErrCode) {
			t.Error(err)
		}
	}
	d.refuses(user, d.code(e, 0), totp.ErrTooManyAttempts)
	d.now = d.now.Add(5 * time.Minute)
	d.passes(user, d.code(e, 0), totp.Used{Method: totp.MethodTOTP, Factor: e.ID, RecoveryCodesLeft: 10})
}

// TestCountOutlivesTheTransaction undoes what a caller did with an attempt,
// right or wrong.
func TestCountOutlivesTheTransaction(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	user := d.user()
	e, _ := d.factor(user)
	undo := errors.New("undo")
	for i := range 5 {
		a, err := d.Begin(t.Context(), user)
		if err != nil {
			t.Fatal(err)
		}
		err = d.db.InTx(t.Context(), func(q postgres.Querier) error {
			code := d.wrong(e)
			if i == 2 {
				code = d.code(e, 0)
			}
			if _, err := d.Check(t.Context(), q, a, code); (err == nil) != (i == 2) {
				t.Errorf("%d: %v", i, err)
			}
			return undo
		})
		if !errors.Is(err, undo) {
			t.Error(err)
		}
	}
	d.refuses(user, d.code(e, 0), totp.ErrTooManyAttempts)
	d.now = d.now.Add(5 * time.Minute)
	d.passes(user, d.code(e, 0), totp.Used{Method: totp.MethodTOTP, Factor: e.ID, RecoveryCodesLeft: 10})
}

// TestRecoveryCodeOfAnother gives the same digest to two users: a code is its
// owner's alone even then.
func TestRecoveryCodeOfAnother(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	user, other := d.user(), d.user()
	d.factor(other)
	_, codes := d.factor(user)
	d.db.Exec(t, `delete from auth.recovery_codes where user_id = $1`, other)
	d.db.Exec(t, `insert into auth.recovery_codes (user_id, digest) select $2, digest from auth.recovery_codes where user_id = $1`, user, other)
	d.passes(user, codes[0], totp.Used{Method: totp.MethodRecoveryCode, RecoveryCodesLeft: 9})
	d.left(other, 10)
}

// many runs f so many times, a hundred and more at once.
func many(n int, f func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}

// TestThousandGuessesAtOnce go through a pool of four connections, each with a
// transaction of its own. A right code among those after the fifth is not even
// looked at.
func TestThousandGuessesAtOnce(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	user := d.user()
	e, codes := d.factor(user)
	d.factor(user)
	wrong := d.wrong(e)
	var looked, refused atomic.Int32
	many(1000, func(i int) {
		_, err := d.check(user, []string{wrong, "00000-00000", codes[0][:10], ""}[i%4])
		switch {
		case errors.Is(err, totp.ErrCode):
			looked.Add(1)
		case errors.Is(err, totp.ErrTooManyAttempts) && fault.From(err).RetryAfter == 5*time.Minute:
			refused.Add(1)
		default:
			t.Error(err)
		}
	})
	if looked.Load() != 5 || refused.Load() != 995 {
		t.Errorf("%d were looked at, %d refused", looked.Load(), refused.Load())
	}
	d.refuses(user, d.code(e, 0), totp.ErrTooManyAttempts)
	d.left(user, 10)
}

// TestOneCodeFiftyTimes uses one code fifty times at once: of an app, of an
// enrolment, and of recovery.
func TestOneCodeFiftyTimes(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	user := d.user()
	e, codes := d.factor(user)
	pending := d.enroll(user)
	// Attempts that are under way are not stopped by the count: all have one.
	a, err := d.Begin(t.Context(), user)
	if err != nil {
		t.Fatal(err)
	}
	for what, use := range map[string]func(q postgres.Querier) error{
		"app":      func(q postgres.Querier) error { _, err := d.Check(t.Context(), q, a, d.code(e, 0)); return err },
		"recovery": func(q postgres.Querier) error { _, err := d.Check(t.Context(), q, a, codes[0]); return err },
		"confirmation": func(q postgres.Querier) error {
			_, err := d.Confirm(t.Context(), q, a, &pending.ID, d.code(pending, 0))
			return err
		},
	} {
		var won, lost atomic.Int32
		many(50, func(int) {
			switch err := d.db.InTx(t.Context(), use); {
			case err == nil:
				won.Add(1)
			case errors.Is(err, totp.ErrCode) || errors.Is(err, totp.ErrNoFactor):
				lost.Add(1)
			default:
				t.Errorf("%s: %v", what, err)
			}
		})
		if won.Load() != 1 || lost.Load() != 49 {
			t.Errorf("%s: %d won, %d lost", what, won.Load(), lost.Load())
		}
	}
}

// TestOneCodeFiftyTimesWithoutTransaction has no lock to rely on: the statement
// that uses a code decides.
func TestOneCodeFiftyTimesWithoutTransaction(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	user := d.user()
	e, codes := d.factor(user)
	pending := d.enroll(user)
	a, err := d.Begin(t.Context(), user)
	if err != nil {
		t.Fatal(err)
	}
	check := func(code string) func() error {
		return func() error { _, err := d.Check(t.Context(), d.db.Single(), a, code); return err }
	}
	for what, use := range map[string]func() error{
		"app": check(d.code(e, 0)), "recovery": check(codes[0]),
		"confirmation": func() error {
			_, err := d.Confirm(t.Context(), d.db.Single(), a, &pending.ID, d.code(pending, 0))
			return err
		},
	} {
		var won atomic.Int32
		many(50, func(int) {
			if err := use(); err == nil {
				won.Add(1)
			} else if !errors.Is(err, totp.ErrCode) && !errors.Is(err, totp.ErrNoFactor) {
				t.Errorf("%s: %v", what, err)
			}
		})
		if won.Load() != 1 {
			t.Errorf("%s: %d won", what, won.Load())
		}
	}
}

// during runs f while a transaction is open, and ends that once f waits for a
// lock or is over.
func (d *desk) during(transaction func(q postgres.Querier) error, f func()) {
	d.t.Helper()
	over := make(chan struct{})
	err := d.db.InTx(d.t.Context(), func(q postgres.Querier) error {
		if err := transaction(q); err != nil {
			return err
		}
		go func() {
			defer close(over)
			f()
		}()
		for range 1000 {
			if d.count(`select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`) > 0 {
				return nil
			}
			select {
			case <-over:
				return nil
			case <-time.After(2 * time.Millisecond):
			}
		}
		return errors.New("neither over nor waiting")
	})
	<-over
	if err != nil {
		d.t.Error(err)
	}
}

// TestBeginWhileTheUserIsDeleted finds nobody, and breaks on no constraint.
func TestBeginWhileTheUserIsDeleted(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	user := d.user()
	d.factor(user)
	d.during(func(q postgres.Querier) error {
		_, err := q.Exec(t.Context(), `delete from auth.users where id = $1`, user)
		return err
	}, func() {
		if _, err := d.Begin(t.Context(), user); !errors.Is(err, totp.ErrNoFactor) {
			t.Error(err)
		}
	})
}

// TestTwoFirstFactors are confirmed at once: the second is no longer the first.
func TestTwoFirstFactors(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	user := d.user()
	one, two := d.enroll(user), d.enroll(user)
	a, err := d.Begin(t.Context(), user)
	if err != nil {
		t.Fatal(err)
	}
	d.during(func(q postgres.Querier) error {
		codes, err := d.Confirm(t.Context(), q, a, &one.ID, d.code(one, 0))
		if len(codes) != 10 {
			t.Errorf("%q", codes)
		}
		return err
	}, func() {
		codes, err := in(d, func(ctx context.Context, q postgres.Querier) ([]string, error) {
			return d.Confirm(ctx, q, a, &two.ID, d.code(two, 0))
		})
		if err != nil || codes != nil {
			t.Errorf("%q, %v", codes, err)
		}
	})
	d.left(user, 10)
}

// TestEnrolmentsAtOnce stay within the limit, and of all factors that are
// confirmed at once one is the first.
func TestEnrolmentsAtOnce(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	user := d.user()
	var mu sync.Mutex
	var enrolled []totp.Enrollment
	many(50, func(int) {
		e, err := d.tryEnroll(user, "")
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			enrolled = append(enrolled, e)
		} else if !errors.Is(err, totp.ErrTooManyFactors) {
			t.Error(err)
		}
	})
	if len(enrolled) != totp.MaxFactors {
		t.Fatalf("%d enrolled", len(enrolled))
	}
	d.seeds(totp.MaxFactors)
	a, err := d.Begin(t.Context(), user)
	if err != nil {
		t.Fatal(err)
	}
	var first atomic.Int32
	many(len(enrolled), func(i int) {
		codes, err := in(d, func(ctx context.Context, q postgres.Querier) ([]string, error) {
			return d.Confirm(ctx, q, a, &enrolled[i].ID, d.code(enrolled[i], 0))
		})
		if err != nil {
			t.Error(err)
		}
		if len(codes) > 0 {
			first.Add(1)
		}
	})
	if first.Load() != 1 {
		t.Errorf("recovery codes were shown %d times", first.Load())
	}
	d.left(user, 10)
}

// TestEverythingAtOnce enrols, confirms, checks, removes and in the end deletes
// one user. Nothing waits for ever, and nothing is left over.
func TestEverythingAtOnce(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	user := d.user()
	e, codes := d.factor(user)
	a, err := d.Begin(t.Context(), user)
	if err != nil {
		t.Fatal(err)
	}
	expected := []error{totp.ErrCode, totp.ErrNoFactor, totp.ErrTooManyAttempts, totp.ErrTooManyFactors}
	many(60, func(i int) {
		var err error
		switch i % 6 {
		case 0:
			_, err = d.tryEnroll(user, "")
		case 1:
			_, err = d.checkWith(a, d.code(e, 0))
		case 2:
			_, err = d.checkWith(a, codes[i%10])
		case 3:
			_, err = d.remove(user, nil)
		case 4:
			_, err = d.check(user, "123456")
		case 5:
			if i == 59 {
				_, err = d.db.Single().Exec(t.Context(), `delete from auth.users where id = $1`, user)
			}
		}
		for _, known := range expected {
			if errors.Is(err, known) {
				return
			}
		}
		if err != nil {
			t.Errorf("%d: %v", i%6, err)
		}
	})
	d.seeds(0)
}
