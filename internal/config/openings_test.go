package config

import (
	"strings"
	"testing"
)

// TestOpenings has each door that is open, and the same one shut beside it.
func TestOpenings(t *testing.T) {
	t.Parallel()
	const (
		address  = "postgres://owner:pw@db.example.com/app"
		clear    = "flag: database.url has sslmode="
		advice   = ", and the database is not on this machine: write sslmode=verify-full, or require where there is no authority to verify it by; production refuses it"
		admin    = "flag: server.admin_address is every interface or a public address, and asks nobody who they are: name an address of this machine or of your private network, such as 127.0.0.1:9090; production refuses it"
		optional = "flag: database.url goes on without TLS where the database does not offer it: write sslmode=verify-full"
		silent   = "mail.smtp.host is not set: links, codes and notices reach nobody, and passwords cannot be reset"
	)
	with := func(key string, values ...string) (changes []string) {
		for _, v := range values {
			changes = append(changes, key, v)
		}
		return append(changes, "mail.smtp.host", "mail.example.com", "mail.from", "a@example.com")
	}
	url := func(u string) []string { return with("database.url", u) }
	tests := map[string]struct {
		changes []string
		refused string
		warned  string
	}{
		"in the clear":               {url(address + "?sslmode=disable"), clear + "disable" + advice, ""},
		"in the clear, if possible":  {url(address + "?sslmode=allow"), clear + "allow" + advice, ""},
		"one of several":             {url("postgres://owner:pw@localhost:5432,db:5432/app?sslmode=disable"), clear + "disable" + advice, ""},
		"as a parameter":             {url("postgres://owner:pw@/app?host=10.0.0.7&sslmode=disable"), clear + "disable" + advice, ""},
		"the login of users":         {append(url(address+"?sslmode=require"), "database.user_url", address+"?sslmode=disable"), strings.Replace(clear, "url", "user_url", 1) + "disable" + advice, ""},
		"if offered":                 {url(address), "", optional},
		"if offered, said":           {url(address + "?sslmode=prefer"), "", optional},
		"TLS":                        {url(address + "?sslmode=require"), "", ""},
		"verified":                   {url(address + "?sslmode=verify-full"), "", ""},
		"on this machine":            {url("postgres://owner:pw@127.0.0.1/app?sslmode=disable"), "", ""},
		"on this machine, IPv6":      {url("postgres://owner:pw@[::1]:5432/app?sslmode=disable"), "", ""},
		"a socket":                   {url("postgres:///app?host=/run/postgresql&sslmode=disable"), "", ""},
		"admin on every interface":   {append(url(address+"?sslmode=require"), "server.admin_address", ":9090"), admin, ""},
		"admin on every one, said":   {append(url(address+"?sslmode=require"), "server.admin_address", "0.0.0.0:9090"), admin, ""},
		"admin on every one, IPv6":   {append(url(address+"?sslmode=require"), "server.admin_address", "[::]:9090"), admin, ""},
		"admin on a public address":  {append(url(address+"?sslmode=require"), "server.admin_address", "203.0.113.7:9090"), admin, ""},
		"admin on a private address": {append(url(address+"?sslmode=require"), "server.admin_address", "10.1.2.3:9090"), "", ""},
		"admin on this machine":      {append(url(address+"?sslmode=require"), "server.admin_address", "127.0.0.1:9090"), "", ""},
		"no limits":                  {append(url(address+"?sslmode=require"), "ratelimit.enabled", "false"), "", "flag: ratelimit.enabled is false: passwords and codes can be guessed as fast as anybody likes; say true"},
		"plans":                      {append(url(address+"?sslmode=require"), "data.plan_enabled", "true"), "", "flag: data.plan_enabled is true: plans show the conditions of policies, and numbers drawn from rows that they hide"},
		"writes that are undone":     {append(url(address+"?sslmode=require"), "data.tx_end", "rollback"), "", "flag: data.tx_end undoes what requests write"},
		"no mail":                    {[]string{"database.url", address + "?sslmode=require"}, "", silent},
		"http to this machine":       {append(url(address+"?sslmode=require"), "public_url", "http://localhost:8080"), "flag: public_url is not https: write the URL that people use, with TLS here or at a proxy before this server; production refuses it", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := sound(t, tt.changes...)
			for _, got := range []struct {
				problems []Problem
				want     string
			}{{c.Validate(), tt.refused}, {c.Warnings(), tt.warned}} {
				var lines []string
				for _, p := range got.problems {
					lines = append(lines, p.String())
				}
				wantProblems(t, lines, split(got.want)...)
			}
			c.Environment = Staging
			if refused := c.Validate(); (len(refused) > 0) != (tt.refused != "" && name != "http to this machine") {
				t.Errorf("staging refuses %v", refused)
			}
			c.Environment = Development
			if refused, warned := c.Validate(), c.Warnings(); len(refused)+len(warned) > 0 {
				t.Errorf("development: %v %v", refused, warned)
			}
		})
	}
}

// TestEnvironmentsAsPrinted has the blocks of the page on security, variable by
// variable.
func TestEnvironmentsAsPrinted(t *testing.T) {
	t.Parallel()
	for environment, tt := range map[string]struct{ level, secret string }{
		"development": {"debug", "dev-secret-key"}, "staging": {"info", goodToken}, "production": {"warn", goodToken},
	} {
		c := mustLoad(t, "public_url: https://api.example.com\nsecret_key: "+goodKey+"\ndatabase: {url: \"postgres://owner:pw@localhost/app\"}\n",
			"FLUXBASE_ENV="+environment, "FLUXBASE_LOG_LEVEL="+tt.level, "FLUXBASE_AUTH_JWT_SECRET="+tt.secret)
		if c.Environment != Environment(environment) || c.Log.Level != tt.level || c.Auth.JWT.Secret.Reveal() != tt.secret {
			t.Errorf("%s: %v %v", environment, c.Environment, c.Log.Level)
		}
		if refused := c.Validate(); len(refused) > 0 {
			t.Errorf("%s refuses %v", environment, refused)
		}
		weak := false
		for _, w := range c.Warnings() {
			weak = weak || w.Key == "auth.jwt.secret"
			if strings.Contains(w.String(), tt.secret) {
				t.Errorf("%s repeats the secret", environment)
			}
		}
		if weak != (environment == "development") {
			t.Errorf("%s: %v", environment, c.Warnings())
		}
	}
}
