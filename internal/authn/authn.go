// Package authn turns the credentials of a request into its one principal.
//
// A request carries at most one key that names its application and at most one
// credential of a person or service; two of either are an error, and a bad one
// is refused, never taken for nobody. What has been verified is remembered, and
// asked about again on every request: is it expired, is it revoked?
package authn

import (
	"context"
	"crypto/sha256"
	"time"

	"github.com/fluxbase/fluxbase/internal/apikey"
	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/principal"
	"github.com/fluxbase/fluxbase/internal/session"
)

// ErrAmbiguous is the fault of a request with more credentials than one.
var ErrAmbiguous = fault.New(fault.Unauthenticated, "ambiguous_credentials", "Send one credential, not several.")

// Tokens verifies access tokens; see internal/session.
type Tokens interface {
	Verify(token string) (*principal.Principal, time.Time, error)
	Check(ctx context.Context, p *principal.Principal) error
}

// Keys verifies keys; see internal/apikey.
type Keys interface {
	Verify(ctx context.Context, text string) (apikey.Verified, error)
	Used(keyID id.Key)
}

// Revoked is the local set of revoked things; see internal/session.
type Revoked interface {
	Contains(kind string, subject id.UUID) (revoked, known bool)
	Overtaken(userID id.User, number int64) bool
}

// Authenticator makes principals. It is safe for concurrent use.
type Authenticator struct {
	Tokens  Tokens
	Keys    Keys
	Revoked Revoked
	Origin  string // of this server's own pages; see apikey.Sender
	Now     func() time.Time

	// Of their own, so that what was verified as one is never taken for the other.
	tokens cache[verified]
	keys   cache[verifiedKey]
}

// Token returns the principal of an access token.
func (a *Authenticator) Token(ctx context.Context, token string) (*principal.Principal, error) {
	digest := sha256.Sum256([]byte(token))
	known, ok := a.tokens.get(digest)
	if !ok {
		p, until, err := a.Tokens.Verify(token)
		if err != nil {
			return nil, err
		}
		known = verified{p, until}
		a.tokens.put(digest, known)
	}
	if !a.Now().Before(known.until) {
		return nil, session.ErrTokenExpired
	}
	return known.principal, a.Tokens.Check(ctx, known.principal)
}

// verified is a token whose signature has been checked.
type verified struct {
	principal *principal.Principal
	until     time.Time // when it is over
}

// verifiedKey is a key that has been looked up.
type verifiedKey struct {
	apikey.Verified

	until time.Time // when it has to be looked up again
}

// keyLife is how long a key that has been verified is not looked up again. It
// is far below the time for which revocations are remembered: a key that the
// set of revoked things has forgotten is in nobody's memory either.
const keyLife = 30 * time.Second

// Key returns the principal of a key of any kind, as it is sent by somebody. What
// does not hold is not remembered: whoever tries keys fills no memory.
func (a *Authenticator) Key(ctx context.Context, text string, from apikey.Sender) (*principal.Principal, error) {
	digest := sha256.Sum256([]byte(text))
	known, ok := a.keys.get(digest)
	if !ok || !a.stands(&known) {
		v, err := a.Keys.Verify(ctx, text)
		if err != nil {
			return nil, err
		}
		known = verifiedKey{v, a.Now().Add(keyLife)}
		if !v.ExpiresAt.IsZero() && v.ExpiresAt.Before(known.until) {
			known.until = v.ExpiresAt
		}
		a.keys.put(digest, known)
	}
	if err := known.Admits(from); err != nil {
		return nil, err
	}
	a.Keys.Used(known.ID)
	return known.Principal, nil
}

// stands says that a key which has been looked up need not be looked up again:
// it is not revoked, and its user is who it says.
func (a *Authenticator) stands(k *verifiedKey) bool {
	revoked, complete := a.Revoked.Contains("key", id.UUID(k.ID))
	return !revoked && complete && a.Now().Before(k.until) && !a.Revoked.Overtaken(k.Principal.User, k.Principal.Version)
}
