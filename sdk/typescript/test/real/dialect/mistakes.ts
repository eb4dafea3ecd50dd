/** Mistakes, by their codes; and what both clients do when they are told to throw, or to stop. */

import { describe, expect, it } from "vitest";
import { caught } from "../../support/unit.js";
import { data, type Speaker } from "./support.js";

export function mistakes(speaker: Speaker): void {
  const from = (table: string) => speaker.db.from(table);

  describe("mistakes", () => {
    it.each<[string, number, (speaker: Speaker) => PromiseLike<unknown>]>([
      ["PGRST100", 400, ({ db }) => db.from("authors").select("id").or("nonsense")],
      ["PGRST100", 400, ({ db }) => db.from("authors").select("id").filter("id", "nonsense", 1)],
      ["PGRST103", 416, ({ db }) => db.from("authors").select("id", { count: "exact" }).range(50, 60)],
      ["PGRST106", 406, ({ db }) => db.schema("pg_catalog").from("pg_class").select()],
      ["PGRST108", 400, ({ db }) => db.from("books").select("id").eq("covers.color", "red")],
      ["PGRST118", 400, ({ db }) => db.from("authors").select("id,books!books_author(id)").order("books(id)")],
      ["PGRST200", 400, ({ db }) => db.from("books").select("id,orphans(id)")],
      ["PGRST201", 300, ({ db }) => db.from("books").select("id,authors(name)")],
      ["PGRST202", 404, ({ db }) => db.rpc("nope")],
      ["PGRST205", 404, ({ db }) => db.from("nope").select()],
      ["42703", 400, ({ db }) => db.from("authors").select("nope")],
      ["42703", 400, ({ db }) => db.from("authors").select("id").eq("nope", 1)],
      ["22P02", 400, ({ db }) => db.from("authors").select("id").eq("id", "x")],
      ["42501", 403, ({ db }) => db.from("authors").insert({ id: 9, name: "x", tags: [], settings: {} })],
      ["42501", 401, ({ anonymous }) => anonymous.from("authors").insert({ id: 9, name: "x", tags: [], settings: {} })],
    ])("have a code: %s (%i)", async (code, status, query) => {
      const outcome = (await query(speaker)) as { error: { message: string } };
      expect(outcome).toMatchObject({ data: null, count: null, status, error: { code } });
      expect(outcome.error.message).not.toBe("");
    });

    it("name what could have been meant", async () => {
      const { error } = await from("books").select("id,authors(name)");
      expect(error?.hint).toContain("authors!books_author");
    });

    it("are thrown after throwOnError()", async () => {
      expect(await caught(from("nope").select().throwOnError())).toMatchObject({ code: "PGRST205" });
      expect(await from("authors").select("id").eq("id", 1).throwOnError()).toMatchObject({
        data: [{ id: 1 }],
        error: null,
      });
    });
  });

  describe("a schema", () => {
    it("is another set of tables, and every caller's own", async () => {
      expect(await speaker.db.schema("public").from("authors").select()).toMatchObject({ status: 404 });
      expect(await data(speaker.db.schema("dialect_reads").from("genres").select("id").eq("id", 1))).toEqual([
        { id: 1 },
      ]);
    });
  });

  describe("a signal", () => {
    it("gives the request up", async () => {
      const aborted = await from("authors").select().abortSignal(AbortSignal.abort());
      expect(aborted).toMatchObject({ data: null, error: { message: expect.stringMatching(/abort/i) } });
      const alive = await from("authors").select("id").eq("id", 1).abortSignal(new AbortController().signal);
      expect(alive).toMatchObject({ data: [{ id: 1 }], error: null });
    });
  });
}
