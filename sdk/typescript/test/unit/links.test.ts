import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createClient, NetworkError } from "../../src/index.js";
import { FakeServer, json, problem } from "../support/fake-server.js";
import { CREDENTIALS, caught, client, disposeAll, record, SharedStorage } from "../support/unit.js";

let server: FakeServer;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "Date"] });
  server = new FakeServer();
});
afterEach(() => {
  disposeAll();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

const { email, password } = CREDENTIALS;
const pass = (seconds: number) => vi.advanceTimersByTimeAsync(seconds * 1000);
const asked = () => server.requests("/flow").length;

describe("a magic link", () => {
  it("is asked for with all that the server takes, and as nobody", async () => {
    const made = client(server);
    await made.auth.signUp(CREDENTIALS);
    const redirectTo = "https://app.example.com/in";
    const flow = await made.auth.sendMagicLink({ email, redirectTo, data: { name: "Ada" }, create_user: false });
    expect(flow).toEqual({ flow_id: server.mail.last(email).flow });
    const [request] = server.requests("/magiclink");
    expect(request?.body).toEqual({ email, redirect_to: redirectTo, data: { name: "Ada" }, create_user: false });
    expect(request?.headers.has("authorization")).toBe(false);
    await made.auth.sendMagicLink({ email });
    expect(server.requests("/magiclink")[1]?.body).toEqual({ email });
    const refused = made.auth.sendMagicLink({ email, redirectTo: "https://evil.example.com" });
    expect(await caught(refused)).toMatchObject({ code: "redirect_not_allowed" });
  });

  it.each(["token", "code"] as const)("signs in by its %s, once", async (by) => {
    const made = client(server);
    const events = record(made);
    await made.auth.sendMagicLink({ email, data: { name: "Ada" } });
    const { token, code } = server.mail.last(email);
    const proof = by === "token" ? { token } : { email, code };
    const { user, session } = await made.auth.verifyMagicLink(proof);
    expect(user).toMatchObject({ email, user_metadata: { name: "Ada" } });
    expect(await made.auth.getSession()).toEqual(session);
    expect(events.names).toEqual(["INITIAL_SESSION", "SIGNED_IN"]);
    expect(await caught(made.auth.verifyMagicLink(proof))).toMatchObject({ status: 403, code: "otp_expired" });
    expect(await made.auth.getSession()).toEqual(session);
  });
});

describe("a proof", () => {
  it("is sent without what the server does not know, and refuses", async () => {
    const { token } = server.mail.send(email, "magiclink");
    const made = client(server);
    await made.auth.verifyMagicLink({ token, type: "magiclink" } as never);
    expect(server.requests("/magiclink/verify")[0]?.body).toEqual({ token });
  });
});

describe("a code", () => {
  const codes = (path: string) => server.requests(path).map(({ body }) => (body as { flow_id?: string }).flow_id);

  it("is good for what this page has asked for last, whatever others have asked for since", async () => {
    const made = client(server);
    await made.auth.sendMagicLink({ email });
    await made.auth.sendMagicLink({ email });
    const { code, flow } = server.mail.last(email);
    const eve = client(server);
    await eve.auth.sendMagicLink({ email });
    const theirs = made.auth.verifyMagicLink({ email, code: server.mail.last(email).code });
    expect(await caught(theirs)).toMatchObject({ code: "otp_expired" });
    expect((await made.auth.verifyMagicLink({ email, code })).user?.email).toBe(email);
    expect(codes("/magiclink/verify")).toEqual([flow, flow]);
  });

  it("is this page's own, also when another tab has asked for one since, or long after", async () => {
    const storage = new SharedStorage();
    const made = client(server, { storage });
    await made.auth.sendMagicLink({ email });
    const { code, flow } = server.mail.last(email);
    await client(server, { storage }).auth.sendMagicLink({ email });
    await pass(1200);
    expect((await made.auth.verifyMagicLink({ email, code })).user?.email).toBe(email);
    expect(codes("/magiclink/verify")).toEqual([flow]);
  });

  it("of a sign-up is good for that sign-up only, also after the page was loaded anew", async () => {
    server.confirm = true;
    const storage = new SharedStorage();
    await client(server, { storage }).auth.signUp(CREDENTIALS);
    const { code, flow } = server.mail.last(email);
    await client(server).auth.resendVerification({ email });
    const stranger = client(server).auth.verifyEmail({ email, code: server.mail.last(email).code });
    expect(await caught(stranger)).toMatchObject({ code: "otp_expired" });
    const loaded = client(server, { storage });
    await loaded.auth.sendMagicLink({ email }); // its flow is not the sign-up's
    expect((await loaded.auth.verifyEmail({ email, code })).user?.email).toBe(email);
    expect(codes("/verify-email")).toEqual([undefined, flow]);
  });

  it("is sent with the flow that the caller names, or with none", async () => {
    const made = client(server);
    const first = await made.auth.sendMagicLink({ email });
    const { code } = server.mail.last(email);
    await made.auth.sendMagicLink({ email });
    expect((await made.auth.verifyMagicLink({ email, code, ...first })).user?.email).toBe(email);
    await made.auth.verifyMagicLink({ email, code: server.mail.last(email).code, flow_id: null });
    expect(codes("/magiclink/verify")).toEqual([first.flow_id, undefined]);
  });

  it.each([
    ["is forgotten ten minutes after it was asked for", 601, async () => undefined],
    ["is forgotten with signOut()", 0, async (one: ReturnType<typeof client>) => one.auth.signOut()],
  ])("- its flow %s", async (_, seconds, act) => {
    const storage = new SharedStorage();
    const made = client(server, { storage });
    await made.auth.sendMagicLink({ email });
    await act(made);
    await pass(seconds);
    await client(server, { storage }).auth.verifyMagicLink({ email, code: server.mail.last(email).code });
    expect(codes("/magiclink/verify")).toEqual([undefined]);
    expect([...storage.items.keys()]).toEqual(["fluxbase.auth.fake.test"]);
  });

  it("is forgotten once it is spent, and a damaged memory is none", async () => {
    const storage = new SharedStorage();
    const made = client(server, { storage });
    await made.auth.sendMagicLink({ email });
    expect([...storage.items.keys()]).toEqual(["fluxbase.auth.fake.test.asked"]);
    await made.auth.verifyMagicLink({ email, code: server.mail.last(email).code });
    expect([...storage.items.keys()]).toEqual(["fluxbase.auth.fake.test"]);
    for (const text of ["nonsense", '{"v":1,"asked":[null,{"kind":"magiclink"}]}']) {
      storage.items.set("fluxbase.auth.fake.test.asked", text);
      server.mail.send(email, "magiclink");
      await made.auth.verifyMagicLink({ email, code: server.mail.last(email).code });
    }
    expect(codes("/magiclink/verify").slice(1)).toEqual([undefined, undefined]);
  });
});

describe("confirming an address", () => {
  it("is mailed once more with the flow of the sign-up; without one there is nothing to wait for", async () => {
    server.confirm = true;
    const storage = new SharedStorage();
    const made = client(server, { storage });
    const { flow_id } = await made.auth.signUp(CREDENTIALS);
    const again = await client(server, { storage }).auth.resendVerification({ email });
    expect(again).toEqual({ flow_id: server.mail.last(email).flow });
    expect(await client(server).auth.resendVerification({ email })).toEqual({});
    const given = await client(server).auth.resendVerification({ email, ...again });
    expect(given).toEqual({ flow_id: server.mail.last(email).flow });
    expect(server.requests("/verify-email/resend").map(({ body }) => body)).toEqual([
      { email, flow_id },
      { email },
      { email, ...again },
    ]);
  });

  it("refuses a sign-in before, with email_not_confirmed", async () => {
    server.confirm = true;
    const made = client(server);
    await made.auth.signUp(CREDENTIALS);
    expect(await caught(made.auth.signIn(CREDENTIALS))).toMatchObject({ status: 403, code: "email_not_confirmed" });
    await made.auth.verifyEmail({ email, code: server.mail.last(email).code });
    expect((await made.auth.signIn(CREDENTIALS)).user?.email).toBe(email);
  });

  it("changes nothing by the first half of a change of address", async () => {
    const made = client(server);
    const { session } = await made.auth.signUp(CREDENTIALS);
    const events = record(made);
    const { token } = server.mail.send("new@example.com", "email_change");
    expect(await made.auth.verifyEmail({ token })).toEqual({ user: null, session: null });
    expect(await made.auth.getSession()).toEqual(session);
    expect(events.names).toEqual(["INITIAL_SESSION"]);
    const results = createClient(server.url, undefined, { fetch: server.fetch, autoRefreshToken: false });
    expect(await results.auth.verifyEmail({ token })).toEqual({ data: { user: null, session: null }, error: null });
    results.dispose();
  });

  it("signs in by token or code; until then there is a flow and nobody signed in", async () => {
    server.confirm = true;
    const made = client(server);
    const events = record(made);
    const signedUp = await made.auth.signUp({ ...CREDENTIALS, options: { redirectTo: "https://x.test" } });
    expect(server.requests("/signup")[0]?.body).toEqual({ ...CREDENTIALS, redirect_to: "https://x.test" });
    const first = server.mail.last(email);
    expect(signedUp).toEqual({ user: null, session: null, flow_id: first.flow });
    const again = await made.auth.resendVerification({ email });
    expect(again.flow_id).not.toBe(first.flow);
    expect((await made.auth.verifyEmail({ email, code: server.mail.last(email).code })).user).toMatchObject({
      email_verified: true,
    });
    expect(events.names).toEqual(["INITIAL_SESSION", "SIGNED_IN"]);
    expect(await caught(made.auth.verifyEmail({ token: "nonsense" }))).toMatchObject({ code: "otp_expired" });
  });
});

describe("a password reset", () => {
  it("sets the password, ends the other sessions and signs in", async () => {
    const storage = new SharedStorage();
    const other = client(server, { storage });
    await other.auth.signUp(CREDENTIALS);
    const made = client(server);
    expect(await made.auth.resetPassword({ email, redirectTo: "https://app.example.com" })).toBeUndefined();
    expect(server.requests("/password/reset")[0]?.body).toEqual({ email, redirect_to: "https://app.example.com" });
    const { token } = server.mail.last(email);
    const weak = made.auth.confirmPasswordReset({ token, password: "short" });
    expect(await caught(weak)).toMatchObject({ code: "weak_password" });
    const { session } = await made.auth.confirmPasswordReset({ token, password: "NewSecurePassword123" });
    expect(await made.auth.getSession()).toEqual(session);
    const events = record(other);
    expect(await caught(other.auth.getCurrentUser())).toMatchObject({ code: "session_ended" });
    expect(events.reason).toBe("password_changed");
    expect(storage.items.size).toBe(0);
    expect((await client(server).auth.signIn({ email, password: "NewSecurePassword123" })).session).not.toBeNull();
    expect(await caught(client(server).auth.signIn(CREDENTIALS))).toMatchObject({ code: "invalid_credentials" });
  });

  it("goes by code as well, and says when there is no link to go by", async () => {
    await client(server).auth.signUp(CREDENTIALS);
    const made = client(server);
    await made.auth.resetPassword({ email });
    const { code } = server.mail.last(email);
    await made.auth.confirmPasswordReset({ email, code, password });
    expect(server.requests("/password/reset/confirm")[0]?.body).toEqual({ email, code, password });
    const without = caught(made.auth.confirmPasswordReset({ password }));
    expect(await without).toMatchObject({ name: "AuthError", code: "recovery_token_missing" });
    expect(server.requests("/password/reset/confirm")).toHaveLength(1);
  });
});

describe("waiting for a link", () => {
  async function waiting(options: Parameters<typeof client>[1] = {}) {
    const made = client(server, options);
    const events = record(made);
    const { flow_id } = await made.auth.sendMagicLink({ email });
    const mail = server.mail.last(email);
    return { made, events, flow_id, mail };
  }

  it("asks again as long as the server says pending, and signs in when the link is opened elsewhere", async () => {
    const { made, events, flow_id, mail } = await waiting();
    const result = made.auth.waitForSignIn(flow_id);
    await pass(60);
    expect(asked()).toBe(3); // two questions held for 25 s each, and a third
    server.mail.open(mail);
    const { session } = await result;
    expect(await made.auth.getSession()).toEqual(session);
    expect(events.names).toEqual(["INITIAL_SESSION", "SIGNED_IN"]);
    expect(server.requests("/flow")[0]?.body).toEqual({ flow_id });
    await pass(120);
    expect(asked()).toBe(3);
  });

  it.each([
    ["flow_denied", (mail: never) => server.mail.deny(mail)],
    ["otp_expired", () => undefined],
  ] as const)("ends with %s and signs nobody in", async (code, act) => {
    const { made, events, flow_id, mail } = await waiting();
    const result = caught(made.auth.waitForSignIn(code === "otp_expired" ? "no such flow" : flow_id));
    await pass(1);
    act(mail as never);
    await pass(2);
    expect(await result).toMatchObject({ name: "AuthError", status: 403, code });
    expect(events.names).toEqual(["INITIAL_SESSION"]);
  });

  it("may want a second factor, like any way in", async () => {
    server.add({ email, factors: [{ id: "f", name: null, verified: true }] });
    const { made, flow_id, mail } = await waiting();
    server.mail.open(mail);
    expect(await made.auth.waitForSignIn(flow_id)).toMatchObject({ requires_2fa: true, session: null });
    expect((await made.auth.verify2FACode({ code: "123456" })).user.email).toBe(email);
  });

  it("takes no failure of the network or the server for an answer", async () => {
    const { made, flow_id, mail } = await waiting();
    const failures = [
      new TypeError("fetch failed"),
      problem(503, "unavailable", {}, { "Retry-After": "7" }),
      problem(500, "internal"),
      problem(429, "over_request_rate_limit"),
      new Response("<html>", { status: 502 }),
    ];
    server.script = (seen) => (seen.path.endsWith("/flow") ? failures.shift() : undefined);
    const result = made.auth.waitForSignIn(flow_id);
    await pass(0.9);
    expect(asked()).toBe(1);
    await pass(0.2);
    expect(asked()).toBe(2);
    await pass(6.8);
    expect(asked()).toBe(2); // the server said 7 s
    await pass(0.2);
    expect(asked()).toBe(3);
    await pass(30);
    expect(asked()).toBe(6);
    server.mail.open(mail);
    expect((await result).user?.email).toBe(email);
  });

  it("does not hammer a server that never holds the question", async () => {
    const { made, flow_id } = await waiting();
    server.script = (seen) => (seen.path.endsWith("/flow") ? json(202, { status: "pending" }) : undefined);
    const result = caught(made.auth.waitForSignIn(flow_id));
    await pass(20);
    expect(asked()).toBeLessThanOrEqual(11);
    expect(asked()).toBeGreaterThan(5);
    made.dispose();
    expect(await result).toMatchObject({ code: "aborted" });
  });

  it.each(["while the server holds the question", "between two questions"])("is given up %s", async (when) => {
    const { made, events, flow_id, mail } = await waiting();
    if (when === "between two questions") server.script = () => new TypeError("fetch failed");
    const controller = new AbortController();
    const result = caught(made.auth.waitForSignIn(flow_id, { signal: controller.signal }));
    await pass(0.5);
    controller.abort();
    const error = await result;
    expect(error).toBeInstanceOf(NetworkError);
    expect(error).toMatchObject({ code: "aborted" });
    const before = asked();
    server.script = () => undefined;
    server.mail.open(mail);
    await pass(120);
    expect(asked()).toBe(before);
    expect(events.names).toEqual(["INITIAL_SESSION"]);
  });

  it("is not begun when it is given up already, and ends with dispose()", async () => {
    const { made, flow_id } = await waiting();
    expect(await caught(made.auth.waitForSignIn(flow_id, { signal: AbortSignal.abort() }))).toMatchObject({
      code: "aborted",
    });
    expect(asked()).toBe(0);
    const result = caught(made.auth.waitForSignIn(flow_id));
    await pass(1);
    made.dispose();
    expect(await result).toMatchObject({ code: "aborted" });
    expect(asked()).toBe(1);
  });

  it.each([true, false])("is over when another tab has signed in and spent the flow (told of it: %s)", async (told) => {
    if (!told) vi.stubGlobal("BroadcastChannel", undefined);
    const storage = new SharedStorage();
    const { made, flow_id, mail } = await waiting({ storage });
    const result = made.auth.waitForSignIn(flow_id);
    await pass(1);
    const other = client(server, { storage });
    const { session } = await other.auth.verifyMagicLink({ token: mail.token });
    await pass(2);
    expect((await result).session?.id).toBe(session?.id);
    expect(server.sessions.size).toBe(1);
  });
});

describe("a guest's wait", () => {
  it("is over when another tab has seen them become permanent, in the same session", async () => {
    vi.stubGlobal("BroadcastChannel", undefined);
    server.confirm = true;
    const storage = new SharedStorage();
    const [one, two] = [client(server, { storage }), client(server, { storage })];
    const before = await one.auth.signInAnonymously();
    expect(await two.auth.getSession()).toEqual(before.session);
    const { flow_id = "" } = await one.auth.convertAnonymousUser(CREDENTIALS);
    server.mail.open(server.mail.last(email));
    await one.auth.waitForSignIn(flow_id);
    server.script = (seen) => (seen.path.endsWith("/flow") ? problem(403, "otp_expired") : undefined);
    const late = two.auth.waitForSignIn(flow_id);
    await pass(2);
    expect((await late).session).toMatchObject({ id: before.session.id, user: { email, is_anonymous: false } });
  });
});

describe("a page that has asked for a link", () => {
  it("waits by itself, for the latest mail only, and is joined by waitForSignIn", async () => {
    const made = client(server, { waitForLinks: true });
    const events = record(made);
    await made.auth.sendMagicLink({ email });
    await pass(1);
    const { flow_id } = await made.auth.sendMagicLink({ email });
    const joined = made.auth.waitForSignIn(flow_id);
    await pass(30);
    expect(server.requests("/flow").map(({ body }) => (body as { flow_id: string }).flow_id)).toEqual([
      "flow-1",
      flow_id,
      flow_id,
    ]);
    server.mail.open(server.mail.last(email));
    expect((await joined).user?.email).toBe(email);
    expect(events.names).toEqual(["INITIAL_SESSION", "SIGNED_IN"]);
    await pass(120);
    expect(asked()).toBe(3);
  });

  it("is signed in by the confirmation of a new account, and of an anonymous one", async () => {
    server.confirm = true;
    const made = client(server, { waitForLinks: true });
    await made.auth.signUp(CREDENTIALS);
    await pass(1);
    server.mail.open(server.mail.last(email));
    await pass(1);
    expect((await made.auth.getSession())?.user.email).toBe(email);

    const guest = client(server, { waitForLinks: true });
    await guest.auth.signInAnonymously();
    const { flow_id } = await guest.auth.convertAnonymousUser({ ...CREDENTIALS, email: "new@example.com" });
    await pass(1);
    expect(server.requests("/flow").at(-1)?.body).toEqual({ flow_id });
  });

  it("says nothing of a link that is denied, and gives up when told to", async () => {
    const made = client(server, { waitForLinks: true });
    const events = record(made);
    await made.auth.sendMagicLink({ email });
    await pass(1);
    server.mail.deny(server.mail.last(email));
    await pass(60);
    expect(asked()).toBe(1);
    const { flow_id } = await made.auth.sendMagicLink({ email });
    const controller = new AbortController();
    const joined = caught(made.auth.waitForSignIn(flow_id, { signal: controller.signal }));
    await pass(1);
    controller.abort();
    expect(await joined).toMatchObject({ code: "aborted" });
    await pass(60);
    expect(asked()).toBe(2);
    expect(events.names).toEqual(["INITIAL_SESSION"]);
  });

  it("does not replace somebody who has signed in while the server held the question", async () => {
    const eve = { ...CREDENTIALS, email: "eve@example.com" };
    await client(server).auth.signUp(eve);
    const made = client(server, { waitForLinks: true });
    await made.auth.sendMagicLink({ email });
    await pass(1);
    await made.auth.signIn(eve);
    server.mail.open(server.mail.last(email));
    await pass(60);
    expect((await made.auth.getSession())?.user.email).toBe(eve.email);
  });

  it("does not wait unasked outside browsers", async () => {
    const made = client(server);
    await made.auth.sendMagicLink({ email });
    await pass(60);
    expect(asked()).toBe(0);
  });
});
