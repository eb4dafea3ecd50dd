/**
 * What operators do to accounts: thin calls on `/api/v1/admin`, for a client with a service key, or for a
 * signed-in user who has the permission. Never for a browser with a service key.
 */

import { readTokens } from "../auth/desk.js";
import type { MailRequest, WithData } from "../auth/requests.js";
import type { Factor, ListedSession, Page, User, UserAndSession, UserMetadata } from "../auth/types.js";
import type { Gateway } from "../core/gateway.js";
import { queryOf, type Send, sendBy } from "./send.js";

/** Which users to list: newest first, or by address with `q`. Instants are RFC 3339. */
export interface UserFilter {
  readonly email?: string | undefined;
  /** What the address begins with. */
  readonly q?: string | undefined;
  readonly id?: string | undefined;
  /** What `user_metadata` or `app_metadata` contains. */
  readonly metadata?: Record<string, unknown> | undefined;
  readonly user_metadata?: UserMetadata | undefined;
  readonly app_metadata?: Record<string, unknown> | undefined;
  readonly banned?: boolean | undefined;
  readonly anonymous?: boolean | undefined;
  readonly created_after?: string | undefined;
  readonly created_before?: string | undefined;
  /** 1 to 100; 20 if absent. */
  readonly limit?: number | undefined;
  /** `next_cursor` of the page before. */
  readonly cursor?: string | null | undefined;
}

/** What an operator may set. */
export interface AdminUserAttributes {
  readonly email?: string | undefined;
  readonly password?: string | undefined;
  /** True: taken as confirmed, no mail is sent. */
  readonly email_verified?: boolean | undefined;
  /**
   * With `email_verified`, for an account with a password or a session whose address nobody has proven, when it is
   * changed: `keep` says that they are the owner's, `reset` takes them away. The code without it: `unproven_credentials`.
   */
  readonly unproven?: "keep" | "reset" | undefined;
  readonly user_metadata?: UserMetadata | undefined;
  /** Authorises; the user cannot write it. */
  readonly app_metadata?: Record<string, unknown> | undefined;
}

/** For how long a user may not sign in, and why. */
export interface Ban {
  /** RFC 3339; for good when absent. */
  readonly until?: string | undefined;
  /** For the audit record. */
  readonly reason?: string | undefined;
}

/** What deleting a user does, or would do. */
export interface Removal {
  /** False in a dry run. */
  readonly deleted: boolean;
  /** Whether rows of the application keep the user from being deleted. */
  readonly blocked: boolean;
  /** How many sessions end. */
  readonly sessions: number;
  /** The application's foreign keys that lead to the user, with what happens to their rows. */
  readonly references: readonly Record<string, unknown>[];
  /** Columns that hold the user's id without a foreign key: their rows stay. */
  readonly left: readonly Record<string, unknown>[];
}

/** What there is of a user's second factors. Instants are RFC 3339. */
export interface UserFactors {
  readonly factors: readonly Factor[];
  readonly recovery_codes_left: number;
  /** Wrong codes since the last right one. */
  readonly failed_attempts: number;
  /** Until when no code is looked at; null: the next one is. */
  readonly blocked_until: string | null;
  /** Whether codes of authenticators are no longer accepted. */
  readonly locked: boolean;
}

/** Why an operator does what the person should hear of. It goes into the audit record. */
export interface WithReason {
  readonly reason: string;
}

/** `client.admin`. Codes: `user_not_found`, `not_authenticated`, `insufficient_permissions`, `validation_failed`. */
export class AdminUsers {
  readonly #send: Send;

  constructor(gateway: Gateway) {
    this.#send = sendBy(gateway);
  }

