/**
 * What this browser has asked to be mailed: for each address the flow of the latest mail. A code is sent together with
 * the flow of the page that it is typed on, so that it is good for nothing that somebody else has asked for; and a link
 * that opens a page can be told from one that nobody here has asked for.
 *
 * Stored beside the session, for ten minutes: the page may be loaded anew while the mail is under way.
 */

import type { Vault } from "../core/storage.js";

/** How long the storage remembers, in milliseconds. The client that has asked remembers until it asks again. */
export const REMEMBER_MS = 600_000;
/** How many mails are remembered at most. */
const MOST = 10;

/** What a mail was asked for: the two are redeemed by different calls. */
export type AskedKind = "magiclink" | "signup";

interface Asked {
  readonly kind: AskedKind;
  readonly email: string;
  readonly flow_id: string;
  /** Local clock, milliseconds since the epoch. */
  readonly at: number;
}

/** One per client; those that share a storage share what it holds. */
export class AskedMails {
  readonly #vault: Pick<Vault, "transact">;
  readonly #now: () => number;
  readonly #own = new Map<string, Asked>();

  constructor(vault: Pick<Vault, "transact">, now: () => number) {
    this.#vault = vault;
    this.#now = now;
  }

  /** Notes the latest mail to an address. */
  async remember(kind: AskedKind, address: string, flow_id: string): Promise<void> {
    const made: Asked = { kind, email: normal(address), flow_id, at: this.#now() };
    this.#own.set(name(made), made);
    await this.#change((all) => [...all.filter((one) => name(one) !== name(made)), made].slice(-MOST));
  }

  /** The flow of the latest mail that this client, or else this browser, has asked for. */
  async flow(kind: AskedKind, address: string): Promise<string | undefined> {
    const wanted = name({ kind, email: normal(address) });
    return (this.#own.get(wanted) ?? (await this.#stored()).find((one) => name(one) === wanted))?.flow_id;
  }

  /** Whether this browser has asked for a mail to an address of late, of whatever kind. */
  async has(address: string): Promise<boolean> {
    const email = normal(address);
    return (await this.#stored()).some((one) => one.email === email);
  }

  /** Forgets a flow that is spent. */
  async forget(flow_id: string): Promise<void> {
    for (const [key, one] of this.#own) if (one.flow_id === flow_id) this.#own.delete(key);
    await this.#change((all) => all.filter((one) => one.flow_id !== flow_id));
  }

  /** Forgets all of them. */
  async clear(): Promise<void> {
    this.#own.clear();
    await this.#change(() => []);
  }

  async #stored(): Promise<readonly Asked[]> {
    let found: readonly Asked[] = [];
    await this.#change((all) => {
      found = all;
      return all;
    });
    return found;
  }

  /** What is too old, or no longer to be read, goes in passing. */
  #change(change: (all: readonly Asked[]) => readonly Asked[]): Promise<void> {
    return this.#vault.transact((raw) => {
      const left = change(decode(raw).filter(({ at }) => Math.abs(this.#now() - at) < REMEMBER_MS));
      const next = left.length === 0 ? null : JSON.stringify({ v: 1, asked: left });
      return next === raw ? undefined : next;
    });
  }
}

function decode(raw: string | null): readonly Asked[] {
  try {
    const { v, asked } = JSON.parse(raw ?? "null") as { v?: unknown; asked?: unknown };
    return v === 1 && Array.isArray(asked) ? asked.filter(isAsked) : [];
  } catch {
    return [];
  }
}

function isAsked(value: Partial<Asked> | null): value is Asked {
  return (
    typeof value?.kind === "string" &&
    typeof value.email === "string" &&
    typeof value.flow_id === "string" &&
    typeof value.at === "number"
  );
}

function name({ kind, email }: Pick<Asked, "kind" | "email">): string {
  return `${kind} ${email}`;
}

/** As the server compares addresses, near enough. */
function normal(address: string): string {
  return address.trim().toLowerCase();
}
