import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AuthError, createClient, FluxbaseClient, NetworkError, VERSION } from "../../src/index.js";
import { FakeServer, json, problem } from "../support/fake-server.js";
import { CREDENTIALS, caught, client, disposeAll, Lines, record, SharedStorage, settle } from "../support/unit.js";

let server: FakeServer;
beforeEach(() => {
  server = new FakeServer();
});
afterEach(disposeAll);

describe("signing up and in", () => {
  it("sends the metadata at the top level and resolves user and session", async () => {
    const made = client(server);
    const { user, session } = await made.auth.signUp({ ...CREDENTIALS, options: { data: { name: "Ada" } } });
    expect(server.requests("/signup")[0]?.body).toEqual({ ...CREDENTIALS, data: { name: "Ada" } });
    expect(user?.user_metadata).toEqual({ name: "Ada" });
    expect(session?.token_type).toBe("bearer");
    expect(session?.user).toEqual(user);
    expect(await made.auth.getSession()).toEqual(session);
  });

  it("resolves session null while the address must be confirmed, and signs nobody in", async () => {
    const made = client(server);
    server.script = () => json(201, { user: null, session: null });
    expect(await made.auth.signUp(CREDENTIALS)).toEqual({ user: null, session: null });
    expect(await made.auth.getSession()).toBeNull();
  });

  it("passes a demand for a second factor on without signing anybody in", async () => {
    const made = client(server);
    server.script = () => json(200, { requires_2fa: true, mfa_token: "m", methods: ["totp"] });
    const { requires_2fa, session } = await made.auth.signIn(CREDENTIALS);
    expect([requires_2fa, session]).toEqual([true, null]);
    expect(await made.auth.getSession()).toBeNull();
  });

  it("throws a typed error in the value face", async () => {
    const made = client(server);
    const error = (await caught(made.auth.signIn(CREDENTIALS))) as AuthError;
    expect(error).toBeInstanceOf(AuthError);
    expect(error).toMatchObject({ name: "AuthError", status: 401, code: "invalid_credentials", requestId: "req-1" });
  });

  it("returns the same error in the result face, with the empty data of supabase-js", async () => {
    const made = createClient(server.url, "fb_client_abc", { fetch: server.fetch, autoRefreshToken: false });
    const { data, error } = await made.auth.signInWithPassword(CREDENTIALS);
    expect(data).toEqual({ user: null, session: null });
    expect(error).toMatchObject({ status: 401, code: "invalid_credentials" });
    expect((await made.auth.getUser()).error?.code).toBe("session_missing");
    expect(await made.auth.getSession()).toEqual({ data: { session: null }, error: null });
  });

  it("refuses an answer without a session instead of storing half of one", async () => {
    const made = client(server);
    server.script = () => json(200, { user: { id: "u" }, session: { id: "s" } });
    expect(await caught(made.auth.signIn(CREDENTIALS))).toMatchObject({ code: "invalid_response" });
    expect(await made.auth.getSession()).toBeNull();
  });
});

