/** Rows of other tables: to one, to many, through a junction; filtered, sorted, cut, spread and aggregated. */

import { describe, expect, it } from "vitest";
import { data, ids, type Speaker } from "./support.js";

export function embedding(speaker: Speaker): void {
  const from = (table: string, columns: string) => speaker.db.from(table).select(columns).order("id");

  describe("embedding", () => {
    it("one row, or null", async () => {
      expect(await data(from("books", "id,covers(color)"))).toEqual([
        { id: 1, covers: { color: "red" } },
        { id: 2, covers: null },
        { id: 3, covers: { color: "blue" } },
        { id: 4, covers: null },
      ]);
      const both = from("books", "id,author:authors!books_author(name),editor:authors!editor_id(name)").in(
        "id",
        [1, 2],
      );
      expect(await data(both)).toEqual([
        { id: 1, author: { name: "Ada" }, editor: null },
        { id: 2, author: { name: "Ada" }, editor: { name: "Grace" } },
      ]);
    });

    it("many rows, or none", async () => {
      expect(await data(from("authors", "id,books!books_author(title)"))).toEqual([
        { id: 1, books: [{ title: "Notes" }, { title: "Engines, part (1)" }] },
        { id: 2, books: [{ title: "Compilers" }] },
        { id: 3, books: [{ title: "Structured" }] },
        { id: 4, books: [] },
      ]);
    });

    it("through a junction, from both ends", async () => {
      expect(
        await data(from("books", "id,genres(name)").lte("id", 2).order("id", { referencedTable: "genres" })),
      ).toEqual([
        { id: 1, genres: [{ name: "math" }] },
        { id: 2, genres: [{ name: "math" }, { name: "code" }] },
      ]);
      expect(await data(from("genres", "id,books(id)").order("id", { referencedTable: "books" }))).toEqual([
        { id: 1, books: [{ id: 1 }, { id: 2 }] },
        { id: 2, books: [{ id: 2 }, { id: 3 }] },
        { id: 3, books: [] },
      ]);
    });

    it("within each other", async () => {
      const query = from(
        "genres",
        "id,books(title,author:authors!books_author(name,mentor:mentor_id(name)),covers(color))",
      );
      expect(await data(query.eq("id", 2).order("id", { referencedTable: "books" }))).toEqual([
        {
          id: 2,
          books: [
            { title: "Engines, part (1)", author: { name: "Ada", mentor: null }, covers: null },
            { title: "Compilers", author: { name: "Grace", mentor: { name: "Ada" } }, covers: { color: "blue" } },
          ],
        },
      ]);
    });

    it("of views and of what functions return", async () => {
      expect(await data(from("cheap_books", "id,authors(name)"))).toEqual([
        { id: 1, authors: { name: "Ada" } },
        { id: 3, authors: { name: "Grace" } },
      ]);
      const below = speaker.db.rpc("books_below", { price_limit: 6 }).select("id,author:authors!books_author(name)");
      expect(await data(below)).toEqual([{ id: 1, author: { name: "Ada" } }]);
    });

    it("alone lets the others through unless it is inner", async () => {
      const colors = "id,covers(color)";
      expect(await data(from("books", colors).eq("covers.color", "red").lte("id", 2))).toEqual([
        { id: 1, covers: { color: "red" } },
        { id: 2, covers: null },
      ]);
      expect(await ids(from("books", "id,covers!inner(color)"))).toEqual([1, 3]);
      expect(await ids(from("books", "id,covers!inner(color)").eq("covers.color", "blue"))).toEqual([3]);
      expect(await ids(from("authors", "id,books!books_author!inner(id)").gt("books.price", 6))).toEqual([1, 2]);
      expect(await data(from("books", "id,covers!inner()").eq("covers.color", "red"))).toEqual([{ id: 1 }]);
      expect(await ids(from("books", "id,covers()").is("covers", null))).toEqual([2, 4]);
      expect(await ids(from("books", "id,covers()").not("covers", "is", null))).toEqual([1, 3]);
      const counted = speaker.db.from("books").select("id,covers!inner(color)", { count: "exact" }).limit(1);
      expect(await counted).toMatchObject({ count: 2 });
    });

    it("is filtered, sorted and cut by itself", async () => {
      const titles = "id,books!books_author(id)";
      const books = { referencedTable: "books" };
      const first = async (query: ReturnType<typeof from>) => {
        const [row] = (await data(query.eq("id", 1))) as { books: { id: number }[] }[];
        return row?.books.map(({ id }) => id);
      };
      expect(await first(from("authors", titles).order("id", { ...books, ascending: false }))).toEqual([2, 1]);
      expect(await first(from("authors", titles).order("id", books).limit(1, books))).toEqual([1]);
      expect(await first(from("authors", titles).order("id", books).range(1, 5, books))).toEqual([2]);
      expect(await first(from("authors", titles).lt("books.price", 6))).toEqual([1]);
      expect(await first(from("authors", titles).or("price.gt.10,title.eq.x", books))).toEqual([2]);
      const deep = speaker.db.from("genres").select("id,books(id,author:authors!books_author(name))").eq("id", 1);
      expect(await data(deep.eq("books.author.name", "nobody").limit(1, books))).toEqual([
        { id: 1, books: [{ id: expect.any(Number), author: null }] },
      ]);
    });

    it("can decide the order where it is one row", async () => {
      const query = speaker.db.from("books").select("id,author:authors!books_author(name)");
      expect(await ids(query.order("author(name)", { ascending: false }).order("id"))).toEqual([3, 4, 1, 2]);
    });

    it("spreads", async () => {
      expect(
        await data(from("books", "id,...authors!books_author(author:name),...covers(color)").lte("id", 2)),
      ).toEqual([
        { id: 1, author: "Ada", color: "red" },
        { id: 2, author: "Ada", color: null },
      ]);
      expect(await data(from("authors", "id,...books!books_author(titles:title)").in("id", [1, 4]))).toEqual([
        { id: 1, titles: ["Notes", "Engines, part (1)"] },
        { id: 4, titles: [] },
      ]);
    });

    it("aggregates, with and without groups", async () => {
      const all = speaker.db
        .from("books")
        .select("count(),sum:price.sum(),price.avg()::int,least:price.min(),price.max()");
      expect(await data(all)).toEqual([{ count: 4, sum: 26.5, avg: 9, least: 5, max: 12.5 }]);
      const grouped = speaker.db.from("books").select("author_id,count(),price.sum()::text").order("author_id");
      expect(await data(grouped)).toEqual([
        { author_id: 1, count: 2, sum: "17.5" },
        { author_id: 2, count: 1, sum: "9" },
        { author_id: 3, count: 1, sum: null },
      ]);
      expect(await data(from("authors", "id,books!books_author(count())"))).toEqual([
        { id: 1, books: [{ count: 2 }] },
        { id: 2, books: [{ count: 1 }] },
        { id: 3, books: [{ count: 1 }] },
        { id: 4, books: [{ count: 0 }] },
      ]);
    });
  });
}
