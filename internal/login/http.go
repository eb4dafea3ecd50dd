package login

import (
	"context"
	"net/http"
	"reflect"
	"slices"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/otp"
	"github.com/fluxbase/fluxbase/internal/principal"
	"github.com/fluxbase/fluxbase/internal/ratelimit"
	"github.com/fluxbase/fluxbase/internal/session"
	"github.com/fluxbase/fluxbase/internal/user"
	"github.com/fluxbase/fluxbase/internal/web"
)

// refreshBody is the body of a refresh.
type refreshBody struct {
	RefreshToken string `json:"refresh_token"`
}

// signOutBody is the body of a sign-out.
type signOutBody struct {
	Scope Scope `json:"scope,omitempty"`
}

// waitBody is the body of a page that waits.
type waitBody struct {
	FlowID string `json:"flow_id"`
}

// Accepted is the answer to what is done by mail, whether or not there is anybody.
type Accepted struct{}

// Pending is the answer to a page that has to go on waiting.
type Pending struct {
	Status string `json:"status"` // "pending"
}

const base = "/api/v1/auth"

func route(method, path, summary string, access web.Access) web.Route {
	return web.Route{Method: method, Path: base + path, Tag: "Auth", Summary: summary, Access: access}
}

// limited has a route count among those of a group, and by what about says of
// the body.
func limited[In any](r web.Route, group web.LimitGroup, about func(In) string) web.Route {
	r.Limits, r.Subject = group, web.About(about)
	return r
}

// Mailbox is how an address is counted in limits: however it is written.
func Mailbox(email string) string {
	if normal, err := user.NormalizeEmail(email); err == nil {
		return normal
	}
	return ""
}

// Routes returns the routes under /api/v1/auth.
func (s *Service) Routes() []web.Route {
	return slices.Concat(s.doors(), s.mailed(), s.sessions())
}

// doors are the ways in and out.
func (s *Service) doors() []web.Route {
	signUp := route(http.MethodPost, "/signup", "Make an account and sign in", web.Public)
	signUp.Status, signUp.Limits = http.StatusCreated, ratelimit.SigningUp
	anonymous := route(http.MethodPost, "/anonymous", "Sign in without saying who you are", web.Public)
	anonymous.Status, anonymous.OptionalBody, anonymous.Limits = http.StatusCreated, true, ratelimit.SigningUp
	signIn := limited(route(http.MethodPost, "/signin", "Sign in with a password", web.Public), ratelimit.SigningIn,
		func(c Credentials) string { return Mailbox(c.Email) })
	second := limited(route(http.MethodPost, "/2fa/verify", "Complete a sign-in with a second factor", web.Public), ratelimit.Proving,
		func(second SecondFactor) string { return second.MFAToken })
	refresh := limited(route(http.MethodPost, "/refresh", "Exchange a refresh token for new tokens", web.Public), ratelimit.Renewing,
		func(in refreshBody) string { return s.Sessions.Subject(in.RefreshToken) })
	signOut := route(http.MethodPost, "/signout", "End this session, all, or all others", web.SignedIn)
	signOut.OptionalBody = true
	settings := route(http.MethodGet, "/settings", "Which ways in there are, for a sign-in page", web.Public)
	settings.Scope = principal.AnyScope
	return []web.Route{
		web.Typed(signUp, with(counted(s, bySignUp, s.SignUp))),
		web.Typed(signIn, with(counted(s, byPassword, s.SignIn))),
		web.Typed(refresh,
			with(func(ctx context.Context, in refreshBody, from session.Origin) (Answer, error) {
				return s.Refresh(ctx, in.RefreshToken, from)
			})),
		web.Typed(signOut,
			func(ctx context.Context, c *web.Call, in signOutBody) (web.None, error) {
				return web.None{}, s.SignOut(ctx, c.Principal, in.Scope, Origin(c))
			}),
		web.Typed(second, with(counted(s, bySecondFactor, s.VerifySecondFactor))),
		web.Typed(anonymous, with(counted(s, byNobody, s.SignInAnonymously))),
		web.Typed(settings,
			func(context.Context, *web.Call, web.None) (Settings, error) { return s.Settings(), nil }),
	}
}

