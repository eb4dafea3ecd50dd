package signing_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxbase/fluxbase/internal/keyring"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/signing"
	"github.com/fluxbase/fluxbase/internal/web"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const (
	typ     = "at+jwt"
	payload = `{"sub":"somebody"}`
)

func service(db *pgtest.Database) *signing.Service {
	return &signing.Service{DB: db, Secrets: pgtest.Secrets()}
}

func load(t *testing.T, s *signing.Service) *signing.Service {
	t.Helper()
	if err := s.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func sign(t *testing.T, s *signing.Service) string {
	t.Helper()
	token, err := s.Sign(typ, []byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func wantVerifies(t *testing.T, s *signing.Service, token string, want bool) {
	t.Helper()
	got, err := s.Verify(typ, token)
	if want && (err != nil || string(got) != payload) || !want && !errors.Is(err, signing.ErrToken) {
		t.Errorf("Verify = %q, %v; want it accepted: %v", got, err, want)
	}
}

func TestServiceVerifiesWhatItSigned(t *testing.T) {
	t.Parallel()
	s := load(t, service(pgtest.New(t)))
	token := sign(t, s)
	wantVerifies(t, s, token, true)
	for _, other := range []string{"JWT", "", "at+JWT", "refresh+jwt"} {
		if _, err := s.Verify(other, token); !errors.Is(err, signing.ErrToken) {
			t.Errorf("as %q: %v", other, err)
		}
	}
}

func TestKeysSurviveARestart(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	first, second := load(t, service(db)), load(t, service(db))
	wantVerifies(t, second, sign(t, first), true)
	wantVerifies(t, first, sign(t, second), true)
	if diff := cmp.Diff(first.Public(), second.Public()); diff != "" {
		t.Error(diff)
	}
	if !second.CheckMAC([]byte("m"), first.MAC([]byte("m"))) {
		t.Error("refresh tokens do not survive")
	}
}

func TestDatabasesHaveDifferentKeys(t *testing.T) {
	t.Parallel()
	a, b := load(t, service(pgtest.New(t))), load(t, service(pgtest.New(t)))
	wantVerifies(t, b, sign(t, a), false)
	if b.CheckMAC([]byte("m"), a.MAC([]byte("m"))) || cmp.Equal(a.Public(), b.Public()) {
		t.Error("two databases share keys")
	}
}

// Ten starters on an empty database agree on one key of each purpose.
func TestConcurrentFirstLoad(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	services := make([]*signing.Service, 10)
	var wg sync.WaitGroup
	for i := range services {
		services[i] = service(db)
		wg.Go(func() {
			if err := services[i].Load(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	for _, purpose := range []string{"access_token", "refresh_token"} {
		var all, active, sealed int
		db.Scan(t, `select count(*), count(*) filter (where status = 'active'), (select count(*) from auth.sealed_values where purpose = 'signing_key')
			from auth.signing_keys where purpose = $1`, []any{purpose}, &all, &active, &sealed)
		if all != 1 || active != 1 || sealed != 2 {
			t.Errorf("%s: %d keys, %d active, %d sealed values", purpose, all, active, sealed)
		}
	}
	token, tag := sign(t, services[0]), services[0].MAC([]byte("m"))
	for _, s := range services {
		wantVerifies(t, s, token, true)
		if !s.CheckMAC([]byte("m"), tag) {
			t.Error("another refresh key")
		}
	}
}

func TestPrivateKeysLieSealed(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	load(t, service(db))
	var leaked int
	db.Scan(t, `select count(*) from auth.sealed_values v where position('\x06072a8648ce3d0201'::bytea in v.envelope) > 0`, nil, &leaked) // the OID of every EC key
	if leaked != 0 {
		t.Error("a private key lies open")
	}
	var jwk string
	db.Scan(t, "select public_jwk::text from auth.signing_keys where purpose = 'access_token'", nil, &jwk)
	if strings.Contains(jwk, `"d"`) {
		t.Errorf("the public key holds the private one: %s", jwk)
	}
}

func TestAnotherKeyringDoesNotOpen(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	load(t, service(db))
	sum := sha256.Sum256([]byte("another key"))
	for version, want := range map[uint32]error{1: keyring.ErrNotOpened, 2: keyring.ErrNoKey} {
		s := &signing.Service{DB: db, Secrets: pgtest.SealedUnder(version, map[uint32][]byte{version: sum[:]})}
		if err := s.Load(t.Context()); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
		wantVerifies(t, s, "a.b.c", false)
		if len(s.Public().Keys) != 0 {
			t.Error("keys are published that could not be read")
		}
	}
	var keys int
	db.Scan(t, "select count(*) from auth.signing_keys", nil, &keys)
	if keys != 2 {
		t.Errorf("%d keys: one was made over those that did not open", keys)
	}
	load(t, service(db)) // the right keyring still opens
}

// An operator who can write the table cannot give one key the place of another.
func TestSwappedSealedValuesDoNotOpen(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	load(t, service(db))
	db.Exec(t, `update auth.sealed_values v set envelope = o.envelope from auth.sealed_values o
		where v.purpose = 'signing_key' and o.purpose = 'signing_key' and o.id <> v.id`)
	if err := service(db).Load(t.Context()); !errors.Is(err, keyring.ErrNotOpened) {
		t.Errorf("%v", err)
	}
}

func TestFailedLoadKeepsTheKeys(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	s := load(t, service(db))
	token := sign(t, s)
	db.Exec(t, "update auth.sealed_values set envelope = '\\x00'")
	if err := s.Load(t.Context()); !errors.Is(err, keyring.ErrNotOpened) {
		t.Errorf("%v", err)
	}
	wantVerifies(t, s, token, true)
}

// With auth.jwt.secret set, other keys count no longer, and none is published.
func TestConfiguredSecretReplacesKeys(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	own := load(t, service(db))
	configured := service(db)
	configured.Secret = []byte("a configured secret of more than thirty-two bytes")
	load(t, configured)

	token := sign(t, configured)
	wantVerifies(t, configured, token, true)
	wantVerifies(t, configured, sign(t, own), false)
	wantVerifies(t, own, token, false)
	if keys := configured.Public().Keys; keys == nil || len(keys) != 0 {
		t.Errorf("published: %#v", keys)
	}
	head, err := base64.RawURLEncoding.DecodeString(token[:strings.Index(token, ".")])
	if err != nil || string(head) != `{"alg":"HS256","kid":"configured","typ":"at+jwt"}` {
		t.Errorf("header %s, %v", head, err)
	}
	if !configured.CheckMAC([]byte("m"), own.MAC([]byte("m"))) {
		t.Error("refresh tokens depend on the configured secret")
	}
	other := service(db)
	other.Secret = []byte("a configured secret of more than thirty-two bytez")
	wantVerifies(t, load(t, other), token, false)
}

func TestPublicKeyVerifiesElsewhere(t *testing.T) {
	t.Parallel()
	s := load(t, service(pgtest.New(t)))
	w := httptest.NewRecorder()
	if err := s.Routes()[0].Serve(w, httptest.NewRequest(http.MethodGet, "/oauth/jwks", nil), &web.Call{}); err != nil {
		t.Fatal(err)
	}
	var set struct{ Keys []map[string]string }
	if err := json.Unmarshal(w.Body.Bytes(), &set); err != nil || len(set.Keys) != 1 {
		t.Fatalf("%s: %v", w.Body, err)
	}
	jwk := set.Keys[0]
	parts := strings.Split(sign(t, s), ".")
	number := func(text string) *big.Int {
		b, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		return new(big.Int).SetBytes(b)
	}
	signature := number(parts[2]).FillBytes(make([]byte, 64))
	public := &ecdsa.PublicKey{Curve: elliptic.P256(), X: number(jwk["x"]), Y: number(jwk["y"])} //nolint:staticcheck // a JWK gives coordinates
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if !ecdsa.Verify(public, digest[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])) {
		t.Error("the published key does not verify")
	}
	var head map[string]string
	text, err := base64.RawURLEncoding.DecodeString(parts[0])
	if err != nil || json.Unmarshal(text, &head) != nil || head["kid"] != jwk["kid"] || head["alg"] != jwk["alg"] {
		t.Errorf("header %s for the key %v", text, jwk)
	}
	if len(jwk) != 7 || jwk["kty"] != "EC" || jwk["use"] != "sig" || jwk["crv"] != "P-256" {
		t.Errorf("published: %v", jwk)
	}
}

// Who changes the list that Public returns changes a copy.
func TestPublicIsACopy(t *testing.T) {
	t.Parallel()
	s := load(t, service(pgtest.New(t)))
	before := s.Public().Keys[0]
	s.Public().Keys[0].KeyID = "evil"
	if got := s.Public().Keys[0]; got != before {
		t.Errorf("%+v", got)
	}
}

func TestMAC(t *testing.T) {
	t.Parallel()
	s := load(t, service(pgtest.New(t)))
	message := []byte("message")
	tag := s.MAC(message)
	if len(tag) != 32 || !s.CheckMAC(message, tag) {
		t.Errorf("% x", tag)
	}
	for bit := range 256 {
		tag[bit/8] ^= 1 << (bit % 8)
		if s.CheckMAC(message, tag) {
			t.Errorf("bit %d is not looked at", bit)
		}
		tag[bit/8] ^= 1 << (bit % 8)
	}
	for n := range 32 {
		if s.CheckMAC(message, tag[:n]) {
			t.Errorf("%d bytes are enough", n)
		}
	}
	if s.CheckMAC(message, append(tag, 0)) || s.CheckMAC([]byte("messagf"), tag) || s.CheckMAC(nil, nil) {
		t.Error("something else holds")
	}
}

// A key of one purpose is no key of the other.
func TestRefreshKeySignsNoTokens(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	s := load(t, service(db))
	var kid string
	db.Scan(t, "select kid from auth.signing_keys where purpose = 'refresh_token'", nil, &kid)
	input := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","kid":"`+kid+`","typ":"at+jwt"}`)) + "." +
		base64.RawURLEncoding.EncodeToString([]byte(payload))
	wantVerifies(t, s, input+"."+base64.RawURLEncoding.EncodeToString(s.MAC([]byte(input))), false)
	if s.Public().Keys[0].KeyID == kid || len(s.Public().Keys) != 1 {
		t.Error("the refresh key is published")
	}
}

func TestRetiredKeysVerifyAndDoNotSign(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	old := load(t, service(db))
	token := sign(t, old)
	db.Exec(t, "update auth.signing_keys set status = 'retired', retired_at = now() where purpose = 'access_token'")
	s := load(t, service(db))
	wantVerifies(t, s, token, true)
	wantVerifies(t, old, sign(t, s), false) // a new key, which the old instance has not heard of
	if n := len(s.Public().Keys); n != 2 {
		t.Errorf("%d keys are published", n)
	}

	// The older of the two is made the active one again: the status counts.
	db.Exec(t, "update auth.signing_keys set status = 'retired' where purpose = 'access_token'")
	db.Exec(t, "update auth.signing_keys set status = 'active' where kid = $1", old.Public().Keys[0].KeyID)
	wantVerifies(t, old, sign(t, load(t, service(db))), true)
}

func TestBrokenRecordsAreRefused(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]string{
		"algorithm of another key":          "update auth.signing_keys set algorithm = 'ES256' where purpose = 'refresh_token'",
		"asymmetric key without public one": "update auth.signing_keys set public_jwk = null where purpose = 'access_token'",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := pgtest.New(t)
			load(t, service(db))
			db.Exec(t, change)
			if err := service(db).Load(t.Context()); err == nil {
				t.Error("loaded")
			}
		})
	}
}

func TestNothingVerifiesBeforeLoad(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	token := sign(t, load(t, service(db)))
	wantVerifies(t, service(db), token, false)
	if keys := service(db).Public().Keys; len(keys) != 0 {
		t.Errorf("%v", keys)
	}
}

func TestLoadWithoutDatabase(t *testing.T) {
	t.Parallel()
	s := &signing.Service{DB: gone{}, Secrets: pgtest.Secrets()}
	if err := s.Load(t.Context()); !errors.Is(err, errGone) {
		t.Errorf("%v", err)
	}
}

var errGone = errors.New("gone")

type gone struct{}

func (gone) Single() postgres.Querier { return nil }

func (gone) InTx(context.Context, func(postgres.Querier) error) error { return errGone }
