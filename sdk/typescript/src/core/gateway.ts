/** Sends calls as whoever the client is: the signed-in person, else its own key, else nobody. */

import type { Answer } from "./answer.js";
import { AuthError } from "./errors.js";
import type { Call, Http } from "./http.js";
import { patient } from "./limited.js";
import { problemError } from "./problem.js";
import type { Held } from "./record.js";
import type { Refresher } from "./refresh.js";
import type { SessionState } from "./session.js";

/** Parts of a {@link Gateway}. */
export interface GatewayParts {
  readonly http: Http;
  readonly state: SessionState;
  readonly refresher: Refresher;
  /** API or service key, used while nobody is signed in. */
  readonly key: string | null;
}

/** The door that all authorised calls leave by. */
export class Gateway {
  readonly #parts: GatewayParts;

  constructor(parts: GatewayParts) {
    this.#parts = parts;
  }

  /** Whether the client has a key of its own to act with. */
  get hasKey(): boolean {
    return this.#parts.key !== null;
  }

  /**
   * Sends a call as the signed-in person or with the client's key. A token that the server calls expired is refreshed
   * once and the call repeated once, but only as the same person. Any status is an answer.
   * Throws an AuthError (`session_ended`) when the session turns out to be over: a call that was meant as somebody is
   * never sent as somebody else, be it nobody or the client's key.
   */
  async exchange(call: Call): Promise<Answer> {
    const { state, refresher } = this.#parts;
    await state.ready();
    const meantAs = state.held;
    const held = await refresher.current();
    if (meantAs !== null && held === null) throw this.#ended();
    const answer = await this.#parts.http.send(call, held?.session.access_token ?? this.#parts.key);
    if (answer.status !== 401 || held === null) return answer;
    const code = (answer.body as { code?: unknown } | null | undefined)?.code;
    if (code === "session_ended") await this.#confirmEnd(held);
    if (code !== "token_expired") return answer;
    const renewed = await this.#renew(held);
    if (state.held === null) throw this.#ended();
    return renewed === null ? answer : this.#parts.http.send(call, renewed.session.access_token);
  }

  /**
   * As {@link Gateway.exchange}, for a success's body only; everything else is thrown. A read that a rate limit refuses
   * is sent once more when there is room.
   */
  async request(call: Call): Promise<unknown> {
    const exchange = (next: Call) => this.exchange(next);
    return success(await (call.method === "GET" ? patient(exchange, call) : exchange(call)), call);
  }

  /** Sends a call that carries its own proof (a password, a refresh token) as nobody, or as `bearer`. */
  async bare(call: Call, bearer: string | null = null): Promise<unknown> {
    return success(await this.#parts.http.send(call, bearer), call);
  }

  async #renew(refused: Held): Promise<Held | null> {
    const { state, refresher } = this.#parts;
    let now = state.held;
    if (now?.session.access_token === refused.session.access_token) {
      if (refresher.mustWait) return null;
      const outcome = await refresher.refresh("rejected");
      now = outcome.kind === "fresh" ? outcome.held : null;
    }
    return now?.session.user.id === refused.session.user.id ? now : null;
  }

  #ended(): AuthError {
    const reason = this.#parts.state.endReason;
    return new AuthError("The session has ended", { status: 401, code: "session_ended", reason });
  }

  /** The refresh route has the last word on whether a session is over, and names the reason. */
  async #confirmEnd(refused: Held): Promise<void> {
    if (this.#parts.state.held?.session.id !== refused.session.id) return;
    await this.#parts.refresher.refresh("rejected");
  }
}

function success(answer: Answer, call: Call): unknown {
  if (answer.status < 200 || answer.status > 299) throw problemError(answer, call.family);
  return answer.body;
}
