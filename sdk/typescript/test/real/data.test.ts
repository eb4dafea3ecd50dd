import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { createClient, DataError } from "../../src/index.js";
import { caught } from "../support/unit.js";
import { connect, createTable, disposeAll, server, signedUp, sql } from "./support.js";

const table = `sdk_todos_${randomUUID().slice(0, 8)}`;

interface Todo {
  id: number;
  user_id: string;
  title: string;
  done: boolean;
  due: string | null;
}

beforeAll(async () => {
  await createTable(
    table,
    `create table public.${table} (
       id bigint generated always as identity primary key,
       user_id uuid not null default (auth.uid()),
       title text not null unique,
       done boolean not null default false,
       due date
     );
     alter table public.${table} enable row level security;
     create policy own on public.${table} for all using ((select auth.uid()) = user_id) with check ((select auth.uid()) = user_id);
     grant select, insert, update, delete on public.${table} to anonymous, authenticated, service_role`,
  );
});
afterEach(disposeAll);
afterAll(() => sql(`drop table if exists public.${table}`));

const title = (name: string) => `${name} ${randomUUID()}`;

describe("rows", () => {
  it("are written and read as the person who asks", async () => {
    const { client, user } = await signedUp();
    const todos = client.from(table);
    expect(await todos.insert({ title: title("minimal") })).toBeNull();
    const made = (await todos
      .insert({ title: title("back") })
      .select()
      .single()) as Todo;
    expect(made).toMatchObject({ user_id: user.id, done: false });
    const changed = await todos.update({ done: true }).eq("id", made.id).select("id,done");
    expect(changed).toEqual([{ id: made.id, done: true }]);

    const { client: stranger } = await signedUp();
    expect(await stranger.from(table).select()).toEqual([]);
    expect(await stranger.from(table).update({ title: "taken" }).eq("id", made.id).select()).toEqual([]);
    expect(await connect().from(table).select()).toEqual([]);
    const all = (await connect({ serviceKey: server.serviceKey }).from(table).select().eq("id", made.id)) as Todo[];
    expect(all).toHaveLength(1);

    expect(await todos.delete().eq("id", made.id)).toBeNull();
    expect(await todos.select().eq("id", made.id).maybeSingle()).toBeNull();
  });

  it("are filtered, sorted and cut", async () => {
    const { client } = await signedUp();
    const tag = randomUUID();
    const rows = [
      { title: `a ${tag}`, due: "2030-01-01", done: false },
      { title: `b, "quoted" \\ (${tag})`, done: false },
      { title: `c & d=e ${tag}`, due: "2031-01-01", done: true },
    ];
    const made = (await client.from(table).insert(rows).select().order("id")) as Todo[];
    const ids = made.map(({ id }) => id);
    const [a, b, c] = ids as [number, number, number];
    const found = async (query: PromiseLike<unknown>) => ((await query) as Todo[]).map(({ id }) => id);
    const all = () => client.from(table).select("id").order("id");
    expect(await found(all())).toEqual(ids);
    for (const row of rows) expect(await found(all().eq("title", row.title))).toHaveLength(1);
    expect(
      await found(
        all().in(
          "title",
          rows.map((row) => row.title),
        ),
      ),
    ).toEqual(ids);
    expect(await found(all().in("id", []))).toEqual([]);
    expect(await found(all().neq("id", a))).toEqual([b, c]);
    expect(await found(all().gt("id", a).lte("id", b))).toEqual([b]);
    expect(await found(all().gte("id", b).lt("id", c))).toEqual([b]);
    expect(await found(all().is("due", null))).toEqual([b]);
    expect(await found(all().is("done", true))).toEqual([c]);
    const due = client.from(table).select("id");
    expect(await found(due.order("due", { ascending: false, nullsFirst: false }))).toEqual([c, a, b]);
    expect(await found(due.order("due", { nullsFirst: true }))).toEqual([b, a, c]);
    expect(await found(all().limit(1))).toEqual([a]);
    expect(await found(all().range(1, 2))).toEqual([b, c]);
  });
});

describe("errors", () => {
  it("single() wants exactly one row", async () => {
    const { client } = await signedUp();
    expect(await caught(client.from(table).select().single())).toMatchObject({ code: "PGRST116", status: 406 });
    await client.from(table).insert([{ title: title("x") }, { title: title("y") }]);
    expect(await caught(client.from(table).select().single())).toMatchObject({ code: "PGRST116" });
    expect(await caught(client.from(table).select().maybeSingle())).toMatchObject({ code: "PGRST116" });
  });

  it("undo a write that concerns more rows than one", async () => {
    const { client } = await signedUp();
    await client.from(table).insert([{ title: title("x") }, { title: title("y") }]);
    const change = client.from(table).update({ done: true }).select();
    for (const query of [change.single(), change.maybeSingle(), client.from(table).delete().select().maybeSingle()])
      expect(await caught(query)).toMatchObject({ code: "PGRST116", status: 406 });
    expect(await client.from(table).select("done")).toEqual([{ done: false }, { done: false }]);
    expect(await client.from(table).update({ done: true }).eq("title", "none").select().maybeSingle()).toBeNull();
  });

  it("carry PostgreSQL's code, in both faces", async () => {
    const { client, session } = await signedUp();
    const twice = { title: title("twice") };
    await client.from(table).insert(twice);
    const thrown = await caught(client.from(table).insert(twice));
    expect(thrown).toBeInstanceOf(DataError);
    expect(thrown).toMatchObject({ code: "23505", status: 409 });
    const results = createClient(server.url, server.clientKey);
    await results.auth.setSession(session);
    expect(await results.from(table).insert(twice)).toMatchObject({
      data: null,
      error: { code: "23505" },
      status: 409,
    });
    results.dispose();
  });

  it("name an unknown table 404 and a refused row 403", async () => {
    const { client } = await signedUp();
    expect(await caught(client.from(`no_such_${table}`).select())).toMatchObject({ status: 404 });
    const foreign = { title: title("foreign"), user_id: randomUUID() };
    expect(await caught(client.from(table).insert(foreign))).toMatchObject({ code: "42501", status: 403 });
    expect(await caught(connect().from(table).insert(foreign))).toMatchObject({ code: "42501", status: 401 });
  });

  it("a bad key is refused, never taken for nobody", async () => {
    expect(await caught(connect({ serviceKey: "fb_service_wrong" }).from(table).select())).toMatchObject({
      status: 401,
    });
    const wrongClient = connect({ clientKey: "fb_client_wrong" });
    expect(await caught(wrongClient.from(table).select())).toMatchObject({ status: 401 });
  });
});
