// Uses of a module that `fluxbase-cli types generate` has written, as people
// make them: `npm run typecheck` compiles both. What must not compile says so.

import {
  type CompositeTypes,
  Constants,
  type Database,
  type Enums,
  type Json,
  type Tables,
  type TablesInsert,
  type TablesUpdate,
} from "../../../../internal/typescript/testdata/database.js";
import { createClient } from "../../src/index.js";

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
/** Compiles if the answer is yes. */
const yes = <Answer extends true>(answer?: Answer) => answer;

// A row to insert: what has a default or may be null may be left out, what the
// database generates must be.
const insert: Database["public"]["Tables"]["todos"]["Insert"] = { title: "Write", "user-id": "a" };
export const whole: TablesInsert<"todos"> = { ...insert, done: true, tags: ["a"], priority: null, parent: 7 };
// @ts-expect-error: the title is missing
export const incomplete: TablesInsert<"todos"> = { "user-id": "a" };
// @ts-expect-error: a title may not be null
export const untitled: TablesInsert<"todos"> = { title: null, "user-id": "a" };
// @ts-expect-error: an identity that is always generated
export const numbered: TablesInsert<"todos"> = { id: 1, title: "Write", "user-id": "a" };
// @ts-expect-error: a generated column
export const shouted: TablesInsert<"todos"> = { shout: "WRITE", title: "Write", "user-id": "a" };
// @ts-expect-error: there is no such column
export const misspelt: TablesInsert<"todos"> = { titel: "Write", title: "Write", "user-id": "a" };
// @ts-expect-error: the type is another
export const done: TablesInsert<"todos"> = { done: "yes", title: "Write", "user-id": "a" };
export const identity: TablesInsert<"profiles"> = { user_id: "a", name: "A", number: 1 };
// @ts-expect-error: the domain refuses null
export const nameless: TablesInsert<"profiles"> = { user_id: "a", name: null };

// A change may be of anything but what is generated.
export const change: TablesUpdate<"todos"> = { done: true };
export const none: TablesUpdate<"todos"> = {};
// @ts-expect-error: a generated column
export const reshout: TablesUpdate<"todos"> = { shout: "A" };

// A view has Insert and Update if rows can be written through it.
export const through: Database["public"]["Views"]["titles"]["Insert"] = { text: "Write" };
// @ts-expect-error: an expression
export const loud: Database["public"]["Views"]["titles"]["Insert"] = { loud: "WRITE" };
// @ts-expect-error: an aggregate takes no rows
export type Counted = Database["public"]["Views"]["counts"]["Insert"];
// @ts-expect-error: TablesInsert is for tables
export type Titled = TablesInsert<"titles">;

// What is read.
yes<Same<Tables<"users">["settings"], Json | null>>();
yes<Same<Tables<"users">["handle"], string | null>>();
yes<Same<Tables<"titles">["text"], string | null>>();
yes<Same<Tables<"every_type">["ah"], Enums<"mood">[] | null>>();
yes<Same<Tables<"every_type">["aj"], ("a" | "b")[] | null>>();
yes<Same<Tables<"every_type">["al"], CompositeTypes<"pair"> | null>>();
yes<Same<Tables<"users" | "titles">, Tables<"users"> | Tables<"titles">>>();
yes<Same<Tables<{ schema: "shop" }, "orders">["size"], "s" | "m">>();
yes<Same<Enums<{ schema: "shop" }, "size">, "s" | "m">>();
yes<Same<Enums<"nothing">, never>>();
yes<Same<TablesInsert<{ schema: "shop" }, "orders">, Database["shop"]["Tables"]["orders"]["Insert"]>>();
yes<Same<keyof Database, "public" | "shop">>();
// @ts-expect-error: of another schema
export type Order = Tables<"orders">;
// @ts-expect-error: of another schema
export type Users = Tables<{ schema: "shop" }, "users">;
// @ts-expect-error: there is no such schema
export type Hidden = Tables<{ schema: "hidden" }, "h">;

