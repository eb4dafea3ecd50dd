/** What the compiler makes of `select`, of functions and of schemas. These fail in `npm run typecheck`. */

import { describe, expectTypeOf, it } from "vitest";
import { createClient, FluxbaseClient } from "../../src/index.js";

type Json = string | number | boolean | null | { [key: string]: Json | undefined } | Json[];

/** In the shape that type generators for Supabase write. */
interface Database {
  __InternalSupabase: { PostgrestVersion: "13" };
  public: {
    Tables: {
      authors: {
        Row: { id: number; name: string; mentor: number | null; settings: Json };
        Insert: { id?: number; name: string; mentor?: number | null; settings?: Json };
        Update: { id?: number; name?: string; mentor?: number | null; settings?: Json };
        Relationships: [
          {
            foreignKeyName: "authors_mentor_fkey";
            columns: ["mentor"];
            isOneToOne: false;
            referencedRelation: "authors";
            referencedColumns: ["id"];
          },
        ];
      };
      books: {
        Row: { id: number; title: string; price: number | null; author_id: number; editor_id: number | null };
        Insert: { title: string; author_id: number };
        Update: { title?: string };
        Relationships: [
          {
            foreignKeyName: "books_author_id_fkey";
            columns: ["author_id"];
            isOneToOne: false;
            referencedRelation: "authors";
            referencedColumns: ["id"];
          },
          {
            foreignKeyName: "books_editor_id_fkey";
            columns: ["editor_id"];
            isOneToOne: false;
            referencedRelation: "authors";
            referencedColumns: ["id"];
          },
        ];
      };
      covers: {
        Row: { book_id: number; color: string };
        Insert: { book_id: number; color: string };
        Update: { color?: string };
        Relationships: [
          {
            foreignKeyName: "covers_book_id_fkey";
            columns: ["book_id"];
            isOneToOne: true;
            referencedRelation: "books";
            referencedColumns: ["id"];
          },
        ];
      };
      tags: {
        Row: { id: number; word: string };
        Insert: { word: string };
        Update: { word?: string };
        Relationships: [];
      };
      book_tags: {
        Row: { book_id: number; tag_id: number };
        Insert: { book_id: number; tag_id: number };
        Update: { book_id?: number };
        Relationships: [
          {
            foreignKeyName: "book_tags_book_id_fkey";
            columns: ["book_id"];
            isOneToOne: false;
            referencedRelation: "books";
            referencedColumns: ["id"];
          },
          {
            foreignKeyName: "book_tags_tag_id_fkey";
            columns: ["tag_id"];
            isOneToOne: false;
            referencedRelation: "tags";
            referencedColumns: ["id"];
          },
        ];
      };
    };
    Views: {
      titles: { Row: { title: string | null }; Relationships: [] };
    };
    Functions: {
      add: { Args: { a: number; b: number }; Returns: number };
      cheap: {
        Args: { below?: number };
        Returns: { id: number; title: string; price: number | null; author_id: number; editor_id: number | null }[];
        SetofOptions: { from: "*"; to: "books"; isOneToOne: false; isSetofReturn: true };
      };
      first_book: {
        Args: { "": Database["public"]["Tables"]["authors"]["Row"] };
        Returns: Database["public"]["Tables"]["books"]["Row"];
        SetofOptions: { from: "authors"; to: "books"; isOneToOne: true; isSetofReturn: true };
      };
      forget: { Args: never; Returns: undefined };
      either: { Args: { n: number }; Returns: number } | { Args: { s: string }; Returns: string };
    };
    Enums: { mood: "good" | "bad" };
    CompositeTypes: { [_ in never]: never };
  };
  archive: {
    Tables: { scrolls: { Row: { age: number }; Insert: { age: number }; Update: { age?: number }; Relationships: [] } };
    Views: { [_ in never]: never };
    Functions: { [_ in never]: never };
    Enums: { [_ in never]: never };
    CompositeTypes: { [_ in never]: never };
  };
}
type Book = Database["public"]["Tables"]["books"]["Row"];

