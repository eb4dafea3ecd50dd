package totp

import (
	"context"
	"crypto/rand"
	"strings"
	"unicode"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

const (
	recoveryCodes  = 10
	recoveryLength = 10 // of 32 letters: 50 bits

	// Digits and letters that are not taken for one another (Crockford).
	alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
)

// meant are letters that are not in the alphabet, for what they look like.
var meant = strings.NewReplacer("-", "", " ", "", "o", "0", "i", "1", "l", "1")

// parseRecoveryCode reads a recovery code as people write it down: in either
// case, with or without the hyphen.
func parseRecoveryCode(text string) (string, bool) {
	if len(text) > 4*recoveryLength || strings.ContainsFunc(text, func(r rune) bool { return r > unicode.MaxASCII }) {
		return "", false
	}
	c := meant.Replace(strings.ToLower(text))
	return c, len(c) == recoveryLength && strings.Trim(c, alphabet) == ""
}

func newRecoveryCode() string {
	var b [recoveryLength]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails: it ends the program instead
	for i := range b {
		b[i] = alphabet[b[i]%byte(len(alphabet))]
	}
	return string(b[:])
}

// digest is what is kept of a recovery code. The prefix keeps it apart from
// whatever else the key authenticates, and the user from the codes of others.
func (s *Service) digest(userID id.User, c string) []byte {
	return s.MAC.MAC([]byte("recovery code of " + userID.String() + ": " + c))
}

// NewRecoveryCodes gives a user ten new recovery codes in the place of all that
// there were. It returns ErrNoFactor for a user without a confirmed factor.
func (s *Service) NewRecoveryCodes(ctx context.Context, q postgres.Querier, userID id.User) ([]string, error) {
	if err := lockUser(ctx, q, userID); err != nil {
		return nil, err
	}
	enabled, err := isEnabled(ctx, q, userID)
	if err != nil {
		return nil, err
	}
	if !enabled {
		return nil, ErrNoFactor
	}
	return s.replaceRecoveryCodes(ctx, q, userID)
}

func (s *Service) replaceRecoveryCodes(ctx context.Context, q postgres.Querier, userID id.User) ([]string, error) {
	if err := deleteRecoveryCodes(ctx, q, userID); err != nil {
		return nil, err
	}
	codes, digests := make([]string, recoveryCodes), make([][]byte, recoveryCodes)
	for i := range codes {
		c := newRecoveryCode()
		codes[i], digests[i] = c[:5]+"-"+c[5:], s.digest(userID, c)
	}
	if err := insertRecoveryCodes(ctx, q, userID, digests, s.Now()); err != nil {
		return nil, err
	}
	return codes, nil
}

// RecoveryCodesLeft is how many recovery codes of a user have not been used.
func (s *Service) RecoveryCodesLeft(ctx context.Context, q postgres.Querier, userID id.User) (int, error) {
	return countRecoveryCodes(ctx, q, userID)
}