describe("headers", () => {
  it("names the application and the package, and sends the person only where asked for", async () => {
    const made = client(server, { clientKey: "fb_client_abc", headers: { "X-Sub-Tenant-ID": "acme" } });
    await made.auth.signUp(CREDENTIALS);
    await made.auth.getCurrentUser();
    await made.auth.signIn(CREDENTIALS);
    const [signUp, user, signIn] = server.seen;
    for (const seen of [signUp, user, signIn]) {
      expect(seen?.headers.get("apikey")).toBe("fb_client_abc");
      expect(seen?.headers.get("x-client-info")).toBe(`fluxbase-js/${VERSION}`);
      expect(seen?.headers.get("x-sub-tenant-id")).toBe("acme");
    }
    expect(user?.headers.get("authorization")).toMatch(/^Bearer /);
    expect(signUp?.headers.has("authorization")).toBe(false);
    expect(signIn?.headers.has("authorization")).toBe(false);
  });

  it("sends a service key until somebody signs in", async () => {
    const made = client(server, { serviceKey: "fb_service_abc" });
    await made.from("users").select();
    expect(server.seen.at(-1)?.headers.get("authorization")).toBe("Bearer fb_service_abc");
    const { session } = await made.auth.signUp(CREDENTIALS);
    await made.from("users").select();
    expect(server.seen.at(-1)?.headers.get("authorization")).toBe(`Bearer ${session?.access_token}`);
  });

  it("tells a key's kind by its prefix in createClient", async () => {
    await createClient(server.url, "fb_service_x", { fetch: server.fetch }).from("t").select();
    await createClient(server.url, "fb_client_x", { fetch: server.fetch }).from("t").select();
    const [service, publishable] = server.seen;
    expect(service?.headers.get("authorization")).toBe("Bearer fb_service_x");
    expect(service?.headers.has("apikey")).toBe(false);
    expect(publishable?.headers.get("apikey")).toBe("fb_client_x");
    expect(publishable?.headers.has("authorization")).toBe(false);
  });

  it.each([
    [{ url: "localhost:8080" }],
    [{ url: "nonsense" }],
    [{ url: "http://user:pass@host" }],
    [{ url: "http://host", serviceKey: "" }],
    [{ url: "http://host", serviceKey: "fb_service_secret\n" }],
    [{ url: "http://host", serviceKey: "fb_service_a", apiKey: "fb_api_b" }],
    [{ url: "http://host", headers: { "X-Note": "secret\nline" } }],
    [{ url: "http://host", headers: { Authorization: "Bearer secret" } }],
  ])("refuses options that make no sense: %j", (options) => {
    expect(() => new FluxbaseClient(options)).toThrow(expect.objectContaining({ code: "invalid_options" }));
    try {
      new FluxbaseClient(options);
    } catch (error) {
      expect(String(error)).not.toContain("secret");
    }
  });

  it("warns when the service key's environment variable is not set", () => {
    const logger = new Lines();
    client(server, { serviceKey: process.env["FLUXBASE_NOT_SET_ANYWHERE"], logger });
    expect(logger.lines.join()).toContain("serviceKey is undefined");
  });
});

describe("signing out", () => {
  it("ends this session on the server, wipes the storage and says why", async () => {
    const storage = new SharedStorage();
    const made = client(server, { storage });
    const events = record(made);
    await made.auth.signUp(CREDENTIALS);
    expect(storage.items.size).toBe(1);
    await made.auth.signOut();
    expect(server.requests("/signout")[0]?.body).toEqual({ scope: "local" });
    expect(storage.items.size).toBe(0);
    expect(events.names).toEqual(["INITIAL_SESSION", "SIGNED_IN", "SIGNED_OUT"]);
    expect(events.reason).toBe("signed_out");
    expect(await made.auth.getCurrentUser()).toBeNull();
  });

  it("wipes the storage when the server cannot be told, and reports that", async () => {
    const storage = new SharedStorage();
    const made = client(server, { storage });
    const events = record(made);
    await made.auth.signUp(CREDENTIALS);
    server.script = () => new TypeError("fetch failed");
    expect(await caught(made.auth.signOut())).toBeInstanceOf(NetworkError);
    expect(storage.items.size).toBe(0);
    expect(events.names.at(-1)).toBe("SIGNED_OUT");
    const again = createClient(server.url, undefined, { fetch: server.fetch });
    expect(await again.auth.signOut()).toEqual({ error: null });
  });

  it("is content with a session that is already over", async () => {
    const made = client(server);
    const { session } = await made.auth.signUp(CREDENTIALS);
    server.end(session?.id ?? "", "admin");
    await made.auth.signOut();
    expect(await made.auth.getSession()).toBeNull();
  });

  it("keeps this session with scope others", async () => {
    const made = client(server);
    await made.auth.signUp(CREDENTIALS);
    server.script = () => new Response(null, { status: 204 });
    await made.auth.signOut({ scope: "others" });
    expect(await made.auth.getSession()).not.toBeNull();
  });
});