const options = { url: "http://x.test", fetch: async () => new Response("[]"), autoRefreshToken: false };
const made = new FluxbaseClient<Database>(options);
const results = createClient<Database>("http://x.test", undefined, { fetch: options.fetch, autoRefreshToken: false });
const books = made.from("books");
const authors = made.from("authors");

describe("select", () => {
  it("knows columns, aliases, casts and places in JSON", () => {
    expectTypeOf(books.select("*")).resolves.toEqualTypeOf<Book[]>();
    expectTypeOf(
      books.select(`
        id, name:title,
        price::text, cents:price::int4, "title"`),
    ).resolves.toEqualTypeOf<
      { id: number; name: string; price: string | null; cents: number | null; title: string }[]
    >();
    expectTypeOf(authors.select("id,settings->>theme,deep:settings->a->>b,settings->list->>0")).resolves.toEqualTypeOf<
      { id: number; theme: string | null; deep: string | null; list: string | null }[]
    >();
    expectTypeOf(books.select("*,twice:id")).resolves.items.toHaveProperty("twice").toEqualTypeOf<number>();
    expectTypeOf(books.select("id,nonsense")).resolves.toEqualTypeOf<{ id: number; nonsense: unknown }[]>();
    expectTypeOf(books.select("id" as string)).resolves.items.toBeAny();
  });

  it("knows rows of other tables, in both directions", () => {
    expectTypeOf(books.select("id,authors!author_id(name)")).resolves.toEqualTypeOf<
      { id: number; authors: { name: string } }[]
    >();
    expectTypeOf(books.select("editor:authors!books_editor_id_fkey(name)")).resolves.toEqualTypeOf<
      { editor: { name: string } | null }[]
    >();
    expectTypeOf(books.select("editor:authors!editor_id!inner(name)")).resolves.toEqualTypeOf<
      { editor: { name: string } }[]
    >();
    expectTypeOf(books.select("editor_id(name)")).resolves.toEqualTypeOf<{ editor_id: { name: string } | null }[]>();
    expectTypeOf(authors.select("name,books!author_id(title)")).resolves.toEqualTypeOf<
      { name: string; books: { title: string }[] }[]
    >();
    expectTypeOf(books.select("covers(color)")).resolves.toEqualTypeOf<{ covers: { color: string } | null }[]>();
    expectTypeOf(made.from("covers").select("color,books(*)")).resolves.toEqualTypeOf<
      { color: string; books: Book }[]
    >();
    expectTypeOf(books.select("tags(word)")).resolves.toEqualTypeOf<{ tags: { word: string }[] }[]>();
    expectTypeOf(authors.select("first_book(title)")).resolves.toEqualTypeOf<
      { first_book: { title: string } | null }[]
    >();
    expectTypeOf(authors.select("mentor(name)")).resolves.toEqualTypeOf<{ mentor: { name: string } | null }[]>();
    expectTypeOf(authors.select("pupils:authors!mentor(name)")).resolves.toEqualTypeOf<
      { pupils: { name: string }[] }[]
    >();
    expectTypeOf(authors.select("authors(name)")).resolves.items.toHaveProperty("authors").toBeAny();
  });

  it("knows embeddings within each other, empty ones, spread ones and aggregates", () => {
    expectTypeOf(
      made.from("tags").select("word, books(title, authors!author_id(name), covers(color)), book_tags(count())"),
    ).resolves.toEqualTypeOf<
      {
        word: string;
        books: { title: string; authors: { name: string }; covers: { color: string } | null }[];
        book_tags: { count: number }[];
      }[]
    >();
    expectTypeOf(books.select("title,authors!author_id!inner()")).resolves.toEqualTypeOf<{ title: string }[]>();
    expectTypeOf(books.select("title,...authors!editor_id(editor:name)")).resolves.toEqualTypeOf<
      { title: string; editor: string | null }[]
    >();
    expectTypeOf(made.from("tags").select("word,...books(title)")).resolves.toEqualTypeOf<
      { word: string; title: string[] }[]
    >();
    expectTypeOf(
      books.select("author_id,count(),price.sum(),most:price.max()::text,price::int.avg()"),
    ).resolves.toEqualTypeOf<
      { author_id: number; count: number; sum: number | null; most: string | null; avg: number | null }[]
    >();
  });

  it("gives up where the Database says nothing", () => {
    expectTypeOf(books.select("id,strangers(name)").single()).resolves.toEqualTypeOf<{
      id: number;
      // biome-ignore lint/suspicious/noExplicitAny: nothing is known of it
      strangers: any;
    }>();
    expectTypeOf(new FluxbaseClient(options).from("t").select("a(b)")).resolves.items.toBeAny();
  });
});

