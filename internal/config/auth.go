package config

import "time"

// Auth is the section auth.
type Auth struct {
	JWT JWT `key:"jwt" doc:"The tokens that a session is used with."`

	// SessionMaxLifetime is absolute, 1m to 87600h; default 2160h (90 days).
	SessionMaxLifetime time.Duration `key:"session_max_lifetime" default:"2160h" min:"1m" max:"87600h" doc:"How long a session lasts at most, however much it is used."`
	// RefreshGrace is 0 to 60s; default 10s.
	RefreshGrace time.Duration `key:"refresh_grace" default:"10s" min:"0" max:"60s" doc:"How long a refresh token that has just been used gets the same successor again, so that a lost answer or a second tab signs nobody out."`
	// PasswordMinLength counts code points, 6 to 72; default 8.
	PasswordMinLength int `key:"password_min_length" default:"8" min:"6" max:"72" doc:"The shortest password, in characters (code points). The longest is always 72 bytes of UTF-8; a longer one is refused, never cut."`
	// PasswordRequireUppercase is false by default, as are the other requirements.
	PasswordRequireUppercase bool `key:"password_require_uppercase" alias:"auth.password_require_upper" default:"false" doc:"Whether a new password needs an upper-case letter."`
	// PasswordRequireLowercase is false by default.
	PasswordRequireLowercase bool `key:"password_require_lowercase" alias:"auth.password_require_lower" default:"false" doc:"Whether a new password needs a lower-case letter."`
	// PasswordRequireDigit is false by default.
	PasswordRequireDigit bool `key:"password_require_digit" alias:"auth.password_require_number" default:"false" doc:"Whether a new password needs a decimal digit."`
	// PasswordRequireSpecial is false by default.
	PasswordRequireSpecial bool `key:"password_require_special" alias:"auth.password_require_symbol" default:"false" doc:"Whether a new password needs a character that is neither a letter nor a digit; a space is one."`
	// PasswordBreachCheck asks PasswordBreachURL; default false.
	PasswordBreachCheck bool `key:"password_breach_check" default:"false" doc:"Whether new passwords are looked for in known data breaches, at password_breach_url. The service learns five of the forty digits of a SHA-1. While it does not answer within 2 s, passwords are accepted without."`
	// PasswordBreachURL is an http or https URL; default that of Have I Been Pwned. Only https outside development.
	PasswordBreachURL string `key:"password_breach_url" default:"https://api.pwnedpasswords.com/range/" check:"breach_url" doc:"The range of a service that speaks the protocol of Pwned Passwords, to which the five digits are added. Only https outside development."`
	// PasswordMaxFailures is 3 to 100; default 100.
	PasswordMaxFailures int `key:"password_max_failures" default:"100" min:"3" max:"100" doc:"How many wrong passwords in a row an account takes. After that the right one is refused as a wrong one is, except where the account has been used from before, which has a count of its own; until the password is reset by mail, an administrator unlocks the account, or password_failure_window is over."`
	// PasswordFailureWindow is 1m to 720h; default 24h.
	PasswordFailureWindow time.Duration `key:"password_failure_window" default:"24h" min:"1m" max:"720h" doc:"How long after the last wrong password that counted they are forgotten."`
	// PasswordScheme is bcrypt or argon2id; default bcrypt.
	PasswordScheme string `key:"password_scheme" default:"bcrypt" enum:"bcrypt|argon2id" doc:"How new passwords are hashed. Those of another scheme or cost are hashed anew when their owner signs in."`
	// BcryptCost is 4 to 16; default 12. Under 10 is refused outside development.
	BcryptCost int `key:"bcrypt_cost" default:"12" min:"4" max:"16" doc:"The work factor of bcrypt for new passwords; each step doubles the time. Under 10 is refused outside development."`
	// Argon2Memory is in KiB, 64 to 262144; default 19456.
	Argon2Memory int `key:"argon2_memory" default:"19456" min:"64" max:"262144" doc:"The memory of argon2id for each password under way, in KiB. Outside development it is at least 7168, and 35840 when multiplied by the iterations."`
	// Argon2Iterations is 1 to 8; default 2.
	Argon2Iterations int `key:"argon2_iterations" default:"2" min:"1" max:"8" doc:"How often argon2id goes over its memory."`
	// Argon2Parallelism is 1 to 8; default 1.
	Argon2Parallelism int `key:"argon2_parallelism" default:"1" min:"1" max:"8" doc:"How many lanes argon2id has, each of which may use a core of its own."`
	// SignupEnabled lets strangers make accounts; default true.
	SignupEnabled bool `key:"signup_enabled" alias:"auth.enable_signup" default:"true" doc:"Whether people may sign up by themselves."`
	// EnableMagicLink lets a mailed link sign in; default true.
	EnableMagicLink bool `key:"enable_magic_link" default:"true" doc:"Whether a mailed link, or the code beside it, signs in."`
	// EnableAnonymous lets people in without an account; default true.
	EnableAnonymous bool `key:"enable_anonymous" default:"true" doc:"Whether people may sign in without saying who they are, as an anonymous user who can become a permanent one. It needs signup_enabled."`
	// AnonymousRetention is how long anonymous users are kept whom nobody is any more, 0 to 87600h; default 720h (30 days). 0 keeps them.
	AnonymousRetention time.Duration `key:"anonymous_retention" default:"720h" min:"0" max:"87600h" doc:"How long after its last use an anonymous user without a live session is removed, and with it what its rows' foreign keys say; 0 keeps them for good."`
	// EmailVerification is auto, required or off; default auto.
	EmailVerification string `key:"email_verification" default:"auto" enum:"auto|required|off" doc:"Whether an e-mail address has to be proven before it signs in. auto is required where mail.smtp.host is set, outside development. Where it is off, sign-up has to tell whether an address is taken."`
	// RedirectURLs are where mailed links may lead to; default none.
	RedirectURLs []string `key:"redirect_urls" check:"redirect_urls" example:"https://app.example.com/welcome" doc:"The URLs that mailed links may lead to in the end (redirect_to), compared exactly, and without a fragment. In development those of this machine are allowed besides."`
	// LinkExpiry is how long mailed links and codes are good, 1m to 10m; default 10m.
	LinkExpiry time.Duration `key:"link_expiry" default:"10m" min:"1m" max:"10m" doc:"How long mailed links and codes are good."`
	// ResetExpiry is the same of those that set a new password, 1m to 1h; default 1h.
	ResetExpiry time.Duration `key:"reset_expiry" default:"1h" min:"1m" max:"1h" doc:"How long mailed links and codes that set a new password are good."`
	// InviteExpiry is the same of those that invite somebody, 1m to 168h; default 24h.
	InviteExpiry time.Duration `key:"invite_expiry" default:"24h" min:"1m" max:"168h" doc:"How long the links and codes of invitations are good."`
	// MailLimit is how many messages one address gets within an hour, 1 to 1000; default 5.
	MailLimit int `key:"mail_limit" default:"5" min:"1" max:"1000" doc:"How many messages with a link or a code one address gets within an hour, of each kind, at the request of one network (an IPv4 address, or the 64 bits of IPv6); of all networks together three times as many, but for those that its owner has signed in from. Those who ask for more are answered alike, and nothing is sent."`
	// NotifyNewSignIn mails the owner of an account; default true.
	NotifyNewSignIn bool `key:"notify_new_sign_in" default:"true" doc:"Whether the owner of an account gets mail when somebody signs in from a device and a network address together that the account has not been used from lately; at most once an hour. It needs mail."`
	// SingleSession ends the other sessions of a user with each sign-in; default false.
	SingleSession bool `key:"single_session" default:"false" doc:"Whether a sign-in ends the other sessions of the user."`
	// SessionRetention is how long sessions are kept that are over, 1h to 87600h; default 720h (30 days).
	SessionRetention time.Duration `key:"session_retention" default:"720h" min:"1h" max:"87600h" doc:"How long sessions that are over are kept, with the reason."`
	// ReauthenticationWindow is 1m to 24h; default 15m.
	ReauthenticationWindow time.Duration `key:"reauthentication_window" default:"15m" min:"1m" max:"24h" doc:"How old the last proof of identity may be for what changes how one signs in: address, password, second factors, a new API key, the end of the account."`
	// TOTPIssuer is what authenticator apps show; default Fluxbase.
	TOTPIssuer string `key:"totp_issuer" default:"Fluxbase" check:"required" doc:"The name of the application as authenticator apps and the pages of mailed links show it."`
	// HashWorkers is how many passwords are hashed at once, 0 to 1024; default 0, which is one for each core.
	HashWorkers int `key:"hash_workers" default:"0" min:"0" max:"1024" doc:"How many passwords are hashed at the same time; 0 is one for each core."`
	// HashQueue is how many may wait for a worker, 0 to 100000; default 64.
	HashQueue int `key:"hash_queue" default:"64" min:"0" max:"100000" doc:"How many passwords may wait to be hashed. When the queue is full, sign-in answers 503 with Retry-After and everything else stays fast."`
}

