package server

import (
	"context"
	"errors"

	"golang.org/x/crypto/bcrypt"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/password"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// newPasswords is what operators set passwords with.
type newPasswords struct{ *password.Service }

// Digest implements admin.Passwords.
func (p newPasswords) Digest(ctx context.Context, text string) (string, error) {
	if err := p.Policy.Check("/password", text); err != nil {
		return "", err
	}
	return p.Hash(ctx, text)
}

// bcryptDigests takes digests of bcrypt from other systems.
type bcryptDigests struct{ passwords *password.Service }

var errDigest = errors.New("not a digest of bcrypt")

// maxForeignCost is the highest cost of a digest that is taken: each step more
// doubles the time that a sign-in takes a worker.
const maxForeignCost = 16

// Recognize implements admin.Digests.
func (bcryptDigests) Recognize(digest string) error {
	cost, err := bcrypt.Cost([]byte(digest))
	if err != nil || len(digest) != 60 || cost > maxForeignCost {
		return errDigest
	}
	return nil
}

// SetDigest implements admin.Digests.
func (d bcryptDigests) SetDigest(ctx context.Context, q postgres.Querier, userID id.User, digest string) error {
	return d.passwords.Set(ctx, q, userID, digest)
}
