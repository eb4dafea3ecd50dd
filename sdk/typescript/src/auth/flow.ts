/** Waiting for a mailed link to be opened, on this device or another one. */

import { asFluxbaseError, type FluxbaseError, NetworkError } from "../core/errors.js";

/** The server holds a question for 25 s; give it time to answer, in milliseconds. */
export const ASK_TIMEOUT_MS = 40_000;
/** The least time between two questions that were answered, in milliseconds: a proxy may not hold them at all. */
export const ROUND_MS = 2_000;
/** Pauses after questions that came to nothing, in milliseconds; the last one repeats. */
export const RETRY_AFTER_MS: readonly number[] = [1_000, 2_000, 5_000, 10_000];

/** A tab that has just spent the link may need this long to store its session, in milliseconds. */
export const SPENT_LAG_MS = 1_000;

/** How {@link waitForFlow} asks, and how it learns that there is nothing left to wait for. */
export interface FlowParts<Outcome> {
  /** Asks once; rejects with a FluxbaseError. */
  readonly ask: (signal: AbortSignal) => Promise<unknown>;
  /** An outcome that came by another way: from another tab. */
  readonly meanwhile: () => Promise<Outcome | undefined>;
  /** What the final answer comes to. */
  readonly finish: (answer: unknown) => Promise<Outcome>;
  readonly signal: AbortSignal;
}

/**
 * Asks until the answer is final. Only a definite refusal ends it early: a network that fails, a server error or a
 * limit on requests says nothing about the link. Rejects with a NetworkError of code `aborted` when the signal says so.
 */
export async function waitForFlow<Outcome>(parts: FlowParts<Outcome>): Promise<Outcome> {
  const { signal } = parts;
  let failures = 0;
  for (;;) {
    if (signal.aborted) throw aborted();
    const asked = Date.now();
    let pause: number;
    try {
      const answer = await parts.ask(signal);
      if ((answer as { status?: unknown } | undefined)?.status !== "pending") return await parts.finish(answer);
      failures = 0;
      pause = ROUND_MS - (Date.now() - asked);
    } catch (thrown) {
      if (signal.aborted) throw aborted();
      const error = asFluxbaseError(thrown);
      if (!isUnknown(error)) {
        if (error.code === "otp_expired") await sleep(SPENT_LAG_MS, signal);
        const found = await parts.meanwhile();
        if (found === undefined) throw error;
        return found;
      }
      const backOff = RETRY_AFTER_MS[Math.min(failures++, RETRY_AFTER_MS.length - 1)] ?? ROUND_MS;
      pause = error.retryAfter === undefined ? backOff : error.retryAfter * 1000;
    }
    const found = await parts.meanwhile();
    if (found !== undefined) return found;
    if (pause > 0) await sleep(pause, signal);
  }
}

/** Whether a failure says nothing about what was asked. */
export function isUnknown({ status, code }: FluxbaseError): boolean {
  return (status === 0 && code === "network_error") || status === 408 || status === 429 || status >= 500;
}

function aborted(): NetworkError {
  return new NetworkError("The wait was given up", "aborted");
}

/** Ends early when the signal says so. */
function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    signal.addEventListener("abort", end);
  });
}
