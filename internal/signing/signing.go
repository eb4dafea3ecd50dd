// Package signing owns the keys that tokens are made with, and is the only
// place where a signature is made or checked.
//
// Access tokens are JSON Web Signatures (RFC 7515) whose header holds alg, kid
// and typ and nothing else; a key has one algorithm, and a token is accepted
// for the one typ that the caller names (RFC 8725). Refresh tokens carry a
// message authentication code of a key of their own. Private keys lie sealed
// in the database. What claims mean is not known here.
package signing

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// Sealer keeps private keys.
type Sealer interface {
	Put(ctx context.Context, q postgres.Querier, purpose, subject string, plaintext []byte) (id.Sealed, error)
	OpenFor(ctx context.Context, q postgres.Querier, sealedID id.Sealed, tenant id.Tenant, purpose, subject string) ([]byte, error)
}

// Database is the owner's door.
type Database interface {
	Single() postgres.Querier
	InTx(ctx context.Context, f func(postgres.Querier) error) error
}

// Purposes of keys.
const (
	accessToken  = "access_token"
	refreshToken = "refresh_token"
)

// sealedPurpose is that of private keys among the sealed values; their subject
// is the kid.
const sealedPurpose = "signing_key"

// configuredKID names the key that comes from the configuration. It is not
// derived from the secret, so as to tell nothing about a weak one.
const configuredKID = "configured"

// Service signs and verifies. It is safe for concurrent use once loaded.
type Service struct {
	DB      Database
	Secrets Sealer

	// Secret, if not empty, is the configured HS256 key: access tokens are
	// signed with it, and those of other keys are no longer accepted.
	Secret []byte

	mu      sync.RWMutex
	active  *key
	refresh *key
	byKID   map[string]*key
	public  []JWK
}

// Load reads the keys, and makes those that a new database lacks.
func (s *Service) Load(ctx context.Context) error {
	var records []record
	err := s.DB.InTx(ctx, func(q postgres.Querier) error {
		for _, purpose := range []string{accessToken, refreshToken} {
			if err := s.ensure(ctx, q, purpose); err != nil {
				return err
			}
		}
		var err error
		records, err = selectUsable(ctx, q)
		return err
	})
	if err != nil {
		return fmt.Errorf("loading signing keys: %w", err)
	}
	return s.use(ctx, records)
}

// ensure makes an active key of a purpose if there is none. The lock keeps two
// starters from making one each.
func (s *Service) ensure(ctx context.Context, q postgres.Querier, purpose string) error {
	if err := lock(ctx, q); err != nil {
		return err
	}
	exists, err := activeExists(ctx, q, purpose)
	if err != nil || exists {
		return err
	}
	r := record{purpose: purpose, algorithm: "HS256", kid: rand.Text(), status: "active"}
	material := make([]byte, 32)
	_, _ = rand.Read(material)
	if purpose == accessToken {
		if material, err = generateES256(&r); err != nil {
			return err
		}
	}
	r.secretID, err = s.Secrets.Put(ctx, q, sealedPurpose, r.kid, material)
	if err != nil {
		return err
	}
	return insert(ctx, q, r)
}

func generateES256(r *record) ([]byte, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generating a key: %w", err)
	}
	jwk, err := publicJWK(&private.PublicKey)
	if err != nil {
		return nil, err
	}
	r.algorithm, r.kid, r.jwk = "ES256", jwk.KeyID, &jwk
	material, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("encoding a key: %w", err)
	}
	return material, nil
}

func (s *Service) use(ctx context.Context, records []record) error {
	byKID := map[string]*key{}
	var public []JWK
	var active, refresh *key
	for _, r := range records {
		material, err := s.Secrets.OpenFor(ctx, s.DB.Single(), r.secretID, id.Tenant{}, sealedPurpose, r.kid)
		if err != nil {
			return fmt.Errorf("loading signing keys: %w", err)
		}
		k, err := r.key(material)
		if err != nil {
			return fmt.Errorf("loading signing key %s: %w", r.kid, err)
		}
		if r.purpose == refreshToken {
			refresh = k
			continue
		}
		byKID[k.kid] = k
		public = append(public, *r.jwk)
		if r.status == "active" {
			active = k
		}
	}
	if len(s.Secret) > 0 {
		active = &key{kid: configuredKID, alg: "HS256", secret: s.Secret}
		byKID, public = map[string]*key{configuredKID: active}, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active, s.refresh, s.byKID, s.public = active, refresh, byKID, public
	return nil
}

func (r record) key(material []byte) (*key, error) {
	k := &key{kid: r.kid, alg: r.algorithm}
	switch r.algorithm {
	case "HS256":
		k.secret = material
		return k, nil
	case "ES256":
		private, err := x509.ParsePKCS8PrivateKey(material)
		if err != nil {
			return nil, fmt.Errorf("decoding: %w", err)
		}
		ec, ok := private.(*ecdsa.PrivateKey)
		if !ok || r.jwk == nil {
			return nil, errors.New("not an elliptic curve key")
		}
		jwk, err := publicJWK(&ec.PublicKey)
		if err != nil {
			return nil, err
		}
		if jwk != *r.jwk || jwk.KeyID != r.kid {
			return nil, errors.New("the public key beside it is that of another")
		}
		k.private = ec
		return k, nil
	default:
		return nil, fmt.Errorf("unknown algorithm %q", r.algorithm)
	}
}

// Sign makes a token of a type over a payload, with the active key.
func (s *Service) Sign(typ string, payload []byte) (string, error) {
	s.mu.RLock()
	k := s.active
	s.mu.RUnlock()
	return k.sign(typ, payload)
}

// Verify returns the payload of a token of a type. Anything that is not one of
// ours is ErrToken.
func (s *Service) Verify(typ, token string) ([]byte, error) {
	s.mu.RLock()
	byKID := s.byKID
	s.mu.RUnlock()
	return verify(typ, token, func(kid string) *key { return byKID[kid] })
}

// MAC authenticates what a refresh token says: HMAC-SHA-256, 32 bytes.
func (s *Service) MAC(message []byte) []byte {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return mac(s.refresh.secret, string(message))
}

// CheckMAC compares in constant time.
func (s *Service) CheckMAC(message, tag []byte) bool {
	return hmac.Equal(s.MAC(message), tag)
}

// Set is a JWK Set (RFC 7517, section 5).
type Set struct {
	Keys []JWK `json:"keys"`
}

// Public returns the keys that tokens can be verified with. It is empty while
// a configured secret signs them.
func (s *Service) Public() Set {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return Set{Keys: append([]JWK{}, s.public...)}
}
