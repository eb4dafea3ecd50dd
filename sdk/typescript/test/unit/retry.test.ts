import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { FakeServer, json, problem } from "../support/fake-server.js";
import { client, disposeAll } from "../support/unit.js";

let server: FakeServer;
beforeEach(() => {
  server = new FakeServer();
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
  disposeAll();
});

const from = () => client(server).from("t");
const unreachable = () => new TypeError("fetch failed");
const unavailable = (headers: HeadersInit = {}) => problem(503, "unavailable", {}, headers);

/** What a query came to, after how many seconds, and when each request was sent. */
async function course(query: PromiseLike<unknown>) {
  const begun = Date.now();
  const at: number[] = [];
  const script = server.script;
  server.script = (seen) => {
    at.push((Date.now() - begun) / 1000);
    return script(seen);
  };
  let ended = 0;
  const settled = Promise.allSettled([query]).then((outcomes) => {
    ended = (Date.now() - begun) / 1000;
    return outcomes;
  });
  await vi.runAllTimersAsync();
  const [outcome] = await settled;
  return {
    at,
    ended,
    value: outcome?.status === "fulfilled" ? outcome.value : undefined,
    error: outcome?.status === "rejected" ? outcome.reason : undefined,
  };
}

describe("a read is sent again", () => {
  it.each([
    ["there is no answer", unreachable],
    ["the server is unavailable", () => unavailable()],
    ["a proxy has no answer", () => new Response("", { status: 520 })],
  ])("when %s, three times at most", async (_, failure) => {
    server.script = failure;
    const { at, error } = await course(from().select());
    expect(at).toEqual([0, 1, 3, 7]);
    expect(error).toBeDefined();
    expect(server.seen.map(({ headers }) => headers.get("x-retry-count"))).toEqual([null, "1", "2", "3"]);
  });

  it("until it is answered", async () => {
    server.script = () => (server.seen.length === 2 ? json(200, [7]) : unreachable());
    expect(await course(from().select())).toMatchObject({ at: [0, 1], value: [7] });
    server.script = () => (server.seen.length === 4 ? new Response(null) : unavailable());
    expect((await course(from().select("*", { head: true }))).at).toEqual([0, 1]);
  });

  it("when the server says, but not after half a minute", async () => {
    server.script = () => (server.seen.length === 1 ? unavailable({ "Retry-After": "5" }) : json(200, []));
    expect((await course(from().select())).at).toEqual([0, 5]);
    server.script = () => unavailable({ "Retry-After": "31" });
    expect(await course(from().select())).toMatchObject({ at: [0], error: { status: 503, retryAfter: 31 } });
  });
});

describe("a call that a rate limit refuses", () => {
  const limited = (headers: HeadersInit = { "Retry-After": "3" }) => problem(429, "rate_limited", {}, headers);

  it.each([
    ["of rows", () => from().select()],
    ["of an account", () => client(server, { serviceKey: "fb_service_x" }).admin.listUsers()],
  ])("is sent once more as a read %s", async (_, query) => {
    server.script = () => limited();
    expect(await course(query())).toMatchObject({ at: [0, 3], error: { status: 429, retryAfter: 3 } });
  });

  it("may pass the second time", async () => {
    server.script = () => (server.seen.length === 1 ? limited() : json(200, [7]));
    expect(await course(from().select())).toMatchObject({ at: [0, 3], value: [7] });
  });

  it.each([
    ["a write", () => from().insert({}), () => limited()],
    ["a read that asks for it", () => from().select().retry(false), () => limited()],
    [
      "a read that would wait for more than half a minute",
      () => from().select(),
      () => limited({ "Retry-After": "31" }),
    ],
    ["a read that is not told how long", () => from().select(), () => limited({})],
  ])("is not sent again as %s", async (_, query, refusal) => {
    server.script = () => refusal();
    expect(await course(query())).toMatchObject({ at: [0], error: { status: 429 } });
  });
});

describe("a query is sent once", () => {
  it.each([
    ["a write", () => from().insert({})],
    ["a call by POST", () => client(server).rpc("f")],
    ["a read that asks for it", () => from().select().retry(false)],
  ])("when it is %s", async (_, query) => {
    server.script = () => unavailable();
    expect(await course(query())).toMatchObject({ at: [0], error: { status: 503 } });
  });

  it("when it has been answered, whatever the answer", async () => {
    server.script = () => problem(500, "internal");
    expect(await course(from().select())).toMatchObject({ at: [0], error: { status: 500 } });
  });

  it("when it is aborted, also while it waits", async () => {
    const controller = new AbortController();
    server.script = () => {
      setTimeout(() => controller.abort(), 500);
      return unreachable();
    };
    expect(await course(from().select().abortSignal(controller.signal))).toMatchObject({
      at: [0],
      ended: 0.5,
      error: { code: "aborted" },
    });
    expect(await course(from().select().abortSignal(controller.signal))).toMatchObject({
      ended: 0,
      error: { code: "aborted" },
    });
  });
});
