import { describe, expect, it } from "vitest";
import {
  endReason,
  expectHeard,
  freshEmail,
  greeted,
  heard,
  held,
  OFFLINE,
  PASSWORD,
  pass,
  REFUSED,
  server,
  signUp,
  useBrowser,
  visit,
} from "./support.js";

useBrowser();

describe("an operator ends all sessions", () => {
  it("and every tab hears that it was an operator", async () => {
    const person = (await visit()).allow(REFUSED);
    const [one, two] = [await person.tab(), await person.tab()];
    const { user } = await signUp(one, freshEmail(), PASSWORD);
    await expectHeard(two, "INITIAL_SESSION", "SIGNED_IN");
    const answer = await fetch(`${server.url}/api/v1/admin/users/${user.id}/sessions`, {
      method: "DELETE",
      headers: { Authorization: `Bearer ${server.serviceKey}` },
    });
    expect(answer.status).toBe(200);

    // Within a second every instance of the server knows it.
    const ask = () => one.evaluate(() => window.caught(window.client.auth.getCurrentUser()));
    await expect
      .poll(ask, { timeout: 2_000, interval: 50 })
      .toMatchObject({ kind: "AuthError", status: 401, code: "session_ended", reason: "admin" });
    for (const page of [one, two]) {
      await expectHeard(page, "INITIAL_SESSION", "SIGNED_IN", "SIGNED_OUT");
      expect(await endReason(page)).toBe("admin");
      expect(await held(page)).toBeNull();
    }
    expect(await one.evaluate(() => window.stored())).toBeNull();
  });
});

describe("the network goes away while a refresh is due", () => {
  it("and that says nothing about the session, which goes on by itself when it is back", async () => {
    const person = (await visit()).allow(OFFLINE);
    const page = await person.tab();
    const session = await signUp(page, freshEmail(), PASSWORD);
    await person.context.setOffline(true);
    await pass(page, session.expires_in - 30);
    const { id, refresh_token } = session;
    expect(await held(page)).toMatchObject({ id, refresh_token });
    const error = await page.evaluate(() => window.caught(window.client.auth.refreshSession()));
    expect(error).toMatchObject({ kind: "NetworkError", status: 0, code: "network_error" });
    await pass(page, 40); // the token itself has ended now
    expect(await held(page)).toMatchObject({ id, refresh_token });
    expect(await page.evaluate(() => window.stored())).toContain(refresh_token);
    expect(await heard(page)).toEqual(["INITIAL_SESSION", "SIGNED_IN"]);

    await person.context.setOffline(false);
    await expectHeard(page, "INITIAL_SESSION", "SIGNED_IN", "TOKEN_REFRESHED");
    expect((await page.evaluate(() => window.client.auth.getCurrentUser()))?.id).toBe(session.user.id);
    expect(person.complaints.length).toBeGreaterThan(0); // the browser's own notes: the network was really off
  });
});

describe("a localStorage", () => {
  const warnings = (complaints: readonly string[]) =>
    complaints.filter((text) => text.startsWith("warning: [fluxbase]"));

  it.each([
    [
      "that may not be touched",
      () =>
        Object.defineProperty(window, "localStorage", {
          get: () => {
            throw new DOMException("Access is denied for this document.", "SecurityError");
          },
        }),
    ],
    [
      "that may not be used",
      () => {
        const refuse = () => {
          throw new DOMException("The quota has been exceeded.", "QuotaExceededError");
        };
        for (const name of ["getItem", "setItem", "removeItem"] as const) Storage.prototype[name] = refuse;
      },
    ],
    [
      "that is full",
      () => {
        Storage.prototype.setItem = () => {
          throw new DOMException("The quota has been exceeded.", "QuotaExceededError");
        };
      },
    ],
  ])("%s is replaced by memory, with one warning", async (_, prepare) => {
    const person = (await visit()).allow(/^warning: \[fluxbase\] .*memory/);
    const page = await person.tab(prepare as () => void);
    const email = freshEmail();
    const session = await signUp(page, email, PASSWORD);
    expect((await page.evaluate(() => window.client.auth.refreshSession())).session.id).toBe(session.id);
    expect((await page.evaluate(() => window.client.auth.getCurrentUser()))?.email).toBe(email);
    await expectHeard(page, "INITIAL_SESSION", "SIGNED_IN", "TOKEN_REFRESHED");
    expect(warnings(person.complaints)).toHaveLength(1);
    await page.reload();
    await greeted(page);
    expect(await held(page)).toBeNull();
  });
});
