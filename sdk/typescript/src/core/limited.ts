/** Waits for a rate limit to make room. */

import type { Answer } from "./answer.js";
import { NetworkError } from "./errors.js";
import type { Call } from "./http.js";
import { retryAfterSeconds } from "./problem.js";

/** Milliseconds that a server may ask for with `Retry-After`; whoever asks for more is not asked again. */
export const LONGEST_PAUSE = 30_000;

/**
 * Sends a read by `exchange`, and once more when a rate limit has refused it and says when there is room again. Only
 * for reads: what a write does must not depend on how long somebody waited.
 */
export async function patient(exchange: (call: Call) => Promise<Answer>, call: Call): Promise<Answer> {
  const answer = await exchange(call);
  const asked = answer.status === 429 ? retryAfterSeconds(answer.headers.get("retry-after"), Date.now()) : undefined;
  if (asked === undefined || asked * 1_000 > LONGEST_PAUSE || call.signal?.aborted) return answer;
  await slept(asked * 1_000, call.signal);
  if (call.signal?.aborted) throw new NetworkError("The request was aborted", "aborted");
  return exchange(call);
}

/** Ends early when `signal` aborts. */
export function slept(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const wake = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", wake);
      resolve();
    };
    const timer = setTimeout(wake, milliseconds);
    signal?.addEventListener("abort", wake);
  });
}
