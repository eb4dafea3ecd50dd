import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createClient } from "../../src/index.js";
import { FakeServer } from "../support/fake-server.js";
import { CREDENTIALS, caught, client, disposeAll, record, SharedStorage, turn } from "../support/unit.js";

const { email, password } = CREDENTIALS;
let server: FakeServer;
beforeEach(() => {
  server = new FakeServer();
});
afterEach(disposeAll);

describe("an anonymous user", () => {
  it("is signed in without an account, with metadata if wanted", async () => {
    const made = client(server);
    const events = record(made);
    const { user, session } = await made.auth.signInAnonymously({ options: { data: { cart: 1 } } });
    expect(user).toMatchObject({ is_anonymous: true, email: null, user_metadata: { cart: 1 } });
    expect(await made.auth.getSession()).toEqual(session);
    expect(events.names).toEqual(["INITIAL_SESSION", "SIGNED_IN"]);
    await client(server).auth.signInAnonymously();
    expect(server.requests("/anonymous").map(({ body }) => body)).toEqual([{ data: { cart: 1 } }, {}]);
  });

  it("becomes permanent: same id, same session, new tokens, in storage too", async () => {
    const storage = new SharedStorage();
    const made = client(server, { storage });
    const before = await made.auth.signInAnonymously();
    const events = record(made);
    const { user, session } = await made.auth.convertAnonymousUser({ email, password, options: { data: { a: 1 } } });
    expect(user).toMatchObject({ id: before.user.id, email, is_anonymous: false, user_metadata: { a: 1 } });
    expect(session.id).toBe(before.session.id);
    expect(session.user).toEqual(user);
    expect(await made.auth.getSession()).toEqual(session);
    expect(await client(server, { storage }).auth.getSession()).toEqual(session);
    expect(events.names).toEqual(["INITIAL_SESSION", "USER_UPDATED", "TOKEN_REFRESHED"]);
    expect((await made.auth.refreshSession()).session.id).toBe(before.session.id);
    expect([...server.sessions.values()].map(({ ended }) => ended)).toEqual([undefined]);
  });

  it("stays anonymous and signed in until the address is confirmed", async () => {
    server.confirm = true;
    const made = client(server);
    const before = await made.auth.signInAnonymously();
    const converted = await made.auth.convertAnonymousUser({ email, password });
    expect(converted.flow_id).toBe(server.mail.last(email).flow);
    expect(converted.user).toMatchObject({ id: before.user.id, is_anonymous: true, new_email: email });
    expect(converted.session.id).toBe(before.session.id);
    expect(await made.auth.getSession()).toEqual(converted.session);
  });

  it("goes on in the same session once the address is confirmed: the page waits by itself, as the guest", async () => {
    server.confirm = true;
    const storage = new SharedStorage();
    const made = client(server, { storage, waitForLinks: true });
    const before = await made.auth.signInAnonymously();
    const { flow_id, session: guest } = await made.auth.convertAnonymousUser({ email, password });
    await expect.poll(() => server.requests("/flow")).toHaveLength(1);
    const [request] = server.requests("/flow");
    expect(request?.body).toEqual({ flow_id });
    expect(request?.headers.get("authorization")).toBe(`Bearer ${guest.access_token}`);
    const events = record(made);
    await turn();
    server.mail.open(server.mail.last(email));
    await expect.poll(() => events.names).toEqual(["INITIAL_SESSION", "USER_UPDATED", "TOKEN_REFRESHED"]);
    const session = await made.auth.getSession();
    expect(session?.id).toBe(before.session.id);
    expect(session?.user).toMatchObject({ id: before.user.id, email, is_anonymous: false });
    expect(await client(server, { storage }).auth.getSession()).toEqual(session);
    expect(server.sessions.size).toBe(1);
  });

  it("is asked for as nobody by everybody else, and by a guest whose session has ended", async () => {
    server.confirm = true;
    const made = client(server);
    const { session } = await made.auth.signInAnonymously();
    const { flow_id = "" } = await made.auth.convertAnonymousUser({ email, password });
    server.end(session.id, "admin");
    const waiting = made.auth.waitForSignIn(flow_id);
    await expect.poll(() => server.requests("/flow")).toHaveLength(2);
    expect(server.requests("/flow")[1]?.headers.has("authorization")).toBe(false);
    server.mail.open(server.mail.last(email));
    expect((await waiting).session?.id).not.toBe(session.id);
    const other = made.auth.waitForSignIn((await made.auth.sendMagicLink({ email })).flow_id);
    await expect.poll(() => server.requests("/flow")).toHaveLength(3);
    expect(server.requests("/flow")[2]?.headers.has("authorization")).toBe(false);
    server.mail.open(server.mail.last(email));
    await other;
  });

  it("loses nothing when the address is taken", async () => {
    await client(server).auth.signUp(CREDENTIALS);
    const made = client(server);
    const { session } = await made.auth.signInAnonymously();
    const events = record(made);
    const error = await caught(made.auth.convertAnonymousUser(CREDENTIALS));
    expect(error).toMatchObject({ status: 409, code: "user_already_exists" });
    expect(await made.auth.getSession()).toEqual(session);
    expect(events.names).toEqual(["INITIAL_SESSION"]);
    expect((await made.auth.getCurrentUser())?.is_anonymous).toBe(true);
    expect(await caught(client(server).auth.convertAnonymousUser(CREDENTIALS))).toMatchObject({
      code: "session_missing",
    });
  });
});

