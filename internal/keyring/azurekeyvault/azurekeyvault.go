// Package azurekeyvault wraps data keys under a key of Azure Key Vault or of an
// Azure Managed HSM: RSA with RSA-OAEP-256, symmetric ones with A256KW.
//
// Azure wraps keys and authenticates nothing besides. So it wraps an intermediate
// key, made for this one ciphertext, and the data key is sealed under that with the
// binding. What is kept is the id of the key with its version: rotated keys open
// what their older versions wrapped.
//
// https://learn.microsoft.com/en-us/rest/api/keyvault/keys/wrap-key/wrap-key
package azurekeyvault

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/fluxbase/fluxbase/internal/keyring"
	"github.com/fluxbase/fluxbase/internal/keyring/remote"
)

// Config says which key, and where.
type Config struct {
	KeyID      string                 // https://NAME.vault.azure.net/keys/KEY, with /VERSION or for the latest
	Endpoint   string                 // of a private or local service, with TLS; empty for that of the key id
	Credential azcore.TokenCredential // nil for the one that all Azure tools find
}

// Wrapper implements keyring.Wrapper. Its caller needs get, wrapKey and unwrapKey
// on keys, which are the role Key Vault Crypto Service Encryption User.
type Wrapper struct {
	client *azkeys.Client
	key    keyName
}

// keyName is a key id in its parts.
type keyName struct {
	host, name, version string
}

var keyID = regexp.MustCompile(`^https://([A-Za-z0-9.-]+(?::[0-9]+)?)/keys/([A-Za-z0-9-]{1,127})(?:/([A-Za-z0-9]{1,64}))?$`)

func parse(id string) (keyName, bool) {
	parts := keyID.FindStringSubmatch(id)
	if parts == nil {
		return keyName{}, false
	}
	return keyName{parts[1], parts[2], parts[3]}, true
}

// New finds credentials and asks nothing of Azure. A nil client is that of the SDK.
func New(_ context.Context, c Config, client *http.Client) (*Wrapper, error) {
	key, ok := parse(c.KeyID)
	if !ok {
		return nil, fmt.Errorf("azure_key_vault: key %q: want https://NAME.vault.azure.net/keys/KEY", c.KeyID)
	}
	vault := "https://" + key.host
	if c.Endpoint != "" {
		vault = c.Endpoint
	}
	if endpoint, err := url.Parse(vault); err != nil || endpoint.Host == "" || endpoint.Scheme != "https" {
		return nil, errors.New("azure_key_vault: the endpoint is not one of https://HOST")
	}
	options := azcore.ClientOptions{Retry: policy.RetryOptions{
		MaxRetries: remote.Tries - 1, RetryDelay: remote.Pause, MaxRetryDelay: 2 * remote.Pause,
	}}
	if client != nil {
		options.Transport = remote.Straight(client)
	}
	if c.Credential == nil {
		found, err := azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{ClientOptions: options})
		if err != nil {
			return nil, fmt.Errorf("azure_key_vault: find credentials: %w", remote.Brief(err))
		}
		c.Credential = found
	}
	made, err := azkeys.NewClient(vault, c.Credential, &azkeys.ClientOptions{
		ClientOptions: options,
		// A challenge names the domain of Azure, which another endpoint is not in.
		DisableChallengeResourceVerification: c.Endpoint != "",
	})
	if err != nil {
		return nil, fmt.Errorf("azure_key_vault: key %s: %w", c.KeyID, remote.Brief(err))
	}
	return &Wrapper{client: made, key: key}, nil
}

