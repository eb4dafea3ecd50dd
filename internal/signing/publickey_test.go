package signing_test

import (
	"testing"

	"github.com/fluxbase/fluxbase/internal/pgtest"
)

// What the JWK Set says comes from the sealed key and not from a column that
// lies open beside it: else who can write the table has every client believe
// another key, while the server goes on with its own.
func TestPublishedKeyIsThatOfThePrivateOne(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	load(t, service(db))
	foreign := load(t, service(pgtest.New(t))).Public().Keys[0]
	db.Exec(t, "update auth.signing_keys set public_jwk = $1 where purpose = 'access_token'", foreign)
	s := service(db)
	if err := s.Load(t.Context()); err == nil && s.Public().Keys[0].X == foreign.X {
		t.Error("a foreign key is published")
	}
}
