package totp_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/totp"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// key is a key of the server's.
type key string

func (k key) MAC(message []byte) []byte {
	h := hmac.New(sha256.New, []byte(k))
	h.Write(message)
	return h.Sum(nil)
}

// desk is the second factors of one database, with a clock that the test sets.
// What it does it does as a caller would: a transaction that is undone after an
// error.
type desk struct {
	*totp.Service

	t   *testing.T
	db  *pgtest.Database
	now time.Time
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	// At the beginning of a step, so that a test knows what a second more is.
	d := &desk{t: t, db: pgtest.New(t), now: time.Now().Truncate(30 * time.Second)}
	d.Service = &totp.Service{DB: d.db, Values: pgtest.Secrets(), MAC: key("k"), Issuer: "Fluxbase", Now: func() time.Time { return d.now }}
	return d
}

func (d *desk) user() id.User {
	d.t.Helper()
	userID := id.User(id.New(time.Now()))
	d.db.Exec(d.t, `insert into auth.users (id) values ($1)`, userID)
	return userID
}

func in[T any](d *desk, f func(ctx context.Context, q postgres.Querier) (T, error)) (T, error) {
	var result T
	err := d.db.InTx(d.t.Context(), func(q postgres.Querier) error {
		var err error
		result, err = f(d.t.Context(), q)
		return err
	})
	return result, err
}

func (d *desk) tryEnroll(userID id.User, name string) (totp.Enrollment, error) {
	return in(d, func(ctx context.Context, q postgres.Querier) (totp.Enrollment, error) {
		return d.Enroll(ctx, q, userID, "someone@example.com", name)
	})
}

func (d *desk) enroll(userID id.User) totp.Enrollment {
	d.t.Helper()
	e, err := d.tryEnroll(userID, "")
	if err != nil {
		d.t.Fatal(err)
	}
	return e
}

func (d *desk) confirm(userID id.User, factor *id.Factor, code string) ([]string, error) {
	a, err := d.Begin(d.t.Context(), userID)
	if err != nil {
		return nil, err
	}
	return in(d, func(ctx context.Context, q postgres.Querier) ([]string, error) {
		return d.Confirm(ctx, q, a, factor, code)
	})
}

// factor enrols and confirms a factor, with the code of the step before.
func (d *desk) factor(userID id.User) (totp.Enrollment, []string) {
	d.t.Helper()
	e := d.enroll(userID)
	codes, err := d.confirm(userID, &e.ID, d.code(e, -1))
	if err != nil {
		d.t.Fatal(err)
	}
	return e, codes
}

// code is what the app shows so many steps from now.
func (d *desk) code(e totp.Enrollment, steps int) string {
	return totp.CodeAt(e.Secret, d.now.Add(time.Duration(steps)*30*time.Second))
}

// wrong is a code that is right at no time near now.
func (d *desk) wrong(e totp.Enrollment) string {
	for i := range 10 {
		code := fmt.Sprintf("%06d", i)
		if code != d.code(e, -1) && code != d.code(e, 0) && code != d.code(e, 1) {
			return code
		}
	}
	panic("unreachable")
}

func (d *desk) check(userID id.User, code string) (totp.Used, error) {
	a, err := d.Begin(d.t.Context(), userID)
	if err != nil {
		return totp.Used{}, err
	}
	return d.checkWith(a, code)
}

func (d *desk) checkWith(a totp.Attempt, code string) (totp.Used, error) {
	return in(d, func(ctx context.Context, q postgres.Querier) (totp.Used, error) { return d.Check(ctx, q, a, code) })
}

func (d *desk) passes(userID id.User, code string, want totp.Used) {
	d.t.Helper()
	used, err := d.check(userID, code)
	if err != nil || used != want {
		d.t.Errorf("%+v, %v; want %+v", used, err, want)
	}
}

