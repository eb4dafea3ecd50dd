/** The samples of the authentication page that need mail, a second factor, or fresh credentials. */

import { afterEach, describe, expect, it } from "vitest";
import type { FluxbaseClient, Session, User } from "../../../src/index.js";
import { Authenticator } from "../../support/totp.js";
import { record } from "../../support/unit.js";
import { connect, disposeAll, freshEmail, mailTo, PASSWORD, refusal, server } from "../support.js";
import { runSample } from "./harness.js";

const made: { dispose(): void }[] = [];
afterEach(() => {
  for (const client of made.splice(0)) client.dispose();
  disposeAll();
});

const page = (name: string) => `authentication/${name}.ts`;
const words = (email: string, more: Record<string, string> = {}) => ({
  "http://localhost:8080": server.url,
  "user@example.com": email,
  ...more,
});

async function pageClient(): Promise<FluxbaseClient> {
  const { client } = await runSample(page("01-client"), words(""), {}, ["client"]);
  made.push(client as FluxbaseClient);
  return client as FluxbaseClient;
}

/** The page's client, with an account that it is signed in to. */
async function account(password = PASSWORD) {
  const client = await pageClient();
  const email = freshEmail();
  await client.auth.signUp({ email, password });
  return { client, email };
}

describe("the authentication page", () => {
  it("resets a password by mail, which ends the sessions there were", async () => {
    const { client: other, email } = await account();
    await other.auth.resetPassword({ email }); // proves the address, which is a change of its own
    const proven = await mailTo(email);
    await other.auth.confirmPasswordReset({ token: proven.token, password: PASSWORD });
    const ended = record(other);
    const client = await pageClient();
    await runSample(page("13-request-password-reset"), words(email), { client });
    const { token } = await mailTo(email, proven);
    const text = words(email, { "reset-token-from-email": token });
    await runSample(page("14-confirm-password-reset"), text, { client });
    expect((await client.auth.getCurrentUser())?.email).toBe(email);
    expect(await refusal(() => other.auth.getCurrentUser())).toMatchObject({ code: "session_ended" });
    expect(ended.reason).toBe("password_changed");
    const password = "NewSecurePassword123";
    expect((await connect().auth.signIn({ email, password })).session).not.toBeNull();
    expect(await refusal(() => connect().auth.signIn({ email, password: PASSWORD }))).toMatchObject({
      code: "invalid_credentials",
    });
    const again = runSample(page("14-confirm-password-reset"), text, { client: await pageClient() });
    await expect(again).rejects.toMatchObject({ code: "otp_expired" });
  });

  it("mails a magic link, whose token and whose code sign in", async () => {
    const { email } = await account();
    const client = await pageClient();
    await runSample(page("15-magic-link"), words(email), { client });
    const first = await mailTo(email);
    expect(first.link.startsWith(`${server.url}/verify?token=`)).toBe(true);
    expect((await client.auth.verifyMagicLink({ token: first.token })).user?.email).toBe(email);
    expect(await refusal(() => client.auth.verifyMagicLink({ token: first.token }))).toMatchObject({
      code: "otp_expired",
    });
    const other = await pageClient();
    await runSample(page("15-magic-link"), words(email), { client: other });
    const { code } = await mailTo(email, first);
    expect((await other.auth.verifyMagicLink({ email, code })).user?.email).toBe(email);
  });

  it("signs in without an account, and converts it", async () => {
    const client = await pageClient();
    const email = freshEmail();
    const ran = await runSample(page("16-anonymous"), words(email), { client }, ["user", "session"]);
    const [guest, session] = [ran["user"] as User, ran["session"] as Session];
    expect(guest.is_anonymous).toBe(true);
    expect(await client.auth.getCurrentUser()).toMatchObject({ id: guest.id, email, is_anonymous: false });
    expect((await client.auth.refreshSession()).session.id).toBe(session.id);
    expect((await connect().auth.signIn({ email, password: "SecurePassword123" })).user?.id).toBe(guest.id);
  });

  it("enables, asks for and disables a second factor", async () => {
    const { client, email } = await account();
    const { secret, qr_code } = await runSample(page("17-enable-2fa"), words(email), { client }, ["secret", "qr_code"]);
    expect(qr_code).toMatch(/^data:image\/png;base64,/);
    const app = new Authenticator(String(secret));
    const code = async () => words(email, { "123456": await app.next() });
    await runSample(page("18-verify-2fa"), await code(), { client });
    expect((await client.auth.getCurrentUser())?.mfa_enabled).toBe(true);

    const other = await pageClient();
    const events = record(other);
    const bound = { client: other, email, password: PASSWORD };
    const { requires_2fa } = await runSample(page("19-sign-in-with-2fa"), await code(), bound, ["requires_2fa"]);
    expect(requires_2fa).toBe(true);
    expect((await other.auth.getCurrentUser())?.email).toBe(email);
    expect(events.names).toEqual(["INITIAL_SESSION", "SIGNED_IN", "MFA_CHALLENGE_VERIFIED"]);

    await runSample(page("20-disable-2fa"), await code(), { client: other });
    expect((await other.auth.get2FAStatus()).enabled).toBe(false);
    expect((await connect().auth.signIn({ email, password: PASSWORD })).session).not.toBeNull();
  });

  it("updates the address and the password", async () => {
    const { client, email } = await account("OldPassword123");
    const wanted = freshEmail();
    const text = words(email, { "newemail@example.com": wanted, '"current"': '"OldPassword123"' });
    await runSample(page("21-update-email"), text, { client });
    const user = await client.auth.getCurrentUser();
    expect([user?.email, user?.new_email]).toContain(wanted);
    await runSample(page("22-update-password"), text, { client });
    expect(await client.auth.getCurrentUser()).not.toBeNull();
    const address = user?.email ?? "";
    expect((await connect().auth.signIn({ email: address, password: "NewPassword123" })).session).not.toBeNull();
  });
});
