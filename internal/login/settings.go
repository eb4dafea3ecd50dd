package login

import "github.com/fluxbase/fluxbase/internal/password"

// Settings is what a sign-in page needs to know.
type Settings struct {
	SignupEnabled     bool           `json:"signup_enabled"`
	EmailVerification bool           `json:"email_verification"` // an address has to be proven before it signs in
	MagicLink         bool           `json:"magic_link"`
	Anonymous         bool           `json:"anonymous"`
	MFA               MFASettings    `json:"mfa"`
	Password          PasswordPolicy `json:"password"`
}

// MFASettings are the second factors that can be enrolled.
type MFASettings struct {
	TOTP bool `json:"totp"`
}

// PasswordPolicy is what a new password must be.
type PasswordPolicy struct {
	MinLength        int  `json:"min_length"` // code points
	MaxBytes         int  `json:"max_bytes"`  // of UTF-8
	RequireUppercase bool `json:"require_uppercase"`
	RequireLowercase bool `json:"require_lowercase"`
	RequireDigit     bool `json:"require_digit"`
	RequireSpecial   bool `json:"require_special"`
}

// Settings returns which ways in there are.
func (s *Service) Settings() Settings {
	policy := s.Passwords.Policy
	return Settings{
		SignupEnabled: s.Config.SignUps, EmailVerification: s.Config.Verify, MagicLink: s.Config.MagicLinks && s.Mail.Configured(),
		Anonymous: s.Config.Anonymous && s.Config.SignUps, MFA: MFASettings{TOTP: true},
		Password: PasswordPolicy{
			MinLength: policy.MinLength, MaxBytes: password.MaxBytes, RequireUppercase: policy.RequireUppercase,
			RequireLowercase: policy.RequireLowercase, RequireDigit: policy.RequireDigit, RequireSpecial: policy.RequireSpecial,
		},
	}
}
