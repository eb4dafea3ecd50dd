import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { readFragment } from "../../src/auth/landing.js";
import { type AuthError, createClient } from "../../src/index.js";
import { FakeServer, problem } from "../support/fake-server.js";
import { CREDENTIALS, caught, client, disposeAll, Lines, record, SharedStorage, turn } from "../support/unit.js";

const { email } = CREDENTIALS;
let server: FakeServer;
beforeEach(() => {
  server = new FakeServer();
});
afterEach(() => {
  disposeAll();
  vi.unstubAllGlobals();
});

/** A page at an address. What happens to the address and what is sent is noted in one list, in order. */
function page(hash: string) {
  const noted: string[] = [];
  const place = { pathname: "/app/in", search: "?tab=2", hash };
  vi.stubGlobal("document", new EventTarget());
  vi.stubGlobal("location", place);
  vi.stubGlobal("history", {
    state: { mine: 1 },
    replaceState(state: unknown, _: string, address: string) {
      expect(state).toEqual({ mine: 1 });
      place.hash = "";
      noted.push(`address ${address}`);
    },
  });
  const fetch: typeof globalThis.fetch = (input, init) => {
    noted.push(`${init?.method} ${new URL(String(input)).pathname}`);
    return server.fetch(input, init);
  };
  return { noted, fetch, logger: new Lines(), storage: new SharedStorage(), place };
}

describe("a fragment", () => {
  it.each([
    ["#type=magiclink&token=abc", { type: "magiclink", token: "abc" }],
    ["#token=abc&type=signup", { type: "signup", token: "abc" }],
    ["#token=abc&type=invite", { type: "invite", token: "abc" }],
    ["#type=recovery&token=a-b_c.d~e", { type: "recovery", token: "a-b_c.d~e" }],
    [
      "#error=access_denied&error_code=otp_expired&error_description=It+is+over",
      { type: "error", code: "otp_expired" },
    ],
  ])("of the server is read: %s", (hash, arrival) => {
    expect(readFragment(hash)).toEqual(arrival);
  });

  it.each([
    "",
    "#",
    "#/settings",
    "#/in?type=magiclink&token=abc",
    "#type=magiclink",
    "#type=email_change",
    "#token=abc",
    "#type=magiclink&token=",
    "#type=todo&token=abc",
    "#type=toString&token=abc",
    "#type=magiclink&token=abc&page=2",
    "#type=magiclink&token=abc&token=def",
    "#type=magiclink&type=signup&token=abc",
    "#access_token=abc&type=magiclink",
    "#error=1",
    "#error=x&error_code=<b>",
    "#error=x&error_code=y&page=2",
  ])("of the application is left alone: %s", async (hash) => {
    expect(readFragment(hash)).toBeNull();
    const { noted, fetch, storage } = page(hash);
    const made = client(server, { fetch, storage });
    expect(await made.auth.initialize()).toBeNull();
    expect(await made.auth.getSession()).toBeNull();
    expect(noted).toEqual([]);
  });
});