// Wrap implements keyring.Wrapper. The key id is that of the key with its version.
func (w *Wrapper) Wrap(ctx context.Context, dataKey []byte, binding map[string]string) (keyring.Wrapped, error) {
	ctx, cancel := context.WithTimeout(ctx, remote.Timeout)
	defer cancel()
	intermediate := make([]byte, keyring.KeySize)
	_, _ = rand.Read(intermediate) // crypto/rand.Read never fails: it ends the program instead
	defer clear(intermediate)
	id, e, err := w.wrap(ctx, intermediate)
	if err != nil {
		return keyring.Wrapped{}, fmt.Errorf("azure_key_vault: wrap with key %s: %w", w.key, describe(err))
	}
	return keyring.Wrapped{KeyID: id, Ciphertext: e.seal(intermediate, dataKey, binding)}, nil
}

// wrap asks for the kind of the key first, which says how it wraps.
func (w *Wrapper) wrap(ctx context.Context, intermediate []byte) (string, envelope, error) {
	got, err := w.client.GetKey(ctx, w.key.name, w.key.version, nil)
	if err != nil {
		return "", envelope{}, err
	}
	if got.Key == nil || got.Key.KID == nil || got.Key.Kty == nil {
		return "", envelope{}, errNotAnswered
	}
	e := envelope{}
	switch *got.Key.Kty {
	case azkeys.KeyTypeRSA, azkeys.KeyTypeRSAHSM:
		e.algorithm = rsaOAEP256
	case azkeys.KeyTypeOct, azkeys.KeyTypeOctHSM:
		e.algorithm = a256KW
	default:
		return "", envelope{}, fmt.Errorf("a key of type %s cannot wrap: make one of type RSA, or oct-HSM of 256 bits", remote.Reason(string(*got.Key.Kty)))
	}
	name := algorithms[e.algorithm]
	wrapped, err := w.client.WrapKey(ctx, w.key.name, got.Key.KID.Version(), azkeys.KeyOperationParameters{Algorithm: &name, Value: intermediate}, nil)
	if err != nil {
		return "", envelope{}, err
	}
	if wrapped.KID == nil || len(wrapped.Result) == 0 || len(wrapped.Result) > maxWrapped {
		return "", envelope{}, errNotAnswered
	}
	id := string(*wrapped.KID)
	if key, ok := parse(id); !ok || key.host != w.key.host || key.version == "" {
		return "", envelope{}, errNotAnswered
	}
	e.wrapped = wrapped.Result
	return id, e, nil
}

// Unwrap implements keyring.Wrapper, with the version that wrapped, which must be
// of the same vault: nobody else gets to see the credential.
func (w *Wrapper) Unwrap(ctx context.Context, wrapped keyring.Wrapped, binding map[string]string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, remote.Timeout)
	defer cancel()
	dataKey, err := w.unwrap(ctx, wrapped, binding)
	if err != nil {
		return nil, fmt.Errorf("azure_key_vault: unwrap with key %s: %w", wrapped.KeyID, describe(err))
	}
	return dataKey, nil
}

func (w *Wrapper) unwrap(ctx context.Context, wrapped keyring.Wrapped, binding map[string]string) ([]byte, error) {
	key, ok := parse(wrapped.KeyID)
	if !ok || key.host != w.key.host || key.version == "" {
		return nil, fmt.Errorf("that is not a key with its version of https://%s", w.key.host)
	}
	e, sealed, ok := split(wrapped.Ciphertext)
	if !ok {
		return nil, keyring.ErrNotOpened
	}
	name := algorithms[e.algorithm]
	got, err := w.client.UnwrapKey(ctx, key.name, key.version, azkeys.KeyOperationParameters{Algorithm: &name, Value: e.wrapped}, nil)
	if err != nil {
		if isDamaged(err) {
			return nil, keyring.ErrNotOpened
		}
		return nil, err
	}
	switch len(got.Result) {
	case keyring.KeySize:
	case 0:
		return nil, errNotAnswered
	default:
		return nil, keyring.ErrNotOpened // Azure opened it, and it is no key of ours
	}
	defer clear(got.Result)
	return e.open(got.Result, sealed, binding)
}

// String is the id of a key.
func (k keyName) String() string {
	id := "https://" + k.host + "/keys/" + k.name
	if k.version != "" {
		id += "/" + k.version
	}
	return id
}
