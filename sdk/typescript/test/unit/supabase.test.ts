import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createClient, type ResultClient } from "../../src/index.js";
import { FakeServer } from "../support/fake-server.js";
import { CREDENTIALS, record, turn } from "../support/unit.js";

const { email, password } = CREDENTIALS;
const NOBODY = { user: null, session: null };
let server: FakeServer;
const open: ResultClient[] = [];
beforeEach(() => {
  server = new FakeServer();
});
afterEach(() => {
  for (const made of open.splice(0)) made.dispose();
});

function results(): ResultClient {
  const made = createClient(server.url, undefined, { fetch: server.fetch, autoRefreshToken: false });
  open.push(made);
  return made;
}

describe("one-time codes", () => {
  it("signInWithOtp, then verifyOtp by code or by the link's token", async () => {
    const made = results();
    const options = { emailRedirectTo: "https://x.test", shouldCreateUser: true, data: { a: 1 } };
    const sent = await made.auth.signInWithOtp({ email, options });
    expect(sent).toEqual({ data: { ...NOBODY, flow_id: server.mail.last(email).flow }, error: null });
    expect(server.requests("/magiclink")[0]?.body).toEqual({
      email,
      redirect_to: "https://x.test",
      create_user: true,
      data: { a: 1 },
    });
    const { data } = await made.auth.verifyOtp({ email, token: server.mail.last(email).code, type: "email" });
    expect(data.user?.email).toBe(email);
    await made.auth.signInWithOtp({ email });
    const again = await made.auth.verifyOtp({ token_hash: server.mail.last(email).token, type: "magiclink" });
    expect(again.data.session?.id).not.toBe(data.session?.id);
    const spent = await made.auth.verifyOtp({ token_hash: "spent", type: "email" });
    expect(spent).toMatchObject({ data: NOBODY, error: { code: "otp_expired" } });
  });

  it("resend, by what the mail is for", async () => {
    const made = results();
    server.confirm = true;
    await made.auth.signUp(CREDENTIALS);
    const { data } = await made.auth.resend({ type: "signup", email });
    expect(data).toEqual({ ...NOBODY, flow_id: server.mail.last(email).flow });
    const confirmed = await made.auth.verifyOtp({ email, token: server.mail.last(email).code, type: "signup" });
    expect(confirmed.data.user?.email_verified).toBe(true);
    await made.auth.resend({ type: "magiclink", email });
    expect(server.requests("/magiclink")[0]?.body).toEqual({ email, create_user: false });
    expect(await made.auth.resend({ type: "recovery", email })).toEqual({ data: NOBODY, error: null });
    expect(server.mail.last(email).kind).toBe("recovery");
  });

  it("verifyOtp by code sends the flow of what was asked for, but not with an invitation's", async () => {
    const made = results();
    await made.auth.signInWithOtp({ email });
    const { code, flow } = server.mail.last(email);
    await made.auth.verifyOtp({ email, token: "wrong", type: "invite" });
    await made.auth.verifyOtp({ email, token: "wrong", type: "email", flow_id: "mine" });
    expect((await made.auth.verifyOtp({ email, token: code, type: "email" })).data.user?.email).toBe(email);
    expect(server.requests("/magiclink/verify").map(({ body }) => body)).toEqual([
      { email, code: "wrong" },
      { email, code: "wrong", flow_id: "mine" },
      { email, code, flow_id: flow },
    ]);
  });

  it("resetPasswordForEmail, verifyOtp, updateUser", async () => {
    const made = results();
    await results().auth.signUp(CREDENTIALS);
    const events = record({ auth: { onAuthStateChange: (listener) => made.auth.onAuthStateChange(listener) } });
    expect(await made.auth.resetPasswordForEmail(email, { redirectTo: "https://x.test" })).toEqual({
      data: {},
      error: null,
    });
    const verified = await made.auth.verifyOtp({ email, token: server.mail.last(email).code, type: "recovery" });
    expect(verified).toEqual({ data: NOBODY, error: null });
    const weak = await made.auth.updateUser({ password: "short" });
    expect(weak).toMatchObject({ data: { user: null }, error: { code: "weak_password" } });
    const { data } = await made.auth.updateUser({ password: "NewSecurePassword123" });
    expect(data.user?.email).toBe(email);
    expect(events.names).toEqual(["INITIAL_SESSION", "PASSWORD_RECOVERY", "SIGNED_IN"]);
  });

  it("PASSWORD_RECOVERY comes once, also to a listener that is not greeted yet", async () => {
    const made = results();
    const events = record({ auth: { onAuthStateChange: (listener) => made.auth.onAuthStateChange(listener) } });
    await made.auth.verifyOtp({ token_hash: "any", type: "recovery" });
    await turn();
    expect(events.names).toEqual(["INITIAL_SESSION", "PASSWORD_RECOVERY"]);
  });

  it("a type that nobody knows is an error, not a throw", async () => {
    const { error } = await results().auth.verifyOtp({ email, token: "1", type: "sms" as never });
    expect(error?.code).toBe("invalid_options");
    expect(server.seen).toEqual([]);
  });
});

