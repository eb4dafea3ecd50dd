import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import type { AuthEvent } from "../../src/index.js";
import {
  endReason,
  expectHeard,
  freshEmail,
  greeted,
  heard,
  held,
  PASSWORD,
  pass,
  server,
  signUp,
  sql,
  useBrowser,
  visit,
} from "./support.js";

useBrowser();

async function twoTabs(): Promise<[Page, Page]> {
  const person = await visit();
  return [await person.tab(), await person.tab()];
}

/** Runs `getSession` in all tabs at the same moment, as nearly as a clock allows. */
function atOnce(pages: readonly Page[]): Promise<(string | undefined)[]> {
  const moment = Date.now() + 150;
  return Promise.all(
    pages.map((page) =>
      page.evaluate(async (moment) => {
        const now = () => performance.timeOrigin + performance.now();
        await new Promise((resolve) => setTimeout(resolve, moment - now() - 20));
        while (now() < moment);
        return (await window.client.auth.getSession())?.refresh_token;
      }, moment),
    ),
  );
}

describe("two tabs", () => {
  it("learn of each other's sign-in, refresh, changes and sign-out", async () => {
    const [one, two] = await twoTabs();
    const { id } = await signUp(one, freshEmail(), PASSWORD);
    await expectHeard(two, "INITIAL_SESSION", "SIGNED_IN");
    const { session } = await one.evaluate(() => window.client.auth.refreshSession());
    await expectHeard(two, "INITIAL_SESSION", "SIGNED_IN", "TOKEN_REFRESHED");
    expect(await held(two)).toMatchObject({ id, access_token: session.access_token });
    await two.evaluate(() => window.client.auth.updateUser({ data: { name: "Ada" } }));
    await expectHeard(one, "INITIAL_SESSION", "SIGNED_IN", "TOKEN_REFRESHED", "USER_UPDATED");
    await two.evaluate(() => window.client.auth.signOut());
    for (const page of [one, two]) {
      await expectHeard(page, "INITIAL_SESSION", "SIGNED_IN", "TOKEN_REFRESHED", "USER_UPDATED", "SIGNED_OUT");
      expect(await endReason(page)).toBe("signed_out");
      expect(await held(page)).toBeNull();
    }
  });

  // Messages and storage are two ways into another tab, and nothing orders them; hence so often.
  it("miss nothing, however often something happens", async () => {
    const [one, two] = await twoTabs();
    const [email, password] = [freshEmail(), PASSWORD];
    await signUp(one, email, password);
    const story: AuthEvent[] = ["INITIAL_SESSION", "SIGNED_IN"];
    const both = async (event?: AuthEvent) => {
      if (event !== undefined) story.push(event);
      for (const page of [one, two]) await expectHeard(page, ...story);
    };
    await both();
    for (let round = 0; round < 40; round++) {
      const [acting, watching] = round % 2 === 0 ? [one, two] : [two, one];
      await acting.evaluate((round) => window.client.auth.updateUser({ data: { round } }), round);
      await both("USER_UPDATED");
      expect((await held(watching))?.user.user_metadata).toEqual({ round });
    }
    for (let round = 0; round < 6; round++) {
      const [acting, watching] = round % 2 === 0 ? [one, two] : [two, one];
      await acting.evaluate(() => window.client.auth.signOut());
      await both("SIGNED_OUT");
      expect(await endReason(watching)).toBe("signed_out");
      expect(await held(watching)).toBeNull();
      await acting.evaluate((credentials) => window.client.auth.signIn(credentials), { email, password });
      await both("SIGNED_IN");
      expect((await held(watching))?.id).toBe((await held(acting))?.id);
    }
  });

  it("refresh at the same moment: nobody is signed out, and one branch lives on", async () => {
    const [one, two] = await twoTabs();
    const requests: string[] = [];
    one.context().on("request", (request) => {
      if (request.url() === `${server.url}/api/v1/auth/refresh`) requests.push(request.postData() ?? "");
    });
    const first = await signUp(one, freshEmail(), PASSWORD);
    await expectHeard(two, "INITIAL_SESSION", "SIGNED_IN");
    const rounds = 10;
    const tokens = new Set([first.refresh_token]);
    let races = 0;
    for (let round = 0; round < rounds; round++) {
      for (const page of [one, two]) await pass(page, first.expires_in - 30);
      const before = requests.length;
      const [mine, theirs] = await atOnce([one, two]);
      expect(mine).toBe(theirs);
      tokens.add(mine ?? "");
      if (requests.length - before === 2) races += 1;
    }
    expect(races).toBeGreaterThan(0);
    expect(tokens.size).toBe(rounds + 1);
    const [row] = await sql<{ generation: string; ended_at: Date | null }>(
      "select generation, ended_at from auth.sessions where id = $1",
      [first.id],
    );
    expect(row).toEqual({ generation: String(rounds + 1), ended_at: null });

    for (const page of [one, two]) {
      const names = await heard(page);
      expect(names.slice(0, 2)).toEqual(["INITIAL_SESSION", "SIGNED_IN"]);
      expect(names.slice(2)).toEqual(Array.from({ length: rounds }, () => "TOKEN_REFRESHED"));
      expect((await page.evaluate(() => window.client.auth.getCurrentUser()))?.id).toBe(first.user.id);
    }
    await two.reload();
    await greeted(two);
    expect(tokens).toContain((await held(two))?.refresh_token);
  });

  it("of two people in two profiles know nothing of each other", async () => {
    const [mine, theirs] = [await (await visit()).tab(), await (await visit()).tab()];
    await signUp(mine, freshEmail(), PASSWORD);
    await mine.evaluate(() => window.client.auth.signOut());
    expect(await heard(theirs)).toEqual(["INITIAL_SESSION"]);
  });
});
