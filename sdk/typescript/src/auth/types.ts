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

/** E-mail and password. */
export interface PasswordCredentials {
  readonly email: string;
  /** 8 to 72 bytes of UTF-8 unless the server is configured otherwise. */
  readonly password: string;
}

/** A new account. */
export interface SignUpCredentials extends PasswordCredentials {
  readonly options?: {
    /** Becomes the user's `user_metadata`. */
    readonly data?: UserMetadata;
  };
}

/** Which sessions to end: this one (default), all of them, or all but this one. */
export type SignOutScope = "local" | "global" | "others";

/** What a user may change about themself with one call. */
export interface UserAttributes {
  /** Merged into `user_metadata`; a null removes a key. */
  readonly data?: UserMetadata;
}

/** Tokens from somewhere else, e.g. a server-side render. */
export interface TokenPair {
  readonly access_token: string;
  readonly refresh_token: string;
}
