package kmstest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/keyring"
)

// What AWS clients of tests sign with, which are the credentials of AWS's manuals.
const (
	AWSRegion          = "eu-central-1"
	AWSAccessKeyID     = "AKIAIOSFODNN7EXAMPLE"                     //nolint:gosec // published as an example
	AWSSecretAccessKey = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY" //nolint:gosec // published as an example
)

const awsAccount = "111122223333"

// AWS is Encrypt and Decrypt of AWS Key Management Service, for one account in one
// region: the JSON 1.1 protocol, signed requests, symmetric keys, aliases, and
// encryption contexts that are authenticated.
//
// https://docs.aws.amazon.com/kms/latest/APIReference/API_Encrypt.html
// https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html
type AWS struct {
	*Server

	mu      sync.Mutex
	keys    map[string]*awsKey // by id
	aliases map[string]string  // alias/NAME to id
}

type awsKey struct {
	vessel

	arn      string
	disabled bool
}

// NewAWS starts a service whose key has the alias alias/fluxbase-secrets.
func NewAWS(tb testing.TB) *AWS {
	tb.Helper()
	a := &AWS{keys: map[string]*awsKey{}, aliases: map[string]string{}}
	a.Server = newServer(tb, a, func(w http.ResponseWriter, f Failure) { awsFailures[f].write(w) })
	a.Alias("alias/fluxbase-secrets", a.Key())
	return a
}

// AWSEnvironment is what the AWS SDK of a program needs to reach no other account.
func AWSEnvironment() map[string]string {
	return map[string]string{ //nolint:gosec // published as an example
		"AWS_ACCESS_KEY_ID": AWSAccessKeyID, "AWS_SECRET_ACCESS_KEY": AWSSecretAccessKey, "AWS_SESSION_TOKEN": "",
		"AWS_PROFILE": "", "AWS_REGION": "", "AWS_DEFAULT_REGION": "", "AWS_ENDPOINT_URL": "", "AWS_ENDPOINT_URL_KMS": "",
		"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_CA_BUNDLE": "", "AWS_EC2_METADATA_DISABLED": "true",
	}
}

// Key makes another key and returns its ARN.
func (a *AWS) Key() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	keyID := id.New(time.Now()).String()
	a.keys[keyID] = &awsKey{vessel: newVessel(), arn: "arn:aws:kms:" + AWSRegion + ":" + awsAccount + ":key/" + keyID}
	return a.keys[keyID].arn
}

// Alias makes an alias, which begins with alias/, name a key from now on.
func (a *AWS) Alias(alias, arn string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.aliases[alias] = arn[strings.LastIndexByte(arn, '/')+1:]
}

// Disable makes a key refuse to work, or work again.
func (a *AWS) Disable(arn string, disabled bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.keys[arn[strings.LastIndexByte(arn, '/')+1:]].disabled = disabled
}

type awsRequest struct {
	KeyID               string `json:"KeyId"`
	Plaintext           []byte
	CiphertextBlob      []byte
	EncryptionContext   map[string]string
	EncryptionAlgorithm string
	GrantTokens         []string
}

type awsAnswer struct {
	KeyID               string `json:"KeyId"`
	Plaintext           []byte `json:",omitempty"`
	CiphertextBlob      []byte `json:",omitempty"`
	EncryptionAlgorithm string
}

func (a *AWS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer, failure := a.answer(r)
	if failure != nil {
		failure.write(w)
		return
	}
	writeAWS(w, http.StatusOK, answer)
}

func (a *AWS) answer(r *http.Request) (*awsAnswer, *awsError) {
	body, err := io.ReadAll(r.Body)
	switch {
	case err != nil || r.Method != http.MethodPost || r.URL.Path != "/":
		return nil, &awsError{"UnknownOperationException", "", http.StatusNotFound}
	case r.Header.Get("Content-Type") != "application/x-amz-json-1.1":
		return nil, &awsError{"SerializationException", "Content-Type", http.StatusBadRequest}
	}
	if failure := verifyAWS(r, body); failure != nil {
		return nil, failure
	}
	var in awsRequest
	strict := json.NewDecoder(bytes.NewReader(body))
	strict.DisallowUnknownFields()
	if strict.Decode(&in) != nil {
		return nil, &awsError{"SerializationException", "", http.StatusBadRequest}
	}
	key, failure := a.find(in.KeyID)
	if failure != nil {
		return nil, failure
	}
	switch r.Header.Get("X-Amz-Target") {
	case "TrentService.Encrypt":
		if len(in.Plaintext) == 0 || len(in.Plaintext) > 4096 {
			return nil, &awsError{"ValidationException", "1 validation error detected: Value at 'plaintext' failed to satisfy constraint", http.StatusBadRequest}
		}
		blob := key.seal(in.Plaintext, keyring.EncodeBinding(in.EncryptionContext))
		return &awsAnswer{KeyID: key.arn, CiphertextBlob: blob, EncryptionAlgorithm: "SYMMETRIC_DEFAULT"}, nil
	case "TrentService.Decrypt":
		return a.decrypt(key, in)
	default:
		return nil, &awsError{"UnknownOperationException", "", http.StatusBadRequest}
	}
}

func (a *AWS) decrypt(key *awsKey, in awsRequest) (*awsAnswer, *awsError) {
	if len(in.CiphertextBlob) == 0 || len(in.CiphertextBlob) > 6144 {
		return nil, &awsError{"ValidationException", "1 validation error detected: Value at 'ciphertextBlob' failed to satisfy constraint", http.StatusBadRequest}
	}
	plaintext, ok := key.open(in.CiphertextBlob, keyring.EncodeBinding(in.EncryptionContext))
	if ok {
		return &awsAnswer{KeyID: key.arn, Plaintext: plaintext, EncryptionAlgorithm: "SYMMETRIC_DEFAULT"}, nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, other := range a.keys {
		if other != key && other.made(in.CiphertextBlob) {
			return nil, &awsError{"IncorrectKeyException", "The key ID in the request does not identify a CMK that can perform this operation.", http.StatusBadRequest}
		}
	}
	return nil, &awsError{"InvalidCiphertextException", "", http.StatusBadRequest}
}

// find takes all that AWS takes for a key: an id, an alias, or the ARN of either.
func (a *AWS) find(name string) (*awsKey, *awsError) {
	a.mu.Lock()
	defer a.mu.Unlock()
	short := name
	if rest, isARN := strings.CutPrefix(name, "arn:aws:kms:"+AWSRegion+":"+awsAccount+":"); isARN {
		short = strings.TrimPrefix(rest, "key/")
	}
	if strings.HasPrefix(short, "alias/") {
		target, ok := a.aliases[short]
		if !ok {
			return nil, &awsError{"NotFoundException", "Alias arn:aws:kms:" + AWSRegion + ":" + awsAccount + ":" + short + " is not found.", http.StatusBadRequest}
		}
		short = target
	}
	key := a.keys[short]
	switch {
	case name == "":
		return nil, &awsError{"ValidationException", "1 validation error detected: Value at 'keyId' failed to satisfy constraint", http.StatusBadRequest}
	case key == nil:
		return nil, &awsError{"NotFoundException", "Key '" + name + "' does not exist", http.StatusBadRequest}
	case key.disabled:
		return nil, &awsError{"DisabledException", key.arn + " is disabled.", http.StatusBadRequest}
	}
	return key, nil
}
