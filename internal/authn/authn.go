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
	Verify(ctx context.Context, text string) (*principal.Principal, error)
}

// Revoked is the local set of revoked things; see internal/session.
type Revoked interface {
	Contains(kind string, subject id.UUID) (revoked, known bool)
}

// Authenticator makes principals. It is safe for concurrent use.
type Authenticator struct {
	Tokens  Tokens
	Keys    Keys
	Revoked Revoked
	Now     func() time.Time

	// Of their own, so that what was verified as one is never taken for the other.
	tokens, keys cache
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

// keyLife is how long a key that has been verified is not looked up again. It
// is far below the time for which revocations are remembered: a key that the
// set of revoked things has forgotten is in nobody's memory either.
const keyLife = 30 * time.Second

// Key returns the principal of a client or service key.
func (a *Authenticator) Key(ctx context.Context, text string) (*principal.Principal, error) {
	digest := sha256.Sum256([]byte(text))
	known, ok := a.keys.get(digest)
	if ok {
		revoked, complete := a.Revoked.Contains("key", id.UUID(keyOf(known.principal)))
		ok = !revoked && complete && a.Now().Before(known.until)
	}
	if !ok {
		p, err := a.Keys.Verify(ctx, text)
		if err != nil {
			return nil, err
		}
		known = verified{p, a.Now().Add(keyLife)}
		a.keys.put(digest, known)
	}
	return known.principal, nil
}

func keyOf(p *principal.Principal) id.Key {
	if p.Key.IsZero() {
		return p.AppKey
	}
	return p.Key
}
