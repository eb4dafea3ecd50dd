/** The second face: calls return `{data, error}` and never throw, in the shapes of supabase-js. */

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
import { asFluxbaseError, type FluxbaseError, sessionMissing } from "../core/errors.js";
import type { AuthListener, Subscribe, Subscription } from "../core/events.js";
import { type ClientOptions, keyOption } from "../core/options.js";
import { TableQuery } from "../data/builder.js";
import { run } from "../data/run.js";
import type { Loose, RelationName } from "../data/types.js";

/** Data and no error, or an error and the empty form of the data. */
export type Result<T, Empty = null> =
  | { readonly data: T; readonly error: null }
  | { readonly data: Empty; readonly error: FluxbaseError };

/** The empty form of a user with session. */
export interface NoUserAndSession {
  readonly user: null;
  readonly session: null;
}

const nobody: NoUserAndSession = { user: null, session: null };

async function settle<T, Empty>(work: Promise<T>, empty: Empty): Promise<Result<T, Empty>> {
  try {
    return { data: await work, error: null };
  } catch (thrown) {
    return { data: empty, error: asFluxbaseError(thrown) };
  }
}

/** `client.auth` of {@link ResultClient}. Each call does what its namesake on `ValueAuth` does. */
export class ResultAuth {
  readonly #auth: AuthService;

  constructor(auth: AuthService) {
    this.#auth = auth;
  }

  /** Creates an account and signs it in. `data.session` is null while the address must be confirmed first. */
  signUp(credentials: SignUpCredentials): Promise<Result<SignUpResult, NoUserAndSession>> {
    return settle(this.#auth.signUp(credentials), nobody);
  }

  /** Signs in with e-mail and password. Check `data.requires_2fa` if second factors are in use. */
  signIn(credentials: PasswordCredentials): Promise<Result<SignInResult, NoUserAndSession>> {
    return settle(this.#auth.signIn(credentials), nobody);
  }

  /** The same as {@link ResultAuth.signIn}. */
  signInWithPassword(credentials: PasswordCredentials): Promise<Result<SignInResult, NoUserAndSession>> {
    return this.signIn(credentials);
  }

  /** Ends this session (`local`, the default), all (`global`) or all others (`others`). */
  async signOut(options: { readonly scope?: SignOutScope } = {}): Promise<{ readonly error: FluxbaseError | null }> {
    const { error } = await settle(this.#auth.signOut(options.scope), null);
    return { error };
  }

  /** The signed-in user, fresh from the server; error `session_missing` when nobody is signed in. */
  getUser(): Promise<Result<{ readonly user: User }, { readonly user: null }>> {
    const user = this.#auth.getUser().then((found) => {
      if (found === null) throw sessionMissing();
      return { user: found };
    });
    return settle(user, { user: null });
  }

  /** The same as {@link ResultAuth.getUser}. */
  getCurrentUser(): Promise<Result<{ readonly user: User }, { readonly user: null }>> {
    return this.getUser();
  }

  /** The session, refreshed first if its token is about to end; null only when nobody is signed in. */
  getSession(): Promise<Result<{ readonly session: Session | null }, { readonly session: null }>> {
    const session = this.#auth.getSession().then((found) => ({ session: found }));
    return settle(session, { session: null });
  }

  /** Takes over a session from elsewhere. */
  setSession(tokens: TokenPair): Promise<Result<UserAndSession, NoUserAndSession>> {
    return settle(this.#auth.setSession(tokens), nobody);
  }

  /** Gets new tokens now. */
  refreshSession(): Promise<Result<UserAndSession, NoUserAndSession>> {
    return settle(this.#auth.refreshSession(), nobody);
  }

  /** Merges `data` into the user's metadata. */
  updateUser(attributes: UserAttributes): Promise<Result<{ readonly user: User }, { readonly user: null }>> {
    const user = this.#auth.updateUser(attributes).then((updated) => ({ user: updated }));
    return settle(user, { user: null });
  }

  /** All sessions of the user, without tokens. */
  listSessions(): Promise<Result<ListedSession[]>> {
    return settle(this.#auth.listSessions(), null);
  }

  /** Ends one session of the user. */
  revokeSession(id: string): Promise<Result<null>> {
    return settle(
      this.#auth.revokeSession(id).then(() => null),
      null,
    );
  }

  /** Ends all sessions of the user, or with `except_current` all but this one. */
  revokeAllSessions(options: { readonly except_current?: boolean } = {}): Promise<Result<null>> {
    return settle(
      this.#auth.revokeAllSessions(options.except_current ?? false).then(() => null),
      null,
    );
  }

  /** As `ValueAuth.onAuthStateChange`, with the subscription at `data.subscription`. */
  readonly onAuthStateChange = ((listener: AuthListener) => ({
    data: { subscription: this.#auth.onAuthStateChange(listener) },
  })) as Subscribe<{ readonly data: { readonly subscription: Subscription } }>;

  /** Refreshes in the background (on by default). */
  startAutoRefresh(): void {
    this.#auth.startAutoRefresh();
  }

  /** Stops refreshing in the background. */
  stopAutoRefresh(): void {
    this.#auth.stopAutoRefresh();
  }
}

/** What {@link createClient} makes. */
export class ResultClient<DB = Loose> {
  readonly auth: ResultAuth;
  readonly #core;

  constructor(url: string, key?: string | undefined, options: ClientOptions = {}) {
    this.#core = createCore({ ...options, url, ...(key === undefined ? {} : keyOption(key)) });
    this.auth = new ResultAuth(this.#core.auth);
  }

  /** A table or view of schema `public`. Awaiting the query yields `{data, error, count, status, statusText}`. */
  from<Name extends RelationName<DB>>(table: Name): TableQuery<DB, Name, "results"> {
    return new TableQuery(table, async (query) => {
      const outcome = await run(this.#core.gateway, query);
      return outcome.error === null ? outcome : { ...outcome, data: null, count: null };
    });
  }

  /** Stops timers and listeners. The session stays stored. */
  dispose(): void {
    this.#core.dispose();
  }

  /** The same as {@link ResultClient.dispose}. */
  destroy(): void {
    this.#core.dispose();
  }
}

/**
 * A client whose calls return `{data, error}`. `key` is a client key (`fb_client_...`), or in backends an API or
 * service key; its prefix tells. Throws only here, and only for options that make no sense (`invalid_options`).
 */
export function createClient<DB = Loose>(url: string, key?: string, options: ClientOptions = {}): ResultClient<DB> {
  return new ResultClient<DB>(url, key, options);
}
