package kmstest

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
)

type azureKey struct {
	kind     string // RSA or oct-HSM
	disabled bool
	order    []string // names of versions; the last is the latest
	versions map[string]azureVersion
}

// azureVersion has the one that its kind says.
type azureVersion struct {
	rsa *rsa.PrivateKey
	aes cipher.Block
}

// Key makes a key, or a new version of one. The kind is RSA or oct-HSM.
func (a *Azure) Key(name, kind string) {
	v := azureVersion{}
	var err error
	switch kind {
	case "RSA":
		v.rsa, err = rsa.GenerateKey(rand.Reader, 2048)
	case "oct-HSM":
		key := make([]byte, 32)
		_, _ = rand.Read(key)
		v.aes, err = aes.NewCipher(key)
	}
	if err != nil {
		panic(err) // neither can fail
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.keys[name] == nil {
		a.keys[name] = &azureKey{kind: kind, versions: map[string]azureVersion{}}
	}
	version := unguessable()
	a.keys[name].order = append(a.keys[name].order, version)
	a.keys[name].versions[version] = v
}

// Disable makes a key refuse to work, or work again.
func (a *Azure) Disable(name string, disabled bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.keys[name].disabled = disabled
}

func (a *Azure) answer(r *http.Request) (any, *azureError) {
	a.mu.Lock()
	defer a.mu.Unlock()
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	parts = append(parts, "", "", "")[:4] // keys, name, version, operation
	key := a.keys[parts[1]]
	switch {
	case r.URL.Query().Get("api-version") == "" || parts[0] != "keys":
		return nil, &azureError{http.StatusBadRequest, "BadParameter", "", "api-version must be specified"}
	case key == nil:
		return nil, &azureError{http.StatusNotFound, "KeyNotFound", "", "A key with (name/id) " + parts[1] + " was not found in this key vault."}
	}
	version := parts[2]
	if version == "" {
		version = key.order[len(key.order)-1]
	}
	if _, ok := key.versions[version]; !ok {
		return nil, &azureError{http.StatusNotFound, "KeyNotFound", "", "A key with (name/id) " + parts[1] + "/" + version + " was not found in this key vault."}
	}
	kid := azureVault + "/keys/" + parts[1] + "/" + version
	if r.Method == http.MethodGet && parts[3] == "" {
		return map[string]any{
			"key":        map[string]any{"kid": kid, "kty": key.kind, "key_ops": []string{"wrapKey", "unwrapKey"}},
			"attributes": map[string]any{"enabled": !key.disabled},
		}, nil
	}
	return key.operate(r, kid, key.versions[version], parts[3])
}

func (k *azureKey) operate(r *http.Request, kid string, v azureVersion, operation string) (any, *azureError) {
	var in struct {
		Algorithm string `json:"alg"`
		Value     string `json:"value"`
	}
	strict := json.NewDecoder(r.Body)
	strict.DisallowUnknownFields()
	decodeErr := strict.Decode(&in)
	value, err := base64.RawURLEncoding.DecodeString(in.Value)
	switch {
	case k.disabled:
		return nil, &azureError{http.StatusForbidden, "Forbidden", "KeyDisabled", "Operation " + operation + " is not allowed on a disabled key."}
	case r.Method != http.MethodPost || decodeErr != nil || err != nil || len(value) == 0:
		return nil, &azureError{http.StatusBadRequest, "BadParameter", "", "Content of 'value' is not base64url.\r\nProperty 'value' is required.\r\n"}
	case v.rsa != nil && in.Algorithm != "RSA-OAEP-256" || v.aes != nil && in.Algorithm != "A256KW":
		return nil, &azureError{http.StatusBadRequest, "BadParameter", "", "Key and encryption algorithm are incompatible."}
	}
	out, ok := []byte(nil), false
	switch operation {
	case "wrapkey":
		out, ok = v.wrap(value)
	case "unwrapkey":
		out, ok = v.unwrap(value)
	}
	if !ok {
		return nil, &azureError{http.StatusBadRequest, "BadParameter", "", "Error occurred while decoding OAEP padding."}
	}
	return map[string]any{"kid": kid, "value": base64.RawURLEncoding.EncodeToString(out)}, nil
}

func (v azureVersion) wrap(value []byte) ([]byte, bool) {
	if v.rsa == nil {
		return wrapAES(v.aes, value), len(value) >= 16 && len(value)%8 == 0
	}
	wrapped, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, &v.rsa.PublicKey, value, nil)
	return wrapped, err == nil
}

func (v azureVersion) unwrap(value []byte) ([]byte, bool) {
	if v.rsa == nil {
		return unwrapAES(v.aes, value)
	}
	opened, err := rsa.DecryptOAEP(sha256.New(), nil, v.rsa, value, nil)
	return opened, err == nil
}

// azureError is an error of Key Vault.
//
// https://learn.microsoft.com/en-us/azure/key-vault/general/rest-error-codes
type azureError struct {
	status               int
	code, inner, message string
}

var azureFailures = map[Failure]azureError{
	Unavailable: {http.StatusServiceUnavailable, "ServiceUnavailable", "", "The service is temporarily unavailable."},
	Denied:      {http.StatusForbidden, "Forbidden", "ForbiddenByRbac", "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or role definitions were changed recently, please observe propagation time.\r\nCaller: appid=fluxbase"},
	Throttled:   {http.StatusTooManyRequests, "Throttled", "", "Request was not processed because too many requests were received."},
}

func (e azureError) write(w http.ResponseWriter) {
	body := map[string]any{"code": e.code, "message": e.message}
	if e.inner != "" {
		body["innererror"] = map[string]any{"code": e.inner}
	}
	writeAzure(w, e.status, map[string]any{"error": body})
}

func writeAzure(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
