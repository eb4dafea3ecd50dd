import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { NetworkError, type Session } from "../../src/index.js";
import { FakeServer, problem } from "../support/fake-server.js";
import { CREDENTIALS, caught, client, disposeAll, record, SharedStorage, settle } from "../support/unit.js";

let server: FakeServer;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "Date"] });
  server = new FakeServer();
});
afterEach(() => {
  disposeAll();
  vi.useRealTimers();
});

const refreshes = () => server.requests("/refresh").length;
const pass = (seconds: number) => vi.advanceTimersByTimeAsync(seconds * 1000);
/** Runs work to its end although it sleeps. */
async function through<T>(work: PromiseLike<T>): Promise<T> {
  const done = Promise.resolve(work);
  done.catch(() => undefined);
  await pass(10);
  return done;
}

async function signedIn(options: Parameters<typeof client>[1] = {}) {
  const made = client(server, options);
  const { session } = await made.auth.signUp(CREDENTIALS);
  return { made, session: session as Session };
}

describe("when", () => {
  it("refreshes in the background 90 s before the end, looking every 30 s", async () => {
    const { made, session } = await signedIn({ autoRefreshToken: true });
    await pass(780);
    expect(refreshes()).toBe(0);
    await pass(60);
    expect(refreshes()).toBe(1);
    expect((await made.auth.getSession())?.access_token).not.toBe(session.access_token);
    made.auth.stopAutoRefresh();
    await pass(3600);
    expect(refreshes()).toBe(1);
    made.auth.startAutoRefresh();
    await pass(0);
    expect(refreshes()).toBe(2);
  });

  it("refreshes in getSession within the margin, and not before", async () => {
    const { made, session } = await signedIn();
    await pass(809);
    expect(await made.auth.getSession()).toEqual(session);
    await pass(2);
    expect((await made.auth.getSession())?.access_token).not.toBe(session.access_token);
    expect(refreshes()).toBe(1);
  });

  it("goes by its own clock since arrival, however wrong the server's is", async () => {
    for (const skew of [-86_400, 86_400]) {
      server.skew = skew;
      const { made } = await signedIn();
      const before = refreshes();
      await made.auth.getSession();
      await pass(600);
      await made.auth.getSession();
      expect(refreshes() - before).toBe(0);
      await pass(240);
      await made.auth.getSession();
      expect(refreshes() - before).toBe(1);
    }
  });

  it("shrinks the margin for short-lived tokens", async () => {
    server.expiresIn = 60;
    const { made } = await signedIn();
    await pass(20);
    await made.auth.getSession();
    expect(refreshes()).toBe(0);
    await pass(15);
    await made.auth.getSession();
    expect(refreshes()).toBe(1);
  });

  it("asks the server whenever the caller asks, one request for all who ask at once", async () => {
    const { made } = await signedIn();
    const results = await Promise.all(Array.from({ length: 50 }, () => made.auth.refreshSession()));
    expect(refreshes()).toBe(1);
    expect(new Set(results.map(({ session }) => session.access_token)).size).toBe(1);
    await made.auth.refreshSession();
    expect(refreshes()).toBe(2);
  });
});

