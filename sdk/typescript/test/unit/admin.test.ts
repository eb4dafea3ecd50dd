import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createClient } from "../../src/index.js";
import { FakeServer } from "../support/fake-server.js";
import { CREDENTIALS, caught, client, disposeAll, record } from "../support/unit.js";

const KEY = "fb_service_abc";
let server: FakeServer;
beforeEach(() => {
  server = new FakeServer();
});
afterEach(disposeAll);

const last = () => {
  const { method, path, search, body } = server.seen.at(-1) ?? {};
  return [`${method} ${path?.replace("/api/v1/admin", "")}`, search?.toString(), body];
};

describe("client.admin", () => {
  it("makes, finds, changes and deletes users", async () => {
    const { admin } = client(server, { serviceKey: KEY });
    const made = await admin.createUser({
      email: "a@example.com",
      password: "SecurePassword123",
      email_verified: true,
    });
    expect(made.email).toBe("a@example.com");
    expect(last()).toEqual([
      "POST /users",
      "",
      { email: "a@example.com", password: "SecurePassword123", email_verified: true },
    ]);
    const invited = await admin.inviteUser({ email: "b@example.com", data: { team: 1 }, redirectTo: "https://x.test" });
    expect(last()).toEqual([
      "POST /users/invite",
      "",
      { email: "b@example.com", data: { team: 1 }, redirect_to: "https://x.test" },
    ]);
    expect(invited.user_metadata).toEqual({ team: 1 });
    expect(await caught(admin.inviteUser({ email: "b@example.com" }))).toMatchObject({ code: "user_already_exists" });
    expect(await admin.getUser(made.id)).toEqual(made);
    expect((await admin.updateUser(made.id, { app_metadata: { plan: "pro" } })).app_metadata).toEqual({ plan: "pro" });
    expect(last()).toEqual([`PATCH /users/${made.id}`, "", { app_metadata: { plan: "pro" } }]);
    expect(await admin.deleteUser(made.id, { dry_run: true })).toMatchObject({ deleted: false, blocked: false });
    expect(await admin.getUser(made.id)).toMatchObject({ id: made.id });
    expect(await admin.deleteUser(made.id)).toMatchObject({ deleted: true, sessions: 0 });
    expect(await caught(admin.getUser(made.id))).toMatchObject({ name: "AuthError", code: "user_not_found" });
  });

  it("lists by page, with a filter", async () => {
    const { admin } = client(server, { serviceKey: KEY });
    for (const name of ["a", "b", "c"]) await admin.createUser({ email: `${name}@example.com` });
    const first = await admin.listUsers({ limit: 2, cursor: null });
    expect(first.items.map((one) => one.email)).toEqual(["a@example.com", "b@example.com"]);
    const second = await admin.listUsers({ limit: 2, cursor: first.next_cursor });
    expect([second.items.length, second.next_cursor]).toEqual([1, null]);
    await admin.listUsers({ email: "b@example.com", metadata: { a: 1 }, created_after: "2030-01-01T00:00:00Z" });
    expect(Object.fromEntries(server.seen.at(-1)?.search ?? [])).toEqual({
      email: "b@example.com",
      metadata: '{"a":1}',
      created_after: "2030-01-01T00:00:00Z",
    });
  });

  it("ends sessions and bans, and the person hears why", async () => {
    const { admin } = client(server, { serviceKey: KEY });
    const person = client(server);
    const { user } = await person.auth.signUp(CREDENTIALS);
    const id = user?.id ?? "";
    expect(await admin.listUserSessions(id)).toHaveLength(1);
    const events = record(person);
    expect(await admin.revokeUserSessions(id)).toEqual({ ended: 1 });
    await caught(person.auth.getCurrentUser());
    expect(events.reason).toBe("admin");

    await person.auth.signIn(CREDENTIALS);
    const again = record(person);
    await admin.banUser(id, { until: "2040-01-01T00:00:00Z", reason: "spam" });
    expect(last()).toEqual([`POST /users/${id}/ban`, "", { until: "2040-01-01T00:00:00Z", reason: "spam" }]);
    await caught(person.auth.getCurrentUser());
    expect(again.reason).toBe("banned");
    expect((await admin.unbanUser(id)).banned_until).toBeNull();
    expect((await admin.banUser(id)).banned_until).toBe("infinity");
  });

  it("takes lost factors away, one or all", async () => {
    const { admin } = client(server, { serviceKey: KEY });
    const factors = ["phone", "tablet"].map((name) => ({ id: name, name, verified: true }));
    const { id } = server.add({ email: "a@example.com", factors, recovery: ["x"] });
    expect((await admin.listUserFactors(id)).factors.map(({ name }) => name)).toEqual(["phone", "tablet"]);
    const { factors: left } = await admin.removeUserFactor(id, "phone", { reason: "ticket 1" });
    expect(last()).toEqual([`DELETE /users/${id}/factors`, "factor=phone", { reason: "ticket 1" }]);
    expect(left).toMatchObject([{ id: "tablet" }]);
    expect(await caught(admin.removeUserFactor(id, "phone", { reason: "again" }))).toMatchObject({
      code: "mfa_factor_not_found",
    });
    expect(await caught(admin.resetUserFactors(id, { reason: "" }))).toMatchObject({ code: "reason_required" });
    await admin.unlockUserFactors(id);
    expect(last()).toEqual([`POST /users/${id}/factors/unlock`, "", undefined]);
    expect(await admin.resetUserFactors(id, { reason: "ticket 2" })).toMatchObject({
      factors: [],
      recovery_codes_left: 0,
    });
    expect(last()).toEqual([`DELETE /users/${id}/factors`, "", { reason: "ticket 2" }]);
  });

  it("acts as a user in a session that this client does not take for its own", async () => {
    const made = client(server, { serviceKey: KEY });
    const { id } = server.add({ email: "a@example.com" });
    const { user, session } = await made.admin.impersonateUser(id, { reason: "ticket 1", expires_in: 60 });
    expect(last()).toEqual([`POST /users/${id}/impersonate`, "", { reason: "ticket 1", expires_in: 60 }]);
    expect([user.id, session.user.id]).toEqual([id, id]);
    expect(await made.auth.getSession()).toBeNull();
    expect(await made.admin.endImpersonation(session.id)).toBeUndefined();
    expect(last()[0]).toBe(`DELETE /sessions/${session.id}`);
    expect(await caught(made.admin.endImpersonation(session.id))).toMatchObject({ code: "session_not_found" });
  });

  it("is refused to everybody else, in both faces", async () => {
    expect(await caught(client(server).admin.listUsers())).toMatchObject({ status: 401, code: "not_authenticated" });
    const results = createClient(server.url, "fb_client_abc", { fetch: server.fetch });
    const { data, error } = await results.admin.listUsers();
    expect([data, error?.code]).toEqual([null, "not_authenticated"]);
    results.dispose();
  });
});

