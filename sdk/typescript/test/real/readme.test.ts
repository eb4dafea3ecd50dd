/** Runs every TypeScript example of the README, in order, each seeing what the ones before it declared. */

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Authenticator } from "../support/totp.js";
import { declaredNames, runText } from "./samples/harness.js";
import { createTable, disposeAll, freshEmail, type Mail, mailTo, server } from "./support.js";

const text = readFileSync(resolve(import.meta.dirname, "../../README.md"), "utf8");
const blocks = [...text.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map((match) => match[1] ?? "");
const scope: Record<string, unknown> = {};
const lines: unknown[][] = [];
const email = freshEmail();

/** What a reader takes from elsewhere while they follow the text. */
let read: Mail | undefined;
const authenticators = new Map<unknown, Authenticator>();
const elsewhere: Record<string, () => Promise<string>> = {
  "code-from-the-mail": async () => {
    read = await mailTo(email, read);
    return read.code;
  },
  "code-from-the-app": () => {
    const secret = scope["secret"];
    const known = authenticators.get(secret) ?? new Authenticator(String(secret));
    authenticators.set(secret, known);
    return known.next();
  },
};

beforeAll(() =>
  createTable(
    "todos",
    `create table if not exists public.todos (
       id bigint generated always as identity primary key,
       user_id uuid not null default (auth.uid()),
       title text not null,
       done boolean not null default false
     );
     alter table public.todos enable row level security;
     drop policy if exists own on public.todos;
     create policy own on public.todos for all using ((select auth.uid()) = user_id) with check ((select auth.uid()) = user_id);
     create table if not exists public.notes (
       id bigint generated always as identity primary key,
       todo_id bigint not null references public.todos on delete cascade,
       body text not null
     );
     alter table public.notes enable row level security;
     drop policy if exists own on public.notes;
     create policy own on public.notes for all using (exists (select from public.todos where id = todo_id));
     create or replace function public.rename_todo(todo bigint, title text) returns setof public.todos language sql
       as $$ update public.todos set title = rename_todo.title where id = todo returning * $$;
     grant select, insert, update, delete on public.todos, public.notes to anonymous, authenticated, service_role`,
  ),
);
afterAll(() => {
  for (const value of Object.values(scope)) (value as { dispose?: () => void } | null)?.dispose?.();
  disposeAll();
});

it("has examples, and they run", async () => {
  expect(blocks.length).toBeGreaterThanOrEqual(18);
  const placeholders = {
    "http://localhost:8080": server.url,
    "your-client-key": server.clientKey,
    "user@example.com": email,
    "guest@example.com": freshEmail(),
    "newemail@example.com": freshEmail(),
  };
  process.env["FLUXBASE_SERVICE_KEY"] ??= server.serviceKey;
  const console = { log: (...line: unknown[]) => lines.push(line) };
  for (const block of blocks) {
    const declared = declaredNames(block);
    const bound = Object.fromEntries(
      Object.entries({ ...scope, console }).filter(([name]) => !declared.includes(name)),
    );
    const found: Record<string, string> = {};
    for (const [word, find] of Object.entries(elsewhere)) if (block.includes(word)) found[word] = await find();
    Object.assign(scope, await runText(block, { ...placeholders, ...found }, bound, declared));
  }
});

it("leave behind what the text promises", () => {
  expect(scope["todos"]).toEqual([expect.objectContaining({ title: "Read the README" })]);
  expect(scope["error"]).toBeNull();
  expect(scope["rows"]).toEqual([expect.objectContaining({ title: "Read the README" })]);
  expect([scope["count"], scope["status"]]).toEqual([1, 200]);
  expect(scope["made"]).toMatchObject({ title: "Water the plants", done: false });
  expect(scope["open"]).toEqual([expect.objectContaining({ title: "Read the README" })]);
  expect(scope["nobody"]).toBeNull();
  expect(scope["noted"]).toEqual([{ title: "Write it down", notes: [{ body: "in ink" }, { body: "on paper" }] }]);
  expect(scope["inInk"]).toEqual({ body: "in ink", title: "Write it down" });
  expect(scope["openOnes"]).toBe(2);
  expect(scope["renamed"]).toMatchObject({ title: "Written down" });
  expect(scope["titles"]).toEqual([]);
  expect((scope["everything"] as unknown[]).length).toBeGreaterThanOrEqual(1);
  expect(scope["nothing"]).toBeNull();
  expect(scope["mailed"]).toMatchObject({ token_type: "bearer" });
  expect(scope["converted"]).toMatchObject({ id: (scope["guestUser"] as { id: string }).id });
  expect((scope["recovery_codes"] as unknown[]).length).toBeGreaterThan(0);
  expect(scope["qr_code"]).toMatch(/^data:image\/png;base64,/);
  expect(scope["requires_2fa"]).toBe(true);
  expect((scope["settings"] as { password: object }).password).toHaveProperty("min_length");
  expect(lines.map(([first]) => first)).toContainEqual(expect.stringMatching(/@example\.com$/));
  expect(lines).toContainEqual([expect.any(Number), "invalid_credentials", expect.any(String)]);
});