func (d *desk) refuses(userID id.User, code string, want error) {
	d.t.Helper()
	used, err := d.check(userID, code)
	if !errors.Is(err, want) || used != (totp.Used{}) {
		d.t.Errorf("%+v, %v; want %v", used, err, want)
	}
}

func (d *desk) remove(userID id.User, factor *id.Factor) (int, error) {
	return in(d, func(ctx context.Context, q postgres.Querier) (int, error) { return d.Remove(ctx, q, userID, factor) })
}

func (d *desk) enabled(userID id.User, want bool) {
	d.t.Helper()
	enabled, err := d.Enabled(d.t.Context(), d.db.Single(), userID)
	var told bool
	d.db.Scan(d.t, `select (document->>'mfa_enabled')::boolean from auth.user_documents where id = $1`, []any{userID}, &told)
	if err != nil || enabled != want || told != want {
		d.t.Errorf("enabled: %v, %v; the document of the user says %v", enabled, err, told)
	}
}

func (d *desk) left(userID id.User, want int) {
	d.t.Helper()
	if n, err := d.RecoveryCodesLeft(d.t.Context(), d.db.Single(), userID); err != nil || n != want {
		d.t.Errorf("%d recovery codes are left, %v; want %d", n, err, want)
	}
}

func (d *desk) count(query string, args ...any) int {
	d.t.Helper()
	var n int
	d.db.Scan(d.t, query, args, &n)
	return n
}

// seeds expects so many seeds, each of a factor.
func (d *desk) seeds(want int) {
	d.t.Helper()
	seeds := d.count(`select count(*) from auth.sealed_values where purpose = 'totp_seed'`)
	factors := d.count(`select count(*) from auth.totp_factors f join auth.sealed_values s on s.id = f.sealed_id`)
	if seeds != want || factors != want {
		d.t.Errorf("%d seeds of %d factors, want %d", seeds, factors, want)
	}
}

func TestEnrolment(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	user := d.user()
	e := d.enroll(user)
	if !regexp.MustCompile(`^[A-Z2-7]{32}$`).MatchString(e.Secret) || !strings.Contains(e.URI, "/Fluxbase:someone%40example.com?secret="+e.Secret+"&") ||
		!strings.HasPrefix(e.QRCode, "data:image/png;base64,") {
		t.Errorf("%+v", e)
	}
	d.enabled(user, false)
	if codes, err := d.confirm(user, nil, d.wrong(e)); !errors.Is(err, totp.ErrCode) || codes != nil {
		t.Errorf("%v, %v", codes, err)
	}
	d.enabled(user, false)
	codes, err := d.confirm(user, nil, d.code(e, 0))
	if err != nil || len(codes) != 10 {
		t.Fatalf("%v, %v", codes, err)
	}
	different := map[string]bool{}
	for _, c := range codes {
		different[c] = regexp.MustCompile(`^[0-9a-hjkmnp-tv-z]{5}-[0-9a-hjkmnp-tv-z]{5}$`).MatchString(c)
		if !different[c] {
			t.Errorf("%q", c)
		}
	}
	if len(different) != 10 {
		t.Errorf("%q", codes)
	}
	d.enabled(user, true)
	d.left(user, 10)
	d.seeds(1)
	d.refuses(user, d.code(e, 0), totp.ErrCode) // it confirmed the factor
	d.passes(user, d.code(e, 1), totp.Used{Method: totp.MethodTOTP, Factor: e.ID, RecoveryCodesLeft: 10})
}