  /** One page of users. */
  readonly listUsers = async (filter: UserFilter = {}): Promise<Page<User>> =>
    (await this.#send("GET", "/users", undefined, queryOf(filter))) as Page<User>;

  readonly getUser = async (id: string): Promise<User> => (await this.#send("GET", one(id))) as User;

  /** Makes an account. Without a password its owner signs in by mail. Codes: `user_already_exists`, `weak_password`. */
  readonly createUser = async (attributes: AdminUserAttributes & { readonly email: string }): Promise<User> =>
    (await this.#send("POST", "/users", attributes)) as User;

  /** Makes an account and mails its owner a link to come in by. Code: `user_already_exists`. */
  readonly inviteUser = async ({ email, data, redirectTo }: MailRequest & WithData): Promise<User> =>
    (await this.#send("POST", "/users/invite", { email, data, redirect_to: redirectTo })) as User;

  /** Changes what is given; metadata is merged. A new password ends the user's sessions. */
  readonly updateUser = async (id: string, attributes: AdminUserAttributes): Promise<User> =>
    (await this.#send("PATCH", one(id), attributes)) as User;

  /**
   * Deletes a user for good, unless rows of the application are in the way. With `dry_run` it only says what would
   * happen.
   */
  readonly deleteUser = async (id: string, options: { readonly dry_run?: boolean } = {}): Promise<Removal> =>
    (await this.#send("DELETE", one(id), undefined, options.dry_run ? "dry_run=true" : "")) as Removal;

  /** Ends the user's sessions (reason `banned`) and lets them in no more. */
  readonly banUser = async (id: string, ban: Ban = {}): Promise<User> =>
    (await this.#send("POST", `${one(id)}/ban`, { until: ban.until, reason: ban.reason })) as User;

  readonly unbanUser = async (id: string): Promise<User> => (await this.#send("DELETE", `${one(id)}/ban`)) as User;

  /** The user's sessions, without tokens. */
  readonly listUserSessions = async (id: string): Promise<readonly ListedSession[]> =>
    ((await this.#send("GET", `${one(id)}/sessions`)) as Page<ListedSession>).items;

  /** Ends all sessions of a user (reason `admin`), and says how many there were. */
  readonly revokeUserSessions = async (id: string): Promise<{ readonly ended: number }> =>
    (await this.#send("DELETE", `${one(id)}/sessions`)) as { ended: number };

  /** The user's second factors, and whether wrong codes have locked them. */
  readonly listUserFactors = async (id: string): Promise<UserFactors> =>
    (await this.#send("GET", `${one(id)}/factors`)) as UserFactors;

  /**
   * Takes one second factor from a user who has lost it. The user's sessions end (reason `factor_changed`), and the user
   * gets mail about it. With the last factor go the recovery codes. Codes: `mfa_factor_not_found`, `reason_required`.
   */
  readonly removeUserFactor = async (id: string, factorId: string, { reason }: WithReason): Promise<UserFactors> =>
    this.#resetFactors(id, reason, `factor=${encodeURIComponent(factorId)}`);

  /**
   * Takes all second factors and the recovery codes, as {@link AdminUsers.removeUserFactor} does one. Be sure who asks:
   * afterwards the password alone signs in.
   */
  readonly resetUserFactors = async (id: string, { reason }: WithReason): Promise<UserFactors> =>
    this.#resetFactors(id, reason);

  /** Forgets the user's wrong codes and passwords, so that the user can try again at once. */
  readonly unlockUserFactors = async (id: string): Promise<UserFactors> =>
    (await this.#send("POST", `${one(id)}/factors/unlock`)) as UserFactors;

  /**
   * Makes a session in which the operator acts as a user, for 15 minutes or `expires_in` seconds, an hour at most. Give
   * it to `auth.setSession` of a client of its own; this client stays who it is. It cannot change how the user signs in.
   * Codes: `reason_required`, `invalid_expiry`, `user_banned`.
   */
  readonly impersonateUser = async (
    id: string,
    { reason, expires_in }: WithReason & { readonly expires_in?: number | undefined },
  ): Promise<UserAndSession> => readTokens(await this.#send("POST", `${one(id)}/impersonate`, { reason, expires_in }));

  /** Ends the session that `impersonateUser` has made, or any other one (reason `admin`). Code: `session_not_found`. */
  readonly endImpersonation = async (sessionId: string): Promise<void> => {
    await this.#send("DELETE", `/sessions/${encodeURIComponent(sessionId)}`);
  };

  async #resetFactors(id: string, reason: string, query?: string): Promise<UserFactors> {
    return (await this.#send("DELETE", `${one(id)}/factors`, { reason }, query)) as UserFactors;
  }
}

function one(id: string): string {
  return `/users/${encodeURIComponent(id)}`;
}
