/**
 * When and how tokens are refreshed.
 *
 * - One refresh at a time per client; everybody who asks meanwhile gets its outcome. No locks between tabs: the server
 *   gives the same successor to all who present the same token within a few seconds.
 * - Only a definite refusal (401 `session_ended` or `refresh_token_invalid`) ends the session. Everything else
 *   (no answer, 5xx, 429, a proxy's page) is "unknown": the session stays and the refresh is tried again later.
 * - An answer that got lost may have spent our token already, so a failed attempt is repeated at once, within the
 *   server's grace, before the long cool-down.
 */

import type { UserAndSession } from "../auth/types.js";
import { asFluxbaseError, type FluxbaseError } from "./errors.js";
import { endsAt, type Held, isExpiring, sameTokens } from "./record.js";
import type { SessionState } from "./session.js";

/** Why a refresh is wanted: it is due, the caller asked for it, or the server has refused the access token. */
export type RefreshCause = "due" | "asked" | "rejected";

/** What a refresh came to. */
export type RefreshOutcome =
  | { readonly kind: "fresh"; readonly held: Held }
  | { readonly kind: "unknown"; readonly held: Held; readonly error: FluxbaseError }
  | { readonly kind: "ended"; readonly error: FluxbaseError | null };

/** Parts and numbers of a {@link Refresher}. */
export interface RefresherParts {
  readonly state: SessionState;
  /** POST /refresh; throws a {@link FluxbaseError}. */
  readonly exchange: (refreshToken: string) => Promise<UserAndSession>;
  readonly now: () => number;
  readonly sleep: (milliseconds: number) => Promise<void>;
  /** Resolves once a mailed link that the page was opened by is dealt with. */
  readonly arrived: () => Promise<void>;
  /** Seconds before the access token's end from which it counts as due. */
  readonly marginSeconds: number;
}

/** Pauses before the repeats of one refresh, in milliseconds; together well below the server's grace of 10 s. */
export const REPEAT_AFTER_MS: readonly number[] = [200, 800, 2000];
/** Repeats begin only within this time of the first attempt: later the server's grace may be over. */
export const REPEAT_WITHIN_MS = 8_000;
/** How long a call that has a valid token waits for a refresh that is due, before it goes ahead with what it has. */
export const PATIENCE_MS = 2_000;
/** First and longest cool-down after a failed refresh; it doubles in between. */
export const COOL_DOWN_MS = { first: 60_000, longest: 300_000 } as const;
/** For how long a refresh by another tab also counts as ours when the caller asks for one. */
export const SHARED_FOR_MS = 10_000;

const DEFINITE = new Set(["session_ended", "refresh_token_invalid"]);

/** Refreshes the session of one client. */
export class Refresher {
  readonly #parts: RefresherParts;
  #running: Promise<RefreshOutcome> | undefined;
  #coolUntil = 0;
  #serverSaidWait = false;
  #failures = 0;

  constructor(parts: RefresherParts) {
    this.#parts = parts;
  }

