import { afterEach, beforeAll, describe, expect, it } from "vitest";
import {
  createClient,
  type FluxbaseClient,
  type ListedSession,
  type ResultClient,
  type Session,
  type User,
} from "../../../src/index.js";
import { connect, createTable, disposeAll, freshEmail, PASSWORD, refusal, server, signedUp, sql } from "../support.js";
import { type Placeholders, runSample } from "./harness.js";

const made: { dispose(): void }[] = [];
afterEach(() => {
  for (const client of made.splice(0)) client.dispose();
  disposeAll();
});

function placeholders(email = freshEmail()): Placeholders {
  return { "http://localhost:8080": server.url, "your-anon-key": server.clientKey, "user@example.com": email };
}

/** The client of the authentication page's first sample. */
async function pageClient(): Promise<FluxbaseClient> {
  const { client } = (await runSample("authentication/01-client.ts", placeholders(), {}, ["client"])) as {
    client: FluxbaseClient;
  };
  made.push(client);
  return client;
}

interface Signed {
  user: User;
  session: Session;
}

describe("the authentication page", () => {
  it("signs up, in and out, and gets the current user", async () => {
    const client = await pageClient();
    const words = placeholders();
    const up = (await runSample("authentication/02-sign-up.ts", words, { client }, [
      "user",
      "session",
    ])) as unknown as Signed;
    expect(up.user.email).toBe(words["user@example.com"]);
    expect(up.user.user_metadata).toEqual({ name: "John Doe", avatar_url: "https://..." });
    expect(up.session.token_type).toBe("bearer");

    const signedIn = await runSample("authentication/03-sign-in.ts", words, { client }, ["user", "session"]);
    const { user, session } = signedIn as unknown as Signed;
    expect(user.id).toBe(up.user.id);
    expect(session.id).not.toBe(up.session.id);

    const current = await runSample("authentication/04-current-user.ts", words, { client }, ["user"]);
    expect((current["user"] as User).id).toBe(user.id);

    await runSample("authentication/05-sign-out.ts", words, { client });
    expect(await client.auth.getSession()).toBeNull();
  });

  it.each([
    ["authentication/06-sign-up-with-metadata.ts", { name: "John Doe", role: "developer" }],
    [
      "authentication/10-sign-up-stored-in-user-metadata.ts",
      { name: "John Doe", avatar_url: "https://...", preferences: { theme: "dark" } },
    ],
  ])("%s: metadata may hold anything and grants nothing", async (file, metadata) => {
    const client = await pageClient();
    const { user } = (await runSample(file, placeholders(), { client }, ["user", "session"])) as unknown as Signed;
    expect(user.user_metadata).toEqual(metadata);
    expect(user.role).toBe("authenticated");
  });

  it("lists sessions, revokes one, revokes all others", async () => {
    const client = await pageClient();
    const words = placeholders();
    await runSample("authentication/02-sign-up.ts", words, { client });
    const others = [connect(), connect()];
    const ids: string[] = [];
    for (const other of others) {
      const { session } = await other.auth.signIn({ email: words["user@example.com"] ?? "", password: PASSWORD });
      ids.push(session?.id ?? "");
    }
    const before = (await client.auth.listSessions()).map(({ id }) => id);
    expect(before).toHaveLength(3);
    const [session_id] = ids;
    const { sessions } = await runSample("authentication/07-sessions.ts", words, { client, session_id }, ["sessions"]);
    expect((sessions as ListedSession[]).map(({ id }) => id).sort()).toEqual([...before].sort());
    expect((sessions as ListedSession[]).filter(({ current }) => current)).toHaveLength(1);
    expect((await client.auth.listSessions()).map(({ current }) => current)).toEqual([true]);
    for (const other of others) {
      expect(await refusal(() => other.auth.getCurrentUser())).toMatchObject({ code: "session_ended" });
    }
  });

  it("refreshes by hand", async () => {
    const client = await pageClient();
    const words = placeholders();
    const up = await runSample("authentication/02-sign-up.ts", words, { client }, ["session"]);
    const { session } = await runSample("authentication/08-refresh-session.ts", words, { client }, ["session"]);
    expect((session as Session).id).toBe((up["session"] as Session).id);
    expect((session as Session).refresh_token).not.toBe((up["session"] as Session).refresh_token);
  });

  it("listens to changes until unsubscribed", async () => {
    const client = await pageClient();
    const words = placeholders();
    const lines: unknown[][] = [];
    const console = { log: (...line: unknown[]) => lines.push(line) };
    await runSample("authentication/09-on-auth-state-change.ts", words, { client, console }, ["subscription"]);
    await runSample("authentication/02-sign-up.ts", words, { client });
    expect(lines).toEqual([]); // the sample unsubscribes at its end

    // The same text up to there, so that the listener is seen at work.
    let kept: (() => void) | undefined;
    const spied = Object.create(client) as FluxbaseClient;
    Object.defineProperty(spied, "auth", {
      value: {
        onAuthStateChange: (listener: never) => {
          const subscription = client.auth.onAuthStateChange(listener);
          kept = () => subscription.unsubscribe();
          return { unsubscribe: () => undefined };
        },
      },
    });
    await runSample("authentication/09-on-auth-state-change.ts", words, { client: spied, console });
    await runSample("authentication/03-sign-in.ts", words, { client });
    expect(lines).toEqual([["User signed in:", expect.objectContaining({ email: words["user@example.com"] })]]);
    kept?.();
  });

  it("updates metadata", async () => {
    const client = await pageClient();
    const words = placeholders();
    await runSample("authentication/10-sign-up-stored-in-user-metadata.ts", words, { client });
    await runSample("authentication/11-update-user.ts", words, { client });
    const user = await client.auth.getCurrentUser();
    expect(user?.user_metadata).toEqual({
      name: "John Doe",
      avatar_url: "https://...",
      preferences: { theme: "dark" },
    });
  });
});

