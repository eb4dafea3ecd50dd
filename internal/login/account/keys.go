package account

import (
	"context"

	"github.com/fluxbase/fluxbase/internal/apikey"
	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/login"
	"github.com/fluxbase/fluxbase/internal/mail"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/principal"
	"github.com/fluxbase/fluxbase/internal/session"
)

// CreateKey makes an API key, which outlives the session: it wants the proof that
// a change of password wants, and the owner of the account is told.
func (s *Service) CreateKey(ctx context.Context, p *principal.Principal, n apikey.NewOwn, from session.Origin) (apikey.MadeOwn, error) {
	if p.Anonymous {
		return apikey.MadeOwn{}, errAnonymous
	}
	if err := n.Check(); err != nil {
		return apikey.MadeOwn{}, err
	}
	if err := s.prove(ctx, p, Proof{}, from); err != nil {
		return apikey.MadeOwn{}, err
	}
	var made apikey.MadeOwn
	err := s.DB.InTx(ctx, func(q postgres.Querier) error {
		err := s.still(ctx, q, p)
		if err != nil {
			return err
		}
		if made, err = s.Keys.CreateOwn(ctx, q, p.User, n); err != nil {
			return err
		}
		if err := s.noticeOf(ctx, q, p, mail.APIKeyCreated, from); err != nil {
			return err
		}
		return audit.Write(ctx, q, login.By(p.User, from).Did(audit.APIKeyCreated, "key", id.UUID(made.ID), "name", made.Name, "scopes", principal.ScopeText(made.Scopes)))
	})
	return made, err
}

// RevokeKey ends an API key of the caller's, at once and everywhere. It returns
// apikey.ErrNotFound for somebody else's, too.
func (s *Service) RevokeKey(ctx context.Context, p *principal.Principal, keyID id.Key, from session.Origin) error {
	if p.Impersonated() {
		return ErrImpersonated
	}
	return s.DB.InTx(ctx, func(q postgres.Querier) error {
		if err := s.Keys.RevokeOwn(ctx, q, p.User, keyID); err != nil {
			return err
		}
		return audit.Write(ctx, q, login.By(p.User, from).Did(audit.APIKeyRevoked, "key", id.UUID(keyID)))
	})
}
