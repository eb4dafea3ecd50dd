import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createTable } from "../real/support.js";
import { chromiumPath } from "./chromium.js";
import {
  endReason,
  expectHeard,
  freshEmail,
  greeted,
  heard,
  held,
  PASSWORD,
  REFUSED,
  server,
  signUp,
  sql,
  useBrowser,
  visit,
} from "./support.js";

useBrowser();

describe("without a browser", () => {
  it("the run fails and says what to install", () => {
    expect(() => chromiumPath({ CHROMIUM_PATH: "/nowhere/chromium" })).toThrow("install the Debian package chromium");
  });
});

describe("a person in a page of another origin", () => {
  it("signs up, out and in again", async () => {
    const person = await visit();
    const page = await person.tab();
    const email = freshEmail();
    const answers: Record<string, string>[] = [];
    page.on("response", (answer) => {
      if (answer.url().startsWith(server.url)) answers.push(answer.headers());
    });

    const session = await signUp(page, email, PASSWORD);
    expect((await page.evaluate(() => window.client.auth.getCurrentUser()))?.email).toBe(email);
    expect((await held(page))?.id).toBe(session.id);
    await page.evaluate(() => window.client.auth.updateUser({ data: { city: "London" } }));
    await page.evaluate(() => window.client.auth.signOut());
    expect(await held(page)).toBeNull();
    expect(await endReason(page)).toBe("signed_out");
    expect(await page.evaluate(() => localStorage.length)).toBe(0);

    const again = await page.evaluate(
      async ([email, password]) => (await window.client.auth.signIn({ email, password })).session,
      [email, PASSWORD] as const,
    );
    expect(again?.user.user_metadata).toEqual({ city: "London" });
    expect(again?.id).not.toBe(session.id);
    await expectHeard(page, "INITIAL_SESSION", "SIGNED_IN", "USER_UPDATED", "SIGNED_OUT", "SIGNED_IN");

    expect(person.origin).not.toBe(new URL(server.url).origin);
    expect(answers.length).toBeGreaterThanOrEqual(5);
    for (const headers of answers) {
      expect(headers["access-control-allow-origin"]).toBe(person.origin);
      expect(headers["access-control-allow-credentials"]).toBeUndefined();
    }
    expect(await person.context.cookies()).toEqual([]);
  });

  it("is told what was wrong with a password, and which request it was", async () => {
    const person = (await visit()).allow(REFUSED);
    const page = await person.tab();
    const error = await page.evaluate(
      (email) => window.caught(window.client.auth.signIn({ email, password: "WrongPassword123" })),
      freshEmail(),
    );
    expect(error).toMatchObject({ kind: "AuthError", code: "invalid_credentials", requestId: expect.any(String) });
    expect(await heard(page)).toEqual(["INITIAL_SESSION"]);
  });

  it("stays signed in over a reload and in new tabs, without a refresh", async () => {
    const person = await visit();
    const page = await person.tab();
    const { id, refresh_token } = await signUp(page, freshEmail(), PASSWORD);
    const requests: string[] = [];
    person.context.on("request", (request) => {
      if (request.url().startsWith(server.url)) requests.push(request.url());
    });
    await page.reload();
    await greeted(page);
    for (const tab of [page, await person.tab()]) {
      const [greeting, ...others] = await tab.evaluate(() => window.changes);
      expect(greeting?.session).toMatchObject({ id, refresh_token });
      expect(others).toEqual([]);
    }
    expect(requests).toEqual([]);
    expect((await page.evaluate(() => window.client.auth.refreshSession())).session.id).toBe(id);
  });

  it("stays on a page that has the strictest policy", async () => {
    const person = (await visit()).allow(/Content Security Policy/, /^violates: connect-src$/);
    const page = await person.tab();
    await signUp(page, freshEmail(), PASSWORD);
    await page.evaluate(() => window.client.auth.refreshSession());
    expect(await page.evaluate(() => window.violations)).toEqual([]);
    // The policy is at work: not even the site's own files may be fetched by a script.
    expect(await page.evaluate(() => fetch("/app.js").catch((error: Error) => error.name))).toBe("TypeError");
    expect(await page.evaluate(() => window.violations)).toEqual(["connect-src"]);
  });
});

describe("from()", () => {
  const table = `sdk_pages_${randomUUID().slice(0, 8)}`;
  beforeAll(() =>
    createTable(
      table,
      `create table public.${table} (
         id bigint generated always as identity primary key,
         user_id uuid not null default (auth.uid()),
         title text not null
       );
       alter table public.${table} enable row level security;
       create policy own on public.${table} for all using ((select auth.uid()) = user_id) with check ((select auth.uid()) = user_id);
       grant select, insert, update, delete on public.${table} to anonymous, authenticated, service_role`,
    ),
  );
  afterAll(() => sql(`drop table if exists public.${table}`));

  it("writes and reads one's own rows, and nobody else's", async () => {
    const [mine, theirs] = [await (await visit()).tab(), await (await visit()).tab()];
    const titles: string[][] = [];
    for (const [page, title] of [
      [mine, "mine"],
      [theirs, "theirs"],
    ] as const) {
      await signUp(page, freshEmail(), PASSWORD);
      const rows = await page.evaluate(
        async ([table, title]) => {
          const rows = window.client.from(table);
          await rows.insert([{ title }, { title: "gone" }]);
          await rows.delete().eq("title", "gone");
          await rows.update({ title: `${title}, changed` }).eq("title", title);
          return (await rows.select("title")) as { title: string }[];
        },
        [table, title] as const,
      );
      titles.push(rows.map((row) => row.title));
    }
    expect(titles).toEqual([["mine, changed"], ["theirs, changed"]]);
    await mine.evaluate(() => window.client.auth.signOut());
    expect(await mine.evaluate(async (table) => await window.client.from(table).select(), table)).toEqual([]);
  });

  it("reports what the server refuses", async () => {
    const person = (await visit()).allow(REFUSED);
    const page = await person.tab();
    const error = await page.evaluate(() => window.caught(window.client.from("no_such_table").select()));
    expect(error).toMatchObject({ kind: "DataError", status: 404, requestId: expect.any(String) });
  });
});
