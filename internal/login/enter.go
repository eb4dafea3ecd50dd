package login

import (
	"context"
	"fmt"
	"time"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/mail"
	"github.com/fluxbase/fluxbase/internal/otp"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/principal"
	"github.com/fluxbase/fluxbase/internal/session"
	"github.com/fluxbase/fluxbase/internal/totp"
	"github.com/fluxbase/fluxbase/internal/user"
)

// Answer is what somebody receives who has come in, or what is still missing:
// a second factor, to be sent with the MFAToken, or the proof of an address, for
// which the page can wait on the flow.
type Answer struct {
	User        user.Document   `json:"user"`
	Session     *session.Tokens `json:"session"` // null: not in yet
	FlowID      string          `json:"flow_id,omitzero"`
	Requires2FA bool            `json:"requires_2fa,omitzero"`
	MFAToken    string          `json:"mfa_token,omitzero"`
	Methods     []string        `json:"methods,omitzero"`
}

// entry is who has proven a first factor, and by which method. The zero value is
// nobody, who does not come in.
type entry struct {
	user id.User
	amr  string     // RFC 8176, where that has a word
	stay id.Session // the user's own session that goes on, instead of a new one
	told bool       // the owner of the account is mailed about it already

	// locked is what is left to be done once nobody else changes the user, which
	// is locked before anything of theirs; nil is nothing.
	locked func(postgres.Querier) error
}

// secondFactorLife is how long a second factor is waited for.
const secondFactorLife = 5 * time.Minute

// enter is the one way in: prove says who it is, in the transaction that makes
// the session, unless a second factor is enrolled. Then there is no session,
// but a token that is good for nothing but sending the second factor.
func (s *Service) enter(ctx context.Context, from session.Origin, action audit.Action, prove func(postgres.Querier) (entry, error)) (Answer, error) {
	var answer Answer
	var live session.Live
	err := s.DB.InTx(ctx, func(q postgres.Querier) error {
		e, err := prove(q)
		if err != nil {
			return err
		}
		if e.user.IsZero() {
			return nil
		}
		if !e.stay.IsZero() {
			live, err = s.Sessions.Live(ctx, q, e.user, e.stay)
			return err
		}
		// A factor that is being confirmed right now counts.
		if err := s.Users.Lock(ctx, q, e.user); err != nil {
			return err
		}
		if e.locked != nil {
			if err := e.locked(q); err != nil {
				return err
			}
		}
		enabled, err := s.Factors.Enabled(ctx, q, e.user)
		if err != nil {
			return err
		}
		if enabled {
			answer, err = s.askSecondFactor(ctx, q, e, from)
			return err
		}
		live, err = s.begin(ctx, q, e, "aal1", []string{e.amr}, from, action)
		return err
	})
	if err != nil {
		return Answer{}, fmt.Errorf("opening a session: %w", err)
	}
	if live.ID.IsZero() {
		return answer, nil
	}
	return s.answer(live)
}

// begin makes a session, and its audit record, and tells the owner if it is from
// somewhere new.
func (s *Service) begin(ctx context.Context, q postgres.Querier, e entry, aal string, amr []string, from session.Origin, action audit.Action,
) (session.Live, error) {
	first, err := s.Users.SignedIn(ctx, q, e.user, user.EmailIssuer, e.user.String())
	if err != nil {
		return session.Live{}, err
	}
	live, err := s.Sessions.Create(ctx, q, e.user, aal, amr, from)
	if err != nil {
		return live, err
	}
	if s.Config.NewSignIns && !first && !live.Known && !e.told {
		if err := s.notice(ctx, q, live, from); err != nil {
			return live, err
		}
	}
	return live, audit.Write(ctx, q, By(e.user, from).Did(action, "session", id.UUID(live.ID)))
}

// noticeWindow is the time in which an account gets one message about sign-ins,
// wherever they come from.
const noticeWindow = time.Hour

