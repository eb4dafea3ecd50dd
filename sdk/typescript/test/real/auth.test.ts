import { afterEach, describe, expect, it } from "vitest";
import { AuthError, createClient, NetworkError, type SignOutReason } from "../../src/index.js";
import { caught, record } from "../support/unit.js";
import { connect, disposeAll, freshEmail, PASSWORD, refusal, SharedStorage, server, signedUp } from "./support.js";

afterEach(disposeAll);

const REASONS: SignOutReason[] = ["signed_out", "admin"];

describe("a wrong password", () => {
  it("has the same error in both faces, and tells nothing about the account", async () => {
    const { email } = await signedUp();
    const thrown = (await caught(connect().auth.signIn({ email, password: "WrongPassword123" }))) as AuthError;
    expect(thrown).toBeInstanceOf(AuthError);
    expect(thrown).toMatchObject({ name: "AuthError", code: "invalid_credentials" });
    expect([400, 401]).toContain(thrown.status);
    expect(thrown.requestId).toBeTruthy();
    expect(thrown.message).not.toContain(email);

    const client = createClient(server.url, server.clientKey);
    const { data, error } = await client.auth.signInWithPassword({ email: freshEmail(), password: "WrongPassword123" });
    client.dispose();
    expect(data).toEqual({ user: null, session: null });
    expect(error).toMatchObject({
      name: "AuthError",
      code: thrown.code,
      status: thrown.status,
      message: thrown.message,
    });
  });

  it("of a forbidden shape is pointed at", async () => {
    const error = (await caught(connect().auth.signUp({ email: freshEmail(), password: "short" }))) as AuthError;
    expect(error.status).toBeGreaterThanOrEqual(400);
    expect(error.status).toBeLessThan(500);
    expect(error.message).not.toContain("short");
  });
});

describe("a session", () => {
  it("starts, is kept, refreshed and ended with its events", async () => {
    const storage = new SharedStorage();
    const client = connect({ storage });
    const events = record(client);
    const email = freshEmail();
    const { session } = await client.auth.signUp({ email, password: PASSWORD, options: { data: { name: "Ada" } } });
    expect(session?.expires_in).toBeGreaterThan(0);
    expect(session?.user.user_metadata).toEqual({ name: "Ada" });

    const reopened = connect({ storage });
    expect((await reopened.auth.getSession())?.id).toBe(session?.id);
    expect((await reopened.auth.getCurrentUser())?.email).toBe(email);

    const refreshed = await client.auth.refreshSession();
    expect(refreshed.session.id).toBe(session?.id);
    await client.auth.updateUser({ data: { city: "London" } });
    expect((await client.auth.getCurrentUser())?.user_metadata).toEqual({ name: "Ada", city: "London" });
    await client.auth.signOut();
    expect(events.names).toEqual(["INITIAL_SESSION", "SIGNED_IN", "TOKEN_REFRESHED", "USER_UPDATED", "SIGNED_OUT"]);
    expect(storage.items.size).toBe(0);
    expect(await refusal(() => client.auth.setSession(refreshed.session))).toMatchObject({ code: "session_ended" });
  });

  it("that another device revokes ends here with its reason", async () => {
    const { client, email } = await signedUp();
    const other = connect();
    const { session } = await other.auth.signIn({ email, password: PASSWORD });
    const events = record(other);
    await client.auth.revokeSession(session?.id ?? "");
    const error = await refusal(() => other.auth.getCurrentUser());
    expect(error).toMatchObject({ status: 401, code: "session_ended" });
    expect(events.names).toEqual(["INITIAL_SESSION", "SIGNED_OUT"]);
    expect(REASONS).toContain(events.reason);
    expect(await other.auth.getSession()).toBeNull();
    expect(await client.auth.getCurrentUser()).not.toBeNull();
  });

  it("ends everywhere with scope global, and elsewhere with scope others", async () => {
    const { client, email } = await signedUp();
    const [one, two] = [connect(), connect()];
    for (const other of [one, two]) await other.auth.signIn({ email, password: PASSWORD });
    await one.auth.signOut({ scope: "others" });
    expect(await one.auth.getCurrentUser()).not.toBeNull();
    for (const ended of [client, two]) {
      expect(await refusal(() => ended.auth.getCurrentUser())).toMatchObject({ code: "session_ended" });
    }
    await client.auth.signIn({ email, password: PASSWORD });
    await client.auth.signOut({ scope: "global" });
    expect(await refusal(() => one.auth.getCurrentUser())).toMatchObject({ code: "session_ended" });
  });

  it("can be handed over", async () => {
    const { session, user } = await signedUp();
    const taken = await connect().auth.setSession(session);
    expect(taken.session.id).toBe(session.id);
    expect(taken.user.id).toBe(user.id);
  });

  it("of an unknown refresh token is refused definitely", async () => {
    const forged = { access_token: "not.a.jwt", refresh_token: "nonsense" };
    expect(await caught(connect().auth.setSession(forged))).toMatchObject({
      status: 401,
      code: "refresh_token_invalid",
    });
  });
});

describe("a network that fails", () => {
  it("is unknown: the session stays and is refreshed later", async () => {
    const storage = new SharedStorage();
    let down = false;
    const fetch: typeof globalThis.fetch = (input, init) =>
      down ? Promise.reject(new TypeError("fetch failed")) : globalThis.fetch(input, init);
    const { session } = await signedUp({ storage, fetch });
    storage.age(session.expires_in - 10);
    const client = connect({ storage, fetch });
    const events = record(client);
    down = true;
    expect((await client.auth.getSession())?.id).toBe(session.id);
    expect(await caught(client.auth.refreshSession())).toBeInstanceOf(NetworkError);
    expect(storage.items.size).toBe(1);
    down = false;
    const refreshed = await client.auth.refreshSession();
    expect(refreshed.session.id).toBe(session.id);
    expect(events.names).not.toContain("SIGNED_OUT");
  });

  it("is a NetworkError where nobody listens", async () => {
    const client = connect({ url: "http://127.0.0.1:9" });
    const error = await caught(client.auth.signIn({ email: freshEmail(), password: PASSWORD }));
    expect(error).toBeInstanceOf(NetworkError);
    expect(error).toMatchObject({ status: 0, code: "network_error" });
    const results = createClient("http://127.0.0.1:9");
    expect((await results.from("todos").select()).error).toMatchObject({ code: "network_error" });
    results.dispose();
  });
});
