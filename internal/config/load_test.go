package config

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/fluxbase/fluxbase/internal/config/setting"
)

const day = 24 * time.Hour

// write makes a fluxbase.yaml in a directory of its own.
func write(tb testing.TB, text string) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), FileName)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

// problems returns the lines of an *Error with the directory of the file left out.
func problems(tb testing.TB, path string, err error) []string {
	tb.Helper()
	if err == nil {
		return nil
	}
	var e *Error
	if !errors.As(err, &e) {
		tb.Fatalf("Load returned a %T, want *Error", err)
	}
	var lines []string
	for _, p := range e.Problems {
		lines = append(lines, strings.ReplaceAll(p.String(), filepath.Dir(path)+string(filepath.Separator), ""))
	}
	return lines
}

// loadFile loads YAML text with an environment.
func loadFile(tb testing.TB, text string, environ ...string) (*Config, []string) {
	tb.Helper()
	path := write(tb, text)
	c, err := Load(Sources{File: path, Environ: environ})
	return c, problems(tb, path, err)
}

func mustLoad(tb testing.TB, text string, environ ...string) *Config {
	tb.Helper()
	c, lines := loadFile(tb, text, environ...)
	if lines != nil {
		tb.Fatalf("Load: %s", strings.Join(lines, "\n"))
	}
	return c
}

func wantProblems(t *testing.T, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

// split returns the parts between bars, none of an empty text.
func split(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, "|")
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	got, err := Load(Sources{})
	if err != nil {
		t.Fatal(err)
	}
	got.sources = nil
	want := &Config{
		Environment: Production,
		Log:         Log{Level: "info", Format: "auto"},
		Server: Server{
			Address: "127.0.0.1:8080", MaxBodySize: 1 << 20, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, MinBodyRate: 1 << 10, MaxConnectionsPerAddress: 1000,
			TLS:          TLS{ACME: ACME{DirectoryURL: "https://acme-v02.api.letsencrypt.org/directory"}},
			WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute, ShutdownTimeout: 15 * time.Second,
		},
		Database: Database{MaxConnections: 10, DataDir: ".fluxbase", StatementTimeout: 10 * time.Second, Pooler: "none"},
		Auth: Auth{
			JWT:                JWT{Expiry: 15 * time.Minute, RefreshExpiry: 7 * day, Issuer: "fluxbase", Audience: "authenticated"},
			SessionMaxLifetime: 90 * day, RefreshGrace: 10 * time.Second, PasswordMinLength: 8,
			PasswordBreachURL: "https://api.pwnedpasswords.com/range/", PasswordScheme: "bcrypt", BcryptCost: 12,
			Argon2Memory: 19456, Argon2Iterations: 2, Argon2Parallelism: 1,
			SignupEnabled: true, EnableMagicLink: true, EnableAnonymous: true, AnonymousRetention: 720 * time.Hour, EmailVerification: "auto", LinkExpiry: 10 * time.Minute, ResetExpiry: time.Hour, InviteExpiry: 24 * time.Hour, MailLimit: 5, NotifyNewSignIn: true, PasswordMaxFailures: 100, PasswordFailureWindow: 24 * time.Hour, SessionRetention: 720 * time.Hour, ReauthenticationWindow: 15 * time.Minute, TOTPIssuer: "Fluxbase", HashQueue: 64,
		},
		Mail: Mail{
			Locale: "en", Retention: 30 * day,
			SMTP: SMTP{Security: "starttls", Auth: "auto", ConnectTimeout: 10 * time.Second, Timeout: 30 * time.Second},
		},
		Audit: Audit{Retention: 365 * day, Syslog: Syslog{Timeout: 15 * time.Second}},
		Data:  Data{Schemas: []string{"public"}, MaxRows: 1000, MaxBodySize: 128 << 20, TxEnd: "commit"},
		Security: Security{Encryption: Encryption{
			Provider: "local", Vault: Vault{TransitMount: "transit"},
			KeyRotation: KeyRotation{Schedule: "0 2 1 * *", AutoReencrypt: true, RetainOldKeys: 2},
		}},
		RateLimit: RateLimit{
			Enabled: true, Backend: "memory", Timeout: 50 * time.Millisecond, Limits: CallerLimits{Anonymous: 100, Authenticated: 1000, ServiceRole: 10000}, Window: time.Minute, Address: "18000/1m",
			Routes: RouteLimits{SignIn: "60/5m", SignInAccount: "30/15m", SignUp: "60/1h", Mail: "60/1h", MailRecipient: "20/1h", MFA: "30/5m", Refresh: "300/5m"},
			Redis:  Redis{URL: "redis://127.0.0.1:6379/0", Prefix: "fluxbase:ratelimit"},
		},
		Migrations: Migrations{Dir: "migrations"},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(Config{})); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
}

