package config

import "strings"

// isTrivial reports whether a secret was made by holding down keys rather than
// by a random generator: few different bytes, a short block repeated, or a
// sequence. Of 32 random bytes about 30 differ.
func isTrivial(secret []byte) bool {
	different := map[byte]bool{}
	for _, b := range secret {
		different[b] = true
	}
	if len(different) < 8 {
		return true
	}
	steady := true
	for i := 2; i < len(secret); i++ {
		steady = steady && secret[i]-secret[i-1] == secret[1]-secret[0]
	}
	for period := 1; period <= len(secret)/2; period++ {
		if repeats(secret, period) {
			return true
		}
	}
	return steady
}

func repeats(secret []byte, period int) bool {
	for i := period; i < len(secret); i++ {
		if secret[i] != secret[i-period] {
			return false
		}
	}
	return true
}

// The values that pages of documentation use; whoever reads them knows them.
var examples = []string{
	"your-secret", "your_secret", "your-256-bit-secret", "your-super-secret", "super-secret", "supersecret",
	"dev-secret", "dev_secret", "development-secret", "changeme", "change-me", "change_me", "replace-me", "replace_me",
	"5f18273693329a32f853e75619c82a89428335669b8d865f8f6df75d102b60fa", // a digest in docs/audit.md
	"a-string-secret-at-least-256-bits-long", "at-least-32-characters", "reallyreallyreallyreallyverysafe",
}

// isExample reports whether a secret is, or is built around, a known example.
func isExample(secret string) bool {
	lower := strings.ToLower(secret)
	for _, example := range examples {
		if strings.Contains(lower, example) {
			return true
		}
	}
	return lower == "secret" || lower == "password"
}
