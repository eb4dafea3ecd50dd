/** Ways in that need more than one step, with the tabs of one person. The server is the fake one: it opens mail. */

import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { type Served, serve } from "../support/fake-http.js";
import type { Account, Mail } from "../support/fake-server.js";
import { FakeServer } from "../support/fake-server.js";
import {
  endReason,
  expectHeard,
  freshEmail,
  greeted,
  heard,
  held,
  PASSWORD,
  REFUSED,
  signUp,
  useBrowser,
  visit,
} from "./support.js";

const fake = new FakeServer();
let served: Served;
useBrowser(async () => {
  served = await serve(fake);
  return { url: served.url, clientKey: "fb_client_abc" };
});
afterAll(() => served.close());
let email: string;
beforeEach(() => {
  email = freshEmail();
});

/** The fragment with which the server's page sends the browser back. */
const fragment = ({ token }: Mail, type: string) => `#type=${type}&token=${token}`;

describe("a mailed link that comes back to the page", () => {
  it.each(["magiclink", "signup"] as const)(
    "signs all tabs in (%s) and leaves no trace in the address",
    async (type) => {
      const person = await visit();
      const first = await person.tab();
      const mail = fake.mail.send(email, type);
      const before = fake.seen.length;
      const opened = await person.tab(undefined, fragment(mail, type));
      await expectHeard(opened, "INITIAL_SESSION", "SIGNED_IN");
      await expectHeard(first, "INITIAL_SESSION", "SIGNED_IN");
      const greeting = await opened.evaluate(() => window.changes[0]);
      expect(greeting?.session?.user.email).toBe(email);
      expect((await held(first))?.refresh_token).toBe((await held(opened))?.refresh_token);
      expect(new URL(opened.url()).hash).toBe("");
      expect(new URL(opened.url()).search).toContain("key=");
      expect(fake.seen.slice(before)).toHaveLength(1);

      await opened.reload();
      await greeted(opened);
      expect((await held(opened))?.user.email).toBe(email);
      expect(fake.seen.slice(before)).toHaveLength(1);
    },
  );

  it("that is spent signs nobody out, and the page can say why", async () => {
    const person = (await visit()).allow(REFUSED, /^warning: \[fluxbase\] .*otp_expired/);
    const first = await person.tab();
    const { id } = await signUp(first, email, PASSWORD);
    const mail = fake.mail.send(email, "magiclink");
    mail.used = true;
    const opened = await person.tab(undefined, fragment(mail, "magiclink"));
    const error = await opened.evaluate(() => window.caught(window.client.auth.initialize()));
    expect(error).toMatchObject({ kind: "AuthError", status: 403, code: "otp_expired" });
    expect((await held(opened))?.id).toBe(id);
    expect(opened.url()).not.toContain(mail.token);
    expect(await heard(first)).toEqual(["INITIAL_SESSION", "SIGNED_IN"]);
  });

  it("is told from an address of the application's own router", async () => {
    const person = await visit();
    for (const hash of ["#/inbox?type=magiclink&token=abc", "#type=magiclink&token=abc&page=2", "#top"]) {
      const page = await person.tab(undefined, hash);
      expect(await held(page)).toBeNull();
      expect(page.url().endsWith(hash)).toBe(true);
    }
  });

  it("asks for a new password in its own tab, and then signs all in", async () => {
    const person = await visit();
    fake.add({ email, password: PASSWORD });
    const first = await person.tab();
    const mail = fake.mail.send(email, "recovery");
    const opened = await person.tab(undefined, fragment(mail, "recovery"));
    await expectHeard(opened, "INITIAL_SESSION", "PASSWORD_RECOVERY");
    expect(opened.url()).not.toContain(mail.token);
    expect(await opened.evaluate(() => JSON.stringify(localStorage) + JSON.stringify(sessionStorage))).toBe("{}{}");
    await opened.evaluate(() => window.client.auth.confirmPasswordReset({ password: "NewSecurePassword123" }));
    await expectHeard(opened, "INITIAL_SESSION", "PASSWORD_RECOVERY", "SIGNED_IN");
    await expectHeard(first, "INITIAL_SESSION", "SIGNED_IN");
    expect(fake.account(email)?.password).toBe("NewSecurePassword123");
  });
});