func TestPrecedence(t *testing.T) {
	t.Parallel()
	path := write(t, "# a comment\nlog:\n  level: warn\n  format: json\nserver:\n  address: 127.0.0.1:1\n")
	src := Sources{
		File:     path,
		Environ:  []string{"FLUXBASE_LOG_FORMAT=text", "FLUXBASE_SERVER_ADDRESS=127.0.0.1:2", "FLUXBASE_LOG_FORMAT=json"},
		Flags:    map[string]string{"server.address": "127.0.0.1:3"},
		Defaults: map[string]string{"environment": "development", "log.level": "debug", "auth.jwt_expiry": "5m"},
	}
	c, err := Load(src)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][2]string{}
	for _, key := range []string{"environment", "log.level", "log.format", "server.address", "auth.jwt.expiry", "migrations.dir"} {
		row := c.display().Rows(keys().Field(key))[0]
		got[key] = [2]string{row[1], strings.TrimPrefix(row[2], filepath.Dir(path)+"/")}
		if row[2] != c.Source(key) {
			t.Errorf("Source of %s = %q, want %q as shown", key, c.Source(key), row[2])
		}
	}
	want := map[string][2]string{
		"environment":     {"development", "default"},
		"log.level":       {"warn", "fluxbase.yaml:3"},
		"log.format":      {"text", "env FLUXBASE_LOG_FORMAT"},
		"server.address":  {"127.0.0.1:3", "flag"},
		"auth.jwt.expiry": {"5m", "default"},
		"migrations.dir":  {"migrations", "default"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("values and sources (-want +got):\n%s", diff)
	}
	if got := c.Source("no.such.key"); got != "" {
		t.Errorf("Source of an unknown key = %q, want none", got)
	}
}

func TestUnknownFlagAndDefault(t *testing.T) {
	t.Parallel()
	_, err := Load(Sources{Flags: map[string]string{"server.adress": ":1"}, Defaults: map[string]string{"environmnt": "staging"}})
	wantProblems(t, problems(t, "", err),
		"default: environmnt is not a known key; the nearest is environment",
		"flag: server.adress is not a known key; the nearest is server.address")
}

func TestMissingFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), FileName)
	if _, err := Load(Sources{File: path}); err != nil {
		t.Errorf("an optional file that is missing: %v", err)
	}
	_, err := Load(Sources{File: path, FileRequired: true})
	wantProblems(t, problems(t, path, err), "fluxbase.yaml: cannot be read: no such file or directory")

	_, err = Load(Sources{File: filepath.Dir(path)})
	if err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("a directory in place of the file: %v, want an error", err)
	}
}

func TestFileTooLarge(t *testing.T) {
	t.Parallel()
	mustLoad(t, strings.Repeat("#", (1<<20)))
	_, got := loadFile(t, strings.Repeat("#", (1<<20)+1))
	wantProblems(t, got, "fluxbase.yaml: is larger than 1MiB")
}

func TestProcess(t *testing.T) {
	t.Setenv("FLUXBASE_ENV", "staging")
	c, err := Load(Process(""))
	if err != nil || c.Environment != Staging {
		t.Errorf("Load(Process) = %v, %v; want staging", c, err)
	}
	if src := Process("other.yaml"); src.File != "other.yaml" || !src.FileRequired {
		t.Errorf("Process(other.yaml) = %q, required %v", src.File, src.FileRequired)
	}
}

func TestAllProblemsTogether(t *testing.T) {
	t.Parallel()
	_, got := loadFile(t, "log:\n  lvel: info\nauth:\n  bcrypt_cost: twelve\n  jwt:\n    expiry: 48h\n",
		"FLUXBASE_LOG_FROMAT=json", "FLUXBASE_DATA_MAX_ROWS=-1")
	wantProblems(t, got,
		"fluxbase.yaml:2: log.lvel is not a known key; the nearest is log.level",
		"fluxbase.yaml:4: auth.bcrypt_cost must be a whole number, without quotes",
		"fluxbase.yaml:6: auth.jwt.expiry must be 1m to 24h",
		"env FLUXBASE_DATA_MAX_ROWS: data.max_rows must be 0 or more",
		"environment: FLUXBASE_LOG_FROMAT is not a known variable; the nearest is FLUXBASE_LOG_FORMAT")
}