  /**
   * The session, refreshed first if that is due and not cooling down. Null only when nobody is signed in. Waits while a
   * link that the page was opened by is being exchanged, or the page would act as nobody for a moment.
   */
  async current(): Promise<Held | null> {
    await this.#parts.arrived();
    await this.#parts.state.ready();
    const { held } = this.#parts.state;
    if (held === null || !this.#due(held) || this.#parts.now() < this.#coolUntil) return held;
    const refreshing = this.refresh("due");
    await (this.#parts.now() < endsAt(held) ? patiently(refreshing) : refreshing);
    return this.#parts.state.held;
  }

  /** Refreshes, or joins the refresh that is running. Never rejects. */
  refresh(cause: RefreshCause): Promise<RefreshOutcome> {
    this.#running ??= this.#run(cause).finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /** True while the server itself has asked for a pause (Retry-After). */
  get mustWait(): boolean {
    return this.#serverSaidWait && this.#parts.now() < this.#coolUntil;
  }

  /** Forgets the cool-down, e.g. when the device is online again. */
  warmUp(): void {
    if (!this.#serverSaidWait) this.#coolUntil = 0;
  }

  async #run(cause: RefreshCause): Promise<RefreshOutcome> {
    const { state } = this.#parts;
    await state.ready();
    const before = state.held;
    if (before === null) return { kind: "ended", error: null };
    await state.reconcile();
    const { held } = state;
    if (held === null) return { kind: "ended", error: null };
    if (this.#alreadyDone(before, held, cause)) return { kind: "fresh", held };
    return this.#attempts(held);
  }

  /** Whether another tab has done it: its tokens are newer than ours were, or so young that asking again is moot. */
  #alreadyDone(before: Held, held: Held, cause: RefreshCause): boolean {
    if (this.#due(held)) return false;
    if (!sameTokens(before, held)) return true;
    return cause === "asked" && this.#parts.now() - this.#parts.state.adoptedAt < SHARED_FOR_MS;
  }

  async #attempts(first: Held): Promise<RefreshOutcome> {
    const { state, exchange, sleep } = this.#parts;
    const begun = this.#parts.now();
    let held = first;
    for (let attempt = 0; ; attempt++) {
      let failure: FluxbaseError;
      try {
        const { session } = await exchange(held.session.refresh_token);
        this.#coolUntil = 0;
        this.#failures = 0;
        const kept = await state.rotate(held, session);
        return kept === null ? { kind: "ended", error: null } : { kind: "fresh", held: kept };
      } catch (thrown) {
        failure = asFluxbaseError(thrown);
      }
      const moved = await this.#movedOn(held);
      if (moved !== undefined) {
        if (moved === null) return { kind: "ended", error: null };
        if (!this.#due(moved)) return { kind: "fresh", held: moved };
        held = moved;
      } else if (isDefinite(failure)) {
        await state.end(held, failure.reason ?? failure.code);
        return { kind: "ended", error: failure };
      }
      const pause = REPEAT_AFTER_MS[attempt];
      const late = this.#parts.now() - begun > REPEAT_WITHIN_MS;
      if (pause === undefined || late || !isRepeatable(failure)) return this.#giveUp(held, failure);
      await sleep(pause);
      const meanwhile = await this.#movedOn(held);
      if (meanwhile === null) return { kind: "ended", error: null };
      if (meanwhile !== undefined && !this.#due(meanwhile)) return { kind: "fresh", held: meanwhile };
      held = meanwhile ?? held;
    }
  }

  /** What is held now if it is no longer `held`, else undefined. */
  async #movedOn(held: Held): Promise<Held | null | undefined> {
    await this.#parts.state.reconcile();
    return sameTokens(this.#parts.state.held, held) ? undefined : this.#parts.state.held;
  }

  #giveUp(held: Held, error: FluxbaseError): RefreshOutcome {
    const backOff = Math.min(COOL_DOWN_MS.first * 2 ** this.#failures, COOL_DOWN_MS.longest);
    this.#failures += 1;
    this.#serverSaidWait = error.retryAfter !== undefined;
    this.#coolUntil = this.#parts.now() + (error.retryAfter === undefined ? backOff : error.retryAfter * 1000);
    return { kind: "unknown", held, error };
  }

  #due(held: Held): boolean {
    return isExpiring(held, this.#parts.now(), this.#parts.marginSeconds);
  }
}

/** Waits for a refresh, but not for ever; it goes on in the background. */
async function patiently(refreshing: Promise<unknown>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const enough = new Promise((resolve) => {
    timer = setTimeout(resolve, PATIENCE_MS);
  });
  await Promise.race([refreshing, enough]);
  clearTimeout(timer);
}

function isDefinite(error: FluxbaseError): boolean {
  return error.status === 401 && DEFINITE.has(error.code);
}

/** Worth an immediate repeat: no answer, or a server error that did not name a time. */
function isRepeatable(error: FluxbaseError): boolean {
  if (error.retryAfter !== undefined) return false;
  return error.status === 0 || error.status >= 500 || isDefinite(error);
}
