// Package admin is what operators do to accounts and sessions, with a service
// key. Every deed is one transaction with its audit record, which names the key.
package admin

import (
	"context"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/principal"
	"github.com/fluxbase/fluxbase/internal/session"
	"github.com/fluxbase/fluxbase/internal/user"
)

// Database is the owner's door.
type Database interface {
	InTx(ctx context.Context, f func(postgres.Querier) error) error
}

// Service is the operator's desk. It is safe for concurrent use.
type Service struct {
	DB       Database
	Users    *user.Service
	Sessions *session.Service
}

// EndSessions ends every session of a user, and returns how many.
func (s *Service) EndSessions(ctx context.Context, p *principal.Principal, userID id.User, from session.Origin) (int64, error) {
	var sessions []id.Session
	err := s.DB.InTx(ctx, func(q postgres.Querier) error {
		if _, err := s.Users.GetIn(ctx, q, userID); err != nil {
			return err
		}
		var err error
		sessions, err = s.Sessions.EndAll(ctx, q, userID, id.Session{}, session.Admin)
		if err != nil {
			return err
		}
		return audit.Write(ctx, q, audit.Event{
			Action: audit.SessionsEnded, ActorKind: "key", Actor: id.UUID(p.Key), TargetKind: "user", Target: id.UUID(userID),
			Address: from.Address, RequestID: from.RequestID,
		})
	})
	if err == nil {
		s.Sessions.Revoked.Add(sessions...)
	}
	return int64(len(sessions)), err
}
