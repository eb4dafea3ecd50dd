package authn

import (
	"net/http"
	"strings"

	"github.com/fluxbase/fluxbase/internal/apikey"
	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
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
	return a.Key(r.Context(), bearer)
}

// withApplication adds the application to a principal. A key that stands for a
// service besides a token would be a second credential.
func (a *Authenticator) withApplication(r *http.Request, p *principal.Principal, key string) (*principal.Principal, error) {
	app, err := a.Key(r.Context(), key)
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
	p, err := a.Key(r.Context(), bearer)
	if err != nil {
		return nil, err
	}
	if p.AppKey != (id.Key{}) {
		return nil, ErrAmbiguous
	}
	return a.withApplication(r, p, key)
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
