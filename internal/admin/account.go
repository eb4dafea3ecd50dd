package admin

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/user"
)

// maxReason is the length of the longest reason, in bytes.
const maxReason = 500

// Account is the body that makes a user.
type Account struct {
	ID             *id.User      `json:"id,omitempty"`    // of another system
	Email          *string       `json:"email,omitempty"` // absent: an anonymous user
	EmailVerified  bool          `json:"email_verified,omitempty"`
	Password       *string       `json:"password,omitempty"`
	PasswordDigest *string       `json:"password_digest,omitempty"` // that another system made of the password
	UserMetadata   user.Metadata `json:"user_metadata,omitempty"`
	AppMetadata    user.Metadata `json:"app_metadata,omitempty"`
}

// Create makes an account.
func (s *Service) Create(ctx context.Context, by By, a Account) (user.Document, error) {
	n := user.New{Verified: a.EmailVerified, UserMetadata: a.UserMetadata, AppMetadata: a.AppMetadata}
	var err error
	switch {
	case a.Email != nil:
		if n.Email, err = user.NormalizeEmail(*a.Email); err != nil {
			return nil, err
		}
	case a.EmailVerified || a.Password != nil || a.PasswordDigest != nil:
		return nil, fault.Input("/email", "email_address_required", "Give the address that this is about.")
	}
	if a.ID != nil {
		if n.ID = *a.ID; n.ID.IsZero() {
			return nil, fault.Input("/id", "invalid_id", "It is a UUID, and not the nil one.")
		}
	}
	set, err := s.credential(ctx, a.Password, a.PasswordDigest)
	if err != nil {
		return nil, err
	}
	var doc user.Document
	err = s.DB.InTx(ctx, func(q postgres.Querier) error {
		userID, err := s.Users.Add(ctx, q, n)
		if err != nil {
			return err
		}
		if err := set(q, userID); err != nil {
			return err
		}
		if doc, err = s.Users.GetIn(ctx, q, userID); err != nil {
			return err
		}
		return audit.Write(ctx, q, by.Did(audit.UserCreated, "user", id.UUID(userID)))
	})
	return doc, err
}

// credential checks a new password, or the digest of one, before there is a
// transaction, since hashing takes its time. What it returns keeps the digest.
func (s *Service) credential(ctx context.Context, password, digest *string) (set func(postgres.Querier, id.User) error, err error) {
	switch {
	case password != nil && digest != nil:
		return nil, fault.Input("/password_digest", "invalid_type", "Send password or password_digest, not both.")
	case password != nil:
		made, err := s.Passwords.Digest(ctx, *password)
		if err != nil {
			return nil, err
		}
		return func(q postgres.Querier, userID id.User) error { return s.Passwords.Set(ctx, q, userID, made) }, nil
	case digest != nil:
		if s.Digests == nil || s.Digests.Recognize(*digest) != nil {
			return nil, fault.Input("/password_digest", "invalid_password_digest", "This is no digest of a password in a form that is known here.")
		}
		return func(q postgres.Querier, userID id.User) error { return s.Digests.SetDigest(ctx, q, userID, *digest) }, nil
	}
	return func(postgres.Querier, id.User) error { return nil }, nil
}

// Change is the body that changes a user. What is absent stays as it is.
type Change struct {
	Email          *string       `json:"email,omitempty"` // another one ends the sessions, and is not verified unless email_verified says so
	EmailVerified  *bool         `json:"email_verified,omitempty"`
	Password       *string       `json:"password,omitempty"`
	PasswordDigest *string       `json:"password_digest,omitempty"`
	KeepSessions   bool          `json:"keep_sessions,omitempty"` // true: another password ends no session
	UserMetadata   user.Metadata `json:"user_metadata,omitempty"` // merged; a null removes a member
	AppMetadata    user.Metadata `json:"app_metadata,omitempty"`  // merged; access tokens are out of date at once
	BannedUntil    Instant       `json:"banned_until,omitzero"`   // null lifts a ban
	Unproven       Unproven      `json:"unproven,omitempty"`      // with email_verified where nobody has proven the address: keep the password and sessions there are, or reset
}

// Update changes an account.
func (s *Service) Update(ctx context.Context, by By, userID id.User, c Change) (user.Document, error) {
	if c.Email != nil {
		email, err := user.NormalizeEmail(*c.Email)
		if err != nil {
			return nil, err
		}
		c.Email = &email
	}
	if c.BannedUntil.At != nil {
		if err := s.checkBan("/banned_until", *c.BannedUntil.At); err != nil {
			return nil, err
		}
	}
	if err := c.Unproven.Check("/unproven"); err != nil {
		return nil, err
	}
	set, err := s.credential(ctx, c.Password, c.PasswordDigest)
	if err != nil {
		return nil, err
	}
	var doc user.Document
	var version int64
	err = s.transact(ctx, by, userID, audit.UserUpdated, []string{"changed", c.names()}, func(q postgres.Querier) ([]id.Session, error) {
		var ended []id.Session
		if version, ended, err = s.update(ctx, q, by, userID, c, set); err != nil {
			return nil, err
		}
		doc, err = s.Users.GetIn(ctx, q, userID)
		return ended, err
	})
	if err == nil {
		s.Sessions.Revoked.Overtake(userID, version)
	}
	return doc, err
}