describe("auth.admin of the result face", () => {
  const results = () => createClient(server.url, KEY, { fetch: server.fetch, autoRefreshToken: false });

  it("has the names and shapes of supabase-js", async () => {
    const { admin } = results().auth;
    const made = await admin.createUser({ email: "a@example.com", email_confirm: true, ban_duration: "1h" });
    const id = made.data.user?.id ?? "";
    expect(server.seen.map(({ body }) => body)).toEqual([
      { email: "a@example.com", email_verified: true },
      { until: expect.stringMatching(/^\d{4}-/) },
    ]);
    expect((await admin.getUserById(id)).data.user?.email).toBe("a@example.com");
    await admin.updateUserById(id, { ban_duration: "none" });
    expect(last()[0]).toBe(`DELETE /users/${id}/ban`);
    const { data } = await admin.updateUserById(id, { email: "b@example.com", ban_duration: "1h30m" });
    expect(data.user?.email).toBe("b@example.com");
    expect(Date.parse(data.user?.banned_until ?? "") - Date.now()).toBeGreaterThan(5_000_000);
    expect((await admin.updateUserById(id, { ban_duration: "soon" })).error?.code).toBe("invalid_options");
    await admin.updateUserById(id, { email_confirm: true, unproven: "reset" });
    expect(last()[2]).toEqual({ email_verified: true, unproven: "reset" });
    expect((await admin.inviteUserByEmail("c@example.com", { redirectTo: "https://x.test" })).error).toBeNull();
    expect(last()[2]).toEqual({ email: "c@example.com", redirect_to: "https://x.test" });
    expect(await admin.deleteUser(id)).toEqual({ data: { user: null }, error: null });
    expect(await admin.getUserById(id)).toMatchObject({ data: { user: null }, error: { code: "user_not_found" } });
  });

  it("has the factors of a user, and impersonation beside it", async () => {
    const made = results();
    const { mfa } = made.auth.admin;
    const { id: userId } = server.add({
      email: "a@example.com",
      factors: [{ id: "phone", name: "phone", verified: true }],
    });
    expect((await mfa.listFactors({ userId })).data?.factors).toMatchObject([
      { id: "phone", friendly_name: "phone", factor_type: "totp", status: "verified" },
    ]);
    expect(await mfa.deleteFactor({ id: "phone", userId })).toEqual({ data: { id: "phone" }, error: null });
    expect(last()[2]).toEqual({ reason: "none given" });
    expect((await mfa.deleteFactor({ id: "phone", userId, reason: "ticket 1" })).error?.code).toBe(
      "mfa_factor_not_found",
    );
    expect(last()[2]).toEqual({ reason: "ticket 1" });
    const { data } = await made.admin.impersonateUser(userId, { reason: "ticket 2" });
    expect(await made.admin.endImpersonation(data.session?.id ?? "")).toEqual({ data: null, error: null });
    expect(await made.admin.impersonateUser(userId, { reason: "" })).toMatchObject({
      data: { user: null, session: null },
      error: { code: "reason_required" },
    });
  });

  it("counts pages", async () => {
    const made = results();
    for (const name of ["a", "b", "c"]) await made.admin.createUser({ email: `${name}@example.com` });
    const { admin } = made.auth;
    const emails = async (page: number) => {
      const { data } = await admin.listUsers({ page, perPage: 2 });
      return [data.users.map((one) => one.email?.[0]).join(), "nextPage" in data ? data.nextPage : undefined];
    };
    expect(await emails(1)).toEqual(["a,b", 2]);
    expect(await emails(2)).toEqual(["c", null]);
    expect(await emails(3)).toEqual(["", null]);
  });

  it("ends the sessions behind an access token", async () => {
    const person = client(server);
    const { session } = await person.auth.signUp(CREDENTIALS);
    await person.auth.signIn(CREDENTIALS);
    expect(await results().auth.admin.signOut(session?.access_token ?? "", "others")).toEqual({
      data: null,
      error: null,
    });
    expect([...server.sessions.values()].map(({ ended }) => ended)).toEqual([undefined, "signed_out"]);
    expect((await results().auth.admin.signOut("not.e30.jwt")).error).not.toBeNull();
  });
});