describe("a page that a link has opened", () => {
  it.each([
    ["magiclink", "/api/v1/auth/magiclink/verify"],
    ["signup", "/api/v1/auth/verify-email"],
    ["invite", "/api/v1/auth/magiclink/verify"],
  ] as const)("is signed in (%s), its address clean before anything is sent", async (type, path) => {
    const { token } = server.mail.send(email, type === "invite" ? "magiclink" : type);
    const { noted, fetch, storage } = page(`#type=${type}&token=${token}`);
    const made = client(server, { fetch, storage });
    const events = record(made);
    expect(noted[0]).toBe("address /app/in?tab=2");
    const session = await made.auth.getSession(); // waits for the exchange
    expect(session?.user.email).toBe(email);
    expect(noted).toEqual(["address /app/in?tab=2", `POST ${path}`]);
    expect(server.seen[0]?.body).toEqual({ token });
    expect(events.changes.map(([event, held]) => [event, held?.id])).toEqual([
      ["INITIAL_SESSION", session?.id],
      ["SIGNED_IN", session?.id],
    ]);
    expect((await made.auth.initialize())?.session).toEqual(session);
    expect(server.seen).toHaveLength(1);
  });

  it("exchanges the link once, however many clients the page makes", async () => {
    const { token } = server.mail.send(email, "magiclink");
    const { noted, fetch, storage } = page(`#type=magiclink&token=${token}`);
    const clients = [client(server, { fetch, storage }), client(server, { fetch, storage })];
    await clients[0]?.auth.getSession();
    await expect.poll(async () => (await clients[1]?.auth.getSession())?.user.email).toBe(email);
    expect(noted.filter((one) => one.startsWith("POST"))).toHaveLength(1);
  });

  it("leaves the address alone with detectSessionInUrl: false", async () => {
    const { token } = server.mail.send(email, "magiclink");
    const { noted, fetch, storage } = page(`#type=magiclink&token=${token}`);
    const made = client(server, { fetch, storage, detectSessionInUrl: false });
    expect(await made.auth.getSession()).toBeNull();
    expect(noted).toEqual([]);
  });

  it("holds calls back until it is known who makes them", async () => {
    const { token } = server.mail.send(email, "magiclink");
    const { fetch, storage } = page(`#type=magiclink&token=${token}`);
    const made = client(server, { fetch, storage });
    await made.from("todos").select();
    expect(server.seen.map(({ path }) => path.split("/").pop())).toEqual(["verify", "todos"]);
    expect(server.seen[1]?.headers.get("authorization")).toMatch(/^Bearer /);
  });

  it("replaces a session of the same user", async () => {
    const { fetch, storage, place } = page("");
    const before = await client(server, { fetch, storage }).auth.signUp(CREDENTIALS);
    const { token } = server.mail.send(email, "magiclink");
    place.hash = `#type=magiclink&token=${token}`;
    const session = await client(server, { fetch, storage }).auth.getSession();
    expect(session?.user.email).toBe(email);
    expect(session?.id).not.toBe(before.session?.id);
  });

  it("is told whether this browser has asked for the mail, within ten minutes", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const landed = async (asking: string | undefined, seconds: number) => {
      const { fetch, storage, place } = page("");
      const before = client(server, { fetch, storage, waitForLinks: false });
      if (asking !== undefined) await before.auth.sendMagicLink({ email: asking });
      vi.setSystemTime(Date.now() + seconds * 1000);
      place.hash = `#type=magiclink&token=${server.mail.send(email, "magiclink").token}`;
      const made = client(server, { fetch, storage });
      const events = record(made);
      expect((await made.auth.initialize())?.user?.email).toBe(email);
      return events.changes.find(([event]) => event === "SIGNED_IN")?.[2];
    };
    expect(await landed(undefined, 0)).toEqual({ landing: true, asked: false });
    expect(await landed(" Ada@Example.com", 599)).toEqual({ landing: true, asked: true });
    expect(await landed(email, 601)).toEqual({ landing: true, asked: false });
    expect(await landed("eve@example.com", 0)).toEqual({ landing: true, asked: false });
    vi.useRealTimers();
  });

  it("confirms one half of a change of address, and signs nobody in", async () => {
    const { token } = server.mail.send(email, "email_change");
    const { fetch, storage } = page(`#type=signup&token=${token}`);
    const made = client(server, { fetch, storage });
    expect(await made.auth.initialize()).toBeNull();
    expect(await made.auth.getSession()).toBeNull();
  });

  it("learns from initialize() that a second factor is needed", async () => {
    server.add({ email, factors: [{ id: "f", name: null, verified: true }] });
    const { token } = server.mail.send(email, "magiclink");
    const { fetch, storage } = page(`#type=magiclink&token=${token}`);
    const made = client(server, { fetch, storage });
    expect(await made.auth.initialize()).toMatchObject({ requires_2fa: true, session: null });
    expect(await made.auth.getSession()).toBeNull();
    await made.auth.verify2FACode({ code: "123456" });
    expect(await made.auth.getSession()).not.toBeNull();
  });

  it("learns that the link is spent; nobody is signed in, and nobody out", async () => {
    const { fetch, logger, storage, place, noted } = page("");
    const first = client(server, { fetch, storage });
    const { session } = await first.auth.signUp(CREDENTIALS);
    place.hash = "#type=magiclink&token=spent-token";
    const made = client(server, { fetch, logger, storage });
    const events = record(made);
    expect(await caught(made.auth.initialize())).toMatchObject({ status: 403, code: "otp_expired" });
    expect((await made.auth.getSession())?.id).toBe(session?.id);
    expect(events.names).toEqual(["INITIAL_SESSION"]);
    expect(await caught(made.auth.initialize())).toMatchObject({ code: "otp_expired" });
    expect(noted.filter((one) => one.endsWith("/verify"))).toHaveLength(1);
    expect(logger.lines).toEqual([expect.stringContaining("otp_expired")]);
    expect(logger.lines.join()).not.toContain("spent-token");
  });

  it("is told of an error in the address, but not in the words that stand there", async () => {
    const text = "Call+0900+123456";
    const { fetch, logger, storage, noted } = page(
      `#error=access_denied&error_code=otp_expired&error_description=${text}`,
    );
    const made = createClient(server.url, undefined, { fetch, logger, storage });
    const { data, error } = await made.auth.initialize();
    expect(data).toBeNull();
    expect(error).toMatchObject({ name: "AuthError", code: "otp_expired" });
    expect((error as AuthError).message).not.toContain("0900");
    expect(noted).toEqual(["address /app/in?tab=2"]);
    made.dispose();
  });

  it("keeps the token while there is no answer, and tries again when asked to", async () => {
    const { token } = server.mail.send(email, "magiclink");
    const { fetch, logger, storage } = page(`#type=magiclink&token=${token}`);
    server.script = () => new TypeError("fetch failed");
    const made = client(server, { fetch, logger, storage });
    expect(await made.auth.getSession()).toBeNull();
    server.script = () => undefined;
    const [one, two] = await Promise.all([made.auth.initialize(), made.auth.initialize()]);
    expect(one?.user?.email).toBe(email);
    expect(two).toEqual(one);
    expect(server.requests("/magiclink/verify")).toHaveLength(2);
  });

  it("works where the address cannot be changed", async () => {
    const { token } = server.mail.send(email, "magiclink");
    const { fetch, storage } = page(`#type=magiclink&token=${token}`);
    const refuse = () => {
      throw new DOMException("no", "SecurityError");
    };
    vi.stubGlobal("history", { state: null, replaceState: refuse });
    expect((await client(server, { fetch, storage }).auth.getSession())?.user.email).toBe(email);
  });
});

