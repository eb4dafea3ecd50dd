package login

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/mail"
	"github.com/fluxbase/fluxbase/internal/otp"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/session"
	"github.com/fluxbase/fluxbase/internal/totp"
	"github.com/fluxbase/fluxbase/internal/user"
)

// settle does what the proof of a mailbox entails, and returns whose it is:
// makes the account, or notes that its address is proven. Proving the address
// of an account takes away its password and its sessions, which may be somebody
// else's who knew that the address would be used one day. A second factor stays:
// no mailbox lifts one.
func (s *Service) settle(ctx context.Context, q postgres.Querier, flow otp.Flow, from session.Origin) (id.User, error) {
	var userID id.User
	var err error
	switch flow.Kind {
	case otp.EmailChange, otp.EmailChangeCurrent:
		userID, err = flow.User, nil
	case otp.SignUp, otp.MagicLink, otp.Invite, otp.Recovery:
		userID, err = s.ownerOf(ctx, q, flow, from)
	default:
		err = otp.ErrExpired
	}
	if errors.Is(err, user.ErrExists) || errors.Is(err, user.ErrNotFound) {
		err = otp.ErrExpired // somebody else has the address by now, or the account is gone
	}
	if err != nil {
		return id.User{}, err
	}
	if err := s.Flows.SetUser(ctx, q, flow.ID, userID); err != nil {
		return id.User{}, err
	}
	if isChange(flow.Kind) {
		if err := s.settleChange(ctx, q, flow, from); err != nil {
			return id.User{}, err
		}
	}
	return userID, audit.Write(ctx, q, By(userID, from).Did(audit.AddressProven, "user", id.UUID(userID), "kind", string(flow.Kind)))
}

func isChange(kind otp.Kind) bool { return kind == otp.EmailChange || kind == otp.EmailChangeCurrent }

func (s *Service) ownerOf(ctx context.Context, q postgres.Querier, flow otp.Flow, from session.Origin) (id.User, error) {
	userID := flow.User
	if userID.IsZero() && flow.NewUser.IsZero() {
		return id.User{}, otp.ErrExpired // there was nobody to mail to
	}
	if userID.IsZero() {
		known, err := s.Users.Find(ctx, q, flow.Email)
		if err != nil {
			return id.User{}, err
		}
		userID = known.ID // made since the mail was written
	}
	if userID.IsZero() {
		return s.create(ctx, q, flow)
	}
	account, err := s.Users.Contact(ctx, q, userID)
	if err != nil {
		return id.User{}, err
	}
	if account.Email == "" && flow.Kind == otp.SignUp {
		if flow.PasswordDigest == "" {
			return id.User{}, otp.ErrExpired // not surely by who has asked: their session would be in the account
		}
		return userID, s.convert(ctx, q, userID, flow)
	}
	return userID, s.prove(ctx, q, userID, flow, from)
}

// create makes the account of a flow.
func (s *Service) create(ctx context.Context, q postgres.Querier, flow otp.Flow) (id.User, error) {
	if !s.Config.SignUps {
		return id.User{}, otp.ErrExpired
	}
	var data user.Metadata
	if err := json.Unmarshal([]byte(flow.Data), &data); err != nil {
		return id.User{}, fmt.Errorf("reading the metadata of a flow: %w", err)
	}
	_, err := s.Users.Add(ctx, q, user.New{ID: flow.NewUser, Email: flow.Email, Verified: true, UserMetadata: data})
	if err == nil && flow.PasswordDigest != "" {
		err = s.Passwords.Set(ctx, q, flow.NewUser, flow.PasswordDigest)
	}
	return flow.NewUser, err
}

// convert makes an anonymous account a permanent one.
func (s *Service) convert(ctx context.Context, q postgres.Querier, userID id.User, flow otp.Flow) error {
	err := s.Users.Convert(ctx, q, userID, flow.Email, true)
	if err == nil {
		err = s.Users.MergeJSON(ctx, q, userID, flow.Data)
	}
	if err == nil {
		err = s.Passwords.Set(ctx, q, userID, flow.PasswordDigest)
	}
	return err
}

// prove notes that an account's owner has the mailbox of its address. Of several
// sign-ups with it one counts: that of the others may be somebody else's.
func (s *Service) prove(ctx context.Context, q postgres.Querier, userID id.User, flow otp.Flow, from session.Origin) error {
	known, err := s.Users.Verify(ctx, q, userID, flow.Email)
	if known && flow.Kind == otp.SignUp {
		return otp.ErrExpired
	}
	if err != nil || known {
		return err // user.ErrNotFound: the account has another address by now
	}
	if err := s.wipe(ctx, q, userID, flow.Kind, from); err != nil || flow.PasswordDigest == "" {
		return err
	}
	return s.Passwords.Set(ctx, q, userID, flow.PasswordDigest)
}

