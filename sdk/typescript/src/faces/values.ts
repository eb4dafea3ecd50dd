/** The first face: calls return values and throw typed errors. They are the core's own. */

import type { AdminUsers } from "../admin/users.js";
import { type Auth, type Calls, createCore } from "../core/core.js";
import type { FluxbaseClientOptions } from "../core/options.js";
import { TableQuery } from "../data/builder.js";
import { run } from "../data/run.js";
import type { Loose, RelationName } from "../data/types.js";

/** `client.auth` of {@link FluxbaseClient}. Failures are thrown: `AuthError`, or `NetworkError` without an answer. */
export interface ValueAuth extends Auth {}

/** `client.admin` of {@link FluxbaseClient}. */
export interface ValueAdmin extends Calls<AdminUsers> {}

/**
 * A connection to a Fluxbase server. Methods return values and throw {@link FluxbaseError}s.
 * `DB` is optional: a `Database` type in Supabase's generated shape.
 */
export class FluxbaseClient<DB = Loose> {
  readonly auth: ValueAuth;
  /** What operators do to accounts; needs a `serviceKey`, or a user with the permission. */
  readonly admin: ValueAdmin;
  readonly #core;

  /**
   * Throws a FluxbaseError with code `invalid_options` when an option makes no sense. Makes no request, unless a mailed
   * link has opened the page (see `detectSessionInUrl`).
   */
  constructor(options: FluxbaseClientOptions) {
    this.#core = createCore(options);
    this.auth = this.#core.auth;
    this.admin = this.#core.admin;
  }

  /** A table or view of schema `public`. Awaiting the query yields the rows, or null for a write without select(). */
  from<Name extends RelationName<DB>>(table: Name): TableQuery<DB, Name, "values"> {
    return new TableQuery(table, async (query) => {
      const outcome = await run(this.#core.gateway, query);
      if (outcome.error !== null) throw outcome.error;
      return outcome.data;
    });
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
