package totp_test

import (
	"bytes"
	"context"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/keyring"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/totp"
)

// broken expects a refusal that is our failure, and tells no secret.
func (d *desk) broken(userID id.User, code string, want error, e totp.Enrollment) {
	d.t.Helper()
	used, err := d.check(userID, code)
	if !errors.Is(err, want) || errors.Is(err, totp.ErrCode) || used != (totp.Used{}) {
		d.t.Errorf("%+v, %v", used, err)
	}
	if err != nil && (strings.Contains(err.Error(), e.Secret) || strings.Contains(err.Error(), code)) {
		d.t.Errorf("the error tells: %v", err)
	}
}

// TestSwappedSeeds gives somebody who can write to tables the seed of another
// factor, of the same user or of another, and a factor of another user.
func TestSwappedSeeds(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	victim, attacker := d.user(), d.user()
	theirs, _ := d.factor(victim)
	own, _ := d.factor(attacker)
	swap := func() {
		t.Helper()
		d.db.Exec(t, `with two as (select array_agg(id) ids, array_agg(envelope) envelopes from auth.sealed_values where purpose = 'totp_seed')
			update auth.sealed_values set envelope = case when id = ids[1] then envelopes[2] else envelopes[1] end from two where id = any (ids)`)
	}
	swap()
	d.broken(victim, d.code(own, 0), keyring.ErrNotOpened, own)
	d.broken(victim, d.code(theirs, 0), keyring.ErrNotOpened, theirs)
	swap()
	d.db.Exec(t, `alter table auth.totp_factors drop constraint totp_factors_sealed_id_key`)
	original := `select sealed_id from auth.totp_factors where id = $1`
	var kept id.Sealed
	d.db.Scan(t, original, []any{theirs.ID}, &kept)
	d.db.Exec(t, `update auth.totp_factors set sealed_id = (`+strings.Replace(original, "$1", "$2", 1)+`) where id = $1`, theirs.ID, own.ID)
	d.broken(victim, d.code(own, 0), keyring.ErrNotOpened, own)
	d.db.Exec(t, `update auth.totp_factors set sealed_id = $2 where id = $1`, theirs.ID, kept)
	d.passes(victim, d.code(theirs, 0), totp.Used{Method: totp.MethodTOTP, Factor: theirs.ID, RecoveryCodesLeft: 10})

	d.db.Exec(t, `update auth.totp_factors set user_id = $2 where id = $1`, own.ID, victim)
	d.broken(victim, d.code(own, 0), keyring.ErrNotOpened, own)
	d.passes(victim, d.code(theirs, 1), totp.Used{Method: totp.MethodTOTP, Factor: theirs.ID, RecoveryCodesLeft: 10})
}

// TestLostKey has a server that does not hold the key of a seed.
func TestLostKey(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	user := d.user()
	e, codes := d.factor(user)
	pending := d.enroll(user)
	held := d.Values
	d.Values = pgtest.SealedUnder(2, map[uint32][]byte{2: bytes.Repeat([]byte{2}, keyring.KeySize)})
	d.broken(user, d.code(e, 0), keyring.ErrNoKey, e)
	d.Values = pgtest.SealedUnder(1, map[uint32][]byte{1: bytes.Repeat([]byte{2}, keyring.KeySize)})
	d.broken(user, d.code(e, 0), keyring.ErrNotOpened, e)
	if _, err := d.confirm(user, nil, d.code(pending, 0)); !errors.Is(err, keyring.ErrNotOpened) {
		t.Errorf("confirmed: %v", err)
	}
	if exported, err := d.Export(t.Context(), d.db.Single(), user); !errors.Is(err, keyring.ErrNotOpened) || exported != nil {
		t.Errorf("exported: %v", err)
	}
	d.passes(user, codes[0], totp.Used{Method: totp.MethodRecoveryCode, RecoveryCodesLeft: 9})
	d.Values = held
	d.passes(user, d.code(e, 0), totp.Used{Method: totp.MethodTOTP, Factor: e.ID, RecoveryCodesLeft: 9})
}