describe("a link of another user", () => {
  const old = { ...CREDENTIALS, email: "old@example.com" };

  /** A page that somebody's link has opened while `old` is signed in. */
  async function opened(prepare: () => void = () => undefined) {
    const { fetch, storage, logger, place } = page("");
    const { session } = await client(server, { fetch, storage }).auth.signUp(old);
    prepare();
    place.hash = `#type=magiclink&token=${server.mail.send(email, "magiclink").token}`;
    const made = client(server, { fetch, storage, logger });
    const alive = () => [...server.sessions.values()].filter(({ ended }) => !ended).map(({ id }) => id);
    return { made, events: record(made), storage, logger, before: session, alive };
  }

  it("does not take the place of who is signed in: its session ends, and initialize() says so", async () => {
    const { made, events, storage, logger, before, alive } = await opened();
    expect(await caught(made.auth.initialize())).toMatchObject({ name: "AuthError", code: "session_conflict" });
    expect((await made.auth.getSession())?.id).toBe(before?.id);
    expect((await made.auth.getCurrentUser())?.email).toBe(old.email);
    expect([...storage.items.values()].join()).not.toContain(`"${email}"`);
    expect(events.names).not.toContain("SIGNED_IN");
    expect(alive()).toEqual([before?.id]);
    expect(server.requests("/signout").map(({ body }) => body)).toEqual([{ scope: "local" }]);
    expect(logger.lines).toEqual([expect.stringContaining("session_conflict")]);
    expect(await caught(made.auth.initialize())).toMatchObject({ code: "session_conflict" });
    expect(server.requests("/magiclink/verify")).toHaveLength(1);
  });

  it.each([
    ["cannot be ended", "/signout"],
    ["is there while nobody can say whether the other is over", "/refresh"],
  ])("does not do so when its session %s", async (_, path) => {
    const { made, before } = await opened(() => {
      server.script = (seen) =>
        seen.path.endsWith(path) ? problem(503, "unavailable", {}, { "Retry-After": "9" }) : undefined;
    });
    expect(await caught(made.auth.initialize())).toMatchObject({ code: "session_conflict" });
    expect((await made.auth.getSession())?.id).toBe(before?.id);
  });

  it("does not do so by way of a second factor", async () => {
    const { made, before, alive } = await opened(
      () => void server.add({ email, factors: [{ id: "f", name: null, verified: true }] }),
    );
    expect(await made.auth.initialize()).toMatchObject({ requires_2fa: true });
    expect(await caught(made.auth.verify2FACode({ code: "123456" }))).toMatchObject({ code: "session_conflict" });
    expect((await made.auth.getSession())?.id).toBe(before?.id);
    expect(alive()).toEqual([before?.id]);
  });

  it("signs in when the session that is stored has ended", async () => {
    const { made, events } = await opened(() => {
      for (const { id } of server.sessions.values()) server.end(id, "idle");
    });
    expect((await made.auth.initialize())?.user?.email).toBe(email);
    expect((await made.auth.getSession())?.user.email).toBe(email);
    expect(events.names).toEqual(["INITIAL_SESSION", "SIGNED_OUT", "SIGNED_IN"]);
  });

  it("does not keep the same client from signing in as somebody else by hand", async () => {
    const { made } = await opened();
    await caught(made.auth.initialize());
    await made.auth.sendMagicLink({ email });
    await made.auth.verifyMagicLink({ token: server.mail.last(email).token });
    expect((await made.auth.getSession())?.user.email).toBe(email);
  });
});

