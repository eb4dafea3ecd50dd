/** The first face: calls return values and throw typed errors. They are the core's own. */

import { type Admin, type Auth, type Core, createCore } from "../core/core.js";
import type { FluxbaseClientOptions } from "../core/options.js";
import { SchemaClient } from "../data/builder.js";
import { run } from "../data/run.js";
import type { Runner } from "../data/stage.js";
import type { Loose, Schema, SchemaName } from "../data/types.js";

/** `client.auth` of {@link FluxbaseClient}. Failures are thrown: `AuthError`, or `NetworkError` without an answer. */
export interface ValueAuth extends Auth {}

/** `client.admin` of {@link FluxbaseClient}. */
export interface ValueAdmin extends Admin {}

/**
 * A connection to a Fluxbase server. Methods return values and throw {@link FluxbaseError}s. `from` and `rpc` are about
 * schema `public`. Awaiting a query yields the rows, null for a write without `select()`, or the count with `head`.
 * `DB` is optional: a `Database` type in Supabase's generated shape.
 */
export class FluxbaseClient<DB = Loose> extends SchemaClient<Schema<DB, "public">, "values"> {
  readonly auth: ValueAuth;
  /** What operators do to accounts and keys; needs a `serviceKey`, or a user with the permission. */
  readonly admin: ValueAdmin;
  readonly #core: Core;

  /**
   * Throws a FluxbaseError with code `invalid_options` when an option makes no sense. Makes no request, unless a mailed
   * link has opened the page (see `detectSessionInUrl`).
   */
  constructor(options: FluxbaseClientOptions) {
    const core = createCore(options);
    super(valueRunner(core));
    this.#core = core;
    this.auth = core.auth;
    this.admin = core.admin;
  }

  /** The tables, views and functions of another schema, which the server must expose. */
  schema<const Name extends SchemaName<DB>>(name: Name): SchemaClient<Schema<DB, Name>, "values"> {
    return new SchemaClient(valueRunner(this.#core), name);
  }

  /** Stops timers, listeners and waits. The session stays stored; the client can still be used. */
  dispose(): void {
    this.#core.dispose();
  }

  /** The same as {@link FluxbaseClient.dispose}. */
  destroy(): void {
    this.#core.dispose();
  }
}

function valueRunner({ gateway }: Core): Runner {
  return async (query) => {
    const outcome = await run(gateway, query);
    if (outcome.error !== null) throw outcome.error;
    return query.method === "HEAD" ? outcome.count : outcome.data;
  };
}
