package config

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"
)

const (
	otherKey   = "d3079e5ab1c84f26906d7ffa13b28e4c5580ef1c97a24b3d6e02df7419c8ab60"
	goodKey    = "6b1f0c52a8d94e7793be02c6f14d5a88e7209c3b5df64a1182ce97b0436dfa15"
	goodSecret = "q7Vt2mXc9LwZ4rBk8HsN1dJf6GyP3aTe"             // 190 bits: a key for encryption, too little for tokens
	goodToken  = "Zk3vT9qLr7XwB2mNc8YdJ5hGs1PfUa4eKo6ViRtQx0Wb" // a secret for tokens
)

// sound is a configuration that production accepts, with changes.
func sound(t *testing.T, changes ...string) *Config {
	t.Helper()
	m := map[string]string{
		"public_url": "https://api.example.com", "secret_key": goodKey,
		"database.url": "postgres://owner:pw@db/app", "auth.jwt.secret": goodToken,
	}
	for i := 0; i+1 < len(changes); i += 2 {
		m[changes[i]] = changes[i+1]
	}
	c, err := Load(Sources{Flags: m})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestValidate(t *testing.T) {
	t.Parallel()
	const example = "flag: auth.jwt.secret is a known example: make one with openssl rand -base64 48, or leave it out; production refuses it"
	const pattern = "flag: secret_key is a pattern or a known example: make one with openssl rand -hex 32; production refuses it"
	tests := map[string]struct {
		changes []string
		want    string // "" for none
	}{
		"sound":                                {nil, ""},
		"no JWT secret":                        {[]string{"auth.jwt.secret", ""}, ""},
		"https in staging":                     {[]string{"environment", "staging"}, ""},
		"http in staging":                      {[]string{"environment", "staging", "public_url", "http://api.example.com"}, ""},
		"http":                                 {[]string{"public_url", "http://api.example.com"}, "flag: public_url is not https: write the URL that people use, with TLS here or at a proxy before this server; production refuses it"},
		"wildcard":                             {[]string{"server.cors.allowed_origins", "*"}, "flag: server.cors.allowed_origins lets every origin in with *: list the origins of your pages; production refuses it"},
		"one origin":                           {[]string{"server.cors.allowed_origins", "https://a.example"}, ""},
		"wildcard in staging":                  {[]string{"environment", "staging", "server.cors.allowed_origins", "*"}, "flag: server.cors.allowed_origins lets every origin in with *: list the origins of your pages; staging refuses it"},
		"cost 9":                               {[]string{"auth.bcrypt_cost", "9"}, "flag: auth.bcrypt_cost is under 10; production refuses it"},
		"cost 10":                              {[]string{"auth.bcrypt_cost", "10"}, ""},
		"argon2id and a cost that is not used": {[]string{"auth.password_scheme", "argon2id", "auth.bcrypt_cost", "4"}, ""},
		"bcrypt and one":                       {[]string{"auth.argon2_memory", "64"}, ""},
		"argon2id of 7167 KiB":                 {[]string{"auth.password_scheme", "argon2id", "auth.argon2_memory", "7167", "auth.argon2_iterations", "8"}, "flag: auth.argon2_memory is under 7168 KiB; production refuses it"},
		"argon2id of 7168 KiB":                 {[]string{"auth.password_scheme", "argon2id", "auth.argon2_memory", "7168", "auth.argon2_iterations", "5"}, ""},
		"argon2id of few iterations":           {[]string{"auth.password_scheme", "argon2id", "auth.argon2_iterations", "1"}, "auth.argon2_memory is under 35840 KiB when multiplied by auth.argon2_iterations; production refuses it"},
		"argon2id of 46 MiB":                   {[]string{"auth.password_scheme", "argon2id", "auth.argon2_memory", "47104", "auth.argon2_iterations", "1"}, ""},
		"http to whom passwords are told":      {[]string{"auth.password_breach_check", "true", "auth.password_breach_url", "http://10.0.0.5/range/"}, "flag: auth.password_breach_url is not https; production refuses it"},
		"http to nobody":                       {[]string{"auth.password_breach_url", "http://10.0.0.5/range/"}, ""},
		"31 bytes":                             {[]string{"auth.jwt.secret", goodSecret[:31]}, "flag: auth.jwt.secret is shorter than 32 bytes: make one with openssl rand -base64 48, or leave it out; production refuses it"},
		"example, short":                       {[]string{"auth.jwt.secret", "your-secret-key"}, example},
		"example, dev":                         {[]string{"auth.jwt.secret", "dev-secret-key"}, example},
		"example, long":                        {[]string{"auth.jwt.secret", "super-secret-jwt-token-with-at-least-32-characters-long"}, example},
		"example, within":                      {[]string{"auth.jwt.secret", "My-Dev-Secret-Key-" + goodToken}, example},
		"held-down key":                        {[]string{"auth.jwt.secret", strings.Repeat("ab", 32)}, "flag: auth.jwt.secret is a pattern: make one with openssl rand -base64 48, or leave it out; production refuses it"},
		"zeros in hex":                         {[]string{"secret_key", strings.Repeat("0", 64)}, pattern},
		"zeros in base64":                      {[]string{"secret_key", base64.StdEncoding.EncodeToString(make([]byte, 32))}, pattern},
		"zeros as text":                        {[]string{"secret_key", strings.Repeat("0", 32)}, pattern},
		"sequence":                             {[]string{"secret_key", "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"}, pattern},
		"repeated block":                       {[]string{"secret_key", strings.Repeat("0123456789abcdef", 4)}, pattern},
		"example key":                          {[]string{"secret_key", "please-changeme-01234567890-abcd"}, pattern},
		"words as a key":                       {[]string{"secret_key", "correct-horse-battery-staple-two"}, pattern},
		"key as text":                          {[]string{"secret_key", goodSecret}, ""},
		"few characters":                       {[]string{"secret_key", "aabcbaacbbcabccabacbbacbcaabcbca"}, pattern},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, p := range sound(t, tt.changes...).Validate() {
				got = append(got, p.String())
			}
			wantProblems(t, got, split(tt.want)...)
		})
	}
}

