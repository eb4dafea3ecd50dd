/**
 * A mailed link ends on a page of the application with `#type=magiclink&token=...` or the like in its address. This is
 * read once, when the client is made, and taken out of the address before anything is sent: what stays there ends up in
 * histories, bookmarks and error reports.
 */

import { AuthError, asFluxbaseError, type FluxbaseError } from "../core/errors.js";
import type { Logger } from "../core/logger.js";
import { type Desk, isHalfConfirmed } from "./desk.js";
import { isUnknown } from "./flow.js";
import type { SignInResult } from "./types.js";

const ROUTES = { magiclink: "/magiclink/verify", invite: "/magiclink/verify", signup: "/verify-email" } as const;
const TIMEOUT_MS = 15_000;

/** What the address holds. */
export type Arrival =
  | { readonly type: keyof typeof ROUTES | "recovery"; readonly token: string }
  | { readonly type: "error"; readonly code: string };

/**
 * Reads a fragment. Null unless it is exactly of a form that the server makes: an application may have fragments of its
 * own, e.g. for its router, and those may well have a `type` or a `token` too.
 */
export function readFragment(hash: string): Arrival | null {
  const words = new URLSearchParams(hash.replace(/^#/, ""));
  const names = [...words.keys()].sort().join();
  if (names === "token,type") {
    const [type, token] = [words.get("type"), words.get("token")];
    if (!token || type === null || (type !== "recovery" && !Object.hasOwn(ROUTES, type))) return null;
    return { type: type as keyof typeof ROUTES | "recovery", token };
  }
  if (names !== "error,error_code" && names !== "error,error_code,error_description") return null;
  const code = words.get("error_code") ?? "";
  return /^[a-z0-9_]{1,64}$/.test(code) ? { type: "error", code } : null;
}

/** Takes an arrival out of the page's address; null outside browsers. */
export function takeArrival(): Arrival | null {
  if (typeof document === "undefined" || typeof location === "undefined") return null;
  const arrival = readFragment(location.hash);
  if (arrival === null) return null;
  try {
    history.replaceState(history.state, "", location.pathname + location.search);
  } catch {
    // A sandboxed page may not; its address is nobody's to see.
  }
  return arrival;
}

interface Outcome {
  readonly result: SignInResult | null;
  readonly error: FluxbaseError | null;
}

/** Part of `client.auth`: deals with an {@link Arrival}. */
export class Landing {
  readonly #desk: Desk;
  readonly #logger: Logger;
  readonly #arrival: Arrival | null;
  #outcome: Promise<Outcome>;

  constructor(desk: Desk, logger: Logger, arrival: Arrival | null) {
    this.#desk = desk;
    this.#logger = logger;
    this.#arrival = arrival;
    this.#outcome = this.#run();
  }

  /** Resolves once the arrival is dealt with, whatever became of it. */
  async done(): Promise<void> {
    await this.#outcome;
  }

  /**
   * What a mailed link that the page was opened by came to: the sign-in, or null when there was none. Clients do this
   * by themselves; call it for the outcome, above all to learn of a second factor or of a link that did not work. If
   * there was no answer, a further call tries again. Codes: `otp_expired`, those of the network, and `session_conflict`:
   * the link is another user's than the one who is signed in here. Nothing has changed then; the link is spent.
   */
  readonly initialize = async (): Promise<SignInResult | null> => {
    const latest = this.#outcome;
    const { error: failure } = await latest;
    if (failure !== null && isUnknown(failure) && this.#outcome === latest) this.#outcome = this.#run();
    const { result, error } = await this.#outcome;
    if (error !== null) throw error;
    return result;
  };

  async #run(): Promise<Outcome> {
    try {
      return { result: await this.#enter(this.#arrival), error: null };
    } catch (thrown) {
      const error = asFluxbaseError(thrown);
      this.#logger.warn(`The link that opened this page did not sign in (${error.code})`);
      return { result: null, error };
    }
  }

  async #enter(arrival: Arrival | null): Promise<SignInResult | null> {
    if (arrival === null) return null;
    if (arrival.type === "error") {
      // The text in the address is not repeated: anybody can write a link that says anything.
      throw new AuthError("The link is invalid or has expired", { status: 403, code: arrival.code });
    }
    if (arrival.type === "recovery") {
      this.#desk.recover({ token: arrival.token });
      return null;
    }
    const answer = await this.#desk.send(
      "POST",
      ROUTES[arrival.type],
      { token: arrival.token },
      { timeoutMs: TIMEOUT_MS },
    );
    return isHalfConfirmed(answer) ? null : this.#desk.land(answer);
  }
}