describe("changes of one's own account", () => {
  async function signedIn() {
    const made = client(server);
    await made.auth.signUp(CREDENTIALS);
    return { made, events: record(made) };
  }

  it("asks for another address", async () => {
    const { made, events } = await signedIn();
    const user = await made.auth.updateEmail({ email: "new@example.com", password });
    expect(user).toMatchObject({ email, new_email: "new@example.com" });
    expect(server.requests("/user/email")[0]).toMatchObject({
      method: "PUT",
      body: { email: "new@example.com", password },
    });
    expect((await made.auth.getSession())?.user.new_email).toBe("new@example.com");
    expect(events.names).toEqual(["INITIAL_SESSION", "USER_UPDATED"]);
  });

  it("changes the password, which ends the other sessions", async () => {
    const { made, events } = await signedIn();
    const other = client(server);
    await other.auth.signIn(CREDENTIALS);
    const elsewhere = record(other);
    await made.auth.updatePassword({ current_password: password, new_password: "NewPassword123" });
    expect(server.requests("/user/password")[0]).toMatchObject({
      method: "PUT",
      body: { current_password: password, new_password: "NewPassword123" },
    });
    expect(events.names).toEqual(["INITIAL_SESSION", "USER_UPDATED"]);
    expect(await made.auth.getCurrentUser()).not.toBeNull();
    await caught(other.auth.getCurrentUser());
    expect(elsewhere.reason).toBe("password_changed");
    const wrong = made.auth.updatePassword({ current_password: "wrong", new_password: "x" });
    expect(await caught(wrong)).toMatchObject({ code: "invalid_credentials" });
  });

  it("deletes the account; a failure leaves everything as it was", async () => {
    const { made, events } = await signedIn();
    expect(await caught(made.auth.deleteUser({ password: "wrong" }))).toMatchObject({ code: "invalid_credentials" });
    server.script = () => new TypeError("fetch failed");
    expect(await caught(made.auth.deleteUser({ password }))).toMatchObject({ code: "network_error" });
    server.script = () => undefined;
    expect(await made.auth.getSession()).not.toBeNull();
    await made.auth.deleteAccount({ password });
    expect(await made.auth.getSession()).toBeNull();
    expect(events.names).toEqual(["INITIAL_SESSION", "SIGNED_OUT"]);
    expect(events.reason).toBe("user_deleted");
    expect(await caught(made.auth.signIn(CREDENTIALS))).toMatchObject({ code: "invalid_credentials" });
  });

  it("is refused with reauthentication_needed, and goes on after a mailed code", async () => {
    const { made } = await signedIn();
    server.mfa.stale = true;
    const change = () => made.auth.updatePassword({ new_password: "NewPassword123" });
    expect(await caught(change())).toMatchObject({ name: "AuthError", status: 403, code: "reauthentication_needed" });
    expect(await made.auth.reauthenticate()).toEqual({ auth_time: null });
    const { code } = server.mail.last(email);
    expect(await caught(made.auth.reauthenticate({ code: "000000" }))).toMatchObject({ status: 401 });
    expect(await made.auth.getSession()).not.toBeNull();
    expect(await made.auth.reauthenticate({ code })).toEqual({ auth_time: 1_900_000_000 });
    expect((await change()).email).toBe(email);
    expect(server.requests("/reauthenticate").map(({ body }) => body)).toEqual([{}, { code: "000000" }, { code }]);
  });

  it("takes all changes in one call, and tells what was done before one was refused", async () => {
    const { made, events } = await signedIn();
    server.mfa.stale = true;
    await made.auth.reauthenticate();
    const { code: nonce } = server.mail.last(email);
    const user = await made.auth.updateUser({
      nonce,
      password: "NewPassword123",
      email: "n@example.com",
      data: { a: 1 },
    });
    expect(user).toMatchObject({ new_email: "n@example.com", user_metadata: { a: 1 } });
    const refused = made.auth.updateUser({ email: "m@example.com", current_password: "wrong", data: { a: 2 } });
    expect(await caught(refused)).toMatchObject({ code: "invalid_credentials" });
    expect((await made.auth.getCurrentUser())?.user_metadata).toEqual({ a: 1 });
    expect(new Set(events.names.slice(1))).toEqual(new Set(["USER_UPDATED"]));
  });

  it("needs somebody who is signed in; settings need nobody", async () => {
    const { auth } = client(server);
    for (const work of [
      auth.updateEmail({ email }),
      auth.updatePassword({ new_password: "x" }),
      auth.updateUser({ password: "x" }),
      auth.deleteUser(),
      auth.reauthenticate(),
    ]) {
      expect(await caught(work)).toMatchObject({ code: "session_missing" });
    }
    expect(server.seen).toEqual([]);
    expect(await auth.getSettings()).toMatchObject({ magic_link: true, password: { min_length: 8 } });
    expect(await createClient(server.url, undefined, { fetch: server.fetch }).auth.getSettings()).toMatchObject({
      data: { signup_enabled: true },
      error: null,
    });
  });
});

describe("calls", () => {
  it("may be taken out of their client", async () => {
    const { signUp, getCurrentUser } = client(server).auth;
    await signUp(CREDENTIALS);
    expect((await getCurrentUser())?.email).toBe(email);
  });
});