describe("the authentication page's service key", () => {
  beforeAll(async () => {
    await createTable(
      "users",
      `create table if not exists public.users (id bigint generated always as identity primary key, email text not null);
       alter table public.users enable row level security;
       grant select on public.users to anonymous, authenticated, service_role;
       insert into public.users (email) select 'sdk-sample-' || n || '@example.com' from generate_series(1, 3) n`,
    );
  });

  it("reads all rows, where an anonymous client reads none", async () => {
    const first = await runSample("authentication/01-client.ts", placeholders(), {}, ["FluxbaseClient", "client"]);
    made.push(first["client"] as FluxbaseClient);
    const [total] = await sql<{ count: string }>("select count(*) from public.users");
    const before = process.env["FLUXBASE_SERVICE_KEY"];
    process.env["FLUXBASE_SERVICE_KEY"] = server.serviceKey;
    try {
      const names = ["adminClient", "allUsers"];
      const bound = { FluxbaseClient: first["FluxbaseClient"] };
      const ran = await runSample("authentication/12-service-key.ts", placeholders(), bound, names);
      made.push(ran["adminClient"] as FluxbaseClient);
      expect(ran["allUsers"]).toHaveLength(Number(total?.count));
    } finally {
      if (before === undefined) delete process.env["FLUXBASE_SERVICE_KEY"];
      else process.env["FLUXBASE_SERVICE_KEY"] = before;
    }
    expect(await connect().from("users").select("*")).toEqual([]);
    expect(await connect({ clientKey: undefined }).from("users").select("*")).toEqual([]);
  });

  it("makes an API key, acts with it, and revokes it", async () => {
    const client = await pageClient();
    const words = placeholders();
    const { user } = (await runSample("authentication/02-sign-up.ts", words, { client }, [
      "user",
    ])) as unknown as Signed;
    const { key, id } = await runSample("authentication/23-create-api-key.ts", words, { client }, ["key", "id"]);
    const first = await runSample("authentication/01-client.ts", placeholders(), {}, ["FluxbaseClient", "client"]);
    made.push(first["client"] as FluxbaseClient);
    const bound = { FluxbaseClient: first["FluxbaseClient"] };
    const used = await runSample("authentication/24-use-api-key.ts", { ...words, "your-api-key": String(key) }, bound, [
      "client",
    ]);
    const job = used["client"] as FluxbaseClient;
    made.push(job);
    expect((await job.auth.getCurrentUser())?.id).toBe(user.id);
    const bindings = { client, key_id: id };
    const { keys } = await runSample("authentication/25-manage-api-keys.ts", words, bindings, ["keys"]);
    expect(keys).toMatchObject([{ id, name: "Production API" }]);
    expect(await refusal(() => job.auth.getCurrentUser())).toMatchObject({ code: "invalid_key" });
  });
});

const DIGEST_OF_PASSWORD = "$2a$10$whk.qkFLdvrhNZWtKZDlu.mAe24Macwn2sdThCWSMfEfkfB.F9AZq";

describe("the security page", () => {
  it("signs in with createClient and revokes the current session", async () => {
    const email = freshEmail();
    // Nobody may choose such a password: it came with an account from elsewhere.
    const answer = await fetch(`${server.url}/api/v1/admin/users`, {
      method: "POST",
      headers: { Authorization: `Bearer ${server.serviceKey}`, "Content-Type": "application/json" },
      body: JSON.stringify({ email, password_digest: DIGEST_OF_PASSWORD }),
    });
    expect(answer.status).toBe(201);
    const declared = ["client", "data", "error", "accessToken", "refreshToken"];
    const ran = await runSample("security/01-jwt-tokens.ts", placeholders(email), {}, declared);
    const client = ran["client"] as ResultClient;
    made.push(client);
    expect(ran["error"]).toBeNull();
    expect((ran["data"] as Signed).user.email).toBe(email);
    expect(String(ran["accessToken"]).split(".")).toHaveLength(3);
    expect(typeof ran["refreshToken"]).toBe("string");

    await runSample("security/02-revoke-current-session.ts", placeholders(email), { client });
    expect(await client.auth.getSession()).toEqual({ data: { session: null }, error: null });
    const tokens = { access_token: String(ran["accessToken"]), refresh_token: String(ran["refreshToken"]) };
    const error = await refusal(async () => {
      const taken = await client.auth.setSession(tokens);
      if (taken.error !== null) throw taken.error;
    });
    expect(error).toMatchObject({ status: 401, code: "session_ended", reason: "signed_out" });
  });

  it("revokes all sessions of a user, and nobody else's", async () => {
    const { client: one, user } = await signedUp();
    const { client: other } = await signedUp();
    const client = createClient(server.url, server.serviceKey);
    made.push(client);
    await runSample("security/03-revoke-all-sessions.ts", placeholders(), { client, userId: user.id });
    expect(await refusal(() => one.auth.refreshSession())).toMatchObject({ code: "session_ended", reason: "admin" });
    expect((await other.auth.refreshSession()).session).not.toBeNull();
  });
});