// TestOneOfTwoSeedsIsBroken leaves the other factor in use.
func TestOneOfTwoSeedsIsBroken(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	user := d.user()
	bad, _ := d.factor(user)
	d.now = d.now.Add(time.Second)
	good, _ := d.factor(user)
	d.db.Exec(t, `update auth.sealed_values set envelope = set_byte(envelope, 40, get_byte(envelope, 40) # 1)
		where id = (select sealed_id from auth.totp_factors where id = $1)`, bad.ID)
	d.broken(user, d.code(bad, 0), keyring.ErrNotOpened, bad)
	d.passes(user, d.code(good, 0), totp.Used{Method: totp.MethodTOTP, Factor: good.ID, RecoveryCodesLeft: 10})
	d.broken(user, d.code(good, 0), keyring.ErrNotOpened, good) // used already
	if n, err := d.remove(user, &bad.ID); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	d.refuses(user, d.code(good, 0), totp.ErrCode)
}

// TestSeedsAreSealed looks for a seed in every table.
func TestSeedsAreSealed(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	e, codes := d.factor(d.user())
	seed, err := base32.StdEncoding.DecodeString(e.Secret)
	if err != nil || len(seed) != 20 {
		t.Fatalf("%d bytes, %v", len(seed), err)
	}
	find := func(text string) int {
		n := 0
		for _, table := range []string{"totp_factors", "recovery_codes", "second_factor_attempts", "sealed_values", "audit_log", "users"} {
			n += d.count(`select count(*) from auth.`+table+` t where strpos(t::text, $1) > 0 or strpos(t::text, $2) > 0`,
				strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", ""), "?"), fmt.Sprintf("%x", text)) // as bytea prints
		}
		return n
	}
	var digest []byte
	d.db.Scan(t, `select digest from auth.recovery_codes limit 1`, nil, &digest)
	if find("Authenticator") != 1 || find(string(digest)) != 1 {
		t.Error("what is there is not found")
	}
	for what, text := range map[string]string{
		"seed": string(seed), "base32": e.Secret, "recovery code": codes[0], "its letters": strings.ReplaceAll(codes[0], "-", ""),
	} {
		if find(text) != 0 {
			t.Errorf("there is a %s", what)
		}
	}
	d.seeds(1)
}

func (d *desk) move(userID id.User, e totp.Exported) (id.Factor, error) {
	return in(d, func(ctx context.Context, q postgres.Querier) (id.Factor, error) { return d.Import(ctx, q, userID, e) })
}

// TestTransfer takes factors to another user, as to another server.
func TestTransfer(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	from, to := d.user(), d.user()
	e, _ := d.factor(from)
	d.passes(from, d.code(e, 0), totp.Used{Method: totp.MethodTOTP, Factor: e.ID, RecoveryCodesLeft: 10})
	d.enroll(from) // not exported
	exported, err := d.Export(t.Context(), d.db.Single(), from)
	if err != nil || len(exported) != 1 || exported[0].Secret != e.Secret || exported[0].Name != "Authenticator" || exported[0].LastUsedStep != d.now.Unix()/30 {
		t.Fatalf("%+v, %v", exported, err)
	}
	factor, err := d.move(to, exported[0])
	if err != nil {
		t.Fatal(err)
	}
	d.enabled(to, true)
	d.left(to, 0)
	d.refuses(to, d.code(e, 0), totp.ErrCode) // used before it moved
	d.passes(to, d.code(e, 1), totp.Used{Method: totp.MethodTOTP, Factor: factor})

	for code, bad := range map[string]totp.Exported{
		"invalid_secret":         {Secret: "not base32!"},
		"invalid_name":           {Secret: e.Secret, Name: strings.Repeat("x", 65)},
		"invalid_last_used_step": {Secret: e.Secret, LastUsedStep: d.now.Unix()},
	} {
		if _, err := d.move(to, bad); fault.From(err).Code != code || len(fault.From(err).Fields) != 1 {
			t.Errorf("%s: %v", code, err)
		}
	}
	for range totp.MaxFactors - 1 {
		if _, err := d.move(to, totp.Exported{Secret: e.Secret}); err != nil {
			t.Error(err)
		}
	}
	if _, err := d.move(to, totp.Exported{Secret: e.Secret}); !errors.Is(err, totp.ErrTooManyFactors) {
		t.Errorf("one more: %v", err)
	}
	d.seeds(12)
	d.now = d.now.Add(time.Minute)
	if _, err := d.check(to, d.code(e, 0)); err != nil {
		t.Error(err)
	}
}
