// Package audit writes what happened, in the transaction that did it: if the
// record cannot be written, neither is the deed.
//
// Records name people and things by identifier and hold no secret, token or
// e-mail address.
package audit

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// Action is what was done, as noun.verb.
type Action string

// The actions. internal/session also writes "session.reuse_detected", from
// within the statement that ends the session.
const (
	UserSignedUp   Action = "user.signed_up"
	UserSignedIn   Action = "user.signed_in"
	UserUpdated    Action = "user.updated"
	SessionsEnded  Action = "session.ended"
	KeyCreated     Action = "key.created"
	KeyRevoked     Action = "key.revoked"
	SignInRejected Action = "user.sign_in_rejected"
)

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

// Write adds a record to the transaction q.
func Write(ctx context.Context, q postgres.Querier, e Event) error {
	if err := insert(ctx, q, e); err != nil {
		return fmt.Errorf("writing the audit record: %w", err)
	}
	return nil
}
