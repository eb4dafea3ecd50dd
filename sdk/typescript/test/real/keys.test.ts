import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { createClient, type FluxbaseClient } from "../../src/index.js";
import { caught } from "../support/unit.js";
import { connect, createTable, disposeAll, PASSWORD, refusal, server, signedUp } from "./support.js";

afterEach(disposeAll);

beforeAll(() =>
  createTable(
    "key_notes",
    `create table if not exists public.key_notes (
       id bigint generated always as identity primary key,
       owner uuid not null default (auth.uid()),
       by_key uuid default (auth.api_key_id()),
       body text not null
     );
     alter table public.key_notes enable row level security;
     drop policy if exists own on public.key_notes;
     create policy own on public.key_notes using ((select auth.uid()) = owner)`,
  ),
);

/** A client that has the key and nothing else. */
const withKey = (apiKey: string): FluxbaseClient => connect({ clientKey: undefined, apiKey });

describe("an API key", () => {
  it("acts as its user, and as nobody once it is revoked", async () => {
    const { client, user } = await signedUp();
    const { key, id, prefix, expires_at, scopes } = await client.auth.createApiKey({ name: "job", expires_in: 3600 });
    expect(key.startsWith(prefix)).toBe(true);
    expect(Date.parse(expires_at ?? "") - Date.now()).toBeGreaterThan(3_500_000);
    expect(scopes).toEqual(["tables:read", "tables:write", "rpc:execute"]);

    const job = withKey(key);
    const row = await job.from("key_notes").insert({ body: "by a job" }).select().single();
    expect(row).toMatchObject({ owner: user.id, by_key: id });
    expect(await client.from("key_notes").select("body")).toEqual([{ body: "by a job" }]);
    expect((await job.auth.getCurrentUser())?.id).toBe(user.id);
    expect(await (await signedUp()).client.from("key_notes").select()).toEqual([]);

    expect(await client.auth.listApiKeys()).toMatchObject([{ id, name: "job" }]);
    expect(JSON.stringify(await client.auth.listApiKeys())).not.toContain(key);
    await client.auth.revokeApiKey(id);
    expect(await refusal(() => job.from("key_notes").select())).toMatchObject({ status: 401, code: "invalid_key" });
    expect(await client.auth.listApiKeys()).toEqual([]);
  });

  it("does what its scopes say, and nothing to the account", async () => {
    const { client } = await signedUp();
    const { key, id } = await client.auth.createApiKey({ name: "reader", scopes: ["tables:read"] });
    const reader = withKey(key);
    expect(await reader.from("key_notes").select()).toEqual([]);
    const attempts: [string, () => PromiseLike<unknown>][] = [
      ["insufficient_scope", () => reader.from("key_notes").insert({ body: "x" })],
      ["insufficient_scope", () => reader.rpc("anything")],
      ["api_key_not_allowed", () => reader.auth.createApiKey({ name: "another" })],
      ["api_key_not_allowed", () => reader.auth.listApiKeys()],
      ["api_key_not_allowed", () => reader.auth.revokeApiKey(id)],
      ["api_key_not_allowed", () => reader.auth.updatePassword({ current_password: PASSWORD, new_password: "x" })],
      ["api_key_not_allowed", () => reader.auth.listSessions()],
      ["api_key_not_allowed", () => reader.admin.listUsers()],
    ];
    for (const [code, attempt] of attempts) {
      expect(await caught(Promise.resolve(attempt()))).toMatchObject({ status: 403, code });
    }
  });

  it("is told by its prefix, and hands out results", async () => {
    const { client, email } = await signedUp();
    const results = createClient(server.url, server.clientKey);
    await results.auth.signInWithPassword({ email, password: PASSWORD });
    const { data: made, error } = await results.auth.createApiKey({ name: "result" });
    expect(error).toBeNull();
    const job = createClient(server.url, made?.key ?? "");
    expect((await job.from("key_notes").select()).error).toBeNull();
    expect((await job.auth.createApiKey({ name: "x" })).error).toMatchObject({ code: "api_key_not_allowed" });
    expect((await results.auth.listApiKeys()).data).toHaveLength(1);
    expect(await results.auth.revokeApiKey(made?.id ?? "")).toEqual({ data: null, error: null });
    expect((await results.auth.revokeApiKey(made?.id ?? "")).error).toMatchObject({
      status: 404,
      code: "key_not_found",
    });
    expect(await client.auth.listApiKeys()).toEqual([]);
    for (const one of [results, job]) one.dispose();
  });

  it("gives way to whoever signs in on its client", async () => {
    const [owner, other] = [await signedUp(), await signedUp()];
    const { key } = await owner.client.auth.createApiKey({ name: "shared" });
    const client = withKey(key);
    expect((await client.auth.getCurrentUser())?.id).toBe(owner.user.id);
    await client.auth.signIn({ email: other.email, password: PASSWORD });
    expect((await client.auth.getCurrentUser())?.id).toBe(other.user.id);
    await client.auth.signOut();
    expect((await client.auth.getCurrentUser())?.id).toBe(owner.user.id);
  });
});

