/** What queries are on the wire. */

import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createClient, DataError } from "../../src/index.js";
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
const header = (name: string) => last().headers.get(name);
/** Every parameter but select, as it was sent. */
const sent = () => [...last().search.entries()].filter(([name]) => name !== "select");

describe("filters", () => {
  it("have a word each", async () => {
    await values()
      .from("t")
      .select()
      .like("a", "x%")
      .ilike("a", "_y*")
      .likeAllOf("a", ["x%", '%"\\,}'])
      .likeAnyOf("a", ["(%", ""])
      .ilikeAllOf("a", ["x"])
      .ilikeAnyOf("a", ["y"])
      .regexMatch("a", "^x.(y|z)$")
      .regexIMatch("a", "^x")
      .isDistinct("a", 7)
      .is("a", "not_null")
      .notIn("a", [1, "b,)"])
      .contains("tags", ["a b", 'c"', null, ["d"], 4])
      .contains("doc", { k: "v,)" })
      .contains("span", "[1,2)")
      .containedBy("tags", [])
      .overlaps("span", "[1,2)")
      .rangeGt("span", "[1,2)")
      .rangeGte("span", "[1,2)")
      .rangeLt("span", "[1,2)")
      .rangeLte("span", "[1,2)")
      .rangeAdjacent("span", "[1,2)");
    expect(sent()).toEqual([
      ["a", "like.x%"],
      ["a", "ilike._y*"],
      ["a", String.raw`like(all).{"x%","%\"\\,}"}`],
      ["a", 'like(any).{"(%",""}'],
      ["a", 'ilike(all).{"x"}'],
      ["a", 'ilike(any).{"y"}'],
      ["a", "match.^x.(y|z)$"],
      ["a", "imatch.^x"],
      ["a", "isdistinct.7"],
      ["a", "is.not_null"],
      ["a", 'not.in.(1,"b,)")'],
      ["tags", String.raw`cs.{"a b","c\"",NULL,{"d"},4}`],
      ["doc", 'cs.{"k":"v,)"}'],
      ["span", "cs.[1,2)"],
      ["tags", "cd.{}"],
      ["span", "ov.[1,2)"],
      ["span", "sr.[1,2)"],
      ["span", "nxl.[1,2)"],
      ["span", "sl.[1,2)"],
      ["span", "nxr.[1,2)"],
      ["span", "adj.[1,2)"],
    ]);
  });

  it("search texts", async () => {
    await values()
      .from("t")
      .select()
      .textSearch("a", "x & y")
      .textSearch("a", "x y", { type: "plain" })
      .textSearch("a", "x y", { type: "phrase", config: "english" })
      .textSearch("a", "-x", { type: "websearch" });
    expect(sent()).toEqual([
      ["a", "fts.x & y"],
      ["a", "plfts.x y"],
      ["a", "phfts(english).x y"],
      ["a", "wfts.-x"],
    ]);
  });

  it("are negated, joined and spelled out", async () => {
    await values()
      .from("t")
      .select()
      .match({ a: 1, b: "x" })
      .not("a", "is", null)
      .not("a", "in", ["x,", 2])
      .not("a", "in", "(1,2)")
      .not("tags", "cs", ["x"])
      .filter("a", "gte", 3)
      .filter("a", "not.in", [1])
      .or('a.eq.1,and(b.eq."x,y",c.is.null)')
      .or("d.eq.1", { referencedTable: "author" })
      .or("e.eq.1", { foreignTable: "books" });
    expect(sent()).toEqual([
      ["a", "eq.1"],
      ["b", "eq.x"],
      ["a", "not.is.null"],
      ["a", 'not.in.("x,",2)'],
      ["a", "not.in.(1,2)"],
      ["tags", 'not.cs.{"x"}'],
      ["a", "gte.3"],
      ["a", "not.in.(1)"],
      ["or", '(a.eq.1,and(b.eq."x,y",c.is.null))'],
      ["author.or", "(d.eq.1)"],
      ["books.or", "(e.eq.1)"],
    ]);
  });

  it("quote the last part of a name that is one of the grammar's own words", async () => {
    await values().from("t").select().eq("author.order", 1).eq("not.and", 2).eq("author.name", 3);
    expect(sent()).toEqual([
      ['author."order"', "eq.1"],
      ['not."and"', "eq.2"],
      ["author.name", "eq.3"],
    ]);
  });
});

