/** Looks now and then whether the session needs a refresh, and when the page comes back to life. */

/** How often it looks. */
export const TICK_MS = 30_000;

/** A timer that does not keep a Node process alive, plus the browser's wake-up events. */
export class Ticker {
  readonly #tick: () => void;
  readonly #wake: () => void;
  #timer: ReturnType<typeof setInterval> | undefined;

  /** `tick` is called at intervals; `wake` before it when the page was hidden or offline. Neither may throw. */
  constructor(tick: () => void, wake: () => void) {
    this.#tick = tick;
    this.#wake = wake;
  }

  /** Starts, and looks at once. Starting twice is starting once. */
  start(): void {
    if (this.#timer !== undefined) return;
    this.#timer = setInterval(this.#tick, TICK_MS);
    (this.#timer as { unref?: () => void }).unref?.();
    if (typeof document !== "undefined") document.addEventListener("visibilitychange", this.#onVisible);
    if (typeof window !== "undefined") window.addEventListener?.("online", this.#onOnline);
    this.#tick();
  }

  stop(): void {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    if (typeof document !== "undefined") document.removeEventListener("visibilitychange", this.#onVisible);
    if (typeof window !== "undefined") window.removeEventListener?.("online", this.#onOnline);
  }

  readonly #onVisible = () => {
    if (document.visibilityState === "visible") this.#onOnline();
  };

  readonly #onOnline = () => {
    this.#wake();
    this.#tick();
  };
}
