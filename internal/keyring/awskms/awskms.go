// Package awskms wraps data keys under a symmetric key of AWS Key Management
// Service.
//
// The binding is the encryption context, which AWS authenticates and writes into
// CloudTrail. A key may be named by an alias; what is kept is the ARN that AWS
// answers, so that an alias can move on while old keys still open. Credentials are
// found as all AWS tools find them.
//
// https://docs.aws.amazon.com/kms/latest/APIReference/
package awskms

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"

	"github.com/fluxbase/fluxbase/internal/keyring"
	"github.com/fluxbase/fluxbase/internal/keyring/remote"
)

// Config says which key, and where.
type Config struct {
	KeyID    string // an id, an ARN, alias/NAME, or the ARN of an alias
	Region   string // empty for that of the ARN, or else of the environment
	Endpoint string // of a private or local service; empty for that of the region
}

// Wrapper implements keyring.Wrapper. Its caller needs kms:Encrypt and kms:Decrypt
// on the key, and should have them on no other: what is kept beside a wrapped key
// says which key is asked.
type Wrapper struct {
	client *kms.Client
	keyID  string
}

// maxCiphertext is what AWS takes, in bytes.
const maxCiphertext = 6144

// New finds credentials and makes no request that needs the key. A nil client is
// that of the SDK.
func New(ctx context.Context, c Config, client *http.Client) (*Wrapper, error) {
	if c.KeyID == "" {
		return nil, errors.New("aws_kms: there is no key id")
	}
	if c.Region == "" {
		c.Region = regionOf(c.KeyID)
	}
	loaded, err := config.LoadDefaultConfig(ctx,
		config.WithRegion(c.Region),
		config.WithRetryer(func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) {
				o.MaxAttempts = remote.Tries
				o.MaxBackoff = 2 * remote.Pause
			})
		}))
	if err != nil {
		return nil, fmt.Errorf("aws_kms: load the AWS configuration: %w", remote.Brief(err))
	}
	if loaded.Region == "" {
		return nil, fmt.Errorf("aws_kms: key %s: there is no region: set security.encryption.kms_region or AWS_REGION, or name the key by its ARN", c.KeyID)
	}
	return &Wrapper{
		client: kms.NewFromConfig(loaded, func(o *kms.Options) {
			if c.Endpoint != "" {
				o.BaseEndpoint = &c.Endpoint
			}
			if client != nil { // not for credentials, whose client knows AWS_CA_BUNDLE
				o.HTTPClient = remote.Straight(client)
			}
		}),
		keyID: c.KeyID,
	}, nil
}

// Wrap implements keyring.Wrapper. The key id is the ARN of the key.
func (w *Wrapper) Wrap(ctx context.Context, dataKey []byte, binding map[string]string) (keyring.Wrapped, error) {
	ctx, cancel := context.WithTimeout(ctx, remote.Timeout)
	defer cancel()
	got, err := w.client.Encrypt(ctx, &kms.EncryptInput{KeyId: &w.keyID, Plaintext: dataKey, EncryptionContext: binding})
	if err == nil && (aws.ToString(got.KeyId) == "" || len(got.CiphertextBlob) == 0) {
		err = errNotAnswered
	}
	if err != nil {
		return keyring.Wrapped{}, fmt.Errorf("aws_kms: wrap with key %s: %w", w.keyID, describe(err))
	}
	return keyring.Wrapped{KeyID: *got.KeyId, Ciphertext: got.CiphertextBlob}, nil
}

// Unwrap implements keyring.Wrapper, with the key that wrapped and no other.
func (w *Wrapper) Unwrap(ctx context.Context, wrapped keyring.Wrapped, binding map[string]string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, remote.Timeout)
	defer cancel()
	if n := len(wrapped.Ciphertext); n == 0 || n > maxCiphertext {
		return nil, fmt.Errorf("aws_kms: unwrap with key %s: %w", wrapped.KeyID, keyring.ErrNotOpened)
	}
	got, err := w.client.Decrypt(ctx, &kms.DecryptInput{
		KeyId: &wrapped.KeyID, CiphertextBlob: wrapped.Ciphertext, EncryptionContext: binding,
	})
	if err == nil && len(got.Plaintext) == 0 {
		err = errNotAnswered
	}
	if err != nil {
		return nil, fmt.Errorf("aws_kms: unwrap with key %s: %w", wrapped.KeyID, describe(err))
	}
	return got.Plaintext, nil
}

var errNotAnswered = errors.New("the answer is not one of AWS: is the endpoint right?")

// describe keeps what AWS says for itself. What follows the first line may be the
// signed request, session token and all.
func describe(err error) error {
	var damaged *types.InvalidCiphertextException
	var other *types.IncorrectKeyException
	if errors.As(err, &damaged) || errors.As(err, &other) {
		return keyring.ErrNotOpened
	}
	if said, ok := errors.AsType[smithy.APIError](err); ok {
		if reason := remote.Reason(said.ErrorMessage()); reason != "" {
			return fmt.Errorf("%s: %s", said.ErrorCode(), reason)
		}
		return errors.New(said.ErrorCode())
	}
	if sent, ok := errors.AsType[*url.Error](err); ok { // without the story of its tries
		return remote.Brief(sent)
	}
	return remote.Brief(err)
}

// regionOf is the region that an ARN names: arn:aws:kms:REGION:ACCOUNT:key/ID.
func regionOf(keyID string) string {
	if parts := strings.Split(keyID, ":"); len(parts) == 6 && parts[0] == "arn" {
		return parts[3]
	}
	return ""
}
