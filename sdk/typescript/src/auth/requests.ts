/** What the auth calls take. */

import type { ApiKeyScope, UserMetadata } from "./types.js";

/** E-mail and password. */
export interface PasswordCredentials {
  readonly email: string;
  /** 8 to 72 bytes of UTF-8 unless the server is configured otherwise. */
  readonly password: string;
}

/** A new account. */
export interface SignUpCredentials extends PasswordCredentials {
  readonly options?: (WithData & Redirected) | undefined;
}

/** Where the link of a confirmation leads; see {@link MailRequest}. */
export interface Redirected {
  readonly redirectTo?: string | undefined;
  /** The name that supabase-js has for it. */
  readonly emailRedirectTo?: string | undefined;
}

/** Metadata for a new user. */
export interface WithData {
  /** Becomes the user's `user_metadata`. */
  readonly data?: UserMetadata | undefined;
}

/** Where a mail goes, and where its link leads afterwards. */
export interface MailRequest {
  readonly email: string;
  /** One of the addresses that the server allows by name; without it the link ends at the server's own page. */
  readonly redirectTo?: string | undefined;
}

/** A mail that signs in. */
export interface MagicLinkRequest extends MailRequest, WithData {
  /** Whether an unknown address gets an account. The server's default is true. */
  readonly create_user?: boolean | undefined;
}

/** What a mail holds: the link's token, or the code typed by hand. */
export type MailedProof = { readonly token: string } | MailedCode;

/** A code typed by hand. */
export interface MailedCode {
  readonly email: string;
  readonly code: string;
  /**
   * The flow of the page that asked: its own code counts then, and no other. Default: the one that this browser has
   * asked for last for the address. Null: none, for a mail that nobody asked for here (an invitation).
   */
  readonly flow_id?: string | null | undefined;
}

/** A new account's address, to be mailed once more. */
export interface ResendRequest {
  readonly email: string;
  /** What `signUp` answered. Default: as this browser remembers it. */
  readonly flow_id?: string | undefined;
}

/** A {@link MailedProof}, or none when the page was opened by the link; and the new password. */
export type PasswordReset = (MailedProof | { readonly token?: undefined }) & { readonly password: string };

/** Proves that it is still the user: a code of an authenticator (or a recovery code), or the password. */
export type OwnProof = { readonly code: string } | { readonly password: string };

/** How long to wait. */
export interface WaitOptions {
  /** Gives up with a NetworkError of code `aborted`. */
  readonly signal?: AbortSignal | undefined;
}

/** Which sessions to end: this one (default), all of them, or all but this one. */
export type SignOutScope = "local" | "global" | "others";

/** What a user may change about themself with one call. */
export interface UserAttributes {
  /** Merged into `user_metadata`; a null removes a key. */
  readonly data?: UserMetadata | undefined;
  /** As `updateEmail`. */
  readonly email?: string | undefined;
  /** As `updatePassword`; after a reset link, as `confirmPasswordReset`. */
  readonly password?: string | undefined;
  readonly current_password?: string | undefined;
  /** The code that `reauthenticate()` has mailed. */
  readonly nonce?: string | undefined;
}

/** Tokens from somewhere else, e.g. a server-side render. */
export interface TokenPair {
  readonly access_token: string;
  readonly refresh_token: string;
}

/** An API key to be made. */
export interface NewApiKey {
  /** What it is for. */
  readonly name: string;
  /** Seconds; until it is revoked when absent. */
  readonly expires_in?: number | undefined;
  /** Default: `tables:read`, `tables:write` and `rpc:execute`. */
  readonly scopes?: readonly ApiKeyScope[] | undefined;
}
