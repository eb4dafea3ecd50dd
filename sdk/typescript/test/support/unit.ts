/** Shared by the unit tests. */

import type { AuthChange, FluxbaseClientOptions, Logger, StorageAdapter } from "../../src/index.js";
import { FluxbaseClient } from "../../src/index.js";
import type { FakeServer } from "./fake-server.js";

export const CREDENTIALS = { email: "ada@example.com", password: "correct horse battery" };

/** A storage that several clients may share, as tabs share localStorage. */
export class SharedStorage implements StorageAdapter {
  readonly items = new Map<string, string>();
  getItem = (key: string) => this.items.get(key) ?? null;
  setItem = (key: string, value: string) => void this.items.set(key, value);
  removeItem = (key: string) => void this.items.delete(key);
}

/** A logger that keeps what it is told. */
export class Lines implements Logger {
  readonly lines: string[] = [];
  warn = (message: string) => void this.lines.push(`warn: ${message}`);
  error = (message: string) => void this.lines.push(`error: ${message}`);
}

const open = new Set<FluxbaseClient>();

export function client(server: FakeServer, options: Partial<FluxbaseClientOptions> = {}): FluxbaseClient {
  const made = new FluxbaseClient({ url: server.url, fetch: server.fetch, autoRefreshToken: false, ...options });
  open.add(made);
  return made;
}

export function disposeAll(): void {
  for (const made of open) made.dispose();
  open.clear();
}

/** Records every change; `names` reads as `["INITIAL_SESSION", "SIGNED_IN"]`. */
export function record(target: { auth: { onAuthStateChange(listener: (...change: AuthChange) => void): unknown } }) {
  const changes: AuthChange[] = [];
  target.auth.onAuthStateChange((...change) => void changes.push(change));
  return {
    changes,
    get names() {
      return changes.map(([event]) => event);
    },
    get reason() {
      return changes.find(([event]) => event === "SIGNED_OUT")?.[2].reason;
    },
  };
}

export async function caught(work: PromiseLike<unknown>): Promise<unknown> {
  try {
    await work;
  } catch (thrown) {
    return thrown;
  }
  throw new Error("expected a rejection");
}

/** Lets messages between tabs and other macrotasks happen. */
export const settle = (milliseconds = 20) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Lets everything that is ready to run do so; no clock is involved. */
export const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
