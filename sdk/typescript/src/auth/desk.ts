/**
 * What all auth calls share: the two ways to the server, what becomes of an answer that signs somebody in, and what one
 * step of a sign-in leaves for the next. The latter is kept in memory only: a token that stands for half a sign-in has
 * no business in a storage.
 *
 * Calls that prove something themselves (a password, a mailed code) are sent as nobody: an expired access token beside
 * them would be refused before they are looked at.
 */

import { AuthError, sessionConflict, sessionMissing } from "../core/errors.js";
import type { AuthEvents } from "../core/events.js";
import type { Gateway } from "../core/gateway.js";
import type { Call } from "../core/http.js";
import { isSession } from "../core/record.js";
import type { Refresher } from "../core/refresh.js";
import type { SessionState } from "../core/session.js";
import type { AskedMails } from "./asked.js";
import type { MailedProof } from "./requests.js";
import type { Session, SignInResult, User, UserAndSession } from "./types.js";

const BASE = "/api/v1/auth";
const TIMEOUT_MS = 30_000;
const REFRESH_TIMEOUT_MS = 15_000;

/** Parts of a {@link Desk}. */
export interface DeskParts {
  readonly gateway: Gateway;
  readonly state: SessionState;
  readonly refresher: Refresher;
  readonly events: AuthEvents;
  readonly asked: AskedMails;
}

/** A sign-in that waits for its second factor. */
export type PendingSignIn = Extract<SignInResult, { requires_2fa: true }>;

/** What a single call may want otherwise. */
export type CallOptions = Pick<Call, "query" | "signal" | "timeoutMs">;

function call(method: Call["method"], path: string, body: unknown, options: CallOptions): Call {
  return { family: "auth", method, path: `${BASE}${path}`, body, timeoutMs: TIMEOUT_MS, ...options };
}

/** One per client. */
export class Desk {
  readonly gateway: Gateway;
  readonly state: SessionState;
  readonly refresher: Refresher;
  readonly events: AuthEvents;
  readonly asked: AskedMails;
  /** The sign-in that `verify2FACode` completes. */
  pending: PendingSignIn | null = null;
  /** The `mfa_token` of a sign-in that began with the link that opened this page. */
  #landed: string | undefined;
  /** The proof that `confirmPasswordReset` uses when it is given none. */
  recovery: MailedProof | null = null;

  constructor(parts: DeskParts) {
    this.gateway = parts.gateway;
    this.state = parts.state;
    this.refresher = parts.refresher;
    this.events = parts.events;
    this.asked = parts.asked;
  }

  /** Sends a call as nobody, or as `bearer`. */
  send(
    method: Call["method"],
    path: string,
    body?: unknown,
    options: CallOptions & { readonly bearer?: string } = {},
  ): Promise<unknown> {
    const { bearer, ...rest } = options;
    return this.gateway.bare(call(method, path, body, rest), bearer);
  }

  /** Sends a call as the signed-in person or with the client's key; fails without a round trip when there is neither. */
  async sendAsCaller(
    method: Call["method"],
    path: string,
    body?: unknown,
    options: CallOptions = {},
  ): Promise<unknown> {
    if (!this.gateway.hasKey && (await this.refresher.current()) === null) throw sessionMissing();
    return this.gateway.request(call(method, path, body, options));
  }

  /** POST /refresh, nothing else. */
  async exchangeRefreshToken(refresh_token: string): Promise<UserAndSession> {
    return readTokens(await this.send("POST", "/refresh", { refresh_token }, { timeoutMs: REFRESH_TIMEOUT_MS }));
  }

  /** Begins the session that an answer holds; see {@link SessionState.begin} for `landed`. */
  async begin(answer: unknown, landed?: { readonly asked: boolean }): Promise<UserAndSession> {
    const tokens = readTokens(answer);
    this.pending = null;
    await this.state.begin(tokens.session, landed);
    return tokens;
  }