describe("unknown outcomes keep the session", () => {
  const outcomes: [string, () => Response | Error][] = [
    ["no network", () => new TypeError("fetch failed")],
    ["500", () => problem(500, "internal")],
    ["503", () => problem(503, "unavailable", {}, { "Retry-After": "5" })],
    ["429", () => problem(429, "over_request_rate_limit", {}, { "Retry-After": "5" })],
    ["a proxy's 401", () => new Response("<html>", { status: 401 })],
    ["a refused application key", () => problem(401, "invalid_api_key")],
    ["403", () => problem(403, "forbidden")],
    ["404", () => problem(404, "not_found")],
    ["an answer without tokens", () => new Response("{}", { status: 200 })],
  ];
  it.each(outcomes)("%s", async (_, outcome) => {
    const storage = new SharedStorage();
    const { made, session } = await signedIn({ storage });
    const events = record(made);
    await pass(2000);
    server.script = (seen) => (seen.path.endsWith("/refresh") ? outcome() : undefined);
    expect(await through(made.auth.getSession())).toEqual(session);
    await caught(through(made.auth.refreshSession()));
    expect(events.names).toEqual(["INITIAL_SESSION"]);
    expect(storage.items.size).toBe(1);
    server.script = () => undefined;
    await pass(400);
    expect((await made.auth.getSession())?.access_token).not.toBe(session.access_token);
    expect(events.names).toEqual(["INITIAL_SESSION", "TOKEN_REFRESHED"]);
  });

  it("repeats quickly, then cools down 60 s, 120 s, ...", async () => {
    const { made } = await signedIn({ autoRefreshToken: true });
    server.script = (seen) => (seen.path.endsWith("/refresh") ? new TypeError("down") : undefined);
    await pass(815);
    expect(refreshes()).toBe(4);
    await pass(50);
    expect(refreshes()).toBe(4);
    await pass(40);
    expect(refreshes()).toBe(8);
    await pass(100);
    expect(refreshes()).toBe(8);
    server.script = () => undefined;
    await pass(60);
    expect(refreshes()).toBe(9);
    expect(await made.auth.getSession()).not.toBeNull();
  });

  it("survives a lost answer by asking again within the server's grace", async () => {
    const { made } = await signedIn();
    let lost = 0;
    const { fetch } = server;
    const unlucky = client(server, {
      fetch: async (input, init) => {
        const answer = await fetch(input, init);
        if (String(input).endsWith("/refresh") && lost++ === 0) throw new TypeError("connection reset");
        return answer;
      },
    });
    await unlucky.auth.signIn(CREDENTIALS);
    await through(unlucky.auth.refreshSession());
    expect(lost).toBe(2);
    await through(unlucky.auth.refreshSession());
    expect(await unlucky.auth.getSession()).not.toBeNull();
    expect(await made.auth.getSession()).not.toBeNull();
  });

  it("honours Retry-After, also when the access token is refused meanwhile", async () => {
    const { made } = await signedIn();
    await pass(1000);
    server.script = (seen) =>
      seen.path.endsWith("/refresh")
        ? problem(429, "over_request_rate_limit", {}, { "Retry-After": "120" })
        : undefined;
    await made.auth.getSession();
    expect(refreshes()).toBe(1);
    await pass(100);
    expect(await caught(made.auth.getCurrentUser())).toMatchObject({ code: "token_expired" });
    expect(refreshes()).toBe(1);
    server.script = () => undefined;
    await pass(21);
    expect(await made.auth.getCurrentUser()).not.toBeNull();
    expect(refreshes()).toBe(2);
  });

  it("gives a server that never answers 15 s, and lets calls with a valid token go ahead after 2 s", async () => {
    const { made, session } = await signedIn({
      fetch: (input, init) =>
        String(input).endsWith("/refresh")
          ? new Promise((_, reject) => init?.signal?.addEventListener("abort", () => reject(new Error("aborted"))))
          : server.fetch(input, init),
    });
    await pass(850);
    const started = Date.now();
    const waited = made.auth.getSession().then((found) => [found?.id, Date.now() - started]);
    const error = caught(made.auth.refreshSession());
    await pass(20);
    expect(await waited).toEqual([session.id, 2000]);
    expect(await error).toBeInstanceOf(NetworkError);
    expect(await made.auth.getSession()).not.toBeNull();
  });
});

describe("definite outcomes end the session", () => {
  it.each([
    "signed_out",
    "expired",
    "idle",
    "password_changed",
    "email_changed",
    "factor_changed",
    "replaced",
    "reuse_detected",
    "admin",
    "banned",
    "user_deleted",
    "a_reason_of_next_year",
  ])("session_ended: %s", async (reason) => {
    const storage = new SharedStorage();
    const { made, session } = await signedIn({ storage });
    const events = record(made);
    server.end(session.id, reason);
    await pass(1000);
    expect(await made.auth.getSession()).toBeNull();
    expect(events.names).toEqual(["INITIAL_SESSION", "SIGNED_OUT"]);
    expect(events.reason).toBe(reason);
    expect(storage.items.size).toBe(0);
  });

  it("refresh_token_invalid, thrown to the caller who asked", async () => {
    const { made } = await signedIn();
    const events = record(made);
    server.sessions.clear();
    expect(await caught(made.auth.refreshSession())).toMatchObject({
      name: "AuthError",
      code: "refresh_token_invalid",
    });
    expect(events.reason).toBe("refresh_token_invalid");
  });

  it("a call meant as a person is never sent as the client's key when the session turns out to be over", async () => {
    const { made, session } = await signedIn({ serviceKey: "fb_service_abc" });
    server.end(session.id, "banned");
    await pass(1000);
    const error = await caught(made.from("todos").delete());
    expect(error).toMatchObject({ code: "session_ended", reason: "banned" });
    expect(server.seen.filter((seen) => seen.path.includes("/tables/"))).toEqual([]);
  });
});

