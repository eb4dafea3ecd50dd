package admin

import (
	"context"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// Unproven says what becomes of the password and the sessions of an account when
// an operator takes its address as proven. Whoever chose that password may be
// somebody who knew that the owner of the address would come one day. Empty: the
// operator has to say.
type Unproven string

// What becomes of them.
const (
	KeepUnproven  Unproven = "keep"  // whoever they belong to is the owner of the address
	ResetUnproven Unproven = "reset" // there is no password, and the sessions end
)

// ErrUnproven is the fault of taking the address of such an account as proven
// without a word about its password.
var ErrUnproven = fault.New(fault.Conflict, "unproven_credentials", "Nobody has proven this address yet, and somebody has a password or a session "+
	"for the account. Give it a password, or say what becomes of theirs (unproven): keep, if they are the owner of the address, or reset.")

// Check returns a fault for a word that is none of these.
func (u Unproven) Check(pointer string) error {
	if u != "" && u != KeepUnproven && u != ResetUnproven {
		return fault.Input(pointer, "invalid_unproven", "It is keep or reset.")
	}
	return nil
}

// Prove says whether the password and the sessions of an account go, since its
// address is to be taken as proven; then the password is gone, and the rest is for
// CredentialsChanged. Call it while the user is locked and before the change. It
// returns ErrUnproven.
func (s *Service) Prove(ctx context.Context, q postgres.Querier, by By, userID id.User, with Unproven) (reset bool, err error) {
	if with == KeepUnproven {
		return false, nil
	}
	unproven, err := s.Users.Unproven(ctx, q, userID)
	if err != nil || !unproven[userID] {
		return false, err
	}
	if with != ResetUnproven {
		return false, ErrUnproven
	}
	if err := s.Passwords.Remove(ctx, q, userID); err != nil {
		return false, err
	}
	if err := s.Users.Announce(ctx, q, userID, ""); err != nil {
		return false, err
	}
	return true, audit.Write(ctx, q, by.Did(audit.CredentialsWiped, "user", id.UUID(userID)))
}