// mailed are the ways in by mail.
func (s *Service) mailed() []web.Route {
	accepted := func(path, summary string) web.Route {
		r := route(http.MethodPost, path, summary, web.Public)
		r.Status, r.Limits = http.StatusAccepted, ratelimit.Mailing
		return r
	}
	proof := func(path, summary string) web.Route {
		r := route(http.MethodPost, path, summary, web.Public)
		r.Limits = ratelimit.SigningIn
		return r
	}
	recipient := web.About(func(in LinkRequest) string { return Mailbox(in.Email) })
	link, reset := accepted("/magiclink", "Mail a link and a code that sign in"), accepted("/password/reset", "Mail a link and a code that set a new password")
	link.Subject, reset.Subject = recipient, recipient
	resend := accepted("/verify-email/resend", "Mail the confirmation of a sign-up once more")
	resend.Subject = web.About(func(in Again) string { return Mailbox(in.Email) })
	flow := route(http.MethodPost, "/flow", "Wait for a mailed link to be opened; 202 while it is not", web.Public)
	flow.Body, flow.Answer = reflect.TypeFor[waitBody](), reflect.TypeFor[Answer]()
	flow.Serve = s.wait
	return []web.Route{
		web.Typed(link, with(s.SendMagicLink)),
		web.Typed(proof("/magiclink/verify", "Sign in with what was mailed"), s.redeem(byMagicLink, otp.MagicLink, otp.Invite)),
		web.Typed(resend, with(s.Resend)),
		web.Typed(proof("/verify-email", "Prove an e-mail address with what was mailed"),
			s.redeem(byVerification, otp.SignUp, otp.Invite, otp.EmailChange, otp.EmailChangeCurrent)),
		web.Typed(reset,
			with(func(ctx context.Context, in LinkRequest, from session.Origin) (Accepted, error) {
				return Accepted{}, s.RequestReset(ctx, in, from)
			})),
		web.Typed(proof("/password/reset/confirm", "Set a new password with what was mailed"), with(counted(s, byReset, s.Reset))),
		flow,
	}
}

// sessions are a user's own.
func (s *Service) sessions() []web.Route {
	one := route(http.MethodDelete, "/sessions/{id}", "End one of your sessions", web.SignedIn)
	one.Params = []web.Param{{Name: "id", In: "path", Description: "The session"}}
	all := route(http.MethodDelete, "/sessions", "End your sessions", web.SignedIn)
	all.Params = []web.Param{{Name: "except_current", In: "query", Description: "true keeps the session that asks"}}
	return []web.Route{
		web.Typed(route(http.MethodGet, "/session", "The session of this access token", web.SignedIn), s.current),
		web.Typed(route(http.MethodGet, "/sessions", "Your sessions", web.SignedIn), s.list),
		web.Typed(one, s.endOne),
		web.Typed(all, s.endAll),
	}
}

// with makes a handler of a method that wants to know where a request comes from.
func with[In, Out any](f func(context.Context, In, session.Origin) (Out, error)) func(context.Context, *web.Call, In) (Out, error) {
	return func(ctx context.Context, c *web.Call, in In) (Out, error) { return f(ctx, in, Origin(c)) }
}

func (s *Service) redeem(method way, kinds ...otp.Kind) func(context.Context, *web.Call, Proof) (Answer, error) {
	return with(counted(s, method, func(ctx context.Context, p Proof, from session.Origin) (Answer, error) {
		return s.Redeem(ctx, p, from, kinds...)
	}))
}

func (s *Service) wait(w http.ResponseWriter, r *http.Request, c *web.Call) error {
	var in waitBody
	if err := web.Decode(r, &in); err != nil {
		return err
	}
	answer, done, err := s.Wait(r.Context(), c.Principal, in.FlowID, Origin(c))
	if done || err != nil { // a page asks again and again
		s.SignIns.count(byWaiting, answer, err)
	}
	if err != nil {
		return err
	}
	if !done {
		return web.Encode(w, http.StatusAccepted, Pending{"pending"})
	}
	return web.Encode(w, http.StatusOK, answer)
}

func (s *Service) current(ctx context.Context, c *web.Call, _ web.None) (session.Session, error) {
	return s.Sessions.Get(ctx, c.Principal.User, c.Principal.Session)
}

func (s *Service) list(ctx context.Context, c *web.Call, _ web.None) (session.Page, error) {
	sessions, err := s.Sessions.List(ctx, c.Principal.User, c.Principal.Session)
	return session.Page{Items: sessions}, err
}

func (s *Service) endOne(ctx context.Context, c *web.Call, _ web.None) (web.None, error) {
	u, err := id.Parse(c.Path("id"))
	if err != nil {
		return web.None{}, session.ErrNotFound
	}
	return web.None{}, s.End(ctx, c.Principal, id.Session(u), Origin(c))
}

func (s *Service) endAll(ctx context.Context, c *web.Call, _ web.None) (web.None, error) {
	scope := Global
	switch c.Query().Get("except_current") {
	case "true":
		scope = Others
	case "", "false":
	default:
		return web.None{}, fault.Input("?except_current", "invalid_type", "It is true or false.")
	}
	return web.None{}, s.SignOut(ctx, c.Principal, scope, Origin(c))
}

// Origin says where a request comes from.
func Origin(c *web.Call) session.Origin {
	return session.Origin{Address: c.Address, Shared: c.Shared, UserAgent: c.UserAgent, RequestID: c.RequestID, Language: c.Language()}
}
