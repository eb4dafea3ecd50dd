import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { NetworkError } from "../../src/index.js";
import { FakeServer } from "../support/fake-server.js";
import { CREDENTIALS, caught, client, disposeAll, record, SharedStorage } from "../support/unit.js";

let server: FakeServer;
beforeEach(() => {
  server = new FakeServer();
});
afterEach(disposeAll);

/** A person with an authenticator, still signed in where they set it up. */
async function enrolled() {
  const made = client(server);
  await made.auth.signUp(CREDENTIALS);
  const { id } = await made.auth.enable2FA({ name: "Phone" });
  const { recovery_codes } = await made.auth.verify2FA({ code: server.mfa.totp });
  server.mfa.totp = "234567"; // the next step
  return { made, id, recovery_codes };
}

describe("an authenticator", () => {
  it("is enrolled in two steps; the user changes and the other sessions end", async () => {
    const other = client(server);
    await other.auth.signUp(CREDENTIALS);
    const made = client(server);
    await made.auth.signIn(CREDENTIALS);
    const events = record(made);
    const enrolment = await made.auth.enable2FA();
    expect(enrolment).toEqual({
      id: expect.any(String),
      secret: expect.stringMatching(/^[A-Z2-7]+$/),
      uri: expect.stringMatching(/^otpauth:/),
      qr_code: expect.stringMatching(/^data:image\/png;base64,/),
    });
    expect(server.requests("/2fa/enroll")[0]?.body).toEqual({});
    expect(await caught(made.auth.verify2FA({ code: "000000" }))).toMatchObject({ code: "mfa_verification_failed" });
    expect((await made.auth.get2FAStatus()).enabled).toBe(false);
    const { recovery_codes } = await made.auth.verify2FA({ code: "123456" });
    expect(recovery_codes).toHaveLength(2);
    expect((await made.auth.getSession())?.user.mfa_enabled).toBe(true);
    expect(events.names).toEqual(["INITIAL_SESSION", "USER_UPDATED"]);
    expect(await made.auth.get2FAStatus()).toMatchObject({
      enabled: true,
      factors: [{ id: enrolment.id, name: null }],
      recovery_codes_left: 2,
    });

    const ended = record(other);
    expect(await caught(other.auth.getCurrentUser())).toMatchObject({ code: "session_ended" });
    expect(ended.reason).toBe("factor_changed");
  });

  it("of several is named by its id, and taken out of use alone or with the others", async () => {
    const { made, id } = await enrolled();
    await made.auth.enable2FA({ name: "never finished" });
    const second = await made.auth.enable2FA({ name: "Tablet" });
    expect(await made.auth.verify2FA({ code: server.mfa.totp, id: second.id })).toEqual({ recovery_codes: [] });
    await made.auth.disable2FA({ password: CREDENTIALS.password, id });
    expect((await made.auth.get2FAStatus()).factors.map((one) => one.id)).toEqual([second.id]);
    expect((await made.auth.getSession())?.user.mfa_enabled).toBe(true);
    server.mfa.totp = "345678";
    await made.auth.disable2FA({ code: "345678" });
    expect(server.requests("/2fa/disable").map(({ body }) => body)).toEqual([
      { password: CREDENTIALS.password, id },
      { code: "345678" },
    ]);
    expect((await made.auth.getSession())?.user.mfa_enabled).toBe(false);
  });

  it("stays enrolled when only the look at the user fails", async () => {
    const made = client(server);
    await made.auth.signUp(CREDENTIALS);
    await made.auth.enable2FA();
    server.script = (seen) => (seen.path.endsWith("/user") ? new TypeError("fetch failed") : undefined);
    expect((await made.auth.verify2FA({ code: "123456" })).recovery_codes).toHaveLength(2);
  });

  it("wants fresh authentication first, and says so", async () => {
    const made = client(server);
    await made.auth.signUp(CREDENTIALS);
    server.mfa.stale = true;
    const error = await caught(made.auth.enable2FA());
    expect(error).toMatchObject({ name: "AuthError", status: 403, code: "reauthentication_needed" });
    expect(await made.auth.reauthenticate({ password: CREDENTIALS.password })).toEqual({ auth_time: 1_900_000_000 });
    expect((await made.auth.enable2FA()).id).toBeTruthy();
  });

  it("needs somebody who is signed in", async () => {
    const { auth } = client(server);
    const proof = { code: "123456" };
    for (const work of [
      auth.enable2FA(),
      auth.verify2FA(proof),
      auth.get2FAStatus(),
      auth.disable2FA(proof),
      auth.regenerateRecoveryCodes(proof),
    ]) {
      expect(await caught(work)).toMatchObject({ code: "session_missing" });
    }
    expect(server.seen).toEqual([]);
  });
});

