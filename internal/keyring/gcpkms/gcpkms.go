// Package gcpkms wraps data keys under a symmetric key of Google Cloud KMS.
//
// The binding is additional authenticated data. Both sides verify checksums of all
// that is sent, as Google asks of its callers. Credentials are the Application
// Default Credentials that all Google tools find. Keys may be rotated in Cloud KMS;
// what older versions wrapped still opens while they are enabled.
//
// https://cloud.google.com/kms/docs/reference/rest/v1/projects.locations.keyRings.cryptoKeys/encrypt
package gcpkms

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/go-json-experiment/json"
	"golang.org/x/oauth2"

	"github.com/fluxbase/fluxbase/internal/keyring"
	"github.com/fluxbase/fluxbase/internal/keyring/remote"
)

// Config says which key, and where.
type Config struct {
	KeyID    string             // projects/P/locations/L/keyRings/R/cryptoKeys/K
	Endpoint string             // of a private or local service; empty for Google's
	Tokens   oauth2.TokenSource // nil for the Application Default Credentials
}

// Wrapper implements keyring.Wrapper. Its caller needs
// cloudkms.cryptoKeyVersions.useToEncrypt and useToDecrypt on the key, and should
// have them on no other: what is kept beside a wrapped key says which key is asked.
type Wrapper struct {
	keyID    string
	endpoint string
	tokens   oauth2.TokenSource
	client   *http.Client
}

var keyName = regexp.MustCompile(`^projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+$`)

// New finds credentials and asks nothing of Cloud KMS. A nil client is one without
// a timeout of its own.
func New(ctx context.Context, c Config, client *http.Client) (*Wrapper, error) {
	if !keyName.MatchString(c.KeyID) {
		return nil, fmt.Errorf("gcp_kms: key %q: want projects/P/locations/L/keyRings/R/cryptoKeys/K", c.KeyID)
	}
	if c.Endpoint == "" {
		c.Endpoint = "https://cloudkms.googleapis.com"
	}
	endpoint, err := url.Parse(c.Endpoint)
	if err != nil || endpoint.Host == "" || endpoint.Scheme != "https" && endpoint.Scheme != "http" {
		return nil, errors.New("gcp_kms: the endpoint is not one of https://HOST")
	}
	if c.Tokens == nil {
		if c.Tokens, err = defaultTokens(ctx, client); err != nil {
			return nil, fmt.Errorf("gcp_kms: find credentials: %w", remote.Brief(err))
		}
	}
	return &Wrapper{keyID: c.KeyID, endpoint: strings.TrimSuffix(endpoint.String(), "/"), tokens: c.Tokens, client: client}, nil
}

type encryption struct {
	Plaintext           []byte `json:"plaintext"`
	PlaintextChecksum   int64  `json:"plaintextCrc32c,string"`
	AssociatedData      []byte `json:"additionalAuthenticatedData"`
	AssociatedDataCheck int64  `json:"additionalAuthenticatedDataCrc32c,string"`
}

type encrypted struct {
	Name                   string `json:"name"`
	Ciphertext             []byte `json:"ciphertext"`
	CiphertextChecksum     *int64 `json:"ciphertextCrc32c,string"`
	VerifiedPlaintext      bool   `json:"verifiedPlaintextCrc32c"`
	VerifiedAssociatedData bool   `json:"verifiedAdditionalAuthenticatedDataCrc32c"`
}

type decryption struct {
	Ciphertext          []byte `json:"ciphertext"`
	CiphertextChecksum  int64  `json:"ciphertextCrc32c,string"`
	AssociatedData      []byte `json:"additionalAuthenticatedData"`
	AssociatedDataCheck int64  `json:"additionalAuthenticatedDataCrc32c,string"`
}

type decrypted struct {
	Plaintext         []byte `json:"plaintext"`
	PlaintextChecksum *int64 `json:"plaintextCrc32c,string"`
}

