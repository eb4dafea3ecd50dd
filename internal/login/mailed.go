package login

import (
	"context"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/mail"
	"github.com/fluxbase/fluxbase/internal/otp"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/session"
	"github.com/fluxbase/fluxbase/internal/user"
)

// Faults of mailed links.
var (
	ErrMagicLinksDisabled = fault.New(fault.Forbidden, "otp_disabled", "Sign-in by a mailed link is not open here.")
	ErrNoMail             = fault.New(fault.Unavailable, "email_provider_disabled", "This server sends no mail.")
	errRedirect           = fault.Input("/redirect_to", "redirect_not_allowed", "This URL is not in the list auth.redirect_urls.")
)

func (s *Service) checkRedirect(url string) error {
	if url == "" || s.Config.Redirects(url) {
		return nil
	}
	return errRedirect
}

// LinkRequest asks for a mailed link.
type LinkRequest struct {
	Email      string        `json:"email"`
	RedirectTo string        `json:"redirect_to,omitzero"`
	Data       user.Metadata `json:"data,omitzero"`
	CreateUser *bool         `json:"create_user,omitzero"` // null is true
}

// Waiting is what a page can wait on that has asked for a link.
type Waiting struct {
	FlowID string `json:"flow_id"`
}

// message is mail about a flow.
type message struct {
	kind   mail.Kind
	silent bool // nobody is to receive it: what it costs is all that is wanted
	data   map[string]any
	old    string // address, of a change
	new    string
}

// write writes a flow and its mail, or returns ErrNoMail. Whether there is
// anybody to mail to, and whether the address has had too many such messages
// already, changes nothing that the one who asks could see or measure. An
// invitation is an administrator's to send, however many there are.
func (s *Service) write(ctx context.Context, q postgres.Querier, r otp.Request, m message) (otp.Asked, error) {
	if !s.Mail.Configured() {
		return otp.Asked{}, ErrNoMail
	}
	enough, err := s.enough(ctx, q, r)
	if err != nil {
		return otp.Asked{}, err
	}
	silent := m.silent || enough
	r.Mailed = !silent
	if silent || m.kind == mail.AccountExists {
		r.Code = false // nobody is told it, so whoever sends one guesses
	}
	asked, err := s.Flows.Ask(ctx, q, r)
	if err != nil {
		return otp.Asked{}, err
	}
	vars := mail.Vars{
		ConfirmationURL: s.Config.PublicURL + "/verify?token=" + asked.Token, Token: asked.Code, TokenHash: otp.Hash(asked.Token),
		SiteURL: s.Config.PublicURL, RedirectTo: r.RedirectTo, Locale: r.From.Language, Data: m.data, OldEmail: m.old, NewEmail: m.new,
	}
	if r.From.Address.IsValid() {
		vars.Address = r.From.Address.String()
	}
	if device := session.Device(&r.From.UserAgent); device != nil {
		vars.Device = *device
	}
	switch m.kind {
	case mail.AccountExists:
		vars.ConfirmationURL, vars.Token, vars.TokenHash = "", "", ""
	case mail.Reauthentication:
		vars.ConfirmationURL, vars.TokenHash = "", "" // the code goes into the page that asked, and nowhere else
	default:
	}
	send := s.Mail.Send
	if silent {
		send = s.Mail.Pretend
	}
	return asked, send(ctx, q, m.kind, r.Email, vars, r.Life)
}

// networks is how many times auth.mail_limit an address gets in all, whoever asks,
// and refusal how long what its owner has not asked for silences where it came from.
const (
	networks = 3
	refusal  = 24 * time.Hour
)

// enough says whether an address gets no more mail of a kind for now. Strangers
// who ask for it cannot keep it from the owner: those who ask from elsewhere are
// counted by themselves, and whoever asks from where the owner has been gets it
// whatever the others have asked for. A network that everybody seems to come
// from is never silenced, nor is a developer's own machine.
func (s *Service) enough(ctx context.Context, q postgres.Querier, r otp.Request) (bool, error) {
	mailed, alone, err := s.Flows.Mailed(ctx, q, r.Email, r.Kind, r.From, time.Hour, refusal)
	if err != nil || r.Kind == otp.Invite {
		return false, err
	}
	return !alone || mailed.Near >= s.Config.MailLimit || mailed.All >= networks*s.Config.MailLimit && !mailed.Known ||
		mailed.Denied && !r.From.Shared && !r.From.Address.IsLoopback(), nil
}

