package principal

import (
	"encoding/json"
	"testing"

	"github.com/fluxbase/fluxbase/internal/id"
)

func TestNobodyHasNoRights(t *testing.T) {
	t.Parallel()
	p := Nobody()
	if p.Role != Anonymous || p.SignedIn() || !p.User.IsZero() || !p.Session.IsZero() || !p.Key.IsZero() || p.AAL != "" {
		t.Errorf("Nobody() = %+v", p)
	}
	var claims map[string]any
	if err := json.Unmarshal([]byte(p.Claims), &claims); err != nil || len(claims) != 1 || claims["role"] != string(Anonymous) {
		t.Errorf("claims = %s, %v", p.Claims, err)
	}
}

// A principal is changed by nobody else's request.
func TestNobodyIsNotShared(t *testing.T) {
	t.Parallel()
	Nobody().Role = Service
	if got := Nobody().Role; got != Anonymous {
		t.Errorf("Nobody() has role %q after another was changed", got)
	}
}

func TestSignedInNeedsRoleAndUser(t *testing.T) {
	t.Parallel()
	user := id.User{15: 1}
	for _, c := range []struct {
		name string
		p    Principal
		want bool
	}{
		{"a user", Principal{Role: Authenticated, User: user}, true},
		{"a user without authenticator", Principal{Role: Authenticated, User: user, Anonymous: true}, true},
		{"no user", Principal{Role: Authenticated}, false},
		{"nobody", *Nobody(), false},
		{"anonymous role with a user", Principal{Role: Anonymous, User: user}, false},
		{"service key", Principal{Role: Service}, false},
		{"service key with a user", Principal{Role: Service, User: user}, false},
		{"the zero value", Principal{}, false},
		{"another role", Principal{Role: "postgres", User: user}, false},
	} {
		if got := c.p.SignedIn(); got != c.want {
			t.Errorf("%s: SignedIn() = %v", c.name, got)
		}
	}
}

// The names are those of roles.sql and of policies that people have written.
func TestRoleNames(t *testing.T) {
	t.Parallel()
	if Anonymous != "anonymous" || Authenticated != "authenticated" || Service != "service_role" {
		t.Errorf("roles: %q %q %q", Anonymous, Authenticated, Service)
	}
}