// wipe takes away what opened an account before its address was proven.
func (s *Service) wipe(ctx context.Context, q postgres.Querier, userID id.User, kind otp.Kind, from session.Origin) error {
	reason := session.EmailChanged
	if kind == otp.Recovery {
		reason = session.PasswordChanged
	}
	if err := s.Passwords.Remove(ctx, q, userID); err != nil {
		return err
	}
	if _, err := s.Sessions.EndAll(ctx, q, userID, id.Session{}, reason); err != nil {
		return err
	}
	if err := s.Keys.RevokeAllOwn(ctx, q, userID, audit.CredentialsWiped, By(userID, from)); err != nil {
		return err
	}
	if err := s.dropChange(ctx, q, userID); err != nil {
		return err
	}
	if err := s.Flows.Cancel(ctx, q, userID, otp.SecondFactor, otp.Reauthentication); err != nil {
		return err
	}
	return audit.Write(ctx, q, By(userID, from).Did(audit.CredentialsWiped, "user", id.UUID(userID)))
}

// dropChange forgets a change of address that is not yet confirmed: whoever has
// asked for it may have been somebody else.
func (s *Service) dropChange(ctx context.Context, q postgres.Querier, userID id.User) error {
	if err := s.Flows.Cancel(ctx, q, userID, otp.EmailChange, otp.EmailChangeCurrent); err != nil {
		return err
	}
	return s.Users.Announce(ctx, q, userID, "")
}

// settleChange gives an account its new address once both mailboxes have agreed.
func (s *Service) settleChange(ctx context.Context, q postgres.Querier, flow otp.Flow, from session.Origin) error {
	account, err := s.Users.Contact(ctx, q, flow.User)
	if err != nil || account.NewEmail == "" {
		return otp.ErrExpired
	}
	outstanding, err := s.Flows.OpenChange(ctx, q, flow.Change)
	if err != nil || outstanding {
		return err
	}
	err = s.Move(ctx, q, flow.User, account.Email, account.NewEmail, true, id.Session{}, from)
	if errors.Is(err, user.ErrExists) {
		return otp.ErrExpired // somebody else has made an account with it since
	}
	return err
}

// Move gives an account another address: its sessions end but for one, what was
// mailed to the old address is worthless, and that address is told.
func (s *Service) Move(ctx context.Context, q postgres.Querier, userID id.User, old, address string, verified bool, except id.Session,
	from session.Origin,
) error {
	if err := s.Users.Move(ctx, q, userID, address, verified); err != nil {
		return err
	}
	if _, err := s.Sessions.EndAll(ctx, q, userID, except, session.EmailChanged); err != nil {
		return err
	}
	if err := s.Flows.Cancel(ctx, q, userID, otp.MagicLink, otp.Recovery, otp.SignUp, otp.Invite, otp.SecondFactor, otp.Reauthentication); err != nil {
		return err
	}
	if old != "" {
		if err := s.Notify(ctx, q, mail.EmailChanged, old, mail.Vars{OldEmail: old, NewEmail: address}, from); err != nil {
			return err
		}
	}
	return audit.Write(ctx, q, By(userID, from).Did(audit.EmailChanged, "user", id.UUID(userID)))
}

// Notify tells an address what has happened to its account.
func (s *Service) Notify(ctx context.Context, q postgres.Querier, kind mail.Kind, address string, vars mail.Vars, from session.Origin) error {
	if address == "" || !s.Mail.Configured() {
		return nil
	}
	vars.SiteURL, vars.Locale = s.Config.PublicURL, from.Language
	if from.Address.IsValid() {
		vars.Address = from.Address.String()
	}
	if device := session.Device(&from.UserAgent); device != nil {
		vars.Device = *device
	}
	return s.Mail.Send(ctx, q, kind, address, vars, 0)
}

// NoticeRecoveryCode tells the owner of an account that a recovery code was used.
func (s *Service) NoticeRecoveryCode(ctx context.Context, q postgres.Querier, userID id.User, used totp.Used, from session.Origin) error {
	if used.Method != totp.MethodRecoveryCode {
		return nil
	}
	account, err := s.Users.Contact(ctx, q, userID)
	if err != nil {
		return err
	}
	return s.Notify(ctx, q, mail.RecoveryCodesUsed, account.Email, mail.Vars{}, from)
}
