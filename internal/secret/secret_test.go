package secret_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/secret"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// vault is the secrets of one database, with a clock that the test sets.
type vault struct {
	*secret.Service

	t   *testing.T
	db  *pgtest.Database
	now time.Time
}

func newVault(t *testing.T) *vault {
	t.Helper()
	v := &vault{t: t, db: pgtest.New(t), now: time.Now().Truncate(time.Microsecond)} // as exact as PostgreSQL
	v.Service = &secret.Service{DB: v.db, Values: pgtest.Secrets(), Now: func() time.Time { return v.now }}
	return v
}

// Two sub-tenants.
var (
	acme   = id.Tenant{1}
	umbra  = id.Tenant{2}
	nobody = audit.Actor{}
)

func global(name string) secret.Name { return secret.Name{Name: name} }

func of(tenant id.Tenant, name string) secret.Name { return secret.Name{Tenant: tenant, Name: name} }

func (v *vault) set(n secret.Name, value string) secret.Secret {
	v.t.Helper()
	return v.setInput(n, secret.Input{Value: value})
}

func (v *vault) setInput(n secret.Name, in secret.Input) secret.Secret {
	v.t.Helper()
	kept, err := v.Set(v.t.Context(), nobody, n, in)
	if err != nil {
		v.t.Fatal(err)
	}
	return kept
}

// reads expects a value of a version, 0 being the newest.
func (v *vault) reads(n secret.Name, version int, want string) {
	v.t.Helper()
	got, err := v.Reveal(v.t.Context(), nobody, n, version)
	if err != nil || got.Value != want {
		v.t.Errorf("version %d of %v is %q, %v; want %q", version, n, got.Value, err, want)
	}
}

// refuses expects a fault, and no value with it.
func (v *vault) refuses(n secret.Name, version int, code string) {
	v.t.Helper()
	got, err := v.Reveal(v.t.Context(), nobody, n, version)
	if err == nil || fault.From(err).Code != code || got != (secret.Value{}) {
		v.t.Errorf("version %d of %v is %+v, %v; want %s", version, n, got, err, code)
	}
}

// is expects a fault of a code.
func (v *vault) is(err error, code string) {
	v.t.Helper()
	if err == nil || fault.From(err).Code != code {
		v.t.Errorf("%v; want %s", err, code)
	}
}

func (v *vault) count(query string, args ...any) int {
	v.t.Helper()
	var n int
	v.db.Scan(v.t, query, args, &n)
	return n
}

func (v *vault) remove(n secret.Name, purge bool) {
	v.t.Helper()
	if err := v.Delete(v.t.Context(), nobody, n, purge); err != nil {
		v.t.Fatal(err)
	}
}

// whole expects that every secret has its newest version and no more versions
// than are kept, and that nothing is sealed that no version has.
func (v *vault) whole() {
	v.t.Helper()
	for what, query := range map[string]string{
		"orphaned sealed values": `select count(*) from auth.sealed_values s where purpose = 'secret'
			and not exists (select from auth.secret_versions v where v.sealed_id = s.id)`,
		"secrets without their newest version": `select count(*) from auth.secrets s
			where not exists (select from auth.secret_versions v where v.secret_id = s.id and v.version = s.version)`,
		"secrets with versions newer than the newest": `select count(*) from auth.secrets s
			where exists (select from auth.secret_versions v where v.secret_id = s.id and v.version > s.version)`,
		"secrets with more than 20 versions": `select count(*) from
			(select from auth.secret_versions group by secret_id having count(*) > 20) too_many`,
	} {
		if n := v.count(query); n != 0 {
			v.t.Errorf("%d %s", n, what)
		}
	}
}

func ptr[T any](v T) *T { return &v }

func TestVersions(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	first := v.setInput(global("KEY"), secret.Input{Value: "one", Description: ptr("what it is for")})
	second := v.set(global("KEY"), "two")
	if first.Version != 1 || second.Version != 2 || first.ID != second.ID || second.Description == nil || *second.Description != "what it is for" {
		t.Errorf("%+v, then %+v", first, second)
	}
	v.reads(global("KEY"), 0, "two")
	v.reads(global("KEY"), 1, "one")
	v.reads(global("KEY"), 2, "two")
	for _, version := range []int{3, -1, 1<<31 - 1} {
		v.refuses(global("KEY"), version, "secret_not_found")
	}
	v.refuses(global("key"), 0, "secret_not_found")
	if cleared := v.setInput(global("KEY"), secret.Input{Value: "three", Description: ptr("")}); *cleared.Description != "" {
		t.Errorf("the description is %q", *cleared.Description)
	}
	history, err := v.History(t.Context(), global("KEY"))
	if err != nil || len(history) != 3 || history[0].Version != 3 || history[2].Version != 1 || history[0].CreatedBy != nil {
		t.Errorf("%+v, %v", history, err)
	}
	v.whole()
}