describe("a page that waits for a link to be opened elsewhere", () => {
  it("is signed in with its other tabs, over a network that was away meanwhile", async () => {
    const person = (await visit()).allow(/^error: Failed to load resource: net::ERR_(EMPTY_RESPONSE|CONNECTION_RESET)/);
    const [one, two] = [await person.tab(), await person.tab()];
    const waiting = one.evaluate(async (email) => {
      const { flow_id } = await window.client.auth.sendMagicLink({ email });
      return (await window.client.auth.waitForSignIn(flow_id)).user?.email;
    }, email);
    const questions = () => fake.requests("/flow").length;
    const before = questions();
    await expect.poll(questions, { interval: 20 }).toBe(before + 1);
    const failed = one.waitForEvent("requestfailed");
    fake.script = () => new TypeError("the line is down");
    served.cut(); // Chromium tries once more by itself; that fails too
    await failed;
    fake.script = () => undefined;
    fake.mail.open(fake.mail.last(email));
    expect(await waiting).toBe(email);
    for (const page of [one, two]) await expectHeard(page, "INITIAL_SESSION", "SIGNED_IN");
    expect((await held(two))?.id).toBe((await held(one))?.id);
  });

  it("need not even say so", async () => {
    const person = await visit();
    const [one, two] = [await person.tab(), await person.tab()];
    await one.evaluate((email) => window.client.auth.sendMagicLink({ email }), email);
    fake.mail.open(fake.mail.last(email));
    for (const page of [one, two]) await expectHeard(page, "INITIAL_SESSION", "SIGNED_IN");
    expect((await held(two))?.user.email).toBe(email);
  });

  it("may give up", async () => {
    const page = await (await visit()).tab();
    const error = await page.evaluate(async (email) => {
      const { flow_id } = await window.client.auth.sendMagicLink({ email });
      const controller = new AbortController();
      const waiting = window.caught(window.client.auth.waitForSignIn(flow_id, { signal: controller.signal }));
      setTimeout(() => controller.abort(), 50);
      return waiting;
    }, email);
    expect(error).toMatchObject({ kind: "NetworkError", code: "aborted" });
    expect(await heard(page)).toEqual(["INITIAL_SESSION"]);
  });
});

describe("two tabs and a second factor", () => {
  /** Somebody with an authenticator. */
  const protectedAccount = (): Account =>
    fake.add({ email, password: PASSWORD, factors: [{ id: "factor", name: null, verified: true }] });

  it("are both signed in by the second step, and neither by the first", async () => {
    protectedAccount();
    const person = await visit();
    const [one, two] = [await person.tab(), await person.tab()];
    const credentials = { email, password: PASSWORD };
    const first = await one.evaluate((credentials) => window.client.auth.signIn(credentials), credentials);
    expect(first).toMatchObject({ requires_2fa: true, session: null });
    expect([await held(one), await held(two)]).toEqual([null, null]);
    expect(await one.evaluate(() => JSON.stringify(localStorage))).toBe("{}");
    fake.mfa.totp = "111111";
    await one.evaluate(() => window.client.auth.verify2FACode({ code: "111111" }));
    await expectHeard(one, "INITIAL_SESSION", "SIGNED_IN", "MFA_CHALLENGE_VERIFIED");
    await expectHeard(two, "INITIAL_SESSION", "SIGNED_IN");
    expect((await held(two))?.id).toBe((await held(one))?.id);
  });

  it("stay, while another device is signed out and told why", async () => {
    const person = await visit();
    const [one, two] = [await person.tab(), await person.tab()];
    await signUp(one, email, PASSWORD);
    const device = (await visit()).allow(REFUSED);
    const away = [await device.tab(), await device.tab()];
    const credentials = { email, password: PASSWORD };
    await away[0]?.evaluate((credentials) => window.client.auth.signIn(credentials), credentials);
    for (const page of away) await expectHeard(page, "INITIAL_SESSION", "SIGNED_IN");
    fake.mfa.totp = "222222";
    await one.evaluate(async () => {
      await window.client.auth.enable2FA();
      await window.client.auth.verify2FA({ code: "222222" });
    });
    await expectHeard(two, "INITIAL_SESSION", "SIGNED_IN", "USER_UPDATED");
    expect((await held(two))?.user.mfa_enabled).toBe(true);
    await away[1]?.evaluate(() => window.caught(window.client.auth.getCurrentUser()));
    for (const page of away) {
      await expectHeard(page, "INITIAL_SESSION", "SIGNED_IN", "SIGNED_OUT");
      expect(await endReason(page)).toBe("factor_changed");
    }
    expect((await two.evaluate(() => window.client.auth.getCurrentUser()))?.email).toBe(email);
  });
});

describe("two tabs and an account", () => {
  it("that becomes permanent: both hold the same tokens, which go on", async () => {
    const person = await visit();
    const [one, two] = [await person.tab(), await person.tab()];
    const before = await one.evaluate(() => window.client.auth.signInAnonymously());
    await expectHeard(two, "INITIAL_SESSION", "SIGNED_IN");
    const credentials = { email, password: PASSWORD };
    await one.evaluate((credentials) => window.client.auth.convertAnonymousUser(credentials), credentials);
    await expect.poll(() => held(two)).toEqual(await held(one));
    expect((await held(two))?.user.email).toBe(email);
    expect((await held(two))?.id).toBe(before.session.id);
    expect((await two.evaluate(() => window.client.auth.refreshSession())).user.id).toBe(before.user.id);
    await expect.poll(async () => (await held(one))?.refresh_token).toBe((await held(two))?.refresh_token);
    for (const page of [one, two]) expect(await heard(page)).not.toContain("SIGNED_OUT");
  });

  it("that is deleted: both are signed out and know it", async () => {
    const person = await visit();
    const [one, two] = [await person.tab(), await person.tab()];
    await signUp(one, email, PASSWORD);
    await expectHeard(two, "INITIAL_SESSION", "SIGNED_IN");
    await two.evaluate((password) => window.client.auth.deleteUser({ password }), PASSWORD);
    for (const page of [one, two]) {
      await expectHeard(page, "INITIAL_SESSION", "SIGNED_IN", "SIGNED_OUT");
      expect(await endReason(page)).toBe("user_deleted");
      expect(await held(page)).toBeNull();
    }
  });
});
