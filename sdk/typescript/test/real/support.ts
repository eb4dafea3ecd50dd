/** Shared by the tests against the real server. */

import { randomUUID } from "node:crypto";
import pg from "pg";
import { inject } from "vitest";
import { FluxbaseClient, type FluxbaseClientOptions, type Session, type User } from "../../src/index.js";

export const server = inject("fluxbase");
export const PASSWORD = "SecurePassword123";

/** An address nobody has used yet. */
export const freshEmail = () => `sdk-${randomUUID()}@example.com`;

const open = new Set<FluxbaseClient>();

export function connect(options: Partial<FluxbaseClientOptions> = {}): FluxbaseClient {
  const client = new FluxbaseClient({ url: server.url, clientKey: server.clientKey, ...options });
  open.add(client);
  return client;
}

export function disposeAll(): void {
  for (const client of open) client.dispose();
  open.clear();
}

/** A new account, signed in on a new client. */
export async function signedUp(options: Partial<FluxbaseClientOptions> = {}) {
  const client = connect(options);
  const email = freshEmail();
  const { user, session } = await client.auth.signUp({ email, password: PASSWORD });
  if (user === null || session === null) throw new Error("the server under test must not ask for confirmation");
  return { client, email, user: user as User, session: session as Session };
}

/** Runs statements as the database's owner. */
export async function sql<Row extends object = object>(text: string, values: unknown[] = []): Promise<Row[]> {
  const connection = new pg.Client({ connectionString: server.databaseUrl });
  await connection.connect();
  try {
    const { rows } = (await connection.query(text, values)) as unknown as { rows: Row[] };
    return rows;
  } finally {
    await connection.end();
  }
}

/** What a mail holds: the token of its link, and the code. */
export interface Mail {
  readonly id: string;
  readonly link: string;
  readonly token: string;
  readonly code: string;
}

/** The newest mail with a link to an address, once there is one other than `before`: mail leaves through a queue. */
export async function mailTo(address: string, before?: Mail): Promise<Mail> {
  const limit = Date.now() + 10_000;
  for (;;) {
    const answer = await fetch(`${server.url}/dev/mail/messages?to=${encodeURIComponent(address)}`);
    if (!answer.ok) throw new Error(`the mailbox of the server under test answered ${answer.status}`);
    const { items } = (await answer.json()) as { items: { id: string; text: string }[] };
    const [newest] = items.map(read).filter(({ link }) => link !== ""); // others only tell of something
    if (newest !== undefined && newest.id !== before?.id) return newest;
    if (Date.now() > limit) throw new Error("no mail within ten seconds");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function read({ id, text }: { id: string; text: string }): Mail {
  const [link = "", token = ""] = /https?:\/\/\S+\/verify\?token=([^\s&"'<>]+)/.exec(text) ?? [];
  const [code = ""] = /\b\d{6}\b/.exec(text.replaceAll(link, "")) ?? [];
  return { id, link, token: decodeURIComponent(token), code };
}

/** Makes a table by `ddl` and waits until the server knows it. */
export async function createTable(name: string, ddl: string): Promise<void> {
  await sql(ddl);
  const admin = connect({ serviceKey: server.serviceKey });
  for (let attempt = 0; ; attempt++) {
    try {
      await admin.from(name).select().limit(1);
      return;
    } catch (error) {
      if ((error as { status?: number }).status !== 404 || attempt > 50) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

/**
 * What `work` is rejected with once the server knows that a session has ended: the news may take it a second. Throws
 * when it is still accepted after that.
 */
export async function refusal(work: () => PromiseLike<unknown>): Promise<unknown> {
  const limit = Date.now() + 1_000;
  for (;;) {
    try {
      await work();
    } catch (thrown) {
      return thrown;
    }
    if (Date.now() > limit) throw new Error("still accepted after a second");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** A storage that several clients share, as tabs share localStorage. */
export class SharedStorage {
  readonly items = new Map<string, string>();
  getItem = (key: string) => this.items.get(key) ?? null;
  setItem = (key: string, value: string) => void this.items.set(key, value);
  removeItem = (key: string) => void this.items.delete(key);

  /** Makes the stored session look this many seconds older. */
  age(seconds: number): void {
    for (const [key, value] of this.items) {
      const held = JSON.parse(value) as { obtained_at: number };
      this.items.set(key, JSON.stringify({ ...held, obtained_at: held.obtained_at - seconds * 1000 }));
    }
  }
}
