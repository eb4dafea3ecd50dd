package login

import (
	"context"
	"errors"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/otp"
	"github.com/fluxbase/fluxbase/internal/password"
	"github.com/fluxbase/fluxbase/internal/session"
)

// A mailbox proves whose the address is, and not who chose the password of a
// sign-up with it, or the data of a new account: that may be somebody who hopes
// that its owner confirms. So both become the account's only if whoever confirms
// is surely the one who asked: from the same device at the same network address,
// from the page that asked, or knowing the password.

// sameOrigin says whether a request comes from where a flow was asked for. Through
// a proxy that is not listed everybody comes from the same address, and a user
// agent is easily guessed.
func sameOrigin(flow otp.Flow, from session.Origin) bool {
	return !from.Shared && flow.From.Address.IsValid() && flow.From.Address == from.Address && flow.From.UserAgent == from.UserAgent
}

// Faults of the page behind the link of a sign-up.
var (
	errChosenMissing = fault.Input("/password", "password_required", "Type the password that you chose when you signed up.")
	errChosenWrong   = fault.Input("/password", "invalid_credentials", "This is not the password that was chosen for this sign-up.")
)

// AsksForPassword says whether a link is confirmed only by somebody who knows
// the password that was chosen.
func AsksForPassword(flow otp.Flow, from session.Origin) bool {
	return flow.Kind == otp.SignUp && flow.PasswordDigest != "" && !sameOrigin(flow, from)
}

// checkChosen holds a password against the one of a sign-up, if it has to be
// known. Tries count like those of a code.
func (s *Service) checkChosen(ctx context.Context, flow otp.Flow, token, text string, from session.Origin) error {
	if !AsksForPassword(flow, from) {
		return nil
	}
	if text == "" {
		return errChosenMissing
	}
	if _, err := s.Flows.Try(ctx, token, otp.SignUp); err != nil {
		return err
	}
	_, err := s.Passwords.Verify(ctx, flow.PasswordDigest, text)
	if errors.Is(err, password.ErrMismatch) {
		return errChosenWrong
	}
	return err
}

// withoutChosen is a flow whose password and data are left out, unless whoever
// has redeemed it is surely the one who asked. The page that a code was typed
// on has shown its secret by then; beside a token it is not looked at.
func withoutChosen(flow otp.Flow, p Proof, from session.Origin) otp.Flow {
	ownPage := p.Token == "" && p.FlowID != ""
	if isChosen(flow) && !ownPage && !sameOrigin(flow, from) {
		flow.PasswordDigest, flow.Data = "", "{}"
	}
	return flow
}

// withoutData is withoutChosen for the page behind a link. A sign-up it has
// confirmed only for somebody who knows the password.
func withoutData(flow otp.Flow, from session.Origin) otp.Flow {
	if flow.Kind == otp.MagicLink {
		return withoutChosen(flow, Proof{}, from)
	}
	return flow
}

// isChosen says whether a flow has what its asker chose for an account.
func isChosen(flow otp.Flow) bool { return flow.Kind == otp.SignUp || flow.Kind == otp.MagicLink }
