package apikey

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/principal"
)

// Faults of keys that pages send.
var (
	ErrOrigin  = fault.New(fault.Forbidden, "origin_not_allowed", "The client key is not for pages of this origin.")
	ErrBrowser = fault.New(fault.Forbidden, "service_key_in_browser",
		"A service key is never sent by a browser: whoever has the page has the key, and all data. Revoke it, and use a client key.")
)

// Verified is a key that holds, with what has to be asked about it on every
// request.
type Verified struct {
	ID        id.Key
	Principal *principal.Principal
	ExpiresAt time.Time // zero: it does not expire

	kind    Kind
	origins []string
}

// Sender is who has sent a key, as far as browsers tell.
type Sender struct {
	Browser bool
	Origin  string // of the page; "" if the browser does not say
}

// Admits returns ErrOrigin or ErrBrowser for a sender whom the key is not for.
func (v *Verified) Admits(s Sender) error {
	switch {
	case !s.Browser, v.kind == API, slices.Contains(v.origins, s.Origin):
		return nil
	case v.kind == Service:
		return ErrBrowser
	case len(v.origins) > 0:
		return ErrOrigin
	default:
		return nil
	}
}

// Verify returns what a key stands for. It returns ErrInvalid.
func (k *Keeper) Verify(ctx context.Context, text string) (Verified, error) {
	if !WellFormed(text) {
		return Verified{}, ErrInvalid
	}
	found, err := selectByDigest(ctx, k.DB.Single(), digest(text))
	if errors.Is(err, ErrNotFound) {
		return Verified{}, ErrInvalid
	}
	if err != nil {
		return Verified{}, fmt.Errorf("looking up a key: %w", err)
	}
	v := Verified{ID: found.id, kind: found.kind, origins: found.origins}
	if found.expiresAt != nil {
		v.ExpiresAt = *found.expiresAt
	}
	v.Principal, err = found.principal()
	return v, err
}

// claims are what policies see as request.jwt.claims of a request with an API key
// of a user: what an access token says about the user, and that there is no
// session.
type claims struct {
	Subject     id.User        `json:"sub"`
	UserID      id.User        `json:"user_id"`
	TokenType   string         `json:"token_type"` // "api_key"
	KeyID       id.Key         `json:"api_key_id"`
	Scope       string         `json:"scope"` // principal.ScopeText
	Email       string         `json:"email,omitzero"`
	Role        principal.Role `json:"role"`
	AAL         string         `json:"aal"`
	AMR         []string       `json:"amr"` // nobody has proven anything: it is empty
	IsAnonymous bool           `json:"is_anonymous"`
	AppMetadata jsontext.Value `json:"app_metadata"`
}

// apiAAL is the assurance that somebody is there who has a factor: the lowest.
const apiAAL = "aal1"

func (f *found) principal() (*principal.Principal, error) {
	switch f.kind {
	case Service:
		return &principal.Principal{Role: principal.Service, Key: f.id, Claims: `{"role":"service_role"}`}, nil
	case Client:
		p := principal.Nobody()
		p.AppKey = f.id
		return p, nil
	case API:
	}
	payload, err := json.Marshal(claims{
		Subject: f.user, UserID: f.user, TokenType: "api_key", KeyID: f.id, Scope: principal.ScopeText(f.scopes), Email: f.email,
		Role: principal.Authenticated, AAL: apiAAL, AMR: []string{}, IsAnonymous: f.anonymous, AppMetadata: f.appMetadata,
	})
	if err != nil {
		return nil, fmt.Errorf("encoding claims: %w", err)
	}
	return &principal.Principal{
		Role: principal.Authenticated, User: f.user, Key: f.id, Scopes: f.scopes, Email: f.email, AAL: apiAAL,
		Claims: string(payload), Version: f.version, Anonymous: f.anonymous,
	}, nil
}
