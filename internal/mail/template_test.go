package mail

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// write makes a folder of templates.
func write(t *testing.T, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		place := filepath.Join(dir, files[i])
		if err := os.MkdirAll(filepath.Dir(place), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(place, []byte(files[i+1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func load(t *testing.T, fallback string, files ...string) *templates {
	t.Helper()
	l, err := loadTemplates(write(t, files...), fallback)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// render is the letter of a kind to somebody who wants a locale.
func render(t *testing.T, l *templates, k Kind, wanted string, v Vars) letter {
	t.Helper()
	at := time.Date(2026, 3, 4, 5, 6, 0, 0, time.UTC)
	got, err := l.render(record{kind: k, locale: l.locale(k, wanted), createdAt: at, expiresAt: at.Add(10 * time.Minute)}, v)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// TestBuiltIn fills in every kind in every language, with everything and with
// nothing.
func TestBuiltIn(t *testing.T) {
	t.Parallel()
	l := load(t, "")
	for _, lang := range []string{"en", "de"} {
		if n := len(l.builtin.words[lang].Kinds); n != len(kinds) {
			t.Errorf("%s has %d kinds of %d", lang, n, len(kinds))
		}
		for _, k := range kinds {
			for name, v := range map[string]Vars{"full": sample(), "bare": {SendingTo: "a@example.com"}} {
				got := render(t, l, k, lang, v)
				if got.subject == "" || strings.Contains(got.subject+got.text+got.html, "<no value>") || strings.Contains(got.html, "ZgotmplZ") {
					t.Errorf("%s, %s, %s:\n%+v", lang, k, name, got)
				}
				if !strings.Contains(got.html, `lang="`+lang+`"`) {
					t.Errorf("%s, %s: its HTML is of another language", lang, k)
				}
				for _, want := range []string{"123456", "https://example.com/verify?token=x"} {
					if has := strings.Contains(got.text, want); has != (name == "full") {
						t.Errorf("%s, %s, %s: %s: %v\n%s", lang, k, name, want, has, got.text)
					}
				}
				if name == "full" && k.isNotice() == strings.Contains(got.text, "10 minutes") {
					t.Errorf("%s, %s: when it expires\n%s", lang, k, got.text)
				}
			}
		}
	}
	if a, b := render(t, l, Recovery, "de", Vars{}), render(t, l, Recovery, "de", Vars{}); a != b || !strings.Contains(a.text, "10 Minuten") {
		t.Errorf("%+v", a)
	}
}

func TestLocales(t *testing.T) {
	t.Parallel()
	plain := load(t, "")
	german := load(t, "de")
	branded := load(t, "", "recovery.subject", "ours", "recovery.html", "<p>ours</p>", "pt-BR/recovery.subject", "ours, in Brazil", "fr/recovery.subject", "ours, in French", "fr/recovery.txt", "texte")
	for _, tt := range []struct {
		l            *templates
		kind         Kind
		wanted       string
		locale, want string
	}{
		{plain, Recovery, "", "en", "Reset your password"},
		{plain, Recovery, "de", "de", "Neues Passwort"},
		{plain, Recovery, "de-AT", "de", "Neues Passwort"},
		{plain, Recovery, "DE_at", "de", "Neues Passwort"},
		{plain, Recovery, "nl", "en", "Reset your password"},
		{plain, Recovery, "nl-NL, nl;q=0.9, de;q=0.8, en;q=0.7", "de", "Neues Passwort"},
		{plain, Recovery, "en-US,en;q=0.9,de;q=0.8", "en", "Reset your password"},
		{plain, Recovery, "../../de", "en", "Reset your password"},
		{plain, Recovery, strings.Repeat("de,", 3) + "\r\nX: y", "de", "Neues Passwort"},
		{german, Recovery, "", "de", "Neues Passwort"},
		{german, Recovery, "nl", "de", "Neues Passwort"},
		{german, Recovery, "en", "en", "Reset your password"},
		{branded, Recovery, "", "en", "ours"},
		{branded, Recovery, "de", "en", "ours"}, // rather than a letter without their words
		{branded, Recovery, "pt-BR", "pt-br", "ours, in Brazil"},
		{branded, Recovery, "pt-PT", "en", "ours"},
		{branded, Recovery, "pt", "en", "ours"},
		{branded, Recovery, "fr-CA", "fr", "ours, in French"},
		{branded, Invite, "de", "de", "Sie sind eingeladen"},
		{branded, Invite, "fr", "en", "You have been invited"},
	} {
		if got := tt.l.locale(tt.kind, tt.wanted); got != tt.locale {
			t.Errorf("%s in %q: %s, want %s", tt.kind, tt.wanted, got, tt.locale)
		}
		if got := render(t, tt.l, tt.kind, tt.wanted, sample()); got.subject != tt.want {
			t.Errorf("%s in %q: %q, want %q", tt.kind, tt.wanted, got.subject, tt.want)
		}
	}
	// What a locale does not say comes from the files without one, and what
	// those do not say is built in.
	got := render(t, branded, Recovery, "fr", sample())
	if got.text != "texte" || got.html != "<p>ours</p>" {
		t.Errorf("%+v", got)
	}
	if got := render(t, branded, Recovery, "", sample()); !strings.Contains(got.text, "Choose a new password") {
		t.Errorf("%+v", got)
	}
}

// TestBrokenTemplates are refused before anything is served, by file and line.
func TestBrokenTemplates(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ file, text, says string }{
		"unknown kind":        {"conformation.html", "<p>", "conformation.html: there is no such kind of message; the kinds are confirmation, invite"},
		"unknown kind, de":    {"de/welcome.txt", "x", "de/welcome.txt: there is no such kind"},
		"folder of no locale": {"drafts/recovery.txt", "x", "drafts: a folder in here is named by a locale"},
		"folder in a folder":  {"de/at/recovery.txt", "x", "at: a folder in here is named by a locale"},
		"syntax":              {"recovery.txt", "one\ntwo {{ if }}", "recovery.txt:2: missing value for if"},
		"unclosed":            {"recovery.subject", "{{ .Email", "recovery.subject:1: unclosed action"},
		"unknown variable":    {"recovery.html", "<p>\n\n{{ .Nickname }}", "recovery.html:3:3: executing"},
		"unknown function":    {"recovery.html", "{{ shout .Email }}", `recovery.html:1: function "shout" not defined`},
		"half a tag":          {"recovery.html", "<p>\n<a href={{ .Email }}\"{{ if .Token }}>{{ end }}", `recovery.html: "\"" in unquoted attr`}, // html/template knows no line here
		"contexts":            {"recovery.html", "<p>\n{{ if .Token }}<a href=\"{{ end }}", "recovery.html:2:"},
		"only with a token":   {"recovery.txt", "{{ if .Token }}{{ .Secret }}{{ end }}", "recovery.txt:1:18: executing"},
		"only without":        {"recovery.txt", "{{ if not .Token }}{{ .Secret }}{{ end }}", "recovery.txt:1:22: executing"},
		"empty subject":       {"recovery.subject", "{{ if false }}x{{ end }}\n", "recovery.subject:1: a subject cannot be empty"},
	} {
		_, err := loadTemplates(write(t, tt.file, tt.text), "")
		if err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, want %q", name, err, tt.says)
		}
	}
	load(t, "", "README.md", "{{ not a template", ".git/x", "y", "recovery.txt", "{{ .ConfirmationURL }} {{ .Token }} {{ .TokenHash }} {{ .SiteURL }} {{ .RedirectTo }} {{ .Email }} "+
		"{{ .NewEmail }} {{ .OldEmail }} {{ .Phone }} {{ .Provider }} {{ .FactorType }} {{ .Data }} {{ .SendingTo }} {{ .Locale }} {{ .Device }} {{ .Address }} {{ .ExpiresIn }}")
	if _, err := loadTemplates(filepath.Join(t.TempDir(), "missing"), ""); err == nil {
		t.Error("a folder that does not exist is taken for an empty one")
	}
}

// TestHostileValues have markup in what people write about themselves, and lines
// in what becomes a header.
func TestHostileValues(t *testing.T) {
	t.Parallel()
	l := load(t, "", "invite.subject", "Hello {{ .Data.name }}\nBcc: {{ .Email }}", "invite.html", `<p title="{{ .Data.name }}">{{ .Data.name }}</p><a href="{{ .ConfirmationURL }}">x</a>`)
	v := sample()
	v.Data = map[string]any{"name": "\"><script>alert(1)</script>\r\nBcc: evil@example.com\u2028\x00"}
	v.ConfirmationURL = "javascript:alert(1)"
	v.Device = "<img src=x onerror=alert(1)>"
	v.Email = "<b>@example.com"
	got := render(t, l, Invite, "", v)
	if strings.ContainsAny(got.subject, "\r\n\x00\u2028") || !strings.HasPrefix(got.subject, `Hello "><script>`) {
		t.Errorf("%q", got.subject)
	}
	if strings.Contains(got.html, "<script") || strings.Contains(got.html, "javascript:") || !strings.Contains(got.html, "&lt;script&gt;") {
		t.Error(got.html)
	}
	for _, k := range kinds {
		got := render(t, load(t, ""), k, "", v)
		if strings.Contains(got.html, "<img") || strings.Contains(got.html, "<b>@") || strings.Contains(got.html, "javascript:alert") && strings.Contains(got.html, `href="javascript`) {
			t.Error(got.html)
		}
		if strings.Contains(got.html+got.text+got.subject, "evil@example.com") {
			t.Errorf("%s says what a stranger wrote about themselves", k)
		}
	}

	if _, err := newSender(Config{From: "Größe\r\nBcc: x <a@example.com>"}); err == nil {
		t.Error("a line in a name is taken")
	}
	s, err := newSender(Config{From: `"Größe, Inc." <a@example.com>`})
	if err != nil {
		t.Fatal(err)
	}
	message, err := s.compose(record{recipient: "b@example.com", messageID: "x@y", createdAt: time.Now()}, letter{
		subject: "a\r\nBcc: c@example.com\r\n\r\n<script>", text: ".\r\nQUIT\r\n", html: "<p>\r\n.\r\n</p>",
	})
	if err != nil {
		t.Fatal(err)
	}
	header, _, _ := strings.Cut(string(message), "\r\n\r\n")
	if strings.Contains(header, "\nBcc:") || !strings.Contains(header, "Subject: a Bcc: c@example.com <script>") {
		t.Error(header)
	}
}

func TestDurationInWords(t *testing.T) {
	t.Parallel()
	b, err := loadBuiltin()
	if err != nil {
		t.Fatal(err)
	}
	for d, want := range map[time.Duration]string{
		time.Minute: "1 minute", 10 * time.Minute: "10 minutes", time.Hour: "1 hour", 90 * time.Minute: "90 minutes", 2 * time.Hour: "2 hours",
		24 * time.Hour: "1 day", 36 * time.Hour: "36 hours", 72 * time.Hour: "3 days", 0: "0 minutes", 30 * time.Second: "1 minute",
	} {
		if got := b.words["en"].duration(d); got != want {
			t.Errorf("%s: %s, want %s", d, got, want)
		}
	}
}

func TestScrub(t *testing.T) {
	t.Parallel()
	v := Vars{Token: "123456", TokenHash: "abcdef", ConfirmationURL: "https://x.example/verify?token=s3cr3t-token#frag-ment"}
	for in, want := range map[string]string{
		"connecting: dial tcp 10.0.0.1:25: connection refused": "connecting: dial tcp 10.0.0.1:25: connection refused",
		"550 <a@example.com>: no":                              "550 […] no",
		"554 code=123456, hash abcdef.":                        "554 […] hash […]",
		"see http://x y":                                       "see […] y",
		"x?token=s3cr3t-token and #frag-ment":                  "[…] and […]",
		"a\r\nb\x00c":                                          "a b c",
	} {
		if got := scrub(in, v); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	if got := scrub(strings.Repeat("ä", 1000), Vars{}); len([]rune(got)) != maxReason {
		t.Errorf("%d characters", len([]rune(got)))
	}
	if got := scrub("123 abc", Vars{Token: "1", TokenHash: ""}); got != "123 abc" {
		t.Error(got)
	}
}