// TestOldVersionsAreDestroyed sets a secret more often than versions are kept.
func TestOldVersionsAreDestroyed(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	for i := range 23 {
		v.set(global("KEY"), fmt.Sprint("value ", i+1))
	}
	v.refuses(global("KEY"), 3, "secret_not_found")
	v.reads(global("KEY"), 4, "value 4")
	v.reads(global("KEY"), 0, "value 23")
	if n := v.count(`select count(*) from auth.sealed_values where purpose = 'secret'`); n != 20 {
		t.Errorf("%d sealed values", n)
	}
	v.whole()
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	v.set(global("KEY"), "old")
	at := v.now.Add(time.Minute)
	v.setInput(global("KEY"), secret.Input{Value: "new", ExpiresAt: &at})
	v.now = at.Add(-time.Microsecond)
	v.reads(global("KEY"), 0, "new")
	v.now = at
	v.refuses(global("KEY"), 0, "secret_expired")
	v.refuses(global("KEY"), 2, "secret_expired")
	v.reads(global("KEY"), 1, "old")
	v.is(v.invalid(secret.Input{Value: "x", ExpiresAt: &at}), "invalid_expiry")
	v.is(v.invalid(secret.Input{Value: "x", ExpiresAt: &v.now}), "invalid_expiry")
	v.is(v.invalid(secret.Input{Value: "x", ExpiresAt: &time.Time{}}), "invalid_expiry")
	v.is(v.invalid(secret.Input{Value: "x", ExpiresAt: ptr(v.now.AddDate(101, 0, 0))}), "invalid_expiry")
	v.is(v.invalid(secret.Input{Value: "x", ExpiresAt: ptr(time.Date(9999, 12, 31, 23, 0, 0, 0, time.FixedZone("", -3600)))}), "invalid_expiry")
	v.setInput(global("LATE"), secret.Input{Value: "x", ExpiresAt: ptr(v.now.Add(36500 * 24 * time.Hour))})
	v.remove(global("LATE"), true)

	// What expired stays where the operator can see it, and can be replaced.
	page, err := v.List(t.Context(), id.Tenant{}, "", 10)
	if err != nil || len(page.Items) != 1 || page.Items[0].ExpiresAt == nil {
		t.Errorf("%+v, %v", page, err)
	}
	v.set(global("KEY"), "newer")
	v.reads(global("KEY"), 0, "newer")
}

func (v *vault) invalid(in secret.Input) error {
	_, err := v.Set(v.t.Context(), nobody, global("KEY"), in)
	return err
}

func TestInput(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	for _, value := range []string{"x", strings.Repeat("x", secret.MaxValue), "\x00", "a\x00b\x1b[31m\r\n\u2028\U0010ffff", " ", "\n"} {
		v.set(global("KEY"), value)
		v.reads(global("KEY"), 0, value)
	}
	versions := v.count(`select count(*) from auth.secret_versions`)
	for want, in := range map[string]secret.Input{
		"invalid_secret_value": {},
		"invalid_description":  {Value: "x", Description: ptr(strings.Repeat("x", 501))},
	} {
		v.is(v.invalid(in), want)
	}
	v.is(v.invalid(secret.Input{Value: strings.Repeat("x", secret.MaxValue+1)}), "invalid_secret_value")
	for _, name := range []string{"", "1", "-", ".", "a b", "a/b", "ä", "a\n", "a\x00", "a'b", "..", strings.Repeat("a", 129)} {
		_, err := v.Set(t.Context(), nobody, global(name), secret.Input{Value: "x"})
		v.is(err, "invalid_secret_name")
	}
	if n := v.count(`select count(*) from auth.secret_versions`); n != versions {
		t.Errorf("what was refused left %d versions", n-versions)
	}
	for _, name := range []string{"a", "_", "A.b-c_9", strings.Repeat("a", 128)} {
		v.set(global(name), "x")
	}
	v.setInput(global("KEY"), secret.Input{Value: "x", Description: ptr(strings.Repeat("x", 500))})
	v.whole()
}
