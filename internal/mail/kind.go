package mail

import (
	"slices"
	"time"
)

// Kind is what a message is about. Its value is the name of its templates.
type Kind string

// The kinds that carry a link or a code, which the receiver is to use.
const (
	Confirmation       Kind = "confirmation"         // of the address of a new account
	Invite             Kind = "invite"               // to an account that an administrator has made
	Recovery           Kind = "recovery"             // of an account whose password is forgotten
	MagicLink          Kind = "magic_link"           // signs in
	EmailChange        Kind = "email_change"         // to the new address
	EmailChangeCurrent Kind = "email_change_current" // to the old one
	Reauthentication   Kind = "reauthentication"     // before something that needs fresh proof
)

// The notices: something has happened that the owner of the account should know.
const (
	PasswordChanged   Kind = "password_changed"
	EmailChanged      Kind = "email_changed" // to the old address
	FactorAdded       Kind = "factor_added"
	FactorRemoved     Kind = "factor_removed"
	RecoveryCodesUsed Kind = "recovery_codes_used"
	RecoveryCodesMade Kind = "recovery_codes_made" // new ones, in the place of those before
	APIKeyCreated     Kind = "api_key_created"
	AccountDeleted    Kind = "account_deleted" // its recipient is forgotten with it
	AccountExists     Kind = "account_exists"  // somebody tried to sign up with the address
	SignInElsewhere   Kind = "sign_in_elsewhere"
)

var kinds = []Kind{
	Confirmation, Invite, Recovery, MagicLink, EmailChange, EmailChangeCurrent, Reauthentication,
	PasswordChanged, EmailChanged, FactorAdded, FactorRemoved, RecoveryCodesUsed, RecoveryCodesMade, APIKeyCreated, AccountDeleted, AccountExists, SignInElsewhere,
}

func (k Kind) known() bool { return slices.Contains(kinds, k) }

// Vars are the variables of a template. Which of them a kind has depends on what
// it is about; the rest are empty.
type Vars struct {
	ConfirmationURL string         // the link that the button opens
	Token           string         // the code to type, as an alternative to the link
	TokenHash       string         // what identifies the link, for templates that build their own
	SiteURL         string         // the public URL of this server
	RedirectTo      string         // where the link leads in the end
	Email           string         // of the account; the recipient if empty
	NewEmail        string         // of a change of address
	OldEmail        string         // of a change of address
	Phone           string         // of the account
	Provider        string         // of an identity
	FactorType      string         // of a second factor, such as totp
	Data            map[string]any // the user's metadata, written by the user: never trusted
	SendingTo       string         // the recipient; filled in
	Locale          string         // a language tag, or an Accept-Language field; of no template: the default locale
	Device          string         // where the request came from: "Chrome on Linux"
	Address         string         // and its network address
	ExpiresIn       string         // such as "10 minutes"; filled in, in the message's language, from when it expires
	ExpiresAt       time.Time      // filled in, for templates that say it in their own words
	At              time.Time      // when what a notice is about happened; the time of sending it if zero
}

// fill adds what Send knows better than its caller.
func (v *Vars) fill(to string) {
	v.SendingTo = to
	if v.Email == "" {
		v.Email = to
	}
}
