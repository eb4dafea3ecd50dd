package signing

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/go-json-experiment/json"
)

// MaxTokenSize is the longest token that is looked at, in bytes.
const MaxTokenSize = 16 << 10

// ErrToken means that a token is not one of ours: malformed, of another kind,
// under an unknown key, or with a signature that does not hold.
var ErrToken = errors.New("token does not verify")

// header is the JOSE header (RFC 7515) of every token made here. Any member
// besides these, such as crit, jku or jwk, makes a token unacceptable.
type header struct {
	Algorithm string `json:"alg"`
	KeyID     string `json:"kid"`
	Type      string `json:"typ"`
}

var b64 = base64.RawURLEncoding.Strict()

// key is one key with the one algorithm it is for.
type key struct {
	kid     string
	alg     string            // "ES256" or "HS256"
	private *ecdsa.PrivateKey // for ES256
	secret  []byte            // for HS256
}

func (k *key) encodedHeader(typ string) (string, error) {
	text, err := json.Marshal(header{k.alg, k.kid, typ})
	if err != nil {
		return "", fmt.Errorf("encoding a token header: %w", err)
	}
	return b64.EncodeToString(text), nil
}

// sign makes a JWS in compact serialization.
func (k *key) sign(typ string, payload []byte) (string, error) {
	head, err := k.encodedHeader(typ)
	if err != nil {
		return "", err
	}
	input := head + "." + b64.EncodeToString(payload)
	signature, err := k.signature(input)
	if err != nil {
		return "", err
	}
	return input + "." + b64.EncodeToString(signature), nil
}

func (k *key) signature(input string) ([]byte, error) {
	if k.alg == "HS256" {
		return mac(k.secret, input), nil
	}
	digest := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, k.private, digest[:])
	if err != nil {
		return nil, fmt.Errorf("signing a token: %w", err)
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return signature, nil
}

func (k *key) holds(input string, signature []byte) bool {
	if k.alg == "HS256" {
		return hmac.Equal(signature, mac(k.secret, input))
	}
	if len(signature) != 64 {
		return false
	}
	digest := sha256.Sum256([]byte(input))
	r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
	return ecdsa.Verify(&k.private.PublicKey, digest[:], r, s)
}

// verify returns the payload of a token of a type, under the key that find
// returns for its kid.
func verify(typ, token string, find func(kid string) *key) ([]byte, error) {
	// encoding/base64 skips line breaks, even when it is strict.
	if len(token) > MaxTokenSize || strings.Count(token, ".") != 2 || strings.ContainsAny(token, "\r\n") {
		return nil, ErrToken
	}
	end := strings.LastIndexByte(token, '.')
	input := token[:end]
	head, body, _ := strings.Cut(input, ".")

	text, err := b64.DecodeString(head)
	if err != nil {
		return nil, ErrToken
	}
	var h header
	if err := json.Unmarshal(text, &h, json.RejectUnknownMembers(true)); err != nil {
		return nil, ErrToken
	}
	k := find(h.KeyID)
	if k == nil || h.Algorithm != k.alg || h.Type != typ {
		return nil, ErrToken
	}
	signature, err := b64.DecodeString(token[end+1:])
	if err != nil || !k.holds(input, signature) {
		return nil, ErrToken
	}
	payload, err := b64.DecodeString(body)
	if err != nil {
		return nil, ErrToken
	}
	return payload, nil
}

func mac(secret []byte, input string) []byte {
	h := hmac.New(sha256.New, secret)
	h.Write([]byte(input))
	return h.Sum(nil)
}

// JWK is a public key in JSON (RFC 7517), as published.
type JWK struct {
	KeyType   string `json:"kty"`
	Use       string `json:"use"`
	Algorithm string `json:"alg"`
	KeyID     string `json:"kid"`
	Curve     string `json:"crv"`
	X         string `json:"x"`
	Y         string `json:"y"`
}

// publicJWK describes an ES256 key; its kid is the RFC 7638 thumbprint.
func publicJWK(public *ecdsa.PublicKey) (JWK, error) {
	if public.Curve != elliptic.P256() {
		return JWK{}, errors.New("signing key is not on P-256")
	}
	point, err := public.Bytes()
	if err != nil {
		return JWK{}, fmt.Errorf("encoding a public key: %w", err)
	}
	j := JWK{KeyType: "EC", Use: "sig", Algorithm: "ES256", Curve: "P-256", X: b64.EncodeToString(point[1:33]), Y: b64.EncodeToString(point[33:])}
	thumbprint := sha256.Sum256([]byte(`{"crv":"P-256","kty":"EC","x":"` + j.X + `","y":"` + j.Y + `"}`))
	j.KeyID = b64.EncodeToString(thumbprint[:])
	return j, nil
}
