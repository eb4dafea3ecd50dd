/**
 * The dialect is spoken by two clients: the published `@supabase/postgrest-js`, which knows nothing of this server, and
 * the result face. Whatever one of them is tested with, the other is too.
 */

import { PostgrestClient } from "@supabase/postgrest-js";
import { afterAll, beforeAll, describe } from "vitest";
import { createClient, type Session } from "../../../src/index.js";
import { connect, server, signedUp, sql } from "../support.js";

// biome-ignore lint/suspicious/noExplicitAny: rows are whatever the server answers
export type Client = PostgrestClient<any, any, any>;

/** Who asks, and in which schema. */
interface Caller {
  readonly schema: string;
  /** null for nobody. */
  readonly session: Session | null;
}

async function published({ schema, session }: Caller): Promise<Client> {
  const headers: Record<string, string> = { apikey: server.clientKey };
  if (session !== null) headers["Authorization"] = `Bearer ${session.access_token}`;
  return new PostgrestClient(`${server.url}/rest/v1`, { headers, schema }) as unknown as Client;
}

const own: { dispose(): void }[] = [];

async function ours({ schema, session }: Caller): Promise<Client> {
  const client = createClient(server.url, server.clientKey);
  own.push(client);
  if (session !== null) await client.auth.setSession(session);
  const there = client.schema(schema);
  return Object.assign(there, { schema: (name: string) => client.schema(name) }) as unknown as Client;
}

/** What the tests of one client are given. */
export interface Speaker {
  /** As a signed-in person. */
  readonly db: Client;
  /** As nobody. */
  readonly anonymous: Client;
  /** As another person. */
  readonly stranger: Client;
}

/**
 * Describes `tests` for both clients, each signed in as people of its own, in `schema`, which `ddl` fills beforehand.
 * The schema is gone afterwards.
 */
export function speak(schema: string, ddl: string, tests: (speaker: Speaker) => void): void {
  beforeAll(() => makeSchema(schema, ddl));
  afterAll(async () => {
    for (const client of own.splice(0)) client.dispose();
    await sql(`drop schema if exists ${schema} cascade`);
  });
  describe.each([
    ["@supabase/postgrest-js", published],
    ["createClient()", ours],
  ])("%s", (_, make) => {
    const speaker: { -readonly [Key in keyof Speaker]: Speaker[Key] } = {} as Speaker;
    beforeAll(async () => {
      speaker.db = await make({ schema, session: (await signedUp()).session });
      speaker.stranger = await make({ schema, session: (await signedUp()).session });
      speaker.anonymous = await make({ schema, session: null });
    });
    tests(speaker);
  });
}

/** Makes a schema whose tables the API's roles may use, and waits until the server knows the one called `ready`. */
export async function makeSchema(schema: string, ddl: string): Promise<void> {
  const roles = "anonymous, authenticated, service_role";
  await sql(`
    drop schema if exists ${schema} cascade;
    create schema ${schema};
    set local search_path = ${schema}, public;
    ${ddl};
    create table ready (id int primary key);
    alter table ready enable row level security;
    grant usage on schema ${schema} to ${roles};
    grant all on all tables in schema ${schema} to ${roles};
    grant execute on all functions in schema ${schema} to ${roles}`);
  const admin = connect({ serviceKey: server.serviceKey }).schema(schema);
  const limit = Date.now() + 10_000;
  for (;;) {
    try {
      await admin.from("ready").select();
      return;
    } catch (error) {
      if ((error as { status?: number }).status !== 404 || Date.now() > limit) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

/** The ids of the rows that a query yields. Throws what went wrong. */
export async function ids(query: PromiseLike<{ data: unknown; error: unknown }>): Promise<number[]> {
  const { data, error } = await query;
  if (error !== null) throw error;
  return (data as { id: number }[]).map(({ id }) => id);
}

/** The data of a query. Throws what went wrong. */
export async function data(query: PromiseLike<{ data: unknown; error: unknown }>): Promise<unknown> {
  const outcome = await query;
  if (outcome.error !== null) throw outcome.error;
  return outcome.data;
}
