package vault

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/fluxbase/fluxbase/internal/keyring"
	"github.com/fluxbase/fluxbase/internal/keyring/remote"
)

// Transit wraps data keys under a key of a transit engine, one that authenticates
// associated data: aes256-gcm96, aes128-gcm96 or chacha20-poly1305. Its token needs
// update on MOUNT/encrypt/KEY and MOUNT/decrypt/KEY; with read on MOUNT/keys/KEY, a
// key that is not there is an error even for a token that may create it.
//
// The key may be rotated in Vault; what older versions wrapped still opens.
type Transit struct {
	Client *Client
	Mount  string // where the engine is; empty is transit
	Key    string
}

// The name and version that Vault writes before its ciphertext. It takes v0 for v1.
var sealed = regexp.MustCompile(`^vault:v[1-9][0-9]*:[A-Za-z0-9+/]+=*$`)

// Wrap implements keyring.Wrapper. The key id is MOUNT/KEY.
func (t *Transit) Wrap(ctx context.Context, dataKey []byte, binding map[string]string) (keyring.Wrapped, error) {
	ctx, cancel := context.WithTimeout(ctx, remote.Timeout)
	defer cancel()
	mount := strings.Trim(t.Mount, "/")
	if mount == "" {
		mount = "transit"
	}
	id := mount + "/" + t.Key
	if err := t.exists(ctx, mount, t.Key); err != nil {
		return keyring.Wrapped{}, fmt.Errorf("vault: wrap with key %s: %w", id, err)
	}
	var wrapped struct {
		Ciphertext string `json:"ciphertext"`
	}
	err := t.call(ctx, "encrypt", id, map[string][]byte{
		"plaintext": dataKey, "associated_data": keyring.EncodeBinding(binding),
	}, &wrapped)
	if err == nil && !sealed.MatchString(wrapped.Ciphertext) {
		err = errNotAnswered
	}
	if err != nil {
		return keyring.Wrapped{}, fmt.Errorf("vault: wrap with key %s: %w", id, err)
	}
	return keyring.Wrapped{KeyID: id, Ciphertext: []byte(wrapped.Ciphertext)}, nil
}

// Unwrap implements keyring.Wrapper, with the key that wrapped.
func (t *Transit) Unwrap(ctx context.Context, wrapped keyring.Wrapped, binding map[string]string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, remote.Timeout)
	defer cancel()
	if !sealed.Match(wrapped.Ciphertext) {
		return nil, fmt.Errorf("vault: unwrap with key %s: %w", wrapped.KeyID, keyring.ErrNotOpened)
	}
	var opened struct {
		Plaintext []byte `json:"plaintext"`
	}
	err := t.call(ctx, "decrypt", wrapped.KeyID, map[string]any{
		"ciphertext": string(wrapped.Ciphertext), "associated_data": keyring.EncodeBinding(binding),
	}, &opened)
	if err == nil && len(opened.Plaintext) == 0 {
		err = errNotAnswered
	}
	if err != nil {
		return nil, fmt.Errorf("vault: unwrap with key %s: %w", wrapped.KeyID, err)
	}
	return opened.Plaintext, nil
}

// exists refuses a key that is not there. Vault makes one when it is told to
// encrypt and the token may create, so that a name with a typing error would wrap.
func (t *Transit) exists(ctx context.Context, mount, key string) error {
	path, err := escape(mount + "/keys/" + key)
	if err != nil {
		return err
	}
	got, err := t.Client.send(ctx, http.MethodGet, path, nil)
	switch {
	case err != nil:
		return err
	case got.status == http.StatusForbidden || got.status == http.StatusOK: // encrypt says whether the token is good
		return nil
	case got.status == http.StatusNotFound && got.refused && got.reason == "":
		return missing(mount, key)
	default:
		return t.refusal(got, mount, "read on "+path)
	}
}

// call encrypts or decrypts and decodes the data of the answer.
func (t *Transit) call(ctx context.Context, operation, id string, body, data any) error {
	slash := max(strings.LastIndexByte(id, '/'), 0)
	mount, key := id[:slash], strings.TrimPrefix(id[slash:], "/")
	path, err := escape(mount + "/" + operation + "/" + key)
	if err != nil {
		return err
	}
	got, err := t.Client.send(ctx, http.MethodPost, path, body)
	switch {
	case err != nil:
		return err
	case got.status == http.StatusOK:
		if json.Unmarshal(got.body, &struct {
			Data any `json:"data"`
		}{data}) != nil {
			return errNotAnswered // what it says may hold key material
		}
		return nil
	case got.status == http.StatusBadRequest && strings.Contains(got.reason, "key not found"):
		return missing(mount, key)
	case got.status == http.StatusBadRequest && damaged(got.reason):
		return fmt.Errorf("%w: %s", keyring.ErrNotOpened, got.reason)
	case operation == "encrypt":
		return t.refusal(got, mount, "update on "+path+", or there is no such key")
	default:
		return t.refusal(got, mount, "update on "+path)
	}
}

// damaged tells a ciphertext that does not open from a request that a change of
// Vault's settings would let through.
func damaged(reason string) bool {
	return strings.Contains(reason, "invalid ciphertext") || strings.Contains(reason, "message authentication failed")
}

func missing(mount, key string) error {
	return fmt.Errorf("there is no such key: make it with vault write -f %s/keys/%s", mount, key)
}

func (t *Transit) refusal(got answer, mount, need string) error {
	if got.status == http.StatusNotFound && got.refused {
		return fmt.Errorf("there is no transit engine at %s: enable it with vault secrets enable -path=%s transit", mount, mount)
	}
	return got.refusal(need)
}
