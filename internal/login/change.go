package login

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/mail"
	"github.com/fluxbase/fluxbase/internal/otp"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/principal"
	"github.com/fluxbase/fluxbase/internal/session"
	"github.com/fluxbase/fluxbase/internal/user"
)

// AskChange begins a change of address. The new mailbox has to agree, and the
// one there is as well, if it is proven. Whether the new address belongs to
// somebody else is told to nobody but them.
func (s *Service) AskChange(ctx context.Context, q postgres.Querier, p *principal.Principal, email, redirectTo string, from session.Origin) error {
	if err := s.checkRedirect(redirectTo); err != nil {
		return err
	}
	account, err := s.Users.Contact(ctx, q, p.User)
	if err != nil {
		return err
	}
	if account.Email == email {
		return fault.Input("/email", "email_unchanged", "This is the address of the account already.")
	}
	if !s.Config.Verify {
		return s.Move(ctx, q, p.User, account.Email, email, false, p.Session, from)
	}
	if err := s.Flows.Cancel(ctx, q, p.User, otp.EmailChange, otp.EmailChangeCurrent); err != nil {
		return err
	}
	if err := s.Users.Announce(ctx, q, p.User, email); err != nil {
		return err
	}
	known, err := s.Users.Find(ctx, q, email)
	if err != nil {
		return err
	}
	r := otp.Request{
		Kind: otp.EmailChange, User: p.User, Email: email, RedirectTo: redirectTo, Change: id.UUID(s.Users.NewID()), From: from,
		Life: s.Config.LinkLife, Code: true,
	}
	m := message{kind: mail.EmailChange, old: account.Email, new: email}
	if !known.ID.IsZero() {
		m.kind = mail.AccountExists
	}
	if _, err := s.write(ctx, q, r, m); err != nil || !account.Verified {
		return err
	}
	r.Kind, r.Email = otp.EmailChangeCurrent, account.Email
	data, err := json.Marshal(changeData{email})
	if err != nil {
		return fmt.Errorf("noting a change of address: %w", err)
	}
	r.Data = string(data)
	_, err = s.write(ctx, q, r, message{kind: mail.EmailChangeCurrent, old: account.Email, new: email})
	return err
}

// changeData is what the flow to the address there is knows of a change.
type changeData struct {
	NewEmail string `json:"new_email"`
}

// NewEmailOf is the address to which the one of a flow is to be changed, for
// whoever has to agree.
func NewEmailOf(flow otp.Flow) string {
	var data changeData
	_ = json.Unmarshal([]byte(flow.Data), &data)
	return data.NewEmail
}

// ErrNotAnonymous is the fault of converting a user who is a permanent one.
var ErrNotAnonymous = fault.New(fault.Conflict, "user_not_anonymous", "This user is a permanent one already.")

// AskConversion gives an anonymous user an address and a password, or where
// addresses are proven begins to, and returns what the page can wait on. Where
// they are not, an address that belongs to somebody is an error that changes
// nothing; where they are, it is told to nobody but them.
func (s *Service) AskConversion(ctx context.Context, p *principal.Principal, account NewAccount, from session.Origin) (flowID string, err error) {
	c, err := s.check(ctx, account)
	if err != nil {
		return "", err
	}
	err = s.DB.InTx(ctx, func(q postgres.Querier) error {
		if !s.Config.Verify {
			err := s.Users.Convert(ctx, q, p.User, c.email, false)
			if errors.Is(err, user.ErrNotFound) {
				return ErrNotAnonymous // any more
			}
			if err != nil {
				return err
			}
			if err := s.Users.Merge(ctx, q, p.User, c.data); err != nil {
				return err
			}
			if err := s.Passwords.Set(ctx, q, p.User, c.digest); err != nil {
				return err
			}
			return audit.Write(ctx, q, By(p.User, from).Did(audit.UserConverted, "user", id.UUID(p.User)))
		}
		known, err := s.Users.Find(ctx, q, c.email)
		if err != nil {
			return err
		}
		r := otp.Request{
			Kind: otp.SignUp, User: p.User, Email: c.email, RedirectTo: account.RedirectTo, Data: c.metadata, PasswordDigest: c.digest, From: from,
			Life: s.Config.LinkLife, Code: true, Waits: true,
		}
		m := message{kind: mail.Confirmation, data: loose(c.data)}
		if !known.ID.IsZero() {
			m.kind = mail.AccountExists
			r.User = id.User{} // it comes to nothing
		}
		asked, err := s.write(ctx, q, r, m)
		flowID = asked.Waiter
		return err
	})
	return flowID, err
}

// MailCode mails a code with which somebody who is in proves once more who they
// are.
func (s *Service) MailCode(ctx context.Context, p *principal.Principal, from session.Origin) error {
	return s.DB.InTx(ctx, func(q postgres.Querier) error {
		account, err := s.Users.Contact(ctx, q, p.User)
		if err != nil {
			return err
		}
		if account.Email == "" {
			return fault.New(fault.Conflict, "anonymous_user", "There is no address to mail a code to.")
		}
		_, err = s.write(ctx, q, otp.Request{
			Kind: otp.Reauthentication, User: p.User, Email: account.Email, From: from, Life: s.Config.LinkLife, Code: true,
		}, message{kind: mail.Reauthentication})
		return err
	})
}
