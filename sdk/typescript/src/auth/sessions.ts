/** The session on this device, and the user's others. */

import { type FluxbaseError, sessionMissing } from "../core/errors.js";
import type { AuthListener, Subscribe, Subscription } from "../core/events.js";
import { readClaims } from "../core/jwt.js";
import type { Ticker } from "../core/ticker.js";
import type { Desk } from "./desk.js";
import type { SignOutScope, TokenPair } from "./requests.js";
import type { ListedSession, Page, Session, User, UserAndSession } from "./types.js";

const PAGE_SIZE = 100;

/** Part of `client.auth`. */
export class Sessions {
  readonly #desk: Desk;
  readonly #ticker: Ticker;

  constructor(desk: Desk, ticker: Ticker) {
    this.#desk = desk;
    this.#ticker = ticker;
  }

  /**
   * Ends this session (`local`, the default), all of the user's (`global`), or all others (`others`). The session is
   * forgotten here even if the server cannot be told; that failure is thrown afterwards. Resolves at once when nobody
   * is signed in.
   */
  readonly signOut = async (options: { readonly scope?: SignOutScope } = {}): Promise<void> => {
    const { scope = "local" } = options;
    const { state } = this.#desk;
    this.#desk.pending = null;
    if (scope !== "others") await this.#desk.asked.clear(); // the next person at this device asks anew
    await state.reconcile();
    const { held } = state;
    if (held === null) return;
    let failure: unknown;
    try {
      await this.#desk.sendAsCaller("POST", "/signout", { scope });
    } catch (thrown) {
      // A session that has turned out to be over already is what was asked for.
      if (!isOver(thrown) && state.held?.session.id === held.session.id) failure = thrown;
    }
    if (scope !== "others") await state.end(held, "signed_out");
    if (failure !== undefined) throw failure;
  };

  /**
   * Gets new tokens now (`TOKEN_REFRESHED`). Calls at the same time share one request, and a refresh by another tab
   * within the last 10 s counts. Codes: `session_missing`, `session_ended` (with `reason`; the session is then
   * forgotten), `refresh_token_invalid`. After any other failure the session is kept.
   */
  readonly refreshSession = async (): Promise<UserAndSession> => {
    const outcome = await this.#desk.refresher.refresh("asked");
    if (outcome.kind === "fresh") return { user: outcome.held.session.user, session: outcome.held.session };
    throw outcome.error ?? sessionMissing();
  };

  /**
   * The session, without a request unless its token is about to end (90 s): then it is refreshed. Null only when
   * nobody is signed in; while the server cannot be reached the session is returned as it is.
   */
  readonly getSession = async (): Promise<Session | null> => (await this.#desk.refresher.current())?.session ?? null;

  /** Takes over a session from elsewhere, checks it with the server, and emits `SIGNED_IN`. */
  readonly setSession = async ({ access_token, refresh_token }: TokenPair): Promise<UserAndSession> => {
    const renewed = async () => this.#desk.begin(await this.#desk.exchangeRefreshToken(refresh_token));
    const claims = readClaims(access_token);
    const id = claims?.session_id;
    const expires_in = (claims?.exp ?? 0) - Math.floor(Date.now() / 1000);
    if (claims === null || id === undefined || expires_in <= 10) return renewed();
    try {
      const user = (await this.#desk.send("GET", "/user", undefined, { bearer: access_token })) as User;
      const rest = { token_type: "bearer", expires_in, expires_at: claims.exp };
      return await this.#desk.begin({ user, session: { id, access_token, refresh_token, ...rest } });
    } catch (thrown) {
      if ((thrown as FluxbaseError).code !== "token_expired") throw thrown;
      return renewed(); // our clock is behind the server's
    }
  };

  /** All sessions of the user, without tokens; `current` marks this one. */
  readonly listSessions = async (): Promise<ListedSession[]> => {
    const sessions: ListedSession[] = [];
    let cursor: string | null = null;
    do {
      const words = new URLSearchParams({ limit: String(PAGE_SIZE), ...(cursor === null ? {} : { cursor }) });
      const page = (await this.#desk.sendAsCaller("GET", "/sessions", undefined, {
        query: words.toString(),
      })) as Partial<Page<ListedSession>>;
      sessions.push(...(page.items ?? []));
      cursor = page.next_cursor ?? null;
    } while (cursor !== null);
    return sessions;
  };

  /** Ends one session of the user. If it is this one, `SIGNED_OUT` follows. */
  readonly revokeSession = async (id: string): Promise<void> => {
    await this.#desk.sendAsCaller("DELETE", `/sessions/${encodeURIComponent(id)}`);
    const { held } = this.#desk.state;
    if (held !== null && held.session.id === id) await this.#desk.state.end(held, "signed_out");
  };

  /** Ends all sessions of the user, or with `except_current` all but this one. */
  readonly revokeAllSessions = async (options: { readonly except_current?: boolean } = {}): Promise<void> => {
    if (options.except_current !== true) return this.signOut({ scope: "global" });
    await this.#desk.sendAsCaller("DELETE", "/sessions", undefined, { query: "except_current=true" });
  };

  /**
   * Calls `listener(event, session, info)` with `INITIAL_SESSION` first and then with every change, in this tab or
   * another one. `SIGNED_OUT` comes with `info.reason`. The listener may call the client.
   */
  readonly onAuthStateChange = ((listener: AuthListener) =>
    this.#desk.events.subscribe(listener, () => this.getSession())) as Subscribe<Subscription>;

  /** Refreshes in the background (on by default, see `autoRefreshToken`). */
  readonly startAutoRefresh = (): void => this.#ticker.start();

  /** Stops refreshing in the background; tokens are still refreshed when a call needs them. */
  readonly stopAutoRefresh = (): void => this.#ticker.stop();
}

/** Whether the server says that the session is over. */
function isOver(thrown: unknown): boolean {
  const { status, code } = thrown as Partial<FluxbaseError>;
  return status === 401 && code === "session_ended";
}