// Relationships are tuples of literals, for builders of queries to read.
type Relationships = Database["shop"]["Tables"]["notes"]["Relationships"];
yes<Same<Relationships["length"], 1>>();
yes<Same<Relationships[0]["columns"], ["order_id", "n"]>>();
yes<Same<Relationships[0]["referencedRelation"], "order items">>();
yes<Same<Database["public"]["Tables"]["profiles"]["Relationships"][0]["isOneToOne"], true>>();
yes<Same<Database["public"]["Tables"]["users"]["Relationships"], []>>();

// Functions.
type Functions = Database["public"]["Functions"];
export const optional: Functions["add"]["Args"] = { a: 1 };
export const variadic: Functions["sum_all"]["Args"] = { numbers: [1, 2] };
// @ts-expect-error: an argument without a default
export const lacking: Functions["add"]["Args"] = { b: 1 };
yes<Same<Functions["nothing_at_all"]["Args"], never>>();
yes<Same<Functions["nothing_at_all"]["Returns"], undefined>>();
yes<Same<Functions["tab"]["Returns"], { "b;": string; id: number; mood: Enums<"mood"> }[]>>();
yes<Same<Functions["todos_of"]["SetofOptions"]["from"], "users">>();
yes<Same<Functions["first_todo"]["SetofOptions"]["from"], "*">>(); // a computed column
yes<Same<Functions["latest"]["SetofOptions"]["isOneToOne"], true>>();
yes<Same<Functions["todos_of"]["Returns"], Tables<"todos">[]>>();
type Searches = Exclude<Functions["search"], { Args: never }>; // never is every type's
yes<Same<Extract<Searches, { Args: { words: string } }>["Returns"], Tables<"todos">[]>>();
yes<Same<Extract<Searches, { Args: { number: number } }>["Returns"], Enums<"mood">[]>>();
// @ts-expect-error: nobody could call it
export type Uncallable = Functions["never_called"];

// Labels as values, in their order.
export const labels: readonly Enums<"mood">[] = Constants.public.Enums.mood;
yes<Same<(typeof Constants.public.Enums.mood)[0], "sad">>();
yes<Same<(typeof Constants.public.Enums)["__proto__"], readonly ["x"]>>();
yes<Same<(typeof Constants)["shop"]["Enums"]["size"], readonly ["s", "m"]>>();

// What clients expect of a schema, in general.
type Relationship = {
  foreignKeyName: string;
  columns: string[];
  isOneToOne?: boolean;
  referencedRelation: string;
  referencedColumns: string[];
};
type Readable = { Row: Record<string, unknown>; Relationships: Relationship[] };
type Writable = Readable & { Insert: Record<string, unknown>; Update: Record<string, unknown> };
type Schema = {
  Tables: Record<string, Writable>;
  Views: Record<string, Writable | Readable>;
  Functions: Record<string, { Args: Record<string, unknown> | never; Returns: unknown }>;
};
yes<Database["public"] extends Schema ? true : false>();
yes<Database["shop"] extends Schema ? true : false>();

// The SDK reads all that.
const client = createClient<Database>("http://localhost:8080", "key");
export const asked = async () => {
  const todos = await client.from("todos").select("id, title, users(email, mood, handle)");
  yes<
    Same<
      NonNullable<typeof todos.data>[number],
      { id: number; title: string; users: { email: string; mood: Enums<"mood">; handle: string | null } }
    >
  >();
  const users = await client.from("users").select("email, profiles(name), todos_of(title), latest(title)").single();
  yes<
    Same<
      NonNullable<typeof users.data>,
      {
        email: string;
        profiles: { name: string } | null;
        todos_of: { title: string }[];
        latest: { title: string } | null;
      }
    >
  >();
  const items = await client.schema("shop").from("notes").select("text, order:order items(n, orders(size))");
  yes<
    Same<
      NonNullable<typeof items.data>[number],
      { text: string; order: { n: number; orders: { size: "s" | "m" } } | null }
    >
  >();
  const found = await client.rpc("search", { words: "a" });
  yes<Same<NonNullable<typeof found.data>, Tables<"todos">[]>>();
  await client.from("todos").insert({ title: "Write", "user-id": "a" });
  // @ts-expect-error: a generated column
  await client.from("todos").insert({ title: "Write", "user-id": "a", shout: "WRITE" });
  // @ts-expect-error: there is no such table
  await client.from("orders").select();
};
