/**
 * The auth calls, once: they return values and throw typed errors. The faces wrap them.
 *
 * Calls that prove something themselves (a password, a refresh token) are sent as nobody: an expired access token
 * beside them would be refused before they are looked at.
 */

import { AuthError, type FluxbaseError, sessionMissing } from "../core/errors.js";
import type { AuthEvents, AuthListener, Subscription } from "../core/events.js";
import type { Gateway } from "../core/gateway.js";
import type { Call } from "../core/http.js";
import { readClaims } from "../core/jwt.js";
import { isSession } from "../core/record.js";
import type { Refresher } from "../core/refresh.js";
import type { SessionState } from "../core/session.js";
import type { Ticker } from "../core/ticker.js";
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
} from "./types.js";

const BASE = "/api/v1/auth";
const TIMEOUT_MS = 30_000;
const REFRESH_TIMEOUT_MS = 15_000;
const PAGE_SIZE = 100;

/** Parts of an {@link AuthService}. */
export interface AuthParts {
  readonly gateway: Gateway;
  readonly state: SessionState;
  readonly refresher: Refresher;
  readonly events: AuthEvents;
  readonly ticker: Ticker;
}

function call(method: Call["method"], path: string, body?: unknown, query?: string): Call {
  return { family: "auth", method, path: `${BASE}${path}`, body, query, timeoutMs: TIMEOUT_MS };
}

/** See the faces for what each call means to the caller. */
export class AuthService {
  readonly #parts: AuthParts;

  constructor(parts: AuthParts) {
    this.#parts = parts;
  }