describe("a refused access token", () => {
  const refuseOnce = () => {
    let left = 1;
    server.script = (seen) =>
      seen.path.includes("/tables/") && left-- > 0 ? problem(401, "token_expired") : undefined;
  };

  it("is refreshed once and the call repeated once, body and all", async () => {
    const { made } = await signedIn();
    refuseOnce();
    server.tables = () => new Response(null, { status: 201 });
    await made.from("todos").insert({ title: "x" });
    const [first, second] = server.seen.filter((seen) => seen.path.includes("/tables/"));
    expect(second?.body).toEqual(first?.body);
    expect(second?.headers.get("authorization")).not.toBe(first?.headers.get("authorization"));
  });

  it("is not tried a third time", async () => {
    const { made } = await signedIn();
    server.script = (seen) => (seen.path.includes("/tables/") ? problem(401, "token_expired") : undefined);
    expect(await caught(made.from("todos").select())).toMatchObject({ status: 401, code: "token_expired" });
    expect(refreshes()).toBe(1);
    expect(server.seen.filter((seen) => seen.path.includes("/tables/"))).toHaveLength(2);
    expect(await made.auth.getSession()).not.toBeNull();
  });

  it("other 401s are passed on as they are", async () => {
    const { made } = await signedIn();
    server.script = (seen) => (seen.path.includes("/tables/") ? problem(401, "42501") : undefined);
    expect(await caught(made.from("todos").select())).toMatchObject({ code: "42501" });
    expect(refreshes()).toBe(0);
  });

  it("is not repeated as somebody else who signed in meanwhile", async () => {
    const { made } = await signedIn();
    await client(server).auth.signUp({ ...CREDENTIALS, email: "eve@example.com" });
    let signIn: Promise<unknown> | undefined;
    server.script = (seen) => {
      if (!seen.path.includes("/tables/")) return undefined;
      signIn ??= made.auth.signIn({ ...CREDENTIALS, email: "eve@example.com" });
      return problem(401, "token_expired");
    };
    server.delay = () => (signIn ? 50 : 0);
    const error = await caught(through(made.from("todos").insert({ title: "private" })));
    expect(error).toMatchObject({ code: "token_expired" });
    expect(server.seen.filter((seen) => seen.path.includes("/tables/"))).toHaveLength(1);
  });
});

describe("what changes during a refresh wins", () => {
  it("signing out is not undone by tokens that arrive later", async () => {
    const storage = new SharedStorage();
    const { made } = await signedIn({ storage });
    const events = record(made);
    server.delay = () => 1000;
    const refresh = made.auth.refreshSession().catch(() => undefined);
    server.script = (seen) => (seen.path.endsWith("/signout") ? new Response(null, { status: 204 }) : undefined);
    await pass(0.1);
    server.delay = () => 0;
    await made.auth.signOut();
    await pass(5);
    await refresh;
    expect(await made.auth.getSession()).toBeNull();
    expect(storage.items.size).toBe(0);
    expect(events.names).toEqual(["INITIAL_SESSION", "SIGNED_OUT"]);
  });

  it("a newer look at the user does not make the new tokens get lost", async () => {
    const { made, session } = await signedIn();
    await pass(0);
    let refreshing: Promise<unknown> | undefined;
    server.delay = () => (refreshing === undefined ? 500 : 0);
    const first = made.auth.refreshSession();
    await pass(0.1);
    refreshing = first;
    await made.auth.updateUser({ data: { name: "late" } });
    await pass(1);
    await first;
    expect((await made.auth.getSession())?.refresh_token).not.toBe(session.refresh_token);
  });
});

describe("tokens stay out of sight", () => {
  it("no error and no log line of all the above holds one", async () => {
    const lines: string[] = [];
    const logger = { warn: (line: string) => lines.push(line), error: (line: string) => lines.push(line) };
    const { made, session } = await signedIn({ logger: logger as never });
    server.end(session.id, "admin");
    const error = (await caught(made.auth.refreshSession())) as Error;
    vi.useRealTimers();
    await settle();
    const all = lines.join() + JSON.stringify(error) + error.message + error.stack;
    expect(all).not.toContain(session.refresh_token);
    expect(all).not.toContain(session.access_token);
  });
});
