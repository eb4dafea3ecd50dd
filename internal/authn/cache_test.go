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
