// Package sealed keeps what the server must not lose and nobody else may read:
// one table of values sealed under the keyring.
//
// A value is found by its id, or by its purpose and subject; its ciphertext
// opens only in the row, purpose, subject and sub-tenant it was sealed for. A
// value is only ever written under the key version that is active in the
// database at that moment, so that a rotation that has counted zero values
// under an old key can rely on it.
package sealed

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/keyring"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// ErrNotFound means that no value is kept under that id, or purpose and subject.
var ErrNotFound = errors.New("no such sealed value")

// ErrNotActive is the fault of an instance that does not hold the key version
// that new values have to be sealed under.
var ErrNotActive = fault.New(fault.Unavailable, "encryption_key_unavailable",
	"This instance does not have the active encryption key, so it cannot keep secrets.")

// errNoKey is the fault of an instance that lacks the key of a value.
var errNoKey = fault.New(fault.Unavailable, "encryption_key_unavailable", "This instance does not have the encryption key of this secret.")

// Keys are the keys that values are sealed under.
type Keys interface {
	Keyring() *keyring.Keyring
	Reload(ctx context.Context) error // after the keys of the database have changed
}

// Service seals and opens. It is safe for concurrent use.
type Service struct {
	Keys Keys
	Now  func() time.Time
}

// Put seals a value and returns its id. A value of the same purpose and
// subject that exists already is an error.
func (s *Service) Put(ctx context.Context, q postgres.Querier, purpose, subject string, plaintext []byte) (id.Sealed, error) {
	return s.PutFor(ctx, q, id.Tenant{}, purpose, subject, plaintext)
}

// PutFor is Put for a sub-tenant.
func (s *Service) PutFor(ctx context.Context, q postgres.Querier, tenant id.Tenant, purpose, subject string, plaintext []byte) (id.Sealed, error) {
	r := record{id: id.Sealed(id.New(s.Now())), tenant: tenant, purpose: purpose, subject: subject}
	if err := s.write(ctx, q, insert, r, plaintext); err != nil {
		return id.Sealed{}, fmt.Errorf("keeping a sealed value: %w", err)
	}
	return r.id, nil
}

// Replace seals another value in the place of one. It returns ErrNotFound.
func (s *Service) Replace(ctx context.Context, q postgres.Querier, sealedID id.Sealed, plaintext []byte) error {
	r, err := selectByID(ctx, q, sealedID)
	if err == nil {
		err = s.write(ctx, q, update, r, plaintext)
	}
	if err != nil {
		return fmt.Errorf("replacing a sealed value: %w", err)
	}
	return nil
}

// write seals under the active key. If that is no longer the active key of the
// database, it learns which one is and does it once more.
func (s *Service) write(ctx context.Context, q postgres.Querier, write writer, r record, plaintext []byte) error {
	for range 2 {
		n, err := write(ctx, q, s.seal(r, plaintext))
		if n > 0 || err != nil {
			return err
		}
		if err := s.Keys.Reload(ctx); err != nil {
			return err
		}
	}
	return ErrNotActive
}

// Open returns the value with an id.
func (s *Service) Open(ctx context.Context, q postgres.Querier, sealedID id.Sealed) ([]byte, error) {
	return s.open(ctx, func() (record, error) { return selectByID(ctx, q, sealedID) })
}

// Find returns the id of the value of a purpose and subject. It returns
// ErrNotFound.
func (s *Service) Find(ctx context.Context, q postgres.Querier, purpose, subject string) (id.Sealed, error) {
	r, err := selectByName(ctx, q, purpose, subject)
	if err != nil {
		return id.Sealed{}, fmt.Errorf("finding a sealed value: %w", err)
	}
	return r.id, nil
}

// OpenFor is Open for a value that has to be the one of a purpose, subject and
// sub-tenant. Whoever can write the reference to a value, and no more than that,
// cannot have another one opened in its place: that is keyring.ErrNotOpened.
func (s *Service) OpenFor(ctx context.Context, q postgres.Querier, sealedID id.Sealed, tenant id.Tenant, purpose, subject string) ([]byte, error) {
	return s.open(ctx, func() (record, error) {
		r, err := selectByID(ctx, q, sealedID)
		if err == nil && (r.tenant != tenant || r.purpose != purpose || r.subject != subject) {
			err = fmt.Errorf("the %s of %s in the place of the %s of %s: %w", r.purpose, r.subject, purpose, subject, keyring.ErrNotOpened)
		}
		return r, err
	})
}

// Ensure returns the value of a purpose and subject, and makes it if there is
// none. Of several callers at once all get the same.
func (s *Service) Ensure(ctx context.Context, q postgres.Querier, purpose, subject string, generate func() []byte) ([]byte, error) {
	named := func() (record, error) { return selectByName(ctx, q, purpose, subject) }
	plaintext, err := s.open(ctx, named)
	if !errors.Is(err, ErrNotFound) {
		return plaintext, err
	}
	r := record{id: id.Sealed(id.New(s.Now())), purpose: purpose, subject: subject}
	if err := s.write(ctx, q, insertIfMissing, r, generate()); err != nil {
		return nil, fmt.Errorf("keeping a sealed value: %w", err)
	}
	return s.open(ctx, named)
}

// Delete destroys values. Those that do not exist are no error.
func (s *Service) Delete(ctx context.Context, q postgres.Querier, values ...id.Sealed) error {
	if err := remove(ctx, q, values); err != nil {
		return fmt.Errorf("destroying sealed values: %w", err)
	}
	return nil
}

func (s *Service) seal(r record, plaintext []byte) record {
	ring := s.Keys.Keyring()
	r.keyVersion = ring.ActiveVersion()
	r.envelope = ring.Seal(r.binding(), plaintext)
	return r
}

// open reads a value and opens it. If it meets a version that it does not hold,
// it asks for the keys again and reads the value again: the version may be new,
// or so old that the value has moved and the key is gone by now.
func (s *Service) open(ctx context.Context, read func() (record, error)) ([]byte, error) {
	r, err := read()
	if err != nil {
		return nil, fmt.Errorf("reading a sealed value: %w", err)
	}
	plaintext, err := s.Keys.Keyring().Open(r.binding(), r.envelope)
	if errors.Is(err, keyring.ErrNoKey) {
		if err := s.Keys.Reload(ctx); err != nil {
			return nil, fmt.Errorf("opening the %s of %s: %w", r.purpose, r.subject, err)
		}
		if r, err = read(); err != nil {
			return nil, fmt.Errorf("reading a sealed value: %w", err)
		}
		plaintext, err = s.Keys.Keyring().Open(r.binding(), r.envelope)
	}
	if errors.Is(err, keyring.ErrNoKey) {
		err = errNoKey.Because(err)
	}
	if err != nil {
		return nil, fmt.Errorf("opening the %s of %s: %w", r.purpose, r.subject, err)
	}
	return plaintext, nil
}

// Place is where sealed values are, for messages.
const Place = "auth.sealed_values"

func (r record) binding() keyring.Binding {
	return keyring.Binding{
		Table: Place, Column: "envelope",
		Row: r.id.String(), Purpose: r.purpose, Subject: r.subject, Tenant: r.tenant.String(),
	}
}
