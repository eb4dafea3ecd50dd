// Package audit writes what happened, in the transaction that did it: if the
// record cannot be written, neither is the deed.
//
// Records name people and things by identifier and hold no secret, token or
// e-mail address.
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

// Action is what was done, as noun.verb.
type Action string

// The actions. internal/session also writes "session.reuse_detected", from
// within the statement that ends the session.
const (
	UserSignedUp     Action = "user.signed_up"
	UserSignedIn     Action = "user.signed_in"
	UserUpdated      Action = "user.updated"
	SessionsEnded    Action = "session.ended"
	UserCreated      Action = "user.created" // by an administrator
	UserDeleted      Action = "user.deleted"
	UserBanned       Action = "user.banned"
	UserUnbanned     Action = "user.unbanned"
	UserInvited      Action = "user.invited"
	UserImpersonated Action = "user.impersonated"
	UsersImported    Action = "user.imported"
	UsersExported    Action = "user.exported"
	PasswordSet      Action = "user.password_set" // by an administrator

	KeyCreated     Action = "key.created"
	KeyRevoked     Action = "key.revoked"
	SignInRejected Action = "user.sign_in_rejected"

	SignUpRequested      Action = "user.sign_up_requested" // the address has yet to be proven
	LinkRequested        Action = "user.link_requested"
	LinkDenied           Action = "user.link_denied" // by whoever has the mailbox
	AddressProven        Action = "user.address_proven"
	CredentialsWiped     Action = "user.credentials_wiped" // those from before the address was proven
	UserConverted        Action = "user.converted"         // from an anonymous one
	EmailChangeRequested Action = "user.email_change_requested"
	EmailChanged         Action = "user.email_changed"
	PasswordChanged      Action = "user.password_changed"
	PasswordReset        Action = "user.password_reset"
	Reauthenticated      Action = "user.reauthenticated"
	SecondFactorRejected Action = "user.second_factor_rejected"
	FactorEnrolled       Action = "user.factor_enrolled" // and not yet confirmed
	FactorAdded          Action = "user.factor_added"
	FactorRemoved        Action = "user.factor_removed"
	FactorsUnlocked      Action = "user.factors_unlocked" // by an administrator
	RecoveryCodesMade    Action = "user.recovery_codes_made"

	EncryptionKeyGenerated Action = "encryption.key_generated"
	EncryptionKeyActivated Action = "encryption.key_activated"
	EncryptionKeyReplaced  Action = "encryption.key_replaced" // one that had never been used
	EncryptionKeyDestroyed Action = "encryption.key_destroyed"
	EncryptionRolledBack   Action = "encryption.rolled_back"
	EncryptionRunStarted   Action = "encryption.run_started"
	EncryptionRunFinished  Action = "encryption.run_finished"

	EncryptionSecretReplaced Action = "encryption.notification_secret_replaced"

	RateLimited Action = "rate_limit.exceeded" // a sample

	PolicyMended Action = "rls.mended"

	MailRetried Action = "mail.retried"

	SecretSet      Action = "secret.set"
	SecretRead     Action = "secret.read"
	SecretDeleted  Action = "secret.deleted"
	SecretRestored Action = "secret.restored"
	SecretPurged   Action = "secret.purged"
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
		a.Kind, a.ID = "key", id.UUID(p.Key)
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

// Write adds a record to the transaction q.
func Write(ctx context.Context, q postgres.Querier, e Event) error {
	if err := insert(ctx, q, e); err != nil {
		return fmt.Errorf("writing the audit record: %w", err)
	}
	return nil
}
