// Package id has typed identifiers: a UUID version 7 (RFC 9562) behind one Go
// type for each noun, so that a session's identifier cannot be passed where a
// user's is meant.
//
// They sort by creation time to the millisecond and are unique, not secret:
// nothing is authorised by knowing one.
package id

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"time"
)

// Of is a UUID that identifies an N; the zero value is the nil UUID and stands
// for "none". Its memory is that of [16]byte, which is how it reaches SQL.
type Of[N any] [16]byte

// UUID is an identifier of no particular noun.
type UUID = Of[any]

// User identifies a person, anonymous or not.
type User = Of[user]

// Session identifies one sign-in of a user.
type Session = Of[session]

// Key identifies an application or service key.
type Key = Of[key]

// Sealed identifies a sealed value.
type Sealed = Of[sealed]

// Secret identifies a secret of an application.
type Secret = Of[secret]

// Tenant identifies a sub-tenant; the zero value is the whole installation.
type Tenant = Of[tenant]

// Instance identifies a program that has the database open.
type Instance = Of[instance]

// Mail identifies a message that the server sends, or has sent.
type Mail = Of[mail]

// Run identifies a run over the sealed values.
type Run = Of[run]

// Factor identifies a second factor of a user.
type Factor = Of[factor]

// Flow identifies what is finished by a mailed link, a code or a second factor.
type Flow = Of[flow]

type (
	factor   struct{}
	flow     struct{}
	user     struct{}
	session  struct{}
	key      struct{}
	sealed   struct{}
	secret   struct{}
	tenant   struct{}
	instance struct{}
	mail     struct{}
	run      struct{}
)

// ErrMalformed is returned for text that is not a UUID.
var ErrMalformed = errors.New("not a UUID")

// New returns a version 7 UUID of now.
func New(now time.Time) UUID {
	var u UUID
	_, _ = rand.Read(u[6:]) // crypto/rand.Read never fails: it ends the program instead
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(now.UnixMilli()))
	copy(u[:6], ms[2:])
	u[6] = u[6]&0x0f | 0x70
	u[8] = u[8]&0x3f | 0x80
	return u
}

// Parse reads the 36-character form; case does not matter.
func Parse(s string) (UUID, error) {
	var u UUID
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return u, ErrMalformed
	}
	digits := s[:8] + s[9:13] + s[14:18] + s[19:23] + s[24:]
	if _, err := hex.Decode(u[:], []byte(digits)); err != nil {
		return UUID{}, ErrMalformed
	}
	return u, nil
}

// IsZero says that u is the nil UUID.
func (u Of[N]) IsZero() bool { return u == Of[N]{} }

// Nullable returns u for SQL: nil for the nil UUID.
func (u Of[N]) Nullable() *Of[N] {
	if u.IsZero() {
		return nil
	}
	return &u
}

// String returns the 36-character form, or "" for the nil UUID.
func (u Of[N]) String() string {
	if u.IsZero() {
		return ""
	}
	var b [36]byte
	hex.Encode(b[:8], u[:4])
	hex.Encode(b[9:13], u[4:6])
	hex.Encode(b[14:18], u[6:8])
	hex.Encode(b[19:23], u[8:10])
	hex.Encode(b[24:], u[10:])
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
	return string(b[:])
}

// MarshalText implements encoding.TextMarshaler.
func (u Of[N]) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (u *Of[N]) UnmarshalText(text []byte) error {
	v, err := Parse(string(text))
	*u = Of[N](v)
	return err
}
