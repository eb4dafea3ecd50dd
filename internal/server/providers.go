package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/fluxbase/fluxbase/internal/config"
	"github.com/fluxbase/fluxbase/internal/keyring"
	"github.com/fluxbase/fluxbase/internal/keyring/awskms"
	"github.com/fluxbase/fluxbase/internal/keyring/azurekeyvault"
	"github.com/fluxbase/fluxbase/internal/keyring/gcpkms"
	"github.com/fluxbase/fluxbase/internal/keyring/vault"
)

// providerTimeout bounds one call to a key management service.
const providerTimeout = 10 * time.Second

// openProvider makes what wraps keys under one of a key management service. It
// may be another provider than the configured one, of keys that it wrapped
// before.
func openProvider(ctx context.Context, c *config.Config, provider string) (keyring.Wrapper, error) {
	e := c.Security.Encryption
	switch provider {
	case config.ProviderVault:
		client, err := vaultClient(c)
		if err != nil {
			return nil, err
		}
		return &vault.Transit{Client: client, Mount: e.Vault.TransitMount, Key: e.KMSKeyID}, nil
	case config.ProviderAWS:
		return awskms.New(ctx, awskms.Config{KeyID: e.KMSKeyID, Region: e.KMSRegion, Endpoint: e.KMSEndpoint}, nil)
	case config.ProviderGoogle:
		return gcpkms.New(ctx, gcpkms.Config{KeyID: e.KMSKeyID, Endpoint: e.KMSEndpoint}, nil)
	case config.ProviderAzure:
		return azurekeyvault.New(ctx, azurekeyvault.Config{KeyID: e.KMSKeyID, Endpoint: e.KMSEndpoint}, nil)
	default:
		return nil, fmt.Errorf("there is no provider %q", provider)
	}
}

// keyInVault reads a key that the configuration refers to.
func keyInVault(ctx context.Context, c *config.Config, path, field string) ([]byte, error) {
	client, err := vaultClient(c)
	if err != nil {
		return nil, err
	}
	text, err := client.ReadKey(ctx, path, field)
	if err != nil {
		return nil, err
	}
	return config.DecodeKey(text)
}

func vaultClient(c *config.Config) (*vault.Client, error) {
	v := c.Security.Encryption.Vault
	transport, err := trusting(v.CAFile)
	if err != nil {
		return nil, err
	}
	return &vault.Client{
		Address: v.Address, Token: v.Token.Reveal(), Namespace: v.Namespace,
		HTTP: &http.Client{Timeout: providerTimeout, Transport: transport},
	}, nil
}

// trusting makes a transport that believes the authorities of a PEM file, or
// those of the system for "".
func trusting(caFile string) (http.RoundTripper, error) {
	t := &http.Transport{TLSHandshakeTimeout: 5 * time.Second, ForceAttemptHTTP2: true, Proxy: http.ProxyFromEnvironment}
	if caFile == "" {
		return t, nil
	}
	text, err := os.ReadFile(caFile) //nolint:gosec // the operator names it
	if err != nil {
		return nil, fmt.Errorf("reading the certificates for Vault: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, errors.New("security.encryption.vault.ca_file holds no certificate")
	}
	t.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	return t, nil
}