  /** As {@link Desk.goOn}, for answers that may want a second factor instead. Then there is no session yet. */
  async enter(answer: unknown): Promise<SignInResult> {
    return isPending(answer) ? this.#pend(answer) : this.goOn(answer);
  }

  /**
   * As {@link Desk.enter}, for the link that opened this page. Anybody can make somebody open a link, so it never takes
   * the place of another user's session: then its own is ended again, and the error's code is `session_conflict`.
   */
  async land(answer: unknown): Promise<SignInResult> {
    if (!isPending(answer)) return this.#beginLanded(answer);
    const pending = this.#pend(answer);
    this.#landed = pending.mfa_token;
    return pending;
  }

  /** Begins the session that a second factor has completed. */
  async complete(answer: unknown, mfa_token: string): Promise<UserAndSession> {
    return mfa_token === this.#landed ? this.#beginLanded(answer) : this.begin(answer);
  }

  /** Takes an answer that may hold the session held now, with another view of the user: then that session goes on. */
  async goOn(answer: unknown): Promise<UserAndSession> {
    const { user, session } = readTokens(answer);
    const before = this.state.held?.session;
    if (before?.id !== session.id || before.user.id !== user.id) return this.begin(answer);
    this.pending = null;
    await this.learn(user);
    const { held } = this.state;
    const kept = held === null ? null : await this.state.rotate(held, session);
    return { user, session: kept?.session ?? session };
  }

  async #beginLanded(answer: unknown): Promise<UserAndSession> {
    const { user, session } = readTokens(answer);
    const asked = user.email !== null && (await this.asked.has(user.email));
    await this.state.reconcile();
    while (this.state.held !== null && this.state.held.session.user.id !== user.id) {
      // What is stored may be over long since. Only the server knows.
      if ((await this.refresher.refresh("rejected")).kind === "ended") continue;
      await this.#discard(session);
      throw sessionConflict();
    }
    return this.begin(answer, { asked });
  }

  /** Ends a session that nobody wants. If the server cannot be told, it ends by itself one day. */
  async #discard({ access_token }: Session): Promise<void> {
    try {
      await this.send("POST", "/signout", { scope: "local" }, { bearer: access_token, timeoutMs: REFRESH_TIMEOUT_MS });
    } catch {
      // Its tokens are forgotten in any case.
    }
  }

  #pend(answer: unknown): PendingSignIn {
    const { mfa_token = "", methods = [] } = answer as Partial<PendingSignIn>;
    this.pending = { user: null, session: null, requires_2fa: true, mfa_token, methods };
    return this.pending;
  }

  /** Notes what the server now says of the user, and tells everybody (`USER_UPDATED`). */
  async learn(user: unknown): Promise<User> {
    await this.state.updateUser(user as User, true);
    return user as User;
  }

  /** Keeps a mailed proof until the new password is known, and tells everybody (`PASSWORD_RECOVERY`). */
  recover(proof: MailedProof): void {
    this.recovery = proof;
    this.events.recovery(this.state.held?.session ?? null);
  }

  /** Forgets that proof. */
  recovered(): void {
    this.recovery = null;
    this.events.recovered();
  }
}

/** Whether an answer wants a second factor. */
function isPending(answer: unknown): boolean {
  return (answer as { requires_2fa?: unknown } | null | undefined)?.requires_2fa === true;
}

/** Whether an answer says that one of the two confirmations of a change of address is in, and the other is not. */
export function isHalfConfirmed(answer: unknown): boolean {
  const { user, session } = (answer ?? {}) as { user?: unknown; session?: unknown };
  return user === null && session === null && !isPending(answer);
}

/** `{user, session}` of an answer, the user put into the session as well. */
export function readTokens(answer: unknown): UserAndSession {
  const { user, session } = (answer ?? {}) as Partial<UserAndSession>;
  const whole = { ...session, user } as Partial<Session>;
  if (user === undefined || !isSession(whole)) {
    throw new AuthError("The server's answer holds no session", { status: 200, code: "invalid_response" });
  }
  return { user, session: whole };
}
