package login

import (
	"context"
	"time"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/otp"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/principal"
	"github.com/fluxbase/fluxbase/internal/session"
	"github.com/fluxbase/fluxbase/internal/user"
)

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
