package authn

import (
	"net/http"
	"strings"

	"github.com/fluxbase/fluxbase/internal/apikey"
	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/principal"
)

var errScheme = fault.New(fault.Unauthenticated, "invalid_token", "Send the credential as: Authorization: Bearer TOKEN.")

// Request returns the principal of a request: Nobody if it carries no
// credential, a fault if it carries a bad one.
func (a *Authenticator) Request(r *http.Request) (*principal.Principal, error) {
	key, err := single(append(r.Header.Values("apikey"), r.Header.Values("X-API-Key")...))
	if err != nil {
		return nil, err
	}
	bearer, err := bearerOf(r)
	if err != nil {
		return nil, err
	}
	if bearer != "" && !apikey.Looks(bearer) {
		p, err := a.Token(r.Context(), bearer)
		if err != nil || key == "" {
			return p, err
		}
		return a.withApplication(r, p, key)
	}
	if bearer != "" && key != "" && bearer != key {
		return a.two(r, bearer, key)
	}
	if bearer == "" {
		bearer = key
	}
	if bearer == "" {
		return principal.Nobody(), nil
	}
	return a.key(r, bearer)
}

// key returns the principal of a key that a request carries.
func (a *Authenticator) key(r *http.Request, text string) (*principal.Principal, error) {
	return a.Key(r.Context(), text, a.sender(r.Header))
}

// withApplication adds the application to a principal. A key that stands for a
// service or a user besides a token would be a second credential.
func (a *Authenticator) withApplication(r *http.Request, p *principal.Principal, key string) (*principal.Principal, error) {
	app, err := a.key(r, key)
	if err != nil {
		return nil, err
	}
	if app.AppKey.IsZero() {
		return nil, ErrAmbiguous
	}
	withApp := *p
	withApp.AppKey = app.AppKey
	return &withApp, nil
}

// two takes two different keys, of which one must be an application's.
func (a *Authenticator) two(r *http.Request, bearer, key string) (*principal.Principal, error) {
	p, err := a.key(r, bearer)
	if err != nil {
		return nil, err
	}
	if !p.AppKey.IsZero() {
		return nil, ErrAmbiguous
	}
	return a.withApplication(r, p, key)
}

// sender says whether a browser sends a request, and from which page. Browsers
// send Origin with every request to another origin that can carry a key, and
// Sec-Fetch-Site and -Dest with all; Sec-Fetch-Mode alone is no sign of one: Node's
// fetch sends it too. Of two origins neither is believed.
func (a *Authenticator) sender(h http.Header) apikey.Sender {
	origins, site := h["Origin"], h["Sec-Fetch-Site"]
	switch {
	case len(origins) == 1:
		return apikey.Sender{Browser: true, Origin: origins[0]}
	case len(origins) > 1:
		return apikey.Sender{Browser: true}
	case len(site) == 1 && site[0] == "same-origin": // which needs no Origin to read
		return apikey.Sender{Browser: true, Origin: a.Origin}
	default:
		return apikey.Sender{Browser: len(site) > 0 || len(h["Sec-Fetch-Dest"]) > 0}
	}
}

func bearerOf(r *http.Request) (string, error) {
	field, err := single(r.Header.Values("Authorization"))
	if err != nil || field == "" {
		return "", err
	}
	scheme, token, _ := strings.Cut(field, " ")
	token = strings.TrimSpace(token)
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", errScheme
	}
	return token, nil
}

// single returns the one value of a field. The same value sent twice, by a
// proxy say, is one.
func single(values []string) (string, error) {
	var one string
	for _, v := range values {
		if v != "" && one != "" && v != one {
			return "", ErrAmbiguous
		}
		if v != "" {
			one = v
		}
	}
	return one, nil
}
