/**
 * What all auth calls share: the two ways to the server, what becomes of an answer that signs somebody in, and what one
 * step of a sign-in leaves for the next. The latter is kept in memory only: a token that stands for half a sign-in has
 * no business in a storage.
 *
 * Calls that prove something themselves (a password, a mailed code) are sent as nobody: an expired access token beside
 * them would be refused before they are looked at.
 */

import { AuthError, sessionMissing } from "../core/errors.js";
import type { AuthEvents } from "../core/events.js";
import type { Gateway } from "../core/gateway.js";
import type { Call } from "../core/http.js";
import { isSession } from "../core/record.js";
import type { Refresher } from "../core/refresh.js";
import type { SessionState } from "../core/session.js";
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
  /** The sign-in that `verify2FACode` completes. */
  pending: PendingSignIn | null = null;
  /** The proof that `confirmPasswordReset` uses when it is given none. */
  recovery: MailedProof | null = null;

  constructor(parts: DeskParts) {
    this.gateway = parts.gateway;
    this.state = parts.state;
    this.refresher = parts.refresher;
    this.events = parts.events;
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

  /** Begins the session that an answer holds; see {@link SessionState.begin} for `opened`. */
  async begin(answer: unknown, opened = false): Promise<UserAndSession> {
    const tokens = readTokens(answer);
    this.pending = null;
    await this.state.begin(tokens.session, opened);
    return tokens;
  }

  /** As {@link Desk.begin}, for answers that may want a second factor instead. Then there is no session yet. */
  async enter(answer: unknown, opened = false): Promise<SignInResult> {
    const { requires_2fa, mfa_token = "", methods = [] } = (answer ?? {}) as Partial<PendingSignIn>;
    if (requires_2fa !== true) return this.begin(answer, opened);
    this.pending = { user: null, session: null, requires_2fa, mfa_token, methods };
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

/** `{user, session}` of an answer, the user put into the session as well. */
export function readTokens(answer: unknown): UserAndSession {
  const { user, session } = (answer ?? {}) as Partial<UserAndSession>;
  const whole = { ...session, user } as Partial<Session>;
  if (user === undefined || !isSession(whole)) {
    throw new AuthError("The server's answer holds no session", { status: 200, code: "invalid_response" });
  }
  return { user, session: whole };
}