// notice tells the owner of an account of a session from somewhere new.
func (s *Service) notice(ctx context.Context, q postgres.Querier, live session.Live, from session.Origin) error {
	if live.User.Email == "" || !s.Mail.Configured() {
		return nil
	}
	due, err := s.Users.Noticed(ctx, q, live.User.ID, noticeWindow)
	if err != nil {
		return err
	}
	if !due { // but next time: nobody has told the owner of this place
		return s.Sessions.Untold(ctx, q, live.ID)
	}
	return s.Notify(ctx, q, mail.SignInElsewhere, live.User.Email, mail.Vars{}, from)
}

// By is a user who does something, from somewhere.
func By(userID id.User, from session.Origin) audit.Actor {
	return audit.Actor{Kind: "user", ID: id.UUID(userID), Address: from.Address, RequestID: from.RequestID}
}

func (s *Service) askSecondFactor(ctx context.Context, q postgres.Querier, e entry, from session.Origin) (Answer, error) {
	asked, err := s.Flows.Ask(ctx, q, otp.Request{
		Kind: otp.SecondFactor, User: e.user, AMR: []string{e.amr}, From: from, Life: secondFactorLife,
	})
	return Answer{Requires2FA: true, MFAToken: asked.Token, Methods: []string{totp.MethodTOTP, totp.MethodRecoveryCode}}, err
}

// SecondFactor is a code, and what it is the second factor of.
type SecondFactor struct {
	MFAToken string `json:"mfa_token"`
	Code     string `json:"code"`
}

// VerifySecondFactor completes a sign-in. A token is good for five codes, and
// a user for as many attempts as totp.Service.Begin allows, however many tokens
// there are.
func (s *Service) VerifySecondFactor(ctx context.Context, second SecondFactor, from session.Origin) (Answer, error) {
	flow, err := s.Flows.Try(ctx, second.MFAToken, otp.SecondFactor)
	if err != nil {
		return Answer{}, err
	}
	attempt, err := s.Factors.Begin(ctx, flow.User)
	if err != nil {
		return Answer{}, err
	}
	var live session.Live
	err = s.DB.InTx(ctx, func(q postgres.Querier) error {
		if _, err := s.Flows.Consume(ctx, q, second.MFAToken, otp.SecondFactor); err != nil {
			return err
		}
		used, err := s.Factors.Check(ctx, q, attempt, second.Code)
		if err != nil {
			return err
		}
		if err := s.NoticeRecoveryCode(ctx, q, flow.User, used, from); err != nil {
			return err
		}
		live, err = s.begin(ctx, q, entry{user: flow.User}, "aal2", append(flow.AMR, AMROf(used), "mfa"), from, audit.UserSignedIn)
		return err
	})
	if err != nil {
		return Answer{}, s.rejectFactor(ctx, flow.User, from, err)
	}
	return s.answer(live)
}

// AMROf is the method of a second factor in the words of RFC 8176, which has
// none for a recovery code.
func AMROf(used totp.Used) string {
	if used.Method == totp.MethodTOTP {
		return "otp"
	}
	return used.Method
}

func (s *Service) rejectFactor(ctx context.Context, userID id.User, from session.Origin, cause error) error {
	record := By(userID, from).Did(audit.SecondFactorRejected, "user", id.UUID(userID))
	record.Failed = true
	if err := audit.Write(ctx, s.DB.Single(), record); err != nil {
		return err
	}
	return cause
}

// Answer issues the tokens of a session that stands once more, after its user
// has changed.
func (s *Service) Answer(ctx context.Context, p *principal.Principal) (Answer, error) {
	live, err := s.Sessions.Live(ctx, s.DB.Single(), p.User, p.Session)
	if err != nil {
		return Answer{}, err
	}
	return s.answer(live)
}

func (s *Service) answer(live session.Live) (Answer, error) {
	tokens, err := s.Sessions.Issue(live)
	if err != nil {
		return Answer{}, err
	}
	return Answer{User: user.Document(live.Document), Session: &tokens}, nil
}
