/**
 * Where the session is kept, and how it survives a storage that does not work.
 *
 * {@link Vault} offers one operation, `transact`: read, decide, write. With a synchronous adapter (localStorage) the
 * three happen without giving way, so that two tabs cannot interleave; with an asynchronous adapter they are queued
 * within this client.
 */

import { errorName, type Logger } from "./logger.js";

type MaybePromise<T> = T | Promise<T>;

/** A key-value store of strings; each method may answer at once or by a promise. `localStorage` is one. */
export interface StorageAdapter {
  getItem(key: string): MaybePromise<string | null>;
  setItem(key: string, value: string): MaybePromise<void>;
  removeItem(key: string): MaybePromise<void>;
}

/** A store that lives as long as the process. */
export class MemoryStorage implements StorageAdapter {
  readonly #items = new Map<string, string>();
  getItem(key: string): string | null {
    return this.#items.get(key) ?? null;
  }
  setItem(key: string, value: string): void {
    this.#items.set(key, value);
  }
  removeItem(key: string): void {
    this.#items.delete(key);
  }
}

function failure(thrown: unknown): string {
  return `The session storage failed (${errorName(thrown)}); the session is kept in memory and ends with this page or process`;
}

/** `localStorage` in a browser, else undefined. Node's own experimental `localStorage` is not taken. */
export function browserStorage(logger: Logger): StorageAdapter | undefined {
  if (typeof document === "undefined") return undefined;
  try {
    return globalThis.localStorage ?? undefined;
  } catch (thrown) {
    logger.warn(failure(thrown)); // blocked by the browser's privacy settings
    return undefined;
  }
}

/** What to do with the stored value: a string replaces it, null removes it, undefined leaves it. */
export type Decision = string | null | undefined;

function isPromise<T>(value: MaybePromise<T>): value is Promise<T> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === "function";
}

/** One key of an adapter, with degradation to memory. */
export class Vault {
  #adapter: StorageAdapter;
  readonly #key: string;
  readonly #logger: Logger;
  #degraded = false;
  #proven = false;
  #writeOnly = false;
  #last: string | null = null;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(adapter: StorageAdapter, key: string, logger: Logger) {
    this.#adapter = adapter;
    this.#key = key;
    this.#logger = logger;
  }

  /** True once the adapter has failed and memory has taken its place. */
  get degraded(): boolean {
    return this.#degraded;
  }

  /**
   * Reads the value, lets `decide` choose, and writes what it chose. Never rejects: an adapter that throws is replaced
   * by memory, with one warning.
   */
  transact(decide: (raw: string | null) => Decision): Promise<void> {
    const turn = this.#queue.then(() => this.#attempt(decide));
    this.#queue = turn.catch(() => undefined);
    return turn;
  }

  async #attempt(decide: (raw: string | null) => Decision): Promise<void> {
    let raw: string | null;
    try {
      const read = this.#writeOnly ? this.#last : this.#adapter.getItem(this.#key);
      raw = (isPromise(read) ? await read : read) ?? null;
    } catch (thrown) {
      this.#degrade(thrown);
      raw = this.#last;
    }
    const decision = decide(raw);
    if (decision === undefined) {
      this.#last = raw;
      return;
    }
    this.#last = decision;
    try {
      const written = this.#write(decision);
      if (isPromise(written)) await written;
      if (decision !== null && !this.#proven) await this.#prove(raw, decision);
    } catch (thrown) {
      this.#degrade(thrown);
    }
  }

  /**
   * After the first write, sees whether the adapter gives back what it was given. Some do not (a no-op on a server,
   * cookies of an answer that is still being written): those are written to, but memory is read, or an empty read
   * would be taken for a sign-out in another tab.
   */
  async #prove(before: string | null, written: string): Promise<void> {
    const read = this.#adapter.getItem(this.#key);
    const found = (isPromise(read) ? await read : read) ?? null;
    this.#proven = true;
    if (found === written || (found !== null && found !== before)) return;
    this.#writeOnly = true;
    this.#logger.warn("The session storage does not give back what it was given; the session is read from memory");
  }

  // Not async all the way: with a synchronous adapter the write must happen before anything else can run.
  #write(value: string | null): MaybePromise<void> {
    if (value === null) return this.#adapter.removeItem(this.#key);
    try {
      return this.#adapter.setItem(this.#key, value);
    } catch {
      // A full store often has room once the old value is gone; a stale session must not stay behind in any case.
      this.#adapter.removeItem(this.#key);
      return this.#adapter.setItem(this.#key, value);
    }
  }

  #degrade(thrown: unknown): void {
    if (!this.#degraded) this.#logger.warn(failure(thrown));
    this.#degraded = true;
    this.#proven = true;
    this.#writeOnly = false;
    const memory = new MemoryStorage();
    if (this.#last !== null) memory.setItem(this.#key, this.#last);
    this.#adapter = memory;
  }
}
