/**
 * Tells the other tabs that the stored session has changed. A message says *that* something changed, never what: each
 * tab reads its own storage. Two clients that only happen to share a process therefore learn nothing about each other.
 */

/** What travels between tabs. */
export interface TabMessage {
  readonly v: 1;
  /** The client that sent it, so that it can ignore itself. */
  readonly from: string;
  /** Why the session ended, when it did. */
  readonly reason?: string;
}

/** The tabs that share a storage. Without BroadcastChannel it is silent. */
export class Tabs {
  #channel: BroadcastChannel | undefined;
  readonly #id = Math.random().toString(36).slice(2);

  /** `name` null: do not take part (the storage is private to this client). */
  constructor(name: string | null, onChange: (message: TabMessage) => void) {
    if (name === null || typeof globalThis.BroadcastChannel !== "function") return;
    try {
      const channel = new BroadcastChannel(name);
      channel.onmessage = (event: MessageEvent) => {
        const message = event.data as Partial<TabMessage> | null;
        if (message?.v !== 1 || message.from === this.#id) return;
        onChange(message as TabMessage);
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
    try {
      this.#channel?.postMessage({ v: 1, from: this.#id, ...(reason === undefined ? {} : { reason }) });
    } catch {
      // A channel that is closing; the others find out when they next read the storage.
    }
  }

  close(): void {
    this.#channel?.close();
    this.#channel = undefined;
  }
}
