import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createClient, DataError, NetworkError } from "../../src/index.js";
import { FakeServer, json, problem } from "../support/fake-server.js";
import { caught, client, disposeAll } from "../support/unit.js";

let server: FakeServer;
beforeEach(() => {
  server = new FakeServer();
});
afterEach(disposeAll);

const values = () => client(server);
const results = () => createClient(server.url, undefined, { fetch: server.fetch, autoRefreshToken: false });
const last = () => {
  const seen = server.seen.at(-1);
  if (seen === undefined) throw new Error("nothing was sent");
  return seen;
};
const search = () => [...last().search.entries()];

describe("reads", () => {
  it("await to the rows, or to an envelope", async () => {
    server.tables = () => json(200, [{ id: 1 }], { "Content-Range": "0-0/41" });
    expect(await values().from("todos").select()).toEqual([{ id: 1 }]);
    expect(last()).toMatchObject({ method: "GET", path: "/api/v1/tables/todos" });
    expect(search()).toEqual([["select", "*"]]);
    expect(await results().from("todos").select()).toMatchObject({
      data: [{ id: 1 }],
      error: null,
      count: 41,
      status: 200,
    });
    expect(last().headers.has("prefer")).toBe(false);
  });

  it("spell every filter in PostgREST's grammar", async () => {
    await values()
      .from("a b/c")
      .select(' id , title,  "odd name" ')
      .eq("id", 7)
      .neq("title", "a&b=c")
      .gt("n", 1.5)
      .gte("at", new Date(0))
      .lt("big", 10n)
      .lte("flag", true)
      .eq("settings", { a: 1 })
      .is("gone", null)
      .is("done", false)
      .order("n", { ascending: false, nullsFirst: false })
      .order("id")
      .range(10, 19);
    expect(last().path).toBe("/api/v1/tables/a%20b%2Fc");
    expect(search()).toEqual([
      ["select", 'id,title,"odd name"'],
      ["id", "eq.7"],
      ["title", "neq.a&b=c"],
      ["n", "gt.1.5"],
      ["at", "gte.1970-01-01T00:00:00.000Z"],
      ["big", "lt.10"],
      ["flag", "lte.true"],
      ["settings", 'eq.{"a":1}'],
      ["gone", "is.null"],
      ["done", "is.false"],
      ["order", "n.desc.nullslast,id.asc"],
      ["limit", "10"],
      ["offset", "10"],
    ]);
  });

  it("quote and escape lists", async () => {
    await values().from("t").select().in("a", ["x", 'a,"b"', "c\\d", "(e)", "null", ""]).in("n", [1, 2]).in("none", []);
    expect(search().slice(1)).toEqual([
      ["a", String.raw`in.("x","a,\"b\"","c\\d","(e)","null","")`],
      ["n", "in.(1,2)"],
      ["none", "in.()"],
    ]);
  });

  it("quote columns that are called like the grammar's own words", async () => {
    await values().from("t").select().eq("order", 1).eq("limit", 2);
    expect(search().slice(1)).toEqual([
      ['"order"', "eq.1"],
      ['"limit"', "eq.2"],
    ]);
  });

  it("can be branched and awaited again", async () => {
    const base = values().from("t").select().eq("a", 1);
    await base.limit(5);
    await base;
    expect(search()).toEqual([
      ["select", "*"],
      ["a", "eq.1"],
    ]);
    expect(server.seen).toHaveLength(2);
  });
});

describe("single and maybeSingle", () => {
  const ONE = "application/vnd.pgrst.object+json";
  const rows = (count: number) => {
    server.tables = (seen) => {
      const list = Array.from({ length: count }, (_, id) => ({ id }));
      if (seen.headers.get("accept") !== ONE) return json(200, list);
      if (count === 1) return json(200, list[0]);
      return problem(406, "PGRST116", { message: "no", details: `The result contains ${count} rows` });
    };
  };

  it("ask for two rows at most and insist on one", async () => {
    rows(1);
    expect(await values().from("t").select().single()).toEqual({ id: 0 });
    expect(last().search.get("limit")).toBe("2");
    await values().from("t").select().limit(1).single();
    expect(last().search.get("limit")).toBe("1");
    for (const count of [0, 2]) {
      rows(count);
      const error = await caught(values().from("t").select().single());
      expect(error).toBeInstanceOf(DataError);
      expect(error).toMatchObject({ code: "PGRST116", status: 406 });
    }
  });

  it("maybeSingle allows none, and counts rows itself where it reads", async () => {
    rows(0);
    expect(await values().from("t").select().maybeSingle()).toBeNull();
    expect(last().headers.get("accept")).toBe("application/json");
    expect(last().search.get("limit")).toBe("2");
    rows(1);
    expect(await values().from("t").select().maybeSingle()).toEqual({ id: 0 });
    rows(2);
    const { data, error, status } = await results().from("t").select().maybeSingle();
    expect([data, error?.code, status]).toEqual([null, "PGRST116", 406]);
    expect(await caught(values().rpc("f").maybeSingle())).toMatchObject({ code: "PGRST116" });
  });

  it("leave it to the server to undo a write of several rows", async () => {
    rows(1);
    expect(await values().from("t").insert({ a: 1 }).select().single()).toEqual({ id: 0 });
    expect(last().search.has("limit")).toBe(false);
    expect(await values().from("t").update({ a: 1 }).select().maybeSingle()).toEqual({ id: 0 });
    rows(3);
    for (const query of [
      values().from("t").update({ a: 1 }).select("id").single(),
      values().from("t").delete().select().maybeSingle(),
    ])
      expect(await caught(query)).toMatchObject({ code: "PGRST116", details: "The result contains 3 rows" });
    rows(0);
    expect(await caught(values().from("t").delete().select().single())).toMatchObject({ code: "PGRST116" });
    expect(await results().from("t").delete().select().maybeSingle()).toMatchObject({
      data: null,
      error: null,
      status: 200,
    });
  });
});

