/** Every filter, each with rows that it lets through and rows that it does not. */

import { describe, expect, it } from "vitest";
import { ids, type Speaker } from "./support.js";

const ODD = 'O"Neil, (B)\\ {x}';

export function filters(speaker: Speaker): void {
  const authors = () => speaker.db.from("authors").select("id").order("id");
  const books = () => speaker.db.from("books").select("id").order("id");

  describe("filters", () => {
    it("compare", async () => {
      expect(await ids(authors().eq("id", 2))).toEqual([2]);
      expect(await ids(authors().eq("name", ODD))).toEqual([4]);
      expect(await ids(authors().neq("name", "Ada"))).toEqual([2, 3, 4]);
      expect(await ids(authors().gt("id", 2))).toEqual([3, 4]);
      expect(await ids(authors().gte("born", "1906-12-09"))).toEqual([2, 3]);
      expect(await ids(authors().lt("rating", 3))).toEqual([4]);
      expect(await ids(authors().lte("rating", 3))).toEqual([2, 4]);
      expect(await ids(authors().gt("id", 1).lt("id", 4))).toEqual([2, 3]);
      expect(await ids(authors().match({ active: true, name: ODD }))).toEqual([4]);
    });

    it("tell null from values", async () => {
      expect(await ids(authors().is("active", null))).toEqual([3]);
      expect(await ids(authors().is("active", true))).toEqual([1, 4]);
      expect(await ids(authors().is("active", false))).toEqual([2]);
      expect(await ids(authors().not("active", "is", null))).toEqual([1, 2, 4]);
      expect(await ids(authors().neq("rating", 3))).toEqual([1, 4]);
      expect(await ids(authors().isDistinct("rating", 3))).toEqual([1, 3, 4]);
    });

    it("look patterns up", async () => {
      expect(await ids(authors().like("name", "%d%"))).toEqual([1, 3]);
      expect(await ids(authors().like("name", "E*"))).toEqual([3]);
      expect(await ids(authors().ilike("name", "%D%"))).toEqual([1, 3]);
      expect(await ids(authors().like("name", "%D%"))).toEqual([]);
      expect(await ids(authors().likeAllOf("name", ["%d%", "%g%"]))).toEqual([3]);
      expect(await ids(authors().likeAnyOf("name", ["A%", "G%"]))).toEqual([1, 2]);
      expect(await ids(authors().ilikeAllOf("name", ["%D%", "%G%"]))).toEqual([3]);
      expect(await ids(authors().ilikeAnyOf("name", ["a%", "g%"]))).toEqual([1, 2]);
      expect(await ids(authors().regexMatch("name", "^[AG]"))).toEqual([1, 2]);
      expect(await ids(authors().regexIMatch("name", "^[ag]"))).toEqual([1, 2]);
      expect(await ids(authors().regexMatch("name", "^[ag]"))).toEqual([]);
    });

    it("look values up in lists", async () => {
      expect(await ids(authors().in("id", [1, 3, 99]))).toEqual([1, 3]);
      expect(await ids(authors().in("name", ["Ada", "x, (y)"]))).toEqual([1]);
      expect(await ids(books().in("title", ["Engines, part (1)"]))).toEqual([2]);
      expect(await ids(authors().in("id", []))).toEqual([]);
      expect(await ids(authors().notIn("id", [1, 3]))).toEqual([2, 4]);
      expect(await ids(books().notIn("title", ["Engines, part (1)", "Notes"]))).toEqual([3, 4]);
      expect(await ids(authors().not("id", "in", "(1,2)"))).toEqual([3, 4]);
      expect(await ids(authors().filter("id", "in", "(1,2)"))).toEqual([1, 2]);
    });

    it("look into arrays and JSON", async () => {
      expect(await ids(authors().contains("tags", ["code"]))).toEqual([1, 2]);
      expect(await ids(authors().contains("tags", ["code", "navy"]))).toEqual([2]);
      expect(await ids(authors().containedBy("tags", ["code", "math", "x"]))).toEqual([1, 3]);
      expect(await ids(authors().overlaps("tags", ["math", "navy"]))).toEqual([1, 2]);
      expect(await ids(authors().contains("settings", { theme: "dark" }))).toEqual([1]);
      expect(await ids(authors().containedBy("settings", { theme: "light", n: 2, more: 1 }))).toEqual([2, 3]);
      expect(await ids(authors().eq("settings->>theme", "light"))).toEqual([2]);
      expect(await ids(authors().eq("settings->>theme", 'dark, "(deep)'))).toEqual([4]);
      expect(await ids(authors().gt("settings->n", 1))).toEqual([2]);
      expect(await ids(authors().eq("settings->list->>1", 20))).toEqual([1]);
      expect(await ids(authors().eq("tags->>0", "navy"))).toEqual([2]);
    });

    it("compare ranges", async () => {
      expect(await ids(authors().contains("years", "[1820,1821)"))).toEqual([1]);
      expect(await ids(authors().containedBy("years", "[1800,1900)"))).toEqual([1]);
      expect(await ids(authors().overlaps("years", "[1850,1910)"))).toEqual([1, 2]);
      expect(await ids(authors().rangeGt("years", "[1800,1900)"))).toEqual([2, 4]);
      expect(await ids(authors().rangeGte("years", "[1906,1907)"))).toEqual([2, 4]);
      expect(await ids(authors().rangeLt("years", "[1900,1901)"))).toEqual([1]);
      expect(await ids(authors().rangeLte("years", "[1900,1993)"))).toEqual([1, 2]);
      expect(await ids(authors().rangeAdjacent("years", "[1853,1906)"))).toEqual([1, 2]);
    });

    it("search texts", async () => {
      expect(await ids(books().textSearch("words", "'engine' & !'compute'"))).toEqual([1]);
      expect(await ids(books().textSearch("words", "engines notes", { type: "plain", config: "english" }))).toEqual([
        1,
      ]);
      expect(await ids(books().textSearch("words", "notes on engines", { type: "phrase", config: "english" }))).toEqual(
        [1],
      );
      expect(await ids(books().textSearch("words", "engine -notes", { type: "websearch", config: "english" }))).toEqual(
        [2],
      );
      expect(await ids(books().textSearch("title", "compilers", { config: "simple" }))).toEqual([3]);
    });

    it("are negated and joined", async () => {
      expect(await ids(authors().not("name", "like", "A%"))).toEqual([2, 3, 4]);
      expect(await ids(authors().or("id.eq.1,name.eq.Grace"))).toEqual([1, 2]);
      expect(await ids(authors().or("id.eq.3,and(active.is.true,not.rating.gt.2)"))).toEqual([3, 4]);
      expect(await ids(authors().or('name.eq."O\\"Neil, (B)\\\\ {x}",id.in.(2,9)'))).toEqual([2, 4]);
      expect(await ids(authors().or("tags.cs.{navy},settings->>theme.eq.dark").neq("id", 1))).toEqual([2]);
      expect(await ids(authors().or("id.lt.3").or("id.gt.1,id.eq.9"))).toEqual([2]);
      expect(await ids(authors().filter("id", "not.eq", 1))).toEqual([2, 3, 4]);
    });
  });
}