// loose is metadata as templates take it.
func loose(metadata user.Metadata) map[string]any {
	loose := make(map[string]any, len(metadata))
	for name, value := range metadata {
		var v any
		if json.Unmarshal(value, &v) == nil {
			loose[name] = v
		}
	}
	return loose
}

// nobody is somebody of whom only the address on the network is known.
func nobody(from session.Origin) audit.Actor {
	return audit.Actor{Kind: "anonymous", Address: from.Address, RequestID: from.RequestID}
}

// SendMagicLink mails a link and a code that sign in, and make an account for an
// address that has none unless that is not wanted.
func (s *Service) SendMagicLink(ctx context.Context, in LinkRequest, from session.Origin) (Waiting, error) {
	if !s.Config.MagicLinks {
		return Waiting{}, ErrMagicLinksDisabled
	}
	metadata, err := user.CheckMetadata(in.Data)
	if err != nil {
		return Waiting{}, err
	}
	create := s.Config.SignUps && (in.CreateUser == nil || *in.CreateUser)
	asked, err := s.ask(ctx, in.Email, in.RedirectTo, otp.Request{
		Kind: otp.MagicLink, Data: metadata, From: from, Life: s.Config.LinkLife, Code: true, Waits: true,
	}, message{kind: mail.MagicLink, data: loose(in.Data)}, create)
	return Waiting{asked.Waiter}, err
}

// RequestReset mails a link and a code that set a new password.
func (s *Service) RequestReset(ctx context.Context, in LinkRequest, from session.Origin) error {
	_, err := s.ask(ctx, in.Email, in.RedirectTo, otp.Request{
		Kind: otp.Recovery, From: from, Life: s.Config.ResetLife, Code: true,
	}, message{kind: mail.Recovery}, false)
	return err
}

// ask writes a flow for whoever has an address. If nobody has, and none is to be
// made, nobody gets mail.
func (s *Service) ask(ctx context.Context, address, redirectTo string, r otp.Request, m message, create bool) (otp.Asked, error) {
	var err error
	if r.Email, err = user.NormalizeEmail(address); err != nil {
		return otp.Asked{}, err
	}
	if err := s.checkRedirect(redirectTo); err != nil {
		return otp.Asked{}, err
	}
	r.RedirectTo = redirectTo
	var asked otp.Asked
	err = s.DB.InTx(ctx, func(q postgres.Querier) error {
		known, err := s.Users.Find(ctx, q, r.Email)
		if err != nil {
			return err
		}
		r.User = known.ID
		if known.ID.IsZero() && create {
			r.NewUser = s.Users.NewID()
		}
		m.silent = known.ID.IsZero() && !create
		if asked, err = s.write(ctx, q, r, m); err != nil {
			return err
		}
		return audit.Write(ctx, q, nobody(r.From).Did(audit.LinkRequested, "user", id.UUID(r.User), "kind", string(r.Kind)))
	})
	return asked, err
}

// Configured says whether messages go anywhere.
func (s *Service) Configured() bool { return s.Mail.Configured() }

// Invite mails a link with which somebody takes over the account that an
// administrator has made for them.
func (s *Service) Invite(ctx context.Context, q postgres.Querier, userID id.User, email, redirectTo string, data map[string]any,
	from session.Origin,
) error {
	if err := s.checkRedirect(redirectTo); err != nil {
		return err
	}
	asker := session.Origin{Language: from.Language} // where administrators sit is nothing to those they invite
	_, err := s.write(ctx, q, otp.Request{
		Kind: otp.Invite, User: userID, Email: email, RedirectTo: redirectTo, From: asker, Life: s.Config.InviteLife,
	}, message{kind: mail.Invite, data: data})
	return err
}

// changed returns who may come in after one of the confirmations of a change of
// address. While the other one is outstanding that is nobody: a mailbox that may
// be given to an account one day does not open it.
func (s *Service) changed(ctx context.Context, q postgres.Querier, userID id.User) (entry, error) {
	account, err := s.Users.Contact(ctx, q, userID)
	if err != nil || account.NewEmail != "" {
		return entry{}, err
	}
	return entry{user: userID, amr: "email"}, nil
}
