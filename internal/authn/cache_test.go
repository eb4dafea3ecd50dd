package authn

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/apikey"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/principal"
	"github.com/fluxbase/fluxbase/internal/session"
)

func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	var c cache[verified]
	digest := func(n int) [sha256.Size]byte {
		return sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(n)))
	}
	for n := range 5 * generation {
		c.put(digest(n), verified{principal: principal.Nobody()})
	}
	if held := len(c.young) + len(c.older); held > 2*generation {
		t.Errorf("it holds %d", held)
	}
	if _, ok := c.get(digest(5*generation - 1)); !ok {
		t.Error("the newest is gone")
	}
	if _, ok := c.get(digest(0)); ok {
		t.Error("the oldest is still there")
	}
}

// tokens verifies anything, for a minute from the epoch.
type tokens struct{ verified int }

func (s *tokens) Verify(string) (*principal.Principal, time.Time, error) {
	s.verified++
	return principal.Nobody(), time.Unix(60, 0), nil
}
func (*tokens) Check(context.Context, *principal.Principal) error { return nil }

// TestRememberedTokensExpire moves the clock past the expiry of a token that
// has been verified once and is remembered.
func TestRememberedTokensExpire(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	verifier := &tokens{}
	a := &Authenticator{Tokens: verifier, Now: func() time.Time { return now }}
	for range 3 {
		if _, err := a.Token(context.Background(), "token"); err != nil {
			t.Fatalf("control: %v", err)
		}
	}
	if verifier.verified != 1 {
		t.Errorf("verified %d times", verifier.verified)
	}
	now = time.Unix(60, 0)
	if _, err := a.Token(context.Background(), "token"); !errors.Is(err, session.ErrTokenExpired) {
		t.Errorf("after its expiry: %v", err)
	}
}

// keys verifies anything until it is told not to.
type keys struct {
	revoked        bool
	verified, used int
	version        int64
	expires        time.Time
}

func (k *keys) Verify(context.Context, string) (apikey.Verified, error) {
	k.verified++
	if k.revoked {
		return apikey.Verified{}, apikey.ErrInvalid
	}
	return apikey.Verified{
		ID: id.Key{1}, ExpiresAt: k.expires,
		Principal: &principal.Principal{Role: principal.Authenticated, User: id.User{1}, Key: id.Key{1}, Version: k.version},
	}, nil
}
func (k *keys) Used(id.Key) { k.used++ }

// forgetful knows of nothing, and is sure of it: a set of revoked things that
// has swept a key out, or never heard of it.
type forgetful struct{}

func (forgetful) Contains(string, id.UUID) (revoked, known bool) { return false, true }
func (forgetful) Overtaken(id.User, int64) bool                  { return false }

// TestRevokedKeyIsNotRevived revokes a key of which no revocation is known here
// any more: it is refused all the same, because a verified key is looked up
// again long before revocations are forgotten.
func TestRevokedKeyIsNotRevived(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	keeper := &keys{}
	a := &Authenticator{Keys: keeper, Revoked: forgetful{}, Now: func() time.Time { return now }}
	for range 3 {
		if _, err := a.Key(context.Background(), "key", apikey.Sender{}); err != nil {
			t.Fatalf("control: %v", err)
		}
	}
	if keeper.verified != 1 {
		t.Errorf("control: verified %d times", keeper.verified)
	}
	keeper.revoked = true
	now = now.Add(time.Minute)
	if _, err := a.Key(context.Background(), "key", apikey.Sender{}); !errors.Is(err, apikey.ErrInvalid) {
		t.Errorf("a minute after its revocation: %v", err)
	}
}

// TestRememberedKeys counts how often a key is looked up: once, until it
// expires, is rotated out of its time, or its user is another than it says.
func TestRememberedKeys(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	keeper := &keys{expires: time.Unix(10, 0)}
	changed := &overtaking{}
	a := &Authenticator{Keys: keeper, Revoked: changed, Now: func() time.Time { return now }}
	ask := func(what string, lookedUp int) {
		t.Helper()
		for range 3 {
			if _, err := a.Key(context.Background(), "key", apikey.Sender{}); err != nil {
				t.Fatal(err)
			}
		}
		if keeper.verified != lookedUp {
			t.Errorf("%s: looked up %d times", what, keeper.verified)
		}
	}
	ask("first", 1)
	now = time.Unix(9, 0)
	ask("before it expires", 1)
	now = time.Unix(10, 0)
	keeper.expires = time.Unix(100, 0)
	ask("when it has expired", 2)
	changed.least = 1
	keeper.version = 1
	ask("when its user has changed", 3)
	now = time.Unix(39, 0)
	ask("within 30 s", 3)
	now = time.Unix(40, 0)
	ask("after 30 s", 4)
	if keeper.used != 18 {
		t.Errorf("%d uses noted", keeper.used)
	}
}

// overtaking is a set of revoked things that knows of a change of every user.
type overtaking struct{ least int64 }

func (*overtaking) Contains(string, id.UUID) (revoked, known bool) { return false, true }
func (o *overtaking) Overtaken(_ id.User, number int64) bool       { return number < o.least }

// TestWhatDoesNotHoldIsNotRemembered tries many keys: they take no memory.
func TestWhatDoesNotHoldIsNotRemembered(t *testing.T) {
	t.Parallel()
	keeper := &keys{revoked: true}
	a := &Authenticator{Keys: keeper, Revoked: forgetful{}, Now: time.Now}
	for n := range 1000 {
		if _, err := a.Key(context.Background(), string(binary.BigEndian.AppendUint64(nil, uint64(n))), apikey.Sender{}); !errors.Is(err, apikey.ErrInvalid) {
			t.Fatal(err)
		}
	}
	if held := len(a.keys.young) + len(a.keys.older); held != 0 || keeper.used != 0 {
		t.Errorf("%d are remembered, %d used", held, keeper.used)
	}
	keeper.revoked = false
	if _, err := a.Key(context.Background(), "key", apikey.Sender{}); err != nil || len(a.keys.young) != 1 {
		t.Errorf("control: %v, %d remembered", err, len(a.keys.young))
	}
}
