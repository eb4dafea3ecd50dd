/**
 * Tells the other tabs that the stored session has changed. A message says *that* something changed, never what: each
 * tab reads its own storage. Two clients that only happen to share a process therefore learn nothing about each other.
 *
 * Browsers carry messages and localStorage between processes on two ways that nothing orders: a tab may hear of a
 * change before it can read it. It therefore looks again at the `storage` event, which comes once it can.
 */

/** What travels between tabs. */
export interface TabMessage {
  readonly v: 1;
  /** The client that sent it, so that it can ignore itself. */
  readonly from: string;
  /** Why the session ended, when it did. */
  readonly reason?: string;
}

/** How long a `storage` event waits for the message that knows the reason, in milliseconds. */
export const MESSAGE_LAG_MS = 50;

/** The tabs that share a storage. Without BroadcastChannel it is silent, and hears of `localStorage` only. */
export class Tabs {
  readonly #name: string | null;
  readonly #onChange: (reason: string | undefined) => void;
  readonly #id = Math.random().toString(36).slice(2);
  #channel: BroadcastChannel | undefined;
  #reason: string | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * `name` is the key in the storage; null: do not take part (the storage is private to this client).
   * `onChange` is called with the reason if a session has ended and somebody said why, at times more than once.
   */
  constructor(name: string | null, onChange: (reason: string | undefined) => void) {
    this.#name = name;
    this.#onChange = onChange;
    if (name === null) return;
    if (typeof window !== "undefined") window.addEventListener?.("storage", this.#onStorage);
    if (typeof globalThis.BroadcastChannel !== "function") return;
    try {
      const channel = new BroadcastChannel(name);
      channel.onmessage = (event: MessageEvent) => {
        const message = event.data as Partial<TabMessage> | null;
        if (message?.v !== 1 || message.from === this.#id) return;
        this.#reason = message.reason;
        onChange(message.reason);
      };
      // In Node a channel would keep the process alive.
      (channel as { unref?: () => void }).unref?.();
      this.#channel = channel;
    } catch {
      // Opaque origins may not open channels.
    }
  }

  /** Says that the storage has changed. */
  announce(reason?: string): void {
    this.#reason = undefined; // what another tab said was about a session before this one
    try {
      this.#channel?.postMessage({ v: 1, from: this.#id, ...(reason === undefined ? {} : { reason }) });
    } catch {
      // A channel that is closing; the others find out when they next read the storage.
    }
  }

  close(): void {
    clearTimeout(this.#timer);
    if (typeof window !== "undefined") window.removeEventListener?.("storage", this.#onStorage);
    this.#channel?.close();
    this.#channel = undefined;
  }

  /** Fired by the browser for other tabs' writes; the key is null when everything was cleared. */
  readonly #onStorage = ({ key }: StorageEvent) => {
    if (key !== this.#name && key !== null) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#onChange(this.#reason), MESSAGE_LAG_MS);
  };
}
