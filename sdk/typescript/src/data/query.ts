/** A query as data, and the call it becomes. Pure: building never fails, a mistake is kept until the query is run. */

import { asFluxbaseError, type FluxbaseError, usageError } from "../core/errors.js";
import type { Call } from "../core/http.js";
import { columns as columnList, operand, quoted } from "./literal.js";

/** How many rows the caller wants to see: all, exactly one, or at most one. */
export type Cardinality = "many" | "one" | "maybe";

/** A parameter of the query string. */
export type Parameter = readonly [name: string, value: string];

/** A query under construction. Plain data; replaced, never changed. */
export interface Query {
  readonly target: "tables" | "rpc";
  /** Of the table, view or function. */
  readonly name: string;
  /** Other than the server's default one. */
  readonly schema?: string;
  readonly method: "GET" | "HEAD" | "POST" | "PATCH" | "DELETE";
  readonly select?: string;
  /** Arguments of a function that is called by GET, and how an insert is to be done. */
  readonly parameters: readonly Parameter[];
  readonly filters: readonly Parameter[];
  /** Terms by parameter: `order`, or `author.order` for embedded rows. */
  readonly order: Readonly<Record<string, readonly string[]>>;
  /** Numbers by parameter: `limit` and `offset`, or `author.limit` for embedded rows. */
  readonly page: Readonly<Record<string, number>>;
  readonly body?: unknown;
  /** Whether a write returns its rows. */
  readonly returning: boolean;
  readonly cardinality: Cardinality;
  /** Words for `Prefer`, beside what a write returns. */
  readonly prefer: readonly string[];
  /** Leaves members out that are null. */
  readonly stripped: boolean;
  /** The media type, where it is not JSON. */
  readonly format?: "text/csv" | "application/geo+json";
  /** Asks for the plan, in this format and with these options. */
  readonly plan?: { readonly format: "text" | "json"; readonly options: readonly string[] };
  readonly signal?: AbortSignal;
  /** Whether a read is tried again when the server cannot answer for the moment. */
  readonly retry: boolean;
  /** Whether a failure is thrown where it would be returned. */
  readonly throwing: boolean;
  /** The first mistake made while building. */
  readonly mistake?: FluxbaseError;
}

/** The empty query on a table, view or function. */
export function emptyQuery(target: Query["target"], name: string, schema: string | undefined): Query {
  return {
    ...{ target, name, ...(schema === undefined ? {} : { schema }) },
    ...{ method: "GET", parameters: [], filters: [], order: {}, page: {}, prefer: [] },
    ...{ returning: false, cardinality: "many", stripped: false, retry: true, throwing: false },
  };
}

/** Whether a query changes nothing by its method. */
export function isRead({ method }: Query): boolean {
  return method === "GET" || method === "HEAD";
}

/** Whether it is the client that counts the rows: the server has no word for "at most one". */
export function isCountedHere(query: Query): boolean {
  return query.cardinality === "maybe" && (isRead(query) || query.target === "rpc");
}

/** The call that a query becomes. */
export function toCall(query: Query): Call {
  return {
    family: "data",
    method: query.method,
    path: `/api/v1/${query.target}/${encodeURIComponent(query.name)}`,
    query: search(query).toString(),
    body: query.body,
    headers: headers(query),
    signal: query.signal,
  };
}

function headers(query: Query): Record<string, string> {
  const all: Record<string, string> = { Accept: accept(query) };
  const isWrite = query.target === "tables" && !isRead(query);
  const returned = isWrite ? [`return=${query.returning ? "representation" : "minimal"}`] : [];
  const prefer = [...returned, ...query.prefer];
  if (prefer.length > 0) all["Prefer"] = prefer.join(",");
  if (query.schema !== undefined) all[isRead(query) ? "Accept-Profile" : "Content-Profile"] = query.schema;
  return all;
}

function accept(query: Query): string {
  const rows = rowsType(query);
  if (query.plan === undefined) return rows;
  const { format, options } = query.plan;
  const list = options.length > 0 ? `; options=${options.join("|")}` : "";
  return `application/vnd.pgrst.plan+${format}; for="${rows}"${list}`;
}

function rowsType(query: Query): string {
  if (query.format !== undefined) return query.format;
  const single = query.cardinality !== "many" && !isCountedHere(query);
  if (query.stripped) return `application/vnd.pgrst.${single ? "object" : "array"}+json;nulls=stripped`;
  return single ? "application/vnd.pgrst.object+json" : "application/json";
}

function search(query: Query): URLSearchParams {
  const all = new URLSearchParams();
  if (query.select !== undefined) all.set("select", columnList(query.select));
  for (const [name, value] of [...query.parameters, ...query.filters]) all.append(name, value);
  for (const [name, terms] of Object.entries(query.order)) all.set(name, terms.join(","));
  for (const [name, rows] of Object.entries(pages(query))) all.set(name, String(rows));
  return all;
}

/** To see that there is more than one row, two are enough. */
function pages({ page, cardinality, method }: Query): Query["page"] {
  if (cardinality === "many" || method !== "GET") return page;
  return { ...page, limit: Math.min(page["limit"] ?? 2, 2) };
}

/** The names of the members that the rows of a body have, each once. */
function keysOf(rows: readonly unknown[]): string[] {
  const keys = new Set<string>();
  for (const row of rows) for (const [key, value] of Object.entries(row ?? {})) if (value !== undefined) keys.add(key);
  return [...keys];
}

/** The rows of one insert must have the same keys; where one lacks a key that another has, it gets a null. */
export function evenRows(body: unknown): unknown {
  if (!Array.isArray(body)) return body;
  const rows = body as Record<string, unknown>[];
  const keys = keysOf(rows);
  const isEven = (row: Record<string, unknown>) => keys.every((key) => row?.[key] !== undefined);
  if (rows.every(isEven)) return rows;
  return rows.map((row) => Object.fromEntries(keys.map((key) => [key, row?.[key] ?? null])));
}

/** The columns that uneven rows are taken for, as a parameter; none where there is one row only. */
export function columnsOf(body: unknown): readonly Parameter[] {
  const keys = Array.isArray(body) ? keysOf(body) : [];
  return keys.length === 0 ? [] : [["columns", keys.map(quoted).join(",")]];
}

/** The arguments of a function in the query string, where lists are arrays. Those that are undefined are left out. */
export function argumentsOf(args: object): Partial<Query> {
  const given = Object.entries(args).filter(([, value]) => value !== undefined);
  try {
    return { parameters: given.map(([name, value]) => [name, argument(name, value)]) };
  } catch (thrown) {
    return { mistake: asFluxbaseError(thrown) };
  }
}

function argument(name: string, value: unknown): string {
  if (value !== null) return operand(value);
  throw usageError(`A query string has no null for the argument ${name}; call the function by POST`, "invalid_query");
}

/** A whole number that is not negative. Throws `invalid_query`. */
export function rowNumber(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw usageError(`${name} must be a whole number, 0 or more`, "invalid_query");
}
