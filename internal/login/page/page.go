// Package page is what opens when somebody follows a mailed link: a page that
// says what was asked for and from where, with buttons. Opening it does
// nothing, since mail scanners open links too; only a button does, by POST.
//
// The token of the link is all that a request needs and has. There is no
// cookie, so nobody can be made to press a button as somebody else, and no
// session is made here. Whoever embeds, caches or is referred from the page
// learns nothing of it.
package page

import (
	"context"
	_ "embed"
	"errors"
	"html/template"
	"strconv"
	"time"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/login"
	"github.com/fluxbase/fluxbase/internal/otp"
	"github.com/fluxbase/fluxbase/internal/session"
)

//go:embed page.html
var source string

//go:embed page.css
var style string

var tmpl = template.Must(template.New("page").Parse(source))

// Links is what the page asks of internal/login.
type Links interface {
	Look(ctx context.Context, token string) (otp.Flow, error)
	Back(ctx context.Context, token string) (string, error)
	Confirm(ctx context.Context, token, chosen string, from session.Origin) (otp.Flow, error)
	Continue(ctx context.Context, token, chosen string, from session.Origin) (string, error)
	Deny(ctx context.Context, token string, from session.Origin) error
	ResetOnly(ctx context.Context, r login.Reset, from session.Origin) error
}

// Service serves the page.
type Service struct {
	Links Links
	Name  string // of the application, as people know it
	Now   func() time.Time
}

// view is what the page shows.
type view struct {
	Name, Title, Text string
	Style             template.CSS
	Token             string // empty: there is nothing to press
	Approve           string // what the button says that lets the page in that asked
	Continue          string // and the one that goes on to the application here
	NewPassword       bool   // there is a field for a new password
	Chosen            bool   // and one for the password that was chosen at sign-up
	Problem           string // with what was sent
	Address, Device   string // where the request came from
	Email, NewEmail   string
	Asked             string // when
	Bad               bool
	Back              template.URL // of a link that is good for nothing: to the application
	redirectTo        string
}

// words are what the page says about a kind of flow.
type words struct{ title, text, approve, on, done string }

var wording = map[otp.Kind]words{
	otp.MagicLink: {
		"Sign in", "Somebody asked to sign in as you. Go on only if that was you.", "Sign in where it was asked for", "Sign in here",
		"You are signed in where you asked for it. You can close this page.",
	},
	otp.SignUp: {
		"Confirm your address", "Somebody signed up with this address. Go on only if that was you: it signs in where it was asked for.", "Confirm", "Confirm and go on",
		"Your address is confirmed. You can close this page.",
	},
	otp.Invite:   {"Accept the invitation", "An account was made for you. Choose a password to take it over.", "", "Go on", ""},
	otp.Recovery: {"Choose a new password", "Somebody asked for a new password for this account. Go on only if that was you.", "", "Go on", ""},
	otp.EmailChange: {
		"Confirm your new address", "Somebody asked to use this address for their account. Go on only if that was you.", "Confirm", "Confirm and go on",
		"The new address is confirmed. If the old one has to agree as well, open the mail that was sent there.",
	},
	otp.EmailChangeCurrent: {
		"Change your address", "Somebody asked to replace this address by another one. Go on only if that was you.", "Agree", "Agree and go on",
		"You have agreed. If the new address has to be confirmed as well, open the mail that was sent there.",
	},
}

func (s *Service) base() view {
	return view{Name: s.Name, Style: template.CSS(style)} //nolint:gosec // our own file
}

// ask is the page of a link that is good.
func (s *Service) ask(flow otp.Flow, token string, from session.Origin) view {
	w := wording[flow.Kind]
	v := s.base()
	v.Title, v.Text, v.Token, v.Email, v.redirectTo = w.title, w.text, token, flow.Email, flow.RedirectTo
	if flow.From.Address.IsValid() {
		v.Address = flow.From.Address.String()
	}
	if device := session.Device(&flow.From.UserAgent); device != nil {
		v.Device = *device
	}
	v.Asked = ago(s.Now().Sub(flow.CreatedAt))
	switch flow.Kind {
	case otp.EmailChange:
		v.Email, v.NewEmail = "", flow.Email
	case otp.EmailChangeCurrent:
		v.NewEmail = login.NewEmailOf(flow)
	default:
	}
	switch flow.Kind {
	case otp.Recovery, otp.Invite:
		v.NewPassword = flow.RedirectTo == ""
	case otp.MagicLink, otp.SignUp:
		if flow.Waits {
			v.Approve = w.approve
		}
	default:
		if flow.RedirectTo == "" {
			v.Approve = w.approve
		}
	}
	v.Chosen = login.AsksForPassword(flow, from)
	if flow.RedirectTo != "" {
		v.Continue = w.on
	}
	if v.Approve == "" && v.Continue == "" && !v.NewPassword {
		v.Approve = w.approve
	}
	return v
}

func ago(d time.Duration) string {
	switch minutes := int(d / time.Minute); {
	case minutes < 1:
		return "less than a minute ago"
	case minutes == 1:
		return "a minute ago"
	case minutes < 60:
		return strconv.Itoa(minutes) + " minutes ago"
	case minutes < 120:
		return "an hour ago"
	default:
		return strconv.Itoa(minutes/60) + " hours ago"
	}
}

func (s *Service) said(title, text string) view {
	v := s.base()
	v.Title, v.Text = title, text
	return v
}

// over is the page of a link that is good for nothing.
func (s *Service) over(ctx context.Context, token string) (view, error) {
	v := s.said("This link does not work", "It is not known here: it has been used, its time is over, or it is not whole. "+
		"Ask for a new one where you asked for this one.")
	v.Bad = true
	back, err := s.Links.Back(ctx, token)
	v.Back = template.URL(back) //nolint:gosec // Back has held it against the list, which may have schemes of applications
	return v, err
}

// refused is the page of a link, with what was wrong about what was sent. What
// is nobody's fault here is passed on.
func (s *Service) refused(ctx context.Context, token string, from session.Origin, err error) (view, error) {
	if errors.Is(err, otp.ErrExpired) {
		return s.over(ctx, token)
	}
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Kind != fault.Invalid && f.Kind != fault.Unavailable {
		return view{}, err
	}
	flow, err := s.Links.Look(ctx, token)
	if errors.Is(err, otp.ErrExpired) {
		return s.over(ctx, token)
	}
	v := s.ask(flow, token, from)
	v.Problem = f.Detail
	return v, err
}
