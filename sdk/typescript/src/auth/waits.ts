/**
 * The waits of one client for mailed links. A page that has asked for a link waits by itself: whoever opens it, on
 * whatever device, signs this page in. Outside browsers nobody waits unasked: it would keep a process alive.
 */

import type { FluxbaseError } from "../core/errors.js";
import type { AskedKind } from "./asked.js";
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

  /** `unasked`: whether the page waits unasked after {@link Waits.mailed}. */
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

  /**
   * A mail was asked for. Remembers it, and waits for its link in the background, for the latest mail only. What the
   * wait comes to is told by an event (`SIGNED_IN`, or `USER_UPDATED` for a guest who stays signed in), or not at all.
   */
  async mailed(kind: AskedKind, address: string, flowId: string | undefined): Promise<void> {
    if (flowId === undefined) return;
    this.#expect(flowId);
    await this.#desk.asked.remember(kind, address, flowId);
  }

  #expect(flowId: string): void {
    if (!this.#unasked) return;
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
    const before = desk.state.held?.session;
    const meanwhile = async () => {
      await desk.state.reconcile();
      const session = desk.state.held?.session;
      const same = session?.id === before?.id && session?.user.is_anonymous === before?.user.is_anonymous;
      return session === undefined || same ? undefined : { user: session.user, session };
    };
    return waitForFlow<SignInResult>({
      ask: (signal) => this.#ask(flow_id, signal),
      meanwhile,
      // Somebody who has signed in while the question was held is not replaced by its answer.
      finish: async (answer) => (await meanwhile()) ?? desk.enter(answer),
      signal,
    });
  }

  /** A guest asks as themself: the session goes on when they become permanent. Everybody else asks as nobody. */
  async #ask(flow_id: string, signal: AbortSignal): Promise<unknown> {
    const desk = this.#desk;
    const options = { signal, timeoutMs: ASK_TIMEOUT_MS };
    if (desk.state.held?.session.user.is_anonymous) {
      try {
        return await desk.sendAsCaller("POST", "/flow", { flow_id }, options);
      } catch (thrown) {
        const { code } = thrown as Partial<FluxbaseError>;
        if (code !== "session_ended" && code !== "session_missing") throw thrown;
      }
    }
    return desk.send("POST", "/flow", { flow_id }, options);
  }
}