describe("sessions and the user", () => {
  it("lists over all pages and ends others and itself", async () => {
    const first = client(server);
    const second = client(server);
    await first.auth.signUp(CREDENTIALS);
    const { session } = await second.auth.signIn(CREDENTIALS);
    const listed = await first.auth.listSessions();
    expect(listed.map((one) => one.current)).toEqual([true, false]);

    const events = record(second);
    await first.auth.revokeSession(session?.id ?? "");
    const error = await caught(second.auth.getCurrentUser());
    expect(error).toMatchObject({ status: 401, code: "session_ended", reason: "signed_out" });
    expect(events.names).toEqual(["INITIAL_SESSION", "SIGNED_OUT"]);

    const own = await first.auth.getSession();
    const mine = record(first);
    await first.auth.revokeSession(own?.id ?? "");
    expect(mine.names.at(-1)).toBe("SIGNED_OUT");
  });

  it("revokes all others, or everything", async () => {
    const made = client(server);
    await made.auth.signUp(CREDENTIALS);
    await made.auth.revokeAllSessions({ except_current: true });
    expect(server.seen.at(-1)?.search.get("except_current")).toBe("true");
    expect(await made.auth.getSession()).not.toBeNull();
    await made.auth.revokeAllSessions();
    expect(server.requests("/signout").at(-1)?.body).toEqual({ scope: "global" });
    expect(await made.auth.getSession()).toBeNull();
  });

  it("updates metadata, keeps it in the session, and tells the listeners", async () => {
    const storage = new SharedStorage();
    const made = client(server, { storage });
    await made.auth.signUp(CREDENTIALS);
    const events = record(made);
    await settle();
    const user = await made.auth.updateUser({ data: { name: "Countess" } });
    expect(user.user_metadata).toEqual({ name: "Countess" });
    expect(events.names).toEqual(["INITIAL_SESSION", "USER_UPDATED"]);
    const reopened = client(server, { storage });
    expect((await reopened.auth.getSession())?.user.user_metadata).toEqual({ name: "Countess" });
  });

  it("says session_missing without a round trip when nobody is signed in", async () => {
    const made = client(server);
    for (const work of [
      made.auth.updateUser({ data: {} }),
      made.auth.listSessions(),
      made.auth.refreshSession(),
      made.auth.revokeSession("x"),
    ]) {
      expect(await caught(work)).toMatchObject({ code: "session_missing" });
    }
    expect(server.seen).toEqual([]);
  });

  it("takes over tokens from elsewhere, refreshing spent ones", async () => {
    const { session } = await client(server).auth.signUp(CREDENTIALS);
    if (session === null) throw new Error("no session");
    const made = client(server);
    const events = record(made);
    const taken = await made.auth.setSession(session);
    expect(taken.session.id).toBe(session.id);
    expect(taken.user.email).toBe(CREDENTIALS.email);
    expect(events.names).toEqual(["INITIAL_SESSION", "SIGNED_IN"]);
    expect(server.requests("/refresh")).toHaveLength(0);

    server.skew = 10_000; // by the server's clock the token is spent, by ours it is not
    const later = await client(server).auth.setSession(session);
    expect(later.session.refresh_token).not.toBe(session.refresh_token);
    await expect(client(server).auth.setSession({ access_token: "x", refresh_token: "y" })).rejects.toMatchObject({
      code: "refresh_token_invalid",
    });
  });
});