describe("rows", () => {
  it("are sorted and cut in embeddings too", async () => {
    await values()
      .from("t")
      .select("*,author(name),books(*)")
      .order("author(name)", { ascending: false })
      .order("title", { referencedTable: "books", nullsFirst: true })
      .order("id", { referencedTable: "books" })
      .limit(5)
      .limit(2, { referencedTable: "books" })
      .range(1, 3, { foreignTable: "books.pages" });
    expect(sent()).toEqual([
      ["order", "author(name).desc"],
      ["books.order", "title.asc.nullsfirst,id.asc"],
      ["limit", "5"],
      ["books.limit", "2"],
      ["books.pages.limit", "3"],
      ["books.pages.offset", "1"],
    ]);
  });

  it("come in other forms", async () => {
    const forms: [PromiseLike<unknown>, string][] = [
      [values().from("t").select().stripNulls(), "application/vnd.pgrst.array+json;nulls=stripped"],
      [values().from("t").select().stripNulls().single(), "application/vnd.pgrst.object+json;nulls=stripped"],
      [values().from("t").select().geojson(), "application/geo+json"],
      [values().from("t").select().explain(), 'application/vnd.pgrst.plan+text; for="application/json"'],
      [
        values().from("t").select().explain({ analyze: true, verbose: false, wal: true, format: "json" }),
        'application/vnd.pgrst.plan+json; for="application/json"; options=analyze|wal',
      ],
    ];
    for (const [query, accept] of forms) {
      await query;
      expect(header("accept")).toBe(accept);
    }
    server.tables = () => new Response("1,2\n", { headers: { "Content-Type": "text/csv" } });
    expect(await values().from("t").select().csv()).toBe("1,2\n");
    expect(header("accept")).toBe("text/csv");
    server.tables = () => new Response("42"); // a column of numbers without a name would be valid JSON
    expect(await values().from("t").select().csv()).toBe("42");
    expect(await values().from("t").select().explain()).toBe("42");
    server.tables = () => json(200, [{ Plan: {} }]);
    expect(await values().from("t").select().explain({ format: "json" })).toEqual([{ Plan: {} }]);
    server.tables = () => json(200, { type: "FeatureCollection" });
    expect(await values().from("t").select().geojson()).toEqual({ type: "FeatureCollection" });
  });

  it("are counted, with or without being sent", async () => {
    server.tables = (seen) => {
      const headers = { "Content-Range": "0-0/41" };
      return seen.method === "HEAD" ? new Response(null, { headers }) : json(200, [{ id: 1 }], headers);
    };
    expect(await results().from("t").select("*", { count: "estimated" })).toMatchObject({
      data: [{ id: 1 }],
      count: 41,
    });
    expect(header("prefer")).toBe("count=estimated");
    expect(await results().from("t").select("*", { count: "exact", head: true })).toMatchObject({
      data: null,
      count: 41,
    });
    expect(last().method).toBe("HEAD");
    expect(await values().from("t").select("*", { count: "exact", head: true })).toBe(41);
    expect(await values().rpc("f", {}, { count: "exact", head: true })).toBe(41);
    server.tables = () => new Response(null);
    expect(await values().from("t").select("*", { head: true })).toBeNull();
  });

  it("are of the schema that was named", async () => {
    await values().schema("other").from("t").select();
    expect([header("accept-profile"), header("content-profile")]).toEqual(["other", null]);
    await results().schema("other").from("t").insert({});
    expect([header("accept-profile"), header("content-profile")]).toEqual([null, "other"]);
    await values().schema("other").rpc("f");
    expect([header("accept-profile"), header("content-profile")]).toEqual([null, "other"]);
    await values().rpc("f");
    expect([header("accept-profile"), header("content-profile")]).toEqual([null, null]);
  });
});