describe("writes", () => {
  it("are minimal unless select follows", async () => {
    server.tables = () => new Response(null, { status: 201 });
    expect(await values().from("t").insert({ a: 1 })).toBeNull();
    expect(last().headers.get("prefer")).toBe("return=minimal");
    expect(last().headers.get("content-type")).toBe("application/json");
    expect(last().body).toEqual({ a: 1 });
    expect(await results().from("t").delete().eq("id", 1)).toEqual({
      data: null,
      error: null,
      count: null,
      status: 201,
      statusText: "",
    });
    expect(last()).toMatchObject({ method: "DELETE", body: undefined });

    server.tables = () => json(200, [{ a: 1 }]);
    expect(await values().from("t").update({ a: 2 }).eq("a", 1).select("a")).toEqual([{ a: 1 }]);
    expect(last().method).toBe("PATCH");
    expect(last().headers.get("prefer")).toBe("return=representation");
    expect(search()).toEqual([
      ["select", "a"],
      ["a", "eq.1"],
    ]);
  });

  it("give all rows of one insert the same columns", async () => {
    server.tables = () => new Response(null, { status: 201 });
    await values()
      .from("t")
      .insert([
        { a: 1, c: undefined },
        { a: 2, b: 3 },
      ]);
    expect(last().body).toEqual([
      { a: 1, b: null },
      { a: 2, b: 3 },
    ]);
    await values()
      .from("t")
      .insert([{ a: 1 }, { a: 2 }]);
    expect(last().body).toEqual([{ a: 1 }, { a: 2 }]);
  });
});

describe("failures", () => {
  it("carry what PostgreSQL says", async () => {
    const said = { message: "duplicate key", details: "Key (id)=(1) already exists.", hint: null, code: "23505" };
    server.tables = () => problem(409, "23505", said);
    expect(await caught(values().from("t").insert({}))).toMatchObject({
      name: "DataError",
      message: "duplicate key",
      code: "23505",
      details: said.details,
      status: 409,
    });
    expect(await results().from("t").insert({})).toMatchObject({
      data: null,
      error: { code: "23505" },
      count: null,
      status: 409,
    });
  });

  it("without an answer are NetworkErrors of status 0", async () => {
    server.script = () => new TypeError("fetch failed", { cause: { code: "ECONNREFUSED" } });
    const error = (await caught(values().from("t").select().retry(false))) as NetworkError;
    expect(error).toBeInstanceOf(NetworkError);
    expect(error.message).toContain("ECONNREFUSED");
    expect(await results().from("t").select().retry(false)).toMatchObject({
      data: null,
      error: { code: "network_error" },
      status: 0,
    });
  });

  it("of the caller's making are reported when the query runs, never while it is built", async () => {
    const wrong = [
      results()
        .from("t")
        .select()
        .eq("a", null as never),
      results()
        .from("t")
        .select()
        .eq("a", undefined as never),
      results()
        .from("t")
        .select()
        .eq("a", [1] as never),
      results()
        .from("t")
        .select()
        .in("a", [null] as never),
      results().from("t").select().limit(-1),
      results().from("t").select().range(5, 1),
      results().from("t").select().eq("", 1),
      results()
        .from("t")
        .select()
        .match({ a: null } as never),
      results()
        .from("t")
        .select()
        .contains("a", [() => 1]),
      results().from("t").delete().maxAffected(-1),
      results().rpc("f", { a: null }, { get: true }),
    ];
    for (const query of wrong) expect((await query).error?.code).toBe("invalid_query");
    const cycle: Record<string, unknown> = {};
    cycle["self"] = cycle;
    expect((await results().from("t").insert(cycle)).error?.code).toBe("invalid_body");
    expect(server.seen).toEqual([]);
  });

  it("can be the caller's own abort", async () => {
    server.delay = () => 50;
    const controller = new AbortController();
    const query = results().from("t").select().abortSignal(controller.signal);
    setTimeout(() => controller.abort(), 5);
    expect((await query).error).toMatchObject({ name: "NetworkError", code: "aborted" });
  });

  it("include answers that are not rows", async () => {
    server.tables = () => json(200, { surprise: true });
    expect(await caught(values().from("t").select())).toMatchObject({ code: "invalid_response" });
  });
});
