/** The first face: calls return values and throw typed errors. */

import type { AuthService } from "../auth/service.js";
import type {
  ListedSession,
  PasswordCredentials,
  Session,
  SignInResult,
  SignOutScope,
  SignUpCredentials,
  SignUpResult,
  TokenPair,
  User,
  UserAndSession,
  UserAttributes,
} from "../auth/types.js";
import { createCore } from "../core/core.js";
import type { AuthListener, Subscribe, Subscription } from "../core/events.js";
import type { FluxbaseClientOptions } from "../core/options.js";
import { TableQuery } from "../data/builder.js";
import { run } from "../data/run.js";
import type { Loose, RelationName } from "../data/types.js";

/** `client.auth` of {@link FluxbaseClient}. Failures are thrown: `AuthError`, or `NetworkError` without an answer. */
export class ValueAuth {
  readonly #auth: AuthService;

  constructor(auth: AuthService) {
    this.#auth = auth;
  }

  /**
   * Creates an account and signs it in (`SIGNED_IN`). `session` is null while the address must be confirmed first.
   * Codes: `weak_password`, `validation_failed`, `signup_disabled`, `over_request_rate_limit`.
   */
  signUp(credentials: SignUpCredentials): Promise<SignUpResult> {
    return this.#auth.signUp(credentials);
  }

  /**
   * Signs in with e-mail and password (`SIGNED_IN`). With a second factor enrolled the answer is
   * `{requires_2fa: true, mfa_token, methods}` and there is no session yet. Codes: `invalid_credentials`.
   */
  signIn(credentials: PasswordCredentials): Promise<SignInResult> {
    return this.#auth.signIn(credentials);
  }

  /** The same as {@link ValueAuth.signIn}. */
  signInWithPassword(credentials: PasswordCredentials): Promise<SignInResult> {
    return this.#auth.signIn(credentials);
  }

  /**
   * Ends this session (`local`, the default), all of the user's (`global`), or all others (`others`). The session is
   * forgotten here even if the server cannot be told; that failure is thrown afterwards. Resolves at once when nobody
   * is signed in.
   */
  signOut(options: { readonly scope?: SignOutScope } = {}): Promise<void> {
    return this.#auth.signOut(options.scope);
  }

  /** The signed-in user, fresh from the server; null when nobody is signed in. With an `apiKey`, that key's user. */
  getCurrentUser(): Promise<User | null> {
    return this.#auth.getUser();
  }

  /** The same as {@link ValueAuth.getCurrentUser}. */
  getUser(): Promise<User | null> {
    return this.#auth.getUser();
  }

  /**
   * The session, without a request unless its token is about to end (90 s): then it is refreshed. Null only when
   * nobody is signed in; while the server cannot be reached the session is returned as it is.
   */
  getSession(): Promise<Session | null> {
    return this.#auth.getSession();
  }

  /** Takes over a session from elsewhere, checks it with the server, and emits `SIGNED_IN`. */
  setSession(tokens: TokenPair): Promise<UserAndSession> {
    return this.#auth.setSession(tokens);
  }

  /**
   * Gets new tokens now (`TOKEN_REFRESHED`). Calls at the same time share one request, and a refresh by another tab
   * within the last 10 s counts. Codes: `session_missing`, `session_ended` (with `reason`; the session is then
   * forgotten), `refresh_token_invalid`. After any other failure the session is kept.
   */
  refreshSession(): Promise<UserAndSession> {
    return this.#auth.refreshSession();
  }

  /** Merges `data` into the user's metadata (`USER_UPDATED`). Code `session_missing` when nobody is signed in. */
  updateUser(attributes: UserAttributes): Promise<User> {
    return this.#auth.updateUser(attributes);
  }

  /** All sessions of the user, without tokens; `current` marks this one. */
  listSessions(): Promise<ListedSession[]> {
    return this.#auth.listSessions();
  }

  /** Ends one session of the user. If it is this one, `SIGNED_OUT` follows. */
  revokeSession(id: string): Promise<void> {
    return this.#auth.revokeSession(id);
  }

  /** Ends all sessions of the user, or with `except_current` all but this one. */
  revokeAllSessions(options: { readonly except_current?: boolean } = {}): Promise<void> {
    return this.#auth.revokeAllSessions(options.except_current ?? false);
  }

  /**
   * Calls `listener(event, session, info)` with `INITIAL_SESSION` first and then with every change, in this tab or
   * another one. `SIGNED_OUT` comes with `info.reason`. The listener may call the client.
   */
  readonly onAuthStateChange = ((listener: AuthListener) =>
    this.#auth.onAuthStateChange(listener)) as Subscribe<Subscription>;

  /** Refreshes in the background (on by default, see `autoRefreshToken`). */
  startAutoRefresh(): void {
    this.#auth.startAutoRefresh();
  }

  /** Stops refreshing in the background; tokens are still refreshed when a call needs them. */
  stopAutoRefresh(): void {
    this.#auth.stopAutoRefresh();
  }
}

/**
 * A connection to a Fluxbase server. Methods return values and throw {@link FluxbaseError}s.
 * `DB` is optional: a `Database` type in Supabase's generated shape.
 */
export class FluxbaseClient<DB = Loose> {
  readonly auth: ValueAuth;
  readonly #core;

  /** Throws a FluxbaseError with code `invalid_options` when an option makes no sense. Makes no request. */
  constructor(options: FluxbaseClientOptions) {
    this.#core = createCore(options);
    this.auth = new ValueAuth(this.#core.auth);
  }

  /** A table or view of schema `public`. Awaiting the query yields the rows, or null for a write without select(). */
  from<Name extends RelationName<DB>>(table: Name): TableQuery<DB, Name, "values"> {
    return new TableQuery(table, async (query) => {
      const outcome = await run(this.#core.gateway, query);
      if (outcome.error !== null) throw outcome.error;
      return outcome.data;
    });
  }

  /** Stops timers and listeners. The session stays stored; the client can still be used. */
  dispose(): void {
    this.#core.dispose();
  }

  /** The same as {@link FluxbaseClient.dispose}. */
  destroy(): void {
    this.#core.dispose();
  }
}