describe("signing in with a second factor", () => {
  it("takes two steps; the client remembers the first", async () => {
    await enrolled();
    const storage = new SharedStorage();
    const made = client(server, { storage });
    const events = record(made);
    const first = await made.auth.signIn(CREDENTIALS);
    expect(first).toEqual({
      user: null,
      session: null,
      requires_2fa: true,
      mfa_token: expect.any(String),
      methods: ["totp", "recovery_code"],
    });
    expect(await made.auth.getSession()).toBeNull();
    expect(storage.items.size).toBe(0);

    expect(await caught(made.auth.verify2FACode({ code: "000000" }))).toMatchObject({
      code: "mfa_verification_failed",
    });
    server.script = () => new TypeError("fetch failed");
    expect(await caught(made.auth.verify2FACode({ code: "234567" }))).toBeInstanceOf(NetworkError);
    server.script = () => undefined;
    const { user, session } = await made.auth.verify2FACode({ code: "234567" });
    expect(user.email).toBe(CREDENTIALS.email);
    expect(await made.auth.getSession()).toEqual(session);
    expect(events.names).toEqual(["INITIAL_SESSION", "SIGNED_IN", "MFA_CHALLENGE_VERIFIED"]);
    expect(events.changes[2]?.[1]).toEqual(session);
    expect(server.requests("/2fa/verify")[0]?.headers.has("authorization")).toBe(false);
    expect(await caught(made.auth.verify2FACode({ code: "345678" }))).toMatchObject({ code: "mfa_token_missing" });
  });

  it("takes a recovery code once, and a token from elsewhere", async () => {
    const { recovery_codes } = await enrolled();
    const [code = ""] = recovery_codes;
    const first = await client(server).auth.signIn(CREDENTIALS);
    if (first.requires_2fa !== true) throw new Error("no second step");
    const { mfa_token } = first;
    const elsewhere = client(server);
    expect((await elsewhere.auth.verify2FACode({ code, mfa_token })).user.email).toBe(CREDENTIALS.email);
    await elsewhere.auth.signIn(CREDENTIALS);
    expect(await caught(elsewhere.auth.verify2FACode({ code }))).toMatchObject({ code: "mfa_verification_failed" });
  });

  it("is forgotten by signing out, and by signing in otherwise", async () => {
    await enrolled();
    const made = client(server);
    await made.auth.signIn(CREDENTIALS);
    await made.auth.signOut();
    expect(await caught(made.auth.verify2FACode({ code: "234567" }))).toMatchObject({ code: "mfa_token_missing" });
    await made.auth.signIn(CREDENTIALS);
    await made.auth.signUp({ ...CREDENTIALS, email: "eve@example.com" });
    expect(await caught(made.auth.verify2FACode({ code: "234567" }))).toMatchObject({ code: "mfa_token_missing" });
    expect((await made.auth.getSession())?.user.email).toBe("eve@example.com");
  });

  it("is what a password reset asks for too: it never lifts the second factor", async () => {
    await enrolled();
    const made = client(server);
    await made.auth.resetPassword({ email: CREDENTIALS.email });
    const { token } = server.mail.last(CREDENTIALS.email);
    expect(await made.auth.confirmPasswordReset({ token, password: "NewSecurePassword123" })).toMatchObject({
      requires_2fa: true,
    });
    expect(await made.auth.getSession()).toBeNull();
    expect((await made.auth.verify2FACode({ code: "234567" })).session).toBeTruthy();
  });
});

describe("recovery codes", () => {
  it("are replaced with a code or the password", async () => {
    const { made, recovery_codes } = await enrolled();
    const { password } = CREDENTIALS;
    const renewed = await made.auth.regenerateRecoveryCodes({ password });
    expect(renewed.recovery_codes).not.toEqual(recovery_codes);
    await made.auth.regenerateRecoveryCodes({ code: "234567" });
    expect(server.requests("/2fa/recovery-codes").map(({ body }) => body)).toEqual([{ password }, { code: "234567" }]);
  });
});
