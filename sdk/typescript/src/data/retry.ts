/** Sends reads again while the server, or the way to it, is out of order for the moment. */

import type { Answer } from "../core/answer.js";
import { NetworkError } from "../core/errors.js";
import type { Call } from "../core/http.js";
import { LONGEST_PAUSE, patient, slept } from "../core/limited.js";
import { retryAfterSeconds } from "../core/problem.js";

/** Milliseconds before each further attempt. */
const PAUSES = [1_000, 2_000, 4_000];
/** Unavailable, and what proxies answer for a server that does not. */
const PASSING = new Set([503, 520]);

/** Sends `call` by `exchange`, up to four times. The last outcome counts. */
export async function persist(exchange: (call: Call) => Promise<Answer>, call: Call): Promise<Answer> {
  for (let attempt = 0; ; attempt++) {
    const outcome = await tried((next) => patient(exchange, next), numbered(call, attempt));
    const pause = attempt < PAUSES.length ? pauseAfter(outcome, PAUSES[attempt] ?? 0) : null;
    if (pause === null || call.signal?.aborted) return settled(outcome);
    await slept(pause, call.signal);
    if (call.signal?.aborted) throw new NetworkError("The request was aborted", "aborted");
  }
}

type Tried = { readonly answer: Answer } | { readonly thrown: unknown };

async function tried(exchange: (call: Call) => Promise<Answer>, call: Call): Promise<Tried> {
  try {
    return { answer: await exchange(call) };
  } catch (thrown) {
    return { thrown };
  }
}

function settled(outcome: Tried): Answer {
  if ("thrown" in outcome) throw outcome.thrown;
  return outcome.answer;
}

/** Null where another attempt would not help. */
function pauseAfter(outcome: Tried, pause: number): number | null {
  if ("thrown" in outcome) {
    return outcome.thrown instanceof NetworkError ? pause : null;
  }
  const { status, headers } = outcome.answer;
  if (!PASSING.has(status)) return null;
  const asked = (retryAfterSeconds(headers.get("retry-after"), Date.now()) ?? 0) * 1_000;
  return asked > LONGEST_PAUSE ? null : Math.max(asked, pause);
}

function numbered(call: Call, attempt: number): Call {
  return attempt === 0 ? call : { ...call, headers: { ...call.headers, "X-Retry-Count": String(attempt) } };
}
