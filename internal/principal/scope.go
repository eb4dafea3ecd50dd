package principal

import (
	"slices"
	"strings"
)

// Scope is something that an API key of a user may be good for.
type Scope string

// The scopes. There are no others.
const (
	ReadTables      Scope = "tables:read"
	WriteTables     Scope = "tables:write"
	CallFunctions   Scope = "rpc:execute"
	Realtime        Scope = "realtime"
	InvokeFunctions Scope = "functions:invoke"
)

// AnyScope stands for whatever scope a key has. No key has it.
const AnyScope Scope = "*"

// Scopes returns every scope there is.
func Scopes() []Scope {
	return []Scope{ReadTables, WriteTables, CallFunctions, Realtime, InvokeFunctions}
}

// ScopeText is scopes separated by spaces (RFC 6749, section 3.3).
func ScopeText(scopes []Scope) string {
	words := make([]string, len(scopes))
	for i, s := range scopes {
		words[i] = string(s)
	}
	return strings.Join(words, " ")
}

// ByAPIKey says that the principal is a user by an API key of theirs, and not by
// a session: they may be asleep.
func (p *Principal) ByAPIKey() bool { return p.Role == Authenticated && !p.Key.IsZero() }

// May says whether the credential is good for a scope. Only API keys of users are
// limited.
func (p *Principal) May(s Scope) bool {
	return !p.ByAPIKey() || s == AnyScope || slices.Contains(p.Scopes, s)
}
