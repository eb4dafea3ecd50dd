package kmstest

import (
	"bytes"
	"encoding/json"
	"hash/crc32"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// GCPKey is a key of every GCP.
const GCPKey = "projects/test/locations/europe-west3/keyRings/fluxbase/cryptoKeys/secrets"

// GCP is encrypt and decrypt of Google Cloud KMS, and the token endpoint before
// it: service accounts, checksums, versions of keys, and associated data that is
// authenticated.
//
// https://cloud.google.com/kms/docs/reference/rest/v1/projects.locations.keyRings.cryptoKeys/encrypt
// https://cloud.google.com/kms/docs/reference/rest/v1/projects.locations.keyRings.cryptoKeys/decrypt
type GCP struct {
	*Server

	account *serviceAccount
	mu      sync.Mutex
	keys    map[string]*gcpKey // by name
}

type gcpKey struct {
	versions []vessel // the last is the primary one
	disabled bool
}

// NewGCP starts a service with the key GCPKey.
func NewGCP(tb testing.TB) *GCP {
	tb.Helper()
	g := &GCP{account: newServiceAccount(tb), keys: map[string]*gcpKey{}}
	g.Server = newServer(tb, g, func(w http.ResponseWriter, f Failure) { gcpFailures[f].write(w) })
	g.Key(GCPKey)
	return g
}

// Key makes another key.
func (g *GCP) Key(name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.keys[name] = &gcpKey{versions: []vessel{newVessel()}}
}

// Rotate gives a key a new primary version.
func (g *GCP) Rotate(name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.keys[name].versions = append(g.keys[name].versions, newVessel())
}

// Disable makes the versions of a key refuse to work, or work again.
func (g *GCP) Disable(name string, disabled bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.keys[name].disabled = disabled
}

type gcpRequest struct {
	Plaintext                         []byte `json:"plaintext"`
	PlaintextCRC32C                   *int64 `json:"plaintextCrc32c,string"`
	Ciphertext                        []byte `json:"ciphertext"`
	CiphertextCRC32C                  *int64 `json:"ciphertextCrc32c,string"`
	AdditionalAuthenticatedData       []byte `json:"additionalAuthenticatedData"`
	AdditionalAuthenticatedDataCRC32C *int64 `json:"additionalAuthenticatedDataCrc32c,string"`
}

type gcpEncrypted struct {
	Name               string `json:"name"`
	Ciphertext         []byte `json:"ciphertext"`
	CiphertextCRC32C   int64  `json:"ciphertextCrc32c,string"`
	VerifiedPlaintext  bool   `json:"verifiedPlaintextCrc32c"`
	VerifiedAssociated bool   `json:"verifiedAdditionalAuthenticatedDataCrc32c"`
	ProtectionLevel    string `json:"protectionLevel"`
}

type gcpDecrypted struct {
	Plaintext       []byte `json:"plaintext"`
	PlaintextCRC32C int64  `json:"plaintextCrc32c,string"`
	UsedPrimary     bool   `json:"usedPrimary"`
	ProtectionLevel string `json:"protectionLevel"`
}

func (g *GCP) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/token" {
		g.account.serveToken(w, r, g.URL)
		return
	}
	answer, failure := g.answer(r)
	if failure != nil {
		failure.write(w)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	_ = json.NewEncoder(w).Encode(answer)
}