describe("an operator's keys", () => {
  it("are made, rotated, listed and revoked, of either kind", async () => {
    const { admin } = connect({ serviceKey: server.serviceKey });
    const client = await admin.createClientKey({ name: "website", allowed_origins: ["https://app.example.com"] });
    expect(client).toMatchObject({ kind: "client", name: "website", allowed_origins: ["https://app.example.com"] });
    const next = await admin.rotateClientKey(client.id, { overlap: 600 });
    expect(next.replaces.id).toBe(client.id);
    for (const { key } of [client, next]) {
      expect((await connect({ clientKey: key }).auth.getSettings()).signup_enabled).toBe(true);
    }
    const { items } = await admin.listClientKeys({ limit: 100 });
    expect(items.find(({ id }) => id === client.id)).toMatchObject({ replaced_by: next.id });
    await admin.revokeClientKey(next.id);
    expect(await refusal(() => connect({ clientKey: next.key }).auth.getSettings())).toMatchObject({
      code: "invalid_key",
    });

    const service = await admin.createServiceKey({ name: "backend", expires_in: 3600 });
    const backend = connect({ serviceKey: service.key });
    expect(await backend.from("key_notes").select("id").limit(1)).toBeInstanceOf(Array);
    expect(await caught(backend.admin.createServiceKey({ name: "longer", expires_in: 7200 }))).toMatchObject({
      status: 403,
      code: "exceeds_maker",
    });
    const rotated = await admin.rotateServiceKey(service.id, { overlap: 0 });
    expect(await refusal(() => backend.from("key_notes").select())).toMatchObject({ code: "invalid_key" });
    await admin.revokeServiceKey(rotated.id);
    expect(
      (await admin.listServiceKeys({ limit: 100 })).items.find(({ id }) => id === rotated.id)?.revoked_at,
    ).not.toBeNull();

    const results = createClient(server.url, server.serviceKey);
    const { data } = await results.admin.createClientKey({ name: "result" });
    expect(await results.admin.revokeClientKey(data?.id ?? "")).toEqual({ data: null, error: null });
    expect((await results.admin.revokeClientKey(data?.id ?? "")).error).toMatchObject({ code: "key_not_found" });
    results.dispose();
  });

  it("are refused from pages that they are not for", async () => {
    const { admin } = connect({ serviceKey: server.serviceKey });
    const bound = await admin.createClientKey({ name: "bound", allowed_origins: ["https://app.example.com"] });
    const from = (origin: string, key: string) =>
      fetch(`${server.url}/api/v1/auth/settings`, { headers: { apikey: key, Origin: origin } });
    expect((await from("https://app.example.com", bound.key)).status).toBe(200);
    expect(await (await from("https://evil.example", bound.key)).json()).toMatchObject({ code: "origin_not_allowed" });
    expect(await (await from("https://app.example.com", server.serviceKey)).json()).toMatchObject({
      code: "service_key_in_browser",
    });
  });
});