// Wrap implements keyring.Wrapper. The key id is the name of the CryptoKey.
func (w *Wrapper) Wrap(ctx context.Context, dataKey []byte, binding map[string]string) (keyring.Wrapped, error) {
	associated := keyring.EncodeBinding(binding)
	var got encrypted
	err := w.call(ctx, w.keyID, "encrypt", encryption{dataKey, checksum(dataKey), associated, checksum(associated)}, &got)
	switch {
	case err != nil:
	case len(got.Ciphertext) == 0 || !strings.HasPrefix(got.Name+"/", w.keyID+"/"):
		err = errNotAnswered
	case !got.VerifiedPlaintext || !got.VerifiedAssociatedData || !matches(got.CiphertextChecksum, got.Ciphertext):
		err = errDamaged
	}
	if err != nil {
		return keyring.Wrapped{}, fmt.Errorf("gcp_kms: wrap with key %s: %w", w.keyID, err)
	}
	return keyring.Wrapped{KeyID: w.keyID, Ciphertext: got.Ciphertext}, nil
}

// Unwrap implements keyring.Wrapper, with the key that wrapped.
func (w *Wrapper) Unwrap(ctx context.Context, wrapped keyring.Wrapped, binding map[string]string) ([]byte, error) {
	associated := keyring.EncodeBinding(binding)
	var got decrypted
	var err error
	switch {
	case !keyName.MatchString(wrapped.KeyID):
		err = errors.New("that is not the name of a key")
	case len(wrapped.Ciphertext) == 0:
		err = keyring.ErrNotOpened
	default:
		err = w.call(ctx, wrapped.KeyID, "decrypt", decryption{
			wrapped.Ciphertext, checksum(wrapped.Ciphertext), associated, checksum(associated),
		}, &got)
	}
	switch {
	case err != nil:
	case len(got.Plaintext) == 0:
		err = errNotAnswered
	case !matches(got.PlaintextChecksum, got.Plaintext):
		err = errDamaged
	}
	if err != nil {
		return nil, fmt.Errorf("gcp_kms: unwrap with key %s: %w", wrapped.KeyID, err)
	}
	return got.Plaintext, nil
}

var (
	errNotAnswered = errors.New("the answer is not one of Cloud KMS: is the endpoint right?")
	errDamaged     = errors.New("the request or its answer was damaged on the way: checksums differ")
)

// call asks Cloud KMS for one operation of a key.
func (w *Wrapper) call(ctx context.Context, key, operation string, body, into any) error {
	ctx, cancel := context.WithTimeout(ctx, remote.Timeout)
	defer cancel()
	credential, err := token(ctx, w.tokens)
	if err != nil {
		return fmt.Errorf("obtain a token: %w", remote.Brief(err))
	}
	path := (&url.URL{Path: "/v1/" + key + ":" + operation}).EscapedPath()
	answer, err := remote.Do(ctx, w.client, remote.Request{
		Method: http.MethodPost, URL: w.endpoint + path, Body: body,
		Header: http.Header{"Authorization": {credential.Type() + " " + credential.AccessToken}},
	})
	switch {
	case err != nil:
		return err
	case answer.Status != http.StatusOK:
		return describe(answer)
	case json.Unmarshal(answer.Body, into) != nil:
		return errNotAnswered // what it says may hold key material
	}
	return nil
}

// describe keeps what Google says for itself.
func describe(answer remote.Answer) error {
	var said struct {
		Error struct {
			Status  string `json:"status"`
			Message string `json:"message"`
		} `json:"error"`
	}
	if json.Unmarshal(answer.Body, &said) != nil || said.Error.Status == "" {
		return fmt.Errorf("it answered %d", answer.Status)
	}
	reason := remote.Reason(said.Error.Message)
	if said.Error.Status == "INVALID_ARGUMENT" && strings.HasPrefix(reason, "Decryption failed") {
		return fmt.Errorf("%w: %s", keyring.ErrNotOpened, reason)
	}
	return fmt.Errorf("%s: %s", remote.Reason(said.Error.Status), reason)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(data []byte) int64 { return int64(crc32.Checksum(data, castagnoli)) }

func matches(sum *int64, data []byte) bool { return sum != nil && *sum == checksum(data) }
