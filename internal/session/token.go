package session

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/principal"
)

// accessType is the typ of access tokens (RFC 9068).
const accessType = "at+jwt"

// leeway is how far past its expiry a token of ours is still taken, for the
// clocks of several instances.
const leeway = 5 * time.Second

// Faults of access tokens.
var (
	ErrAccessToken  = fault.New(fault.Unauthenticated, "invalid_token", "The access token is not valid.")
	ErrTokenExpired = fault.New(fault.Unauthenticated, "token_expired", "The access token has expired; refresh it.")

	// errOvertaken asks clients for what they do about an expired token.
	errOvertaken = fault.New(fault.Unauthenticated, "token_expired", "The account has changed since the access token was issued; refresh it.")
)

// claims is the payload of an access token. It is also what policies see as
// request.jwt.claims.
type claims struct {
	Issuer      string         `json:"iss"`
	Subject     id.User        `json:"sub"`
	Audience    string         `json:"aud"`
	IssuedAt    int64          `json:"iat"`
	ExpiresAt   int64          `json:"exp"`
	TokenID     id.UUID        `json:"jti"`
	TokenType   string         `json:"token_type"`
	UserID      id.User        `json:"user_id"`
	Email       string         `json:"email,omitzero"`
	Role        principal.Role `json:"role"`
	SessionID   id.Session     `json:"session_id"`
	AAL         string         `json:"aal"`
	AMR         []string       `json:"amr"`
	IsAnonymous bool           `json:"is_anonymous"`
	AppMetadata jsontext.Value `json:"app_metadata"`
	Version     int64          `json:"claims_version,omitzero"` // of what the token says about the user
	Act         *Act           `json:"act,omitzero"`            // who acts as the user (RFC 8693, section 4.1)
}

// Issue makes the tokens of a session.
func (s *Service) Issue(live Live) (Tokens, error) {
	now := s.Now()
	payload, expires, err := s.payload(live, now)
	if err != nil {
		return Tokens{}, err
	}
	access, err := s.Signer.Sign(accessType, payload)
	if err != nil {
		return Tokens{}, fmt.Errorf("issuing an access token: %w", err)
	}
	return Tokens{
		ID: live.ID, AccessToken: access, TokenType: "bearer",
		ExpiresIn: int64(expires.Sub(now) / time.Second), ExpiresAt: expires.Unix(),
		RefreshToken: s.refreshToken(live.ID, live.Generation),
	}, nil
}

// payload is what the access token of a session says, and until when.
func (s *Service) payload(live Live, now time.Time) ([]byte, time.Time, error) {
	expires := now.Add(s.Config.AccessTTL)
	if live.ExpiresAt.Before(expires) {
		expires = live.ExpiresAt
	}
	payload, err := json.Marshal(claims{
		Issuer: s.Config.Issuer, Subject: live.User.ID, Audience: s.Config.Audience,
		IssuedAt: now.Unix(), ExpiresAt: expires.Unix(), TokenID: id.New(now),
		TokenType: "access", UserID: live.User.ID, Email: live.User.Email,
		Role: principal.Authenticated, SessionID: live.ID, AAL: live.AAL, AMR: live.AMR,
		IsAnonymous: live.User.Anonymous, AppMetadata: live.User.AppMetadata,
		Version: live.User.Version, Act: act(&live.Actor),
	})
	if err != nil {
		return nil, expires, fmt.Errorf("encoding claims: %w", err)
	}
	return payload, expires, nil
}

// Pretend returns the principal that a user would be right after signing in with
// a password. There is no such session, and no token.
func (s *Service) Pretend(user Subject) (*principal.Principal, error) {
	now := s.Now()
	live := Live{ID: id.Session(id.New(now)), ExpiresAt: now.Add(s.Config.AccessTTL), AAL: "aal1", AMR: []string{"pwd"}, User: user}
	payload, _, err := s.payload(live, now)
	if err != nil {
		return nil, err
	}
	return &principal.Principal{
		Role: principal.Authenticated, User: user.ID, Session: live.ID, Email: user.Email, Version: user.Version,
		AAL: live.AAL, AMR: live.AMR, Anonymous: user.Anonymous, Claims: string(payload),
	}, nil
}

// Verify checks an access token by its signature and claims alone, and returns
// the principal it stands for with the instant after which it does not. Whether
// the session is over is for Check to say.
func (s *Service) Verify(token string) (*principal.Principal, time.Time, error) {
	payload, err := s.Signer.Verify(accessType, token)
	if err != nil {
		return nil, time.Time{}, ErrAccessToken.Because(err)
	}
	var c claims
	if err := json.Unmarshal(payload, &c, json.RejectUnknownMembers(true)); err != nil {
		return nil, time.Time{}, ErrAccessToken.Because(err)
	}
	if c.Issuer != s.Config.Issuer || c.Audience != s.Config.Audience || c.TokenType != "access" ||
		c.Role != principal.Authenticated || c.Subject.IsZero() || c.Subject != c.UserID || c.SessionID.IsZero() || c.ExpiresAt == 0 {
		return nil, time.Time{}, ErrAccessToken
	}
	p := &principal.Principal{
		Role: c.Role, User: c.UserID, Session: c.SessionID, Email: c.Email, Version: c.Version,
		AAL: c.AAL, AMR: c.AMR, Anonymous: c.IsAnonymous, Claims: string(payload),
	}
	if c.Act != nil {
		p.Actor = c.Act.Subject
	}
	return p, time.Unix(c.ExpiresAt, 0).Add(leeway), nil
}

// refreshFormat is the first byte of a refresh token.
const refreshFormat = 1

// The layout of a refresh token before base64url: format, session, generation,
// HMAC-SHA-256 of the three.
const (
	refreshMessage = 1 + 16 + 8
	refreshSize    = refreshMessage + 32
)

func (s *Service) refreshToken(sessionID id.Session, generation int64) string {
	token := make([]byte, 0, refreshSize)
	token = append(token, refreshFormat)
	token = append(token, sessionID[:]...)
	token = binary.BigEndian.AppendUint64(token, uint64(generation)) //nolint:gosec // generations count from 1
	token = append(token, s.Signer.MAC(token)...)
	return base64.RawURLEncoding.EncodeToString(token)
}

func (s *Service) parseRefreshToken(text string) (id.Session, int64, error) {
	token, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if strings.ContainsAny(text, "\r\n") { // which the decoder skips, even when it is strict
		return id.Session{}, 0, ErrRefreshToken
	}
	if err != nil || len(token) != refreshSize || token[0] != refreshFormat ||
		!s.Signer.CheckMAC(token[:refreshMessage], token[refreshMessage:]) {
		return id.Session{}, 0, ErrRefreshToken
	}
	generation := binary.BigEndian.Uint64(token[17:refreshMessage])
	return id.Session(token[1:17]), int64(generation), nil //nolint:gosec // authenticated: one that we made
}
