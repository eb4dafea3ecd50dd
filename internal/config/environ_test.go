package config

import (
	"os"
	"path/filepath"
	"testing"
)

func TestEnvironmentProblems(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		bad, good string
		want      string
	}{
		"unknown":         {"FLUXBASE_LGO_LEVEL=info", "FLUXBASE_LOG_LEVEL=info", "environment: FLUXBASE_LGO_LEVEL is not a known variable; the nearest is FLUXBASE_LOG_LEVEL"},
		"unknown file":    {"FLUXBASE_SECRET_KY_FILE=/x", "SECRET_KY_FILE=/x", "environment: FLUXBASE_SECRET_KY_FILE is not a known variable; the nearest is FLUXBASE_SECRET_KEY_FILE"},
		"a typed port":    {"FLUXBASE_PORT=80", "FLUXBASE_URL=http://127.0.0.1:80", "environment: FLUXBASE_PORT is not a known variable"},
		"of fluxbase-cli": {"FLUXBASE_SERVICE_KEYS=x", "FLUXBASE_SERVICE_KEY=x", "environment: FLUXBASE_SERVICE_KEYS is not a known variable; the nearest is FLUXBASE_SERVICE_KEY"},
		"far from all":    {"FLUXBASE_ATH_X=1", "ATH_X=1", "environment: FLUXBASE_ATH_X is not a known variable"},
		"of Kubernetes": {
			"FLUXBASE_SERVICE_HOST=10.0.0.1", "KUBERNETES_SERVICE_HOST=10.0.0.1",
			"environment: FLUXBASE_SERVICE_HOST is not a known variable (Kubernetes makes such names for a service named fluxbase; set enableServiceLinks: false in the pod)",
		},
		"wrong value": {"FLUXBASE_ENV=prod", "FLUXBASE_ENV=production", "env FLUXBASE_ENV: environment must be one of development, staging, production"},
		"empty":       {"FLUXBASE_AUTH_BCRYPT_COST=", "FLUXBASE_AUTH_BCRYPT_COST=10", "env FLUXBASE_AUTH_BCRYPT_COST: auth.bcrypt_cost must be a whole number, in digits"},
		"not an object": {
			"FLUXBASE_SERVER_SECURITY_HEADERS=A: b", `FLUXBASE_SERVER_SECURITY_HEADERS={"A": "b"}`,
			`env FLUXBASE_SERVER_SECURITY_HEADERS: server.security_headers must be a JSON object of texts, such as {"X-Frame-Options":"DENY"}`,
		},
		"empty element": {"FLUXBASE_DATA_SCHEMAS=public,,a", "FLUXBASE_DATA_SCHEMAS=public, a", "env FLUXBASE_DATA_SCHEMAS: data.schemas has an empty or unprintable element, number 2"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, got := loadFile(t, "", tt.bad)
			wantProblems(t, got, tt.want)
			mustLoad(t, "", tt.good)
		})
	}
}

func TestSpecialNames(t *testing.T) {
	t.Parallel()
	const key = "abcdefghijklmnopqrstuvwxyz012345"
	c := mustLoad(t, "environment: production\nauth: {jwt: {secret: old}}\n",
		"FLUXBASE_ENV=staging", "FLUXBASE_LOG_LEVEL=debug", "FLUXBASE_SECRET_KEY="+key, "FLUXBASE_AUTH_JWT_SECRET=dev-secret-key")
	if c.Environment != Staging || c.Log.Level != "debug" || c.SecretKeyText.Reveal() != key || c.Auth.JWT.Secret.Reveal() != "dev-secret-key" {
		t.Errorf("environment %q, log.level %q, secrets set: %v %v", c.Environment, c.Log.Level, c.SecretKeyText, c.Auth.JWT.Secret)
	}
	if c := mustLoad(t, "", "FLUXBASE_ENVIRONMENT=development"); c.Environment != Development {
		t.Errorf("FLUXBASE_ENVIRONMENT: %q, want development", c.Environment)
	}
}

func TestVariableFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "jwt")
	if err := os.WriteFile(path, []byte("  s3cret \r\n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := mustLoad(t, "", "FLUXBASE_AUTH_JWT_SECRET_FILE="+path)
	if got := c.Auth.JWT.Secret.Reveal(); got != "  s3cret " {
		t.Errorf("secret = %q, want only the line breaks trimmed", got)
	}
	if got := c.Source("auth.jwt_secret"); got != "env FLUXBASE_AUTH_JWT_SECRET_FILE" {
		t.Errorf("source = %q", got)
	}
	_, got := loadFile(t, "", "FLUXBASE_AUTH_JWT_SECRET_FILE="+path, "FLUXBASE_AUTH_JWT_SECRET=s3cret")
	wantProblems(t, got, "env FLUXBASE_AUTH_JWT_SECRET_FILE: auth.jwt.secret is also set by FLUXBASE_AUTH_JWT_SECRET; keep one of them")
	_, got = loadFile(t, "", "FLUXBASE_AUTH_JWT_SECRET_FILE="+path+".missing")
	wantProblems(t, got, "env FLUXBASE_AUTH_JWT_SECRET_FILE: auth.jwt.secret names a file that cannot be read: no such file or directory")
}

func TestSpellings(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		text, environ string
		want          []string // none when the two agree
	}{
		"one file":       {"auth:\n  jwt_secret: one\n  jwt:\n    secret: two\n", "", []string{"fluxbase.yaml:2: auth.jwt_secret and auth.jwt.secret (fluxbase.yaml:4) are two names of one setting and differ; keep one of them"}},
		"one file, same": {"auth:\n  jwt_secret: one\n  jwt:\n    secret: one\n", "", nil},
		"durations":      {"auth:\n  refresh_expiry: 24h\n  jwt: {refresh_expiry: 7d}\n", "", []string{"fluxbase.yaml:2: auth.refresh_expiry and auth.jwt.refresh_expiry (fluxbase.yaml:3) are two names of one setting and differ; keep one of them"}},
		"same duration":  {"auth:\n  refresh_expiry: 168h\n  jwt: {refresh_expiry: 7d}\n", "", nil},
		"file and environment": {
			"auth:\n  signup_enabled: true\n", "FLUXBASE_AUTH_ENABLE_SIGNUP=false",
			[]string{"fluxbase.yaml:2: auth.signup_enabled and FLUXBASE_AUTH_ENABLE_SIGNUP (env FLUXBASE_AUTH_ENABLE_SIGNUP) are two names of one setting and differ; keep one of them"},
		},
		"same spelling overrides":        {"auth:\n  enable_signup: true\n", "FLUXBASE_AUTH_ENABLE_SIGNUP=false", nil},
		"ambiguous overrides either, 1":  {"auth:\n  jwt_secret: one\n", "FLUXBASE_AUTH_JWT_SECRET=two", nil},
		"ambiguous overrides either, 2":  {"auth:\n  jwt: {secret: one}\n", "FLUXBASE_AUTH_JWT_SECRET=two", nil},
		"special name overrides the key": {"environment: staging\n", "FLUXBASE_ENV=production", nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, got := loadFile(t, tt.text, tt.environ)
			wantProblems(t, got, tt.want...)
		})
	}
	_, got := loadFile(t, "", "FLUXBASE_ENV=staging", "FLUXBASE_ENVIRONMENT=production")
	wantProblems(t, got, "env FLUXBASE_ENV: FLUXBASE_ENV and FLUXBASE_ENVIRONMENT (env FLUXBASE_ENVIRONMENT) are two names of one setting and differ; keep one of them")
}

// The configuration blocks of the documentation, each as it stands there.
func TestDocumentedConfiguration(t *testing.T) {
	t.Parallel()
	first := mustLoad(t, `auth:
  jwt_secret: "your-secret-key"
  jwt_expiry: 15m
  refresh_expiry: 168h # 7 days
  password_min_length: 8
  bcrypt_cost: 12
  enable_signup: true
  enable_magic_link: false
`)
	if first.Auth.JWT.Secret.Reveal() != "your-secret-key" || first.Auth.JWT.RefreshExpiry != 7*day {
		t.Errorf("auth = %+v", first.Auth)
	}
	second := mustLoad(t, `auth:
  jwt:
    secret: "${JWT_SECRET}" # Use strong random secret (256+ bits)
    expiry: "1h" # Access token lifetime
    refresh_expiry: "720h" # Refresh token lifetime (30 days)
server:
  security_headers:
    X-Content-Type-Options: "nosniff"
    X-Frame-Options: "DENY"
    X-XSS-Protection: "1; mode=block"
    Strict-Transport-Security: "max-age=31536000; includeSubDomains"
    Content-Security-Policy: "default-src 'self'"
`, "JWT_SECRET=s3cret")
	if second.Auth.JWT.Secret.Reveal() != "s3cret" || len(second.Server.SecurityHeaders) != 5 {
		t.Errorf("auth = %+v, server = %+v", second.Auth, second.Server)
	}
	mustLoad(t, "", "FLUXBASE_ENV=development", "FLUXBASE_LOG_LEVEL=debug", "FLUXBASE_AUTH_JWT_SECRET=dev-secret-key")
}