// TestSecondFactorOfAUser enrols another, by name.
func TestSecondFactorOfAUser(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	user := d.user()
	first, _ := d.factor(user)
	d.now = d.now.Add(time.Millisecond)
	older, err := d.tryEnroll(user, " phone ")
	if err != nil {
		t.Fatal(err)
	}
	d.now = d.now.Add(30 * time.Second)
	newer := d.enroll(user)
	if _, err := d.confirm(user, nil, d.code(older, 0)); !errors.Is(err, totp.ErrCode) {
		t.Errorf("not the latest: %v", err)
	}
	if codes, err := d.confirm(user, &older.ID, d.code(older, 0)); err != nil || codes != nil {
		t.Errorf("%v, %v", codes, err)
	}
	d.refuses(user, d.code(newer, 0), totp.ErrCode) // not confirmed yet
	if codes, err := d.confirm(user, nil, d.code(newer, 0)); err != nil || codes != nil {
		t.Errorf("%v, %v", codes, err)
	}
	for _, again := range []*id.Factor{nil, &newer.ID} {
		if _, err := d.confirm(user, again, d.code(newer, 1)); !errors.Is(err, totp.ErrNoFactor) {
			t.Errorf("confirmed twice: %v", err)
		}
	}
	for _, e := range []totp.Enrollment{first, older, newer} {
		d.passes(user, d.code(e, 1), totp.Used{Method: totp.MethodTOTP, Factor: e.ID, RecoveryCodesLeft: 10})
	}
	factors, err := d.Factors(t.Context(), d.db.Single(), user)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range factors {
		names = append(names, f.Name)
		if f.LastUsedAt == nil || !f.LastUsedAt.Equal(d.now) || f.CreatedAt.IsZero() {
			t.Errorf("%+v", f)
		}
	}
	if diff := cmp.Diff([]string{"Authenticator", "phone", "Authenticator"}, names); diff != "" {
		t.Error(diff)
	}
}

// TestSteps uses codes of the steps around now.
func TestSteps(t *testing.T) {
	t.Parallel()
	for steps, want := range map[int]error{-2: totp.ErrCode, -1: nil, 0: nil, 1: nil, 2: totp.ErrCode} {
		for _, second := range []time.Duration{0, 30*time.Second - 1} {
			t.Run(fmt.Sprintf("%+d+%s", steps, second), func(t *testing.T) {
				t.Parallel()
				d := newDesk(t)
				user := d.user()
				e, _ := d.factor(user)
				d.now = d.now.Add(10 * time.Minute)
				code := d.code(e, steps)
				d.now = d.now.Add(second)
				if used, err := d.check(user, code); !errors.Is(err, want) || (err == nil) != (used.Factor == e.ID) {
					t.Errorf("%+v, %v", used, err)
				}
			})
		}
	}
}

func TestEachCodeOnce(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	user := d.user()
	e, _ := d.factor(user)
	used := totp.Used{Method: totp.MethodTOTP, Factor: e.ID, RecoveryCodesLeft: 10}
	code := d.code(e, 0)
	d.passes(user, code[:3]+" "+code[3:], used)
	d.refuses(user, code, totp.ErrCode)
	d.now = d.now.Add(30 * time.Second)
	d.refuses(user, code, totp.ErrCode) // still within the skew
	d.passes(user, d.code(e, 1), used)
	d.refuses(user, d.code(e, 0), totp.ErrCode) // of a step that has been passed by
}

// TestOthersFactors has a user give codes of somebody else's.
func TestOthersFactors(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	user, other := d.user(), d.user()
	mine, _ := d.factor(user)
	theirs, codes := d.factor(other)
	d.refuses(user, d.code(theirs, 0), totp.ErrCode)
	d.refuses(user, codes[0], totp.ErrCode)
	pending := d.enroll(other)
	if _, err := d.confirm(user, &pending.ID, d.code(pending, 0)); !errors.Is(err, totp.ErrNoFactor) {
		t.Errorf("confirmed: %v", err)
	}
	for _, f := range []id.Factor{theirs.ID, pending.ID, {1}} {
		if n, err := d.remove(user, &f); !errors.Is(err, totp.ErrNoFactor) || n != 0 {
			t.Errorf("removed: %d, %v", n, err)
		}
	}
	d.seeds(3)
	d.passes(user, d.code(mine, 0), totp.Used{Method: totp.MethodTOTP, Factor: mine.ID, RecoveryCodesLeft: 10})
	d.passes(other, d.code(theirs, 0), totp.Used{Method: totp.MethodTOTP, Factor: theirs.ID, RecoveryCodesLeft: 10})
	d.passes(other, codes[0], totp.Used{Method: totp.MethodRecoveryCode, RecoveryCodesLeft: 9})
}

