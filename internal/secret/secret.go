// Package secret keeps what the server must not lose and nobody else may read:
// one table of values sealed under the keyring.
//
// A value is found by its id, or by its purpose and subject; its ciphertext
// opens only in the row, purpose and subject it was sealed for.
package secret

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/keyring"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// ErrNotFound means that no value is kept under that id, or purpose and subject.
var ErrNotFound = errors.New("no such sealed value")

// Service seals and opens. It is safe for concurrent use.
type Service struct {
	Keyring *keyring.Keyring
	Now     func() time.Time
}

// Put seals a value and returns its id. A value of the same purpose and
// subject that exists already is an error.
func (s *Service) Put(ctx context.Context, q postgres.Querier, purpose, subject string, plaintext []byte) (id.Secret, error) {
	r := s.seal(purpose, subject, plaintext)
	if _, err := insert(ctx, q, r); err != nil {
		return id.Secret{}, fmt.Errorf("keeping a sealed value: %w", err)
	}
	return r.id, nil
}

// Open returns the value with an id.
func (s *Service) Open(ctx context.Context, q postgres.Querier, secretID id.Secret) ([]byte, error) {
	r, err := selectByID(ctx, q, secretID)
	if err != nil {
		return nil, fmt.Errorf("reading a sealed value: %w", err)
	}
	return s.open(r)
}

// Ensure returns the value of a purpose and subject, and makes it if there is
// none. Of several callers at once all get the same.
func (s *Service) Ensure(ctx context.Context, q postgres.Querier, purpose, subject string, generate func() []byte) ([]byte, error) {
	r, err := selectByName(ctx, q, purpose, subject)
	if errors.Is(err, ErrNotFound) {
		if _, err := insertIfMissing(ctx, q, s.seal(purpose, subject, generate())); err != nil {
			return nil, fmt.Errorf("keeping a sealed value: %w", err)
		}
		r, err = selectByName(ctx, q, purpose, subject)
	}
	if err != nil {
		return nil, fmt.Errorf("reading a sealed value: %w", err)
	}
	return s.open(r)
}

func (s *Service) seal(purpose, subject string, plaintext []byte) record {
	r := record{id: id.Secret(id.New(s.Now())), purpose: purpose, subject: subject, keyVersion: s.Keyring.ActiveVersion()}
	r.envelope = s.Keyring.Seal(r.binding(), plaintext)
	return r
}

func (s *Service) open(r record) ([]byte, error) {
	plaintext, err := s.Keyring.Open(r.binding(), r.envelope)
	if err != nil {
		return nil, fmt.Errorf("opening the %s of %s (is secret_key the one that this database was sealed under?): %w", r.purpose, r.subject, err)
	}
	return plaintext, nil
}

func (r record) binding() keyring.Binding {
	return keyring.Binding{
		Table: "auth.sealed_values", Column: "envelope",
		Row: r.id.String(), Purpose: r.purpose, Subject: r.subject,
	}
}
