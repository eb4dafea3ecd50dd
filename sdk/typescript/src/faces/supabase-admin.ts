/** `auth.admin` of supabase-js. {@link AdminUsers} has the same calls under our own names, and more. */

import type { SignOutScope } from "../auth/requests.js";
import type { User, UserMetadata } from "../auth/types.js";
import type { Calls, Core } from "../core/core.js";
import { usageError } from "../core/errors.js";
import { type Result, settle, settleAs } from "./settle.js";
import { type SupabaseFactor, supabaseFactor } from "./supabase-mfa.js";

const PER_PAGE = 50;

/** What supabase-js sets of a user. */
export interface SupabaseUserAttributes {
  readonly email?: string | undefined;
  readonly password?: string | undefined;
  /** True: taken as confirmed. */
  readonly email_confirm?: boolean | undefined;
  /** Beside what supabase-js has: see {@link AdminUsers}. */
  readonly unproven?: "keep" | "reset" | undefined;
  readonly user_metadata?: UserMetadata | undefined;
  readonly app_metadata?: Record<string, unknown> | undefined;
  /** E.g. `24h` or `1h30m`; `none` lifts a ban. */
  readonly ban_duration?: string | undefined;
}

/** One page of users. */
export interface UserList {
  readonly users: readonly User[];
  readonly nextPage: number | null;
}

type UserResult = Promise<Result<{ readonly user: User }, { readonly user: null }>>;

/** `auth.admin.mfa` of supabase-js. */
export class SupabaseAdminMfa {
  readonly #core: Core;

  constructor(core: Core) {
    this.#core = core;
  }

  readonly listFactors = ({
    userId,
  }: {
    readonly userId: string;
  }): Promise<Result<{ readonly factors: readonly SupabaseFactor[] }>> =>
    settle(
      this.#core.admin.listUserFactors(userId).then(({ factors }) => ({ factors: factors.map(supabaseFactor) })),
      null,
    );

  /** As `removeUserFactor`: supabase-js asks for no reason, and the audit record then says that there was none. */
  readonly deleteFactor = ({
    id,
    userId,
    reason = "none given",
  }: {
    readonly id: string;
    readonly userId: string;
    readonly reason?: string;
  }): Promise<Result<{ readonly id: string }>> =>
    settle(
      this.#core.admin.removeUserFactor(userId, id, { reason }).then(() => ({ id })),
      null,
    );
}

/** Needs a service key. */
export class SupabaseAdmin {
  readonly mfa: Calls<SupabaseAdminMfa>;
  readonly #core: Core;

  constructor(core: Core) {
    this.#core = core;
    this.mfa = { ...new SupabaseAdminMfa(core) };
  }

  readonly createUser = (attributes: SupabaseUserAttributes & { readonly email: string }): UserResult =>
    settleAs("user", this.#create(attributes));

  /** Pages are counted from 1. The server pages by cursor: a later page costs a request for each before it. */
  readonly listUsers = (
    options: { readonly page?: number; readonly perPage?: number } = {},
  ): Promise<Result<UserList, { readonly users: readonly [] }>> =>
    settle(this.#list(options.page ?? 1, options.perPage ?? PER_PAGE), { users: [] });

  readonly getUserById = (id: string): UserResult => settleAs("user", this.#core.admin.getUser(id));

  readonly updateUserById = (id: string, attributes: SupabaseUserAttributes): UserResult =>
    settleAs("user", this.#update(id, attributes));

  readonly deleteUser = (id: string): Promise<Result<{ readonly user: null }>> =>
    settle(
      this.#core.admin.deleteUser(id).then(() => ({ user: null })),
      null,
    );

  readonly inviteUserByEmail = (
    email: string,
    options: { readonly data?: UserMetadata | undefined; readonly redirectTo?: string | undefined } = {},
  ): UserResult => settleAs("user", this.#core.admin.inviteUser({ email, ...options }));

  /** Ends sessions of the user whose access token this is. */
  readonly signOut = (jwt: string, scope: SignOutScope = "global"): Promise<Result<null>> =>
    settle(
      this.#core.desk.send("POST", "/signout", { scope }, { bearer: jwt }).then(() => null),
      null,
    );

  async #create(attributes: SupabaseUserAttributes & { readonly email: string }): Promise<User> {
    const until = banEnd(attributes.ban_duration);
    const user = await this.#core.admin.createUser({ ...own(attributes), email: attributes.email });
    return typeof until === "string" ? this.#core.admin.banUser(user.id, { until }) : user;
  }

  async #update(id: string, attributes: SupabaseUserAttributes): Promise<User> {
    const { admin } = this.#core;
    const until = banEnd(attributes.ban_duration);
    const changes = own(attributes);
    const wanted = Object.values(changes).some((value) => value !== undefined);
    let user = wanted || until === undefined ? await admin.updateUser(id, changes) : undefined;
    if (until !== undefined) user = until === null ? await admin.unbanUser(id) : await admin.banUser(id, { until });
    return user as User;
  }

  async #list(page: number, limit: number): Promise<UserList> {
    let found = await this.#core.admin.listUsers({ limit });
    for (let at = 1; at < page; at++) {
      if (found.next_cursor === null) return { users: [], nextPage: null };
      found = await this.#core.admin.listUsers({ limit, cursor: found.next_cursor });
    }
    return { users: found.items, nextPage: found.next_cursor === null ? null : page + 1 };
  }
}

function own({ email, password, email_confirm, unproven, user_metadata, app_metadata }: SupabaseUserAttributes) {
  return { email, password, email_verified: email_confirm, unproven, user_metadata, app_metadata };
}

/** When a ban ends; null lifts it, undefined leaves it. */
function banEnd(duration: string | undefined): string | null | undefined {
  if (duration === undefined) return undefined;
  if (duration === "none") return null;
  const [, hours, minutes, seconds] = /^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$/.exec(duration) ?? [];
  const total = Number(hours ?? 0) * 3600 + Number(minutes ?? 0) * 60 + Number(seconds ?? 0);
  if (total === 0) throw usageError("ban_duration is none, or hours, minutes and seconds: 1h30m", "invalid_options");
  return new Date(Date.now() + total * 1000).toISOString();
}
