package page

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/login"
	"github.com/fluxbase/fluxbase/internal/otp"
	"github.com/fluxbase/fluxbase/internal/ratelimit"
	"github.com/fluxbase/fluxbase/internal/web"
)

// maxForm is the size of the form, in bytes.
const maxForm = 4 << 10

// Routes returns the page.
func (s *Service) Routes() []web.Route {
	return []web.Route{
		{Method: http.MethodGet, Path: "/verify", Hidden: true, SameOrigin: true, Serve: s.show},
		{Method: http.MethodPost, Path: "/verify", Hidden: true, SameOrigin: true, Limits: ratelimit.SigningIn, Serve: s.press},
	}
}

func (s *Service) show(w http.ResponseWriter, r *http.Request, c *web.Call) error {
	token := c.Query().Get("token")
	flow, err := s.Links.Look(r.Context(), token)
	switch {
	case errors.Is(err, otp.ErrExpired) || err == nil && wording[flow.Kind].title == "":
		v, err := s.over(r.Context(), token)
		if err != nil {
			return err
		}
		return render(w, http.StatusNotFound, v)
	case err != nil:
		return err
	}
	return render(w, http.StatusOK, s.ask(flow, token, login.Origin(c)))
}

func (s *Service) press(w http.ResponseWriter, r *http.Request, c *web.Call) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return fault.New(fault.Invalid, "invalid_form", "The form is malformed.").Because(err)
	}
	for _, values := range r.PostForm {
		if len(values) > 1 {
			return fault.New(fault.Invalid, "invalid_form", "The form has a field twice.")
		}
	}
	token, from := r.PostForm.Get("token"), login.Origin(c)
	var v view
	var err error
	switch r.PostForm.Get("action") {
	case "approve":
		var flow otp.Flow
		if flow, err = s.Links.Confirm(r.Context(), token, r.PostForm.Get("password"), from); err == nil {
			v = s.said("Done", wording[flow.Kind].done)
		}
	case "continue":
		var to string
		if to, err = s.Links.Continue(r.Context(), token, r.PostForm.Get("password"), from); err == nil {
			http.Redirect(w, r, to, http.StatusSeeOther) //nolint:gosec // Continue has held it against the list
			return nil
		}
	case "deny":
		if err = s.Links.Deny(r.Context(), token, from); err == nil {
			v = s.said("Thank you", "Nothing was changed, and the link does not work any more.")
		}
	case "password":
		v, err = s.setPassword(r.Context(), r.PostForm, c)
	default:
		return fault.New(fault.Invalid, "invalid_form", "The form has no such button.")
	}
	status := http.StatusOK
	if err != nil {
		cause := err
		if v, err = s.refused(r.Context(), token, from, err); err != nil {
			return err
		}
		if status = http.StatusForbidden; v.Problem != "" {
			status = statusOf(cause)
		}
	}
	return render(w, status, v)
}

func (s *Service) setPassword(ctx context.Context, form url.Values, c *web.Call) (view, error) {
	if form.Get("password") != form.Get("again") {
		return view{}, fault.Input("/password", "password_mismatch", "The two passwords differ.")
	}
	err := s.Links.ResetOnly(ctx, login.Reset{Token: form.Get("token"), Password: form.Get("password")}, login.Origin(c))
	return s.said("Your password is set", "You can sign in with it now. All your other sessions have ended."), err
}

// render writes the page. The form may lead to this server, and from there to
// the application that the link is for, and nowhere else.
func render(w http.ResponseWriter, status int, v view) error {
	var body bytes.Buffer
	if err := tmpl.Execute(&body, v); err != nil {
		return fmt.Errorf("writing the page of a link: %w", err)
	}
	sum := sha256.Sum256([]byte(style))
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+
		"'; form-action "+formTargets(v.redirectTo)+"; frame-ancestors 'none'; base-uri 'none'")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes())
	return nil
}

// formTargets are the sources of form-action (CSP level 3, 6.4.1): browsers hold
// the redirect after a form against them as well. That of an application on a
// telephone is a scheme of its own.
func formTargets(redirectTo string) string {
	u, err := url.Parse(redirectTo)
	switch {
	case err != nil || u.Scheme == "":
		return "'self'"
	case u.Scheme == "http" || u.Scheme == "https":
		return "'self' " + u.Scheme + "://" + u.Host
	default:
		return "'self' " + u.Scheme + ":"
	}
}

// statusOf is the status of the page that says what was wrong.
func statusOf(err error) int {
	if f, ok := errors.AsType[*fault.Error](err); ok && f.Kind == fault.Unavailable {
		return http.StatusServiceUnavailable
	}
	return http.StatusUnprocessableEntity
}