func (g *GCP) answer(r *http.Request) (any, *gcpError) {
	if !g.account.knows(r.Header.Get("Authorization")) {
		return nil, &gcpError{http.StatusUnauthorized, "UNAUTHENTICATED", "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential."}
	}
	name, operation, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v1/"), ":")
	g.mu.Lock()
	defer g.mu.Unlock()
	key := g.keys[name]
	switch {
	case r.Method != http.MethodPost || operation != "encrypt" && operation != "decrypt":
		return nil, &gcpError{http.StatusNotFound, "NOT_FOUND", "Method not found."}
	case key == nil:
		return nil, &gcpError{http.StatusNotFound, "NOT_FOUND", "CryptoKey " + name + " not found."}
	case key.disabled:
		return nil, &gcpError{http.StatusBadRequest, "FAILED_PRECONDITION", name + "/cryptoKeyVersions/1 is not enabled, current state is: DISABLED."}
	}
	var in gcpRequest
	strict := json.NewDecoder(r.Body)
	strict.DisallowUnknownFields()
	if err := strict.Decode(&in); err != nil {
		return nil, &gcpError{http.StatusBadRequest, "INVALID_ARGUMENT", "Invalid JSON payload received."}
	}
	for _, part := range []struct {
		data []byte
		sum  *int64
	}{{in.Plaintext, in.PlaintextCRC32C}, {in.Ciphertext, in.CiphertextCRC32C}, {in.AdditionalAuthenticatedData, in.AdditionalAuthenticatedDataCRC32C}} {
		if part.sum != nil && *part.sum != crc32c(part.data) {
			return nil, &gcpError{http.StatusBadRequest, "INVALID_ARGUMENT", "The checksum in a field did not match the data in its field."}
		}
	}
	if operation == "encrypt" {
		return key.encrypt(name, in)
	}
	return key.decrypt(in)
}

func (k *gcpKey) encrypt(name string, in gcpRequest) (any, *gcpError) {
	if len(in.Plaintext) == 0 || in.Ciphertext != nil || in.CiphertextCRC32C != nil {
		return nil, &gcpError{http.StatusBadRequest, "INVALID_ARGUMENT", "The plaintext must be set, and nothing else."}
	}
	n := len(k.versions)
	sealed := k.versions[n-1].seal(in.Plaintext, in.AdditionalAuthenticatedData)
	return gcpEncrypted{
		Name: name + "/cryptoKeyVersions/" + strconv.Itoa(n), Ciphertext: sealed, CiphertextCRC32C: crc32c(sealed),
		VerifiedPlaintext:  in.PlaintextCRC32C != nil,
		VerifiedAssociated: in.AdditionalAuthenticatedDataCRC32C != nil,
		ProtectionLevel:    "SOFTWARE",
	}, nil
}

func (k *gcpKey) decrypt(in gcpRequest) (any, *gcpError) {
	if in.Plaintext != nil || in.PlaintextCRC32C != nil {
		return nil, &gcpError{http.StatusBadRequest, "INVALID_ARGUMENT", "The ciphertext must be set, and nothing else."}
	}
	for i, version := range k.versions {
		if plaintext, ok := version.open(in.Ciphertext, in.AdditionalAuthenticatedData); ok {
			return gcpDecrypted{plaintext, crc32c(plaintext), i == len(k.versions)-1, "SOFTWARE"}, nil
		}
		if version.made(in.Ciphertext) {
			return nil, &gcpError{http.StatusBadRequest, "INVALID_ARGUMENT", "Decryption failed: the ciphertext is invalid."}
		}
	}
	return nil, &gcpError{http.StatusBadRequest, "INVALID_ARGUMENT", "Decryption failed: verify that 'name' refers to the correct CryptoKey."}
}

func crc32c(data []byte) int64 {
	return int64(crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli)))
}

// gcpError is an error of Google's APIs.
//
// https://cloud.google.com/apis/design/errors
type gcpError struct {
	code            int
	status, message string
}

var gcpFailures = map[Failure]gcpError{
	Unavailable: {http.StatusServiceUnavailable, "UNAVAILABLE", "The service is currently unavailable."},
	Denied:      {http.StatusForbidden, "PERMISSION_DENIED", "Permission 'cloudkms.cryptoKeyVersions.useToEncrypt' denied on resource '" + GCPKey + "' (or it may not exist)."},
	Throttled:   {http.StatusTooManyRequests, "RESOURCE_EXHAUSTED", "Quota exceeded for quota metric 'Cryptographic requests'."},
}

func (e gcpError) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(e.code)
	var body bytes.Buffer
	_ = json.NewEncoder(&body).Encode(map[string]any{"error": map[string]any{"code": e.code, "message": e.message, "status": e.status}})
	_, _ = w.Write(body.Bytes())
}