func (s *Service) update(ctx context.Context, q postgres.Querier, by By, userID id.User, c Change,
	set func(postgres.Querier, id.User) error,
) (version int64, ended []id.Session, err error) {
	changed := Changed{By: by.Actor, Password: c.Password != nil || c.PasswordDigest != nil, KeepSessions: c.KeepSessions}
	if changed.Before, err = s.Users.Contact(ctx, q, userID); err != nil {
		return 0, nil, err
	}
	if c.Email != nil {
		changed.Email = *c.Email
	}
	another := changed.Password && !c.KeepSessions // that nobody has but who was given it
	if c.EmailVerified != nil && *c.EmailVerified && !another {
		if changed.Reset, err = s.Prove(ctx, q, by, userID, c.Unproven); err != nil {
			return 0, nil, err
		}
	}
	if err := set(q, userID); err != nil {
		return 0, nil, err
	}
	if changed.Password {
		if err := audit.Write(ctx, q, by.Did(audit.PasswordSet, "user", id.UUID(userID))); err != nil {
			return 0, nil, err
		}
	}
	if c.BannedUntil.Set {
		if ended, err = s.setBan(ctx, q, by, userID, c.BannedUntil.At); err != nil {
			return 0, nil, err
		}
	}
	version, err = s.Users.Amend(ctx, q, userID, user.Change{
		Email: c.Email, Verified: c.EmailVerified, UserMetadata: c.UserMetadata, AppMetadata: c.AppMetadata,
	})
	if err != nil {
		return 0, nil, err
	}
	more, err := s.CredentialsChanged(ctx, q, userID, changed)
	return version, append(ended, more...), err
}

// setBan bans, or lifts a ban for nil.
func (s *Service) setBan(ctx context.Context, q postgres.Querier, by By, userID id.User, until *time.Time) ([]id.Session, error) {
	if until == nil {
		if err := s.Users.Ban(ctx, q, userID, time.Time{}, ""); err != nil {
			return nil, err
		}
		return nil, audit.Write(ctx, q, by.Did(audit.UserUnbanned, "user", id.UUID(userID)))
	}
	ended, err := s.BanIn(ctx, q, userID, *until, "")
	if err != nil {
		return nil, err
	}
	return ended, audit.Write(ctx, q, by.Did(audit.UserBanned, "user", id.UUID(userID), "until", until.UTC().Format(time.RFC3339)))
}

func (s *Service) checkBan(pointer string, until time.Time) error {
	if !until.After(s.Now()) || until.After(user.Forever()) {
		return fault.Input(pointer, "invalid_ban", "A ban ends in the future, before the year 10000.")
	}
	return nil
}

// names lists what is changed, for the audit log.
func (c Change) names() string {
	var names []string
	for name, changed := range map[string]bool{
		"email": c.Email != nil, "email_verified": c.EmailVerified != nil, "password": c.Password != nil || c.PasswordDigest != nil,
		"user_metadata": c.UserMetadata != nil, "app_metadata": c.AppMetadata != nil, "banned_until": c.BannedUntil.Set,
	} {
		if changed {
			names = append(names, name)
		}
	}
	return strings.Join(slices.Sorted(slices.Values(names)), " ")
}

// checkReason returns a fault for a reason that is too long, or missing.
func checkReason(reason string, required bool) error {
	if required && strings.TrimSpace(reason) == "" {
		return fault.Input("/reason", "reason_required", "Say why; it is written into the audit log.")
	}
	if len(reason) > maxReason || strings.ContainsRune(reason, 0) {
		return fault.Input("/reason", "invalid_reason", "A reason is text of at most 500 bytes.")
	}
	return nil
}

// Invitation is the body that invites somebody.
type Invitation struct {
	Email      string        `json:"email"`
	RedirectTo string        `json:"redirect_to,omitempty"` // where the mailed link leads in the end
	Data       user.Metadata `json:"data,omitempty"`        // user_metadata of the account
}

// Invite makes an unverified account and mails its owner a link. Where nobody
// has come into an account yet, it mails another link, and those from before are
// worthless; then again is true. It returns user.ErrExists for an address that
// has any other account.
func (s *Service) Invite(ctx context.Context, by By, in Invitation) (doc user.Document, again bool, err error) {
	if s.Inviter == nil || !s.Inviter.Configured() {
		return nil, false, fault.New(fault.Unavailable, "email_provider_disabled", "This server sends no invitations.")
	}
	email, err := user.NormalizeEmail(in.Email)
	if err != nil {
		return nil, false, err
	}
	data := make(map[string]any, len(in.Data))
	for name, value := range in.Data {
		data[name] = value
	}
	err = s.DB.InTx(ctx, func(q postgres.Querier) error {
		var userID id.User
		if userID, again, err = s.invited(ctx, q, email, in.Data); err != nil {
			return err
		}
		if err := s.Inviter.Invite(ctx, q, userID, email, in.RedirectTo, data, by.From); err != nil {
			return err
		}
		if doc, err = s.Users.GetIn(ctx, q, userID); err != nil {
			return err
		}
		return audit.Write(ctx, q, by.Did(audit.UserInvited, "user", id.UUID(userID), "again", strconv.FormatBool(again)))
	})
	return doc, again, err
}

// invited returns the account to which somebody is invited, and whether it was
// there before.
func (s *Service) invited(ctx context.Context, q postgres.Querier, email string, data user.Metadata) (id.User, bool, error) {
	known, err := s.Users.Unclaimed(ctx, q, email)
	if errors.Is(err, user.ErrNotFound) {
		userID, err := s.Users.Add(ctx, q, user.New{Email: email, UserMetadata: data})
		return userID, false, err
	}
	if err != nil {
		return id.User{}, false, err
	}
	if err := s.void(ctx, q, known); err != nil {
		return id.User{}, false, err
	}
	_, err = s.Users.Amend(ctx, q, known, user.Change{UserMetadata: data})
	return known, true, err
}
