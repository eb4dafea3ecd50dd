/** The second face: calls return `{data, error}` and never throw, in the shapes of supabase-js. */

import type { SignOutScope, UserAttributes } from "../auth/requests.js";
import type { Session, User } from "../auth/types.js";
import { type Admin, type Auth, type Calls, type Core, createCore } from "../core/core.js";
import { type FluxbaseError, sessionMissing } from "../core/errors.js";
import type { AuthListener, Subscribe, Subscription } from "../core/events.js";
import { type ClientOptions, keyOption } from "../core/options.js";
import { SchemaClient } from "../data/builder.js";
import { run } from "../data/run.js";
import type { Runner } from "../data/stage.js";
import type { Loose, Schema, SchemaName } from "../data/types.js";
import { type Result, type Settled, settle, settleAs, settled } from "./settle.js";
import { SupabaseNames } from "./supabase.js";

type UserResult = Promise<Result<{ readonly user: User }, { readonly user: null }>>;

/** The calls that supabase-js has in a shape of its own. */
class Shapes {
  readonly #auth: Auth;

  constructor(auth: Auth) {
    this.#auth = auth;
  }

  /** Ends this session (`local`, the default), all (`global`) or all others (`others`). */
  readonly signOut = async (
    options: { readonly scope?: SignOutScope } = {},
  ): Promise<{ readonly error: FluxbaseError | null }> => {
    const { error } = await settle(this.#auth.signOut(options), null);
    return { error };
  };

  /** The signed-in user, fresh from the server; error `session_missing` when nobody is signed in. */
  readonly getUser = (): UserResult =>
    settleAs(
      "user",
      this.#auth.getUser().then((found) => {
        if (found === null) throw sessionMissing();
        return found;
      }),
    );

  /** The same as {@link Shapes.getUser}. */
  readonly getCurrentUser = this.getUser;

  /** The session, refreshed first if its token is about to end; null only when nobody is signed in. */
  readonly getSession = (): Promise<Result<{ readonly session: Session | null }, { readonly session: null }>> =>
    settleAs("session", this.#auth.getSession());

  /** As `ValueAuth.updateUser`. */
  readonly updateUser = (attributes: UserAttributes): UserResult => settleAs("user", this.#auth.updateUser(attributes));

  /** As `ValueAuth.updateEmail`. */
  readonly updateEmail = (...change: Parameters<Auth["updateEmail"]>): UserResult =>
    settleAs("user", this.#auth.updateEmail(...change));

  /** As `ValueAuth.updatePassword`. */
  readonly updatePassword = (...change: Parameters<Auth["updatePassword"]>): UserResult =>
    settleAs("user", this.#auth.updatePassword(...change));

  /** As `ValueAuth.onAuthStateChange`, with the subscription at `data.subscription`. */
  readonly onAuthStateChange = ((listener: AuthListener) => ({
    data: { subscription: this.#auth.onAuthStateChange(listener) },
  })) as Subscribe<{ readonly data: { readonly subscription: Subscription } }>;
}

/** `client.auth` of {@link ResultClient}. Each call does what its namesake on `ValueAuth` does. */
export interface ResultAuth extends Omit<Settled<Auth>, keyof Shapes>, Calls<Shapes>, Calls<SupabaseNames> {}

/** `client.admin` of {@link ResultClient}. */
export interface ResultAdmin extends Settled<Admin> {}

function resultAuth(core: Core): ResultAuth {
  const ours = settled(core.auth, {
    ...{ signUp: true, signIn: true, signInWithPassword: true, signInAnonymously: true, convertAnonymousUser: true },
    ...{ verifyMagicLink: true, verifyEmail: true, confirmPasswordReset: true, waitForSignIn: true },
    ...{ verify2FACode: true, setSession: true, refreshSession: true },
  });
  return { ...ours, ...new Shapes(core.auth), ...new SupabaseNames(core) };
}

/**
 * What {@link createClient} makes. `from` and `rpc` are about schema `public`; awaiting a query yields
 * `{data, error, count, status, statusText}`.
 */
export class ResultClient<DB = Loose> extends SchemaClient<Schema<DB, "public">, "results"> {
  readonly auth: ResultAuth;
  /** What operators do to accounts and keys; needs a service key, or a user with the permission. */
  readonly admin: ResultAdmin;
  readonly #core: Core;

  constructor(url: string, key?: string | undefined, options: ClientOptions = {}) {
    const core = createCore({ ...options, url, ...(key === undefined ? {} : keyOption(key)) });
    super(resultRunner(core));
    this.#core = core;
    this.auth = resultAuth(core);
    this.admin = settled(core.admin, { impersonateUser: true });
  }

  /** The tables, views and functions of another schema, which the server must expose. */
  schema<const Name extends SchemaName<DB>>(name: Name): SchemaClient<Schema<DB, Name>, "results"> {
    return new SchemaClient(resultRunner(this.#core), name);
  }

  /** Stops timers, listeners and waits. The session stays stored. */
  dispose(): void {
    this.#core.dispose();
  }

  /** The same as {@link ResultClient.dispose}. */
  destroy(): void {
    this.#core.dispose();
  }
}

function resultRunner({ gateway }: Core): Runner {
  return async (query) => {
    const outcome = await run(gateway, query);
    if (outcome.error === null) return outcome;
    if (query.throwing) throw outcome.error;
    return { ...outcome, data: null, count: null };
  };
}

/**
 * A client whose calls return `{data, error}`. `key` is a client key (`fb_client_...`), or in backends an API or
 * service key; its prefix tells. Throws only here, and only for options that make no sense (`invalid_options`).
 */
export function createClient<DB = Loose>(url: string, key?: string, options: ClientOptions = {}): ResultClient<DB> {
  return new ResultClient<DB>(url, key, options);
}
