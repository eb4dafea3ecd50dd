package login

import (
	"context"
	"net/url"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/otp"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/session"
)

// What follows is what the page behind mailed links does. Its caller has the
// token of a link and no session; none of it makes one here.

// Look returns the flow of a link, and changes nothing: mail scanners open
// links. It returns otp.ErrExpired.
func (s *Service) Look(ctx context.Context, token string) (otp.Flow, error) {
	flow, err := s.Flows.Find(ctx, token)
	if err == nil && flow.Proven { // handed over to the application
		err = otp.ErrExpired
	}
	return flow, err
}

// Back returns where somebody may go on who has opened a link that is good for
// nothing: to the application, with what has happened in the fragment, in the
// words of RFC 6749, section 4.2.2.1, or nowhere, "". It changes nothing.
func (s *Service) Back(ctx context.Context, token string) (string, error) {
	to, err := s.Flows.Redirect(ctx, token)
	if err != nil || to == "" || !s.Config.Redirects(to) {
		return "", err
	}
	fragment := url.Values{"error": {"access_denied"}, "error_code": {otp.ErrExpired.Code}, "error_description": {otp.ErrExpired.Detail}}
	return to + "#" + fragment.Encode(), nil
}

// Confirm takes a link as confirmed, and lets the page in that asked.
func (s *Service) Confirm(ctx context.Context, token, chosen string, from session.Origin) (otp.Flow, error) {
	flow, err := s.Flows.Find(ctx, token)
	if err == nil {
		err = s.checkChosen(ctx, flow, token, chosen, from)
	}
	if err != nil {
		return flow, err
	}
	err = s.DB.InTx(ctx, func(q postgres.Querier) error {
		var err error
		if flow, err = s.Flows.Settle(ctx, q, token, otp.SignUp, otp.MagicLink, otp.EmailChange, otp.EmailChangeCurrent); err != nil {
			return err
		}
		_, err = s.settle(ctx, q, withoutData(flow, from), from)
		return err
	})
	return flow, err
}

// Continue confirms a link and returns where the browser is to go on: to the
// application, with a token in the fragment, which no server and no log gets to
// see. The token of a new password is the link's own, since people take their
// time over one.
func (s *Service) Continue(ctx context.Context, token, chosen string, from session.Origin) (string, error) {
	flow, err := s.Flows.Find(ctx, token)
	if err != nil {
		return "", err
	}
	if flow.RedirectTo == "" || !s.Config.Redirects(flow.RedirectTo) {
		return "", otp.ErrExpired
	}
	fragment := url.Values{"type": {fragmentTypes[flow.Kind]}, "token": {token}}
	switch flow.Kind {
	case otp.Recovery, otp.Invite:
		return flow.RedirectTo + "#" + fragment.Encode(), nil
	case otp.EmailChange, otp.EmailChangeCurrent:
		if _, err := s.Confirm(ctx, token, chosen, from); err != nil {
			return "", err
		}
		fragment.Del("token")
		return flow.RedirectTo + "#" + fragment.Encode(), nil
	default:
	}
	if err := s.checkChosen(ctx, flow, token, chosen, from); err != nil {
		return "", err
	}
	err = s.DB.InTx(ctx, func(q postgres.Querier) error {
		settled, fresh, err := s.Flows.HandOver(ctx, q, token, otp.SignUp, otp.MagicLink)
		if err != nil {
			return err
		}
		fragment.Set("token", fresh)
		_, err = s.settle(ctx, q, withoutData(settled, from), from)
		return err
	})
	if err != nil {
		return "", err
	}
	return flow.RedirectTo + "#" + fragment.Encode(), nil
}

// fragmentTypes is what a flow is called in the fragment of a redirect.
var fragmentTypes = map[otp.Kind]string{
	otp.SignUp: "signup", otp.MagicLink: "magiclink", otp.Recovery: "recovery", otp.Invite: "invite",
	otp.EmailChange: "email_change", otp.EmailChangeCurrent: "email_change",
}

// Deny ends a flow that the owner of the mailbox has not asked for.
func (s *Service) Deny(ctx context.Context, token string, from session.Origin) error {
	return s.DB.InTx(ctx, func(q postgres.Querier) error {
		flow, err := s.Flows.Deny(ctx, q, token)
		if err != nil {
			return err
		}
		if isChange(flow.Kind) {
			if err := s.dropChange(ctx, q, flow.User); err != nil {
				return err
			}
		}
		return audit.Write(ctx, q, nobody(from).Did(audit.LinkDenied, "flow", id.UUID(flow.ID), "kind", string(flow.Kind)))
	})
}

// ResetOnly is Reset without a sign-in.
func (s *Service) ResetOnly(ctx context.Context, r Reset, from session.Origin) error {
	set, err := s.resetter(ctx, r, from)
	if err != nil {
		return err
	}
	return s.DB.InTx(ctx, func(q postgres.Querier) error {
		_, err := set(q)
		return err
	})
}
