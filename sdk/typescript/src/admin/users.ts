/**
 * What operators do to accounts: thin calls on `/api/v1/admin/users`, for a client with a service key, or for a
 * signed-in user who has the permission. Never for a browser with a service key.
 */

import type { MailRequest, WithData } from "../auth/requests.js";
import type { ListedSession, Page, User, UserMetadata } from "../auth/types.js";
import type { Gateway } from "../core/gateway.js";
import type { Call } from "../core/http.js";

const BASE = "/api/v1/admin/users";
const TIMEOUT_MS = 30_000;

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

/** `client.admin`. Codes: `user_not_found`, `not_authenticated`, `insufficient_permissions`, `validation_failed`. */
export class AdminUsers {
  readonly #gateway: Gateway;

  constructor(gateway: Gateway) {
    this.#gateway = gateway;
  }

  /** One page of users. */
  readonly listUsers = async (filter: UserFilter = {}): Promise<Page<User>> => {
    const words = new URLSearchParams();
    for (const [name, value] of Object.entries(filter)) {
      if (value === undefined || value === null) continue;
      words.set(name, typeof value === "object" ? JSON.stringify(value) : String(value));
    }
    return (await this.#send("GET", "", undefined, words.toString())) as Page<User>;
  };

  readonly getUser = async (id: string): Promise<User> => (await this.#send("GET", one(id))) as User;

  /** Makes an account. Without a password its owner signs in by mail. Codes: `user_already_exists`, `weak_password`. */
  readonly createUser = async (attributes: AdminUserAttributes & { readonly email: string }): Promise<User> =>
    (await this.#send("POST", "", attributes)) as User;

  /** Makes an account and mails its owner a link to come in by. Code: `user_already_exists`. */
  readonly inviteUser = async ({ email, data, redirectTo }: MailRequest & WithData): Promise<User> =>
    (await this.#send("POST", "/invite", { email, data, redirect_to: redirectTo })) as User;

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

  #send(method: Call["method"], path: string, body?: unknown, query?: string): Promise<unknown> {
    return this.#gateway.request({
      family: "auth",
      method,
      path: `${BASE}${path}`,
      query,
      body,
      timeoutMs: TIMEOUT_MS,
    });
  }
}

function one(id: string): string {
  return `/${encodeURIComponent(id)}`;
}
