package account

import (
	"context"
	"net/http"
	"reflect"

	"github.com/fluxbase/fluxbase/internal/login"
	"github.com/fluxbase/fluxbase/internal/principal"
	"github.com/fluxbase/fluxbase/internal/ratelimit"
	"github.com/fluxbase/fluxbase/internal/session"
	"github.com/fluxbase/fluxbase/internal/user"
	"github.com/fluxbase/fluxbase/internal/web"
)

// updateBody is the body of a change of one's own data.
type updateBody struct {
	Data user.Metadata `json:"data"`
}

func route(method, path, summary string) web.Route {
	return web.Route{Method: method, Path: "/api/v1/auth" + path, Tag: "Account", Summary: summary, Access: web.SignedIn}
}

// Routes returns the routes of one's own account under /api/v1/auth.
func (s *Service) Routes() []web.Route {
	proving := func(method, path, summary string) web.Route {
		r := route(method, path, summary)
		r.Limits = ratelimit.Proving
		return r
	}
	mailing := func(method, path, summary string, about func(any) string) web.Route {
		r := route(method, path, summary)
		r.Limits, r.Subject = ratelimit.Mailing, about
		return r
	}
	address := mailing(http.MethodPut, "/user/email", "Change your e-mail address",
		web.About(func(in NewEmail) string { return login.Mailbox(in.Email) }))
	convert := mailing(http.MethodPost, "/anonymous/convert", "Give an anonymous user an address and a password",
		web.About(func(in Conversion) string { return login.Mailbox(in.Email) }))
	enroll := route(http.MethodPost, "/2fa/enroll", "Begin to enrol an authenticator app")
	enroll.OptionalBody = true
	codes := proving(http.MethodPost, "/2fa/recovery-codes", "Replace your recovery codes")
	codes.OptionalBody = true
	remove := proving(http.MethodDelete, "/user", "Delete your account")
	remove.OptionalBody = true
	again := proving(http.MethodPost, "/reauthenticate", "Prove once more who you are; without a proof, have a code mailed (202)")
	again.Body, again.Answer, again.Serve = reflect.TypeFor[Proof](), reflect.TypeFor[Fresh](), s.reauthenticate
	whoami := route(http.MethodGet, "/user", "The signed-in user, or the user of an API key")
	whoami.Scope = principal.AnyScope
	return append(s.keyRoutes(),
		web.Typed(whoami,
			func(ctx context.Context, c *web.Call, _ web.None) (user.Document, error) {
				return s.Users.Get(ctx, c.Principal.User)
			}),
		web.Typed(route(http.MethodPatch, "/user", "Merge into your own metadata"),
			with(func(ctx context.Context, p *principal.Principal, in updateBody, from session.Origin) (user.Document, error) {
				return s.Update(ctx, p, in.Data, from)
			})),
		web.Typed(address, with(s.ChangeEmail)),
		web.Typed(proving(http.MethodPut, "/user/password", "Change your password; all other sessions end"), with(s.ChangePassword)),
		web.Typed(remove, with(nothing(s.Delete))),
		web.Typed(convert, with(s.Convert)),
		web.Typed(enroll, with(s.Enroll)),
		web.Typed(proving(http.MethodPost, "/2fa/enroll/verify", "Take an authenticator app into use"), with(s.Confirm)),
		web.Typed(route(http.MethodGet, "/2fa", "Your second factors"),
			func(ctx context.Context, c *web.Call, _ web.None) (Status, error) { return s.Status(ctx, c.Principal) }),
		web.Typed(proving(http.MethodPost, "/2fa/disable", "Remove your second factors, or one"), with(nothing(s.Disable))),
		web.Typed(codes, with(s.NewCodes)),
		again,
	)
}

// with makes a handler of what somebody who is signed in does.
func with[In, Out any](f func(context.Context, *principal.Principal, In, session.Origin) (Out, error)) func(context.Context, *web.Call, In) (Out, error) {
	return func(ctx context.Context, c *web.Call, in In) (Out, error) {
		return f(ctx, c.Principal, in, login.Origin(c))
	}
}

func nothing[In any](f func(context.Context, *principal.Principal, In, session.Origin) error,
) func(context.Context, *principal.Principal, In, session.Origin) (web.None, error) {
	return func(ctx context.Context, p *principal.Principal, in In, from session.Origin) (web.None, error) {
		return web.None{}, f(ctx, p, in, from)
	}
}

func (s *Service) reauthenticate(w http.ResponseWriter, r *http.Request, c *web.Call) error {
	var proof Proof
	if r.ContentLength != 0 {
		if err := web.Decode(r, &proof); err != nil {
			return err
		}
	}
	fresh, err := s.Reauthenticate(r.Context(), c.Principal, proof, login.Origin(c))
	if err != nil {
		return err
	}
	if fresh == nil {
		return web.Encode(w, http.StatusAccepted, login.Accepted{})
	}
	return web.Encode(w, http.StatusOK, fresh)
}
