package config

import "testing"

func TestValidateMail(t *testing.T) {
	t.Parallel()
	const host, from = "mail.smtp.host", "mail.from"
	const noSender = "mail.from is not set: mail.smtp.host is, and messages have to come from somebody"
	const inTheClear = "flag: mail.smtp.security is none, and the mail server is not on this machine; production refuses it"
	for name, tt := range map[string]struct {
		changes []string
		want    string // "" for none
	}{
		"complete":                 {[]string{host, "smtp.example.com", from, "a@example.com", "mail.smtp.username", "u", "mail.smtp.password", "p"}, ""},
		"no mail server":           {[]string{from, "a@example.com"}, ""},
		"no sender":                {[]string{host, "smtp.example.com"}, noSender},
		"no sender in development": {[]string{"environment", "development", host, "smtp.example.com"}, noSender},
		"no password":              {[]string{host, "smtp.example.com", from, "a@example.com", "mail.smtp.username", "u"}, "mail.smtp.password is not set: mail.smtp.username is"},
		"no user":                  {[]string{host, "smtp.example.com", from, "a@example.com", "mail.smtp.password", "p"}, "mail.smtp.username is not set: mail.smtp.password is"},
		"in the clear":             {[]string{host, "smtp.example.com", from, "a@example.com", "mail.smtp.security", "none"}, inTheClear},
		"in the clear, by name":    {[]string{host, "localhost.example.com", from, "a@example.com", "mail.smtp.security", "none"}, inTheClear},
		"in the clear, here":       {[]string{host, "127.0.0.1", from, "a@example.com", "mail.smtp.security", "none"}, ""},
		"in the clear, developing": {[]string{"environment", "development", host, "smtp.example.com", from, "a@example.com", "mail.smtp.security", "none"}, ""},
		"nobody to confirm":        {[]string{"auth.email_verification", "required"}, "flag: auth.email_verification is required, and mail.smtp.host is not set: set it, or nobody can confirm an address; production refuses it"},
		"confirmed by mail":        {[]string{"auth.email_verification", "required", host, "smtp.example.com", from, "a@example.com"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := ""
			for _, p := range sound(t, tt.changes...).Validate() {
				got += p.String()
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