describe("outcomes", () => {
  it("follow what is asked for", () => {
    expectTypeOf(books.select("id").csv()).resolves.toEqualTypeOf<string>();
    expectTypeOf(books.select("*", { count: "exact", head: true })).resolves.toEqualTypeOf<number | null>();
    expectTypeOf(books.select("id", { count: "exact" })).resolves.toEqualTypeOf<{ id: number }[]>();
    expectTypeOf(books.select().explain()).resolves.toEqualTypeOf<string>();
    expectTypeOf(books.select().explain({ format: "json" })).resolves.toEqualTypeOf<Record<string, unknown>[]>();
    expectTypeOf(books.upsert({ title: "x", author_id: 1 }).select("id").maybeSingle()).resolves.toEqualTypeOf<{
      id: number;
    } | null>();
    expectTypeOf(books.select("id").returns<7>()).resolves.toEqualTypeOf<7>();
    expectTypeOf(books.select("id").overrideTypes<{ id: 1 }[]>()).resolves.toEqualTypeOf<{ id: 1 }[]>();
    expectTypeOf(books.select("id,title").single().overrideTypes<{ id: 1 }>()).resolves.toEqualTypeOf<{
      title: string;
      id: 1;
    }>();
    expectTypeOf(books.select("id").overrideTypes<7, { merge: false }>()).resolves.toEqualTypeOf<7>();
  });

  it("of the result face are envelopes, without an error after throwOnError", async () => {
    const head = await results.from("books").select("*", { count: "exact", head: true });
    expectTypeOf(head.data).toEqualTypeOf<null>();
    const { data } = await results.from("books").select("id").throwOnError().eq("id", 1);
    expectTypeOf(data).toEqualTypeOf<{ id: number }[]>();
    const one = await results.from("books").select("id").single().throwOnError();
    expectTypeOf(one.data).toEqualTypeOf<{ id: number }>();
  });
});

describe("functions and schemas", () => {
  it("follow the Database", () => {
    expectTypeOf(made.rpc("add", { a: 1, b: 2 })).resolves.toEqualTypeOf<number>();
    expectTypeOf(made.rpc("forget")).resolves.toEqualTypeOf<null>();
    expectTypeOf(made.rpc("either", { n: 1 })).resolves.toEqualTypeOf<number>();
    expectTypeOf(made.rpc("either", { s: "x" })).resolves.toEqualTypeOf<string>();
    expectTypeOf(made.rpc("cheap", { below: 3 })).resolves.toEqualTypeOf<Book[]>();
    expectTypeOf(made.rpc("cheap").eq("title", "x").select("id,authors!author_id(name)")).resolves.toEqualTypeOf<
      { id: number; authors: { name: string } }[]
    >();
    expectTypeOf(made.rpc("cheap", {}, { head: true, count: "exact" })).resolves.toEqualTypeOf<number | null>();
    expectTypeOf(made.schema("archive").from("scrolls").select()).resolves.toEqualTypeOf<{ age: number }[]>();
    expectTypeOf(made.from("titles").select()).resolves.toEqualTypeOf<{ title: string | null }[]>();
    // @ts-expect-error no such function
    made.rpc("nope");
    // @ts-expect-error a number is wanted
    made.rpc("add", { a: "1", b: 2 });
    // @ts-expect-error no such schema
    made.schema("nope");
    // @ts-expect-error no schema either
    made.schema("__InternalSupabase");
    // @ts-expect-error of another schema
    made.from("scrolls");
    // @ts-expect-error a view that cannot be written
    made.from("titles").insert({ title: "x" });
    // @ts-expect-error a number is wanted
    books.select().match({ id: "x" });
  });
});