  async signUp({ email, password, options }: SignUpCredentials): Promise<SignUpResult> {
    const data = options?.data;
    const body = { email, password, ...(data === undefined ? {} : { data }) };
    const answer = (await this.#parts.gateway.bare(call("POST", "/signup", body))) as Partial<SignUpResult> | undefined;
    const user = answer?.user ?? null;
    if (!answer?.session) return { user, session: null };
    return this.#begin(answer);
  }

  async signIn({ email, password }: PasswordCredentials): Promise<SignInResult> {
    const answer = (await this.#parts.gateway.bare(call("POST", "/signin", { email, password }))) as
      | Partial<SignInResult>
      | undefined;
    if (answer?.requires_2fa === true) {
      const { mfa_token = "", methods = [] } = answer;
      return { user: null, session: null, requires_2fa: true, mfa_token, methods };
    }
    return this.#begin(answer);
  }

  async signOut(scope: SignOutScope = "local"): Promise<void> {
    const { state, gateway } = this.#parts;
    await state.reconcile();
    const { held } = state;
    if (held === null) return;
    let failure: unknown;
    try {
      await gateway.request(call("POST", "/signout", { scope }));
    } catch (thrown) {
      // A session that has turned out to be over already is what was asked for.
      if (!isOver(thrown) && state.held?.session.id === held.session.id) failure = thrown;
    }
    if (scope !== "others") await state.end(held, "signed_out");
    if (failure !== undefined) throw failure;
  }

  async refreshSession(): Promise<UserAndSession> {
    const outcome = await this.#parts.refresher.refresh("asked");
    if (outcome.kind === "fresh") return { user: outcome.held.session.user, session: outcome.held.session };
    throw outcome.error ?? sessionMissing();
  }

  /** POST /refresh, nothing else. Only the {@link Refresher} and {@link AuthService.setSession} call it. */
  async exchangeRefreshToken(refreshToken: string): Promise<UserAndSession> {
    const request = call("POST", "/refresh", { refresh_token: refreshToken });
    return readTokens(await this.#parts.gateway.bare({ ...request, timeoutMs: REFRESH_TIMEOUT_MS }));
  }

  async getSession(): Promise<Session | null> {
    return (await this.#parts.refresher.current())?.session ?? null;
  }

  async setSession(tokens: TokenPair): Promise<UserAndSession> {
    const { access_token, refresh_token } = tokens;
    const claims = readClaims(access_token);
    const left = (claims?.exp ?? 0) - Math.floor(Date.now() / 1000);
    const id = claims?.session_id;
    if (claims === null || id === undefined || left <= 10)
      return this.#begin(await this.exchangeRefreshToken(refresh_token));
    try {
      const user = (await this.#parts.gateway.bare(call("GET", "/user"), access_token)) as User;
      const session = {
        id,
        access_token,
        refresh_token,
        token_type: "bearer",
        expires_in: left,
        expires_at: claims.exp,
      };
      return await this.#begin({ user, session: session as Session });
    } catch (thrown) {
      if ((thrown as FluxbaseError).code !== "token_expired") throw thrown;
      return this.#begin(await this.exchangeRefreshToken(refresh_token)); // our clock is behind the server's
    }
  }

  async getUser(): Promise<User | null> {
    const { refresher, gateway, state } = this.#parts;
    const held = await refresher.current();
    if (held === null && !gateway.hasKey) return null;
    const user = (await gateway.request(call("GET", "/user"))) as User;
    await state.updateUser(user, false);
    return user;
  }

  async updateUser({ data }: UserAttributes): Promise<User> {
    await this.#needCaller();
    const user = (await this.#parts.gateway.request(call("PATCH", "/user", { data: data ?? {} }))) as User;
    await this.#parts.state.updateUser(user, true);
    return user;
  }

  async listSessions(): Promise<ListedSession[]> {
    await this.#needCaller();
    const sessions: ListedSession[] = [];
    let cursor: string | null = null;
    do {
      const query = new URLSearchParams({ limit: String(PAGE_SIZE), ...(cursor === null ? {} : { cursor }) });
      const page = (await this.#parts.gateway.request(call("GET", "/sessions", undefined, query.toString()))) as {
        items?: ListedSession[];
        next_cursor?: string | null;
      };
      sessions.push(...(page.items ?? []));
      cursor = page.next_cursor ?? null;
    } while (cursor !== null);
    return sessions;
  }

  async revokeSession(id: string): Promise<void> {
    await this.#needCaller();
    await this.#parts.gateway.request(call("DELETE", `/sessions/${encodeURIComponent(id)}`));
    const { held } = this.#parts.state;
    if (held !== null && held.session.id === id) await this.#parts.state.end(held, "signed_out");
  }

  async revokeAllSessions(exceptCurrent: boolean): Promise<void> {
    if (!exceptCurrent) return this.signOut("global");
    await this.#needCaller();
    await this.#parts.gateway.request(call("DELETE", "/sessions", undefined, "except_current=true"));
  }

  onAuthStateChange(listener: AuthListener): Subscription {
    return this.#parts.events.subscribe(listener, () => this.getSession());
  }

  startAutoRefresh(): void {
    this.#parts.ticker.start();
  }

  stopAutoRefresh(): void {
    this.#parts.ticker.stop();
  }

  async #begin(answer: unknown): Promise<UserAndSession> {
    const tokens = readTokens(answer);
    await this.#parts.state.begin(tokens.session);
    return tokens;
  }

  /** Fails early, and without a round trip, when there is nobody to act as. */
  async #needCaller(): Promise<void> {
    if (this.#parts.gateway.hasKey) return;
    if ((await this.#parts.refresher.current()) === null) throw sessionMissing();
  }
}

/** `{user, session}` of an answer, the user put into the session as well. */
function readTokens(answer: unknown): UserAndSession {
  const { user, session } = (answer ?? {}) as Partial<UserAndSession>;
  const whole = { ...session, user } as Partial<Session>;
  if (user === undefined || !isSession(whole)) {
    throw new AuthError("The server's answer holds no session", { status: 200, code: "invalid_response" });
  }
  return { user, session: whole };
}

/** Whether the server says that the session is over. */
function isOver(thrown: unknown): boolean {
  const { status, code } = thrown as Partial<FluxbaseError>;
  return status === 401 && code === "session_ended";
}
