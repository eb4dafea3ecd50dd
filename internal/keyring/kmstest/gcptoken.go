package kmstest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// serviceAccount is who may use the keys of a GCP.
//
// https://developers.google.com/identity/protocols/oauth2/service-account
type serviceAccount struct {
	key    *rsa.PrivateKey
	mu     sync.Mutex
	tokens map[string]bool
}

const gcpAccount = "fluxbase@test.iam.gserviceaccount.com"

func newServiceAccount(tb testing.TB) *serviceAccount {
	tb.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		tb.Fatal(err)
	}
	return &serviceAccount{key: key, tokens: map[string]bool{}}
}

// Token is an access token that the service takes.
func (g *GCP) Token() string { return g.account.issue() }

// Credentials writes the key of a service account, and returns the path of the
// file, for GOOGLE_APPLICATION_CREDENTIALS.
func (g *GCP) Credentials(tb testing.TB) string {
	tb.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(g.account.key)
	if err != nil {
		tb.Fatal(err)
	}
	data, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": "test", "client_email": gcpAccount, "token_uri": g.URL + "/token",
		"private_key_id": "1", "private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	})
	if err != nil {
		tb.Fatal(err)
	}
	path := filepath.Join(tb.TempDir(), "service-account.json")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

func (a *serviceAccount) issue() string {
	random := make([]byte, 16)
	_, _ = rand.Read(random)
	token := "ya29." + hex.EncodeToString(random)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tokens[token] = true
	return token
}

func (a *serviceAccount) knows(authorization string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	token, isBearer := strings.CutPrefix(authorization, "Bearer ")
	return isBearer && a.tokens[token]
}

// serveToken exchanges an assertion for a token.
func (a *serviceAccount) serveToken(w http.ResponseWriter, r *http.Request, url string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	if r.PostFormValue("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" || !a.signed(r.PostFormValue("assertion"), url+"/token") {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"error":"invalid_grant","error_description":"Invalid JWT Signature."}`))
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"access_token": a.issue(), "token_type": "Bearer", "expires_in": 3599})
}

func (a *serviceAccount) signed(assertion, audience string) bool {
	parts := strings.Split(assertion, ".")
	if len(parts) != 3 {
		return false
	}
	payload, payloadErr := base64.RawURLEncoding.DecodeString(parts[1])
	signature, signatureErr := base64.RawURLEncoding.DecodeString(parts[2])
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if payloadErr != nil || signatureErr != nil || rsa.VerifyPKCS1v15(&a.key.PublicKey, crypto.SHA256, digest[:], signature) != nil {
		return false
	}
	var claims struct {
		Issuer   string `json:"iss"`
		Audience string `json:"aud"`
		Scope    string `json:"scope"`
		Expires  int64  `json:"exp"`
	}
	return json.Unmarshal(payload, &claims) == nil && claims.Issuer == gcpAccount && claims.Audience == audience &&
		claims.Scope == "https://www.googleapis.com/auth/cloudkms" && time.Now().Before(time.Unix(claims.Expires, 0))
}