// JWT is the section auth.jwt.
type JWT struct {
	// Secret signs access tokens with HS256; empty by default, which is ES256 with a key of the server's own. At least 32 bytes and 256 bits of entropy outside development.
	Secret Secret `key:"secret" alias:"auth.jwt_secret" secret:"all" example:"${JWT_SECRET}" doc:"When set, access tokens are signed with HS256 under it; it needs at least 32 random bytes (openssl rand -base64 48) outside development. When empty, they are signed with ES256 under a key that the server makes and publishes."`
	// Expiry is the life of an access token, 1m to 24h; default 15m.
	Expiry time.Duration `key:"expiry" alias:"auth.jwt_expiry" default:"15m" min:"1m" max:"24h" doc:"How long an access token is valid."`
	// RefreshExpiry is how long a refresh token may lie unused, 1m to 8760h; default 168h (7 days).
	RefreshExpiry time.Duration `key:"refresh_expiry" alias:"auth.refresh_expiry" default:"168h" min:"1m" max:"8760h" doc:"How long a refresh token may lie unused before its session ends."`
	// Issuer is the claim iss; default fluxbase.
	Issuer string `key:"issuer" default:"fluxbase" check:"required" doc:"The claim iss of access tokens."`
	// Audience is the claim aud; default authenticated.
	Audience string `key:"audience" default:"authenticated" check:"required" doc:"The claim aud of access tokens."`
}
