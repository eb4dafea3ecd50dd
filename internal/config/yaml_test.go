package config

import (
	"strings"
	"testing"
)

func TestFileProblems(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		text, good string // good is the same file with the fault mended
		want       []string
	}{
		"unknown key": {
			"auth:\n  jwt_secrt: x\n", "auth:\n  jwt_secret: x\n",
			[]string{"fluxbase.yaml:2: auth.jwt_secrt is not a known key; the nearest is auth.jwt_secret"},
		},
		"unknown section": {
			"logs:\n  level: info\n", "log:\n  level: info\n",
			[]string{"fluxbase.yaml:1: logs is not a known key; the nearest is log"},
		},
		"key in the wrong section": {
			"auth:\n  max_connections: 5\n", "database:\n  max_connections: 5\n",
			[]string{"fluxbase.yaml:2: auth.max_connections is not a known key; the nearest is database.max_connections"},
		},
		"keys are case-sensitive": {
			"Log:\n  level: info\n", "log:\n  level: info\n",
			[]string{"fluxbase.yaml:1: Log is not a known key; the nearest is log"},
		},
		"dotted key": {
			"log.level: info\n", "log: {level: info}\n",
			[]string{"fluxbase.yaml:1: log.level has a dot in it; write each part on a line of its own, indented under the one before"},
		},
		"duplicate key": {
			"log:\n  level: info\n  format: json\n  level: warn\n", "log:\n  level: info\n  format: json\n",
			[]string{"fluxbase.yaml:4: log.level is given twice, first on line 2"},
		},
		"duplicate section": {
			"log:\n  level: info\nlog:\n  format: json\n", "log:\n  level: info\n",
			[]string{"fluxbase.yaml:3: log is given twice, first on line 1"},
		},
		"value for a section": {
			"log: info\n", "log:\n",
			[]string{`fluxbase.yaml:1: log must be a section: indented lines of "key: value", with a space after the colon`},
		},
		"section for a value": {
			"log:\n  level: {info: 1}\n", "log:\n  level: info\n",
			[]string{"fluxbase.yaml:2: log.level must be one of debug, info, warn, error"},
		},
		"list for text": {
			"auth:\n  jwt:\n    issuer: [a]\n", "auth:\n  jwt:\n    issuer: a\n",
			[]string{"fluxbase.yaml:3: auth.jwt.issuer must be text"},
		},
		"no value": {
			"auth:\n  jwt:\n    secret:\n", "auth:\n  jwt:\n    secret: \"\"\n",
			[]string{`fluxbase.yaml:3: auth.jwt.secret has no value; write "" for an empty one, or take the line out`},
		},
		"quoted number": {
			"data: {max_rows: \"5\"}\n", "data: {max_rows: 5}\n",
			[]string{"fluxbase.yaml:1: data.max_rows must be a whole number, without quotes"},
		},
		"octal number": {
			"data: {max_rows: 010}\n", "data: {max_rows: 10}\n",
			[]string{"fluxbase.yaml:1: data.max_rows must be a whole number, in digits"},
		},
		"truth value in words": {
			"auth: {enable_signup: yes}\n", "auth: {enable_signup: true}\n",
			[]string{"fluxbase.yaml:1: auth.enable_signup must be true or false, without quotes"},
		},
		"truth value as text": {
			"auth: {jwt: {issuer: true}}\n", "auth: {jwt: {issuer: \"true\"}}\n",
			[]string{"fluxbase.yaml:1: auth.jwt.issuer must be text; put the value in quotes"},
		},
		"duration without unit": {
			"auth: {jwt: {expiry: 15}}\n", "auth: {jwt: {expiry: 15m}}\n",
			[]string{"fluxbase.yaml:1: auth.jwt.expiry must be a duration with its unit, such as 30s, 15m, 168h or 7d"},
		},
		"tagged value": {
			"secret_key: !!binary aGVsbG8=\n", "secret_key: \"\"\n",
			[]string{"fluxbase.yaml:1: secret_key must be a plain value, not a list, a section or a tagged value"},
		},
		"no space after the colon": {
			"{secret_key:hunter2}\n", "{secret_key: \"\"}\n",
			[]string{"fluxbase.yaml:1: has a key that cannot be one and is not repeated here, as it may hold a value; a colon needs a space after it"},
		},
		"not a mapping": {
			"secret_key=hunter2\n", "{}\n",
			[]string{`fluxbase.yaml:1: must be a section: indented lines of "key: value", with a space after the colon`},
		},
		"unquoted asterisk": {
			"log:\n  level: info\nsecret_key: *hunter2\n", "log:\n  level: info\n",
			[]string{"fluxbase.yaml: is not YAML: a value that begins with * needs quotes"},
		},
		"syntax": {
			"log:\n  level: info\n bad\n", "log:\n  level: info\n",
			[]string{"fluxbase.yaml:2: is not YAML, here or a little below: did not find expected key"},
		},
		"two documents": {
			"log: {level: info}\n---\nlog: {level: warn}\n", "---\nlog: {level: info}\n...\n",
			[]string{"fluxbase.yaml:2: must be one YAML document, not several"},
		},
		"list within a list": {
			"data: {schemas: [public, [a]]}\n", "data: {schemas: [public, a]}\n",
			[]string{"fluxbase.yaml:1: data.schemas must be a plain value, not a list, a section or a tagged value (element 2)"},
		},
		"header given twice": {
			"server:\n  security_headers: {A: x, A: y}\n", "server:\n  security_headers: {A: x, B: y}\n",
			[]string{"fluxbase.yaml:2: server.security_headers has the same name twice (entry 2)"},
		},
		"header without value": {
			"server:\n  security_headers: {A: }\n", "server:\n  security_headers: {A: \"\"}\n",
			[]string{`fluxbase.yaml:2: server.security_headers has no value; write "" for an empty one, or take the line out (entry 1)`},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, got := loadFile(t, tt.text)
			wantProblems(t, got, tt.want...)
			mustLoad(t, tt.good)
		})
	}
}

