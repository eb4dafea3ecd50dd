// Package audit writes what happened, in the transaction that did it: if the
// record cannot be written, neither is the deed.
//
// Records name people and things by identifier and hold no secret, token or
// e-mail address. Nobody changes them: triggers refuse it, and what somebody
// does around these is found, since records are sealed in batches within
// seconds, each seal with the digest of the one before it; see Service.Seal and
// Service.Verify. Records are let go of by whole months only.
package audit

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/principal"
)

// Actor is who does something, and where the request came from. The zero value
// is the program itself.
type Actor struct {
	Kind       string // "user", "key", "anonymous" or "system"; empty is "system"
	ID         id.UUID
	OnBehalfOf id.User // in whose name, if somebody acts as another
	Address    netip.Addr
	RequestID  string
}

// By returns the actor behind a principal. In an impersonated session that is
// the operator's key, and not the user.
func By(p *principal.Principal, address netip.Addr, requestID string) Actor {
	a := Actor{Kind: "anonymous", Address: address, RequestID: requestID}
	switch {
	case p.Operator:
		a.Kind = "system"
	case !p.Key.IsZero():
		a.Kind, a.ID, a.OnBehalfOf = "key", id.UUID(p.Key), p.User
	case p.Impersonated():
		a.Kind, a.OnBehalfOf = "system", p.User
		if key, err := id.Parse(p.Actor); err == nil {
			a.Kind, a.ID = "key", key
		}
	case p.SignedIn():
		a.Kind, a.ID = "user", id.UUID(p.User)
	}
	return a
}

// Did returns the record of a deed of the actor's. Details are pairs of names
// and values; in whose name it was done is one of them, "on_behalf_of".
func (a Actor) Did(action Action, targetKind string, target id.UUID, details ...string) Event {
	e := Event{
		Action: action, ActorKind: cmp.Or(a.Kind, "system"), Actor: a.ID, TargetKind: targetKind, Target: target,
		Address: a.Address, RequestID: a.RequestID, Details: map[string]string{},
	}
	if !a.OnBehalfOf.IsZero() {
		e.Details["on_behalf_of"] = a.OnBehalfOf.String()
	}
	for i := 0; i+1 < len(details); i += 2 {
		e.Details[details[i]] = details[i+1]
	}
	return e
}

// Event is one record. ActorKind is "user", "key", "anonymous" or "system".
type Event struct {
	Action     Action
	Failed     bool
	ActorKind  string
	Actor      id.UUID
	TargetKind string
	Target     id.UUID
	Address    netip.Addr
	RequestID  string
	Details    map[string]string
}

// Write adds a record to the transaction q. An action that is not declared is an
// error.
func Write(ctx context.Context, q postgres.Querier, e Event) error {
	if !e.Action.Declared() {
		return fmt.Errorf("writing the audit record: %q is no declared action", e.Action)
	}
	if err := insert(ctx, q, e); err != nil {
		return fmt.Errorf("writing the audit record: %w", err)
	}
	return nil
}
