/** The types that `fluxbase-cli types generate` writes for a real database, and what the SDK makes of them. */

import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { server, sql } from "../support.js";
import { makeSchema } from "./support.js";

const ROOT = resolve(import.meta.dirname, "../../..");
const CLI = resolve(ROOT, "../../bin/fluxbase-cli");
const folder = join(ROOT, ".samples", `types-${process.pid}`);

const USE = `
import { createClient, FluxbaseClient } from "@nimbleflux/fluxbase-sdk";
import type { Database } from "./database.js";

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
declare function check<Expected>(): <Given>(given: PromiseLike<Given>, same: Same<Given, Expected>) => void;

const db = new FluxbaseClient<Database>({ url: "http://localhost:8080" }).schema("dialect_other");
check<{ id: number; name: string; mood: "good" | "bad" | null; owner_id: number }[]>()(db.from("pets").select(), true);
check<{ name: string; owner: { name: string } }[]>()(db.from("pets").select("name,owner:owners(name)"), true);
check<{ pets: { id: number }[] } | null>()(db.from("owners").select("pets(id)").maybeSingle(), true);
check<number>()(db.rpc("add_up", { a: 1 }), true);
check<null>()(db.rpc("nothing"), true);
check<{ name: string | null }[]>()(db.from("names").select(), true);

void db.from("pets").insert({ name: "x", owner_id: 1, mood: "good" }).select("id").single();
// @ts-expect-error not a mood
void db.from("pets").insert({ name: "x", owner_id: 1, mood: "so-so" });
// @ts-expect-error an owner is missing
void db.from("pets").insert({ name: "x" });
// @ts-expect-error no such table
void db.from("nothings");
// @ts-expect-error a number is wanted
void db.rpc("add_up", { a: "1" });

export async function names(): Promise<string[]> {
  const { data, error } = await createClient<Database>("http://localhost:8080").schema("dialect_other").from("pets").select("name");
  return error === null ? data.map(({ name }) => name) : [];
}
`;

beforeAll(() =>
  makeSchema(
    "dialect_other",
    `create type mood as enum ('good', 'bad');
     create table owners (id int generated always as identity primary key, name text not null);
     create table pets (
       id int generated always as identity primary key, name text not null, mood mood,
       owner_id int not null references owners
     );
     alter table owners enable row level security;
     alter table pets enable row level security;
     create view names with (security_invoker = true) as select name from pets;
     create function add_up(a int, b int default 1) returns int immutable language sql as $$ select a + b $$;
     create function nothing() returns void language sql as $$ $$`,
  ),
);
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await sql("drop schema if exists dialect_other cascade");
});

it("compile, and know rows, embedded rows and functions", () => {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, "database.ts");
  const env = { ...process.env, FLUXBASE_URL: server.url, FLUXBASE_SERVICE_KEY: server.serviceKey };
  const generate = (...flags: string[]) =>
    execFileSync(CLI, ["types", "generate", "--schema", "dialect_other", "--output", file, ...flags], { env });
  generate();
  generate("--check");
  writeFileSync(join(folder, "use.ts"), USE);
  const compilerOptions = {
    target: "es2022",
    module: "esnext",
    moduleResolution: "bundler",
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    types: [],
  };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["use.ts"] }));
  const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
  const compiled = () => execFileSync(process.execPath, [tsc, "-p", folder], { encoding: "utf8", stdio: "pipe" });
  try {
    expect(compiled()).toBe("");
  } catch (error) {
    throw new Error((error as { stdout?: string }).stdout ?? String(error));
  }
}, 180_000);
