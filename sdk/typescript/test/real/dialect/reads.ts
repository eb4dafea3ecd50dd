/** Which columns, in which order, how many, in which form; single rows, counts, functions. */

import { describe, expect, it } from "vitest";
import { data, ids, type Speaker } from "./support.js";

export function reads(speaker: Speaker): void {
  const authors = (columns = "id") => speaker.db.from("authors").select(columns);
  const books = (columns = "id") => speaker.db.from("books").select(columns);

  describe("select", () => {
    it("takes columns, names, types and places in JSON", async () => {
      const query = authors(`id, label:name, rating::text, "born",
        settings->>theme, first:settings->list->0, tags->0`);
      expect(await data(query.eq("id", 1).single())).toEqual({
        ...{ id: 1, label: "Ada", rating: "4.5", born: "1815-12-10", theme: "dark", first: 10, tags: "math" },
      });
      expect(await data(books("shout").eq("id", 1))).toEqual([{ shout: "NOTES" }]);
      expect(Object.keys((await data(authors("*").eq("id", 1).single())) as object)).toHaveLength(9);
      expect(await ids(speaker.db.from("cheap_books").select("id").order("id"))).toEqual([1, 3]);
    });

    it("sorts", async () => {
      expect(await ids(authors().order("name", { ascending: false }))).toEqual([4, 2, 3, 1]);
      expect(await ids(authors().order("rating"))).toEqual([4, 2, 1, 3]);
      expect(await ids(authors().order("rating", { ascending: false }))).toEqual([3, 1, 2, 4]);
      expect(await ids(authors().order("rating", { nullsFirst: true }))).toEqual([3, 4, 2, 1]);
      expect(await ids(authors().order("rating", { ascending: false, nullsFirst: false }))).toEqual([1, 2, 4, 3]);
      expect(await ids(authors().order("active", { nullsFirst: true }).order("id", { ascending: false }))).toEqual([
        3, 2, 4, 1,
      ]);
      expect(await ids(authors().order("settings->n", { ascending: false, nullsFirst: false }).order("id"))).toEqual([
        2, 1, 3, 4,
      ]);
    });

    it("cuts", async () => {
      expect(await ids(authors().order("id").limit(2))).toEqual([1, 2]);
      expect(await ids(authors().order("id").range(1, 2))).toEqual([2, 3]);
      expect(await ids(authors().order("id").range(3, 9))).toEqual([4]);
      expect(await ids(authors().limit(0))).toEqual([]);
    });
  });

  describe("single rows", () => {
    it("must be one", async () => {
      expect(await authors("name").eq("id", 1).single()).toMatchObject({
        data: { name: "Ada" },
        error: null,
        status: 200,
      });
      for (const query of [authors().eq("id", 99).single(), authors().single()])
        expect(await query).toMatchObject({ data: null, error: { code: "PGRST116" }, status: 406 });
    });

    it("may be none", async () => {
      expect(await authors("name").eq("id", 1).maybeSingle()).toMatchObject({ data: { name: "Ada" }, error: null });
      expect(await authors("name").eq("id", 99).maybeSingle()).toMatchObject({ data: null, error: null, status: 200 });
      expect(await authors().maybeSingle()).toMatchObject({ data: null, error: { code: "PGRST116" }, status: 406 });
    });
  });

  describe("forms", () => {
    it("CSV", async () => {
      const query = speaker.db.from("authors").select("id,name,born").in("id", [1, 4]).order("id");
      const lines = String(await data(query.csv()))
        .trim()
        .split("\n");
      expect(lines).toEqual(["id,name,born", "1,Ada,1815-12-10", '4,"O""Neil, (B)\\ {x}",']);
    });

    it("plans in place of rows", async () => {
      const one = () => speaker.db.from("authors").select("id").eq("id", 1);
      expect(await data(one().explain())).toMatch(/Scan.*authors/);
      const [plan] = (await data(one().explain({ analyze: true, format: "json" }))) as Record<string, unknown>[];
      expect(plan).toHaveProperty("Plan");
      expect(plan).toHaveProperty("Execution Time");
    });

    it("without nulls", async () => {
      const rows = authors("id,rating").in("id", [2, 3]).order("id").stripNulls();
      expect(await data(rows)).toEqual([{ id: 2, rating: 3 }, { id: 3 }]);
      expect(await data(authors("id,rating").eq("id", 3).stripNulls().single())).toEqual({ id: 3 });
    });
  });

  describe("counts", () => {
    it("are of all that matches", async () => {
      const counted = speaker.db.from("authors").select("id", { count: "exact" });
      expect(await counted.gt("id", 1).order("id").limit(2)).toMatchObject({
        data: [{ id: 2 }, { id: 3 }],
        count: 3,
        status: 206,
      });
      expect(await speaker.db.from("authors").select("id")).toMatchObject({ count: null, status: 200 });
      const none = speaker.db.from("authors").select("id", { count: "exact" }).eq("id", 99);
      expect(await none).toMatchObject({ data: [], count: 0, status: 200 });
    });

    it("need no rows", async () => {
      const head = speaker.db.from("authors").select("*", { count: "exact", head: true });
      expect(await head.is("active", true)).toMatchObject({ data: null, error: null, count: 2 });
    });

    it.each(["planned", "estimated"] as const)("may be %s", async (count) => {
      const outcome = await speaker.db.from("authors").select("id", { count });
      expect(outcome.error).toBeNull();
      expect(outcome.count).toEqual(expect.any(Number));
      expect(outcome.data).toHaveLength(4);
    });
  });

  describe("functions", () => {
    it("take arguments by name", async () => {
      const { db } = speaker;
      expect(await data(db.rpc("add_up", { a: 1, b: 2 }))).toBe(3);
      expect(await data(db.rpc("add_up", { a: 1 }))).toBe(11);
      expect(await data(db.rpc("add_up", { a: 1, b: 2 }, { get: true }))).toBe(3);
      expect(await data(db.rpc("total", { n: [1, 2, 3] }))).toBe(6);
      expect(await data(db.rpc("same", { doc: [1, { a: null }], words: ["x, y", 'z"'] }))).toEqual({
        doc: [1, { a: null }],
        words: ["x, y", 'z"'],
      });
      expect(await data(db.rpc("forget"))).toBeNull();
    });

    it("return rows like tables", async () => {
      const below = (options = {}) => speaker.db.rpc("books_below", { price_limit: 100 }, options);
      expect(await ids(below())).toEqual([1, 2, 3]);
      expect(await data(below().select("id,title").neq("id", 2).order("id", { ascending: false }).limit(1))).toEqual([
        { id: 3, title: "Compilers" },
      ]);
      expect(await ids(below({ get: true }).lt("price", 9))).toEqual([1]);
      expect(await data(below().eq("id", 2).single())).toMatchObject({ title: "Engines, part (1)" });
      expect(await data(below().eq("id", 99).maybeSingle())).toBeNull();
      expect(await below().single()).toMatchObject({ error: { code: "PGRST116" }, status: 406 });
      expect(await data(speaker.db.rpc("one_book", { book: 1 }))).toMatchObject({ title: "Notes" });
      expect(await data(speaker.db.rpc("words_of", { line: "a b" }))).toEqual(["a", "b"]);
    });

    it("count what they return", async () => {
      const counted = speaker.db.rpc("books_below", { price_limit: 100 }, { count: "exact" });
      expect(await counted.limit(1)).toMatchObject({ data: [expect.objectContaining({ id: 1 })], count: 3 });
      const head = await speaker.db.rpc("books_below", { price_limit: 100 }, { head: true, count: "exact" });
      expect(head).toMatchObject({ data: null, error: null, count: 3 });
    });

    it("fail in their own words", async () => {
      expect(await speaker.db.rpc("refuse")).toMatchObject({
        ...{ data: null, status: 400, error: { code: "P0001", message: "no", details: "because", hint: "ask again" } },
      });
      expect(await speaker.db.rpc("teapot")).toMatchObject({ status: 418, error: { message: "tea" } });
      expect(await speaker.db.rpc("nope")).toMatchObject({ status: 404, error: { code: "PGRST202" } });
      expect(await speaker.db.rpc("add_up", { c: 1 })).toMatchObject({ status: 404, error: { code: "PGRST202" } });
    });
  });
}
