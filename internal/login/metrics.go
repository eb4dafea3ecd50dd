package login

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/session"
)

// way is a way in, as metrics name it.
type way string

const (
	byPassword     way = "password"
	bySignUp       way = "sign_up"
	byNobody       way = "anonymous"
	bySecondFactor way = "second_factor"
	byMagicLink    way = "magic_link"
	byVerification way = "email_verification"
	byReset        way = "password_reset"
	byWaiting      way = "waiting_page"
)

// The outcomes of attempts to sign in.
const (
	outcomeSuccess  = "success"
	outcomeFactor   = "second_factor_required"
	outcomePending  = "proof_required" // of the address
	outcomeRejected = "rejected"
	outcomeError    = "error" // of ours, or too much to do
)

// SignIns counts attempts to sign in, by method and outcome. nil counts nothing.
// Make one with NewSignIns. It is safe for concurrent use.
type SignIns struct{ *prometheus.CounterVec }

// NewSignIns returns counts of nothing yet.
func NewSignIns() *SignIns {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "fluxbase_sign_ins_total", Help: "Attempts to sign in, by method and outcome.",
	}, []string{"method", "outcome"})
	for _, method := range []way{byPassword, bySignUp, byNobody, bySecondFactor, byMagicLink, byVerification, byReset, byWaiting} {
		for _, outcome := range []string{outcomeSuccess, outcomeFactor, outcomePending, outcomeRejected, outcomeError} {
			c.WithLabelValues(string(method), outcome) // a rate needs the zero
		}
	}
	return &SignIns{c}
}

func (n *SignIns) count(method way, a Answer, err error) {
	if n != nil {
		n.WithLabelValues(string(method), outcome(a, err)).Inc()
	}
}

func outcome(a Answer, err error) string {
	switch {
	case err != nil && failed(fault.KindOf(err)):
		return outcomeError
	case err != nil:
		return outcomeRejected
	case a.Requires2FA:
		return outcomeFactor
	case a.Session == nil:
		return outcomePending
	default:
		return outcomeSuccess
	}
}

func failed(k fault.Kind) bool {
	return k == fault.Internal || k == fault.TooMany || k == fault.Unavailable || k == fault.Timeout
}

// counted is a way in that is counted.
func counted[In any](s *Service, method way, f func(context.Context, In, session.Origin) (Answer, error)) func(context.Context, In, session.Origin) (Answer, error) {
	return func(ctx context.Context, in In, from session.Origin) (Answer, error) {
		answer, err := f(ctx, in, from)
		s.SignIns.count(method, answer, err)
		return answer, err
	}
}
