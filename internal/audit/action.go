package audit

import (
	"maps"
	"slices"
	"strings"
)

// Action is what was done, as noun.verb.
type Action string

// The actions. Each has its sentence in sentences.
const (
	UserSignedUp             Action = "user.signed_up"
	UserSignedIn             Action = "user.signed_in"
	SignInRejected           Action = "user.sign_in_rejected"
	UserUpdated              Action = "user.updated"
	UserConverted            Action = "user.converted"
	UserDeleted              Action = "user.deleted"
	SignUpRequested          Action = "user.sign_up_requested"
	AddressProven            Action = "user.address_proven"
	CredentialsWiped         Action = "user.credentials_wiped"
	LinkRequested            Action = "user.link_requested"
	LinkDenied               Action = "user.link_denied"
	EmailChangeRequested     Action = "user.email_change_requested"
	EmailChanged             Action = "user.email_changed"
	PasswordChanged          Action = "user.password_changed"
	PasswordReset            Action = "user.password_reset"
	Reauthenticated          Action = "user.reauthenticated"
	SecondFactorRejected     Action = "user.second_factor_rejected"
	APIKeyCreated            Action = "user.api_key_created"  //nolint:gosec // the name of an action
	APIKeyRevoked            Action = "user.api_key_revoked"  //nolint:gosec // the name of an action
	APIKeysRevoked           Action = "user.api_keys_revoked" //nolint:gosec // the name of an action
	FactorEnrolled           Action = "user.factor_enrolled"
	FactorAdded              Action = "user.factor_added"
	FactorRemoved            Action = "user.factor_removed"
	FactorsUnlocked          Action = "user.factors_unlocked"
	RecoveryCodesMade        Action = "user.recovery_codes_made"
	UserCreated              Action = "user.created"
	UserInvited              Action = "user.invited"
	UserBanned               Action = "user.banned"
	UserUnbanned             Action = "user.unbanned"
	PasswordSet              Action = "user.password_set"
	UserImpersonated         Action = "user.impersonated"
	UsersImported            Action = "user.imported"
	UsersExported            Action = "user.exported"
	SessionsEnded            Action = "session.ended"
	SessionExpired           Action = "session.expired"
	SessionIdle              Action = "session.idle"
	SessionReused            Action = "session.reuse_detected"
	KeyCreated               Action = "key.created"
	KeyRotated               Action = "key.rotated"
	KeyRevoked               Action = "key.revoked"
	SecretSet                Action = "secret.set"
	SecretRead               Action = "secret.read"
	SecretDeleted            Action = "secret.deleted"
	SecretRestored           Action = "secret.restored"
	SecretPurged             Action = "secret.purged"
	EncryptionKeyGenerated   Action = "encryption.key_generated"
	EncryptionKeyActivated   Action = "encryption.key_activated"
	EncryptionKeyReplaced    Action = "encryption.key_replaced"
	EncryptionKeyDestroyed   Action = "encryption.key_destroyed"
	EncryptionRolledBack     Action = "encryption.rolled_back"
	EncryptionRunStarted     Action = "encryption.run_started"
	EncryptionRunFinished    Action = "encryption.run_finished"
	EncryptionSecretReplaced Action = "encryption.notification_secret_replaced"
	PolicyMended             Action = "rls.mended"
	RateLimited              Action = "rate_limit.exceeded"
	MailRetried              Action = "mail.retried"
	MonthDropped             Action = "audit.month_dropped"
)

