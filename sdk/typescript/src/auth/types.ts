/** The nouns of the auth API, as the server sends them. */

/** Free-form JSON that the user may write about themself. It never authorises anything. */
export type UserMetadata = Record<string, unknown>;

/** A way to sign in that is linked to a user: an (issuer, subject) pair. */
export interface Identity {
  readonly id: string;
  readonly provider: string;
  readonly [key: string]: unknown;
}

/** A person. Instants are RFC 3339. */
export interface User {
  readonly id: string;
  readonly email: string | null;
  readonly email_verified: boolean;
  readonly phone?: string | null;
  /** `authenticated`, or `anonymous` for a guest. */
  readonly role: string;
  readonly user_metadata: UserMetadata;
  /** Written by the application's operators only. */
  readonly app_metadata: Record<string, unknown>;
  readonly is_anonymous: boolean;
  readonly identities?: readonly Identity[];
  readonly mfa_enabled: boolean;
  /** The address that the user wants, while it is not confirmed yet. */
  readonly new_email?: string | null;
  readonly banned_until?: string | null;
  readonly created_at: string;
  readonly updated_at: string;
  readonly last_sign_in_at?: string | null;
}

/** A signed-in session with its tokens. */
export interface Session {
  readonly id: string;
  /** JWT, sent as `Authorization: Bearer`. */
  readonly access_token: string;
  readonly token_type: "bearer";
  /** Seconds the access token lives, counted from the moment the server answered. */
  readonly expires_in: number;
  /** When the access token ends, in Unix seconds of the *server's* clock. */
  readonly expires_at: number;
  /** Opaque; changes with every refresh. */
  readonly refresh_token: string;
  /** The person, as last seen by this client. */
  readonly user: User;
}

/** A session as listed: without tokens. Instants are RFC 3339. */
export interface ListedSession {
  readonly id: string;
  readonly created_at: string;
  readonly last_used_at: string | null;
  readonly expires_at: string | null;
  readonly ip: string | null;
  readonly user_agent: string | null;
  /** E.g. `Chrome on Linux`. */
  readonly device?: string | null;
  /** Authenticator assurance level, e.g. `aal1`. */
  readonly aal?: string;
  /** How the person proved themself, e.g. `["pwd"]`. */
  readonly amr?: readonly unknown[];
  readonly sub_tenant_id?: string | null;
  /** True for the session that asked. */
  readonly current: boolean;
}

/** A person and their session. */
export interface UserAndSession {
  readonly user: User;
  readonly session: Session;
}

/** What {@link UserAndSession} is while the address must still be confirmed: no session yet, perhaps no user either. */
export interface SignUpResult {
  readonly user: User | null;
  readonly session: Session | null;
  /** Give it to `waitForSignIn` while the address must be confirmed. */
  readonly flow_id?: string;
}

/** An anonymous user made permanent: same id, same rows, same session. */
export interface Conversion extends UserAndSession {
  /** Given while the address must be confirmed first; the user is anonymous until then. */
  readonly flow_id?: string;
}

/** A mail is on its way, or would be if the address were known: the server does not tell. */
export interface MailedFlow {
  /** Give it to `waitForSignIn`. */
  readonly flow_id: string;
}

/** Signed in, or told that a second factor is needed first (then there is no session yet). */
export type SignInResult =
  | (UserAndSession & { readonly requires_2fa?: false })
  | {
      readonly user: null;
      readonly session: null;
      readonly requires_2fa: true;
      /** Names this sign-in when the second factor is sent. Short-lived. */
      readonly mfa_token: string;
      /** The factors the person has, e.g. `["totp", "recovery_code"]`. */
      readonly methods: readonly string[];
    };

/**
 * As {@link SignInResult}; or nobody, where a change of address needs a confirmation from the old and the new address,
 * and this was the first of the two. Nothing has changed yet then.
 */
export type ConfirmationResult =
  | SignInResult
  | { readonly user: null; readonly session: null; readonly requires_2fa?: false };

/** A new authenticator, not in use until `verify2FA`. */
export interface TotpEnrolment {
  readonly id: string;
  /** Base32, to be typed in where no picture can be taken. */
  readonly secret: string;
  /** `otpauth://totp/...` */
  readonly uri: string;
  /** The URI as a picture: a `data:` URI. */
  readonly qr_code: string;
}

/** An authenticator in use. Instants are RFC 3339. */
export interface Factor {
  readonly id: string;
  readonly name: string | null;
  readonly created_at: string;
  readonly last_used_at: string | null;
}

/** What second factors a user has. */
export interface SecondFactorStatus {
  readonly enabled: boolean;
  readonly factors: readonly Factor[];
  readonly recovery_codes_left: number;
}

/** Shown once. Each signs in once in place of a second factor. */
export interface RecoveryCodes {
  /** Empty when the user has some already. */
  readonly recovery_codes: readonly string[];
}

/** What a sign-in page needs to know. */
export interface AuthSettings {
  readonly signup_enabled: boolean;
  /** Whether an address must be confirmed before its owner is signed in. */
  readonly email_verification: boolean;
  readonly magic_link: boolean;
  readonly anonymous: boolean;
  readonly mfa: { readonly totp: boolean };
  readonly password: {
    /** In characters. */
    readonly min_length: number;
    /** In bytes of UTF-8. */
    readonly max_bytes: number;
    readonly require_uppercase: boolean;
    readonly require_lowercase: boolean;
    readonly require_digit: boolean;
    readonly require_special: boolean;
  };
}

/** One page of a list. */
export interface Page<Item> {
  readonly items: readonly Item[];
  /** Asks for the next page; null on the last one. */
  readonly next_cursor: string | null;
}

/** Something that an API key may be good for. */
export type ApiKeyScope = "tables:read" | "tables:write" | "rpc:execute" | "realtime" | "functions:invoke";

/** An API key of a user, without its text. Instants are RFC 3339. */
export interface ApiKey {
  readonly id: string;
  readonly name: string;
  /** The beginning of its text, to recognise it by. */
  readonly prefix: string;
  readonly scopes: readonly ApiKeyScope[];
  readonly created_at: string;
  /** Up to half a minute late. */
  readonly last_used_at: string | null;
  /** Null: until it is revoked. */
  readonly expires_at: string | null;
}

/** An API key that has just been made, with its text, which is shown once. */
export interface MadeApiKey extends ApiKey {
  readonly key: string;
}
