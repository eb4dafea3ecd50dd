package config

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestBits: what a generator makes passes however it is written down, and what a
// person makes up does not, however long it is.
func TestBits(t *testing.T) {
	t.Parallel()
	for range 2000 {
		raw := make([]byte, 48)
		_, _ = rand.Read(raw)
		for command, secret := range map[string]string{
			"openssl rand -hex 32":    hex.EncodeToString(raw[:32]),
			"openssl rand -base64 32": base64.StdEncoding.EncodeToString(raw[:32]),
			"openssl rand -base64 48": base64.StdEncoding.EncodeToString(raw),
			"token_urlsafe(32)":       base64.RawURLEncoding.EncodeToString(raw[:32]),
			"HEX":                     strings.ToUpper(hex.EncodeToString(raw[:32])),
		} {
			if weak := weakSecret(secret); weak != "" {
				t.Fatalf("what %s makes %s: %s", command, weak, secret)
			}
		}
	}
	for name, secret := range map[string]string{
		"16 bytes in hexadecimal": "8f3a1c9e7b2d4f60a5c8e1937d6b0f24",
		"digits":                  "31415926535897932384626433832795028841971693993751",
		"32 letters and digits":   goodSecret,
		"a sentence":              "correct horse battery staple is not what anybody should write here",
		"words":                   "OurCompanySignsItsTokensWithThisVeryLongSecretThatNobodyGuesses",
		"said twice":              "mK8vQ2xR7wLpT4nZ" + "mK8vQ2xR7wLpT4nZ" + "mK8vQ2xR7wLpT4nZ" + "!",
		"the keyboard":            "qwertyuiopasdfghjklzxcvbnmQWERTYUIOPASDFGHJKLZXCVBNM1234567890",
		"the alphabet":            "abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOPQRSTUVWXYZ-0123456789",
		"a phrase with years":     "ilovemycompany2024!ilovemycompany2025!ilovemycompany2026!",
	} {
		if weak := weakSecret(secret); !strings.Contains(weak, "bits of entropy") {
			t.Errorf("%s: %q", name, weak)
		}
	}
}

// TestDocumentedSecrets: nothing that stands in our documentation, or in that of
// the configuration, is fit for an installation.
func TestDocumentedSecrets(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	pages, err := filepath.Glob(filepath.Join(root, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, pattern := range []string{"docs/*.md", "docs/*/*.md", "internal/config/testdata/product/*"} {
		more, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, more...)
	}
	candidate := regexp.MustCompile(`[A-Za-z0-9+/_=-]{32,}`)
	looked := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range candidate.FindAllString(string(text), -1) {
			if strings.HasPrefix(secret, "fluxbase_") { // the name of a metric
				continue
			}
			looked++
			if weakSecret(secret) == "" {
				t.Errorf("%s has a secret for tokens that production would take: %s", page, secret)
			}
			if key, err := DecodeKey(secret); err == nil && !isTrivial(key) && !isExample(secret) && (len(secret) != keySize || bits(secret) >= minKeyBits) {
				t.Errorf("%s has a key that production would take: %s", page, secret)
			}
		}
	}
	if len(pages) < 20 || looked < 5 {
		t.Errorf("%d candidates on %d pages; they were read wrong", looked, len(pages))
	}
	if weakSecret(goodToken) != "" || candidate.FindString("x "+goodToken+" y") != goodToken {
		t.Error("control: a good secret would not have been found")
	}
}
