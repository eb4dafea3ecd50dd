package login

import (
	"context"
	"crypto/rand"
	"errors"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/mail"
	"github.com/fluxbase/fluxbase/internal/otp"
	"github.com/fluxbase/fluxbase/internal/password"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/session"
	"github.com/fluxbase/fluxbase/internal/user"
)

// askSignUp begins a sign-up whose address has to be proven.
func (s *Service) askSignUp(ctx context.Context, c checked, redirectTo string, from session.Origin) (Answer, error) {
	newID := s.Users.NewID()
	r := otp.Request{
		Kind: otp.SignUp, NewUser: newID, Email: c.email, RedirectTo: redirectTo, Data: c.metadata, PasswordDigest: c.digest,
		From: from, Life: s.Config.LinkLife, Code: true, Waits: true,
	}
	var asked otp.Asked
	err := s.DB.InTx(ctx, func(q postgres.Querier) error {
		known, err := s.Users.Find(ctx, q, c.email)
		if err != nil {
			return err
		}
		m := message{kind: mail.Confirmation, data: loose(c.data)}
		if known.Verified {
			m.kind = mail.AccountExists
			r.NewUser = id.User{} // the password stays with the flow, for mismatch, and comes to nothing
		} else if !known.ID.IsZero() {
			r.User = known.ID
		}
		if asked, err = s.write(ctx, q, r, m); err != nil {
			return err
		}
		return audit.Write(ctx, q, nobody(from).Did(audit.SignUpRequested, "flow", id.UUID(asked.ID)))
	})
	if err != nil {
		return Answer{}, err
	}
	doc, err := s.Users.Draft(newID, c.email, c.data)
	return Answer{User: doc, FlowID: asked.Waiter}, err
}

// remind refuses a sign-in with the right password to an address that has yet to
// be proven, and mails the link once more. Whoever has sent the password may
// take it to the account. The attempt was no guess, and does not count; but whoever
// knows the password of a sign-up need not know that of the account, so those
// before it do.
func (s *Service) remind(ctx context.Context, email string, attempt password.Attempt, digest string, from session.Origin) error {
	if err := s.Passwords.TakeBack(ctx, s.DB.Single(), attempt); err != nil {
		return err
	}
	err := s.DB.InTx(ctx, func(q postgres.Querier) error {
		before, err := s.Flows.Latest(ctx, q, email, otp.SignUp)
		if err != nil && !errors.Is(err, otp.ErrExpired) {
			return err
		}
		before.PasswordDigest = digest
		_, err = s.resend(ctx, q, email, attempt.Found, before, false, from)
		return err
	})
	if err != nil {
		return err
	}
	return ErrNotConfirmed
}

// Again asks for the confirmation of a sign-up once more.
type Again struct {
	Email  string `json:"email"`
	FlowID string `json:"flow_id,omitzero"` // of the page that signed up
}

// Resend mails the confirmation of a sign-up once more. To somebody else than who
// signed up it mails one that makes an account without a password. Only the page
// that signed up can wait for it: a neighbour who shares device and address with
// its owner would be signed in beside them.
func (s *Service) Resend(ctx context.Context, in Again, from session.Origin) (Waiting, error) {
	email, err := user.NormalizeEmail(in.Email)
	if err != nil {
		return Waiting{}, err
	}
	found, err := s.Passwords.Find(ctx, s.DB.Single(), email)
	if err != nil {
		return Waiting{}, err
	}
	waiting := Waiting{FlowID: rand.Text() + rand.Text()}
	err = s.DB.InTx(ctx, func(q postgres.Querier) error {
		before, err := s.Flows.Latest(ctx, q, email, otp.SignUp)
		own, waits := err == nil && sameOrigin(before, from), false
		if in.FlowID != "" && (err == nil || errors.Is(err, otp.ErrExpired)) {
			var of otp.Flow
			if of, err = s.Flows.Of(ctx, q, in.FlowID); err == nil && of.Email == email && of.Kind == otp.SignUp {
				before, own, waits = of, true, true
			}
		}
		if err != nil && !errors.Is(err, otp.ErrExpired) {
			return err
		}
		if !own {
			before.PasswordDigest, before.Data, before.RedirectTo = "", "", ""
		}
		asked, err := s.resend(ctx, q, email, found, before, waits, from)
		if waits {
			waiting.FlowID = asked.Waiter
		}
		return err
	})
	return waiting, err
}

// resend writes another flow of a sign-up. Nobody gets mail where nothing has to
// be confirmed.
func (s *Service) resend(ctx context.Context, q postgres.Querier, email string, found password.Found, before otp.Flow, waits bool,
	from session.Origin,
) (otp.Asked, error) {
	r := otp.Request{
		Kind: otp.SignUp, Email: email, PasswordDigest: before.PasswordDigest, Data: before.Data, RedirectTo: before.RedirectTo,
		From: from, Life: s.Config.LinkLife, Code: true, Waits: waits,
	}
	m := message{kind: mail.Confirmation, silent: true}
	switch {
	case found.Verified || !s.Config.Verify:
	case !found.User.IsZero():
		r.User, m.silent = found.User, false
	case !before.NewUser.IsZero():
		r.NewUser, m.silent = before.NewUser, false
	}
	return s.write(ctx, q, r, m)
}