func TestValidateNamesEverything(t *testing.T) {
	t.Parallel()
	for _, environment := range []string{"staging", "production"} {
		c := mustLoad(t, "auth: {jwt_secret: dev-secret-key, bcrypt_cost: 4}\nserver: {cors: {allowed_origins: [\"*\"]}}\n", "FLUXBASE_ENV="+environment)
		var got []string
		for _, p := range c.Validate() {
			got = append(got, p.Key)
		}
		wantProblems(t, got, "public_url", "secret_key", "auth.jwt.secret", "database.url", "server.cors.allowed_origins", "auth.bcrypt_cost")
		c.Environment = Development
		if got := c.Validate(); got != nil {
			t.Errorf("development refuses %v", got)
		}
	}
	if got := (&Config{Environment: Production, SecretKeyText: "x"}).Validate(); len(got) == 0 {
		t.Error("a Config that Load did not make passes")
	}
}

func TestValidateEncryption(t *testing.T) {
	t.Parallel()
	const pattern = " is a pattern or a known example: make one with openssl rand -hex 32; production refuses it"
	const example = "please-changeme-01234567890-abcd"
	const vault = "security.encryption.vault."
	const needed = " is not set: the provider is vault, or a key is a Vault reference; the variable "
	reference := "keys: [{version: 1, key: \"{{ vault `a/b` }}\"}]"
	tests := map[string]struct {
		text, environ string
		want          []string
	}{
		"no key":                {"kms_key_id: k", "", []string{"secret_key is not set: make one with openssl rand -hex 32; production refuses it"}},
		"no key of its own":     {"provider: aws_kms, kms_key_id: k", "", nil},
		"another version alone": {"keys: [{version: 5, key: " + goodKey + "}]", "", nil},
		"every key": {
			"keys: [{version: 2, key: " + example + "}, {version: 3, key: " + goodKey + "}, {version: 4, key: " + strings.Repeat("01", 32) + "}]", "FLUXBASE_SECRET_KEY_5=" + strings.Repeat("0", 32),
			[]string{"fluxbase.yaml:1: security.encryption.keys[version 2]" + pattern, "fluxbase.yaml:1: security.encryption.keys[version 4]" + pattern, "env FLUXBASE_SECRET_KEY_5: security.encryption.keys[version 5]" + pattern},
		},
		"secret_key beside them": {"keys: [{version: 2, key: " + goodKey + "}]", "FLUXBASE_SECRET_KEY=" + example, []string{"env FLUXBASE_SECRET_KEY: secret_key" + pattern}},
		"one that is overridden": {"keys: [{version: 2, key: " + example + "}]", "FLUXBASE_SECRET_KEY_2=" + goodKey, nil},
		"old keys beside a provider": {
			"provider: aws_kms, kms_key_id: k, keys: [{version: 1, key: " + example + "}]", "", []string{"fluxbase.yaml:1: security.encryption.keys[version 1]" + pattern},
		},
		"http endpoint": {
			"provider: aws_kms, kms_key_id: k, kms_endpoint: \"http://127.0.0.1:4566\"", "",
			[]string{"fluxbase.yaml:1: security.encryption.kms_endpoint is not https; production refuses it"},
		},
		"http webhook": {
			"key_rotation: {notification_webhook: \"http://localhost:9000/x\"}", "FLUXBASE_SECRET_KEY=" + goodKey,
			[]string{"fluxbase.yaml:1: security.encryption.key_rotation.notification_webhook is not https; production refuses it"},
		},
		"http Vault": {
			reference + ", vault: {token: x}", "VAULT_ADDR=http://127.0.0.1:8200",
			[]string{"env VAULT_ADDR: " + vault + "address is not https; production refuses it"},
		},
		"http Vault, said and not used":    {"vault: {address: \"http://127.0.0.1:8200\"}", "FLUXBASE_SECRET_KEY=" + goodKey, []string{"fluxbase.yaml:1: " + vault + "address is not https; production refuses it"}},
		"http Vault of others, not used":   {"provider: aws_kms, kms_key_id: k", "VAULT_ADDR=http://127.0.0.1:8200", nil},
		"https Vault":                      {reference + ", vault: {address: \"https://v.example\", token: x}", "", nil},
		"no address":                       {reference + ", vault: {token: x}", "", []string{vault + "address" + needed + "VAULT_ADDR will do"}},
		"an empty address":                 {reference + ", vault: {token: x, address: \"\"}", "", []string{"fluxbase.yaml:1: " + vault + "address" + needed + "VAULT_ADDR will do"}},
		"no token":                         {reference, "VAULT_ADDR=https://v.example", []string{vault + "token" + needed + "VAULT_TOKEN will do"}},
		"no token for the provider":        {"provider: vault, kms_key_id: k", "VAULT_ADDR=https://v.example", []string{vault + "token" + needed + "VAULT_TOKEN will do"}},
		"a reference in secret_key":        {"vault: {address: \"https://v.example\"}", "FLUXBASE_SECRET_KEY={{ vault `a/b` }}", []string{vault + "token" + needed + "VAULT_TOKEN will do"}},
		"a reference that is not in force": {reference, "FLUXBASE_SECRET_KEY_1=" + goodKey, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := write(t, "security: {encryption: {"+tt.text+"}}\npublic_url: https://api.example.com\ndatabase: {url: \"postgres://owner:pw@db/app\"}\n")
			c, err := Load(Sources{File: path, Environ: []string{tt.environ}})
			if err != nil {
				t.Fatal(err)
			}
			check := func(want []string) {
				t.Helper()
				var got []string
				if refused := c.Validate(); len(refused) > 0 {
					got = problems(t, path, &Error{Problems: refused})
				}
				wantProblems(t, got, want...)
			}
			check(tt.want)
			c.Environment = Development // what no server can start without is missing there too
			var missing []string
			for _, line := range tt.want {
				if strings.Contains(line, needed) {
					missing = append(missing, line)
				}
			}
			check(missing)
		})
	}
}

func TestSecretKey(t *testing.T) {
	t.Parallel()
	want, err := hex.DecodeString(goodKey)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		goodKey, strings.ToUpper(goodKey), base64.StdEncoding.EncodeToString(want), base64.RawStdEncoding.EncodeToString(want),
		base64.URLEncoding.EncodeToString(want), base64.RawURLEncoding.EncodeToString(want),
	} {
		keys := sound(t, "secret_key", text).EncryptionKeys()
		if len(keys) != 1 || keys[0].Version != 1 || keys[0].Place != "flag" {
			t.Fatalf("EncryptionKeys of secret_key = %v", keys)
		}
		got, err := keys[0].Bytes()
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("Bytes of a %d-character text = %x, %v", len(text), got, err)
		}
	}
	if got, err := sound(t, "secret_key", goodSecret).EncryptionKeys()[0].Bytes(); err != nil || string(got) != goodSecret {
		t.Errorf("Bytes of 32 characters = %q, %v", got, err)
	}
	if c := sound(t, "secret_key", ""); len(c.EncryptionKeys()) != 0 || c.HasEncryption() {
		t.Error("without a key there is one")
	}
}
