/**
 * The waits of one client for mailed links. A page that has asked for a link waits by itself: whoever opens it, on
 * whatever device, signs this page in. Outside browsers nobody waits unasked: it would keep a process alive.
 */

import type { Desk } from "./desk.js";
import { ASK_TIMEOUT_MS, waitForFlow } from "./flow.js";
import type { SignInResult } from "./types.js";

interface Wait {
  readonly result: Promise<SignInResult>;
  abort(): void;
}

/** At most one wait for each flow, and one that nobody asked for. */
export class Waits {
  readonly #desk: Desk;
  readonly #unasked: boolean;
  readonly #running = new Map<string, Wait>();
  #latest: Wait | undefined;

  /** `unasked`: whether {@link Waits.expect} does anything. */
  constructor(desk: Desk, unasked: boolean) {
    this.#desk = desk;
    this.#unasked = unasked;
  }

  /** Waits, or joins the wait that is running. A signal that says stop ends it for all who wait. */
  async wait(flowId: string, signal?: AbortSignal): Promise<SignInResult> {
    const wait = this.#running.get(flowId) ?? this.#start(flowId);
    const { abort, result } = wait;
    if (signal?.aborted) abort();
    signal?.addEventListener("abort", abort);
    try {
      return await result;
    } finally {
      signal?.removeEventListener("abort", abort);
    }
  }

  /** Waits in the background, for the latest mail only. What it comes to is told by `SIGNED_IN`, or not at all. */
  expect(flowId: string | undefined): void {
    if (!this.#unasked || flowId === undefined) return;
    this.#latest?.abort();
    this.#latest = this.#start(flowId);
  }

  /** Ends all of them. */
  abort(): void {
    for (const wait of [...this.#running.values()]) wait.abort();
  }

  #start(flowId: string): Wait {
    const controller = new AbortController();
    const result = this.#run(flowId, controller.signal).finally(() => this.#running.delete(flowId));
    result.catch(() => undefined); // nobody may be listening
    const wait = { result, abort: () => controller.abort() };
    this.#running.set(flowId, wait);
    return wait;
  }

  async #run(flow_id: string, signal: AbortSignal): Promise<SignInResult> {
    const desk = this.#desk;
    await desk.state.ready();
    const before = desk.state.held?.session.id;
    const meanwhile = async () => {
      await desk.state.reconcile();
      const session = desk.state.held?.session;
      return session === undefined || session.id === before ? undefined : { user: session.user, session };
    };
    return waitForFlow<SignInResult>({
      ask: (signal) => desk.send("POST", "/flow", { flow_id }, { signal, timeoutMs: ASK_TIMEOUT_MS }),
      meanwhile,
      // Somebody who has signed in while the question was held is not replaced by its answer.
      finish: async (answer) => (await meanwhile()) ?? desk.enter(answer),
      signal,
    });
  }
}
