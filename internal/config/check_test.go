package config

import (
	"encoding/base64"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// TestValues tries each rule for a value on its own from both sides.
func TestValues(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 64)
	endpoints := []string{"", "https://vault.example.com:8200", "http://127.0.0.1:8200", "https://vault.example.com/prefix/", "https://[2001:db8::1]:8200"}
	badEndpoints := []string{"vault.example.com", "127.0.0.1:8200", "unix:///run/vault.sock", "https://", "https://u:p@h", "https://h?a=b", "https://h?", "https://h#f", "https://h:99999", "https://h:", "https://a b", "//h", "HTTP://h"}
	rates, badRates := []string{"none", "1/1s", "60/5m", "1000000/24h"}, []string{"", "0/1m", "60", "60/", "/5m", "60/5", "1000001/1m", "1/999ms", "1/25h", "-1/1m", "060/5m", "60/5m/1", "60 / 5m", "0", "None"}
	tests := map[string]struct{ good, bad []string }{
		"environment":     {[]string{"development", "staging", "production"}, []string{"", "prod", "Production"}},
		"log.level":       {[]string{"debug", "info", "warn", "error"}, []string{"trace", "INFO"}},
		"log.format":      {[]string{"auto", "json", "text"}, []string{"logfmt"}},
		"public_url":      {[]string{"", "http://localhost:8080", "https://api.example.com", "https://[2001:db8::1]:8443"}, []string{"api.example.com", "ftp://a.example", "https://a.example/", "https://a.example/x", "https://a.example?", "https://a.example?q=1", "https://a.example#", "https://a.example#f", "https://u@a.example", "https://u:p@a.example", "HTTPS://a.example", "https://A.example", "https://", "https://:80", "https://a.example:443", "https://a.example:99999", "https://a.example:", "//a.example", "https://a..example", "https://a b", "https://*.example"}},
		"secret_key":      {[]string{"", strings.Repeat("0f", 32), "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "__79_Pv6-fj39vX08_Lx8O_u7ezr6uno5-bl5OPi4eA", "abcdefghijklmnopqrstuvwxyz012345", "{{ vault `secret/fluxbase/keys/v1` }}", "{{vault `a/b`}}", " {{  vault  `a/b#c`  }}\n", `{{ vault "kv/team-a/key.1" }}`}, []string{"{{ vault `a/b/c/d/e/f/g/h/ij`} }", "{{ vault 'secret/fluxbase/k1' }}", "{{ vault `a` }}", "{{ vault `/a/b` }}", "{{ vault `a/b/` }}", "{{ vault `a//b` }}", "{{ vault `a/../b` }}", "{{ vault `a/b#` }}", "{{ vault `a/b#c#d` }}", "{{ vault `a b/c` }}", "{{ vault `a/b?c` }}", "{{ vault `a/b\" }}", "{{ vault `` }}", "{{ Vault `a/b` }}", "{{ vault a/b }}", "{{ env `A` }}", "x{{ vault `a/b` }}", "{{ vault `a/b` }}x", "{{ vault `a/b` }}{{ vault `a/b` }}", "short", strings.Repeat("0g", 32), strings.Repeat("!", 43), strings.Repeat("!", 44), strings.Repeat("a", 33), strings.Repeat("ä", 32)}},
		"auth.jwt.secret": {[]string{"", "dev-secret-key", "a\nb"}, []string{"a\x00b", "a\xffb"}},

		"server.admin_address":               {[]string{"", "127.0.0.1:9090"}, []string{"9090", "127.0.0.1:http"}},
		"server.address":                     {[]string{"127.0.0.1:8080", ":80", "[::1]:0", "localhost:65535"}, []string{"", "127.0.0.1", "8080", "127.0.0.1:http", ":65536", "::1:80", ":-1", ":080"}},
		"server.max_body_size":               {[]string{"1KiB", "1024", "1024B", "1GiB"}, []string{"", "1023", "2GiB", "1MB", "1 MiB", "-1KiB", "1.5MiB", "99999999999GiB"}},
		"server.read_timeout":                {[]string{"1ms", "1h", "90s", "0d30s"}, []string{"", "0", "0s", "61m", "30", "-5s", "1d", "d", "99999999999999d", "1d1d"}},
		"server.trusted_proxies":             {[]string{"", "10.0.0.0/8", "192.0.2.1/32, 2001:db8::/32"}, []string{"10.0.0.1/8", "10.0.0.1", "10.0.0.0/33", "*", "10.0.0.0/8,", "proxy.example"}},
		"server.security_headers":            {[]string{"", "{}", `{"X-A":""}`, `{"x-a":"1; mode=block","X-B":"2"}`}, []string{"X-A: b", `{"X A":"b"}`, `{"":"b"}`, `{"X-A":"a\nb"}`, `{"X-A":"1","x-a":"2"}`, `{"X-A":"1","X-A":"2"}`, `{"X-A":["b"]}`, `["a"]`, `{"X-A":null}`, `{`, `{"X-A":"a\r\nSet-Cookie: b"}`, `{"X-A":"\u0000"}`, `{"X-A":"ä"}`, `{"X-A:":"b"}`, `{"X-A\r\n":"b"}`, `{"Content-Length":"0"}`, `{"set-cookie":"a=b"}`, `{"Transfer-Encoding":"chunked"}`, `{"Access-Control-Allow-Origin":"*"}`, `{"Connection":""}`, `{"CONTENT-TYPE":"text/html"}`, `{"Location":"/"}`, `{"Trailer":"X-A"}`, `{"Vary":""}`}},
		"server.min_body_rate":               {[]string{"0", "1KiB", "1MiB"}, []string{"", "-1", "2MiB", "1k"}},
		"server.max_connections_per_address": {[]string{"0", "1000", "1000000"}, []string{"", "-1", "1000001", "many"}},
		"server.proxy_protocol":              {[]string{"true", "false"}, []string{"", "v2", "1"}},
		"server.tls.cert_file":               {[]string{"", "/etc/fluxbase/tls.crt"}, []string{"a\nb"}},
		"server.tls.key_file":                {[]string{"", "/etc/fluxbase/tls.key"}, []string{"a\nb"}},
		"server.tls.redirect_address":        {[]string{"", ":80"}, []string{"80", ":http", "127.0.0.1"}},
		"server.tls.acme.domains":            {[]string{"", "api.example.com", "a.example,b.example", "xn--bcher-kva.example"}, []string{"*.example.com", "example", "10.0.0.1", "[::1]", "::1", "A.example", "a.example:443", "https://a.example", "a.example,a.example", "bücher.example", "a..example", "a_b.example", "a.example.", strings.Repeat("a.", 127) + "example"}},
		"server.tls.acme.email":              {[]string{"", "operators@example.com"}, []string{"example.com", "Ops <a@example.com>", "a@b.example,c@d.example", "a@b.example?x=y", "mailto:a@b.example"}},
		"server.tls.acme.directory_url":      {[]string{"https://acme-v02.api.letsencrypt.org/directory", "https://127.0.0.1:14000/dir"}, []string{"", "http://a.example/dir", "a.example", "https://", "https://u@h/", "https://h/#f", "https://h/?q", "https://h/a b"}},
		"server.tls.acme.accept_terms":       {[]string{"true", "false"}, []string{"", "yes"}},
		"server.tls.acme.ca_file":            {[]string{"", "/etc/ssl/acme.pem"}, []string{"a\nb"}},
		"server.cors.allowed_origins":        {[]string{"", "*", "https://app.example.com,http://localhost:3000", "capacitor://localhost"}, []string{"https://app.example.com/", "https://*.example.com", "app.example.com", "null", "https://a.example,*", "https://a.example,https://a.example", "https://a.example:443", "https://A.example"}},

		"database.url":               {[]string{"", "postgres://u:p@localhost:5432/db?sslmode=disable", "postgresql:///db?host=/run/postgresql"}, []string{"host=localhost", "mysql://u@h/d", "postgres:db", "postgres://u:p#x@h/db", "postgres://u:p/x@h/db", "postgres://u:%zz@h/db", "postgres://h/db?a=%zz", "postgres://u:1/x@h/db", "postgres://u:1?x@h/db", "postgres://h/a/b"}},
		"database.max_connections":   {[]string{"1", "1000"}, []string{"0", "1001", "-1", "1.5", "ten", "+5", "1_0"}},
		"database.statement_timeout": {[]string{"1ms", "1h"}, []string{"0", "2h"}},
		"database.pooler":            {[]string{"none", "transaction"}, []string{"session", ""}},
		"database.data_dir":          {[]string{".fluxbase", "/var/lib/fluxbase"}, []string{"", " ", "a\nb"}},
		"database.bin_dir":           {[]string{"", "/usr/lib/postgresql/17/bin"}, []string{"a\x1bb"}},

		"auth.jwt.expiry":                 {[]string{"1m", "24h", "1d"}, []string{"59s", "25h", "1d1s"}},
		"auth.jwt.refresh_expiry":         {[]string{"1m", "7d", "168h", "365d"}, []string{"0", "366d"}},
		"auth.jwt.issuer":                 {[]string{"fluxbase", "https://api.example.com"}, []string{""}},
		"auth.jwt.audience":               {[]string{"authenticated"}, []string{""}},
		"auth.session_max_lifetime":       {[]string{"2160h", "90d", "87600h"}, []string{"0", "87601h"}},
		"auth.refresh_grace":              {[]string{"0", "0s", "60s"}, []string{"61s", "-1s"}},
		"auth.password_min_length":        {[]string{"6", "72"}, []string{"5", "73"}},
		"auth.password_max_failures":      {[]string{"3", "100"}, []string{"2", "101"}},
		"auth.password_failure_window":    {[]string{"1m", "720h"}, []string{"59s", "721h"}},
		"auth.password_require_uppercase": {[]string{"true", "false"}, []string{"", "yes"}},
		"auth.password_require_lowercase": {[]string{"true", "false"}, []string{"", "1"}},
		"auth.password_require_digit":     {[]string{"true", "false"}, []string{"", "on"}},
		"auth.password_require_special":   {[]string{"true", "false"}, []string{"", "!"}},
		"auth.password_breach_check":      {[]string{"true", "false"}, []string{"", "yes"}},
		"auth.password_breach_url":        {[]string{"https://api.pwnedpasswords.com/range/", "http://10.0.0.5:8080/range"}, []string{"", "api.pwnedpasswords.com", "https://h/range?x=", "ftp://h/", "https://u@h/"}},
		"auth.password_scheme":            {[]string{"bcrypt", "argon2id"}, []string{"", "argon2i", "scrypt", "BCRYPT"}},
		"auth.argon2_memory":              {[]string{"64", "19456", "262144"}, []string{"63", "262145", "19MiB"}},
		"auth.argon2_iterations":          {[]string{"1", "8"}, []string{"0", "9"}},
		"auth.argon2_parallelism":         {[]string{"1", "8"}, []string{"0", "9"}},
		"auth.bcrypt_cost":                {[]string{"4", "16"}, []string{"3", "17"}},
		"auth.signup_enabled":             {[]string{"true", "false"}, []string{"", "yes", "1", "True"}},
		"auth.enable_magic_link":          {[]string{"true", "false"}, []string{"0"}},
		"auth.enable_anonymous":           {[]string{"true", "false"}, []string{"", "0"}},
		"auth.email_verification":         {[]string{"auto", "required", "off"}, []string{"", "true"}},
		"auth.link_expiry":                {[]string{"1m", "10m"}, []string{"59s", "11m"}},
		"auth.reset_expiry":               {[]string{"1m", "1h"}, []string{"59s", "61m"}},
		"auth.invite_expiry":              {[]string{"1m", "168h"}, []string{"59s", "169h"}},
		"auth.mail_limit":                 {[]string{"1", "1000"}, []string{"0", "1001"}},
		"auth.notify_new_sign_in":         {[]string{"true", "false"}, []string{"", "0"}},
		"auth.single_session":             {[]string{"true", "false"}, []string{"", "0"}},
		"auth.anonymous_retention":        {[]string{"0", "24h", "87600h"}, []string{"-1s", "87601h"}},
		"auth.session_retention":          {[]string{"1h", "87600h"}, []string{"59m", "87601h"}},
		"auth.reauthentication_window":    {[]string{"1m", "24h"}, []string{"59s", "25h"}},
		"auth.totp_issuer":                {[]string{"Fluxbase"}, []string{""}},
		"auth.redirect_urls": {
			[]string{"", "https://app.example.com/welcome", "http://localhost:3000/", "com.example.app:/callback"},
			[]string{"app.example.com", "/welcome", "https://", "https://a@b.example/", "https://a.example/#x", "javascript:alert(1)"},
		},
		"auth.hash_workers": {[]string{"0", "1024"}, []string{"-1", "1025"}},
		"auth.hash_queue":   {[]string{"0", "64"}, []string{"-1", "100001"}},

		"security.encryption.provider":             {[]string{"local", "aws_kms", "gcp_kms", "azure_key_vault", "vault"}, []string{"", "aws", "AWS_KMS"}},
		"security.encryption.kms_key_id":           {[]string{"", "alias/fluxbase-secrets", "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", "https://a.vault.azure.net/keys/k/0f"}, []string{"a b", "a\tb", " a", "ä"}},
		"security.encryption.kms_endpoint":         {endpoints, badEndpoints},
		"security.encryption.kms_region":           {[]string{"", "eu-central-1"}, []string{"EU", "eu central", "eu/1", long}},
		"security.encryption.active_key_version":   {[]string{"0", "1", "2147483647"}, []string{"-1", "2147483648", "", "v1", "1.0"}},
		"security.encryption.keys":                 {[]string{"", "[]", `[{"version":1,"key":"` + goodKey + `"}]`, `[{"version":2147483647,"key":"{{ vault ` + "`a/b`" + ` }}"}]`}, []string{goodKey, "{}", "[1]", `[{"version":1}]`, `[{"version":0,"key":"` + goodKey + `"}]`, "- version: 1\n  key: " + goodKey, "["}},
		"security.encryption.vault.address":        {endpoints, badEndpoints},
		"security.encryption.vault.token":          {[]string{"", "hvs.CAESIJ"}, []string{"a b", "a\n", "ä"}},
		"security.encryption.vault.namespace":      {[]string{"", "admin/team-a", "ns1/"}, []string{"a b", "a\rb"}},
		"security.encryption.vault.transit_mount":  {[]string{"transit", "team/transit-2"}, []string{"", "/transit", "transit/", "a//b", "a b", "../sys", "a/../b", "."}},
		"security.encryption.vault.ca_file":        {[]string{"", "/etc/ssl/vault.pem"}, []string{"a\nb"}},
		"security.encryption.key_rotation.enabled": {[]string{"true", "false"}, []string{"", "yes"}},
		"security.encryption.key_rotation.schedule": {
			[]string{"0 2 1 * *", "*/15 * * * *", "0 0 29 2 *", "0,30 8-18/2 1-7,15 jan-MAR,12 mon-FRI", "0 0 * * 7", " 0  2 1 * * "},
			[]string{"", "*", "@reboot", "@daily", "@every 1h", "* * * *", "0 0 2 1 * *", "0 2 1 * * 2030", "60 * * * *", "* 24 * * *", "0 0 0 * *", "0 0 32 * *", "0 0 1 13 *", "0 0 1 0 *", "0 0 * * 8", "*/0 * * * *", "5-1 * * * *", "0,,1 * * * *", ", * * * *", "*,banana * * * *", "1-2-3 * * * *", "+5 * * * *", "0 0 * * 5LXYZ", "0 0 L * *", "0 0 15W * *", "0 0 * * 1#2", "jan * * * *", "0 0 * * january", "? * * * *", "*,5 * * * *", "1/2 * * * *", "a b c d e", "0 0 30 2 *", "0 0 31 4,6,9,11 *", strings.Repeat("0,", 200) + "0 * * * *", "TZ=UTC 0 2 1 *"},
		},
		"security.encryption.key_rotation.auto_reencrypt":  {[]string{"true", "false"}, []string{"", "1"}},
		"security.encryption.key_rotation.retain_old_keys": {[]string{"0", "100"}, []string{"-1", "101", "all"}},
		"security.encryption.key_rotation.notification_webhook": {
			[]string{"", "https://hooks.example.com/security", "https://hooks.example.com/x?sig=a%20b", "http://localhost:9000/x", "http://127.0.0.1/", "http://[::1]:9000"},
			[]string{"hooks.example.com", "http://hooks.example.com/security", "http://10.0.0.1/", "http://localhost.example.com", "ftp://localhost/", "https://u@h/x", "https://h/#f", "https://", "https://h/a b", "https://h:0/", "HTTPS://h/"},
		},
		"security.encryption.key_rotation.notification_secret": {
			[]string{"", "whsec_" + strings.Repeat("A", 32), "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 64)), "whsec_" + base64.RawStdEncoding.EncodeToString(make([]byte, 25))},
			[]string{"whsec_", strings.Repeat("A", 32), "whsec_" + strings.Repeat("A", 31), "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 23)), "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 65)), "whsec_" + strings.Repeat("!", 32), "WHSEC_" + strings.Repeat("A", 32), "whsec_" + strings.Repeat("A", 16) + "\n" + strings.Repeat("A", 16)},
		},

		"mail.from":                 {[]string{"", "a@example.com", "Example <no-reply@example.com>", `"Example, Inc." <a@example.com>`, "Größe <a@example.com>"}, []string{"example.com", "a@b@c", "a@example.com, b@example.com", `"a b"@example.com`, `"e@evil.example"@example.com`, "a@exämple.com", "a@example.com\r\nBcc: b@example.com", "A\nB <a@example.com>"}},
		"mail.reply_to":             {[]string{"", "Help <help@example.com>"}, []string{"help", "<>"}},
		"mail.locale":               {[]string{"en", "de", "pt-BR", "zh_Hant_TW"}, []string{"", "e", "english!", "../de", "de,en"}},
		"mail.templates_dir":        {[]string{"", "/etc/fluxbase/mail"}, []string{"a\nb"}},
		"mail.retention":            {[]string{"1h", "30d", "87600h"}, []string{"59m", "87601h", "0"}},
		"mail.smtp.host":            {[]string{"", "smtp.example.com", "127.0.0.1", "::1", "localhost"}, []string{"smtp.example.com:587", "a b", "smtps://h", "u@h", "[::1]", "ä.example"}},
		"mail.smtp.port":            {[]string{"0", "25", "65535"}, []string{"-1", "65536", "smtp"}},
		"mail.smtp.username":        {[]string{"", "apikey", "a@example.com"}, []string{"a\nb"}},
		"mail.smtp.password":        {[]string{"", "a b ä"}, []string{"a\x00b"}},
		"mail.smtp.security":        {[]string{"starttls", "tls", "opportunistic", "none"}, []string{"", "ssl", "STARTTLS"}},
		"mail.smtp.auth":            {[]string{"auto", "plain", "login", "cram-md5", "scram-sha-256", "xoauth2"}, []string{"", "ntlm", "PLAIN"}},
		"mail.smtp.ca_file":         {[]string{"", "/etc/ssl/mail.pem"}, []string{"a\nb"}},
		"mail.smtp.hello":           {[]string{"", "api.example.com"}, []string{"api example", "api.example.com:1"}},
		"mail.smtp.connect_timeout": {[]string{"100ms", "1m"}, []string{"99ms", "2m", "0"}},
		"audit.retention":           {[]string{"0", "720h", "365d", "876000h"}, []string{"-1h", "876001h", "1"}},
		"audit.syslog.url":          {[]string{"", "tls://logs.example.com:6514", "tcp://127.0.0.1:601", "udp://[::1]:514", "unix:///dev/log"}, []string{"logs.example.com", "tls://logs.example.com", "tcp://h:0", "http://h:80", "unix://dev/log", "unix:log", "tls://u@h:1", "tls://h:1/x", "tls://h:1?x", "tls://:1"}},
		"audit.syslog.ca_file":      {[]string{"", "/etc/ssl/logs.pem"}, []string{"a\nb"}},
		"audit.syslog.timeout":      {[]string{"100ms", "5m"}, []string{"99ms", "6m", "0"}},
		"mail.smtp.timeout":         {[]string{"500ms", "5m"}, []string{"499ms", "6m", "0"}},

		"ratelimit.enabled":                {[]string{"true", "false"}, []string{"", "on"}},
		"telemetry.trust_traceparent":      {[]string{"true", "false"}, []string{"", "1", "always"}},
		"server.shutdown_delay":            {[]string{"0s", "5s", "5m"}, []string{"", "-1s", "6m", "5"}},
		"ratelimit.backend":                {[]string{"memory", "postgres", "redis"}, []string{"", "Redis", "memcached"}},
		"ratelimit.global_rate_limit":      {[]string{"true", "false"}, []string{"", "1"}},
		"ratelimit.limits.anonymous":       {[]string{"0", "1000000"}, []string{"-1", "1000001", "100/1m"}},
		"ratelimit.limits.authenticated":   {[]string{"0", "1000000"}, []string{"-1", "1000001"}},
		"ratelimit.limits.service_role":    {[]string{"0", "1000000"}, []string{"-1", "none"}},
		"ratelimit.timeout":                {[]string{"1ms", "5s"}, []string{"0", "6s", "50"}},
		"ratelimit.window":                 {[]string{"1s", "24h"}, []string{"999ms", "25h", "60"}},
		"ratelimit.address":                {rates, badRates},
		"ratelimit.routes.sign_in":         {rates, badRates},
		"ratelimit.routes.sign_in_account": {rates, badRates},
		"ratelimit.routes.sign_up":         {rates, badRates},
		"ratelimit.routes.mail":            {rates, badRates},
		"ratelimit.routes.mail_recipient":  {rates, badRates},
		"ratelimit.routes.mfa":             {rates, badRates},
		"ratelimit.routes.refresh":         {rates, badRates},
		"ratelimit.redis.url": {
			[]string{"redis://127.0.0.1", "redis://127.0.0.1:6379/0", "rediss://u:p%2Fw@redis.example.com:6380/15", "redis://:pw@[::1]:6379"},
			[]string{"", "127.0.0.1:6379", "http://h", "redis://", "redis://h/x", "redis://h:0x1", "redis://h?db=1", "redis://h#f", "redis://u:p/w@h", "unix:///run/redis.sock"},
		},
		"ratelimit.redis.ca_file": {[]string{"", "/etc/ssl/redis.pem"}, []string{"a\nb"}},
		"ratelimit.redis.prefix":  {[]string{"fluxbase:ratelimit", "a"}, []string{"", " "}},

		"data.schemas":                            {[]string{"public", "public,shop", "authors", "page"}, []string{"", "auth", "AUTH", "public,pg_catalog", "pg_temp", "information_schema", "fluxbase", "fluxbase_jobs", "public,public", "public,", long}},
		"data.allow_without_rls":                  {[]string{"", "countries", "public.countries,shop.rates"}, []string{".a", "a.", "a.b.c", "a,,b", long, long + ".a"}},
		"data.max_rows":                           {[]string{"0", "1000000"}, []string{"-1"}},
		"data.aggregates":                         {[]string{"true", "false"}, []string{"", "on"}},
		"data.max_body_size":                      {[]string{"1KiB", "16GiB"}, []string{"", "1023", "17GiB"}},
		"data.tx_end":                             {[]string{"commit", "commit-allow-override", "rollback", "rollback-allow-override"}, []string{"", "abort", "allow-override"}},
		"data.isolation_override":                 {[]string{"true", "false"}, []string{"", "serializable"}},
		"data.plan_enabled":                       {[]string{"true", "false"}, []string{"", "json"}},
		"data.pre_request":                        {[]string{"", "public.check_request", `api.Odd; "name"`}, []string{"check_request", ".f", "public.", "a.b.c", "public.f\n", long + ".f", "public." + long}},
		"data.limits.anonymous.statement_timeout": {[]string{"0s", "250ms", "1h"}, []string{"", "-1s", "2h", "5"}},
		"data.limits.anonymous.max_rows":          {[]string{"0", "100"}, []string{"", "-1", "1.5"}},
		"data.limits.anonymous.max_cost":          {[]string{"0", "100000"}, []string{"", "-1", "1e6"}},
		"migrations.dir":                          {[]string{"migrations"}, []string{""}},
	}
	covered := map[string]bool{"server.read_header_timeout": true, "server.write_timeout": true, "server.idle_timeout": true, "server.shutdown_timeout": true, "database.user_url": true, "database.service_url": true}
	for _, role := range []string{"authenticated", "service_role"} { // the same fields as anonymous has
		for _, name := range []string{"statement_timeout", "max_rows", "max_cost"} {
			covered["data.limits."+role+"."+name] = true
		}
	}
	for key, tt := range tests {
		covered[key] = true
		for _, text := range tt.good {
			if _, err := keys().Field(key).Parse(text); err != nil {
				t.Errorf("%s = %q: %v, want it accepted", key, text, err)
			}
		}
		for _, text := range tt.bad {
			if _, err := keys().Field(key).Parse(text); err == nil {
				t.Errorf("%s = %q is accepted", key, text)
			}
		}
	}
	for _, f := range keys().Fields() {
		if !covered[f.Key] {
			t.Errorf("%s has no example of what it accepts", f.Key)
		}
	}
}

// Errors reach logs, and any value may be a secret in the wrong place.
func TestErrorsRepeatNoValue(t *testing.T) {
	t.Parallel()
	for _, f := range keys().Fields() {
		for _, text := range []string{"hunter2 hunter2", "https://hunter2/x", `{"hunter2 hunter2":"x"}`, "hunter2,,", "hunter2\x00", "1hunter2", "10.0.0.0/hunter2"} {
			if _, err := f.Parse(text); err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s = %q: the error repeats the value: %v", f.Key, text, err)
			}
		}
	}
}

func TestSecretsStaySecret(t *testing.T) {
	t.Parallel()
	const secret = "hunter2hunter2"
	c := mustLoad(t, "", "FLUXBASE_AUTH_JWT_SECRET="+secret, "FLUXBASE_DATABASE_URL=postgres://u:"+secret+"@h/d")
	var logged strings.Builder
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("configuration", "auth", c.Auth, "database", c.Database, "secret", c.Auth.JWT.Secret)
	slog.New(slog.NewTextHandler(&logged, nil)).Info("configuration", "config", c)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		logged.WriteString(fmt.Sprintf(verb, c) + fmt.Sprintf(verb, c.Auth.JWT.Secret))
	}
	if strings.Contains(logged.String(), secret) || strings.Contains(logged.String(), fmt.Sprintf("%x", secret)) {
		t.Errorf("a secret was written: %s", logged.String())
	}
	if got := c.Auth.JWT.Secret.Reveal(); got != secret {
		t.Errorf("Reveal = %q, want %q", got, secret)
	}
}