// TestUnverifiedFactorIsNone signs nobody in, alone or beside another.
func TestUnverifiedFactorIsNone(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	user := d.user()
	d.refuses(user, "123456", totp.ErrNoFactor)
	e := d.enroll(user)
	d.refuses(user, d.code(e, 0), totp.ErrNoFactor)
	if _, err := in(d, func(ctx context.Context, q postgres.Querier) ([]string, error) {
		return d.NewRecoveryCodes(ctx, q, user)
	}); !errors.Is(err, totp.ErrNoFactor) {
		t.Errorf("recovery codes without a factor: %v", err)
	}
	if factors, err := d.Factors(t.Context(), d.db.Single(), user); err != nil || factors == nil || len(factors) != 0 {
		t.Errorf("%v, %v", factors, err)
	}
	d.factor(user)
	d.refuses(user, d.code(e, 0), totp.ErrCode)
	if _, err := d.confirm(user, &e.ID, d.code(e, 0)); err != nil {
		t.Error(err)
	}
	d.passes(user, d.code(e, 1), totp.Used{Method: totp.MethodTOTP, Factor: e.ID, RecoveryCodesLeft: 10})
	if _, err := d.Begin(t.Context(), id.User{}); !errors.Is(err, totp.ErrNoFactor) {
		t.Errorf("nobody: %v", err)
	}
	if _, err := d.checkWith(totp.Attempt{}, "123456"); !errors.Is(err, totp.ErrNoFactor) {
		t.Errorf("no attempt: %v", err)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	user := d.user()
	confirmed, _ := d.factor(user)
	d.now = d.now.Add(time.Minute)
	e := d.enroll(user)
	for range totp.MaxFactors - 2 {
		d.enroll(user)
	}
	if _, err := d.tryEnroll(user, ""); !errors.Is(err, totp.ErrTooManyFactors) {
		t.Errorf("one more: %v", err)
	}
	d.seeds(10)
	d.enroll(d.user()) // others may
	if _, err := d.tryEnroll(user, "a\nb"); fault.From(err).Fields == nil {
		t.Errorf("%v", err)
	}
	d.now = d.now.Add(time.Hour - time.Microsecond)
	if _, err := d.tryEnroll(user, ""); !errors.Is(err, totp.ErrTooManyFactors) {
		t.Errorf("within the hour: %v", err)
	}
	d.now = d.now.Add(time.Microsecond)
	for _, f := range []*id.Factor{nil, &e.ID} {
		if _, err := d.confirm(user, f, d.code(e, 0)); !errors.Is(err, totp.ErrNoFactor) {
			t.Errorf("too late: %v", err)
		}
	}
	fresh := d.enroll(user)
	d.seeds(3) // with that of another user
	d.passes(user, d.code(confirmed, 0), totp.Used{Method: totp.MethodTOTP, Factor: confirmed.ID, RecoveryCodesLeft: 10})
	if _, err := d.confirm(user, nil, d.code(fresh, 0)); err != nil {
		t.Error(err)
	}
	if _, err := d.tryEnroll(id.User{1}, ""); !errors.Is(err, totp.ErrNoFactor) {
		t.Errorf("no such user: %v", err)
	}
}

func TestRemove(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	user, other := d.user(), d.user()
	d.factor(other)
	one, codes := d.factor(user)
	two, _ := d.factor(user)
	d.enroll(user)
	d.refuses(user, d.wrong(two), totp.ErrCode)
	if n, err := d.remove(user, &one.ID); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	d.enabled(user, true)
	d.left(user, 10)
	d.seeds(3)
	d.refuses(user, d.code(one, 0), totp.ErrCode)
	d.passes(user, codes[0], totp.Used{Method: totp.MethodRecoveryCode, RecoveryCodesLeft: 9})
	d.refuses(user, d.wrong(two), totp.ErrCode)
	if n, err := d.remove(user, &two.ID); n != 1 || err != nil { // one that is not confirmed is left
		t.Errorf("%d, %v", n, err)
	}
	d.enabled(user, false)
	d.left(user, 0)
	d.seeds(2)
	if n := d.count(`select count(*) from auth.second_factor_attempts`); n != 0 {
		t.Errorf("%d counts are left", n)
	}
	d.refuses(user, codes[1], totp.ErrNoFactor)
	d.factor(user)
	if n, err := d.remove(user, nil); n != 3-1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := d.remove(user, nil); n != 0 || err != nil {
		t.Errorf("of none: %d, %v", n, err)
	}
	d.enabled(user, false)
	d.enabled(other, true)
	d.left(other, 10)
	d.seeds(1)
}

// TestDeletedUser leaves nothing, and no seed.
func TestDeletedUser(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	user, other := d.user(), d.user()
	d.factor(user)
	d.factor(other)
	d.enroll(user)
	d.refuses(user, "nonsense", totp.ErrCode)
	d.seeds(3)
	d.db.Exec(t, `delete from auth.users where id = $1`, user)
	d.seeds(1)
	for _, table := range []string{"recovery_codes", "second_factor_attempts", "totp_factors"} {
		if n := d.count(`select count(*) from auth.`+table+` where user_id = $1`, user); n != 0 {
			t.Errorf("%d rows in %s", n, table)
		}
	}
	d.left(other, 10)
}

func TestRecoveryCodes(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	user := d.user()
	_, codes := d.factor(user)
	d.passes(user, codes[0], totp.Used{Method: totp.MethodRecoveryCode, RecoveryCodesLeft: 9})
	d.refuses(user, codes[0], totp.ErrCode)
	d.passes(user, " "+strings.ToUpper(strings.ReplaceAll(codes[1], "-", " ")), totp.Used{Method: totp.MethodRecoveryCode, RecoveryCodesLeft: 8})
	d.refuses(user, codes[1], totp.ErrCode)
	d.left(user, 8)
	fresh, err := in(d, func(ctx context.Context, q postgres.Querier) ([]string, error) {
		return d.NewRecoveryCodes(ctx, q, user)
	})
	if err != nil || len(fresh) != 10 {
		t.Fatalf("%v, %v", fresh, err)
	}
	d.left(user, 10)
	d.refuses(user, codes[2], totp.ErrCode)
	for i, c := range fresh {
		d.passes(user, c, totp.Used{Method: totp.MethodRecoveryCode, RecoveryCodesLeft: 9 - i})
	}
	d.left(user, 0)
}

// TestRecoveryCodesAreKeyed looks for them in the table: a digest that anybody
// could compute would tell them within hours.
func TestRecoveryCodesAreKeyed(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	user := d.user()
	_, codes := d.factor(user)
	plain := strings.ReplaceAll(codes[0], "-", "")
	find := func(digest []byte) int {
		return d.count(`select count(*) from auth.recovery_codes where digest = $1`, digest)
	}
	message := "recovery code of " + user.String() + ": " + plain
	unkeyed := sha256.Sum256([]byte(message))
	if find(key("k").MAC([]byte(message))) != 1 || find(unkeyed[:]) != 0 || find(key("k").MAC([]byte(plain))) != 0 {
		t.Error("the digest is not that of the code and its user under the key")
	}
	d.MAC = key("another")
	d.refuses(user, codes[0], totp.ErrCode)
	d.MAC = key("k")
	d.passes(user, codes[0], totp.Used{Method: totp.MethodRecoveryCode, RecoveryCodesLeft: 9})
}