describe("a page that a reset link has opened", () => {
  async function opened() {
    const { storage, fetch, place, noted, logger } = page("");
    const setting = client(server, { storage: new SharedStorage(), fetch });
    await setting.auth.signUp(CREDENTIALS);
    const { token } = server.mail.send(email, "recovery");
    place.hash = `#type=recovery&token=${token}`;
    noted.length = 0;
    return { made: client(server, { fetch, storage, logger }), token, noted };
  }

  it("tells every listener once, however late it comes, and sends nothing", async () => {
    const { made, noted } = await opened();
    const early = record(made);
    await turn();
    const late = record(made);
    await turn();
    for (const events of [early, late]) expect(events.names).toEqual(["INITIAL_SESSION", "PASSWORD_RECOVERY"]);
    expect(early.changes[1]?.[1]).toBeNull();
    expect(noted).toEqual(["address /app/in?tab=2"]);
    expect(await made.auth.getSession()).toBeNull();
  });

  it("needs only the new password, and listeners that come after that hear nothing of it", async () => {
    const { made, token } = await opened();
    const events = record(made);
    const weak = made.auth.confirmPasswordReset({ password: "short" });
    expect(await caught(weak)).toMatchObject({ code: "weak_password" });
    const { session } = await made.auth.confirmPasswordReset({ password: "NewSecurePassword123" });
    expect(server.requests("/password/reset/confirm").at(-1)?.body).toEqual({
      token,
      password: "NewSecurePassword123",
    });
    expect(await made.auth.getSession()).toEqual(session);
    expect(events.names).toEqual(["INITIAL_SESSION", "PASSWORD_RECOVERY", "SIGNED_IN"]);
    const late = record(made);
    await turn();
    expect(late.names).toEqual(["INITIAL_SESSION"]);
    expect(await caught(made.auth.confirmPasswordReset({ password: "NewSecurePassword123" }))).toMatchObject({
      code: "recovery_token_missing",
    });
  });

  it("forgets a token that is spent, and keeps it while there is no answer", async () => {
    const { made } = await opened();
    server.script = () => new TypeError("fetch failed");
    await caught(made.auth.confirmPasswordReset({ password: "NewSecurePassword123" }));
    server.script = () => undefined;
    for (const mail of server.mail.box) mail.used = true;
    const set = () => caught(made.auth.confirmPasswordReset({ password: "NewSecurePassword123" }));
    expect(await set()).toMatchObject({ code: "otp_expired" });
    expect(await set()).toMatchObject({ code: "recovery_token_missing" });
  });

  it("takes updateUser({ password }) for the reset, as pages written for supabase-js call it", async () => {
    const { made } = await opened();
    const user = await made.auth.updateUser({ password: "NewSecurePassword123" });
    expect(user.email).toBe(email);
    expect(server.requests("/user/password")).toEqual([]);
    expect((await made.auth.getSession())?.user.id).toBe(user.id);
  });
});
