// Package principal says who is calling: the one identity that a request has
// and as which every row it touches is touched.
//
// A Principal is made by internal/authn and never changed afterwards. Below the
// HTTP layer it travels as an argument, not in a context, so that a signature
// shows whose authority a function uses.
package principal

import "github.com/fluxbase/fluxbase/internal/id"

// Role is the PostgreSQL role that a request runs as.
type Role string

// The database roles of API traffic. No other role is ever assumed.
const (
	Anonymous     Role = "anonymous"     // nobody signed in
	Authenticated Role = "authenticated" // a signed-in user
	Service       Role = "service_role"  // a trusted back end; bypasses Row-Level Security
)

// Principal is an authenticated (or anonymous) caller. The zero value is not
// usable: use Nobody for a caller without credentials.
type Principal struct {
	Role      Role
	User      id.User    // zero unless Role is Authenticated
	Session   id.Session // zero unless the credential was an access token
	Key       id.Key     // the service key, or the API key of the user, used as the credential; zero for access tokens
	Scopes    []Scope    // what an API key is good for; nil for other credentials, which are not limited
	Email     string     // may be empty
	AAL       string     // authenticator assurance level, "aal1" or "aal2" (NIST SP 800-63B)
	AMR       []string   // authentication methods (RFC 8176)
	Claims    string     // the JSON object that policies see as request.jwt.claims
	Version   int64      // of what an access token says about the user; an older one than the user's is refused
	Actor     string     // who acts as the user, an operator's key; empty unless somebody impersonates them
	Anonymous bool       // a user without any authenticator yet
	Operator  bool       // whoever has the database and its keys, at the command line of this machine
	AppKey    id.Key     // the client key that named the application; zero if none did
}

// Nobody returns the principal of a request that carries no credential.
func Nobody() *Principal {
	return &Principal{Role: Anonymous, Claims: `{"role":"anonymous"}`}
}

// OfOperator returns the principal of the command line that works on the
// database itself.
func OfOperator() *Principal {
	return &Principal{Role: Service, Claims: `{"role":"service_role"}`, Operator: true}
}

// Impersonated says that somebody else acts as the user, who may look and work
// but not change how the user signs in.
func (p *Principal) Impersonated() bool { return p.Actor != "" }

// SignedIn says that the principal is a user with a session or a key of theirs.
func (p *Principal) SignedIn() bool { return p.Role == Authenticated && !p.User.IsZero() }