func TestEmptyFiles(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "\n", "# nothing\n", "---\n", "log:\n", "auth:\n  jwt:\n  # expiry: 15m\n", "\ufefflog:\n"} {
		if c := mustLoad(t, text); c.Log.Level != "info" {
			t.Errorf("%q: log.level = %q, want the default", text, c.Log.Level)
		}
	}
}

func TestAnchorsAreFollowed(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, "server:\n  read_timeout: &t 7s\n  write_timeout: *t\n")
	if c.Server.WriteTimeout != c.Server.ReadTimeout {
		t.Errorf("write_timeout = %v, want %v", c.Server.WriteTimeout, c.Server.ReadTimeout)
	}
	_, got := loadFile(t, "auth: &a\n  jwt: *a\n")
	if len(got) == 0 {
		t.Error("a section that contains itself was accepted")
	}
}

// A hexadecimal key may look like a number to YAML; its digits must survive.
func TestSecretOfDigits(t *testing.T) {
	t.Parallel()
	for _, digits := range []string{strings.Repeat("12345678", 8), strings.Repeat("0", 31) + "1" + strings.Repeat("2", 32), "1234e" + strings.Repeat("5", 59)} {
		c := mustLoad(t, "secret_key: "+digits+"\n")
		if got := c.SecretKeyText.Reveal(); got != digits {
			t.Errorf("secret_key = %q, want %q", got, digits)
		}
	}
}

func TestExpansion(t *testing.T) {
	t.Parallel()
	environ := []string{"JWT_SECRET=s3cret", "EMPTY=", "N=5", "ON=false", "ORIGINS=https://a.example,https://b.example", "NESTED=${JWT_SECRET}"}
	tests := map[string]string{
		"${JWT_SECRET}":                     "s3cret",
		"a${JWT_SECRET}b${N}":               "as3cretb5",
		"${NOPE:-fallback}":                 "fallback",
		"${EMPTY:-fallback}":                "fallback",
		"${NOPE:-}":                         "",
		"${EMPTY}":                          "",
		"$${JWT_SECRET}":                    "${JWT_SECRET}",
		"$$":                                "$",
		"pa$word$":                          "pa$word$",
		"${NESTED}":                         "${JWT_SECRET}", // what a variable holds is not expanded again
		"${NOPE:-http://x:-y}${JWT_SECRET}": "http://x:-ys3cret",
	}
	for in, want := range tests {
		c := mustLoad(t, "auth:\n  jwt_secret: \""+in+"\"\n", environ...)
		if got := c.Auth.JWT.Secret.Reveal(); got != want {
			t.Errorf("%s = %q, want %q", in, got, want)
		}
	}
	inVariable := mustLoad(t, "", `FLUXBASE_SERVER_SECURITY_HEADERS={"X-A":"$$${JWT_SECRET}"}`, environ[0])
	if got := inVariable.Server.SecurityHeaders["X-A"]; got != "$$${JWT_SECRET}" {
		t.Errorf("what a variable holds became %q", got)
	}
	c := mustLoad(t, "data: {max_rows: \"${N}\"}\nauth: {signup_enabled: '${ON}'}\nserver: {cors: {allowed_origins: \"${ORIGINS}\"}}\n", environ...)
	if c.Data.MaxRows != 5 || c.Auth.SignupEnabled || len(c.Server.CORS.AllowedOrigins) != 2 {
		t.Errorf("expanded values = %d, %v, %v", c.Data.MaxRows, c.Auth.SignupEnabled, c.Server.CORS.AllowedOrigins)
	}
}

func TestExpansionProblems(t *testing.T) {
	t.Parallel()
	const form = "has a ${...} that is neither ${NAME} nor ${NAME:-default}; write $$ for a dollar sign"
	tests := map[string]string{
		"${NOPE}":          "needs the variable NOPE, which is not set; set it, or write ${NOPE:-default}",
		"${JWT_SECRET":     form,
		"${}":              form,
		"${1A}":            form,
		"${A-b}":           form,
		"${JWT_SECRET:?x}": form,
	}
	for in, want := range tests {
		_, got := loadFile(t, "auth:\n  jwt:\n    secret: \""+in+"\"\n", "JWT_SECRET=s3cret")
		wantProblems(t, got, "fluxbase.yaml:3: auth.jwt.secret "+want)
	}
	_, got := loadFile(t, "data:\n  schemas: [public, \"${NOPE}\"]\n")
	wantProblems(t, got, "fluxbase.yaml:2: data.schemas needs the variable NOPE, which is not set; set it, or write ${NOPE:-default} (element 2)")
}
