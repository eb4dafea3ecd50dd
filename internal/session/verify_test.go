package session_test

import (
	"encoding/json"
	"maps"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/session"
)

// plain is a signer that signs nothing: the token is its payload.
type plain struct{}

func (plain) Sign(_ string, payload []byte) (string, error) { return string(payload), nil }
func (plain) Verify(_, token string) ([]byte, error)        { return []byte(token), nil }
func (plain) MAC([]byte) []byte                             { return make([]byte, 32) }
func (plain) CheckMAC(_, _ []byte) bool                     { return true }

// TestClaimsAreChecked changes one claim of a good token at a time: nothing is
// believed because it is absent.
func TestClaimsAreChecked(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	s := &session.Service{
		Signer: plain{}, Now: func() time.Time { return now },
		Config: session.Config{Issuer: "fluxbase", Audience: "authenticated", AccessTTL: 15 * time.Minute},
	}
	tokens, err := s.Issue(session.Live{
		ID: id.Session(id.New(now)), Generation: 1, ExpiresAt: now.Add(time.Hour), AAL: "aal1", AMR: []string{"pwd"},
		User: session.Subject{ID: id.User(id.New(now)), Email: "a@example.com", AppMetadata: []byte("{}")},
	})
	if err != nil {
		t.Fatal(err)
	}
	_, until, err := s.Verify(tokens.AccessToken)
	if err != nil || !until.Equal(now.Add(15*time.Minute+5*time.Second)) {
		t.Fatalf("control: valid until %v, %v", until, err)
	}
	var good map[string]any
	if err := json.Unmarshal([]byte(tokens.AccessToken), &good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(map[string]any){
		"no issuer":       func(c map[string]any) { delete(c, "iss") },
		"other issuer":    func(c map[string]any) { c["iss"] = "fluxbase.example" },
		"no audience":     func(c map[string]any) { delete(c, "aud") },
		"audience list":   func(c map[string]any) { c["aud"] = []string{"authenticated", "other"} },
		"no expiry":       func(c map[string]any) { delete(c, "exp") },
		"no subject":      func(c map[string]any) { delete(c, "sub") },
		"two users":       func(c map[string]any) { c["sub"] = id.New(now).String() },
		"no session":      func(c map[string]any) { delete(c, "session_id") },
		"refresh":         func(c map[string]any) { c["token_type"] = "refresh" },
		"no type":         func(c map[string]any) { delete(c, "token_type") },
		"service role":    func(c map[string]any) { c["role"] = "service_role" },
		"no role":         func(c map[string]any) { delete(c, "role") },
		"something extra": func(c map[string]any) { c["is_admin"] = true },
	} {
		claims := maps.Clone(good)
		change(claims)
		text, err := json.Marshal(claims)
		if err != nil {
			t.Fatal(err)
		}
		if p, _, err := s.Verify(string(text)); err == nil {
			t.Errorf("%s: taken for %+v", name, p)
		}
	}
}