describe("listeners", () => {
  it("greets with the session there is, before anything else", async () => {
    const storage = new SharedStorage();
    const made = client(server, { storage });
    const early = record(made);
    await made.auth.signUp(CREDENTIALS);
    expect(early.changes.map(([event, session]) => [event, session === null])).toEqual([
      ["INITIAL_SESSION", true],
      ["SIGNED_IN", false],
    ]);
    const late = record(client(server, { storage }));
    await settle();
    expect(late.changes.map(([event, session]) => [event, session === null])).toEqual([["INITIAL_SESSION", false]]);
  });

  it("does not let one that throws disturb the others, and logs no more than its name", async () => {
    const logger = new Lines();
    const made = client(server, { logger });
    made.auth.onAuthStateChange(() => {
      throw new TypeError("secret-in-message");
    });
    made.auth.onAuthStateChange(() => Promise.reject(new RangeError("secret-in-message")));
    const events = record(made);
    await made.auth.signUp(CREDENTIALS);
    await settle();
    expect(events.names).toEqual(["INITIAL_SESSION", "SIGNED_IN"]);
    expect(logger.lines).toHaveLength(4);
    expect(logger.lines.join()).not.toContain("secret");
  });

  it("stops at unsubscribe; the result face wraps the subscription", async () => {
    const made = createClient(server.url, undefined, { fetch: server.fetch });
    let calls = 0;
    const { data } = made.auth.onAuthStateChange(() => calls++);
    data.subscription.unsubscribe();
    await made.auth.signUp(CREDENTIALS);
    expect(calls).toBe(0);
    made.dispose();
  });

  it("may call the client from inside", async () => {
    const made = client(server);
    const users: unknown[] = [];
    made.auth.onAuthStateChange(async (event) => {
      if (event === "SIGNED_IN") users.push(await made.auth.getCurrentUser());
    });
    await made.auth.signUp(CREDENTIALS);
    await settle();
    expect(users).toHaveLength(1);
  });
});

describe("errors", () => {
  it("carries the fields of a problem document", async () => {
    server.script = () =>
      problem(
        422,
        "validation_failed",
        { errors: [{ pointer: "/password", detail: "too short" }] },
        { "Retry-After": "7" },
      );
    expect(await caught(client(server).auth.signUp(CREDENTIALS))).toMatchObject({
      code: "validation_failed",
      fields: [{ pointer: "/password", detail: "too short" }],
      retryAfter: 7,
    });
  });

  it("does not quote a page that is not a problem document", async () => {
    server.script = () => new Response("<html>token=abc</html>", { status: 502 });
    const error = (await caught(client(server).auth.signIn(CREDENTIALS))) as AuthError;
    expect(error).toMatchObject({ status: 502, code: "http_502" });
    expect(JSON.stringify(error) + error.message).not.toContain("abc");
  });

  it("does not follow a redirect, which could carry secrets elsewhere", async () => {
    server.script = () => new Response(null, { status: 307, headers: { Location: "https://elsewhere.test/" } });
    const error = (await caught(client(server).auth.signIn(CREDENTIALS))) as NetworkError;
    expect(error).toMatchObject({ name: "NetworkError", message: expect.stringContaining("redirected") });
    expect(server.seen).toHaveLength(1);
  });

  it("drops the text of the runtime's own errors, which may quote a header", async () => {
    server.script = () => new TypeError('Headers.append: "Bearer secret" is an invalid header value.');
    const error = (await caught(client(server).auth.signIn(CREDENTIALS))) as NetworkError;
    expect(error).toMatchObject({ name: "NetworkError", status: 0, code: "network_error" });
    expect(`${error.message}${error.stack}${String(error.cause)}`).not.toContain("secret");
  });

  it("keeps instanceof honest for subclasses written elsewhere", () => {
    class Mine extends AuthError {}
    const theirs = new AuthError("x", { status: 401, code: "c" });
    expect(theirs).toBeInstanceOf(AuthError);
    expect(theirs).not.toBeInstanceOf(Mine);
    expect(theirs).not.toBeInstanceOf(NetworkError);
    expect(new Mine("x", { status: 401, code: "c" })).toBeInstanceOf(Mine);
    expect(null).not.toBeInstanceOf(AuthError);
  });
});
