package config

import (
	"net/url"
	"regexp"
	"slices"

	"github.com/fluxbase/fluxbase/internal/config/setting"
)

// keyIDs is the form of kms_key_id for each provider, as far as it is certain,
// and how to say it.
var keyIDs = map[string]struct {
	form  *regexp.Regexp
	words string
}{
	ProviderAWS:    {regexp.MustCompile(`^\S+$`), "a key id, an ARN or alias/NAME"},
	ProviderGoogle: {regexp.MustCompile(`^projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+$`), "projects/P/locations/L/keyRings/R/cryptoKeys/K"},
	ProviderAzure:  {regexp.MustCompile(`^https://[A-Za-z0-9.-]+(?::[0-9]+)?/keys/[A-Za-z0-9-]+(?:/[A-Za-z0-9]+)?$`), "https://NAME.vault.azure.net/keys/KEY, with /VERSION or without"},
	ProviderVault:  {regexp.MustCompile(`^\w(?:[\w.-]*\w)?$`), "the name of a transit key, without a slash"},
}

// together refuses values that are sound one by one and not together, whatever
// the environment.
func (c *Config) together(r *setting.Reading) {
	const keyID, active = "security.encryption.kms_key_id", "security.encryption.active_key_version"
	e := c.Security.Encryption
	switch id, remote := keyIDs[e.Provider]; {
	case !remote:
	case e.KMSKeyID == "":
		r.Refuse(c.place("security.encryption.provider"), keyID, "is not set: the provider "+e.Provider+" needs it, "+id.words)
	case !id.form.MatchString(e.KMSKeyID):
		r.Refuse(c.place(keyID), keyID, "must be, for the provider "+e.Provider+", "+id.words)
	}
	if e.ActiveKeyVersion != 0 && e.Provider == ProviderLocal && !e.KeyRotation.Enabled && !c.hasVersion(e.ActiveKeyVersion) {
		r.Refuse(c.place(active), active, "has no key: no place gives a key of that version, and key_rotation, which could have generated one, is not enabled")
	}
	c.listening(r)
	if c.RateLimit.Backend == BackendRedis {
		if p, wrong := r.Unfit["ratelimit.redis.url"]; wrong && c.Source("ratelimit.redis.url") == setting.FromDefault {
			r.Problems = append(r.Problems, p)
		}
	}
	if c.usesVault() {
		for _, key := range []string{"address", "token", "namespace", "ca_file"} {
			key = "security.encryption.vault." + key
			if p, wrong := r.Unfit[key]; wrong && c.Source(key) == setting.FromDefault {
				r.Problems = append(r.Problems, p)
			}
		}
	}
}

// listening refuses a listener that could not work, or that would believe everybody.
func (c *Config) listening(r *setting.Reading) {
	s := c.Server
	refuse := func(key, detail string) { r.Refuse(c.place(key), key, detail) }
	if s.ProxyProtocol && len(s.TrustedProxies) == 0 {
		refuse("server.proxy_protocol", "needs server.trusted_proxies: nobody else may say whose a connection is")
	}
	if (s.TLS.CertFile == "") != (s.TLS.KeyFile == "") {
		refuse("server.tls.cert_file", "and server.tls.key_file go together")
	}
	if !s.TLS.Enabled() {
		if s.TLS.RedirectAddress != "" {
			refuse("server.tls.redirect_address", "leads to https, which needs server.tls.cert_file or server.tls.acme.domains")
		}
		return
	}
	if isPlainHTTP(c.PublicURL) {
		refuse("public_url", "is http, and server.tls makes it https")
	}
	a := s.TLS.ACME
	if len(a.Domains) == 0 {
		return
	}
	if !a.AcceptTerms {
		refuse("server.tls.acme.accept_terms", "is not true: read the authority's terms of service and accept them")
	}
	if u, err := url.Parse(c.PublicURL); err == nil && c.PublicURL != "" && !slices.Contains(a.Domains, u.Hostname()) {
		refuse("server.tls.acme.domains", "lacks the name in public_url")
	}
}

// hasVersion reports whether there is a key of a version, or will be: where
// none is configured, a development server makes one for itself, which is 1.
func (c *Config) hasVersion(version int) bool {
	keys := c.EncryptionKeys()
	for _, k := range keys {
		if int(k.Version) == version {
			return true
		}
	}
	return len(keys) == 0 && version == 1
}

// usesVault reports whether anything has to be asked of Vault.
func (c *Config) usesVault() bool {
	for _, k := range c.EncryptionKeys() {
		if _, _, inVault := k.VaultPath(); inVault {
			return true
		}
	}
	return c.Security.Encryption.Provider == ProviderVault
}

// place is Source for the place of a problem: a default is no place.
func (c *Config) place(key string) string {
	if source := c.Source(key); source != setting.FromDefault {
		return source
	}
	return ""
}