describe("mfa", () => {
  it("enrolls, signs in as pages written for supabase-js do, and unenrolls", async () => {
    const first = results();
    await first.auth.signUp(CREDENTIALS);
    expect((await first.auth.mfa.getAuthenticatorAssuranceLevel()).data).toEqual({
      currentLevel: "aal1",
      nextLevel: "aal1",
      currentAuthenticationMethods: ["pwd"],
    });
    const enrolled = await first.auth.mfa.enroll({ factorType: "totp", friendlyName: "Phone" });
    expect(enrolled.data).toMatchObject({
      type: "totp",
      friendly_name: "Phone",
      totp: { qr_code: expect.any(String) },
    });
    const id = enrolled.data?.id ?? "";
    const done = await first.auth.mfa.challengeAndVerify({ factorId: id, code: "123456" });
    expect(done.data?.recovery_codes).toHaveLength(2);
    expect(done.data?.access_token).toBeTruthy();
    expect((await first.auth.mfa.getAuthenticatorAssuranceLevel()).data?.nextLevel).toBe("aal2");

    server.mfa.totp = "234567";
    const made = results();
    const events = record({ auth: { onAuthStateChange: (listener) => made.auth.onAuthStateChange(listener) } });
    await made.auth.signInWithPassword(CREDENTIALS);
    const { data: levels } = await made.auth.mfa.getAuthenticatorAssuranceLevel();
    expect([levels?.currentLevel, levels?.nextLevel]).toEqual(["aal1", "aal2"]);
    const { data: factors } = await made.auth.mfa.listFactors();
    const factorId = factors?.totp[0]?.id ?? "";
    const { data: challenge } = await made.auth.mfa.challenge({ factorId });
    const wrong = await made.auth.mfa.verify({ factorId, challengeId: challenge.id, code: "000000" });
    expect(wrong).toMatchObject({ data: null, error: { code: "mfa_verification_failed" } });
    const right = await made.auth.mfa.verify({ factorId, challengeId: challenge.id, code: "234567" });
    expect(right.data?.user.email).toBe(email);
    expect(events.names).toEqual(["INITIAL_SESSION", "SIGNED_IN", "MFA_CHALLENGE_VERIFIED"]);
    expect((await made.auth.mfa.getAuthenticatorAssuranceLevel()).data?.currentLevel).toBe("aal2");
    const listed = await made.auth.mfa.listFactors();
    expect(listed.data?.all).toMatchObject([{ id, friendly_name: "Phone", factor_type: "totp", status: "verified" }]);

    server.mfa.totp = "345678"; // a known authenticator proves afresh
    expect((await made.auth.mfa.challengeAndVerify({ factorId: id, code: "345678" })).error).toBeNull();
    expect(server.requests("/reauthenticate")).toHaveLength(1);
    expect(await made.auth.mfa.unenroll({ factorId: id, password })).toEqual({ data: { id }, error: null });
    expect((await made.auth.mfa.listFactors()).data?.all).toEqual([]);
  });

  it("says session_missing when nobody is there", async () => {
    const { mfa } = results().auth;
    expect((await mfa.listFactors()).error?.code).toBe("session_missing");
    expect((await mfa.enroll()).error?.code).toBe("session_missing");
    expect((await mfa.getAuthenticatorAssuranceLevel()).data).toEqual({
      currentLevel: null,
      nextLevel: null,
      currentAuthenticationMethods: [],
    });
  });
});

describe("every call of the result face", () => {
  it("returns its data, and null for nothing", async () => {
    const { auth } = results();
    const anonymous = await auth.signInAnonymously();
    expect(anonymous.data.user?.is_anonymous).toBe(true);
    expect((await auth.convertAnonymousUser(CREDENTIALS)).data.user?.email).toBe(email);
    expect((await auth.updateEmail({ email: "n@example.com", password })).data.user?.new_email).toBe("n@example.com");
    const changed = await auth.updatePassword({ current_password: password, new_password: "NewSecurePassword123" });
    expect(changed.data.user?.email).toBe(email);
    expect((await auth.reauthenticate({ password: "NewSecurePassword123" })).data?.auth_time).toBeGreaterThan(0);
    expect(await auth.resetPassword({ email })).toEqual({ data: null, error: null });
    expect(await auth.deleteUser()).toEqual({ data: null, error: null });
    expect(await auth.getSession()).toEqual({ data: { session: null }, error: null });
    expect(await auth.initialize()).toEqual({ data: null, error: null });
  });

  it("never rejects, and has an empty form that can be taken apart", async () => {
    server.script = () => new TypeError("fetch failed");
    const made = results();
    const { auth, admin } = made;
    const calls = { ...auth, ...admin } as unknown as Record<string, (...args: unknown[]) => unknown>;
    const silent = ["onAuthStateChange", "startAutoRefresh", "stopAutoRefresh", "waitForSignIn", "mfa", "admin"];
    const anything = { email, password, token: "t", code: "1", type: "email", mfa_token: "m" };
    for (const [name, call] of Object.entries(calls)) {
      if (silent.includes(name)) continue;
      const outcome = (await call(anything)) as { data?: unknown; error: unknown };
      expect(outcome, name).toHaveProperty("error");
      if (["signUp", "signIn", "signInAnonymously", "verify2FACode", "verifyMagicLink", "setSession"].includes(name)) {
        expect(outcome.data, name).toEqual(NOBODY);
      }
    }
  });
});