func TestEveryTypeFromFileAndEnvironment(t *testing.T) {
	t.Parallel()
	inFile := mustLoad(t, `
server:
  max_body_size: 2MiB
  idle_timeout: 1m30s
  trusted_proxies: [10.0.0.0/8, "fd00::/8"]
  security_headers:
    x-frame-options: ""
    X-XSS-Protection: 0
  cors:
    allowed_origins:
      - https://app.example.com
      - http://localhost:3000
auth:
  signup_enabled: false
  jwt: {refresh_expiry: 30d}
data:
  max_rows: 0
  schemas: public, shop
security:
  encryption:
    provider: azure_key_vault
    kms_key_id: https://a.vault.azure.net/keys/k
    active_key_version: 2
    keys: [{version: 2, key: `+goodKey+`}, {key: "{{ vault `+"`a/b`"+` }}", version: 3}]
    vault: {address: "https://vault.example", token: t}
    key_rotation: {enabled: true, retain_old_keys: 0, notification_secret: whsec_`+goodSecret+`}
`)
	inEnv := mustLoad(t, "",
		"FLUXBASE_SERVER_MAX_BODY_SIZE=2097152", "FLUXBASE_SERVER_IDLE_TIMEOUT=90s",
		"FLUXBASE_SERVER_TRUSTED_PROXIES=10.0.0.0/8, fd00::/8",
		`FLUXBASE_SERVER_SECURITY_HEADERS={"X-Frame-Options":"", "X-Xss-Protection":"0"}`,
		"FLUXBASE_SERVER_CORS_ALLOWED_ORIGINS=https://app.example.com,http://localhost:3000",
		"FLUXBASE_AUTH_SIGNUP_ENABLED=false", "FLUXBASE_AUTH_JWT_REFRESH_EXPIRY=720h",
		"FLUXBASE_DATA_MAX_ROWS=0", "FLUXBASE_DATA_SCHEMAS=public,shop",
		"FLUXBASE_SECURITY_ENCRYPTION_PROVIDER=azure_key_vault", "FLUXBASE_SECURITY_ENCRYPTION_KMS_KEY_ID=https://a.vault.azure.net/keys/k",
		"FLUXBASE_SECURITY_ENCRYPTION_ACTIVE_KEY_VERSION=2",
		`FLUXBASE_SECURITY_ENCRYPTION_KEYS=[{"version":2,"key":"`+goodKey+`"}, {"version":3,"key":"{{ vault `+"`a/b`"+` }}"}]`,
		"FLUXBASE_SECURITY_ENCRYPTION_VAULT_ADDRESS=https://vault.example", "FLUXBASE_SECURITY_ENCRYPTION_VAULT_TOKEN=t",
		"FLUXBASE_SECURITY_ENCRYPTION_KEY_ROTATION_ENABLED=true", "FLUXBASE_SECURITY_ENCRYPTION_KEY_ROTATION_RETAIN_OLD_KEYS=0",
		"FLUXBASE_SECURITY_ENCRYPTION_KEY_ROTATION_NOTIFICATION_SECRET=whsec_"+goodSecret)
	want := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	if diff := cmp.Diff(want, inFile.Server.TrustedProxies, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Errorf("trusted_proxies (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"X-Frame-Options": "", "X-Xss-Protection": "0"}, inFile.Server.SecurityHeaders); diff != "" {
		t.Errorf("security_headers (-want +got):\n%s", diff)
	}
	if inFile.Auth.SignupEnabled || inFile.Auth.JWT.RefreshExpiry != 30*day || inFile.Data.MaxRows != 0 {
		t.Errorf("auth and data = %+v, %+v", inFile.Auth, inFile.Data)
	}
	if diff := cmp.Diff(inFile.EncryptionKeys(), inEnv.EncryptionKeys(), cmpopts.IgnoreFields(EncryptionKey{}, "Place")); diff != "" {
		t.Errorf("the keys differ between file and environment (-file +env):\n%s", diff)
	}
	for _, f := range keys().Fields() {
		if diff := cmp.Diff(values(inFile, f), values(inEnv, f)); diff != "" {
			t.Errorf("%s differs between file and environment (-file +env):\n%s", f.Key, diff)
		}
	}
}

// values are the rows of a key without their sources.
func values(c *Config, f *setting.Field) [][3]string {
	rows := c.display().Rows(f)
	for i := range rows {
		rows[i][2] = ""
	}
	return rows
}

func TestErrorText(t *testing.T) {
	t.Parallel()
	one := Problem{Place: "fluxbase.yaml:1", Key: "log.level", Detail: "is wrong"}
	two := Problem{Key: "secret_key", Detail: "is not set"}
	for want, e := range map[string]*Error{
		"configuration: fluxbase.yaml:1: log.level is wrong":                                                {Problems: []Problem{one}},
		"configuration has 2 problems:\n  - fluxbase.yaml:1: log.level is wrong\n  - secret_key is not set": {Problems: []Problem{one, two}},
	} {
		if got := e.Error(); got != want {
			t.Errorf("Error() = %q, want %q", got, want)
		}
	}
}
