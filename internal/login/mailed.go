package login

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/mail"
	"github.com/fluxbase/fluxbase/internal/otp"
	"github.com/fluxbase/fluxbase/internal/password"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/principal"
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
	mailed, alone, err := s.Flows.Mailed(ctx, q, r.Email, r.Kind, time.Hour)
	if err != nil {
		return otp.Asked{}, err
	}
	silent := m.silent || r.Kind != otp.Invite && (!alone || mailed >= s.Config.MailLimit)
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

// nobody is somebody of whom only the address on the network is known.
func nobody(from session.Origin) audit.Actor {
	return audit.Actor{Kind: "anonymous", Address: from.Address, RequestID: from.RequestID}
}

// remind refuses a sign-in with the right password to an address that has yet to
// be proven, and mails the link once more. Whoever has sent the password may
// take it to the account.
func (s *Service) remind(ctx context.Context, email string, found password.Found, digest string, from session.Origin) error {
	err := s.DB.InTx(ctx, func(q postgres.Querier) error {
		before, err := s.Flows.Latest(ctx, q, email, otp.SignUp)
		if err != nil && !errors.Is(err, otp.ErrExpired) {
			return err
		}
		before.PasswordDigest = digest
		_, err = s.resend(ctx, q, email, found, before, false, from)
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
// signed up it mails one that makes an account without a password, and nobody
// can wait for that.
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
		own := err == nil && sameOrigin(before, from)
		if in.FlowID != "" && (err == nil || errors.Is(err, otp.ErrExpired)) {
			var of otp.Flow
			if of, err = s.Flows.Of(ctx, q, in.FlowID); err == nil && of.Email == email && of.Kind == otp.SignUp {
				before, own = of, true
			}
		}
		if err != nil && !errors.Is(err, otp.ErrExpired) {
			return err
		}
		if !own {
			before.PasswordDigest, before.Data, before.RedirectTo = "", "", ""
		}
		asked, err := s.resend(ctx, q, email, found, before, own, from)
		if own {
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
		Kind: otp.Invite, User: userID, Email: email, RedirectTo: redirectTo, From: asker, Life: s.Config.LinkLife, Code: true,
	}, message{kind: mail.Invite, data: data})
	return err
}

// Proof is what came out of a mail: the token of its link, or its code.
type Proof struct {
	Token  string `json:"token,omitzero"`
	Email  string `json:"email,omitzero"`
	Code   string `json:"code,omitzero"`
	FlowID string `json:"flow_id,omitzero"` // of the page that asked: its own code counts then, not the latest
}

// Redeem signs in with what came out of a mail of one of the kinds.
func (s *Service) Redeem(ctx context.Context, p Proof, from session.Origin, kinds ...otp.Kind) (Answer, error) {
	consume, err := s.consumer(ctx, p, kinds...)
	if err != nil {
		return Answer{}, err
	}
	return s.enter(ctx, from, audit.UserSignedIn, func(q postgres.Querier) (entry, error) {
		flow, err := consume(q)
		if err != nil {
			return entry{}, err
		}
		return s.settled(ctx, q, withoutChosen(flow, p, from), from)
	})
}

// consumer returns what consumes the flow of a proof. A code is tried before
// the transaction begins, so that the try counts.
func (s *Service) consumer(ctx context.Context, p Proof, kinds ...otp.Kind) (func(postgres.Querier) (otp.Flow, error), error) {
	if p.Token != "" {
		return func(q postgres.Querier) (otp.Flow, error) { return s.Flows.Consume(ctx, q, p.Token, kinds...) }, nil
	}
	email, err := user.NormalizeEmail(p.Email)
	if err != nil {
		return nil, otp.ErrExpired
	}
	flow, err := s.Flows.TryCode(ctx, email, p.FlowID, p.Code, kinds...)
	if err != nil {
		return nil, err
	}
	return func(q postgres.Querier) (otp.Flow, error) { return s.Flows.ConsumeID(ctx, q, flow) }, nil
}

// settled does what the proof of a mailbox entails, unless that is done, and
// returns whose it is.
func (s *Service) settled(ctx context.Context, q postgres.Querier, flow otp.Flow, from session.Origin) (entry, error) {
	userID := flow.User
	if !flow.Proven {
		var err error
		if userID, err = s.settle(ctx, q, flow, from); err != nil {
			return entry{}, err
		}
	}
	if isChange(flow.Kind) {
		return s.changed(ctx, q, userID)
	}
	return entry{user: userID, amr: "email"}, nil
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

// Wait waits for the link of a flow to be confirmed, wherever that is done, and
// then signs the page in that asked. After a while it returns no session, and
// the page asks again. An anonymous user who has become a permanent one keeps
// the session.
func (s *Service) Wait(ctx context.Context, p *principal.Principal, waiter string, from session.Origin) (Answer, bool, error) {
	deadline := time.NewTimer(waitFor)
	defer deadline.Stop()
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		proven, err := s.Flows.Proven(ctx, waiter)
		if err != nil {
			return Answer{}, false, err
		}
		if proven {
			answer, err := s.enter(ctx, from, audit.UserSignedIn, func(q postgres.Querier) (entry, error) {
				flow, err := s.Flows.Claim(ctx, q, waiter)
				e := entry{user: flow.User, amr: "email"}
				if p.SignedIn() && p.User == flow.User {
					e.stay = p.Session
				}
				return e, err
			})
			return answer, err == nil, err
		}
		select {
		case <-ctx.Done():
			return Answer{}, false, context.Cause(ctx)
		case <-deadline.C:
			return Answer{}, false, nil
		case <-ticker.C:
		}
	}
}

// How long one request waits for a link, and how often it looks.
const (
	waitFor   = 20 * time.Second
	lookEvery = time.Second
)