// sentences says of each action when it is recorded. What is not in here is not
// written.
var sentences = map[Action]string{ //nolint:gosec // sentences about credentials, and none of these
	UserSignedUp:             "An account was made by the person it is for, or for an anonymous visitor, and signed in.",
	UserSignedIn:             "A session began. The target is the session.",
	SignInRejected:           "A password was wrong, or the account unknown or banned. It names the account if there is one.",
	UserUpdated:              `An account was changed: metadata by its owner; by an operator what the detail "changed" names.`,
	UserConverted:            "An anonymous account got an address and a password.",
	UserDeleted:              "An account was deleted, by its owner or an operator.",
	SignUpRequested:          "Somebody asked for an account whose address has yet to be proven.",
	AddressProven:            "Whoever reads a mailbox proved it by a link or a code.",
	CredentialsWiped:         "Credentials that were set before the address was proven were removed.",
	LinkRequested:            "A link or a code was asked for, of the kind in the details.",
	LinkDenied:               "Whoever reads the mailbox said that they had not asked for a link.",
	EmailChangeRequested:     "A user asked for another address.",
	EmailChanged:             "The address of an account changed, on proof.",
	PasswordChanged:          "A user changed the password, knowing the one before.",
	PasswordReset:            "A password was set by means of a mailed link or code.",
	Reauthenticated:          "A user proved again to be there; a failure is a wrong password or code.",
	SecondFactorRejected:     "A code of a second factor was wrong, used before, or came after too many tries.",
	APIKeyCreated:            "A user made an API key.",
	APIKeyRevoked:            "A user revoked an API key of theirs.",
	APIKeysRevoked:           "All API keys of a user were revoked, with the change of the account that the same request has recorded.",
	FactorEnrolled:           "A second factor was begun; it does not count until it is confirmed.",
	FactorAdded:              "A second factor was confirmed.",
	FactorRemoved:            "A second factor was removed, by its owner or an operator.",
	FactorsUnlocked:          "An operator let somebody try codes again after too many wrong ones.",
	RecoveryCodesMade:        "A user got new recovery codes; the ones before are void.",
	UserCreated:              "An operator made an account.",
	UserInvited:              "An operator invited somebody.",
	UserBanned:               "An operator banned an account.",
	UserUnbanned:             "An operator lifted a ban.",
	PasswordSet:              "An operator set a password.",
	UserImpersonated:         "An operator began a session in the name of a user, for the reason in the details.",
	UsersImported:            "An operator imported accounts; one record for each batch.",
	UsersExported:            "An operator exported the accounts, with or without credentials.",
	SessionsEnded:            "Sessions were ended by their owner or an operator: the one that is the target, or those of the user who is.",
	SessionExpired:           "A refresh token was presented after its session had expired.",
	SessionIdle:              "A refresh token was presented after its session had been idle for too long.",
	SessionReused:            "A refresh token was presented that had been used before: the session ended, since somebody else may have it.",
	KeyCreated:               "A client or service key was made, by a service key or at the database.",
	KeyRotated:               "A client or service key was replaced by another, and goes on until the instant in the details.",
	KeyRevoked:               "A client or service key was revoked, by a service key or at the database.",
	SecretSet:                "A secret was given a value.",
	SecretRead:               "The value of a secret was read.",
	SecretDeleted:            "A secret was deleted; it can be restored.",
	SecretRestored:           "A secret, or an earlier value of it, was brought back.",
	SecretPurged:             "A secret was destroyed with all its versions.",
	EncryptionKeyGenerated:   "A key-encryption key was made by a key management service.",
	EncryptionKeyActivated:   "New values are sealed under this version from now on.",
	EncryptionKeyReplaced:    "A key that nothing was sealed under was replaced by another of the same version.",
	EncryptionKeyDestroyed:   "A key was destroyed: nothing is sealed under it any more.",
	EncryptionRolledBack:     "An operator went back to an earlier key, for the reason in the details.",
	EncryptionRunStarted:     "Moving sealed values to another key began.",
	EncryptionRunFinished:    "Moving sealed values to another key ended, well or not.",
	EncryptionSecretReplaced: "The secret that notifications are signed with was replaced.",
	RateLimited:              "Somebody came too often; a sample of such requests.",
	PolicyMended:             "A finding of the policy linter was mended on an operator's word.",
	MailRetried:              "An operator had a message sent again that had failed.",
	MonthDropped:             "The records of a month were dropped, since they were older than audit.retention.",
}

// Actions returns every action there is, in alphabetical order.
func Actions() []Action { return slices.Sorted(maps.Keys(sentences)) }

// Declared says whether there is such an action.
func (a Action) Declared() bool {
	_, ok := sentences[a]
	return ok
}

const preface = `# Actions of the audit log

<!-- Made from internal/audit/action.go by: go test ./internal/audit -run TestReference -update -->

Every record of the audit log has one of these actions. [The audit log](../audit.md) has what else is in a record.

| Action | Recorded when |
|---|---|
`

// Reference returns the page of documentation of all actions, in Markdown.
func Reference() string {
	var b strings.Builder
	b.WriteString(preface)
	for _, a := range Actions() {
		b.WriteString("| `" + string(a) + "` | " + sentences[a] + " |\n")
	}
	return b.String()
}
