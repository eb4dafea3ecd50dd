package server

import (
	"context"

	"github.com/fluxbase/fluxbase/internal/admin/transfer"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/login"
	"github.com/fluxbase/fluxbase/internal/mail"
	"github.com/fluxbase/fluxbase/internal/otp"
	"github.com/fluxbase/fluxbase/internal/password"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/session"
	"github.com/fluxbase/fluxbase/internal/totp"
	"github.com/fluxbase/fluxbase/internal/user"
)

// passwordDesk is what operators set passwords with, their own or the digests
// of another system.
type passwordDesk struct{ *password.Service }

// Digest implements admin.Passwords.
func (p passwordDesk) Digest(ctx context.Context, text string) (string, error) {
	if err := p.Check(ctx, "/password", text); err != nil {
		return "", err
	}
	return p.Hash(ctx, text)
}

// Recognize implements admin.Digests.
func (passwordDesk) Recognize(digest string) error { return password.Recognize(digest) }

// SetDigest implements admin.Digests.
func (p passwordDesk) SetDigest(ctx context.Context, q postgres.Querier, userID id.User, digest string) error {
	return p.Set(ctx, q, userID, digest)
}

// linkDesk is what operators void mailed links with.
type linkDesk struct{ *otp.Service }

// Void implements admin.Links.
func (l linkDesk) Void(ctx context.Context, q postgres.Querier, userID id.User) error {
	return l.Cancel(ctx, q, userID, otp.SignUp, otp.MagicLink, otp.Recovery, otp.Invite, otp.EmailChange, otp.EmailChangeCurrent,
		otp.Reauthentication, otp.SecondFactor)
}

// farewell is what becomes of the mail of those who leave.
type farewell struct {
	mail   *mail.Service
	people *login.Service
}

// Gone implements user.Farewell. The owner is told, who may not have wanted it.
func (f farewell) Gone(ctx context.Context, q postgres.Querier, contact user.Contact) error {
	if contact.Email == "" {
		return nil
	}
	if err := f.mail.Forget(ctx, q, contact.Email); err != nil || !contact.Verified {
		return err
	}
	return f.people.Notify(ctx, q, mail.AccountDeleted, contact.Email, mail.Vars{}, session.Origin{})
}

// factorDesk is what operators take second factors in and out with.
type factorDesk struct{ *totp.Service }

// Import implements transfer.Factors.
func (f factorDesk) Import(ctx context.Context, q postgres.Querier, userID id.User, seed transfer.Seed) error {
	_, err := f.Service.Import(ctx, q, userID, totp.Exported{Name: seed.Name, Secret: seed.Secret, LastUsedStep: seed.LastUsedStep})
	return err
}

// Export implements transfer.Factors.
func (f factorDesk) Export(ctx context.Context, q postgres.Querier, userID id.User) ([]transfer.Seed, error) {
	exported, err := f.Service.Export(ctx, q, userID)
	seeds := make([]transfer.Seed, 0, len(exported))
	for _, e := range exported {
		seeds = append(seeds, transfer.Seed{Secret: e.Secret, Name: e.Name, LastUsedStep: e.LastUsedStep})
	}
	return seeds, err
}