describe("writes", () => {
  it("say how they are to be done", async () => {
    await values().from("t").insert({ a: 1 }, { count: "exact" });
    expect(header("prefer")).toBe("return=minimal,count=exact");
    const uneven = [{ a: 1, 'b"': 2 }, { a: 3 }];
    await values().from("t").insert(uneven, { defaultToNull: false });
    expect(header("prefer")).toBe("return=minimal,missing=default");
    expect(sent()).toEqual([["columns", String.raw`"a","b\""`]]);
    expect(last().body).toEqual(uneven);
    await values().from("t").upsert(uneven, { onConflict: "a,b" }).select("a");
    expect(header("prefer")).toBe("return=representation,resolution=merge-duplicates");
    expect(sent()).toEqual([["on_conflict", "a,b"]]);
    expect(last().body).toEqual([
      { a: 1, 'b"': 2 },
      { a: 3, 'b"': null },
    ]);
    await values().from("t").upsert({ a: 1 }, { ignoreDuplicates: true, defaultToNull: false, count: "exact" });
    expect(header("prefer")).toBe("return=minimal,resolution=ignore-duplicates,count=exact,missing=default");
    expect(sent()).toEqual([]);
    await values().from("t").update({ a: 1 }, { count: "planned" }).eq("a", 2).maxAffected(3);
    expect(header("prefer")).toBe("return=minimal,count=planned,handling=strict,max-affected=3");
    await values().from("t").delete({ count: "exact" }).rollback();
    expect(header("prefer")).toBe("return=minimal,count=exact,tx=rollback");
  });
});

describe("functions", () => {
  it("are called by POST, GET or HEAD", async () => {
    server.tables = () => json(200, 3);
    expect(await values().rpc("add up", { a: 1, b: [2], c: null })).toBe(3);
    expect(last()).toMatchObject({ method: "POST", path: "/api/v1/rpc/add%20up", body: { a: 1, b: [2], c: null } });
    expect(header("prefer")).toBeNull();
    await values().rpc("f");
    expect(last().body).toEqual({});
    await values().rpc("f", { a: 1, b: ["x,y", 2], c: { d: 1 }, e: undefined, at: new Date(0) }, { get: true });
    expect(last()).toMatchObject({ method: "GET", body: undefined });
    expect(sent()).toEqual([
      ["a", "1"],
      ["b", '{"x,y",2}'],
      ["c", '{"d":1}'],
      ["at", "1970-01-01T00:00:00.000Z"],
    ]);
    const nothing = await results().rpc("f", { a: null }, { get: true });
    expect(nothing.error).toMatchObject({ code: "invalid_query", message: expect.stringContaining("by POST") });
    await values().rpc("f", { a: 1 }, { head: true });
    expect(last()).toMatchObject({ method: "HEAD", body: undefined });
  });

  it("return rows that are filtered like those of tables, a row, a value, or nothing", async () => {
    server.tables = () => json(200, [{ id: 1 }], { "Content-Range": "0-0/7" });
    expect(
      await results().rpc("f", { a: 1 }, { count: "exact" }).select("id").eq("id", 1).order("id").limit(3),
    ).toMatchObject({
      data: [{ id: 1 }],
      count: 7,
    });
    expect([...last().search.keys()]).toEqual(["select", "id", "order", "limit"]);
    expect(header("prefer")).toBe("count=exact");
    expect(await values().rpc("f").maybeSingle()).toEqual({ id: 1 });
    expect(last().search.has("limit")).toBe(false);
    await values().rpc("f", {}, { get: true }).maybeSingle();
    expect(last().search.get("limit")).toBe("2");
    server.tables = () => json(200, { id: 1 });
    expect(await values().rpc("f").single()).toEqual({ id: 1 });
    expect(header("accept")).toBe("application/vnd.pgrst.object+json");
    server.tables = () => new Response(null, { status: 204 });
    expect(await values().rpc("f")).toBeNull();
  });
});

describe("throwOnError", () => {
  it("makes the result face throw, wherever it stands", async () => {
    server.tables = () => problem(409, "23505");
    const queries = [
      results().from("t").select().throwOnError().eq("a", 1),
      results().from("t").insert({}).throwOnError(),
      results().from("t").select().single().throwOnError(),
      results().rpc("f").throwOnError(),
    ];
    for (const query of queries) expect(await caught(query)).toBeInstanceOf(DataError);
    server.tables = () => json(200, [1]);
    expect(await results().from("t").select().throwOnError()).toMatchObject({ data: [1], error: null, status: 200 });
  });
});
