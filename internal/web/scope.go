package web

import (
	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/principal"
)

// ErrNotForKeys is the fault of an API key where a person is wanted.
var ErrNotForKeys = fault.New(fault.Forbidden, "api_key_not_allowed", "This is not open to API keys: it wants the person, signed in.")

// ErrScope is the fault of an API key that is not good for what was asked.
var ErrScope = fault.New(fault.Forbidden, "insufficient_scope", "The API key does not have the scope that this needs.")

// NeedScope returns ErrScope if a credential is an API key without a scope.
func NeedScope(p *principal.Principal, scope principal.Scope) error {
	if p.May(scope) {
		return nil
	}
	f := *ErrScope
	f.Detail = "The API key does not have the scope " + string(scope) + ", which this needs."
	return &f
}

// admitKey admits an API key to what is open to its user and declares to take
// keys.
func admitKey(route Route, p *principal.Principal) error {
	if route.Scope == "" || route.Access == Service {
		return ErrNotForKeys
	}
	return NeedScope(p, route.Scope)
}
