package login

import (
	"context"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/mail"
	"github.com/fluxbase/fluxbase/internal/otp"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/session"
)

// Reset is a new password, and what came out of the mail that lets it be set.
type Reset struct {
	Token    string `json:"token,omitzero"`
	Email    string `json:"email,omitzero"`
	Code     string `json:"code,omitzero"`
	Password string `json:"password"`
}

// Reset sets a password and signs in with what came out of a mail. All sessions
// end. Second factors stay, and are asked for.
func (s *Service) Reset(ctx context.Context, r Reset, from session.Origin) (Answer, error) {
	set, err := s.resetter(ctx, r, from)
	if err != nil {
		return Answer{}, err
	}
	return s.enter(ctx, from, audit.UserSignedIn, func(q postgres.Querier) (entry, error) {
		userID, err := set(q)
		return entry{user: userID, amr: "email", told: true}, err
	})
}

// resetter returns what sets the password. What is wrong with the password is
// found before the link is consumed.
func (s *Service) resetter(ctx context.Context, r Reset, from session.Origin) (func(postgres.Querier) (id.User, error), error) {
	about := r.Email
	if r.Token != "" { // first, so that whoever has no link has nobody work for them
		flow, err := s.Flows.Find(ctx, r.Token)
		if err != nil {
			return nil, err
		}
		about = flow.Email
	}
	if err := s.Passwords.Check(ctx, "/password", r.Password, about); err != nil {
		return nil, err
	}
	consume, err := s.consumer(ctx, Proof{Token: r.Token, Email: r.Email, Code: r.Code}, otp.Recovery, otp.Invite)
	if err != nil {
		return nil, err
	}
	digest, err := s.Passwords.Hash(ctx, r.Password)
	if err != nil {
		return nil, err
	}
	return func(q postgres.Querier) (id.User, error) {
		flow, err := consume(q)
		if err != nil {
			return id.User{}, err
		}
		e, err := s.settled(ctx, q, flow, from)
		if err != nil {
			return id.User{}, err
		}
		return e.user, s.SetPassword(ctx, q, e.user, digest, id.Session{}, audit.PasswordReset, from)
	}, nil
}

// SetPassword gives a user a new password: the sessions end but for one, what
// was mailed before is worthless, and the owner of the address is told.
func (s *Service) SetPassword(ctx context.Context, q postgres.Querier, userID id.User, digest string, except id.Session, action audit.Action,
	from session.Origin,
) error {
	account, err := s.Users.Contact(ctx, q, userID)
	if err != nil {
		return err
	}
	if err := s.Passwords.Set(ctx, q, userID, digest); err != nil {
		return err
	}
	if _, err := s.Sessions.EndAll(ctx, q, userID, except, session.PasswordChanged); err != nil {
		return err
	}
	if err := s.Flows.Cancel(ctx, q, userID, otp.Recovery, otp.MagicLink, otp.Invite, otp.SecondFactor); err != nil {
		return err
	}
	if action == audit.PasswordReset { // by the owner of the mailbox, who may be taking the account back
		if err := s.dropChange(ctx, q, userID); err != nil {
			return err
		}
		if err := s.Keys.RevokeAllOwn(ctx, q, userID, action, By(userID, from)); err != nil {
			return err
		}
	}
	if err := s.Notify(ctx, q, mail.PasswordChanged, account.Email, mail.Vars{}, from); err != nil {
		return err
	}
	return audit.Write(ctx, q, By(userID, from).Did(action, "user", id.UUID(userID)))
}
